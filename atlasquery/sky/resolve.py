"""Names to positions: asked of the survey that gives them, else of Sesame."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from numbers import Integral
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.coordinates.name_resolve import NameResolveError, sesame_url

from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
)
from atlasquery.redaction import safe_text
from atlasquery.service.failures import check_on_error
from atlasquery.service.pool import run_all
from atlasquery.service.positions import read_position
from atlasquery.sky.asking import Question, ask_all, check_seconds
from atlasquery.sky.names import kind_of, read_name, spelled
from atlasquery.sky.services import SkyService, chosen_services
from atlasquery.sky.terms import Kind, Located
from atlasquery.sphere import separations
from atlasquery.warn import warn

__all__ = ["Resolved", "find_names", "merged_names", "resolve", "unknown_error"]

SESAME = "Sesame"
# Names that are asked of Sesame at the same time.
SESAME_AT_ONCE = 4
# Arcseconds within which two services have the same object under a name.
SAME_OBJECT = 5.0
# The services that give names of a kind; others repeat them.
ORIGIN = {
    Kind.ATLAS_ID: ("atlas", "alerce"),
    Kind.ATLAS: ("atlas",),
    Kind.TNS: ("atlas", "skyportal"),
    Kind.ZTF: ("alerce",),
    Kind.LSST: ("alerce",),
    Kind.LCC: ("lccserver",),
    Kind.OTHER: ("skyportal", "atlas"),
}


class Resolved:
    """The positions and names of objects, as `resolve` returns them.

    Attributes
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`
        A position, ICRS; for several names an array in their order, NaN where unknown.
    names : tuple of str, or list of tuples
        All names of the object, the one given first; for several names a list of these.
    source : str or list of str
        The service that has the position: ``"atlas"``, ``"alerce"``, ``"skyportal"``,
        ``"lccserver"`` or ``"Sesame"``; empty for an unknown name.
    known : bool or `~numpy.ndarray` of bool
        Whether the name is known.
    """

    def __init__(self, given: Sequence[str], located: Sequence[tuple[Located, str] | None],
                 *, scalar: bool):  # fmt: skip
        self._given = tuple(given)
        positions = [(np.nan, np.nan) if one is None else one[0][:2] for one in located]
        ra, dec = np.array(positions, dtype=float).reshape(-1, 2).T
        coordinates = SkyCoord(ra, dec, unit="deg")
        names = [
            (name,) if one is None else merged_names([name, *one[0].names])
            for name, one in zip(given, located, strict=True)
        ]
        sources = ["" if one is None else one[1] for one in located]
        known = np.array([one is not None for one in located], dtype=bool)
        self.coordinates: SkyCoord = coordinates[0] if scalar else coordinates
        self.names: Any = names[0] if scalar else names
        self.source: Any = sources[0] if scalar else sources
        self.known: Any = bool(known[0]) if scalar else known
        self._rows = list(zip(given, ra.tolist(), dec.tolist(), names, sources, strict=True))

    def __len__(self) -> int:
        return len(self._given)

    def __iter__(self) -> Iterator["Resolved"]:
        for name, ra, dec, names, source in self._rows:
            position = (Located(ra, dec, names), source) if source else None
            yield Resolved([name], [position], scalar=True)

    def __repr__(self) -> str:
        lines = []
        for name, ra, dec, names, source in self._rows[:10]:
            others = f", also {', '.join(names[1:6])}" if len(names) > 1 else ""
            where = f"{ra:.5f} {dec:+.5f} ({source}{others})" if source else "unknown"
            lines.append(safe_text(f"{name}: {where}"))
        if len(self._rows) > 10:
            lines.append(f"and {len(self._rows) - 10} others")
        return "<Resolved " + "\n          ".join(lines) + ">"


def resolve(
    name: str | int | Sequence | np.ndarray,
    *,
    services: Any = None,
    on_error: str = "raise",
    timeout: u.Quantity | float | str | None = None,
    cache: bool | None = None,
) -> Resolved:
    """Find the position of an object, and its other names, by any of its names.

    Names of ATLAS, ZTF, LSST, the TNS and an LCC-Server are recognised by their form and
    asked of the services that can know them, all at once; any other name of the SkyPortal
    that is configured. Names that none of these knows, except ids, are asked of Sesame.

    Parameters
    ----------
    name : str, int, or sequence of them
        Such as ``"ATLAS26abc"``, ``"AT 2026abc"``, ``"SN 2011fe"``, ``"ZTF18acuwwpp"``, an id
        of ATLAS (19 digits) or LSST, ``"HAT-198-0835489"``, ``"M 31"``.
    services : str, client, or list of them, optional
        Who is asked, as of `find`; by default all that are configured.
    on_error : {"raise", "warn"}, optional
        What happens if some of several names are unknown: an error that names each and has
        the rest as ``result``, or a warning, and ``known`` is false.
    timeout : `~astropy.units.Quantity`, float or str, optional
        Time limit of each service; a bare number is in seconds. By default 60 s; a server
        that does not respond at all is given up soon after all others have answered.
    cache : bool, optional
        Whether cached responses are used.

    Returns
    -------
    Resolved
        With ``coordinates``, ``names``, ``source`` and ``known``: single values for a single
        name, one for each of several.

    Raises
    ------
    InvalidQueryError
        If a name is empty, or a number that is not an id; nothing was sent.
    NotFoundError
        If the name is unknown; the message gives the reason of each service.
    IncompleteResultError
        If some of several names are unknown.
    RemoteServiceError
        If the name was not found, and a service that may know it failed.

    See Also
    --------
    find : Objects of all services around a name or a position.

    Examples
    --------
    >>> from atlasquery import resolve
    >>> found = resolve("ZTF26onptaab")
    >>> found.source, "ATLAS26zy" in found.names
    ('alerce', True)
    """
    check_on_error(on_error)
    seconds = check_seconds(timeout)
    scalar = isinstance(name, (str, Integral)) or np.ndim(name) == 0
    given = [name] if scalar else list(_flat(name))
    if not given:
        raise InvalidQueryError("name is empty: give at least one")
    strings = [
        read_name(each, name="name" if scalar else f"name[{n}]") for n, each in enumerate(given)
    ]
    _refuse_positions(strings)
    chosen, skipped = chosen_services(services, cache)
    located, reasons, failed = find_names(strings, chosen, seconds)
    resolved = Resolved(strings, located, scalar=scalar)
    unknown = [text for text, one in zip(strings, located, strict=True) if one is None]
    if not unknown:
        return resolved
    failures = [(text, unknown_error(text, reasons[text], skipped)) for text in unknown]
    if scalar or len(failures) == 1 == len(strings):
        raise failures[0][1]
    if len(unknown) == len(strings) or on_error == "raise":
        raise IncompleteResultError(
            f"{len(unknown)} of {len(strings)} names are unknown: {', '.join(unknown)}. The others "
            "are in the error's .result, the reasons in .failures.",
            result=resolved,
            failures=failures,
        )
    category = NoResultsWarning if not failed else InputWarning
    warn(f"{len(unknown)} of {len(strings)} names are unknown: {', '.join(unknown)}", category)
    return resolved


def find_names(
    names: Sequence[str], services: Sequence[SkyService], seconds: float | None
) -> tuple[list[tuple[Located, str] | None], dict[str, list[str]], dict[str, Exception]]:
    """Find names at the services that can know them, then at Sesame.

    Parameters
    ----------
    names : sequence of str
        Names, as `read_name` returns them.
    services : sequence of SkyService
        The services.
    seconds : float or None
        Time limit of each.

    Returns
    -------
    located : list
        For each name its `Located` and the name of the service; None if it is unknown.
    reasons : dict of str to list of str
        What was asked without success, for each name.
    failed : dict of str to Exception
        The services that failed.
    """
    distinct = list(dict.fromkeys(names))
    questions = []
    asked: list[tuple[SkyService, list[str]]] = []
    for service in services:
        mine = [name for name in distinct if kind_of(name) in service.kinds]
        if mine:
            asked.append((service, mine))
            questions.append(
                Question(
                    service.name, service.title,
                    partial(service.look_up, mine),
                    service.client, service.address,
                )
            )  # fmt: skip
    answers = ask_all(questions, timeout=seconds) if questions else []
    failed: dict[str, Exception] = {}
    hits: dict[str, list[tuple[str, Located]]] = {name: [] for name in distinct}
    reasons: dict[str, list[str]] = {name: [] for name in distinct}
    for (service, mine), answer in zip(asked, answers, strict=True):
        if answer.error is not None:
            failed[service.title] = answer.error
        for name in mine:
            if answer.error is not None:
                reasons[name].append(f"{service.title} failed: {answer.error}")
            elif name in answer.value:
                hits[name].append((service.name, answer.value[name]))
            else:
                reasons[name].append(f"{service.title} does not know it")
    found = {name: _best(name, each) for name, each in hits.items()}
    for name in distinct:
        if found[name] is None and not any(name in mine for _, mine in asked):
            able = " or ".join(ORIGIN[kind_of(name)])
            reasons[name].append(f"Only {able} may know it, which was not asked")
    # Sesame knows no ids of these surveys.
    rest = [name for name in distinct if found[name] is None and not name.isdecimal()]
    for name, outcome in zip(rest, _ask_sesame(rest, seconds), strict=True):
        if isinstance(outcome, Located):
            found[name] = outcome, SESAME
        elif kind_of(name) is Kind.OTHER and _is_down(outcome):
            # Names of surveys are not those that Sesame is for.
            failed[SESAME] = outcome
            reasons[name].append(f"{SESAME} failed: {_joined_lines(outcome)}")
        elif not sesame_url.get():
            reasons[name].append(f"{SESAME} was not asked: astropy has no address for it")
        elif _is_down(outcome):
            reasons[name].append(f"{SESAME} did not answer")
        else:
            reasons[name].append(f"{SESAME}: {_first_line(outcome)}")
    return [found[name] for name in names], reasons, failed


def _best(name: str, hits: list[tuple[str, Located]]) -> tuple[Located, str] | None:
    """Return the position of the service that gave the name, with the names of all."""
    if not hits:
        return None
    order = ORIGIN[kind_of(name)]
    ranked = sorted(hits, key=lambda hit: order.index(hit[0]) if hit[0] in order else len(order))
    source, best = ranked[0]
    names = list(best.names)
    for _, other in ranked[1:]:
        if separations(best.ra, best.dec, other.ra, other.dec) <= SAME_OBJECT:
            names += other.names
    return best._replace(names=merged_names(names)), source


def merged_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return names in order, each in one spelling: AT 2026abc rather than 2026abc.

    Parameters
    ----------
    names : iterable of str
        Names, some of them repeated.

    Returns
    -------
    tuple of str
        Each once.
    """
    known: dict[str, str] = {}
    for name in names:
        key = spelled(name)
        # With its prefix a name of the TNS is longer.
        if len(name) > len(known.get(key, "")):
            known[key] = name
    return tuple(known.values())


def _ask_sesame(names: list[str], seconds: float | None) -> list[Located | Exception]:
    def ask(name: str) -> Located:
        found = SkyCoord.from_name(name)
        return Located(float(found.ra.deg), float(found.dec.deg), (name,))

    if not names:
        return []
    work = partial(run_all, ask, names, concurrency=SESAME_AT_ONCE, progress=False)
    (answer,) = ask_all([Question(SESAME, SESAME, work)], timeout=seconds)
    return answer.value if answer.error is None else [answer.error] * len(names)


def _is_down(error: Exception) -> bool:
    """Return whether Sesame did not answer, as opposed to not knowing the name."""
    if isinstance(error, NameResolveError):
        # Where no address is set it is not in use.
        return "queries failed" in str(error) and bool(sesame_url.get())
    return True


def _joined_lines(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def unknown_error(name: str, reasons: list[str], skipped: dict[str, str]) -> RemoteServiceError:
    """Return the error of a name that nobody knows.

    Parameters
    ----------
    name : str
        The name.
    reasons : list of str
        What was asked without success.
    skipped : dict of str to str
        Why services were not asked.

    Returns
    -------
    RemoteServiceError
        A `NotFoundError`, unless a service failed that may know it.
    """
    not_asked = [f"{service} was not asked: {reason}" for service, reason in skipped.items()]
    message = f"{name!r} is unknown. {'. '.join([*reasons, *not_asked])}"
    failures = [reason for reason in reasons if " failed: " in reason]
    kind = RemoteServiceError if failures else NotFoundError
    return kind(message if message.endswith(".") else f"{message}.", reason="unknown name")


def _flat(names: Any) -> list:
    values = np.ravel(names) if isinstance(names, np.ndarray) else list(names)
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def _refuse_positions(names: list[str]) -> None:
    for name in names:
        try:
            position = read_position(name)
        except InvalidQueryError:
            position = None
        if position is not None:
            raise InvalidQueryError(
                f"name={name!r:.80} is a position, not a name: use SkyCoord, or find()"
            )

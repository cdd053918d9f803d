"""One question to all services at once: what is known of a position or a name."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.time import Time

from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    LoginError,
    NoResultsWarning,
    NotFoundError,
)
from atlasquery.regions.argument import refuse_with_region
from atlasquery.regions.region import Region
from atlasquery.service.inputs import check_radius, check_time
from atlasquery.sky.asking import (
    LIMIT,
    Question,
    ServiceAnswer,
    ask_all,
    check_seconds,
    repeat_warnings,
)
from atlasquery.sky.findings import Findings, ServiceResult
from atlasquery.sky.resolve import find_names, unknown_error
from atlasquery.sky.services import ForcedService, SkyService, chosen_services
from atlasquery.sky.targets import FindTargets, read_targets
from atlasquery.sky.terms import Found
from atlasquery.warn import warn

__all__ = ["find"]

# A time of now may be in the future by another clock.
CLOCKS_DIFFER = 1 * u.day
# Around a position, if no radius is given.
RADIUS = 2 * u.arcsec
# What failed, where it is all light curves of a service.
CURVES = "light curves"
# Seconds of each service for a region or many positions, which may take hundreds of searches, and
# for each further position.
REGION_LIMIT, EACH_LIMIT = 3600.0, 1.0


def find(
    target: Any,
    *,
    radius: Angle | u.Quantity | str | None = None,
    services: Any = None,
    light_curves: bool = False,
    since: Time | str | float | None = None,
    timeout: u.Quantity | float | str | None = None,
    cache: bool | None = None,
) -> Findings:
    """Ask all services at once what they have at a position, of a name, or in a region.

    ALeRCE is asked for objects of ZTF and of LSST. The ATLAS Transient Server and SkyPortal
    are asked if there are credentials for them, an LCC-Server if its address is set. A service
    that is down, slow or refuses does not delay or spoil the others: `Findings.failures` has
    its error, `Findings.skipped` the reason why one was not asked.

    Parameters
    ----------
    target : SkyCoord, str, int, sequence of them, `~astropy.table.Table` or region
        Positions of any shape; a name, such as ``"ATLAS26abc"``, ``"SN 2026abc"``,
        ``"ZTF18acuwwpp"`` or one that Sesame knows; an id of ATLAS (19 digits) or of LSST; a
        list of names and ids; a table with positions, or with names. What is at the position
        of a name is found under its other names too. Or one region: a shape of the package
        ``regions``, a `mocpy.MOC`, or what `~atlasquery.regions.read_region` returns.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str, optional
        The radius of the circle around each position, with its unit; by default 2 arcsec. A
        region has none.
    services : str, client, or list of them, optional
        Who is asked: ``"atlas"``, ``"alerce"``, ``"lccserver"``, ``"skyportal"``,
        ``"forcedphot"``, or clients of other servers, such as ``AtlasClass(server)``. By default
        all that are configured, but not forced photometry, which costs a task for each position
        and is asked only by name.
    light_curves : bool, optional
        Whether light curves are fetched too. `Findings.light_curve` fetches them later.
    since : `~astropy.time.Time`, str or float, optional
        Only what is new since this time: objects with new detections or changes, and the
        part of their light curves from then on. A bare number is an MJD in UTC. A service that
        cannot report this is skipped, with the reason.
    timeout : `~astropy.units.Quantity`, float or str, optional
        Time limit of each service; a bare number is in seconds. By default 60 s and another
        second for each further position, up to an hour, and an hour for forced photometry and
        for regions. A server that does not respond at all, or has
        only failed so far, is given up within a second after all others have answered; ask it
        alone to wait for it.
    cache : bool, optional
        Whether cached responses are used; by default as
        ``astroquery.cache_conf.cache_active`` says.

    Returns
    -------
    Findings
        With ``objects``, a table of all objects of all services; ``findings[service]``, the
        service's own table; ``names``, ``light_curve()``, ``plot()``, ``write()``, ``failures``
        and ``skipped``.

    Raises
    ------
    InvalidQueryError
        If an argument is not valid; nothing was sent.
    NotFoundError
        If nobody knows the name.
    IncompleteResultError
        If no service answered: the message names each with its error or reason, and
        ``failures`` has them.
    LoginError
        If every service was skipped.

    Warns
    -----
    InputWarning
        If a service failed, or some of several names are unknown.
    NoResultsWarning
        If no service has anything.

    See Also
    --------
    resolve : The position and names of an object.

    Examples
    --------
    >>> from atlasquery import find
    >>> found = find("ATLAS26zy")
    >>> sorted(set(found.objects["service"].tolist()))
    ['alerce', 'atlas', 'lccserver', 'skyportal']
    >>> "SN 2026ahw" in found.names
    True
    """
    seconds = check_seconds(timeout)
    targets = read_targets(target)
    if targets.region is not None:
        refuse_with_region(targets.region, radius=radius is not None)
    arcsec = check_radius(RADIUS if radius is None else radius)
    after = _check_since(since)
    chosen, skipped = chosen_services(services, cache)
    if after is not None:
        for service in chosen:
            if service.no_since:
                skipped[service.name] = service.no_since
        chosen = [service for service in chosen if not service.no_since]
    if targets.region is not None:
        skipped |= {service.name: service.no_region for service in chosen if service.no_region}
        chosen = [service for service in chosen if not service.no_region]
    if not chosen:
        reasons = " ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise LoginError(f"No service can be asked. {reasons}")
    aliases = _locate(targets, chosen, skipped, seconds)
    located = targets.located
    where = targets.coordinates(located) if targets.region is None else targets.region
    longest = REGION_LIMIT
    if targets.region is None:
        longest = min(LIMIT + EACH_LIMIT * (len(located) - 1), REGION_LIMIT)
    questions = [
        Question(
            service.name, service.title,
            partial(_search, service, where, arcsec, light_curves, after),
            service.client, service.address, service.limit or longest,
        )
        for service in chosen
    ]  # fmt: skip
    answers = ask_all(questions, timeout=seconds)
    results = _results(chosen, answers, located)
    failures = _failures(chosen, answers)
    findings = Findings(
        targets, arcsec, results, failures, skipped, aliases=aliases, since=after, timeout=seconds
    )
    if not any(answer.error is None for answer in answers):
        _raise_for_all(findings)
    _warn_of(answers, failures)
    if not len(findings.objects):
        new = "" if after is None else f" new since {after.utc.iso[:19]}"
        warn(f"No service that answered has an object{new} {findings.where}", NoResultsWarning)
    return findings


def _check_since(since: Any) -> Time | None:
    mjd = check_time(since, name="since")
    if mjd is None:
        return None
    after = Time(mjd, format="mjd", scale="utc")
    if after > Time.now() + CLOCKS_DIFFER:
        raise InvalidQueryError(
            f"since={since!r:.80} is in the future; give the time of your last run"
        )
    return after


def _locate(
    targets: FindTargets,
    chosen: Sequence[SkyService],
    skipped: dict[str, str],
    seconds: float | None,
) -> dict[int, tuple[str, ...]]:
    """Give targets their positions by their names; return all names of each."""
    pending = targets.unresolved
    if not pending:
        return {}
    names = [targets.names[n] or "" for n in pending]
    found, reasons, failed = find_names(names, chosen, seconds)
    aliases: dict[int, tuple[str, ...]] = {}
    unknown = []
    for n, name, one in zip(pending, names, found, strict=True):
        if one is None:
            unknown.append(name)
            aliases[n] = (name,)
        else:
            targets.positions[n] = one[0].ra, one[0].dec
            aliases[n] = (name, *one[0].names)
    if unknown and not len(targets.located):
        if len(unknown) == 1:
            raise unknown_error(unknown[0], reasons[unknown[0]], skipped)
        errors = [(name, unknown_error(name, reasons[name], skipped)) for name in unknown]
        kind = IncompleteResultError if failed else NotFoundError
        error = kind(f"None of the {len(unknown)} names is known: {', '.join(unknown)}")
        if isinstance(error, IncompleteResultError):
            error.failures = errors
        raise error
    if unknown:
        warn(
            f"{len(unknown)} of {len(targets.names)} targets are unknown and were not searched: "
            f"{', '.join(unknown)}",
            InputWarning,
        )
    return aliases


def _search(
    service: SkyService,
    where: SkyCoord | Region,
    arcsec: float,
    light_curves: bool,
    after: Time | None,
) -> Found:
    """Ask one service; an error of its light curves leaves its objects."""
    if after is not None and isinstance(service, ForcedService):
        return service.measure_since(where, after)
    if isinstance(where, SkyCoord):
        found = service.search(where, arcsec)
    else:
        found = service.search_region(where)
    if after is not None:
        return service.changed(found, after, curves=light_curves)
    if light_curves:
        try:
            service.add_curves(found, None)
        except Exception as error:
            found.failures.append((CURVES, error))
            found.curves = [[] for _ in found.entries]
    return found


def _results(
    chosen: Sequence[SkyService], answers: Sequence[ServiceAnswer], located: np.ndarray
) -> list[ServiceResult]:
    """Return what was found, with the numbers of the targets instead of those of positions."""
    results = []
    for service, answer in zip(chosen, answers, strict=True):
        found = answer.value
        if answer.error is not None or found is None:
            continue
        found.entries = [
            entry._replace(query_index=int(located[entry.query_index])) for entry in found.entries
        ]
        if len(found.table):
            found.table["query_index"] = located[np.asarray(found.table["query_index"])]
        failed = [error for what, error in found.failures if what == CURVES]
        results.append(
            ServiceResult(
                service, found, answer.seconds, curves_error=failed[0] if failed else None
            )
        )
    return results


def _failures(
    chosen: Sequence[SkyService], answers: Sequence[ServiceAnswer]
) -> dict[str, Exception]:
    """Return the error of each service of which something failed."""
    parts: dict[str, list[tuple[str, Exception]]] = {}
    complete: dict[str, list[bool]] = {}
    for service, answer in zip(chosen, answers, strict=True):
        complete.setdefault(service.name, []).append(answer.error is not None)
        if answer.error is not None:
            parts.setdefault(service.name, []).append((service.title, answer.error))
        elif answer.value.failures:
            failed = [(str(what), error) for what, error in answer.value.failures]
            parts.setdefault(service.name, []).extend(failed)
    failures: dict[str, Exception] = {}
    for name, failed in parts.items():
        first, error = failed[0]
        if len(failed) == 1 and all(complete[name]):
            failures[name] = error
            continue
        what = "failed" if all(complete[name]) else "failed, the rest is there"
        failures[name] = IncompleteResultError(
            f"{len(failed)} of its requests {what}; the first, {first}: {error}",
            failures=failed,
            service=name,
        )
    return failures


def _warn_of(answers: Sequence[ServiceAnswer], failures: dict[str, Exception]) -> None:
    """Repeat the warnings of the services, and name what failed."""
    repeat_warnings(answers)
    if failures:
        reasons = "; ".join(f"{name}: {error}" for name, error in failures.items())
        count = f"{len(failures)} service{'s' * (len(failures) != 1)}"
        warn(f"{count} failed, see failures of the result: {reasons}", InputWarning)


def _raise_for_all(findings: Findings) -> None:
    """Raise an error that names each service with its error, or why it was not asked."""
    lines = [f"{name}: {error}" for name, error in findings.failures.items()]
    lines += [f"{name} was not asked: {reason}" for name, reason in findings.skipped.items()]
    raise IncompleteResultError(
        f"No service answered. {' '.join(lines)}",
        result=findings,
        failures=list(findings.failures.items()),
    )

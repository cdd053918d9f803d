"""What all services have found: one table of objects, each service's table, names, light curves."""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table, vstack
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery import __version__
from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    NotFoundError,
)
from atlasquery.lightcurve import LightCurves, combine
from atlasquery.lightcurve import plot as plot_light_curve
from atlasquery.redaction import safe_text
from atlasquery.service.inputs import check_radius
from atlasquery.sky.asking import LIMIT, Question, ask_all, repeat_warnings
from atlasquery.sky.resolve import merged_names
from atlasquery.sky.services import OTHER_NAMES, SERVICES, SkyService
from atlasquery.sky.targets import FindTargets
from atlasquery.sky.terms import Found, object_table
from atlasquery.tables.files import write_table
from atlasquery.tables.html import Markup, definitions, grid
from atlasquery.tables.pickling import PickledTable
from atlasquery.warn import warn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Findings", "ServiceResult"]

# Arcseconds from a target up to which an object counts as the target itself.
SAME_OBJECT = 3.0
# Rows of the table that are shown in a notebook.
MOST_ROWS = 30
SHOWN = ("service", "survey", "object_id", "name", "ra", "dec", "separation", "class",
         "n_detections", "last_time")  # fmt: skip
FORMATS = {"ra": ".5f", "dec": "+.5f", "separation": ".2f"}
UNITS = {"ra": " (deg)", "dec": " (deg)", "separation": " (arcsec)", "last_time": " (UTC)"}


@dataclasses.dataclass
class ServiceResult:
    """What one service has found, for one of its surveys.

    Parameters
    ----------
    service : SkyService or None
        The service, which can be asked for light curves; None after a pickle.
    found : Found
        What it has found.
    seconds : float
        How long it took.
    name : str, optional
        The name of the service.
    survey : str, optional
        The survey, of a service that is asked for several.
    curves_error : Exception, optional
        Why some of its light curves could not be fetched, when that was tried last.
    """

    service: SkyService | None
    found: Found
    seconds: float
    name: str = ""
    survey: str = ""
    curves_error: Exception | None = None

    def __post_init__(self) -> None:
        if self.service is not None:
            self.name, self.survey = self.service.name, self.service.survey

    def __getstate__(self) -> dict:
        """Return the state for a pickle, without the client and its credentials."""
        found = dataclasses.replace(self.found, table=PickledTable(self.found.table))
        if found.curves is not None:
            found.curves = [[PickledTable(curve) for curve in each] for each in found.curves]
        return self.__dict__ | {"service": None, "found": found}

    def __setstate__(self, state: dict) -> None:
        """Restore the tables of a pickle."""
        self.__dict__.update(state)
        self.found.table = self.found.table.restore()
        if self.found.curves is not None:
            self.found.curves = [[one.restore() for one in each] for each in self.found.curves]

    def forget_failed_curves(self) -> None:
        """Forget the failures of an earlier attempt, before light curves are fetched again."""
        if self.curves_error is None:
            return
        earlier = getattr(self.curves_error, "failures", ())
        of_search = [
            one
            for one in self.found.failures
            if one not in earlier and one[1] is not self.curves_error
        ]
        self.found = dataclasses.replace(self.found, curves=None, failures=of_search)

    def note_curves(self, error: Exception | None, known: int) -> None:
        """Note how it went to fetch light curves.

        Parameters
        ----------
        error : Exception or None
            Why none could be fetched.
        known : int
            The number of failures before the attempt.
        """
        failed = list(self.found.failures)[known:]
        if error is not None:
            # A thread that was given up may still write to the old one.
            self.found = dataclasses.replace(
                self.found,
                entries=list(self.found.entries),
                curves=[[] for _ in self.found.entries],
            )
        elif failed:
            error = IncompleteResultError(
                f"{len(failed)} light curves failed; the first, {failed[0][0]}: {failed[0][1]}",
                failures=failed,
                service=self.name,
            )
        self.curves_error = error


class Findings:
    """What all services have of a target, or of many, as `find` returns it.

    ``findings["atlas"]`` is the table of a service, ``len(findings)`` the number of objects.

    Attributes
    ----------
    failures : dict of str to Exception
        The error of each service of which something failed.
    skipped : dict of str to str
        Why a service was not asked.
    radius : float
        The radius of the search in arcsec; NaN for a region.
    since : `~astropy.time.Time` or None
        The time since which changes were requested.
    """

    def __init__(
        self,
        targets: FindTargets,
        radius: float,
        results: Iterable[ServiceResult],
        failures: Mapping[str, Exception],
        skipped: Mapping[str, str],
        *,
        aliases: Mapping[int, tuple[str, ...]],
        since: Time | None = None,
        timeout: float | None = None,
    ):
        self._targets = targets
        self.radius = radius if targets.region is None else float("nan")
        self._results = list(results)
        self.failures: dict[str, Exception] = dict(failures)
        # Without those of light curves, which are requested again.
        tried = [result.curves_error for result in self._results if result.curves_error]
        self._search_failures = {
            name: error
            for name, error in self.failures.items()
            if not (parts := [part for _, part in getattr(error, "failures", ())])
            or not all(any(part is one for one in tried) for part in parts)
        }
        self.skipped: dict[str, str] = dict(skipped)
        self._aliases = dict(aliases)
        self.since = since
        self._timeout = timeout

    @cached_property
    def objects(self) -> Table:
        """The objects of all services, sorted by target and separation.

        A row for each object and target: ``query_index`` (into the flat targets), ``service``,
        ``survey``, ``object_id`` (as text), ``name``, ``ra`` and ``dec`` (deg, ICRS),
        ``separation`` (arcsec), ``class``, ``n_detections``, ``first_time`` and ``last_time``
        (UTC). What a service does not report is masked, and so is the separation in a region.
        """
        entries = [entry for result in self._results for entry in result.found.entries]
        if self._targets.region is None:
            entries.sort(key=lambda entry: (entry.query_index, entry.separation))
        table = object_table(entries)
        table.meta |= {
            "service": "all configured services",
            "query": "find",
            **self._extent,
            "targets": len(self._targets.names),
            "asked": ", ".join(self.services),
            "plans": [f"{name}: {plan}" for name, plan in self.plans.items()],
            "failures": [f"{name}: {error}" for name, error in self.failures.items()],
            "skipped": [f"{name}: {reason}" for name, reason in self.skipped.items()],
            "creator": f"atlasquery {__version__}",
        }
        if self.since is not None:
            table.meta["since"] = self.since.utc.isot
        return table

    @property
    def where(self) -> str:
        """The area of the search in words, such as "within 2 arcsec"."""
        region = self._targets.region
        return f"within {self.radius:g} arcsec" if region is None else f"in the {region.name}"

    @property
    def _extent(self) -> dict[str, str]:
        region = self._targets.region
        return {"radius": f"{self.radius:g} arcsec"} if region is None else {"region": region.name}

    @property
    def services(self) -> tuple[str, ...]:
        """The services that answered."""
        return tuple(dict.fromkeys(result.name for result in self._results))

    @property
    def coordinates(self) -> SkyCoord:
        """The positions that were searched, in the shape of the targets; NaN if unknown."""
        found = self._targets.coordinates(np.arange(len(self._targets.names)))
        return found.reshape(self._targets.shape)

    @cached_property
    def names(self) -> tuple[str, ...] | list[tuple[str, ...]]:
        """All names of the target: the given one first; a list of these for several targets.

        They are those of objects within 3 arcsec of it, however large the circle was.
        """
        names: list[list[str]] = [
            list(self._aliases.get(n, ())) for n in range(len(self._targets.names))
        ]
        for result in self._results:
            for entry, each in zip(result.found.entries, result.found.names, strict=True):
                if entry.separation <= SAME_OBJECT:
                    names[entry.query_index] += each
        merged = [merged_names(each) for each in names]
        return merged[0] if self._targets.shape == () else merged

    @property
    def seconds(self) -> dict[str, float]:
        """How long each service took."""
        taken: dict[str, float] = {}
        for result in self._results:
            taken[result.name] = max(taken.get(result.name, 0.0), result.seconds)
        return taken

    @property
    def plans(self) -> dict[str, str]:
        """How many searches the positions took at each service, in words."""
        plans: dict[str, str] = {}
        for result in self._results:
            if text := result.found.table.meta.get("plan"):
                plans[f"{result.name} {result.survey}".strip()] = str(text)
        return plans

    def __getstate__(self) -> dict:
        """Return the state for a pickle, without what is built again when it is used."""
        return {name: value for name, value in self.__dict__.items() if name != "objects"}

    def __getitem__(self, service: str) -> Table:
        """Return the table of a service; of several surveys, all rows with a ``survey``."""
        name = OTHER_NAMES.get(service, service)
        results = [result for result in self._results if result.name == name]
        if not results:
            reason = self.failures.get(name) or self.skipped.get(name)
            raise KeyError(f"{service} has no table: {reason}" if reason else self._no_key(service))
        if len(results) == 1:
            return results[0].found.table
        return _of_surveys(results)

    def _no_key(self, service: object) -> str:
        """Return what there is in place of a table that is not."""
        known = ", ".join(map(repr, self.services)) or "none"
        what = "was not asked" if service in SERVICES else "is not a service"
        surveys = {
            entry.survey: result.name for result in self._results for entry in result.found.entries
        }
        hint = ""
        if owner := surveys.get(str(service)):
            hint = f"; objects of the survey {service} are in the table {owner!r}"
        return f"{service!r} {what}; the services with tables are {known}{hint}"

    def __contains__(self, service: object) -> bool:
        return service in self.services

    def __iter__(self) -> Any:
        return iter(self.services)

    def __len__(self) -> int:
        return sum(len(result.found.entries) for result in self._results)

    def light_curves(
        self, index: int | None = None, *, within: Angle | u.Quantity | str = SAME_OBJECT * u.arcsec
    ) -> list[TimeSeries]:
        """Return the light curves of a target, each as its service sends it.

        Of a region they are those of all objects inside.

        Parameters
        ----------
        index : int, optional
            The number of the target; not needed for a single one.
        within : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str, optional
            How far from the target an object may be to count as the same.

        Returns
        -------
        list of `~astropy.timeseries.TimeSeries`
            All that have rows; ``meta`` has the service and the object.

        Raises
        ------
        InvalidQueryError
            If there are several targets and none is named.
        """
        number, arcsec = self._index(index), check_radius(within, name="within")
        self._fetch_curves(number)
        return self._curves_of(number, arcsec)

    def light_curve(
        self,
        index: int | None = None,
        *,
        within: Angle | u.Quantity | str = SAME_OBJECT * u.arcsec,
        **options: Any,
    ) -> TimeSeries | LightCurves:
        """Return one light curve of all services, as `atlasquery.lightcurve.combine` makes it.

        Parameters
        ----------
        index : int, optional
            The number of the target. Without it, a mapping for all targets is returned where
            there are several.
        **options
            Arguments of `~atlasquery.lightcurve.combine`: ``scale``, ``duplicates``,
            ``barycentric``, ``coordinates``. Where some services have the times of the telescope
            and others those at the barycentre of the Solar system, such as an LCC-Server, times
            are barycentric by default.

        Returns
        -------
        `~astropy.timeseries.TimeSeries` or LightCurves
            The light curve; for several targets, those that have one, by number.

        Raises
        ------
        NotFoundError
            If no service has measurements of the target.
        """
        self._refuse_region()
        arcsec = check_radius(within, name="within")
        of_all = index is None and self._targets.shape != ()
        self._fetch_curves(None if of_all else self._index(index))
        if of_all:
            numbers = range(len(self._targets.names))
            curves = {n: each for n in numbers if (each := self._curves_of(n, arcsec))}
            if not curves:
                raise NotFoundError(self._without_curves())
            places = self._targets.coordinates(np.array(list(curves)))
            options.setdefault("coordinates", dict(zip(curves, places, strict=True)))
            return combine(curves, **_with_reference(curves.values(), options))
        number = self._index(index)
        found = self._curves_of(number, arcsec)
        if not found:
            raise NotFoundError(self._without_curves())
        options.setdefault("coordinates", self._targets.coordinates(np.array([number]))[0])
        combined = combine(found, **_with_reference([found], options))
        if name := self._name(number):
            # Of the services' names for it, the one that was asked for comes first.
            combined.meta["object"] = name
        return combined

    def plot(self, index: int | None = None, **options: Any) -> "Axes":
        """Draw the light curve of all services together.

        Parameters
        ----------
        index : int, optional
            The number of the target; not needed for a single one.
        **options
            Arguments of `atlasquery.lightcurve.plot`.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes drawn on.
        """
        self._refuse_region()
        number = self._index(index)
        curve = self.light_curve(number)
        if name := self._name(number):
            options.setdefault("title", safe_text(name))
        return plot_light_curve(curve, **options)

    def write(self, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write the table of objects to a file; failures and skipped services are in its meta.

        Parameters
        ----------
        path : path-like
            The file; its extension gives the format, as in `~atlasquery.tables.write_table`.
        overwrite : bool, optional
            Whether to replace an existing file.

        Returns
        -------
        `~pathlib.Path`
            The file.
        """
        return write_table(self.objects, path, overwrite=overwrite)

    def _refuse_region(self) -> None:
        """Raise if there is no target whose objects are one."""
        if self._targets.region is not None:
            raise InvalidQueryError(
                "the objects in a region are not one target: light_curves() returns the light "
                "curve of each, and find(SkyCoord(objects['ra'], objects['dec'])) those of the "
                "same target together"
            )

    def _name(self, number: int) -> str | None:
        """Return the first name of a target, if it has any."""
        names = self.names if self._targets.shape == () else self.names[number]
        return str(names[0]) if names else None

    def _index(self, index: int | None) -> int:
        count = len(self._targets.names)
        if index is None:
            if count > 1:
                raise InvalidQueryError(f"index is needed, from 0 to {count - 1}: there are "
                                        f"{count} targets")  # fmt: skip
            return 0
        if isinstance(index, bool) or not isinstance(index, Integral) or not 0 <= index < count:
            raise InvalidQueryError(f"index={index!r} should be from 0 to {count - 1}")
        return int(index)

    def _curves_of(self, number: int, arcsec: float) -> list[TimeSeries]:
        return [
            curve
            for result in self._results
            for entry, each in zip(result.found.entries, result.found.curves or [], strict=False)
            for curve in each
            if entry.query_index == number
            and (self._targets.region is not None or entry.separation <= arcsec)
        ]

    def _fetch_curves(self, number: int | None) -> None:
        """Fetch the light curves that were not requested with the objects, or failed.

        Those that failed are requested again if they may be of the target with this number, or
        of any without one.
        """

        def is_failed(result: ServiceResult) -> bool:
            if result.curves_error is None or result.service is None:
                return False
            numbers = {entry.query_index for entry in result.found.entries}
            return bool(numbers) if number is None else number in numbers

        pending = [one for one in self._results if one.found.curves is None or is_failed(one)]
        if not pending:
            return
        if any(result.service is None for result in pending):
            raise InvalidQueryError(
                "the light curves were not fetched before this result was stored: give "
                "light_curves=True to find"
            )
        questions, before = [], []
        for result in pending:
            result.forget_failed_curves()
            before.append(len(result.found.failures))
            service: Any = result.service
            questions.append(
                Question(
                    service.name, service.title,
                    partial(service.add_curves, result.found, self.since),
                    service.client, service.address, service.limit or LIMIT,
                )
            )  # fmt: skip
        answers = ask_all(questions, timeout=self._timeout)
        repeat_warnings(answers)
        for result, answer, known in zip(pending, answers, before, strict=True):
            result.note_curves(answer.error, known)
            if (error := result.curves_error) is not None:
                warn(f"Light curves of {answer.question.title} failed: {error}", InputWarning)
        failed_now = {one.name: one.curves_error for one in self._results if one.curves_error}
        self.failures.clear()
        self.failures.update(self._search_failures | failed_now)
        self.__dict__.pop("objects", None)

    def _without_curves(self) -> str:
        reasons = [f"{name}: {error}" for name, error in self.failures.items()]
        reasons += [f"{name} was not asked: {reason}" for name, reason in self.skipped.items()]
        return " ".join(["No service that answered has a light curve of it.", *reasons])

    def __repr__(self) -> str:
        count, targets = len(self), len(self._targets.names)
        of = "" if self._targets.region else f" of {targets} target{'s' * (targets != 1)}"
        lines = [
            f"<Findings: {count} object{'s' * (count != 1)} {self.where}{of}, from "
            f"{', '.join(self.services) or 'nobody'}"
        ]
        lines += [f"failed: {name}: {error}" for name, error in self.failures.items()]
        lines += [f"skipped: {name}: {reason}" for name, reason in self.skipped.items()]
        return safe_text("\n  ".join(lines)) + ">"

    def _repr_html_(self) -> str:
        several = len(self._targets.names) > 1
        shown = (*(("query_index",) if several else ()), *SHOWN)
        rows = [[_cell(row[name], name) for name in shown] for row in self.objects[:MOST_ROWS]]
        left = len(self.objects) - len(rows)
        title = f"{len(self)} objects {self.where}"
        if not several and self._targets.names[0]:
            title += f" of {self._targets.names[0]}"
        head = [name.replace("_", " ") + UNITS.get(name, "") for name in shown]
        parts = [grid(head, rows, title=title)]
        if left > 0:
            parts.append(Markup(f"<p>and {left} others, in <code>objects</code></p>"))
        names = self.names if not several else ()
        outcome = {
            "names": ", ".join(map(str, names)),
            "since": "" if self.since is None else f"{self.since.utc.iso[:19]} UTC",
            **{f"{name} failed": str(error) for name, error in self.failures.items()},
            **{f"{name} skipped": reason for name, reason in self.skipped.items()},
        }
        if any(outcome.values()):
            parts.append(definitions(outcome, title=""))
        return "".join(parts)


def _with_reference(curves: Iterable[Iterable[TimeSeries]], options: dict) -> dict:
    """Return the arguments of `combine`: barycentric times where only some are already."""
    known = {curve.meta.get("time_reference_position") for each in curves for curve in each}
    mixed = "barycenter" in known and len(known) > 1
    return {"barycentric": True} | options if mixed else options


def _cell(value: Any, name: str) -> str:
    if value is np.ma.masked or (isinstance(value, Time) and np.any(value.mask)):
        return ""
    if isinstance(value, Time):
        try:
            return str(value.utc.iso)[:16]
        except ValueError:
            # A damaged time may be before the first day that ERFA knows.
            return f"MJD {value.mjd:.6g}"
    return format(value, FORMATS.get(name, ""))


def _of_surveys(results: list[ServiceResult]) -> Table:
    """Return the tables of the surveys of a service as one, with ids as text."""
    tables = []
    for result in results:
        table = result.found.table.copy()
        table.add_column(np.full(len(table), result.survey, dtype="U8"), 0, name="survey")
        if "oid" in table.colnames:
            table["oid"] = np.array([str(oid) for oid in table["oid"].tolist()], dtype=np.str_)
        tables.append(table)
    filled = [table for table in tables if len(table)] or tables[:1]
    if len(filled) == 1:
        return filled[0]
    return vstack(filled, metadata_conflicts="silent")

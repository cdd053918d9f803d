"""The rows of many light curves as plain arrays: their times, kinds, order and duplicates."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, get_args

import numpy as np
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.bin_arrays import GrowingArrays
from atlasquery.lightcurve.duplicates import FAR, MeasuredRows, hashed, repeats
from atlasquery.lightcurve.schema import (
    MJD_0,
    SCHEMA,
    Conventions,
    FluxKind,
    MagnitudeSystem,
    TimeReference,
)
from atlasquery.lightcurve.time_reference import (
    FORCED_ORIGINS,
    SITES,
    UNIT_LETTERS,
    USUAL_EXPOSURE,
    exposure_time_sent,
    is_forced_product,
)
from atlasquery.lightcurve.time_scales import SECONDS, light_travel_time, shifted
from atlasquery.lightcurve.uploaded_kinds import is_uploaded, uploaded_kinds
from atlasquery.service.inputs import suggest
from atlasquery.tables.coordinate_systems import ReferencePosition

__all__ = [
    "FLUX_KINDS",
    "MAGNITUDE_SYSTEMS",
    "MEASUREMENTS",
    "TIME_REFERENCES",
    "CombinedRows",
    "InputCurves",
    "combine_rows",
    "conventions_of",
    "count_unsure",
    "five_sigma_limits",
    "is_combined",
]

#: The values of columns, whose numbers the arrays here hold.
MEASUREMENTS = np.array(["detection", "forced", "limit"])
FLUX_KINDS = np.array(["difference", "total", "unknown"])
MAGNITUDE_SYSTEMS = np.array(["AB", "Vega", "unknown"])
TIME_REFERENCES = np.array(["start", "middle", "mean", "unknown"])
#: Columns of words, whose numbers `CombinedRows` holds: its attribute, and the words.
WORDS = {
    "measurement": ("measurement", MEASUREMENTS),
    "flux_kind": ("flux_kind", FLUX_KINDS),
    "magsys": ("magsys", MAGNITUDE_SYSTEMS),
    "time_reference": ("reference", TIME_REFERENCES),
}
DETECTION, FORCED, LIMIT = range(3)
START, UNKNOWN_REFERENCE = 0, 3
UNKNOWN_KIND = 2
#: What is known of an exposure time: nothing or what the survey usually has, that of the row, that
#: of another row of the same exposure.
USUAL, SENT, LOOKED_UP = range(3)
# Names of fewer rows than one in so many are read one light curve after the other.
SELDOM = 8
# The survey that gives its times in TAI.
IN_TAI = hashed(np.array(["lsst"]))[0]
NAMES = tuple(column.name for column in SCHEMA)
# Columns of light curves that were combined before, of which each row has its value.
ROW_BY_ROW = ("measurement", "service", "flux_kind", "magsys", "time_reference",
              "exposure_time_known")  # fmt: skip


@dataclass(frozen=True)
class InputCurves:
    """Light curves, those of an object together.

    Parameters
    ----------
    curves : list of `~astropy.table.Table`
        The light curves.
    names : list of str
        Their names in messages.
    owner : `~numpy.ndarray` of int
        The number of the object of each.
    services : list of str
        The service of each.
    conventions : list of Conventions
        What the times and fluxes of each are.
    lengths : list of int
        Number of rows of each.
    known_services : tuple of str
        All services of the call, sorted: rows have an index of these.
    """

    curves: list[Table]
    names: list[str]
    owner: np.ndarray
    services: list[str]
    conventions: list[Conventions]
    lengths: list[int]
    known_services: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.curves)

    def columns(self) -> CurveArrays:
        """Return the columns of the light curves.

        Returns
        -------
        CurveArrays
            Of any time scales.

        Raises
        ------
        InvalidQueryError
            If one has no column of `SCHEMA`, or in a wrong unit.
        """
        return CurveArrays(self.curves, self.names, NAMES, mixed_scales=True, lengths=self.lengths)

    def part(self, some: slice) -> "InputCurves":
        """Return some of the light curves.

        Parameters
        ----------
        some : slice
            Which of them.

        Returns
        -------
        InputCurves
            Of the same services.
        """
        return InputCurves(
            self.curves[some],
            self.names[some],
            self.owner[some],
            self.services[some],
            self.conventions[some],
            self.lengths[some],
            self.known_services,
        )


@dataclass
class CombinedRows:
    """What is known of each row of the result; the rows of an object are in order of time.

    Parameters
    ----------
    index : `~numpy.ndarray` of int64
        Where each row is in all light curves concatenated.
    jd1, jd2 : `~numpy.ndarray`
        Its time.
    measurement, flux_kind, magsys, reference : `~numpy.ndarray` of int8
        Indices of `MEASUREMENTS`, `FLUX_KINDS`, `MAGNITUDE_SYSTEMS`, `TIME_REFERENCES`.
    service : `~numpy.ndarray` of int32
        The index of its service.
    exposure_time : `~numpy.ndarray`
        In seconds.
    exposure_known : `~numpy.ndarray` of int8
        `USUAL`, `SENT` or `LOOKED_UP`.
    nowhere : `~numpy.ndarray` of bool
        Whether its site is not known, and the centre of the Earth was taken.
    repeats : `~numpy.ndarray` of int64
        The row that it repeats, -1 if none.
    lengths : `~numpy.ndarray` of int64
        Number of rows of each object.
    """

    index: np.ndarray
    jd1: np.ndarray
    jd2: np.ndarray
    measurement: np.ndarray
    flux_kind: np.ndarray
    magsys: np.ndarray
    reference: np.ndarray
    service: np.ndarray
    exposure_time: np.ndarray
    exposure_known: np.ndarray
    nowhere: np.ndarray
    repeats: np.ndarray
    lengths: np.ndarray

    @property
    def uncertain(self) -> np.ndarray:
        """Which rows have a time that is not known to be the middle of the exposure."""
        unknown = self.reference == UNKNOWN_REFERENCE
        return unknown | ((self.reference == START) & ~(self.exposure_time >= 0))

    def of(self, rows: slice) -> "CombinedRows":
        """Return the rows of one object.

        Parameters
        ----------
        rows : slice
            Its rows.

        Returns
        -------
        CombinedRows
            ``repeats`` is counted from its first row.
        """
        arrays = {name: array[rows] for name, array in vars(self).items() if name != "lengths"}
        again = arrays["repeats"]
        arrays["repeats"] = np.where(again >= 0, again - rows.start, -1)
        return CombinedRows(**arrays, lengths=np.array([rows.stop - rows.start]))

    @classmethod
    def joined(cls, parts: "Iterable[CombinedRows]", rows: int) -> "CombinedRows":
        """Return the rows of several parts, one after the other.

        Parameters
        ----------
        parts : iterable of CombinedRows
            At least one. The memory of each can be used again for the next.
        rows : int
            Number of rows of all of them.

        Returns
        -------
        CombinedRows
            All rows.
        """
        remaining = iter(parts)
        first, second = next(remaining), next(remaining, None)
        if second is None:
            return first
        # New memory is cleared by the system, which takes as long as to combine the rows: each
        # number is written into it once.
        growing, lengths, start = GrowingArrays(rows), [], 0
        for part in chain((first, second), remaining):
            part.index += start
            part.repeats[part.repeats >= 0] += start
            arrays = vars(part).copy()
            lengths.append(arrays.pop("lengths"))
            growing.add(arrays, len(part.index))
            start += len(part.index)
        return cls(**growing.arrays(), lengths=np.concatenate(lengths))


def combine_rows(
    inputs: InputCurves, source: CurveArrays, *, scale: str, directions: np.ndarray | None
) -> CombinedRows:
    """Bring the rows of light curves to one time scale and order, and find the duplicates.

    Parameters
    ----------
    inputs : InputCurves
        Light curves.
    source : CurveArrays
        Their columns.
    scale : str
        The time scale of the result.
    directions : `~numpy.ndarray` or None
        Unit vectors to each object, for barycentric times.

    Returns
    -------
    CombinedRows
        All of their rows.
    """
    rows = _CurveRows(inputs, source)
    _look_up_exposures(rows)
    jd1, jd2, nowhere = _middle(rows, scale, directions)
    order, seconds = _order(rows, jd1, jd2)
    lengths = np.bincount(
        inputs.owner - inputs.owner[0], weights=source.lengths, minlength=1
    ).astype(np.int64)
    return CombinedRows(
        index=order,
        jd1=jd1[order],
        jd2=jd2[order],
        measurement=rows.measurement[order],
        flux_kind=rows.flux_kind[order],
        magsys=rows.magsys[order],
        reference=rows.reference[order],
        service=rows.service[order],
        exposure_time=rows.exposure_time[order],
        exposure_known=rows.exposure_known[order],
        nowhere=nowhere[order],
        repeats=_repeats(rows, order, seconds[order]),
        lengths=lengths,
    )


class _CurveRows:
    """The rows of light curves in the order given, with what is known of each curve."""

    def __init__(self, inputs: InputCurves, source: CurveArrays):
        self.inputs, self.source, self.lengths = inputs, source, source.lengths
        self.ends = np.cumsum(self.lengths)
        conventions = self.conventions = inputs.conventions
        self.owner = self.each(inputs.owner.tolist(), np.int64)
        self.flux = source.numbers("flux")
        self.exposure_time = source.numbers("exposure_time")
        # What the time is shifted by, and what the column says of it.
        self.before_middle = self.each([c.time_reference != "unknown" and c.before_middle
                                        for c in conventions], bool)  # fmt: skip
        self.reference = self._codes(TIME_REFERENCES, [c.time_reference for c in conventions])
        self.flux_kind = self._codes(FLUX_KINDS, [c.flux_kind for c in conventions])
        self.magsys = self._codes(MAGNITUDE_SYSTEMS, [c.magsys for c in conventions])
        number = {name: n for n, name in enumerate(inputs.known_services)}
        self.service = self.each([number[name] for name in inputs.services], np.int32)
        self.exposure_known = self._exposure_known()
        self.measurement = self._measurements()
        self._read_kinds()
        self._override(number)
        self._hashes: dict[str, np.ndarray] = {}

    def each(self, values: Sequence, dtype: Any) -> np.ndarray:
        """Return for each row the value of its light curve."""
        array = np.array(values, dtype)
        if len(array) and (array == array[0]).all():
            return np.full(int(self.lengths.sum()), array[0])
        return np.repeat(array, self.lengths)

    def _codes(self, known: np.ndarray, values: list[str]) -> np.ndarray:
        number = {name: n for n, name in enumerate(known.tolist())}
        return self.each([number[value] for value in values], np.int8)

    def having(self, name: str) -> Iterator[tuple[slice, Any]]:
        """Yield the rows of each light curve that has a column, and the column."""
        for end, n, column in zip(
            self.ends.tolist(), self.lengths.tolist(), self.source.columns_of(name), strict=True
        ):
            if column is not None:
                yield slice(end - n, end), column

    def _exposure_known(self) -> np.ndarray:
        pairs = zip(self.inputs.services, self.inputs.curves, strict=True)
        sent = self.each([exposure_time_sent(name, lc.columns) for name, lc in pairs], bool)
        known = np.isfinite(self.exposure_time)
        known &= sent | (self.exposure_time != USUAL_EXPOSURE)
        return known.astype(np.int8)

    def _measurements(self) -> np.ndarray:
        pairs = zip(self.inputs.services, self.inputs.curves, strict=True)
        forced = self.each([is_forced_product(name, lc.columns) for name, lc in pairs], bool)
        for rows, column in self.having("forced"):
            forced[rows] |= np.asarray(column, bool)
        for rows, column in self.having("origin"):
            if column.dtype.kind == "U":
                names = np.strings.lower(np.asarray(column))
                forced[rows] |= np.isin(names, FORCED_ORIGINS)
        detection = self.source.truths("detection")
        measured = np.isfinite(self.flux)
        # A flux where nothing was detected was measured at a position that was given.
        forced |= measured & ~detection
        kinds = np.where(forced, FORCED, np.where(detection | measured, DETECTION, LIMIT))
        return kinds.astype(np.int8)

    def _read_kinds(self) -> None:
        """Take what rows that somebody uploaded say of their flux, where nobody says it of all."""
        number = _numbers(FLUX_KINDS)
        for end, n, known, lc in zip(
            self.ends.tolist(), self.lengths.tolist(), self.conventions, self.inputs.curves,
            strict=True,
        ):  # fmt: skip
            if known.flux_kind == "unknown" and n and is_uploaded(lc.columns):
                kinds = uploaded_kinds(lc).tolist()
                self.flux_kind[end - n : end] = [number[kind] for kind in kinds]

    def _override(self, services: dict[str, int]) -> None:
        """Take from light curves that were combined before what they have row by row."""
        known: dict[str, tuple[np.ndarray, dict]] = {
            "measurement": (self.measurement, _numbers(MEASUREMENTS)),
            "flux_kind": (self.flux_kind, _numbers(FLUX_KINDS)),
            "magsys": (self.magsys, _numbers(MAGNITUDE_SYSTEMS)),
            "time_reference": (self.reference, _numbers(TIME_REFERENCES)),
            "service": (self.service, services),
        }
        for end, n, lc in zip(
            self.ends.tolist(), self.lengths.tolist(), self.inputs.curves, strict=True
        ):
            if not is_combined(lc):
                continue
            rows = slice(end - n, end)
            for name, (array, numbers) in known.items():
                texts = np.asarray(lc[name]).tolist()
                array[rows] = [numbers[text] for text in texts]
            self.exposure_known[rows] = np.asarray(lc["exposure_time_known"], bool)

    def hashed(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Return a column of names of some rows, `hashed`."""
        if name not in self._hashes and len(rows) * SELDOM < len(self.flux):
            return self._hashed_one_by_one(name, rows)
        if name not in self._hashes:
            self._hashes[name] = hashed(self.source.labels(name)[0])
        return self._hashes[name][rows]

    def _hashed_one_by_one(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Return the same for few rows, for which the column of all need not be joined."""
        order = np.argsort(rows, kind="stable")
        curve = np.searchsorted(self.ends, rows[order], side="right")
        starts = np.flatnonzero(np.concatenate([[True], curve[1:] != curve[:-1]]))
        local = rows[order] - (self.ends - self.lengths)[curve]
        columns = self.source.columns_of(name)
        pieces = [
            np.ndarray.view(columns[n], np.ndarray)[local[first:last]]
            for n, (first, last) in zip(
                curve[starts].tolist(), pairwise([*starts.tolist(), len(rows)]), strict=True
            )
        ]
        found = np.zeros(len(rows), np.uint64)
        if pieces:
            found[order] = hashed(np.concatenate(pieces))
        return found

    def surveys(self) -> np.ndarray:
        """Return a number for the survey of each light curve, -1 where it has several."""
        known: dict[str, int] = {}
        numbers = []
        for column in self.source.columns_of("survey"):
            names = np.ndarray.view(column, np.ndarray)
            if not len(names):
                numbers.append(-2)
            elif (names == names[0]).all():
                numbers.append(known.setdefault(str(names[0]), len(known)))
            else:
                numbers.append(-1)
        return np.array(numbers)


def count_unsure(source: CurveArrays, rows: CombinedRows) -> int:
    """Count the fluxes of an unknown kind beside others of a known kind.

    Parameters
    ----------
    source : CurveArrays
        Light curves.
    rows : CombinedRows
        Their rows, as `combine_rows` returns them.

    Returns
    -------
    int
        Rows that repeat none, and of whose object, survey and band the kind of others is known.
    """
    unknown = rows.flux_kind == UNKNOWN_KIND
    if not unknown.any():
        return 0
    measured = (rows.measurement != LIMIT) & (rows.repeats < 0)
    unsure = np.flatnonzero(measured & unknown)
    owner = np.repeat(np.arange(len(rows.lengths)), rows.lengths)
    others = np.isin(owner, owner[unsure]) & measured & ~unknown
    some = np.concatenate([unsure, np.flatnonzero(others)])
    key = owner[some].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for factor, name in ((3, "survey"), (5, "band")):
        key += hashed(source.labels(name)[0][rows.index[some]]) * np.uint64(factor)
    # The table that isin would choose for close numbers overflows above int64 with NumPy 2.0.
    known = np.isin(key[: len(unsure)], key[len(unsure) :], kind="sort")
    return int(np.count_nonzero(known))


def is_combined(lc: Table) -> bool:
    """Return whether a light curve was made by `combine`.

    Parameters
    ----------
    lc : `~astropy.table.Table`
        A light curve.

    Returns
    -------
    bool
        Whether it has the columns that only such have.
    """
    columns = lc.columns
    return "measurement" in columns and all(name in columns for name in ROW_BY_ROW)


def five_sigma_limits(source: CurveArrays) -> np.ndarray:
    """Return limits of one meaning, whatever `limits` made of them.

    Parameters
    ----------
    source : CurveArrays
        Light curves.

    Returns
    -------
    `~numpy.ndarray`
        In AB magnitudes, NaN where there is none.
    """
    limit, sigma = source.numbers("limiting_mag"), source.limit_sigma
    return limit if np.all(sigma == 5.0) else limit - 2.5 * np.log10(5.0 / sigma)


def _numbers(known: np.ndarray) -> dict[str, int]:
    return {name: n for n, name in enumerate(known.tolist())}


_KEYS = ("magsys", "flux_kind", "time_reference", "time_reference_position",
         "averaged_time_reference", "time_reference_note", "reduced", "mag_column",
         "survey")  # fmt: skip
_SEEN: dict[tuple, Conventions] = {}
# The items of metadata that have one of a few values, and where these are in conventions.
_VALUES: dict[str, tuple[str, Any]] = {
    "magsys": ("magsys", MagnitudeSystem),
    "flux_kind": ("flux_kind", FluxKind),
    "time_reference": ("time_reference", TimeReference),
    "time_reference_position": ("position", ReferencePosition),
}


def conventions_of(meta: Any) -> Conventions:
    """Return the conventions of a light curve, which thousands have in common.

    Parameters
    ----------
    meta : mapping
        Its metadata.

    Returns
    -------
    Conventions
        As `Conventions.of` returns them.

    Raises
    ------
    InvalidQueryError
        If a value is almost one of those that have a meaning.
    """
    key = (*map(meta.get, _KEYS), "detection_snr" in meta, "atlas_id" in meta)
    try:
        known = key in _SEEN
    except TypeError:
        return Conventions.of(meta)
    if not known:
        conventions = Conventions.of(meta)
        _check_values(meta, conventions)
        if len(_SEEN) > 1000:
            _SEEN.clear()
        _SEEN[key] = conventions
    return _SEEN[key]


def _check_values(meta: Any, conventions: Conventions) -> None:
    """Refuse a misspelled value, which would count as unknown."""
    for name, (attribute, kind) in _VALUES.items():
        value = meta.get(name)
        if isinstance(value, str) and getattr(conventions, attribute) == "unknown":
            hint = suggest(value, get_args(kind))
            if value != "unknown" and "did you mean" in hint:
                raise InvalidQueryError(
                    f"meta[{name!r}] of a light curve is {value!r}, which has no meaning{hint}"
                )


def _look_up_exposures(rows: _CurveRows) -> None:
    """Take exposure times that a service does not send from other rows of the same exposures."""
    without = (rows.exposure_known == USUAL) & rows.before_middle
    if not without.any() or without.all():
        return
    given = rows.exposure_known == SENT
    both = _with_both(rows, without, given)
    some, known = np.flatnonzero(without & both), np.flatnonzero(given & both)
    if not len(some) or not len(known):
        return
    key, its_key = _exposure_keys(rows, some), _exposure_keys(rows, known)
    order = np.lexsort((rows.exposure_time[known], its_key))
    known, its_key = known[order], its_key[order]
    at = np.minimum(np.searchsorted(its_key, key), len(known) - 1)
    found = (its_key[at] == key) & (rows.hashed("exposure", some) != 0)
    rows.exposure_time = rows.exposure_time.copy()
    rows.exposure_time[some[found]] = rows.exposure_time[known[at[found]]]
    rows.exposure_known[some[found]] = LOOKED_UP


def _with_both(rows: _CurveRows, without: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return the rows of objects of which a survey has exposure times in one curve of two."""
    surveys = rows.surveys()
    if (surveys == -1).any():
        return np.ones(len(without), bool)
    pair = rows.inputs.owner * (int(surveys.max(initial=0)) + 1) + surveys
    of_row = np.repeat(pair, rows.lengths)
    common = np.intersect1d(np.unique(of_row[without]), np.unique(of_row[given]))
    return np.isin(of_row, common) if len(common) else np.zeros(len(without), bool)


def _exposure_keys(rows: _CurveRows, some: np.ndarray) -> np.ndarray:
    """Return a number for object, survey and exposure of some rows."""
    owner = rows.owner[some].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return owner + rows.hashed("survey", some) + rows.hashed("exposure", some) * np.uint64(3)


def _middle(
    rows: _CurveRows, scale: str, directions: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the middle of each exposure, and of which rows the site is not known."""
    times = [lc.columns["time"] for lc in rows.inputs.curves]
    jd1, jd2 = (
        rows.source.joined([t.jd1 for t in times]),
        rows.source.joined([t.jd2 for t in times]),
    )
    half = np.where(rows.before_middle & (rows.exposure_time >= 0), rows.exposure_time / 2, 0.0)
    scales = [time.scale for time in times]
    first, second = np.empty(len(jd1)), np.empty(len(jd1))
    for given in sorted(set(scales)):
        some = rows.each([one == given for one in scales], bool)
        part = slice(None) if some.all() else np.flatnonzero(some)
        first[part], second[part] = shifted(jd1[part], jd2[part], half[part], given, scale)
    nowhere = np.zeros(len(jd1), bool)
    if directions is not None:
        first, second = _at_barycentre(rows, first, second, directions, nowhere)
    return first, second, nowhere


def _at_barycentre(
    rows: _CurveRows,
    jd1: np.ndarray,
    jd2: np.ndarray,
    directions: np.ndarray,
    nowhere: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the times at which the light would have reached the barycentre, in TDB."""
    positions = [c.position for c in rows.conventions]
    moved = rows.each([position != "barycenter" for position in positions], bool)
    some = np.flatnonzero(moved & np.isfinite(jd1 + jd2))
    if not len(some):
        return jd1, jd2
    surveys = rows.source.labels("survey")[0]
    units = rows.source.labels("exposure")[0].astype(np.str_, copy=False)
    units = units.astype(f"U{UNIT_LETTERS}")
    site = np.full(len(jd1), len(SITES))
    for number, (survey, unit) in enumerate(SITES):
        at = surveys == survey
        site[at & (units == unit) if unit else at] = number
    site[rows.each([position == "geocenter" for position in positions], bool)] = len(SITES) + 1
    nowhere[some] = site[some] == len(SITES)
    owner = rows.owner - rows.inputs.owner[0]
    seconds = light_travel_time(
        jd1[some],
        jd2[some],
        directions[owner[some]],
        site[some],
        [*SITES.values(), None, None],
        heliocentric=rows.each([p == "heliocenter" for p in positions], bool)[some],
    )
    jd1[some], jd2[some] = shifted(jd1[some], jd2[some], seconds, "tdb", "tdb")
    return jd1, jd2


def _order(rows: _CurveRows, jd1: np.ndarray, jd2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows in order of object and time, and times in seconds.

    Rows of one time are in an order that depends on what they hold, not on the order in which
    the light curves were given.
    """
    mjd = (jd1 - MJD_0) + jd2
    owner = rows.owner - rows.inputs.owner[0]
    zero = float(np.nanmin(mjd)) if np.isfinite(mjd).any() else 0.0
    seconds = (mjd - zero) * SECONDS
    span = float(np.nanmax(seconds)) if np.isfinite(seconds).any() else 0.0
    n_objects = int(owner[-1]) + 1 if len(owner) else 1
    # One whole number for object and time, a fraction of a microsecond fine, which is sorted much
    # faster than two columns.
    bits = 62 - int(np.ceil(np.log2(max(n_objects * (span + 2.0), 1.0))))
    if bits >= 20 and np.isfinite(seconds).all():
        ticks = (seconds * 2.0**bits).astype(np.int64)
        key = owner * int((span + 1.0) * 2.0**bits) + ticks
        order = np.argsort(key, kind="stable")
    else:
        order = np.lexsort((seconds, owner))
    return _settled(rows, order, owner, mjd), seconds


def _settled(rows: _CurveRows, order: np.ndarray, owner: np.ndarray, mjd: np.ndarray) -> np.ndarray:
    """Return an order in which rows of one time are sorted by what they hold."""
    time, of = mjd[order], owner[order]
    tied = (of[1:] == of[:-1]) & ((time[1:] <= time[:-1]) | np.isnan(time[1:]))
    if not tied.any():
        return order
    some = np.zeros(len(order), bool)
    some[1:] |= tied
    some[:-1] |= tied
    at = np.flatnonzero(some)
    group = np.cumsum(~np.concatenate([[False], tied]))[at]
    taken = order[at]
    source = rows.source
    keys = [
        five_sigma_limits(source)[taken],
        source.numbers("mag")[taken],
        source.numbers("flux_err")[taken],
        rows.flux[taken],
        rows.hashed("exposure", taken),
        rows.service[taken],
        rows.hashed("band", taken),
        rows.hashed("survey", taken),
        rows.measurement[taken],
        mjd[taken],
        group,
    ]
    order = order.copy()
    order[at] = taken[np.lexsort(keys)]
    return order


def _repeats(rows: _CurveRows, order: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Return which row of the result each repeats."""
    again = np.full(len(order), -1)
    some = _suspects(rows, order, seconds)
    if not len(some):
        return again
    taken = order[some]
    source = rows.source
    survey = rows.hashed("survey", taken)
    kind = survey * np.uint64(5) + rows.hashed("band", taken)
    uploader = np.zeros(len(order), np.uint64)
    for part, column in rows.having("origin"):
        if column.dtype.kind == "U":
            uploader[part] = hashed(np.asarray(column))
    known = rows.reference[taken] != UNKNOWN_REFERENCE
    exposure = rows.hashed("exposure", taken)
    # A row that names its exposure, and whose time is known, counts before one that does not.
    rank = rows.service[taken] + 1000.0 * ~known + 10000.0 * (exposure == 0)
    flux_kind = np.where(rows.flux_kind == UNKNOWN_KIND, -1, rows.flux_kind)
    found = repeats(
        MeasuredRows(
            owner=rows.owner[taken],
            seconds=seconds[some],
            kind=kind * np.uint64(3) + rows.measurement[taken].astype(np.uint64),
            flux_kind=flux_kind[taken],
            exposure=exposure,
            source=uploader[taken] + rows.service[taken].astype(np.uint64) * np.uint64(7),
            half=np.nan_to_num(rows.exposure_time[taken]) / 2,
            known=known,
            as_tai=survey == IN_TAI,
            flux=rows.flux[taken],
            mag=source.numbers("mag")[taken],
            limit=five_sigma_limits(source)[taken],
            rank=rank,
        )
    )
    copies = found >= 0
    again[some[copies]] = some[found[copies]]
    return again


def _suspects(rows: _CurveRows, order: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Return the rows near which another one is of about the same flux or without one.

    Most light curves have no duplicates, and names of exposures are compared slowly.
    """
    near = np.diff(seconds) < FAR
    owner = rows.owner[order]
    near &= owner[1:] == owner[:-1]
    some = np.zeros(len(order), bool)
    some[1:] |= near
    some[:-1] |= near
    return np.flatnonzero(some)

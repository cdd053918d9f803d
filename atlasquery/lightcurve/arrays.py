"""The columns of light curves as plain arrays: of one, or of a hundred thousand concatenated."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.checks import UNITS, check_light_curve, conversion, one_scale
from atlasquery.lightcurve.columns import CurveColumns, common_dtype, concatenate, masks_of
from atlasquery.lightcurve.schema import MJD_0

__all__ = ["CurveArrays"]


class CurveArrays:
    """The columns of one light curve, or of several concatenated, as plain arrays.

    Each column is read once, when it is requested. Numbers come as floats in
    the unit of `SCHEMA`, with NaN where they are masked.

    Parameters
    ----------
    curves : sequence of `~astropy.table.Table`
        Light curves.
    names : sequence of str
        Their names in messages.
    needed : sequence of str
        Columns that all of them need.
    units : mapping of str to `~astropy.units.UnitBase`, optional
        The units of columns that are not of `SCHEMA`.
    mixed_scales : bool, optional
        Whether their times may be of several scales.
    lengths : sequence of int, optional
        The number of rows of each, where that is known.
    """

    def __init__(
        self,
        curves: Sequence[Table],
        names: Sequence[str],
        needed: Sequence[str] = (),
        units: Mapping[str, u.UnitBase] | None = None,
        *,
        mixed_scales: bool = False,
        lengths: Sequence[int] | None = None,
    ):
        self.curves = curves
        self._names = names
        self._columns = CurveColumns(curves)
        # The light curves meant of those gathered, where these are a chunk of many.
        self._span = slice(0, len(curves))
        self._added: dict[str, np.ndarray] = {}
        self._kept: np.ndarray | None = None
        # The rows meant of the only light curve, where it is a chunk of many.
        self._rows = slice(None)
        self._timed = False
        self._checked: set[tuple] = set()
        self._conversions: dict[tuple[int, int, bool], tuple] = {}
        self.check(needed, units)
        times = self._of("time")
        if mixed_scales or len(set(map(attrgetter("scale"), times))) == 1:
            self.scale = times[0].scale if times else "utc"
        else:
            self.scale = one_scale(zip(names, curves, strict=True))
        self.lengths = np.array(self._lengths() if lengths is None else lengths, dtype=np.int64)

    def _lengths(self) -> list[int]:
        """Return the number of rows of each light curve."""
        for name in ("flux", "exposure"):
            if all(issubclass(kind, np.ndarray) for kind in self._columns.types(name)):
                # A twentieth of the time that the length of times takes.
                return list(map(np.ndarray.__len__, self._of(name)))
        return list(map(len, self._of("time")))

    def __len__(self) -> int:
        whole = int(self.lengths.sum())
        return whole if self._kept is None else int(np.count_nonzero(self._kept))

    def check(self, needed: Sequence[str], units: Mapping[str, u.UnitBase] | None = None) -> None:
        """Refuse light curves without a column, or with it in a wrong unit.

        Parameters
        ----------
        needed : sequence of str
            Columns that all of them need.
        units : mapping of str to `~astropy.units.UnitBase`, optional
            The units of columns that are not of `SCHEMA`.
        """
        known = self._units = UNITS | dict(units or {})
        # Columns in the exact unit need no conversion, and each is checked once.
        of = {name: known.get(name) for name in needed}
        wanted = {
            name: unit
            for name, unit in of.items()
            if (name, unit) not in self._checked and name not in self._added
        }
        if self._timed and not wanted:
            return
        if not (self._are_timed() and self._fit(wanted)):
            for lc, name in zip(self.curves, self._names, strict=True):
                check_light_curve(lc, *wanted, name=name, units=units)
        self._timed = True
        self._checked |= wanted.items()

    def _are_timed(self) -> bool:
        """Return whether all are tables with times."""
        # Of classes there are few.
        return all(issubclass(kind, Table) for kind in set(map(type, self.curves))) and all(
            issubclass(kind, Time) for kind in self._columns.types("time")
        )

    def _fit(self, wanted: Mapping[str, u.UnitBase | None]) -> bool:
        """Return whether all light curves have the columns wanted, in units that convert."""
        self.look_up(wanted)
        for name, unit in wanted.items():
            if not self._columns.everywhere(name):
                return False
            units = self._columns.units(name) if unit is not None else ()
            if not all(given is unit or self._conversion(given, unit, name) for given in units):
                return False
        return True

    def _conversion(
        self, given: u.UnitBase | None, unit: u.UnitBase, name: str
    ) -> tuple[float, float] | None:
        """Return factor and offset from one unit to another; None where it does not convert."""
        key = id(given), id(unit), name.endswith("_err")
        if key not in self._conversions:
            # The units are stored too: an address is unique only while its object exists.
            self._conversions[key] = conversion(given, unit, name), given, unit
        return self._conversions[key][0]

    def with_columns(
        self, added: Mapping[str, np.ndarray], kept: np.ndarray | None = None
    ) -> "CurveArrays":
        """Return the same light curves with columns added or replaced, and perhaps fewer rows.

        Parameters
        ----------
        added : mapping of str to `~numpy.ndarray`
            The columns, of the length of all rows.
        kept : `~numpy.ndarray` of bool, optional
            The rows that are left.

        Returns
        -------
        CurveArrays
            Of the same light curves.
        """
        result = type(self).__new__(type(self))
        result.__dict__.update(self.__dict__)
        result._added = {**self._added, **added}
        result._kept = kept
        return result

    def pieces(self, size: int, sorted_by: str | None) -> Iterator[tuple[int, "CurveArrays"]]:
        """Yield the light curves in chunks, none of which is divided.

        Parameters
        ----------
        size : int
            Approximate number of rows of a chunk.
        sorted_by : str or None
            The column that distinguishes objects in one table of several. One that is
            not sorted by it comes in one chunk.

        Yields
        ------
        first : int
            The number of the first light curve of the chunk.
        chunk : CurveArrays
            The chunk.
        """
        total = int(self.lengths.sum())
        if len(self.curves) > 1:
            ends = np.cumsum(self.lengths)
            marks = np.searchsorted(ends, np.arange(size, total, size)) + 1
            starts = np.unique(np.concatenate([[0], marks, [len(self.curves)]]))
            offsets = np.concatenate([[0], ends])
            for first, last in pairwise(starts.tolist()):
                rows = slice(int(offsets[first]), int(offsets[last]))
                yield first, self._piece(slice(first, last), rows)
            return
        edges = self._edges(size, sorted_by) if total > size and sorted_by else [0, total]
        if len(edges) == 2:
            yield 0, self
            return
        for first, last in pairwise(edges):
            yield 0, self._piece(slice(0, 1), slice(first, last))

    def blocks(self, size: int) -> Iterator["CurveArrays"]:
        """Yield the rows in chunks, each of which can be processed alone.

        Parameters
        ----------
        size : int
            Approximate number of rows of a chunk.

        Yields
        ------
        CurveArrays
            One after the other.
        """
        if len(self.curves) != 1:
            yield from (chunk for _, chunk in self.pieces(size, None))
            return
        total = int(self.lengths[0])
        for first in range(0, max(total, 1), size):
            yield self._piece(slice(0, 1), slice(first, min(first + size, total)))

    def _edges(self, size: int, sorted_by: str) -> list[int]:
        """Return rows of one table at which an object begins, about `size` apart."""
        values, known = self.labels(sorted_by)
        total = len(values)
        if not known.all():
            # Masked labels are not sorted, and belong together.
            return [0, total]
        ahead = range(0, total, size)
        if self.cut or any(
            np.any(values[n + 1 : n + size + 1] < values[n : n + size][: total - n - 1])
            for n in ahead
        ):
            return [0, total]
        marks = np.searchsorted(values, values[np.arange(size, total, size)])
        return np.unique(np.concatenate([[0], marks, [total]])).tolist()

    def _piece(self, some: slice, rows: slice) -> "CurveArrays":
        """Return some of several light curves, or some rows of the only one."""
        chunk = CurveArrays.__new__(CurveArrays)
        chunk.__dict__.update(self.__dict__)
        if len(self.curves) == 1:
            chunk._rows = rows
            chunk.lengths = np.array([rows.stop - rows.start])
        else:
            first = self._span.start
            chunk._span = slice(first + some.start, first + some.stop)
            chunk.curves, chunk._names = self.curves[some], self._names[some]
            chunk.lengths = self.lengths[some]
        chunk._added = {name: array[rows] for name, array in self._added.items()}
        chunk._kept = None if self._kept is None else self._kept[rows]
        return chunk

    @property
    def cut(self) -> bool:
        """Whether some rows of the light curves are left out."""
        return self._kept is not None

    @property
    def places(self) -> np.ndarray:
        """The number of the light curve that each row is of."""
        if len(self.curves) == 1:
            # All zeros, without the memory for them.
            return np.broadcast_to(np.int64(0), len(self))
        places = np.repeat(np.arange(len(self.curves)), self.lengths)
        return places if self._kept is None else places[self._kept]

    @property
    def ends(self) -> np.ndarray:
        """The number of rows up to the end of each light curve."""
        if self._kept is None:
            return np.cumsum(self.lengths)
        return np.cumsum(np.bincount(self.places, minlength=len(self.curves)))

    @property
    def limit_sigma(self) -> np.ndarray | float:
        """The sigma of the limits of each row: 5, or another chosen with `limits`."""
        sigmas = [float(lc.meta.get("limit_sigma", 5.0)) for lc in self.curves]
        if len(set(sigmas)) <= 1:
            return sigmas[0] if sigmas else 5.0
        return np.array(sigmas)[self.places]

    def look_up(self, names: Iterable[str]) -> None:
        """Look up columns that will be requested, which is faster for several at once.

        Parameters
        ----------
        names : iterable of str
            Their names; a light curve may be without them.
        """
        self._columns.look_up(*names)

    def has(self, name: str) -> bool:
        """Return whether all light curves have a column.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        bool
            True also if there is no light curve.
        """
        return name in self._added or self._columns.everywhere(name)

    def has_some(self, name: str) -> bool:
        """Return whether any light curve has a column.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        bool
            False if there is no light curve.
        """
        if self.has(name):
            return bool(self.curves)
        if self._columns.nowhere(name):
            return False
        return any(column is not None for column in self._of(name))

    def unknown_times(self) -> np.ndarray:
        """Return which rows have a time that may be the start or the middle of the exposure.

        Returns
        -------
        `~numpy.ndarray` of bool
            False where light curves do not say it row by row.
        """
        if not self.has("time_reference"):
            return np.zeros(len(self.mjd()), bool)
        return np.asarray(self.labels("time_reference")[0] == "unknown")

    def numbers_of_some(self, name: str) -> np.ndarray:
        """Return a column of numbers that not all light curves have.

        Parameters
        ----------
        name : str
            The column; at least one has it.

        Returns
        -------
        `~numpy.ndarray` of float
            NaN where masked, and in the rows of the others.
        """
        if self.has(name):
            return self.numbers(name)
        parts = [
            np.full(n, np.nan) if column is None else self._joined([column])
            for n, column in zip(self.lengths.tolist(), self._of(name), strict=True)
        ]
        return self._left(np.concatenate(parts))

    def known_of_some(self, name: str) -> np.ndarray:
        """Return which rows have a value in a column that not all light curves have.

        Parameters
        ----------
        name : str
            The column; at least one has it.

        Returns
        -------
        `~numpy.ndarray` of bool
            False where masked or NaN, and in the rows of the others.
        """
        parts = []
        for n, column in zip(self.lengths.tolist(), self._of(name), strict=True):
            known = np.zeros(n, bool)
            if column is not None:
                mask = self._masked([column]) if n else None
                known = ~mask if mask is not None else np.ones(n, bool)
                if column.dtype.kind == "f":
                    known = known & ~np.isnan(self._end_to_end([column], np.float64))
            parts.append(known)
        return self._left(np.concatenate(parts))

    def mjd(self) -> np.ndarray:
        """Return the times.

        Returns
        -------
        `~numpy.ndarray`
            MJD, NaN where masked.
        """
        times = self._of("time")
        mjd = self._joined([time.jd1 for time in times]) - MJD_0
        mjd += self._joined([time.jd2 for time in times])
        return self._left(mjd)

    def numbers(self, name: str) -> np.ndarray:
        """Return a column of numbers.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        `~numpy.ndarray` of float
            In the unit of `SCHEMA`, NaN where masked.

        Raises
        ------
        InvalidQueryError
            If it holds strings or objects.
        """
        if name in self._added:
            return self._left(self._added[name].astype(np.float64))
        columns = self._of(name)
        joined = self._end_to_end(columns, None if columns else np.float64)
        if joined.dtype.kind not in "fiub":
            wrong = next(dtype for dtype in _dtypes(columns) if dtype.kind not in "fiub")
            raise InvalidQueryError(
                f"the column {name} is of type {wrong}; it should be of numbers"
            )
        values = self._nan_where_masked(joined.astype(np.float64, copy=False), columns)
        if (unit := self._units.get(name)) is not None:
            values = self._converted(values, name, unit)
        return self._left(values)

    def _converted(self, values: np.ndarray, name: str, unit: u.UnitBase) -> np.ndarray:
        if all(given is unit for given in self._columns.units(name)):
            return values
        pairs = [
            self._conversion(column.unit, unit, name) or (np.nan, 0.0) for column in self._of(name)
        ]
        if all(pair == (1.0, 0.0) for pair in pairs):
            return values
        factors, offsets = np.array(pairs).reshape(-1, 2).T
        return values * np.repeat(factors, self.lengths) + np.repeat(offsets, self.lengths)

    def whole(self, name: str) -> np.ndarray | None:
        """Return a column of whole numbers as such.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        `~numpy.ndarray` of int64 or None
            None where it has other numbers, or masked ones.
        """
        if name in self._added:
            return self._left(self._added[name])
        columns = self._of(name)
        if any(column.dtype.kind not in "iu" or hasattr(column, "mask") for column in columns):
            return None
        return self._left(self._end_to_end(columns, np.int64))

    def truths(self, name: str) -> np.ndarray:
        """Return a column of booleans.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        `~numpy.ndarray` of bool
            False where masked.
        """
        return self.numbers(name) == 1.0

    def labels(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a column of names or whole numbers.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        values, known : `~numpy.ndarray`
            The values, and where they are not masked.

        Raises
        ------
        InvalidQueryError
            If it holds neither.
        """
        columns = self._of(name)
        for dtype in _dtypes(columns):
            if getattr(dtype, "kind", "O") not in "iubUS":
                raise InvalidQueryError(
                    f"the column {name} is of type {dtype}; it should be of strings or of whole "
                    "numbers"
                )
        mask = self._masked(columns)
        known = np.ones(int(self.lengths.sum()), bool) if mask is None else ~mask
        return self._left(_texts(self._end_to_end(columns, None), name)), self._left(known)

    def columns_of(self, name: str) -> Sequence:
        """Return a column of each light curve.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        sequence
            None for a light curve without it.
        """
        return self._of(name)

    def joined(self, columns: Sequence) -> np.ndarray:
        """Return columns of numbers concatenated.

        Parameters
        ----------
        columns : sequence of `~numpy.ndarray`
            One of each light curve.

        Returns
        -------
        `~numpy.ndarray` of float
            NaN where they are masked.
        """
        return self._joined(columns)

    def _left(self, values: np.ndarray) -> np.ndarray:
        return values if self._kept is None else values[self._kept]

    def _of(self, name: str) -> Sequence:
        """Return a column of each light curve; None where one has none."""
        return self._columns.of(name)[self._span]

    def _joined(self, columns: Sequence) -> np.ndarray:
        """Return columns of numbers concatenated, NaN where they are masked."""
        return self._nan_where_masked(self._end_to_end(columns, np.float64), columns)

    def _nan_where_masked(self, values: np.ndarray, columns: Sequence) -> np.ndarray:
        mask = self._masked(columns)
        if mask is not None and mask.any():
            # The arrays of the light curve are not modified.
            values = np.where(mask, np.nan, values)
        return values

    def _end_to_end(self, columns: Sequence, dtype: type | None) -> np.ndarray:
        if len(columns) == 1:
            joined = np.ndarray.view(columns[0], np.ndarray)[self._rows]
        else:
            joined = concatenate(columns) if columns else np.empty(0, dtype or "U1")
        return joined if dtype is None else joined.astype(dtype, copy=False)

    def _masked(self, columns: Sequence) -> np.ndarray | None:
        """Return where columns are masked, concatenated; None where none has a mask."""
        masks = masks_of(columns, self.lengths)
        if masks is None:
            return None
        return np.asarray(masks[0])[self._rows] if len(masks) == 1 else concatenate(masks)


def _texts(labels: np.ndarray, name: str) -> np.ndarray:
    """Return labels as they are, but bytes, which astropy reads from FITS, as strings."""
    if labels.dtype.kind != "S":
        return labels
    try:
        return np.char.decode(labels, "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidQueryError(
            f"the column {name} has bytes that are not text in UTF-8: {error}"
        ) from error


def _dtypes(columns: Sequence) -> set[Any]:
    """Return the types of columns; of what is not an array, such as times, its class."""
    if not columns:
        return set()
    try:
        common = common_dtype(columns)
    except AttributeError:
        common = None
    return {common} if common else {getattr(c, "dtype", type(c)) for c in columns}

"""The columns of many combined light curves as plain arrays, put together when requested."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.checks import UNITS
from atlasquery.lightcurve.combine_rows import UNKNOWN_REFERENCE, USUAL, WORDS, five_sigma_limits
from atlasquery.lightcurve.combine_tables import (
    CombinedTables,
    copies_in_words,
)
from atlasquery.lightcurve.flags import REPEATS
from atlasquery.lightcurve.schema import MJD_0, SCHEMA
from atlasquery.service.inputs import suggest

__all__ = ["CombinedArrays"]

NUMBERS = {column.name for column in SCHEMA if column.kind is float}
# Columns of which part is gathered at a time, so that the memory of it is used again.
SCHEMA_NAMES = {column.name for column in SCHEMA}


class CombinedArrays(CurveArrays):
    """The columns of combined light curves, for functions that take many.

    Parameters
    ----------
    tables : CombinedTables
        The light curves.
    parts : sequence of tuple
        The columns of the light curves given, of some objects at a time, and which objects.
    """

    def __init__(self, tables: CombinedTables, parts: Sequence[tuple[slice, CurveArrays]]):
        self._tables, self._parts = tables, parts
        rows = tables.rows
        self._gathered: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
        self._prototypes: list[Table] = []
        self._added: dict[str, np.ndarray] = {}
        self._kept: np.ndarray | None = None
        self.scale = tables.scale
        self.lengths = rows.lengths
        if tables.kept is not None:
            ends = np.searchsorted(tables.kept, tables.edges)
            self.lengths = np.diff(ends)
        self._rows = slice(0, int(self.lengths.sum()))
        # The objects meant, where these are a chunk of all.
        self._objects = slice(0, len(tables))

    # The base class has a list of tables; here they are made when somebody looks at them.
    @property
    def curves(self) -> Sequence[Table]:  # type: ignore[override]
        """A light curve without rows for each object, with the columns of all."""
        if not self._prototypes:
            self._prototypes.append(self._tables.prototype())
        return _Repeated(self._prototypes[0], len(self.lengths))

    def check(self, needed: Sequence[str], units: Mapping[str, u.UnitBase] | None = None) -> None:
        """Refuse a column that no light curve has.

        Parameters
        ----------
        needed : sequence of str
            Columns.
        units : mapping of str to `~astropy.units.UnitBase`, optional
            The units of columns that are not of `SCHEMA`.
        """
        self._units = UNITS | dict(units or {})
        for name in needed:
            if not self.has(name):
                near = suggest(name, self.curves[0].colnames)
                raise InvalidQueryError(
                    f"lc is not a light curve for this: it has no column {name}{near}"
                )

    def look_up(self, names: Iterable[str]) -> None:
        """Look up nothing: columns are put together when they are requested.

        Parameters
        ----------
        names : iterable of str
            Their names.
        """

    def has(self, name: str) -> bool:
        """Return whether any light curve has a column: it is masked in those of others.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        bool
            True also if there is no light curve.
        """
        return name in self._added or self._tables.has(name)

    def has_some(self, name: str) -> bool:
        """Return whether any light curve has a column.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        bool
            As `has`.
        """
        return self.has(name)

    def mjd(self) -> np.ndarray:
        """Return the times.

        Returns
        -------
        `~numpy.ndarray`
            MJD, NaN where masked.
        """
        return self._left((self._of_rows("jd1") - MJD_0) + self._of_rows("jd2"))

    def numbers(self, name: str) -> np.ndarray:
        """Return a column of numbers.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        `~numpy.ndarray` of float
            NaN where masked.

        Raises
        ------
        InvalidQueryError
            If it holds strings.
        """
        if name in self._added:
            return self._left(self._added[name].astype(np.float64))
        values, mask = self._values(name)
        if values.dtype.kind not in "fiub":
            raise InvalidQueryError(
                f"the column {name} is of type {values.dtype}; it should be of numbers"
            )
        values = values.astype(np.float64, copy=False)
        if mask is not None:
            values = np.where(mask, np.nan, values)
        return self._left(values)

    def unknown_times(self) -> np.ndarray:
        """Return which rows have a time that may be the start or the middle of the exposure.

        Returns
        -------
        `~numpy.ndarray` of bool
            By the column ``time_reference``.
        """
        return self._left(self._of_rows("reference") == UNKNOWN_REFERENCE)

    def numbers_of_some(self, name: str) -> np.ndarray:
        """Return a column of numbers that not all light curves have.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        `~numpy.ndarray` of float
            As `numbers`.
        """
        return self.numbers(name)

    def known_of_some(self, name: str) -> np.ndarray:
        """Return which rows have a value in a column.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        `~numpy.ndarray` of bool
            False where masked or NaN.
        """
        if name == REPEATS:
            # Which row each repeats is known without its name.
            return self._left(self._of_rows("repeats") >= 0)
        values, mask = self._values(name)
        known = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), bool)
        return self._left(known if mask is None else known & ~mask)

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
        values, mask = self._values(name)
        if values.dtype.kind not in "iu" or (mask is not None and mask.any()):
            return None
        return self._left(values.astype(np.int64, copy=False))

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
        values, mask = self._values(name)
        if values.dtype.kind not in "iubUS":
            raise InvalidQueryError(
                f"the column {name} is of type {values.dtype}; it should be of strings or of "
                "whole numbers"
            )
        known = np.ones(len(values), bool) if mask is None else ~mask
        return self._left(values), self._left(known)

    @property
    def limit_sigma(self) -> float:
        """The sigma of the limits, which are all of the same."""
        return 5.0

    @property
    def places(self) -> np.ndarray:
        """The number of the light curve that each row is of."""
        return self._left(np.repeat(np.arange(len(self.lengths)), self.lengths))

    @property
    def ends(self) -> np.ndarray:
        """The number of rows up to the end of each light curve."""
        if self._kept is None:
            return np.cumsum(self.lengths)
        return np.cumsum(np.bincount(self.places, minlength=len(self.lengths)))

    def pieces(self, size: int, sorted_by: str | None) -> Iterator[tuple[int, "CombinedArrays"]]:
        """Yield the light curves in chunks, none of which is divided.

        Parameters
        ----------
        size : int
            Not used: chunks are those that were combined together.
        sorted_by : str or None
            Not used: light curves are of one object each.

        Yields
        ------
        first : int
            The number of the first light curve of the chunk.
        chunk : CombinedArrays
            The chunk.
        """
        offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        for objects, _ in self._of_parts():
            first, last = (edge - self._objects.start for edge in (objects.start, objects.stop))
            rows = slice(int(offsets[first]), int(offsets[last]))
            yield first, self._piece(slice(first, last), rows)

    def blocks(self, size: int) -> Iterator["CombinedArrays"]:
        """Yield the rows in chunks, each of which can be processed alone.

        Parameters
        ----------
        size : int
            Approximate number of rows of a chunk.

        Yields
        ------
        CombinedArrays
            One after the other.
        """
        yield from (chunk for _, chunk in self.pieces(size, None))

    def _piece(self, some: slice, rows: slice) -> "CombinedArrays":
        chunk = CombinedArrays.__new__(CombinedArrays)
        chunk.__dict__.update(self.__dict__)
        start = self._objects.start
        chunk._objects = slice(start + some.start, start + some.stop)
        first = self._rows.start
        chunk._rows = slice(first + rows.start, first + rows.stop)
        chunk.lengths = self.lengths[some]
        chunk._added = {name: array[rows] for name, array in self._added.items()}
        chunk._kept = None if self._kept is None else self._kept[rows]
        return chunk

    def _values(self, name: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the values of a column, and where they are masked."""
        if name in SCHEMA_NAMES:
            return self._of_schema(name), None
        if name in WORDS:
            attribute, known = WORDS[name]
            return known.take(self._of_rows(attribute)), None
        rows, services = self._tables.rows, self._tables.inputs.known_services
        if name == "service":
            return np.array(services, np.str_).take(self._of_rows("service")), None
        if name == "exposure_time_known":
            return self._of_rows("exposure_known") != USUAL, None
        if name not in self._gathered:
            if name == "duplicate_of":
                named = [_read(source, "exposure") for _, source in self._parts]
                exposures = np.concatenate(named).take(rows.index)
                words, none = copies_in_words(rows, exposures, services)
                self._gathered[name] = self._of_result(words), self._of_result(none)
            else:
                self._gathered[name] = self._survey_column(name)
        values, masked = self._gathered[name]
        mask = None if masked is None else masked[self._rows]
        return values[self._rows], None if mask is None or not mask.any() else mask

    def _of_parts(self) -> list[tuple[slice, CurveArrays]]:
        """Return the parts whose objects are meant."""
        start, stop = self._objects.start, self._objects.stop
        return [part for part in self._parts if start <= part[0].start and part[0].stop <= stop]

    def _of_schema(self, name: str) -> np.ndarray:
        """Return a column that all light curves have."""
        if name == "exposure_time":
            return self._of_rows("exposure_time")
        values = [_read(source, name) for _, source in self._of_parts()]
        joined = values[0] if len(values) == 1 else np.concatenate(values)
        first, _ = self._tables.inputs_of(self._objects)
        return joined.take(self._of_rows("index") - self._tables.first_row(first))

    def _of_rows(self, attribute: str) -> np.ndarray:
        """Return what is known of each row."""
        array, kept = getattr(self._tables.rows, attribute), self._tables.kept
        return array[self._rows] if kept is None else array.take(kept[self._rows])

    def _of_result(self, array: np.ndarray) -> np.ndarray:
        kept = self._tables.kept
        return array if kept is None else array.take(kept)

    def _of_inputs(self, array: np.ndarray) -> np.ndarray:
        return array.take(self._of_result(self._tables.rows.index))

    def _survey_column(self, name: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a column of a survey, masked in the rows of others; flags are 0 there."""
        whole, mask = self._tables.survey_column(name)
        whole = self._of_inputs(whole)
        return (whole, None) if name == "flag" else (whole, self._of_inputs(mask))


def _read(source: CurveArrays, name: str) -> np.ndarray:
    """Return a column of `SCHEMA` of the light curves given."""
    if name == "limiting_mag":
        return five_sigma_limits(source)
    if name in NUMBERS:
        return source.numbers(name)
    return source.truths(name) if name == "detection" else source.labels(name)[0]


class _Repeated(Sequence):
    """One item, many times."""

    def __init__(self, item: Any, length: int):
        self._item, self._length = item, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return _Repeated(self._item, len(range(*index.indices(self._length))))
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return self._item

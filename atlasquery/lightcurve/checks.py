"""What a light curve must have before it is worked on, and its columns as bare arrays."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from numbers import Real

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time
from astropy.utils.masked import get_data_and_mask

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.schema import MJD_0, SCHEMA
from atlasquery.service.inputs import suggest

__all__ = ["Bare", "check_light_curve", "check_number", "check_quantity", "one_scale"]

UNITS = {column.name: column.unit for column in SCHEMA}
RIGHT = "a light curve is a TimeSeries or a table with a Time column 'time'"


def check_light_curve(
    lc: Table, *needed: str, name: str = "lc", units: Mapping[str, u.UnitBase] | None = None
) -> None:
    """Refuse what is no light curve, or lacks a column, or has it in a wrong unit.

    Parameters
    ----------
    lc : `~astropy.table.Table`
        A light curve, or a table with its columns.
    *needed : str
        The columns needed besides the time.
    name : str, optional
        How the light curve is called in a message.
    units : mapping of str to `~astropy.units.UnitBase`, optional
        The units of columns that are not of `SCHEMA`.

    Raises
    ------
    InvalidQueryError
        If it is no table, or the message names the column that is wrong.
    """
    if not isinstance(lc, Table):
        raise InvalidQueryError(f"{name} is of type {type(lc).__name__}; {RIGHT}")
    _check_time(lc, name)
    missing = [column for column in needed if column not in lc.columns]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        near = suggest(missing[0], lc.colnames) if len(missing) == 1 else ""
        hint = near if near.startswith("; did") else f"; it has {', '.join(lc.colnames)}"
        raise InvalidQueryError(
            f"{name} is no light curve for this: it lacks the column{plural} "
            f"{', '.join(missing)}{hint}"
        )
    known = UNITS if units is None else UNITS | dict(units)
    for column in needed:
        _check_unit(lc.columns[column], column, known.get(column), name)


def _check_time(lc: Table, name: str) -> None:
    time = lc.columns.get("time")
    if time is None:
        raise InvalidQueryError(f"{name} is no light curve: it lacks the column time; {RIGHT}")
    if isinstance(time, Time):
        return
    what = type(time).__name__
    if what == "TimeDelta" or "rel" in lc.meta:
        raise InvalidQueryError(
            f"the column time of {name} is of type {what}, as of a folded light curve; it should "
            "be Time"
        )
    raise InvalidQueryError(
        f"the column time of {name} is of type {what}; it should be Time, such as "
        "Time(mjd, format='mjd', scale='utc')"
    )


def _check_unit(column, name: str, unit: u.UnitBase | None, of: str) -> None:
    if unit is None:
        return
    there = getattr(column, "unit", None)
    if there is unit:
        return
    if there is None:
        raise InvalidQueryError(f"the column {name} of {of} has no unit; it should be in {unit}")
    if not u.Unit(there).is_equivalent(unit):
        raise InvalidQueryError(
            f"the column {name} of {of} is in {there}; it should be in {unit} or a unit that "
            "converts to it"
        )


def check_quantity(
    value: object, *, name: str, unit: u.UnitBase, above: float | None = None
) -> float:
    """Return one number with a unit as a float in the unit named.

    Parameters
    ----------
    value : `~astropy.units.Quantity`
        What was given; a text such as ``"1 day"`` is read.
    name : str
        The argument's name, for messages.
    unit : `~astropy.units.UnitBase`
        The unit of the result.
    above : float, optional
        What it must be greater than, in that unit.

    Returns
    -------
    float
        The value in `unit`.

    Raises
    ------
    InvalidQueryError
        If it has no unit or a wrong one, is no single finite number, or is too small.
    """
    right = f"should be one number with a unit, such as 1 * u.{unit}"
    try:
        quantity = u.Quantity(value)
        if quantity.shape or quantity.unit == u.dimensionless_unscaled:
            raise TypeError
        number = float(quantity.to_value(unit))
    except (u.UnitsError, TypeError, ValueError) as error:
        raise InvalidQueryError(f"{name}={value!r} {right}") from error
    if not np.isfinite(number) or (above is not None and number <= above):
        least = "" if above is None else f" above {above:g}"
        raise InvalidQueryError(f"{name}={value!s} should be a finite number{least}")
    return number


def check_number(value: object, *, name: str, least: float) -> float:
    """Return a bare number.

    Parameters
    ----------
    value : float
        What was given.
    name : str
        The argument's name, for messages.
    least : float
        The smallest that is right.

    Returns
    -------
    float
        The same.

    Raises
    ------
    InvalidQueryError
        If it is no finite number, or too small.
    """
    real = isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_))
    if not real or not np.isfinite(value) or value < least:
        raise InvalidQueryError(f"{name}={value!r} should be a number of {least:g} or more")
    return float(value)


def one_scale(curves: Iterable[tuple[str, Table]]) -> str:
    """Return the time scale that all light curves have.

    Parameters
    ----------
    curves : iterable of tuple
        A name for messages, and a light curve, of each.

    Returns
    -------
    str
        The scale, ``"utc"`` where there is no light curve.

    Raises
    ------
    InvalidQueryError
        If they differ: a minute lies between UTC and TDB.
    """
    first = None
    for name, lc in curves:
        scale = lc.columns["time"].scale
        if first is None:
            first = name, scale
        elif scale != first[1]:
            raise InvalidQueryError(
                f"the column time of {name} is in {scale!r} and that of {first[0]} in "
                f"{first[1]!r}: bring them to one scale first"
            )
    return first[1] if first else "utc"


class Bare:
    """The columns of one light curve, or of several laid end to end, as bare arrays.

    Each column is read once, when it is asked for. Numbers come as floats in
    the unit of `SCHEMA`, with NaN where they are masked.

    Parameters
    ----------
    curves : sequence of `~astropy.table.Table`
        Light curves.
    names : sequence of str
        How each is called in messages.
    needed : sequence of str
        The columns that all must have.
    units : mapping of str to `~astropy.units.UnitBase`, optional
        The units of columns that are not of `SCHEMA`.
    """

    def __init__(
        self,
        curves: Sequence[Table],
        names: Sequence[str],
        needed: Sequence[str] = (),
        units: Mapping[str, u.UnitBase] | None = None,
    ):
        self.curves = curves
        self._names = names
        self._added: dict[str, np.ndarray] = {}
        self._kept: np.ndarray | None = None
        self.check(needed, units)
        self.scale = one_scale(zip(names, curves, strict=True))
        self.lengths = np.array([len(lc) for lc in curves], dtype=np.int64)

    def __len__(self) -> int:
        whole = int(self.lengths.sum())
        return whole if self._kept is None else int(np.count_nonzero(self._kept))

    def check(self, needed: Sequence[str], units: Mapping[str, u.UnitBase] | None = None) -> None:
        """Refuse light curves that lack a column, or have it in a wrong unit.

        Parameters
        ----------
        needed : sequence of str
            The columns that all must have.
        units : mapping of str to `~astropy.units.UnitBase`, optional
            The units of columns that are not of `SCHEMA`.
        """
        self._units = UNITS | dict(units or {})
        for lc, name in zip(self.curves, self._names, strict=True):
            check_light_curve(lc, *needed, name=name, units=units)

    def with_columns(
        self, added: Mapping[str, np.ndarray], kept: np.ndarray | None = None
    ) -> "Bare":
        """Return the same with columns added or replaced, and perhaps fewer rows.

        Parameters
        ----------
        added : mapping of str to `~numpy.ndarray`
            The columns, of the length of all rows.
        kept : `~numpy.ndarray` of bool, optional
            The rows that are left.

        Returns
        -------
        Bare
            Of the same light curves.
        """
        made = Bare.__new__(Bare)
        made.__dict__.update(self.__dict__)
        made._added = {**self._added, **added}
        made._kept = kept
        return made

    def pieces(self, size: int, sorted_by: str | None) -> Iterator[tuple[int, "Bare"]]:
        """Yield the light curves in pieces, none of which is divided.

        Parameters
        ----------
        size : int
            About how many rows a piece has.
        sorted_by : str or None
            The column that tells objects apart in one table of several. One that is
            not sorted by it comes in one piece.

        Yields
        ------
        first : int
            The number of the first light curve of the piece.
        piece : Bare
            The piece.
        """
        total = int(self.lengths.sum())
        if len(self.curves) > 1:
            ends = np.cumsum(self.lengths)
            marks = np.searchsorted(ends, np.arange(size, total, size)) + 1
            edges = np.unique(np.concatenate([[0], marks, [len(self.curves)]]))
            offsets = np.concatenate([[0], ends])
            for first, last in pairwise(edges.tolist()):
                rows = slice(int(offsets[first]), int(offsets[last]))
                yield first, self._piece(self.curves[first:last], rows)
            return
        edges = self._edges(size, sorted_by) if total > size and sorted_by else [0, total]
        if len(edges) == 2:
            yield 0, self
            return
        for first, last in pairwise(edges):
            yield 0, self._piece([self.curves[0][first:last]], slice(first, last))

    def _edges(self, size: int, sorted_by: str) -> list[int]:
        """Return rows of one table at which an object begins, about `size` apart."""
        values, _ = self.labels(sorted_by)
        total = len(values)
        if self.cut or np.any(values[1:] < values[:-1]):
            return [0, total]
        marks = np.searchsorted(values, values[np.arange(size, total, size)])
        return np.unique(np.concatenate([[0], marks, [total]])).tolist()

    def _piece(self, curves: Sequence[Table], rows: slice) -> "Bare":
        made = Bare.__new__(Bare)
        made.__dict__.update(self.__dict__)
        made.curves = curves
        made.lengths = np.array([len(lc) for lc in curves], dtype=np.int64)
        made._added = {name: array[rows] for name, array in self._added.items()}
        made._kept = None if self._kept is None else self._kept[rows]
        return made

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
    def limit_sigma(self) -> np.ndarray | float:
        """The sigma of the limits of each row: 5, or what was made of them."""
        sigmas = [float(lc.meta.get("limit_sigma", 5.0)) for lc in self.curves]
        if len(set(sigmas)) <= 1:
            return sigmas[0] if sigmas else 5.0
        return np.array(sigmas)[self.places]

    def has(self, name: str) -> bool:
        """Return whether all light curves have a column.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        bool
            True also where there is no light curve.
        """
        return name in self._added or all(name in lc.columns for lc in self.curves)

    def mjd(self) -> np.ndarray:
        """Return the times.

        Returns
        -------
        `~numpy.ndarray`
            MJD, NaN where masked.
        """
        whole = self._joined([lc.columns["time"].jd1 for lc in self.curves], np.float64)
        part = self._joined([lc.columns["time"].jd2 for lc in self.curves], np.float64)
        return self._left((whole - MJD_0) + part)

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
            If it is of text or of objects.
        """
        if name in self._added:
            return self._left(self._added[name].astype(np.float64))
        unit = self._units.get(name)
        columns = [lc.columns[name] for lc in self.curves]
        for column in columns:
            if column.dtype.kind not in "fiub":
                raise InvalidQueryError(
                    f"the column {name} is of type {column.dtype}; it should be of numbers"
                )
        values = self._joined(columns, np.float64)
        if unit is not None and any(column.unit is not unit for column in columns):
            factors = [u.Unit(column.unit).to(unit) for column in columns]
            values = values * np.repeat(factors, self.lengths)
        return self._left(values)

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
        columns = [lc.columns[name] for lc in self.curves]
        if any(column.dtype.kind not in "iu" or hasattr(column, "mask") for column in columns):
            return None
        return self._left(self._joined(columns, np.int64))

    def truths(self, name: str) -> np.ndarray:
        """Return a column of truth values.

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
            What stands in the column, and where it is not masked.

        Raises
        ------
        InvalidQueryError
            If it holds neither.
        """
        columns = [lc.columns[name] for lc in self.curves]
        for column in columns:
            if getattr(column, "dtype", np.dtype(object)).kind not in "iubUS":
                raise InvalidQueryError(
                    f"the column {name} is of type {getattr(column, 'dtype', type(column))}; it "
                    "should be of text or of whole numbers"
                )
        pairs = [get_data_and_mask(column) for column in columns]
        values = _concatenated([np.ndarray.view(np.asarray(data)) for data, _ in pairs], "U1")
        known = np.ones(int(self.lengths.sum()), bool)
        for (_, mask), end, n in zip(pairs, np.cumsum(self.lengths), self.lengths, strict=True):
            if mask is not None:
                known[end - n : end] = ~np.asarray(mask)
        return self._left(values), self._left(known)

    def _left(self, values: np.ndarray) -> np.ndarray:
        return values if self._kept is None else values[self._kept]

    def _joined(self, columns: Sequence, dtype: type) -> np.ndarray:
        """Return columns end to end, NaN where they are masked."""
        # A column's own view would copy what it knows of itself, which takes ten times as long.
        parts = [np.ndarray.view(column, np.ndarray) for column in columns]
        values = _concatenated(parts, dtype)
        masks = [getattr(column, "mask", None) for column in columns]
        if any(mask is not None and mask is not np.ma.nomask and mask.any() for mask in masks):
            if not values.flags.owndata or len(columns) == 1:
                values = values.copy()
            ends = np.cumsum(self.lengths)
            for mask, end, n in zip(masks, ends, self.lengths, strict=True):
                if mask is not None and mask is not np.ma.nomask:
                    values[end - n : end][np.asarray(mask)] = np.nan
        return values


def _concatenated(parts: Sequence[np.ndarray], dtype: object) -> np.ndarray:
    if not parts:
        return np.empty(0, dtype)
    if len(parts) == 1:
        return parts[0].astype(dtype, copy=False) if dtype != "U1" else parts[0]
    joined = np.concatenate(parts)
    return joined.astype(dtype, copy=False) if dtype != "U1" else joined

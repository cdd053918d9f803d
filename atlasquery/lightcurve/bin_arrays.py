"""Bins as plain arrays, from which light curves are made."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.timeseries import TimeSeries

from atlasquery.lightcurve.derive import new_meta
from atlasquery.lightcurve.schema import Conventions, describe_flux, schema_columns, time_column
from atlasquery.tables import LightCurve, Rows, assemble_series

__all__ = ["BinArrays", "GrowingArrays"]

TIMES = ("time", "first", "last")


class GrowingArrays:
    """Arrays that are filled chunk by chunk, so that each number is written once.

    Parameters
    ----------
    rows : int
        The length of all chunks of what is averaged.
    """

    def __init__(self, rows: int):
        self._rows = rows
        self._done = self._length = 0
        self._arrays: dict[Any, np.ndarray] = {}

    def add(self, arrays: Mapping[Any, np.ndarray], rows: int) -> None:
        """Append to each array.

        Parameters
        ----------
        arrays : mapping of `~numpy.ndarray`
            What is appended, of one length; the same names each time.
        rows : int
            Number of rows that it was made from.
        """
        self._done += rows
        first = self._length
        self._length += len(next(iter(arrays.values())))
        for name, array in arrays.items():
            self._arrays[name] = room = self._room(name, array.dtype)
            room[first : self._length] = array

    def _room(self, name: Hashable, dtype: np.dtype) -> np.ndarray:
        room = self._arrays.get(name)
        if room is None:
            return np.empty(self._expected(), dtype)
        wider = np.result_type(room.dtype, dtype)
        if wider != room.dtype:
            room = room.astype(wider)
        if len(room) < self._length:
            # The system moves large arrays without copying them.
            room.resize(self._expected(), refcheck=False)
        return room

    def _expected(self) -> int:
        """Return the expected length if the next chunks are like those before, with a margin."""
        if self._done >= self._rows:
            return self._length
        return int(self._length * self._rows / max(self._done, 1) * 1.02) + 1

    def arrays(self) -> dict[Any, np.ndarray]:
        """Return the arrays, of the length that was filled.

        Returns
        -------
        dict of `~numpy.ndarray`
            By name; nothing can be added afterwards.
        """
        for array in self._arrays.values():
            array.resize(self._length, refcheck=False)
        return self._arrays


@dataclass
class BinArrays:
    """The bins of all light curves as plain arrays, from which tables are made.

    Parameters
    ----------
    time, first, last : tuple of `~numpy.ndarray`
        The time of each bin, and of the first and last of its measurements, as `halves`
        makes them of MJD.
    values : dict of str to `~numpy.ndarray`
        The columns of `SCHEMA`.
    bin_columns : Rows
        The columns that only bins have.
    scale : str
        The time scale.
    """

    time: tuple[np.ndarray, np.ndarray]
    first: tuple[np.ndarray, np.ndarray]
    last: tuple[np.ndarray, np.ndarray]
    values: dict[str, np.ndarray]
    bin_columns: Rows
    scale: str

    @classmethod
    def joined(cls, parts: "Iterable[tuple[int, BinArrays]]", rows: int) -> "BinArrays":
        """Return the bins of several chunks, one after the other.

        Parameters
        ----------
        parts : iterable of tuple
            How many rows each chunk has, and its bins; at least one.
        rows : int
            Number of rows of all of them.

        Returns
        -------
        BinArrays
            All of them.
        """
        growing = GrowingArrays(rows)
        for n, part in parts:
            if n == rows:
                return part
            growing.add(part._arrays, n)
        arrays = growing.arrays()
        bin_columns = Rows(length=len(arrays["values", "flux"]))
        for column in part.bin_columns.columns:
            array = arrays["own", column.name]
            mask = arrays.get(("mask", column.name))
            if mask is None and not column.required:
                mask = np.isnan(array)
            bin_columns.add(column, array, mask)
        time, first, last = ((arrays["day", name], arrays["left", name]) for name in TIMES)
        return cls(
            time,
            first,
            last,
            {name: arrays["values", name] for name in part.values},
            bin_columns,
            part.scale,
        )

    def series(self, meta: Mapping, note: str, some: slice | None = None) -> TimeSeries:
        """Return the bins, or some of them, as a light curve.

        Parameters
        ----------
        meta : mapping
            Metadata on its origin.
        note : str
            What was done, for its history.
        some : slice, optional
            The bins; by default all.

        Returns
        -------
        `~astropy.timeseries.TimeSeries`
            It shares no column with other light curves.
        """
        times, values, bin_columns = list(self._times), self.values, self.bin_columns
        if some is not None:
            # A light curve shares nothing with another.
            times = [(day[some].copy(), left[some].copy()) for day, left in times]
            values = {name: array[some].copy() for name, array in values.items()}
            bin_columns = bin_columns.take(np.arange(some.start, some.stop))
        columns = schema_columns(times[0], values, bin_columns, scale=self.scale)
        for name, mjd in zip(("first", "last"), times[1:], strict=True):
            about = f"Time of the {name} measurement averaged."
            columns.append(time_column(mjd, f"time_{name}", about, self.scale))
        series = assemble_series(LightCurve(), columns)
        items: dict[str, object] = {"limit_sigma": 5.0} if "limit_sigma" in meta else {}
        items |= Conventions.of(meta).binned().meta()
        series.meta.update(new_meta(meta, note, **items))
        describe_flux(series)
        return series

    @property
    def _times(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        return self.time, self.first, self.last

    @property
    def _arrays(self) -> dict[tuple[str, str], np.ndarray]:
        days = {name: day for name, (day, _) in zip(TIMES, self._times, strict=True)}
        rest = {name: left for name, (_, left) in zip(TIMES, self._times, strict=True)}
        # Labels that may be missing are not numbers, which are NaN then.
        masks = {
            column.name: self.bin_columns.masks[column.name]
            for column in self.bin_columns.columns
            if column.kind is object and not column.required
        }
        kinds = {
            "day": days,
            "left": rest,
            "values": self.values,
            "own": self.bin_columns.values,
            "mask": masks,
        }
        return {(kind, name): array for kind, of in kinds.items() for name, array in of.items()}

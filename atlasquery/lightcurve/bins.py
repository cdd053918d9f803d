"""Bins as bare arrays, of which light curves are made."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from astropy.timeseries import TimeSeries

from atlasquery.lightcurve.derive import new_meta
from atlasquery.lightcurve.schema import schema_columns, time_column
from atlasquery.tables import Rows, assemble

__all__ = ["Binned"]


@dataclass
class Binned:
    """The bins of all light curves as bare arrays, of which tables are made.

    Parameters
    ----------
    time, first, last : `~numpy.ndarray`
        MJD of each bin, and of the first and last of its measurements.
    values : dict of str to `~numpy.ndarray`
        The columns of `SCHEMA`.
    own : Rows
        The columns that only bins have.
    scale : str
        The time scale.
    """

    time: np.ndarray
    first: np.ndarray
    last: np.ndarray
    values: dict[str, np.ndarray]
    own: Rows
    scale: str

    @classmethod
    def joined(cls, parts: "list[Binned]") -> "Binned":
        """Return the bins of several pieces, one after the other.

        Parameters
        ----------
        parts : list of Binned
            At least one.

        Returns
        -------
        Binned
            All of them.
        """

        def end_to_end(arrays) -> np.ndarray:
            return np.concatenate(list(arrays))

        first = parts[0].own
        own = Rows(length=sum(len(part.own) for part in parts))
        for column in first.columns:
            values = end_to_end(part.own.values[column.name] for part in parts)
            own.add(column, values, end_to_end(part.own.masks[column.name] for part in parts))
        times = (end_to_end(times) for times in zip(*(part._times for part in parts), strict=True))
        values = {name: end_to_end(part.values[name] for part in parts) for name in parts[0].values}
        return cls(*times, values, own, parts[0].scale)

    def series(self, meta: Mapping, note: str, some: slice | None = None) -> TimeSeries:
        """Return the bins, or some of them, as a light curve.

        Parameters
        ----------
        meta : mapping
            What the light curve says of its origin.
        note : str
            What was done, for its history.
        some : slice, optional
            The bins; by default all.

        Returns
        -------
        `~astropy.timeseries.TimeSeries`
            With columns of its own.
        """
        part, values, own = self._times, self.values, self.own
        if some is not None:
            # A light curve shares nothing with another.
            part = [array[some].copy() for array in part]
            values = {name: array[some].copy() for name, array in values.items()}
            own = own.take(np.arange(some.start, some.stop))
        columns = schema_columns(part[0], values, own, scale=self.scale)
        for name, mjd in zip(("first", "last"), part[1:], strict=True):
            about = f"Time of the {name} measurement averaged."
            columns.append(time_column(mjd, f"time_{name}", about, self.scale))
        series = TimeSeries()
        assemble(series, columns)
        more = {"limit_sigma": 5.0} if "limit_sigma" in meta else {}
        if reference := meta.get("time_reference"):
            said = f"mean {reference} of the bin".replace("mean mean ", "mean ")
            more["time_reference"] = said
        series.meta.update(new_meta(meta, note, **more))
        return series

    @property
    def _times(self) -> tuple[np.ndarray, ...]:
        return self.time, self.first, self.last

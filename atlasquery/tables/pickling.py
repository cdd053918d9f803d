"""Tables whose times keep their masks in a pickle."""

from typing import Any

import numpy as np
from astropy.table import Table
from astropy.time import Time
from astropy.utils.masked import get_data_and_mask

__all__ = ["PickledTable"]


class PickledTable:
    """A table in a form that a pickle keeps: astropy 8.0 loses the mask of a masked time.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table.
    """

    def __init__(self, table: Table):
        times = [
            name for name in table.colnames if isinstance(table[name], Time) and table[name].masked
        ]
        self._times = [
            (table.colnames.index(name), name, *_parts(table[name]), table[name].info.description)
            for name in times
        ]
        self._table = table
        if times:
            self._table = table.copy()
            self._table.remove_columns(times)

    def restore(self) -> Table:
        """Return the table.

        Returns
        -------
        `~astropy.table.Table`
            An equal table.
        """
        table = self._table
        for index, name, *parts, description in self._times:
            table.add_column(_time(*parts), index=index, name=name)
            table[name].info.description = description
        return table


def _parts(times: Time) -> tuple[Any, ...]:
    (first, mask), (second, _) = (get_data_and_mask(jd) for jd in (times.jd1, times.jd2))
    return np.array(first), np.array(second), np.array(mask), times.scale, times.format


def _time(first: np.ndarray, second: np.ndarray, mask: np.ndarray, scale: str, form: str) -> Time:
    # What is under the mask may be NaN, which is no date.
    filled = [np.where(mask, number, days) for number, days in ((2451545.0, first), (0.0, second))]
    times = Time(*filled, format="jd", scale=scale)
    times.format = form
    times[mask] = np.ma.masked
    return times

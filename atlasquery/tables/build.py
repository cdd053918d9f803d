"""Build astropy tables from decoded columns, with units, masks and descriptions."""

import functools
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Column as TableColumn
from astropy.table import MaskedColumn, SortedArray, Table
from astropy.table.index import Index
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked

from atlasquery.exceptions import TableParseError
from atlasquery.tables.columns import Column, Timestamp
from atlasquery.tables.json_rows import Rows

__all__ = [
    "assemble",
    "assemble_series",
    "build_table",
    "check_times",
    "quantity_column",
    "table_column",
]

MaskedQuantity = Masked(u.Quantity)

# What a view of numbers as a column knows of itself.
ATTRIBUTES = {kind: vars(np.zeros(1).view(kind)) for kind in (TableColumn, MaskedColumn)}
# MJD under the mask of times of which none is known.
NO_TIME = 51544.0


def build_table(rows: Rows, *, meta: dict | None = None) -> Table:
    """Build a `~astropy.table.Table` from decoded rows.

    Parameters
    ----------
    rows : Rows
        The columns.
    meta : dict, optional
        Metadata on its origin.

    Returns
    -------
    `~astropy.table.Table`
        Masked columns with units and descriptions; `~astropy.time.Time` columns
        for time stamps; plain columns where a value is required.
    """
    columns = [
        table_column(column, rows.values[column.name], rows.masks[column.name])
        for column in rows.columns
    ]
    return assemble(Table(meta=meta), columns)


def check_times(rows: Rows) -> None:
    """Raise what `build_table` would raise, where the response is still known.

    Parameters
    ----------
    rows : Rows
        The columns; all but time stamps were checked when they were decoded.

    Raises
    ------
    TableParseError
        If one is not a time stamp.
    """
    for column in rows.columns:
        if column.kind is Timestamp:
            time_column(column, rows.values[column.name], rows.masks[column.name])


def assemble(table: Table, columns: Iterable) -> Table:
    """Add columns to an empty table without copies.

    The public constructors of astropy copy each column's metadata several
    times: for the 90 columns of a Sherlock match that is 9 ms instead of 1.5.
    This is the way astropy itself makes a table from columns when it slices.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A table, or an instance of a subclass of it, without columns.
    columns : iterable
        Columns of equal length that have their names.

    Returns
    -------
    `~astropy.table.Table`
        The same table.
    """
    columns = list(columns)
    # To ask a column for its info makes one, for each.
    names = [c.name if isinstance(c, TableColumn) else c.info.name for c in columns]
    table._make_table_from_cols(table, columns, names=names)
    return table


def assemble_series(series: TimeSeries, columns: Iterable) -> TimeSeries:
    """Add columns to an empty time series, with the index that astropy gives to one.

    Parameters
    ----------
    series : `~astropy.timeseries.TimeSeries`
        Without columns.
    columns : iterable
        Columns of equal length that have their names and belong to no other table.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        The same time series; ``loc`` and ``iloc`` find its rows by their time. What is
        sliced from it has no index until it is copied.
    """
    columns = list(columns)
    # The required column may have been replaced by something else.
    times = [c for c in columns if isinstance(c, Time) and c.info.name == "time"]
    assemble(series, times or columns)
    # astropy copies an index to ``series["time", "flux"]`` without its being the primary one,
    # and `~astropy.timeseries.aggregate_downsample` fails; without a copy a new one is made.
    series._copy_indices = False
    if times:
        # Before the other columns come, each of which would be asked for an index.
        series.add_index("time", engine=_SortedOnUse.of(times[0]))
        info = times[0].info
        info.indices = _Unshared(info.indices)
        assemble(series, columns)
    return series


class _SortedOnUse(SortedArray):
    """The order of the rows by time, found when it is first used and by astropy itself.

    Most light curves are never searched by time, and to sort the rows takes as long as to make
    all columns. Times that were changed until then are in the order of their new values.
    """

    @classmethod
    def of(cls, times: Time) -> "_SortedOnUse":
        """Return the order of the rows of a column."""
        order = cls.__new__(cls)
        order.num_cols, order.unique, order._times = 1, False, times
        return order

    def __getattr__(self, name: str) -> Any:
        if name not in ("data", "row_index") or "_times" not in self.__dict__:
            raise AttributeError(name)
        found = Index([self.__dict__.pop("_times")]).data
        self.data, self.row_index = found.data, found.row_index
        return self.__dict__[name]


class _Unshared(list):
    """The indices of a column, which copies and pickles of it do without.

    astropy pickles an index, but not that it is the primary one; a time series that is
    made without an index makes its own.
    """

    def __deepcopy__(self, memo: dict) -> list:
        return []

    def __reduce__(self) -> tuple:
        return list, ()


def table_column(column: Column, values: np.ndarray, mask: np.ndarray | None) -> Any:
    """Return a column for a `~astropy.table.Table`.

    Parameters
    ----------
    column : Column
        Its declaration.
    values : `~numpy.ndarray`
        Its values.
    mask : `~numpy.ndarray` or None
        Where they are missing; None for a required column.

    Returns
    -------
    `~astropy.table.Column`, `~astropy.table.MaskedColumn` or `~astropy.time.Time`
        With name, unit and description.
    """
    if column.kind is Timestamp:
        return time_column(column, values, np.zeros(len(values), bool) if mask is None else mask)
    built = _blank_column(TableColumn if column.required else MaskedColumn, values)
    built.__dict__["_name"] = column.name
    if column.unit is not None:
        built.__dict__["_unit"] = column.unit
    if column.about:
        built.__dict__["description"] = column.about
    if mask is not None and not column.required:
        # A copy: columns may be masked alike, and each is the user's to change.
        built._mask = mask.copy()
    return built


def _blank_column(kind: type[TableColumn], values: np.ndarray) -> Any:
    """Return values as a column without a name.

    The constructor copies metadata, see `assemble`, and a view sets attributes one by one, each
    of which looks at its parent table: they are taken here from one that was made so.
    """
    if values.dtype.hasobject or not values.size or not values.flags.c_contiguous:
        return values.view(kind)
    column: Any = np.ndarray.__new__(kind, values.shape, values.dtype, values)
    attributes = column.__dict__
    attributes.update(ATTRIBUTES[kind])
    attributes["indices"] = []
    if kind is MaskedColumn:
        attributes["_optinfo"] = attributes["_basedict"] = {}
    return column


def quantity_column(column: Column, values: np.ndarray, mask: np.ndarray | None) -> Any:
    """Return a column for a `~astropy.table.QTable`: a masked quantity where it has a unit.

    Parameters
    ----------
    column : Column
        Its declaration.
    values, mask : `~numpy.ndarray`
        Its values, and where they are missing.

    Returns
    -------
    `~astropy.utils.masked.Masked` `~astropy.units.Quantity` or as `table_column`
        With name, unit and description.
    """
    if column.unit is None or column.kind is not float:
        return table_column(column, values, mask)
    # As for `table_column`: the constructor compares units.
    quantity: Any = values.view(MaskedQuantity)
    quantity._set_unit(column.unit)
    quantity.mask = mask
    info = quantity.info
    info.name, info.description = column.name, column.about or None
    return quantity


def time_column(column: Column, values: np.ndarray, mask: np.ndarray) -> Time:
    """Return a `~astropy.time.Time` column of ISO 8601 time stamps, which are in UTC.

    Parameters
    ----------
    column : Column
        Its declaration.
    values, mask : `~numpy.ndarray`
        The strings, with or without the final Z, and where they are missing.

    Returns
    -------
    `~astropy.time.Time`
        In UTC, masked where the server had none.
    """
    if mask.all():
        times = _no_time()[np.zeros(len(values), np.intp)]
    else:
        # Any string of the same column will do under the mask.
        texts = np.strings.rstrip(np.where(mask, values[np.argmin(mask)], values), "Z")
        try:
            times = Time(texts, format="isot", scale="utc")
        except ValueError:
            texts = np.array([_in_utc(text, column) for text in texts.tolist()])
            times = Time(texts, format="isot", scale="utc")
        if mask.any():
            times[mask] = np.ma.masked
    times.info.name = column.name
    times.info.description = column.about or None
    return times


@functools.cache
def _no_time() -> Time:
    """Return one masked time, of which a column without any time is made by repetition."""
    times = Time([NO_TIME], format="mjd", scale="utc")
    times.format = "isot"
    times[:] = np.ma.masked
    return times


def _in_utc(text: str, column: Column) -> str:
    """Return a time stamp of another form, perhaps with an offset, as astropy reads it."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise TableParseError(f"{column.wire}={text!r:.100} is not an ISO 8601 time") from error
    return moment.isoformat()

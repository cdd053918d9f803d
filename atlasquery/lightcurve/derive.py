"""New light curves from old ones, as copies with a line of history."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.table import Column as TableColumn
from astropy.table import MaskedColumn, QTable, Table
from astropy.timeseries import TimeSeries
from astropy.units import Quantity
from astropy.utils.masked import Masked

from atlasquery.lightcurve.schema import SCHEMA, describe_flux
from atlasquery.tables import Column, assemble, assemble_series, quantity_column

__all__ = ["DECLARED", "derive", "history", "measured_column", "new_meta"]

#: The columns of `SCHEMA` by name.
DECLARED = {column.name: column for column in SCHEMA}


def history(meta: Mapping, note: str) -> list[str]:
    """Return the history of a light curve made from another.

    Parameters
    ----------
    meta : mapping
        That of the other one.
    note : str
        What was done, with its numbers.

    Returns
    -------
    list of str
        A new list.
    """
    return [*meta.get("history", ()), note]


def new_meta(meta: Mapping, note: str, **items: object) -> dict:
    """Return the metadata of a light curve made from another.

    Parameters
    ----------
    meta : mapping
        That of the other one.
    note : str
        What was done, for ``history``.
    **items : object
        Items that are added or replaced.

    Returns
    -------
    dict
        A new one.
    """
    return {**meta, **items, "history": history(meta, note)}


def measured_column(name: str, values: np.ndarray, column: Column | None = None) -> Any:
    """Return a masked column of numbers, masked where they are NaN.

    Parameters
    ----------
    name : str
        A name of `SCHEMA`, or any with a declaration.
    values : `~numpy.ndarray` of float
        Its values.
    column : Column, optional
        Its declaration, where it is not of `SCHEMA`.

    Returns
    -------
    `~astropy.utils.masked.Masked` `~astropy.units.Quantity` or `~astropy.table.MaskedColumn`
        With name, unit and description.
    """
    return quantity_column(column or DECLARED[name], values, np.isnan(values))


def derive(
    lc: Table,
    columns: Mapping[str, object],
    note: str,
    *,
    rows: np.ndarray | None = None,
    **items: object,
) -> Table:
    """Return a copy of a light curve with some columns replaced or added.

    Parameters
    ----------
    lc : `~astropy.table.Table`
        A light curve; it is not changed.
    columns : mapping of str to column
        The new columns by name, of the length of `lc`.
    note : str
        What was done, for ``meta["history"]``.
    rows : `~numpy.ndarray` of bool, optional
        The rows that are kept; by default all.
    **items : object
        Items of ``meta`` that are added or replaced.

    Returns
    -------
    `~astropy.table.Table`
        Of the class of `lc`.
    """
    merged = {**lc.columns, **columns}
    new_columns = []
    for name, column in merged.items():
        new = name in columns
        kept = column if new and rows is None else _taken(column, rows)
        new_columns.append(_plain_column(kept) if new and not isinstance(lc, QTable) else kept)
    build = assemble_series if isinstance(lc, TimeSeries) else assemble
    result = build(type(lc)(), new_columns)
    result.meta.update(new_meta(lc.meta, note, **items))
    if "flux" in columns:
        describe_flux(result)
    return result


def _taken(column: Any, rows: np.ndarray | None) -> Any:
    """Return a copy of a column, or of some of its rows, with name, unit and description."""
    kept = column.copy() if rows is None else column[rows]
    if isinstance(column, TableColumn):
        kept.name = column.name
    else:
        kept.info = column.info
    return kept


def _plain_column(column: Any) -> Any:
    """Return a quantity as the column that a table without quantities has for it."""
    if not isinstance(column, Quantity):
        return column
    info = column.info
    if isinstance(column, Masked):
        plain = np.ma.array(column.unmasked.value, mask=column.mask)
        bare = MaskedColumn(plain, name=info.name, unit=column.unit)
    else:
        bare = TableColumn(column.value, name=info.name, unit=column.unit)
    bare.description = info.description
    return bare

"""Rows of stored objects, with those that the server has sent since put in their place."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from atlasquery.atlas.parquet_files import KINDS, concat_arrow

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TIMED", "last_times", "merge_rows", "rows_of"]

# The kinds whose rows the server limits by time; it sends all rows of the others.
TIMED = tuple(kind for kind, (columns, _) in KINDS.items() if "time" in columns.by_name)
# Metadata from which astropy knows how wide strings are; it would cut longer ones.
WIDTH = b"table::len::"


def merge_rows(
    stored: "pa.Table | None",
    sent: "pa.Table | None",
    since: Mapping[int, float],
    order: Sequence[int],
    *,
    timed: bool,
) -> "tuple[pa.Table | None, bool]":
    """Replace the rows of some objects from a time on by those that the server has now.

    Parameters
    ----------
    stored : `pyarrow.Table` or None
        The rows of one kind, of all objects of a file; None if there are none.
    sent : `pyarrow.Table` or None
        The rows that the server has sent for some of these objects.
    since : mapping of int to float
        For each of these, the MJD from which on its rows are replaced.
    order : sequence of int
        The ids of all objects of the file, in their order.
    timed : bool
        Whether the rows have times; otherwise all rows of these objects are replaced.

    Returns
    -------
    merged : `pyarrow.Table` or None
        The rows of all objects of the file.
    changed : bool
        Whether they differ from those stored.
    """
    import pyarrow as pa

    old = new = None
    outdated = np.empty(0, bool)
    if stored is not None:
        outdated = _at_or_after(stored, since, timed)
        old = stored.filter(pa.array(outdated))
    if sent is not None:
        sent = sent.filter(pa.array(_at_or_after(sent, since, timed)))
        new = _in_order(sent, order)
    if _same(old, new):
        return stored, False
    kept = None if stored is None else stored.filter(pa.array(~outdated))
    tables = [table for table in (kept, new) if table is not None]
    merged = _in_order(concat_arrow(tables), order).replace_schema_metadata(_widest(tables))
    return (merged if len(merged) else None), True


def rows_of(table: "pa.Table | None", ids: Sequence[int]) -> "pa.Table | None":
    """Return the rows of some objects.

    Parameters
    ----------
    table : `pyarrow.Table` or None
        Rows of one kind.
    ids : sequence of int
        The ids.

    Returns
    -------
    `pyarrow.Table` or None
        Those of these objects.
    """
    import pyarrow as pa

    if table is None:
        return None
    return table.filter(pa.array(np.isin(_ids(table), ids)))


def last_times(tables: "Mapping[str, pa.Table]") -> dict[str, dict[int, float]]:
    """Return the time of the last row of each object.

    Parameters
    ----------
    tables : mapping of str to `pyarrow.Table`
        The rows by kind.

    Returns
    -------
    dict of str to dict of int to float
        For each kind with times, MJD by id, without objects that have no rows.
    """
    last: dict[str, dict[int, float]] = {}
    for kind in TIMED:
        table = tables.get(kind)
        if table is None:
            last[kind] = {}
            continue
        ids, index = np.unique(_ids(table), return_inverse=True)
        latest = np.full(len(ids), -np.inf)
        np.fmax.at(latest, index, _times(table))
        last[kind] = {
            int(i): float(mjd) for i, mjd in zip(ids, latest, strict=True) if np.isfinite(mjd)
        }
    return last


def _at_or_after(table: "pa.Table", since: Mapping[int, float], timed: bool) -> np.ndarray:
    """Return which rows are of these objects, and not before their times."""
    keys = np.array(sorted(since), np.int64)
    starts = np.array([since[int(key)] for key in keys])
    ids = _ids(table)
    index = np.minimum(np.searchsorted(keys, ids), len(keys) - 1)
    # A row without a time is not sent again, as the server compares times.
    after = _times(table) >= starts[index] if timed else True
    return (keys[index] == ids) & after


def _in_order(table: "pa.Table", order: Sequence[int]) -> "pa.Table":
    """Return the rows object by object; those of one object stay in their order."""
    ids = np.array(order, np.int64)
    by_id = np.argsort(ids)
    rank = by_id[np.searchsorted(ids, _ids(table), sorter=by_id)]
    if (np.diff(rank) >= 0).all():
        return table
    return table.take(np.argsort(rank, kind="stable"))


def _same(one: "pa.Table | None", other: "pa.Table | None") -> bool:
    one, other = (table if table is not None and len(table) else None for table in (one, other))
    if one is None or other is None:
        return one is other
    return (
        len(one) == len(other)
        and one.schema.equals(other.schema)
        and all(one[name].equals(other[name]) for name in one.column_names)
    )


def _widest(tables: "list[pa.Table]") -> dict[bytes, bytes]:
    """Return the metadata of the first table, with the widths of strings of all of them."""
    meta = dict(tables[0].schema.metadata or {})
    for table in tables[1:]:
        for name, value in (table.schema.metadata or {}).items():
            if name.startswith(WIDTH):
                meta[name] = b"%d" % max(int(value), int(meta.get(name, b"0")))
    return meta


def _ids(table: "pa.Table") -> np.ndarray:
    return table["atlas_id"].to_numpy()


def _times(table: "pa.Table") -> np.ndarray:
    return table["time"].to_numpy()

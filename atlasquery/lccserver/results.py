"""The rows of a search from the datasets of its parts."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.lccserver.columns import ALWAYS, Description, described_column
from atlasquery.regions.cutting import rows_inside
from atlasquery.sphere import separations
from atlasquery.tables import Column, Rows, stack_rows
from atlasquery.tables.nearest import QUERY_INDEX, SEPARATION

__all__ = ["area_rows", "matched_rows", "plain_rows", "region_rows"]

# Never missing here: rows without a position are in no circle.
KNOWN_SEPARATION = dataclasses.replace(SEPARATION, required=True)
FIRST = ("query_index", "query_id", "separation", "objectid", "ra", "dec")
LAST = ("relevance", "extra_info", "collection", "lcfname", "owner", "visibility", "sharedwith")
# Columns in which a cross-match returns what was sent.
SENT = ("in_objectid", "in_ra", "in_decl")


def plain_rows(recipe: dict, found: Sequence[Rows]) -> Rows:
    """Return the rows of one dataset in the server's order.

    Parameters
    ----------
    recipe : dict
        What the table needs besides the datasets.
    found : sequence of Rows
        Those of the dataset, if there is one.

    Returns
    -------
    Rows
        With the same columns if there is none.
    """
    return _ordered(_stacked(recipe, found), recipe)


def region_rows(
    recipe: dict, found: Sequence[Rows], members: Sequence[Sequence[int]]
) -> tuple[Rows, bool]:
    """Return the objects within a radius of each position, each of them once.

    Parameters
    ----------
    recipe : dict
        With ``ra`` and ``dec`` (deg) of the positions, the ``radius`` (arcsec), ``sort``
        and ``limit``.
    found : sequence of Rows
        The objects of each search.
    members : sequence of sequences of int
        The positions of each search.

    Returns
    -------
    rows : Rows
        With ``query_index`` and ``separation``, sorted by both or as asked.
    cut : bool
        Whether some position has more than the limit.
    """
    ra, dec = np.array(recipe["ra"]), np.array(recipe["dec"])
    rows = _stacked(recipe, found)
    # A row for each position of its search.
    counts = [len(part) for part in found]
    each = [np.arange(n).repeat(len(m)) for n, m in zip(counts, members, strict=True)]
    starts = np.cumsum([0, *counts])
    row = np.concatenate(
        [np.zeros(0, np.int64), *(e + s for e, s in zip(each, starts[:-1], strict=True))]
    )
    index = np.concatenate(
        [np.zeros(0, np.int64), *(np.tile(m, n) for n, m in zip(counts, members, strict=True))]
    ).astype(np.int64)
    lon, lat = rows.values["ra"][row], rows.values["dec"][row]
    separation = separations(ra[index], dec[index], lon, lat)
    near = separation <= recipe["radius"]
    row, index, separation = row[near], index[near], separation[near]
    # Tiles overlap: two rows are of one object if its name and collection are the same.
    names = np.unique(rows.values["objectid"][row], return_inverse=True)[1]
    owners = np.unique(rows.values["collection"][row], return_inverse=True)[1]
    many = 1 + names.max(initial=0)
    once = np.unique((index * (1 + owners.max(initial=0)) + owners) * many + names, True)[1]
    row, index, separation = row[once], index[once], separation[once]
    chosen = rows.without(("separation",)).take(row)
    # Objects at one distance stand in an order that does not depend on the tiles.
    order = np.lexsort((names[once], owners[once], separation, index))
    chosen, index, separation = chosen.take(order), index[order], separation[order]
    for name, direction in reversed(recipe.get("sort") or []):
        by = _rank(chosen, "dec" if name == "decl" else name, direction)
        order = np.lexsort((np.arange(len(index)), by, index))
        chosen, index, separation = chosen.take(order), index[order], separation[order]
    rank = np.arange(len(index)) - np.searchsorted(index, index)
    within = rank < (len(index) + 1 if recipe.get("limit") is None else recipe["limit"])
    chosen, index, separation = chosen.take(within), index[within], separation[within]
    chosen.add(QUERY_INDEX, index)
    chosen.add(KNOWN_SEPARATION, separation)
    return _ordered(chosen, recipe), not within.all()


def area_rows(recipe: dict, found: Sequence[Rows]) -> tuple[Rows, bool]:
    """Return the objects in a region, each of them once.

    Parameters
    ----------
    recipe : dict
        With the ``region``, ``sort`` and ``limit``.
    found : sequence of Rows
        The objects of each search.

    Returns
    -------
    rows : Rows
        With ``query_index``, sorted by collection and name or as asked.
    cut : bool
        Whether there are more than the limit.
    """
    from atlasquery.regions.states import region_of_state

    region = region_of_state(recipe["region"])
    rows = rows_inside(region, [_stacked(recipe, found)], by=("collection", "objectid"))
    for name, direction in reversed(recipe.get("sort") or []):
        by = _rank(rows, "dec" if name == "decl" else name, direction)
        rows = rows.take(np.argsort(by, kind="stable"))
    limit = recipe.get("limit")
    if limit is None or len(rows) <= limit:
        return _ordered(rows, recipe), False
    return _ordered(rows.take(np.arange(limit)), recipe), True


def matched_rows(recipe: dict, found: Sequence[Rows]) -> Rows:
    """Return what matches each row of a cross-match.

    Parameters
    ----------
    recipe : dict
        With ``ra`` and ``dec`` (deg) of the positions, the ``radius`` (arcsec), and the
        ``ids`` of the user, if there are any.
    found : sequence of Rows
        The matches of each chunk.

    Returns
    -------
    Rows
        With ``query_index``, ``query_id`` and ``separation``, sorted by the first and last.
    """
    ra, dec = np.array(recipe["ra"]), np.array(recipe["dec"])
    rows = _stacked(recipe, found)
    try:
        sent = [int(name[1:]) for name in rows.values["in_objectid"].tolist()]
        index = np.array(sent, dtype=np.int64)
        if np.any(index < 0):
            raise IndexError("a number below 0")
        lon, lat = rows.values["ra"], rows.values["dec"]
        separation = separations(ra[index], dec[index], lon, lat)
    except (ValueError, IndexError, OverflowError) as error:
        raise TableParseError(
            "LCC-Server returned names that it was not sent in a cross-match", service="LCC-Server"
        ) from error
    near = np.flatnonzero(separation <= recipe["radius"])
    order = near[np.lexsort((separation[near], index[near]))]
    chosen = rows.without(("separation", *SENT)).take(order)
    index = index[order]
    chosen.add(QUERY_INDEX, index)
    if recipe.get("ids") is not None:
        ids = np.array(recipe["ids"])
        kind = int if ids.dtype.kind == "i" else str
        about = "The name or number that was given with the position."
        chosen.add(Column("query_id", kind, about=about, required=True), ids[index])
    chosen.add(KNOWN_SEPARATION, separation[order])
    return _ordered(chosen, recipe)


def _stacked(recipe: dict, found: Sequence[Rows]) -> Rows:
    """Return all rows, with all columns requested even if there are no rows."""
    # The empty part comes last: if there are rows, their declarations count.
    return stack_rows(*found, _blank(recipe))


def _blank(recipe: dict) -> Rows:
    """Return no rows, with the types of the descriptions of the collections."""
    around = recipe.get("radius") or recipe.get("region")
    columns = [ALWAYS[w] for w in ALWAYS if w != "dist_arcsec" or around]
    for wire, *description in recipe["columns"]:
        column = described_column(wire, Description(*description))
        if column is not None:
            columns.append(column)
    if recipe.get("radius"):
        columns += [Column(wire, str if wire == "in_objectid" else float) for wire in SENT]
    if recipe.get("text"):
        columns += [Column("relevance"), Column("extra_info", str)]
    rows = Rows()
    kinds: dict[object, Any] = {float: np.float64, int: np.int64, str: "U1", bool: np.bool_}
    for column in columns:
        if column.name not in rows.values:
            rows.add(column, np.zeros(0, kinds[column.kind]))
    return rows


def _rank(rows: Rows, name: str, direction: str) -> np.ndarray:
    """Return a number for each row by which it sorts, the greatest for masked values."""
    values, mask = rows.values[name], rows.masks[name]
    rank = np.unique(values, return_inverse=True)[1].astype(np.int64)
    rank = -rank if direction == "desc" else rank
    return np.where(mask, len(values) + 1, rank)


def _ordered(rows: Rows, recipe: dict) -> Rows:
    """Return the rows with the columns in a readable order: first those requested."""
    by_name = {column.name: column for column in rows.columns}
    requested = [wire for wire, *_ in recipe["columns"]]
    rest = [name for name in by_name if name not in LAST + SENT]
    names = dict.fromkeys([*FIRST, *requested, *rest, *LAST])
    rows.columns = [by_name[name] for name in names if name in by_name]
    return rows

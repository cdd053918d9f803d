"""Objects in an order other than that of their names, complete, with unknown values last.

Pages in another order overlap, and unknown values come first: see docs/servers/alerce.rst,
"Only one order is complete". All objects are therefore fetched by name and sorted here; the
first few come in one page that is as large as needed.
"""

from collections.abc import Iterator

import numpy as np

from atlasquery.alerce.base import AlerceQuery
from atlasquery.alerce.classes import count_most_classes, find_versions
from atlasquery.alerce.columns import RANKING
from atlasquery.alerce.criteria import CHOOSES, order_params
from atlasquery.alerce.paging import (
    FoundObjects,
    Order,
    complete_classifications,
    first_rows,
    fixed_order,
    may_have_next_page,
    one_per_object,
    read_page,
    read_pages,
    sorted_rows,
)
from atlasquery.tables import Column, Rows, stack_rows

__all__ = ["find_in_order", "ranks_below", "with_rank"]

# Orders of the ZTF API whose values it does not send: there is a search for each value.
UNSENT = {
    "ranking": RANKING,
    "classifier_version": Column("classifier_version", str, about="Version of the classifier."),
}
# Parameters with which, without a rank, only objects of rank 1 are found.
FIRST_RANK = {"classifier", "class", "classifier_version"}


def find_in_order(
    client: AlerceQuery,
    survey: str,
    params: dict,
    order: Order,
    limit: int | None,
    cache: bool | None,
) -> FoundObjects:
    """Return objects in an order.

    Parameters
    ----------
    client : AlerceQuery
        Client that sends the requests.
    survey : {"ztf", "lsst"}
        The survey.
    params : dict
        The parameters of the criteria.
    order : Order
        The order.
    limit : int or None
        The largest number of objects; None for all.
    cache : bool or None
        Whether cached responses are used.

    Returns
    -------
    FoundObjects
        One row per object.
    """
    if survey == "ztf" and order.name in UNSENT:
        if CHOOSES & params.keys():
            return _value_by_value(client, params, order, limit, cache)
        # Rank 1 of one version of one classifier: only whether there is one differs.
        order = Order("classifier_name", order.descending)
    if limit is None:
        return read_pages(client, survey, params | fixed_order(survey), None, cache, order=order)
    return _first_ones(client, survey, params, order, limit, cache)


def _first_ones(
    client: AlerceQuery, survey: str, params: dict, order: Order, limit: int, cache: bool | None
) -> FoundObjects:
    sent = params | fixed_order(survey) | order_params(survey, order.name, order.descending)
    size, times = limit + 1, []
    while True:
        page, following, when = _first_page(client, survey, sent, order, size, cache)
        times.append(when)
        rows, repeated = one_per_object(page, order)
        if len(rows) > limit or len(page) < size:
            break
        size *= 2
    overlap = 0
    if len(rows) <= limit:
        if following is None:
            following = may_have_next_page(client, [page], size, None, cache)
        if following:
            rows, repeated, overlap = _short_pages(client, survey, sent, order, limit, size, cache)
    elif repeated and len(page) and not page.masks[order.name][-1]:
        # Of objects with the value of the last row, likelier classifications may be missing.
        level = rows.values["oid"][rows.values[order.name] == page.values[order.name][-1]]
        page = complete_classifications(client, survey, params, page, level.tolist(), cache)
        rows, repeated = one_per_object(page, order)
    rows, cut = first_rows(rows, limit)
    return FoundObjects(rows, min(times), cut, repeated, overlap)


def _first_page(
    client: AlerceQuery, survey: str, sent: dict, order: Order, size: int, cache: bool | None
) -> tuple:
    """Return the first rows in an order, whether there is a next page if known, and the time."""
    page, following, when = read_page(client, survey, sent | {"page": 1, "page_size": size}, cache)
    masked = page.masks[order.name]
    if not order.descending or not len(page) or not masked[0]:
        return page, following, when
    if len(page) < size:
        return sorted_rows(page, order), following, when
    first = int(np.argmin(masked)) if not masked.all() else None
    if first is None:
        first = _first_known(client, survey, sent, order.name, size - 1, cache)
    known = _window(client, survey, sent, first, size, cache)
    rest = page.take(np.flatnonzero(masked)[: size - len(known)])
    return stack_rows(known, rest), following, when


def _first_known(
    client: AlerceQuery, survey: str, sent: dict, name: str, low: int, cache: bool | None
) -> int:
    """Return the index of the first row that has a value; the row `low` has none.

    It may be beyond the last row. The index is doubled until there is a value, then halved.
    """

    def has_value(index: int) -> bool:
        row, _, _ = read_page(client, survey, sent | {"page": index + 1, "page_size": 1}, cache)
        return not len(row) or not row.masks[name][0]

    high = 2 * low + 1
    while not has_value(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if has_value(middle) else (middle, high)
    return high


def _window(
    client: AlerceQuery, survey: str, sent: dict, first: int, size: int, cache: bool | None
) -> Rows:
    """Return some rows from an index on, out of one page, since two may overlap."""
    width = next(
        width
        for width in range(size, first + size + 1)
        if first // width == (first + size - 1) // width
    )
    number = first // width
    page, _, _ = read_page(client, survey, sent | {"page": number + 1, "page_size": width}, cache)
    start = first - number * width
    return page.take(np.arange(start, min(start + size, len(page))))


def _short_pages(
    client: AlerceQuery,
    survey: str,
    sent: dict,
    order: Order,
    limit: int,
    size: int,
    cache: bool | None,
) -> tuple[Rows, int, int]:
    """Return the first objects of a server whose pages are shorter than requested.

    Rows on two pages are counted.
    """
    pages: list[Rows] = []
    while True:
        page, _, _ = read_page(
            client, survey, sent | {"page": len(pages) + 1, "page_size": size}, cache
        )
        if not len(page) or (
            pages and pages[0].values["oid"].tolist() == page.values["oid"].tolist()
        ):
            break
        pages.append(page)
        rows = stack_rows(*pages)
        known = rows if not order.descending else rows.take(~rows.masks[order.name])
        if len(np.unique(known.values["oid"])) > limit:
            break
    rows = stack_rows(*pages)
    shown = ("oid", "class_name", "classifier_name", "probability")
    distinct = len(set(zip(*(rows.values[name].tolist() for name in shown), strict=True)))
    overlap = len(rows) - distinct if len(pages) > 1 else 0
    rows, repeated = one_per_object(rows, order)
    return rows, repeated, overlap


def _value_by_value(
    client: AlerceQuery, params: dict, order: Order, limit: int | None, cache: bool | None
) -> FoundObjects:
    parts, times, cut, repeated = [], [], False, 0
    count = 0
    for value, chosen in _values(client, params, order, cache):
        found = read_pages(client, "ztf", params | chosen | fixed_order("ztf"), limit, cache)
        rows = with_column(found.rows, UNSENT[order.name], value)
        parts.append(rows)
        times.append(found.when)
        cut, repeated = cut or found.cut, repeated + found.repeated
        count = len(np.unique(np.concatenate([part.values["oid"] for part in parts])))
        if limit is not None and count > limit:
            break
    rows, others = one_per_object(stack_rows(*parts), order)
    rows, beyond = first_rows(rows, limit)
    cut = limit is not None and (cut or beyond)
    return FoundObjects(rows.without((order.name,)), min(times), cut, repeated + others)


def _values(client: AlerceQuery, params: dict, order: Order, cache: bool | None) -> Iterator[tuple]:
    """Yield the possible values of an order, with the parameters of a search for each."""
    if "ranking" in params:
        ranks = [params["ranking"]]
    elif FIRST_RANK & params.keys():
        ranks = [1]
    else:
        ranks = list(
            range(1, ranks_below(params.get("probability"), count_most_classes(client, cache)) + 1)
        )
    if order.name == "ranking":
        for rank in sorted(ranks, reverse=order.descending):
            yield rank, {"ranking": rank}
        return
    known = find_versions(client, params.get("classifier"), params.get("classifier_version"), cache)
    for version, classifier in sorted(known, reverse=order.descending):
        for rank in ranks:
            yield version, {
                "classifier": classifier, "classifier_version": version, "ranking": rank,
            }  # fmt: skip


def ranks_below(probability: float | None, classes: int) -> int:
    """Return the greatest rank that a class of some probability may have.

    Parameters
    ----------
    probability : float or None
        The least probability.
    classes : int
        Number of classes.

    Returns
    -------
    int
        Probabilities of one classifier add up to 1.
    """
    return min(classes, int(1 / probability + 1e-9)) if probability else classes


def with_rank(rows: Rows, rank: int) -> Rows:
    """Return rows with the rank of their class.

    Parameters
    ----------
    rows : Rows
        Objects.
    rank : int
        The rank of the search.

    Returns
    -------
    Rows
        The same rows if the server sends the rank.
    """
    return rows if "ranking" in rows.values else with_column(rows, RANKING, rank)


def with_column(rows: Rows, column: Column, value: object) -> Rows:
    """Return rows with a further column of one value.

    Parameters
    ----------
    rows : Rows
        Objects.
    column : Column
        Its declaration.
    value : object
        The value.

    Returns
    -------
    Rows
        Not copied.
    """
    found = rows.without((column.name,))
    found.add(column, np.full(len(rows), value))
    return found

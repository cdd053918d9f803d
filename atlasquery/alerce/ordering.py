"""Objects in an order other than that of their names, complete, with unknown values last.

"order_by on a column with ties overlaps pages", "DESC puts nulls first on every column"
(contract). All objects are therefore fetched by name and sorted here; of the first few, one page
is asked for that is as large as it takes.
"""

from collections.abc import Iterator

import numpy as np

from atlasquery.alerce.base import AlerceQuery
from atlasquery.alerce.classes import count_most_classes, find_versions
from atlasquery.alerce.columns import RANKING
from atlasquery.alerce.criteria import CHOOSES, order_params
from atlasquery.alerce.paging import (
    Found,
    Order,
    complete_classifications,
    fixed_order,
    may_have_next_page,
    one_per_object,
    read_page,
    read_pages,
    sorted_rows,
)
from atlasquery.tables import Column, Rows, stack_rows

__all__ = ["find_in_order", "ranks_below", "with_rank"]

# What the ZTF API orders by and does not send: such objects are asked for value by value.
UNSENT = {
    "ranking": RANKING,
    "classifier_version": Column("classifier_version", str, about="Version of the classifier."),
}
# What, when it is sent without a rank, is answered with objects of rank 1 only.
FIRST_RANK = {"classifier", "class", "classifier_version"}


def find_in_order(
    query: AlerceQuery,
    survey: str,
    params: dict,
    order: Order,
    limit: int | None,
    cache: bool | None,
) -> Found:
    """Return objects in an order.

    Parameters
    ----------
    query : PagedQueries
        Client that sends the requests.
    survey : {"ztf", "lsst"}
        The survey.
    params : dict
        The criteria as they are sent.
    order : Order
        The order.
    limit : int or None
        How many are wanted at most; None for all.
    cache : bool or None
        Whether stored answers are used.

    Returns
    -------
    Found
        One row per object.
    """
    if survey == "ztf" and order.name in UNSENT:
        if CHOOSES & params.keys():
            return _value_by_value(query, params, order, limit, cache)
        # Rank 1 of one version of one classifier: only whether there is one differs.
        order = Order("classifier_name", order.descending)
    if limit is None:
        return read_pages(
            query, survey, params | fixed_order(query, survey), None, cache, order=order
        )
    return _first_ones(query, survey, params, order, limit, cache)


def _first_ones(
    query: AlerceQuery, survey: str, params: dict, order: Order, limit: int, cache: bool | None
) -> Found:
    sent = params | fixed_order(query, survey) | order_params(survey, order.name, order.descending)
    size, times = limit + 1, []
    while True:
        page, more, when = _first_page(query, survey, sent, order, size, cache)
        times.append(when)
        rows, repeated = one_per_object(page, order)
        if len(rows) > limit or len(page) < size:
            break
        size *= 2
    overlap = 0
    if len(rows) <= limit:
        more = may_have_next_page(query, [page], size, None, cache) if more is None else more
        if more:
            rows, repeated, overlap = _short_pages(query, survey, sent, order, limit, size, cache)
    elif repeated and len(page) and not page.masks[order.name][-1]:
        # Of what stands level with the last row, likelier classifications may not have come.
        level = rows.values["oid"][rows.values[order.name] == page.values[order.name][-1]]
        whole = complete_classifications(query, survey, params, page, level.tolist(), cache)
        rows, repeated = one_per_object(whole, order)
    cut = len(rows) > limit
    rows = rows.take(np.arange(limit)) if cut else rows
    return Found(rows, min(times), cut, repeated, overlap)


def _first_page(
    query: AlerceQuery, survey: str, sent: dict, order: Order, size: int, cache: bool | None
) -> tuple:
    """Return the first rows in an order, whether there are more if known, and when they came."""
    page, more, when = read_page(query, survey, sent | {"page": 1, "page_size": size}, cache)
    masked = page.masks[order.name]
    if not order.descending or not len(page) or not masked[0]:
        return page, more, when
    if len(page) < size:
        return sorted_rows(page, order), more, when
    first = int(np.argmin(masked)) if not masked.all() else None
    if first is None:
        first = _first_known(query, survey, sent, order.name, size - 1, cache)
    known = _window(query, survey, sent, first, size, cache)
    rest = page.take(np.flatnonzero(masked)[: size - len(known)])
    return stack_rows(known, rest), more, when


def _first_known(
    query: AlerceQuery, survey: str, sent: dict, name: str, low: int, cache: bool | None
) -> int:
    """Return the index of the first row that has a value; the row `low` has none.

    It may be beyond the last row. The index is doubled until there is a value, then halved.
    """

    def has_value(index: int) -> bool:
        row, _, _ = read_page(query, survey, sent | {"page": index + 1, "page_size": 1}, cache)
        return not len(row) or not row.masks[name][0]

    high = 2 * low + 1
    while not has_value(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if has_value(middle) else (middle, high)
    return high


def _window(
    query: AlerceQuery, survey: str, sent: dict, first: int, size: int, cache: bool | None
) -> Rows:
    """Return some rows from an index on, out of one page: two pages may overlap."""
    width = next(
        width
        for width in range(size, first + size + 1)
        if first // width == (first + size - 1) // width
    )
    number = first // width
    page, _, _ = read_page(query, survey, sent | {"page": number + 1, "page_size": width}, cache)
    start = first - number * width
    return page.take(np.arange(start, min(start + size, len(page))))


def _short_pages(
    query: AlerceQuery,
    survey: str,
    sent: dict,
    order: Order,
    limit: int,
    size: int,
    cache: bool | None,
) -> tuple[Rows, int, int]:
    """Return the first objects of a server whose pages are shorter than asked for.

    Its pages may overlap, which is counted.
    """
    pages: list[Rows] = []
    while True:
        page, _, _ = read_page(
            query, survey, sent | {"page": len(pages) + 1, "page_size": size}, cache
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
    kept, repeated = one_per_object(rows, order)
    return kept, repeated, overlap


def _value_by_value(
    query: AlerceQuery, params: dict, order: Order, limit: int | None, cache: bool | None
) -> Found:
    parts, times, cut, repeated = [], [], False, 0
    count = 0
    for value, chosen in _values(query, params, order, cache):
        found = read_pages(query, "ztf", params | chosen | fixed_order(query, "ztf"), limit, cache)
        rows = with_column(found.rows, UNSENT[order.name], value)
        parts.append(rows)
        times.append(found.when)
        cut, repeated = cut or found.cut, repeated + found.repeated
        count = len(np.unique(np.concatenate([part.values["oid"] for part in parts])))
        if limit is not None and count > limit:
            break
    rows, others = one_per_object(stack_rows(*parts), order)
    cut = limit is not None and (cut or len(rows) > limit)
    rows = rows.take(np.arange(min(limit, len(rows)))) if cut else rows
    return Found(rows.without((order.name,)), min(times), cut, repeated + others)


def _values(query: AlerceQuery, params: dict, order: Order, cache: bool | None) -> Iterator[tuple]:
    """Yield the values of an order that are possible, with what asks for objects of each."""
    if "ranking" in params:
        ranks = [params["ranking"]]
    elif FIRST_RANK & params.keys():
        ranks = [1]
    else:
        ranks = list(
            range(1, ranks_below(params.get("probability"), count_most_classes(query, cache)) + 1)
        )
    if order.name == "ranking":
        for rank in sorted(ranks, reverse=order.descending):
            yield rank, {"ranking": rank}
        return
    known = find_versions(query, params.get("classifier"), params.get("classifier_version"), cache)
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
        How many classes there are.

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
        The rank that was asked for.

    Returns
    -------
    Rows
        The same, where the server sends the rank.
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

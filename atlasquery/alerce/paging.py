"""All pages of a search: none lost, none twice, cut only with a warning."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np

from atlasquery.alerce.base import AlerceQuery, plain_json
from atlasquery.alerce.columns import OBJECT
from atlasquery.alerce.criteria import order_params
from atlasquery.alerce.lsst_columns import ENTRY, NEAR
from atlasquery.alerce.lsst_columns import OBJECT as LSST_OBJECT
from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    MaxResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.service.inputs import check_max_rows
from atlasquery.tables import Rows, check_answer, check_answers, decode_rows, stack_rows
from atlasquery.warn import warn

__all__ = [
    "Found",
    "Order",
    "check_limit",
    "check_lsst_object",
    "complete_classifications",
    "fixed_order",
    "may_have_next_page",
    "one_per_object",
    "read_lsst_entry",
    "read_page",
    "read_pages",
    "sorted_rows",
]

# "page_size=10" (contract) is what the server sends by itself: as many as any page should have. A
# list of all objects shows whether it does.
SMALLEST_PAGE = 10
LIST_ROUTE = {"ztf": "objects", "lsst": "lsst_objects"}
LIST_COLUMNS = {"ztf": OBJECT, "lsst": LSST_OBJECT}
# Names in one list of objects that are asked for again, to have all their classifications.
NAMES = 200
# No object has as many: a row for each class of each classifier and version.
CLASSIFICATIONS = 200
# Orders by what a classifier says. Of several classifications of an object, that which comes
# first in such an order is kept; else the likeliest.
OF_CLASSES = (
    "probability", "class_name", "classifier_name", "classifier_version", "ranking",
)  # fmt: skip


class Order(NamedTuple):
    """An order of objects.

    Attributes
    ----------
    name : str
        The column.
    descending : bool
        Whether the greatest comes first; what is masked comes last in either direction.
    """

    name: str
    descending: bool = False


class _Page(msgspec.Struct):
    items: msgspec.Raw
    has_next: bool | None = None
    has_prev: Any = None
    prev: Any = None
    next: Any = None
    current_page: Any = None

    def number(self) -> int | None:
        """Return which page it is, as far as it tells: that of ZTF names its neighbours only."""
        for told, step in ((self.current_page, 0), (self.prev, 1), (self.next, -1)):
            if type(told) is int:
                return told + step
        return 1 if self.has_prev is False else None


def check_limit(client: AlerceQuery, max_rows: int | None) -> int | None:
    """Return how many rows are wanted at most, None for all."""
    if client.conf.page_size < 1:
        raise InvalidQueryError(f"conf.page_size={client.conf.page_size} should be 1 or more")
    return check_max_rows(max_rows, client.conf.max_rows)


def read_page(
    client: AlerceQuery, survey: str, params: dict, cache: bool | None, *, once: bool = False
) -> tuple:
    """Return the rows of a page, whether there is a next one if known, and when it came."""
    columns = LIST_COLUMNS[survey]

    def decode(body: bytes) -> tuple:
        page = msgspec.json.decode(plain_json(body), type=_Page)
        check_answer(page.number(), params["page"], "the page", service="ALeRCE")
        return decode_rows(columns, page.items), page.has_next

    (rows, has_next), when = client._fetch(
        LIST_ROUTE[survey],
        params,
        decode=decode,
        lifetime=client.conf.list_seconds,
        cache=cache,
        # What fails so is a class or classifier that is not known; it will not be known later.
        once=once or survey == "lsst",
    )
    # "Without count=true has_next is always false" (contract), but true it is never wrongly.
    return rows, None if survey == "ztf" and not has_next else bool(has_next), when


def read_pages(
    client: AlerceQuery,
    survey: str,
    params: dict,
    limit: int | None,
    cache: bool | None,
    *,
    order: Order | None = None,
    named: int | None = None,
    once: bool = False,
) -> "Found":
    """Return one row per object by name, from as many pages as it takes.

    `order` is that of the rows returned, where all are wanted; `named` is how many there are
    at most, where they are asked for by name; `once` is for a caller that asks for less after
    a failure.
    """
    size = client.conf.page_size if limit is None else min(client.conf.page_size, limit + 1)
    pages: list[Rows] = []
    times: list[float] = []
    more: bool | None = True
    while more:
        sent = params | {"page": len(pages) + 1, "page_size": size}
        page, more, when = read_page(client, survey, sent, cache, once=once)
        times.append(when)
        if pages and more is None and _same(pages[0], page):
            # A server that knows no pages would send the first one for ever.
            more = False
        else:
            if more and pages and _same(pages[-1], page):
                raise TableParseError(
                    f"page {len(pages) + 1} has the objects of page {len(pages)}, and is said "
                    "to have a next one",
                    service=client.service,
                )
            pages.append(page)
            more = more and (len(page) > 0 or None)
        if more is None:
            more = may_have_next_page(client, pages, size, named, cache)
        if not more or (limit is not None and sum(map(len, pages)) > limit):
            rows, repeated = one_per_object(_whole(client, survey, params, pages, cache), order)
            cut = limit is not None and len(rows) > limit
            if cut or not more:
                rows = rows.take(np.arange(limit)) if cut else rows
                return Found(rows, min(times), cut, repeated)
    raise AssertionError("a last page ends the loop")


def _whole(
    client: AlerceQuery, survey: str, params: dict, pages: list[Rows], cache: bool | None
) -> Rows:
    """Return the rows of pages, with all of each object that has rows on two of them.

    Rows of one object have no order: one may be on both pages, and another on neither.
    """
    ends = [
        first.values["oid"][-1].item()
        for first, second in itertools.pairwise(pages)
        if len(first) and len(second) and first.values["oid"][-1] == second.values["oid"][0]
    ]
    rows = stack_rows(*pages)
    full = len(pages[0])
    return (
        complete_classifications(client, survey, params, rows, ends, cache, full=full)
        if ends
        else rows
    )


def complete_classifications(
    client: AlerceQuery,
    survey: str,
    params: dict,
    rows: Rows,
    names: list,
    cache: bool | None,
    *,
    full: int | None = None,
) -> Rows:
    """Return rows with all classifications of some objects that meet the criteria.

    `full` is how many rows a page of a server with shorter pages has: what comes with as
    many may be cut, and is asked for in halves. The rows that are here stay.
    """
    parts = [names[start : start + NAMES] for start in range(0, len(names), NAMES)]
    while parts:
        part = parts.pop()
        sent = params | fixed_order(client, survey) | {"oid": part, "page": 1}
        every, _, _ = read_page(
            client, survey, sent | {"page_size": CLASSIFICATIONS * len(part)}, cache
        )
        if len(every) == full and len(part) > 1:
            half = len(part) // 2
            parts += [part[:half], part[half:]]
        else:
            rows = stack_rows(rows, every)
    return sorted_rows(rows, Order("oid"))


@contextlib.contextmanager
def _explained(client: AlerceQuery, name: int, cache: bool | None) -> Iterator[None]:
    """Tell a failure over an object of LSST that is not known from others.

    "A missing object gives 500, not 404" (contract): another route says which it is.
    """
    try:
        yield
    except RemoteServiceError as error:
        if error.status != 500:
            raise
        try:
            check_lsst_object(client, name, cache)
        except NotFoundError as unknown:
            raise unknown from error
        except (RemoteServiceError, TableParseError, TimeoutError):
            # The first failure is reported.
            pass
        raise


def check_lsst_object(client: AlerceQuery, name: int, cache: bool | None) -> None:
    """Raise if ALeRCE has no such object of LSST, classified or not."""
    found, _ = client._fetch(
        "lsst_known",
        {"oid": name, "survey": "lsst", "radius": 1.0, "neighbors": 1},
        decode=lambda body: decode_rows(NEAR, body),
        cache=cache,
    )
    if not len(found):
        raise NotFoundError(
            f"ALeRCE does not know {name} of LSST",
            service=client.service,
            status=200,
            url=client.conf.lsst_server,
        )


def read_lsst_entry(
    client: AlerceQuery, name: int, cache: bool | None, *, extra: bool = False
) -> tuple:
    """Return the entry of an object of LSST, which lists leave out if nobody classified it."""
    params = {"oid": name, "survey_id": "lsst"} | ({"return_survey_extra": "true"} if extra else {})
    with _explained(client, name, cache):
        rows, when = client._fetch(
            "lsst_object",
            params,
            decode=lambda body: decode_rows(ENTRY, b"[" + plain_json(body) + b"]"),
            cache=cache,
            unknown=str(name),
            once=True,
        )
    check_answers(rows.values["oid"], name, "the object", service=client.service)
    return rows, when


def fixed_order(client: AlerceQuery, survey: str) -> dict:
    """Return what is sent with each search: the order, without which pages overlap."""
    return ({"survey": "lsst"} if survey == "lsst" else {}) | order_params(survey, None, False)


def may_have_next_page(
    client: AlerceQuery, pages: list[Rows], size: int, named: int | None, cache: bool | None
) -> bool:
    """Return whether there may be a page after those, which the server does not say.

    A server that sends less in a page than was asked for sends as much in each: a page is
    the last one if it is shorter than the first. The first one is the last if it is shorter
    than any full page of this server, or has all that was asked for by name.
    """
    last, first = len(pages[-1]), len(pages[0])
    if named is not None and len(np.unique(stack_rows(*pages).values["oid"])) >= named:
        return False
    if len(pages) > 1 or not first or first >= min(size, SMALLEST_PAGE):
        return 0 < first <= last
    return first >= _shortest(client, cache)


def _shortest(client: AlerceQuery, cache: bool | None) -> int:
    """Return how many rows a full page of the server has at least, as far as it matters."""
    with client._measuring:
        if (server := client.server) not in client._least_rows:
            sent = {"page": 1, "page_size": SMALLEST_PAGE} | fixed_order(client, "ztf")
            try:
                rows, _, _ = read_page(client, "ztf", sent, cache)
            except (RemoteServiceError, TableParseError, TimeoutError):
                # A page more tells it too, for this once.
                return 1
            client._least_rows[server] = len(rows)
        return client._least_rows[server]


def _same(page: Rows, other: Rows) -> bool:
    """Return whether two pages have the same objects, and the same classes of them."""
    return len(page) == len(other) and all(
        page.values[name].tolist() == other.values[name].tolist()
        for name in ("oid", "class_name", "classifier_name", "n_det")
    )


class Found(NamedTuple):
    """The objects of a search.

    Attributes
    ----------
    rows : Rows
        One for each object.
    when : float
        The Unix time at which the first page came.
    cut : bool
        Whether there are more.
    repeated : int
        How many other classifications of the same objects were left out.
    overlap : int
        How many rows stood on two pages of a server that sends shorter pages than asked for.
    """

    rows: Rows
    when: float
    cut: bool
    repeated: int = 0
    overlap: int = 0


def sorted_rows(rows: Rows, order: Order) -> Rows:
    """Return rows in an order, those of equal value by name.

    Parameters
    ----------
    rows : Rows
        Objects.
    order : Order
        The order.

    Returns
    -------
    Rows
        With what is masked last, in either direction.
    """
    rank = np.unique(rows.values[order.name], return_inverse=True)[1]
    if order.descending:
        rank = -rank
    mask = rows.masks[order.name]
    return rows.take(np.lexsort((rows.values["oid"], np.where(mask, 0, rank), mask)))


def one_per_object(rows: Rows, order: Order | None = None) -> tuple[Rows, int]:
    """Keep one classification of each object.

    The server sends a row per classifier, and per version of it, that meets the criteria.

    Parameters
    ----------
    rows : Rows
        Objects, with repetitions.
    order : Order, optional
        The order of the result. In one of classes, probabilities or ranks, the
        classification that comes first in it is kept, otherwise the likeliest. By
        default objects stay where they stood first.

    Returns
    -------
    rows : Rows
        Each object once.
    repeated : int
        How many other classifications of them were left out.
    """
    rows = rows if order is None else sorted_rows(rows, order)
    oid = rows.values["oid"]
    n = len(oid)
    first = np.unique(oid, return_index=True)[1]
    if len(first) == n:
        return rows, 0
    by_class = order is not None and order.name in OF_CLASSES
    likely = np.zeros(n) if by_class else np.nan_to_num(rows.values["probability"], nan=-1.0)
    # Sorted by object, then the likeliest first, then as sent.
    places = np.lexsort((np.arange(n), -likely, oid))
    best = places[np.unique(oid[places], return_index=True)[1]]
    kept = rows.take(best[np.argsort(first, kind="stable")])
    shown = [rows.values[name] for name in ("oid", "class_name", "classifier_name", "probability")]
    distinct = len(set(zip(*(values.tolist() for values in shown), strict=True)))
    # Versions are not sent: two may agree to the last digit, which costs nobody anything.
    return kept, distinct - len(kept)


def warn_of(
    found: Found,
    limit: int | None,
    order: Order | None = None,
) -> None:
    """Warn of rows that a result does not have.

    Parameters
    ----------
    found : Found
        The objects.
    limit : int or None
        How many were asked for.
    order : Order or None, optional
        The order that was asked for.
    """
    if found.cut:
        level = ""
        if order is not None:
            direction = "descending" if order.descending else "ascending"
            level = (
                f"; these are the first by {order.name}, {direction}, and of objects with the "
                "value of the last one others may be as good"
            )
        warn(
            f"ALeRCE has more objects than the {limit} that were asked for{level}. Ask for more "
            "with max_rows, or for all with max_rows=-1",
            MaxResultsWarning,
        )
    if found.repeated:
        by_class = order is not None and order.name in OF_CLASSES
        kept = f"the first by {order.name}" if by_class else "the likeliest"
        warn(
            f"ALeRCE sent {found.repeated} further classifications of the same objects, by other "
            f"classifiers or versions; {kept} of each object is kept. Name "
            "classifier and classifier_version to choose, or see get_probabilities",
            InputWarning,
        )
    if found.overlap:
        warn(
            f"This server sends shorter pages than asked for, and they overlapped by "
            f"{found.overlap} rows, because many objects have the same {order.name}: as many "
            "others may be missing. Ask for all with max_rows=-1, which are sorted here",
            InputWarning,
        )

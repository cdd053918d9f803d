"""All pages of a search: no row lost or doubled, cut only with a warning."""

import contextlib
import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np

from atlasquery.alerce.base import AlerceQuery, Oid, decode_entry, plain_json
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
    "FoundObjects",
    "Order",
    "check_limit",
    "check_lsst_object",
    "complete_classifications",
    "first_rows",
    "fixed_order",
    "lsst_entry_params",
    "may_have_next_page",
    "one_per_object",
    "read_lsst_entry",
    "read_page",
    "read_pages",
    "sorted_rows",
]

# The default of the server (see docs/servers/alerce.rst, "Pages"), so that any page should have as
# many rows. A list of all objects shows whether it has.
SMALLEST_PAGE = 10
LIST_ROUTE = {"ztf": "objects", "lsst": "lsst_objects"}
LIST_COLUMNS = {"ztf": OBJECT, "lsst": LSST_OBJECT}
# Names in one request for all classifications of objects.
NAMES = 200
# More rows than an object has: one for each class of each classifier and version.
CLASSIFICATIONS = 200
# Orders by classification. Of several classifications of an object, the first one in such an order
# stays in the result; in other orders the likeliest.
CLASS_ORDERS = (
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


class _ObjectPage(msgspec.Struct):
    items: msgspec.Raw
    has_next: bool | None = None
    has_prev: Any = None
    prev: Any = None
    next: Any = None
    current_page: Any = None

    def number(self) -> int | None:
        """Return the number of the page, if known: a page of ZTF names its neighbours only."""
        for number, step in ((self.current_page, 0), (self.prev, 1), (self.next, -1)):
            if type(number) is int:
                return number + step
        return 1 if self.has_prev is False else None


def check_limit(client: AlerceQuery, max_rows: int | None) -> int | None:
    """Return the largest number of rows of a result, None for all."""
    if client.conf.page_size < 1:
        raise InvalidQueryError(f"conf.page_size={client.conf.page_size} should be 1 or more")
    return check_max_rows(max_rows, client.conf.max_rows)


def read_page(
    client: AlerceQuery, survey: str, params: dict, cache: bool | None, *, once: bool = False
) -> tuple:
    """Return the rows of a page, whether there is a next one if known, and when it came."""
    columns = LIST_COLUMNS[survey]

    def decode(body: bytes) -> tuple:
        page = msgspec.json.decode(plain_json(body), type=_ObjectPage)
        check_answer(page.number(), params["page"], "the page", service="ALeRCE")
        return decode_rows(columns, page.items), page.has_next

    (rows, has_next), when = client._fetch(
        LIST_ROUTE[survey],
        params,
        decode=decode,
        lifetime=client.conf.list_seconds,
        cache=cache,
        # An unknown class or classifier is the usual cause, and it will not be known later.
        once=once or survey == "lsst",
    )
    # True is right, false says nothing: see docs/servers/alerce.rst, "Pages".
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
) -> "FoundObjects":
    """Return one row per object by name, from as many pages as it takes.

    `order` is that of the rows returned, for a search of all; `named` is the largest number of
    objects in a search by name; `once` is for a caller that requests less after a failure.
    """
    size = client.conf.page_size if limit is None else min(client.conf.page_size, limit + 1)
    pages: list[Rows] = []
    times: list[float] = []
    following: bool | None = True
    while following:
        sent = params | {"page": len(pages) + 1, "page_size": size}
        page, following, when = read_page(client, survey, sent, cache, once=once)
        times.append(when)
        if pages and following is None and _same(pages[0], page):
            # A server that knows no pages would send the first one for ever.
            following = False
        else:
            if following and pages and _same(pages[-1], page):
                raise TableParseError(
                    f"page {len(pages) + 1} has the objects of page {len(pages)}, and should have "
                    "a next one",
                    service=client.service,
                )
            pages.append(page)
            following = following and (len(page) > 0 or None)
        if following is None:
            following = may_have_next_page(client, pages, size, named, cache)
        if not following or (limit is not None and sum(map(len, pages)) > limit):
            rows, repeated = one_per_object(_complete(client, survey, params, pages, cache), order)
            rows, cut = first_rows(rows, limit)
            if cut or not following:
                return FoundObjects(rows, min(times), cut, repeated)
    raise AssertionError("a last page ends the loop")


def _complete(
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

    `full` is the number of rows of a page of a server with shorter pages: a page with as many
    may be cut, and is requested in halves. The rows given stay.
    """
    parts = [names[start : start + NAMES] for start in range(0, len(names), NAMES)]
    while parts:
        part = parts.pop()
        sent = params | fixed_order(survey) | {"oid": part, "page": 1}
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
def _explained(client: AlerceQuery, name: Oid, cache: bool | None) -> Iterator[None]:
    """Raise NotFoundError in place of the status 500 for an object of LSST that is not known.

    See docs/servers/alerce.rst, "A missing object is an error 500": another route tells.
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


def check_lsst_object(client: AlerceQuery, name: Oid, cache: bool | None) -> None:
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
            url=client._server_of("lsst_server"),
        )


def lsst_entry_params(name: Oid, *, extra: bool = False) -> dict:
    """Return what is sent for an object of LSST.

    Parameters
    ----------
    name : int
        The number of the object.
    extra : bool, optional
        Whether its row of the table DiaObject is requested too.

    Returns
    -------
    dict
        Parameters of the route.
    """
    extras = {"return_survey_extra": "true"} if extra else {}
    return {"oid": name, "survey_id": "lsst", **extras}


def read_lsst_entry(
    client: AlerceQuery, name: Oid, cache: bool | None, *, extra: bool = False
) -> tuple[Rows, float]:
    """Return the entry of an object of LSST; lists leave out those without classification."""
    with _explained(client, name, cache):
        rows, when = client._fetch(
            "lsst_object",
            lsst_entry_params(name, extra=extra),
            decode=partial(decode_entry, ENTRY),
            cache=cache,
            unknown=str(name),
            once=True,
        )
    check_answers(rows.values["oid"], name, "the object", service=client.service)
    return rows, when


def fixed_order(survey: str) -> dict:
    """Return the parameters of each search: the order, without which pages overlap."""
    return ({"survey": "lsst"} if survey == "lsst" else {}) | order_params(survey, None, False)


def may_have_next_page(
    client: AlerceQuery, pages: list[Rows], size: int, named: int | None, cache: bool | None
) -> bool:
    """Return whether there may be a page after those, which the server does not say.

    A server that sends less in a page than was requested sends as much in each: a page is
    the last one if it is shorter than the first. The first one is the last if it is shorter
    than any full page of this server, or has all objects of a search by name.
    """
    last, first = len(pages[-1]), len(pages[0])
    if named is not None and len(np.unique(stack_rows(*pages).values["oid"])) >= named:
        return False
    if len(pages) > 1 or not first or first >= min(size, SMALLEST_PAGE):
        return 0 < first <= last
    return first >= _shortest(client, cache)


def _shortest(client: AlerceQuery, cache: bool | None) -> int:
    """Return the least number of rows of a full page of the server, as far as it matters."""
    with client._measuring:
        if (server := client.server) not in client._least_rows:
            sent = {"page": 1, "page_size": SMALLEST_PAGE} | fixed_order("ztf")
            try:
                rows, _, _ = read_page(client, "ztf", sent, cache)
            except (RemoteServiceError, TableParseError, TimeoutError):
                # One more page shows it too, this time.
                return 1
            client._least_rows[server] = len(rows)
        return client._least_rows[server]


def _same(page: Rows, other: Rows) -> bool:
    """Return whether two pages have the same objects, and the same classes of them."""
    return len(page) == len(other) and all(
        page.values[name].tolist() == other.values[name].tolist()
        for name in ("oid", "class_name", "classifier_name", "n_det")
    )


class FoundObjects(NamedTuple):
    """The objects of a search.

    Attributes
    ----------
    rows : Rows
        One for each object.
    when : float
        The Unix time at which the first page came.
    cut : bool
        Whether there are further ones.
    repeated : int
        Number of other classifications of the same objects, which were left out.
    overlap : int
        Number of rows on two pages of a server that sends shorter pages than requested.
    """

    rows: Rows
    when: float
    cut: bool
    repeated: int = 0
    overlap: int = 0


def first_rows(rows: Rows, limit: int | None) -> tuple[Rows, bool]:
    """Return the first rows up to a limit, and whether there are further ones.

    Parameters
    ----------
    rows : Rows
        Objects.
    limit : int or None
        The largest number of rows; None for all.

    Returns
    -------
    rows : Rows
        The first ones.
    cut : bool
        Whether there are further ones.
    """
    if limit is None or len(rows) <= limit:
        return rows, False
    return rows.take(np.arange(limit)), True


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
        Masked values last, in either direction.
    """
    rank = np.unique(rows.values[order.name], return_inverse=True)[1]
    if order.descending:
        rank = -rank
    mask = rows.masks[order.name]
    return rows.take(np.lexsort((rows.values["oid"], np.where(mask, 0, rank), mask)))


def one_per_object(rows: Rows, order: Order | None = None) -> tuple[Rows, int]:
    """Return one classification of each object.

    The server sends a row per classifier, and per version of it, that meets the criteria.

    Parameters
    ----------
    rows : Rows
        Objects, with repetitions.
    order : Order, optional
        The order of the result. In one of classes, probabilities or ranks, the
        classification that comes first is returned, otherwise the likeliest. By
        default objects are in the order of their first rows.

    Returns
    -------
    rows : Rows
        Each object once.
    repeated : int
        Number of other classifications of them, which were left out.
    """
    rows = rows if order is None else sorted_rows(rows, order)
    oid = rows.values["oid"]
    n = len(oid)
    first = np.unique(oid, return_index=True)[1]
    if len(first) == n:
        return rows, 0
    by_class = order is not None and order.name in CLASS_ORDERS
    likely = np.zeros(n) if by_class else np.nan_to_num(rows.values["probability"], nan=-1.0)
    # Sorted by object, then the likeliest first, then as sent.
    ranked = np.lexsort((np.arange(n), -likely, oid))
    best = ranked[np.unique(oid[ranked], return_index=True)[1]]
    chosen = rows.take(best[np.argsort(first, kind="stable")])
    shown = [rows.values[name] for name in ("oid", "class_name", "classifier_name", "probability")]
    distinct = len(set(zip(*(values.tolist() for values in shown), strict=True)))
    # Versions are not sent: two may agree to the last digit, and then nothing is left out.
    return chosen, distinct - len(chosen)


def warn_of_omitted(
    found: FoundObjects,
    limit: int | None,
    order: Order | None = None,
) -> None:
    """Warn of rows that a result does not have.

    Parameters
    ----------
    found : FoundObjects
        The objects.
    limit : int or None
        The largest number of objects of the result.
    order : Order or None, optional
        The order of the result.
    """
    order_name = "" if order is None else order.name
    by_class = order_name in CLASS_ORDERS
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
        chosen = f"the first by {order_name}" if by_class else "the likeliest"
        warn(
            f"ALeRCE sent {found.repeated} further classifications of the same objects, by other "
            f"classifiers or versions; {chosen} of each object is kept. Name "
            "classifier and classifier_version to choose, or see get_probabilities",
            InputWarning,
        )
    if found.overlap:
        warn(
            f"This server sends shorter pages than asked for, and they overlapped by "
            f"{found.overlap} rows, because many objects have the same {order_name}: as many "
            "others may be missing. Ask for all with max_rows=-1, which are sorted here",
            InputWarning,
        )

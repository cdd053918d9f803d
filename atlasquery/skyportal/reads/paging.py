"""All pages of a search: none lost, none twice, cut only with a warning."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
from astropy.table import Table

from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    MaxResultsWarning,
    NoResultsWarning,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.regions.cutting import deliver_region, rows_inside
from atlasquery.regions.region import Region
from atlasquery.service.failures import deliver, failures_of
from atlasquery.service.inputs import check_max_rows
from atlasquery.service.pool import run_all
from atlasquery.service.positions import format_degrees
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.tables import Rows, build_table, check_answer, stack_rows
from atlasquery.tables.nearest import nearest_first, with_query_index
from atlasquery.warn import warn

__all__ = [
    "GALAXY_PAGE", "FoundRows", "check_limit", "query_area", "query_around_each", "read_pages",
    "warn_of",
]  # fmt: skip

# It reads the first, and documents the second: see docs/servers/skyportal.rst, "Pages of
# galaxies".
GALAXY_PAGE = ("page", "pageNumber")
# What the server says in a page of the pages themselves.
PAGE_KEYS = {"totalMatches", "pageNumber", "page", "numPerPage", "queryID"}
# How often a search is started again because the list changed while it was read.
WALKS = 3
# How many pages are requested before it is looked whether there is something in them.
AT_ONCE = 16


class _SearchPage(NamedTuple):
    rows: Rows
    total: int | None
    query: str | None
    when: float


class FoundRows(NamedTuple):
    """What a search found.

    Attributes
    ----------
    rows : Rows
        Each once, in the server's order.
    when : float
        The Unix time at which the first page came.
    total : int or None
        How many the server has; None where it does not say.
    cut : bool
        Whether there are more than were requested.
    stable : bool
        False where the server's list changed while it was read, each time.
    limit : int or None
        How many were requested at most.
    others : tuple of str
        What pages of an unknown kind have beside their list and their numbers.
    """

    rows: Rows
    when: float
    total: int | None
    cut: bool
    stable: bool
    limit: int | None
    others: tuple[str, ...] = ()


def check_limit(client: SkyPortalQuery, max_rows: int | None) -> int | None:
    """Return how many rows are wanted at most, None for all."""
    return check_max_rows(max_rows, client.conf.max_rows)


def read_pages(
    client: SkyPortalQuery,
    path: str,
    params: dict,
    *,
    key: str,
    decode: Callable,
    page_size: int | None = None,
    max_rows: int | None = None,
    page_name: str | tuple[str, ...] = "pageNumber",
    size_name: str = "numPerPage",
    unique: str = "id",
    lifetime: float | None = None,
    cache: bool | None = None,
    repeated: bool = False,
    what: str = "rows",
    warns: bool = True,
) -> FoundRows:
    """Return the rows of all pages of a search.

    Parameters
    ----------
    path : str
        What is read.
    params : dict
        The search, by the server's names. ``useCache`` in it asks for a ``queryID``
        that keeps the pages as they were; where the server gives one by itself, it is used.
    key : str
        What the list is called in the data of the response; empty for its only list.
    decode : callable
        Takes a JSON list, returns `Rows`.
    page_size : int, optional
        Rows requested at once; ``conf.page_size`` by default.
    max_rows : int, optional
        Rows wanted at most, -1 for all; ``conf.max_rows`` by default.
    page_name, size_name : str, optional
        The server's names of the number and the size of a page. Several names of the number
        are all sent, where servers differ: they ignore what they do not know, and one that
        they refuse by its name is left out.
    unique : str, optional
        The column that tells rows apart; empty where there is none.
    lifetime : float, optional
        Seconds for which a cached response counts; ``conf.list_seconds`` by default.
    cache : bool, optional
        Whether cached responses are used.
    repeated : bool, optional
        Whether the server counts a row several times, and cuts its pages by that count
        though it shows each row once: then a short page is no last one, and fewer rows
        than it counts are no loss.
    what : str, optional
        What the rows are, for warnings.
    warns : bool, optional
        Whether to warn of rows that the result does not have; if not, the caller does
        so with `warn_of`.

    Returns
    -------
    FoundRows
        Each row once.

    Warns
    -----
    MaxResultsWarning
        If there are more.
    InputWarning
        If the list changed while it was read, so that a row may be missing; or if pages
        have more than their list.
    """
    limit = check_limit(client, max_rows)
    size = client.conf.page_size if page_size is None else page_size
    if size < 1:
        raise InvalidQueryError(f"page_size={size!r} should be 1 or more")
    lifetime = client.conf.list_seconds if lifetime is None else lifetime
    walk = _Walk(client, path, params, key, decode, page_name, size_name, unique, lifetime)
    # One more than is wanted tells that there are more.
    walk.size = size if limit is None else min(size, limit + 1)
    walk.repeated = repeated
    for attempt in range(1, WALKS + 1):
        # What changed is not to be had from the store.
        found = walk.all(limit, cache if attempt == 1 else False)
        if found.stable:
            break
    if warns:
        warn_of(found, what)
    return found


def warn_of(found: FoundRows, what: str) -> None:
    """Warn of rows that a result does not have.

    Parameters
    ----------
    found : FoundRows
        What a search found.
    what : str
        What the rows are.
    """
    if found.cut:
        of = f", {found.total}," if found.total else ""
        warn(
            f"SkyPortal has more {what}{of} than the {found.limit} that were requested; ask for "
            "more with max_rows, or for all with max_rows=-1",
            MaxResultsWarning,
        )
    if not found.stable:
        warn(
            f"The server's list changed while it was read, {WALKS} times: {len(found.rows)} "
            f"{what} were found where it counts {found.total}. Ask again",
            InputWarning,
        )
    if found.others:
        warn(
            f"The {what} alone are returned, and not what else each page has: "
            f"{', '.join(found.others)}. Leave out paginate=True to see it",
            InputWarning,
        )


class _Walk:
    """One way through the pages of a search."""

    def __init__(
        self,
        client: SkyPortalQuery,
        path: str,
        params: dict,
        key: str,
        decode: Callable,
        page_name: str | tuple[str, ...],
        size_name: str,
        unique: str,
        lifetime: float,
    ):
        self.client = client
        self.path, self.params, self.key, self.decode = path, params, key, decode
        self.page_names = (page_name,) if isinstance(page_name, str) else page_name
        self.size_name, self.unique = size_name, unique
        self.lifetime = lifetime
        self.size = 0
        self.repeated = False
        self.others: dict[str, None] = {}

    def page(self, number: int, query: str | None, cache: bool | None) -> _SearchPage:
        """Return one page; past the end, one without rows."""
        numbers = dict.fromkeys(self.page_names, number)
        sent: dict = {**self.params, self.size_name: self.size, **numbers}
        if query is not None:
            sent["queryID"] = query
        try:
            (rows, total, query), when = self.client._fetch(
                self.path,
                sent,
                decode=lambda data: self.open(data, number),
                lifetime=self.lifetime,
                cache=cache,
            )
        except RemoteServiceError as error:
            # Past the end; others send an empty list: see docs/servers/skyportal.rst, "Pages".
            if error.status == 400 and "out of range" in (error.reason or ""):
                return _SearchPage(self.decode(b"[]"), None, query, self.client._clock.now())
            if not self.leave_out(error):
                raise
            return self.page(number, query, cache)
        return _SearchPage(rows, total, query, when)

    def leave_out(self, error: RemoteServiceError) -> bool:
        """Leave out the names of the page's number that a server refuses; return whether so."""
        reason = error.reason or ""
        names = tuple(name for name in self.page_names if not re.search(rf"\b{name}\b", reason))
        if error.status != 400 or not names or names == self.page_names:
            return False
        self.page_names = names
        return True

    def open(self, data: bytes, number: int) -> tuple:
        """Return the rows of a page, their number in all, and the name of the search."""
        if data.lstrip().startswith(b"["):
            # A server without pages sends the whole list.
            rows = self.decode(data)
            return rows, len(rows), None
        page = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        for name in self.page_names:
            check_answer(_plain(page, name, int), number, "the page", service="SkyPortal")
        key = self.key or self.only_list(page)
        sent, total = bytes(page.get(key, b"")), _plain(page, "totalMatches", int)
        if total != 0 and (not sent or (total and sent == b"null")):
            raise TableParseError(f"it has no list {key!r}", service="SkyPortal")
        rows = self.decode(sent or b"[]")
        query = _plain(page, "queryID", str | int)
        return rows, total, None if query is None else str(query)

    def only_list(self, page: dict[str, msgspec.Raw]) -> str:
        """Return the name of the only list of a page; note what else is in it."""
        lists = [key for key, value in page.items() if bytes(value).lstrip().startswith(b"[")]
        if len(lists) != 1:
            raise TableParseError(
                f"it has {len(lists)} lists ({', '.join(lists)}), so that there is nothing to page "
                "through: leave out paginate=True",
                service="SkyPortal",
            )
        # A page may repeat what was asked, such as its order.
        known = PAGE_KEYS | set(self.params)
        others = {key: None for key in page if key not in known and bytes(page[key]) != b"null"}
        others.pop(lists[0], None)
        if others and not PAGE_KEYS & set(page):
            raise TableParseError(
                f"it is one object, which has {', '.join(others)} beside the list {lists[0]!r}, "
                "and no page of a list: leave out paginate=True",
                service="SkyPortal",
            )
        self.others |= others
        return lists[0]

    def all(self, limit: int | None, cache: bool | None) -> FoundRows:
        """Return the rows of as many pages as are wanted."""
        first = self.page(1, None, cache)
        if first.total is None:
            pages = self.one_by_one(first, limit, cache)
        else:
            pages = self.together(first, limit, cache)
        totals = {page.total for page in pages if page.total is not None}
        # A page that does not repeat the name of the search is one of it.
        renamed = any(page.query not in (None, first.query) for page in pages)
        rows = _once(stack_rows(*(page.rows for page in pages)), self.unique)
        total = pages[-1].total
        wanted = max(totals, default=len(rows))
        if limit is not None:
            wanted = min(wanted, limit)
        # A name that the server has forgotten gets a new one, for a list as it is by then. A list
        # that grows at its front repeats rows, one that shrinks passes over some.
        complete = self.repeated or len(rows) >= wanted
        stable = len(totals) <= 1 and not renamed and complete
        cut = limit is not None and (len(rows) > limit or (total or 0) > limit)
        if limit is not None and len(rows) > limit:
            rows = rows.take(np.arange(limit))
        when = min(page.when for page in pages)
        return FoundRows(rows, when, total, cut, stable, limit, tuple(self.others))

    def together(
        self, first: _SearchPage, limit: int | None, cache: bool | None
    ) -> list[_SearchPage]:
        """Return the first page and the others, a few at a time, where their number is known."""
        expected = (first.total or 0) if limit is None else min(first.total or 0, limit)
        # What counts is how many came: pages are cut silently, see docs/servers/skyportal.rst,
        # "Pages".
        full = self.size if self.repeated else len(first.rows)
        if not full or full >= expected:
            return [first]
        pages, last = [first], -(-expected // full)
        while (begin := len(pages) + 1) <= last:
            answers = run_all(
                lambda number: self.page(number, first.query, cache),
                range(begin, min(begin + AT_ONCE, last + 1)),
                concurrency=self.client.conf.concurrency,
                interrupt=self.client._clock.interrupt,
            )
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            before = list(pages)
            pages += answers
            if not len(answers[-1].rows) or self.repeats(answers[-1], before):
                # The list ends before its number says: nothing is behind an empty page.
                break
        return pages

    def one_by_one(
        self, first: _SearchPage, limit: int | None, cache: bool | None
    ) -> list[_SearchPage]:
        """Return pages until one is not full, where the server does not count them."""
        pages = [first]
        while len(pages[-1].rows) and len(pages[-1].rows) >= len(first.rows):
            if limit is not None and sum(len(page.rows) for page in pages) > limit:
                break
            page = self.page(len(pages) + 1, first.query, cache)
            if self.repeats(page, pages):
                # A server that does not know the name of the page's number sends the first again.
                break
            pages.append(page)
        return pages

    def repeats(self, page: _SearchPage, pages: list[_SearchPage]) -> bool:
        """Return whether a page has nothing that those before it have not."""
        if not self.unique or self.unique not in page.rows.values:
            return _same(page.rows, pages[-1].rows)
        # By name: what else is in a row may be another at each call.
        seen = {one for before in pages for one in before.rows.values[self.unique].tolist()}
        return seen.issuperset(page.rows.values[self.unique].tolist())


def _same(rows: Rows, others: Rows) -> bool:
    """Return whether two pages are the same, NaN being the same as NaN."""
    return len(rows) == len(others) and all(
        repr(values.tolist()) == repr(others.values[name].tolist())
        for name, values in rows.values.items()
        if name in others.values
    )


def _plain(page: dict[str, msgspec.Raw], key: str, kind: Any) -> Any:
    """Return a value of a page, None where it is missing or of another kind."""
    try:
        return msgspec.json.decode(page.get(key, b"null"), type=kind | None)
    except msgspec.ValidationError:
        return None


def _once(rows: Rows, unique: str) -> Rows:
    """Return each row once, where it stood first."""
    if not unique or unique not in rows.values:
        return rows
    first = np.unique(rows.values[unique], return_index=True)[1]
    return rows if len(first) == len(rows) else rows.take(np.sort(first))


# Beyond rounding, in arcsec.
SLACK = 0.01


def query_around_each(
    client: SkyPortalQuery,
    cones: list[dict],
    ask: Callable,
    nothing: Rows,
    *,
    by: str,
    what: str,
    on_error: str,
    **query: object,
) -> Table:
    """Return what is around each of many positions.

    Parameters
    ----------
    cones : list of dict
        As `cone_params` returns them.
    ask : callable
        Takes a cone, returns `FoundRows`.
    nothing : Rows
        The columns of what is searched, without rows.
    by : str
        The column that orders what is equally far away.
    what : str
        What is searched, for messages.
    on_error : {"raise", "warn"}
        What happens when some fail.
    **query : object
        What the table says of its origin.

    Returns
    -------
    `~astropy.table.Table`
        By position and separation.

    Raises
    ------
    IncompleteResultError
        If some of many positions failed.
    """
    answers = _ask_each(client, cones, ask, by, what)
    failures = _failures(cones, answers)
    came = [answer for answer in answers if not isinstance(answer, Exception)]
    for found, _ in came:
        warn_of(found, what)
    none = _by_separation(nothing, 0, {"ra": 0.0, "dec": 0.0, "radius": 0.0}, by, what)
    when = min((found.when for found, _ in came), default=client._clock.now())
    table = build_table(
        stack_rows(none, *(rows for _, rows in came)), meta=client._meta(when, **query)
    )
    if failures:
        return deliver(
            table,
            failures,
            on_error=on_error,
            service=client.service,
            what="positions failed",
            total=len(cones),
            in_meta=True,
        )
    if not len(table):
        warn(f"SkyPortal has no {what} there", NoResultsWarning)
    return table


def _ask_each(client: SkyPortalQuery, cones: list[dict], ask: Callable, by: str, what: str) -> list:
    """Return what each search has found with its separations, or its error."""

    def read_one(task: tuple[int, dict]) -> tuple[FoundRows, Rows]:
        found = ask(task[1])
        return found, _by_separation(found.rows, *task, by, what)

    return run_all(
        read_one,
        list(enumerate(cones)),
        concurrency=client.conf.concurrency,
        interrupt=client._clock.interrupt,
    )


def _failures(cones: list[dict], answers: list) -> list[tuple[str, Exception]]:
    return failures_of((format_degrees(cone["ra"], cone["dec"]) for cone in cones), answers)


def query_area(
    client: SkyPortalQuery,
    region: Region,
    cones: list[dict],
    ask: Callable,
    nothing: Rows,
    *,
    by: str,
    what: str,
    max_rows: int | None,
    on_error: str,
    **query: object,
) -> Table:
    """Return what is in a region.

    Parameters
    ----------
    region : Region
        The region.
    cones : list of dict
        The searches that cover it, as `cone_params` returns them.
    ask : callable
        Takes a cone, returns `FoundRows` with all of its rows.
    nothing : Rows
        The columns of what is searched, without rows.
    by : str
        The column with the name of each.
    what : str
        What is searched, for messages.
    max_rows : int or None
        Rows wanted at most, as in `read_pages`.
    on_error : {"raise", "warn"}
        What happens when some searches fail.
    **query : object
        What the table says of its origin.

    Returns
    -------
    `~astropy.table.Table`
        Each once, by name.

    Raises
    ------
    IncompleteResultError
        If some of many searches failed.
    """
    answers = _ask_each(client, cones, ask, by, what)
    failures = _failures(cones, answers)
    came = [answer[0] for answer in answers if not isinstance(answer, Exception)]
    for found in came:
        warn_of(found, what)
    rows = rows_inside(region, [nothing, *(found.rows for found in came)], by=(by,))
    limit, total = check_limit(client, max_rows), len(rows)
    if limit is not None and total > limit:
        rows = rows.take(np.arange(limit))
        warn_of(FoundRows(rows, 0.0, total, True, True, limit), what)
    when = min((found.when for found in came), default=client._clock.now())
    table = build_table(rows, meta=client._meta(when, region=region.name, **query))
    return deliver_region(client, region, table, failures, on_error=on_error, total=len(cones))


def _by_separation(rows: Rows, index: int, cone: dict, by: str, what: str) -> Rows:
    """Return rows by their distance to a position, and refuse those of elsewhere."""
    found = nearest_first(
        rows,
        cone["ra"],
        cone["dec"],
        arcsec=cone["radius"] * 3600.0,
        slack=SLACK,
        by=by,
        what=what,
        service="SkyPortal",
    )
    return with_query_index(found, index)

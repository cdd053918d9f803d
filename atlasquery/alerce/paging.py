"""All pages of a search: none lost, none twice, cut only with a warning."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np

from atlasquery.alerce.base import AlerceQuery, plain_json
from atlasquery.alerce.columns import OBJECT
from atlasquery.alerce.filters import order_params
from atlasquery.alerce.lsstcolumns import OBJECT as LSST_OBJECT
from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    MaxResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.service.forks import ForkSafeLock
from atlasquery.service.inputs import check_max_rows
from atlasquery.tables import Rows, check_answer, decode_rows, stack_rows

__all__ = ["PagedQueries"]

# "page_size=10" (contract) is what the server sends by itself: as many as any page should have. A
# list of all objects shows whether it does.
SMALLEST_PAGE = 10
LIST_PATH = {"ztf": "objects/", "lsst": "object_api/list_objects"}
LIST_COLUMNS = {"ztf": OBJECT, "lsst": LSST_OBJECT}


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


class PagedQueries(AlerceQuery):
    """Searches whose answers come in pages.

    Parameters
    ----------
    server : str, optional
        The address of the ZTF API.
    """

    def __init__(self, server: str | None = None):
        super().__init__(server)
        # By server, how many rows a page has at least, where there are more.
        self._least_rows: dict[str, int] = {}
        self._measuring = ForkSafeLock()

    def _limit_rows(self, max_rows: int | None) -> int | None:
        """Return how many rows are wanted at most, None for all."""
        return check_max_rows(max_rows, self.conf.max_rows)

    def _page(self, survey: str, params: dict, cache: bool | None, *, once: bool = False) -> tuple:
        """Return the rows of a page, whether there is a next one if known, and when it came."""
        columns = LIST_COLUMNS[survey]

        def decode(body: bytes) -> tuple:
            page = msgspec.json.decode(plain_json(body), type=_Page)
            check_answer(page.number(), params["page"], "the page", service="ALeRCE")
            return decode_rows(columns, page.items), page.has_next

        (rows, has_next), when = self._fetch(
            LIST_PATH[survey],
            params,
            decode=decode,
            server=self.conf.lsst_server if survey == "lsst" else None,
            lifetime=self.conf.list_seconds,
            cache=cache,
            # What fails so is a class or classifier that is not known; it will not be known later.
            once=once or survey == "lsst",
        )
        # "Without count=true has_next is always false" (contract), but true it is never wrongly.
        return rows, None if survey == "ztf" and not has_next else bool(has_next), when

    def _pages(
        self,
        survey: str,
        params: dict,
        limit: int | None,
        cache: bool | None,
        *,
        named: int | None = None,
        once: bool = False,
    ) -> "Found":
        """Return one row per object, from as many pages as it takes.

        `named` is how many there are at most, where they are asked for by name; `once` is for a
        caller that asks for less after a failure.
        """
        if self.conf.page_size < 1:
            raise InvalidQueryError(f"conf.page_size={self.conf.page_size} should be 1 or more")
        size = self.conf.page_size if limit is None else min(self.conf.page_size, limit + 1)
        pages: list[Rows] = []
        times: list[float] = []
        rows, more = Rows(), True
        while more:
            sent = params | {"page": len(pages) + 1, "page_size": size}
            page, more, when = self._page(survey, sent, cache, once=once)
            times.append(when)
            if pages and more is None and _same(pages[0], page):
                # A server that knows no pages would send the first one for ever.
                more = False
            else:
                if more and pages and _same(pages[-1], page):
                    raise TableParseError(
                        f"page {len(pages) + 1} has the objects of page {len(pages)}, and is said "
                        "to have a next one",
                        service=self.service,
                    )
                pages.append(page)
                more = more and (len(page) > 0 or None)
            if more is None:
                more = self._may_go_on(pages, size, named, cache)
            if not more or (limit is not None and sum(map(len, pages)) > limit):
                rows, repeated, overlap = one_per_object(stack_rows(*pages))
                if limit is not None and len(rows) > limit:
                    return Found(rows.take(np.arange(limit)), min(times), True, repeated, overlap)
        return Found(rows, min(times), False, repeated, overlap)

    @contextlib.contextmanager
    def _explained(self, name: int, cache: bool | None) -> Iterator[None]:
        """Tell a failure over an object of LSST that is not known from others.

        "A missing object gives 500, not 404" (contract): the list of objects says which it is.
        """
        try:
            yield
        except RemoteServiceError as error:
            if error.status != 500:
                raise
            try:
                self._refuse_unknown_lsst(name, cache)
            except NotFoundError as unknown:
                raise unknown from error
            except (RemoteServiceError, TableParseError, TimeoutError):
                # What failed first is what is told.
                pass
            raise

    def _refuse_unknown_lsst(self, name: int, cache: bool | None) -> "Found":
        """Return the entry of an object of LSST, or raise if there is none.

        The route for one object fails with status 500 for an unknown one; the list does not.
        """
        found = self._pages("lsst", {"oid": [name]} | self._fixed("lsst"), None, cache)
        if not len(found.rows):
            raise NotFoundError(
                f"ALeRCE does not know {name} of LSST",
                service=self.service,
                status=200,
                url=self.conf.lsst_server,
            )
        return found

    def _fixed(self, survey: str) -> dict:
        """Return what is sent with each search: the order, without which pages overlap."""
        return ({"survey": "lsst"} if survey == "lsst" else {}) | order_params(survey, None, False)

    def _may_go_on(
        self, pages: list[Rows], size: int, named: int | None, cache: bool | None
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
        return first >= self._shortest(cache)

    def _shortest(self, cache: bool | None) -> int:
        """Return how many rows a full page of the server has at least, as far as it matters."""
        with self._measuring:
            if (server := self.server) not in self._least_rows:
                sent = {"page": 1, "page_size": SMALLEST_PAGE} | self._fixed("ztf")
                try:
                    rows, _, _ = self._page("ztf", sent, cache)
                except (RemoteServiceError, TableParseError, TimeoutError):
                    # A page more tells it too, for this once.
                    return 1
                self._least_rows[server] = len(rows)
            return self._least_rows[server]


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
        How many rows stood on two pages.
    """

    rows: Rows
    when: float
    cut: bool
    repeated: int
    overlap: int


def one_per_object(rows: Rows) -> tuple[Rows, int, int]:
    """Keep the likeliest classification of each object.

    The server sends a row per classifier, and per version of it, that meets the criteria.

    Parameters
    ----------
    rows : Rows
        Objects, with repetitions.

    Returns
    -------
    rows : Rows
        Each object once, where it stood first.
    repeated : int
        How many rows of others of its classifications were left out.
    overlap : int
        How many rows were there twice.
    """
    oid = rows.values["oid"]
    n = len(oid)
    first = np.unique(oid, return_index=True)[1]
    if len(first) == n:
        return rows, 0, 0
    probability = np.nan_to_num(rows.values["probability"], nan=-1.0)
    # Sorted by object, then the likeliest first, then as sent.
    order = np.lexsort((np.arange(n), -probability, oid))
    best = order[np.unique(oid[order], return_index=True)[1]]
    kept = rows.take(best[np.argsort(first, kind="stable")])
    told = [rows.values[name] for name in ("oid", "class_name", "classifier_name", "probability")]
    distinct = len(set(zip(*(values.tolist() for values in told), strict=True)))
    # Versions are not sent: two may agree to the last digit, which costs nobody anything.
    return kept, distinct - len(kept), n - distinct


def warn_of(found: Found, limit: int | None, order_by: str | None = None, *, depth: int) -> None:
    """Warn of rows that a result does not have.

    Parameters
    ----------
    found : Found
        The objects.
    limit : int or None
        How many were asked for.
    order_by : str or None, optional
        The order that was asked for.
    depth : int
        Where the caller stands.
    """
    if found.cut:
        warnings.warn(
            f"ALeRCE has more objects than the {limit} that were asked for; ask for more with "
            "max_rows, or for all with max_rows=-1",
            MaxResultsWarning,
            stacklevel=depth,
        )
    if found.repeated:
        warnings.warn(
            f"ALeRCE sent {found.repeated} further classifications of the same objects, by other "
            "classifiers or versions; the likeliest of each object is kept. Name classifier and "
            "classifier_version to choose, or see get_probabilities",
            InputWarning,
            stacklevel=depth,
        )
    if found.overlap and order_by not in (None, "oid"):
        warnings.warn(
            f"Pages overlapped by {found.overlap} rows, because many objects have the same "
            f"{order_by}: as many others may be missing. Leave out order_by and sort the table",
            InputWarning,
            stacklevel=depth,
        )

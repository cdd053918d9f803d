"""Bulk reads of the ATLAS Transient Server: many objects, in as few requests as responses allow."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from astropy.time import Time

from atlasquery.atlas.base import AtlasQuery, Ids, check_atlas_ids, lower_bound, objects_payload
from atlasquery.atlas.collection import (
    ChunkResponse,
    Collection,
    SourceIterator,
    decode_chunk,
    known_items,
)
from atlasquery.atlas.items import METADATA_ONLY
from atlasquery.atlas.source import AtlasSource
from atlasquery.exceptions import TableParseError, attach
from atlasquery.service.chunks import Chunk, ChunkedReads, ChunkSize
from atlasquery.service.failures import check_on_error, deliver
from atlasquery.service.inputs import check_window
from atlasquery.service.pool import progress_bar
from atlasquery.service.query import Payload, one_or_all

__all__ = [
    "check_bulk",
    "chunked_reads",
    "fitting_objects",
    "get_light_curves",
    "get_sources",
    "iter_sources",
    "read_in_chunks",
]

When: TypeAlias = Time | str | float | None
Window: TypeAlias = tuple[float | None, float | None]
Products = TypeVar("Products", Collection, SourceIterator)

# See docs/servers/atlas.rst, "How large a full history is".
FIRST_CHUNK = 25
LARGEST_CHUNK = 500
CHUNK_BYTES = 20e6
# Size of an object without a light curve, what each day of one adds at most, and size of a full
# history of nine years: see docs/servers/atlas.rst, "How large a full history is".
ENTRY_BYTES, DAY_BYTES, FULL_BYTES = 10e3, 500.0, 0.9e6
# Fewer objects than this arrive before anybody can read a progress bar.
WORTH_A_BAR = 100
# An id of no object: the smallest request.
NO_OBJECT = 1


def get_sources(
    self: AtlasQuery,
    atlas_ids: Ids,
    *,
    start: When = None,
    end: When = None,
    on_error: str = "raise",
    cache: bool | None = None,
    progress: bool = True,
    get_query_payload: bool = False,
) -> Collection:
    """Fetch all data on many objects, in as few requests as possible.

    An object that fails does not affect the others: a request that fails is
    sent again in halves until the cause is alone. All responses stay in
    memory, 0.8 MB for each object with its full history; `iter_sources` and
    `download_sources` do not need that memory.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        The 19-digit ids; one given twice is requested once.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time of the light curves; a bare number is an MJD.
        The default is the full history.
    on_error : {"raise", "warn"}, optional
        What to do when some objects failed, after all others were fetched:
        raise an error that has the rest as ``result``, or return the rest
        with a warning.
    cache : bool, optional
        Whether responses are cached and cached ones used; by default not,
        as they are large.
    progress : bool, optional
        Whether a bar is shown, for long jobs on a terminal or in a notebook.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing: the first
        requests, as the size of the later ones depends on the responses.

    Returns
    -------
    Collection
        A mapping of ids to `AtlasSource`, in the order requested, with
        ``failures`` (id and exception of each object that failed) and
        ``table()``, the catalogue entries.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    IncompleteResultError
        If some objects failed, with ``result`` and ``failures``. An id that
        ATLAS does not know fails with a `~atlasquery.exceptions.NotFoundError`.
    QuotaError
        If it takes more requests than are left in the hour, and
        ``conf.on_quota`` is not ``"wait"``; nothing was sent.

    Warns
    -----
    LargeQueryWarning
        If it will have to wait for requests to be allowed again.
    InputWarning
        If some objects failed, with ``on_error="warn"``.

    References
    ----------
    The ``objects/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> ids = Atlas.query_region(centre, radius="3 arcmin")["atlas_id"]
    >>> sources = Atlas.get_sources(ids)
    >>> sources
    <Collection of 5 AtlasSource>
    >>> len(sources[ids[0]].light_curve) > 0
    True
    """
    ids, window = check_bulk(atlas_ids, start, end, on_error)
    if get_query_payload:
        return _first_payloads(self, ids, window)
    sources = Collection("AtlasSource", self._meta)
    _collect(self, sources, lambda source: source, ids, window, cache, progress)
    return _deliver(self, sources, on_error, len(ids))


def get_light_curves(
    self: AtlasQuery,
    atlas_ids: Ids,
    *,
    start: When = None,
    end: When = None,
    on_error: str = "raise",
    cache: bool | None = None,
    progress: bool = True,
    get_query_payload: bool = False,
) -> Collection:
    """Fetch the light curves of many objects.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        The 19-digit ids; one given twice is requested once.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time; a bare number is an MJD. The default is the
        full history.
    on_error : {"raise", "warn"}, optional
        What to do when some objects failed, as in `get_sources`.
    cache : bool, optional
        Whether responses are cached and cached ones used; by default not.
    progress : bool, optional
        Whether a bar is shown, for long jobs on a terminal or in a notebook.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing: the first
        requests, as the size of the later ones depends on the responses.

    Returns
    -------
    Collection
        A mapping of ids to `~astropy.timeseries.TimeSeries` with the columns
        of `get_light_curve`, in the order requested, with ``failures`` and
        ``table()`` as from `get_sources`.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    IncompleteResultError
        If some objects failed, with ``result`` and ``failures``.
    QuotaError
        If it takes more requests than are left in the hour, and
        ``conf.on_quota`` is not ``"wait"``; nothing was sent.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> ids = Atlas.query_region(centre, radius="3 arcmin")["atlas_id"]
    >>> curves = Atlas.get_light_curves(ids, start=61300)
    >>> [lc["flux"].unit.to_string() for lc in curves.values()][:2]
    ['uJy', 'uJy']
    """
    ids, window = check_bulk(atlas_ids, start, end, on_error)
    if get_query_payload:
        return _first_payloads(self, ids, window)
    curves = Collection("TimeSeries", self._meta)
    _collect(self, curves, lambda source: source.light_curve, ids, window, cache, progress)
    return _deliver(self, curves, on_error, len(ids))


def iter_sources(
    self: AtlasQuery,
    atlas_ids: Ids,
    *,
    start: When = None,
    end: When = None,
    on_error: str = "raise",
    cache: bool | None = None,
    progress: bool = False,
    get_query_payload: bool = False,
) -> SourceIterator:
    """Iterate over many objects while they are being fetched.

    A few requests are running while you work with the objects that have
    arrived, and those that you do not keep are released: some 300 MB are enough
    for any number of objects. When you leave the loop early, ``close()`` ends
    the requests; until then those of the next three chunks are sent.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        The 19-digit ids; one given twice is requested once.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time of the light curves; a bare number is an MJD.
        The default is the full history.
    on_error : {"raise", "warn"}, optional
        What to do after the last object when some failed: raise an error, or warn.
    cache : bool, optional
        Whether responses are cached and cached ones used; by default not.
    progress : bool, optional
        Whether a bar is shown, for long jobs on a terminal or in a notebook.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing: the first
        requests, as the size of the later ones depends on the responses.

    Returns
    -------
    SourceIterator
        An iterator of `AtlasSource` in the order requested, with ``failures``
        (id and exception of each object that failed so far).

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    IncompleteResultError
        After the last object, if some failed; it has ``failures``.
    QuotaError
        If it takes more requests than are left in the hour, and
        ``conf.on_quota`` is not ``"wait"``; nothing was sent.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> ids = Atlas.query_region(centre, radius="2 arcmin")["atlas_id"]
    >>> for source in Atlas.iter_sources(ids):
    ...     print(source.name, len(source.light_curve) > 0)
    ATLAS26zy True
    ATLAS26zz True
    """
    ids, window = check_bulk(atlas_ids, start, end, on_error)
    if get_query_payload:
        return _first_payloads(self, ids, window)
    chunks = read_in_chunks(self, ids, window, cache)

    def at_end(sources: SourceIterator) -> None:
        _deliver(self, sources, on_error, len(ids))

    bar = progress_bar(len(ids), shown=progress and len(ids) >= WORTH_A_BAR)
    return SourceIterator(chunks, window=window, query=self, bar=bar, at_end=at_end)


def check_bulk(
    atlas_ids: Ids, start: When, end: When, on_error: str
) -> tuple[list[int], tuple[float | None, float | None]]:
    """Return the ids, each once, and the time window of a call for many objects."""
    check_on_error(on_error)
    ids = check_atlas_ids(atlas_ids, allow_empty=True)
    return list(dict.fromkeys(ids)), check_window(start, end)


def read_in_chunks(
    client: AtlasQuery,
    ids: list[int],
    window: Window,
    cache: bool | None,
) -> ChunkedReads:
    """Announce the cost, and return an iterator over the responses."""
    n = estimated_requests(len(ids), window[0], client.conf.concurrency)
    cost = f"up to {n} requests for {len(ids)} objects, and more if some fail"
    client._announce(n, cost, logged=n > 1)
    return chunked_reads(client, ids, lambda part: window[0], cache)


def chunked_reads(
    client: AtlasQuery,
    ids: list[int],
    start_of: Callable[[list[int]], float | None],
    cache: bool | None,
    *,
    first: int | None = None,
) -> ChunkedReads:
    """Return an iterator over the responses, of a cost that was announced.

    Parameters
    ----------
    client : AtlasQuery
        Client that sends the requests.
    ids : list of int
        The ids.
    start_of : callable
        Takes the ids of a request, returns the first MJD to ask for.
    cache : bool or None
        Whether responses are cached.
    first : int, optional
        Number of ids in the first requests, where the size of a response is known.

    Returns
    -------
    ChunkedReads
        The chunks in order, with their responses or errors.
    """

    def ask(part: list[int]) -> ChunkResponse:
        size, mjd = 0, lower_bound(start_of(part))

        def decode(body: bytes) -> list:
            nonlocal size
            size = len(body)
            return decode_chunk(body, part)

        items, when = client._items(part, mjd=mjd, cache=bool(cache), decode=decode, divisible=True)
        return ChunkResponse(items, when, size)

    def probe() -> None:
        client._items([NO_OBJECT], mjd=METADATA_ONLY, cache=False, divisible=True)

    size = ChunkSize(
        first=FIRST_CHUNK if first is None else first,
        most=LARGEST_CHUNK,
        target=CHUNK_BYTES,
        seconds=client.conf.timeout / 3,
    )
    return ChunkedReads(
        ask,
        ids,
        size=size,
        concurrency=client.conf.concurrency,
        alive=probe,
        pause=lambda: client._clock.sleep(client.conf.backoff),
        begin=client._clock.sleep_until,
    )


def _first_payloads(client: AtlasQuery, ids: list[int], window: Window) -> Payload:
    """Return what is sent before the size of a response is known."""
    known = ids[: FIRST_CHUNK * max(1, client.conf.concurrency)]
    chunks = [known[n : n + FIRST_CHUNK] for n in range(0, len(known), FIRST_CHUNK)]
    return one_or_all([objects_payload(chunk, lower_bound(window[0])) for chunk in chunks])


def _collect(
    client: AtlasQuery,
    found: Collection,
    product_of: Callable[[AtlasSource], Any],
    ids: list[int],
    window: Window,
    cache: bool | None,
    progress: bool,
) -> None:
    """Fetch a product of many objects into a collection."""
    chunks = read_in_chunks(client, ids, window, cache)
    try:
        with progress_bar(len(ids), shown=progress and len(ids) >= WORTH_A_BAR) as bar:
            for chunk in chunks:
                _add_chunk(client, found, chunk, product_of, window)
                bar.update(chunk.first + len(chunk.ids))
                del chunk
    except KeyboardInterrupt as stop:
        note = f"What had arrived, {found!r}, is in sys.last_value.result."
        attach(stop, result=found, note=note)
        raise


def _deliver(client: AtlasQuery, found: Products, on_error: str, total: int) -> Products:
    return deliver(found, found.failures, on_error=on_error, service=client.service, total=total)


def _add_chunk(
    client: AtlasQuery,
    found: Collection,
    chunk: Chunk,
    product_of: Callable[[AtlasSource], Any],
    window: Window,
) -> None:
    for _, item, when in known_items(chunk, client, found.failures):
        source = AtlasSource(item, window=window, meta=client._meta(when))
        try:
            product = product_of(source)
        except TableParseError as error:
            found.failures.append((source.atlas_id, error))
            continue
        # A copy of the entry, so that the response of the whole chunk can be released.
        entry = item if product is source else {"object": item["object"].copy()}
        found._add(source.atlas_id, product, entry, when)


def fitting_objects(start: float | None) -> int:
    """Return how many objects a response should have.

    Parameters
    ----------
    start : float or None
        The first MJD requested: objects without their history are small.

    Returns
    -------
    int
        An estimate, not too high as long as objects are not larger than those of the survey.
    """
    days = math.inf if start is None else max(0.0, Time.now().mjd - start)
    each = min(FULL_BYTES, ENTRY_BYTES + DAY_BYTES * days)
    return max(1, min(int(CHUNK_BYTES / each), LARGEST_CHUNK))


def estimated_requests(count: int, start: float | None, concurrency: int) -> int:
    """Return the largest number of requests that a bulk read takes if none fails.

    Parameters
    ----------
    count : int
        Number of objects.
    start : float or None
        The first MJD requested: objects without their history are small.
    concurrency : int
        Number of requests that are sent before the size of a response is known.

    Returns
    -------
    int
        An estimate, not too low as long as objects are not larger than those of the survey.
    """
    fitting = fitting_objects(start)
    first = math.ceil(min(count, FIRST_CHUNK * concurrency) / FIRST_CHUNK)
    later = max(0, count - FIRST_CHUNK * concurrency)
    # The last requests are sent at the same time; see ChunkSize.
    return first + concurrency * math.ceil(later / fitting / concurrency)

"""What bulk reads return: products by id in the order requested, and what failed."""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from astropy.table import Table

from atlasquery.atlas.items import Item, decode_items, entry_id, object_rows, unknown
from atlasquery.atlas.source import AtlasSource
from atlasquery.exceptions import TableParseError
from atlasquery.lightcurve.display import LightCurveDisplay
from atlasquery.service.chunks import Chunk
from atlasquery.service.collection import ResultMapping
from atlasquery.tables import build_table

if TYPE_CHECKING:
    from atlasquery.atlas.base import AtlasQuery

__all__ = ["Collection", "SourceIterator"]


class ChunkResponse(NamedTuple):
    """The items of a chunk.

    Attributes
    ----------
    items : list of Item
        One for each id.
    when : float
        The Unix time at which they came.
    size : int
        The bytes of all.
    """

    items: list[Item]
    when: float
    size: int


class Collection(LightCurveDisplay, ResultMapping):
    """Products of many objects by id, in the order requested.

    Returned by `AtlasClass.get_sources` and `AtlasClass.get_light_curves`. An id
    may be given as an integer or as a string.

    Parameters
    ----------
    what : str
        Name of the type of its values.
    meta : callable
        Takes the time of a response, returns the metadata of a table.
    """

    id_title = "ATLAS id"

    def __init__(self, what: str, meta: Callable):
        super().__init__(what, key=int)
        self._meta = meta
        self._entries: dict[int, Item] = {}
        self._when: float | None = None

    def _add(self, atlas_id: int, product: object, entry: Item, when: float) -> None:
        self._products[atlas_id] = product
        self._entries[atlas_id] = entry
        self._when = when if self._when is None else min(self._when, when)

    def __getstate__(self) -> dict:
        """Return the state for a pickle, without the client and its credentials."""
        meta = self._meta(self._when or 0.0, query="get_objects")
        return self.__dict__ | {"_meta": _FixedMeta(meta)}

    def table(self) -> Table:
        """Return the catalogue entries of the objects that arrived.

        Returns
        -------
        `~astropy.table.Table`
            A row for each, with the columns of `AtlasClass.get_objects`.
        """
        rows = object_rows(list(self._entries.values()))
        return build_table(rows, meta=self._meta(self._when or 0.0, query="get_objects"))


class _FixedMeta:
    """The metadata of a table without the client that returned it."""

    def __init__(self, meta: dict):
        self._meta = meta

    def __call__(self, when: float, **about: object) -> dict:
        return {**self._meta}


class SourceIterator(Iterator):
    """The objects of a bulk read one after the other, in the order requested.

    Returned by `AtlasClass.iter_sources`. Requests are sent while it is iterated over, a few
    chunks ahead; after ``close()`` no more are sent.

    Parameters
    ----------
    chunks : iterable of Chunk
        The chunks, with their responses or errors.
    window : tuple of float or None
        The first and last MJD requested.
    query : AtlasQuery
        Client that sends the request.
    bar : context manager
        Progress bar.
    at_end : callable
        Called with the iterator after the last object.
    """

    #: A pair (id, exception) for each object that failed so far.
    failures: list[tuple[int, Exception]]

    def __init__(
        self,
        chunks: Iterable[Chunk],
        *,
        window: tuple[float | None, float | None],
        query: "AtlasQuery",
        bar: Any,
        at_end: Callable[["SourceIterator"], object],
    ):
        self.failures = []
        self._window = window
        self._query = query
        self._bar = bar
        self._at_end = at_end
        self._sources = self._all(chunks)

    def __next__(self) -> AtlasSource:
        return next(self._sources)

    def __repr__(self) -> str:
        return f"<SourceIterator of {type(self._query).__name__}, {len(self.failures)} failed>"

    def close(self) -> None:
        """Stop, and send no more requests."""
        self._sources.close()

    def _all(self, chunks: Iterable[Chunk]) -> Generator[AtlasSource, None, None]:
        with self._bar as bar:
            for chunk in chunks:
                for _, item, when in known_items(chunk, self._query, self.failures):
                    # A copy, so that a source that is kept does not keep the response of its chunk.
                    copied = {name: raw.copy() for name, raw in item.items()}
                    meta = self._query._meta(when)
                    yield AtlasSource(copied, window=self._window, meta=meta)
                    del item, copied
                bar.update(chunk.first + len(chunk.ids))
                del chunk
        self._at_end(self)


def known_items(
    chunk: Chunk, query: "AtlasQuery", failures: list
) -> Iterator[tuple[int, Item, float]]:
    """Iterate over the objects of a chunk.

    Parameters
    ----------
    chunk : Chunk
        With a `ChunkResponse`, or an error.
    query : AtlasQuery
        Client that sent the request.
    failures : list
        Gets a pair (id, exception) for each object that failed.

    Yields
    ------
    atlas_id : int
        The id.
    item : Item
        The server's data on an object.
    when : float
        The Unix time at which it came.
    """
    if chunk.answer is None:
        failures.extend((atlas_id, chunk.error) for atlas_id in chunk.ids)
        return
    items, when, _ = chunk.answer
    for atlas_id, item in zip(chunk.ids, items, strict=True):
        if not _has_entry(item):
            failures.append((atlas_id, TableParseError(_no_entry(atlas_id), service=query.service)))
        elif message := unknown(item):
            failures.append((atlas_id, query._not_found([atlas_id], message)))
        else:
            yield atlas_id, item, when


def decode_chunk(body: bytes, ids: list[int]) -> list[Item]:
    """Split a response into items, and check that they are those requested.

    Parameters
    ----------
    body : bytes
        The response.
    ids : list of int
        The ids requested.

    Returns
    -------
    list of Item
        One for each id, in order.
    """
    items = decode_items(body)
    for atlas_id, item in zip(ids, items, strict=False):
        # An item without an entry does not affect the others; see known_items.
        if _has_entry(item) and entry_id(item) not in (None, atlas_id):
            raise TableParseError(f"ATLAS returned another object when asked for {atlas_id}")
    return items


def _has_entry(item: Item) -> bool:
    return bytes(item.get("object", b"null")) != b"null"


def _no_entry(atlas_id: int) -> str:
    return f"ATLAS responded for {atlas_id} without an object"

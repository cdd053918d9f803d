"""What bulk reads return: products by id in the order asked, and what failed."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec
from astropy.table import Table

from atlasquery.atlas.items import Item, ObjectId, decode_items, object_rows, unknown
from atlasquery.atlas.source import AtlasSource
from atlasquery.exceptions import TableParseError
from atlasquery.lightcurve.display import LightCurveDisplay
from atlasquery.service.chunks import Chunk
from atlasquery.service.collection import Collection as Products
from atlasquery.tables import build_table

__all__ = ["Collection", "SourceIterator"]


class Answer(NamedTuple):
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


class Collection(LightCurveDisplay, Products):
    """Products of many objects by id, in the order asked for.

    Made by `AtlasClass.get_sources` and `AtlasClass.get_light_curves`. An id
    may be given as an integer or as a text.

    Parameters
    ----------
    what : str
        What its values are.
    meta : callable
        Returns what a table says of its origin, for the time it came.
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
        """Return what it holds, without the client that it came by and its credential."""
        meta = self._meta(self._when or 0.0, query="get_objects")
        return self.__dict__ | {"_meta": _Known(meta)}

    def table(self) -> Table:
        """Return the catalogue entries of the objects that arrived.

        Returns
        -------
        `~astropy.table.Table`
            A row for each, with the columns of `AtlasClass.get_objects`.
        """
        rows = object_rows(list(self._entries.values()))
        return build_table(rows, meta=self._meta(self._when or 0.0, query="get_objects"))


class _Known:
    """The meta data of a table, known before it is made."""

    def __init__(self, meta: dict):
        self._meta = meta

    def __call__(self, when: float, **about: object) -> dict:
        return {**self._meta}


class SourceIterator(Iterator):
    """The objects of a bulk read one after the other, in the order asked for.

    Made by `AtlasClass.iter_sources`. Requests are sent as it goes on, a few
    chunks ahead; when it is left early, no more are sent.

    Parameters
    ----------
    chunks : iterable of Chunk
        The answers.
    window : tuple of float or None
        The first and last MJD asked for.
    query : AtlasQuery
        Who asks.
    bar : context manager
        Shows how far it is.
    at_end : callable
        Told of the iterator and whether it fails, after the last object.
    """

    #: A pair (id, exception) for each object that failed so far.
    failures: list[tuple[int, Exception]]

    def __init__(self, chunks: Iterable, *, window: tuple, query, bar, at_end: Callable):
        self.failures = []
        self._window = window
        self._query = query
        self._bar = bar
        self._at_end = at_end
        self._left = self._all(chunks)

    def __next__(self) -> AtlasSource:
        return next(self._left)

    def __repr__(self) -> str:
        return f"<SourceIterator of {type(self._query).__name__}, {len(self.failures)} failed>"

    def close(self) -> None:
        """Stop, and send no more requests."""
        self._left.close()

    def _all(self, chunks: Iterable) -> Iterator[AtlasSource]:
        with self._bar as bar:
            for chunk in chunks:
                for _, item, when in known_items(chunk, self._query, self.failures):
                    # A source of its own bytes: one that is kept does not keep its whole chunk.
                    own = {name: raw.copy() for name, raw in item.items()}
                    meta = self._query._meta(when)
                    yield AtlasSource(own, window=self._window, meta=meta)
                    del item, own
                bar.update(chunk.first + len(chunk.ids))
                del chunk
        self._at_end(self)


def known_items(chunk: Chunk, query, failures: list) -> Iterator[tuple[int, Item, float]]:
    """Take a chunk apart.

    Parameters
    ----------
    chunk : Chunk
        With an `Answer`, or an error.
    query : AtlasQuery
        Who asked.
    failures : list
        Gets a pair (id, exception) for each id of which there is nothing.

    Yields
    ------
    atlas_id : int
        The id.
    item : Item
        What the server knows of an object.
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
        elif words := unknown(item):
            failures.append((atlas_id, query._not_found([atlas_id], words)))
        else:
            yield atlas_id, item, when


def decode_chunk(body: bytes, ids: list[int]) -> list[Item]:
    """Split an answer into items, and see that they are those asked for.

    Parameters
    ----------
    body : bytes
        The answer.
    ids : list of int
        The ids asked for.

    Returns
    -------
    list of Item
        One for each id, in order.
    """
    items = decode_items(body)
    for atlas_id, item in zip(ids, items, strict=False):
        # One without an entry costs nobody else; see known_items.
        if (
            _has_entry(item)
            and unknown(item) is None
            and _identity.decode(item["object"]).id != atlas_id
        ):
            raise TableParseError(f"ATLAS answered another object when asked for {atlas_id}")
    return items


def _has_entry(item: Item) -> bool:
    return bytes(item.get("object", b"null")) != b"null"


def _no_entry(atlas_id: int) -> str:
    return f"ATLAS answered for {atlas_id} without an object"


class _Identity(msgspec.Struct):
    id: ObjectId


_identity = msgspec.json.Decoder(_Identity)

"""The items of an ``objects/`` response: one for each object, decoded only when used."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from atlasquery.atlas.columns import OBJECT
from atlasquery.exceptions import TableParseError
from atlasquery.tables import Columns, Rows, check_answer, decode_rows

__all__ = [
    "METADATA_ONLY",
    "NULL",
    "Item",
    "ObjectId",
    "check_items",
    "decode_items",
    "entry_id",
    "object_rows",
    "product_rows",
    "unknown",
]

# A lower bound on the MJD that no exposure passes: the catalogue entry and the cross-matches
# come without the light curve, in 8 kB instead of 800.
METADATA_ONLY = 99999.0

Item = dict[str, msgspec.Raw]

#: An id as the server sends it. Python would read any number of digits, which no column holds.
ObjectId = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _ObjectNumber(msgspec.Struct):
    id: ObjectId


_decoder = msgspec.json.Decoder(list[Item])
_entry = msgspec.json.Decoder(_ObjectNumber | str)
#: A product that the server did not send.
NULL = msgspec.Raw(b"null")


def decode_items(body: bytes) -> list[Item]:
    """Split a response into its objects, and these into products.

    Parameters
    ----------
    body : bytes
        The response.

    Returns
    -------
    list of dict of str to `msgspec.Raw`
        One for each id asked for, in order.
    """
    return _decoder.decode(body)


def unknown(item: Item) -> str | None:
    """Return the server's message if it does not know the object.

    Parameters
    ----------
    item : Item
        The item.

    Returns
    -------
    str or None
        The message; None for an object that it knows.
    """
    entry = bytes(item.get("object", NULL))
    # See docs/servers/atlas.rst, "An unknown object is an item with an error message".
    return msgspec.json.decode(entry) if entry.startswith(b'"') else None


def entry_id(item: Item) -> int | None:
    """Return the id of the object of an item.

    Parameters
    ----------
    item : Item
        The item, which has an object.

    Returns
    -------
    int or None
        None for the server's message that it does not know the object.
    """
    entry = _entry.decode(item["object"])
    return None if isinstance(entry, str) else entry.id


def check_items(items: list[Item], ids: list[int]) -> None:
    """Raise unless each item is of the object that was requested at its position.

    Parameters
    ----------
    items : list of Item
        The items.
    ids : list of int
        The ids requested.

    Raises
    ------
    TableParseError
        If an item has no catalogue entry, or that of another object.
    """
    for item, requested in zip(items, ids, strict=True):
        if "object" not in item:
            raise TableParseError(f"ATLAS responded for {requested} without an object")
        found = entry_id(item)
        if found is not None:
            check_answer(found, requested, "the object", service="ATLAS")


def object_rows(items: Sequence[Item], **options: Any) -> Rows:
    """Decode the catalogue entries of objects the server knows.

    Parameters
    ----------
    items : list of Item
        The items.
    **options
        What `decode_rows` takes.

    Returns
    -------
    Rows
        One for each.
    """
    entries = b",".join(bytes(item["object"]) for item in items)
    return decode_rows(OBJECT, b"[" + entries + b"]", **options)


def product_rows(columns: Columns, items: Sequence[Item], product: str, **options: Any) -> Rows:
    """Decode one product of all items.

    Parameters
    ----------
    columns : Columns
        What a row of the product holds.
    items : sequence of Item
        The items.
    product : str
        The wire's name of the product.
    **options
        What `decode_rows` takes.

    Returns
    -------
    Rows
        Those of all items, in order.
    """
    return decode_rows(columns, *(item.get(product, NULL) for item in items), **options)

"""The collections of an LCC-Server, and what may be asked of them."""

from dataclasses import dataclass

import msgspec
import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.lccserver.columns import COLLECTION, Description, plain_words
from atlasquery.tables import Rows, decode_json, decode_rows

__all__ = ["Collections", "decode_collections"]


Described = dict[str, Description]


class _Result(msgspec.Struct):
    # Parallel lists.
    collections: dict[str, list[msgspec.Raw]]


@dataclass
class Collections:
    """The collections of a server, and what may be asked of them.

    Parameters
    ----------
    rows : Rows
        A row for each, as `list_collections` shows them.
    columns : dict of str to dict
        By the name of each collection its columns, each with its description.
    text_columns : dict of str to tuple
        By the name of each collection the columns that `query_text` looks in.
    when : float, optional
        The Unix time at which they were read.
    """

    rows: Rows
    columns: dict[str, dict[str, Description]]
    text_columns: dict[str, tuple[str, ...]]
    when: float = 0.0


def decode_collections(result: msgspec.Raw) -> Collections:
    """Decode the collections, which the server sends as parallel lists.

    Parameters
    ----------
    result : `msgspec.Raw`
        The result of ``/api/collections``.

    Returns
    -------
    Collections
        All of them.
    """
    lists = decode_json(result, _Result, "the collections").collections
    names, described = lists.pop("db_collection_id", None), lists.pop("columnjson", None)
    if names is None or described is None:
        raise TableParseError("the collections have no names, or no columns")
    names = [decode_json(raw, str, "the name of a collection") for raw in names]
    described = [decode_json(raw, Described, "the columns of a collection") for raw in described]
    if len(described) != len(names):
        raise TableParseError(
            f"there are {len(names)} collections, and columns of {len(described)}"
        )
    by_key = {"db_collection_id": [msgspec.Raw(msgspec.json.encode(n)) for n in names], **lists}
    fits = {key: values for key, values in by_key.items() if len(values) == len(names)}
    # Lists of columns are shown by the columns of a collection.
    listed = {key: fits.pop(key, None) for key in ("columnlist", "indexedcols", "ftsindexedcols")}
    items = [dict(zip(fits, values, strict=True)) for values in zip(*fits.values(), strict=True)]
    rows = decode_rows(COLLECTION, msgspec.json.encode(items))
    words = [plain_words(text) for text in rows.values["description"].tolist()]
    rows.values["description"] = np.array(words, dtype=np.str_)
    stamps = np.strings.replace(rows.values["last_updated"], " ", "T")
    rows.values["last_updated"] = stamps
    text = [
        # Where there are none, the list is an empty text.
        tuple(filter(None, (decode_json(raw, str | None, "the columns of texts") or "").split(",")))
        for raw in listed["ftsindexedcols"] or [msgspec.Raw(b"null")] * len(names)
    ]
    return Collections(
        rows, dict(zip(names, described, strict=True)), dict(zip(names, text, strict=True))
    )

"""The collections of an LCC-Server, and what may be asked of them."""

from dataclasses import dataclass

import msgspec
import numpy as np

from atlasquery.lccserver.columns import COLLECTION, Description, plain_words
from atlasquery.tables import Rows, decode_rows

__all__ = ["Collections", "decode_collections"]


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
    lists = msgspec.json.decode(result, type=dict[str, msgspec.Raw])["collections"]
    by_key = msgspec.json.decode(lists, type=dict[str, list[msgspec.Raw]])
    names = [msgspec.json.decode(raw, type=str) for raw in by_key["db_collection_id"]]
    described = [
        msgspec.json.decode(raw, type=dict[str, Description]) for raw in by_key.pop("columnjson")
    ]
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
        tuple(msgspec.json.decode(raw, type=str | None).split(",")) if raw else ()
        for raw in listed["ftsindexedcols"] or [None] * len(names)
    ]
    return Collections(
        rows, dict(zip(names, described, strict=True)), dict(zip(names, text, strict=True))
    )

"""The collections of an LCC-Server, and the columns by which they are searched."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.lccserver.base import LCCServerQuery
from atlasquery.lccserver.columns import COLLECTION, Description, described_column, plain_words
from atlasquery.service.inputs import suggest
from atlasquery.tables import Rows, build_table, decode_json, decode_rows

__all__ = [
    "Collections",
    "check_collections",
    "common_columns",
    "decode_collections",
    "list_collections",
    "list_columns",
    "read_collections",
    "split_names",
]


Described = dict[str, Description]


class _Result(msgspec.Struct):
    # Parallel lists.
    collections: dict[str, list[msgspec.Raw]]


@dataclass
class Collections:
    """The collections of a server, and their columns.

    Parameters
    ----------
    rows : Rows
        A row for each, as `list_collections` shows them.
    columns : dict of str to dict
        By the name of each collection its columns, each with its description.
    text_columns : dict of str to tuple
        By the name of each collection the columns with text search.
    when : float, optional
        The Unix time at which they were read.
    """

    rows: Rows
    columns: dict[str, dict[str, Description]]
    text_columns: dict[str, tuple[str, ...]]
    when: float = 0.0


def list_collections(
    self: LCCServerQuery, *, cache: bool | None = None, get_query_payload: bool = False
) -> Table:
    """List the collections of light curves that the server holds.

    Parameters
    ----------
    cache : bool, optional
        Whether a cached response is used, for ``conf.collection_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``collection`` (the name that searches take), ``collection_id``, ``name``,
        ``description``, ``nobjects``, the area ``ra_min``, ``ra_max``, ``dec_min``,
        ``dec_max`` (deg), ``lcmagcols``, ``last_updated`` (UTC), ``citation`` and more.
        Right ascensions from 0 to 360 do not bound a collection that lies across 0.

    References
    ----------
    ``GET /api/collections`` of the LCC-Server.

    Examples
    --------
    >>> from atlasquery import LCCServer
    >>> "collection" in LCCServer.list_collections().colnames
    True
    """
    if get_query_payload:
        return self._payload("api/collections")
    found = read_collections(self, cache=cache)
    meta = self._meta(found.when, query="list_collections")
    # The rows are shared by all calls; a user may change the table.
    return build_table(found.rows, meta=meta).copy()


def list_columns(
    self: LCCServerQuery,
    collections: str | list[str] | None = None,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """List the columns that searches of collections can return, filter and sort by.

    Parameters
    ----------
    collections : str or list of str, optional
        The collections; by default all. A search of several takes the columns that
        all of them have.
    cache : bool, optional
        Whether a cached response is used, for ``conf.collection_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``name``, ``dtype``, ``unit``, ``description``, and ``text_search``, whether
        `query_text` searches it; a row for each, by name.

    References
    ----------
    ``GET /api/collections`` of the LCC-Server.

    Examples
    --------
    >>> from atlasquery import LCCServer
    >>> "sdssr" in LCCServer.list_columns()["name"]
    True
    """
    if get_query_payload:
        # The names are checked against the response.
        return self._payload("api/collections")
    known = read_collections(self, cache=cache)
    chosen = check_collections(collections, known) or list(known.columns)
    columns = common_columns(known, chosen)
    searched = set.intersection(*(set(known.text_columns[name]) for name in chosen))
    names = sorted(columns)
    declared = [described_column(name, columns[name]) for name in names]
    table = Table(
        {
            "name": np.array(names, str),
            "dtype": np.array([columns[name].dtype or "" for name in names], str),
            "unit": np.array([str(c.unit or "") if c else "" for c in declared], str),
            "description": np.array([c.about if c else "" for c in declared], str),
            "text_search": np.array([name in searched for name in names], bool),
        }
    )
    table.meta.update(self._meta(known.when, query="list_columns"))
    return table


def check_collections(collections: object, known: Collections) -> list[str]:
    """Return collections by the names that searches take.

    Parameters
    ----------
    collections : str, sequence of str or None
        Their names, with hyphens or underscores; None for all.
    known : Collections
        Those of the server.

    Returns
    -------
    list of str
        Empty for all.

    Raises
    ------
    InvalidQueryError
        If the server has no such collection, or none is named.
    """
    if collections is None:
        return []
    given = split_names(collections, "collections")
    found = []
    for name in given:
        # With underscores: see docs/servers/lccserver.rst, "Names of collections".
        wire = name.strip().replace("-", "_") if isinstance(name, str) else str(name)
        if wire not in known.columns:
            raise InvalidQueryError(
                f"collections={name!r:.100} is not at this server{suggest(wire, known.columns)}"
            )
        found.append(wire)
    return list(dict.fromkeys(found))


def common_columns(known: Collections, chosen: Iterable[str]) -> dict[str, Description]:
    """Return the columns that all the chosen collections have: others cannot be searched.

    Parameters
    ----------
    known : Collections
        Those of the server.
    chosen : iterable of str
        The names of some of them; none for all.

    Returns
    -------
    dict of str to Description
        By name.
    """
    each = [known.columns[name] for name in chosen] or list(known.columns.values())
    if not each:
        return {}
    return {name: each[0][name] for name in each[0] if all(name in other for other in each)}


def split_names(values: object, name: str) -> list:
    """Return one name, or each of several, as a list that is not empty.

    Parameters
    ----------
    values : str or sequence of str
        The argument.
    name : str
        The argument's name, for messages.

    Returns
    -------
    list
        The names.

    Raises
    ------
    InvalidQueryError
        If there is none.
    """
    listed = [values] if isinstance(values, str) or not np.iterable(values) else list(values)
    if not listed:
        raise InvalidQueryError(f"{name} is empty: leave it out, or name at least one")
    return [str(value) if isinstance(value, np.str_) else value for value in listed]


def read_collections(client: LCCServerQuery, *, cache: bool | None = None) -> Collections:
    """Return the collections; they are cached decoded, so nothing may change them."""
    found, when = client._fetch(
        "api/collections",
        decode=_collections_of,
        lifetime=client.conf.collection_seconds,
        cache=cache,
    )
    return replace(found, when=when)


def _collections_of(result: msgspec.Raw) -> Collections:
    return _decoded_collections(bytes(result))


@functools.lru_cache(maxsize=8)
def _decoded_collections(result: bytes) -> Collections:
    """Decode collections once: each search needs them, and cleaning their rows is slow."""
    return decode_collections(msgspec.Raw(result))


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
    plain = [plain_words(text) for text in rows.values["description"].tolist()]
    rows.values["description"] = np.array(plain, dtype=np.str_)
    stamps = np.strings.replace(rows.values["last_updated"], " ", "T")
    rows.values["last_updated"] = stamps
    # Without such columns the list is an empty string.
    joined = [
        decode_json(raw, str | None, "the columns with text search") or ""
        for raw in listed["ftsindexedcols"] or [msgspec.Raw(b"null")] * len(names)
    ]
    text = [tuple(filter(None, columns.split(","))) for columns in joined]
    return Collections(
        rows, dict(zip(names, described, strict=True)), dict(zip(names, text, strict=True))
    )

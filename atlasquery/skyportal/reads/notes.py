"""The queries for what people and bots say of an object: classes, comments, annotations."""

from collections.abc import Callable

import msgspec
import numpy as np
from astropy.table import Table

from atlasquery.exceptions import NoResultsWarning, TableParseError
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import check_source_id
from atlasquery.skyportal.reads.names import check_number_id, source_path
from atlasquery.skyportal.tables.columns import ANNOTATION, CLASSIFICATION, COMMENT
from atlasquery.skyportal.tables.decoders import decode_flat
from atlasquery.tables import Column, Rows, build_table, decode_rows, float_of, only_of
from atlasquery.warn import warn

__all__ = ["get_annotations", "get_attachment", "get_classifications", "get_comments"]

KEY = Column("key", str, about="Key of the annotation.", required=True)
VALUE = Column("value", str, about="Its value, as JSON where it is not a string.")
NUMBER = Column("number", about="Its value, where it is a number.")


def get_classifications(
    self: SkyPortalQuery,
    source_id: str | int,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the classifications of an object.

    Parameters
    ----------
    source_id : str or int
        Its name on this instance.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``classification_id``, ``classification``, ``probability``,
        ``taxonomy_id``, ``ml`` (whether a machine classified), ``author_name``,
        ``created_at`` (`~astropy.time.Time`), ``votes`` (the sum of those of
        others) and more.

    Raises
    ------
    NotFoundError
        If there is no such object, or none that this account may see.

    Warns
    -----
    NoResultsWarning
        If there are none.

    References
    ----------
    The route ``GET /api/sources/{id}/classifications``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> said = SkyPortal.get_classifications("ATLAS24abc")
    >>> print(said["classification"][0], said["probability"][0])
    Ia 0.9
    """
    return _notes(
        self, source_id, "classifications", decode_classifications, cache, get_query_payload
    )


def get_comments(
    self: SkyPortalQuery,
    source_id: str | int,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the comments on an object.

    Parameters
    ----------
    source_id : str or int
        Its name on this instance.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``comment_id``, ``text``, ``bot``, ``author_id``, ``attachment_name``,
        ``created_at`` (`~astropy.time.Time`) and more.

    Raises
    ------
    NotFoundError
        If there is no such object, or none that this account may see.

    Warns
    -----
    NoResultsWarning
        If there are none.

    References
    ----------
    The route ``GET /api/sources/{id}/comments``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> print(SkyPortal.get_comments("ATLAS24abc")["text"][0])
    A comment
    """

    def decode(text: bytes) -> Rows:
        return decode_flat(COMMENT, text, {"groups": "name"})

    return _notes(self, source_id, "comments", decode, cache, get_query_payload)


def get_attachment(
    self: SkyPortalQuery,
    source_id: str | int,
    comment_id: int,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> bytes:
    """Fetch the file that is attached to a comment.

    Parameters
    ----------
    source_id : str or int
        The name of the object on this instance.
    comment_id : int
        The number of the comment; ``attachment_name`` of `get_comments` says which have
        a file.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    bytes
        The file. What it is called is in `get_comments`: do not take a name that
        somebody else has given for a path.

    Raises
    ------
    NotFoundError
        If there is no such comment that this account may see, or it has no file.

    References
    ----------
    The route ``GET /api/sources/{id}/comments/{id}/attachment``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.get_attachment("ATLAS24abc", 1)  # doctest: +SKIP
    b'...'
    """
    name = check_source_id(source_id)
    number = check_number_id(comment_id, name="comment_id")
    path, params = source_path(name, "comments", number, "attachment"), {"download": "true"}
    if get_query_payload:
        return self._query_payload(path, params)
    with self._naming(f"attachment of comment {number} of {name}"):
        return self._read(
            path,
            params,
            decode=bytes,
            lifetime=self.conf.object_seconds,
            cache=cache,
            method="GET",
            # It may be a file of any kind.
            content="",
        )[0]


def get_annotations(
    self: SkyPortalQuery,
    source_id: str | int,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the annotations of an object, a row for each of their keys.

    Parameters
    ----------
    source_id : str or int
        Its name on this instance.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``origin``, ``key``, ``value`` (text), ``number`` (the value where it is a
        number, else masked), ``annotation_id``, ``author_id``, ``created_at``
        (`~astropy.time.Time`) and more.

    Raises
    ------
    NotFoundError
        If there is no such object, or none that this account may see.

    Warns
    -----
    NoResultsWarning
        If there are none.

    References
    ----------
    The route ``GET /api/sources/{id}/annotations``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> said = SkyPortal.get_annotations("ATLAS24abc")
    >>> print(said["origin", "key", "value", "number"])
     origin     key     value number
    -------- ---------- ----- ------
    sherlock      class    SN     --
    sherlock sep_arcsec   1.2    1.2
    """
    return _notes(self, source_id, "annotations", decode_annotations, cache, get_query_payload)


def _notes(
    client: SkyPortalQuery,
    source_id: str | int,
    kind: str,
    decode: Callable,
    cache: bool | None,
    get_query_payload: bool,
) -> Table:
    """Return the notes of one kind on an object, or what would be sent for them."""
    name = check_source_id(source_id)
    path = source_path(name, kind)
    if get_query_payload:
        return client._query_payload(path)
    rows, when = client._fetch(
        path,
        decode=only_of(decode, "source_id", name, "the source"),
        cache=cache,
        unknown=f"object {name}",
    )
    if not len(rows):
        warn(f"SkyPortal has no {kind} of {name}", NoResultsWarning)
    return build_table(rows, meta=client._meta(when, query=f"get_{kind}", object=name))


def decode_classifications(text: bytes) -> Rows:
    """Decode classifications, with the sum of the votes on each.

    Parameters
    ----------
    text : bytes
        A JSON list of them.

    Returns
    -------
    Rows
        In the server's order.
    """
    rows = decode_flat(CLASSIFICATION, text, {"groups": "name", "votes": "vote"})
    column = next(column for column in rows.columns if column.name == "votes")
    try:
        sums = [sum(map(int, one.split(", "))) if one else 0 for one in rows.values["votes"]]
        votes = np.array(sums, dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise TableParseError(f"votes that are no numbers: {error}", service="SkyPortal") from error
    index = rows.columns.index(column)
    rows.columns[index] = Column("votes", int, about=column.about)
    rows.values["votes"] = votes
    rows.masks["votes"] = np.zeros(len(rows), bool)
    return rows


def decode_annotations(text: bytes) -> Rows:
    """Decode annotations into a row for each of their keys.

    Parameters
    ----------
    text : bytes
        A JSON list of them.

    Returns
    -------
    Rows
        In the server's order; an annotation without keys has none.
    """
    data = decode_rows(ANNOTATION, text).values["data"]
    found = [msgspec.json.decode(one) for one in data.tolist()]
    # What is no object is the value of a key without a name.
    found = [
        one if isinstance(one, dict) else {"": one} if one is not None else {} for one in found
    ]
    flat = decode_flat(ANNOTATION, text, {"groups": "name"})
    flat = flat.take(np.repeat(np.arange(len(flat)), [len(one) for one in found]))
    items = [item for one in found for item in one.items()]
    keys = np.array([key for key, _ in items], dtype=np.str_)
    texts = ["" if v is None else v if isinstance(v, str) else _json(v) for _, v in items]
    values = np.array(texts, dtype=np.str_)
    numbers = np.array([float_of(v) for _, v in items], dtype=float)
    rows = Rows(length=len(items))
    for column in flat.columns:
        rows.add(column, flat.values[column.name], flat.masks[column.name])
        if column.name == "origin":
            rows.add(KEY, keys)
            rows.add(VALUE, values, values == "")
            rows.add(NUMBER, numbers, np.isnan(numbers))
    return rows


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

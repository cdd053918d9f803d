"""The endpoints that write; most refusals are words in ``info`` under a status of success."""

import struct
from typing import NamedTuple

from .call import Call, within_int64
from .dates import iso_date
from .responses import ServerError

__all__ = ["StatusReply"]

_CREATED = "Row created."
_DUPLICATE = "Duplicate row. Cannot add row."
_NO_OBJECT = "Object does not exist."
_NO_GROUP = "Object group ID does not exist."
_NO_MEMBER = "Object group ID does not exist or object ID does not exist."
_NOT_UPDATED = "Error updating row."
# Objects may be moved to possible, eyeball and galactic candidates only.
_OPEN_LISTS = (3, 4, 12)
_TINYINT = range(-128, 128)
_FIRST_TIMESTAMP, _LAST_TIMESTAMP = "1970-01-01T00:00:01Z", "2038-01-19T03:14:07Z"


class StatusReply(NamedTuple):
    """A reply with its status.

    Attributes
    ----------
    status : int
        HTTP status.
    payload : dict or None
        What to send.
    """

    status: int
    payload: dict | None


def vrascores(
    call: Call, objectid: int, insertdate: str | None, debug: bool, **scores: float | None
) -> dict:
    """Append a row of scores: it always becomes a new row.

    Parameters
    ----------
    call : Call
        Database, user and time of the request.
    objectid : int
        The object.
    insertdate : str or None
        The date to store; None is now.
    debug : bool
        Whether the scores are a test.
    **scores : float or None
        ``preal``, ``pgal``, ``pfast``, ``rank``, ``rank_alt1``, ``is_gal_cand``.

    Returns
    -------
    dict
        The object and the server's message.

    Raises
    ------
    ServerError
        A score or the date does not fit its column.
    """
    if not _has_object(call, objectid):
        return _about_object(objectid, _NO_OBJECT)
    call.database.insert("vra_scores", {
        name: [value] for name, value in {
            "transient_object_id": objectid, **_stored(scores), "debug": debug,
            "timestamp": _moment(call, insertdate), "apiusername": call.user.username,
        }.items()
    })  # fmt: skip
    return _about_object(objectid, _CREATED)


def vratodo(call: Call, objectid: int, insertdate: str | None) -> dict:
    """Put an object on the list of work.

    Parameters
    ----------
    call : Call
        Database, user and time of the request.
    objectid : int
        The object.
    insertdate : str or None
        The date to store; None is now.

    Returns
    -------
    dict
        The object and the server's message.

    Raises
    ------
    ServerError
        The date does not fit its column.
    """
    if not _has_object(call, objectid):
        return _about_object(objectid, _NO_OBJECT)
    added = call.database.execute(
        "insert or ignore into vra_todo values (?, ?)", (objectid, _moment(call, insertdate))
    )
    return _about_object(objectid, _CREATED if added.rowcount else _DUPLICATE)


def vrarank(call: Call, objectid: int, insertdate: str | None, **ranks: float | None) -> dict:
    """Set the rank of an object, which also becomes the object's ``vra``.

    Parameters
    ----------
    call : Call
        Database, user and time of the request.
    objectid : int
        The object.
    insertdate : str or None
        The date to store; None is now.
    **ranks : float or None
        ``rank``, ``rank_alt1``, ``is_gal_cand``; with one of them missing nothing is stored.

    Returns
    -------
    dict
        The object and the server's message.

    Raises
    ------
    ServerError
        A rank or the date does not fit its column.
    """
    if not _has_object(call, objectid):
        return _about_object(objectid, _NO_OBJECT)
    values = _stored(ranks)
    # The columns take no null, and the server reports that as a duplicate.
    if None in values.values():
        return _about_object(objectid, _DUPLICATE)
    with call.database.lock:
        call.database.execute(
            "insert or replace into vra_rank values"
            " (:objectid, :rank, :rank_alt1, :is_gal_cand, :timestamp)",
            {"objectid": objectid, **values, "timestamp": _moment(call, insertdate)},
        )
        call.database.execute("update objects set vra = ? where id = ?", (values["rank"], objectid))
    return _about_object(objectid, _CREATED)


def objectgroups(call: Call, objectid: int, objectgroupid: int) -> dict:
    """Add an object to a custom list.

    Parameters
    ----------
    call : Call
        Database, user and time of the request.
    objectid : int
        The object.
    objectgroupid : int
        Number of the list.

    Returns
    -------
    dict
        The server's message, with the object's id under the name of the group.
    """
    if not _has_object(call, objectid):
        return _about_object(objectid, _NO_OBJECT)
    if not _has_group(call, objectgroupid):
        return {"objectgroupid": objectgroupid, "info": _NO_GROUP}
    added = call.database.execute(
        "insert or ignore into object_groups (transient_object_id, object_group_id) values (?, ?)",
        (objectid, objectgroupid),
    )
    # The server answers the id of the object under the name of the group.
    return {"objectgroupid": objectid, "info": _CREATED if added.rowcount else _DUPLICATE}


def objectgroupsdelete(call: Call, objectid: int, objectgroupid: int) -> StatusReply:
    """Take an object from a custom list.

    Parameters
    ----------
    call : Call
        Database, user and time of the request.
    objectid : int
        The object.
    objectgroupid : int
        Number of the list.

    Returns
    -------
    StatusReply
        Status 204, or 400 with the server's message.
    """
    if not _has_object(call, objectid):
        return StatusReply(400, _about_object(objectid, _NO_OBJECT))
    if not _has_group(call, objectgroupid):
        return StatusReply(400, {"objectgroupid": objectgroupid, "info": _NO_GROUP})
    removed = call.database.execute(
        "delete from object_groups where transient_object_id = ? and object_group_id = ?",
        (objectid, objectgroupid),
    )
    if removed.rowcount:
        return StatusReply(204, None)
    words = {"objectgroupid": objectgroupid, "objectid": objectid, "info": _NO_MEMBER}
    return StatusReply(400, words)


def objectdetectionlist(call: Call, objectid: int, objectlist: int, insertdate: str | None) -> dict:
    """Move an object to another detection list.

    Parameters
    ----------
    call : Call
        Database, user and time of the request.
    objectid : int
        The object.
    objectlist : int
        Number of the list: 3, 4 or 12.
    insertdate : str or None
        The date to store; None is now.

    Returns
    -------
    dict
        The object and the server's message.
    """
    if not _has_object(call, objectid):
        return _about_object(objectid, _NO_OBJECT)
    if objectlist not in _OPEN_LISTS:
        return _about_object(objectid, _NOT_UPDATED)
    call.database.execute(
        "update objects set detection_list_id = ?, date_modified = ? where id = ?",
        (objectlist, _moment(call, insertdate, timestamp=False), objectid),
    )
    return _about_object(objectid, _CREATED)


def _about_object(objectid: int, words: str) -> dict:
    return {"objectid": objectid, "info": words}


def _has_object(call: Call, number: int) -> bool:
    return within_int64(number) and bool(
        call.database.fetch("select 1 from objects where id = ?", (number,))
    )


def _has_group(call: Call, number: int) -> bool:
    return within_int64(number) and bool(
        call.database.fetch("select 1 from group_definitions where id = ?", (number,))
    )


def _moment(call: Call, insertdate: str | None, *, timestamp: bool = True) -> str:
    """Return the date to store; a TIMESTAMP column of the real database ends with 2038-01-19."""
    if insertdate is None:
        return iso_date(call.now)
    if timestamp and not _FIRST_TIMESTAMP <= insertdate <= _LAST_TIMESTAMP:
        raise ServerError("insertdate is out of range")
    return insertdate


def _stored(values: dict[str, float | None]) -> dict[str, float | None]:
    """Pass numbers through the columns of the real database: FLOAT and TINYINT."""
    stored: dict[str, float | None] = {}
    for name, value in values.items():
        if value is None:
            stored[name] = None
        elif name == "is_gal_cand":
            if value not in _TINYINT:
                raise ServerError(f"{name} is out of range")
            stored[name] = value
        else:
            try:
                single = struct.unpack("<f", struct.pack("<f", value))[0]
            except OverflowError:
                raise ServerError(f"{name} is out of range") from None
            stored[name] = float(f"{single:.6g}")
    return stored

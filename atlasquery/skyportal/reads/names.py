"""What a user names and the server numbers: groups, instruments, taxonomies, services."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any, cast

import msgspec
import numpy as np

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import each_id, numbered, suggest
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import check_source_id, in_path
from atlasquery.skyportal.tables.decoders import class_names
from atlasquery.tables import check_answer, decode_json

__all__ = [
    "check_number_id",
    "each_number",
    "each_source",
    "find_analysis_service",
    "find_group_ids",
    "find_instrument",
    "find_taxonomy",
    "instrument_number",
    "source_path",
]


class _TableEntry(msgspec.Struct):
    # What it must have; all else may be missing, or of any kind.
    id: int


class _Groups(msgspec.Struct):
    user_groups: msgspec.Raw = msgspec.Raw(b"[]")
    user_accessible_groups: msgspec.Raw = msgspec.Raw(b"[]")


def _table_of(client: SkyPortalQuery, path: str) -> list[dict]:
    """Read a table that seldom changes, as it came: entries that each have a number."""
    seldom = client.conf.table_seconds
    return client._fetch(path, decode=_decode_entries, lifetime=seldom)[0]


def find_group_ids(
    client: SkyPortalQuery, groups: Any, *, all_allowed: bool = False
) -> list[int] | str | None:
    """Return the numbers of groups given by name or number; None for the server's choice."""
    if groups is None:
        return None
    if isinstance(groups, str) and groups == "all":
        if all_allowed:
            return "all"
        raise InvalidQueryError("groups='all' is for photometry only: name the groups")
    single = isinstance(groups, (str, Integral)) or not isinstance(groups, Iterable)
    given = [groups] if single else list(cast(Iterable, groups))
    if not given:
        raise InvalidQueryError("groups is empty: leave it out, or name at least one group")
    if all(_is_number(one) for one in given):
        return [check_number_id(one, name="groups") for one in given]
    known = client._fetch("groups", decode=_decode_own_groups, lifetime=client.conf.table_seconds)[
        0
    ]
    return [_number_of(one, "groups", known, ("name", "nickname")) for one in given]


def instrument_number(instrument: object) -> int | None:
    """Return the number of an instrument that is given by it.

    Parameters
    ----------
    instrument : object
        A number or a name.

    Returns
    -------
    int or None
        The number; None for a name, whose number the server knows.

    Raises
    ------
    InvalidQueryError
        If it is neither.
    """
    if _is_number(instrument):
        return check_number_id(instrument, name="instrument")
    if not isinstance(instrument, str):
        raise InvalidQueryError(
            f"instrument={instrument!r:.80} should be a name, or a number from 1"
        )
    return None


def find_instrument(client: SkyPortalQuery, instrument: object) -> dict:
    """Return what the server says of an instrument given by name or number."""
    number = instrument_number(instrument)
    if number is not None:
        seldom, what = client.conf.table_seconds, f"instrument {number}"
        found = client._fetch(
            f"instrument/{number}", decode=_decode_entry, lifetime=seldom, unknown=what
        )[0]
        check_answer(found["id"], number, "the instrument", service=client.service)
        return found
    known = _table_of(client, "instrument")
    number = _number_of(instrument, "instrument", known, ("name",))
    return next(one for one in known if one["id"] == number)


def find_analysis_service(client: SkyPortalQuery, service: Any) -> int:
    """Return the number of an analysis service given by name or number."""
    if _is_number(service):
        return int(service)
    known = _table_of(client, "analysis_service")
    return _number_of(service, "service", known, ("name", "display_name"))


def find_taxonomy(client: SkyPortalQuery, classification: str, taxonomy: object) -> int:
    """Return the number of the taxonomy that has a class."""
    if not isinstance(classification, str):
        raise InvalidQueryError(f"classification={classification!r:.80} should be a string")
    known = _table_of(client, "taxonomy")
    if taxonomy is not None:
        number = _number_of(taxonomy, "taxonomy", _newest(known), ("name",), every=known)
        known = [one for one in known if one["id"] == number]
    else:
        known = _newest(known)
    classes = {one["id"]: set(class_names(one.get("hierarchy"))) for one in known}
    matching = [one for one in known if classification in classes[one["id"]]]
    if not matching:
        every = sorted(set().union(*classes.values()))
        where = f"the taxonomy {known[0].get('name')!r}" if len(known) == 1 else "any taxonomy"
        raise InvalidQueryError(
            f"classification={classification!r} is not a class of {where}"
            f"{suggest(classification, every)}"
        )
    if len(matching) > 1:
        names = ", ".join(f"{one.get('name')!r} ({one['id']})" for one in matching)
        raise InvalidQueryError(
            f"classification={classification!r} is a class of several taxonomies: {names}; "
            "say which with taxonomy="
        )
    return matching[0]["id"]


def each_source(source_ids: object) -> list[str]:
    """Return ids of sources as a list.

    Parameters
    ----------
    source_ids : str, int, iterable of them, or table with ``source_id``
        One or many ids.

    Returns
    -------
    list of str
        In the order given.

    Raises
    ------
    InvalidQueryError
        If there is none, or one is no id.
    """
    given = each_id(source_ids, name="source_ids", columns=("source_id", "id"))
    return [
        check_source_id(_text(one), name=label)
        for label, one in numbered(given, source_ids, name="source_ids")
    ]


def check_number_id(value: object, *, name: str, least: int = 1) -> int:
    """Return a number that the server has given to something.

    Parameters
    ----------
    value : int or str
        The number.
    name : str
        The argument's name, for messages.
    least : int, optional
        The least number that there may be.

    Returns
    -------
    int
        The number.

    Raises
    ------
    InvalidQueryError
        If it is not such a number.
    """
    text = str(value).strip() if isinstance(value, (str, Integral)) else ""
    if isinstance(value, (bool, np.bool_)) or not text.isdecimal() or int(text) < least:
        raise InvalidQueryError(f"{name}={value!r:.80} should be a whole number from {least}")
    return int(text)


def each_number(given: Any) -> list:
    """Return one or many numbers as a list; each is still to be checked.

    Parameters
    ----------
    given : int, str, or sequence
        The numbers.

    Returns
    -------
    list
        In the order given.
    """
    single = isinstance(given, str) or not isinstance(given, Iterable)
    return [given] if single else list(given)


def source_path(source_id: str, *parts: object) -> str:
    """Return the path of something that belongs to a source.

    Parameters
    ----------
    source_id : str
        The source.
    *parts : object
        The parts that follow.

    Returns
    -------
    str
        Below the address of the API.
    """
    return "/".join(["sources", in_path(source_id), *map(in_path, parts)])


def _text(value: object) -> object:
    return str(value) if isinstance(value, np.str_) else value


def _decode_entry(text: bytes) -> dict:
    return _decode_entries(b"[" + text + b"]")[0]


def _decode_entries(text: bytes) -> list[dict]:
    """Return the entries of a table as they came, each with its number."""
    decode_json(text, list[_TableEntry], "the table")
    return decode_json(text, list[dict[str, Any]], "the table")


def _decode_own_groups(text: bytes) -> list[dict]:
    """Return the groups that one is a member of, and those that one may see."""
    found = decode_json(text, _Groups, "the list of groups")
    parts = (found.user_groups, found.user_accessible_groups)
    return [entry for part in parts for entry in _decode_entries(bytes(part))]


def _is_number(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def _number_of(
    given: Any,
    name: str,
    known: list[dict],
    keys: tuple[str, ...],
    *,
    every: list[dict] | None = None,
) -> int:
    """Return the number of what is given by name or number."""
    if _is_number(given):
        if every is not None and all(one["id"] != int(given) for one in every):
            known_ids = ", ".join(f"{one['id']} ({one.get('name')})" for one in every)
            raise InvalidQueryError(f"{name}={given} is not known; there are {known_ids or 'none'}")
        return int(given)
    if not isinstance(given, str):
        raise InvalidQueryError(f"{name}={given!r:.80} should be a name, or a number from 1")
    numbers = {one["id"] for one in known if given in [one.get(key) for key in keys]}
    if not numbers:
        names = sorted({str(one[keys[0]]) for one in known if one.get(keys[0])})
        raise InvalidQueryError(f"{name}={given!r} is not known{suggest(given, names)}")
    if len(numbers) > 1:
        raise InvalidQueryError(
            f"{name}={given!r} is the name of several, {', '.join(map(str, sorted(numbers)))}: "
            "give the number"
        )
    return numbers.pop()


def _newest(taxonomies: list[dict]) -> list[dict]:
    """Return taxonomies without those that a newer version has replaced."""
    return [one for one in taxonomies if one.get("isLatest") is not False]

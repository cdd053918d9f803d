"""Turn the lists and objects that stand inside SkyPortal's rows into plain columns."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.skyportal.tables.columns import (
    ALLOCATION,
    GROUP,
    GROUPS,
    JSON_TEXT,
    LISTS,
    SAVED_AT,
    TAXONOMY,
    TELESCOPE,
    UNSHOWN,
)
from atlasquery.tables import Column, Columns, Nested, Rows, Timestamp, decode_json, decode_rows

__all__ = [
    "class_names",
    "decode_allocations",
    "decode_flat",
    "decode_groups",
    "decode_objects",
    "decode_taxonomies",
    "decode_telescopes",
    "joined",
    "json_text",
    "part_of",
    "wrapped",
]

NOTHING = (b"null", b"[]", b"{}", b'""', b'"None"', b'"NaN"')


def wrapped(longitude: np.ndarray) -> np.ndarray:
    """Return longitudes from 0 to 360 degrees.

    Parameters
    ----------
    longitude : `~numpy.ndarray`
        Degrees, NaN where it is not known.

    Returns
    -------
    `~numpy.ndarray`
        Degrees.
    """
    return np.where(longitude < 0, longitude + 360.0, longitude)


def part_of(row: dict, key: str) -> dict:
    """Return an object that stands inside a row.

    Parameters
    ----------
    row : dict
        The row, decoded.
    key : str
        Where it stands.

    Returns
    -------
    dict
        Empty where there is none.

    Raises
    ------
    TableParseError
        If something else stands there.
    """
    found = row.get(key)
    if found is not None and not isinstance(found, dict):
        raise TableParseError(f"{key}={found!r:.100} should be an object", service="SkyPortal")
    return found or {}


def joined(raw: np.ndarray, key: str) -> np.ndarray:
    """Return lists as strings.

    Parameters
    ----------
    raw : `~numpy.ndarray` of bytes
        A JSON list for each row.
    key : str
        What is taken of each item that is an object; empty for items that are strings.

    Returns
    -------
    `~numpy.ndarray` of str
        Items joined by comma and space; empty where there are none.
    """
    texts: dict[bytes, str] = dict.fromkeys(NOTHING, "")
    for text in raw.tolist():
        if text not in texts:
            found = msgspec.json.decode(text)
            found = found if isinstance(found, list) else [found]
            items = [item.get(key) if isinstance(item, dict) else item for item in found]
            texts[text] = ", ".join(str(item) for item in items if item is not None)
    return np.array([texts[text] for text in raw.tolist()], dtype=np.str_)


def json_text(raw: np.ndarray) -> np.ndarray:
    """Return JSON as strings; ``"None"`` and ``"NaN"`` in it mean nothing.

    Parameters
    ----------
    raw : `~numpy.ndarray` of bytes
        JSON for each row.

    Returns
    -------
    `~numpy.ndarray` of str
        Empty where there is nothing.
    """
    texts = ["" if text in NOTHING else text.decode() for text in raw.tolist()]
    return np.array(texts, dtype=np.str_)


def saved(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of groups, and when the last of them saved an object.

    Parameters
    ----------
    raw : `~numpy.ndarray` of bytes
        A JSON list of groups for each row.

    Returns
    -------
    numbers, times : `~numpy.ndarray` of str
        Empty where there are none.
    """
    numbers, times = [], []
    for text in raw.tolist():
        groups = msgspec.json.decode(text)
        groups = groups if isinstance(groups, list) else []
        groups = [group for group in groups if isinstance(group, dict)]
        numbers.append(", ".join(str(group["id"]) for group in groups if "id" in group))
        times.append(max((str(group.get("saved_at") or "") for group in groups), default=""))
    return np.array(numbers, dtype=np.str_), np.array(times, dtype=np.str_)


def decode_objects(columns: Columns, text: bytes) -> Rows:
    """Decode sources or candidates into plain columns.

    Parameters
    ----------
    columns : Columns
        Their declaration.
    text : bytes
        A JSON list of them.

    Returns
    -------
    Rows
        Lists as strings, galactic longitudes from 0 to 360, and when they were saved.
    """
    decoded = decode_rows(columns, text)
    # From 0 in one route, from -180 in another: see docs/servers/skyportal.rst, "Galactic
    # longitude".
    decoded.values["gal_lon"] = wrapped(decoded.values["gal_lon"])
    rows = Rows(length=len(decoded))
    for column in decoded.columns:
        values, mask = decoded.values[column.name], decoded.masks[column.name]
        if column.name in UNSHOWN:
            continue
        if column.kind is not Nested:
            rows.add(column, values, mask)
            continue
        shown = (
            json_text(values) if column.name in JSON_TEXT else joined(values, LISTS[column.wire])
        )
        _add_text(rows, column, shown)
        if column.name == "groups":
            numbers, times = saved(values)
            rows.add(GROUPS, numbers, numbers == "")
            rows.add(SAVED_AT, times, times == "")
    return rows


def decode_flat(columns: Columns, text: bytes, lists: dict[str, str]) -> Rows:
    """Decode rows of a table into plain columns.

    Parameters
    ----------
    columns : Columns
        Their declaration.
    text : bytes
        A JSON list of them.
    lists : dict of str to str
        For the wire name of each column of lists, what is taken of each item. Other
        nested columns are shown as JSON if they are described, and else left out.

    Returns
    -------
    Rows
        With strings in place of lists and objects.
    """
    decoded = decode_rows(columns, text)
    rows = Rows(length=len(decoded))
    for column in decoded.columns:
        values, mask = decoded.values[column.name], decoded.masks[column.name]
        if column.kind is not Nested:
            rows.add(column, values, mask)
        elif column.wire in lists:
            _add_text(rows, column, joined(values, lists[column.wire]))
        elif column.about:
            _add_text(rows, column, json_text(values))
    return rows


def _add_text(rows: Rows, column: Column, values: np.ndarray) -> None:
    rows.add(Column(column.wire, str, to=column.to, about=column.about), values, values == "")


# The parts of the list of groups.
PARTS = ("user_groups", "user_accessible_groups", "all_groups")


class _GroupNumber(msgspec.Struct):
    id: int | None = None


MEMBER = Column("member", bool, about="Whether you are a member of it.")
ACCESSIBLE = Column("accessible", bool, about="Whether you may see what is shared with it.")
CLASSES = Column("classes", str, about="All classes of it.")
START = Column("start", Timestamp, about="Begin of the first time in which it holds.")
END = Column("end", Timestamp, about="End of the last time in which it holds.")


def decode_groups(text: bytes) -> Rows:
    """Decode the groups of the instance, of which each part of the response says something else.

    Parameters
    ----------
    text : bytes
        An object of three lists, or, when asked by name, a list.

    Returns
    -------
    Rows
        Each group once, by its number.
    """
    if not text.lstrip().startswith(b"{"):
        rows = decode_flat(GROUP, text, {"streams": "name"})
        nothing = np.zeros(len(rows), bool)
        parts = {column.name: (nothing, ~nothing) for column in (MEMBER, ACCESSIBLE)}
    else:
        sent = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        if not sent.keys() & set(PARTS):
            raise TableParseError(f"the groups have none of {', '.join(PARTS)}")
        lists = [bytes(sent.get(part, b"null")) for part in PARTS]
        merged = b"[" + b",".join(one.strip()[1:-1] for one in lists if _items(one)) + b"]"
        rows = decode_flat(GROUP, merged, {"streams": "name"})
        first = np.unique(rows.values["id"], return_index=True)[1]
        rows = rows.take(first)
        parts = {}
        for part, column in (("user_groups", MEMBER), ("user_accessible_groups", ACCESSIBLE)):
            found = decode_json(sent.get(part, b"null"), list[_GroupNumber] | None, part)
            numbers = [one.id for one in found or ()]
            unknown = np.full(len(rows), found is None)
            parts[column.name] = np.isin(rows.values["id"], numbers), unknown
        # A group of yours is one that you may see.
        parts["accessible"] = parts["accessible"][0] | parts["member"][0], parts["accessible"][1]
    shown = Rows(length=len(rows))
    for column in rows.columns:
        shown.add(column, rows.values[column.name], rows.masks[column.name])
        if column.name == "name":
            shown.add(MEMBER, *parts["member"])
            shown.add(ACCESSIBLE, *parts["accessible"])
    return shown


def _items(text: bytes) -> bool:
    """Return whether a JSON text is a list of something."""
    return text.lstrip().startswith(b"[") and bool(text.strip()[1:-1].strip())


def decode_telescopes(text: bytes) -> Rows:
    """Decode telescopes; of one that moves the server has no twilight, under other names.

    Parameters
    ----------
    text : bytes
        A JSON list of them.

    Returns
    -------
    Rows
        With times of twilight.
    """
    rows = decode_flat(TELESCOPE, text, {"instruments": "name", "evening": "", "morning": ""})
    for name in ("evening", "morning"):
        times = rows.values[name]
        known = np.array([one[:4].isdecimal() for one in times.tolist()], dtype=bool)
        _replace(rows, name, Column(name, Timestamp, about=_about(rows, name)), times, ~known)
    return rows


def decode_taxonomies(text: bytes) -> Rows:
    """Decode taxonomies, with all their classes.

    Parameters
    ----------
    text : bytes
        A JSON list of them.

    Returns
    -------
    Rows
        In the server's order.
    """
    rows = decode_flat(TAXONOMY, text, {"groups": "name"})
    trees = decode_rows(TAXONOMY, text).values["hierarchy"]
    what = "the classes of a taxonomy"
    names = [", ".join(class_names(decode_json(one, Any, what))) for one in trees.tolist()]
    classes = np.array(names, dtype=np.str_)
    shown = Rows(length=len(rows))
    for column in rows.columns:
        if column.name == "hierarchy":
            shown.add(CLASSES, classes, classes == "")
        shown.add(column, rows.values[column.name], rows.masks[column.name])
    return shown


def class_names(hierarchy: object) -> list[str]:
    """Return the names of all classes of a taxonomy.

    Parameters
    ----------
    hierarchy : object
        Its classes with their subclasses, decoded.

    Returns
    -------
    list of str
        From the top, each once.
    """
    names: list[str] = []
    branches: list[Any] = [hierarchy]
    while branches:
        branch = branches.pop()
        if isinstance(branch, dict):
            if isinstance(branch.get("class"), str):
                names.append(branch["class"])
            below = branch.get("subclasses")
            branches += reversed(below) if isinstance(below, list) else []
        elif isinstance(branch, list):
            branches += reversed(branch)
    return list(dict.fromkeys(names))


def decode_allocations(text: bytes) -> Rows:
    """Decode allocations, whose times have two forms.

    Parameters
    ----------
    text : bytes
        A JSON list of them.

    Returns
    -------
    Rows
        With the begin of the first time in which each holds, and the end of the last.
    """
    lists = {"group": "name", "instrument": "name", "types": "", "default_share_group_ids": ""}
    rows = decode_flat(ALLOCATION, text, lists)
    sent = decode_rows(ALLOCATION, text).values
    times: dict[str, list[str]] = {"start": [], "end": []}
    # Servers of 2023 have start_date and end_date: see docs/servers/skyportal.rst, "Other tables".
    picks: tuple[tuple[str, Callable], ...] = (("start", min), ("end", max))
    for name, pick in picks:
        key = f"{name}_date"
        for old, new in zip(sent[key].tolist(), sent["validity_ranges"].tolist(), strict=True):
            ranges = decode_json(new, list[dict[str, Any]] | None, "the times of an allocation")
            found = [one.get(key) for one in ranges or ()]
            before = decode_json(old, Any, "the times of an allocation")
            found = [one for one in [*found, before] if isinstance(one, str)]
            times[name].append(pick(found, default=""))
    shown = Rows(length=len(rows))
    for wire_column in rows.columns:
        if wire_column.name == "validity_ranges":
            for column in (START, END):
                texts = np.array(times[column.name], dtype=np.str_)
                shown.add(column, texts, texts == "")
        shown.add(wire_column, rows.values[wire_column.name], rows.masks[wire_column.name])
    return shown


def _replace(rows: Rows, name: str, column: Column, values: np.ndarray, mask: np.ndarray) -> None:
    index = next(n for n, one in enumerate(rows.columns) if one.name == name)
    rows.columns[index] = column
    rows.values[name], rows.masks[name] = values, mask


def _about(rows: Rows, name: str) -> str:
    return next(one.about for one in rows.columns if one.name == name)

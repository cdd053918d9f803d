"""Turn the lists and objects that stand inside SkyPortal's rows into plain columns."""

import msgspec
import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.skyportal.columns import GROUPS, JSON_TEXT, LISTS, SAVED_AT, UNSHOWN
from atlasquery.tables import Column, Columns, Nested, Rows, decode_rows

__all__ = ["decode_flat", "decode_objects", "joined", "json_text", "part_of", "wrapped"]

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
    """Return lists as texts.

    Parameters
    ----------
    raw : `~numpy.ndarray` of bytes
        A JSON list for each row.
    key : str
        What is taken of each item that is an object; empty for items that are texts.

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
    """Return JSON as texts; ``"None"`` and ``"NaN"`` in it are words for nothing.

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
        Lists as texts, galactic longitudes from 0 to 360, and when they were saved.
    """
    decoded = decode_rows(columns, text)
    # "gal_lon is 0..360 from the single endpoint, -180..180 from the list" (contract).
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
        With texts in place of lists and objects.
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

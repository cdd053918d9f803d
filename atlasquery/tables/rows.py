"""Decode JSON rows into typed numpy columns with masks, as their declaration says.

The common case is fast: msgspec reads a row straight into a typed struct, and
a key or a type that was not declared makes it stop. Only then are the keys of
the answer looked at one by one, so that a newer server's columns are kept, an
older server's missing ones are masked, and a value of another type is
converted where nothing is lost by it.
"""

import builtins
import functools
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.tables.columns import Column, Columns, Timestamp

__all__ = ["Rows", "decode_rows"]

WIRE_TYPE = {float: float, int: int, str: str, bool: bool, Timestamp: str}
FILL = {int: 0, bool: False}
DTYPE = {int: np.int64, bool: np.bool_}
UTF32 = f"utf-32-{sys.byteorder[0]}e"


@dataclass
class Rows:
    """Columns of equal length by public name, each with its mask.

    Parameters
    ----------
    columns : list of Column
        The declarations, those of undeclared columns inferred.
    values : dict of str to `~numpy.ndarray`
        The values by public name; time stamps as text.
    masks : dict of str to `~numpy.ndarray`
        True where the server sent null, nothing, or an empty text.
    length : int
        How many rows there are.
    """

    columns: list[Column] = field(default_factory=list)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    masks: dict[str, np.ndarray] = field(default_factory=dict)
    length: int = 0

    def __len__(self) -> int:
        return self.length

    def add(self, column: Column, values: np.ndarray, mask: np.ndarray | None = None) -> None:
        """Append a column computed from others."""
        self.columns.append(column)
        self.values[column.name] = values
        self.masks[column.name] = np.zeros(len(values), bool) if mask is None else mask

    def take(self, selection: np.ndarray) -> "Rows":
        """Return the selected rows, by index or by truth."""
        values = {name: array[selection] for name, array in self.values.items()}
        masks = {name: mask[selection] for name, mask in self.masks.items()}
        length = len(selection) if selection.dtype != bool else int(np.count_nonzero(selection))
        return Rows(list(self.columns), values, masks, length)


def decode_rows(columns: Columns, *texts: bytes | msgspec.Raw) -> Rows:
    """Decode JSON arrays of rows into one set of columns.

    Parameters
    ----------
    columns : Columns
        The declaration of the rows.
    *texts : bytes or `msgspec.Raw`
        JSON arrays of objects; ``null`` counts as an empty one.

    Returns
    -------
    Rows
        All rows in the order given.

    Raises
    ------
    TableParseError
        If a text is not an array of objects, or a value cannot be of its column's type.
    """
    decoder, declared = _strict(columns), list(columns)
    try:
        parts = [decoder.decode(text) or () for text in texts]
    except msgspec.ValidationError:
        declared, parts = _drifted(columns, texts)
    except msgspec.DecodeError as error:
        raise TableParseError(f"{columns.what} could not be read: {error}") from error
    fields = [_transpose(part, len(declared)) for part in parts]
    result = Rows(length=sum(map(len, parts)))
    for n, column in enumerate(declared):
        _add(result, column, [part[n] for part in fields], columns.what)
    return result


def _transpose(rows: Sequence, width: int) -> list[list]:
    """Return the values of each column of struct rows.

    One flat list cut in strides takes half the time of ``zip(*rows)``, whose
    thousands of tuples set the garbage collector to work.
    """
    flat = list(chain.from_iterable(map(msgspec.structs.astuple, rows)))
    return [flat[n::width] for n in range(width)]


@functools.cache
def _strict(columns: Columns) -> msgspec.json.Decoder:
    """Return the decoder for rows that are exactly as declared."""
    return _decoder([(c.wire, WIRE_TYPE[c.kind] | None, None) for c in columns])


def _decoder(fields: list[tuple]) -> msgspec.json.Decoder:
    # Wire names may be no Python names, so fields are numbered and renamed.
    names = {f"f{n}": wire for n, (wire, *_) in enumerate(fields)}
    row = msgspec.defstruct(
        "Row",
        [(name, *rest) for name, (_, *rest) in zip(names, fields, strict=True)],
        rename=names.get,
        forbid_unknown_fields=True,
        gc=False,
    )
    return msgspec.json.Decoder(list[row] | None)


def _undeclared(columns: Columns, texts: Iterable) -> list[Column]:
    """Return a column for each key that occurs and is not declared."""
    keys = {}
    try:
        for text in texts:
            for row in msgspec.json.decode(text, type=list[dict[str, msgspec.Raw]] | None) or ():
                keys.update(dict.fromkeys(row))
    except msgspec.DecodeError as error:
        raise TableParseError(
            f"{columns.what} should come as a list of JSON objects: {error}"
        ) from error
    taken = set(columns.by_name)
    return [
        # A new wire key may be the public name of another column.
        Column(key, kind=object, to=key if key not in taken else f"{key}_wire")
        for key in keys
        if key not in columns.by_wire
    ]


def _drifted(columns: Columns, texts: Iterable) -> tuple[list[Column], list]:
    """Decode rows that have other keys, or values of other types, than declared."""
    extra = _undeclared(columns, texts)
    more = [(c.wire, Any, None) for c in extra]
    try:
        typed = [(c.wire, WIRE_TYPE[c.kind] | None, None) for c in columns]
        decoder = _decoder(typed + more)
        return [*columns, *extra], [decoder.decode(text) or () for text in texts]
    except msgspec.ValidationError:
        decoder = _decoder([(c.wire, Any, None) for c in columns] + more)
    parts = [decoder.decode(text) or () for text in texts]
    for row in chain.from_iterable(parts):
        for n, column in enumerate(columns):
            value = getattr(row, f"f{n}")
            if value is not None and type(value) is not WIRE_TYPE[column.kind]:
                setattr(row, f"f{n}", _convert(value, column, columns.what))
    return [*columns, *extra], parts


def _convert(value: Any, column: Column, what: str) -> Any:
    """Return `value` as the type of its column, or raise where that would change it."""
    kind = WIRE_TYPE[column.kind]
    try:
        if kind is str:
            return value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if kind is float and not isinstance(value, bool):
            return float(value)
        if kind is int and int(value) == (value if not isinstance(value, str) else int(value)):
            return int(value)
        if kind is bool and value in (0, 1):
            return bool(value)
    except (TypeError, ValueError):
        pass
    raise TableParseError(
        f"{what} has {column.wire}={value!r}, which is not {_article(kind.__name__)}"
    )


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _add(rows: Rows, column: Column, parts: list[Sequence], what: str) -> None:
    if column.kind is object:
        column, values = _infer(column, list(chain.from_iterable(parts)))
        parts = [values]
    arrays = [_array(column, values, what) for values in parts or [()]]
    array, mask = arrays[0]
    if len(arrays) > 1:
        array, mask = (np.concatenate(half) for half in zip(*arrays, strict=True))
    if column.required and mask.any():
        raise TableParseError(
            f"{what} lacks {column.wire} in row {int(np.argmax(mask))}, where it must not"
        )
    rows.columns.append(column)
    rows.values[column.name] = array
    rows.masks[column.name] = mask


def _infer(column: Column, values: Sequence) -> tuple[Column, Sequence]:
    """Return an undeclared column with the narrowest type that keeps all its values."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {builtins.int, builtins.float} and builtins.float in kinds:
        kind = float
    elif len(kinds) == 1 and kinds <= {bool, int, str}:
        (kind,) = kinds
    else:
        kind = str
        values = [
            v if v is None or isinstance(v, str) else msgspec.json.encode(v).decode()
            for v in values
        ]
    about = "Sent by the server, not known to this version of atlasquery."
    return Column(column.wire, kind, to=column.to, about=about), values


def _array(column: Column, values: Sequence, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the values as an array, and where they are missing."""
    kind = column.kind
    if kind is float:
        try:
            array = np.fromiter(values, np.float64, len(values))
        except TypeError:
            # Slower, but reads None as NaN; JSON has no NaN of its own.
            array = np.array(values, dtype=np.float64)
        return array, np.isnan(array)
    if kind in (str, Timestamp):
        return _texts(values)
    try:
        return _whole(kind, values)
    except OverflowError as error:
        raise TableParseError(f"{what} has a {column.wire} beyond 64 bits") from error


def _whole(kind: type, values: Sequence) -> tuple[np.ndarray, np.ndarray]:
    if kind is int:
        try:
            # int(None) fails at once, which is faster than to look for None first.
            return np.array(values, dtype=np.int64), np.zeros(len(values), bool)
        except TypeError:
            pass
    mask = np.fromiter((value is None for value in values), bool, len(values))
    values = [FILL[kind] if value is None else value for value in values]
    return np.array(values, dtype=DTYPE[kind]), mask


def _texts(values: Sequence) -> tuple[np.ndarray, np.ndarray]:
    try:
        joined = "".join(values)
    except TypeError:
        values = [value or "" for value in values]
        joined = "".join(values)
    n = len(values)
    if not joined:
        return np.zeros(n, "U1"), np.ones(n, bool)
    width = len(joined) // n
    if width * n == len(joined) and set(map(len, values)) == {width}:
        # Names of exposures and dates have one length: numpy then need not look at each.
        buffer = joined.encode(UTF32, "surrogatepass")
        return np.frombuffer(buffer, dtype=f"U{width}"), np.zeros(n, bool)
    array = np.array(values, dtype=np.str_)
    return array, array == ""

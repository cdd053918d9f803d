"""Decode JSON rows into typed numpy columns with masks, as their declaration says.

The common case is fast: msgspec reads a row straight into a typed struct, and
a key or a type that was not declared makes it stop. Only then are the keys of
the response looked at one by one, so that a newer server's columns are kept, an
older server's missing ones are masked, and a value of another type is
converted where nothing is lost by it.
"""

import functools
import math
import re
import struct
from collections import deque
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.tables.columns import Column, Columns, Nested, Quoted, Timestamp

__all__ = ["Rows", "decode_rows"]

WIRE_TYPE = {float: float, int: int, str: str, bool: bool, Timestamp: str}
# What lies under the mask of a column without any value.
FILL = {float: np.nan, int: 0, Quoted: 0, bool: False}
DTYPE = {float: np.dtype(float), int: np.dtype(np.int64), bool: np.dtype(bool)}
# A nested value that is absent, as it stands for null.
NOTHING = msgspec.Raw(b"null")
# Exceptions of msgspec for bytes that are not JSON or not UTF-8, or nested without end.
DAMAGED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
INT64 = range(-(2**63), 2**63)
# Above this a float stands for several whole numbers, and an id for another one.
EXACT = 2**53
# Rows that are turned into arrays together.
BATCH = 2000
# Characters that no name of a typed field may have, and no column should.
UNFIT = re.compile(r'[\x00-\x1f\x7f"\\]')


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
        True where the server sent null, nothing, or an empty string.
    length : int
        Number of rows.
    counts : list of int
        Number of rows of each document decoded.
    """

    columns: list[Column] = field(default_factory=list)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    masks: dict[str, np.ndarray] = field(default_factory=dict)
    length: int = 0
    counts: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return self.length

    def add(self, column: Column, values: np.ndarray, mask: np.ndarray | None = None) -> None:
        """Append a column computed from others.

        Parameters
        ----------
        column : Column
            Its declaration.
        values : `~numpy.ndarray`
            Its values, one per row.
        mask : `~numpy.ndarray`, optional
            True where a value is missing; by default none is.
        """
        self.columns.append(column)
        self.values[column.name] = values
        self.masks[column.name] = np.zeros(len(values), bool) if mask is None else mask

    def take(self, selection: np.ndarray) -> "Rows":
        """Return the selected rows, by index or by a boolean array.

        Parameters
        ----------
        selection : `~numpy.ndarray`
            Indexes of the rows, or a boolean for each.

        Returns
        -------
        Rows
            The selected rows, copied.
        """
        values = {name: array[selection] for name, array in self.values.items()}
        masks = {name: mask[selection] for name, mask in self.masks.items()}
        length = len(selection) if selection.dtype != bool else int(np.count_nonzero(selection))
        return Rows(list(self.columns), values, masks, length)

    def without(self, names: Container[str]) -> "Rows":
        """Return the other columns, not copied.

        Parameters
        ----------
        names : container of str
            Public names of the columns left out.

        Returns
        -------
        Rows
            As many rows.
        """
        columns = [column for column in self.columns if column.name not in names]
        values = {column.name: self.values[column.name] for column in columns}
        masks = {column.name: self.masks[column.name] for column in columns}
        return Rows(columns, values, masks, self.length)


def decode_rows(
    columns: Columns, *documents: bytes | msgspec.Raw, undeclared_as_text: bool = False
) -> Rows:
    """Decode JSON arrays of rows into one set of columns.

    Parameters
    ----------
    columns : Columns
        The declaration of the rows.
    *documents : bytes or `msgspec.Raw`
        JSON arrays of objects; ``null`` counts as an empty one.
    undeclared_as_text : bool, optional
        Whether an undeclared column holds the JSON of its values, and strings as they are,
        so that its type does not depend on which rows are decoded together. By default it
        has the narrowest type that keeps them.

    Returns
    -------
    Rows
        All rows in the order given.

    Raises
    ------
    TableParseError
        If a document is not an array of objects, or a value cannot be of its column's type.
    """
    declared = list(columns)
    try:
        try:
            counts: list[int] = []
            parts = list(_strict_parts(columns, documents, counts))
        except msgspec.ValidationError:
            declared, parts = _drifted(columns, documents, undeclared_as_text)
            counts = [len(part[declared[0].name][0]) for part in parts]
    except DAMAGED as error:
        raise TableParseError(f"{columns.what} could not be read: {error}") from error
    parts = parts or [_arrays((), declared, columns.what)]
    values, masks = {}, {}
    for column in declared:
        values[column.name], mask = _whole_column(parts, column.name)
        masks[column.name] = mask
        if column.required and mask.any():
            raise TableParseError(
                f"{columns.what} has no {column.wire} in row {int(np.argmax(mask))}, where it "
                "must not"
            )
    return Rows(declared, values, masks, sum(counts), counts)


def _whole_column(parts: list[dict[str, tuple]], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Take a column out of its parts, so that one of many rows is not in memory twice for long."""
    if len(parts) == 1:
        return parts[0].pop(name)
    pieces = [part.pop(name) for part in parts]
    values = np.concatenate([values for values, _ in pieces])
    return values, np.concatenate([missing for _, missing in pieces])


def _strict_parts(
    columns: Columns, documents: Iterable, counts: list[int]
) -> Iterator[dict[str, tuple]]:
    """Decode documents into arrays, a few thousand rows at a time; count the rows of each.

    A hundred times as many Python objects at once would leave the processor's
    cache, and arrays of a few rows each would cost more to make than to fill.
    """
    rows: list = []
    columns_of_rows: list[Column] = []
    for text in documents:
        decoder, ordered = _strict(columns, _sent_order(text))
        decoded = decoder.decode(text)
        counts.append(len(decoded or ()))
        if not decoded:
            continue
        if rows and (len(rows) >= BATCH or ordered is not columns_of_rows):
            yield _arrays(rows, columns_of_rows, columns.what)
            rows = []
        rows = rows + decoded if rows else decoded
        columns_of_rows = ordered
    if rows:
        yield _arrays(rows, columns_of_rows, columns.what)


def _arrays(rows: Sequence, ordered: list[Column], what: str) -> dict[str, tuple]:
    """Return for each column the values of struct rows, and where they are missing.

    One flat list cut in strides takes a third of the time of ``zip(*rows)``, whose
    thousands of tuples set the garbage collector to work; and a list that is extended
    by a row at a time takes a third of the time of one that takes value by value.
    """
    flat: list = []
    deque(map(flat.extend, map(msgspec.structs.astuple, rows)), maxlen=0)
    width = len(ordered)
    return {c.name: _array(c, flat[n::width], what) for n, c in enumerate(ordered)}


def _sent_order(text: bytes | msgspec.Raw) -> tuple[str, ...]:
    """Return the keys of the first row as they were sent, or none where that is not simple."""
    head = bytes(memoryview(text)[:8192])
    try:
        row = head[head.index(b"{") : head.index(b"}") + 1]
        return tuple(msgspec.json.decode(row, type=dict[str, msgspec.Raw]))
    except (ValueError, msgspec.DecodeError):
        return ()


@functools.lru_cache(maxsize=256)
def _strict(columns: Columns, sent: tuple[str, ...]) -> tuple[msgspec.json.Decoder, list[Column]]:
    """Return the decoder for rows that are exactly as declared, and its columns in order.

    A struct whose fields stand in the order of the keys sent is read in three quarters of
    the time: each key is then the one expected next.
    """
    first = [columns.by_wire[key] for key in sent if key in columns.by_wire]
    ordered = first + [column for column in columns if column not in first]
    return _decoder([_field(c) for c in ordered]), ordered


def _field(column: Column) -> tuple:
    """Return the field of a struct for a column: name on the wire, type, default."""
    if column.kind is Nested:
        return column.wire, msgspec.Raw, NOTHING
    if column.kind is Quoted:
        return column.wire, int | str | None, None
    return column.wire, WIRE_TYPE[column.kind] | None, None


def _decoder(fields: list[tuple]) -> msgspec.json.Decoder:
    for wire, *_ in fields:
        if UNFIT.search(wire):
            raise TableParseError(f"{wire!r:.100} is not fit to be the name of a column")
    # Wire names may not be valid Python names, so fields are numbered and renamed.
    names = {f"f{n}": wire for n, (wire, *_) in enumerate(fields)}
    # A class made at run time is no type to a checker.
    row: Any = msgspec.defstruct(
        "Row",
        [(name, *rest) for name, (_, *rest) in zip(names, fields, strict=True)],
        rename=names.get,
        forbid_unknown_fields=True,
        gc=False,
    )
    return msgspec.json.Decoder(list[row] | None)


def _sent_keys(columns: Columns, documents: Sequence) -> tuple[dict[str, None], Sequence]:
    """Return the keys that occur, and the documents, in which each is fit for the name of a column.

    Control characters, quotes and backslashes become underscores.
    """
    keys: dict[str, None] = {}
    try:
        parts = [
            msgspec.json.decode(t, type=list[dict[str, msgspec.Raw]] | None) for t in documents
        ]
    except DAMAGED as error:
        raise TableParseError(
            f"{columns.what} should come as a list of JSON objects: {error}"
        ) from error
    for row in chain.from_iterable(part or () for part in parts):
        keys.update(dict.fromkeys(row))
    fit: dict[str, str] = {}
    for key in keys:
        if UNFIT.search(key) and key not in columns.by_wire:
            name = UNFIT.sub("_", key)
            while name in keys or name in fit.values():
                name += "_"
            fit[key] = name
    if not fit:
        return keys, documents
    renamed = [[{fit.get(k, k): v for k, v in row.items()} for row in part or ()] for part in parts]
    return {fit.get(key, key): None for key in keys}, [msgspec.json.encode(p) for p in renamed]


def _undeclared(columns: Columns, keys: dict[str, None]) -> list[Column]:
    """Return a column for each key that occurs and is not declared."""
    taken, extra = {*columns.by_name, *columns.by_wire, *keys}, []
    for key in keys:
        if key not in columns.by_wire:
            name = key
            # A new wire key may be the public name of another column.
            while name in (columns.by_name if name == key else taken):
                name += "_wire"
            extra.append(Column(key, kind=object, to=name))
            taken.add(name)
    return extra


def _drifted(columns: Columns, documents: Sequence, as_text: bool) -> tuple[list[Column], list]:
    """Decode rows that have other keys, or values of other types, than declared."""
    keys, documents = _sent_keys(columns, documents)
    extra = _undeclared(columns, keys)
    extra_fields = [(c.wire, Any, None) for c in extra]
    try:
        typed = [_field(c) for c in columns]
        decoder = _decoder(typed + extra_fields)
        decoded = [decoder.decode(text) or () for text in documents]
    except msgspec.ValidationError:
        untyped = [
            _field(c) if c.kind in (Nested, Quoted) else (c.wire, Any, None) for c in columns
        ]
        decoder = _decoder(untyped + extra_fields)
        decoded = [decoder.decode(text) or () for text in documents]
        for n, column in enumerate(columns):
            if column.kind in (Nested, Quoted):
                continue
            _retype(chain.from_iterable(decoded), f"f{n}", column, columns.what)
    for n, column in enumerate(extra, start=len(columns)):
        rows = list(chain.from_iterable(decoded))
        extra[n - len(columns)] = _infer(column, rows, f"f{n}", as_text)
    declared = [*columns, *extra]
    return declared, [_arrays(rows, declared, columns.what) for rows in decoded]


def _retype(rows: Iterable, field: str, column: Column, what: str) -> None:
    for row in rows:
        value = getattr(row, field)
        if value is not None and type(value) is not WIRE_TYPE[column.kind]:
            setattr(row, field, _convert(value, column, what))


def _convert(value: Any, column: Column, what: str) -> Any:
    """Return `value` as the type of its column, or raise where that would change it."""
    kind = WIRE_TYPE[column.kind]
    try:
        if kind is str:
            return value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if kind is float and not isinstance(value, bool):
            number = float(value)
            # A text such as "1e999" is not a number that a column can hold.
            if math.isinf(number):
                raise ValueError
            return number
        if kind is int and isinstance(value, float) and abs(value) > EXACT:
            raise ValueError
        if kind is int and int(value) == (value if not isinstance(value, str) else int(value)):
            return int(value)
        if kind is bool and value in (0, 1):
            return bool(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise TableParseError(
        f"{what} has {column.wire}={value!r:.100}, which is not {_article(kind.__name__)}"
    )


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _infer(column: Column, rows: Sequence, field: str, as_text: bool) -> Column:
    """Return an undeclared column with the narrowest type that keeps all its values, or text."""
    kinds = {type(getattr(row, field)) for row in rows} - {type(None)}
    whole = [v for row in rows if type(v := getattr(row, field)) is int] if int in kinds else ()
    kind: type = str
    if as_text:
        pass
    elif kinds == {float} or (kinds == {int, float} and all(abs(v) <= 2**53 for v in whole)):
        kind = float
    elif len(kinds) == 1 and kinds <= {bool, int, str} and all(v in INT64 for v in whole):
        (kind,) = kinds
    else:
        kind = str
    if kind is str:
        for row in rows:
            value = getattr(row, field)
            if value is not None and not isinstance(value, str):
                setattr(row, field, msgspec.json.encode(value).decode())
    about = "Sent by the server, not known to this version of atlasquery."
    return Column(column.wire, kind, to=column.to, about=about)


def _array(column: Column, values: list, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the values as an array, and where they are missing."""
    kind, n = column.kind, len(values)
    # Lists are compared up to the first difference.
    if n and values[0] is None and values == [None] * n:
        return np.full(n, FILL.get(kind, "")), np.ones(n, bool)
    if kind is float:
        return _floats(values)
    if kind in (str, Timestamp):
        return _texts(values)
    if kind is Nested:
        array = np.empty(n, dtype=object)
        array[:] = [bytes(value) for value in values]
        return array, np.fromiter((raw == b"null" for raw in array), bool, n)
    try:
        return _quoted(column, values, what) if kind is Quoted else _whole(kind, values)
    except OverflowError as error:
        if kind is Quoted:
            values = [_unquoted(value, column, what) for value in values]
        value = next(value for value in values if value is not None and value not in INT64)
        raise TableParseError(
            f"{what} has {column.wire}={value!r:.100}, which is beyond 64 bits"
        ) from error


def _packed(kind: type, values: Iterable, n: int) -> np.ndarray:
    """Return numbers as an array, in a third of the time that numpy takes for a list of them.

    Raises `struct.error` for what is not a number of that kind, None included.
    """
    dtype = DTYPE[kind]
    array: np.ndarray = np.empty(n, dtype)
    struct.pack_into(f"{n}{dtype.char}", array.data, 0, *values)
    return array


def _floats(values: list) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers as an array, NaN where they are missing."""
    n = len(values)
    try:
        array = _packed(float, values, n)
    except struct.error:
        # JSON itself has no NaN.
        array = _packed(float, [np.nan if value is None else value for value in values], n)
    return array, np.isnan(array)


def _quoted(column: Column, values: list, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return whole numbers, of which some or all are in quotes."""
    try:
        return _packed(int, map(int, values), len(values)), np.zeros(len(values), bool)
    except (TypeError, ValueError, struct.error):
        # Some are missing, or no whole numbers.
        return _whole(int, [_unquoted(value, column, what) for value in values])


def _unquoted(value: int | str | None, column: Column, what: str) -> int | None:
    try:
        return None if value is None or value == "" else int(value)
    except ValueError:
        return _convert(value, Column(column.wire, int), what)


def _whole(kind: type, values: list) -> tuple[np.ndarray, np.ndarray]:
    """Return whole numbers or booleans as an array, and which are missing."""
    n = len(values)
    # A boolean is packed by its truth, so that None would be false.
    if kind is int or None not in values:
        try:
            return _packed(kind, values, n), np.zeros(n, bool)
        except struct.error:
            pass
    mask = np.fromiter((value is None for value in values), bool, n)
    values = [FILL[kind] if value is None else value for value in values]
    return np.array(values, dtype=DTYPE[kind]), mask


def _texts(values: list | tuple) -> tuple[np.ndarray, np.ndarray]:
    """Return strings as an array, and which are empty or missing.

    Names of exposures, bands and dates have one length each. Joined with a
    separator, such strings are a table of characters whose last column holds
    all the separators: numpy then need not look at each text.
    """
    n = len(values)
    if n > 1 and values[0] == values[-1] and values == values[:1] * n:
        # As of a survey, or of a version of software.
        array = np.full(n, values[0])
        return array, np.full(n, not array[0])
    try:
        joined = "\0".join(values)
    except TypeError:
        values = [value or "" for value in values]
        joined = "\0".join(values)
    width, rest = divmod(len(joined) + 1, n) if n else (1, 0)
    if width > 1 and not rest and joined.isascii():
        codes = np.frombuffer((joined + "\0").encode(), np.uint8).reshape(n, width)
        if not codes[:, -1].any() and np.count_nonzero(codes) == n * (width - 1):
            texts = codes[:, :-1].astype(np.uint32).view(f"U{width - 1}")
            return texts.reshape(n), np.zeros(n, bool)
    array = np.array(values, dtype=np.str_)
    return array, array == ""

"""Avro schemas of alert packets: checked before they decode anything, and found by their number."""

import functools
import importlib.util
import io
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.service.inputs import check_path
from atlasquery.tables import read_by_library

__all__ = [
    "PacketSchema",
    "SchemaField",
    "load_fastavro",
    "load_schema",
    "numbered_schema",
    "schema_of",
]

# Bytes of a schema as text, and levels of its JSON, of which those of the surveys have 100,000 and
# 12: a schema comes with the packet, and may be anything.
LARGEST_SCHEMA = 4_000_000
DEEPEST_SCHEMA = 60
# The kinds of columns that values of Avro's types can be in.
KINDS = {"float": float, "double": float, "int": int, "long": int, "boolean": bool,
         "string": str, "enum": str}  # fmt: skip
LSST_PACKAGE = "lsst.alert.packet"


def load_fastavro() -> ModuleType:
    """Return fastavro, which decodes packets.

    Returns
    -------
    module
        The package.

    Raises
    ------
    ImportError
        If it is not installed: it comes with ``atlasquery[avro]``.
    """
    try:
        import fastavro
    except ImportError as error:
        raise ImportError(
            "Alert packets are decoded with fastavro: pip install 'atlasquery[avro]'"
        ) from error
    return fastavro


class SchemaField(NamedTuple):
    """A field of a record, as its schema declares it.

    Attributes
    ----------
    name : str
        Its name.
    kind : type or None
        `float`, `int`, `bool` or `str`; None for bytes, records and lists.
    about : str
        Its description.
    """

    name: str
    kind: type | None
    about: str


class _Size(NamedTuple):
    """What a value takes.

    Attributes
    ----------
    least : int
        Encoded bytes, at least.
    memory : float
        Memory of its structure, that of records in it included, but not of elements of lists.
    growth : float
        Memory for each encoded byte, besides its structure.
    ratio : float
        Memory of its structure for each byte, if there are many such values.
    """

    least: int
    memory: float
    growth: float
    ratio: float


# Memory is that of Python objects: 28 bytes for an int of one byte, 49 for a string.
SIZES = {
    "null": _Size(0, 0, 0, 0),
    "boolean": _Size(1, 0, 0, 0),
    "int": _Size(1, 0, 28, 0),
    "long": _Size(1, 0, 28, 0),
    "float": _Size(4, 0, 6, 0),
    "double": _Size(8, 0, 3, 0),
    "bytes": _Size(1, 0, 33, 0),
    "string": _Size(1, 0, 49, 0),
}
POINTER, ENTRY = 16, 160
# What fastavro makes of whole numbers (dates, times) takes more, and of bytes and strings
# (decimals, UUIDs) much more.
LOGICAL = {"int": 30, "long": 30}
OTHER_LOGICAL = 160


@dataclass(frozen=True, eq=False)
class PacketSchema:
    """A schema of packets that decodes them within a limit of memory.

    Parameters
    ----------
    parsed : dict
        What fastavro made of it.
    size : tuple
        Least size of a packet, memory of its structure, and the memory for each byte.
    """

    parsed: dict
    size: _Size

    @property
    def name(self) -> str:
        """The full name of the record, such as ``"lsst.v10_0.alert"``."""
        return str(self.parsed.get("name", ""))

    def largest(self, limit: int) -> int:
        """Return the size of the largest packet that is decoded.

        Parameters
        ----------
        limit : int
            Bytes of memory that it may take.

        Returns
        -------
        int
            Bytes, as encoded; a packet of so many takes no more memory, whatever they are.
        """
        return max(int((limit - self.size.memory) / max(self.size.growth, 1.0)), 0)

    def decode(self, data: bytes, start: int, limit: int) -> tuple[dict, int]:
        """Decode a packet.

        Parameters
        ----------
        data : bytes
            Encoded packets.
        start : int
            Where it begins.
        limit : int
            Bytes of memory that it may take.

        Returns
        -------
        record : dict
            Its content.
        end : int
            Where it ends.

        Raises
        ------
        TableParseError
            If it is damaged, cut, or too large.
        """
        largest = self.largest(limit)
        whole = len(data) - start <= largest
        # The bytes of a block are not copied for each of its packets.
        stream = io.BytesIO(data if whole else data[start : start + largest])
        begin = stream.seek(start if whole else 0)
        try:
            with read_by_library("the record"):
                record = load_fastavro().schemaless_reader(stream, self.parsed)
        except TableParseError as error:
            if not whole and stream.tell() == largest:
                raise TableParseError(
                    f"it is larger than {largest} bytes, which may take {limit} bytes of memory: "
                    "raise max_bytes if you trust it and have the memory"
                ) from error
            if not stream.read(1):
                # It read all bytes, and would have read more.
                raise TableParseError("its record is cut off") from error
            raise
        if not isinstance(record, dict):
            raise TableParseError(f"it is not a record: {record!r:.50}")
        return record, start + stream.tell() - begin

    def fields(self, *path: str) -> list[SchemaField]:
        """Return the fields of the record, or of a record in it.

        Parameters
        ----------
        *path : str
            Names of fields, from the outermost; records in lists are found too.

        Returns
        -------
        list of SchemaField
            Empty if there is no such record.
        """
        record = self.parsed
        for name in path:
            found = next((f for f in record["fields"] if f["name"] == name), None)
            inner = None if found is None else self._record_of(found["type"])
            if inner is None:
                return []
            record = inner
        return [
            SchemaField(f["name"], self._kind_of(f["type"]), str(f.get("doc") or ""))
            for f in record["fields"]
        ]

    def _named(self, kind: str) -> Any:
        return self.parsed.get("__named_schemas", {}).get(kind)

    def _record_of(self, kind: Any) -> dict | None:
        """Return the record in a type: that of a union, of a list, or by name."""
        if isinstance(kind, list):
            return next(filter(None, map(self._record_of, kind)), None)
        if isinstance(kind, str):
            named = self._named(kind)
            return None if named is None else self._record_of(named)
        if kind.get("type") == "array":
            return self._record_of(kind["items"])
        if kind.get("type") in ("record", "error"):
            return kind
        return None

    def _kind_of(self, kind: Any) -> type | None:
        """Return the kind of column for a type."""
        if isinstance(kind, list):
            kinds = {self._kind_of(one) for one in kind if one != "null"}
            if kinds == {int, float}:
                return float
            return kinds.pop() if len(kinds) == 1 else (None if None in kinds or not kinds else str)
        if isinstance(kind, dict):
            if "logicalType" in kind:
                return str
            return self._kind_of(kind.get("type"))
        named = self._named(kind) if isinstance(kind, str) else None
        return KINDS.get(kind) if named is None else self._kind_of(named)


def schema_of(definition: Any) -> PacketSchema:
    """Return a schema that was checked.

    Parameters
    ----------
    definition : dict or list
        The schema, as its JSON is decoded.

    Returns
    -------
    PacketSchema
        To decode packets.

    Raises
    ------
    TableParseError
        If it is not a schema of records, refers to itself, or has lists of elements that take no
        bytes: such would take any memory.
    """
    what = "the schema"
    if _depth(definition) > DEEPEST_SCHEMA:
        raise TableParseError(f"{what} is nested more than {DEEPEST_SCHEMA} levels deep")
    with read_by_library(what):
        fastavro = load_fastavro()
        parsed = fastavro.parse_schema(definition)
        if isinstance(parsed, list):
            # The last one is of the packet, and those before it are of records in it.
            parsed = parsed[-1]
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise TableParseError(f"{what} is not of a record")
    with read_by_library(what):
        size = _size(parsed, parsed.get("__named_schemas", {}), (), {})
    if size.least < 1:
        raise TableParseError(f"{what} is of a record without content")
    return PacketSchema(parsed, size)


def _depth(definition: Any) -> int:
    """Return the levels of nested lists and dicts, without recursion."""
    level, deepest = [definition], 0
    while level and deepest <= DEEPEST_SCHEMA:
        deepest += 1
        inner: list = []
        for outer in level:
            if isinstance(outer, (dict, list)):
                inner += outer.values() if isinstance(outer, dict) else outer
        level = [one for one in inner if isinstance(one, (dict, list)) and one]
    return deepest


def _size(kind: Any, named: Mapping, trail: tuple, seen: dict[str, _Size]) -> _Size:
    """Return the size of a value of a type.

    fastavro decodes a record in itself by recursion, until the stack of the process ends.
    """
    if isinstance(kind, str):
        if kind in SIZES:
            return SIZES[kind]
        if kind in trail:
            raise TableParseError(f"the schema refers to itself: {kind:.50}")
        if kind not in seen:
            seen[kind] = _size(named[kind], named, trail, seen)
        return seen[kind]
    if isinstance(kind, list):
        return _size_of_union([_size(one, named, trail, seen) for one in kind])
    name = kind["type"]
    if name in ("record", "error"):
        trail = (*trail, str(kind.get("name")))
        return _size_of_record([_size(f["type"], named, trail, seen) for f in kind["fields"]])
    if name == "map":
        item = _size(kind["values"], named, trail, seen)
        # Each entry has a key, which takes a byte at least.
        structure = item.ratio if item.least else item.memory
        return _Size(1, 64, item.growth + structure + ENTRY, 64)
    if name == "array":
        item = _size(kind["items"], named, trail, seen)
        if item.least < 1:
            raise TableParseError("the schema has a list of elements without content")
        return _Size(1, 56, item.growth + item.ratio + POINTER / item.least, 56)
    if name == "enum":
        return _Size(1, 0, 0, 0)
    if name == "fixed":
        length = int(kind["size"])
        if length < 0:
            raise TableParseError(f"the schema has a length of {length}")
        return _Size(length, 33, 1, 33 / max(length, 1))
    inner = _size(name, named, trail, seen)
    if "logicalType" not in kind:
        return inner
    return inner._replace(growth=inner.growth + LOGICAL.get(name, OTHER_LOGICAL))


def _size_of_union(parts: list[_Size]) -> _Size:
    return _Size(
        1 + min(part.least for part in parts),
        max(part.memory for part in parts),
        max(part.growth for part in parts),
        # The number of the branch is a byte.
        max(part.ratio if part.least else part.memory for part in parts),
    )


def _size_of_record(parts: list[_Size]) -> _Size:
    dictionary = sys.getsizeof(dict.fromkeys(range(len(parts))))
    least = sum(part.least for part in parts)
    always = dictionary + sum(part.memory for part in parts if not part.least)
    return _Size(
        least,
        dictionary + sum(part.memory for part in parts),
        max((part.growth for part in parts), default=0.0),
        always / max(least, 1) + max((part.ratio for part in parts if part.least), default=0.0),
    )


@functools.lru_cache(maxsize=32)
def schema_of_text(text: bytes) -> PacketSchema:
    """Return the schema of a text, which thousands of packets have in common.

    Parameters
    ----------
    text : bytes
        Its JSON.

    Returns
    -------
    PacketSchema
        To decode packets.

    Raises
    ------
    TableParseError
        If it is not a schema that can be used.
    """
    if len(text) > LARGEST_SCHEMA:
        raise TableParseError(f"the schema has more than {LARGEST_SCHEMA} bytes")
    try:
        definition = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableParseError(f"the schema is not JSON: {error!s:.200}") from error
    return schema_of(definition)


def load_schema(schema: Any) -> PacketSchema:
    """Return the schema that a user gives.

    Parameters
    ----------
    schema : path-like, dict, list or object
        A file with the schema; if it refers to others, they are in the same folder, which may
        be given too. Or its content; or an object with a ``definition``, as
        ``lsst.alert.packet.Schema`` is.

    Returns
    -------
    PacketSchema
        To decode packets.

    Raises
    ------
    InvalidQueryError
        If it is not a schema.
    """
    if isinstance(schema, PacketSchema):
        return schema
    definition = getattr(schema, "definition", schema)
    try:
        if isinstance(definition, (dict, list)):
            return schema_of(definition)
        if isinstance(definition, str) and definition.lstrip()[:1] in ("{", "["):
            return schema_of_text(definition.encode())
        if isinstance(definition, (str, os.PathLike)):
            return _schema_of_file(check_path(definition, name="schema"))
    except TableParseError as error:
        raise InvalidQueryError(f"schema={_short(schema)} cannot be used: {error}") from error
    raise InvalidQueryError(
        f"schema={_short(schema)} should be the path of an Avro schema (.avsc), or its content"
    )


def _short(schema: object) -> str:
    return f"{schema!r:.100}"


def _schema_of_file(path: Path) -> PacketSchema:
    if path.is_dir():
        found = sorted(path.glob("*alert.avsc"))
        if len(found) != 1:
            raise TableParseError(f"the folder has {len(found)} files *alert.avsc, not one")
        path = found[0]
    try:
        if path.stat().st_size > LARGEST_SCHEMA:
            raise TableParseError(f"it has more than {LARGEST_SCHEMA} bytes")
        text = path.read_bytes()
    except OSError as error:
        raise TableParseError(f"it cannot be read: {error.strerror or error}") from error
    try:
        return schema_of_text(text)
    except TableParseError as error:
        if type(error.__cause__).__name__ != "UnknownType" or path.suffix != ".avsc":
            raise
    # It refers to others by name, which fastavro looks for in the folder.
    with read_by_library(str(path)):
        loaded = load_fastavro().schema.load_schema(str(path))
    return schema_of(loaded)


@functools.lru_cache(maxsize=64)
def numbered_schema(number: int) -> PacketSchema:
    """Return the schema of LSST that has a number, from the survey's package if it is installed.

    Parameters
    ----------
    number : int
        A hundred times the version, and the minor version: 1101 is 11.1.

    Returns
    -------
    PacketSchema
        To decode packets.

    Raises
    ------
    InvalidQueryError
        If the package is not installed, or does not have it.
    """
    major, minor = divmod(number, 100)
    lsst = f"LSST's schema {major}.{minor}" if 100 <= number < 10_000 else "the schema"
    remedy = "Give it as schema=, the path of an .avsc file or its content"
    try:
        spec = importlib.util.find_spec(LSST_PACKAGE)
    except (ImportError, ValueError):
        spec = None
    for folder in (spec and spec.submodule_search_locations) or ():
        versions = Path(folder, "schema")
        path = versions / str(major) / str(minor) / f"lsst.v{major}_{minor}.alert.avsc"
        if path.is_file():
            return load_schema(path)
        remedy += f"; the installed lsst-alert-packet has no schema {major}.{minor}"
    if spec is None and 100 <= number < 10_000:
        remedy += ", or install lsst-alert-packet, which has those of LSST"
    raise InvalidQueryError(
        f"the packet has the number {number} of its schema, not the schema itself: {lsst} is "
        f"needed. {remedy}."
    )

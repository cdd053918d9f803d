"""Files of light curves in the format LCC-CSVLC-V1: their headers and their rows."""

import contextlib
import functools
import itertools
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.lccserver.definitions import Definition, definitions
from atlasquery.lccserver.fields import FieldError, Fields
from atlasquery.tables import Column, Rows
from atlasquery.tables.decompression import GZIP

__all__ = ["LARGEST", "CsvLightCurve", "parse_csvlc", "parse_together", "unpack"]

VERSION = "LCC-CSVLC-V1"
METADATA, COLUMNS, DATA = "OBJECT METADATA", "COLUMN DEFINITIONS", "LIGHTCURVE"
#: Bytes of a file, unpacked, beyond which it is taken for an attack: a million rows of 30 columns.
LARGEST = 1 << 28
# Ways to divide a line with separators in its strings that are tried before it is refused.
MOST_WAYS = 5000
# Bytes that stand for a separator, and for one within a string: no string has them.
UNIT, WITHIN = b"\x1f", b"\x1e"


@dataclass
class CsvLightCurve:
    """A file of a light curve.

    Parameters
    ----------
    info : dict of str to object
        The entries about the object, None for a missing value.
    about : dict of str to str
        The description of each.
    definitions : tuple of Definition
        Its columns.
    rows : Rows
        Their values, under the server's names.
    first_line : int
        The number of the line that the first row is on.
    """

    info: dict[str, object]
    about: dict[str, str]
    definitions: tuple[Definition, ...]
    rows: Rows
    first_line: int


def parse_csvlc(data: bytes, *, name: str = "the light curve") -> CsvLightCurve:
    """Read a file of a light curve.

    Parameters
    ----------
    data : bytes
        The file, compressed by gzip or not.
    name : str, optional
        What it is, for messages.

    Returns
    -------
    CsvLightCurve
        All its columns.

    Raises
    ------
    TableParseError
        If it breaks off, is of another format, or a line does not match the header; the
        message has the number of the line.
    """
    opened = _opened(data, name)
    return opened.read(_rows(opened))


def parse_together(files: Sequence[tuple[str, bytes]]) -> list[CsvLightCurve | TableParseError]:
    """Read files of light curves, those of the same columns together.

    Files of some hundred rows are so read in half of the time.

    Parameters
    ----------
    files : sequence of tuple of (str, bytes)
        What each is, for messages, and the file, compressed by gzip or not.

    Returns
    -------
    list of CsvLightCurve or TableParseError
        For each of them what `parse_csvlc` returns or raises.
    """
    found: list = [None] * len(files)
    alike: dict[tuple, list[int]] = {}
    for n, (name, data) in enumerate(files):
        try:
            found[n] = _opened(data, name)
        except TableParseError as error:
            found[n] = error
        else:
            # Definitions of the same text are the same object.
            alike.setdefault((found[n].separator, id(found[n].defined)), []).append(n)
    for group in alike.values():
        for n, rows in zip(group, _rows_together([found[n] for n in group]), strict=True):
            found[n] = rows if isinstance(rows, TableParseError) else found[n].read(rows)
    return found


def unpack(data: bytes, *, name: str, longest: int = LARGEST) -> bytes:
    """Return the contents of a file that may be packed by gzip.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        What it is, for messages.
    longest : int, optional
        The bytes of contents beyond which it is refused.

    Returns
    -------
    bytes
        All of them.

    Raises
    ------
    TableParseError
        If it breaks off, is damaged or is too long.
    """
    if not data.startswith(GZIP):
        return data
    parts, left, size = [], data, 0
    while left.startswith(GZIP):
        unpacker = zlib.decompressobj(31)
        try:
            part = unpacker.decompress(left, longest - size + 1)
        except zlib.error as error:
            raise TableParseError(f"{name} is damaged: {error}") from None
        size += len(part)
        if size > longest:
            raise TableParseError(f"{name} is of more than {longest >> 20} MiB when unpacked")
        parts.append(part)
        if not unpacker.eof:
            line = sum(p.count(b"\n") for p in parts) + 1
            raise TableParseError(f"{name} breaks off in line {line}: its packing has no end")
        left = unpacker.unused_data
    return b"".join(parts)


@dataclass
class _File:
    """A file whose header was read, and whose rows were not."""

    name: str
    info: dict[str, object]
    defined: tuple[Definition, ...]
    separator: bytes
    first_line: int
    body: bytes

    def read(self, rows: Rows) -> CsvLightCurve:
        """Return it with its rows."""
        values = {key: _value(entry) for key, entry in self.info.items()}
        about = {key: _about(entry) for key, entry in self.info.items()}
        return CsvLightCurve(values, about, self.defined, rows, self.first_line)


def _opened(data: bytes, name: str) -> _File:
    text = unpack(data, name=name).replace(b"\r\n", b"\n")
    header, start = _header(text, name)
    info = _metadata(header, name)
    section = header.section(COLUMNS, DATA, name)
    try:
        defined = definitions(section.text)
    except ValueError as error:
        raise TableParseError(f"{section.where(error)} of {name}: {error}") from None
    first_line = text.count(b"\n", 0, start) + 1
    body = text[start:]
    if body and not body.endswith(b"\n"):
        last = first_line + body.count(b"\n")
        raise TableParseError(f"{name} breaks off in line {last}: {_shown(body[-200:])}")
    return _File(name, info, defined, header.separator, first_line, body)


@dataclass
class _Section:
    """A part of the header, without its comment marks."""

    text: str
    line: int

    def where(self, error: Exception) -> str:
        """Return the line of the file in which JSON is wrong."""
        return f"line {self.line + getattr(error, 'lineno', 1) - 1}"


@dataclass
class _FileHeader:
    lines: list[str]
    separator: bytes

    def section(self, title: str, end: str, name: str) -> _Section:
        for mark in (title, end):
            if mark not in self.lines:
                raise TableParseError(f"{name} has no line {mark!r} in its header")
        first, last = self.lines.index(title) + 1, self.lines.index(end)
        return _Section("\n".join(self.lines[first:last]), first + 4)


def _header(text: bytes, name: str) -> tuple[_FileHeader, int]:
    """Return the header, and where the rows begin."""
    try:
        version, mark, separator, _ = text[:200].split(b"\n", 3)
    except ValueError:
        version, mark, separator = text[:40].split(b"\n")[0], b"", b""
    if version.strip() != VERSION.encode():
        raise TableParseError(f"line 1 of {name} should be {VERSION} and is {_shown(version)}")
    mark = mark.strip()
    if not mark or not separator:
        what = "a comment character" if not mark else "a separator"
        raise TableParseError(
            f"line {2 if not mark else 3} of {name} should be {what}: it is empty"
        )
    last = b"\n" + mark + b" " + DATA.encode() + b"\n"
    end = text.find(last)
    if end < 0:
        line = text.count(b"\n") + 1
        raise TableParseError(f"{name} breaks off in its header, in line {line}")
    lines = text[: end + len(last) - 1].decode("utf-8", "replace").split("\n")[3:]
    comment = mark.decode("utf-8", "replace")
    for number, content in enumerate(lines, 4):
        if not content.startswith(comment):
            raise TableParseError(
                f"line {number} of {name} should begin with {comment!r}: {_shown(content.encode())}"
            )
    return _FileHeader([line[len(comment) :].strip() for line in lines], separator), end + len(last)


def _metadata(header: _FileHeader, name: str) -> dict[str, object]:
    section = header.section(METADATA, COLUMNS, name)
    try:
        info = json.loads(section.text)
    except (ValueError, RecursionError) as error:
        raise TableParseError(f"{section.where(error)} of {name} is not JSON: {error}") from None
    if not isinstance(info, dict):
        raise TableParseError(f"line {section.line} of {name} should begin a JSON object")
    return info


def _value(entry: object) -> object:
    """Return the value of an entry of the header, None if it has none."""
    value = entry.get("val") if isinstance(entry, dict) else entry
    # JSON has no NaN, but the server writes it.
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _about(entry: object) -> str:
    desc = entry.get("desc") if isinstance(entry, dict) else None
    return desc if isinstance(desc, str) else ""


def _rows(file: _File) -> Rows:
    """Return the rows of all columns."""
    body, separator = _with_one_byte(file.body, file.separator)
    restored = None
    try:
        fields = Fields(body, separator, len(file.defined))
    except ValueError:
        body = _with_quoted_separators(body, separator, file.defined, file.first_line, file.name)
        fields, restored = Fields(body, separator, len(file.defined)), separator.decode("latin-1")
    try:
        return _columns(fields, file.defined, restored)
    except FieldError as error:
        line = body.split(b"\n", error.row + 1)[error.row]
        raise TableParseError(
            f"line {file.first_line + error.row} of {file.name} has {error.column}="
            f"{error.text!r:.60}, which {error.wrong}: {_shown(line)}",
            reason=line.decode("utf-8", "replace"),
        ) from None


def _rows_together(files: list[_File]) -> list[Rows | TableParseError]:
    """Return the rows of files with the same columns, or the error of each."""
    defined = files[0].defined
    typed = all(definition.kind for definition in defined)
    if len(files) > 1 and typed:
        body, separator = _with_one_byte(b"".join(file.body for file in files), files[0].separator)
        with contextlib.suppress(ValueError):
            rows = _columns(Fields(body, separator, len(defined)), defined, None)
            return _cut(rows, [file.body.count(b"\n") for file in files])
    # Each by itself, to find the one with an error.
    found: list[Rows | TableParseError] = []
    for file in files:
        try:
            found.append(_rows(file))
        except TableParseError as error:
            found.append(error)
    return found


def _cut(rows: Rows, counts: list[int]) -> list[Rows]:
    """Cut rows into parts of so many."""
    parts = []
    for end, count in zip(itertools.accumulate(counts), counts, strict=True):
        part = slice(end - count, end)
        values = {name: array[part] for name, array in rows.values.items()}
        masks = {name: mask[part] for name, mask in rows.masks.items()}
        parts.append(Rows(list(rows.columns), values, masks, count, [count]))
    return parts


def _with_one_byte(body: bytes, separator: bytes) -> tuple[bytes, bytes]:
    """Return lines whose separator is one byte."""
    if len(separator) == 1:
        return body, separator
    return body.replace(separator, UNIT), UNIT


def _columns(fields: Fields, defined: tuple[Definition, ...], restored: str | None) -> Rows:
    fields.prepare([n for n, definition in enumerate(defined) if definition.kind in (int, float)])
    rows = Rows(length=len(fields), counts=[len(fields)])
    for n, definition in enumerate(defined):
        try:
            _add(rows, definition, fields, n, restored)
        except FieldError as error:
            error.column = definition.name
            raise
    return rows


def _add(rows: Rows, definition: Definition, fields: Fields, n: int, restored: str | None) -> None:
    kind = definition.kind or _guessed(fields, n)
    if kind is int:
        values, mask = fields.wholes(n)
    elif kind is float:
        values = fields.floats(n)
        mask = np.isnan(values)
    else:
        values, mask = fields.strings(n)
        if restored is not None:
            values = np.strings.replace(values, WITHIN.decode(), restored)
        if kind is bool:
            values, mask = _booleans(values)
    column = Column(
        definition.name,
        kind,
        unit=definition.unit if kind is float else None,
        about=definition.about,
    )
    rows.add(column, values, mask)


def _guessed(fields: Fields, n: int) -> type:
    """Return the narrowest type that fits the values of a column whose type is not known."""
    for kind, read in ((int, fields.wholes), (float, fields.floats)):
        try:
            read(n)
        except FieldError:
            continue
        return kind
    return str


def _booleans(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lower = np.strings.lower(np.strings.strip(values))
    yes = np.isin(lower, ("true", "1", "t"))
    known = yes | np.isin(lower, ("false", "0", "f"))
    wrong = ~known & ~np.isin(lower, ("", "nan", "none", "--"))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise FieldError(row, str(values[row]), "is neither True nor False")
    return yes, ~known


def _with_quoted_separators(
    body: bytes, separator: bytes, defined: tuple[Definition, ...], first: int, name: str
) -> bytes:
    """Return lines with other bytes for the separators that belong to strings.

    Strings are not quoted. A line with too many separators has some in its strings. If there
    is only one way to divide it so that all numbers are numbers, that is the right one.
    """
    lines = body.split(b"\n")[:-1]
    while lines and not lines[-1]:
        # Empty lines at the end hold nothing.
        lines.pop()
    width = len(defined)
    for n, line in enumerate(lines):
        fields = line.split(separator)
        if len(fields) == width:
            continue
        ways = list(itertools.islice(_ways(fields, defined), 2)) if len(fields) > width else []
        if len(ways) != 1:
            why = (
                "and there is more than one way to divide it"
                if ways
                else "so it breaks off"
                if len(fields) < width
                else "and there is no way to divide it with numbers in all columns of numbers"
            )
            raise TableParseError(
                f"line {first + n} of {name} has {len(fields)} values where its header has "
                f"{width}, {why}: {_shown(line)}",
                reason=line.decode("utf-8", "replace"),
            )
        lines[n] = separator.join(WITHIN.join(part) for part in ways[0])
    return b"".join(line + b"\n" for line in lines)


def _ways(fields: list[bytes], defined: tuple[Definition, ...]) -> Iterator[list[list[bytes]]]:
    """Yield each way to divide a line in which all numbers are numbers."""
    strings = [n for n, d in enumerate(defined) if d.kind is str]
    extra = len(fields) - len(defined)
    if not strings:
        return
    # Each string may take 0 to `extra` further fields, and all together take all of them.
    tried = itertools.combinations(range(extra + len(strings) - 1), len(strings) - 1)
    for bars in itertools.islice(tried, MOST_WAYS + 1):
        edges = (-1, *bars, extra + len(strings) - 1)
        further = dict(zip(strings, (b - a - 1 for a, b in itertools.pairwise(edges)), strict=True))
        parts, start = [], 0
        for n in range(len(defined)):
            size = 1 + further.get(n, 0)
            parts.append(fields[start : start + size])
            start += size
        if all(_fits(part[0], d.kind) for part, d in zip(parts, defined, strict=True)):
            yield parts


@functools.lru_cache(maxsize=1024)
def _fits(field: bytes, kind: type | None) -> bool:
    if kind not in (int, float):
        return True
    if not field.strip():
        # A missing number is "nan" (see docs/servers/lccserver.rst, "Missing values"), an empty
        # field may be a string.
        return False
    try:
        one = Fields(field + b"\n", UNIT, 1)
        one.wholes(0) if kind is int else one.floats(0)
    except ValueError:
        return False
    return True


def _shown(line: bytes) -> str:
    return repr(line[:200].decode("utf-8", "replace"))

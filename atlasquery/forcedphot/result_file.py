"""Result files of any year, and the copies that users keep of them: columns by name.

A file as the server sends it is read by `numpy.loadtxt`, whose reader is compiled.
It is given the type of each column, so that it does not have to guess. Files
of other forms (a copy as CSV, a lost header mark, a remark, a broken line) are read
by `result_lines`, line by line: that is slower, accepts more, and reports what is wrong.
"""

import functools
import io
from collections.abc import Sequence

import numpy as np

from atlasquery.exceptions import InputWarning, TableParseError
from atlasquery.forcedphot.columns import RESULT
from atlasquery.forcedphot.result_lines import LARGEST_MJD, is_number, read_lines
from atlasquery.lightcurve.schema import SCHEMA
from atlasquery.service.failures import check_on_error, some
from atlasquery.tables import Column, Rows
from atlasquery.tables.decompression import LARGEST, unpack_gzip
from atlasquery.warn import warn

__all__ = ["parse_result"]

BLANK = b" \t\r\n"
# Encodings of files that begin with a byte order mark.
BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
# Number of bytes in which the first row is looked for.
SAMPLE = 4096
# Characters of a string column that are read; a longer value is read again with more.
TEXT_WIDTH = 24
ABOUT_UNKNOWN = "In the file, not known to this version of atlasquery."


def parse_result(
    text: str | bytes,
    *,
    name: str = "the result file",
    on_error: str = "raise",
    complete: bool = False,
    limit: int = LARGEST,
) -> Rows:
    """Read a result file, or a copy of one.

    Parameters
    ----------
    text : str or bytes
        The file: a header with the names of columns, such as ``###MJD m dm uJy``, and a
        line for each exposure. Columns are separated by white space, commas or
        semicolons. Bytes may be packed by gzip, or in UTF-16.
    name : str, optional
        Name of the file, for messages.
    on_error : {"raise", "warn"}, optional
        Whether broken lines are an error, or omitted with a warning that names them.
    complete : bool, optional
        Whether the file must be as the server sent it, and so end with a newline.
    limit : int, optional
        Largest number of bytes of a packed file when it is unpacked.

    Returns
    -------
    Rows
        The columns of `~atlasquery.forcedphot.columns.RESULT`, masked if the file
        does not have them, then other columns of the file.

    Raises
    ------
    TableParseError
        If there is no such header, or a line has another number of values or one that
        is not a number; the message has the number of the line and its text. If it is
        packed, and is damaged or too large.

    Warns
    -----
    InputWarning
        If broken lines are omitted, or numbers that were too long to be printed
        (``*****``) are masked.
    """
    check_on_error(on_error)
    body = _decoded(text, name, limit)
    if complete and body.strip(BLANK) and not body.endswith(b"\n"):
        last = body.rstrip(BLANK).rpartition(b"\n")[2].decode("utf-8", "replace")
        raise TableParseError(
            f"{name} was cut short: it does not end with a newline but with {last:.200}",
            reason=last,
        )
    rows = _as_sent(body)
    return rows if rows is not None else _from_copy(body, name, on_error, copy=not complete)


def _decoded(text: str | bytes, name: str, limit: int) -> bytes:
    """Return the file in UTF-8, unpacked and without a byte order mark."""
    if isinstance(text, str):
        return text.removeprefix("\ufeff").encode("utf-8", "surrogatepass")
    body = unpack_gzip(bytes(text), limit=limit, what=name)
    for mark, encoding in BYTE_ORDER_MARKS:
        if body.startswith(mark):
            body = body[len(mark) :]
            return body if encoding == "utf-8" else _from_utf16(body, encoding, name)
    # The names of columns are ASCII: in UTF-16 without a mark, every second byte is zero.
    if len(body) > 1 and 0 in body[:2]:
        return _from_utf16(body, "utf-16-le" if body[1] == 0 else "utf-16-be", name)
    return body


def _from_utf16(body: bytes, encoding: str, name: str) -> bytes:
    try:
        return body.decode(encoding).encode()
    except UnicodeError as error:
        raise TableParseError(f"{name} could not be read as {encoding}: {error}") from error


# Files as the server sends them.


def _as_sent(body: bytes) -> Rows | None:
    """Return the rows of a file as the server sends it, else None."""
    header, end = _header(body)
    names = header.lstrip("#").split()
    plain = header.startswith("#") and "MJD" in names and len(set(names)) == len(names)
    # A last line without a newline may be cut, which is checked line by line.
    if not plain or not body.endswith(b"\n") or any(sign in header for sign in ',;"'):
        return None
    sample, _ = _header(body[end : end + 2 * end + SAMPLE])
    if not sample and not body[end:].strip():
        return _arranged(names, {})
    try:
        table = _read(body[end:], names, _kinds(names, sample.split()))
    except ValueError:
        return None
    if not np.all(np.abs(table["MJD"]) < LARGEST_MJD):
        return None
    return _arranged(names, {name: np.ascontiguousarray(table[name]) for name in names})


def _header(body: bytes) -> tuple[str, int]:
    """Return the first line that is not blank, and where it ends."""
    start = len(body) - len(body.lstrip(BLANK))
    end = body.find(b"\n", start)
    end = len(body) if end < 0 else end + 1
    # Every byte is a character, so that a damaged file is shown as it is.
    return body[start:end].decode("latin-1").strip(), end


def _kinds(names: Sequence[str], values: Sequence[str]) -> dict[str, type]:
    """Return the type of each column: as declared, else as the first line has it."""
    first = dict(zip(names, values, strict=False))
    declared = {wire: column.kind for wire, column in RESULT.by_wire.items()}
    kinds: dict[str, type] = {}
    for name in names:
        kind = declared.get(name) or (float if is_number(first.get(name, "")) else str)
        # Read as a float: a whole number may come as 0.0, and nan means that it is missing.
        kinds[name] = str if kind is str else float
    return kinds


def _read(body: bytes, names: list[str], kinds: dict[str, type]) -> np.ndarray:
    """Return the columns; a ValueError means that the file is not as the server sends it."""
    try:
        table = _load(body, names, kinds, TEXT_WIDTH)
    except ValueError:
        # A column that began with numbers may have strings further down.
        unknown = {n: str for n in names if kinds[n] is not str and n not in RESULT.by_wire}
        if not unknown:
            raise
        kinds = kinds | unknown
        table = _load(body, names, kinds, TEXT_WIDTH)
    strings = [table[n] for n in names if kinds[n] is str]
    if any(np.any(np.strings.str_len(values) >= TEXT_WIDTH) for values in strings):
        # No value is longer than its line.
        return _load(body, names, kinds, max(map(len, body.split(b"\n"))) + 1)
    return table


def _load(body: bytes, names: list[str], kinds: dict[str, type], width: int) -> np.ndarray:
    dtype = np.dtype([(n, f"S{width}" if kinds[n] is str else "f8") for n in names])
    return np.loadtxt(io.BytesIO(body), dtype=dtype, comments=None, ndmin=1, encoding="latin-1")


# Copies.


def _from_copy(body: bytes, name: str, on_error: str, *, copy: bool) -> Rows:
    """Return the rows of any other file, without its broken lines if they are only a warning."""
    lines = read_lines(body, name)
    columns, bad, overflown = lines.columns()
    broken = sorted([*lines.broken, *bad])
    if broken:
        _report(broken, name, on_error, len(columns["MJD"]) if copy else 0)
    if overflown:
        warn(
            f"{name} has {overflown} numbers that were too long to be printed (****); they are "
            "masked",
            InputWarning,
        )
    return _arranged(lines.names, columns)


def _report(broken: list[tuple[int, str, str]], name: str, on_error: str, n_good: int) -> None:
    """Report the broken lines, as an error or as a warning."""
    number, wrong, line = broken[0]
    if on_error == "raise":
        others = f" ({len(broken) - 1} further lines are broken)" if len(broken) > 1 else ""
        remedy = f"; on_error='warn' omits it and reads the other {n_good}" if n_good else ""
        raise TableParseError(
            f"line {number} of {name} {wrong}: {line:.200}{others}{remedy}", reason=line
        )
    named = [f"line {number} {wrong}: {line:.200}" for number, wrong, line in broken]
    warn(
        f"{name}: {len(broken)} broken lines are omitted: {some(named)}",
        InputWarning,
    )


def _arranged(names: list[str], values: dict[str, np.ndarray]) -> Rows:
    """Return the declared columns, masked if they are missing, then the others."""
    length = len(values[names[0]]) if values else 0
    rows = Rows(length=length, counts=[length])
    unknown = [n for n in names if n not in RESULT.by_wire]
    taken = {*RESULT.by_name, *(column.name for column in SCHEMA)}
    extra = []
    for wire in unknown:
        public = wire
        while public in taken:
            public += "_wire"
        taken.add(public)
        kind = float if not values or values[wire].dtype.kind == "f" else str
        extra.append(Column(wire, kind, to=public, about=ABOUT_UNKNOWN))
    for column in (*RESULT, *extra):
        _add(rows, column, values.get(column.wire), length)
    return rows


def _add(rows: Rows, column: Column, values: np.ndarray | None, length: int) -> None:
    if values is None:
        filler = {float: np.nan, int: 0, str: ""}[column.kind]
        dtype = {float: "f8", int: "i8", str: "U1"}[column.kind]
        rows.add(column, np.full(length, filler, dtype), np.ones(length, bool))
    elif column.kind is str:
        strings = values if values.dtype.kind == "U" else _as_strings(values)
        rows.add(column, strings, np.strings.str_len(strings) == 0)
    elif column.kind is int:
        mask = ~np.isfinite(values) | (values != np.rint(values)) | (np.abs(values) >= 2**53)
        rows.add(column, np.where(mask, 0, values).astype("i8"), mask)
    else:
        rows.add(column, values, np.isnan(values))


def _as_strings(values: np.ndarray) -> np.ndarray:
    """Return bytes as strings in which each byte is a character."""
    width = max(1, int(np.strings.str_len(values).max(initial=1)))
    codes = np.ascontiguousarray(values.astype(f"S{width}")).view(np.uint8)
    return codes.astype(np.uint32).view(f"U{width}")


@functools.cache
def empty_rows() -> Rows:
    """Return the rows of a file that has only a header.

    Returns
    -------
    Rows
        All declared columns, without a row.
    """
    return _arranged([column.wire for column in RESULT], {})

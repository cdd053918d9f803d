"""Result files of any year: columns by name, ragged lines named, thousands of rows in milliseconds.

The work is done by `numpy.loadtxt`, whose reader is compiled. It is told the
type of each column, so that it neither guesses nor looks twice; only when it
fails are the lines looked at one by one, to name the one that is wrong.
"""

import functools
import io

import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.forcedphot.columns import RESULT
from atlasquery.lightcurve.schema import SCHEMA
from atlasquery.tables import Column, Rows

__all__ = ["parse_result"]

BLANK = b" \t\r\n"
# Bytes in which the first row is looked for.
SAMPLE = 4096
# Characters of a text column that are read; a longer value makes it read again with more.
TEXT_WIDTH = 24
ABOUT_UNKNOWN = "In the file, not known to this version of atlasquery."


def parse_result(text: str | bytes, *, name: str = "the result file") -> Rows:
    """Read a result file.

    Parameters
    ----------
    text : str or bytes
        The file: a header that begins with ``###MJD``, and a line for each exposure.
    name : str, optional
        What it is, for messages.

    Returns
    -------
    Rows
        The columns of `~atlasquery.forcedphot.columns.RESULT`, masked where the file
        lacks them, then what else the file has.

    Raises
    ------
    TableParseError
        If there is no such header, or a line has another number of values or one that
        is no number; the message has the number of the line and its text.
    """
    body = text.encode() if isinstance(text, str) else bytes(text)
    header, end = _header(body)
    if not header.startswith("#") or "MJD" not in header:
        raise TableParseError(
            f"{name} does not begin with a header such as '###MJD m dm uJy duJy ...' "
            f"but with {header!r:.100}"
        )
    names = header.lstrip("#").split()
    if len(set(names)) != len(names):
        raise TableParseError(f"{name} has a column twice: {header}")
    sample, _ = _header(body[end : end + 2 * end + SAMPLE])
    if not sample and not body[end:].strip():
        return _arranged(names, {})
    kinds = _kinds(names, sample)
    try:
        table = _read(body[end:], names, kinds)
    except ValueError as error:
        raise _named(body, names, kinds, name, error) from error
    return _arranged(names, {name: np.ascontiguousarray(table[name]) for name in names})


def _header(body: bytes) -> tuple[str, int]:
    """Return the first line that is not blank, and where it ends."""
    start = len(body) - len(body.lstrip(BLANK))
    end = body.find(b"\n", start)
    end = len(body) if end < 0 else end + 1
    # Every byte is a character, so that a damaged file is shown as it is.
    return body[start:end].decode("latin-1").strip(), end


def _kinds(names: list[str], line: str) -> dict[str, str]:
    """Return the type of each column: as declared, else as the first line has it."""
    values = dict(zip(names, line.split(), strict=False))
    declared = {wire: column.kind for wire, column in RESULT.by_wire.items()}
    kinds = {}
    for name in names:
        kind = declared.get(name) or (float if _is_number(values.get(name, "")) else str)
        # Read as a float: a whole number may come as 0.0, and nan says that there is none.
        kinds[name] = "S" if kind is str else "f8"
    return kinds


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _read(body: bytes, names: list[str], kinds: dict[str, str]) -> np.ndarray:
    width = TEXT_WIDTH
    while True:
        dtype = np.dtype([(n, f"S{width}" if kinds[n] == "S" else kinds[n]) for n in names])
        try:
            table = np.loadtxt(
                io.BytesIO(body), dtype=dtype, comments=None, ndmin=1, encoding="latin-1"
            )
        except ValueError:
            # A column that looked like one of numbers may have a text further down.
            unknown = [n for n in names if kinds[n] != "S" and n not in RESULT.by_wire]
            if not unknown:
                raise
            for n in unknown:
                kinds[n] = "S"
            continue
        texts = [table[n] for n in names if kinds[n] == "S"]
        if not any(np.any(np.strings.str_len(values) >= width) for values in texts):
            return table
        width = max(map(len, body.split(b"\n")))


def _named(body: bytes, names, kinds, name: str, cause: Exception) -> TableParseError:
    """Return the error that names the first line that is not as the header says."""
    headed = False
    for number, line in enumerate(body.decode("latin-1").split("\n"), start=1):
        values = line.split()
        if not values or not headed:
            headed = headed or bool(values)
            continue
        line = line.rstrip("\r")
        if len(values) != len(names):
            wrong = f"has {len(values)} values where its header has {len(names)}"
        else:
            bad = [
                f"{n}={value}"
                for n, value in zip(names, values, strict=True)
                if kinds[n] != "S" and not _is_number(value)
            ]
            if not bad:
                continue
            wrong = f"has {bad[0]}, which is no number"
        return TableParseError(f"line {number} of {name} {wrong}: {line:.200}", reason=line)
    return TableParseError(f"{name} could not be read: {cause}")


def _arranged(names: list[str], values: dict[str, np.ndarray]) -> Rows:
    """Return the declared columns, masked where there are none, then the others."""
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
    if rows.masks["time"].any():
        raise TableParseError("a result file lacks the MJD of a row")
    return rows


def _add(rows: Rows, column: Column, values: np.ndarray | None, length: int) -> None:
    if values is None:
        filler = {float: np.nan, int: 0, str: ""}[column.kind]
        dtype = {float: "f8", int: "i8", str: "U1"}[column.kind]
        rows.add(column, np.full(length, filler, dtype), np.ones(length, bool))
    elif column.kind is str:
        rows.add(column, *_as_text(values))
    elif column.kind is int:
        mask = ~np.isfinite(values) | (values != np.rint(values)) | (np.abs(values) >= 2**53)
        rows.add(column, np.where(mask, 0, values).astype("i8"), mask)
    else:
        rows.add(column, values, np.isnan(values))


def _as_text(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return bytes as texts in which each is a character, and which are empty."""
    lengths = np.strings.str_len(values)
    width = max(1, int(lengths.max(initial=1)))
    codes = np.ascontiguousarray(values.astype(f"S{width}")).view(np.uint8)
    return codes.astype(np.uint32).view(f"U{width}"), lengths == 0


@functools.cache
def empty_rows() -> Rows:
    """Return the rows of a file that has only a header.

    Returns
    -------
    Rows
        All declared columns, without a row.
    """
    return _arranged([column.wire for column in RESULT], {})

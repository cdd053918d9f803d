"""Copies of result files, line by line: any separator, several headers, broken lines by number."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.forcedphot.columns import RESULT

__all__ = ["Lines", "is_number", "read_lines"]

# What separates columns; None is any white space.
SEPARATORS = (";", ",", "\t", None)
# Columns of which a header has one, besides MJD; without its ### it has the flux.
BRIGHTNESS = {"m", "uJy"}
WIRE = {wire.lower(): wire for wire in RESULT.by_wire}
# What programs write for a missing value, besides nan.
MISSING = {"", "None", "null", "NULL", "--", "NA", "N/A", "n/a", "<NA>"}
# A number that was too long for its column in the file.
OVERFLOW = re.compile(r"[+-]?\*+")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
# The beginning of the name of an exposure, such as 01a59001o0101o, when its end is cut off.
CUT_EXPOSURE = re.compile(r"\d{1,2}|\d\d[a-z]\d{0,5}|\d\d[a-z]\d{5}[a-z]\d{0,4}")

BrokenLine = tuple[int, str, str]
# Days; a Julian date is larger.
LARGEST_MJD = 1e6


def is_number(value: str) -> bool:
    """Return whether a string is a number.

    Parameters
    ----------
    value : str
        The string.

    Returns
    -------
    bool
        True also for ``nan``.
    """
    try:
        float(value)
    except ValueError:
        return False
    return True


@dataclass
class Lines:
    """The lines of a file by their headers.

    Parameters
    ----------
    blocks : list of tuple
        The names of a header, and the values of each line below it.
    numbers : list of list of int
        The number of each line in the file, block by block.
    broken : list of tuple
        Number, error and content of each line that does not fit its header.
    lines : list of list of str
        Each line as it is in the file, block by block.
    decimal_comma : bool
        Whether numbers are written as 1,5.
    """

    blocks: list[tuple[list[str], list[list[str]]]] = field(default_factory=list)
    numbers: list[list[int]] = field(default_factory=list)
    broken: list[BrokenLine] = field(default_factory=list)
    lines: list[list[str]] = field(default_factory=list)
    decimal_comma: bool = False

    @property
    def names(self) -> list[str]:
        """The names of all headers, each once."""
        return list(dict.fromkeys(name for names, _ in self.blocks for name in names))

    def columns(self) -> tuple[dict[str, np.ndarray], list[BrokenLine], int]:
        """Return the values by column.

        Returns
        -------
        columns : dict of str to `~numpy.ndarray`
            Floats, NaN if missing, or strings, empty if missing, of the lines that
            are not broken.
        broken : list of tuple
            Number, error and content of each line with a value that is not a number.
        overflown : int
            Number of values that were too long to be printed.
        """
        numbers = [number for block in self.numbers for number in block]
        lines = [line for block in self.lines for line in block]
        columns: dict[str, np.ndarray] = {}
        wrong: dict[int, str] = {}
        overflown = 0
        for name in self.names:
            cells = self._cells(name)
            declared = RESULT.by_wire.get(name)
            if declared is not None and declared.kind is str:
                columns[name] = _strings(["" if _missing(cell) else cell for cell in cells])
                continue
            columns[name], bad, n = self._numbers(cells)
            if bad and declared is None:
                columns[name] = _strings(cells)
                continue
            overflown += n
            for at in bad:
                wrong.setdefault(at, f"has {name}={cells[at]}, which is not a number")
        mjd = columns["MJD"]
        for at in np.flatnonzero(~(np.abs(mjd) < LARGEST_MJD)).tolist():
            given = "no MJD" if np.isnan(mjd[at]) else f"MJD={mjd[at]:.10g}, which is not an MJD"
            wrong.setdefault(at, f"has {given}")
        good = np.ones(len(numbers), bool)
        good[list(wrong)] = False
        broken = [(numbers[at], why, lines[at]) for at, why in sorted(wrong.items())]
        return {name: array[good] for name, array in columns.items()}, broken, overflown

    def _cells(self, name: str) -> list[str]:
        """Return a column of all blocks, empty for blocks without it."""
        cells: list[str] = []
        for names, values in self.blocks:
            if name in names:
                position = names.index(name)
                cells += [line[position] for line in values]
            else:
                cells += [""] * len(values)
        return cells

    def _numbers(self, values: list[str]) -> tuple[np.ndarray, list[int], int]:
        """Return values as floats, the indices of others, and the number of overflows."""
        if self.decimal_comma:
            values = [v.replace(",", ".") if DECIMAL_COMMA.match(v) else v for v in values]
        try:
            return np.array(values, dtype=str).astype(float), [], 0
        except ValueError:
            pass
        array = np.full(len(values), np.nan)
        bad, overflown = [], 0
        for at, value in enumerate(values):
            if _missing(value):
                continue
            if OVERFLOW.fullmatch(value):
                overflown += 1
            elif is_number(value):
                array[at] = float(value)
            else:
                bad.append(at)
        return array, bad, overflown


def _strings(values: list[str]) -> np.ndarray:
    # The width of an array without rows would be 0.
    return np.array(values, dtype=str) if values else np.zeros(0, "U1")


def _missing(value: str) -> bool:
    return value in MISSING or value.lower() == "nan"


def read_lines(body: bytes, name: str) -> Lines:
    """Divide a file into headers and lines of values.

    Parameters
    ----------
    body : bytes
        The file, in UTF-8 or any encoding whose digits are ASCII.
    name : str
        Name of the file, for messages.

    Returns
    -------
    Lines
        The values as strings, without blank lines and remarks, which begin with ``#``.

    Raises
    ------
    TableParseError
        If no line before the first values is a header, or one has a column twice.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        # Every byte is a character, so that a damaged file is shown as it is.
        text = body.decode("latin-1")
    # Non-breaking spaces come from web pages.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ").split("\n")
    # White space after the last value shows that it is complete.
    unended = len(lines) if lines[-1][-1:].strip() else 0
    result = Lines()
    separator = None
    for number, raw in enumerate(lines, start=1):
        # A column at either end may be empty where tabs separate.
        line = raw.strip(" ")
        if not line.strip():
            continue
        if (header := _header(line)) is not None:
            names, separator = header
            if len(set(names)) < len(names) - max(names.count("") - 1, 0):
                raise TableParseError(f"{name} has a column twice: {line:.300}")
            result.blocks.append((names, []))
            result.numbers.append([])
            result.lines.append([])
        elif line.startswith(("#", '"#')):
            continue
        elif not result.blocks:
            raise _no_header(line, name)
        else:
            cells = _cells(line, separator)
            _add(result, cells, number, line.strip(), number == unended)
    if not result.blocks:
        raise _no_header(text.strip(), name)
    _check_decimals(result)
    _name_columns(result)
    return result


def _no_header(line: str, name: str) -> TableParseError:
    return TableParseError(
        f"{name} does not begin with a header such as '###MJD m dm uJy duJy ...' but with "
        f"{line!r:.100}"
    )


def _header(line: str) -> tuple[list[str], str | None] | None:
    """Return the names of the columns and their separator, if a line is a header."""
    if "MJD" not in line.upper():
        return None
    marked = line.startswith(("#", '"#'))
    for separator in SEPARATORS:
        if separator is not None and separator not in line:
            continue
        cells = [cell.lstrip("#").strip() for cell in _cells(line, separator) if cell != "#"]
        # Some programs write all names in lower case.
        known = [cell if cell in RESULT.by_wire else WIRE.get(cell.lower(), cell) for cell in cells]
        names = known if len(set(known)) == len(set(cells)) else cells
        needed = BRIGHTNESS if marked else {"uJy"}
        if "MJD" in names and needed & {*names} and not any(map(is_number, names)):
            return names, separator
    return None


def _cells(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.replace('"', "").split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]
    except csv.Error:
        return [cell.strip() for cell in line.replace('"', "").split(separator)]


def _add(result: Lines, cells: list[str], number: int, line: str, unended: bool) -> None:
    """Add a line of values, or note that it is broken."""
    names, values = result.blocks[-1]
    if len(cells) == len(names) + 1 and not cells[-1]:
        # A separator at the end of each line has nothing after it.
        del cells[-1]
    if len(cells) != len(names) and len(blank := _cells(line, None)) == len(names):
        cells = blank
    if len(cells) == len(names):
        others = [other[-1] for other in values]
        if not unended or not _is_cut(names[-1], cells[-1], others):
            values.append(cells)
            result.numbers[-1].append(number)
            result.lines[-1].append(line)
            return
        wrong = f"does not end, and its {names[-1]}={cells[-1]} looks cut short"
    else:
        wrong = f"has {len(cells)} values where its header has {len(names)}"
        if unended and len(cells) < len(names):
            wrong += "; it does not end, and was cut short"
    result.broken.append((number, wrong, line))


def _is_cut(name: str, value: str, others: Sequence[str]) -> bool:
    if name == "Obs" and CUT_EXPOSURE.fullmatch(value):
        return True
    if is_number(value):
        decimals = [len(other.partition(".")[2]) for other in others if is_number(other)]
        return bool(decimals) and len(value.partition(".")[2]) < min(decimals)
    return bool(others) and len(value) < min(map(len, others))


def _check_decimals(result: Lines) -> None:
    """Find out whether numbers have a decimal comma, from times of five digits."""
    for names, values in result.blocks:
        for line in values[:1]:
            if DECIMAL_COMMA.fullmatch(line[names.index("MJD")]):
                result.decimal_comma = True


def _name_columns(result: Lines) -> None:
    """Name columns without a name; remove empty ones, and those of pandas that count rows."""
    for names, values in result.blocks:
        for position in reversed([n for n, name in enumerate(names) if not name]):
            cells = [line[position] for line in values]
            if any(cells) and cells != [str(n) for n in range(len(cells))]:
                names[position] = f"column_{position + 1}"
                continue
            del names[position]
            for line in values:
                del line[position]

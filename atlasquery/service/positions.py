"""Positions as people type and read them, alone or with a name in the lines of a file."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = [
    "DEC_NAMES",
    "NAME_NAMES",
    "RA_NAMES",
    "RIGHT",
    "format_degrees",
    "read_listing",
    "read_position",
]

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
COLONS = r"[+-]?\d+(?::\d+)?:\d+\.?\d*"
# A unit separates two numbers, so that a word can be read in one way only.
UNIT = r"(?:hours?|hr|h|degrees?|deg|d|\u00b0|m|min|s|sec|'|\u2032|\u2033)"
UNITS = rf"(?:{NUMBER}{UNIT})+(?:{NUMBER})?"
MINUS = "\u2212"
WITH_UNITS = rf"{NUMBER}\s*(?:[hd°]|deg)(?:[\s\d+-].*)?"
RIGHT = "such as '150.1 +2.2' (degrees), '10:00:24 +02:12:00' or '10h00m24s +02d12m'"
QUOTES = "; put a name that is a number in quotes"
# No number or unit is longer; to match a longer word takes a time that grows with its square.
LONGEST_WORD = 100
# Names of the columns of a table or a list of targets, in lower case, most likely first.
RA_NAMES = (
    *("ra", "ra_icrs", "raicrs", "_ra.icrs", "ra_deg", "radeg", "raj2000", "_raj2000", "ra_j2000"),
    *("_ra", "ra(deg)", "meanra", "rajdeg", "alpha_j2000", "s_ra", "alpha"),
)
DEC_NAMES = (
    *("dec", "de_icrs", "deicrs", "_de.icrs", "dec_icrs", "dec_deg", "decdeg", "dedeg", "dej2000"),
    *("_dej2000", "dec_j2000", "decj2000", "_de", "dec(deg)", "decl", "meandec", "dejdeg"),
    *("delta_j2000", "s_dec", "delta", "de"),
)
NAME_NAMES = (
    *("name", "id", "object", "object_id", "objectid", "oid", "target", "source", "source_id"),
    *("objname", "obj_id", "designation", "atlas_id", "snname", "host"),
)


def format_degrees(ra: float, dec: float) -> str:
    """Return a position as messages show it and `read_position` reads it.

    Parameters
    ----------
    ra, dec : float
        The position, degrees.

    Returns
    -------
    str
        To 4 milliarcseconds.

    Examples
    --------
    >>> from atlasquery.service.positions import format_degrees
    >>> format_degrees(150.1163, 2.2058)
    '150.116300 +2.205800'
    """
    return f"{ra:.6f} {dec:+.6f}"


def read_position(text: str) -> "SkyCoord | None":
    """Read a position from a string.

    Parameters
    ----------
    text : str
        Two numbers are degrees. Four or six, with blanks or colons between them, are
        hours and minutes (and seconds), then degrees and minutes (and seconds). With
        units it is as `~astropy.coordinates.SkyCoord` reads it.

    Returns
    -------
    `~astropy.coordinates.SkyCoord` or None
        ICRS; None if it looks like a name.

    Raises
    ------
    InvalidQueryError
        If it looks like a position but is not a valid one.

    Examples
    --------
    >>> from atlasquery.service.positions import read_position
    >>> print(read_position("10 00.4 -00 12.0").to_string())
    150.1 -0.2
    >>> read_position("SN 2026ahw") is None
    True
    """
    from astropy.coordinates import SkyCoord

    text = " ".join(text.replace(",", " ").replace(MINUS, "-").split())
    words = text.split()
    if any(len(word) > LONGEST_WORD for word in words):
        return None
    if len(words) > 1 and all(re.fullmatch(NUMBER, word) for word in words):
        return _of_numbers(text, words)
    if len(words) == 2 and all(re.fullmatch(COLONS, word) for word in words):
        return _sexagesimal(text, *(word.split(":") for word in words))
    if re.fullmatch(rf"{NUMBER}([: ]{NUMBER})+", text) and ":" in text:
        # Colons on one side and blanks on the other: each side must be complete.
        halves = re.fullmatch(rf"({COLONS}) (.+)|(.+) ({COLONS})", text)
        if halves:
            first, second = (part for part in halves.groups() if part is not None)
            sides = (re.split("[: ]", first), re.split("[: ]", second))
            if all(2 <= len(side) <= 3 for side in sides):
                return _sexagesimal(text, *sides)
        raise _refused(text, "it mixes numbers with and without colons")
    # A name of the TNS, such as 2026dix, begins like degrees.
    if re.fullmatch(r"\d{4}[a-z]{1,6}", text, re.I) or not re.fullmatch(WITH_UNITS, text):
        return None
    first = re.match(NUMBER, text)
    hours = re.match(rf"{NUMBER}\s*h", text) is not None
    _check_range(text, float(first[0]) if first else 0.0, hours)
    try:
        return SkyCoord(text)
    except ValueError as error:
        raise _refused(text, str(error)) from None


def _of_numbers(text: str, words: list[str]) -> "SkyCoord":
    from astropy.coordinates import SkyCoord

    if len(words) == 2:
        ra, dec = map(float, words)
        _check_range(text, ra, hours=False)
        if not abs(dec) <= 90:
            raise _refused(text, "its declination is not from -90 to 90 degrees")
        return SkyCoord(ra, dec, unit="deg")
    half = len(words) // 2
    if len(words) == 5:
        # The sign of the declination tells whether the hours or the degrees have seconds.
        half = next((n for n in (2, 3) if words[n][0] in "+-"), 0)
    if len(words) not in (4, 5, 6) or not half:
        raise _refused(
            text,
            f"it has {len(words)} numbers; two are degrees, four or six are hours and minutes, "
            "then degrees and minutes",
        )
    return _sexagesimal(text, words[:half], words[half:])


def _sexagesimal(text: str, hours: list[str], degrees: list[str]) -> "SkyCoord":
    """Return the position of hours and degrees, each with minutes and perhaps seconds."""
    from astropy.coordinates import Angle, SkyCoord

    for part in (hours, degrees):
        for at, number in enumerate(part):
            last = at == len(part) - 1
            if not re.fullmatch(NUMBER if last else r"[+-]?\d+", number):
                raise _refused(text, f"{number} is not a whole number, and other numbers follow")
            if at and (number[0] in "+-" or not float(number) < 60):
                raise _refused(text, f"{number} is not from 0 to 60 minutes or seconds")
    _check_range(text, float(hours[0]), hours=True)
    if hours[0].startswith("-"):
        raise _refused(text, "it has a right ascension that is not from 0 to 24 hours")
    ra, dec = Angle(":".join(hours), "hourangle"), Angle(":".join(degrees), "deg")
    if not abs(dec.deg) <= 90:
        raise _refused(text, "its declination is not from -90 to 90 degrees")
    return SkyCoord(ra, dec)


def _check_range(text: str, ra: float, hours: bool) -> None:
    # SkyCoord reads 400 degrees as 40.
    if not 0 <= ra < (24 if hours else 360):
        range_ = "0 to 360 degrees" + (" or 0 to 24 hours" if hours else "")
        raise _refused(text, f"it has a right ascension that is not from {range_}")


def _refused(text: str, why: str) -> Exception:
    # Imported here, so that the command's help does not wait for astropy.
    from atlasquery.exceptions import InvalidQueryError

    return InvalidQueryError(f"{text!r:.200} is not a position ({why}); a position is {RIGHT}")


@dataclass
class _HeaderColumns:
    """The columns of a file of positions."""

    ra: int
    dec: int
    name: int | None
    width: int
    separator: str | None


def read_listing(lines: Iterable[str], name: str) -> tuple[list[tuple["SkyCoord", str]], list[str]]:
    """Read a file of positions.

    Parameters
    ----------
    lines : iterable of str
        One position per line, as `read_position` reads it, with an optional name before or
        after it; or ``mpc NAME``. Comments start with ``#``. The first line may name
        columns, of which ``ra``, ``dec`` and one such as ``name`` or ``id`` are read.
    name : str
        Name of the file, for messages.

    Returns
    -------
    positions : list of tuple
        Position and name, which may be empty, of each line.
    planets : list of str
        The minor planets.

    Raises
    ------
    InvalidQueryError
        If a line has neither; the message gives its number.
    """
    from atlasquery.exceptions import InvalidQueryError

    found: list[tuple[SkyCoord, str]] = []
    planets: list[str] = []
    header = None
    first = True
    for number, raw in enumerate(lines, start=1):
        line = raw.removeprefix("\ufeff").split("#")[0].strip()
        if not line:
            continue
        try:
            if first and (header := _header(line)) is not None:
                continue
            if re.match(r"mpc[\s,;]+\S", line):
                planets.append(" ".join(re.split(r"[\s,;]+", line.strip('"'))[1:]))
            elif header is not None:
                found.append(_by_columns(line, header))
            else:
                found.append(_position_and_name(line))
        except InvalidQueryError as error:
            raise InvalidQueryError(f"line {number} of {name}: {error}") from None
        finally:
            first = False
    return found, planets


def _header(line: str) -> _HeaderColumns | None:
    """Return the columns that a header line names; None if it is not a header."""
    for separator in (",", ";", "\t", "|", None):
        if separator is not None and separator not in line:
            continue
        names = [cell.strip("\"' ").lower() for cell in line.split(separator)]
        ra, dec, name = (
            next((names.index(known) for known in of if known in names), None)
            for of in (RA_NAMES, DEC_NAMES, NAME_NAMES)
        )
        if ra is not None and dec is not None:
            return _HeaderColumns(ra, dec, name, len(names), separator)
    return None


def _by_columns(line: str, header: _HeaderColumns) -> tuple["SkyCoord", str]:
    from atlasquery.exceptions import InvalidQueryError

    if header.separator is None:
        cells = [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', line)]
    else:
        cells = [cell.strip().strip('"') for cell in line.split(header.separator)]
    if len(cells) != header.width:
        raise InvalidQueryError(f"it has {len(cells)} values where the header has {header.width}")
    position = _checked(f"{cells[header.ra]} {cells[header.dec]}")
    return position, "" if header.name is None else cells[header.name]


def _position_and_name(line: str) -> tuple["SkyCoord", str]:
    """Return the position at the start or end of a line, and the rest of the line."""
    # A quoted word is a name, even if it is a number.
    words = [
        (f'"{quoted}"' if quoted else bare)
        for quoted, bare in re.findall(r'"([^"]*)"|([^\s,;"]+)', line.replace(MINUS, "-"))
    ]
    count = _leading(words)
    name_first = not count
    if name_first:
        count = _leading(words[::-1])
        position, rest = words[len(words) - count :], words[: len(words) - count]
    else:
        position, rest = words[:count], words[count:]
    name = " ".join(word.strip('"') for word in rest)
    if not position:
        # The words where a position was expected.
        return _checked(" ".join(words[:2])), ""
    numbers = all(re.fullmatch(NUMBER, word) for word in position)
    if name_first and numbers and len(position) == 5 and rest[-1].isalpha():
        # A name of a catalogue: the 5 of M 5 would be read as hours.
        raise _refused(line, f"one of its five numbers may be part of the name{QUOTES}")
    return _checked(" ".join(position)), name


def _leading(words: list[str]) -> int:
    """Return the number of words at the start that belong to a position."""
    count = 0
    for word in words:
        if len(word) > LONGEST_WORD or re.fullmatch(r"\d{4}[a-z]", word):
            break
        if not re.fullmatch(rf"{NUMBER}|{COLONS}|{UNITS}", word):
            break
        count += 1
    return count


def _checked(text: str) -> "SkyCoord":
    from atlasquery.exceptions import InvalidQueryError

    try:
        position = read_position(text)
    except InvalidQueryError as error:
        many = len(text.split()) > 2
        raise InvalidQueryError(f"{error}{QUOTES if many else ''}") from None
    if position is None:
        raise _refused(text, "it has no two numbers for right ascension and declination")
    return position

"""Positions and radii as a person types them."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["read_cone", "read_position"]

# A radius has no sign, which tells it from the declination before it.
RADIUS = re.compile(
    r"(?:^|\s)(?P<value>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*"
    r"(?P<unit>mas|arcsecs?|arcseconds?|asec|\"|arcmins?|arcminutes?|amin|'|deg|degrees?)\s*$"
)
UNITS = {'"': "arcsec", "'": "arcmin", "asec": "arcsec", "amin": "arcmin"}
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
RIGHT = "such as '150.1 +2.2' (degrees), '10:00:24 +02:12:00' or '10h00m24s +02d12m'"


def read_cone(words: tuple[str, ...]) -> tuple[str, str]:
    """Split what was typed into a position, or a name, and a radius.

    Parameters
    ----------
    words : tuple of str
        The arguments, the radius last: ``("10.5", "-20.1", "60arcsec")``.

    Returns
    -------
    position : str
        What stands before the radius.
    radius : str
        With its unit, as `~astropy.coordinates.Angle` reads it.

    Raises
    ------
    InvalidQueryError
        If there is no radius with a unit at the end, or nothing before it.
    """
    # Here, so that --help does not wait for astropy.
    from atlasquery.exceptions import InvalidQueryError

    text = " ".join(" ".join(words).split())
    found = RADIUS.search(text)
    if not found:
        raise InvalidQueryError(
            f"{text!r} does not end in a radius with a unit, such as 60arcsec, 5arcmin or 0.1deg"
        )
    position = text[: found.start()].strip()
    if not position:
        raise InvalidQueryError(f"{text!r} has no position before the radius, {RIGHT}")
    unit = re.sub(r"(onds?|utes?|rees?|s)$", "", found["unit"]) if len(found["unit"]) > 3 else ""
    unit = unit or found["unit"]
    return position, f"{found['value']} {UNITS.get(unit, unit)}"


def read_position(text: str) -> "SkyCoord | None":
    """Return the position that was typed.

    Parameters
    ----------
    text : str
        Degrees as two numbers; sexagesimal with colons, of which the first is in
        hours; or with units, as `~astropy.coordinates.SkyCoord` reads.

    Returns
    -------
    `~astropy.coordinates.SkyCoord` or None
        ICRS; None where it looks like a name.

    Raises
    ------
    InvalidQueryError
        If it looks like a position and is none.
    """
    from astropy.coordinates import SkyCoord

    from atlasquery.exceptions import InvalidQueryError

    text = " ".join(text.replace(",", " ").split())
    units: tuple[str, str] | None = None
    if re.fullmatch(rf"{NUMBER} {NUMBER}", text):
        units = ("deg", "deg")
    elif re.fullmatch(rf"{NUMBER}([: ]{NUMBER}){{1,2}} {NUMBER}([: ]{NUMBER}){{1,2}}", text):
        units = ("hourangle", "deg")
    # A name of the TNS, such as 2026dix, begins like degrees.
    elif re.fullmatch(r"\d{4}[a-z]{1,6}", text, re.I) or not re.fullmatch(
        rf"{NUMBER}\s*(?:[hd°]|deg)(?:[\s\d+-].*)?", text
    ):
        return None
    # SkyCoord takes 400 degrees for 40.
    hours = units[0] == "hourangle" if units else re.match(rf"{NUMBER}\s*h", text) is not None
    first = re.match(NUMBER, text)
    if first and not 0 <= float(first[0]) < (24 if hours else 360):
        range_ = "0 to 24 hours" if hours else "0 to 360 degrees"
        raise InvalidQueryError(
            f"{text!r} is no position: its right ascension is not from {range_}"
        )
    try:
        return SkyCoord(text, unit=units) if units else SkyCoord(text)
    except ValueError as error:
        raise InvalidQueryError(
            f"{text!r} is no position ({error}); a position is {RIGHT}"
        ) from None

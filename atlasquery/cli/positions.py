"""Positions, radii and regions as a person types them."""

import re
from typing import TYPE_CHECKING

from atlasquery.cli.command import Code, Failure
from atlasquery.service.positions import RIGHT, read_position

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from atlasquery.regions import Region

__all__ = ["read_centre", "read_cone", "read_given_region", "read_position"]

# A radius has no sign, which tells it from the declination before it.
RADIUS = re.compile(
    r"(?:^|\s)(?P<value>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*"
    r"(?P<unit>mas|arcsecs?|arcseconds?|asec|\"|arcmins?|arcminutes?|amin|'|deg|degrees?)\s*$"
)
UNITS = {'"': "arcsec", "'": "arcmin", "asec": "arcsec", "amin": "arcmin"}


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


def read_centre(words: tuple[str, ...], *, hint: str) -> "tuple[SkyCoord, str]":
    """Split what was typed into a position and a radius.

    Parameters
    ----------
    words : tuple of str
        The arguments, the radius last.
    hint : str
        The command for names, for the message.

    Returns
    -------
    centre : `~astropy.coordinates.SkyCoord`
        The position.
    radius : str
        With its unit.

    Raises
    ------
    Failure
        If it is a name instead of a position.
    """
    text, radius = read_cone(words)
    centre = read_position(text)
    if centre is None:
        raise Failure(f"{text!r} is not a position; {hint}", Code.USAGE)
    return centre, radius


def read_given_region(
    given: str | None, credible: float | None, words: tuple[str, ...], *, missing: str
) -> "Region | None":
    """Return the region of a command that takes words or a region.

    Parameters
    ----------
    given : str or None
        The value of ``--region``: a file, or a MOC as a string.
    credible : float or None
        The credible level of a sky map.
    words : tuple of str
        The arguments, of which a region has none.
    missing : str
        What is missing without a region, for the message.

    Returns
    -------
    Region or None
        None if the words are searched.

    Raises
    ------
    Failure
        If there is neither or both, or a sky map has no level.
    """
    if given is None:
        if credible is not None:
            raise Failure("--credible is for the sky map of --region", Code.USAGE)
        if not words:
            raise Failure(f"give {missing}, or --region FILE", Code.USAGE)
        return None
    if words:
        raise Failure(f"{' '.join(words)!r} and --region: give one of them", Code.USAGE)
    from atlasquery.regions import SkyMap
    from atlasquery.regions.readers import read_map_or_region

    target = read_map_or_region(given, name="--region")
    if isinstance(target, SkyMap):
        if credible is None:
            raise Failure(f"{given} is a sky map: give --credible LEVEL, such as 0.9", Code.USAGE)
        return target.region(credible)
    if credible is not None:
        raise Failure(f"--credible is for sky maps, and {given} is not one", Code.USAGE)
    return target

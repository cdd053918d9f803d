"""Arguments of queries that take positions with a radius, or a region instead.

What reads and cuts regions is imported with the first region, so that clients start as fast
without.
"""

from typing import Any

from astropy.coordinates import SkyCoord

from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions.region import RIGHT, Region, package_of

__all__ = ["is_region", "refuse_with_region", "region_of"]

# Packages whose objects are regions; none of them has to be installed to recognize others.
PACKAGES = ("regions", "mocpy")


def is_region(value: object) -> bool:
    """Return whether something given for positions is a region instead.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    bool
        False for a `~astropy.coordinates.SkyCoord`, which is positions.
    """
    ours = type(value).__module__.startswith("atlasquery.regions.")
    return ours or package_of(value) in PACKAGES


def region_of(coordinates: Any, radius: Any) -> Region | None:
    """Return the region of a query that takes positions with a radius, or a region.

    Parameters
    ----------
    coordinates : object
        Positions or a region.
    radius : object
        The radius around positions; None for a region.

    Returns
    -------
    Region or None
        None for positions.

    Raises
    ------
    InvalidQueryError
        If a region has a radius, or positions have none.
    """
    if is_region(coordinates):
        from atlasquery.regions.readers import read_region

        region = read_region(coordinates)
        if radius is not None:
            raise InvalidQueryError(
                f"radius={radius!s:.50} is for positions, and coordinates is a region, "
                f"{region.name}: leave radius out"
            )
        return region
    if radius is None:
        polygon = isinstance(coordinates, SkyCoord) and coordinates.shape[:1] > (2,)
        hint = (
            "; for the polygon with these vertices, give read_region(coordinates) of "
            "atlasquery.regions"
            if polygon
            else f"; without it, give a region: {RIGHT}"
        )
        raise InvalidQueryError(f"radius is missing, such as radius='30 arcsec'{hint}")
    return None


def refuse_with_region(region: Region, **options: object) -> None:
    """Refuse arguments that belong to positions.

    Parameters
    ----------
    region : Region
        The region.
    **options : object
        The arguments by name: true if they were given.

    Raises
    ------
    InvalidQueryError
        If one was given.
    """
    for name, given in options.items():
        if given:
            raise InvalidQueryError(
                f"{name} is for positions with a radius, and coordinates is a region, "
                f"{region.name}: leave {name} out"
            )

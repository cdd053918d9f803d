"""Geometry on the sphere of the sky: separations, directions, and unit vectors.

Right ascensions and declinations, ``ra`` and ``dec``, are in degrees, longitudes and latitudes,
``lon`` and ``lat``, in radians. ERFA computes, as for astropy, without an object for each call.
"""

import erfa
import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "ARCSEC",
    "angles",
    "offset_positions",
    "position_angles",
    "positions_of",
    "separations",
    "unit_vectors",
]

#: Radians.
ARCSEC = np.pi / 648000


def separations(ra: ArrayLike, dec: ArrayLike, ra2: ArrayLike, dec2: ArrayLike) -> np.ndarray:
    """Return angular separations, accurate for equal and opposite positions too.

    Parameters
    ----------
    ra, dec, ra2, dec2 : `~numpy.ndarray`
        Positions in degrees, of shapes that broadcast.

    Returns
    -------
    `~numpy.ndarray`
        Arcseconds; NaN for positions that are not finite.
    """
    return erfa.seps(*map(np.deg2rad, (ra, dec, ra2, dec2))) / ARCSEC


def angles(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the angles between unit vectors, accurate for equal and opposite ones too.

    Parameters
    ----------
    points, others : `~numpy.ndarray`
        A vector in each row, of shapes that broadcast.

    Returns
    -------
    `~numpy.ndarray`
        Radians.
    """
    return erfa.sepp(points, others)


def position_angles(lon: ArrayLike, lat: ArrayLike, lon2: ArrayLike, lat2: ArrayLike) -> np.ndarray:
    """Return the direction of each second position, seen from the first.

    Parameters
    ----------
    lon, lat, lon2, lat2 : `~numpy.ndarray`
        Positions in radians, of shapes that broadcast.

    Returns
    -------
    `~numpy.ndarray`
        Radians from north over east, from 0 to 2 pi.
    """
    lon, lat, lon2, lat2 = map(np.asarray, (lon, lat, lon2, lat2))
    delta = lon2 - lon
    # sin(lat2 - lat) instead of the difference of products in erfa.pas, which has no digits left
    # for small angles.
    north = np.sin(lat2 - lat) + 2 * np.sin(lat) * np.cos(lat2) * np.sin(delta / 2) ** 2
    return np.arctan2(np.sin(delta) * np.cos(lat2), north) % (2 * np.pi)


def offset_positions(ra: float, dec: float, distance: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return the positions at a distance and position angle from one position.

    Parameters
    ----------
    ra, dec : float
        The position in degrees.
    distance, angle : `~numpy.ndarray`
        Distances and position angles, in radians.

    Returns
    -------
    `~numpy.ndarray`
        Right ascension and declination of each in degrees, one position in each row.
    """
    lat = np.deg2rad(dec)
    sin_lat = np.sin(lat) * np.cos(distance) + np.cos(lat) * np.sin(distance) * np.cos(angle)
    east = np.sin(angle) * np.sin(distance)
    north = np.cos(distance) * np.cos(lat) - np.sin(distance) * np.sin(lat) * np.cos(angle)
    turn, new_dec = positions_of(np.stack([north, east, sin_lat], axis=-1))
    return np.column_stack([(ra + turn) % 360, new_dec])


def unit_vectors(ra: ArrayLike, dec: ArrayLike) -> np.ndarray:
    """Return positions as unit vectors.

    Parameters
    ----------
    ra, dec : `~numpy.ndarray`
        Degrees.

    Returns
    -------
    `~numpy.ndarray`
        One in each row.
    """
    return erfa.s2c(np.deg2rad(ra), np.deg2rad(dec))


def positions_of(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions in the directions of vectors.

    Parameters
    ----------
    vectors : `~numpy.ndarray`
        One of any length in each row.

    Returns
    -------
    ra, dec : `~numpy.ndarray`
        Degrees, `ra` from 0 to 360.
    """
    lon, lat = erfa.c2s(vectors)
    return np.rad2deg(lon) % 360, np.rad2deg(lat)

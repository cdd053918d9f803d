"""Cut searches into the cones a server allows: cover large ones, group small ones."""

import math
from dataclasses import dataclass

import numpy as np

from atlasquery.exceptions import InvalidQueryError
from atlasquery.sphere import (
    ARCSEC,
    offset_positions,
    positions_of,
    separations,
    unit_vectors,
)

__all__ = ["MOST_CONES", "Cone", "cover_cones", "fewest_around", "fewest_cones"]

# A plan is computed up to so many cones: of more, no server would answer all.
MOST_CONES = 50_000

# Fewest circles of radius 1 that cover one of radius `covered`: how many, how far from its centre.
RINGS = ((3, 1 / np.sqrt(3), 2 / np.sqrt(3)), (4, 1.0, np.sqrt(2)))


@dataclass(frozen=True)
class Cone:
    """One search that a server does at once.

    Parameters
    ----------
    ra, dec : float
        Its centre in degrees.
    radius : float
        Its radius in arcseconds.
    members : `~numpy.ndarray`
        The indices of the searches it serves.
    """

    ra: float
    dec: float
    radius: float
    members: np.ndarray


def fewest_cones(area: float, largest: float) -> int:
    """Return a number of cones that is not enough for larger areas.

    Parameters
    ----------
    area : float
        The area to be covered, in square degrees.
    largest : float
        The largest radius of a cone, in arcseconds.

    Returns
    -------
    int
        As many as have this area, if they do not overlap.
    """
    # The area may be just one cone, but for rounding.
    return max(1, math.ceil(area / _cap(largest) - 1e-6))


def fewest_around(radius: float, largest: float) -> int:
    """Return a number of cones that is not enough for a larger circle.

    Parameters
    ----------
    radius : float
        The radius of the circle, in arcseconds.
    largest : float
        The largest radius of a cone, in arcseconds.

    Returns
    -------
    int
        As many as have its area, if they do not overlap.
    """
    return fewest_cones(_cap(radius), largest)


def _cap(radius: float) -> float:
    """Return the area of a circle on the sphere, in square degrees."""
    return 4 * math.pi * math.sin(min(radius * ARCSEC, math.pi) / 2) ** 2 * math.degrees(1) ** 2


def cover_cones(
    ra: np.ndarray,
    dec: np.ndarray,
    radius: float,
    *,
    largest: float,
    margin: float = 0.01,
    group: bool = True,
    most: int | None = MOST_CONES,
) -> list[Cone]:
    """Plan the searches that together see everything within a radius of each position.

    Parameters
    ----------
    ra, dec : `~numpy.ndarray`
        The positions in degrees, flat.
    radius : float
        The radius in arcseconds.
    largest : float
        The largest radius that the server allows, in arcseconds.
    margin : float, optional
        Arcseconds by which each search is wider than needed, for a server
        whose own separations are rounded.
    group : bool, optional
        Whether positions near each other share a search.
    most : int or None, optional
        The number of cones above which large circles are refused before they are planned.

    Returns
    -------
    list of Cone
        In the order of their first members.

    Raises
    ------
    InvalidQueryError
        If large circles take more than `most`.
    """
    if radius > largest:
        if most is not None and (least := len(ra) * fewest_around(radius, largest)) > most:
            circles = "a circle" if len(ra) == 1 else f"{len(ra)} circles"
            raise InvalidQueryError(
                f"radius={radius / 3600:g} deg: {circles} of this radius would take at least "
                f"{least} searches of {largest:g} arcsec, and a plan has up to {most}; nothing was "
                "sent. Take a smaller radius"
            )
        return [
            Cone(float(lon), float(lat), largest, np.array([index]))
            for index in range(len(ra))
            for lon, lat in _tiles(ra[index], dec[index], radius, largest - margin)
        ]
    wide = min(radius + margin, largest)
    if not group or len(ra) == 1:
        return [_single(ra, dec, n, wide) for n in range(len(ra))]
    return _grouped(ra, dec, wide, largest)


def _single(ra: np.ndarray, dec: np.ndarray, n: int, radius: float) -> Cone:
    return Cone(float(ra[n]), float(dec[n]), radius, np.array([n]))


def _tiles(ra: float, dec: float, radius: float, tile: float) -> np.ndarray:
    """Return centres of circles of radius `tile` that cover the circle of radius `radius`.

    They stand on a triangular lattice in the plane of distance and position
    angle from the centre. Two points are never farther apart on the sphere
    than in that plane, so what covers there covers here, at the poles and up
    to the whole sky.
    """
    for count, distance, covered in RINGS:
        if radius <= covered * tile:
            angles = 2 * np.pi * np.arange(count) / count
            return offset_positions(ra, dec, np.full(count, distance * tile * ARCSEC), angles)
    step = tile * np.sqrt(3.0)
    reach = int(np.ceil((radius + tile) / (step * np.sqrt(3) / 2))) + 2
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    x = step * (columns + 0.5 * (rows % 2)).ravel()
    y = step * np.sqrt(3) / 2 * rows.ravel()
    lattices = []
    # A point, a triangle or an edge of the lattice may be at the centre.
    for dx, dy in ((0.0, 0.0), (0.5 * step, step / np.sqrt(12)), (0.5 * step, 0.0)):
        near = np.hypot(x - dx, y - dy) < radius + tile
        points = np.column_stack([x[near] - dx, y[near] - dy])
        lattices.append(points[_needed(points, radius, tile)])
    best = min(lattices, key=len)
    distance, angle = np.hypot(*best.T) * ARCSEC, np.arctan2(best[:, 0], best[:, 1])
    return offset_positions(ra, dec, distance, angle)


def _needed(centres: np.ndarray, radius: float, tile: float) -> np.ndarray:
    """Return which lattice points see part of the circle that is theirs alone.

    A point serves the hexagon around it. Where that lies outside the circle
    nothing is asked of it; its corners and the points of its edges nearest to
    the centre tell.
    """
    corners = np.deg2rad(np.arange(30, 390, 60))
    x = centres[:, :1] + tile * np.cos(corners)
    y = centres[:, 1:] + tile * np.sin(corners)
    dx, dy = np.roll(x, -1, 1) - x, np.roll(y, -1, 1) - y
    along = np.clip(-(x * dx + y * dy) / (dx**2 + dy**2), 0, 1)
    nearest = np.hypot(x + along * dx, y + along * dy).min(axis=1)
    return (nearest <= radius) | (np.hypot(*centres.T) < tile)


def _grouped(ra: np.ndarray, dec: np.ndarray, radius: float, largest: float) -> list[Cone]:
    """Let positions in the same cell of the sky share a search where one can see them all."""
    # The diagonal of a cell is twice what a search can reach beyond its centre.
    side = max(np.sqrt(2) * (largest - radius) / 3600, 1e-9)
    band = np.floor((dec + 90) / side).astype(np.int64)
    widest = np.cos(
        np.deg2rad(np.minimum(np.abs(band * side - 90), np.abs(band * side + side - 90)))
    )
    count = np.maximum(np.floor(360 * widest / side), 1).astype(np.int64)
    cell = np.floor(ra / 360 * count).astype(np.int64)
    _, first, inverse = np.unique(
        np.column_stack([band, cell]), axis=0, return_index=True, return_inverse=True
    )
    order = np.argsort(inverse.ravel(), kind="stable")
    bounds = np.searchsorted(inverse.ravel()[order], np.arange(len(first) + 1))
    cones = []
    for n in np.argsort(first, kind="stable"):
        members = order[bounds[n] : bounds[n + 1]]
        cones += _shared(ra, dec, members, radius, largest)
    return cones


def _shared(
    ra: np.ndarray, dec: np.ndarray, members: np.ndarray, radius: float, largest: float
) -> list[Cone]:
    """Return one search for all members, or one for each where they are too far apart."""
    points = unit_vectors(ra[members], dec[members])
    centre_ra, centre_dec = positions_of((points.min(axis=0) + points.max(axis=0)) / 2)
    reach = separations(centre_ra, centre_dec, ra[members], dec[members]).max() + radius
    if len(members) > 1 and reach <= largest:
        return [Cone(float(centre_ra), float(centre_dec), float(reach), members)]
    return [_single(ra, dec, n, radius) for n in members]

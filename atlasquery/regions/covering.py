"""Cones of a limited radius that together cover a region, and what they cost.

A region is inside its HEALPix cells, and each cell is inside a circle around its centre. So the
region is covered if each of these circles is inside one cone, which is checked here by the
distances on the sky, whatever way the centres of the cones were found.
"""

import math

import numpy as np

from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions.cells import DEEPEST, area_of_order, cell_centres, cell_radius
from atlasquery.regions.region import Region
from atlasquery.regions.shapes import Circle, Shape, enclosing_circle, solid_angle
from atlasquery.service.cones import Cone, cover_cones
from atlasquery.sphere import (
    ARCSEC,
    offset_positions,
    position_angles,
    positions_of,
    separations,
    unit_vectors,
)

__all__ = ["cover_region"]

# The circle of a cell is so much smaller than a cone, unless there are too many cells.
FINER = 16
MOST_CELLS = 2_000_000
# A region of fewer cells gets smaller ones, for circles that fit it.
FEWEST_CELLS = 300
# Arcseconds for rounding of the distances.
ROUNDING = 1e-6
# Up to this radius, in degrees, distances in the plane differ from those on the sky by 2 percent.
FLAT = 20.0
# Cells that a placement of the lattice is tried with.
SAMPLE = 5000
# Shifts, in steps, and rotations of a lattice.
PLACEMENTS = [
    (i / 4, j / 4, math.radians(turn))
    for turn in (0, 15, 30, 45)
    for i in range(4)
    for j in range(4)
]


def cover_region(region: Region, *, largest: float, margin: float = 0.01) -> list[Cone]:
    """Plan the searches that together see all of a region.

    Parameters
    ----------
    region : Region
        The region.
    largest : float
        The largest radius that the server allows, in arcseconds.
    margin : float, optional
        Arcseconds by which each search is wider than needed, for a server whose separations are
        rounded.

    Returns
    -------
    list of Cone
        No position of the region is farther away from the nearest centre than the radius there;
        none for an empty region.
    """
    if isinstance(region, Circle):
        ra, dec = np.array([region.ra]), np.array([region.dec])
        return cover_cones(ra, dec, region.arcsec, largest=largest, margin=margin, most=None)
    if isinstance(region, Shape) and region.reach / ARCSEC + margin + ROUNDING <= largest:
        return [_cone(region.ra, region.dec, region.reach / ARCSEC + margin + ROUNDING)]
    cells, order = _cells(region, largest)
    if not len(cells):
        return []
    ra, dec = cell_centres(cells, order)
    # What a cone has to reach beyond the centre of a cell.
    beyond = cell_radius(order) / ARCSEC + margin + ROUNDING
    middle, reach = enclosing_circle(unit_vectors(ra, dec))
    if reach / ARCSEC + beyond <= largest:
        lon, lat = map(float, positions_of(middle))
        return [_cone(lon, lat, reach / ARCSEC + beyond)]
    if np.rad2deg(reach) <= FLAT:
        return _lattice(ra, dec, largest, beyond)
    cones: list[Cone] = []
    # Parts of the sky, each of which is nearly flat; but not smaller than some cones.
    coarse = min(order, 2 if largest < 3600 else 1)
    parts = cells >> (2 * (order - coarse))
    for part in np.unique(parts):
        chosen = parts == part
        cones += _lattice(ra[chosen], dec[chosen], largest, beyond)
    return cones


def _cone(ra: float, dec: float, radius: float) -> Cone:
    return Cone(ra, dec, radius, np.array([0]))


def _cells(region: Region, largest: float) -> tuple[np.ndarray, int]:
    """Return cells that hold a region, small beside a cone and beside the region."""
    order = 0
    while cell_radius(order) / ARCSEC > largest / FINER and order < DEEPEST:
        order += 1
    # Where there would be too many, the cones overlap a little more.
    while cell_radius(order - 1) / ARCSEC < largest / 4 and (
        (region.area / solid_angle(area_of_order(order))) > MOST_CELLS
    ):
        order -= 1
    cells = region.cells(order)
    while 0 < len(cells) < FEWEST_CELLS and order < DEEPEST:
        order = min(order + 2, DEEPEST)
        cells = region.cells(order)
    if len(cells) > 10 * MOST_CELLS:
        raise InvalidQueryError(f"{region.name} is too large to be covered by cones")
    return cells, order


def _lattice(ra: np.ndarray, dec: np.ndarray, largest: float, beyond: float) -> list[Cone]:
    """Return cones on a triangular lattice that have all cells inside.

    The lattice is in the plane of distance and position angle from the middle of the cells. Two
    positions are never farther apart on the sky than there, see `cover_cones`.
    """
    middle, _ = enclosing_circle(unit_vectors(ra, dec))
    east, north = map(float, positions_of(middle))
    x, y = _plane(east, north, ra, dec)
    tile = largest - beyond
    # Where the border of the region falls on the lattice decides how many cones it takes: some of
    # the cells show which placement is good.
    some = np.s_[:: 1 + len(x) // SAMPLE]
    counts = [
        len(_nearest_points(x[some], y[some], tile, *placement)[0]) for placement in PLACEMENTS
    ]
    points, nearest = _nearest_points(x, y, tile, *PLACEMENTS[int(np.argmin(counts))])
    distance, angle = np.hypot(*points.T) * ARCSEC, np.arctan2(points[:, 0], points[:, 1])
    lon, lat = offset_positions(east, north, distance, angle).T
    away = separations(lon[nearest], lat[nearest], ra, dec)
    # Each cone is as wide as its cells need it.
    radii = np.zeros(len(points))
    np.maximum.at(radii, nearest, away)
    radii += beyond
    return [
        _cone(*each)
        for each in zip(
            lon.tolist(), lat.tolist(), np.minimum(radii, largest).tolist(), strict=True
        )
    ]


def _plane(
    ra: float, dec: float, lon: np.ndarray, lat: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions in the plane of distance and position angle, in arcsec."""
    away = separations(ra, dec, lon, lat)
    centre = np.deg2rad(ra), np.deg2rad(dec)
    angle = position_angles(*centre, np.deg2rad(lon), np.deg2rad(lat))
    return away * np.sin(angle), away * np.cos(angle)


def _nearest_points(
    x: np.ndarray, y: np.ndarray, tile: float, dx: float, dy: float, turn: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lattice points that serve some positions, and which serves each of them.

    Every position is up to `tile` away from the nearest point of the lattice.
    """
    sin, cos = np.sin(turn), np.cos(turn)
    side, height = tile * np.sqrt(3), tile * 1.5
    u = (x * cos + y * sin) / side - dx
    v = (y * cos - x * sin) / (2 * height) - dy
    # Two lattices of rectangles, one between the other.
    column, row = np.rint(u), np.rint(v)
    other_column, other_row = np.rint(u - 0.5) + 0.5, np.rint(v - 0.5) + 0.5

    def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return ((u - a) * side) ** 2 + ((v - b) * 2 * height) ** 2

    first = squared(column, row) <= squared(other_column, other_row)
    column, row = np.where(first, column, other_column), np.where(first, row, other_row)
    number = np.stack([np.rint(2 * column), np.rint(2 * row)], axis=-1).astype(np.int64)
    wide = 1 + np.ptp(number[:, 0])
    key = (number[:, 1] - number[:, 1].min()) * wide + number[:, 0] - number[:, 0].min()
    _, index, nearest = np.unique(key, return_index=True, return_inverse=True)
    u0, v0 = (column[index] + dx) * side, (row[index] + dy) * 2 * height
    return np.stack([u0 * cos - v0 * sin, u0 * sin + v0 * cos], axis=-1), nearest.ravel()

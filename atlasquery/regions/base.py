"""What every region of the sky offers, and its cover by HEALPix cells."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.regions.cells import DEEPEST, area_of_order, library
from atlasquery.service.inputs import icrs_positions
from atlasquery.sphere import ARCSEC, angles, positions_of, separations, unit_vectors
from atlasquery.warn import warn

__all__ = [
    "RIGHT",
    "Region",
    "Shape",
    "Union",
    "Without",
    "cell_area",
    "cell_centres",
    "cell_radius",
    "package_of",
]

#: What is a region, for messages.
RIGHT = (
    "a shape of the package regions, a mocpy.MOC, a sky map at a credible level, or the result "
    "of read_region"
)
# Positions that are looked at together: their arrays stay in the cache of the processor.
TOGETHER = 100_000


@runtime_checkable
class Region(Protocol):
    """A part of the sky, whether a shape, a list of cells, or a part of a sky map.

    Attributes
    ----------
    name : str
        What it is, in a few words for messages.
    """

    name: str

    @property
    def area(self) -> u.Quantity:
        """The solid angle, in square degrees."""
        ...

    def contains(self, coordinates: SkyCoord) -> np.ndarray:
        """Return which positions are inside."""
        ...

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside, given as finite degrees (ICRS) in flat arrays."""
        ...

    def cells(self, order: int) -> np.ndarray:
        """Return the HEALPix cells of an order that together hold the region, nested, sorted."""
        ...

    def moc(self, order: int = ...) -> Any:
        """Return a `mocpy.MOC` that holds the region."""
        ...


def are_inside(region: Region, coordinates: SkyCoord) -> np.ndarray:
    """Return which positions are inside a region.

    Parameters
    ----------
    region : Region
        The region.
    coordinates : `~astropy.coordinates.SkyCoord`
        Positions of any shape, in any frame.

    Returns
    -------
    `~numpy.ndarray` of bool
        Of their shape; False where a position is masked or not finite, with a warning.
    """
    ra, dec, bad, shape = icrs_positions(coordinates)
    found = np.zeros(len(ra), dtype=bool)
    known = np.flatnonzero(~bad)
    for start in range(0, len(known), TOGETHER):
        part = known[start : start + TOGETHER]
        found[part] = region.inside(ra[part], dec[part])
    if len(known) < len(ra):
        warn(
            f"coordinates: {len(ra) - len(known)} of {len(ra)} positions are masked or not "
            "finite, and not inside",
            InputWarning,
        )
    return found.reshape(shape)


class Shape(ABC):
    """A region with a border of lines, whose cells are found by dividing the sky.

    Attributes
    ----------
    name : str
        What it is, in a few words for messages.
    ra, dec : float
        The centre of a circle that has all of it inside, in degrees.
    reach : float
        The radius of that circle, in radians.
    """

    name: str
    ra: float
    dec: float
    reach: float

    @property
    @abstractmethod
    def area(self) -> u.Quantity:
        """The solid angle, in square degrees."""

    @property
    @abstractmethod
    def state(self) -> dict:
        """What a file keeps of it: plain values, from which `region_of_state` builds it again."""

    @abstractmethod
    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside.

        Parameters
        ----------
        ra, dec : `~numpy.ndarray`
            Degrees, ICRS, flat and finite.

        Returns
        -------
        `~numpy.ndarray` of bool
            One for each.
        """

    @abstractmethod
    def touches(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles may touch the region; those that do are never left out.

        Parameters
        ----------
        points : `~numpy.ndarray`
            Unit vectors of their centres, one in each row.
        radius : float
            Radians.

        Returns
        -------
        `~numpy.ndarray` of bool
            One for each.
        """

    @abstractmethod
    def encloses(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles are inside the region as a whole; False where that is not sure.

        Parameters
        ----------
        points : `~numpy.ndarray`
            Unit vectors of their centres, one in each row.
        radius : float
            Radians.

        Returns
        -------
        `~numpy.ndarray` of bool
            One for each.
        """

    def contains(self, coordinates: SkyCoord) -> np.ndarray:
        """Return which positions are inside.

        Parameters
        ----------
        coordinates : `~astropy.coordinates.SkyCoord`
            Positions of any shape, in any frame.

        Returns
        -------
        `~numpy.ndarray` of bool
            Of their shape; False where a position is masked or not finite.

        Warns
        -----
        InputWarning
            If positions are masked or not finite.
        """
        return are_inside(self, coordinates)

    def moc(self, order: int = 12) -> Any:
        """Return a MOC that holds the region.

        Parameters
        ----------
        order : int, optional
            The order of its cells: they are 51 arcsec wide at the default, and half as wide at
            the next order.

        Returns
        -------
        `mocpy.MOC`
            All cells that the region touches.
        """
        cells = self.cells(order).astype(np.uint64)
        return library("mocpy").MOC.from_healpix_cells(
            cells, np.full(len(cells), order, dtype=np.uint8), max_depth=order
        )

    def __repr__(self) -> str:
        return f"<Region: {self.name}, {self.area.value:.4g} deg2>"

    def cells(self, order: int) -> np.ndarray:
        """Return the HEALPix cells that may touch the region, and all that do.

        Parameters
        ----------
        order : int
            The order of the cells.

        Returns
        -------
        `~numpy.ndarray` of int
            Their nested indices, sorted.
        """
        undecided = np.arange(12, dtype=np.int64)
        full: list[np.ndarray] = []
        for level in range(order + 1):
            radius = cell_radius(level)
            points = unit_vectors(*cell_centres(undecided, level))
            near = self.touches(points, radius)
            undecided, points = undecided[near], points[near]
            if level == order:
                break
            whole = self.encloses(points, radius)
            if whole.any():
                # All cells in a cell of another order follow each other.
                shift = 2 * (order - level)
                starts = undecided[whole] << shift
                full.append((starts[:, None] + np.arange(1 << shift)).ravel())
            undecided = (4 * undecided[~whole][:, None] + np.arange(4)).ravel()
        return np.sort(np.concatenate([undecided, *full]))


class Without(Shape):
    """A region without the part that another one covers, such as an annulus.

    Parameters
    ----------
    name : str
        What it is.
    outer, inner : Shape
        The region, and the part of it that is cut out.
    """

    def __init__(self, name: str, outer: Shape, inner: Shape):
        self.name, self._outer, self._inner = name, outer, inner
        self.ra, self.dec, self.reach = outer.ra, outer.dec, outer.reach

    @cached_property
    def area(self) -> u.Quantity:
        """The solid angle, in square degrees."""
        return self._outer.area - self._inner.area

    @property
    def state(self) -> dict:
        """What a file keeps of it."""
        parts = [self._outer.state, self._inner.state]
        return {"kind": "without", "name": self.name, "parts": parts}

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside."""
        return self._outer.inside(ra, dec) & ~self._inner.inside(ra, dec)

    def touches(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles may touch the region."""
        return self._outer.touches(points, radius) & ~self._inner.encloses(points, radius)

    def encloses(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles are inside the region as a whole."""
        return self._outer.encloses(points, radius) & ~self._inner.touches(points, radius)


class Union(Shape):
    """All that is in one region or in another.

    Parameters
    ----------
    parts : list of Shape
        The regions.
    """

    def __init__(self, parts: list[Shape]):
        if not parts:
            raise InvalidQueryError("the region is a list without any shape: give at least one")
        self._parts = parts
        self.name = f"{len(parts)} shapes, such as {parts[0].name}"
        points = unit_vectors([part.ra for part in parts], [part.dec for part in parts])
        middle = points.sum(axis=0)
        middle = points[0] if np.linalg.norm(middle) < 1e-6 else middle / np.linalg.norm(middle)
        self.ra, self.dec = map(float, positions_of(middle))
        reaches = np.array([part.reach for part in parts])
        self.reach = float(min(np.pi, (angles(points, middle) + reaches).max()))

    @cached_property
    def area(self) -> u.Quantity:
        """The solid angle, in square degrees; where shapes overlap, good to a percent."""
        separate = all(
            separations(one.ra, one.dec, other.ra, other.dec) * ARCSEC > one.reach + other.reach
            for n, one in enumerate(self._parts)
            for other in self._parts[:n]
        )
        if separate:
            return sum((part.area for part in self._parts), 0 * u.deg**2)
        order = 3
        while len(cells := self.cells(order)) < 20_000 and order < DEEPEST:
            order += 1
        inside = self.inside(*cell_centres(cells, order))
        return np.count_nonzero(inside) * cell_area(order)

    @property
    def state(self) -> dict:
        """What a file keeps of it."""
        return {"kind": "union", "parts": [part.state for part in self._parts]}

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside."""
        return np.any([part.inside(ra, dec) for part in self._parts], axis=0)

    def touches(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles may touch the region."""
        return np.any([part.touches(points, radius) for part in self._parts], axis=0)

    def encloses(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles are inside the region as a whole."""
        return np.any([part.encloses(points, radius) for part in self._parts], axis=0)


def package_of(value: object) -> str:
    """Return the package of the class of an object.

    Parameters
    ----------
    value : object
        The object.

    Returns
    -------
    str
        The first part of the name of its module.
    """
    return type(value).__module__.partition(".")[0]


def cell_centres(cells: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of HEALPix cells.

    Parameters
    ----------
    cells : `~numpy.ndarray` of int
        Nested indices.
    order : int
        Their order.

    Returns
    -------
    ra, dec : `~numpy.ndarray`
        Degrees, ICRS.
    """
    if not len(cells):
        return np.empty(0), np.empty(0)
    lon, lat = library("astropy_healpix").healpix_to_lonlat(cells, 1 << order, order="nested")
    return lon.to_value(u.deg), lat.to_value(u.deg)


def cell_radius(order: int) -> float:
    """Return a radius around the centre of any HEALPix cell that has all of it inside.

    Parameters
    ----------
    order : int
        The order of the cell.

    Returns
    -------
    float
        Radians.
    """
    nside = 1 << order
    # The widest cells have a corner where the equatorial belt ends, at z = 2/3.
    corner, centre = np.rad2deg(np.arcsin([2 / 3, 1 - (1 - 1 / nside) ** 2 / 3]))
    # Their sides are curved, so there is a percent to spare.
    return 1.01 * float(separations(45 / nside, corner, 0.0, centre)) * ARCSEC


def cell_area(order: int) -> u.Quantity:
    """Return the area of a HEALPix cell.

    Parameters
    ----------
    order : int
        Its order.

    Returns
    -------
    `~astropy.units.Quantity`
        Square degrees.
    """
    return (area_of_order(order) * u.sr).to(u.deg**2)

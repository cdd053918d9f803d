"""Cells of HEALPix: those of positions and their centres, and ranges of the finest for any size.

A cell of order k is one of 12 * 4^k. In the nested numbering it consists of the cells 4 i to
4 i + 3 of the next order, so that each is a range of cells of order 29, the finest that 64 bits
hold; the number UNIQ = 4 * 4^k + i has the order and the number in one.
"""

from functools import cached_property
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Galactic, Latitude, Longitude, UnitSphericalRepresentation

from atlasquery.sphere import ARCSEC, separations
from atlasquery.tables.packages import require

__all__ = [
    "DEEPEST",
    "Cells",
    "FlatCells",
    "MultiOrderCells",
    "area_of_order",
    "cell_centres",
    "cell_radius",
    "cells_of_positions",
    "library",
    "merge_ranges",
    "order_of_number",
    "split_uniq",
    "to_galactic",
]

DEEPEST = 29
# UNIQ of the first cell of each order.
FIRST_UNIQ = 4 * 4 ** np.arange(DEEPEST + 1, dtype=np.int64)
# The packages that are needed, by module.
NEEDED = {
    "cdshealpix": "HEALPix cells",
    "mocpy": "MOCs",
    "regions": "files of shapes",
    "scipy": "distances of sky maps",
}
# Bits of a key that hold the row of a position, and the deepest order that fits with them.
ROW_BITS = 17
PACKED_ORDER = (63 - 4 - ROW_BITS) // 2
# Below this number of cells they are in the cache of the processor, and need no sorted search.
FEW_CELLS = 64


def library(name: str) -> Any:
    """Import a module of a package that only regions need.

    Parameters
    ----------
    name : str
        The module, such as ``"cdshealpix.nested"``.

    Returns
    -------
    module
        The module.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    return require(name, "regions", reason=f"{NEEDED[name.partition('.')[0]]} need")


def area_of_order(order: Any) -> Any:
    """Return the area of a cell.

    Parameters
    ----------
    order : int or `~numpy.ndarray`
        The order of the cell.

    Returns
    -------
    float or `~numpy.ndarray`
        Steradians.
    """
    return np.pi / 3 / 4.0**order


def order_of_number(n_cells: int) -> int | None:
    """Return the order at which the sky has a number of cells.

    Parameters
    ----------
    n_cells : int
        The number of cells.

    Returns
    -------
    int or None
        None if there is no such order.
    """
    return next((k for k in range(DEEPEST + 1) if 12 * 4**k == n_cells), None)


def split_uniq(uniq: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of each cell, and its number in nested order.

    Parameters
    ----------
    uniq : `~numpy.ndarray` of int64
        UNIQ of the cells, from 4 on.

    Returns
    -------
    order, number : `~numpy.ndarray` of int64
        The cells.
    """
    order = np.searchsorted(FIRST_UNIQ, uniq, side="right") - 1
    return order, uniq - FIRST_UNIQ[order]


def cells_of_positions(
    lon: np.ndarray, lat: np.ndarray, order: int, *, ring: bool = False
) -> np.ndarray:
    """Return the cell of each position.

    Parameters
    ----------
    lon, lat : `~numpy.ndarray`
        Finite positions in radians.
    order : int
        The order of the cells.
    ring : bool, optional
        Whether cells are numbered in rings, instead of nested.

    Returns
    -------
    `~numpy.ndarray` of int64
        The numbers of the cells.
    """
    if not len(lon):
        return np.empty(0, np.int64)
    # A latitude may be beyond a pole by the rounding of a transformation.
    lat = np.clip(lat, -np.pi / 2, np.pi / 2)
    # Positions are given in one range: the constructor of Longitude would copy them to wrap them.
    longitude = Longitude(lon % (2 * np.pi), u.rad, copy=False)
    latitude = Latitude(lat, u.rad, copy=False)
    if ring:
        cells = library("cdshealpix.ring").lonlat_to_healpix(longitude, latitude, 2**order)
    else:
        # One thread: callers search in several, and CPU time is the same.
        cells = library("cdshealpix.nested").lonlat_to_healpix(
            longitude, latitude, order, num_threads=1
        )
    return cells.view(np.int64)


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
    lon, lat = library("cdshealpix.nested").healpix_to_lonlat(
        cells.astype(np.uint64), order, num_threads=1
    )
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


def to_galactic(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Transform positions to galactic longitude and latitude.

    Parameters
    ----------
    lon, lat : `~numpy.ndarray`
        Positions in ICRS, in radians.

    Returns
    -------
    lon, lat : `~numpy.ndarray`
        Radians.
    """
    from astropy.coordinates import ICRS

    sphere = UnitSphericalRepresentation(lon * u.rad, lat * u.rad, copy=False)
    found = ICRS(sphere).transform_to(Galactic())
    return found.l.to_value(u.rad), found.b.to_value(u.rad)


def merge_ranges(ranges: np.ndarray) -> np.ndarray:
    """Return ranges that neither overlap nor touch, in order.

    Parameters
    ----------
    ranges : `~numpy.ndarray` of int64
        First cell and end of each range, of order 29, with the shape (n, 2).

    Returns
    -------
    `~numpy.ndarray` of int64
        The cells of all ranges.
    """
    ranges = ranges[ranges[:, 1] > ranges[:, 0]]
    if not len(ranges):
        return ranges
    ranges = ranges[np.argsort(ranges[:, 0], kind="stable")]
    reached = np.maximum.accumulate(ranges[:, 1])
    new = np.flatnonzero(np.append(True, ranges[1:, 0] > reached[:-1]))
    return np.stack([ranges[new, 0], reached[np.append(new[1:], len(ranges)) - 1]], axis=1)


class MultiOrderCells:
    """Cells of many orders, sorted along the nested numbering.

    Parameters
    ----------
    order : `~numpy.ndarray` of int64
        The order of each cell.
    first : `~numpy.ndarray` of int64
        The first cell of order 29 in each, ascending.
    """

    def __init__(self, order: np.ndarray, first: np.ndarray):
        self.order, self.first = order, first

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def area(self) -> np.ndarray:
        """The area of each cell in steradians."""
        return area_of_order(self.order)

    @cached_property
    def deepest(self) -> int:
        """The highest order of the cells."""
        return int(self.order.max(initial=0))

    @cached_property
    def _end(self) -> np.ndarray:
        return self.first + (np.int64(1) << 2 * (DEEPEST - self.order))

    @cached_property
    def _complete(self) -> bool:
        """Whether the cells cover the sky."""
        return bool(
            len(self)
            and self.first[0] == 0
            and self._end[-1] == 12 << 2 * DEEPEST
            and np.array_equal(self._end[:-1], self.first[1:])
        )

    def find(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Return the row of the cell of each position.

        Parameters
        ----------
        lon, lat : `~numpy.ndarray`
            Finite positions in radians.

        Returns
        -------
        `~numpy.ndarray` of int64
            Rows; -1 where there is no cell.
        """
        finest = cells_of_positions(lon, lat, DEEPEST)
        if self.deepest <= PACKED_ORDER and len(self) > FEW_CELLS and len(lon) <= 1 << ROW_BITS:
            rows = self._find_sorted(finest)
        else:
            rows = np.searchsorted(self.first, finest, side="right") - 1
        if not self._complete and len(self):
            rows[(rows < 0) | (finest >= self._end[rows])] = -1
        return rows

    def _find_sorted(self, finest: np.ndarray) -> np.ndarray:
        """Return the row of each cell of order 29, by sorting them together with their rows.

        Numbers alone are sorted many times faster than their order is determined, and cells
        are found among sorted positions several times faster than among random ones.
        """
        shift = 2 * (DEEPEST - self.deepest)
        keys = ((finest >> shift) << ROW_BITS) | np.arange(len(finest))
        keys.sort()
        begin = np.searchsorted(keys, (self.first >> shift) << ROW_BITS)
        count = np.diff(begin, append=len(keys))
        rows = np.empty(len(keys), np.int64)
        before = begin[0] if len(begin) else len(keys)
        target = keys & ((1 << ROW_BITS) - 1)
        rows[target[:before]] = -1
        rows[target[before:]] = np.repeat(np.arange(len(self)), count)
        return rows

    def ranges(self, rows: np.ndarray) -> np.ndarray:
        """Return cells as ranges of cells of order 29.

        Parameters
        ----------
        rows : `~numpy.ndarray`
            Rows, or a boolean for each.

        Returns
        -------
        `~numpy.ndarray` of int64
            First cell and end of each range, merged.
        """
        return merge_ranges(np.stack([self.first[rows], self._end[rows]], axis=1))

    def uniq(self) -> np.ndarray:
        """Return UNIQ of the cells.

        Returns
        -------
        `~numpy.ndarray` of int64
            A number for each cell.
        """
        return FIRST_UNIQ[self.order] + (self.first >> 2 * (DEEPEST - self.order))


class FlatCells:
    """All cells of one order, as rows in nested or ring numbering.

    Parameters
    ----------
    order : int
        Their order.
    ring : bool
        Whether rows are in ring numbering.
    """

    def __init__(self, order: int, *, ring: bool):
        self.order, self.ring = order, ring

    def __len__(self) -> int:
        return 12 * 4**self.order

    @property
    def area(self) -> float:
        """The area of a cell in steradians."""
        return float(area_of_order(self.order))

    @property
    def deepest(self) -> int:
        """The order of the cells."""
        return self.order

    def find(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Return the row of the cell of each position.

        Parameters
        ----------
        lon, lat : `~numpy.ndarray`
            Finite positions in radians.

        Returns
        -------
        `~numpy.ndarray` of int64
            Rows.
        """
        return cells_of_positions(lon, lat, self.order, ring=self.ring)

    def ranges(self, rows: np.ndarray) -> np.ndarray:
        """Return cells as ranges of cells of order 29.

        Parameters
        ----------
        rows : `~numpy.ndarray`
            Rows, or a boolean for each.

        Returns
        -------
        `~numpy.ndarray` of int64
            First cell and end of each range, merged.
        """
        cells = self._nested(np.flatnonzero(rows) if rows.dtype == bool else rows)
        shift = 2 * (DEEPEST - self.order)
        return merge_ranges(np.stack([cells << shift, (cells + 1) << shift], axis=1))

    def uniq(self) -> np.ndarray:
        """Return UNIQ of the cells.

        Returns
        -------
        `~numpy.ndarray` of int64
            A number for each row.
        """
        return FIRST_UNIQ[self.order] + self._nested(np.arange(len(self)))

    def _nested(self, rows: np.ndarray) -> np.ndarray:
        if not self.ring or not len(rows):
            return rows.astype(np.int64)
        return library("cdshealpix").from_ring(rows.astype(np.uint64), self.order).view(np.int64)


Cells = MultiOrderCells | FlatCells

"""Cells of the sky: which file of a catalogue has which objects.

All cells are HEALPix pixels in nested numbering, of which those of every order are ranges of the
pixels of order 29: an object belongs to the file whose range has its ``_healpix_29``.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from atlasquery.regions.cells import DEEPEST, cells_of_positions, library

__all__ = [
    "HEALPIX",
    "ORDER",
    "Cell",
    "cells_beside",
    "cells_of_sky",
    "file_of",
    "healpix_of",
    "margin_order",
    "range_of",
]

#: The column of pixels, and their order.
HEALPIX, ORDER = "_healpix_29", DEEPEST
BASE_PIXELS = 12
# Files of one directory, as the format has them.
DIRECTORY = 10000
# The edge of an average pixel of order 0, in arcsec.
EDGE_0 = np.sqrt(4 * np.pi / BASE_PIXELS) * np.degrees(1) * 3600
# The narrowest pixel is wider than this share of the average edge.
NARROWEST = 0.5
# Objects whose neighbours are computed together.
BLOCK = 1 << 18


@dataclass(frozen=True)
class Cell:
    """A pixel, and the objects in it.

    Parameters
    ----------
    order, pixel : int
        The pixel.
    first, last : int
        Which of the objects sorted by pixel are in it: the first, and the one after the last.
    """

    order: int
    pixel: int
    first: int = 0
    last: int = 0

    @property
    def start(self) -> int:
        """The first pixel of order 29 in it."""
        return range_of(self.order, self.pixel)[0]

    def __len__(self) -> int:
        return self.last - self.first


def range_of(order: int, pixel: int) -> tuple[int, int]:
    """Return the pixels of order 29 in a pixel.

    Parameters
    ----------
    order, pixel : int
        The pixel.

    Returns
    -------
    first, last : int
        The first, and the one after the last.
    """
    shift = 2 * (ORDER - order)
    return pixel << shift, (pixel + 1) << shift


def file_of(order: int, pixel: int) -> PurePosixPath:
    """Return the path of the file of a pixel, below the folder of its catalogue.

    Parameters
    ----------
    order, pixel : int
        The pixel.

    Returns
    -------
    `~pathlib.PurePosixPath`
        ``dataset/Norder=K/Dir=D/Npix=P.parquet``.
    """
    directory = pixel // DIRECTORY * DIRECTORY
    return PurePosixPath("dataset", f"Norder={order}", f"Dir={directory}", f"Npix={pixel}.parquet")


def healpix_of(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the pixels of order 29 of some positions.

    Parameters
    ----------
    ra, dec : `~numpy.ndarray`
        Degrees, ICRS.

    Returns
    -------
    `~numpy.ndarray` of int64
        Nested numbers.
    """
    return cells_of_positions(np.radians(ra), np.radians(dec), ORDER)


def cells_of_sky(healpix: np.ndarray, sizes: np.ndarray, target: float, finest: int) -> list[Cell]:
    """Divide the whole sky into cells, each with at most so many bytes of objects.

    Parameters
    ----------
    healpix : `~numpy.ndarray` of int64
        The pixel of each object, sorted.
    sizes : `~numpy.ndarray`
        Bytes of each object.
    target : float
        The largest number of bytes of a cell; one of order `finest` may have more.
    finest : int
        The highest order.

    Returns
    -------
    list of Cell
        In the order of `healpix`, those without an object included.
    """
    totals = np.concatenate([[0.0], np.cumsum(sizes, dtype=np.float64)])
    todo = [(0, pixel) for pixel in range(BASE_PIXELS - 1, -1, -1)]
    cells = []
    while todo:
        order, pixel = todo.pop()
        first, last = np.searchsorted(healpix, range_of(order, pixel)).tolist()
        if first == last or order >= finest or totals[last] - totals[first] <= target:
            cells.append(Cell(order, pixel, first, last))
            continue
        todo += [(order + 1, 4 * pixel + child) for child in (3, 2, 1, 0)]
    return cells


def margin_order(threshold: float) -> int:
    """Return the highest order whose pixels are all wider than a distance.

    Parameters
    ----------
    threshold : float
        Arcsec, above 0.

    Returns
    -------
    int
        0 to 29.
    """
    order = int(np.floor(np.log2(EDGE_0 * NARROWEST / threshold)))
    return min(max(order, 0), ORDER)


def cells_beside(
    healpix: np.ndarray, cells: list[Cell], order: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the cells beside which objects are, without being in them.

    Parameters
    ----------
    healpix : `~numpy.ndarray` of int64
        The pixel of each object.
    cells : list of Cell
        Cells of the whole sky, of orders up to `order`.
    order : int
        An object is beside a cell that has one of the eight neighbours of its pixel of this
        order.

    Returns
    -------
    objects, beside : `~numpy.ndarray` of int64
        Pairs of an object and the index of a cell; every object nearer to a cell than pixels
        of this order are wide is in one.
    """
    neighbours = library("cdshealpix.nested").neighbours
    starts = np.array([cell.start for cell in cells])
    found = []
    for first in range(0, len(healpix), BLOCK):
        block = healpix[first : first + BLOCK]
        inside = np.searchsorted(starts, block, side="right") - 1
        pixels, which = np.unique(block >> 2 * (ORDER - order), return_inverse=True)
        around = neighbours(pixels.astype(np.uint64), order, num_threads=1).T
        # At eight points of the sky three pixels meet, and a neighbour is missing.
        around = np.where(around < 0, pixels, around)
        near = np.searchsorted(starts, around << 2 * (ORDER - order), side="right") - 1
        near = near[:, which]
        at, objects = np.nonzero(near != inside)
        pairs = np.stack([objects + first, near[at, objects]])
        found.append(np.unique(pairs, axis=1))
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    objects, beside = np.concatenate(found, axis=1)
    return objects, beside

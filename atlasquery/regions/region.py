"""What every region of the sky offers, whether it is a shape, cells, or a part of a sky map."""

from abc import abstractmethod
from typing import Any, Protocol, runtime_checkable

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from atlasquery.exceptions import InputWarning
from atlasquery.service.inputs import icrs_positions
from atlasquery.warn import warn

__all__ = ["RIGHT", "Region", "package_of"]

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
    @abstractmethod
    def area(self) -> u.Quantity:
        """The solid angle, in square degrees."""

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
        ra, dec, bad, shape = icrs_positions(coordinates)
        found = np.zeros(len(ra), dtype=bool)
        known = np.flatnonzero(~bad)
        for start in range(0, len(known), TOGETHER):
            part = known[start : start + TOGETHER]
            found[part] = self.inside(ra[part], dec[part])
        if len(known) < len(ra):
            warn(
                f"coordinates: {len(ra) - len(known)} of {len(ra)} positions are masked or not "
                "finite, and not inside",
                InputWarning,
            )
        return found.reshape(shape)

    @abstractmethod
    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside, given as finite degrees (ICRS) in flat arrays."""

    @abstractmethod
    def cells(self, order: int) -> np.ndarray:
        """Return the HEALPix cells of an order that together hold the region, nested, sorted."""

    @abstractmethod
    def moc(self, order: int = ...) -> Any:
        """Return a `mocpy.MOC` that holds the region."""


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

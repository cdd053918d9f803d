"""Recognize what is given for a region or a sky map: an object, a file, or its content."""

import os
from typing import Any, Protocol

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions.files import BYTES, FITS_START, HDUS, read_cell_table, start_of
from atlasquery.regions.moc import Moc, is_moc_text, read_moc
from atlasquery.regions.skymap import SkyMap
from atlasquery.regions.skymap_files import PROBABILITIES

__all__ = ["RegionLike", "read_map_or_region"]


class RegionLike(Protocol):
    """A region of the sky.

    Attributes
    ----------
    name : str
        What it is, for messages.
    """

    name: str

    @property
    def area(self) -> u.Quantity:
        """The solid angle in square degrees."""

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside, in finite degrees (ICRS)."""

    def contains(self, coordinates: SkyCoord) -> np.ndarray:
        """Return which positions are inside."""


def read_map_or_region(value: Any, *, name: str = "region") -> SkyMap | RegionLike:
    """Return the sky map or the region that an argument is, or that a file has.

    Parameters
    ----------
    value : object
        A `SkyMap`, a `Moc`, a `mocpy.MOC`, a MOC in a string; a file or its bytes, an HDU or
        a table with a sky map or a MOC.
    name : str, optional
        The argument's name, for messages.

    Returns
    -------
    SkyMap or Moc
        A sky map if there are probabilities.

    Raises
    ------
    InvalidQueryError
        If it is nothing of this kind.
    """
    if isinstance(value, (SkyMap, Moc)):
        return value
    if isinstance(value, Table):
        return SkyMap.read(value)
    if type(value).__module__.partition(".")[0] == "mocpy" or is_moc_text(value):
        return read_moc(value)
    if isinstance(value, HDUS):
        return SkyMap.read(value) if _has_probabilities(value, name) else read_moc(value)
    if isinstance(value, (str, os.PathLike, *BYTES)):
        if start_of(value, name).startswith(FITS_START) and _has_probabilities(value, name):
            return SkyMap.read(value)
        return read_moc(value)
    if callable(getattr(value, "inside", None)) and hasattr(value, "name"):
        region: RegionLike = value
        return region
    raise InvalidQueryError(
        f"{name}={value!r:.100} should be a sky map, a MOC or a region: the path of a file, its "
        "content, or an object that was read from it"
    )


def _has_probabilities(value: Any, name: str) -> bool:
    return bool(read_cell_table(value, PROBABILITIES, name=name).columns)

"""Recognize what is given for a region or a sky map: an object, a file, or its content."""

import os
from typing import Any

from astropy.coordinates import SkyCoord
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions.base import Region, package_of
from atlasquery.regions.files import BYTES, FITS_START, HDUS, read_cell_table, start_of
from atlasquery.regions.moc import Moc, is_moc_text, read_moc
from atlasquery.regions.region import is_shape_file, read_region
from atlasquery.regions.skymap import SkyMap
from atlasquery.regions.skymap_files import PROBABILITIES

__all__ = ["read_map_or_region"]


def read_map_or_region(value: Any, *, name: str = "region") -> SkyMap | Region:
    """Return the sky map or the region that an argument is, or that a file has.

    Parameters
    ----------
    value : object
        A `SkyMap`, a `Moc`, a `mocpy.MOC`, a MOC in a string; a file or its bytes, an HDU or
        a table with a sky map or a MOC; or what `read_region` reads: a shape, or a file of them.
    name : str, optional
        The argument's name, for messages.

    Returns
    -------
    SkyMap or Region
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
    if package_of(value) == "mocpy" or is_moc_text(value):
        return read_moc(value)
    if isinstance(value, HDUS):
        return SkyMap.read(value) if _has_probabilities(value, name) else read_moc(value)
    if is_shape_file(value):
        return read_region(value)
    if isinstance(value, (str, os.PathLike, *BYTES)):
        if start_of(value, name).startswith(FITS_START) and _has_probabilities(value, name):
            return SkyMap.read(value)
        return read_moc(value)
    if isinstance(value, Region | SkyCoord) or package_of(value) == "regions":
        return read_region(value)
    raise InvalidQueryError(
        f"{name}={value!r:.100} should be a sky map, a MOC or a region: the path of a file, its "
        "content, or an object that was read from it"
    )


def _has_probabilities(value: Any, name: str) -> bool:
    return bool(read_cell_table(value, PROBABILITIES, name=name).columns)

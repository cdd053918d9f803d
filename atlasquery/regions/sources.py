"""Recognize what is given for a region or a sky map: an object, a file, or its content."""

import os
from typing import Any

from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions.base import Region
from atlasquery.regions.files import BYTES, FITS_START, HDUS, read_cell_table, start_of
from atlasquery.regions.moc import is_moc_text, read_moc
from atlasquery.regions.region import is_shape_file, read_region
from atlasquery.regions.skymap import SkyMap
from atlasquery.regions.skymap_files import PROBABILITIES

__all__ = ["read_map_or_region"]


def read_map_or_region(value: Any, *, name: str = "region") -> SkyMap | Region:
    """Return the sky map or the region that an argument is, or that a file has.

    Parameters
    ----------
    value : object
        A `SkyMap`; a file or its bytes, an HDU or a table with a sky map or a MOC; or any
        region that `read_region` takes.
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
    if isinstance(value, (SkyMap, Table)):
        return SkyMap.read(value)
    if isinstance(value, HDUS):
        return SkyMap.read(value) if _has_probabilities(value, name) else read_moc(value)
    cells = isinstance(value, (str, os.PathLike, *BYTES)) and not is_shape_file(value)
    if cells and not is_moc_text(value):
        if start_of(value, name).startswith(FITS_START) and _has_probabilities(value, name):
            return SkyMap.read(value)
        return read_moc(value)
    try:
        return read_region(value)
    except InvalidQueryError as error:
        raise InvalidQueryError(f"{name} is neither a sky map nor a region: {error}") from error


def _has_probabilities(value: Any, name: str) -> bool:
    return bool(read_cell_table(value, PROBABILITIES, name=name).columns)

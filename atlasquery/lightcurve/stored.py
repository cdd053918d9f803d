"""Light curves in the files of a directory, and those of many objects as plain columns."""

import importlib
from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from astropy.table import Table
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.display import LightCurveDisplay
from atlasquery.service.collection import ResultMapping

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ColumnStore", "CurveBlock", "StoredCurves", "open_stored"]

# The file by which a directory is recognized, and the class that reads it: module and name, since
# a service is imported only when a directory of it is opened.
DIRECTORIES = {
    "manifest.sqlite": ("atlasquery.atlas.stored_light_curves", "StoredLightCurves"),
}


@dataclass
class CurveBlock:
    """The light curves of some objects as plain columns.

    Parameters
    ----------
    keys : list of int
        The key of each object.
    names, obtained : list of str
        The name of each object, and when it was fetched.
    ra, dec : `~numpy.ndarray`
        Degrees, NaN for a position that is not known or not on the sky.
    owner : `~numpy.ndarray` of int64
        For each row the number of the object that it is of.
    mjd : `~numpy.ndarray`
        The time of each row, as in a light curve.
    exposure_time : `~numpy.ndarray`
        In seconds, NaN where it is not known.
    columns : dict of str to `pyarrow.Array`
        The columns chosen by their names in a light curve, null where one is masked.
    entries : dict of str to `pyarrow.Array`, optional
        The columns of the catalogue entries, those that these files have.
    """

    keys: list[int]
    names: list[str]
    obtained: list[str]
    ra: np.ndarray
    dec: np.ndarray
    owner: np.ndarray
    mjd: np.ndarray
    exposure_time: np.ndarray
    columns: dict[str, "pa.Array"]
    entries: dict[str, "pa.Array"] = field(default_factory=dict)


class ColumnStore(Protocol):
    """The light curves of a directory as plain columns, read in chunks.

    Attributes
    ----------
    key : str
        The item of metadata, and the column, with the key of an object.
    state : str
        The state of the directory: another one as soon as something was downloaded to it.
    chunks : dict of int to int
        The chunks of objects, and the number of rows of the light curves of each.
    """

    key: str
    state: str
    chunks: dict[int, int]

    def light_curve(self) -> TimeSeries:
        """Return a light curve without rows, with the columns and metadata that all share."""
        ...

    def entry(self) -> Table:
        """Return a table of catalogue entries without rows, with the columns of all."""
        ...

    def read(self, chunks: list[int], columns: Collection[str]) -> CurveBlock:
        """Read the columns of the light curves of the objects of some chunks, in any order."""
        ...


class StoredCurves(LightCurveDisplay, ResultMapping):
    """Light curves by id of the objects in a directory, each built when it is accessed."""

    @abstractmethod
    def plain_columns(self) -> ColumnStore | None:
        """Return the light curves as plain columns; None for files that only tables can hold."""


def open_stored(directory: Path) -> StoredCurves:
    """Open a directory of light curves, whatever service it is of.

    Parameters
    ----------
    directory : `~pathlib.Path`
        The directory.

    Returns
    -------
    StoredCurves
        Its light curves.

    Raises
    ------
    InvalidQueryError
        If nothing was downloaded to it.
    """
    for file, (module, name) in DIRECTORIES.items():
        if (directory / file).is_file():
            found: StoredCurves = getattr(importlib.import_module(module), name)(directory)
            return found
    raise InvalidQueryError(f"source={str(directory)!r} has nothing that was downloaded")

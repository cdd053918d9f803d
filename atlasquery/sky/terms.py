"""What all questions of this floor share: the kinds of names, and the form of what is found."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import astropy.units as u
import numpy as np
from astropy.table import Column, MaskedColumn, Table
from astropy.time import Time

__all__ = ["Entry", "Found", "Kind", "Located", "object_table"]

# A time like any other, under the mask.
NO_TIME = 51544.0
ABOUT = {
    "query_index": "Number of the target, in flat order.",
    "service": "The service that has the object.",
    "survey": "The survey whose object it is.",
    "object_id": "Its id at the service, as text.",
    "name": "Its name at the service.",
    "ra": "Right ascension, ICRS.",
    "dec": "Declination, ICRS.",
    "separation": "Distance from the target.",
    "class": "Its class, by the service.",
    "n_detections": "Number of detections that the service counts.",
    "first_time": "First detection.",
    "last_time": "Last detection.",
}


class Kind(enum.Enum):
    """The kind of a name."""

    ATLAS_ID = "ATLAS id"
    ATLAS = "ATLAS"
    TNS = "TNS"
    ZTF = "ZTF"
    LSST = "LSST"
    LCC = "LCC"
    OTHER = "other"


class Located(NamedTuple):
    """An object that a service has under a name.

    Attributes
    ----------
    ra, dec : float
        Its position, degrees.
    names : tuple of str
        Its names at the service, the main one first.
    """

    ra: float
    dec: float
    names: tuple[str, ...]


class Entry(NamedTuple):
    """A row of the table of objects.

    Attributes
    ----------
    query_index : int
        The number of the target.
    service, survey, object_id : str
        The service, the survey, and the id as text.
    name : str or None
        Its name.
    ra, dec, separation : float
        Degrees and arcsec; NaN for the separation from a region.
    class_name : str or None
        Its class.
    n_detections : int or None
        Number of detections.
    first, last : float
        MJD in UTC of the first and last detection; NaN if they are not known.
    """

    query_index: int
    service: str
    survey: str
    object_id: str
    name: str | None
    ra: float
    dec: float
    separation: float
    class_name: str | None = None
    n_detections: int | None = None
    first: float = np.nan
    last: float = np.nan


@dataclass
class Found:
    """What a service has found.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Its own table.
    entries : list of Entry
        One for each row of it.
    names : list of tuple of str
        All names of each row.
    curves : list of list, optional
        The light curves of each row; None if they were not fetched.
    failures : list of tuple
        What part of it failed, and why.
    """

    table: Table
    entries: list[Entry]
    names: list[tuple[str, ...]]
    curves: list[list[Any]] | None = None
    failures: list[tuple[str, Exception]] = field(default_factory=list)


def object_table(entries: Sequence[Entry]) -> Table:
    """Return the table of objects.

    Parameters
    ----------
    entries : sequence of Entry
        The rows.

    Returns
    -------
    `~astropy.table.Table`
        ``query_index``, ``service``, ``survey``, ``object_id``, ``name``, ``ra``, ``dec`` (deg),
        ``separation`` (arcsec), ``class``, ``n_detections``, ``first_time``, ``last_time`` (UTC);
        missing values are masked.
    """
    columns = dict(zip(Entry._fields, zip(*entries, strict=True), strict=True)) if entries else {}
    get = lambda name: list(columns.get(name, ()))  # noqa: E731 - shorter than a function
    table = Table()
    table["query_index"] = np.array(get("query_index"), dtype=np.int64)
    table["service"] = np.array(get("service"), dtype=np.str_)
    table["survey"] = _text(get("survey"))
    table["object_id"] = np.array(get("object_id"), dtype=np.str_)
    table["name"] = _text(get("name"))
    for name, unit in (("ra", u.deg), ("dec", u.deg), ("separation", u.arcsec)):
        values = np.array(get(name), dtype=float)
        table[name] = Column(values, unit=unit)
        # What is in a region has no distance from a target.
        if name == "separation" and np.isnan(values).any():
            table[name] = MaskedColumn(values, mask=np.isnan(values), unit=unit)
    table["class"] = _text(get("class_name"))
    counts = get("n_detections")
    missing = np.array([one is None for one in counts], dtype=bool)
    table["n_detections"] = MaskedColumn(
        np.array([one or 0 for one in counts], dtype=np.int64), mask=missing
    )
    table["first_time"], table["last_time"] = _times(get("first")), _times(get("last"))
    for name, about in ABOUT.items():
        table[name].info.description = about
    return table


def _text(values: list[str | None]) -> MaskedColumn:
    filled = np.array([one or "" for one in values], dtype=np.str_)
    return MaskedColumn(filled, mask=[not one for one in values])


def _times(values: list[float]) -> Time:
    numbers = np.array(values, dtype=float)
    missing = ~np.isfinite(numbers)
    times = Time(np.where(missing, NO_TIME, numbers), format="mjd", scale="utc")
    if missing.any():
        times[missing] = np.ma.masked
    return times

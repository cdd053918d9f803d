"""Positions, and proper motions, of whatever has them: coordinates, tables, light curves."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import BaseCoordinateFrame, SkyCoord
from astropy.table import Row, Table
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import column_names, icrs_positions
from atlasquery.service.position_columns import (
    angle_columns,
    column_positions,
    named_column,
    plain_values,
)
from atlasquery.sky.proper_motion import ProperMotion

__all__ = ["SkyPositions", "find_motion", "read_positions"]

# Names of columns in lower case, most likely first.
PM_RA = ("pmra", "pm_ra_cosdec", "pmra_cosdec", "pm_ra", "pmracosd")
PM_DEC = ("pmdec", "pmde", "pm_dec", "pmdedec")
PARALLAX = ("parallax", "plx", "plx_value")
RADIAL_VELOCITY = ("radial_velocity", "rv", "rvz_radvel", "dr2_radial_velocity")
REFERENCE_EPOCH = ("ref_epoch", "refepoch", "epoch_ref")
# Epochs in descriptions of columns of VizieR: "Ep=2016.0", "Epoch=J1991.25".
EPOCH_WORDS = re.compile(r"\bEp(?:och)?\s*=?\s*J?((?:19|20)\d\d(?:\.\d+)?)\b", re.I)
MAS_PER_YEAR = u.mas / u.yr


@dataclass(frozen=True)
class SkyPositions:
    """Positions in ICRS, with their proper motions if these are known.

    Parameters
    ----------
    lon, lat : `~numpy.ndarray`
        Radians; NaN where there is no position.
    motion : ProperMotion or None
        Proper motions.
    keys : `~numpy.ndarray` or None
        The keys of a mapping that the positions are from.
    columns : tuple of str
        The columns of a table that have the positions.
    """

    lon: np.ndarray
    lat: np.ndarray
    motion: ProperMotion | None = None
    keys: np.ndarray | None = None
    columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lon)

    @property
    def missing(self) -> np.ndarray:
        """The indices of positions that are masked or not finite."""
        return np.flatnonzero(~(np.isfinite(self.lon) & np.isfinite(self.lat)))


def read_positions(value: Any, *, name: str, motion: bool = False) -> SkyPositions:
    """Return the positions of coordinates, a table or light curves.

    Parameters
    ----------
    value : object
        A `~astropy.coordinates.SkyCoord` of any shape and frame, or a string with one
        position; a table or data frame with a column of them, or with right ascension and
        declination (deg where they have no unit), or with galactic coordinates; a light
        curve with ``coordinates`` in its ``meta``; or a mapping of them by id.
    name : str
        The argument's name, for messages.
    motion : bool, optional
        Whether to read proper motions too.

    Returns
    -------
    SkyPositions
        The positions, flat.

    Raises
    ------
    InvalidQueryError
        If there are none in it, or in several columns, or they are not angles.
    """
    if isinstance(value, (SkyCoord, BaseCoordinateFrame, str)):
        return _of_coordinates(value, name, motion)
    if isinstance(value, Row):
        value = Table(value)
    position = value.meta.get("coordinates") if isinstance(value, TimeSeries) else None
    if isinstance(position, SkyCoord):
        # A light curve is one object, also where each of its rows has a position.
        return _of_coordinates(position, name, motion)
    if isinstance(value, Mapping) and not column_names(value):
        return _of_mapping(value, name)
    if isinstance(coordinates := getattr(value, "coordinates", None), SkyCoord):
        return _of_coordinates(coordinates, name, motion)
    if column_names(value) is not None:
        return _of_table(value, name, motion)
    raise InvalidQueryError(f"{name}={value!r:.80} should be a SkyCoord, or a table with positions")


def _of_coordinates(value: Any, name: str, motion: bool) -> SkyPositions:
    ra, dec, bad, _ = icrs_positions(value, name=name)
    moving = _coordinate_motion(value) if motion and isinstance(value, SkyCoord) else None
    return SkyPositions(*_radians(ra, dec, bad), motion=moving)


def _radians(ra: np.ndarray, dec: np.ndarray, bad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.where(bad, np.nan, np.radians(ra)), np.where(bad, np.nan, np.radians(dec))


def _coordinate_motion(coordinates: SkyCoord) -> ProperMotion | None:
    """Return the proper motion of coordinates that have one and an ``obstime``."""
    if "s" not in coordinates.data.differentials or coordinates.obstime is None:
        return None
    icrs = coordinates.icrs
    distance, velocity = icrs.distance, icrs.radial_velocity
    parallax = None
    if distance.unit.is_equivalent(u.kpc):
        parallax = np.ravel(distance.to_value(u.mas, u.parallax()))
    return ProperMotion(
        np.ravel(icrs.pm_ra_cosdec.to_value(MAS_PER_YEAR)),
        np.ravel(icrs.pm_dec.to_value(MAS_PER_YEAR)),
        np.broadcast_to(np.ravel(coordinates.obstime.tcb.jyear), coordinates.size),
        parallax,
        np.ravel(velocity.to_value(u.km / u.s)) if parallax is not None else None,
    )


def _of_mapping(curves: Mapping, name: str) -> SkyPositions:
    """Return one position for each light curve, or other object with coordinates, by id."""
    lon, lat = np.full(len(curves), np.nan), np.full(len(curves), np.nan)
    for n, (key, value) in enumerate(curves.items()):
        position = read_positions(value, name=f"{name}[{key!r}]")
        if len(position) != 1:
            raise InvalidQueryError(
                f"{name}[{key!r}] has {len(position)} positions; a mapping has one for each id"
            )
        lon[n], lat[n] = position.lon[0], position.lat[0]
    return SkyPositions(lon, lat, keys=np.array(list(curves)))


def _of_table(table: Any, name: str, motion: bool) -> SkyPositions:
    found = column_positions(table, name=name)
    moving = None
    if motion and len(found.columns) == 1:
        moving = _coordinate_motion(table[found.columns[0]])
    if motion and moving is None:
        moving = find_motion(table, name)
    lon, lat = _radians(found.ra, found.dec, found.missing)
    return SkyPositions(lon, lat, moving, columns=found.columns)


def find_motion(table: Any, name: str, *, epoch: float | None = None) -> ProperMotion | None:
    """Return the proper motions in a table.

    Parameters
    ----------
    table : table or data frame
        The table; proper motions have names such as ``pmra``, ``pmdec``, and a unit.
    name : str
        The argument's name, for messages.
    epoch : float, optional
        The Julian year of the positions, if the table has neither a column ``ref_epoch``
        nor a description of it.

    Returns
    -------
    ProperMotion or None
        None if the table has no proper motions.

    Raises
    ------
    InvalidQueryError
        If a column has no unit, or the epoch of the positions is not known.
    """
    names = [n for n in column_names(table) or [] if isinstance(n, str)]
    found = [named_column(names, known) for known in (PM_RA, PM_DEC)]
    if found[0] is None or found[1] is None:
        return None
    pm = [_quantity(table, str(n), name, MAS_PER_YEAR) for n in found]
    years = _reference_epochs(table, names, name, epoch)
    parallax, velocity = named_column(names, PARALLAX), named_column(names, RADIAL_VELOCITY)
    return ProperMotion(
        pm[0],
        pm[1],
        years,
        None if parallax is None else _quantity(table, parallax, name, u.mas),
        None if velocity is None else _quantity(table, velocity, name, u.km / u.s),
    )


def _quantity(table: Any, column: str, name: str, unit: u.UnitBase) -> np.ndarray:
    values, missing = plain_values(table[column])
    given = getattr(table[column], "unit", None)
    if given is None:
        raise InvalidQueryError(
            f"{name}[{column!r}] has no unit, which is needed for the epoch: set "
            f"{name}[{column!r}].unit, for example to {unit.to_string()!r}"
        )
    try:
        plain = u.Quantity(values.astype(float), given).to_value(unit)
    except (u.UnitsError, ValueError, TypeError) as error:
        raise InvalidQueryError(f"{name}[{column!r}] is not in {unit}: {error}") from error
    return np.where(missing, np.nan, plain)


def _reference_epochs(table: Any, names: list[str], name: str, epoch: float | None) -> np.ndarray:
    """Return the Julian year of each position."""
    column = named_column(names, REFERENCE_EPOCH)
    if column is not None:
        if isinstance(table[column], Time):
            return np.asarray(table[column].tcb.jyear, float)
        values, missing = plain_values(table[column])
        try:
            years = np.where(missing, np.nan, values.astype(float))
        except (ValueError, TypeError) as error:
            raise InvalidQueryError(
                f"{name}[{column!r}] should be a column of Julian years, such as 2016.0: {error}"
            ) from error
        if np.any(wrong := (years < 1800) | (years > 2200)):
            raise InvalidQueryError(
                f"{name}[{column!r}] has {years[np.argmax(wrong)]:.10g}, which is not a Julian "
                "year, such as 2016.0"
            )
        return years
    known = epoch if epoch is not None else _described_epoch(table)
    if known is None:
        raise InvalidQueryError(
            f"{name} has proper motions, but the epoch of its positions is not known: add a column "
            "ref_epoch with Julian years, such as 2016.0"
        )
    return np.full(len(table[names[0]]), known)


def _described_epoch(table: Any) -> float | None:
    """Return the epoch in the description of the columns of positions, as VizieR has it."""
    columns = angle_columns(table)
    for column in columns:
        text = getattr(table[column], "description", None) or ""
        if found := EPOCH_WORDS.search(text):
            return float(found[1])
    return None

"""Positions in the columns of tables: which columns have them, and their values in degrees."""

import re
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, NamedTuple

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, Galactic, SkyCoord
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import column_names, icrs_positions
from atlasquery.service.positions import DEC_NAMES, RA_NAMES

__all__ = [
    "LONGITUDE",
    "ColumnPositions",
    "angle_columns",
    "column_positions",
    "named_column",
    "plain_values",
    "table_positions",
]

# Names of columns with galactic coordinates, in lower case.
LONGITUDE, LATITUDE = ("l", "glon", "_glon"), ("b", "glat", "_glat")
# Unified content descriptors, by which services mark the columns to use.
UCD_RA, UCD_DEC = "pos.eq.ra;meta.main", "pos.eq.dec;meta.main"
HOURS = re.compile(r"[:h\s]")


class ColumnPositions(NamedTuple):
    """Positions from the columns of a table.

    Parameters
    ----------
    ra, dec : `~numpy.ndarray`
        Degrees (ICRS).
    missing : `~numpy.ndarray` of bool
        Whether a position is masked or not finite.
    columns : tuple of str
        The columns: one of coordinates, or two of angles.
    """

    ra: np.ndarray
    dec: np.ndarray
    missing: np.ndarray
    columns: tuple[str, ...]


def table_positions(table: Table, *, name: str) -> SkyCoord:
    """Return the positions of a table, each of which is needed.

    Parameters
    ----------
    table : `~astropy.table.Table`
        As in `column_positions`.
    name : str
        The argument's name, for messages.

    Returns
    -------
    `~astropy.coordinates.SkyCoord`
        A position for each row.

    Raises
    ------
    InvalidQueryError
        If it has no such columns, or a value that is missing or not a position.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from atlasquery.service.position_columns import table_positions
    >>> print(table_positions(Table({"RA": [150.1], "Dec": [2.2]}), name="target").to_string())
    ['150.1 2.2']
    """
    found = column_positions(table, name=name)
    if found.missing.any():
        raise InvalidQueryError(
            f"{name} has a masked {' or '.join(found.columns)} in row {np.argmax(found.missing)}, "
            "or one that is not finite"
        )
    return SkyCoord(found.ra, found.dec, unit="deg")


def column_positions(table: Any, *, name: str) -> ColumnPositions:
    """Return the positions in the columns of a table.

    Parameters
    ----------
    table : `~astropy.table.Table` or other table
        A table with a column of `~astropy.coordinates.SkyCoord`, or with right ascension and
        declination (in degrees where they have no unit), or with galactic coordinates.
    name : str
        The argument's name, for messages.

    Returns
    -------
    ColumnPositions
        A position for each row.

    Raises
    ------
    InvalidQueryError
        If there are none, or in several columns of coordinates, or they are not angles.
    """
    columns = _position_columns(table, name)
    if not columns:
        raise InvalidQueryError(
            f"{name} is a table without a column of SkyCoord, or ra and dec; it has "
            f"{', '.join(map(str, column_names(table) or ()))[:300] or 'no columns'}"
        )
    if len(columns) == 1:
        ra, dec, bad, _ = icrs_positions(table[columns[0]], name=f"{name}[{columns[0]!r}]")
        return ColumnPositions(ra, dec, bad, columns)
    galactic = columns[0].lower() in LONGITUDE
    lon, lat = (
        _degrees(table[column], f"{name}[{column!r}]", hours=first and not galactic)
        for column, first in zip(columns, (True, False), strict=True)
    )
    bad = ~(np.isfinite(lon) & np.isfinite(lat))
    if np.any(beyond := ~bad & (np.abs(lat) > 90)):
        at = int(np.argmax(beyond))
        raise InvalidQueryError(
            f"{name}[{columns[1]!r}] has {lat[at]:.10g} deg in row {at}, which is not from -90 to "
            "90; a missing position should be masked or NaN"
        )
    if galactic:
        frame = Galactic(np.where(bad, 0, lon) * u.deg, np.where(bad, 0, lat) * u.deg)
        lon, lat, _, _ = icrs_positions(frame, name=name)
    return ColumnPositions(lon % 360, lat, bad, columns)


def _position_columns(table: Any, name: str) -> tuple[str, ...]:
    """Return the names of one column of coordinates, or of two of angles, or none."""
    names = column_names(table) or []
    coordinates = [n for n in names if isinstance(table[n], SkyCoord)]
    if len(coordinates) > 1:
        raise InvalidQueryError(
            f"{name} is a table with {len(coordinates)} columns of SkyCoord, "
            f"{', '.join(coordinates)}: pass one, such as table[{coordinates[0]!r}]"
        )
    return tuple(coordinates) or angle_columns(table)


def angle_columns(table: Any) -> tuple[str, ...]:
    """Return the names of the columns of a table that have positions as two angles.

    Parameters
    ----------
    table : `~astropy.table.Table` or other table
        The table; columns that its service marks as the main position are preferred.

    Returns
    -------
    tuple of str
        Right ascension and declination, or galactic longitude and latitude; empty if
        there are none.
    """
    names = [n for n in column_names(table) or [] if isinstance(n, str)]
    if isinstance(table, Table):
        marked = {str(table[n].info.meta.get("ucd", "")): n for n in reversed(names)
                  if isinstance(table[n].info.meta, Mapping)}  # fmt: skip
        if UCD_RA in marked and UCD_DEC in marked:
            return marked[UCD_RA], marked[UCD_DEC]
    for first, second in ((RA_NAMES, DEC_NAMES), (LONGITUDE, LATITUDE)):
        found = (named_column(names, first), named_column(names, second))
        if None not in found:
            return tuple(map(str, found))
    return ()


def named_column(names: Iterable[str], known: tuple[str, ...]) -> str | None:
    """Return the first column that has one of some names, in any case.

    Parameters
    ----------
    names : iterable of str
        The columns of a table.
    known : tuple of str
        Names in lower case, most likely first.

    Returns
    -------
    str or None
        The name in the table; None if there is no such column.
    """
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(name.lower(), name)
    return next((by_name[word] for word in known if word in by_name), None)


def _degrees(column: Any, label: str, *, hours: bool) -> np.ndarray:
    """Return angles in degrees, NaN where one is missing."""
    values, missing = plain_values(column)
    unit = getattr(column, "unit", None)
    try:
        if values.dtype.kind in "OSU":
            return _read_angles(values, missing, label, hours=hours)
        if unit is None or str(unit) in ("", "degrees"):
            unit = u.deg
        degrees = u.Quantity(values.astype(float), unit).to_value(u.deg)
    except (u.UnitsError, ValueError, TypeError) as error:
        raise InvalidQueryError(f"{label} is not a column of angles: {error}") from error
    return np.where(missing, np.nan, degrees)


def plain_values(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the plain values of a column, and which of them are masked.

    Parameters
    ----------
    column : object
        A column of a table, a data frame or a structured array.

    Returns
    -------
    values : `~numpy.ndarray`
        Without unit and mask.
    missing : `~numpy.ndarray` of bool
        Which are masked, or None.
    """
    mask = np.zeros(len(column), bool)
    if hasattr(column, "isna"):
        # A data frame, where mask is a method.
        mask |= np.asarray(column.isna(), bool)
    elif hasattr(column, "mask"):
        mask |= np.asarray(column.mask)
    plain = getattr(column, "unmasked", column)
    plain = getattr(plain, "value", plain) if isinstance(plain, u.Quantity) else plain
    values = np.asarray(plain.data if isinstance(plain, np.ma.MaskedArray) else plain)
    if values.dtype.kind == "O":
        mask |= np.array([value is None or value is np.ma.masked for value in values], bool)
        if all(isinstance(value, Real) for value in values[~mask]):
            values = np.where(mask, np.nan, values).astype(float)
    return values, mask


def _read_angles(values: np.ndarray, missing: np.ndarray, label: str, *, hours: bool) -> np.ndarray:
    """Read strings: numbers are degrees, and sexagesimal right ascensions are in hours."""
    degrees = np.full(len(values), np.nan)
    for n in np.flatnonzero(~missing):
        text = values[n].decode() if isinstance(values[n], bytes) else str(values[n]).strip()
        if not text:
            continue
        unit = u.hourangle if hours and HOURS.search(text) else u.deg
        try:
            degrees[n] = Angle(text, unit).to_value(u.deg)
        except (u.UnitsError, ValueError, TypeError) as error:
            raise InvalidQueryError(f"{label} has {text!r:.80} in row {n}: {error}") from error
    return degrees

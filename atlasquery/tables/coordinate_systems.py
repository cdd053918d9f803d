"""Coordinate systems of the times and positions of a table, in the terms of FITS and VOTable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time, TimeDelta

__all__ = [
    "UNKNOWN",
    "ReferencePosition",
    "TimeColumn",
    "position_pairs",
    "position_system",
    "reference_position",
    "target",
    "time_columns",
]

#: Where the times of a table were, or would be, measured, in the words of FITS and VOTable.
ReferencePosition = Literal["topocenter", "geocenter", "barycenter", "heliocenter", "unknown"]
# Files written before there was meta["time_reference_position"] have it in the prose of
# meta["time_reference"].
WORDS: tuple[tuple[str, ReferencePosition], ...] = (
    ("barycent", "barycenter"),
    ("heliocent", "heliocenter"),
    ("at the sun", "heliocenter"),
    ("geocent", "geocenter"),
    ("observatory", "topocenter"),
    ("exposure", "topocenter"),
)
#: The reference position of times of which none is known, as FITS and VOTable write it.
UNKNOWN = "UNKNOWN"
# Formats of Time that are days since an epoch.
ORIGINS = {"mjd": "MJD-origin", "jd": "JD-origin"}


@dataclass(frozen=True)
class TimeColumn:
    """A column of plain numbers or strings that are times.

    Parameters
    ----------
    name : str
        The name of the plain column.
    scale : str
        The time scale, in capitals; empty of durations, and of the small number of days
        that is to be added to the column before it.
    position : str
        Reference position: ``BARYCENTER``, ``HELIOCENTER``, ``GEOCENTER``, ``TOPOCENTER``
        or ``UNKNOWN``.
    origin : str or None
        ``MJD-origin`` or ``JD-origin`` of days, None of ISO 8601 strings.
    unit : str
        The unit of numbers, empty of strings.
    """

    name: str
    scale: str
    position: str
    origin: str | None
    unit: str


def time_columns(table: Table, plain: Table) -> list[TimeColumn]:
    """Return which columns of a plain table are times.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table as it was, with columns of `~astropy.time.Time`.
    plain : `~astropy.table.Table`
        The same with plain columns.

    Returns
    -------
    list of TimeColumn
        Those whose format FITS and VOTable know: MJD, JD and ISO 8601, and durations.
    """
    found = []
    for name, column in table.columns.items():
        if isinstance(column, TimeDelta):
            unit = {"jd": "d", "sec": "s"}.get(column.format, "")
            if name in plain.colnames and unit:
                found.append(TimeColumn(name, "", UNKNOWN, None, unit))
            continue
        if not isinstance(column, Time):
            continue
        scale = column.scale.upper()
        # The other times are those at which rows were written, anywhere.
        position = reference_position(table.meta).upper() if name == "time" else UNKNOWN
        if name not in plain.colnames:
            found.append(TimeColumn(f"{name}.jd1", scale, position, ORIGINS["jd"], "d"))
            found.append(TimeColumn(f"{name}.jd2", "", UNKNOWN, None, "d"))
        elif column.format in ORIGINS:
            found.append(TimeColumn(name, scale, position, ORIGINS[column.format], "d"))
        elif column.format in ("isot", "fits"):
            found.append(TimeColumn(name, scale, position, None, ""))
    return found


def reference_position(meta: Mapping) -> ReferencePosition:
    """Return the reference position of the times of a table.

    Parameters
    ----------
    meta : mapping
        The metadata of the table. Without ``time_reference_position``, as in files of
        earlier versions, the prose of ``time_reference`` is read.

    Returns
    -------
    {"topocenter", "geocenter", "barycenter", "heliocenter", "unknown"}
        The position.
    """
    known = meta.get("time_reference_position")
    if known in get_args(ReferencePosition):
        return cast("ReferencePosition", known)
    prose = str(meta.get("time_reference", "")).lower()
    for word, position in WORDS:
        if word in prose:
            return position
    return "unknown"


def position_system(table: Table) -> str | None:
    """Return the system of the columns named after right ascension and declination.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table.

    Returns
    -------
    str or None
        ``ICRS`` where the table is of a service of this package or a description
        names it; None where nothing is known.
    """
    described = any("ICRS" in (column.info.description or "") for column in table.columns.values())
    return "ICRS" if described or "service" in table.meta else None


def position_pairs(table: Table, plain: Table) -> list[tuple[str, str, str]]:
    """Return which plain columns are positions on the sky.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table as it was.
    plain : `~astropy.table.Table`
        The same with plain columns.

    Returns
    -------
    list of tuple of str
        The names of the columns of right ascension and declination, and the system,
        ``ICRS``, ``FK5`` or ``FK4``.
    """
    found = []
    for name, column in table.columns.items():
        if isinstance(column, SkyCoord) and column.frame.name in ("icrs", "fk5", "fk4"):
            found.append((f"{name}.ra", f"{name}.dec", column.frame.name.upper()))
    system = position_system(table)
    for name in plain.colnames if system else ():
        other = _declination(name)
        if other in plain.colnames and _is_angle(plain[name]) and _is_angle(plain[other]):
            found.append((name, other, str(system)))
    return [pair for pair in found if pair[0] in plain.colnames]


def _declination(name: str) -> str:
    """Return the name of the declination that belongs to a right ascension, or an empty string."""
    if name == "ra":
        return "dec"
    if name.startswith("ra_"):
        return f"dec_{name[3:]}"
    return f"{name[:-3]}_dec" if name.endswith("_ra") else ""


def _is_angle(column: Any) -> bool:
    return column.unit is not None and u.Unit(column.unit).is_equivalent(u.deg)


def target(table: Table) -> SkyCoord | None:
    """Return the position of the one object that a table is of.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table.

    Returns
    -------
    `~astropy.coordinates.SkyCoord` or None
        In ICRS; None where its meta has none.
    """
    position = table.meta.get("coordinates")
    if not (isinstance(position, SkyCoord) and position.isscalar):
        return None
    # FITS has no header for NaN.
    position = position.icrs
    return position if np.isfinite(position.ra.deg) and np.isfinite(position.dec.deg) else None

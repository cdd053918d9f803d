"""Read the columns of sky maps, and refuse those whose numbers cannot be probabilities."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import astropy.units as u
import numpy as np
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions.cell_tables import CellTable, describe, read_cell_table
from atlasquery.regions.cells import (
    DEEPEST,
    Cells,
    FlatCells,
    MultiOrderCells,
    library,
    order_of_number,
    split_uniq,
)

__all__ = ["PROBABILITIES", "MapColumns", "read_map_columns"]

PER_SR = u.sr**-1
# Columns that only a sky map has, by which it is recognized.
PROBABILITIES = ("PROBDENSITY", "PROB", "PROBABILITY")
NUMBERS = ("PIXEL", "IPIX", "HPX_INDEX")
COLUMNS = ("UNIQ", *PROBABILITIES, *NUMBERS, "DISTMU", "DISTSIGMA")
# The mark of HEALPix for a pixel without a value.
UNSEEN = -1.6375e30
# The sum of probabilities may differ from 1 by this much.
TOLERANCE = 0.01
# Coordinates of cells, and whether these are galactic.
SYSTEMS = {
    **dict.fromkeys(("", "C", "Q", "ICRS", "FK5", "RADEC", "EQUATORIAL", "CELESTIAL"), False),
    **dict.fromkeys(("G", "GALACTIC"), True),
}


@dataclass
class MapColumns:
    """What a file has of a sky map.

    Parameters
    ----------
    cells : Cells
        The cells.
    density : `~numpy.ndarray`
        Probability per steradian of each.
    distances : tuple of `~numpy.ndarray` or None
        ``DISTMU`` and ``DISTSIGMA`` in Mpc.
    meta : dict
        What is known of the map.
    galactic : bool
        Whether cells are in galactic coordinates.
    """

    cells: Cells
    density: np.ndarray
    distances: tuple[np.ndarray, np.ndarray] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    galactic: bool = False


def read_map_columns(source: Any) -> MapColumns:
    """Read a sky map.

    Parameters
    ----------
    source : path-like, bytes, `~astropy.table.Table`, HDU or HDUList
        As in `~atlasquery.regions.SkyMap.read`.

    Returns
    -------
    MapColumns
        Its columns, checked.

    Raises
    ------
    InvalidQueryError
        If it is not a sky map, or damaged.
    """
    what = f"sky map {describe(source)}"
    table = read_cell_table(source, COLUMNS, name="sky map")
    columns = table.columns
    name = _probability_column(table, what)
    if len({len(column) for column in columns.values()}) > 1:
        raise InvalidQueryError(f"{what} has columns of different lengths")
    cells, rows = _cells_of(table, len(columns[name]), what)
    if rows is not None:
        columns = {key: column[rows] for key, column in columns.items()}
    density = _density(columns[name], name, table.units.get(name), cells.area, what)
    return MapColumns(
        cells,
        density,
        distances=_distances(columns, table.units),
        meta=_meta(table.header),
        galactic=_galactic(table.header, what),
    )


def _probability_column(table: CellTable, what: str) -> str:
    """Return the name of the column of probabilities: where cells differ, densities first."""
    for name in PROBABILITIES if "UNIQ" in table.columns else PROBABILITIES[1:]:
        if name in table.columns:
            return name
    if "PROBDENSITY" in table.columns:
        return "PROBDENSITY"
    if "UNIQ" in table.columns or "RANGE" in map(str.upper, table.names):
        raise InvalidQueryError(
            f"{what} is a MOC, which has cells without probabilities: read_moc reads it"
        )
    known = ", ".join(table.names)[:200]
    raise InvalidQueryError(
        f"{what} has no column PROBDENSITY, PROB or PROBABILITY"
        + (f"; it has {known}" if known else "")
    )


def _cells_of(table: CellTable, n_rows: int, what: str) -> tuple[Cells, np.ndarray | None]:
    """Return the cells, and the order of rows in which they are if it is another one."""
    if "UNIQ" in table.columns:
        return _of_uniq(table.columns["UNIQ"], what)
    ordering = str(table.header.get("ORDERING", "")).strip().upper()
    if not ordering.startswith(("NEST", "RING")):
        missing = f"ORDERING={ordering!r}" if ordering else "no ORDERING"
        raise InvalidQueryError(
            f"{what} has {missing} in its header, and no column UNIQ: it should be 'NESTED' or "
            "'RING' (for a Table, in its meta)"
        )
    ring = ordering.startswith("RING")
    number = next((name for name in NUMBERS if name in table.columns), None)
    if number is not None:
        return _of_numbers(table.columns[number], _nside(table, what), ring, f"{number} of {what}")
    order = order_of_number(n_rows)
    if order is None:
        raise InvalidQueryError(
            f"{what} has {n_rows} pixels, which no HEALPix map has: these are 12, 48, 192, ...; "
            "it is cut off, or a part of the sky without a column PIXEL"
        )
    nside = table.header.get("NSIDE", 2**order)
    if nside != 2**order:
        raise InvalidQueryError(
            f"{what} has NSIDE={nside!r:.20} in its header, and {n_rows} pixels, as many "
            f"as NSIDE={2**order} has"
        )
    return FlatCells(order, ring=ring), None


def _nside(table: CellTable, what: str) -> int:
    nside = table.header.get("NSIDE")
    if isinstance(nside, bool) or not isinstance(nside, (int, np.integer)) or (
        nside not in (2**k for k in range(DEEPEST + 1))
    ):  # fmt: skip
        raise InvalidQueryError(f"{what} has NSIDE={nside!r:.20}, which is not a power of 2")
    return int(nside)


def _of_uniq(uniq: np.ndarray, what: str) -> tuple[MultiOrderCells, np.ndarray]:
    if uniq.dtype.kind not in "iu":
        raise InvalidQueryError(f"{what}: UNIQ is of type {uniq.dtype}, and not of whole numbers")
    wrong = (uniq < 4) | (uniq.astype(np.uint64) >= 16 << 2 * DEEPEST)
    if np.any(wrong):
        row = int(np.argmax(wrong))
        raise InvalidQueryError(
            f"{what}: UNIQ is {uniq[row]} in row {row}, which is not the number of a cell"
        )
    return _sorted_cells(*split_uniq(uniq.astype(np.int64)), what)


def _of_numbers(
    numbers: np.ndarray, nside: int, ring: bool, what: str
) -> tuple[MultiOrderCells, np.ndarray]:
    """Return cells of one order by their numbers, of a part of the sky."""
    order = nside.bit_length() - 1
    if numbers.dtype.kind not in "iu" or np.any(numbers < 0) or np.any(numbers >= 12 * nside**2):
        raise InvalidQueryError(f"{what} has values that are not pixels of NSIDE={nside}")
    nested = numbers.astype(np.int64)
    if ring and len(nested):
        from_ring: Callable = library("cdshealpix").from_ring
        nested = from_ring(nested.astype(np.uint64), order).view(np.int64)
    return _sorted_cells(np.full(len(nested), order), nested, what)


def _sorted_cells(
    order: np.ndarray, number: np.ndarray, what: str
) -> tuple[MultiOrderCells, np.ndarray]:
    first = number << 2 * (DEEPEST - order)
    rows = np.argsort(first, kind="stable")
    first, order = first[rows], order[rows]
    end = first + (np.int64(1) << 2 * (DEEPEST - order))
    overlap = np.flatnonzero(end[:-1] > first[1:])
    if len(overlap):
        pair = sorted(int(row) for row in rows[overlap[0] : overlap[0] + 2])
        raise InvalidQueryError(
            f"{what} has cells that overlap, such as those of rows {pair[0]} and {pair[1]}"
        )
    return MultiOrderCells(order, first), rows


def _density(
    values: np.ndarray, name: str, unit: u.UnitBase | None, area: Any, what: str
) -> np.ndarray:
    """Return the density of probability, checked by its sum over the sky."""
    if not len(values):
        raise InvalidQueryError(f"{what} has no cells")
    for wrong, word in (
        (values <= 0.9 * UNSEEN, "the mark of HEALPix for no value (UNSEEN)"),
        (~np.isfinite(values), "missing or not finite"),
        (values < 0, "negative"),
    ):
        if count := np.count_nonzero(wrong):
            row = int(np.argmax(wrong))
            raise InvalidQueryError(
                f"{what}: {name} is {word} in {count} of {len(values)} cells, first in row {row}"
            )
    per_area = name == "PROBDENSITY"
    if per_area and unit is not None and unit.is_equivalent(PER_SR):
        values = values * unit.to(PER_SR)
    # Sums of single precision would differ from 1 by more than the map does.
    with np.errstate(over="ignore"):
        as_density = float(np.sum(values * area, dtype=float))
        as_probability = float(np.sum(values, dtype=float))
    total, other = (as_density, as_probability) if per_area else (as_probability, as_density)
    if not abs(total - 1) <= TOLERANCE:
        raise InvalidQueryError(f"{what}: {_wrong_sum(name, per_area, total, other)}")
    return values if per_area else values / area


def _wrong_sum(name: str, per_area: bool, total: float, other: float) -> str:
    """Return what is wrong with a map, as far as its sums show it."""
    begin = f"the sum of its probabilities is {total:.6g}, which should be 1"
    if abs(other - 1) <= TOLERANCE:
        if per_area:
            return f"{begin}: {name} has probabilities of cells, which belong into a column PROB"
        return f"{begin}: {name} has densities (1 / sr), which belong into a column PROBDENSITY"
    if abs(total - 100) <= 100 * TOLERANCE:
        return f"{begin}: {name} is in percent"
    if total < 1 - TOLERANCE:
        return f"{begin}: cells are missing, or {name} is not normalized"
    return f"{begin}: {name} is not a probability, or not normalized"


def _distances(
    columns: Mapping[str, np.ndarray], units: Mapping[str, u.UnitBase]
) -> tuple[np.ndarray, np.ndarray] | None:
    if "DISTMU" not in columns or "DISTSIGMA" not in columns:
        return None
    mu, sigma = (
        columns[name] * units[name].to(u.Mpc)
        if name in units and units[name].is_equivalent(u.Mpc)
        else columns[name]
        for name in ("DISTMU", "DISTSIGMA")
    )
    return np.asarray(mu, float), np.asarray(sigma, float)


def _galactic(header: Mapping[str, Any], what: str) -> bool:
    system = str(header.get("COORDSYS", "")).strip().upper()
    if system not in SYSTEMS:
        raise InvalidQueryError(
            f"{what} has COORDSYS={system!r:.30}; maps are read in equatorial ('C') or galactic "
            "('G') coordinates"
        )
    return SYSTEMS[system]


def _meta(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the header tells of the map, under names of this package."""
    meta: dict[str, Any] = {}
    for name, key in (
        ("object", "OBJECT"), ("instruments", "INSTRUME"), ("creator", "CREATOR"),
        ("reference", "REFERENC"), ("created", "DATE"),
    ):  # fmt: skip
        if isinstance(header.get(key), str) and header[key].strip():
            meta[name] = header[key].strip()
    if (when := _trigger_time(header)) is not None:
        meta["trigger_time"] = when
    for name, key, unit in (
        ("distance_mean", "DISTMEAN", u.Mpc), ("distance_std", "DISTSTD", u.Mpc),
        ("log_bci", "LOGBCI", None), ("log_bsn", "LOGBSN", None),
    ):  # fmt: skip
        value = header.get(key)
        if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
            meta[name] = float(value) if unit is None else float(value) * unit
    return meta


def _trigger_time(header: Mapping[str, Any]) -> Time | None:
    """Return the time of the event of a map, in UTC."""
    mjd, date = header.get("MJD-OBS"), header.get("DATE-OBS")
    try:
        if isinstance(mjd, (int, float)) and not isinstance(mjd, bool):
            return Time(float(mjd), format="mjd", scale="utc")
        return Time(date, scale="utc") if isinstance(date, str) else None
    except ValueError:
        return None

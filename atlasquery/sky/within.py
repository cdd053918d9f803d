"""Which rows of a table are inside a region or a credible region, with what a sky map has there."""

from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Column, Row, Table

from atlasquery.exceptions import InputWarning, InvalidQueryError, NoResultsWarning
from atlasquery.regions.readers import read_map_or_region
from atlasquery.regions.region import Region
from atlasquery.regions.skymap import MAP_COLUMNS, SkyMap, check_credible, map_column
from atlasquery.service.inputs import column_names
from atlasquery.sky.findings import Findings
from atlasquery.sky.sky_positions import SkyPositions, read_positions
from atlasquery.warn import warn

__all__ = ["within"]

# Indices that a warning shows.
SHOWN = 5
# Positions that a region is asked for at once.
CHUNK = 1 << 18
DEGREES = {"unit": u.deg, "description": "Position (ICRS)."}


def within(table: Any, region_or_map: Any, *, credible: float | None = None) -> Table:
    """Find the rows of a table inside a region of the sky, or evaluate a sky map at each row.

    Parameters
    ----------
    table : `~astropy.table.Table`, `~astropy.coordinates.SkyCoord` or other positions
        A table or data frame of any length with a column of SkyCoord or columns such as ``ra``
        and ``dec`` (deg where they have no unit); positions in any frame; a light curve with
        ``coordinates`` in its ``meta``, or a mapping of such light curves; or the result of
        `find`.
    region_or_map : sky map, MOC or region
        The path of a FITS file with a sky map of any kind, or of a MOC; or the content of
        one: the result of ``SkyPortal.get_localization``, bytes, an HDU, a
        `~atlasquery.regions.SkyMap`, a `mocpy.MOC`, or a string such as ``"3/3 10"``; or any
        other region that `~atlasquery.regions.read_region` takes, such as a shape of the package
        ``regions``, or a SkyCoord with the vertices of a polygon.
    credible : float, optional
        For a sky map, the level of the credible region that rows are returned from, above 0 and
        up to 1: rows with a ``credible_level`` up to it, so that 0.9 is the 90 % region. By
        default all rows are returned, in their order.

    Returns
    -------
    `~astropy.table.Table`
        The rows inside, in their order, with their columns; positions without a table are
        ``query_index`` (or ``query_id``, the key of a mapping), ``ra`` and ``dec`` (deg). A sky
        map adds:

        ======================= ====== =====================================================
        column                  unit   meaning
        ======================= ====== =====================================================
        ``probability_density`` 1 / sr of the cell of the map at the position
        ``credible_level``             sum of the probabilities of all cells at least as
                                       dense as it; cells of equal density share a level
        ``distance_mean``       Mpc    mean of the distance in this direction, if the map has
                                       distances; masked where it has none
        ``distance_std``        Mpc    its standard deviation
        ======================= ====== =====================================================

        These are masked where a row has no position, or the map has no cell.

    Raises
    ------
    InvalidQueryError
        If there are no positions, the region or the map cannot be read, `credible` is not a
        level or is given for a region, or the table has columns with the names of these.

    Warns
    -----
    InputWarning
        If positions are masked or not finite, which are inside of nothing;
        ``meta["without_position"]`` has their rows.
    NoResultsWarning
        If no row is inside.

    References
    ----------
    Singer et al. 2016, ApJL 829, L15, for maps with distances.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.table import Table
    >>> from atlasquery import SkyPortal, within
    >>> sky_map = SkyPortal.get_localization("2018-01-16T00:36:53")
    >>> objects = Table({"name": ["a", "b"], "ra": [45, 200] * u.deg, "dec": [2, 5] * u.deg})
    >>> within(objects, sky_map, credible=0.9)["name", "credible_level"].pprint()
    name credible_level
    ---- --------------
       a            0.5
    """
    target = read_map_or_region(region_or_map, name="region_or_map")
    if credible is not None:
        credible = check_credible(credible)
        if not isinstance(target, SkyMap):
            raise InvalidQueryError(
                f"credible={credible:g} is for probability sky maps, and region_or_map is "
                f"{target.name}: leave credible out"
            )
    if isinstance(table, Findings):
        table = table.objects
    elif isinstance(table, Row):
        table = Table(table)
    positions = read_positions(table, name="table")
    if isinstance(target, SkyMap):
        _check_names(table, positions, target)
    _warn_of_missing(positions)
    if isinstance(target, SkyMap):
        found = _in_map(table, positions, target, credible)
    else:
        found = _rows(table, positions, np.flatnonzero(_inside(positions, target)))
    found.meta |= _meta(positions, target, credible)
    if not len(found) and len(positions):
        warn("within: no row is inside", NoResultsWarning)
    return found


def _check_names(table: Any, positions: SkyPositions, sky_map: SkyMap) -> None:
    """Refuse a table whose columns would be replaced."""
    names = (column_names(table) or []) if positions.columns else []
    columns = [*MAP_COLUMNS] if sky_map.has_distances else [*MAP_COLUMNS][:2]
    if taken := [name for name in columns if name in names]:
        raise InvalidQueryError(
            f"table has a column {taken[0]!r} already, which the sky map would replace: rename or "
            "remove it"
        )


def _warn_of_missing(positions: SkyPositions) -> None:
    missing = positions.missing
    if len(missing):
        shown = ", ".join(map(str, missing[:SHOWN])) + ", ..." * (len(missing) > SHOWN)
        verb = "are" if len(missing) > 1 else "is"
        warn(
            f"table: {len(missing)} of {len(positions)} positions {verb} masked or not finite, and "
            f"not inside: row {shown}",
            InputWarning,
        )


def _in_map(table: Any, positions: SkyPositions, sky_map: SkyMap, credible: float | None) -> Table:
    """Return the rows of a credible region, or all, with the values of the map."""
    values = sky_map.evaluate(positions.lon, positions.lat)
    if credible is None:
        found = _rows(table, positions, None)
    else:
        # A comparison with NaN is false.
        inside = np.flatnonzero(values["credible_level"] <= credible)
        found = _rows(table, positions, inside)
        values = {name: column[inside] for name, column in values.items()}
    for name, column in values.items():
        found.add_column(map_column(name, column), copy=False)
    return found


def _inside(positions: SkyPositions, region: Region) -> np.ndarray:
    """Return which positions are inside a region."""
    inside = np.zeros(len(positions), bool)
    for start in range(0, len(positions), CHUNK):
        lon, lat = (one[start : start + CHUNK] for one in (positions.lon, positions.lat))
        good = np.flatnonzero(np.isfinite(lon) & np.isfinite(lat))
        ra, dec = np.degrees(lon[good]), np.degrees(lat[good])
        inside[good + start] = region.inside(ra, dec)
    return inside


def _rows(table: Any, positions: SkyPositions, rows: np.ndarray | None) -> Table:
    """Return rows of what has the positions, all of them for None, as a new table."""
    if positions.columns:
        if isinstance(table, Table):
            return table.copy() if rows is None else table[rows]
        if hasattr(table, "iloc"):
            return Table.from_pandas(table if rows is None else table.iloc[rows])
        every = slice(None) if rows is None else rows
        names = map(str, column_names(table) or ())
        return Table({name: np.asarray(table[name])[every] for name in names})
    lon, lat = positions.lon, positions.lat
    index = np.arange(len(positions)) if rows is None else rows
    if rows is not None:
        lon, lat = lon[rows], lat[rows]
    columns = {
        "query_index": Column(index, description="Index of the position."),
        "ra": Column(np.degrees(lon), **DEGREES),
        "dec": Column(np.degrees(lat), **DEGREES),
    }
    if positions.keys is not None:
        key = Column(positions.keys[index], description="Key of the mapping.")
        columns = {"query_id": key, **columns}
        del columns["query_index"]
    return Table(columns, copy=False)


def _meta(
    positions: SkyPositions, target: SkyMap | Region, credible: float | None
) -> dict[str, Any]:
    meta: dict[str, Any] = {"without_position": positions.missing.tolist()}
    if not isinstance(target, SkyMap):
        return meta | {"region": target.name, "n_positions": len(positions)}
    meta |= {"sky_map": str(target.meta.get("object", "")), "n_positions": len(positions)}
    if "trigger_time" in target.meta:
        meta["trigger_time"] = target.meta["trigger_time"].isot
    if credible is not None:
        meta["credible"] = credible
    return meta

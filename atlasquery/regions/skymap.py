"""Probability sky maps: of gravitational waves, gamma-ray bursts and neutrinos."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Column, MaskedColumn, QTable

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.regions.cells import Cells, to_galactic
from atlasquery.regions.distances import distance_moments
from atlasquery.regions.moc import Moc
from atlasquery.regions.skymap_columns import MapColumns, read_map_columns
from atlasquery.service.inputs import icrs_positions
from atlasquery.tables.html import definitions
from atlasquery.warn import warn

__all__ = ["MAP_COLUMNS", "SkyMap", "check_credible"]

DEG2 = (180 / np.pi) ** 2
#: Columns that a map gives to positions: unit and description of each.
MAP_COLUMNS = {
    "probability_density": (u.sr**-1, "Probability per solid angle at the position."),
    "credible_level": (None, "Probability of all cells that are at least as dense as this one."),
    "distance_mean": (u.Mpc, "Mean distance in this direction."),
    "distance_std": (u.Mpc, "Standard deviation of the distance in this direction."),
}
# Positions that are evaluated at once: their arrays stay in the cache of the processor.
CHUNK = 1 << 17
# More distinct densities than the cache of the processor has.
MANY_LEVELS = 1 << 16
# Maps with more cells compute distances for the cells of the positions only.
MANY_CELLS = 1 << 20


class SkyMap:
    """A probability sky map, with distances if it has them.

    A map is read by `SkyMap.read`, and evaluated at positions by `at` or by
    `~atlasquery.within`. The credible level of a position is the probability of all cells that
    are at least as dense as its own; cells of equal density have the same level. The 90 %
    region consists of the cells with a level up to 0.9, without the cell that exceeds it.

    Parameters
    ----------
    cells : Cells
        The cells of the map.
    probability_density : `~numpy.ndarray`
        Probability per steradian of each cell.
    distances : tuple of `~numpy.ndarray`, optional
        The parameters ``DISTMU`` and ``DISTSIGMA`` of each cell, in Mpc.
    meta : mapping, optional
        What is known of the map and its event.
    galactic : bool, optional
        Whether its cells are in galactic instead of equatorial coordinates.

    Attributes
    ----------
    meta : dict
        ``object``, ``trigger_time`` (`~astropy.time.Time`, UTC), ``instruments``, ``creator``,
        ``created``, ``reference``, ``distance_mean`` and ``distance_std`` (Mpc, of the whole
        sky), ``log_bci``, ``log_bsn``, where the file has them.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import SkyPortal
    >>> from atlasquery.regions import SkyMap
    >>> sky_map = SkyMap.read(SkyPortal.get_localization("2018-01-16T00:36:53"))
    >>> print(f"{sky_map.area(0.5):.1f}")
    214.9 deg2
    """

    def __init__(
        self,
        cells: Cells,
        probability_density: np.ndarray,
        *,
        distances: tuple[np.ndarray, np.ndarray] | None = None,
        meta: Mapping[str, Any] | None = None,
        galactic: bool = False,
    ):
        self._cells, self._density, self._galactic = cells, probability_density, galactic
        if distances is not None and not np.any(np.isfinite(distances[0])):
            # All cells have the mark of a direction without a distance.
            distances = None
        self._distances = distances
        self.meta = dict(meta or {})

    @classmethod
    def read(cls, source: Any) -> "SkyMap":
        """Read a sky map.

        Parameters
        ----------
        source : path-like, bytes, `~astropy.table.Table`, HDU or HDUList
            A FITS file, compressed by gzip or not, or its bytes, or what was read from one,
            such as the result of ``SkyPortal.get_localization``. Cells are of many orders
            (``UNIQ`` and ``PROBDENSITY``), or all of one in nested or ring order (``PROB`` or
            ``PROBABILITY``), also several in a row, or a part of the sky with their numbers
            (``PIXEL``).

        Returns
        -------
        SkyMap
            The map.

        Raises
        ------
        InvalidQueryError
            If it is not a sky map, or damaged: its probabilities are negative, missing, or
            their sum is not within 1 % of 1; cells overlap, or are not a whole sky.
        """
        if isinstance(source, SkyMap):
            return source
        found: MapColumns = read_map_columns(source)
        return cls(
            found.cells,
            found.density,
            distances=found.distances,
            meta=found.meta,
            galactic=found.galactic,
        )

    def __len__(self) -> int:
        return len(self._cells)

    def __repr__(self) -> str:
        name = self.meta.get("object", "sky map")
        distance = ", with distances" if self.has_distances else ""
        return (
            f"<SkyMap {name}: {len(self)} cells down to order {self.order}{distance}; "
            f"90 % in {self.area(0.9).value:.5g} deg2>"
        )

    def _repr_html_(self) -> str:
        rows = {
            "Cells": f"{len(self)}, the smallest of order {self.order}",
            "50 % region": f"{self.area(0.5).value:.5g} deg2",
            "90 % region": f"{self.area(0.9).value:.5g} deg2",
            "Distances": "yes" if self.has_distances else "no",
        }
        rows |= {key.replace("_", " ").capitalize(): str(value) for key, value in self.meta.items()}
        return str(definitions(rows, title=f"Sky map {self.meta.get('object', '')}".strip()))

    @property
    def order(self) -> int:
        """The order of the smallest cells."""
        return self._cells.deepest

    @property
    def has_distances(self) -> bool:
        """Whether the map has a distance in some direction."""
        return self._distances is not None

    @cached_property
    def _levels(self) -> tuple[np.ndarray, np.ndarray]:
        return _credible_levels(self._density, self._cells.area)

    @cached_property
    def _cell_levels(self) -> np.ndarray:
        """The credible level of each cell."""
        return self._levels_of(self._density)

    def _levels_of(self, density: np.ndarray) -> np.ndarray:
        distinct, level = self._levels
        if len(distinct) < MANY_LEVELS or len(density) < 2:
            return level[np.searchsorted(distinct, density)]
        # In order, since a search among millions is then several times faster.
        order = np.argsort(density)
        found = np.empty(len(density))
        found[order] = level[np.searchsorted(distinct, density[order])]
        return found

    @cached_property
    def _cell_moments(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The mean and the standard deviation of the distance of each cell."""
        return None if self._distances is None else distance_moments(*self._distances)

    def _moments_of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the distance in rows."""
        assert self._distances is not None  # noqa: S101
        if len(self) <= MANY_CELLS:
            mean, std = self._cell_moments or (np.empty(0), np.empty(0))
            return mean[rows], std[rows]
        some, where = np.unique(rows, return_inverse=True)
        mean, std = distance_moments(*(column[some].astype(float) for column in self._distances))
        return mean[where], std[where]

    def to_table(self) -> QTable:
        """Return the cells as a table.

        Returns
        -------
        `~astropy.table.QTable`
            ``uniq``, ``probability``, and as in `at`: ``probability_density`` (1 / sr),
            ``credible_level`` and, with distances, ``distance_mean`` and ``distance_std``
            (Mpc, masked where there is none).
        """
        rows = np.arange(len(self))
        table = QTable(meta=dict(self.meta))
        table["uniq"] = Column(self._cells.uniq(), description="Number of the cell (NUNIQ).")
        table["probability"] = Column(
            self._density * self._cells.area, description="Probability of the cell."
        )
        for name, values in self._values(rows).items():
            table[name] = map_column(name, values)
        return table

    def at(self, coordinates: SkyCoord) -> QTable:
        """Evaluate the map at positions.

        Parameters
        ----------
        coordinates : `~astropy.coordinates.SkyCoord`
            Positions of any number and frame.

        Returns
        -------
        `~astropy.table.QTable`
            A row for each position, flat: ``probability_density`` (1 / sr),
            ``credible_level`` and, with distances, ``distance_mean`` and ``distance_std``
            (Mpc); masked where a position is missing or the map has no cell, and where the
            direction has no distance.

        Warns
        -----
        InputWarning
            If positions are masked or not finite.
        """
        ra, dec, bad, _ = icrs_positions(coordinates)
        if np.any(bad):
            warn(
                f"coordinates: {np.count_nonzero(bad)} of {len(ra)} positions are masked or not "
                "finite",
                InputWarning,
            )
        ra, dec = np.where(bad, np.nan, ra), np.where(bad, np.nan, dec)
        values = self.evaluate(np.radians(ra), np.radians(dec))
        return QTable({name: map_column(name, column) for name, column in values.items()})

    def evaluate(self, lon: np.ndarray, lat: np.ndarray) -> dict[str, np.ndarray]:
        """Evaluate the map at positions, as plain arrays.

        Parameters
        ----------
        lon, lat : `~numpy.ndarray`
            ICRS positions in radians; NaN where there is none.

        Returns
        -------
        dict of str to `~numpy.ndarray`
            The columns of `at`, NaN where they have no value.
        """
        names = [*MAP_COLUMNS] if self.has_distances else [*MAP_COLUMNS][:2]
        values = {name: np.full(len(lon), np.nan) for name in names}
        for start in range(0, len(lon), CHUNK):
            part = slice(start, start + CHUNK)
            lon_part, lat_part = lon[part], lat[part]
            finite = np.isfinite(lon_part) & np.isfinite(lat_part)
            whole = bool(finite.all())
            if not whole:
                lon_part, lat_part = lon_part[finite], lat_part[finite]
            if self._galactic:
                lon_part, lat_part = to_galactic(lon_part, lat_part)
            rows = self._cells.find(lon_part, lat_part)
            if whole and rows.min(initial=0) >= 0:
                for name, column in self._values(rows).items():
                    values[name][part] = column
                continue
            where = np.flatnonzero(finite)[rows >= 0] + start
            for name, column in self._values(rows[rows >= 0]).items():
                values[name][where] = column
        return values

    def _values(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns of cells in rows."""
        density = self._density[rows]
        few = len(self) <= MANY_CELLS
        level = self._cell_levels[rows] if few else self._levels_of(density)
        columns = [density, level]
        if self.has_distances:
            columns += self._moments_of(rows)
        return dict(zip(MAP_COLUMNS, columns, strict=False))

    def area(self, credible: float) -> u.Quantity:
        """Return the area of a credible region.

        Parameters
        ----------
        credible : float
            The credible level, such as 0.9: above 0 and up to 1.

        Returns
        -------
        `~astropy.units.Quantity`
            Square degrees.
        """
        inside = self._inside(credible)
        total = np.sum(np.broadcast_to(self._cells.area, len(self)), where=inside)
        return float(total) * DEG2 * u.deg**2

    def probability(self, credible: float) -> float:
        """Return the probability of a credible region, which is up to its level.

        Parameters
        ----------
        credible : float
            The credible level, such as 0.9: above 0 and up to 1.

        Returns
        -------
        float
            The sum over its cells.
        """
        weights = np.broadcast_to(self._cells.area, len(self))
        return float(np.sum(self._density * weights, where=self._inside(credible), dtype=float))

    def region(self, credible: float) -> Moc:
        """Return a credible region, to search in.

        Parameters
        ----------
        credible : float
            The credible level, such as 0.9: above 0 and up to 1.

        Returns
        -------
        Moc
            The cells with a level up to it.

        Raises
        ------
        InvalidQueryError
            If the map is in galactic coordinates, in which MOCs are not.
        """
        inside = self._inside(credible)
        if self._galactic:
            raise InvalidQueryError(
                "this map is in galactic coordinates, and MOCs are equatorial: give the map itself "
                "to within"
            )
        name = f"{credible * 100:g} % region of {self.meta.get('object', 'a sky map')}"
        return Moc(self._cells.ranges(inside), self.order, name=name)

    def moc(self, credible: float, order: int | None = None) -> Any:
        """Return a credible region as an object of mocpy.

        Parameters
        ----------
        credible : float
            The credible level, such as 0.9: above 0 and up to 1.
        order : int, optional
            The order of the smallest cells, as in `Moc.moc`.

        Returns
        -------
        `mocpy.MOC`
            The cells with a level up to it.
        """
        return self.region(credible).moc(order)

    def _inside(self, credible: float) -> np.ndarray:
        """Return which cells have a level up to this one."""
        credible = check_credible(credible)
        distinct, level = self._levels
        first = int(np.argmax(level <= credible)) if len(level) and level[-1] <= credible else None
        if first is None:
            return np.zeros(len(self), bool)
        return self._density >= distinct[first]


def check_credible(credible: Any) -> float:
    """Return a credible level.

    Parameters
    ----------
    credible : float
        Above 0 and up to 1.

    Returns
    -------
    float
        The level.

    Raises
    ------
    InvalidQueryError
        If it is anything else.
    """
    right = "should be a credible level above 0 and up to 1, such as 0.9"
    if isinstance(credible, (bool, np.bool_, str)):
        raise InvalidQueryError(f"credible={credible!r:.50} {right}")
    try:
        value = float(u.Quantity(credible).to_value(u.one))
    except (TypeError, ValueError, u.UnitsError) as error:
        raise InvalidQueryError(f"credible={credible!r:.50} {right}") from error
    if 1 < value <= 100:
        right += f"; {value:g} % is {value / 100:g}"
    if not 0 < value <= 1:
        raise InvalidQueryError(f"credible={credible!r:.50} {right}")
    return value


def map_column(name: str, values: np.ndarray) -> Column:
    """Return values of a map as a column, masked where they are NaN.

    Parameters
    ----------
    name : str
        One of `MAP_COLUMNS`.
    values : `~numpy.ndarray`
        The values.

    Returns
    -------
    `~astropy.table.Column` or `~astropy.table.MaskedColumn`
        With its unit and description.
    """
    unit, about = MAP_COLUMNS[name]
    missing = np.isnan(values)
    if missing.any():
        return MaskedColumn(
            values, name=name, mask=missing, unit=unit, description=about, copy=False
        )
    return Column(values, name=name, unit=unit, description=about, copy=False)


def _credible_levels(
    density: np.ndarray, area: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct densities, ascending, and the credible level of each."""
    if not len(density):
        return np.empty(0), np.empty(0)
    if np.ndim(area) == 0:
        # Millions of cells of one size, for which the order itself is not needed.
        ranked = np.sort(density)[::-1]
        total = np.cumsum(ranked, dtype=float)
        total *= area
    else:
        order = np.argsort(-density, kind="stable")
        ranked = density[order]
        total = np.cumsum((density * area)[order], dtype=float)
    # Cells of one density share the sum at the end of the tie, so that no level depends on the
    # order of cells.
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    level = np.minimum(total[last], 1.0)
    # The sum of a map differs from 1 by rounding, or by a percent; its last cells are all in.
    level[-1] = 1.0
    return ranked[last][::-1], level[::-1]

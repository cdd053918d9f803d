"""What is looked for: positions, or names and ids that are resolved to positions."""

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from astropy.coordinates import BaseCoordinateFrame, SkyCoord
from astropy.table import Row, Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions.argument import is_region, region_of
from atlasquery.regions.region import Region
from atlasquery.service.inputs import check_coordinates
from atlasquery.service.position_columns import table_positions
from atlasquery.service.positions import NAME_NAMES, read_position
from atlasquery.sky.names import read_name

__all__ = ["FindTargets", "read_targets"]

RIGHT = (
    "should be a SkyCoord, a name such as 'SN 2011fe', an id, a list of names, a table with "
    "positions, or a region"
)


@dataclass
class FindTargets:
    """The targets in flat order.

    Parameters
    ----------
    positions : `~numpy.ndarray`
        Right ascension and declination in degrees, NaN where a name is not resolved yet.
    names : list of str or None
        The name of each that was given by name.
    shape : tuple of int
        The shape that they were given in; empty for a single target.
    region : Region or None
        The region that is the only target, which has no position.
    """

    positions: np.ndarray
    names: list[str | None]
    shape: tuple[int, ...]
    region: Region | None = None

    @property
    def unresolved(self) -> list[int]:
        """The indices of those without a position."""
        if self.region is not None:
            return []
        return np.flatnonzero(np.isnan(self.positions[:, 0])).tolist()

    @property
    def located(self) -> np.ndarray:
        """The indices of those with a position, or of the region."""
        if self.region is not None:
            return np.array([0])
        return np.flatnonzero(~np.isnan(self.positions[:, 0]))

    def coordinates(self, indices: np.ndarray) -> SkyCoord:
        """Return some positions.

        Parameters
        ----------
        indices : `~numpy.ndarray`
            The targets.

        Returns
        -------
        `~astropy.coordinates.SkyCoord`
            One-dimensional, ICRS.
        """
        return SkyCoord(*self.positions[indices].T, unit="deg")


def read_targets(target: Any) -> FindTargets:
    """Return the targets that an argument names.

    Parameters
    ----------
    target : SkyCoord, str, int, sequence of them, `~astropy.table.Table` or region
        Positions, names or ids; a string may be a position. Or one region.

    Returns
    -------
    FindTargets
        The targets.

    Raises
    ------
    InvalidQueryError
        If it is something else, or empty.
    """
    if is_region(target):
        return FindTargets(np.full((1, 2), np.nan), [None], (), region_of(target, None))
    if isinstance(target, BaseCoordinateFrame | SkyCoord):
        ra, dec, shape = check_coordinates(target)
        found = FindTargets(np.column_stack([ra, dec]), [None] * len(ra), shape)
    elif isinstance(target, Table):
        found = _of_table(target)
    elif isinstance(target, str) or _is_id(target):
        found = _of_list([target], ())
    elif isinstance(target, Row | bytes | dict) or not isinstance(target, Iterable):
        raise InvalidQueryError(f"target={target!r:.80} {RIGHT}")
    else:
        values = target.ravel().tolist() if isinstance(target, np.ndarray) else list(target)
        found = _of_list(values, np.shape(target) if isinstance(target, np.ndarray) else None)
    if not len(found.positions):
        raise InvalidQueryError("target is empty: give at least one position or name")
    return found


def _is_id(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_)


def _of_list(values: list, shape: tuple[int, ...] | None) -> FindTargets:
    positions = np.full((len(values), 2), np.nan)
    names: list[str | None] = []
    for n, value in enumerate(values):
        label = "target" if shape == () else f"target[{n}]"
        if isinstance(value, SkyCoord) and value.shape == ():
            (ra,), (dec,), _ = check_coordinates(value)
            positions[n] = ra, dec
            names.append(None)
            continue
        if not isinstance(value, str) and not _is_id(value):
            raise InvalidQueryError(f"{label}={value!r:.80} {RIGHT}")
        position = read_position(value) if isinstance(value, str) else None
        if position is not None:
            positions[n] = position.ra.deg, position.dec.deg
        names.append(None if position is not None else read_name(value, name=label))
    return FindTargets(positions, names, (len(values),) if shape is None else shape)


def _of_table(table: Table) -> FindTargets:
    """Return the positions of a table, or else its names."""
    by_name = {column.lower(): column for column in table.colnames}
    named = next((by_name[name] for name in NAME_NAMES if name in by_name), None)
    try:
        positions = table_positions(table, name="target")
    except InvalidQueryError as error:
        if named is None or "without a column" not in str(error):
            raise
        found = _of_list(table[named].tolist(), None)
        found.shape = (len(table),)
        return found
    ra, dec, shape = check_coordinates(positions)
    return FindTargets(np.column_stack([ra, dec]), [None] * len(ra), shape)

"""MOCs, multi-order coverage maps: regions of the sky as HEALPix cells of many sizes."""

import json
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np

from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions.cell_tables import (
    BYTES,
    FITS_START,
    HDUS,
    CellTable,
    content,
    describe,
    read_cell_table,
)
from atlasquery.regions.cells import DEEPEST, library, merge_ranges, split_uniq
from atlasquery.regions.region import Region, package_of

__all__ = ["Moc", "is_moc_text", "read_moc"]

# All of the sky in cells of order 29.
SKY = 12 << 2 * DEEPEST
# Cells that are written one by one, which is what a text of MOC or a list of cells is read into.
TOKEN = re.compile(r"(?:(?P<order>\d+)/)?(?:(?P<first>\d+)(?:-(?P<last>\d+))?)?")
MOC_TEXT = re.compile(r"\s*\d+/[\d\s,/-]*")
# The cells that a list of them may have.
MOST_CELLS = 200_000_000
FULL_SKY_DEG2 = 4 * np.pi * (180 / np.pi) ** 2


class Moc(Region):
    """A region made of HEALPix cells, with its exact border.

    Parameters
    ----------
    ranges : `~numpy.ndarray` of int64
        First cell and end of each range of cells of order 29, with the shape (n, 2).
    order : int
        The order of its smallest cells.
    name : str, optional
        What it is, for messages.

    Attributes
    ----------
    name : str
        What it is.
    order : int
        The order of its smallest cells.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery.regions import read_moc
    >>> moc = read_moc("1/0-1 2/12")
    >>> moc
    <Moc: 3 cells down to order 2, 1933.733 deg2>
    >>> moc.contains(SkyCoord([45, 200], [5, 5], unit="deg")).tolist()
    [True, False]
    """

    def __init__(self, ranges: np.ndarray, order: int, *, name: str = "MOC"):
        self._ranges, self.order, self.name = merge_ranges(ranges), int(order), name

    def __repr__(self) -> str:
        cells = len(self._moc.uniq_hpx) if len(self._ranges) else 0
        plural = "s" * (cells != 1)
        return (
            f"<{type(self).__name__}: {cells} cell{plural} down to order {self.order}, "
            f"{self.area.value:.7g} deg2>"
        )

    @property
    def area(self) -> u.Quantity:
        """The solid angle in square degrees."""
        # In integers: the cells of the whole sky are more than a float counts.
        cells = sum((self._ranges[:, 1] - self._ranges[:, 0]).tolist())
        return cells / SKY * FULL_SKY_DEG2 * u.deg**2

    @cached_property
    def _moc(self) -> Any:
        ranges = self._ranges.astype(np.uint64)
        return library("mocpy").MOC.from_depth29_ranges(self.order, ranges)

    def moc(self, order: int | None = None) -> Any:
        """Return the region as an object of mocpy.

        Parameters
        ----------
        order : int, optional
            The order of the smallest cells. One that is lower than that of this region
            gives all cells that the region touches; by default the region is exact.

        Returns
        -------
        `mocpy.MOC`
            The cells, which mocpy intersects, joins, draws and saves.

        Examples
        --------
        >>> from atlasquery.regions import read_moc
        >>> print(read_moc("3/0-2 4/12").moc(2))
        2/0
        """
        if order is None or order == self.order:
            return self._moc
        _check_order(order)
        if order > self.order:
            ranges = self._ranges.astype(np.uint64)
            return library("mocpy").MOC.from_depth29_ranges(order, ranges)
        return self._moc.degrade_to_order(order)

    def cells(self, order: int) -> np.ndarray:
        """Return the cells of one order that together hold the region.

        Parameters
        ----------
        order : int
            The order of the cells.

        Returns
        -------
        `~numpy.ndarray` of int64
            Their nested numbers, ascending.

        Raises
        ------
        InvalidQueryError
            If these would be more than 200 million.
        """
        _check_order(order)
        shift = 2 * (DEEPEST - order)
        ranges = np.stack([self._ranges[:, 0] >> shift, (self._ranges[:, 1] - 1 >> shift) + 1], 1)
        ranges = merge_ranges(ranges)
        count = ranges[:, 1] - ranges[:, 0]
        if count.sum() > MOST_CELLS:
            raise InvalidQueryError(f"order={order}: the region has {count.sum()} cells of it")
        before = np.cumsum(count) - count
        return np.arange(count.sum()) + np.repeat(ranges[:, 0] - before, count)

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside.

        Parameters
        ----------
        ra, dec : `~numpy.ndarray`
            Finite degrees (ICRS), flat.

        Returns
        -------
        `~numpy.ndarray` of bool
            One for each.
        """
        if not len(ra) or not len(self._ranges):
            return np.zeros(len(ra), bool)
        lat = np.clip(dec, -90, 90)
        found = self._moc.contains_lonlat(
            u.Quantity(ra, u.deg, copy=False), u.Quantity(lat, u.deg, copy=False)
        )
        return np.asarray(found, bool)


def is_moc_text(value: object) -> bool:
    """Return whether a string is a MOC, and not the path of a file.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    bool
        True for ``"3/3 10 4/16-18"``; False for anything but a string.
    """
    if not isinstance(value, str) or not MOC_TEXT.fullmatch(value):
        return False
    try:
        return not Path(value).exists()
    except OSError:
        return True


def read_moc(source: Any) -> Moc:
    """Read a MOC in any of its forms.

    Parameters
    ----------
    source : path-like, bytes, str, mapping, `mocpy.MOC` or HDU
        A file, or its bytes, compressed by gzip or not: FITS with ranges (MOC 2.0) or UNIQ
        numbers (1.0, also of 32 bits or not sorted), JSON, or text. Or the text itself,
        such as ``"3/3 10 4/16-18"``, also with commas; a mapping of orders to cells; an
        object of mocpy; a FITS table.

    Returns
    -------
    Moc
        The region.

    Raises
    ------
    InvalidQueryError
        If it is not a MOC of space, or damaged.

    Examples
    --------
    >>> from atlasquery.regions import read_moc
    >>> read_moc("1/1,3,4 2/4")
    <Moc: 3 cells down to order 2, 2578.31 deg2>
    >>> read_moc({"1": [1, 3, 4], "2": [4]}).area.value.round(2).item()
    2578.31
    """
    if isinstance(source, Moc):
        return source
    if package_of(source) == "mocpy":
        return _of_mocpy(source)
    if isinstance(source, Mapping):
        return _of_mapping(source)
    if is_moc_text(source):
        return _of_text(source)
    if isinstance(source, HDUS):
        return _of_fits(source)
    if not isinstance(source, (str, os.PathLike, *BYTES)):
        raise InvalidQueryError(
            f"region={source!r:.100} should be a MOC: a file or its bytes, a string such as "
            "'3/3 10 4/16-18', or a mocpy.MOC"
        )
    data = content(source, "region")
    if data.startswith(FITS_START):
        return _of_fits(data, describe(source))
    return _of_characters(data, describe(source))


def _of_characters(data: bytes, what: str) -> Moc:
    """Read JSON or text."""
    try:
        text = data.decode("utf-8-sig")
        if text.lstrip().startswith("{"):
            return _of_mapping(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise InvalidQueryError(
            f"region={what} is neither a FITS file, JSON nor text with a MOC: {error}"
        ) from error
    if text.strip() and not MOC_TEXT.fullmatch(text):
        raise InvalidQueryError(
            f"region={what} is not a MOC: it begins with {text[:40]!r}, and MOCs in text are like "
            "'3/3 10 4/16-18'"
        )
    return _of_text(text)


def _of_mocpy(value: Any) -> Moc:
    if not hasattr(value, "to_depth29_ranges"):
        raise InvalidQueryError(
            f"region is a {type(value).__name__}, and should be a MOC of space, mocpy.MOC"
        )
    ranges = value.to_depth29_ranges
    return Moc(np.asarray(ranges, np.uint64).astype(np.int64).reshape(-1, 2), value.max_order)


def _of_text(text: str) -> Moc:
    """Read tokens such as ``4/16-18``, ``22`` and ``10/``, which only sets the order."""
    order, deepest = None, 0
    ranges = []
    for token in text.replace(",", " ").split():
        found = TOKEN.fullmatch(token)
        if not found:
            raise InvalidQueryError(f"region: {token!r:.40} is not a part of a MOC")
        if found["order"]:
            order = _check_order(int(found["order"]), token)
            deepest = max(deepest, order)
        if found["first"] is None:
            continue
        if order is None:
            raise InvalidQueryError(f"region: {token!r:.40} is a cell without an order, as in 3/10")
        first, last = int(found["first"]), int(found["last"] or found["first"])
        ranges.append(_range(order, first, last, token))
    return Moc(np.array(ranges, np.int64).reshape(-1, 2), deepest)


def _of_mapping(cells: Mapping) -> Moc:
    """Read cells by order, as JSON has them."""
    deepest, ranges = 0, []
    for key, numbers in cells.items():
        if not re.fullmatch(r"\d+", str(key)) or not isinstance(numbers, (list, tuple, np.ndarray)):
            raise InvalidQueryError(
                f"region: {key!r:.40} is not an order with a list of cells, as in {{'3': [10]}}"
            )
        order = _check_order(int(str(key)[:9]), str(key))
        deepest = max(deepest, order)
        for number in numbers:
            if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, np.integer)):
                raise InvalidQueryError(f"region: {number!r:.40} is not the number of a cell")
            ranges.append(_range(order, int(number), int(number), f"{key}/{number}"))
    return Moc(np.array(ranges, np.int64).reshape(-1, 2), deepest)


def _of_fits(source: Any, what: str = "the FITS table") -> Moc:
    table = read_cell_table(source, ("UNIQ", "RANGE", "NPIX", "PIXEL"), name="region")
    header = table.header
    dimension = str(header.get("MOCDIM", "SPACE")).strip().upper()
    if dimension != "SPACE":
        raise InvalidQueryError(f"region={what} is a MOC of {dimension}, and not of space")
    system = str(header.get("COORDSYS", "C")).strip().upper()
    if system not in ("C", "ICRS", "EQUATORIAL", ""):
        raise InvalidQueryError(
            f"region={what} has COORDSYS={system!r}; MOCs are in equatorial coordinates, 'C'"
        )
    if not table.columns:
        raise InvalidQueryError(
            f"region={what} has no column UNIQ or RANGE; its columns are "
            f"{', '.join(table.names)[:200] or 'missing'}"
        )
    if "PROBDENSITY" in map(str.upper, table.names):
        raise InvalidQueryError(
            f"region={what} is a probability sky map: give it to SkyMap.read, or to within "
            "with credible=0.9"
        )
    return _of_column(table, what)


def _of_column(table: CellTable, what: str) -> Moc:
    """Read a column of ranges, or of UNIQ numbers."""
    name, values = next(iter(table.columns.items()))
    if values.dtype.kind not in "iu":
        raise InvalidQueryError(f"region={what}: the column {name} has no whole numbers")
    declared = next((table.header[k] for k in ("MOCORD_S", "MOCORDER") if k in table.header), None)
    ordering = str(table.header.get("ORDERING", "")).strip().upper()
    if name == "RANGE" or ordering in ("RANGE", "RANGE29"):
        if len(values) % 2 or np.any(values < 0) or np.any(values > SKY):
            raise InvalidQueryError(f"region={what}: the column {name} has no ranges of cells")
        ranges = values.astype(np.int64).reshape(-1, 2)
        if np.any(ranges[:, 1] < ranges[:, 0]):
            raise InvalidQueryError(
                f"region={what}: the column {name} has a range that is reversed"
            )
        deepest = _deepest_of(ranges)
    else:
        if np.any(values < 4) or np.any(values.astype(np.uint64) >= 16 << 2 * DEEPEST):
            raise InvalidQueryError(f"region={what}: the column {name} has no UNIQ numbers")
        order, number = split_uniq(values.astype(np.int64))
        shift = 2 * (DEEPEST - order)
        ranges = np.stack([number << shift, (number + 1) << shift], axis=1)
        deepest = int(order.max(initial=0))
    # The order of the header may be higher than that of the cells, and not lower.
    if isinstance(declared, int) and not isinstance(declared, bool) and declared <= DEEPEST:
        deepest = max(deepest, declared)
    return Moc(ranges, deepest)


def _deepest_of(ranges: np.ndarray) -> int:
    """Return the lowest order whose cells have all the borders of ranges."""
    bits = int(np.bitwise_or.reduce(ranges, axis=None)) if ranges.size else 0
    if not bits:
        return 0
    trailing = (bits & -bits).bit_length() - 1
    return max(0, DEEPEST - trailing // 2)


def _check_order(order: Any, token: str = "") -> int:
    if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or not (
        0 <= order <= DEEPEST
    ):  # fmt: skip
        where = f"region: {token!r:.40} has the order" if token else "order="
        raise InvalidQueryError(f"{where} {order}, which should be from 0 to {DEEPEST}")
    return int(order)


def _range(order: int, first: int, last: int, token: str) -> tuple[int, int]:
    if not 0 <= first <= last < 12 * 4**order:
        raise InvalidQueryError(
            f"region: {token!r:.40} is not a cell of order {order}, which has 0 to "
            f"{12 * 4**order - 1}"
        )
    shift = 2 * (DEEPEST - order)
    return first << shift, (last + 1) << shift

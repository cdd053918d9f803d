"""Groups of rows, as plain arrays, without a loop over groups."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Groups", "cells", "codes", "combined", "label_codes", "make_groups"]

# Rows that are worked on together: their arrays stay in the processor's cache.
BLOCK = 1 << 18
LARGEST = 2**62


@dataclass(frozen=True)
class Groups:
    """Rows sorted by the group they are of.

    Parameters
    ----------
    order : `~numpy.ndarray`
        The rows, those of a group one after the other, in their own order.
    starts, counts : `~numpy.ndarray`
        Where in `order` each group begins, and how many rows it has.
    """

    order: np.ndarray
    starts: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Yield slices of groups, and the slices of `order` with their rows.

        Yields
        ------
        groups, rows : slice
            Of some hundred thousand rows, and at least one group.
        """
        ends = self.starts + self.counts
        first = 0
        while first < len(self):
            last = int(np.searchsorted(ends, self.starts[first] + BLOCK, side="right"))
            last = max(last, first + 1)
            yield slice(first, last), slice(int(self.starts[first]), int(ends[last - 1]))
            first = last


def codes(values: np.ndarray) -> np.ndarray:
    """Return a number for each value, which sorts as the values do.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Whole numbers or strings.

    Returns
    -------
    `~numpy.ndarray` of int64 or uint16
        From 0; fewer than 65536, or the number of different values.
    """
    if len(values) == 0:
        return np.zeros(0, np.int64)
    if _all_alike(values):
        return np.broadcast_to(np.int64(0), len(values))
    if values.dtype.kind == "U" and values.dtype.itemsize == 4:
        # Names of one letter, as those of bands, are the numbers of their letters.
        values = np.ascontiguousarray(values).view(np.uint32)
    if values.dtype.kind in "iub":
        low, high = int(values.min()), int(values.max())
        if high - low < 1 << 16:
            return _small_codes(values, low, high)
    # Stacked tables have the rows of an object together: only the first of each run is sorted.
    heads = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    _, code = np.unique(values[heads], return_inverse=True)
    return np.repeat(code.astype(np.int64), np.diff(heads, append=len(values)))


def label_codes(values: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Return a number for each label, which sorts as the labels do, those masked last.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Whole numbers or strings.
    mask : `~numpy.ndarray` of bool, optional
        Where they are masked: these are alike, whatever is under the mask.

    Returns
    -------
    `~numpy.ndarray`
        Whole numbers.
    """
    if mask is None or not mask.any():
        # Whole numbers are keys as they are.
        return values if values.dtype.kind == "i" else codes(values)
    numbers = np.empty(len(values), np.int64)
    known = ~mask
    numbers[known] = codes(values[known])
    numbers[mask] = int(numbers[known].max(initial=-1)) + 1
    return numbers


def _all_alike(values: np.ndarray) -> bool:
    """Return whether all strings are equal, as the survey of one light curve is."""
    if values.dtype.kind != "U" or not values.dtype.itemsize or not values.flags.c_contiguous:
        return False
    # Strings of one length are compared much faster as the numbers of their letters.
    letters, width = values.view(np.uint32), values.dtype.itemsize // 4
    return bool(np.array_equal(letters[:width], letters[-width:])) and bool(
        np.array_equal(letters[width:], letters[:-width])
    )


def _small_codes(values: np.ndarray, low: int, high: int) -> np.ndarray:
    if low == high:
        return np.broadcast_to(np.int64(0), len(values))
    # The difference of two small integers may not fit their own type.
    wide = values if values.dtype.itemsize >= 4 else values.astype(np.int64)
    return (wide - wide.dtype.type(low)).astype(np.uint16)


def cells(mjd: np.ndarray, width: float, offset: float = 0.0) -> np.ndarray:
    """Return the number of the bin of each time.

    Parameters
    ----------
    mjd : `~numpy.ndarray`
        Times; NaN is in any bin.
    width, offset : float
        The width of a bin, and where one begins.

    Returns
    -------
    `~numpy.ndarray` of int64
        Negative before the offset.
    """
    cell = np.floor((mjd - offset) / width)
    if np.isnan(cell).any():
        cell = np.where(np.isnan(cell), 0.0, cell)
    return cell.astype(np.int64)


def make_groups(keys: Sequence[np.ndarray], rows: np.ndarray | None = None) -> Groups:
    """Put rows that have all their keys in common into groups.

    Parameters
    ----------
    keys : sequence of `~numpy.ndarray`
        Whole numbers, one per row of each. Those by which rows are sorted already
        should come first.
    rows : `~numpy.ndarray` of bool, optional
        The rows to be grouped; by default all.

    Returns
    -------
    Groups
        In the order of the keys.
    """
    key = combined(keys)
    order = None
    if rows is not None and not rows.all():
        order = np.flatnonzero(rows)
        key = key.take(order)
    if np.any(key[1:] < key[:-1]):
        # What is nearly sorted is sorted in nearly linear time.
        sorting = np.argsort(key, kind="stable")
        order, key = sorting if order is None else order.take(sorting), key.take(sorting)
    if order is None:
        order = np.arange(len(key))
    heads = np.ones(len(key), bool)
    np.not_equal(key[1:], key[:-1], out=heads[1:])
    starts = np.flatnonzero(heads)
    return Groups(order, starts, np.diff(starts, append=len(key)))


def combined(keys: Sequence[np.ndarray]) -> np.ndarray:
    """Return one whole number for several, which sorts as they do.

    Parameters
    ----------
    keys : sequence of `~numpy.ndarray`
        Whole numbers, one per row of each.

    Returns
    -------
    `~numpy.ndarray` of int64
        From 0.
    """
    total = np.zeros(len(keys[0]), np.int64)
    size = 1
    for key in keys:
        if not len(key):
            continue
        low = int(key.min())
        span = int(key.max()) - low + 1
        if span == 1:
            continue
        if size * span > LARGEST:
            total, key, low = codes(total), codes(key), 0
            size, span = int(total.max()) + 1, int(key.max()) + 1
        if size > 1:
            total *= span
        total += key
        if low:
            total -= low
        size *= span
    return total

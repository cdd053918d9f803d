"""Rows in groups, as bare arrays: who belongs together, clipped, averaged; no loop per group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "Groups",
    "cells",
    "codes",
    "combined",
    "kept_by_clipping",
    "make_groups",
    "median",
    "median_error",
    "reduced_chi2",
    "shifted_mean",
    "weighted_mean",
]

# Standard deviations of a normal distribution per median absolute deviation.
SIGMA_PER_MAD = 1.4826022185056018
# The error of a median of many values of equal errors, in units of that of their mean.
MEDIAN_ERROR = np.sqrt(np.pi / 2)
# Rows that are worked on together: their arrays stay in the processor's cache.
BLOCK = 1 << 17
LARGEST = 2**62
# Groups of more rows are sorted as one long list.
LARGE = 64


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
    """Return for each value its place among the different ones, sorted.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Whole numbers or texts.

    Returns
    -------
    `~numpy.ndarray` of int64 or uint16
        From 0.
    """
    if len(values) == 0:
        return np.zeros(0, np.int64)
    if values.dtype.kind == "U" and values.dtype.itemsize == 4:
        # Names of one letter, as those of bands, are the numbers of their letters.
        values = np.ascontiguousarray(values).view(np.uint32)
    if values.dtype.kind in "iub":
        low, high = int(values.min()), int(values.max())
        if high - low < 1 << 16:
            return _small_codes(values, low, high)
    # Stacked tables have the rows of an object together: only the first of each run is sorted.
    heads = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    _, place = np.unique(values[heads], return_inverse=True)
    return np.repeat(place.astype(np.int64), np.diff(heads, append=len(values)))


def _small_codes(values: np.ndarray, low: int, high: int) -> np.ndarray:
    if low == high:
        return np.broadcast_to(np.int64(0), len(values))
    # The difference of two small integers may not fit their own type.
    wide = values if values.dtype.itemsize >= 4 else values.astype(np.int64)
    shifted = (wide - wide.dtype.type(low)).astype(np.uint16)
    there = np.bincount(shifted, minlength=high - low + 1) > 0
    return (np.cumsum(there) - 1).astype(np.uint16)[shifted]


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
        key = key[order]
    if np.any(key[1:] < key[:-1]):
        # What is nearly sorted is sorted in nearly linear time.
        place = np.argsort(key, kind="stable")
        order, key = place if order is None else order[place], key[place]
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


def median(values: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the median of each group.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Values without NaN, those of a group together.
    starts, counts : `~numpy.ndarray`
        Where each group begins, and how many rows it has.

    Returns
    -------
    `~numpy.ndarray`
        The mean of the two in the middle where their number is even.
    """
    result = np.empty(len(starts))
    for n in np.unique(counts):
        some = np.flatnonzero(counts == n)
        if n > LARGE:
            break
        # Groups of one size are the rows of a matrix, sorted together.
        ordered = np.sort(values[starts[some][:, None] + np.arange(n)], axis=1)
        result[some] = _middle(ordered[:, (n - 1) // 2], ordered[:, n // 2])
    else:
        return result
    large = counts > LARGE
    rows = np.repeat(large, counts)
    n = counts[large]
    first = np.cumsum(n) - n
    group = np.repeat(np.arange(len(n)), n)
    ordered = values[rows][np.lexsort((values[rows], group))]
    result[large] = _middle(ordered[first + (n - 1) // 2], ordered[first + n // 2])
    return result


def median_error(errors: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the error of the median of each group.

    Parameters
    ----------
    errors : `~numpy.ndarray`
        The errors of the rows.
    starts, counts : `~numpy.ndarray`
        Where each group begins, and how many rows it has.

    Returns
    -------
    `~numpy.ndarray`
        That of the mean of normal errors, times 1.25 for three rows and more.
    """
    error = np.sqrt(np.add.reduceat(errors**2, starts)) / counts
    return np.where(counts > 2, MEDIAN_ERROR * error, error)


def _middle(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    # The sum of two large values may be beyond what a float holds.
    return below + (above - below) / 2


def weighted_mean(
    values: np.ndarray, errors: np.ndarray, starts: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean of each group with weights of 1 / error squared.

    Parameters
    ----------
    values, errors : `~numpy.ndarray`
        Values, and their errors above 0.
    starts, counts : `~numpy.ndarray`
        Where each group begins, and how many rows it has.

    Returns
    -------
    mean, error, weights : `~numpy.ndarray`
        For each group, and the weight of each row, 1 for the smallest error.
    """
    # Counted from the first value and in units of the smallest error, a group of equal values
    # has exactly their mean, and a group of one its value and error.
    least = np.minimum.reduceat(errors, starts)
    weights = (np.repeat(least, counts) / errors) ** 2
    total = np.add.reduceat(weights, starts)
    mean = shifted_mean(values, weights, total, starts, counts)
    return mean, least / np.sqrt(total), weights


def shifted_mean(
    values: np.ndarray,
    weights: np.ndarray,
    total: np.ndarray,
    starts: np.ndarray,
    counts: np.ndarray,
) -> np.ndarray:
    """Return the weighted mean of each group, counted from its first value.

    Parameters
    ----------
    values, weights : `~numpy.ndarray`
        Values and their weights.
    total : `~numpy.ndarray`
        The sum of weights of each group.
    starts, counts : `~numpy.ndarray`
        Where each group begins, and how many rows it has.

    Returns
    -------
    `~numpy.ndarray`
        Exactly the value where all of a group are equal.
    """
    first = values[starts]
    away = values - np.repeat(first, counts)
    return first + np.add.reduceat(weights * away, starts) / total


def reduced_chi2(
    values: np.ndarray,
    errors: np.ndarray,
    middle: np.ndarray,
    starts: np.ndarray,
    counts: np.ndarray,
) -> np.ndarray:
    """Return the chi squared of each group about its middle, divided by its rows less one.

    Parameters
    ----------
    values, errors : `~numpy.ndarray`
        Values and their errors.
    middle : `~numpy.ndarray`
        What the values of each group are compared with.
    starts, counts : `~numpy.ndarray`
        Where each group begins, and how many rows it has.

    Returns
    -------
    `~numpy.ndarray`
        Not finite for groups of one row.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        away = (values - np.repeat(middle, counts)) / errors
        return np.add.reduceat(away**2, starts) / (counts - 1)


def kept_by_clipping(
    values: np.ndarray,
    errors: np.ndarray,
    starts: np.ndarray,
    counts: np.ndarray,
    sigma: float,
) -> np.ndarray:
    """Return which rows are left when outliers are clipped until none is found.

    A row goes when it is farther from the median of its group than `sigma`
    times its own error, and than `sigma` times the scatter (1.4826 times the
    median absolute deviation) of the group. A group of fewer than three rows
    loses none: of two that differ, nobody knows which is wrong.

    Parameters
    ----------
    values, errors : `~numpy.ndarray`
        Values and their errors.
    starts, counts : `~numpy.ndarray`
        Where each group begins, and how many rows it has.
    sigma : float
        How many errors are too many.

    Returns
    -------
    `~numpy.ndarray` of bool
        For each row.
    """
    kept = np.ones(len(values), bool)
    if not len(starts):
        return kept
    # Where even the two farthest rows are that near each other, none can be an outlier.
    span = np.maximum.reduceat(values, starts) - np.minimum.reduceat(values, starts)
    suspect = (counts >= 3) & (span > sigma * np.minimum.reduceat(errors, starts))
    group = np.repeat(np.arange(len(starts)), counts)
    rows = np.flatnonzero(suspect[group])
    while len(rows):
        left, begin, n = np.unique(group[rows], return_index=True, return_counts=True)
        each = np.repeat(np.arange(len(left)), n)
        away = np.abs(values[rows] - median(values[rows], begin, n)[each])
        scatter = SIGMA_PER_MAD * median(away, begin, n)[each]
        bad = (away > sigma * np.maximum(errors[rows], scatter)) & (n >= 3)[each]
        kept[rows[bad]] = False
        again = np.zeros(len(left), bool)
        again[each[bad]] = True
        rows = rows[again[each] & ~bad]
    return kept

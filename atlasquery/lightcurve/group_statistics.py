"""Groups whose rows lie one after the other: sums, means, medians and outliers of each."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = [
    "SIGMA_PER_MAD",
    "SortedGroups",
    "kept_by_clipping",
    "kept_by_errors",
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
# Maximum number of clippings by ATClean after the median.
REPEATS = 9
# Groups of more rows are sorted as one long list.
LARGE = 64
# Errors that differ by no more have ratios whose squares a float holds.
MODERATE = 1e100


@dataclass(frozen=True)
class SortedGroups:
    """Groups of at least one row, whose rows lie one after the other.

    Parameters
    ----------
    starts, counts : `~numpy.ndarray` of int64
        Where each group begins, and how many rows it has.
    """

    starts: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def of_row(self) -> np.ndarray:
        """The number of the group that each row is of."""
        # To count the groups that have begun takes a third of the time of repeating numbers.
        begun = np.zeros(int(self.counts.sum()), np.int64)
        begun[self.starts[1:]] = 1
        return np.cumsum(begun, out=begun)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of each group.

        Parameters
        ----------
        values : `~numpy.ndarray`
            One value for each row.

        Returns
        -------
        `~numpy.ndarray` of float
            For each group.
        """
        # Three times as fast as add.reduceat where groups have few rows.
        return np.bincount(self.of_row, values, len(self))

    def number(self, rows: np.ndarray) -> np.ndarray:
        """Return how many rows of each group are chosen.

        Parameters
        ----------
        rows : `~numpy.ndarray` of bool
            Which are.

        Returns
        -------
        `~numpy.ndarray` of int64
            For each group.
        """
        return np.bincount(self.of_row[rows], minlength=len(self))

    def left(self, kept: np.ndarray) -> "SortedGroups":
        """Return the groups without some of their rows.

        Parameters
        ----------
        kept : `~numpy.ndarray` of bool
            Which rows are left: at least one of each group.

        Returns
        -------
        SortedGroups
            Of the rows that are left.
        """
        counts = self.number(kept)
        return SortedGroups(np.cumsum(counts) - counts, counts)

    def extremes(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the smallest and the largest value of each group.

        Parameters
        ----------
        values : `~numpy.ndarray`
            One value for each row, without NaN.

        Returns
        -------
        least, most : `~numpy.ndarray`
            For each group.
        """
        back = values[1:] < values[:-1]
        back[self.starts[1:] - 1] = False
        if not back.any():
            return values.take(self.starts), values.take(self.starts + self.counts - 1)
        return np.minimum.reduceat(values, self.starts), np.maximum.reduceat(values, self.starts)


def median(values: np.ndarray, runs: SortedGroups) -> np.ndarray:
    """Return the median of each group.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Values without NaN.
    runs : SortedGroups
        Their groups.

    Returns
    -------
    `~numpy.ndarray`
        The mean of the two in the middle where their number is even.
    """
    starts, counts = runs.starts, runs.counts
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


def median_error(errors: np.ndarray, runs: SortedGroups) -> np.ndarray:
    """Return the error of the median of each group.

    Parameters
    ----------
    errors : `~numpy.ndarray`
        The errors of the rows.
    runs : SortedGroups
        Their groups.

    Returns
    -------
    `~numpy.ndarray`
        That of the mean of normal errors, times 1.25 for three rows and more.
    """
    error = np.sqrt(runs.sum(errors**2)) / runs.counts
    return np.where(runs.counts > 2, MEDIAN_ERROR * error, error)


def _middle(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    # The sum of two large values may be beyond what a float holds.
    return below + (above - below) / 2


def weighted_mean(
    values: np.ndarray, errors: np.ndarray, runs: SortedGroups
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean of each group with weights of 1 / error squared.

    Parameters
    ----------
    values, errors : `~numpy.ndarray`
        Values, and their errors above 0.
    runs : SortedGroups
        Their groups.

    Returns
    -------
    mean, error : `~numpy.ndarray`
        For each group.
    weights, total : `~numpy.ndarray`
        The weight of each row, in units of that of one row of its group, and their sum
        for each group.
    """
    # Counted from the first value and in units of one of the errors, a group of equal values
    # has exactly their mean, and a group of one its value and error.
    if len(errors) and errors.max() < MODERATE * errors.min():
        unit = errors.take(runs.starts)
    else:
        unit = np.minimum.reduceat(errors, runs.starts)
    weights = unit.take(runs.of_row)
    weights /= errors
    weights *= weights
    total = runs.sum(weights)
    return shifted_mean(values, weights, total, runs), unit / np.sqrt(total), weights, total


def shifted_mean(
    values: np.ndarray, weights: np.ndarray, total: np.ndarray, runs: SortedGroups
) -> np.ndarray:
    """Return the weighted mean of each group, counted from its first value.

    Parameters
    ----------
    values, weights : `~numpy.ndarray`
        Values and their weights.
    total : `~numpy.ndarray`
        The sum of weights of each group.
    runs : SortedGroups
        The groups.

    Returns
    -------
    `~numpy.ndarray`
        Exactly the value where all of a group are equal.
    """
    first = values.take(runs.starts)
    away = values - first.take(runs.of_row)
    away *= weights
    return first + runs.sum(away) / total


def reduced_chi2(
    values: np.ndarray, errors: np.ndarray, middle: np.ndarray, runs: SortedGroups
) -> np.ndarray:
    """Return the chi squared of each group about its middle, divided by its rows less one.

    Parameters
    ----------
    values, errors : `~numpy.ndarray`
        Values and their errors.
    middle : `~numpy.ndarray`
        What the values of each group are compared with.
    runs : SortedGroups
        The groups.

    Returns
    -------
    `~numpy.ndarray`
        Not finite for groups of one row.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        away = values - middle.take(runs.of_row)
        away /= errors
        away *= away
        return runs.sum(away) / (runs.counts - 1)


def kept_by_clipping(
    values: np.ndarray, errors: np.ndarray, runs: SortedGroups, sigma: float
) -> np.ndarray:
    """Return which rows are left when outliers are clipped until none is found.

    A row goes when it is farther from the median of its group than `sigma`
    times its own error, and than `sigma` times the scatter (1.4826 times the
    median absolute deviation) of the group. A group of fewer than three rows
    loses none: of two that differ, it is not known which is wrong.

    Parameters
    ----------
    values, errors : `~numpy.ndarray`
        Values and their errors.
    runs : SortedGroups
        Their groups.
    sigma : float
        The threshold in errors.

    Returns
    -------
    `~numpy.ndarray` of bool
        For each row.
    """
    kept = np.ones(len(values), bool)
    if not len(runs):
        return kept
    # Where even the two farthest rows are that near each other, none can be an outlier.
    starts = runs.starts
    span = np.maximum.reduceat(values, starts) - np.minimum.reduceat(values, starts)
    suspect = (runs.counts >= 3) & (span > sigma * np.minimum.reduceat(errors, starts))
    group = runs.of_row
    rows = np.flatnonzero(suspect[group])
    while len(rows):
        left, begin, n = _groups_left(group[rows])
        some = SortedGroups(begin, n)
        each = some.of_row
        away = np.abs(values[rows] - median(values[rows], some)[each])
        scatter = SIGMA_PER_MAD * median(away, some)[each]
        bad = (away > sigma * np.maximum(errors[rows], scatter)) & (n >= 3)[each]
        kept[rows[bad]] = False
        again = np.zeros(left, bool)
        again[each[bad]] = True
        rows = rows[again[each] & ~bad]
    return kept


def kept_by_errors(
    values: np.ndarray, errors: np.ndarray, runs: SortedGroups, sigma: float
) -> np.ndarray:
    """Return which rows are left when those are clipped that their errors do not explain.

    As ATClean does it: a row goes when it is farther than `sigma` times its own error
    from the median of its group, then from the weighted mean of those that are left,
    until nothing changes. A row may come back when the mean moves; of a group whose
    rows all disagree none is left.

    Parameters
    ----------
    values, errors : `~numpy.ndarray`
        Values, and their errors above 0.
    runs : SortedGroups
        Their groups.
    sigma : float
        The threshold in errors.

    Returns
    -------
    `~numpy.ndarray` of bool
        For each row.
    """
    kept = np.ones(len(values), bool)
    if not len(runs):
        return kept
    # The middle is among the values: where the farthest are that near each other, all are kept.
    starts = runs.starts
    span = np.maximum.reduceat(values, starts) - np.minimum.reduceat(values, starts)
    suspect = span > sigma * np.minimum.reduceat(errors, starts)
    rows = np.flatnonzero(suspect[runs.of_row])
    if not len(rows):
        return kept
    _, begin, n = _groups_left(runs.of_row[rows])
    middle = median(values[rows], SortedGroups(begin, n))
    for _ in range(REPEATS):
        some = SortedGroups(begin, n)
        each = some.of_row
        now = np.abs(values[rows] - middle[each]) <= sigma * errors[rows]
        changed = np.zeros(len(n), bool)
        changed[each[now != kept[rows]]] = True
        kept[rows] = now
        # A group that did not change, or has nothing left, is done.
        going = changed & (some.number(now) > 0)
        if not going.any():
            break
        stay = going[each]
        rows, now = rows[stay], now[stay]
        _, begin, n = _groups_left(each[stay])
        left = SortedGroups(begin, n).left(now)
        middle = weighted_mean(values[rows[now]], errors[rows[now]], left)[0]
    return kept


def _groups_left(group: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Return how many groups there are, where they begin, and how many rows each has."""
    heads = np.ones(len(group), bool)
    np.not_equal(group[1:], group[:-1], out=heads[1:])
    begin = np.flatnonzero(heads)
    return len(begin), begin, np.diff(begin, append=len(group))

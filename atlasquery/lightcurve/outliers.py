"""Outliers among neighbours in time, in a bin, and against control light curves."""

from collections.abc import Mapping

import numpy as np

from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.flags import FAINT, Flag
from atlasquery.lightcurve.group_statistics import (
    SIGMA_PER_MAD,
    SortedGroups,
    kept_by_errors,
    reduced_chi2,
    weighted_mean,
)
from atlasquery.lightcurve.groups import Groups, cells, codes, label_codes, make_groups
from atlasquery.lightcurve.presets import Bound

__all__ = ["flag_bins", "flag_by_controls", "flag_rolling"]

# A series of fewer is not clipped, and clipping is repeated so often, as in plot_atlas_fp.
FEWEST, REPEATS = 5, 7
# ATClean does not judge bins of fewer rows.
FEWEST_IN_BIN = 3
# Of the chi squared of controls in the tables of ATClean.
DECIMALS = 2
# Rows whose windows are sorted together.
BLOCK = 1 << 15


def flag_rolling(
    source: CurveArrays, flags: np.ndarray, bounds: Mapping[str, Bound], by_columns: tuple[str, ...]
) -> np.ndarray:
    """Flag what stands out of the measurements before and after it, band by band.

    The window of a row at an end of its series is the first or the last whole one.

    Parameters
    ----------
    source : CurveArrays
        The columns of light curves.
    flags : `~numpy.ndarray` of int64
        The flags so far; bad rows are nobody's neighbours.
    bounds : mapping of str to Bound
        ``rolling_sigma`` and ``rolling_window``.
    by_columns : tuple of str
        Columns that keep rows apart.

    Returns
    -------
    `~numpy.ndarray` of int64
        `Flag.OUTLIER` for each outlier.
    """
    sigma, window = bounds["rolling_sigma"].value, int(bounds["rolling_window"].value)
    flux, mjd = source.numbers("flux"), source.mjd()
    good = _good(flags) & np.isfinite(flux) & np.isfinite(mjd)
    keys = _keys(source, by_columns)
    groups = make_groups(keys, good)
    if _unsorted(mjd[groups.order], groups.starts):
        in_time = np.empty(len(mjd), np.int64)
        in_time[np.argsort(mjd, kind="stable")] = np.arange(len(mjd))
        each = make_groups([*keys, in_time], good)
        groups = Groups(each.order, groups.starts, groups.counts)
    out = np.zeros(len(flux), np.int64)
    values = flux[groups.order]
    start, count = (np.repeat(a, groups.counts) for a in (groups.starts, groups.counts))
    for first in range(0, len(values), BLOCK):
        here = np.arange(first, min(first + BLOCK, len(values)))
        here = here[count[here] >= FEWEST]
        if not len(here):
            continue
        last = start[here] + count[here]
        begin = np.clip(here - window // 2, start[here], np.maximum(last - window, start[here]))
        places = begin[:, None] + np.arange(window)
        inside = places < last[:, None]
        windows = np.where(inside, values[np.minimum(places, len(values) - 1)], np.nan)
        clipped = _clip_rows(windows, sigma)[np.arange(len(here)), here - begin]
        out[groups.order[here[clipped]]] = int(Flag.OUTLIER)
    return out


def flag_bins(
    source: CurveArrays, flags: np.ndarray, bounds: Mapping[str, Bound], by_columns: tuple[str, ...]
) -> np.ndarray:
    """Flag outliers in bins of time, and all rows of a bin that is not to be trusted.

    As ATClean: a bin of fewer than three good rows is not judged, for nobody knows which
    of two is wrong; a bin is bad where none of its rows is good or none is left.

    Parameters
    ----------
    source : CurveArrays
        The columns of light curves.
    flags : `~numpy.ndarray` of int64
        The flags so far; bad rows do not count.
    bounds : mapping of str to Bound
        ``bin_width`` in days, and those of ``bin_sigma``, ``bin_chi2_max``,
        ``bin_clipped_max`` and ``bin_good_min`` that apply.
    by_columns : tuple of str
        Columns that keep rows apart.

    Returns
    -------
    `~numpy.ndarray` of int64
        `Flag.OUTLIER`, and `Flag.BAD_BIN` for all rows of a bad bin.
    """
    flux, flux_err, mjd = source.numbers("flux"), source.numbers("flux_err"), source.mjd()
    timed = np.isfinite(mjd)
    good = _good(flags) & _measured(flux, flux_err) & timed
    # All rows are grouped: a bad bin is bad for those that do not count too.
    groups = make_groups([*_keys(source, by_columns), cells(mjd, bounds["bin_width"].value)], timed)
    if not len(groups):
        return np.zeros(len(flux), np.int64)
    all_runs, counts = SortedGroups(groups.starts, groups.counts), good[groups.order]
    number = all_runs.number(counts)
    bad = number == 0
    sigma = bounds["bin_sigma"].value if "bin_sigma" in bounds else None
    order = groups.order[counts]
    runs = SortedGroups(_starts(number[~bad]), number[~bad])
    kept, _, chi2, n = _statistics(flux[order], flux_err[order], runs, sigma)
    judged = _exceeds(bounds, "bin_", runs.counts - n, n)
    if bound := bounds.get("bin_chi2_max"):
        with np.errstate(invalid="ignore"):
            judged |= chi2 > bound.value
    judged &= runs.counts >= FEWEST_IN_BIN
    bad[~bad] = judged | (n == 0)
    result = np.zeros(len(flux), np.int64)
    result[groups.order] = np.where(bad[all_runs.of_row], int(Flag.BAD_BIN), 0)
    # Where none is left, it is not known which is the outlier.
    out = ~kept & (n > 0)[runs.of_row]
    result[order[out]] |= int(Flag.OUTLIER)
    return result


def flag_by_controls(
    source: CurveArrays, controls: CurveArrays, their_flags: np.ndarray, bounds: Mapping[str, Bound]
) -> np.ndarray:
    """Flag the exposures in which the control light curves are not 0.

    As ATClean: first all controls of an exposure are averaged as they are. Where they
    agree with each other and with 0, the exposure is good. Else the flagged ones are left
    out and outliers clipped, and what is left is judged.

    Parameters
    ----------
    source, controls : CurveArrays
        The columns of one light curve, and of its controls.
    their_flags : `~numpy.ndarray` of int64
        The flags of the controls; bad rows do not count.
    bounds : mapping of str to Bound
        ``control_chi2_max``, ``control_snr_max``, ``control_clipped_max`` and
        ``control_good_min``, where they apply.

    Returns
    -------
    `~numpy.ndarray` of int64
        `Flag.CONTROL` where the mean of the controls is no 0, they disagree, or
        too few of them are left.
    """
    flux, flux_err = controls.numbers("flux"), controls.numbers("flux_err")
    (names, _), (theirs, _) = source.labels("exposure"), controls.labels("exposure")
    known, index = np.unique(names, return_inverse=True)
    at = np.minimum(np.searchsorted(known, theirs), max(len(known) - 1, 0))
    measured = _measured(flux, flux_err)
    if len(known):
        measured &= known[at] == theirs
    least = bounds["control_good_min"].value if "control_good_min" in bounds else 0
    # An exposure without a control has none that is good, and so has one of too few controls.
    bad = np.full(len(known), least > 0)
    groups = make_groups([at], measured)
    if len(groups) and len(controls.curves) >= least:
        runs, order = SortedGroups(groups.starts, groups.counts), groups.order
        where = at[order[runs.starts]]
        _, snr, chi2, _ = _statistics(flux[order], flux_err[order], runs, None)
        suspect = _disagree(bounds, snr, chi2)
        good = _good(their_flags)[order]
        number = runs.number(good)
        some = number > 0
        few = SortedGroups(_starts(number[some]), number[some])
        order = order[good]
        _, snr, chi2, n = _statistics(flux[order], flux_err[order], few, 3.0)
        judged = np.full(len(runs), least > 0)
        judged[some] = _exceeds(bounds, "control_", few.counts - n, n)
        judged[some] |= _disagree(bounds, snr, chi2)
        bad[where] = suspect & judged
    # What is no measurement needs no control, and often has none: the exposure failed.
    alone = np.ones(len(known), bool)
    alone[at[measured]] = False
    needed = ~alone[index] | _measured(source.numbers("flux"), source.numbers("flux_err"))
    return np.where(bad[index] & needed, int(Flag.CONTROL), 0)


def _disagree(bounds: Mapping[str, Bound], snr: np.ndarray, chi2: np.ndarray) -> np.ndarray:
    """Return where controls are not 0, or disagree; neither is known of none."""
    bad = np.zeros(len(snr), bool)
    with np.errstate(invalid="ignore"):
        if bound := bounds.get("control_snr_max"):
            bad |= np.abs(snr) > bound.value
        if bound := bounds.get("control_chi2_max"):
            # ATClean compares what stands in its tables, with two decimals.
            bad |= np.round(chi2, DECIMALS) > bound.value
    return bad


def _starts(counts: np.ndarray) -> np.ndarray:
    return np.cumsum(counts) - counts


def _good(flags: np.ndarray) -> np.ndarray:
    return (flags & ~int(FAINT)) == 0


def _measured(flux: np.ndarray, flux_err: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.isfinite(flux) & np.isfinite(flux_err) & (flux_err > 0)


def _keys(source: CurveArrays, by_columns: tuple[str, ...]) -> list[np.ndarray]:
    """Return numbers for what keeps rows apart, those of few values first."""
    names = [name for name in ("band", "survey", "flux_kind", *by_columns) if source.has(name)]
    labels = []
    for name in names:
        values, known = source.labels(name)
        labels.append(label_codes(values, ~known) if not known.all() else codes(values))
    return [*labels, source.places]


def _unsorted(mjd: np.ndarray, starts: np.ndarray) -> bool:
    back = np.flatnonzero(mjd[1:] < mjd[:-1]) + 1
    return bool(len(np.setdiff1d(back, starts)))


def _clip_rows(windows: np.ndarray, sigma: float) -> np.ndarray:
    """Return which values of each row are clipped about its median; NaN pads a row."""
    left = windows.copy()
    for _ in range(REPEATS):
        middle = _row_median(left)
        scatter = SIGMA_PER_MAD * _row_median(np.abs(left - middle))
        with np.errstate(invalid="ignore"):
            bad = np.abs(left - middle) > sigma * scatter
        if not bad.any():
            break
        left[bad] = np.nan
    return np.isnan(left) & ~np.isnan(windows)


def _row_median(rows: np.ndarray) -> np.ndarray:
    """Return the median of each row as a column, without its NaN, which numpy sorts last."""
    ordered = np.sort(rows, axis=1)
    n = np.count_nonzero(~np.isnan(rows), axis=1)
    at = np.arange(len(rows))
    return ((ordered[at, (n - 1) // 2] + ordered[at, n // 2]) / 2)[:, None]


def _statistics(
    values: np.ndarray, errors: np.ndarray, runs: SortedGroups, sigma: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return which rows are left, and signal to noise of the mean, reduced chi2 and n of groups."""
    if not len(runs):
        empty = np.zeros(0)
        return np.zeros(0, bool), empty, empty, np.zeros(0, int)
    kept = np.ones(len(values), bool)
    if sigma is not None:
        kept = kept_by_errors(values, errors, runs, sigma)
    n = runs.number(kept) if sigma is not None else runs.counts
    snr, chi2 = np.full(len(runs), np.nan), np.full(len(runs), np.nan)
    some = n > 0
    left, values, errors = SortedGroups(_starts(n[some]), n[some]), values[kept], errors[kept]
    if len(left):
        mean, error, *_ = weighted_mean(values, errors, left)
        chi2[some] = reduced_chi2(values, errors, mean, left)
        # The signal to noise of a tiny error is infinite.
        with np.errstate(over="ignore"):
            snr[some] = mean / error
    return kept, snr, chi2, n


def _exceeds(
    bounds: Mapping[str, Bound], start: str, clipped: np.ndarray, n: np.ndarray
) -> np.ndarray:
    """Return which groups break the thresholds of numbers whose names begin so."""
    bad = np.zeros(len(n), bool)
    if bound := bounds.get(f"{start}clipped_max"):
        bad |= clipped > bound.value
    if bound := bounds.get(f"{start}good_min"):
        bad |= n < bound.value
    return bad

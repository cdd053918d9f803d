"""Outliers among neighbours in time, in a bin, and against control light curves."""

from collections.abc import Mapping

import numpy as np

from atlasquery.lightcurve.bare import Bare
from atlasquery.lightcurve.flags import FAINT, Flag
from atlasquery.lightcurve.groups import Groups, cells, codes, make_groups
from atlasquery.lightcurve.presets import Bound
from atlasquery.lightcurve.runs import (
    SIGMA_PER_MAD,
    Runs,
    kept_by_clipping,
    reduced_chi2,
    weighted_mean,
)

__all__ = ["flag_bins", "flag_by_controls", "flag_rolling"]

# A series of fewer is not clipped, and clipping is repeated so often, as in plot_atlas_fp.
FEWEST, REPEATS = 5, 7
# Rows whose windows are sorted together.
BLOCK = 1 << 15


def flag_rolling(
    source: Bare, flags: np.ndarray, bounds: Mapping[str, Bound], own: tuple[str, ...]
) -> np.ndarray:
    """Flag what stands out of the measurements before and after it, band by band.

    The window of a row at an end of its series is the first or the last whole one.

    Parameters
    ----------
    source : Bare
        The columns of light curves.
    flags : `~numpy.ndarray` of int64
        The flags so far; bad rows are nobody's neighbours.
    bounds : mapping of str to Bound
        ``rolling_sigma`` and ``rolling_window``.
    own : tuple of str
        Columns that keep rows apart.

    Returns
    -------
    `~numpy.ndarray` of int64
        `Flag.OUTLIER` for each outlier.
    """
    sigma, window = bounds["rolling_sigma"].value, int(bounds["rolling_window"].value)
    flux, mjd = source.numbers("flux"), source.mjd()
    good = _good(flags) & np.isfinite(flux) & np.isfinite(mjd)
    keys = _keys(source, own)
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
    source: Bare, flags: np.ndarray, bounds: Mapping[str, Bound], own: tuple[str, ...]
) -> np.ndarray:
    """Flag outliers in bins of time, and all rows of a bin that is not to be trusted.

    Parameters
    ----------
    source : Bare
        The columns of light curves.
    flags : `~numpy.ndarray` of int64
        The flags so far; bad rows do not count.
    bounds : mapping of str to Bound
        ``bin_width`` in days, and those of ``bin_sigma``, ``bin_chi2_max``,
        ``bin_clipped_max`` and ``bin_good_min`` that apply.
    own : tuple of str
        Columns that keep rows apart.

    Returns
    -------
    `~numpy.ndarray` of int64
        `Flag.OUTLIER` and `Flag.BAD_BIN`.
    """
    flux, flux_err, mjd = source.numbers("flux"), source.numbers("flux_err"), source.mjd()
    good = _good(flags) & _measured(flux, flux_err) & np.isfinite(mjd)
    cell = cells(mjd, bounds["bin_width"].value)
    groups = make_groups([*_keys(source, own), cell], good)
    sigma = bounds["bin_sigma"].value if "bin_sigma" in bounds else None
    kept, _, _, chi2, n = _statistics(flux, flux_err, groups, sigma)
    bad = _exceeds(bounds, "bin_", chi2, groups.counts - n, n)
    return _spread(len(flux), groups, kept, bad)


def flag_by_controls(
    source: Bare, controls: Bare, their_flags: np.ndarray, bounds: Mapping[str, Bound]
) -> np.ndarray:
    """Flag the exposures in which the control light curves are not 0.

    Parameters
    ----------
    source, controls : Bare
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
    known, place = np.unique(names, return_inverse=True)
    at = np.minimum(np.searchsorted(known, theirs), max(len(known) - 1, 0))
    good = _good(their_flags) & _measured(flux, flux_err)
    if len(known):
        good &= known[at] == theirs
    groups = make_groups([at], good)
    _, mean, error, chi2, n = _statistics(flux, flux_err, groups, 3.0)
    bad = _exceeds(bounds, "control_", chi2, groups.counts - n, n)
    if "control_snr_max" in bounds:
        bad |= np.abs(mean) > bounds["control_snr_max"].value * error
    # An exposure without a control has none that is good.
    least = bounds["control_good_min"].value if "control_good_min" in bounds else 0
    of_exposure = np.full(len(known), least > 0)
    of_exposure[at[groups.order[groups.starts]]] = bad
    return np.where(of_exposure[place], int(Flag.CONTROL), 0)


def _good(flags: np.ndarray) -> np.ndarray:
    return (flags & ~int(FAINT)) == 0


def _measured(flux: np.ndarray, flux_err: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.isfinite(flux) & np.isfinite(flux_err) & (flux_err > 0)


def _keys(source: Bare, own: tuple[str, ...]) -> list[np.ndarray]:
    """Return numbers for what keeps rows apart, those of few values first."""
    names = [name for name in ("band", "survey", *own) if source.has(name)]
    labels = [codes(source.labels(name)[0]) for name in names]
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
    flux: np.ndarray, flux_err: np.ndarray, groups: Groups, sigma: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return which rows of `groups` are left, and mean, error, reduced chi2 and n of each group."""
    if not len(groups):
        empty = np.zeros(0)
        return np.zeros(0, bool), empty, empty, empty, np.zeros(0, int)
    values, errors = flux[groups.order], flux_err[groups.order]
    kept, runs = np.ones(len(values), bool), Runs(groups.starts, groups.counts)
    if sigma is not None:
        kept = kept_by_clipping(values, errors, runs, sigma)
    runs, values, errors = runs.left(kept), values[kept], errors[kept]
    mean, error, *_ = weighted_mean(values, errors, runs)
    return kept, mean, error, reduced_chi2(values, errors, mean, runs), runs.counts


def _exceeds(
    bounds: Mapping[str, Bound], start: str, chi2: np.ndarray, clipped: np.ndarray, n: np.ndarray
) -> np.ndarray:
    """Return which groups break the thresholds whose names begin so."""
    bad = np.zeros(len(n), bool)
    with np.errstate(invalid="ignore"):
        if bound := bounds.get(f"{start}chi2_max"):
            bad |= chi2 > bound.value
        if bound := bounds.get(f"{start}clipped_max"):
            bad |= clipped > bound.value
        if bound := bounds.get(f"{start}good_min"):
            bad |= n < bound.value
    return bad


def _spread(length: int, groups: Groups, kept: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Return the flags of rows whose groups are bad, or that were clipped."""
    of_row = np.where(np.repeat(bad, groups.counts), int(Flag.BAD_BIN), 0)
    of_row |= np.where(kept, 0, int(Flag.OUTLIER))
    flags = np.zeros(length, np.int64)
    flags[groups.order] = of_row
    return flags

"""One exposure, one measurement: which of several rows of an exposure counts."""

import numpy as np

from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.duplicates import TAI_MINUS_UTC
from atlasquery.lightcurve.groups import Groups, codes, make_groups
from atlasquery.lightcurve.time_scales import SECONDS

__all__ = ["of_one_flux_kind", "repeated", "repeated_exposures"]

# Days between rows that may be of one exposure; those of one telescope are farther apart.
NEAR = 5.0 / 86400
# Of rows without the name of an exposure, such as those of SkyPortal: only rounding.
SAME = 1.0 / 86400


def repeated(
    source: CurveArrays, groups: Groups, mjd: np.ndarray, flux: np.ndarray, flux_err: np.ndarray
) -> np.ndarray:
    """Return the rows that measure an exposure of which another row counts.

    Rows of a group are of one object, survey and band. They are of one exposure if they
    share its name (of ATLAS the exposure, of ZTF the ``pid``, of LSST the visit).
    Where a service does not know exposures, but the uploader of a row (``origin``), they are
    if they share the instrument and the time; and of an exposure that the survey names, if
    the time is its start or its middle: then the row of the survey counts.

    A row with a flux counts before one with a limit, forced photometry before an alert,
    what the survey does not call a duplicate before what it does, then the smaller error,
    then the first.

    Parameters
    ----------
    source : CurveArrays
        The columns of light curves.
    groups : Groups
        The rows that would count, in groups that no exposure crosses.
    mjd, flux, flux_err : `~numpy.ndarray`
        Of all rows; a limit has a flux of NaN.

    Returns
    -------
    `~numpy.ndarray` of int64
        Numbers of rows, sorted.
    """
    again = _of_one_name(source, groups, mjd, flux, flux_err)
    copies = _uploads(source, groups, mjd, flux, again)
    return np.union1d(again, copies) if len(copies) else again


def _of_one_name(
    source: CurveArrays, groups: Groups, mjd: np.ndarray, flux: np.ndarray, flux_err: np.ndarray
) -> np.ndarray:
    """Return the rows that share the exposure's name, or the uploader's time, with a better one."""
    order, near = _in_time(groups, mjd)
    if not near.any():
        return np.zeros(0, np.int64)
    # Each row that is near the one before it, or after which one is near.
    some = np.zeros(len(order), bool)
    some[1:] |= near
    some[:-1] |= near
    at = np.flatnonzero(some)
    rows = order[at]
    group = np.searchsorted(groups.starts, at, side="right") - 1
    key = _exposures(source, rows, (mjd, flux), group)
    if key is None:
        return np.zeros(0, np.int64)
    named = key >= 0
    rows, key = rows[named], key[named]
    rank = np.lexsort((rows, *_worse(source, rows, flux, flux_err)[::-1], key))
    key = key[rank]
    again = np.zeros(len(rank), bool)
    again[1:] = key[1:] == key[:-1]
    return np.sort(rows[rank[again]])


def _uploads(
    source: CurveArrays, groups: Groups, mjd: np.ndarray, flux: np.ndarray, again: np.ndarray
) -> np.ndarray:
    """Return the rows of exposures that both the survey and somebody who uploaded it measured.

    Who uploads names no exposure. Its time may be the start, the middle, or that of another time
    scale, and is taken as it is.
    """
    unknown = source.unknown_times()
    if not unknown.any() or not source.has("exposure") or not source.has("exposure_time"):
        return np.zeros(0, np.int64)
    counts = np.isfinite(flux)
    counts[again] = False
    rows = groups.order
    group = np.repeat(np.arange(len(groups)), groups.counts)
    # Only groups that have both are looked at.
    unnamed = counts[rows] & unknown[rows]
    with_some = np.zeros(len(groups), bool)
    with_some[group[unnamed]] = True
    chosen = counts[rows] & with_some[group]
    rows, group, unnamed = rows[chosen], group[chosen], unnamed[chosen]
    names = source.labels("exposure")[0]
    named = np.array([bool(str(name)) for name in names[rows].tolist()], bool) & ~unnamed
    forced = np.zeros(len(rows), bool)
    if source.has("measurement"):
        forced = source.labels("measurement")[0][rows] == "forced"
    half = np.nan_to_num(source.numbers("exposure_time")[rows] / 2 / SECONDS)
    time = mjd[rows]
    found: list[np.ndarray] = []
    left = np.flatnonzero(unnamed)
    for some in (named & forced, named & ~forced):
        at, match = _at_one_time(group, time, half, left, np.flatnonzero(some))
        # Forced photometry counts before an alert, else the row of the survey.
        better = forced[left[at]] & ~forced[match]
        found.append(rows[np.where(better, match, left[at])])
        left = np.delete(left, at)
    return np.unique(np.concatenate(found))


def _at_one_time(
    group: np.ndarray, time: np.ndarray, half: np.ndarray, rows: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are of an exposure of others of their group, and which other each is of."""
    match = np.full(len(rows), -1)
    for offset in (0.0, -half[others], TAI_MINUS_UTC / SECONDS):
        moment = time[others] + offset
        order = np.lexsort((moment, group[others]))
        known = np.column_stack([group[others], moment])[order]
        if not len(known):
            break
        # One number for group and time: the first time of a group is after the last of another.
        zero, span = float(time.min()) - 1.0, float(np.ptp(time)) + 3.0
        key = known[:, 0] * span + (known[:, 1] - zero)
        wanted = group[rows] * span + (time[rows] - zero)
        after = np.clip(np.searchsorted(key, wanted), 1, len(key) - 1) if len(key) > 1 else (
            np.zeros(len(wanted), int))  # fmt: skip
        for at in (after - 1, after):
            at = np.maximum(at, 0)
            near = (np.abs(known[at, 1] - time[rows]) <= SAME) & (known[at, 0] == group[rows])
            match = np.where((match < 0) & near, others[order[at]], match)
    found = np.flatnonzero(match >= 0)
    return found, match[found]


def repeated_exposures(source: CurveArrays, chosen: np.ndarray) -> np.ndarray:
    """Return the rows of one light curve that measure an exposure of which another row counts.

    Parameters
    ----------
    source : CurveArrays
        The columns of the light curve of one object.
    chosen : `~numpy.ndarray` of bool
        The rows that would count.

    Returns
    -------
    `~numpy.ndarray` of int64
        Numbers of rows, as of `repeated`.
    """
    names = [name for name in ("band", "survey", "flux_kind") if source.has(name)]
    groups = make_groups([codes(source.labels(name)[0]) for name in names], chosen)
    flux, flux_err = source.numbers("flux"), source.numbers("flux_err")
    return repeated(source, groups, source.mjd(), flux, flux_err)


def of_one_flux_kind(source: CurveArrays, chosen: np.ndarray) -> np.ndarray:
    """Return which rows can be compared by their flux: not that of a difference and a total.

    Parameters
    ----------
    source : CurveArrays
        The columns of the light curve of one object.
    chosen : `~numpy.ndarray` of bool
        The rows that would count.

    Returns
    -------
    `~numpy.ndarray` of bool
        False for total fluxes where others are of a difference.
    """
    if not source.has("flux_kind"):
        return np.ones(len(source), bool)
    kinds = source.labels("flux_kind")[0]
    total = kinds == "total"
    return ~total if (chosen & (kinds == "difference")).any() else np.ones(len(source), bool)


def _in_time(groups: Groups, mjd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of each group in order of time, and which are near the next of it."""
    order = groups.order
    times = mjd.take(order)
    gap = np.diff(times)
    inner = np.ones(len(gap), bool)
    inner[groups.starts[1:] - 1] = False
    if np.any(gap[inner] < 0):
        number = np.repeat(np.arange(len(groups)), groups.counts)
        order = order[np.lexsort((times, number))]
        gap = np.diff(mjd.take(order))
    return order, inner & (gap < NEAR)


def _exposures(
    source: CurveArrays,
    rows: np.ndarray,
    measured: tuple[np.ndarray, np.ndarray],
    group: np.ndarray,
) -> np.ndarray | None:
    """Return a number for the exposure of each row, -1 where it is not known."""
    mjd, flux = measured
    if not source.has("exposure"):
        return None
    values, known = source.labels("exposure")
    names, known = values[rows], known[rows]
    if names.dtype.kind in "US":
        known = known & (np.strings.str_len(names) > 0)
    key = np.full(len(rows), -1)
    _, code = np.unique(names, return_inverse=True)
    key[known] = (group * (int(code.max()) + 1) + code)[known]
    if not known.all():
        _name_limits(key, np.isnan(flux[rows]), mjd[rows], group)
        known = key >= 0
    if known.all() or not (source.has("origin") and source.has("instrument")):
        return key
    # Rows come in order of group and time.
    instrument = source.labels("instrument")[0][rows]
    _, code = np.unique(instrument, return_inverse=True)
    left = np.flatnonzero(~known)
    left = left[np.lexsort((mjd[rows[left]], code[left], group[left]))]
    new = np.ones(len(left), bool)
    same = (group[left[1:]] == group[left[:-1]]) & (code[left[1:]] == code[left[:-1]])
    new[1:] = ~same | (np.diff(mjd[rows[left]]) > SAME)
    run, starts, times = np.cumsum(new), np.flatnonzero(new), mjd[rows[left]]
    # Frames of a fast camera follow each other within a second: each is an exposure.
    series = np.maximum.reduceat(times, starts) - np.minimum.reduceat(times, starts) > SAME
    key[left] = np.where(series[run - 1], -1, key.max() + run)
    return key


def _name_limits(key: np.ndarray, limit: np.ndarray, time: np.ndarray, group: np.ndarray) -> None:
    """Give a limit without a name the exposure of another row that has the same time.

    ALeRCE does not name the exposures of ZTF's non-detections, which forced photometry has again.
    Rows are in order of group and time.
    """
    named, last = key >= 0, len(key) - 1
    number = np.arange(len(key))
    before = np.maximum.accumulate(np.where(named, number, -1))
    after = np.minimum.accumulate(np.where(named, number, last + 1)[::-1])[::-1]
    for neighbour in (before, after):
        at = np.clip(neighbour, 0, last)
        same = (group[at] == group) & (np.abs(time[at] - time) <= SAME)
        # Where no row before or after it has a name, the first or last row has none either.
        key[:] = np.where((key < 0) & limit & same & named[at], key[at], key)


def _worse(
    source: CurveArrays, rows: np.ndarray, flux: np.ndarray, flux_err: np.ndarray
) -> list[np.ndarray]:
    """Return numbers of which the smallest row counts, the first deciding."""
    worse = [np.isnan(flux[rows]).astype(float)]
    if source.has("measurement"):
        worse.append((source.labels("measurement")[0][rows] != "forced").astype(float))
    elif source.has("forced"):
        worse.append(1.0 - source.truths("forced")[rows])
    for name in ("duplicate", "atlas_duplicate"):
        if source.has_some(name):
            with np.errstate(invalid="ignore"):
                worse.append((source.numbers_of_some(name)[rows] < 0).astype(float))
    return [*worse, flux_err[rows]]

"""The flux that a light curve has without its transient, which is not always 0."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.binning import check_by
from atlasquery.lightcurve.checks import check_number
from atlasquery.lightcurve.derive import derive, measured_column
from atlasquery.lightcurve.exposures import repeated_exposures
from atlasquery.lightcurve.flags import excluded
from atlasquery.lightcurve.group_statistics import (
    SortedGroups,
    kept_by_clipping,
    median,
    median_error,
    weighted_mean,
)
from atlasquery.lightcurve.groups import codes, combined, make_groups
from atlasquery.lightcurve.schema import Conventions, magnitudes
from atlasquery.service.inputs import check_choice, check_mjd, check_window
from atlasquery.warn import warn

__all__ = ["TEMPLATE_CHANGES", "subtract_baseline"]

#: MJD at which surveys changed the reference images that they subtract.
TEMPLATE_CHANGES = {"atlas": (58417.0, 58882.0)}
CLIP = 3.0


def subtract_baseline(
    lc: Table,
    *,
    transient: Sequence | None = None,
    windows: Sequence | None = None,
    template_changes: bool | Sequence[float] = True,
    method: str = "median",
    at_least: int = 5,
) -> TimeSeries:
    """Subtract the flux that a light curve has outside its transient.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        The light curve of one object.
    transient : sequence, optional
        The first and last time of the transient, or a list of such pairs; rows in
        them do not count for the baseline. Times are as in queries: `~astropy.time.Time`, ISO
        dates, or MJD; None is no bound.
    windows : sequence, optional
        The times in which the baseline is measured, in the same form; by default
        all that are not in `transient`.
    template_changes : bool or sequence of float, optional
        Whether baselines are measured apart between the times at which the survey
        changed its reference images (ATLAS: MJD 58417 and 58882), which step
        the difference flux; or the MJD of such changes.
    method : {"median", "weighted"}, optional
        The median, or the mean with weights of 1 / flux_err squared, of what is left
        after outliers of 3 sigma are clipped as in `bin`.
    at_least : int, optional
        How many rows a baseline needs; an exposure counts once, as in `bin`. A band and
        segment with fewer is left as it is, with a warning.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A new light curve: ``flux`` (µJy) less the baseline of its band, survey and segment, and
        the magnitudes of detections by it; a row without a flux keeps its magnitude.
        ``meta["baseline"]`` has an item for each
        band, survey and segment: ``band``, ``survey``, ``start`` and ``end`` (MJD or None),
        ``offset`` and ``offset_err`` (µJy; None where none was subtracted) and ``n``. The error
        of the baseline is common to all rows of a segment, so ``flux_err`` is without it.

    Raises
    ------
    InvalidQueryError
        If a column is missing or in a wrong unit, or an argument is not what it
        should be.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import subtract_baseline
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> forced = Atlas.get_forced_photometry(found["atlas_id"][0])
    >>> forced = forced[(forced["band"] == "o") | (forced["band"] == "c")]
    >>> lc = subtract_baseline(forced, transient=(61270, 61330))
    >>> [(b["band"], b["n"] > 5) for b in lc.meta["baseline"]]
    [('c', True), ('o', True)]
    """
    check_choice(method, name="method", known=("median", "weighted"))
    check_number(at_least, name="at_least", least=1)
    one = CurveArrays([lc], ["lc"], ("band", "flux", "flux_err"))
    check_by("band", one)
    if one.has("flux_kind"):
        raise InvalidQueryError(
            "lc was combined of several light curves: subtract the baseline of each before"
        )
    mjd, flux, flux_err = one.mjd(), one.numbers("flux"), one.numbers("flux_err")
    changes = _changes(one, template_changes)
    with np.errstate(invalid="ignore"):
        counts = np.isfinite(flux) & np.isfinite(flux_err) & (flux_err > 0) & ~excluded(one)
    # A row without a time may be of the transient.
    counts &= np.isfinite(mjd)
    for name, given, wanted in (("transient", transient, False), ("windows", windows, True)):
        if given is not None:
            counts &= _inside(mjd, given, name, one.scale) == wanted
    bands, known = one.labels("band")
    # The reference images of surveys differ, also in bands of one name.
    surveys = one.labels("survey")[0] if one.has("survey") else np.zeros(len(bands), "U1")
    series = codes(combined([codes(bands), codes(surveys)])).astype(np.int64)
    # Segments are numbered through all bands and surveys.
    segment = series * (len(changes) + 1) + np.searchsorted(changes, mjd, side="right")
    counts[repeated_exposures(one, counts)] = False
    offset, error, n = _offsets(flux, flux_err, segment, counts & known, method, at_least)
    found = _found((bands, surveys), segment, changes, (offset, error, n))
    _warn(found, at_least)
    flux = flux - np.nan_to_num(offset[segment]) if len(lc) else flux
    columns = {"flux": measured_column("flux", flux)}
    if one.has("detection"):
        mag, mag_err = magnitudes(flux, flux_err, one.truths("detection"))
        if one.has("mag") and one.has("mag_err"):
            # Nothing is known of what is to be subtracted from a magnitude without a flux.
            alone = np.isnan(flux)
            mag = np.where(alone, one.numbers("mag"), mag)
            mag_err = np.where(alone, one.numbers("mag_err"), mag_err)
        columns |= {
            "mag": measured_column("mag", mag),
            "mag_err": measured_column("mag_err", mag_err),
        }
    offsets = ", ".join(
        f"{b['band']} {b['offset']:.3g} uJy" for b in found if b["offset"] is not None
    )
    steps = list(map(float, changes))
    note = f"subtract_baseline: method={method}, template_changes={steps}: {offsets}"
    kind = Conventions.of(lc.meta).flux_kind
    if kind == "total" and all(b["offset"] is not None for b in found):
        kind = "difference"
    return derive(lc, columns, note, baseline=found, flux_kind=kind)


def _changes(one: CurveArrays, given: bool | Sequence[float]) -> np.ndarray:
    """Return the MJD at which segments begin, in order."""
    if isinstance(given, (bool, np.bool_)):
        surveys = set(one.labels("survey")[0].tolist()) if one.has("survey") else set()
        known = [TEMPLATE_CHANGES.get(survey, ()) for survey in surveys] if given else []
        return np.array(sorted({mjd for changes in known for mjd in changes}))
    try:
        changes = np.sort(np.atleast_1d(np.asarray(given, dtype=float)))
    except (TypeError, ValueError):
        changes = np.array([np.nan])
    if changes.ndim != 1 or not np.isfinite(changes).all():
        raise InvalidQueryError(
            f"template_changes={given!r} should be True, False or a list of MJD"
        )
    check_mjd(changes, name="template_changes")
    return changes


def _inside(mjd: np.ndarray, given: Sequence, name: str, scale: str) -> np.ndarray:
    """Return which times are in one of the windows."""
    right = f"{name}={given!r:.100} should be a pair (start, end), or a list of pairs"
    if isinstance(given, str) or not np.iterable(given):
        raise InvalidQueryError(right)
    pairs = list(given)
    if len(pairs) == 2 and not all(isinstance(pair, (tuple, list)) for pair in pairs):
        pairs = [pairs]
    inside = np.zeros(len(mjd), bool)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InvalidQueryError(right)
        first, last = (_in_scale(bound, scale) for bound in check_window(*pair))
        inside |= (mjd >= first if first is not None else True) & (
            mjd <= last if last is not None else True
        )
    return inside


def _in_scale(mjd: float | None, scale: str) -> float | None:
    if mjd is None or scale == "utc":
        return mjd
    return float(getattr(Time(mjd, format="mjd", scale="utc"), scale).mjd)


def _offsets(
    flux: np.ndarray,
    flux_err: np.ndarray,
    segment: np.ndarray,
    counts: np.ndarray,
    method: str,
    at_least: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return baseline, error and number of rows by the number of the segment."""
    size = int(segment.max()) + 1 if len(segment) else 0
    offset, error, number = np.full(size, np.nan), np.full(size, np.nan), np.zeros(size, int)
    groups = make_groups([segment], counts)
    if not len(groups):
        return offset, error, number
    values, errors = flux[groups.order], flux_err[groups.order]
    runs = SortedGroups(groups.starts, groups.counts)
    kept = kept_by_clipping(values, errors, runs, CLIP)
    runs, values, errors = runs.left(kept), values[kept], errors[kept]
    n = runs.counts
    if method == "weighted":
        middle, uncertain, *_ = weighted_mean(values, errors, runs)
    else:
        middle, uncertain = median(values, runs), median_error(errors, runs)
    at = segment[groups.order[groups.starts]]
    enough = n >= at_least
    number[at] = n
    offset[at[enough]], error[at[enough]] = middle[enough], uncertain[enough]
    return offset, error, number


def _found(
    labels: tuple[np.ndarray, np.ndarray], segment: np.ndarray, changes: np.ndarray, baseline: tuple
) -> list[dict]:
    """Return what is known about the baseline of each band, survey and segment that has rows."""
    bands, surveys = labels
    edges = [None, *map(float, changes), None]
    offset, error, n = baseline
    found = []
    for number, first in zip(*np.unique(segment, return_index=True), strict=True):
        segment_index = number % (len(changes) + 1)
        measured = not np.isnan(offset[number])
        found.append(
            {
                "band": str(bands[first]),
                "survey": str(surveys[first]),
                "start": edges[segment_index],
                "end": edges[segment_index + 1],
                "offset": float(offset[number]) if measured else None,
                "offset_err": float(error[number]) if measured else None,
                "n": int(n[number]),
            }
        )
    return found


def _warn(found: list[dict], at_least: int) -> None:
    left = [b for b in found if b["offset"] is None]
    if left:
        which = "; ".join(f"{b['band']} from {b['start']} to {b['end']}: {b['n']}" for b in left)
        warn(
            f"no baseline was subtracted where there are fewer than {at_least} rows for it "
            f"(band, MJD, rows: {which})",
            InputWarning,
        )

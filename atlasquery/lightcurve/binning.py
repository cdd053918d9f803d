"""Averages of light curves in time: in flux, per band, of one object or of a hundred thousand."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.bin_arrays import BinArrays
from atlasquery.lightcurve.checks import check_number, check_quantity
from atlasquery.lightcurve.derive import DECLARED
from atlasquery.lightcurve.exposures import repeated
from atlasquery.lightcurve.flags import excluded
from atlasquery.lightcurve.group_statistics import (
    SortedGroups,
    kept_by_clipping,
    median,
    median_error,
    reduced_chi2,
    shifted_mean,
    weighted_mean,
)
from atlasquery.lightcurve.groups import Groups, cells, combined, label_codes, make_groups
from atlasquery.lightcurve.light_curves import LightCurves, arrays_of, meta_of
from atlasquery.lightcurve.schema import flux_to_mag, halves, mag_to_flux, magnitudes
from atlasquery.service.inputs import check_choice, suggest
from atlasquery.tables import Column, Rows
from atlasquery.warn import warn

__all__ = ["bin"]

METHODS = ("weighted", "mean", "median")
NEEDED = ("band", "flux", "flux_err")
# Rows of these are never averaged together.
NEVER_MIXED = ("band", "survey", "flux_kind")
# Columns that distinguish objects in tables of several.
IDS = ("atlas_id", "object", "object_id", "object_name", "oid", "name", "query_index")
LIMIT_SIGMA = 5.0
# Rows that are read, grouped and averaged together: their arrays stay in the processor's cache,
# and their memory is used again by the next ones instead of being requested from the system again.
PIECE = 1 << 17

OWN = (
    Column("n", int, about="Measurements averaged; 0 where only limits are known.", required=True),
    Column("n_clipped", int, about="Measurements left out as outliers.", required=True),
    Column("n_limits", int, about="Exposures of which only a limit is known.", required=True),
    Column("reduced_chi2", about="Chi squared of the measurements about flux, by n - 1."),
    Column("total_exposure", unit=u.s, about="Sum of the exposure times."),
)


@overload
def bin(
    lc: Mapping,
    width: u.Quantity = ...,
    by: str | Sequence[str] = ...,
    method: str = ...,
    sigma_clip: float | None = ...,
    *,
    snr: float = ...,
    offset: u.Quantity = ...,
    limits: bool = ...,
) -> LightCurves: ...
@overload
def bin(
    lc: Table,
    width: u.Quantity = ...,
    by: str | Sequence[str] = ...,
    method: str = ...,
    sigma_clip: float | None = ...,
    *,
    snr: float = ...,
    offset: u.Quantity = ...,
    limits: bool = ...,
) -> TimeSeries: ...
def bin(
    lc: Table | Mapping,
    width: u.Quantity = 1 * u.day,
    by: str | Sequence[str] = "band",
    method: str = "weighted",
    sigma_clip: float | None = 3.0,
    *,
    snr: float = 3.0,
    offset: u.Quantity = 0 * u.day,
    limits: bool = True,
) -> TimeSeries | LightCurves:
    """Average a light curve in bins of time, band by band, in flux.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`, `~astropy.table.Table` or mapping
        A light curve; a stacked table of many, with a column that
        distinguishes them in `by`; or light curves by id. Columns ``time``, ``band``,
        ``flux`` and ``flux_err`` are needed.
    width : `~astropy.units.Quantity`, optional
        The width of a bin; by default a day.
    by : str or sequence of str, optional
        Columns of text or whole numbers; rows that differ in one are not averaged
        together. Rows of another band or survey never are, nor difference and total flux
        (``flux_kind`` of light curves that `combine` made). Rows in which one is masked are
        a separate group; rows without a band or survey are left out.
    method : {"weighted", "mean", "median"}, optional
        Weights of 1 / flux_err squared, no weights, or the median, whose error is
        1.25 times that of the mean for three measurements and more.
    sigma_clip : float, optional
        A measurement goes when it is farther from the median of its bin than so
        many times its own error, and than so many times the scatter (1.4826 times
        the median absolute deviation) of the bin; this is repeated until no row
        goes. Bins of two or fewer lose none. 1 or more; None for no clipping.
    snr : float, optional
        The signal to noise from which a bin is a detection and has a magnitude.
    offset : `~astropy.units.Quantity`, optional
        Bins begin at this MJD plus whole widths. At 0, and a width of a day, they
        are days of UTC, which cut the nights of Chile and South Africa in two;
        0.68 d cuts no night of ATLAS's sites.
    limits : bool, optional
        Whether bins of which only limits are known are kept, as limits.

    Returns
    -------
    `~astropy.timeseries.TimeSeries` or LightCurves
        A row for each bin with measurements, with the columns of `SCHEMA`; for a
        mapping, one such light curve for each id. Sorted by time; a stacked table
        by the columns of `by` first. With the weights of the flux, ``time`` and
        ``exposure_time`` are means, so that ``time + exposure_time / 2`` is the mean
        middle of the exposures; ``flux_err`` is propagated from the errors alone;
        ``limiting_mag`` is 5 ``flux_err``. ``exposure`` is empty where n is not 1.

        ================ ========= ================================================
        Further column   Unit      Meaning
        ================ ========= ================================================
        columns of `by`            As they were.
        n                          Measurements averaged; 0 for a limit.
        n_clipped                  Measurements left out as outliers.
        n_limits                   Exposures of which only a limit is known.
        reduced_chi2               Chi squared about flux, divided by n - 1; masked
                                   for n below 2.
        total_exposure   s         Sum of the exposure times of what was averaged.
        time_first       Time      First and last time of what was averaged.
        time_last        Time
        ================ ========= ================================================

        Each has a description.

    Raises
    ------
    InvalidQueryError
        If a column is missing or in a wrong unit, an argument is not what it
        should be, or rows of several objects would be averaged together.

    Notes
    -----
    Rows that `clean` flagged, that LSST has withdrawn or that repeat another one
    (``duplicate_of``), and rows with a masked or NaN flux, or an error that
    is not above 0, do not enter; what is only faint (`Flag.LOW_SNR`,
    `Flag.BELOW_LIMIT`) does, and so do negative fluxes: to leave them out would
    make faint objects too bright. A row that has no flux but a limit counts in
    ``n_limits``; where no row of a bin has a flux, the limits are combined
    into one as errors are.

    An exposure counts once, though it may have several rows: as an alert and as forced
    photometry (ZTF, LSST), from two origins (SkyPortal), or as two light curves of one
    server stacked. Rows are of one exposure if they agree in its name (``exposure``), band,
    survey and the columns of `by`; a limit without a name is of the exposure of a row with one
    that has its time to a second; rows without a name, where ``origin`` says who
    uploaded them, if they agree in ``instrument`` and, to a second, in time. A row with a
    flux counts before one with a limit, forced photometry before an alert, then the
    smaller error, then the first. ``meta["history"]`` counts what is left out, and a warning
    names the surveys of which there are magnitudes only.

    Where a source is linear in time, the mean flux is right at the mean time.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import bin
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> forced = Atlas.get_forced_photometry(found["atlas_id"][0])
    >>> nightly = bin(forced)
    >>> len(nightly) < len(forced)
    True
    """
    width_days = check_quantity(width, name="width", unit=u.day, above=0.0)
    offset_days = check_quantity(offset, name="offset", unit=u.day)
    check_choice(method, name="method", known=METHODS)
    if sigma_clip is not None:
        check_number(sigma_clip, name="sigma_clip", least=1.0)
    check_number(snr, name="snr", least=0.0)
    source = arrays_of(lc, NEEDED)
    by_columns = check_by(by, source)
    # Each piece has the columns and masks of all, whichever light curves are in it.
    masked = {
        n for n in by_columns if any(hasattr(one.columns[n], "mask") for one in source.curves)
    }
    places, counted, twice = [], np.zeros(5, int), []
    unused: Counter[str] = Counter()

    def parts() -> Iterator[tuple[int, BinArrays]]:
        for first, chunk in source.pieces(PIECE, by_columns[0] if by_columns else None):
            rows = _rows(chunk, by_columns, (width_days, offset_days), limits)
            binned = _average(rows, method, sigma_clip)
            if isinstance(lc, Mapping):
                places.append(rows.keys[0][binned["head"]] + first)
                twice.append(rows.keys[0][rows.repeated] + first)
            counted[:] += rows.counted
            unused.update(rows.without_flux)
            yield len(chunk), _binned(chunk, rows, binned, snr, masked)

    bins = BinArrays.joined(parts(), len(source))
    _warn_of_magnitudes(unused)
    note = (
        f"bin: width={width_days:g} d, offset={offset_days:g} d, "
        f"by={', '.join([*_separating(source), *by_columns])}, method={method}, "
        f"sigma_clip={sigma_clip}, snr={snr:g}"
    )
    if isinstance(lc, Mapping):
        return _apart(lc, bins, np.concatenate(places), np.concatenate(twice), note)
    clipped = int(bins.bin_columns.values["n_clipped"].sum())
    return bins.series(lc.meta, f"{note}: {_said(counted)}, {clipped} clipped")


def _separating(source: CurveArrays) -> list[str]:
    """Return the columns of `NEVER_MIXED`, the rare ones only if a light curve has them."""
    return [name for name in NEVER_MIXED if name in ("band", "survey") or source.has(name)]


def check_by(by: str | Sequence[str], source: CurveArrays) -> tuple[str, ...]:
    """Return the columns that keep rows apart, besides band and survey.

    Parameters
    ----------
    by : str or sequence of str
        The argument.
    source : CurveArrays
        The columns of the light curves.

    Returns
    -------
    tuple of str
        Their names.

    Raises
    ------
    InvalidQueryError
        If one is not a column, or rows of several objects would be mixed.
    """
    names = (by,) if isinstance(by, str) else tuple(by)
    for name in names:
        if not source.has(name):
            raise InvalidQueryError(
                f"by={name!r} is not a column of lc"
                f"{suggest(name, source.curves[0].colnames if source.curves else ())}"
            )
    if len(source.curves) == 1:
        for name in IDS:
            if name in names or not source.has(name):
                continue
            values, known = source.labels(name)
            if known.any() and np.any(values[known] != values[known][0]):
                raise InvalidQueryError(
                    f"lc holds several objects in its column {name}: by=({name!r}, 'band') keeps "
                    "them apart"
                )
            # One id is enough; others may be of other things.
            break
    return tuple(name for name in names if name not in NEVER_MIXED)


@dataclass
class _Measurements:
    """The rows that can enter a bin, grouped by bin; `keys` sort the bins."""

    labels: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    keys: list[np.ndarray]
    groups: Groups
    mjd: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    exposure_time: np.ndarray | None
    limit: np.ndarray
    counted: np.ndarray
    repeated: np.ndarray
    #: How many rows of each survey have a magnitude but no flux.
    without_flux: dict[str, int]


def _rows(
    source: CurveArrays, by_columns: tuple, grid: tuple[float, float], limits: bool
) -> _Measurements:
    """Read the columns, and group the rows that can enter a bin."""
    mjd, flux, flux_err = source.mjd(), source.numbers("flux"), source.numbers("flux_err")
    labels, masks, unknown = _labels(source, by_columns)
    flagged = excluded(source)
    good = ~(np.isnan(mjd) | unknown | flagged)
    with np.errstate(invalid="ignore"):
        measured = good & np.isfinite(flux) & (flux_err > 0) & np.isfinite(flux_err)
    limit = np.zeros(len(mjd), bool)
    if limits and source.has("limiting_mag") and (unknown_flux := np.isnan(flux)).any():
        depth = source.numbers("limiting_mag")
        limit = good & unknown_flux & np.isfinite(depth)
        if source.has("detection"):
            limit &= ~source.truths("detection")
        flux_err = np.where(limit, mag_to_flux(depth) / source.limit_sigma, flux_err)
    # Whole numbers are keys as they are.
    numbered = {name: label_codes(values, masks.get(name)) for name, values in labels.items()}
    keys = [source.places, *(numbered[name] for name in by_columns)]
    width, offset = grid
    cell = cells(mjd, width, offset)
    separate = [numbered[name] for name in reversed(NEVER_MIXED) if name in numbered]
    groups = make_groups([*keys, cell, *separate], measured | limit)
    again = repeated(source, groups, mjd, flux, flux_err)
    if len(again):
        measured[again] = limit[again] = False
        groups = make_groups([*keys, cell, *separate], measured | limit)
    exposed = source.has("exposure_time")
    return _Measurements(
        labels=labels,
        masks=masks,
        keys=keys,
        groups=groups,
        mjd=mjd,
        flux=flux,
        flux_err=flux_err,
        exposure_time=source.numbers("exposure_time") if exposed else None,
        limit=limit,
        counted=_counted(len(mjd), measured, limit, flagged, again),
        repeated=again,
        without_flux=_without_flux(source, good & np.isnan(flux) & ~limit),
    )


def _without_flux(source: CurveArrays, left: np.ndarray) -> dict[str, int]:
    """Return how many of the rows that are left out have a magnitude, by survey."""
    if not left.any() or not source.has("mag"):
        return {}
    left = left & np.isfinite(source.numbers("mag"))
    if not source.has("survey"):
        return {"": int(np.count_nonzero(left))}
    names, n = np.unique(source.labels("survey")[0][left].astype(str), return_counts=True)
    return dict(zip(names.tolist(), n.tolist(), strict=True))


def _warn_of_magnitudes(unused: Mapping[str, int]) -> None:
    """Warn of measurements that are not in the bins since they are magnitudes only."""
    n = sum(unused.values())
    if not n:
        return
    surveys = ", ".join(sorted(name for name, count in unused.items() if count and name))
    warn(
        f"{n} measurement{'s have' if n > 1 else ' has'} a magnitude but no flux"
        f"{f' ({surveys})' if surveys else ''}, and {'are' if n > 1 else 'is'} in no bin: bins are "
        "means of fluxes. Give lc a flux in uJy there to include them",
        InputWarning,
    )


def _counted(
    n: int, measured: np.ndarray, limit: np.ndarray, flagged: np.ndarray, again: np.ndarray
) -> np.ndarray:
    """Return the numbers of rows: all, measured, limits, flagged, and of exposures that count."""
    numbers = (int(np.count_nonzero(rows)) for rows in (measured, limit, flagged))
    return np.array([n, *numbers, len(again)])


def _said(counted: np.ndarray) -> str:
    """Return what the history says of the rows."""
    n, taken, limits, out, again = counted.tolist()
    return (
        f"{n} rows: {taken} measured, {limits} limits; left out {out} flagged, "
        f"{n - taken - limits - out - again} without a valid flux, error, time or label"
        f"{_said_again(again)}"
    )


def _said_again(again: int) -> str:
    return f", {again} of exposures that have another row" if again else ""


def _labels(
    source: CurveArrays, by_columns: tuple
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Return the columns that keep rows apart, their masks, and where band or survey is masked."""
    unknown = np.zeros(len(source), bool)
    labels, masks = {}, {}
    for name in (*NEVER_MIXED, *by_columns):
        if not source.has(name):
            continue
        labels[name], known = source.labels(name)
        if known.all():
            continue
        if name in NEVER_MIXED:
            unknown |= ~known
        else:
            masks[name] = ~known
    return labels, masks, unknown


# What is known of a bin: `head` is its first row.
BINNED = (
    "head",
    "time",
    "first",
    "last",
    "flux",
    "flux_err",
    "reduced_chi2",
    "n",
    "n_clipped",
    "n_limits",
    "exposure_time",
    "total_exposure",
)


def _average(rows: _Measurements, method: str, sigma: float | None) -> dict[str, np.ndarray]:
    """Return the columns of `BINNED`, the bins sorted by object and time."""
    groups = rows.groups
    parts = [
        _average_block(
            rows,
            groups.order[taken],
            SortedGroups(groups.starts[some] - taken.start, groups.counts[some]),
            method,
            sigma,
        )
        for some, taken in groups.blocks()
    ]
    if not parts:
        empty = {name: np.zeros(0) for name in BINNED}
        whole = {name: np.zeros(0, np.int64) for name in ("head", "n", "n_clipped", "n_limits")}
        return empty | whole
    binned = parts[0]
    if len(parts) > 1:
        binned = {name: np.concatenate([part[name] for part in parts]) for name in BINNED}
    order = _by_object_and_time([key.take(binned["head"]) for key in rows.keys], binned["time"])
    if order is None:
        return binned
    return {name: values.take(order) for name, values in binned.items()}


def _by_object_and_time(keys: list[np.ndarray], time: np.ndarray) -> np.ndarray | None:
    """Return the order of bins, which are nearly in that order already; None if they are."""
    objects = combined(keys)
    if _in_time(objects, time):
        return None
    spread = time.max() - time.min()
    if 0 < spread < 1e7 and objects.max() < 1 << 20:
        # One whole number for both, a thousandth of a second fine, is merged in linear time.
        ticks = ((time - time.min()) * (2.0**42 / 1e7)).astype(np.int64)
        order = np.argsort(objects * 2**42 + ticks, kind="stable")
        if _in_time(objects[order], time[order]):
            return order
    return np.lexsort((time, objects))


def _in_time(objects: np.ndarray, time: np.ndarray) -> bool:
    back = (time[1:] < time[:-1]) & (objects[1:] == objects[:-1])
    return not back.any() and not np.any(objects[1:] < objects[:-1])


def _average_block(
    rows: _Measurements, taken: np.ndarray, runs: SortedGroups, method: str, sigma: float | None
) -> dict[str, np.ndarray]:
    """Average some groups, whose rows are `taken`, one group after the other."""
    # Here and below `take` spares a third of the time that an index takes.
    head, limit = taken.take(runs.starts), rows.limit.take(taken)
    n_limits = np.zeros(len(runs), np.int64)
    only_limits = n_limits > 0
    if limit.any():
        n_limits = runs.number(limit)
        # A limit says nothing where there is a measurement.
        only_limits = n_limits == runs.counts
        kept = ~limit | only_limits[runs.of_row]
        taken, runs = taken[kept], runs.left(kept)
    flux, flux_err = rows.flux.take(taken), rows.flux_err.take(taken)
    if only_limits.any():
        flux[only_limits.take(runs.of_row)] = 0.0
    before = runs.counts
    if sigma is not None:
        kept = kept_by_clipping(flux, flux_err, runs, sigma)
        if not kept.all():
            flux, flux_err = flux[kept], flux_err[kept]
            taken, runs = taken[kept], runs.left(kept)
    counts = runs.counts
    mean, error, weights, total = _estimate(flux, flux_err, runs, method)
    chi2 = reduced_chi2(flux, flux_err, mean, runs)
    chi2[(counts < 2) | only_limits] = np.nan
    mean[only_limits] = np.nan
    time = rows.mjd.take(taken)
    first, last = runs.extremes(time)
    exposure_time, total_exposure = _exposed(rows, taken, weights, total, runs)
    return {
        "head": head,
        "time": shifted_mean(time, weights, total, runs),
        "first": first,
        "last": last,
        "flux": mean,
        "flux_err": error,
        "reduced_chi2": chi2,
        "n": np.where(only_limits, 0, counts),
        "n_clipped": before - counts,
        "n_limits": n_limits,
        "exposure_time": exposure_time,
        "total_exposure": total_exposure,
    }


def _exposed(
    rows: _Measurements,
    taken: np.ndarray,
    weights: np.ndarray,
    total: np.ndarray,
    runs: SortedGroups,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean exposure time of each group, and their sum."""
    if rows.exposure_time is None:
        return np.full(len(runs), np.nan), np.full(len(runs), np.nan)
    times = rows.exposure_time.take(taken)
    first = times.take(runs.starts)
    if times[0] == times.min() == times.max() or np.isnan(times).all():
        return first, times[0] * runs.counts
    return shifted_mean(times, weights, total, runs), runs.sum(times)


def _estimate(
    flux: np.ndarray, flux_err: np.ndarray, runs: SortedGroups, method: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return flux and error of each group, the weights of its rows, and their sum."""
    if method == "weighted":
        return weighted_mean(flux, flux_err, runs)
    weights, total = np.ones(len(flux)), runs.counts
    if method == "median":
        return median(flux, runs), median_error(flux_err, runs), weights, total
    error = np.sqrt(runs.sum(flux_err**2)) / total
    return shifted_mean(flux, weights, total, runs), error, weights, total


def _binned(
    source: CurveArrays,
    rows: _Measurements,
    binned: dict[str, np.ndarray],
    snr: float,
    masked: set[str],
) -> BinArrays:
    """Return what the bins are in the columns of a light curve."""
    head, flux, flux_err = (binned[name] for name in ("head", "flux", "flux_err"))
    with np.errstate(invalid="ignore"):
        detection = (flux >= snr * flux_err) & (flux > 0)
    mag, mag_err = magnitudes(flux, flux_err, detection)
    values = {
        "band": rows.labels["band"].take(head),
        "detection": detection,
        "flux": flux,
        "flux_err": np.where(np.isnan(flux), np.nan, flux_err),
        "mag": mag,
        "mag_err": mag_err,
        "limiting_mag": flux_to_mag(LIMIT_SIGMA * flux_err),
        "exposure_time": binned["exposure_time"],
        "survey": rows.labels["survey"].take(head) if "survey" in rows.labels else _empty(head),
        "exposure": _exposures(source, binned),
    }
    bin_columns = Rows(length=len(head))
    for name in rows.labels:
        if name not in DECLARED:
            mask = rows.masks[name].take(head) if name in rows.masks else None
            column = _declared(source, name, masked=name in masked)
            bin_columns.add(column, rows.labels[name].take(head), mask)
    for column in OWN:
        array = binned[column.name]
        bin_columns.add(column, array, None if column.required else np.isnan(array))
    time, first, last = (halves(binned[name]) for name in ("time", "first", "last"))
    return BinArrays(time, first, last, values, bin_columns, source.scale)


def _empty(head: np.ndarray) -> np.ndarray:
    return np.full(len(head), "", dtype="U1")


def _exposures(source: CurveArrays, binned: dict[str, np.ndarray]) -> np.ndarray:
    """Return the exposure's name where a bin is one exposure."""
    if not source.has("exposure") or not len(source):
        return _empty(binned["head"])
    names, _ = source.labels("exposure")
    alone = (binned["n"] == 1) & (binned["n_clipped"] == 0)
    if not alone.any():
        return _empty(alone)
    named = names.take(binned["head"]).astype(str, copy=False)
    named[~alone] = ""
    return named


def _declared(source: CurveArrays, name: str, masked: bool) -> Column:
    column = source.curves[0].columns[name]
    return Column(name, object, about=column.info.description or "", required=not masked)


def _apart(
    lc: Mapping, binned: BinArrays, curve_of_bin: np.ndarray, twice: np.ndarray, note: str
) -> LightCurves:
    """Return the binned light curves of a mapping, whose bins lie one object after the other."""
    ids = list(lc)
    again = np.bincount(twice, minlength=len(ids)) if len(twice) else None
    edges = np.searchsorted(curve_of_bin, np.arange(len(ids) + 1))
    clipped = binned.bin_columns.values["n_clipped"]

    def make(n: int) -> TimeSeries:
        first, last = int(edges[n]), int(edges[n + 1])
        summary = f"{note}: {last - first} bins, {int(clipped[first:last].sum())} clipped"
        if again is not None and again[n]:
            summary += f"; left out{_said_again(int(again[n]))[1:]}"
        return binned.series(meta_of(lc, ids[n]), summary, slice(first, last))

    return LightCurves(ids, make, what=note.partition(",")[0])

"""From the server's rows to light curves: what its magnitudes mean, and their signs."""

from collections.abc import Mapping

import numpy as np
from astropy.timeseries import TimeSeries

from atlasquery.atlas.columns import DETECTION, NON_DETECTION
from atlasquery.lightcurve.schema import (
    LN10_2_5,
    build_light_curve,
    flux_to_mag,
    mag_to_flux,
)
from atlasquery.tables import Column, Rows

__all__ = ["forced_light_curve", "light_curve"]

# The exposure time of the survey; servers before 2024 do not send that of forced photometry.
EXPOSURE_TIME = 30.0
# Columns that become columns of the light curve's schema.
IN_SCHEMA = ("time", "band", "limiting_mag", "exposure_time", "exposure")
MEASURED = ("flux", "flux_err", "mag", "mag_err")


def light_curve(
    detections: Rows, non_detections: Rows, *, atlas_id: int, window: tuple, meta: Mapping
) -> TimeSeries:
    """Build the light curve of detections and non-detections.

    Parameters
    ----------
    detections : Rows
        Decoded by `~atlasquery.atlas.columns.DETECTION`.
    non_detections : Rows
        Decoded by `~atlasquery.atlas.columns.NON_DETECTION`.
    atlas_id : int
        The object, whose id stands in the rows of detections only.
    window : tuple of float or None
        First and last MJD; the server knows no upper bound.
    meta : mapping
        What the light curve says of its origin.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row per exposure.
    """
    detections, non_detections = (_within(r, window) for r in (detections, non_detections))
    # Only detections have magnitudes, and there are a hundred times fewer of them.
    measured = Rows(
        [*detections.columns], {**detections.values}, {**detections.masks}, len(detections)
    )
    for column, values in _signed_flux(detections):
        measured.add(column, values, np.isnan(values))
    both, detection = _merge(measured, non_detections)
    n = len(both)
    both.values["atlas_id"][:] = atlas_id
    both.masks["atlas_id"][:] = False
    values = {name: both.values[name] for name in (*IN_SCHEMA, *MEASURED)}
    values |= {"detection": detection, "survey": np.full(n, "atlas")}
    own = both.without(values.keys())
    return build_light_curve(values.pop("time"), values, own, scale="utc", meta=meta)


def _signed_flux(detections: Rows) -> list[tuple[Column, np.ndarray]]:
    """Return flux, magnitude and their errors of detections.

    "mag may be negative: a negative difference flux of magnitude |mag|" (the contract).
    """
    signed, signed_err = (detections.values[f"signed_mag{end}"] for end in ("", "_err"))
    flux = np.sign(signed) * mag_to_flux(np.abs(signed))
    positive = flux > 0
    values = (
        flux,
        np.abs(flux) * signed_err / LN10_2_5,
        np.where(positive, signed, np.nan),
        np.where(positive, signed_err, np.nan),
    )
    return [(Column(name), array) for name, array in zip(MEASURED, values, strict=True)]


def forced_light_curve(rows: Rows, *, window: tuple, meta: Mapping) -> TimeSeries:
    """Build the light curve of forced photometry.

    Parameters
    ----------
    rows : Rows
        Decoded by `~atlasquery.atlas.columns.FORCED`.
    window : tuple of float or None
        First and last MJD.
    meta : mapping
        What the light curve says of its origin.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row per measurement. ``limiting_mag`` is five times the error of the
        flux, as the server sends none for the exposure; ``exposure_time`` is
        the survey's 30 s where an older server does not send it.
    """
    rows = _within(rows, window)
    wire = rows.values
    exposure_time = np.where(np.isnan(wire["exposure_time"]), EXPOSURE_TIME, wire["exposure_time"])
    flux, flux_err = _forced_flux(wire, exposure_time)
    # Where the server does not say what is a limit, its own threshold does.
    with np.errstate(invalid="ignore"):
        above = wire["snr"] >= wire["snr_detection"]
    measured = np.where(rows.masks["is_limit"], above, ~wire["is_limit"]) & ~np.isnan(flux)
    mag = np.where(measured, flux_to_mag(flux), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        mag_err = np.where(np.isnan(mag), np.nan, LN10_2_5 * flux_err / flux)
    values = {
        "band": wire["band"],
        "detection": measured,
        "flux": flux,
        "flux_err": flux_err,
        "mag": mag,
        "mag_err": mag_err,
        "limiting_mag": flux_to_mag(5.0 * flux_err),
        "exposure_time": exposure_time,
        "survey": np.full(len(rows), "atlas"),
        "exposure": wire["exposure"],
    }
    own = rows.without(("time", "band", "flux", "flux_err", "exposure_time", "exposure"))
    return build_light_curve(wire["time"], values, own, scale="utc", meta=meta)


def _forced_flux(wire: Mapping, exposure_time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return flux and error in uJy: as sent, else as the server derives them from the fit.

    Servers before 2024 send neither; the fitted peak, the size of the profile,
    the zero point and the aperture correction give both, with the sign.
    """
    scale = wire["psf_major"] * wire["psf_minor"] / exposure_time
    scale *= mag_to_flux(wire["zero_point"] + wire["aperture_correction"])
    flux = np.where(np.isnan(wire["flux"]), wire["peak_fit"] * scale, wire["flux"])
    flux_err = np.where(np.isnan(wire["flux_err"]), wire["peak_fit_err"] * scale, wire["flux_err"])
    return flux, flux_err


def _within(rows: Rows, window: tuple) -> Rows:
    kept = inside(rows.values["time"], window)
    return rows if kept.all() else rows.take(kept)


def inside(time: np.ndarray, window: tuple) -> np.ndarray:
    """Return which times are in a window, its ends included.

    Parameters
    ----------
    time : `~numpy.ndarray`
        MJD.
    window : tuple of float or None
        First and last MJD.

    Returns
    -------
    `~numpy.ndarray` of bool
        For each time.
    """
    first, last = window
    kept = np.ones(len(time), bool)
    if first is not None:
        kept &= time >= first
    if last is not None:
        kept &= time <= last
    return kept


def _merge(first: Rows, second: Rows) -> tuple[Rows, np.ndarray]:
    """Return the rows of both in order of time, and which of them are of the first.

    Rows are masked in the columns that their kind does not have.
    """
    n = len(first) + len(second)
    order = np.argsort(np.concatenate([r.values["time"] for r in (first, second)]), kind="stable")
    place = np.empty(n, int)
    place[order] = np.arange(n)
    places = place[: len(first)], place[len(first) :]
    declared = {column.name: column for column in (*DETECTION, *NON_DETECTION)}
    columns = declared | {c.name: c for c in (*second.columns, *first.columns)}
    merged = Rows(length=n)
    for name, column in columns.items():
        values, mask = _missing(column, name, first, second, n)
        for rows, at in zip((first, second), places, strict=True):
            if name in rows.values:
                values[at] = rows.values[name]
                mask[at] = rows.masks[name]
        merged.add(column, values, mask)
    return merged, order < len(first)


def _missing(column: Column, name: str, first: Rows, second: Rows, n: int) -> tuple:
    """Return a column of missing values wide enough for those of both kinds of rows."""
    dtypes = [rows.values[name].dtype for rows in (first, second) if name in rows.values]
    dtype = np.result_type(*dtypes) if dtypes else np.dtype("U1")
    filler = np.full(n, np.nan) if dtype.kind == "f" else np.zeros(n, dtype)
    return filler, np.ones(n, bool)

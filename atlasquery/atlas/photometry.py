"""From the server's rows to light curves: what its magnitudes mean, and their signs."""

from collections.abc import Mapping

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.timeseries import TimeSeries

from atlasquery.lightcurve.schema import (
    LN10_2_5,
    Conventions,
    build_light_curve,
    failed,
    flux_to_mag,
    mag_to_flux,
    magnitudes,
    within,
)
from atlasquery.tables import Column, Rows, stack_rows

__all__ = [
    "FORCED_WIRE",
    "forced_light_curve",
    "forced_measurements",
    "is_on_sky",
    "light_curve",
    "light_curve_meta",
    "signed_flux",
]

# The exposure time of the survey; servers before 2024 do not send that of forced photometry.
EXPOSURE_TIME = 30.0
# Columns that become columns of the light curve's schema.
IN_SCHEMA = ("time", "band", "limiting_mag", "exposure_time", "exposure")
MEASURED = ("flux", "flux_err", "mag", "mag_err")
FORCED_IN_SCHEMA = ("time", "band", "flux", "flux_err", "exposure_time", "exposure")
#: Columns of the server of which `forced_measurements` are computed.
FORCED_WIRE = (
    *("exposure_time", "flux", "flux_err", "psf_major", "psf_minor", "zero_point"),
    *("aperture_correction", "peak_fit", "peak_fit_err", "snr", "snr_detection", "is_limit"),
)


def light_curve_meta(
    name: str, atlas_id: int, coordinates: SkyCoord | None, window: tuple, origin: Mapping
) -> dict:
    """Return the metadata of a light curve: its object and origin.

    Parameters
    ----------
    name : str
        The name of the object.
    atlas_id : int
        Its id.
    coordinates : `~astropy.coordinates.SkyCoord` or None
        Its position, if it is known.
    window : tuple of float or None
        First and last MJD requested.
    origin : mapping
        Service, server and time of the response.

    Returns
    -------
    dict
        The metadata.
    """
    first, last = window
    return {
        "survey": "atlas",
        "object": name,
        "atlas_id": atlas_id,
        **({} if coordinates is None else {"coordinates": coordinates}),
        **Conventions("start", "difference").meta(),
        "start": first,
        "end": last,
        **origin,
    }


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
        The object, whose id is only in the rows of detections.
    window : tuple of float or None
        First and last MJD; the server has no upper bound.
    meta : mapping
        Metadata of the light curve.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row per exposure.
    """
    detections, non_detections = (within(r, window) for r in (detections, non_detections))
    # Only detections have magnitudes, and there are a hundred times fewer of them.
    measured = detections.without(())
    for column, values in signed_flux(detections):
        measured.add(column, values, np.isnan(values))
    non_detections = non_detections.without(())
    for rows, seen in ((measured, True), (non_detections, False)):
        rows.add(Column("detection", bool), np.full(len(rows), seen))
    both = stack_rows(measured, non_detections, by="time")
    both.values["atlas_id"][:] = atlas_id
    both.masks["atlas_id"][:] = False
    columns = {name: both.values[name] for name in (*IN_SCHEMA, *MEASURED, "detection")}
    columns["survey"] = np.full(len(both), "atlas")
    survey_columns = both.without(columns.keys())
    return build_light_curve(columns.pop("time"), columns, survey_columns, scale="utc", meta=meta)


def signed_flux(detections: Rows) -> list[tuple[Column, np.ndarray]]:
    """Return flux, magnitude and their errors of detections.

    The sign of a magnitude is that of the flux: docs/servers/atlas.rst, "Negative magnitudes".

    Parameters
    ----------
    detections : Rows
        With ``signed_mag`` and ``signed_mag_err``.

    Returns
    -------
    list of tuple
        Column and values of each, NaN where it is not known.
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
        Metadata of the light curve.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row per measurement. ``limiting_mag`` is five times the error of the
        flux, as the server sends none for the exposure; ``exposure_time`` is
        the survey's 30 s if an older server does not send it.
    """
    rows = within(rows, window)
    wire = rows.values
    values = {
        **forced_measurements(wire, rows.masks["is_limit"]),
        "band": wire["band"],
        "survey": np.full(len(rows), "atlas"),
        "exposure": wire["exposure"],
    }
    survey_columns = rows.without(FORCED_IN_SCHEMA)
    return build_light_curve(wire["time"], values, survey_columns, scale="utc", meta=meta)


def forced_measurements(
    wire: Mapping[str, np.ndarray], is_limit_missing: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what is measured at a given position, in the terms of all light curves.

    Parameters
    ----------
    wire : mapping of str to `~numpy.ndarray`
        The columns of `FORCED_WIRE` as sent, NaN where a number is missing.
    is_limit_missing : `~numpy.ndarray` of bool
        Where ``is_limit`` is missing.

    Returns
    -------
    dict of str to `~numpy.ndarray`
        ``detection``, ``flux``, ``flux_err``, ``mag``, ``mag_err``, ``limiting_mag``
        and ``exposure_time``.
    """
    exposure_time = np.where(np.isnan(wire["exposure_time"]), EXPOSURE_TIME, wire["exposure_time"])
    flux, flux_err = _forced_flux(wire, exposure_time)
    # Where the server does not say what is a limit, its threshold does.
    with np.errstate(invalid="ignore"):
        above = wire["snr"] >= wire["snr_detection"]
    measured = np.where(is_limit_missing, above, ~wire["is_limit"]) & ~np.isnan(flux)
    mag, mag_err = magnitudes(flux, flux_err, measured)
    return {
        "detection": measured,
        "flux": flux,
        "flux_err": flux_err,
        "mag": mag,
        "mag_err": mag_err,
        "limiting_mag": flux_to_mag(5.0 * flux_err),
        "exposure_time": exposure_time,
    }


def _forced_flux(wire: Mapping, exposure_time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return flux and error in uJy: as sent, else as the server derives them from the fit.

    Servers before 2024 send neither; the fitted peak, the size of the profile,
    the zero point and the aperture correction give both, with the sign.
    """
    scale = wire["psf_major"] * wire["psf_minor"] / exposure_time
    scale *= mag_to_flux(wire["zero_point"] + wire["aperture_correction"])
    flux = np.where(np.isnan(wire["flux"]), wire["peak_fit"] * scale, wire["flux"])
    flux_err = np.where(np.isnan(wire["flux_err"]), wire["peak_fit_err"] * scale, wire["flux_err"])
    unusable = failed(flux, flux_err)
    return np.where(unusable, np.nan, flux), np.where(unusable, np.nan, flux_err)


def is_on_sky(ra: float, dec: float) -> bool:
    """Return whether two numbers of the server are a position.

    Parameters
    ----------
    ra, dec : float
        Degrees.

    Returns
    -------
    bool
        False for a declination beyond the poles, and for values that are not finite.
    """
    return abs(ra) <= 360 and abs(dec) <= 90

"""From rows of photometry to a light curve: detections, limits, bands."""

from collections.abc import Mapping

import astropy.units as u
import numpy as np
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import TableParseError
from atlasquery.lightcurve.schema import (
    Conventions,
    build_light_curve,
    flux_to_mag,
    magnitudes,
    within,
)
from atlasquery.skyportal.tables.bands import bands_of
from atlasquery.skyportal.tables.columns import PHOTOMETRY
from atlasquery.skyportal.tables.decoders import decode_flat
from atlasquery.tables import Column, Rows

__all__ = ["decode_photometry", "light_curve", "unplaced"]

# Exposure times of surveys that always have the same; the server does not send them.
EXPOSURE_TIME = {"atlas": 30.0, "ztf": 30.0, "lsst": 30.0}
#: Sigma of the limits of a light curve.
LIMIT = 5.0
UPLOADED = Column(
    "limiting_mag_uploaded",
    unit=u.mag,
    about="Limit as the server sends it, of as many sigma as its uploader said.",
)
# Columns of a row that become columns of the light curve's schema, or strings of its metadata.
IN_SCHEMA = (
    "mjd", "flux", "fluxerr", "mag", "magerr", "limiting_mag", "magsys", "zp", "source_id",
)  # fmt: skip
# See docs/servers/skyportal.rst, "Strings that mean null".
NOTHING = ("None", "NaN", "nan")
LIMITING_MAG = (
    "5 sigma: from the error where there is no flux, else as the server sends it, which is what "
    "the uploader gave for magnitudes, of any sigma; limiting_mag_uploaded has all as sent"
)


def decode_photometry(text: bytes) -> Rows:
    """Decode rows of photometry.

    Parameters
    ----------
    text : bytes
        A JSON list of them, in the format ``both`` and the system AB.

    Returns
    -------
    Rows
        The strings "None" and "NaN" are masked.

    Raises
    ------
    TableParseError
        If a magnitude is of another system, or no row has a time and a filter.
    """
    rows = decode_flat(PHOTOMETRY, text, {"groups": "name"})
    for name in ("origin", "instrument", "altdata"):
        rows.masks[name] = rows.masks[name] | np.isin(rows.values[name], NOTHING)
        rows.values[name] = np.where(rows.masks[name], "", rows.values[name])
    if len(rows) and len(unplaced(rows)) == len(rows):
        raise TableParseError("no row of photometry has both mjd and filter")
    systems = set(np.char.lower(rows.values["magsys"][~rows.masks["magsys"]]).tolist())
    if systems - {"ab"}:
        raise TableParseError(
            f"magnitudes are of {', '.join(sorted(systems))} where ab was asked for"
        )
    return rows


def unplaced(rows: Rows) -> dict[int, str]:
    """Return the rows that have no place in a light curve.

    Parameters
    ----------
    rows : Rows
        As `decode_photometry` returns them.

    Returns
    -------
    dict of int to str
        The index of each, and its name with what is missing: ``"photometry 7 (no mjd)"``.
    """
    masks = rows.masks
    found = {}
    for n in np.flatnonzero(masks["mjd"] | masks["filter"]).tolist():
        missing = " and ".join(key for key in ("mjd", "filter") if masks[key][n])
        number = rows.values["photometry_id"][n]
        name = f"row {n}" if masks["photometry_id"][n] else f"photometry {number}"
        found[n] = f"{name} (no {missing})"
    return found


def light_curve(rows: Rows, *, snr: float, window: tuple, meta: Mapping) -> TimeSeries:
    """Build the light curve of an object.

    Parameters
    ----------
    rows : Rows
        As `decode_photometry` returns them.
    snr : float
        Signal to noise from which a row is a detection, whatever its sign.
    window : tuple of float or None
        First and last MJD.
    meta : mapping
        What the light curve says of its origin.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row per measurement; those without a time or a filter are in ``meta["rows_left_out"]``.
    """
    if lost := unplaced(rows):
        rows = rows.take(np.setdiff1d(np.arange(len(rows)), list(lost)))
        meta = {**meta, "rows_left_out": ", ".join(lost.values())}
    rows = within(rows, window, time="mjd")
    wire = rows.values
    flux = np.where(rows.masks["flux"], np.nan, wire["flux"])
    with np.errstate(invalid="ignore"):
        # An error of 0 occurs, and is none: see docs/servers/skyportal.rst, "A null magnitude is
        # not a non-detection".
        error = np.where(wire["fluxerr"] > 0, wire["fluxerr"], np.nan)
        # "mag is null is not non-detection: null means flux <= 0 or missing; cut on snr".
        detection = np.abs(flux) >= snr * error
        flux_err = np.where(np.isnan(flux), np.nan, error)
        mag, mag_err = magnitudes(flux, flux_err, detection)
    bands, surveys = bands_of(wire["filter"], wire["instrument"])
    n = len(rows)
    values = {
        "band": bands,
        "detection": detection,
        "flux": flux,
        "flux_err": flux_err,
        "mag": mag,
        "mag_err": mag_err,
        "limiting_mag": _limits(wire["limiting_mag"], flux, error),
        "exposure_time": np.array(
            [EXPOSURE_TIME.get(one, np.nan) for one in surveys.tolist()], float
        ),
        "survey": surveys,
        # The server does not know exposures.
        "exposure": np.full(n, ""),
    }
    survey_columns = Rows(length=n)
    survey_columns.add(UPLOADED, wire["limiting_mag"], rows.masks["limiting_mag"])
    for column in rows.without(IN_SCHEMA).columns:
        survey_columns.add(column, wire[column.name], rows.masks[column.name])
    meta = {
        **meta,
        "survey": ", ".join(sorted(set(surveys.tolist()))),
        **Conventions("unknown", "unknown", position="unknown", note="as uploaded").meta(),
        "detection_snr": float(snr),
        "limiting_mag": LIMITING_MAG,
        "history": [],
    }
    return build_light_curve(wire["mjd"], values, survey_columns, scale="utc", meta=meta)


def _limits(sent: np.ndarray, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return limits of 5 sigma.

    See docs/servers/skyportal.rst, "What ``limiting_mag`` means". The server's error of a row
    without a flux is the limit over its sigma: five of them are what was meant. That of a row
    with a flux is its error, and a worse limit of the image than the one sent.
    """
    with np.errstate(invalid="ignore"):
        five = flux_to_mag(LIMIT * error)
    return np.where((np.isnan(flux) & np.isfinite(five)) | np.isnan(sent), five, sent)

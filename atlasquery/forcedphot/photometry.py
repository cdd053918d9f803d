"""Light curves of the rows of result files: signs, errors, limits."""

from collections.abc import Mapping

import numpy as np
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InputWarning
from atlasquery.lightcurve.schema import (
    LN10_2_5,
    build_light_curve,
    failed,
    mag_to_flux,
    magnitudes,
)
from atlasquery.tables import Rows
from atlasquery.warn import warn

__all__ = ["light_curve", "signed_flux"]

EXPOSURE_TIME = 30.0
# Columns of the file that become columns of the light curve's schema.
IN_SCHEMA = ("time", "band", "flux_err", "limiting_mag", "exposure")
# See docs/servers/forcedphot.rst, "mag5sig".
FAILED_LIMIT = 10.0
# Half of the last digit of a flux printed as a whole number, and of a magnitude.
HALF_FLUX = 0.5
# The server of 2021 first rounded a flux to one decimal: 20.48 became 20.5, and that 20.
HALF_FLUX_TWICE = 0.55
# If more rows than this number and this fraction contradict each other, the magnitudes are not
# those of the fluxes but limits, as in files of ATClean.
MOST_CONTRADICTIONS = 10, 0.1
HALF_MAG = 0.0005


def light_curve(rows: Rows, *, snr: float, meta: Mapping, name: str = "") -> TimeSeries:
    """Build the light curve of a result file.

    Parameters
    ----------
    rows : Rows
        As `~atlasquery.forcedphot.result_file.parse_result` returns them.
    snr : float
        Signal to noise from which a measurement is a detection, whatever its sign.
    meta : mapping
        Metadata of the light curve.
    name : str, optional
        Name of the file, for warnings.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row per exposure. If the solution of the image failed, flux and limit are masked;
        ``reported_flux`` is as sent.
    """
    wire = rows.values
    flux = signed_flux(wire["reported_mag"], wire["reported_flux"], name=name)
    with np.errstate(invalid="ignore"):
        unusable = (wire["limiting_mag"] < FAILED_LIMIT) | failed(flux, wire["flux_err"])
        # An error of 0 is a missing one.
        flux_err = np.where((wire["flux_err"] > 0) & ~unusable, wire["flux_err"], np.nan)
        flux = np.where(unusable, np.nan, flux)
        limit = np.where(unusable, np.nan, wire["limiting_mag"])
        good = (wire["error_code"] == 0) | rows.masks["error_code"]
        detection = (np.abs(flux) >= snr * flux_err) & good
    mag, mag_err = magnitudes(flux, flux_err, detection)
    n = len(rows)
    values = {
        "band": wire["band"],
        "detection": detection,
        "flux": flux,
        "flux_err": flux_err,
        "mag": mag,
        "mag_err": mag_err,
        "limiting_mag": limit,
        "exposure_time": np.full(n, EXPOSURE_TIME),
        "survey": np.full(n, "atlas"),
        "exposure": wire["exposure"],
    }
    survey_columns = rows.without(IN_SCHEMA)
    return build_light_curve(wire["time"], values, survey_columns, scale="utc", meta=meta)


def signed_flux(mag: np.ndarray, flux: np.ndarray, *, name: str = "") -> np.ndarray:
    """Recover the flux that was rounded to a whole number, from the magnitude.

    The magnitude is that of the absolute flux, with the sign of the flux, and
    has three decimals: below 1086 uJy it is more precise than the whole number, above
    less. So the flux is that of the magnitude, moved into the interval that
    rounds to the printed number. If the two contradict each other, or there is no
    magnitude, the printed flux is used, as in a file that prints decimals.

    Parameters
    ----------
    mag : `~numpy.ndarray`
        Magnitudes as sent, below 0 for a negative flux.
    flux : `~numpy.ndarray`
        Fluxes as sent, uJy.
    name : str, optional
        Name of the file, for a warning.

    Returns
    -------
    `~numpy.ndarray`
        Signed fluxes, uJy.

    Warns
    -----
    InputWarning
        If a magnitude and its flux contradict each other.
    """
    printed = flux.copy()
    with np.errstate(invalid="ignore", over="ignore"):
        exact = np.sign(mag) * mag_to_flux(np.abs(mag))
        away = np.abs(exact - printed) - np.abs(exact) * HALF_MAG / LN10_2_5 - 1e-6
        half = np.where(away > HALF_FLUX, HALF_FLUX_TWICE, HALF_FLUX)
        differs = away > HALF_FLUX_TWICE
    finite = np.isfinite(printed)
    decimals = bool(np.any(finite & (printed != np.rint(printed))))
    if decimals:
        # Then the magnitude was computed from more digits than are printed, or from others.
        with np.errstate(invalid="ignore"):
            differs &= np.sign(exact) * np.sign(printed) < 0
    if np.any(differs):
        _warn_contradiction(mag, printed, differs, name)
    if decimals:
        return np.where(finite, printed, exact)
    known = np.isfinite(exact) & (mag != 0) & ~differs
    number, fraction = MOST_CONTRADICTIONS
    if np.count_nonzero(differs) > max(number, fraction * np.count_nonzero(known | differs)):
        known &= ~finite
    near = np.where(finite, np.clip(exact, printed - half, printed + half), exact)
    return np.where(known, near, printed)


def _warn_contradiction(
    mag: np.ndarray, printed: np.ndarray, differs: np.ndarray, name: str
) -> None:
    first = int(np.argmax(differs))
    warn(
        f"{name or 'a result file'} contradicts itself in {np.count_nonzero(differs)} rows, the "
        f"first of which has m={mag[first]:g} and uJy={printed[first]:g}; the flux is taken "
        "from uJy there",
        InputWarning,
    )

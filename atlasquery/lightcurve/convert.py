"""From flux to magnitude and back, limits, signal to noise, and phase."""

from numbers import Real

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.checks import check_number, check_quantity
from atlasquery.lightcurve.derive import DECLARED, derive, measured_column
from atlasquery.lightcurve.schema import LN10_2_5, Conventions, flux_to_mag, mag_to_flux, magnitudes
from atlasquery.service.inputs import check_time
from atlasquery.tables import Column, LightCurve, assemble, table_column

__all__ = ["limits", "phase_fold", "signal_to_noise", "to_flux", "to_mag"]

SNR = Column("signal_to_noise", about="Flux in units of its error.")


def to_mag(lc: Table, *, snr: float | None = None) -> TimeSeries:
    """Compute the magnitudes of a light curve from its fluxes.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve.
    snr : float, optional
        The signal to noise from which a measurement is a detection; by default the
        column ``detection`` stays as it is.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A new light curve. ``mag`` and ``mag_err`` (mag, AB) are those of the flux for
        detections of positive flux, and masked for all else; a row without a
        flux keeps the magnitude that it has. With `snr`, ``detection`` is new too.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a light curve, or a column is missing.

    Notes
    -----
    The error of the magnitude is 1.0857 flux_err / flux. Do not average
    magnitudes: see `bin`.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import to_mag
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> forced = to_mag(Atlas.get_forced_photometry(found["atlas_id"][0]), snr=5)
    >>> forced["mag"][forced["detection"]].mask.any()
    np.False_
    """
    one = _one(lc, "flux", "flux_err")
    flux, flux_err = one.numbers("flux"), one.numbers("flux_err")
    known = ~np.isnan(flux)
    if snr is None:
        detection = one.truths("detection") if one.has("detection") else flux > 0
    else:
        check_number(snr, name="snr", least=0.0)
        detection = known & (flux_err > 0) & (flux >= snr * flux_err)
    mag, mag_err = magnitudes(flux, flux_err, detection)
    for name, values in (("mag", mag), ("mag_err", mag_err)):
        if one.has(name):
            values[~known] = one.numbers(name)[~known]
    note = f"to_mag: snr={snr}: {int(np.count_nonzero(~np.isnan(mag)))} magnitudes"
    return derive(
        lc,
        {
            "detection": table_column(DECLARED["detection"], detection, None),
            "mag": measured_column("mag", mag),
            "mag_err": measured_column("mag_err", mag_err),
        },
        note,
    )


def to_flux(lc: Table) -> TimeSeries:
    """Compute the missing fluxes of a light curve from its magnitudes.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve; it may be without columns ``flux`` and ``flux_err``.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A new light curve. ``flux`` and ``flux_err`` (µJy) are those of the AB
        magnitude where they were masked; others are not touched, since
        no magnitude stands for a negative flux.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a light curve, a column is missing, or it has magnitudes that are not AB.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import to_flux
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> lc = to_flux(Atlas.get_light_curve(found["atlas_id"][0]))
    >>> lc.meta["history"]
    ['to_flux: 0 fluxes from magnitudes']
    """
    one = _one(lc, "mag", "mag_err")
    in_ab = one.labels("magsys")[0] == "AB" if one.has("magsys") else np.ones(len(lc), bool)
    if not one.has("magsys") and Conventions.of(lc.meta).magsys != "AB":
        raise InvalidQueryError(
            f"lc.meta['magsys'] is {lc.meta['magsys']!r}: fluxes are made of AB magnitudes only. "
            "If you know that these are, set it to 'AB'."
        )
    has_flux = one.has("flux") and one.has("flux_err")
    if has_flux:
        one.check(("flux", "flux_err"))
    flux, flux_err = (
        one.numbers(name).copy() if has_flux else np.full(len(lc), np.nan)
        for name in ("flux", "flux_err")
    )
    from_mag = mag_to_flux(one.numbers("mag"))
    new = np.isnan(flux) & ~np.isnan(from_mag) & in_ab
    flux[new] = from_mag[new]
    flux_err[new] = (from_mag * one.numbers("mag_err") / LN10_2_5)[new]
    return derive(
        lc,
        {
            "flux": measured_column("flux", flux),
            "flux_err": measured_column("flux_err", flux_err),
        },
        f"to_flux: {int(np.count_nonzero(new))} fluxes from magnitudes",
    )


def limits(lc: Table, nsigma: float = 5.0) -> TimeSeries:
    """Compute the limits of a light curve from the errors of its fluxes.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve.
    nsigma : float, optional
        How many errors a limit is.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A new light curve. ``limiting_mag`` (mag, AB) is that of `nsigma` times
        ``flux_err``; a row without an error has the limit of its exposure, scaled
        from the sigma that it had. ``meta["limit_sigma"]`` is `nsigma`.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a light curve, or a column is missing.

    Notes
    -----
    The limit of an exposure, as surveys send it, is that of an average point in
    the image. The error of a flux is that of the position itself, with the
    galaxy and the gradient there.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import limits
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> forced = Atlas.get_forced_photometry(found["atlas_id"][0])
    >>> deeper = limits(forced, 3)["limiting_mag"] - forced["limiting_mag"]
    >>> round(float(deeper[0].unmasked.value), 3)
    0.555
    """
    one = _one(lc, "flux_err", "limiting_mag")
    if check_number(nsigma, name="nsigma", least=0.0) == 0:
        raise InvalidQueryError("nsigma=0 should be above 0")
    flux_err = one.numbers("flux_err")
    before = float(lc.meta.get("limit_sigma", 5.0))
    with np.errstate(invalid="ignore"):
        has_error = flux_err > 0
    depth = one.numbers("limiting_mag") - 2.5 * np.log10(nsigma / before)
    depth = np.where(has_error, flux_to_mag(nsigma * flux_err), depth)
    column = Column("limiting_mag", unit=u.mag, about=f"{nsigma:g}-sigma limit, AB.")
    note = f"limits: nsigma={nsigma:g}: {int(np.count_nonzero(has_error))} from flux_err"
    limit_column = measured_column("limiting_mag", depth, column)
    return derive(lc, {"limiting_mag": limit_column}, note, limit_sigma=float(nsigma))


def signal_to_noise(lc: Table) -> TimeSeries:
    """Add the signal to noise of the fluxes to a light curve.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A new light curve with a column ``signal_to_noise`` of floats: ``flux`` divided
        by ``flux_err``, negative for negative fluxes, masked where one of them is
        unknown or the error is not above 0.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a light curve, or a column is missing.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import signal_to_noise
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> lc = signal_to_noise(Atlas.get_light_curve(found["atlas_id"][0]))
    >>> float(lc["signal_to_noise"].max()) > 5
    True
    """
    one = _one(lc, "flux", "flux_err")
    flux, flux_err = one.numbers("flux"), one.numbers("flux_err")
    with np.errstate(invalid="ignore"):
        known = flux_err > 0
    with np.errstate(over="ignore"):
        ratio = np.divide(flux, flux_err, out=np.full(len(lc), np.nan), where=known)
    snr_column = measured_column("signal_to_noise", ratio, SNR)
    return derive(lc, {"signal_to_noise": snr_column}, "signal_to_noise: flux / flux_err")


def phase_fold(
    lc: Table,
    period: u.Quantity,
    epoch: Time | str | float | None = None,
    *,
    normalize: bool = False,
) -> TimeSeries:
    """Fold a light curve with a period.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve.
    period : `~astropy.units.Quantity`
        The period.
    epoch : `~astropy.time.Time`, str or float, optional
        The time of phase 0; a bare number is an MJD in the time scale of `lc`. By default the
        first time.
    normalize : bool, optional
        Whether phases are from -0.5 to 0.5, instead of in units of time.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A new one whose ``time`` is the phase, as from
        `astropy.timeseries.TimeSeries.fold`, sorted by it.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a light curve, or `period` is not a positive time.

    Notes
    -----
    ATLAS's times are of the observatory, not of the barycentre, which comes up to
    8.3 minutes earlier or later, and of the start of the exposure.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import phase_fold
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> lc = Atlas.get_light_curve(found["atlas_id"][0])
    >>> folded = phase_fold(lc, 2.7 * u.day, normalize=True)
    >>> bool(abs(folded["time"]).max() <= 0.5)
    True
    """
    _one(lc)
    days = check_quantity(period, name="period", unit=u.day, above=0.0)
    series = lc if isinstance(lc, TimeSeries) else assemble(LightCurve(), lc.columns.values())
    scale = lc["time"].scale
    start = None if epoch is None else getattr(_moment(epoch, scale), scale)
    note = f"phase_fold: period={days:.10g} d, epoch={epoch}, normalize={normalize}"
    if not len(lc):
        raise InvalidQueryError("lc has no rows to fold")
    folded = series.fold(period=days * u.day, epoch_time=start, normalize_phase=normalize)
    folded = folded[np.argsort(folded["time"])]
    folded.meta.update({**lc.meta, "history": [*lc.meta.get("history", ()), note]})
    return folded


def _moment(epoch: object, scale: str) -> Time:
    mjd = check_time(epoch, name="epoch")
    return Time(mjd, format="mjd", scale=scale if isinstance(epoch, Real) else "utc")


def _one(lc: Table, *needed: str) -> CurveArrays:
    return CurveArrays([lc], ["lc"], needed)

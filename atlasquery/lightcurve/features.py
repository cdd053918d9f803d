"""Features of a light curve: peak, first detection, last limit before it, and rise."""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.table import Row, Table
from astropy.utils.masked import Masked

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.binning import check_by
from atlasquery.lightcurve.checks import check_number
from atlasquery.lightcurve.exposures import of_one_flux_kind, repeated_exposures
from atlasquery.lightcurve.flags import excluded
from atlasquery.lightcurve.schema import magnitudes
from atlasquery.service.inputs import suggest

__all__ = ["first_detection", "last_non_detection", "peak", "rise_rate"]

NEEDED = ("band", "detection", "flux", "flux_err", "limiting_mag")
MAG_PER_DAY = u.mag / u.day


@dataclass
class UsableRows:
    """The rows of one light curve in order of time; flagged rows are left out."""

    order: np.ndarray
    repeated: int
    mjd: np.ndarray
    band: np.ndarray
    flux: np.ndarray
    mag: np.ndarray
    mag_err: np.ndarray
    limit: np.ndarray
    detected: np.ndarray

    def row(self, lc: Table, index: int | None) -> Row | None:
        return None if index is None else lc[int(self.order[index])]


def usable_rows(lc: Table, band: str | None, snr: float, name: str = "lc") -> UsableRows:
    """Read the columns that the functions of this module need.

    Parameters
    ----------
    lc : `~astropy.table.Table`
        The light curve of one object.
    band : str or None
        The band; None for all.
    snr : float
        The minimum signal to noise of a detection.
    name : str, optional
        Name of the light curve in messages.

    Returns
    -------
    UsableRows
        Its rows that are not flagged, and have a time, a band, and a flux or a limit.
    """
    check_number(snr, name="snr", least=0.0)
    one = CurveArrays([lc], [name], NEEDED)
    check_by("band", one)
    bands, known_band = one.labels("band")
    chosen = ~excluded(one) & np.isfinite(one.mjd()) & known_band
    if band is not None:
        known = sorted(set(bands[known_band].tolist()))
        if band not in known and known:
            raise InvalidQueryError(f"band={band!r} is not in {name}{suggest(band, known)}")
        chosen &= bands == band
    chosen &= ~(np.isnan(one.numbers("flux")) & np.isnan(one.numbers("limiting_mag")))
    chosen &= of_one_flux_kind(one, chosen)
    again = repeated_exposures(one, chosen)
    chosen[again] = False
    order = np.flatnonzero(chosen)
    order = order[np.argsort(one.mjd()[order], kind="stable")]
    flux, flux_err = one.numbers("flux")[order], one.numbers("flux_err")[order]
    with np.errstate(invalid="ignore"):
        detected = one.truths("detection")[order] & (flux > 0) & (flux >= snr * flux_err)
    mag, mag_err = magnitudes(flux, flux_err, detected)
    limit = one.numbers("limiting_mag")[order]
    return UsableRows(
        order, len(again), one.mjd()[order], bands[order], flux, mag, mag_err, limit, detected
    )


def peak(lc: Table, *, band: str | None = None, snr: float = 3.0) -> Row | None:
    """Return the row of the brightest detection.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        The light curve of one object; one that was cleaned and binned has no peak
        made of noise.
    band : str, optional
        The band; by default all.
    snr : float, optional
        The minimum signal to noise of a detection, which must also be one of
        the survey.

    Returns
    -------
    `~astropy.table.Row` or None
        Of `lc`, with the largest flux; None where nothing was detected. Flagged
        rows do not count.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a light curve, a column is missing, or no row is in the band.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import peak
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> row = peak(Atlas.get_light_curve(found["atlas_id"][0]), band="o")
    >>> print(row["time"].iso[:10], row["mag"])
    2026-09-05 16.2784 mag
    """
    rows = usable_rows(lc, band, snr)
    return rows.row(lc, index_of_peak(rows))


def index_of_peak(rows: UsableRows) -> int | None:
    return int(np.argmax(np.where(rows.detected, rows.flux, -np.inf))) if _any(rows) else None


def _any(rows: UsableRows) -> bool:
    return bool(rows.detected.any())


def first_detection(lc: Table, *, band: str | None = None, snr: float = 3.0) -> Row | None:
    """Return the row of the first detection.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        The light curve of one object.
    band : str, optional
        The band; by default all.
    snr : float, optional
        The minimum signal to noise of a detection, which must also be one of
        the survey. In the forced photometry of years, some of thousands of
        measurements pass 3 by chance: bin by night and ask for 5.

    Returns
    -------
    `~astropy.table.Row` or None
        Of `lc`; None where nothing was detected. Flagged rows do not count.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a light curve, a column is missing, or no row is in the band.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import first_detection
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> first_detection(Atlas.get_light_curve(found["atlas_id"][0]))["time"].iso[:10]
    '2026-08-30'
    """
    rows = usable_rows(lc, band, snr)
    return rows.row(lc, index_of_first(rows))


def index_of_first(rows: UsableRows) -> int | None:
    return int(np.argmax(rows.detected)) if _any(rows) else None


def last_non_detection(lc: Table, *, band: str | None = None, snr: float = 3.0) -> Row | None:
    """Return the row of the last exposure before the first detection.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        The light curve of one object.
    band : str, optional
        The band; by default all.
    snr : float, optional
        The minimum signal to noise of a detection, which must also be one of
        the survey.

    Returns
    -------
    `~astropy.table.Row` or None
        Of `lc`, with a known limit; None if there is none, or nothing
        was detected. Flagged rows do not count.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a light curve, a column is missing, or no row is in the band.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import last_non_detection
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> row = last_non_detection(Atlas.get_light_curve(found["atlas_id"][0]))
    >>> print(row["time"].iso[:10], row["limiting_mag"])
    2026-08-28 18.5658 mag
    """
    rows = usable_rows(lc, band, snr)
    return rows.row(lc, index_of_last(rows))


def index_of_last(rows: UsableRows) -> int | None:
    first = index_of_first(rows)
    if first is None:
        return None
    before = np.flatnonzero(np.isfinite(rows.limit[:first]) & (rows.mjd[:first] < rows.mjd[first]))
    return int(before[-1]) if len(before) else None


def rise_rate(lc: Table, *, band: str | None = None, snr: float = 3.0) -> u.Quantity:
    """Return how fast the source brightened from its first detection to its peak.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        The light curve of one object.
    band : str, optional
        The band; by default that of the peak.
    snr : float, optional
        The minimum signal to noise of a detection, which must also be one of
        the survey.

    Returns
    -------
    `~astropy.units.Quantity`
        Two masked values, mag / d: the slope of a straight line through the
        magnitudes of one band, fitted with their errors, positive for what
        brightens, and the error of the slope. Masked where there are no two
        detections half a day apart from the first to the peak.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a light curve, a column is missing, or no row is in the band.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import rise_rate
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> rate, error = rise_rate(Atlas.get_light_curve(found["atlas_id"][0]), band="o")
    >>> print(f"{rate:.3f}")
    0.253 mag / d
    """
    rows = usable_rows(lc, band, snr)
    slope = np.array(slope_of_rise(rows))
    return Masked(slope * MAG_PER_DAY, mask=np.isnan(slope))


def slope_of_rise(rows: UsableRows) -> tuple[float, float]:
    """Return slope and error of the rise to the peak, in the band of the peak.

    Parameters
    ----------
    rows : UsableRows
        The rows of a light curve.

    Returns
    -------
    slope, error : float
        Magnitudes a day, positive for what brightens; NaN where there is no rise.
    """
    top = index_of_peak(rows)
    if top is None:
        return np.nan, np.nan
    rising = rows.detected & (rows.band == rows.band[top]) & (rows.mjd <= rows.mjd[top])
    time, mag, error = rows.mjd[rising], rows.mag[rising], rows.mag_err[rising]
    if not len(time) or time[-1] - time[0] < 0.5 or not np.all(error > 0):
        return np.nan, np.nan
    weight = error**-2
    away = time - np.average(time, weights=weight)
    spread = np.sum(weight * away**2)
    slope = np.sum(weight * away * (mag - np.average(mag, weights=weight))) / spread
    return float(-slope), float(spread**-0.5)

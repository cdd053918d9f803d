"""Colours of a light curve, in the nights in which two bands were detected."""

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.binning import NEEDED, bin
from atlasquery.lightcurve.derive import new_meta
from atlasquery.lightcurve.exposures import of_one_flux_kind
from atlasquery.lightcurve.flags import excluded
from atlasquery.lightcurve.group_statistics import SortedGroups, weighted_mean
from atlasquery.lightcurve.schema import time_column
from atlasquery.tables import Column, LightCurve, assemble_series, quantity_column

__all__ = ["colour"]


def colour(
    lc: Table,
    bands: tuple[str, str] = ("c", "o"),
    *,
    width: u.Quantity = 1 * u.day,
    snr: float = 3.0,
) -> TimeSeries:
    """Return the colour in the nights in which both bands were detected.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        The light curve of one object.
    bands : tuple of str, optional
        The first less the second.
    width : `~astropy.units.Quantity`, optional
        The width of the bins in which bands are matched; see `bin`.
    snr : float, optional
        The signal to noise that both must have in a bin.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row for each bin with both:

        =========== ====== ===================================================
        Column      Unit   Meaning
        =========== ====== ===================================================
        time        Time   Mean of the times of both, weighted by their errors.
        colour      mag    Magnitude of the first band less that of the second.
        colour_err  mag    Its error.
        time_apart  d      Time of the first less that of the second.
        =========== ====== ===================================================

        Sorted by time. Where several surveys have the bands in a bin, both are of one survey
        if one has both, and of several such pairs the one with the smallest error counts.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a light curve, or a column is missing.

    Notes
    -----
    Of a light curve that was combined of difference and total fluxes only the former count.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import colour
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> colours = colour(Atlas.get_light_curve(found["atlas_id"][0]), width=3 * u.day)
    >>> colours.colnames
    ['time', 'colour', 'colour_err', 'time_apart']
    """
    two = isinstance(bands, (tuple, list)) and len(bands) == 2
    if not two or not all(isinstance(band, str) for band in bands) or bands[0] == bands[1]:
        raise InvalidQueryError(f"bands={bands!r} should be two bands, such as ('c', 'o')")
    if isinstance(lc, Table) and "band" in lc.colnames:
        # Nothing is to be said of other bands.
        known, labelled = CurveArrays([lc], ["lc"], NEEDED).labels("band")
        lc = _of_one_kind(lc[labelled & np.isin(known, bands)])
    binned = bin(lc, width, snr=snr, limits=False)
    days = float(u.Quantity(width).to_value(u.day))
    first, second = (_by_cell(binned, band, days) for band in bands)
    cells = sorted(first.keys() & second.keys())
    pairs = np.array([_pair(first[cell], second[cell]) for cell in cells]).reshape(-1, 6)
    mjd = pairs[:, [0, 3]].ravel()
    errors = pairs[:, [2, 5]].ravel()
    runs = SortedGroups(np.arange(0, 2 * len(cells), 2), np.full(len(cells), 2))
    time = weighted_mean(mjd, errors, runs)[0] if len(cells) else np.zeros(0)
    colour_columns = (
        (
            Column("colour", unit=u.mag, about=f"{bands[0]} - {bands[1]}."),
            pairs[:, 1] - pairs[:, 4],
        ),
        (
            Column("colour_err", unit=u.mag, about="Error of colour."),
            np.hypot(pairs[:, 2], pairs[:, 5]),
        ),
        (
            Column("time_apart", unit=u.day, about=f"Time of {bands[0]} less that of {bands[1]}."),
            pairs[:, 0] - pairs[:, 3],
        ),
    )
    about = "Mean time of both bands."
    columns = [time_column(time, "time", about, lc["time"].scale)]
    columns += [
        quantity_column(column, values, np.isnan(values)) for column, values in colour_columns
    ]
    order = np.argsort(time, kind="stable")
    series = assemble_series(LightCurve(), columns)[order]
    note = f"colour: {bands[0]} - {bands[1]}, width={days:g} d, snr={snr:g}: {len(cells)} bins"
    series.meta.update(new_meta(lc.meta, note))
    return series


def _of_one_kind(lc: Table) -> Table:
    """Return the rows whose fluxes can be compared: not those of a difference and total ones."""
    if "flux_kind" not in lc.colnames:
        return lc
    one = CurveArrays([lc], ["lc"], NEEDED)
    return lc[of_one_flux_kind(one, ~excluded(one) & np.isfinite(one.numbers("flux")))]


def _by_cell(binned: TimeSeries, band: str, width: float) -> dict[int, list[tuple]]:
    """Return survey, time, magnitude and error of the detections of a band by number of the bin."""
    chosen = (np.asarray(binned["band"]) == band) & binned["detection"]
    cells = np.floor(binned["time_first"].mjd[chosen] / width).astype(int)
    values = (
        np.asarray(binned["survey"])[chosen].tolist(),
        binned["time"].mjd[chosen],
        binned["mag"].unmasked.value[chosen],
        binned["mag_err"].unmasked.value[chosen],
    )
    found: dict[int, list[tuple]] = {}
    for cell, *row in zip(cells, *values, strict=True):
        found.setdefault(int(cell), []).append(tuple(row))
    return found


def _pair(first: list[tuple], second: list[tuple]) -> tuple:
    """Return time, magnitude and error of both bands of a bin, of one survey if one has both."""
    pairs = [(one, two) for one in first for two in second]
    of_one_survey = [(one, two) for one, two in pairs if one[0] == two[0]]
    one, two = min(of_one_survey or pairs, key=lambda pair: np.hypot(pair[0][-1], pair[1][-1]))
    return *one[1:], *two[1:]

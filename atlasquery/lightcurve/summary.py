"""Numbers for decisions on follow-up: times, magnitudes, rates and colours."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import QTable, Table
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.checks import check_light_curve, one_scale
from atlasquery.lightcurve.colours import colour
from atlasquery.lightcurve.derive import new_meta
from atlasquery.lightcurve.features import (
    MAG_PER_DAY,
    UsableRows,
    index_of_first,
    index_of_last,
    index_of_peak,
    slope_of_rise,
    usable_rows,
)
from atlasquery.lightcurve.schema import time_column
from atlasquery.tables import Column, assemble, quantity_column, table_column

__all__ = ["summary"]


def _time(name: str, about: str) -> Column:
    return Column(name, Time, about=about)


SUMMARY = (
    Column("object", str, about="Name, id, or key of the object.", required=True),
    Column("n_rows", int, about="Rows with a flux or a limit that are not flagged.", required=True),
    Column("n_detections", int, about="Detections among them.", required=True),
    _time("last_non_detection", "Time of the last exposure before the first detection."),
    Column("last_limit", unit=u.mag, about="Its limit, AB."),
    Column("last_limit_band", str, about="Its band."),
    _time("first_detection", "Time of the first detection."),
    Column("first_mag", unit=u.mag, about="Its magnitude, AB."),
    Column("first_mag_err", unit=u.mag, about="Error of first_mag."),
    Column("first_band", str, about="Its band."),
    _time("peak_time", "Time of the brightest detection."),
    Column("peak_mag", unit=u.mag, about="Its magnitude, AB."),
    Column("peak_mag_err", unit=u.mag, about="Error of peak_mag."),
    Column("peak_flux", unit=u.uJy, about="Its flux."),
    Column("peak_band", str, about="Its band."),
    _time("latest_detection", "Time of the last detection."),
    Column("latest_mag", unit=u.mag, about="Its magnitude, AB."),
    Column("latest_mag_err", unit=u.mag, about="Error of latest_mag."),
    Column("latest_band", str, about="Its band."),
    Column("rise_time", unit=u.day, about="From the first detection to the peak."),
    Column("rise_rate", unit=MAG_PER_DAY, about="Brightening up to the peak, in its band."),
    Column("rise_rate_err", unit=MAG_PER_DAY, about="Error of rise_rate."),
    Column("rise_rate_min", unit=MAG_PER_DAY, about="From the last limit to the first detection."),
    Column("colour", unit=u.mag, about="Colour nearest to the peak in time."),
    Column("colour_err", unit=u.mag, about="Error of colour."),
    _time("colour_time", "Time of colour."),
)


def summary(
    lc: Table | Mapping,
    *,
    band: str | None = None,
    snr: float = 3.0,
    colour_bands: tuple[str, str] = ("c", "o"),
) -> QTable:
    """Summarize light curves in numbers for decisions on follow-up.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries` or mapping
        The light curve of one object, or light curves by id. One that was cleaned
        and binned by night gives numbers that are not made of noise.
    band : str, optional
        The band of all numbers but the colour; by default all bands.
    snr : float, optional
        The minimum signal to noise of a detection, which must also be one of
        the survey.
    colour_bands : tuple of str, optional
        The bands of the colour, the first less the second.

    Returns
    -------
    `~astropy.table.QTable`
        A row for each light curve. What is not defined is masked.

        =================== ======= =============================================
        Column              Unit    Meaning
        =================== ======= =============================================
        object              str     Key of the mapping, else the name or id in meta;
                                    int64, as in catalogue tables, where keys are ids.
        n_rows                      Rows with a flux or a limit, not flagged,
        n_detections                and detections among them.
        last_non_detection  Time    The last exposure before the first detection,
        last_limit          mag     its limit, of as many sigma as
                                    ``meta["limit_sigma"]`` of the light curve has,
                                    else 5,
        last_limit_band     str     and its band.
        first_detection     Time    The first detection,
        first_mag           mag     its magnitude, ``first_mag_err``
        first_band          str     and its band.
        peak_time           Time    The brightest detection,
        peak_mag            mag     its magnitude, ``peak_mag_err``,
        peak_flux           uJy     its flux
        peak_band           str     and its band.
        latest_detection    Time    The last detection,
        latest_mag          mag     its magnitude, ``latest_mag_err``
        latest_band         str     and its band.
        rise_time           d       From the first detection to the peak.
        rise_rate           mag / d As `rise_rate`, with ``rise_rate_err``.
        rise_rate_min       mag / d At least so fast from the last limit to the
                                    first detection, where that is of the same band
                                    and brighter.
        colour              mag     As `colour`, the one nearest to the peak, with
                                    ``colour_err``
        colour_time         Time    and its time.
        =================== ======= =============================================

        Each has a description.

    Raises
    ------
    InvalidQueryError
        If one is not a light curve, or a column is missing.

    Notes
    -----
    An exposure that has several rows counts once, as in `bin`; ``meta["history"]`` counts
    the others. Of a light curve that was combined of difference and total fluxes only the
    former count.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import summary
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> row = summary(Atlas.get_light_curve(found["atlas_id"][0]))[0]
    >>> print(row["object"], row["peak_band"], row["peak_mag"])
    ATLAS26zy c 15.9807 mag
    """
    many = isinstance(lc, Mapping)
    curves: list[tuple[Any, Table]] = (
        list(lc.items()) if isinstance(lc, Mapping) else [(_name(lc), lc)]
    )
    if not curves:
        raise InvalidQueryError("lc is empty: give at least one light curve")
    names = [f"lc[{key!r}]" if many else "lc" for key, _ in curves]
    for name, (_, one) in zip(names, curves, strict=True):
        check_light_curve(one, name=name)
    scale = one_scale(zip(names, (one for _, one in curves), strict=True))
    # Of the type of catalogue tables, so that the two can be joined.
    ids = many and all(isinstance(key, int | np.integer) for key, _ in curves)
    rows = []
    for key, one in curves:
        name = f"lc[{key!r}]" if many else "lc"
        rows.append(
            {"object": key if ids else str(key)} | _numbers(one, name, band, snr, colour_bands)
        )
    meta = {} if many else dict(curves[0][1].meta)
    note = f"summary: band={band}, snr={snr:g}, colour={'-'.join(colour_bands)}"
    if again := sum(row.get("repeated", 0) for row in rows):
        note += f"; left out {again} rows of exposures that have another row"
    columns = [
        _summary_column(
            _object_id(column) if ids else column, [row.get(column.name) for row in rows], scale
        )
        for column in SUMMARY
    ]
    sigmas = {float(one.meta.get("limit_sigma", 5.0)) for _, one in curves}
    of_sigma = ", ".join(f"{sigma:g}" for sigma in sorted(sigmas))
    by_name = {column.info.name: column for column in columns}
    by_name["last_limit"].info.description = f"Its limit of {of_sigma} sigma, AB."
    return assemble(QTable(meta=new_meta(meta, note)), columns)


def _object_id(column: Column) -> Column:
    return replace(column, kind=int) if column.name == "object" else column


def _name(lc: object) -> str:
    meta = getattr(lc, "meta", {})
    return str(meta.get("object") or meta.get("atlas_id") or "")


def _numbers(lc: Table, name: str, band: str | None, snr: float, bands: tuple[str, str]) -> dict:
    """Return the values of a row; what is not defined is left out."""
    rows = usable_rows(lc, band if name == "lc" or _has(lc, band) else None, snr, name)
    if band is not None and not _has(lc, band):
        return {"n_rows": 0, "n_detections": 0}
    numbers: dict[str, object] = {
        "n_rows": len(rows.order),
        "n_detections": int(rows.detected.sum()),
        "repeated": rows.repeated,
    }
    top, first, before = index_of_peak(rows), index_of_first(rows), index_of_last(rows)
    if top is None or first is None:
        return numbers
    latest = int(np.flatnonzero(rows.detected)[-1])
    for what, at in (("first", first), ("peak", top), ("latest", latest)):
        numbers |= {
            f"{what}_mag": rows.mag[at],
            f"{what}_mag_err": rows.mag_err[at],
            f"{what}_band": str(rows.band[at]),
        }
    slope, error = slope_of_rise(rows)
    numbers |= {
        "first_detection": rows.mjd[first],
        "peak_time": rows.mjd[top],
        "peak_flux": rows.flux[top],
        "latest_detection": rows.mjd[latest],
        "rise_time": rows.mjd[top] - rows.mjd[first],
        "rise_rate": slope,
        "rise_rate_err": error,
    }
    if before is not None:
        numbers |= _of_limit(rows, before, first)
    return numbers | _colour_at(lc, rows.mjd[top], bands, snr)


def _has(lc: Table, band: str | None) -> bool:
    return band is None or "band" not in lc.columns or bool(np.any(np.asarray(lc["band"]) == band))


def _of_limit(rows: UsableRows, before: int, first: int) -> dict:
    numbers = {
        "last_non_detection": rows.mjd[before],
        "last_limit": rows.limit[before],
        "last_limit_band": str(rows.band[before]),
    }
    brighter = rows.limit[before] - rows.mag[first]
    if rows.band[before] == rows.band[first] and brighter > 0:
        numbers["rise_rate_min"] = brighter / (rows.mjd[first] - rows.mjd[before])
    return numbers


def _colour_at(lc: Table, mjd: float, bands: tuple[str, str], snr: float) -> dict:
    colours = colour(lc, bands, snr=snr)
    if not len(colours):
        return {}
    near = int(np.argmin(np.abs(colours.time.mjd - mjd)))
    return {
        "colour": colours["colour"].unmasked.value[near],
        "colour_err": colours["colour_err"].unmasked.value[near],
        "colour_time": colours.time.mjd[near],
    }


def _summary_column(column: Column, values: list, scale: str) -> Any:
    """Return a column of the summary; what is None is masked."""
    mask = np.array([value is None for value in values])
    if column.kind is float:
        array = np.array([np.nan if value is None else value for value in values], float)
        return quantity_column(column, array, np.isnan(array))
    if column.kind is Time:
        # A masked time needs some value.
        times = time_column(
            np.array([51544.0 if value is None else value for value in values], float),
            column.name,
            column.about,
            scale,
        )
        if mask.any():
            times[mask] = np.ma.masked
        return times
    filler = "" if column.kind is str else 0
    array = np.array([filler if value is None else value for value in values])
    return table_column(column, array, None if column.required else mask)

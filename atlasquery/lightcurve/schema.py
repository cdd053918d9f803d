"""The one light curve of all surveys: its columns, their units, and how it is put together."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import astropy.units as u
import numpy as np
from astropy.time import Time, TimeNumeric
from astropy.timeseries import TimeSeries

from atlasquery.tables import (
    Column,
    LightCurve,
    Rows,
    assemble_series,
    quantity_column,
    table_column,
)
from atlasquery.tables.coordinate_systems import ReferencePosition, reference_position

__all__ = [
    "CONVENTIONS",
    "LN10_2_5",
    "SCHEMA",
    "ZERO_POINT",
    "Conventions",
    "FluxKind",
    "MagnitudeSystem",
    "TimeReference",
    "build_light_curve",
    "describe_flux",
    "failed",
    "flux_to_mag",
    "inside",
    "mag_to_flux",
    "magnitudes",
    "within",
]

#: Julian date of MJD 0.
MJD_0 = 2400000.5
#: AB magnitude of a flux of 1 uJy.
ZERO_POINT = 23.9
#: Fluxes in uJy that no telescope measures: what is brighter than magnitude 1.4 is saturated, and
#: such a number stands for a fit that failed.
FAILED_FLUX = 1e9
#: Magnitudes per relative flux: 2.5 / ln 10.
LN10_2_5 = 2.5 / np.log(10.0)

#: The columns that each light curve begins with; ``time`` stands before them.
SCHEMA = (
    Column("band", str, about="Band of the survey.", required=True),
    Column("detection", bool, about="Measured above the survey's threshold.", required=True),
    Column("flux", unit=u.uJy, about="Signed difference flux."),
    Column("flux_err", unit=u.uJy, about="Error of flux."),
    Column("mag", unit=u.mag, about="AB magnitude of a detection with positive flux."),
    Column("mag_err", unit=u.mag, about="Error of mag."),
    Column("limiting_mag", unit=u.mag, about="5-sigma limit, AB."),
    Column("exposure_time", unit=u.s, about="Exposure time.", required=True),
    Column("survey", str, about="Survey.", required=True),
    Column("exposure", str, about="The exposure's own name.", required=True),
)

#: What ``time`` is of an exposure; ``"mean"`` is the mean of several measurements.
TimeReference = Literal["start", "middle", "mean", "unknown"]
#: ``"difference"``: the flux of a difference image, without what is in the reference image;
#: ``"total"``: all light of the object.
FluxKind = Literal["difference", "total", "unknown"]
#: The system of ``mag`` and ``limiting_mag``.
MagnitudeSystem = Literal["AB", "Vega", "unknown"]

#: The items of ``meta`` that hold `Conventions`.
CONVENTIONS = (
    "magsys",
    "flux_kind",
    "time_reference",
    "time_reference_position",
    "time_reference_note",
    "averaged_time_reference",
)
_NOTES = {"start": "start of exposure", "middle": "middle of exposure"}
_FLUX_ABOUT = {"total": "Flux of the object, not of a difference.", "unknown": "Signed flux."}


@dataclass(frozen=True)
class Conventions:
    """What the times, fluxes and magnitudes of a light curve mean.

    Each is a value in ``meta``, for programs to compare; ``time_reference_note`` is for people.

    Parameters
    ----------
    time_reference : {"start", "middle", "mean", "unknown"}
        What ``time`` is of an exposure; ``"mean"`` is the mean of several measurements.
    flux_kind : {"difference", "total", "unknown"}
        Whether ``flux`` is that of a difference image, or all light of the object.
    magsys : {"AB", "Vega", "unknown"}, optional
        The system of ``mag`` and ``limiting_mag``.
    position : {"topocenter", "geocenter", "barycenter", "heliocenter", "unknown"}, optional
        The reference position of ``time``.
    note : str, optional
        More on ``time``, in words.
    averaged : {"start", "middle", "unknown"}, optional
        What the times were of an exposure of which ``time`` is the mean.
    """

    time_reference: TimeReference
    flux_kind: FluxKind
    magsys: MagnitudeSystem = "AB"
    position: ReferencePosition = "topocenter"
    note: str = ""
    averaged: TimeReference | None = None

    @classmethod
    def of(cls, meta: Mapping) -> "Conventions":
        """Return the conventions of a light curve.

        Parameters
        ----------
        meta : mapping
            Its metadata. What earlier versions wrote, prose for ``time_reference`` and
            nothing on the kind of flux, is understood too.

        Returns
        -------
        Conventions
            ``"unknown"`` for what is not in `meta`.
        """
        text = str(meta.get("time_reference") or "unknown")
        reference, averaged = _time_reference(text)
        note = meta.get("time_reference_note") or ("" if text == reference else text)
        return cls(
            reference,
            _flux_kind(meta),
            _magnitude_system(meta),
            reference_position(meta),
            str(note),
            _one_of(TimeReference, meta.get("averaged_time_reference")) or averaged,
        )

    def meta(self) -> dict[str, str]:
        """Return the conventions as items of ``meta``.

        Returns
        -------
        dict of str
            Such as ``{"time_reference": "start", "flux_kind": "difference", ...}``.
        """
        note = self.note or _NOTES.get(self.time_reference, "")
        return {
            "magsys": self.magsys,
            "flux_kind": self.flux_kind,
            "time_reference": self.time_reference,
            "time_reference_position": self.position,
            **({"time_reference_note": note} if note else {}),
            **({"averaged_time_reference": self.averaged} if self.averaged else {}),
        }

    def binned(self) -> "Conventions":
        """Return the conventions of averages of such measurements.

        Returns
        -------
        Conventions
            With the time reference ``"mean"``, and AB magnitudes, which are computed from
            the fluxes.
        """
        if self.time_reference == "mean":
            return self
        note = self.note or _NOTES.get(self.time_reference, "time")
        moment, comma, site = note.partition(",")
        return replace(
            self,
            magsys="AB",
            time_reference="mean",
            averaged=self.time_reference,
            note=f"mean {moment} of the bin{comma}{site}",
        )

    @property
    def before_middle(self) -> bool:
        """Whether ``time`` is half an exposure before the middle; an unknown one is taken so."""
        reference = self.averaged if self.time_reference == "mean" else self.time_reference
        return reference in ("start", "unknown")


def _one_of(values: object, given: object) -> Any:
    """Return what is given if it is one of the values of a `Literal`, else None."""
    return given if given in get_args(values) else None


def _time_reference(text: str) -> tuple[TimeReference, TimeReference | None]:
    """Return what a time is of an exposure, and what it is the mean of, by a value or by prose."""
    if known := _one_of(TimeReference, text):
        return known, None
    words = re.findall(r"\b(start|middle)\b", text.lower())
    exposure: TimeReference = words[0] if len(set(words)) == 1 else "unknown"
    return ("mean", exposure) if text.lower().startswith("mean ") else (exposure, None)


def _flux_kind(meta: Mapping) -> FluxKind:
    if "flux_kind" in meta:
        return _one_of(FluxKind, meta["flux_kind"]) or "unknown"
    # Of light curves of earlier versions other items tell it.
    if "reduced" in meta:
        return "total" if meta["reduced"] else "difference"
    if "mag_column" in meta:
        return "total"
    alerts = meta.get("survey") in ("ztf", "lsst") and "detection_snr" not in meta
    return "difference" if alerts or "atlas_id" in meta else "unknown"


def _magnitude_system(meta: Mapping) -> MagnitudeSystem:
    systems: dict[str, MagnitudeSystem] = {"ab": "AB", "vega": "Vega"}
    return systems.get(str(meta.get("magsys", "AB")).lower(), "unknown")


def mag_to_flux(mag: Any) -> np.ndarray:
    """Turn AB magnitudes into fluxes in uJy.

    Parameters
    ----------
    mag : `~numpy.ndarray` or `~astropy.units.Quantity`
        Magnitudes; in ``mag``, ``mag(AB)`` or any that converts to it.

    Returns
    -------
    `~numpy.ndarray`
        Fluxes in uJy, NaN for NaN.
    """
    if isinstance(mag, u.Quantity):
        mag = mag.to_value(u.ABmag if isinstance(mag, u.Magnitude) else u.mag)
    return 10.0 ** (0.4 * (ZERO_POINT - mag))


def flux_to_mag(flux: Any) -> np.ndarray:
    """Turn fluxes in uJy into AB magnitudes.

    Parameters
    ----------
    flux : `~numpy.ndarray` or `~astropy.units.Quantity`
        Fluxes, in uJy where they have no unit.

    Returns
    -------
    `~numpy.ndarray`
        Magnitudes, NaN where the flux is not above 0.
    """
    if isinstance(flux, u.Quantity):
        flux = flux.to_value(u.uJy)
    positive = np.where(flux > 0, flux, np.nan)
    return ZERO_POINT - 2.5 * np.log10(positive)


def failed(flux: np.ndarray, flux_err: np.ndarray) -> np.ndarray:
    """Return which numbers stand for a fit that failed.

    Parameters
    ----------
    flux, flux_err : `~numpy.ndarray`
        In uJy.

    Returns
    -------
    `~numpy.ndarray` of bool
        True where one of them is larger than any that is measured, or infinite.
    """
    with np.errstate(invalid="ignore"):
        return (np.abs(flux) >= FAILED_FLUX) | (np.abs(flux_err) >= FAILED_FLUX)


def magnitudes(
    flux: np.ndarray, flux_err: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the magnitudes of some fluxes, and their errors.

    Parameters
    ----------
    flux, flux_err : `~numpy.ndarray`
        In uJy.
    chosen : `~numpy.ndarray` of bool
        The rows that have a magnitude, if their flux is above 0.

    Returns
    -------
    mag, mag_err : `~numpy.ndarray`
        NaN for the others.
    """
    with np.errstate(invalid="ignore"):
        positive = np.where(chosen & (flux > 0), flux, np.nan)
    with np.errstate(over="ignore"):
        return ZERO_POINT - 2.5 * np.log10(positive), LN10_2_5 * flux_err / positive


def inside(time: np.ndarray, window: tuple) -> np.ndarray:
    """Return which times are in a window, its ends included.

    Parameters
    ----------
    time : `~numpy.ndarray`
        MJD.
    window : tuple of float or None
        First and last MJD; None is no bound.

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


def within(rows: Rows, window: tuple, *, time: str = "time") -> Rows:
    """Return the rows whose time is in a window, its ends included.

    Parameters
    ----------
    rows : Rows
        The rows.
    window : tuple of float or None
        First and last MJD; None is no bound.
    time : str, optional
        The column of times.

    Returns
    -------
    Rows
        The same where all are inside.
    """
    kept = inside(rows.values[time], window)
    return rows if kept.all() else rows.take(kept)


def build_light_curve(
    time: np.ndarray,
    values: Mapping[str, np.ndarray],
    survey_columns: Rows,
    *,
    scale: str,
    meta: Mapping,
) -> TimeSeries:
    """Put a light curve together.

    Parameters
    ----------
    time : `~numpy.ndarray`
        MJD of each row, in any order.
    values : mapping of str to `~numpy.ndarray`
        The columns of `SCHEMA` by name, of the length of `time`; NaN where a
        measured value is not known.
    survey_columns : Rows
        The survey's own columns.
    scale : str
        The time scale of the survey.
    meta : mapping
        What is known of its origin, with the items of `Conventions`: those that are
        missing become ``"unknown"``, and the magnitudes are taken for AB.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        Sorted by time: first `SCHEMA`, then the survey's own
        columns. Measured values are always masked quantities, with NaN
        underneath, so that their type does not depend on the data.
    """
    if np.any(time[1:] < time[:-1]):
        order = np.argsort(time, kind="stable")
        time, survey_columns = time[order], survey_columns.take(order)
        values = {name: array[order] for name, array in values.items()}
    columns = schema_columns(time, values, survey_columns, scale=scale)
    # An empty series made by the public constructor checks nothing yet; see `assemble`.
    series = assemble_series(LightCurve(), columns)
    series.meta.update(meta)
    series.meta.update(Conventions.of(meta).meta())
    describe_flux(series)
    return series


def describe_flux(lc: TimeSeries) -> None:
    """Describe the column of fluxes by their kind, where they are not those of a difference.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve whose columns have the descriptions of `SCHEMA`; it is changed.
    """
    if about := _FLUX_ABOUT.get(Conventions.of(lc.meta).flux_kind):
        lc.columns["flux"].info.description = about


def schema_columns(
    time: np.ndarray | tuple[np.ndarray, np.ndarray],
    values: Mapping[str, np.ndarray],
    survey_columns: Rows,
    *,
    scale: str,
) -> list:
    """Return the columns of a light curve, or of several concatenated, as they are given.

    Parameters
    ----------
    time : `~numpy.ndarray` or tuple
        MJD of each row, or what `halves` made of it.
    values : mapping of str to `~numpy.ndarray`
        The columns of `SCHEMA` by name, NaN where a measured value is not known.
    survey_columns : Rows
        Further columns.
    scale : str
        The time scale.

    Returns
    -------
    list
        Columns with names, units, masks and descriptions.
    """
    columns = [time_column(time, "time", "Time of the row; see meta['time_reference'].", scale)]
    columns += [_schema_column(column, values[column.name]) for column in SCHEMA]
    reserved = {"time", *(column.name for column in SCHEMA)}
    taken = {*reserved, *survey_columns.values}
    for column in survey_columns.columns:
        values_of, mask = survey_columns.values[column.name], survey_columns.masks[column.name]
        if column.name in reserved:
            # A newer server sends something by the name of a column of all light curves.
            name = column.name
            while name in taken:
                name += "_wire"
            taken.add(name)
            column = replace(column, to=name)
        columns.append(quantity_column(column, values_of, mask))
    return columns


def time_column(
    mjd: np.ndarray | tuple[np.ndarray, np.ndarray], name: str, about: str, scale: str
) -> Time:
    """Return a column of times.

    Parameters
    ----------
    mjd : `~numpy.ndarray` or tuple
        The times, or what `halves` made of them.
    name, about : str
        The column's name and description.
    scale : str
        The time scale.

    Returns
    -------
    `~astropy.time.Time`
        In the format mjd.
    """
    days = mjd if isinstance(mjd, tuple) else halves(mjd)
    times = Time(*days, format=_Halves.name, scale=scale)
    times.format = "mjd"
    times.info.name, times.info.description = name, about
    return times


class _Halves(TimeNumeric):
    """The two numbers in which astropy keeps a time, taken as they are.

    What else it makes of a number, so that it loses nothing, takes longer than to bin
    the rows that the time is the mean of.
    """

    name = "atlasquery_halves"

    def set_jds(self, val1: np.ndarray, val2: np.ndarray) -> None:
        self._check_scale(self._scale)
        self.jd1, self.jd2 = val1, val2


def halves(mjd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the two numbers in which astropy keeps a time.

    Parameters
    ----------
    mjd : `~numpy.ndarray`
        The times.

    Returns
    -------
    day, left : `~numpy.ndarray`
        The whole Julian date next to each, and what is left: at most half a day.
    """
    whole = np.floor(mjd)
    left = mjd - whole
    # Midnight lies between two whole numbers, of which astropy takes the even one.
    whole += MJD_0
    day = np.where(left > 0, whole + 0.5, np.rint(whole))
    left += whole - day
    return day, left


def _schema_column(column: Column, values: np.ndarray) -> Any:
    if not column.required:
        return quantity_column(column, values, np.isnan(values))
    if column.unit is None:
        return table_column(column, values, None)
    quantity = u.Quantity(values, column.unit, copy=False)
    quantity.info.name, quantity.info.description = column.name, column.about
    return quantity

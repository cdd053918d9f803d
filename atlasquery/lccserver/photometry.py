"""From a file to a light curve: the columns of its times, magnitudes, errors and bands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.lccserver.csvlc import CsvLightCurve
from atlasquery.lccserver.definitions import Definition, TimeSystem
from atlasquery.lightcurve.schema import (
    LN10_2_5,
    SCHEMA,
    Conventions,
    MagnitudeSystem,
    build_light_curve,
    mag_to_flux,
)
from atlasquery.service.inputs import MJD_0, suggest
from atlasquery.tables import Column, Rows
from atlasquery.tables.coordinate_systems import ReferencePosition
from atlasquery.tables.decoding import float_of

__all__ = ["MAGSYS", "UNKNOWN", "Choice", "Prepared", "prepare"]

#: The value of ``meta["magsys"]`` if the file does not name the system.
UNKNOWN: MagnitudeSystem = "unknown"
MAGSYS = ("AB", "Vega")
# Julian dates from the year 1311 to 2406: other numbers are counted from another day.
DATES = (2.2e6, 2.6e6)
RESERVED = {"time", *(column.name for column in SCHEMA)}
NOT_STATED = "moment of the exposure not stated"
POSITIONS: dict[str, ReferencePosition] = {
    "barycentre": "barycenter",
    "heliocentre": "heliocenter",
    "observatory": "topocenter",
}


@dataclass(frozen=True)
class Choice:
    """The choice of a user among the columns of a file.

    Parameters
    ----------
    mag_column : str, optional
        The column of magnitudes to use.
    time_column : str, optional
        The column of times to use.
    magsys : {"AB", "Vega"}, optional
        The system of the magnitudes, if the file does not name it.
    """

    mag_column: str | None = None
    time_column: str | None = None
    magsys: MagnitudeSystem | None = None

    @classmethod
    def checked(
        cls,
        mag_column: str | None,
        time_column: str | None,
        magsys: str | None,
    ) -> "Choice":
        """Return a choice, or refuse it.

        Parameters
        ----------
        mag_column, time_column, magsys : str or None
            The arguments.

        Returns
        -------
        Choice
            Of strings.

        Raises
        ------
        InvalidQueryError
            If one is not a string, or there is no such system.
        """
        for name, value in (("mag_column", mag_column), ("time_column", time_column)):
            if value is not None and not isinstance(value, str):
                raise InvalidQueryError(f"{name}={value!r:.100} should be the name of a column")
        if magsys is not None and magsys not in MAGSYS:
            raise InvalidQueryError(
                f"magsys={magsys!r} should be 'AB', 'Vega' or None, for unknown"
            )
        return cls(mag_column, time_column, cast("MagnitudeSystem | None", magsys))


@dataclass(frozen=True)
class Prepared:
    """A file that is read, and whose light curve is built later, which is slow.

    Parameters
    ----------
    parsed : CsvLightCurve
        The file.
    time : `~numpy.ndarray`
        MJD of each line.
    clock : Definition
        The column of times.
    mag, error : Definition or None
        The columns of magnitudes and of their errors.
    system : str
        The system of the magnitudes.
    survey : str
        The value of the column ``survey``.
    meta : mapping
        Its origin.
    """

    parsed: CsvLightCurve
    time: np.ndarray
    clock: Definition
    mag: Definition | None
    error: Definition | None
    system: MagnitudeSystem
    survey: str
    meta: Mapping

    def build(self) -> TimeSeries:
        """Return the light curve.

        Returns
        -------
        `~astropy.timeseries.TimeSeries`
            A row per line of the file.
        """
        parsed, times = self.parsed, _times(self.clock)
        n = len(parsed.rows)
        absent = np.full(n, np.nan)
        mag = absent if self.mag is None else parsed.rows.values[self.mag.name]
        mag_err = absent if self.error is None else parsed.rows.values[self.error.name]
        mag_err = np.where(np.isnan(mag), np.nan, mag_err)
        flux = mag_to_flux(mag) if self.system == "AB" else absent
        values = {
            "band": _band(parsed),
            "detection": ~np.isnan(mag),
            "flux": flux,
            "flux_err": flux * mag_err / LN10_2_5,
            "mag": mag,
            "mag_err": mag_err,
            "limiting_mag": absent,
            "exposure_time": _exposure_time(parsed),
            "survey": np.full(n, self.survey),
            "exposure": np.zeros(n, "U1"),
        }
        conventions = Conventions(
            "unknown",
            "total",
            magsys=self.system,
            position=POSITIONS[times.position],
            note=_reference(self.clock),
        )
        meta = {
            **self.meta,
            **_of_object(parsed),
            "survey": self.survey,
            **conventions.meta(),
            "time_column": self.clock.name,
            "time_scale_stated": times.stated,
            "mag_column": self.mag.name if self.mag else "",
            "mag_err_column": self.error.name if self.error else "",
            "history": [],
        }
        meta["object"] = meta["object"] or self.meta.get("object", "")
        columns = _renamed(parsed.rows)
        series = build_light_curve(self.time, values, columns, scale=times.scale, meta=meta)
        _describe(series, self.mag, self.system)
        return series


def prepare(
    parsed: CsvLightCurve,
    *,
    meta: Mapping,
    name: str = "the light curve",
    survey: str = "lcc",
    preferred: tuple[str, ...] = (),
    choice: Choice = Choice(),
) -> Prepared:
    """Find out which columns of a file are its time, magnitude and error.

    Parameters
    ----------
    parsed : CsvLightCurve
        The file.
    meta : mapping
        Its origin.
    name : str, optional
        What the file is, for messages.
    survey : str, optional
        The value of the column ``survey``: the collection.
    preferred : tuple of str, optional
        The columns that the server uses: the first that the file has is taken.
    choice : Choice, optional
        What the user chooses instead.

    Returns
    -------
    Prepared
        With ``build``, which returns the light curve.

    Raises
    ------
    InvalidQueryError
        If there is no such column.
    TableParseError
        If no column has times of a known system, or a line has no time.
    """
    by_name = {d.name: d for d in parsed.definitions}
    clock = _time_of(parsed, by_name, choice.time_column, name)
    time = _mjd(parsed, clock, name)
    mag = _mag_of(by_name, choice.mag_column, preferred)
    system: MagnitudeSystem = "AB" if mag is not None and mag.ab else choice.magsys or UNKNOWN
    error = _error_of(parsed.definitions, mag)
    return Prepared(parsed, time, clock, mag, error, system, survey, meta)


def _time_of(parsed: CsvLightCurve, by_name: dict, chosen: str | None, name: str) -> Definition:
    """Return the column of times: the chosen one, else of the barycentre, else the first."""
    clocks = [d for d in parsed.definitions if d.times is not None]
    if chosen is not None:
        found = by_name.get(chosen)
        if found is None or found.times is None:
            near = suggest(chosen, [d.name for d in clocks])
            raise InvalidQueryError(
                f"time_column={chosen!r} is not a column of times of {name}{near}"
            )
        return found
    rank = {"barycentre": 0, "heliocentre": 1, "observatory": 2}
    clocks.sort(key=lambda d: (rank[_times(d).position], not _times(d).stated))
    dated = [d for d in clocks if _are_dates(parsed.rows.values[d.name], d)]
    if not dated:
        raise TableParseError(
            f"{name} has no column of times of a known system: its columns are "
            f"{', '.join(by_name)}, and the Julian dates of "
            f"{', '.join(d.name for d in clocks) or 'none of them'} are counted from an unknown day"
        )
    return dated[0]


def _times(column: Definition) -> TimeSystem:
    """Return the system of a column of times."""
    if column.times is None:
        raise AssertionError(f"{column.name} is not a column of times")
    return column.times


def _are_dates(values: np.ndarray, column: Definition) -> bool:
    """Return whether the numbers of a column are Julian dates of plausible years."""
    known = values[~np.isnan(values)] + _times(column).offset
    return not len(known) or bool(DATES[0] < known.min() and known.max() < DATES[1])


def _mjd(parsed: CsvLightCurve, column: Definition, name: str) -> np.ndarray:
    values = parsed.rows.values[column.name]
    missing = np.isnan(values)
    if missing.any():
        line = parsed.first_line + int(np.argmax(missing))
        raise TableParseError(
            f"line {line} of {name} has no time in its column {column.name}, and another "
            f"{np.count_nonzero(missing) - 1} lines neither. Choose another with time_column, if "
            "there is one."
        )
    # The difference is exact if the offset is that of MJD or of whole days.
    return values + (_times(column).offset - MJD_0)


def _mag_of(by_name: dict, chosen: str | None, preferred: tuple[str, ...]) -> Definition | None:
    """Return the column of magnitudes: the chosen one, else that of the server, else the first."""
    mags = [d for d in by_name.values() if d.role == "mag"]
    if chosen is not None:
        found = by_name.get(chosen)
        if found is None or found.kind is not float:
            near = suggest(chosen, [d.name for d in mags])
            raise InvalidQueryError(f"mag_column={chosen!r} is not a column of magnitudes{near}")
        return found
    best = [by_name[name] for name in preferred if name in by_name]
    mags = [d for d in best if d.role == "mag"] or mags
    return mags[0] if mags else None


def _error_of(columns: tuple[Definition, ...], mag: Definition | None) -> Definition | None:
    """Return the column of errors of the same aperture, if there is only one."""
    if mag is None:
        return None
    errors = [d for d in columns if d.role == "mag_err" and d.aperture == mag.aperture]
    if not errors:
        # If apertures are not named, one error is that of all.
        errors = [d for d in columns if d.role == "mag_err"]
    return errors[0] if len(errors) == 1 else None


def _band(parsed: CsvLightCurve) -> np.ndarray:
    for column in parsed.definitions:
        if column.role == "band":
            return np.strings.strip(parsed.rows.values[column.name])
    return np.zeros(len(parsed.rows), "U1")


def _exposure_time(parsed: CsvLightCurve) -> np.ndarray:
    for column in parsed.definitions:
        unit = column.unit
        if column.role == "exposure_time" and unit is not None and unit.is_equivalent(u.s):
            return parsed.rows.values[column.name] * unit.to(u.s)
    return np.full(len(parsed.rows), np.nan)


def _renamed(rows: Rows) -> Rows:
    """Return all columns of the file under names that the light curve does not have."""
    found = Rows(length=rows.length, counts=rows.counts)
    taken = RESERVED | {column.name for column in rows.columns}
    for column in rows.columns:
        name = column.name
        while name in RESERVED or (name != column.name and name in taken):
            name += "_wire"
        renamed = Column(column.wire, column.kind, to=name, unit=column.unit, about=column.about)
        found.add(renamed, rows.values[column.name], rows.masks[column.name])
    return found


def _of_object(parsed: CsvLightCurve) -> dict[str, object]:
    """Return the entries of the file about the object."""
    info = parsed.info
    found: dict[str, object] = {"object": str(info.get("objectid") or ""), "objectinfo": dict(info)}
    found["objectinfo_about"] = {key: about for key, about in parsed.about.items() if about}
    ra, dec = float_of(info.get("ra")), float_of(info.get("decl", info.get("dec")))
    if abs(ra) <= 360 and abs(dec) <= 90:
        found["coordinates"] = SkyCoord(ra, dec, unit="deg")
    return found


def _reference(column: Definition) -> str:
    times = _times(column)
    position = {
        "barycentre": "at the barycentre",
        "heliocentre": "at the Sun",
        "observatory": "at the observatory",
    }[times.position]
    scale = "" if times.stated else f", {times.scale.upper()} assumed"
    return f"{position}{scale}; {NOT_STATED}"


def _describe(series: TimeSeries, mag: Definition | None, system: str) -> None:
    """Describe the columns of this file: the schema describes those of AB magnitudes."""
    info = {name: series.columns[name].info for name in series.colnames}
    what = mag.about if mag else "The file has no magnitudes."
    known = f"{system} magnitude" if system != UNKNOWN else "Magnitude of an unknown system"
    info["mag"].description = f"{known}: {what}" if mag else what
    info["mag_err"].description = "Error of mag; masked where the file has none."
    info["detection"].description = "Whether there is a magnitude."
    info["flux"].description = (
        "Flux of the object, not of a difference."
        if system == "AB"
        else "Not known: the magnitudes are not known to be AB."
    )
    info["flux_err"].description = "Error of flux."
    info["exposure_time"].description = "Exposure time; NaN where the file does not have it."

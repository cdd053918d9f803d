"""Light curves from tables of other programs: data frames, and the CSV files of ALeRCE."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.table import MaskedColumn, Table
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.alert_columns import ZTF_BANDS
from atlasquery.lightcurve.checks import conversion
from atlasquery.lightcurve.derive import DECLARED
from atlasquery.lightcurve.schema import (
    LN10_2_5,
    Conventions,
    build_light_curve,
    mag_to_flux,
    magnitudes,
)
from atlasquery.service.inputs import check_choice, check_mjd
from atlasquery.tables import Column, Rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["from_columns", "from_pandas"]

SCALES = ("utc", "tai", "tdb", "tt")
# The columns of ALeRCE's detections of ZTF.
ALERCE = ("mjd", "fid", "magpsf", "sigmapsf", "isdiffpos")
# Signal to noise of a detection, where a table does not say what is one.
DETECTED = 5.0
RIGHT = (
    "a light curve has the columns mjd, band, and flux and flux_err (uJy) or mag and mag_err "
    "(AB), or those of ALeRCE's detections: mjd, fid, magpsf, sigmapsf, isdiffpos"
)

Columns = dict[str, tuple[np.ndarray, np.ndarray]]


def from_pandas(
    frame: "pd.DataFrame", *, scale: str | None = None, meta: Mapping | None = None
) -> TimeSeries:
    """Return a data frame as a light curve.

    Parameters
    ----------
    frame : `pandas.DataFrame`
        As `to_pandas` returns it; or with the columns ``mjd``, ``band``, and ``flux`` and
        ``flux_err`` or ``mag`` and ``mag_err``; or with those of ALeRCE's detections of ZTF
        (``mjd``, ``fid``, ``magpsf``, ``sigmapsf``, ``isdiffpos``).
    scale : str, optional
        The scale of ``mjd``: by default that of ``frame.attrs``, else UTC.
    meta : mapping, optional
        Metadata on its origin, in addition to ``frame.attrs``.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        With the columns of `SCHEMA`: ``flux``, ``flux_err`` (uJy), ``mag``, ``mag_err``,
        ``limiting_mag`` (mag, AB), sorted by time, and all others of the frame, with
        their units if ``frame.attrs["units"]`` has them. A flux that is missing is that
        of the magnitude, with the sign that ``isdiffpos`` has, unless ``magsys``, of a row or
        of ``frame.attrs``, is another system than AB.

    Raises
    ------
    InvalidQueryError
        If a column is missing, or is not of numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from atlasquery.lightcurve import from_pandas
    >>> frame = pd.DataFrame({"mjd": [59000.5], "band": ["o"], "flux": [100.0], "flux_err": [5.0]})
    >>> lc = from_pandas(frame)
    >>> print(lc["flux"][0], lc["mag"][0], lc["detection"][0])
    100.0 uJy 18.9 mag True
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise InvalidQueryError(f"frame should be a pandas.DataFrame, not {type(frame).__name__}")
    columns: Columns = {}
    for name in frame.columns:
        series = frame[name]
        mask = series.isna().to_numpy()
        columns[str(name)] = _values(series.tolist(), mask), mask
    attrs = dict(frame.attrs)
    units = attrs.pop("units", {})
    scale = scale or attrs.pop("time_scale", "utc")
    attrs.pop("time_scale", None)
    return from_columns(
        columns, scale=scale, units=units, meta={**attrs, **(meta or {})}, name="frame"
    )


def _values(values: list, mask: np.ndarray) -> np.ndarray:
    """Return values of one kind as an array; integers beside missing ones stay exact."""
    known = [value for value, absent in zip(values, mask, strict=True) if not absent]
    kinds = {type(value) for value in known}
    if known and all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
        return np.array([False if m else v for v, m in zip(values, mask, strict=True)], dtype=bool)
    if known and all(issubclass(kind, (int, np.integer)) for kind in kinds):
        return np.array([0 if m else v for v, m in zip(values, mask, strict=True)])
    if any(issubclass(kind, str) for kind in kinds):
        # A string of digits, such as "007", is a name.
        return np.array(["" if m else str(v) for v, m in zip(values, mask, strict=True)], dtype=str)
    try:
        return np.array(
            [np.nan if m else v for v, m in zip(values, mask, strict=True)], dtype=float
        )
    except (TypeError, ValueError):
        return np.array(["" if m else str(v) for v, m in zip(values, mask, strict=True)], dtype=str)


def table_columns(table: Table) -> Columns:
    """Return the columns of a table as arrays with masks.

    Parameters
    ----------
    table : `~astropy.table.Table`
        As read from CSV.

    Returns
    -------
    dict of tuple
        Values and mask by name.
    """
    columns: Columns = {}
    for name, column in table.columns.items():
        values = np.asarray(column.data.data if isinstance(column, MaskedColumn) else column.data)
        mask = np.array(np.ma.getmaskarray(column.data))
        if values.dtype.kind == "f":
            mask = mask | np.isnan(values)
        columns[name] = values, mask
    return columns


def from_columns(
    columns: Columns,
    *,
    scale: str = "utc",
    units: Mapping[str, str] | None = None,
    meta: Mapping | None = None,
    name: str,
) -> TimeSeries:
    """Return columns of another program as a light curve.

    Parameters
    ----------
    columns : dict of tuple
        Values and mask of each column by name.
    scale : str, optional
        The scale of ``mjd``.
    units : mapping of str to str, optional
        The units of columns.
    meta : mapping, optional
        Metadata on its origin.
    name : str
        Name of the table in messages.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        As `from_pandas` returns it.

    Raises
    ------
    InvalidQueryError
        If a column is missing, or is not of numbers.
    """
    check_choice(scale, name="scale", known=SCALES)
    # What `to_pandas` wrote of a light curve of ALeRCE has both, and is read back as it was.
    alerce = {*ALERCE} <= {*columns} and not {"band", "flux", "flux_err"} <= {*columns}
    measured = any(
        {first, second} <= {*columns}
        for first, second in (("flux", "flux_err"), ("mag", "mag_err"))
    )
    if not alerce and not ("mjd" in columns and "band" in columns and measured):
        raise InvalidQueryError(
            f"{name} is not a light curve; {RIGHT}; it has {', '.join(map(str, columns))}"
        )
    reader = _ColumnReader(columns, dict(units or {}), name)
    mjd = reader.numbers("mjd")
    if np.isnan(mjd).any():
        raise InvalidQueryError(f"{name} has rows without mjd, the first of which is row "
                                f"{int(np.argmax(np.isnan(mjd)))}")  # fmt: skip
    check_mjd(mjd, name=f"the column mjd of {name}")
    values = reader.alerce() if alerce else reader.plain(Conventions.of(meta or {}).magsys)
    about = {"survey": "ztf", **Conventions("start", "difference").meta()} if alerce else {}
    return build_light_curve(
        mjd, values, reader.others(), scale=scale, meta={"history": [], **about, **(meta or {})}
    )


class _ColumnReader:
    """The columns of a table, of which each is taken once."""

    def __init__(self, columns: Columns, units: dict[str, str], name: str):
        self._columns, self._units, self._name = columns, units, name
        self._taken = {"mjd", "time"}
        self._length = len(columns["mjd"][0])

    def numbers(self, name: str, unit: u.UnitBase | None = None) -> np.ndarray:
        """Return a column as floats, NaN where missing; all NaN where there is none."""
        if name not in self._columns:
            return np.full(self._length, np.nan)
        values, mask = self._columns[name]
        self._taken.add(name)
        if values.dtype.kind not in "fiub" and not mask.all():
            raise InvalidQueryError(
                f"the column {name} of {self._name} holds strings, such as "
                f"{values[~mask][0]!s:.40}; it should be of numbers"
            )
        numbers = np.full(self._length, np.nan)
        numbers[~mask] = values[~mask].astype(float)
        if unit is None or not self._units.get(name):
            return numbers
        return self._converted(numbers, name, unit)

    def _converted(self, numbers: np.ndarray, name: str, unit: u.UnitBase) -> np.ndarray:
        try:
            pair = conversion(u.Unit(self._units[name]), unit, name)
        except ValueError:
            pair = None
        if pair is None:
            raise InvalidQueryError(
                f"the column {name} of {self._name} is in {self._units[name]}; it should be in "
                f"{unit} or a unit that converts to it"
            )
        return numbers * pair[0] + pair[1]

    def texts(self, name: str, default: str = "") -> np.ndarray:
        """Return a column as strings."""
        if name not in self._columns:
            return np.full(self._length, default)
        values, mask = self._columns[name]
        self._taken.add(name)
        if values.dtype.kind == "f" and np.all(np.mod(values[~mask], 1) == 0):
            # pandas makes floats of ids of which one is missing.
            values = np.where(mask, 0, values).astype(np.int64)
        return np.where(mask, default, values.astype(str))

    def plain(self, magsys: str) -> dict[str, np.ndarray]:
        """Return the columns of `SCHEMA` of a table that has their names."""
        in_ab = np.full(self._length, magsys == "AB")
        if "magsys" in self._columns:
            in_ab = np.strings.upper(self.texts("magsys", "AB")) == "AB"
            # Light curves that were combined have it.
            self._taken.discard("magsys")
        flux, flux_err = self.numbers("flux", u.uJy), self.numbers("flux_err", u.uJy)
        mag, mag_err = self.numbers("mag", u.mag), self.numbers("mag_err", u.mag)
        new = np.isnan(flux) & ~np.isnan(mag) & in_ab
        sign = self._sign() if "isdiffpos" in self._columns else 1.0
        flux = np.where(new, sign * mag_to_flux(mag), flux)
        flux_err = np.where(new, np.abs(flux) * mag_err / LN10_2_5, flux_err)
        # Of another system than AB there are no fluxes, but magnitudes.
        alone = np.isnan(flux) & ~np.isnan(mag)
        detection = (~np.isnan(flux) | alone) & (self.numbers("detection") == 1)
        if "detection" not in self._columns:
            with np.errstate(invalid="ignore"):
                detection = np.where(
                    alone, ~(mag_err > LN10_2_5 / DETECTED), np.abs(flux) >= DETECTED * flux_err
                )
        new_mag, new_err = magnitudes(flux, flux_err, detection)
        new_err = np.where(np.isnan(new_mag) | np.isnan(mag_err), new_err, mag_err)
        return {
            "band": self.texts("band"),
            "detection": detection,
            "flux": flux,
            "flux_err": flux_err,
            "mag": np.where(alone, mag, new_mag),
            "mag_err": np.where(alone, mag_err, new_err),
            "limiting_mag": self.numbers("limiting_mag", u.mag),
            "exposure_time": self.numbers("exposure_time", u.s),
            "survey": self.texts("survey"),
            "exposure": self.texts("exposure"),
        }

    def alerce(self) -> dict[str, np.ndarray]:
        """Return the columns of `SCHEMA` of ALeRCE's detections: difference magnitudes of ZTF."""
        mag, mag_err = self.numbers("magpsf"), self.numbers("sigmapsf")
        # "v2 forced photometry: 100.0 = no measurement".
        mag = np.where(mag >= 100, np.nan, mag)
        sign = np.sign(self._sign())
        flux = np.where(sign == 0, np.nan, sign) * mag_to_flux(mag)
        flux_err = np.abs(flux) * mag_err / LN10_2_5
        detection = ~np.isnan(flux)
        new_mag, _ = magnitudes(flux, flux_err, detection)
        fid = self.numbers("fid")
        self._taken -= {"magpsf", "sigmapsf", "fid"}
        bands = np.array([ZTF_BANDS.get(int(f), "") if f == f else "" for f in fid], dtype="U1")
        return {
            "band": bands,
            "detection": detection,
            "flux": flux,
            "flux_err": flux_err,
            "mag": np.where(np.isnan(new_mag), np.nan, mag),
            "mag_err": np.where(np.isnan(new_mag), np.nan, mag_err),
            "limiting_mag": self.numbers("diffmaglim"),
            "exposure_time": np.where(np.isnan(exposed := self.numbers("exptime")), 30.0, exposed),
            "survey": np.full(self._length, "ztf"),
            "exposure": np.where(self._columns["pid"][1], "", self._columns["pid"][0].astype(str))
            if "pid" in self._columns
            else np.full(self._length, ""),
        }

    def _sign(self) -> np.ndarray:
        values, mask = self._columns["isdiffpos"]
        if values.dtype.kind != "U":
            sign = self.numbers("isdiffpos")
            self._taken.discard("isdiffpos")
            # ALeRCE has 1 and -1, alert packets true and false.
            return sign if np.any(sign == -1) else np.where(sign == 0, -1.0, sign)
        known = dict.fromkeys(("t", "true", "1"), 1.0)
        known |= dict.fromkeys(("f", "false", "0", "-1"), -1.0)
        texts = [known.get(text.lower(), np.nan) for text in values.tolist()]
        return np.where(mask, np.nan, texts)

    def others(self) -> Rows:
        """Return the columns that are not of `SCHEMA`, as they are."""
        rows = Rows(length=self._length)
        for name, (values, mask) in self._columns.items():
            if name in self._taken or name in DECLARED:
                continue
            kind = {"f": float, "i": int, "u": int, "b": bool}.get(values.dtype.kind, str)
            unit = u.Unit(self._units[name]) if self._units.get(name) else None
            rows.add(Column(name, kind, unit=unit), values.copy(), mask.copy())
        return rows

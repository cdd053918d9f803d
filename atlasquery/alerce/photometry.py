"""From rows to light curves: signs, missing values, and the times of the two surveys."""

from collections.abc import Mapping

import astropy.units as u
import msgspec
import numpy as np
from astropy.timeseries import TimeSeries

from atlasquery.alerce.base import plain_json
from atlasquery.alerce.columns import (
    BANDS,
    DETECTION,
    FORCED,
    FORCED_EXTRA,
    NON_DETECTION,
    V2_DETECTION,
    V2_EXTRA,
    V2_NON_DETECTION,
)
from atlasquery.alerce.lsst_columns import ALWAYS_SENT, REFERENCES
from atlasquery.alerce.lsst_columns import BANDS as LSST_BANDS
from atlasquery.lightcurve.alert_columns import UJY_PER_NJY
from atlasquery.lightcurve.derive import DECLARED
from atlasquery.lightcurve.schema import (
    LN10_2_5,
    Conventions,
    TimeReference,
    build_light_curve,
    flux_to_mag,
    mag_to_flux,
    magnitudes,
    within,
)
from atlasquery.tables import Column, Columns, Rows, check_answers, decode_rows, stack_rows

__all__ = [
    "decode_forced",
    "decode_v2",
    "decode_v2_detections",
    "light_curve",
    "lsst_schema",
    "split_by_object",
    "unmask_zero",
    "ztf_schema",
]

# The surveys' exposure times, which detections come without: 30 s of ZTF; a visit of LSST.
EXPOSURE_TIME = 30.0
# See docs/servers/alerce.rst, "100 means no measurement".
FILLER, NO_MEASUREMENT = 100.0, 99.0
# How the names of errors of magnitudes begin.
ERRORS = ("sigma", "e_mag")
# Signal to noise from which a forced measurement counts as a detection, as limits are 5-sigma.
DETECTED = 5.0
TIME_SCALE = {"ztf": "utc", "lsst": "tai"}
TIME_REFERENCE: dict[str, TimeReference] = {"ztf": "start", "lsst": "middle"}
MAG = u.mag
FORCED_FLAG = Column(
    "forced", bool, about="Forced photometry: measured where the object is.", required=True
)
# Sent in the row and again in its extra fields.
TWICE = ("pid", "mag", "e_mag", "mag_corr", "e_mag_corr", "e_mag_corr_ext")


def light_curve(parts: list[Rows], *, survey: str, window: tuple, meta: Mapping) -> TimeSeries:
    """Put detections, non-detections and forced photometry together.

    Parameters
    ----------
    parts : list of Rows
        What `ztf_schema` and `lsst_schema` return.
    survey : {"ztf", "lsst"}
        The survey.
    window : tuple of float or None
        First and last MJD, in the time scale of the survey.
    meta : mapping
        What the light curve says of its origin.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row per exposure, and for forced photometry one more.
    """
    rows = within(stack_rows(*parts, by="mjd"), window, time="mjd")
    values = {name: rows.values[name] for name in DECLARED if name != "survey"}
    values["survey"] = np.full(len(rows), survey)
    survey_columns = rows.without((*DECLARED, "mjd"))
    meta = {
        **meta,
        "survey": survey,
        **Conventions(TIME_REFERENCE[survey], "difference").meta(),
        "history": [],
    }
    return build_light_curve(
        rows.values["mjd"], values, survey_columns, scale=TIME_SCALE[survey], meta=meta
    )


def ztf_schema(rows: Rows, *, kind: str) -> Rows:
    """Return rows of ZTF with the columns of all light curves followed by those of ZTF.

    Parameters
    ----------
    rows : Rows
        Detections, non-detections or forced photometry.
    kind : {"detection", "non_detection", "forced"}
        Which of them they are.

    Returns
    -------
    Rows
        The flux is that of the difference, with the sign that ``isdiffpos`` has.
    """
    rows = without_fillers(rows)
    n = len(rows)
    absent = np.full(n, np.nan)
    mag = rows.values.get("mag_psf", rows.values.get("magpsf", absent))
    error = rows.values.get("mag_psf_err", rows.values.get("sigmapsf", absent))
    sign = np.sign(rows.values["isdiffpos"]).astype(float) if kind != "non_detection" else absent
    # A sign that is missing is not known: neither is the flux.
    sign = np.where(sign == 0, np.nan, sign)
    flux = sign * mag_to_flux(mag)
    flux_err = np.abs(flux) * error / LN10_2_5
    measured = _measured(kind, flux, flux_err)
    with np.errstate(invalid="ignore"):
        positive = measured & (flux > 0)
    values = {
        "band": _names(rows.values["fid"], BANDS),
        "detection": measured,
        "flux": flux,
        "flux_err": flux_err,
        "mag": np.where(positive, mag, np.nan),
        "mag_err": np.where(positive, error, np.nan),
        "limiting_mag": _limits(rows.values.get("diffmaglim", absent)),
        "exposure_time": _exposure_time(rows.values.get("exptime", absent)),
        "exposure": _strings(rows, "pid"),
    }
    survey_columns = rows.without(("diffmaglim", "exptime"))
    return _with_schema(survey_columns, values, forced=kind == "forced")


def lsst_schema(rows: Rows, *, kind: str) -> Rows:
    """Return rows of LSST with the columns of all light curves followed by those of ZTF.

    Parameters
    ----------
    rows : Rows
        Detections or forced photometry.
    kind : {"detection", "forced"}
        Which of them they are.

    Returns
    -------
    Rows
        ``flux`` is psfFlux, which has its sign, in uJy.
    """
    rows = unmask_zero(rows)
    flux = rows.values["psfFlux"] * UJY_PER_NJY
    flux_err = rows.values["psfFluxErr"] * UJY_PER_NJY
    measured = _measured(kind, flux, flux_err)
    mag, mag_err = magnitudes(flux, flux_err, measured)
    values = {
        "band": _names(rows.values["fid"], LSST_BANDS),
        "detection": measured,
        "flux": flux,
        "flux_err": flux_err,
        "mag": mag,
        "mag_err": mag_err,
        "limiting_mag": flux_to_mag(5.0 * flux_err),
        "exposure_time": np.full(len(rows), EXPOSURE_TIME),
        "exposure": _strings(rows, "visit"),
    }
    return _with_schema(rows, values, forced=kind == "forced")


def unmask_zero(rows: Rows) -> Rows:
    """Return rows of LSST with the nulls that the server has turned into 0.0.

    Parameters
    ----------
    rows : Rows
        With fluxes.

    Returns
    -------
    Rows
        A flux and its error of exactly 0 are masked: no measurement is that. So are the
        fillers of numbers of other rows, -1.
    """
    found = rows.without(())
    # A column that is not declared for this kind of row may come as a string.
    numbers = {name for name, values in found.values.items() if values.dtype.kind in "iuf"}
    for name in REFERENCES:
        if name in numbers:
            found.masks[name] = found.masks[name] | (found.values[name] == -1)
            found.values[name] = np.where(found.masks[name], 0, found.values[name])
    for name in ALWAYS_SENT:
        if name in numbers:
            values = found.values[name]
            zero = values == 0.0
            found.values[name] = np.where(zero, np.nan, values)
            found.masks[name] = found.masks[name] | zero
    return found.without(("band_map",))


def split_by_object(rows: Rows, names: list) -> dict[int | str, Rows]:
    """Return the rows of each object.

    Parameters
    ----------
    rows : Rows
        Rows of several objects, with ``oid``.
    names : list of int
        The objects.

    Returns
    -------
    dict of int to Rows
        For each of them, none where it has none.
    """
    if len(names) == 1 and (rows.values["oid"] == names[0]).all():
        return {names[0]: rows}
    order = np.argsort(rows.values["oid"], kind="stable")
    oids = rows.values["oid"][order]
    first = np.searchsorted(oids, names, side="left")
    last = np.searchsorted(oids, names, side="right")
    return {name: rows.take(order[a:b]) for name, a, b in zip(names, first, last, strict=True)}


def decode_forced(body: bytes) -> Rows:
    """Decode ZTF's forced photometry, with its extra fields as columns.

    Parameters
    ----------
    body : bytes
        What the server sent.

    Returns
    -------
    Rows
        100.0, which is no measurement, is masked.
    """
    return without_fillers(_flat(decode_rows(FORCED, body), FORCED_EXTRA, TWICE))


def decode_v2_detections(body: bytes | msgspec.Raw, name: str | int) -> Rows:
    """Decode detections of the second version of the API into the columns of the first.

    Parameters
    ----------
    body : bytes or `msgspec.Raw`
        What the server sent.
    name : str or int
        The object that was requested.

    Returns
    -------
    Rows
        In the columns of `atlasquery.alerce.columns.DETECTION`, and what else came.

    Raises
    ------
    TableParseError
        If a row is of another object.
    """
    rows = _flat(_rows_of(decode_rows(V2_DETECTION, body), name), V2_EXTRA, ())
    return _as_declared(rows, DETECTION, ("oid", "sid", "aid", "e_ra", "e_dec"))


def decode_v2(body: bytes, name: str | int) -> tuple[Rows, Rows, Rows]:
    """Decode an answer with detections, non-detections and forced photometry.

    Parameters
    ----------
    body : bytes
        What the server sent.
    name : str or int
        The object that was requested.

    Returns
    -------
    tuple of Rows
        In the columns of the routes for each.

    Raises
    ------
    TableParseError
        If a row is of another object.
    """
    sent = msgspec.json.decode(plain_json(body), type=_V2)
    limits = _rows_of(decode_rows(V2_NON_DETECTION, sent.non_detections), name)
    limits = _as_declared(limits, NON_DETECTION, ("oid", "sid", "aid"))
    return (
        decode_v2_detections(sent.detections, name),
        limits,
        _rows_of(decode_forced(sent.forced_photometry), name),
    )


def _rows_of(rows: Rows, name: str | int) -> Rows:
    """Return rows, of which none is of another object than was asked for."""
    if "oid" in rows.values:
        check_answers(rows.values["oid"], name, "the object", mask=rows.masks["oid"])
    return rows


class _V2(msgspec.Struct):
    detections: msgspec.Raw = msgspec.Raw(b"[]")
    non_detections: msgspec.Raw = msgspec.Raw(b"[]")
    forced_photometry: msgspec.Raw = msgspec.Raw(b"[]")


def _flat(rows: Rows, declared: Columns, twice: tuple) -> Rows:
    """Return rows with their extra fields as columns."""
    # A row without extra fields has none of them.
    nested = np.where(rows.masks["extra_fields"], b"{}", rows.values["extra_fields"])
    extra = decode_rows(declared, b"[" + b",".join(nested.tolist()) + b"]").without(twice)
    rows = rows.without(("extra_fields",))
    for column in extra.columns:
        if column.name not in rows.values:
            rows.add(column, extra.values[column.name], extra.masks[column.name])
    return rows


def _as_declared(rows: Rows, declared: Columns, dropped: tuple) -> Rows:
    """Return rows in declared columns, those not sent masked, and what else came after them."""
    return stack_rows(decode_rows(declared, b"[]"), rows.without(dropped))


def without_fillers(rows: Rows) -> Rows:
    """Mask the magnitudes of 100, with which ZTF says that there is none.

    Parameters
    ----------
    rows : Rows
        Rows of ZTF.

    Returns
    -------
    Rows
        The same rows if there is none.
    """
    found = rows.without(())
    for column in rows.columns:
        # By identity: astropy compares units slowly.
        values = found.values[column.name]
        if column.unit is MAG and values.dtype.kind == "f":
            # The error of a flux near zero is that large in magnitudes.
            error = column.name.startswith(ERRORS) or column.name.endswith("_err")
            none = values == FILLER if error else values > NO_MEASUREMENT
            if none.any():
                found.values[column.name] = np.where(none, np.nan, values)
                found.masks[column.name] = found.masks[column.name] | none
    return found


def _measured(kind: str, flux: np.ndarray, flux_err: np.ndarray) -> np.ndarray:
    """Return which rows are detections: by the survey, or by their signal to noise."""
    if kind != "forced":
        return np.full(len(flux), kind == "detection")
    with np.errstate(invalid="ignore"):
        return np.abs(flux) >= DETECTED * flux_err


def _with_schema(rows: Rows, values: Mapping, *, forced: bool) -> Rows:
    found = rows.without(tuple(values))
    for name, array in values.items():
        mask = np.isnan(array) if array.dtype.kind == "f" else None
        found.add(DECLARED[name], array, mask)
    found.add(FORCED_FLAG, np.full(len(rows), forced))
    return found


def _names(numbers: np.ndarray, bands: Mapping) -> np.ndarray:
    return np.array([bands.get(fid, str(fid)) for fid in numbers.tolist()], dtype=np.str_)


def _strings(rows: Rows, name: str) -> np.ndarray:
    if name not in rows.values:
        return np.zeros(len(rows), "U1")
    return np.where(rows.masks[name], "", rows.values[name].astype(np.str_))


def _limits(sent: np.ndarray) -> np.ndarray:
    # ZTF writes -999 for a limit that it could not measure.
    return np.where(sent > 0, sent, np.nan)


def _exposure_time(sent: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(sent), EXPOSURE_TIME, sent)

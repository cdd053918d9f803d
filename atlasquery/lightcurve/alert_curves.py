"""From the records of an alert packet to the light curve and the object, of ZTF and of LSST."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Row
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import TableParseError
from atlasquery.lightcurve.alert_columns import (
    LSST_NAMES,
    UJY_PER_NJY,
    ZTF_BANDS,
    ZTF_FORCED_UNITS,
    ZTF_OBJECT,
    ZTF_PLACEHOLDERS,
    ZTF_UNITS,
    lsst_unit,
)
from atlasquery.lightcurve.alert_schemas import PacketSchema, SchemaField
from atlasquery.lightcurve.derive import DECLARED
from atlasquery.lightcurve.flags import FLAG, Flag
from atlasquery.lightcurve.schema import (
    LN10_2_5,
    MJD_0,
    Conventions,
    build_light_curve,
    flux_to_mag,
    mag_to_flux,
    magnitudes,
)
from atlasquery.tables import Column, Rows, build_table, rows_of_records, stack_rows
from atlasquery.tables.decoding import float_of
from atlasquery.tables.html import plain_text
from atlasquery.tables.records import check_width

__all__ = ["lsst_light_curve", "lsst_object", "lsst_times", "ztf_light_curve", "ztf_object"]

# Exposure times of ZTF and of a visit of LSST, where the packet does not have them.
EXPOSURE_TIME = 30.0
# Signal to noise from which a forced measurement counts as a detection, as limits are 5-sigma.
DETECTED = 5.0
# In forced photometry of ZTF: no measurement, or no source in the reference image.
NO_VALUE, PLACEHOLDER = -99999.0, -999.0
# A time beyond it is not a Modified Julian Date, such as the seconds of LSST's own examples.
LATEST_MJD = 1e6
FORCED = Column(
    "forced", bool, about="Forced photometry: measured where the object is.", required=True
)
TRIGGER = Column(
    "trigger", bool, about="Whether it is the measurement that the alert is of.", required=True
)
MJD = Column("mjd", required=True)
# Columns that are added to those of the packet.
TAKEN = ("forced", "trigger", "flag", "mjd")
SIGN = Column("isdiffpos", int, about="Sign of the difference flux, 1 or -1.")
SIGNS = {"t": 1, "true": 1, "1": 1, "f": -1, "false": -1, "0": -1, "-1": -1}
POSITIVE = "magpsf"


def records_of(packet: Mapping, name: str, what: str) -> list[dict]:
    """Return a list of records of a packet, empty where it has none.

    Parameters
    ----------
    packet : mapping
        The packet.
    name : str
        The field.
    what : str
        What a record is, for messages.

    Returns
    -------
    list of dict
        The records.

    Raises
    ------
    TableParseError
        If it is something else.
    """
    found = packet.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise TableParseError(f"{what}: {name} is not a list of records")
    return found


def record_of(packet: Mapping, name: str, what: str) -> dict:
    """Return a record of a packet.

    Parameters
    ----------
    packet : mapping
        The packet.
    name : str
        The field.
    what : str
        What it is, for messages.

    Returns
    -------
    dict
        The record.

    Raises
    ------
    TableParseError
        If there is none.
    """
    found = packet.get(name)
    if not isinstance(found, dict):
        raise TableParseError(f"{what}: {name} is not a record")
    return found


def _columns(
    fields: Iterable[SchemaField],
    *,
    names: Mapping[str, str],
    unit: Any,
    without: Iterable[str] = (),
) -> list[Column]:
    """Return a column for each field that one can hold."""
    columns, left_out, taken = [], {*without}, {*TAKEN}
    for field in fields:
        name = names.get(field.name, field.name)
        if field.kind is None or field.name in left_out:
            continue
        while name in taken:
            # A broker's field by the name of another column.
            name += "_wire"
        taken.add(name)
        about = plain_text(field.about, longest=200)
        columns.append(
            Column(field.name, field.kind, to=name, about=about,
                   unit=unit(name) if field.kind is float else None)
        )  # fmt: skip
    return columns


def _mask_placeholders(rows: Rows, value: float, names: Iterable[str]) -> None:
    for name in names:
        values = rows.values.get(name)
        if values is not None and values.dtype.kind in "fi":
            none = values == value
            if none.any():
                blank = np.nan if values.dtype.kind == "f" else 0
                rows.values[name] = np.where(none, blank, values)
                rows.masks[name] = rows.masks[name] | none


def _numbers(rows: Rows, name: str) -> np.ndarray:
    """Return a column of numbers, NaN where it is missing."""
    if name not in rows.values or rows.values[name].dtype.kind not in "fi":
        return np.full(len(rows), np.nan)
    return np.where(rows.masks[name], np.nan, rows.values[name])


def _strings(rows: Rows, name: str) -> np.ndarray:
    if name not in rows.values:
        return np.zeros(len(rows), "U1")
    return np.where(rows.masks[name], "", rows.values[name].astype(np.str_))


def _checked_times(mjd: np.ndarray, name: str, what: str) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(mjd) < LATEST_MJD)
    if wrong.any():
        raise TableParseError(f"{what} has a {name} that is not a date: {mjd[wrong][0]!r}")
    return mjd


def _with_schema(
    rows: Rows, values: Mapping[str, np.ndarray], mjd: np.ndarray, *, forced: bool, first: bool
) -> Rows:
    """Return rows with the columns of all light curves followed by those of the survey."""
    left_out = {*values, "mjd"}
    found = rows.without(left_out)
    for name, array in values.items():
        mask = np.isnan(array) if array.dtype.kind == "f" else None
        found.add(DECLARED[name], array, mask)
    n = len(rows)
    trigger = np.zeros(n, bool)
    trigger[:1] = first
    found.add(FORCED, np.full(n, forced))
    found.add(TRIGGER, trigger)
    found.add(MJD, mjd)
    return found


def _build(
    parts: Sequence[Rows], *, survey: str, scale: str, conventions: Conventions, meta: Mapping
) -> TimeSeries:
    length = sum(map(len, parts))
    for part in parts:
        for name, array in part.values.items():
            if array.dtype.kind == "U":
                check_width(array.dtype.itemsize // 4, length, f"{meta['source']} in {name}")
    rows = stack_rows(*parts, by="mjd")
    values = {name: rows.values[name] for name in DECLARED if name != "survey"}
    values["survey"] = np.full(len(rows), survey)
    survey_columns = rows.without((*DECLARED, *TAKEN))
    ordered = Rows(length=len(rows))
    for column in (FORCED, TRIGGER, FLAG):
        if column.name in rows.values:
            ordered.add(column, rows.values[column.name])
    for column in survey_columns.columns:
        ordered.add(column, rows.values[column.name], rows.masks[column.name])
    return build_light_curve(
        rows.values["mjd"],
        values,
        ordered,
        scale=scale,
        meta={**meta, "survey": survey, **conventions.meta()},
    )


def _without_repeats(
    records: list[dict], first: Mapping, key: str, history: list[str]
) -> list[dict]:
    """Return earlier detections without the one that the alert is of."""
    number = first.get(key)
    kept = [one for one in records if number is None or one.get(key) != number]
    if len(kept) < len(records):
        history.append(
            f"read_alert: left out {len(records) - len(kept)} of {len(records)} earlier "
            f"measurements, which repeat that of the alert ({key}={number})"
        )
    return kept


# ZTF


def ztf_light_curve(packet: Mapping, schema: PacketSchema, meta: Mapping, what: str) -> TimeSeries:
    """Return the light curve of a packet of ZTF.

    Parameters
    ----------
    packet : mapping
        The packet.
    schema : PacketSchema
        The schema it was written with.
    meta : mapping
        What is known of its origin.
    what : str
        File and number of the packet, for messages.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        Its measurement, the earlier ones, limits, and forced photometry.

    Raises
    ------
    TableParseError
        If a value is not what it should be.
    """
    history: list[str] = []
    candidate = record_of(packet, "candidate", what)
    earlier = records_of(packet, "prv_candidates", what)
    earlier = _without_repeats(earlier, candidate, "candid", history)
    measured = [one for one in earlier if one.get(POSITIVE) is not None]
    limits = [one for one in earlier if one.get(POSITIVE) is None]
    now, before = schema.fields("candidate"), schema.fields("prv_candidates")
    forced_fields = schema.fields("fp_hists")
    parts = [
        _ztf_rows(now, [candidate], what, kind="trigger"),
        _ztf_rows(before, measured, what, kind="detection"),
        _ztf_rows(before, limits, what, kind="limit"),
        _ztf_forced(forced_fields, records_of(packet, "fp_hists", what), what),
    ]
    return _build(
        parts,
        survey="ztf",
        scale="utc",
        conventions=Conventions("start", "difference"),
        meta={**meta, "history": history},
    )


def _jd(rows: Rows, what: str) -> np.ndarray:
    return _checked_times(_numbers(rows, "jd") - MJD_0, "jd (less 2400000.5)", what)


def _ztf_bands(rows: Rows) -> np.ndarray:
    numbers = _numbers(rows, "fid")
    return np.array(
        ["" if n != n else ZTF_BANDS.get(int(n), str(int(n))) for n in numbers.tolist()],
        dtype=np.str_,
    )


def _ztf_exposure_times(rows: Rows) -> np.ndarray:
    sent = _numbers(rows, "exptime")
    # Packets of the schema 3.0 have 0.
    return np.where(sent > 0, sent, EXPOSURE_TIME)


def _ztf_rows(fields: Iterable[SchemaField], records: list[dict], what: str, *, kind: str) -> Rows:
    columns = _columns(fields, names={}, unit=ZTF_UNITS.get, without=(*ZTF_OBJECT, "isdiffpos"))
    rows = rows_of_records(columns, records, what)
    _mask_placeholders(rows, PLACEHOLDER, ZTF_PLACEHOLDERS & rows.values.keys())
    _mask_no_name(rows)
    sign = _signs(records, what)
    rows.add(SIGN, sign, sign == 0)
    mag, error = _numbers(rows, "magpsf"), _numbers(rows, "sigmapsf")
    # Without its sign a flux is not known.
    flux = np.where(sign == 0, np.nan, sign) * mag_to_flux(mag)
    flux_err = np.abs(flux) * error / LN10_2_5
    with np.errstate(invalid="ignore"):
        positive = flux > 0
    limit = _numbers(rows, "diffmaglim")
    values = {
        "band": _ztf_bands(rows),
        "detection": np.full(len(rows), kind != "limit"),
        "flux": flux,
        "flux_err": flux_err,
        "mag": np.where(positive, mag, np.nan),
        "mag_err": np.where(positive, error, np.nan),
        "limiting_mag": np.where(limit > 0, limit, np.nan),
        "exposure_time": _ztf_exposure_times(rows),
        "exposure": _strings(rows, "pid"),
    }
    rows = rows.without(("jd", "diffmaglim", "exptime"))
    mjd = _jd(rows_of_records([Column("jd")], records, what), what)
    return _with_schema(rows, values, mjd, forced=False, first=kind == "trigger")


def _mask_no_name(rows: Rows) -> None:
    """Mask the name of no object of the solar system, which is written as null."""
    names = rows.values.get("ssnamenr")
    if names is not None and names.dtype.kind == "U":
        none = names == "null"
        rows.values["ssnamenr"] = np.where(none, "", names)
        rows.masks["ssnamenr"] = rows.masks["ssnamenr"] | none


def _signs(records: list[dict], what: str) -> np.ndarray:
    """Return the sign of each difference, 0 where it is not known.

    Measurements of the same night have 1 and 0, earlier ones t and f.
    """
    found = []
    for record in records:
        sent = record.get("isdiffpos")
        if sent is not None and (sign := SIGNS.get(str(sent).strip().lower())) is None:
            raise TableParseError(f"{what} has isdiffpos={sent!r:.50}, which is not a sign")
        found.append(0 if sent is None else sign)
    return np.array(found, dtype=np.int64)


def _ztf_forced(fields: Iterable[SchemaField], records: list[dict], what: str) -> Rows:
    columns = _columns(fields, names={"distnr": "distnr_forced"}, unit=_ztf_forced_unit)
    rows = rows_of_records(columns, records, what)
    _mask_placeholders(rows, NO_VALUE, [*rows.values])
    zero_point = _numbers(rows, "magzpsci")
    with np.errstate(over="ignore"):
        scale = mag_to_flux(zero_point)
    flux = _numbers(rows, "forcediffimflux") * scale
    flux_err = _numbers(rows, "forcediffimfluxunc") * scale
    bad = ~np.isfinite(flux) | ~(flux_err > 0) | ~np.isfinite(flux_err)
    flux, flux_err = np.where(bad, np.nan, flux), np.where(bad, np.nan, flux_err)
    with np.errstate(invalid="ignore"):
        detection = np.abs(flux) >= DETECTED * flux_err
    mag, mag_err = magnitudes(flux, flux_err, detection)
    limit = _numbers(rows, "diffmaglim")
    values = {
        "band": _ztf_bands(rows),
        "detection": detection,
        "flux": flux,
        "flux_err": flux_err,
        "mag": mag,
        "mag_err": mag_err,
        # Where nothing was measured at the position, the image's limit is not one for it.
        "limiting_mag": np.where(bad | ~(limit > 0), np.nan, limit),
        "exposure_time": _ztf_exposure_times(rows),
        "exposure": _strings(rows, "pid"),
    }
    mjd = _jd(rows, what)
    rows = rows.without(("jd", "diffmaglim", "exptime"))
    return _with_schema(rows, values, mjd, forced=True, first=False)


def _ztf_forced_unit(name: str) -> u.UnitBase | None:
    return ZTF_FORCED_UNITS.get(name.removesuffix("_forced"))


def ztf_object(packet: Mapping, schema: PacketSchema, what: str) -> Row:
    """Return what a packet of ZTF has on its object.

    Parameters
    ----------
    packet : mapping
        The packet.
    schema : PacketSchema
        The schema it was written with.
    what : str
        File and number of the packet, for messages.

    Returns
    -------
    `~astropy.table.Row`
        Name, position, history, and the nearest sources of other catalogues.
    """
    candidate = record_of(packet, "candidate", what)
    wanted = {"ra", "dec", *ZTF_OBJECT, "ssdistnr", "ssmagnr", "ssnamenr"}
    fields = [field for field in schema.fields("candidate") if field.name in wanted]
    name = Column("objectId", str, about="ZTF's name of the object.")
    rows = rows_of_records(
        [name, *_columns(fields, names={}, unit=ZTF_UNITS.get)],
        [{**candidate, "objectId": packet.get("objectId")}],
        what,
    )
    _mask_placeholders(rows, PLACEHOLDER, ZTF_PLACEHOLDERS & rows.values.keys())
    _mask_no_name(rows)
    return build_table(rows)[0]


# LSST


def lsst_times(record: Mapping) -> float:
    """Return the time of a measurement of LSST.

    Parameters
    ----------
    record : mapping
        A record of any version.

    Returns
    -------
    float
        MJD in TAI, NaN if there is none.
    """
    return float_of(record.get("midpointMjdTai", record.get("midPointTai")))


def lsst_light_curve(packet: Mapping, schema: PacketSchema, meta: Mapping, what: str) -> TimeSeries:
    """Return the light curve of a packet of LSST.

    Parameters
    ----------
    packet : mapping
        The packet.
    schema : PacketSchema
        The schema it was written with.
    meta : mapping
        What is known of its origin.
    what : str
        File and number of the packet, for messages.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        Its measurement, the earlier ones, forced photometry, and limits.

    Raises
    ------
    TableParseError
        If a value is not what it should be.
    """
    history: list[str] = []
    source = record_of(packet, "diaSource", what)
    earlier = records_of(packet, "prvDiaSources", what)
    earlier = _without_repeats(earlier, source, "diaSourceId", history)
    lists = {
        name: (schema.fields(name), records_of(packet, name, what))
        for name in ("prvDiaForcedSources", "prvDiaNondetectionLimits")
    }
    parts = [
        _lsst_rows(schema.fields("diaSource"), [source], what, kind="trigger"),
        _lsst_rows(schema.fields("prvDiaSources"), earlier, what, kind="detection"),
        _lsst_rows(*lists["prvDiaForcedSources"], what, kind="forced"),
        _lsst_rows(*lists["prvDiaNondetectionLimits"], what, kind="limit"),
    ]
    return _build(
        parts,
        survey="lsst",
        scale="tai",
        conventions=Conventions("middle", "difference"),
        meta={**meta, "history": history},
    )


# Numbers of other rows, of which 0 stands for none.
LSST_REFERENCES = ("diaObjectId", "ssObjectId", "parentDiaSourceId")


def _lsst_rows(fields: Iterable[SchemaField], records: list[dict], what: str, *, kind: str) -> Rows:
    columns = _columns(fields, names=LSST_NAMES, unit=lsst_unit)
    rows = rows_of_records(columns, records, what)
    _mask_placeholders(rows, 0, LSST_REFERENCES)
    flux, flux_err = (_numbers(rows, name) * UJY_PER_NJY for name in ("psfFlux", "psfFluxErr"))
    measured = np.full(len(rows), kind in ("trigger", "detection"))
    if kind == "forced":
        with np.errstate(invalid="ignore"):
            measured = np.abs(flux) >= DETECTED * flux_err
    mag, mag_err = magnitudes(flux, flux_err, measured)
    exposed = _numbers(rows, "exposureTime")
    exposure = "visit" if "visit" in rows.values else "ccdVisitId"
    values = {
        "band": _strings(rows, "band"),
        "detection": measured,
        "flux": flux,
        "flux_err": flux_err,
        "mag": mag,
        "mag_err": mag_err,
        "limiting_mag": flux_to_mag(5.0 * flux_err),
        "exposure_time": np.where(exposed > 0, exposed, EXPOSURE_TIME),
        "exposure": _strings(rows, exposure),
    }
    withdrawn = np.isfinite(_numbers(rows, "timeWithdrawnMjdTai"))
    mjd = _checked_times(_numbers(rows, "midpointMjdTai"), "midpointMjdTai", what)
    rows = rows.without(("midpointMjdTai", "exposureTime"))
    rows.add(FLAG, np.where(withdrawn, int(Flag.WITHDRAWN), 0))
    return _with_schema(rows, values, mjd, forced=kind == "forced", first=kind == "trigger")


def lsst_object(packet: Mapping, schema: PacketSchema, what: str) -> Row:
    """Return what a packet of LSST has on its object.

    Parameters
    ----------
    packet : mapping
        The packet.
    schema : PacketSchema
        The schema it was written with.
    what : str
        File and number of the packet, for messages.

    Returns
    -------
    `~astropy.table.Row`
        The survey's record of the object; all masked if the packet has none.
    """
    record = packet.get("diaObject") or {}
    if not isinstance(record, dict):
        raise TableParseError(f"{what}: diaObject is not a record")
    columns = _columns(schema.fields("diaObject"), names=LSST_NAMES, unit=lsst_unit)
    if not columns:
        # A broker has left it out.
        columns = [Column("diaObjectId", int)]
    rows = rows_of_records(columns, [record], what)
    _mask_placeholders(rows, 0, LSST_REFERENCES)
    return build_table(rows)[0]

"""Measurements of objects: light curves of one or many, detections, limits, forced photometry."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np
from astropy.table import Table
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.alerce.base import AlerceQuery, Oid, check_oid, check_oids, decode_plain, plain_json
from atlasquery.alerce.batches import ask_in_halves
from atlasquery.alerce.classes import object_table, with_band
from atlasquery.alerce.columns import DETECTION, NON_DETECTION
from atlasquery.alerce.lsst_columns import BANDS as LSST_BANDS
from atlasquery.alerce.lsst_columns import DETECTION as LSST_DETECTION
from atlasquery.alerce.lsst_columns import FORCED as LSST_FORCED
from atlasquery.alerce.objects import query_object
from atlasquery.alerce.paging import check_lsst_object
from atlasquery.alerce.photometry import (
    TIME_SCALE,
    decode_forced,
    decode_v2,
    decode_v2_detections,
    light_curve,
    lsst_schema,
    split_by_object,
    unmask_zero,
    without_fillers,
    ztf_schema,
)
from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    NoResultsWarning,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.lightcurve.display import LightCurveDisplay
from atlasquery.service.collection import ResultMapping
from atlasquery.service.failures import check_on_error, deliver
from atlasquery.service.inputs import check_window
from atlasquery.service.query import one_or_all
from atlasquery.tables import Columns, Rows, check_answers, decode_rows, only_of
from atlasquery.warn import warn

__all__ = [
    "build_series",
    "check_times",
    "describe_curve",
    "detections_payload",
    "get_detections",
    "get_forced_photometry",
    "get_light_curve",
    "get_light_curves",
    "get_non_detections",
    "read_lsst_measured",
    "read_lsst_rows",
    "read_measured",
]

# Objects of LSST in one request for measurements: 20 rows of 100 keys each, some 2 MB.
LSST_CHUNK = 25


class _Both(msgspec.Struct):
    detections: msgspec.Raw = msgspec.Raw(b"[]")
    non_detections: msgspec.Raw = msgspec.Raw(b"[]")


class _Everything(msgspec.Struct):
    detections: msgspec.Raw = msgspec.Raw(b"[]")
    forced_photometry: msgspec.Raw = msgspec.Raw(b"[]")


class Measured(NamedTuple):
    """The measurements of an object.

    Attributes
    ----------
    parts : list of tuple
        Pairs of Rows and what they are: ``"detection"``, ``"non_detection"`` or ``"forced"``.
    when : float
        The Unix time at which the first of them came.
    missing : str
        What is missing and why; empty if nothing is.
    """

    parts: list[tuple[Rows, str]]
    when: float
    missing: str = ""

    def __len__(self) -> int:
        return sum(len(rows) for rows, _ in self.parts)


def get_detections(
    self: AlerceQuery,
    oid: str | int,
    *,
    survey: str = "ztf",
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the detections of an object, with all columns of the survey.

    Parameters
    ----------
    oid : str or int
        The name of an object of ZTF, or the number of one of LSST.
    survey : {"ztf", "lsst"}, optional
        The survey whose object it is.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ZTF: ``band``, ``candid``, ``mjd`` (d, UTC), ``magpsf`` (mag, without the
        sign that ``isdiffpos`` has) and more; ``drbversion`` is masked where the
        second version of the API fails, which alone has it. LSST: ``mjd`` (d,
        TAI), ``psfFlux`` (nJy) and more. What is not known is masked.

    Raises
    ------
    NotFoundError
        If ALeRCE does not know the object.

    Warns
    -----
    NoResultsWarning
        If there are none.

    See Also
    --------
    get_light_curve : The same in the columns that all surveys share.

    References
    ----------
    The route ``/detections/{oid}`` of the second version of the light curves, else
    ``/objects/{oid}/detections`` of the ZTF API; ``lightcurve_api/detections`` for LSST.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> Alerce.get_detections("ZTF18aaaaaaa")["magpsf"].unit
    Unit("mag")
    """
    name = check_oid(oid, survey)
    if get_query_payload:
        return detections_payload(self, name, survey)
    if survey == "lsst":
        rows, when = read_lsst_rows(self, "detections", [name], LSST_DETECTION, cache)
        rows = with_band(unmask_zero(rows), bands=LSST_BANDS)
    else:
        rows, when = _ztf_detections(self, name, cache)
        rows = with_band(rows)
    return object_table(self, _by_time(rows), when, "get_detections", survey, name)


def get_non_detections(
    self: AlerceQuery,
    oid: str | int,
    *,
    survey: str = "ztf",
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the exposures that did not show an object.

    Parameters
    ----------
    oid : str or int
        The name of an object of ZTF, or the number of one of LSST.
    survey : {"ztf", "lsst"}, optional
        The survey whose object it is; LSST has none so far.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``band``, ``mjd`` (d), ``diffmaglim`` (mag, the 5-sigma limit).

    Raises
    ------
    NotFoundError
        If ALeRCE does not know the object.

    Warns
    -----
    NoResultsWarning
        If there are none.

    References
    ----------
    The route ``/objects/{oid}/non_detections`` of the ZTF API,
    ``lightcurve_api/non_detections`` for LSST.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> len(Alerce.get_non_detections("ZTF18aaaaaaa"))
    18
    """
    name = check_oid(oid, survey)
    if get_query_payload:
        if survey == "lsst":
            return self._payload("lsst_non_detections", {"survey_id": "lsst", "oid": [name]})
        return self._payload("non_detections", {}, {"oid": name})
    if survey == "lsst":
        rows, when = read_lsst_rows(self, "non_detections", [name], NON_DETECTION, cache)
    else:
        rows, when = _ztf_rows(self, name, "non_detections", NON_DETECTION, cache)
    rows = with_band(rows, bands=LSST_BANDS if survey == "lsst" else None)
    return object_table(self, _by_time(rows), when, "get_non_detections", survey, name)


def get_forced_photometry(
    self: AlerceQuery,
    oid: str | int,
    *,
    survey: str = "ztf",
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> TimeSeries:
    """Fetch the forced photometry of an object.

    Parameters
    ----------
    oid : str or int
        The name of an object of ZTF, or the number of one of LSST.
    survey : {"ztf", "lsst"}, optional
        The survey whose object it is.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time; a bare number is an MJD in UTC. The default is all.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        The columns of `get_light_curve`, then those of the survey's forced
        photometry. What the server sends as 100.0 mag, or as 0.0 nJy, is masked.

    Raises
    ------
    NotFoundError
        If ALeRCE does not know the object.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``/forced-photometry/{oid}`` of the second version of the light
    curves for ZTF, ``lightcurve_api/forced-photometry`` for LSST.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> forced = Alerce.get_forced_photometry("ZTF18aaaaaaa")
    >>> int(forced["flux"].mask.sum())
    3
    """
    name = check_oid(oid, survey)
    window = check_times(start, end, survey)
    if get_query_payload:
        if survey == "lsst":
            sent = {"survey_id": "lsst", "oid": [name, name]}
            return self._payload("lsst_forced_photometry", sent)
        return self._payload("v2_forced_photometry", {"survey_id": "ztf"}, {"oid": name})
    measured = _forced(self, name, survey, cache)
    return _curve(self, measured, "get_forced_photometry", survey, name, window)


def get_light_curve(
    self: AlerceQuery,
    oid: str | int,
    *,
    survey: str = "ztf",
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    forced: bool = False,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> TimeSeries:
    """Fetch the light curve of an object: detections and limits together.

    Parameters
    ----------
    oid : str or int
        The name of an object of ZTF, or the number of one of LSST.
    survey : {"ztf", "lsst"}, optional
        The survey whose object it is.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time; a bare number is an MJD in UTC. The default is
        the full history.
    forced : bool, optional
        Whether forced photometry is in it too; its rows have ``forced`` set. If
        the server fails for it, the rest comes with a warning, and
        ``meta["missing"]`` has the reason.
    cache : bool, optional
        Whether cached responses are used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        ``time`` (ZTF: UTC, start of the exposure; LSST: TAI, its middle),
        ``band``, ``detection``, ``flux`` and ``flux_err`` (uJy, of the difference,
        signed), ``mag`` and ``mag_err`` (masked for negative fluxes),
        ``limiting_mag``, ``exposure_time`` (30 s where the survey does not send
        it), ``survey``, ``exposure``, ``forced``; then the survey's own, among
        them ZTF's corrected magnitudes.

    Raises
    ------
    NotFoundError
        If ALeRCE does not know the object.

    Warns
    -----
    NoResultsWarning
        If there are no measurements.

    References
    ----------
    The route ``/objects/{oid}/lightcurve`` of the ZTF API, or ``/lightcurve/{oid}`` of
    the second version of the light curves with `forced`; for LSST
    ``lightcurve_api/detections`` or ``lightcurve_api/lightcurve``.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> lc = Alerce.get_light_curve("ZTF20aaaaaac")
    >>> lc.colnames[:5], lc.time.scale
    (['time', 'band', 'detection', 'flux', 'flux_err'], 'utc')
    """
    name = check_oid(oid, survey)
    window = check_times(start, end, survey)
    if get_query_payload:
        return _measured_payload(self, [name], survey, forced)
    measured = read_measured(self, name, survey, forced, cache)
    return _curve(self, measured, "get_light_curve", survey, name, window)


def detections_payload(client: AlerceQuery, name: Oid, survey: str) -> dict:
    """Return what `get_detections` sends first."""
    if survey == "lsst":
        return client._payload("lsst_detections", {"survey_id": "lsst", "oid": [name]})
    return client._payload("v2_detections", {"survey_id": "ztf"}, {"oid": name})


def _measured_payload(client: AlerceQuery, names: list, survey: str, forced: bool) -> Any:
    """Return what is sent first for the light curves of an object, or of several of LSST."""
    if survey == "lsst":
        oids = names * 2 if forced and len(names) == 1 else names
        route = "lsst_light_curve" if forced else "lsst_detections"
        return client._payload(route, {"survey_id": "lsst", "oid": oids})
    route = "v2_light_curve" if forced else "light_curve"
    return client._payload(route, {"survey_id": "ztf"} if forced else {}, {"oid": names[0]})


def read_measured(
    client: AlerceQuery, name: Oid, survey: str, forced: bool, cache: bool | None
) -> Measured:
    """Return all rows of an object in the columns of light curves."""
    if survey == "lsst":
        return read_lsst_measured(client, [name], forced, cache)[name]
    if forced and (everything := _ztf_everything(client, name, cache)):
        return everything
    (detections, non_detections), when = client._fetch(
        "light_curve",
        {},
        fields={"oid": name},
        decode=_decode_both,
        cache=cache,
        unknown=str(name),
    )
    parts = [(detections, "detection"), (non_detections, "non_detection")]
    if not forced:
        return Measured(parts, when)
    try:
        return Measured([*parts, (_forced_rows(client, name, cache)[0], "forced")], when)
    except (RemoteServiceError, TableParseError, TimeoutError) as error:
        return Measured(parts, when, f"forced photometry: {error}")


def _ztf_everything(client: AlerceQuery, name: Oid, cache: bool | None) -> Measured | None:
    """Return what the second version of the API has of an object of ZTF, if it can.

    It fails for a NaN in its database, and an empty response may be of an unknown object:
    for these the first version is asked.
    """
    try:
        parts, when = client._fetch(
            "v2_light_curve",
            {"survey_id": "ztf"},
            fields={"oid": name},
            decode=lambda body: decode_v2(body, name),
            cache=cache,
            once=True,
        )
    except (RemoteServiceError, TableParseError, TimeoutError) as error:
        if isinstance(error, RemoteServiceError) and (error.status or 0) < 400:
            raise
        return None
    if not any(map(len, parts)):
        return None
    kinds = ("detection", "non_detection", "forced")
    return Measured(list(zip(parts, kinds, strict=True)), when)


def _forced(client: AlerceQuery, name: Oid, survey: str, cache: bool | None) -> Measured:
    if survey == "ztf":
        rows, when = _forced_rows(client, name, cache)
        if not len(rows):
            # Unknown, or without rows: see docs/servers/alerce.rst, "Empty or unknown".
            query_object(client, name, survey=survey, cache=cache)
        return Measured([(rows, "forced")], when)
    rows, when, error = _lsst_forced(client, [name], cache)[name]
    if error and not len(rows):
        raise error
    if not len(rows):
        check_lsst_object(client, name, cache)
    return Measured([(rows, "forced")], when, _missing(rows, error))


def _forced_rows(client: AlerceQuery, name: Oid, cache: bool | None) -> tuple[Rows, float]:
    return client._fetch(
        "v2_forced_photometry",
        {"survey_id": "ztf"},
        fields={"oid": name},
        decode=only_of(decode_forced, "oid", name, "the object"),
        cache=cache,
        unknown=str(name),
    )


def _ztf_detections(client: AlerceQuery, name: Oid, cache: bool | None) -> tuple[Rows, float]:
    """Return detections with all columns of either version of the API."""
    try:
        rows, when = client._fetch(
            "v2_detections",
            {"survey_id": "ztf"},
            fields={"oid": name},
            decode=lambda body: without_fillers(decode_v2_detections(plain_json(body), name)),
            cache=cache,
            once=True,
        )
    except (RemoteServiceError, TableParseError, TimeoutError):
        # It fails for a NaN in its database, or does not exist.
        rows = None
    if rows is None or not len(rows):
        rows, when = _ztf_rows(client, name, "detections", DETECTION, cache)
    return rows, when


def _ztf_rows(
    client: AlerceQuery, name: Oid, route: str, columns: Columns, cache: bool | None
) -> tuple[Rows, float]:
    return client._fetch(
        route,
        {},
        fields={"oid": name},
        decode=lambda body: without_fillers(decode_plain(columns, body)),
        cache=cache,
        unknown=str(name),
    )


def read_lsst_rows(
    client: AlerceQuery, kind: str, names: list, columns: Columns, cache: bool | None
) -> tuple[Rows, float]:
    """Return rows of objects of LSST.

    For forced photometry of one object its number is sent twice: see docs/servers/alerce.rst,
    "Ten rows for one object".
    """
    rows, when = client._fetch(
        f"lsst_{kind}",
        {"survey_id": "lsst", "oid": names},
        decode=only_of(lambda body: decode_plain(columns, body), "oid", names, "the object"),
        cache=cache,
        unknown=", ".join(map(str, names[:3])),
        # Many are requested in halves; for a null in forced photometry it fails each time.
        once=len(names) > 1 or kind == "forced_photometry",
    )
    if not len(rows) and len(names) == 1 and kind != "forced_photometry":
        check_lsst_object(client, names[0], cache)
    return rows, when


def read_lsst_measured(
    client: AlerceQuery, names: list, forced: bool, cache: bool | None
) -> dict[Oid, Measured]:
    """Return the measurements of each of several objects of LSST, from one request for all."""
    if forced and (found := _lsst_everything(client, names, cache)):
        return found
    detections, when = read_lsst_rows(client, "detections", names, LSST_DETECTION, cache)
    seen = split_by_object(detections, names)
    if not forced:
        return {name: Measured([(seen[name], "detection")], when) for name in names}
    found = {}
    for name, (rows, came, error) in _lsst_forced(client, names, cache).items():
        parts = [(seen[name], "detection"), (rows, "forced")]
        found[name] = Measured(parts, min(when, came), _missing(rows, error))
    return found


def _lsst_everything(
    client: AlerceQuery, names: list, cache: bool | None
) -> dict[Oid, Measured] | None:
    """Return detections and forced photometry from one response, if the server can."""
    try:
        (detections, rows), when = client._fetch(
            "lsst_light_curve",
            {"survey_id": "lsst", "oid": names * 2 if len(names) == 1 else names},
            decode=_decode_everything,
            cache=cache,
            once=True,
        )
    except (RemoteServiceError, TableParseError, TimeoutError) as error:
        if isinstance(error, RemoteServiceError) and (error.status or 0) < 400:
            raise
        return None
    for part in (detections, rows):
        check_answers(part.values["oid"], names, "the object", service=client.service)
    if len(names) == 1 and not len(detections) and not len(rows):
        check_lsst_object(client, names[0], cache)
    seen, measured = split_by_object(detections, names), split_by_object(rows, names)
    return {
        name: Measured([(seen[name], "detection"), (measured[name], "forced")], when)
        for name in names
    }


def _lsst_forced(
    client: AlerceQuery, names: list, cache: bool | None
) -> dict[Oid, tuple[Rows, float, Exception | None]]:
    """Return the forced photometry of objects of LSST, when it came, and what failed.

    A null flux makes the server fail for its object, and for all others of the request.
    """

    def read(part: list) -> tuple[Rows, float]:
        sent = part * 2 if len(part) == 1 else part
        return read_lsst_rows(client, "forced_photometry", sent, LSST_FORCED, cache)

    found: dict = {}
    for part, answer in ask_in_halves(read, names):
        if not isinstance(answer, Exception):
            rows, when = answer
            split = split_by_object(rows, part)
            found |= {name: (split[name], when, None) for name in part}
            continue
        for name in part:
            found[name] = _lsst_forced_part(client, name, answer, cache)
    return {name: found[name] for name in names}


def _lsst_forced_part(
    client: AlerceQuery, name: Oid, error: Exception, cache: bool | None
) -> tuple:
    """Return the ten rows that the server sends of one object, which may be without a null."""
    try:
        rows, when = read_lsst_rows(client, "forced_photometry", [name], LSST_FORCED, cache)
    except (RemoteServiceError, TableParseError, TimeoutError):
        rows, when = decode_rows(LSST_FORCED, b"[]"), client._clock.now()
    return rows, when, error


def _curve(
    client: AlerceQuery, measured: Measured, query: str, survey: str, name: Oid, window: tuple
) -> TimeSeries:
    meta = describe_curve(client, measured, query, survey, name)
    series = build_series(measured, survey, window, meta)
    if measured.missing:
        warn(
            f"Of {name}, this is missing: {measured.missing}",
            InputWarning,
        )
    elif not len(series):
        warn(f"ALeRCE has no measurement of {name}", NoResultsWarning)
    return series


def describe_curve(
    client: AlerceQuery, measured: Measured, query: str, survey: str, name: Oid
) -> dict:
    """Return what a light curve says of its origin."""
    meta = client._origin(measured.when, survey, query=query) | {"object": str(name)}
    return meta | ({"missing": measured.missing} if measured.missing else {})


def build_series(measured: Measured, survey: str, window: tuple, meta: dict) -> TimeSeries:
    """Build the light curve of an object from its measurements.

    Parameters
    ----------
    measured : Measured
        Its measurements.
    survey : {"ztf", "lsst"}
        The survey.
    window : tuple of float or None
        First and last MJD, in the time scale of the survey.
    meta : dict
        Its origin.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row per exposure, and for forced photometry one more.
    """
    schema = lsst_schema if survey == "lsst" else ztf_schema
    parts = [schema(rows, kind=kind) for rows, kind in measured.parts]
    return light_curve(parts, survey=survey, window=window, meta=meta)


def _decode_both(body: bytes) -> tuple[Rows, Rows]:
    # The body can be null: see docs/servers/alerce.rst, "Light curves of v1".
    both = msgspec.json.decode(plain_json(body), type=_Both | None) or _Both()
    parts = (DETECTION, both.detections), (NON_DETECTION, both.non_detections)
    detections, non_detections = (decode_rows(*part) for part in parts)
    return detections, non_detections


def _decode_everything(body: bytes) -> tuple[Rows, Rows]:
    both = msgspec.json.decode(plain_json(body), type=_Everything)
    forced = decode_rows(LSST_FORCED, both.forced_photometry)
    return decode_rows(LSST_DETECTION, both.detections), forced


def _missing(rows: Rows, error: Exception | None) -> str:
    """Return what is missing because the server failed, in words."""
    if error is None:
        return ""
    return (
        f"forced photometry, of which {len(rows)} rows came: the server fails for it, as it does "
        f"for a null flux ({error})"
    )


def _by_time(rows: Rows) -> Rows:
    return rows.take(np.argsort(rows.values["mjd"], kind="stable"))


def check_times(start: object, end: object, survey: str) -> tuple:
    """Return a time window in the time scale of the survey.

    Parameters
    ----------
    start, end : `~astropy.time.Time`, str, float or None
        The bounds; a bare number is an MJD in UTC.
    survey : {"ztf", "lsst"}
        The survey.

    Returns
    -------
    tuple of float or None
        First and last MJD.
    """
    bounds = check_window(start, end)
    if survey == "ztf":
        return bounds
    scale = TIME_SCALE[survey]
    try:
        times = [
            None if b is None else getattr(Time(b, format="mjd", scale="utc"), scale).mjd
            for b in bounds
        ]
    except ValueError as error:
        raise InvalidQueryError(f"start={start!r}, end={end!r}: {error}") from error
    return tuple(times)


class LightCurveCollection(LightCurveDisplay, ResultMapping):
    """Light curves of many objects by name, in the order asked for.

    Their rows are read when they arrive; each light curve is built when it is first used.

    Returned by `AlerceClass.get_light_curves`. A number of LSST may be given as an
    integer or as a string.

    Parameters
    ----------
    what : str
        What its values are.
    key : callable
        Turns a name as a user gives it into the name of a light curve.
    """

    def __init__(self, what: str, *, key: Callable[[Any], Oid]):
        super().__init__(what, key=key)
        self._unbuilt: dict[Oid, Callable[[], TimeSeries]] = {}

    def _add(self, name: Oid, build: Callable[[], TimeSeries]) -> None:
        """Add an object with what builds its light curve, which is slow."""
        self._products[name] = None
        self._unbuilt[name] = build

    def __getitem__(self, object_id: object) -> TimeSeries:
        product = super().__getitem__(object_id)
        if product is None:
            name = self._key(object_id)
            # Another thread may build it at the same time.
            if (build := self._unbuilt.get(name)) is not None:
                self._products[name] = build()
                self._unbuilt.pop(name, None)
            product = self._products[name]
        return product


def get_light_curves(
    self: AlerceQuery,
    oids: str | int | list,
    *,
    survey: str = "ztf",
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    forced: bool = False,
    on_error: str = "raise",
    cache: bool | None = None,
    get_query_payload: bool = False,
    progress: bool = True,
) -> LightCurveCollection:
    """Fetch the light curves of many objects, several at a time.

    Parameters
    ----------
    oids : str, int or sequence
        The names of the objects; one given twice is requested once.
    survey : {"ztf", "lsst"}, optional
        The survey whose objects they are.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time; a bare number is an MJD in UTC.
    forced : bool, optional
        Whether forced photometry is in them too.
    on_error : {"raise", "warn"}, optional
        What to do when some objects failed, after all others were fetched:
        raise an error that has the rest as ``result``, or return the rest
        with a warning.
    cache : bool, optional
        Whether cached responses are used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.
    progress : bool, optional
        Whether a bar is shown, for long jobs on a terminal or in a notebook.

    Returns
    -------
    LightCurveCollection
        A mapping of names to what `get_light_curve` returns, in the order asked
        for, with ``failures``: name and exception of each object that failed.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    IncompleteResultError
        If some objects failed, with ``result`` and ``failures``.

    Warns
    -----
    InputWarning
        If some objects failed, with ``on_error="warn"``, or if the server fails for
        the forced photometry of some: ``meta["missing"]`` of these has the reason.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> curves = Alerce.get_light_curves(["ZTF18aaaaaaa", "ZTF19aaaaaab"])
    >>> curves
    <Collection of 2 TimeSeries>
    >>> len(curves["ZTF19aaaaaab"]) > 18
    True
    """
    names = list(dict.fromkeys(check_oids(oids, survey)))
    check_on_error(on_error)
    window = check_times(start, end, survey)
    if get_query_payload:
        size = LSST_CHUNK if survey == "lsst" else 1
        chunks = [names[n : n + size] for n in range(0, len(names), size)]
        payloads = [_measured_payload(self, chunk, survey, forced) for chunk in chunks]
        return one_or_all(payloads)
    found = LightCurveCollection("TimeSeries", key=partial(check_oid, survey=survey))
    if survey == "lsst":
        answers = _lsst_many(self, names, forced, cache, progress)
    else:
        answers = self._each(
            lambda name: read_measured(self, name, survey, forced, cache), names, progress=progress
        )
    missing = []
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, Exception):
            found.failures.append((name, answer))
            continue
        # One object of many without measurements is an empty light curve, without a warning.
        meta = describe_curve(self, answer, "get_light_curves", survey, name)
        found._add(name, partial(build_series, answer, survey, window, meta))
        if answer.missing:
            missing.append((name, answer.missing))
    if missing:
        first, reason = missing[0]
        warn(
            f"Of {len(missing)} of {len(names)} objects something is missing, as "
            f"meta['missing'] of each says; of the first, {first}: {reason}",
            InputWarning,
        )
    return deliver(
        found,
        found.failures,
        on_error=on_error,
        service=self.service,
        total=len(names),
    )


def _lsst_chunk(
    client: AlerceQuery, names: list, forced: bool, hopeless: threading.Event, cache: bool | None
) -> dict:
    """Return the measurements of each object, or its error, which does not affect the others."""
    found: dict = {}
    for part, answer in ask_in_halves(
        lambda part: read_lsst_measured(client, part, forced, cache), names, hopeless
    ):
        found |= dict.fromkeys(part, answer) if isinstance(answer, Exception) else answer
    return found


def _lsst_many(
    client: AlerceQuery, names: list, forced: bool, cache: bool | None, progress: bool
) -> list:
    chunks = [names[n : n + LSST_CHUNK] for n in range(0, len(names), LSST_CHUNK)]
    hopeless = threading.Event()
    answers = client._each(
        lambda chunk: _lsst_chunk(client, chunk, forced, hopeless, cache),
        chunks,
        progress=progress,
    )
    found: dict = {}
    for chunk, answer in zip(chunks, answers, strict=True):
        found |= dict.fromkeys(chunk, answer) if isinstance(answer, Exception) else answer
    silent = [
        name for name in names
        if not isinstance(found[name], Exception)
        and not found[name].missing
        and not len(found[name])
    ]  # fmt: skip
    if silent:
        return _without_unknown(client, found, silent, cache)
    return [found[name] for name in names]


def _without_unknown(client: AlerceQuery, found: dict, silent: list, cache: bool | None) -> list:
    """Replace the empty responses of objects that ALeRCE does not know by errors."""
    answers = client._each(lambda name: check_lsst_object(client, name, cache), silent)
    for name, answer in zip(silent, answers, strict=True):
        if isinstance(answer, Exception):
            # It is not known, or this could not be found out.
            found[name] = answer
    return list(found.values())

"""The queries for photometry: one light curve, or many, none lost over another."""

from numbers import Real
from typing import Any

import numpy as np
from astropy.table import Table
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InputWarning, InvalidQueryError, NoResultsWarning
from atlasquery.service.collection import ResultMapping
from atlasquery.service.failures import check_on_error, deliver, some
from atlasquery.service.inputs import check_window
from atlasquery.service.pool import run_all
from atlasquery.service.query import Payload
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import check_source_id
from atlasquery.skyportal.reads.names import each_source, source_path
from atlasquery.skyportal.tables.columns import STATISTICS
from atlasquery.skyportal.tables.light_curves import decode_photometry, light_curve, unplaced
from atlasquery.tables import (
    Column,
    Rows,
    build_table,
    convert_json,
    decode_json,
    float_of,
    only_of,
)
from atlasquery.warn import warn

__all__ = [
    "get_light_curves",
    "get_photometry",
    "get_photometry_statistics",
]

ALL, EACH = "_global", "_per_filter"
FILTER_NAME = Column("filter", str, about="Name of the filter; masked for all together.")


# What the server itself calls a detection.
DETECTED = 5.0


def get_photometry(
    self: SkyPortalQuery,
    source_id: str | int,
    *,
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    detection_snr: float = DETECTED,
    deduplicate: bool = False,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> TimeSeries:
    """Fetch the light curve of an object: all measurements of all instruments.

    Parameters
    ----------
    source_id : str or int
        The object's name on this instance; it may be a candidate.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time; a bare number is an MJD in UTC.
    detection_snr : float, optional
        Signal to noise from which a row is a detection, whatever its sign. The
        server's word is not taken: its magnitude is missing for any flux that
        is not above 0, and there for the faintest that is.
    deduplicate : bool, optional
        Whether only the latest row of each time and filter is returned, where an
        exposure was uploaded more than once.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        The columns of all light curves: ``time`` (UTC), ``band``, ``detection``,
        ``flux``, ``flux_err`` (uJy, signed), ``mag``, ``mag_err``,
        ``limiting_mag`` (mag, AB) and so on; then ``limiting_mag_uploaded``
        (mag), ``filter``, ``snr``, ``instrument``, ``instrument_id``, ``origin``,
        ``photometry_id``, ``ra``, ``dec`` (deg), ``ra_err``, ``dec_err``
        (arcsec), ``altdata`` (JSON), ``created_at``, ``groups`` and what else the
        server sends. The filters ``atlasc``, ``atlaso``, ``ztfg``, ``lsstg`` and
        others are the bands ``c``, ``o``, ``g``, ``g`` of those surveys; any
        other filter is its own band, of a survey named as its instrument.
        ``limiting_mag`` is of 5 sigma where that can be known; see
        ``meta["limiting_mag"]``.

    Raises
    ------
    NotFoundError
        If there is no such object, or none that this account may see.

    Warns
    -----
    InputWarning
        If there are rows without a time or a filter: they are left out, and named here
        and in ``meta["rows_left_out"]``.
    NoResultsWarning
        If there are no measurements.

    See Also
    --------
    get_light_curves : The light curves of many objects.

    References
    ----------
    The route ``GET /api/sources/{id}/photometry``,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> lc = SkyPortal.get_photometry("ATLAS24abc")
    >>> print(lc["band", "detection", "flux", "mag"][20:22])
    band detection  flux         mag
                    uJy          mag
    ---- --------- ----- -----------------
       c      True 548.3  17.0524543852913
       o      True 571.4 17.00764940988319
    """
    name = check_source_id(source_id)
    window, snr = check_window(start, end), _check_snr(detection_snr)
    if get_query_payload:
        return self._query_payload(*_request(name, deduplicate))
    rows, when = _photometry(self, name, deduplicate, cache)
    series = _curve(self, name, rows, when, snr, window, "get_photometry")
    if not len(series):
        warn(f"SkyPortal has no photometry of {name}", NoResultsWarning)
    return series


def get_light_curves(
    self: SkyPortalQuery,
    source_ids: str | int | list,
    *,
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    detection_snr: float = DETECTED,
    deduplicate: bool = False,
    on_error: str = "raise",
    cache: bool | None = None,
    get_query_payload: bool = False,
    progress: bool = True,
) -> ResultMapping:
    """Fetch the light curves of many objects, several at a time.

    Parameters
    ----------
    source_ids : str, int or sequence
        The names of the objects; one given twice is asked for once.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time; a bare number is an MJD in UTC.
    detection_snr : float, optional
        Signal to noise from which a row is a detection, whatever its sign.
    deduplicate : bool, optional
        Whether only the latest row of each time and filter is returned.
    on_error : {"raise", "warn"}, optional
        What to do when some objects failed, after all others were fetched: raise an
        error that has the rest as ``result``, or return the rest with a warning.
    cache : bool, optional
        Whether cached responses are used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.
    progress : bool, optional
        Whether a bar is shown, for long jobs on a terminal or in a notebook.

    Returns
    -------
    ResultMapping
        A mapping of names to what `get_photometry` returns, in the order asked for,
        with ``failures``: name and exception of each object that failed.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    IncompleteResultError
        If some objects failed, with ``result`` and ``failures``.

    Warns
    -----
    InputWarning
        If some objects failed, with ``on_error="warn"``; and of rows without a time or a
        filter, which are left out.

    References
    ----------
    The route ``GET /api/sources/{id}/photometry``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> curves = SkyPortal.get_light_curves(["ATLAS24abc", "ZTF24abcdefg"])
    >>> curves
    <Collection of 2 TimeSeries>
    >>> set(curves["ZTF24abcdefg"]["band"]) == {"g", "r"}
    True
    """
    names = list(dict.fromkeys(each_source(source_ids)))
    check_on_error(on_error)
    window, snr = check_window(start, end), _check_snr(detection_snr)
    if get_query_payload:
        payloads: Payload = [self._query_payload(*_request(name, deduplicate)) for name in names]
        return payloads
    found = ResultMapping("TimeSeries", key=check_source_id)
    answers = run_all(
        lambda name: _photometry(self, name, deduplicate, cache),
        names,
        concurrency=self.conf.concurrency,
        interrupt=self._clock.interrupt,
        progress=progress,
    )
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, Exception):
            found.failures.append((name, answer))
        else:
            rows, when = answer
            curve = _curve(self, name, rows, when, snr, window, "get_light_curves")
            found._products[name] = curve
    return deliver(
        found,
        found.failures,
        on_error=on_error,
        service=self.service,
        total=len(names),
    )


def get_photometry_statistics(
    self: SkyPortalQuery,
    source_id: str | int,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch what the server counts and measures in the photometry of a source.

    Parameters
    ----------
    source_id : str or int
        Its name on this instance.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        A row for all filters together, whose ``filter`` is masked, and one for each:
        ``n_observations``, ``n_detections``, ``peak_mag``, ``mean_mag``,
        ``faintest_mag``, ``mag_rms``, ``deepest_limit`` (mag) and ``peak_mjd`` (d).
        All else is in ``meta["statistics"]`` as the server has it: rise and decay
        rates, colours, first and last detections.

    Raises
    ------
    NotFoundError
        If the source has no photometry, or there is no such source that this account may
        see.

    References
    ----------
    The route ``GET /api/sources/{id}/phot_stat``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> table = SkyPortal.get_photometry_statistics("ZTF24abcdefg")
    >>> table["filter"].tolist(), table["n_observations"].tolist()
    ([None, 'ztfg', 'ztfr'], [60, 30, 30])
    """
    name = check_source_id(source_id)
    path = source_path(name, "phot_stat")
    if get_query_payload:
        return self._query_payload(path)
    (rows, rest), when = self._fetch(
        path,
        decode=decode_statistics,
        cache=cache,
        unknown=f"statistics of the photometry of {name}",
    )
    meta = self._meta(when, query="get_photometry_statistics", object=name, statistics=rest)
    return build_table(rows, meta=meta)


def decode_statistics(text: bytes) -> tuple[Rows, dict]:
    """Decode statistics of photometry.

    Parameters
    ----------
    text : bytes
        A JSON object.

    Returns
    -------
    rows : Rows
        All filters together, and each.
    rest : dict
        What is not of that form.
    """
    found = decode_json(text, dict[str, Any], "the statistics of photometry")
    each = {
        key: convert_json(found.get(key + EACH), dict[str, Any] | None, key + EACH) or {}
        for key in STATISTICS
    }
    filters = sorted({name for one in each.values() for name in one})
    rows = Rows(length=1 + len(filters))
    names = np.array(["", *filters], dtype=np.str_)
    rows.add(FILTER_NAME, names, names == "")
    for key, column in STATISTICS.items():
        sent = [found.get(key + ALL), *(each[key].get(name) for name in filters)]
        numbers = convert_json(sent, list[float | int | None], f"the statistics {key}")
        values = np.array([float_of(number) for number in numbers])
        mask = np.isnan(values)
        if column.kind is int:
            # What no count can be is none.
            mask |= ~(np.abs(values) < 2**62)
            values = np.where(mask, 0, values).astype(np.int64)
        rows.add(column, values, mask)
    used = {key + form for key in STATISTICS for form in (ALL, EACH)}
    return rows, {key: value for key, value in found.items() if key not in used}


def _request(name: str, deduplicate: bool) -> tuple[str, dict]:
    """Return path and parameters of the photometry of an object."""
    params: dict = {"format": "both", "magsys": "ab", "individualOrSeries": "individual"}
    if deduplicate:
        params["deduplicatePhotometry"] = True
    return source_path(name, "photometry"), params


def _photometry(
    client: SkyPortalQuery, name: str, deduplicate: bool, cache: bool | None
) -> tuple[Rows, float]:
    return client._fetch(
        *_request(name, deduplicate),
        decode=only_of(decode_photometry, "source_id", name, "the source"),
        cache=cache,
        unknown=f"object {name}",
    )


def _curve(
    client: SkyPortalQuery,
    name: str,
    rows: Rows,
    when: float,
    snr: float,
    window: tuple,
    query: str,
) -> TimeSeries:
    meta = client._meta(when, query=query) | {"object": name}
    if lost := list(unplaced(rows).values()):
        warn(
            f"{len(lost)} of {len(rows)} rows of {name} have no place in a light curve and are "
            f"left out: {some(lost)}; meta['rows_left_out'] names all",
            InputWarning,
        )
    return light_curve(rows, snr=snr, window=window, meta=meta)


def _check_snr(value: Any) -> float:
    number = isinstance(value, (Real, np.floating)) and not isinstance(value, bool)
    if not number or not 0 < float(value) < np.inf:
        raise InvalidQueryError(f"detection_snr={value!r} should be a number above 0")
    return float(value)

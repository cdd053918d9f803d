"""The queries for SkyPortal's own tables: groups, instruments, allocations, runs and more."""

from collections.abc import Callable
from typing import Any

from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning
from atlasquery.skyportal.base import SkyPortalQuery, open_envelope
from atlasquery.skyportal.reads.names import check_number_id
from atlasquery.skyportal.tables.columns import FILTER, INSTRUMENT, OBSERVING_RUN, STREAM
from atlasquery.skyportal.tables.decoders import (
    decode_allocations,
    decode_flat,
    decode_groups,
    decode_taxonomies,
    decode_telescopes,
)
from atlasquery.tables import Columns, Rows, build_table, decode_json
from atlasquery.warn import warn

__all__ = [
    "get_system_info",
    "list_allocations",
    "list_filters",
    "list_groups",
    "list_instruments",
    "list_observing_runs",
    "list_streams",
    "list_taxonomies",
    "list_telescopes",
]


def list_groups(
    self: SkyPortalQuery,
    *,
    name: str | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """List the groups of the instance.

    Parameters
    ----------
    name : str, optional
        The name of one group; by default all are listed.
    cache : bool, optional
        Whether a cached response is used, for ``conf.table_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        Each group once: ``id``, ``name``, ``member`` (whether you are in it),
        ``accessible`` (whether you see what is shared with it; both are masked
        when asked by name, for the server does not say), ``single_user_group``,
        ``private``, ``created_at`` (`~astropy.time.Time`) and more.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``GET /api/groups``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.list_groups(name="ATLAS transients")["id"].tolist()
    [3]
    """
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise InvalidQueryError(f"name={name!r:.100} should be the name of a group")
    asked = {"name": name}
    return _list(self, "groups", decode_groups, asked, "list_groups", cache, get_query_payload)


def list_filters(
    self: SkyPortalQuery, *, cache: bool | None = None, get_query_payload: bool = False
) -> Table:
    """List the filters of alerts, whose catch are the candidates.

    Parameters
    ----------
    cache : bool, optional
        Whether a cached response is used, for ``conf.table_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``id``, ``name``, ``group_id``, ``stream_id``, ``autosave``, ``altdata``
        (JSON), ``created_at`` (`~astropy.time.Time`) and more.

    Warns
    -----
    NoResultsWarning
        If there is none.

    See Also
    --------
    list_instruments : For the bands of an instrument.

    References
    ----------
    The route ``GET /api/filters``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.list_filters()["name"].tolist()
    ['All']
    """
    return _list(
        self,
        "filters",
        _flat(FILTER, {"stream": "name"}),
        {},
        "list_filters",
        cache,
        get_query_payload,
    )


def list_streams(
    self: SkyPortalQuery, *, cache: bool | None = None, get_query_payload: bool = False
) -> Table:
    """List the streams of alerts.

    Parameters
    ----------
    cache : bool, optional
        Whether a cached response is used, for ``conf.table_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``id``, ``name``, ``auto_join``, ``altdata`` (JSON), ``created_at``
        (`~astropy.time.Time`) and more.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``GET /api/streams``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.list_streams()["name"].tolist()
    ['ATLAS stream']
    """
    return _list(self, "streams", _flat(STREAM), {}, "list_streams", cache, get_query_payload)


def list_instruments(
    self: SkyPortalQuery, *, cache: bool | None = None, get_query_payload: bool = False
) -> Table:
    """List the instruments, with the names of their filters.

    Parameters
    ----------
    cache : bool, optional
        Whether a cached response is used, for ``conf.table_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``id``, ``name``, ``type``, ``band``, ``telescope``, ``telescope_id``,
        ``filters`` (names joined by comma and space), ``api_classname`` and more.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``GET /api/instrument``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> table = SkyPortal.list_instruments()
    >>> print(table["id", "name", "filters"])
     id  name                 filters
    --- ----- ----------------------------------------
      1 ATLAS                           atlasc, atlaso
      2   ZTF                         ztfg, ztfr, ztfi
      3  LSST lsstu, lsstg, lsstr, lssti, lsstz, lssty
    """
    decode = _flat(INSTRUMENT, {"telescope": "name", "filters": ""})
    return _list(self, "instrument", decode, {}, "list_instruments", cache, get_query_payload)


def list_telescopes(
    self: SkyPortalQuery, *, cache: bool | None = None, get_query_payload: bool = False
) -> Table:
    """List the telescopes, with their places.

    Parameters
    ----------
    cache : bool, optional
        Whether a cached response is used, for ``conf.list_seconds``: the table says whether
        it is night.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``id``, ``name``, ``nickname``, ``lat``, ``lon`` (deg, positive to the
        north and the east), ``elevation``, ``diameter`` (m), ``instruments``,
        ``is_night_astronomical``, ``evening`` and ``morning``
        (`~astropy.time.Time`, masked where the server does not know) and more.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``GET /api/telescope``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.list_telescopes()["elevation"].unit
    Unit("m")
    """
    lifetime = self.conf.list_seconds
    return _list(
        self,
        "telescope",
        decode_telescopes,
        {},
        "list_telescopes",
        cache,
        get_query_payload,
        lifetime,
    )


def list_taxonomies(
    self: SkyPortalQuery, *, cache: bool | None = None, get_query_payload: bool = False
) -> Table:
    """List the taxonomies, with the classes that sources can have.

    Parameters
    ----------
    cache : bool, optional
        Whether a cached response is used, for ``conf.table_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``id``, ``name``, ``version``, ``is_latest``, ``classes`` (all names joined
        by comma and space), ``hierarchy`` (JSON), ``groups``, ``created_at``
        (`~astropy.time.Time`) and more.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``GET /api/taxonomy``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> "AGN" in SkyPortal.list_taxonomies()["classes"][0].split(", ")
    True
    """
    return _list(
        self, "taxonomy", decode_taxonomies, {}, "list_taxonomies", cache, get_query_payload
    )


def list_allocations(
    self: SkyPortalQuery, *, instrument_id: int | None = None, get_query_payload: bool = False
) -> Table:
    """List the allocations of observing time.

    They are requested each time and not stored: some servers send the credentials of the
    facility along, which are not shown either.

    Parameters
    ----------
    instrument_id : int, optional
        The number of an instrument; by default those of all are listed.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``id``, ``proposal_id``, ``pi``, ``group_id``, ``instrument``,
        ``instrument_id``, ``hours_allocated`` (h), ``types``, ``start`` and ``end``
        (`~astropy.time.Time`, of the first and last time in which it holds),
        ``validity_ranges`` (all of them, JSON) and more.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``GET /api/allocation``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.list_allocations(instrument_id=1)["end"].isot.tolist()
    ['2027-12-31T00:00:00.000']
    """
    number = None if instrument_id is None else check_number_id(instrument_id, name="instrument_id")

    def decode(text: bytes) -> Rows:
        rows = decode_allocations(text)
        # A server ignores what it does not know.
        return rows if number is None else rows.take(rows.values["instrument_id"] == number)

    return _list(
        self,
        "allocation",
        decode,
        {"instrument_id": number},
        "list_allocations",
        False,
        get_query_payload,
    )


def list_observing_runs(
    self: SkyPortalQuery, *, cache: bool | None = None, get_query_payload: bool = False
) -> Table:
    """List the observing runs.

    Parameters
    ----------
    cache : bool, optional
        Whether a cached response is used, for ``conf.table_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``id``, ``calendar_date`` (of the first night, at the telescope),
        ``duration`` (nights), ``end`` (`~astropy.time.Time`), ``instrument``,
        ``instrument_id``, ``pi``, ``observers``, ``group_id`` and more.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``GET /api/observing_run``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.list_observing_runs()["calendar_date"].tolist()
    ['2026-12-24']
    """
    decode = _flat(OBSERVING_RUN, {"instrument": "name", "group": "name"})
    return _list(self, "observing_run", decode, {}, "list_observing_runs", cache, get_query_payload)


def get_system_info(
    self: SkyPortalQuery, *, cache: bool | None = None, get_query_payload: bool = False
) -> dict:
    """Fetch what the instance says of itself; no token is needed.

    Parameters
    ----------
    cache : bool, optional
        Whether a cached response is used, for ``conf.table_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    dict
        ``version`` of the server, ``gitlog`` (its latest changes, each a dict with
        ``time``, ``sha`` and ``description``) and what else it sends.

    References
    ----------
    The route ``GET /api/sysinfo``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.get_system_info()["version"]
    '1.4.0'
    """
    if get_query_payload:
        return self._query_payload("sysinfo")
    return self._read(
        "sysinfo",
        {},
        decode=_decode_info,
        lifetime=self.conf.table_seconds,
        cache=cache,
        method="GET",
    )[0]


def _decode_info(body: bytes) -> dict:
    info = decode_json(open_envelope(body), Any, "the facts of the system")
    version = decode_json(body, dict[str, Any], "the facts of the system").get("version")
    return {"version": version, **(info if isinstance(info, dict) else {"info": info})}


def _list(
    client: SkyPortalQuery,
    path: str,
    decode: Callable,
    asked: dict,
    query: str,
    cache: bool | None,
    get_query_payload: bool,
    lifetime: float | None = None,
) -> Table:
    """Return a table of the server, or what would be sent for it."""
    if get_query_payload:
        return client._query_payload(path, asked)
    lifetime = client.conf.table_seconds if lifetime is None else lifetime
    rows, when = client._fetch(path, asked, decode=decode, lifetime=lifetime, cache=cache)
    if not len(rows):
        what = query.removeprefix("list_").replace("_", " ")
        warn(f"SkyPortal has no such {what}", NoResultsWarning)
    given = {name: value for name, value in asked.items() if value is not None}
    return build_table(rows, meta=client._meta(when, query=query, **given))


def _flat(columns: Columns, lists: dict[str, str] | None = None) -> Callable:
    return lambda text: decode_flat(columns, text, lists or {})

"""The queries for analyses of objects: who makes them, how far they are, what came out."""

import json
from typing import Any

from astropy.table import Table

from atlasquery.exceptions import (
    NoResultsWarning,
    NotFoundError,
    TableParseError,
)
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import check_source_id
from atlasquery.skyportal.reads.files import Picture, read_picture
from atlasquery.skyportal.reads.names import check_number_id
from atlasquery.skyportal.tables.columns import ANALYSIS, PIECES, SERVICE
from atlasquery.skyportal.tables.decoders import decode_flat
from atlasquery.tables import Rows, build_table, decode_json, only_of
from atlasquery.warn import warn

__all__ = [
    "get_analysis",
    "get_analysis_corner",
    "get_analysis_plot",
    "get_analysis_results",
    "list_analyses",
    "list_analysis_services",
]

# What servers say that no longer draw corner plots.
NO_CORNERS = "Invalid product type"


def list_analysis_services(self: SkyPortalQuery, *, get_query_payload: bool = False) -> Table:
    """List the services that analyse objects.

    They are requested each time and not stored: some servers send the credentials of a
    service along, which are not shown either.

    Parameters
    ----------
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``service_id``, ``name``, ``display_name``, ``description``,
        ``analysis_type``, ``input_data_types``, ``parameters`` (JSON, what it may be
        told), ``upload_only``, ``timeout`` (s), ``groups`` and more.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``GET /api/analysis_service``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.list_analysis_services()["display_name"].tolist()
    ['SALT']
    """
    if get_query_payload:
        return self._query_payload("analysis_service")
    rows, when = self._fetch("analysis_service", decode=_decode_services)
    if not len(rows):
        warn("SkyPortal has no analysis service", NoResultsWarning)
    return build_table(rows, meta=self._meta(when, query="list_analysis_services"))


def list_analyses(
    self: SkyPortalQuery,
    source_id: str | int | None = None,
    *,
    service_id: int | None = None,
    get_query_payload: bool = False,
) -> Table:
    """List analyses, of all objects or of one.

    They are requested each time and not stored: what is in progress changes, and some
    servers send along what lets a service deliver results.

    Parameters
    ----------
    source_id : str or int, optional
        The name of an object on this instance.
    service_id : int, optional
        The number of a service; see `list_analysis_services`.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``analysis_id``, ``source_id``, ``service_id``, ``service``, ``status``,
        ``status_message``, ``duration`` (s), ``last_activity``
        (`~astropy.time.Time`), ``parameters`` (JSON), ``created_at`` and more.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``GET /api/obj/analysis``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.list_analyses("ATLAS24abc")["status"].tolist()
    ['completed']
    """
    name = None if source_id is None else check_source_id(source_id)
    number = None if service_id is None else check_number_id(service_id, name="service_id")
    params = {"objID": name, "analysisServiceID": number}
    if get_query_payload:
        return self._query_payload("obj/analysis", params)
    rows, when = self._fetch("obj/analysis", params, decode=_decode_analyses)
    # The server takes objID for a part of a name, and servers of 2023 no service.
    for column, value in (("source_id", name), ("service_id", number)):
        if value is not None:
            rows = rows.take(rows.values[column] == value)
    if not len(rows):
        warn("SkyPortal has no such analysis", NoResultsWarning)
    given = {"source_id": name, "service_id": number}
    given = {key: value for key, value in given.items() if value is not None}
    return build_table(rows, meta=self._meta(when, query="list_analyses", **given))


def get_analysis(
    self: SkyPortalQuery, analysis_id: int | str, *, get_query_payload: bool = False
) -> Table:
    """Fetch what is known of an analysis, as it is now.

    Parameters
    ----------
    analysis_id : int or str
        Its number.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        One row, with the columns of `list_analyses` and ``n_plots``.

    Raises
    ------
    NotFoundError
        If there is no such analysis, or none that this account may see.

    See Also
    --------
    get_analysis_results : What came out, as numbers.
    get_analysis_plot, get_analysis_corner : What came out, as pictures.

    References
    ----------
    The route ``GET /api/obj/analysis/{id}``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.get_analysis(1)["status"].tolist()
    ['completed']
    """
    number = check_number_id(analysis_id, name="analysis_id")
    path = f"obj/analysis/{number}"
    if get_query_payload:
        return self._query_payload(path)
    rows, when = self._fetch(
        path,
        decode=only_of(
            lambda text: _decode_analyses(b"[" + text + b"]"),
            "analysis_id",
            number,
            "the analysis",
        ),
        unknown=f"analysis {number}",
    )
    return build_table(rows, meta=self._meta(when, query="get_analysis", analysis_id=number))


def get_analysis_results(
    self: SkyPortalQuery,
    analysis_id: int | str,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> dict:
    """Fetch the results of an analysis.

    Parameters
    ----------
    analysis_id : int or str
        Its number.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    dict
        As its service sent them: units are its own affair.

    Raises
    ------
    NotFoundError
        If it has none, or there is no such analysis that this account may see.

    References
    ----------
    The route ``GET /api/obj/analysis/{id}/results``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.get_analysis_results(1)["x1"]
    0.3
    """
    number = check_number_id(analysis_id, name="analysis_id")
    path = f"obj/analysis/{number}/results"
    if get_query_payload:
        return self._query_payload(path)
    return self._fetch(
        path,
        decode=_decode_results,
        cache=cache,
        unknown=f"results of analysis {number}",
    )[0]


def get_analysis_plot(
    self: SkyPortalQuery,
    analysis_id: int | str,
    plot: int = 0,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Picture:
    """Fetch a plot of an analysis.

    Parameters
    ----------
    analysis_id : int or str
        Its number.
    plot : int, optional
        Which, counted from 0; ``n_plots`` of `get_analysis` has their number.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    Picture
        With ``data`` (bytes), ``kind`` and ``save(path)``; a notebook shows it.

    Raises
    ------
    NotFoundError
        If it has no such plot, or there is no such analysis.

    References
    ----------
    The route ``GET /api/obj/analysis/{id}/plots/{n}``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.get_analysis_plot(1)
    <Picture Plot 0 of analysis 1: png, ... bytes>
    """
    number = check_number_id(analysis_id, name="analysis_id")
    plot = check_number_id(plot, name="plot", least=0)
    path = f"obj/analysis/{number}/plots/{plot}"
    if get_query_payload:
        return self._query_payload(path)
    return read_picture(
        self,
        path,
        {},
        f"Plot {plot} of analysis {number}",
        cache=cache,
        unknown=f"plot {plot} of analysis {number}",
        query="get_analysis_plot",
        analysis_id=number,
    )


def get_analysis_corner(
    self: SkyPortalQuery,
    analysis_id: int | str,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Picture:
    """Fetch the corner plot of an analysis: how its parameters depend on each other.

    Servers of 2023 drew it while one waited; SkyPortal 1.4 no longer does. See
    `get_analysis_plot` for the plots that a service has drawn.

    Parameters
    ----------
    analysis_id : int or str
        Its number.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    Picture
        With ``data`` (bytes), ``kind`` and ``save(path)``; a notebook shows it.

    Raises
    ------
    NotFoundError
        If it has none, there is no such analysis, or this server draws none.

    References
    ----------
    The route ``GET /api/obj/analysis/{id}/corner``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.get_analysis_corner(1).kind  # doctest: +SKIP
    'png'
    """
    number = check_number_id(analysis_id, name="analysis_id")
    path = f"obj/analysis/{number}/corner"
    if get_query_payload:
        return self._query_payload(path)
    try:
        return read_picture(
            self,
            path,
            {},
            f"Corner plot of analysis {number}",
            cache=cache,
            unknown=f"corner plot of analysis {number}",
            query="get_analysis_corner",
            analysis_id=number,
        )
    except NotFoundError as error:
        if NO_CORNERS not in (error.reason or ""):
            raise
        context = {name: getattr(error, name) for name in ("service", "status", "url", "reason")}
    raise NotFoundError(
        f"SkyPortal at {self.server} draws no corner plots: 1.4 no longer has them "
        f"({context['reason']}). get_analysis_plot has the plots that the service has drawn",
        **context,
    )


def _decode_services(text: bytes) -> Rows:
    return decode_flat(SERVICE, text, {**PIECES, "input_data_types": ""})


def _decode_analyses(text: bytes) -> Rows:
    return decode_flat(ANALYSIS, text, PIECES)


def _decode_results(text: bytes) -> dict:
    """Return results, which servers send as an object or as the text of one."""
    found = decode_json(text, Any, "the results")
    if isinstance(found, str):
        try:
            # The standard library reads the NaN that Python's own writes.
            found = json.loads(found)
        except (ValueError, RecursionError) as error:
            raise TableParseError(f"no results: {error}", service="SkyPortal") from error
    if not isinstance(found, dict):
        raise TableParseError(f"results that are no object: {found!r:.100}", service="SkyPortal")
    return found

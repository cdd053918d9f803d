"""The queries for sources: objects that somebody saved."""

from collections.abc import Callable

import astropy.units as u
import msgspec
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, TableParseError
from atlasquery.regions.argument import region_of
from atlasquery.regions.plan import announce_plan, plan_cones
from atlasquery.regions.region import Region
from atlasquery.service.failures import check_on_error
from atlasquery.service.query import one_or_all
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.criteria import (
    cone_params,
    localization_params,
    magnitude_range,
    number_range,
    only_true,
    sort_params,
    taxonomy_classes,
    time_range,
)
from atlasquery.skyportal.payloads.values import (
    check_source_id,
    check_text,
    in_path,
    iso,
    params_of,
)
from atlasquery.skyportal.reads.names import source_path
from atlasquery.skyportal.reads.paging import (
    FoundRows,
    check_limit,
    query_area,
    query_around_each,
    read_pages,
    warn_of,
)
from atlasquery.skyportal.tables.columns import GROUP, MOVED, POSITION, SOURCE
from atlasquery.skyportal.tables.decoders import decode_flat, decode_objects, wrapped
from atlasquery.sphere import separations
from atlasquery.tables import Rows, build_table, check_answers
from atlasquery.warn import warn

__all__ = [
    "count_sources",
    "get_position",
    "get_source",
    "get_source_groups",
    "query_criteria",
    "query_region",
    "source_exists",
]

# Largest radius in arcsec of the circles that cover a region: few sources are saved in each.
REGION_RADIUS = 18000.0
# The server's names of some criteria.
RENAMED = {"source_id": "sourceID", "list_name": "listName"}


def query_region(
    self: SkyPortalQuery,
    coordinates: SkyCoord | Region,
    radius: Angle | u.Quantity | str | None = None,
    *,
    max_rows: int | None = None,
    on_error: str = "raise",
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Find the sources around one or many positions, the nearest first, or in a region.

    Only what somebody has saved is searched; for candidates see `query_candidates`. A
    region is covered by circles of up to 5 degrees, and cut at its border.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord` or region
        One position or an array of any shape, in any frame. Or one region: a shape of
        the package ``regions``, a `mocpy.MOC`, or what
        `~atlasquery.regions.read_region` returns.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str
        With a unit, above 0 and up to 90 degrees; what is exactly so far away is
        found too. Only for positions.
    max_rows : int, optional
        How many sources of each position, or of the region, are returned at most, -1
        for all. The default is ``conf.max_rows``.
    on_error : {"raise", "warn"}, optional
        What happens when some positions fail: an error that has the others, or a
        warning.
    cache : bool, optional
        Whether cached responses are used, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``query_index`` (which of the positions, counted as in
        ``coordinates.ravel()``), ``separation`` (arcsec), ``id``, ``ra``, ``dec``
        (deg), ``redshift``, ``classifications``, ``groups``, ``saved_at``
        (`~astropy.time.Time`) and more, sorted by position and separation. What is
        not known is masked. For a region without ``separation``, sorted by ``id``.

    Raises
    ------
    InvalidQueryError
        If the radius has no unit, or is not above 0 and up to 90 degrees; or if a
        region takes more searches than ``conf.max_region_requests``.
    IncompleteResultError
        If some of many positions failed; ``.result`` has the others.

    Warns
    -----
    NoResultsWarning
        If there is no source.
    MaxResultsWarning
        If there are more.

    See Also
    --------
    query_criteria : By redshift, class, group, time and more.

    References
    ----------
    The route ``GET /api/sources``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import SkyPortal
    >>> place = SkyCoord(150.1163, 2.2058, unit="deg")
    >>> found = SkyPortal.query_region(place, radius="5 arcsec")
    >>> for row in found:
    ...     print(f"{row['id']} {row['separation']:.2f}")
    ATLAS24abc 0.00
    ATLAS24abd 1.30
    """
    check_on_error(on_error)
    check_limit(self, max_rows)
    if (region := region_of(coordinates, radius)) is not None:
        return _query_in(self, region, max_rows, on_error, cache, get_query_payload)
    cones, shape, _ = cone_params(coordinates, radius)
    if get_query_payload:
        sent = [params_of(cone) for cone in cones]
        return sent[0] if shape == () else sent
    return query_around_each(
        self,
        cones,
        lambda cone: _sources(self, cone, max_rows, cache, warns=False),
        decode_objects(SOURCE, b"[]"),
        by="id",
        what="sources",
        on_error=on_error,
        query="query_region",
        radius=str(radius),
    )


def _query_in(
    client: SkyPortalQuery,
    region: Region,
    max_rows: int | None,
    on_error: str,
    cache: bool | None,
    get_query_payload: bool,
) -> Table:
    """Return the sources in a region."""
    cones = plan_cones(client, region, largest=REGION_RADIUS, send=not get_query_payload)
    sent = [{"ra": cone.ra, "dec": cone.dec, "radius": cone.radius / 3600.0} for cone in cones]
    if get_query_payload:
        return one_or_all([params_of(cone) for cone in sent])
    announce_plan(client, region, cones, per_second=client.conf.requests_per_second)
    return query_area(
        client,
        region,
        sent,
        lambda cone: _sources(client, cone, -1, cache, warns=False),
        decode_objects(SOURCE, b"[]"),
        by="id",
        what="sources",
        max_rows=max_rows,
        on_error=on_error,
        query="query_region",
    )


def query_criteria(
    self: SkyPortalQuery,
    *,
    source_id: str | None = None,
    alias: str | None = None,
    origin: str | None = None,
    group_ids: int | list | None = None,
    list_name: str | None = None,
    saved: tuple | None = None,
    modified_after: Time | str | None = None,
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    classifications: str | list | None = None,
    nonclassifications: str | list | None = None,
    redshift: tuple | None = None,
    peak_mag: tuple | None = None,
    latest_mag: tuple | None = None,
    has_spectrum: bool | None = None,
    has_tns_name: bool | None = None,
    localization: str | tuple | None = None,
    probability: float | None = None,
    coordinates: SkyCoord | None = None,
    radius: Angle | u.Quantity | str | None = None,
    sort_by: str | None = None,
    descending: bool = False,
    max_rows: int | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Find the sources that meet all of the criteria given.

    Parameters
    ----------
    source_id : str, optional
        A part of the name, as it is written: ``"ztf24"`` does not find ``ZTF24abc``. A
        TNS name, such as ``"SN 2024abc"``, is looked for among those too.
    alias : str, optional
        A part of another name of the source, whatever its case. The server cannot search
        for it: all sources that meet the other criteria are read, and filtered here.
    origin : str, optional
        A part of where it came from, whatever its case.
    group_ids : int or list of int, optional
        Groups, of which one has saved it.
    list_name : str, optional
        A list of yours, such as ``"favorites"``.
    saved : tuple of `~astropy.time.Time`, optional
        A pair (after, before) for when it was saved, each of which may be None.
    modified_after : `~astropy.time.Time` or str, optional
        Made or changed after this time.
    start, end : `~astropy.time.Time`, str or float, optional
        All its detections are in this time window: the first is not before `start`, the
        last not after `end`. A source that was detected inside and outside is not
        found. A bare number is an MJD in UTC.
    classifications, nonclassifications : str or list of str, optional
        Classes with their taxonomy, of which it has one, or none:
        ``"Sitewide Taxonomy: Ia"``.
    redshift : tuple of float, optional
        The least and the greatest, each of which may be None.
    peak_mag, latest_mag : tuple of float, optional
        The brightest and the faintest magnitude at peak, and of the latest detection, such
        as ``(15, 18)``; each may be None.
    has_spectrum, has_tns_name : bool, optional
        True for sources that have one.
    localization : str, `~astropy.time.Time` or tuple, optional
        The time of a GCN event, or a pair of it and the name of its sky map, for
        sources inside; needs `start` and `end`.
    probability : float, optional
        The probability that the region of the sky map has, from 0 to 1.
    coordinates : `~astropy.coordinates.SkyCoord`, optional
        The centre of a circle that the sources are in; with `radius`.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str, optional
        Its radius, with a unit, up to 90 degrees.
    sort_by : str, optional
        A column of `atlasquery.skyportal.payloads.criteria.SORTED_BY`. By default what was
        saved last comes first.
    descending : bool, optional
        Whether the greatest comes first.
    max_rows : int, optional
        How many sources are returned at most, -1 for all. The default is
        ``conf.max_rows``.
    cache : bool, optional
        Whether cached responses are used, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``id``, ``ra``, ``dec`` (deg), ``redshift``, ``classifications``, ``groups``,
        ``saved_at`` (`~astropy.time.Time`) and more, as from `query_region`, each
        source once.

    Raises
    ------
    InvalidQueryError
        If a criterion cannot be. One that is misspelt is a `TypeError`.

    Warns
    -----
    NoResultsWarning
        If there is no source.
    MaxResultsWarning
        If there are more.
    InputWarning
        If the server's list changed while it was read, so that one may be missing.

    References
    ----------
    The route ``GET /api/sources``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> near = SkyPortal.query_criteria(group_ids=[3, 4], redshift=(0.03095, 0.03105))
    >>> near["id"].tolist(), near["redshift"].tolist()
    (['ATLAS24abc'], [0.031])
    """
    window = _window(start, end)
    params = {
        **params_of({"source_id": source_id}, RENAMED),
        "origin": origin,
        "group_ids": group_ids,
        **params_of({"list_name": list_name}, RENAMED),
        **time_range(saved, "saved", "savedAfter", "savedBefore"),
        "createdOrModifiedAfter": modified_after and iso(modified_after, "modified_after"),
        **window,
        "classifications": taxonomy_classes(classifications, "classifications"),
        "nonclassifications": taxonomy_classes(nonclassifications, "nonclassifications"),
        **number_range(redshift, "redshift", "minRedshift", "maxRedshift"),
        **magnitude_range(peak_mag, "peak_mag", "PeakMagnitude"),
        **magnitude_range(latest_mag, "latest_mag", "LatestMagnitude"),
        "hasSpectrum": only_true(has_spectrum, "has_spectrum"),
        "hasTNSname": only_true(has_tns_name, "has_tns_name"),
        **localization_params(localization, probability, window),
        **_one_cone(coordinates, radius),
        **sort_params(sort_by, descending),
    }
    check_limit(self, max_rows)
    # Then the server keeps the list as it is now under a queryID, for all pages.
    sent = params_of({**params, "useCache": True})
    if get_query_payload:
        return sent
    alias = None if alias is None else check_alias(alias)
    found = _sources(self, params, max_rows, cache, alias=alias)
    criteria = params_of({**params, "alias": alias})
    meta = self._meta(found.when, query="query_criteria", **criteria)
    return _warn_if_empty(build_table(found.rows, meta=meta))


def get_source(
    self: SkyPortalQuery,
    source_id: str | int,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch one source.

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
        One row, with the columns of `query_criteria`, ``ebv`` (mag) and
        ``duplicates``. All that the server has on it, with its pictures, requests
        and histories, is in ``request("GET", f"sources/{source_id}")``.

    Raises
    ------
    NotFoundError
        If there is no such source, or none that this account may see.

    References
    ----------
    The route ``GET /api/sources/{id}``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> source = SkyPortal.get_source("ATLAS24abc")
    >>> print(source["redshift"][0], source["classifications"][0])
    0.031 Ia
    """
    name = check_source_id(source_id)
    path = source_path(name)
    if get_query_payload:
        return self._query_payload(path)
    rows, when = self._fetch(
        path,
        decode=lambda text: decode_objects(SOURCE, b"[" + text + b"]"),
        cache=cache,
        unknown=f"source {name}",
    )
    check_answers(rows.values["id"], name, "the source", service=self.service)
    return build_table(rows, meta=self._meta(when, query="get_source", object=name))


def _sources(
    client: SkyPortalQuery,
    params: dict,
    max_rows: int | None,
    cache: bool | None,
    alias: str | None = None,
    warns: bool = True,
) -> FoundRows:
    found = read_pages(
        client,
        "sources",
        {**params, "useCache": True},
        key="sources",
        decode=lambda text: decode_objects(SOURCE, text),
        max_rows=max_rows if alias is None else -1,
        cache=cache,
        what="sources",
        warns=warns and alias is None,
    )
    if alias is None:
        return found
    found = _with_alias(found, alias, check_limit(client, max_rows))
    warn_of(found, "sources")
    return found


def count_sources(client: SkyPortalQuery, cache: bool | None = None) -> int | None:
    """Return the number of all sources that the account may see, in one request.

    Parameters
    ----------
    client : SkyPortalQuery
        Client that sends the request.
    cache : bool, optional
        Whether a cached response is used, for ``conf.list_seconds``.

    Returns
    -------
    int or None
        None if the server does not say.
    """
    return _sources(client, {}, 1, cache, warns=False).total


def check_alias(alias: object) -> str:
    """Return another name of a source that is looked for.

    Parameters
    ----------
    alias : str
        A part of it.

    Returns
    -------
    str
        Without spaces around it.

    Raises
    ------
    InvalidQueryError
        If it is no string, or empty.
    """
    if not isinstance(alias, str) or not alias.strip():
        raise InvalidQueryError(f"alias={alias!r:.100} should be a part of a name")
    return check_text(alias.strip(), "alias")


def _with_alias(found: FoundRows, alias: str, limit: int | None) -> FoundRows:
    """Return the sources that have another name: the server has a fault where it looks for it."""
    names = np.char.lower(found.rows.values["alias"].astype(np.str_))
    rows = found.rows.take(np.char.find(names, alias.lower()) >= 0)
    total = len(rows)
    cut = limit is not None and total > limit
    if limit is not None and cut:
        rows = rows.take(np.arange(limit))
    return found._replace(rows=rows, total=total, cut=cut, limit=limit)


def _warn_if_empty(table: Table) -> Table:
    if not len(table):
        warn("SkyPortal has no such source", NoResultsWarning)
    return table


def _window(start: Time | str | float | None, end: Time | str | float | None) -> dict:
    if start is None and end is None:
        return {}
    return time_range((start, end), "start, end", "startDate", "endDate")


def _one_cone(coordinates: SkyCoord | None, radius: Angle | u.Quantity | str | None) -> dict:
    if coordinates is None and radius is None:
        return {}
    if coordinates is None or radius is None:
        raise InvalidQueryError("coordinates and radius go together: give both, or neither")
    cones, shape, _ = cone_params(coordinates, radius)
    if shape != ():
        raise InvalidQueryError("coordinates should be one position here; query_region takes many")
    return cones[0]


def source_exists(
    self: SkyPortalQuery,
    source_id: str | int | None = None,
    *,
    coordinates: SkyCoord | None = None,
    radius: Angle | u.Quantity | str | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> bool:
    """Return whether somebody has saved a source.

    Parameters
    ----------
    source_id : str or int, optional
        Its name on this instance; or, instead, a position.
    coordinates : `~astropy.coordinates.SkyCoord`, optional
        One position; with `radius`.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str, optional
        How far away it may be, with a unit, up to 90 degrees.
    cache : bool, optional
        Whether a cached response is used, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    bool
        Whether there is one. Which it is, ``query_region`` says.

    Raises
    ------
    InvalidQueryError
        If neither a name nor a position with a radius is given, or both.

    References
    ----------
    The routes ``GET /api/source_exists`` and ``GET /api/source_exists/{id}``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.source_exists("ZTF24abcdefg")
    True
    """
    path, params = "source_exists", {}
    if source_id is not None and coordinates is None and radius is None:
        path += f"/{in_path(check_source_id(source_id))}"
    elif source_id is None and coordinates is not None and radius is not None:
        cones, shape, _ = cone_params(coordinates, radius)
        if shape != ():
            raise InvalidQueryError("coordinates should be one position here")
        params = cones[0]
    else:
        raise InvalidQueryError("give a source_id, or coordinates with a radius")
    if get_query_payload:
        return self._query_payload(path, params)
    lifetime = self.conf.list_seconds
    found, _ = self._fetch(path, params, decode=msgspec.json.decode, lifetime=lifetime, cache=cache)
    answer = found.get("source_exists") if isinstance(found, dict) else None
    if not isinstance(answer, bool):
        raise TableParseError(
            f"SkyPortal does not say whether it has that source: {found!r:.200}",
            service=self.service,
        )
    return answer


def get_position(
    self: SkyPortalQuery,
    source_id: str | int,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the best position of a source, from all its detections.

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
        One row: ``ra``, ``dec``, ``discovery_ra``, ``discovery_dec``, ``gal_lon``
        (0 to 360), ``gal_lat`` (deg), ``ebv`` (mag) and ``separation`` (arcsec) of
        the two positions.

    Raises
    ------
    NotFoundError
        If there is no such source, or none that this account may see.

    References
    ----------
    The route ``GET /api/sources/{id}/position``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.get_position("ZTF24abcdefg")["ra"].tolist()
    [150.09]
    """
    return _read_kind(
        self, source_id, "position", decode_position, "get_position", cache, get_query_payload
    )


def get_source_groups(
    self: SkyPortalQuery,
    source_id: str | int,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """List the groups that a source is saved to.

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
        ``id``, ``name``, ``description``, ``created_at`` (`~astropy.time.Time`)
        and more; those that this account may see.

    Raises
    ------
    NotFoundError
        If there is no such source, or none that this account may see.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``GET /api/sources/{id}/groups``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.get_source_groups("ZTF24abcdefg")["name"].tolist()
    ['ATLAS transients']
    """

    def decode(text: bytes) -> Rows:
        return decode_flat(GROUP, text, {"streams": "name"})

    return _read_kind(
        self, source_id, "groups", decode, "get_source_groups", cache, get_query_payload
    )


def _read_kind(
    client: SkyPortalQuery,
    source_id: str | int,
    kind: str,
    decode: Callable,
    query: str,
    cache: bool | None,
    get_query_payload: bool,
) -> Table:
    """Return what the server has of one kind of a source, or what would be sent for it."""
    name = check_source_id(source_id)
    path = source_path(name, kind)
    if get_query_payload:
        return client._query_payload(path)
    rows, when = client._fetch(path, decode=decode, cache=cache, unknown=f"source {name}")
    if not len(rows):
        warn(f"SkyPortal has no {kind} of {name}", NoResultsWarning)
    return build_table(rows, meta=client._meta(when, query=query, object=name))


def decode_position(text: bytes) -> Rows:
    """Decode a position.

    Parameters
    ----------
    text : bytes
        A JSON object.

    Returns
    -------
    Rows
        One.
    """
    rows = decode_flat(POSITION, b"[" + text + b"]", {})
    rows.values["gal_lon"] = wrapped(rows.values["gal_lon"])
    names = ("ra", "dec", "discovery_ra", "discovery_dec")
    # The server's own separation is dropped: its unit is not documented.
    arcsec = separations(*(rows.values[name] for name in names))
    rows.add(MOVED, arcsec, np.isnan(arcsec))
    return rows

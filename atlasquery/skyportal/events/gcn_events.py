"""The queries for events of the General Coordinates Network, and for their sky maps."""

from functools import partial

from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, NotFoundError
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.events.sky_maps import decode_hdus, decode_sky_map
from atlasquery.skyportal.payloads.criteria import time_range
from atlasquery.skyportal.payloads.values import check_text, in_path, iso, params_of
from atlasquery.skyportal.reads.files import read_file
from atlasquery.skyportal.reads.paging import check_limit, read_pages
from atlasquery.skyportal.tables.columns import EVENT, PIECES
from atlasquery.skyportal.tables.decoders import decode_flat
from atlasquery.tables import build_table
from atlasquery.warn import warn, without_warnings

__all__ = ["get_localization", "query_gcn_events"]


# The server's names of filters by tags.
TAGS = {
    "tags": "gcnTagKeep",
    "without_tags": "gcnTagRemove",
    "localization_tags": "localizationTagKeep",
    "without_localization_tags": "localizationTagRemove",
}


def query_gcn_events(
    self: SkyPortalQuery,
    *,
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    tags: str | list | None = None,
    without_tags: str | list | None = None,
    localization_tags: str | list | None = None,
    without_localization_tags: str | list | None = None,
    max_rows: int | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Find events of the General Coordinates Network, the latest first.

    Parameters
    ----------
    start, end : `~astropy.time.Time`, str or float, optional
        When the events happened, both bounds included; a bare number is an MJD.
    tags : str or list of str, optional
        Such as ``"GRB"`` or ``"GW"``: events that have one of them.
    without_tags : str or list of str, optional
        Events that have none of them.
    localization_tags, without_localization_tags : str or list of str, optional
        The same for tags of sky maps, such as ``"< 150 Mpc"``.
    max_rows : int, optional
        How many are returned at most, -1 for all. The default is ``conf.max_rows``.
    cache : bool, optional
        Whether cached responses are used, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``event_id``, ``dateobs`` (`~astropy.time.Time`, the event's name here),
        ``trigger_id``, ``aliases``, ``tags``, ``localizations`` (the names of its
        sky maps), ``notices`` (their types) and more.

    Raises
    ------
    InvalidQueryError
        If a criterion cannot be.

    Warns
    -----
    NoResultsWarning
        If there is none.
    MaxResultsWarning
        If there are more.

    References
    ----------
    The route ``GET /api/gcn_event``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.query_gcn_events(tags=["GW", "GRB"], get_query_payload=True)["gcnTagKeep"]
    'GW,GRB'
    """
    given = start is not None or end is not None
    sent = params_of({
        **(time_range((start, end), "start, end", "startDate", "endDate") if given else {}),
        **params_of(
            {
                "tags": tags,
                "without_tags": without_tags,
                "localization_tags": localization_tags,
                "without_localization_tags": without_localization_tags,
            },
            TAGS,
        ),
        # Notices are kilobytes of XML each, and are not shown.
        "excludeNoticeContent": True,
        # Without an order the pages of a database may overlap.
        "sortBy": "dateobs",
        "sortOrder": "desc",
    })  # fmt: skip
    check_limit(self, max_rows)
    if get_query_payload:
        return sent
    found = read_pages(
        self,
        "gcn_event",
        sent,
        key="events",
        decode=lambda text: decode_flat(EVENT, text, PIECES),
        max_rows=max_rows,
        unique="event_id",
        cache=cache,
        what="events",
    )
    if not len(found.rows):
        warn("SkyPortal has no such event", NoResultsWarning)
    meta = self._meta(found.when, query="query_gcn_events", **sent)
    return build_table(found.rows, meta=meta)


def get_localization(
    self: SkyPortalQuery,
    event: Time | str,
    name: str | None = None,
    *,
    as_hdus: bool = False,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table | fits.HDUList:
    """Fetch a sky map of an event.

    Parameters
    ----------
    event : `~astropy.time.Time` or str
        The time of the event, as in ``dateobs`` of `query_gcn_events`.
    name : str, optional
        The name of the map, of ``localizations`` there. It may be left out where the
        event has only one.
    as_hdus : bool, optional
        Whether to return the FITS file as it is.
    cache : bool, optional
        Whether a cached response is used, for ``conf.table_seconds``: a map of a name
        does not change.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        For a map of pixels of many sizes (multi-order): ``UNIQ``, ``PROBDENSITY``
        (1 / sr), ``PROB`` (of the pixel) and, where it has distances, ``DISTMU``,
        ``DISTSIGMA`` (Mpc) and ``DISTNORM`` (1 / Mpc2). Columns have the names of the
        FITS file, as other tools want them; its header is in ``meta``.

    Raises
    ------
    InvalidQueryError
        If the event has several maps and no name is given.
    NotFoundError
        If there is no such map, or none that this account may see.

    References
    ----------
    The route ``GET /api/localization/{dateobs}/name/{name}/download``. Singer et al.
    2016, ApJL 829, L15, for maps with distances.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> sky = SkyPortal.get_localization("2018-01-16T00:36:53")
    >>> print(sky["PROB"].sum().round(6), sky["PROBDENSITY"].unit)
    1.0 1 / sr
    """
    # The server knows an event by its second.
    when = iso(event, "event")[:19]
    if name is None and get_query_payload:
        # The names of its sky maps are requested first.
        search = query_gcn_events(self, start=when, end=when, get_query_payload=True)
        return self._query_payload("gcn_event", search)
    if name is None:
        name = _only_map(self, when, cache)
    if not isinstance(name, str) or not name.strip():
        raise InvalidQueryError(f"name={name!r:.100} should be the name of a sky map")
    name = check_text(name.strip(), "name")
    path = f"localization/{when}/name/{in_path(name)}/download"
    if get_query_payload:
        return self._query_payload(path)
    found, obtained = read_file(
        self,
        path,
        {},
        decode=partial(
            decode_hdus if as_hdus else decode_sky_map, limit=self.conf.max_answer_bytes
        ),
        lifetime=self.conf.table_seconds,
        cache=cache,
        unknown=f"sky map {name} of {when}",
    )
    if as_hdus:
        return found
    found.meta |= self._meta(obtained, query="get_localization", event=when, map=name)
    return found


def _only_map(client: SkyPortalQuery, when: str, cache: bool | None) -> str:
    """Return the name of the only sky map of an event."""
    with without_warnings(NoResultsWarning):
        found = query_gcn_events(client, start=when, end=when, cache=cache)
    if not len(found):
        raise NotFoundError(
            f"SkyPortal has no event of {when}, or none that this account may see",
            service=client.service,
            url=client.server + "gcn_event",
        )
    names = [text for text in found["localizations"].filled("").tolist() if text]
    names = [name for text in names for name in text.split(", ")]
    if not names:
        raise NotFoundError(
            f"SkyPortal has no sky map of {when}",
            service=client.service,
            url=client.server + "gcn_event",
        )
    if len(names) > 1:
        raise InvalidQueryError(
            f"event={when} has {len(names)} sky maps: say which with name=, one of "
            f"{', '.join(map(repr, names))}"
        )
    return names[0]

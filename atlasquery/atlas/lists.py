"""Queries for lists: what lists there are, what is on them, and on which an object is."""

from collections.abc import Callable
from functools import partial

import astropy.units as u
import numpy as np
from astropy.table import MaskedColumn, Table
from astropy.time import Time

from atlasquery.atlas.base import AtlasQuery, Id, objects_payload
from atlasquery.atlas.columns import CUSTOM_LISTED, LISTED, MEMBERSHIP
from atlasquery.atlas.filters import (
    Range,
    check_ranges,
    check_strings,
    date_sent,
    sent_ranges,
    since,
    within_ranges,
)
from atlasquery.atlas.items import METADATA_ONLY
from atlasquery.atlas.list_names import AtlasList, find_list, known_lists
from atlasquery.atlas.objects import find_one_id, get_objects
from atlasquery.exceptions import NoResultsWarning
from atlasquery.service.inputs import check_window
from atlasquery.tables import Rows, build_table, decode_rows, only_of
from atlasquery.warn import warn

__all__ = [
    "get_list_members",
    "get_list_memberships",
    "list_lists",
    "list_payload",
    "list_rows",
    "query_list",
    "resolve_list",
]

Pair = tuple[float | u.Quantity | None, float | u.Quantity | None]


def list_lists(self: AtlasQuery) -> Table:
    """Return the lists of the survey, without a request.

    There are two numberings: an object is on one detection list at most,
    and on any number of custom lists. The server does not list the
    custom lists; name those that are missing here, separated by
    commas, in ``atlasquery.atlas.conf.custom_lists``.

    Returns
    -------
    `~astropy.table.Table`
        ``number``, ``name``, ``custom`` (bool) and ``about``.

    Raises
    ------
    InvalidQueryError
        If ``conf.custom_lists`` cannot be read.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> lists = Atlas.list_lists()
    >>> lists["name"][lists["custom"]][:2].tolist()
    ['mookodi', 'salt']
    >>> from atlasquery.atlas import conf
    >>> with conf.set_temp("custom_lists", "mylist=74, other=80"):
    ...     Atlas.list_lists()["name"][-2:].tolist()
    ['mylist', 'other']
    """
    known = known_lists(self.conf.custom_lists)
    table = Table(meta={"service": "ATLAS Transient Server"})
    table["number"] = [one.number for one in known]
    table["name"] = [one.name for one in known]
    table["custom"] = [one.custom for one in known]
    table["about"] = [one.about for one in known]
    table["number"].description = "Number in the numbering of its kind."
    table["custom"].description = "Whether it is a custom list."
    return table


def query_list(
    self: AtlasQuery,
    name: str | int,
    *,
    vra: Pair | None = None,
    real_bogus: Pair | None = None,
    ra: Pair | None = None,
    dec: Pair | None = None,
    sherlock_class: str | None = None,
    spec_type: str | None = None,
    start: Time | str | float | None = None,
    custom: bool | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the objects of a list, in one request.

    The filters act on the server, which compares rounded values with
    exact ones and omits half of the objects at a bound. So a slightly wider
    range is requested, and the rows are cut locally: ranges include both ends.

    Parameters
    ----------
    name : str or int
        A list as in `list_lists`, by name or by number. 0 to 13 are detection
        lists unless `custom` is true.
    vra : pair of float, optional
        Lowest and highest rank of the Virtual Research Assistant; None is open.
    real_bogus : pair of float, optional
        Lowest and highest real-bogus score, 0 to 1.
    ra, dec : pair of float, `~astropy.units.Quantity` or str, optional
        Lowest and highest right ascension and declination (ICRS); bare
        numbers are degrees. A range across RA 0 takes two queries.
    sherlock_class : str, optional
        SN, NT, VS, CV, BS, AGN, ORPHAN, UNCLEAR or HPM.
    spec_type : str, optional
        Spectral type or status, such as ``"SN Ia"``, in any case.
    start : `~astropy.time.Time`, str or float, optional
        Only objects put on their detection list at that time or later
        (``followup_flag_date``; for a custom list too). A bare number is an MJD.
    custom : bool, optional
        Whether `name` is of a custom list, where both numberings have it.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        A row for each object, in the server's order: ``atlas_id``, ``name``,
        ``tns_name``, ``ra`` and ``dec`` (deg, ICRS), ``list_id``,
        ``followup_flag_date`` (Time), ``sherlock_class``, ``spec_type``,
        ``vra_rank``, ``real_bogus``, ``earliest_mjd``, ``latest_mjd``,
        ``latest_mag``, and more; of custom lists ``comments`` and ``custom_list_id``.

    Raises
    ------
    InvalidQueryError
        If there is no such list, or a filter is not valid;
        nothing was sent.

    Warns
    -----
    NoResultsWarning
        If no object of the list passes the filters.

    References
    ----------
    The ``objectlist/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> good = Atlas.query_list("good", vra=(5, None), dec=(-30, 30))
    >>> float(good["vra_rank"].min()) >= 5
    True
    >>> Atlas.query_list("cv", get_query_payload=True)
    {'objectlistid': 40, 'getcustomlist': 'true'}
    """
    chosen = resolve_list(self, name, custom)
    ranges = check_ranges(vra=vra, real_bogus=real_bogus, ra=ra, dec=dec)
    strings = check_strings(sherlock_class, spec_type)
    begin, _ = check_window(start, None)
    payload = list_payload(chosen) | sent_ranges(ranges) | strings
    if date := date_sent(begin):
        payload["datethreshold"] = date
    if get_query_payload:
        return payload
    rows, when = list_rows(self, chosen, payload, cache)
    rows = _within(rows, ranges, begin)
    if not len(rows):
        filtered = " with these properties" if payload != list_payload(chosen) else ""
        _nothing(f"ATLAS has no object on the {chosen.kind} {chosen.name!r}{filtered}")
    return build_table(rows, meta=self._meta(when, query="query_list", list=chosen.name))


def get_list_members(
    self: AtlasQuery,
    name: str | int,
    *,
    custom: bool | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the ids of the objects on a list, in one request.

    Parameters
    ----------
    name : str or int
        A list as in `list_lists`, by name or by number.
    custom : bool, optional
        Whether `name` is of a custom list, where both numberings have it.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent with its address as ``"url"``, and send
        nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``atlas_id`` and ``list_id``; of a custom list ``membership_id``, which
        grows with time; of a detection list ``followup_flag_date``.

    Raises
    ------
    InvalidQueryError
        If there is no such list; nothing was sent.

    Warns
    -----
    NoResultsWarning
        If the list is empty.

    References
    ----------
    The ``objectgroupslist/`` and ``objectlist/`` endpoints of the ATLAS
    Transient Server.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> members = Atlas.get_list_members("vra")
    >>> members.colnames
    ['atlas_id', 'list_id', 'membership_id']
    """
    chosen = resolve_list(self, name, custom)
    if get_query_payload and chosen.custom:
        return {"url": self.server + "objectgroupslist/", "objectgroupid": chosen.number}
    if get_query_payload:
        return {"url": self.server + "objectlist/", **list_payload(chosen)}
    meta = {"query": "get_list_members", "list": chosen.name}
    if chosen.custom:
        rows, when = _memberships(self, {"objectgroupid": chosen.number}, cache)
        table = build_table(rows, meta=self._meta(when, **meta))
    else:
        rows, when = list_rows(self, chosen, list_payload(chosen), cache)
        table = build_table(rows, meta=self._meta(when, **meta))
        table.keep_columns(["atlas_id", "list_id", "followup_flag_date"])
    if not len(table):
        _nothing(f"ATLAS has no object on the {chosen.kind} {chosen.name!r}")
    return table


def get_list_memberships(
    self: AtlasQuery, atlas_id: Id, *, cache: bool | None = None, get_query_payload: bool = False
) -> Table:
    """Fetch the lists that an object is on, in two requests.

    Parameters
    ----------
    atlas_id : int, str, or row with ``atlas_id``
        Its 19-digit id; or its name, which costs the requests of `query_object`,
        but for one.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, a payload with its address as ``"url"``
        for each request, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``atlas_id``, ``number``, ``name`` (masked for a custom list that is not
        in `list_lists`) and ``custom``: its detection list first.

    Raises
    ------
    InvalidQueryError
        If the id is not a whole number of 19 digits.
    NotFoundError
        If ATLAS does not know the object.

    Warns
    -----
    NoResultsWarning
        If the object is on no list.

    References
    ----------
    The ``objects/`` and ``objectgroupslist/`` endpoints of the ATLAS
    Transient Server.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> member = Atlas.get_list_members("vra")["atlas_id"][0]
    >>> lists = Atlas.get_list_memberships(member)
    >>> "vra" in lists["name"]
    True
    """
    one = find_one_id(self, atlas_id, cache, send=not get_query_payload)
    if get_query_payload:
        return [
            {"url": self.server + "objects/", **objects_payload([one], METADATA_ONLY)},
            {"url": self.server + "objectgroupslist/", "objectid": one},
        ]
    entry = get_objects(self, one, cache=cache)
    groups, when = _memberships(self, {"objectid": one}, cache)
    on = [] if entry["list_id"].mask[0] else [(int(entry["list_id"][0]), False)]
    on += [(int(number), True) for number in groups.values["list_id"]]
    if not on:
        _nothing(f"ATLAS has {one} on no list")
    return _membership_table(
        one,
        on,
        known_lists(self.conf.custom_lists),
        self._meta(when, query="get_list_memberships"),
    )


def resolve_list(client: AtlasQuery, name: str | int, custom: bool | None) -> AtlasList:
    """Return the list of a name or number, with those of `conf.custom_lists`."""
    return find_list(name, custom=custom, known=known_lists(client.conf.custom_lists))


def list_rows(
    client: AtlasQuery, chosen: AtlasList, payload: dict, cache: bool | None
) -> tuple[Rows, float]:
    """Return the rows of a list, and the time at which they came."""
    columns = CUSTOM_LISTED if chosen.custom else LISTED
    return client._read(
        "objectlist/",
        payload,
        decode=partial(decode_rows, columns),
        lifetime=client._lifetime("list"),
        cache=cache,
    )


def _memberships(client: AtlasQuery, payload: dict, cache: bool | None) -> tuple:
    checked: Callable[[bytes], Rows] = partial(decode_rows, MEMBERSHIP)
    for wire, column in (("objectid", "atlas_id"), ("objectgroupid", "list_id")):
        if wire in payload:
            checked = only_of(checked, column, payload[wire], "the object or list")
    # With both and no filter the server fails, so either a list or an object is sent.
    return client._read(
        "objectgroupslist/",
        payload,
        decode=checked,
        lifetime=client._lifetime("list"),
        cache=cache,
    )


def list_payload(chosen: AtlasList) -> dict:
    """Return what is sent for a list without filters."""
    payload: dict = {"objectlistid": chosen.number}
    return payload | {"getcustomlist": "true"} if chosen.custom else payload


def _within(rows: Rows, ranges: dict[str, Range], begin: float | None) -> Rows:
    keep = within_ranges(rows, ranges) & since(rows, "followup_flag_date", begin)
    return rows if keep.all() else rows.take(keep)


def _membership_table(one: int, on: list, known: list[AtlasList], meta: dict) -> Table:
    names = {(item.number, item.custom): item.name for item in reversed(known)}
    titles = [names.get(key, "") for key in on]
    table = Table(meta=meta)
    table["atlas_id"] = np.full(len(on), one, dtype=np.int64)
    table["number"] = np.array([number for number, _ in on], dtype=np.int64)
    table["name"] = MaskedColumn(np.array(titles, dtype=np.str_), mask=[not c for c in titles])
    table["custom"] = np.array([custom for _, custom in on], dtype=bool)
    table["atlas_id"].description = "ATLAS object id."
    table["number"].description = "Number in the numbering of its kind."
    table["name"].description = "Name, if it is known."
    table["custom"].description = "Whether it is a custom list."
    return table


def _nothing(message: str) -> None:
    warn(message, NoResultsWarning)

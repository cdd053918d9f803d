"""Queries for single objects: catalogue entries, light curves, cross-matches."""

import math
import time
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle
from astropy.table import Table
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.atlas.base import (
    METADATA_CHUNK,
    AtlasQuery,
    Id,
    Ids,
    check_atlas_ids,
    is_name,
    lower_bound,
    objects_payload,
)
from atlasquery.atlas.columns import (
    CROSSMATCH,
    SHERLOCK_CLASSIFICATION,
    SHERLOCK_CROSSMATCH,
)
from atlasquery.atlas.items import (
    METADATA_ONLY,
    Item,
    object_rows,
    product_rows,
    unknown,
)
from atlasquery.atlas.names import find_ids, name_payloads
from atlasquery.atlas.source import AtlasSource
from atlasquery.exceptions import InvalidQueryError, NoResultsWarning
from atlasquery.service.failures import some
from atlasquery.service.inputs import check_window, each_id
from atlasquery.service.query import Payload, one_or_all
from atlasquery.tables import Columns, build_table, rows_as_asked
from atlasquery.warn import warn

__all__ = [
    "find_one_id",
    "get_external_crossmatches",
    "get_forced_photometry",
    "get_light_curve",
    "get_objects",
    "get_sherlock_classifications",
    "get_sherlock_crossmatches",
    "get_source",
    "get_tns_crossmatches",
    "query_object",
    "read_entries",
]

# Arcseconds up to which a match has another name of the same object.
SAME_OBJECT = 5.0


def query_object(
    self: AtlasQuery,
    name: str | int,
    *,
    radius: Angle | u.Quantity | str = 5 * u.arcsec,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Find an object by its id or by any of its names.

    An ATLAS id costs one request; a name in another survey (TNS, ZTF,
    Pan-STARRS) two. The server has no search by ATLAS designation: its
    lists are read, the likeliest first, which costs up to 15
    requests. Any other name is resolved by Sesame, and the objects near it
    are returned.

    Parameters
    ----------
    name : str or int
        A 19-digit id; an ATLAS designation; a TNS name with or without AT or
        SN; a name in another survey; or any name that Sesame resolves.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str, optional
        How far from a resolved name an object may be.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing: each request with its
        address as ``"url"``, as far as they do not depend on a response. Lists are
        read one after another, up to the one that has the designation.

    Returns
    -------
    `~astropy.table.Table`
        A row for each object of that name, with the columns of
        `get_objects`; ``meta["matched_by"]`` says how it was found.

    Raises
    ------
    InvalidQueryError
        If the name is empty or has a character that is not allowed.
    NotFoundError
        If neither ATLAS nor Sesame knows the name, or no object is near the position.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> entry = Atlas.query_object(found["atlas_id"][0])
    >>> entry.meta["matched_by"]
    'ATLAS id'
    """
    is_number = isinstance(name, (int, np.integer)) and not isinstance(name, bool)
    # What is neither is refused with the names.
    spelling: Any = str(name) if is_number else name
    if get_query_payload:
        return name_payloads(self, spelling, radius)
    ids, how = find_ids(self, spelling, cache, radius)
    found = get_objects(self, ids, cache=cache)
    found.meta.update(query="query_object", name=spelling.strip(), matched_by=how)
    return found


def get_objects(
    self: AtlasQuery,
    atlas_ids: Ids,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the catalogue entries of objects.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        One or many 19-digit ids; each 2500 of them cost a request.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        A row for each id, in the order requested: ``atlas_id``, ``name``,
        ``tns_name``, ``ra`` and ``dec`` (deg, ICRS), ``list_id``,
        ``sherlock_class``, ``spec_type``, ``vra_rank``, ``real_bogus`` and
        more. An id that ATLAS does not know is masked in all columns but the first.

    Raises
    ------
    InvalidQueryError
        If an id is not a whole number of 19 digits.
    NotFoundError
        If ATLAS knows none of the ids.

    Warns
    -----
    NoResultsWarning
        If ATLAS does not know some of the ids.

    References
    ----------
    The ``objects/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> entries = Atlas.get_objects(found["atlas_id"])
    >>> len(entries) == len(found), entries["ra"].unit
    (True, Unit("deg"))
    """
    ids = check_atlas_ids(atlas_ids, allow_empty=True)
    if get_query_payload:
        return _entry_payloads(ids)
    items, when = _known_items(self, ids, cache)
    rows = rows_as_asked(object_rows(items), "atlas_id", ids)[0]
    return build_table(rows, meta=self._meta(when, query="get_objects"))


def get_source(
    self: AtlasQuery,
    atlas_id: Id,
    *,
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> AtlasSource:
    """Fetch all data on one object, in one request.

    Parameters
    ----------
    atlas_id : int, str, or row with ``atlas_id``
        Its 19-digit id; or its name, which costs the requests of `query_object`
        except the last.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time of its light curve; a bare number is an MJD.
        The default is the full history.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    AtlasSource
        With ``info``, ``coordinates``, ``light_curve``, ``forced_photometry``,
        ``sherlock_crossmatches``, ``sherlock_classifications``,
        ``tns_crossmatches``, ``external_crossmatches`` and ``plot()``; each
        is built when it is first accessed.

    Raises
    ------
    InvalidQueryError
        If the id is not a whole number of 19 digits, or a time is not valid.
    NotFoundError
        If ATLAS does not know the object.

    References
    ----------
    The ``objects/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> source = Atlas.get_source(found["atlas_id"][0])
    >>> source.light_curve["flux"].unit
    Unit("uJy")
    """
    window = check_window(start, end)
    ids = [find_one_id(self, atlas_id, cache, send=not get_query_payload)]
    if get_query_payload:
        payload: Payload = objects_payload(ids, lower_bound(window[0]))
        return payload
    items, when = self._items(ids, mjd=lower_bound(window[0]), cache=cache)
    if message := unknown(items[0]):
        raise self._not_found(ids, message)
    return AtlasSource(items[0], window=window, meta=self._meta(when))


def get_light_curve(
    self: AtlasQuery,
    atlas_id: Id,
    *,
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> TimeSeries:
    """Fetch the light curve of one object: detections and non-detections.

    Parameters
    ----------
    atlas_id : int, str, or row with ``atlas_id``
        Its 19-digit id; or its name, which costs the requests of `query_object`
        except the last.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time; a bare number is an MJD. The default is the
        full history.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row for each exposure, sorted by ``time`` (start of the exposure,
        UTC): ``band``, ``detection``, ``flux`` and ``flux_err`` (uJy, signed),
        ``mag`` and ``mag_err`` (AB; masked where the flux is not above 0),
        ``limiting_mag`` (5 sigma), ``exposure_time`` (s), ``survey``,
        ``exposure``, then the server's own columns.

    Raises
    ------
    InvalidQueryError
        If the id is not a whole number of 19 digits, or a time is not valid.
    NotFoundError
        If ATLAS does not know the object.

    Warns
    -----
    NoResultsWarning
        If there is no exposure in that time.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> lc = Atlas.get_light_curve(found["atlas_id"][0])
    >>> lc.time.scale, lc["mag"].unit
    ('utc', Unit("mag"))
    """
    source = get_source(
        self, atlas_id, start=start, end=end, cache=cache, get_query_payload=get_query_payload
    )
    if get_query_payload:
        return source
    if not len(source.light_curve):
        _nothing(f"ATLAS has no exposure of {source.atlas_id} in that time")
    return source.light_curve


def get_forced_photometry(
    self: AtlasQuery,
    atlas_id: Id,
    *,
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> TimeSeries:
    """Fetch the forced photometry at the position of one object.

    Parameters
    ----------
    atlas_id : int, str, or row with ``atlas_id``
        Its 19-digit id; or its name, which costs the requests of `query_object`
        except the last.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time; a bare number is an MJD. The default is all.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row for each measurement, with the columns of `get_light_curve`;
        ``limiting_mag`` is five times ``flux_err``.

    Raises
    ------
    InvalidQueryError
        If the id is not a whole number of 19 digits, or a time is not valid.
    NotFoundError
        If ATLAS does not know the object.

    Warns
    -----
    NoResultsWarning
        If there is no forced photometry of the object.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> forced = Atlas.get_forced_photometry(found["atlas_id"][0])
    >>> forced["flux"].unit
    Unit("uJy")
    """
    source = get_source(
        self, atlas_id, start=start, end=end, cache=cache, get_query_payload=get_query_payload
    )
    if get_query_payload:
        return source
    if not len(source.forced_photometry):
        _nothing(f"ATLAS has no forced photometry of {source.atlas_id} in that time")
    return source.forced_photometry


def get_sherlock_crossmatches(
    self: AtlasQuery,
    atlas_ids: Ids,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the catalogued objects that Sherlock matched with objects.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        One or many 19-digit ids.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        A row for each match: ``atlas_id``, ``rank`` (the first is the merged
        one), ``catalogue_id``, ``catalogue``, ``separation`` (arcsec),
        ``redshift``, ``distance`` (Mpc), magnitudes in many bands, and more.

    Raises
    ------
    NotFoundError
        If ATLAS knows none of the ids.

    Warns
    -----
    NoResultsWarning
        If there is no match, or ATLAS does not know some of the ids.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> matches = Atlas.get_sherlock_crossmatches(found["atlas_id"])
    >>> matches["separation"].unit
    Unit("arcsec")
    """
    return _product(
        self,
        atlas_ids,
        SHERLOCK_CROSSMATCH,
        "sherlock_crossmatches",
        "Sherlock match",
        *(cache, get_query_payload),
    )


def get_sherlock_classifications(
    self: AtlasQuery,
    atlas_ids: Ids,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch Sherlock's classification of objects.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        One or many 19-digit ids.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``atlas_id``, ``classification`` (SN, NT, VS, CV, BS, AGN, ORPHAN,
        UNCLEAR, HPM), ``summary``, ``annotation`` and more.

    Raises
    ------
    NotFoundError
        If ATLAS knows none of the ids.

    Warns
    -----
    NoResultsWarning
        If there is no classification, or ATLAS does not know some of the ids.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> table = Atlas.get_sherlock_classifications(found["atlas_id"])
    >>> table.colnames[:3]
    ['atlas_id', 'classification', 'summary']
    """
    return _product(
        self,
        atlas_ids,
        SHERLOCK_CLASSIFICATION,
        "sherlock_classifications",
        "classification by Sherlock",
        *(cache, get_query_payload),
    )


def get_tns_crossmatches(
    self: AtlasQuery,
    atlas_ids: Ids,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the entries of the Transient Name Server at the positions of objects.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        One or many 19-digit ids.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``atlas_id``, ``name`` (without AT or SN), ``type``, ``separation``
        (arcsec), ``mag``, ``discovery_date`` and more.

    Raises
    ------
    NotFoundError
        If ATLAS knows none of the ids.

    Warns
    -----
    NoResultsWarning
        If there is no entry, or ATLAS does not know some of the ids.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="5 arcmin")
    >>> table = Atlas.get_tns_crossmatches(found["atlas_id"])
    >>> table.colnames[:3]
    ['atlas_id', 'name', 'type']
    """
    return _product(
        self, atlas_ids, CROSSMATCH, "tns_crossmatches", "TNS entry", cache, get_query_payload
    )


def get_external_crossmatches(
    self: AtlasQuery,
    atlas_ids: Ids,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the names of objects in other surveys.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        One or many 19-digit ids.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        As `get_tns_crossmatches`.

    Raises
    ------
    NotFoundError
        If ATLAS knows none of the ids.

    Warns
    -----
    NoResultsWarning
        If there is no name, or ATLAS does not know some of the ids.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="5 arcmin")
    >>> names = Atlas.get_external_crossmatches(found["atlas_id"])
    >>> names["separation"].unit
    Unit("arcsec")
    """
    return _product(
        self,
        atlas_ids,
        CROSSMATCH,
        "external_crossmatches",
        "name in another survey",
        *(cache, get_query_payload),
    )


def find_one_id(
    client: AtlasQuery, atlas_id: object, cache: bool | None, *, send: bool = True
) -> int:
    """Return the id that was given, or the id of the one object of a name."""
    given = each_id(atlas_id, name="atlas_id", columns=("atlas_id",))
    if len(given) != 1:
        raise InvalidQueryError(f"atlas_id holds {len(given)} ids, where one is needed")
    name = given[0]
    if not is_name(name):
        return check_atlas_ids(name, name="atlas_id")[0]
    if not send:
        raise InvalidQueryError(
            f"atlas_id={name!r} is a name, whose id takes requests: with get_query_payload "
            "give the id"
        )
    ids, _ = find_ids(client, name, cache)
    if len(ids) > 1:
        raise InvalidQueryError(
            f"atlas_id={name!r} is the name of {len(ids)} objects, where one is needed: {some(ids)}"
        )
    return ids[0]


def _product(
    client: AtlasQuery,
    atlas_ids: Ids,
    columns: Columns,
    product: str,
    what: str,
    cache: bool | None,
    get_query_payload: bool,
) -> Table:
    ids = check_atlas_ids(atlas_ids, allow_empty=True)
    if get_query_payload:
        return _entry_payloads(ids)
    items, when = _known_items(client, ids, cache)
    rows = product_rows(columns, items, product)
    if ids and not len(rows):
        _nothing(f"ATLAS has no {what} for {some(ids)}")
    return build_table(rows, meta=client._meta(when, query=f"get_{product}"))


def _known_items(client: AtlasQuery, ids: list[int], cache: bool | None) -> tuple:
    """Return the items of the objects that ATLAS knows, without light curves, and their time."""
    if not ids:
        return [], time.time()
    items: list[Item] = []
    when = math.inf
    for n in range(0, len(ids), METADATA_CHUNK):
        chunk, arrived = client._items(ids[n : n + METADATA_CHUNK], mjd=METADATA_ONLY, cache=cache)
        items, when = items + chunk, min(when, arrived)
    messages = [unknown(item) for item in items]
    known = [message is None for message in messages]
    if not any(known):
        raise client._not_found(ids, messages[0] or "")
    if not all(known):
        missing = [i for i, is_known in zip(ids, known, strict=True) if not is_known]
        _nothing(f"ATLAS does not know {some(missing)}")
    return [item for item, is_known in zip(items, known, strict=True) if is_known], when


def _entry_payloads(ids: list[int]) -> Payload:
    """Return what is sent for catalogue entries and cross-matches."""
    chunks = [ids[n : n + METADATA_CHUNK] for n in range(0, len(ids), METADATA_CHUNK)]
    return one_or_all([objects_payload(chunk, METADATA_ONLY) for chunk in chunks])


def _nothing(message: str) -> None:
    warn(message, NoResultsWarning)


def read_entries(
    client: AtlasQuery, ids: list[int], cache: bool | None
) -> tuple[Table, dict[int, tuple[str, ...]]]:
    """Return catalogue entries and all names of objects, in one request for both.

    Parameters
    ----------
    client : AtlasQuery
        Client that sends the request.
    ids : list of int
        The objects, each once.
    cache : bool or None
        Whether cached responses are used.

    Returns
    -------
    table : `~astropy.table.Table`
        As of `get_objects`.
    names : dict of int to tuple of str
        The designation of ATLAS, the name of the TNS, and names in other surveys.
    """
    items, when = _known_items(client, ids, cache)
    rows = rows_as_asked(object_rows(items), "atlas_id", ids)[0]
    table = build_table(rows, meta=client._meta(when, query="get_objects"))
    names: dict[int, list[str]] = {atlas_id: [] for atlas_id in ids}
    for key in ("name", "tns_name"):
        for atlas_id, name in zip(table["atlas_id"].tolist(), table[key].tolist(), strict=True):
            names[atlas_id] += [name] if name else []
    for product in ("tns_crossmatches", "external_crossmatches"):
        found = product_rows(CROSSMATCH, items, product)
        # Where there is no separation, NaN is not greater.
        missing = found.masks["name"] | (found.values["separation"] > SAME_OBJECT)
        for n, atlas_id in enumerate(found.values["atlas_id"].tolist()):
            if not missing[n] and atlas_id in names:
                names[atlas_id].append(str(found.values["name"][n]))
    return table, {atlas_id: tuple(dict.fromkeys(each)) for atlas_id, each in names.items()}

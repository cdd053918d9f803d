"""Cone searches of the ATLAS Transient Server, of any number and any radius, and regions."""

from collections.abc import Callable, Sequence
from typing import Any

import astropy.units as u
import msgspec
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table
from astroquery import cache_conf

from atlasquery.atlas.base import METADATA_CHUNK, AtlasQuery, objects_payload
from atlasquery.atlas.columns import CONE
from atlasquery.atlas.items import METADATA_ONLY, ObjectId
from atlasquery.exceptions import (
    InputWarning,
    NoResultsWarning,
    QuotaError,
    TableParseError,
)
from atlasquery.regions.argument import refuse_with_region, region_of
from atlasquery.regions.cutting import deliver_region, rows_inside
from atlasquery.regions.plan import format_area, plan_cones
from atlasquery.regions.region import Region
from atlasquery.service.cones import Cone, cover_cones, fewest_around
from atlasquery.service.failures import check_on_error, deliver, failures_of, some
from atlasquery.service.inputs import check_coordinates, check_radius
from atlasquery.service.pool import run_all
from atlasquery.service.positions import format_degrees
from atlasquery.service.query import Payload, one_or_all
from atlasquery.sphere import separations
from atlasquery.tables import Column, Rows, build_table, decode_rows, stack_rows
from atlasquery.tables.nearest import QUERY_INDEX, SEPARATION
from atlasquery.warn import warn, without_warnings

__all__ = ["count_region", "query_region"]

# "Max radius is 300 arcsec." (the server)
LARGEST_RADIUS = 300.0

ATLAS_ID = Column("atlas_id", int, about="ATLAS object id.", required=True)
NAME = Column("name", str, about="ATLAS designation.")
RA = Column("ra", unit=u.deg, about="Right ascension, ICRS.")
DEC = Column("dec", unit=u.deg, about="Declination, ICRS.")


def query_region(
    self: AtlasQuery,
    coordinates: SkyCoord | Region,
    radius: Angle | u.Quantity | str | None = None,
    *,
    nearest: bool = False,
    positions: bool = True,
    on_error: str = "raise",
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Find the objects within a radius of one or many positions, or in a region.

    The server allows 300 arcsec at once: larger circles are covered by
    several searches, and positions near each other share one. The result
    is cut at the true radius by separations computed from the positions
    of the objects, which take one more request for every 2500 objects. A
    region is covered by searches of 300 arcsec, and cut at its border.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord` or region
        One position or an array of any shape, in any frame. Or one region:
        a shape of the package ``regions``, a `mocpy.MOC`, or what
        `~atlasquery.regions.read_region` returns.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str
        The radius of the circles, with its unit, up to 180 degrees; only for
        positions.
    nearest : bool, optional
        Whether only the object nearest to each position is returned.
    positions : bool, optional
        Whether the positions of the objects are fetched too. Without them
        the separations are those of the server, good to 0.001 arcsec, and
        each position costs a request. Above 300 arcsec they are always fetched.
    on_error : {"raise", "warn"}, optional
        What to do when some of many searches fail: raise an error that has
        the rest as ``result``, or return the rest with a warning.
    cache : bool, optional
        Whether cached responses are used; by default as
        ``astroquery.cache_conf.cache_active`` says.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        A row for each object and position, sorted by position
        requested and separation: ``query_index`` (into the flat coordinates),
        ``atlas_id``, ``name``, ``ra`` and ``dec`` (deg, ICRS) and
        ``separation`` (arcsec). For a region without ``separation``, sorted
        by ``atlas_id``.

    Raises
    ------
    InvalidQueryError
        If an argument is not valid, a region takes more searches than
        ``conf.max_region_requests``, or circles take more than 50,000; nothing
        was sent.
    IncompleteResultError
        If some of many searches failed.
    QuotaError
        If the search takes more requests than are left in the hour, and
        ``conf.on_quota`` is not ``"wait"``; nothing was sent.

    Warns
    -----
    NoResultsWarning
        If there is no object within the radius.
    LargeQueryWarning
        If the search will have to wait for requests to be allowed again.

    References
    ----------
    The ``cone/`` endpoint of the ATLAS Transient Server
    (https://psweb.mp.qub.ac.uk/sne/atlas4/api/).

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> found.colnames
    ['query_index', 'atlas_id', 'name', 'ra', 'dec', 'separation']
    >>> bool((found["separation"].quantity < 2 * u.arcmin).all())
    True
    """
    check_on_error(on_error)
    if (region := region_of(coordinates, radius)) is not None:
        refuse_with_region(region, nearest=nearest, positions=not positions)
        return _query_in(self, region, on_error, cache, get_query_payload)
    ra, dec, shape = check_coordinates(coordinates)
    arcsec = check_radius(radius)
    positions = positions or arcsec > LARGEST_RADIUS
    if arcsec > LARGEST_RADIUS and not get_query_payload:
        _refuse_hopeless(self, arcsec)
    margin = 0.01 if positions else 0.0
    cones = cover_cones(ra, dec, arcsec, largest=LARGEST_RADIUS, margin=margin, group=positions)
    kind = "nearest" if nearest and not positions else "all"
    payloads = [cone_payload(cone, kind) for cone in cones]
    if get_query_payload:
        return one_or_all(payloads) if shape == () else payloads
    _announce_cones(self, payloads, "cone searches", cache, locate=positions)
    found, when, failures = _search(self, cones, kind, cache)
    reached = [n for n, rows in enumerate(found) if rows is not None]
    cones, found = [cones[n] for n in reached], [found[n] for n in reached]
    if positions:
        near = [
            rows.values["atlas_id"][near_members(rows, cone, ra, dec, arcsec)]
            for cone, rows in zip(cones, found, strict=True)
        ]
        located, lost = _locate(self, near, cache, alone=len(cones) == 1)
        failures += lost
        rows = match(cones, found, ra, dec, arcsec, located, nearest=nearest)
    else:
        rows = served_rows(found, [cone.members[0] for cone in cones], nearest=nearest)
    table = build_table(rows, meta=self._meta(when, query="query_region", radius=str(radius)))
    if failures:
        return deliver(
            table,
            failures,
            on_error=on_error,
            service=self.service,
            what="requests of the search failed",
            in_meta=True,
        )
    if not len(table):
        warn(
            f"ATLAS has no object within {radius} of the position",
            NoResultsWarning,
        )
    return table


def _query_in(
    client: AtlasQuery,
    region: Region,
    on_error: str,
    cache: bool | None,
    get_query_payload: bool,
) -> Table:
    """Return the objects in a region."""
    cones = plan_cones(client, region, largest=LARGEST_RADIUS, send=not get_query_payload)
    payloads = [cone_payload(cone, "all") for cone in cones]
    if get_query_payload:
        return one_or_all(payloads)
    what = f"cone searches for the {region.name} ({format_area(region)})"
    _announce_cones(client, payloads, what, cache, locate=True)
    found, when, failures = _search(client, cones, "all", cache)
    parts = [rows for rows in found if rows is not None]
    found_ids = [rows.values["atlas_id"] for rows in parts]
    located, lost = _locate(client, found_ids, cache, alone=len(cones) == 1)
    rows = rows_inside(region, [_with_positions(parts, located)], by=("atlas_id",))
    meta = client._meta(when, query="query_region", region=region.name)
    table, what = build_table(rows, meta=meta), "requests of the search failed"
    return deliver_region(client, region, table, failures + lost, on_error=on_error, what=what)


def _with_positions(parts: list[Rows], located: dict[int, tuple[float, float]]) -> Rows:
    """Return the objects whose positions are known, with these."""
    found = stack_rows(*parts, decode_rows(CONE, b"[]"))
    found = found.take(np.isin(found.values["atlas_id"], list(located)))
    ids = found.values["atlas_id"].astype(np.int64)
    positions = np.array([located[atlas_id] for atlas_id in ids.tolist()]).reshape(-1, 2)
    rows = Rows(length=len(ids))
    rows.add(ATLAS_ID, ids)
    rows.add(NAME, found.values["name"], found.masks["name"])
    rows.add(RA, positions[:, 0])
    rows.add(DEC, positions[:, 1])
    return rows


def count_region(
    self: AtlasQuery,
    coordinates: SkyCoord | Region,
    radius: Angle | u.Quantity | str | None = None,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> int | np.ndarray:
    """Count the objects within a radius of one or many positions, or in a region.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord` or region
        One position or an array of any shape, in any frame; or one region, as
        in `query_region`, whose objects are fetched and counted here.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str
        The radius of the circles, with its unit; only for positions. Up to
        300 arcsec the server counts; above, the objects are fetched and
        counted here.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    int or `~numpy.ndarray` of int
        The counts, of the shape of `coordinates`; one for a region.

    Raises
    ------
    InvalidQueryError
        If an argument is not valid; nothing was sent.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> Atlas.count_region(SkyCoord(150.0, 2.2, unit="deg"), radius="300 arcsec")
    12
    """
    if region_of(coordinates, radius) is not None:
        with without_warnings(NoResultsWarning):
            found = query_region(
                self, coordinates, cache=cache, get_query_payload=get_query_payload
            )
        return found if get_query_payload else len(found)
    ra, dec, shape = check_coordinates(coordinates)
    arcsec = check_radius(radius)
    if arcsec > LARGEST_RADIUS:
        with without_warnings(NoResultsWarning):
            found = query_region(
                self, coordinates, radius=radius, cache=cache, get_query_payload=get_query_payload
            )
        if get_query_payload:
            return found
        counts = np.bincount(found["query_index"], minlength=len(ra))
    else:
        cones = cover_cones(ra, dec, arcsec, largest=LARGEST_RADIUS, margin=0.0, group=False)
        payloads = [cone_payload(cone, "count") for cone in cones]
        if get_query_payload:
            payload: Payload = one_or_all(payloads) if shape == () else payloads
            return payload
        _announce_cones(self, payloads, "counts", cache, locate=False)
        counts, _, failures = _search(self, cones, "count", cache)
        if failures:
            what = "requests of the search failed"
            deliver(counts, failures, on_error="raise", service=self.service, what=what)
    return int(counts[0]) if shape == () else np.array(counts, dtype=np.int64).reshape(shape)


def _search(client: AtlasQuery, cones: list[Cone], kind: str, cache: bool | None) -> tuple:
    """Search all cones; return the responses (None where one failed), the time, the failures.

    The error of an only search is raised.
    """
    decode = DECODERS[kind]

    def ask(cone: Cone) -> tuple[Any, float]:
        return client._read(
            "cone/",
            cone_payload(cone, kind),
            decode=decode,
            lifetime=client.conf.list_seconds,
            cache=cache,
        )

    responses = _ask_all(client, ask, cones)
    names = (f"{format_degrees(cone.ra, cone.dec)} {cone.radius:g}arcsec" for cone in cones)
    failures = failures_of(names, responses)
    found = [None if isinstance(answer, Exception) else answer[0] for answer in responses]
    times = [answer[1] for answer in responses if not isinstance(answer, Exception)]
    return found, min(times, default=client._clock.now()), failures


def _ask_all(client: AtlasQuery, ask: Callable, tasks: list) -> list:
    return run_all(
        ask, tasks, concurrency=client.conf.concurrency, interrupt=client._clock.interrupt
    )


def _locate(
    client: AtlasQuery, found: list[np.ndarray], cache: bool | None, *, alone: bool
) -> tuple[dict[int, tuple[float, float]], list[tuple[str, Exception]]]:
    """Fetch the positions of objects by their ids; return them and the failures.

    If all requests fail for a search that is `alone`, the error of the first is raised.
    """
    ids = list(dict.fromkeys(atlas_id for part in found for atlas_id in part.tolist()))
    chunks = [ids[n : n + METADATA_CHUNK] for n in range(0, len(ids), METADATA_CHUNK)]

    def ask(chunk: list[int]) -> tuple[dict, float]:
        return client._read(
            "objects/",
            objects_payload(chunk, METADATA_ONLY),
            decode=decode_positions,
            lifetime=client._lifetime("object"),
            cache=cache,
        )

    located: dict = {}
    failures, requested = [], []
    for chunk, response in zip(chunks, _ask_all(client, ask, chunks), strict=True):
        if isinstance(response, Exception):
            failures.append((f"the positions of {len(chunk)} objects", response))
        else:
            located |= response[0]
            requested += chunk
    if failures and not located and alone:
        raise failures[0][1]
    if unknown := [i for i in requested if i not in located]:
        warn(
            f"ATLAS found {len(unknown)} objects that it then did not know, "
            f"they are left out: {some(unknown)}",
            InputWarning,
        )
    return located, failures


def _refuse_hopeless(client: AtlasQuery, radius: float) -> None:
    """Refuse a search of days before it is planned, which itself would take minutes."""
    least = fewest_around(radius, LARGEST_RADIUS)
    limit = client.quota().limit
    if limit and client.conf.on_quota == "raise" and least > 10 * limit:
        raise QuotaError(
            f"ATLAS: at least {least} cone searches would be sent, of {limit} requests an "
            "hour; nothing was sent. Take a smaller radius, or set conf.on_quota = 'wait'.",
            service=client.service,
        )


def _announce_cones(
    client: AtlasQuery, payloads: list[dict], what: str, cache: bool | None, *, locate: bool
) -> None:
    """Announce the cost of a search before it is spent; cached responses cost nothing."""

    def unstored() -> int:
        n = client._count_unstored("cone/", payloads, client.conf.list_seconds)
        # Without unsent searches it may begin; the gate refuses positions that are one too many.
        return n + locate if n else 0

    cached = cache if cache is not None else cache_conf.cache_active
    n = len(payloads)
    cost = f"{n} {what}" + (" and at least one for positions" if locate else "")
    client._announce(n + locate, cost, logged=n > 1, unstored=unstored if cached else None)


def cone_payload(cone: Cone, kind: str) -> dict:
    """Return what is sent for one cone.

    Parameters
    ----------
    cone : Cone
        The cone.
    kind : str
        ``"all"``, ``"nearest"`` or ``"count"``.

    Returns
    -------
    dict
        Degrees and arcseconds, with all digits.
    """
    return {"ra": cone.ra, "dec": cone.dec, "radius": cone.radius, "requestType": kind}


def decode_positions(body: bytes) -> dict[int, tuple[float, float]]:
    """Read the positions of objects from a response of ``objects/``.

    Parameters
    ----------
    body : bytes
        The response.

    Returns
    -------
    dict of int to tuple of float
        Right ascension and declination in degrees by id, of the objects the server knows.
    """
    entries = (item.object for item in _located.decode(body))
    return {e.id: (e.ra, e.dec) for e in entries if isinstance(e, _LocatedObject)}


def near_members(
    found: Rows, cone: Cone, ra: np.ndarray, dec: np.ndarray, radius: float
) -> np.ndarray:
    """Return which objects of a shared cone can be within the radius of one of its members.

    Parameters
    ----------
    found : Rows
        The response for the cone.
    cone : Cone
        The cone.
    ra, dec : `~numpy.ndarray`
        All positions requested, in degrees.
    radius : float
        The radius requested, in arcseconds.

    Returns
    -------
    `~numpy.ndarray`
        True for those whose positions have to be fetched.
    """
    offsets = separations(cone.ra, cone.dec, ra[cone.members], dec[cone.members])
    served = found.values["separation"]
    # The triangle inequality, and the server's rounding; an object without a separation may be
    # within the radius.
    too_far = np.abs(served[:, None] - offsets) > radius + 0.01
    return np.any(~too_far, axis=1)


def match(
    cones: Sequence[Cone],
    found: Sequence[Rows],
    ra: np.ndarray,
    dec: np.ndarray,
    radius: float,
    located: dict,
    *,
    nearest: bool,
) -> Rows:
    """Return each object within the radius of each position, once.

    Parameters
    ----------
    cones : sequence of Cone
        The cones searched.
    found : sequence of Rows
        The response for each.
    ra, dec : `~numpy.ndarray`
        The positions requested, in degrees.
    radius : float
        The radius requested, in arcseconds.
    located : dict
        The positions of the objects by id.
    nearest : bool
        Whether only the nearest object of each position is returned.

    Returns
    -------
    Rows
        Sorted by position requested, then by separation.
    """
    names: dict[int, tuple] = {}
    # A column each for the search, the object, and their distance.
    hits: list[np.ndarray] = [np.empty((0, 3))]
    ids = np.array(sorted(located), dtype=np.int64)
    positions = np.array([located[i] for i in ids.tolist()]).reshape(-1, 2)
    for cone, rows in zip(cones, found, strict=True):
        is_located = np.isin(rows.values["atlas_id"], ids)
        found_ids = rows.values["atlas_id"][is_located]
        masks = rows.masks["name"][is_located]
        names |= dict(
            zip(
                found_ids.tolist(),
                zip(rows.values["name"][is_located], masks, strict=True),
                strict=True,
            )
        )
        index = np.searchsorted(ids, found_ids)
        separation = separations(
            ra[cone.members][:, None],
            dec[cone.members][:, None],
            positions[index, 0],
            positions[index, 1],
        )
        member, which = np.nonzero(separation <= radius)
        hits.append(
            np.column_stack([cone.members[member], index[which], separation[member, which]])
        )
    pairs = np.concatenate(hits)
    _, once = np.unique(pairs[:, :2], axis=0, return_index=True)
    pairs = pairs[once]
    pairs = pairs[np.lexsort((pairs[:, 2], pairs[:, 0]))]
    if nearest:
        pairs = pairs[np.unique(pairs[:, 0], return_index=True)[1]]
    query, index = pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)
    rows = Rows(length=len(pairs))
    rows.add(QUERY_INDEX, query)
    rows.add(ATLAS_ID, ids[index])
    known = [names[i] for i in ids[index].tolist()]
    rows.add(NAME, *_name_arrays(known))
    rows.add(RA, positions[index, 0])
    rows.add(DEC, positions[index, 1])
    rows.add(SEPARATION, pairs[:, 2])
    return rows


def _name_arrays(known: list[tuple]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([name for name, _ in known], dtype=np.str_)
    return values, np.array([mask for _, mask in known], dtype=bool)


def served_rows(found: Sequence[Rows], requested: Sequence[int], *, nearest: bool) -> Rows:
    """Return the rows as the server sent them, without positions.

    Parameters
    ----------
    found : sequence of Rows
        The response for each position, sorted by separation.
    requested : sequence of int
        The index of each position.
    nearest : bool
        Whether only the first of each is returned.

    Returns
    -------
    Rows
        With the index of the position requested.
    """
    found = [rows.take(np.arange(min(len(rows), 1))) if nearest else rows for rows in found]
    result = Rows(length=sum(map(len, found)))
    if any(rows.masks["separation"].any() for rows in found):
        raise TableParseError(
            "ATLAS sent an object without its separation, which positions=True does not need"
        )
    found = found or [decode_rows(CONE, b"[]")]
    index = np.array(requested or [0], dtype=np.int64)
    result.add(QUERY_INDEX, np.repeat(index, [len(rows) for rows in found]))
    for column in (ATLAS_ID, NAME, SEPARATION):
        values = np.concatenate([rows.values[column.name] for rows in found])
        result.add(column, values, np.concatenate([rows.masks[column.name] for rows in found]))
    return result


def _all(body: bytes) -> Rows:
    return decode_rows(CONE, body)


def _nearest(body: bytes) -> Rows:
    # An object without brackets, which is empty if no object was found.
    return decode_rows(CONE, b"[]" if body.strip() == b"{}" else b"[" + body + b"]")


def _count(body: bytes) -> int:
    return _counter.decode(body).count


class _LocatedObject(msgspec.Struct):
    id: ObjectId
    ra: float
    dec: float


class _LocatedItem(msgspec.Struct):
    object: _LocatedObject | str


_located = msgspec.json.Decoder(list[_LocatedItem])


class _Count(msgspec.Struct):
    count: int


_counter = msgspec.json.Decoder(_Count)
DECODERS = {"all": _all, "nearest": _nearest, "count": _count}

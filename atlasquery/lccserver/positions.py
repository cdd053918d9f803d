"""Searches by position: cones of any radius, and cross-matches of any number of rows."""

import os

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, LargeQueryWarning
from atlasquery.lccserver.arguments import refuse_joined
from atlasquery.lccserver.base import LCCServerQuery
from atlasquery.lccserver.queries import LCCQuery, Part
from atlasquery.lccserver.searches import Timeout, check_common, run_search
from atlasquery.lccserver.sending import Progress
from atlasquery.regions.argument import refuse_with_region, region_of
from atlasquery.regions.plan import announce_plan, plan_cones
from atlasquery.regions.region import Region
from atlasquery.service.cones import Cone, cover_cones
from atlasquery.service.inputs import check_coordinates, check_radius, suggest
from atlasquery.service.position_columns import table_positions
from atlasquery.warn import warn

__all__ = [
    "LARGEST_MATCH",
    "check_table",
    "cone_text",
    "crossmatch",
    "match_radius",
    "match_text",
    "query_region",
]

# See docs/servers/lccserver.rst, "Circles above 60 arcmin are cut".
LARGEST_RADIUS = 3600.0
# See docs/servers/lccserver.rst, "At most 5000 positions".
CHUNK = 5000
# Largest radius of a search for several positions: in radii of one, and in arcseconds in any case.
SHARED = 2.0
SMALL = 120.0
# More searches than this take most of an hour at the limit of the server.
MANY = 500

#: See docs/servers/lccserver.rst, "Radius of a cross-match".
LARGEST_MATCH = 30.0
# The largest below it that is sent, with nine decimals: a nanoarcsecond.
WIDEST_MATCH = 29.999999999
# Poles are refused: see docs/servers/lccserver.rst, "Coordinates of a cone".
HIGHEST = 90 - 1e-9
# 4 microarcsec: see docs/servers/lccserver.rst, "Coordinates of exactly zero".
NEXT_TO_ZERO = 1e-9
DIGITS = 10
# Arcseconds that are added to the radius of a cross-match, which the client cuts afterwards.
MARGIN = 0.01


def query_region(
    self: LCCServerQuery,
    coordinates: SkyCoord | Region,
    radius: Angle | u.Quantity | str | None = None,
    *,
    filters: str | None = None,
    collections: str | list[str] | None = None,
    columns: str | list[str] | None = None,
    sort: str | list | None = None,
    sample: int | None = None,
    max_rows: int | None = None,
    visibility: str = "unlisted",
    wait: bool = True,
    timeout: Timeout = None,
    save: str | os.PathLike | None = None,
    on_error: str = "raise",
    progress: Progress = True,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table | LCCQuery:
    """Find the objects within a radius of one or many positions, or in a region.

    The server allows 60 arcmin at once: larger circles and regions are covered by several
    searches, and positions near each other share one. The result is cut at the true radius
    by separations computed from the positions of the objects, or at the border of the
    region.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord` or region
        One position or an array of any shape, in any frame. Or one region: a shape of the
        package ``regions``, a `mocpy.MOC`, or what `~atlasquery.regions.read_region`
        returns.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str
        The radius of the circles, with its unit, up to 180 degrees; only for positions.
    filters : str, optional
        Conditions on columns, as in `query_criteria`, but for the position and the name
        of the object, which the server cannot filter by in a circle.
    collections : str or list of str, optional
        Where to look; by default in all collections.
    columns : str or list of str, optional
        What to return besides the columns of all rows; ``"*"`` for all that `list_columns`
        shows.
    sort : str or list, optional
        A column to sort the objects of each position by, ``"-sdssr"`` for the greatest
        first, or several; by default the nearest comes first, and in a region the first
        by ``collection`` and ``objectid``.
    sample : int, optional
        How many objects the server picks by chance, of one position and a radius up to
        60 arcmin.
    max_rows : int, optional
        How many objects of each position, or of the region, are returned at most, the
        first by `sort`; -1 for all. By default ``conf.max_rows``.
    visibility : {"unlisted", "public", "private", "shared"}, optional
        Who may see the dataset that the server keeps of the result.
    wait : bool, optional
        Whether to wait for what the server does in the background. If not, an
        `LCCQuery` is returned, for `fetch`.
    timeout : `~astropy.units.Quantity`, float or str, optional
        How long to wait for that; a bare number is in seconds. By default
        ``conf.wait_seconds``.
    save : path-like, optional
        A new file in which the query is kept, for `LCCQuery.load`.
    on_error : {"raise", "warn"}, optional
        What to do when some of several searches fail: raise an error that has the rest
        as ``result``, or return the rest with a warning.
    progress : bool or callable, optional
        Whether the server's messages, or a bar, are shown, as in `query_criteria`.
    cache : bool, optional
        Whether the result of such a search is used again, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and search nothing. The description of the
        collections, against which arguments are checked, is read if it is not cached.

    Returns
    -------
    `~astropy.table.Table` or LCCQuery
        A row for each object and position: ``query_index`` (into the flat coordinates),
        ``separation`` (arcsec), and the columns of `query_criteria`; sorted by position
        asked for and separation. For a region without ``separation``.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be, or a region takes more searches than
        ``conf.max_region_requests``; the search was not sent.
    RemoteServiceError
        If the server failed, or searched for something else than it was asked.
    IncompleteResultError
        If some of many searches failed, with ``result``, ``failures`` and ``query``.
    TimeoutError
        If the result is not there in time; ``query`` of the error resumes it.

    Warns
    -----
    MaxResultsWarning
        If more objects match than are returned.
    NoResultsWarning
        If there is none.
    LargeQueryWarning
        If it takes very many searches.

    References
    ----------
    ``POST /api/conesearch`` of the LCC-Server.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import LCCServer
    >>> centre = SkyCoord(290.0, 45.0, unit="deg")
    >>> found = LCCServer.query_region(centre, radius="30 arcmin", columns=["sdssr"])
    >>> found.colnames[:6]
    ['query_index', 'separation', 'objectid', 'ra', 'dec', 'sdssr']
    """
    region = region_of(coordinates, radius)
    if region is None:
        cones, where = _plan_circles(coordinates, radius)
    else:
        refuse_with_region(region, sample=sample is not None)
        cones, where = _plan_region(self, region, send=not get_query_payload)
    shared, conditions, recipe = check_common(self,
        filters, collections, columns, sort, sample, max_rows, visibility, cache,
        sorted_here=True,
    )  # fmt: skip
    refuse_joined(filters, recipe["filtered"])
    if sample is not None and len(cones) > 1:
        raise InvalidQueryError(
            f"sample={sample} is for one search of the server, and this takes {len(cones)}: "
            "take a sample of the result"
        )
    if not get_query_payload:
        _announce(self, region, cones, radius)
    recipe |= where
    parts = [
        Part("api/conesearch", {"coords": cone_text(cone), **shared}, conditions) for cone in cones
    ]
    query = LCCQuery(self.server, "query_region", recipe, parts)
    return run_search(
        self, query, wait, timeout, save, progress, cache, get_query_payload, on_error
    )


def _plan_circles(
    coordinates: SkyCoord, radius: Angle | u.Quantity | str | None
) -> tuple[list[Cone], dict]:
    """Return the cones that cover circles, and what the table needs of these."""
    ra, dec, shape = check_coordinates(coordinates)
    arcsec = check_radius(radius)
    cones = cover_cones(ra, dec, arcsec, largest=_widest(arcsec))
    return cones, {
        "ra": ra.tolist(), "dec": dec.tolist(), "radius": arcsec, "radius_given": str(radius),
        "members": [cone.members.tolist() for cone in cones], "scalar": shape == (),
    }  # fmt: skip


def _plan_region(client: LCCServerQuery, region: Region, *, send: bool) -> tuple[list[Cone], dict]:
    """Return the cones that cover a region, and what the table needs of it."""
    from atlasquery.regions.states import state_of_region

    cones = plan_cones(client, region, largest=LARGEST_RADIUS, send=send)
    return cones, {"region": state_of_region(region), "region_given": region.name}


def _announce(
    client: LCCServerQuery,
    region: Region | None,
    cones: list[Cone],
    radius: Angle | u.Quantity | str | None,
) -> None:
    """Announce the cost of a search before it is spent."""
    if region is not None:
        per_second = client.conf.anonymous_per_minute / 60
        announce_plan(client, region, cones, per_second=per_second)
    elif len(cones) > MANY:
        warn(
            f"a radius of {radius} takes {len(cones)} searches; query_criteria with bounds on "
            "ra and dec takes one",
            LargeQueryWarning,
        )


def crossmatch(
    self: LCCServerQuery,
    positions: SkyCoord | Table,
    radius: Angle | u.Quantity | str,
    *,
    ids: str | list | np.ndarray | None = None,
    filters: str | None = None,
    collections: str | list[str] | None = None,
    columns: str | list[str] | None = None,
    visibility: str = "unlisted",
    wait: bool = True,
    timeout: Timeout = None,
    save: str | os.PathLike | None = None,
    on_error: str = "raise",
    progress: Progress = True,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table | LCCQuery:
    """Find the objects within a small radius of each of many positions.

    Parameters
    ----------
    positions : `~astropy.coordinates.SkyCoord` or `~astropy.table.Table`
        Any number of positions; or a table with a column of them, or with ``ra`` and
        ``dec`` (deg where they have no unit).
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str
        The radius, with its unit: below 30 arcsec. For more, `query_region` takes
        arrays of positions.
    ids : str, or sequence of str or int, optional
        A name or number for each position, or the column of the table that has them.
        Any will do, and they need not differ: they are not sent.
    filters : str, optional
        Conditions on columns, as in `query_criteria`.
    collections : str or list of str, optional
        Where to look; by default in all collections.
    columns : str or list of str, optional
        What to return besides the columns of all rows.
    visibility : {"unlisted", "public", "private", "shared"}, optional
        Who may see the datasets that the server keeps of the result.
    wait : bool, optional
        Whether to wait for what the server does in the background. If not, an
        `LCCQuery` is returned, for `fetch`.
    timeout : `~astropy.units.Quantity`, float or str, optional
        How long to wait for that; a bare number is in seconds. By default
        ``conf.wait_seconds``.
    save : path-like, optional
        A new file in which the query is kept, for `LCCQuery.load`.
    on_error : {"raise", "warn"}, optional
        What to do when some of several searches fail: raise an error that has the rest
        as ``result``, or return the rest with a warning.
    progress : bool or callable, optional
        Whether the server's messages, or a bar, are shown, as in `query_criteria`.
    cache : bool, optional
        Whether the result of such a search is used again, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and search nothing. The description of the
        collections, against which arguments are checked, is read if it is not cached.

    Returns
    -------
    `~astropy.table.Table` or LCCQuery
        A row for each match: ``query_index`` (the row of the position), ``query_id``
        where there are `ids`, ``separation`` (arcsec), and the columns of
        `query_criteria`; sorted by position and separation. What has no match has no
        row.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; the search was not sent.
    RemoteServiceError
        If the server failed, or searched for something else than it was asked.
    IncompleteResultError
        If some of many chunks failed, with ``result``, ``failures`` and ``query``.
    TimeoutError
        If the result is not there in time; ``query`` of the error resumes it.

    Warns
    -----
    MaxResultsWarning
        If the server cut the result.
    NoResultsWarning
        If nothing matches.

    References
    ----------
    ``POST /api/xmatch`` of the LCC-Server, which takes 5000 positions at a time.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import LCCServer
    >>> known = LCCServer.query_criteria("sdssr < 10")
    >>> positions = SkyCoord(known["ra"], known["dec"])
    >>> found = LCCServer.crossmatch(positions, "2 arcsec", ids=known["objectid"])
    >>> bool((found["query_id"] == found["objectid"]).all())
    True
    """
    ra, dec, names = check_table(positions, ids)
    arcsec = check_radius(radius)
    if arcsec >= LARGEST_MATCH:
        raise InvalidQueryError(
            f"radius={radius!s} should be below {LARGEST_MATCH:g} arcsec in a cross-match, or "
            "the server takes 3 arcsec instead: query_region takes arrays of positions and "
            "any radius"
        )
    shared, conditions, recipe = check_common(
        self, filters, collections, columns, None, None, -1, visibility, cache
    )
    recipe |= {
        "ra": ra.tolist(), "dec": dec.tolist(), "radius": arcsec, "radius_given": str(radius),
        "ids": None if names is None else names.tolist(),
    }  # fmt: skip
    parts = []
    for start in range(0, len(ra), CHUNK):
        part = slice(start, start + CHUNK)
        lines = match_text(ra[part], dec[part], start)
        payload = {"xmq": lines, "xmd": match_radius(arcsec), **shared}
        parts.append(Part("api/xmatch", payload, conditions))
    query = LCCQuery(self.server, "crossmatch", recipe, parts)
    return run_search(
        self, query, wait, timeout, save, progress, cache, get_query_payload, on_error
    )


def _widest(arcsec: float) -> float:
    """Return the largest radius of a search that several positions share.

    The server collects the light curves of all objects of a search, which takes far longer than
    the search: so there should not be many more of them between the positions than near them.
    """
    if arcsec > LARGEST_RADIUS:
        return LARGEST_RADIUS
    return min(LARGEST_RADIUS, max(SHARED * arcsec, SMALL))


def _degrees(ra: float, dec: float) -> tuple[str, str]:
    """Return a position as strings, in the only form that the server does not refuse."""
    lon = f"{ra % 360:.{DIGITS}f}"
    # What is a little less than 360 may be written as 360.
    lon = f"{0:.{DIGITS}f}" if lon.startswith("360") else lon
    lat = min(max(dec, -HIGHEST), HIGHEST)
    return lon, f"{lat:.{DIGITS}f}"


def cone_text(cone: Cone) -> str:
    """Return a cone as the server takes it.

    Parameters
    ----------
    cone : Cone
        Up to 60 arcmin wide.

    Returns
    -------
    str
        ``"ra dec radius"`` in degrees and arcmin.
    """
    lon, lat = _degrees(cone.ra, cone.dec)
    return f"{lon} {lat} {cone.radius / 60:.8f}"


def match_text(ra: np.ndarray, dec: np.ndarray, start: int) -> str:
    """Return rows of a cross-match as the server takes them, named by their numbers.

    The server changes other names: see docs/servers/lccserver.rst, "At most 5000 positions".

    Parameters
    ----------
    ra, dec : `~numpy.ndarray`
        Degrees.
    start : int
        The number of the first row.

    Returns
    -------
    str
        A line for each row.
    """
    lines = []
    for n, (lon, lat) in enumerate(zip(ra, dec, strict=True), start=start):
        a, d = _degrees(lon, lat)
        # The server takes a zero as missing.
        a = f"{NEXT_TO_ZERO:.{DIGITS}f}" if float(a) == 0 else a
        d = f"{NEXT_TO_ZERO:.{DIGITS}f}" if float(d) == 0 else d
        lines.append(f"q{n} {a} {d}")
    return "\n".join(lines)


def match_radius(arcsec: float) -> str:
    """Return the radius of a cross-match as the server takes it, a little wider.

    Parameters
    ----------
    arcsec : float
        Above 0 and below 30.

    Returns
    -------
    str
        Arcseconds.
    """
    wider = min(arcsec + MARGIN, (arcsec + LARGEST_MATCH) / 2, WIDEST_MATCH)
    return f"{wider:.9f}"


def check_table(
    positions: SkyCoord | Table, ids: object
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the positions of a cross-match, and their names.

    Parameters
    ----------
    positions : `~astropy.coordinates.SkyCoord` or `~astropy.table.Table`
        The positions.
    ids : str, sequence or None
        A name for each, or the column that has them.

    Returns
    -------
    ra, dec : `~numpy.ndarray`
        Degrees, flat.
    names : `~numpy.ndarray` or None
        Strings or whole numbers.

    Raises
    ------
    InvalidQueryError
        If there is no position in it, or the names do not match.
    """
    table = positions if isinstance(positions, Table) else None
    if table is not None:
        positions = table_positions(table, name="positions")
    ra, dec, _ = check_coordinates(positions)
    if not len(ra):
        raise InvalidQueryError("positions is empty: give at least one")
    return ra, dec, _check_names(ids, table, len(ra))


def _check_names(ids: object, table: Table | None, length: int) -> np.ndarray | None:
    if ids is None:
        return None
    if isinstance(ids, str):
        if table is None or ids not in table.colnames:
            known = [] if table is None else table.colnames
            raise InvalidQueryError(
                f"ids={ids!r} is not a column of positions{suggest(ids, known)}"
            )
        ids = table[ids]
    # A set has no order, and bytes would be numbers.
    if isinstance(ids, (bytes, set, frozenset, dict)) or not np.iterable(ids):
        raise InvalidQueryError(
            f"ids={ids!r:.100} should be a list or an array with a name for each position, or a "
            "column of positions"
        )
    values = [v.item() if isinstance(v, np.generic) else v for v in list(ids)]
    if len(values) != length:
        raise InvalidQueryError(f"ids has {len(values)} names for {length} positions")
    if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            return np.array([str(v) for v in values], dtype=np.str_)
    for n, value in enumerate(values):
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise InvalidQueryError(f"ids has {value!r} in row {n}: give strings or whole numbers")
    return np.array([str(v) for v in values], dtype=np.str_)

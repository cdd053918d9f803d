"""The queries for galaxies: catalogues that an instance has taken in."""

import math

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, TableParseError
from atlasquery.service.failures import check_on_error
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.criteria import cone_params, localization_params, number_range
from atlasquery.skyportal.payloads.values import params_of
from atlasquery.skyportal.reads.paging import (
    GALAXY_PAGE,
    FoundRows,
    check_limit,
    query_around_each,
    read_pages,
    warn_of,
)
from atlasquery.skyportal.tables.columns import CATALOG, GALAXY
from atlasquery.tables import Rows, build_table, decode_rows
from atlasquery.warn import warn

__all__ = ["list_galaxy_catalogs", "query_galaxies"]

# The server names no largest size: see docs/servers/skyportal.rst, "Pages of galaxies".
PAGE_SIZE = 1000
# The server's names of some criteria.
RENAMED = {"catalog": "catalog_name", "name": "galaxyName"}

# What rows must be like for each bound.
BOUNDS = {
    "minRedshift": ("redshift", np.greater_equal),
    "maxRedshift": ("redshift", np.less_equal),
    "minDistance": ("distance", np.greater_equal),
    "maxDistance": ("distance", np.less_equal),
    "minMstar": ("stellar_mass", np.greater_equal),
    "maxMstar": ("stellar_mass", np.less_equal),
}


def query_galaxies(
    self: SkyPortalQuery,
    coordinates: SkyCoord | None = None,
    radius: Angle | u.Quantity | str | None = None,
    *,
    catalog: str | None = None,
    name: str | None = None,
    redshift: tuple | None = None,
    distance: tuple | None = None,
    stellar_mass: tuple | None = None,
    localization: str | Time | tuple | None = None,
    probability: float | None = None,
    max_rows: int | None = None,
    on_error: str = "raise",
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Find galaxies: around positions, in the sky map of an event, by distance and mass.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`, optional
        One position or an array of any shape, in any frame; together with `radius`.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str, optional
        With a unit, above 0 and up to 90 degrees.
    catalog : str, optional
        The name of a catalogue; see `list_galaxy_catalogs`.
    name : str, optional
        A part of the name of a galaxy, in any case.
    redshift : tuple of float, optional
        The least and the greatest, each of which may be None and is within; a galaxy
        whose value is not known is in no range.
    distance : tuple of float, optional
        The same for distances, in Mpc or with a unit.
    stellar_mass : tuple of float, optional
        The same for masses of stars, in solar masses or with a unit.
    localization : str, `~astropy.time.Time` or tuple, optional
        The time of an event of the GCN, or a pair of it and the name of one of its
        sky maps: galaxies inside, and within 3 sigma of its distance if it has one.
    probability : float, optional
        The probability that the region of the map has, above 0 and up to 1. The
        server's default is 0.95.
    max_rows : int, optional
        How many galaxies of each position are returned at most, -1 for all. The
        default is ``conf.max_rows``.
    on_error : {"raise", "warn"}, optional
        What happens when some of many positions fail: an error that has the others,
        or a warning.
    cache : bool, optional
        Whether cached responses are used, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``galaxy_id``, ``name``, ``ra``, ``dec`` (deg), ``distance`` (Mpc), ``redshift``,
        ``stellar_mass`` (solMass), magnitudes and more; what is not known is
        masked. Around positions also ``query_index`` (which of them, counted as
        in ``coordinates.ravel()``) and ``separation`` (arcsec), and sorted by them.

    Raises
    ------
    InvalidQueryError
        If a criterion cannot be, or only one of coordinates and radius is given.
    IncompleteResultError
        If some of many positions failed; ``.result`` has the others.

    Warns
    -----
    NoResultsWarning
        If there is no galaxy.
    MaxResultsWarning
        If there are more.

    References
    ----------
    The route ``GET /api/galaxy_catalog``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.query_galaxies(distance=(None, 200), get_query_payload=True)["maxDistance"]
    '200.0'
    """
    if (coordinates is None) != (radius is None):
        raise InvalidQueryError("coordinates and radius go together: give both, or neither")
    check_on_error(on_error)
    check_limit(self, max_rows)
    criteria = {
        **params_of({"catalog": catalog, "name": name}, RENAMED),
        **number_range(redshift, "redshift", "minRedshift", "maxRedshift"),
        **_distances(distance),
        **number_range(stellar_mass, "stellar_mass", "minMstar", "maxMstar", u.solMass),
        **localization_params(localization, probability, None),
        # Without an order the pages of a database may overlap.
        "sortBy": "name",
        "sortOrder": "asc",
    }
    cones: list[dict] = [{}]
    shape: tuple = ()
    if coordinates is not None:
        cones, shape, _ = cone_params(coordinates, radius)
    if get_query_payload:
        sent = [params_of({**cone, **criteria}) for cone in cones]
        return sent[0] if shape == () else sent
    query = {"query": "query_galaxies", **params_of(criteria)}
    if coordinates is not None:
        return query_around_each(
            self,
            cones,
            lambda cone: _galaxies(self, {**cone, **criteria}, max_rows, cache),
            decode_rows(GALAXY, b"[]"),
            by="galaxy_id",
            what="galaxies",
            on_error=on_error,
            radius=str(radius),
            **query,
        )
    found = _galaxies(self, criteria, max_rows, cache)
    warn_of(found, "galaxies")
    if not len(found.rows):
        warn("SkyPortal has no such galaxy", NoResultsWarning)
    return build_table(found.rows, meta=self._meta(found.when, **query))


def list_galaxy_catalogs(
    self: SkyPortalQuery, *, cache: bool | None = None, get_query_payload: bool = False
) -> Table:
    """List the catalogues of galaxies that the instance has.

    Parameters
    ----------
    cache : bool, optional
        Whether a cached response is used, for ``conf.table_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``name`` and ``n_galaxies`` (int).

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``GET /api/galaxy_catalog?catalogNamesOnly=true``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.list_galaxy_catalogs()["name"].tolist()
    ['CLU']
    """
    params = {"catalogNamesOnly": True}
    if get_query_payload:
        return self._query_payload("galaxy_catalog", params)
    rows, when = self._fetch(
        "galaxy_catalog",
        params,
        decode=_decode_catalogs,
        lifetime=self.conf.table_seconds,
        cache=cache,
    )
    if not len(rows):
        warn("SkyPortal has no catalogue of galaxies", NoResultsWarning)
    return build_table(rows, meta=self._meta(when, query="list_galaxy_catalogs"))


def _galaxies(
    client: SkyPortalQuery, params: dict, max_rows: int | None, cache: bool | None
) -> FoundRows:
    found = read_pages(
        client,
        "galaxy_catalog",
        params,
        key="galaxies",
        decode=lambda text: decode_rows(GALAXY, text),
        page_size=PAGE_SIZE,
        max_rows=max_rows,
        page_name=GALAXY_PAGE,
        unique="galaxy_id",
        cache=cache,
        what="galaxies",
        warns=False,
    )
    return found._replace(rows=_inside(found.rows, params))


def _distances(given: tuple | None) -> dict:
    """Return what is sent for a range of distances."""
    sent = number_range(given, "distance", "minDistance", "maxDistance", u.Mpc)
    if len(set(sent.values())) < len(sent):
        # The server forgets a lower bound that is not below the upper one.
        sent["minDistance"] = math.nextafter(sent["minDistance"], -math.inf)
    return sent


def _inside(rows: Rows, params: dict) -> Rows:
    """Return the rows within all bounds.

    The server reads the masses asked for, and does not search by them; and it forgets a
    least distance that is beyond what the sky map of an event allows.
    """
    inside = np.ones(len(rows), bool)
    for bound, (name, fits) in BOUNDS.items():
        if bound in params:
            # Missing values are NaN, which fits no bound, as on the server.
            inside &= fits(rows.values[name], params[bound])
    return rows if inside.all() else rows.take(inside)


def _decode_catalogs(text: bytes) -> Rows:
    if text.lstrip()[:1] == b"{":
        # A server that does not know the question answers with galaxies.
        raise TableParseError("galaxies instead of names of catalogues", service="SkyPortal")
    return decode_rows(CATALOG, text)

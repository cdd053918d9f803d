"""The queries for catalogues at a position, and for ADQL."""

import warnings

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table, vstack

from atlasquery.alerce.base import AlerceQuery
from atlasquery.alerce.catalogs import (
    CATALOGS,
    WIRE_NAMES,
    catalog_tables,
    read_catalogs,
    within_radius,
)
from atlasquery.alerce.paging import check_limit
from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, TableParseError
from atlasquery.service.failures import check_on_error, deliver
from atlasquery.service.inputs import check_coordinates, check_radius, suggest
from atlasquery.service.tap import run_adql
from atlasquery.warn import warn

__all__ = ["crossmatch_catshtm", "get_catshtm_redshift", "query_catshtm_region", "query_tap"]

# Fields that hold a redshift, and of which kind; the best first.
REDSHIFTS = {"z": "spectroscopic", "zphot": "photometric", "z_phot": "photometric"}


def query_catshtm_region(
    self: AlerceQuery,
    coordinates: SkyCoord,
    radius: Angle | u.Quantity | str,
    *,
    catalog: str | None = None,
    on_error: str = "raise",
    cache: bool | None = None,
) -> Table | dict[str, Table]:
    """Find the entries of catalogues within a radius of positions, by catsHTM.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`
        One position or an array of any shape, in any frame.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str
        The radius, with its unit.
    catalog : str, optional
        A catalogue, such as ``"GAIA/DR2"`` or ``"SDSS/DR10"``; by default all.
    on_error : {"raise", "warn"}, optional
        What to do when some of many positions failed, after all others came.
    cache : bool, optional
        Whether a stored answer is used, for ``conf.object_seconds``.

    Returns
    -------
    `~astropy.table.Table` or dict of str to `~astropy.table.Table`
        The table of `catalog`, or a table of each that has entries, by name.
        The columns and their units are the catalogue's own; for an array of
        positions, ``query_index`` stands before them, the number of the position.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    IncompleteResultError
        If some of many positions failed, with ``result`` and ``failures``.

    Warns
    -----
    NoResultsWarning
        If there is nothing.

    References
    ----------
    Soumagnac & Ofek 2018, PASP 130, 075002: catsHTM.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Alerce
    >>> where = SkyCoord(150.1, 2.2, unit="deg")
    >>> Alerce.query_catshtm_region(where, radius="2 arcsec", catalog="GAIA/DR1").colnames
    ['RA', 'Dec', 'MagG', 'ErrRA', 'ExcessNoise']
    """
    return _catshtm(self, "conesearch", coordinates, radius, catalog, on_error, cache)


def crossmatch_catshtm(
    self: AlerceQuery,
    coordinates: SkyCoord,
    radius: Angle | u.Quantity | str,
    *,
    catalog: str | None = None,
    on_error: str = "raise",
    cache: bool | None = None,
) -> Table | dict[str, Table]:
    """Find the entry of catalogues that is nearest to each position, by catsHTM.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`
        One position or an array of any shape, in any frame.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str
        How far it may be, with its unit.
    catalog : str, optional
        A catalogue; by default all.
    on_error : {"raise", "warn"}, optional
        What to do when some of many positions failed, after all others came.
    cache : bool, optional
        Whether a stored answer is used, for ``conf.object_seconds``.

    Returns
    -------
    `~astropy.table.Table` or dict of str to `~astropy.table.Table`
        As `query_catshtm_region`, of one row for each position that has one, with
        ``separation`` (arcsec).

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    IncompleteResultError
        If some of many positions failed, with ``result`` and ``failures``.

    Warns
    -----
    NoResultsWarning
        If there is nothing.

    References
    ----------
    Soumagnac & Ofek 2018, PASP 130, 075002: catsHTM.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Alerce
    >>> near = Alerce.crossmatch_catshtm(SkyCoord(150.1, 2.2, unit="deg"), radius="2 arcsec")
    >>> sorted(near)
    ['DECaLS', 'GAIA/DR1', 'SDSS/DR10', 'SpecSDSS']
    """
    return _catshtm(self, "crossmatch", coordinates, radius, catalog, on_error, cache)


def get_catshtm_redshift(
    self: AlerceQuery, coordinates: SkyCoord, *, radius: Angle, cache: bool | None = None
) -> Table:
    """Find the redshifts of the entries that are nearest to a position, by catsHTM.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`
        One position.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str
        How far they may be, with its unit.
    cache : bool, optional
        Whether a stored answer is used, for ``conf.object_seconds``.

    Returns
    -------
    `~astropy.table.Table`
        ``redshift``, ``kind`` (spectroscopic or photometric), ``catalog`` and
        ``separation`` (arcsec): the spectroscopic ones first, the nearest first.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.

    Warns
    -----
    NoResultsWarning
        If no catalogue has a redshift there.

    References
    ----------
    Soumagnac & Ofek 2018, PASP 130, 075002: catsHTM.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Alerce
    >>> where = SkyCoord(150.1, 2.2, unit="deg")
    >>> Alerce.get_catshtm_redshift(where, radius="2 arcsec")["redshift"].tolist()
    [0.1006335]
    """
    if check_coordinates(coordinates)[2] != ():
        raise InvalidQueryError("coordinates hold several positions, where one is taken")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoResultsWarning)
        near = _catshtm(self, "crossmatch", coordinates, radius, None, "raise", cache)
    found = [_no_redshift()]
    for catalog, table in near.items():
        for field, kind in REDSHIFTS.items():
            if field in table.colnames and not np.ma.is_masked(table[field][0]):
                _check_numbers(table, field, catalog)
                found.append(_redshift(table, field, kind, catalog))
    # Spectroscopic sorts after photometric.
    merged = vstack(found, metadata_conflicts="silent")
    separation = np.ma.filled(merged["separation"], np.inf)
    merged = merged[np.lexsort((separation, merged["kind"] == "photometric"))]
    if not len(merged):
        warn("catsHTM has no redshift there", NoResultsWarning)
    return merged


def query_tap(self: AlerceQuery, adql: str, *, max_rows: int | None = None) -> Table:
    """Send a query to ALeRCE's database, in the SQL of PostgreSQL.

    Parameters
    ----------
    adql : str
        The query; the server takes no ADQL proper: ``LIMIT 10`` instead of ``TOP 10``.
    max_rows : int, optional
        How many rows are wanted at most; by default as many as the server gives. The
        server does not know of it: better, limit the query itself.

    Returns
    -------
    `~astropy.table.Table`
        The rows, with the units that the server tells.

    Raises
    ------
    InvalidQueryError
        If `adql` is no text; nothing was sent.
    RemoteServiceError
        If the server refuses the query, with its words.

    Warns
    -----
    MaxResultsWarning
        If the result was cut at `max_rows`.

    References
    ----------
    The IVOA's Table Access Protocol, by `pyvo.dal.TAPService`.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> len(Alerce.query_tap("SELECT oid, meanra, ndet FROM object LIMIT 3"))
    3
    """
    if not isinstance(adql, str) or not adql.strip():
        raise InvalidQueryError(f"adql={adql!r:.100} should be a query, such as 'SELECT ...'")
    if max_rows is not None:
        check_limit(self, max_rows)
    table = run_adql(
        self.conf.tap_server,
        adql,
        service=self.service,
        conf=self.conf,
        max_rows=max_rows,
        language="PSQL",
    )
    table.meta = self._meta(self._clock.now(), query="query_tap", adql=adql)
    table.meta["server"] = self._server_of("tap_server")
    return table


def _catshtm(client: AlerceQuery, kind: str, coordinates, radius, catalog, on_error: str, cache):
    ra, dec, shape = check_coordinates(coordinates)
    arcsec = check_radius(radius)
    check_on_error(on_error)
    if catalog is not None:
        _check_catalog(client, catalog)
    places = list(zip(ra.tolist(), dec.tolist(), strict=True))
    answers = client._each(
        lambda place: _entries(client, kind, place, arcsec, catalog, cache), places
    )
    if len(places) == 1 and isinstance(answers[0], Exception):
        raise answers[0]
    came = [n for n, answer in enumerate(answers) if not isinstance(answer, Exception)]
    failures = [
        (f"{ra[n]:.6f} {dec[n]:+.6f}", answer)
        for n, answer in enumerate(answers)
        if isinstance(answer, Exception)
    ]
    found = catalog_tables([answers[n][0] for n in came], index=None if shape == () else came)
    when = min((answers[n][1] for n in came), default=client._clock.now())
    meta = client._meta(when, query=f"{kind} by catsHTM")
    meta["server"] = client._server_of("catshtm_server")
    if failures:
        meta["failures"] = [f"{where}: {error}" for where, error in failures]
    for table in found.values():
        table.meta = {**table.meta, **meta}
    if not found and not failures:
        what = catalog or "no catalogue of catsHTM"
        warn(
            f"{what} has nothing within {radius} of there",
            NoResultsWarning,
        )
    result = found
    if catalog is not None:
        result = next(iter(found.values()), Table(meta={"catalog": catalog, **meta}))
    return deliver(
        result,
        failures,
        on_error=on_error,
        service=client.service,
        what="positions failed",
        total=len(places),
        in_meta=catalog is not None,
    )


def _check_catalog(client: AlerceQuery, catalog: str) -> None:
    """Refuse a catalogue that catsHTM does not have: its server fails over it, and is slow."""
    known = [*CATALOGS, *WIRE_NAMES, *client.conf.catshtm_catalogs]
    if not isinstance(catalog, str) or not catalog.strip():
        raise InvalidQueryError(f"catalog={catalog!r} should be a name, such as 'GAIA/DR2'")
    if catalog not in known:
        raise InvalidQueryError(
            f"catalog={catalog!r} is not one of catsHTM's{suggest(catalog, known)}. Further "
            "ones of its server can be named in conf.catshtm_catalogs"
        )


def _entries(
    client: AlerceQuery, kind: str, place: tuple, arcsec: float, catalog: str | None, cache
) -> tuple:
    """Return what catalogues have near one position, and when that was said."""
    params = {"ra": place[0], "dec": place[1], "radius": arcsec}
    if catalog is not None:
        params = {"catalog": WIRE_NAMES.get(catalog, catalog), **params}
    return client._fetch(
        f"catshtm_{kind}" if catalog else f"catshtm_{kind}_all",
        params,
        decode=lambda body: within_radius(read_catalogs(body, catalog), arcsec),
        cache=cache,
        unknown=str(catalog or "what catsHTM has there"),
    )


def _check_numbers(table: Table, field: str, catalog: str) -> None:
    for name in (field, "separation"):
        if name in table.colnames and table[name].dtype.kind not in "fi":
            raise TableParseError(
                f"catsHTM answered for {catalog} {name}={table[name][0]!r:.100}, which is not a "
                "number",
                service="ALeRCE",
            )


def _redshift(table: Table, field: str, kind: str, catalog: str) -> Table:
    row = _no_redshift()
    separation = table["separation"][0] if "separation" in table.colnames else np.ma.masked
    row.add_row((table[field][0], kind, catalog, 0.0))
    row["separation"][0] = separation
    return row


def _no_redshift() -> Table:
    table = Table(
        names=("redshift", "kind", "catalog", "separation"),
        dtype=("f8", "U13", "U32", "f8"),
        units=(None, None, None, "arcsec"),
        masked=True,
    )
    table["redshift"].description = "Redshift, as the catalogue has it."
    return table

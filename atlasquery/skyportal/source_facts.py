"""The queries for single facts of a source, and of the instance itself."""

from typing import Any

import astropy.units as u
import msgspec
import numpy as np
from astropy.coordinates import Angle, SkyCoord, angular_separation
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, TableParseError
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.criteria import cone_params
from atlasquery.skyportal.envelope import open_envelope
from atlasquery.skyportal.nested import decode_flat, wrapped
from atlasquery.skyportal.table_columns import GROUP, POSITION
from atlasquery.skyportal.words import check_source_id, in_path
from atlasquery.tables import Column, Rows, build_table, convert_json, decode_json, float_of
from atlasquery.warn import warn

__all__ = [
    "get_photometry_statistics",
    "get_position",
    "get_source_groups",
    "get_system_info",
    "source_exists",
]

MOVED = Column(
    "separation", unit=u.arcsec, about="Distance of the position from that at discovery."
)
ALL, EACH = "_global", "_per_filter"
FILTER_NAME = Column("filter", str, about="Name of the filter; masked for all together.")
#: What is known of each filter, by the server's name.
STATISTICS = {
    "num_obs": Column("n_observations", int, about="How many rows of photometry there are."),
    "num_det": Column("n_detections", int, about="How many of them are detections."),
    "peak_mag": Column("peak_mag", unit=u.mag, about="Brightest magnitude."),
    "peak_mjd": Column("peak_mjd", unit=u.day, about="Its time, MJD; taken as UTC."),
    "mean_mag": Column("mean_mag", unit=u.mag, about="Mean magnitude of the detections."),
    "faintest_mag": Column("faintest_mag", unit=u.mag, about="Faintest magnitude."),
    "mag_rms": Column("mag_rms", unit=u.mag, about="Scatter of the magnitudes."),
    "deepest_limit": Column("deepest_limit", unit=u.mag, about="Deepest limit."),
}


def source_exists(
    self: SkyPortalQuery,
    source_id: str | int | None = None,
    *,
    coordinates: SkyCoord | None = None,
    radius: Angle | u.Quantity | str | None = None,
    cache: bool | None = None,
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
        Whether a stored answer is used, for ``conf.list_seconds``.

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
    lifetime = self.conf.list_seconds
    found, _ = self._fetch(path, params, decode=msgspec.json.decode, lifetime=lifetime, cache=cache)
    answer = found.get("source_exists") if isinstance(found, dict) else None
    if not isinstance(answer, bool):
        raise TableParseError(
            f"SkyPortal does not say whether it has that source: {found!r:.200}",
            service=self.service,
        )
    return answer


def get_position(self: SkyPortalQuery, source_id: str | int, *, cache: bool | None = None) -> Table:
    """Fetch the best position of a source, from all its detections.

    Parameters
    ----------
    source_id : str or int
        Its name on this instance.
    cache : bool, optional
        Whether a stored answer is used, for ``conf.object_seconds``.

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
    return _fact(self, source_id, "position", decode_position, "get_position", cache)


def get_source_groups(
    self: SkyPortalQuery, source_id: str | int, *, cache: bool | None = None
) -> Table:
    """List the groups that a source is saved to.

    Parameters
    ----------
    source_id : str or int
        Its name on this instance.
    cache : bool, optional
        Whether a stored answer is used, for ``conf.object_seconds``.

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

    return _fact(self, source_id, "groups", decode, "get_source_groups", cache)


def get_photometry_statistics(
    self: SkyPortalQuery, source_id: str | int, *, cache: bool | None = None
) -> Table:
    """Fetch what the server counts and measures in the photometry of a source.

    Parameters
    ----------
    source_id : str or int
        Its name on this instance.
    cache : bool, optional
        Whether a stored answer is used, for ``conf.object_seconds``.

    Returns
    -------
    `~astropy.table.Table`
        A row for all filters together, whose ``filter`` is masked, and one for each:
        ``n_observations``, ``n_detections``, ``peak_mag``, ``mean_mag``,
        ``faintest_mag``, ``mag_rms``, ``deepest_limit`` (mag) and ``peak_mjd`` (d).
        All else is in ``meta["statistics"]`` as the server has it: rise and decay
        rates, colours, first and last detections.

    Raises
    ------
    NotFoundError
        If the source has no photometry, or there is no such source that this account may
        see.

    References
    ----------
    The route ``GET /api/sources/{id}/phot_stat``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> table = SkyPortal.get_photometry_statistics("ZTF24abcdefg")
    >>> table["filter"].tolist(), table["n_observations"].tolist()
    ([None, 'ztfg', 'ztfr'], [60, 30, 30])
    """
    name = check_source_id(source_id)
    (rows, rest), when = self._fetch(
        f"sources/{in_path(name)}/phot_stat",
        decode=decode_statistics,
        cache=cache,
        unknown=f"statistics of the photometry of {name}",
    )
    meta = self._meta(when, query="get_photometry_statistics", object=name, statistics=rest)
    return build_table(rows, meta=meta)


def get_system_info(self: SkyPortalQuery, *, cache: bool | None = None) -> dict:
    """Fetch what the instance says of itself; no token is needed.

    Parameters
    ----------
    cache : bool, optional
        Whether a stored answer is used, for ``conf.table_seconds``.

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
    return self._read(
        "sysinfo",
        {},
        decode=_decode_info,
        lifetime=self.conf.table_seconds,
        cache=cache,
        method="GET",
    )[0]


def _fact(
    client: SkyPortalQuery, source_id, path: str, decode, query: str, cache: bool | None
) -> Table:
    name = check_source_id(source_id)
    rows, when = client._fetch(
        f"sources/{in_path(name)}/{path}", decode=decode, cache=cache, unknown=f"source {name}"
    )
    if not len(rows):
        warn(f"SkyPortal has no {path} of {name}", NoResultsWarning)
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
    # In which unit the server has it is said nowhere.
    apart = angular_separation(*(np.radians(rows.values[name]) for name in names))
    arcsec = np.degrees(apart) * 3600.0
    rows.add(MOVED, arcsec, np.isnan(arcsec))
    return rows


def decode_statistics(text: bytes) -> tuple[Rows, dict]:
    """Decode statistics of photometry.

    Parameters
    ----------
    text : bytes
        A JSON object.

    Returns
    -------
    rows : Rows
        All filters together, and each.
    rest : dict
        What is not of that form.
    """
    found = decode_json(text, dict[str, Any], "the statistics of photometry")
    each = {
        key: convert_json(found.get(key + EACH), dict[str, Any] | None, key + EACH) or {}
        for key in STATISTICS
    }
    filters = sorted({name for one in each.values() for name in one})
    rows = Rows(length=1 + len(filters))
    names = np.array(["", *filters], dtype=np.str_)
    rows.add(FILTER_NAME, names, names == "")
    for key, column in STATISTICS.items():
        sent = [found.get(key + ALL), *(each[key].get(name) for name in filters)]
        numbers = convert_json(sent, list[float | int | None], f"the statistics {key}")
        values = np.array([float_of(number) for number in numbers])
        mask = np.isnan(values)
        if column.kind is int:
            # What no count can be is none.
            mask |= ~(np.abs(values) < 2**62)
            values = np.where(mask, 0, values).astype(np.int64)
        rows.add(column, values, mask)
    used = {key + form for key in STATISTICS for form in (ALL, EACH)}
    return rows, {key: value for key, value in found.items() if key not in used}


def _decode_info(body: bytes) -> dict:
    info = decode_json(open_envelope(body), Any, "the facts of the system")
    version = decode_json(body, dict[str, Any], "the facts of the system").get("version")
    return {"version": version, **(info if isinstance(info, dict) else {"info": info})}

"""Catalogues at a position, by catsHTM: the queries, and its responses as tables with units."""

from collections.abc import Mapping
from typing import Any

import astropy.units as u
import msgspec
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import MaskedColumn, Table, vstack
from astropy.units import photometric

from atlasquery.alerce.base import AlerceQuery, decode_json_words
from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, TableParseError
from atlasquery.service.failures import check_on_error, deliver, failures_of
from atlasquery.service.inputs import LARGEST_ID, check_coordinates, check_radius, suggest
from atlasquery.service.positions import format_degrees
from atlasquery.tables import convert_json, float_of
from atlasquery.warn import warn, without_warnings

__all__ = [
    "CATALOGS",
    "WIRE_NAMES",
    "catalog_tables",
    "crossmatch_catshtm",
    "get_catshtm_redshift",
    "query_catshtm_region",
    "read_catalogs",
    "within_radius",
]

# Fields that hold a redshift, and of which kind; the best first.
REDSHIFTS = {"z": "spectroscopic", "zphot": "photometric", "z_phot": "photometric"}

#: Names that the server takes, by the names that it sends and that people write.
WIRE_NAMES = {
    "CRTS": "CRTS_per_var",
    "2MASS": "TMASS",
    "2MASSxsc": "TMASSxsc",
    "GAIA/DR1": "GAIADR1",
    "GAIA/DR2": "GAIADR2",
    "SDSS/DR10": "SDSSDR10",
}
#: The catalogues of catsHTM, by the names that its server takes.
CATALOGS = (
    "AAVSO_VSX", "AKARI", "APASS", "CRTS_per_var", "Cosmos", "DECaLS", "FIRST", "GAIADR1",
    "GAIADR2", "GALEX", "HSCv2", "IPHAS", "IRACgc", "NEDz", "NVSS", "PTFpc", "ROSATfsc", "SAGE",
    "SDSSDR10", "SDSSoffset", "SWIREz", "SkyMapper", "SpecSDSS", "TMASS", "TMASSxsc", "UCAC4",
    "UKIDSS", "VISTAviking", "VSTatlas", "VSTkids", "WISE", "XMM", "unWISE",
)  # fmt: skip
PUBLIC_NAMES = {wire: name for name, wire in WIRE_NAMES.items()}
# See docs/servers/alerce.rst, "Units that astropy cannot parse".
UNITS = {
    "": None,
    "null": None,
    "JD": u.day,
    "MJD": u.day,
    "JYear": u.yr,
    "year": u.yr,
    "nanomaggies": photometric.nmgy,
    "magAB": u.mag,
    "arcse": u.arcsec,
    "FeH": u.dex,
    "logg": u.dex,
    "DN": u.DN,
}
# Units with a meaning that astropy does not know: the description of the column has it.
MEANINGS = {"JD": "Julian date", "MJD": "MJD", "JYear": "Julian year", "magAB": "AB magnitude"}
MEANINGS |= {"FeH": "[Fe/H]", "logg": "log10 of the surface gravity in cm/s2"}
MISSING = (None, "null", "NaN", "")
# Strings of the server for values that are not numbers in JSON.
INFINITE = {"infinity": np.inf, "-infinity": -np.inf, "Infinity": np.inf, "-Infinity": -np.inf}
# One value of a field.
Value = int | float | str | None


def query_catshtm_region(
    self: AlerceQuery,
    coordinates: SkyCoord,
    radius: Angle | u.Quantity | str,
    *,
    catalog: str | None = None,
    on_error: str = "raise",
    cache: bool | None = None,
    get_query_payload: bool = False,
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
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table` or dict of str to `~astropy.table.Table`
        The table of `catalog`, or a table of each that has entries, by name.
        The columns and their units are those of the catalogue; for an array of
        positions, ``query_index`` comes first, the number of the position.

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
    return _catshtm(
        self, "conesearch", coordinates, radius, catalog, on_error, cache, get_query_payload
    )


def crossmatch_catshtm(
    self: AlerceQuery,
    coordinates: SkyCoord,
    radius: Angle | u.Quantity | str,
    *,
    catalog: str | None = None,
    on_error: str = "raise",
    cache: bool | None = None,
    get_query_payload: bool = False,
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
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

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
    return _catshtm(
        self, "crossmatch", coordinates, radius, catalog, on_error, cache, get_query_payload
    )


def get_catshtm_redshift(
    self: AlerceQuery,
    coordinates: SkyCoord,
    *,
    radius: Angle,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Find the redshifts of the entries that are nearest to a position, by catsHTM.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`
        One position.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str
        How far they may be, with its unit.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

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
    if get_query_payload:
        return crossmatch_catshtm(self, coordinates, radius, get_query_payload=True)
    with without_warnings(NoResultsWarning):
        near = crossmatch_catshtm(self, coordinates, radius, cache=cache)
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


def _catshtm(
    client: AlerceQuery,
    kind: str,
    coordinates: SkyCoord,
    radius: Angle,
    catalog: str | None,
    on_error: str,
    cache: bool | None,
    get_query_payload: bool,
) -> Any:
    """Return the entries near positions, of one catalogue or by the names of all."""
    ra, dec, shape = check_coordinates(coordinates)
    arcsec = check_radius(radius)
    check_on_error(on_error)
    if catalog is not None:
        _check_catalog(client, catalog)
    positions = list(zip(ra.tolist(), dec.tolist(), strict=True))
    if get_query_payload:
        payloads = [
            client._payload(_route(kind, catalog), _params(position, arcsec, catalog))
            for position in positions
        ]
        return payloads[0] if shape == () else payloads
    answers = client._each(
        lambda position: _entries(client, kind, position, arcsec, catalog, cache), positions
    )
    failures = failures_of((format_degrees(*position) for position in positions), answers)
    came = [n for n, answer in enumerate(answers) if not isinstance(answer, Exception)]
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
        total=len(positions),
        in_meta=catalog is not None,
    )


def _check_catalog(client: AlerceQuery, catalog: str) -> None:
    """Refuse a catalogue that catsHTM does not have: its server fails for it, and is slow."""
    known = [*CATALOGS, *WIRE_NAMES, *client.conf.catshtm_catalogs]
    if not isinstance(catalog, str) or not catalog.strip():
        raise InvalidQueryError(f"catalog={catalog!r} should be a name, such as 'GAIA/DR2'")
    if catalog not in known:
        raise InvalidQueryError(
            f"catalog={catalog!r} is not one of catsHTM's{suggest(catalog, known)}. Further "
            "ones of its server can be named in conf.catshtm_catalogs"
        )


def _route(kind: str, catalog: str | None) -> str:
    return f"catshtm_{kind}" if catalog else f"catshtm_{kind}_all"


def _params(position: tuple[float, float], arcsec: float, catalog: str | None) -> dict:
    chosen = {} if catalog is None else {"catalog": WIRE_NAMES.get(catalog, catalog)}
    return {**chosen, "ra": position[0], "dec": position[1], "radius": arcsec}


def _entries(
    client: AlerceQuery,
    kind: str,
    position: tuple[float, float],
    arcsec: float,
    catalog: str | None,
    cache: bool | None,
) -> tuple[dict[str, dict], float]:
    """Return the entries of catalogues near one position, and when they came."""
    return client._fetch(
        _route(kind, catalog),
        _params(position, arcsec, catalog),
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


class _Field(msgspec.Struct):
    """A field of a catalogue, in any of the shapes in which it comes."""

    unit: str | None = None
    units: str | None = None
    value: Value | list[Value] | msgspec.UnsetType = msgspec.UNSET
    values: list[Value] | Value | msgspec.UnsetType = msgspec.UNSET
    attribute_name: str = ""


def read_catalogs(body: bytes, name: str | None = None) -> dict[str, dict]:
    """Return the fields of a reply of catsHTM.

    Parameters
    ----------
    body : bytes
        The reply.
    name : str, optional
        The catalogue, where the reply may not say it.

    Returns
    -------
    dict of str to dict
        For each catalogue that has something there, its fields by name: unit and values.

    Raises
    ------
    TableParseError
        If it is not of a known shape.
    """
    found: dict[str, dict] = {}
    for catalog, fields in _catalogs(decode_json_words(body), name):
        columns = _fields(fields)
        if columns and any(len(values) for _, values in columns.values()):
            found[PUBLIC_NAMES.get(catalog, catalog)] = columns
    return found


def within_radius(reply: dict[str, dict], arcsec: float) -> dict[str, dict]:
    """Return the entries of a reply that are within a radius.

    The server's cross-match was seen to send entries from far beyond it.

    Parameters
    ----------
    reply : dict of str to dict
        What `read_catalogs` returns.
    arcsec : float
        The radius.

    Returns
    -------
    dict of str to dict
        Without catalogues that have nothing there; entries without a distance stay.
    """
    found = {}
    for catalog, fields in reply.items():
        if "distance" not in fields:
            found[catalog] = fields
            continue
        near = [
            n for n, value in enumerate(fields["distance"][1])
            if not isinstance(value, (int, float)) or value <= arcsec
        ]  # fmt: skip
        if near:
            found[catalog] = {
                name: (unit, [values[n] for n in near]) for name, (unit, values) in fields.items()
            }
    return found


def catalog_tables(replies: list[dict], *, index: list[int] | None = None) -> dict[str, Table]:
    """Return the entries of one reply or many, a table for each catalogue.

    Parameters
    ----------
    replies : list of dict
        What `read_catalogs` returns.
    index : list of int, optional
        The number of each reply, for a column ``query_index``.

    Returns
    -------
    dict of str to `~astropy.table.Table`
        The rows of all replies in order; a field that a reply does not have is masked there.
    """
    tables: dict[str, Table] = {}
    for catalog in dict.fromkeys(catalog for reply in replies for catalog in reply):
        parts = [(n, reply[catalog]) for n, reply in enumerate(replies) if catalog in reply]
        lengths = [len(next(iter(fields.values()))[1]) for _, fields in parts]
        table = Table(meta={"catalog": catalog})
        if index is not None:
            table["query_index"] = np.repeat([index[n] for n, _ in parts], lengths)
        # The type is that of all values together: those of one position may all be whole.
        for name in dict.fromkeys(name for _, fields in parts for name in fields):
            fields_of_name = [fields.get(name, ("", [None] * k)) for (_, fields), k in zip(
                parts, lengths, strict=True)]  # fmt: skip
            unit = next((unit.strip() for unit, _ in fields_of_name if unit.strip()), "")
            values = [value for _, part in fields_of_name for value in part]
            table["separation" if name == "distance" else name] = _column(values, unit)
        tables[catalog] = table
    return tables


def _catalogs(reply: object, name: str | None) -> list[tuple[str, object]]:
    """Return pairs of a catalogue and its fields."""
    if isinstance(reply, Mapping) and "catalogs" in reply:
        reply = reply["catalogs"]
    if isinstance(reply, Mapping):
        if not reply:
            return []
        if all(_is_field(value) for value in reply.values()):
            return [(name or "catsHTM", reply)]
        return list(reply.items())
    if isinstance(reply, list):
        if reply and all(isinstance(one, Mapping) and "attribute_name" in one for one in reply):
            return [(name or "catsHTM", reply)]
        return [pair for one in reply for pair in _catalogs(one, name)]
    raise TableParseError(f"catsHTM answered {reply!r:.100}, which is not a catalogue")


def _is_field(value: object) -> bool:
    return isinstance(value, Mapping) and bool({"value", "values"} & value.keys())


def _fields(reply: object) -> dict[str, tuple[str, list]]:
    """Return for each field its unit and its values."""
    if isinstance(reply, list):
        listed = convert_json(reply, list[_Field], "what catsHTM answered")
        named = {field.attribute_name: field for field in listed}
        if len(named) < len(listed):
            raise TableParseError("catsHTM answered several fields of one name")
    elif isinstance(reply, Mapping):
        named = convert_json(reply, dict[str, _Field], "what catsHTM answered")
    else:
        raise TableParseError(f"catsHTM answered {reply!r:.100}, which has no fields")
    columns = {}
    for name, field in named.items():
        values = field.value if field.values is msgspec.UNSET else field.values
        if values is msgspec.UNSET:
            raise TableParseError(f"catsHTM answered {name!r:.100} without a value")
        unit = field.units or field.unit or ""
        columns[name] = (unit, values if isinstance(values, list) else [values])
    if len({len(values) for _, values in columns.values()}) > 1:
        raise TableParseError("catsHTM answered fields of different lengths")
    return columns


def _column(values: list, unit: str) -> MaskedColumn:
    values = _numbers(values)
    missing = [value in MISSING or value != value for value in values]
    known = [value for value, none in zip(values, missing, strict=True) if not none]
    kind: Any
    blank: Any
    if known and all(type(v) is int and -LARGEST_ID <= v <= LARGEST_ID for v in known):
        # Numbers of objects have more digits than a float.
        kind, blank = np.int64, 0
    elif all(isinstance(v, (int, float)) for v in known):
        kind, blank = float_of, np.nan
    else:
        kind, blank = str, ""
    plain = [blank if none else kind(v) for v, none in zip(values, missing, strict=True)]
    data = np.array(plain, dtype=float if kind is float_of else kind)
    mask = np.array(missing, bool) | (np.isnan(data) if kind is float_of else False)
    parsed = UNITS[unit] if unit in UNITS else u.Unit(unit, parse_strict="silent")
    return MaskedColumn(data, mask=mask, unit=parsed, description=MEANINGS.get(unit))


def _numbers(values: list) -> list:
    """Return values with numbers for the strings of infinity, if the others are numbers."""
    others = [v for v in values if v not in MISSING and not (isinstance(v, str) and v in INFINITE)]
    if not all(isinstance(value, (int, float)) for value in others):
        return values
    return [INFINITE.get(value, value) if isinstance(value, str) else value for value in values]

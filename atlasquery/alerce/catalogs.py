"""From catsHTM's replies, in any of their shapes, to tables with units."""

import json
from collections.abc import Mapping

import astropy.units as u
import msgspec
import numpy as np
from astropy.table import MaskedColumn, Table
from astropy.units import photometric

from atlasquery.exceptions import TableParseError
from atlasquery.service.inputs import LARGEST_ID
from atlasquery.tables import convert_json, float_of

__all__ = [
    "CATALOGS",
    "WIRE_NAMES",
    "catalog_tables",
    "decode_catalogs",
    "read_catalogs",
    "within_radius",
]

#: What the server calls some catalogues, for what it answers with and people write.
WIRE_NAMES = {
    "CRTS": "CRTS_per_var",
    "2MASS": "TMASS",
    "2MASSxsc": "TMASSxsc",
    "GAIA/DR1": "GAIADR1",
    "GAIA/DR2": "GAIADR2",
    "SDSS/DR10": "SDSSDR10",
}
#: The catalogues of catsHTM, as its server takes them.
CATALOGS = (
    "AAVSO_VSX", "AKARI", "APASS", "CRTS_per_var", "Cosmos", "DECaLS", "FIRST", "GAIADR1",
    "GAIADR2", "GALEX", "HSCv2", "IPHAS", "IRACgc", "NEDz", "NVSS", "PTFpc", "ROSATfsc", "SAGE",
    "SDSSDR10", "SDSSoffset", "SWIREz", "SkyMapper", "SpecSDSS", "TMASS", "TMASSxsc", "UCAC4",
    "UKIDSS", "VISTAviking", "VSTatlas", "VSTkids", "WISE", "XMM", "unWISE",
)  # fmt: skip
PUBLIC_NAMES = {wire: name for name, wire in WIRE_NAMES.items()}
# "Unit strings astropy cannot parse" (contract).
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
# Units that lose a meaning, which the description of the column keeps.
TOLD = {"JD": "Julian date", "MJD": "MJD", "JYear": "Julian year", "magAB": "AB magnitude"}
TOLD |= {"FeH": "[Fe/H]", "logg": "log10 of the surface gravity in cm/s2"}
MISSING = (None, "null", "NaN", "")
# What the server writes for values that JSON has no number for.
INFINITE = {"infinity": np.inf, "-infinity": -np.inf, "Infinity": np.inf, "-Infinity": -np.inf}
# One value of a field.
Value = int | float | str | None


class _Field(msgspec.Struct):
    """A field of a catalogue, in any of the shapes in which it comes."""

    unit: str | None = None
    units: str | None = None
    value: Value | list[Value] | msgspec.UnsetType = msgspec.UNSET
    values: list[Value] | Value | msgspec.UnsetType = msgspec.UNSET
    attribute_name: str = ""


def decode_catalogs(body: bytes, name: str | None = None) -> dict[str, Table]:
    """Decode a reply of catsHTM.

    Parameters
    ----------
    body : bytes
        The reply: of one catalogue or several, with one value per field or many.
    name : str, optional
        The catalogue, where the reply may not say it.

    Returns
    -------
    dict of str to `~astropy.table.Table`
        A table per catalogue that has something there. Its fields have the
        catalogue's own names, but for ``separation``, the distance to the position.

    Raises
    ------
    TableParseError
        If it is none of the known shapes.
    """
    return catalog_tables([read_catalogs(body, name)])


def read_catalogs(body: bytes, name: str | None = None) -> dict[str, dict]:
    """Take a reply of catsHTM apart.

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
        If it is none of the known shapes.
    """
    found: dict[str, dict] = {}
    for catalog, fields in _catalogs(_decode(body), name):
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
        kept = [
            n for n, value in enumerate(fields["distance"][1])
            if not isinstance(value, (int, float)) or value <= arcsec
        ]  # fmt: skip
        if kept:
            found[catalog] = {
                name: (unit, [values[n] for n in kept]) for name, (unit, values) in fields.items()
            }
    return found


def _decode(body: bytes) -> object:
    """Decode JSON that may hold the bare words NaN and Infinity."""
    if b"NaN" in body or b"Infinity" in body:
        return json.loads(body)
    return msgspec.json.decode(body)


def catalog_tables(replies: list[dict], *, index: list[int] | None = None) -> dict[str, Table]:
    """Return the entries of replies to one question or many, a table for each catalogue.

    Parameters
    ----------
    replies : list of dict
        What `read_catalogs` returns.
    index : list of int, optional
        The number of each reply, for a column ``query_index``.

    Returns
    -------
    dict of str to `~astropy.table.Table`
        The rows of all replies in order; a field that one lacks is masked there.
    """
    tables: dict[str, Table] = {}
    for catalog in dict.fromkeys(catalog for reply in replies for catalog in reply):
        parts = [(n, reply[catalog]) for n, reply in enumerate(replies) if catalog in reply]
        lengths = [len(next(iter(fields.values()))[1]) for _, fields in parts]
        table = Table(meta={"catalog": catalog})
        if index is not None:
            table["query_index"] = np.repeat([index[n] for n, _ in parts], lengths)
        # A type is that of all values together: a position may have none, or whole ones only.
        for name in dict.fromkeys(name for _, fields in parts for name in fields):
            there = [fields.get(name, ("", [None] * k)) for (_, fields), k in zip(
                parts, lengths, strict=True)]  # fmt: skip
            unit = next((unit.strip() for unit, _ in there if unit.strip()), "")
            values = [value for _, some in there for value in some]
            table["separation" if name == "distance" else name] = _column(values, unit)
        tables[catalog] = table
    return tables


def _catalogs(said: object, name: str | None) -> list[tuple[str, object]]:
    """Return pairs of a catalogue and its fields."""
    if isinstance(said, Mapping) and "catalogs" in said:
        said = said["catalogs"]
    if isinstance(said, Mapping):
        if not said:
            return []
        if all(_is_field(value) for value in said.values()):
            return [(name or "catsHTM", said)]
        return list(said.items())
    if isinstance(said, list):
        if said and all(isinstance(one, Mapping) and "attribute_name" in one for one in said):
            return [(name or "catsHTM", said)]
        return [pair for one in said for pair in _catalogs(one, name)]
    raise TableParseError(f"catsHTM answered {said!r:.100}, which is no catalogue")


def _is_field(value: object) -> bool:
    return isinstance(value, Mapping) and bool({"value", "values"} & value.keys())


def _fields(said: object) -> dict[str, tuple[str, list]]:
    """Return for each field its unit and its values."""
    if isinstance(said, list):
        listed = convert_json(said, list[_Field], "what catsHTM answered")
        named = {field.attribute_name: field for field in listed}
        if len(named) < len(listed):
            raise TableParseError("catsHTM answered several fields of one name")
    elif isinstance(said, Mapping):
        named = convert_json(said, dict[str, _Field], "what catsHTM answered")
    else:
        raise TableParseError(f"catsHTM answered {said!r:.100}, which has no fields")
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
    mask = [value in MISSING or value != value for value in values]
    known = [value for value, none in zip(values, mask, strict=True) if not none]
    if known and all(type(v) is int and -LARGEST_ID <= v <= LARGEST_ID for v in known):
        # Numbers of objects have more digits than a float.
        kind, blank = np.int64, 0
    elif all(isinstance(v, (int, float)) for v in known):
        kind, blank = float_of, np.nan
    else:
        kind, blank = str, ""
    plain = [blank if none else kind(v) for v, none in zip(values, mask, strict=True)]
    data = np.array(plain, dtype=float if kind is float_of else kind)
    mask = np.array(mask, bool) | (np.isnan(data) if kind is float_of else False)
    meant = UNITS[unit] if unit in UNITS else u.Unit(unit, parse_strict="silent")
    return MaskedColumn(data, mask=mask, unit=meant, description=TOLD.get(unit))


def _numbers(values: list) -> list:
    """Return values with numbers for the words of infinity, where the others are numbers."""
    others = [v for v in values if v not in MISSING and not (isinstance(v, str) and v in INFINITE)]
    if not all(isinstance(value, (int, float)) for value in others):
        return values
    return [INFINITE.get(value, value) if isinstance(value, str) else value for value in values]

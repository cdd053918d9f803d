"""From catsHTM's replies, in any of their shapes, to tables with units."""

from collections.abc import Mapping

import astropy.units as u
import msgspec
import numpy as np
from astropy.table import MaskedColumn, Table
from astropy.units import photometric

from atlasquery.alerce.base import plain_json
from atlasquery.exceptions import TableParseError

__all__ = ["WIRE_NAMES", "decode_catalogs"]

#: What the server calls some catalogues, for what it answers with and people write.
WIRE_NAMES = {
    "2MASS": "TMASS",
    "2MASSxsc": "TMASSxsc",
    "GAIA/DR1": "GAIADR1",
    "GAIA/DR2": "GAIADR2",
    "SDSS/DR10": "SDSSDR10",
}
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
    found: dict[str, Table] = {}
    for catalog, fields in _catalogs(msgspec.json.decode(plain_json(body)), name):
        columns = _fields(fields)
        if columns and any(len(values) for _, values in columns.values()):
            public = PUBLIC_NAMES.get(catalog, catalog)
            found[public] = _table(columns, public)
    return found


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
        said = {one["attribute_name"]: one for one in said}
    if not isinstance(said, Mapping):
        raise TableParseError(f"catsHTM answered {said!r:.100}, which has no fields")
    columns = {}
    for name, field in said.items():
        if not _is_field(field):
            raise TableParseError(f"catsHTM answered {name}={field!r:.100}, which has no value")
        values = field.get("values", field.get("value"))
        unit = field.get("units", field.get("unit"))
        columns[name] = (unit or "", values if isinstance(values, list) else [values])
    if len({len(values) for _, values in columns.values()}) > 1:
        raise TableParseError("catsHTM answered fields of different lengths")
    return columns


def _table(columns: Mapping, catalog: str) -> Table:
    table = Table(meta={"catalog": catalog})
    for name, (unit, values) in columns.items():
        public = "separation" if name == "distance" else name
        table[public] = _column(values, unit.strip())
    return table


def _column(values: list, unit: str) -> MaskedColumn:
    mask = [value in MISSING for value in values]
    if all(isinstance(v, (int, float)) for v, none in zip(values, mask, strict=True) if not none):
        data = [np.nan if none else float(v) for v, none in zip(values, mask, strict=True)]
    else:
        data = ["" if none else str(v) for v, none in zip(values, mask, strict=True)]
    known = UNITS[unit] if unit in UNITS else u.Unit(unit, parse_strict="silent")
    return MaskedColumn(data, mask=mask, unit=known, description=TOLD.get(unit))

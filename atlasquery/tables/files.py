"""Write tables to files and read them back equal, in the format of the extension."""

import csv
import gzip
import io
import json
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import ascii, fits
from astropy.table import Column, MaskedColumn, Table
from astropy.table.meta import get_header_from_yaml

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.files import write_atomic
from atlasquery.service.inputs import check_path
from atlasquery.tables.coordinate_systems import (
    UNKNOWN,
    TimeColumn,
    position_pairs,
    target,
    time_columns,
)
from atlasquery.tables.csv_files import csv_text, read_csv
from atlasquery.tables.parquet_schema import with_pandas_types
from atlasquery.tables.serialization import RECORD, build_from_plain, header_text, restore, to_plain

__all__ = ["EXTENSIONS", "read_table", "write_table"]

# The keyword of FITS, the INFO of VOTable and the item of Parquet that hold what is not a column.
FITS_KEYWORD = "ATLASQRY"
VOTABLE_INFO = "atlasquery"
PARQUET_ITEM = b"table_meta_yaml"
# Time scales with other names in VOTable.
VOTABLE_SCALES = {"UT1": "UT", "LOCAL": UNKNOWN}
# Items of meta that become keywords of FITS too, for programs that look for them there.
KEYWORDS = ("object", "survey", "magsys", "service", "server", "obtained", "creator", "query")


def write_table(table: Table, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
    """Write a table to a file.

    The file is written completely or not at all; `read_table` returns an equal
    table: columns with their types, units, descriptions, formats and masks, times
    with their scales, and meta.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A table, or a time series, of numbers, strings, booleans, quantities,
        times and coordinates.
    path : path-like
        The file. Its extension gives the format: ``.ecsv``, ``.fits``, ``.fit``,
        ``.fits.gz``, ``.vot``, ``.xml`` (VOTable), ``.parquet`` or ``.csv`` (ECSV
        with commas).
    overwrite : bool, optional
        Whether to replace an existing file; by default it is refused.

    Returns
    -------
    `~pathlib.Path`
        The file.

    Raises
    ------
    InvalidQueryError
        If the extension is not known, the file exists, or a column cannot be
        written.
    ImportError
        If pyarrow, which Parquet needs, is not installed: it comes with ``atlasquery[parquet]``.

    Warns
    -----
    InputWarning
        If an item of meta cannot be written to a file.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> from atlasquery.tables import read_table, write_table
    >>> good = Atlas.query_list("good")
    >>> _ = write_table(good, "good.fits")
    >>> again = read_table("good.fits")
    >>> again["followup_flag_date"].scale, len(again) == len(good)
    ('utc', True)
    """
    if not isinstance(table, Table):
        raise InvalidQueryError(f"table={table!r:.80} should be an astropy Table")
    path, extension = _check_path(path)
    if path.exists() and not overwrite:
        raise InvalidQueryError(f"path={str(path)!r} exists already; overwrite=True replaces it")
    body = FORMATS[extension][0](table)
    write_atomic(path, body)
    return path


def read_table(path: str | os.PathLike) -> Table:
    """Read a table that `write_table` has written, or that astropy can read.

    Parameters
    ----------
    path : path-like
        The file; its extension gives the format.

    Returns
    -------
    `~astropy.table.Table`
        Of the class that was written: a `~astropy.table.Table`, a
        `~astropy.table.QTable` or a `~astropy.timeseries.TimeSeries`. The first
        table, where a file of another program has several.

    Raises
    ------
    InvalidQueryError
        If the extension is not known, or the file is not of its format.
    FileNotFoundError
        If there is no such file.
    ImportError
        If pyarrow, which Parquet needs, is not installed.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> from atlasquery.tables import read_table, write_table
    >>> _ = write_table(Atlas.list_lists(), "lists.vot")
    >>> read_table("lists.vot").colnames
    ['number', 'name', 'custom', 'about']
    """
    path, extension = _check_path(path)
    body = path.read_bytes()
    if not body.strip():
        size = "is empty" if not body else "has nothing but blanks"
        raise InvalidQueryError(f"path={str(path)!r} {size}: it has no table")
    try:
        with warnings.catch_warnings():
            # Each format has its own doubts about units, which the header settles.
            warnings.simplefilter("ignore")
            return FORMATS[extension][1](body)
    except ImportError:
        raise
    except Exception as error:
        # Each reader has its own errors for a file that is damaged or of another format.
        raise InvalidQueryError(
            f"path={str(path)!r} could not be read as {extension}: {error}"
        ) from error


def _check_path(path: str | os.PathLike) -> tuple[Path, str]:
    path = check_path(path, name="path")
    name = path.name.lower()
    for extension in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(extension) and name != extension:
            return path, extension
    raise InvalidQueryError(
        f"path={str(path)!r} should end in one of {', '.join(FORMATS)}, which gives the format"
    )


def _write_ecsv(table: Table, delimiter: str = " ") -> bytes:
    plain = to_plain(table, edges=True)
    text = io.StringIO()
    plain[:0].write(text, format="ascii.ecsv", delimiter=delimiter)
    # astropy formats the cells one by one, which takes ten times as long.
    nothing = '""' if delimiter == " " or len(plain.columns) == 1 else ""
    cells = [_ecsv_cells(column, delimiter, nothing) for column in plain.columns.values()]
    text.writelines(delimiter.join(row) + "\n" for row in zip(*cells, strict=True))
    return text.getvalue().encode()


def _ecsv_cells(column: Column, delimiter: str, nothing: str) -> list[str]:
    """Return the values of a plain column as astropy writes them into ECSV."""
    values = np.asarray(column.data.data if isinstance(column, MaskedColumn) else column.data)
    # Short floats have fewer digits than the Python numbers they become in a list.
    plain = values.tolist() if values.dtype.kind != "f" or values.dtype.itemsize == 8 else values
    cells = list(map(str, plain))
    if values.dtype.kind in "US":
        special = re.compile(rf'[{re.escape(delimiter)}"\r\n]')
        cells = [
            '"' + cell.replace('"', '""') + '"' if special.search(cell) else cell or nothing
            for cell in cells
        ]
    if isinstance(column, MaskedColumn):
        for n in np.flatnonzero(np.ma.getmaskarray(column)).tolist():
            cells[n] = nothing
    return cells


def _read_ecsv(body: bytes) -> Table:
    # Table.read would make columns of quantities, and QTable.read quantities of columns.
    return restore(ascii.read(body.decode(), format="ecsv"))


def _write_csv(table: Table) -> bytes:
    header: list[str] = []
    body: list[str] = []
    for line in _write_ecsv(table, ",").decode().splitlines(keepends=True):
        (header if line.startswith("#") and not body else body).append(line)
    # What skips the header takes "#" for the begin of a comment, but not between quotes.
    # A row of one empty field would be a blank line, which readers leave out.
    rows = (",".join(map(_csv_field, row)) or '""' for row in csv.reader(body))
    return "".join([*header, *(f"{row}\n" for row in rows)]).encode()


def _csv_field(text: str) -> str:
    if text == text.strip() and not any(character in text for character in '#,"\n\r'):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _read_csv(body: bytes) -> Table:
    text = csv_text(body)
    if text.startswith("# %ECSV"):
        return _read_ecsv(body)
    return read_csv(text)


def _write_fits(table: Table) -> bytes:
    plain = to_plain(table, null_bool=False, only_ascii=True, all_numbers=False)
    header = json.dumps(header_text(plain))
    times, position = time_columns(table, plain), target(table)
    for column in plain.columns.values():
        if isinstance(column, MaskedColumn) and column.dtype.kind == "i":
            column.fill_value = _free_number(column)
    # Of a time that is two columns only astropy knows that they belong together.
    units = {time.name: time.unit for time in times if time.unit and time.name in table.colnames}
    for name, unit in units.items():
        plain[name].unit = u.Unit(unit)
    kept = {k: v for k, v in plain.meta.items() if k in KEYWORDS and _fits_card(v)}
    # With this astropy itself gives back masked quantities; times by the keywords of FITS.
    serialized = dict(plain.meta.get("__serialized_columns__", {}))
    for name in units:
        serialized.pop(name, None)
    names = _fits_names(plain.colnames)
    kept["__serialized_columns__"] = _renamed(serialized, names)
    plain.meta = {**kept, FITS_KEYWORD: header}
    pairs = position_pairs(table, plain)
    plain.rename_columns(list(names), list(names.values()))
    with warnings.catch_warnings():
        # FITS has no kpc / arcsec; the header keeps it.
        warnings.simplefilter("ignore")
        buffer = io.BytesIO()
        plain.write(buffer, format="fits")
        buffer.seek(0)
        hdus = fits.open(buffer)
        # In front of the strings that are continued over many cards, which it announces.
        cards = [("LONGSTRN", "OGIP 1.0", "Long strings are continued by CONTINUE")]
        cards += _time_cards(times, list(names))
        if position is not None:
            cards += [("RA_OBJ", position.ra.deg, "[deg]"), ("DEC_OBJ", position.dec.deg, "[deg]")]
        if position is not None or pairs:
            cards.append(("RADESYS", "ICRS", "System of positions"))
        for card in reversed(cards):
            hdus[1].header.insert("TFIELDS", card, after=True)
        body = io.BytesIO()
        hdus.writeto(body)
    return body.getvalue()


def _fits_names(names: list[str]) -> dict[str, str]:
    """Return the names that columns have in FITS, which advises against all but letters and _."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        clashes = {other.lower() for other in (*names, *found.values()) if other != name}
        found[name] = name if plain.lower() in clashes else plain
    return found


def _renamed(serialized: Any, names: dict[str, str]) -> Any:
    """Return astropy's own header with the names of columns replaced."""
    if not isinstance(serialized, dict):
        return serialized
    return type(serialized)(
        (key, names.get(value, value) if key == "name" else _renamed(value, names))
        for key, value in serialized.items()
    )


def _time_cards(times: list[TimeColumn], names: list[str]) -> list[tuple]:
    """Return the FITS keywords of the columns of times; see section 9 of the standard."""
    days = [time for time in times if time.origin == "MJD-origin"]
    scales = {time.scale for time in days or times if time.scale}
    if len(scales) != 1:
        return []
    cards: list[tuple] = [("TIMESYS", scales.pop(), "Time scale")]
    if days:
        cards += [("MJDREF", 0.0, "[d] MJD of times of 0"), ("TIMEUNIT", "d", "Unit of times")]
    for time in days:
        n = names.index(time.name) + 1
        cards += [(f"TCTYP{n}", time.scale, "Time scale"), (f"TCUNI{n}", "d")]
        # The observatory is what FITS assumes, and to name it needs its coordinates.
        if time.position not in (UNKNOWN, "TOPOCENTER"):
            cards.append((f"TRPOS{n}", time.position, "Reference position of times"))
    return cards


def _free_number(column: MaskedColumn) -> int:
    """Return a number that stands for a missing one, because no row has it."""
    known = np.asarray(column.data.data)[~np.ma.getmaskarray(column)]
    limits = np.iinfo(column.dtype)
    for number in (limits.min, limits.max):
        if not np.any(known == number):
            return number
    # There is a gap between the numbers that are taken, or there are as many rows as numbers.
    taken = np.unique(known)
    gap = np.flatnonzero(np.diff(taken.astype(object)) > 1)
    return int(taken[gap[0]]) + 1 if len(gap) else limits.min


def _read_fits(body: bytes) -> Table:
    with fits.open(io.BytesIO(body)) as hdus:
        hdu = next(hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU))
        if FITS_KEYWORD not in hdu.header:
            return Table.read(hdu, astropy_native=True)
        header = json.loads(hdu.header[FITS_KEYWORD])
        arrays = {}
        names = [about["name"] for about in get_header_from_yaml(header.splitlines())["datatype"]]
        for name, column in zip(names, hdu.columns, strict=True):
            values = np.array(hdu.data.field(column.name))
            null = column.null
            mask = np.zeros(len(values), bool) if null is None else values == null
            arrays[name] = (values, mask)
    return build_from_plain(arrays, header)


def _write_fits_gz(table: Table) -> bytes:
    return gzip.compress(_write_fits(table))


def _read_fits_gz(body: bytes) -> Table:
    return _read_fits(gzip.decompress(body))


def _fits_card(value: object) -> bool:
    return isinstance(value, str) and len(value) < 60 and value.isascii() and value.isprintable()


def _write_votable(table: Table) -> bytes:
    from astropy.io import votable
    from astropy.io.votable.tree import Info

    plain = to_plain(table, all_numbers=False)
    header = header_text(plain)
    plain.meta.clear()
    for column in plain.columns.values():
        # Some of it would be taken for elements of VOTable; the header has it.
        column.meta.clear()
    with warnings.catch_warnings():
        # Columns may have names and units that are not those of VOTable.
        warnings.simplefilter("ignore")
        file = votable.from_table(plain)
    (resource,) = file.resources
    (written,) = resource.tables
    written.fields[:] = [_votable_field(file, field) for field in written.fields]
    _add_systems(file, table, plain)
    # XML turns line breaks into blanks.
    resource.infos.append(Info(name=VOTABLE_INFO, value=json.dumps(header)))
    buffer = io.BytesIO()
    # Text has no missing booleans and no missing strings; this binary form has.
    file.to_xml(buffer, tabledata_format="binary2")
    return buffer.getvalue()


def _votable_field(file: Any, field: Any) -> Any:
    """Return a column of VOTable in the types that all programs read.

    astropy writes booleans as ``bit``, which STILTS and TOPCAT do not read from
    the binary form, and strings in the width of the longest, which is deprecated where
    it is 1.
    """
    if field.datatype == "bit":
        return _changed(file, field, datatype="boolean")
    if field.datatype in ("char", "unicodeChar"):
        return _changed(file, field, datatype=field.datatype, arraysize="*")
    return field


def _changed(file: Any, field: Any, **attributes: str) -> Any:
    from astropy.io.votable.tree import Field

    new = Field(file, ID=field.ID, name=field.name, unit=field.unit, **attributes)
    new.description = field.description
    return new


def _add_systems(file: Any, table: Table, plain: Table) -> None:
    """Declare in a VOTable what its times and positions refer to."""
    from astropy.io.votable.tree import Param, TimeSys

    (resource,) = file.resources
    (written,) = resource.tables
    fields = {field.name: field for field in written.fields}
    place_of = {field.name: n for n, field in enumerate(written.fields)}
    known: dict[tuple, str] = {}
    for time in time_columns(table, plain):
        field = fields[time.name]
        if time.unit:
            field.unit = time.unit
        else:
            # VOTable has this type for strings of ASCII only.
            field = _changed(file, field, datatype="char", arraysize="*", xtype="timestamp")
            written.fields[place_of[time.name]] = field
        if not time.scale:
            continue
        key = (time.origin, VOTABLE_SCALES.get(time.scale, time.scale), time.position)
        if key not in known:
            known[key] = f"time_system_{len(known) + 1}"
            system = TimeSys(known[key], *key, config=field._config)
            resource.time_systems.append(system)
        field.ref = known[key]
        field.ucd = "time.epoch;meta.main" if time.name == "time" else "time.epoch"
    places: dict[str, str] = {}
    for ra, dec, system in position_pairs(table, plain):
        for name, ucd in ((ra, "pos.eq.ra"), (dec, "pos.eq.dec")):
            fields[name].ref = _system(resource, places, system)
            fields[name].ucd = f"{ucd};meta.main" if name in ("ra", "dec") else ucd
    position = target(table)
    if position is not None:
        for name, angle in (("ra", position.ra), ("dec", position.dec)):
            param = Param(
                file,
                name=f"object_{name}",
                datatype="double",
                unit="deg",
                ucd=f"pos.eq.{name};src",
                value=repr(float(angle.deg)),
            )
            param.ref = _system(resource, places, "ICRS")
            written.params.append(param)


def _system(resource: Any, places: dict[str, str], system: str) -> str:
    """Return the name in a file of a system of positions, which is added if it is new."""
    from astropy.io.votable.tree import CooSys

    if system not in places:
        places[system] = f"positions_{system.lower()}"
        equinox = {"FK5": "J2000", "FK4": "B1950"}.get(system)
        words = {"FK5": "eq_FK5", "FK4": "eq_FK4"}
        resource.coordinate_systems.append(
            CooSys(ID=places[system], equinox=equinox, system=words.get(system, system))
        )
    return places[system]


def _read_votable(body: bytes) -> Table:
    from astropy.io import votable

    file = votable.parse(io.BytesIO(body))
    table = file.get_first_table()
    headers = [i.value for r in file.resources for i in r.infos if i.name == VOTABLE_INFO]
    if not headers:
        return table.to_table(use_names_over_ids=True)
    arrays = {}
    for field in table.fields:
        values = table.array[field.ID]
        arrays[field.name] = (np.asarray(values.data), np.ma.getmaskarray(values))
    return build_from_plain(arrays, json.loads(headers[0]))


def _write_parquet(table: Table) -> bytes:
    pa, parquet = _pyarrow()
    # Parquet tells NaN and empty strings from missing ones, so that columns depend on the
    # declaration of a table only, never on its values.
    plain = to_plain(table, all_nulls=True)
    units = {time.name: time.unit for time in time_columns(table, plain) if time.unit}
    arrays, fields = [], []
    for name, column in plain.columns.items():
        values = np.asarray(column.data.data if isinstance(column, MaskedColumn) else column.data)
        # Arrow has no numbers of the other byte order, in which FITS files come.
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        mask = np.ma.getmaskarray(column) if isinstance(column, MaskedColumn) else None
        kind = pa.string() if values.dtype.kind == "U" else None
        try:
            arrays.append(pa.array(values, type=kind, mask=mask))
        except pa.ArrowNotImplementedError as error:
            raise InvalidQueryError(
                f"the column {name!r} is of type {values.dtype}, which Parquet has not; ECSV has"
            ) from error
        unit = str(column.unit or units.get(name, ""))
        about = {"unit": unit, "about": column.description or ""}
        # A missing number of another kind than this is NaN in every column.
        nullable = mask is not None or values.dtype.kind not in "iub"
        fields.append(pa.field(name, arrays[-1].type, nullable, about))
    # With these and the header astropy itself reads units and descriptions.
    widths = {
        f"table::len::{name}": str(max(column.dtype.itemsize // 4, 1))
        for name, column in plain.columns.items()
        if column.dtype.kind == "U"
    }
    metadata: dict[Any, str] = {PARQUET_ITEM: header_text(plain), **widths}
    schema = with_pandas_types(pa.schema(fields, metadata))
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def _read_parquet(body: bytes) -> Table:
    _, parquet = _pyarrow()
    found = parquet.read_table(io.BytesIO(body))
    header = (found.schema.metadata or {}).get(PARQUET_ITEM, b"").decode()
    if RECORD not in header:
        return Table.read(io.BytesIO(body), format="parquet")
    arrays = {}
    for name in found.column_names:
        column = found.column(name)
        mask = np.asarray(column.is_null())
        if column.null_count:
            column = column.fill_null(_filler(column.type))
        arrays[name] = (column.to_numpy(), mask)
    return build_from_plain(arrays, header)


def _filler(kind: object) -> object:
    pa, _ = _pyarrow()
    if pa.types.is_string(kind):
        return ""
    if pa.types.is_boolean(kind):
        return False
    return float("nan") if pa.types.is_floating(kind) else 0


def _pyarrow() -> tuple:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "Parquet files need pyarrow: pip install 'atlasquery[parquet]'"
        ) from error
    return pyarrow, pyarrow.parquet


_Pair = tuple[Callable[[Table], bytes], Callable[[bytes], Table]]
FORMATS: dict[str, _Pair] = {
    ".ecsv": (_write_ecsv, _read_ecsv),
    ".fits": (_write_fits, _read_fits),
    ".fit": (_write_fits, _read_fits),
    ".fits.gz": (_write_fits_gz, _read_fits_gz),
    ".vot": (_write_votable, _read_votable),
    ".xml": (_write_votable, _read_votable),
    ".parquet": (_write_parquet, _read_parquet),
    ".csv": (_write_csv, _read_csv),
}
#: The extensions of formats.
EXTENSIONS = tuple(FORMATS)

"""The small files of a catalogue: properties, partitions, the schema with units as a VOTable."""

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.io.votable.tree import Field as VOField
from astropy.io.votable.tree import FieldRef, Group, Param, Resource, TableElement, VOTableFile

from atlasquery.exceptions import InvalidQueryError
from atlasquery.hats.fields import FileColumn
from atlasquery.hats.layout import HEALPIX, ORDER, Cell
from atlasquery.service.files import write_atomic

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "COLLECTION",
    "COMMON",
    "HEADER",
    "LIGHT_CURVE",
    "PARTITIONS",
    "PROPERTIES",
    "catalog_properties",
    "read_header",
    "read_partitions",
    "read_properties",
    "write_common_metadata",
    "write_partitions",
    "write_properties",
]

COLLECTION, PARTITIONS = "collection.properties", "partition_info.csv"
# Programs of before 2025 know the second name only.
PROPERTIES = ("hats.properties", "properties")
COMMON = Path("dataset", "_common_metadata")
#: The item of the metadata of each file that says what its columns were.
HEADER = b"atlasquery"
#: The nested column.
LIGHT_CURVE = "light_curve"
VOTABLE = b"IVOA.VOTable-Parquet."
# Types of VOTable by those of Arrow: datatype, arraysize.
VOTYPES = {
    "bool": ("boolean", None),
    "string": ("char", "*"),
    "double": ("double", None),
    "float": ("float", None),
    "int8": ("short", None),
    "int16": ("short", None),
    "int32": ("int", None),
    "int64": ("long", None),
}


def write_properties(path: Path, items: Mapping[str, Any]) -> None:
    """Write a file of properties.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    items : mapping of str
        The properties; None is left out.
    """
    lines = [f"{key}={value}" for key, value in items.items() if value is not None]
    write_atomic(path, ("\n".join(lines) + "\n").encode())


def read_properties(path: Path) -> dict[str, str]:
    """Read a file of properties.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.

    Returns
    -------
    dict of str
        The properties.
    """
    lines = [line.strip() for line in path.read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if line and line[0] not in "#!"]
    return {key.strip(): value.strip() for key, _, value in pairs}


def catalog_properties(
    *,
    name: str,
    kind: str,
    rows: int,
    cells: Iterable[Cell],
    size: int,
    created: str,
    builder: str,
    further: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the properties of a catalogue.

    Parameters
    ----------
    name : str
        Its name.
    kind : {"object", "margin"}
        What it is.
    rows : int
        Number of objects.
    cells : iterable of Cell
        Those that have a file.
    size : int
        Bytes of all files.
    created : str
        When it was written.
    builder : str
        The program.
    further : mapping of str
        More properties.

    Returns
    -------
    dict
        By the names of the format.
    """
    cells = list(cells)
    share = sum(4.0**-cell.order for cell in cells) / 12
    return {
        "obs_collection": name,
        "dataproduct_type": kind,
        "hats_nrows": rows,
        "hats_col_ra": "ra",
        "hats_col_dec": "dec",
        "hats_col_healpix": HEALPIX,
        "hats_col_healpix_order": ORDER,
        "hats_npix_suffix": ".parquet",
        "hats_order": max((cell.order for cell in cells), default=0),
        "hats_max_rows": max(map(len, cells), default=0) if kind == "object" else None,
        "moc_sky_fraction": f"{share:.10g}",
        **further,
        "hats_estsize": size // 1024,
        "hats_builder": builder,
        "hats_creation_date": created,
        "hats_release_date": "2025-08-22",
        "hats_version": "v1.0",
    }


def write_partitions(path: Path, cells: Iterable[Cell]) -> None:
    """Write the list of files of a catalogue.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    cells : iterable of Cell
        Those that have a file.
    """
    lines = ["Norder,Npix", *(f"{cell.order},{cell.pixel}" for cell in cells)]
    write_atomic(path, ("\n".join(lines) + "\n").encode())


def read_partitions(path: Path) -> list[tuple[int, int]]:
    """Read the list of files of a catalogue.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.

    Returns
    -------
    list of tuple of int
        Order and pixel of each.
    """
    header, *lines = path.read_text().split()
    names = header.split(",")
    at = names.index("Norder"), names.index("Npix")
    cells = [line.split(",") for line in lines]
    return [(int(cell[at[0]]), int(cell[at[1]])) for cell in cells]


def write_common_metadata(
    path: Path, schema: "pa.Schema", fields: Mapping[str, Mapping[str, FileColumn]], name: str
) -> None:
    """Write the schema of all files, with units and descriptions as a VOTable without data.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    schema : `pyarrow.Schema`
        The schema.
    fields : mapping of str to mapping
        The field of each column: those of objects under ``""``, those of a nested column under
        its name.
    name : str
        Name of the table.
    """
    from pyarrow import parquet

    document = io.BytesIO()
    _votable(schema, fields, name).to_xml(document)
    meta = {
        **(schema.metadata or {}),
        VOTABLE + b"version": b"1.0",
        VOTABLE + b"content": document.getvalue(),
    }
    body = io.BytesIO()
    parquet.write_metadata(schema.with_metadata(meta), body)
    write_atomic(path, body.getvalue())


def _votable(schema: "pa.Schema", fields: Mapping, name: str) -> VOTableFile:
    import pyarrow as pa

    file = VOTableFile()
    resource = Resource()
    file.resources.append(resource)
    table = TableElement(file, name=name)
    resource.tables.append(table)
    groups = []
    for column in schema:
        if not pa.types.is_struct(column.type):
            table.fields.append(_vofield(file, column, column.name, fields[""].get(column.name)))
            continue
        group = Group(table, name=column.name, config=file._config)
        group.entries.append(Param(file, name="is_nested_column", datatype="boolean", value="t"))
        for inner in column.type:
            dotted = f"{column.name}.{inner.name}"
            known = fields[column.name].get(inner.name)
            values = pa.field(inner.name, inner.type.value_type)
            table.fields.append(_vofield(file, values, dotted, known))
            group.entries.append(FieldRef(table, ref=table.fields[-1].ID))
        groups.append(group)
    for group in groups:
        table.groups.append(group)
    return file


def _vofield(file: VOTableFile, column: "pa.Field", name: str, known: FileColumn | None) -> VOField:
    datatype, arraysize = VOTYPES[str(column.type)]
    ident = name.replace(".", "_")
    if not (ident[0].isalpha() or ident[0] == "_"):
        ident = f"_{ident}"
    options = {"ID": ident, "name": name, "datatype": datatype}
    if arraysize:
        options["arraysize"] = arraysize
    field = VOField(file, **options)
    if known is not None and known.unit:
        field.unit = known.unit
    if known is not None and known.about:
        field.description = known.about
    return field


def read_header(path: Path) -> dict:
    """Return what `to_hats` wrote about the columns of a catalogue.

    Parameters
    ----------
    path : `~pathlib.Path`
        The folder of a catalogue, or of a collection.

    Returns
    -------
    dict
        Its header.

    Raises
    ------
    InvalidQueryError
        If `to_hats` has not written it.
    """
    from pyarrow import parquet

    common = primary_folder(path) / COMMON
    if not common.is_file():
        raise InvalidQueryError(f"path={str(path)!r} has no {COMMON}: it is not a catalogue")
    known = (parquet.read_schema(common).metadata or {}).get(HEADER)
    if known is None:
        raise InvalidQueryError(
            f"path={str(path)!r} was not written by to_hats, or written again by a program that "
            "leaves out units and time scales: open it with lsdb.open_catalog"
        )
    return json.loads(known)


def primary_folder(path: Path) -> Path:
    """Return the folder of the catalogue of a collection.

    Parameters
    ----------
    path : `~pathlib.Path`
        The folder of a catalogue, or of a collection.

    Returns
    -------
    `~pathlib.Path`
        The folder that has ``hats.properties``.

    Raises
    ------
    InvalidQueryError
        If it is neither.
    """
    if (path / COLLECTION).is_file():
        path = path / read_properties(path / COLLECTION).get("hats_primary_table_url", "")
    if not any((path / name).is_file() for name in PROPERTIES):
        raise InvalidQueryError(
            f"path={str(path)!r} is not a catalogue: it has no {PROPERTIES[0]} and no {COLLECTION}"
        )
    return path


def properties_of(folder: Path) -> dict[str, str]:
    """Return the properties of a catalogue.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Its folder.

    Returns
    -------
    dict of str
        The properties.
    """
    path = next(folder / name for name in PROPERTIES if (folder / name).is_file())
    return read_properties(path)

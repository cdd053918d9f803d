"""Parquet files of rows: one table for each kind, null where the server sent nothing."""

import functools
import io
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.table import Column as TableColumn
from astropy.table import Table
from astropy.table import meta as table_meta
from astropy.time import Time

from atlasquery.atlas.columns import (
    CROSSMATCH,
    DETECTION,
    FORCED,
    NON_DETECTION,
    OBJECT,
    SHERLOCK_CLASSIFICATION,
    SHERLOCK_CROSSMATCH,
)
from atlasquery.atlas.items import NULL, Item, object_rows, product_rows
from atlasquery.exceptions import TableParseError
from atlasquery.lightcurve.schema import inside
from atlasquery.tables import Column, Columns, Rows, Timestamp, build_table
from atlasquery.tables.build import assemble, table_column
from atlasquery.tables.parquet_schema import with_pandas_types

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "KINDS",
    "UNDECLARED",
    "UNDECLARED_ABOUT",
    "chunk_tables",
    "concat_arrow",
    "is_complete",
    "read_arrow",
    "read_partitions",
    "read_rows",
    "require_pyarrow",
    "with_undeclared",
    "write_partition",
]

# For each kind of row its declaration, and the products of an item that have such rows.
KINDS: dict[str, tuple[Columns, tuple[str, ...]]] = {
    "objects": (OBJECT, ("object",)),
    "detections": (DETECTION, ("lc",)),
    "non_detections": (NON_DETECTION, ("lcnondets",)),
    "forced": (FORCED, ("fp",)),
    "sherlock_crossmatches": (SHERLOCK_CROSSMATCH, ("sherlock_crossmatches",)),
    "sherlock_classifications": (SHERLOCK_CLASSIFICATION, ("sherlock_classifications",)),
    "crossmatches": (CROSSMATCH, ("tns_crossmatches", "external_crossmatches")),
}
ATLAS_ID = OBJECT.by_name["atlas_id"]
UNDECLARED_ABOUT = "Sent by the server, not known to this version of atlasquery."
# The last column of each file.
UNDECLARED = Column(
    "undeclared", str, about="What else the server sent in the row: a JSON object of strings."
)


def require_pyarrow() -> None:
    """Raise if pyarrow is missing.

    Raises
    ------
    ImportError
        With what to install.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Parquet files need pyarrow: pip install 'atlasquery[parquet]'"
        ) from error


def chunk_tables(
    known: list[tuple[int, Item, float]], window: tuple = (None, None)
) -> tuple[dict, dict]:
    """Decode the objects of a chunk into a table for each kind of row.

    Parameters
    ----------
    known : list of tuple
        Id, item and the time at which it came.
    window : tuple of float or None, optional
        The first and last MJD; the server has no upper bound.

    Returns
    -------
    tables : dict of str to `pyarrow.Table`
        The rows of all items by kind, without kinds that have no rows.
    counts : dict of str to list of int
        For each kind, how many rows each item has.

    Raises
    ------
    TableParseError
        If a row is not what the server is known to send.
    """
    ids, items = [atlas_id for atlas_id, *_ in known], [item for _, item, _ in known]
    tables, counts = {}, {}
    for kind in KINDS:
        rows, counts[kind] = _rows(kind, ids, items, window)
        if len(rows):
            tables[kind] = _to_arrow(rows, KINDS[kind][0])
    return tables, counts


def _rows(
    kind: str, ids: list[int], items: list[Item], window: tuple = (None, None)
) -> tuple[Rows, list[int]]:
    """Return the rows of one kind with the id first, and how many each item has."""
    columns, products = KINDS[kind]
    # The type of a column must not depend on how ids fell into chunks.
    same = {"undeclared_as_text": True}
    if kind == "objects":
        return object_rows(items, **same), [1] * len(items)
    if len(products) == 1:
        rows = product_rows(columns, items, products[0], **same)
        counts = rows.counts
    else:
        pairs = [{"rows": item.get(name, NULL)} for item in items for name in products]
        rows = product_rows(columns, pairs, "rows", **same)
        counts = np.reshape(rows.counts, (len(items), len(products))).sum(axis=1).tolist()
    owners = np.repeat(np.array(ids, dtype=np.int64), counts)
    if ATLAS_ID.name not in rows.values:
        rows.add(ATLAS_ID, owners)
    elif (missing := rows.masks[ATLAS_ID.name]).any():
        # A row that was sent without an id is of the object that it came with.
        rows.values[ATLAS_ID.name] = np.where(missing, owners, rows.values[ATLAS_ID.name])
        rows.masks[ATLAS_ID.name] = np.zeros(len(rows), bool)
    # Rows of other kinds may have such a key on a newer server, of another meaning.
    if "time" in columns.by_name:
        is_inside = inside(rows.values["time"], window)
        if not is_inside.all():
            owner = np.repeat(np.arange(len(ids)), counts)[is_inside]
            rows, counts = rows.take(is_inside), np.bincount(owner, minlength=len(ids)).tolist()
    rows.columns.sort(key=lambda column: column.name != ATLAS_ID.name)
    return rows, counts


def _to_arrow(rows: Rows, declared: Columns) -> "pa.Table":
    import pyarrow as pa

    arrays, widths = [], {}
    known = [column for column in rows.columns if _is_known(column, declared)]
    for column in known:
        # Taken out of the rows, as the strings of a chunk are large and not needed twice.
        values, mask = rows.values.pop(column.name), rows.masks.pop(column.name)
        arrays.append(_arrow_array(column, values, mask))
        if column.kind is str:
            widths[f"table::len::{column.name}"] = str(max(values.dtype.itemsize // 4, 4))
        del values, mask
    arrays.append(_undeclared(rows, [c for c in rows.columns if not _is_known(c, declared)]))
    widths[f"table::len::{UNDECLARED.name}"] = "4"
    schema = _schema((*known, UNDECLARED), tuple(array.type for array in arrays))
    return pa.Table.from_arrays(arrays, schema=schema.with_metadata({**schema.metadata, **widths}))


def _is_known(column: Column, declared: Columns) -> bool:
    return column is ATLAS_ID or column.wire in declared.by_wire


def _undeclared(rows: Rows, columns: list[Column]) -> "pa.Array":
    """Return in one column what was sent beyond those declared.

    Separate columns would differ from file to file, and readers of a directory as one table
    use the columns of its first file.
    """
    import pyarrow as pa

    if not columns:
        return pa.nulls(len(rows), pa.string())
    sent = {c.name: (rows.values[c.name], rows.masks[c.name]) for c in columns}
    records = [
        json.dumps({name: None if mask[n] else str(v[n]) for name, (v, mask) in sent.items()})
        for n in range(len(rows))
    ]
    return pa.array(records, type=pa.string())


def _arrow_array(column: Column, values: np.ndarray, mask: np.ndarray) -> "pa.Array":
    import pyarrow as pa

    is_text = column.kind is str or values.dtype.kind == "U"
    masked = bool(mask.any())
    if masked and mask.all():
        stamp = pa.timestamp("us", tz="UTC")
        text = stamp if column.kind is Timestamp else pa.string()
        return pa.nulls(len(mask), text if is_text else pa.from_numpy_dtype(values.dtype))
    if column.kind is Timestamp:
        stamps = np.strings.rstrip(np.where(mask, "NaT", values), "Z")
        try:
            times = stamps.astype("datetime64[us]")
        except ValueError as error:
            raise TableParseError(
                f"{column.wire} has a value that is not an ISO 8601 time: {error}"
            ) from None
        return pa.array(times, mask=mask).cast(pa.timestamp("us", tz="UTC"))
    if is_text:
        return _arrow_texts(values, mask if masked else None)
    # Without a mask Arrow uses the numbers as they are.
    return pa.array(values, mask=mask if masked else None)


def _arrow_texts(values: np.ndarray, mask: np.ndarray | None) -> "pa.Array":
    """Return strings as Arrow has them: their bytes, and where each begins.

    The characters of ASCII strings are bytes already, so that no object is made for each string.
    """
    import pyarrow as pa

    length, width = len(values), values.dtype.itemsize // 4
    codes = np.ascontiguousarray(values).view(np.uint32).reshape(length, width)
    if not codes.size or codes.max() > 127:
        # From a list: an array's strings would end at a character NUL.
        return pa.array(values.tolist(), type=pa.string(), mask=mask)
    characters = codes.astype(np.uint8)
    if characters.all():
        # Names of exposures and bands have one length each.
        offsets = np.arange(0, codes.size + 1, width)
    else:
        # numpy fills the rest of each string with NUL.
        lengths = width - np.argmax(codes[:, ::-1] != 0, axis=1)
        lengths[~codes.any(axis=1)] = 0
        offsets = np.zeros(length + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        if offsets[-1] != codes.size:
            characters = characters[np.arange(width) < lengths[:, np.newaxis]]
    valid = None if mask is None else pa.py_buffer(np.packbits(~mask, bitorder="little"))
    buffers = length, pa.py_buffer(offsets), pa.py_buffer(characters), valid
    return pa.LargeStringArray.from_buffers(*buffers).cast(pa.string())


@functools.lru_cache(maxsize=64)
def _schema(columns: tuple[Column, ...], types: tuple["pa.DataType", ...]) -> "pa.Schema":
    """Return the schema of a file, with what astropy and pandas read of its columns.

    It is the same for most chunks: only the widths of strings differ, for which see `_to_arrow`.
    """
    import pyarrow as pa

    fields = []
    for column, kind in zip(columns, types, strict=True):
        about = {"about": column.about}
        if column is not UNDECLARED:
            about = {"unit": column.unit.to_string() if column.unit else ""} | about
        fields.append(pa.field(column.name, kind, not column.required, about))
    return with_pandas_types(pa.schema(fields, {"table_meta_yaml": _header(columns)}))


def _header(columns: tuple[Column, ...]) -> str:
    """Return the units and descriptions of columns in YAML, which takes longer than their rows."""
    empty = Rows(length=0)
    kinds = {float: np.float64, int: np.int64, bool: np.bool_}
    for column in columns:
        plain = Column(column.wire, column.kind, column.to, column.unit, column.about)
        if column.kind is Timestamp:
            plain = Column(column.wire, str, column.to, None, column.about)
        empty.add(plain, np.empty(0, kinds.get(column.kind, "U1")))
    return "\n".join(table_meta.get_yaml_from_table(build_table(empty)))


def write_partition(table: "pa.Table", path: Path) -> int:
    """Write a file completely or not at all.

    Parameters
    ----------
    table : `pyarrow.Table`
        Its rows.
    path : `~pathlib.Path`
        The file.

    Returns
    -------
    int
        The bytes of the file.
    """
    import pyarrow as pa
    from pyarrow import parquet

    buffer = io.BytesIO()
    # A dictionary pays for strings only: numbers mostly differ from row to row.
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    parquet.write_table(table, buffer, compression="zstd", use_dictionary=texts)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return buffer.getbuffer().nbytes


def is_complete(path: Path, length: int, size: int | None) -> bool:
    """Return whether a file is as it was written, as far as is known without reading it.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    length : int
        Number of its rows.
    size : int or None
        Number of its bytes, if known.

    Returns
    -------
    bool
        False also if it does not exist.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        if size is not None:
            return path.stat().st_size == size
        return parquet.read_metadata(path).num_rows == length
    except (OSError, pa.ArrowException):
        return False


def read_arrow(paths: list[Path], columns: Collection[str] | None = None) -> "pa.Table":
    """Read files of one kind, whose columns may differ as the server's responses did.

    Parameters
    ----------
    paths : list of `~pathlib.Path`
        The files.
    columns : collection of str, optional
        The columns that are read of those that a file has; by default all.

    Returns
    -------
    `pyarrow.Table`
        The rows of all, in order.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    TableParseError
        If a file is damaged.
    """
    return concat_arrow([_read_file(path, columns) for path in paths])


def concat_arrow(tables: "list[pa.Table]") -> "pa.Table":
    """Join tables of one kind, whose columns may differ as the server's responses did.

    Parameters
    ----------
    tables : list of `pyarrow.Table`
        One at least.

    Returns
    -------
    `pyarrow.Table`
        The rows of all, in order; a column that has different types is of strings.
    """
    import pyarrow as pa

    try:
        return pa.concat_tables(tables, promote_options="default")
    except pa.ArrowTypeError:
        return pa.concat_tables(_as_strings(tables), promote_options="default")


def _read_file(path: Path, columns: Collection[str] | None = None) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import parquet

    try:
        if columns is None:
            return parquet.read_table(path, partitioning=None)
        with parquet.ParquetFile(path) as file:
            return file.read([name for name in file.schema_arrow.names if name in columns])
    except FileNotFoundError:
        raise FileNotFoundError(str(path)) from None
    except (OSError, pa.ArrowException) as error:
        raise TableParseError(
            f"{path} is damaged ({error}): remove it and call download_sources again, which "
            "fetches its objects again"
        ) from error


def _as_strings(tables: list) -> list:
    """Convert columns that have different types in different files to strings."""
    import pyarrow as pa

    types: dict[str, set] = {}
    for table in tables:
        for field in table.schema:
            if not pa.types.is_null(field.type):
                types.setdefault(field.name, set()).add(field.type)
    mixed = [name for name, kinds in types.items() if len(kinds) > 1]
    converted = []
    for table in tables:
        for name in mixed:
            if (n := table.schema.get_field_index(name)) >= 0:
                field = table.schema.field(n).with_type(pa.string())
                table = table.set_column(n, field, table[name].cast(pa.string()))
        converted.append(table)
    return converted


def read_partitions(paths: list[Path], kind: str, meta: dict) -> Table:
    """Read files of one kind into a table of astropy.

    Parameters
    ----------
    paths : list of `~pathlib.Path`
        The files.
    kind : str
        Their kind.
    meta : dict
        Metadata of the table.

    Returns
    -------
    `~astropy.table.Table`
        Masked columns with units and descriptions, `~astropy.time.Time` columns
        for times.
    """
    if not paths:
        rows, _ = _rows(kind, [], [])
        return build_table(rows, meta=meta)
    arrow = with_undeclared(read_arrow(paths))
    columns = []
    for field in arrow.schema:
        columns.append(_from_arrow(field, arrow[field.name].combine_chunks()))
        arrow = arrow.drop_columns([field.name])
    return assemble(Table(meta=meta), columns)


def read_rows(path: Path | None, kind: str) -> Rows:
    """Read a file of one kind into rows as decoded from the server's responses.

    Parameters
    ----------
    path : `~pathlib.Path` or None
        The file; None if there are no rows.
    kind : str
        Their kind.

    Returns
    -------
    Rows
        Time stamps as strings, missing numbers as NaN or 0.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    TableParseError
        If it is damaged.
    """
    if path is None:
        return _rows(kind, [], [])[0]
    table = with_undeclared(read_arrow([path]))
    rows = Rows(length=len(table))
    by_name = {ATLAS_ID.name: ATLAS_ID, **KINDS[kind][0].by_name}
    for field in table.schema:
        array = table[field.name].combine_chunks()
        column = by_name.get(field.name) or Column(field.name, str, about=UNDECLARED_ABOUT)
        rows.add(column, *_values_and_mask(field, array))
    # In files the id is the first column.
    order = list(KINDS[kind][0].by_name)
    rows.columns.sort(key=lambda c: order.index(c.name) if c.name in order else len(order))
    return rows


def _values_and_mask(field: "pa.Field", array: "pa.Array") -> tuple[np.ndarray, np.ndarray]:
    """Return the values of a column as an array, and where they are missing."""
    import pyarrow as pa

    mask = np.asarray(array.is_null())
    if pa.types.is_timestamp(field.type):
        # A missing time stamp is an empty string.
        stamps = array.cast(pa.int64()).fill_null(0).to_numpy().astype("datetime64[us]")
        return np.where(mask, "", np.datetime_as_string(stamps)), mask
    if pa.types.is_string(field.type) or pa.types.is_null(field.type):
        strings = array.cast(pa.string()).fill_null("").to_numpy(zero_copy_only=False)
        return strings.astype(np.str_), mask
    missing = {"f": np.nan, "b": False}.get(np.dtype(field.type.to_pandas_dtype()).kind, 0)
    return np.array(array.fill_null(missing).to_numpy(zero_copy_only=False)), mask


def with_undeclared(table: "pa.Table") -> "pa.Table":
    """Return rows with the undeclared values as columns of strings.

    Parameters
    ----------
    table : `pyarrow.Table`
        As in a file.

    Returns
    -------
    `pyarrow.Table`
        Without the column of JSON objects.
    """
    import pyarrow as pa
    from pyarrow import compute

    index = table.schema.get_field_index(UNDECLARED.name)
    if index < 0:
        # Files of earlier versions have such columns already.
        return table
    records = table[UNDECLARED.name].combine_chunks()
    table = table.remove_column(index)
    if records.null_count == len(records):
        return table
    rows = [json.loads(record) if record else {} for record in records.to_pylist()]
    for name in dict.fromkeys(name for row in rows for name in row):
        sent = pa.chunked_array([pa.array([row.get(name) for row in rows], type=pa.string())])
        field = pa.field(name, pa.string(), True, {"about": UNDECLARED_ABOUT})
        if (n := table.schema.get_field_index(name)) < 0:
            table = table.append_column(field, sent)
        else:
            earlier = table[name].cast(pa.string())
            table = table.set_column(n, field, compute.coalesce(sent, earlier))
    return table


def _from_arrow(field: "pa.Field", array: "pa.Array") -> TableColumn | Time:
    import pyarrow as pa

    known = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
    column = Column(
        field.name,
        unit=u.Unit(known["unit"]) if known.get("unit") else None,
        about=known.get("about", ""),
        required=not field.nullable,
    )
    if pa.types.is_timestamp(field.type):
        mask = np.asarray(array.is_null())
        times = array.cast(pa.int64()).fill_null(0).to_numpy().astype("datetime64[us]")
        return _times(Time(times, format="datetime64", scale="utc"), column, mask)
    values, mask = _values_and_mask(field, array)
    if column.name == "time" and column.unit == u.day:
        return _times(Time(values, format="mjd", scale="utc"), column, mask)
    return table_column(column, values, mask)


def _times(times: Time, column: Column, mask: np.ndarray) -> Time:
    times.format = "isot" if times.format == "datetime64" else times.format
    if mask.any():
        times[mask] = np.ma.masked
    times.info.name = column.name
    times.info.description = column.about or None
    return times

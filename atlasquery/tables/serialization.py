"""Tables of every kind of column as plain columns and a header of text, and back.

astropy does most of it, for its own files: a Time becomes a column of numbers
or dates, a masked quantity a column with missing values, and a header in YAML
says what they were. What is added here is what those files lose: the class of
the table and of columns in which nothing is missing, the width of strings, the
NaN under masks, and the difference between what is empty and what is missing.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.io.misc import yaml
from astropy.table import Column, MaskedColumn, QTable, Table, meta, serialize
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.data_info import serialize_context_as
from astropy.utils.masked import Masked

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.tables.build import assemble, assemble_series
from atlasquery.tables.lightcurve import LightCurve
from atlasquery.warn import warn

__all__ = ["build_from_plain", "header_text", "restore", "to_plain"]

# The item of meta, in files only, that holds what astropy's own header does not.
RECORD = "__atlasquery__"
# FITS has no int8, VOTable no unsigned numbers but bytes, and neither has halves of a float.
WIDER = {
    "int8": "int16",
    "uint16": "int32",
    "uint32": "int64",
    "uint64": "int64",
    "float16": "float32",
}
CLASSES = {"LightCurve": LightCurve, "TimeSeries": TimeSeries, "QTable": QTable, "Table": Table}


class _Quoted(str):
    """A text with line breaks, which is written between quotes: ECSV loses those of others."""

    __slots__ = ()


yaml.AstropyDumper.add_representer(
    _Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def to_plain(
    table: Table,
    *,
    null_bool: bool = True,
    only_ascii: bool = False,
    edges: bool = False,
    all_numbers: bool = True,
    all_nulls: bool = False,
) -> Table:
    r"""Return a table as one of plain columns.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A table of any columns that astropy can write.
    null_bool : bool, optional
        Whether the format has missing booleans.
    only_ascii : bool, optional
        Whether the format has no other strings: they are written as ``\xb1`` for ``±``.
    edges : bool, optional
        Whether the format loses blanks around strings, and line breaks in them.
    all_numbers : bool, optional
        Whether the format has all types of numbers; else those missing in FITS or VOTable
        are written as the next larger one.
    all_nulls : bool, optional
        Whether the format tells a missing value from NaN and from an empty string.

    Returns
    -------
    `~astropy.table.Table`
        With `~astropy.table.Column` and `~astropy.table.MaskedColumn` only; its
        meta says how to turn them back.

    Raises
    ------
    InvalidQueryError
        If a column cannot be written to a file.

    Warns
    -----
    InputWarning
        If an item of meta cannot be written to a file.
    """
    columns = [_without_bytes(column) for column in table.columns.values()]
    for column in columns:
        _choose_method(column, null_bool, all_nulls)
    copied = assemble(QTable(meta=_writable_meta(table.meta)), columns)
    copied.meta[RECORD] = _record(table)
    with serialize_context_as("ecsv"):
        plain = serialize.represent_mixins_as_columns(copied)
    for name, column in plain.columns.items():
        if column.dtype.kind not in "biufUS" or column.ndim != 1:
            raise InvalidQueryError(
                f"the column {name!r} has values of type {column.dtype}"
                f"{' and shape ' + str(column.shape) if column.ndim != 1 else ''}, which only "
                "numbers, strings, booleans and times can be in a file"
            )
    plain = Table(plain, copy=False)
    _blank_under_masks(plain)
    plain.meta = _quoted(plain.meta)
    record = plain.meta[RECORD]
    masked = [n for n in plain.colnames if isinstance(plain[n], MaskedColumn)]
    record["nulls"] = [] if all_nulls else masked
    record["escaped"] = [n for n in plain.colnames if _is_lossy(plain[n], only_ascii, edges)]
    for name in record["escaped"]:
        plain[name] = _escaped(plain[name])
    record["kinds"] = {} if all_numbers else _widen(plain)
    for column in plain.columns.values():
        column.description = _quoted(column.description)
    return plain


def header_text(plain: Table) -> str:
    """Return the header of a plain table: its columns and meta.

    Parameters
    ----------
    plain : `~astropy.table.Table`
        Made by `to_plain`.

    Returns
    -------
    str
        YAML, as in ECSV.
    """
    return "\n".join(meta.get_yaml_from_table(plain))


def build_from_plain(arrays: Mapping[str, tuple[np.ndarray, np.ndarray]], header: str) -> Table:
    """Return the table that plain columns were made from.

    Parameters
    ----------
    arrays : mapping of str to tuple of `~numpy.ndarray`
        For each plain column its values, and where they are missing.
    header : str
        Made by `header_text`.

    Returns
    -------
    `~astropy.table.Table`
        As it was written.
    """
    known = meta.get_header_from_yaml(header.splitlines())
    plain = Table(meta=known.get("meta"))
    record = plain.meta.get(RECORD, {})
    for about in known["datatype"]:
        name, kind = about["name"], about["datatype"]
        values, mask = arrays[name]
        values = np.asarray(values, dtype=np.str_ if kind == "string" else kind)
        # Where a format cannot mark missing values, NaN and empty strings stand for them,
        # which they do not in columns without a mask.
        if name in record.get("nulls", ()) and values.dtype.kind in "fU":
            mask = mask | (np.isnan(values) if values.dtype.kind == "f" else values == "")
        values = values.astype(record.get("kinds", {}).get(name, values.dtype))
        column = MaskedColumn(values, mask=mask) if np.any(mask) else Column(values)
        for attribute in ("unit", "format", "description", "meta"):
            if attribute in about:
                setattr(column.info, attribute, about[attribute])
        plain[name] = column
    # What astropy calls to read its own files has no public name.
    return restore(serialize._construct_mixins_from_columns(plain))


def restore(table: Table) -> Table:
    """Restore what astropy's files do not keep of a table.

    Parameters
    ----------
    table : `~astropy.table.Table`
        As astropy reads it; its meta has what `to_plain` added.

    Returns
    -------
    `~astropy.table.Table`
        Of the class it was written from; the same if it was written by another program.
    """
    if RECORD not in table.meta:
        return table
    record = table.meta.pop(RECORD)
    columns = []
    for name, column in table.columns.items():
        if name in record["escaped"]:
            column = _unescaped(column)
        if isinstance(column, Column):
            column = _restored(column, record, name)
        elif not isinstance(column, Time) and isinstance(column, Masked):
            _nan_under_mask(column.unmasked, column.mask)
        column.info.name = name
        columns.append(column)
    restored = CLASSES[record["table"]]()
    build = assemble_series if isinstance(restored, TimeSeries) else assemble
    restored = build(restored, columns)
    restored.meta.update(table.meta)
    return restored


def _record(table: Table) -> dict[str, Any]:
    """Return what astropy's own header does not say of a table."""
    kind = next(name for name, cls in CLASSES.items() if isinstance(table, cls))
    columns = table.columns.items()
    return {
        "table": kind,
        "masked": [name for name, column in columns if isinstance(column, MaskedColumn | Masked)],
        "widths": {
            name: column.dtype.itemsize // np.dtype(f"{column.dtype.kind}1").itemsize
            for name, column in columns
            if isinstance(column, Column) and column.dtype.kind in "US"
        },
    }


def _without_bytes(column: Any) -> Any:
    """Return a copy of a column; bytes, as FITS readers give them, become strings."""
    if not isinstance(column, Column) or column.dtype.kind != "S":
        return column.copy()
    try:
        texts = np.char.decode(_parts(column)[0], "utf-8").tolist()
    except UnicodeDecodeError as error:
        raise InvalidQueryError(
            f"the column {column.name!r} has bytes that are not text in UTF-8: {error}"
        ) from error
    found = _with_texts(column, texts)
    found.name = column.name
    return found


def _choose_method(column: Any, null_bool: bool, all_nulls: bool) -> None:
    """Write a column with a separate mask where a missing value would be ambiguous."""
    if isinstance(column, Time):
        exact = _is_exact(column)
        column.info.serialize_method["ecsv"] = "formatted_value" if exact else "jd1_jd2"
    elif isinstance(column, MaskedColumn | Masked):
        values, mask = _parts(column)
        masked = not all_nulls and (
            (values.dtype.kind == "f" and np.any(np.isnan(values[~mask])))
            or (values.dtype.kind == "U" and np.any(values[~mask] == ""))
            or (values.dtype.kind == "b" and not null_bool and np.any(mask))
        )
        column.info.serialize_method["ecsv"] = "data_mask" if masked else "null_value"


def _is_exact(column: Time) -> bool:
    """Return whether the values shown are the whole of each time."""
    if not len(column):
        return True
    known = ~np.asarray(column.mask)
    some = column[known]
    if not len(some):
        return True
    values = np.asarray(getattr(some.value, "unmasked", some.value))
    again = Time(values, format=some.format, scale=some.scale)
    return bool(
        np.array_equal(np.asarray(again.jd1), _bare(some.jd1))
        and np.array_equal(np.asarray(again.jd2), _bare(some.jd2))
    )


def _bare(values: Any) -> np.ndarray:
    return np.asarray(getattr(values, "unmasked", values))


def _parts(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of a column, not copied, and where they are missing."""
    if isinstance(column, Masked):
        return np.asarray(column.unmasked), np.asarray(column.mask)
    return np.asarray(
        column.data.data if isinstance(column, MaskedColumn) else column.data
    ), np.ma.getmaskarray(column)


def _writable_meta(known: Mapping) -> dict:
    """Return the items of meta that a file can hold."""
    kept, lost = {}, []
    for key, value in known.items():
        try:
            yaml.dump({key: value})
        except Exception:  # Classes unknown to YAML raise different exceptions.
            lost.append(f"{key!r} ({type(value).__name__})")
        else:
            kept[key] = value
    if lost:
        warn(
            f"a file cannot hold these items of meta: {', '.join(lost)}",
            InputWarning,
        )
    return kept


def _restored(column: Column, record: Mapping, name: str) -> Column:
    values, mask = _parts(column)
    if name in record["widths"]:
        # An empty text in a column without a mask is not missing, whatever a reader takes it for.
        values = np.where(mask, "", values).astype(f"U{max(record['widths'][name], 1)}")
    if name in record["masked"]:
        _nan_under_mask(values, mask)
        restored: Column = MaskedColumn(values, mask=mask)
    else:
        restored = Column(values)
    return _with_info(restored, column)


def _with_info(built: Column, column: Column) -> Column:
    for attribute in ("unit", "format", "description"):
        setattr(built, attribute, getattr(column, attribute))
    built.meta.update(column.meta)
    return built


def _nan_under_mask(values: np.ndarray, mask: np.ndarray) -> None:
    if values.dtype.kind == "f" and np.any(mask):
        values[mask] = np.nan


def _blank_under_masks(plain: Table) -> None:
    """Clear the values under the masks of strings and numbers, which some formats would write."""
    for name, column in list(plain.columns.items()):
        if not isinstance(column, MaskedColumn) or column.dtype.kind not in "Uf":
            continue
        values, mask = _parts(column)
        if column.dtype.kind == "U":
            values[mask] = ""
        elif not np.isnan(values[mask]).all():
            # Such as a masked time, which is not the table's to be changed.
            values = np.where(mask, np.nan, values).astype(values.dtype)
            plain[name] = _with_info(MaskedColumn(values, mask=mask), column)


def _widen(plain: Table) -> dict[str, str]:
    """Replace numeric types that some formats do not have by larger ones; return the old ones."""
    kinds = {}
    for name, column in list(plain.columns.items()):
        wider = WIDER.get(column.dtype.name)
        if wider is None:
            if column.dtype.kind == "f" and column.dtype.itemsize > 8:
                raise InvalidQueryError(
                    f"the column {name!r} is of type {column.dtype}, which FITS and VOTable have "
                    "not; ECSV has"
                )
            continue
        values, mask = _parts(column)
        if column.dtype.name == "uint64" and np.any(values[~mask] > np.iinfo(np.int64).max):
            raise InvalidQueryError(
                f"the column {name!r} has whole numbers beyond {np.iinfo(np.int64).max}, which "
                "FITS and VOTable have not; ECSV and Parquet have"
            )
        kinds[name] = column.dtype.name
        values = np.where(mask, 0, values).astype(wider)
        masked_column = (
            MaskedColumn(values, mask=mask) if isinstance(column, MaskedColumn) else None
        )
        plain[name] = _with_info(Column(values) if masked_column is None else masked_column, column)
    return kinds


def _is_lossy(column: Column, only_ascii: bool, edges: bool) -> bool:
    """Return whether a format would lose something of the strings of a column."""
    if column.dtype.kind != "U" or not (only_ascii or edges):
        return False
    return any(
        text
        and (not text.isprintable() or text != text.strip() or (only_ascii and not text.isascii()))
        for text in _parts(column)[0].tolist()
    )


def _escaped(column: Column) -> Column:
    """Return a column whose strings have nothing but what every format keeps."""
    texts = [text.encode("unicode_escape").decode() for text in _parts(column)[0].tolist()]
    texts = [re.sub("^ | $", r"\\x20", text) for text in texts]
    return _with_texts(column, texts)


def _unescaped(column: Column) -> Column:
    values, mask = _parts(column)
    texts = np.where(mask, "", values).tolist()
    return _with_texts(column, [t.encode().decode("unicode_escape") for t in texts])


def _with_texts(column: Column, texts: list[str]) -> Column:
    values = np.array(texts, dtype=np.str_)
    if not isinstance(column, MaskedColumn):
        return _with_info(Column(values), column)
    return _with_info(MaskedColumn(values, mask=column.mask), column)


def _quoted(value: Any) -> Any:
    """Return meta in which strings with line breaks are quoted."""
    if type(value) in (dict, OrderedDict):
        return type(value)((key, _quoted(item)) for key, item in value.items())
    if type(value) in (list, tuple):
        return type(value)(_quoted(item) for item in value)
    return _Quoted(value) if type(value) is str and not value.isprintable() else value

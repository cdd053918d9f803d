"""Results on a terminal, in a pipe, as JSON, or in a file by its extension."""

import csv
import json
import math
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from atlasquery.cli.command import Code, printable
from atlasquery.cli.options import Output
from atlasquery.redaction import CONTROL

if TYPE_CHECKING:
    from astropy.table import MaskedColumn, QTable, Table
    from astropy.time import Time
    from astropy.timeseries import TimeSeries

__all__ = ["deliver", "drop_query_index", "for_person", "show_text", "stack_curves"]

# Above this, other programs read a JSON number as another number.
EXACT = 2**53
# Format of values by unit on a terminal, for columns without a format.
FORMATS = {"deg": ".5f", "mag": ".3f", "uJy": ".1f", "arcsec": ".2f", "s": ".1f", "d": ".5f"}
# Lines of a table in addition to its rows: its head, its foot and the prompt.
AROUND = 6


def deliver(table: "Table", output: Output) -> Code:
    """Print a result, or write it to a file.

    A terminal shows what fits. A pipe gets all rows and columns as
    tab-separated values with a line of names, ``--json`` a document, and a
    file the format of its extension.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The result.
    output : Output
        Where it goes.

    Returns
    -------
    Code
        Whether there was anything.
    """
    if output.path:
        from atlasquery.tables.files import write_table

        write_table(table, output.path, overwrite=output.overwrite)
        click.echo(f"{len(table)} row{'s' * (len(table) != 1)} in {output.path}", err=True)
    elif output.json:
        click.echo(json_text(table))
    elif sys.stdout.isatty():
        size = shutil.get_terminal_size()
        for line in terminal_lines(table, size.columns, size.lines, full=output.full):
            click.echo(line)
    else:
        write_tabs(table)
    return Code.FOUND if len(table) else Code.NOTHING


def drop_query_index(found: Any) -> None:
    """Remove the column of the number of the position, where there was one position.

    Parameters
    ----------
    found : `~astropy.table.Table`
        The result of a cone search; it is changed.
    """
    if "query_index" in found.colnames:
        found.remove_column("query_index")


def stack_curves(curves: "Sequence[tuple[str, TimeSeries]]", column: str) -> "QTable":
    """Return light curves as one table.

    Parameters
    ----------
    curves : sequence of tuple
        Name and light curve of each object.
    column : str
        The column for the names.

    Returns
    -------
    `~astropy.table.QTable`
        The rows of all, with the metadata that they share.
    """
    from astropy.table import Column, QTable, vstack

    from atlasquery.lightcurve.schema import CONVENTIONS

    tables = []
    for name, lc in curves:
        table = QTable(lc, copy=False)
        table.add_column(Column([name] * len(lc), name=column, dtype=str), index=0)
        table.meta = {}
        tables.append(table)
    if not tables:
        return QTable()
    stacked = vstack(tables, metadata_conflicts="silent")
    first = curves[0][1].meta
    shared = ("service", "server", "obtained", "creator", "reduced", *CONVENTIONS)
    stacked.meta.update({key: first[key] for key in shared if key in first})
    return stacked


def for_person(output: Output) -> bool:
    """Return whether a person at a terminal will read the result, in a short form.

    Parameters
    ----------
    output : Output
        Where it goes.

    Returns
    -------
    bool
        False for a file, a pipe, JSON, and where all was requested.
    """
    return not (output.path or output.json or output.full) and sys.stdout.isatty()


def show_text(text: str) -> None:
    """Print lines of a name and a value, the value wrapped in its column.

    Parameters
    ----------
    text : str
        The lines.
    """
    width = shutil.get_terminal_size().columns
    for line in text.splitlines():
        name = re.match(r" *\S+( \S+)*  (?=\S)", line)
        indent = " " * name.end() if name else ""
        click.echo(textwrap.fill(line, width, subsequent_indent=indent, drop_whitespace=True))
    click.echo()


def json_text(table: "Table") -> str:
    """Return a table as a JSON document.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table.

    Returns
    -------
    str
        An object with ``meta``, ``columns`` (unit and description of each) and
        ``rows``, a list of objects. Ids are strings; what is missing is null.
    """
    columns = {
        name: {"unit": str(column.unit) if getattr(column, "unit", None) else None}
        | {"description": column.info.description}
        for name, column in table.columns.items()
    }
    values = plain_columns(table, ids_as_text=True)
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    document = {"meta": _plain(dict(table.meta)), "columns": columns, "rows": rows}
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    # The same document, with escapes for the characters that it would interpret.
    return CONTROL.sub(lambda found: json.dumps(found[0])[1:-1], text)


def write_tabs(table: "Table") -> None:
    """Write a table to the standard output as tab-separated values.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table.
    """
    values = plain_columns(table, ids_as_text=False)
    writer = csv.writer(sys.stdout, "excel-tab", lineterminator="\n")
    writer.writerow(values)
    for row in zip(*values.values(), strict=True):
        writer.writerow([_tab_cell(value) for value in row])


def terminal_lines(table: "Table", width: int, height: int, *, full: bool = False) -> list[str]:
    """Return the lines of a table for a terminal.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table.
    width, height : int
        The size of the terminal.
    full : bool, optional
        Whether all rows and columns are shown, however wide.

    Returns
    -------
    list of str
        Lines, the last ones saying what is left out.
    """
    shown = _for_display(table)
    kept = list(shown.colnames) if full else _fitting(shown, width)
    rows = -1 if full else max(height - AROUND, 8)
    lines = [line.rstrip() for line in _lines(shown[kept], rows)]
    left = [name for name in shown.colnames if name not in kept]
    cut = len(lines) < len(table)
    note = f"{len(table)} row{'s' * (len(table) != 1)}"
    if left:
        names = textwrap.shorten(", ".join(left), max(2 * width - 60, 20), placeholder=" ...")
        note += f"; {len(left)} column{'s' * (len(left) != 1)} not shown: {names}"
    if left or cut:
        note += " (--all shows all, -o FILE keeps all)"
    return [*lines, *textwrap.wrap(note, width)]


def _lines(shown: "QTable", rows: int) -> list[str]:
    """Return the lines of columns side by side, strings to the left."""
    units = any(getattr(column, "unit", None) for column in shown.columns.values())
    align = [
        "<" if getattr(getattr(column, "dtype", None), "kind", "") == "U" else ">"
        for column in shown.columns.values()
    ]
    lines = shown.pformat(max_lines=rows, max_width=-1, show_unit=units, align=align)
    return [line for line in lines if not line.startswith("Length = ")]


def plain_columns(table: "Table", *, ids_as_text: bool) -> dict[str, list]:
    """Return the values of a table as plain Python values, None where one is missing.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table.
    ids_as_text : bool
        Whether columns of ids, and of integers that are too large for a float,
        become strings.

    Returns
    -------
    dict of str to list
        By name of the column.
    """
    found = {}
    for name, column in table.columns.items():
        values = _plain_values(column)
        if ids_as_text and _is_id(name, column, values):
            values = [None if value is None else str(value) for value in values]
        found[name] = values
    return found


def _plain_values(column: Any) -> list:
    import numpy as np
    from astropy.coordinates import SkyCoord
    from astropy.time import Time
    from astropy.utils.masked import get_data_and_mask

    if isinstance(column, SkyCoord):
        return [one.to_string("hmsdms", precision=4) for one in column]
    if isinstance(column, Time):
        values, mask = get_data_and_mask(column.value)
    elif isinstance(column, np.ma.MaskedArray):
        values, mask = column.data, np.ma.getmaskarray(column)
    else:
        values, mask = get_data_and_mask(column)
        values = getattr(values, "value", values)
    values = np.asarray(values).tolist()
    mask = np.zeros(len(values), bool) if mask is None else np.broadcast_to(mask, len(values))
    return [
        None if gone or (isinstance(value, float) and not math.isfinite(value)) else value
        for value, gone in zip(values, mask, strict=True)
    ]


def _is_id(name: str, column: Any, values: list) -> bool:
    if getattr(getattr(column, "dtype", None), "kind", None) not in ("i", "u"):
        return False
    return name.endswith("_id") or any(v is not None and abs(v) > EXACT for v in values)


def _tab_cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else value


def _plain(value: Any) -> Any:
    """Return a value of meta as JSON knows it."""
    from astropy.coordinates import SkyCoord

    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, SkyCoord) and value.isscalar:
        icrs = value.icrs
        return {"ra": float(icrs.ra.deg), "dec": float(icrs.dec.deg)}
    if isinstance(value, bool | str | None):
        return value
    if isinstance(value, int):
        return str(value) if abs(value) > EXACT else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def _for_display(table: "Table") -> "QTable":
    """Return a copy with formats for a person, and strings that a terminal does not interpret."""
    import numpy as np
    from astropy.table import MaskedColumn, QTable
    from astropy.time import Time

    shown = QTable()
    for name, column in table.columns.items():
        kind = getattr(getattr(column, "dtype", None), "kind", "")
        if kind in ("U", "O"):
            mask = np.ma.getmaskarray(column) if hasattr(column, "mask") else False
            texts = [printable(str(text)) for text in np.asarray(column)]
            column = MaskedColumn(np.array(texts, dtype=np.str_), mask=mask)
        elif isinstance(column, Time):
            column = _shown_time(column)
            kind = ""
        else:
            column = column.copy()
        clean = printable(name)
        name = name if clean in table.colnames else clean
        shown[name] = column
        if kind == "f" and not shown[name].info.format:
            unit = getattr(column, "unit", None)
            shown[name].info.format = FORMATS.get(str(unit) if unit else "", ".6g")
    return shown


def _shown_time(column: "Time") -> "Time | MaskedColumn":
    """Return times to the second, or to a second's part of a day."""
    import numpy as np
    from astropy.table import MaskedColumn

    if column.format in ("mjd", "jd"):
        values = np.asarray(getattr(column.value, "unmasked", column.value))
        return MaskedColumn(values, mask=np.asarray(column.mask), format=".5f")
    column = column.copy()
    column.precision = 0
    return column


def _fitting(table: "QTable", width: int) -> list[str]:
    """Return the first columns that fit side by side, at least one."""
    kept: list[str] = []
    used = -1
    for name in table.colnames:
        used += 1 + max(map(len, _lines(table[[name]], -1)))
        if kept and used > width:
            break
        kept.append(name)
    return kept

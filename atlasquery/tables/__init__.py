"""From JSON bytes to typed, masked columns with units, driven by declarations."""

from atlasquery.tables.build import (
    assemble,
    assemble_series,
    build_table,
    check_times,
    quantity_column,
    table_column,
)
from atlasquery.tables.columns import Column, Columns, Nested, Quoted, Timestamp
from atlasquery.tables.files import read_table, write_table
from atlasquery.tables.rows import Rows, decode_rows
from atlasquery.tables.samp import send
from atlasquery.tables.stack import rows_as_asked, stack_rows

__all__ = [
    "Column",
    "Columns",
    "Nested",
    "Quoted",
    "Rows",
    "Timestamp",
    "assemble",
    "assemble_series",
    "build_table",
    "check_times",
    "decode_rows",
    "quantity_column",
    "read_table",
    "rows_as_asked",
    "send",
    "stack_rows",
    "table_column",
    "write_table",
]

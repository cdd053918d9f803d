"""From JSON bytes to typed, masked columns with units, driven by declarations."""

from atlasquery.tables.build import assemble, build_table, quantity_column, table_column
from atlasquery.tables.columns import Column, Columns, Timestamp
from atlasquery.tables.rows import Rows, decode_rows

__all__ = [
    "Column",
    "Columns",
    "Rows",
    "Timestamp",
    "assemble",
    "build_table",
    "decode_rows",
    "quantity_column",
    "table_column",
]

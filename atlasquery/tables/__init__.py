"""Tables: JSON to typed, masked columns with units, from declarations; files of any table."""

from atlasquery.tables.build import (
    assemble,
    assemble_series,
    build_table,
    check_times,
    quantity_column,
    table_column,
)
from atlasquery.tables.columns import Column, Columns, Nested, Quoted, Timestamp
from atlasquery.tables.decoding import convert_json, decode_json, float_of, read_by_library
from atlasquery.tables.files import read_table, write_table
from atlasquery.tables.json_rows import Rows, decode_rows
from atlasquery.tables.lightcurve import LightCurve
from atlasquery.tables.records import rows_of_records
from atlasquery.tables.response_checks import check_answer, check_answers, only_of
from atlasquery.tables.samp import send
from atlasquery.tables.stack import rows_as_asked, stack_rows

__all__ = [
    "Column",
    "Columns",
    "LightCurve",
    "Nested",
    "Quoted",
    "Rows",
    "Timestamp",
    "assemble",
    "assemble_series",
    "build_table",
    "check_answer",
    "check_answers",
    "check_times",
    "convert_json",
    "decode_json",
    "decode_rows",
    "float_of",
    "only_of",
    "quantity_column",
    "read_by_library",
    "read_table",
    "rows_as_asked",
    "rows_of_records",
    "send",
    "stack_rows",
    "table_column",
    "write_table",
]

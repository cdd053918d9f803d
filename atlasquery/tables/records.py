"""Turn records that another library decoded into typed columns with masks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.tables.columns import INT64, Column
from atlasquery.tables.decompression import LARGEST
from atlasquery.tables.json_rows import Rows

__all__ = ["check_width", "rows_of_records"]

BYTES_PER_CHARACTER = 4


def rows_of_records(
    columns: Iterable[Column], records: Sequence[Mapping[str, Any]], what: str
) -> Rows:
    """Return records as columns.

    Parameters
    ----------
    columns : iterable of Column
        Their declarations, of the kinds float, int, bool and str.
    records : sequence of mapping
        The records; a key that is missing, None and NaN are masked.
    what : str
        What a record is, for messages: ``"a detection"``.

    Returns
    -------
    Rows
        As many rows as records.

    Raises
    ------
    TableParseError
        If a value is not of its column's kind.
    """
    rows = Rows(length=len(records))
    for column in columns:
        values = [record.get(column.wire) for record in records]
        rows.add(column, *_array(column, values, what))
    return rows


def check_width(width: int, length: int, what: str) -> None:
    """Raise if a column of strings would be too large: each row has room for the longest.

    Parameters
    ----------
    width : int
        Characters of the longest string.
    length : int
        Number of rows.
    what : str
        What it is, for the message.

    Raises
    ------
    TableParseError
        If it would take more bytes than the largest response.
    """
    if width * length * BYTES_PER_CHARACTER > LARGEST:
        raise TableParseError(
            f"{what} has a string of {width} characters, for which a column of {length} rows "
            f"would take more than {LARGEST} bytes"
        )


def _array(column: Column, values: list, what: str) -> tuple[np.ndarray, np.ndarray]:
    if column.kind is float:
        try:
            numbers = np.array(values, dtype=np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise _wrong(column, values, what) from error
        if numbers.ndim != 1:
            raise _wrong(column, values, what)
        return numbers, np.isnan(numbers)
    mask = np.fromiter((value is None for value in values), bool, len(values))
    known = [value for value in values if value is not None]
    if column.kind is str:
        texts = ["" if value is None else str(value) for value in values]
        check_width(max(map(len, texts), default=0), len(texts), f"{what} in {column.wire}")
        strings = np.array(texts, dtype=np.str_)
        return strings, strings == ""
    if not all(isinstance(value, (bool, np.bool_) if column.kind is bool else int)
               for value in known):  # fmt: skip
        raise _wrong(column, values, what)
    if column.kind is bool:
        return np.array([bool(value) for value in values], dtype=np.bool_), mask
    if not all(value in INT64 for value in known):
        raise _wrong(column, values, what)
    return np.array([0 if v is None else v for v in values], dtype=np.int64), mask


def _wrong(column: Column, values: list, what: str) -> TableParseError:
    right: tuple = {float: (float, int), int: (int,), bool: (bool, np.bool_)}[column.kind]
    # To look for a float in a range is to walk along all of it.
    wrong = next(
        (
            value
            for value in values
            if value is not None
            and (not isinstance(value, right) or (type(value) is int and value not in INT64))
        ),
        None,
    )
    return TableParseError(
        f"{what} has {column.wire}={wrong!r:.100}, which is not of the kind {column.kind.__name__}"
    )

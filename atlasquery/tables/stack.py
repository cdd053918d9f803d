"""Put rows of several kinds one after the other."""

import numpy as np

from atlasquery.tables.columns import Column
from atlasquery.tables.rows import Rows

__all__ = ["stack_rows"]


def stack_rows(*parts: Rows) -> Rows:
    """Put rows of several kinds one after the other.

    Parameters
    ----------
    *parts : Rows
        The rows; a column of the same name has the same meaning in all of them.

    Returns
    -------
    Rows
        All columns, in the order in which they first occur, masked in the rows
        of a part that does not have them; ``counts`` says how many rows came
        from each part.
    """
    columns: dict[str, Column] = {}
    for part in parts:
        for column in part.columns:
            columns.setdefault(column.name, column)
    counts = [len(part) for part in parts]
    stacked = Rows(length=sum(counts), counts=counts)
    for name, column in columns.items():
        there = [part.values[name] for part in parts if name in part.values]
        # A part without rows does not know how wide its texts, or what its numbers are.
        filled = [values for values in there if len(values)] or there[:1]
        dtype = np.result_type(*filled)
        blank = np.nan if dtype.kind == "f" else np.zeros(1, dtype)[0]
        values = np.full(stacked.length, blank, dtype)
        mask = np.ones(stacked.length, bool)
        start = 0
        for part, count in zip(parts, counts, strict=True):
            if name in part.values and count:
                values[start : start + count] = part.values[name]
                mask[start : start + count] = part.masks[name]
            start += count
        stacked.add(column, values, mask)
    return stacked

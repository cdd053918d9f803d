"""CSV files of other programs: types that keep each digit, and missing values of any column."""

import csv
import io
import re
from collections.abc import Sequence

import numpy as np
from astropy.table import Column, MaskedColumn, Table

from atlasquery.tables.columns import INT64

__all__ = ["csv_text", "read_csv"]

# Words for missing values, in lower case.
MISSING = {"", "nan", "none", "null", "na", "n/a", "<na>", "nat", "--"}
WHOLE = re.compile(r"[+-]?(?:0|[1-9]\d*)")
# Stricter than Python's numbers: "2024_1", "007", "01e5" are names.
NUMBER = re.compile(
    r"[+-]?(?:(?:0|[1-9][0-9]*|[0-9]*\.[0-9]+|[0-9]+\.)(?:[eE][+-]?[0-9]+)?|inf(?:inity)?)",
    re.IGNORECASE,
)


def csv_text(body: bytes) -> str:
    """Return the text of a CSV file, or refuse another file.

    Parameters
    ----------
    body : bytes
        The file, in UTF-8, or UTF-16 with a byte order mark.

    Returns
    -------
    str
        Without a byte order mark.

    Raises
    ------
    ValueError
        If it is a web page, or not text.
    """
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not text in UTF-8 ({error})") from error
    if "\0" in text:
        raise ValueError("it is not text: it has bytes of 0")
    if text.lstrip()[:1] == "<":
        raise ValueError(f"it is a web page or XML, which begins with {text.lstrip()[:60]!r}")
    return text


def read_csv(text: str) -> Table:
    r"""Read the text of a CSV file of another program.

    Parameters
    ----------
    text : str
        A line of names, and rows of as many values.

    Returns
    -------
    `~astropy.table.Table`
        Columns of int64 where all values are whole numbers that fit, so that ids keep
        their digits beside missing values, which are masked; of floats, NaN where
        missing; else of text, as it is.

    Raises
    ------
    ValueError
        If the line of names is missing, one is there twice, or a row has another number of
        values.

    Examples
    --------
    >>> from atlasquery.tables.csv_files import read_csv
    >>> table = read_csv("id,x\n1000005291314656200,1.5\nNaN,2\n")
    >>> table["id"].tolist(), table["x"].tolist()
    ([1000005291314656200, None], [1.5, 2.0])
    """
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=False) if row]
    # Comments before the header are ignored.
    while rows and rows[0][0].lstrip().startswith("#"):
        del rows[0]
    if not rows:
        raise ValueError("it has no line of names")
    names = [name.strip() for name in rows[0]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"it has the column {twice[0]!r} twice")
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(names):
            raise ValueError(
                f"row {number} has {len(row)} values where its header has {len(names)}"
            )
    # pandas writes the number of a row in a column without a name.
    named = [name or f"col{n + 1}" for n, name in enumerate(names)]
    columns = list(zip(*rows[1:], strict=True)) or [()] * len(names)
    return Table([_column(name, values) for name, values in zip(named, columns, strict=True)])


def _column(name: str, values: Sequence[str]) -> Column:
    texts = [value.strip() for value in values]
    missing = np.array([text.lower() in MISSING for text in texts], dtype=bool)
    known = [text for text, absent in zip(texts, missing, strict=True) if not absent]
    whole = _whole(known)
    if whole is not None:
        numbers = np.zeros(len(texts), np.int64)
        numbers[~missing] = whole
        return (
            MaskedColumn(numbers, name=name, mask=missing)
            if missing.any()
            else Column(numbers, name=name)
        )
    # Whole numbers of more than 64 bits would be rounded: they stay strings.
    numeric = all(NUMBER.fullmatch(text) for text in known)
    huge = known and all(WHOLE.fullmatch(text) for text in known)
    if numeric and not huge and (any(texts) or not texts):
        floats = np.full(len(texts), np.nan)
        floats[~missing] = [float(text) for text in known]
        return Column(floats, name=name)
    if known and {*known} <= {"True", "False"}:
        truths = np.array([text == "True" for text in texts])
        return (
            MaskedColumn(truths, name=name, mask=missing)
            if missing.any()
            else Column(truths, name=name)
        )
    empty = np.array([not text for text in texts], dtype=bool)
    strings = np.array(list(values), dtype=str) if texts else np.zeros(0, "U1")
    return (
        MaskedColumn(strings, name=name, mask=empty) if empty.any() else Column(strings, name=name)
    )


def _whole(known: list[str]) -> list[int] | None:
    """Return strings as whole numbers, if all are such and fit 64 bits."""
    if not known:
        return None
    if all(WHOLE.fullmatch(text) for text in known):
        numbers = [int(text) for text in known]
        return numbers if all(number in INT64 for number in numbers) else None
    return None

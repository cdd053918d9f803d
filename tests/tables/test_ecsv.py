"""The text of ECSV files is that of astropy, cell by cell."""

import io

import numpy as np
import pytest
from astropy.table import Column, MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from atlasquery.tables import read_table, write_table
from atlasquery.tables.files import _write_ecsv
from atlasquery.tables.serialization import to_plain

FLOATS = st.floats(width=32) | st.sampled_from([1e16, 1e-5, 123456.789, -0.0, 1e22, 0.1])
TEXTS = st.text("ab #,\"'|\\;0.-\u00e9", max_size=5) | st.sampled_from(
    ["#", "nan", "0", "# x", '"']
)
COLUMNS = st.sampled_from(["f8", "f4", "i8", "i2", "u1", "?", "U"])


def astropy_text(table, delimiter):
    text = io.StringIO()
    to_plain(table, edges=True).write(text, format="ascii.ecsv", delimiter=delimiter)
    return text.getvalue()


@st.composite
def tables(draw):
    rows = draw(st.integers(0, 4))
    table = Table()
    for n, kind in enumerate(draw(st.lists(COLUMNS, min_size=1, max_size=4))):
        values = {"f": FLOATS, "i": st.integers(-100, 100), "u": st.integers(0, 9),
                  "?": st.booleans(), "U": TEXTS}[kind[0]]  # fmt: skip
        given_values = draw(st.lists(values, min_size=rows, max_size=rows))
        array = np.array(given_values, dtype=np.str_ if kind == "U" else kind)
        if draw(st.booleans()):
            mask = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
            table[f"c{n}"] = MaskedColumn(array, mask=np.array(mask, bool))
        else:
            table[f"c{n}"] = Column(array)
    return table


@pytest.mark.parametrize("delimiter", [" ", ","])
@settings(max_examples=20)
@given(table=tables())
def test_the_text_is_that_of_astropy(delimiter, table):
    with np.errstate(over="ignore"):
        assert _write_ecsv(table, delimiter).decode() == astropy_text(table, delimiter)


def test_a_first_text_that_looks_like_a_comment_comes_back(tmp_path):
    table = Table({"name": ["# not a comment", "b c", ""], "n": MaskedColumn([1, 2, 3])})
    table["n"].mask = [False, True, False]
    again = read_table(write_table(table, tmp_path / "table.ecsv"))
    assert again["name"].tolist() == table["name"].tolist()
    assert again["n"].mask.tolist() == [False, True, False]

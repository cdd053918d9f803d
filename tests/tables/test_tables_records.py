"""Records that another library decoded: types, masks, and values that are not of their kind."""

import numpy as np
import pytest

from atlasquery.exceptions import TableParseError
from atlasquery.tables import Column, Columns, build_table, rows_of_records
from atlasquery.tables.records import check_width

ROW = Columns(
    "a row",
    Column("x", float, about="A number."),
    Column("n", int, about="A whole number."),
    Column("good", bool, about="Whether it is good."),
    Column("name", str, about="A name."),
)


def test_records_become_columns():
    records = [
        {"x": 1.5, "n": 2**63 - 1, "good": True, "name": "a"},
        {"x": None, "n": None, "good": None, "name": None},
        {"x": float("nan"), "n": -3, "good": np.False_, "name": ""},
        {},
    ]
    table = build_table(rows_of_records(ROW, records, "a record"))
    assert table["x"].tolist() == [1.5, None, None, None]
    assert np.isnan(np.asarray(table["x"].data.data)[1:]).all()
    assert table["n"].tolist() == [2**63 - 1, None, -3, None] and table["n"].dtype == np.int64
    assert table["good"].tolist() == [True, None, False, None] and table["good"].dtype == bool
    assert table["name"].tolist() == ["a", None, None, None]
    empty = build_table(rows_of_records(ROW, [], "a record"))
    assert len(empty) == 0 and empty["n"].dtype == np.int64


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"x": "bright"}, r"a record has x='bright', which is not of the kind float"),
        ({"x": [1.0]}, r"a record has x=\[1.0\], which is not of the kind float"),
        ({"n": 1.5}, r"a record has n=1.5, which is not of the kind int"),
        ({"n": 2**63}, r"a record has n=9223372036854775808, which is not of the kind int"),
        ({"good": 1}, r"a record has good=1, which is not of the kind bool"),
    ],
)
def test_a_value_of_another_kind_is_named(wrong, words):
    with pytest.raises(TableParseError, match=words):
        rows_of_records(ROW, [{"x": 1.0, "n": 1, "good": True}, wrong], "a record")


def test_a_string_too_long_for_a_column_is_refused():
    check_width(10, 10, "a table")
    with pytest.raises(TableParseError, match=r"a table has a string of 1000000000 characters"):
        check_width(10**9, 1000, "a table")

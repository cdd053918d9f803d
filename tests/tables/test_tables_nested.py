"""Whole numbers in quotes, nested keys, and rows of several kinds one after the other."""

import numpy as np
import pytest

from atlasquery.exceptions import TableParseError
from atlasquery.tables import Column, Columns, Nested, Quoted, build_table, decode_rows, stack_rows

ROW = Columns(
    "a row",
    Column("id", Quoted),
    Column("value"),
    Column("more", Nested),
)
OTHER = Columns("another row", Column("value"), Column("name", str), Column("n", int))
BIG = 1234567890000000015


def test_numbers_in_quotes_are_exact():
    rows = decode_rows(
        ROW, b'[{"id": "%d"}, {"id": %d}, {"id": null}, {"id": ""}, {}]' % (BIG, BIG)
    )
    assert rows.values["id"].dtype == np.int64
    assert rows.values["id"][:2].tolist() == [BIG, BIG]
    assert rows.masks["id"].tolist() == [False, False, True, True, True]


@pytest.mark.parametrize("text", [b'"x"', b'"1.5"', b'"%d"' % 10**30])
def test_what_is_no_number_is_named(text):
    with pytest.raises(TableParseError, match="id="):
        decode_rows(ROW, b'[{"id": %s}]' % text)


def test_numbers_in_quotes_survive_a_new_key():
    rows = decode_rows(ROW, b'[{"id": "7", "new": 1}]')
    assert rows.values["id"].tolist() == [7] and rows.values["new"].tolist() == [1]


def test_nested_keys_stay_as_they_were_sent():
    rows = decode_rows(ROW, b'[{"more": {"a": [1, 2]}, "value": 1.5}, {"value": 2.5}]')
    assert rows.values["more"].tolist() == [b'{"a": [1, 2]}', b"null"]
    assert rows.masks["more"].tolist() == [False, True]
    assert rows.values["value"].tolist() == [1.5, 2.5]


def test_stacked_rows_are_masked_where_their_kind_has_nothing():
    first = decode_rows(OTHER, b'[{"value": 1.5, "name": "long name", "n": 3}]')
    second = decode_rows(ROW, b'[{"id": "5", "value": 2.5}]').without(("more",))
    rows = stack_rows(first, second)
    assert (len(rows), rows.counts) == (2, [1, 1])
    table = build_table(rows)
    assert table.colnames == ["value", "name", "n", "id"]
    assert table["value"].tolist() == [1.5, 2.5]
    assert table["name"].tolist() == ["long name", None]
    assert table["id"].tolist() == [None, 5] and table["id"].dtype == np.int64


def test_stacking_nothing_keeps_the_columns():
    none = decode_rows(OTHER, b"[]")
    rows = stack_rows(none, none)
    assert len(rows) == 0 and [c.name for c in rows.columns] == ["value", "name", "n"]
    one = stack_rows(none, decode_rows(OTHER, b'[{"name": "x", "n": 1}]'))
    assert build_table(one)["name"].tolist() == ["x"]
    assert np.isnan(one.values["value"]).all()

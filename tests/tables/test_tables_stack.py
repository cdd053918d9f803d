"""Rows of several kinds put together, and rows in the order in which they were asked for."""

import numpy as np
import pytest

from atlasquery.tables import Column, Columns, decode_rows, rows_as_asked, stack_rows

SEEN = Columns("a", Column("mjd"), Column("id", int), Column("name", str))
LIMIT = Columns("b", Column("mjd"), Column("limit"))


def test_rows_come_in_the_order_of_a_column():
    seen = decode_rows(
        SEEN, b'[{"mjd": 3, "id": 1, "name": "x"}, {"mjd": 1, "id": 2, "name": "yyy"}]'
    )
    limits = decode_rows(LIMIT, b'[{"mjd": 2, "limit": 20}, {"mjd": 1, "limit": 19}]')
    both = stack_rows(seen, limits, by="mjd")
    assert both.values["mjd"].tolist() == [1, 1, 2, 3]
    assert both.masks["id"].tolist() == [False, True, True, False]
    assert both.values["name"].tolist() == ["yyy", "", "", "x"]
    np.testing.assert_array_equal(both.values["limit"], [np.nan, 19, 20, np.nan])
    after = stack_rows(seen, limits)
    assert after.values["mjd"].tolist() == [3, 1, 2, 1]
    assert len(stack_rows(decode_rows(SEEN, b"[]"), limits.take(np.zeros(2, bool)), by="mjd")) == 0


@pytest.mark.parametrize("asked", [[2, 7, 1, 2], [7, 2**60 + 1, 7]])
def test_a_row_for_each_that_was_asked_for(asked):
    rows = decode_rows(
        SEEN, b'[{"mjd": 3, "id": 1, "name": "x"}, {"mjd": 1, "id": 2, "name": "y"}]'
    )
    found, missing = rows_as_asked(rows, "id", asked)
    assert found.values["id"].tolist() == asked and not found.masks["id"].any()
    assert found.values["id"].dtype == np.int64
    assert missing == list(dict.fromkeys(i for i in asked if i not in (1, 2)))
    assert found.masks["name"].tolist() == [i not in (1, 2) for i in asked]
    assert [c.name for c in found.columns] == ["mjd", "id", "name"]


def test_names_are_not_cut_where_nothing_came():
    found, missing = rows_as_asked(decode_rows(SEEN, b"[]"), "name", ["longer", "x"])
    assert found.values["name"].tolist() == missing == ["longer", "x"]
    assert np.isnan(found.values["mjd"]).all() and found.masks["mjd"].all()


def test_what_is_stacked_is_not_shared_and_keeps_its_type():
    seen = decode_rows(SEEN, b'[{"mjd": 3, "id": 1, "name": "x"}]')
    wide = decode_rows(SEEN, b'[{"mjd": 4, "id": null, "name": "yyy"}]')
    alone = stack_rows(seen, wide.take(np.zeros(0, int)))
    assert alone.values["name"].dtype == "U1"
    assert not any(np.shares_memory(alone.values[n], seen.values[n]) for n in seen.values)
    assert not any(np.shares_memory(alone.masks[n], seen.masks[n]) for n in seen.masks)
    both = stack_rows(seen, wide)
    assert both.values["name"].tolist() == ["x", "yyy"]
    assert both.values["id"].dtype == np.int64
    assert both.masks["id"].tolist() == [False, True]

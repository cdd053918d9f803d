"""Strings of numpy become those of Arrow, whatever is in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pyarrow")
import pyarrow as pa

from atlasquery.atlas.parquet_files import _arrow_array, _arrow_texts
from atlasquery.tables import Column, Timestamp

plain = st.text(st.characters(max_codepoint=127, exclude_characters="\0"), max_size=12)
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
texts = st.one_of(st.lists(plain, max_size=30), st.lists(anything, max_size=30))


@given(texts, st.randoms(use_true_random=False))
def test_each_string_arrives(sent, random):
    values = np.array(sent, dtype=np.str_)
    mask = np.array([random.random() < 0.3 for _ in sent], bool)
    array = _arrow_texts(values, mask)
    array.validate(full=True)
    assert array.type == pa.string()
    assert array.to_pylist() == [
        None if hidden else text for text, hidden in zip(values.tolist(), mask, strict=True)
    ]


def test_a_nul_within_a_string_stays():
    for sent in (["a\0b", "ab", ""], ["a\0b", "\u00e5b", ""]):
        assert _arrow_texts(np.array(sent), np.zeros(3, bool)).to_pylist() == sent


def test_a_view_of_every_other_string():
    values = np.array(["01a", "x", "02a", "y"])[::2]
    assert _arrow_texts(values, np.zeros(2, bool)).to_pylist() == ["01a", "02a"]


@pytest.mark.parametrize("hidden", [[], [0, 2], [0, 1, 2]])
@pytest.mark.parametrize(
    ("kind", "values", "stored"),
    [
        (float, np.array([1.5, np.nan, -2.0]), pa.float64()),
        (int, np.array([2**63 - 1, 0, -1]), pa.int64()),
        (bool, np.array([True, False, True]), pa.bool_()),
        (str, np.array(["01a", "02a", "03a"]), pa.string()),
        (Timestamp, np.array(["2026-01-02T03:04:05Z"] * 3), pa.timestamp("us", tz="UTC")),
    ],
)
def test_a_column_has_its_type_and_its_nulls(kind, values, stored, hidden):
    mask = np.isin(np.arange(3), hidden)
    array = _arrow_array(Column("a", kind), values, mask)
    array.validate(full=True)
    assert array.type == stored and array.null_count == len(hidden)
    assert [value is None for value in array.to_pylist()] == mask.tolist()
    if kind is not Timestamp:
        # NaN is not equal to itself.
        known = array.drop_null().to_numpy(zero_copy_only=False)
        np.testing.assert_array_equal(known, values[~mask])

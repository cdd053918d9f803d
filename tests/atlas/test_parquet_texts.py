"""Strings of numpy become those of Arrow, whatever is in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pyarrow")
import pyarrow as pa

from atlasquery.atlas.parquet_files import _arrow_texts

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

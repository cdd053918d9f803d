"""Classifications, comments and annotations."""

import numpy as np
import pytest

from atlasquery.exceptions import NoResultsWarning, TableParseError


@pytest.fixture
def source(double):
    double.state.add_source("S1", 10.0, 20.0)
    return double


def test_classifications(skyportal, source):
    number = source.state.classify("S1", "Ia", 0.9)
    source.state.classify("S1", "AGN", None)
    source.state.classifications[number]["votes"] = [
        {"voter_id": 1, "vote": 1},
        {"voter_id": 2, "vote": -1},
        {"voter_id": 3, "vote": 1},
    ]
    table = skyportal.get_classifications("S1")
    assert table["classification"].tolist() == ["Ia", "AGN"]
    assert table["probability"][0] == 0.9 and table["probability"].mask[1]
    assert table["votes"].tolist() == [1, 0]
    assert table["classification_id"].tolist() == [1, 2]
    assert table["ml"].dtype == bool and table["taxonomy_id"].dtype == np.int64
    assert table["created_at"].scale == "utc"
    assert set(table["source_id"]) == {"S1"}


def test_votes_beyond_64_bits_are_a_damaged_answer(skyportal, source):
    number = source.state.classify("S1", "Ia", 0.9)
    source.state.classifications[number]["votes"] = [{"voter_id": 1, "vote": 2**70}]
    with pytest.raises(TableParseError, match="votes that are no numbers"):
        skyportal.get_classifications("S1")


def test_comments(skyportal, source):
    source.state.comment("S1", "A comment, with\na line")
    table = skyportal.get_comments("S1")
    assert table["text"][0] == "A comment, with\na line"
    assert table["bot"][0] and table["attachment_name"].mask[0]


def test_annotations_have_a_row_for_each_key(skyportal, source):
    source.state.annotate(
        "S1", "sherlock", {"class": "SN", "sep_arcsec": 1.2, "n": 3, "no": None, "l": [1, 2]}
    )
    source.state.annotate("S1", "empty", {})
    source.state.annotate("S1", "gaia", {"is_star": True})
    table = skyportal.get_annotations("S1")
    assert table["key"].tolist() == ["class", "sep_arcsec", "n", "no", "l", "is_star"]
    assert table["origin"].tolist() == ["sherlock"] * 5 + ["gaia"]
    assert table["value"].filled("-").tolist() == ["SN", "1.2", "3", "-", "[1,2]", "true"]
    assert table["number"].filled(-9).tolist() == [-9, 1.2, 3.0, -9, -9, -9]
    assert table["groups"][0] == "ATLAS transients"
    assert table["annotation_id"].tolist() == [1] * 5 + [3]


@pytest.mark.parametrize("kind", ["classifications", "comments", "annotations"])
def test_none_of_them(skyportal, source, kind):
    with pytest.warns(NoResultsWarning, match=f"no {kind} of S1"):
        table = getattr(skyportal, f"get_{kind}")("S1")
    assert len(table) == 0 and "created_at" in table.colnames
    assert table.meta["query"] == f"get_{kind}"


def test_keys_of_a_newer_and_an_older_server(skyportal, source):
    source.state.classify("S1", "Ia")
    source.state.comment("S1", "text")
    source.state.annotate("S1", "a", {"k": "v"})
    source.state.extra = {"new_key": "x", "modified": None}
    source.state.without = {"author_id", "votes"}
    for kind in ("classifications", "comments", "annotations"):
        table = getattr(skyportal, f"get_{kind}")("S1")
        assert table["new_key"][0] == "x"
        assert table["author_id"].mask[0] and table["modified"].mask[0]

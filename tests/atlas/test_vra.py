"""Scores, ranks and the to-do list of the Virtual Research Assistant, against both servers."""

import datetime as dt

import astropy.units as u
import numpy as np
import pytest
import requests
from astropy.time import Time

from atlasquery.atlas import vra
from atlasquery.exceptions import InvalidQueryError, NoResultsWarning

MISSING = 1999999999999999900
QUERIES = {
    "query_vra_scores": ("vrascoreslist/", "score_id"),
    "query_vra_todo": ("vratodolist/", "atlas_id"),
    "query_vra_ranks": ("vraranklist/", "atlas_id"),
}


@pytest.fixture(scope="module")
def raw(server):
    """Fetch a whole table without this package."""
    whole = {}

    def ask(path):
        if path not in whole:
            headers = {
                "Authorization": f"Token {server.token('reader')}",
                "Accept": "application/json",
            }
            answer = requests.post(server.url + path, headers=headers, timeout=60)
            whole[path] = [row for row in answer.json() if not row.get("debug")]
        return whole[path]

    return ask


@pytest.mark.parametrize("method", QUERIES)
def test_whole_table(atlas, raw, method):
    endpoint, key = QUERIES[method]
    rows = raw(endpoint)
    table = getattr(atlas, method)()
    wire = {"score_id": "id", "atlas_id": "transient_object_id"}[key]
    assert table[key].tolist() == sorted(row[wire] for row in rows)
    assert table["atlas_id"].dtype == np.int64
    assert isinstance(table["time"], Time)
    assert table["time"].scale == "utc"
    assert table.meta["query"] == method
    if method != "query_vra_todo":
        by_key = {row[wire]: row for row in rows}
        ranks = [by_key[number]["rank"] for number in table[key].tolist()]
        assert table["rank"].mask.tolist() == [rank is None for rank in ranks]
        assert table["rank"].tolist() == ranks
        assert table["is_gal_cand"].dtype == np.int64
        times = [by_key[number]["timestamp"] for number in table[key].tolist()]
        assert [f"{time[:19]}Z" for time in table["time"].isot] == times


def test_columns_of_scores(atlas):
    table = atlas.query_vra_scores()
    assert table.colnames == [
        "atlas_id", "time", "preal", "pgal", "pfast", "rank", "rank_alt1", "is_gal_cand", "debug",
        "api_user", "user", "score_id",
    ]  # fmt: skip
    assert table["debug"].dtype == bool
    assert not table["debug"].any()
    assert np.isnan(table["pfast"].data.data[table["pfast"].mask]).all()


@pytest.mark.parametrize("method", QUERIES)
def test_objects_in_the_order_asked_for(atlas, raw, method):
    endpoint, _ = QUERIES[method]
    rows = raw(endpoint)
    known = list(dict.fromkeys(row["transient_object_id"] for row in rows))[2:8][::-1]
    # An id that is given twice has its rows once.
    table = getattr(atlas, method)([*map(str, known), known[0]])
    assert list(dict.fromkeys(table["atlas_id"].tolist())) == known
    assert len(table) == sum(row["transient_object_id"] in known for row in rows)
    with pytest.warns(NoResultsWarning, match=f"of {MISSING}$"):
        some = getattr(atlas, method)([known[0], MISSING, known[1]])
    assert set(some["atlas_id"]) == set(known[:2])


@pytest.mark.parametrize("method", QUERIES)
def test_nothing_known_is_an_empty_table(atlas, method):
    full = getattr(atlas, method)()
    with pytest.warns(NoResultsWarning, match=f"of {MISSING}$"):
        empty = getattr(atlas, method)(MISSING)
    assert len(empty) == 0
    assert empty.colnames == full.colnames
    assert empty["atlas_id"].dtype == np.int64
    assert isinstance(empty["time"], Time)
    with pytest.warns(NoResultsWarning, match="that is asked for"):
        assert len(getattr(atlas, method)(start=70000.0)) == 0


@pytest.mark.parametrize("method", QUERIES)
def test_start_is_included_with_and_without_objects(atlas, method):
    query = getattr(atlas, method)
    full = query()
    start = np.sort(full["time"])[len(full) // 2]
    inside = full[full["time"] >= start]
    for given in (start, start.isot, start.mjd):
        assert query(start=given)["atlas_id"].tolist() == inside["atlas_id"].tolist()
    # With objects the server ignores the threshold.
    ids = list(dict.fromkeys(inside["atlas_id"].tolist()))
    assert len(query(ids, start=start)) == len(inside)
    old = next(i for i in full["atlas_id"].tolist() if i not in ids)
    with pytest.warns(NoResultsWarning, match=f"of {old}$"):
        assert len(query([ids[0], old], start=start)) > 0


@pytest.mark.parametrize("method", QUERIES)
def test_first_id_is_included_with_and_without_objects(atlas, method):
    query, key = getattr(atlas, method), QUERIES[method][1]
    full = query()
    first = full[key][-5]
    assert query(first_id=first)[key].tolist() == full[key][-5:].tolist()
    ids = list(dict.fromkeys(full["atlas_id"][-5:].tolist()))
    assert sorted(query(ids, first_id=int(first))[key]) == full[key][-5:].tolist()
    both = query(first_id=first, start=full["time"][-3])
    assert set(both[key]) <= set(full[key][-5:])


def test_test_rows_are_apart(atlas, raw):
    table = atlas.query_vra_scores(debug=True)
    assert len(table) > 10
    assert table["debug"].all()
    one = int(table["atlas_id"][0])
    alone = atlas.query_vra_scores(one, debug=True)
    assert len(alone) == np.count_nonzero(table["atlas_id"] == one)
    assert alone["debug"].all()


def test_latest_row_of_each_object(atlas):
    full = atlas.query_vra_scores()
    last = {}
    for row in full:
        key = (row["time"].isot, row["score_id"])
        last[row["atlas_id"]] = max(last.get(row["atlas_id"], key), key)
    latest = atlas.query_vra_scores(latest=True)
    assert len(latest) == len(last) < len(full)
    assert set(latest["score_id"]) == {number for _, number in last.values()}
    several = [i for i in last if np.count_nonzero(full["atlas_id"] == i) > 1][:4][::-1]
    chosen = atlas.query_vra_scores(several, latest=True)
    assert chosen["atlas_id"].tolist() == several
    assert chosen["score_id"].tolist() == [last[i][1] for i in several]


def test_latest_goes_by_time_before_number(box_atlas, sandbox):
    """A row may be inserted with a date before that of an earlier one."""
    bot = type(box_atlas)(sandbox.url)
    bot.login(token=sandbox.writer_token)
    one = int(sandbox.manifest["ids"]["north_pole"][0])
    now = Time(dt.datetime.now(dt.UTC))
    for days, rank in ((1, 8), (-1, 3)):
        bot.add_vra_scores(one, rank=rank, time=now + days * u.day)
    assert box_atlas.query_vra_scores(one, latest=True, cache=False)["rank"].tolist() == [8]
    assert box_atlas.query_vra_scores(one, cache=False)["rank"][-2:].tolist() == [8, 3]


def test_many_objects_are_asked_for_in_parts(atlas, monkeypatch):
    full = atlas.query_vra_ranks()
    ids = full["atlas_id"][:7].tolist()
    whole = atlas.query_vra_ranks(ids)
    monkeypatch.setattr(vra, "CHUNK", 3)
    assert len(atlas.query_vra_ranks(ids, get_query_payload=True)) == 3
    parts = atlas.query_vra_ranks(ids)
    assert parts["atlas_id"].tolist() == whole["atlas_id"].tolist() == ids
    assert parts["rank"].tolist() == whole["rank"].tolist()


def test_payloads(box_atlas):
    date = "2026-05-01T10:00:00"
    assert box_atlas.query_vra_scores(get_query_payload=True) == {}
    assert box_atlas.query_vra_scores(start=date, first_id=7, get_query_payload=True) == {
        "datethreshold": "2026-05-01T09:59:59Z",
        "idthreshold": 7,
    }
    sent = box_atlas.query_vra_scores(MISSING, start=date, debug=True, get_query_payload=True)
    assert sent == {"objects": str(MISSING), "debug": "true"}
    assert box_atlas.query_vra_todo(first_id=7, get_query_payload=True) == {"idthreshold": 7}
    assert box_atlas.query_vra_ranks(first_id=7, get_query_payload=True) == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"atlas_ids": []}, "is empty"),
        ({"atlas_ids": 7}, "19 digits"),
        ({"atlas_ids": [1.1e18]}, "is a float"),
        ({"start": "soon"}, "start='soon'"),
        ({"first_id": -1}, "first_id=-1"),
        ({"first_id": 1.5}, "first_id=1.5"),
        ({"first_id": True}, "first_id=True"),
        ({"first_id": 2**63}, "first_id="),
    ],
)
@pytest.mark.parametrize("method", QUERIES)
def test_bad_input_is_refused_before_anything_is_sent(box_atlas, sandbox, method, given, words):
    sandbox.clear_requests()
    with pytest.raises(InvalidQueryError, match=words):
        getattr(box_atlas, method)(**given)
    assert sandbox.requests == []


def test_bad_flag_and_misspelled_keyword(box_atlas, sandbox):
    sandbox.clear_requests()
    with pytest.raises(InvalidQueryError, match="debug='no'"):
        box_atlas.query_vra_scores(debug="no")
    with pytest.raises(TypeError, match="did you mean 'latest'"):
        box_atlas.query_vra_scores(lattest=True)
    assert sandbox.requests == []

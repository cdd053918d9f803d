"""Recorded exchanges of a real server are read, from the wire on, and by pieces."""

import json

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from atlasquery.exceptions import (
    LoginError,
    NoResultsWarning,
    NotFoundError,
    QuotaError,
    RemoteServiceError,
)
from atlasquery.lccserver import conf
from atlasquery.lccserver.datasets import decode_dataset
from atlasquery.lccserver.stream import Stream
from atlasquery.sandbox.lccserver.messages import LineStream, json_reply
from atlasquery.tables import build_table

ENDS = {
    "cone_basic.ndjson": "ok", "col_basic.ndjson": "ok", "xm_basic.ndjson": "ok",
    "fts_text.ndjson": "ok", "col_ct.ndjson": "ok", "cone_radius90.ndjson": "ok",
    "stream_zip_background.ndjson": "background", "slow_query_timeout.ndjson": "background",
    "bigset2.ndjson": "background", "cone_nomatch.ndjson": "empty", "fts_nomatch.ndjson": "empty",
    "xm_nomatch.ndjson": "empty", "cone_badcoords.json": "failed", "cone_ra360.json": "failed",
    "fts_short.json": "failed", "xm_ra0.json": "failed", "xm_comma.json": "failed",
    "cone_hyphen_collection.json": "unfinished", "cone_unknown_collection.json": "unfinished",
    "cone_bad_filter.json": "unfinished", "sort_unknowncol.ndjson": "unfinished",
}  # fmt: skip
SETS = ["set_json.json", "set_col.json", "set_fts.json", "set_null.json", "set_xmatch.json",
        "set_json_str.json", "bigset_p3.json", "set_inprogress_1.json"]  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_each_stream_ends_as_the_contract_says_whatever_its_pieces(samples, name):
    body = samples(name)
    for size in (1, 7, 1000, len(body)):
        stream = Stream()
        for start in range(0, len(body), size):
            stream.feed(body[start : start + size])
        stream.close()
        outcome = stream.outcome()
        assert outcome.status == ENDS[name]
    if outcome.status != "failed":
        assert len(outcome.setid) == 11 and outcome.api_args["dataset_visibility"]
    else:
        assert "<" not in outcome.message and outcome.message


@pytest.mark.parametrize("name", SETS)
def test_each_dataset_has_the_rows_of_the_whole(samples, name):
    wire = json.loads(samples(name))
    dataset = decode_dataset(samples(name))
    table = build_table(dataset.rows)
    assert len(table) == wire["actual_nrows"] == len(wire["result"])
    assert table["objectid"].tolist() == [row["db_oid"] for row in wire["result"]]
    assert table["ra"].tolist() == [row["db_ra"] for row in wire["result"]]
    for column in set(wire["columns"]) & set(table.colnames):
        kind = wire["coldesc"][column]["dtype"].strip("<>|=")[0]
        assert table[column].dtype.kind == kind
        if kind == "f":
            expected = [np.nan if row[column] is None else row[column] for row in wire["result"]]
            np.testing.assert_array_equal(np.ma.filled(table[column], np.nan), expected)
    assert dataset.complete == (wire["status"] == "complete")
    assert dataset.light_curves == wire["lczipfpath"]


def replay(double, samples, service, stream, dataset=None):
    lines = samples(stream).decode()
    double.faults[f"POST /api/{service}"] = LineStream([lines])
    if dataset:
        body = json.loads(samples(dataset))
        double.faults[f"GET /set/{body['setid']}"] = json_reply(body)
        return body
    return None


def known(double, samples):
    """Let the double hold the collections that were recorded."""
    double.faults["api/collections"] = json_reply(samples("collections.json"))


def test_a_recorded_filter_search_is_read(lcc, double, samples):
    known(double, samples)
    # What was recorded sent its filter in the same words.
    body = replay(double, samples, "columnsearch", "col_basic.ndjson", "set_col.json")
    found = lcc.query_criteria("sdssr < 10.0", columns=["sdssr", "sdssg"], sort="sdssr")
    assert found["objectid"].tolist() == [row["db_oid"] for row in body["result"]]
    assert found["sdssr"].unit == "mag" and found.meta["setid"] == body["setid"]


def test_a_recorded_cone_that_was_not_ours_is_not_taken_for_ours(lcc, double, samples):
    known(double, samples)
    replay(double, samples, "conesearch", "cone_radius90.ndjson")
    with pytest.raises(RemoteServiceError, match=r"getcolumns|coords"):
        lcc.query_region(SkyCoord(290, 45, unit="deg"), radius="20 arcmin")


def test_recorded_refusals_are_in_the_servers_words(lcc, double, samples):
    known(double, samples)
    replay(double, samples, "ftsquery", "fts_short.json")
    with pytest.raises(RemoteServiceError, match="between 3 and 1024 characters"):
        lcc.query_text("RRab")
    replay(double, samples, "ftsquery", "cone_hyphen_collection.json")
    with pytest.raises(RemoteServiceError, match="ended the response to a search"):
        lcc.query_text("RRab")
    replay(double, samples, "ftsquery", "fts_nomatch.ndjson")
    with pytest.warns(NoResultsWarning):
        assert len(lcc.query_text("zzzzzz")) == 0
    double.faults["POST /api/xmatch"] = json_reply(samples("xm_5002.json"), 500)
    with conf.set_temp("retries", 0), pytest.raises(RemoteServiceError, match="status 500"):
        lcc.crossmatch(SkyCoord(290, 45, unit="deg"), "2 arcsec")


def test_recorded_statuses(lcc, double, samples):
    known(double, samples)
    double.faults["GET /set/AAAAAAAAAAA"] = json_reply(samples("set_json_unknown.json"), 404)
    with pytest.raises(NotFoundError, match="doesn't exist, or you don't have access"):
        lcc.get_dataset("AAAAAAAAAAA")
    double.faults["GET /set/4jl6hoBLk1I"] = json_reply(samples("private_other.json"), 401)
    with pytest.raises(LoginError, match="You don't have access to this dataset"):
        lcc.get_dataset("4jl6hoBLk1I")
    double.faults["datasets"] = json_reply(
        samples("ratelimit_429.json"), 429, headers={"Retry-After": "120"}
    )
    with conf.set_temp("max_wait", 1.0), pytest.raises(QuotaError, match="exceeded your API"):
        lcc.list_datasets()
    double.faults["datasets"] = json_reply(samples("datasets_1000.json"))
    listed = lcc.list_datasets()
    assert listed["setid"].tolist() == [
        row["setid"] for row in json.loads(samples("datasets_1000.json"))["result"]
    ]

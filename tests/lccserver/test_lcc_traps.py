"""Errors of the server are reported, and never taken for results."""

import json

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    LoginError,
    MaxResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.lccserver import LCCServerClass, conf
from atlasquery.lccserver.catalogue import read_collections
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.lccserver import catalogs
from atlasquery.sandbox.lccserver.messages import HTML_500, LineStream, failed, json_reply

CENTRE = SkyCoord(290.0, 45.0, unit="deg")
ARGS = {
    "conditions": None, "collections": None, "getcolumns": [], "results_sortspec": None,
    "results_samplespec": None, "results_limitspec": None, "dataset_visibility": "unlisted",
}  # fmt: skip


def line(status, result, message="..."):
    return {"message": message, "status": status, "result": result, "time": "2026-11-20T18:05:37Z"}


def queued(**changed):
    return line("queued", {"setid": "AAAAAAAAAAA", "api_args": ARGS | changed})


def present(count):
    """Return positions of objects of the double."""
    rows = catalogs.objects()["synth_alpha"][:count]
    return SkyCoord([r["ra"] for r in rows], [r["decl"] for r in rows], unit="deg")


def changed(double, **values):
    """Let the double answer as if it had run something else than it was asked."""
    plain = double.search

    def search(request):
        double.routes.clear()
        answer = plain(request)
        lines = list(answer.lines)
        for dataset, _ in double.datasets.values():
            dataset["searchargs"] = dataset["searchargs"] | values
        return LineStream(lines)

    double.routes["POST /api/"] = search


def test_a_clamped_radius_is_an_error(lcc, double):
    changed(double, radius_arcmin=5.0)
    with pytest.raises(RemoteServiceError, match=r"radius_arcmin=20\.\d+, and took 5\.0"):
        lcc.query_region(CENTRE, radius="20 arcmin")


def test_a_radius_that_no_float_can_hold_is_an_error(lcc, double):
    changed(double, radius_arcmin=10**400)
    with pytest.raises(RemoteServiceError, match=r"radius_arcmin=20\.\d+, and took 1000"):
        lcc.query_region(CENTRE, radius="20 arcmin")


def test_the_servers_own_clamp_is_never_met(server, client):
    """Sent more than 60 arcmin, both servers search 60 silently; so that is never sent."""
    sent = client.query_region(CENTRE, radius="90 arcmin", get_query_payload=True)
    assert max(float(cone["coords"].split()[2]) for cone in sent) <= 60


def test_a_silent_3_arcsec_is_an_error(lcc, double):
    changed(double, xmatch_dist_arcsec=3.0)
    with pytest.raises(RemoteServiceError, match=r"xmatch_dist_arcsec=10\.01, and took 3\.0"):
        lcc.crossmatch(present(1), "10 arcsec")


def test_rows_dropped_from_a_cross_match_are_an_error(lcc, double):
    changed(double, inputdata={"data": {"objectid": ["q0"]}})
    with pytest.raises(RemoteServiceError, match=r"number of rows=3, and took 1"):
        lcc.crossmatch(present(3), "25 arcsec")


@pytest.mark.parametrize("reply", [None, "", "(sdssr < 12)", "(sdssr < 13) or (1)"])
def test_a_filter_that_was_dropped_or_changed_is_an_error(lcc, double, reply):
    double.faults["columnsearch"] = LineStream(
        [queued(conditions=reply), line("ok", {"setid": "AAAAAAAAAAA"})]
    )
    with pytest.raises(
        RemoteServiceError, match=r"conditions='\(sdssr < 13\)', and took"
    ) as caught:
        lcc.query_criteria("sdssr < 13")
    assert "is not returned" in str(caught.value) and not double.asked("GET /set")


def test_a_filter_dropped_later_is_an_error_too(lcc, double):
    changed(double, conditions=None)
    with pytest.raises(RemoteServiceError, match=r"conditions='\(sdssr < 13\)', and took None"):
        lcc.query_criteria("sdssr < 13")


@pytest.mark.parametrize(
    ("key", "value"),
    [("collections", None), ("getcolumns", []), ("results_sortspec", None),
     ("results_limitspec", None), ("results_samplespec", None), ("dataset_visibility", "unlisted")],
)  # fmt: skip
def test_whatever_else_the_server_ignored_is_an_error(lcc, double, key, value):
    """A single-quoted sort, a limit that is not a number: the server drops them silently."""
    wanted = {
        "collections": ["synth_alpha"], "getcolumns": ["sdssr"], "results_limitspec": 5,
        "results_sortspec": [["sdssr", "desc"]], "results_samplespec": 9,
        "dataset_visibility": "public", "conditions": "(sdssr < 13)",
    }  # fmt: skip
    double.faults["columnsearch"] = LineStream([queued(**(wanted | {key: value}))])
    double.faults["columnsearch"].lines.append(line("ok", {"setid": "AAAAAAAAAAA"}))
    with pytest.raises(RemoteServiceError, match=f"sent {key}="):
        lcc.query_criteria(
            "sdssr < 13", collections="synth-alpha", columns="sdssr", sort=("sdssr", "desc"),
            max_rows=5, sample=9, visibility="public",
        )  # fmt: skip


def test_two_objects_on_one_line_are_a_refusal_in_the_servers_words(lcc, double):
    double.faults["conesearch"] = LineStream(
        [
            json.dumps(failed("could not parse the input coords string"))
            + json.dumps(failed("conesearch: required args are missing"))
        ]
    )
    with pytest.raises(RemoteServiceError, match="could not parse the input coords string") as e:
        lcc.query_region(CENTRE, radius="5 arcmin")
    assert e.value.status == 200 and e.value.query.parts[0].state == "failed"


@pytest.mark.parametrize("lines", [
    [queued()],
    [queued(), line("running", {"setid": "AAAAAAAAAAA", "total_nmatches": 3}, "objects matched")],
])  # fmt: skip
def test_a_stream_that_ends_unfinished_is_an_error(lcc, double, lines):
    double.faults["conesearch"] = LineStream(lines)
    with pytest.raises(RemoteServiceError, match="ended the response to a search") as caught:
        lcc.query_region(CENTRE, radius="5 arcmin")
    assert lines[-1]["message"] in str(caught.value)
    # The matches were reported: its dataset is requested then, and nobody waits for it.
    assert len(double.asked("GET /set")) <= len(lines) - 1
    assert len(double.asked("conesearch")) == 1


def test_the_real_server_breaks_off_over_an_unknown_collection(real_url):
    """For hyphenated names, which the client never sends: docs/servers/lccserver.rst."""
    from lcc_real import ask, new_key

    fields = {"coords": "290.0 45.0 20.0", "collections[]": "synth-alpha"}
    lines = ask(real_url, "api/conesearch", fields, new_key(real_url)).splitlines()
    assert json.loads(lines[-1])["status"] == "queued"
    client = LCCServerClass(real_url)
    assert len(client.query_region(CENTRE, radius="20 arcmin", collections="synth-alpha")) > 0


def test_the_real_server_loses_a_filter_by_position_in_a_cone(real_url):
    """Which is why such a filter is refused."""
    from lcc_real import ask, new_key

    fields = {"coords": "290.0 45.0 60.0", "filters": "(decl gt 0)"}
    last = ask(real_url, "api/conesearch", fields, new_key(real_url)).splitlines()[-1]
    assert json.loads(last)["result"]["actual_nrows"] == 0


def test_a_parameter_error_is_no_empty_table(lcc, double):
    words = "ftsearch: one or more of the required args are missing or <b>invalid</b>."
    double.faults["ftsquery"] = json_reply(failed(words))
    with pytest.raises(RemoteServiceError, match="required args are missing or invalid"):
        lcc.query_text("eclipsing")


@pytest.mark.parametrize(("status", "body"), [
    (400, failed("columnsearch: one or more of the required args are missing or invalid.")),
    (403, failed("Sorry, you don't have access.")),
    (405, "<html><title>405: Method Not Allowed</title></html>"),
])  # fmt: skip
def test_other_statuses_are_told_in_the_servers_words(lcc, double, status, body):
    double.faults["columnsearch"] = json_reply(body, status)
    kind = LoginError if status == 403 else RemoteServiceError
    words = body["message"] if isinstance(body, dict) else "Method Not Allowed"
    with pytest.raises(kind) as caught:
        lcc.query_criteria("sdssr < 13")
    assert caught.value.status == status and words in str(caught.value)


def test_a_500_is_asked_again_and_then_told(lcc, double):
    double.faults["columnsearch"] = [Response(500, HTML_500, "text/html")] * 2
    assert len(lcc.query_criteria("sdssr < 10")) > 0
    double.faults["columnsearch"] = Response(500, HTML_500, "text/html")
    with pytest.raises(RemoteServiceError, match="status 500"):
        lcc.query_criteria("sdssr < 11")


@pytest.mark.parametrize("text", ["<html>a proxy</html>", '{"status": "dancing"}\n', '{"sta', "[]"])
def test_what_is_no_message_is_an_error(lcc, double, text):
    double.faults["columnsearch"] = LineStream([text])
    with pytest.raises(TableParseError, match=r"not JSON|unknown kind"):
        lcc.query_criteria("sdssr < 13")


@pytest.mark.parametrize(
    ("name", "value"),
    [("setid", 17), ("api_args", 5), ("total_nmatches", "many"), ("lczip", ["x"])],
)
def test_data_of_another_type_are_an_error(lcc, double, name, value):
    line = json.dumps({"status": "queued", "message": ["a", 1], "result": {name: value}})
    double.faults["columnsearch"] = LineStream([line + "\n"])
    with pytest.raises(TableParseError, match=rf"sent {name}=.*, which should be a"):
        lcc.query_criteria("sdssr < 13")


def test_5001_rows_go_in_two_chunks(server, client):
    rng = np.random.default_rng(1)
    inside = [row for part in server.rows.values() for row in part][:900]
    ra = np.append([row["ra"] for row in inside], rng.uniform(0, 360, 4101))
    dec = np.append([row["decl"] for row in inside], rng.uniform(50, 80, 4101))
    # Matches at the border of the chunks, and beyond.
    order = np.roll(np.arange(5001), 4600)
    asked = SkyCoord(ra[order], dec[order], unit="deg")
    sent = client.crossmatch(asked, "1 arcsec", get_query_payload=True)
    assert [part["xmq"].count("\n") + 1 for part in sent] == [5000, 1]
    found = client.crossmatch(asked, "1 arcsec")
    first = found[np.unique(found["query_index"], return_index=True)[1]]
    names = np.array([row["objectid"] for row in inside] + [""] * 4101)[order]
    assert first["query_index"].tolist() == np.flatnonzero(names != "").tolist()
    assert set(names[names != ""]) <= set(found["objectid"].tolist())


def test_right_ascension_and_declination_of_zero_are_not_lost(server, client):
    """The server drops such rows; what is sent is 4 microarcsec beside, and matched as asked."""
    zero = SkyCoord(
        [0.0, 0.0, 12.0, 290.0, 359.99999999999], [0.0, -25.0, 0.0, 45.0, 5.0], unit="deg"
    )
    payload = client.crossmatch(zero, "1 arcsec", get_query_payload=True)
    for words in payload["xmq"].split("\n"):
        name, ra, dec = words.split()
        assert 0 < float(ra) < 360 and float(dec) != 0 and "e" not in words
        assert abs(float(dec) - zero[int(name[1:])].dec.deg) < 2e-9
    near = min(
        (row for row in server.rows["synth_beta"] if row["decl"] < -20),
        key=lambda row: min(row["ra"], 360 - row["ra"]),
    )
    offset = SkyCoord(near["ra"], near["decl"], unit="deg").separation(
        SkyCoord(0, near["decl"], unit="deg")
    )
    at_zero = SkyCoord([0.0, near["ra"]], [near["decl"]] * 2, unit="deg")
    if offset.arcsec < 29.9:
        found = client.crossmatch(at_zero, "29.9 arcsec")
        assert near["objectid"] in found["objectid"][found["query_index"] == 0]
    found = client.crossmatch(at_zero, "1 arcsec")
    assert near["objectid"] in found["objectid"][found["query_index"] == 1]


def test_a_private_dataset_of_another_is_told_without_asking_for_new_keys(lcc, double):
    lcc.login(token=double.add_key("key-of-the-owner"))
    outcome = lcc.query_criteria("sdssr < 10", visibility="private")
    other = LCCServerClass(double.url)
    with pytest.raises(LoginError, match=r"keeps .* for its owner"):
        other.get_dataset(outcome.meta["setid"])
    assert len(double.asked("GET /api/key")) == 1
    assert len(lcc.get_dataset(outcome.meta["setid"], cache=False)) == len(outcome)


def test_a_private_dataset_at_the_real_server(real_url, tmp_path):
    owner, other = LCCServerClass(real_url), LCCServerClass(real_url)
    owner.cache_location, other.cache_location = tmp_path / "a", tmp_path / "b"
    outcome = owner.query_criteria("sdssr < 9.5", visibility="private")
    assert len(owner.get_dataset(outcome.meta["setid"], cache=False)) == len(outcome)
    with pytest.raises(LoginError, match=r"keeps .* for its owner"):
        other.get_dataset(outcome.meta["setid"])


def test_an_unknown_dataset_is_told(client):
    with pytest.raises(NotFoundError, match="does not have a dataset AAAAAAAAAAA"):
        client.get_dataset("AAAAAAAAAAA")


def test_the_servers_cap_of_rows_is_warned_of(lcc, double):
    double.site["cap"] = 100
    with pytest.warns(MaxResultsWarning, match="because of a limit of the server"):
        found = lcc.query_criteria("sdssr < 99")
    assert len(found) == 100
    with pytest.warns(MaxResultsWarning, match="1877 objects matched"):
        lcc.get_dataset(found.meta["setid"])
    double.site["cap"] = 10
    with pytest.warns(MaxResultsWarning, match="because of a limit of the server"):
        lcc.query_region(SkyCoord(150, 2, unit="deg"), radius="60 arcmin")


def test_a_dataset_with_fewer_rows_than_it_says_is_an_error(lcc, double):
    outcome = lcc.query_criteria("sdssr < 10")
    dataset, _ = double.datasets[outcome.meta["setid"]]
    dataset["result"] = dataset["result"][:-1]
    with pytest.raises(TableParseError, match="and should have"):
        lcc.get_dataset(outcome.meta["setid"], cache=False)


def test_columns_of_a_newer_server_are_kept_and_types_that_lie_are_mended(lcc, double):
    outcome = lcc.query_criteria("sdssr < 10", columns="ndet")
    dataset, _ = double.datasets[outcome.meta["setid"]]
    for n, row in enumerate(dataset["result"]):
        row["novelty"] = f"new {n}"
        row["ndet"] = 0.5 + n
    found = lcc.get_dataset(outcome.meta["setid"], cache=False)
    assert found["novelty"].tolist() == [f"new {n}" for n in range(len(found))]
    assert found["ndet"].tolist() == [0.5 + n for n in range(len(found))]
    assert found["ra"].unit == "deg"


def test_some_of_several_searches_that_fail_lose_nothing_of_the_rest(lcc, double):
    answers = [LineStream([queued()])]
    double.faults["conesearch"] = answers
    with conf.set_temp("concurrency", 1), pytest.raises(IncompleteResultError) as caught:
        lcc.query_region(SkyCoord(150, 2, unit="deg"), radius="2 deg")
    error = caught.value
    assert len(error.failures) == 1 and len(error.result) > 0
    double.faults["conesearch"] = [LineStream([queued()])]
    with conf.set_temp("concurrency", 1), pytest.warns(InputWarning, match=r"1 of \d+ searches"):
        rest = lcc.query_region(
            SkyCoord(150, 2, unit="deg"), radius="2 deg", on_error="warn", cache=False
        )
    assert rest["objectid"].tolist() == error.result["objectid"].tolist()
    whole = lcc.fetch(error.query)
    assert set(error.result["objectid"].tolist()) < set(whole["objectid"].tolist())
    direct = lcc.query_region(SkyCoord(150, 2, unit="deg"), radius="2 deg", cache=False)
    assert whole["objectid"].tolist() == direct["objectid"].tolist()


@pytest.mark.parametrize("sent", ["", None])
def test_a_collection_without_columns_of_texts(lcc, double, sent):
    lists = catalogs.collections()["collections"]
    names = lists["ftsindexedcols"][1:]

    def collections(request):
        return json_reply(line("ok", {"collections": lists | {"ftsindexedcols": [sent, *names]}}))

    double.routes["GET /api/collections"] = collections
    texts = read_collections(lcc).text_columns
    assert [*texts.values()] == [(), *(tuple(one.split(",")) for one in names)]
    assert not lcc.list_columns()["text_search"].any()

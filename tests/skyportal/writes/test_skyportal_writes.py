"""Save, classify, comment, annotate, analyse: once, and the outcome of each."""

import json
import sys
from datetime import UTC, datetime, timedelta

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from light_curves import random_curve
from lost_answers import Losing

from atlasquery.exceptions import InputWarning, InvalidQueryError, LoginError, WriteError
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import PortalError, html
from atlasquery.sandbox.skyportal.server import ADMIN
from atlasquery.skyportal import SkyPortalClass

HERE = SkyCoord(150.1163, 2.2058, unit="deg")
A, B = "ATLAS24abc", "ATLAS24abd"


@pytest.fixture(autouse=True)
def _sources(double):
    double.state.add_source(A, 150.1163, 2.2058)
    double.state.add_source(B, 10.0, -20.0)


@pytest.fixture
def losing(double):
    original = double._routed
    yield lambda pattern, times=1: Losing(double, pattern, times)
    double._routed = original


def writes(double):
    return double.asked(r"^(POST|PUT|PATCH|DELETE) ")


def sent(double):
    return [json.loads(body) for body in double.bodies if body]


# -- sources and candidates


def test_a_new_source_is_saved_with_its_position(skyportal, double):
    table = skyportal.save_source("NEW1", HERE, groups="ATLAS transients", redshift=0.03)
    assert table["ok"].tolist() == [True]
    assert table["message"][0] == "New. Saved to the groups [3]."
    entry = double.state.objects["NEW1"]
    assert (entry["ra"], entry["dec"], entry["redshift"]) == (150.1163, 2.2058, 0.03)
    assert set(double.state.saved["NEW1"]) == {3}


def test_an_old_source_never_gets_a_position(skyportal, double):
    before = dict(double.state.objects[A])
    table = skyportal.save_source(A, SkyCoord(150.1163, 2.3, unit="deg"), groups=4, redshift=0.5)
    assert table["ok"].tolist() == [True]
    words = table["message"][0]
    assert "Was there already." in words
    assert "Not changed: redshift." in words
    assert "339.12 arcsec from the position given, which was not sent" in words
    assert double.state.objects[A] == before
    assert set(double.state.saved[A]) == {3, 4}
    assert all("ra" not in body and "redshift" not in body for body in sent(double))


def test_a_candidate_that_is_saved_keeps_its_position(skyportal, double):
    """It is no source yet, but the server has its position."""
    double.state.add_candidate("CAND1", 33.0, 3.0)
    before = double.state.objects["CAND1"]["healpix"]
    table = skyportal.save_source("CAND1", SkyCoord(33.0, 3.0, unit="deg"), groups=3)
    assert table["ok"].all()
    assert double.state.objects["CAND1"]["healpix"] == before
    assert writes(double) == ["POST /api/sources"]


def test_positions_are_of_any_frame_and_checked(skyportal, double):
    skyportal.save_source("GAL1", HERE.galactic, groups=3)
    entry = double.state.objects["GAL1"]
    assert (entry["ra"], entry["dec"]) == pytest.approx((150.1163, 2.2058), abs=1e-10)
    for wrong in (SkyCoord([1, 2], [3, 4], unit="deg"), (150, 2), "400d 2d"):
        with pytest.raises(InvalidQueryError):
            skyportal.save_source("NOCO3", wrong, groups=3)
    with pytest.raises(InvalidQueryError, match="'SN 2024/a'"):
        skyportal.save_source("SN 2024/a", HERE, groups=3)
    with pytest.raises(TypeError, match="no property 'redshfit'; did you mean 'redshift'"):
        skyportal.save_source("X1", HERE, redshfit=1)
    assert len(writes(double)) == 2


def test_an_unknown_source_without_a_position(skyportal):
    with pytest.raises(WriteError, match="does not have NOCO: give its coordinates"):
        skyportal.save_source("NOCO", groups=3)


def test_groups_that_the_server_left_out_are_named(skyportal):
    with pytest.raises(WriteError, match=r"Saved to the groups \[3\], but not to \[999\]"):
        skyportal.save_source(A, groups=[3, 999])


def test_a_number_is_an_id_too(skyportal, double):
    skyportal.save_source(1161600211221604900, HERE, groups=3)
    assert "1161600211221604900" in double.state.objects


def test_dry_run_of_saving_shows_both_ways(skyportal, double):
    plan = skyportal.save_source("NEW1", HERE, groups="Second group", dry_run=True)
    assert [json.loads(text) for text in plan["payload"]] == [
        {"id": "NEW1", "group_ids": [4]},
        {"id": "NEW1", "ra": 150.1163, "dec": 2.2058, "group_ids": [4]},
    ]
    assert (
        plan["message"][1]
        == "Dry run: not sent. It would be sent if the server does not have the id."
    )
    assert plan["ok"].mask.all()
    assert writes(double) == []


def test_a_lost_save_is_read_back(skyportal, double, losing):
    losing("POST /api/sources")
    table = skyportal.save_source(A, groups=4)
    assert table["ok"].tolist() == [True]
    assert "response lost; read back: it is saved to the groups [3, 4]" in table["message"][0]
    assert len(writes(double)) == 1


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirect_to_another_address_is_a_refusal_of_all(skyportal, double, status):
    moved = Response(status, headers={"Location": "/elsewhere"})
    double.faults["POST .*comments"] = [moved, moved]
    with pytest.raises(WriteError, match=r"Set conf\.server to the address") as caught:
        skyportal.add_comment([A, B], "Rising.")
    assert caught.value.result["ok"].tolist() == [False, False]
    assert caught.value.result["message"][1].startswith("Not tried: ")
    assert double.asked("^GET") == []


@pytest.mark.parametrize("status", [302, 303])
def test_after_another_redirect_a_comment_is_read_back(skyportal, double, status):
    double.faults["POST .*comments"] = Response(status, headers={"Location": "/elsewhere"})
    with pytest.raises(WriteError, match="response lost; read back: it is not there") as caught:
        skyportal.add_comment(A, "Rising.")
    assert caught.value.result["ok"].tolist() == [False]
    assert len(writes(double)) == 1


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_save_that_never_arrived_may_still_be_done(skyportal, double, status):
    double.faults["POST /api/sources"] = html(status, "Gateway Time-out")
    with pytest.raises(WriteError) as caught:
        skyportal.save_source("NEW1", HERE, groups=3)
    table = caught.value.result
    assert table["ok"].mask.tolist() == [True]
    assert (
        "there is no such source, but the server may still be working on it" in table["message"][0]
    )
    assert len(writes(double)) == 1


def test_candidates(skyportal, double):
    when = Time("2026-05-01T02:00:00")
    table = skyportal.save_candidate("CAND9", HERE, filters=[1], passed_at=when)
    assert table["ok"].all()
    assert table["id"].tolist() == [1]
    assert double.state.passed["CAND9"]["passed_at"] == "2026-05-01T02:00:00.000"
    again = skyportal.save_candidate(A, HERE, filters=1, passed_at=60800.5)
    assert again["ok"].all()
    assert "ra" not in sent(double)[-1]
    with pytest.raises(WriteError, match="filter ID does not exist"):
        skyportal.save_candidate(A, filters=9, passed_at=when)
    with pytest.raises(InvalidQueryError, match="passed_at"):
        skyportal.save_candidate(A, filters=1, passed_at="soon")


# -- classifications, votes, comments, annotations


def test_classify_many(skyportal, double):
    table = skyportal.add_classification([A, B], "Ia", probability=0.9, groups=3)
    assert table["source_id"].tolist() == [A, B]
    assert table["id"].tolist() == [1, 2]
    row = double.state.classifications[1]
    assert (row["classification"], row["taxonomy_id"], row["probability"]) == ("Ia", 1, 0.9)
    assert row["group_ids"] == [3]


def test_a_class_that_is_none(skyportal, double):
    with pytest.raises(InvalidQueryError, match=r"'IIPP' is not a class of .*did you mean 'IIP'"):
        skyportal.add_classification(A, "IIPP")
    with pytest.raises(InvalidQueryError, match=r"probability=1\.5 should be from 0 to 1"):
        skyportal.add_classification(A, "Ia", probability=1.5)
    with pytest.raises(InvalidQueryError, match="taxonomy='Site' is not known"):
        skyportal.add_classification(A, "Ia", taxonomy="Site")
    assert writes(double) == []


def test_a_class_of_two_taxonomies_needs_a_choice(skyportal, double):
    double.state.taxonomies[2] = {**double.state.taxonomies[1], "id": 2, "name": "Another"}
    with pytest.raises(InvalidQueryError, match=r"several taxonomies: .*'Another' \(2\)"):
        skyportal.add_classification(A, "Ia")
    skyportal.add_classification(A, "Ia", taxonomy="Another")
    assert double.state.classifications[1]["taxonomy_id"] == 2


def test_one_failure_does_not_lose_the_others(skyportal, double):
    with pytest.raises(WriteError, match=r"1 of 3 .* for NOPE: Cannot find object") as caught:
        skyportal.add_classification([A, "NOPE", B], "Ia")
    table = caught.value.result
    assert table["ok"].tolist() == [True, False, True]
    assert caught.value.failures == [("NOPE", "Cannot find object with ID NOPE.")]
    with pytest.warns(InputWarning, match="1 of 2 writes"):
        table = skyportal.add_comment(["NOPE", A], "?", on_error="warn")
    assert table["ok"].tolist() == [False, True]


def test_votes(skyportal, double, losing):
    skyportal.add_classification(A, "Ia")
    skyportal.vote_classification(1, "up")
    assert double.state.classifications[1]["votes"][0]["vote"] == 1
    losing("POST /api/classification/votes")
    table = skyportal.vote_classification(1, "down")
    assert table["ok"].tolist() == [True]
    assert [vote["vote"] for vote in double.state.classifications[1]["votes"]] == [-1]
    with pytest.raises(InvalidQueryError, match="vote='yes'"):
        skyportal.vote_classification(1, "yes")


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (lambda s: s.add_classification(A, "Ia", probability=0.5), "classifications"),
        (lambda s: s.add_comment(A, "Rising."), "comments"),
        (lambda s: s.add_annotation(A, "sherlock", {"z": 0.1}), "annotations"),
        (lambda s: s.start_analysis(A, 1), "analyses"),
        (lambda s: s.upload_analysis(A, 1, {"results": {}}), "analyses"),
    ],
)
def test_lost_notes_are_read_back_and_never_sent_twice(skyportal, double, losing, write, kind):
    losing("^POST")
    table = write(skyportal)
    assert table["ok"].tolist() == [True]
    assert table["id"].tolist() == [1]
    assert "read back" in table["message"][0]
    assert len(writes(double)) == 1
    rows = getattr(double.state, kind, None) or double.state.tables[kind]
    assert len(rows) == 1


def test_the_same_comment_of_long_ago_does_not_count(skyportal, double):
    number = double.state.comment(A, "Rising.")
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    double.state.comments[number]["created_at"] = long_ago.replace(tzinfo=None).isoformat()
    double.faults["POST .*comments"] = html(502, "Bad Gateway")
    with pytest.raises(WriteError) as caught:
        skyportal.add_comment(A, "Rising.")
    assert caught.value.result["ok"].mask.tolist() == [True]
    assert "it is not there" in caught.value.result["message"][0]


def test_a_refusal_of_the_server_itself_is_known_not_to_be_done(skyportal, double):
    double.faults["POST .*comments"] = PortalError(500, "Traceback (most recent call last):\nOops")
    with pytest.raises(WriteError) as caught:
        skyportal.add_comment(A, "Rising.")
    assert caught.value.result["ok"].tolist() == [False]
    assert caught.value.result["message"][0].startswith("the server failed; read back: it is not")
    assert len(writes(double)) == 1


def test_an_error_in_the_envelope_of_a_success_is_a_refusal(skyportal, double):
    """The words count, and not the status."""
    answered = {"status": "error", "message": "Not today.", "data": {}, "version": "9"}
    double.faults["POST .*comments"] = Response(200, answered)
    with pytest.raises(WriteError) as caught:
        skyportal.add_comment([A, B], "Rising.")
    assert caught.value.result["ok"].tolist() == [False, False]
    assert caught.value.result["message"].tolist() == ["Not today."] * 2
    assert double.asked("^GET") == []


def test_annotations_of_the_same_origin(skyportal, double):
    data = {"class": "SN", "separation_arcsec": 1.2, "missing": None}
    skyportal.add_annotation(A, "sherlock", data)
    assert double.state.annotations[1]["data"] == data
    table = skyportal.add_annotation(A, "sherlock", data)
    assert table["ok"].tolist() == [True]
    assert table["message"][0] == "Was there already."
    with pytest.raises(WriteError, match="Annotation already posted"):
        skyportal.add_annotation(A, "sherlock", {"class": "AGN"})
    with pytest.raises(InvalidQueryError, match="has a unit"):
        skyportal.add_annotation(A, "x", {"r": 3 * u.arcsec})
    with pytest.raises(InvalidQueryError, match="data="):
        skyportal.add_annotation(A, "x", {})


def test_a_refusal_that_cannot_be_asked_about_keeps_its_words(skyportal, double):
    skyportal.add_annotation(A, "sherlock", {"z": 0.1})
    double.faults["GET .*annotations"] = PortalError(403, "Insufficient permissions")
    with pytest.raises(WriteError, match="Annotation already posted") as caught:
        skyportal.add_annotation([A, B], "sherlock", {"z": 0.1})
    assert caught.value.result["ok"].tolist() == [False, True]


@pytest.mark.parametrize(
    ("catalog", "route"), [("gaia", "gaia"), ("wise", "irsa"), ("vizier", "vizier")]
)
def test_annotations_from_catalogues(skyportal, double, losing, catalog, route):
    double.state.tables["stars"] = {A: {route: {"Mag_G": 17.1}}}
    table = skyportal.annotate_from_catalog([A], catalog, radius=3 * u.arcsec, groups=3)
    assert table["ok"].all()
    assert sent(double)[-1] == {"crossmatchRadius": pytest.approx(3.0), "group_ids": [3]}
    assert double.state.annotations[1]["data"] == {"Mag_G": 17.1}
    again = skyportal.annotate_from_catalog([A], catalog)
    assert again["message"][0] == "Was there already (Annotation already posted.)"
    with pytest.raises(WriteError, match=r"No .*available"):
        skyportal.annotate_from_catalog(B, catalog)


def test_a_lost_match_is_read_back(skyportal, double, losing):
    double.state.tables["stars"] = {A: {"gaia": {"Mag_G": 17.1}}}
    losing("POST")
    table = skyportal.annotate_from_catalog(A, "gaia", limiting_mag=19)
    assert table["ok"].tolist() == [True]
    with pytest.raises(InvalidQueryError, match="limiting_mag is for 'gaia'"):
        skyportal.annotate_from_catalog(A, "wise", limiting_mag=19)


# -- analyses


def test_analyses(skyportal, double):
    table = skyportal.start_analysis([A, B], "salt", parameters={"z": 0.03}, groups=3)
    assert table["id"].tolist() == [1, 2]
    assert sent(double)[0] == {
        "show_parameters": False, "show_plots": False, "show_corner": False,
        "analysis_parameters": {"z": 0.03}, "group_ids": [3],
    }  # fmt: skip
    skyportal.upload_analysis(A, 1, {"results": {"format": "json", "data": {}}}, message="fit")
    assert double.state.tables["analyses"][3]["status"] == "completed"
    skyportal.delete_analysis(3)
    assert set(double.state.tables["analyses"]) == {1, 2}
    with pytest.raises(InvalidQueryError, match="service='salt9' is not known"):
        skyportal.start_analysis(A, "salt9")


# -- permissions, stops, secrets


def test_a_missing_permission_stops_at_once_and_says_so(reader, double):
    with pytest.raises(WriteError, match="does not have the permission") as caught:
        reader.add_comment([A, B], "Rising.")
    assert isinstance(caught.value.__cause__, LoginError)
    assert caught.value.result["message"][1].startswith("Not tried: ")
    assert len(writes(double)) == 1


def test_the_error_of_a_write_has_no_token(skyportal, double):
    double.faults["POST"] = PortalError(403, "Insufficient permissions")
    with pytest.raises(WriteError) as caught:
        skyportal.add_comment(A, "Rising.")
    assert ADMIN not in f"{caught.value} {caught.value.result} {caught.value.result.meta}"


def test_a_broken_connection_stops_and_the_rest_is_not_tried():
    nobody = SkyPortalClass("http://127.0.0.1:9/", token=ADMIN)
    with pytest.raises(WriteError) as caught:
        nobody.add_comment([A, B], "Rising.")
    first, second = caught.value.result["message"]
    assert first.startswith("Not sent: ")
    assert second.startswith("Not tried: ")
    assert caught.value.result["ok"].tolist() == [False, False]


def test_ctrl_c_leaves_what_became_of_all(skyportal, double):
    def stop():
        raise KeyboardInterrupt

    calls = []
    original = skyportal._change

    def change(*args):
        calls.append(args)
        return stop() if len(calls) == 2 else original(*args)

    skyportal._change = change
    with pytest.raises(KeyboardInterrupt) as caught:
        skyportal.add_comment([A, B, A], "Rising.")
    table = caught.value.result
    assert table["ok"].filled(False).tolist() == [True, False, False]
    assert table["ok"].mask.tolist() == [False, True, False]
    assert "had answered 1 of 3 writes; the next one, for ATLAS24abd" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    "write",
    [
        lambda s: s.save_source("N", HERE, groups=3, dry_run=True),
        lambda s: s.save_candidate("N", filters=1, passed_at=60000.0, dry_run=True),
        lambda s: s.add_classification(A, "Ia", dry_run=True),
        lambda s: s.vote_classification(1, "up", dry_run=True),
        lambda s: s.add_comment(A, "x", dry_run=True),
        lambda s: s.add_annotation(A, "x", {"y": 1}, dry_run=True),
        lambda s: s.annotate_from_catalog(A, "gaia", dry_run=True),
        lambda s: s.submit_followup(A, 1, {}, dry_run=True),
        lambda s: s.update_followup(1, status="x", dry_run=True),
        lambda s: s.delete_followup(1, dry_run=True),
        lambda s: s.add_assignment(A, 1, dry_run=True),
        lambda s: s.update_assignment(1, status="x", dry_run=True),
        lambda s: s.delete_assignment(1, dry_run=True),
        lambda s: s.start_analysis(A, 1, dry_run=True),
        lambda s: s.upload_analysis(A, 1, {"results": {}}, dry_run=True),
        lambda s: s.delete_analysis(1, dry_run=True),
    ],
)
def test_dry_runs_send_nothing(skyportal, double, write):
    table = write(skyportal)
    assert writes(double) == []
    assert table["ok"].mask.all()
    assert {"method", "endpoint", "payload"} <= set(table.colnames)
    assert ADMIN not in str(table.meta) + "".join(table["payload"])


def test_arguments_that_are_wrong_are_named(skyportal, double):
    for call, words in (
        (lambda: skyportal.add_comment([], "x"), "source_ids is empty"),
        (lambda: skyportal.add_comment({A: 1}, "x"), "source_ids="),
        (lambda: skyportal.add_comment(A, " "), "text=' '"),
        (lambda: skyportal.add_comment(A, "x", groups=[]), "groups is empty"),
        (lambda: skyportal.add_comment(A, "x", groups="all"), "for photometry only"),
        (lambda: skyportal.add_comment(A, "x", on_error="skip"), "on_error='skip'"),
        (lambda: skyportal.vote_classification("one", "up"), "classification_id='one'"),
        (lambda: skyportal.vote_classification(True, "up"), "classification_id=True"),
        (lambda: skyportal.annotate_from_catalog(A, "2mass"), "catalog='2mass'"),
        (lambda: skyportal.annotate_from_catalog(A, "gaia", radius=3), "radius=3"),
    ):
        with pytest.raises(InvalidQueryError, match=words):
            call()
    with pytest.raises(TypeError, match="no argument 'group'"):
        skyportal.add_comment(A, "x", group=3)
    assert writes(double) == []


@pytest.mark.parametrize(
    "write",
    [
        lambda s: s.save_source("NOPE", groups=3, on_error="warn"),
        lambda s: s.save_candidate("NOPE", filters=1, passed_at=60000.0, on_error="warn"),
        lambda s: s.add_comment("NOPE", "x", on_error="warn"),
        lambda s: s.submit_followup("NOPE", 1, {}, on_error="warn"),
        lambda s: s.start_analysis("NOPE", 1, on_error="warn"),
        lambda s: s.upload_photometry(random_curve(2), "NOPE", 1, on_error="warn"),
    ],
)
def test_warnings_point_to_the_line_of_the_user(skyportal, write):
    with pytest.warns(InputWarning) as caught:
        assert not write(skyportal)["ok"].any()
    assert [one.filename for one in caught] == [__file__]


def test_a_crowded_server_gets_each_write_once(skyportal, double):
    """A 429 was not taken: the client waits, and nothing is lost or there twice."""
    full = html(429, "Too Many Requests")
    double.faults["POST"] = [None, full, full, None, full, None]
    table = skyportal.add_comment([A] * 4, "Rising.")
    assert table["ok"].all()
    assert len(double.state.comments) == 4
    assert len(writes(double)) == 7


# -- the double against the recorded server


RECORDED = {
    "source_post": 200, "source_post_nocoords": 400, "source_post_badgroup": 400,
    "source_post_badid": 400, "classification_post": 200, "classification_err": 400,
    "comment_post": 200, "annotation_post": 200, "assignment_post": 200, "candidate_post": 200,
    "photometry_post_flux": 200, "photometry_post_mag": 200, "photometry_err_group": 400,
    "photometry_err_noinst": 400, "photometry_err_nolim": 400, "photometry_err_noobj": 400,
    "photometry_err_onlymag": 400, "push_both": 400, "push_extra_field": 400, "push_flux1": 200,
    "push_groups_all": 200, "push_lim3_vs5": 200, "push_nofluxerr": 400, "push_nogroups": 200,
    "push_ragged": 400, "push_zerofluxerr": 200, "auth_ro_post": 401, "auth_ro_phot": 401,
    "post_badjson": 500,
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_the_double_answers_as_the_server_did(double, samples, name):
    recorded = samples(name)
    request = recorded["request"]
    for other in ("ATLAS24wrap0", "ATLAS24wrap1"):
        double.state.add_source(other, 0.0, 0.0)
    users = double.state.users.items()
    token = next(t for t, one in users if bool(one["acls"]) != ("_ro_" in name))
    body = b"{x" if name == "post_badjson" else json.dumps(request["json"]).encode()
    answer = double.answer(
        request["method"], request["path"], {"Authorization": f"token {token}"}, body
    )
    answered = json.loads(answer.content)
    assert answer.status == recorded["status_code"] == RECORDED[name]
    assert answered["status"] == recorded["body"]["status"]
    if answered["status"] == "success":
        assert set(answered["data"]) == set(recorded["body"]["data"])
        for key, value in recorded["body"]["data"].items():
            assert type(answered["data"][key]) is type(value)
            if isinstance(value, list):
                assert len(answered["data"][key]) == len(value)
    else:
        # Its first words; the rest lists what only the recorded server had.
        assert answered["message"][:24] == recorded["body"]["message"][:24]


def test_no_write_leaves_a_secret_in_the_traceback(skyportal, double):
    double.faults["POST"] = PortalError(400, "no")
    try:
        skyportal.add_comment(A, "Rising.")
    except WriteError:
        frames, trace = [], sys.exc_info()[2]
        while trace:
            frames += [repr(value) for value in trace.tb_frame.f_locals.values()]
            trace = trace.tb_next
        assert not any(ADMIN in text for text in frames)

"""Follow-up and assignments: asked for once, watched, changed, withdrawn."""

import json

import astropy.units as u
import pytest
from astropy.table import Table
from astropy.time import Time
from lost_answers import Losing

from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    LoginError,
    MaxResultsWarning,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
    WriteError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import envelope, html

A, B = "ATLAS24abc", "ATLAS24abcd"
ASKED = {"start_date": "2026-05-02 00:00:00", "end_date": "2026-05-09 00:00:00", "priority": 3}


@pytest.fixture(autouse=True)
def _sources(double):
    double.state.add_source(A, 150.1163, 2.2058)
    double.state.add_source(B, 10.0, -20.0)


@pytest.fixture
def losing(double):
    original = double._routed
    yield lambda pattern, times=1: Losing(double, pattern, times)
    double._routed = original


def requests(double):
    return double.state.tables.get("followups", {})


def writes(double):
    return double.asked(r"^(POST|PUT|PATCH|DELETE) ")


def test_submit_and_query(skyportal, double):
    table = skyportal.submit_followup([A, B], 1, ASKED, groups="ATLAS transients")
    assert table["id"].tolist() == [1, 2]
    assert table["message"][0] == "Submitted, with the status 'submitted'."
    assert json.loads(double.bodies[-1])["target_group_ids"] == [3]
    found = skyportal.query_followups(source_id=A)
    # "Portion of ID": the server gives those of ATLAS24abcd too.
    assert found["source_id"].tolist() == [A]
    assert found["id"].tolist() == [1]
    assert found["status"][0] == "submitted"
    assert found["instrument"][0] == "ATLAS"
    assert found["requester"][0] == "admin"
    assert json.loads(found["payload"][0]) == ASKED
    assert isinstance(found["created_at"], Time)
    assert found["comment"].mask[0]
    everything = skyportal.query_followups(allocation=1, instrument="ATLAS", start="2026-01-01")
    assert everything["id"].tolist() == [1, 2]
    with pytest.warns(NoResultsWarning):
        none = skyportal.query_followups(allocation=9)
    assert none.colnames == found.colnames
    assert none["id"].dtype == found["id"].dtype


def test_times_in_a_payload_are_sent_in_utc(skyportal, double):
    skyportal.submit_followup(A, 1, {"start_date": Time("2026-05-02T00:00:00", scale="utc").tai})
    assert requests(double)[1]["payload"] == {"start_date": "2026-05-02T00:00:00.000"}


def test_constraints_are_checked_and_their_word_is_final(skyportal, double):
    double.state.classify(A, "Ia")
    with pytest.raises(WriteError, match=r"Not submitted: .*already classified") as caught:
        skyportal.submit_followup(A, 1, ASKED, constraints={"not_if_classified": True})
    assert caught.value.result["id"].mask[0]
    assert requests(double) == {}
    with pytest.raises(InvalidQueryError, match="'not_if_clasified'; did you mean"):
        skyportal.submit_followup(A, 1, ASKED, constraints={"not_if_clasified": True})


def test_a_request_that_is_refused_may_be_stored(skyportal, double):
    """The recorded server answers 400 and keeps it as failed."""
    double.state.tables["broken_telescope"] = "Cannot connect to host"
    with pytest.raises(WriteError) as caught:
        skyportal.submit_followup(A, 1, ASKED)
    table = caught.value.result
    assert table["ok"].tolist() == [False]
    assert table["id"].tolist() == [1]
    assert "Error submitting follow-up request" in table["message"][0]
    assert "stored as request 1 with the status 'failed to submit" in table["message"][0]


def test_a_lost_answer_is_read_back_and_nothing_asked_twice(skyportal, double, losing):
    losing("POST /api/followup_request")
    table = skyportal.submit_followup(A, 1, ASKED)
    assert table["ok"].tolist() == [True]
    assert table["id"].tolist() == [1]
    assert len(requests(double)) == 1


def test_an_answer_that_never_came_stays_unknown(skyportal, double):
    double.faults["POST"] = html(504, "Gateway Time-out")
    with pytest.raises(WriteError) as caught:
        skyportal.submit_followup([A, B], 1, ASKED)
    assert caught.value.result["ok"].mask.tolist() == [True, True]
    assert len(writes(double)) == 2


def test_update(skyportal, double, losing):
    skyportal.submit_followup(A, 1, ASKED)
    skyportal.update_followup(1, status="completed")
    assert requests(double)[1]["status"] == "completed"
    assert json.loads(double.bodies[-1]) == {"status": "completed"}
    new = {**ASKED, "priority": 5}
    table = skyportal.update_followup(1, payload=new)
    assert table["source_id"].tolist() == [A]
    assert requests(double)[1]["payload"] == new
    losing("PUT")
    table = skyportal.update_followup(1, payload=ASKED)
    assert "read back: it is changed" in table["message"][0]
    with pytest.raises(InvalidQueryError, match="either payload or status"):
        skyportal.update_followup(1)
    with pytest.raises(RemoteServiceError, match="Could not retrieve"):
        skyportal.update_followup(7, payload=ASKED)


def add_run(double, number):
    """Add an observing run beside the first."""
    first = {"id": 1, "instrument_id": 2, "calendar_date": "2026-12-24", "group_id": 3}
    double.state.tables.setdefault("runs", [first]).append({**first, "id": number})


def test_delete(skyportal, double, losing):
    skyportal.submit_followup([A, B], 1, ASKED)
    losing("DELETE")
    table = skyportal.delete_followup([1, 2])
    assert table["ok"].tolist() == [True, True]
    assert "read back: it is not there" in table["message"][0]
    assert requests(double) == {}
    with pytest.raises(WriteError, match="Could not retrieve"):
        skyportal.delete_followup(1)


def test_schedule(skyportal, double):
    with pytest.raises(RemoteServiceError, match="Need at least one observation"):
        skyportal.get_followup_schedule(1)
    skyportal.submit_followup(A, 1, ASKED)
    plan = skyportal.get_followup_schedule("ATLAS", observation_start="2026-05-02")
    assert isinstance(plan, Table)
    assert plan["target"].tolist() == [A]
    assert plan.colnames[:2] == ["request_id", "group_id"]
    assert plan["ra"][0] == pytest.approx(150.1163, abs=1e-12) and plan["ra"].unit == u.deg
    assert plan["dec"][0] == pytest.approx(2.2058, abs=1e-12) and plan["dec"].unit == u.deg
    assert plan["observation_start"][0].isot == "2026-05-02T06:00:00.000"
    assert plan["observation_end"].scale == "utc"
    assert plan["exposure_time"].quantity[0] == 30 * u.s
    assert "observationStartDate=2026-05-02" in double.asked("schedule")[-1]
    assert skyportal.get_followup_schedule(1, output="png").startswith(b"\x89PNG")
    with pytest.raises(InvalidQueryError, match="output='xls'"):
        skyportal.get_followup_schedule(1, output="xls")


@pytest.mark.parametrize("body", [b"a,b\n1\n1,2,3\n", b'"\xff', b"ra,dec\nx,y\n", b"\x00"])
def test_a_damaged_schedule_is_said_to_be_one(skyportal, double, body):
    double.faults["schedule"] = Response(200, body, "text/csv")
    with pytest.raises(TableParseError, match="no schedule"):
        skyportal.get_followup_schedule(1)


def test_a_schedule_of_2023(skyportal, double):
    """In degrees, and with a target."""
    text = "target,start time (UTC),ra,dec\nATLAS24abc,2026-05-02 06:00:00,150.1,2.2\n"
    double.faults["schedule"] = Response(200, text, "text/csv")
    plan = skyportal.get_followup_schedule(1)
    assert plan["target"].tolist() == [A] and plan["ra"].quantity[0] == 150.1 * u.deg
    double.faults["schedule"] = Response(200, "", "text/csv")
    assert len(skyportal.get_followup_schedule(1)) == 0


def test_pages_of_requests(skyportal, double, monkeypatch):
    monkeypatch.setattr("atlasquery.skyportal.reads.followups.PAGE", 4)
    for _ in range(10):
        skyportal.submit_followup(A, 1, ASKED)
    assert skyportal.query_followups()["id"].tolist() == list(range(1, 11))
    with pytest.warns(MaxResultsWarning):
        assert len(skyportal.query_followups(max_rows=7)) == 7


def test_what_a_newer_server_sends_is_kept(skyportal, double):
    skyportal.submit_followup(A, 1, ASKED)
    requests(double)[1].update(priority_order="asc", tags=["x"])
    del requests(double)[1]["comment"]
    found = skyportal.query_followups(source_id=A, cache=False)
    assert found["priority_order"][0] == "asc"
    assert found["tags"][0] == '["x"]'
    assert found["comment"].mask[0]


def test_the_recorded_request_is_read(skyportal, double, samples):
    recorded = samples("followup_get")["body"]["data"]["followup_requests"][0]
    double.state.tables["followups"] = {1: recorded}
    found = skyportal.query_followups(source_id=A)
    assert found["status"][0].startswith("failed to submit: Cannot connect")
    assert found["instrument_id"][0] == 1
    assert found["requester"][0] == "provisioned-admin"
    assert found["created_at"][0].isot == "2026-11-20T17:56:14.961"


def test_assignments(skyportal, double, losing):
    table = skyportal.add_assignment([A, B], 1, priority=5, comment="hi")
    assert table["id"].tolist() == [1, 2]
    found = skyportal.get_assignments(run_id=1, source_id=A)
    assert found["priority"].tolist() == ["5"]
    assert found["comment"].tolist() == ["hi"]
    assert found["status"].tolist() == ["pending"]
    assert found["rise_time"][0].isot == "2026-12-24T10:16:56.513"
    with pytest.raises(WriteError, match="already assigned"):
        skyportal.add_assignment(A, 1)
    skyportal.update_assignment(1, status="complete", priority=1)
    again = skyportal.get_assignments(source_id=A)
    assert (again["status"][0], again["priority"][0]) == ("complete", "1")
    losing("DELETE")
    assert skyportal.delete_assignment(2)["ok"].tolist() == [True]
    with pytest.raises(NotFoundError, match="no observing run 7"):
        skyportal.get_assignments(run_id=7)
    add_run(double, 2)
    with pytest.warns(NoResultsWarning):
        assert len(skyportal.get_assignments(run_id=2)) == 0
    losing("POST")
    assert skyportal.add_assignment(B, 2)["ok"].tolist() == [True]
    losing("PUT")
    assert skyportal.update_assignment(1, comment="new")["ok"].tolist() == [True]


def test_assignments_are_read_by_run(skyportal, double):
    """The list of all is slow on the server, and never asked for."""
    for run in (2, 3, 4):
        add_run(double, run)
    skyportal.add_assignment([A, B], 1)
    skyportal.add_assignment(B, 3)
    double.state.tables["assignments"][3].update(rise_time_utc="", modified="2026-11-21T00:00:00")
    found = skyportal.get_assignments()
    assert found["id"].tolist() == [1, 2, 3]
    assert found["run_id"].tolist() == [1, 1, 3]
    assert found["requester"].tolist() == ["admin"] * 3
    assert found["rise_time"].mask.tolist() == [False, False, True]
    assert found["modified"][2].isot == "2026-11-21T00:00:00.000"
    assert not {"obj", "accessible_group_names"} & set(found.colnames)
    assert double.asked("GET /api/assignment$") == []
    assert len(double.asked("GET /api/observing_run")) == 5
    assert skyportal.get_assignments(source_id=B, cache=True)["id"].tolist() == [2, 3]
    double.faults["observing_run/1"] = Response(200, envelope({"id": 1}))
    with pytest.raises(TableParseError, match="without its targets"):
        skyportal.get_assignments(run_id=1, cache=False)


def test_a_lost_change_of_an_assignment_asks_for_it_alone(skyportal, double, losing):
    skyportal.add_assignment([A, B], 1)
    for verb in ("PUT", "DELETE", "POST"):
        losing(verb)
        double.received.clear()
        if verb == "PUT":
            table = skyportal.update_assignment(1, status="complete")
        elif verb == "DELETE":
            table = skyportal.delete_assignment(1)
        else:
            table = skyportal.add_assignment(A, 1)
        assert table["ok"].tolist() == [True], verb
        assert double.asked("GET /api/assignment$") == []


def test_assignments_that_are_wrong(skyportal, double):
    with pytest.raises(InvalidQueryError, match="priority=6 should be from 1"):
        skyportal.add_assignment(A, 1, priority=6)
    with pytest.raises(InvalidQueryError, match="at least one of"):
        skyportal.update_assignment(1)
    assert writes(double) == []


def test_the_recorded_assignment_is_read(skyportal, double, samples):
    double.state.tables["assignments"] = {1: samples("assignment_list")["body"]["data"][0]}
    found = skyportal.get_assignments()
    assert found["source_id"].tolist() == [A]
    assert found["priority"].tolist() == ["3"]
    assert found["requester"].tolist() == ["provisioned-admin"]
    assert "obj" not in found.colnames


def test_permissions(reader, double):
    with pytest.raises(WriteError, match="does not have the permission") as caught:
        reader.submit_followup(A, 1, ASKED)
    assert isinstance(caught.value.__cause__, LoginError)
    with pytest.warns(InputWarning, match="does not have the permission"):
        table = reader.add_assignment(A, 1, on_error="warn")
    assert table["ok"].tolist() == [False]

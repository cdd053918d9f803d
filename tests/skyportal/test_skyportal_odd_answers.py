"""Answers that no server should give: told rightly, and without what they quote."""

import pytest

from atlasquery.exceptions import (
    IncompleteResultError,
    InvalidQueryError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import PortalError, envelope
from atlasquery.sandbox.skyportal.server import ADMIN
from atlasquery.skyportal import conf

TRACE = "Traceback (most recent call last):\n  File 'handler.py', line 3\nValueError: no such thing"


def source(number):
    return {"id": f"S{number:02d}", "ra": 1.0, "dec": 1.0}


def pages(double, change, *, total=12, size=5):
    """Let the double answer pages of sources, changed by a function of page and number."""
    for number in range(1, 5):
        found = range((number - 1) * size, min(number * size, total))
        page = {"sources": [source(n) for n in found], "totalMatches": total, "queryID": "abc"}
        double.faults[rf"pageNumber={number}(&|$)"] = Response(200, envelope(change(page, number)))


def test_the_name_of_a_search_on_its_first_page_only(skyportal, double):
    pages(double, lambda page, n: page if n == 1 else {**page, "queryID": None})
    with conf.set_temp("page_size", 5):
        assert len(skyportal.query_criteria(max_rows=-1)) == 12
    assert len(double.received) == 3


def test_the_name_of_a_search_that_is_a_number(skyportal, double):
    pages(double, lambda page, n: {**page, "queryID": 17})
    with conf.set_temp("page_size", 5):
        assert len(skyportal.query_criteria(max_rows=-1)) == 12
    assert len(double.asked("queryID=17")) == 2


@pytest.mark.parametrize(
    "page", [{}, {"totalMatches": 12}, {"totalMatches": 12, "sources": None}, {"objects": []}]
)
def test_a_page_without_its_list_is_not_an_empty_one(skyportal, double, page):
    pages(double, lambda _, n: page)
    with pytest.raises(TableParseError, match="no list 'sources'"):
        skyportal.query_criteria()
    assert len(double.received) == 1


def test_a_list_that_is_new_at_each_call_comes_to_an_end(skyportal, double):
    answers = [Response(200, envelope({"rows": [{"id": 1, "age": n}]})) for n in range(9)]
    double.faults["GET /api/x"] = answers
    assert skyportal.request("GET", "x", paginate=True) == [{"id": 1, "age": 0}]
    assert len(double.received) == 2


def test_an_answer_of_several_lists_names_them(skyportal, double):
    double.faults["GET /api/x"] = Response(200, envelope({"a": [], "n": 3, "b": [1]}))
    with pytest.raises(TableParseError, match=r"2 lists \(a, b\)"):
        skyportal.request("GET", "x", paginate=True)


def test_a_time_that_is_none_is_told_with_its_place_and_costs_no_neighbour(skyportal, double):
    good = {"mjd": 60300.0, "filter": "atlaso", "flux": 500.0, "fluxerr": 2.0, "id": 1}
    bad = Response(200, envelope([good | {"created_at": "yesterday"}]))
    double.faults = {"S1/photometry": bad, "S2/photometry": Response(200, envelope([good]))}
    what = "created_at='yesterday' is not an ISO 8601 time"
    with pytest.raises(IncompleteResultError, match=what) as caught:
        skyportal.get_light_curves(["S1", "S2"], cache=True)
    assert list(caught.value.result) == ["S2"]
    name, error = caught.value.failures[0]
    assert (name, error.service, error.status) == ("S1", "SkyPortal", 200)
    assert error.url.startswith(f"{double.url}sources/S1/photometry?")
    # What cannot be shown is not kept either.
    double.faults = {"S1/photometry": Response(200, envelope([good]))}
    assert len(skyportal.get_photometry("S1", cache=True)) == 1


def test_a_time_that_is_none_in_a_page_is_told_with_its_place(skyportal, double):
    pages(double, lambda page, n: {**page, "sources": [source(1) | {"created_at": "soon"}]})
    with pytest.raises(TableParseError, match=r"answered .*created_at='soon'") as caught:
        skyportal.query_criteria()
    assert caught.value.url.startswith(f"{double.url}sources?")


@pytest.mark.parametrize(("refused", "left"), [("pageNumber", "page"), ("page", "pageNumber")])
def test_a_server_that_refuses_a_name_it_does_not_know(skyportal, double, refused, left):
    double.faults[f"galaxy_catalog.*[?&]{refused}="] = PortalError(
        400, f"Unknown query parameter: {refused}"
    )
    galaxy = {"id": 1, "name": "NGC 1", "ra": 1.0, "dec": 1.0}
    double.faults["galaxy_catalog"] = Response(
        200, envelope({"galaxies": [galaxy], "totalMatches": 1})
    )
    assert len(skyportal.query_galaxies()) == 1
    assert len(double.received) == 2
    assert f"{left}=1" in double.received[1]
    assert f"{refused}=" not in double.received[1]


def test_a_refusal_of_something_else_is_no_reason_to_ask_again(skyportal, double):
    double.faults["galaxy_catalog"] = PortalError(400, "Invalid catalog_name")
    with pytest.raises(RemoteServiceError, match="Invalid catalog_name"):
        skyportal.query_galaxies()
    assert len(double.received) == 1


def test_an_error_in_the_envelope_of_a_success(skyportal, double):
    answered = {"status": "error", "message": f"{TRACE} for {ADMIN}", "data": {}}
    double.faults["GET /api/"] = Response(200, answered)
    for call in (
        lambda: skyportal.query_criteria(),
        lambda: skyportal.request("GET", "sources"),
        lambda: skyportal.request("GET", "internal/other"),
    ):
        with pytest.raises(
            RemoteServiceError, match=r"status 200\): ValueError: no such"
        ) as caught:
            call()
        error = caught.value
        assert (error.status, "/api/" in error.url) == (200, True)
        assert "handler.py" not in str(error)
        assert ADMIN not in f"{error!r} {error.reason} {error.__cause__!r} {error.__context__!r}"


def test_a_page_that_quotes_the_token(skyportal, double):
    double.faults["GET /api/"] = Response(200, f"<html><title>{ADMIN}</title>", "text/html")
    for call in (skyportal.query_criteria, lambda: skyportal.request("GET", "sources")):
        with pytest.raises(RemoteServiceError) as caught:
            call()
        assert ADMIN not in f"{caught.value} {caught.value.reason}"


def test_an_allocation_that_cannot_be_read_is_not_quoted(skyportal, double):
    kept = "the password at the telescope"
    row = {"id": None, "altdata": {"password": kept}}
    double.faults["GET /api/allocation"] = Response(200, envelope([row]))
    with pytest.raises(TableParseError, match=r"has no id.*may hold credentials") as caught:
        skyportal.list_allocations()
    error, texts = caught.value, []
    while error is not None:
        texts.append(f"{error} {getattr(error, 'reason', '')}")
        error = error.__cause__ or error.__context__
    assert kept not in " ".join(texts)


def test_json_with_a_status_of_its_own_is_returned(skyportal, double):
    answered = {"status": "completed", "rows": 1}
    double.faults["GET /api/x"] = Response(200, answered)
    assert skyportal.request("GET", "x") == answered


@pytest.mark.parametrize(
    "path",
    [
        "api/api/internal/profile",
        "internal/profile /",
        "/api/ internal/profile",
        "x/internal/token",
    ],
)
def test_the_profile_is_not_asked_for_below_another_path(skyportal, double, path):
    with pytest.raises(InvalidQueryError, match="all your tokens"):
        skyportal.request("GET", path)
    assert not double.received


def test_groups_that_are_no_list(skyportal, double):
    double.state.add_source("A", 1.0, 1.0)
    double.state.extra = {"groups": 5}
    assert skyportal.get_source("A")["group_ids"].mask.all()

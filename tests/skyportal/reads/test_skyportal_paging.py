"""Pages of a list that changes while it is read: none lost, none twice, cut with a warning."""

import numpy as np
import pytest

from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    MaxResultsWarning,
    NoResultsWarning,
    RemoteServiceError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import PortalError, envelope
from atlasquery.skyportal import conf

N = 2000


@pytest.fixture
def many(double):
    for n in range(N):
        double.state.add_source(f"S{n:04d}", n * 0.17 % 360, n * 0.04 - 40)
    return double


def insert_at_each_page(double):
    """Let somebody save a new source before each page is served."""
    inserted = []

    def insert():
        inserted.append(f"NEW{len(inserted):03d}")
        double.state.add_source(inserted[-1], 1.0, 1.0)

    double.hooks = [("GET /api/sources", insert)]
    return inserted


def test_2000_sources_with_an_insert_between_pages(skyportal, many):
    inserted = insert_at_each_page(many)
    found = skyportal.query_criteria(max_rows=-1)
    names = found["id"].tolist()
    assert len(inserted) == len(many.received) == 5
    # The first was there when the list was begun, and fills a fifth page.
    assert set(names) == {f"S{n:04d}" for n in range(N)} | {"NEW000"}
    assert len(names) == len(set(names)) == N + 1


def test_the_server_itself_repeats_and_loses_without_a_query_id(skyportal, many):
    # What the queryID guards against: the list as other clients read it.
    insert_at_each_page(many)
    names = []
    for number in range(1, 5):
        page = skyportal.request(
            "GET", "sources", numPerPage=500, pageNumber=number, removeNested=True
        )
        names += [one["id"] for one in page["sources"]]
    assert len(set(names)) < len(names) == N
    assert not {f"S{n:04d}" for n in range(N)} <= set(names)


def test_the_generic_call_pages_as_safely(skyportal, many):
    insert_at_each_page(many)
    found = skyportal.request("GET", "sources", paginate=True, removeNested=True)
    names = [one["id"] for one in found]
    assert {f"S{n:04d}" for n in range(N)} <= set(names)
    assert len(names) == len(set(names))


def test_a_query_that_the_server_forgot_and_found_again(skyportal, many):
    many.hooks = [("pageNumber=[23]", many.state.queries.clear)]
    names = skyportal.query_criteria(max_rows=-1)["id"].tolist()
    # Its name is a digest of the list: the same name, the same list, and nothing to begin again.
    assert sorted(names) == [f"S{n:04d}" for n in range(N)]
    assert len(many.received) == 4


def test_a_query_that_the_server_forgot_is_begun_anew(skyportal, many):
    done = []

    def forget():
        # The server keeps a list for some minutes; here it forgets it, and gets a new source.
        if not done:
            done.append(1)
            many.state.queries.clear()
            many.state.add_source("NEW", 1.0, 1.0)

    many.hooks = [("pageNumber=2", forget)]
    names = skyportal.query_criteria(max_rows=-1)["id"].tolist()
    assert len(set(names)) == len(names) == N + 1
    assert "NEW" in names


def test_a_server_without_query_ids(skyportal, many):
    many.state.keeps_queries = False
    deleted = []

    def delete():
        if not deleted:
            deleted.append(many.state.saved.pop("S1999"))

    many.hooks = [("pageNumber=2", delete)]
    names = skyportal.query_criteria(max_rows=-1)["id"].tolist()
    assert sorted(names) == [f"S{n:04d}" for n in range(N - 1)]


def test_a_server_without_query_ids_that_gets_more(skyportal, many):
    many.state.keeps_queries = False
    saved = []

    def save():
        if not saved:
            saved.append(many.state.add_source("NEW", 1.0, 1.0))

    many.hooks = [("pageNumber=3", save)]
    names = skyportal.query_criteria(max_rows=-1)["id"].tolist()
    assert len(set(names)) == len(names) == N + 1


def test_a_list_that_never_rests_is_told(skyportal, many):
    many.state.keeps_queries = False
    insert_at_each_page(many)
    with pytest.warns(InputWarning, match="changed while it was read, 3 times"):
        found = skyportal.query_criteria(max_rows=-1)
    assert len(set(found["id"].tolist())) == len(found) >= N


def test_pages_that_the_server_cuts_without_a_word(skyportal, many):
    # Cut silently at 500: see docs/servers/skyportal.rst, "Pages".
    with conf.set_temp("page_size", 1000):
        found = skyportal.query_criteria(max_rows=-1)
    assert len(found) == N
    assert len(many.received) == 4
    assert "numPerPage=1000" in many.received[0]


@pytest.mark.parametrize(("limit", "pages"), [(10, 1), (500, 1), (501, 2), (1999, 4)])
def test_a_result_that_is_cut_warns(skyportal, many, limit, pages):
    with pytest.warns(MaxResultsWarning, match=f"2000, than the {limit} that were requested"):
        found = skyportal.query_criteria(max_rows=limit)
    assert len(found) == limit
    # The newest saved come first, so that it is always the same ones.
    assert found["id"][0] == "S1999" and found["id"][-1] == f"S{N - limit:04d}"
    assert len(many.received) == pages


def test_a_result_that_is_just_not_cut_does_not(skyportal, many):
    assert len(skyportal.query_criteria(max_rows=N)) == N
    assert len(skyportal.query_criteria(source_id="S000", max_rows=10, cache=False)) == 10


@pytest.mark.parametrize("limit", [0, -2, 1.5, True, "all"])
def test_max_rows_that_is_none(skyportal, double, limit):
    with pytest.raises(InvalidQueryError, match="max_rows="):
        skyportal.query_criteria(max_rows=limit)
    assert double.received == []


def test_past_the_end_in_its_two_forms(skyportal, double):
    for n in range(60):
        double.state.add_source(f"S{n}", n, 0.0)
        double.state.add_candidate(f"C{n}", n, 1.0)
    # An empty list for sources, a 400 for candidates: see docs/servers/skyportal.rst, "Pages".
    assert skyportal.request("GET", "sources", pageNumber=50)["sources"] == []
    with pytest.raises(RemoteServiceError, match="out of range"):
        skyportal.request("GET", "candidates", pageNumber=50)
    gone = []

    def shrink():
        if not gone:
            gone.append(1)
            for n in range(40):
                del double.state.saved[f"S{n}"], double.state.passed[f"C{n}"]
            double.state.queries.clear()

    double.hooks = [("pageNumber=2", shrink)]
    with conf.set_temp("page_size", 25):
        sources = skyportal.query_criteria(max_rows=-1)
        gone.clear()
        for n in range(40):
            double.state.save(f"S{n}")
            double.state.add_candidate(f"C{n}", n, 1.0)
        candidates = skyportal.query_candidates(max_rows=-1)
    assert sorted(sources["id"]) == sorted(f"S{n}" for n in range(40, 60))
    assert sorted(candidates["id"]) == sorted(f"C{n}" for n in range(40, 60))


def test_a_first_page_past_the_end_is_an_empty_list(skyportal, double):
    double.faults = {"candidates": PortalError(400, "Page number out of range.")}
    with pytest.warns(NoResultsWarning):
        assert len(skyportal.query_candidates()) == 0


def test_another_400_is_an_error(skyportal, double):
    double.faults = {"candidates": PortalError(400, "Invalid group")}
    with pytest.raises(RemoteServiceError, match="Invalid group"):
        skyportal.query_candidates()


def test_a_page_that_fails_costs_no_rows_in_silence(skyportal, many):
    many.faults = {"pageNumber=3": PortalError(500, "no such page")}
    with pytest.raises(RemoteServiceError, match="no such page"):
        skyportal.query_criteria(max_rows=-1)


def test_stored_pages_are_used_again(skyportal, many):
    first = skyportal.query_criteria(max_rows=-1, cache=True)
    again = skyportal.query_criteria(max_rows=-1, cache=True)
    assert len(many.received) == 4
    assert np.array_equal(first["id"], again["id"])


def test_a_server_without_totals(skyportal, double):
    def page(first, last):
        rows = [{"id": f"S{n}", "ra": 1.0, "dec": 2.0} for n in range(first, last)]
        return Response(200, envelope({"sources": rows}))

    double.faults = {"sources": [page(0, 500), page(500, 1000), page(1000, 1003)]}
    found = skyportal.query_criteria(max_rows=-1)
    assert len(set(found["id"].tolist())) == len(found) == 1003

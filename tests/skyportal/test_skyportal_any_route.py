"""The generic call: any route, its pages, its bytes, and what it refuses."""

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time

from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import envelope


def test_data_of_the_envelope(skyportal, double):
    double.faults = {"enum_types": Response(200, envelope({"ALLOWED": ["a", "b"]}))}
    assert skyportal.request("GET", "/api/enum_types/") == {"ALLOWED": ["a", "b"]}
    assert skyportal.request("get", "enum_types") == {"ALLOWED": ["a", "b"]}


def test_an_answer_is_stored_but_not_an_internal_one(skyportal, double):
    for path, times in (("streams", 1), ("internal/recent_sources", 2)):
        double.faults = {path: Response(200, envelope([path]))}
        for _ in range(2):
            assert skyportal.request("GET", path, cache=True) == [path]
        assert len(double.asked(path)) == times


def test_params_are_in_the_servers_words(skyportal, double):
    double.faults = {"things": Response(200, envelope(None))}
    assert (
        skyportal.request(
            "GET",
            "things",
            group_ids=np.array([3, 4]),
            useCache=True,
            radius=3.6 * u.arcsec,
            startDate=Time(60310.5, format="mjd"),
            nothing=None,
        )
        is None
    )
    assert double.received == [
        "GET /api/things?group_ids=3%2C4&useCache=true&radius=0.001"
        "&startDate=2024-01-01T12%3A00%3A00.000"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("a", float("nan")), ("a", []), ("a", ["x,y"]), ("a", object()), ("a", 3 * u.m)],
)
def test_params_without_words_are_refused(skyportal, double, name, value):
    with pytest.raises(InvalidQueryError, match="a="):
        skyportal.request("GET", "things", **{name: value})
    assert double.received == []


@pytest.mark.parametrize("path", ["", "/", "a b?c=1", "a#b", "http://evil.example/x%00", None])
def test_a_path_that_is_none(skyportal, double, path):
    with pytest.raises(InvalidQueryError, match="path="):
        skyportal.request("GET", path)
    with pytest.raises(InvalidQueryError, match="method="):
        skyportal.request("FETCH", "sources")
    assert double.received == []


def test_bytes_stay_bytes(skyportal, double):
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    double.faults = {"unsourced_finder": Response(200, picture, "image/png")}
    assert skyportal.request("GET", "unsourced_finder", ra=10.0) == picture


def test_json_without_an_envelope(skyportal, double):
    double.faults = {"things": Response(200, {"a": 1})}
    assert skyportal.request("GET", "things") == {"a": 1}


def test_json_of_a_get_and_of_a_write(skyportal, double):
    double.faults = {"range|things": Response(200, envelope([1]))}
    assert skyportal.request("GET", "photometry/range", json={"instrument_ids": np.arange(2)}) == [
        1
    ]
    assert double.bodies[-1] == b'{"instrument_ids": [0, 1]}'
    assert skyportal.request("PATCH", "things/1", json={"a": None}, x=1) == [1]
    assert (double.received[-1], double.bodies[-1]) == ("PATCH /api/things/1?x=1", b'{"a": null}')
    with pytest.raises(InvalidQueryError, match="has a unit"):
        skyportal.request("POST", "things", json={"a": 3 * u.mag})


def test_all_pages_of_a_list(skyportal, double):
    for n in range(1203):
        double.state.add_source(f"S{n:04d}", n * 0.2, 0.0)
    found = skyportal.request("GET", "sources", paginate=True, removeNested=True)
    assert sorted(one["id"] for one in found) == [f"S{n:04d}" for n in range(1203)]
    assert found[0]["id"] == "S1202" and "groups" not in found[0]
    assert len(double.received) == 3
    assert all("queryID" in target for target in double.received[1:])


def test_all_pages_of_a_list_that_nobody_counts(skyportal, double):
    pages = [[{"id": n} for n in range(a, a + 500)] for a in (0, 500)] + [[{"id": 1000}]]
    double.faults = {"gcn_things": [Response(200, envelope({"events": page})) for page in pages]}
    found = skyportal.request("GET", "gcn_things", paginate=True)
    assert [one["id"] for one in found] == list(range(1001))
    assert [t.rpartition("=")[2] for t in double.received] == ["1", "2", "3"]


def test_pages_of_items_without_names(skyportal, double):
    pages = [["a"] * 500, ["b"] * 500, ["c"]]
    double.faults = {"things": [Response(200, envelope({"rows": page})) for page in pages]}
    assert skyportal.request("GET", "things", paginate=True) == [*pages[0], *pages[1], "c"]


def test_a_list_that_has_no_pages(skyportal, double):
    double.faults = {"streams": Response(200, envelope([{"id": 1}, {"id": 2}]))}
    assert len(skyportal.request("GET", "streams", paginate=True)) == 2
    # A server that does not know what a page is sends the same again.
    for items in ([{"id": 1}, {"id": 2}], ["a", "b"]):
        double.faults = {"odd": Response(200, envelope({"rows": items, "totalMatches": "many"}))}
        assert skyportal.request("GET", "odd", paginate=True, cache=False) == items


def test_the_page_of_galaxies_is_called_otherwise(skyportal, double):
    galaxies = {"galaxies": [{"id": 1}], "totalMatches": 1}
    double.faults = {"galaxy_catalog": Response(200, envelope(galaxies))}
    assert skyportal.request("GET", "galaxy_catalog", paginate=True) == [{"id": 1}]
    assert double.received == ["GET /api/galaxy_catalog?numPerPage=500&page=1&pageNumber=1"]
    # It says again what order was asked for, which is no news.
    double.faults = {"galaxy_catalog": Response(200, envelope(galaxies | {"sortBy": "name"}))}
    assert len(skyportal.request("GET", "galaxy_catalog", paginate=True, sortBy="name")) == 1


def test_what_has_no_list_is_not_paged(skyportal, double):
    double.faults = {"sysinfo": Response(200, envelope({"a": [], "b": []}))}
    with pytest.raises(Exception, match="leave out paginate"):
        skyportal.request("GET", "sysinfo", paginate=True)
    with pytest.raises(InvalidQueryError, match="paginate"):
        skyportal.request("POST", "sources", paginate=True)


def test_an_object_with_a_list_is_no_page(skyportal, double):
    """The list alone would be all that is left of it."""
    spectra = {"obj_id": "S1", "spectra": [{"id": 1}], "note": None}
    double.faults = {"spectra": Response(200, envelope(spectra))}
    with pytest.raises(TableParseError, match="has obj_id beside the list 'spectra', and no page"):
        skyportal.request("GET", "sources/S1/spectra", paginate=True)
    assert skyportal.request("GET", "sources/S1/spectra") == spectra


def test_what_stands_beside_the_items_of_pages_is_told(skyportal, double):
    def page(n):
        found = {"observations": [{"id": 2 * n}, {"id": 2 * n + 1}], "totalMatches": 4}
        return Response(200, envelope(found | {"probability": 0.9, "area": None}))

    double.faults = {"observation": [page(0), page(1)]}
    with pytest.warns(
        InputWarning, match=r"items alone .* each page has: probability\. Leave"
    ) as caught:
        items = skyportal.request("GET", "observation", paginate=True)
    assert [item["id"] for item in items] == [0, 1, 2, 3]
    assert len(caught) == 1 and caught[0].filename == __file__


def test_a_get_is_repeated_and_a_write_is_not(skyportal, double):
    broken = Response(502, "<title>Bad Gateway</title>", "text/html")
    double.faults = {"GET": [broken, broken], "PUT": [broken]}
    assert skyportal.request("GET", "sysinfo", cache=False)
    assert len(double.received) == 3
    with pytest.raises(RemoteServiceError, match="Bad Gateway"):
        skyportal.request("PUT", "sources/S1", json={})
    assert len(double.asked("^PUT")) == 1

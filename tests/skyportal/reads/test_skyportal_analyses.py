"""Analyses: services, how far they are, results, plots."""

import json

import astropy.units as u
import pytest
from astropy.time import Time

from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    TableParseError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.events import SALT, add_analysis, png
from atlasquery.skyportal.reads.files import decode_picture

SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.fixture
def fits_of(double):
    """Three analyses of two objects, of which one name is a part of the other."""
    return [
        add_analysis(
            double.state,
            "ATLAS24abc",
            data={"results": {"z": 0.031, "x1": [1, 2]}, "plots": [png(), SVG], "corner": True},
        ),
        add_analysis(double.state, "ATLAS24abcd", status="failure", analysis_service_id=2),
        add_analysis(
            double.state, "ATLAS24abc", status="pending", duration=None, last_activity=None
        ),
    ]


def test_services(skyportal, double):
    found = skyportal.list_analysis_services()
    assert found["service_id"].tolist() == [1] and found["display_name"].tolist() == ["SALT"]
    assert found["input_data_types"].tolist() == ["photometry, redshift"]
    assert json.loads(found["parameters"][0]) == {"source": ["salt2", "salt3"]}
    assert found["timeout"].unit == u.s and found["upload_only"].tolist() == [False]
    # What the service is called with is nobody's business.
    assert "a-secret-of-the-service" not in "".join(found.pformat(-1, -1)) + str(found.meta)
    double.state.tables["services"] = [{**SALT, "new": 1, "authinfo": None}]
    double.state.without = {"timeout"}
    again = skyportal.list_analysis_services()
    assert again["new"].tolist() == [1] and again["timeout"].mask.all()
    assert "authinfo" not in again.colnames


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("get_analysis_service", "list_analysis_services"),
        ("get_obj_analysis", "list_analyses"),
    ],
)
def test_recorded(skyportal, double, samples, name, method):
    double.faults[""] = Response(200, json.dumps(samples(name)["body"]))
    with pytest.warns(NoResultsWarning):
        found = getattr(skyportal, method)()
    assert len(found) == 0 and isinstance(found["created_at"], Time)


def test_analyses(skyportal, double, fits_of):
    found = skyportal.list_analyses()
    assert found["analysis_id"].tolist() == fits_of
    assert found["status"].tolist() == ["completed", "failure", "pending"]
    assert found["service"].tolist() == ["SALT"] * 3
    assert found["duration"].unit == u.s and found["duration"].mask.tolist() == [0, 0, 1]
    assert found["last_activity"].mask.tolist() == [False, False, True]
    assert json.loads(found["parameters"][0]) == {"source": "salt2"}
    # It lets its holder write in the name of who began the analysis.
    assert "lets-the-service" not in "".join(found.pformat(-1, -1))
    assert "token" not in found.colnames


def test_analyses_of_one_object(skyportal, double, fits_of):
    # The server takes a part of a name.
    found = skyportal.list_analyses("ATLAS24abc")
    assert found["analysis_id"].tolist() == [fits_of[0], fits_of[2]]
    assert "objID=ATLAS24abc" in double.asked()[0]
    assert skyportal.list_analyses(service_id=2)["analysis_id"].tolist() == [fits_of[1]]
    assert skyportal.list_analyses("ATLAS24abc").meta["source_id"] == "ATLAS24abc"
    with pytest.warns(NoResultsWarning, match="no such analysis"):
        assert len(skyportal.list_analyses("ATLAS24ab")) == 0
    with pytest.raises(InvalidQueryError, match="not an id"):
        skyportal.list_analyses("a/b")
    with pytest.raises(InvalidQueryError, match="service_id=0"):
        skyportal.list_analyses(service_id=0)


def test_one_analysis(skyportal, double, fits_of):
    found = skyportal.get_analysis(str(fits_of[0]))
    assert len(found) == 1 and found["n_plots"].tolist() == [2]
    assert found["source_id"].tolist() == ["ATLAS24abc"]
    for wrong in (0, -1, 1.0, "seven", True, None):
        with pytest.raises(InvalidQueryError, match="analysis_id="):
            skyportal.get_analysis(wrong)
    # "Cannot access this Analysis", 403, is what the server says of one that is not there.
    with pytest.raises(NotFoundError, match="analysis 99, or none that this account may see"):
        skyportal.get_analysis(99)


@pytest.mark.parametrize(
    "sent", [{"z": 0.031, "x1": [1, 2]}, json.dumps({"z": 0.031, "x1": [1, 2]})]
)
def test_results(skyportal, double, sent):
    number = add_analysis(double.state, "ATLAS24abc", data={"results": sent})
    assert skyportal.get_analysis_results(number) == {"z": 0.031, "x1": [1, 2]}


def test_results_with_what_python_writes(skyportal, double):
    number = add_analysis(double.state, "ATLAS24abc", data={"results": '{"z": NaN}'})
    assert str(skyportal.get_analysis_results(number)) == "{'z': nan}"
    for wrong in ("not json", "[1]", 7):
        other = add_analysis(double.state, "ATLAS24abc", data={"results": wrong})
        with pytest.raises(TableParseError, match="results"):
            skyportal.get_analysis_results(other)


def test_plots(skyportal, double, fits_of, tmp_path):
    plot = skyportal.get_analysis_plot(fits_of[0])
    assert plot.data == png() and repr(plot).startswith("<Picture Plot 0 of analysis 1: png")
    # Whatever the server calls it, it is what it is.
    drawing = skyportal.get_analysis_plot(fits_of[0], 1)
    assert drawing.kind == "svg"
    assert drawing._repr_mimebundle_()["image/svg+xml"] == SVG.decode()
    assert drawing.save(tmp_path / "drawing").suffix == ".svg"
    double.state.draws_corners = True
    corner = skyportal.get_analysis_corner(fits_of[0])
    assert corner.kind == "png" and corner.meta["analysis_id"] == 1
    assert double.asked("GET /api/obj/analysis/1/corner$")


def test_products_that_are_not_there(skyportal, double, fits_of):
    with pytest.raises(NotFoundError, match=r"plot 2 of analysis 1.*There is/are 2 plot"):
        skyportal.get_analysis_plot(fits_of[0], 2)
    with pytest.raises(NotFoundError, match=r"1\.4 no longer has them .*get_analysis_plot") as gone:
        skyportal.get_analysis_corner(fits_of[2])
    assert gone.value.status == 404 and gone.value.__cause__ is None
    double.state.draws_corners = True
    with pytest.raises(NotFoundError, match="No inference data"):
        skyportal.get_analysis_corner(fits_of[2])
    with pytest.raises(NotFoundError, match="No results data"):
        skyportal.get_analysis_results(fits_of[2])
    with pytest.raises(NotFoundError, match="Cannot access this Analysis"):
        skyportal.get_analysis_plot(99)
    with pytest.raises(InvalidQueryError, match="plot=-1"):
        skyportal.get_analysis_plot(1, -1)


def test_pictures_by_how_they_begin():
    assert decode_picture(b"%PDF-1.7")[1] == "pdf"
    assert decode_picture(b"\xff\xd8\xff\xe0")[1] == "jpeg"
    assert decode_picture(b"<svg xmlns='x'/>")[1] == "svg"
    with pytest.raises(TableParseError, match="GIF89a"):
        decode_picture(b"GIF89a")


def test_what_opens_something_else_is_not_stored(skyportal, double, fits_of):
    skyportal.list_analysis_services()
    skyportal.list_analyses()
    skyportal.get_analysis(fits_of[0])
    skyportal.request("GET", "analysis_service")
    skyportal.request("GET", "obj/analysis", paginate=True)
    skyportal.start_analysis("ATLAS24abc", "salt", dry_run=True)
    skyportal.get_analysis_results(fits_of[0])
    skyportal.get_analysis_results(fits_of[0])
    # What came out of it is stored.
    assert len(double.asked("results")) == 1
    stored = [p.read_bytes() for p in skyportal.cache_location.rglob("*") if p.is_file()]
    assert stored
    for secret in (b"a-secret-of-the-service", b"lets-the-service"):
        assert not any(secret in one for one in stored)

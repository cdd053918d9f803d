"""Analyses of sources: services, results and plots."""

import math

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from skyportal_events import PNG, add_analysis
from skyportal_server import Answer

from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.skyportal import Picture


@pytest.fixture
def sky(double):
    for name in ("ATLAS24abc", "ATLAS24abcd"):
        double.sky.add_source(name, 150.0, 2.0)
    return double.sky


def stored(client):
    return b"".join(p.read_bytes() for p in client.cache_location.rglob("*") if p.is_file())


def test_services(skyportal, double, samples):
    table = skyportal.list_analysis_services()
    assert table["id"].tolist() == [1]
    assert table["id"].dtype == np.int64
    assert table["input_data_types"].tolist() == ["photometry, redshift"]
    assert table["parameters"][0] == '{"source": ["salt2", "salt3"]}'
    assert table["timeout"].unit == u.s
    assert isinstance(table["created_at"], Time)
    double.faults = {"analysis_service": Answer(200, samples("get_analysis_service")["body"])}
    with pytest.warns(NoResultsWarning, match="no analysis services"):
        empty = skyportal.list_analysis_services()
    assert empty.colnames == table.colnames


def test_credentials_of_services_are_neither_shown_nor_stored(skyportal, double, sky):
    secret = "secret-of-a-service"
    double.sky.tables["services"] = [
        {"id": 2, "name": "secretive", "_authinfo": {"api_key": secret}, "authinfo": secret}
    ]
    add_analysis(sky, "ATLAS24abc")
    tables = [
        skyportal.list_analysis_services(),
        skyportal.list_analyses(service=1),
        skyportal.get_analysis(1),
        skyportal.start_analysis("ATLAS24abc", "secretive", dry_run=True),
    ]
    for table in tables:
        text = repr(table.columns) + "".join(str(value) for row in table for value in row)
        assert secret not in text
        assert "key-of-a-service" not in text
        assert "token" not in table.colnames
    kept = stored(skyportal)
    assert secret.encode() not in kept
    assert b"key-of-a-service" not in kept


def test_analyses_of_a_source_and_not_of_its_namesake(skyportal, sky, double, samples):
    add_analysis(sky, "ATLAS24abc")
    add_analysis(sky, "ATLAS24abcd", status="failure")
    add_analysis(sky, "ATLAS24abc", analysis_service_id=2, duration=None, a_new_key=[1])
    table = skyportal.list_analyses("ATLAS24abc")
    assert table["id"].tolist() == [1, 3]
    assert table["source_id"].tolist() == ["ATLAS24abc"] * 2
    assert table["duration"].unit == u.s
    assert table["duration"].mask.tolist() == [False, True]
    assert table["parameters"][0] == '{"source": "salt2"}'
    assert table["a_new_key"].tolist() == [None, "[1]"]
    assert table["groups"][0] == "ATLAS transients"
    assert skyportal.list_analyses(service="salt")["id"].tolist() == [1, 2]
    assert skyportal.list_analyses(status="failure")["id"].tolist() == [2]
    with pytest.warns(NoResultsWarning, match="no such analyses"):
        assert len(skyportal.list_analyses("ATLAS24abcd", status="queued")) == 0
    with pytest.raises(NotFoundError, match="source NOPE"):
        skyportal.list_analyses("NOPE")
    double.faults = {"obj/analysis": Answer(200, samples("get_obj_analysis")["body"])}
    with pytest.warns(NoResultsWarning):
        empty = skyportal.list_analyses()
    assert set(empty.colnames) == set(table.colnames) - {"a_new_key"}


def test_one_analysis(skyportal, sky, double):
    add_analysis(sky, "ATLAS24abc", num_plots=2)
    table = skyportal.get_analysis("1")
    assert table["n_plots"].tolist() == [2]
    assert table["last_activity"].scale == "utc"
    with pytest.raises(NotFoundError, match="analysis 7"):
        skyportal.get_analysis(7)
    for number in (0, "x", 1.5, True):
        with pytest.raises(InvalidQueryError, match="analysis_id"):
            skyportal.get_analysis(number)
    double.faults = {r"analysis/9": Answer(200, {"status": "success", "data": {"id": 1}})}
    with pytest.raises(TableParseError, match="when asked for 9"):
        skyportal.get_analysis(9)


def test_results(skyportal, sky):
    add_analysis(sky, "ATLAS24abc", products={"results": {"t0": 60310.2, "list": [1, 2]}})
    add_analysis(sky, "ATLAS24abc", products={"results": '{"chi2": NaN, "z": 0.03}'})
    add_analysis(sky, "ATLAS24abc", products={"results": "in words"})
    add_analysis(sky, "ATLAS24abc")
    assert skyportal.get_analysis_results(1) == {"t0": 60310.2, "list": [1, 2]}
    found = skyportal.get_analysis_results(2)
    assert math.isnan(found["chi2"])
    assert found["z"] == 0.03
    assert skyportal.get_analysis_results(3) == "in words"
    with pytest.raises(NotFoundError, match="No results data found"):
        skyportal.get_analysis_results(4)
    with pytest.raises(NotFoundError, match="Cannot access"):
        skyportal.get_analysis_results(5)


def test_plots(skyportal, sky, double):
    second = PNG + b"2"
    add_analysis(
        sky, "ATLAS24abc", num_plots=2, products={"plots": [PNG, second], "corner": PNG}
    )  # fmt: skip
    add_analysis(sky, "ATLAS24abc", num_plots=0)
    add_analysis(sky, "ATLAS24abc", num_plots=None)
    plots = skyportal.get_analysis_plots(1)
    assert [plot.data for plot in plots] == [PNG, second]
    assert all(isinstance(plot, Picture) and plot.kind == "png" for plot in plots)
    assert "plot 1 of analysis 1" in repr(plots[1])
    corner = skyportal.get_analysis_corner(1)
    assert corner.data == PNG
    asked = len(double.received)
    assert skyportal.get_analysis_corner(1) == corner
    assert len(double.received) == asked
    with pytest.warns(NoResultsWarning, match="no plots"):
        assert skyportal.get_analysis_plots(2) == []
    with pytest.raises(TableParseError, match="how many plots"):
        skyportal.get_analysis_plots(3)
    with pytest.raises(NotFoundError, match="No corner data"):
        skyportal.get_analysis_corner(2)
    double.faults = {"corner": Answer(200, {"status": "error", "message": "no samples"})}
    with pytest.raises(RemoteServiceError, match="no samples"):
        skyportal.get_analysis_corner(1, cache=False)

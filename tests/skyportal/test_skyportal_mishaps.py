"""Odd arguments, odd responses, and mishaps that follow one another: nothing is claimed wrongly."""

import json

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from light_curves import NAN, light_curve, random_curve
from lost_answers import Losing

from atlasquery.exceptions import InputWarning, InvalidQueryError, WriteError
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import PortalError
from atlasquery.skyportal.uploads.rows import prepare_rows

A, B = "ATLAS24abc", "ATLAS24abd"
HERE = SkyCoord(150.1163, 2.2058, unit="deg")


@pytest.fixture(autouse=True)
def _sources(double):
    original = double._routed
    double.state.add_source(A, 150.1163, 2.2058)
    double.state.add_source(B, 10.0, -20.0)
    yield
    double._routed = original


def answered(data):
    """Return a response of the server with such data."""
    return Response(200, json.dumps({"status": "success", "data": data}).encode())


def writes(double):
    return double.asked(r"^(POST|PUT|PATCH|DELETE) ")


def test_an_upload_that_was_stored_is_not_called_unsent_when_the_update_cannot_be_sent(
    skyportal, double
):
    Losing(double, "POST /api/photometry")
    double.faults["PUT /api/photometry"] = PortalError(401, "Unauthorized")
    with pytest.raises(WriteError, match="Unauthorized") as caught:
        skyportal.upload_photometry(random_curve(4), A, "ATLAS")
    assert len(double.state.points) == 4
    table = caught.value.result
    assert table["ok"].mask.all()
    assert "response lost" in table["message"][0]
    assert writes(double) == ["POST /api/photometry", "PUT /api/photometry"]


@pytest.mark.parametrize("answer", [{"ids": [None, None]}, {"ids": ["a", "b"]}, {"ids": 2}])
def test_numbers_of_points_that_are_none_are_read_back(skyportal, double, answer):
    original = double._routed

    def routed(method, target, key, body):
        data = original(method, target, key, body)
        return answered(answer) if method == "POST" else data

    double._routed = routed
    table = skyportal.upload_photometry(random_curve(2), A, "ATLAS")
    assert table["ok"].tolist() == [True, True]
    assert sorted(table["id"].tolist()) == sorted(double.state.points)


def test_odd_photometry_does_not_lose_what_became_of_an_upload(skyportal, double):
    lc = random_curve(4)
    skyportal.upload_photometry(lc[:2], A, "ATLAS")
    original = double._routed

    def routed(method, target, key, body):
        data = original(method, target, key, body)
        return answered([None]) if method == "GET" and "photometry" in target else data

    double._routed = routed
    table = skyportal.upload_photometry(lc, A, "ATLAS")
    assert table["ok"].all()
    assert table["new"].mask.all()


def test_an_odd_answer_about_a_refusal_does_not_lose_the_others(skyportal, double):
    skyportal.add_annotation(A, "host", {"z": 0.1})
    original = double._routed

    def routed(method, target, key, body):
        data = original(method, target, key, body)
        odd = [{"created_at": "soon", "origin": "host"}]
        return answered(odd) if method == "GET" and "annotations" in target else data

    double._routed = routed
    with pytest.raises(WriteError) as caught:
        skyportal.add_annotation([B, A], "host", {"z": 0.1})
    assert caught.value.result["ok"].tolist() == [True, False]
    assert "already posted" in caught.value.result["message"][1]


def test_a_saved_source_whose_position_cannot_be_read_is_saved(skyportal, double):
    double.faults[f"GET /api/sources/{A}"] = PortalError(401, "Unauthorized")
    table = skyportal.save_source(A, HERE, groups=3)
    assert table["ok"].tolist() == [True]
    assert "is not known (" in table["message"][0]


@pytest.mark.parametrize("sigma", [0, -3, NAN, np.inf, "x", None, [3, 5]])
def test_the_sigma_of_limits_is_checked(skyportal, double, sigma):
    lc = light_curve([60000.0], "o", limit=[19.0], limit_sigma=sigma)
    with pytest.raises(InvalidQueryError, match="limit_sigma"):
        skyportal.upload_photometry(lc, A, "ATLAS")
    assert writes(double) == []
    # Where no limit is sent it does not matter.
    lc = light_curve([60000.0], "o", [1.0], [1.0], limit_sigma=sigma)
    assert skyportal.upload_photometry(lc, A, "ATLAS")["ok"].all()


def test_an_error_of_the_flux_that_is_infinite_is_named():
    lc = light_curve([60000.0], "o", [1.0], [np.inf])
    prepared = prepare_rows(lc, instrument="ATLAS", filters=["atlaso"])
    assert prepared.reason == ["flux_err=inf should be finite"]


def test_odd_arguments_are_named_and_nothing_is_sent(skyportal, double):
    lc = random_curve(2)
    for call, words in (
        (lambda: skyportal.upload_photometry(lc, A, "ATLAS", groups=0), "groups=0"),
        (lambda: skyportal.upload_photometry(lc, A, "ATLAS", groups=[3, -1]), "groups=-1"),
        (lambda: skyportal.upload_photometry(lc, A, "ATLAS", altdata=3), "altdata=3"),
        (lambda: skyportal.add_classification(A, ["Ia"]), "classification="),
        (lambda: skyportal.delete_followup(1.5), "request_ids=1.5"),
        (lambda: skyportal.undo_upload("é"), "not the id of an upload"),
    ):
        with pytest.raises(InvalidQueryError, match=words):
            call()
    assert writes(double) == []


def test_numbers_of_numpy_are_numbers(skyportal):
    plan = skyportal.delete_followup(np.int64(7), dry_run=True)
    assert plan["endpoint"].tolist() == ["followup_request/7"]
    plan = skyportal.save_candidate(A, filters=np.int64(1), passed_at=60000.0, dry_run=True)
    assert json.loads(plan["payload"][0])["filter_ids"] == [1]


def test_the_t0_of_a_source_is_sent_as_mjd(skyportal):
    plan = skyportal.save_source(A, HERE, t0=Time("2023-02-25"), dry_run=True)
    assert json.loads(plan["payload"][1])["t0"] == 60000.0


@pytest.mark.parametrize("system", ["Vega", "unknown"])
def test_magnitudes_that_are_not_ab_are_not_sent_as_such(skyportal, double, system):
    for lc in (
        light_curve([60000.0], "o", mag=[18.0], mag_err=[0.1], magsys=system),
        light_curve([60000.0], "o", limit=[19.0], magsys=system),
    ):
        with pytest.raises(InvalidQueryError, match=f"magsys.* is {system!r}"):
            skyportal.upload_photometry(lc, A, "ATLAS")
    assert writes(double) == []
    # A flux is in µJy whatever its magnitude is.
    lc = light_curve([60000.0], "o", [1.0], [1.0], mag=[18.0], mag_err=[0.1], magsys=system)
    assert skyportal.upload_photometry(lc, A, "ATLAS")["ok"].all()


@pytest.mark.parametrize("reference", ["at the barycentre; moment not stated", "at the Sun"])
def test_times_of_elsewhere_are_told(skyportal, reference):
    lc = random_curve(3)
    lc.meta["time_reference"] = reference
    words = rf"the times of lc are {reference}.*as they are"
    with pytest.warns(InputWarning, match=words) as caught:
        table = skyportal.upload_photometry(lc, A, "ATLAS", dry_run=True)
    assert np.allclose(table["mjd"], lc["time"].utc.mjd)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"redshift": "abc"}, "a finite number"),
        ({"redshift": NAN}, "a finite number"),
        ({"score": True}, "a finite number"),
        ({"t0": "yesterday"}, "a finite number, or a Time"),
        ({"transient": "no"}, "True or False"),
        ({"tns_name": 2024}, "a string"),
    ],
)
def test_properties_of_another_kind_are_refused(skyportal, double, given, right):
    (name,) = given
    with pytest.raises(InvalidQueryError, match=rf"^{name}=.* should be {right}$"):
        skyportal.save_source("ATLAS26new", HERE, **given)
    assert not writes(double)

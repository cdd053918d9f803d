"""Errors of the real server mean what they say: 403 and 404, unknown instruments, no photometry."""

import astropy.units as u
import pytest
from light_curves import random_curve

from atlasquery.exceptions import (
    InvalidQueryError,
    LoginError,
    NotFoundError,
    RemoteServiceError,
    WriteError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import PortalError, error_envelope
from atlasquery.skyportal import conf

A, B = "ATLAS24abc", "ATLAS24abd"


@pytest.fixture(autouse=True)
def _sources(double):
    double.state.add_source(A, 150.1163, 2.2058)
    double.state.add_source(B, 150.2, 2.2058)


def test_all_classifications_once_and_without_a_warning(skyportal, double, recwarn):
    """The server counts one for each of its groups, and cuts its pages by that count."""
    for n in range(54):
        double.state.classify(A, "Ia", group_ids=(3, 4, 2, 1)[: 1 + n % 4])
    counted = sum(1 + n % 4 for n in range(54))
    for size in (500, 20, 7):
        double.received.clear()
        with conf.set_temp("page_size", size):
            found = skyportal.request("GET", "classification", paginate=True, cache=False)
        assert [one["id"] for one in found] == list(range(1, 55))
        assert len(double.received) == -(-counted // size)
    assert not recwarn.list


def test_notes_without_groups_go_where_the_documentation_says(skyportal, double):
    skyportal.add_comment(A, "For all.")
    skyportal.add_annotation(A, "sherlock", {"class": "SN"})
    double.state.tables["stars"] = {A: {"gaia": {"Mag_G": 17.1}}}
    skyportal.annotate_from_catalog(A, "gaia")
    groups = {key: one["group_ids"] for key, one in double.state.annotations.items()}
    assert double.state.comments[1]["group_ids"] == [1]
    assert groups == {1: [2, 3, 4], 2: [1]}
    for method in (skyportal.add_comment, skyportal.annotate_from_catalog):
        assert "Sitewide Group" in method.__doc__
    assert "By default all groups of the account" in skyportal.add_annotation.__doc__


def test_a_403_is_of_one_object(skyportal, double):
    """Bad input, too, has this status: the other sources are not given up for it."""
    double.faults[f"POST .*{A}/comments"] = PortalError(403, "That comment is too long.")
    with pytest.raises(WriteError, match=r"too long") as caught:
        skyportal.add_comment([A, B], "Rising.")
    table = caught.value.result
    assert table["ok"].tolist() == [False, True]
    assert table["message"][0] == "That comment is too long."
    double.faults["GET .*phot"] = PortalError(403, "Bad format.")
    with pytest.raises(LoginError, match="to input that it cannot take") as caught:
        skyportal.get_photometry(A)
    assert "log in with an account" not in str(caught.value)
    double.faults = {"(POST|PUT) /api/photometry": PortalError(403, "No such stream.")}
    with pytest.raises(WriteError, match=r"No such stream"):
        skyportal.upload_photometry(random_curve(2), A, "ATLAS")
    # A page is not the server's word on the request.
    double.faults = {"": Response(403, "<title>403 Forbidden</title>", "text/html")}
    with pytest.raises(LoginError, match="log in with an account"):
        skyportal.get_photometry(A)


def test_a_404_in_an_envelope_is_of_the_right_address(skyportal, double):
    """As of a route that needs a service which this instance does not have."""
    refusal = error_envelope("Earthquake event not found")
    double.faults["earthquake"] = Response(404, refusal)
    with pytest.raises(RemoteServiceError, match="Earthquake event not found") as caught:
        skyportal.request("GET", "earthquake/us7000kufc")
    assert caught.value.status == 404
    assert "conf.server" not in str(caught.value)
    double.faults["earthquake"] = Response(404, "<title>404 Not Found</title>", "text/html")
    with pytest.raises(RemoteServiceError, match=r"Is conf\.server the address"):
        skyportal.request("GET", "earthquake/us7000kufc", cache=False)


@pytest.mark.parametrize("words", ["No instrument with ID: 99", "Could not load instrument 99"])
def test_an_unknown_instrument_is_named(skyportal, double, words):
    double.faults["instrument/99"] = PortalError(400, words)
    with pytest.raises(NotFoundError, match="no instrument 99"):
        skyportal.upload_photometry(random_curve(2), A, 99)
    assert double.asked("^POST") == []


def test_a_source_without_photometry_has_no_statistics(skyportal, double):
    with pytest.raises(NotFoundError, match=f"no statistics of the photometry of {A}"):
        skyportal.get_photometry_statistics(A)
    double.state.add_point(A, 60300.0, "atlaso", 100.0, 1.0)
    assert skyportal.get_photometry_statistics(A)["n_observations"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (
            {"distance": (100 * u.Mpc, 200 * u.Mpc)},
            {"minDistance": "100.0", "maxDistance": "200.0"},
        ),
        ({"distance": (None, 0.2 * u.Gpc)}, {"maxDistance": "200.0"}),
        ({"distance": [100, 200] * u.Mpc}, {"minDistance": "100.0", "maxDistance": "200.0"}),
        ({"distance": (100, 200)}, {"minDistance": "100.0", "maxDistance": "200.0"}),
        ({"redshift": (0.01 * u.one, None)}, {"minRedshift": "0.01"}),
        ({"stellar_mass": (1e9 * u.solMass, None)}, {"minMstar": "1000000000.0"}),
    ],
)
def test_ranges_take_units(skyportal, given, sent):
    payload = skyportal.query_galaxies(**given, get_query_payload=True)
    assert {key: payload[key] for key in sent} == sent


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"distance": (100 * u.deg, None)}, "100.0 deg should have the unit Mpc"),
        ({"redshift": (0.1 * u.Mpc, None)}, "0.1 Mpc should have no unit"),
        ({"distance": ([1, 2] * u.Mpc, None)}, "distance="),
        ({"distance": (200 * u.Mpc, 100 * u.Mpc)}, "ends before it begins"),
    ],
)
def test_ranges_of_other_units(skyportal, double, given, words):
    with pytest.raises(InvalidQueryError, match=words):
        skyportal.query_galaxies(**given)
    assert double.received == []


def test_magnitudes_take_units(skyportal):
    sent = skyportal.query_criteria(peak_mag=(15 * u.mag, 18 * u.mag), get_query_payload=True)
    assert (sent["maxPeakMagnitude"], sent["minPeakMagnitude"]) == ("15.0", "18.0")
    sent = skyportal.query_criteria(latest_mag=(15 * u.ABmag, None), get_query_payload=True)
    assert sent["maxLatestMagnitude"] == "15.0"


def test_a_group_that_one_is_no_member_of(ordinary, double):
    with pytest.raises(WriteError, match="Cannot find group_id 4") as caught:
        ordinary.save_source(A, groups=4)
    assert caught.value.result["ok"].tolist() == [False]


def test_a_catalogue_that_is_gone(skyportal):
    """The words of the server are those of its programming language."""
    with pytest.raises(RemoteServiceError, match=r"1\.4 no longer has .*galaxy_catalog/glade"):
        skyportal.request("POST", "galaxy_catalog/glade", json={"file_name": "x"})


def test_numbers_of_points_beyond_32_bits(skyportal, double):
    """A column of the server's became a wider one in 2026."""
    double.state.ids["photometry"] = 2**40
    table = skyportal.upload_photometry(random_curve(3), A, "ATLAS", 3)
    assert table["id"].tolist() == [2**40 + n for n in (1, 2, 3)]
    assert skyportal.undo_upload(table)["ok"].all()


def test_times_are_sent_in_utc_without_an_offset(skyportal):
    """Servers before August 2026 compare some of them as strings."""
    from astropy.time import Time

    sent = skyportal.query_candidates(
        start=Time("2026-01-01T00:00:37", scale="tai"),
        end="2026-02-01T12:00:00",
        get_query_payload=True,
    )
    assert (sent["startDate"], sent["endDate"]) == (
        "2026-01-01T00:00:00.000",
        "2026-02-01T12:00:00.000",
    )


def test_a_source_of_other_groups_is_shown_without_them(ordinary, double):
    double.state.add_source("S1", 10.0, 20.0, group_ids=(4,))
    assert ordinary.get_source("S1")["groups"].mask.tolist() == [True]
    # Read back, it is not taken for saved to a group that is not shown.
    double.faults["POST /api/sources"] = Response(200, "<html></html>", "text/html")
    with pytest.raises(WriteError, match="not saved to the groups"):
        ordinary.save_source("S1", groups=3)


def test_calls_of_the_page_of_routes_have_what_the_server_wants(skyportal, double):
    """Two routes got names that the documents of 2023 do not have."""
    payload = {"allocation_id": 1, "payload": {}}
    with pytest.raises(RemoteServiceError, match="default_followup_name"):
        skyportal.request("POST", "default_followup_request", json=payload)
    extra = {"default_followup_name": "SEDM", "source_filter": {}}
    assert skyportal.request("POST", "default_followup_request", json={**payload, **extra})
    given = {"default_observation_plan_id": 1, "payload": {}}
    assert skyportal.request("POST", "default_survey_efficiency", json=given) == {"id": 1}

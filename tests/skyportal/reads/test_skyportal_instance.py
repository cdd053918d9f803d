"""The tables of an instance, from a double and from recorded answers."""

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    TableParseError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.server import ADMIN

LISTS = {
    "list_groups": ("groups", "groups_get"),
    "list_filters": ("filters", "get_filters"),
    "list_streams": ("streams", "get_streams"),
    "list_instruments": ("instrument", "instrument_get"),
    "list_telescopes": ("telescope", "telescope_get"),
    "list_taxonomies": ("taxonomy", "taxonomy_get"),
    "list_allocations": ("allocation", "allocation_get"),
    "list_observing_runs": ("observing_run", "observing_run_list"),
}


def first_row(data):
    return data["all_groups"][0] if isinstance(data, dict) else data[0]


def answer_of(data):
    return Response(200, {"status": "success", "data": data, "version": "1.4.0"})


def check_form(table):
    """Check what holds for every table: ids, times, units, no objects."""
    assert isinstance(table, Table)
    assert table["id"].dtype == np.int64
    for name in ("created_at", "modified"):
        assert isinstance(table[name], Time)
        assert table[name].scale == "utc"
    for name in table.colnames:
        if not isinstance(table[name], Time):
            assert table[name].dtype.kind in "iufbU", name
            assert table[name].description, name
    assert table.meta["service"] == "SkyPortal"
    assert ADMIN not in repr(table.meta)


@pytest.mark.parametrize("method", LISTS)
def test_each_list_of_the_double(skyportal, method):
    check_form(getattr(skyportal, method)())


@pytest.mark.parametrize("method", LISTS)
def test_each_recorded_list(skyportal, double, samples, method):
    path, name = LISTS[method]
    exchange = samples(name)
    double.faults = {f"api/{path}": Response(200, exchange["body"])}
    table = getattr(skyportal, method)()
    check_form(table)
    sent = exchange["body"]["data"]
    if method == "list_groups":
        sent = {one["id"]: one for part in sent.values() for one in part}.values()
        sent = sorted(sent, key=lambda one: one["id"])
    assert table["id"].tolist() == [one["id"] for one in sent]
    for column in ("name", "pi", "band"):
        if column in table.colnames:
            assert table[column].tolist() == [one[column] for one in sent]


@pytest.mark.parametrize("method", LISTS)
def test_the_double_has_the_keys_of_the_recorded_server(skyportal, double, samples, method):
    path, name = LISTS[method]
    answer = double.answer("GET", f"/api/{path}", {"Authorization": f"token {ADMIN}"}, b"")
    ours = first_row(json.loads(answer.body)["data"])
    assert set(ours) == set(first_row(samples(name)["body"]["data"]))


@pytest.mark.parametrize("method", LISTS)
def test_lists_without_rows_and_of_a_newer_server(skyportal, double, method):
    path, _ = LISTS[method]
    full = getattr(skyportal, method)()
    double.faults = {f"api/{path}": answer_of([])}
    with pytest.warns(NoResultsWarning, match="no such"):
        empty = getattr(skyportal, method)(**({} if "alloc" in method else {"cache": False}))
    assert set(empty.colnames) <= set(full.colnames)
    for column in empty.colnames:
        assert type(empty[column]) is type(full[column]), column
    newer = {"id": 7, "name": None, "a_new_key": {"x": [1]}, "another": 1.5}
    double.faults = {f"api/{path}": answer_of([newer])}
    table = getattr(skyportal, method)(**({} if "alloc" in method else {"cache": False}))
    assert table["id"].tolist() == [7]
    assert table["a_new_key"][0] == '{"x":[1]}'
    assert table["another"][0] == 1.5
    assert table["created_at"].mask.all()
    for column in set(table.colnames) - {"id", "a_new_key", "another"}:
        assert np.all(table[column].mask), column


def test_groups_know_whose_they_are(reader, double):
    double.state.groups[9] = double.state.group(9, "a foreign group")
    table = reader.list_groups()
    assert table["id"].tolist() == [1, 3, 4, 9]
    assert table["member"].tolist() == [False, True, False, False]
    assert table["accessible"].tolist() == [False, True, False, False]
    one = reader.list_groups(name="ATLAS transients")
    assert one["id"].tolist() == [3]
    assert one["member"].mask.all()
    assert double.asked("name=") == ["GET /api/groups?name=ATLAS+transients"]


def test_groups_of_a_server_that_leaves_parts_out(skyportal, double):
    group = double.state.groups[3]
    double.faults = {"groups": [answer_of({"user_groups": [group], "all_groups": None})]}
    table = skyportal.list_groups(cache=False)
    assert table["member"].tolist() == [True]
    assert table["accessible"].mask.all()
    double.faults = {"groups": [answer_of({"other": []})]}
    with pytest.raises(TableParseError, match="none of user_groups"):
        skyportal.list_groups(cache=False)
    with pytest.raises(InvalidQueryError, match="name="):
        skyportal.list_groups(name=" ")


def test_instruments_and_telescopes(skyportal, double):
    table = skyportal.list_instruments()
    assert table["filters"].tolist() == ["atlasc, atlaso", "ztfg, ztfr, ztfi"]
    assert table["telescope"].tolist() == ["ATLAS telescope"] * 2
    double.state.telescopes[2] = {"id": 2, "name": "a satellite", "fixed_location": False}
    double.state.telescopes[2] |= {"lat": None, "lon": None, "elevation": None}
    table = skyportal.list_telescopes()
    assert table["lat"].unit == u.deg
    assert table["diameter"].unit == u.m
    assert table["instruments"].tolist()[0] == "ATLAS, ZTF"
    assert table["morning"][0].isot == "2026-11-21T15:21:31.347"
    assert table["evening"].mask.tolist() == [False, True]
    assert np.isnan(table["lat"].data.data[1])
    assert table["lat"].mask.tolist() == [False, True]


def test_classes_of_a_taxonomy(skyportal, double):
    table = skyportal.list_taxonomies()
    words = "Time-domain Source, Supernova, Ia, Ib, IIP, AGN"
    assert table["classes"][0] == words
    assert json.loads(table["hierarchy"][0])["tags"] == ["sn"]
    assert table["groups"][0] == "ATLAS transients, Second group"


def test_allocations_of_both_forms(skyportal, double):
    table = skyportal.list_allocations()
    assert table["start"].isot.tolist() == ["2026-01-01T00:00:00.000"]
    assert table["end"].isot.tolist() == ["2027-12-31T00:00:00.000"]
    assert len(json.loads(table["validity_ranges"][0])) == 2
    assert table["hours_allocated"].unit == u.hour
    assert table["types"][0] == "triggered, forced_photometry"
    old = {"id": 2, "start_date": "2023-01-01T00:00:00", "end_date": "2023-06-30T00:00:00"}
    double.state.tables["allocations"] = [old, {"id": 3, "validity_ranges": None}]
    table = skyportal.list_allocations()
    assert table["start"][0].isot == "2023-01-01T00:00:00.000"
    assert table["end"][0].isot == "2023-06-30T00:00:00.000"
    assert table["end"].mask.tolist() == [False, True]


def test_credentials_of_a_facility_are_neither_shown_nor_stored(skyportal, double):
    double.state.tables["allocations"] = [
        {"id": 1, "instrument_id": 5, "altdata": {"token": "secret-of-a-telescope"}}
    ]
    table = skyportal.list_allocations(instrument_id="5")
    assert len(table) == 1
    assert "secret" not in repr(table) + str(table.colnames)
    stored = [p for p in skyportal.cache_location.rglob("*") if p.is_file()]
    assert not any(b"secret-of-a-telescope" in path.read_bytes() for path in stored)
    # A server that ignores what is asked for.
    double.faults = {"allocation": answer_of([{"id": 1, "instrument_id": 6}])}
    with pytest.warns(NoResultsWarning, match="no such allocations"):
        assert len(skyportal.list_allocations(instrument_id=5)) == 0
    with pytest.raises(InvalidQueryError, match="instrument_id="):
        skyportal.list_allocations(instrument_id="five")


def test_lists_are_stored_for_an_hour(skyportal, double):
    skyportal.list_instruments()
    skyportal.list_instruments()
    assert len(double.asked("instrument")) == 1
    skyportal.list_instruments(cache=False)
    assert len(double.asked("instrument")) == 2


def test_whether_a_source_exists(skyportal, double):
    double.state.add_source("ATLAS24abc", 359.9999, 2.2)
    position = SkyCoord(0.0001, 2.2, unit="deg")
    assert skyportal.source_exists("ATLAS24abc") is True
    assert skyportal.source_exists("NOPE") is False
    assert skyportal.source_exists(coordinates=position, radius="1 arcsec") is True
    assert skyportal.source_exists(coordinates=position, radius="0.5 arcsec") is False
    for arguments in ({}, {"radius": "1 arcsec"}, {"source_id": "A", "radius": "1 arcsec"}):
        with pytest.raises(InvalidQueryError, match="source_id, or coordinates"):
            skyportal.source_exists(**arguments)
    with pytest.raises(InvalidQueryError, match="radius"):
        skyportal.source_exists(coordinates=position, radius="0 deg")
    with pytest.raises(InvalidQueryError, match="one position"):
        skyportal.source_exists(coordinates=SkyCoord([1, 2], [1, 2], unit="deg"), radius="1 deg")
    double.faults = {"source_exists": answer_of({})}
    with pytest.raises(TableParseError, match="does not say"):
        skyportal.source_exists("ATLAS24abc", cache=False)


def test_recorded_words_on_whether_a_source_exists(skyportal, double, samples):
    for name, truth in (("id", True), ("none", False), ("pos", True)):
        double.faults = {"source_exists": Response(200, samples(f"source_exists_{name}")["body"])}
        assert skyportal.source_exists("ATLAS24abc", cache=False) is truth


def test_position_of_a_source(skyportal, double, samples):
    double.state.add_source("ATLAS24abc", 150.0, 60.0, ra_dis=150.001, dec_dis=60.0)
    table = skyportal.get_position("ATLAS24abc")
    assert table["separation"].unit == u.arcsec
    assert table["separation"][0] == pytest.approx(1.8, abs=1e-5)
    assert table["ebv"].unit == u.mag
    double.faults = {"position": Response(200, samples("source_position")["body"])}
    table = skyportal.get_position("ATLAS24abc", cache=False)
    assert table["gal_lon"][0] == 236.82003964618042
    assert table["discovery_ra"][0] == 150.1163
    assert table["separation"][0] == 0
    double.faults = {"position": answer_of({"ra": 1.0, "gal_lon": -10.0})}
    table = skyportal.get_position("ATLAS24abc", cache=False)
    assert table["gal_lon"][0] == 350
    assert table["separation"].mask.all()
    double.faults = {}
    with pytest.raises(NotFoundError, match="source NOPE"):
        skyportal.get_position("NOPE")


def test_groups_of_a_source(skyportal, double, samples):
    double.state.add_source("ATLAS24abc", 150.0, 2.0, group_ids=(3, 4))
    table = skyportal.get_source_groups("ATLAS24abc")
    assert table["id"].tolist() == [3, 4]
    check_form(table)
    double.faults = {"groups": Response(200, samples("source_groups")["body"])}
    assert skyportal.get_source_groups("A", cache=False)["name"].tolist() == ["ATLAS transients"]
    double.faults = {}
    with pytest.raises(NotFoundError):
        skyportal.get_source_groups("NOPE")


def test_statistics_of_photometry(skyportal, double):
    double.state.add_source("ATLAS24abc", 150.0, 2.0)
    for n, flux in enumerate((100.0, 400.0, 1.0)):
        double.state.add_point("ATLAS24abc", 60000.0 + n, "atlaso", flux, 2.0)
    double.state.add_point("ATLAS24abc", 60003.0, "atlasc", 50.0, 2.0)
    table = skyportal.get_photometry_statistics("ATLAS24abc")
    assert table["filter"].tolist() == [None, "atlasc", "atlaso"]
    assert table["n_observations"].tolist() == [4, 1, 3]
    assert table["n_detections"].tolist() == [3, 1, 2]
    assert table["peak_mjd"].tolist() == [60001.0, 60003.0, 60001.0]
    assert table["peak_mag"][0] == pytest.approx(23.9 - 2.5 * np.log10(400))
    assert table["peak_mag"].unit == u.mag
    assert table["mag_rms"].mask.all()
    assert np.isnan(table["mag_rms"].data.data).all()


def test_recorded_statistics_of_photometry(skyportal, double, samples):
    body = samples("phot_stat")["body"]
    double.faults = {"phot_stat": Response(200, body)}
    table = skyportal.get_photometry_statistics("ATLAS24abc")
    assert table["n_observations"].tolist() == [60, 20, 40]
    assert table["peak_mag"].tolist() == [17.0, 17.027, 17.0]
    assert table["deepest_limit"].tolist() == [19.5] * 3
    rest = table.meta["statistics"]
    assert rest["rise_rate"] == body["data"]["rise_rate"]
    assert rest["mean_color"] == body["data"]["mean_color"]
    assert "peak_mag_global" not in rest
    double.faults = {"phot_stat": answer_of({"peak_mag_per_filter": None})}
    table = skyportal.get_photometry_statistics("ATLAS24abc", cache=False)
    assert len(table) == 1
    assert table["n_detections"].mask.all()


def test_what_the_instance_says_of_itself(anonymous, double, samples):
    found = anonymous.get_system_info()
    assert found["version"] == "1.4.0"
    assert found["gitlog"][0]["sha"] == "6dce397aa"
    assert "authorization" not in double.headers[0]
    body = samples("auth_sysinfo_none")["body"]
    double.faults = {"sysinfo": Response(200, body)}
    found = anonymous.get_system_info(cache=False)
    assert found == {"version": "1.4.0", **body["data"]}

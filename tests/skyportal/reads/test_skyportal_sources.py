"""Sources: cones in degrees, criteria by the server's names, columns with units."""

import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time

from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    MaxResultsWarning,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import PortalError, envelope
from atlasquery.skyportal import conf
from atlasquery.skyportal.tables.columns import SOURCE, UNSHOWN

HERE = SkyCoord(150.0, 2.0, unit="deg")


@pytest.fixture
def field(double):
    """Sources at 0, 10 and 100 arcsec from a place, at both poles, and about RA 0."""
    sky = double.state
    for name, arcsec in (("far", 100.0), ("here", 0.0), ("near", 10.0)):
        sky.add_source(name, 150.0, 2.0 + arcsec / 3600)
    sky.add_source("wrap0", 0.0001, 10.0)
    sky.add_source("wrap1", 359.9999, 10.0)
    sky.add_source("north", 200.0, 89.9999)
    sky.add_source("south", 20.0, -89.9999)
    sky.add_candidate("unsaved", 150.0, 2.0)
    return double


def test_nearest_first_with_separations(skyportal, field):
    found = skyportal.query_region(HERE, radius=20 * u.arcsec)
    assert found["id"].tolist() == ["here", "near"]
    assert found["separation"].unit == u.arcsec
    assert found["separation"].tolist() == pytest.approx([0.0, 10.0], abs=1e-6)
    assert found["query_index"].tolist() == [0, 0]
    assert found.meta["query"] == "query_region"


def test_radius_is_sent_in_degrees(skyportal, double):
    sent = skyportal.query_region(HERE, radius="36 arcsec", get_query_payload=True)
    assert sent == {"ra": "150.0", "dec": "2.0", "radius": "0.01"}
    assert double.received == []


def test_the_edge_is_inside(skyportal, field):
    assert len(skyportal.query_region(HERE, radius=(10 + 1e-6) * u.arcsec)) == 2
    assert len(skyportal.query_region(HERE, radius=(10 - 1e-3) * u.arcsec)) == 1


@pytest.mark.parametrize(
    "radius", ["0 deg", "-1 arcsec", "90.0001 deg", "180 deg", "181 deg", 5, 0.1, "nonsense", None]
)
def test_a_radius_for_which_the_server_finds_nothing(skyportal, double, radius):
    with pytest.raises(InvalidQueryError, match="radius="):
        skyportal.query_region(HERE, radius=radius)
    with pytest.raises(InvalidQueryError, match="radius"):
        skyportal.query_criteria(coordinates=HERE, radius=radius)
    assert double.received == []


def test_the_server_itself_finds_nothing_there(skyportal, field):
    for ra, radius in ((150.0, 0), (150.0, 180), (-210.0, 0.01)):
        answered = skyportal.request("GET", "sources", ra=ra, dec=2.0, radius=radius)
        assert answered["totalMatches"] == 0


def test_90_degrees_are_half_the_sky(skyportal, field):
    # Saved or not at all: candidates are not searched.
    found = skyportal.query_region(HERE, radius=90 * u.deg)
    assert "unsaved" not in found["id"]
    assert np.all(np.diff(found["separation"]) >= 0)
    assert found["separation"].max() <= 90 * 3600


def test_wrap_and_poles(skyportal, field):
    wrap = skyportal.query_region(SkyCoord(360.0, 10.0, unit="deg"), radius="1 arcsec")
    assert sorted(wrap["id"]) == ["wrap0", "wrap1"]
    assert np.all(wrap["separation"] < 0.5)
    negative = skyportal.query_region(SkyCoord(-0.0001, 10.0, unit="deg"), radius="0.1 arcsec")
    assert negative["id"].tolist() == ["wrap1"]
    pole = skyportal.query_region(SkyCoord(20.0, 90.0, unit="deg"), radius="1 arcsec")
    assert pole["id"].tolist() == ["north"]


def test_many_positions_of_any_shape(skyportal, field):
    places = SkyCoord([[150.0, 0.0], [20.0, 77.0]], [[2.0, 10.0], [-90.0, 7.0]], unit="deg")
    found = skyportal.query_region(places, radius="15 arcsec")
    rows = sorted(zip(found["query_index"].tolist(), found["id"].tolist(), strict=True))
    assert rows == [(0, "here"), (0, "near"), (1, "wrap0"), (1, "wrap1"), (2, "south")]


def test_the_only_position_fails(skyportal, field):
    field.faults = {"": PortalError(400, "not there")}
    with pytest.raises(RemoteServiceError, match=r"status 400.*not there"):
        skyportal.query_region(HERE, radius="15 arcsec")


def test_another_source_than_asked_for(skyportal, field):
    field.faults = {"": Response(200, envelope({"id": "S2", "ra": 10.0, "dec": 2.0}))}
    with pytest.raises(TableParseError, match="asked for is S1, and the response has rows of S2"):
        skyportal.get_source("S1")


def test_one_of_many_positions_fails(skyportal, field):
    places = SkyCoord([150.0, 33.0], [2.0, 3.0], unit="deg")
    field.faults = {"ra=33": PortalError(400, "not there")}
    with pytest.raises(IncompleteResultError, match="not there") as caught:
        skyportal.query_region(places, radius="15 arcsec")
    assert len(caught.value.result) == 2
    assert caught.value.failures[0][0] == "33.000000 +3.000000"
    with pytest.warns(InputWarning, match="not there"):
        found = skyportal.query_region(places, radius="15 arcsec", on_error="warn", cache=False)
    assert len(found.meta["failures"]) == 1 and len(found) == 2


def test_no_source_there(skyportal, field):
    with pytest.warns(NoResultsWarning):
        none = skyportal.query_region(SkyCoord(33.0, 3.0, unit="deg"), radius="1 arcsec")
    some = skyportal.query_region(HERE, radius="1 arcsec")
    assert len(none) == 0 and none.colnames == some.colnames
    for name in some.colnames:
        assert type(none[name]) is type(some[name]), name
        if name not in ("created_at", "modified", "saved_at"):
            assert none[name].dtype.kind == some[name].dtype.kind, name
            assert none[name].unit == some[name].unit, name


def test_a_cone_that_is_cut_warns(skyportal, field):
    with pytest.warns(MaxResultsWarning):
        assert len(skyportal.query_region(HERE, radius="200 arcsec", max_rows=2)) == 2


def test_a_server_that_ignores_the_position_is_found_out(skyportal, field):
    rows = [{"id": "S1", "ra": 10.0, "dec": 2.0}]
    field.faults = {"": Response(200, envelope({"sources": rows, "totalMatches": 1}))}
    with pytest.raises(TableParseError, match="ignored the position"):
        skyportal.query_region(HERE, radius="1 arcsec")


def test_columns_and_units(skyportal, double):
    double.state.add_source(
        "S1", 266.4, -29.0, redshift=0.031, alias=["ZTF24xyz", "2024abc"], group_ids=(3, 4)
    )
    double.state.classify("S1", "Ia")
    double.state.classify("S1", "AGN")
    table = skyportal.query_criteria()
    (row,) = table
    assert (row["alias"], row["classifications"]) == ("ZTF24xyz, 2024abc", "Ia, AGN")
    assert (row["groups"], row["group_ids"]) == ("ATLAS transients, Second group", "3, 4")
    assert table["luminosity_distance"].unit == u.Mpc and table["dm"].unit == u.mag
    assert table["ra"].unit == table["gal_lat"].unit == u.deg
    assert table["offset"].unit == u.arcsec
    assert table["created_at"].scale == table["saved_at"].scale == "utc"
    assert table["saved_at"][0] > Time("2026-11-20")
    assert table["transient"].dtype == bool and table["healpix"].dtype == np.int64
    assert table["score"].mask[0] and np.isnan(table["score"].data.data[0])
    assert all(table[name].info.description for name in table.colnames)
    assert not set(UNSHOWN) & set(table.colnames)
    assert not any(table[name].dtype == object for name in table.colnames if "_at" not in name
                   and name != "modified")  # fmt: skip


def test_galactic_longitude_is_the_same_from_both_routes(skyportal, double):
    # See docs/servers/skyportal.rst, "Galactic longitude".
    double.state.add_source("S1", 150.1163, 2.2058)
    listed = skyportal.request("GET", "sources")["sources"][0]["gal_lon"]
    single = skyportal.request("GET", "sources/S1")["gal_lon"]
    assert listed < 0 < 180 < single
    for table in (skyportal.query_criteria(), skyportal.get_source("S1")):
        assert table["gal_lon"][0] == pytest.approx(single)
        position = SkyCoord(150.1163, 2.2058, unit="deg").galactic
        assert table["gal_lon"][0] == pytest.approx(position.l.deg, abs=1e-4)


def test_one_source(skyportal, double):
    double.state.add_source("ATLAS24abc", 150.1163, 2.2058, redshift=0.031)
    double.state.add_source("ATLAS24abd", 150.1166, 2.206)
    double.state.annotate("ATLAS24abc", "sherlock", {"class": "SN"})
    (row,) = table = skyportal.get_source("ATLAS24abc")
    assert row["id"] == "ATLAS24abc" and row["ebv"] == 0.05
    assert "ATLAS24abd" in row["duplicates"] and '"SN"' in row["annotations"]
    assert table.meta["object"] == "ATLAS24abc"


def test_a_source_whose_name_is_a_number(skyportal, double):
    double.state.add_source("1103337110432157700", 10.0, 20.0)
    assert skyportal.get_source(1103337110432157700)["id"][0] == "1103337110432157700"


def test_no_such_source(skyportal, double):
    double.state.add_candidate("C1", 10.0, 20.0)
    for name in ("NOPE", "C1"):
        with pytest.raises(NotFoundError, match=f"no source {name}") as caught:
            skyportal.get_source(name)
        assert (caught.value.status, caught.value.reason) == (404, "Source not found")


def test_a_404_of_another_server_is_not_an_unknown_source(skyportal, double):
    double.faults = {"": Response(404, "<title>404 Not Found</title>", "text/html")}
    with pytest.raises(Exception, match=r"conf\.server") as caught:
        skyportal.get_source("S1")
    assert not isinstance(caught.value, NotFoundError)


PAYLOADS = [
    ({"source_id": "24ab"}, {"sourceID": "24ab"}),
    # The server has a fault where it looks for an alias.
    ({"alias": "a", "origin": "ATLAS"}, {"origin": "ATLAS"}),
    ({"group_ids": [3, 4]}, {"group_ids": "3,4"}),
    ({"group_ids": 3}, {"group_ids": "3"}),
    ({"list_name": "favorites"}, {"listName": "favorites"}),
    (
        {"saved": ("2026-01-01", Time(61072.0, format="mjd"))},
        {"savedAfter": "2026-01-01T00:00:00.000", "savedBefore": "2026-02-01T00:00:00.000"},
    ),
    ({"saved": (None, "2026-01-01")}, {"savedBefore": "2026-01-01T00:00:00.000"}),
    (
        {"modified_after": Time("2026-01-01T00:00:37", scale="tai")},
        {"createdOrModifiedAfter": "2026-01-01T00:00:00.000"},
    ),
    ({"start": 61041.5}, {"startDate": "2026-01-01T12:00:00.000"}),
    (
        {"classifications": ["T: Ia", "T: Ib"], "nonclassifications": "T: AGN"},
        {"classifications": "T: Ia,T: Ib", "nonclassifications": "T: AGN"},
    ),
    ({"redshift": (0.01, 0.1)}, {"minRedshift": "0.01", "maxRedshift": "0.1"}),
    # "min" is the faint bound.
    ({"peak_mag": (None, 18)}, {"minPeakMagnitude": "18.0"}),
    ({"latest_mag": (17.5, None)}, {"maxLatestMagnitude": "17.5"}),
    ({"peak_mag": (15, 18)}, {"maxPeakMagnitude": "15.0", "minPeakMagnitude": "18.0"}),
    ({"has_spectrum": True, "has_tns_name": True}, {"hasSpectrum": "true", "hasTNSname": "true"}),
    (
        {
            "localization": ("2018-01-16T00:36:53.000", "bayestar.fits"),
            "probability": 0.9,
            "start": "2018-01-15",
            "end": "2018-01-20",
        },
        {
            "startDate": "2018-01-15T00:00:00.000",
            "endDate": "2018-01-20T00:00:00.000",
            "localizationDateobs": "2018-01-16T00:36:53",
            "localizationName": "bayestar.fits",
            "localizationCumprob": "0.9",
        },
    ),
    (
        {"coordinates": HERE, "radius": "1 deg"},
        {"ra": "150.0", "dec": "2.0", "radius": "1.0"},
    ),
    ({"sort_by": "ra"}, {"sortBy": "ra", "sortOrder": "asc"}),
    ({"sort_by": "redshift", "descending": True}, {"sortBy": "redshift", "sortOrder": "desc"}),
]


@pytest.mark.parametrize(("given", "sent"), PAYLOADS, ids=lambda one: ",".join(one))
def test_criteria_in_the_servers_words(skyportal, double, given, sent):
    payload = skyportal.query_criteria(**given, get_query_payload=True)
    assert payload == sent | {"useCache": "true"}
    assert double.received == []


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"redshift": 0.1}, "redshift="),
        ({"redshift": (0.1, 0.01)}, "ends before it begins"),
        ({"redshift": (None, None)}, "redshift="),
        ({"redshift": ("a", 1)}, "redshift="),
        ({"redshift": (np.nan, 1)}, "redshift="),
        ({"saved": "2026-01-01"}, "saved="),
        ({"saved": ("soon", None)}, "saved="),
        ({"start": "2026-02-01", "end": "2026-01-01"}, "ends before it begins"),
        ({"classifications": "Ia"}, "taxonomy"),
        ({"classifications": ["T: Ia", "Ib"]}, "taxonomy"),
        ({"classifications": "T: a, b"}, "comma"),
        ({"has_spectrum": False}, "has_spectrum=False"),
        ({"localization": "2018-01-16T00:36:53"}, "start and end"),
        ({"probability": 0.9}, "localization"),
        (
            {"localization": "2026-01-01", "start": 61041, "end": 61042, "probability": 90},
            "probability=90",
        ),
        ({"coordinates": HERE}, "go together"),
        ({"radius": "1 deg"}, "go together"),
        ({"coordinates": SkyCoord([1, 2], [3, 4], unit="deg"), "radius": "1 deg"}, "one position"),
        ({"sort_by": "decc"}, "did you mean 'dec'"),
        ({"descending": True}, "sort_by"),
        ({"group_ids": []}, "group_ids=.* is empty"),
        ({"group_ids": object()}, "group_ids="),
    ],
)
def test_criteria_that_cannot_be(skyportal, double, given, match):
    with pytest.raises(InvalidQueryError, match=match):
        skyportal.query_criteria(**given)
    assert double.received == []


def test_a_misspelt_criterion_is_refused(skyportal, double):
    # The server would ignore it and send everything.
    double.state.add_source("S1", 10.0, 20.0)
    assert len(skyportal.request("GET", "sources", minRedshif=0.5)["sources"]) == 1
    with pytest.raises(TypeError, match="did you mean 'redshift'"):
        skyportal.query_criteria(redshfit=(0.5, None))


def test_a_list_of_groups_finds_the_sources_of_each(skyportal, double):
    double.state.add_source("S3", 10.0, 20.0, group_ids=(3,))
    double.state.add_source("S4", 10.0, 20.0, group_ids=(4,))
    assert sorted(skyportal.query_criteria(group_ids=[3, 4])["id"]) == ["S3", "S4"]
    # A repeated key, which requests makes of a list, keeps the last only.
    target = f"{double.url}sources?group_ids=3&group_ids=4"
    answered = skyportal._session.get(target, headers=double.headers[-1]).json()["data"]
    assert [one["id"] for one in answered["sources"]] == ["S4"]


def test_criteria_find_what_they_say(skyportal, double):
    sky = double.state
    for n in range(10):
        sky.add_source(f"S{n}", 10.0 * n, 0.0, redshift=0.01 * n, origin="ATLAS" if n > 7 else None)
        sky.add_point(f"S{n}", 60300.0, "atlaso", 10.0 ** (0.4 * (23.9 - 15 - n)), 1.0)
    sky.classify("S1", "Ia")
    sky.classify("S2", "AGN")
    sky.lists["favorites"] = {"S5"}

    def names(**criteria):
        return sorted(skyportal.query_criteria(cache=False, **criteria)["id"])

    assert names(redshift=(0.05, None)) == ["S5", "S6", "S7", "S8", "S9"]
    assert names(origin="ATLAS") == ["S8", "S9"]
    assert names(latest_mag=(None, 17.5)) == ["S0", "S1", "S2"]
    assert names(latest_mag=(16.5, 18.5)) == ["S2", "S3"]
    assert names(peak_mag=(22.5, None)) == ["S8", "S9"]
    assert names(peak_mag=(None, 15.5)) == ["S0"]
    assert names(source_id="S3") == ["S3"]
    assert names(classifications="Sitewide Taxonomy: Ia") == ["S1"]
    assert len(names(nonclassifications=["Sitewide Taxonomy: Ia", "Sitewide Taxonomy: AGN"])) == 8
    assert names(list_name="favorites") == ["S5"]
    assert names(coordinates=SkyCoord(20, 0, unit="deg"), radius="11 deg") == ["S1", "S2", "S3"]
    by_ra = skyportal.query_criteria(sort_by="ra", descending=True)
    assert by_ra["id"].tolist() == [f"S{n}" for n in range(9, -1, -1)]
    with pytest.warns(NoResultsWarning):
        assert len(skyportal.query_criteria(saved=("2026-12-01", None))) == 0


def test_the_case_of_a_name_counts(skyportal, double):
    double.state.add_source("ZTF24abc", 10.0, 20.0)
    assert skyportal.query_criteria(source_id="24ab")["id"].tolist() == ["ZTF24abc"]
    with pytest.warns(NoResultsWarning):
        assert len(skyportal.query_criteria(source_id="ztf24")) == 0


def test_all_detections_are_in_the_window(skyportal, double):
    """And not some of them."""
    for name, times in (("early", (60300,)), ("both", (60300, 60400)), ("late", (60400,))):
        double.state.add_source(name, 10.0, 20.0)
        for mjd in times:
            double.state.add_point(name, float(mjd), "atlaso", 100.0, 1.0)
    found = skyportal.query_criteria(start=60290.0, end=60310.0)
    assert found["id"].tolist() == ["early"]
    assert skyportal.query_criteria(end=60310.0)["id"].tolist() == ["early"]
    assert sorted(skyportal.query_criteria(start=60290.0)["id"]) == ["both", "early", "late"]


def test_an_alias_is_looked_for_here(skyportal, double):
    """The server has a fault: it answers 400 to all of them."""
    for n in range(30):
        double.state.add_source(f"S{n:02d}", float(n), 0.0, alias=[f"AL{n}", "other"])
    double.state.add_source("none", 50.0, 0.0)
    with conf.set_temp("page_size", 7):
        found = skyportal.query_criteria(alias="al1")
    assert sorted(found["id"]) == ["S01", *(f"S1{n}" for n in range(10))]
    assert found.meta["alias"] == "al1"
    assert not any("alias" in target for target in double.asked())
    with pytest.warns(MaxResultsWarning, match="11") as caught:
        assert len(skyportal.query_criteria(alias="AL1", max_rows=5)) == 5
    assert [one.filename for one in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(skyportal.query_criteria(alias="AL29", max_rows=1)) == 1
    with pytest.warns(NoResultsWarning):
        assert len(skyportal.query_criteria(alias="AL99")) == 0
    for wrong in ("", "  ", 5):
        with pytest.raises(InvalidQueryError, match="alias="):
            skyportal.query_criteria(alias=wrong)


def test_keys_of_a_newer_and_an_older_server(skyportal, double):
    double.state.add_source("S1", 10.0, 20.0)
    double.state.add_candidate("C1", 10.0, 20.0)
    double.state.extra = {"photoz": 0.1, "host": {"name": "NGC 1"}, "ra": None, "redshift": "0.5"}
    double.state.without = {"gal_lon", "groups", "tags", "modified", "dm", "is_source"}
    for table in (
        skyportal.query_criteria(),
        skyportal.get_source("S1"),
        skyportal.query_candidates(),
        skyportal.get_candidate("C1"),
    ):
        assert table["photoz"][0] == 0.1 and "NGC 1" in table["host"][0]
        assert table["ra"].mask[0] and table["redshift"][0] == 0.5
        for name in ("gal_lon", "groups", "modified", "dm"):
            assert table[name].mask[0], name


def test_each_column_is_declared_once():
    names = [column.name for column in SOURCE]
    assert len(names) == len(set(names))

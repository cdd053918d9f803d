"""Catalogue entries, sources and cross-matches against both servers."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from numpy.testing import assert_array_equal

from atlasquery.atlas import AtlasSource
from atlasquery.exceptions import InvalidQueryError, LoginError, NoResultsWarning, NotFoundError

MISSING = 1999999999999999900


def test_entries_come_in_the_order_asked_for(atlas, server):
    ids = server.ids("main")[::-1]
    table = atlas.get_objects([*ids, ids[0]])
    assert table["atlas_id"].tolist() == [*ids, ids[0]]
    assert table["atlas_id"].dtype == np.int64
    assert table["ra"].unit == u.deg
    assert isinstance(table["date_inserted"], Time)
    assert table["date_inserted"].scale == "utc"
    assert not any(
        column.dtype == object for column in table.itercols() if hasattr(column, "dtype")
    )
    assert table.meta["service"] == "ATLAS Transient Server"
    assert table.meta["server"] == server.url


@pytest.mark.parametrize("kind", [int, str, np.int64, lambda i: np.str_(i)])
def test_ids_of_any_exact_kind(atlas, server, kind):
    (first, *_) = server.ids("main")
    assert atlas.get_objects(kind(first))["atlas_id"][0] == first
    assert atlas.get_objects([kind(first)])["atlas_id"][0] == first


def test_unknown_ids_are_masked_and_named(atlas, server):
    first, second, *_ = server.ids("main")
    with pytest.warns(NoResultsWarning, match=f"does not know {MISSING}"):
        table = atlas.get_objects([first, MISSING, second])
    assert table["atlas_id"].tolist() == [first, MISSING, second]
    assert table["ra"].mask.tolist() == [False, True, False]
    assert np.isnan(table["ra"].data.data[1])
    assert table["name"].mask[1]
    assert table["date_inserted"].mask.tolist() == [False, True, False]


@pytest.mark.parametrize(
    "method",
    [
        "get_objects",
        "get_source",
        "get_light_curve",
        "get_forced_photometry",
        "get_sherlock_crossmatches",
        "get_sherlock_classifications",
        "get_tns_crossmatches",
        "get_external_crossmatches",
    ],
)
def test_an_unknown_object_is_an_error_in_the_servers_words(atlas, method):
    words = "AtlasDiffObjects matching query does not exist."
    with pytest.raises(NotFoundError, match=words) as caught:
        getattr(atlas, method)(MISSING)
    assert caught.value.reason == words
    assert caught.value.service == "ATLAS"


def test_source(atlas, server):
    (first, *_) = server.ids("main")
    source = atlas.get_source(first)
    assert isinstance(source, AtlasSource)
    assert source.atlas_id == first
    entry = atlas.get_objects(first)
    assert source.name == str(entry["name"][0])
    position = SkyCoord(entry["ra"][0], entry["dec"][0], unit="deg")
    assert source.coordinates.separation(position) == 0
    assert str(first) in repr(source)
    assert source.name in source._repr_html_()
    assert source.light_curve is source.light_curve


def test_products_equal_those_of_the_source(atlas, server):
    for object_id in server.ids("main")[:3]:
        source = atlas.get_source(object_id)
        assert_array_equal(
            atlas.get_light_curve(object_id)["exposure"], source.light_curve["exposure"]
        )
        for product in (
            "sherlock_crossmatches",
            "sherlock_classifications",
            "tns_crossmatches",
            "external_crossmatches",
        ):
            expected = getattr(source, product)
            if not len(expected):
                with pytest.warns(NoResultsWarning):
                    table = getattr(atlas, f"get_{product}")(object_id)
            else:
                table = getattr(atlas, f"get_{product}")(object_id)
            assert table.colnames == expected.colnames
            assert len(table) == len(expected)
            assert set(table["atlas_id"]) <= {object_id}


def test_products_of_many_objects_are_one_table(atlas, server):
    ids = server.ids("main")
    table = atlas.get_sherlock_crossmatches(ids)
    assert len(set(table["atlas_id"])) > 3
    assert table["separation"].unit == u.arcsec
    assert table["distance"].unit == u.Mpc
    assert table["physical_separation"].unit == u.kpc
    assert table["sloan_g"].unit == table["johnson_r"].unit == u.mag
    assert len(table.colnames) > 85


def test_time_window(atlas, server):
    object_id = server.ids("main")[0]
    full = atlas.get_light_curve(object_id)
    start, end = full.time[len(full) // 3], full.time[2 * len(full) // 3]
    inside = full[(full.time >= start) & (full.time <= end)]
    assert 0 < len(inside) < len(full)
    for window in (
        {"start": start, "end": end},
        {"start": start.mjd, "end": end.mjd},
        {"start": start.isot, "end": end.tdb},
    ):
        cut = atlas.get_light_curve(object_id, **window)
        # An ISO text has milliseconds, a change of scale microseconds.
        assert abs(len(cut) - len(inside)) <= (0 if "mjd" in str(type(window["start"])) else 1)
    exact = atlas.get_light_curve(object_id, start=start.mjd, end=end.mjd)
    assert_array_equal(exact["exposure"], inside["exposure"])
    assert exact.meta["start"] == start.mjd
    forced = atlas.get_source(object_id, start=start, end=end).forced_photometry
    assert all((forced.time >= start) & (forced.time <= end))


def test_payload(atlas, server):
    first, second, *_ = server.ids("main")
    assert atlas.get_objects([first, second], get_query_payload=True) == {
        "objects": f"{first},{second}",
        "mjd": 99999.0,
    }
    assert atlas.get_source(first, get_query_payload=True) == {"objects": str(first)}
    sent = atlas.get_light_curve(first, start=61300.0, get_query_payload=True)
    assert 61299.9999 < sent["mjd"] < 61300.0


@pytest.mark.parametrize("user", ["reader", "reader2", "writer", "staff", "nogroup"])
def test_every_valid_account_reads(make_atlas, server, user):
    assert len(make_atlas(user).get_objects(server.ids("main")[0])) == 1


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("expired", "Token has expired."),
        ("inactive", "User inactive or deleted."),
        ("badgroup", "Group has no profile"),
    ],
)
def test_refused_accounts(make_atlas, server, user, words):
    atlas = make_atlas(user)
    with pytest.raises(LoginError, match=words) as caught:
        atlas.get_objects(server.ids("main")[0])
    assert caught.value.status == 401
    assert "ATLASQUERY_ATLAS_USERNAME" in str(caught.value)
    assert not atlas.authenticated()


def test_bad_and_missing_tokens(make_atlas, server):
    atlas = make_atlas()
    atlas.login(token="0" * 40)
    with pytest.raises(LoginError, match=r"Invalid token\."):
        atlas.get_objects(server.ids("main")[0])
    atlas.logout()
    with pytest.raises(LoginError, match="ATLASQUERY_ATLAS_TOKEN"):
        atlas.get_objects(server.ids("main")[0], cache=False)


def test_login_by_password(make_atlas, server):
    atlas = make_atlas()
    assert atlas.login("reader", password=server.password("reader")) is True
    assert atlas.authenticated()
    assert len(atlas.get_objects(server.ids("main")[0])) == 1
    with pytest.raises(LoginError, match="Unable to log in with provided credentials"):
        atlas.login("reader", password="wrong")


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (100000000000000000, r"19 digits \(it has 18\)"),
        ("12345678901234567890", r"it has 20"),
        (1.1e18, "is a float"),
        (np.float64(1.1e18), "is a float"),
        ("ATLAS20bbfr", "19 digits; query_object finds the id of a name"),
        (True, "19 digits"),
        (-1234567890123456789, "19 digits"),
    ],
)
def test_bad_ids_are_refused_before_anything_is_sent(box_atlas, sandbox, ids, words):
    sandbox.clear_requests()
    with pytest.raises(InvalidQueryError, match=words):
        box_atlas.get_objects(ids)
    assert sandbox.requests == []


def test_a_misspelled_keyword_is_answered_with_the_right_one(box_atlas):
    with pytest.raises(TypeError, match="did you mean 'start'"):
        box_atlas.get_source(1234567890123456789, strat=3)

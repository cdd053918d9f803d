"""Searches return what numpy finds in the collections, of the double and of the real server."""

import json
import re
import time

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, MaxResultsWarning, NoResultsWarning

RNG = np.random.default_rng(7)
# Each field, its edges, over RA 0, and where there is nothing.
FIELDS = [(290.0, 45.0, 1.5), (0.0, -25.0, 1.2), (120.0, -25.0, 1.2), (150.0, 2.0, 4.5)]
CONES = [
    ((ra + RNG.uniform(-w, w)) % 360, dec + RNG.uniform(-w, w), float(RNG.uniform(2, 59)))
    for ra, dec, w in FIELDS
    for _ in range(9)
] + [(0.0, -25.0, 60.0), (359.9999, -25.0, 59.9), (0.0, -24.5, 40.0), (45.0, 60.0, 10.0)]
FILTERS = {
    "sdssr < 13": lambda r: r["sdssr"] < 13,
    "sdssr < 13 & propermotion > 50": lambda r: (r["sdssr"] < 13) & (r["propermotion"] > 50),
    "(sdssr lt 10) or (sdssr gt 15.5)": lambda r: (r["sdssr"] < 10) | (r["sdssr"] > 15.5),
    "10 <= sdssr < 11": lambda r: (r["sdssr"] >= 10) & (r["sdssr"] < 11),
    "sdssg isnull": lambda r: np.isnan(r["sdssg"]),
    "sdssg is not null & sdssg > 16.9": lambda r: r["sdssg"] > 16.9,
    "not (sdssr < 15.7)": lambda r: r["sdssr"] >= 15.7,
    "sdssr between 10 and 10.5": lambda r: (r["sdssr"] >= 10) & (r["sdssr"] <= 10.5),
    "dec > 45.5 | dec < -25.8": lambda r: (r["decl"] > 45.5) | (r["decl"] < -25.8),
    "ra > 359.5 or ra < 0.5": lambda r: (r["ra"] > 359.5) | (r["ra"] < 0.5),
    "objecttags ct 'ECLIPSING' & sdssr < 12": lambda r: has(r, "eclipsing") & (r["sdssr"] < 12),
    "objectid == 'SYB-0000007'": lambda r: r["objectid"] == "SYB-0000007",
    "sdssg - 0": None,
}


def has(rows, word):
    return np.array([word in text for text in rows["objecttags"].tolist()])


def arrays(server, collections=None):
    """Return the columns of some collections as arrays, with NaN or nothing for null."""
    rows = [
        row | {"collection": name}
        for name, part in server.rows.items()
        if collections is None or name in collections
        for row in part
    ]
    return {
        key: np.array([np.nan if row.get(key) is None else row[key] for row in rows])
        if isinstance(rows[0][key], float) or key in ("sdssg", "ra")
        else np.array([row.get(key) or "" for row in rows])
        for key in ("objectid", "ra", "decl", "sdssr", "sdssg", "propermotion", "objecttags",
                    "collection", "gaia_id")
    }  # fmt: skip


def keys(table):
    return set(zip(table["collection"].tolist(), table["objectid"].tolist(), strict=True))


def chosen(rows, mask):
    return set(zip(rows["collection"][mask].tolist(), rows["objectid"][mask].tolist(), strict=True))


def separations(rows, ra, dec):
    sky = SkyCoord(rows["ra"], rows["decl"], unit="deg")
    return sky.separation(SkyCoord(ra, dec, unit="deg")).arcsec


@pytest.mark.parametrize("part", range(4))
def test_random_cones_have_the_rows_that_numpy_finds(server, client, part):
    rows = arrays(server)
    for ra, dec, arcmin in CONES[part::4]:
        distance = separations(rows, ra, dec)
        expected = chosen(rows, distance <= arcmin * 60)
        asked = {"radius": arcmin * u.arcmin, "columns": ["sdssr", "sdssg"]}
        if not expected:
            with pytest.warns(NoResultsWarning):
                found = client.query_region(SkyCoord(ra, dec, unit="deg"), **asked)
        else:
            found = client.query_region(SkyCoord(ra, dec, unit="deg"), **asked)
        assert keys(found) == expected and len(found) == len(expected)
        assert (np.diff(found["separation"]) >= 0).all()
        near = np.sort(distance[distance <= arcmin * 60])
        np.testing.assert_allclose(found["separation"], near, atol=1e-6)
        by_name = dict(zip(rows["objectid"].tolist(), rows["sdssr"].tolist(), strict=True))
        assert found["sdssr"].tolist() == [by_name[name] for name in found["objectid"]]


@pytest.mark.parametrize(
    ("ra", "dec", "degrees"), [(0.2, -25.0, 2.0), (150.0, 2.0, 3.0), (290.0, 45.0, 1.01)]
)
def test_cones_over_60_arcmin_are_tiled_without_duplicates(server, client, ra, dec, degrees):
    rows = arrays(server)
    expected = chosen(rows, separations(rows, ra, dec) <= degrees * 3600)
    found = client.query_region(SkyCoord(ra, dec, unit="deg"), radius=degrees * u.deg)
    assert len(found) == len(expected) and keys(found) == expected
    assert (np.diff(found["separation"]) >= 0).all()


@pytest.mark.parametrize("dec", [90.0, -90.0, 89.9999999])
def test_the_poles_can_be_asked_for(client, dec):
    with pytest.warns(NoResultsWarning):
        found = client.query_region(SkyCoord(12.0, dec, unit="deg"), radius=1 * u.arcsec)
    assert found["ra"].unit == "deg" and found["separation"].unit == "arcsec"


def test_positions_share_a_search_only_where_little_lies_between(lcc, double):
    near = SkyCoord([290.0, 290.005, 290.01, 291.0], [45.0] * 4, unit="deg")
    cones = lcc.query_region(near, radius="20 arcsec", get_query_payload=True)
    assert len(cones) == 2
    assert max(float(cone["coords"].split()[2]) for cone in cones) <= 2.0


def test_arrays_of_positions_have_their_number(server, client):
    rows = arrays(server)
    centres = SkyCoord([[0.0, 290.0], [150.0, 45.0]], [[-25.0, 45.0], [2.0, 60.0]], unit="deg")
    found = client.query_region(centres, radius="30 arcmin")
    for n, centre in enumerate(centres.ravel()):
        present = found[found["query_index"] == n]
        near = separations(rows, centre.ra.deg, centre.dec.deg) <= 1800
        assert keys(present) == chosen(rows, near) and len(present) == near.sum()
    assert (np.diff(found["query_index"]) >= 0).all()


@pytest.mark.parametrize("expression", FILTERS)
def test_filters_have_the_rows_that_numpy_finds(server, client, expression):
    if FILTERS[expression] is None:
        with pytest.raises(InvalidQueryError, match="cannot be read"):
            client.query_criteria(expression)
        return
    rows = arrays(server)
    expected = chosen(rows, FILTERS[expression](rows))
    found = client.query_criteria(expression, columns=["sdssr", "sdssg", "propermotion"])
    assert keys(found) == expected and len(found) == len(expected) > 0


@pytest.mark.parametrize("expression", ["sdssr < 12", "objecttags ct 'variable'", "sdssg isnull"])
def test_filters_hold_in_cones_texts_and_cross_matches(server, client, expression):
    rows = arrays(server)
    held = {"sdssr < 12": rows["sdssr"] < 12, "objecttags ct 'variable'": has(rows, "variable"),
            "sdssg isnull": np.isnan(rows["sdssg"])}[expression]  # fmt: skip
    near = separations(rows, 150.0, 2.0) <= 3600
    found = client.query_region(
        SkyCoord(150.0, 2.0, unit="deg"), radius="60 arcmin", filters=expression
    )
    assert keys(found) == chosen(rows, held & near)
    found = client.query_text("variable", filters=expression)
    assert keys(found) == chosen(rows, held & has(rows, "variable"))
    first = np.arange(0, len(rows["ra"]), 37)
    found = client.crossmatch(
        SkyCoord(rows["ra"][first], rows["decl"][first], unit="deg"), "1 arcsec", filters=expression
    )
    assert keys(found) == chosen(rows, held & np.isin(np.arange(len(held)), first))


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        ("eclipsing", lambda r: has(r, "eclipsing")),
        ('objecttags:"variable star"', lambda r: has(r, "variable star")),
        ("eclips*", lambda r: has(r, "eclipsing")),
        ("SYA-0000008", lambda r: r["objectid"] == "SYA-0000008"),
        ('"SYB-0000011"', lambda r: r["objectid"] == "SYB-0000011"),
    ],
)
def test_texts_have_the_rows_that_numpy_finds(server, client, text, tests):
    rows = arrays(server)
    found = client.query_text(text, columns="sdssr")
    assert keys(found) == chosen(rows, tests(rows)) and len(found) > 0
    names = ["objectid", "gaia_id", "objecttags", "simbad_best_mainid", "relevance", "sdssr"]
    assert set(names) < set(found.colnames)
    assert found["gaia_id"].dtype.kind == "U" and found["sdssr"].unit == "mag"
    assert not {"db_oid", "kdtree_oid", "objectid_again"} & set(found.colnames)


def test_texts_in_one_collection(server, client):
    rows = arrays(server, ["synth_beta"])
    found = client.query_text("eclipsing", collections="synth-beta")
    assert keys(found) == chosen(rows, has(rows, "eclipsing"))


def test_a_name_that_sesame_does_not_find_is_no_error(client):
    with pytest.warns(NoResultsWarning):
        assert len(client.query_text("M31 the galaxy", resolve=True)) == 0


@pytest.mark.parametrize("seed", range(4))
def test_cross_matches_have_the_rows_that_numpy_finds(server, client, seed):
    rows = arrays(server)
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, len(rows["ra"]), 150)
    ra = np.append(rows["ra"][picked] + rng.normal(0, 4, 150) / 3600, rng.uniform(0, 360, 20))
    dec = np.append(rows["decl"][picked] + rng.normal(0, 4, 150) / 3600, rng.uniform(-89, 89, 20))
    asked = SkyCoord(ra % 360, dec, unit="deg")
    radius = (2.0, 5.5, 14.0, 29.99)[seed]
    found = client.crossmatch(asked, radius * u.arcsec)
    sky = SkyCoord(rows["ra"], rows["decl"], unit="deg")
    present, here, separation, _ = sky.search_around_sky(asked, radius * u.arcsec)
    expected = {
        (int(q), rows["collection"][n], rows["objectid"][n])
        for q, n in zip(present, here, strict=True)
    }
    got = set(zip(*(found[c].tolist() for c in ("query_index", "collection", "objectid")),
                  strict=True))  # fmt: skip
    assert got == expected and len(found) == len(expected) > 0
    np.testing.assert_allclose(np.sort(found["separation"]), np.sort(separation.arcsec), atol=1e-6)


def test_ids_of_a_cross_match_are_kept_whatever_they_are(server, client):
    rows = arrays(server)
    ids = ["two words", "\u03b1-Ori", "same", "same", "a,b;c", "x" * 300, "#5", ""]
    table = Table({"RA": rows["ra"][:8], "Dec": rows["decl"][:8], "who": ids})
    found = client.crossmatch(table, "1 arcsec", ids="who")
    assert found["query_index"].tolist() == list(range(8))
    assert found["query_id"].tolist() == ids
    assert found["objectid"].tolist() == rows["objectid"][:8].tolist()
    big = client.crossmatch(table, "1 arcsec", ids=[2**62 + n for n in range(8)])
    assert big["query_id"].dtype == np.int64
    assert big["query_id"].tolist() == [2**62 + n for n in range(8)]


def test_more_than_500_rows_come_at_once(server, client):
    """The server makes no ZIP of them, says "background", and cuts them into pages."""
    rows = arrays(server)
    found = client.query_criteria("sdssr < 99", columns="*")
    assert len(found) == len(rows["ra"]) > 1000
    assert keys(found) == chosen(rows, np.ones(len(rows["ra"]), bool))
    again = client.get_dataset(found.meta["setid"])
    # A busy server is still at its files when it has sent the rows.
    end = time.monotonic() + 60
    while again.meta["status"] == "in progress" and time.monotonic() < end:
        time.sleep(0.5)
        again = client.get_dataset(found.meta["setid"], cache=False)
    assert again["objectid"].tolist() == found["objectid"].tolist()
    assert again.meta["status"] == "complete" and "light_curves" not in again.meta


def test_sort_sample_and_limit(server, client):
    rows = arrays(server, ["synth_alpha"])
    one = {"collections": "synth-alpha"}
    with pytest.warns(MaxResultsWarning, match="the 7 of max_rows"):
        found = client.query_criteria("sdssr < 99", sort="-sdssr", max_rows=7, **one)
    assert found["sdssr"].tolist() == np.sort(rows["sdssr"])[::-1][:7].tolist()
    found = client.query_criteria("sdssr < 99", sample=11, sort=[("sdssr", "asc")], **one)
    assert len(found) == 11 and (np.diff(found["sdssr"]) >= 0).all()
    centre = SkyCoord(290, 45, unit="deg")
    with pytest.warns(MaxResultsWarning):
        nearest = client.query_region(centre, radius="1 deg", max_rows=3, **one)
    distance = np.sort(separations(rows, 290, 45))[:3]
    np.testing.assert_allclose(nearest["separation"], distance, atol=1e-6)
    with pytest.warns(MaxResultsWarning):
        bright = client.query_region(centre, radius="1 deg", sort="sdssr", max_rows=4, **one)
    inside = rows["sdssr"][separations(rows, 290, 45) <= 3600]
    assert bright["sdssr"].tolist() == np.sort(inside)[:4].tolist()
    few = client.query_region(centre, radius="30 arcmin", sample=5, **one)
    assert len(few) == 5


def test_no_match_is_an_empty_table_of_the_same_columns_and_types(client):
    asked = {"columns": ["sdssr", "ndet", "gaia_id"]}
    centre = SkyCoord(290, 45, unit="deg")
    full = client.query_region(centre, radius="20 arcmin", **asked)
    with pytest.warns(NoResultsWarning):
        none = client.query_region(centre, radius="1 arcsec", **asked)
    assert none.colnames == full.colnames and len(none) == 0
    for name in full.colnames:
        assert none[name].dtype.kind == full[name].dtype.kind, name
        assert none[name].unit == full[name].unit and type(none[name]) is type(full[name])
    with pytest.warns(NoResultsWarning):
        none = client.query_criteria("sdssr < 0", **asked)
    full = client.query_criteria("sdssr < 10", **asked)
    assert none.colnames == full.colnames
    with pytest.warns(NoResultsWarning):
        none = client.query_text("zzzzzz", **asked)
    full = client.query_text("eclipsing", **asked)
    assert set(none.colnames) == set(full.colnames)
    far = SkyCoord([10.0, 20.0], [80.0, 80.0], unit="deg")
    with pytest.warns(NoResultsWarning):
        none = client.crossmatch(far, "2 arcsec", ids=["a", "b"], **asked)
    here = SkyCoord(full["ra"][:2], full["dec"][:2])
    assert none.colnames == client.crossmatch(here, "2 arcsec", ids=["a", "b"], **asked).colnames


def test_columns_have_types_units_and_meaning(client):
    found = client.query_criteria("sdssr < 12", columns="*")
    assert found["propermotion"].unit == u.mas / u.yr and found["ra"].unit == u.deg
    assert found["sdssr"].unit == found["jmag"].unit == u.mag
    assert found["ndet"].dtype == np.int64 and found["gaia_id"].dtype.kind == "U"
    assert (
        found["sdssg"].mask.any() and np.isnan(found["sdssg"].data.data[found["sdssg"].mask]).all()
    )
    assert "<" not in "".join(column.description or "" for column in found.itercols())
    assert found.meta["query"] == "query_criteria" and found.meta["filters"] == "sdssr < 12"
    assert found.meta["service"] == "LCC-Server"


def test_collections_with_hyphens_or_underscores_are_the_same(server, client):
    rows = arrays(server, ["synth_alpha", "synth_beta"])
    expected = chosen(rows, rows["sdssr"] < 11)
    for names in (["synth-alpha", "synth-beta"], ["synth_beta", "synth-alpha"]):
        assert keys(client.query_criteria("sdssr < 11", collections=names)) == expected


def test_lists_of_collections_columns_and_datasets(server, client):
    table = client.list_collections()
    assert table["collection"].tolist() == list(server.rows)
    assert table["nobjects"].tolist() == [len(part) for part in server.rows.values()]
    assert table["last_updated"].scale == "utc" and "<" not in table["description"][0]
    columns = client.list_columns("synth_alpha")
    unit = dict(zip(columns["name"].tolist(), columns["unit"].tolist(), strict=True))
    assert unit["sdssr"] == "mag" and unit["propermotion"] == "mas / yr"
    assert columns["text_search"][columns["name"] == "objecttags"].tolist() == [True]
    result = client.query_criteria("sdssr < 9.5", visibility="public", cache=False)
    listed = client.list_datasets(cache=False)
    assert result.meta["setid"] in listed["setid"]
    at = listed["setid"].tolist().index(result.meta["setid"])
    assert listed["nobjects"][at] == len(result) and listed["created"].scale == "utc"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"columns": "sdsr"}, "columns='sdsr'.*did you mean 'sdssr'"),
        ({"columns": ["sdssr", 5]}, "columns=5"),
        ({"columns": []}, "columns is empty"),
        ({"collections": "synth-alfa"}, "synth-alfa.*did you mean 'synth_alpha'"),
        ({"sort": "sdsr"}, "sort='sdsr'.*did you mean 'sdssr'"),
        ({"sort": [("sdssr", "up")]}, "direction of sort='up'"),
        ({"sort": 5}, "sort=5"),
        ({"sample": 0}, "sample=0"),
        ({"sample": 2.5}, "sample=2.5"),
        ({"max_rows": -2}, "max_rows=-2"),
        ({"max_rows": True}, "max_rows=True"),
        ({"visibility": "publik"}, "visibility='publik'.*did you mean 'public'"),
        ({"timeout": "soon"}, "timeout='soon'"),
        ({"collections": [["synth_alpha"]]}, "is not at this server"),
        ({"columns": [["sdssr"]]}, "is not a column of"),
        ({"save": 5}, "save=5 should be the path"),
        ({"filters": "sdsr < 3"}, "did you mean 'sdssr'"),
    ],
)
def test_what_is_wrong_is_refused_before_a_search_is_sent(lcc, double, asked, message):
    for search in (
        lambda **k: lcc.query_criteria(**{"filters": "sdssr < 1", **k}),
        lambda **k: lcc.query_text("eclipsing", **k),
        lambda **k: lcc.query_region(SkyCoord(290, 45, unit="deg"), radius="1 deg", **k),
    ):
        with pytest.raises(InvalidQueryError) as caught:
            search(**asked)
        assert re.search(message, str(caught.value))
    assert not double.asked("POST")


def test_positions_radii_and_texts_that_are_wrong_are_refused(lcc, double):
    centre = SkyCoord(290, 45, unit="deg")
    table = Table({"ra": [1.0], "dec": [2.0]})
    for search, message in (
        (lambda: lcc.query_region(centre, radius=5), "radius=5"),
        (lambda: lcc.query_region("M31", radius="1 deg"), "coordinates='M31'"),
        (lambda: lcc.query_region(centre, radius="3 deg", sample=5), "sample=5"),
        (lambda: lcc.query_region(centre, radius="1 deg", filters="dec > 3"), "decl"),
        (lambda: lcc.query_region(centre, radius="1 deg", filters="objectid == 'a'"), "objectid"),
        (lambda: lcc.query_text("V* a", resolve=True, filters="ra > 3"), "has ra"),
        (lambda: lcc.crossmatch(centre, "30 arcsec"), "below 30 arcsec"),
        (lambda: lcc.crossmatch(centre, "100 arcsec"), "below 30 arcsec"),
        (lambda: lcc.crossmatch(centre, "-1 arcsec"), "radius"),
        (lambda: lcc.crossmatch(Table({"a": [1]}), "1 arcsec"), "ra and dec"),
        (lambda: lcc.crossmatch(table, "1 arcsec", ids="who"), "ids='who'"),
        (lambda: lcc.crossmatch(table, "1 arcsec", ids=["a", "b"]), "2 names for 1"),
        (lambda: lcc.crossmatch(table, "1 arcsec", ids=[1.5]), "row 0"),
        (lambda: lcc.crossmatch(SkyCoord([], [], unit="deg"), "1 arcsec"), "empty"),
        (lambda: lcc.query_text("ab"), "3 to 1024"),
        (lambda: lcc.query_text("x" * 1025), "3 to 1024"),
        (lambda: lcc.query_text('"eclipsing'), "double quote"),
        (lambda: lcc.crossmatch(table, "1 arcsec", ids={"a"}), "a list or an array"),
        (lambda: lcc.crossmatch(table, "1 arcsec", ids=b"a"), "a list or an array"),
        (lambda: lcc.crossmatch(table, "1 arcsec", ids=5), "a list or an array"),
        (lambda: lcc.query_text("foo AND ("), "parenthesis"),
        (lambda: lcc.query_text('"foo" OR'), "next to AND, OR or NOT"),
        (lambda: lcc.query_text("NOT foo"), "next to AND, OR or NOT"),
        (lambda: lcc.query_text('tags:"eclipsing"'), "names 'tags'"),
        (lambda: lcc.query_criteria(None), "filters is None"),
        (lambda: lcc.get_dataset("../api/key"), "not the name of a dataset"),
        (lambda: lcc.list_datasets(max_rows=1001), "1 to 1000"),
        (lambda: lcc.fetch("abc"), "should be an LCCQuery"),
    ):
        with pytest.raises(InvalidQueryError) as caught:
            search()
        assert message in str(caught.value)
    assert not double.asked("POST") and not double.asked("set")


def test_the_payload_can_be_looked_at(lcc, double):
    sent = lcc.query_criteria(
        "sdssr < 13", collections="synth-alpha", columns="sdssr", sort="-sdssr", sample=5,
        max_rows=2, get_query_payload=True,
    )  # fmt: skip
    assert sent == {
        "url": f"{double.url}api/columnsearch",
        "visibility": "unlisted", "collections[]": ["synth_alpha"], "columns[]": ["sdssr"],
        "filters": "(sdssr lt 13)", "sortspec": '[["sdssr", "desc"]]', "samplespec": "5",
        "limitspec": "2",
    }  # fmt: skip
    cones = lcc.query_region(SkyCoord(0, 0, unit="deg"), radius="2 deg", get_query_payload=True)
    assert len(cones) > 3 and all(
        re.fullmatch(r"\d+\.\d+ -?\d+\.\d+ 60\.0+", c["coords"]) for c in cones
    )
    assert not double.asked("POST")


@pytest.mark.parametrize(
    "sort", ["-sdssr", ("sdssr", "desc"), ["sdssr", "DESC"], [("sdssr", "Desc")], ["-sdssr"]]
)
def test_an_order_is_said_in_several_ways(lcc, sort):
    payload = lcc.query_criteria("sdssr < 13", sort=sort, get_query_payload=True)
    assert json.loads(payload["sortspec"]) == [["sdssr", "desc"]]


@pytest.mark.parametrize("radius", ["29.9 arcsec", "29.999999999999 arcsec"])
def test_the_widest_cross_match_is_not_sent_as_one_too_wide(lcc, radius):
    payload = lcc.crossmatch(SkyCoord(290, 45, unit="deg"), radius, get_query_payload=True)
    assert 29.9 < float(payload["xmd"]) < 30
    with pytest.raises(InvalidQueryError, match="radius"):
        lcc.crossmatch(SkyCoord(290, 45, unit="deg"), "30 arcsec")

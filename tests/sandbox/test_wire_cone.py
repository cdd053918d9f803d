"""The cone search of the ATLAS API: the same for the sandbox and for the real server."""

import json
import re

import pytest

MAIN = {"ra": 150.0, "dec": 2.2, "radius": 300, "requestType": "count"}


def test_cone_all_is_sorted_and_has_no_coordinates(wire):
    rows = wire.json("cone/", {**MAIN, "requestType": "all"})
    assert {row["object"] for row in rows} == set(wire.main())
    assert [list(row) for row in rows] == [["object", "separation", "objectname"]] * 12
    separations = [row["separation"] for row in rows]
    assert separations == sorted(separations)
    assert 0 < separations[0] < separations[-1] < 300


def test_cone_nearest_is_the_first_of_all(wire):
    rows = wire.json("cone/", {**MAIN, "requestType": "all"})
    assert wire.json("cone/", {**MAIN, "requestType": "nearest"}) == rows[0]


def test_cone_ids_are_bare_integers(wire):
    text = wire.post("cone/", {**MAIN, "requestType": "nearest"}).text
    assert re.match(r'\{"object":\d{19},"separation":\d', text)


@pytest.mark.parametrize(("kind", "empty"), [("all", []), ("nearest", {}), ("count", {"count": 0})])
@pytest.mark.parametrize(
    "where", [{"ra": 200, "dec": 80}, {"dec": 91}, {"radius": 0}, {"radius": -1}]
)
def test_cone_without_objects(wire, kind, empty, where):
    assert wire.json("cone/", {**MAIN, **where, "requestType": kind}) == empty


@pytest.mark.parametrize("radius", [300.01, 301, 1e9])
def test_cone_radius_is_bounded(wire, radius):
    reply = wire.json("cone/", {**MAIN, "radius": radius}, status=400)
    assert reply == {"error": "Max radius is 300 arcsec."}


def test_cone_radius_is_strict(wire):
    row = wire.json("cone/", {**MAIN, "requestType": "nearest"})
    inside = {**MAIN, "radius": repr(row["separation"] + 1e-9)}
    at = {**MAIN, "radius": repr(row["separation"])}
    assert wire.json("cone/", inside) == {"count": 1}
    assert wire.json("cone/", at) == {"count": 0}


@pytest.mark.parametrize("ra", [0, 360, -360, 720])
def test_cone_wraps_over_ra_zero(wire, ra):
    rows = wire.json("cone/", {"ra": ra, "dec": 10, "radius": 300, "requestType": "all"})
    hours = {str(row["object"])[1:3] for row in rows}
    assert (len(rows), hours) == (13, {"23", "00"})


@pytest.mark.parametrize(("topic", "dec"), [("north_pole", 89.97), ("south_pole", -89.97)])
def test_cone_at_the_poles(wire, topic, dec):
    ra = {"north_pole": 120, "south_pole": 300}[topic]
    rows = wire.json("cone/", {"ra": ra, "dec": dec, "radius": 300, "requestType": "all"})
    assert {row["object"] for row in rows} == set(wire.server.ids(topic))


def test_cone_separations_are_rounded_below_a_milliarcsecond(wire):
    item = wire.item(wire.main()[0], mjd=99999)["object"]
    step = 0.002 / 3600
    found = set()
    for k in range(20):
        where = {"ra": item["ra"], "dec": item["dec"] + k / 20 * step}
        found.add(
            wire.json("cone/", {**where, "radius": 1, "requestType": "nearest"})["separation"]
        )
    assert max(found) < 0.006
    assert len(found) < 8


def test_ids_survive_exactly(wire):
    """The ids on the wire are whole numbers beyond 2**53."""
    text = wire.post("cone/", {**MAIN, "requestType": "all"}).text
    ids = [row["object"] for row in json.loads(text)]
    assert all(type(i) is int and 2**53 < i < 2**63 for i in ids)
    assert {len(str(i)) for i in ids} == {19}

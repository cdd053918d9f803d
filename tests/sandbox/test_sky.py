"""What the synthetic sky of the sandbox holds."""

import gzip
import json

import numpy as np
import pytest
import requests

from atlasquery.sandbox import Sandbox


def post(box, path, data):
    headers = {"Authorization": f"Token {box.token}", "Accept": "application/json"}
    return requests.post(box.url + path, data, headers=headers, timeout=60)


def items(box, ids, **parameters):
    joined = ",".join(map(str, ids))
    return post(box, "objects/", {"objects": joined, **parameters}).json()


def test_manifest(sandbox):
    manifest = sandbox.manifest
    json.dumps(manifest)
    assert {"users", "ids", "clusters", "poison_500", "missing_id", "no_lc", "all_ids", "tns_names",
            "counts", "mjd_ref", "positions"} <= set(manifest)  # fmt: skip
    assert len(set(manifest["all_ids"])) == len(manifest["all_ids"]) >= 500
    assert sorted(i for ids in manifest["ids"].values() for i in ids) == sorted(manifest["all_ids"])
    assert set(manifest["positions"]) == set(manifest["all_ids"])
    assert {len(i) for i in manifest["all_ids"]} == {19}


@pytest.mark.parametrize(
    ("topic", "count"),
    [("supernova", 60), ("variable", 40), ("mover", 20), ("m_dwarf", 20), ("orphan", 20),
     ("main", 12), ("wide", 80), ("ra_zero", 12), ("wrap0", 1), ("north_pole", 8),
     ("south_pole", 8), ("crowded", 160), ("field", 60)],
)  # fmt: skip
def test_topics(sandbox, topic, count):
    assert len(sandbox.manifest["ids"][topic]) == count


def test_ids_follow_from_positions(sandbox):
    for identifier, (ra, dec) in sandbox.manifest["positions"].items():
        hours = int(identifier[1:3]) + int(identifier[3:5]) / 60 + int(identifier[5:9]) / 360000
        degrees = int(identifier[10:12]) + int(identifier[12:14]) / 60
        degrees += int(identifier[14:18]) / 360000
        # Objects less than a step apart take the next free id.
        assert abs((hours * 15 - ra + 180) % 360 - 180) < 2e-4
        assert abs(degrees - abs(dec)) < 2e-4
        assert (identifier[9] == "1") == (dec >= 0)


def distance(centre, positions):
    """Great-circle distances by the haversine formula, arcsec."""
    (ra0, dec0), (ra, dec) = np.radians(centre), np.radians(np.array(positions)).T
    half = np.sin((dec - dec0) / 2) ** 2
    half += np.cos(dec0) * np.cos(dec) * np.sin((ra - ra0) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(half))) * 3600


@pytest.mark.parametrize("cluster", ["main", "ra_zero", "north_pole", "south_pole", "crowded"])
def test_cones_find_what_lies_there(sandbox, cluster):
    positions = {int(i): p for i, p in sandbox.manifest["positions"].items()}
    ra, dec = sandbox.manifest["clusters"][cluster]
    for radius in (30, 120, 300):
        near = distance((ra, dec), list(positions.values())) < radius
        ask = {"ra": ra, "dec": dec, "radius": radius, "requestType": "all"}
        found = post(sandbox, "cone/", ask).json()
        assert {row["object"] for row in found} == {
            i for i, inside in zip(positions, near, strict=True) if inside
        }
        true = sorted(distance((ra, dec), list(positions.values()))[near])
        assert [row["separation"] for row in found] == pytest.approx(true, abs=0.0015)


def test_a_degree_around_main_is_a_test_of_tiles(sandbox):
    positions = list(sandbox.manifest["positions"].values())
    assert (distance((150.0, 2.2), positions) < 3600).sum() >= 60


def test_supernovae_rise_and_fall(sandbox):
    found = items(sandbox, sandbox.manifest["ids"]["supernova"])
    named = [item for item in found if item["tns_crossmatches"]]
    assert len(named) > 30
    assert {"SN Ia", "SN II"} <= {item["object"]["observation_status"] for item in named}
    assert any(item["sherlock_crossmatches"][0]["z"] for item in named)
    followed = [item["lc"] for item in found if len(item["lc"]) > 40]
    assert len(followed) > 30
    for rows in followed:
        mags = np.array([row["mag"] for row in rows])
        brightest = np.argmin(np.where(mags > 0, mags, 99))
        assert mags[brightest] < np.median(mags[-8:])
        assert rows[brightest]["mjd"] - rows[0]["mjd"] < 40


def test_variables_are_negative_half_of_the_time(sandbox):
    rows = [r for i in items(sandbox, sandbox.manifest["ids"]["variable"]) for r in i["lc"]]
    negative = np.mean([row["mag"] < 0 for row in rows])
    assert len(rows) > 500
    assert 0.3 < negative < 0.7


@pytest.mark.parametrize(("topic", "most"), [("mover", 2), ("m_dwarf", 4)])
def test_what_lasts_one_night(sandbox, topic, most):
    for item in items(sandbox, sandbox.manifest["ids"][topic]):
        if item["lc"]:
            assert len({int(row["mjd"]) for row in item["lc"]}) == 1
            assert len(item["lc"]) <= most


def test_orphans_match_nothing(sandbox):
    for item in items(sandbox, sandbox.manifest["ids"]["orphan"], mjd=99999):
        assert item["sherlock_crossmatches"] == []
        for row in item["sherlock_classifications"]:
            if str(item["object"]["id"]) not in sandbox.manifest["no_lc"]:
                assert row["classification"] == "ORPHAN"


def test_colours_of_exposures_follow_the_moon(sandbox):
    (item,) = items(sandbox, sandbox.manifest["no_lc"][:1])
    rows = [row for row in item["lcnondets"] if row["filter"] in "oc"]
    phase = (np.array([row["mjd"] for row in rows]) - 51549.8) / 29.530588 % 1
    dark = np.abs(phase - np.round(phase)) < 0.15
    cyan = np.array([row["filter"] == "c" for row in rows])
    assert cyan[dark].all()
    assert cyan[~dark].mean() < 0.3


def test_forced_photometry_has_all_its_traps(sandbox):
    ids = sandbox.manifest["ids"]
    found = items(sandbox, ids["supernova"] + ids["variable"])
    rows = [row for item in found for row in item["fp"]]
    kinds = {
        "failed": lambda r: r["mag"] is None and r["limiting_mag"] and r["uJy"] is None,
        "limit": lambda r: r["limiting_mag"] and (r["dm"], r["snr"]) == (0.0, 3.0),
        "negative": lambda r: r["mag"] is None and not r["limiting_mag"],
        "detection": lambda r: r["mag"] and not r["limiting_mag"] and r["uJy"] > 0,
        "apfit of the exposure": lambda r: r["apfit"] is None and r["uJy"] is not None,
    }
    counts = {name: sum(map(bool, map(test, rows))) for name, test in kinds.items()}
    assert all(counts.values()), counts
    # A magnitude and its flux say the same, to the digits of the columns.
    for row in filter(kinds["detection"], rows):
        assert 23.9 - 2.5 * np.log10(row["uJy"]) == pytest.approx(row["mag"], abs=2e-4)


def test_season_has_hundreds_of_limits(sandbox):
    found = items(sandbox, sandbox.manifest["ids"]["field"] + sandbox.manifest["ids"]["orphan"])
    counts = np.array([len(i["lcnondets"]) for i in found if len(i["lc"]) < 60])
    assert 250 < counts.min() < np.median(counts) < 470


@pytest.fixture(scope="module")
def full():
    """A sandbox with nine years of exposures."""
    with Sandbox(history="full") as box:
        yield box


def test_full_history_has_the_size_of_real_objects(full):
    ids = full.manifest["ids"]["supernova"][:20]
    for identifier in ids:
        reply = post(full, "objects/", {"objects": identifier})
        (item,) = reply.json()
        assert 2500 < len(item["lcnondets"]) < 3300
        assert 0.7e6 < len(reply.content) < 1.05e6
        times = [row["mjd"] for row in item["lcnondets"]]
        assert times[-1] - times[0] > 8.5 * 365


def test_full_history_has_the_same_objects(full, sandbox):
    assert full.manifest["positions"] == sandbox.manifest["positions"]
    assert full.manifest["ids"] == sandbox.manifest["ids"]


def test_real_objects_have_the_same_keys(full, shared):
    (item,) = items(full, full.manifest["ids"]["supernova"][:1])
    for path in sorted((shared / "data" / "atlas").glob("*.json.gz")):
        with gzip.open(path) as stream:
            real = json.load(stream)
        real = real[0] if isinstance(real, list) else real
        assert set(real) == set(item)
        # Names that came to the server after these were taken, or went.
        assert set(real["object"]) ^ set(item["object"]) <= {"vra", "realbogus_factor"}
        for block in ("lc", "lcnondets"):
            assert set(item[block][0]) - set(real[block][0]) <= {"date_inserted"}
            assert set(real[block][0]) <= set(item[block][0])

"""Objects of the ATLAS server beyond those of the one sky: what it sends of them agrees."""

from collections import Counter

import numpy as np
import pytest
import requests

from atlasquery.atlas import AtlasClass
from atlasquery.sandbox import Sandbox
from atlasquery.sandbox.atlas.population import Population
from atlasquery.sandbox.sky import MJD_REF, SEASON_DAYS, SEED

COUNT = 1300


@pytest.fixture(scope="module")
def many():
    with Sandbox(objects=COUNT) as box:
        yield box


@pytest.fixture(scope="module")
def generated(many):
    return [int(one) for one in many.manifest["ids"]["generated"]]


@pytest.fixture(scope="module")
def found(many, generated):
    """Every ninth object, as it leaves on the wire."""
    return items(many, generated[::9])


@pytest.fixture(scope="module")
def listed(many):
    """The rows of all detection lists, by id."""
    rows = [row for n in range(14) for row in post(many, "objectlist/", {"objectlistid": n})]
    return {row["id"]: row for row in rows}


def post(box, path, data, *, token=None):
    headers = {"Authorization": f"Token {token or box.token}", "Accept": "application/json"}
    reply = requests.post(box.url + path, data, headers=headers, timeout=60)
    assert reply.ok, reply.text[:300]
    return reply.json()


def items(box, ids, **parameters):
    return post(box, "objects/", {"objects": ",".join(map(str, ids)), **parameters})


def test_as_many_objects_as_asked_for_each_with_an_id(many, generated):
    assert len(set(many.manifest["all_ids"])) == len(many.manifest["all_ids"]) == COUNT
    assert many.manifest["n"] == COUNT == len(generated) + 501
    assert repr(many).endswith(f"{COUNT} objects>")
    # One more makes requests fail.
    assert many.manifest["counts"]["objects"] == COUNT + 1
    assert len(many.sky) == 501


def test_the_one_sky_is_the_same_with_and_without_others(many, sandbox):
    ids = sandbox.manifest["all_ids"]
    assert many.manifest["all_ids"][: len(ids)] == ids
    assert items(many, ids[::25]) == items(sandbox, ids[::25])
    cone = {"ra": 150.0, "dec": 2.2, "radius": 300, "requestType": "all"}
    assert post(many, "cone/", cone) == post(sandbox, "cone/", cone)


def test_rows_have_the_keys_and_types_of_others(found, many):
    others = items(many, many.manifest["ids"]["supernova"])
    for block in ("object", "lc", "lcnondets", "fp", "sherlock_classifications"):
        pick = [row for item in found for row in rows_of(item[block])]
        expected = [row for item in others for row in rows_of(item[block])]
        assert [*pick[0]] == [*expected[0]], block
        for name in expected[0]:
            kinds, allowed = ({type(row[name]) for row in rows} for rows in (pick, expected))
            # No object of these is ranked.
            assert kinds <= allowed | {type(None)}, (block, name)


def rows_of(block):
    return [block] if isinstance(block, dict) else block


def test_catalogue_entries_and_lists_agree_with_light_curves(found, listed):
    detected = 0
    for item in found:
        one, lc = item["object"], item["lc"]
        assert one["ndetections"] == len(lc)
        assert {row["id"] for row in lc} <= {one["id"]}
        times = [row["mjd"] for row in lc]
        assert times == sorted(times)
        if one["id"] not in listed:
            assert one["detection_list_id"] is None
            continue
        row = listed[one["id"]]
        assert row["detection_list_id"] == one["detection_list_id"]
        if not lc:
            assert row["latest_mjd"] is row["earliest_mag"] is row["ra_avg"] is None
            continue
        detected += 1
        for word, measured in (("earliest", lc[0]), ("latest", lc[-1])):
            assert row[f"{word}_mjd"] == measured["mjd"]
            assert row[f"{word}_mag"] == abs(measured["mag"])
            assert row[f"{word}_filter"] == measured["filter"]
        for axis in ("ra", "dec"):
            mean = np.mean([one[axis] for one in lc])
            assert row[f"{axis}_avg"] == pytest.approx(mean, abs=1e-8)
    assert detected > 40


def test_each_exposure_is_a_detection_or_none(found):
    for item in found:
        seen = {row["atlas_metadata_id"] for row in item["lc"]}
        empty = {row["id"] for row in item["lcnondets"]}
        assert not seen & empty
        assert 350 < len(seen | empty) < 500


def test_forced_photometry_of_every_third_agrees_with_detections(many, generated):
    some = items(many, generated[:60])
    assert [bool(item["fp"]) for item in some] == [n % 3 == 0 for n in range(60)]
    deviations = []
    for item in some:
        flux = {row["expname"]: (row["wpflx"], row["dflx"]) for row in item["lc"]}
        for row in item["fp"]:
            if row["expname"] in flux and row["uJy"] is not None:
                expected, error = flux[row["expname"]]
                deviations.append((row["uJy"] - expected) / error)
    assert len(deviations) > 300
    assert 0.1 < np.std(deviations) < 0.25
    numbers = [row["id"] for item in some for row in item["fp"]]
    assert len(set(numbers)) == len(numbers)


def test_rows_since_a_date_are_the_last_of_all(many, generated, found):
    since = MJD_REF - 60
    for item, late in zip(found, items(many, generated[::9], mjd=since), strict=True):
        assert late["lc"] == [row for row in item["lc"] if row["mjd"] > since]
        assert late["fp"] == [row for row in item["fp"] if row["mjd_obs"] >= since]


def test_objects_are_of_all_kinds_and_on_all_lists(many, generated, listed):
    lists = Counter(listed[one]["detection_list_id"] for one in generated if one in listed)
    assert set(lists) == set(range(14))
    classes = Counter(row["sherlockClassification"] for row in listed.values())
    assert classes["SN"] > classes["VS"] > classes["AGN"] > 20
    names = [row["atlas_designation"] for row in listed.values() if row["atlas_designation"]]
    assert len(set(names)) == len(names)


def test_cone_search_and_tns_name_find_an_object(many, generated, listed):
    named = next(row for key in generated if (row := listed.get(key)) and row["other_designation"])
    cone = {"ra": named["ra"], "dec": named["dec"], "radius": 3, "requestType": "nearest"}
    assert post(many, "cone/", cone)["object"] == named["id"]
    names = {"externalObjects": named["other_designation"]}
    ((match,),) = post(many, "externalxmlist/", names)
    assert match["transient_object_id"] == named["id"]


def test_light_curves_are_computed_again_and_few_are_kept(many, generated, found):
    population = Population(SEED, "season", COUNT - 501)
    after = [[row["mag"] for row in population.detections(i, ["mag"], 0)] for i in generated[::9]]
    assert after == [[row["mag"] for row in item["lc"]] for item in found]
    kept = population._patch.cache_info()
    assert kept.misses > kept.maxsize >= kept.currsize
    assert items(many, generated[::9]) == found


def test_last_season_is_the_same_in_a_full_history():
    season, full = (Population(SEED, history, 90) for history in ("season", "full"))
    assert season.ids.tolist() == full.ids.tolist()
    names, more = ["mjd", "mag", "expname"], 0
    for one in season.ids.tolist():
        late = full.detections(one, names, MJD_REF - SEASON_DAYS)
        assert late == season.detections(one, names, MJD_REF - SEASON_DAYS)
        more += len(full.detections(one, names, 0)) - len(late)
    assert more > 1000


def test_file_keeps_the_number_of_objects(tmp_path):
    path = tmp_path / "box.db"
    with Sandbox(path, objects=600) as box:
        one = int(box.manifest["ids"]["generated"][0])
        before = items(box, [one])
        move = {"objectid": one, "objectlist": 12}
        post(box, "objectdetectionlist/", move, token=box.writer_token)
        added = box.add_object()
    with Sandbox(path) as box:
        after = items(box, [one])
        assert len(box.manifest["all_ids"]) == 601
        assert items(box, [added])[0]["lc"]
    assert after[0]["object"]["detection_list_id"] == 12
    assert after[0]["lc"] == before[0]["lc"]
    with pytest.raises(ValueError, match=r"objects=601, but path=.* was created with 600"):
        Sandbox(path, objects=601)
    Sandbox(path, objects=600)


@pytest.mark.parametrize("objects", [0, 500, 501.0, True, "many", 10**7])
def test_wrong_numbers_are_refused(objects):
    with pytest.raises(ValueError, match=r"objects=.* whole number from 501"):
        Sandbox(objects=objects)


def test_objects_are_those_of_the_atlas_server():
    with pytest.raises(ValueError, match="objects=600 is for the ATLAS server"):
        Sandbox(services="alerce", objects=600)
    assert Sandbox(objects=501).manifest["all_ids"] == Sandbox().manifest["all_ids"]


def test_client_downloads_them(many, generated, tmp_path):
    client = AtlasClass(server=many.url)
    client.cache_location = tmp_path / "cache"
    client.login(token=many.token)
    done = client.download_sources(generated, tmp_path / "all", start=61340, progress=False)
    assert set(done["status"].tolist()) == {"fetched"}
    assert int(done["detections"].sum()) > 5000

"""Objects added to the sandbox: chosen ids, scores, lists and light curves."""

import pytest

from atlasquery.atlas import AtlasClass, conf
from atlasquery.sandbox import Sandbox

ID = 1234567890123456789


@pytest.fixture
def box():
    with Sandbox() as box:
        yield box


@pytest.fixture
def atlas(box, tmp_path):
    atlas = AtlasClass(server=box.url)
    atlas.cache_location = tmp_path
    atlas.login(token=box.token)
    return atlas


def test_an_object_with_all_that_is_chosen(box, atlas):
    one = box.add_object(
        150.01, 2.21, atlas_id=str(ID), name="ATLAS26zzx", tns_name="2026zzx", list_id=2,
        sherlock_class="NT", spec_type="TDE", vra_rank=10.0, vra_todo=True,
        custom_lists=["mookodi", 73, 501],
    )  # fmt: skip
    assert one == ID
    entry = atlas.get_objects(one)[0]
    assert (entry["name"], entry["tns_name"], entry["list_id"]) == ("ATLAS26zzx", "2026zzx", 2)
    assert (entry["sherlock_class"], entry["spec_type"]) == ("NT", "TDE")
    assert entry["vra_rank"] == 10
    assert atlas.query_object("AT 2026zzx")["atlas_id"].tolist() == [ID]
    assert atlas.query_object("ATLAS26zzx")["atlas_id"].tolist() == [ID]
    assert ID in atlas.query_region("150.01d +2.21d", "1 arcsec")["atlas_id"].tolist()
    assert ID in atlas.query_list("good", vra=(10, None))["atlas_id"].tolist()
    with conf.set_temp("custom_lists", "mine=501"):
        assert atlas.get_list_members("mine")["atlas_id"].tolist() == [ID]
        lists = atlas.get_list_memberships(ID)
        assert set(lists["name"].tolist()) == {"good", "mookodi", "vra", "mine"}
    assert atlas.query_vra_todo(ID)["atlas_id"].tolist() == [ID]
    assert atlas.query_vra_ranks(ID)["rank"].tolist() == [10.0]
    lc, forced = atlas.get_light_curve(ID), atlas.get_forced_photometry(ID)
    assert lc["detection"].sum() > 5
    assert (~lc["detection"]).sum() > 5
    assert len(forced) > 5
    manifest = box.manifest
    assert manifest["ids"]["added"] == [str(ID)]
    assert manifest["n"] == len(manifest["all_ids"]) == manifest["counts"]["objects"] - 1
    assert manifest["positions"][str(ID)] == [150.01, 2.21]
    assert "502 objects" in repr(box)


def test_scores_at_the_ends_of_their_ranges(box, atlas):
    rows = [
        {"preal": 0, "pgal": 1, "pfast": 0.5, "mjd": 61300.0},
        {"preal": 1, "pgal": 0, "rank": -1, "is_gal_cand": True, "username": "me"},
        {"preal": 0.5, "pgal": 0.5, "rank": 10, "debug": True, "mjd": 61400.0},
    ]
    one = box.add_object(vra_scores=rows, vra_rank=-1)
    scores = atlas.query_vra_scores(one)
    assert scores["preal"].tolist() == [0.0, 1.0]
    assert scores["pgal"].tolist() == [1.0, 0.0]
    assert scores["rank"].tolist() == [None, -1.0]
    assert scores["is_gal_cand"].tolist() == [None, 1]
    assert scores["time"].isot[0] == "2026-09-17T00:00:00.000"
    debug = atlas.query_vra_scores(one, debug=True)
    assert debug["preal", "pgal", "rank"][0].as_void().tolist() == (0.5, 0.5, 10.0)
    assert atlas.get_objects(one)["vra_rank"].tolist() == [-1.0]


def test_chosen_detections(box, atlas):
    given = [(61350.25, "o", 16.9), (61352.25, "c", -18.5, 0.25)]
    one = box.add_object(detections=given)
    lc = atlas.get_light_curve(one)
    seen = lc[lc["detection"]]
    assert seen.time.mjd.tolist() == [61350.25, 61352.25]
    assert seen["band"].tolist() == ["o", "c"]
    assert float(seen["flux"].value[0]) == pytest.approx(10 ** (0.4 * (23.9 - 16.9)), rel=1e-4)
    assert float(seen["flux"].value[1]) == pytest.approx(-(10 ** (0.4 * (23.9 - 18.5))), rel=1e-4)
    entry = atlas.query_list("eyeball")
    row = entry[entry["atlas_id"] == one][0]
    assert (row["earliest_mjd"], row["latest_mjd"]) == (61350.25, 61352.25)
    assert len(atlas.get_source(one).forced_photometry) == 0
    nothing = box.add_object(detections=[], kind="quiet", forced=False, list_id=None)
    source = atlas.get_source(nothing)
    assert not source.light_curve["detection"].any()
    assert len(source.forced_photometry) == 0


def test_many_objects_are_apart_and_stay_in_a_file(tmp_path):
    path = tmp_path / "sky.sqlite"
    with Sandbox(path) as box:
        ids = [box.add_object(kind=kind) for kind in ("supernova", "orphan", "mover", "variable")]
        assert len(set(ids)) == 4
        assert box.add_object(150.0, 2.2) + 100 == box.add_object(150.0, 2.2)
    with Sandbox(path) as again:
        assert again.manifest["ids"]["added"][:4] == [str(one) for one in ids]
    with Sandbox() as other:
        assert "added" not in other.manifest["ids"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"atlas_id": 12}, "atlas_id=12 should be a whole number of 19 digits"),
        ({"atlas_id": 1.2e18}, "atlas_id="),
        ({"atlas_id": "9999999999999999999"}, "too large"),
        ({"ra": 10.0}, "give ra and dec"),
        ({"ra": 400.0, "dec": 1.0}, "ra=400.0 should be a finite number from 0 to 360"),
        ({"kind": "nova"}, "kind='nova' should be one of supernova"),
        ({"list_id": 14}, "list_id=14 should be a detection list, from 0 to 13"),
        ({"list_id": True}, "list_id=True"),
        ({"sherlock_class": "SNIa"}, "sherlock_class='SNIa' should be one of"),
        ({"vra_scores": [{}, {"preal": 1.5}]}, r"vra_scores\[1\]\['preal'\]=1.5 should be"),
        ({"vra_scores": [{"prael": 1}]}, r"vra_scores\[0\] has 'prael'"),
        ({"vra_scores": [1]}, r"vra_scores\[0\]=1 should be a dictionary"),
        ({"vra_rank": float("nan")}, "vra_rank=nan"),
        ({"custom_lists": "mookody"}, "custom_lists has 'mookody'; the sandbox has mookodi"),
        ({"custom_lists": 0}, "custom_lists has 0"),
        ({"detections": [(61300, "o")]}, r"detections\[0\]="),
    ],
)
def test_what_the_tables_cannot_hold_is_refused(sandbox, options, words):
    before = sandbox.manifest
    with pytest.raises(ValueError, match=words):
        sandbox.add_object(**options)
    assert sandbox.manifest == before
    taken = sandbox.manifest["all_ids"][0]
    with pytest.raises(ValueError, match="is the id of another object"):
        sandbox.add_object(atlas_id=taken)

"""Ids as users have them: tables, frames, sets, names, or none at all."""

import json

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.units import arcmin

from atlasquery.atlas import AtlasClass
from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, NotFoundError

CENTRE = SkyCoord(150.0, 2.2, unit="deg")
NOTHING = "atlas_ids is empty, so there is nothing to do"


@pytest.fixture
def bot(sandbox, tmp_path):
    bot = AtlasClass(server=sandbox.url)
    bot.cache_location = tmp_path / "answers"
    bot.login(token=sandbox.writer_token)
    sandbox.clear_requests()
    return bot


@pytest.fixture
def found(box_atlas):
    return box_atlas.query_region(CENTRE, 2 * arcmin)


def test_a_radius_may_stand_in_its_place(box_atlas, found):
    by_name = box_atlas.query_region(CENTRE, radius=2 * arcmin)
    assert found["atlas_id"].tolist() == by_name["atlas_id"].tolist()
    assert box_atlas.count_region(CENTRE, 2 * arcmin) == len(found) == 2


def test_what_was_found_is_asked_for(box_atlas, found):
    ids = found["atlas_id"].tolist()
    frame = pytest.importorskip("pandas").DataFrame({"atlas_id": ids, "note": ["a", "b"]})
    for given in (found, frame, frame["atlas_id"], (one for one in ids), frozenset(ids)):
        got = box_atlas.get_objects(given)["atlas_id"].tolist()
        assert got == (sorted(ids) if isinstance(given, frozenset) else ids)
    assert list(box_atlas.get_sources(found, start=61300)) == ids
    assert box_atlas.get_source(found[1], start=61300).atlas_id == ids[1]
    with pytest.raises(InvalidQueryError, match="'atlas_id'; it has name"):
        box_atlas.get_objects(found["name",])


@pytest.mark.parametrize(
    ("method", "columns"),
    [
        ("get_objects", ["atlas_id", "name", "ra"]),
        ("get_sherlock_crossmatches", ["atlas_id", "rank"]),
        ("get_sherlock_classifications", ["atlas_id", "classification"]),
        ("get_tns_crossmatches", ["atlas_id", "name"]),
        ("get_external_crossmatches", ["atlas_id", "name"]),
    ],
)
def test_no_ids_are_an_empty_table(bot, sandbox, method, columns):
    full = getattr(bot, method)(bot.query_region(CENTRE, 5 * arcmin))
    sandbox.clear_requests()
    with pytest.warns(NoResultsWarning, match=NOTHING) as caught:
        table = getattr(bot, method)([])
    assert [one.filename for one in caught] == [__file__]
    assert len(table) == 0
    assert set(columns) <= set(table.colnames)
    kinds = {name: table[name].dtype.kind for name in columns}
    assert kinds == {name: full[name].dtype.kind for name in columns}
    assert sandbox.requests == []


def test_no_ids_are_an_empty_collection(bot, sandbox, tmp_path):
    for method in (bot.get_sources, bot.get_light_curves):
        with pytest.warns(NoResultsWarning, match=NOTHING):
            sources = method(Table({"atlas_id": []}))
        assert (len(sources), sources.failures) == (0, [])
    with pytest.warns(NoResultsWarning, match=NOTHING):
        assert list(bot.iter_sources(set())) == []
    pytest.importorskip("pyarrow")
    with pytest.warns(NoResultsWarning, match=NOTHING):
        done = bot.download_sources([], tmp_path / "d")
    assert (len(done), done.colnames[:2]) == (0, ["atlas_id", "status"])
    assert sandbox.requests == []


@pytest.mark.parametrize("dry_run", [False, True])
def test_no_ids_are_no_writes(bot, sandbox, dry_run):
    calls = [
        lambda: bot.add_to_list([], "mookodi", dry_run=dry_run),
        lambda: bot.remove_from_list([], "mookodi", dry_run=dry_run),
        lambda: bot.move_to_list([], "eyeball", dry_run=dry_run),
        lambda: bot.add_vra_scores([], preal=[], pgal=0.5, dry_run=dry_run),
        lambda: bot.add_vra_todo([], dry_run=dry_run),
        lambda: bot.set_vra_rank([], [], rank_alt1=[], is_gal_cand=False, dry_run=dry_run),
    ]
    for call in calls:
        with pytest.warns(NoResultsWarning, match=NOTHING) as caught:
            table = call()
        assert [one.filename for one in caught] == [__file__]
        expected = ["atlas_id", "ok", "message", *(["endpoint", "payload"] if dry_run else [])]
        assert table.colnames == expected
        assert [table[name].dtype.kind for name in expected] == list("ibUUU"[: len(expected)])
        assert len(table) == 0
    assert sandbox.requests == []


def test_no_ids_are_refused_where_they_could_mean_all(bot, sandbox):
    for method in (bot.query_vra_scores, bot.query_vra_todo, bot.query_vra_ranks):
        with pytest.raises(InvalidQueryError, match="atlas_ids is empty: give at least one id"):
            method([])
    assert sandbox.requests == []


def test_of_many_ids_the_wrong_one_is_named(bot, sandbox, found):
    ids = found["atlas_id"].tolist()
    with pytest.raises(InvalidQueryError, match=r"^atlas_ids\[2\]=12 should be a whole number"):
        bot.get_sources([*ids, 12])
    with pytest.raises(InvalidQueryError, match=r"^atlas_ids\[1\]='ATLAS26zy' .*query_object"):
        bot.add_to_list([ids[0], "ATLAS26zy"], "mookodi")


def test_a_name_is_an_id_where_one_is_meant(bot, sandbox):
    one = sandbox.manifest["ids"]["supernova"][2]
    entry = bot.get_objects(one)[0]
    # The request for the object itself included.
    for name, most in ((entry["name"], 15), (f"SN {entry['tns_name']}", 2)):
        bot.clear_cache()
        sandbox.clear_requests()
        lc = bot.get_light_curve(str(name), start=61200)
        assert lc.meta["atlas_id"] == int(one)
        assert 2 <= len(sandbox.requests) <= most
    for method in (bot.get_source, bot.get_forced_photometry, bot.get_list_memberships):
        result = method(str(entry["name"]))
        if hasattr(result, "colnames"):
            assert set(result["atlas_id"].tolist()) == {int(one)}


def test_a_name_that_is_no_id_is_refused(bot, sandbox, monkeypatch):
    with pytest.raises(NotFoundError, match="No list of ATLAS has ATLAS26zzzzz"):
        bot.get_source("ATLAS26zzzzz")
    sandbox.clear_requests()
    for bad in ("12", "-5", "1.1e18", "", "  ", "nan", None, 1.5, True):
        with pytest.raises(InvalidQueryError, match=r"^atlas_id="):
            bot.get_source(bad)
    with pytest.raises(InvalidQueryError, match="is a name, whose id takes requests"):
        bot.get_source("ATLAS26zy", get_query_payload=True)
    with pytest.raises(InvalidQueryError, match="holds 2 ids, where one is needed"):
        bot.get_light_curve(["ATLAS26zy", "ATLAS26zz"])
    assert sandbox.requests == []


def test_scores_come_from_series_and_frames(bot, found):
    pd = pytest.importorskip("pandas")
    ids = found["atlas_id"].tolist()
    scores = pd.Series([0.25, None], index=[8, 3])
    plan = bot.add_vra_scores(ids, preal=scores, rank=pd.Series([5, 10]), dry_run=True)
    assert plan["payload"].tolist() == [
        f'{{"objectid":{ids[0]},"preal":0.25,"rank":5.0}}',
        f'{{"objectid":{ids[1]},"rank":10.0}}',
    ]
    frame = pd.DataFrame({"atlas_id": ids, "preal": scores.to_numpy(), "pgal": [0.0, 1.0]}, [4, 2])
    plan = bot.add_vra_scores(frame, debug=True, dry_run=True)
    assert plan["payload"].tolist() == [
        f'{{"objectid":{ids[0]},"preal":0.25,"pgal":0.0,"debug":"true"}}',
        f'{{"objectid":{ids[1]},"pgal":1.0,"debug":"true"}}',
    ]
    when = pd.Series(pd.to_datetime(["2026-05-01T02:00:00+02:00", None], utc=True))
    plan = bot.add_vra_todo(ids, time=when, dry_run=True)
    assert plan["payload"].tolist() == [
        f'{{"objectid":{ids[0]},"insertdate":"2026-05-01T00:00:00Z"}}',
        f'{{"objectid":{ids[1]}}}',
    ]


def test_a_set_has_no_order_for_values(bot, found):
    ids = set(found["atlas_id"].tolist())
    assert len(bot.add_vra_scores(ids, preal=0.5, dry_run=True)) == 2
    with pytest.raises(InvalidQueryError, match="a set of ids has no order"):
        bot.add_vra_scores(ids, preal=[0.5, 0.25], dry_run=True)


def test_scores_of_any_table_are_all_sent(bot, found):
    ids = found["atlas_id"].tolist()
    pa = pytest.importorskip("pyarrow")
    rows = [(ids[0], 0.5), (ids[1], 0.25)]
    array = np.array(rows, dtype=[("atlas_id", "i8"), ("preal", "f8")])
    for given in (array, pa.table({"atlas_id": ids, "preal": [0.5, 0.25]})):
        plan = bot.add_vra_scores(given, pgal=0.1, dry_run=True)
        sent = [json.loads(row) for row in plan["payload"]]
        assert [row["preal"] for row in sent] == [0.5, 0.25]
        assert [row["objectid"] for row in sent] == ids

"""Updates of downloads: with what is new asked for, they are what a new download has."""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import sqlite3
from pathlib import Path
from urllib.parse import parse_qs

import astropy.units as u
import damaging_proxy
import numpy as np
import pytest
from astropy.table import Table
from test_bulk import good_ids
from test_download import KINDS, files

from atlasquery.atlas import AtlasClass, bulk, conf, download_directory, parquet_files
from atlasquery.exceptions import InputWarning, InvalidQueryError, LargeQueryWarning
from atlasquery.sandbox import Sandbox

pytest.importorskip("pyarrow", reason="the parquet extra is not installed")

# When the seeded surveys end is 61360; the proxy hides what came later than this.
EARLIER = 61335.0
WINDOW = {"start": 61310.0}
LIGHT = ("detections", "non_detections", "forced")
TIMES = {"lc": "mjd", "lcnondets": "mjd", "fp": "mjd_obs"}


def edited(change):
    """Return a fault that changes each item of a response."""

    def spoil(reply):
        if reply.status != 200:
            return reply
        items = json.loads(reply.body)
        for item in items:
            if isinstance(item["object"], dict):
                change(item)
        return damaging_proxy.Reply(body=json.dumps(items))

    return spoil


def before(mjd):
    """Return a fault that hides the rows from a time on, as if it were that time."""

    def change(item):
        for product, key in TIMES.items():
            item[product] = [row for row in item[product] or () if row[key] < mjd]

    return edited(change)


def usual_ids(server):
    """Return the ids of objects whose non-detections do not depend on the times asked for.

    Those of an object on both sides of RA 0 do: the server computes them from the positions of
    the detections that it sends.
    """
    across = {int(i) for i in server.manifest["ids"].get("wrap0", ())}
    return [i for i in good_ids(server) if i not in across]


class Clock(damaging_proxy.FaultProxy):
    """A server at any time that is wanted."""

    def at(self, mjd):
        self.forget()
        self.since, self.lasting = (None, None) if mjd is None else (0, before(mjd))

    def asked(self):
        """Return the ids that were asked for, in order."""
        bodies = [r.body for r in self.received if r.path == "/api/objects/"]
        forms = [parse_qs(b.decode() if isinstance(b, bytes) else b) for b in bodies]
        return [int(i) for form in forms for i in form["objects"][0].split(",")]


@pytest.fixture
def clock(server):
    proxy = Clock(server.url)
    proxy.token_of = server.token
    yield proxy
    proxy.stop()


@pytest.fixture
def box_clock(sandbox):
    proxy = Clock(sandbox.url)
    proxy.token_of = lambda user: sandbox.users[user].token
    yield proxy
    proxy.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(bulk, "LARGEST_CHUNK", 25)
    with conf.set_temp("backoff", 0.001):
        yield


def stored(directory, ids=None):
    """Return the rows of each kind, by object; those of an object in the order of the files."""
    import pyarrow as pa

    found = {}
    opened = sqlite3.connect(directory / download_directory.MANIFEST)
    for kind in KINDS:
        query = "select chunk from files where kind = ? order by chunk"
        chunks = [f"{chunk:08d}.parquet" for (chunk,) in opened.execute(query, (kind,))]
        if not chunks:
            continue
        table = parquet_files.read_arrow([directory / kind / name for name in chunks])
        table = table.take(np.argsort(table["atlas_id"].to_numpy(), kind="stable"))
        if ids is not None:
            chosen = np.isin(table["atlas_id"].to_numpy(), list(ids))
            table = table.filter(pa.array(chosen))
        found[kind] = table
    opened.close()
    return found


def is_same(one, other):
    """Return whether all rows are the same, values and nulls."""
    return one.keys() == other.keys() and all(one[kind].equals(other[kind]) for kind in one)


def client(proxy, user="staff"):
    atlas = AtlasClass(server=proxy.url)
    atlas.login(token=proxy.token_of(user))
    return atlas


def test_an_update_is_what_a_new_download_has(server, clock, tmp_path):
    ids = usual_ids(server)[:40]
    atlas = client(clock)
    clock.at(EARLIER)
    first = atlas.download_sources(ids, tmp_path / "data", **WINDOW)
    clock.at(None)
    fresh = atlas.download_sources(ids, tmp_path / "fresh", **WINDOW)
    clock.forget()
    done = atlas.download_sources(ids, tmp_path / "data", **WINDOW, update="all")
    assert is_same(stored(tmp_path / "data"), stored(tmp_path / "fresh"))
    for kind in KINDS:
        assert done[kind].tolist() == fresh[kind].tolist()
    assert done["new_rows"].sum() > 300
    assert done["new_rows"].tolist() == [
        int(sum(done[kind][n] - first[kind][n] for kind in LIGHT)) for n in range(len(ids))
    ]
    assert set(done["status"]) <= {"updated", "checked"}
    assert done["status"].tolist() == [
        "updated" if n else "checked" for n in done["new_rows"].tolist()
    ]
    # The rows asked for are the last ones only.
    assert (done["since"][~done["since"].mask].mjd < EARLIER).all()
    assert np.median(done["since"][~done["since"].mask].mjd) > EARLIER - 20
    assert "revised, added or deleted" in done.meta["not_looked_at"][0]
    assert len(done.meta["not_looked_at"]) == 1
    # All files that are there count, and what a reader of light curves sees is the same.
    again = atlas.download_sources(ids, tmp_path / "data", **WINDOW)
    assert set(again["status"]) == {"kept"}
    curves = [atlas.read_sources(tmp_path / name) for name in ("data", "fresh")]
    assert sorted(curves[0]) == sorted(curves[1])
    for atlas_id in ids[:5]:
        one, other = (c[atlas_id] for c in curves)
        assert one["time"].mjd.tolist() == other["time"].mjd.tolist()
        assert one["exposure"].tolist() == other["exposure"].tolist()


def test_only_changed_objects_are_asked_for(server, clock, tmp_path):
    atlas = client(clock)
    listed = {name: atlas.query_list(name, cache=False) for name in ("good", "possible")}
    latest = {}
    for table in listed.values():
        mjds = np.ma.filled(np.ma.asarray(table["latest_mjd"], float), np.nan)
        latest |= dict(zip(table["atlas_id"].tolist(), mjds.tolist(), strict=True))
    poison = int(server.manifest["poison_500"])
    ids = [i for i in latest if i != poison and i in set(usual_ids(server))]
    # An hour at which a tenth of them had their last detection in the future.
    seen = np.sort([mjd for mjd in latest.values() if np.isfinite(mjd)])
    now = seen[-len(seen) // 10] + 1e-3
    clock.at(now)
    atlas.download_sources(ids, tmp_path / "data", start=61340.0)
    old = stored(tmp_path / "data")
    clock.at(None)
    atlas.download_sources(ids, tmp_path / "fresh", start=61340.0)
    clock.forget()
    atlas.clear_cache()
    done = atlas.download_sources(ids, tmp_path / "data", start=61340.0, update="changed")
    changed = {i for i in ids if latest[i] >= now}
    assert 8 < len(changed) < len(ids) / 5
    status = dict(zip(done["atlas_id"].tolist(), done["status"].tolist(), strict=True))
    assert {i for i in ids if status[i] == "updated"} == changed
    assert {i for i in ids if status[i] == "unchanged"} == set(ids) - changed
    assert sorted(clock.asked()) == sorted(changed)
    paths = [r.path for r in clock.received]
    assert paths.count("/api/objectlist/") == 2
    rest = set(ids) - changed
    assert is_same(stored(tmp_path / "data", changed), stored(tmp_path / "fresh", changed))
    assert is_same(stored(tmp_path / "data", rest), _only(old, rest))
    after = stored(tmp_path / "data")
    assert f"{len(ids) - len(changed)} objects 'unchanged'" in done.meta["not_looked_at"][1]
    assert done["since"].mask.tolist() == [i not in changed for i in ids]
    # Once more: lists have nothing new now.
    atlas.clear_cache()
    clock.forget()
    again = atlas.download_sources(ids, tmp_path / "data", start=61340.0, update="changed")
    assert set(again["status"]) == {"unchanged"}
    assert clock.asked() == []
    assert is_same(stored(tmp_path / "data"), after)


def _only(tables, ids):
    import pyarrow as pa

    return {
        kind: table.filter(pa.array(np.isin(table["atlas_id"].to_numpy(), list(ids))))
        for kind, table in tables.items()
    }


def test_any_sequence_of_updates_ends_with_all_rows(sandbox, box_clock, tmp_path):
    ids = usual_ids(sandbox)[:50]
    atlas = client(box_clock)
    rng = random.Random(17)
    for mjd in (61315.5, 61330.0, 61345.5, 61350.0, None):
        box_clock.at(mjd)
        some = ids if mjd is None else rng.sample(ids, 30)
        look_back = rng.choice(["0 d", "3 d", "40 d"])
        done = atlas.download_sources(
            some, tmp_path / "data", **WINDOW, update="all", look_back=look_back
        )
        assert done["atlas_id"].tolist() == some
        assert set(done["status"]) <= {"fetched", "updated", "checked"}
    atlas.download_sources(ids, tmp_path / "fresh", **WINDOW)
    assert is_same(stored(tmp_path / "data"), stored(tmp_path / "fresh"))


def test_rows_that_were_late_revised_or_deleted(sandbox, box_clock, tmp_path):
    some = usual_ids(sandbox)[:8]
    atlas = client(box_clock)
    box_clock.at(None)
    done = atlas.download_sources(some, tmp_path / "some", **WINDOW)
    one = some[int(np.argmax(done["non_detections"]))]
    tmp_path = tmp_path / "one"
    atlas.download_sources([one], tmp_path, **WINDOW)
    whole = atlas.read_sources(tmp_path, "non_detections")
    tables = stored(tmp_path)
    last = max(tables[kind]["time"].to_numpy().max() for kind in LIGHT if kind in tables)

    def change(item):
        limits = item["lcnondets"]
        for row in limits:
            row["mag5sig"] = 17.25
        del limits[0]

    box_clock.since, box_clock.lasting = 0, edited(change)
    done = atlas.download_sources([one], tmp_path, **WINDOW, update="all", look_back=10 * u.day)
    assert done["new_rows"].tolist() == [-1]
    assert done["status"].tolist() == ["updated"]
    assert abs(done["since"].mjd[0] - (last - 10)) < 1e-6
    after = atlas.read_sources(tmp_path, "non_detections")
    assert len(after) == len(whole) - 1
    is_late = after["time"].mjd >= last - 10
    assert (after["limiting_mag"][is_late] == 17.25).all()
    assert (after["limiting_mag"][~is_late] != 17.25).all()
    assert (~is_late).sum() == (whole["time"].mjd < last - 10).sum()


def test_an_entry_that_changed_is_found_by_its_list(tmp_path):
    with Sandbox() as box:
        atlas = AtlasClass(server=box.url)
        atlas.login(token=box.writer_token)
        good = atlas.query_list("good", cache=False)["atlas_id"].tolist()
        ids = [i for i in good if i != int(box.manifest["poison_500"])]
        assert len(ids) > 75
        atlas.download_sources(ids, tmp_path, **WINDOW)
        old = atlas.read_sources(tmp_path, "sherlock_classifications")
        atlas.set_vra_rank(ids[3], 9.5, rank_alt1=1, is_gal_cand=False)
        atlas.move_to_list(ids[5], "possible")
        done = atlas.download_sources(ids, tmp_path, **WINDOW, update="changed")
        status = done["status"].tolist()
        entries = atlas.read_sources(tmp_path, "objects")
        # What the list does not show is not seen; what has left the list is asked for.
        assert status[5] == "updated"
        assert {s for n, s in enumerate(status) if n not in (3, 5)} == {"unchanged"}
        assert entries["list_id"][entries["atlas_id"] == ids[5]] == [3]
        assert done["new_rows"].tolist() == [0] * len(ids)
        assert len(atlas.read_sources(tmp_path, "sherlock_classifications")) == len(old)


def test_few_objects_take_no_list(sandbox, box_clock, tmp_path):
    ids = usual_ids(sandbox)[:20]
    atlas = client(box_clock)
    atlas.download_sources(ids, tmp_path, **WINDOW)
    box_clock.forget()
    done = atlas.download_sources(ids, tmp_path, **WINDOW, update="changed")
    assert set(done["status"]) == {"checked"}
    assert {r.path for r in box_clock.received} == {"/api/objects/"}
    assert len(box_clock.received) <= 2


def test_objects_looked_at_lately_are_left_alone(sandbox, box_clock, tmp_path):
    ids = usual_ids(sandbox)[:30]
    atlas = client(box_clock)
    atlas.download_sources(ids[:20], tmp_path, **WINDOW)
    _age(tmp_path, ids[:5], 86400)
    box_clock.forget()
    done = atlas.download_sources(ids, tmp_path, **WINDOW, update="all", max_age="12 h")
    assert done["status"].tolist() == ["checked"] * 5 + ["kept"] * 15 + ["fetched"] * 10
    assert sorted(box_clock.asked()) == sorted(ids[:5] + ids[20:])
    # The rows are as old as before: without an update they are fetched again.
    done = atlas.download_sources(ids, tmp_path, **WINDOW, max_age="12 h")
    assert done["status"].tolist() == ["fetched"] * 5 + ["kept"] * 25


def _age(directory, ids, seconds):
    opened = sqlite3.connect(directory / download_directory.MANIFEST)
    for i in ids:
        opened.execute(
            "update objects set at = at - ?, checked = checked - ? where atlas_id = ?",
            (seconds, seconds, i),
        )
    opened.commit()
    opened.close()


def test_what_cannot_be_updated_is_kept(sandbox, box_clock, tmp_path):
    ids = usual_ids(sandbox)[:6]
    atlas = client(box_clock)
    box_clock.at(EARLIER)
    atlas.download_sources(ids, tmp_path, **WINDOW)
    old = stored(tmp_path)
    box_clock.at(None)
    box_clock.since, box_clock.lasting = 0, damaging_proxy.status(500)
    with pytest.warns(InputWarning):
        done = atlas.download_sources(ids, tmp_path, **WINDOW, update="all")
    assert set(done["status"]) == {"stale"}
    assert is_same(stored(tmp_path), old)

    def withdrawn(reply):
        items = json.loads(reply.body)
        for item in items:
            if item["object"]["id"] == ids[4]:
                item["lc"] = [{"mjd": "soon"}]
            if item["object"]["id"] == ids[2]:
                item.update(dict.fromkeys(item))
                item["object"] = "AtlasDiffObjects matching query does not exist."
        return damaging_proxy.Reply(body=json.dumps(items))

    box_clock.forget()
    box_clock.since, box_clock.lasting = 0, withdrawn
    with pytest.warns(InputWarning, match="2 of 6 objects failed"):
        done = atlas.download_sources(ids, tmp_path, **WINDOW, update="all")
    assert done["status"].tolist() == ["updated"] * 2 + ["stale", "updated", "stale", "updated"]
    assert "does not exist" in done["reason"][2]
    assert is_same(stored(tmp_path, (ids[2], ids[4])), _only(old, (ids[2], ids[4])))


def test_a_quota_that_ends_serves_those_that_waited_longest(sandbox, box_clock, tmp_path):
    ids = usual_ids(sandbox)[:200]
    atlas = client(box_clock)
    atlas.download_sources(ids, tmp_path, **WINDOW)
    # That was yesterday.
    with contextlib.closing(sqlite3.connect(tmp_path / download_directory.MANIFEST)) as opened:
        opened.execute("update objects set checked = at - 86400")
        opened.commit()
    seen = set()
    with conf.set_temp("limit_loopback", True), conf.set_temp("hourly_limit", 4):
        # At least 50 objects each time.
        for _ in range(4):
            other = AtlasClass(server=box_clock.url)
            other.login(token=box_clock.token_of("staff"))
            _forget_requests()
            with pytest.warns((InputWarning, LargeQueryWarning)):
                done = other.download_sources(ids, tmp_path, **WINDOW, update="all")
            new = {i for i, s in done["atlas_id", "status"].iterrows() if s == "checked"}
            assert len(new) in range(50, 101)
            waiting = set(ids) - seen
            assert new <= waiting or waiting <= new
            seen |= new
    assert seen == set(ids)


def _forget_requests():
    """Let the hour of the quota be over."""
    from astropy.config import get_cache_dir

    for path in Path(get_cache_dir()).rglob("quota.sqlite*"):
        path.unlink()


def test_a_manifest_of_an_earlier_version(sandbox, box_clock, tmp_path):
    ids = usual_ids(sandbox)[:40]
    atlas = client(box_clock)
    box_clock.at(EARLIER)
    atlas.download_sources(ids, tmp_path / "data", **WINDOW)
    opened = sqlite3.connect(tmp_path / "data" / download_directory.MANIFEST)
    for name in ("checked", "last", "detected"):
        opened.execute(f"alter table objects drop column {name}")
    opened.commit()
    opened.close()
    box_clock.at(None)
    assert len(atlas.read_sources(tmp_path / "data", "objects")) == 40
    done = atlas.download_sources(ids, tmp_path / "data", **WINDOW, update="all")
    assert np.median(done["since"][~done["since"].mask].mjd) > EARLIER - 20
    atlas.download_sources(ids, tmp_path / "fresh", **WINDOW)
    assert is_same(stored(tmp_path / "data"), stored(tmp_path / "fresh"))


def test_longer_strings_are_not_cut_by_other_readers(sandbox, box_clock, tmp_path):
    ids = usual_ids(sandbox)[:3]
    atlas = client(box_clock)
    atlas.download_sources(ids, tmp_path, **WINDOW)
    long = "x" * 300

    def change(item):
        item["object"]["local_comments"] = long
        item["object"]["a_new_key"] = 2**60 + 1

    box_clock.since, box_clock.lasting = 0, edited(change)
    box_clock.forget()
    atlas.download_sources(ids[:2], tmp_path, **WINDOW, update="all")
    (file,) = (tmp_path / "objects").glob("*.parquet")
    alone = Table.read(file, format="parquet")
    comments = [str(text) for text in alone["comments"][:2]]
    assert comments == [long, long]
    entries = atlas.read_sources(tmp_path, "objects")
    assert entries["atlas_id"].tolist() == ids
    assert entries["a_new_key"].tolist() == [str(2**60 + 1)] * 2 + [None]


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"update": "change"}, "did you mean 'changed'"),
        ({"update": True}, "update=True"),
        ({"look_back": 7}, "look_back=7 should be a time"),
        ({"look_back": None}, "look_back=None should be a time"),
        ({"update": "all", "look_back": "-1 d"}, "look_back"),
    ],
)
def test_arguments_are_checked(box_atlas, sandbox, tmp_path, bad, match):
    sandbox.clear_requests()
    with pytest.raises(InvalidQueryError, match=match):
        box_atlas.download_sources(usual_ids(sandbox)[:2], tmp_path / "data", **bad)
    assert sandbox.requests == []
    assert not (tmp_path / "data").exists()


# Killed


@pytest.mark.parametrize("where", ["replace", "link", "commit", "unlink"])
def test_killed_in_the_middle_of_an_update(sandbox, box_clock, tmp_path, monkeypatch, where):
    ids = usual_ids(sandbox)[:40]
    atlas = client(box_clock)
    box_clock.at(EARLIER)
    atlas.download_sources(ids, tmp_path / "data", **WINDOW)
    old = stored(tmp_path / "data")
    box_clock.at(None)
    atlas.download_sources(ids, tmp_path / "fresh", **WINDOW)
    fresh = stored(tmp_path / "fresh")

    class KilledError(BaseException):
        pass

    def kill(*args, **kwargs):
        raise KilledError

    holder, name = {
        "replace": (os, "replace"),
        "link": (os, "link"),
        "commit": (download_directory.DownloadDirectory, "_replace"),
        "unlink": (download_directory.DownloadDirectory, "_unlink"),
    }[where]
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(holder, name, kill)
        atlas.download_sources(ids, tmp_path / "data", **WINDOW, update="all")
    between = stored(tmp_path / "data")
    if where != "unlink":
        assert is_same(between, old)
    done = atlas.download_sources(ids, tmp_path / "data", **WINDOW, update="all")
    assert set(done["status"]) <= {"updated", "checked"}
    assert is_same(stored(tmp_path / "data"), fresh)
    opened = sqlite3.connect(tmp_path / "data" / download_directory.MANIFEST)
    named = {f"{k}/{c:08d}.parquet" for c, k in opened.execute("select chunk, kind from files")}
    opened.close()
    assert set(files(tmp_path / "data")) == named


def update(url, token, ids, directory, cache):
    """What a process does until it is killed."""
    from astropy.config import paths
    from astroquery import log

    log.setLevel("ERROR")
    bulk.LARGEST_CHUNK = 8
    with paths.set_temp_cache(cache):
        atlas = AtlasClass(server=url)
        atlas.login(token=token)
        atlas.download_sources(ids, directory, **WINDOW, update="all", progress=False)


def test_an_update_killed_at_any_instant(sandbox, box_clock, tmp_path):
    ids = usual_ids(sandbox)[:40]
    atlas = client(box_clock)
    (tmp_path / "cache").mkdir()
    box_clock.at(EARLIER)
    atlas.download_sources(ids, tmp_path / "data", **WINDOW)
    old = stored(tmp_path / "data")
    box_clock.at(None)
    atlas.download_sources(ids, tmp_path / "fresh", **WINDOW)
    fresh = stored(tmp_path / "fresh")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["atlasquery.atlas", "pyarrow.parquet", "test_download_update"])
    token, draw = box_clock.token_of("staff"), random.Random(61360)
    for n in range(5):
        arguments = (box_clock.url, token, ids, tmp_path / "data", tmp_path / "cache")
        process = context.Process(target=update, args=arguments)
        process.start()
        # Longer from one to the next, so that each gets farther on any machine.
        process.join(draw.uniform(0.05, 0.15) * (n + 1))
        if process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
        process.join(60)
        # Each object is either as it was or as it is now.
        between = stored(tmp_path / "data")
        for atlas_id in ids:
            one = _only(between, [atlas_id])
            assert is_same(one, _only(old, [atlas_id])) or is_same(one, _only(fresh, [atlas_id]))
    done = atlas.download_sources(ids, tmp_path / "data", **WINDOW, update="all")
    assert set(done["status"]) <= {"updated", "checked"}
    assert is_same(stored(tmp_path / "data"), fresh)

"""Downloads: whatever ends them, what is read is what an undisturbed one has."""

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import astropy.units as u
import damaging_proxy
import msgspec
import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time
from test_bulk import RECENT, bad_ids, good_ids

from atlasquery.atlas import AtlasClass, bulk, conf, download_directory, manifest, parquet_files
from atlasquery.atlas.columns import DETECTION, FORCED, OBJECT
from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    LoginError,
)
from atlasquery.sandbox import Sandbox

pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
KINDS = tuple(parquet_files.KINDS)


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with conf.set_temp("backoff", 0.001):
        yield


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bulk, "LARGEST_CHUNK", 10)
    monkeypatch.setattr(bulk, "FIRST_CHUNK", 10)


def rows(atlas, directory):
    """Return all that counts, as text by kind: ids, order and masks included."""
    return {
        kind: [str(tuple(row)) for row in atlas.read_sources(directory, kind).as_array()]
        if kind not in ("sherlock_crossmatches",)
        else atlas.read_sources(directory, kind)["atlas_id", "rank", "match_id"].pformat(-1, -1)
        for kind in KINDS
    }


def files(directory):
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*.parquet*"))


def test_everything_of_each_object(atlas, server, tmp_path):
    ids = good_ids(server)[:40]
    done = atlas.download_sources(ids, tmp_path / "data")
    assert done.colnames == ["atlas_id", "status", *KINDS, "reason"]
    assert done["atlas_id"].tolist() == ids
    assert set(done["status"]) == {"fetched"}
    assert done["reason"].mask.all()
    sources = atlas.get_sources(ids)
    tables = {kind: atlas.read_sources(tmp_path / "data", kind) for kind in KINDS}
    for kind, table in tables.items():
        assert table.colnames[0] == "atlas_id"
        assert table["atlas_id"].dtype == np.int64
        counts = dict(zip(*np.unique(table["atlas_id"], return_counts=True), strict=True))
        assert [counts.get(i, 0) for i in ids] == done[kind].tolist()
    assert done["objects"].tolist() == [1] * 40
    expected = sources.table()
    assert tables["objects"]["atlas_id"].tolist() == ids
    for name in expected.colnames:
        ours, theirs = tables["objects"][name], expected[name]
        assert type(ours) is type(theirs)
        if isinstance(theirs, Time):
            assert (abs((ours - theirs).to_value("s"))[~theirs.mask] < 1e-3).all()
        else:
            assert ours.unit == theirs.unit
            assert ours.dtype.kind == theirs.dtype.kind
            assert ours.tolist() == theirs.tolist()
        assert ours.info.description == theirs.info.description
    for atlas_id, source in sources.items():
        lc = source.light_curve
        seen = tables["detections"][tables["detections"]["atlas_id"] == atlas_id]
        unseen = tables["non_detections"][tables["non_detections"]["atlas_id"] == atlas_id]
        assert sorted(seen["time"].mjd) == sorted(lc.time[lc["detection"]].mjd)
        assert len(seen) + len(unseen) == len(lc)
        forced = tables["forced"][tables["forced"]["atlas_id"] == atlas_id]
        theirs = source.forced_photometry
        assert len(forced) == len(theirs)
        assert np.isclose(np.nansum(forced["flux"].filled(0)), _sent(source), rtol=1e-9)
        assert done["crossmatches"][ids.index(atlas_id)] == len(source.tns_crossmatches) + len(
            source.external_crossmatches
        )
    meta = tables["objects"].meta
    assert meta["server"] == server.url
    assert (meta["start"], meta["end"]) == (None, None)


def _sent(source):
    rows = json.loads(bytes(source._item["fp"])) or ()
    return sum(row["uJy"] or 0 for row in rows)


def test_units_descriptions_masks_and_types(box_atlas, sandbox, tmp_path):
    box_atlas.download_sources(good_ids(sandbox)[:60], tmp_path, start=RECENT)
    forced = box_atlas.read_sources(tmp_path, "forced")
    assert forced["flux"].unit == u.uJy
    assert forced["flux"].description == FORCED.by_name["flux"].about
    assert isinstance(forced["time"], Time)
    assert forced["time"].scale == "utc"
    assert forced["reported_mag"].mask.any()
    assert np.isnan(forced["reported_mag"].data.data[forced["reported_mag"].mask]).all()
    matches = box_atlas.read_sources(tmp_path, "crossmatches")
    assert isinstance(matches["discovery_date"], Time)
    assert matches["discovery_date"].mask.any()
    import pyarrow.parquet

    file = tmp_path / files(tmp_path)[0]
    table = pyarrow.parquet.read_table(file, partitioning=None)
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["atlas_id"] == "int64"
    assert kinds["discovery_date"] == "timestamp[us, tz=UTC]"
    assert table["type"].null_count > 0
    # Without us: astropy's own reader knows units and descriptions, pandas the rest.
    detections = next(f for f in files(tmp_path) if f.startswith("detections"))
    alone = Table.read(tmp_path / detections, format="parquet")
    assert alone["signed_mag"].unit == u.mag
    assert alone["atlas_id"].description == DETECTION.by_name["atlas_id"].about


def test_a_second_call_sends_nothing(box_atlas, sandbox, tmp_path, small):
    ids = good_ids(sandbox)[:28]
    box_atlas.download_sources(ids, tmp_path, start=RECENT)
    before, listed = rows(box_atlas, tmp_path), files(tmp_path)
    sandbox.clear_requests()
    again = box_atlas.download_sources(ids[::-1], tmp_path, start=RECENT)
    assert sandbox.requests == []
    assert set(again["status"]) == {"kept"}
    assert again["atlas_id"].tolist() == ids[::-1]
    assert again["non_detections"].sum() > 0
    assert rows(box_atlas, tmp_path) == before
    assert files(tmp_path) == listed
    more = good_ids(sandbox)[24:34]
    table = box_atlas.download_sources(more, tmp_path, start=RECENT)
    assert table["status"].tolist() == ["kept"] * 4 + ["fetched"] * 6
    assert len(sandbox.requests) == 1
    assert len(box_atlas.read_sources(tmp_path, "objects")) == 34


def test_failures_are_named_and_tried_again(box_atlas, sandbox, tmp_path):
    good, (poison, unknown) = good_ids(sandbox)[:30], bad_ids(sandbox)
    asked = [*good[:5], poison, unknown, *good[5:]]
    with pytest.warns(InputWarning, match="2 of 32 objects failed") as warned:
        table = box_atlas.download_sources(asked, tmp_path, start=RECENT)
    assert warned[0].filename == __file__
    assert table["atlas_id"].tolist() == asked
    bad = table[table["status"] == "failed"]
    assert bad["atlas_id"].tolist() == [poison, unknown]
    assert "500" in bad["reason"][0]
    assert "does not exist" in bad["reason"][1]
    sandbox.clear_requests()
    with pytest.raises(IncompleteResultError) as caught:
        box_atlas.download_sources(asked, tmp_path, start=RECENT, on_error="raise")
    assert 1 <= len(sandbox.requests) <= 4
    assert [i for i, _ in caught.value.failures] == [poison, unknown]
    assert list(caught.value.result["status"]).count("kept") == 30


def test_old_objects_are_renewed_without_doubles(box_atlas, sandbox, tmp_path, monkeypatch, small):
    ids = good_ids(sandbox)[:30]
    box_atlas.download_sources(ids, tmp_path, start=RECENT)
    before = rows(box_atlas, tmp_path)
    opened = sqlite3.connect(tmp_path / download_directory.MANIFEST)
    old = ids[:16:2]
    for atlas_id in old:
        opened.execute("update objects set at = at - 86400 where atlas_id = ?", (atlas_id,))
    opened.commit()
    opened.close()
    table = box_atlas.download_sources(ids, tmp_path, start=RECENT, max_age="2 d")
    assert set(table["status"]) == {"kept"}
    table = box_atlas.download_sources(ids, tmp_path, start=RECENT, max_age=12 * u.hour)
    assert [i for i, s in table["atlas_id", "status"].iterrows() if s == "fetched"] == old
    after = rows(box_atlas, tmp_path)
    assert {kind: sorted(all_of) for kind, all_of in after.items()} == {
        kind: sorted(all_of) for kind, all_of in before.items()
    }
    # What other tools see of the folder is the same: no file has a row that does not count.
    import pyarrow.parquet

    found = [
        i
        for f in files(tmp_path)
        if f.startswith("objects")
        for i in pyarrow.parquet.read_table(tmp_path / f, partitioning=None)["atlas_id"].to_pylist()
    ]
    assert sorted(found) == sorted(ids)
    box_atlas.download_sources(ids, tmp_path, start=RECENT, max_age=0 * u.s)
    assert {k: sorted(v) for k, v in rows(box_atlas, tmp_path).items()} == {
        k: sorted(v) for k, v in before.items()
    }


def test_what_cannot_be_renewed_is_kept(tmp_path):
    with Sandbox() as box:
        proxy = damaging_proxy.FaultProxy(box.url)
        atlas = AtlasClass(server=proxy.url)
        atlas.login(token=box.token)
        ids = good_ids(box)[:5]
        atlas.download_sources(ids, tmp_path, start=RECENT)
        before = rows(atlas, tmp_path)
        proxy.since, proxy.lasting = 0, damaging_proxy.status(500)
        with pytest.warns(InputWarning):
            table = atlas.download_sources(ids, tmp_path, start=RECENT, max_age="0 s")
        assert set(table["status"]) == {"stale"}
        assert not table["reason"].mask.any()
        assert rows(atlas, tmp_path) == before
        proxy.since, proxy.lasting = 0, damaging_proxy.expired
        with pytest.raises(LoginError):
            atlas.download_sources(ids, tmp_path, start=RECENT, max_age="0 s")
        proxy.stop()


def test_an_object_whose_rows_cannot_be_read_is_named(tmp_path):
    with Sandbox() as box:
        proxy = damaging_proxy.FaultProxy(box.url)
        atlas = AtlasClass(server=proxy.url)
        atlas.login(token=box.token)
        ids = good_ids(box)[:6]

        def spoil(reply):
            items = json.loads(reply.body)
            items[2]["lcnondets"] = [{"mjd": "soon"}]
            items[4]["new"] = {"of": "a newer server"}
            items[0]["object"]["new"] = 2**60 + 1
            return damaging_proxy.Reply(body=json.dumps(items))

        proxy.since, proxy.lasting = 0, spoil
        with pytest.warns(InputWarning, match=f"1 of 6 objects failed; the first, {ids[2]}"):
            table = atlas.download_sources(ids, tmp_path, start=RECENT)
        assert proxy.objects == 1
        assert table["status"].tolist() == ["fetched"] * 2 + ["failed"] + ["fetched"] * 3
        proxy.since = None
        atlas.download_sources(good_ids(box)[:9], tmp_path, start=RECENT)
        proxy.stop()
    objects = atlas.read_sources(tmp_path, "objects")
    assert len(objects) == 9
    # An undeclared column is kept, exactly, and masked where it was not sent.
    assert objects["new"][0] == str(2**60 + 1)
    assert objects["new"].mask.sum() == 8


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1, 2, 1.5, 2.0], ["1", "2", "1.5", "2.0"]),
        ([True, 1, "x", None], ["true", "1", "x", None]),
        ([2**63, 1, {"a": 1}, [1]], [str(2**63), "1", '{"a":1}', "[1]"]),
        ([1, 2, 3, 4], ["1", "2", "3", "4"]),
        ([None] * 4, [None] * 4),
    ],
)
@pytest.mark.parametrize("product", ["object", "lc"])
def test_an_undeclared_column_is_the_same_however_ids_fell_into_chunks(
    box_atlas, sandbox, tmp_path, values, texts, product
):
    ids = good_ids(sandbox)[:4]
    items, when = box_atlas._items(ids, mjd=0, cache=False)
    for item, value in zip(items, values, strict=True):
        entry = json.loads(bytes(item["object"]))
        rows = entry if product == "object" else [json.loads(bytes(item["lc"]))[0]]
        (rows if product == "object" else rows[0])["new"] = value
        item[product] = msgspec.Raw(json.dumps(rows).encode())
    known = [(i, item, when) for i, item in zip(ids, items, strict=True)]
    kind = {"object": "objects", "lc": "detections"}[product]
    for name, chunks in (("whole", [known]), ("halves", [known[:2], known[2:]])):
        paths = [tmp_path / f"{name}{n}.parquet" for n in range(len(chunks))]
        for path, chunk in zip(paths, chunks, strict=True):
            parquet_files.write_partition(parquet_files.chunk_tables(chunk)[0][kind], path)
        read = parquet_files.read_partitions(paths, kind, {})["new"]
        assert read.dtype.kind == "U"
        assert read.tolist() == texts


@pytest.mark.parametrize(
    ("product", "key", "kind"),
    [("lc", "id", "detections"), ("fp", "atlas_object_id", "forced")],
)
def test_a_row_without_an_id_is_of_the_object_that_it_came_with(
    box_atlas, sandbox, product, key, kind
):
    ids = good_ids(sandbox)[:3]
    items, when = box_atlas._items(ids, mjd=0, cache=False)
    known = [(i, item, when) for i, item in zip(ids, items, strict=True)]
    expected = parquet_files.chunk_tables(known)[0][kind]
    for item in items:
        rows = [row | {key: None} for row in json.loads(bytes(item[product]))]
        item[product] = msgspec.Raw(json.dumps(rows).encode())
    found = parquet_files.chunk_tables(known)[0][kind]
    assert len(found) > 0
    assert found["atlas_id"].null_count == 0
    assert found["atlas_id"].equals(expected["atlas_id"])


def test_columns_of_other_types_in_other_chunks():
    import pyarrow as pa

    tables = [pa.table({"a": pa.array([n]), "b": [n]}) for n in (1, "x", None, 2.5)]
    merged = pa.concat_tables(parquet_files._as_strings(tables), promote_options="default")
    assert merged["a"].to_pylist() == ["1", "x", None, "2.5"]


def test_a_window_is_not_mixed_with_another(box_atlas, sandbox, tmp_path):
    ids = good_ids(sandbox)[:3]
    box_atlas.download_sources(ids, tmp_path, start=RECENT)
    sandbox.clear_requests()
    for window in ({}, {"start": RECENT - 1}, {"start": RECENT, "end": 61350}):
        with pytest.raises(InvalidQueryError, match=r"start=61340\.0 and end=None"):
            box_atlas.download_sources(ids, tmp_path, **window)
    assert sandbox.requests == []
    same = Time(RECENT, format="mjd").isot
    assert set(box_atlas.download_sources(ids, tmp_path, start=same)["status"]) == {"kept"}


def test_a_server_is_not_mixed_with_another(box_atlas, sandbox, tmp_path):
    ids = good_ids(sandbox)[:3]
    box_atlas.download_sources(ids, tmp_path, start=RECENT)
    with Sandbox() as other:
        elsewhere = AtlasClass(server=other.url)
        elsewhere.login(token=other.token)
        with pytest.raises(InvalidQueryError, match=f"{sandbox.url}.*{other.url}.*another dir"):
            elsewhere.download_sources(ids, tmp_path, start=RECENT)
        assert other.requests == []
    same = AtlasClass(server=sandbox.url.replace("127.0.0.1", "localhost").rstrip("/"))
    same.login(token=sandbox.token)
    assert set(same.download_sources(ids, tmp_path, start=RECENT)["status"]) == {"kept"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.org/api/", "https://A.org:443/api", True),
        ("http://a.org/api/", "https://a.org/api", True),
        ("http://localhost:81/api/", "http://127.0.0.1:81/api/", True),
        ("http://localhost:81/api/", "http://localhost:82/api/", False),
        ("https://a.org/sne/atlas4/api/", "https://a.org/sne/atlas3/api/", False),
        ("https://a.org/api/", "https://b.org/api/", False),
    ],
)
def test_addresses_of_a_server(one, other, same):
    assert (manifest.server_identity(one) == manifest.server_identity(other)) is same


def test_the_server_that_a_login_names_is_noted(sandbox, tmp_path):
    file = tmp_path / "login.yaml"
    file.write_text(f"token: {sandbox.token}\nbase_url: {sandbox.url}\n")
    file.chmod(0o600)
    with conf.set_temp("config_file", str(file)):
        AtlasClass().download_sources(good_ids(sandbox)[:2], tmp_path / "data", start=RECENT)
        again = AtlasClass().download_sources(
            good_ids(sandbox)[:2], tmp_path / "data", start=RECENT
        )
    assert again["status"].tolist() == ["kept"] * 2
    read = AtlasClass().read_sources(tmp_path / "data", "objects")
    assert read.meta["server"] == sandbox.url


def test_the_end_of_the_window_is_kept(box_atlas, sandbox, tmp_path):
    ids = good_ids(sandbox)[:8]
    table = box_atlas.download_sources(ids, tmp_path, start=61300, end=61330)
    for kind in ("detections", "non_detections", "forced"):
        read = box_atlas.read_sources(tmp_path, kind)
        assert len(read) == table[kind].sum()
        assert (read["time"].mjd >= 61300).all()
        assert (read["time"].mjd <= 61330).all()
    assert table["non_detections"].sum() > 0


def test_one_process_at_a_time(box_atlas, sandbox, tmp_path):
    ids = good_ids(sandbox)[:3]
    window = {"window": (None, None), "server": sandbox.url, "clock": box_atlas._clock}
    with download_directory.DownloadDirectory(tmp_path, **window):
        with pytest.raises(InvalidQueryError, match="is written to by another download"):
            box_atlas.download_sources(ids, tmp_path)
        code = f"""
from atlasquery.atlas.download_directory import DownloadDirectory
with DownloadDirectory({str(tmp_path)!r}, window=(None, None), server="x", clock=None): pass
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "is written to by another download" in done.stderr
    assert set(box_atlas.download_sources(ids, tmp_path)["status"]) == {"fetched"}


def test_reading(box_atlas, sandbox, tmp_path):
    with pytest.raises(InvalidQueryError, match="has nothing that was downloaded"):
        box_atlas.read_sources(tmp_path, "objects")
    box_atlas.download_sources(good_ids(sandbox)[:2], tmp_path, start=70000)
    with pytest.raises(InvalidQueryError, match="did you mean 'detections'"):
        box_atlas.read_sources(tmp_path, "detection")
    empty = box_atlas.read_sources(tmp_path, "detections")
    assert len(empty) == 0
    assert empty["signed_mag"].unit == u.mag
    assert set(empty.colnames) == set(DETECTION.by_name)
    assert set(box_atlas.read_sources(tmp_path, "objects").colnames) == set(OBJECT.by_name)


@pytest.mark.parametrize("bad", [1, 3.5, "soon", "3 m", -1 * u.s, object()])
def test_ages_have_units(box_atlas, sandbox, tmp_path, bad):
    with pytest.raises(InvalidQueryError, match="max_age"):
        box_atlas.download_sources(good_ids(sandbox)[:1], tmp_path / "data", max_age=bad)
    assert not (tmp_path / "data").exists()


def test_without_pyarrow(box_atlas, sandbox, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"pip install 'atlasquery\[parquet\]'"):
        box_atlas.download_sources(good_ids(sandbox)[:1], tmp_path)


def test_leftovers_are_removed_and_lost_files_fetched_again(box_atlas, sandbox, tmp_path, small):
    ids = good_ids(sandbox)[:20]
    box_atlas.download_sources(ids, tmp_path, start=RECENT)
    before, listed = rows(box_atlas, tmp_path), files(tmp_path)
    own = tmp_path / "objects" / "mine.parquet"
    own.write_bytes(b"")
    for name in ("objects/00000077.parquet", "forced/00000001.parquet.tmp"):
        (tmp_path / name).write_bytes(b"half")
    assert rows(box_atlas, tmp_path) == before
    (tmp_path / "non_detections" / "00000001.parquet").unlink()
    sandbox.clear_requests()
    with pytest.warns(InputWarning, match=r"gone: non_detections/00000001.parquet; 10 objects"):
        table = box_atlas.download_sources(ids, tmp_path, start=RECENT)
    assert len(sandbox.requests) == 1
    assert table["status"].tolist() == ["fetched"] * 10 + ["kept"] * 10
    assert {k: sorted(v) for k, v in rows(box_atlas, tmp_path).items()} == {
        k: sorted(v) for k, v in before.items()
    }
    assert own.exists()
    assert len(files(tmp_path)) == len(listed) + 1


# Killed


def download(url, token, ids, directory, cache):
    """What a process does until it is killed."""
    from astropy.config import paths
    from astroquery import log

    log.setLevel("ERROR")
    bulk.LARGEST_CHUNK = bulk.FIRST_CHUNK = 4
    with paths.set_temp_cache(cache):
        atlas = AtlasClass(server=url)
        atlas.login(token=token)
        atlas.download_sources(ids, directory, start=61300, progress=False)


def test_killed_at_any_instant_and_started_again(box_atlas, sandbox, tmp_path):
    """Twenty kills in five datasets, each of which is then completed."""
    ids = good_ids(sandbox)[:32]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["atlasquery.atlas", "pyarrow.parquet", "test_download"])
    (tmp_path / "cache").mkdir()

    def start(directory):
        arguments = (sandbox.url, sandbox.token, ids, directory, tmp_path / "cache")
        process = context.Process(target=download, args=arguments)
        process.start()
        return process

    def finish(process):
        process.join(600)
        assert process.exitcode == 0

    finish(start(tmp_path / "warm-up"))
    started = time.monotonic()
    finish(start(tmp_path / "whole"))
    took = time.monotonic() - started
    expected = rows(box_atlas, tmp_path / "whole")
    assert [len(all_of) > 20 for all_of in expected.values()] == [True] * len(KINDS)
    random.seed(61360)
    killed, begun = 0, []
    while killed < 20:
        if killed == 4 * len(begun):
            begun.append(tmp_path / f"data{len(begun)}")
        directory = begun[-1]
        process = start(directory)
        process.join(random.uniform(0.02, 0.6) * took)
        if process.exitcode is not None:
            # The machine was busier before, or all is there but what was under way.
            assert process.exitcode == 0
            took *= 0.8
            shutil.rmtree(directory)
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.join(60)
        # A server of forks may not learn by which signal.
        assert process.exitcode is not None
        killed += process.exitcode != 0
        if (directory / download_directory.MANIFEST).exists() and _begun(directory):
            # What is read in between has whole objects, each once.
            there = box_atlas.read_sources(directory, "objects")["atlas_id"].tolist()
            assert there == ids[: len(there)]
    assert len(begun) == 5
    for directory in begun:
        finish(start(directory))
        assert rows(box_atlas, directory) == expected
        assert len(list(directory.rglob("*.tmp"))) == 0


def _begun(directory):
    opened = sqlite3.connect(directory / download_directory.MANIFEST)
    try:
        return manifest.is_begun(opened)
    finally:
        opened.close()


@pytest.mark.parametrize("where", ["before the rename", "before the commit", "after the commit"])
def test_killed_in_the_middle_of_a_chunk(box_atlas, sandbox, tmp_path, monkeypatch, small, where):
    """The instants that chance seldom hits: a renewal of old objects that ends halfway."""
    ids = good_ids(sandbox)[:20]
    box_atlas.download_sources(ids, tmp_path, start=RECENT)
    before = rows(box_atlas, tmp_path)

    class KilledError(BaseException):
        pass

    def kill(*args, **kwargs):
        raise KilledError

    with monkeypatch.context() as patch:
        if where == "before the rename":
            patch.setattr(os, "replace", kill)
        elif where == "before the commit":
            patch.setattr(
                download_directory.DownloadDirectory, "_transaction", _killed_after(1, KilledError)
            )
        else:
            patch.setattr(download_directory.DownloadDirectory, "_unlink", kill)
        with pytest.raises(KilledError):
            box_atlas.download_sources(ids, tmp_path, start=RECENT, max_age="0 s")
    assert {k: sorted(v) for k, v in rows(box_atlas, tmp_path).items()} == {
        k: sorted(v) for k, v in before.items()
    }
    box_atlas.download_sources(ids, tmp_path, start=RECENT)
    assert {k: sorted(v) for k, v in rows(box_atlas, tmp_path).items()} == {
        k: sorted(v) for k, v in before.items()
    }
    opened = sqlite3.connect(tmp_path / download_directory.MANIFEST)
    named = {f"{k}/{c:08d}.parquet" for c, k in opened.execute("select chunk, kind from files")}
    opened.close()
    assert set(files(tmp_path)) == named


def _killed_after(n, error):
    original, calls = download_directory.DownloadDirectory._transaction, []

    def transaction(self):
        calls.append(self)
        if len(calls) > n:
            raise error
        return original(self)

    return transaction

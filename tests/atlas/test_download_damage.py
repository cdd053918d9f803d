"""Datasets that were damaged, and directories that are none: named, and mended if possible."""

import contextlib
import json
import sqlite3

import damaging_proxy
import pytest
from test_bulk import RECENT, good_ids
from test_download import files, rows

from atlasquery.atlas import AtlasClass, bulk, download_directory
from atlasquery.exceptions import InputWarning, InvalidQueryError, TableParseError

pytest.importorskip("pyarrow", reason="the parquet extra is not installed")


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bulk, "LARGEST_CHUNK", 25)


def cut_in_half(file):
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


def emptied(file):
    file.write_bytes(b"")


def forgets_sizes(directory):
    """Make the manifest one of a version that did not note them."""
    with contextlib.closing(sqlite3.connect(directory / download_directory.MANIFEST)) as opened:
        opened.execute("alter table files drop column size")


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("spoil", [cut_in_half, emptied])
def test_a_damaged_file_is_fetched_again(box_atlas, sandbox, tmp_path, small, spoil, old):
    ids = good_ids(sandbox)[:40]
    box_atlas.download_sources(ids, tmp_path, start=RECENT)
    before = rows(box_atlas, tmp_path)
    if old:
        forgets_sizes(tmp_path)
    file = tmp_path / "detections" / "00000002.parquet"
    spoil(file)
    with pytest.raises(TableParseError, match=rf"{file} is damaged.*call download_sources again"):
        box_atlas.read_sources(tmp_path, "detections")
    with pytest.warns(InputWarning, match=r"damaged or gone: detections/00000002.parquet; 15 obj"
                      ) as warned:  # fmt: skip
        table = box_atlas.download_sources(ids, tmp_path, start=RECENT)
    assert warned[0].filename == __file__
    assert table["status"].tolist() == ["kept"] * 25 + ["fetched"] * 15
    assert rows(box_atlas, tmp_path) == before
    # Sizes are known by now of all files, and nothing is fetched once more.
    assert set(box_atlas.download_sources(ids, tmp_path, start=RECENT)["status"]) == {"kept"}
    with contextlib.closing(sqlite3.connect(tmp_path / download_directory.MANIFEST)) as opened:
        named = opened.execute("select chunk, kind, size from files").fetchall()
    assert {f"{k}/{c:08d}.parquet": n for c, k, n in named} == {
        name: (tmp_path / name).stat().st_size for name in files(tmp_path)
    }


def test_a_file_of_the_same_size_that_is_damaged_is_named(box_atlas, sandbox, tmp_path):
    ids = good_ids(sandbox)[:3]
    box_atlas.download_sources(ids, tmp_path, start=RECENT)
    file = tmp_path / "objects" / "00000001.parquet"
    file.write_bytes(bytes(file.stat().st_size))
    for work in (
        lambda: box_atlas.read_sources(tmp_path, "objects"),
        lambda: box_atlas.download_sources(ids[:1], tmp_path, start=RECENT, max_age="0 s"),
    ):
        with pytest.raises(TableParseError, match=f"{file} is damaged.*remove it and call"):
            work()
    file.unlink()
    with pytest.raises(TableParseError, match=f"{file} is missing.*again"):
        box_atlas.read_sources(tmp_path, "objects")


def spoil_manifest(directory):
    (directory / download_directory.MANIFEST).write_bytes(b"garbage" * 200)


def empty_manifest(directory):
    (directory / download_directory.MANIFEST).write_bytes(b"")


def spoil_lock(directory):
    (directory / "lock.sqlite").write_bytes(b"garbage" * 200)


@pytest.mark.parametrize(
    ("spoil", "reading", "writing"),
    [
        (spoil_manifest, "damaged manifest.sqlite.*remove", "damaged manifest.sqlite.*remove"),
        (empty_manifest, "nothing that was downloaded", "objects/00000001.parquet, but manifest"),
        (spoil_lock, None, "damaged lock.sqlite.*remove that file"),
    ],
)
def test_a_damaged_directory(box_atlas, sandbox, tmp_path, spoil, reading, writing):
    ids = good_ids(sandbox)[:3]
    box_atlas.download_sources(ids, tmp_path, start=RECENT)
    spoil(tmp_path)
    there = files(tmp_path)
    with pytest.raises(InvalidQueryError, match=rf"directory='{tmp_path}'.*{writing}"):
        box_atlas.download_sources(ids, tmp_path, start=RECENT)
    if reading:
        with pytest.raises(InvalidQueryError, match=rf"directory='{tmp_path}'.*{reading}"):
            box_atlas.read_sources(tmp_path, "objects")
    else:
        assert len(box_atlas.read_sources(tmp_path, "objects")) == 3
    assert files(tmp_path) == there


def test_a_directory_whose_download_was_killed_at_birth_is_a_new_one(box_atlas, sandbox, tmp_path):
    empty_manifest(tmp_path)
    table = box_atlas.download_sources(good_ids(sandbox)[:3], tmp_path, start=RECENT)
    assert set(table["status"]) == {"fetched"}


@pytest.mark.parametrize(
    ("directory", "words"),
    [
        ("a_file", "is a file or lies in one"),
        ("a_file/data", "is a file or lies in one"),
        ("/proc/no/data", "cannot be used.*another directory"),
        ("a\0b", "null byte"),
        (None, "directory=None should be the path of a directory"),
        ("~nobody-of-that-name/data", "should be the path of a directory"),
    ],
)
def test_directories_that_cannot_be(box_atlas, sandbox, tmp_path, monkeypatch, directory, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").write_text("mine")
    sandbox.clear_requests()
    with pytest.raises(InvalidQueryError, match=words):
        box_atlas.download_sources(good_ids(sandbox)[:1], directory, start=RECENT)
    assert sandbox.requests == []
    assert (tmp_path / "a_file").read_text() == "mine"


def test_the_home_of_the_user_is_found(box_atlas, sandbox, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    box_atlas.download_sources(good_ids(sandbox)[:1], "~/data", start=RECENT)
    assert (tmp_path / "data" / download_directory.MANIFEST).is_file()
    assert len(box_atlas.read_sources("~/data", "objects")) == 1


@pytest.mark.parametrize("missing", [True, False])
def test_an_item_without_an_object_costs_no_request(sandbox, missing):
    proxy = damaging_proxy.FaultProxy(sandbox.url)
    atlas = AtlasClass(server=proxy.url)
    atlas.login(token=sandbox.token)
    ids = good_ids(sandbox)[:6]

    def spoil(reply):
        items = json.loads(reply.body)
        items[2]["object"] = None
        if missing:
            del items[2]["object"]
        return damaging_proxy.Reply(body=json.dumps(items))

    proxy.since, proxy.lasting = 0, spoil
    with pytest.warns(InputWarning, match="1 of 6 objects failed"):
        found = atlas.get_sources(ids, start=RECENT, on_error="warn")
    proxy.stop()
    ((failed, error),) = found.failures
    assert failed == ids[2]
    assert isinstance(error, TableParseError)
    assert str(error) == f"ATLAS responded for {ids[2]} without an object"
    assert list(found) == [*ids[:2], *ids[3:]]
    assert proxy.objects == 1

"""Light curves: one, those of a dataset, in pieces, after a kill, and what fails by name."""

import io
import multiprocessing
import os
import signal
import threading
import warnings
import zipfile

import curveskilled
import numpy as np
import pytest
from astropy.table import Table
from lcc_datasets import keep_dataset
from overlap import overlapping

from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    LoginError,
    MaxResultsWarning,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.lccserver import LCCServerClass, conf
from atlasquery.lccserver.csvlc import parse_csvlc
from atlasquery.lccserver.curve_files import LightCurveZip
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.lccserver import catalogs
from atlasquery.sandbox.lccserver.light_curves import make_zip, packed, values
from atlasquery.sandbox.lccserver.messages import json_reply

ALPHA = [("synth_alpha", row) for row in catalogs.objects()["synth_alpha"]]
BETA = [("synth_beta", row) for row in catalogs.objects()["synth_beta"]]
NAMES = [row["objectid"] for _, row in ALPHA]


@pytest.fixture
def files(double):
    return double.files


@pytest.fixture
def some(double, files):
    """A dataset of 26 objects of two collections."""
    return keep_dataset(double, ALPHA[:20] + BETA[:6])


def is_light_curve_of(lc, row):
    sent = values(row)
    assert lc.meta["object"] == row["objectid"] and len(lc) == row["ndet"]
    assert np.allclose(lc.time.jd, sent["bjd"], atol=1e-6, rtol=0)
    assert np.allclose(lc["mag"].value, sent["aep_000"], atol=6e-6, rtol=0)
    assert lc["band"].tolist() == sent["flt"] and lc["stf"].tolist() == sent["stf"].tolist()
    assert lc["aep_001"].mask.tolist() == np.isnan(sent["aep_001"]).tolist()
    return True


def test_one(lcc, double, files):
    row = ALPHA[3][1]
    lc = lcc.get_light_curve(row["objectid"], "synth-alpha")
    assert is_light_curve_of(lc, row)
    assert lc.meta["mag_column"] == "aep_000" and lc.meta["mag_err_column"] == "aie_000"
    assert lc.meta["survey"] == lc.meta["collection"] == "synth_alpha"
    assert lc.meta["server"] == double.url and set(lc["survey"]) == {"synth_alpha"}
    assert double.asked("/l/")[0].path == f"/l/synth-alpha/{row['objectid']}-csvlc.gz"
    other = lcc.get_light_curve(row["objectid"], "synth_alpha", mag_column="aim_001", magsys="AB")
    assert other.meta["mag_column"] == "aim_001" and other.meta["mag_err_column"] == "aie_001"
    assert not other["flux"].mask.any()
    assert len(double.asked("/l/")) == 1
    lcc.get_light_curve(row["objectid"], "synth_alpha", cache=False)
    assert len(double.asked("/l/")) == 2
    assert all(request.key for request in double.asked("/l/"))


def test_one_that_is_not_there(lcc, double, files):
    with pytest.raises(
        NotFoundError, match="does not know the object or dataset, or does not show it"
    ):
        lcc.get_light_curve("SYA-9999999", "synth_alpha")
    # A key that is not to blame is not thrown away.
    assert len(double.asked("/api/key")) == 1
    with pytest.raises(InvalidQueryError, match=r"collections='synth_alhpa' .*did you mean"):
        lcc.get_light_curve(NAMES[0], "synth_alhpa")
    with pytest.raises(InvalidQueryError, match="'aep_002' is not a column of magnitudes"):
        lcc.get_light_curve(NAMES[0], "synth_alpha", mag_column="aep_002")
    files.changed["SYA-0000004"] = packed(ALPHA[1][1])
    with pytest.raises(TableParseError, match=r"SYA-0000004-csvlc.gz is of .SYA-0000002"):
        lcc.get_light_curve("SYA-0000004", "synth_alpha")


def test_damage_is_not_kept(lcc, files):
    row = ALPHA[0][1]
    files.changed[row["objectid"]] = packed(row)[:-20]
    with pytest.raises(TableParseError, match=r"SYA-0000001-csvlc.gz breaks off in line \d+"):
        lcc.get_light_curve(row["objectid"], "synth_alpha")
    files.changed.clear()
    assert is_light_curve_of(lcc.get_light_curve(row["objectid"], "synth_alpha"), row)


def test_a_file_is_made_where_there_is_none(lcc, double, files):
    row = ALPHA[7][1]
    files.unmade.add(row["objectid"])

    def search(request):
        files.unmade.clear()
        return double.search(request)

    double.routes["POST /api/columnsearch"] = search
    assert is_light_curve_of(lcc.get_light_curve(row["objectid"], "synth_alpha"), row)
    (asked,) = double.asked("/api/columnsearch")
    assert asked.form["collections[]"] == ["synth_alpha"]
    assert asked.one("filters") == "((objectid eq 'SYA-0000008'))"
    assert len(double.asked("/l/")) == 2
    files.unmade.add("SYA-0000009")
    double.routes["POST /api/columnsearch"] = double.search
    with pytest.raises(NotFoundError, match="has not created the file"):
        lcc.get_light_curve("SYA-0000009", "synth_alpha")


def test_more_than_a_zip_holds(client, server, double):
    """Of more than 500 objects a server creates no ZIP; all light curves still come."""
    if server.name == "double":
        double.site["zip_rows"] = 20
    rows = {row["objectid"]: row for row in server.rows["synth_big"]}
    with conf.set_temp("zip_rows", 400 if server.name == "real" else 18):
        count = 520 if server.name == "real" else 50
        with pytest.warns(MaxResultsWarning):
            found = client.query_criteria(
                "sdssr < 99", collections="synth_big", max_rows=count, sort="objectid"
            )
        assert len(found) == count
        curves = client.get_light_curves(found)
        assert list(curves) == found["objectid"].tolist() and not curves.failures
        for name in list(curves)[:: count // 10]:
            lc = curves[name]
            assert lc.meta["object"] == name and len(lc) == rows[name]["ndet"]
            assert abs(np.median(lc["mag"].value) - rows[name]["sdssr"]) < 0.4
    if server.name == "double":
        # Three parts of 18, 18 and 14, each with a search; and nothing one by one.
        assert len(double.asked("POST /api/xmatch")) == 3
        assert len(double.asked("/p/")) == 3 and not double.asked("/l/")
        double.received.clear()
        assert len(client.get_light_curves(found)) == count
        assert not double.asked("/l/|/p/|/api/xmatch")


def test_what_warnings_are_shown_is_as_before(lcc, double, files, monkeypatch):
    """Of three parts two are asked for at a time, and the second of them ends last."""
    double.site["zip_rows"] = 20
    with conf.set_temp("zip_rows", 18), conf.set_temp("concurrency", 2):
        found = lcc.query_criteria("sdssr < 99", collections="synth_alpha")[:50]
        before = list(warnings.filters)
        monkeypatch.setattr(lcc, "crossmatch", overlapping(lcc.crossmatch))
        assert len(lcc.get_light_curves(found)) == 50
    assert warnings.filters == before


def test_a_dataset_from_its_zip(lcc, double, some):
    curves = lcc.get_light_curves(some)
    assert list(curves) == [row["objectid"] for _, row in ALPHA[:20] + BETA[:6]]
    assert all(is_light_curve_of(curves[row["objectid"]], row) for _, row in ALPHA[:20] + BETA[:6])
    assert repr(curves) == "<Collection of 26 TimeSeries>" and curves.failures == []
    assert set(curves["SYB-0000001"]["survey"]) == {"synth_beta"}
    assert curves["synth_beta/SYB-0000001"] is curves["SYB-0000001"]
    assert str(curves).splitlines()[1].split() == ["SYA-0000001", f"{len(curves[NAMES[0]])}", "of",
                                                   f"{len(curves[NAMES[0]])}"]  # fmt: skip
    assert curves._repr_html_().count("<svg") == 10
    assert not double.asked("/l/") and len(double.asked("/p/")) == 1
    # Again, and of another process: from the disk.
    again = LCCServerClass(double.url)
    again.cache_location = lcc.cache_location
    assert len(again.get_light_curves(some)) == 26
    assert len(double.asked("/p/")) == 1
    lcc.clear_cache()
    lcc.get_light_curves(some)
    assert len(double.asked("/p/")) == 2


def test_some_rows_of_a_dataset(lcc, double, some):
    table = lcc.get_dataset(some)
    most = lcc.get_light_curves(table[3:15])
    assert list(most) == table["objectid"][3:15].tolist()
    assert len(double.asked("/p/")) == 1 and not double.asked("/l/")
    few = lcc.get_light_curves(table[[5, 1, 5]])
    assert list(few) == [NAMES[5], NAMES[1]]
    assert len(double.asked("/p/")) == 1 and len(double.asked("/l/")) == 2
    with pytest.warns(NoResultsWarning, match="no objects"):
        assert len(lcc.get_light_curves(table[:0])) == 0


def test_a_table_of_ones_own(lcc, double, files):
    table = Table({"objectid": NAMES[:2], "collection": ["synth_alpha"] * 2})
    assert list(lcc.get_light_curves(table)) == NAMES[:2]
    for wrong, words in (
        (Table({"objectid": ["a"]}), "a table with the columns objectid and collection"),
        (7, "it is int"),
        ("no/where", "is not the name of a dataset"),
        (Table({"objectid": ["a"], "collection": ["b"]}), "has a of the collection 'b'"),
    ):
        with pytest.raises(InvalidQueryError, match=words):
            lcc.get_light_curves(wrong)
    with pytest.raises(InvalidQueryError, match=r"on_error='rais'.*did you mean 'raise'"):
        lcc.get_light_curves(table, on_error="rais")
    with pytest.raises(InvalidQueryError, match="is not a directory"):
        lcc.get_light_curves(table, directory="/nowhere/at/all")


def test_two_collections_with_the_same_name(lcc, double, files):
    twin = ALPHA[0][1]
    files.rows["synth-beta", twin["objectid"]] = twin
    setid = keep_dataset(double, [*ALPHA[:2], ("synth_beta", twin)])
    curves = lcc.get_light_curves(setid)
    assert list(curves) == ["synth_alpha/SYA-0000001", "SYA-0000002", "synth_beta/SYA-0000001"]
    assert curves["synth_beta/SYA-0000001"].meta["survey"] == "synth_beta"
    with pytest.raises(KeyError):
        curves["SYA-0000001"]


def test_members_that_are_missing_or_damaged(lcc, double, files, some):
    members = files.members(some)
    names = list(members)
    del members[names[2]]
    members[names[5]] = members[names[5]][:-30]
    members[names[7]] = members[names[8]]
    members[names[9]] = b"\0" * 500
    files.zips[some] = make_zip(members)
    lost = [NAMES[n] for n in (2, 5, 7, 9)]
    for name in lost:
        files.unmade.add(name)
    with pytest.raises(IncompleteResultError, match="4 of 26 light curves failed") as error:
        lcc.get_light_curves(some)
    found = error.value.result
    assert len(found) == 22 and [name for name, _ in error.value.failures] == lost
    reasons = [str(reason) for _, reason in found.failures]
    assert "does not hold synth-alpha-SYA-0000003-csvlc.gz" in reasons[0]
    assert "breaks off in line" in reasons[1] and "another object" in reasons[2]
    assert "should be LCC-CSVLC-V1" in reasons[3]
    with pytest.raises(KeyError, match=r"SYA-0000003 failed: .*does not hold"):
        found["SYA-0000003"]
    with pytest.warns(InputWarning, match="4 of 26 light curves failed; the first, SYA-0000003"):
        assert len(lcc.get_light_curves(some, on_error="warn")) == 22
    # Where the file itself is whole, it is taken.
    files.unmade.clear()
    assert len(lcc.get_light_curves(some)) == 26


def test_a_zip_that_is_none(lcc, double, files, some):
    files.zips[some] = files_zip = make_zip(files.members(some))
    files.zips[some] = files_zip[:-50]
    with pytest.raises(TableParseError, match="is not a ZIP, or is damaged"):
        lcc.get_light_curves(some)
    files.zips[some] = files_zip
    assert len(lcc.get_light_curves(some)) == 26


def test_members_that_mean_harm(tmp_path):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil-csvlc.gz", b"x")
        archive.writestr("bomb-csvlc.gz", bytes(1 << 28))
        archive.writestr("good-csvlc.gz", b"good")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("good-csvlc.gz", b"other")
        archive.writestr("lczip-manifest.json", b"[]")
        archive.writestr("lies-csvlc.gz", bytes(3000))
    data = body.getvalue()
    # A size in the directory that is less than what is in there.
    at = data.rindex(b"lies-csvlc.gz") - 46
    data = data[: at + 24] + (1000).to_bytes(4, "little") + data[at + 28 :]
    (tmp_path / "a.zip").write_bytes(data)
    with LightCurveZip(tmp_path / "a.zip", name="a.zip") as archive:
        for name, words in (
            ("bomb-csvlc.gz", "of 256 MiB, more than 128 MiB"),
            ("good-csvlc.gz", "holds 2 times good-csvlc.gz"),
            ("lies-csvlc.gz", "is damaged|should have 1000 bytes"),
            ("evil-csvlc.gz", "does not hold evil-csvlc.gz"),
        ):
            with pytest.raises(TableParseError, match=words):
                archive.read(name)
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip"}


def test_a_zip_in_pieces(lcc, double, files, some, tmp_path):
    body = files.zips.setdefault(some, make_zip(files.members(some)))
    with conf.set_temp("piece_bytes", 7000):
        curves = lcc.get_light_curves(some, directory=tmp_path)
    assert len(curves) == 26
    ranges = [request.headers["range"] for request in double.asked("/p/")]
    assert len(ranges) == -(-len(body) // 7000) and ranges[1] == "bytes=7000-13999"
    assert all("if-range" in request.headers for request in double.asked("/p/")[1:])
    assert all(r.headers["accept-encoding"] == "identity" for r in double.asked("/p/"))
    path = tmp_path / f"lightcurves-{some}.zip"
    assert path.read_bytes() == body
    assert [p.name for p in tmp_path.glob("lightcurves*")] == [path.name]
    # Nor is a lock left in the cache.
    assert list(tmp_path.rglob("*.lock")) == []


@pytest.mark.parametrize("count", [1, 5, 12, 50])
def test_zips_stay_in_a_directory_for_any_number_of_objects(lcc, double, files, tmp_path, count):
    """Of a dataset too large for a ZIP, some rows or all."""
    double.site["zip_rows"] = 20
    folder = tmp_path / "zips"
    folder.mkdir()
    with conf.set_temp("zip_rows", 18):
        found = lcc.query_criteria("sdssr < 99", collections="synth_alpha")[:count]
        assert len(found) == count
        # What is in the cache does not keep them from coming.
        lcc.get_light_curves(found[:15])
        curves = lcc.get_light_curves(found, directory=folder)
        assert list(curves) == found["objectid"].tolist()
        zips = sorted(folder.iterdir())
        assert len(zips) == -(-count // 18)
        members = set()
        for path in zips:
            assert path.name.startswith("lightcurves-") and path.suffix == ".zip"
            with zipfile.ZipFile(path) as archive:
                members |= {name for name in archive.namelist() if name.endswith(".gz")}
        assert {f"synth-alpha-{name}-csvlc.gz" for name in found["objectid"]} <= members
        # A later call takes them from there, and one without the directory does not.
        double.received.clear()
        again = lcc.get_light_curves(found, directory=folder)
        assert len(again) == count and sorted(folder.iterdir()) == zips
        assert not double.asked("/p/|/l/|/api/xmatch")
        zips[0].unlink()
        lcc.get_light_curves(found, directory=folder)
        assert sorted(folder.iterdir()) == zips and not double.asked("/api/xmatch")


def test_what_is_in_no_zip_is_left_in_the_directory_too(lcc, double, files, tmp_path):
    table = Table({"objectid": NAMES[:2], "collection": ["synth_alpha"] * 2})
    curves = lcc.get_light_curves(table, directory=tmp_path)
    left = sorted(tmp_path.glob("*.gz"))
    assert [path.name for path in left] == [f"synth-alpha-{name}-csvlc.gz" for name in NAMES[:2]]
    assert len(lcc.read(left[0])) == len(curves[NAMES[0]])


def test_a_connection_that_breaks_goes_on(lcc, double, files, some):
    count = iter(range(100))
    files.before = lambda request: json_reply("<html>", 503) if next(count) in (1, 3, 4) else None
    with conf.set_temp("piece_bytes", 7000):
        assert len(lcc.get_light_curves(some)) == 26
    ranges = [request.headers["range"] for request in double.asked("/p/")]
    assert len(ranges) == len(set(ranges)) + 3


def test_a_server_without_pieces(lcc, double, files, some):
    files.whole = True
    with conf.set_temp("piece_bytes", 7000):
        assert len(lcc.get_light_curves(some)) == 26
    assert len(double.asked("/p/")) == 1


def stop_after(double, files, lcc, some, pieces):
    """Fetch some pieces of a ZIP; then the server fails for good."""
    count = iter(range(1000))
    files.before = lambda request: json_reply("<html>", 500) if next(count) >= pieces else None
    with conf.set_temp("piece_bytes", 7000), conf.set_temp("retries", 0):
        with pytest.raises(RemoteServiceError, match="status 500"):
            lcc.get_light_curves(some)
        files.before = lambda request: None
        double.received.clear()
        return lcc.get_light_curves(some)


def test_an_unfinished_zip_goes_on(lcc, double, files, some):
    assert len(stop_after(double, files, lcc, some, 3)) == 26
    assert double.asked("/p/")[0].headers["range"] == "bytes=21000-27999"


def test_an_unfinished_zip_that_has_changed(lcc, double, files, some):
    changed = make_zip(files.members(some), manifest=False)
    files.zips[some] = make_zip(files.members(some))

    def change():
        files.zips[some] = changed

    count = iter(range(1000))
    files.before = lambda request: json_reply("<html>", 500) if next(count) >= 3 else None
    with conf.set_temp("piece_bytes", 7000), conf.set_temp("retries", 0):
        with pytest.raises(RemoteServiceError):
            lcc.get_light_curves(some)
        files.before = lambda request: None
        change()
        double.received.clear()
        assert len(lcc.get_light_curves(some)) == 26
    # Its server does not look at If-Range: the piece came with another ETag, and was not used.
    ranges = [request.headers["range"] for request in double.asked("/p/")]
    assert ranges[:2] == ["bytes=21000-27999", "bytes=0-6999"]
    (kept,) = (lcc.cache_location / "light-curves").glob("*.zip")
    assert kept.read_bytes() == changed


def test_range_answered_with_all_of_it(lcc, double, files, some):
    files.zips[some] = make_zip(files.members(some))
    count = iter(range(1000))

    def faulty(request):
        files.whole = next(count) >= 2

    files.before = faulty
    with conf.set_temp("piece_bytes", 7000):
        assert len(lcc.get_light_curves(some)) == 26
    (kept,) = (lcc.cache_location / "light-curves").glob("*.zip")
    assert kept.read_bytes() == files.zips[some]


def test_a_zip_that_has_become_smaller(lcc, double, files, some):
    whole = files.members(some)
    files.zips[some] = make_zip(whole)
    count = iter(range(1000))
    files.before = lambda request: json_reply("<html>", 500) if next(count) >= 3 else None
    with conf.set_temp("piece_bytes", 7000), conf.set_temp("retries", 0):
        with pytest.raises(RemoteServiceError):
            lcc.get_light_curves(some)
        files.before = lambda request: None
        files.zips[some] = make_zip(dict(list(whole.items())[:3]))
        for name in NAMES[:20] + [row["objectid"] for _, row in BETA[:6]]:
            files.unmade.add(name)
        with pytest.raises(IncompleteResultError, match="23 of 26"):
            lcc.get_light_curves(some)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Range": "bytes 5-9/100"}, "bytes 5 to 9, 5 of them"),
        ({"Content-Range": "bytes 0-3/100"}, "bytes 0 to 3, 5 of them"),
        ({"Content-Range": "bytes 0-4/*"}, "does not say where the chunk belongs"),
        ({}, "does not say where the chunk belongs"),
        ({"Content-Range": f"bytes 0-4/{1 << 40}"}, "is of 1048576 MiB, more than"),
    ],
)
def test_pieces_that_do_not_fit(lcc, files, some, headers, words):
    files.before = lambda request: Response(206, b"PK\x03\x04\x05", "application/zip", headers)
    with pytest.raises(TableParseError, match=words):
        lcc.get_light_curves(some)


def test_a_path_that_leads_elsewhere(lcc, double, files):
    setid = keep_dataset(double, ALPHA[:3])
    double.datasets[setid][0]["lczipfpath"] = "//evil.example/p/x.zip"
    with pytest.raises(TableParseError, match="is not an address of this server"):
        lcc.get_light_curves(setid)


def test_another_login_does_not_get_what_one_has_fetched(lcc, double, some):
    lcc.get_light_curves(some)
    lcc.login(token=double.add_key("an-account-key"))
    lcc.get_light_curves(some)
    keys = [request.key for request in double.asked("/p/")]
    assert len(keys) == 2 and keys[1] == "an-account-key"
    for path in lcc.cache_location.rglob("*"):
        assert path.is_dir() or b"an-account-key" not in path.read_bytes()
        assert "an-account-key" not in path.name
        if path.suffix == ".zip":
            assert path.stat().st_mode & 0o077 == 0


def test_a_key_that_expires_between_pieces(lcc, double, files, some):
    clock = lcc._clock
    clock.now = lambda: 1e6
    count = iter(range(1000))

    def expire(request):
        if next(count) == 1:
            clock.now = lambda: 2e6
            double.expire()

    files.before = expire
    with conf.set_temp("piece_bytes", 7000):
        assert len(lcc.get_light_curves(some)) == 26
    assert len(double.asked("/api/key")) == 2


def test_a_dataset_that_is_being_made(lcc, double, files):
    rows = ALPHA[:4]
    setid = keep_dataset(double, rows, status="in progress", zipped=False)
    asked = []

    def grow(request):
        asked.append(request)
        if len(asked) == 4:
            keep_dataset(double, rows)
        return json_reply(double.datasets[setid][0])

    double.routes[rf"GET /set/{setid}"] = grow
    assert list(lcc.get_light_curves(setid)) == NAMES[:4]
    assert len(asked) >= 4 and len(double.asked("/p/")) == 1


def test_a_dataset_that_is_made_for_too_long(lcc, double, files):
    setid = keep_dataset(double, ALPHA[:4], status="in progress", zipped=False)
    with pytest.raises(TimeoutError, match=rf"still collects the light curves of dataset {setid}"):
        lcc.get_light_curves(setid, timeout=0.05)


def test_a_refused_login_is_said_at_once(lcc, double, files):
    table = Table({"objectid": NAMES[:9], "collection": ["synth_alpha"] * 9})
    lcc._anonymous_key()
    double.auth_down = True
    with pytest.raises(LoginError, match="changing address"):
        lcc.get_light_curves(table)
    assert len(double.asked("/l/")) <= 4


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["curveskilled"])
    return context


@pytest.mark.parametrize("n", [1, 5])
def test_killed_in_the_middle_of_a_download(processes, double, files, some, tmp_path, n):
    for folder in ("cache", "config"):
        (tmp_path / folder).mkdir()
    body = files.zips[some] = make_zip(files.members(some))
    ready, count = threading.Event(), iter(range(1000))
    first = processes.Process(target=curveskilled.fetch, args=(double.url, some, str(tmp_path)))

    def kill(request):
        if next(count) == n:
            ready.wait(600)
            os.kill(first.pid, signal.SIGKILL)
            first.join(600)

    files.before = kill
    first.start()
    ready.set()
    first.join(600)
    assert first.exitcode not in (0, None)
    files.before = lambda request: None
    before = len(double.asked("/p/"))
    curves = curveskilled.fetch(double.url, some, tmp_path)
    assert len(curves) == 26 and is_light_curve_of(curves[NAMES[0]], ALPHA[0][1])
    ranges = [request.headers["range"] for request in double.asked("/p/")]
    # Only the chunk that was in progress is requested again.
    assert ranges[before] == f"bytes={n * curveskilled.PIECE}-{(n + 1) * curveskilled.PIECE - 1}"
    assert len(ranges) == -(-len(body) // curveskilled.PIECE) + 1


def test_recorded_zip(samples, lcc, double, files):
    """The ZIP that a real server has made, by the names that its manifest has."""
    with zipfile.ZipFile(io.BytesIO(samples("lightcurves.zip"))) as archive:
        names = [n for n in archive.namelist() if n != "lczip-manifest.json"]
        sent = {name: archive.read(name) for name in names}
    rows = []
    for name in names:
        folder = "synth-alpha" if name.startswith("synth-alpha") else "synth-beta"
        objectid = name.removeprefix(folder + "-").removesuffix("-csvlc.gz")
        row = {"objectid": objectid, "sdssr": 10.0, "ra": 1.0, "decl": 2.0,
               "lcfname": f"/l/{folder}/{objectid}-csvlc.gz"}  # fmt: skip
        rows.append((folder.replace("-", "_"), row))
    setid = keep_dataset(double, rows)
    files.zips[setid] = samples("lightcurves.zip")
    curves = lcc.get_light_curves(setid)
    assert len(curves) == len(sent) == 26 and not double.asked("/l/")
    assert all(len(curves[name]) == lc.meta["objectinfo"]["ndet"] for name, lc in curves.items())
    assert len(curves["SYA-0000163"]) == 200


def test_files_of_the_double_are_like_the_real_ones(samples):
    real = parse_csvlc(samples("lc.csvlc.gz"))
    result = parse_csvlc(packed(ALPHA[0][1]))
    assert result.definitions == real.definitions
    assert set(result.info) < set(real.info)

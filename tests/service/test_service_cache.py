"""The store of answers: when it is asked, whose answers it holds, and what it survives."""

import json
import os
import pickle
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest
from astropy.config import paths
from astroquery import cache_conf, log
from faults import Accounts, Reply, answer
from probe import OpenProbe, ProbeClass, conf

from atlasquery.exceptions import LoginError, RemoteServiceError, TableParseError
from atlasquery.service.cache import ResponseCache


def files(client):
    return sorted(client.cache_location.glob("*.answer"))


def numbered():
    """Return answers that differ, so that a stored one is told from a new one."""
    count = iter(range(1000))
    return lambda received: answer([next(count)])


@pytest.fixture
def counted(faulty):
    faulty.default = numbered()
    return faulty


def test_identical_reads_reach_the_server_once(counted, probe):
    assert [probe.read(cache=True, ra=1) for _ in range(3)] == [[0]] * 3
    assert probe.read(cache=True, ra=2) == [1]
    assert probe.read("other/", cache=True, ra=1) == [2]
    assert len(counted.received) == 3


def test_cache_false_neither_looks_nor_stores(counted, probe):
    assert [probe.read(cache=False) for _ in range(2)] == [[0], [1]]
    assert files(probe) == []
    assert probe.read(cache=True) == [2]
    assert probe.read(cache=False) == [3]
    assert probe.read(cache=True) == [2]


def test_writes_are_never_stored(faulty, probe):
    faulty.default = answer({"info": "Row created."}, status=201)
    for _ in range(2):
        assert probe.write(objectid=1).json() == {"info": "Row created."}
    assert len(faulty.received) == 2
    assert files(probe) == []


@pytest.mark.parametrize(
    ("method", "sent"),
    [("GET", 1), ("get", 1), ("POST", 2), ("PUT", 2), ("DELETE", 2), ("HEAD", 2), ("OPTIONS", 2)],
)
def test_only_get_is_stored_by_request(counted, probe, method, sent):
    got = [probe._request(method, counted.url + "a/", params={"q": 1}) for _ in range(2)]
    assert len(counted.received) == sent
    assert [r.status_code for r in got] == [200, 200]
    if sent == 1:
        assert [r.json() for r in got] == [[0], [0]]
        assert got[1].headers["content-type"] == "application/json"


def test_request_tells_apart_what_was_asked(counted, probe):
    asked = [{"params": {"q": 1}}, {"params": {"q": 2}}, {"headers": {"Accept": "text/csv"}}, {}]
    first = [probe._request("GET", counted.url, **a).json() for a in asked]
    assert first == [[0], [1], [2], [3]]
    assert [probe._request("GET", counted.url, **a).json() for a in asked] == first
    probe._session.headers["X-User"] = "somebody else"
    assert probe._request("GET", counted.url).json() == [4]
    assert probe._request("GET", counted.url, auth=("a", "b")).json() == [5]
    assert probe._request("GET", counted.url, auth=("a", "b")).json() == [6]


def test_users_never_share_an_answer(faulty, accounts):
    clients = [OpenProbe(faulty.url) for _ in range(3)]
    for client, user in zip(clients, ("alice", "bob"), strict=False):
        client.login(token=accounts.issue(user))
    for _ in range(2):
        for client, user in zip(clients, ("alice", "bob", "nobody"), strict=True):
            assert client.read(cache=True) == {"user": user}
            got = client._request("GET", faulty.url + "me/", cache=True)
            assert got.json() == {"user": user}
    assert len(faulty.received) == 6


def test_login_as_another_user_during_a_read(faulty, accounts, probe):
    probe.login(token=accounts.issue("alice"))
    bob = accounts.issue("bob")

    def meanwhile(received):
        reply = accounts(received)
        probe.login(token=bob)
        return reply

    faulty.script(meanwhile)
    assert probe.read(cache=True) == {"user": "alice"}
    assert probe.read(cache=True) == {"user": "bob"}


def test_renewed_token_finds_its_answer_again(faulty, accounts, probe):
    probe.login("alice", password="alice-hunter2-pw")
    accounts.expire()
    assert [probe.read(cache=True) for _ in range(2)] == [{"user": "alice"}] * 2
    assert len(faulty.asked("things/")) == 2


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def foreign_header(data):
    header, _, body = data.partition(b"\n")
    return json.dumps(json.loads(header) | {"key": "0" * 64}).encode() + b"\n" + body


def changed(**items):
    def change(data):
        header, _, body = data.partition(b"\n")
        return json.dumps(json.loads(header) | items).encode() + b"\n" + body

    return change


DAMAGE = {
    "empty": lambda data: b"",
    "truncated body": lambda data: data[:-1],
    "truncated header": lambda data: data[:20],
    "changed body": lambda data: data.replace(b"[0]", b"[9]"),
    "garbage": lambda data: os.urandom(300),
    "garbage line": lambda data: b"[1, 2]\n" + data,
    "deep": lambda data: b"[" * 100000 + b"\n",
    "foreign key": foreign_header,
    "format": changed(format=99),
    "future": changed(stored=1e12),
    "never": changed(stored=float("nan")),
    "huge": changed(stored=10**400),
    "text": changed(stored="today"),
    "type": changed(content_type=None),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file_is_a_miss(counted, probe, damage):
    assert probe.read(cache=True) == [0]
    (path,) = files(probe)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    assert probe.read(cache=True) == [1]
    assert probe.read(cache=True) == [1]


def test_planted_pickle_is_not_run(counted, probe, tmp_path):
    probe.read(cache=True)
    (path,) = files(probe)
    planted = pickle.dumps(Trap(tmp_path / "ran"))
    path.write_bytes(planted)
    path.with_suffix(".pickle").write_bytes(planted)
    assert probe.read(cache=True) == [1]
    assert not (tmp_path / "ran").exists()


def test_directory_in_place_of_a_file(counted, probe):
    probe.read(cache=True)
    (path,) = files(probe)
    path.unlink()
    path.mkdir()
    with log.log_to_list() as lines:
        assert probe.read(cache=True) == [1]
    assert "not cached" in lines[0].getMessage()
    assert list(probe.cache_location.glob("*.part")) == []


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_file_that_others_can_write_is_a_miss(counted, probe, mode):
    probe.read(cache=True)
    (path,) = files(probe)
    path.chmod(mode)
    assert probe.read(cache=True) == [1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_stored_answer_that_another_decoder_cannot_read(counted, probe):
    strict = msgspec.json.Decoder(dict[str, int]).decode
    assert probe.read(cache=True) == [0]
    with pytest.raises(TableParseError):
        probe.read(cache=True, decode=strict)
    assert len(counted.received) == 2
    counted.default = answer({"a": 1})
    assert probe.read(cache=True, decode=strict) == {"a": 1}


def test_time_to_live_is_read_at_the_call(counted, probe):
    assert probe.read(cache=True) == [0]
    with conf.set_temp("cache_seconds", 0.0):
        assert probe.read(cache=True) == [1]
    assert probe.read(cache=True) == [1]
    with conf.set_temp("cache_seconds", 0.05):
        time.sleep(0.06)
        assert probe.read(cache=True) == [2]
        assert probe._request("GET", counted.url).json() == [3]
        time.sleep(0.06)
        assert probe._request("GET", counted.url).json() == [4]


def test_configuration_of_astroquery_is_honoured(counted, probe):
    assert [probe.read(cache=None) for _ in range(2)] == [[0], [0]]
    with cache_conf.set_temp("cache_active", False):
        assert probe.read(cache=None) == [1]
        assert probe.read(cache=True) == [0]
    with cache_conf.set_temp("cache_timeout", 0):
        assert probe.read(cache=None) == [2]
    with cache_conf.set_temp("cache_timeout", None):
        assert probe.read(cache=None) == [2]


def test_files_and_directory_are_private(counted, probe, tmp_path):
    probe.cache_location = tmp_path / "a" / "b"
    old = os.umask(0)
    try:
        probe.read(cache=True)
    finally:
        os.umask(old)
    (path,) = files(probe)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(probe.cache_location.stat().st_mode) == 0o700


def test_place_that_cannot_be_written(counted, probe, tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none")):
        probe.cache_location = place
        with log.log_to_list() as lines:
            assert probe.read(cache=True) == [len(counted.received) - 1]
        assert "not cached" in lines[0].getMessage()
        probe.clear_cache()


def test_clear_cache_and_location(counted, probe, tmp_path):
    default = probe.cache_location
    assert default == Path(paths.get_cache_dir()) / "atlasquery" / "Probe"
    assert default.is_relative_to(tmp_path)
    assert not default.exists()
    probe.clear_cache()
    probe.read(cache=True)
    (default / "mine.txt").write_text("kept")
    probe.clear_cache()
    assert files(probe) == []
    assert (default / "mine.txt").exists()
    assert probe.read(cache=True) == [1]
    probe.cache_location = str(tmp_path / "moved")
    assert probe.read(cache=True) == [2]
    assert len(files(probe)) == 1
    probe.reset_cache_location()
    assert probe.cache_location == default
    assert probe.read(cache=True) == [1]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b'[{"a": 1}, {"a"'),
        Reply(body=b"<html>Log in</html>", kind="text/html"),
        Reply(body=b"", kind=None),
        Reply(body=b'["\xff"]'),
        answer({"detail": "no"}, status=400),
        answer({"detail": "no"}, status=401),
        answer({"detail": "no"}, status=403),
        answer({"detail": "no"}, status=404),
        answer({"detail": "no"}, status=429, headers={"Retry-After": "0"}),
        answer({"detail": "no"}, status=500),
    ],
)
def test_failures_are_not_stored(faulty, probe, reply):
    faulty.default = reply
    with pytest.raises((RemoteServiceError, LoginError, TableParseError)):
        probe.read(cache=True)
    if reply.kind:
        try:
            probe._request("GET", faulty.url + "things/")
        except (RemoteServiceError, LoginError):
            assert reply.status != 200
        assert files(probe) == []
    faulty.default = answer([1])
    assert probe.read(cache=True) == [1]
    assert probe._request("GET", faulty.url + "things/").json() == [1]


def test_old_files_are_removed_in_passing(counted, probe, tmp_path):
    probe.cache_location = tmp_path / "fresh"
    probe.cache_location.mkdir()
    old, young = (probe.cache_location / f"{name}.answer" for name in ("old", "young"))
    for path in (old, young):
        path.write_text("")
    os.utime(old, (0, time.time() - 8 * 86400))
    probe.read(cache=True)
    assert (old.exists(), young.exists()) == (False, True)


BUSY = """
import sys
from pathlib import Path
from atlasquery.service.cache import ResponseCache
store = ResponseCache(Path(sys.argv[1]))
bodies = {bytes([n]) * (1000 + 5000 * n) for n in range(8)}
for turn in range(150):
    store.put("k", bytes([turn % 8]) * (1000 + 5000 * (turn % 8)), "a/b")
    found = store.get("k", 60)
    assert found is not None and found[0] in bodies, "torn"
"""


def test_two_processes_never_see_a_torn_file(tmp_path):
    run = [sys.executable, "-c", BUSY, str(tmp_path / "store")]
    jobs = [subprocess.Popen(run, stderr=subprocess.PIPE) for _ in range(2)]
    for job in jobs:
        errors = job.communicate(timeout=600)[1]
        assert (job.returncode, errors) == (0, b"")
    assert [p.name for p in (tmp_path / "store").iterdir()] == ["k.answer"]


def test_eight_threads_never_see_a_torn_file(tmp_path):
    store, torn, missed = ResponseCache(tmp_path / "store"), [], []
    bodies = [bytes([n]) * (1 + 9000 * n) for n in range(8)]
    store.put("k", bodies[0], "a/b")

    def work(n):
        for _ in range(60):
            store.put("k", bodies[n], "a/b")
            found = store.get("k", 60)
            (missed if found is None else torn if found[0] not in bodies else []).append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (torn, missed) == ([], [])


def test_accounts_with_the_same_name_on_two_servers(faulty, elsewhere):
    elsewhere.default = answer({"user": "of the other server"})
    faulty.default = accounts = Accounts()
    token = accounts.issue("alice")
    first, second = ProbeClass(faulty.url), ProbeClass(elsewhere.url)
    for client in (first, second):
        client.login(token=token)
    assert first.read(cache=True) == {"user": "alice"}
    assert second.read(cache=True) == {"user": "of the other server"}


def test_request_can_save_a_file(faulty, probe, tmp_path):
    faulty.default = Reply(body=b"bytes", kind="image/fits", length=5)
    path = probe._request("GET", faulty.url + "image.fits", save=True)
    assert Path(path).read_bytes() == b"bytes"
    assert faulty.received[0].token == "t0ken" + "5ecret" * 5
    faulty.default = Reply(status=302, headers={"Location": "http://x.invalid/"}, body=b"moved")
    with pytest.raises(RemoteServiceError, match="redirects"):
        probe._request("GET", faulty.url + "b.fits", save=True, savedir=str(tmp_path))
    assert not (tmp_path / "b.fits").exists()


def test_a_store_cleared_while_an_answer_is_written_is_no_fault(tmp_path, monkeypatch, caplog):
    store = ResponseCache(tmp_path / "answers")

    def cleared(path, *parts):
        raise FileNotFoundError(2, "No such file or directory", f"{path}.part")

    monkeypatch.setattr("atlasquery.service.cache.write_private", cleared)
    store.put("0" * 64, b"{}", "application/json")
    assert store.get("0" * 64, 60.0) is None
    assert not [record for record in caplog.records if record.levelname == "WARNING"]

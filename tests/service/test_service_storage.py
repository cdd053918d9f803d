"""Files of this machine: full disks, processes that are ended while they write, connections."""

import errno
import gc
import json
import os
import pickle
import signal
import sys
import warnings
from functools import partial
from pathlib import Path

import keyring
import pytest
from astropy.table import Table
from faults import answer
from keyrings import FailingKeyring, MemoryKeyring
from probe import ProbeClass, conf

from atlasquery.alerce import AlerceClass
from atlasquery.atlas import AtlasClass
from atlasquery.exceptions import InvalidQueryError, StorageError
from atlasquery.forcedphot import AtlasForcedClass
from atlasquery.lccserver import LCCServerClass
from atlasquery.lccserver.pictures import LCCPicture
from atlasquery.service.credentials import (
    Credentials,
    find_credentials,
    read_config_file,
    store_in_keyring,
)
from atlasquery.service.files import write_atomic, write_private
from atlasquery.service.journal import append_change, write_journal
from atlasquery.service.quota import QuotaLedger
from atlasquery.service.secrets import Secret
from atlasquery.service.token_storage import save_token
from atlasquery.skyportal import Picture, SkyPortalClass
from atlasquery.tables import write_table

FULL = Path("/dev/full")
full_disk = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")
FORMATS = ("a.ecsv", "a.fits", "a.vot", "a.csv")


@pytest.fixture
def full(monkeypatch):
    """Let each write to a file end as it does on a full disk."""

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    # What is written is in the memory of the system until it is brought to the disk.
    monkeypatch.setattr(os, "fsync", refuse)


def is_full(error):
    assert type(error) is StorageError
    assert isinstance(error, OSError) and isinstance(error, InvalidQueryError)
    assert error.errno == errno.ENOSPC
    assert "No space left on device" in str(error) and "Make room on the disk" in str(error)
    return True


@pytest.mark.parametrize("name", FORMATS)
def test_a_table_that_does_not_fit_leaves_the_file_of_before(tmp_path, full, name):
    path = tmp_path / name
    path.write_text("mine")
    with pytest.raises(StorageError, match=name) as caught:
        write_table(Table({"a": [1]}), path, overwrite=True)
    assert is_full(caught.value)
    assert path.read_text() == "mine"
    assert not [one for one in tmp_path.iterdir() if one.suffix == ".part"]


def test_all_writers_have_one_error_for_a_full_disk(tmp_path, full):
    path = tmp_path / "work.json"
    path.write_text("{}")
    for write in (
        lambda: write_atomic(tmp_path / "a", b"x"),
        lambda: write_private(tmp_path / "a", b"x", durable=True),
        lambda: write_journal(path, {"format": 1}, what="work"),
        lambda: append_change(path, {}, what="work"),
        lambda: Picture(b"x", "png", "chart").save(tmp_path / "a.png"),
        lambda: LCCPicture(b"x", "chart", 1, 1).save(tmp_path / "b.png"),
    ):
        with pytest.raises(StorageError) as caught:
            write()
        assert is_full(caught.value)
    assert path.read_text().startswith("{}")


@full_disk
def test_a_device_that_is_full(tmp_path):
    link = tmp_path / "full.json"
    link.symlink_to(FULL)
    with pytest.raises(StorageError) as caught:
        append_change(link, {"a": 1}, what="work")
    assert is_full(caught.value)


def test_a_missing_right_is_the_same_kind_and_names_the_file(tmp_path):
    with pytest.raises(StorageError, match=r"no/such/a\.fits cannot be written") as caught:
        write_atomic(tmp_path / "no" / "such" / "a.fits", b"x")
    assert caught.value.errno == errno.ENOENT
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


CLIENTS = {
    "ATLAS": AtlasClass, "FORCED": AtlasForcedClass, "ALERCE": AlerceClass, "LCC": LCCServerClass,
    "SKYPORTAL": SkyPortalClass,
}  # fmt: skip


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_can_always_be_shown(monkeypatch, name):
    kind = CLIENTS[name]
    client = kind()
    for address in ("https://me:hunter2@host/", "http://[", "\x1b[2J://x", "x?y", " "):
        monkeypatch.setenv(f"ATLASQUERY_{name}_SERVER", address)
        shown = repr(client)
        assert shown.startswith(f"<{kind.__name__} at ")
        assert "hunter2" not in shown and "\x1b" not in shown
    # One whose __init__ was broken off, as a debugger shows it.
    assert repr(kind.__new__(kind)).startswith(f"<{kind.__name__} at ")


def test_the_count_of_requests_leaves_no_connection_open(faulty, probe, tmp_path):
    faulty.default = answer([])
    with conf.set_temp("limit_loopback", True), warnings.catch_warnings():
        # Python 3.13 warns of a connection that is not closed.
        warnings.simplefilter("error", ResourceWarning)
        for _ in range(3):
            probe.read()
        _ = probe.quota
        damaged = QuotaLedger(tmp_path / "damaged.sqlite")
        damaged.path.write_bytes(b"no database at all" * 100)
        damaged.book("account", 1)
        gc.collect()


def ended(work):
    """Return how a forked process ends in which some work is done: 0, or 9 if it was killed."""
    with warnings.catch_warnings():
        # Python 3.12 warns of forks in a process with threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return -status


class FileKeyring(MemoryKeyring):
    """A keyring that is a file, whose process is ended before its n-th write."""

    def __init__(self, path, left):
        super().__init__()
        self.path, self.left = path, left
        if path.exists():
            self.kept = {tuple(key): value for key, value in json.loads(path.read_text())}

    def _write(self):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        self.path.write_text(json.dumps([[list(key), value] for key, value in self.kept.items()]))

    def set_password(self, service, username, password):
        super().set_password(service, username, password)
        self._write()

    def delete_password(self, service, username):
        super().delete_password(service, username)
        self._write()


ALICE, BOB = ("alice", "alice-pw-1", "alice-token-1"), ("bob", "bob-pw-2", "bob-token-2")
NOBODY = (None, None, "some-token-3")


@posix
@pytest.mark.parametrize(("before", "after"), [(ALICE, BOB), (ALICE, NOBODY), (NOBODY, BOB)])
def test_a_login_in_a_keyring_is_never_of_two_users(tmp_path, before, after):
    def store(path, left, who):
        keyring.set_keyring(FileKeyring(path, left))
        name, *others = who
        secrets = [one and Secret(one) for one in others]
        store_in_keyring("svc", Credentials(name, *secrets))

    count, killed = 0, True
    while killed:
        path = tmp_path / f"keyring{count}.json"
        store(path, 99, before)
        killed = ended(partial(store, path, count, after))
        keyring.set_keyring(FileKeyring(path, 0))
        found = find_credentials("ATLASQUERY_NONE", "svc")
        known = (found.username, *(v and v.reveal() for v in (found.password, found.token)))
        # What is not there yet is missing; what is there is of one login.
        assert any(
            all(one in (None, its) for one, its in zip(known, whole, strict=True))
            for whole in (before, after)
        ), (count, known)
        count += 1
    assert known == after and count > 2


@posix
def test_a_token_file_is_whole_whenever_its_writer_is_ended(tmp_path):
    path = tmp_path / "login.yml"
    old, new = "old-token-12345678", "new-token-87654321"
    before = f"# mine\nusername: alice\npassword: 'pw-of-alice'\ntoken: '{old}'\n"
    path.write_text(before)
    path.chmod(0o600)

    def rewrite(left):
        found = read_config_file(path)

        def stop(event, args):
            nonlocal left
            if event in ("open", "os.rename", "os.chmod", "os.remove", "tempfile.mkstemp"):
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1

        sys.addaudithook(stop)
        save_token("svc", found, Secret(new))

    count, stopped = 0, []
    while ended(partial(rewrite, count)):
        stopped.append(path.read_text())
        assert stopped[-1] in (before, before.replace(old, new))
        for left in [path, *tmp_path.glob(".login.yml*.part")]:
            assert left.stat().st_mode & 0o077 == 0
        count += 1
    assert path.read_text() == before.replace(old, new)
    assert stopped.count(before) > 2
    # What a process that was ended has left, with a token in it, is removed by the next one.
    (tmp_path / ".login.yml.atlasquery-abc.part").write_text(old)
    (tmp_path / "login.yml-backup.tar.part").write_text("a download of somebody else")
    save_token("svc", read_config_file(path), Secret("third-token-1234"))
    assert "third-token-1234" in path.read_text()
    assert [left.name for left in tmp_path.glob("*.part")] == ["login.yml-backup.tar.part"]


def test_a_keyring_that_fails_is_no_storage_error():
    keyring.set_keyring(FailingKeyring())
    with pytest.raises(InvalidQueryError, match="needs a keyring") as caught:
        store_in_keyring("svc", Credentials("alice", Secret("pw-of-alice")))
    assert not isinstance(caught.value, StorageError)


def test_what_cannot_be_stored_costs_speed_and_not_the_answer(faulty, probe, monkeypatch, caplog):
    faulty.default = answer([1])
    probe.cache_location = Path("/proc/none")
    assert ProbeClass(faulty.url).login(token="t0ken-of-mine")
    assert probe.read(cache=True) == [1]


def test_an_error_of_the_disk_comes_whole_from_another_process():
    error = StorageError.from_system(OSError(errno.ENOSPC, "No space", "a.fits"), "a.fits")
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.errno, copied.filename) == (str(error), errno.ENOSPC, "a.fits")

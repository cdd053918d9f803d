"""The pace of an account: shared by processes, kept alone where nothing can be shared."""

import json
import os
import subprocess
import sys

import pytest
from astropy.config import paths
from clocks import JumpingClock

from atlasquery.service import pace as module
from atlasquery.service.files import cache_folder
from atlasquery.service.locks import open_alone
from atlasquery.service.pace import FORM, Pace, PaceGate, pace_of

NOW = 1.79e9
# What another process does: with the patience to wait until its turn comes.
OTHER = """
import json, sys
from pathlib import Path
from atlasquery.service import pace
pace.PATIENCE = 60.0
own = pace.Pace(float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[1]))
print(json.dumps([own.reserve(float(sys.argv[4])) for _ in range(int(sys.argv[5]))]))
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pace" / "account"


def begin(path, interval, burst, times):
    """Begin another process that reserves so many times."""
    words = [str(word) for word in (path, interval, burst, NOW, times)]
    return subprocess.Popen([sys.executable, "-c", OTHER, *words], stdout=subprocess.PIPE)


def waits_of(process):
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(out)


def test_two_of_one_account_take_turns(path):
    one, other = Pace(0.2, 3, path), Pace(0.2, 3, path)
    waits = [each.reserve(NOW) for _ in range(3) for each in (one, other)]
    assert waits == pytest.approx([0, 0, 0, 0.2, 0.4, 0.6], abs=1e-5)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size == FORM.size
    alone = Pace(0.2, 3, path.with_name("another account"))
    assert alone.reserve(NOW) == 0.0


def test_processes_at_once_lose_no_turn(path):
    own = Pace(0.25, 1, path)
    assert own.reserve(NOW) == 0.0
    others = [begin(path, 0.25, 1, 50) for _ in range(2)]
    waits = [wait for other in others for wait in waits_of(other)]
    assert sorted(waits) == [0.25 * n for n in range(1, 101)]
    assert own.reserve(NOW) == 0.25 * 101


def test_what_is_closed_is_closed_for_all(path):
    one, other = Pace(0.2, 10, path), Pace(0.2, 10, path)
    one.close(NOW, 1.0)
    assert other.reserve(NOW) == pytest.approx(1.0, abs=1e-5)
    assert other.reserve(NOW + 60.0) == 0.0


def test_a_file_that_cannot_be_leaves_each_to_itself(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "account", tmp_path / "folder"):
        one, other = Pace(0.5, 1, path), Pace(0.5, 1, path)
        assert [one.reserve(NOW), one.reserve(NOW), other.reserve(NOW)] == [0.0, 0.5, 0.0]
        one.close(NOW, 2.0)
        assert one.reserve(NOW) == 2.0


def test_a_disk_that_takes_nothing_leaves_each_to_itself(path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    one, other = Pace(0.5, 1, path), Pace(0.5, 1, path)
    assert [one.reserve(NOW), one.reserve(NOW), other.reserve(NOW)] == [0.0, 0.5, 0.0]


def test_who_holds_the_file_holds_nobody_up(path, monkeypatch):
    """As a process that is stopped in the middle of it: it is passed by."""
    pauses = []
    monkeypatch.setattr("atlasquery.service.locks.time.sleep", pauses.append)
    # Time as the waiting sees it: each look is three milliseconds later.
    looks = iter(range(1000))
    monkeypatch.setattr("atlasquery.service.locks.time.monotonic", lambda: 0.003 * next(looks))
    own = Pace(0.5, 1, path)
    assert own.reserve(NOW) == 0.0
    with open_alone(path, 0.0) as held:
        assert held is not None
        before = path.read_bytes()
        assert [own.reserve(NOW), own.reserve(NOW)] == [0.5, 1.0]
        assert path.read_bytes() == before
    assert 0 < sum(pauses) <= 2 * module.PATIENCE
    # What was kept alone counts again for all.
    assert own.reserve(NOW) == 1.5
    assert Pace(0.5, 1, path).reserve(NOW) == 2.0


@pytest.mark.parametrize(
    "left",
    [b"", b"abc", FORM.pack(float("nan")), FORM.pack(float("inf")), FORM.pack(NOW + 61.0)],
)
def test_what_makes_no_sense_holds_nobody_up(path, left):
    path.parent.mkdir()
    path.write_bytes(left)
    own = Pace(0.5, 1, path)
    assert [own.reserve(NOW), own.reserve(NOW)] == [0.0, 0.5]
    assert FORM.unpack(path.read_bytes()) == (NOW + 1.0,)


def test_an_account_has_its_file_in_the_cache(tmp_path):
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        with paths.set_temp_cache(folder):
            path = pace_of("0123abcd", 0.5, 1).path
            assert path == cache_folder() / "pace" / "0123abcd" and folder in path.parents


def test_a_gate_waits_for_what_another_process_has_taken(monkeypatch):
    clock = JumpingClock(NOW)
    for _ in range(3):
        # As a process that has just begun.
        monkeypatch.setattr(module, "_paces", {})
        PaceGate(clock, pace_of("0123abcd", 0.5, 1)).enter()
    assert clock.slept == [0.5, 0.5]

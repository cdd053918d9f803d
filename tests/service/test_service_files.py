"""Files are replaced as a whole, readable by their owner, and locked while a process lives."""

import multiprocessing
import os
import signal
import time

import pytest

from atlasquery.service.files import write_private
from atlasquery.service.locks import locked


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "file"
    write_private(path, b"one")
    before = path.stat().st_ino
    write_private(path, b"two", b" parts", durable=True)
    assert path.read_bytes() == b"two parts"
    assert path.stat().st_ino != before
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["file"]


def test_what_cannot_be_written_leaves_what_was(tmp_path):
    path = tmp_path / "file"
    write_private(path, b"one")
    with pytest.raises(TypeError):
        write_private(path, b"two", "a text")
    assert path.read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["file"]
    with pytest.raises(OSError, match="No such file"):
        write_private(tmp_path / "none" / "file", b"one")


def _hold(path, ready):
    with locked(path) as free:
        ready.put(free)
        time.sleep(60)


def test_a_lock_ends_with_its_process(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    process = context.Process(target=_hold, args=(tmp_path / "lock", ready))
    process.start()
    assert ready.get(timeout=600)
    with locked(tmp_path / "lock") as free:
        assert not free
    os.kill(process.pid, signal.SIGKILL)
    process.join(600)
    with locked(tmp_path / "lock") as free:
        assert free

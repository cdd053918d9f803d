"""Locks of which nothing is left, and waits that end with the time of a thread."""

import os
import threading

import pytest
from clocks import JumpingClock

from atlasquery.service.clock import OutOfTimeError
from atlasquery.service.locks import alone, locked


def test_one_at_a_time_and_no_file_is_left(tmp_path):
    """Who waits for a lock that is removed takes the new one, as all others do."""
    path, counter = tmp_path / "a.lock", tmp_path / "counter"
    counter.write_text("0")
    denied = []

    def work():
        for _ in range(40):
            with alone(path, 60.0) as held:
                if not held:
                    denied.append(1)
                value = int(counter.read_text())
                os.sched_yield()
                counter.write_text(str(value + 1))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert counter.read_text() == "240" and denied == []
    assert not path.exists()


def test_a_lock_that_is_held_is_refused_and_stays(tmp_path):
    path = tmp_path / "a.lock"
    with locked(path) as first:
        assert first and path.exists()
        with locked(path) as second:
            assert not second
        with alone(path, 0.0) as third:
            assert not third
        # Who was refused has not removed it.
        assert path.exists()
    assert not path.exists()
    # Nor does one that a killed process has left keep anybody out.
    path.touch()
    with locked(path) as fourth:
        assert fourth
    assert not path.exists()


def test_time_that_ends():
    """No wait goes beyond the end that a thread has; another thread has its own."""
    clock = JumpingClock(1000.0)
    with clock.until(1010.0):
        clock.wait(4.0)
        assert clock.left() == 6.0
        with clock.until(2000.0):
            assert clock.left() == 6.0
        found = []
        thread = threading.Thread(target=lambda: found.append(clock.left()))
        thread.start()
        thread.join()
        assert found == [float("inf")]
        with pytest.raises(OutOfTimeError, match="14 s longer"):
            clock.wait(20.0)
        assert clock.now() == 1010.0
    assert clock.left() == float("inf")

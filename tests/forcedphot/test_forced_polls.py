"""What a poll costs when the server begins tasks in another order than that of their numbers."""

import re
import threading
import time

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from clocks import FastClock

from atlasquery.exceptions import TimeoutError
from atlasquery.forcedphot import AtlasForcedClass, conf
from atlasquery.sandbox.forcedphot.server import ForcedSandbox


class CountingClock(FastClock):
    """The clock of one client, which counts its sleeps."""

    def __init__(self, start, speed):
        super().__init__(start, speed)
        self.slept = 0

    def sleep(self, seconds):
        self.slept += 1
        super().sleep(seconds)


def positions(n, dec=10.0):
    return SkyCoord(np.linspace(1, 300, n), np.full(n, dec), unit="deg")


def singly(double):
    """Return the requests for one task."""
    return [r for r in double.asked("GET") if re.search(r"/queue/\d+/$", r.path)]


def others(double, clock, n):
    """Let another process of the account begin to submit a list."""
    lines = [{"ra": 200.0, "dec": -n / 10, "mjd_min": 59000, "mjd_max": None} for n in range(n)]
    return double.queue.submit("alice", 1, clock.now(), lines, ["done"] * n, 0)


def test_later_tasks_that_begin_first(forced, double, clock):
    """Of three lists at once the last rows begin first; nothing older is asked for by number."""
    double.queue.latency, double.queue.runtime = 1.0, 2.2
    jobs = forced.submit(positions(250), start=59000)
    begun = [t.id for t in double.queue.tasks.values() if t.started]
    assert begun == [1, 201]
    clock.slept.clear()
    before = len(double.requests)
    forced.wait(jobs)
    assert jobs.counts() == {"done": 250}
    assert singly(double) == []
    # One for each poll, and one for the forecast.
    assert len(double.requests) - before <= len(clock.slept) + 2


def test_tasks_of_another_process_that_begin_first(forced, double, clock):
    first = others(double, clock, 120)
    jobs = forced.submit(positions(120), start=59000)
    second = others(double, clock, 120)
    clock.slept.clear()
    before = len(double.requests)
    with conf.set_temp("poll_seconds", 60.0):
        forced.wait(jobs)
    assert jobs.counts() == {"done": 120}
    assert len(first) == len(second) == 120 and singly(double) == []
    assert len(double.requests) - before <= len(clock.slept) + 2


@pytest.mark.parametrize("runtime", [2.0, 60.0])
def test_two_clients_at_once(tmp_path, runtime):
    """Lists of both are inserted at once, and their numbers alternate."""
    clocks = [CountingClock(time.time(), 3000.0 if runtime > 10 else 200.0) for _ in range(2)]
    n = 250 if runtime < 10 else 60
    with ForcedSandbox(clocks[0], runtime=runtime) as double:

        def work(k):
            client = AtlasForcedClass(double.url)
            client._clock = clocks[k]
            client.login(token=double.users["alice"].token)
            jobs = client.submit(positions(n, dec=5.0 + k), start=59000)
            before = clocks[k].slept
            outcomes[k] = client.wait(jobs, progress=False).counts()
            polls[k] = clocks[k].slept - before + 1

        outcomes, polls = [None, None], [0, 0]
        threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(600)
        assert outcomes == [{"done": n}] * 2
        assert singly(double) == []
        assert len(double.asked("GET", "/queue/")) <= 1.2 * sum(polls)
        assert {r.status for r in double.requests} <= {200, 201, 304}


def test_what_blocks_is_found_wherever_it_is(forced, make, double, clock):
    """A task that was submitted later, and that ours wait for."""
    jobs = forced.submit(positions(3), start=59000)
    clock.sleep(3.9)
    double.outcomes[7.0, 7.0] = "forever"
    later = double.queue.submit(
        "alice", 1, clock.now(), [{"ra": 7.0, "dec": 7.0, "mjd_min": 0}] * 20, ["forever"] * 20, 0
    )
    with (
        pytest.warns(match=r"task \d+, not of these, was begun 3 times.*2|3 tasks wait behind it"),
        pytest.raises(TimeoutError, match=r"task (\d+) is repeated again.*delete\(\1\) removes it"),
    ):
        forced.wait(jobs, timeout="20 min")
    assert any(task.attempts > 3 for task in later)


def test_a_task_that_finished_at_last_is_not_blamed(forced, double, clock):
    where = positions(3)
    double.outcomes[where.ra.deg[0], where.dec.deg[0]] = "forever"
    jobs = forced.submit(where, start=59000)
    with pytest.warns(match="task 1 .* was begun 3 times"), pytest.raises(TimeoutError):
        forced.wait(jobs, timeout="5 min")
    double.queue.tasks[1].outcome = "done"
    with pytest.warns(match="task 1 .* was begun"), pytest.raises(TimeoutError) as caught:
        forced.wait(jobs, timeout="100 s")
    assert jobs["state"][0] == "done"
    assert "again and again" not in str(caught.value) and "delete" not in str(caught.value)


def test_a_server_that_takes_no_number_as_a_beginning(forced, double, clock):
    """Then the list is read from its newest task on, by the server's own marks."""
    ask = double.answer
    marks = set()

    def strict(request):
        cursor = request.query.get("cursor")
        if cursor is not None and cursor not in marks:
            return 404, {"Content-Type": "application/json"}, b'{"detail": "Invalid cursor"}'
        status, headers, body = ask(request)
        marks.update(re.findall(rb"cursor=([\w%]+)", body) if isinstance(body, bytes) else ())
        marks.update({m.decode().replace("%3D", "=") for m in marks if isinstance(m, bytes)})
        return status, headers, body

    double.answer = strict
    jobs = forced.submit(positions(230), start=59000)
    with conf.set_temp("poll_seconds", 600.0):
        assert forced.wait(jobs).counts() == {"done": 230}
    assert singly(double) == []

"""Killed at any instant, taken up by another process: all curves, none twice."""

import multiprocessing
import os
import signal
import threading
import time

import astropy.units as u
import killed_process
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from astroquery import log
from clocks import FastClock
from killed_process import POSITIONS

from atlasquery.exceptions import InputWarning, RemoteServiceError
from atlasquery.forcedphot import AtlasForcedClass, ForcedJobs, conf
from atlasquery.forcedphot.submission import make_jobs
from atlasquery.forcedphot.targets import check_targets
from atlasquery.sandbox.forcedphot.server import ForcedSandbox

SPEED = 400.0


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killed_process"])
    return context


class Killer:
    """Kills a process with SIGKILL when its n-th request of a method arrives."""

    def __init__(self, double, phase, method, n):
        self.double, self.phase, self.method, self.left = double, phase, method, n
        self.process = None
        self.ready = threading.Event()
        double.fault = self

    def __call__(self, method, path):
        if method != self.method:
            return None
        self.left -= 1
        if self.left != 0:
            return None
        self.ready.wait(600)
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(600)
        return self.phase


@pytest.mark.parametrize(
    ("phase", "method", "n"),
    [
        ("after", "POST", 1),
        ("before", "POST", 2),
        ("after", "POST", 3),
        ("after", "GET", 2),
        ("before", "GET", 150),
    ],
)
def test_killed_with_250_positions(processes, tmp_path, phase, method, n):
    clock = FastClock(time.time(), SPEED)
    for folder in ("cache", "config"):
        (tmp_path / folder).mkdir(exist_ok=True)
    with ForcedSandbox(clock, runtime=1.0) as double:
        told = (double.url, double.users["alice"].token, str(tmp_path), clock.start, SPEED)
        killer = Killer(double, phase, method, n)
        first = killer.process = processes.Process(target=killed_process.work, args=told)
        first.start()
        killer.ready.set()
        first.join(600)
        # A server of forks may not learn by which signal.
        assert first.exitcode not in (0, None)
        # What the server was at is done, or the next one may look for it in vain.
        while len(double.asked(method)) < n:
            time.sleep(0.002)
        second = processes.Process(target=killed_process.work, args=told)
        second.start()
        second.join(600)
        assert second.exitcode == 0
        # A third one finds all on disk, and asks for nothing.
        before = len(double.requests)
        forced = killed_process.client(*told[:3], clock)
        jobs = ForcedJobs.load(tmp_path / "jobs.json")
        curves = forced.fetch(jobs)
        assert len(double.requests) == before
        assert_each_once(jobs, curves, double, POSITIONS)
        assert double.worst("write") <= 60 and double.worst("read") <= 600
        assert 429 not in {r.status for r in double.requests}


def assert_each_once(jobs, curves, double, positions):
    assert jobs.counts() == {"done": len(positions)}
    assert len(double.queue.tasks) == len(positions)
    asked = {(t.fields["ra"], t.fields["dec"]) for t in double.queue.tasks.values()}
    assert len(asked) == len(positions)
    for lc, ra, dec in zip(curves, positions.ra.deg, positions.dec.deg, strict=True):
        assert len(lc) > 0
        assert np.allclose(lc["ra"].value, ra, atol=1e-5, rtol=0)
        assert np.allclose(lc["dec"].value, dec, atol=1e-5, rtol=0)


# The same at each single exchange, without processes.


class Killed(BaseException):
    """Ends what runs as a kill would: nothing after it is done, nothing in memory is used."""


def dying(client, phase, n):
    """Let a client die at its n-th exchange, before the request or after the answer."""
    send, count = client._session.send, iter(range(1, 10**6))

    def checked(*args, **kwargs):
        now = next(count) == n
        if now and phase == "before":
            raise Killed
        answer = send(*args, **kwargs)
        if now:
            raise Killed
        return answer

    client._session.send = checked
    return client


SEVERAL = SkyCoord(
    np.arange(1, 10) * u.deg, np.arange(1, 10) * u.deg,
    pm_ra_cosdec=np.repeat([0, 5, 9], 3) * u.mas / u.yr, pm_dec=np.zeros(9) * u.mas / u.yr,
    obstime=Time("J2016.0"),
)  # fmt: skip


def run(client, path):
    if path.exists():
        jobs = ForcedJobs.load(path)
    else:
        jobs = client.submit(SEVERAL, start=59000, end=59003, save=path)
    client.wait(jobs)
    return jobs, client.fetch(jobs)


@pytest.mark.parametrize("phase", ["before", "after"])
def test_killed_at_each_exchange(make, double, clock, tmp_path, phase):
    """Each time all nine come back, once, whatever was under way."""
    log.setLevel("ERROR")
    double.queue.runtime = 20.0
    n = 0
    with conf.set_temp("concurrency", 1), conf.set_temp("poll_seconds", 60.0):
        while True:
            n += 1
            double.queue.tasks.clear()
            path = tmp_path / f"{phase}{n}.json"
            try:
                run(dying(make(), phase, n), path)
            except Killed:
                jobs, curves = run(make(), path)
                assert_each_once(jobs, curves, double, SEVERAL)
            else:
                break
    # Three submissions, polls, and nine results were cut off one by one.
    assert n > 15
    assert 429 not in {r.status for r in double.requests}


@pytest.mark.parametrize("phase", ["before", "after"])
def test_killed_at_two_exchanges(make, double, tmp_path, phase):
    """The process that takes it up is killed too, while it looks for what was lost."""
    log.setLevel("ERROR")
    double.queue.runtime = 20.0
    for n in range(1, 7):
        double.queue.tasks.clear()
        path = tmp_path / f"{phase}{n}.json"
        with pytest.raises(Killed):
            run(dying(make(), "after", 2), path)
        with pytest.raises(Killed):
            run(dying(make(), phase, n), path)
        jobs, curves = run(make(), path)
        assert_each_once(jobs, curves, double, SEVERAL)


@pytest.fixture(autouse=True)
def _log_level():
    level = log.level
    yield
    log.setLevel(level)


# Answers that are lost while the process lives.


@pytest.mark.parametrize("fault", ["before", "after", 500, 502, 504])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_lost_answer_is_looked_for(make, double, clock, fault, n):
    posts = []

    def lose(method, path):
        if method == "POST":
            posts.append(path)
            return fault if len(posts) == n else None
        return None

    double.fault = lose
    jobs = make().submit(POSITIONS)
    assert jobs.counts() == {"queued": 250}
    assert len(double.queue.tasks) == 250
    # One that did not arrive was not taken for lost before its time.
    if fault == "before":
        assert sum(clock.slept) >= conf.settle_seconds - 1
        assert len(posts) == 4
    else:
        assert len(posts) == 3


def test_a_late_submission_is_found_after_a_while(make, double, clock):
    """A request that timed out here may still be at work there, and act half a minute later."""
    held = []
    answer = double.answer

    def late(request):
        if request.method == "POST" and not held:
            held.append((request, clock.now() + 40))
            return 504, {"Content-Type": "text/html"}, b"<title>Gateway Time-out</title>"
        if held and held[0] and clock.now() >= held[0][1]:
            (request_then, _), held[0] = held[0], None
            answer(request_then)
        return answer(request)

    double.answer = late
    jobs = make().submit(POSITIONS[:7])
    assert jobs.counts() == {"queued": 7}
    assert len(double.queue.tasks) == 7
    assert len(double.asked("POST")) == 1


def test_a_submission_that_never_arrives_is_an_error(make, double, clock):
    double.fault = lambda method, path: "before" if method == "POST" else None
    with pytest.raises(RemoteServiceError, match=r"interrupted its|cannot be reached") as caught:
        make().submit(POSITIONS[:7])
    assert caught.value.jobs.counts() == {"pending": 7}
    assert len(double.asked("POST")) == 3
    double.fault = lambda method, path: None
    assert make().wait(caught.value.jobs).counts() == {"done": 7}
    assert len(double.queue.tasks) == 7


def test_half_of_a_submission_is_completed(make, double, clock):
    """A server that died in the middle of one left some of its tasks."""
    forced = make()
    double.fault = lambda method, path: "after" if method == "POST" else None
    answer = double.answer

    def halved(request):
        said = answer(request)
        if request.method == "POST" and len(double.asked("POST")) == 0:
            for n in (2, 4, 5):
                del double.queue.tasks[n]
        return said

    double.answer = halved
    jobs = forced.submit(POSITIONS[:5])
    assert jobs.counts() == {"queued": 5}
    where = {t.id: t.fields["ra"] for t in double.queue.tasks.values()}
    assert len(where) == 5
    assert [where[i] for i in jobs["task_id"].tolist()] == POSITIONS.ra.deg[:5].tolist()


def test_a_submission_that_came_twice_is_said(make, double, clock):
    forced = make()
    jobs = forced.submit(POSITIONS[:2])
    tag = jobs.jobs[0].tag
    payload = {"radeclist": "1 1", "comment": tag, "mjd_min": None}
    forced._write("queue/", payload, json=True)
    jobs.jobs[0].task_id, jobs.jobs[0].state = None, "pending"
    jobs.batches[tag].sent = clock.now()
    with pytest.warns(InputWarning, match=r"has tasks \[3\].*delete\(\[3\]\)"):
        forced.update(jobs)
    assert jobs["task_id"].tolist() == [1, 2]
    assert len(double.queue.tasks) == 3


def test_the_same_query_twice_with_a_file_is_one(make, double, tmp_path):
    forced = make()
    where = SkyCoord([1, 2], [3, 4], unit="deg")
    options = {"start": 59000, "end": 59010, "save": tmp_path / "jobs.json"}
    first = forced.query_position(where, **options)
    asked = len(double.requests)
    second = make().query_position(where, **options)
    assert len(double.requests) == asked
    assert [len(lc) for lc in first] == [len(lc) for lc in second]
    with pytest.raises(ValueError, match="jobs of another query"):
        forced.query_position(where[:1], **options)
    with pytest.raises(ValueError, match="jobs of another query"):
        forced.query_position(where, start=59000, save=tmp_path / "jobs.json")


def test_a_copy_that_is_out_of_date_submits_nothing(make, double, tmp_path):
    """Two processes read the file; one has gone on since, and the other does not know of it."""
    made = make()
    jobs = make_jobs(made, made_targets(9), {"mjd_min": None, "use_reduced": False}, "")
    jobs.save(tmp_path / "jobs.json")
    first, second = (ForcedJobs.load(tmp_path / "jobs.json") for _ in range(2))
    assert made.wait(first).counts() == {"done": 9}
    with pytest.raises(ValueError, match=r"has worked on .*ForcedJobs\.load"):
        make().wait(second)
    # Reading does no harm, and writes nothing over what the other knows.
    with pytest.warns(InputWarning):
        make().fetch(second, on_error="warn")
    assert ForcedJobs.load(tmp_path / "jobs.json").counts() == {"done": 9}
    assert len(double.queue.tasks) == 9


def made_targets(n):
    return check_targets(POSITIONS[:n], None)


def test_a_power_cut_leaves_the_file_of_before(make, tmp_path, monkeypatch):
    jobs = make().submit(POSITIONS[:2], save=tmp_path / "jobs.json")
    before = (tmp_path / "jobs.json").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    jobs.jobs[0].state = "done"
    with pytest.raises(ValueError, match="No space left on device"):
        jobs.keep()
    assert (tmp_path / "jobs.json").read_bytes() == before
    assert [p.name for p in tmp_path.glob("*.part")] == []
    assert isinstance(make(), AtlasForcedClass)

"""Waiting: what it costs, what it says, and what it notices."""

import json
import re

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astroquery import log

from atlasquery.exceptions import (
    BlockedQueueWarning,
    InvalidQueryError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.forcedphot import AtlasForcedClass, ForcedJobs, conf


def positions(n, dec=10.0):
    return SkyCoord(np.linspace(1, 300, n), np.full(n, dec), unit="deg")


def polls(double):
    return [r for r in double.asked("GET", "/queue/") if r.query]


def test_500_jobs_cost_a_request_a_poll(forced, double, clock):
    jobs = forced.submit(positions(500))
    before = len(double.requests)
    clock.slept.clear()
    with conf.set_temp("poll_seconds", 40.0):
        forced.wait(jobs)
    assert jobs.counts() == {"done": 500}
    # One request for each sleep, one for the first look, and one for the forecast.
    assert len(double.requests) - before <= len(clock.slept) + 2
    assert len(polls(double)) <= len(clock.slept) + 1
    assert set(clock.slept) == {40.0}
    # Where nothing has happened the answer has no body.
    unchanged = [r for r in polls(double) if r.status == 304]
    assert len(unchanged) > len(polls(double)) / 5
    assert all("if-none-match" in r.headers for r in unchanged)
    assert {r.query["pagesize"] for r in polls(double)} == {"100"}


def test_one_change_a_poll_costs_one_request_a_poll(forced, double, clock):
    """The worst case: the page changes between all polls."""
    double.queue.runtime = 14.0
    jobs = forced.submit(positions(150))
    before, clock.slept[:] = len(double.requests), []
    forced.wait(jobs)
    assert len(double.requests) - before <= len(clock.slept) + 2


def test_what_is_pending_is_submitted_as_room_comes_free(forced, double):
    double.queue.latency = 60.0
    jobs = forced.submit(positions(620))
    with conf.set_temp("poll_seconds", 150.0):
        forced.wait(jobs)
    assert jobs.counts() == {"done": 620}
    assert len(double.queue.tasks) == 620
    assert double.worst("write") <= 60
    # In pieces that are worth a request: the rest needs three or four.
    assert len(double.asked("POST")) <= 9
    assert sorted(jobs["task_id"].tolist()) == list(range(1, 621))


def test_the_server_says_how_long_it_takes(forced, double):
    double.queue.runtime = 90.0
    double.queue.latency = 0.0
    with conf.set_temp("poll_seconds", 90.0), log.log_to_list() as said:
        forced.wait(forced.submit(positions(100)))
    assert any("100 of 100 tasks to wait for, about 2.5 h" in r.getMessage() for r in said)


def test_more_accounts_than_slots_take_turns(forced, double):
    double.queued_users = 40
    with log.log_to_list() as said:
        forced.wait(forced.submit(positions(100)))
    # A minute each, and two and a half times that long.
    assert any("tasks to wait for, about 4.2 h" in r.getMessage() for r in said)


def test_a_runner_with_impossible_numbers_costs_only_the_forecast(forced, double):
    double.queued_users = 10**400
    assert forced.wait(forced.submit(positions(30))).counts() == {"done": 30}


def test_a_timeout_names_what_is_left_and_loses_nothing(forced, double):
    jobs = forced.submit(positions(10))
    with pytest.raises(TimeoutError, match=r"\d of 10 tasks.*Wait again") as caught:
        forced.wait(jobs, timeout=5 * u.min)
    assert caught.value.service == "ATLAS forced photometry"
    assert 3 <= jobs.counts()["done"] <= 5
    assert forced.wait(jobs, timeout="1 h").counts() == {"done": 10}
    with pytest.raises(TimeoutError):
        forced.wait(forced.submit(positions(1)), timeout=0)


@pytest.mark.parametrize("timeout", [-1, "soon", 3 * u.m, True, [1, 2], float("nan")])
def test_a_timeout_that_is_none(forced, timeout):
    with pytest.raises(InvalidQueryError, match="timeout="):
        forced.wait(ForcedJobs(forced.server, {}), timeout=timeout)


def test_update_looks_once(forced, double, clock):
    jobs = forced.submit(positions(3))
    assert forced.update(jobs).counts() == {"queued": 3}
    clock.sleep(10)
    assert forced.update(jobs).counts() == {"queued": 2, "running": 1}
    clock.sleep(70)
    assert forced.update(jobs).counts() == {"queued": 1, "running": 1, "done": 1}
    assert clock.slept == [10, 70]


def test_after_a_long_time_all_pages_are_read(forced, double, clock):
    jobs = forced.submit(positions(350))
    clock.sleep(350 * 60 + 100)
    before = len(double.requests)
    assert forced.update(jobs).counts() == {"done": 350}
    assert len(double.requests) - before == 4


def test_tasks_of_others_of_the_account_are_looked_past(forced, make, double, clock):
    jobs = forced.submit(positions(3))
    make().submit(positions(230, dec=-5.0))
    clock.sleep(240 * 60)
    assert forced.update(jobs).counts() == {"done": 3}


# What goes wrong.


def test_a_task_that_is_tried_for_ever_is_named(forced, double, clock):
    where = positions(5)
    double.outcomes[where.ra.deg[1], where.dec.deg[1]] = "forever"
    jobs = forced.submit(where)
    with (
        pytest.warns(BlockedQueueWarning, match=r"task 2 .*begun 3 times.*3 tasks wait.*delete\(2"),
        pytest.raises(TimeoutError, match="task 2 is repeated again and again"),
    ):
        forced.wait(jobs, timeout="20 min")
    assert jobs.counts() == {"queued": 3, "retrying": 1, "done": 1}
    assert jobs["attempts"][1] > 3
    # The offer holds: without it the rest goes on.
    assert forced.delete(jobs["task_id"][1])["ok"].all()
    assert forced.wait(jobs).counts() == {"done": 4, "deleted": 1}


def test_waiting_for_it_without_end_ends(forced, double):
    where = positions(2)
    double.outcomes[where.ra.deg[0], where.dec.deg[0]] = "forever"
    jobs = forced.submit(where)
    with (
        pytest.warns(BlockedQueueWarning),
        pytest.raises(RemoteServiceError, match=r"task 1 .*begun 20 times.*then wait again"),
    ):
        forced.wait(jobs)


def test_another_ones_task_that_blocks_ours_is_named_too(forced, make, double):
    double.outcomes[7.0, 7.0] = "forever"
    make().submit(SkyCoord(7, 7, unit="deg"))
    jobs = forced.submit(positions(2))
    with (
        pytest.warns(BlockedQueueWarning, match="task 1, not of these, was begun 3 times"),
        pytest.raises(TimeoutError),
    ):
        forced.wait(jobs, timeout="20 min")


def test_what_fails_once_is_no_news(forced, double):
    jobs = forced.submit(SkyCoord([200.0, 1.0], [-9.5, 1.0], unit="deg"))
    assert forced.wait(jobs).counts() == {"done": 2}
    assert jobs["attempts"].tolist() == [2, 1]


def test_tasks_that_somebody_deletes_are_noticed(forced, double, clock):
    jobs = forced.submit(positions(6))
    with pytest.raises(TimeoutError):
        forced.wait(jobs, timeout="90 s")
    # One in the middle, and the last ones: of these no later task tells.
    for n in (3, 5, 6):
        double.queue.remove(double.queue.tasks[n], clock.now())
    assert forced.wait(jobs, timeout="1 h").counts() == {"done": 3, "deleted": 3}
    assert jobs["state"].tolist() == ["done", "done", "deleted", "done", "deleted", "deleted"]


@pytest.mark.parametrize(("days", "state"), [(32, "expired"), (1, "deleted")])
def test_all_that_vanished_is_found_at_once(forced, double, clock, days, state):
    """Nothing of the account is left that could tell by its number that these are gone."""
    jobs = forced.submit(positions(250))
    clock.sleep(days * 86400 if state == "expired" else 30.0)
    for task in list(double.queue.tasks.values()):
        double.queue.remove(task, clock.now())
    before, clock.slept[:] = len(double.requests), []
    assert forced.wait(jobs).counts() == {state: 250}
    # Some looks that have no news, one at the whole queue, and each of them by its number.
    assert len(clock.slept) <= 4
    assert len(double.requests) - before <= 250 + 6
    words = "it was submitted on 2026-" if state == "expired" else "has no such task any more"
    assert all(words in job.message for job in jobs)


def test_a_queue_that_stands_still_ends_nothing(forced, make, double, clock):
    """Tasks that wait are in the queue, on whichever page, and are not asked for one by one."""
    double.queue.latency = 3600.0
    jobs = forced.submit(positions(150))
    forced.submit(positions(150, dec=-10.0))
    with pytest.raises(TimeoutError):
        forced.wait(jobs, timeout="10 min")
    assert jobs.counts() == {"queued": 150}
    assert not [r for r in double.asked("GET") if re.search(r"/queue/\d+/$", r.path)]
    # A task of which the list is silent, but that is there, is not given up.
    double.queue.of_user = lambda user: []
    with pytest.raises(TimeoutError):
        forced.wait(jobs, timeout="5 min")
    assert jobs.counts() == {"queued": 150}


def test_a_task_that_was_done_stays_done(forced, double, clock):
    jobs = forced.wait(forced.submit(positions(2)))
    for task in list(double.queue.tasks.values()):
        double.queue.remove(task, clock.now())
    assert forced.update(jobs).counts() == {"done": 2}


def test_a_failed_task_has_the_servers_words(forced, double):
    where = positions(2)
    double.outcomes[where.ra.deg[0], where.dec.deg[0]] = "error"
    jobs = forced.wait(forced.submit(where))
    assert jobs["state"].tolist() == ["failed", "done"]
    assert jobs["message"][0] == "ssh: the reduction failed"


def test_an_outage_of_minutes_ends_nothing(forced, double, clock):
    jobs = forced.submit(positions(5))
    down = clock.now() + 100, clock.now() + 700
    double.fault = lambda method, path: 502 if down[0] < clock.now() < down[1] else None
    with log.log_to_list() as said:
        assert forced.wait(jobs).counts() == {"done": 5}
    assert any("polled again" in record.getMessage() for record in said)


def test_an_outage_of_hours_is_an_error(forced, double, clock):
    jobs = forced.submit(positions(5))
    start = clock.now()
    double.fault = lambda method, path: 502
    with pytest.raises(RemoteServiceError, match="502"):
        forced.wait(jobs)
    assert 1800 < clock.now() - start < 2400


@pytest.mark.parametrize("bare", [False, True])
def test_a_throttled_poll_waits(forced, double, clock, bare):
    jobs = forced.submit(positions(2))
    if bare:
        said = iter([None, "bare 429", "bare 429"])
        double.fault = lambda method, path: next(said, None)
    else:
        double._history["alice", "read"].extend([clock.now()] * 600)
    assert forced.wait(jobs).counts() == {"done": 2}
    assert 429 in {r.status for r in double.requests}


def test_a_bar_is_moved_on_a_terminal(forced, double, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    forced.wait(forced.submit(positions(4)), progress=False)
    quiet = capsys.readouterr().out
    forced.wait(forced.submit(positions(4)))
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert "(100.00%)" in shown
    # What is said is said before the bar, not into it.
    assert "%)INFO" not in shown
    assert "%" not in quiet


def test_two_at_once_on_one_file_are_refused(forced, make, tmp_path):
    jobs = forced.submit(positions(2), save=tmp_path / "jobs.json")
    with (
        jobs.held(),
        pytest.raises(InvalidQueryError, match="another process works on"),
    ):
        make().wait(ForcedJobs.load(tmp_path / "jobs.json"))
    assert make().wait(ForcedJobs.load(tmp_path / "jobs.json")).counts() == {"done": 2}
    assert list(tmp_path.glob("*.lock")) == []


# The timeout holds, whatever is waited for.


@pytest.fixture
def punctual(double, tmp_path):
    """A client whose clock is that of the machine, and that would wait for answers for minutes."""
    client = AtlasForcedClass(double.url)
    client.cache_location = tmp_path / "answers"
    client.login(token=double.users["alice"].token)
    with conf.set_temp("timeout", 300.0):
        yield client


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_server_that_stalls_ends_the_wait_at_the_timeout(punctual, double, method):
    """It accepts each request, acts, and never answers; nothing of it is lost."""
    double.queue.latency = 60.0
    jobs = punctual.submit(positions(510))
    assert jobs.counts() == {"pending": 10, "queued": 500}
    if method == "POST":
        # There is room by now, so that what is pending is submitted first.
        for n in range(1, 101):
            double.queue.tasks[n].ended = double.queue.tasks[n].started = double.clock.now()
        jobs.room = 100
    double.fault = lambda asked, path: "stall" if asked == method else None
    with pytest.raises(TimeoutError, match=r"510 tasks to wait for.*timeout was over") as caught:
        punctual.wait(jobs, timeout=1.0, progress=False)
    assert not double.released.is_set()
    assert caught.value.jobs is jobs
    double.fault = lambda asked, path: None
    double.released.set()
    punctual.update(jobs)
    assert jobs.counts().get("pending", 0) == (0 if method == "POST" else 10)
    # What was submitted when no answer came is found, and not submitted again.
    assert len(double.queue.tasks) == (510 if method == "POST" else 500)


@pytest.mark.parametrize("timeout", [0, 1.0])
def test_a_server_that_stalls_from_the_beginning(punctual, double, timeout):
    double.fault = lambda method, path: "stall" if method == "POST" else None
    with (
        conf.set_temp("timeout", 1.0),
        pytest.raises(TimeoutError, match="nothing is lost") as late,
    ):
        punctual.query_position(positions(2), timeout=timeout, progress=False)
    assert not double.released.is_set()
    jobs = late.value.jobs
    assert jobs.counts() == {"pending": 2}
    double.fault = lambda method, path: None
    double.released.set()
    assert punctual.update(jobs).counts() == {"queued": 2}
    assert len(double.queue.tasks) == 2


def test_the_timeout_holds_while_a_lost_submission_settles(forced, double, clock):
    faults = iter(["before"])
    double.fault = lambda method, path: next(faults, None) if method == "POST" else None
    start = clock.now()
    with pytest.raises(TimeoutError, match=r"3 pending.*Wait again") as caught:
        forced.query_position(positions(3), timeout=40)
    assert clock.now() - start == 40
    with pytest.raises(TimeoutError, match="1 pending"):
        double.fault = lambda method, path: "before" if method == "POST" else None
        forced.submit(positions(1), timeout="20 s")
    double.fault = lambda method, path: None
    # It did not arrive, and is sent once it is sure of that.
    assert forced.wait(caught.value.jobs).counts() == {"done": 3}
    assert len(double.queue.tasks) == 3


@pytest.mark.parametrize("by", ["the count", "the server"])
def test_the_timeout_holds_while_there_is_no_write_left(forced, double, clock, by):
    with conf.set_temp("writes_per_minute", 2 if by == "the count" else 60):
        if by == "the server":
            double._history["alice", "write"].extend([clock.now()] * 58)
        forced.submit(positions(1)), forced.submit(positions(1))
        start = clock.now()
        with pytest.raises(TimeoutError, match="1 pending"):
            forced.query_position(positions(1), timeout=20)
        assert clock.now() - start == pytest.approx(20, abs=1)
    assert len(double.queue.tasks) == 2


def test_the_last_look_is_just_before_the_end(forced, double, clock):
    jobs = forced.submit(positions(1))
    start = clock.now()
    with pytest.raises(TimeoutError):
        forced.wait(jobs, timeout=37)
    assert clock.now() - start == 36
    assert len(polls(double)) == 4


def test_no_wait_of_no_seconds_is_announced(forced, double, clock):
    faults = iter(["before"])
    double.fault = lambda method, path: next(faults, None) if method == "POST" else None
    with (
        conf.set_temp("settle_seconds", 0.4),
        conf.set_temp("writes_per_minute", 3),
        log.log_to_list() as said,
    ):
        forced.submit(positions(2))
        clock.sleep(61.8)
        for _ in range(4):
            forced.submit(positions(1))
    lines = [record.getMessage() for record in said]
    assert [line for line in lines if re.search(r"\b0 s\b", line)] == []
    assert any("waiting 62 s" in line for line in lines)


@pytest.mark.parametrize("n", [1, 4])
def test_jobs_that_another_account_waits_for(forced, make, double, n):
    """Its list does not change while they are done; each is asked for by its number."""
    jobs = forced.submit(positions(n), start=59000)
    assert make("bob").wait(jobs, timeout="1 h").counts() == {"done": n}
    # What is done is noted as it is done, and those that wait are not all asked for each time.
    alone = [r for r in double.asked("GET") if re.search(r"/queue/\d+/$", r.path)]
    assert len(alone) <= len(polls(double)) + n


def test_another_account_sees_one_task_end_before_the_next(forced, make, double, clock):
    jobs = forced.submit(positions(3), start=59000)
    with pytest.raises(TimeoutError, match="task"):
        make("bob").wait(jobs, timeout="100 s")
    assert jobs["state"][0] == "done" and not all(jobs["state"] == "done")


def test_an_empty_page_that_names_a_next_one(forced, double):
    jobs = forced.submit(positions(1), start=59000)
    ask = double.answer

    def empty(request):
        status, headers, body = ask(request)
        if request.path.endswith("/queue/") and status == 200:
            listing = json.loads(body)
            listing |= {"results": [], "next": f"{double.url}queue/?cursor=cD0x"}
            body = json.dumps(listing).encode()
        return status, headers, body

    double.answer = empty
    for ask_for in (forced.wait, forced.update):
        with pytest.raises(TableParseError, match=r"ATLAS forced photometry.*has no task"):
            ask_for(jobs)
    double.answer = ask
    assert forced.wait(jobs).counts() == {"done": 1}

"""The bot of the documentation, as cron runs it: no terminal, twice in a row, whatever fails."""

import contextlib
import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from lossy_proxy import LosingProxy

from atlasquery.atlas import AtlasClass

pytest.importorskip("werkzeug", reason="the sandbox extra is not installed")
from atlasquery.sandbox import Sandbox

BOT = Path(__file__).parents[2] / "docs" / "bot.py"
DONE, SOME_FAILED, WRONG_USE, LATER, NO_LOGIN = 0, 1, 64, 75, 77


class Cron:
    """Runs the bot as cron would, in a home of its own."""

    def __init__(self, home, server):
        self.home, self.server, self.bot, self.list = home, server, BOT, "vra"
        self.state = home / "state.json"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(BOT.parents[1]),
            "ATLASQUERY_ATLAS_SERVER": server.url,
            "ATLASQUERY_ATLAS_TOKEN": server.writer_token,
        }

    def start(self):
        # In a session of its own there is no terminal that could be asked for a password.
        return subprocess.Popen(
            [sys.executable, str(self.bot), self.list, str(self.state)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self):
        with self.start() as bot:
            self.out, self.said = bot.communicate(timeout=600)
            return bot.returncode

    @property
    def ledger(self):
        """The file in which requests are counted."""
        (path,) = self.home.rglob("quota.sqlite")
        return path

    def configure(self, **settings):
        directory = self.home / ".astropy" / "config"
        directory.mkdir(parents=True)
        lines = [f"{name} = {value}" for name, value in settings.items()]
        (directory / "atlasquery.cfg").write_text("\n".join(["[atlas]", *lines]) + "\n")


@pytest.fixture
def box():
    with Sandbox() as box:
        yield box


@pytest.fixture
def cron(box, tmp_path):
    return Cron(tmp_path, box)


@pytest.fixture
def atlas(box, tmp_path):
    atlas = AtlasClass(server=box.url)
    atlas.cache_location = tmp_path / "answers"
    atlas.login(token=box.token)
    return atlas


@pytest.fixture
def listed(atlas):
    listed = atlas.query_list("vra")
    return listed["atlas_id"][~listed["latest_mjd"].mask].tolist()


@pytest.fixture
def scored(atlas):
    """Return how often each object was scored since the fixture was made."""
    seen = atlas.query_vra_scores()["score_id"].max()

    def count():
        rows = atlas.query_vra_scores(first_id=seen, cache=False)["atlas_id"].tolist()[1:]
        return {atlas_id: rows.count(atlas_id) for atlas_id in rows}

    return count


def writes(box):
    return [r for r in box.requests if r.path.endswith("/vrascores/")]


def test_twice_in_a_row(cron, box, listed, scored):
    assert cron.run() == DONE, cron.said
    assert cron.out == ""
    assert scored() == dict.fromkeys(listed, 1)
    assert f"{len(listed)} scored, 0 failed, 0 left" in cron.said
    box.clear_requests()
    assert cron.run() == DONE, cron.said
    assert len(box.requests) == 1
    assert scored() == dict.fromkeys(listed, 1)
    assert "0 changed" in cron.said


def test_only_what_changed_is_read_and_scored(cron, box, listed, scored):
    cron.run()
    stored = json.loads(cron.state.read_text())
    changed = str(listed[3])
    stored["seen"][changed] -= 1.0
    cron.state.write_text(json.dumps(stored))
    box.clear_requests()
    assert cron.run() == DONE
    assert len(box.requests) == 3
    assert {i: n for i, n in scored().items() if n != 1} == {listed[3]: 2}


class Meanwhile(LosingProxy):
    """Does something when a score has been written, and before the bot knows of it."""

    def __init__(self, target, number, act):
        super().__init__(target, "nothing")
        self.left, self.act = number, act

    def ask(self, handler, body):
        answer = super().ask(handler, body)
        if handler.path.endswith("/vrascores/"):
            self.left -= 1
            if self.left == 0:
                self.act()
        return answer


@pytest.mark.parametrize("done", [1, 7, 30])
def test_killed_in_the_middle(cron, box, listed, scored, done):
    started, bots = threading.Event(), []

    def kill():
        assert started.wait(60)
        bots[0].send_signal(signal.SIGKILL)
        bots[0].wait(60)

    with Meanwhile(box.url, done, kill) as proxy:
        cron.environment["ATLASQUERY_ATLAS_SERVER"] = proxy.url
        with cron.start() as bot:
            bots.append(bot)
            started.set()
            bot.communicate(timeout=600)
        assert bot.returncode == -signal.SIGKILL
        assert len(writes(box)) == done
        assert cron.run() == DONE, cron.said
    assert "scores of an earlier run looked up" in cron.said
    assert scored() == dict.fromkeys(listed, 1)


def test_lost_answers(cron, box, listed, scored):
    with LosingProxy(box.url, "vrascores") as proxy:
        proxy.faults.extend(["pass", "after", "502", "pass", "before", "500", "page", "after"])
        cron.environment["ATLASQUERY_ATLAS_SERVER"] = proxy.url
        assert cron.run() == SOME_FAILED
        assert "failed: " in cron.said
        assert cron.run() == DONE, cron.said
    assert scored() == dict.fromkeys(listed, 1)


def test_objects_that_the_server_cannot_give(cron, box, listed, scored):
    with LosingProxy(box.url, "objects") as proxy:
        proxy.faults.extend(["500"] * 200)
        cron.environment["ATLASQUERY_ATLAS_SERVER"] = proxy.url
        assert cron.run() == SOME_FAILED
        assert all(f"{atlas_id} failed: " in cron.said for atlas_id in listed)
        assert scored() == {}
        proxy.faults.clear()
        assert cron.run() == DONE, cron.said
    assert scored() == dict.fromkeys(listed, 1)


class Poisoned(LosingProxy):
    """Fails with a status of 500 whenever one object is asked for."""

    def __init__(self, target, poison):
        super().__init__(target, "nothing")
        self.poison = str(poison).encode()

    def ask(self, handler, body):
        if handler.path.endswith("/objects/") and self.poison in body:
            return 500, "text/html", b"<html><title>Server Error (500)</title></html>"
        return super().ask(handler, body)


def test_an_object_that_fails_for_ever_holds_up_nobody(cron, box, atlas, listed, scored):
    cron.configure(hourly_limit=40, limit_loopback=True)
    table = atlas.query_list("vra")
    # The one that waits longest comes first, each night.
    poison = table["atlas_id"][np.argmin(table["latest_mjd"])]
    with Poisoned(box.url, poison) as proxy:
        cron.environment["ATLASQUERY_ATLAS_SERVER"] = proxy.url
        for night in range(4):
            if night:
                cron.ledger.unlink()
            # It is tried again with what is left of the hour, if anything is.
            assert cron.run() in (SOME_FAILED, LATER), cron.said
            assert len(scored()) >= min(10 * (night + 1), len(listed) - 1)
        assert f"{poison} failed: " in cron.said
    assert scored() == dict.fromkeys(set(listed) - {poison}, 1)


def test_a_model_that_makes_nan_of_some(cron, listed, scored):
    text = BOT.read_text()
    line = "    lc = source.light_curve\n"
    assert line in text
    wrong = '    if source.atlas_id % 3 == 1:\n        return {"preal": float("nan")}\n'
    cron.bot = cron.home / "bot.py"
    cron.bot.write_text(text.replace(line, wrong + line))
    assert cron.run() == SOME_FAILED
    bad = [i for i in listed if i % 3 == 1]
    assert all(f"{i} failed: preal=" in cron.said for i in bad)
    assert scored() == dict.fromkeys(set(listed) - set(bad), 1)


def test_a_quota_that_others_use_meanwhile(cron, box, listed, scored):
    cron.configure(hourly_limit=100, limit_loopback=True)

    def use_up():
        with contextlib.closing(sqlite3.connect(cron.ledger, timeout=60)) as spent, spent:
            spent.execute("insert into spent select account, max(at) from spent group by account")
            for _ in range(7):
                spent.execute("insert into spent select * from spent")

    with Meanwhile(box.url, 5, use_up) as proxy:
        cron.environment["ATLASQUERY_ATLAS_SERVER"] = proxy.url
        assert cron.run() == LATER, cron.said
        assert len(scored()) == 5 < len(listed)
        assert f"{len(listed) - 5} left for the next run" in cron.said
        cron.ledger.unlink()
        assert cron.run() == DONE, cron.said
    assert scored() == dict.fromkeys(listed, 1)


def test_an_account_that_may_not_write(cron, box, scored):
    cron.environment["ATLASQUERY_ATLAS_TOKEN"] = box.token
    assert cron.run() == NO_LOGIN
    assert "(status 403)" in cron.said
    assert scored() == {}


def test_a_list_that_does_not_exist(cron, box):
    cron.list = "vrra"
    assert cron.run() == WRONG_USE
    assert "did you mean 'vra'?" in cron.said
    assert box.requests == []


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"seen": {"a": 1}, "pending": {}, "failed": []}']
)
def test_a_state_that_is_none(cron, box, text):
    cron.state.write_text(text)
    assert cron.run() == WRONG_USE
    assert f"{cron.state} is no state of this bot" in cron.said
    assert cron.state.read_text() == text
    assert box.requests == []


def test_a_quota_that_is_too_small_for_all(cron, box, listed, scored):
    cron.configure(hourly_limit=30, limit_loopback=True)
    assert cron.run() == LATER, cron.said
    first = scored()
    assert 20 <= len(first) <= 27
    assert f"{len(listed) - len(first)} left for the next run" in cron.said
    assert cron.run() == LATER
    assert scored() == first
    assert {r.status for r in box.requests} <= {200, 201}


def test_no_server(cron, box):
    box.stop()
    assert cron.run() == LATER
    assert "ATLAS cannot be reached" in cron.said


def test_no_login(cron):
    del cron.environment["ATLASQUERY_ATLAS_TOKEN"]
    assert cron.run() == NO_LOGIN
    assert "set ATLASQUERY_ATLAS_TOKEN" in cron.said
    assert cron.out == ""


def test_an_expired_token_is_renewed(cron, box, listed, scored):
    cron.environment["ATLASQUERY_ATLAS_USERNAME"] = "writer"
    cron.environment["ATLASQUERY_ATLAS_PASSWORD"] = "writer-password"
    del cron.environment["ATLASQUERY_ATLAS_TOKEN"]
    assert cron.run() == DONE, cron.said
    assert scored() == dict.fromkeys(listed, 1)
    assert "writer-password" not in cron.said + cron.state.read_text()


def test_a_second_run_at_the_same_time(cron, box):
    with cron.state.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cron.run() == LATER
    assert "another run is at work" in cron.said
    assert box.requests == []

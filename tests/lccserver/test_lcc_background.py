"""Searches in the background: the client waits for them, saves them, and resumes them later."""

import copy
import json
import pickle
import stat
import threading
import time

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from atlasquery.exceptions import (
    InvalidQueryError,
    LoginError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TimeoutError,
)
from atlasquery.lccserver import LCCQuery, LCCServerClass, conf, sending
from atlasquery.lccserver.queries import Part
from atlasquery.sandbox.lccserver.messages import LineStream, failed, json_reply

CENTRE = SkyCoord(290.0, 45.0, unit="deg")
WORDS = "The requested dataset with setid: ? doesn't exist, or you don't have access to it."


def to_background(double, looks):
    """Let each search of the double go to the background, and be done after so many looks."""
    plain = double.search

    def search(request):
        lines = [json.loads(line) for line in plain(request).lines]
        setid = lines[0]["result"]["setid"]
        result = {"setid": setid, "seturl": f"{double.url}set/{setid}"}
        sent = {"status": "background", "result": result, "message": "still running"}
        double.faults[f"GET /set/{setid}"] = [json_reply(failed(WORDS), 404)] * looks
        return LineStream([lines[0], sent])

    double.routes["POST /api/(cone|column|fts|xm)"] = search


def test_a_search_in_the_background_is_waited_for(lcc, double):
    direct = lcc.query_region(CENTRE, radius="30 arcmin", cache=False)
    to_background(double, 4)
    found = lcc.query_region(CENTRE, radius="30 arcmin", cache=False)
    assert found["objectid"].tolist() == direct["objectid"].tolist()
    assert len(double.asked("GET /set")) == 1 + 5


def test_looks_at_a_dataset_become_rarer(lcc, double, monkeypatch):
    slept = []
    monkeypatch.setattr(lcc._clock, "sleep", slept.append)
    to_background(double, 12)
    with conf.set_temp("poll_seconds", 2.0):
        lcc.query_criteria("sdssr < 10")
    assert slept[:3] == [2.0, 3.0, 4.5] and max(slept) == 30.0 and len(slept) == 12


def test_waiting_ends_in_time_and_can_be_taken_up(lcc, double):
    to_background(double, 3)
    with pytest.raises(TimeoutError, match=r"has no dataset .* yet") as caught:
        lcc.query_region(CENTRE, radius="30 arcmin", timeout=0)
    query = caught.value.query
    assert query.unfinished == 1 and query.setids[0] in str(caught.value)
    found = lcc.fetch(query)
    assert len(found) > 0 and query.parts[0].state == "done"
    assert len(double.asked("POST /api/conesearch")) == 1


def test_a_query_is_kept_and_taken_up_by_another_process(lcc, double, tmp_path):
    to_background(double, 2)
    path = tmp_path / "query.json"
    query = lcc.query_region(
        SkyCoord([290.0, 0.0], [45.0, -25.0], unit="deg"), radius="30 arcmin", wait=False,
        save=path, columns=["sdssr"], max_rows=-1,
    )  # fmt: skip
    assert isinstance(query, LCCQuery) and query.unfinished == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "anonymous-key" not in path.read_text()
    other = LCCServerClass(double.url)
    loaded = LCCQuery.load(path)
    assert loaded.setids == query.setids and loaded.table()["state"].tolist() == ["running"] * 2
    found = other.fetch(loaded)
    assert set(found["query_index"]) == {0, 1} and found["sdssr"].unit == "mag"
    assert LCCQuery.load(path).unfinished == 0
    assert len(double.asked("POST /api/conesearch")) == 2
    assert "2 done" in repr(loaded) and query.setids[0] in loaded._repr_html_()
    # Once more: all is there.
    assert other.fetch(LCCQuery.load(path))["objectid"].tolist() == found["objectid"].tolist()


def test_a_step_of_a_long_query_writes_only_itself(tmp_path):
    path = tmp_path / "query.json"
    parts = [Part("api/conesearch", {"coords": f"{n} 0 1"}) for n in range(1000)]
    query = LCCQuery("http://127.0.0.1:9/", "query_region", {"radius": 1.0}, parts)
    query.save(path)
    size = path.stat().st_size
    for n in (3, 999):
        query.change(query.parts[n], state="running", setid=f"set{n}")
    query.change(query.parts[3], state="done", matches=7)
    assert path.stat().st_size - size < 300
    loaded = LCCQuery.load(path)
    assert loaded == query and loaded.parts[3].matches == 7
    # What was taken up, or copied, knows its parts too.
    for other in (loaded, copy.deepcopy(query)):
        other.change(other.parts[999], state="empty")
        assert LCCQuery.load(path).parts[999].state == "empty"
    path.unlink()
    query.change(query.parts[5], state="empty")
    assert LCCQuery.load(path) == query
    with path.open("a") as file:
        file.write('\n{"part": 1000, "state": "done"}')
    with pytest.raises(InvalidQueryError, match="it has no part 1000"):
        LCCQuery.load(path)


def test_what_was_not_sent_is_sent_when_it_is_taken_up(lcc, double, tmp_path):
    path = tmp_path / "query.json"
    double.faults["conesearch"] = [LineStream([{"status": "failed", "result": None}])]
    with conf.set_temp("concurrency", 1), pytest.raises(RemoteServiceError):
        lcc.query_region(CENTRE, radius="90 arcmin", save=path)
    loaded = LCCQuery.load(path)
    states = loaded.table()["state"].tolist()
    assert states[0] == "failed" and set(states[1:]) <= {"done", "empty"}
    before = len(double.asked("POST"))
    found = lcc.fetch(loaded)
    assert len(double.asked("POST")) == before + 1
    direct = lcc.query_region(CENTRE, radius="90 arcmin", cache=False)
    assert found["objectid"].tolist() == direct["objectid"].tolist()


def test_files_that_hold_no_query_are_refused(lcc, double, tmp_path):
    bad = tmp_path / "bad.json"
    for text in ("{", "[]", '{"format": 99}', '{"format": 1}'):
        bad.write_text(text)
        with pytest.raises(InvalidQueryError, match="is not a file of query"):
            LCCQuery.load(bad)
    with pytest.raises(InvalidQueryError, match="cannot be read"):
        LCCQuery.load(tmp_path / "none.json")
    with pytest.raises(InvalidQueryError, match="exists"):
        lcc.query_criteria("sdssr < 9", save=bad)
    with pytest.raises(InvalidQueryError, match="cannot be written"):
        lcc.query_criteria("sdssr < 9", save=tmp_path / "none" / "query.json")
    assert not double.asked("POST")
    query = LCCQuery("http://127.0.0.1:9/", "query_text", {}, [])
    with pytest.raises(InvalidQueryError, match="query is of http://127"):
        lcc.fetch(query)


def test_a_connection_that_breaks_after_the_set_id_loses_nothing(lcc, double):
    """The search goes on at the server: its dataset is looked for, and nothing is sent again."""
    plain = double.search

    def search(request):
        lines = list(plain(request).lines)
        return LineStream(lines[:2], cut=True)

    double.routes["POST /api/conesearch"] = search
    found = lcc.query_region(CENTRE, radius="30 arcmin")
    assert len(found) > 0 and len(double.asked("POST /api/conesearch")) == 1


def test_a_connection_that_breaks_before_it_is_tried_again(lcc, double):
    double.faults["conesearch"] = [LineStream([], cut=True)]
    assert len(lcc.query_region(CENTRE, radius="30 arcmin")) > 0
    assert len(double.asked("POST /api/conesearch")) == 2


def test_a_search_whose_end_nobody_saw_is_not_waited_for(lcc, double, tmp_path):
    """A process that is killed leaves such a part; without a match there is no dataset, ever."""
    path = tmp_path / "query.json"
    for expression in ("sdssr < 10", "sdssr < -5"):
        query = lcc.query_criteria(expression, wait=False, cache=False)
        query.change(query.parts[0], state="running", matches=None, message="")
        query.save(path)
        before = len(double.asked("POST"))
        loaded = LCCQuery.load(path)
        if expression == "sdssr < -5":
            with pytest.warns(NoResultsWarning):
                assert len(lcc.fetch(loaded, timeout=60)) == 0
            assert loaded.parts[0].state == "empty"
        else:
            # What is there is taken, and not searched for again.
            assert len(lcc.fetch(loaded, timeout=60)) > 0
        assert len(double.asked("POST")) == before + (expression == "sdssr < -5")


def test_a_query_can_be_copied_and_sent_to_other_processes(lcc):
    query = lcc.query_criteria("sdssr < 10", wait=False)
    for other in (copy.deepcopy(query), pickle.loads(pickle.dumps(query))):
        assert other == query
        assert len(lcc.fetch(other)) == query.parts[0].matches


@pytest.mark.parametrize("visibility", ["private", "shared"])
def test_what_only_its_key_may_see_is_not_taken_from_the_store(lcc, double, visibility):
    outcome = lcc.query_criteria("sdssr < 10", visibility=visibility, cache=True)
    other = LCCServerClass(double.url)
    other.cache_location = lcc.cache_location
    with pytest.raises(LoginError, match=r"keeps .* for its owner"):
        other.get_dataset(outcome.meta["setid"], cache=True)
    # The search of another is another search.
    again = other.query_criteria("sdssr < 10", visibility=visibility, cache=True)
    assert again.meta["setid"] != outcome.meta["setid"]
    assert again["objectid"].tolist() == outcome["objectid"].tolist()


def test_a_finished_search_whose_dataset_is_gone_is_not_waited_for(lcc, double):
    double.faults["GET /set"] = json_reply(failed(WORDS), 404)
    with pytest.raises(NotFoundError, match="does not have a dataset"):
        lcc.query_criteria("sdssr < 10")
    # Once while the server was at it, and once when it had ended.
    assert len(double.asked("GET /set")) == 2


def held_up(double, early):
    """Let the light curves of each search be collected until its dataset was asked for."""
    plain, seen = double.search, {}

    def lines(request):
        reply = [json.loads(line) for line in plain(request).lines]
        setid = reply[0]["result"]["setid"]
        double.faults[f"GET /set/{setid}"] = [early(double.datasets[setid][0])]
        for line in reply:
            yield line
            if "total_nmatches" in line["result"] and line["status"] == "running":
                end = time.monotonic() + 300
                while not (asked := double.asked("GET /set")) and time.monotonic() < end:
                    time.sleep(0.002)
                seen["early"] = len(asked)

    double.routes["POST /api/"] = lambda request: LineStream(lines(request))
    return seen


def test_a_dataset_is_asked_for_while_its_light_curves_are_collected(lcc, double):
    plain = lcc.query_criteria("sdssr < 10", cache=False)
    double.received.clear()
    unfinished = {"status": "in progress", "lczipfpath": None}
    seen = held_up(double, lambda outcome: json_reply(outcome | unfinished))
    found = lcc.query_criteria("sdssr < 10")
    assert seen["early"] == 1
    assert len(double.asked("GET /set")) == 1
    assert found["objectid"].tolist() == plain["objectid"].tolist()
    assert found.meta["light_curves"] == f"/p/lightcurves-{found.meta['setid']}.zip"
    # It was in progress: whoever asks for it later asks the server.
    assert lcc.get_dataset(found.meta["setid"]).meta["status"] == "complete"
    assert len(double.asked("GET /set")) == 2


@pytest.mark.parametrize("early", ["missing", "damaged", "another"])
def test_a_dataset_that_was_asked_for_too_early_is_asked_for_again(lcc, double, early):
    plain = lcc.query_criteria("sdssr < 10", cache=False)
    double.received.clear()
    answers = {"missing": lambda outcome: json_reply(failed(WORDS), 404),
               "damaged": lambda outcome: json_reply(b'{"setid": '),
               "another": lambda outcome: json_reply(outcome | {"searchargs": {}})}  # fmt: skip
    seen = held_up(double, answers[early])
    if early == "another":
        with pytest.raises(RemoteServiceError, match="did not search for what it was asked"):
            lcc.query_criteria("sdssr < 10")
        return
    found = lcc.query_criteria("sdssr < 10")
    assert seen["early"] == 1
    assert len(double.asked("GET /set")) == 2
    assert found["objectid"].tolist() == plain["objectid"].tolist()
    assert found.meta["light_curves"]


def test_large_results_and_parts_are_not_asked_for_early(lcc, double, monkeypatch):
    begun = []
    real = sending.in_background
    monkeypatch.setattr(sending, "in_background", lambda work: begun.append(1) or real(work))
    lcc.query_criteria("sdssr < 10")
    assert len(begun) == 1
    monkeypatch.setattr(sending, "SOON", 1)
    lcc.query_criteria("sdssr < 11")
    monkeypatch.undo()
    monkeypatch.setattr(sending, "in_background", lambda work: begun.append(1) or real(work))
    lcc.query_region(CENTRE, radius="70 arcmin")
    query = lcc.query_criteria("sdssr < 12", wait=False)
    assert len(begun) == 1
    assert len(lcc.fetch(query)) == query.parts[0].matches


def test_the_same_search_is_not_sent_again_unless_its_dataset_is_gone(lcc, double):
    first = lcc.query_criteria("sdssr < 10")
    again = lcc.query_criteria("sdssr < 10")
    assert again.meta["setid"] == first.meta["setid"]
    assert len(double.asked("POST")) == len(double.asked("GET /set")) == 1
    third = lcc.query_criteria("sdssr < 10", cache=False)
    assert third.meta["setid"] != first.meta["setid"]
    double.datasets.clear()
    lcc.query_criteria("sdssr < 10.5")
    lcc.clear_cache()
    lcc.query_criteria("sdssr < 10")
    with conf.set_temp("dataset_seconds", 0.0):
        double.datasets.clear()
        outcome = lcc.query_criteria("sdssr < 10")
    assert outcome.meta["setid"] in double.datasets


def test_a_dataset_in_progress_is_not_taken_from_the_store(lcc, double):
    outcome = lcc.query_criteria("sdssr < 10", cache=False)
    dataset, _ = double.datasets[outcome.meta["setid"]]
    dataset["status"], zipped, dataset["lczipfpath"] = "in progress", dataset["lczipfpath"], None
    found = lcc.get_dataset(outcome.meta["setid"])
    assert found.meta["status"] == "in progress" and "light_curves" not in found.meta
    dataset["status"], dataset["lczipfpath"] = "complete", zipped
    found = lcc.get_dataset(outcome.meta["setid"])
    assert found.meta["light_curves"] == zipped
    before = len(double.asked("GET /set"))
    lcc.get_dataset(outcome.meta["setid"])
    assert len(double.asked("GET /set")) == before


def test_messages_are_seen_as_they_arrive(lcc, double):
    """Each is reported before the next is sent, through compression too."""
    plain, seen, gate = double.search, [], threading.Event()

    def lines(request):
        for n, line in enumerate(plain(request).lines):
            if n == 1:
                assert gate.wait(60), "the first message was not told before the second"
            yield line

    double.routes["POST /api/conesearch"] = lambda request: LineStream(lines(request))

    def progress(line):
        seen.append((line.status, line.message))
        gate.set()

    lcc.query_region(CENTRE, radius="30 arcmin", progress=progress)
    assert [status for status, _ in seen] == ["queued", "running", "running", "running", "ok"]
    assert "objects matched" in seen[1][1]


def test_a_terminal_shows_the_servers_words(lcc, double, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    lcc.query_region(CENTRE, radius="30 arcmin")
    shown = capsys.readouterr().out
    assert "LCC-Server: query finished OK. objects matched" in shown and shown.endswith("\r")
    lcc.query_region(CENTRE, radius="31 arcmin", progress=False)
    monkeypatch.undo()
    lcc.query_region(CENTRE, radius="32 arcmin")
    assert capsys.readouterr().out == ""


def test_a_server_that_never_ends_its_answer_is_left_in_time(lcc, double):
    def endless(request):
        def lines():
            while True:
                yield "\n"
                time.sleep(0.01)

        return LineStream(lines())

    double.routes["POST /api/conesearch"] = endless
    with (
        conf.set_temp("deadline", 0.3),
        conf.set_temp("retries", 0),
        pytest.raises(TimeoutError, match="did not finish its response within"),
    ):
        lcc.query_region(CENTRE, radius="30 arcmin")


def test_keys_are_in_no_file_of_the_store(lcc, double):
    lcc.login(token=double.add_key("the-key-of-an-account"))
    lcc.query_criteria("sdssr < 10")
    lcc.logout()
    lcc.query_criteria("sdssr < 10", cache=None)
    kept = b"".join(p.read_bytes() for p in lcc.cache_location.rglob("*") if p.is_file())
    assert kept and b"the-key-of-an-account" not in kept and b"anonymous-key" not in kept


@pytest.fixture
def slow(slow_url, tmp_path):
    client = LCCServerClass(slow_url)
    client.cache_location = tmp_path / "answers"
    with conf.set_temp("poll_seconds", 0.05):
        yield client


def test_a_slow_real_server_is_waited_for(slow, slow_url):
    """Its patience with a search is a millisecond: each goes to the background."""
    query = slow.query_region(CENTRE, radius="20 arcmin", columns="sdssr", wait=False)
    assert "background" in query.parts[0].message and query.unfinished == 1
    found = slow.fetch(query)
    assert len(found) > 0 and (found["separation"] <= 1200).all()
    assert slow.query_criteria("sdssr < 9.3", timeout="60 s")["collection"].dtype.kind == "U"


def test_a_dataset_of_a_slow_real_server_is_in_progress_and_then_complete(slow):
    """Its reader of light curves takes 50 ms for each: the rows are there before the ZIP."""
    # A light curve is converted once: somewhere there are some that no earlier run has asked for.
    for east, north in np.random.default_rng().uniform(-3, 3, (8, 2)):
        centre = SkyCoord(150.0 + east, 2.0 + north, unit="deg")
        found = slow.query_region(centre, radius="50 arcmin", cache=False)
        setid = found.meta["setid"]
        states = [slow.get_dataset(setid).meta["status"]]
        end = time.monotonic() + 300
        while states[-1] != "complete" and time.monotonic() < end:
            time.sleep(0.05)
            states.append(slow.get_dataset(setid).meta["status"])
        assert states[-1] == "complete" and set(states) <= {"in progress", "complete"}
        last = slow.get_dataset(setid)
        assert len(last) >= len(found) > 0
        assert last.meta["light_curves"].endswith(f"{setid}.zip")
        if "in progress" in states:
            return
    pytest.fail("no dataset was seen in progress")

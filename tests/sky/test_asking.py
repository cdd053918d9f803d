"""Several services asked at once: each in its time, none waiting for another, warnings apart."""

import threading
import time
import warnings

import pytest
from faults import FaultyServer, Reply

from atlasquery.alerce import AlerceClass
from atlasquery.exceptions import InputWarning, InvalidQueryError, NoResultsWarning, TimeoutError
from atlasquery.service.deadline import Activity, watched_activity
from atlasquery.service.pool import in_background, run_all
from atlasquery.service.probe import responds
from atlasquery.sky.asking import Question, ask_all, check_seconds
from atlasquery.warn import collected_warnings, warn, without_warnings


@pytest.fixture
def server():
    with_faults = FaultyServer()
    yield with_faults
    with_faults.stop()


def question(work, **about):
    return Question("one", "One", work, **about)


def test_all_are_asked_at_the_same_time():
    everybody = threading.Barrier(5, timeout=60)
    answers = ask_all([question(lambda n=n: (everybody.wait(), n)[1]) for n in range(5)])
    assert [answer.value for answer in answers] == [0, 1, 2, 3, 4]
    assert all(answer.error is None for answer in answers)


def test_an_error_is_that_of_its_question_alone():
    def fails():
        raise ValueError("no")

    def exits():
        raise SystemExit(1)

    good, bad, worse = ask_all([question(lambda: 1), question(fails), question(exits)])
    assert good.value == 1 and isinstance(bad.error, ValueError)
    assert "SystemExit" in str(worse.error)


def test_the_time_limit_holds_in_the_threads_of_a_client(server):
    """The requests of a pool end at the limit of the call, not at that of the configuration."""
    server.default = Reply(hold=60.0)
    client = AlerceClass(server.url)

    def work():
        return run_all(lambda n: client._ask("objects/"), [1, 2, 3], concurrency=3)

    (answer,) = ask_all([question(work, client=client)], timeout=0.5)
    outcomes = answer.value if answer.error is None else [answer.error]
    assert all(isinstance(each, TimeoutError) for each in outcomes)
    end = time.monotonic() + 30
    while time.monotonic() < end and any("_run" in t.name for t in threading.enumerate()):
        time.sleep(0.02)
    assert client._clock.left() == float("inf")


def test_the_limit_is_inherited_and_the_shortest_counts():
    client = AlerceClass()
    with client._clock.until(client._clock.now() + 100):
        assert 0 < in_background(client._clock.left).result(60) <= 100
        assert all(0 < left <= 100 for left in run_all(
            lambda n: client._clock.left(), [1, 2, 3], concurrency=2
        ))  # fmt: skip
        with client._clock.until(client._clock.now() + 1000):
            assert client._clock.left() <= 100
    assert in_background(client._clock.left).result(60) == float("inf")


def test_work_that_ignores_its_limit_is_given_up():
    """What sends no request through a client cannot be ended, but is not awaited either."""
    release = threading.Event()
    try:
        stuck, good = ask_all(
            [question(lambda: release.wait(60)), question(lambda: 1)], timeout=0.2
        )
    finally:
        release.set()
    assert isinstance(stuck.error, TimeoutError) and "timeout" in str(stuck.error)
    assert good.value == 1


def test_a_silent_server_is_given_up_and_a_slow_one_is_not(server):
    """The slow one answers any other request meanwhile; the silent one sends nothing at all."""
    client = AlerceClass(server.url)

    def reply(received):
        return Reply(hold=2.5) if "objects" in received.target else Reply(body=b"[]")

    server.default = reply
    slow = question(lambda: client._ask("objects/"), client=client, address=server.url)
    quick = question(lambda: 1)
    answer = ask_all([slow, quick], timeout=60)[0]
    assert answer.error is None and answer.seconds > 2
    server.default = Reply(hold=60.0)
    answer = ask_all([slow, quick], timeout=60)[0]
    assert isinstance(answer.error, TimeoutError) and "front page" in str(answer.error)


def test_what_is_given_up_sends_no_further_request(server):
    """A thread that waits for its first response has a thousand positions to ask for."""
    client = AlerceClass(server.url)
    server.default = Reply(hold=1.5, body=b"[]")

    def work():
        return [client._ask("objects/", {"n": n}) for n in range(20)]

    silent = question(work, client=client, address=server.url)
    answer = ask_all([silent, question(lambda: 1)], timeout=60)[0]
    assert isinstance(answer.error, TimeoutError)
    asked = len([each for each in server.received if "objects" in each.target])
    server.arrived(len(server.received))
    time.sleep(2)
    assert len([each for each in server.received if "objects" in each.target]) == asked == 1


def test_without_any_answer_a_silent_server_has_its_time(server):
    client = AlerceClass(server.url)
    server.default = Reply(hold=60.0)
    silent = question(lambda: client._ask("objects/"), client=client, address=server.url)
    (answer,) = ask_all([silent], timeout=1.5)
    assert "sent nothing" not in str(answer.error)


def test_a_server_responds_with_any_status(server):
    session = AlerceClass()._session
    for reply in (Reply(), Reply(status=503), Reply(status=302, headers={"Location": "http://x/"})):
        server.default = reply
        assert responds(session, server.url, 30)
    server.default = Reply(hold=60.0)
    assert not responds(session, server.url, 0.2)
    assert not responds(session, "http://127.0.0.1:9/", 5)
    assert all("authorization" not in each.headers for each in server.received)


def test_activity_of_connections_is_watched(server):
    client = AlerceClass(server.url)
    with watched_activity() as activity:
        client._ask("objects/")
    assert isinstance(activity, Activity)
    assert activity.heard and activity.succeeded and activity.connecting >= 0
    assert activity.failure is None


def test_warnings_of_threads_are_collected_for_each():
    def work(word):
        run_all(lambda n: warn(f"{word} {n}", InputWarning), [1, 2], concurrency=2)
        with without_warnings(NoResultsWarning):
            warn("nothing", NoResultsWarning)
        warn("end", NoResultsWarning)

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        answers = ask_all([question(lambda word=word: work(word)) for word in "ab"])
    assert not shown
    for word, answer in zip("ab", answers, strict=True):
        messages = sorted(message for message, _ in answer.warnings)
        assert messages == [f"{word} 1", f"{word} 2", "end"]


def test_silenced_warnings_of_one_thread_are_those_of_no_other():
    """Filters of the module warnings belong to the whole process."""
    inside, done = threading.Event(), threading.Event()

    def silenced():
        with without_warnings(InputWarning):
            inside.set()
            done.wait(60)

    future = in_background(silenced)
    assert inside.wait(60)
    with collected_warnings() as found:
        warn("here", InputWarning)
    done.set()
    future.result(60)
    assert found == [("here", InputWarning)]


@pytest.mark.parametrize("timeout", [0, -1, "soon", True, float("inf"), "3 km", [1, 2]])
def test_a_time_limit_that_is_none_is_refused(timeout):
    with pytest.raises(InvalidQueryError, match="timeout="):
        check_seconds(timeout)


def test_a_time_limit_has_a_unit_or_is_in_seconds():
    assert check_seconds("2 min") == 120 and check_seconds(5) == 5 and check_seconds(None) is None


def test_credentials_are_looked_for_without_a_request(server, monkeypatch):
    from atlasquery.atlas import AtlasClass

    client = AtlasClass(server.url)
    assert not client.has_credentials()
    monkeypatch.setenv("ATLASQUERY_ATLAS_TOKEN", "x" * 40)
    assert client.has_credentials()
    client.logout()
    assert not client.has_credentials()
    client.login(token="y" * 40)
    assert client.has_credentials()
    monkeypatch.delenv("ATLASQUERY_ATLAS_TOKEN")
    assert client.has_credentials() and not server.received

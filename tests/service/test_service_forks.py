"""A client that was used, in other processes, threads and tasks: no answer is mixed up."""

import contextlib
import multiprocessing
import os
import pickle
import threading
import warnings

import pytest
from addresses import configured
from astropy.coordinates import SkyCoord
from clocks import JumpingClock
from faults import answer
from probe import ProbeClass, conf
from processes import in_processes, in_tasks, in_threads

from atlasquery.alerce import AlerceClass
from atlasquery.alerce import conf as alerce_conf
from atlasquery.atlas import AtlasClass
from atlasquery.forcedphot import AtlasForcedClass
from atlasquery.lccserver import LCCServerClass
from atlasquery.sandbox.alerce.edge_cases import name as alerce_name
from atlasquery.sandbox.alerce.server import AlerceSandbox
from atlasquery.sandbox.forcedphot.server import ForcedSandbox
from atlasquery.sandbox.lccserver import catalogs
from atlasquery.sandbox.lccserver.server import LCCSandbox
from atlasquery.sandbox.skyportal.server import ADMIN, SkyPortalSandbox
from atlasquery.service.chunks import ChunkedReads, ChunkSize
from atlasquery.service.quota import QuotaLedger
from atlasquery.skyportal import SkyPortalClass

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")
TOKEN = "t0ken" + "5ecret" * 5
RIGHT = (0, [])


@contextlib.contextmanager
def atlas(monkeypatch, request):
    box = request.getfixturevalue("sandbox")
    ids = [int(one) for one in box.manifest["ids"]["field"]][:5]
    monkeypatch.setenv("ATLASQUERY_ATLAS_SERVER", box.url)
    monkeypatch.setenv("ATLASQUERY_ATLAS_TOKEN", box.token)
    yield AtlasClass(), ask_atlas, ids


def ask_atlas(client, k, ids):
    atlas_id = ids[k % len(ids)]
    return client.get_objects(atlas_id, cache=False)["atlas_id"].tolist(), [atlas_id]


@contextlib.contextmanager
def forced(monkeypatch, request):
    with ForcedSandbox(JumpingClock()) as double:
        for name, value in double.environment().items():
            monkeypatch.setenv(name, value)
        client = AtlasForcedClass()
        client._clock = double.clock
        where = SkyCoord(range(10, 60, 10), range(5), unit="deg")
        jobs = client.wait(client.submit(where, start=59000, end=59010))
        known = [(job.task_id, ra) for job, ra in zip(jobs, where.ra.deg, strict=True)]
        yield AtlasForcedClass(), ask_forced, known


def ask_forced(client, k, jobs):
    task_id, ra = jobs[k % len(jobs)]
    # A task of the queue, which is never stored.
    task = client._task(task_id)
    return (task.task_id, task.ra), (task_id, ra)


@contextlib.contextmanager
def alerce(monkeypatch, request):
    with AlerceSandbox(seed=None) as double, configured(double):
        known = [alerce_name(n) for n in range(5)], double.settings()
        yield AlerceClass(), ask_alerce, known


def ask_alerce(client, k, known):
    oids, settings = known
    # A spawned process has the configuration of the file, not of this test.
    for name, value in settings.items():
        setattr(alerce_conf, name, value)
    oid = oids[k % len(oids)]
    found = client.query_objects([oid], cache=False)
    return found["oid"].tolist(), [oid]


@contextlib.contextmanager
def lcc(monkeypatch, request):
    known = [(row["objectid"], row["ra"]) for row in catalogs.objects()["synth_alpha"][:5]]
    with LCCSandbox() as double:
        monkeypatch.setenv("ATLASQUERY_LCC_SERVER", double.url)
        yield LCCServerClass(), ask_lcc, known


def ask_lcc(client, k, known):
    objectid, ra = known[k % len(known)]
    found = client.get_object(objectid, collection="synth_alpha", cache=False)
    return found.info["ra"], ra


@contextlib.contextmanager
def skyportal(monkeypatch, request):
    with SkyPortalSandbox() as double:
        monkeypatch.setenv("ATLASQUERY_SKYPORTAL_SERVER", double.url)
        names = [f"ATLAS24ab{letter}" for letter in "abcde"]
        for n, name in enumerate(names):
            double.state.add_source(name, 10.0 * n, 1.0)
        monkeypatch.setenv("ATLASQUERY_SKYPORTAL_TOKEN", ADMIN)
        yield SkyPortalClass(), ask_skyportal, names


def ask_skyportal(client, k, names):
    name = names[k % len(names)]
    return client.get_source(name, cache=False)["id"].tolist(), [name]


class Ask:
    """A question whose right answer is known; it is taken along to a spawned process."""

    def __init__(self, ask, known):
        self.ask, self.known = ask, known

    def __call__(self, client, k):
        return self.ask(client, k, self.known)


@pytest.fixture(params=[atlas, forced, alerce, lcc, skyportal], ids=lambda one: one.__name__)
def service(request, monkeypatch):
    """A client of each service that was used, and a question."""
    with request.param(monkeypatch, request) as (client, ask, known):
        question = Ask(ask, known)
        for k in range(3):
            found, expected = question(client, k)
            assert found == expected
        yield client, question


@forks
def test_children_of_a_process_that_used_a_client_get_their_answers(service):
    client, ask = service
    assert in_processes("fork", client, ask, count=15) == [RIGHT] * 5


@forks
@pytest.mark.slow
def test_four_children_and_their_parent_call_a_hundred_times_each(service):
    client, ask = service
    assert in_processes("fork", client, ask) == [RIGHT] * 5


@pytest.mark.slow
def test_spawned_processes_are_given_a_client(service):
    client, ask = service
    assert in_processes("spawn", client, ask) == [RIGHT] * 5


def test_threads_and_tasks_share_a_client(service):
    client, ask = service
    assert in_threads(client, ask) == [RIGHT] * 16
    assert in_tasks(client, ask) == [RIGHT] * 100


@pytest.fixture
def echo(faulty):
    """A server whose answer is the form it was sent."""
    faulty.default = lambda received: answer(received.form)
    return faulty


def ask_echo(client, k):
    return client.read(k=k), {"k": str(k)}


@forks
def test_a_fork_while_threads_use_the_client_and_the_count_of_requests(echo, probe):
    stopped, fine = threading.Event(), []

    def busy():
        while not stopped.is_set():
            found, expected = ask_echo(probe, 77)
            fine.append(found == expected)

    threads = [threading.Thread(target=busy) for _ in range(6)]
    with conf.set_temp("limit_loopback", True):
        for thread in threads:
            thread.start()
        try:
            assert in_processes("fork", probe, ask_echo, children=8, count=5) == [RIGHT] * 9
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
        # Each request of a child was counted once, with those of the parent.
        assert probe.quota().used == len(echo.received) == len(fine) + 45
    assert all(fine)


def in_child(work):
    """Return what some work in a forked child returns, if it ends."""
    context = multiprocessing.get_context("fork")
    outcome = context.SimpleQueue()
    child = context.Process(target=lambda: outcome.put(work()), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    child.join(60)
    assert child.exitcode == 0
    return outcome.get()


@forks
def test_what_a_thread_holds_while_another_forks_is_free_in_the_child(echo, probe, tmp_path):
    ledger = QuotaLedger(tmp_path / "quota.sqlite")
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with probe._login_lock:
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(60)
    try:
        assert in_child(lambda: [probe.read(k=1), probe.logout(), ledger.book("a", 1)[1]]) == [
            {"k": "1"}, None, 0.0,
        ]  # fmt: skip
    finally:
        leave.set()
        thread.join()
    with probe._login_lock:
        assert in_child(probe.authenticated)


@forks
def test_the_settings_of_a_session_are_those_of_the_parent(echo, probe):
    before = probe._session
    before.headers["X-Mine"] = "yes"
    before.verify = "mine.pem"
    ask_echo(probe, 1)

    def settings():
        ask_echo(probe, 2)
        session = probe._session
        return session is before, session.verify, dict(session.headers), list(session.adapters)

    assert in_child(settings) == (False, "mine.pem", dict(before.headers), list(before.adapters))
    assert probe._session is before
    assert echo.received[-1].headers["x-mine"] == "yes"


@forks
def test_an_iteration_of_the_parent_is_refused_in_the_child_instead_of_hanging():
    class Answer(list):
        size = 1

    reads = iter(
        ChunkedReads(
            Answer, range(100), size=ChunkSize(first=1, most=1, target=1.0, seconds=1.0),
            concurrency=2, alive=lambda: None, pause=lambda: None,
        )
    )  # fmt: skip
    assert next(reads).answer == [0]

    def go_on():
        try:
            for _ in reads:
                pass
        except RuntimeError as error:
            return str(error)

    assert "started in another process" in in_child(go_on)
    assert len(list(reads)) == 99


def test_a_client_is_pickled_with_its_address_and_without_a_login(faulty, probe, monkeypatch):
    with pytest.raises(TypeError, match="log in again in the other process") as caught:
        pickle.dumps(probe)
    assert TOKEN not in str(caught.value)
    other = pickle.loads(pickle.dumps(ProbeClass(faulty.url)))
    assert (type(other), other.server, other.authenticated()) == (ProbeClass, faulty.url, False)
    monkeypatch.setenv("ATLASQUERY_PROBE_TOKEN", TOKEN)
    client = ProbeClass(faulty.url)
    client.cache_location = "/somewhere/else"
    client.login()
    data = pickle.dumps(client)
    assert TOKEN.encode() not in data
    other = pickle.loads(data)
    assert other.cache_location == client.cache_location
    faulty.default = answer({})
    other.read()
    assert faulty.received[-1].token == TOKEN

"""Many requests at once, and the configuration that says how many and how patiently."""

import gc
import signal
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from probe import OtherConf, ProbeConf, conf, other_conf

from atlasquery.exceptions import LoginError, QuotaError, RemoteServiceError
from atlasquery.service import ServiceConf, pool
from atlasquery.service.pool import run_all
from atlasquery.service.transport import Policy


@pytest.mark.parametrize("concurrency", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("tasks", [0, 1, 2, 50])
def test_order_is_kept(concurrency, tasks):
    def work(n):
        time.sleep(0.0005 * ((n * 7) % 5))
        return n * n

    expected = [n * n for n in range(tasks)]
    assert run_all(work, list(range(tasks)), concurrency=concurrency) == expected


@pytest.mark.parametrize("concurrency", [1, 3, 5])
def test_concurrency_is_reached_and_not_passed(concurrency):
    changed, running, most = threading.Condition(), [], []

    def work(n):
        with changed:
            running.append(n)
            most.append(len(running))
            changed.notify_all()
            if n == 0:
                # However late the others are begun, the first is still here.
                changed.wait_for(lambda: max(most) >= concurrency, 30)
        time.sleep(0.01)
        with changed:
            running.remove(n)

    run_all(work, range(20), concurrency=concurrency)
    assert max(most) == concurrency


@pytest.mark.parametrize("concurrency", [1, 4])
def test_one_failure_loses_no_neighbour(concurrency):
    def work(n):
        if n % 5 == 2:
            raise RemoteServiceError(f"number {n}")
        return n

    results = run_all(work, range(20), concurrency=concurrency)
    for n, result in enumerate(results):
        if n % 5 == 2:
            assert isinstance(result, RemoteServiceError)
            assert str(result) == f"number {n}"
        else:
            assert result == n


@pytest.mark.parametrize("concurrency", [1, 2, 4])
@pytest.mark.parametrize("error", [LoginError("who?"), QuotaError("enough", retry_after=9)])
def test_fatal_errors_stop_further_work(concurrency, error):
    begun, failing, failed = [], [], threading.Event()

    def work(n):
        begun.append(n)
        if n == 5:
            failing.append(threading.current_thread())
            failed.set()
            raise error
        if n > 5:
            # Whoever learns of the end of this learns of the failure before, or with it.
            assert failed.wait(60)
            failing[0].join(60)
        return n

    results = run_all(work, range(100), concurrency=concurrency)
    assert len(results) == 100
    assert len(begun) <= 5 + concurrency
    assert results[:5] == [0, 1, 2, 3, 4]
    for n, result in enumerate(results):
        assert result is error if n not in begun or n == 5 else result == n


@pytest.mark.parametrize("concurrency", [1, 3])
def test_interrupt_stops_at_once(concurrency, no_collection):
    begun, release = [], threading.Event()

    def work(n):
        begun.append(n)
        if n == 2:
            # As Ctrl-C does: it wakes a thread that waits.
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        if n >= 2:
            # A request that hangs; the main thread can be interrupted in it.
            release.wait(20)
        return n

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        # Few tasks: without an interrupt, each thread would wait for each of them.
        run_all(work, range(8), concurrency=concurrency)
    assert time.monotonic() - started < 15
    release.set()
    time.sleep(0.05)
    assert len(begun) <= 2 + concurrency


@pytest.fixture
def no_collection():
    """Keep the garbage collector out: Python drops an interrupt that comes in a finalizer."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("concurrency", [2, 5])
def test_a_few_threads_do_all_the_work(concurrency):
    threads = run_all(
        lambda n: threading.current_thread(), list(range(300)), concurrency=concurrency
    )
    assert 1 <= len(set(threads)) <= concurrency
    assert threading.main_thread() not in threads
    assert all(thread.daemon for thread in threads)


def test_whatever_ends_a_task_is_its_outcome():
    def work(n):
        if n % 2:
            raise SystemExit(n)
        return n

    results = run_all(work, list(range(10)), concurrency=3)
    assert results[::2] == [0, 2, 4, 6, 8]
    assert [result.code for result in results[1::2]] == [1, 3, 5, 7, 9]


def test_the_bar_shows_all_tasks(monkeypatch):
    cell, modules = notebook(kernel=object())
    monkeypatch.setattr("sys.modules", sys.modules | modules)
    monkeypatch.setattr(pool._NotebookBar, "SECONDS", 0.0)
    monkeypatch.setattr(pool, "BETWEEN_UPDATES", 0.001)
    run_all(lambda n: time.sleep(0.002), list(range(40)), concurrency=4)
    values = [int(text.split('"')[1]) for text in cell.shown]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0, 40)
    assert len(set(values)) > 2


def test_policy_is_that_of_the_moment():
    before = Policy.from_conf(conf)
    with conf.set_temp("timeout", 1.25), conf.set_temp("retries", 9):
        during = Policy.from_conf(conf)
    assert (during.timeout, during.retries) == (1.25, 9)
    assert Policy.from_conf(conf) == before


ITEMS = [
    ("timeout", 60.0, float),
    ("deadline", 900.0, float),
    ("retries", 3, int),
    ("backoff", 0.5, float),
    ("max_wait", 60.0, float),
    ("concurrency", 2, int),
    ("cache_seconds", 300.0, float),
    ("allow_http", False, bool),
    ("config_file", "", str),
]


@pytest.mark.parametrize(("name", "default", "kind"), ITEMS)
def test_items_are_separate_for_each_service(name, default, kind):
    assert getattr(other_conf, name) == default
    assert type(getattr(other_conf, name)) is kind
    own, other = vars(ProbeConf)[name], vars(OtherConf)[name]
    assert own is not other
    assert own is not vars(ServiceConf)[name]
    assert own.name == name
    assert own.description == vars(ServiceConf)[name].description
    value = {float: 7.5, int: 7, bool: True, str: "x"}[kind]
    with conf.set_temp(name, value):
        assert getattr(conf, name) == value
        assert getattr(other_conf, name) == default


def test_wrong_type_of_an_item_is_refused():
    with pytest.raises(TypeError), conf.set_temp("retries", "many"):
        pass


class Cell:
    """What IPython shows in the output of a cell."""

    def __init__(self):
        self.shown = []

    def HTML(self, text):
        return text

    def display(self, text, display_id):
        assert display_id is True
        self.shown.append(text)
        return SimpleNamespace(update=self.shown.append)


def notebook(kernel):
    cell = Cell()
    shell = SimpleNamespace(kernel=kernel)
    module = SimpleNamespace(get_ipython=lambda: shell, display=cell)
    return cell, {"IPython": module, "IPython.display": cell}


def test_a_notebook_shows_a_bar(monkeypatch):
    cell, modules = notebook(kernel=object())
    monkeypatch.setattr("sys.modules", sys.modules | modules)
    monkeypatch.setattr(pool._NotebookBar, "SECONDS", 0.0)
    with pool.progress_bar(4, shown=True) as bar:
        bar.update()
        bar.update(3)
    assert [text.split('"')[1] for text in cell.shown] == ["0", "1", "3", "3"]
    assert all('max="4"' in text for text in cell.shown)
    assert "3 of 4" in cell.shown[-1]
    with pool.progress_bar(4, shown=False) as bar:
        bar.update()
    assert len(cell.shown) == 4


def test_ipython_in_a_terminal_is_no_notebook(monkeypatch):
    cell, modules = notebook(kernel=None)
    monkeypatch.setattr("sys.modules", sys.modules | modules)
    with pool.progress_bar(4, shown=True) as bar:
        bar.update()
    assert cell.shown == []

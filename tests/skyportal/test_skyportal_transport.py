"""Pace, envelope, refusals and the server's messages."""

import itertools
import threading

import msgspec
import numpy as np
import pytest
from clocks import FastClock, JumpingClock

from atlasquery.exceptions import (
    InvalidQueryError,
    LoginError,
    QuotaError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import PortalError, envelope, error_envelope, html
from atlasquery.sandbox.skyportal.server import ADMIN
from atlasquery.service import pace
from atlasquery.service.pace import Pace, pace_of
from atlasquery.skyportal import SkyPortalClass, conf
from atlasquery.skyportal.base import open_envelope


@pytest.fixture
def limited(double):
    """Pacing on, against a server that refuses what comes faster."""
    double.throttled(rate=5.0, burst=10)
    with conf.set_temp("limit_loopback", True):
        yield double


@pytest.fixture
def paced(limited, skyportal, monkeypatch):
    """Pacing on, and time that passes only when somebody waits."""
    skyportal._clock = JumpingClock()
    limited.throttle.now = skyportal._clock.now
    monkeypatch.setattr(limited, "clock", skyportal._clock.now)
    return limited


def test_forty_requests_are_never_refused(skyportal, paced):
    for _ in range(40):
        skyportal.request("GET", "sysinfo", cache=False)
    assert len(paced.received) == 40
    # Five at once, then one each 0.2 s.
    waited = [later - earlier for earlier, later in itertools.pairwise(paced.times)]
    assert waited[:4] == [0.0] * 4
    assert waited[4:] == pytest.approx([0.2] * 35, abs=1e-5)


def test_the_server_refuses_who_does_not_pace(skyportal, paced):
    with conf.set_temp("limit_loopback", False):
        for _ in range(20):
            skyportal.request("GET", "sysinfo", cache=False)
    assert len(paced.received) > 20


def test_threads_and_clients_share_the_pace(limited, monkeypatch, tmp_path):
    # Slow enough that requests on their way bunch by less than the server bears.
    clock = FastClock(1.79e9, 10.0)
    monkeypatch.setattr(limited, "clock", clock.now)
    limited.throttle.now = clock.now

    def work():
        client = SkyPortalClass(limited.url, token=ADMIN)
        client._clock = clock
        client.cache_location = tmp_path
        for _ in range(8):
            client.request("GET", "sysinfo", cache=False)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(limited.received) == 32
    assert max(limited.times) - min(limited.times) >= 27 * 0.2 - 1.0


def test_processes_share_the_pace(skyportal, paced, monkeypatch):
    for _ in range(4):
        # As a process that has just begun.
        monkeypatch.setattr(pace, "_paces", {})
        for _ in range(10):
            skyportal.request("GET", "sysinfo", cache=False)
    waited = [later - earlier for earlier, later in itertools.pairwise(paced.times)]
    assert waited[4:] == pytest.approx([0.2] * 35, abs=1e-5)


def test_a_429_is_repeated_after_a_second(skyportal, paced):
    paced.faults = {"sysinfo": [html(429, "Too Many Requests")] * 2}
    assert skyportal.request("GET", "sysinfo", cache=False)
    first, second, third = paced.times
    assert second - first == pytest.approx(1.0, abs=1e-5)
    assert third - second == pytest.approx(2.0, abs=1e-5)


def test_a_write_that_was_throttled_is_sent_again(skyportal, double):
    double.faults = {"^POST": [html(429, "Too Many Requests"), PortalError(400, "done")]}
    with pytest.raises(RemoteServiceError, match="done"):
        skyportal._change("POST", "sources", {"id": "x"})
    assert len(double.asked("^POST")) == 2


def test_a_throttle_without_end_is_told(skyportal, double):
    double.faults = {"sysinfo": html(429, "Too Many Requests")}
    with (
        conf.set_temp("retries", 0),
        pytest.raises(QuotaError, match="429 Too Many Requests") as caught,
    ):
        skyportal.request("GET", "sysinfo", cache=False)
    assert caught.value.status == 429
    assert len(double.received) == 7


def test_a_page_walk_takes_the_time_that_the_pacing_allows(skyportal, paced):
    for n in range(2000):
        paced.state.add_source(f"S{n:04d}", n * 0.1, 0.0)
    found = skyportal.query_criteria(max_rows=-1)
    assert len(found) == 2000
    # Four pages are fewer than the burst: none of them waited, and none was asked for twice.
    assert len(paced.received) == 4


def test_pace_counts_a_burst_and_then_the_interval():
    pace = Pace(0.2, 10)
    waits = [pace.reserve(100.0) for _ in range(13)]
    assert waits[:10] == [0.0] * 10
    assert waits[10:] == pytest.approx([0.2, 0.4, 0.6])
    # Two seconds later all of it has leaked away but the three that waited.
    assert pace.reserve(102.6) == 0.0
    pace.close(102.6, 1.0)
    assert pace.reserve(102.6) == pytest.approx(1.0)


def test_pace_forgets_a_clock_that_was_wrong():
    pace = Pace(0.2, 1)
    pace.reserve(9e9)
    assert pace.reserve(100.0) == 0.0


def test_pace_follows_the_configuration():
    assert pace_of("a", 0.2, 10) is pace_of("a", 0.5, 2)
    assert pace_of("a", 0.5, 2).interval == 0.5
    assert pace_of("b", 0.2, 10) is not pace_of("a", 0.2, 10)


def test_no_pace_where_there_is_no_limit(skyportal, double):
    with conf.set_temp("limit_loopback", True), conf.set_temp("requests_per_second", 0.0):
        assert skyportal._gate(None, "GET").pace is None
    with conf.set_temp("limit_loopback", False):
        assert skyportal._gate(None, "GET").pace is None


def test_words_of_a_clients_mistake_come_at_once(skyportal, double):
    double.faults = {"x": PortalError(500, "'stmag' not in registry")}
    with pytest.raises(RemoteServiceError, match="'stmag' not in registry") as caught:
        skyportal.request("GET", "x")
    # A server of which each mistake is a 500 is not asked four times.
    assert (caught.value.status, len(double.received)) == (500, 1)


def test_a_gateways_500_is_repeated(skyportal, double):
    double.faults = {"sysinfo": [html(502, "Bad Gateway"), html(500, "Internal Server Error")]}
    assert skyportal.request("GET", "sysinfo", cache=False)
    assert len(double.received) == 3


def test_the_last_line_of_a_traceback_comes_first(skyportal, double):
    message = (
        "Traceback (most recent call last):\n  File \"/skyportal/app.py\", line 7, in post\n"
        "    raise IntegrityError\nsqlalchemy.IntegrityError: duplicate key value violates "
        "deduplication_index\n"
    ) * 30  # fmt: skip
    double.faults = {"^POST": PortalError(400, message)}
    with pytest.raises(RemoteServiceError) as caught:
        skyportal._change("POST", "photometry", {})
    assert caught.value.reason.startswith("sqlalchemy.IntegrityError: duplicate key")
    assert "line 7" not in str(caught.value)


def test_a_body_that_is_too_large(skyportal, double):
    # Of a server that has set no limit: the framework's.
    double.largest_body //= 10
    with pytest.raises(RemoteServiceError, match=r"413.*an HTML page") as caught:
        skyportal._change("POST", "sources", {"id": "x" * (10 * 1024 * 1024)})
    assert caught.value.status == 413


def test_a_route_that_is_none(skyportal):
    with pytest.raises(RemoteServiceError, match="Invalid API endpoint") as caught:
        skyportal.request("GET", "doesnotexist")
    assert caught.value.status == 400
    with pytest.raises(RemoteServiceError, match="Method Not Allowed"):
        skyportal.request("DELETE", "sysinfo")


def test_a_web_page_is_no_answer(skyportal, double):
    double.faults = {"": Response(200, "<!doctype html><title>Fritz</title>", "text/html")}
    for call in (
        lambda: skyportal.get_source("S1"),
        lambda: skyportal.request("GET", "sources", paginate=True),
        lambda: skyportal.request("POST", "sources", json={}),
        lambda: skyportal.request("GET", "sysinfo"),
    ):
        with pytest.raises(RemoteServiceError, match=r"Fritz.*conf\.server"):
            call()


def test_an_answer_that_breaks_off(skyportal, double):
    double.faults = {"": Response(200, b'{"status": "success", "data": {"id": "S')}
    for call in (lambda: skyportal.get_source("S1"), lambda: skyportal.request("GET", "sysinfo")):
        with pytest.raises(TableParseError, match="incomplete or damaged"):
            call()


def test_the_envelope():
    assert open_envelope(b'{"status":"success","data":[1],"version":"9","new":{}}') == b"[1]"
    assert open_envelope(b'{"status":"success","message":null}') == b"null"
    assert open_envelope(b'{"data":null}') == b"null"
    with pytest.raises(RemoteServiceError, match="no such thing"):
        open_envelope(b'{"status":"error","message":"no such thing","data":{}}')
    with pytest.raises(TableParseError):
        open_envelope(b'{"rows":[]}')
    with pytest.raises(msgspec.ValidationError):
        open_envelope(b"[]")


def test_an_error_in_a_success_is_an_error(skyportal, double):
    double.faults = {"": Response(200, error_envelope("Source not found"))}
    with pytest.raises(RemoteServiceError, match="Source not found"):
        skyportal.get_source("S1")


def test_a_change_is_sent_as_json_and_forgets_what_was_read(skyportal, double):
    double.state.add_source("S1", 10.0, 20.0)
    assert skyportal.get_source("S1", cache=True)["ra"][0] == 10.0
    double.state.objects["S1"]["ra"] = 11.0
    assert skyportal.get_source("S1", cache=True)["ra"][0] == 10.0
    double.faults = {"^PUT": Response(200, envelope({"id": 7}))}
    answered = skyportal._change("PUT", "sources/S1", {"a": np.int64(1), "b": [1, None]})
    assert answered == {"id": 7}
    assert msgspec.json.decode(double.bodies[-1]) == {"a": 1, "b": [1, None]}
    assert double.headers[-1]["content-type"] == "application/json"
    assert skyportal.get_source("S1", cache=True)["ra"][0] == 11.0


def test_a_write_is_not_sent_twice(skyportal, double):
    double.faults = {"^POST": html(502, "Bad Gateway")}
    with pytest.raises(RemoteServiceError):
        skyportal._change("POST", "sources", {"id": "x"})
    with pytest.raises(RemoteServiceError):
        skyportal.request("POST", "sources", json={"id": "x"})
    assert len(double.received) == 2


def test_a_dry_run_sends_nothing(skyportal, double):
    answered = skyportal._change("POST", "sources", {"id": "S1", "redshift": None}, dry_run=True)
    assert answered == {
        "method": "POST",
        "url": f"{double.url}sources",
        "json": {"id": "S1", "redshift": None},
    }
    assert double.received == []


def test_a_token_is_not_sent_in_clear_text_over_a_network():
    with pytest.raises(LoginError, match="without encryption"):
        SkyPortalClass("http://skyportal.example.org", token=ADMIN).get_source("S1")


def test_an_id_that_is_none_is_refused(skyportal, double):
    for wrong in ("", "SN 2024abc", "a/b", "../profile", None, 1.5, True, "a?b"):
        with pytest.raises(InvalidQueryError, match="source_id="):
            skyportal.get_source(wrong)
    assert double.received == []

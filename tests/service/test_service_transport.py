"""Each way in which an exchange can fail: which exception, which words, what was sent."""

import contextlib
import gzip
import json
import socket
import threading
import time
import tracemalloc
from dataclasses import replace
from email.utils import formatdate
from types import SimpleNamespace

import msgspec
import pytest
from astroquery import exceptions as astroquery
from faults import RESET, Reply, answer, encrypted
from probe import OpenProbe, ProbeClass, conf

from atlasquery.exceptions import (
    LoginError,
    QuotaError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.service.http_errors import server_message

BIG = json.dumps([{"n": n} for n in range(3000)]).encode()
PAGE = "<html><head><title>Server Error (500)</title></head><body><h1>Oops</h1></body></html>"
HTML = "text/html; charset=utf-8"


def fail(call, kind, *words, status=None, reason=None, url=None):
    """Return the exception of a call that must fail so, with its attributes and words."""
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    assert type(error) is kind
    assert isinstance(error, getattr(astroquery, kind.__name__, astroquery.RemoteServiceError))
    for word in ("PROBE", *words):
        assert word in str(error)
    assert (error.service, error.status) == ("PROBE", status)
    assert error.url.startswith(("http://127.0.0.1:", "https://127.0.0.1:"))
    if url is not None:
        assert error.url == url
    if reason is not None:
        assert error.reason == reason
    if status and status != 200:
        assert str(status) in str(error)
    return error


FIVE_SHAPES = [
    ({"ra": ["A valid number is required."]}, "ra: A valid number is required."),
    ({"non_field_errors": ["No such pair."]}, "No such pair."),
    ({"detail": "JSON parse error"}, "JSON parse error"),
    ({"error": "Max radius is 300 arcsec."}, "Max radius is 300 arcsec."),
    ({"info": "Object is not a member."}, "Object is not a member."),
    ({"a": ["x", "y"], "b": ["z"]}, "a: x y b: z"),
    ({"status": "failed", "result": None, "message": "Not so."}, "Not so."),
]


@pytest.mark.parametrize(("said", "words"), FIVE_SHAPES)
def test_refusal_in_each_shape_of_the_contract(faulty, probe, said, words):
    faulty.default = answer(said, status=400)
    fail(
        probe.read,
        RemoteServiceError,
        words,
        "Correct the query",
        status=400,
        reason=words,
        url=faulty.url + "things/",
    )
    assert len(faulty.received) == 1


@pytest.mark.parametrize(
    ("status", "kind", "body", "error", "words"),
    [
        (403, "application/json", '{"detail":"No permission."}', LoginError, "No permission."),
        (404, HTML, "<title>Not Found</title>", RemoteServiceError, "(an HTML page) Not Found"),
        (404, HTML, "<title>It&#x27;s gone</title>", RemoteServiceError, "It's gone"),
        (405, "application/json", '{"detail":"Method"}', RemoteServiceError, "conf.server"),
        (414, HTML, "<h1>URI Too Long</h1>", RemoteServiceError, "URI Too Long"),
        (413, HTML, "", RemoteServiceError, "Ask for less"),
        (400, HTML, "", RemoteServiceError, "Said"),
        (400, "application/json", "[]", RemoteServiceError, "Said"),
        (400, "application/json", b'{"a": "\xff"}', RemoteServiceError, "a"),
        (400, "application/json", "[" * 200000, RemoteServiceError, "[[["),
    ],
)
def test_refusals_are_not_repeated(faulty, probe, status, kind, body, error, words):
    faulty.default = Reply(status=status, kind=kind, body=body)
    caught = fail(probe.read, error, words, status=status)
    assert len(faulty.received) == 1
    assert len(caught.reason) <= 500


def test_a_message_of_megabytes_is_not_made_whole():
    """Only its first characters are shown, and there may be one for each of many pages."""
    body = json.dumps({"ra": ["no number", 0.1], "rows": [[n] * 9 for n in range(50_000)]})
    response = SimpleNamespace(content=body.encode(), reason="", headers={})
    tracemalloc.start()
    msgspec.json.decode(response.content)
    _, decoding = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    message = server_message(response)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message.startswith("ra: no number 0.1 rows: 0 0 0 0 0 0 0 0 0 1 1")
    assert len(message) == 500
    assert most < 1.1 * decoding


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors_are_repeated_on_reads(faulty, probe, status):
    faulty.script(*[Reply(status=status, kind=HTML, body=PAGE)] * 2, answer([7]))
    assert probe.read() == [7]
    assert len(faulty.received) == 3


def test_server_error_that_stays(faulty, probe):
    faulty.default = Reply(status=500, kind=HTML, body=PAGE)
    fail(probe.read, RemoteServiceError, "Server Error (500)", "Try again later", status=500)
    assert len(faulty.received) == 3


@pytest.mark.parametrize("reply", [Reply(status=503, body=PAGE, kind=HTML), RESET])
def test_writes_are_sent_once(faulty, probe, reply):
    faulty.default = reply
    fail(probe.write, RemoteServiceError, status=503 if reply.status == 503 else None)
    assert len(faulty.received) == 1


def test_write_is_not_repeated_after_a_time_out(faulty, probe):
    faulty.default = Reply(hold=5)
    with conf.set_temp("timeout", 0.1):
        fail(probe.write, TimeoutError, "0.1 s (conf.timeout)")
    assert len(faulty.arrived(1)) == 1


def test_write_without_content(faulty, probe):
    faulty.default = Reply(status=204, body=b"", kind=None)
    response = probe.write(objectid=1)
    assert (response.status_code, response.content) == (204, b"")
    assert faulty.received[0].form == {"objectid": "1"}


def test_refused_connection():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api/"
    error = fail(
        OpenProbe(url).read, RemoteServiceError, "cannot be reached", "Check the network", "refused"
    )
    assert "Connection refused" in error.reason
    assert not error.sent
    assert error.url == url + "things/"


def test_connection_that_is_never_accepted():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        others = [socket.socket() for _ in range(4)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/api/"
        with conf.set_temp("timeout", 0.2), conf.set_temp("retries", 0):
            error = fail(OpenProbe(url).read, TimeoutError, "did not respond within 0.2 s")
        assert not error.sent
        for other in others:
            other.close()


def test_silence_is_repeated_then_a_time_out(faulty, probe):
    faulty.default = Reply(hold=5)
    with conf.set_temp("timeout", 0.1):
        error = fail(probe.read, TimeoutError, "conf.timeout", "wait longer")
    assert isinstance(error, __builtins__["TimeoutError"])
    assert len(faulty.arrived(3)) == 3


@pytest.fixture
def late(monkeypatch):
    """Let deadlines come nearer by the seconds that are added to a list."""
    passed = []
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + sum(passed))
    monkeypatch.setattr("atlasquery.service.deadline.time", clock)
    return passed


SLOW = Reply(drip=0.02, headers={"X-Long": "x" * 5000})


@pytest.mark.parametrize(
    "reply",
    [
        replace(SLOW, body=BIG),
        replace(SLOW, slow="head"),
        # A chunk whose size never ends.
        replace(SLOW, body=b"0" * 5000, length=False, headers={"Transfer-Encoding": "chunked"}),
    ],
    ids=["body", "head", "chunk size"],
)
def test_drip_of_bytes_ends_at_the_deadline(faulty, probe, reply, late):
    def begin(received):
        late.append(60.0)
        return reply

    faulty.default = begin
    threads = threading.active_count()
    with conf.set_temp("deadline", 60.0), conf.set_temp("retries", 0):
        error = fail(probe.read, TimeoutError, "60 s (conf.deadline)")
    assert error.sent
    assert len(faulty.received) == 1
    # That of the server, which still drips.
    assert threading.active_count() <= threads + 1


def test_silence_ends_at_the_deadline(faulty, probe):
    faulty.default = Reply(hold=60)
    started = time.monotonic()
    faster = {"deadline": 0.2, "timeout": 60.0, "retries": 0}
    with contextlib.ExitStack() as stack:
        for name, value in faster.items():
            stack.enter_context(conf.set_temp(name, value))
        fail(probe.read, TimeoutError, "0.2 s (conf.deadline)")
    assert time.monotonic() - started < 30


def test_encryption_that_nobody_agrees_upon_ends_at_the_deadline():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = OpenProbe(f"https://127.0.0.1:{silent.getsockname()[1]}/api/")
        with conf.set_temp("deadline", 0.2), conf.set_temp("retries", 0):
            fail(client.read, TimeoutError, "0.2 s (conf.deadline)")


def test_deadline_of_one_answer_is_not_that_of_the_next(faulty, probe, late):
    def slowly(received):
        late.append(25.0)
        return Reply(body=b"[]")

    faulty.default = slowly
    with conf.set_temp("deadline", 60.0):
        for _ in range(5):
            assert probe.read() == []
    assert len(faulty.received) == 5


def test_deadline_ends_an_encrypted_drip_and_a_body_that_is_not_taken(monkeypatch, late):
    with encrypted() as (url, certificate, got, hooks):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
        client = ProbeClass(url)
        client.login(token="t0ken" + "5ecret" * 5)
        hooks.append(lambda: late.append(60.0))
        with conf.set_temp("deadline", 60.0), conf.set_temp("retries", 0):
            fail(client.read, TimeoutError, "60 s (conf.deadline)")
        hooks.clear()
        with conf.set_temp("deadline", 0.4), conf.set_temp("retries", 0):
            fail(lambda: client.write(x="x" * 8_000_000), TimeoutError, "0.4 s (conf.deadline)")
    assert got[0].startswith(b"POST /api/things/")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=BIG, length=len(BIG) + 1000, then="reset"),
        Reply(body=BIG, length=len(BIG) + 1, then="close"),
        Reply(body=b"[]", length=3, then="close"),
        Reply(body=BIG, chunks=1000, whole=False, then="close"),
        Reply(body=b"no gzip at all", headers={"Content-Encoding": "gzip"}),
        Reply(body=gzip.compress(BIG)[:-99], headers={"Content-Encoding": "gzip"}),
        Reply(body=b"zz\r\n", length=False, headers={"Transfer-Encoding": "chunked"}, then="close"),
    ],
    ids=["reset", "length", "short", "chunks", "not gzip", "cut gzip", "bad chunk"],
)
def test_broken_answer_is_repeated_and_never_taken_for_whole(faulty, probe, reply):
    faulty.script(reply, answer([1]))
    assert probe.read() == [1]
    faulty.default = reply
    assert fail(probe.read, RemoteServiceError, "interrupted its response", "try later").sent
    assert len(faulty.received) == 5


@pytest.mark.parametrize("drip", [0, 0.001])
def test_compressed_answer_arrives_whole(faulty, probe, drip):
    body = BIG if not drip else b"[1, 2, 3]"
    faulty.default = Reply(
        body=gzip.compress(body), headers={"Content-Encoding": "gzip"}, drip=drip
    )
    assert probe.read() == json.loads(body)


def test_chunked_answer_arrives_whole(faulty, probe):
    faulty.default = Reply(body=BIG, chunks=997)
    assert probe.read() == json.loads(BIG)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(body=PAGE, kind=HTML), RemoteServiceError, "conf.server"),
        (Reply(body=b"", kind=HTML), RemoteServiceError, "text/html"),
        (Reply(body=b"", kind=None), RemoteServiceError, "no content type"),
        (Reply(body=b""), TableParseError, "is incomplete"),
        (Reply(body=BIG[:-5]), TableParseError, "is incomplete"),
        (Reply(body=b'["\xff"]'), TableParseError, "damaged"),
        (Reply(body=b"[" * 100000), TableParseError, "damaged"),
    ],
)
def test_wrong_content_with_status_200(faulty, probe, reply, kind, words):
    faulty.default = reply
    error = fail(probe.read, kind, words, status=200, url=faulty.url + "things/")
    assert error.reason
    # Like a connection that breaks, it is asked for again before the call fails.
    assert len(faulty.received) == 1 + conf.retries


@pytest.mark.parametrize(
    ("headers", "words", "wait"),
    [
        ({"Retry-After": "3599"}, "Request was throttled.", 3599),
        ({"Retry-After": "a date"}, "Throttled.", 3000),
        ({}, "Request was throttled. Expected available in 3599 seconds.", 3599),
        ({"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}, "available in 70 seconds.", 70),
        ({"Retry-After": "soon"}, "Expected available in 61.5 seconds.", 61.5),
    ],
)
def test_wait_longer_than_allowed_is_a_quota_error(faulty, probe, headers, words, wait):
    if headers.get("Retry-After") == "a date":
        headers = {"Retry-After": formatdate(time.time() + wait, usegmt=True)}
    faulty.default = answer({"detail": words}, status=429, headers=headers)
    error = fail(probe.read, QuotaError, words, "conf.max_wait", status=429, reason=words)
    assert error.retry_after == pytest.approx(wait, abs=15)
    assert len(faulty.received) == 1


@pytest.fixture
def slept(probe):
    """The seconds that the probe slept, each of which has passed too."""
    seconds, sleep = [], probe._clock.sleep
    probe._clock.sleep = lambda wait: seconds.append(wait) or sleep(wait)
    return seconds


def test_wait_that_is_short_is_waited(faulty, probe, slept):
    faulty.script(answer({"detail": "x"}, status=429, headers={"Retry-After": "1"}), answer([1]))
    assert probe.read() == [1]
    first, second = faulty.received
    assert slept == [1.0]
    assert second.when - first.when > 0.99


def test_closed_for_as_long_as_the_server_says(faulty, probe, slept):
    faulty.script(answer({"detail": "x"}, status=503, headers={"Retry-After": "1"}), answer([1]))
    assert probe.read() == [1]
    assert slept == [1.0]
    faulty.default = answer({"detail": "Closed."}, status=503, headers={"Retry-After": "3600"})
    fail(probe.read, RemoteServiceError, "Closed.", status=503)
    assert len(faulty.received) == 3


def test_throttled_without_a_word_of_when(faulty, probe):
    faulty.default = answer({"detail": "Slow down."}, status=429)
    error = fail(probe.read, QuotaError, "Slow down.", status=429)
    assert error.retry_after is None
    assert len(faulty.received) == 3


def test_throttled_write_is_not_repeated(faulty, probe):
    faulty.default = answer({"detail": "x"}, status=429, headers={"Retry-After": "0"})
    assert fail(probe.write, QuotaError, status=429).retry_after == 0
    assert len(faulty.received) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_another_host_is_not_followed(faulty, elsewhere, probe, status):
    target = elsewhere.url.replace("127.0.0.1", "localhost") + "things/"
    faulty.default = Reply(status=status, headers={"Location": target}, body=b"")
    for call in (probe.read, probe.write, lambda: probe._request("GET", faulty.url + "a/")):
        fail(call, RemoteServiceError, target, "another host", status=status, reason=target)
    assert elsewhere.received == []
    assert len(faulty.received) == 3


@pytest.mark.parametrize("target", ["/api/things/", "http://[bad/", "../x"])
def test_redirect_within_the_host_is_not_followed_either(faulty, probe, target):
    faulty.default = Reply(status=301, headers={"Location": target}, body=b"")
    fail(lambda: probe.write("things"), RemoteServiceError, target, "conf.server", status=301)
    assert [r.method for r in faulty.received] == ["POST"]


def test_address_that_is_none_is_not_tried_again():
    with conf.set_temp("backoff", 100.0), pytest.raises(RemoteServiceError, match=r"conf\.server"):
        OpenProbe("psweb.example.org/api").read()


@pytest.mark.parametrize("scheme", ["http", "HTTP", " http"])
def test_no_credentials_over_plain_http(scheme):
    client = ProbeClass(f"{scheme}://survey.invalid/api/")
    client.login(token="t")
    for call in (client.read, client.write, lambda: client._request("GET", client.server)):
        with pytest.raises(LoginError, match=r"without encryption.*https"):
            call()
    fresh = ProbeClass(f"{scheme}://survey.invalid/api/")
    with pytest.raises(LoginError, match="without encryption"):
        fresh.login("alice", password="x")


def test_proxy_of_the_environment_is_used(faulty, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{faulty.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    faulty.default = answer([5])
    assert OpenProbe("http://survey.invalid/api/").read() == [5]
    assert faulty.received[0].target == "http://survey.invalid/api/things/"


def test_limits_are_read_at_the_time_of_the_call(faulty, probe):
    faulty.default = Reply(status=503, body="", kind=None)
    for retries in (0, 1, 4):
        faulty.received.clear()
        with conf.set_temp("retries", retries), pytest.raises(RemoteServiceError):
            probe.read()
        assert len(faulty.received) == retries + 1


def test_backoff_doubles(faulty, probe, slept):
    faulty.default = Reply(status=503, body="", kind=None)
    with conf.set_temp("backoff", 0.05), pytest.raises(RemoteServiceError):
        probe.read()
    assert slept == [0.05, 0.1]
    assert len(faulty.received) == 3

"""What the servers of the sandbox share in serving HTTP."""

import gzip
import http.client
import json
import threading
from urllib.parse import urlsplit

import pytest
import requests

from atlasquery.sandbox.http import LoopbackServer, Response, SandboxRequest, next_fault


@pytest.fixture
def serve():
    """Return a function that starts a server with a function that responds."""
    servers = []

    def start(respond):
        servers.append(LoopbackServer(respond))
        return servers[-1].url

    yield start
    for server in servers:
        server.stop()


def test_a_request_arrives_whole(serve):
    received = []

    def respond(request):
        received.append(request)
        return Response(201, {"ok": True}, headers={"X-Name": "value"})

    url = serve(respond)
    reply = requests.post(
        f"{url}/a%2Fb/c?x=1&x=2&y=%20", data={"form": "a b"}, headers={"Token": "t"}, timeout=60
    )
    assert (reply.status_code, reply.json(), reply.headers["X-Name"]) == (
        201,
        {"ok": True},
        "value",
    )
    (request,) = received
    assert (request.method, request.path, request.headers["token"]) == ("POST", "/a/b/c", "t")
    assert request.query == {"x": ["1", "2"], "y": [" "]}
    assert request.form == {"form": ["a b"]} and request.body == b"form=a+b"


@pytest.mark.parametrize("accepts", ["gzip", "identity"])
def test_long_json_is_compressed_for_those_who_take_it(serve, accepts):
    numbers = list(range(2000))
    address = urlsplit(serve(lambda request: Response(200, numbers)))
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    connection.request("GET", "/", headers={"Accept-Encoding": accepts})
    reply = connection.getresponse()
    body = reply.read()
    assert len(body) == int(reply.headers["Content-Length"])
    assert (reply.headers["Content-Encoding"] == "gzip") == (accepts == "gzip")
    assert json.loads(gzip.decompress(body) if accepts == "gzip" else body) == numbers
    # The connection is kept, and a request for the head alone has no body.
    connection.request("HEAD", "/")
    reply = connection.getresponse()
    assert reply.read() == b"" and int(reply.headers["Content-Length"]) > 2000
    connection.request("GET", "/")
    assert json.loads(connection.getresponse().read()) == numbers
    connection.close()


def test_a_status_without_a_body_has_none(serve):
    url = serve(lambda request: Response(304, b"not sent"))
    with requests.Session() as session:
        for _ in range(2):
            reply = session.get(url, timeout=60)
            assert (reply.status_code, reply.content) == (304, b"")


def test_chunks_arrive_one_by_one_and_can_break_off(serve):
    waiting = threading.Event()

    def chunks():
        yield b"first\n"
        waiting.wait(60)
        yield b"second\n"

    def respond(request):
        return Response(chunks=chunks(), content_type="text/plain", cut=request.path == "/cut")

    url = serve(respond)
    for path in ("/whole", "/cut"):
        waiting.clear()
        reply = requests.get(url + path, stream=True, timeout=60)
        lines = reply.iter_lines(chunk_size=1)
        assert next(lines) == b"first"
        waiting.set()
        assert next(lines) == b"second"
        if path == "/cut":
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                next(lines)
        else:
            assert list(lines) == []


def test_no_response_breaks_the_connection_off(serve):
    url = serve(lambda request: None)
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=60)


def test_planned_responses_are_used_up_in_order():
    once, always = Response(500), Response(503)
    faults = {"one": [once], "o": always}
    assert [next_fault(faults, "/one") for _ in range(2)] == [once, always]
    assert next_fault(faults, "/x") is None


def test_stop_does_not_wait_for_idle_clients_and_can_be_repeated():
    before = {*threading.enumerate()}
    server = LoopbackServer(lambda request: Response(200, "ok"))
    sessions = [requests.Session() for _ in range(5)]
    for session in sessions:
        assert session.get(server.url, timeout=60).text == "ok"
    assert len({*threading.enumerate()} - before) == 6
    server.stop()
    server.stop()
    assert {*threading.enumerate()} <= before
    for session in sessions:
        session.close()


def test_a_request_by_itself():
    request = SandboxRequest("GET", "/a?b=c")
    assert (request.path, request.query, request.body, request.form) == (
        "/a",
        {"b": ["c"]},
        b"",
        {},
    )

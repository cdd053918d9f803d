"""Record the exchanges of a call with a double, and answer them again, changed or not.

The answers come through an adapter of requests, so that the whole client above the sockets is
that of a user, at a small part of the time that the sockets would take; or over loopback.
"""

import io
import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import requests
import urllib3
from faults import FaultyServer, Reply

from atlasquery.service.deadline import TimedAdapter

# Headers that describe how a body was packed, or when.
PACKING = {"content-length", "content-encoding", "transfer-encoding", "connection", "date"}
# The tag of a submission to the forced photometry server, which is drawn for each.
TAG = re.compile(rb"(?<=atlasquery:)[0-9a-f]{16}|(?<=atlasquery%3A)[0-9a-f]{16}")
NOT_RECORDED = b'{"detail":"Not found."}'


@dataclass(frozen=True)
class Exchange:
    """A request, and how it was answered."""

    method: str
    url: str
    status: int
    headers: tuple
    body: bytes

    @property
    def key(self):
        return self.method, urlsplit(self.url).path

    @property
    def kind(self):
        return dict(self.headers).get("Content-Type", "")


def _body_of(request):
    body = request.body or b""
    return body if isinstance(body, bytes) else str(body).encode()


class RecordingAdapter(TimedAdapter):
    """Connections that keep what was answered, unpacked."""

    def __init__(self):
        super().__init__()
        self.exchanges = []

    def send(self, request, **kwargs):
        response = super().send(request, **kwargs)
        body = response.raw.read(decode_content=True)
        headers = tuple(
            (name, value) for name, value in response.headers.items()
            if name.lower() not in PACKING
        )  # fmt: skip
        exchange = Exchange(request.method, request.url, response.status_code, headers, body)
        self.exchanges.append(exchange)
        return _response(request, exchange)


def _response(request, exchange):
    response = requests.Response()
    response.status_code = exchange.status
    response.headers.update(exchange.headers)
    response.reason, response.url, response.request = "Said", request.url, request
    headers = [*exchange.headers, ("Content-Length", str(len(exchange.body)))]
    response.raw = urllib3.HTTPResponse(
        io.BytesIO(exchange.body), headers=headers, status=exchange.status, preload_content=False,
        request_method=request.method,
    )  # fmt: skip
    return response


class Replay:
    """The answers of a recorded call, to be given again in the order of each address.

    The last answer of an address is given again and again. ``change`` maps the number of an
    exchange to what is answered instead; with ``lasting`` that goes for all later ones of its
    address too.
    """

    def __init__(self, exchanges, changed=(), *, lasting=False):
        self.queues = {}
        self.count = 0
        changed = dict(changed)
        gone = {}
        for number, exchange in enumerate(exchanges):
            given = changed.get(number, gone.get(exchange.key, exchange))
            if lasting and number in changed:
                gone[exchange.key] = given
            self.queues.setdefault(exchange.key, []).append(given)
        found = (TAG.search(exchange.body) for exchange in exchanges)
        self.tag = next((tag[0] for tag in found if tag), None)
        self.now = self.tag

    def answer(self, method, url, body=b""):
        self.count += 1
        if self.count > 400:
            raise AssertionError("the call asks without end")
        if self.tag and (sent := TAG.search(body)):
            self.now = sent[0]
        queue = self.queues.get((method, urlsplit(url).path))
        if not queue:
            return Exchange(method, url, 404, (("Content-Type", "application/json"),), NOT_RECORDED)
        exchange = queue.pop(0) if len(queue) > 1 else queue[0]
        if self.tag and self.now != self.tag:
            exchange = replace(exchange, body=exchange.body.replace(self.tag, self.now))
        return exchange


class ReplayAdapter(requests.adapters.BaseAdapter):
    """Answers from a `Replay` without a connection."""

    def __init__(self, replay):
        super().__init__()
        self.replay = replay

    def send(self, request, **kwargs):
        return _response(
            request, self.replay.answer(request.method, request.url, _body_of(request))
        )

    def close(self):
        """Close nothing."""


class DetourAdapter(TimedAdapter):
    """Connections that lead to another server on loopback, whatever address is asked."""

    def __init__(self, here):
        super().__init__()
        self.here = here

    def send(self, request, **kwargs):
        request = request.copy()
        parts = urlsplit(request.url)
        request.url = request.url.replace(f"{parts.scheme}://{parts.netloc}", self.here, 1)
        return super().send(request, **kwargs)


class ReplayServer:
    """Answers from a `Replay` over loopback."""

    def __init__(self):
        self.server = FaultyServer()
        self.server.default = self._reply
        self.here = f"http://127.0.0.1:{self.server.port}"
        self.replay = None

    def _reply(self, received):
        exchange = self.replay.answer(received.method, received.target, received.body)
        headers = dict(exchange.headers)
        kind = headers.pop("Content-Type", None)
        return Reply(exchange.status, exchange.body, kind, headers)

    def stop(self):
        self.server.stop()

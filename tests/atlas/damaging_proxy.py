"""A proxy before a server, which spoils the answers that it is told to spoil."""

import json
import threading

import requests
from faults import RESET, FaultyServer, Reply

HTML = "<html><head><title>Please log in</title></head></html>"


def reset(reply):
    return Reply(body=reply.body[: len(reply.body) // 2], length=len(reply.body) + 9, then="reset")


def stall(reply):
    return Reply(body=reply.body, hold=30.0)


def truncated(reply):
    return Reply(body=reply.body[: len(reply.body) // 2], length=False, then="close")


def short(reply):
    return Reply(body=reply.body[: len(reply.body) // 2], length=len(reply.body), then="close")


def page(reply):
    return Reply(body=HTML, kind="text/html")


def status(code, **headers):
    def spoil(reply):
        return Reply(status=code, body=HTML, kind="text/html", headers=headers)

    return spoil


def throttled(**headers):
    words = json.dumps({"detail": "Request was throttled."})

    def spoil(reply):
        return Reply(status=429, body=words, headers=headers)

    return spoil


def expired(reply):
    return Reply(status=401, body=json.dumps({"detail": "Token has expired."}))


def drip(reply):
    return Reply(body=reply.body[:2000], length=len(reply.body), drip=0.01)


FAULTS = {
    "reset": reset,
    "stall": stall,
    "truncated": truncated,
    "short": short,
    "page": page,
    "500": status(500),
    "502": status(502),
    "503": status(503),
    "504": status(504),
    "429 with Retry-After": throttled(**{"Retry-After": "0"}),
    "429": throttled(),
    "drip": drip,
    "expired": expired,
}


class FaultProxy(FaultyServer):
    """Hands requests on, and spoils the answers to those that `spoiled` says.

    ``spoiled`` maps the number of a request for objects, from 0, to a fault; a fault for
    ``"on"`` spoils all from the number in ``since``. With ``keep`` answers are remembered.
    """

    def __init__(self, target, keep=None):
        super().__init__()
        self.default = self._hand_on
        self.target = target
        self.spoiled = {}
        self.since, self.lasting = None, None
        self.objects = 0
        self._kept = keep
        self._count = threading.Lock()
        self._session = requests.Session()

    def forget(self):
        self.received, self.objects = [], 0

    def _hand_on(self, received):
        if self.stopped.is_set():
            return RESET
        reply = self._ask(received)
        if received.path != "/api/objects/":
            return reply
        with self._count:
            number, self.objects = self.objects, self.objects + 1
        fault = self.spoiled.get(number)
        if self.since is not None and number >= self.since:
            fault = self.lasting
        return fault(reply) if fault else reply

    def _ask(self, received):
        key = (received.path, received.body, received.token)
        if self._kept is not None and key in self._kept:
            return self._kept[key]
        names = ("authorization", "accept", "content-type")
        headers = {n: v for n, v in received.headers.items() if n in names}
        url = self.target.rstrip("/").removesuffix("/api") + received.target
        answer = self._session.post(url, data=received.body, headers=headers, timeout=60)
        reply = Reply(answer.status_code, answer.content, answer.headers.get("Content-Type"))
        whole = answer.status_code == 200 and received.path == "/api/objects/"
        if self._kept is not None and whole:
            self._kept[key] = reply
        return reply

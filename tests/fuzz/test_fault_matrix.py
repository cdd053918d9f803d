"""What becomes of a job of each service when one of its requests goes wrong, once or for good.

Each cell of the matrix is a whole job through a proxy on loopback, in front of a double. A job
may end with the right result, with a documented error, or with a warning that something is
missing; never with another result without a word, another error, or not at all. The short form
has each kind of fault once for each service; ``--slow`` runs each at each request, and prints
the table.
"""

import contextlib
import gzip
import http.client
import random
import socket
import threading
import time
import warnings
from collections import Counter
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.timeseries import TimeSeries
from astroquery import cache_conf, log
from benches import BENCHES
from exchanges import PACKING, DetourAdapter
from faults import FaultyServer, Reply
from fuzzing import mount, untyped

from atlasquery.lightcurve.schema import SCHEMA

# Seconds after which a job is taken to hang.
PATIENCE = 90
BOMB = gzip.compress(b" " * (1 << 22), 9)
HTML = "<!doctype html><title>Sign in</title><p>Please log in to the network."


# What is made of the answer that the server has given; None where it is not asked at all.
FAULTS = {
    "refused": None,
    "reset before the answer": lambda reply: replace(reply, body=b"", length=9**9, then="reset"),
    "closed before the answer": "closed",
    "reset in the body": lambda reply: replace(
        reply, body=reply.body[: len(reply.body) // 2], length=len(reply.body) + 1, then="reset"
    ),
    "cut body": lambda reply: replace(
        reply, body=reply.body[: len(reply.body) // 2], length=len(reply.body) + 1, then="close"
    ),
    "stalled head": lambda reply: replace(reply, hold=30.0),
    "stalled body": lambda reply: replace(reply, length=len(reply.body) + 1),
    "dripping body": lambda reply: replace(reply, body=reply.body.ljust(400), drip=0.02),
    "chunks without an end": lambda reply: replace(
        reply, chunks=100, whole=False, then="close"
    ),
    "broken gzip": lambda reply: _packed(reply, gzip.compress(reply.body)[:-9] + b"x" * 9),
    "gzip bomb": lambda reply: _packed(reply, BOMB),
    "500": lambda reply: Reply(500, '{"detail":"Server error"}'),
    "503": lambda reply: Reply(503, "busy", "text/plain", {"Retry-After": "1"}),
    "429": lambda reply: Reply(429, '{"detail":"slow down"}', headers={"Retry-After": "1"}),
    "HTML 200": lambda reply: Reply(200, HTML, "text/html"),
    "empty 200": lambda reply: replace(reply, body=b""),
    # Within a line: a text cut at the end of one, with a length to match, looks whole to anybody.
    "cut JSON": lambda reply: replace(
        reply, body=reply.body[: len(reply.body) * 2 // 3].rstrip(b"\n")
    ),
    "redirect": lambda reply: Reply(
        302, "", "text/html", {"Location": "http://127.0.0.2:9/elsewhere"}
    ),
    "401": lambda reply: Reply(401, '{"detail":"Invalid token."}'),
    "swapped": "swapped",
}  # fmt: skip


def _packed(reply, body):
    return replace(reply, body=body, headers={**reply.headers, "Content-Encoding": "gzip"})


class FaultyProxy:
    """A proxy before a double: one request, or all from it on, go wrong."""

    def __init__(self, host):
        self.host = urlsplit(host).netloc
        self.server = FaultyServer()
        self.server.default = self._serve
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.closed = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.lock = threading.Lock()
        self.begin(None, 0, False)

    def begin(self, fault, at, lasting):
        self.fault, self.at, self.lasting = fault, at, lasting
        self.count, self.last = 0, {}

    @property
    def here(self):
        """Where the next request should go."""
        refused = self.fault == "refused" and self._wrong(self.count)
        if refused:
            self.count += 1
        return self.closed if refused else f"http://127.0.0.1:{self.server.port}"

    def _wrong(self, number):
        return self.fault is not None and (number >= self.at if self.lasting else number == self.at)

    def _serve(self, received):
        with self.lock:
            number, self.count = self.count, self.count + 1
        make = FAULTS[self.fault] if self._wrong(number) else None
        reply = self._forward(received)
        if make == "closed":
            return replace(reply, body=b"", length=9**9, then="close")
        if make == "swapped":
            others = [one for path, one in self.last.items() if path != received.target]
            return others[-1] if others else Reply(body=b'{"id": 7}')
        self.last[received.target] = reply
        return make(reply) if make else reply

    def _forward(self, received):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        names = {"host", "accept-encoding", "connection", "content-length"}
        headers = {k: v for k, v in received.headers.items() if k not in names}
        connection.request(received.method, received.target, received.body or None, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        headers = {k: v for k, v in answer.getheaders() if k.lower() not in PACKING | {"server"}}
        kind = headers.pop("Content-Type", None)
        return Reply(answer.status, body, kind, headers)

    def stop(self):
        self.server.stop()


class ProxyAdapter(DetourAdapter):
    """Connections to a proxy, whose address may change."""

    def __init__(self, proxy):
        self.proxy = proxy
        super().__init__("")

    def send(self, request, **kwargs):
        with self.proxy.lock:
            self.here = self.proxy.here
        return super().send(request, **kwargs)


JOBS = {
    "Atlas": lambda c, k: [
        c.query_region(k.place, radius="60 arcsec"),
        c.get_light_curves(k.two, start=k.start, progress=False),
    ],
    "AtlasForced": lambda c, k: c.query_position(
        k.one, **k.window, timeout="3 min", progress=False
    ),
    "Alerce": lambda c, k: [
        c.query_objects(k.two), c.get_light_curves(k.two, progress=False, forced=True)
    ],
    "LCCServer": lambda c, k: [
        c.query_criteria("sdssr < 11", max_rows=3, timeout="3 min", progress=False),
        c.get_light_curves(k.setid, timeout="3 min", progress=False),
    ],
    "SkyPortal": lambda c, k: [
        c.query_region(k.place, radius="2 arcmin"), c.get_photometry(k.one),
        c.upload_photometry(k.curve, k.one, "ATLAS", 3)["ok"],
    ],
}  # fmt: skip


def digest(result):
    """Return what a result holds, but for when and how it came."""
    if isinstance(result, TimeSeries):
        # What ALeRCE sends besides depends on which of its servers has answered.
        names = ["time", *(column.name for column in SCHEMA)]
        return [str(list(result[name])) for name in names]
    if isinstance(result, Table):
        # What the server counts up is another in each run.
        names = [n for n in result.colnames if n not in ("task_id", "upload_id")]
        return names, [str(list(result[name])) for name in names]
    if isinstance(result, fits.HDUList):
        return [np.asarray(hdu.data).tolist() for hdu in result]
    if isinstance(result, (list, tuple)):
        return [digest(one) for one in result]
    if hasattr(result, "items"):
        return {key: digest(value) for key, value in result.items()}
    return str(list(result)) if hasattr(result, "__iter__") else repr(result)


class Matrix:
    """The cells of one service."""

    def __init__(self, bench, proxy):
        self.bench, self.proxy = bench, proxy
        self.cells = {}
        self.bad = []
        outcome, self.right, self.requests = self._run(None, 0, False)
        assert outcome == "result", self.right

    def _run(self, fault, at, lasting):
        self.bench.renew()
        client = self.bench.make(live=True)
        mount(client, ProxyAdapter(self.proxy))
        self.proxy.begin(fault, at, lasting)
        found = []

        def work():
            try:
                found[:] = ["result", JOBS[self.bench.name](client, self.bench.known)]
            except BaseException as error:
                found[:] = ["error", error]

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            thread.join(PATIENCE)
        if thread.is_alive() or not found:
            return "hang", None, self.proxy.count
        kind, what = found
        if kind == "result":
            what = digest(what)
            if fault and what != self.right:
                kind = "warned" if caught else "SILENT"
        else:
            kind = "UNTYPED" if untyped(what) else "typed"
        return kind, what, self.proxy.count

    def cell(self, fault, at, lasting):
        outcome, what, _ = self._run(fault, at, lasting)
        self.cells.setdefault((fault, lasting), Counter())[outcome] += 1
        if outcome in ("hang", "SILENT", "UNTYPED"):
            self.bad.append((fault, at, lasting, outcome, repr(what)[:600]))

    def __str__(self):
        lines = [f"{self.bench.name}: {self.requests} requests"]
        for (fault, lasting), counts in sorted(self.cells.items()):
            words = ", ".join(f"{n} {outcome}" for outcome, n in counts.most_common())
            lines.append(f"  {fault:26}{'lasting' if lasting else 'once':9}{words}")
        return "\n".join(lines)


@pytest.fixture(params=list(BENCHES))
def matrix(request, tmp_path):
    level = log.level
    log.setLevel("CRITICAL")
    with BENCHES[request.param](tmp_path) as bench, contextlib.ExitStack() as stack:
        conf = bench.make().conf
        quick = {"timeout": 1.0, "deadline": 2.0, "retries": 1, "max_wait": 5.0}
        for name, value in quick.items():
            stack.enter_context(conf.set_temp(name, value))
        stack.enter_context(cache_conf.set_temp("cache_active", False))
        proxy = FaultyProxy(bench.host)
        stack.callback(proxy.stop)
        yield Matrix(bench, proxy)
    log.setLevel(level)


def test_each_fault_once(matrix):
    """The short form: each kind at one of the requests."""
    rng = random.Random(matrix.bench.name)
    for fault in FAULTS:
        matrix.cell(fault, rng.randrange(matrix.requests), rng.random() < 0.5)
    print(f"\n{matrix}")
    assert not matrix.bad, f"{matrix}\n" + "\n".join(map(str, matrix.bad))


@pytest.mark.slow
def test_each_fault_at_each_request(matrix):
    """The long form: each kind at each request, once and lasting."""
    began = time.monotonic()
    for fault in FAULTS:
        for at in range(matrix.requests):
            for lasting in (False, True):
                matrix.cell(fault, at, lasting)
    print(f"\n{matrix}\n{time.monotonic() - began:.0f} s")
    assert not matrix.bad, f"{matrix}\n" + "\n".join(map(str, matrix.bad))

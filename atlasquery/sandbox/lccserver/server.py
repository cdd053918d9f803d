"""A loopback double of an LCC-Server, built from docs/servers/lccserver.rst with all pitfalls."""

import gzip
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from . import searches, sky

BAD_KEY = "Your API key appears to be invalid or has expired."
NOT_YOURS = "You don't have access to this dataset."
HTML_500 = "<html><title>500: Internal Server Error</title><body>500</body></html>"


@dataclass
class Answer:
    """What is sent: lines of a stream are sent one by one, ``pause`` seconds apart.

    ``cut`` breaks the connection off after the lines instead of ending the answer.
    """

    body: object = b""
    status: int = 200
    kind: str = "application/json; charset=UTF-8"
    headers: dict = field(default_factory=dict)
    lines: list | None = None
    pause: float = 0.0
    cut: bool = False

    def content(self):
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass(frozen=True)
class Request:
    """What was asked."""

    method: str
    path: str
    params: dict
    form: dict
    headers: dict
    key: str | None

    def one(self, name, default=None):
        return self.form.get(name, [default])[-1]


def failed(message, result=None):
    return {"status": "failed", "result": result, "message": message}


class LCCSandbox:
    """An LCC-Server with a small sky.

    ``faults`` maps a regular expression of "METHOD path" to an `Answer`, or to a list of them,
    one for each time; ``routes`` maps one to a function of the request that returns an
    `Answer`. ``site`` has the settings of the server, ``keys`` the keys that it takes. With a
    ``rate`` in the site, requests a minute, it limits: after 25 requests of a key, on the average
    of all of them, by ``clock``, a function that returns seconds.
    """

    def __init__(self):
        self.faults, self.routes = {}, {}
        self.received = []
        self.site = {"zip_rows": 500, "page": 500, "cap": 100_000, "rate": None}
        self.clock = time.time
        self._counted = {}
        self.keys = {}
        self.datasets = {}
        self.auth_down = False
        self._made = 0
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()

    def reset(self):
        """Forget what was asked, and all that was set up."""
        self.faults.clear(), self.routes.clear(), self.received.clear()
        self.keys.clear(), self.datasets.clear()
        self.site.update(zip_rows=500, page=500, cap=100_000, rate=None)
        self.clock = time.time
        self._counted.clear()
        self.auth_down = False

    def add_key(self, key, owner=7):
        """Take the key of an account."""
        self.keys[key] = owner
        return key

    def expire(self):
        """Take none of the keys given so far."""
        self.keys.clear()

    def asked(self, pattern):
        """Return the requests whose method and path match."""
        return [r for r in list(self.received) if re.search(pattern, f"{r.method} {r.path}")]

    def answer(self, request):
        with self._lock:
            self.received.append(request)
            fault = self._fault(f"{request.method} {request.path}")
        if fault is not None:
            return fault
        for pattern, route in self.routes.items():
            if re.search(pattern, f"{request.method} {request.path}"):
                return route(request)
        return self._route(request)

    def _fault(self, target):
        for pattern, fault in self.faults.items():
            if re.search(pattern, target):
                if not isinstance(fault, list):
                    return fault
                if fault:
                    return fault.pop(0)
        return None

    def _route(self, request):
        path = request.path
        if path == "/api/key":
            return self._new_key()
        if request.key is not None and (self.auth_down or request.key not in self.keys):
            return Answer(failed(BAD_KEY), 401)
        if limited := self._limited(request.key):
            return limited
        if path == "/api/verify" and request.method == "POST":
            if request.key is None:
                return Answer(failed("no key"), 401)
            reply = ["API key verified successfully. Expires: soon."]
            return Answer({"status": "ok", "result": None, "message": reply})
        if path == "/api/collections":
            return Answer({"status": "ok", "result": sky.collections(), "message": "found"})
        if path == "/api/datasets":
            return self._list(request)
        if path.startswith("/set/"):
            return self._set(request)
        if path in searches.SEARCHES:
            return self._search(request)
        return Answer("<html><title>404: Not Found</title></html>", 404, "text/html")

    def _limited(self, key):
        if key is None or self.site["rate"] is None:
            return None
        now = self.clock()
        with self._lock:
            since, count = self._counted.get(key, (now, 0))
            self._counted[key] = since, count + 1
        if count + 1 <= 25:
            return None
        rate = (count + 1) / max(now - since, 1e-6) * 60
        if rate <= self.site["rate"]:
            return None
        reply = failed("You have exceeded your API request rate.", {"rate": rate})
        return Answer(reply, 429, headers={"Retry-After": "120"})

    def _new_key(self):
        if self.auth_down:
            return Answer(HTML_500, 500, "text/html; charset=UTF-8")
        with self._lock:
            self._made += 1
            key = f"anonymous-key-{self._made:05d}-of-{id(self):x}"
            self.keys[key] = 2
        expires = "2026-11-28T12:23:48.135156Z"
        reply = f"API key generated successfully. Expires: {expires}"
        result = {"apikey": key, "expires": expires}
        return Answer({"status": "ok", "result": result, "message": reply})

    def _search(self, request):
        if request.method == "GET":
            return Answer("<html><title>405: Method Not Allowed</title></html>", 405, "text/html")
        if request.key is None:
            return Answer(failed("Sorry, you don't have access."), 403)
        return searches.stream(self, request)

    def add(self, dataset, key):
        """Keep a dataset under the key that made it."""
        with self._lock:
            self.datasets[dataset["setid"]] = (dataset, key)

    def _set(self, request):
        setid = request.path.removeprefix("/set/")
        if setid not in self.datasets:
            words = f"The requested dataset with setid: {setid} doesn't exist, or you don't have"
            return Answer(failed(f"{words} access to it."), 404)
        dataset, key = self.datasets[setid]
        if callable(dataset):
            return dataset(request)
        if dataset["visibility"] in ("private", "shared") and key != request.key:
            return Answer(failed(NOT_YOURS), 401)
        return Answer(dataset)

    def _list(self, request):
        newest = list(self.datasets.values())[::-1][: int(request.params["nsets"][0])]
        shown = [d for d, key in newest if d["visibility"] == "public" or key == request.key]
        if not shown:
            return Answer(failed("No datasets matching query parameters were found."))
        rows = [
            {
                "setid": d["setid"], "created_on": d["created"], "last_updated": d["updated"],
                "nobjects": d["actual_nrows"], "name": d["name"], "description": d["desc"],
                "citation": None, "queried_collections": ", ".join(d["collections"]),
                "query_type": d["searchtype"], "query_params": json.dumps(d["searchargs"]),
                "dataset_owner": d["owner"], "dataset_visibility": d["visibility"],
                "dataset_sharedwith": None, "dataset_sessiontoken": "redacted",
                "dataset_fpath": d["dataset_pickle"], "dataset_csv": d["dataset_csv"],
                "lczip_fpath": d["lczipfpath"], "owned": False,
            }
            for d in shown
        ]  # fmt: skip
        return Answer({"status": "ok", "result": rows, "message": "found"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """Write no traceback for clients that gave up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Of many small pieces each would wait for the one before to be acknowledged.
    disable_nagle_algorithm = True

    def do_GET(self):
        self._send(self.server.owner.answer(self._request(b"")))

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        self._send(self.server.owner.answer(self._request(self.rfile.read(size))))

    def _request(self, body):
        parts = urlsplit(self.path)
        bearer = self.headers.get("Authorization", "")
        form = {}
        if "x-www-form-urlencoded" in self.headers.get("Content-Type", ""):
            form = parse_qs(body.decode(), keep_blank_values=True)
        return Request(
            self.command, parts.path, parse_qs(parts.query), form,
            {k.lower(): v for k, v in self.headers.items()},
            bearer.removeprefix("Bearer ") if bearer.startswith("Bearer ") else None,
        )  # fmt: skip

    def _send(self, answer):
        if answer.lines is not None:
            self._stream(answer)
            return
        body = answer.content()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 2000 and (
            "json" in answer.kind
        ):  # fmt: skip
            body = gzip.compress(body, 1)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, answer):
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Transfer-Encoding", "chunked")
        packer = None
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            self.send_header("Content-Encoding", "gzip")
            packer = _Packer()
        self.end_headers()
        for n, line in enumerate(answer.lines):
            if n and answer.pause:
                time.sleep(answer.pause)
            text = line if isinstance(line, str) else json.dumps(line) + "\n"
            self._chunk(packer.pack(text.encode()) if packer else text.encode())
        if answer.cut:
            self.close_connection = True
            return
        if packer:
            self._chunk(packer.end())
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data):
        if data:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

    def log_message(self, *args):
        pass


class _Packer:
    """Compresses line by line, so that each can be read when it is sent."""

    def __init__(self):
        import zlib

        self._flush = zlib.Z_SYNC_FLUSH
        self._packer = zlib.compressobj(1, zlib.DEFLATED, 31)

    def pack(self, data):
        return self._packer.compress(data) + self._packer.flush(self._flush)

    def end(self):
        return self._packer.flush()

"""A test server on loopback that answers as SkyPortal does: see docs/servers/skyportal.rst."""

import gzip
import hashlib
import importlib
import json
import re
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from atlasquery.service.clock import Clock

from .routes import ROUTES, Answer, Call, RefusalError, envelope, error_envelope, html
from .sky import ADMIN, OTHER, READER, Sky

__all__ = ["ADMIN", "OTHER", "READER", "Answer", "RefusalError", "SkyPortalSandbox"]

# Each registers its routes; a route that stands earlier goes first.
for _module in ("reads", "events", "writes", "tables"):
    importlib.import_module(f".{_module}", __package__)

# Of SkyPortal; where it is not set, the framework takes a tenth of it.
LARGEST_BODY = 100 * 1024 * 1024
MALFORMED = (
    'HTTP 401: Unauthorized (Credentials malformed; expected form "Authorization: token abc123")'
)


class Throttle:
    """nginx before the server: so many requests a second of a token, and a burst."""

    def __init__(self, clock, rate=5.0, burst=10):
        self.clock, self.rate, self.burst = clock, rate, burst
        self.excess = {}

    def takes(self, key):
        if not key:
            # "Requests with an empty key value are not accounted" (nginx).
            return True
        now = self.clock.now()
        excess, last = self.excess.get(key, (0.0, now))
        excess = max(0.0, excess - (now - last) * self.rate)
        if excess > self.burst:
            return False
        self.excess[key] = excess + 1, now
        return True


class SkyPortalSandbox:
    """An instance of SkyPortal at one address.

    ``sky`` is its state. ``faults`` maps a regular expression of the method and
    the path with its query to an `Answer`, a `RefusalError`, a function of the
    call's number, or a list of them, one for each time. ``hooks`` are pairs of such an
    expression and a function that is called before the response.
    """

    def __init__(self, clock=None):
        self.throttle = None
        self.clock = clock or Clock()
        self.reset()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def reset(self):
        # What a test has put in its place.
        vars(self).pop("_routed", None)
        self.sky = Sky()
        self.anonymous = False
        self.faults, self.hooks = {}, []
        self.received, self.times, self.headers, self.bodies = [], [], [], []
        self.latency = 0.0
        self.largest_body = LARGEST_BODY
        self.throttle = None

    def throttled(self, rate=5.0, burst=10):
        self.throttle = Throttle(self.clock, rate, burst)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}/api/"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()

    def asked(self, pattern=""):
        """Return the requests, as method and path with query, that match."""
        return [target for target in list(self.received) if re.search(pattern, target)]

    def answer(self, method, target, headers, body):
        key = headers.get("Authorization", "")
        with self._lock:
            self.received.append(f"{method} {target}")
            self.times.append(self.clock.now())
            self.headers.append(dict(headers))
            self.bodies.append(body)
            if self.throttle is not None and not self.throttle.takes(key):
                # See docs/servers/skyportal.rst, "What a status means".
                return html(429, "Too Many Requests")
            fault = self._fault(f"{method} {target}")
        if self.latency:
            time.sleep(self.latency)
        for pattern, hook in self.hooks:
            if re.search(pattern, f"{method} {target}"):
                with self.sky.lock:
                    hook()
        try:
            if fault is not None:
                raise fault
            if len(body) > self.largest_body:
                return html(413, "Request Entity Too Large")
            return self._routed(method, target, key, body)
        except Answer as other:
            return other
        except RefusalError as refusal:
            return _error(refusal.status, refusal.message)
        except Exception:
            return _error(500, traceback.format_exc())

    def _fault(self, target):
        for pattern, fault in self.faults.items():
            if re.search(pattern, target):
                if not isinstance(fault, list):
                    return fault
                if fault:
                    return fault.pop(0)
        return None

    def _user(self, key, method):
        if not key and self.anonymous and method == "GET":
            return {"id": None, "username": "anonymous", "acls": set(), "groups": {3}}
        # See docs/servers/skyportal.rst, "The header is ``token``, lower case".
        form = re.fullmatch(r"token (\S+)", key)
        if not form:
            raise RefusalError(401, MALFORMED)
        if form[1] not in self.sky.users:
            raise RefusalError(401, "HTTP 401: Unauthorized")
        return {**self.sky.users[form[1]], "token": form[1]}

    def _routed(self, method, target, key, body):
        parts = urlsplit(target)
        path = unquote(parts.path).removeprefix("/api/").rstrip("/")
        found = [(r, m) for r in ROUTES if (m := r[1].fullmatch(path))]
        matching = [(r, m) for r, m in found if r[0] == method]
        public = bool(matching) and matching[0][0][4]
        user = {"acls": set(), "groups": set()} if public else self._user(key, method)
        if not found:
            raise RefusalError(400, "Invalid API endpoint")
        if not matching:
            raise RefusalError(405, "HTTP 405: Method Not Allowed")
        (_, _, function, permission, _), match = matching[0]
        if permission is not None and permission not in user["acls"]:
            # As for a bad token: see docs/servers/skyportal.rst, "What a status means".
            raise RefusalError(401, "HTTP 401: Unauthorized")
        # See docs/servers/skyportal.rst, "Unknown and repeated parameters".
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        call = Call(self.sky, method, path, params, _json(body, path), user)
        with self.sky.lock:
            data = function(call, *match.groups())
        text = json.dumps(envelope(data)).encode()
        return Answer(200, text, headers={"Etag": f'"{hashlib.sha1(text).hexdigest()}"'})


def _json(body, path):
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        raise RefusalError(
            500,
            f"JSON decode of request body failed on /api/{path}. Please ensure all requests are "
            "of type application/json.",
        ) from None


def _error(status, message):
    return Answer(status, error_envelope(message), "application/json; charset=UTF-8")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """Show no traceback for clients that gave up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write for header and body: two would wait for each other.
    wbufsize = 1 << 16

    def _serve(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        answer = self.server.owner.answer(self.command, self.path, self.headers, body)
        body, headers = answer.body, dict(answer.headers)
        if headers.get("Etag") and self.headers.get("If-None-Match") == headers["Etag"]:
            answer.status, body = 304, b""
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 2000:
            body = gzip.compress(body, 1)
            self.send_header("Content-Encoding", "gzip")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if self.headers.get("Connection", "").lower() == "close":
            # Told, or the client may send its next question into a closing connection.
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, *args):
        pass

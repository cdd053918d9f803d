"""A loopback HTTP server that fails as it is told to, and remembers what reached it."""

import contextlib
import json
import socket
import socketserver
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict
    body: bytes
    when: float

    @property
    def path(self):
        return urlsplit(self.target).path

    @property
    def form(self):
        return {key: values[-1] for key, values in parse_qs(self.body.decode()).items()}

    @property
    def token(self):
        return self.headers.get("authorization", "").removeprefix("Token ") or None


@dataclass
class Reply:
    """What to answer, and what is to go wrong with it.

    ``length`` replaces the true Content-Length, and False leaves it out; ``chunks``
    sends the body in chunks, without the last one if ``whole`` is false; ``drip`` sends
    a byte at a time, and with ``slow="head"`` those of the head; ``then`` is what happens
    after the last byte.
    """

    status: int = 200
    body: bytes | str = b"{}"
    kind: str | None = "application/json"
    headers: dict = field(default_factory=dict)
    length: int | bool | None = None
    chunks: int = 0
    whole: bool = True
    hold: float = 0.0
    drip: float = 0.0
    slow: str = "body"
    then: str = "keep"
    reason: str = "Said"

    def raw(self):
        body = self.body.encode() if isinstance(self.body, str) else self.body
        lines = [f"HTTP/1.1 {self.status} {self.reason}"]
        if self.kind:
            lines.append(f"Content-Type: {self.kind}")
        if self.chunks:
            lines.append("Transfer-Encoding: chunked")
            parts = [body[n : n + self.chunks] for n in range(0, len(body), self.chunks)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
            body += b"0\r\n\r\n" if self.whole else b""
        elif self.length is not False:
            length = len(body) if self.length is None else self.length
            lines.append(f"Content-Length: {length}")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n", body


def answer(value, **kind):
    """Return a reply of JSON."""
    return Reply(body=json.dumps(value), **kind)


RESET = Reply(then="reset", body=b"", length=100)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _serve(self):
        size = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(
            self.command, self.path, headers, self.rfile.read(size), time.monotonic()
        )
        self._send(self.server.owner.take(received))

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _send(self, reply):
        stopped = self.server.owner.stopped
        if reply.hold and stopped.wait(reply.hold):
            return
        head, body = reply.raw()
        body = body if self.command != "HEAD" else b""
        for what, data in (("head", head), ("body", body)):
            drips = reply.drip and what == reply.slow
            for part in [data[n : n + 1] for n in range(len(data))] if drips else [data]:
                self.wfile.write(part)
                if drips and stopped.wait(reply.drip):
                    return
        if reply.then != "keep":
            self.close_connection = True
        if reply.then == "reset":
            time.sleep(0.02)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif reply.then == "close":
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args):
        pass


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


class FaultyServer:
    """Answers from a script: ``replies`` in order, then ``default`` for ever.

    Each of them is a `Reply`, or a function of the `Received` request that returns one.
    """

    def __init__(self):
        self.replies = []
        self.default = Reply(body=b"[]")
        self.received = []
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def port(self):
        return self._server.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/api/"

    def script(self, *replies):
        self.replies = list(replies)

    def take(self, received):
        with self._lock:
            self.received.append(received)
            reply = self.replies.pop(0) if self.replies else self.default
        return reply(received) if callable(reply) else reply

    def arrived(self, count):
        """Return all requests, when there are so many: a client may be gone before they arrive."""
        end = time.monotonic() + 60
        while len(self.received) < count and time.monotonic() < end:
            time.sleep(0.002)
        return list(self.received)

    def asked(self, path):
        """Return the requests for an endpoint."""
        return [r for r in list(self.received) if r.path == "/api/" + path]

    def stop(self):
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Accounts:
    """A `FaultyServer.default` with users, tokens that expire, and answers of their own.

    A read is answered with the name of the user it is for.
    """

    def __init__(self, **passwords):
        self.passwords = passwords
        self.tokens = {}
        self.issued = 0
        self.hold = 0.0
        self._lock = threading.Lock()

    def issue(self, user):
        with self._lock:
            self.issued += 1
            token = f"tok{self.issued:04d}" + f"{user}".ljust(33, "x")
        self.tokens[token] = user
        return token

    def expire(self):
        self.tokens.clear()

    def __call__(self, received):
        if received.path == "/api/auth-token/":
            form = received.form
            if self.hold:
                time.sleep(self.hold)
            if self.passwords.get(form.get("username")) != form.get("password"):
                words = {"non_field_errors": ["Unable to log in with provided credentials."]}
                return answer(words, status=400)
            return answer({"token": self.issue(form["username"]), "expires_in": 86400.0})
        if received.token is None:
            return answer({"user": "nobody"})
        if received.token not in self.tokens:
            return answer({"detail": "Token has expired."}, status=401)
        return answer({"user": self.tokens[received.token]})


@contextlib.contextmanager
def encrypted():
    """Run an https server that drips its head for ever, and takes no more than 64 KiB.

    Yields its address, the file of its certificate, what it was sent, and functions that it
    calls when it was sent something.
    """
    # A key that is worth nothing: it is for 127.0.0.1, and published.
    certificate = str(Path(__file__).with_name("loopback.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    got, hooks, stopped = [], [], threading.Event()

    class Drip(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.settimeout(60)
            with contextlib.suppress(OSError):
                connection = context.wrap_socket(self.request, server_side=True)
                got.append(connection.recv(65536))
                for hook in hooks:
                    hook()
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while not stopped.wait(0.02):
                    connection.sendall(b"x")

    with _Server(("127.0.0.1", 0), Drip) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}/api/", certificate, got, hooks
        finally:
            stopped.set()
            server.shutdown()
            thread.join()

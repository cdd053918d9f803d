"""What the servers of the sandbox share: HTTP on loopback.

A server of the sandbox is a function that gets a `SandboxRequest` and returns a `Response`;
`LoopbackServer` serves it in threads and ends all of them in `~LoopbackServer.stop`.
"""

import gzip
import json
import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = [
    "JSON", "LoopbackServer", "RefusedRequest", "Response", "SandboxRequest", "ThreadedServer",
    "next_fault",
]  # fmt: skip

JSON = "application/json"
# Shorter bodies are not compressed.
_LEAST_PACKED = 2000
# How often the server looks whether it has to stop, in seconds.
_POLL = 0.05
# How long `stop` waits for responses that are being sent, in seconds.
_LAST_WAIT = 2.0


@dataclass(frozen=True)
class SandboxRequest:
    """A request as it arrived.

    Parameters
    ----------
    method : str
        Such as ``"GET"``.
    target : str
        The path with its query, as it was sent.
    headers : dict of str to str
        By their names in lower case.
    body : bytes
        The body; empty where there is none.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(urlsplit(self.target).path)

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The values of each parameter of the query."""
        return parse_qs(urlsplit(self.target).query)

    @property
    def form(self) -> dict[str, list[str]]:
        """The values of each field of a form in the body."""
        return parse_qs(self.body.decode(), keep_blank_values=True)


@dataclass
class Response:
    """What a server sends.

    Parameters
    ----------
    status : int
        The status.
    body : bytes, str or object
        The body; another object is sent as JSON.
    content_type : str
        The type of the body.
    headers : dict of str to str
        Other headers.
    chunks : iterable of bytes, optional
        Pieces of a stream, each sent as soon as it is there, in place of the body.
    cut : bool
        Whether the connection breaks off after the chunks.
    """

    status: int = 200
    body: object = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Iterable[bytes] | None = None
    cut: bool = False

    @property
    def content(self) -> bytes:
        """The body in bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class RefusedRequest(Exception):  # noqa: N818 - what is sent instead, which can be a success
    """A response that ends the work on a request wherever it is raised.

    Parameters
    ----------
    response : Response
        The response.
    """

    def __init__(self, response: Response):
        super().__init__(response.status)
        self.response = response


def next_fault(faults: Mapping[str, Any], target: str) -> Any:
    """Return the planned fault of a request.

    Parameters
    ----------
    faults : mapping of str to object or list of objects
        By a regular expression; of a list, each object is returned once.
    target : str
        What the expressions are searched in.

    Returns
    -------
    object or None
        None where no fault is planned.
    """
    for pattern, fault in faults.items():
        if re.search(pattern, target):
            if not isinstance(fault, list):
                return fault
            if fault:
                return fault.pop(0)
    return None


class LoopbackServer:
    """An HTTP server that runs in threads of this process.

    Parameters
    ----------
    respond : callable
        Function of a `SandboxRequest` that returns a `Response`, or None to break the
        connection off. It is called from several threads.
    host : str
        Address to listen on.
    port : int
        Port to listen on; 0 takes a free one.
    name : str
        Name of the thread.
    """

    def __init__(
        self,
        respond: Callable[[SandboxRequest], Response | None],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str = "sandbox",
    ):
        self._server = ThreadedServer((host, port), respond)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": _POLL},
            name=name,
            daemon=True,
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The address of the server, without a slash at its end."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def stop(self) -> None:
        """Stop to listen, end the open connections, and wait for their threads."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server.end_connections()


class ThreadedServer(ThreadingHTTPServer):
    """The HTTP server itself, which can end the connections that clients keep open.

    Parameters
    ----------
    address : tuple of str and int
        Host and port.
    respond : callable
        Function of a `SandboxRequest` that returns a `Response`, or None to break off.
    handler : type, optional
        Handler of the connections in place of the one that calls `respond`.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        respond: Callable[[SandboxRequest], Response | None],
        handler: type[BaseHTTPRequestHandler] | None = None,
    ):
        self.respond = respond
        self._open: dict[threading.Thread, socket.socket] = {}
        self._open_lock = threading.Lock()
        super().__init__(address, handler or _Handler)

    def server_bind(self) -> None:
        """Bind without a look-up of the host's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        # An address of IPv4 is declared as possibly one of bytes.
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection in a thread, which `end_connections` can end."""
        thread = threading.Thread(
            target=self._serve_connection, args=(request, client_address), daemon=True
        )
        with self._open_lock:
            self._open[thread] = request
        thread.start()

    def _serve_connection(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._open_lock:
                self._open.pop(threading.current_thread(), None)

    def end_connections(self) -> None:
        """End all connections, and wait for their threads."""
        with self._open_lock:
            connections = dict(self._open)
        for connection in connections.values():
            # A client may have ended it in this moment.
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        until = time.monotonic() + _LAST_WAIT
        for thread in connections:
            thread.join(max(0.0, until - time.monotonic()))

    def handle_error(self, request: object, client_address: object) -> None:
        """Write no traceback for clients that gave up."""


class _Handler(BaseHTTPRequestHandler):
    server: ThreadedServer
    protocol_version = "HTTP/1.1"
    # Head and body in one write, at once: else each response may wait 40 ms for the client's
    # acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        request = SandboxRequest(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(size),
        )
        response = self.server.respond(request)
        if response is None:
            self.close_connection = True
        elif response.chunks is not None:
            self._stream(response)
        else:
            self._send(response)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _send(self, response: Response) -> None:
        body = response.content
        headers = {"Content-Type": response.content_type, **response.headers}
        takes_gzip = "gzip" in self.headers.get("Accept-Encoding", "")
        if takes_gzip and "json" in response.content_type and len(body) > _LEAST_PACKED:
            body = gzip.compress(body, 1)
            headers["Content-Encoding"] = "gzip"
        empty = response.status in (204, 304)
        if not empty:
            headers["Content-Length"] = str(len(body))
        self._begin(response.status, headers)
        if self.command != "HEAD" and not empty:
            self.wfile.write(body)

    def _stream(self, response: Response) -> None:
        headers = {"Content-Type": response.content_type, **response.headers}
        self._begin(response.status, {**headers, "Transfer-Encoding": "chunked"})
        for chunk in response.chunks or ():
            if chunk:
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                self.wfile.flush()
        if response.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.headers.get("Connection", "").lower() == "close":
            # Announced, or the client may send its next request into a closing connection.
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base class
        """Write no line for each request."""

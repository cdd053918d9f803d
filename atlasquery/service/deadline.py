"""Limit the time of an exchange in every phase: connecting, sending, headers, body.

The timeout of a socket applies to a single wait, which a server that sends a byte now and
then never exceeds. So each read and write of a connection gets at most the time that its
exchange has left. That needs no additional thread.
"""

import collections
import contextlib
import contextvars
import http.client
import io
import queue
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

__all__ = ["Activity", "Deadline", "TimedAdapter", "deadline", "note_outcome", "watched_activity"]

_present = threading.local()


class Activity:
    """What a server has shown of itself during a call: whether it is there, and responds."""

    def __init__(self) -> None:
        #: Seconds that the longest of its connections took, None before the first.
        self.connecting: float | None = None
        #: Whether it has sent anything.
        self.heard = False
        #: Whether an exchange has succeeded.
        self.succeeded = False
        #: The latest failure of an exchange that is tried again.
        self.failure: Exception | None = None


# That of the present call.
_activity: contextvars.ContextVar[Activity | None] = contextvars.ContextVar(
    "activity", default=None
)


def note_outcome(failure: Exception | None) -> None:
    """Note that an exchange of this thread has succeeded, or failed and is tried again.

    Parameters
    ----------
    failure : Exception or None
        The failure; None for a success.
    """
    activity = _activity.get()
    if activity is not None:
        activity.succeeded |= failure is None
        activity.failure = failure


@contextlib.contextmanager
def watched_activity() -> Iterator[Activity]:
    """Watch the connections of this thread, and of the threads that it starts.

    Yields
    ------
    Activity
        What the servers have done so far; another thread may read it.
    """
    activity = Activity()
    token = _activity.set(activity)
    try:
        yield activity
    finally:
        _activity.reset(token)


class Deadline:
    """The time limit of the exchange of this thread.

    Parameters
    ----------
    seconds : float
        Time until the deadline.
    prompt : bool, optional
        Whether each part of the response is read as soon as the server writes it.
    """

    def __init__(self, seconds: float, *, prompt: bool = False):
        self.at = time.monotonic() + seconds
        self.prompt = prompt
        #: Whether something was interrupted because of it.
        self.passed = False

    @property
    def over(self) -> bool:
        """Whether it has passed, and may be the reason of an interruption."""
        return self.passed or time.monotonic() >= self.at

    def check(self) -> float:
        """Return the seconds left.

        Returns
        -------
        float
            Seconds, above 0.

        Raises
        ------
        TimeoutError
            The built-in exception, if no time is left.
        """
        left = self.at - time.monotonic()
        if left <= 0:
            self.passed = True
            raise TimeoutError("the response did not end in time")
        return left


@contextlib.contextmanager
def deadline(seconds: float, *, prompt: bool = False) -> Iterator[Deadline]:
    """Limit the time of what this thread sends and reads through a `TimedAdapter`.

    Parameters
    ----------
    seconds : float
        The time limit.
    prompt : bool, optional
        Whether each part of the response is read as soon as the server writes it.

    Yields
    ------
    Deadline
        The deadline, which tells afterwards whether it has passed.
    """
    before = getattr(_present, "deadline", None)
    _present.deadline = Deadline(seconds, prompt=prompt)
    try:
        yield _present.deadline
    finally:
        _present.deadline = before


@contextlib.contextmanager
def _in_time(sock: socket.socket, patience: float | None) -> Iterator[None]:
    """Limit the waits of a socket to its timeout and to the deadline."""
    end = getattr(_present, "deadline", None)
    if end is None:
        yield
        return
    left = end.check()
    shorter = patience is None or left < patience
    sock.settimeout(left if shorter else patience)
    try:
        yield
    except TimeoutError:
        end.passed = end.passed or shorter
        raise


def _acknowledge(sock: socket.socket) -> None:
    """Acknowledge received packets immediately, on systems with that option.

    A server may delay the next line of a stream until the previous one is acknowledged, which
    takes up to 40 ms. Linux forgets the setting, so it is repeated for each read.
    """
    with contextlib.suppress(AttributeError, OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class _TimedReader(io.RawIOBase):
    """The reading end of a socket, each read of which ends at the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket):
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._patience = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def readinto(self, buffer: Any) -> int | None:
        end = getattr(_present, "deadline", None)
        if end is not None and end.prompt:
            _acknowledge(self._sock)
        with _in_time(self._sock, self._patience):
            size = self._raw.readinto(buffer)
        activity = _activity.get()
        if activity is not None and size:
            activity.heard = True
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any):
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock))


# What the methods of a mixin of connections may call.
if TYPE_CHECKING:
    _Connection = HTTPConnection
else:
    _Connection = object


class _Timed(_Connection):
    """A connection whose connecting and sending end at the deadline."""

    response_class = _TimedResponse

    def _new_conn(self) -> socket.socket:
        end = getattr(_present, "deadline", None)
        if end is not None:
            self.timeout = min(self.timeout or end.check(), end.check())
        started = time.monotonic()
        sock = super()._new_conn()
        activity = _activity.get()
        if activity is not None:
            activity.connecting = max(activity.connecting or 0.0, time.monotonic() - started)
        if end is not None:
            # The TLS handshake uses the present timeout of the socket.
            sock.settimeout(min(self.timeout, end.check()))
        return sock

    def send(self, data: Any) -> None:
        if not isinstance(data, bytes):
            super().send(data)
            return
        if self.sock is None:
            self.connect()
        sock: Any = self.sock
        patience = sock.gettimeout()
        rest = memoryview(data)
        while rest:
            # Not sendall, which with TLS may wait again for each part.
            with _in_time(sock, patience):
                rest = rest[sock.send(rest) :]
        sock.settimeout(patience)


class _TimedHTTP(_Timed, HTTPConnection):
    pass


class _TimedHTTPS(_Timed, HTTPSConnection):
    pass


class _Idle:
    """The idle connections of a pool: a queue without a lock, which a fork could leave locked."""

    def __init__(self, maxsize: int = 0):
        # Its methods are atomic in the interpreter.
        self._connections: collections.deque = collections.deque()
        self._most = maxsize

    def put(self, connection: Any, block: bool = True, timeout: float | None = None) -> None:
        if len(self._connections) >= self._most > 0:
            raise queue.Full
        self._connections.append(connection)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            return self._connections.pop()
        except IndexError:
            raise queue.Empty from None

    def qsize(self) -> int:
        return len(self._connections)


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _TimedHTTP  # pyright: ignore[reportAssignmentType]  # it subclasses urllib3's
    QueueCls = _Idle  # type: ignore[assignment]  # has what urllib3 uses of a queue


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _TimedHTTPS  # pyright: ignore[reportAssignmentType]  # it subclasses urllib3's
    QueueCls = _Idle  # type: ignore[assignment]  # has what urllib3 uses of a queue


class TimedAdapter(HTTPAdapter):
    """Connections that respect the `deadline` of the thread that uses them."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pool of connections.

        Parameters
        ----------
        *args, **kwargs
            As documented by requests.
        """
        super().init_poolmanager(*args, **kwargs)
        _use_timed(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the connections through a proxy.

        Parameters
        ----------
        *args, **kwargs
            As documented by requests.

        Returns
        -------
        `urllib3.ProxyManager`
            The manager, created at its first use.
        """
        manager = super().proxy_manager_for(*args, **kwargs)
        if hasattr(manager, "pool_classes_by_scheme"):
            _use_timed(manager)
        return manager


def _use_timed(manager: Any) -> None:
    manager.pool_classes_by_scheme = {
        **manager.pool_classes_by_scheme,
        "http": _HTTPPool,
        "https": _HTTPSPool,
    }

"""Request many ids in chunks, in order; a chunk that fails is halved until its cause is alone.

A server that answers many ids at once fails for all of them when it fails for
one, and takes too long when there are too many. So the ids are requested in
chunks as large as the responses allow, and a chunk that fails is requested
again in halves. Nothing here depends on what an id is.
"""

import heapq
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from atlasquery.exceptions import (
    LargeAnswerError,
    LoginError,
    QuotaError,
    RemoteServiceError,
    TimeoutError,
)
from atlasquery.service.pool import start_thread

__all__ = ["Chunk", "ChunkSize", "ChunkedReads"]

# Consecutive failures after which a minimal request checks whether the server is alive.
PATIENCE = 4


@dataclass
class Chunk:
    """Some of the requested ids, and their response or error.

    Parameters
    ----------
    first : int
        Index of the first of these ids among all ids.
    ids : list
        The ids.
    answer : object, optional
        The response.
    error : BaseException, optional
        Why there is no response.
    again : bool, optional
        Whether the only id left was requested before.
    """

    first: int
    ids: Sequence
    answer: Any = None
    error: BaseException | None = None
    again: bool = False

    def halves(self) -> list["Chunk"]:
        """Return two chunks of half as many ids.

        Returns
        -------
        list of Chunk
            The two halves, in order.
        """
        half = (len(self.ids) + 1) // 2
        return [
            Chunk(self.first, self.ids[:half], error=self.error),
            Chunk(self.first + half, self.ids[half:], error=self.error),
        ]


class ChunkSize:
    """Number of ids to request at once, adapted to the responses so far.

    Parameters
    ----------
    first : int
        Number of ids in the first request.
    most : int
        Largest number of ids in one request.
    target : float
        Bytes that a response should have.
    seconds : float
        Seconds that a response may take; chunks of up to `first` ids may take longer.
    """

    def __init__(self, *, first: int, most: int, target: float, seconds: float):
        self.first = first
        self.most = most
        self.target = target
        self.seconds = seconds
        self._fitting = first
        self._limit = most
        self._setbacks = 0
        self._share = 0
        self._count = self._bytes = 0.0

    def now(self, rest: int, concurrency: int) -> int:
        """Return how many ids to request now.

        Parameters
        ----------
        rest : int
            Number of ids that have not been requested.
        concurrency : int
            Number of requests that run at the same time.

        Returns
        -------
        int
            One at least. As many as fit, or fewer, so that the last requests
            end at the same time.
        """
        fitting = max(1, min(self._fitting, self._limit))
        requests = concurrency * math.ceil(rest / fitting / concurrency)
        # A share stays while larger ones would save no request; else the last ones would shrink.
        if self._share > fitting or rest > self._share * requests:
            self._share = min(fitting, max(self.first, math.ceil(rest / requests)))
        return self._share

    def answered(self, count: int, size: int, seconds: float) -> None:
        """Adapt to a response.

        Parameters
        ----------
        count : int
            Number of ids in the request.
        size : int
            Bytes of the response.
        seconds : float
            Duration of the request.
        """
        # The latest response has the largest weight, and large chunks more than parts of one.
        self._count = self._count / 2 + count
        self._bytes = self._bytes / 2 + size
        by_size = self.target * self._count / max(self._bytes, 1.0)
        by_time = max(self.first, self.seconds * count / max(seconds, 1e-6))
        self._fitting = int(min(self.most, by_size, by_time))
        if count >= self._limit:
            # One failure may have been chance; after two, the limit is approached slowly.
            step = count if self._setbacks <= 1 else max(1, count // 4)
            self._limit = min(self.most, count + step)

    def failed(self, count: int) -> None:
        """Request half as many ids after a failure that may be due to the size.

        Parameters
        ----------
        count : int
            Number of ids in the request.
        """
        self._limit = max(1, min(self._limit, count // 2))
        self._setbacks += 1

    def explained(self) -> None:
        """Undo the effect of failures: one id was the cause."""
        self._limit = self.most
        self._setbacks = 0


class ChunkedReads:
    """The responses for many ids, in the order requested: for each chunk, its response or error.

    Some threads send the requests while the caller iterates; when the caller is slow they
    wait, so that only a few chunks are in memory. After a refused login, a used-up
    quota, or several consecutive failures of a server that does not even answer
    `alive`, nothing else is sent, and the other ids get that error.

    Parameters
    ----------
    ask : callable
        Takes a list of ids, returns a response that has a ``size`` in bytes.
    ids : sequence
        All ids, without duplicates.
    size : ChunkSize
        Number of ids to request at once.
    concurrency : int
        Number of requests that run at the same time.
    alive : callable
        Sends a minimal request, and raises an exception if it fails.
    pause : callable
        Waits before an id that failed alone is requested once more.
    begin : callable, optional
        Called in each thread with an event that is set when no further responses are wanted.
    """

    def __init__(
        self,
        ask: Callable,
        ids: Sequence,
        *,
        size: ChunkSize,
        concurrency: int,
        alive: Callable,
        pause: Callable,
        begin: Callable = lambda ended: None,
    ):
        self._ask, self._alive, self._pause, self._begin = ask, alive, pause, begin
        self._ids, self._size = ids, size
        self._concurrency = max(1, concurrency)
        self._changed = threading.Condition()
        # Index that the caller has reached, and index of the next id to request.
        self._head = self._next = 0
        self._running = 0
        # Parts of failed chunks, the largest first: a good half shows that the server is alive.
        self._parts: list[tuple[int, int, Chunk]] = []
        self._done: dict[int, Chunk] = {}
        self._ended = threading.Event()
        self._failures, self._patience = 0, PATIENCE
        self._probing = self._over = self._stopped = False

    def __iter__(self) -> Iterator[Chunk]:
        process = os.getpid()
        for _ in range(self._concurrency):
            start_thread(self._work)
        try:
            while self._head < len(self._ids):
                with self._changed:
                    while self._head not in self._done:
                        if os.getpid() != process:
                            raise RuntimeError(
                                "this iteration was started in another process, whose threads a "
                                "forked process does not have: start it again"
                            )
                        # Waiting for a lock without a limit blocks Ctrl-C on some systems.
                        self._changed.wait(0.5)
                    chunk = self._done.pop(self._head)
                    self._head += len(chunk.ids)
                    self._changed.notify_all()
                yield chunk
                # Not needed in memory while waiting for the next one.
                del chunk
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
            # Threads that wait for the quota would send their requests hours later.
            self._ended.set()

    def _work(self) -> None:
        self._begin(self._ended)
        while (chunk := self._take()) is not None:
            started = time.monotonic()
            try:
                if chunk.again:
                    self._pause()
                chunk.answer = self._ask(chunk.ids)
            except BaseException as error:
                chunk.error = _without_frames(error)
                self._failed(chunk)
            else:
                self._answered(chunk, time.monotonic() - started)
            del chunk

    def _take(self) -> Chunk | None:
        """Return the next chunk to request, as soon as it may be sent; None at the end."""
        with self._changed:
            while not self._stopped and self._head < len(self._ids):
                if self._parts and not self._probing:
                    self._running += 1
                    return heapq.heappop(self._parts)[2]
                held = self._running + len(self._done)
                room = held < self._concurrency + 1 and not self._probing
                if room and self._next < len(self._ids):
                    self._running += 1
                    count = self._size.now(len(self._ids) - self._next, self._concurrency)
                    ids = self._ids[self._next : self._next + count]
                    chunk = Chunk(self._next, ids)
                    self._next += len(ids)
                    return chunk
                self._changed.wait()
        return None

    def _answered(self, chunk: Chunk, seconds: float) -> None:
        with self._changed:
            chunk.error = None
            self._running -= 1
            self._failures, self._patience = 0, PATIENCE
            self._size.answered(len(chunk.ids), chunk.answer.size, seconds)
            self._done[chunk.first] = chunk
            self._changed.notify_all()

    def _failed(self, chunk: Chunk) -> None:
        error = chunk.error
        with self._changed:
            self._running -= 1
            self._failures += 1
            # Only one probe at a time, whatever other requests do.
            probe = self._failures >= self._patience and not self._probing and not self._stopped
            self._probing |= probe
            if _fatal(error):
                self._give_up(error)
            self._sort(chunk)
            self._changed.notify_all()
        if probe:
            self._probe(error)

    def _sort(self, chunk: Chunk) -> None:
        """Decide about a chunk that failed: halve it, request it once more, or report it."""
        alone = len(chunk.ids) == 1
        if self._over or (alone and chunk.again):
            self._size.explained()
            self._done[chunk.first] = chunk
            return
        if alone:
            parts = [Chunk(chunk.first, chunk.ids, error=chunk.error, again=True)]
        else:
            if _of_size(chunk.error):
                self._size.failed(len(chunk.ids))
            parts = chunk.halves()
        for part in parts:
            heapq.heappush(self._parts, (-len(part.ids), part.first, part))

    def _probe(self, last: BaseException | None) -> None:
        """Check whether the server fails for these ids only, or for all requests."""
        down = None
        try:
            self._alive()
        except BaseException as error:
            down = _without_frames(error)
        with self._changed:
            self._probing = False
            if down is None:
                self._patience = 2 * self._failures
            else:
                self._give_up(down if _fatal(down) else last)
            self._changed.notify_all()

    def _give_up(self, error: BaseException | None) -> None:
        """Mark all ids without a response as failed, and request nothing else."""
        for _, _, part in self._parts:
            self._done[part.first] = part
        self._parts = []
        if self._next < len(self._ids):
            rest = Chunk(self._next, self._ids[self._next :], error=_not_tried(error))
            self._done[rest.first] = rest
            self._next = len(self._ids)
        self._over = True


def _fatal(error: BaseException | None) -> bool:
    """Return whether all other requests would fail too; also true for Ctrl-C."""
    return isinstance(error, (LoginError, QuotaError)) or not isinstance(error, Exception)


def _without_frames(error: BaseException) -> BaseException:
    """Remove the tracebacks, whose frames would keep whole responses in memory."""
    cause: BaseException | None = error
    while cause is not None:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
    return error


def _of_size(error: BaseException | None) -> bool:
    large = isinstance(error, (TimeoutError, LargeAnswerError))
    return large or (getattr(error, "status", None) or 0) >= 500


def _not_tried(error: BaseException | None) -> Exception:
    """Return the error of ids that were not requested because of an earlier error."""
    known: dict[str, Any] = {
        name: getattr(error, name, None) for name in ("service", "status", "url", "reason")
    }
    message = f"not tried: {error}"
    if isinstance(error, QuotaError):
        return QuotaError(message, retry_after=error.retry_after, **known)
    if isinstance(error, LoginError):
        return LoginError(message, **known)
    return RemoteServiceError(message, **known)

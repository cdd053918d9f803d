"""Ask for many ids, some at a time: in order, a failure halved until its cause is alone.

A server that answers many ids at once fails for all of them when it fails for
one, and takes too long when there are too many. So the ids are asked for in
chunks, as large as the answers allow, and a chunk that fails is asked for
again in halves. Nothing here knows what an id is.
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

__all__ = ["Chunk", "ChunkSize", "ChunkedReads"]

# Failures in a row, with no answer between them, after which the server is asked how it is.
PATIENCE = 4


@dataclass
class Chunk:
    """Some of the ids asked for, and what became of them.

    Parameters
    ----------
    first : int
        Which of all ids the first of these is.
    ids : list
        The ids.
    answer : object, optional
        What was answered.
    error : BaseException, optional
        Why there is no answer.
    again : bool, optional
        Whether the only id left was asked for before.
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
            In order.
        """
        half = (len(self.ids) + 1) // 2
        return [
            Chunk(self.first, self.ids[:half], error=self.error),
            Chunk(self.first + half, self.ids[half:], error=self.error),
        ]


class ChunkSize:
    """How many ids to ask for at once, as far as is known by now.

    Parameters
    ----------
    first : int
        How many to begin with.
    most : int
        How many at most.
    target : float
        Bytes that an answer should have.
    seconds : float
        Seconds that an answer may take; chunks of up to `first` ids may take longer.
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
        """Return how many to ask for now.

        Parameters
        ----------
        rest : int
            How many have not been asked for.
        concurrency : int
            How many requests are under way at the same time.

        Returns
        -------
        int
            One at least. As many as fit, or some less, so that the last requests
            end together instead of one after the others.
        """
        fitting = max(1, min(self._fitting, self._limit))
        requests = concurrency * math.ceil(rest / fitting / concurrency)
        # A share stays while larger ones would save no request, or the last would be ever smaller.
        if self._share > fitting or rest > self._share * requests:
            self._share = min(fitting, max(self.first, math.ceil(rest / requests)))
        return self._share

    def answered(self, count: int, size: int, seconds: float) -> None:
        """Learn from an answer.

        Parameters
        ----------
        count : int
            How many ids it was for.
        size : int
            Its bytes.
        seconds : float
            How long it took.
        """
        # What came last counts most, and large chunks more than pieces of one.
        self._count = self._count / 2 + count
        self._bytes = self._bytes / 2 + size
        by_size = self.target * self._count / max(self._bytes, 1.0)
        by_time = max(self.first, self.seconds * count / max(seconds, 1e-6))
        self._fitting = int(min(self.most, by_size, by_time))
        if count >= self._limit:
            # Once may have been chance; after twice, what is too many is approached with care.
            more = count if self._setbacks <= 1 else max(1, count // 4)
            self._limit = min(self.most, count + more)

    def failed(self, count: int) -> None:
        """Ask for half as many after a failure that may be one of size.

        Parameters
        ----------
        count : int
            How many ids were asked for.
        """
        self._limit = max(1, min(self._limit, count // 2))
        self._setbacks += 1

    def explained(self) -> None:
        """Take that back: one id was the cause."""
        self._limit = self.most
        self._setbacks = 0


class ChunkedReads:
    """The answers for many ids, in the order asked, each chunk or its error.

    Some threads ask, and the caller iterates; when it is slow they wait, so
    that a few chunks at most are in memory. After a refused login, a used-up
    quota, or several failures in a row of a server that does not answer even
    `alive`, nothing more is sent, and the rest has that as its error.

    Parameters
    ----------
    ask : callable
        Takes a list of ids, returns an answer that has a ``size`` in bytes.
    ids : sequence
        All ids, each once.
    size : ChunkSize
        How many to ask for at once.
    concurrency : int
        How many requests are under way at the same time.
    alive : callable
        Sends the smallest request there is, and raises what goes wrong with it.
    pause : callable
        Waits before an id that failed alone is asked for once more.
    begin : callable, optional
        Called in each thread with an event that is set when no more answers are wanted.
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
        # Where the caller is, and up to where it was asked.
        self._head = self._next = 0
        self._running = 0
        # Pieces of chunks that failed, the largest first: a good half shows that the server lives.
        self._pieces: list[tuple[int, int, Chunk]] = []
        self._done: dict[int, Chunk] = {}
        self._ended = threading.Event()
        self._failures, self._patience = 0, PATIENCE
        self._probing = self._over = self._stopped = False

    def __iter__(self) -> Iterator[Chunk]:
        process = os.getpid()
        for _ in range(self._concurrency):
            threading.Thread(target=self._work, daemon=True).start()
        try:
            while self._head < len(self._ids):
                with self._changed:
                    while self._head not in self._done:
                        if os.getpid() != process:
                            raise RuntimeError(
                                "this iteration was begun in another process, whose threads a "
                                "forked one does not have: begin it anew"
                            )
                        # A lock that is waited for without end lets no Ctrl-C through everywhere.
                        self._changed.wait(0.5)
                    chunk = self._done.pop(self._head)
                    self._head += len(chunk.ids)
                    self._changed.notify_all()
                yield chunk
                # While the next one is waited for, this one need not be in memory.
                del chunk
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
            # Those that wait for the quota would send their request hours later.
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
        """Return what is to be asked next, as soon as it may be; None at the end."""
        with self._changed:
            while not self._stopped and self._head < len(self._ids):
                if self._pieces and not self._probing:
                    self._running += 1
                    return heapq.heappop(self._pieces)[2]
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
            # Others under way are not told from a probe's silence what the probe is for.
            probe = self._failures >= self._patience and not self._probing and not self._stopped
            self._probing |= probe
            if _fatal(error):
                self._give_up(error)
            self._sort(chunk)
            self._changed.notify_all()
        if probe:
            self._probe(error)

    def _sort(self, chunk: Chunk) -> None:
        """Put a chunk that failed where it belongs: halved, once more, or to the failures."""
        alone = len(chunk.ids) == 1
        if self._over or (alone and chunk.again):
            self._size.explained()
            self._done[chunk.first] = chunk
            return
        if alone:
            pieces = [Chunk(chunk.first, chunk.ids, error=chunk.error, again=True)]
        else:
            if _of_size(chunk.error):
                self._size.failed(len(chunk.ids))
            pieces = chunk.halves()
        for piece in pieces:
            heapq.heappush(self._pieces, (-len(piece.ids), piece.first, piece))

    def _probe(self, last: BaseException | None) -> None:
        """Find out whether the server fails for these ids, or for all."""
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
        """Name all that was not answered as failed, and ask for nothing more."""
        for _, _, piece in self._pieces:
            self._done[piece.first] = piece
        self._pieces = []
        if self._next < len(self._ids):
            rest = Chunk(self._next, self._ids[self._next :], error=_not_tried(error))
            self._done[rest.first] = rest
            self._next = len(self._ids)
        self._over = True


def _fatal(error: BaseException | None) -> bool:
    """Return whether no other request would fare better; Ctrl-C and its like included."""
    return isinstance(error, (LoginError, QuotaError)) or not isinstance(error, Exception)


def _without_frames(error: BaseException) -> BaseException:
    """Take away the tracebacks, whose frames would keep whole answers in memory."""
    cause: BaseException | None = error
    while cause is not None:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
    return error


def _of_size(error: BaseException | None) -> bool:
    large = isinstance(error, (TimeoutError, LargeAnswerError))
    return large or (getattr(error, "status", None) or 0) >= 500


def _not_tried(error: BaseException | None) -> Exception:
    """Return what is said of ids that were not asked for because of an error."""
    known: dict[str, Any] = {
        name: getattr(error, name, None) for name in ("service", "status", "url", "reason")
    }
    message = f"not tried: {error}"
    if isinstance(error, QuotaError):
        return QuotaError(message, retry_after=error.retry_after, **known)
    if isinstance(error, LoginError):
        return LoginError(message, **known)
    return RemoteServiceError(message, **known)

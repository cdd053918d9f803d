"""The time for counting requests, and waiting that can be interrupted."""

import contextlib
import contextvars
import math
import threading
import time
from collections.abc import Iterator

from atlasquery.service.forks import renew_in_child

__all__ = ["Clock", "OutOfTimeError", "TimeLimit"]


class TimeLimit:
    """The end of the time of a call, which another thread may bring forward.

    Parameters
    ----------
    end : float
        Unix time by the clock of the call.
    outer : TimeLimit, optional
        A limit that holds too.
    """

    def __init__(self, end: float, outer: "TimeLimit | None" = None):
        self._end, self._outer = end, outer

    @property
    def end(self) -> float:
        """The earliest end."""
        return self._end if self._outer is None else min(self._end, self._outer.end)

    def stop(self) -> None:
        """End the time now: no further request is sent."""
        self._end = -math.inf


# Threads that a call starts with `start_thread` have the same limit.
_limit: contextvars.ContextVar[TimeLimit | None] = contextvars.ContextVar("limit", default=None)


class OutOfTimeError(Exception):
    """The time limit set by `Clock.until` ended before the work was done."""


class Clock:
    """The current time, and sleeping; tests use a faster clock."""

    def now(self) -> float:
        """Return the Unix time.

        Returns
        -------
        float
            Seconds since 1970.
        """
        return time.time()

    def __init__(self) -> None:
        self._renew_after_fork()
        renew_in_child(self)

    def _renew_after_fork(self) -> None:
        """Forget sleeping threads: a forked child does not have the threads of its parent."""
        self._stop = threading.Event()
        self._of_thread = threading.local()

    def sleep_until(self, ended: threading.Event) -> None:
        """End the sleep of this thread when an event is set; later sleeps do not start.

        Parameters
        ----------
        ended : `threading.Event`
            Set when the work of the thread is no longer wanted.
        """
        self._of_thread.stop = ended

    @contextlib.contextmanager
    def until(self, end: float) -> Iterator[TimeLimit]:
        """Limit the time of this thread: no wait and no exchange with a server exceeds it.

        The limit also holds for the threads of `run_all` and `in_background`.

        Parameters
        ----------
        end : float
            Unix time by this clock; infinity for no limit. An earlier limit that is already
            set stays.

        Yields
        ------
        TimeLimit
            The limit.
        """
        limit = TimeLimit(end, _limit.get())
        token = _limit.set(limit)
        try:
            yield limit
        finally:
            _limit.reset(token)

    def left(self) -> float:
        """Return how much time this thread has left.

        Returns
        -------
        float
            Seconds, not below 0; infinity without a limit.
        """
        limit = _limit.get()
        return math.inf if limit is None else max(0.0, limit.end - self.now())

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the time limit of this thread.

        Parameters
        ----------
        seconds : float
            Duration.

        Raises
        ------
        OutOfTimeError
            At the limit set by `until`, if that comes first.
        """
        left = self.left()
        if seconds <= left:
            self.sleep(seconds)
            return
        self.sleep(left)
        raise OutOfTimeError(f"the wait would have taken {seconds - left:.0f} s longer")

    def interrupt(self) -> None:
        """Wake all threads that sleep now, with an `InterruptedError`."""
        stop, self._stop = self._stop, threading.Event()
        stop.set()

    def sleep(self, seconds: float) -> None:
        """Sleep.

        Parameters
        ----------
        seconds : float
            Duration.
        """
        if getattr(self._of_thread, "stop", self._stop).wait(seconds):
            raise InterruptedError("stopped while waiting")

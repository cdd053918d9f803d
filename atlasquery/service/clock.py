"""The time as the count of requests sees it, and waiting that can be broken off."""

import contextlib
import math
import threading
import time
from collections.abc import Iterator

from atlasquery.service.forks import renew_in_child

__all__ = ["Clock", "OutOfTimeError"]

# The end of the time that a thread has.
_ends = threading.local()


class OutOfTimeError(Exception):
    """The time that `Clock.until` gives is over before something could be done."""


class Clock:
    """The time, and the passing of it; a test has one that runs faster."""

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
        """Forget who sleeps: the threads of the parent are not in a forked child."""
        self._stop = threading.Event()
        self._of_thread = threading.local()

    def sleep_until(self, ended: threading.Event) -> None:
        """Let no sleep of this thread outlast an event, nor begin after it.

        Parameters
        ----------
        ended : `threading.Event`
            Set when the work of the thread is not wanted any more.
        """
        self._of_thread.stop = ended

    @contextlib.contextmanager
    def until(self, end: float) -> Iterator[None]:
        """Give this thread an end: no wait and no exchange with a server goes beyond it.

        Parameters
        ----------
        end : float
            Unix time by this clock; infinity for no end. An end that is set already and
            comes sooner stays.
        """
        before = getattr(_ends, "end", None)
        _ends.end = end if before is None else min(before, end)
        try:
            yield
        finally:
            _ends.end = before

    def left(self) -> float:
        """Return how much time this thread has.

        Returns
        -------
        float
            Seconds, not below 0; infinity where no end is set.
        """
        end = getattr(_ends, "end", None)
        return math.inf if end is None else max(0.0, end - self.now())

    def wait(self, seconds: float) -> None:
        """Let time pass, as far as this thread has it.

        Parameters
        ----------
        seconds : float
            How much.

        Raises
        ------
        OutOfTimeError
            At the end of the time that `until` gives, where that comes first.
        """
        left = self.left()
        if seconds <= left:
            self.sleep(seconds)
            return
        self.sleep(left)
        raise OutOfTimeError(f"{seconds - left:.0f} s more would have been waited for")

    def interrupt(self) -> None:
        """Let those who sleep now wake with an `InterruptedError`: their work is not wanted."""
        stop, self._stop = self._stop, threading.Event()
        stop.set()

    def sleep(self, seconds: float) -> None:
        """Let time pass.

        Parameters
        ----------
        seconds : float
            How much.
        """
        if getattr(self._of_thread, "stop", self._stop).wait(seconds):
            raise InterruptedError("stopped while waiting")

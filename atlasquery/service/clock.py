"""The time as the count of requests sees it, and waiting that can be broken off."""

import threading
import time

from atlasquery.service.forks import renew_in_child

__all__ = ["Clock"]


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

    def __init__(self):
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

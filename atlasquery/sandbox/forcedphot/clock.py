"""The time of the forced photometry server: that of the machine."""

import time
from typing import Protocol

__all__ = ["ServerClock", "SystemClock"]


class ServerClock(Protocol):
    """What the server needs of a clock; tests use one that jumps."""

    def now(self) -> float:
        """Return the Unix time."""
        ...

    def work(self, seconds: float) -> None:
        """Let the time pass that the server takes for something."""


class SystemClock:
    """The time of the machine."""

    def now(self) -> float:
        """Return the Unix time.

        Returns
        -------
        float
            Seconds since 1970.
        """
        return time.time()

    def work(self, seconds: float) -> None:
        """Let the time pass that the server takes for something.

        Parameters
        ----------
        seconds : float
            How long.
        """
        time.sleep(seconds)

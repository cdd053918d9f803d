"""Space the requests of an account in time: for servers that allow so many a second."""

import threading

from atlasquery.service.quota import Clock, OpenGate

__all__ = ["Pace", "PaceGate", "pace_of"]

# What a clock may be ahead by; beyond it, it was set back, or is another one.
LONGEST = 3600.0


class Pace:
    """When the next request of an account may be sent; shared by all threads.

    A bucket that leaks: `burst` requests may follow one another at once, after
    that each waits for `interval`.

    Parameters
    ----------
    interval : float
        Seconds between requests.
    burst : int
        Requests that may be sent at once.
    """

    def __init__(self, interval: float, burst: int):
        self.interval = interval
        self.burst = burst
        self._full = 0.0
        self._lock = threading.Lock()

    def reserve(self, now: float) -> float:
        """Take the next place in the queue.

        Parameters
        ----------
        now : float
            The Unix time.

        Returns
        -------
        float
            Seconds to wait before the request is sent.
        """
        with self._lock:
            ahead = self._full - now
            if not 0.0 <= ahead <= LONGEST:
                self._full, ahead = now, 0.0
            self._full += self.interval
            wait = ahead - (max(self.burst, 1) - 1) * self.interval
            # A microsecond is rounding: a Unix time has no more digits.
            return wait if wait > 1e-6 else 0.0

    def close(self, now: float, seconds: float) -> None:
        """Let nothing through for some time.

        Parameters
        ----------
        now : float
            The Unix time.
        seconds : float
            How long.
        """
        with self._lock:
            self._full = max(self._full, now + seconds + (self.burst - 1) * self.interval)


_paces: dict[str, Pace] = {}
_lock = threading.Lock()


def pace_of(account: str, interval: float, burst: int) -> Pace:
    """Return the pace of an account, the same for all clients of this process.

    Parameters
    ----------
    account : str
        A digest of server and account.
    interval : float
        Seconds between requests, as the configuration is now.
    burst : int
        Requests that may be sent at once.

    Returns
    -------
    Pace
        As it was left by the last request.
    """
    with _lock:
        pace = _paces.setdefault(account, Pace(interval, burst))
        pace.interval, pace.burst = interval, burst
        return pace


class PaceGate(OpenGate):
    """Lets the requests of an account through one after the other.

    Parameters
    ----------
    clock : Clock
        The time.
    pace : Pace or None
        When the next one may be sent; None for at once.
    """

    #: A limit by the second is over after a second.
    first_wait = 1.0
    #: A minute of waiting, all together.
    rounds = 6

    def __init__(self, clock: Clock, pace: Pace | None):
        super().__init__(clock, waits=True)
        self.pace = pace

    def enter(self) -> None:
        """Wait for the request's turn."""
        if self.pace is not None and (wait := self.pace.reserve(self.clock.now())) > 0:
            self.clock.sleep(wait)

    def shut(self, seconds: float) -> None:
        """Hold the requests of all threads back for as long as one of them waits.

        Parameters
        ----------
        seconds : float
            How long.
        """
        if self.pace is not None:
            self.pace.close(self.clock.now(), seconds)

"""Limit the rate of requests of an account, for servers with a limit per second.

All processes of a user on a machine share the rate, by a file of eight bytes for each
account. If it cannot be written, each process limits its rate separately.
"""

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from atlasquery.service.files import cache_folder
from atlasquery.service.forks import ForkSafeLock
from atlasquery.service.locks import open_alone
from atlasquery.service.quota import Clock, OpenGate

__all__ = ["Pace", "PaceGate", "pace_of"]

# Seconds by which a reservation may be ahead; beyond that, the clock was set back, or it is that of
# another machine. Less for the shared file: a process with a wrong clock would delay all others.
LONGEST, LONGEST_SHARED = 3600.0, 60.0
# The Unix time up to which requests of an account are reserved.
FORM = struct.Struct("<d")
# A process holds the file for microseconds only, unless it was stopped meanwhile.
PATIENCE, PAUSE = 0.02, 0.001


class Pace:
    """When the next request of an account may be sent; shared by all threads and processes.

    A leaky bucket: `burst` requests may be sent without waiting, after
    that each waits for `interval`.

    Parameters
    ----------
    interval : float
        Seconds between requests.
    burst : int
        Requests that may be sent at once.
    path : `~pathlib.Path`, optional
        File that all processes share; by default the rate is limited in this process only.
    """

    def __init__(self, interval: float, burst: int, path: Path | None = None):
        self.interval = interval
        self.burst = burst
        self.path = path
        self._full = 0.0
        self._lock = ForkSafeLock()

    def reserve(self, now: float) -> float:
        """Reserve the time of the next request.

        Parameters
        ----------
        now : float
            The Unix time.

        Returns
        -------
        float
            Seconds to wait before the request is sent.
        """
        with self._shared(now):
            ahead = self._full - now
            self._full += self.interval
            wait = ahead - (max(self.burst, 1) - 1) * self.interval
            # A microsecond is rounding: a Unix time has no more digits.
            return wait if wait > 1e-6 else 0.0

    def close(self, now: float, seconds: float) -> None:
        """Send nothing for some time.

        Parameters
        ----------
        now : float
            The Unix time.
        seconds : float
            Duration.
        """
        with self._shared(now):
            self._full = max(self._full, now + seconds + (self.burst - 1) * self.interval)

    @contextlib.contextmanager
    def _shared(self, now: float) -> Iterator[None]:
        """Read what other threads and processes have reserved, and write the new value."""
        with self._lock, _opened(self.path) as handle:
            known = ((self._full, LONGEST), (_read(handle), LONGEST_SHARED))
            self._full = max(full if 0.0 <= full - now <= most else now for full, most in known)
            yield
            if handle is not None:
                # A full disk, or a network folder that disappeared, does not stop requests.
                with contextlib.suppress(OSError):
                    os.pwrite(handle, FORM.pack(self._full), 0)


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[int | None]:
    if path is None:
        yield None
        return
    with open_alone(path, PATIENCE, PAUSE) as handle:
        yield handle


def _read(handle: int | None) -> float:
    """Return what other processes have reserved; 0 if there is nothing, or it is not readable."""
    with contextlib.suppress(OSError, struct.error):
        return 0.0 if handle is None else FORM.unpack(os.pread(handle, FORM.size, 0))[0]
    return 0.0


_paces: dict[str, Pace] = {}
_lock = ForkSafeLock()


def pace_of(account: str, interval: float, burst: int) -> Pace:
    """Return the pace of an account, the same for all clients of this user.

    Parameters
    ----------
    account : str
        A digest of server and account.
    interval : float
        Seconds between requests, from the present configuration.
    burst : int
        Requests that may be sent at once.

    Returns
    -------
    Pace
        The pace, as the last request left it.
    """
    with _lock:
        pace = _paces.setdefault(account, Pace(interval, burst))
        pace.interval, pace.burst = interval, burst
        pace.path = cache_folder() / "pace" / account
        return pace


class PaceGate(OpenGate):
    """Gate that sends the requests of an account one after the other.

    Parameters
    ----------
    clock : Clock
        The time.
    pace : Pace or None
        When the next request may be sent; None for no limit.
    """

    #: A limit per second ends after a second.
    first_wait = 1.0
    #: A minute of waiting in total.
    rounds = 6

    def __init__(self, clock: Clock, pace: Pace | None):
        super().__init__(clock, waits=True)
        self.pace = pace

    def enter(self) -> None:
        """Wait for the request's turn."""
        if self.pace is not None and (wait := self.pace.reserve(self.clock.now())) > 0:
            self.clock.wait(wait)

    def shut(self, seconds: float) -> None:
        """Delay the requests of all threads for as long as one of them waits.

        Parameters
        ----------
        seconds : float
            Duration.
        """
        if self.pace is not None:
            self.pace.close(self.clock.now(), seconds)

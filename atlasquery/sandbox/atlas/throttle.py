"""The server's quota: so many requests of a client within a sliding window."""

import math
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable

__all__ = ["SHIPPED", "Throttle", "parse_rate"]

# Rates that the real server is shipped with, and the one of staff.
SHIPPED = {"user": "100/hour", "auth": "10/hour"}
STAFF_RATE = "100000/hour"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_rate(rate: str, argument: str) -> tuple[int, int]:
    """Read a rate such as ``"100/hour"``.

    Parameters
    ----------
    rate : str
        A whole number, a slash and a period: second, minute, hour or day.
    argument : str
        Name of the argument, for the error.

    Returns
    -------
    tuple of int
        Number of requests and seconds.

    Raises
    ------
    ValueError
        `rate` is not such a rate.

    Examples
    --------
    >>> parse_rate("100/hour", "user_rate")
    (100, 3600)
    """
    number, _, period = str(rate).partition("/")
    if not number.strip().isdecimal() or not int(number) or period[:1] not in _SECONDS:
        raise ValueError(f"{argument}={rate!r} is not a rate such as '100/hour' or 'shipped'")
    return int(number), _SECONDS[period[0]]


class Throttle:
    """Count the requests of each client.

    Parameters
    ----------
    now : callable
        The server's clock, in seconds.
    """

    def __init__(self, now: Callable[[], float]):
        self._now = now
        self._lock = threading.Lock()
        self._history: dict[Hashable, deque[float]] = defaultdict(deque)

    def wait(self, client: Hashable, rate: tuple[int, int]) -> int | None:
        """Count a request, unless the client has none left.

        Parameters
        ----------
        client : hashable
            Client that sends the request.
        rate : tuple of int
            Number of requests and seconds.

        Returns
        -------
        int or None
            Seconds until the next request is taken; None when this one is.
        """
        allowed, window = rate
        now = self._now()
        with self._lock:
            history = self._history[client]
            while history and history[0] <= now - window:
                history.popleft()
            if len(history) < allowed:
                history.append(now)
                return None
            return math.ceil(window - (now - history[0]))

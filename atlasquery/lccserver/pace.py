"""Stay below the rate of requests at which the server would close for two minutes.

"After 25 requests of a key, on the key's lifetime average per minute" (contract): a search in many
parts would be refused after its first seconds, and each refusal costs 120 s.
"""

from atlasquery.service.forks import ForkSafeLock
from atlasquery.service.quota import OpenGate

__all__ = ["Pace", "PacedGate"]

# Fewer than the server lets pass without a look at their rate.
FREE = 20
# A little slower than allowed: the server's clock starts when the first request arrives.
SLACK = 1.05


class Pace:
    """The requests of one key."""

    def __init__(self):
        self._lock = ForkSafeLock()
        self._since: float | None = None
        self._count = 0

    def wait(self, clock, per_minute: int) -> None:
        """Wait until the next request leaves the average where it may be.

        Parameters
        ----------
        clock : Clock
            The time.
        per_minute : int
            Requests a minute that the server allows; 0 for no limit.
        """
        with self._lock:
            now = clock.now()
            self._since = now if self._since is None else self._since
            self._count += 1
            over = self._count > FREE and per_minute > 0
            due = self._since + self._count * 60 / per_minute * SLACK if over else now
        if due > now:
            clock.wait(due - now)


class PacedGate(OpenGate):
    """Another gate, before which requests go at a walk.

    Parameters
    ----------
    gate : OpenGate
        The gate.
    pace : Pace
        The requests of the key.
    per_minute : int
        Requests a minute that the server allows the key.
    """

    def __init__(self, gate: OpenGate, pace: Pace, per_minute: int):
        super().__init__(gate.clock, waits=gate.waits)
        self.uncounted = gate.uncounted
        self._gate, self._pace, self._per_minute = gate, pace, per_minute

    def enter(self) -> int | None:
        """Book a request, when it is its turn.

        Returns
        -------
        int or None
            What `leave` takes.
        """
        self._pace.wait(self.clock, self._per_minute)
        return self._gate.enter()

    def leave(self, receipt: int | None, *, counted: bool) -> None:
        """Say how a request ended.

        Parameters
        ----------
        receipt : int or None
            What `enter` returned.
        counted : bool
            Whether the server will have counted it.
        """
        self._gate.leave(receipt, counted=counted)

    def shut(self, seconds: float) -> None:
        """Note that the server takes nothing for some time.

        Parameters
        ----------
        seconds : float
            How long.
        """
        self._gate.shut(seconds)

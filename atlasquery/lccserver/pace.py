"""Stay below the rate of requests at which the server would close for two minutes.

See docs/servers/lccserver.rst, "The rate is an average over the life of a key": a search in many
parts would be refused after its first seconds, and each refusal takes 120 s.
"""

from atlasquery.service.forks import ForkSafeLock
from atlasquery.service.quota import Clock, OpenGate

__all__ = ["KeyGate", "KeyPace"]

# Fewer requests than the server accepts at any rate.
FREE = 20
# A little slower than allowed: the server's clock starts when the first request arrives.
SLACK = 1.05


class KeyPace:
    """The requests of one key."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._since: float | None = None
        self._count = 0

    def wait(self, clock: Clock, per_minute: int) -> None:
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


class KeyGate(OpenGate):
    """A gate before which requests wait, so that their rate stays below a limit.

    Parameters
    ----------
    gate : OpenGate
        The gate.
    pace : KeyPace
        The requests of the key.
    per_minute : int
        Requests a minute that the server allows the key.
    """

    def __init__(self, gate: OpenGate, pace: KeyPace, per_minute: int):
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
        """Report how a request ended.

        Parameters
        ----------
        receipt : int or None
            What `enter` returned.
        counted : bool
            Whether the server has counted it.
        """
        self._gate.leave(receipt, counted=counted)

    def shut(self, seconds: float) -> None:
        """Note that the server takes no requests for some time.

        Parameters
        ----------
        seconds : float
            How long.
        """
        self._gate.shut(seconds)

"""Clocks for client and double: one that jumps, and one that runs faster."""

import threading
import time

from atlasquery.service.quota import Clock


class JumpingClock(Clock):
    """Time that passes only when somebody sleeps, or a server works, and then at once."""

    def __init__(self, now=1.79e9):
        super().__init__()
        self._now = now
        self._lock = threading.Lock()
        self.slept = []

    def now(self):
        return self._now

    def sleep(self, seconds):
        self.work(seconds)
        with self._lock:
            self.slept.append(seconds)

    def work(self, seconds):
        """Let the time pass that the server takes for something."""
        with self._lock:
            self._now += seconds


class HurriedClock(JumpingClock):
    """Time that jumps over all sleep, and runs a hundred times as fast while anybody works.

    So what waits for a server that stalls comes to its end.
    """

    def __init__(self, now=1.79e9):
        super().__init__(now)
        self._began = time.monotonic()

    def now(self):
        return super().now() + 100.0 * (time.monotonic() - self._began)


class FastClock(Clock):
    """Time that runs `speed` times as fast since `start`, the same in all processes."""

    def __init__(self, start, speed):
        super().__init__()
        self.start, self.speed = start, speed

    def now(self):
        return self.start + (time.time() - self.start) * self.speed

    def sleep(self, seconds):
        super().sleep(seconds / self.speed)

    def work(self, seconds):
        """Let the time pass that the server takes for something."""
        time.sleep(seconds / self.speed)

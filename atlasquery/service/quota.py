"""Count requests against a server's limit, in one small file for all processes of a user.

A server that allows a hundred requests an hour forgets each one an hour after
it was made. So does this ledger: a request is booked before it is sent, in a
transaction, so that two jobs started by cron at the same minute do not both
take the last one.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
from astropy.time import Time
from astroquery import log

from atlasquery.exceptions import QuotaError

__all__ = ["Clock", "Gate", "Ledger", "OpenGate", "Quota"]


SCHEMA = """
create table if not exists spent (account text not null, at real not null);
create index if not exists spent_by_account on spent (account, at);
create table if not exists closed (account text primary key, until real not null);
"""


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
        self._stop = threading.Event()

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
        if self._stop.wait(seconds):
            raise InterruptedError("stopped while waiting")


@dataclass(frozen=True)
class Quota:
    """How many requests an account has left.

    Parameters
    ----------
    limit : int
        Requests allowed in `window`; 0 where there is no limit.
    used : int
        Requests counted in the last `window`, of all processes of this user.
    remaining : int
        Requests that can be made now.
    resets_at : `~astropy.time.Time` or None
        When the next request can be made if none remains, else when the
        oldest one is forgotten; None if none was made.
    window : `~astropy.units.Quantity`
        The time after which a request is forgotten.
    """

    limit: int
    used: int
    remaining: int
    resets_at: Time | None
    window: u.Quantity

    def __str__(self) -> str:
        if not self.limit:
            return "no limit known"
        until = f", next at {self.resets_at.isot[:19]} UTC" if not self.remaining else ""
        return f"{self.remaining} of {self.limit} requests left in this hour{until}"


class Ledger:
    """The requests of all accounts of this user.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file; it is made where it is not there, readable by its owner only.
    window : float, optional
        Seconds after which a request is forgotten.
    clock : Clock, optional
        The time.
    """

    def __init__(self, path: Path, *, window: float = 3600.0, clock: Clock | None = None):
        self.path = path
        self.window = window
        self.clock = clock or Clock()

    def book(self, account: str, limit: int) -> tuple[int | None, float]:
        """Book a request if there is one left.

        Parameters
        ----------
        account : str
            A digest of server and account.
        limit : int
            Requests allowed in the window; 0 for no limit.

        Returns
        -------
        receipt : int or None
            What `cancel` takes; None if none is left.
        wait : float
            Seconds until one will be left.
        """
        with self._transaction() as ledger:
            now = self.clock.now()
            until = self._closed_until(ledger, account)
            times = self._times(ledger, account, now)
            if until > now:
                return None, until - now
            if limit and len(times) >= limit:
                return None, max(times[-limit] + self.window - now, 0.0)
            ledger.execute("delete from spent where at <= ?", (now - self.window,))
            row = ledger.execute("insert into spent values (?, ?)", (account, now))
            return row.lastrowid, 0.0

    def cancel(self, receipt: int) -> None:
        """Give back a request that the server did not count.

        Parameters
        ----------
        receipt : int
            What `book` returned.
        """
        with self._transaction() as ledger:
            ledger.execute("delete from spent where rowid = ?", (receipt,))

    def close(self, account: str, seconds: float) -> None:
        """Note that the server takes nothing from an account for some time.

        Parameters
        ----------
        account : str
            A digest of server and account.
        seconds : float
            How long.
        """
        with self._transaction() as ledger:
            until = self.clock.now() + seconds
            ledger.execute("insert or replace into closed values (?, ?)", (account, until))

    def quota(self, account: str, limit: int) -> Quota:
        """Return what an account has left.

        Parameters
        ----------
        account : str
            A digest of server and account.
        limit : int
            Requests allowed in the window; 0 for no limit.

        Returns
        -------
        Quota
            As of now.
        """
        with self._transaction() as ledger:
            now = self.clock.now()
            until = self._closed_until(ledger, account)
            times = self._times(ledger, account, now)
        remaining = 0 if until > now else max(limit - len(times), 0)
        first = times[-limit] if limit and len(times) >= limit else min(times, default=None)
        resets = max(until, first + self.window if first is not None else 0.0)
        return Quota(
            limit,
            len(times),
            remaining,
            Time(resets, format="unix", scale="utc") if resets > now else None,
            (self.window * u.s).to(u.h),
        )

    def _times(self, ledger: sqlite3.Connection, account: str, now: float) -> list[float]:
        query = "select at from spent where account = ? and at > ? order by at"
        return [at for (at,) in ledger.execute(query, (account, now - self.window))]

    @staticmethod
    def _closed_until(ledger: sqlite3.Connection, account: str) -> float:
        row = ledger.execute("select until from closed where account = ?", (account,)).fetchone()
        return row[0] if row else 0.0

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        ledger = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        try:
            # What a power cut takes from the count is less than a disk's wait at each request.
            ledger.execute("pragma synchronous = off")
            ledger.executescript(SCHEMA)
            ledger.execute("begin immediate")
            with ledger:
                yield ledger
        finally:
            ledger.close()


class OpenGate:
    """Lets every request through: for servers without a limit.

    Parameters
    ----------
    clock : Clock, optional
        The time.
    waits : bool, optional
        Whether a request waits for its turn instead of failing.
    """

    def __init__(self, clock: Clock | None = None, *, waits: bool = False):
        self.clock = clock or Clock()
        #: Whether a request waits for its turn instead of failing.
        self.waits = waits

    def enter(self) -> int | None:
        """Book a request.

        Returns
        -------
        int or None
            What `leave` takes.
        """
        return None

    def leave(self, receipt: int | None, *, counted: bool) -> None:
        """Say how a request ended.

        Parameters
        ----------
        receipt : int or None
            What `enter` returned.
        counted : bool
            Whether the server will have counted it.
        """

    def shut(self, seconds: float) -> None:
        """Note that the server takes nothing for some time.

        Parameters
        ----------
        seconds : float
            How long.
        """


class Gate(OpenGate):
    """Lets the requests of one account through while there are some left.

    Parameters
    ----------
    ledger : Ledger
        Where they are counted.
    account : str
        A digest of server and account.
    limit : int
        Requests allowed in the ledger's window; 0 for no limit but what the server says.
    service : str
        The name of the service, for messages.
    waits : bool
        Whether a request waits for its turn instead of failing.
    """

    def __init__(self, ledger: Ledger, account: str, limit: int, service: str, *, waits: bool):
        super().__init__(ledger.clock, waits=waits)
        self.ledger = ledger
        self.account = account
        self.limit = limit
        self.service = service

    def enter(self) -> int | None:
        """Book a request, or wait for one to be left.

        Returns
        -------
        int or None
            What `leave` takes.

        Raises
        ------
        QuotaError
            If none is left, and the configuration does not say to wait.
        """
        while True:
            try:
                receipt, wait = self.ledger.book(self.account, self.limit)
            except (sqlite3.Error, OSError) as error:
                log.warning(f"Requests are not counted: {self.ledger.path}: {error}")
                return None
            if receipt is not None:
                return receipt
            at = Time(self.clock.now() + wait, format="unix").isot[:19]
            spent = f"{self.service}: no request is left of {self.limit or 'those allowed'} an hour"
            if not self.waits:
                raise QuotaError(
                    f"{spent}, the next one is at {at} UTC, in {wait:.0f} s. It was not sent. "
                    "Wait, or set conf.on_quota = 'wait' to let atlasquery wait; conf.hourly_limit "
                    "is what the account is allowed.",
                    retry_after=wait,
                    service=self.service,
                )
            log.info(f"{spent}: waiting {wait / 60:.0f} min, until {at} UTC")
            self.clock.sleep(wait)

    def leave(self, receipt: int | None, *, counted: bool) -> None:
        """Give back a request that the server did not count.

        Parameters
        ----------
        receipt : int or None
            What `enter` returned.
        counted : bool
            Whether the server will have counted it.
        """
        if receipt is not None and not counted:
            with contextlib.suppress(sqlite3.Error, OSError):
                self.ledger.cancel(receipt)

    def shut(self, seconds: float) -> None:
        """Let nothing through for as long as the server said.

        Parameters
        ----------
        seconds : float
            How long.
        """
        with contextlib.suppress(sqlite3.Error, OSError):
            self.ledger.close(self.account, seconds)

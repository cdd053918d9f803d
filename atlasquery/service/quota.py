"""Count requests against a server's limits, in one small file for all processes of a user.

A server that allows a hundred requests an hour forgets each one an hour after
it was made. So does this ledger: a request is booked before it is sent, in a
transaction, so that two jobs started by cron at the same minute do not both
take the last one. A server may have several limits, each for a kind of request.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
from astropy.time import Time

from atlasquery.exceptions import QuotaError
from atlasquery.service.clock import Clock
from atlasquery.service.forks import no_fork
from atlasquery.service.log import log

__all__ = ["Clock", "Gate", "Limit", "OpenGate", "Quota", "QuotaLedger", "warn_uncounted"]

# The longest time that any server counts for; what is older is removed in passing.
LONGEST = 86400.0
# Seconds of waiting that are worth a line in the log.
WORTH_A_WORD = 1.0
# What a clock that is set right may go back by.
SLACK = 5.0
# The ledgers whose failure was told of.
_warned: set[Path] = set()


SCHEMA = """
create table if not exists spent (account text not null, at real not null);
create index if not exists spent_by_account on spent (account, at);
create table if not exists closed (account text primary key, until real not null);
create table if not exists same (alias text primary key, account text not null);
"""


@dataclass(frozen=True)
class Limit:
    """How many requests of a kind a server allows an account in a time.

    Parameters
    ----------
    number : int
        Requests in the window; 0 for no limit but the server's own word.
    window : float
        Seconds after which the server forgets a request, and a little more: its clock
        runs from when a request arrives.
    kind : str, optional
        The kind of request, ``"write"``, where a server counts kinds apart.
    uncounted : tuple of int, optional
        The statuses of answers that the server does not count.
    setting : str, optional
        The item of the configuration that says `number`, for messages.
    """

    number: int
    window: float
    kind: str = ""
    uncounted: tuple[int, ...] = ()
    setting: str = "hourly_limit"

    @property
    def period(self) -> str:
        """The window in words."""
        return period(self.window)


def period(window: float) -> str:
    """Return a window of time in words.

    Parameters
    ----------
    window : float
        Seconds.

    Returns
    -------
    str
        ``"hour"`` or ``"minute"`` for what is about one, else in seconds.
    """
    for seconds, word in ((3600.0, "hour"), (60.0, "minute")):
        if seconds <= window < 1.1 * seconds:
            return word
    return f"{window:g} s"


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
        this = period(self.window.to_value(u.s))
        return f"{self.remaining} of {self.limit} requests left in this {this}{until}"


class QuotaLedger:
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
            account = self._resolved(ledger, account)
            until = self._closed_until(ledger, account)
            times = self._times(ledger, account, now)
            if until > now:
                return None, until - now
            if limit and len(times) >= limit:
                return None, max(times[-limit] + self.window - now, 0.0)
            # Another account's server may count for longer.
            ledger.execute(
                "delete from spent where at <= ? or at > ? or (account = ? and at <= ?)",
                (now - LONGEST, now + SLACK, account, now - self.window),
            )
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
            account = self._resolved(ledger, account)
            # A later answer without a word of when does not open what is closed for longer.
            until = max(self.clock.now() + seconds, self._closed_until(ledger, account))
            ledger.execute("insert or replace into closed values (?, ?)", (account, until))

    def join(self, account: str, alias: str) -> None:
        """Count for an account what is, and was, counted under another digest of it.

        Parameters
        ----------
        account : str
            A digest of server and user name.
        alias : str
            A digest of server and token.
        """
        with self._transaction() as ledger:
            known = self._resolved(ledger, alias)
            if known == account:
                return
            ledger.execute("insert or replace into same values (?, ?)", (alias, account))
            if known != alias:
                # It was taken for another user's, whose count is left alone.
                return
            until = self._closed_until(ledger, alias)
            ledger.execute("update spent set account = ? where account = ?", (account, alias))
            ledger.execute("delete from closed where account = ?", (alias,))
            if until > self._closed_until(ledger, account):
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
            account = self._resolved(ledger, account)
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
        # Nothing of the future: then the clock was wrong.
        query = "select at from spent where account = ? and at > ? and at <= ? order by at"
        return [at for (at,) in ledger.execute(query, (account, now - self.window, now + SLACK))]

    @staticmethod
    def _resolved(ledger: sqlite3.Connection, alias: str) -> str:
        row = ledger.execute("select account from same where alias = ?", (alias,)).fetchone()
        return row[0] if row else alias

    def _closed_until(self, ledger: sqlite3.Connection, account: str) -> float:
        row = ledger.execute("select until from closed where account = ?", (account,)).fetchone()
        return row[0] if row and row[0] <= self.clock.now() + LONGEST else 0.0

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        opened = None
        try:
            with no_fork():
                ledger, opened = self._open()
                with contextlib.closing(ledger), ledger:
                    yield ledger
        except sqlite3.DatabaseError as error:
            if _is_damage(error):
                self._put_aside(opened, error)
            raise

    def _open(self) -> tuple[sqlite3.Connection, os.stat_result]:
        """Begin a transaction, of a new ledger where the old one is damaged."""
        for attempt in (1, 2):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)
            opened = self.path.stat()
            ledger = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            try:
                # What a power cut takes from the count is less than a disk's wait at each request.
                ledger.execute("pragma synchronous = off")
                ledger.executescript(SCHEMA)
                ledger.execute("begin immediate")
            except BaseException as error:
                ledger.close()
                if attempt == 2 or not _is_damage(error):
                    raise
                self._put_aside(opened, error)
            else:
                break
        return ledger, opened

    def _put_aside(self, opened: os.stat_result | None, error: BaseException) -> None:
        """Move a damaged ledger out of the way, unless another process has done that."""
        damaged = self.path.with_name(self.path.name + ".damaged")
        with contextlib.suppress(OSError):
            if opened is not None and os.path.samestat(opened, self.path.stat()):
                self.path.replace(damaged)
                log.warning(
                    f"The count of requests in {self.path} was damaged ({error}): it begins anew, "
                    f"and the old one is kept as {damaged.name}"
                )


def _is_damage(error: BaseException) -> bool:
    # Locks, full disks and missing rights are operational errors, and pass or are said.
    kinds = (sqlite3.OperationalError, sqlite3.IntegrityError, sqlite3.ProgrammingError)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, kinds)


def warn_uncounted(ledger: QuotaLedger, error: Exception) -> None:
    """Say that requests are not counted: once, not at each of them.

    Parameters
    ----------
    ledger : Ledger
        Where they should be.
    error : Exception
        Why they are not.
    """
    if ledger.path not in _warned:
        _warned.add(ledger.path)
        log.warning(f"Requests are not counted: {ledger.path}: {error}")


class OpenGate:
    """Lets every request through: for servers without a limit.

    Parameters
    ----------
    clock : Clock, optional
        The time.
    waits : bool, optional
        Whether a request waits for its turn instead of failing.
    """

    #: Seconds of the first wait after a refusal that says no time; each next is doubled.
    first_wait = 2.0
    #: How often a request waits for its turn before it is given up.
    rounds = 20

    def __init__(self, clock: Clock | None = None, *, waits: bool = False):
        self.clock = clock or Clock()
        #: Whether a request waits for its turn instead of failing.
        self.waits = waits
        #: The statuses of answers that the server does not count.
        self.uncounted: tuple[int, ...] = ()

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
    limit : Limit
        What the server allows in the ledger's window.
    service : str
        The name of the service, for messages.
    waits : bool
        Whether a request waits for its turn instead of failing.
    """

    def __init__(
        self, ledger: QuotaLedger, account: str, limit: Limit, service: str, *, waits: bool
    ):
        super().__init__(ledger.clock, waits=waits)
        self.ledger = ledger
        self.account = account
        self.limit = limit
        self.service = service
        self.uncounted = limit.uncounted

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
                receipt, wait = self.ledger.book(self.account, self.limit.number)
            except (sqlite3.Error, OSError) as error:
                warn_uncounted(self.ledger, error)
                return None
            if receipt is not None:
                return receipt
            at = Time(self.clock.now() + wait, format="unix").isot[:19]
            spent = self._spent()
            if not self.waits:
                raise QuotaError(
                    f"{spent}, the next one is at {at} UTC, in {wait:.0f} s. It was not sent. "
                    "Wait, or set conf.on_quota = 'wait' to let atlasquery wait; "
                    f"conf.{self.limit.setting} is what the account is allowed.",
                    retry_after=wait,
                    service=self.service,
                )
            span = f"{wait:.0f} s" if wait < 120 else f"{wait / 60:.0f} min"
            if wait >= WORTH_A_WORD:
                log.info(f"{spent}: waiting {span}, until {at} UTC")
            self.clock.wait(wait)

    def _spent(self) -> str:
        limit = self.limit
        article = "an" if limit.period == "hour" else "a"
        request = f"{limit.kind} request".strip()
        allowed = limit.number or "those allowed"
        return f"{self.service}: no {request} is left of {allowed} {article} {limit.period}"

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

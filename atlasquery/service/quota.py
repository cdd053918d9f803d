"""Count requests against a server's limits, in one small file for all processes of a user.

A server that allows a hundred requests an hour forgets each one an hour after
it was sent. So does this ledger: a request is booked before it is sent, in a
transaction, so that two jobs started by cron in the same minute do not both
use the last one. A server may have several limits, each for a kind of request.
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

# The longest window of any server; older entries are removed when others are written.
LONGEST = 86400.0
# Seconds of waiting from which on it is logged.
WORTH_A_WORD = 1.0
# Seconds by which a correction may set the clock back.
SLACK = 5.0
# The ledgers whose failure was logged.
_warned: set[Path] = set()


SCHEMA = """
create table if not exists spent (account text not null, at real not null);
create index if not exists spent_by_account on spent (account, at);
create table if not exists closed (account text primary key, until real not null);
create table if not exists same (alias text primary key, account text not null);
"""


@dataclass(frozen=True)
class Limit:
    """Number of requests of a kind that a server allows an account in a time window.

    Parameters
    ----------
    number : int
        Requests in the window; 0 if only the server's responses limit them.
    window : float
        Seconds after which the server forgets a request, and a few more: its clock
        starts when a request arrives.
    kind : str, optional
        The kind of request, such as ``"write"``, if a server counts kinds separately.
    uncounted : tuple of int, optional
        The statuses of responses that the server does not count.
    setting : str, optional
        The configuration item that sets `number`, for messages.
    """

    number: int
    window: float
    kind: str = ""
    uncounted: tuple[int, ...] = ()
    setting: str = "hourly_limit"

    @property
    def period(self) -> str:
        """The window as a word."""
        return period(self.window)


def period(window: float) -> str:
    """Return a word for a time window.

    Parameters
    ----------
    window : float
        Seconds.

    Returns
    -------
    str
        ``"hour"`` or ``"minute"`` if it is about one, else a number of seconds.
    """
    for seconds, word in ((3600.0, "hour"), (60.0, "minute")):
        if seconds <= window < 1.1 * seconds:
            return word
    return f"{window:g} s"


@dataclass(frozen=True)
class Quota:
    """The requests that an account has left.

    Parameters
    ----------
    limit : int
        Requests allowed in `window`; 0 without a limit.
    used : int
        Requests of all processes of this user in the last `window`.
    remaining : int
        Requests that can be sent now.
    resets_at : `~astropy.time.Time` or None
        When the next request can be sent if none remains, else when the
        oldest one is forgotten; None if none was sent.
    window : `~astropy.units.Quantity`
        The time after which a request is forgotten.
    """

    limit: int
    used: int
    remaining: int
    resets_at: Time | None
    window: u.Quantity

    def __repr__(self) -> str:
        return f"<Quota: {self}>"

    def __str__(self) -> str:
        if not self.limit:
            return "no limit known"
        next_at = None if self.remaining or self.resets_at is None else self.resets_at.isot[:19]
        until = "" if next_at is None else f", next at {next_at} UTC"
        this = period(self.window.to_value(u.s))
        return f"{self.remaining} of {self.limit} requests left in this {this}{until}"


class QuotaLedger:
    """The requests of all accounts of this user.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file; created if it does not exist, readable by its owner only.
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
        """Book a request, if one is left.

        Parameters
        ----------
        account : str
            A digest of server and account.
        limit : int
            Requests allowed in the window; 0 for no limit.

        Returns
        -------
        receipt : int or None
            The argument for `cancel`; None if no request is left.
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
            # The server of another account may have a longer window.
            ledger.execute(
                "delete from spent where at <= ? or at > ? or (account = ? and at <= ?)",
                (now - LONGEST, now + SLACK, account, now - self.window),
            )
            row = ledger.execute("insert into spent values (?, ?)", (account, now))
            return row.lastrowid, 0.0

    def cancel(self, receipt: int) -> None:
        """Cancel the booking of a request that the server did not count.

        Parameters
        ----------
        receipt : int
            The receipt from `book`.
        """
        with self._transaction() as ledger:
            ledger.execute("delete from spent where rowid = ?", (receipt,))

    def close(self, account: str, seconds: float) -> None:
        """Record that the server accepts nothing from an account for some time.

        Parameters
        ----------
        account : str
            A digest of server and account.
        seconds : float
            Duration.
        """
        with self._transaction() as ledger:
            account = self._resolved(ledger, account)
            # A later response without a time does not shorten an earlier, longer pause.
            until = max(self.clock.now() + seconds, self._closed_until(ledger, account))
            ledger.execute("insert or replace into closed values (?, ?)", (account, until))

    def join(self, account: str, alias: str) -> None:
        """Count the requests under two digests of an account together, past ones included.

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
                # It belongs to another user, whose count is not changed.
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
            The present state.
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
        # No times in the future, which come from a wrong clock.
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
        """Begin a transaction; a damaged ledger is replaced by a new one."""
        for attempt in (1, 2):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)
            opened = self.path.stat()
            ledger = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            try:
                # Losing some counts in a power failure costs less than a disk sync at each request.
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
        """Rename a damaged ledger, unless another process has done that."""
        damaged = self.path.with_name(self.path.name + ".damaged")
        with contextlib.suppress(OSError):
            if opened is not None and os.path.samestat(opened, self.path.stat()):
                self.path.replace(damaged)
                log.warning(
                    f"The count of requests in {self.path} was damaged ({error}): counting starts "
                    f"again, and the old file is kept as {damaged.name}"
                )


def _is_damage(error: BaseException) -> bool:
    # Locks, full disks and missing permissions are operational errors, not damage.
    kinds = (sqlite3.OperationalError, sqlite3.IntegrityError, sqlite3.ProgrammingError)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, kinds)


def warn_uncounted(ledger: QuotaLedger, error: Exception) -> None:
    """Log that requests are not counted: once, not for each of them.

    Parameters
    ----------
    ledger : Ledger
        The ledger that cannot be written.
    error : Exception
        The reason.
    """
    if ledger.path not in _warned:
        _warned.add(ledger.path)
        log.warning(f"Requests are not counted: {ledger.path}: {error}")


class OpenGate:
    """Gate that lets every request through, for servers without a limit.

    Parameters
    ----------
    clock : Clock, optional
        The time.
    waits : bool, optional
        Whether a request waits until it may be sent, instead of failing.
    """

    #: Seconds of the first wait after a refusal without a time; each next is doubled.
    first_wait = 2.0
    #: Number of waits after which a request is given up.
    rounds = 20

    def __init__(self, clock: Clock | None = None, *, waits: bool = False):
        self.clock = clock or Clock()
        #: Whether a request waits until it may be sent, instead of failing.
        self.waits = waits
        #: The statuses of responses that the server does not count.
        self.uncounted: tuple[int, ...] = ()

    def enter(self) -> int | None:
        """Book a request.

        Returns
        -------
        int or None
            The argument for `leave`.
        """
        return None

    def leave(self, receipt: int | None, *, counted: bool) -> None:
        """Record how a request ended.

        Parameters
        ----------
        receipt : int or None
            The receipt from `enter`.
        counted : bool
            Whether the server has counted it.
        """

    def shut(self, seconds: float) -> None:
        """Record that the server accepts nothing for some time.

        Parameters
        ----------
        seconds : float
            Duration.
        """


class Gate(OpenGate):
    """Gate that lets the requests of one account through while some are left.

    Parameters
    ----------
    ledger : Ledger
        The ledger that counts them.
    account : str
        A digest of server and account.
    limit : Limit
        The requests that the server allows in the ledger's window.
    service : str
        The name of the service, for messages.
    waits : bool
        Whether a request waits until it may be sent, instead of failing.
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
        """Book a request, or wait until one is available.

        Returns
        -------
        int or None
            The argument for `leave`.

        Raises
        ------
        QuotaError
            If none is left, and the configuration is not set to wait.
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
        """Cancel the booking of a request that the server did not count.

        Parameters
        ----------
        receipt : int or None
            The receipt from `enter`.
        counted : bool
            Whether the server has counted it.
        """
        if receipt is not None and not counted:
            with contextlib.suppress(sqlite3.Error, OSError):
                self.ledger.cancel(receipt)

    def shut(self, seconds: float) -> None:
        """Let nothing through for some time.

        Parameters
        ----------
        seconds : float
            Duration.
        """
        with contextlib.suppress(sqlite3.Error, OSError):
            self.ledger.close(self.account, seconds)

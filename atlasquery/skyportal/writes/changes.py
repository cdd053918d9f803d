"""What all writes share: one after the other, none of them twice, and the outcome of each."""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from astropy.table import MaskedColumn, Table

from atlasquery.exceptions import (
    LoginError,
    QuotaError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
    attach,
)
from atlasquery.service import write_outcomes
from atlasquery.service.failures import check_on_error
from atlasquery.service.pool import run_all
from atlasquery.service.write_outcomes import (
    WriteOutcome,
    is_redirect,
    may_be_unfinished,
    report_failures,
)
from atlasquery.skyportal.base import EnvelopeError, SkyPortalQuery
from atlasquery.skyportal.payloads.values import as_json

__all__ = [
    "Change",
    "attempt_change",
    "change_each",
    "ends_all",
    "how_it_failed",
    "id_column",
    "is_recent",
    "is_refusal",
    "message_of",
    "outcome_table",
    "read_fresh",
    "record_stop",
]

# How far the server's clock may be from ours.
CLOCK_DIFFERENCE = 600.0
DRY = "Dry run: not sent."


@dataclass
class Change:
    """One write.

    Parameters
    ----------
    about : str
        The source, or the number of the request, that it is about.
    method, path : str
        Where it is sent.
    payload : dict, optional
        What is sent.
    done : callable, optional
        Takes the data of the response, returns the outcome.
    look : callable, optional
        Takes the Unix time at which the call began; reads back whether it was done, and
        returns that as an outcome. Without it the outcome of a lost response stays unknown.
    refused : callable, optional
        Takes the error of a refusal; returns an outcome, another change to try instead, or
        None for what the error says.
    note : str, optional
        When it is sent, for a dry run.
    """

    about: str
    method: str
    path: str
    payload: dict | None = None
    done: Callable[[Any], WriteOutcome] | None = None
    look: Callable[[float], WriteOutcome] | None = None
    refused: Callable[[RemoteServiceError], "WriteOutcome | Change | None"] | None = None
    note: str = ""


def change_each(
    client: SkyPortalQuery,
    changes: Sequence[Change],
    *,
    dry_run: bool,
    on_error: str = "raise",
    settled: Sequence[tuple[str, WriteOutcome]] = (),
    **about: object,
) -> Table:
    """Send each change once; return a table with the outcome of each.

    What is settled comes first in the table; nothing is sent for it.
    """
    check_on_error(on_error)
    changes = [_plain(change) for change in changes]
    if dry_run:
        return _rehearsal(changes, client._meta(time.time(), **about), settled)
    client._auth(required=True)
    outcomes = [outcome for _, outcome in settled]
    ahead = [Change(what, "", "") for what, _ in settled]
    todo, changes = changes, [*ahead, *changes]
    try:
        _send_each(client, todo, outcomes)
    except KeyboardInterrupt as stop:
        record_stop(client, stop, changes, outcomes, about)
        raise
    table = outcome_table(changes, outcomes, client._meta(time.time(), **about))
    failures = [(c.about, o.message) for c, o in zip(changes, outcomes, strict=True) if not o.ok]
    report_failures(client.service, table, failures, outcomes, on_error)
    return table


def record_stop(
    client: SkyPortalQuery,
    stop: KeyboardInterrupt,
    changes: Sequence[Change],
    outcomes: list[WriteOutcome],
    about: dict,
) -> None:
    """Keep the outcome of all writes when the call was stopped in the middle of one."""
    _note_stop(stop, changes, outcomes)
    attach(stop, result=outcome_table(changes, outcomes, client._meta(time.time(), **about)))


def _send_each(
    client: SkyPortalQuery, changes: Sequence[Change], outcomes: list[WriteOutcome]
) -> None:
    began = time.time()

    def attempt(change: Change) -> None:
        stop = outcomes[-1].stop if outcomes else None
        if stop:
            outcomes.append(WriteOutcome(False, f"Not tried: {stop}", stop=stop))
        else:
            outcomes.append(attempt_change(client, change, began))

    run_all(attempt, changes, concurrency=1)


def attempt_change(client: SkyPortalQuery, change: Change, began: float) -> WriteOutcome:
    """Send one change; whatever happens, return its outcome."""
    try:
        data = client._change(change.method, change.path, change.payload)
    except (LoginError, RemoteServiceError, TimeoutError, TableParseError) as error:
        if ends_all(error):
            return WriteOutcome(False, str(error), stop=error)
        if not error.sent:
            return WriteOutcome(False, f"Not sent: {error}", stop=error)
        if not is_refusal(error):
            return _look_again(client, change, error, began)
        instead = _instead(change, error)
        if isinstance(instead, Change):
            return attempt_change(client, _plain(instead), began)
        return instead or _refused(error)
    except Exception as error:
        return WriteOutcome(None, f"Unknown: {error}", stop=error)
    try:
        return change.done(data) if change.done else WriteOutcome(True, "Done.")
    except Exception as error:
        # It was done, and the response is another than expected.
        odd = TableParseError(f"the response has something else than expected: {error!r}")
        return _look_again(client, change, odd, began)


def _instead(
    change: Change, error: RemoteServiceError | LoginError
) -> "WriteOutcome | Change | None":
    """Return what a refusal means; where that cannot be requested, its message."""
    try:
        return change.refused(error) if change.refused else None
    except Exception:
        # An odd response to that question, too, must not lose the outcome of the others.
        return None


def _look_again(
    client: SkyPortalQuery, change: Change, why: Exception, began: float
) -> WriteOutcome:
    """Read back whether a write was done whose response did not arrive, or was a failure."""
    what = how_it_failed(why)
    if change.look is None:
        message = f"Unknown: {what}, and there is nothing to read it back from ({why})"
        return WriteOutcome(None, message)
    unfinished = may_be_unfinished(why)
    try:
        found = change.look(began)
        if found.ok is False and unfinished:
            client._clock.sleep(client.conf.backoff)
            found = change.look(began)
    except Exception as error:
        message = f"Unknown: {what} ({why}), and it could not be read back ({error})"
        return WriteOutcome(None, message, stop=error)
    ok, words = found.ok, found.message
    if ok is False and unfinished:
        ok, words = None, f"{words}, but the server may still be working on it"
    unknown = "Unknown: " if ok is None else ""
    return WriteOutcome(ok, f"{unknown}{what}; read back: {words} ({why})", found.number)


def read_fresh(client: SkyPortalQuery, path: str, params: dict | None = None) -> Any:
    """Read what was never stored, as it is now."""
    return client._fetch(path, params, decode=msgspec.json.decode, lifetime=0.0, cache=False)[0]


def is_recent(row: dict, began: float) -> bool:
    """Return whether a row was made since the call began, as far as clocks agree.

    Parameters
    ----------
    row : dict
        What the server has, with the time at which it was made.
    began : float
        Unix time at which the call began.

    Returns
    -------
    bool
        False for a row without a time.
    """
    text = row.get("created_at") or row.get("modified")
    if not isinstance(text, str):
        return False
    # In UTC: see docs/servers/skyportal.rst, "Times without a zone".
    created = dt.datetime.fromisoformat(text)
    created = created if created.tzinfo else created.replace(tzinfo=dt.UTC)
    return created.timestamp() >= began - CLOCK_DIFFERENCE


def is_refusal(error: Exception) -> bool:
    """Return whether the server has read the request and not done it.

    Parameters
    ----------
    error : Exception
        What came instead of a response.

    Returns
    -------
    bool
        As `~atlasquery.service.write_outcomes.is_refusal`, and True for an envelope that says
        error.
    """
    if isinstance(error, EnvelopeError):
        return error.status is None or error.status < 500
    return write_outcomes.is_refusal(error)


def ends_all(error: Exception) -> bool:
    """Return whether an error holds for all further writes: the login, or the quota.

    Parameters
    ----------
    error : Exception
        What came instead of a response.

    Returns
    -------
    bool
        False for a status of 403, which the server has for single objects and for bad input.
    """
    login = isinstance(error, LoginError) and error.status != 403
    return login or isinstance(error, QuotaError)


def how_it_failed(error: Exception) -> str:
    """Return in a few words what came instead of a response.

    Parameters
    ----------
    error : Exception
        What came.

    Returns
    -------
    str
        Whether the server failed, or its response was lost.
    """
    failed = getattr(error, "status", None) == 500
    return "the server failed" if failed else "response lost"


def outcome_table(changes: Sequence[Change], outcomes: Sequence[WriteOutcome], meta: dict) -> Table:
    """Return a table with the outcome of each change.

    Parameters
    ----------
    changes : sequence of Change
        The changes.
    outcomes : sequence of WriteOutcome
        The outcome of each.
    meta : dict
        Where it comes from.

    Returns
    -------
    `~astropy.table.Table`
        ``source_id``, ``ok``, ``id``, ``message``.
    """
    table = Table(meta=meta)
    table["source_id"] = np.array([change.about for change in changes], dtype=np.str_)
    ok, numbers = [o.ok for o in outcomes], [o.number for o in outcomes]
    table["ok"] = MaskedColumn([bool(o) for o in ok], mask=[o is None for o in ok], dtype=bool)
    table["id"] = id_column(numbers)
    table["message"] = np.array([message_of(one) for one in outcomes], dtype=np.str_)
    table["source_id"].description = "The source that the write is about."
    table["ok"].description = "Whether it is so on the server now; masked where unknown."
    table["id"].description = "The server's id of what was written."
    table["message"].description = "The server's message, or that of the client."
    return table


def id_column(numbers: Sequence[int | None]) -> MaskedColumn:
    """Return numbers that the server gave; masked where there is none, or none of 64 bits.

    Parameters
    ----------
    numbers : sequence of int or None
        The numbers.

    Returns
    -------
    `~astropy.table.MaskedColumn`
        Of int64.
    """
    mask = [number is None or _is_large(number) for number in numbers]
    plain = [0 if gone else number for number, gone in zip(numbers, mask, strict=True)]
    return MaskedColumn(plain, mask=mask, dtype=np.int64)


def message_of(outcome: WriteOutcome) -> str:
    """Return the message of an outcome, with an id that no column of int64 can hold.

    Parameters
    ----------
    outcome : WriteOutcome
        The outcome of a write.

    Returns
    -------
    str
        The message.
    """
    if outcome.number is None or not _is_large(outcome.number):
        return outcome.message
    return f"{outcome.message} Its id, {outcome.number}, has more than 64 bits."


def _is_large(number: int) -> bool:
    return not -(2**63) <= number < 2**63


def _plain(change: Change) -> Change:
    """Return a change whose payload is of JSON types; refuse it before anything is sent."""
    # Its keys are arguments, but for those that were checked under their own name before.
    return replace(change, payload=None if change.payload is None else as_json(change.payload, ""))


def _rehearsal(
    changes: Sequence[Change], meta: dict, settled: Sequence[tuple[str, WriteOutcome]] = ()
) -> Table:
    outcomes = [outcome for _, outcome in settled]
    outcomes += [WriteOutcome(None, f"{DRY} {change.note}".strip()) for change in changes]
    changes = [*(Change(what, "", "") for what, _ in settled), *changes]
    table = outcome_table(changes, outcomes, meta)
    table["method"] = [change.method for change in changes]
    table["endpoint"] = [change.path for change in changes]
    table["payload"] = ["" if c.payload is None else _json(c.payload) for c in changes]
    table["method"].description = "How it would be sent."
    table["endpoint"].description = "Where it would be sent."
    table["payload"].description = "What would be sent, as JSON."
    return table


def _json(payload: dict) -> str:
    return msgspec.json.encode(payload).decode()


def _refused(error: RemoteServiceError | LoginError) -> WriteOutcome:
    # A wrong address is wrong for all of them.
    if error.status == 405 or is_redirect(error):
        return WriteOutcome(False, str(error), stop=error)
    return WriteOutcome(False, error.reason or str(error))


def _note_stop(
    stop: KeyboardInterrupt, changes: Sequence[Change], outcomes: list[WriteOutcome]
) -> None:
    """Note the outcome of all writes in the exception that stopped the call."""
    done, rest = len(outcomes), len(changes) - len(outcomes)
    if rest:
        outcomes.append(WriteOutcome(None, "Unknown: stopped before SkyPortal had answered"))
        outcomes += [WriteOutcome(False, "Not tried: stopped")] * (rest - 1)
    stop.add_note(
        f"SkyPortal had answered {done} of {len(changes)} writes; the next one, for "
        f"{changes[min(done, len(changes) - 1)].about}, may be done too. The outcome of each is "
        "in sys.last_value.result."
    )

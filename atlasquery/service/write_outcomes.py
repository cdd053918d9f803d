"""The outcome of writes: what an error tells of it, and how failures are reported."""

from collections.abc import Sequence
from typing import NamedTuple

from astropy.table import Table

from atlasquery.exceptions import (
    InputWarning,
    LoginError,
    RemoteServiceError,
    TimeoutError,
    WriteError,
)
from atlasquery.warn import warn

__all__ = ["WriteOutcome", "is_redirect", "is_refusal", "may_be_unfinished", "report_failures"]

# Redirects by which a request is to be sent to another address. After others, 302 and 303, it may
# have been carried out: web forms respond to a success with the address of what to read next.
ELSEWHERE = (301, 307, 308)
# A gateway that has no response from the server behind it, which may have got the request: some
# send 503 also for a connection that broke afterwards.
GATEWAY = (502, 503, 504)


class WriteOutcome(NamedTuple):
    """The outcome of one write.

    Attributes
    ----------
    ok : bool or None
        Whether the server has it now; None if that is unknown.
    message : str
        The server's message, or that of the client.
    number : int or None
        The id that the server gave to what was created, if it gives one.
    stop : Exception or None
        Why no further write is tried.
    """

    ok: bool | None
    message: str
    number: int | None = None
    stop: Exception | None = None


def is_redirect(error: Exception) -> bool:
    """Return whether a request has to be sent elsewhere, so that nothing was done here.

    Parameters
    ----------
    error : Exception
        What was raised instead of a response.

    Returns
    -------
    bool
        True for a status of 301, 307 or 308.
    """
    return isinstance(error, RemoteServiceError) and error.status in ELSEWHERE


def is_refusal(error: Exception) -> bool:
    """Return whether a server has answered that it did not carry out a write.

    Parameters
    ----------
    error : Exception
        What was raised instead of a response.

    Returns
    -------
    bool
        True for a status from 400 to 499, and for a redirect to another address.
    """
    status = error.status if isinstance(error, (RemoteServiceError, LoginError)) else None
    return is_redirect(error) or (status is not None and 400 <= status < 500)


def may_be_unfinished(error: Exception) -> bool:
    """Return whether the server may still be working on a write.

    Parameters
    ----------
    error : Exception
        What was raised instead of a response.

    Returns
    -------
    bool
        True if the server itself has not responded: after a timeout, a broken connection, or
        an error of a gateway before it.
    """
    return isinstance(error, TimeoutError) or getattr(error, "status", None) in (None, *GATEWAY)


def report_failures(
    service: str,
    table: Table,
    failures: Sequence[tuple],
    outcomes: Sequence[WriteOutcome],
    on_error: str,
    *,
    what: str = "writes",
) -> None:
    """Raise, or warn, if some writes failed, or may have failed.

    Parameters
    ----------
    service : str
        The name of the service.
    table : `~astropy.table.Table`
        The outcome of all.
    failures : sequence of tuple
        A pair (what it is about, message) for each write that is not known to be done.
    outcomes : sequence of WriteOutcome
        The outcome of each.
    on_error : {"raise", "warn"}
        As in the public methods.
    what : str, optional
        What was written.

    Raises
    ------
    WriteError
        With the table and the failures.
    """
    if not failures:
        return
    unknown = sum(outcome.ok is None for outcome in outcomes)
    message = (
        f"{len(failures)} of {len(table)} {what} failed"
        + (f" ({unknown} of them may be done)" if unknown else "")
        + f"; the first, for {failures[0][0]}: {failures[0][1]}"
    )
    if on_error == "warn":
        warn(message, InputWarning)
        return
    cause = next((outcome.stop for outcome in outcomes if outcome.stop), None)
    known = {name: getattr(cause, name, None) for name in ("status", "url", "reason")}
    raise WriteError(
        f"{message} All are in the error's .result, these in .failures.",
        result=table,
        failures=failures,
        service=service,
        **known,
    ) from cause

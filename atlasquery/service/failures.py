"""Failures of some of many requests: raised or warned of, with all results that arrived."""

from collections.abc import Iterable, Sequence
from typing import Any

from atlasquery.exceptions import IncompleteResultError, InputWarning, LoginError, QuotaError
from atlasquery.service.inputs import check_choice
from atlasquery.warn import warn

__all__ = ["check_on_error", "deliver", "failures_of", "some"]

ON_ERROR = ("raise", "warn")


def check_on_error(on_error: str) -> str:
    """Check the argument on_error.

    Parameters
    ----------
    on_error : {"raise", "warn"}
        The argument.

    Returns
    -------
    str
        The argument.
    """
    return check_choice(on_error, name="on_error", known=ON_ERROR)


def failures_of(names: Iterable[str], answers: Sequence) -> list[tuple[str, Exception]]:
    """Return which of many requests failed; raise the error of an only request.

    Parameters
    ----------
    names : iterable of str
        What was requested, for messages.
    answers : sequence
        What arrived, or an exception, for each.

    Returns
    -------
    list of tuple
        A pair (name, exception) for each that failed, for `deliver`.
    """
    pairs = zip(names, answers, strict=True)
    failures = [(name, answer) for name, answer in pairs if isinstance(answer, Exception)]
    if failures and len(answers) == 1:
        raise failures[0][1]
    return failures


def deliver(
    result: Any,
    failures: Sequence[tuple],
    *,
    on_error: str,
    service: str,
    what: str = "objects failed",
    total: int | None = None,
    in_meta: bool = False,
) -> Any:
    """Return the result of many requests; raise or warn if some of them failed.

    Parameters
    ----------
    result : object
        What arrived.
    failures : sequence of tuple
        A pair (what was requested, the exception) for each request that failed.
    on_error : {"raise", "warn"}
        Whether failures raise an error that has the result, or a warning.
    service : str
        The name of the service.
    what : str, optional
        What failed, for the message.
    total : int, optional
        Number of requests. If all of them failed because of the login or the quota,
        that error is raised instead.
    in_meta : bool, optional
        Whether to list the failures in the metadata of a table.

    Returns
    -------
    object
        The result.

    Raises
    ------
    IncompleteResultError
        If something failed, with ``on_error="raise"``.

    Warns
    -----
    InputWarning
        If something failed, with ``on_error="warn"``.
    """
    if not failures:
        return result
    first, error = failures[0]
    if len(failures) == total and isinstance(error, (LoginError, QuotaError)):
        raise error
    of = "" if total is None else f" of {total}"
    message = f"{len(failures)}{of} {what}; the first, {first}: {error}"
    if in_meta:
        result.meta["failures"] = [f"{name}: {reason}" for name, reason in failures]
    if on_error == "raise":
        raise IncompleteResultError(
            f"{message} What arrived is in the error's .result, what failed in .failures.",
            result=result,
            failures=failures,
            service=service,
        ) from error
    if in_meta:
        message = f"{message} All are in meta['failures']."
    warn(message, InputWarning)
    return result


def some(things: Sequence) -> str:
    """Return the first few of many ids or names, for a message.

    Parameters
    ----------
    things : sequence
        The ids or names.

    Returns
    -------
    str
        Five of them, and the number of others.
    """
    others = f" and {len(things) - 5} more" if len(things) > 5 else ""
    return ", ".join(map(str, things[:5])) + others

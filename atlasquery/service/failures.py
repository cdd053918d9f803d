"""What a call of many requests does when some of them failed: nothing that came is lost."""

from collections.abc import Sequence

from atlasquery.exceptions import IncompleteResultError, InputWarning, LoginError, QuotaError
from atlasquery.service.inputs import check_choice
from atlasquery.warn import warn

__all__ = ["check_on_error", "deliver", "some"]

ON_ERROR = ("raise", "warn")


def check_on_error(on_error: str) -> str:
    """Return what to do about failures, or refuse it.

    Parameters
    ----------
    on_error : {"raise", "warn"}
        What was given.

    Returns
    -------
    str
        The same.
    """
    return check_choice(on_error, name="on_error", known=ON_ERROR)


def deliver(
    result,
    failures: Sequence[tuple],
    *,
    on_error: str,
    service: str,
    what: str = "objects failed",
    total: int | None = None,
    in_meta: bool = False,
):
    """Return what came of many requests, or say what is missing from it.

    Parameters
    ----------
    result : object
        What came.
    failures : sequence of tuple
        A pair (what was asked, the exception) for each that failed.
    on_error : {"raise", "warn"}
        Whether failures are an error that has the result, or a warning.
    service : str
        The name of the service.
    what : str, optional
        What happened to what, for the message.
    total : int, optional
        How many there are. Where all of them failed by a refused login or a quota,
        that is raised as it is.
    in_meta : bool, optional
        Whether a table has its failures in its meta data too.

    Returns
    -------
    object
        The same result.

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
            f"{message} What came is in the error's .result, what failed in .failures.",
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
        Five of them, and how many more there are.
    """
    more = f" and {len(things) - 5} more" if len(things) > 5 else ""
    return ", ".join(map(str, things[:5])) + more

"""Ask for many names at once; where that fails, in halves, until the cause is alone."""

import threading
from collections.abc import Callable

from atlasquery.exceptions import QuotaError, RemoteServiceError, TableParseError, TimeoutError

__all__ = ["ask_in_halves"]

# From 200 names down to one it is nine: who fails seven times more fails for whatever is asked.
FAILURES_IN_A_ROW = 16
# Requests for one list of names at most.
MOST_REQUESTS = 64


def ask_in_halves(
    ask: Callable[[list], object], names: list, hopeless: threading.Event | None = None
) -> list[tuple[list, object]]:
    """Return the answers for names, or the errors of those that cannot be had.

    Parameters
    ----------
    ask : callable
        Takes some of the names, returns an answer.
    names : list
        The names, one at least.
    hopeless : `threading.Event`, optional
        Shared by lists of names of one call; set when the server fails for whatever it is asked,
        so that the others are asked for once.

    Returns
    -------
    list of tuple
        Some of the names and what `ask` returned or raised for them; together all of them,
        each once. Where it is given up to find the cause, an error is that of a larger part.

    Raises
    ------
    QuotaError
        If nothing may be asked any more, before anything was answered.
    """
    hopeless = hopeless or threading.Event()
    found: list[tuple[list, object]] = []
    # The first part first, down to one name: that tells soonest whether it is all of them.
    todo: list[tuple[list, Exception | None]] = [(names, None)]
    requests = failures = 0
    while todo:
        part, error = todo.pop()
        if not requests or (requests < MOST_REQUESTS and not hopeless.is_set()):
            requests += 1
            try:
                found.append((part, ask(part)))
            except (RemoteServiceError, TableParseError, TimeoutError) as failure:
                error = failure
            else:
                failures = 0
                continue
            failures += 1
            if isinstance(error, QuotaError) and requests == 1:
                raise error
            if isinstance(error, QuotaError) or failures == FAILURES_IN_A_ROW:
                hopeless.set()
            elif len(part) > 1 and _may_be_one(error):
                half = (len(part) + 1) // 2
                todo += [(part[half:], error), (part[:half], error)]
                continue
        found.append((part, error))
    return found


def _may_be_one(error: Exception) -> bool:
    """Return whether a failure may be over one of many, and not over the question itself."""
    if isinstance(error, TimeoutError):
        return error.sent
    return isinstance(error, TableParseError) or (error.status or 0) >= 500

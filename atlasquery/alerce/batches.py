"""Request many names at once; a request that fails is sent in halves, down to the name at fault."""

import threading
from collections.abc import Callable
from typing import Any

from atlasquery.exceptions import QuotaError, RemoteServiceError, TableParseError, TimeoutError

__all__ = ["ask_in_halves"]

# From 200 names down to one it takes nine: a server that fails seven times more fails for all.
FAILURES_IN_A_ROW = 16
# Requests for one list of names at most.
MOST_REQUESTS = 64


def ask_in_halves(
    ask: Callable[[list], Any], names: list, hopeless: threading.Event | None = None
) -> list[tuple[list, Any]]:
    """Return the responses for names, and the errors of those that fail.

    Parameters
    ----------
    ask : callable
        Takes some of the names, returns a response.
    names : list
        The names, one at least.
    hopeless : `threading.Event`, optional
        Shared by lists of names of one call; set when the server fails for all requests, so that
        the other lists are requested once.

    Returns
    -------
    list of tuple
        Some of the names and what `ask` returned or raised for them; together all of them,
        each once. Where the cause is not looked for any longer, an error is that of several names.

    Raises
    ------
    QuotaError
        If the quota is used up before the first response.
    """
    hopeless = hopeless or threading.Event()
    found: list[tuple[list, Any]] = []
    # The first part first, down to one name: that shows soonest whether all of them fail.
    todo: list[tuple[list, Exception | None]] = [(names, None)]
    requests = failures = 0
    while todo:
        part, error = todo.pop()
        if not requests or (requests < MOST_REQUESTS and not hopeless.is_set()):
            requests += 1
            try:
                found.append((part, ask(part)))
                failures = 0
                continue
            except (RemoteServiceError, TableParseError, TimeoutError) as failure:
                error = failure
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


def _may_be_one(error: RemoteServiceError | TableParseError | TimeoutError) -> bool:
    """Return whether one of many names may be the cause, and not the request itself."""
    if isinstance(error, TimeoutError):
        return error.sent
    return isinstance(error, TableParseError) or (error.status or 0) >= 500

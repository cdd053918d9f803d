"""Check that a response belongs to the request: a proxy or a cache may mix responses up."""

from collections.abc import Callable, Iterable

import numpy as np

from atlasquery.exceptions import TableParseError

__all__ = ["check_answer", "check_answers", "only_of"]

REMEDY = (
    "It is the response to another request, which a proxy or a cache may have mixed up: try again."
)


def check_answer(got: object, asked: object, what: str, *, service: str | None = None) -> None:
    """Raise if a response names something else than was requested.

    Parameters
    ----------
    got : object
        What the response names; None if nothing, which passes.
    asked : object
        What was requested; numbers and strings of the same digits are the same.
    what : str
        What is named, for the message: ``"the object"``.
    service : str, optional
        The name of the service.

    Raises
    ------
    TableParseError
        If they differ, with both in the message.
    """
    if got is not None and str(got) != str(asked):
        raise TableParseError(
            f"{what} asked for is {asked}, and the response is of {got!s:.100}. {REMEDY}",
            service=service,
        )


def check_answers(
    got: np.ndarray,
    asked: object,
    what: str,
    *,
    mask: np.ndarray | None = None,
    service: str | None = None,
) -> None:
    """Raise if a row of a response names something else than was requested.

    Parameters
    ----------
    got : `~numpy.ndarray`
        What each row names.
    asked : object or iterable of object
        What was requested: one thing, or several of which each row may name any.
    what : str
        What is named, for the message.
    mask : `~numpy.ndarray`, optional
        True for rows that name nothing, which pass.
    service : str, optional
        The name of the service.

    Raises
    ------
    TableParseError
        If a row names something else.
    """
    several = [asked] if isinstance(asked, str) or not isinstance(asked, Iterable) else asked
    wanted = {str(one) for one in several}
    named = np.asarray(got) if mask is None else np.asarray(got)[~np.asarray(mask)]
    for one in np.unique(named).tolist():
        if str(one) not in wanted:
            some = ", ".join(sorted(wanted)[:5]) + (", ..." if len(wanted) > 5 else "")
            raise TableParseError(
                f"{what} asked for is {some}, and the response has rows of {one!s:.100}. {REMEDY}",
                service=service,
            )


def only_of(decode: Callable, column: str, asked: object, what: str) -> Callable:
    """Return a decoder that takes no rows but those of what was requested.

    Parameters
    ----------
    decode : callable
        Takes what was sent, returns `Rows`, or a tuple that begins with them.
    column : str
        The public name of the column that names what a row is of; responses without it pass.
    asked : object or iterable of object
        What was requested.
    what : str
        What is named, for the message.

    Returns
    -------
    callable
        Takes and returns the same as `decode`; raises `TableParseError` for other rows.
    """

    def checked(sent: object) -> object:
        found = decode(sent)
        rows = found[0] if isinstance(found, tuple) else found
        if column in rows.values:
            check_answers(rows.values[column], asked, what, mask=rows.masks[column])
        return found

    return checked

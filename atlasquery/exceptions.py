"""Errors and warnings of atlasquery, each a subclass of astroquery's of the same name.

An ``except`` clause written for astroquery catches these too. Errors from a server have its
message, status and address as attributes; errors that interrupt a long job have the job, so that
it can be resumed. No message shows a token or a password, or has control characters.
"""

import builtins
import errno
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from astropy.utils.exceptions import AstropyWarning
from astroquery import exceptions as _astroquery

from atlasquery.redaction import safe_text

if TYPE_CHECKING:
    from atlasquery.forcedphot import ForcedJobs
    from atlasquery.lccserver import LCCQuery

__all__ = [
    "AuthenticationWarning",
    "BlockedQueueWarning",
    "IncompleteResultError",
    "InputWarning",
    "InvalidQueryError",
    "LargeAnswerError",
    "LargeQueryWarning",
    "LoginError",
    "MaxResultsWarning",
    "NoResultsWarning",
    "NotFoundError",
    "QuotaError",
    "RemoteServiceError",
    "StorageError",
    "TableParseError",
    "TimeoutError",
    "WriteError",
]


# Assigned, since a checker that has no types of astroquery finds nothing to import again.
AuthenticationWarning = _astroquery.AuthenticationWarning
InputWarning = _astroquery.InputWarning
LargeQueryWarning = _astroquery.LargeQueryWarning
MaxResultsWarning = _astroquery.MaxResultsWarning
NoResultsWarning = _astroquery.NoResultsWarning

# Errors of the operating system: the disk is full, the user's quota is used, a file is too large.
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


class BlockedQueueWarning(AstropyWarning):
    """A task fails repeatedly, and the tasks submitted after it have to wait."""


class _SafeMessage:
    """An error whose message is safe to show, wherever its text comes from.

    Attributes
    ----------
    jobs : `~atlasquery.forcedphot.ForcedJobs` or None
        The jobs of forced photometry that the error interrupted; pass them to
        ``AtlasForced.wait`` or ``fetch`` to resume.
    query : `~atlasquery.lccserver.LCCQuery` or None
        The search that the error interrupted; pass it to ``LCCServer.fetch`` to resume.
    """

    jobs: "ForcedJobs | None" = None
    query: "LCCQuery | None" = None

    def __init__(self, *args: object):
        super().__init__(*(safe_text(arg) if isinstance(arg, str) else arg for arg in args))


class _ServiceError(_SafeMessage):
    """A failed exchange with a server.

    Parameters
    ----------
    message : str
        The whole message shown to the user.
    service : str, optional
        The name of the service.
    status : int, optional
        The HTTP status of the response; None if there was none.
    url : str, optional
        The address of the request, without credentials.
    reason : str, optional
        The server's message.
    sent : bool, optional
        False if the connection failed, so that the server never received the request.
    """

    def __init__(
        self,
        message: str = "",
        *,
        service: str | None = None,
        status: int | None = None,
        url: str | None = None,
        reason: str | None = None,
        sent: bool = True,
    ):
        super().__init__(message)
        self.service = service
        self.status = status
        self.url = None if url is None else safe_text(url)
        self.reason = None if reason is None else safe_text(reason)
        self.sent = sent


class InvalidQueryError(_SafeMessage, _astroquery.InvalidQueryError, ValueError):
    """A query that was refused before anything was sent."""


class StorageError(InvalidQueryError, OSError):
    """A local file that cannot be written: the disk is full, or a permission is missing.

    ``errno``, ``strerror`` and ``filename`` are those of the `OSError` that caused it.
    The previous content of the file is unchanged.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple:
        return (
            type(self),
            self.args,
            dict(self.__dict__)
            | {name: getattr(self, name) for name in ("errno", "strerror", "filename")},
        )

    @classmethod
    def from_system(cls, error: OSError, what: str) -> "StorageError":
        """Return the error to raise in place of an `OSError`.

        Parameters
        ----------
        error : OSError
            The error of the operating system.
        what : str
            Start of the message, such as ``"a.fits cannot be written"``.

        Returns
        -------
        StorageError
            To be raised from `error`.
        """
        why = error.strerror or str(error) or type(error).__name__
        advice = "Make room on the disk" if error.errno in FULL else "Check that it is writable"
        storage_error = cls(f"{what}: {why}. {advice}, or choose another directory.")
        storage_error.errno, storage_error.strerror = error.errno, why
        storage_error.filename = error.filename
        return storage_error


class RemoteServiceError(_ServiceError, _astroquery.RemoteServiceError):
    """A server that could not be reached, or answered with a failure."""


class LargeAnswerError(RemoteServiceError):
    """A response larger than ``conf.max_answer_bytes``; request less at once."""


class NotFoundError(RemoteServiceError):
    """The server does not have the requested object or table."""


class QuotaError(RemoteServiceError):
    """The server's limit on requests is used up.

    Parameters
    ----------
    message : str
        The whole message shown to the user.
    retry_after : float, optional
        Seconds until the server accepts requests again; None if it did not say.
    **known
        The attributes of `RemoteServiceError`.
    """

    def __init__(self, message: str = "", *, retry_after: float | None = None, **known: Any):
        super().__init__(message, **known)
        self.retry_after = retry_after


class TimeoutError(_ServiceError, _astroquery.TimeoutError, builtins.TimeoutError):
    """A server that did not respond, or did not finish its response, in time.

    ``jobs`` or ``query`` is the unfinished job, if there is one; waiting for it resumes it.
    """


class LoginError(_ServiceError, _astroquery.LoginError):
    """Credentials that are missing, refused or not sufficient."""


class TableParseError(_ServiceError, _astroquery.TableParseError):
    """A response that does not have the form that the service is known to send."""


class IncompleteResultError(RemoteServiceError):
    """Some requests of a call with many of them failed.

    Parameters
    ----------
    message : str
        The whole message shown to the user.
    result : object, optional
        What arrived, of the type that the call returns.
    failures : sequence of tuple, optional
        A pair (what was requested, the exception) for each request that failed.
    **known
        The attributes of `RemoteServiceError`.
    """

    def __init__(
        self,
        message: str = "",
        *,
        result: Any = None,
        failures: Iterable[tuple[Any, Any]] = (),
        **known: Any,
    ):
        super().__init__(message, **known)
        self.result: Any = result
        self.failures: list[tuple[Any, Any]] = list(failures)


class WriteError(IncompleteResultError):
    """Some writes were refused or not tried, or have an unknown outcome.

    ``result`` is the table of all writes, with columns for what was written, ``ok``
    (masked where it is unknown whether the server did it) and ``message``.
    ``failures`` has a pair (id, message) for each write that is not known to be done.
    """


def attach(
    error: BaseException,
    *,
    result: Any = None,
    jobs: "ForcedJobs | None" = None,
    query: "LCCQuery | None" = None,
    note: str = "",
) -> None:
    """Add what was reached so far to the exception that interrupts a call.

    The errors of this package declare these attributes. Ctrl-C raises Python's own
    `KeyboardInterrupt`, which has to stay one for shells to see that a script was
    interrupted; it gets the attributes here, and in an interactive session they are
    found in ``sys.last_value``.

    Parameters
    ----------
    error : BaseException
        The exception, which the caller raises again.
    result : object, optional
        What arrived, of the type that the call returns.
    jobs : `~atlasquery.forcedphot.ForcedJobs`, optional
        Jobs that can be resumed.
    query : `~atlasquery.lccserver.LCCQuery`, optional
        Search that can be resumed.
    note : str, optional
        Sentence that the traceback shows below the message.
    """
    for name, value in (("result", result), ("jobs", jobs), ("query", query)):
        if value is not None:
            setattr(error, name, value)
    if note:
        error.add_note(note)

"""Errors and warnings of atlasquery, each a subclass of astroquery's of the same name.

An ``except`` clause written for astroquery catches these too. The ones that
come from a server carry what the server said as attributes. No message shows a token or a
password, or has control characters.
"""

import builtins
import errno

from astropy.utils.exceptions import AstropyWarning
from astroquery import exceptions as _astroquery
from astroquery.exceptions import (
    AuthenticationWarning,
    InputWarning,
    LargeQueryWarning,
    MaxResultsWarning,
    NoResultsWarning,
)

from atlasquery.redaction import safe_text

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


# Errors of the system for a disk, a quota of the user, or a file that is full.
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


class BlockedQueueWarning(AstropyWarning):
    """A task that fails again and again, while what was submitted after it waits."""


class _Shown:
    """An error whose words are fit to be shown, whoever said them."""

    def __init__(self, *args: object):
        super().__init__(*(safe_text(arg) if isinstance(arg, str) else arg for arg in args))


class _FromService(_Shown):
    """What is known of a failed exchange with a server.

    Parameters
    ----------
    message : str
        The whole sentence shown to the user.
    service : str, optional
        The name of the service.
    status : int, optional
        The HTTP status, where there was an answer.
    url : str, optional
        The address asked, without credentials.
    reason : str, optional
        The server's own words.
    sent : bool, optional
        False where there was no connection, so that the server knows nothing of the request.
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


class InvalidQueryError(_Shown, _astroquery.InvalidQueryError, ValueError):
    """A query that was refused before anything was sent."""


class StorageError(InvalidQueryError, OSError):
    """A file of this machine that cannot be written: a full disk, or a missing right.

    ``errno``, ``strerror`` and ``filename`` are those of the system's error, which is the cause.
    What was in the file before is still there.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self):
        return (
            type(self),
            self.args,
            dict(self.__dict__)
            | {name: getattr(self, name) for name in ("errno", "strerror", "filename")},
        )

    @classmethod
    def from_system(cls, error: OSError, what: str) -> "StorageError":
        """Make one of an error of the system.

        Parameters
        ----------
        error : OSError
            The error.
        what : str
            What cannot be done, for the message: ``"a.fits cannot be written"``.

        Returns
        -------
        StorageError
            To be raised from it.
        """
        why = error.strerror or str(error) or type(error).__name__
        advice = "Make room on the disk" if error.errno in FULL else "See that it can be written"
        found = cls(f"{what}: {why}. {advice}, or choose another directory.")
        found.errno, found.strerror, found.filename = error.errno, why, error.filename
        return found


class RemoteServiceError(_FromService, _astroquery.RemoteServiceError):
    """A server that could not be reached, or answered with a failure."""


class LargeAnswerError(RemoteServiceError):
    """An answer with more bytes than ``conf.max_answer_bytes``: less may be asked for at once."""


class NotFoundError(RemoteServiceError):
    """The server does not know what was asked for."""


class QuotaError(RemoteServiceError):
    """The server's limit on requests is used up.

    Parameters
    ----------
    message : str
        The whole sentence shown to the user.
    retry_after : float, optional
        Seconds until the server takes requests again, where it said so.
    **known
        The attributes of `RemoteServiceError`.
    """

    def __init__(self, message: str = "", *, retry_after: float | None = None, **known):
        super().__init__(message, **known)
        self.retry_after = retry_after


class TimeoutError(_FromService, _astroquery.TimeoutError, builtins.TimeoutError):
    """A server that did not answer, or did not finish its answer, in time."""


class LoginError(_FromService, _astroquery.LoginError):
    """Credentials that are missing, refused or not sufficient."""


class TableParseError(_FromService, _astroquery.TableParseError):
    """An answer that is not what the service is known to send."""


class IncompleteResultError(RemoteServiceError):
    """A job of many requests of which some failed.

    Parameters
    ----------
    message : str
        The whole sentence shown to the user.
    result : object, optional
        What did arrive, of the type the call returns.
    failures : list of tuple, optional
        A pair (what was asked, the exception) for each request that failed.
    **known
        The attributes of `RemoteServiceError`.
    """

    def __init__(self, message: str = "", *, result=None, failures=(), **known):
        super().__init__(message, **known)
        self.result = result
        self.failures = list(failures)


class WriteError(IncompleteResultError):
    """Writes of which some were refused, or not tried, or have an unknown fate.

    ``result`` is the table of all of them, with columns for what was written, ``ok``
    (masked where it is unknown whether the server did it) and ``message``.
    ``failures`` has a pair (id, message) for each that is not known to be done.
    """

"""Tokens and passwords, which are never shown, and what signs requests with them."""

import hashlib

import requests
from requests.auth import AuthBase

from atlasquery.redaction import register_secret

__all__ = ["LoginForm", "NoAuth", "Secret", "TokenAuth", "without_frames"]

DOTS = b"..."
SHORTEST = 4


def without_frames(error: BaseException) -> None:
    """Remove the frames of libraries from tracebacks, since their variables have the request.

    Some tools print or store a traceback with the variables of its frames.

    Parameters
    ----------
    error : BaseException
        The error; its causes and contexts are changed too.
    """
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            todo += [one.__cause__, one.__context__]


class Secret:
    """A string that is never shown: not in a repr, a log, a traceback or a pickle.

    Parameters
    ----------
    value : str
        The token or password.
    """

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str):
        self._value = value
        register_secret(self)

    def reveal(self) -> str:
        """Return the string itself, to send or store it.

        Returns
        -------
        str
            The secret.
        """
        return self._value

    def fingerprint(self) -> str:
        """Return a one-way digest that distinguishes users without naming them.

        Returns
        -------
        str
            SHA-256, in hexadecimal digits.
        """
        return hashlib.sha256(self._value.encode()).hexdigest()

    def __repr__(self) -> str:
        return "<Secret>"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple:
        raise TypeError("a secret is not pickled: log in again in the other process")


def _without(message: bytes, secret: Secret) -> bytes:
    value = secret.reveal().encode()
    # One or two letters occur in any sentence, and replacing them would reveal them.
    return message.replace(value, DOTS) if len(value) >= SHORTEST else message


class _Unshown(str):
    """A header whose value is not shown in tracebacks of libraries."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'...'"


class TokenAuth(AuthBase):
    """Put a token into the Authorization header of one request.

    Parameters
    ----------
    token : Secret
        The token.
    scheme : str, optional
        The word before the token in the header.
    """

    def __init__(self, token: Secret, scheme: str = "Token"):
        self._token = token
        self._scheme = scheme

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = _Unshown(f"{self._scheme} {self._token.reveal()}")
        return request

    def conceal(self, message: bytes) -> bytes:
        """Replace the token in a server's message by dots.

        Parameters
        ----------
        message : bytes
            The message.

        Returns
        -------
        bytes
            The message with dots for the token.
        """
        return _without(message, self._token)

    def __repr__(self) -> str:
        return f"<TokenAuth {self._scheme} ...>"


class LoginForm(AuthBase):
    """Put a login into the body of one request, where no traceback shows it.

    Parameters
    ----------
    fields : dict of str to str or Secret
        The fields of the form.
    """

    def __init__(self, fields: dict):
        self._fields = fields

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the body."""
        request.prepare_body(
            {k: v.reveal() if isinstance(v, Secret) else v for k, v in self._fields.items()}, None
        )
        return request

    def conceal(self, message: bytes) -> bytes:
        """Replace the password in a server's message by dots.

        Parameters
        ----------
        message : bytes
            The message.

        Returns
        -------
        bytes
            The message with dots for the password.
        """
        for value in self._fields.values():
            if isinstance(value, Secret):
                message = _without(message, value)
        return message

    def __repr__(self) -> str:
        return f"<LoginForm {', '.join(self._fields)}>"


class NoAuth(AuthBase):
    """Send no credentials, not even those that requests would take from a ``.netrc``."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Leave the request as it is."""
        return request

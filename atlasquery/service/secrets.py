"""Values that must not be shown: tokens and passwords."""

import hashlib

import requests

from atlasquery.redaction import register_secret

__all__ = ["LoginForm", "NoAuth", "Secret", "TokenAuth", "without_frames"]

DOTS = b"..."
SHORTEST = 4


def without_frames(error: BaseException) -> None:
    """Let go of the frames below ours, in which libraries hold what they send.

    A traceback may be printed with the variables of its frames, or kept.

    Parameters
    ----------
    error : BaseException
        Which loses them, with the errors that it came from.
    """
    todo, seen = [error], set()
    while todo:
        one = todo.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            todo += [one.__cause__, one.__context__]


class Secret:
    """A text that never shows itself: not in a repr, a log, a traceback or a pickle.

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
        """Return the text itself, for the wire or the user's own store.

        Returns
        -------
        str
            The secret.
        """
        return self._value

    def fingerprint(self) -> str:
        """Return a one-way digest that tells users apart without naming them.

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

    def __reduce__(self):
        raise TypeError("a secret is not pickled: log in again in the other process")


def _without(words: bytes, secret: Secret) -> bytes:
    value = secret.reveal().encode()
    # One or two letters would be found in any sentence, and tell what they are by their absence.
    return words.replace(value, DOTS) if len(value) >= SHORTEST else words


class _Unshown(str):
    """A header that a traceback of the libraries below does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'...'"


class TokenAuth(requests.auth.AuthBase):
    """Put a token into the Authorization header of one request.

    Parameters
    ----------
    token : Secret
        The token.
    scheme : str, optional
        The word before it.
    """

    def __init__(self, token: Secret, scheme: str = "Token"):
        self._token = token
        self._scheme = scheme

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = _Unshown(f"{self._scheme} {self._token.reveal()}")
        return request

    def conceal(self, words: bytes) -> bytes:
        """Return a server's words without the token, should it quote it.

        Parameters
        ----------
        words : bytes
            What it said.

        Returns
        -------
        bytes
            The same, with dots for the token.
        """
        return _without(words, self._token)

    def __repr__(self) -> str:
        return f"<TokenAuth {self._scheme} ...>"


class LoginForm(requests.auth.AuthBase):
    """Put a login into the body of one request, where no frame of a traceback shows it.

    Parameters
    ----------
    fields : dict of str to str or Secret
        The form.
    """

    def __init__(self, fields: dict):
        self._fields = fields

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the body."""
        request.prepare_body(
            {k: v.reveal() if isinstance(v, Secret) else v for k, v in self._fields.items()}, None
        )
        return request

    def conceal(self, words: bytes) -> bytes:
        """Return a server's words without the password, should it quote it.

        Parameters
        ----------
        words : bytes
            What it said.

        Returns
        -------
        bytes
            The same, with dots for the password.
        """
        for value in self._fields.values():
            if isinstance(value, Secret):
                words = _without(words, value)
        return words

    def __repr__(self) -> str:
        return f"<LoginForm {', '.join(self._fields)}>"


class NoAuth(requests.auth.AuthBase):
    """Send no credentials, not even those that requests would take from a ``.netrc``."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Leave the request as it is."""
        return request

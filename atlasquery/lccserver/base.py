"""What all queries to an LCC-Server share: its keys, its envelope, its errors."""

import contextlib
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import requests

from atlasquery.exceptions import LoginError, NotFoundError, RemoteServiceError, TableParseError
from atlasquery.lccserver import conf
from atlasquery.lccserver.pace import KeyGate, KeyPace
from atlasquery.service import ServiceQuery
from atlasquery.service.forks import ForkSafeLock
from atlasquery.service.query import Decoding
from atlasquery.service.quota import OpenGate
from atlasquery.service.secrets import NoAuth, Secret, TokenAuth

__all__ = ["LCCServerQuery", "as_list", "decode_envelope"]

# A key that is refused so soon after its creation is not expired: the server cannot check keys, or
# sees the client at another address each time. Requests for further keys would never end.
FRESH = 60.0
NO_ACCESS = "have access to this dataset"
# The folder of fetched light curves, below the cache.
ZIPS = "light-curves"


class _Reply(msgspec.Struct):
    status: str
    result: msgspec.Raw = msgspec.Raw(b"null")
    message: str | list[str] | None = None


class _Key(msgspec.Struct):
    apikey: str


class _Anonymous(NamedTuple):
    """A key without an account."""

    server: str
    key: Secret
    #: The time by the client's clock at which it was given.
    since: float


class LCCServerQuery(ServiceQuery):
    """Base of the queries to an LCC-Server.

    Each search needs a key. The server gives one for a week to everyone, bound to the
    address of the client; it is fetched when it is first needed, held in memory, and
    renewed when the server refuses it.

    Parameters
    ----------
    server : str, optional
        The address of the server.
    """

    service = "LCC-Server"
    title = "LCC-Server"
    environment = "ATLASQUERY_LCC"
    conf = conf
    token_scheme = "Bearer"  # noqa: S105

    def __init__(self, server: str | None = None):
        super().__init__(server)
        self.name = "LCCServer"
        self._anonymous: _Anonymous | None = None
        self._key_lock = ForkSafeLock()
        # The pace of each key, by its fingerprint.
        self._paces: dict[str, KeyPace] = {}

    def clear_cache(self) -> None:
        """Remove all cached responses of this service, and the cached light curves."""
        super().clear_cache()
        for path in (self.cache_location / ZIPS).glob("*"):
            with contextlib.suppress(OSError):
                path.unlink()

    def __repr__(self) -> str:
        key = "an account's key" if vars(self).get("_authenticated") else "an anonymous key"
        return f"<{type(self).__name__} at {self._shown_server}, with {key}>"

    def login(
        self,
        *,
        token: str | None = None,
        config_file: str | os.PathLike | None = None,
        store: bool = False,
    ) -> bool:
        """Use the key of an account instead of an anonymous one.

        An account may see its private datasets and collections, and gets more rows
        of a search. Its key is on the page of the account at the server's web site.

        Parameters
        ----------
        token : str, optional
            The key; by default that of the environment variable
            ``ATLASQUERY_LCC_TOKEN``, of the configuration file or of the keyring.
        config_file : path-like, optional
            A YAML file with ``token``, and perhaps ``base_url``, the server to use.
        store : bool, optional
            Whether to keep the key in the keyring of this machine.

        Returns
        -------
        bool
            True; the key is first used, and checked, in the next query.

        Raises
        ------
        LoginError
            If there is no key anywhere.
        """
        return super().login(token=token, config_file=config_file, store=store)

    def verify(self) -> bool:
        """Return whether the server takes the key in use, if need be a new anonymous one.

        Returns
        -------
        bool
            True: a key that is refused raises.

        Raises
        ------
        LoginError
            If the server refuses it.

        References
        ----------
        ``POST /api/verify`` of the LCC-Server.

        Examples
        --------
        >>> from atlasquery import LCCServer
        >>> LCCServer.verify()
        True
        """
        self._decode(self._write("api/verify"), decode_envelope)
        return True

    def _how_to_log_in(self, username: str | None) -> str:
        return (
            f"{self.service} needs no login, and no key of an account was found. Give one with "
            f"{self.name}.login(token=...), or set {self.environment}_TOKEN."
        )

    def _after_refusal(self) -> str:
        if self._credentials.token:
            return (
                f"The key came from {self._credentials.source}: take a new one from your account "
                f"at {self.server}, or use none with {self.name}.logout()."
            )
        return (
            "The key was an anonymous one, made for this. Either the server cannot check keys at "
            "present, or it sees this machine at a changing address, to which keys are bound. "
            "Try again later."
        )

    def _auth(self, *, required: bool) -> tuple[Callable, Secret | None]:
        """Return what signs a request: the key of an account, or an anonymous one."""
        auth, token = super()._auth(required=False)
        if token is not None or not required:
            return auth, token
        key = self._anonymous_key()
        return TokenAuth(key, self.token_scheme), key

    def _anonymous_key(self, refused: Secret | None = None) -> Secret:
        """Return the anonymous key, a new one in place of one that was refused."""
        with self._key_lock:
            held = self._anonymous
            if held is None or held.server != self.server or held.key == refused:
                held = _Anonymous(self.server, self._new_key(), self._clock.now())
                self._anonymous = held
            return held.key

    def _new_key(self) -> Secret:
        self._refuse_plain_http()

        def decode(body: bytes) -> Secret:
            return Secret(msgspec.json.decode(decode_envelope(body), type=_Key).apikey)

        url, signed = self.server + "api/key", (NoAuth(), None)
        try:
            decoding = Decoding(self, decode, "JSON")
            return decoding.of(self._send("GET", url, repeat=True, signed=signed, damage=decoding))
        except TableParseError as error:
            # The response may hold a key, so it is not quoted.
            status = error.status
        raise LoginError(
            f"{self.service} answered {url} without a key. Is conf.server the address of an "
            "LCC-Server?",
            service=self.service,
            status=status,
            url=url,
        )

    def _renew(self, refused: Secret | None) -> bool:
        """Get a new anonymous key in place of one that is refused, but not of a new one."""
        with self._key_lock:
            held = self._anonymous
        if held is None or refused is None:
            return super()._renew(refused)
        if held.key == refused:
            if self._clock.now() - held.since < FRESH:
                return False
            self._anonymous_key(refused)
            return True
        # Another thread has a new one, or it was an account's.
        return super()._renew(refused)

    def _worth_renewing(self, response: requests.Response) -> bool:
        # A missing file, or another user's, is a 401 in HTML; a bad key is one in JSON. A private
        # dataset is refused to all other keys: see docs/servers/lccserver.rst, "Another user's
        # dataset".
        html = "html" in response.headers.get("Content-Type", "")
        return not html and NO_ACCESS not in response.text

    @staticmethod
    def _is_passing(response: requests.Response) -> bool:
        # A refusal without a message does not mean that the key is bad: the process of the server
        # that checks keys did not answer, as when it is busy. The next check may succeed.
        if response.status_code != 401:
            return False
        with contextlib.suppress(msgspec.DecodeError):
            answer = msgspec.json.decode(response.content)
            return isinstance(answer, dict) and answer.get("message", "") is None
        return False

    def _gate(self, token: Secret | None, method: str) -> OpenGate:
        gate = super()._gate(token, method)
        # On this machine too: such a server counts requests like any other.
        if token is None:
            return gate
        with self._key_lock:
            pace = self._paces.setdefault(token.fingerprint(), KeyPace())
            anonymous = self._anonymous is not None and token == self._anonymous.key
        conf = self.conf
        allowed = conf.anonymous_per_minute if anonymous else conf.account_per_minute
        return KeyGate(gate, pace, allowed)

    def _cache_key(self, method: str, url: str, payload: object, token: Secret | None) -> str:
        with self._key_lock:
            held = self._anonymous
        # The server sends the same responses to all anonymous keys.
        anonymous = held is not None and token == held.key
        return super()._cache_key(method, url, payload, None if anonymous else token)

    def _fetch(
        self,
        path: str,
        params: dict | None = None,
        *,
        decode: Callable,
        lifetime: float | None = None,
        cache: bool | None = None,
        envelope: bool = True,
        unknown: str = "",
    ) -> tuple:
        """Read JSON with GET; return its ``result``, decoded by `decode`, and the Unix time.

        Without an `envelope`, as datasets come, `decode` takes the body. `unknown` is what a 404
        means is not known.
        """

        def opened(body: bytes) -> object:
            return decode(decode_envelope(body) if envelope else body)

        try:
            return self._read(
                path,
                params or {},
                decode=opened,
                lifetime=self.conf.cache_seconds if lifetime is None else lifetime,
                cache=cache,
                method="GET",
            )
        except RemoteServiceError as error:
            raise self._not_found(error, unknown) or error from None
        except LoginError as error:
            raise self._no_access(error) or error from None

    def _payload(self, path: str, params: dict | None = None) -> Any:
        """Return what `_fetch` would send: its parameters, and the address under ``url``."""
        return {"url": self.server + path, **(params or {})}

    def _not_found(self, error: RemoteServiceError, unknown: str) -> NotFoundError | None:
        # A page without a message is not that of an LCC-Server.
        if error.status != 404 or not unknown or (error.reason or "").startswith("(an HTML page)"):
            return None
        return NotFoundError(
            f"{self.service} at {self.server} does not have {unknown}: {error.reason}",
            service=self.service,
            status=404,
            url=error.url,
            reason=error.reason,
        )

    def _no_access(self, error: LoginError) -> LoginError | None:
        if error.status != 401 or NO_ACCESS not in (error.reason or ""):
            return None
        return LoginError(
            f"{self.service} keeps {error.url} for its owner (status 401): {error.reason} Give the "
            f"key of its account with {self.name}.login(token=...).",
            service=self.service,
            status=401,
            url=error.url,
            reason=error.reason,
        )


def decode_envelope(body: bytes) -> msgspec.Raw:
    """Return the result of a response.

    Parameters
    ----------
    body : bytes
        ``{"status", "result", "message"}``.

    Returns
    -------
    `msgspec.Raw`
        The undecoded ``result``.

    Raises
    ------
    RemoteServiceError
        If there is none, because the server failed.
    """
    reply = msgspec.json.decode(body, type=_Reply)
    if reply.status != "ok":
        message = " ".join(as_list(reply.message)) or "(no message)"
        raise RemoteServiceError(
            f"LCC-Server did not do what it was asked ({reply.status}): {message}",
            service="LCC-Server",
            status=200,
            reason=message,
        )
    return reply.result


def as_list(message: str | list[str] | None) -> list[str]:
    """Return the message of the server, a string or a list of them, as a list.

    Parameters
    ----------
    message : str, list of str or None
        Its ``message``.

    Returns
    -------
    list of str
        The strings.
    """
    if message is None:
        return []
    return [message] if isinstance(message, str) else list(message)

"""The base class of all services: the only code that sends a request."""

import contextlib
import dataclasses
import hashlib
import inspect
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import astropy.units as u
import msgspec
import requests
from astropy.config import paths
from astroquery import cache_conf, log
from astroquery.query import QueryWithLogin

from atlasquery import __version__
from atlasquery.exceptions import InvalidQueryError, LoginError, RemoteServiceError, TableParseError
from atlasquery.service.inputs import with_suggestions
from atlasquery.service.login import TokenLogin
from atlasquery.service.quota import Clock, Gate, Ledger, OpenGate, Quota
from atlasquery.service.secrets import LoginForm, NoAuth, Secret
from atlasquery.service.store import ResponseStore
from atlasquery.service.transport import (
    Policy,
    exchange,
    is_local,
    refuse_redirect,
    refuse_status,
    server_words,
)

__all__ = ["ServiceQuery"]

# An hour, and a little more: the server's clock runs from when a request arrives.
QUOTA_WINDOW = 3605.0
# What msgspec raises for a text that is no JSON, no UTF-8, or nested without end.
DAMAGED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
READS = ("GET", "HEAD", "OPTIONS")


class ServiceQuery(TokenLogin, QueryWithLogin):
    """Base of a service: astroquery's `~astroquery.query.QueryWithLogin`, made safe.

    What differs from astroquery: answers are stored as data instead of
    pickles, apart for each account, and only those of reads; credentials stay
    out of the store and the log; no redirect is followed; every request has a
    time limit, and reads are repeated when the network fails.

    Parameters
    ----------
    server : str, optional
        The address of the server; the default comes from the environment
        variable ``ATLASQUERY_<SERVICE>_SERVER`` or ``conf.server``.
    """

    #: The name of the service in messages.
    service: str
    #: The start of the service's environment variables.
    environment: str
    #: The service's configuration.
    conf: object
    #: Whether each request needs a login.
    login_required = True

    def __init__(self, server: str | None = None):
        super().__init__()
        self._server = server
        self._clock = Clock()
        # The server's session cookies could serve one login's answer to another.
        self._session.cookies.set_policy(requests.cookies.cookielib.DefaultCookiePolicy([], []))
        self._session.headers["User-Agent"] = (
            f"atlasquery/{__version__} {self._session.headers['User-Agent']}"
        )

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name, method in list(vars(cls).items()):
            if inspect.isfunction(method) and not name.startswith("_"):
                setattr(cls, name, with_suggestions(method))

    def __repr__(self) -> str:
        login = "logged in" if self._authenticated else "not logged in yet"
        return f"<{type(self).__name__} at {self.server}, {login}>"

    @property
    def server(self) -> str:
        """The address of the server, ending in a slash; read when it is used."""
        address = (
            self._server
            or os.environ.get(f"{self.environment}_SERVER")
            or self._server_of_file
            or self.conf.server
        )
        parts = urlsplit(address.strip())
        if parts.username or parts.password or parts.query or parts.fragment:
            # It would be shown wherever the address is.
            raise InvalidQueryError(
                f"the server of {self.service} should be an address without a login, a query or a "
                f"fragment: {parts.scheme}://{parts.hostname}{parts.path}"
            )
        return address.strip().rstrip("/") + "/"

    @property
    def cache_location(self) -> Path:
        """The directory of stored answers; assign another to move it."""
        return self._cache_location or Path(paths.get_cache_dir(), "atlasquery", self.name)

    @cache_location.setter
    def cache_location(self, location: str | os.PathLike) -> None:
        self._cache_location = Path(location)

    def authenticated(self) -> bool:
        """Return whether there is a token that the server has not refused.

        Returns
        -------
        bool
            True once there are credentials, which the server may not have judged yet,
            until `logout` or a refusal.
        """
        return self._authenticated

    @property
    def quota(self) -> Quota:
        """The requests that the account has left, of all processes of this user.

        Those to a server on this machine are not counted, unless
        ``conf.limit_loopback`` is set.
        """
        _, token = self._auth(required=self.login_required)
        try:
            return self._ledger.quota(self._account(token), self._limit)
        except (sqlite3.Error, OSError) as error:
            log.warning(f"Requests are not counted: {self._ledger.path}: {error}")
            return Quota(self._limit, 0, self._limit, None, (QUOTA_WINDOW * u.s).to(u.h))

    @property
    def _uncounted(self) -> bool:
        # A server on this machine, which nobody else waits for, says itself when it is enough.
        return is_local(self.server) and not self.conf.limit_loopback

    @property
    def _limit(self) -> int:
        return 0 if self._uncounted else self.conf.hourly_limit

    @property
    def _ledger(self) -> Ledger:
        path = Path(paths.get_cache_dir(), "atlasquery", "quota.sqlite")
        return Ledger(path, window=QUOTA_WINDOW, clock=self._clock)

    def _account(self, token: Secret | None) -> str:
        # By name where it is known: a new token does not come with new requests.
        name = self._credentials.username
        identity = name or (token.fingerprint() if token else "anonymous")
        return hashlib.sha256(f"{self.server} {identity}".encode()).hexdigest()

    def _gate(self, token: Secret | None) -> OpenGate:
        waits = self.conf.on_quota == "wait"
        if token is None or self._uncounted:
            return OpenGate(self._clock, waits=waits)
        return Gate(self._ledger, self._account(token), self._limit, self.service, waits=waits)

    def clear_cache(self) -> None:
        """Remove all stored answers of this service."""
        self._store.clear()

    @property
    def _store(self) -> ResponseStore:
        return ResponseStore(self.cache_location)

    def _response_hook(self, response, *args, **kwargs) -> None:
        """Log nothing here: astroquery's hook writes headers and bodies, tokens and all.

        A redirect is refused here too, or astroquery would save its body as a file.
        """
        refuse_redirect(response, self.service)

    def _read(
        self,
        path: str,
        payload: dict,
        *,
        decode: Callable,
        lifetime: float,
        cache: bool | None = None,
        method: str = "POST",
        divisible: bool = False,
    ):
        """Ask for something, from the store if it is there and young enough.

        Parameters
        ----------
        path : str
            The endpoint below the server's address.
        payload : dict
            What is sent.
        decode : callable
            Takes the body, returns what the caller wants. An answer is stored
            only after it was decoded.
        lifetime : float
            Seconds for which a stored answer counts.
        cache : bool, optional
            Whether to look in and write to the store; by default as
            ``astroquery.cache_conf.cache_active`` says.
        method : str, optional
            The HTTP method.
        divisible : bool, optional
            Whether the caller asks for less, instead of this again, after a
            status of 500 or a time-out.

        Returns
        -------
        decoded : object
            What `decode` returned.
        when : float
            The Unix time at which the server answered.
        """
        sent = {"params" if method == "GET" else "data": payload}
        auth, token = self._auth(required=self.login_required)
        # After the login, which may name the server.
        url = self.server + path
        cache = cache_conf.cache_active if cache is None else cache
        if cache:
            key = self._cache_key(method, url, payload, token)
            stored = self._store.get(key, self._shorter(lifetime))
            # An answer stored by another version, or for another decoder, may not suit this one.
            with contextlib.suppress(*DAMAGED, TableParseError):
                if stored is not None:
                    return decode(stored[0]), stored[2]
        response, token = self._send_signed(
            method, url, repeat=True, signed=(auth, token), divisible=divisible, **sent
        )
        decoded = self._decode(response, decode)
        if cache:
            # Under the token that was used: it may be a new one, and by now another user's.
            key = self._cache_key(method, url, payload, token)
            self._store.put(key, response.content, response.headers.get("Content-Type", ""))
        return decoded, time.time()

    def _count_unstored(self, path: str, payloads: list[dict], lifetime: float) -> int:
        """Return how many of these reads would have to be sent."""
        _, token = self._auth(required=self.login_required)
        url = self.server + path
        keys = (self._cache_key("POST", url, payload, token) for payload in payloads)
        return sum(self._store.get(key, self._shorter(lifetime)) is None for key in keys)

    def _write(self, path: str, payload: dict, *, method: str = "POST") -> requests.Response:
        """Change something on the server: never stored, never sent twice after a time-out."""
        signed = self._auth(required=self.login_required)
        return self._send(method, self.server + path, repeat=False, signed=signed, data=payload)

    def _post_unsigned(self, path: str, payload: dict) -> requests.Response:
        """Send a login: without credentials in the header, never stored or repeated.

        The password in `payload` is better left a `Secret`: then no traceback shows it.
        """
        self._refuse_plain_http()
        return self._send(
            "POST", self.server + path, repeat=False, signed=(LoginForm(payload), None)
        )

    def _send(self, method: str, url: str, **request) -> requests.Response:
        """Send a request signed with the login; renew an expired token once."""
        return self._send_signed(method, url, **request)[0]

    def _send_signed(
        self,
        method: str,
        url: str,
        *,
        repeat: bool,
        signed: tuple | None = None,
        timeout=None,
        divisible: bool = False,
        **request,
    ) -> tuple:
        """Do what `_send` does, and return with the answer the token that it is for."""
        auth, token = signed or self._auth(required=self.login_required)
        request.setdefault("headers", {"Accept": "application/json"})
        policy = dataclasses.replace(Policy.from_conf(self.conf), divisible=divisible)
        if timeout is not None:
            policy = dataclasses.replace(policy, timeout=timeout)
        for renewed in (False, True):
            response = exchange(
                self._session,
                self.service,
                policy,
                self._gate(token),
                repeat=repeat,
                method=method,
                url=url,
                auth=auth,
                **request,
            )
            if response.status_code != 401 or renewed or not token or not self._renew(token):
                break
            auth, token = self._auth(required=self.login_required)
        if response.status_code == 401:
            words = server_words(response)
            raise LoginError(
                f"{self.service} does not accept the credentials (status 401): {words} "
                f"{self._after_refusal()}",
                service=self.service,
                status=401,
                url=url,
                reason=words,
            )
        refuse_status(response, self.service)
        return response, token

    def _decode(self, response: requests.Response, decode: Callable):
        """Decode an answer that must be JSON; say whose it was when it is not."""
        place = {"service": self.service, "status": response.status_code, "url": response.url}
        kind = response.headers.get("Content-Type", "")
        if "json" not in kind.lower():
            words = server_words(response)
            raise RemoteServiceError(
                f"{self.service} answered {response.url} with {kind or 'no content type'} instead "
                f"of JSON: {words} Is conf.server the address of its API?",
                reason=words,
                **place,
            )
        try:
            return decode(response.content)
        except (msgspec.ValidationError, TableParseError) as error:
            words = server_words(response)
            raise TableParseError(
                f"{self.service} answered {response.url} with something else than expected "
                f"({error}): {words}",
                reason=words,
                **place,
            ) from error
        except DAMAGED as error:
            raise TableParseError(
                f"{self.service} answered {response.url} with JSON that breaks off or is damaged "
                f"({error}). Try again.",
                reason=str(error),
                **place,
            ) from error

    def _cache_key(self, method: str, url: str, payload: object, token) -> str:
        identity = token.fingerprint() if token else "anonymous"
        return self._store.key(method, url, None, payload, identity)

    @staticmethod
    def _shorter(lifetime: float) -> float:
        """Return a lifetime no longer than what the user of astroquery has set for all."""
        general = cache_conf.cache_timeout
        return lifetime if general is None else min(lifetime, general)

    def _refuse_plain_http(self) -> None:
        """Refuse to send credentials in clear text over a network."""
        server = self.server
        plain = urlsplit(server).scheme != "https"
        if plain and not is_local(server) and not self.conf.allow_http:
            raise LoginError(
                f"Credentials are not sent to {server} without encryption. Use https, or set "
                "conf.allow_http where you trust the network.",
                service=self.service,
                url=server,
            )

    def _request(
        self,
        method,
        url,
        params=None,
        data=None,
        headers=None,
        files=None,
        save=False,
        savedir="",
        timeout=None,
        cache=None,
        stream=False,
        auth=None,
        continuation=True,
        verify=True,
        allow_redirects=True,
        json=None,
        return_response_on_save=False,
    ):
        """Send a request as code written for astroquery's base class does.

        The signature is astroquery's. The token goes to the service's own server
        only. Only whole answers to GET requests without own credentials are
        stored, and no web pages; redirects are refused whatever
        ``allow_redirects`` says; a stream arrives whole.
        """
        if auth is not None:
            signed = (auth, None)
        elif _origin(url) == _origin(self.server):
            signed = self._auth(required=False)
        else:
            signed = (NoAuth(), None)
        if hasattr(timeout, "to_value"):
            timeout = timeout.to_value("s")
        if save:
            if not savedir:
                self.cache_location.mkdir(mode=0o700, parents=True, exist_ok=True)
            return super()._request(
                method,
                url,
                params=params,
                data=data,
                headers=headers,
                files=files,
                save=True,
                savedir=savedir,
                timeout=timeout or self.conf.timeout,
                cache=bool(cache),
                auth=signed[0],
                continuation=continuation,
                json=json,
                allow_redirects=False,
                return_response_on_save=return_response_on_save,
            )
        reads = method.upper() in READS
        cache = cache_conf.cache_active if cache is None else cache
        # What HEAD and OPTIONS answer is in the headers, which are not stored.
        cache = bool(cache and method.upper() == "GET" and auth is None and files is None)
        if cache:
            asked = [params, data, json, headers, dict(self._session.headers)]
            key = self._cache_key(method, url, asked, signed[1])
            stored = self._store.get(key, self._shorter(self.conf.cache_seconds))
            if stored is not None:
                return _as_response(method, url, *stored[:2])
        response, token = self._send_signed(
            method,
            url,
            repeat=reads,
            signed=signed,
            timeout=timeout,
            params=params,
            data=data,
            headers=headers,
            files=files,
            verify=verify,
            json=json,
        )
        if cache and _is_whole(response):
            key = self._cache_key(method, url, asked, token)
            self._store.put(key, response.content, response.headers.get("Content-Type", ""))
        return response


def _origin(url: str) -> tuple:
    """Return what must be the same for two addresses to be of one server."""
    parts = urlsplit(url.strip())
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _is_whole(response: requests.Response) -> bool:
    """Return whether an answer is worth keeping: no login page, no half of a JSON text."""
    kind = response.headers.get("Content-Type", "").lower()
    if response.status_code != 200 or "html" in kind:
        return False
    with contextlib.suppress(*DAMAGED):
        if "json" in kind:
            msgspec.json.decode(response.content)
        return True
    return False


def _as_response(method: str, url: str, body: bytes, content_type: str) -> requests.Response:
    """Return a stored answer as requests would have returned it."""
    response = requests.Response()
    response.status_code, response.reason, response.url = 200, "OK", url
    response.headers["Content-Type"] = content_type
    response._content, response._content_consumed = body, True
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.request = requests.Request(method, url).prepare()
    return response

"""The base class of all services: the only code that sends a request."""

import contextlib
import dataclasses
import hashlib
import inspect
import os
import sqlite3
import time
from collections.abc import Callable, Container
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import astropy.units as u
import msgspec
import requests
from astroquery import cache_conf
from astroquery.query import QueryWithLogin

from atlasquery import __version__
from atlasquery.exceptions import LoginError, RemoteServiceError, TableParseError
from atlasquery.redaction import safe_text
from atlasquery.service.address import checked_address, is_local, origin, server_key
from atlasquery.service.astroquery_request import DAMAGED, AstroqueryRequests
from atlasquery.service.cache import ResponseCache
from atlasquery.service.credentials import FROM_USER
from atlasquery.service.deadline import TimedAdapter
from atlasquery.service.files import cache_folder
from atlasquery.service.forks import renew_in_child, renewed_session
from atlasquery.service.http_errors import raise_for_redirect, raise_for_status, server_message
from atlasquery.service.inputs import suggest, with_suggestions
from atlasquery.service.login import TokenLogin
from atlasquery.service.quota import (
    Clock,
    Gate,
    Limit,
    OpenGate,
    Quota,
    QuotaLedger,
    warn_uncounted,
)
from atlasquery.service.secrets import LoginForm, NoAuth, Secret
from atlasquery.service.transport import Policy, exchange

__all__ = ["Decoding", "ServiceQuery"]


class Decoding:
    """Decodes an answer while it can still be asked for again.

    Parameters
    ----------
    query : ServiceQuery
        Who asks.
    decode : callable
        Takes the body, returns what is wanted.
    content : str
        What the content type must name.
    """

    def __init__(self, query: "ServiceQuery", decode: Callable, content: str):
        self._query, self._decode, self._content = query, decode, content
        self._response: requests.Response | None = None
        self._value: object = None
        self._error: Exception | None = None

    def __call__(self, response: requests.Response) -> Exception | None:
        """Decode an answer; return the error if it is a damaged one."""
        self._response, self._error = response, None
        try:
            self._value = self._query._decode(response, self._decode, content=self._content)
        except Exception as error:
            if self._is_damage(error, response):
                return error
            # It is an answer, if not the one that was hoped for: raised where it is taken.
            self._error = error
        return None

    def _is_damage(self, error: Exception, response: requests.Response) -> bool:
        if not response.content:
            return isinstance(error, (RemoteServiceError, TableParseError))
        kind = response.headers.get("Content-Type", "").lower()
        if isinstance(error, RemoteServiceError):
            # A page of a proxy, or of a server at its start, in place of data.
            return self._content.lower() not in kind
        cause = error.__cause__ if isinstance(error, TableParseError) else None
        return isinstance(cause, DAMAGED) and not isinstance(cause, msgspec.ValidationError)

    def of(self, response: requests.Response) -> object:
        """Return what an answer was decoded to, or raise why it cannot be.

        Parameters
        ----------
        response : `requests.Response`
            The answer.

        Returns
        -------
        object
            What is wanted.
        """
        if response is not self._response and (damaged := self(response)):
            raise damaged
        if self._error is not None:
            raise self._error
        return self._value


# An hour, and a little more: the server's clock runs from when a request arrives.
QUOTA_WINDOW = 3605.0
# "200s and 400s count, 403s do not" (contract), nor do logins and throttled requests.
UNCOUNTED = (401, 403, 429)


class ServiceQuery(TokenLogin, AstroqueryRequests, QueryWithLogin):
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
    #: The full name of the service, for the meta data of results.
    title: str
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
        # The tokens that a ledger knows to be of a user.
        self._joined: set[tuple] = set()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, TimedAdapter())
        # The server's session cookies could serve one login's answer to another.
        self._session.cookies.set_policy(requests.cookies.cookielib.DefaultCookiePolicy([], []))
        self._session.headers["User-Agent"] = (
            f"atlasquery/{__version__} {self._session.headers['User-Agent']}"
        )
        renew_in_child(self)

    def _renew_after_fork(self) -> None:
        """Let go of the connections of the parent process; called in a forked child."""
        self._session = renewed_session(self._session)

    def __reduce__(self) -> tuple:
        # For processes that are spawned: credentials that are found anew there are not sent.
        login = self._credentials
        if login and (login.source in FROM_USER or self._file_of_login):
            raise TypeError(
                f"the login of {self.name} came from {login.source} and is not pickled: log in "
                f"again in the other process, or set {self.environment}_TOKEN for all of them"
            )
        state = {name: vars(self)[name] for name in ("_cache_location", "_logged_out")}
        return type(self), (self._server,), state

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name, method in list(vars(cls).items()):
            if inspect.isfunction(method) and not name.startswith("_"):
                checked = with_suggestions(method)
                # A method that is written as a function of a module is shown as a method.
                checked.__qualname__ = f"{cls.__qualname__}.{name}"
                setattr(cls, name, checked)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse what nothing would read, such as the ``TIMEOUT`` of astroquery's services."""
        ours = type(self).__module__.startswith("atlasquery.")
        unknown = not name.startswith("_") and name != "name" and not hasattr(type(self), name)
        # A subclass of somebody else's may have attributes of its own.
        if ours and unknown:
            setting = {"URL": "server"}.get(name.upper(), name.lower())
            near = suggest(name, [each for each in dir(type(self)) if not each.startswith("_")])
            hint = near if "did you mean" in near else ""
            if hasattr(self.conf, setting):
                hint = f"; set conf.{setting}: from {type(self.conf).__module__} import conf"
            raise AttributeError(f"{self.name} has no attribute {name!r}{hint}")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        login = "not logged in yet"
        if vars(self).get("_authenticated"):
            checked = self._credentials.token == self._accepted_token
            login = "logged in" if checked else "with a token that is not checked yet"
        return f"<{type(self).__name__} at {self._shown_server}, {login}>"

    @property
    def _shown_server(self) -> str:
        """The address of the server for a repr, which never raises."""
        try:
            return safe_text(self.server)
        except Exception as error:
            return f"an address that cannot be used ({type(error).__name__})"

    @property
    def server(self) -> str:
        """The address of the server, ending in a slash; read when it is used."""
        address = (
            self._server
            or os.environ.get(f"{self.environment}_SERVER")
            or self._server_of_file
            or self.conf.server
        )
        return checked_address(address, f"the server of {self.service}")

    @property
    def cache_location(self) -> Path:
        """The directory of stored answers; assign another to move it."""
        return self._cache_location or cache_folder() / self.name

    @cache_location.setter
    def cache_location(self, location: str | os.PathLike) -> None:
        self._cache_location = Path(location).expanduser()

    def authenticated(self) -> bool:
        """Return whether there is a token that the server has not refused.

        Returns
        -------
        bool
            True once there are credentials, until `logout` or a refusal. A token that
            was given is checked by the first query, and the client says so until then.
        """
        return self._authenticated

    def quota(self) -> Quota:
        """Return the requests that the account has left, of all processes of this user.

        Those to a server on this machine are not counted, unless
        ``conf.limit_loopback`` is set.

        Returns
        -------
        Quota
            With ``limit``, ``used``, ``remaining`` and ``resets_at``.

        Raises
        ------
        LoginError
            If the service needs a login and there is none.
        """
        return self._quota(self._limit("POST"))

    def _quota(self, limit: Limit) -> Quota:
        """Return what is left of one of the account's limits."""
        _, token = self._auth(required=self.login_required)
        ledger, number = self._ledger(limit), 0 if self._uncounted else limit.number
        try:
            return ledger.quota(self._account(token, limit), number)
        except (sqlite3.Error, OSError) as error:
            warn_uncounted(ledger, error)
            return Quota(number, 0, number, None, (limit.window * u.s).to(u.h))

    @property
    def _uncounted(self) -> bool:
        # A server on this machine, which nobody else waits for, says itself when it is enough.
        return is_local(self.server) and not self.conf.limit_loopback

    def _limit(self, method: str) -> Limit:
        """Return what the server allows of such requests; a service may have several limits."""
        return Limit(self.conf.hourly_limit, QUOTA_WINDOW, uncounted=UNCOUNTED)

    def _ledger(self, limit: Limit) -> QuotaLedger:
        return QuotaLedger(cache_folder() / "quota.sqlite", window=limit.window, clock=self._clock)

    def _account(self, token: Secret | None, limit: Limit) -> str:
        def digest(identity: str) -> str:
            asked = f"{server_key(self.server)} {identity} {limit.kind}".strip()
            return hashlib.sha256(asked.encode()).hexdigest()

        login = self._credentials
        by_token = digest(token.fingerprint() if token else "anonymous")
        # Another thread may just have logged in as somebody else.
        if not login.username or login.token != token:
            return by_token
        # By name where it is known: a new token does not come with new requests.
        by_name = digest(login.username)
        ledger = self._ledger(limit)
        if token and (ledger.path, by_name, by_token) not in self._joined:
            with contextlib.suppress(sqlite3.Error, OSError):
                ledger.join(by_name, by_token)
                self._joined.add((ledger.path, by_name, by_token))
        return by_name

    def _gate(self, token: Secret | None, method: str) -> OpenGate:
        waits = self.conf.on_quota == "wait"
        if token is None or self._uncounted:
            return OpenGate(self._clock, waits=waits)
        limit = self._limit(method)
        account = self._account(token, limit)
        return Gate(self._ledger(limit), account, limit, self.service, waits=waits)

    def _meta(self, when: float, **query) -> dict:
        """Return where a result came from, in values that every file format keeps."""
        return {
            "service": self.title,
            "server": self.server,
            "obtained": datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creator": f"atlasquery {__version__}",
            **query,
        }

    def clear_cache(self) -> None:
        """Remove all stored answers of this service."""
        self._store.clear()

    @property
    def _store(self) -> ResponseCache:
        return ResponseCache(self.cache_location)

    def _response_hook(self, response, *args, **kwargs) -> None:
        """Log nothing here: astroquery's hook writes headers and bodies, tokens and all.

        A redirect is refused here too, or astroquery would save its body as a file.
        """
        raise_for_redirect(response, self.service)

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
        reconnect: bool = True,
        server: str | None = None,
        content: str = "JSON",
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
        reconnect : bool, optional
            Whether such a request has a connection of its own.
        server : str, optional
            The address of another server of the service; by default its own.
        content : str, optional
            What the answer's content type must name.

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
        home = self.server
        url = (server or home) + path
        if server and origin(url) != origin(home):
            # The credentials are for the service's own server only.
            auth, token = NoAuth(), None
        if content != "JSON":
            sent["headers"] = {"Accept": "*/*"}
        cache = cache_conf.cache_active if cache is None else cache
        if cache:
            key = self._cache_key(method, url, payload, token)
            stored = self._store.get(key, self._shorter(lifetime))
            # An answer stored by another version, or for another decoder, may not suit this one.
            with contextlib.suppress(*DAMAGED, TableParseError):
                if stored is not None:
                    return decode(stored[0]), stored[2]
        decoding = Decoding(self, decode, content)
        response, token = self._send_signed(
            method,
            url,
            repeat=True,
            signed=(auth, token),
            divisible=divisible,
            reconnect=reconnect,
            damage=decoding,
            **sent,
        )
        decoded = decoding.of(response)
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

    def _ask(
        self,
        path: str,
        params: dict | None = None,
        *,
        headers: dict | None = None,
        expected: Container[int] = (),
        public: bool = False,
        into: Callable[[requests.Response], BinaryIO | None] | None = None,
        deadline: float | None = None,
        damage: Callable | None = None,
    ) -> requests.Response:
        """Read what is never stored, such as the state of a queue.

        Parameters
        ----------
        path : str
            What is read, below the server's address.
        params : dict, optional
            What stands after the question mark.
        headers : dict, optional
            Headers beside ``Accept``.
        expected : container of int, optional
            Statuses from 300 to 399 that the caller reads.
        public : bool, optional
            Whether to read without a login what needs none, and counts all the same.
        into : callable, optional
            Takes the answer before its content is read; returns the file that it is written
            to, or None to read it as usual.
        deadline : float, optional
            Seconds for the exchange, in place of ``conf.deadline``.
        damage : callable, optional
            Says of an answer whether it is damaged, as `exchange` takes it.

        Returns
        -------
        `requests.Response`
            The answer, of a status below 300 or one that is expected.
        """
        auth, token = self._auth(required=self.login_required and not public)
        return self._send(
            "GET",
            self.server + path,
            repeat=True,
            signed=(NoAuth() if public else auth, token),
            expected=expected,
            into=into,
            deadline=deadline,
            damage=damage,
            params=params,
            headers={"Accept": "application/json", **(headers or {})},
        )

    def _ask_decoded(
        self, path: str, params: dict | None = None, *, decode: Callable, content: str = "JSON",
        **how,
    ) -> tuple:  # fmt: skip
        """Do what `_ask` does; return what an answer is decoded to, asked for until it is whole.

        Parameters
        ----------
        path, params : str, dict
            What is read.
        decode : callable
            Takes the body, returns what the caller wants.
        content : str, optional
            What the answer's content type must name.
        **how
            What `_ask` takes beside.

        Returns
        -------
        decoded : object
            What `decode` returned; None for an answer of a status that is expected.
        response : `requests.Response`
            The answer.
        """
        decoding = Decoding(self, decode, content)
        response = self._ask(path, params, damage=decoding, **how)
        if response.status_code in how.get("expected", ()):
            return None, response
        return decoding.of(response), response

    def _write(
        self,
        path: str,
        payload: dict | None = None,
        *,
        method: str = "POST",
        json: bool = False,
        expected: Container[int] = (),
    ) -> requests.Response:
        """Change something on the server: never stored, never sent twice after a time-out."""
        signed = self._auth(required=self.login_required)
        body = {"json" if json else "data": payload}
        url = self.server + path
        return self._send(method, url, repeat=False, signed=signed, expected=expected, **body)

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
        deadline: float | None = None,
        divisible: bool = False,
        reconnect: bool = True,
        **request,
    ) -> tuple:
        """Do what `_send` does, and return with the answer the token that it is for."""
        auth, token = signed or self._auth(required=self.login_required)
        request.setdefault("headers", {"Accept": "application/json"})
        if divisible and reconnect:
            # A kept connection stays with one process of the server, and two of them may have the
            # same, which then answers them in turn; a new one goes to a process that is idle.
            request["headers"] = {**request["headers"], "Connection": "close"}
        policy = dataclasses.replace(Policy.from_conf(self.conf), divisible=divisible)
        if timeout is not None:
            policy = dataclasses.replace(policy, timeout=timeout)
        if deadline is not None:
            policy = dataclasses.replace(policy, deadline=deadline)
        for renewed in (False, True):
            response = exchange(
                self._session,
                self.service,
                policy,
                self._gate(token, method),
                repeat=repeat,
                final=self._is_final,
                passing=self._is_passing,
                method=method,
                url=url,
                auth=auth,
                **request,
            )
            if response.status_code != 401 or renewed or not token:
                break
            if not self._worth_renewing(response) or not self._renew(token):
                break
            auth, token = self._auth(required=self.login_required)
            if origin(url) != origin(self.server):
                # Another thread has gone to another server, whose token this now is.
                break
        if response.status_code == 401:
            words = server_message(response)
            raise LoginError(
                f"{self.service} does not accept the credentials (status 401): {words} "
                f"{self._after_refusal()}",
                service=self.service,
                status=401,
                url=url,
                reason=words,
            )
        raise_for_status(response, self.service)
        # Only an answer to it shows that the server knows a token.
        if not isinstance(auth, NoAuth):
            self._accepted_token = token or self._accepted_token
        return response, token

    def _worth_renewing(self, response: requests.Response) -> bool:
        """Return whether a 401 speaks of the token, and not of what was asked for."""
        return True

    def _decode(self, response: requests.Response, decode: Callable, *, content: str = "JSON"):
        """Decode an answer that must be of a kind; say whose it was when it is not."""
        place = {"service": self.service, "status": response.status_code, "url": response.url}
        kind = response.headers.get("Content-Type", "")
        if content.lower() not in kind.lower():
            words = server_message(response)
            raise RemoteServiceError(
                f"{self.service} answered {response.url} with {kind or 'no content type'} instead "
                f"of {content}: {words} Is conf.server the address of its API?",
                reason=words,
                **place,
            )
        try:
            return decode(response.content)
        except (msgspec.ValidationError, TableParseError) as error:
            words = server_message(response)
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
    def _is_final(response: requests.Response) -> bool:
        """Return whether an answer of status 500 or more is a refusal, to be met again."""
        return False

    @staticmethod
    def _is_passing(response: requests.Response) -> bool:
        """Return whether an answer of status 400 to 499 is a failure that may pass."""
        return False

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

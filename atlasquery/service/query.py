"""The base class of all clients: the only code that sends a request."""

import contextlib
import hashlib
import inspect
import json
import os
import sqlite3
import time
from collections.abc import Callable, Container
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import urlsplit

import astropy.units as u
import msgspec
import requests
from astroquery import cache_conf

from atlasquery import __version__
from atlasquery.exceptions import LoginError, RemoteServiceError, TableParseError
from atlasquery.redaction import safe_text
from atlasquery.service.address import checked_address, is_local, origin, server_key
from atlasquery.service.astroquery_request import DAMAGED, AstroqueryRequests, QueryWithLogin
from atlasquery.service.cache import ResponseCache
from atlasquery.service.conf import ServiceConf
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

__all__ = ["Decoding", "Payload", "ServiceQuery", "one_or_all"]

#: What a query returns with ``get_query_payload``: a dict, or a list of them. It is Any, so that
#: the type of the query is that of its result.
Payload: TypeAlias = Any


class Decoding:
    """Decode a response while the request can still be repeated.

    Parameters
    ----------
    query : ServiceQuery
        Client that sends the request.
    decode : callable
        Takes the body, returns the result.
    content : str
        Text that the content type must contain.
    """

    def __init__(self, query: "ServiceQuery", decode: Callable, content: str):
        self._query, self._decode, self._content = query, decode, content
        self._response: requests.Response | None = None
        self._value: Any = None
        self._error: Exception | None = None

    def __call__(self, response: requests.Response) -> Exception | None:
        """Decode a response; return the error if it is damaged."""
        self._response, self._error = response, None
        try:
            self._value = self._query._decode(response, self._decode, content=self._content)
        except Exception as error:
            if self._is_damage(error, response):
                return error
            # A response, though not the expected one: `of` raises the error.
            self._error = error
        return None

    def _is_damage(self, error: Exception, response: requests.Response) -> bool:
        if not response.content:
            return isinstance(error, (RemoteServiceError, TableParseError))
        kind = response.headers.get("Content-Type", "").lower()
        if isinstance(error, RemoteServiceError):
            # A page of a proxy, or of a server that is starting, in place of data.
            return self._content.lower() not in kind
        if not isinstance(error, TableParseError):
            return False
        cause = error.__cause__
        if isinstance(cause, (msgspec.ValidationError, TableParseError)):
            return self._content == "JSON" and not _is_json(response.content)
        return isinstance(cause, DAMAGED)

    def of(self, response: requests.Response) -> Any:
        """Return the decoded response, or raise the error of decoding it.

        Parameters
        ----------
        response : `requests.Response`
            The response.

        Returns
        -------
        object
            The result of the decoder.
        """
        if response is not self._response and (damaged := self(response)):
            raise damaged
        if self._error is not None:
            raise self._error
        return self._value


def _is_json(body: bytes) -> bool:
    """Return whether a body is JSON, in which some servers write NaN and Infinity."""
    try:
        msgspec.json.decode(body)
    except DAMAGED:
        # The standard library reads these words.
        with contextlib.suppress(ValueError, RecursionError):
            json.loads(body)
            return True
        return False
    return True


# An hour and a few seconds: the server's clock starts when a request arrives.
QUOTA_WINDOW = 3605.0
# Other statuses count: docs/servers/atlas.rst, "100 requests an hour".
UNCOUNTED = (401, 403, 429)


class ServiceQuery(TokenLogin, AstroqueryRequests, QueryWithLogin):
    """Base of a client: astroquery's `~astroquery.query.QueryWithLogin`, made safe.

    In contrast to astroquery, responses are cached as data instead of
    pickles, separately for each account, and only those of reads; credentials are
    never in the cache or the log; redirects are not followed; every request has a
    time limit, and reads are repeated when the network fails.

    Parameters
    ----------
    server : str, optional
        The address of the server; the default comes from the environment
        variable ``ATLASQUERY_<SERVICE>_SERVER`` or ``conf.server``.
    """

    #: The name of the service in messages.
    service: str
    #: The full name of the service, for the metadata of results.
    title: str
    #: The start of the service's environment variables.
    environment: str
    #: The service's configuration.
    conf: ServiceConf
    #: Whether each request needs a login.
    login_required = True

    def __init__(self, server: str | None = None):
        super().__init__()
        self._server = server
        self._clock = Clock()
        # The tokens whose user is recorded in a ledger.
        self._joined: set[tuple] = set()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, TimedAdapter())
        # With session cookies, a server could send the response for one login to another.
        self._session.cookies.set_policy(DefaultCookiePolicy([], []))
        self._session.headers["User-Agent"] = (
            f"atlasquery/{__version__} {self._session.headers['User-Agent']}"
        )
        renew_in_child(self)

    def _renew_after_fork(self) -> None:
        """Replace the connections of the parent process; called in a forked child."""
        self._session = renewed_session(self._session)

    def __reduce__(self) -> tuple:
        # For spawned processes: credentials that can be found again there are not pickled.
        login = self._credentials
        if login and (login.source in FROM_USER or self._file_of_login):
            raise TypeError(
                f"the login of {self.name} came from {login.source} and is not pickled: log in "
                f"again in the other process, or set {self.environment}_TOKEN for all of them"
            )
        state = {name: vars(self)[name] for name in ("_cache_location", "_logged_out")}
        return type(self), (self._server,), state

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, method in list(vars(cls).items()):
            if inspect.isfunction(method) and not name.startswith("_"):
                checked = with_suggestions(method)
                # A method that is written as a function of a module is shown as a method.
                checked.__qualname__ = f"{cls.__qualname__}.{name}"
                setattr(cls, name, checked)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse unknown attributes, such as the ``TIMEOUT`` of astroquery's services."""
        ours = type(self).__module__.startswith("atlasquery.")
        unknown = not name.startswith("_") and name != "name" and not hasattr(type(self), name)
        # Subclasses outside the package may have other attributes.
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
        """The address of the server for the repr, which never raises."""
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
        """The directory of cached responses; assign another to move it."""
        return self._cache_location or cache_folder() / self.name

    @cache_location.setter
    def cache_location(self, location: str | os.PathLike) -> None:
        self._cache_location = Path(location).expanduser()

    def authenticated(self) -> bool:
        """Return whether there is a token that the server has not refused.

        Returns
        -------
        bool
            True once there are credentials, until `logout` or a refusal. A token given by
            the user is checked by the first query; the repr tells whether that has happened.
        """
        return self._authenticated

    def quota(self) -> Quota:
        """Return the requests that the account has left, of all processes of this user.

        Requests to a server on this machine are not counted, unless
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
        """Return the requests left of one of the account's limits."""
        _, token = self._auth(required=self.login_required)
        ledger, number = self._ledger(limit), 0 if self._uncounted else limit.number
        try:
            return ledger.quota(self._account(token, limit), number)
        except (sqlite3.Error, OSError) as error:
            warn_uncounted(ledger, error)
            return Quota(number, 0, number, None, (limit.window * u.s).to(u.h))

    @property
    def _uncounted(self) -> bool:
        # A server on this machine limits requests by its responses, if at all.
        return is_local(self.server) and not self.conf.limit_loopback

    def _limit(self, method: str) -> Limit:
        """Return the limit for requests with this method; a service may have several limits."""
        return Limit(self.conf.hourly_limit, QUOTA_WINDOW, uncounted=UNCOUNTED)

    def _ledger(self, limit: Limit) -> QuotaLedger:
        return QuotaLedger(cache_folder() / "quota.sqlite", window=limit.window, clock=self._clock)

    def _account(self, token: Secret | None, limit: Limit) -> str:
        def digest(identity: str) -> str:
            asked = f"{server_key(self.server)} {identity} {limit.kind}".strip()
            return hashlib.sha256(asked.encode()).hexdigest()

        login = self._credentials
        by_token = digest(token.fingerprint() if token else "anonymous")
        # Another thread may just have logged in as another user.
        if not login.username or login.token != token:
            return by_token
        # By name if it is known, since a new token does not reset the count.
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

    def _meta(self, when: float, **query: Any) -> dict[str, Any]:
        """Return the origin of a result, in values that every file format keeps."""
        return {
            "service": self.title,
            "server": self.server,
            "obtained": datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creator": f"atlasquery {__version__}",
            **query,
        }

    def clear_cache(self) -> None:
        """Remove all cached responses of this service."""
        self._store.clear()

    @property
    def _store(self) -> ResponseCache:
        return ResponseCache(self.cache_location)

    def _response_hook(self, response: requests.Response, *args: Any, **kwargs: Any) -> None:
        """Log nothing: astroquery's hook logs headers and bodies with their tokens.

        Redirects are refused here too, else astroquery would save their body as a file.
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
    ) -> tuple[Any, float]:
        """Read from the server, or from the cache if the response is recent enough.

        Parameters
        ----------
        path : str
            The endpoint below the server's address.
        payload : dict
            The parameters of the request.
        decode : callable
            Takes the body, returns the result. A response is cached only after it
            was decoded.
        lifetime : float
            Seconds for which a cached response is used.
        cache : bool, optional
            Whether to use and fill the cache; by default the value of
            ``astroquery.cache_conf.cache_active``.
        method : str, optional
            The HTTP method.
        divisible : bool, optional
            Whether the caller requests less, instead of the same again, after a
            status of 500 or a timeout.
        reconnect : bool, optional
            Whether such a request uses a separate connection.
        server : str, optional
            The address of another server of the service; by default `server`.
        content : str, optional
            Text that the content type of the response must contain.

        Returns
        -------
        decoded : object
            The result of `decode`.
        when : float
            The Unix time of the response.
        """
        sent: dict[str, Any] = {"params" if method == "GET" else "data": payload}
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
            # The decoder may fail for a response cached by another version or for another decoder.
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
            # With the token that was used, which may be a new one, by now even of another user.
            key = self._cache_key(method, url, payload, token)
            self._store.put(key, response.content, response.headers.get("Content-Type", ""))
        return decoded, time.time()

    def _count_unstored(self, path: str, payloads: list[dict], lifetime: float) -> int:
        """Return how many of these reads are not in the cache."""
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
        """Read from the server without the cache, such as the state of a queue.

        Parameters
        ----------
        path : str
            The endpoint below the server's address.
        params : dict, optional
            The query string.
        headers : dict, optional
            Headers in addition to ``Accept``.
        expected : container of int, optional
            Statuses from 300 to 399 that the caller handles.
        public : bool, optional
            Whether to send no credentials; the request is still counted.
        into : callable, optional
            Takes the response before its content is read; returns the file to write it to,
            or None to read it as usual.
        deadline : float, optional
            Time limit of the exchange in seconds, in place of ``conf.deadline``.
        damage : callable, optional
            Returns the error of a damaged response, as for `exchange`.

        Returns
        -------
        `requests.Response`
            The response, with a status below 300 or an expected one.
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
        **how: Any,
    ) -> tuple[Any, requests.Response]:  # fmt: skip
        """Read like `_ask`, decode the response, and repeat the request if it is damaged.

        Parameters
        ----------
        path, params : str, dict
            Endpoint and query string.
        decode : callable
            Takes the body, returns the result.
        content : str, optional
            Text that the content type of the response must contain.
        **how
            Other arguments of `_ask`.

        Returns
        -------
        decoded : object
            The result of `decode`; None for a response with an expected status.
        response : `requests.Response`
            The response.
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
        """Change something on the server: never cached, never repeated after a timeout."""
        signed = self._auth(required=self.login_required)
        body = {"json" if json else "data": payload}
        url = self.server + path
        return self._send(method, url, repeat=False, signed=signed, expected=expected, **body)

    def _post_unsigned(self, path: str, payload: dict) -> requests.Response:
        """Send a login: without credentials in the header, never cached or repeated.

        Leave the password in `payload` a `Secret`, so that no traceback shows it.
        """
        self._refuse_plain_http()
        return self._send(
            "POST", self.server + path, repeat=False, signed=(LoginForm(payload), None)
        )

    def _send(self, method: str, url: str, **request: Any) -> requests.Response:
        """Send a request signed with the login; renew an expired token once."""
        return self._send_signed(method, url, **request)[0]

    def _send_signed(
        self,
        method: str,
        url: str,
        *,
        repeat: bool,
        signed: tuple | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
        divisible: bool = False,
        reconnect: bool = True,
        **request: Any,
    ) -> tuple[requests.Response, Secret | None]:
        """Send like `_send`; return the response, and the token that was used."""
        auth, token = signed or self._auth(required=self.login_required)
        request.setdefault("headers", {"Accept": "application/json"})
        if divisible and reconnect:
            # A kept connection stays with one process of the server, and two connections may have
            # the same process, which handles them in turn; a new one gets an idle process.
            request["headers"] = {**request["headers"], "Connection": "close"}
        policy = Policy.from_conf(
            self.conf, timeout=timeout, deadline=deadline, divisible=divisible
        )
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
                # Another thread has changed the server, to which this token belongs.
                break
        if response.status_code == 401:
            raise self._refused_login(server_message(response), url)
        raise_for_status(response, self.service)
        # Only a successful response shows that the server accepts a token.
        if not isinstance(auth, NoAuth):
            self._accepted_token = token or self._accepted_token
        return response, token

    def _refused_login(self, message: str, url: str) -> LoginError:
        return LoginError(
            f"{self.service} does not accept the credentials (status 401): {message} "
            f"{self._after_refusal()}",
            service=self.service,
            status=401,
            url=url,
            reason=message,
        )

    def _worth_renewing(self, response: requests.Response) -> bool:
        """Return whether a status of 401 is due to the token, and not to the request."""
        return True

    def _decode(
        self, response: requests.Response, decode: Callable, *, content: str = "JSON"
    ) -> Any:
        """Decode a response of an expected content type; errors name its address."""
        about: dict[str, Any] = {
            "service": self.service,
            "status": response.status_code,
            "url": response.url,
        }
        kind = response.headers.get("Content-Type", "")
        if content.lower() not in kind.lower():
            message = server_message(response)
            raise RemoteServiceError(
                f"{self.service} answered {response.url} with {kind or 'no content type'} instead "
                f"of {content}: {message} Is conf.server the address of its API?",
                reason=message,
                **about,
            )
        try:
            return decode(response.content)
        except (*DAMAGED, TableParseError) as error:
            unexpected = isinstance(error, (msgspec.ValidationError, TableParseError))
            # A body that is not JSON is damaged, whatever its decoder met first.
            if unexpected and (content != "JSON" or _is_json(response.content)):
                message = server_message(response)
                raise TableParseError(
                    f"{self.service} answered {response.url} with an unexpected response "
                    f"({error}): {message}",
                    reason=message,
                    **about,
                ) from error
            raise TableParseError(
                f"{self.service} answered {response.url} with JSON that is incomplete or damaged "
                f"({error}). Try again.",
                reason=str(error),
                **about,
            ) from error

    def _cache_key(self, method: str, url: str, payload: object, token: Secret | None) -> str:
        identity = token.fingerprint() if token else "anonymous"
        return self._store.key(method, url, None, payload, identity)

    @staticmethod
    def _is_final(response: requests.Response) -> bool:
        """Return whether a response of status 500 or higher is final, so not to be repeated."""
        return False

    @staticmethod
    def _is_passing(response: requests.Response) -> bool:
        """Return whether a response of status 400 to 499 is a temporary failure."""
        return False

    @staticmethod
    def _shorter(lifetime: float) -> float:
        """Return a lifetime limited by the general setting of astroquery."""
        general = cache_conf.cache_timeout
        return lifetime if general is None else min(lifetime, general)

    def _refuse_plain_http(self) -> None:
        """Refuse to send credentials unencrypted over a network."""
        server = self.server
        plain = urlsplit(server).scheme != "https"
        if plain and not is_local(server) and not self.conf.allow_http:
            raise LoginError(
                f"Credentials are not sent to {server} without encryption. Use https, or set "
                "conf.allow_http if you trust the network.",
                service=self.service,
                url=server,
            )


def one_or_all(payloads: list) -> Payload:
    """Return the payload of a query that sends one request, else the list of all of them.

    Parameters
    ----------
    payloads : list of dict
        What the query sends.

    Returns
    -------
    dict or list of dict
        For ``get_query_payload``.
    """
    return payloads[0] if len(payloads) == 1 else payloads

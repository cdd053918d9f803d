"""The base class of all services: the only code that sends a request."""

import inspect
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import requests
from astropy.config import paths
from astroquery import cache_conf
from astroquery.query import QueryWithLogin

from atlasquery import __version__
from atlasquery.exceptions import LoginError, RemoteServiceError, TableParseError
from atlasquery.service.inputs import with_suggestions
from atlasquery.service.login import TokenLogin
from atlasquery.service.secrets import NoAuth
from atlasquery.service.store import ResponseStore
from atlasquery.service.transport import (
    Policy,
    exchange,
    is_local,
    refuse_status,
    server_words,
)

__all__ = ["ServiceQuery"]

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
        login = "logged in" if self._authenticated else "not logged in"
        return f"<{type(self).__name__} at {self.server}, {login}>"

    @property
    def server(self) -> str:
        """The address of the server, ending in a slash; read when it is used."""
        address = self._server or os.environ.get(f"{self.environment}_SERVER") or self.conf.server
        return address.rstrip("/") + "/"

    @property
    def cache_location(self) -> Path:
        """The directory of stored answers; assign another to move it."""
        return self._cache_location or Path(paths.get_cache_dir(), "atlasquery", self.name)

    @cache_location.setter
    def cache_location(self, location: str | os.PathLike) -> None:
        self._cache_location = Path(location)

    def authenticated(self) -> bool:
        """Return whether there is a token that the server has not refused."""
        return self._authenticated

    def clear_cache(self) -> None:
        """Remove all stored answers of this service."""
        self._store.clear()

    @property
    def _store(self) -> ResponseStore:
        return ResponseStore(self.cache_location)

    def _response_hook(self, response, *args, **kwargs) -> None:
        """Log nothing here: astroquery's hook writes headers and bodies, tokens and all."""

    def _read(
        self,
        path: str,
        payload: dict,
        *,
        decode: Callable,
        lifetime: float,
        cache: bool | None = None,
        method: str = "POST",
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

        Returns
        -------
        decoded : object
            What `decode` returned.
        when : float
            The Unix time at which the server answered.
        """
        url = self.server + path
        sent = {"params" if method == "GET" else "data": payload}
        auth, token = self._auth(required=self.login_required)
        cache = cache_conf.cache_active if cache is None else cache
        if cache:
            key = self._cache_key(method, url, payload, token)
            stored = self._store.get(key, self._shorter(lifetime))
            if stored is not None:
                return decode(stored[0]), stored[2]
        response = self._send(method, url, repeat=True, signed=(auth, token), **sent)
        decoded = self._decode(response, decode)
        if cache:
            if self._credentials.token != token:
                key = self._cache_key(method, url, payload, self._credentials.token)
            self._store.put(key, response.content, response.headers.get("Content-Type", ""))
        return decoded, time.time()

    def _write(self, path: str, payload: dict, *, method: str = "POST") -> requests.Response:
        """Change something on the server: never stored, never sent twice after a time-out."""
        return self._send(method, self.server + path, repeat=False, data=payload)

    def _post_unsigned(self, path: str, payload: dict) -> requests.Response:
        """Send a login: without credentials in the header, never stored or repeated."""
        return self._send(
            "POST", self.server + path, repeat=False, signed=(NoAuth(), None), data=payload
        )

    def _send(
        self, method: str, url: str, *, repeat: bool, signed: tuple | None = None, **request
    ) -> requests.Response:
        """Send a request signed with the login; renew an expired token once."""
        auth, token = signed or self._auth(required=self.login_required)
        request.setdefault("headers", {"Accept": "application/json"})
        for renewed in (False, True):
            response = exchange(
                self._session,
                self.service,
                Policy.from_conf(self.conf),
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
                f"{self.service} does not accept the credentials: {words} {self._after_refusal()}",
                service=self.service,
                status=401,
                url=url,
                reason=words,
            )
        refuse_status(response, self.service)
        return response

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
        except msgspec.ValidationError as error:
            words = server_words(response)
            raise TableParseError(
                f"{self.service} answered {response.url} with something else than expected "
                f"({error}): {words}",
                reason=words,
                **place,
            ) from error
        except msgspec.DecodeError as error:
            raise TableParseError(
                f"{self.service} answered {response.url} with JSON that breaks off or is damaged "
                f"({error}). Try again.",
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
        if server.startswith("http:") and not is_local(server) and not self.conf.allow_http:
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

        The signature is astroquery's. Only GET requests without own
        credentials are stored; redirects are refused whatever
        ``allow_redirects`` says; a stream arrives whole.
        """
        if save:
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
                auth=auth,
                continuation=continuation,
                json=json,
                allow_redirects=False,
                return_response_on_save=return_response_on_save,
            )
        reads = method.upper() in READS
        cache = cache_conf.cache_active if cache is None else cache
        cache = bool(cache and reads and auth is None)
        signed = (auth, None) if auth is not None else self._auth(required=False)
        if cache:
            asked = [params, data, json, headers]
            key = self._cache_key(method, url, asked, signed[1])
            stored = self._store.get(key, self._shorter(self.conf.cache_seconds))
            if stored is not None:
                return _as_response(method, url, *stored[:2])
        response = self._send(
            method,
            url,
            repeat=reads,
            signed=signed,
            params=params,
            data=data,
            headers=headers,
            files=files,
            verify=verify,
            json=json,
        )
        if cache:
            self._store.put(key, response.content, response.headers.get("Content-Type", ""))
        return response


def _as_response(method: str, url: str, body: bytes, content_type: str) -> requests.Response:
    """Return a stored answer as requests would have returned it."""
    response = requests.Response()
    response.status_code, response.reason, response.url = 200, "OK", url
    response.headers["Content-Type"] = content_type
    response._content, response._content_consumed = body, True
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.request = requests.Request(method, url).prepare()
    return response

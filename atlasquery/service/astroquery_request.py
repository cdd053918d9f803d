"""Requests as code written for astroquery's base class sends them, made safe."""

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec
import requests
from astroquery import cache_conf

from atlasquery.service.address import origin
from atlasquery.service.cache import as_response
from atlasquery.service.secrets import NoAuth

__all__ = ["DAMAGED", "AstroqueryRequests", "QueryWithLogin"]

if TYPE_CHECKING:
    from pathlib import Path

    from atlasquery.service.cache import ResponseCache
    from atlasquery.service.conf import ServiceConf
    from atlasquery.service.secrets import Secret

    class QueryWithLogin:
        """What is used here of astroquery's base class, which has no types."""

        name: str
        _authenticated: bool
        _cache_location: Path | None
        _session: requests.Session

        def __call__(self, *args: Any, **kwargs: Any) -> "QueryWithLogin":
            """Return another client."""
            ...

        def _request(
            self, method: str, url: str, *args: Any, **kwargs: Any
        ) -> requests.Response: ...

        def reset_cache_location(self) -> None:
            """Use the default folder again."""
            ...

    _Base = QueryWithLogin
else:
    from astroquery.query import QueryWithLogin

    _Base = object

# What msgspec raises for a text that is no JSON, no UTF-8, or nested without end.
DAMAGED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
READS = ("GET", "HEAD", "OPTIONS")


class AstroqueryRequests(_Base):
    """The ``_request`` of astroquery, through our store and with our login.

    This class comes before astroquery's base class in those of a client.
    """

    if TYPE_CHECKING:
        # ServiceQuery provides these.
        conf: ServiceConf
        cache_location: Path

        @property
        def server(self) -> str:
            """The address of the server."""
            ...

        @property
        def _store(self) -> ResponseCache: ...

        def _auth(self, *, required: bool) -> tuple[Any, Secret | None]: ...

        def _cache_key(
            self, method: str, url: str, payload: object, token: Secret | None
        ) -> str: ...

        def _send_signed(
            self, method: str, url: str, *, repeat: bool, **request: Any
        ) -> tuple[requests.Response, Secret | None]: ...

        @staticmethod
        def _shorter(lifetime: float) -> float: ...

    def _request(
        self,
        method: str,
        url: str,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        files: Any = None,
        save: bool = False,
        savedir: str = "",
        timeout: Any = None,
        cache: bool | None = None,
        stream: bool = False,
        auth: Any = None,
        continuation: bool = True,
        verify: bool = True,
        allow_redirects: bool = True,
        json: Any = None,
        return_response_on_save: bool = False,
    ) -> requests.Response:
        """Send a request as code written for astroquery's base class does.

        The signature is astroquery's. The token goes to the service's own server
        only. Only whole answers to GET requests without own credentials are
        stored, and no web pages; redirects are refused whatever
        ``allow_redirects`` says; a stream arrives whole.
        """
        signed = self._signed_for(url, auth)
        if hasattr(timeout, "to_value"):
            timeout = timeout.to_value("s")
        sent = {"params": params, "data": data, "headers": headers, "files": files, "json": json}
        if save:
            sent |= {"timeout": timeout or self.conf.timeout, "cache": bool(cache)}
            sent |= {"auth": signed[0], "continuation": continuation}
            sent |= {"return_response_on_save": return_response_on_save}
            return self._save_file(method, url, savedir, **sent)
        cache = cache_conf.cache_active if cache is None else cache
        # What HEAD and OPTIONS answer is in the headers, which are not stored.
        cache = bool(cache and method.upper() == "GET" and auth is None and files is None)
        if cache:
            asked = [params, data, json, headers, dict(self._session.headers)]
            key = self._cache_key(method, url, asked, signed[1])
            stored = self._store.get(key, self._shorter(self.conf.cache_seconds))
            if stored is not None:
                return as_response(method, url, *stored[:2])
        sent |= {"verify": verify, "timeout": timeout, "repeat": method.upper() in READS}
        response, token = self._send_signed(method, url, signed=signed, **sent)
        if cache and _is_whole(response):
            key = self._cache_key(method, url, asked, token)
            self._store.put(key, response.content, response.headers.get("Content-Type", ""))
        return response

    def _signed_for(self, url: str, auth: Any) -> tuple[Any, "Secret | None"]:
        """Return what signs a request, and the token of that: ours for our own server only."""
        if auth is not None:
            return auth, None
        if origin(url) == origin(self.server):
            return self._auth(required=False)
        return NoAuth(), None

    def _save_file(self, method: str, url: str, savedir: str, **sent: Any) -> requests.Response:
        """Let astroquery download a file, into a directory that is the user's alone."""
        if not savedir:
            self.cache_location.mkdir(mode=0o700, parents=True, exist_ok=True)
        return super()._request(
            method, url, save=True, savedir=savedir, allow_redirects=False, **sent
        )


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

"""Requests as code written for astroquery's base class sends them, made safe."""

import contextlib

import msgspec
import requests
from astroquery import cache_conf

from atlasquery.service.address import origin
from atlasquery.service.cache import as_response
from atlasquery.service.secrets import NoAuth

__all__ = ["DAMAGED", "AstroqueryRequests"]

# What msgspec raises for a text that is no JSON, no UTF-8, or nested without end.
DAMAGED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
READS = ("GET", "HEAD", "OPTIONS")


class AstroqueryRequests:
    """The ``_request`` of astroquery, through our store and with our login.

    A class of its own, which stands between a service and astroquery's base class.
    """

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

    def _signed_for(self, url: str, auth) -> tuple:
        """Return what signs a request, and the token of that: ours for our own server only."""
        if auth is not None:
            return auth, None
        if origin(url) == origin(self.server):
            return self._auth(required=False)
        return NoAuth(), None

    def _save_file(self, method: str, url: str, savedir: str, **sent):
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

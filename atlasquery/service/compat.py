"""Requests as code written for astroquery's base class sends them, made safe."""

import contextlib

import msgspec
import requests
from astroquery import cache_conf

from atlasquery.service.address import origin
from atlasquery.service.secrets import NoAuth
from atlasquery.service.store import as_response

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
        if auth is not None:
            signed = (auth, None)
        elif origin(url) == origin(self.server):
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
                return as_response(method, url, *stored[:2])
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

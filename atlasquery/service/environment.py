"""Proxies and certificates that requests reads from the environment, cached for a second.

requests reads all variables for each request, which takes as long as reading a short
response. Here each request reads only the relevant ones, and the rest is repeated when one of
them has changed, or after a second, since some systems configure proxies elsewhere too.
"""

import os
import time

import requests

from atlasquery.service.address import origin

__all__ = ["connection_settings"]

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
OTHERS = ("REQUEST_METHOD", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
VARIABLES = (*PROXIES, *map(str.upper, PROXIES), *OTHERS)
SECONDS = 1.0
# Largest number of cached settings; a program rarely uses so many servers.
MOST = 64
_known: dict[tuple, tuple[float, dict]] = {}


def connection_settings(
    session: requests.Session, url: str, *, direct: bool, verify: bool | str | None = None
) -> dict:
    """Return the proxy for a request, and how to check the certificate of the server.

    Parameters
    ----------
    session : `requests.Session`
        The session, whose settings are merged with those of the environment.
    url : str
        The address of the request.
    direct : bool
        Whether to use no proxy, whatever the environment says.
    verify : bool or str, optional
        The setting of the request for certificates.

    Returns
    -------
    dict
        Arguments of `requests.Session.send`: ``proxies``, ``stream``, ``verify``, ``cert``. Do
        not change it, since several requests use it.
    """
    variables = tuple(map(os.environ.get, VARIABLES)) if session.trust_env else None
    session_settings = (
        session.verify, session.cert, session.stream, tuple((session.proxies or {}).items()),
    )  # fmt: skip
    key = (origin(url), direct, verify, variables, session_settings)
    looked_up, settings = _known.get(key, (0.0, {}))
    now = time.monotonic()
    if not settings or now - looked_up > SECONDS:
        proxies = {"http": "", "https": ""} if direct else {}
        settings = session.merge_environment_settings(url, proxies, True, verify, None)
        if len(_known) >= MOST:
            _known.clear()
        _known[key] = now, settings
    return settings

"""What requests takes from the environment, proxies and certificates: looked up now and then.

requests looks through all variables for each request, which takes as long as to read a short
answer. Here each request looks at those that matter, and the rest is done again when one of
them has changed, or after a second: some systems have a proxy elsewhere too.
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
# More servers than these are not talked to by turns.
MOST = 64
_known: dict[tuple, tuple[float, dict]] = {}


def connection_settings(
    session: requests.Session, url: str, *, direct: bool, verify: bool | str | None = None
) -> dict:
    """Return through which proxy a request goes, and how the server's certificate is checked.

    Parameters
    ----------
    session : `requests.Session`
        The session, whose settings are merged with those of the environment.
    url : str
        The address that is asked.
    direct : bool
        Whether no proxy may be between us and the server, whatever the environment says.
    verify : bool or str, optional
        What the request itself says of certificates.

    Returns
    -------
    dict
        What `requests.Session.send` takes: ``proxies``, ``stream``, ``verify``, ``cert``. It is
        used by several requests, and not to be changed.
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

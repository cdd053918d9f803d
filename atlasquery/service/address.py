"""Addresses of servers: check, compare, and recognize those of this machine."""

import functools
import re
from urllib.parse import urlsplit

from atlasquery.exceptions import InvalidQueryError

__all__ = ["checked_address", "is_local", "origin", "server_key"]

LOOPBACK = re.compile(r"^(localhost|127(\.\d+){3}|\[?::1\]?)$")
PORTS = {"http": 80, "https": 443}
# Addresses, of requests too, that are remembered: each is taken apart several times.
REMEMBERED = 256


@functools.lru_cache(REMEMBERED)
def checked_address(address: str, whose: str) -> str:
    """Return the address of a server, with a slash at its end.

    Parameters
    ----------
    address : str
        As the user wrote it.
    whose : str
        What the address is, for the message: ``"the server of ATLAS"``.

    Returns
    -------
    str
        The address without surrounding spaces.

    Raises
    ------
    InvalidQueryError
        If it has a login, a query or a fragment, which the message does not show.
    """
    try:
        parts = urlsplit(address.strip())
        hidden = "@" in parts.netloc or bool(parts.query or parts.fragment)
        shown = f"{parts.scheme}://{parts.hostname}{parts.path}"
    except ValueError:
        hidden, shown = "@" in address, "it is not a valid one"
    if hidden:
        # The login would be shown wherever the address is shown.
        raise InvalidQueryError(
            f"{whose} should be an address without a login, a query or a fragment: {shown}"
        )
    return address.strip().rstrip("/") + "/"


@functools.lru_cache(REMEMBERED)
def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return what two addresses of one server have in common.

    Parameters
    ----------
    url : str
        An address.

    Returns
    -------
    tuple of (str, str or None, int or None)
        Scheme, host and port.
    """
    parts = urlsplit(url.strip())
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)


def server_key(server: str) -> str:
    """Return an identifier that is the same for all spellings of a server's address.

    Parameters
    ----------
    server : str
        An address.

    Returns
    -------
    str
        The address with the host in lower case, one name for this machine, and the port.
    """
    scheme, host, port = origin(server)
    host = "localhost" if is_local(server) else host
    return f"{scheme}://{host}:{port}{urlsplit(server.strip()).path.rstrip('/')}/"


@functools.lru_cache(REMEMBERED)
def is_local(url: str) -> bool:
    """Return whether an address is that of this machine.

    Parameters
    ----------
    url : str
        The address.

    Returns
    -------
    bool
        True for ``localhost`` and loopback addresses.
    """
    return bool(LOOPBACK.match(urlsplit(url).hostname or ""))

"""Tell a server that does not respond at all from one that is slow to respond to a request."""

import requests
import urllib3

from atlasquery.service.address import is_local
from atlasquery.service.deadline import deadline
from atlasquery.service.environment import connection_settings

__all__ = ["responds"]


def responds(session: requests.Session, address: str, seconds: float) -> bool:
    """Return whether a server sends anything, even an error, for a plain request.

    Parameters
    ----------
    session : `requests.Session`
        The connections.
    address : str
        The address of the server. No credentials are sent.
    seconds : float
        How long to wait.

    Returns
    -------
    bool
        True for a response of any status.
    """
    request = requests.Request("GET", address, headers={"Accept": "*/*"}).prepare()
    settings = connection_settings(session, address, direct=is_local(address)) | {"stream": True}
    try:
        with deadline(seconds):
            response = session.send(request, timeout=seconds, allow_redirects=False, **settings)
            response.close()
    except (OSError, urllib3.exceptions.HTTPError):
        return False
    return True

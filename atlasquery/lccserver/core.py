"""The class that users import: all queries to an LCC-Server."""

from atlasquery.lccserver.objects import ObjectQueries
from atlasquery.lccserver.region import RegionQueries

__all__ = ["LCCServer", "LCCServerClass"]


class LCCServerClass(RegionQueries, ObjectQueries):
    """Queries to an LCC-Server, which serves collections of light curves.

    Use the instance ``LCCServer``, or make one of your own for another server: anyone may run
    one. No login is needed; the key of an account is given with `login`.

    Parameters
    ----------
    server : str, optional
        The address of the server; by default what the environment variable
        ``ATLASQUERY_LCC_SERVER`` or ``atlasquery.lccserver.conf.server`` says.

    References
    ----------
    The LCC-Server, https://github.com/waqasbhatti/lcc-server: its API is described at
    ``/docs/api`` of each server.

    Examples
    --------
    >>> from atlasquery import LCCServer
    >>> found = LCCServer.query_criteria("sdssr < 13 & propermotion > 50", columns=["sdssr"])
    >>> bool((found["sdssr"] < 13).all())
    True
    """


#: The instance to use for a server from the configuration.
LCCServer = LCCServerClass()

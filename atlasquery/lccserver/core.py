"""The class that users import: all queries to an LCC-Server."""

from atlasquery.lccserver import datasets, lightcurves, objects, region, searches
from atlasquery.lccserver.base import LCCServerQuery

__all__ = ["LCCServer", "LCCServerClass"]


class LCCServerClass(LCCServerQuery):
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

    # region
    query_region = region.query_region
    crossmatch = region.crossmatch

    # searches
    query_criteria = searches.query_criteria
    query_text = searches.query_text
    fetch = searches.fetch

    # objects
    get_object = objects.get_object

    # lightcurves
    get_light_curve = lightcurves.get_light_curve
    get_light_curves = lightcurves.get_light_curves
    read = lightcurves.read

    # datasets
    list_collections = datasets.list_collections
    list_columns = datasets.list_columns
    list_datasets = datasets.list_datasets
    get_dataset = datasets.get_dataset


#: The instance to use for a server from the configuration.
LCCServer = LCCServerClass()

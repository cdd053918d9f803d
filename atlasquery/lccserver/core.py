"""The class that users import: all queries to an LCC-Server."""

from atlasquery.lccserver import catalogue, datasets, light_curves, objects, positions, searches
from atlasquery.lccserver.base import LCCServerQuery

__all__ = ["LCCServer", "LCCServerClass"]


class LCCServerClass(LCCServerQuery):
    """Queries to an LCC-Server, which serves collections of light curves.

    Use the instance ``LCCServer``, or create an `LCCServerClass` for another server: anyone may
    run one. No login is needed; the key of an account is given with `login`.

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

    # What the server holds: collections, and the columns to search by
    list_collections = catalogue.list_collections
    list_columns = catalogue.list_columns

    # Searches: by position, by columns, by text
    query_region = positions.query_region
    crossmatch = positions.crossmatch
    query_criteria = searches.query_criteria
    query_text = searches.query_text

    # Results: of a search that was started before, and those that the server keeps
    fetch = searches.fetch
    list_datasets = datasets.list_datasets
    get_dataset = datasets.get_dataset

    # Light curves, from the server or from a file
    get_light_curve = light_curves.get_light_curve
    get_light_curves = light_curves.get_light_curves
    read = light_curves.read

    # One object: catalogue entries, periods and pictures
    get_object = objects.get_object


#: The instance to use for a server from the configuration.
LCCServer = LCCServerClass()

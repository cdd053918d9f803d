"""The class that users import: all queries to the ATLAS Transient Server."""

from atlasquery.atlas.download import DownloadQueries
from atlasquery.atlas.lists import ListQueries
from atlasquery.atlas.name_search import NameQueries
from atlasquery.atlas.objects import ObjectQueries
from atlasquery.atlas.vra import VRAQueries
from atlasquery.atlas.writes import WriteQueries

__all__ = ["Atlas", "AtlasClass"]


class AtlasClass(
    DownloadQueries, NameQueries, WriteQueries, ListQueries, VRAQueries, ObjectQueries
):
    """Queries to the ATLAS Transient Server.

    Use the instance ``Atlas``, or make one of your own for a login or a
    server of its own. Access is granted case by case by the ATLAS team; to
    try things out without it, use `atlasquery.sandbox`.

    Parameters
    ----------
    server : str, optional
        The address of the API; by default what the environment variable
        ``ATLASQUERY_ATLAS_SERVER`` or ``atlasquery.atlas.conf.server`` says.

    References
    ----------
    Smith et al. 2020, PASP 132, 085002: Design and Operation of the ATLAS
    Transient Science Server.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> source = Atlas.get_source(found["atlas_id"][0])
    >>> len(source.light_curve) > 0
    True
    """


Atlas = AtlasClass()

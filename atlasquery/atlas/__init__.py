"""The ATLAS Transient Server: https://psweb.mp.qub.ac.uk/sne/atlas4/."""

from astropy import config as _config

from atlasquery.service import ServiceConf


class Conf(ServiceConf):
    """Configuration of the ATLAS Transient Server."""

    server = _config.ConfigItem(
        "https://psweb.mp.qub.ac.uk/sne/atlas4/api/",
        "Address of the API. Access is granted case by case, and other sites run servers too.",
    )
    object_seconds = _config.ConfigItem(
        600.0, "Seconds for which the stored data of an object are used again."
    )
    list_seconds = _config.ConfigItem(
        300.0, "Seconds for which a stored list is used again: lists change all the time."
    )
    max_region_requests = _config.ConfigItem(
        1000,
        "Largest number of searches that one region may take; a larger one is refused.",
        cfgtype="integer",
    )
    custom_lists = _config.ConfigItem(
        [],
        "Your names for custom lists, such as 'mylist=74, other=80': no endpoint tells them.",
        cfgtype="force_list",
    )
    hourly_limit = _config.ConfigItem(
        100, "Requests an hour that the server allows an account; 0 for no limit but its own word."
    )


conf: Conf = Conf()

from atlasquery.atlas.collection import Collection, SourceIterator  # noqa: E402
from atlasquery.atlas.core import Atlas, AtlasClass  # noqa: E402
from atlasquery.atlas.source import AtlasSource  # noqa: E402
from atlasquery.atlas.stored_light_curves import StoredLightCurves  # noqa: E402

__all__ = [
    "Atlas",
    "AtlasClass",
    "AtlasSource",
    "Collection",
    "Conf",
    "SourceIterator",
    "StoredLightCurves",
    "conf",
]

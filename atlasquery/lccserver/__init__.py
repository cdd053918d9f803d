"""LCC-Server, which serves collections of light curves: https://github.com/waqasbhatti/lcc-server."""

from astropy import config as _config

from atlasquery.service import ServiceConf


class Conf(ServiceConf):
    """Configuration of an LCC-Server, of which anyone may run one."""

    server = _config.ConfigItem(
        "https://data.hatsurveys.org/", "Address of the server; the default is that of HAT surveys."
    )
    max_rows = _config.ConfigItem(
        -1, "Largest number of rows that a search returns; -1 for all that the server sends."
    )
    max_wait = _config.ConfigItem(
        150.0,
        "Longest wait in seconds that a server may ask for before QuotaError is raised; an "
        "LCC-Server asks for 120.",
    )
    anonymous_per_minute = _config.ConfigItem(
        600,
        "Requests a minute, on average, that the server allows an anonymous key, wherever it is; 0 "
        "for a server that does not limit them (rate_limit_active is false in its site-info.json).",
    )
    account_per_minute = _config.ConfigItem(
        6000,
        "Requests a minute, on average, that the server allows an account's key, wherever it is; 0 "
        "for a server that does not limit them.",
    )
    list_seconds = _config.ConfigItem(
        300.0, "Seconds for which the cached response to a search is used."
    )
    max_region_requests = _config.ConfigItem(
        1000,
        "Largest number of searches that one region may take; a larger one is refused.",
        cfgtype="integer",
    )
    collection_seconds = _config.ConfigItem(
        3600.0, "Seconds for which the cached description of the collections is used."
    )
    dataset_seconds = _config.ConfigItem(
        86400.0, "Seconds for which a cached dataset, which does not change, is used."
    )
    light_curve_seconds = _config.ConfigItem(
        86400.0, "Seconds for which a cached file of a light curve is used."
    )
    zip_rows = _config.ConfigItem(
        400,
        "Light curves that are requested in one ZIP if a dataset has none; servers create none of "
        "more than 500.",
    )
    piece_bytes = _config.ConfigItem(1 << 23, "Bytes of a ZIP that are fetched in one request.")
    largest_zip = _config.ConfigItem(1 << 34, "Bytes of the largest ZIP that is fetched.")
    poll_seconds = _config.ConfigItem(
        2.0, "Seconds before the second request for a dataset that is not complete."
    )
    longest_poll = _config.ConfigItem(
        30.0, "Longest time in seconds between two requests for a dataset that is not complete."
    )
    wait_seconds = _config.ConfigItem(
        600.0, "Seconds to wait for work of the server in the background, if no timeout is given."
    )


conf: Conf = Conf()

from atlasquery.lccserver.core import LCCServer, LCCServerClass  # noqa: E402
from atlasquery.lccserver.queries import LCCQuery  # noqa: E402

__all__ = ["Conf", "LCCQuery", "LCCServer", "LCCServerClass", "conf"]

"""SkyPortal, a platform for time-domain astronomy: https://skyportal.io/.

======================== ===========================================================================
``core``                 The client: all methods in groups, each with the module that has it.
``base``                 Requests: the token, the pace, the envelope of responses, and errors.
``payloads``             From arguments to what is sent: values, criteria of searches.
``tables``               From what is received to tables: all columns, decoders, bands.
``reads``                The reads, a module for each thing that is read; pages, files, names.
``events``               Events of the General Coordinates Network, sky maps, galaxies.
``writes``               The writes, a module for each thing that is written.
``uploads``              Photometry and spectra: rows, requests, the outcome of each row, undo.
``any_route``            ``request``, for the routes without a method.
======================== ===========================================================================
"""

from astropy import config as _config

from atlasquery.service import ServiceConf


class Conf(ServiceConf):
    """Configuration of a SkyPortal instance: each survey runs its own."""

    server = _config.ConfigItem(
        "https://fritz.science/api/", "Address of the API of the instance, ending in /api/."
    )
    requests_per_second = _config.ConfigItem(
        5.0, "Requests a second that the server allows a token; 0 for no limit but the server's."
    )
    burst = _config.ConfigItem(
        5, "Requests that may follow one another at once; servers take 10, of all your programs."
    )
    limit_loopback = _config.ConfigItem(
        False, "Whether requests_per_second holds for a server on this machine too."
    )
    concurrency = _config.ConfigItem(
        4, "How many requests of one call are in progress at the same time.", cfgtype="integer"
    )
    max_rows = _config.ConfigItem(10000, "Rows that a query returns at most; -1 for all.")
    page_size = _config.ConfigItem(
        500, "Rows requested at once; servers cut sources at 500 silently."
    )
    object_seconds = _config.ConfigItem(
        300.0, "Seconds for which the cached data of an object are used again."
    )
    list_seconds = _config.ConfigItem(
        120.0, "Seconds for which a cached response to a search is used again."
    )
    max_region_requests = _config.ConfigItem(
        1000,
        "Largest number of searches that one region may take; a larger one is refused.",
        cfgtype="integer",
    )
    table_seconds = _config.ConfigItem(
        3600.0, "Seconds for which what seldom changes, such as instruments, is used again."
    )


conf: Conf = Conf()

from atlasquery.skyportal.core import SkyPortal, SkyPortalClass  # noqa: E402
from atlasquery.skyportal.reads.files import Picture  # noqa: E402
from atlasquery.skyportal.reads.spectra import Spectra, to_spectrum  # noqa: E402

__all__ = [
    "Conf",
    "Picture",
    "SkyPortal",
    "SkyPortalClass",
    "Spectra",
    "conf",
    "to_spectrum",
]

"""The ALeRCE broker of ZTF and LSST alerts: https://alerce.science/."""

from astropy import config as _config

from atlasquery.service import ServiceConf


class Conf(ServiceConf):
    """Configuration of the ALeRCE broker, whose services stand at several addresses."""

    server = _config.ConfigItem(
        "https://api.alerce.online/ztf/v1/", "Address of the ZTF API, version 1."
    )
    light_curve_server = _config.ConfigItem(
        "https://api.alerce.online/v2/lightcurve/",
        "Address of the second version of the light curves, which has ZTF's forced photometry.",
    )
    lsst_server = _config.ConfigItem(
        "https://api-lsst.alerce.online/", "Address of the API of several surveys, for LSST."
    )
    stamp_server = _config.ConfigItem(
        "https://avro.alerce.online/", "Address of ZTF's image stamps and alert packets."
    )
    catshtm_server = _config.ConfigItem(
        "https://catshtm.alerce.online/", "Address of the catalogues of catsHTM."
    )
    catshtm_catalogs = _config.ConfigItem(
        [],
        "Catalogues of catsHTM that its server has besides those known here.",
        cfgtype="force_list",
    )
    tap_server = _config.ConfigItem(
        "https://tap.alerce.online/", "Address of the service that takes queries in SQL."
    )
    routes = _config.ConfigItem(
        [],
        "Paths below these addresses in another deployment, such as 'objects=list/', by the names "
        "of atlasquery.alerce.base.ROUTES.",
        cfgtype="force_list",
    )
    max_rows = _config.ConfigItem(
        10000, "Largest number of objects that a query returns; -1 for all."
    )
    page_size = _config.ConfigItem(
        2000, "Objects requested at once; servers were seen to send 5000."
    )
    concurrency = _config.ConfigItem(
        8, "Number of requests of one call that run at the same time.", cfgtype="integer"
    )
    object_seconds = _config.ConfigItem(
        600.0, "Seconds for which the cached data of an object are used."
    )
    list_seconds = _config.ConfigItem(
        300.0, "Seconds for which the cached response to a search is used."
    )
    max_region_requests = _config.ConfigItem(
        1000,
        "Largest number of searches that one region may take; a larger one is refused.",
        cfgtype="integer",
    )
    classifier_seconds = _config.ConfigItem(
        86400.0, "Seconds for which the cached list of classifiers is used."
    )


conf: Conf = Conf()

from atlasquery.alerce.core import Alerce, AlerceClass  # noqa: E402

__all__ = ["Alerce", "AlerceClass", "Conf", "conf"]

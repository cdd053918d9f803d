"""Searches of all services at once, names, cross-matches, and rows inside sky maps."""

from astropy import config as _config

from atlasquery.service import ServiceConf


class Conf(ServiceConf):
    """Configuration of cross-matches with the catalogues of archives."""

    timeout = _config.ConfigItem(
        600.0, "Seconds to wait for a cross-match of one chunk of positions in an archive."
    )
    vizier_tap_server = _config.ConfigItem(
        "https://tapvizier.cds.unistra.fr/TAPVizieR/tap",
        "Address of the TAP service of VizieR.",
    )
    upload_rows = _config.ConfigItem(
        10_000, "Positions that are uploaded at once to a TAP service.", cfgtype="integer"
    )
    xmatch_rows = _config.ConfigItem(
        100_000, "Positions that are uploaded at once to CDS XMatch.", cfgtype="integer"
    )


conf = Conf()

from atlasquery.sky.crossmatch import crossmatch  # noqa: E402
from atlasquery.sky.find import find  # noqa: E402
from atlasquery.sky.findings import Findings  # noqa: E402
from atlasquery.sky.resolve import Resolved, resolve  # noqa: E402
from atlasquery.sky.within import within  # noqa: E402

__all__ = ["Conf", "Findings", "Resolved", "conf", "crossmatch", "find", "resolve", "within"]

"""The ATLAS forced photometry server: https://fallingstar-data.com/forcedphot/."""

from astropy import config as _config

from atlasquery.service import ServiceConf


class Conf(ServiceConf):
    """Configuration of the ATLAS forced photometry server."""

    server = _config.ConfigItem(
        "https://fallingstar-data.com/forcedphot/", "Address of the server; it has a path."
    )
    writes_per_minute = _config.ConfigItem(
        60, "Submissions and deletions a minute that the server allows an account."
    )
    reads_per_minute = _config.ConfigItem(600, "Reads a minute that the server allows an account.")
    on_quota = _config.ConfigItem(
        ["wait", "raise"], "What to do when no request is left in the minute."
    )
    max_wait = _config.ConfigItem(
        120.0, "Longest wait in seconds that a server may ask for before QuotaError is raised."
    )
    poll_seconds = _config.ConfigItem(
        15.0, "Seconds between two looks at the queue; a task takes about a minute."
    )
    settle_seconds = _config.ConfigItem(
        150.0,
        "Seconds after which a submission whose response was lost, and which is not in the queue, "
        "counts as not arrived.",
    )
    image_deadline = _config.ConfigItem(
        7200.0, "Seconds after which the download of a ZIP of images is aborted."
    )
    attempts_to_warn = _config.ConfigItem(
        3, "Attempts at a task after which it is named as one that blocks the queue."
    )
    attempts_to_stop = _config.ConfigItem(
        20, "Attempts at a task after which waiting for it is aborted."
    )
    detection_snr = _config.ConfigItem(
        5.0, "Signal to noise from which a measurement of a result file is a detection."
    )


conf: Conf = Conf()

from atlasquery.forcedphot.core import AtlasForced, AtlasForcedClass  # noqa: E402
from atlasquery.forcedphot.jobs import ForcedJobs  # noqa: E402

__all__ = ["AtlasForced", "AtlasForcedClass", "Conf", "ForcedJobs", "conf"]

"""The synthetic survey Tiny: an example of a new service."""

from astropy import config as _config

from atlasquery.service import ServiceConf


class Conf(ServiceConf):
    """Configuration of the survey Tiny."""

    server = _config.ConfigItem("https://tiny.example.org/api/", "Address of the API.")


conf = Conf()

# After conf, which these modules import.
from atlasquery.tinysurvey.core import TinySurvey, TinySurveyClass  # noqa: E402

__all__ = ["Conf", "TinySurvey", "TinySurveyClass", "conf"]

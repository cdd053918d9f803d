"""The only code that touches the network: requests, login, stored answers, pacing."""

from atlasquery.service.conf import ServiceConf
from atlasquery.service.query import ServiceQuery

__all__ = ["ServiceConf", "ServiceQuery"]

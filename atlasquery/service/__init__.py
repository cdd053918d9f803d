"""The only code that uses the network: requests, login, response cache, rate limits."""

from atlasquery.service.conf import ServiceConf
from atlasquery.service.query import ServiceQuery

__all__ = ["ServiceConf", "ServiceQuery"]

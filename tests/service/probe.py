"""A service of the least possible size, to test the floor that all services stand on."""

import msgspec
from astropy import config

from atlasquery.service import ServiceConf, ServiceQuery


class ProbeConf(ServiceConf):
    """Configuration of the probe."""

    server = config.ConfigItem("http://127.0.0.1:9/api/", "Address.")


class OtherConf(ServiceConf):
    """Configuration of another service, which must not share the probe's."""

    # A section of its own, as each service has by being a package of its own.
    __module__ = "probe.other"


conf = ProbeConf()
other_conf = OtherConf()


class ProbeClass(ServiceQuery):
    """A service named PROBE with one endpoint to read and one to write."""

    service = "PROBE"
    token_path = "auth-token/"
    environment = "ATLASQUERY_PROBE"
    conf = conf

    def __init__(self, server=None):
        super().__init__(server)
        self.name = "Probe"

    def read(self, path="things/", *, decode=msgspec.json.decode, cache=False, **payload):
        lifetime = self.conf.cache_seconds
        return self._read(path, payload, decode=decode, lifetime=lifetime, cache=cache)[0]

    def write(self, path="deeds/", **payload):
        return self._write(path, payload)


class OpenProbe(ProbeClass):
    """The same service for all comers."""

    login_required = False

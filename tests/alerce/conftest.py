"""A test server of ALeRCE for each test, and a client of it."""

import pytest
from addresses import configured
from astroquery import log

from atlasquery.alerce import AlerceClass, conf
from atlasquery.sandbox.alerce.server import AlerceSandbox


@pytest.fixture(scope="session")
def _double():
    with AlerceSandbox(seed=None) as double:
        yield double


@pytest.fixture
def double(_double):
    """The double, with nothing asked of it yet, and no faults."""
    _double.faults, _double.latency, _double.cap = {}, 0.0, None
    _double.received.clear()
    with configured(_double), conf.set_temp("backoff", 0.001):
        yield _double
    _double.faults, _double.latency, _double.cap = {}, 0.0, None


@pytest.fixture
def alerce(double, tmp_path):
    client = AlerceClass()
    client.cache_location = tmp_path / "answers"
    return client


@pytest.fixture
def samples(shared):
    """Recorded exchanges, as a function of their path."""
    return lambda path: (shared / "samples" / "alerce" / path).read_bytes()


@pytest.fixture(autouse=True)
def _log_level():
    level = log.level
    log.setLevel("INFO")
    yield
    log.setLevel(level)

"""A test server of SkyPortal for each test, and clients of it."""

import json

import pytest
from astroquery import log
from clocks import FastClock

from atlasquery.sandbox.skyportal.server import ADMIN, OTHER, READER, SkyPortalSandbox
from atlasquery.skyportal import SkyPortalClass, conf

# A second of pacing passes in five milliseconds.
CLOCK = FastClock(1.79e9, 200.0)


@pytest.fixture(scope="session")
def _double():
    with SkyPortalSandbox(clock=CLOCK.now) as double:
        yield double


@pytest.fixture
def double(_double):
    """The double, with an empty sky, nothing asked of it yet, and no faults."""
    _double.reset()
    with conf.set_temp("backoff", 0.001):
        yield _double
    _double.reset()


def client(double, tmp_path, token):
    skyportal_client = SkyPortalClass(server=double.url, token=token)
    skyportal_client.cache_location = tmp_path / "answers"
    skyportal_client._clock = CLOCK
    return skyportal_client


@pytest.fixture
def skyportal(double, tmp_path):
    """A client with all permissions."""
    return client(double, tmp_path, ADMIN)


@pytest.fixture
def reader(double, tmp_path):
    """A client whose token may only read."""
    return client(double, tmp_path, READER)


@pytest.fixture
def ordinary(double, tmp_path):
    """A client of another account, which may upload and is no administrator."""
    return client(double, tmp_path / "ordinary", OTHER)


@pytest.fixture
def anonymous(double, tmp_path):
    """A client without a token."""
    return client(double, tmp_path, None)


@pytest.fixture
def samples(shared):
    """Recorded exchanges, as a function of their name."""
    return lambda name: json.loads((shared / "samples" / "skyportal" / f"{name}.json").read_text())


@pytest.fixture(autouse=True)
def _log_level():
    level = log.level
    log.setLevel("INFO")
    yield
    log.setLevel(level)

"""All services on loopback, on one sky, as the sandbox serves them."""

import warnings

import pytest
from astropy.coordinates import SkyCoord
from clocks import JumpingClock

from atlasquery.alerce import Alerce
from atlasquery.atlas import Atlas, AtlasClass
from atlasquery.forcedphot import AtlasForced, AtlasForcedClass
from atlasquery.lccserver import LCCServer, LCCServerClass
from atlasquery.skyportal import SkyPortal, SkyPortalClass

STATE = ("_credentials", "_authenticated", "_logged_out", "_server", "_cache_location")


@pytest.fixture(scope="session")
def _sandbox():
    pytest.importorskip("werkzeug", reason="the sandbox extra is not installed")
    from atlasquery.sandbox import Sandbox

    with Sandbox(services=["atlas", "alerce", "lccserver", "skyportal"]) as box:
        yield box


@pytest.fixture
def servers(_sandbox, monkeypatch):
    """All services, configured by their environment variables, without faults."""
    from atlasquery.sandbox.skyportal.one_sky import add_one_sky

    box = _sandbox
    box.alerce.faults, box.alerce.latency = {}, 0.0
    box.alerce.received.clear()
    box.atlas.clear_requests()
    box.skyportal.reset()
    if not box.skyportal.state.objects:
        add_one_sky(box.skyportal.state)
    for name, value in box.environment().items():
        monkeypatch.setenv(name, value)
    for client, kind in (
        (Atlas, AtlasClass), (LCCServer, LCCServerClass), (SkyPortal, SkyPortalClass),
        (AtlasForced, AtlasForcedClass),
    ):  # fmt: skip
        for name in STATE:
            monkeypatch.setattr(client, name, getattr(kind(), name))
    monkeypatch.setattr(LCCServer, "_anonymous", None)
    yield box
    Alerce.clear_cache()


@pytest.fixture
def position():
    """The position of the supernova."""
    from supernova import DEC, RA

    return SkyCoord(RA, DEC, unit="deg")


@pytest.fixture
def forced(monkeypatch):
    """The forced photometry server, on a clock that jumps over the minutes of a task."""
    from atlasquery.sandbox.forcedphot.server import ForcedSandbox

    with ForcedSandbox(JumpingClock()) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(AtlasForced, "_clock", server.clock)
        yield server


@pytest.fixture
def quiet():
    """Ignore warnings, in tests of something else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

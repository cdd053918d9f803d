"""All services on loopback, with one supernova that each of them has."""

import warnings
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from astropy.coordinates import SkyCoord
from clocks import JumpingClock
from supernova import DEC, RA, ZTF

from atlasquery.alerce import Alerce
from atlasquery.atlas import Atlas, AtlasClass
from atlasquery.forcedphot import AtlasForced, AtlasForcedClass
from atlasquery.lccserver import LCCServer, LCCServerClass
from atlasquery.sandbox.alerce.server import AlerceSandbox
from atlasquery.sandbox.forcedphot.server import ForcedSandbox
from atlasquery.sandbox.lccserver.files import Files
from atlasquery.sandbox.lccserver.server import LCCSandbox
from atlasquery.sandbox.skyportal.server import ADMIN, SkyPortalSandbox
from atlasquery.skyportal import SkyPortal, SkyPortalClass

STATE = ("_credentials", "_authenticated", "_logged_out", "_server", "_cache_location")


@pytest.fixture(scope="session")
def _servers():
    pytest.importorskip("werkzeug", reason="the sandbox extra is not installed")
    from atlasquery.sandbox import Sandbox

    with ExitStack() as stack:
        box = stack.enter_context(Sandbox())
        atlas_id = box.add_object(RA, DEC, name="ATLAS26xyz", tns_name="2026xyz")
        lcc = stack.enter_context(LCCSandbox())
        Files(lcc)
        yield SimpleNamespace(
            atlas=box, atlas_id=atlas_id, lcc=lcc,
            alerce=stack.enter_context(AlerceSandbox()),
            skyportal=stack.enter_context(SkyPortalSandbox()),
        )  # fmt: skip


@pytest.fixture
def servers(_servers, monkeypatch):
    """All services, configured by their environment variables, without faults."""
    sky = _servers
    sky.alerce.faults, sky.alerce.latency = {}, 0.0
    sky.alerce.received.clear()
    sky.atlas.clear_requests()
    sky.skyportal.reset()
    sky.skyportal.sky.add_source(
        ZTF, RA + 0.2 / 3600, DEC, tns_name="SN 2026xyz", alias=["ATLAS26xyz"], origin="ZTF"
    )
    for n in range(12):
        sky.skyportal.sky.add_point(ZTF, 61300.25 + n, "ztfr", 300.0 + n, 10.0, instrument_id=2)
    environment = sky.atlas.environment() | {
        "ATLASQUERY_LCC_SERVER": sky.lcc.url,
        "ATLASQUERY_SKYPORTAL_SERVER": sky.skyportal.url,
        "ATLASQUERY_SKYPORTAL_TOKEN": ADMIN,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for client, kind in (
        (Atlas, AtlasClass), (LCCServer, LCCServerClass), (SkyPortal, SkyPortalClass),
        (AtlasForced, AtlasForcedClass),
    ):  # fmt: skip
        for name in STATE:
            monkeypatch.setattr(client, name, getattr(kind(), name))
    monkeypatch.setattr(LCCServer, "_anonymous", None)
    with sky.alerce.configured():
        yield sky
    Alerce.clear_cache()


@pytest.fixture
def position():
    """The position of the supernova."""
    return SkyCoord(RA, DEC, unit="deg")


@pytest.fixture
def forced(monkeypatch):
    """The forced photometry server, on a clock that jumps over the minutes of a task."""
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

"""A double of the server, and clients of it whose clock jumps."""

import pytest
from astropy.config import set_temp_cache, set_temp_config
from clocks import JumpingClock

from atlasquery.forcedphot import AtlasForcedClass, conf
from atlasquery.sandbox.forcedphot.server import ForcedSandbox


@pytest.fixture(autouse=True)
def clean(tmp_path):
    """Give each test directories of its own, no patience, and limits on this machine too."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "config").mkdir()
    with (
        set_temp_cache(str(tmp_path / "cache")),
        set_temp_config(str(tmp_path / "config")),
        conf.set_temp("limit_loopback", True),
        conf.set_temp("timeout", 60.0),
    ):
        yield


@pytest.fixture
def clock():
    return JumpingClock()


@pytest.fixture
def double(clock):
    with ForcedSandbox(clock) as server:
        yield server


@pytest.fixture
def make(double, tmp_path):
    """Make a client of the double, logged in as one of its users."""

    def client(user="alice", token=None):
        made = AtlasForcedClass(double.url)
        made._clock = double.clock
        made.cache_location = tmp_path / "answers"
        made.login(token=token or double.users[user].token)
        return made

    return client


@pytest.fixture
def forced(make):
    return make()

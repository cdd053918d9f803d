"""Fixtures of the tests of the service floor: a faulty server, a probe, clean surroundings."""

import keyring
import pytest
from astropy.config import set_temp_cache, set_temp_config
from astroquery import cache_conf
from faults import Accounts, FaultyServer
from keyrings import MemoryKeyring
from probe import OpenProbe, ProbeClass, conf


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    """Give each test directories, an environment and a keyring of its own, and no patience."""
    for name in ("TOKEN", "USERNAME", "PASSWORD", "SERVER"):
        monkeypatch.delenv(f"ATLASQUERY_PROBE_{name}", raising=False)
        monkeypatch.delenv(f"ATLASQUERY_ATLAS_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    before = keyring.get_keyring()
    keyring.set_keyring(MemoryKeyring())
    (tmp_path / "cache").mkdir()
    (tmp_path / "config").mkdir()
    with (
        set_temp_cache(str(tmp_path / "cache")),
        set_temp_config(str(tmp_path / "config")),
        cache_conf.set_temp("cache_active", True),
        conf.set_temp("timeout", 30.0),
        conf.set_temp("backoff", 0.001),
        conf.set_temp("retries", 2),
    ):
        yield
    keyring.set_keyring(before)


@pytest.fixture
def vault():
    """The keyring of this test."""
    return keyring.get_keyring().kept


@pytest.fixture
def faulty():
    """A server that answers as scripted."""
    server = FaultyServer()
    yield server
    server.stop()


@pytest.fixture
def elsewhere():
    """Another server on another port, which should be left alone."""
    server = FaultyServer()
    yield server
    server.stop()


@pytest.fixture
def accounts(faulty):
    """Users with passwords at the server."""
    faulty.default = Accounts(alice="alice-hunter2-pw", bob="bob-swordfish-pw")
    return faulty.default


@pytest.fixture
def probe(faulty):
    """A client that is logged in by a token."""
    client = ProbeClass(faulty.url)
    client.login(token="t0ken" + "5ecret" * 5)
    return client


@pytest.fixture
def anonymous(faulty):
    """A client of a service that needs no login."""
    return OpenProbe(faulty.url)

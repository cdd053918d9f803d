"""Fixtures shared by the whole suite: the servers that contract tests run against."""

import json
import os
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

import keyring
import keyring.backends.null
import pytest
from astropy.config import paths
from hypothesis import settings
from reduced_folder import write_folder

# An example takes as long as the machine lets it.
settings.register_profile("unhurried", parent=settings(), deadline=None)
settings.load_profile("unhurried")

# A shell without job control starts what is in the background deaf to Ctrl-C, which is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

NO_REAL_SERVER = "none; set ATLASQUERY_TEST_ATLAS_URL and ATLASQUERY_TEST_ATLAS_MANIFEST"
NO_REAL_LCC = "none; set ATLASQUERY_TEST_LCC_URL"
NO_SHARED = "none; put the folder shared/ beside the checkout, or set ATLASQUERY_SHARED"
# Credentials and servers of whoever runs the tests.
OWN = tuple(f"ATLASQUERY_{name}_" for name in ("ATLAS", "FORCED", "ALERCE", "LCC", "SKYPORTAL"))
SHARED = Path(os.environ.get("ATLASQUERY_SHARED", Path(__file__).parents[2] / "shared"))


def pytest_report_header():
    """Say what this run can and cannot test."""
    real = os.environ.get("ATLASQUERY_TEST_ATLAS_URL")
    return [
        f"real ATLAS server: {real or NO_REAL_SERVER}",
        f"real LCC-Server: {os.environ.get('ATLASQUERY_TEST_LCC_URL') or NO_REAL_LCC}",
        f"recorded exchanges and real data: {'present' if SHARED.is_dir() else NO_SHARED}",
    ]


# Fixtures that are, or have, a real server.
REAL = {"real_server", "real_url", "slow_url", "_real"}


def pytest_collection_modifyitems(items):
    """Mark what needs a real server, so that it can be run without all else."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        server = parameters.params.get("server") if parameters else None
        if server == "real" or REAL & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.real_server)


@pytest.fixture(scope="session", autouse=True)
def _nobody(tmp_path_factory):
    """Run the suite as a user without a cache, a configuration or credentials."""
    previous = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.null.Keyring())
    own = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(OWN)}
    with (
        paths.set_temp_cache(tmp_path_factory.mktemp("cache")),
        paths.set_temp_config(tmp_path_factory.mktemp("config")),
    ):
        yield
    os.environ.update(own)
    keyring.set_keyring(previous)


@pytest.fixture(autouse=True)
def _own_cache(_nobody):
    """Give each test a cache of its own.

    Requests are counted, and tokens and answers kept, by the address of the server, and the
    system gives the port of a server that has ended to a later one.
    """
    with tempfile.TemporaryDirectory() as folder, paths.set_temp_cache(folder):
        yield


@dataclass(frozen=True)
class Server:
    """An ATLAS API to test against, with the ids and accounts it was seeded with."""

    name: str
    url: str
    manifest: dict

    def token(self, user):
        return self.manifest["users"][user]["token"]

    def password(self, user):
        return self.manifest["users"][user]["password"]

    def ids(self, topic):
        return [int(i) for i in self.manifest["ids"][topic]]


@pytest.fixture(scope="session")
def sandbox():
    """The embedded server, started once for the tests that only read."""
    pytest.importorskip("werkzeug", reason="the sandbox extra is not installed")
    from atlasquery.sandbox import Sandbox

    with Sandbox() as box:
        yield box


@pytest.fixture(scope="session")
def real_server():
    """The real ATLAS server, when one was started for the tests."""
    url = os.environ.get("ATLASQUERY_TEST_ATLAS_URL")
    manifest = os.environ.get("ATLASQUERY_TEST_ATLAS_MANIFEST")
    if not url or not manifest:
        pytest.skip(f"real ATLAS server: {NO_REAL_SERVER}")
    return Server("real", url, json.loads(Path(manifest).read_text()))


@pytest.fixture(scope="session", params=["sandbox", "real"])
def server(request):
    """Each ATLAS server in turn: what holds for one must hold for the other."""
    if request.param == "real":
        return request.getfixturevalue("real_server")
    box = request.getfixturevalue("sandbox")
    return Server("sandbox", box.url, box.manifest)


@pytest.fixture(scope="session")
def recorded():
    """The folder of recorded exchanges and real data, where it is present."""
    if not SHARED.is_dir():
        pytest.skip(f"recorded exchanges and real data: {NO_SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def _reduced(tmp_path_factory, sandbox):
    folder = tmp_path_factory.mktemp("reduced")
    write_folder(folder, sandbox)
    return folder


# Who does not have the recorded exchanges does not see that they are left out.
@pytest.fixture(scope="session", params=["reduced", *(["recorded"] if SHARED.is_dir() else [])])
def shared(request):
    """A folder of exchanges and data: reduced ones with synthetic values, and the recorded ones."""
    return request.getfixturevalue("_reduced" if request.param == "reduced" else "recorded")

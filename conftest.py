"""Run the examples of the documentation and of the docstrings against the embedded sandbox."""

import importlib.util
import re
from pathlib import Path

import pytest
from _pytest.doctest import DoctestItem


def _missing(*modules):
    return any(importlib.util.find_spec(module) is None for module in modules)


# Several files of one name cannot be imported for their examples, of which they have none.
collect_ignore_glob = ["tests/*conftest.py", "docs/_ext/*", "docs/_build/*", "docs/api/*"]
# The example of a new service, which belongs into the package.
collect_ignore_glob.append("docs/new_survey/*")
# What cannot be imported without an extra has no examples to run without it.
if _missing("click"):
    collect_ignore_glob.append("atlasquery/cli/*")
if _missing("cheroot", "werkzeug"):
    collect_ignore_glob.append("atlasquery/sandbox/*")
if _missing("plotly"):
    collect_ignore_glob.append("atlasquery/lightcurve/interactive.py")


def _sandbox(module):
    """Import a server of the sandbox, or skip the example that needs it."""
    return pytest.importorskip(
        f"atlasquery.sandbox.{module}", reason="examples need the sandbox", exc_type=ImportError
    )


@pytest.fixture(scope="session")
def _example_server():
    """Start the sandbox that all examples ask, for the first of them."""
    try:
        from atlasquery.sandbox import Sandbox
    except ImportError as error:
        pytest.skip(f"examples need the sandbox ({error}): pip install 'atlasquery[sandbox]'")
    with Sandbox() as box:
        yield box


@pytest.fixture(scope="session")
def _example_cache(tmp_path_factory):
    """Share a cache between examples: most ask for the same object."""
    return tmp_path_factory.mktemp("examples") / "cache"


@pytest.fixture(autouse=True)
def _example(request):
    """Give an example a server, a login, and directories of its own; leave tests alone."""
    if isinstance(request.node, DoctestItem):
        request.getfixturevalue("_example_user")
        if re.search(r"\b(find|resolve)\(", request.node.dtest.docstring):
            request.getfixturevalue("_example_sky")
            return
        if "AtlasForced" in request.node.dtest.docstring:
            request.getfixturevalue("_example_forced")
        if "Alerce" in request.node.dtest.docstring:
            request.getfixturevalue("_example_alerce")
        if "LCCServer" in request.node.dtest.docstring:
            request.getfixturevalue("_example_lcc")
        if "SkyPortal" in request.node.dtest.docstring:
            request.getfixturevalue("_example_skyportal")
        if "TinySurvey" in request.node.dtest.docstring:
            request.getfixturevalue("_example_new_survey")


@pytest.fixture(scope="session")
def _sky():
    """Start all services on one sky, for the first example that asks them together."""
    _sandbox("sandbox")
    from atlasquery.sandbox import Sandbox

    with Sandbox(services=["atlas", "alerce", "lccserver", "skyportal"]) as box:
        yield box


@pytest.fixture
def _example_sky(_example_user, _example_lcc, _sky, monkeypatch):
    """Let an example ask all services, which have the same objects."""
    from atlasquery.sandbox.skyportal.one_sky import add_one_sky
    from atlasquery.skyportal import SkyPortal, SkyPortalClass

    if not _sky.skyportal.state.objects:
        add_one_sky(_sky.skyportal.state)
    for name, value in _sky.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("_credentials", "_authenticated", "_logged_out", "_server"):
        monkeypatch.setattr(SkyPortal, name, getattr(SkyPortalClass(), name))


@pytest.fixture
def _example_forced(_example_user, monkeypatch):
    """Give an example a double of the forced photometry server, on a clock that jumps."""
    servers = _sandbox("forcedphot.server")
    from clocks import JumpingClock

    from atlasquery.forcedphot import AtlasForced, AtlasForcedClass

    with servers.ForcedSandbox(JumpingClock()) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        for name in ("_credentials", "_authenticated", "_logged_out", "_server", "_cache_location"):
            monkeypatch.setattr(AtlasForced, name, getattr(AtlasForcedClass(), name))
        monkeypatch.setattr(AtlasForced, "_clock", server.clock)
        yield server


@pytest.fixture(scope="session")
def _alerce_double():
    """Start the double of ALeRCE's servers, for the first example that asks it."""
    servers = _sandbox("alerce.server")
    with servers.AlerceSandbox() as double:
        yield double


@pytest.fixture
def _example_alerce(_example_user, _alerce_double, monkeypatch):
    """Let an example ask the double of ALeRCE's servers."""
    for name, value in _alerce_double.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def _lcc_double():
    """Start the double of an LCC-Server, for the first example that asks it."""
    servers = _sandbox("lccserver.server")

    with servers.LCCSandbox() as double:
        yield double


@pytest.fixture(scope="session")
def _skyportal_double():
    """Start the double of a SkyPortal instance, for the first example that asks it."""
    servers = _sandbox("skyportal.server")
    with servers.SkyPortalSandbox() as double:
        yield double


@pytest.fixture
def _example_lcc(_example_user, _lcc_double, monkeypatch):
    """Let an example ask the double of an LCC-Server, without a login of an earlier one."""
    from atlasquery.lccserver import LCCServer, LCCServerClass

    monkeypatch.setenv("ATLASQUERY_LCC_SERVER", _lcc_double.url)
    for name in ("_credentials", "_authenticated", "_logged_out", "_server", "_anonymous"):
        monkeypatch.setattr(LCCServer, name, getattr(LCCServerClass(), name))
    yield _lcc_double


@pytest.fixture
def _example_skyportal(_example_user, _skyportal_double, tmp_path, monkeypatch):
    """Give an example a SkyPortal as it was before the others wrote to it."""
    from atlasquery.sandbox.skyportal.example import fill
    from atlasquery.sandbox.skyportal.server import ADMIN
    from atlasquery.skyportal import SkyPortal, SkyPortalClass

    _skyportal_double.reset()
    fill(_skyportal_double.state)
    monkeypatch.setenv("ATLASQUERY_SKYPORTAL_SERVER", _skyportal_double.url)
    monkeypatch.setenv("ATLASQUERY_SKYPORTAL_TOKEN", ADMIN)
    for name in ("_credentials", "_authenticated", "_logged_out", "_server"):
        monkeypatch.setattr(SkyPortal, name, getattr(SkyPortalClass(), name))
    monkeypatch.setattr(SkyPortal, "_cache_location", tmp_path / "skyportal")


@pytest.fixture
def _example_new_survey(_example_user, monkeypatch):
    """Give the design page its new survey, as if it were a folder of the package."""
    import atlasquery

    folder = Path(__file__).parent / "docs" / "new_survey"
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(atlasquery, "__path__", [*atlasquery.__path__, str(folder)])
    import tiny_server

    server = tiny_server.start()
    monkeypatch.setenv("ATLASQUERY_TINY_SERVER", server.url)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def _example_user(_example_server, _example_cache, tmp_path, monkeypatch):
    import keyring
    import keyring.backends.null
    from astropy.config import paths

    from atlasquery.atlas import Atlas, AtlasClass

    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"ATLASQUERY_ATLAS_{name}", raising=False)
    for name, value in _example_server.environment().items():
        monkeypatch.setenv(name, value)
    # An example begins and ends without a login that an earlier one has left.
    for name in ("_credentials", "_authenticated", "_logged_out", "_server", "_cache_location"):
        monkeypatch.setattr(Atlas, name, getattr(AtlasClass(), name))
    # Tables are cut to the width of the terminal.
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    _example_cache.mkdir(exist_ok=True)
    (tmp_path / "config").mkdir()
    previous = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.null.Keyring())
    with paths.set_temp_cache(_example_cache), paths.set_temp_config(tmp_path / "config"):
        yield
    keyring.set_keyring(previous)
    if not _missing("matplotlib"):
        import matplotlib.pyplot as plt

        plt.close("all")

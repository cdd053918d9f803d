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
if _missing("cdshealpix", "mocpy", "regions", "scipy"):
    collect_ignore_glob += ["atlasquery/regions/*", "atlasquery/sky/within.py", "docs/regions.rst"]


# What a client knows of its server and its login.
STATE = ("_credentials", "_authenticated", "_logged_out", "_server")


@pytest.fixture(scope="session")
def _example_sandbox():
    """Start the sandbox that all examples ask, for the first of them."""
    try:
        from atlasquery.sandbox import Sandbox
    except ImportError as error:
        pytest.skip(f"examples need the sandbox ({error}): pip install 'atlasquery[sandbox]'")
    with Sandbox(services=["atlas", "alerce", "lccserver", "skyportal"]) as box:
        yield box


@pytest.fixture(scope="session")
def _example_cache(tmp_path_factory):
    """Share a cache between examples: most ask for the same object."""
    return tmp_path_factory.mktemp("examples") / "cache"


@pytest.fixture(autouse=True)
def _example(request):
    """Give an example its servers, a login, and directories of its own; leave tests alone."""
    if isinstance(request.node, DoctestItem):
        request.getfixturevalue("_example_user")
        if "AtlasForced" in request.node.dtest.docstring:
            request.getfixturevalue("_example_forced")
        asks_all = re.search(r"\b(find|resolve)\(", request.node.dtest.docstring)
        if asks_all or "SkyPortal" in request.node.dtest.docstring:
            request.getfixturevalue("_example_skyportal")
        if "TinySurvey" in request.node.dtest.docstring:
            request.getfixturevalue("_example_new_survey")


def _renew(monkeypatch, client, names):
    """Give a client the state of a new one, until the end of the example."""
    new = type(client)()
    for name in names:
        monkeypatch.setattr(client, name, getattr(new, name))


@pytest.fixture
def _example_forced(_example_user, monkeypatch):
    """Give an example a forced photometry server without tasks, on a clock that jumps."""
    from clocks import JumpingClock

    from atlasquery.forcedphot import AtlasForced
    from atlasquery.sandbox.forcedphot.server import ForcedSandbox

    with ForcedSandbox(JumpingClock()) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        _renew(monkeypatch, AtlasForced, (*STATE, "_cache_location"))
        monkeypatch.setattr(AtlasForced, "_clock", server.clock)
        yield server


@pytest.fixture
def _example_skyportal(_example_user, _example_sandbox, tmp_path, monkeypatch):
    """Give an example a SkyPortal as it was before the others wrote to it."""
    from atlasquery.sandbox.skyportal.example import fill
    from atlasquery.skyportal import SkyPortal

    _example_sandbox.skyportal.reset()
    fill(_example_sandbox.skyportal.state)
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
def _example_user(_example_sandbox, _example_cache, tmp_path, monkeypatch):
    import keyring
    import keyring.backends.null
    from astropy.config import paths

    from atlasquery.atlas import Atlas
    from atlasquery.lccserver import LCCServer
    from atlasquery.skyportal import SkyPortal

    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"ATLASQUERY_ATLAS_{name}", raising=False)
    for name, value in _example_sandbox.environment().items():
        monkeypatch.setenv(name, value)
    # An example begins and ends without a login that an earlier one has left.
    _renew(monkeypatch, Atlas, (*STATE, "_cache_location"))
    _renew(monkeypatch, LCCServer, (*STATE, "_anonymous"))
    _renew(monkeypatch, SkyPortal, STATE)
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

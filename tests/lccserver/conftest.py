"""The servers that contract tests run against: a double, and a real one where there is one."""

import os
import threading
from dataclasses import dataclass, field

import pytest
from astroquery import log

from atlasquery.lccserver import LCCServerClass, conf
from atlasquery.sandbox.lccserver.server import LCCSandbox

NO_REAL = "real LCC-Server: none; set ATLASQUERY_TEST_LCC_URL"


@dataclass(frozen=True)
class LCC:
    """An LCC-Server to test against, with the rows of its collections."""

    name: str
    url: str
    #: By the name of each collection its rows.
    rows: dict = field(repr=False)


@pytest.fixture(scope="session")
def _double():
    with LCCSandbox() as double:
        yield double


@pytest.fixture
def double(_double):
    """The double, with nothing asked of it yet, and no faults."""
    _double.reset()
    # It does not limit, unless a test makes it, and the client is to know that.
    with (
        conf.set_temp("backoff", 0.001),
        conf.set_temp("poll_seconds", 0.01),
        conf.set_temp("anonymous_per_minute", 0),
    ):
        yield _double
    # A dataset that was asked for early may be on its way still: the next test would count it.
    for thread in threading.enumerate():
        if thread.name.endswith("(run)"):
            thread.join(60)
    _double.reset()


@pytest.fixture(scope="session")
def _kept():
    return {}


@pytest.fixture
def lcc(double, tmp_path):
    """A client of the double."""
    client = LCCServerClass(double.url)
    client.cache_location = tmp_path / "answers"
    return client


@pytest.fixture(scope="session")
def real_url():
    url = os.environ.get("ATLASQUERY_TEST_LCC_URL")
    if not url:
        pytest.skip(NO_REAL)
    return url


@pytest.fixture(scope="session")
def slow_url():
    """A real server whose patience is short, so that searches go to the background."""
    url = os.environ.get("ATLASQUERY_TEST_LCC_SLOW_URL")
    if not url:
        pytest.skip("slow real LCC-Server: none; set ATLASQUERY_TEST_LCC_SLOW_URL")
    return url


@pytest.fixture(scope="session")
def _real(real_url):
    """The real server, with all the rows that it has, as its own tables of them say."""
    from lcc_real import all_rows

    return LCC("real", real_url, all_rows(real_url))


@pytest.fixture(params=["double", "real"])
def server(request, double):
    """Each server in turn: what holds for one must hold for the other."""
    if request.param == "real":
        return request.getfixturevalue("_real")
    from atlasquery.sandbox.lccserver import catalogs

    return LCC("double", double.url, catalogs.objects())


@pytest.fixture
def client(server, tmp_path, _kept):
    """A client of the server in turn."""
    result = LCCServerClass(server.url)
    result.cache_location = tmp_path / "answers"
    if server.name == "double":
        yield result
        return
    # One key for all tests, at the pace that the server allows it: it says 429 otherwise, and
    # a key for each test would not show that it is kept.
    result._anonymous, result._paces = _kept.get("key"), _kept.setdefault("paces", {})
    result._anonymous_key()
    _kept["key"] = result._anonymous
    with conf.set_temp("anonymous_per_minute", 600):
        yield result


@pytest.fixture
def samples(shared):
    """Recorded exchanges, as a function of their name."""
    return lambda name: (shared / "samples" / "lccserver" / name).read_bytes()


@pytest.fixture(autouse=True)
def _log_level():
    level = log.level
    log.setLevel("INFO")
    yield
    log.setLevel(level)

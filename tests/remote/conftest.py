"""The servers of the tests here: each test runs on the sandbox, and on request on a public server.

``pytest --remote-data=any tests/remote`` asks the public servers, a few requests each, which only
read. What needs an account takes its token from the environment, and is skipped without.
"""

import pytest

ADDRESSES = ["sandbox", pytest.param("public", marks=pytest.mark.remote_data)]


@pytest.fixture(scope="module", params=ADDRESSES)
def address(request):
    """Which server the test asks: ``"sandbox"`` or ``"public"``."""
    return request.param


@pytest.fixture(scope="module")
def all_services():
    """A sandbox of all services, on one sky."""
    from atlasquery.sandbox import Sandbox

    with Sandbox(services="all") as box:
        yield box


@pytest.fixture
def environment(address, monkeypatch, request):
    """Point the clients to the sandbox, or leave them at the public servers."""
    if address == "sandbox":
        for name, value in request.getfixturevalue("all_services").environment().items():
            monkeypatch.setenv(name, value)

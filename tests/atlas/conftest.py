"""A client for each server that contract tests run against."""

import pytest
from astroquery import log

from atlasquery.atlas import AtlasClass


@pytest.fixture
def make_atlas(server, tmp_path):
    """Make a client logged in as a user of the server, with a cache of its own."""

    def make(user="reader"):
        atlas = AtlasClass(server=server.url)
        atlas.cache_location = tmp_path / "answers"
        atlas.login(token=server.token(user))
        return atlas

    return make


@pytest.fixture
def atlas(make_atlas):
    return make_atlas()


@pytest.fixture
def box_atlas(sandbox, tmp_path):
    """A client of the sandbox alone, for what needs its synthetic sky."""
    atlas = AtlasClass(server=sandbox.url)
    atlas.cache_location = tmp_path / "answers"
    atlas.login(token=sandbox.token)
    return atlas


@pytest.fixture(autouse=True)
def _log_level():
    level = log.level
    log.setLevel("INFO")
    yield
    log.setLevel(level)

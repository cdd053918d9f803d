"""A directory of downloads that tests of this folder share."""

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("cdshealpix")

from atlasquery.atlas import AtlasClass


@pytest.fixture(scope="session")
def downloads(sandbox, tmp_path_factory):
    """Return a directory with 30 objects of the sandbox."""
    atlas = AtlasClass(server=sandbox.url)
    atlas.login(token=sandbox.token)
    bad = {sandbox.manifest["poison_500"], sandbox.manifest["missing_id"]}
    ids = [int(i) for i in sandbox.manifest["all_ids"] if i not in bad][:30]
    folder = tmp_path_factory.mktemp("downloads") / "nightly"
    atlas.download_sources(ids, folder, progress=False)
    return folder

"""The downloads that the benchmark makes up are those that download_sources would write."""

import pytest

from atlasquery.atlas import AtlasClass
from atlasquery.hats import read_hats, to_hats

hats = pytest.importorskip("benchmarks.hats", reason="run pytest in the root of a checkout")


def test_the_benchmark_writes_what_the_package_reads(tmp_path):
    hats.write_downloads(tmp_path / "downloads", 3)
    stored = AtlasClass().read_sources(tmp_path / "downloads")
    path = to_hats(tmp_path / "downloads", tmp_path / "cat", name="atlas", progress=False)
    found = read_hats(path)
    assert len(stored) == 3
    assert set(found) == set(stored)
    for key, lc in stored.items():
        assert len(lc) == len(found[key]) == hats.DETECTIONS + hats.LIMITS

"""Objects that were saved as JSON, as by ``atlasapiclient``."""

import gzip
import json

import numpy as np
import pytest
import requests
from equal import assert_same_table

from atlasquery import AtlasSource
from atlasquery.exceptions import InvalidQueryError, NotFoundError

PRODUCTS = (
    "light_curve", "forced_photometry", "sherlock_crossmatches", "sherlock_classifications",
    "tns_crossmatches", "external_crossmatches",
)  # fmt: skip


@pytest.fixture
def items(sandbox):
    """What the server answers, as `json` gives it to a client that saves it."""

    def ask(*ids):
        answer = requests.post(
            sandbox.url + "objects/",
            data={"objects": ",".join(map(str, ids))},
            headers={"Authorization": f"Token {sandbox.token}", "Accept": "application/json"},
            timeout=60,
        )
        return answer.json()

    return ask


def test_a_saved_response_is_a_source(box_atlas, sandbox, items, tmp_path):
    one = int(sandbox.manifest["ids"]["supernova"][2])
    path = tmp_path / f"{one}.json"
    with path.open("w") as file:
        json.dump(items(one)[0], file)
    saved, fetched = AtlasSource.read(path), box_atlas.get_source(one)
    assert (saved.atlas_id, saved.name) == (fetched.atlas_id, fetched.name)
    assert saved.coordinates.separation(fetched.coordinates).deg == 0
    for product in PRODUCTS:
        table, expected = getattr(saved, product), getattr(fetched, product)
        assert table.meta["file"] == path.name
        table.meta = expected.meta
        assert_same_table(table, expected)
    assert saved.info["name"] == fetched.info["name"]
    assert "ATLAS" in repr(saved)
    pytest.importorskip("matplotlib")
    assert saved.plot().get_title().startswith(saved.name)


def test_what_was_saved_may_be_packed_listed_or_cut(sandbox, items, tmp_path):
    one = int(sandbox.manifest["ids"]["supernova"][2])
    (tmp_path / "a.json").write_text(json.dumps(items(one), indent=1))
    body = (tmp_path / "a.json").read_bytes()
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(body))
    (tmp_path / "c.json").write_bytes(b"\xef\xbb\xbf" + body)
    lengths = {len(AtlasSource.read(path).light_curve) for path in tmp_path.iterdir()}
    assert len(lengths) == 1
    part = AtlasSource.read(str(tmp_path / "a.json"), start=61300, end="2026-10-20")
    assert 0 < len(part.light_curve) < lengths.pop()
    assert np.all(part.light_curve.time.mjd >= 61300)


def test_what_is_not_one_object_is_refused(sandbox, items, tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(InvalidQueryError, match=r"a\.json' cannot be read: No such file"):
        AtlasSource.read(path)
    two = items(*sandbox.manifest["ids"]["main"][:2])
    for text, words in (
        ("", "should be the JSON of one object"),
        ("mjd,mag\n1,2", "should be the JSON of one object"),
        ("{}", "it has none with an object"),
        ("[]", "it has 0 of them"),
        (json.dumps(two), "it has 2 of them"),
        ('{"object": {"name": "x"}}', "is not of an object"),
        ("caf\xe9", "should be the JSON"),
    ):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(InvalidQueryError, match=words):
            AtlasSource.read(path)
    path.write_bytes(gzip.compress(b"{}")[:-9])
    with pytest.raises(InvalidQueryError, match="cannot be read"):
        AtlasSource.read(path)
    path.write_text(json.dumps(items(1999999999999999900)[0]))
    with pytest.raises(NotFoundError, match="holds no object: AtlasDiffObjects"):
        AtlasSource.read(path)
    with pytest.raises(InvalidQueryError, match="start='soon'"):
        AtlasSource.read(path, start="soon")

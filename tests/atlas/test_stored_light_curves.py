"""Light curves from downloaded files: those that the server would give."""

import pickle

import numpy as np
import pytest
from equal import assert_same_table

pytest.importorskip("pyarrow")

from atlasquery.atlas import AtlasClass, parquet_files
from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.lightcurve import bin, clean

RECENT = 61100.0
# What only an answer of the server itself says.
ONLY_SERVER = ("creator", "obtained", "service")


@pytest.fixture(scope="module")
def atlas(sandbox):
    atlas = AtlasClass(server=sandbox.url)
    atlas.login(token=sandbox.token)
    return atlas


@pytest.fixture(scope="module")
def ids(sandbox):
    return [int(atlas_id) for atlas_id in sandbox.manifest["ids"]["supernova"][:5]]


@pytest.fixture(scope="module")
def directory(atlas, ids, tmp_path_factory):
    path = tmp_path_factory.mktemp("stored")
    # In two calls, so that there are two files of each kind.
    atlas.download_sources(ids[:3], path, start=RECENT)
    atlas.download_sources(ids, path, start=RECENT)
    return path


def assert_as_from_server(found, expected):
    for lc in (found, expected):
        lc.meta = {key: value for key, value in lc.meta.items() if key not in ONLY_SERVER}
    assert_same_table(found, expected)


def test_light_curves_are_those_of_the_server(atlas, ids, directory):
    curves = atlas.read_sources(directory)
    assert sorted(curves) == sorted(ids)
    assert repr(curves).startswith("<StoredLightCurves of 5 objects, light curves in ")
    sources = atlas.get_sources(ids, start=RECENT, progress=False)
    forced = atlas.read_sources(directory, "forced_photometry")
    assert any(len(lc) for lc in forced.values())
    for atlas_id in ids:
        assert_as_from_server(curves[atlas_id], sources[atlas_id].light_curve)
        assert_as_from_server(curves[str(atlas_id)], sources[atlas_id].light_curve)
        assert_as_from_server(forced[atlas_id], sources[atlas_id].forced_photometry)


def test_what_works_on_many_works_on_files(atlas, ids, directory):
    nightly = bin(clean(atlas.read_sources(directory)))
    assert set(nightly) == set(ids)
    with pytest.raises(KeyError, match="was not requested"):
        atlas.read_sources(directory)[1]
    assert "Detections" in atlas.read_sources(directory)._repr_html_()


def test_they_are_pickled_as_the_directory(atlas, ids, directory):
    curves = atlas.read_sources(directory)
    curves[ids[0]]
    body = pickle.dumps(curves)
    assert len(body) < 5000
    assert_same_table(pickle.loads(body)[ids[0]], curves[ids[0]])


def test_a_file_that_is_gone_is_named(atlas, ids, tmp_path):
    atlas.download_sources(ids[:2], tmp_path, start=RECENT)
    curves = atlas.read_sources(tmp_path)
    (file,) = (tmp_path / "detections").iterdir()
    file.unlink()
    with pytest.raises(TableParseError, match=r"detections/.*parquet is missing"):
        curves[ids[0]]


def test_nothing_downloaded_is_refused(atlas, tmp_path):
    with pytest.raises(InvalidQueryError, match="has nothing that was downloaded"):
        atlas.read_sources(tmp_path)
    with pytest.raises(InvalidQueryError, match="kind='curves' is not known"):
        atlas.read_sources(tmp_path, "curves")


def test_each_file_has_one_schema(atlas, ids, directory):
    """Whatever was sent: what reads a directory takes the columns of its first file for all."""
    import msgspec
    from pyarrow import dataset, parquet

    items, when = atlas._items(ids[:2], mjd=RECENT, cache=False)
    known = [(i, item, when) for i, item in zip(ids, items, strict=False)]
    plain = parquet_files.chunk_tables(known)[0]["objects"]
    entry = msgspec.json.decode(items[1]["object"])
    items[1]["object"] = msgspec.Raw(msgspec.json.encode(entry | {"new": 2**60 + 1, "other": None}))
    drifted = parquet_files.chunk_tables(known)[0]["objects"]
    assert plain.schema.equals(drifted.schema)
    assert drifted["undeclared"].to_pylist()[0] == '{"new": null, "other": null}'
    for kind in ("objects", "detections", "non_detections", "forced"):
        files = sorted((directory / kind).iterdir())
        schemas = [parquet.read_schema(file) for file in files]
        assert all(schema.equals(schemas[0]) for schema in schemas)
        assert not any("null" in str(field.type) for schema in schemas for field in schema)
        assert len(files) == 2
        assert dataset.dataset(directory / kind).to_table().num_rows > 0


def test_pandas_reads_ids_exactly(atlas, directory):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(directory / "non_detections")
    own = atlas.read_sources(directory, "non_detections")
    for name in ("atlas_id", "exposure_id"):
        known = ~np.ma.getmaskarray(own[name])
        assert str(frame[name].dtype).lower() == "int64"
        assert frame[name].dropna().tolist() == np.asarray(own[name])[known].tolist()

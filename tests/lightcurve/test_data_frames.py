"""Our files read by pandas, polars and DuckDB, each value compared with the light curve."""

import numpy as np
import pytest
from astropy.table import MaskedColumn

from atlasquery.atlas import AtlasClass
from atlasquery.lightcurve import write

# Beyond what a float can hold, so that a reader that goes through floats is found out.
LARGE = 2**62 + 1


def by_pandas(path):
    pandas = pytest.importorskip("pandas")
    if path.suffix == ".csv":
        options = {"dtype_backend": "numpy_nullable"}
        # Later versions are exact by default, and warn of the argument.
        if int(pandas.__version__.partition(".")[0]) < 3:
            options["float_precision"] = "round_trip"
        frame = pandas.read_csv(path, comment="#", **options)
    else:
        frame = pandas.read_parquet(path, dtype_backend="numpy_nullable")
    plain = frame.astype(object)
    return plain.where(frame.notna(), None).to_dict("list")


def by_polars(path):
    polars = pytest.importorskip("polars")
    if path.suffix == ".csv":
        return polars.read_csv(path, comment_prefix="#", infer_schema_length=None).to_dict(
            as_series=False
        )
    pattern = path / "**/*.parquet" if path.is_dir() else path
    return polars.read_parquet(pattern).to_dict(as_series=False)


def by_duckdb(path):
    duckdb = pytest.importorskip("duckdb")
    if path.suffix == ".csv":
        source = f"read_csv('{path}', comment = '#', sample_size = -1)"
    else:
        source = f"read_parquet('{path / '**/*.parquet' if path.is_dir() else path}')"
    with duckdb.connect() as connection:
        found = connection.sql(f"select * from {source}")
        rows = found.fetchall()
        columns = zip(*rows, strict=True) if rows else ([] for _ in found.columns)
        return dict(zip(found.columns, map(list, columns), strict=True))


readers = pytest.mark.parametrize("read", [by_pandas, by_polars, by_duckdb])


@pytest.fixture(scope="module")
def atlas(sandbox):
    atlas = AtlasClass(server=sandbox.url)
    atlas.login(token=sandbox.token)
    return atlas


@pytest.fixture(scope="module")
def ids(sandbox):
    return [int(atlas_id) for atlas_id in sandbox.manifest["ids"]["supernova"][:3]]


@pytest.fixture(scope="module")
def lc(atlas, ids):
    """A light curve with what other programs stumble over."""
    lc = atlas.get_source(ids[2]).light_curve
    odd = np.arange(len(lc)) % 2 == 1
    lc["large_id"] = MaskedColumn(np.full(len(lc), LARGE), mask=odd)
    lc["judged"] = MaskedColumn(np.arange(len(lc)) % 3 == 0, mask=odd)
    lc["note"] = MaskedColumn(np.where(odd, "", '50 # of, "them"'), mask=odd)
    return lc


def values(column):
    """The values of a column as Python has them, None where one is missing."""
    mask = np.broadcast_to(getattr(column, "mask", False), len(column))
    plain = getattr(column, "unmasked", column)
    listed = np.asarray(getattr(plain, "value", plain)).tolist()
    return [None if gone else value for value, gone in zip(listed, mask, strict=True)]


@readers
@pytest.mark.parametrize("extension", [".parquet", ".csv"])
def test_every_value_is_read(lc, tmp_path, read, extension):
    found = read(write(lc, tmp_path / f"lc{extension}"))
    assert list(found) == lc.colnames
    for name in lc.colnames:
        expected = values(lc[name])
        if name == "date_inserted" and found[name] and not isinstance(found[name][0], str):
            # DuckDB knows a date when it sees one.
            found[name] = [None if day is None else day.isoformat() for day in found[name]]
            expected = [None if day is None else day.removesuffix(".000") for day in expected]
        assert found[name] == expected, name
    assert found["atlas_id"][0] == lc["atlas_id"][0] and type(found["atlas_id"][0]) is int
    assert type(found["detection"][0]) is bool and type(found["judged"][0]) is bool


@readers
def test_a_downloaded_directory_is_read(atlas, ids, tmp_path, read):
    pytest.importorskip("pyarrow")
    atlas.download_sources(ids, tmp_path / "sources", progress=False)
    found = read(tmp_path / "sources" / "detections")
    curves = {int(atlas_id): atlas.get_light_curve(atlas_id) for atlas_id in ids}
    assert set(found["atlas_id"]) == set(curves)
    for atlas_id, lc in curves.items():
        detected = lc[lc["detection"]]
        rows = [n for n, one in enumerate(found["atlas_id"]) if one == atlas_id]
        # In files detections are in the order in which the server sent them.
        rows.sort(key=lambda n: found["mjd"][n] if "mjd" in found else found["time"][n])
        assert len(rows) == len(detected)
        for name in ("ra", "dec"):
            assert [found[name][n] for n in rows] == values(detected[name])

"""Catalogues written of each kind of source: their files, schema, units, margins, order."""

import astropy.units as u
import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.votable import parse
from astropy.time import Time
from hats_curves import FIRST_ID, assert_same, bare, dense, light_curve, over_the_sky
from pyarrow import parquet

from atlasquery.atlas import AtlasClass
from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.hats import check_hats, read_hats, to_hats
from atlasquery.hats.properties import read_properties
from atlasquery.hats.spool import row_order
from atlasquery.lightcurve import bin, clean, combine, stack

SMALL = {"partition_bytes": 3e4, "progress": False}


def files(path):
    return sorted(path.glob("**/Npix=*.parquet"))


def rows_of(path, name="atlas"):
    return pa.concat_tables(parquet.ParquetFile(file).read() for file in files(path / name))


@pytest.mark.parametrize("kind", ["light_curves", "forced_photometry"])
def test_downloads_are_equal_to_what_read_sources_reads(downloads, tmp_path, kind):
    stored = AtlasClass().read_sources(downloads, kind)
    source = downloads if kind == "light_curves" else stored
    path = to_hats(source, tmp_path / "cat", name="atlas", partition_bytes=2e5, progress=False)
    assert check_hats(path) == []
    assert len(files(path / "atlas")) > 3
    found = read_hats(path)
    assert set(found) == set(stored)
    for key, lc in stored.items():
        assert_same(found[key], lc)


def test_catalogue_entries_are_equal_to_those_downloaded(downloads, tmp_path):
    path = to_hats(downloads, tmp_path / "cat", name="atlas", progress=False)
    entries = AtlasClass().read_sources(downloads, "objects")
    table = read_hats(path, ids=entries["atlas_id"]).table()
    assert table["id"].tolist() == entries["atlas_id"].tolist()
    for name in entries.colnames[1:]:
        (values, mask), (known, missing) = bare(table[name]), bare(entries[name])
        np.testing.assert_array_equal(mask, missing)
        if isinstance(entries[name], Time):
            np.testing.assert_allclose(values[~mask], known[~mask], rtol=0, atol=1e-11)
        else:
            np.testing.assert_array_equal(values[~mask], known[~mask])
        assert table[name].info.description == entries[name].info.description or name in "ra dec"


def test_light_curves_by_id(tmp_path):
    curves = over_the_sky()
    path = to_hats(curves, tmp_path / "cat", name="atlas", **SMALL)
    assert check_hats(path) == []
    found = read_hats(path)
    assert set(found) == set(curves)
    for key, lc in curves.items():
        assert_same(found[key], lc)
    assert {len(lc) for lc in curves.values()} >= {0, 1}


def test_keys_may_be_strings(tmp_path):
    curves = {f"ZTF{k}": lc for k, lc in over_the_sky(5).items()}
    found = read_hats(to_hats(curves, tmp_path / "cat", name="ztf", **SMALL))
    assert set(found) == set(curves)
    for key, lc in curves.items():
        assert_same(found[key], lc)
    assert found.table()["id"].dtype.kind == "U"


def test_a_stacked_table(tmp_path):
    curves = {key: lc for key, lc in over_the_sky().items() if len(lc)}
    table = stack(curves)
    where = {key: lc.meta["coordinates"] for key, lc in curves.items()}
    path = to_hats(table, tmp_path / "cat", name="a", coordinates=where, **SMALL)
    assert check_hats(path) == []
    found = read_hats(path)
    again = stack({key: found[key] for key in curves})
    assert again.colnames == table.colnames
    for name in table.colnames:
        (values, mask), (known, missing) = bare(again[name]), bare(table[name])
        np.testing.assert_array_equal(mask, missing)
        if isinstance(table[name], Time):
            np.testing.assert_allclose(values, known, rtol=0, atol=1e-11)
        else:
            np.testing.assert_array_equal(values[~mask], known[~mask])


def test_results_of_combine_clean_and_bin(downloads, tmp_path):
    atlas = AtlasClass()
    stored = [atlas.read_sources(downloads, k) for k in ("light_curves", "forced_photometry")]
    both = [{key: one[key] for key in list(one)[:6]} for one in stored]
    # An object of one service only has fewer columns.
    both[1].popitem()
    combined = combine(both)
    work = {"combined": combined, "cleaned": clean(both[0]), "binned": bin(both[0], 5 * u.day)}
    for name, curves in work.items():
        path = to_hats(curves, tmp_path / name, name=name, partition_bytes=1e6, progress=False)
        assert check_hats(path) == []
        found = read_hats(path)
        assert set(found) == set(curves)
        for key in curves:
            lc, again = curves[key], found[key]
            assert set(lc.colnames) <= set(again.colnames)
            assert all(bare(again[c])[1].all() for c in set(again.colnames) - set(lc.colnames))
            # The description of a column is that of the first light curve.
            assert_same(again[lc.colnames], lc[lc.colnames], descriptions=False)


def test_one_schema_and_sorted_rows(tmp_path):
    path = to_hats(over_the_sky(), tmp_path / "cat", name="atlas", **SMALL)
    common = parquet.read_schema(path / "atlas" / "dataset" / "_common_metadata")
    assert len(files(path)) > 8
    for file in files(path):
        assert parquet.read_schema(file).equals(common)
    assert common.field("_healpix_29").type == pa.int64()
    nested = common.field("light_curve").type
    assert pa.types.is_struct(nested) and pa.types.is_list(nested.field("flux").type)
    rows = rows_of(path)
    for curve in rows["light_curve"].to_pylist():
        assert len({len(values) for values in curve.values()}) == 1
        assert curve["mjd"] == sorted(curve["mjd"])
    assert read_properties(path / "atlas" / "hats.properties")["hats_nrows"] == str(len(rows))


def test_files_are_as_large_as_asked(tmp_path):
    curves = dense(150)
    sizes = {}
    for limit in (2e4, 1e6):
        path = to_hats(curves, tmp_path / f"{limit}", name="a", partition_bytes=limit,
                       progress=False)  # fmt: skip
        tables = [parquet.ParquetFile(file).read() for file in files(path / "a")]
        sizes[limit] = [table.nbytes for table in tables]
        assert sum(map(len, tables)) == len(curves)
        assert check_hats(path) == []
    assert max(sizes[2e4]) < 4e4 < sum(sizes[2e4])
    assert len(sizes[1e6]) == 1 < len(sizes[2e4])


def test_the_middle_of_the_exposure_in_tai(tmp_path):
    here = SkyCoord(10, 10, unit="deg")
    start = light_curve(here, 20, seed=3)
    middle = light_curve(here, 20, seed=4, meta={"time_reference": "middle"})
    unknown = light_curve(here, 20, seed=5, meta={"time_reference": "unknown"})
    away = light_curve(here, 20, seed=6, meta={"time_reference_position": "barycenter"})
    curves = {1: start, 2: middle, 3: unknown, 4: away}
    path = to_hats(curves, tmp_path / "cat", name="a", progress=False)
    rows = {row["id"]: row["light_curve"] for row in rows_of(path, "a").to_pylist()}
    for key, seconds in ((1, 15), (2, 0), (3, 0)):
        expected = (curves[key].time + seconds * u.s).tai.mjd
        np.testing.assert_allclose(rows[key]["mjd_tai"], expected, rtol=0, atol=1e-11)
        assert rows[key]["mjd"] == curves[key].time.mjd.tolist()
    assert rows[4]["mjd_tai"] == [None] * 20


def test_units_and_descriptions_are_a_votable(downloads, tmp_path):
    path = to_hats(downloads, tmp_path / "cat", name="atlas", progress=False)
    metadata = parquet.read_schema(path / "atlas" / "dataset" / "_common_metadata").metadata
    assert metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    table = parse(pa.BufferReader(metadata[b"IVOA.VOTable-Parquet.content"])).get_first_table()
    fields = {field.name: field for field in table.fields}
    schema = parquet.read_schema(path / "atlas" / "dataset" / "_common_metadata")
    inner = [f"light_curve.{one.name}" for one in schema.field("light_curve").type]
    assert list(fields) == [name for name in schema.names if name != "light_curve"] + inner
    lc = AtlasClass().read_sources(downloads)
    for name, column in next(iter(lc.values())).columns.items():
        if name in ("time", "atlas_id"):
            continue
        field = fields[f"light_curve.{name}"]
        unit = u.d if isinstance(column, Time) else column.info.unit
        assert (field.unit or None) == unit
        assert field.description.split() == column.info.description.split()
    assert fields["ra"].unit == u.deg and fields["light_curve.mjd_tai"].unit == u.d
    assert [group.name for group in table.groups] == ["light_curve"]
    assert len(table.groups[0].entries) == 1 + len(inner)


def test_only_chosen_columns(downloads, tmp_path):
    path = to_hats(downloads, tmp_path / "cat", name="a", columns=["flux", "band"], progress=False)
    stored = AtlasClass().read_sources(downloads)
    for key, lc in read_hats(path).items():
        assert lc.colnames == ["time", "band", "flux"]
        for name in lc.colnames[1:]:
            np.testing.assert_array_equal(bare(lc[name])[0], bare(stored[key][name])[0])
    schema = parquet.read_schema(files(path / "a")[0])
    assert [f.name for f in schema.field("light_curve").type] == ["mjd", "mjd_tai", "band", "flux"]


def test_positions_that_are_not_known_are_named(tmp_path):
    curves = over_the_sky(5)
    keys = list(curves)
    for key in keys[:5]:
        del curves[key].meta["coordinates"]
    with pytest.raises(InvalidQueryError, match=f"5 objects have no position: {keys[0]}, .*2 more"):
        to_hats(curves, tmp_path / "cat", name="a", progress=False)
    assert not list(tmp_path.iterdir())
    with pytest.warns(InputWarning, match="left out, as 5 objects have no position"):
        path = to_hats(curves, tmp_path / "cat", name="a", on_error="warn", progress=False)
    assert set(read_hats(path)) == set(keys[5:])
    assert check_hats(path) == []
    given = {key: SkyCoord(10, 20, unit="deg") for key in keys[:5]}
    path = to_hats(curves, tmp_path / "all", name="a", coordinates=given, progress=False)
    found = read_hats(path)
    assert set(found) == set(keys)
    assert "coordinates" not in found[keys[0]].meta
    assert found.table()["ra"][list(found).index(keys[0])] == 10


def test_positions_of_rows(tmp_path):
    lc = light_curve(SkyCoord(1, 1, unit="deg"), 4)
    del lc.meta["coordinates"]
    lc["ra"], lc["dec"] = [359.999, 0.001, 359.999, 0.001] * u.deg, np.full(4, 5.0) * u.deg
    table = read_hats(to_hats({"a": lc}, tmp_path / "cat", name="a", progress=False)).table()
    assert abs((table["ra"][0] + 180) % 360 - 180) < 1e-9
    assert table["dec"][0] == pytest.approx(5.0, abs=1e-8)


def test_a_margin_has_all_objects_nearby(tmp_path):
    curves = dense(150)
    path = to_hats(curves, tmp_path / "cat", name="a", margin="20 arcsec", partition_bytes=2e4,
                   progress=False)  # fmt: skip
    assert check_hats(path) == []
    margin = rows_of(path, "a_20arcs")
    assert len(margin) > 50
    known = {row["id"]: row for row in rows_of(path, "a").to_pylist()}
    for row in margin.to_pylist():
        assert row == known[row["id"]]
    properties = read_properties(path / "a_20arcs" / "hats.properties")
    assert properties["hats_margin_threshold"] == "20"
    assert properties["hats_nrows"] == str(len(margin))
    assert read_properties(path / "collection.properties")["default_margin"] == "a_20arcs"


def test_no_margin(tmp_path):
    path = to_hats(over_the_sky(), tmp_path / "cat", name="a", margin=None, **SMALL)
    assert sorted(one.name for one in path.iterdir()) == ["a", "collection.properties"]
    assert check_hats(path) == []


def test_a_catalogue_is_replaced_only_if_asked(tmp_path):
    curves = over_the_sky(3)
    path = to_hats(curves, tmp_path / "cat", name="a", progress=False)
    with pytest.raises(InvalidQueryError, match="exists already; overwrite=True"):
        to_hats(curves, path, name="a", progress=False)
    curves.popitem()
    to_hats(curves, path, name="b", overwrite=True, progress=False)
    assert set(read_hats(path)) == set(curves)
    assert [one.name for one in tmp_path.iterdir()] == ["cat"]


@pytest.mark.parametrize(("change", "words"), [
    ({"name": "a b"}, "name='a b' should be"),
    ({"name": None, "path": "a b"}, r"name='a b' \(by default the last part of path\) should be"),
    ({"margin": "-1 arcsec"}, "margin"),
    ({"margin": "0 arcsec"}, "margin"),
    ({"partition_bytes": 0}, "partition_bytes"),
    ({"columns": ["fluks"]}, "columns has fluks"),
    ({"coordinates": {7: SkyCoord(1, 1, unit="deg")}}, "coordinates has 7"),
    ({"coordinates": 3}, "coordinates=3"),
    ({"on_error": "no"}, "on_error"),
    ({"source": {}}, "source is empty"),
    ({"source": 5}, "source is of type int"),
    ({"source": {1.5: 0}}, "keys of source are of type float"),
    ({"source": {1: 0}}, r"source\[1\]"),
    ({"source": light_curve(SkyCoord(1, 1, unit="deg"))}, "without the column 'object'"),
])  # fmt: skip
def test_a_wrong_argument_is_refused(tmp_path, change, words):
    given = {"source": over_the_sky(2), "path": "cat", "name": "a", "progress": False} | change
    with pytest.raises(InvalidQueryError, match=words):
        to_hats(given.pop("source"), tmp_path / given.pop("path"), **given)
    assert not (tmp_path / change.get("path", "cat")).exists()


def test_the_name_is_that_of_the_directory_by_default(tmp_path):
    curves = over_the_sky(2)
    path = to_hats(curves, tmp_path / "mine", margin=None, progress=False)
    assert (path / "mine" / "hats.properties").is_file()
    assert set(read_hats(path)) == set(curves)


def test_a_directory_without_downloads_is_refused(tmp_path):
    with pytest.raises(InvalidQueryError, match="nothing that was downloaded"):
        to_hats(tmp_path, tmp_path / "cat", name="a")


@pytest.mark.parametrize("change", [
    lambda lc: lc.replace_column("flux", np.array(["x"] * len(lc))),
    lambda lc: lc.replace_column("zero_point", lc["zero_point"].value * u.m),
    lambda lc: lc.replace_column("inserted", Time(lc["inserted"].mjd, format="mjd", scale="tai")),
    lambda lc: lc.add_column(np.zeros((len(lc), 2)), name="image"),
    lambda lc: lc.add_column(np.full(len(lc), 2**63 + 1, np.uint64), name="large"),
])  # fmt: skip
def test_columns_that_cannot_be_one_are_refused(tmp_path, change):
    curves = over_the_sky(3, rows=6)
    last = light_curve(SkyCoord(1, 1, unit="deg"), 4)
    change(last)
    with pytest.raises(
        InvalidQueryError, match=r"the column (flux|zero_point|inserted|image|large)"
    ):
        to_hats(curves | {5: last}, tmp_path / "cat", name="a", progress=False)
    assert not (tmp_path / "cat").exists()


def test_units_are_converted_and_types_widened(tmp_path):
    here = SkyCoord(1, 1, unit="deg")
    one, other = light_curve(here, 4), light_curve(here, 4, seed=1)
    other["zero_point"] = other["zero_point"].value * 1000 * u.mmag
    one["number"], other["number"] = np.arange(4, dtype=np.int32), np.arange(4) + 2**40
    found = read_hats(to_hats({1: one, 2: other}, tmp_path / "cat", name="a", progress=False))
    assert found[2]["zero_point"].unit == u.mag
    np.testing.assert_allclose(bare(found[2]["zero_point"])[0], bare(other["zero_point"])[0] / 1e3)
    assert found[2]["number"].tolist() == other["number"].tolist()


@pytest.mark.parametrize(("rows", "objects"), [(1, 1), (50, 5), (5000, 30), (5000, 1025)])
@pytest.mark.parametrize("days", [1e-9, 1.0, 4000.0])
def test_rows_are_sorted_by_object_and_time(rows, objects, days):
    rng = np.random.default_rng(rows)
    owner = rng.integers(0, objects, rows)
    for decimals in (3, 13):
        mjd = np.round(60000 + rng.uniform(0, days, rows), decimals)
        # The last time is that of an object which is not the last one.
        mjd[np.argmin(owner)] = mjd.max() + days
        for times in (mjd, np.where(rng.random(rows) < 0.1, np.nan, mjd)):
            order, lengths = row_order(owner, times, objects)
            np.testing.assert_array_equal(order, np.lexsort((times, owner)))
            np.testing.assert_array_equal(lengths, np.bincount(owner, minlength=objects))


def test_ids_of_19_digits_are_exact(tmp_path):
    curves = over_the_sky(20)
    rows = rows_of(to_hats(curves, tmp_path / "cat", name="atlas", **SMALL))
    assert sorted(rows["id"].to_pylist()) == sorted(curves)
    assert min(curves) == FIRST_ID
    for row in rows.to_pylist():
        expected = [None if v is np.ma.masked else int(v) for v in curves[row["id"]]["candid"]]
        assert row["light_curve"]["candid"] == expected

"""``within``: rows of tables inside maps and regions, compared with an evaluation row by row."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table

pytest.importorskip("cdshealpix", reason="the regions extra is not installed")
pytest.importorskip("mocpy", reason="the regions extra is not installed")

import mocpy
from maps import brute_force, fits_bytes, flat_bytes, multi_order, nested_of_ring, positions

import atlasquery
from atlasquery import SkyPortal, find, within
from atlasquery.exceptions import InputWarning, InvalidQueryError, NoResultsWarning
from atlasquery.regions import SkyMap, read_moc
from atlasquery.sky import within as of_sky
from atlasquery.sky.within import CHUNK
from atlasquery.tables import read_table, write_table

COLUMNS = ["probability_density", "credible_level", "distance_mean", "distance_std"]


@pytest.fixture(scope="module")
def sky_map():
    return multi_order(1)


@pytest.fixture(scope="module")
def objects():
    ra, dec = positions(4000)
    table = Table({"name": [f"SN{n}" for n in range(4000)], "ra": ra * u.deg, "dec": dec * u.deg})
    table["id"] = MaskedColumn(np.arange(4000) + 2**60, mask=np.arange(4000) % 3 == 0)
    table.meta["list"] = "mine"
    return table


def test_it_is_a_function_of_the_package():
    assert atlasquery.within is of_sky is within


def test_credible_region_is_that_of_an_evaluation_row_by_row(sky_map, objects):
    rows, level = brute_force(sky_map, np.asarray(objects["ra"]), np.asarray(objects["dec"]))
    found = within(objects, sky_map)
    assert found.colnames == [*objects.colnames, *COLUMNS]
    assert len(found) == len(objects)
    np.testing.assert_allclose(found["credible_level"], level[rows], atol=1e-13)
    np.testing.assert_array_equal(
        found["probability_density"], np.asarray(sky_map["PROBDENSITY"])[rows]
    )
    assert [str(found[name].unit) for name in COLUMNS] == ["1 / sr", "None", "Mpc", "Mpc"]
    for credible in (0.5, 0.9, 0.999, 1.0):
        inside = level[rows] <= credible
        part = within(objects, sky_map, credible=credible)
        assert part["name"].tolist() == objects["name"][inside].tolist()
        np.testing.assert_array_equal(part["id"].mask, objects["id"].mask[inside])
        for name in COLUMNS:
            np.testing.assert_array_equal(
                np.ma.filled(part[name], np.nan), np.ma.filled(found[name][inside], np.nan)
            )
    assert len(part) == len(objects)


def test_table_is_not_changed_and_keeps_its_class_and_meta(sky_map, objects):
    before = objects.copy()
    found = within(objects, sky_map, credible=0.9)
    assert objects.colnames == before.colnames and objects.meta == before.meta
    assert found.meta["list"] == "mine"
    assert found.meta["sky_map"] == "S1" and found.meta["credible"] == 0.9
    assert found.meta["n_positions"] == 4000 and found.meta["without_position"] == []
    found["ra"][:] = 0
    assert (objects["ra"] == before["ra"]).all()
    quantities = within(QTable(objects), sky_map)
    assert isinstance(quantities, QTable)
    assert quantities["distance_mean"].unit == u.Mpc
    unknown = np.asarray(quantities["distance_mean"].mask)
    assert unknown.any() and not unknown.all()
    assert np.isnan(quantities["distance_mean"].unmasked.value[unknown]).all()


@pytest.mark.parametrize("extension", [".ecsv", ".fits", ".vot", ".parquet"])
def test_result_can_be_written_and_read_back(sky_map, objects, tmp_path, extension):
    if extension == ".parquet":
        pytest.importorskip("pyarrow")
    found = within(objects[:50], sky_map, credible=1)
    again = read_table(write_table(found, tmp_path / f"found{extension}"))
    assert again.colnames == found.colnames
    np.testing.assert_array_equal(again["credible_level"], found["credible_level"])
    np.testing.assert_array_equal(
        np.ma.filled(again["distance_mean"], -1), np.ma.filled(found["distance_mean"], -1)
    )
    assert again.meta["credible"] == 1


def test_every_source_of_positions(sky_map, objects):
    expected = np.asarray(within(objects[:20], sky_map)["credible_level"])
    coordinates = SkyCoord(objects["ra"][:20], objects["dec"][:20])
    found = within(coordinates.galactic.reshape(4, 5), sky_map)
    assert found.colnames == ["query_index", "ra", "dec", *COLUMNS]
    np.testing.assert_array_equal(found["credible_level"], expected)
    np.testing.assert_allclose(found["ra"], objects["ra"][:20], rtol=1e-12)
    assert found["ra"].unit == u.deg
    rows = {
        "column": Table({"at": coordinates}),
        "structured": objects["ra", "dec"][:20].as_array(),
        "galactic": Table({"l": coordinates.galactic.l, "b": coordinates.galactic.b}),
    }
    for value in rows.values():
        found = within(value, sky_map)
        np.testing.assert_array_equal(found["credible_level"], expected)
    keyed = within({f"k{n}": one for n, one in enumerate(coordinates)}, sky_map)
    assert keyed["query_id"].tolist() == [f"k{n}" for n in range(20)]
    assert len(within(coordinates[0], sky_map)) == 1
    assert within(objects[3], sky_map)["name"].tolist() == ["SN3"]
    assert within("10.5 -20.1", sky_map)["ra"][0] == pytest.approx(10.5)


def test_objects_that_find_returns(sky_map, servers, quiet, position):
    findings = find(position, radius="2 arcmin", services=["atlas", "skyportal"])
    assert len(findings.objects) > 0
    found = within(findings, sky_map)
    expected = within(findings.objects, sky_map)
    assert found.colnames == [*findings.objects.colnames, *COLUMNS]
    assert found["object_id"].tolist() == findings.objects["object_id"].tolist()
    np.testing.assert_array_equal(found["credible_level"], expected["credible_level"])


def test_localizations_of_skyportal(servers, objects):
    from atlasquery.sandbox.skyportal.events import add_event

    full, flat = multi_order(7), np.random.default_rng(1).random(192)
    flat /= flat.sum()
    maps = {
        "multi": fits_bytes(full),
        "nested": flat_bytes(flat, ordering="NESTED", NSIDE=4),
        "ring": flat_bytes(flat[nested_of_ring(4)], ordering="RING", NSIDE=4, per_row=16),
    }
    add_event(servers.skyportal.state, "2026-11-01T00:00:00", maps=maps)
    for name, body in maps.items():
        expected = within(objects, body)
        for as_hdus in (False, True):
            product = SkyPortal.get_localization("2026-11-01T00:00:00", name, as_hdus=as_hdus)
            found = within(objects, product, credible=0.9)
            inside = np.asarray(expected["credible_level"]) <= 0.9
            assert found["name"].tolist() == objects["name"][inside].tolist()
            np.testing.assert_allclose(
                found["probability_density"], expected["probability_density"][inside], rtol=1e-12
            )
        assert ("distance_mean" in found.colnames) == (name == "multi")
    assert found.meta["n_positions"] == 4000


def test_data_frame(sky_map, objects):
    frame = objects["name", "ra", "dec"][:20].to_pandas()
    pytest.importorskip("pandas")
    found = within(frame, sky_map)
    assert found.colnames == ["name", "ra", "dec", *COLUMNS]
    expected = within(objects[:20], sky_map)
    np.testing.assert_array_equal(found["credible_level"], expected["credible_level"])


def test_missing_positions_are_in_the_result_only_without_a_level(sky_map):
    table = Table(
        {"ra": np.ma.masked_invalid([10, np.nan, 20]), "dec": [0, 0, np.inf], "n": [1, 2, 3]}
    )
    with pytest.warns(InputWarning, match="2 of 3 positions are masked or not finite.*row 1, 2"):
        found = within(table, sky_map)
    assert found["credible_level"].mask.tolist() == [False, True, True]
    assert found["n"].tolist() == [1, 2, 3]
    assert found.meta["without_position"] == [1, 2]
    with pytest.warns(InputWarning):
        assert within(table, sky_map, credible=1)["n"].tolist() == [1]
    with pytest.warns(InputWarning):
        assert within(table, "0/0-11")["n"].tolist() == [1]


def test_long_table_is_evaluated_in_chunks_with_the_same_result(sky_map):
    # More rows than a chunk has, some without a position on both sides of a border of chunks.
    n = CHUNK + 1000
    ra, dec = positions(n, 5)
    ra[[5, CHUNK // 2 - 1, CHUNK // 2, CHUNK - 1, CHUNK]] = np.nan
    with pytest.warns(InputWarning):
        found = within(Table({"ra": ra, "dec": dec}), sky_map)
    some = np.flatnonzero(np.isfinite(ra))[:: n // 500]
    at = SkyMap.read(sky_map).at(SkyCoord(ra[some], dec[some], unit="deg"))
    np.testing.assert_array_equal(found["credible_level"][some], at["credible_level"])
    with pytest.warns(InputWarning):
        inside = within(Table({"ra": ra, "dec": dec, "n": np.arange(n)}), "1/5 3/100")
    good = np.isfinite(ra)
    moc = mocpy.MOC.from_string("1/5 3/100")
    expected = np.flatnonzero(good)[moc.contains_lonlat(ra[good] * u.deg, dec[good] * u.deg)]
    assert inside["n"].tolist() == expected.tolist()


def test_region_keeps_the_rows_inside_and_adds_no_column(objects, tmp_path):
    moc = mocpy.MOC.from_string("1/5 3/3 10")
    ra, dec = objects["ra"].quantity, objects["dec"].quantity
    expected = objects["name"][moc.contains_lonlat(ra, dec)].tolist()
    assert 0 < len(expected) < len(objects)
    path = tmp_path / "moc.fits"
    moc.save(str(path), format="fits")
    for region in (moc, read_moc(moc), "1/5 3/3 10", path, str(path), path.read_bytes()):
        found = within(objects, region)
        assert found["name"].tolist() == expected
        assert found.colnames == objects.colnames
        assert found.meta["region"] == "MOC"
    with pytest.warns(NoResultsWarning):
        assert len(within(objects[:0:-1][:1], "29/0")) == 0


def test_shapes_are_cut_by_their_geometry(objects):
    from regions import CircleSkyRegion

    centre = SkyCoord(359, 80, unit="deg")
    coordinates = SkyCoord(objects["ra"], objects["dec"])
    near = centre.separation(coordinates) < 15 * u.deg
    found = within(objects, CircleSkyRegion(centre, 15 * u.deg))
    assert 0 < len(found) < len(objects)
    assert found["name"].tolist() == objects["name"][near].tolist()
    triangle = SkyCoord([10, 60, 35], [0, 0, 40], unit="deg")
    found = within(objects, triangle)
    assert len(found) > 0 and found["dec"].min() > 0 and found["ra"].max() < 60


def test_credible_region_of_a_map_is_a_region(sky_map, objects):
    region = SkyMap.read(sky_map).region(0.9)
    found = within(objects, region)
    assert found["name"].tolist() == within(objects, sky_map, credible=0.9)["name"].tolist()
    assert found.meta["region"] == "90 % region of S1"


def test_maps_in_files_of_every_kind(sky_map, objects, tmp_path):
    expected = within(objects, sky_map)
    path = tmp_path / "map.fits"
    path.write_bytes(fits_bytes(sky_map))
    for source in (path, str(path), path.read_bytes(), SkyMap.read(sky_map)):
        found = within(objects, source)
        np.testing.assert_array_equal(found["credible_level"], expected["credible_level"])
    probability = np.random.default_rng(1).random(192)
    probability /= probability.sum()
    nested = within(objects, flat_bytes(probability, ordering="NESTED"))
    ring = within(objects, flat_bytes(probability[nested_of_ring(4)], ordering="RING"))
    np.testing.assert_allclose(nested["credible_level"], ring["credible_level"], rtol=1e-12)
    assert nested.colnames == [*objects.colnames, *COLUMNS[:2]]


def test_arguments_that_are_refused(sky_map, objects, tmp_path):
    for credible, words in ((90, "90 % is 0.9"), (0, "above 0"), ("0.9", "level"), (True, "level")):
        with pytest.raises(InvalidQueryError, match=words):
            within(objects, sky_map, credible=credible)
    with pytest.raises(InvalidQueryError, match=r"credible=0\.9 is for probability sky maps"):
        within(objects, "0/1", credible=0.9)
    with pytest.raises(InvalidQueryError, match="has a column 'probability_density' already"):
        within(within(objects, sky_map), sky_map)
    with pytest.raises(InvalidQueryError, match="without a column of SkyCoord"):
        within(Table({"x": [1]}), sky_map)
    for value in (None, 3, object(), ["0/1"], SkyCoord(0, 0, unit="deg")):
        with pytest.raises(InvalidQueryError, match="region_or_map is neither"):
            within(objects, value)
    with pytest.raises(InvalidQueryError, match="absent"):
        within(objects, tmp_path / "absent.fits")
    with pytest.raises(InvalidQueryError, match="is not a MOC"):
        within(objects, b"circle(10, 20, 3)")


def test_empty_table(sky_map):
    found = within(Table({"ra": np.empty(0), "dec": np.empty(0)}), sky_map, credible=0.9)
    assert found.colnames == ["ra", "dec", *COLUMNS] and len(found) == 0
    assert found["distance_mean"].unit == u.Mpc

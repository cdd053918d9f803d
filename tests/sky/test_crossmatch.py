"""Cross-matches with local catalogues: rows, columns and units, and what is refused."""

import warnings

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import FK5, ICRS, SkyCoord, search_around_sky
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.timeseries import TimeSeries

import atlasquery
from atlasquery import crossmatch
from atlasquery.atlas import AtlasClass
from atlasquery.exceptions import InputWarning, InvalidQueryError, NoResultsWarning
from atlasquery.lightcurve import clean
from atlasquery.sky import remote_catalogues

FIRST = ["query_index", "catalogue_index", "separation", "position_angle", "n_within"]


def scattered(n, spread=0.01, seed=1, lon=0.0, lat=20.0):
    """Return positions around one on RA 0."""
    rng = np.random.default_rng(seed)
    centre = SkyCoord(lon, lat, unit="deg")
    return centre.directional_offset_by(
        rng.uniform(0, 360, n) * u.deg, spread * np.sqrt(rng.uniform(0, 1, n)) * u.deg
    )


LEFT, RIGHT = scattered(50), scattered(70, seed=2)
CATALOGUE = Table({
    "ra": RIGHT.ra, "dec": RIGHT.dec, "id": np.arange(70, dtype=np.int64) + 2**60,
    "flux": MaskedColumn(np.arange(70.0), unit=u.uJy, mask=np.arange(70) % 7 == 0,
                         description="Flux."),
})  # fmt: skip


def same(found, left=LEFT, right=RIGHT, radius=10 * u.arcsec):
    """Check that a match has the pairs, separations and angles of astropy."""
    first, second, separation, _ = search_around_sky(left, right, radius)
    order = np.lexsort((second, separation, first))
    assert found["query_index"].tolist() == first[order].tolist()
    assert found["catalogue_index"].tolist() == second[order].tolist()
    np.testing.assert_allclose(found["separation"], separation.arcsec[order], rtol=0, atol=2e-7)
    assert np.all(np.abs(found["separation"] - separation.arcsec[order]) / 206265 < 1e-12)
    angle = left[found["query_index"]].icrs.position_angle(right[found["catalogue_index"]].icrs)
    turned = np.abs((found["position_angle"] - angle.deg + 180) % 360 - 180)
    assert turned.max() < 1e-5
    count = np.bincount(first, minlength=len(left))
    assert found["n_within"].tolist() == count[first[order]].tolist()


def test_a_match_with_a_table_has_its_columns_and_units():
    found = crossmatch(LEFT, CATALOGUE, 10 * u.arcsec)
    same(found)
    assert found.colnames == [*FIRST, "ra", "dec", "id", "flux"]
    assert (found["separation"].unit, found["position_angle"].unit) == (u.arcsec, u.deg)
    assert found["id"].dtype == np.int64
    assert found["id"].tolist() == CATALOGUE["id"][found["catalogue_index"]].tolist()
    assert (found["flux"].unit, found["flux"].description) == (u.uJy, "Flux.")
    assert np.array_equal(found["flux"].mask, found["catalogue_index"] % 7 == 0)
    assert found.meta["n_positions"] == 50
    assert all(found[name].description for name in FIRST)


@pytest.mark.parametrize(
    "catalogue",
    [
        RIGHT,
        RIGHT.galactic,
        RIGHT.fk5,
        RIGHT.transform_to(FK5(equinox="J1975")),
        ICRS(RIGHT.ra, RIGHT.dec),
        SkyCoord(RIGHT.ra, RIGHT.dec, distance=3 * u.kpc),
        Table({"coordinates": RIGHT}),
        Table({"position": RIGHT.galactic, "ra": np.zeros(70), "dec": np.zeros(70)}),
        Table({"RAJ2000": RIGHT.ra.deg, "DEJ2000": RIGHT.dec.deg}),
        Table({"ra": RIGHT.ra.to(u.hourangle), "dec": RIGHT.dec.to(u.arcmin)}),
        QTable({"RA_ICRS": RIGHT.ra, "DE_ICRS": RIGHT.dec}),
        Table({"l": RIGHT.galactic.l, "b": RIGHT.galactic.b}),
        Table({"meanra": RIGHT.ra.deg, "meandec": RIGHT.dec.deg}),
        Table({
            "RAJ2000": RIGHT.ra.to_string(u.hourangle, sep=":", precision=10),
            "DEJ2000": RIGHT.dec.to_string(u.deg, sep=":", precision=10),
        }),
        Table({
            "ra": RIGHT.ra.to_string(u.hourangle, sep=" ", precision=10),
            "dec": RIGHT.dec.to_string(u.deg, sep=" ", precision=10),
        }),
        Table({"ra": RIGHT.ra.deg.astype(str), "dec": RIGHT.dec.deg.astype(str)}),
        pd.DataFrame({"ra": RIGHT.ra.deg, "dec": RIGHT.dec.deg, "name": "x"}),
        {f"star {n}": position for n, position in enumerate(RIGHT)},
    ],
)  # fmt: skip
def test_positions_in_any_form_and_frame(catalogue):
    same(crossmatch(LEFT.galactic, catalogue, "10 arcsec"))
    first, second, _, _ = search_around_sky(RIGHT, LEFT, 10 * u.arcsec)
    found = crossmatch(catalogue, LEFT, "10 arcsec")
    assert sorted(zip(found["query_index"], found["catalogue_index"], strict=True)) == sorted(
        zip(first, second, strict=True)
    )
    if isinstance(catalogue, dict):
        assert found["query_id"][0] == f"star {found['query_index'][0]}"


def test_tables_of_other_packages_keep_their_columns():
    columns = {"ra": RIGHT.ra.deg, "dec": RIGHT.dec.deg, "id": np.asarray(CATALOGUE["id"])}
    array = np.rec.fromarrays(list(columns.values()), names=list(columns))
    arrow = pytest.importorskip("pyarrow").table(columns)
    for catalogue in (pd.DataFrame(columns, index=np.arange(70) * 3), array, arrow):
        found = crossmatch(LEFT, catalogue, "10 arcsec")
        same(found)
        assert found["id"].tolist() == CATALOGUE["id"][found["catalogue_index"]].tolist()
    frame = pd.DataFrame(columns)
    for missing in (frame["ra"].astype("Float64"), frame["ra"].astype(object)):
        frame["ra"] = missing.mask(np.arange(70) == 4)
        with pytest.warns(InputWarning, match="catalogue: 1 of 70 positions is masked"):
            found = crossmatch(LEFT, frame, "10 arcsec")
        assert 4 not in found["catalogue_index"]
        assert len(found) > 50


def test_columns_with_the_names_of_a_match_are_kept():
    table = CATALOGUE.copy()
    table["query_index"], table["separation"] = 7, 3 * u.deg
    found = crossmatch(LEFT, table, "10 arcsec")
    same(found)
    assert np.all(found["catalogue_query_index"] == 7)
    assert found["catalogue_separation"].unit == u.deg


def test_the_nearest_of_each_position():
    every = crossmatch(LEFT, CATALOGUE, "20 arcsec")
    found = crossmatch(LEFT, CATALOGUE, "20 arcsec", nearest=True)
    assert found["query_index"].tolist() == np.unique(every["query_index"]).tolist()
    index, separation, _ = LEFT[found["query_index"]].match_to_catalog_sky(RIGHT)
    assert found["catalogue_index"].tolist() == index.tolist()
    np.testing.assert_allclose(found["separation"], separation.arcsec, atol=2e-7)
    assert found["n_within"].max() > 1
    assert found["n_within"].sum() == len(every)


def test_one_position_and_arrays_of_any_shape():
    found = crossmatch(LEFT[3], CATALOGUE, "30 arcsec")
    assert set(found["query_index"]) == {0}
    square = crossmatch(LEFT.reshape(5, 10), CATALOGUE, "10 arcsec")
    same(square)
    assert len(crossmatch("00:00:00 +20:00:00", CATALOGUE, "30 arcsec"))


def test_light_curves_are_matched_by_their_coordinates():
    curves = {}
    for n in (5, 9):
        curve = TimeSeries(time=Time([60000.0, 60001.0], format="mjd"))
        curve.meta["coordinates"] = LEFT[n]
        curves[f"object {n}"] = curve
    found = crossmatch(curves, CATALOGUE, "30 arcsec")
    assert found.colnames[:2] == ["query_index", "query_id"]
    every = crossmatch(LEFT[[5, 9]], CATALOGUE, "30 arcsec")
    assert found["catalogue_index"].tolist() == every["catalogue_index"].tolist()
    assert set(found["query_id"]) == {"object 5", "object 9"}
    one = crossmatch(curves["object 5"], CATALOGUE, "30 arcsec")
    assert len(one) == np.sum(every["query_index"] == 0)


def test_tables_of_a_service_are_matched(atlas_sources):
    found = crossmatch(atlas_sources, atlas_sources, "1 arcsec", nearest=True)
    assert found["query_index"].tolist() == found["catalogue_index"].tolist()


@pytest.fixture
def atlas_sources():
    """A table as the searches of Atlas return it."""
    return Table({
        "query_index": [0, 0], "separation": [1.0, 2.0] * u.arcsec,
        "atlas_id": np.array([1031412481175034550, 1031412481175034551]),
        "ra": [150.0, 151.0] * u.deg, "dec": [2.0, 3.0] * u.deg,
    })  # fmt: skip


def test_a_client_of_the_package_is_asked_for_all_positions(sandbox):
    client = AtlasClass(server=sandbox.url)
    client.login(token=sandbox.token)
    places = SkyCoord([150.0131, 30.0], [2.2, -80.0], unit="deg")
    objects = client.query_region(places, radius="3 arcmin")
    found = crossmatch(places, client, "3 arcmin")
    assert found["atlas_id"].tolist() == objects["atlas_id"].tolist()
    assert found["query_index"].tolist() == objects["query_index"].tolist()
    np.testing.assert_allclose(found["separation"], objects["separation"], atol=1e-6)
    assert found["atlas_id"].dtype == np.int64
    # A row of the result, and cleaned light curves.
    assert len(crossmatch(objects[0], objects, "1 arcsec")) == 1
    curves = clean(client.get_light_curves(objects["atlas_id"][:3]))
    again = crossmatch(curves, objects, "1 arcsec", nearest=True)
    assert again["query_id"].tolist() == again["atlas_id"].tolist()
    assert len(again) == 3
    # One light curve is one object.
    assert len(crossmatch(curves[objects["atlas_id"][1]], objects, "1 arcsec")) == 1


def test_missing_positions_are_named_and_counted():
    ra = MaskedColumn(RIGHT.ra.deg, mask=np.arange(70) == 3, unit=u.deg)
    dec = RIGHT.dec.deg.copy()
    dec[10:18] = np.nan
    with pytest.warns(InputWarning) as caught:
        found = crossmatch(Table({"ra": ra, "dec": dec}), LEFT, "10 arcsec")
    assert str(caught[0].message) == (
        "left: 9 of 70 positions are masked or not finite and cannot match: "
        "index 3, 10, 11, 12, 13, ..."
    )
    assert found.meta["without_position"] == [3, *range(10, 18)]
    whole = crossmatch(RIGHT, LEFT, "10 arcsec")
    kept = ~np.isin(whole["query_index"], found.meta["without_position"])
    assert found["query_index"].tolist() == whole["query_index"][kept].tolist()
    with pytest.warns(InputWarning, match="catalogue: 1 of 2 positions is masked"):
        crossmatch(LEFT, SkyCoord([np.nan, LEFT.ra.deg[0]], [1, LEFT.dec.deg[0]], unit="deg"), "1s")


@pytest.mark.parametrize("empty", [SkyCoord([], [], unit="deg"), CATALOGUE[:0], {}])
def test_empty_sides_have_the_same_columns(empty):
    for left, right in ((empty, CATALOGUE), (LEFT, empty)):
        with pytest.warns(NoResultsWarning):
            found = crossmatch(left, right, "10 arcsec")
        assert len(found) == 0
        assert [name for name in found.colnames if name != "query_id"][:5] == FIRST
    with pytest.warns(NoResultsWarning):
        found = crossmatch(CATALOGUE[:0], CATALOGUE, "10 arcsec", epoch=None)
    assert found["id"].dtype == np.int64


def test_all_are_within_180_degrees():
    found = crossmatch(LEFT[:3], RIGHT[:4], 180 * u.deg)
    assert len(found) == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((LEFT, CATALOGUE, 3), "radius=3 should be one angle with a unit"),
        ((LEFT, CATALOGUE, 0 * u.arcsec), "should be above 0"),
        ((LEFT, CATALOGUE, "181 deg"), "up to 180 degrees"),
        ((LEFT, CATALOGUE, [1, 2] * u.arcsec), "should be one angle"),
        ((LEFT, CATALOGUE["flux", "id"], "1s"), "without a column of SkyCoord, or ra and dec"),
        (("M 31", CATALOGUE, "1s"), "left='M 31' is not a position, .* use SkyCoord.from_name"),
        ((5, CATALOGUE, "1s"), "left=5 should be a SkyCoord"),
        ((LEFT, [1, 2], "1s"), "should be a SkyCoord, or a table"),
        ((LEFT, Table({"a": LEFT, "b": LEFT}), "1s"), "2 columns of SkyCoord, a, b: pass one"),
        ((Table({"ra": [1.0], "dec": [91.0]}), LEFT, "1s"), "has 91 deg in row 0"),
        ((Table({"ra": ["x"], "dec": ["1"]}), LEFT, "1s"), "has 'x' in row 0"),
        ((Table({"ra": [1] * u.mag, "dec": [1]}), LEFT, "1s"), "is not a column of angles"),
        (({"a": LEFT}, LEFT, "1s"), "has 50 positions; a mapping has one"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(InvalidQueryError, match=message):
        crossmatch(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nearest": 1}, "nearest=1 should be True or False"),
        ({"epoch": 2016.0}, r"Time\(2026.5, format='jyear'\)"),
        ({"epoch": "today"}, "epoch='today' should be one Time"),
        ({"epoch": Time(["J2016", "J2017"])}, "epoch has 2 times for 50 positions"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InvalidQueryError, match=message):
        crossmatch(LEFT, CATALOGUE, "1 arcsec", **options)


def test_bad_arguments_are_refused_before_an_archive_is_asked():
    for arguments in ((LEFT, "gaia", 3), ("nowhere", "gaia", "1s"), (LEFT, "gaia", "1s", 1)):
        with pytest.raises((InvalidQueryError, TypeError)):
            crossmatch(*arguments)
    service = remote_catalogues.find_catalogue(atlasquery.Atlas)
    assert service.name == atlasquery.Atlas.name


def test_inputs_are_not_changed():
    before = CATALOGUE.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = crossmatch(LEFT, CATALOGUE, "10 arcsec")
    found["flux"][:] = -1
    assert np.array_equal(before["flux"], CATALOGUE["flux"])
    assert before.colnames == CATALOGUE.colnames


def test_the_result_is_written_and_read(tmp_path):
    from atlasquery.tables import files

    found = crossmatch(LEFT, CATALOGUE, "10 arcsec")
    files.write_table(found, tmp_path / "match.ecsv")
    back = files.read_table(tmp_path / "match.ecsv")
    assert back.colnames == found.colnames
    assert back["id"].tolist() == found["id"].tolist()
    assert back.meta["radius"] == "10 arcsec"

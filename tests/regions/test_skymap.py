"""Sky maps: each form of file, evaluated at every kind of position, and maps that are refused."""

import gzip
import io
import math
import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import QTable, Table

pytest.importorskip("cdshealpix", reason="the regions extra is not installed")

from maps import brute_force, fits_bytes, flat_bytes, multi_order, nested_of_ring, positions

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.regions import SkyMap
from atlasquery.regions.distances import distance_moments

# Smallest step that is certain to cross a border, in degrees.
STEP = 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_map_of_mixed_orders_equals_brute_force_at_every_position(seed):
    table = multi_order(seed)
    ra, dec = positions(5000, seed)
    # As many where cells are small.
    near = SkyMap.read(table).region(0.5).moc().barycenter()
    rng = np.random.default_rng(seed)
    ra = np.append(ra, (near.ra.deg + rng.normal(0, 1, 5000)) % 360)
    dec = np.append(dec, np.clip(near.dec.deg + rng.normal(0, 1, 5000), -90, 90))
    rows, level = brute_force(table, ra, dec)
    found = SkyMap.read(table).at(SkyCoord(ra, dec, unit="deg"))
    assert len(np.unique(rows)) > 100
    assert found["probability_density"].unit == u.sr**-1
    np.testing.assert_array_equal(
        found["probability_density"].value, np.asarray(table["PROBDENSITY"])[rows]
    )
    np.testing.assert_allclose(found["credible_level"], level[rows], rtol=0, atol=1e-13)
    mean, std = distance_moments(np.array(table["DISTMU"]), np.array(table["DISTSIGMA"]))
    unknown = np.isinf(np.asarray(table["DISTMU"]))[rows]
    np.testing.assert_array_equal(found["distance_mean"].mask, unknown)
    for name, values in (("distance_mean", mean), ("distance_std", std)):
        assert found[name].unit == u.Mpc
        np.testing.assert_array_equal(found[name].unmasked.value, values[rows])
        assert np.isnan(found[name].unmasked.value[unknown]).all()


def test_position_on_a_border_has_the_value_of_a_cell_beside_it():
    from astropy_healpix import boundaries_lonlat

    table = multi_order(3)
    order = (np.log2(np.asarray(table["UNIQ"], float)) // 2 - 1).astype(int)
    ra, dec = [0.0, 0.0, 0.0, 45.0, 90.0, 359.99999999999], [90.0, -90.0, 0.0, 0.0, 90.0, 0.0]
    for row in range(0, len(table), 7):
        k = int(order[row])
        lon, lat = boundaries_lonlat(
            np.array([table["UNIQ"][row] - 4 * 4**k]), 2, 2**k, order="nested"
        )
        ra += lon.to_value(u.deg).ravel().tolist()
        dec += lat.to_value(u.deg).ravel().tolist()
    ra, dec = np.array(ra) % 360, np.array(dec)
    allowed = []
    for d_ra in (-STEP, 0, STEP):
        for d_dec in (-STEP, 0, STEP):
            shift = d_ra / np.maximum(np.cos(np.radians(dec)), 1e-3)
            rows, _ = brute_force(table, (ra + shift) % 360, np.clip(dec + d_dec, -90, 90))
            allowed.append(np.asarray(table["PROBDENSITY"])[rows])
    values = SkyMap.read(table).at(SkyCoord(ra, dec, unit="deg"))["probability_density"].value
    assert np.any(np.array(allowed) == values, axis=0).all()
    assert len(values) > 300


def test_right_ascension_wraps_at_zero_and_frames_are_transformed():
    sky_map = SkyMap.read(multi_order(1))
    ra, dec = np.array([0.0, 360.0, -10.0, 350.0, 370.0, 10.0]), np.full(6, 33.0)
    levels = sky_map.at(SkyCoord(ra, dec, unit="deg"))["credible_level"]
    np.testing.assert_array_equal(levels[::2], levels[1::2])
    ra, dec = positions(1000)
    coordinates = SkyCoord(ra, dec, unit="deg")
    np.testing.assert_array_equal(
        sky_map.at(coordinates.galactic)["credible_level"],
        sky_map.at(coordinates)["credible_level"],
    )


def test_probabilities_sum_to_that_of_the_map_and_a_region_is_up_to_its_level():
    table = multi_order(2)
    sky_map = SkyMap.read(table)
    cells = sky_map.to_table()
    assert isinstance(cells, QTable)
    assert sorted(cells["uniq"]) == sorted(table["UNIQ"])
    assert math.fsum(cells["probability"]) == pytest.approx(1, abs=1e-13)
    _, level = brute_force(table, np.empty(0), np.empty(0))
    order = (np.log2(np.asarray(table["UNIQ"], float)) // 2 - 1).astype(int)
    area = np.pi / 3 / 4.0**order
    for credible in (0.1, 0.5, 0.9, 0.99):
        inside = level <= credible
        assert 0 < inside.sum() < len(table)
        expected = math.fsum(area[inside]) * (180 / np.pi) ** 2
        assert sky_map.area(credible).to_value(u.deg**2) == pytest.approx(expected, rel=1e-12)
        probability = math.fsum((np.asarray(table["PROBDENSITY"]) * area)[inside])
        assert sky_map.probability(credible) == pytest.approx(probability, abs=1e-13)
        assert sky_map.probability(credible) <= credible
        region = sky_map.region(credible)
        assert region.area.value == pytest.approx(expected, rel=1e-12)
        assert region.moc().sky_fraction * 4 * np.pi == pytest.approx(
            math.fsum(area[inside]), rel=1e-9
        )
    assert sky_map.area(1).value == pytest.approx(4 * np.pi * (180 / np.pi) ** 2)


def test_region_contains_the_positions_whose_level_is_up_to_it():
    sky_map = SkyMap.read(multi_order(5))
    ra, dec = positions(20000)
    coordinates = SkyCoord(ra, dec, unit="deg").reshape(100, 200)
    level = sky_map.at(coordinates)["credible_level"].reshape(100, 200)
    region = sky_map.region(0.9)
    assert region.name == "90 % region of S5"
    np.testing.assert_array_equal(region.contains(coordinates), level <= 0.9)
    assert sky_map.moc(0.9) == region.moc()
    assert sky_map.moc(0.9, 3).contains_skycoords(coordinates.ravel()).sum() >= (level <= 0.9).sum()


def test_cells_of_equal_density_share_a_level_in_any_order_of_rows():
    number = 12 * 4**2
    uniform = Table({"UNIQ": 64 + np.arange(number), "PROBDENSITY": np.full(number, 0.25 / np.pi)})
    ra, dec = positions(100)
    coordinates = SkyCoord(ra, dec, unit="deg")
    assert set(SkyMap.read(uniform).at(coordinates)["credible_level"]) == {1.0}
    table = multi_order(4)
    rows = np.random.default_rng(9).permutation(len(table))
    for column in ("credible_level", "probability_density"):
        np.testing.assert_array_equal(
            SkyMap.read(table).at(coordinates)[column],
            SkyMap.read(table[rows]).at(coordinates)[column],
        )


def test_empty_region_where_one_cell_is_more_probable_than_the_level():
    number = np.arange(48)
    density = np.where(number == 7, 0.95, 0.05 / 47) * 48 / (4 * np.pi)
    sky_map = SkyMap.read(Table({"UNIQ": 16 + number, "PROBDENSITY": density}))
    assert sky_map.area(0.9).value == 0
    assert sky_map.probability(0.9) == 0
    region = sky_map.region(0.9)
    assert not region.contains(SkyCoord([0, 90], [0, 45], unit="deg")).any()
    assert region.moc().empty()
    assert sky_map.area(0.96).value == pytest.approx(41252.961 / 48)


@pytest.mark.parametrize("form", ["D", "E"])
@pytest.mark.parametrize(
    ("ordering", "name", "per_row"),
    [("NESTED", "PROB", 1), ("RING", "PROB", 1), ("RING", "PROBABILITY", 1024),
     ("NESTED", "PROBABILITY", 1)],
)  # fmt: skip
def test_flat_maps_of_every_layout(tmp_path, ordering, name, per_row, form):
    nside = 32
    nested = np.random.default_rng(1).choice([0.0, 1.0, 3.0, 7.5, 100.0], 12 * nside**2)
    nested /= nested.sum()
    probability = nested[nested_of_ring(nside)] if ordering == "RING" else nested
    body = flat_bytes(probability, ordering=ordering, name=name, per_row=per_row, form=form,
                      NSIDE=nside, MOC=True)  # fmt: skip
    table = Table({"UNIQ": 4 * nside**2 + np.arange(12 * nside**2)})
    table["PROBDENSITY"] = nested * 12 * nside**2 / (4 * np.pi)
    ra, dec = positions(3000)
    expected = SkyMap.read(table).at(SkyCoord(ra, dec, unit="deg"))
    plain, packed = tmp_path / "map.fits", tmp_path / "map.fits.gz"
    plain.write_bytes(body)
    packed.write_bytes(gzip.compress(body))
    with fits.open(io.BytesIO(body)) as hdus:
        for source in (body, gzip.compress(body), plain, str(packed), hdus, hdus[1]):
            sky_map = SkyMap.read(source)
            found = sky_map.at(SkyCoord(ra, dec, unit="deg"))
            tolerance = 1e-12 if form == "D" else 1e-6
            for column in expected.colnames:
                np.testing.assert_allclose(
                    u.Quantity(found[column]).value, u.Quantity(expected[column]).value,
                    rtol=tolerance,
                )  # fmt: skip
            assert sky_map.area(0.9).value == pytest.approx(SkyMap.read(table).area(0.9).value)
    assert sky_map.region(0.9).moc() == SkyMap.read(table).region(0.9).moc()
    assert sorted(sky_map.to_table()["uniq"]) == sorted(table["UNIQ"])


def test_part_of_the_sky_is_masked_elsewhere():
    nside = 16
    pixels = np.arange(0, 1000)
    table = Table({"PIXEL": pixels, "PROB": np.full(1000, 0.001)})
    table.meta = {"NSIDE": nside, "ORDERING": "RING", "INDXSCHM": "EXPLICIT"}
    found = SkyMap.read(table).at(SkyCoord([0, 0, 0], [90, 85, -80], unit="deg"))
    assert found["credible_level"].mask.tolist() == [False, False, True]
    density = 0.001 * 12 * nside**2 / (4 * np.pi)
    np.testing.assert_allclose(found["probability_density"].unmasked.value[:2], density)
    assert np.isnan(found["credible_level"].data.data[2])


def test_galactic_maps_are_evaluated_in_galactic_coordinates():
    nside = 8
    probability = np.random.default_rng(1).random(12 * nside**2)
    probability /= probability.sum()
    body = {system: flat_bytes(probability, ordering="NESTED", NSIDE=nside, COORDSYS=system)
            for system in "CG"}  # fmt: skip
    ra, dec = positions(500)
    galactic = SkyMap.read(body["G"])
    np.testing.assert_array_equal(
        galactic.at(SkyCoord(ra, dec, unit="deg", frame="galactic"))["credible_level"],
        SkyMap.read(body["C"]).at(SkyCoord(ra, dec, unit="deg"))["credible_level"],
    )
    with pytest.raises(InvalidQueryError, match="galactic"):
        galactic.region(0.9)
    with pytest.raises(InvalidQueryError, match="COORDSYS='E'"):
        SkyMap.read(flat_bytes(probability, ordering="NESTED", COORDSYS="E"))


def test_map_without_any_distance_is_one_of_two_dimensions():
    table = multi_order(1)
    for name, mark in (("DISTMU", np.inf), ("DISTSIGMA", 1.0), ("DISTNORM", 0.0)):
        table[name] = mark
    sky_map = SkyMap.read(table)
    assert not sky_map.has_distances
    assert sky_map.at(SkyCoord(0, 0, unit="deg")).colnames == [
        "probability_density",
        "credible_level",
    ]
    assert SkyMap.read(multi_order(1)).has_distances


def test_distance_moments_are_those_of_the_integrals():
    mu = np.array(
        [-2000.0, -140.0, -90.1, -89.9, -30.0, 0.0, 35.61, 400.0, 1e5, np.inf, 10, np.nan]
    )
    sigma = np.array([40.0, 30.0, 30.0, 30.0, 30.0, 30.0, 8.26, 30.0, 1.0, 1.0, -1.0, 3.0])
    mean, std = distance_moments(mu, sigma)
    assert np.isnan(mean[-3:]).all() and np.isnan(std[-3:]).all()
    assert mean[6] == pytest.approx(39.25, abs=0.005) and std[6] == pytest.approx(7.87, abs=0.005)
    for n in range(len(mu) - 3):
        # Enough of the range that nothing of the integrand is left out.
        scale = sigma[n] ** 2 / abs(mu[n]) if mu[n] < -3 * sigma[n] else sigma[n]
        low, high = max(0.0, mu[n] - 12 * sigma[n]), max(mu[n], 0) + 40 * scale
        r = np.linspace(low, high, 400_001)
        peak = max(mu[n], 0.0)
        weight = r**2 * np.exp(-((r - mu[n]) ** 2 - (peak - mu[n]) ** 2) / (2 * sigma[n] ** 2))
        first = np.sum(r * weight) / np.sum(weight)
        second = np.sum((r - first) ** 2 * weight) / np.sum(weight)
        assert mean[n] == pytest.approx(first, rel=1e-9)
        assert std[n] == pytest.approx(math.sqrt(second), rel=1e-7)


def test_metadata_of_the_event_have_units_and_a_time():
    cards = {
        "MJD-OBS": 58423.93248442635, "DATE-OBS": "2018-11-01T22:22:46.654437",
        "CREATOR": "BAYESTAR", "INSTRUME": "H1,L1,V1",
        "DISTMEAN": 39.77, "DISTSTD": 8.3, "LOGBSN": 261.0, "LOGBCI": 13.6,
        "REFERENC": "https://example.org/", "DATE": "2018-11-01T22:34:49",
    }  # fmt: skip
    meta = SkyMap.read(fits_bytes(multi_order(1), **cards)).meta
    assert meta["trigger_time"].scale == "utc"
    assert meta["trigger_time"].isot == "2018-11-01T22:22:46.654"
    assert meta["distance_mean"] == 39.77 * u.Mpc and meta["distance_std"] == 8.3 * u.Mpc
    assert (meta["object"], meta["instruments"], meta["log_bsn"]) == ("S1", "H1,L1,V1", 261.0)
    for odd in ({"MJD-OBS": np.True_.item(), "DATE-OBS": "soon"}, {"DISTMEAN": "far"}):
        meta = SkyMap.read(fits_bytes(multi_order(1), **odd)).meta
        assert "trigger_time" not in meta and "distance_mean" not in meta


def test_missing_positions_are_masked_with_a_warning():
    ra = np.ma.masked_array([10.0, 20.0, np.nan], [False, True, False])
    coordinates = SkyCoord(np.where(ra.mask, np.nan, ra.data), [0, 0, 0], unit="deg")
    with pytest.warns(InputWarning, match="2 of 3 positions"):
        found = SkyMap.read(multi_order(1)).at(coordinates)
    assert found["credible_level"].mask.tolist() == [False, True, True]


def test_repr_html_and_pickle():
    sky_map = SkyMap.read(fits_bytes(multi_order(1), CREATOR="<b>me</b>"))
    assert repr(sky_map).startswith("<SkyMap S1: 516 cells down to order 11, with distances; 90 %")
    assert "&lt;b&gt;me" in sky_map._repr_html_() and "<b>me" not in sky_map._repr_html_()
    again = pickle.loads(pickle.dumps(sky_map))
    coordinates = SkyCoord([10, 20], [0, 0], unit="deg")
    assert again.at(coordinates)["credible_level"].tolist() == (
        sky_map.at(coordinates)["credible_level"].tolist()
    )


def changed(**columns):
    """Return a map with other columns; None removes one."""
    table = Table(multi_order(1, distances=False))
    for name, values in columns.items():
        if values is None:
            del table[name]
        else:
            table[name] = values(table)
    return table


def with_row(name, row, value):
    """Return a map with one other value."""
    table = multi_order(1, distances=False)
    table[name][row] = value
    return table


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (lambda: changed(PROBDENSITY=lambda t: t["PROBDENSITY"] * 0.97), "cells are missing"),
        (lambda: changed(PROBDENSITY=lambda t: t["PROBDENSITY"] * 1.5), "is 1.5, .*normalized"),
        (lambda: changed(PROBDENSITY=lambda t: t["PROBDENSITY"] * 100), "in percent"),
        (lambda: changed(PROBDENSITY=lambda t: np.full(len(t), 1 / len(t))),
         "has probabilities of cells"),
        (lambda: changed(PROB=lambda t: np.asarray(t["PROBDENSITY"]), PROBDENSITY=None),
         "has densities"),
        (lambda: with_row("PROBDENSITY", 3, np.nan), "not finite in 1 of 516 cells, first in row"),
        (lambda: with_row("PROBDENSITY", 3, np.inf), "not finite"),
        (lambda: with_row("PROBDENSITY", 3, -1.0), "negative in 1"),
        (lambda: with_row("PROBDENSITY", 3, -1.6375e30), "UNSEEN"),
        (lambda: with_row("UNIQ", 5, 3), "UNIQ is 3 in row 5"),
        (lambda: with_row("UNIQ", 5, -7), "UNIQ is -7 in row 5"),
        (lambda: with_row("UNIQ", 5, 2**62), "not the number of a cell"),
        (lambda: with_row("UNIQ", 5, 4), "cells that overlap"),
        (lambda: changed(UNIQ=lambda t: t["UNIQ"].astype(float)), "not of whole numbers"),
        (lambda: changed(UNIQ=lambda t: t["UNIQ"].astype(str)), "which are not numbers"),
        (lambda: changed(PROBDENSITY=lambda t: t["PROBDENSITY"].astype(str)), "not numbers"),
        (lambda: changed(PROBDENSITY=None), "is a MOC"),
        (lambda: changed(UNIQ=None), "no ORDERING"),
        (lambda: changed()[:0], "no cells"),
        (lambda: Table({"x": [1]}), "no column PROBDENSITY, PROB or PROBABILITY; it has x"),
        (lambda: Table({"PROB": np.full(12, 1 / 12)}, meta={"ORDERING": "NUNIQ"}),
         "ORDERING='NUNIQ'"),
        (lambda: Table({"PROB": np.full(13, 1 / 13)}, meta={"ORDERING": "RING"}), "has 13 pixels"),
        (lambda: Table({"PROB": np.full(12, 1 / 12)}, meta={"ORDERING": "RING", "NSIDE": 2}),
         "NSIDE=2"),
        (lambda: Table({"PROB": [1.0], "PIXEL": [1]}, meta={"ORDERING": "RING"}), "NSIDE=None"),
        (lambda: Table({"PROB": [1.0], "PIXEL": [12]}, meta={"ORDERING": "RING", "NSIDE": 1}),
         "not pixels"),
    ],
)  # fmt: skip
def test_map_that_is_not_one_is_refused_by_its_mistake(table, words):
    with pytest.raises(InvalidQueryError, match=words):
        SkyMap.read(table())


@pytest.mark.parametrize(
    "value", [0, -0.1, 1.01, 90, True, "0.9", np.nan, None, [0.5, 0.9], 3 * u.m]
)
def test_credible_levels_that_are_refused(value):
    with pytest.raises(InvalidQueryError, match="credible"):
        SkyMap.read(multi_order(1)).area(value)


def test_credible_level_in_percent_is_accepted_with_its_unit():
    sky_map = SkyMap.read(multi_order(1))
    assert sky_map.area(90 * u.percent) == sky_map.area(0.9)
    with pytest.raises(InvalidQueryError, match=r"90 % is 0\.9"):
        sky_map.area(90)


@pytest.mark.parametrize(
    "source",
    [b"", b"SIMPLE  = ", b"no map", 3, None, "absent.fits", gzip.compress(b"x", mtime=0)[:-9]],
)
def test_source_that_is_not_a_file_of_a_map_is_refused(source, tmp_path):
    with pytest.raises(InvalidQueryError):
        SkyMap.read(source)
    path = tmp_path / "map.fits"
    if isinstance(source, bytes):
        path.write_bytes(source)
        with pytest.raises(InvalidQueryError):
            SkyMap.read(path)
    with pytest.raises(InvalidQueryError):
        SkyMap.read(tmp_path)


def test_declared_sizes_are_compared_with_the_file_before_memory_is_allocated(tmp_path):
    body = fits_bytes(multi_order(1))
    for old, new, words in (
        (b"NAXIS2  =                  516", b"NAXIS2  =     999999999999999", "are present"),
        (b"TFIELDS =                    5", b"TFIELDS =        1999999999999", "columns, and FITS"),
    ):
        assert old in body
        damaged = body.replace(old, new.ljust(30))
        path = tmp_path / "map.fits"
        path.write_bytes(damaged)
        for source in (damaged, path, gzip.compress(damaged)):
            with pytest.raises(InvalidQueryError, match=words):
                SkyMap.read(source)


def test_damaged_maps_raise_typed_errors_only(tmp_path):
    rng = np.random.default_rng(5)
    bodies = [
        fits_bytes(multi_order(1, orders=(1, 4), split=4)),
        flat_bytes(np.full(192, 1 / 192), ordering="RING", NSIDE=4, per_row=16),
    ]
    path = tmp_path / "map.fits"
    refused = 0
    for n in range(80):
        body = bytearray(bodies[n % 2])
        header = body.index(b"XTENSION")
        for _ in range(rng.integers(1, 4)):
            # Most changes are in the header of the table, where they do most.
            start = header if rng.random() < 0.8 else 0
            at = int(rng.integers(start, min(start + 2880, len(body))))
            body[at] = int(rng.integers(32, 127))
        if rng.random() < 0.2:
            body = body[: int(rng.integers(0, len(body)))]
        path.write_bytes(bytes(body))
        for source in (bytes(body), path):
            try:
                SkyMap.read(source).at(SkyCoord(0, 0, unit="deg"))
            except InvalidQueryError:
                refused += 1
    assert refused > 40

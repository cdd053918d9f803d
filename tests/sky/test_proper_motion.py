"""Positions at another epoch: against straight-line motion in space, and missing values."""

import warnings

import astropy.units as u
import erfa
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table
from astropy.time import Time

from atlasquery import crossmatch
from atlasquery.exceptions import InvalidQueryError
from atlasquery.sky.proper_motion import ProperMotion, propagate

KM_S = 4.740470463533348
WHEN = Time("J2026.0", scale="tcb")
MAS = np.radians(1 / 3.6e6)


def straight(lon, lat, pm_ra, pm_dec, parallax, velocity, years):
    """Return the position of a star that moves along a straight line at a constant speed."""
    r = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    east = np.array([-np.sin(lon), np.cos(lon), np.zeros_like(lon)])
    north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    moved = r * (1 + velocity * parallax / KM_S * MAS * years)
    moved = moved + (pm_ra * east + pm_dec * north) * MAS * years
    return np.arctan2(moved[1], moved[0]) % (2 * np.pi), np.arctan2(moved[2], np.hypot(*moved[:2]))


def sample(n=500):
    rng = np.random.default_rng(5)
    lon, lat = rng.uniform(0, 2 * np.pi, n), np.arcsin(rng.uniform(-1, 1, n))
    pm = 10 ** rng.uniform(0, 3.3, n)
    angle = rng.uniform(0, 2 * np.pi, n)
    return {
        "lon": lon, "lat": lat, "pm_ra": pm * np.sin(angle), "pm_dec": pm * np.cos(angle),
        "parallax": np.maximum(pm / 40, 0.5), "velocity": rng.normal(0, 50, n),
    }  # fmt: skip


def test_motion_is_a_straight_line_in_space():
    stars = sample()
    # Like Barnard's star, and one near the pole.
    for name, values in {
        "lon": (4.7, 1.0), "lat": (0.08, np.radians(89.9)), "pm_ra": (-800.0, 500.0),
        "pm_dec": (10360.0, 500.0), "parallax": (547.0, 50.0), "velocity": (-110.0, 20.0),
    }.items():  # fmt: skip
        stars[name] = np.append(stars[name], values)
    motion = ProperMotion(
        stars["pm_ra"], stars["pm_dec"], np.full(502, 2016.0), stars["parallax"], stars["velocity"]
    )
    lon, lat, moved = propagate(stars["lon"], stars["lat"], motion, WHEN)
    assert moved.all()
    right = straight(*stars.values(), 10.0)
    assert np.max(erfa.seps(lon, lat, *right)) < 0.02 * MAS


def test_missing_values_leave_what_is_known():
    stars = sample(8)
    stars["pm_ra"][0] = np.nan
    stars["parallax"][[1, 2, 3]] = np.nan, 0, -2.0
    stars["velocity"][4] = np.nan
    # A distance that noise made: at a million parsec the star would be faster than light.
    stars["parallax"][5] = 1e-3
    epochs = np.full(8, 2016.0)
    epochs[6] = np.nan
    motion = ProperMotion(
        stars["pm_ra"], stars["pm_dec"], epochs, stars["parallax"], stars["velocity"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lon, lat, moved = propagate(stars["lon"], stars["lat"], motion, WHEN)
    assert moved.tolist() == [False, True, True, True, True, True, False, True]
    assert (lon[0], lat[0], lon[6]) == (stars["lon"][0], stars["lat"][0], stars["lon"][6])
    stars["parallax"][[1, 2, 3, 5]] = 0.0
    stars["velocity"][4] = 0.0
    right = straight(*stars.values(), 10.0)
    off = erfa.seps(lon, lat, *right)
    assert np.max(off[[1, 2, 3, 4, 5, 7]]) < 0.02 * MAS


def table_of(stars, **columns):
    n = len(stars["lon"])
    return Table({
        "ra": np.degrees(stars["lon"]) * u.deg, "dec": np.degrees(stars["lat"]) * u.deg,
        "pmra": stars["pm_ra"] * u.mas / u.yr, "pmdec": stars["pm_dec"] * u.mas / u.yr,
        "parallax": stars["parallax"] * u.mas, "radial_velocity": stars["velocity"] * u.km / u.s,
        "ref_epoch": np.full(n, 2016.0) * u.yr,
    } | columns)  # fmt: skip


def test_a_catalogue_is_compared_at_the_epoch():
    stars = sample(200)
    lon, lat = straight(*stars.values(), 10.0)
    places = SkyCoord(lon, lat, unit="rad")
    table = table_of(stars)
    found = crossmatch(places, table, "1 mas", epoch=WHEN)
    assert found["query_index"].tolist() == list(range(200)) == found["catalogue_index"].tolist()
    assert found["separation"].max() < 2e-5
    assert found["propagated"].all()
    moved = SkyCoord(found["ra_at_epoch"], found["dec_at_epoch"])
    assert moved.separation(places).max() < 0.02 * u.mas
    # The columns of the catalogue are as they were.
    assert np.array_equal(found["ra"], table["ra"])
    still = crossmatch(places, table, "100 arcsec", nearest=True)
    assert still["separation"].max() > 5
    # Both sides may move.
    both = crossmatch(table, table_of(stars, ref_epoch=np.full(200, 2016.0)), "1 mas", epoch=WHEN)
    assert both["separation"].max() < 1e-9


def test_names_of_other_catalogues_and_masks():
    stars = sample(3)
    lon, lat = straight(*stars.values(), 10.0)
    table = table_of(stars)
    table.rename_columns(
        ["ra", "dec", "pmra", "pmdec", "parallax", "radial_velocity"],
        ["RA_ICRS", "DE_ICRS", "pmRA", "pmDE", "Plx", "RV"],
    )
    table["RA_ICRS"].description = "Right ascension at Ep=2016.0"
    table.remove_column("ref_epoch")
    table["pmRA"] = MaskedColumn(table["pmRA"], mask=[False, False, True])
    found = crossmatch(SkyCoord(lon, lat, unit="rad"), table, "1 mas", epoch="J2026")
    assert found["query_index"].tolist() == [0, 1]
    found = crossmatch(SkyCoord(lon, lat, unit="rad"), table, "1 deg", epoch="J2026", nearest=True)
    assert found["propagated"].tolist() == [True, True, False]


def test_the_epoch_changes_nothing_where_nothing_moves():
    stars = sample(5)
    table = table_of(stars)["ra", "dec"]
    found = crossmatch(table, table, "1 arcsec", epoch="2026-11-29")
    assert found["propagated"].tolist() == [False] * 5
    assert found["separation"].max() == 0
    assert found.meta["epoch"].startswith("J2026.9")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.remove_column("ref_epoch"), "the epoch of its positions is not known"),
        (lambda t: setattr(t["pmra"], "unit", None), r"\['pmra'\] has no unit"),
        (lambda t: setattr(t["pmra"], "unit", u.mag), r"\['pmra'\] is not in mas / yr"),
        (lambda t: t.replace_column("ref_epoch", [57388.0] * 5), "57388, which is not a Julian"),
        (
            lambda t: t.replace_column("ref_epoch", ["J2016"] * 5),
            r"\['ref_epoch'\] should be a column of",
        ),
    ],
)
def test_what_a_proper_motion_needs(change, message):
    table = table_of(sample(5))
    change(table)
    with pytest.raises(InvalidQueryError, match=message):
        crossmatch(SkyCoord(1, 1, unit="deg"), table, "1 arcsec", epoch="J2026")
    # Without an epoch nothing of it is needed.
    assert len(crossmatch(table, table, "1 arcsec")) == 5


def test_coordinates_with_a_proper_motion():
    stars = sample(20)
    places = SkyCoord(*straight(*stars.values(), 10.0), unit="rad")
    moving = SkyCoord(
        stars["lon"] * u.rad, stars["lat"] * u.rad, distance=1000 / stars["parallax"] * u.pc,
        pm_ra_cosdec=stars["pm_ra"] * u.mas / u.yr, pm_dec=stars["pm_dec"] * u.mas / u.yr,
        radial_velocity=stars["velocity"] * u.km / u.s,
        obstime=Time(2016.0, format="jyear", scale="tcb"),
    )  # fmt: skip
    for catalogue in (moving, moving.galactic, Table({"coordinates": moving})):
        found = crossmatch(places, catalogue, "1 mas", epoch=WHEN)
        assert found["query_index"].tolist() == list(range(20))
        assert found["separation"].max() < 2e-5


def test_each_position_may_have_an_epoch():
    stars = sample(200)
    rng = np.random.default_rng(6)
    years = rng.uniform(1995, 2035, 200)
    lon, lat = straight(*stars.values(), years - 2016)
    when = Time(years, format="jyear", scale="tcb")
    places = SkyCoord(lon, lat, unit="rad")
    found = crossmatch(places, table_of(stars), "1 mas", epoch=when)
    assert found["query_index"].tolist() == list(range(200)) == found["catalogue_index"].tolist()
    assert found["separation"].max() < 1e-4
    # The same as one after the other.
    wide = crossmatch(places[:20], table_of(stars), "20 deg", epoch=when[:20])
    for n in range(20):
        one = crossmatch(places[n], table_of(stars), "20 deg", epoch=when[n])
        rows = wide["query_index"] == n
        assert wide["catalogue_index"][rows].tolist() == one["catalogue_index"].tolist()
        np.testing.assert_allclose(wide["separation"][rows], one["separation"], atol=1e-9)
        np.testing.assert_allclose(wide["ra_at_epoch"][rows], one["ra_at_epoch"], atol=1e-12)
    with pytest.raises(InvalidQueryError, match="epoch has 3 times for 200 positions"):
        crossmatch(places, table_of(stars), "1 mas", epoch=when[:3])
    when = Time(np.ma.masked_less(when.mjd, when.mjd[7] + 1e-9), format="mjd")
    with pytest.raises(InvalidQueryError, match="epoch is masked or not finite at index"):
        crossmatch(places, table_of(stars), "1 mas", epoch=when)

"""The objects of the one sky, and what the surveys measure of them."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.time import Time
from astropy.utils import iers

from atlasquery.sandbox import sky
from atlasquery.sandbox.atlas.database import six_digits
from atlasquery.sandbox.atlas.dates import iso_dates
from atlasquery.sandbox.atlas.exposures import observe
from atlasquery.sandbox.curves import KINDS, blueness, flux_of, magnitude_of
from atlasquery.sandbox.forcedphot.files import result_text
from atlasquery.sandbox.positions import angular_distance
from atlasquery.sandbox.sky import (
    MJD_REF,
    POINTINGS,
    barycentric_julian_date,
    objects,
    tai_of_utc,
)
from atlasquery.sandbox.surveys import SURVEYS, measurements

SKY = objects()


def test_the_sky_is_the_same_for_the_same_seed():
    assert objects(20261116) is SKY
    sky._objects.cache_clear()
    again = objects()
    assert again is not SKY
    assert [one.names for one in again] == [one.names for one in SKY]
    assert [one.curve for one in again] == [one.curve for one in SKY]
    other = objects(7)
    assert (other[0].seed, len(other)) == (7, len(SKY))
    assert [one.names for one in other] != [one.names for one in SKY]


def test_names_are_unique_in_each_service_and_find_the_object():
    for field in ("atlas_id", "ztf_name", "lsst_id", "lcc_name", "skyportal_id", "mpc_name"):
        names = [getattr(one, field) for one in SKY if getattr(one, field) is not None]
        assert len(set(names)) == len(names) > 40
    one = SKY.of_kind("supernova")[0]
    assert (
        SKY.named(one.ztf_name.lower()) is SKY.named(one.atlas_id) is SKY.named(one.lsst_id) is one
    )
    assert {len(o.ztf_name) for o in SKY if o.ztf_name} == {12}
    assert all(2**53 < o.lsst_id < 2**63 for o in SKY if o.lsst_id)
    with pytest.raises(KeyError):
        SKY.named("ATLAS99zzz")


def test_all_kinds_are_there():
    assert {one.kind for one in SKY} == set(KINDS)
    assert all(len(SKY.of_kind(kind)) >= 10 for kind in KINDS)


def test_near_is_a_cone_search_sorted_by_distance():
    found = SKY.near(0.0, 10.0, 300)
    distance = [float(angular_distance(0.0, 10.0, one.ra, one.dec)) for one in found]
    assert distance == sorted(distance)
    assert distance[-1] <= 300
    everything = SkyCoord(SKY.ra, SKY.dec, unit="deg")
    near = everything.separation(SkyCoord(0, 10, unit="deg")).arcsec <= 300
    assert len(found) == near.sum() >= 12


def test_times_go_from_start_in_utc_to_middle_in_tai():
    start = np.array([60000.0, 61300.123456])
    middle = tai_of_utc(start, [30.0, 110.0])
    true = (Time(start, format="mjd", scale="utc") + [15, 55] * u.s).tai.mjd
    assert np.allclose(middle, true, rtol=0, atol=1e-6 / 86400 * 2)


def test_barycentric_dates_are_those_of_astropy():
    mjd, place = np.array([60000.3, 61300.7]), SkyCoord(150.0, 2.2, unit="deg")
    geocentre = EarthLocation.from_geocentric(0, 0, 0, unit="m")
    times = Time(mjd, format="mjd", scale="tai", location=geocentre)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        true = times.tdb + times.light_travel_time(place)
    ours = barycentric_julian_date(mjd, 150.0, 2.2)
    assert np.allclose((ours - true.jd) * 86400, 0, atol=1e-3)


def test_fluxes_take_arrays_and_bands():
    one = SKY.of_kind("supernova")[0]
    times = one.curve.start + np.linspace(-20, 80, 50)
    both = one.flux(times, np.where(np.arange(50) % 2, "c", "o"))
    assert np.allclose(both[1::2], one.flux(times[1::2], "c"))
    assert (one.flux(times[times < one.curve.start], "g") == 0).all()
    # It reddens: from its peak on it is brighter in red bands.
    late = one.curve.start + one.curve.parameters["rise"] + 40
    assert one.flux(late, "u") < one.flux(late, "g") < one.flux(late, "o") < one.flux(late, "y")
    assert blueness(["o", "c", "w"]).tolist() == [0, 1, 0]
    assert magnitude_of(flux_of(18.3)) == pytest.approx(18.3)


@pytest.mark.parametrize("kind", ["variable", "agn"])
def test_what_varies_is_never_darker_than_nothing(kind):
    times = np.arange(MJD_REF - 250, MJD_REF, 0.1)
    for one in SKY.of_kind(kind):
        for band in "ugo":
            assert one.total_flux(times, band).min() > 0
            assert one.flux(times, band).min() < 0 < one.flux(times, band).max()


def test_a_mover_moves_and_is_seen_once():
    one = SKY.of_kind("mover")[0]
    moment = one.curve.start + one.curve.parameters["stay"] / 2
    ra, dec = one.position([moment, moment + 1])
    away = angular_distance(ra, dec, one.ra, one.dec)
    assert away[0] < 0.01
    assert away[1] == pytest.approx(np.hypot(*one.motion), rel=1e-3)
    assert one.flux(moment, "o") == one.total_flux(moment + 50, "r") > 0
    assert one.flux(moment + 1, "o") == 0
    ztf = measurements(one, "ztf")
    assert 0 < len(ztf) < 12
    assert np.allclose(angular_distance(ztf.ra, ztf.dec, *one.position(ztf.middle)), 0, atol=1e-6)


@pytest.mark.parametrize("survey", SURVEYS)
def test_errors_are_honest(survey):
    chi = []
    for one in SKY.of_kind("supernova", "agn")[::4]:
        seen = measurements(one, survey)
        assert (np.diff(seen.mjd) >= 0).all()
        assert len(set(seen.exposure.tolist())) == len(seen)
        chi.append((seen.flux - one.flux(seen.middle, seen.band)) / seen.flux_error)
        assert np.abs((seen.forced_flux - seen.flux) / seen.flux_error).max() < 1
    chi = np.concatenate(chi)
    assert np.mean(chi**2) == pytest.approx(1, abs=0.05)
    assert np.mean(chi) == pytest.approx(0, abs=0.05)


def test_atlas_has_rows_of_110_and_of_10_seconds_and_a_time_twice():
    exposures = observe(SKY.seed, "season")
    mjd, duration = exposures.columns["mjd"], exposures.columns["exptime"]
    assert set(duration.tolist()) == {10.0, 30.0, 110.0}
    assert np.mean(duration != 30) < 0.01
    names = np.array(exposures.columns["expname"])
    assert len(set(names.tolist())) == len(names)
    assert {name[:3] for name in names[duration == 110]} == {"04a"}
    assert {name[:3] for name in names[duration == 10]} == {"01a"}
    pairs = [int((np.diff(np.sort(mjd[seen])) == 0).sum()) for seen in exposures.of_pointing]
    assert pairs == [int(n % 5 == 3) for n in range(len(POINTINGS))]


def test_the_last_season_is_the_same_whatever_the_history():
    season, full = observe(SKY.seed, "season"), observe(SKY.seed, "full")
    names, mags = (full.columns[key] for key in ("expname", "mag5sig"))
    late = {name: mag for name, mag in zip(names, mags, strict=True) if int(name[3:8]) >= 61110}
    assert late == dict(zip(season.columns["expname"], season.columns["mag5sig"], strict=True))


def rows_of(text):
    header, *lines = text.splitlines()
    names = header.lstrip("#").split()
    return [dict(zip(names, line.split(), strict=True)) for line in lines]


def test_forced_photometry_measures_the_exposures_of_atlas_again():
    one = SKY.of_kind("supernova")[0]
    rows = rows_of(result_text(one.ra, one.dec, 61110))
    seen = measurements(one, "atlas")
    assert [row["Obs"] for row in rows] == seen.exposure.tolist()
    mags = np.array([float(row["m"]) for row in rows])
    flux = np.sign(mags) * flux_of(np.abs(mags))
    assert np.abs((flux - seen.flux) / seen.flux_error).max() < 1
    # Nearby it measures the wing of the source, and elsewhere nothing.
    bright = int(np.argmax(seen.flux))
    wing = rows_of(result_text(one.ra, one.dec + 2 / 3600, 61110))[bright]
    assert 0.3 * seen.flux[bright] < float(wing["uJy"]) < 0.6 * seen.flux[bright]
    empty = rows_of(result_text(one.ra + 30 / 3600, one.dec, 61110))
    ratio = np.array([float(row["uJy"]) / float(row["duJy"]) for row in empty])
    assert np.mean(ratio**2) == pytest.approx(1, abs=0.3)


def test_forced_photometry_adds_the_light_of_the_reference_image():
    one = SKY.of_kind("variable")[1]
    plain, total = (
        np.array([float(r["uJy"]) for r in rows_of(result_text(one.ra, one.dec, 61110, reduced=r))])
        for r in (False, True)
    )
    assert np.allclose(total - plain, one.reference_flux("o"), atol=1.1)


def test_forced_photometry_follows_a_minor_planet():
    one = SKY.of_kind("mover")[0]
    rows = rows_of(result_text(0.0, 0.0, 61110, mpc_name=one.mpc_name))
    places = np.array([[float(row["RA"]), float(row["Dec"])] for row in rows])
    assert angular_distance(*places[0], *places[-1]) > 60
    ratio = [float(row["uJy"]) / float(one.total_flux(0.0, "o")) for row in rows]
    assert np.median(ratio) == pytest.approx(1, abs=0.1)


def test_numbers_of_any_size_are_rounded_as_text_is():
    rng = np.random.default_rng(5)
    values = rng.normal(size=2000) * 10.0 ** rng.integers(-14, 15, 2000)
    assert six_digits(values).tolist() == [float(f"{value:.6g}") for value in values.tolist()]
    odd = six_digits(np.array([np.nan, np.inf, 0.0, 1e-30, 999999.5, 100000.0]))
    assert np.isnan(odd[0]) and odd[1:].tolist() == [np.inf, 0.0, 1e-30, 1e6, 100000.0]


def test_dates_of_the_same_second_and_of_none():
    dates = iso_dates(np.array([60000.5, np.nan, 60000.5, 40587.0]))
    assert dates == ["2023-02-25T12:00:00Z", None, "2023-02-25T12:00:00Z", "1970-01-01T00:00:00Z"]


@pytest.mark.parametrize("seed", [0, 7, 2**32, 2**40 + 3])
def test_random_numbers_are_those_of_the_seed_and_its_streams(seed):
    drawn = sky.generator(seed, 3, 250).integers(0, 2**62, 5)
    assert drawn.tolist() == np.random.default_rng([seed, 3, 250]).integers(0, 2**62, 5).tolist()


def test_a_letter_is_as_blue_alone_as_in_a_list():
    letters = np.array([["g", "q"], ["y", "\u03b3"]])
    assert blueness(letters).tolist() == [[blueness(x).item() for x in row] for row in letters]
    assert blueness(np.array(["o", "clear"])).tolist() == [0, 0]

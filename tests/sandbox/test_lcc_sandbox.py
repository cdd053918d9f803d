"""The LCC-Server of the sandbox through its client: the one sky, found and measured."""

import gzip

import numpy as np
import pytest
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.time import Time
from astropy.utils import iers

from atlasquery.lccserver import LCCServerClass, conf
from atlasquery.sandbox.curves import flux_of
from atlasquery.sandbox.lccserver import catalogs
from atlasquery.sandbox.lccserver.light_curves import packed
from atlasquery.sandbox.lccserver.server import LCCSandbox
from atlasquery.sandbox.sky import objects

SKY = [one for one in objects() if one.lcc_name is not None]


@pytest.fixture(scope="module")
def server():
    with LCCSandbox() as server:
        yield server


@pytest.fixture
def client(server, tmp_path, monkeypatch):
    """A client that knows the server from the environment alone."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    client = LCCServerClass()
    client.cache_location = tmp_path / "cache"
    with conf.set_temp("anonymous_per_minute", 0):
        yield client


def values(column):
    """Return numbers without units, NaN where they are missing."""
    return np.ma.filled(np.ma.asarray(getattr(column, "value", column), dtype=float), np.nan)


def first(kind):
    return next(one for one in SKY if one.kind == kind)


@pytest.mark.parametrize("kind", ["variable", "agn", "supernova", "orphan"])
def test_an_object_of_the_sky_is_found_by_its_position(client, kind):
    one = first(kind)
    found = client.query_region(
        SkyCoord(one.ra, one.dec, unit="deg"), radius="1 arcsec", collections="one_sky"
    )
    assert found["objectid"].tolist() == [one.lcc_name]
    assert found["separation"][0] < 0.01


def test_an_object_of_the_sky_is_found_by_its_names(client):
    one = next(one for one in SKY if one.tns_name)
    found = client.query_text(f'"{one.tns_title}"')
    assert found["objectid"].tolist() == [one.lcc_name]
    assert found["collection"].tolist() == ["one_sky"]
    for name in (one.ztf_name, one.atlas_name):
        assert client.query_text(name)["objectid"].tolist() == [one.lcc_name]


def test_a_variable_has_its_period(client):
    one = first("variable")
    page = client.get_object(one.lcc_name, "one_sky")
    assert page.periods["period"][0] == pytest.approx(one.period)


def test_one_collection_has_all_objects_that_are_seen(client):
    found = client.query_criteria("ndet > 0", collections="one_sky", columns=["ndet"])
    assert sorted(found["objectid"].tolist()) == [one.lcc_name for one in SKY]
    curve = client.get_light_curve(found["objectid"][0], "one_sky")
    assert len(curve) == found["ndet"][0] > 100


@pytest.mark.parametrize("kind", ["variable", "agn", "supernova"])
def test_total_fluxes_agree_with_the_sky(client, kind):
    one = first(kind)
    curve = client.get_light_curve(one.lcc_name, "one_sky")
    assert curve.time.scale == "tdb"
    geocentre = EarthLocation.from_geocentric(0, 0, 0, unit="m")
    light_time = Time(curve.time.jd, format="jd", scale="tdb", location=geocentre)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        light_time = light_time.light_travel_time(SkyCoord(one.ra, one.dec, unit="deg"))
    arrived = (curve.time - light_time).tai.mjd
    mag, error = values(curve["mag"]), values(curve["mag_err"])
    flux, true = flux_of(mag), one.total_flux(arrived, "r")
    usable = np.isfinite(flux) & (error < 0.3)
    assert usable.sum() > 50
    chi = (flux - true)[usable] / (flux * error / 1.0857)[usable]
    assert 0.7 < np.mean(chi**2) < 1.5
    rjd = values(curve["rjd"]) + 2400000.0
    middle = Time(rjd, format="jd", scale="utc").tai.mjd
    assert np.allclose(middle, arrived, atol=0.1 / 86400, rtol=0)


def test_a_light_curve_is_the_same_in_each_process(server):
    row = catalogs.by_name("one-sky")[first("supernova").lcc_name]
    assert packed(row) == packed(dict(row))
    assert b'"exp"' in gzip.decompress(packed(row))


def test_a_light_curve_has_the_exposure_time(client):
    curve = client.get_light_curve(first("variable").lcc_name, "one_sky")
    assert set(values(curve["exp"])) == {300.0}


def test_the_server_ends(tmp_path):
    with LCCSandbox() as server:
        client = LCCServerClass(server.url)
        client.cache_location = tmp_path
        assert len(client.list_collections()) == 4
    server.stop()

"""One supernova asked of all services through their clients: names lead on, fluxes agree."""

import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time

from atlasquery.alerce import AlerceClass
from atlasquery.atlas import AtlasClass
from atlasquery.forcedphot import AtlasForcedClass
from atlasquery.lccserver import LCCServerClass
from atlasquery.lccserver import conf as lcc_conf
from atlasquery.sandbox import SERVICES, Sandbox
from atlasquery.sandbox.curves import flux_of
from atlasquery.sandbox.sky import objects
from atlasquery.skyportal import SkyPortalClass

KINDS = ("supernova", "variable", "agn")


@pytest.fixture(scope="module")
def box():
    with Sandbox(services="all") as box:
        yield box


@pytest.fixture
def client(box, tmp_path, monkeypatch):
    """Make a client that is configured by the environment alone."""
    for name, value in box.environment().items():
        monkeypatch.setenv(name, value)

    def make(kind):
        client = kind()
        client.cache_location = tmp_path / kind.__name__
        return client

    with lcc_conf.set_temp("anonymous_per_minute", 0):
        yield make


def seen_by_all(kind):
    """Return an object of a kind that each service sees, with forced photometry of ATLAS."""
    whole = ("ztf_name", "lsst_id", "lcc_name", "skyportal_id")
    return next(
        one for one in objects().of_kind(kind)
        if all(getattr(one, name) for name in whole) and one.number % 3 != 2
        # The ATLAS server finds no limits of an object on RA 0.
        and one.topic != "wrap0"
        and (kind != "supernova" or (one.tns_name and one.atlas_name))
    )  # fmt: skip


def values(column):
    """Return numbers without units, NaN where they are missing."""
    return np.ma.filled(np.ma.asarray(getattr(column, "value", column), dtype=float), np.nan)


def agree(one, lc, *, exposure_time, middle=False, total=False, least=20):
    """Compare a light curve with the truth at the middle of each exposure."""
    flux, error = values(lc["flux"]), values(lc["flux_err"])
    start = lc.time.tai.mjd
    moment = start if middle else start + np.broadcast_to(exposure_time, len(lc)) / 2 / 86400
    # Bands by their last letter: ztfg, lsstr, atlaso.
    band = np.array([str(name)[-1] for name in lc["band"]])
    usable = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    assert usable.sum() >= least
    truth = (one.total_flux if total else one.flux)(moment, band)
    chi = ((flux - truth) / error)[usable]
    assert 0.6 < np.mean(chi**2) < 1.6
    return moment[usable], flux[usable], error[usable], band[usable]


@pytest.mark.parametrize("kind", KINDS)
def test_atlas_and_its_forced_photometry_agree(client, kind):
    one = seen_by_all(kind)
    atlas = client(AtlasClass)
    source = atlas.get_source(one.atlas_id)
    lc, forced = source.light_curve, source.forced_photometry
    lc = lc[lc["detection"]]
    agree(one, lc, exposure_time=values(lc["exposure_time"]), least=8)
    agree(one, forced, exposure_time=30.0)
    position = SkyCoord(one.ra, one.dec, unit="deg")
    again = client(AtlasForcedClass).query_position(position, start=61110, progress=False)
    exposures = {str(name): n for n, name in enumerate(again["exposure"])}
    known = dict(zip(map(str, source.light_curve["exposure"]),
                     values(source.light_curve["exposure_time"]), strict=True))  # fmt: skip
    # The server marks some detections as duplicates, which the light curve leaves out.
    assert set(known) <= set(exposures)
    assert len(known) > 0.97 * len(exposures)
    times = np.array([known.get(str(name), 30.0) for name in again["exposure"]])
    agree(one, again, exposure_time=times)
    # The same exposures with the same time and nearly the same flux.
    for row, name in enumerate(map(str, lc["exposure"])):
        other = exposures[name]
        assert abs(lc.time[row].mjd - again.time[other].mjd) < 1e-6
        difference = values(lc["flux"])[row] - values(again["flux"])[other]
        assert abs(difference) < values(again["flux_err"])[other]
    assert {30.0} < set(known.values()) <= {10.0, 30.0, 110.0}


@pytest.mark.parametrize("kind", KINDS)
def test_ztf_and_lsst_agree_with_the_sky(client, kind):
    one = seen_by_all(kind)
    alerce = client(AlerceClass)
    ztf = alerce.get_light_curve(one.ztf_name)
    ztf = ztf[ztf["detection"]]
    assert ztf.time.scale == "utc"
    agree(one, ztf, exposure_time=30.0, least=15)
    lsst = alerce.get_light_curve(one.lsst_id, survey="lsst")
    assert lsst.time.scale == "tai"
    agree(one, lsst[lsst["detection"]], exposure_time=30.0, middle=True, least=10)


@pytest.mark.parametrize("kind", KINDS)
def test_skyportal_shows_the_points_of_atlas_and_ztf(client, kind):
    one = seen_by_all(kind)
    lc = client(SkyPortalClass).get_photometry(one.skyportal_id)
    names = np.array([str(name) for name in lc["filter"]])
    for survey, band in (("atlas", "o"), ("ztf", "r"), ("lsst", "r")):
        rows = lc[names == f"{survey}{band}"]
        rows = rows[np.isfinite(values(rows["flux"]))]
        assert len(rows) >= 5
        middle = Time(rows.time.mjd, format="mjd", scale="utc").tai.mjd + 15 / 86400
        if survey == "lsst":
            # It is copied from LSST without a change: the middle in TAI.
            middle = rows.time.mjd
        chi = (values(rows["flux"]) - one.flux(middle, band)) / values(rows["flux_err"])
        assert 0.4 < np.mean(chi**2) < 1.9, survey


def test_a_point_of_ztf_is_the_same_in_alerce_and_skyportal(client):
    one = seen_by_all("supernova")
    ztf = client(AlerceClass).get_light_curve(one.ztf_name)
    ztf = ztf[ztf["detection"]]
    lc = client(SkyPortalClass).get_photometry(one.skyportal_id)
    shown = lc[np.array([str(band).startswith("ztf") for band in lc["filter"]])]
    shown = shown[np.isfinite(values(shown["flux"]))]
    here = {round(t, 6): f for t, f in zip(ztf.time.mjd, values(ztf["flux"]), strict=True)}
    points = zip(np.round(shown.time.mjd, 6), values(shown["flux"]), strict=True)
    both = [(here[t], flux) for t, flux in points if t in here]
    assert len(both) >= 15
    first, second = np.array(both).T
    assert np.allclose(first, second, rtol=2e-3)


def test_names_lead_from_one_service_to_the_others(client):
    one = seen_by_all("supernova")
    position = SkyCoord(one.ra, one.dec, unit="deg")
    atlas = client(AtlasClass)
    found = atlas.query_region(position, radius="2 arcsec")
    assert found["atlas_id"].tolist() == [one.atlas_id]
    tns = atlas.get_tns_crossmatches(one.atlas_id)
    assert one.tns_name in [str(name) for name in tns["name"]]
    others = [str(name) for name in atlas.get_external_crossmatches(one.atlas_id)["name"]]
    assert {one.ztf_name, str(one.lsst_id)} <= set(others)
    alerce = client(AlerceClass)
    assert one.ztf_name in [str(n) for n in alerce.query_region(position, radius="2 arcsec")["oid"]]
    near = alerce.query_region(position, radius="2 arcsec", survey="lsst")
    assert one.lsst_id in [int(n) for n in near["oid"]]
    portal = client(SkyPortalClass)
    source = portal.query_region(position, radius="2 arcsec")
    assert source["id"].tolist() == [one.skyportal_id]
    lcc = client(LCCServerClass)
    assert lcc.query_text(f'"{one.tns_title}"')["objectid"].tolist() == [one.lcc_name]


def test_total_flux_of_lsst_is_the_reference_and_the_difference(client):
    one = seen_by_all("variable")
    lsst = client(AlerceClass).get_light_curve(one.lsst_id, survey="lsst")
    assert flux_of(one.reference_mag) == pytest.approx(float(one.reference_flux("r")))
    assert np.all(one.total_flux(lsst.time.tai.mjd, "r") > 0)


def test_use_points_all_clients_at_it_and_stop_restores(monkeypatch):
    monkeypatch.setenv("ATLASQUERY_ATLAS_SERVER", "https://example.org/api/")
    before = {k: v for k, v in os.environ.items() if k.startswith("ATLASQUERY_")}
    threads = set(threading.enumerate())
    with Sandbox(services=("alerce", "atlas")).use() as box:
        assert box.services == ("atlas", "alerce")
        assert AtlasClass().server == box.url == os.environ["ATLASQUERY_ATLAS_SERVER"]
        assert AlerceClass().server == box.alerce.environment()["ATLASQUERY_ALERCE_SERVER"]
        assert repr(box) == "<Sandbox of atlas, alerce, 501 objects>"
        assert len(AlerceClass().list_classifiers()) > 0
    assert {k: v for k, v in os.environ.items() if k.startswith("ATLASQUERY_")} == before
    assert repr(box) == "<Sandbox stopped, 501 objects>"
    assert {t for t in set(threading.enumerate()) - threads if "sandbox" in t.name.lower()} == set()


@pytest.mark.parametrize("services", ["atlass", [], ["atlas", "ztf"], 7, {"atlas": 1, "x": 2}])
def test_unknown_services_are_refused(services):
    with pytest.raises(ValueError, match=r"services=.* should be 'all', or some of atlas, forced"):
        Sandbox(services=services)


def test_what_is_not_there_is_named():
    box = Sandbox(services="alerce")
    with pytest.raises(RuntimeError, match="not running"):
        box.environment()
    with pytest.raises(ValueError, match="has no skyportal, only alerce: start it with Sandbox"):
        _ = box.skyportal
    with pytest.raises(ValueError, match="has no atlas"):
        _ = box.url
    with pytest.raises(ValueError, match="path='x' is for the ATLAS server"):
        Sandbox("x", services="alerce")
    with pytest.raises(ValueError, match="runtime=-1 is not a number of seconds"):
        Sandbox(runtime=-1)


def test_all_services_start_with_little_memory_and_time():
    # In a process of its own: this one has other servers and data.
    code = r"""
        import pathlib, re, resource, sys, threading, time
        from atlasquery.sandbox import Sandbox
        box = Sandbox(services="all").start()
        spent = time.process_time()
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if pathlib.Path("/proc/self/status").exists():
            # That of getrusage is at least the parent's, which had to be copied.
            status = pathlib.Path("/proc/self/status").read_text()
            size = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024
        forbidden = {"astropy", "astroquery", "pandas", "matplotlib"} & set(sys.modules)
        box.stop()
        print(spent, size, sorted(forbidden), threading.active_count())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    _, size, rest = done.stdout.split(maxsplit=2)
    assert rest.strip() == "[] 1"
    assert float(size) < (200 if sys.platform == "linux" else 2e5)
    assert len(SERVICES) == 5

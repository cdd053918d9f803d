"""ALeRCE in the sandbox shows the one sky: what ZTF and LSST measure of it, by the real client."""

import json
import os
import subprocess
import sys
import threading

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from atlasquery.alerce import AlerceClass
from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    NoResultsWarning,
    RemoteServiceError,
)
from atlasquery.sandbox.alerce import edge_cases
from atlasquery.sandbox.alerce.server import AlerceSandbox
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.sky import SEED, objects, tai_of_utc
from atlasquery.sandbox.surveys import measurement_ids, measurements

KINDS = ("supernova", "orphan", "variable", "agn", "mover")
# A ratio of chi2 to its degrees of freedom beyond this has a chance below one in a million.
FIVE_SIGMA = 5.0


@pytest.fixture(scope="module")
def _server():
    with AlerceSandbox() as server:
        yield server


@pytest.fixture
def alerce(_server, monkeypatch, tmp_path):
    """A client that is configured by environment variables only."""
    for name, value in _server.environment().items():
        monkeypatch.setenv(name, value)
    client = AlerceClass()
    client.cache_location = tmp_path
    return client


def first(kind, survey):
    """Return the first object of a kind that a survey has detected, and its measurements."""
    name = {"ztf": "ztf_name", "lsst": "lsst_id"}[survey]
    for one in objects().of_kind(kind):
        if getattr(one, name) is not None:
            points = measurements(one, survey)
            if points.detected.any():
                return one, points
    raise AssertionError(f"{survey} sees no {kind}")


def assert_agree(flux, truth, error):
    """Check that measurements scatter about the truth as their errors say."""
    chi2, n = float(np.sum(((flux - truth) / error) ** 2)), len(flux)
    assert n > 0 and abs(chi2 - n) < FIVE_SIGMA * np.sqrt(2 * n)


def values(table, name, unit):
    """Return the bare numbers of a column, whatever its kind."""
    column = getattr(table[name], "quantity", table[name])
    return u.Quantity(getattr(column, "unmasked", column)).to_value(unit)


def mask(column):
    """Return where a column of any kind is masked."""
    return np.broadcast_to(getattr(column, "mask", False), column.shape)


def true_flux(one, middle, band):
    # A mover is measured where it is, in every exposure.
    return (one.total_flux if one.kind == "mover" else one.flux)(middle, band)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("forced", [False, True])
def test_ztf_measures_the_sky(alerce, kind, forced):
    one, points = first(kind, "ztf")
    lc = alerce.get_light_curve(one.ztf_name, forced=forced)
    assert (lc.time.scale, lc.meta["time_reference"]) == ("utc", "start")
    rows = lc[lc["forced"] == forced]
    rows = rows[~mask(rows["flux"])]
    assert (values(rows, "exposure_time", u.s) == 30).all()
    # The middle of each exposure in TAI by astropy, without the package's help.
    middle = (rows.time + 15 * u.s).tai.mjd
    assert np.abs(tai_of_utc(rows.time.mjd, 30.0) - middle).max() * 86400 < 1e-5
    bands = np.array(rows["band"])
    flux, error = (values(rows, name, u.uJy) for name in ("flux", "flux_err"))
    if forced:
        # Forced photometry is not selected by its flux.
        assert_agree(flux, true_flux(one, middle, bands), error)
        assert len(rows) >= len(lc[~lc["forced"]]) * 0.9
    else:
        detected = points.rows(points.detected)
        np.testing.assert_allclose(np.sort(flux), np.sort(detected.flux), rtol=1e-9)
        assert np.max(np.abs(flux - true_flux(one, middle, bands)) / error) < FIVE_SIGMA
        assert sorted(rows.time.mjd) == sorted(detected.mjd)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("forced", [False, True])
def test_lsst_measures_the_sky(alerce, kind, forced):
    one, points = first(kind, "lsst")
    lc = alerce.get_light_curve(one.lsst_id, survey="lsst", forced=True)
    assert (lc.time.scale, lc.meta["time_reference"]) == ("tai", "middle")
    rows = lc[lc["forced"] == forced]
    flux, error = (values(rows, name, u.uJy) for name in ("flux", "flux_err"))
    truth = true_flux(one, rows.time.mjd, np.array(rows["band"]))
    if forced:
        assert_agree(flux, truth, error)
    else:
        assert len(rows) == points.detected.sum()
        assert np.max(np.abs(flux - truth) / error) < FIVE_SIGMA
    if not forced:
        total = values(rows, "scienceFlux", u.uJy)
        reference = one.reference_flux(np.array(rows["band"]))
        np.testing.assert_allclose(total, flux + reference, rtol=1e-9)


def test_corrected_magnitudes_are_of_the_total_flux(alerce):
    one, _ = first("variable", "ztf")
    found = alerce.get_detections(one.ztf_name)
    middle = tai_of_utc(np.array(found["mjd"]), 30.0)
    total = 10 ** (-0.4 * (np.array(found["magpsf_corr"]) - 23.9))
    error = total * np.array(found["sigmapsf_corr"]) / (2.5 / np.log(10))
    bands = np.array([{1: "g", 2: "r", 3: "i"}[fid] for fid in found["fid"]])
    truth = one.total_flux(middle, bands)
    assert np.max(np.abs(total - truth) / error) < FIVE_SIGMA
    # About the mean of the reference, half of the differences are negative.
    assert {*found["isdiffpos"]} == {-1, 1}
    flux = values(alerce.get_light_curve(one.ztf_name), "flux", u.uJy)
    assert (flux < 0).any() and (flux > 0).any()


def test_the_forced_row_of_an_exposure_is_another_measurement(alerce):
    one, _ = first("supernova", "ztf")
    lc = alerce.get_light_curve(one.ztf_name, forced=True)
    detections = lc[lc["detection"] & ~lc["forced"]]
    forced = lc[lc["forced"] & ~mask(lc["flux"])]
    flux = dict(zip(forced["exposure"], forced["flux"], strict=True))
    both = [(row["flux"], flux[row["exposure"]]) for row in detections if row["exposure"] in flux]
    assert len(both) > 0.9 * len(detections)
    assert all(a != b for a, b in both)
    # An exposure is a detection or a limit.
    limits = lc[~lc["detection"] & ~lc["forced"]]
    assert not {*limits["exposure"]} & {*detections["exposure"]} - {""}
    assert not {*limits.time.mjd} & {*detections.time.mjd}


def test_numbers_are_those_that_all_servers_send(alerce):
    one, points = first("agn", "ztf")
    points = points.rows(points.detected)
    found = alerce.get_detections(one.ztf_name)
    assert found["candid"].tolist() == measurement_ids(points, "ztf", one.number).tolist()
    assert found["pid"].tolist() == points.exposure.tolist()
    one, points = first("agn", "lsst")
    points = points.rows(points.detected)
    found = alerce.get_detections(one.lsst_id, survey="lsst")
    numbers = measurement_ids(points, "lsst", one.number)
    assert found["measurement_id"].tolist() == numbers.tolist()
    assert found["visit"].tolist() == points.exposure.tolist()
    assert len({*numbers.tolist()}) == len(numbers)


def test_skyportal_shows_the_same_points(alerce, monkeypatch, tmp_path):
    from atlasquery.sandbox.skyportal.one_sky import add_one_sky
    from atlasquery.sandbox.skyportal.server import SkyPortalSandbox
    from atlasquery.skyportal import SkyPortalClass

    one, _ = first("supernova", "ztf")
    with SkyPortalSandbox() as portal:
        add_one_sky(portal.state)
        for name, value in portal.environment().items():
            monkeypatch.setenv(name, value)
        skyportal = SkyPortalClass()
        skyportal.cache_location = tmp_path / "skyportal"
        uploaded = skyportal.get_photometry(one.skyportal_id)
    here = alerce.get_light_curve(one.ztf_name)
    here = here[here["detection"]]
    found = {}
    rows = uploaded, uploaded.time.mjd, values(uploaded, "flux", u.uJy)
    for row, mjd, flux in zip(*rows, strict=True):
        altdata = json.loads(str(row["altdata"]))
        if "candid" in altdata:
            found[altdata["candid"]] = (mjd, flux, str(row["filter"]))
    assert len(found) == len(here)
    columns = (here["candid"], here.time.mjd, values(here, "flux", u.uJy), here["band"])
    for candid, mjd, flux, band in zip(*columns, strict=True):
        assert found[int(candid)] == (mjd, pytest.approx(flux, rel=1e-9), f"ztf{band}")


def test_no_two_objects_share_a_number():
    for survey, name in (("ztf", "ztf_name"), ("lsst", "lsst_id")):
        numbers = [
            number
            for one in objects()
            if getattr(one, name) is not None
            for number in measurement_ids(
                measurements(one, survey), survey, one.number
            ).tolist()
        ]  # fmt: skip
        assert len({*numbers}) == len(numbers) > 10_000
        assert all(0 < number < 2**63 for number in numbers)


def test_some_detections_of_lsst_are_withdrawn(alerce):
    one, points = first("supernova", "lsst")
    found = alerce.get_detections(one.lsst_id, survey="lsst")
    withdrawn = ~mask(found["timeWithdrawnMjdTai"])
    assert 0 < withdrawn.sum() < len(found) / 5
    assert (found["timeWithdrawnMjdTai"] > found["mjd"])[withdrawn].all()
    assert len(found) == points.detected.sum()


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_objects_are_found_by_cone_and_name(alerce, survey):
    name, column = ("ztf_name", "oid") if survey == "ztf" else ("lsst_id", "oid")
    for kind in KINDS:
        one, points = first(kind, survey)
        where = SkyCoord(one.ra, one.dec, unit="deg")
        if kind == "mover":
            points = points.rows(points.detected)
            where = SkyCoord(np.mean(points.ra), np.mean(points.dec), unit="deg")
        near = alerce.query_region(where, radius="2 arcsec", survey=survey)
        # One of the edge cases is where a variable is, too.
        nearest = near[near[column] == getattr(one, name)]
        assert len(near) <= 2 and len(nearest) == 1
        assert nearest["separation"].quantity[0] < 0.3 * u.arcsec
        entry = alerce.query_object(getattr(one, name), survey=survey)
        n_det = entry["n_det"] if "n_det" in entry.colnames else entry["ndet"]
        assert np.ravel(n_det)[0] == points.rows(points.detected).detected.sum()


def test_cones_and_lists_have_both(alerce):
    edge = alerce.query_region(SkyCoord(150.1, 2.2, unit="deg"), radius="1 arcmin")
    assert {edge_cases.name(n) for n in range(40)} <= {*edge["oid"]}
    listed = {*alerce.query_criteria(max_rows=-1)["oid"]}
    assert {edge_cases.name(n) for n in range(edge_cases.COUNT)} < listed
    named = {one.ztf_name for one in objects() if one.ztf_name is not None}
    assert listed - {edge_cases.name(n) for n in range(edge_cases.COUNT)} == named
    assert len(named) > 300
    with pytest.warns(InputWarning, match="2 further classifications"):
        listed = {*alerce.query_criteria(survey="lsst", max_rows=-1)["oid"].tolist()}
    named = {one.lsst_id for one in objects() if one.lsst_id is not None}
    assert named < listed and edge_cases.FIRST_LSST + 2 in listed
    # The server does not list what nobody has classified.
    assert not {edge_cases.FIRST_LSST + n for n in edge_cases.UNCLASSIFIED} & listed


def test_a_cone_over_right_ascension_0_has_the_object_on_it(alerce):
    one = next(one for one in objects() if one.topic == "wrap0")
    for ra in (0.0, 359.9999):
        near = alerce.query_region(SkyCoord(ra, one.dec, unit="deg"), radius="2 arcsec")
        assert one.ztf_name in near["oid"]
    ra = alerce.get_detections(one.ztf_name)["ra"]
    assert (ra > 359).any() and (ra < 1).any()
    entry = alerce.query_object(one.ztf_name)
    assert SkyCoord(entry["ra"], entry["dec"], unit="deg").ravel()[0].separation(
        SkyCoord(one.ra, one.dec, unit="deg")) < 0.1 * u.arcsec  # fmt: skip


def test_a_mover_goes_along_its_track(alerce):
    mover = next(
        one for one in objects().of_kind("mover")
        if one.ztf_name is not None and measurements(one, "ztf").detected.sum() > 1
    )  # fmt: skip
    found = alerce.get_detections(mover.ztf_name)
    ra, dec = mover.position(tai_of_utc(np.array(found["mjd"]), 30.0))
    expected = SkyCoord(ra, dec, unit="deg")
    seen = SkyCoord(found["ra"].quantity, found["dec"].quantity)
    assert (seen.separation(expected) < 0.5 * u.arcsec).all()
    assert seen[0].separation(seen[-1]) > 1 * u.arcsec


def test_classes_are_those_of_the_sky(alerce):
    best = {"supernova": "SN", "variable": "VS", "agn": "AGN", "mover": "asteroid"}
    for survey, classifier in (("ztf", "stamp_classifier"), ("lsst", "stamp_classifier_rubin")):
        for kind, label in best.items():
            one, _ = first(kind, survey)
            name = one.ztf_name if survey == "ztf" else one.lsst_id
            found = alerce.get_probabilities(name, classifier=classifier, survey=survey)
            assert found["class_name"][found["ranking"] == 1].tolist() == [label]
            assert np.sum(found["probability"]) == pytest.approx(1)
    variable, _ = first("variable", "ztf")
    period = alerce.get_feature(variable.ztf_name, "Multiband_period")
    assert np.ravel(period["value"])[0] == variable.period


def test_statistics_follow_from_the_detections(alerce):
    one, points = first("supernova", "ztf")
    points = points.rows(points.detected)
    stats = alerce.get_magstats(one.ztf_name)
    assert stats["n_det"].sum() == len(points)
    mag = 23.9 - 2.5 * np.log10(np.abs(points.flux[points.band == "r"]))
    row = stats[stats["fid"] == 2]
    np.testing.assert_allclose(row["magmin"], mag.min())
    np.testing.assert_allclose(row["magmean"], mag.mean())
    one, points = first("supernova", "lsst")
    points = points.rows(points.detected & (points.band == "i"))
    stats = alerce.get_magstats(one.lsst_id, survey="lsst")
    np.testing.assert_allclose(stats["i_psfFluxMean"], points.flux.mean() * 1000)


def test_stamps_of_both_surveys(alerce):
    one, _ = first("supernova", "ztf")
    assert {hdu.data.shape for hdu in alerce.get_stamps(one.ztf_name)} == {(63, 63)}
    one, _ = first("supernova", "lsst")
    assert len(alerce.get_stamps(one.lsst_id, survey="lsst")) >= 3


def test_another_seed_is_another_sky_and_none_the_edge_cases():
    from atlasquery.sandbox.alerce.contents import Contents

    names = {seed: {*Contents(seed).ztf} for seed in (None, SEED, SEED + 1)}
    assert names[None] < names[SEED] and names[None] < names[SEED + 1]
    assert names[SEED] - names[None] != names[SEED + 1] - names[None]


def test_the_environment_names_every_server(alerce, _server, monkeypatch):
    assert set(_server.environment()) == {
        f"ATLASQUERY_ALERCE_{name}SERVER"
        for name in ("", "LIGHT_CURVE_", "LSST_", "STAMP_", "CATSHTM_", "TAP_")
    }
    assert len(alerce.query_tap("SELECT oid, meanra, ndet FROM object LIMIT 3")) == 3
    where = SkyCoord(150.1, 2.2, unit="deg")
    assert "GAIA/DR1" in alerce.crossmatch_catshtm(where, radius="30 arcsec")
    # It is read when it is used, and an error names it.
    monkeypatch.setenv("ATLASQUERY_ALERCE_LSST_SERVER", f"{_server.url}/nowhere")
    with pytest.raises(RemoteServiceError, match="ATLASQUERY_ALERCE_LSST_SERVER"):
        alerce.list_classifiers(survey="lsst")
    monkeypatch.setenv("ATLASQUERY_ALERCE_LSST_SERVER", "https://name:secret@example.org/")
    with pytest.raises(InvalidQueryError, match="lsst_server of ALeRCE") as caught:
        alerce.list_classifiers(survey="lsst")
    assert "secret" not in str(caught.value)
    with pytest.warns(NoResultsWarning):
        alerce.query_region(SkyCoord(10, 80, unit="deg"), radius="1 arcsec")


def test_the_server_ends_its_threads_and_connections():
    before = {*threading.enumerate()}
    with AlerceSandbox(seed=None) as server:
        import requests

        with requests.Session() as session:
            assert session.get(f"{server.url}/ztf/v1/classifiers/", timeout=60).ok
            assert {*threading.enumerate()} > before
            server.stop()
            assert {*threading.enumerate()} <= before
            with pytest.raises(requests.ConnectionError):
                session.get(f"{server.url}/ztf/v1/classifiers/", timeout=60)


def test_a_planned_response_is_sent_once_or_always():
    import requests

    with AlerceSandbox(seed=None) as server:
        url = f"{server.url}/ztf/v1/classifiers/"
        server.faults = {"classifiers": [Response(502, "no", "text/plain")]}
        assert [requests.get(url, timeout=60).status_code for _ in range(2)] == [502, 200]
        server.faults = {"classifiers": Response(503, {"message": "no"})}
        assert [requests.get(url, timeout=60).json() for _ in range(2)] == [{"message": "no"}] * 2
        assert len(server.asked("classifiers")) == 4


START = """
import sys
from pathlib import Path
from atlasquery.sandbox.alerce.server import AlerceSandbox
server = AlerceSandbox()
print([name for name in ("astropy", "requests", "atlasquery.alerce") if name in sys.modules])
# The memory of getrusage would count that of the parent, too.
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else ["VmHWM: 0 kB"]
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
server.stop()
"""


def test_starting_loads_nothing_that_it_does_not_need():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", START], env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    loaded, kilobytes = run.stdout.splitlines()
    # No client and no astropy: what would make it slow and large.
    assert loaded == "[]", run.stdout
    assert int(kilobytes) < 150_000

"""The SkyPortal of the sandbox through its client: the one sky, found and measured."""

import json

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from atlasquery.alerce import AlerceClass
from atlasquery.exceptions import WriteError
from atlasquery.sandbox.alerce.server import AlerceSandbox
from atlasquery.sandbox.sky import objects, tai_of_utc
from atlasquery.sandbox.skyportal.example import fill
from atlasquery.sandbox.skyportal.server import READER, SkyPortalSandbox
from atlasquery.skyportal import SkyPortalClass

SKY = [one for one in objects() if one.skyportal_id is not None]


@pytest.fixture(scope="module")
def server():
    with SkyPortalSandbox() as server:
        fill(server.state)
        yield server


@pytest.fixture
def client(server, tmp_path, monkeypatch):
    """A client that knows the server and its token from the environment alone."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    client = SkyPortalClass()
    client.cache_location = tmp_path / "cache"
    return client


def first(kind):
    """Return the first object of a kind that all surveys see."""
    return next(one for one in SKY if one.kind == kind and one.ztf_name and one.lsst_id)


def values(column):
    """Return numbers without units, NaN where they are missing."""
    return np.ma.filled(np.ma.asarray(getattr(column, "value", column), dtype=float), np.nan)


@pytest.mark.parametrize("kind", ["supernova", "variable", "mover"])
def test_an_object_of_the_sky_is_found_by_its_position(client, kind):
    one = first(kind)
    found = client.query_region(SkyCoord(one.ra, one.dec, unit="deg"), radius="2 arcsec")
    assert one.skyportal_id in found["id"].tolist()
    separations = values(found["separation"].to("arcsec"))
    assert separations[found["id"].tolist().index(one.skyportal_id)] < 0.01


def test_a_source_has_the_names_and_the_class_of_its_object(client):
    one = next(one for one in SKY if one.tns_name and one.spectral_type == "SN Ia" and one.redshift)
    source = client.get_source(one.skyportal_id)
    assert source["tns_name"][0] == f"SN {one.tns_name}"
    assert source["redshift"][0] == one.redshift
    assert one.atlas_name in str(source["alias"][0])
    found = client.get_classifications(one.skyportal_id)
    assert found["classification"].tolist() == ["Ia"]


@pytest.mark.parametrize("kind", ["supernova", "variable", "agn"])
def test_difference_fluxes_agree_with_the_sky(client, kind):
    one = next(one for one in SKY if one.kind == kind and one.ztf_name)
    curve = client.get_photometry(one.skyportal_id)
    survey, mjd = np.asarray(curve["survey"]), values(curve.time.mjd)
    extra = [json.loads(str(text)) for text in curve["altdata"]]
    exposure = np.array([x.get("exposure_time", x.get("exptime", 0.0)) for x in extra])
    # ATLAS and ZTF send the start in UTC; of LSST the middle in TAI was copied.
    middle = np.where(survey == "lsst", mjd, tai_of_utc(mjd, exposure))
    flux, error = values(curve["flux"]), values(curve["flux_err"])
    chi = (flux - one.flux(middle, np.asarray(curve["band"]))) / error
    surveys = {"atlas", "ztf", "lsst"} if one.lsst_id else {"atlas", "ztf"}
    assert set(survey.tolist()) == surveys
    for name in surveys:
        ours = chi[(survey == name) & np.isfinite(chi)]
        # Of LSST and ZTF there are detections only, which are a little brighter than the truth.
        assert len(ours) > 10 and 0.5 < np.mean(ours**2) < 2.0, name


def test_limits_were_uploaded_as_magnitudes(client):
    one = first("supernova")
    curve = client.get_photometry(one.skyportal_id)
    limits = curve[np.isnan(values(curve["flux"]))]
    assert len(limits) > 5 and set(limits["survey"].tolist()) == {"ztf"}
    sent = values(limits["limiting_mag"])
    assert ((sent > 18) & (sent < 21)).all()


def test_a_point_of_ztf_is_the_one_that_alerce_has(client, tmp_path, monkeypatch):
    one = first("supernova")
    with AlerceSandbox() as alerce:
        for name, value in alerce.environment().items():
            monkeypatch.setenv(name, value)
        broker = AlerceClass()
        broker.cache_location = tmp_path / "alerce"
        theirs = broker.get_light_curve(one.ztf_name)
    theirs = theirs[np.asarray(theirs["detection"], dtype=bool)]
    ours = client.get_photometry(one.skyportal_id)
    ours = ours[(ours["survey"] == "ztf") & np.isfinite(values(ours["flux"]))]
    row_of = {json.loads(str(text))["candid"]: n for n, text in enumerate(ours["altdata"])}
    ours = ours[[row_of[int(candid)] for candid in theirs["candid"]]]
    assert len(ours) > 10
    assert np.allclose(values(ours.time.mjd), values(theirs.time.mjd), rtol=0, atol=1e-9)
    for name in ("flux", "flux_err"):
        assert np.allclose(values(ours[name]), values(theirs[name]), rtol=1e-3), name


def test_photometry_is_stored_when_it_is_requested(server, client):
    supernovae = [one for one in SKY if one.kind == "supernova"]
    one = next(one for one in supernovae[::-1] if one.skyportal_id in server.state.pending)
    assert all(p["obj_id"] != one.skyportal_id for p in server.state.points.values())
    peak = one.curve.parameters["peak"]
    found = client.query_criteria(source_id=one.skyportal_id, peak_mag=(peak - 1, peak + 1))
    assert found["id"].tolist() == [one.skyportal_id]
    assert one.skyportal_id in server.state.pending
    assert len(client.get_photometry(one.skyportal_id)) > 0
    assert one.skyportal_id not in server.state.pending


def test_a_reader_may_read_and_not_write(server, tmp_path):
    client = SkyPortalClass(server.url, token=READER)
    client.cache_location = tmp_path
    one = first("supernova")
    assert len(client.get_photometry(one.skyportal_id)) > 0
    with pytest.raises(WriteError, match="does not have the permission"):
        client.add_comment(one.skyportal_id, "Rising.")


def test_the_examples_are_there_too(client):
    found = client.query_criteria(source_id="ATLAS24ab")
    assert set(found["id"].tolist()) == {"ATLAS24abc", "ATLAS24abd"}

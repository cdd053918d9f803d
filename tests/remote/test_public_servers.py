"""Short questions to each service that any server of it answers, the sandbox or a public one."""

import os

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time

from atlasquery.alerce import AlerceClass
from atlasquery.atlas import AtlasClass
from atlasquery.exceptions import MaxResultsWarning, NoResultsWarning
from atlasquery.forcedphot import AtlasForcedClass
from atlasquery.lccserver import LCCServerClass
from atlasquery.skyportal import SkyPortalClass

pytestmark = pytest.mark.usefixtures("environment")
# A supernova in a galaxy that ATLAS observes each season.
SN_2023IXF = SkyCoord(210.910674, 54.311651, unit="deg")


def token_of(service):
    """Return the token of whoever runs the tests, or skip the test."""
    name = f"ATLASQUERY_REMOTE_{service}_TOKEN"
    if not (token := os.environ.get(name)):
        pytest.skip(f"an account at the public server: none; set {name}")
    return token


def check_light_curve(lc, bands):
    """Check what holds for the light curve of any object of any server."""
    assert len(lc) > 0
    assert isinstance(lc["time"], Time) and lc["time"].scale in ("utc", "tai", "tdb")
    assert (np.diff(lc["time"].mjd) >= 0).all()
    assert lc["flux"].unit == lc["flux_err"].unit == u.uJy and lc["mag"].unit == u.mag
    assert set(lc["band"].tolist()) <= set(bands)
    seen = lc[lc["detection"]]
    assert len(seen) and np.isfinite(seen["flux"].unmasked.value).all()


@pytest.mark.filterwarnings(f"ignore::{MaxResultsWarning.__module__}.MaxResultsWarning")
def test_alerce():
    alerce = AlerceClass()
    classifiers = alerce.list_classifiers()
    assert "stamp_classifier" in classifiers["classifier_name"].tolist()
    found = alerce.query_criteria(
        classifier="stamp_classifier", class_name="SN", ranking=1, n_det=(20, 60), max_rows=2
    )
    assert len(found) == 2 and found["ra"].unit == u.deg
    assert ((found["n_det"] >= 20) & (found["n_det"] <= 60)).all()
    name = found["oid"][0]
    assert alerce.query_object(name)["oid"].tolist() == [name]
    check_light_curve(alerce.get_light_curve(name), "gri")
    assert len(alerce.list_classifiers(survey="lsst")) > 0


def test_atlas(address, request):
    if address == "sandbox":
        box = request.getfixturevalue("all_services")
        token, place = box.token, box.manifest["positions"][box.manifest["ids"]["main"][0]]
        position = SkyCoord(*place, unit="deg")
    else:
        token, position = token_of("ATLAS"), SN_2023IXF
    atlas = AtlasClass()
    atlas.login(token=token)
    found = atlas.query_region(position, radius="5 arcsec")
    assert len(found) == atlas.count_region(position, radius="5 arcsec") >= 1
    assert found["separation"].unit == u.arcsec and (found["separation"] <= 5).all()
    check_light_curve(atlas.get_light_curve(found["atlas_id"][0]), ("c", "o", "w", "t", "H"))


@pytest.mark.filterwarnings(f"ignore::{NoResultsWarning.__module__}.NoResultsWarning")
def test_forced_photometry(address, request):
    if address == "sandbox":
        token = request.getfixturevalue("all_services").environment()["ATLASQUERY_FORCED_TOKEN"]
    else:
        token = token_of("FORCED")
    forced = AtlasForcedClass()
    forced.login(token=token)
    # Tasks that wait: few, or none.
    jobs = forced.list_jobs(started=False)
    assert isinstance(jobs["submitted"], Time) and jobs["ra"].unit == u.deg


@pytest.mark.filterwarnings(f"ignore::{NoResultsWarning.__module__}.NoResultsWarning")
def test_lccserver(address):
    # A search leaves a dataset at the server, so none is done.
    server = os.environ.get("ATLASQUERY_REMOTE_LCC_SERVER") if address == "public" else None
    lcc = LCCServerClass(server)
    collections = lcc.list_collections()
    assert len(collections) > 0 and collections["nobjects"].dtype.kind == "i"
    assert len(lcc.list_columns(collections["collection"][0])) > 5
    assert lcc.list_datasets(max_rows=3)["setid"].dtype.kind == "U"


@pytest.mark.filterwarnings(f"ignore::{MaxResultsWarning.__module__}.MaxResultsWarning")
def test_skyportal(address, request):
    if address == "sandbox":
        token = request.getfixturevalue("all_services").environment()["ATLASQUERY_SKYPORTAL_TOKEN"]
        skyportal = SkyPortalClass()
    else:
        skyportal = SkyPortalClass(os.environ.get("ATLASQUERY_REMOTE_SKYPORTAL_SERVER"))
        token = None
    # Who does not log in may read this much.
    assert skyportal.get_system_info()["version"]
    skyportal.login(token=token or token_of("SKYPORTAL"))
    assert len(skyportal.list_groups()) > 0
    found = skyportal.query_criteria(max_rows=2)
    assert len(found) <= 2 and found["ra"].unit == u.deg

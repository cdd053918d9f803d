"""The path of a call until its request is sent is short, and is that of the design page."""

import re
import sys
from pathlib import Path

import pytest
from addresses import configured
from astropy.coordinates import SkyCoord

import atlasquery

ROOT = Path(__file__).parents[1]
PACKAGE = Path(atlasquery.__file__).parent
# It wraps every public method, to suggest the right name for a misspelled argument.
WRAPPER = "service/inputs.py"
LONGEST = 5


def recorder(client, endpoint):
    """Record the files of the package on the stack when a client sends to an endpoint."""
    paths = []

    class Recorder(type(client._session.get_adapter("http://"))):
        def send(self, request, *args, **kwargs):
            if request.url.partition("?")[0].rstrip("/").endswith(endpoint):
                files, frame = [], sys._getframe(1)
                while frame is not None:
                    path = Path(frame.f_code.co_filename)
                    if path.is_relative_to(PACKAGE):
                        files.append(path.relative_to(PACKAGE).as_posix())
                    frame = frame.f_back
                paths.append([file for file in dict.fromkeys(files[::-1]) if file != WRAPPER])
            return super().send(request, *args, **kwargs)

    client._session.mount("http://", Recorder())
    return paths


def documented(name):
    """Return the files that the design page lists for a call."""
    page = (ROOT / "docs" / "design.rst").read_text(encoding="utf-8")
    (block,) = re.findall(rf"^    {re.escape(name)}\n((?:        \S.*\n)+)", page, re.MULTILINE)
    return [line.split()[0] for line in block.splitlines()]


def path_of(client, call, endpoint):
    paths = recorder(client, endpoint)
    call()
    assert paths, f"no request for {endpoint} was sent"
    return paths[0]


@pytest.fixture
def atlas(tmp_path):
    sandbox = pytest.importorskip("atlasquery.sandbox")
    with sandbox.Sandbox() as box:
        from atlasquery.atlas import AtlasClass

        client = AtlasClass(server=box.url)
        client.cache_location = tmp_path
        client.login(token=box.token)
        yield client, int(box.manifest["ids"]["main"][0])


def test_path_of_a_light_curve_of_atlas(atlas):
    client, name = atlas
    path = path_of(client, lambda: client.get_light_curve(name, cache=False), "/objects")
    assert path == documented("Atlas.get_light_curve")
    assert len(path) <= LONGEST


def test_path_of_many_objects_of_atlas(atlas):
    client, name = atlas
    path = path_of(client, lambda: client.get_sources([name], cache=False), "/objects")
    assert path == documented("Atlas.get_sources, in a thread of ChunkedReads")
    assert len(path) <= LONGEST


def test_path_of_a_search_of_alerce():
    from atlasquery.alerce import AlerceClass
    from atlasquery.sandbox.alerce.server import AlerceSandbox

    with AlerceSandbox(seed=None) as double, configured(double):
        client = AlerceClass()
        path = path_of(client, lambda: client.query_criteria(n_det=(5, 9), cache=False), "/objects")
    assert path == documented("Alerce.query_criteria")
    assert len(path) <= LONGEST


def test_path_of_an_upload_to_skyportal(atlas, tmp_path):
    from atlasquery.sandbox.skyportal.example import fill
    from atlasquery.sandbox.skyportal.server import ADMIN, SkyPortalSandbox
    from atlasquery.skyportal import SkyPortalClass

    with SkyPortalSandbox() as double:
        fill(double.state)
        client = SkyPortalClass(double.url)
        client.cache_location = tmp_path
        client.login(token=ADMIN)
        near = SkyCoord(150.0, 2.2, unit="deg")
        found = atlas[0].query_region(near, radius="3 arcmin", nearest=True, cache=False)
        lc = atlas[0].get_light_curve(found["atlas_id"][0], cache=False)
        lc = lc[(lc["band"] == "o") | (lc["band"] == "c")]

        def upload():
            client.upload_photometry(lc, "ATLAS24abc", "ATLAS", "ATLAS transients")

        path = path_of(client, upload, "/photometry")
    assert path == documented("SkyPortal.upload_photometry")
    assert len(path) <= LONGEST

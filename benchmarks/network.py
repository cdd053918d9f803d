"""A cone search compared with plain requests, and a cached response with a fetched one.

The server is the real one named by ``ATLASQUERY_TEST_ATLAS_URL`` and
``ATLASQUERY_TEST_ATLAS_MANIFEST``, else the sandbox, whose answers are made
late by what the real one was measured to take.
"""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from unittest import mock

import astropy.units as u
import requests
from astropy.coordinates import SkyCoord

from atlasquery.atlas import AtlasClass
from benchmarks.timing import line, paired

# Seconds that the real server was measured to take: for a cone, and for an object's history.
CONE, HISTORY = 0.012, 0.2


@contextlib.contextmanager
def server(late: float, history: str = "season"):
    """Yield the address, the reader's token, the seeded objects, and a name."""
    url = os.environ.get("ATLASQUERY_TEST_ATLAS_URL")
    if url:
        manifest = json.loads(Path(os.environ["ATLASQUERY_TEST_ATLAS_MANIFEST"]).read_text())
        yield url, manifest["users"]["reader"]["token"], manifest, "the real server"
        return
    from atlasquery.sandbox import Sandbox

    with Sandbox(latency=late, history=history) as box:
        yield box.url, box.token, box.manifest, f"the sandbox, {late * 1e3:g} ms late"


def report() -> list[str]:
    """Compare on one server."""
    return _cones() + _stored()


def _cones() -> list[str]:
    with server(CONE) as (url, token, manifest, name):
        atlas = AtlasClass(server=url)
        atlas.login(token=token)
        centre = SkyCoord(*manifest["clusters"]["main"], unit="deg")
        bare = requests.Session()
        bare.headers.update({"Authorization": f"Token {token}", "Accept": "application/json"})
        form = {"ra": centre.ra.deg, "dec": centre.dec.deg, "radius": 300, "requestType": "all"}

        def ours():
            return atlas.query_region(centre, radius=300 * u.arcsec, positions=False, cache=False)

        def theirs():
            return bare.post(url + "cone/", data=form, timeout=60).json()

        what = f"cone search without positions, on {name}"
        return [
            line(what, *paired(ours, theirs, runs=31), "<= 1.20"),
            _requests_of_a_search(atlas, centre),
        ]


def _stored() -> list[str]:
    with (
        server(HISTORY, "full") as (url, token, manifest, name),
        tempfile.TemporaryDirectory() as directory,
    ):
        atlas = AtlasClass(server=url)
        atlas.cache_location = directory
        atlas.login(token=token)
        first = int(manifest["ids"]["main"][0])
        atlas.get_light_curve(first)
        stored = paired(
            lambda: atlas.get_light_curve(first), lambda: atlas.get_light_curve(first, cache=False)
        )
        return [line(f"light curve stored, beside fetched, on {name}", *stored, "<= 0.05")]


def _requests_of_a_search(atlas: AtlasClass, centre: SkyCoord) -> str:
    sent, send = [], atlas._session.send

    def counted(request, **options):
        sent.append(request.url)
        return send(request, **options)

    with mock.patch.object(atlas._session, "send", counted):
        found = atlas.query_region(centre, radius=300 * u.arcsec, cache=False)
    return f"requests of a cone search with {len(found)} positions: {len(sent)}  (aim: 2)"

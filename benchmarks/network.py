"""A cone search beside bare requests, a stored answer beside a fetched one.

The server is the real one named by ``ATLASQUERY_TEST_ATLAS_URL`` and
``ATLASQUERY_TEST_ATLAS_MANIFEST``, else the sandbox, whose answers are made
late by what the real one was measured to take.
"""

import contextlib
import json
import os
import tempfile
from pathlib import Path

import astropy.units as u
import requests
from astropy.coordinates import SkyCoord

from atlasquery.atlas import AtlasClass
from benchmarks.timing import line, paired

# Seconds for a cone on the real server; an object of full history takes ten times as long.
LATE = 0.012


@contextlib.contextmanager
def server():
    """Yield the address, the reader's token, the seeded objects, and a name."""
    url = os.environ.get("ATLASQUERY_TEST_ATLAS_URL")
    if url:
        manifest = json.loads(Path(os.environ["ATLASQUERY_TEST_ATLAS_MANIFEST"]).read_text())
        yield url, manifest["users"]["reader"]["token"], manifest, "the real server"
        return
    from atlasquery.sandbox import Sandbox

    with Sandbox(latency=LATE) as box:
        yield box.url, box.token, box.manifest, f"the sandbox, {LATE * 1e3:g} ms late"


def report() -> list[str]:
    """Compare on one server."""
    with server() as (url, token, manifest, name), tempfile.TemporaryDirectory() as directory:
        atlas = AtlasClass(server=url)
        atlas.cache_location = directory
        atlas.login(token=token)
        centre = SkyCoord(*manifest["clusters"]["main"], unit="deg")
        bare = requests.Session()
        bare.headers.update({"Authorization": f"Token {token}", "Accept": "application/json"})
        form = {"ra": centre.ra.deg, "dec": centre.dec.deg, "radius": 300, "requestType": "all"}

        def ours():
            return atlas.query_region(centre, radius=300 * u.arcsec, positions=False, cache=False)

        def theirs():
            return bare.post(url + "cone/", data=form, timeout=60).json()

        rows = [
            f"on {name}",
            line("cone search without positions", *paired(ours, theirs), "<= 1.20"),
        ]
        rows.append(_requests_of_a_search(atlas, centre))
        first = int(manifest["ids"]["main"][0])
        atlas.get_light_curve(first)
        stored = paired(
            lambda: atlas.get_light_curve(first), lambda: atlas.get_light_curve(first, cache=False)
        )
        rows.append(line("light curve from the store, beside fetched", *stored, "<= 0.05"))
    return rows


def _requests_of_a_search(atlas: AtlasClass, centre: SkyCoord) -> str:
    sent = []
    atlas._session.hooks["response"].append(lambda response, **_: sent.append(response.url))
    found = atlas.query_region(centre, radius=300 * u.arcsec, cache=False)
    atlas._session.hooks["response"].pop()
    return f"requests of a cone search with {len(found)} positions: {len(sent)}  (aim: 2)"

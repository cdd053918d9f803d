"""The gravitational-wave event of the one sky, as its users find it."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

pytest.importorskip("werkzeug", reason="the sandbox extra is not installed")

from atlasquery.sandbox.skyportal.example import fill
from atlasquery.sandbox.skyportal.gravitational_waves import MAP_NAME, counterpart
from atlasquery.sandbox.skyportal.server import SkyPortalSandbox
from atlasquery.sandbox.skyportal.state import ADMIN
from atlasquery.skyportal import SkyPortalClass


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    with SkyPortalSandbox() as box:
        fill(box.state)
        client = SkyPortalClass(box.url)
        client.cache_location = tmp_path_factory.mktemp("answers")
        client.login(token=ADMIN)
        yield client


def test_the_event_is_at_the_first_light_of_its_counterpart(portal):
    events = portal.query_gcn_events(tags="GW", end="2026-11-01")
    assert len(events) == 1
    assert abs(events["dateobs"][0].tai.mjd - counterpart().curve.start) < 1 / 86400


def test_the_map_leads_to_its_counterpart(portal):
    pytest.importorskip("cdshealpix", reason="maps are evaluated with the regions extra")
    from astropy.cosmology import Planck18

    from atlasquery.regions import SkyMap

    event = portal.query_gcn_events(tags="GW", end="2026-11-01")["dateobs"][0]
    sky_map = SkyMap.read(portal.get_localization(event, MAP_NAME))
    one = counterpart()
    at = sky_map.at(SkyCoord(one.ra, one.dec, unit="deg"))
    assert at["credible_level"] < 0.5
    distance = Planck18.luminosity_distance(one.redshift)
    assert abs(at["distance_mean"] - distance) < at["distance_std"]
    assert 4 * u.deg**2 < sky_map.area(0.9) < 7 * u.deg**2
    assert np.isclose(sky_map.probability(0.9), 0.9, atol=0.002)
    assert sky_map.meta["creator"] == "the sandbox"


def test_the_norm_of_distances_is_that_of_the_paper(portal):
    event = portal.query_gcn_events(tags="GW", end="2026-11-01")["dateobs"][0]
    table = portal.get_localization(event, MAP_NAME)
    mu, sigma, norm = (float(table[name][0]) for name in ("DISTMU", "DISTSIGMA", "DISTNORM"))
    r = np.linspace(0, mu + 12 * sigma, 200_001)
    density = r**2 * np.exp(-0.5 * ((r - mu) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    assert np.isclose(norm * np.trapezoid(density, r), 1, rtol=1e-6)

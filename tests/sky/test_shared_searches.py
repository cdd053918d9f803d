"""Many positions at once have the objects that each of them has alone, for fewer requests."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from atlasquery import find
from atlasquery.service.cones import separations
from atlasquery.sky.shared_searches import AllObjects, plan_searches, search_around
from atlasquery.skyportal import SkyPortal

RADIUS = 2.0
# Around RA 0, the poles, and elsewhere.
CENTRES = [
    (0.0, 0.0),
    (359.9999, 45.0),
    (0.0, 90.0),
    (77.0, -90.0),
    (180.0, 89.9999),
    (123.0, 30.0),
]


class Server:
    """A service with some objects, of which it lists those in a circle, the nearest first."""

    def __init__(self, ra, dec, *, total=None):
        self.ra, self.dec, self.requests = np.asarray(ra), np.asarray(dec), 0
        # What it says; a list is the cheaper the fewer there are.
        self.total = len(self.ra) if total is None else total

    def ask(self, centres, arcsec):
        parts = []
        for n, centre in enumerate(centres):
            self.requests += 1
            far = separations(centre.ra.deg, centre.dec.deg, self.ra, self.dec)
            near = np.flatnonzero(far <= arcsec)
            near = near[np.argsort(far[near], kind="stable")]
            parts += [(n, far[k], k, self.ra[k], self.dec[k]) for k in near.tolist()]
        names, kinds = (
            ("query_index", "separation", "id", "ra", "dec"),
            (int, float, int, float, float),
        )
        return Table(rows=parts or None, names=names, dtype=kinds)

    def read(self):
        self.requests += 1
        return Table({"id": np.arange(len(self.ra)), "ra": self.ra, "dec": self.dec})

    def catalogue(self):
        return AllObjects(lambda: self.total, self.read, 500, (18000.0, 72000.0))


def pairs(table):
    return sorted(zip(table["query_index"].tolist(), table["id"].tolist(), strict=True))


def scattered(rng, n, *, spread):
    """Return positions around some places, many of them within arcseconds of each other."""
    lon, lat = np.array(CENTRES)[rng.integers(0, len(CENTRES), n)].T
    centre = SkyCoord(lon, lat, unit="deg")
    far = spread * rng.uniform(0, 1, n) ** 3
    spot = centre.directional_offset_by(rng.uniform(0, 360, n) * u.deg, far * u.deg)
    return spot.ra.deg, spot.dec.deg


def at_the_edge(rng, ra, dec):
    """Return positions just inside and just outside the radius of others."""
    far = RADIUS * (1 + rng.choice([-1e-7, 1e-7], len(ra)))
    spot = SkyCoord(ra, dec, unit="deg").directional_offset_by(
        rng.uniform(0, 360, len(ra)) * u.deg, far * u.arcsec
    )
    return spot.ra.deg, spot.dec.deg


@pytest.mark.parametrize("total", [None, 100_000, 5_000_000])
@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([1e-3, 1.0, 60.0]),
    count=st.integers(1, 60),
)
def test_shared_searches_find_what_single_ones_do(total, seed, spread, count):
    rng = np.random.default_rng(seed)
    ra, dec = scattered(rng, count, spread=spread)
    server = Server(
        *np.concatenate([scattered(rng, 60, spread=spread), at_the_edge(rng, ra, dec)], axis=1),
        total=total,
    )
    positions = SkyCoord(ra, dec, unit="deg")
    found, failures = search_around(
        server.ask, positions, RADIUS, title="test", largest=300.0, catalogue=server.catalogue()
    )
    assert not failures
    far = separations(ra[:, None], dec[:, None], server.ra, server.dec)
    expected = sorted(zip(*(index.tolist() for index in np.nonzero(far <= RADIUS)), strict=True))
    assert pairs(found) == expected
    assert found.colnames == ["query_index", "separation", "id", "ra", "dec"]
    n, k = found["query_index"], found["id"]
    np.testing.assert_allclose(found["separation"], far[n, k], rtol=0, atol=1e-9)
    order = np.lexsort((found["separation"], n))
    assert order.tolist() == list(range(len(found)))
    assert server.requests <= count + 1


def everywhere(n):
    rng = np.random.default_rng(5)
    return rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def test_the_plan_is_the_cheapest_in_requests_and_rows():
    ra, dec = everywhere(1000)
    options = {"largest": 3600.0, "page": 500, "sizes": (18000.0, 72000.0)}
    # A list of all, large circles, and one by one.
    few = plan_searches(ra, dec, RADIUS, total=1200, **options)
    assert not few.cones and few.requests == 4
    assert few.text == "4 requests for all 1200 objects"
    many = plan_searches(ra, dec, RADIUS, total=10_000_000, **options)
    assert 900 < len(many.cones) <= 1000
    field = 40 + 30 * np.random.default_rng(1).uniform(0, 1, (2, 1000))
    some = plan_searches(*field, RADIUS, total=60_000, **options)
    assert 0 < len(some.cones) < 120 and "of up to" in some.text
    assert max(cone.radius for cone in some.cones) > 3600
    assert sorted(np.concatenate([cone.members for cone in some.cones])) == list(range(1000))
    # Without the number of all objects there is nothing to choose.
    assert len(plan_searches(ra, dec, RADIUS, **options).cones) == len(many.cones)
    # Wide circles are not shared.
    wide = plan_searches(ra[:20], dec[:20], 7200.0, largest=3600.0)
    assert [cone.members.tolist() for cone in wide.cones] == [[n] for n in range(20)]


def test_few_positions_are_not_counted():
    server = Server(*everywhere(15))
    catalogue = AllObjects(lambda: pytest.fail("it was counted"), server.read, 500)
    positions = SkyCoord(*everywhere(15), unit="deg")
    found, _ = search_around(
        server.ask, positions, RADIUS, title="test", largest=300.0, catalogue=catalogue
    )
    assert server.requests == 15 and len(found) == 15
    assert found.meta["plan"] == "15 searches for 15 positions"


@pytest.fixture
def edges(servers):
    """Sources and objects at RA 0, at the poles, and at the edge of the circles."""
    rng = np.random.default_rng(7)
    ra, dec = np.concatenate([scattered(rng, 8, spread=1e-3), everywhere(22)], axis=1)
    more = at_the_edge(rng, ra[:6], dec[:6])
    for n, (lon, lat) in enumerate(zip(*np.concatenate([(ra, dec), more], axis=1), strict=True)):
        servers.skyportal.state.add_source(f"edge{n}", float(lon), float(lat))
    return SkyCoord(ra, dec, unit="deg")


@pytest.mark.usefixtures("quiet")
def test_all_over_the_sky_the_services_find_what_they_find_one_by_one(servers, edges):
    known = SkyCoord([one.ra for one in servers.sky][:6], [one.dec for one in servers.sky][:6],
                     unit="deg")  # fmt: skip
    positions = SkyCoord(
        np.concatenate([edges.ra, known.ra]), np.concatenate([edges.dec, known.dec])
    )
    services = ["alerce", "skyportal", "lccserver", "atlas"]
    servers.skyportal.received.clear()
    servers.alerce.received.clear()
    found = find(positions, services=services, timeout=100)
    assert not found.failures
    assert len(servers.skyportal.received) == 2
    assert 0 < len(servers.alerce.asked("list_objects")) < len(positions)
    rows = [
        (n, row["service"], row["object_id"], round(row["separation"], 6))
        for n in range(len(positions))
        for row in find(positions[n], services=services, timeout=60, cache=False).objects
    ]
    together = [
        (row["query_index"], row["service"], row["object_id"], round(row["separation"], 6))
        for row in found.objects
    ]
    assert sorted(together) == sorted(rows) and len(rows) > 40
    assert "2 requests for all" in found.plans["skyportal"]
    assert found.plans["atlas"].endswith("of which the server does one in a request")
    assert set(found.plans) == {"atlas", "alerce ztf", "alerce lsst", "lccserver", "skyportal"}
    assert f"skyportal: {found.plans['skyportal']}" in found.objects.meta["plans"]
    table = SkyPortal.query_region(positions[:2], "2 arcsec")
    assert found["skyportal"].colnames == table.colnames
    assert found["skyportal"]["separation"].unit == table["separation"].unit

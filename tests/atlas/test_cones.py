"""Cone searches against both servers, and against a brute-force cut on the sandbox."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, Angle, Distance, SkyCoord
from astroquery import log
from numpy.testing import assert_array_equal

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning

COLUMNS = ["query_index", "atlas_id", "name", "ra", "dec", "separation"]
TOPICS = ["main", "ra_zero", "north_pole", "south_pole", "crowded"]


def centre_of(server, topic):
    return SkyCoord(*server.manifest["clusters"][topic], unit="deg")


@pytest.mark.parametrize("topic", TOPICS)
def test_cone_finds_the_seeded_objects(atlas, server, topic):
    centre = centre_of(server, topic)
    found = atlas.query_region(centre, radius=300 * u.arcsec)
    assert found.colnames == COLUMNS
    assert set(server.ids(topic)) <= set(found["atlas_id"].tolist())
    assert found["atlas_id"].dtype == np.int64
    assert (found["ra"].unit, found["separation"].unit) == (u.deg, u.arcsec)
    expected = centre.separation(SkyCoord(found["ra"], found["dec"])).arcsec
    np.testing.assert_allclose(found["separation"], expected, rtol=0, atol=1e-6)
    assert np.all(np.diff(found["separation"]) >= 0)
    assert atlas.count_region(centre, radius="300 arcsec") == len(found)


def test_nearest_is_the_first(atlas, server):
    centre = centre_of(server, "main")
    found = atlas.query_region(centre, radius="300 arcsec")
    (nearest,) = atlas.query_region(centre, radius="300 arcsec", nearest=True)
    assert nearest["atlas_id"] == found["atlas_id"][0]
    for options in ({"nearest": True}, {}):
        served = atlas.query_region(centre, radius="300 arcsec", positions=False, **options)
        assert served.colnames == ["query_index", "atlas_id", "name", "separation"]
        ids = found["atlas_id"][:1] if options else found["atlas_id"]
        assert_array_equal(served["atlas_id"], ids)
        # The server's own separations are good to 0.001 arcsec.
        np.testing.assert_allclose(
            served["separation"], found["separation"][: len(served)], rtol=0, atol=2e-3
        )


def test_many_positions_are_one_table(atlas, server):
    centres = SkyCoord([centre_of(server, topic) for topic in TOPICS])
    together = atlas.query_region(centres, radius=120 * u.arcsec)
    assert set(together["query_index"]) <= set(range(len(TOPICS)))
    for index, centre in enumerate(centres):
        alone = atlas.query_region(centre, radius=120 * u.arcsec)
        chosen = together[together["query_index"] == index]
        assert_array_equal(chosen["atlas_id"], alone["atlas_id"])
        np.testing.assert_allclose(chosen["separation"], alone["separation"], atol=1e-9)


def test_positions_near_each_other_share_a_request(atlas, server):
    centre = centre_of(server, "main")
    near = centre.directional_offset_by(np.arange(20) * 18 * u.deg, 40 * u.arcsec)
    payloads = atlas.query_region(near, radius="20 arcsec", get_query_payload=True)
    assert len(payloads) < 20
    together = atlas.query_region(near, radius="60 arcsec")
    for index, position in enumerate(near):
        try:
            alone = set(atlas.query_region(position, radius="60 arcsec")["atlas_id"])
        except NoResultsWarning:
            alone = set()
        assert set(together["atlas_id"][together["query_index"] == index]) == alone


@pytest.mark.parametrize("frame", ["galactic", "fk5", "fk4", "barycentrictrueecliptic"])
def test_frames(atlas, server, frame):
    centre = centre_of(server, "main")
    expected = atlas.query_region(centre, radius="200 arcsec")
    found = atlas.query_region(centre.transform_to(frame), radius="200 arcsec")
    assert_array_equal(found["atlas_id"], expected["atlas_id"])
    np.testing.assert_allclose(found["separation"], expected["separation"], atol=1e-6)


def test_distance_of_a_position_does_not_matter(atlas, server):
    centre = centre_of(server, "main")
    far = SkyCoord(centre.ra, centre.dec, distance=Distance(30, u.Mpc))
    found = atlas.query_region(far, radius="200 arcsec")
    assert_array_equal(
        found["separation"], atlas.query_region(centre, radius="200 arcsec")["separation"]
    )


@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (1,)])
def test_shapes(atlas, server, shape):
    centre = centre_of(server, "main")
    positions = SkyCoord(np.full(shape, centre.ra.deg), np.full(shape, centre.dec.deg), unit="deg")
    counts = atlas.count_region(positions, radius="300 arcsec")
    assert np.shape(counts) == shape
    assert isinstance(counts, int) == (shape == ())
    found = atlas.query_region(positions, radius="300 arcsec")
    assert_array_equal(np.bincount(found["query_index"]), np.ravel(counts))


def test_no_object(atlas):
    with pytest.warns(NoResultsWarning, match="no object within 10"):
        found = atlas.query_region(SkyCoord(33.0, -33.0, unit="deg"), radius=10 * u.arcsec)
    assert len(found) == 0
    assert found.colnames == COLUMNS
    assert (found["atlas_id"].dtype, found["ra"].dtype) == (np.int64, np.float64)
    assert atlas.count_region(SkyCoord(33.0, -33.0, unit="deg"), radius=10 * u.arcsec) == 0
    with pytest.warns(NoResultsWarning):
        assert len(atlas.query_region(SkyCoord([], [], unit="deg"), radius="1 arcsec")) == 0


@pytest.mark.parametrize(
    ("centre", "radius"),
    [
        ((150.0, 2.2), 1 * u.deg),
        ((150.0, 2.2), 301 * u.arcsec),
        ((0.0, 10.0), 0.4 * u.deg),
        ((359.9, 10.05), 0.6 * u.deg),
        ((0.0, 90.0), 0.3 * u.deg),
        ((77.0, -90.0), 0.3 * u.deg),
        ((83.6, -5.4), 12 * u.arcmin),
    ],
)
def test_large_radius_equals_a_brute_force_cut(box_atlas, sandbox, centre, radius):
    positions = sandbox.manifest["positions"]
    ids = np.array([int(i) for i in positions])
    sky = SkyCoord(list(positions.values()), unit="deg")
    centre = SkyCoord(*centre, unit="deg")
    apart = centre.separation(sky)
    expected = ids[apart <= radius]
    assert len(expected) > 5
    n = len(box_atlas.query_region(centre, radius=radius, get_query_payload=True))
    sandbox.clear_requests()
    with log.log_to_list() as said:
        found = box_atlas.query_region(centre, radius=radius)
    assert f"{n} cone searches and at least one for positions" in said[0].getMessage()
    assert len(sandbox.requests) == n + 1
    assert sorted(found["atlas_id"]) == sorted(expected)
    order = np.argsort(ids)
    at = order[np.searchsorted(ids[order], found["atlas_id"])]
    np.testing.assert_allclose(found["separation"], apart.arcsec[at], rtol=0, atol=1e-6)
    if n <= 100:
        assert box_atlas.count_region(centre, radius=radius) == len(expected)


def test_a_thousand_positions(box_atlas, sandbox):
    rng = np.random.default_rng(5)
    positions = sandbox.manifest["positions"]
    sky = SkyCoord(list(positions.values()), unit="deg")
    chosen = sky[rng.integers(0, len(sky), 1000)]
    asked = chosen.directional_offset_by(
        rng.uniform(0, 360, 1000) * u.deg, rng.uniform(0, 60, 1000) * u.arcsec
    )
    found = box_atlas.query_region(asked, radius=30 * u.arcsec)
    index, other = np.nonzero(asked[:, None].separation(sky[None, :]) <= 30 * u.arcsec)
    ids = np.array([int(i) for i in positions])
    expected = sorted(zip(index.tolist(), ids[other].tolist(), strict=True))
    got = sorted(zip(found["query_index"].tolist(), found["atlas_id"].tolist(), strict=True))
    assert got == expected
    assert len(got) > 400


def test_payload_has_all_digits(box_atlas, sandbox):
    centre = SkyCoord(150.123456789012, -2.000000000123, unit="deg")
    sandbox.clear_requests()
    payload = box_atlas.query_region(centre, radius="0.1 arcsec", get_query_payload=True)
    assert sandbox.requests == []
    assert abs(payload["ra"] - 150.123456789012) < 1e-12
    with pytest.warns(NoResultsWarning):
        box_atlas.query_region(centre, radius="0.1 arcsec")
    sent = sandbox.requests[0].parameters
    assert abs(float(sent["ra"]) - 150.123456789012) < 1e-12
    assert abs(float(sent["dec"]) + 2.000000000123) < 1e-12


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"radius": 30}, "radius=30 should be one angle with a unit"),
        ({"radius": "30"}, "radius='30'"),
        ({"radius": -1 * u.arcsec}, "above 0 and up to 180"),
        ({"radius": 0 * u.arcsec}, "above 0"),
        ({"radius": np.nan * u.deg}, "above 0"),
        ({"radius": 181 * u.deg}, "up to 180"),
        ({"radius": 3 * u.m}, "one angle"),
        ({"radius": Angle([1, 2], "deg")}, "one angle"),
        ({"coordinates": SkyCoord([1, np.nan], [2, 3], unit="deg")}, "not finite at index 1"),
        ({"coordinates": (150.0, 2.2)}, "should be a SkyCoord"),
        ({"coordinates": "M 31"}, "use query_object"),
        ({"coordinates": SkyCoord(AltAz(1 * u.deg, 2 * u.deg))}, "'altaz' cannot be transformed"),
        ({"on_error": "wran"}, "did you mean 'warn'"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(box_atlas, sandbox, arguments, words):
    good = {"coordinates": SkyCoord(1.0, 2.0, unit="deg"), "radius": 1 * u.arcsec}
    sandbox.clear_requests()
    with pytest.raises(InvalidQueryError, match=words):
        box_atlas.query_region(**(good | arguments))
    assert sandbox.requests == []


def test_misspelled_keyword(box_atlas):
    with pytest.raises(TypeError, match="no argument 'raduis'; did you mean 'radius'"):
        box_atlas.query_region(SkyCoord(1.0, 2.0, unit="deg"), raduis=1 * u.arcsec)

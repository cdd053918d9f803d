"""Cones cover what they should: no point of any search is outside the cones that serve it."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.cones import MOST_CONES, cover_cones, fewest_around
from atlasquery.sphere import offset_positions, separations

POLES = [(0.0, 90.0), (123.0, -90.0), (0.0, 0.0), (359.99999, 0.0), (180.0, 89.999), (77.0, -45.0)]
positions = st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))


def points_within(ra, dec, radius, rng, n=400):
    """Return points in a circle: at the rim, the centre, and between."""
    share = np.concatenate([np.ones(n // 2), [0.0], rng.random(n - n // 2 - 1) ** 0.5])
    angle = rng.random(n) * 2 * np.pi
    return offset_positions(ra, dec, share * radius * np.pi / 648000, angle).T


def uncovered(cones, n, ra, dec, tolerance=1e-6):
    """Return how many points lie outside all cones that serve search `n`."""
    serving = [cone for cone in cones if n in cone.members]
    assert serving
    lon, lat, radius = np.array([(c.ra, c.dec, c.radius) for c in serving]).T
    outside = np.full(len(ra), True)
    for first in range(0, len(ra), 50):
        part = slice(first, first + 50)
        near = separations(ra[part, None], dec[part, None], lon, lat) <= radius + tolerance
        outside[part] = ~near.any(axis=1)
    return int(outside.sum())


@pytest.mark.parametrize("centre", POLES)
@pytest.mark.parametrize(
    ("radius", "largest"),
    [(301, 300), (599.98, 300), (600, 300), (3600, 300), (7200, 1000), (20 * 3600, 3000)],
)
def test_large_circle_is_covered(centre, radius, largest):
    rng = np.random.default_rng(int(radius))
    cones = cover_cones(*(np.array([x]) for x in centre), radius, largest=largest)
    assert {cone.radius for cone in cones} == {largest}
    assert all(cone.members.tolist() == [0] for cone in cones)
    assert uncovered(cones, 0, *points_within(*centre, radius, rng)) == 0
    # A triangular lattice needs 1.21 times the area, and more where the rim is most of it.
    assert len(cones) <= 1.21 * ((radius + largest) / largest) ** 2 + 6


def test_twenty_degrees_with_the_cones_of_atlas():
    rng = np.random.default_rng(1)
    cones = cover_cones(np.array([10.0]), np.array([80.0]), 20 * 3600.0, largest=300, most=None)
    assert 69000 < len(cones) < 72000
    assert uncovered(cones, 0, *points_within(10.0, 80.0, 72000.0, rng, n=100)) == 0


def test_whole_sky():
    rng = np.random.default_rng(2)
    cones = cover_cones(np.array([33.0]), np.array([-12.0]), 648000.0, largest=5 * 3600.0)
    z = rng.uniform(-1, 1, 2000)
    ra, dec = rng.uniform(0, 360, 2000), np.rad2deg(np.arcsin(z))
    assert uncovered(cones, 0, ra, dec) == 0


@settings(deadline=None, max_examples=60)
@given(positions, st.floats(300.1, 5000), st.floats(200, 300))
def test_any_large_circle_is_covered(centre, radius, largest):
    rng = np.random.default_rng(3)
    cones = cover_cones(*(np.array([x]) for x in centre), radius, largest=largest)
    assert uncovered(cones, 0, *points_within(*centre, radius, rng, n=200)) == 0


@pytest.mark.parametrize("group", [True, False])
@pytest.mark.parametrize("radius", [1, 10, 150, 299.98, 299.999, 300])
@pytest.mark.parametrize("spread", [1e-4, 0.05, 3.0, 180.0])
def test_many_small_circles_are_covered(group, radius, spread):
    rng = np.random.default_rng(int(radius))
    centres = np.concatenate(
        [
            offset_positions(
                *pole, np.deg2rad(spread) * np.sqrt(rng.random(12)), rng.random(12) * 7
            )
            for pole in POLES
        ]
    )
    ra, dec = centres.T
    cones = cover_cones(ra, dec, radius, largest=300, group=group)
    assert max(cone.radius for cone in cones) <= 300
    assert min(cone.radius for cone in cones) >= radius
    served = np.concatenate([cone.members for cone in cones])
    assert sorted(served.tolist()) == list(range(len(ra)))
    firsts = [cone.members.min() for cone in cones]
    if not group or spread > 100:
        assert len(cones) >= len(ra) - 20
    if not group:
        assert firsts == list(range(len(ra)))
    if group and spread == 1e-4 and radius <= 10:
        assert len(cones) <= 24
    for n in range(len(ra)):
        assert uncovered(cones, n, *points_within(ra[n], dec[n], radius, rng, n=40)) == 0


@settings(deadline=None, max_examples=100)
@given(
    positions,
    st.lists(st.tuples(st.floats(0, 700), st.floats(0, 7)), min_size=1, max_size=30),
    st.floats(1, 300),
)
@example((0.0, 90.0), [(100.0, n / 3) for n in range(20)], 10.0)
@example((0.0, 0.0), [(200.0, n / 3) for n in range(20)], 50.0)
def test_any_neighbours_share_cones_that_cover(centre, offsets, radius):
    distance, angle = np.array(offsets).T
    ra, dec = offset_positions(*centre, distance * np.pi / 648000, angle).T
    cones = cover_cones(ra, dec, radius, largest=300)
    served = np.concatenate([cone.members for cone in cones])
    assert sorted(served.tolist()) == list(range(len(ra)))
    for cone in cones:
        assert radius <= cone.radius <= 300
        reach = separations(cone.ra, cone.dec, ra[cone.members], dec[cone.members]) + radius
        assert reach.max() <= cone.radius + 1e-6


@pytest.mark.parametrize("radius", [5, 500])
def test_no_positions_need_no_cones(radius):
    assert cover_cones(np.array([]), np.array([]), radius, largest=300) == []


@pytest.mark.parametrize(("count", "radius"), [(1, 648000.0), (1, 68000.0), (100_000, 3600.0)])
def test_what_takes_too_many_cones_is_refused_before_it_is_planned(count, radius):
    ra, dec = np.zeros(count), np.zeros(count)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidQueryError, match=r"at least \d{5,} searches of 300 arcsec"):
            cover_cones(ra, dec, radius, largest=300.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A plan of so many cones would have megabytes of positions.
    assert peak < 200_000


@pytest.mark.parametrize("radius", [301.0, 599.0, 3600.0, 36000.0])
def test_a_plan_has_at_least_the_cones_that_the_area_says(radius):
    planned = len(cover_cones(np.array([10.0]), np.array([80.0]), radius, largest=300.0))
    assert fewest_around(radius, 300.0) <= planned < 1.6 * fewest_around(radius, 300.0) + 6


def test_the_largest_plan_is_still_made():
    # The lattice has a fifth more circles than their area says.
    radius = 300.0 * (0.8 * MOST_CONES) ** 0.5
    assert len(cover_cones(np.zeros(1), np.zeros(1), radius, largest=300.0)) > 0.9 * MOST_CONES

"""Pairs are those of astropy's search_around_sky, for any positions and radius."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord, search_around_sky
from hypothesis import given
from hypothesis import strategies as st

from atlasquery.sky import pairs as pairs_module
from atlasquery.sky.pairs import find_nearest, find_pairs

ARCSEC = np.radians(1 / 3600)


def astropy_pairs(left, right, radius):
    """Return the pairs of astropy in the same order, with separations in radians."""
    found = search_around_sky(
        SkyCoord(*left, unit="rad"), SkyCoord(*right, unit="rad"), radius * u.rad, storekdtree=False
    )
    separation = found[2].rad
    order = np.lexsort((found[1], separation, found[0]))
    return found[0][order], found[1][order], separation[order]


def assert_same(left, right, radius):
    ours = find_pairs(left, right, radius)
    first, second, separation = astropy_pairs(left, right, radius)
    assert sorted(zip(ours.left, ours.right, strict=True)) == sorted(
        zip(first, second, strict=True)
    )
    # The nearest of each are the first of these.
    nearest, count = find_nearest(left, right, radius)
    at, start, number = np.unique(ours.left, return_index=True, return_counts=True)
    assert nearest.left.tolist() == at.tolist()
    assert nearest.right.tolist() == ours.right[start].tolist()
    assert nearest.separation.tolist() == ours.separation[start].tolist()
    assert count.tolist() == number.tolist()
    by_pair = np.lexsort((ours.right, ours.left))
    theirs = np.lexsort((second, first))
    np.testing.assert_allclose(ours.separation[by_pair], separation[theirs], rtol=0, atol=1e-14)
    return ours


def around(rng, n, lon, lat, spread):
    """Return positions scattered around one, over the pole where it is near."""
    centre = SkyCoord(lon, lat, unit="deg")
    spot = centre.directional_offset_by(
        rng.uniform(0, 360, n) * u.deg, spread * np.sqrt(rng.uniform(0, 1, n)) * u.deg
    )
    return spot.ra.rad, spot.dec.rad


@pytest.mark.parametrize(
    ("lon", "lat"),
    [(0, 0), (359.9999, 45), (0, 89.9999), (180, 90), (10, -90), (200, -89.99), (123, 30)],
)
@pytest.mark.parametrize("arcsec", [0.01, 1, 30, 3600, 3600 * 20])
def test_pairs_near_ra_0_and_the_poles_are_those_of_astropy(lon, lat, arcsec):
    rng = np.random.default_rng(round(lat) % 97)
    spread = 5 * arcsec / 3600
    left, right = around(rng, 60, lon, lat, spread), around(rng, 80, lon, lat, spread)
    found = assert_same(left, right, arcsec * ARCSEC)
    assert len(found.left)


positions = st.tuples(
    st.one_of(st.sampled_from([0.0, 1e-12, 180.0, 359.9999999, 90.0]), st.floats(0, 359.9999)),
    st.one_of(st.sampled_from([-90.0, 90.0, 0.0, 89.99999, -89.9]), st.floats(-90, 90)),
)


@given(
    st.lists(positions, min_size=1, max_size=12),
    st.lists(positions, min_size=1, max_size=12),
    st.floats(0, np.log10(180 * 3600 - 1)),
    st.integers(0, 2**32 - 1),
)
def test_any_pairs_are_those_of_astropy(left, right, log_arcsec, seed):
    radius = 10**log_arcsec * ARCSEC
    # Some of the right ones are near left ones: within or just beyond the radius.
    rng = np.random.default_rng(seed)
    near = SkyCoord(left, unit="deg").directional_offset_by(
        rng.uniform(0, 360, len(left)) * u.deg, rng.uniform(0, 1.5, len(left)) * radius * u.rad
    )
    left = tuple(np.radians(np.array(left, float)).T)
    right = np.radians(np.array(right, float)).T
    right = tuple(np.concatenate([right, [near.ra.rad, near.dec.rad]], axis=1))
    assert_same(left, right, radius)


def test_candidates_in_many_chunks_are_the_same(monkeypatch):
    monkeypatch.setattr(pairs_module, "ROWS", 7)
    monkeypatch.setattr(pairs_module, "CANDIDATES", 5)
    rng = np.random.default_rng(1)
    left, right = around(rng, 100, 0, 89.9, 0.3), around(rng, 100, 0, 89.9, 0.3)
    assert len(assert_same(left, right, np.radians(0.1)).left) > 300


def test_a_radius_of_180_degrees_pairs_all():
    rng = np.random.default_rng(2)
    lon, lat = rng.uniform(0, 2 * np.pi, 50), np.arcsin(rng.uniform(-1, 1, 50))
    # Exactly opposite points too.
    opposite = ((lon + np.pi) % (2 * np.pi), -lat)
    found = find_pairs((lon, lat), opposite, np.pi)
    assert len(found.left) == 2500
    assert found.separation.max() == pytest.approx(np.pi, abs=1e-7)


def test_positions_that_are_not_finite_have_no_pair():
    left = np.array([0.1, np.nan, 0.1, np.inf]), np.array([0.2, 0.2, np.nan, 0.2])
    right = np.array([np.nan, 0.1]), np.array([0.2, 0.2])
    found = find_pairs(left, right, ARCSEC)
    assert (found.left.tolist(), found.right.tolist()) == ([0], [1])
    nothing = find_pairs(left, (np.empty(0), np.empty(0)), ARCSEC)
    assert [len(column) for column in nothing] == [0, 0, 0]
    assert nothing.left.dtype == np.int64


def test_equal_positions_are_in_the_order_of_the_catalogue():
    lon, lat = np.full(5, 1.0), np.full(5, 0.5)
    found = find_pairs((lon[:2], lat[:2]), (lon, lat), ARCSEC)
    assert found.left.tolist() == [0] * 5 + [1] * 5
    assert found.right.tolist() == [0, 1, 2, 3, 4] * 2
    assert find_nearest((lon[:2], lat[:2]), (lon, lat), ARCSEC)[0].right.tolist() == [0, 0]

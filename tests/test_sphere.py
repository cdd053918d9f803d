"""Geometry on the sphere: as astropy's, and exact where two positions are equal or opposite."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord, angular_separation
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atlasquery.sphere import (
    ARCSEC,
    angles,
    offset_positions,
    position_angles,
    positions_of,
    separations,
    unit_vectors,
)

positions = st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))


def astropy_separation(ra, dec, ra2, dec2):
    return (angular_separation(*(np.deg2rad(x) for x in (ra, dec, ra2, dec2))) * u.rad).to_value(
        u.arcsec
    )


@settings(deadline=None, max_examples=150)
@given(positions, positions)
@example((0.0, 90.0), (180.0, 90.0))
@example((0.0, 90.0), (0.0, -90.0))
@example((10.0, 20.0), (190.0, -20.0))
@example((359.9999999, 0.0), (0.0, 0.0))
@example((5.0, 5.0), (5.0, 5.0))
def test_separations_are_astropys(first, second):
    got = separations(*first, *second)
    assert got == pytest.approx(astropy_separation(*first, *second), abs=1e-9, rel=0)
    assert separations(*second, *first) == pytest.approx(got, abs=1e-9, rel=0)


def test_separations_known():
    assert separations(0.0, 0.0, 0.0, 1 / 3600) == pytest.approx(1, abs=1e-9)
    assert separations(359.5, 0.0, 0.5, 0.0) == pytest.approx(3600, abs=1e-9)
    assert separations(0.0, 89.5, 180.0, 89.5) == pytest.approx(3600, abs=1e-9)
    assert separations(10.0, 20.0, 190.0, -20.0) == pytest.approx(648000, abs=1e-6)
    assert separations(7.0, 7.0, 7.0, 7.0) == 0


@pytest.mark.parametrize("dec", [-89.9, -30.0, 0.0, 75.0])
@pytest.mark.parametrize("distance", [1e-13, 1e-9, 1e-5, 1e-2])
def test_tiny_distances_and_their_opposites_keep_their_digits(dec, distance):
    ra, step = 12.5, distance / 3600
    # What the two numbers differ by, since the sum is rounded.
    expected = ((dec + step) - dec) * 3600
    rounding = 1e-10
    assert separations(ra, dec, ra, dec + step) == pytest.approx(expected, rel=0, abs=rounding)
    away = 648000 - separations(ra, dec, ra + 180, -(dec + step))
    assert away == pytest.approx(expected, rel=0, abs=4 * rounding)
    one, other = unit_vectors(ra, dec), unit_vectors(ra, dec + step)
    assert angles(one, other) / ARCSEC == pytest.approx(expected, rel=0, abs=rounding)
    assert np.pi - angles(one, -other) == pytest.approx(expected * ARCSEC, rel=0, abs=1e-15)


def test_positions_that_are_not_finite_have_no_separation():
    assert np.isnan(separations([np.nan, 1.0], [1.0, np.nan], 1.0, 1.0)).all()


@settings(deadline=None, max_examples=150)
@given(positions)
@example((0.0, 90.0))
@example((359.9999999, -90.0))
def test_vectors_have_their_positions(position):
    ra, dec = positions_of(3 * unit_vectors(*position))
    assert 0 <= ra <= 360
    assert separations(*position, ra, dec) < 1e-9
    assert float(dec) == pytest.approx(position[1], rel=0, abs=2e-8)


@pytest.mark.parametrize("start", [(0.0, 90.0), (10.0, -90.0), (200.0, 30.0)])
def test_offset_positions_are_at_their_distance_and_position_angle(start):
    rng = np.random.default_rng(5)
    distance, angle = 10 ** rng.uniform(-8, 0.49, 500), rng.uniform(0, 2 * np.pi, 500)
    ra, dec = offset_positions(*start, distance, angle).T
    assert np.all(np.abs(separations(*start, ra, dec) - distance / ARCSEC) < 1e-9)
    expected = SkyCoord(*start, unit="deg").directional_offset_by(angle * u.rad, distance * u.rad)
    # The arc sine of astropy has half the digits near a pole.
    assert SkyCoord(ra, dec, unit="deg").separation(expected).max() < 1e-2 * u.arcsec


def test_separations_and_position_angles_are_those_of_astropy():
    rng = np.random.default_rng(4)
    n = 3000
    left = rng.uniform(0, 2 * np.pi, n), np.arcsin(rng.uniform(-1, 1, n))
    distance = 10 ** rng.uniform(-9, 0, n)
    first = SkyCoord(*left, unit="rad")
    second = first.directional_offset_by(rng.uniform(0, 360, n) * u.deg, distance * u.rad)
    right = second.ra.rad, second.dec.rad
    found = angles(unit_vectors(*np.degrees(left)), unit_vectors(*np.degrees(right)))
    np.testing.assert_allclose(found, first.separation(second).rad, rtol=0, atol=1e-14)
    turned = position_angles(*left, *right) - first.position_angle(second).rad
    turned = np.abs((turned + np.pi) % (2 * np.pi) - np.pi)
    # The direction of two points is known as well as their positions are, over their distance.
    assert np.all(turned < 2e-15 / distance + 1e-12)

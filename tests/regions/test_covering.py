"""Cones cover a region: no position of it is farther from the nearest centre than its radius."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atlasquery.atlas import AtlasClass, conf
from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions import read_region
from atlasquery.regions.cells import cell_centres, cell_radius
from atlasquery.regions.covering import cover_region
from atlasquery.regions.plan import plan_cones
from atlasquery.regions.shapes import Circle, Ellipse, Polygon, Union, Without, rectangle
from atlasquery.service.cones import fewest_cones
from atlasquery.sphere import offset_positions, separations

pytest.importorskip("astropy_healpix", reason="the extra regions is not installed")
pytest.importorskip("mocpy", reason="the extra regions is not installed")

CLIENT = AtlasClass("http://127.0.0.1:9/")
# Equator, middle, near the pole, at the poles, and over RA 0.
CENTRES = [(10.0, 0.0), (0.0, 45.0), (359.99, 80.0), (5.0, 90.0), (200.0, -90.0), (0.0, 89.9)]
places = st.one_of(st.sampled_from(CENTRES), st.tuples(st.floats(0, 359.999), st.floats(-90, 90)))


def shape(kind, ra, dec, size, seed):
    half = np.deg2rad(size)
    if kind == "circle":
        return Circle(ra, dec, size * 3600)
    if kind == "ellipse":
        return Ellipse(ra, dec, (half, half * (0.05 + 0.13 * (seed % 7))), seed)
    if kind == "rectangle":
        return rectangle(ra, dec, (half * 0.8, half * (0.05 + 0.08 * (seed % 7))), seed)
    if kind == "ring":
        return Without("ring", Circle(ra, dec, size * 3600), Circle(ra, dec, size * 3000))
    if kind == "star":
        rng = np.random.default_rng(seed)
        angle = (np.arange(9) + 0.5 * rng.random(9)) * 2 * np.pi / 9
        return Polygon(*offset_positions(ra, dec, half * (0.2 + 0.8 * rng.random(9)), angle).T)
    if kind == "two":
        far = offset_positions(ra, dec, np.array([np.deg2rad(60.0)]), np.array([float(seed)]))[0]
        return Union([Circle(ra, dec, size * 1200), Circle(*far.tolist(), size * 2000)])
    return read_region(shape("star", ra, dec, size, seed).moc(9))


KINDS = ["circle", "ellipse", "rectangle", "ring", "star", "two", "moc"]


def positions_in(region, order=None):
    """Return positions in a region, many of them at its border."""
    order = order or 3
    while len(cells := region.cells(order)) < 300:
        order += 1
    lon, lat = cell_centres(cells, order)
    rng = np.random.default_rng(7)
    count = max(1, 6000 // len(cells))
    ra, dec = [], []
    for _ in range(count):
        distance = cell_radius(order) * rng.random(len(cells)) ** 0.5
        found = offset_positions(lon, lat, distance, 2 * np.pi * rng.random(len(cells))).T
        ra.append(found[0])
        dec.append(found[1])
    ra, dec = np.concatenate(ra), np.concatenate(dec)
    inside = region.inside(ra, dec)
    ra, dec = ra[inside], dec[inside]
    border = [np.empty(0), np.empty(0)]
    if hasattr(region, "_vertices"):
        border = region._vertices
    return np.concatenate([ra, border[0]]), np.concatenate([dec, border[1]])


def uncovered(cones, ra, dec):
    lon, lat, radius = np.array([(cone.ra, cone.dec, cone.radius) for cone in cones]).T
    out = np.ones(len(ra), dtype=bool)
    for start in range(0, len(ra), 500):
        part = np.s_[start : start + 500, None]
        near = separations(ra[part], dec[part], lon, lat) <= radius
        out[start : start + 500] = ~near.any(axis=1)
    return out


@settings(max_examples=30)
@given(
    st.sampled_from(KINDS),
    places,
    st.floats(np.log(0.01), np.log(30)).map(np.exp),
    st.floats(np.log(0.05), np.log(2)).map(np.exp),
    st.integers(0, 10**6),
)
@example("star", (5.0, 90.0), 3.0, 0.1, 1)
@example("two", (0.0, 0.0), 1.0, 0.3, 3)
@example("circle", (0.0, 45.0), 0.5, 1.0, 1)
def test_no_position_is_left_out(kind, centre, size, share, seed):
    region = shape(kind, *centre, size, seed)
    largest = size * 3600 * share
    cones = cover_region(region, largest=largest, margin=0.01)
    assert max(cone.radius for cone in cones) <= largest
    assert all(0 <= cone.ra < 360 and -90 <= cone.dec <= 90 for cone in cones)
    ra, dec = positions_in(region)
    assert len(ra)
    assert not uncovered(cones, ra, dec).any()
    assert fewest_cones(region.area.value, largest) <= len(cones)


@pytest.mark.parametrize(
    ("centre", "area", "most"), [*((centre, 1, 80) for centre in CENTRES), ((0.0, 80.0), 10, 680)]
)
def test_cones_of_300_arcsec(centre, area, most):
    half = np.deg2rad(np.sqrt(area)) / 2
    region = rectangle(*centre, (half, half), 0.2)
    cones = cover_region(region, largest=300)
    ra, dec = positions_in(region)
    assert not uncovered(cones, ra, dec).any()
    # Rows of cones that do not depend on each other take 97 and 796.
    assert len(cones) <= most
    far = separations(ra[:, None], dec[:, None], *np.array([(c.ra, c.dec) for c in cones]).T)
    assert far.min(axis=1).max() <= 300


def test_a_region_that_fits_one_cone_takes_one():
    for kind in KINDS:
        if kind == "two":
            continue
        region = shape(kind, 0.0, 89.0, 0.07, 5)
        (cone,) = cover_region(region, largest=3600)
        # The cone is about as large as the region.
        assert cone.radius < (900 if kind == "moc" else 300)
    # A circle of the largest radius does too.
    assert len(cover_region(Circle(3.0, 4.0, 300.0), largest=300)) == 1


def test_an_empty_region_takes_none():
    import mocpy

    assert cover_region(read_region(mocpy.MOC.new_empty(8)), largest=300) == []


def test_very_different_orders_are_covered():
    # One cell of the sky's twelfth, and one of a tenth of a milliarcsecond.
    region = read_region("0/3 29/100000000000000")
    cones = cover_region(region, largest=3600)
    ra, dec = positions_in(region, order=5)
    assert not uncovered(cones, ra, dec).any()
    lon, lat = cell_centres(np.array([10**14]), 29)
    assert not uncovered(cones, lon, lat).any()


def test_a_plan_that_is_too_large_is_refused_at_once():
    sky = Circle(0.0, 0.0, 648000.0)
    with pytest.raises(InvalidQueryError, match=r"at least 1\d{6} cone searches, and 1000"):
        plan_cones(CLIENT, sky, largest=300)
    with pytest.raises(InvalidQueryError, match=r"A plan has up to 50000"):
        plan_cones(CLIENT, sky, largest=300, send=False)
    region = rectangle(0.0, 0.0, (np.deg2rad(0.5), np.deg2rad(0.5)), 0.0)
    with (
        conf.set_temp("max_region_requests", 60),
        pytest.raises(InvalidQueryError, match=r"\(1 deg2\) takes 7\d cone.*and 60 are"),
    ):
        plan_cones(CLIENT, region, largest=300)
    with conf.set_temp("max_region_requests", 90):
        assert 60 < len(plan_cones(CLIENT, region, largest=300)) < 90


def test_a_shape_far_from_the_plane_of_its_middle():
    # An arc around half of the sky, as regions of gravitational waves are.
    angle = np.deg2rad(np.arange(0, 200, 8.0))
    arc = offset_positions(30.0, 20.0, np.full(25, np.deg2rad(50)), angle)
    region = Union([Circle(*one.tolist(), 10800.0) for one in arc])
    cones = cover_region(region, largest=3600)
    ra, dec = positions_in(region)
    assert not uncovered(cones, ra, dec).any()
    assert len(cones) < 3 * fewest_cones(region.area.value, 3600)
    assert (
        SkyCoord(30, 20, unit="deg")
        .separation(SkyCoord([c.ra for c in cones], [c.dec for c in cones], unit="deg"))
        .max()
        < 55 * u.deg
    )

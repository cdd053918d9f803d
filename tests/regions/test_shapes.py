"""Shapes on the sky: exact cuts, areas and cells, against other ways to decide each position."""

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.regions import Region, read_region
from atlasquery.regions.cells import cell_centres, cell_radius
from atlasquery.regions.shapes import Circle, Ellipse, Polygon, Union, Without, rectangle
from atlasquery.sphere import offset_positions, separations, unit_vectors

pytest.importorskip("astropy_healpix", reason="the extra regions is not installed")
mocpy = pytest.importorskip("mocpy", reason="the extra regions is not installed")

CENTRES = [(0.0, 0.0), (359.999, 45.0), (123.4, -80.0), (77.0, 90.0), (10.0, -90.0), (0.0, 89.95)]
centres = st.one_of(st.sampled_from(CENTRES), st.tuples(st.floats(0, 359.999), st.floats(-90, 90)))
sizes = st.floats(np.log(1e-3), np.log(60)).map(np.exp)


def around(ra, dec, radius, n=2000, seed=1):
    """Return positions around a centre, up to a radius in degrees, evenly in distance."""
    rng = np.random.default_rng(seed)
    distance = np.deg2rad(radius) * rng.random(n)
    return offset_positions(ra, dec, distance, 2 * np.pi * rng.random(n)).T


def vertices(ra, dec, radius, n, seed):
    """Return a star of n vertices around a centre: not convex, and sides do not cross."""
    rng = np.random.default_rng(seed)
    angle = np.sort((np.arange(n) + 0.8 * rng.random(n)) * 2 * np.pi / n)
    distance = np.deg2rad(radius) * (0.3 + 0.7 * rng.random(n))
    return offset_positions(ra, dec, distance, angle).T


def turns(ra, dec, points, ends):
    """Return how often the border goes around each position, from the directions to its ends."""
    here = unit_vectors(ra, dec)[:, None]
    cross = (here * np.cross(points, ends)).sum(axis=-1)
    along = (points * ends).sum(axis=-1) - (here * points).sum(-1) * (here * ends).sum(-1)
    return np.abs(np.rint(np.arctan2(cross, along).sum(axis=1) / (2 * np.pi))).astype(int)


@settings(max_examples=30)
@given(centres, sizes, st.integers(3, 9), st.integers(0, 10**6))
@example((0.0, 90.0), 60.0, 5, 3)
@example((0.0, 0.0), 0.001, 3, 1)
def test_polygons_are_what_their_border_goes_around(centre, size, n, seed):
    lon, lat = vertices(*centre, size, n, seed)
    polygon = Polygon(lon, lat)
    ra, dec = around(*centre, 1.2 * size, seed=seed)
    points = unit_vectors(lon, lat)
    expected = turns(ra, dec, points, np.roll(points, -1, axis=0)) == 1
    # Positions on the other side of the sky see the border turn too.
    expected &= separations(*map(np.array, centre), ra, dec) < 90 * 3600
    assert polygon.inside(ra, dec).tolist() == expected.tolist()
    assert 0.01 < expected.mean() < 0.99
    # Either order of the vertices, from any of them on, closed or not.
    for order in (slice(None, None, -1), np.roll(np.arange(n), 2), [*range(n), 0]):
        other = Polygon(lon[order], lat[order])
        assert other.inside(ra, dec).tolist() == expected.tolist()
        assert other.area.value == pytest.approx(polygon.area.value, rel=1e-9)


def monte_carlo(region, ra, dec, radius, n=50_000):
    """Return the area of a region by counting positions that are even on the sphere."""
    rng = np.random.default_rng(5)
    height = 1 - rng.random(n) * (1 - np.cos(np.deg2rad(radius)))
    inside = region.inside(
        *offset_positions(ra, dec, np.arccos(height), 2 * np.pi * rng.random(n)).T
    )
    cap = 2 * np.pi * (1 - np.cos(np.deg2rad(radius))) * (180 / np.pi) ** 2
    return inside.mean() * cap, cap * np.sqrt(inside.mean() / n)


@pytest.mark.parametrize("centre", CENTRES)
@pytest.mark.parametrize("size", [0.1, 20.0])
def test_areas(centre, size):
    half = np.deg2rad(size)
    shapes = [
        Circle(*centre, size * 3600),
        Ellipse(*centre, (half, half / 3), 0.7),
        rectangle(*centre, (half / 2, half / 3), 0.3),
        Polygon(*vertices(*centre, size, 7, 4)),
    ]
    for shape in shapes:
        area, error = monte_carlo(shape, *centre, size)
        assert abs(shape.area.to_value(u.deg**2) - area) < 5 * error
    ring = Without("ring", shapes[0], shapes[1])
    assert ring.area == shapes[0].area - shapes[1].area


def test_known_areas():
    octant = read_region(SkyCoord([0, 90, 0], [0, 0, 90], unit="deg"))
    assert octant.area.to_value(u.sr) == pytest.approx(np.pi / 2, rel=1e-12)
    assert Circle(3, 4, 90 * 3600).area.to_value(u.sr) == pytest.approx(2 * np.pi, rel=1e-12)
    assert Circle(3, 4, 180 * 3600).area.to_value(u.sr) == pytest.approx(4 * np.pi, rel=1e-12)
    tiny = 1e-6
    ellipse = Ellipse(3, 4, (tiny, tiny / 1000), 0.3)
    assert ellipse.area.to_value(u.sr) == pytest.approx(np.pi * tiny**2 / 1000, rel=1e-6)


@pytest.mark.parametrize("centre", CENTRES)
def test_an_ellipse_is_cut_in_distance_and_position_angle(centre):
    ellipse = Ellipse(*centre, (np.deg2rad(3), np.deg2rad(0.5)), np.deg2rad(20))
    ra, dec = around(*centre, 4)
    middle, around_it = SkyCoord(*centre, unit="deg"), SkyCoord(ra, dec, unit="deg")
    distance = middle.separation(around_it).deg
    angle = middle.position_angle(around_it).rad - np.deg2rad(20)
    level = (distance * np.cos(angle) / 3) ** 2 + (distance * np.sin(angle) / 0.5) ** 2
    assert ellipse.inside(ra, dec).tolist() == (level <= 1).tolist()
    # On its axes, just inside and outside.
    ends = np.deg2rad([20, 200, 110, 290])
    length = np.array([3, 3, 0.5, 0.5])
    for share, inside in ((0.999999, True), (1.000001, False)):
        border = offset_positions(*centre, np.deg2rad(length * share), ends).T
        assert ellipse.inside(*border).tolist() == [inside] * 4


@pytest.mark.parametrize("centre", CENTRES)
def test_a_rectangle_ends_at_half_its_width_and_height(centre):
    box = rectangle(*centre, (np.deg2rad(2), np.deg2rad(0.25)), np.deg2rad(70))
    ends, length = np.deg2rad([70, 250, 160, 340]), np.array([2, 2, 0.25, 0.25])
    for share, inside in ((0.999999, True), (1.000001, False)):
        border = offset_positions(*centre, np.deg2rad(length * share), ends).T
        assert box.inside(*border).tolist() == [inside] * 4


def any_shape(kind, ra, dec, size, seed):
    half = np.deg2rad(size)
    if kind == "circle":
        return Circle(ra, dec, size * 3600)
    if kind == "ellipse":
        return Ellipse(ra, dec, (half, half * (0.02 + 0.9 * (seed % 7) / 7)), seed)
    if kind == "polygon":
        return Polygon(*vertices(ra, dec, size, 3 + seed % 6, seed))
    if kind == "ring":
        return Without("ring", Circle(ra, dec, size * 3600), Ellipse(ra, dec, (half, half / 2), 1))
    parts = [Circle(ra, dec, size * 1800), rectangle(ra, dec, (half, half / 10), seed)]
    return Union(parts)


KINDS = ["circle", "ellipse", "polygon", "ring", "union"]


@settings(max_examples=50)
@given(st.sampled_from(KINDS), centres, sizes, st.integers(0, 10**6), st.integers(0, 9))
@example("ring", (0.0, 90.0), 1.0, 3, 8)
@example("ellipse", (0.0, 0.0), 60.0, 0, 4)
def test_no_position_of_a_region_is_outside_its_cells(kind, centre, size, seed, order):
    from astropy_healpix import lonlat_to_healpix

    order = min(order, int(np.log2(200 / size)) + 1) if size < 200 else 0
    region = any_shape(kind, *centre, size, seed)
    assert isinstance(region, Region)
    cells = region.cells(order)
    assert np.all(np.diff(cells) > 0)
    ra, dec = around(*centre, 1.1 * size, seed=seed)
    inside = region.inside(ra, dec)
    with_positions = lonlat_to_healpix(
        ra[inside] * u.deg, dec[inside] * u.deg, 1 << order, order="nested"
    )
    assert np.isin(with_positions, cells).all()
    # And none is far away: each touches the region, or nearly so.
    far = cells[~np.isin(cells, with_positions)]
    lon, lat = cell_centres(far, order)
    away = separations(np.array(centre[0]), np.array(centre[1]), lon, lat) / 206264.8
    assert np.all(away <= region.reach + 2.5 * cell_radius(order))


def test_a_cell_is_inside_its_circle():
    from astropy_healpix import lonlat_to_healpix

    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 360, 50_000), np.rad2deg(np.arcsin(rng.uniform(-1, 1, 50_000)))
    for order in range(0, 30, 3):
        cells = lonlat_to_healpix(ra * u.deg, dec * u.deg, 1 << order, order="nested")
        distance = separations(*cell_centres(cells, order), ra, dec) / 206264.8
        # At the last orders positions themselves are rounded.
        assert distance.max() <= cell_radius(order) + 1e-15
        assert distance.max() > 0.8 * cell_radius(order) - 1e-13


def test_moc_of_a_shape_is_that_of_mocpy():
    circle = Circle(150.0, 2.2, 3600.0)
    found = circle.moc(9)
    exact = mocpy.MOC.from_cone(lon=150 * u.deg, lat=2.2 * u.deg, radius=1 * u.deg, max_depth=9)
    assert exact.difference(found).empty()
    # The cells of mocpy touch the circle; here are some more at the border.
    assert found.sky_fraction < 1.2 * exact.sky_fraction
    positions = SkyCoord(*around(150.0, 2.2, 1.0), unit="deg")
    assert found.contains_skycoords(positions).all()


@pytest.mark.parametrize("kind", [*KINDS, "moc"])
def test_a_region_survives_a_file(kind):
    from atlasquery.regions.states import region_of_state, state_of_region

    region = any_shape(kind, 359.9, 60.0, 2.0, 11) if kind != "moc" else read_region("5/7-9 8/3")
    again = region_of_state(json.loads(json.dumps(state_of_region(region))))
    ra, dec = around(359.9, 60.0, 3.0) if kind != "moc" else around(45.0, 10.0, 30.0)
    assert again.inside(ra, dec).tolist() == region.inside(ra, dec).tolist()
    assert region.inside(ra, dec).any()
    assert again.name == region.name
    assert again.area == region.area
    with pytest.raises(ValueError, match="'cube' is not a kind"):
        region_of_state({"kind": "cube"})


def test_positions_of_any_shape_and_frame_and_missing_ones():
    region = Circle(0.0, 89.9, 3600.0)
    grid = SkyCoord([[0, 90], [180, 270]], [[89.5, 89.95], [89.5, 80]], unit="deg")
    assert region.contains(grid).tolist() == [[True, True], [True, False]]
    assert region.contains(grid.galactic).tolist() == [[True, True], [True, False]]
    assert region.contains(grid[0, 0]).shape == ()
    with pytest.warns(InputWarning, match="1 of 2 positions are masked or not finite"):
        found = region.contains(SkyCoord([0, np.nan], [90, 90], unit="deg"))
    assert found.tolist() == [True, False]


@pytest.mark.parametrize(
    ("ra", "dec", "message"),
    [
        ([0, 1], [0, 1], "3 different vertices at least, and this one has 2"),
        ([0, 1, 1, 0], [0, 1, 1, 0], "this one has 2"),
        ([0, 1, 2], [0, 0, 0], "no area"),
        ([0, 1, 0, 1], [0, 1, 1, 0], r"after its vertices 0 and 2 cross.*order along the border"),
        ([0, 120, 240], [0, 0, 0], "too wide"),
        ([0, 100, 180, 270], [-5, 10, 0, 0], "too wide"),
    ],
)
def test_polygons_without_a_clear_inside_are_refused(ra, dec, message):
    with pytest.raises(InvalidQueryError, match=message):
        read_region(SkyCoord(ra, dec, unit="deg"))


def test_a_polygon_of_a_thousand_vertices():
    angle = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    ring = offset_positions(10.0, -30.0, np.full(1000, np.deg2rad(2)), angle).T
    polygon, circle = Polygon(*ring), Circle(10.0, -30.0, 7200.0)
    assert polygon.area.value == pytest.approx(circle.area.value, rel=1e-4)
    ra, dec = around(10.0, -30.0, 2.5)
    differ = polygon.inside(ra, dec) != circle.inside(ra, dec)
    distance = separations(np.array(10.0), np.array(-30.0), ra, dec)
    assert np.all(np.abs(distance[differ] - 7200) < 0.1)

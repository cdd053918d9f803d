"""What can be given for a region: shapes of the package regions, polygons, MOCs, files."""

import operator

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.wcs import WCS

from atlasquery import within
from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions import Moc, SkyMap, read_region
from atlasquery.regions.argument import is_region, region_of

mocpy = pytest.importorskip("mocpy", reason="the extra regions is not installed")
shapes = pytest.importorskip("regions", reason="the package regions is not installed")

PLACES = [
    SkyCoord(150, 2.2, unit="deg"), SkyCoord(0, 0, unit="deg"), SkyCoord(10, 89, unit="deg"),
    SkyCoord(0.001, -60, unit="deg"), SkyCoord(33, 5, unit="deg", frame="galactic"),
]  # fmt: skip


def shape(kind, centre):
    big, small, angle = 30 * u.arcmin, 10 * u.arcmin, 35 * u.deg
    around = centre.directional_offset_by(np.array([0, 80, 130, 250]) * u.deg, big)
    return {
        "circle": lambda: shapes.CircleSkyRegion(centre, big),
        "ellipse": lambda: shapes.EllipseSkyRegion(centre, 2 * big, small, angle),
        "rectangle": lambda: shapes.RectangleSkyRegion(centre, 2 * big, small, angle),
        "polygon": lambda: shapes.PolygonSkyRegion(around),
        "circles": lambda: shapes.CircleAnnulusSkyRegion(centre, small, big),
        "ellipses": lambda: shapes.EllipseAnnulusSkyRegion(
            centre, small, big, 2 * small, 2 * big, angle
        ),
        "rectangles": lambda: shapes.RectangleAnnulusSkyRegion(
            centre, small, big, 2 * small, 2 * big, angle
        ),
        "union": lambda: shapes.CompoundSkyRegion(
            shapes.CircleSkyRegion(around[0], small),
            shapes.EllipseSkyRegion(centre, 2 * big, small, angle),
            operator.or_,
        ),
    }[kind]()


KINDS = ["circle", "ellipse", "rectangle", "polygon", "circles", "ellipses", "rectangles", "union"]


@pytest.mark.parametrize("centre", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_shapes_are_those_of_their_package(kind, centre):
    region = shape(kind, centre)
    wcs = WCS(naxis=2)
    axes = ("GLON", "GLAT") if centre.frame.name == "galactic" else ("RA--", "DEC-")
    wcs.wcs.ctype = [f"{axis}-TAN" for axis in axes]
    wcs.wcs.crval = centre.spherical.lon.deg, centre.spherical.lat.deg
    wcs.wcs.cdelt = -1e-4, 1e-4
    rng = np.random.default_rng(4)
    near = centre.directional_offset_by(
        rng.uniform(0, 360, 4000) * u.deg, rng.uniform(0, 40, 4000) * u.arcmin
    )
    expected = region.to_pixel(wcs).contains(shapes.PixCoord(*wcs.world_to_pixel(near)))
    found = read_region(region).contains(near)
    # The package measures in the tangent plane, which differs by 0.05 arcsec at half a degree.
    assert np.count_nonzero(found != expected) <= 2
    assert 100 < np.count_nonzero(found) < 3900
    assert is_region(region)


def test_spherical_shapes_are_read():
    if not hasattr(shapes, "CircleSphericalSkyRegion"):
        pytest.skip("this version of regions has no spherical shapes")
    centre = PLACES[0]
    circle = read_region(shapes.CircleSphericalSkyRegion(centre, 1 * u.deg))
    assert circle.area == read_region(shapes.CircleSkyRegion(centre, 1 * u.deg)).area


def test_a_list_of_shapes_is_their_union():
    one, two = (shapes.CircleSkyRegion(place, 1 * u.deg) for place in PLACES[:2])
    region = read_region(shapes.Regions([one, two]))
    assert region.contains(SkyCoord([150, 0, 75], [2.5, 0.5, 1], unit="deg")).tolist() == [
        True, True, False,
    ]  # fmt: skip
    assert region.area == 2 * read_region(one).area
    # Where they overlap, the area is counted once.
    same = read_region(shapes.Regions([one, one]))
    assert same.area.value == pytest.approx(read_region(one).area.value, rel=0.01)
    assert read_region(shapes.Regions([one])).area == read_region(one).area
    with pytest.raises(InvalidQueryError, match="without any shape"):
        read_region(shapes.Regions([]))


@pytest.mark.parametrize("text", ['circle(150, 2.2, 1800")', 'ellipse(150, 2.2, 1200", 600", 20)'])
def test_files_of_ds9(tmp_path, text):
    file = tmp_path / "field.reg"
    file.write_text(f"# Region file format: DS9\nicrs\n{text}\n")
    region = read_region(file)
    assert region.contains(SkyCoord([150, 151], [2.2, 2.2], unit="deg")).tolist() == [True, False]
    assert read_region(str(file)).area == region.area
    table = Table({"ra": [150.0, 151.0], "dec": [2.2, 2.2]})
    assert len(within(table, file)) == 1
    (tmp_path / "damaged.reg").write_bytes(b"\x00\xff circle(1,")
    with pytest.raises(InvalidQueryError):
        read_region(tmp_path / "damaged.reg")
    with pytest.raises(InvalidQueryError, match=r"missing.reg"):
        read_region(tmp_path / "missing.reg")


def test_mocs_in_each_form(tmp_path):
    moc = mocpy.MOC.from_string("5/100-103 7/3")
    moc.save(tmp_path / "moc.fits", format="fits")
    for value in (moc, "5/100-103 7/3", tmp_path / "moc.fits", {"5": [100, 101, 102, 103]}):
        region = read_region(value)
        assert isinstance(region, Moc)
    assert is_region(moc)
    assert read_region(region) is region


def test_within_takes_the_same_regions():
    table = Table({"ra": [150.0, 151.0], "dec": [2.2, 2.2]})
    for region in (
        shapes.CircleSkyRegion(PLACES[0], 1 * u.arcmin),
        SkyCoord([149.9, 150.1, 150.1, 149.9], [2.1, 2.1, 2.3, 2.3], unit="deg"),
        read_region(shapes.CircleSkyRegion(PLACES[0], 1 * u.arcmin)),
    ):
        assert within(table, region)["ra"].tolist() == [150.0]


def test_a_sky_map_needs_a_credible_level():
    cells = np.arange(48)
    density = np.where(cells == 3, 40.0, 8.0 / 47)
    sky_map = SkyMap.read(Table({"PROB": density / density.sum()}, meta={"ORDERING": "NESTED"}))
    with pytest.raises(InvalidQueryError, match=r"sky_map\.region\(0\.9\)"):
        region_of(sky_map, None)
    region = region_of(sky_map.region(0.84), None)
    assert region.area.to_value(u.deg**2) == pytest.approx(41252.96 / 48, rel=1e-6)


def test_what_is_not_a_region_is_refused():
    pixels = shapes.CirclePixelRegion(shapes.PixCoord(3, 4), 5)
    with pytest.raises(InvalidQueryError, match=r"is in pixels: .*to_sky"):
        read_region(pixels)
    one, two = (shapes.CircleSkyRegion(place, 1 * u.deg) for place in PLACES[:2])
    with pytest.raises(InvalidQueryError, match="only unions"):
        read_region(one & two)
    line = shapes.LineSkyRegion(*PLACES[:2])
    with pytest.raises(InvalidQueryError, match=r"LineSkyRegion is not a region.*CircleSkyRegion"):
        read_region(line)
    for value in (3, None, [1, 2], PLACES[0]):
        with pytest.raises(InvalidQueryError):
            read_region(value)
    with pytest.raises(InvalidQueryError, match="above 0 and up to 180"):
        read_region(shapes.EllipseSkyRegion(PLACES[0], 200 * u.deg, 1 * u.deg))
    with pytest.raises(InvalidQueryError, match="below 180 deg"):
        read_region(shapes.RectangleSkyRegion(PLACES[0], 180 * u.deg, 1 * u.deg))
    with pytest.raises(InvalidQueryError, match="up to 180 deg"):
        read_region(shapes.CircleSkyRegion(PLACES[0], 181 * u.deg))
    missing = SkyCoord([1, 2, np.nan], [1, 2, 3], unit="deg")
    with pytest.raises(InvalidQueryError, match="not finite at index 2"):
        read_region(missing)

"""Read what people have for a region or a sky map: shapes, polygons, MOCs, maps, and files."""

import operator
import os
from collections.abc import Mapping
from typing import Any

import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions.cell_tables import BYTES, FITS_START, HDUS, read_cell_table, start_of
from atlasquery.regions.cells import library
from atlasquery.regions.moc import is_moc_text, read_moc
from atlasquery.regions.region import RIGHT, Region, package_of
from atlasquery.regions.shapes import (
    Circle,
    Ellipse,
    Polygon,
    Shape,
    Union,
    Without,
    rectangle,
)
from atlasquery.regions.skymap import SkyMap
from atlasquery.regions.skymap_columns import PROBABILITIES
from atlasquery.service.inputs import check_coordinates, check_path

__all__ = ["is_shape_file", "read_map_or_region", "read_region"]


def read_region(value: Any) -> Region:
    """Return a region of the sky.

    Parameters
    ----------
    value : object
        One of these:

        - a shape of the package ``regions``: a circle, ellipse, rectangle, polygon or annulus on
          the sky, a union of shapes, or a list of shapes, which is their union;
        - a `~astropy.coordinates.SkyCoord` with the vertices of a polygon, in either order, whose
          sides are great circles: the smaller of the two parts of the sky;
        - a file of DS9 with such shapes, which ends in ``.reg``;
        - a `mocpy.MOC`, or any other form of a MOC that `read_moc` takes: a file, its text;
        - a part of a sky map, `SkyMap.region`.

    Returns
    -------
    Region
        With ``contains(coordinates)``, ``moc(order)`` and ``area``. Circles, ellipses and
        polygons are cut by their geometry, not by cells.

    Raises
    ------
    InvalidQueryError
        If it is not a region, or one without a clear meaning on the sky, such as a shape in
        pixels.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery.regions import read_region
    >>> field = read_region(SkyCoord([359, 1, 1, 359], [-1, -1, 1, 1], unit="deg"))
    >>> field.contains(SkyCoord([0.0, 1.5], [0.5, 0.5], unit="deg")).tolist()
    [True, False]
    >>> print(f"{field.area:.3f}")
    4.000 deg2
    """
    if isinstance(value, Region):
        return value
    if isinstance(value, SkyCoord):
        return _polygon(value)
    if isinstance(value, SkyMap):
        raise InvalidQueryError(
            "a sky map covers the whole sky: give a part of it, such as sky_map.region(0.9) for "
            "the credible level of 90 %"
        )
    if package_of(value) == "regions":
        return _shape(value)
    if is_shape_file(value):
        return _shapes_of_file(value)
    if package_of(value) == "mocpy" or isinstance(value, str | os.PathLike | bytes | Mapping):
        return read_moc(value)
    raise InvalidQueryError(f"region={value!r:.100} is not a region; it is {RIGHT}")


def read_map_or_region(value: Any, *, name: str = "region") -> SkyMap | Region:
    """Return the sky map or the region that an argument is, or that a file has.

    Parameters
    ----------
    value : object
        A `SkyMap`; a file or its bytes, an HDU or a table with a sky map or a MOC; or any
        region that `read_region` takes.
    name : str, optional
        The argument's name, for messages.

    Returns
    -------
    SkyMap or Region
        A sky map if there are probabilities.

    Raises
    ------
    InvalidQueryError
        If it is nothing of this kind.
    """
    if isinstance(value, (SkyMap, Table)):
        return SkyMap.read(value)
    if isinstance(value, HDUS):
        return SkyMap.read(value) if _has_probabilities(value, name) else read_moc(value)
    cells = isinstance(value, (str, os.PathLike, *BYTES)) and not is_shape_file(value)
    if cells and not is_moc_text(value):
        if start_of(value, name).startswith(FITS_START) and _has_probabilities(value, name):
            return SkyMap.read(value)
        return read_moc(value)
    try:
        return read_region(value)
    except InvalidQueryError as error:
        raise InvalidQueryError(f"{name} is neither a sky map nor a region: {error}") from error


def _has_probabilities(value: Any, name: str) -> bool:
    return bool(read_cell_table(value, PROBABILITIES, name=name).columns)


def is_shape_file(value: object) -> bool:
    """Return whether something is the path of a file with shapes.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    bool
        True for a path that ends in ``.reg``, as DS9 writes them.
    """
    return isinstance(value, str | os.PathLike) and str(value).lower().endswith(".reg")


def _shapes_of_file(path: str | os.PathLike) -> Shape:
    """Return the union of the shapes in a file of DS9."""
    file = check_path(path, name="region")
    shapes = library("regions").Regions
    try:
        found = shapes.read(file, format="ds9")
    except Exception as error:
        # Its reader fails with many exceptions.
        raise InvalidQueryError(f"region={str(file)!r} could not be read: {error}") from error
    return _list_of_shapes(found)


def _polygon(vertices: SkyCoord) -> Polygon:
    ra, dec, shape = check_coordinates(vertices)
    if len(shape) != 1:
        raise InvalidQueryError(
            f"a polygon is a one-dimensional SkyCoord of its vertices, and this has shape {shape}"
        )
    return Polygon(ra, dec)


def _shape(value: Any) -> Shape:
    """Return a shape of the package regions."""
    kinds = [kind.__name__ for kind in type(value).__mro__]
    for kind in kinds:
        if kind in READERS:
            return READERS[kind](value)
    if "PixelRegion" in kinds:
        raise InvalidQueryError(
            f"{kinds[0]} is in pixels: convert it with its to_sky(wcs) before the query"
        )
    known = ", ".join(READERS)
    raise InvalidQueryError(f"a {kinds[0]} is not a region to search in; these are: {known}")


def _circle(value: Any) -> Shape:
    return _circle_of(value.center, value.radius)


def _circle_of(centre: SkyCoord, radius: u.Quantity) -> Circle:
    (ra,), (dec,), _ = check_coordinates(centre)
    arcsec = float(radius.to_value(u.arcsec))
    if not 0 < arcsec <= 648000:
        raise InvalidQueryError(f"the radius of a circle, {radius}, should be up to 180 deg")
    return Circle(float(ra), float(dec), arcsec)


def _circle_annulus(value: Any) -> Shape:
    inner, outer = value.inner_radius, value.outer_radius
    shape = _circle_of(value.center, outer)
    name = f"annulus of {inner.to_value(u.deg):.4g} to {outer.to_value(u.deg):.4g} deg"
    return Without(
        f"{name} around {shape.ra:.5f} {shape.dec:+.5f}", shape, _circle_of(value.center, inner)
    )


def _ellipse(value: Any) -> Shape:
    return _oriented(Ellipse, value, value.width, value.height)


def _ellipse_annulus(value: Any) -> Shape:
    return _oriented_annulus(Ellipse, value)


def _rectangle(value: Any) -> Shape:
    return _oriented(rectangle, value, value.width, value.height)


def _rectangle_annulus(value: Any) -> Shape:
    return _oriented_annulus(rectangle, value)


def _oriented(build: Any, value: Any, width: u.Quantity, height: u.Quantity) -> Shape:
    """Return a shape with a width, a height and an angle from the axis of longitudes."""
    (ra,), (dec,), _ = check_coordinates(value.center)
    # The direction of the width, in the frame of the region, where its angle is defined.
    ahead = value.center.directional_offset_by(value.angle - 90 * u.deg, 1 * u.deg)
    centre = SkyCoord(ra, dec, unit="deg")
    (lon,), (lat,), _ = check_coordinates(ahead)
    angle = centre.position_angle(SkyCoord(lon, lat, unit="deg")).rad
    axes = float(width.to_value(u.rad)) / 2, float(height.to_value(u.rad)) / 2
    shape: Shape = build(float(ra), float(dec), axes, float(angle))
    return shape


def _oriented_annulus(build: Any, value: Any) -> Shape:
    outer = _oriented(build, value, value.outer_width, value.outer_height)
    inner = _oriented(build, value, value.inner_width, value.inner_height)
    return Without(f"annulus, {outer.name} without {inner.name}", outer, inner)


def _vertices(value: Any) -> Shape:
    return _polygon(value.vertices)


def _compound(value: Any) -> Shape:
    if value.operator is not operator.or_:
        raise InvalidQueryError(
            "only unions of shapes can be searched in: intersect or subtract the MOCs of "
            "read_region(shape).moc() instead"
        )
    return Union([_shape(value.region1), _shape(value.region2)])


def _list_of_shapes(value: Any) -> Shape:
    parts = [_shape(one) for one in value]
    return parts[0] if len(parts) == 1 else Union(parts)


READERS = {
    "CircleSkyRegion": _circle,
    "CircleSphericalSkyRegion": _circle,
    "EllipseSkyRegion": _ellipse,
    "RectangleSkyRegion": _rectangle,
    "PolygonSkyRegion": _vertices,
    "PolygonSphericalSkyRegion": _vertices,
    "CircleAnnulusSkyRegion": _circle_annulus,
    "CircleAnnulusSphericalSkyRegion": _circle_annulus,
    "EllipseAnnulusSkyRegion": _ellipse_annulus,
    "RectangleAnnulusSkyRegion": _rectangle_annulus,
    "CompoundSkyRegion": _compound,
    "CompoundSphericalSkyRegion": _compound,
    "Regions": _list_of_shapes,
}

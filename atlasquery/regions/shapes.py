"""Shapes on the sphere: circles, ellipses and polygons, cut exactly by their geometry."""

from abc import abstractmethod
from functools import cached_property
from typing import Any

import astropy.units as u
import numpy as np

from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions.cells import DEEPEST, area_of_order, cell_centres, cell_radius, library
from atlasquery.regions.region import Region
from atlasquery.sphere import ARCSEC, angles, positions_of, separations, unit_vectors

__all__ = [
    "Circle",
    "Ellipse",
    "Polygon",
    "Shape",
    "Union",
    "Without",
    "enclosing_circle",
    "rectangle",
    "solid_angle",
]

# Rounding of angles, in radians: a tenth of a microarcsecond.
ROUNDING = 5e-13
# Degrees: what is wider is not clearly one of the two sides of its border.
WIDEST = 85.0
# Edges that are compared with all others at once.
EDGES = 500


def solid_angle(steradian: float) -> u.Quantity:
    """Return an area in square degrees.

    Parameters
    ----------
    steradian : float
        The area.

    Returns
    -------
    `~astropy.units.Quantity`
        The same in square degrees.
    """
    return (steradian * u.sr).to(u.deg**2)


class Shape(Region):
    """A region with a border of lines, whose cells are found by dividing the sky.

    Attributes
    ----------
    name : str
        What it is, in a few words for messages.
    ra, dec : float
        The centre of a circle that has all of it inside, in degrees.
    reach : float
        The radius of that circle, in radians.
    """

    name: str
    ra: float
    dec: float
    reach: float

    @property
    @abstractmethod
    def area(self) -> u.Quantity:
        """The solid angle, in square degrees."""

    @property
    @abstractmethod
    def state(self) -> dict:
        """What a file keeps of it: plain values, from which `region_of_state` builds it again."""

    @abstractmethod
    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside.

        Parameters
        ----------
        ra, dec : `~numpy.ndarray`
            Degrees, ICRS, flat and finite.

        Returns
        -------
        `~numpy.ndarray` of bool
            One for each.
        """

    @abstractmethod
    def touches(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles may touch the region; those that do are never left out.

        Parameters
        ----------
        points : `~numpy.ndarray`
            Unit vectors of their centres, one in each row.
        radius : float
            Radians.

        Returns
        -------
        `~numpy.ndarray` of bool
            One for each.
        """

    @abstractmethod
    def encloses(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles are inside the region as a whole; False where that is not sure.

        Parameters
        ----------
        points : `~numpy.ndarray`
            Unit vectors of their centres, one in each row.
        radius : float
            Radians.

        Returns
        -------
        `~numpy.ndarray` of bool
            One for each.
        """

    def moc(self, order: int = 12) -> Any:
        """Return a MOC that holds the region.

        Parameters
        ----------
        order : int, optional
            The order of its cells: they are 51 arcsec wide at the default, and half as wide at
            the next order.

        Returns
        -------
        `mocpy.MOC`
            All cells that the region touches.
        """
        cells = self.cells(order).astype(np.uint64)
        return library("mocpy").MOC.from_healpix_cells(
            cells, np.full(len(cells), order, dtype=np.uint8), max_depth=order
        )

    def __repr__(self) -> str:
        return f"<Region: {self.name}, {self.area.value:.4g} deg2>"

    def cells(self, order: int) -> np.ndarray:
        """Return the HEALPix cells that may touch the region, and all that do.

        Parameters
        ----------
        order : int
            The order of the cells.

        Returns
        -------
        `~numpy.ndarray` of int
            Their nested indices, sorted.
        """
        undecided = np.arange(12, dtype=np.int64)
        full: list[np.ndarray] = []
        for level in range(order + 1):
            radius = cell_radius(level)
            points = unit_vectors(*cell_centres(undecided, level))
            near = self.touches(points, radius)
            undecided, points = undecided[near], points[near]
            if level == order:
                break
            whole = self.encloses(points, radius)
            if whole.any():
                # All cells in a cell of another order follow each other.
                shift = 2 * (order - level)
                starts = undecided[whole] << shift
                full.append((starts[:, None] + np.arange(1 << shift)).ravel())
            undecided = (4 * undecided[~whole][:, None] + np.arange(4)).ravel()
        return np.sort(np.concatenate([undecided, *full]))


class Circle(Shape):
    """All positions up to a distance from a centre.

    Parameters
    ----------
    ra, dec : float
        The centre in degrees, ICRS.
    arcsec : float
        The radius.
    """

    def __init__(self, ra: float, dec: float, arcsec: float):
        self.ra, self.dec, self.arcsec = ra, dec, arcsec
        self.reach = min(arcsec * ARCSEC, np.pi)
        self.name = f"circle of {arcsec / 3600:.4g} deg around {ra:.5f} {dec:+.5f}"
        self._centre = unit_vectors(ra, dec)

    @property
    def area(self) -> u.Quantity:
        """The solid angle, in square degrees."""
        return solid_angle(4 * np.pi * np.sin(self.reach / 2) ** 2)

    @property
    def state(self) -> dict:
        """What a file keeps of it."""
        return {"kind": "circle", "ra": self.ra, "dec": self.dec, "arcsec": self.arcsec}

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside."""
        return separations(self.ra, self.dec, ra, dec) <= self.arcsec

    def touches(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles may touch the region."""
        return angles(points, self._centre) <= self.reach + radius + ROUNDING

    def encloses(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles are inside the region as a whole."""
        return angles(points, self._centre) + radius + ROUNDING <= self.reach


class Ellipse(Shape):
    """An ellipse in the plane of distance and position angle from its centre.

    Its axes have their true lengths on the sky; other planes differ by parts in a thousand for
    ellipses of several degrees.

    Parameters
    ----------
    ra, dec : float
        The centre in degrees, ICRS.
    axes : tuple of float
        The two semi-axes in radians.
    angle : float
        Position angle of the first, north through east, in radians.
    """

    def __init__(self, ra: float, dec: float, axes: tuple[float, float], angle: float):
        if not 0 < max(axes) <= np.pi / 2 or min(axes) <= 0:
            raise InvalidQueryError(
                f"an ellipse of {np.rad2deg(2 * axes[0]):g} x {np.rad2deg(2 * axes[1]):g} deg "
                "should have axes above 0 and up to 180 deg"
            )
        self.ra, self.dec, self._axes, self._angle = ra, dec, axes, angle
        self.reach = max(axes)
        width, height = (2 * np.rad2deg(axis) for axis in axes)
        self.name = f"ellipse of {width:.4g} x {height:.4g} deg around {ra:.5f} {dec:+.5f}"
        self._frame = _tangent_frame(ra, dec)

    @cached_property
    def area(self) -> u.Quantity:
        """The solid angle, in square degrees."""
        a, b = self._axes
        # The integral over the circle converges at once; long thin ellipses need most points.
        count = 1000 + int(100 * max(a, b) / min(a, b))
        theta = 2 * np.pi * np.arange(count) / count
        rim = a * b / np.hypot(b * np.cos(theta), a * np.sin(theta))
        return solid_angle(float((2 * np.sin(rim / 2) ** 2).mean() * 2 * np.pi))

    @property
    def state(self) -> dict:
        """What a file keeps of it."""
        axes, angle = list(self._axes), self._angle
        return {"kind": "ellipse", "ra": self.ra, "dec": self.dec, "axes": axes, "angle": angle}

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside."""
        return self._level(self._plane(unit_vectors(ra, dec))) <= 1

    def touches(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles may touch the region."""
        plane = self._plane(points)
        level = self._level(plane)
        # How far it is beyond the tangent at the point of the border in its direction: a convex
        # shape is on one side of each tangent.
        normal = plane / np.square(self._axes)
        length = np.maximum(np.linalg.norm(normal, axis=-1), 1e-300)
        beyond = (normal * plane).sum(axis=-1) / length * (1 - 1 / np.maximum(level, 1))
        found = (level <= 1) | (beyond <= self._widened(radius) + ROUNDING)
        return found & (angles(points, self._frame[2]) <= self.reach + radius + ROUNDING)

    def encloses(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles are inside the region as a whole."""
        level = self._level(self._plane(points))
        return level + (self._widened(radius) + ROUNDING) / min(self._axes) <= 1

    def _widened(self, radius: float) -> float:
        """Return how far apart in the plane are positions that are near each other on the sky."""
        farthest = min(self.reach + radius, np.pi - 1e-9)
        return float(radius * farthest / np.sin(farthest))

    def _plane(self, points: np.ndarray) -> np.ndarray:
        east, north, centre = self._frame
        x, y = points @ east, points @ north
        across = np.hypot(x, y)
        distance = np.arctan2(across, points @ centre)
        scale = np.divide(distance, across, out=np.ones_like(across), where=across > 0)
        sin, cos = np.sin(self._angle), np.cos(self._angle)
        return np.stack([x * sin + y * cos, x * cos - y * sin], axis=-1) * scale[..., None]

    def _level(self, plane: np.ndarray) -> np.ndarray:
        return np.hypot(plane[..., 0] / self._axes[0], plane[..., 1] / self._axes[1])


class Polygon(Shape):
    """A polygon with sides of great circles, on the side of them that is smaller.

    Parameters
    ----------
    ra, dec : `~numpy.ndarray`
        The vertices in degrees, ICRS, in either order.
    name : str, optional
        What it is.
    """

    def __init__(self, ra: np.ndarray, dec: np.ndarray, name: str = ""):
        self._vertices = np.asarray(ra, dtype=float), np.asarray(dec, dtype=float)
        points = unit_vectors(*self._vertices)
        # A closed list of vertices has the first one twice.
        repeated = angles(points, np.roll(points, 1, axis=0)) < ROUNDING
        points = points[~repeated]
        if len(points) < 3:
            raise InvalidQueryError(
                f"a polygon has 3 different vertices at least, and this one has {len(points)}"
            )
        self._middle, self.reach = enclosing_circle(points)
        if self.reach > np.deg2rad(WIDEST):
            raise InvalidQueryError(
                f"a polygon of {np.rad2deg(2 * self.reach):.0f} deg is too wide, up to "
                f"{2 * WIDEST:g} deg are possible: cut it into several"
            )
        self.ra, self.dec = map(float, positions_of(self._middle))
        self._frame = _tangent_frame(self.ra, self.dec)
        # In the tangent plane great circles are straight lines.
        self._x, self._y = self._project(points)
        self._points = points
        self._ends = np.roll(points, -1, axis=0)
        normals = np.cross(points, self._ends)
        self._normals = normals / np.linalg.norm(normals, axis=-1)[:, None]
        if not self.area > 0:
            raise InvalidQueryError("the vertices of a polygon are on one line: it has no area")
        self._refuse_crossing()
        self.name = name or (
            f"polygon of {len(points)} vertices around {self.ra:.5f} {self.dec:+.5f}"
        )

    @cached_property
    def area(self) -> u.Quantity:
        """The solid angle, in square degrees."""
        a, b, c = self._middle, self._points, self._ends
        # The triangles between the middle and each side, by the formula of van Oosterom.
        triple = (a * np.cross(b, c)).sum(axis=-1)
        scale = 1 + b @ a + c @ a + (b * c).sum(axis=-1)
        return solid_angle(abs(float((2 * np.arctan2(triple, scale)).sum())))

    @property
    def state(self) -> dict:
        """What a file keeps of it."""
        return {
            "kind": "polygon",
            "ra": self._vertices[0].tolist(),
            "dec": self._vertices[1].tolist(),
            "name": self.name,
        }

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside."""
        return self._inside(unit_vectors(ra, dec))

    def touches(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles may touch the region."""
        found = angles(points, self._middle) <= self.reach + radius + ROUNDING
        near = points[found]
        found[found] = self._inside(near) | (self._to_border(near) <= radius + ROUNDING)
        return found

    def encloses(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles are inside the region as a whole."""
        found = self._inside(points)
        found[found] = self._to_border(points[found]) > radius + ROUNDING
        return found

    def _project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        east, north, centre = self._frame
        depth = points @ centre
        return points @ east / depth, points @ north / depth

    def _inside(self, points: np.ndarray) -> np.ndarray:
        found = angles(points, self._middle) <= self.reach + ROUNDING
        x, y = self._project(points[found])
        odd = np.zeros(len(x), dtype=bool)
        for x1, y1, x2, y2 in zip(
            self._x, self._y, np.roll(self._x, -1), np.roll(self._y, -1), strict=True
        ):
            if y1 == y2:
                continue
            # A line to the right crosses the border an odd number of times.
            between = (y1 > y) != (y2 > y)
            odd[between] ^= x[between] < x1 + (y[between] - y1) * (x2 - x1) / (y2 - y1)
        found[found] = odd
        return found

    def _to_border(self, points: np.ndarray) -> np.ndarray:
        """Return the distance to the nearest side, in radians."""
        nearest = np.full(len(points), np.pi)
        for start, end, normal in zip(self._points, self._ends, self._normals, strict=True):
            height = points @ normal
            # Whether the nearest point of the great circle is between the ends of the side.
            foot = points - height[:, None] * normal
            beside = (np.cross(normal, start) * foot).sum(axis=-1) >= 0
            beside &= (np.cross(end, normal) * foot).sum(axis=-1) >= 0
            ends = np.minimum(angles(points, start), angles(points, end))
            distance = np.where(beside, np.arcsin(np.clip(np.abs(height), 0, 1)), ends)
            nearest = np.minimum(nearest, distance)
        return nearest

    def _refuse_crossing(self) -> None:
        """Raise if two sides cross, so that inside and outside are not defined."""
        x1, y1, x2, y2 = self._x, self._y, np.roll(self._x, -1), np.roll(self._y, -1)
        number = np.arange(len(x1))

        def turn(
            ax: np.ndarray, ay: np.ndarray, bx: np.ndarray, by: np.ndarray,
            cx: np.ndarray, cy: np.ndarray,
        ) -> np.ndarray:  # fmt: skip
            """Return on which side of the line from a to b each c is."""
            return np.sign((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))

        for first in range(0, len(number), EDGES):
            part = np.s_[first : first + EDGES, None]
            one = x1[part], y1[part], x2[part], y2[part]
            crossing = (turn(*one, x1, y1) * turn(*one, x2, y2) < 0) & (
                turn(x1, y1, x2, y2, one[0], one[1]) * turn(x1, y1, x2, y2, one[2], one[3]) < 0
            )
            # Sides that follow each other share an end.
            steps = (number - number[part]) % len(number)
            crossing &= (steps > 1) & (steps < len(number) - 1)
            if crossing.any():
                a, b = (int(n) for n in np.argwhere(crossing)[0])
                raise InvalidQueryError(
                    f"the sides of the polygon after its vertices {first + a} and {b} cross: give "
                    "the vertices in their order along the border"
                )


class Without(Shape):
    """A region without the part that another one covers, such as an annulus.

    Parameters
    ----------
    name : str
        What it is.
    outer, inner : Shape
        The region, and the part of it that is cut out.
    """

    def __init__(self, name: str, outer: Shape, inner: Shape):
        self.name, self._outer, self._inner = name, outer, inner
        self.ra, self.dec, self.reach = outer.ra, outer.dec, outer.reach

    @cached_property
    def area(self) -> u.Quantity:
        """The solid angle, in square degrees."""
        return self._outer.area - self._inner.area

    @property
    def state(self) -> dict:
        """What a file keeps of it."""
        parts = [self._outer.state, self._inner.state]
        return {"kind": "without", "name": self.name, "parts": parts}

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside."""
        return self._outer.inside(ra, dec) & ~self._inner.inside(ra, dec)

    def touches(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles may touch the region."""
        return self._outer.touches(points, radius) & ~self._inner.encloses(points, radius)

    def encloses(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles are inside the region as a whole."""
        return self._outer.encloses(points, radius) & ~self._inner.touches(points, radius)


class Union(Shape):
    """All that is in one region or in another.

    Parameters
    ----------
    parts : list of Shape
        The regions.
    """

    def __init__(self, parts: list[Shape]):
        if not parts:
            raise InvalidQueryError("the region is a list without any shape: give at least one")
        self._parts = parts
        self.name = f"{len(parts)} shapes, such as {parts[0].name}"
        points = unit_vectors([part.ra for part in parts], [part.dec for part in parts])
        middle = points.sum(axis=0)
        middle = points[0] if np.linalg.norm(middle) < 1e-6 else middle / np.linalg.norm(middle)
        self.ra, self.dec = map(float, positions_of(middle))
        reaches = np.array([part.reach for part in parts])
        self.reach = float(min(np.pi, (angles(points, middle) + reaches).max()))

    @cached_property
    def area(self) -> u.Quantity:
        """The solid angle, in square degrees; where shapes overlap, good to a percent."""
        separate = all(
            separations(one.ra, one.dec, other.ra, other.dec) * ARCSEC > one.reach + other.reach
            for n, one in enumerate(self._parts)
            for other in self._parts[:n]
        )
        if separate:
            return sum((part.area for part in self._parts), 0 * u.deg**2)
        order = 3
        while len(cells := self.cells(order)) < 20_000 and order < DEEPEST:
            order += 1
        inside = self.inside(*cell_centres(cells, order))
        return np.count_nonzero(inside) * solid_angle(area_of_order(order))

    @property
    def state(self) -> dict:
        """What a file keeps of it."""
        return {"kind": "union", "parts": [part.state for part in self._parts]}

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions are inside."""
        return np.any([part.inside(ra, dec) for part in self._parts], axis=0)

    def touches(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles may touch the region."""
        return np.any([part.touches(points, radius) for part in self._parts], axis=0)

    def encloses(self, points: np.ndarray, radius: float) -> np.ndarray:
        """Return which circles are inside the region as a whole."""
        return np.any([part.encloses(points, radius) for part in self._parts], axis=0)


def rectangle(ra: float, dec: float, axes: tuple[float, float], angle: float) -> Polygon:
    """Return a rectangle: four great circles at half its width and height from the centre.

    Parameters
    ----------
    ra, dec : float
        The centre in degrees, ICRS.
    axes : tuple of float
        Half the width and half the height in radians.
    angle : float
        Position angle of the width, north through east, in radians.

    Returns
    -------
    Polygon
        Its corners.
    """
    if not 0 < max(axes) < np.pi / 2 or min(axes) <= 0:
        raise InvalidQueryError(
            f"a rectangle of {np.rad2deg(2 * axes[0]):g} x {np.rad2deg(2 * axes[1]):g} deg should "
            "have sides above 0 and below 180 deg"
        )
    east, north, centre = _tangent_frame(ra, dec)
    first = np.sin(angle) * east + np.cos(angle) * north
    second = np.cos(angle) * east - np.sin(angle) * north
    width, height = np.tan(axes)
    corners = [
        centre + i * width * first + j * height * second
        for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    sides = " x ".join(f"{2 * np.rad2deg(axis):.4g}" for axis in axes)
    return Polygon(
        *positions_of(np.array(corners)), f"rectangle of {sides} deg around {ra:.5f} {dec:+.5f}"
    )


def enclosing_circle(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a small circle that has all of some positions inside.

    Parameters
    ----------
    points : `~numpy.ndarray`
        Unit vectors, one in each row.

    Returns
    -------
    centre : `~numpy.ndarray`
        A unit vector.
    radius : float
        Radians.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    centre = (low + high) / 2
    # Some of many show where the middle is.
    some = points[:: 1 + len(points) // 2000]
    # Steps to the farthest point, each shorter, end in the centre of the smallest sphere.
    for step in range(1, 200):
        offsets = some - centre
        farthest = np.argmax((offsets * offsets).sum(axis=-1))
        centre = centre + offsets[farthest] / (step + 1)
    length = np.linalg.norm(centre)
    centre = points[0] if length < 1e-9 else centre / length
    return centre, float(angles(points, centre).max() + ROUNDING)


def _tangent_frame(ra: float, dec: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the directions to the east and north of a position, and its own."""
    lon, lat = np.deg2rad(ra), np.deg2rad(dec)
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    return east, north, unit_vectors(ra, dec)

"""Positions on the sky, ATLAS object ids and HTM ids."""

import math

import numpy as np

#: A number, or an array of them.
Numbers = float | np.ndarray

__all__ = [
    "angular_distance", "htm_id", "mean_position", "object_id", "offset", "separation",
    "unit_vectors",
]  # fmt: skip

_HTM_CORNERS = np.array(
    [[0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, -1]], dtype=float
)
# The eight trixels of the first level, S0 to N3, with their corners.
_HTM_ROOTS = (
    (1, 5, 2),
    (2, 5, 3),
    (3, 5, 4),
    (4, 5, 1),
    (1, 0, 4),
    (4, 0, 3),
    (3, 0, 2),
    (2, 0, 1),
)


def object_id(ra: float, dec: float) -> int:
    """Return the 19-digit id that ATLAS gives to an object at a position.

    The digits are 1 HHMMSSss N DDMMSSss 0, truncated, where N is 1 in the north and 0 in
    the south.

    Parameters
    ----------
    ra, dec : float
        Position in degrees.

    Returns
    -------
    int
        The id.

    Examples
    --------
    >>> object_id(150.0, 2.2)
    1100000001021200000
    """
    hundredths = int(ra / 15 * 360000 + 1e-6)
    hours, rest = divmod(hundredths, 360000)
    minutes, seconds = divmod(rest, 6000)
    degrees, rest = divmod(int(abs(dec) * 360000 + 1e-6), 360000)
    arcminutes, arcseconds = divmod(rest, 6000)
    north = 1 if dec >= 0 else 0
    return int(
        f"1{hours:02d}{minutes:02d}{seconds:04d}{north}"
        f"{degrees:02d}{arcminutes:02d}{arcseconds:04d}0"
    )


def offset(
    ra: Numbers, dec: Numbers, east: Numbers, north: Numbers
) -> tuple[np.ndarray, np.ndarray]:
    """Move a position by arcseconds on the sky; exact at the poles and over RA 0.

    Parameters
    ----------
    ra, dec : float or numpy.ndarray
        Position in degrees.
    east, north : float or numpy.ndarray
        Offsets in arcseconds.

    Returns
    -------
    tuple of numpy.ndarray
        Right ascension in [0, 360) and declination, in degrees.
    """
    distance = np.radians(np.hypot(east, north) / 3600)
    angle = np.arctan2(east, north)
    start = np.radians(dec)
    sine = np.sin(start) * np.cos(distance) + np.cos(start) * np.sin(distance) * np.cos(angle)
    end = np.arcsin(np.clip(sine, -1, 1))
    turn = np.arctan2(
        np.sin(angle) * np.sin(distance) * np.cos(start),
        np.cos(distance) - np.sin(start) * np.sin(end),
    )
    return (ra + np.degrees(turn)) % 360, np.degrees(end)


def separation(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Return the separation of two positions with the rounding of the real server.

    The server takes the arc cosine of a number near one, which loses everything below
    about 0.003 arcsec: such separations come out as 0.0 or one step too long.

    Parameters
    ----------
    ra1, dec1, ra2, dec2 : float
        Positions in degrees.

    Returns
    -------
    float
        Separation in arcseconds.
    """
    per_degree = math.pi / 180
    one, two = (90.0 - dec1) * per_degree, (90.0 - dec2) * per_degree
    turn = (ra1 - ra2) * per_degree
    cosine = math.cos(one) * math.cos(two) + math.sin(one) * math.sin(two) * math.cos(turn)
    return math.acos(max(-1.0, min(1.0, cosine))) * (180.0 / math.pi) * 3600.0


def mean_position(ra: np.ndarray, dec: np.ndarray) -> tuple[float, float]:
    """Return the plain mean of positions, as the real server takes it.

    The mean of right ascensions on both sides of 0 lies on the other side of the sky; this
    is why the server finds no non-detections for an object on RA 0.

    Parameters
    ----------
    ra, dec : numpy.ndarray
        Positions in degrees.

    Returns
    -------
    tuple of float
        Mean right ascension and declination in degrees.
    """
    return float(np.mean(ra)), float(np.mean(dec))


def htm_id(ra: np.ndarray, dec: np.ndarray, level: int = 16) -> np.ndarray:
    """Return the Hierarchical Triangular Mesh id of each position.

    Parameters
    ----------
    ra, dec : numpy.ndarray
        Positions in degrees.
    level : int
        Depth of the mesh.

    Returns
    -------
    numpy.ndarray
        Integer ids.
    """
    ra, dec = np.radians(ra), np.radians(dec)
    points = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
    trixels = np.empty((len(points), 3, 3))
    ids = np.zeros(len(points), dtype=np.int64)
    for number, root in enumerate(_HTM_ROOTS):
        corners = np.broadcast_to(_HTM_CORNERS[list(root)], trixels.shape)
        inside = (ids == 0) & _contains(corners, points)
        ids[inside] = 8 + number
        trixels[inside] = corners[inside]
    for _ in range(level):
        trixels, child = _descend(trixels, points)
        ids = ids * 4 + child
    return ids


def _contains(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Tell which points lie in their trixel (sides run counter-clockwise)."""
    normals = np.cross(corners, np.roll(corners, -1, axis=1))
    return np.all(np.einsum("nij,nj->ni", normals, points) >= -1e-15, axis=1)


def _descend(trixels: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Go one level down: the child trixel of each point and its number."""
    corner0, corner1, corner2 = np.moveaxis(trixels, 1, 0)
    middles = [corner1 + corner2, corner0 + corner2, corner0 + corner1]
    middle0, middle1, middle2 = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in middles)
    children = [
        np.stack(corners, axis=1)
        for corners in (
            (corner0, middle2, middle1),
            (corner1, middle0, middle2),
            (corner2, middle1, middle0),
            (middle0, middle1, middle2),
        )
    ]
    number = np.full(len(points), 3)
    for candidate in (2, 1, 0):
        number[_contains(children[candidate], points)] = candidate
    return np.stack(children, axis=1)[np.arange(len(points)), number], number


def unit_vectors(ra: Numbers, dec: Numbers) -> np.ndarray:
    """Return unit vectors of positions.

    Parameters
    ----------
    ra, dec : float or numpy.ndarray
        Positions in degrees.

    Returns
    -------
    numpy.ndarray
        Vectors, with an axis of three at the end.
    """
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def angular_distance(ra1: Numbers, dec1: Numbers, ra2: Numbers, dec2: Numbers) -> np.ndarray:
    """Return the distance of positions, exact at any distance.

    Parameters
    ----------
    ra1, dec1, ra2, dec2 : float or numpy.ndarray
        Positions in degrees.

    Returns
    -------
    numpy.ndarray
        Distance in arcseconds.
    """
    chord = np.linalg.norm(unit_vectors(ra1, dec1) - unit_vectors(ra2, dec2), axis=-1)
    return np.degrees(2 * np.arcsin(np.clip(chord / 2, 0, 1))) * 3600

"""All pairs of two lists of positions that are closer than a radius."""

from collections.abc import Iterator
from typing import NamedTuple

import erfa
import numpy as np

from atlasquery.sphere import ARCSEC, angles

__all__ = ["Pairs", "find_nearest", "find_pairs"]

# Height of a zone of declination, in radii: a circle then touches one or two of them.
ZONE = 2.0
# The lowest zone in radians, 0.5 arcsec: more zones than 1.3 million have coarse keys.
LOWEST = ARCSEC / 2
# Rounding of a key, which is the number of a zone plus a fraction of a turn, with a reserve.
KEY_ERROR = 1e-9
# Positions that are searched at once, and candidates that are measured at once.
ROWS = 1 << 17
CANDIDATES = 1 << 16


class Pairs(NamedTuple):
    """Indices and separations of pairs, sorted by both.

    Parameters
    ----------
    left, right : `~numpy.ndarray`
        Indices into the two lists.
    separation : `~numpy.ndarray`
        Radians.
    """

    left: np.ndarray
    right: np.ndarray
    separation: np.ndarray


def find_pairs(
    left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray], radius: float
) -> Pairs:
    """Find all pairs closer than a radius.

    The right positions are sorted by zones of declination, and by right ascension within each.
    Around each left position a range of right ascension in one or two zones has the
    candidates, of which those within the chord of the radius are pairs. Positions are
    searched in chunks, and candidates are measured in chunks, so that memory is
    proportional to the number of positions and pairs.

    Parameters
    ----------
    left, right : tuple of `~numpy.ndarray`
        Longitudes and latitudes in radians; those that are not finite have no pair.
    radius : float
        Radians, above 0 and up to pi.

    Returns
    -------
    Pairs
        The pairs with a separation up to the radius, sorted by `left`, separation and `right`.
    """
    rows, zones, lon, lat = _finite_zones(left, right, radius)
    found = [
        Pairs(rows[0][pairs.left], rows[1][pairs.right], pairs.separation)
        for pairs in zones.search(lon, lat)
    ]
    columns = (np.concatenate([np.empty(0, kind), *parts]) for kind, parts in zip(
        (np.int64, np.int64, float), zip(*found, strict=True) if found else ((), (), ()),
        strict=True,
    ))  # fmt: skip
    pairs = Pairs(*columns)
    del found
    return _in_order(pairs)


def find_nearest(
    left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray], radius: float
) -> tuple[Pairs, np.ndarray]:
    """Find the nearest of the positions within a radius, and their number.

    Memory is proportional to the number of positions, whatever the number of pairs.

    Parameters
    ----------
    left, right : tuple of `~numpy.ndarray`
        Longitudes and latitudes in radians; those that are not finite have no pair.
    radius : float
        Radians, above 0 and up to pi.

    Returns
    -------
    pairs : Pairs
        At most one for each left position, sorted by it; of several right positions at the
        same separation the first one.
    n_within : `~numpy.ndarray`
        For each of them the number of right positions within the radius.
    """
    rows, zones, lon, lat = _finite_zones(left, right, radius)
    count = np.zeros(len(lon), np.int64)
    best = np.zeros(len(lon), np.int64)
    separation = np.full(len(lon), np.inf)
    for pairs in zones.search(lon, lat):
        if not len(pairs.left):
            continue
        # The pairs of a left position are one after the other, and in one group.
        start = np.flatnonzero(np.diff(pairs.left, prepend=-1))
        members, n = pairs.left[start], np.diff(np.append(start, len(pairs.left)))
        lowest = np.minimum.reduceat(pairs.separation, start)
        tied = pairs.separation == np.repeat(lowest, n)
        first = np.minimum.reduceat(np.where(tied, pairs.right, np.iinfo(np.int64).max), start)
        nearer = (lowest < separation[members]) | (
            (lowest == separation[members]) & (first < best[members])
        )
        best[members[nearer]], separation[members[nearer]] = first[nearer], lowest[nearer]
        count[members] += n
    some = np.flatnonzero(count)
    pairs = Pairs(rows[0][some], rows[1][best[some]], separation[some])
    return pairs, count[some]


def _finite_zones(
    left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray], radius: float
) -> tuple[list[np.ndarray], "_Zones", np.ndarray, np.ndarray]:
    """Return the indices of finite positions, the zones of the right, and the left ones."""
    rows = [np.flatnonzero(np.isfinite(lon) & np.isfinite(lat)) for lon, lat in (left, right)]
    zones = _Zones(right[0][rows[1]], right[1][rows[1]], radius)
    return rows, zones, left[0][rows[0]], left[1][rows[0]]


def _in_order(pairs: Pairs) -> Pairs:
    # Numbers are sorted many times faster than rows of two: so the separations are ranked first.
    n = len(pairs.left)
    rank = np.empty(n, np.int64)
    rank[np.argsort(pairs.separation)] = np.arange(n)
    order = np.argsort(pairs.left * n + rank)
    left, right, separation = (column[order] for column in pairs)
    # Equal separations, such as those from a position that is twice in a catalogue.
    tied = np.zeros(n + 1, bool)
    tied[1:n] = (left[1:] == left[:-1]) & (separation[1:] == separation[:-1])
    several = np.flatnonzero(tied[:-1] | tied[1:])
    if len(several):
        keys = (right[several], separation[several], left[several])
        right[several] = right[several][np.lexsort(keys)]
    return Pairs(left, right, separation)


class _Zones:
    """Positions sorted by zone and right ascension, to be searched.

    Parameters
    ----------
    lon, lat : `~numpy.ndarray`
        Finite positions in radians.
    radius : float
        Radians.
    """

    def __init__(self, lon: np.ndarray, lat: np.ndarray, radius: float):
        self.radius = radius
        self.height = max(ZONE * radius, LOWEST)
        # Squared chord. That of a half turn would exclude opposite points by rounding.
        self.limit = (2 * np.sin(radius / 2)) ** 2 if radius < np.pi else np.inf
        keys = _keys(self._zone(lat), _turn(lon))
        self.order = np.argsort(keys)
        self.keys = keys[self.order]
        self.vectors = erfa.s2c(lon, lat)[self.order]

    def search(self, lon: np.ndarray, lat: np.ndarray) -> Iterator[Pairs]:
        """Yield the pairs of finite positions in radians, in no particular order."""
        turn, vectors = _turn(lon), erfa.s2c(lon, lat)
        # Neighbours in the list of keys are neighbours in memory.
        order = np.argsort(_keys(self._zone(lat), turn))
        for start in range(0, len(order), ROWS):
            rows = order[start : start + ROWS]
            for members, first, count in self._ranges(turn[rows], lat[rows]):
                yield from self._measured(vectors, rows[members], first, count)

    def _zone(self, lat: np.ndarray) -> np.ndarray:
        return np.floor((lat + np.pi / 2) / self.height)

    def _ranges(
        self, turn: np.ndarray, lat: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield, zone by zone, the members that have candidates, and where these are."""
        half = _half_width(lat, self.radius)
        lowest = np.maximum(self._zone(lat - self.radius - KEY_ERROR), 0)
        highest = self._zone(lat + self.radius + KEY_ERROR)
        for step in range(int((highest - lowest).max(initial=-1)) + 1):
            members = np.flatnonzero(lowest + step <= highest)
            zone, middle, width = lowest[members] + step, turn[members], half[members]
            all_round = width >= 0.5
            begin = np.where(all_round, 0, middle - width)
            end = np.where(all_round, 1, middle + width)
            yield from self._counted(members, zone, np.maximum(begin, 0), np.minimum(end, 1))
            # What is beyond right ascension 0 on either side is at the other end of the zone.
            for beyond, low, high in ((begin < 0, begin + 1, 1.0), (end > 1, 0.0, end - 1)):
                at = np.flatnonzero(beyond)
                if len(at):
                    low, high = np.broadcast_to(low, len(zone)), np.broadcast_to(high, len(zone))
                    yield from self._counted(members[at], zone[at], low[at], high[at])

    def _counted(
        self, members: np.ndarray, zone: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        first = np.searchsorted(self.keys, zone + low, "left")
        count = np.searchsorted(self.keys, _keys(zone, high), "right") - first
        some = np.flatnonzero(count > 0)
        if len(some):
            yield members[some], first[some], count[some]

    def _measured(
        self, vectors: np.ndarray, rows: np.ndarray, first: np.ndarray, count: np.ndarray
    ) -> Iterator[Pairs]:
        """Yield those candidates that are within the radius."""
        total = np.cumsum(count)
        start = 0
        while start < len(rows):
            done = total[start - 1] if start else 0
            end = max(start + 1, int(np.searchsorted(total, done + CANDIDATES, "right")))
            n, part = count[start:end], slice(start, end)
            left = np.repeat(rows[part], n)
            before = np.cumsum(n) - n
            right = np.arange(len(left)) + np.repeat(first[part] - before, n)
            difference = vectors[left] - self.vectors[right]
            difference *= difference
            # In this order, as k-d trees add them, so that the last bit is that of astropy.
            chord = difference[:, 0] + difference[:, 1] + difference[:, 2]
            near = np.flatnonzero(chord <= self.limit)
            left, right = left[near], right[near]
            separation = angles(vectors[left], self.vectors[right])
            yield Pairs(left, self.order[right], separation)
            start = end


def _turn(lon: np.ndarray) -> np.ndarray:
    return lon / (2 * np.pi) % 1.0


def _keys(zone: np.ndarray, turn: np.ndarray) -> np.ndarray:
    # A turn of 1, or one that is rounded to it, still belongs to its zone.
    return np.minimum(zone + turn, np.nextafter(zone + 1, 0))


def _half_width(lat: np.ndarray, radius: float) -> np.ndarray:
    """Return the largest difference of longitude within a circle, in turns."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sine = np.sin(radius) / np.cos(lat)
    pole_within = np.abs(lat) + radius >= np.pi / 2 - KEY_ERROR
    width = np.arcsin(np.where(pole_within, 1.0, np.minimum(sine, 1.0))) / (2 * np.pi)
    return np.where(pole_within, 1.0, width + KEY_ERROR)

"""The same measurement from two services: which rows repeat another one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["MeasuredRows", "hashed", "repeats"]

# Seconds within which rows can be of one exposure, however each service gives its time.
FAR = 120.0
# Seconds between copies of one time, of which one was rounded.
SAME_TIME = 1.0
# Copies of one flux differ by the rounding of magnitudes to three decimals.
SAME_FLUX = 1e-3
SAME_MAG = 0.0021
NONE = np.uint64(0)
# TAI less UTC since 2017: what a TAI number that was copied as UTC is off by.
TAI_MINUS_UTC = 37.0
_RNG = np.random.default_rng(20261129)
# One odd factor for each letter of a name.
FACTORS = _RNG.integers(1, 2**63, 512, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def hashed(values: np.ndarray) -> np.ndarray:
    """Return a number for each name, which is equal where the names are.

    Parameters
    ----------
    values : `~numpy.ndarray` of str
        Names, or whole numbers in place of their digits.

    Returns
    -------
    `~numpy.ndarray` of uint64
        0 for an empty name. Names of different arrays can be compared by it, whatever the
        width of their type.
    """
    if values.dtype.kind != "U":
        values = values.astype(np.str_)
    width = values.dtype.itemsize // 4
    numbers = np.zeros(len(values), np.uint64)
    if not width or not len(values):
        return numbers
    letters = np.ascontiguousarray(values).view(np.uint32).reshape(-1, width)
    for n in range(width):
        # Longer names than any survey has are hashed with the same factors again.
        numbers += letters[:, n] * FACTORS[n % len(FACTORS)]
    return numbers


@dataclass(frozen=True)
class MeasuredRows:
    """The rows of some objects, those of an object together and in order of time.

    Parameters
    ----------
    owner : `~numpy.ndarray` of int
        The number of the object.
    seconds : `~numpy.ndarray`
        Times in seconds from any moment.
    kind : `~numpy.ndarray` of uint64
        Equal where survey, band and kind of measurement are.
    flux_kind : `~numpy.ndarray` of int
        The kind of flux, negative where it is not known.
    exposure : `~numpy.ndarray` of uint64
        The name of the exposure, `hashed`; 0 where it has none.
    source : `~numpy.ndarray` of uint64
        Service and uploader, `hashed`.
    half : `~numpy.ndarray`
        Half of the exposure time in seconds.
    known : `~numpy.ndarray` of bool
        Whether it is known what the time is of the exposure.
    as_tai : `~numpy.ndarray` of bool
        Whether the survey itself gives its times in TAI.
    flux, mag, limit : `~numpy.ndarray`
        NaN where not known.
    rank : `~numpy.ndarray`
        Of several copies, the one with the lowest rank counts, then the first.
    """

    owner: np.ndarray
    seconds: np.ndarray
    kind: np.ndarray
    flux_kind: np.ndarray
    exposure: np.ndarray
    source: np.ndarray
    half: np.ndarray
    known: np.ndarray
    as_tai: np.ndarray
    flux: np.ndarray
    mag: np.ndarray
    limit: np.ndarray
    rank: np.ndarray

    def __len__(self) -> int:
        return len(self.owner)

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield pairs of rows that can be of one exposure.

        Yields
        ------
        first, second : `~numpy.ndarray` of int64
            Numbers of rows, the first of a pair before the second.
        """
        first, step = np.arange(len(self) - 1), 1
        while len(first):
            second = first + step
            near = self.owner[first] == self.owner[second]
            near &= self.seconds[second] - self.seconds[first] < FAR
            first, second = first[near], second[near]
            alike = self.kind[first] == self.kind[second]
            yield first[alike], second[alike]
            step += 1
            first = first[first + step < len(self)]


def repeats(rows: MeasuredRows) -> np.ndarray:
    """Return which row each row repeats.

    Parameters
    ----------
    rows : MeasuredRows
        The rows.

    Returns
    -------
    `~numpy.ndarray` of int64
        The number of the row that counts, -1 for all that repeat none.

    Notes
    -----
    Rows are copies of one measurement if survey, band, kind of measurement and of flux agree, the
    exposure does, and the flux is equal but for rounding, or without a flux the limit.
    The exposure is that of its name where both have one. Else their times agree to a
    second; where it is not known what a time is of an exposure, it may be the start or the middle,
    or the number of another scale. Rows of one source without names are copies
    only if all is equal.
    """
    found = [_copies(rows, first, second) for first, second in rows.pairs()]
    first, second = (np.concatenate([pair[n] for pair in found] or [_NO]) for n in (0, 1))
    leader = np.full(len(rows), -1)
    if not len(first):
        return leader
    named = rows.exposure != NONE
    both = named[first] & named[second]
    neither = ~named[first] & ~named[second]
    mixed = ~both & ~neither
    chosen = _leaders(rows, first[both], second[both])
    # A row without a name is a copy of the one with a name that is most alike.
    nameless = np.where(named[first], second, first)[mixed]
    partner = np.where(named[first], first, second)[mixed]
    difference = np.abs(rows.flux[nameless] - rows.flux[partner])
    late = np.abs(rows.seconds[nameless] - rows.seconds[partner])
    order = np.lexsort((partner, late, np.nan_to_num(difference), nameless))
    nameless, partner = nameless[order], partner[order]
    best = np.ones(len(nameless), bool)
    best[1:] = nameless[1:] != nameless[:-1]
    chosen[nameless[best]] = chosen[partner[best]]
    free = neither.copy()
    free[neither] = ~(np.isin(first[neither], nameless) | np.isin(second[neither], nameless))
    among = _leaders(rows, first[free], second[free])
    moved = among != np.arange(len(rows))
    chosen[moved] = among[moved]
    again = chosen != np.arange(len(rows))
    leader[again] = chosen[again]
    return leader


_NO = np.zeros(0, np.int64)


def _copies(
    rows: MeasuredRows, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs that are copies of one measurement."""
    kind, other = rows.flux_kind[first], rows.flux_kind[second]
    kept = (kind == other) | (kind < 0) | (other < 0)
    kept &= _equal(rows, first, second)
    first, second = first[kept], second[kept]
    name, other_name = rows.exposure[first], rows.exposure[second]
    named = (name != NONE) & (other_name != NONE)
    same = np.where(named, name == other_name, _at_one_time(rows, first, second))
    once = ~named & (rows.source[first] == rows.source[second])
    same &= ~once | _identical(rows, first, second)
    return first[same], second[same]


def _equal(rows: MeasuredRows, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return where fluxes are equal but for rounding; without fluxes, magnitudes and limits."""
    flux, other = rows.flux[first], rows.flux[second]
    with np.errstate(invalid="ignore"):
        equal = np.abs(flux - other) <= SAME_FLUX * np.maximum(np.abs(flux), np.abs(other))
    neither = np.isnan(flux) & np.isnan(other)
    if neither.any():
        at, beside = first[neither], second[neither]
        equal[neither] = _close(rows.mag[at], rows.mag[beside])
        equal[neither] &= _close(rows.limit[at], rows.limit[beside])
    return equal


def _close(mag: np.ndarray, other: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (np.abs(mag - other) <= SAME_MAG) | (np.isnan(mag) & np.isnan(other))


def _at_one_time(rows: MeasuredRows, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return where times agree, or would if one of them were another moment of the exposure."""
    gap = rows.seconds[second] - rows.seconds[first]
    same = gap < SAME_TIME
    for unknown, known, late in ((first, second, -gap), (second, first, gap)):
        free = ~rows.known[unknown] & rows.known[known]
        start = np.abs(late + rows.half[known]) < SAME_TIME
        number = rows.as_tai[known] & (np.abs(late - TAI_MINUS_UTC) < SAME_TIME)
        same |= free & (start | number)
    return same


def _identical(rows: MeasuredRows, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    same = rows.seconds[first] == rows.seconds[second]
    for values in (rows.flux, rows.mag, rows.limit):
        one, other = values[first], values[second]
        same &= (one == other) | (np.isnan(one) & np.isnan(other))
    return same


def _leaders(rows: MeasuredRows, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return for each row which of its copies counts, by pairs of copies."""
    label = np.arange(len(rows))
    if not len(first):
        return label
    while True:
        before = label.copy()
        lowest = np.minimum(label[first], label[second])
        np.minimum.at(label, first, lowest)
        np.minimum.at(label, second, lowest)
        label = label[label]
        if np.array_equal(label, before):
            break
    members = np.unique(np.concatenate([first, second]))
    order = members[np.lexsort((members, rows.rank[members], label[members]))]
    head = np.ones(len(order), bool)
    head[1:] = label[order[1:]] != label[order[:-1]]
    leader = np.arange(len(rows))
    leader[order] = np.repeat(order[head], np.diff(np.flatnonzero(head), append=len(order)))
    return leader

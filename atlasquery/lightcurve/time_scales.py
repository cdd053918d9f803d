"""Times of many rows from one scale to another, and light travel time, without a download.

`~astropy.time.Time` does the same one object at a time. Here it is done for millions of rows with
the routines of ERFA that astropy itself calls, evaluated once a day of the data: the difference is
below a microsecond, and it needs no table of the Earth's rotation. Those of astropy are refused for
dates of today where they are older than a month and cannot be downloaded.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import astropy.units as u
import erfa
import numpy as np
from astropy.coordinates import EarthLocation
from astropy.time import Time

from atlasquery.lightcurve.time_reference import Site

__all__ = ["SCALES", "light_travel_time", "shifted"]

#: The time scales that results may have.
SCALES = ("tai", "utc", "tt", "tdb")
# Of a day.
SECONDS = 86400.0
TT_MINUS_TAI = 32.184
# Julian dates between which UTC differs from TAI by whole seconds, and the table is known.
WHOLE_SECONDS = 2441317.5
# Light travel time of one astronomical unit, in seconds.
AU_SECONDS = erfa.DAU / erfa.CMPS
# Rows whose positions are worked on together.
BLOCK = 1 << 16


def shifted(
    jd1: np.ndarray, jd2: np.ndarray, seconds: np.ndarray | float, start: str, end: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return times moved by some seconds, in another scale.

    Parameters
    ----------
    jd1, jd2 : `~numpy.ndarray`
        Julian dates in two parts, as `~astropy.time.Time` has them.
    seconds : `~numpy.ndarray` or float
        What is added, in SI seconds.
    start, end : str
        The scales before and after.

    Returns
    -------
    jd1, jd2 : `~numpy.ndarray`
        In the scale `end`.
    """
    if start not in SCALES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", erfa.ErfaWarning)
            times = Time(jd1, jd2, format="jd", scale=start).tdb
        jd1, jd2, start = times.jd1, times.jd2, "tdb"
    if start == end != "utc":
        return _carried(jd1, jd2 + np.asarray(seconds) / SECONDS)
    seconds = np.asarray(seconds) + _to_tai(jd1, jd2, start) - _to_tai(jd1, jd2, end)
    days = _carried(jd1, jd2 + seconds / SECONDS)
    if "utc" in (start, end):
        _mend_leap_days(jd1, jd2, seconds, start, end, days)
    return days


def _carried(jd1: np.ndarray, jd2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return dates whose second part is at most half a day."""
    whole = np.rint(jd2)
    return jd1 + whole, jd2 - whole


def _to_tai(jd1: np.ndarray, jd2: np.ndarray, scale: str) -> np.ndarray | float:
    """Return TAI less a scale, in seconds."""
    if scale == "tai":
        return 0.0
    if scale == "tt":
        return -TT_MINUS_TAI
    if scale == "tdb":
        return -TT_MINUS_TAI - _daily(jd1, jd2, _tdb_minus_tt)
    starts, steps = _leap_seconds()
    moment = jd1 + jd2
    low, high = (float(np.nanmin(moment)), float(np.nanmax(moment))) if moment.size else (0.0, 0.0)
    first, last = (max(int(n) - 1, 0) for n in np.searchsorted(starts, (low, high), side="right"))
    if first == last:
        return float(steps[first])
    found = np.full(moment.shape, steps[first])
    # To look up each row takes several times as long.
    for n in range(first + 1, last + 1):
        found[moment >= starts[n]] = steps[n]
    return found


def _leap_seconds() -> tuple[np.ndarray, np.ndarray]:
    """Return the Julian dates from which TAI less UTC is another number of seconds, and these."""
    table = erfa.leap_seconds.get()
    table = table[table["year"] >= 1972]
    day, fraction = erfa.cal2jd(table["year"], table["month"], 1)
    return day + fraction, table["tai_utc"].copy()


def _mend_leap_days(
    jd1: np.ndarray,
    jd2: np.ndarray,
    seconds: np.ndarray,
    start: str,
    end: str,
    days: tuple[np.ndarray, np.ndarray],
) -> None:
    """Compute the rows near a leap second, and those before 1972, with ERFA itself.

    ERFA stretches the day that has one, so that no two moments have one number.
    """
    moment = jd1 + jd2
    starts, _ = _leap_seconds()
    if not moment.size:
        return
    low, high = np.nanmin(moment), np.nanmax(moment)
    near = moment < WHOLE_SECONDS
    for leap in starts[(starts > low - 1.01) & (starts < high + 1.01)].tolist():
        near |= np.abs(moment - leap) < 1.01
    rows = np.flatnonzero(near & np.isfinite(moment))
    if not len(rows):
        return
    total = np.broadcast_to(seconds, moment.shape)[rows]
    total = total - _at(_to_tai(jd1, jd2, start), rows) + _at(_to_tai(jd1, jd2, end), rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", erfa.ErfaWarning)
        before = Time(jd1[rows], jd2[rows], format="jd", scale=start).tai
        first, second = _carried(before.jd1, before.jd2 + total / SECONDS)
        after = getattr(Time(first, second, format="jd", scale="tai"), end)
    days[0][rows], days[1][rows] = after.jd1, after.jd2


def _at(values: np.ndarray | float, rows: np.ndarray) -> np.ndarray | float:
    return values[rows] if isinstance(values, np.ndarray) else values


def _daily(jd1: np.ndarray, jd2: np.ndarray, function: Callable) -> np.ndarray:
    """Return a slow function of time that is computed once a day, and drawn straight between."""
    day, share = _days(jd1, jd2)
    days, index = np.unique(day, return_inverse=True)
    low, high = function(days), function(days + 1)
    return low[index] + share * (high - low)[index]


def _days(jd1: np.ndarray, jd2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    moment = jd1 + jd2
    day = np.where(np.isfinite(moment), np.floor(moment), 2451545.0)
    return day, (jd1 - day) + jd2


def _tdb_minus_tt(days: np.ndarray) -> np.ndarray:
    # The position on the Earth changes it by two microseconds.
    return erfa.dtdb(days, 0.0, 0.0, 0.0, 0.0, 0.0)


def light_travel_time(
    jd1: np.ndarray,
    jd2: np.ndarray,
    direction: np.ndarray,
    site: np.ndarray,
    sites: Sequence[Site | None],
    *,
    heliocentric: np.ndarray,
) -> np.ndarray:
    """Return how much later light that was measured reaches the barycentre of the Solar system.

    Parameters
    ----------
    jd1, jd2 : `~numpy.ndarray`
        Times at the observatory, in TDB; those of TT will do.
    direction : `~numpy.ndarray`
        Unit vectors to the objects, of shape (n, 3).
    site : `~numpy.ndarray` of int
        The index of each row's site.
    sites : sequence of Site or None
        The sites; None stands for the centre of the Earth.
    heliocentric : `~numpy.ndarray` of bool
        The rows whose times are those at the Sun already.

    Returns
    -------
    `~numpy.ndarray`
        In seconds, negative where the Earth is farther from the object.
    """
    found = np.empty(len(jd1))
    positions = [None if one is None else _geocentric(one) for one in sites]
    day, share = _days(jd1, jd2)
    # What is slow is computed once for each day of the data.
    days, index = np.unique(day, return_inverse=True)
    sun, earth = _motions(days)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", erfa.ErfaWarning)
        celestial = erfa.c2i06a(days, 0.5)
    for first in range(0, len(jd1), BLOCK):
        rows = slice(first, first + BLOCK)
        where = _between(earth, index[rows], share[rows])
        at_sun = heliocentric[rows]
        if at_sun.any():
            where[at_sun] = _between(sun, index[rows][at_sun], share[rows][at_sun])
        used = site[rows]
        for number in np.unique(used):
            position = positions[number]
            if position is not None:
                some = np.flatnonzero((used == number) & ~at_sun)
                turned = celestial[index[rows][some]]
                where[some] += _rotated(position, turned, day[rows][some], share[rows][some])
        found[rows] = np.einsum("ij,ij->i", where, direction[rows]) * AU_SECONDS
    return found


def _geocentric(site: Site) -> np.ndarray:
    """Return the position of a site in the rotating frame, in astronomical units."""
    position = EarthLocation.from_geodetic(
        site.longitude * u.deg, site.latitude * u.deg, site.height * u.m
    )
    return np.array([axis.to_value(u.m) for axis in position.to_geocentric()]) / erfa.DAU


def _motions(days: np.ndarray) -> tuple[Any, Any]:
    """Return positions and velocities of Sun and Earth about the barycentre on days and the next.

    A cubic curve through both is right to a tenth of a microsecond of light travel: the fastest
    motion is that of the Earth about its common centre with the Moon.
    """
    both = np.concatenate([days, days + 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", erfa.ErfaWarning)
        about_sun, earth = erfa.epv00(both, 0.0)
    n = len(days)
    motions = []
    for position, velocity in (
        (earth["p"] - about_sun["p"], earth["v"] - about_sun["v"]),
        (earth["p"], earth["v"]),
    ):
        motions.append((position[:n], velocity[:n], position[n:], velocity[n:]))
    return motions[0], motions[1]


def _between(motion: tuple, index: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return positions between two days by a cubic curve through both (Hermite)."""
    s = share[:, np.newaxis]
    before, speed_before, after, speed_after = (values[index] for values in motion)
    return (
        (1 + 2 * s) * (1 - s) ** 2 * before
        + s * (1 - s) ** 2 * speed_before
        + s**2 * (3 - 2 * s) * after
        + s**2 * (s - 1) * speed_after
    )


def _rotated(
    position: np.ndarray, celestial: np.ndarray, day: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Return the position of a site relative to the centre of the Earth, in astronomical units.

    UT1 is taken for UTC, which turns the Earth by 420 m at most, or 1.4 microseconds of light; TDB
    is a minute later than UTC, which is more.
    """
    # TDB less UTC, of which the two milliseconds between TDB and TT do not matter.
    seconds = TT_MINUS_TAI + _to_tai(day, share, "utc")
    angle = erfa.era00(day, share - seconds / SECONDS)
    sine, cosine = np.sin(angle), np.cos(angle)
    x, y, z = position
    rotating = np.stack([x * cosine - y * sine, x * sine + y * cosine, np.full(len(day), z)], -1)
    # The transposed matrix leads from intermediate to celestial coordinates.
    return np.einsum("nij,ni->nj", celestial, rotating)

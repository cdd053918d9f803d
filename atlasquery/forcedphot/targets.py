"""Targets of forced photometry: positions with proper motions, and minor planets."""

from collections.abc import Iterable
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.coordinates import BaseCoordinateFrame, RadialDifferential, SkyCoord
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import check_coordinates, check_names, check_window

__all__ = ["Motion", "Target", "check_comment", "check_dates", "check_targets", "in_groups"]

# See docs/servers/forcedphot.rst, "Names and comments".
LONGEST_NAME = 300
LONGEST_COMMENT = 300
FORBIDDEN = "'\"`;"


@dataclass(frozen=True)
class Motion:
    """A proper motion in the form that the server accepts.

    Parameters
    ----------
    ra, dec : float
        Milliarcseconds a year; `ra` with cos dec.
    epoch : float
        Julian year of the position, with one decimal.
    """

    ra: float
    dec: float
    epoch: float


@dataclass(frozen=True)
class Target:
    """A position or a minor planet.

    Parameters
    ----------
    name : str
        Its name in tables.
    ra, dec : float or None
        ICRS degrees; None for a minor planet.
    mpc_name : str or None
        Its designation.
    motion : Motion or None
        The proper motion.
    """

    name: str
    ra: float | None = None
    dec: float | None = None
    mpc_name: str | None = None
    motion: Motion | None = None

    @property
    def line(self) -> str:
        """The line of the target in a list of targets."""
        if self.ra is None or self.dec is None:
            return f"mpc {self.mpc_name}"
        # All digits, and never an exponent: rounding would change the position.
        return f"{digits(self.ra)} {digits(self.dec)}"


def digits(value: float) -> str:
    """Return a number with all decimals, so that it is read back as the same number.

    Parameters
    ----------
    value : float
        The number.

    Returns
    -------
    str
        Without an exponent.
    """
    return np.format_float_positional(value, trim="0")


def check_targets(
    coordinates: SkyCoord | None, mpc_names: object, names: object = None
) -> list[Target]:
    """Return the targets of a query, or refuse them.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord` or None
        Positions of any shape, in any frame.
    mpc_names : str, sequence of str or None
        Minor planets.
    names : str, sequence of str or None, optional
        Their names, one for each.

    Returns
    -------
    list of Target
        First the positions, flat, then the minor planets.

    Raises
    ------
    InvalidQueryError
        If there is no target, or an argument is not valid.
    """
    if coordinates is None and mpc_names is None:
        raise InvalidQueryError("give coordinates, a SkyCoord, or mpc_names, or both")
    targets = [] if coordinates is None else _positions(coordinates)
    targets += [] if mpc_names is None else _planets(mpc_names)
    if not targets:
        raise InvalidQueryError("coordinates is empty: give at least one position")
    if names is None:
        return targets
    given = check_names(names, name="names")
    if len(given) != len(targets):
        raise InvalidQueryError(f"names has {len(given)} names for {len(targets)} targets")
    return [
        Target(name, t.ra, t.dec, t.mpc_name, t.motion)
        for name, t in zip(given, targets, strict=True)
    ]


def _positions(coordinates: SkyCoord) -> list[Target]:
    ra, dec, _ = check_coordinates(coordinates)
    if isinstance(coordinates, BaseCoordinateFrame):
        coordinates = SkyCoord(coordinates)
    motions = _motions(coordinates, len(ra))
    if any(motions):
        ra, dec = _at_epochs(ra, dec, coordinates, motions)
    # A right ascension just below 0 is rounded to 360, which the server refuses.
    ra = np.where(ra >= 360.0, 0.0, ra)
    return [
        Target(f"{a:.5f}{d:+.5f}", float(a), float(d), motion=motion)
        for a, d, motion in zip(ra, dec, motions, strict=True)
    ]


def _motions(coordinates: SkyCoord, n: int) -> list[Motion | None]:
    """Return the proper motion of each position that has one."""
    frame = coordinates
    if isinstance(frame, str) or "s" not in frame.data.differentials:
        return [None] * n
    if isinstance(frame.data.differentials["s"], RadialDifferential):
        # A radial velocity alone moves nothing.
        return [None] * n
    try:
        icrs = frame.icrs
        pm_ra = np.ravel(icrs.pm_ra_cosdec.to_value(u.mas / u.yr))
        pm_dec = np.ravel(icrs.pm_dec.to_value(u.mas / u.yr))
    except Exception as error:
        # Frames fail with different exceptions.
        raise InvalidQueryError(
            f"the proper motion of coordinates in the frame {frame.name!r} cannot be turned into "
            f"ICRS: {error}"
        ) from error
    moving = (pm_ra != 0) | (pm_dec != 0)
    if np.any(~np.isfinite(pm_ra) | ~np.isfinite(pm_dec)):
        raise InvalidQueryError("coordinates hold a proper motion that is not finite")
    if np.any(moving) and frame.obstime is None:
        raise InvalidQueryError(
            "coordinates have a proper motion but no obstime, the time of the positions: "
            "give it as SkyCoord(..., obstime=Time('J2016.0'))"
        )
    years = np.broadcast_to(np.ravel(Time(frame.obstime).jyear), n) if np.any(moving) else [0.0] * n
    return [
        # The server accepts one decimal of the year. Beyond the sixth decimal of a motion are
        # rounding errors of the change of frame.
        Motion(round(float(a), 6), round(float(d), 6), round(float(year), 1)) if moves else None
        for a, d, year, moves in zip(pm_ra, pm_dec, years, moving, strict=True)
    ]


def _at_epochs(
    ra: np.ndarray, dec: np.ndarray, coordinates: SkyCoord, motions: list[Motion | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions at the epochs that are sent, which have one decimal only."""
    epoch = np.array([m.epoch if m else np.nan for m in motions])
    pm_ra = np.array([m.ra if m else 0.0 for m in motions])
    pm_dec = np.array([m.dec if m else 0.0 for m in motions])
    years = np.broadcast_to(np.ravel(Time(coordinates.obstime).jyear), len(motions))
    elapsed = np.nan_to_num(epoch - years)
    moved = SkyCoord(ra, dec, unit="deg").directional_offset_by(
        np.arctan2(pm_ra, pm_dec) * u.rad, np.hypot(pm_ra, pm_dec) * elapsed * u.mas
    )
    still = elapsed == 0
    return np.where(still, ra, moved.ra.deg), np.where(still, dec, moved.dec.deg)


def _planets(mpc_names: object) -> list[Target]:
    targets = []
    for name in check_names(mpc_names, name="mpc_names"):
        if len(name) > LONGEST_NAME or any(sign in name for sign in FORBIDDEN):
            raise InvalidQueryError(
                f"mpc_names={name!r:.80} should be a designation of up to {LONGEST_NAME} "
                "characters without quotes or semicolons: '(12267)' for a numbered asteroid, else "
                "packed, such as 'K22W01O'"
            )
        targets.append(Target(name, mpc_name=name))
    return targets


def check_dates(start: object, end: object) -> tuple[float | None, float | None]:
    """Return a time window as the server accepts it, or refuse it.

    Parameters
    ----------
    start, end : `~astropy.time.Time`, str, float or None
        The bounds; a bare number is an MJD, None is no bound.

    Returns
    -------
    start, end : float or None
        MJD in UTC.

    Raises
    ------
    InvalidQueryError
        If one is not a time, or the end is not after the start and above 0.
    """
    first, last = check_window(start, end)
    if last is not None and (last <= 0 or (first is not None and last <= first)):
        after = f"after start={start!s}" if last > 0 else "an MJD above 0"
        raise InvalidQueryError(f"end={end!s} should be {after}")
    return first, last


def check_comment(comment: str | None, tag_length: int) -> str:
    """Return a comment that leaves room for a tag, or refuse it.

    Parameters
    ----------
    comment : str or None
        The comment of the user.
    tag_length : int
        Length of the tag before it.

    Returns
    -------
    str
        The comment, empty for None.
    """
    if comment is None:
        return ""
    room = LONGEST_COMMENT - tag_length - 1
    if not isinstance(comment, str) or len(comment) > room or not comment.isprintable():
        raise InvalidQueryError(
            f"comment={comment!r:.60} should be one line of up to {room} characters: the server "
            f"accepts {LONGEST_COMMENT}, including the tag by which tasks are found again"
        )
    return comment.strip()


def in_groups(targets: list[Target], most: int) -> Iterable[tuple[Motion | None, list[int]]]:
    """Group targets that may share a request, in which only the positions differ.

    Parameters
    ----------
    targets : list of Target
        The targets.
    most : int
        Largest number of lines of a request.

    Yields
    ------
    motion : Motion or None
        The proper motion of the group.
    indices : list of int
        Its targets, as indices.
    """
    groups: dict = {}
    for n, target in enumerate(targets):
        groups.setdefault(target.motion, []).append(n)
    for motion, indices in groups.items():
        for first in range(0, len(indices), most):
            yield motion, indices[first : first + most]

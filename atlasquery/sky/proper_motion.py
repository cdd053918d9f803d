"""Positions at another epoch, by proper motion, parallax and radial velocity."""

import warnings
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.coordinates import Distance, SkyCoord
from astropy.time import Time
from erfa import ErfaWarning

__all__ = ["ProperMotion", "propagate"]

#: Reserve for the change of a proper motion by perspective.
PERSPECTIVE = 1.001
# Transverse velocity in km/s of 1 mas/yr at a parallax of 1 mas.
KM_S = 4.740470463533348
# ERFA takes another distance where a star is faster than a hundredth of the speed of light (km/s),
# or its parallax smaller (mas), which is noise. With a radial velocity that would be wrong.
FASTEST = 0.0099 * 299792.458
SMALLEST = 5e-4


@dataclass(frozen=True)
class ProperMotion:
    """Proper motions of positions.

    Parameters
    ----------
    pm_ra_cosdec, pm_dec : `~numpy.ndarray`
        In mas/yr; NaN where it is missing.
    epoch : `~numpy.ndarray`
        Julian years (TCB) of the positions.
    parallax : `~numpy.ndarray`, optional
        In mas; NaN or not positive where the distance is not known.
    radial_velocity : `~numpy.ndarray`, optional
        In km/s; NaN where it is missing.
    """

    pm_ra_cosdec: np.ndarray
    pm_dec: np.ndarray
    epoch: np.ndarray
    parallax: np.ndarray | None = None
    radial_velocity: np.ndarray | None = None

    @property
    def known(self) -> np.ndarray:
        """Whether both components of a proper motion, and its epoch, are known."""
        return np.isfinite(self.pm_ra_cosdec) & np.isfinite(self.pm_dec) & np.isfinite(self.epoch)

    def take(self, rows: np.ndarray) -> "ProperMotion":
        """Return the proper motions of some positions."""
        return ProperMotion(
            self.pm_ra_cosdec[rows],
            self.pm_dec[rows],
            self.epoch[rows],
            None if self.parallax is None else self.parallax[rows],
            None if self.radial_velocity is None else self.radial_velocity[rows],
        )

    @property
    def total(self) -> np.ndarray:
        """The total proper motion in mas/yr."""
        return np.hypot(self.pm_ra_cosdec, self.pm_dec)


def propagate(
    lon: np.ndarray, lat: np.ndarray, motion: ProperMotion, when: Time
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions at another epoch.

    Where the parallax is missing or not positive, there is no distance, and the radial velocity
    is not used; where the radial velocity is missing it is zero. Where the proper motion is
    missing the position stays.

    Parameters
    ----------
    lon, lat : `~numpy.ndarray`
        Radians (ICRS).
    motion : ProperMotion
        The proper motions.
    when : `~astropy.time.Time`
        The epoch, or one for each position.

    Returns
    -------
    lon, lat : `~numpy.ndarray`
        Radians (ICRS).
    moved : `~numpy.ndarray` of bool
        Whether the proper motion is known.
    """
    moved = motion.known & np.isfinite(lon) & np.isfinite(lat)
    parallax = np.full(len(lon), np.nan) if motion.parallax is None else motion.parallax
    velocity = np.zeros(len(lon)) if motion.radial_velocity is None else motion.radial_velocity
    velocity = np.where(np.isfinite(velocity), velocity, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = np.hypot(KM_S * motion.total / parallax, velocity)
        distant = moved & (parallax > SMALLEST) & (speed < FASTEST)
    lon, lat = lon.copy(), lat.copy()
    for rows, with_distance in ((distant, True), (moved & ~distant, False)):
        at = np.flatnonzero(rows)
        if not len(at):
            continue
        further = {}
        if with_distance:
            further["distance"] = Distance(parallax=parallax[at] * u.mas)
            further["radial_velocity"] = velocity[at] * u.km / u.s
        start = SkyCoord(
            lon[at] * u.rad,
            lat[at] * u.rad,
            pm_ra_cosdec=motion.pm_ra_cosdec[at] * u.mas / u.yr,
            pm_dec=motion.pm_dec[at] * u.mas / u.yr,
            obstime=Time(motion.epoch[at], format="jyear", scale="tcb"),
            **further,
        )
        with warnings.catch_warnings():
            # ERFA takes a very large distance where there is none.
            warnings.simplefilter("ignore", ErfaWarning)
            end = start.apply_space_motion(new_obstime=when.tcb if when.isscalar else when[at].tcb)
        lon[at], lat[at] = end.ra.rad % (2 * np.pi), end.dec.rad
    return lon, lat, moved

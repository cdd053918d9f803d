"""A gravitational-wave event of the one sky: its map covers the field of a supernova.

The supernova plays the counterpart: the event is at its first light, and the map has its distance.
"""

import functools
import math

import numpy as np

from ..sky import SEED, TAI_MINUS_UTC, SkyObject, objects
from .events import add_event, written
from .state import PortalState

__all__ = ["MAP_NAME", "add_gravitational_wave", "counterpart"]

MAP_NAME = "bayestar.multiorder.fits"
# From the counterpart to the middle of the map: east and north, in degrees.
_MIDDLE = (0.7, 0.4)
# Widths of the map along and across, and the angle between its length and east.
_LENGTH, _WIDTH, _TILT = 1.1, 0.35, math.radians(35.0)
# The map begins with cells of the first order; those near the middle, or probable, are divided.
_FIRST_ORDER, _NEAR_ORDER, _LAST_ORDER = 3, 6, 9
_NEAR, _PROBABLE = 8.0, 2e-4
# So many supernovae of its field began later.
_YOUNGER = 5
# What is far from the middle is not impossible.
_FLOOR = 1e-3
# Distance: uncertainty as a part of it, and its change per width of the map.
_SPREAD, _SLOPE = 0.2, 0.03
_DAY = 86400.0
_UNIX_MJD = 40587


def counterpart(seed: int = SEED) -> SkyObject:
    """Return the object that plays the counterpart of the event.

    Parameters
    ----------
    seed : int, optional
        Seed of the sky.

    Returns
    -------
    SkyObject
        A supernova of the field at RA 150 that all services know. A few others began after it,
        so that its age alone does not tell it.
    """
    known = [
        one for one in objects(seed)
        if one.topic == "wide" and one.kind == "supernova" and one.redshift
        and one.atlas_name and one.ztf_name and one.skyportal_id
    ]  # fmt: skip
    return sorted(known, key=lambda one: one.curve.start)[-1 - _YOUNGER]


def add_gravitational_wave(state: PortalState, seed: int = SEED) -> None:
    """Add the event; its map is written when it is requested.

    Parameters
    ----------
    state : PortalState
        The state of the instance.
    seed : int, optional
        Seed of the sky.
    """
    dateobs = _dateobs(counterpart(seed))
    add_event(
        state, dateobs, tags=("GW", "BNS"),
        maps={MAP_NAME: functools.partial(sky_map_of, seed)},
    )  # fmt: skip


def _dateobs(one: SkyObject) -> str:
    seconds = (one.curve.start - _UNIX_MJD) * _DAY - TAI_MINUS_UTC
    return str(np.datetime64(round(seconds), "s"))


@functools.cache
def sky_map_of(seed: int = SEED) -> bytes:
    """Return the map of the event, with cells of many orders and with distances.

    Parameters
    ----------
    seed : int, optional
        Seed of the sky.

    Returns
    -------
    bytes
        The FITS file.
    """
    from astropy.io import fits

    one = counterpart(seed)
    order, pixel, density, along = _cells(one)
    area = 4 * np.pi / (12 * 4.0**order)
    density /= np.sum(density * area)
    distance = _luminosity_distance(one.redshift or 0.0)
    mu = distance * (1 + _SLOPE * np.clip(along, -5, 5))
    sigma = np.full(len(mu), _SPREAD * distance)
    columns = [
        fits.Column("UNIQ", "K", array=4 * 4**order + pixel),
        fits.Column("PROBDENSITY", "D", unit="sr-1", array=density),
        fits.Column("DISTMU", "D", unit="Mpc", array=mu),
        fits.Column("DISTSIGMA", "D", unit="Mpc", array=sigma),
        fits.Column("DISTNORM", "D", unit="Mpc-2", array=_norm(mu, sigma)),
    ]
    dateobs = _dateobs(one)
    name = f"S{dateobs[2:10].replace('-', '')}bx"
    cards = fits.Header({
        "PIXTYPE": "HEALPIX", "ORDERING": "NUNIQ", "COORDSYS": "C", "INDXSCHM": "EXPLICIT",
        "MOCORDER": _LAST_ORDER, "OBJECT": name, "INSTRUME": "H1,L1,V1",
        "DATE-OBS": dateobs, "MJD-OBS": one.curve.start - TAI_MINUS_UTC / _DAY,
        "CREATOR": "the sandbox", "DISTMEAN": distance, "DISTSTD": _SPREAD * distance,
    })  # fmt: skip
    return written(fits.BinTableHDU.from_columns(columns, header=cards))


def _cells(one: SkyObject) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Order, pixel and density of the cells, and how far along the map each is, in widths."""
    order, pixel = _FIRST_ORDER, np.arange(12 * 4**_FIRST_ORDER)
    found = []
    while len(pixel):
        density, distance, along = _density(one, order, pixel)
        probability = density * 4 * np.pi / (12 * 4.0**order)
        divided = (probability > _PROBABLE) | ((order < _NEAR_ORDER) & (distance < _NEAR))
        divided &= order < _LAST_ORDER
        whole = ~divided
        found.append((np.full(whole.sum(), order), pixel[whole], density[whole], along[whole]))
        pixel = (4 * pixel[divided][:, np.newaxis] + np.arange(4)).ravel()
        order += 1
    orders, pixels, densities, alongs = zip(*found, strict=True)
    return (
        np.concatenate(orders),
        np.concatenate(pixels),
        np.concatenate(densities),
        np.concatenate(alongs),
    )


def _density(
    one: SkyObject, order: int, pixel: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Density per steradian at the middle of cells, and their distance from that of the map."""
    from astropy_healpix import healpix_to_lonlat

    lon, lat = (angle.deg for angle in healpix_to_lonlat(pixel, 2**order, order="nested"))
    dec = one.dec + _MIDDLE[1]
    ra = one.ra + _MIDDLE[0] / math.cos(math.radians(dec))
    # In the plane at the middle: the map is small, and what is far away has the floor only.
    east = ((lon - ra + 180) % 360 - 180) * math.cos(math.radians(dec))
    north = lat - dec
    along = (east * math.cos(_TILT) + north * math.sin(_TILT)) / _LENGTH
    across = (north * math.cos(_TILT) - east * math.sin(_TILT)) / _WIDTH
    peak = (180 / np.pi) ** 2 / (2 * np.pi * _LENGTH * _WIDTH)
    density = peak * np.exp(-0.5 * (along**2 + across**2)) + _FLOOR / (4 * np.pi)
    return density, np.hypot(east, north), along


def _luminosity_distance(redshift: float) -> float:
    from astropy.cosmology import Planck18

    return float(Planck18.luminosity_distance(redshift).value)


def _norm(mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Norm of r^2 times a normal distribution, over positive r (Singer et al. 2016)."""
    z = mu / sigma
    below = np.array([0.5 * math.erfc(-one / math.sqrt(2)) for one in z])
    normal = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return 1 / ((mu**2 + sigma**2) * below + mu * sigma * normal)

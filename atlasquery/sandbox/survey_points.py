"""What ZTF and LSST measured of each object of the synthetic sky, exposure by exposure.

Every server of the sandbox that shows points of these surveys takes them from here, so that one
measurement has the same time, flux and key wherever it is seen.
"""

import functools
from dataclasses import dataclass

import numpy as np

from .curves import flux_of
from .sky import MJD_REF, SEASON_DAYS, SEED, SkyObject, generator, mjd_utc, objects

__all__ = ["LSST_EXPOSURE", "ZTF_EXPOSURE", "SurveyPoints", "lsst_points", "ztf_points"]

#: Exposure times in seconds.
ZTF_EXPOSURE, LSST_EXPOSURE = 30.0, 30.0
# Limiting AB magnitudes (5 sigma) of an exposure on a good night.
_ZTF_LIMITS = {"g": 20.8, "r": 20.6, "i": 20.0}
_LSST_LIMITS = {"u": 23.6, "g": 24.6, "r": 24.2, "i": 23.7, "z": 23.1, "y": 22.2}
# Part of the flux that its error is at least.
_ZTF_FLOOR, _LSST_FLOOR = 0.02, 0.005
# Streams of random numbers.
_ZTF, _LSST = 21, 22
# The first night of ZTF's numbers of exposures, MJD.
_ZTF_FIRST_NIGHT = 57754


@dataclass(frozen=True)
class SurveyPoints:
    """The exposures of one object by one survey, in order of time.

    Attributes
    ----------
    mjd : numpy.ndarray
        The time that the survey sends: of ZTF the start in UTC, of LSST the middle in TAI.
    mjd_tai : numpy.ndarray
        Middle of the exposure in TAI.
    exposure_time : numpy.ndarray
        In seconds.
    band : numpy.ndarray of str
        The filter.
    flux, flux_err : numpy.ndarray
        Difference flux as it was measured, and its error, in uJy.
    reference_flux : numpy.ndarray
        Flux in the reference image, in uJy; the total is the sum of both.
    limiting_mag : numpy.ndarray
        AB magnitude of five times the noise of the image.
    detected : numpy.ndarray of bool
        Whether the flux is at least five times that noise, of either sign.
    candid : numpy.ndarray of int64
        Number of the measurement: ``candid`` of ZTF, ``diaSourceId`` of LSST.
    exposure : numpy.ndarray of int64
        Number of the exposure: ``pid`` of ZTF, ``visit`` of LSST.
    detector : numpy.ndarray of int64
        ``rcid`` of ZTF, ``detector`` of LSST.
    ra, dec : numpy.ndarray
        Measured position in degrees.
    """

    mjd: np.ndarray
    mjd_tai: np.ndarray
    exposure_time: np.ndarray
    band: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    reference_flux: np.ndarray
    limiting_mag: np.ndarray
    detected: np.ndarray
    candid: np.ndarray
    exposure: np.ndarray
    detector: np.ndarray
    ra: np.ndarray
    dec: np.ndarray

    def __len__(self) -> int:
        return len(self.mjd)


@functools.lru_cache(maxsize=128)
def ztf_points(number: int, seed: int = SEED) -> SurveyPoints:
    """Return what ZTF measured of an object: g and r every second night, i now and then.

    Parameters
    ----------
    number : int
        Number of the object in the sky.
    seed : int, optional
        Seed of the sky.

    Returns
    -------
    SurveyPoints
        Its exposures, without any where ZTF does not see the object.
    """
    one, rng = objects(seed)[number], generator(seed, _ZTF, number)
    nights = _nights(rng, one, every=2.0, hour=0.25)
    visits = rng.choice(2, size=len(nights), p=[0.3, 0.7]) + 1
    middle = np.repeat(nights, visits) + rng.uniform(0, 0.002, int(visits.sum()))
    second = np.concatenate([np.arange(count) for count in visits]) if len(visits) else middle
    middle = _along(one, middle + 0.04 * second)
    band = np.where(second % 2 == 0, "g", "r")
    band = np.where(rng.random(len(band)) < 0.05, "i", band)
    start = mjd_utc(middle, ZTF_EXPOSURE)
    night = np.floor(start).astype(np.int64) - _ZTF_FIRST_NIGHT
    detector = np.full(len(start), rng.integers(0, 64), dtype=np.int64)
    fraction = np.floor((start % 1) * 1e6).astype(np.int64)
    pid = night * 1_000_000_000 + fraction * 1000 + detector * 10 + 5
    candid = pid * 1_000_000 + 15_000 + number
    noise = _noise(rng, band, _ZTF_LIMITS)
    return _measured(rng, one, middle, start, band, noise, _ZTF_FLOOR, ZTF_EXPOSURE,
                     (candid, pid, detector))  # fmt: skip


@functools.lru_cache(maxsize=128)
def lsst_points(number: int, seed: int = SEED) -> SurveyPoints:
    """Return what LSST measured of an object: about each third night, in one of six bands.

    Parameters
    ----------
    number : int
        Number of the object in the sky.
    seed : int, optional
        Seed of the sky.

    Returns
    -------
    SurveyPoints
        Its exposures.
    """
    one, rng = objects(seed)[number], generator(seed, _LSST, number)
    nights = _nights(rng, one, every=3.0, hour=0.15)
    middle = _along(one, nights + rng.uniform(0, 0.1, len(nights)))
    band = rng.choice(list(_LSST_LIMITS), len(middle), p=[0.06, 0.12, 0.24, 0.24, 0.18, 0.16])
    detector = rng.integers(0, 189, len(middle))
    dates = np.datetime64("1858-11-17") + np.floor(middle - 0.5).astype(int)
    days = np.array([int(str(date).replace("-", "")) for date in dates], dtype=np.int64)
    visit = days * 100_000 + np.floor(((middle - 0.5) % 1) * 2000).astype(np.int64)
    # As long as the real ids, of 18 digits.
    candid = visit * 100_000 + detector * 512 + number
    noise = _noise(rng, band, _LSST_LIMITS)
    return _measured(rng, one, middle, middle, band, noise, _LSST_FLOOR, LSST_EXPOSURE,
                     (candid, visit, detector))  # fmt: skip


def _nights(rng: np.random.Generator, one: SkyObject, every: float, hour: float) -> np.ndarray:
    """Plan the nights of a season, some of them cloudy; of a mover the one when it is seen."""
    if one.kind == "mover":
        return np.full(2, one.curve.start)
    nights = np.arange(MJD_REF - SEASON_DAYS, MJD_REF - 0.5, every) + hour
    return nights[rng.random(len(nights)) > 0.2] + (one.pointing % 17) * 0.012


def _along(one: SkyObject, middle: np.ndarray) -> np.ndarray:
    """Put the exposures of a mover where it stays on the spot, and all in order of time."""
    if one.kind != "mover":
        return np.sort(middle)
    stay = one.curve.parameters["stay"]
    return one.curve.start + stay * np.linspace(0.15, 0.85, len(middle))


def _noise(rng: np.random.Generator, band: np.ndarray, limits: dict[str, float]) -> np.ndarray:
    """Draw the noise of images, in uJy."""
    limit = np.array([limits[str(name)] for name in band])
    return flux_of(limit - np.abs(rng.normal(0, 0.3, len(band)))) / 5


def _measured(
    rng: np.random.Generator,
    one: SkyObject,
    middle: np.ndarray,
    mjd: np.ndarray,
    band: np.ndarray,
    noise: np.ndarray,
    floor: float,
    exposure_time: float,
    keys: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> SurveyPoints:
    """Measure the flux of an object in images whose noise is given."""
    true = one.flux(middle, band)
    error = np.hypot(noise, floor * np.abs(true))
    flux = true + rng.normal(0, 1, len(middle)) * error
    ra, dec = one.position(middle) if one.kind == "mover" else (one.ra, one.dec)
    # A tenth of an arcsec, in degrees.
    scatter = rng.normal(0, 0.1 / 3600, (2, len(middle)))
    ra = (np.asarray(ra) + scatter[0] / np.cos(np.radians(one.dec))) % 360.0
    dec = np.clip(np.asarray(dec) + scatter[1], -90.0, 90.0)
    return SurveyPoints(
        mjd=mjd, mjd_tai=middle, exposure_time=np.full(len(mjd), exposure_time), band=band,
        flux=flux, flux_err=error, reference_flux=one.reference_flux(band),
        limiting_mag=23.9 - 2.5 * np.log10(5 * noise), detected=np.abs(flux) >= 5 * noise,
        candid=keys[0], exposure=keys[1], detector=keys[2], ra=ra, dec=dec,
    )  # fmt: skip

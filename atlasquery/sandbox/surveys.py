"""What each survey measures of the objects of the one sky: exposures, fluxes, errors, limits.

Two servers that send the same survey, such as ALeRCE and SkyPortal for ZTF, or the ATLAS server
and that of forced photometry, send the same exposures and the same noise.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .atlas.exposures import observe
from .atlas.photometry import difference_flux
from .curves import flux_of
from .sky import (
    MJD_REF,
    SEASON_DAYS,
    TAI_MINUS_UTC,
    SkyObject,
    generator,
    tai_of_utc,
)

__all__ = ["SURVEYS", "Measurements", "measurement_ids", "measurements"]

_DAY = 86400.0
# Errors that do not go down with exposure time, as a share of the flux.
_FLOOR = 0.01
# Two measurements of one exposure differ by so much of the error.
_REPEAT = 0.15
_LIMIT_SIGMA = 5
# Days around the time when ATLAS sees a mover in which others see it, too.
_NIGHTS_OF_A_MOVER = 1.6
# Streams of random numbers.
_EXPOSURES, _NOISE, _AGAIN = 10, 11, 12
_ZTF_FIRST_DAY = 57754
# Magnitude of 5 sigma of an exposure of each survey and band, in dark time.
_DEPTH = {
    "ztf": {"g": 20.6, "r": 20.5, "i": 20.0},
    "lsst": {"u": 23.7, "g": 24.5, "r": 24.1, "i": 23.5, "z": 22.9, "y": 22.0},
    "hat": {"r": 19.5},
}


@dataclass(frozen=True)
class Measurements:
    """The measurements of an object by a survey: an array each, in the order of time.

    Attributes
    ----------
    mjd : numpy.ndarray of float
        The survey's time stamp: the start of the exposure in UTC for ``atlas`` and ``ztf``, its
        middle in TAI for ``lsst``, its middle in UTC for ``hat``.
    middle : numpy.ndarray of float
        Middle of the exposure, MJD in TAI: the time of the flux.
    exposure_time : numpy.ndarray of float
        Seconds.
    band : numpy.ndarray of str
        Filter, such as ``"g"``.
    exposure : numpy.ndarray
        Key of the exposure: the name of an ATLAS exposure, ZTF's ``pid``, LSST's ``visit``, the
        number of a frame of HAT.
    field, detector : numpy.ndarray of int
        Field and quadrant (``rcid``) of ZTF; detector of LSST; 0 otherwise.
    ra, dec : numpy.ndarray of float
        Where the object is then, degrees.
    flux, flux_error : numpy.ndarray of float
        Difference flux in uJy, with noise.
    forced_flux : numpy.ndarray of float
        The same exposure measured again by forced photometry, with the same error.
    reference_flux : numpy.ndarray of float
        What the reference images hold, in uJy; total fluxes are `flux` and this.
    limiting_mag : numpy.ndarray of float
        AB magnitude of 5 sigma of the image.
    detected : numpy.ndarray of bool
        Whether the survey finds the object by itself.
    """

    mjd: np.ndarray
    middle: np.ndarray
    exposure_time: np.ndarray
    band: np.ndarray
    exposure: np.ndarray
    field: np.ndarray
    detector: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    flux: np.ndarray
    flux_error: np.ndarray
    forced_flux: np.ndarray
    reference_flux: np.ndarray
    limiting_mag: np.ndarray
    detected: np.ndarray

    def __len__(self) -> int:
        return len(self.mjd)

    def rows(self, which: np.ndarray) -> "Measurements":
        """Return some of the measurements.

        Parameters
        ----------
        which : numpy.ndarray
            Indices or a mask.

        Returns
        -------
        Measurements
            Those.
        """
        return Measurements(**{name: column[which] for name, column in vars(self).items()})


def measurements(one: SkyObject, survey: str, seed: int | None = None) -> Measurements:
    """Measure an object on all exposures that a survey took of it in the last season.

    Of a mover these are the exposures within a night or two of when ATLAS sees it, or of the
    nearest night, each at the place where it is then.

    Parameters
    ----------
    one : SkyObject
        The object.
    survey : {"atlas", "ztf", "lsst", "hat"}
        The survey.
    seed : int, optional
        Seed of the exposures and the noise; by default that of the object's sky.

    Returns
    -------
    Measurements
        What was measured, the same for the same arguments.
    """
    seed = one.seed if seed is None else seed
    columns = dict(SURVEYS[survey](seed, one.pointing))
    number = tuple(SURVEYS).index(survey)
    middle, band = columns["middle"], columns["band"]
    if one.kind == "mover" and survey != "atlas":
        away = np.abs(middle - one.curve.start)
        near = away < max(_NIGHTS_OF_A_MOVER, away.min() + 0.3)
        columns = {name: column[near] for name, column in columns.items()}
        middle, band = columns["middle"], columns["band"]
        truth = one.total_flux(middle, band)
        columns["ra"], columns["dec"] = one.position(middle)
    else:
        truth = one.flux(middle, band)
        columns["ra"], columns["dec"] = (np.full(len(middle), x) for x in (one.ra, one.dec))
    if survey == "atlas":
        exposures = observe(seed, "season")
        flux, error = difference_flux(
            one.curve, exposures, one.pointing, seed=seed, number=one.number
        )
    else:
        rng = generator(seed, _NOISE, number, one.number)
        sky = flux_of(columns["limiting_mag"]) / _LIMIT_SIGMA
        error = np.hypot(sky, _FLOOR * (truth + one.reference_flux(band)))
        flux = truth + error * rng.standard_normal(len(middle))
    again = generator(seed, _AGAIN, number, one.number).standard_normal(len(middle))
    return Measurements(
        **columns, flux=flux, flux_error=error, forced_flux=flux + _REPEAT * error * again,
        reference_flux=one.reference_flux(band),
        detected=(np.abs(flux) > _LIMIT_SIGMA * error) & (one.kind != "quiet"),
    )  # fmt: skip


def measurement_ids(points: Measurements, survey: str, number: int) -> np.ndarray:
    """Return the numbers of detections that all services send which have them.

    Parameters
    ----------
    points : Measurements
        The measurements.
    survey : {"ztf", "lsst"}
        The survey.
    number : int
        Number of the object in the sky.

    Returns
    -------
    numpy.ndarray of int64
        ``candid`` of ZTF, ``diaSourceId`` of LSST.

    Examples
    --------
    >>> from atlasquery.sandbox.sky import objects
    >>> one = objects()[13]
    >>> int(measurement_ids(measurements(one, "ztf"), "ztf", one.number)[0])
    3356150302055015013
    """
    exposure = points.exposure.astype(np.int64)
    if survey == "ztf":
        # Of real numbers the last six digits are the processing and a count.
        return exposure * 1_000_000 + 15_000 + number
    return exposure * 100_000 + points.detector * 512 + number


@functools.lru_cache(maxsize=64)
def _atlas(seed: int, pointing: int) -> dict[str, np.ndarray]:
    exposures = observe(seed, "season")
    seen, cells = exposures.of_pointing[pointing], exposures.columns
    mjd, exposure_time = cells["mjd"][seen], cells["exptime"][seen]
    none = np.zeros(len(seen), dtype=int)
    return {
        "mjd": mjd, "middle": tai_of_utc(mjd, exposure_time), "exposure_time": exposure_time,
        "band": np.array([cells["filter"][k] for k in seen]),
        "exposure": np.array([cells["expname"][k] for k in seen]),
        "field": none, "detector": none, "limiting_mag": cells["mag5sig"][seen],
    }  # fmt: skip


@functools.lru_cache(maxsize=64)
def _ztf(seed: int, pointing: int) -> dict[str, np.ndarray]:
    """Take g and r on every second night or so, i on some of them."""
    rng = generator(seed, _EXPOSURES, 1, pointing)
    nights = _nights(rng, 2)
    begin = nights + 0.15 + (pointing % 17) * 0.018
    parts = [
        (begin + 0.0004 * rng.random(len(nights)), "g", slice(None)),
        (begin + 0.035 + 0.0004 * rng.random(len(nights)), "r", slice(None)),
        (begin + 0.061, "i", slice(None, None, 4)),
    ]
    start, band = _merge(parts)
    start = np.round(start, 7)
    exposure_time = np.full(len(start), 30.0)
    # ZTF's quadrants are 0 to 63; the last digit is the version of the processing.
    quadrant = (pointing * 11 + 5) % 64
    days = np.floor((start - _ZTF_FIRST_DAY) * 1e6).astype(np.int64)
    return {
        "mjd": start, "middle": tai_of_utc(start, exposure_time), "exposure_time": exposure_time,
        "band": band, "exposure": days * 1000 + quadrant * 10 + 5,
        "field": np.full(len(start), 400 + pointing), "detector": np.full(len(start), quadrant),
        "limiting_mag": _limits(rng, "ztf", band),
    }  # fmt: skip


@functools.lru_cache(maxsize=64)
def _lsst(seed: int, pointing: int) -> dict[str, np.ndarray]:
    """Take two bands of six on every third night."""
    rng = generator(seed, _EXPOSURES, 2, pointing)
    nights = _nights(rng, 3)
    begin = nights + 0.05 + (pointing % 17) * 0.016
    pairs = np.array([["g", "r"], ["r", "i"], ["i", "z"], ["u", "g"], ["z", "y"]])
    chosen = pairs[np.arange(len(nights)) % len(pairs)]
    middle = (begin[:, None] + np.array([0.0, 0.023])).ravel()
    middle = np.round(middle + 0.0003 * rng.random(len(middle)), 8)
    band = chosen.ravel()
    # LSST's visits are named after the date at noon before the night, and their number on it.
    date = np.datetime64("1858-11-17", "D") + np.floor(middle - 0.5).astype("timedelta64[D]")
    digits = np.char.replace(np.datetime_as_string(date), "-", "").astype(np.int64)
    number = 40 + pointing * 40 + np.tile([0, 17], len(nights))
    return {
        "mjd": middle, "middle": middle, "exposure_time": np.full(len(middle), 30.0),
        "band": band, "exposure": digits * 100000 + number,
        "field": np.zeros(len(middle), dtype=int),
        "detector": np.full(len(middle), (pointing * 37 + 4) % 189),
        "limiting_mag": _limits(rng, "lsst", band),
    }  # fmt: skip


@functools.lru_cache(maxsize=64)
def _hat(seed: int, pointing: int) -> dict[str, np.ndarray]:
    """Take one long exposure of 300 s a night in r."""
    rng = generator(seed, _EXPOSURES, 3, pointing)
    nights = _nights(rng, 1)
    middle = np.round(nights + 0.2 + (pointing % 17) * 0.01 + 0.1 * rng.random(len(nights)), 7)
    band = np.full(len(middle), "r")
    return {
        "mjd": middle, "middle": middle + TAI_MINUS_UTC / _DAY,
        "exposure_time": np.full(len(middle), 300.0), "band": band,
        "exposure": 100000 + pointing * 1000 + np.arange(len(middle)),
        "field": np.full(len(middle), pointing), "detector": np.full(len(middle), 5),
        "limiting_mag": _limits(rng, "hat", band),
    }  # fmt: skip


#: The exposures that each survey took of a pointing, by name of the survey.
SURVEYS: dict[str, Callable[[int, int], dict[str, np.ndarray]]] = {
    "atlas": _atlas, "ztf": _ztf, "lsst": _lsst, "hat": _hat,
}  # fmt: skip


def _nights(rng: np.random.Generator, every: int) -> np.ndarray:
    """Choose the clear nights of the season."""
    nights = np.arange(MJD_REF - SEASON_DAYS, MJD_REF, every)
    return nights[rng.random(len(nights)) > 0.2]


def _merge(parts: list[tuple[np.ndarray, str, slice]]) -> tuple[np.ndarray, np.ndarray]:
    """Put the exposures of each band into the order of time."""
    times = np.concatenate([start[rows] for start, _, rows in parts])
    bands = np.concatenate([np.full(len(start[rows]), band) for start, band, rows in parts])
    order = np.argsort(times, kind="stable")
    return times[order], bands[order]


def _limits(rng: np.random.Generator, survey: str, band: np.ndarray) -> np.ndarray:
    depth = np.array([_DEPTH[survey][str(one)] for one in band])
    return depth - np.abs(rng.normal(0, 0.3, len(band)))

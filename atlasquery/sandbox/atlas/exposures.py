"""The survey of the sandbox: pointings and the exposures taken of them."""

import functools
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from ..curves import flux_of
from ..sky import (
    CADENCE_DAYS,
    MJD_REF,
    POINTINGS,
    SEASON_DAYS,
    atlas_nights,
    generator,
    objects,
    tai_of_utc,
)
from .dates import iso_dates

__all__ = ["FOOTPRINT_DEG", "HISTORIES", "LIMIT_SIGMA", "Conditions", "Exposures", "observe"]

VISITS = 4
#: The limit of an exposure is so many times the error of a flux.
LIMIT_SIGMA = 5

# Days before MJD_REF with exposures, by name of the history.
HISTORIES = {"season": SEASON_DAYS, "full": 9 * 365.25}

# An ATLAS image is 5.4 degrees wide; objects lie well inside.
FOOTPRINT_DEG = 2.5

_SITES = np.array(["01a", "02a", "03a", "04a", "04a", "05r"])
_NEW_MOON_MJD = 51549.8
_LUNATION_DAYS = 29.530588
# The stream of random numbers of the weather.
_WEATHER = 2


@dataclass(frozen=True)
class Conditions:
    """What the measurements of all objects in the exposures of a pointing have in common.

    Attributes
    ----------
    middle : numpy.ndarray
        Middle of each exposure, MJD in TAI.
    band : numpy.ndarray of str
        Its filter.
    sigma : numpy.ndarray
        Error of a flux in uJy.
    in_season : numpy.ndarray of bool
        Whether it is of the last season.
    """

    middle: np.ndarray
    band: np.ndarray
    sigma: np.ndarray
    in_season: np.ndarray


@dataclass(frozen=True)
class Exposures:
    """Exposures as columns, sorted by time.

    Attributes
    ----------
    columns : dict of str to numpy.ndarray or list
        Columns of the table ``exposures``.
    of_pointing : list of numpy.ndarray
        For each pointing the indices of its exposures.
    """

    columns: dict
    of_pointing: list[np.ndarray]

    @functools.cached_property
    def conditions(self) -> list[Conditions]:
        """Under which conditions the exposures of each pointing were taken."""
        mjd, exptime, depth = (self.columns[name] for name in ("mjd", "exptime", "mag5sig"))
        return [
            Conditions(
                middle=tai_of_utc(mjd[seen], exptime[seen]),
                band=self.bands[seen],
                sigma=flux_of(depth[seen]) / LIMIT_SIGMA,
                in_season=mjd[seen] > MJD_REF - SEASON_DAYS,
            )
            for seen in self.of_pointing
        ]

    @functools.cached_property
    def bands(self) -> np.ndarray:
        """The filter of each exposure."""
        return np.array(self.columns["filter"])


@functools.lru_cache(maxsize=4)
def observe(seed: int, history: str) -> Exposures:
    """Take the exposures of every pointing.

    Parameters
    ----------
    seed : int
        Seed of the sky.
    history : {"season", "full"}
        How far back the exposures go; those of the last season are the same in both.

    Returns
    -------
    Exposures
        The exposures.
    """
    clear: dict[int, set[int]] = defaultdict(set)
    for one in objects(seed):
        if one.kind in ("mover", "m_dwarf"):
            # What lasts for minutes has a night without clouds.
            clear[one.pointing].add(int(one.curve.start))
    parts = []
    for pointing in range(len(POINTINGS)):
        nights = np.floor(atlas_nights(pointing)).astype(int)
        rng = generator(seed, _WEATHER, pointing)
        parts.append(_visits(rng, pointing, nights, clear[pointing]))
        if history == "full":
            nights = np.arange(int(MJD_REF - HISTORIES["full"]), nights[0], CADENCE_DAYS)
            # The Sun hides a field for five months; the last season is whole.
            nights = nights[_sun_distance(POINTINGS[pointing, 0], nights) >= 80]
            parts.append(_visits(generator(seed, _WEATHER, pointing, 1), pointing, nights, set()))
    merged = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(merged["mjd"], kind="stable")
    columns: dict = {name: column[order] for name, column in merged.items()}
    mjd, pointing = columns["mjd"], columns["pointing_id"]
    columns["id"] = np.arange(1, len(mjd) + 1)
    columns["filename"] = [f"{name}.ddc" for name in columns["expname"]]
    columns["pointing"] = np.array([_title(ra, dec) for ra, dec in POINTINGS])[pointing].tolist()
    columns["date_inserted"] = iso_dates(mjd + 0.04)
    for name in ("filter", "expname"):
        columns[name] = columns[name].tolist()
    of_pointing = [np.flatnonzero(pointing == index) for index in range(len(POINTINGS))]
    return Exposures(columns, of_pointing)


def _visits(
    rng: np.random.Generator, pointing: int, nights: np.ndarray, clear: set[int]
) -> dict[str, np.ndarray]:
    """Visit one pointing on the nights without clouds; return columns of its exposures."""
    nights = nights[~_clouds(rng, len(nights)) | np.isin(nights, list(clear))]
    night_site = rng.choice(_SITES, len(nights))
    start = nights + 0.3 + (pointing % 17) * 0.012
    visit = np.arange(VISITS)
    times = start[:, None] + visit * 0.009 + rng.uniform(0, 1e-3, (len(nights), VISITS))
    if pointing % 5 == 3:
        # "ATLAS has wrong times": pairs of exposures with one time, on a night or two of a unit.
        (south,) = np.nonzero(night_site == "03a")
        times[south[:1], 3] = times[south[:1], 2]
    # A number is taken once a night and site: 47 are set aside for each pointing.
    number = 60 + pointing * 47 + visit * 11 + rng.integers(0, 11, (len(nights), 1))
    mjd, site = times.ravel(), np.repeat(night_site, VISITS)
    moon = _moonlight(mjd)
    band = _bands(mjd, site, moon)
    faintest = np.select([band == "c", band == "o", band == "w"], [19.9, 19.5, 19.2], 18.4)
    rows = zip(site.tolist(), mjd, number.ravel().tolist(), band.tolist(), strict=True)
    return {
        "mjd": mjd,
        "exptime": _exposure_times(rng, site),
        "filter": band,
        "zp": rng.normal(22.1, 0.15, len(mjd)),
        "expname": np.array([f"{s}{int(m):05d}o{n:04d}{b}" for s, m, n, b in rows]),
        "mag5sig": faintest - 0.9 * moon**2 - np.abs(rng.normal(0, 0.3, len(mjd))),
        "apfit": rng.normal(-0.45, 0.03, len(mjd)),
        "pointing_id": np.full(mjd.size, pointing),
    }


def _exposure_times(rng: np.random.Generator, site: np.ndarray) -> np.ndarray:
    """Expose for 30 s, but a few times for 110 s in Chile and 10 s on Mauna Loa."""
    chance = rng.random(len(site))
    usual = np.full(len(site), 30.0)
    return np.select(
        [(site == "04a") & (chance < 0.01), (site == "01a") & (chance < 0.005)],
        [110.0, 10.0],
        usual,
    )


def _clouds(rng: np.random.Generator, nights: int) -> np.ndarray:
    """Mark bad nights: single ones, and a spell of bad weather here and there."""
    bad = rng.random(nights) < 0.10
    for begin in np.flatnonzero(rng.random(nights) < 0.025):
        bad[begin : begin + rng.integers(2, 7)] = True
    return bad


def _sun_distance(ra: float, mjd: np.ndarray) -> np.ndarray:
    sun = (mjd - 61120.0) / 365.2422 * 360  # about RA 0 at the March equinox of 2026
    return np.abs((ra - sun + 180) % 360 - 180)


def _moonlight(mjd: np.ndarray) -> np.ndarray:
    """Lit fraction of the Moon, 0 to 1."""
    return 0.5 * (1 - np.cos(2 * np.pi * (mjd - _NEW_MOON_MJD) / _LUNATION_DAYS))


def _bands(mjd: np.ndarray, site: np.ndarray, moon: np.ndarray) -> np.ndarray:
    """Choose filters: c in dark time, o in bright time, w at the fifth unit, rarely t and h."""
    band = np.where(moon < 0.3, "c", "o")
    rare = (np.floor(mjd).astype(int) * 7919) % 97
    band = np.where(rare == 0, "t", np.where(rare == 1, "h", band))
    return np.where(site == "05r", "w", band)


def _title(ra: float, dec: float) -> str:
    return f"TA{int(ra):03d}{'N' if dec >= 0 else 'S'}{int(abs(dec)):02d}"

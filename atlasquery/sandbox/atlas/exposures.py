"""The survey of the sandbox: pointings and the exposures taken of them."""

from dataclasses import dataclass

import numpy as np

from .dates import iso_dates

__all__ = ["HISTORIES", "MJD_REF", "PLACES", "Exposures", "nearest_pointings", "observe"]

# The night of the newest data; everything in the sky is dated before it.
MJD_REF = 61360.0
SEASON_DAYS = 250.0
CADENCE_DAYS = 2
VISITS = 4

# Days before MJD_REF with exposures, by name of the history.
HISTORIES = {"season": SEASON_DAYS, "full": 9 * 365.25}

# Where the topics of the sky lie, degrees.
PLACES = {
    "main": (150.0, 2.2),
    "ra_zero": (0.0, 10.0),
    "north_pole": (120.0, 89.97),
    "south_pole": (300.0, -89.97),
    "crowded": (83.6, -5.4),
}
# None of these may lie near RA 180, dec +10: the plain mean of positions on both sides of RA 0.
_FIELDS = (
    (23.4, -31.0), (47.9, 18.6), (64.2, -12.3), (105.7, 33.1), (128.3, -20.8), (171.6, 55.4),
    (196.1, -8.9), (213.8, 27.5), (234.5, -41.2), (258.0, 61.7), (281.9, 8.4), (317.3, -25.6),
    (339.6, 36.2), (8.1, -62.5),
)  # fmt: skip
POINTINGS = np.array([*PLACES.values(), *_FIELDS])
FIRST_FIELD = len(PLACES)
# An ATLAS image is 5.4 degrees wide; objects lie well inside.
FOOTPRINT_DEG = 2.5

_SITES = np.array(["01a", "02a", "03a", "04a", "04a", "05r"])
_NEW_MOON_MJD = 51549.8
_LUNATION_DAYS = 29.530588


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


def nearest_pointings(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the index of the pointing nearest to each position.

    Parameters
    ----------
    ra, dec : numpy.ndarray
        Positions in degrees.

    Returns
    -------
    numpy.ndarray
        Indices into the pointings.
    """
    return np.argmax(_vectors(ra, dec) @ _vectors(*POINTINGS.T).T, axis=1)


def observe(rng: np.random.Generator, history: str) -> Exposures:
    """Take the exposures of every pointing.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the weather and of the noise.
    history : {"season", "full"}
        How far back the exposures go.

    Returns
    -------
    Exposures
        The exposures.
    """
    parts = [_visits(rng, pointing, history) for pointing in range(len(POINTINGS))]
    mjd, site, number, pointing = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(mjd, kind="stable")
    mjd, site, number, pointing = mjd[order], site[order], number[order], pointing[order]
    moon = _moonlight(mjd)
    band = _bands(mjd, site, moon)
    faintest = np.select([band == "c", band == "o", band == "w"], [19.9, 19.5, 19.2], 18.4)
    names = [
        f"{s}{int(m):05d}o{n:04d}{b}"
        for s, m, n, b in zip(site.tolist(), mjd, number.tolist(), band.tolist(), strict=True)
    ]
    titles = np.array([_title(ra, dec) for ra, dec in POINTINGS])[pointing].tolist()
    columns = {
        "id": np.arange(1, len(mjd) + 1),
        "mjd": mjd,
        "exptime": np.full(len(mjd), 30.0),
        "filter": band.tolist(),
        "zp": rng.normal(22.1, 0.15, len(mjd)),
        "expname": names,
        "filename": [f"{name}.ddc" for name in names],
        "pointing": titles,
        "mag5sig": faintest - 0.9 * moon**2 - np.abs(rng.normal(0, 0.3, len(mjd))),
        "date_inserted": iso_dates(mjd + 0.04),
        "apfit": rng.normal(-0.45, 0.03, len(mjd)),
        "pointing_id": pointing,
    }
    of_pointing = [np.flatnonzero(pointing == index) for index in range(len(POINTINGS))]
    return Exposures(columns, of_pointing)


def _visits(rng: np.random.Generator, pointing: int, history: str) -> tuple[np.ndarray, ...]:
    """Plan one pointing: times, sites and exposure numbers."""
    nights = np.arange(int(MJD_REF - HISTORIES[history]), int(MJD_REF), CADENCE_DAYS)
    ra = POINTINGS[pointing, 0]
    # The last season is whole; in the years before, the Sun hides a field for five months.
    hidden = (_sun_distance(ra, nights) < 80) & (nights < MJD_REF - SEASON_DAYS)
    nights = nights[~hidden & ~_clouds(rng, len(nights))]
    site = rng.choice(_SITES, len(nights))
    start = nights + 0.3 + (pointing % 17) * 0.012
    visit = np.arange(VISITS)
    mjd = start[:, None] + visit * 0.009 + rng.uniform(0, 1e-3, (len(nights), VISITS))
    # A number is taken once a night and site: 47 are set aside for each pointing.
    number = 60 + pointing * 47 + visit * 11 + rng.integers(0, 11, (len(nights), 1))
    return (
        mjd.ravel(),
        np.repeat(site, VISITS),
        np.broadcast_to(number, mjd.shape).ravel(),
        np.full(mjd.size, pointing),
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


def _vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)

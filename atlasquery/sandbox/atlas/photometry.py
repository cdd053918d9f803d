"""Light curves of the sandbox's objects: what each exposure measured of them."""

from collections import defaultdict

import numpy as np

from ..curves import ZERO_POINT, Curve, magnitude_of
from ..positions import offset
from ..sky import MJD_REF, generator
from .dates import iso_dates
from .exposures import LIMIT_SIGMA, Exposures

__all__ = [
    "REPEAT", "SCORES", "SCORE_COLUMNS", "detection_table", "difference_flux", "forced_table",
    "measure", "position_scatter",
]  # fmt: skip

# The stream of random numbers of the noise.
_NOISE = 3
#: Two measurements of one exposure differ by so much of the error.
REPEAT = 0.15
#: Per-mille scores (variable, transient, moving, known, noise, burn, cosmic ray, crosstalk,
#: scar) that the survey's classifier gives to detections of each kind, on average.
SCORES = {
    "supernova": (60, 880, 10, 0, 40, 0, 5, 0, 5),
    "orphan": (40, 850, 20, 0, 70, 0, 10, 0, 10),
    "variable": (870, 70, 0, 30, 20, 0, 5, 0, 5),
    "m_dwarf": (420, 380, 40, 80, 60, 5, 10, 0, 5),
    "agn": (820, 130, 0, 20, 20, 0, 5, 0, 5),
    "mover": (10, 90, 780, 90, 20, 0, 5, 0, 5),
    "quiet": (60, 880, 10, 0, 40, 0, 5, 0, 5),
}
#: The columns of these scores.
SCORE_COLUMNS = ("pvr", "ptr", "pmv", "pkn", "pno", "pbn", "pcr", "pxt", "psc")


class _Columns(defaultdict):
    """Columns that grow in chunks."""

    def __init__(self) -> None:
        super().__init__(list)

    def add(self, **pieces: np.ndarray) -> None:
        for name, values in pieces.items():
            self[name].append(values)

    def joined(self) -> dict[str, np.ndarray]:
        return {name: np.concatenate(pieces) for name, pieces in self.items()}


def difference_flux(
    curve: Curve, exposures: Exposures, pointing: int, rng: np.random.Generator | None = None,
    *, seed: int = 0, number: int = 0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Measure the difference flux of an object on the exposures of a pointing.

    Parameters
    ----------
    curve : Curve
        The light of the object.
    exposures : Exposures
        The exposures.
    pointing : int
        The pointing that shows the object.
    rng : numpy.random.Generator, optional
        Source of the noise; by default that of an object of the sky, which is the same for each
        exposure whoever measures it.
    seed, number : int, optional
        Seed of the sky and number of the object.

    Returns
    -------
    tuple of numpy.ndarray
        Flux and its error in uJy.
    """
    taken = exposures.conditions[pointing]
    if rng is None:
        rng = generator(seed, _NOISE, number)
    # The last season first, so that its noise is the same however far the history goes back.
    noise = np.empty(len(taken.sigma))
    for part in (taken.in_season, ~taken.in_season):
        noise[part] = rng.standard_normal(int(np.count_nonzero(part)))
    return curve.flux(taken.middle, taken.band) + taken.sigma * noise, taken.sigma.copy()


def measure(
    rng: np.random.Generator, objects: dict, curves: list[Curve], exposures: Exposures,
    *, seed: int | None = None,
) -> tuple[dict, dict]:  # fmt: skip
    """Measure every object on the exposures of its pointing.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the noise.
    objects : dict
        Arrays ``id``, ``ra``, ``dec``, ``pointing``, ``has_forced`` of the objects.
    curves : list of Curve
        The light of each object.
    exposures : Exposures
        The exposures.
    seed : int, optional
        Seed of the sky, whose objects these are; by default they are others.

    Returns
    -------
    tuple of dict
        Columns of the tables ``detections`` and ``forced``.
    """
    mjd = exposures.columns["mjd"]
    detections, forced = _Columns(), _Columns()
    for index, curve in enumerate(curves):
        pointing = int(objects["pointing"][index])
        seen = exposures.of_pointing[pointing]
        noise = rng if seed is None else generator(seed, _NOISE, index)
        flux, sigma = difference_flux(curve, exposures, pointing, noise)
        found = np.abs(flux) > LIMIT_SIGMA * sigma
        if curve.kind == "quiet":
            found[:] = False
        count = int(np.count_nonzero(found))
        detections.add(
            object_index=np.full(count, index), exposure=seen[found], flux=flux[found],
            sigma=sigma[found],
            scores=rng.normal(SCORES[curve.kind], 25, (count, len(SCORE_COLUMNS))),
        )  # fmt: skip
        if objects["has_forced"][index]:
            near = (mjd[seen] >= curve.start - 30) & (mjd[seen] < curve.start + 90)
            near |= found
            forced.add(
                object_index=np.full(near.sum(), index), exposure=seen[near],
                flux=(flux + REPEAT * sigma * rng.standard_normal(len(seen)))[near],
                sigma=sigma[near],
            )  # fmt: skip
    return (
        detection_table(rng, objects, detections.joined(), exposures),
        forced_table(rng, objects, forced.joined(), exposures),
    )


def position_scatter(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw how far measured positions are from the object.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the scatter.
    count : int
        Number of detections.

    Returns
    -------
    numpy.ndarray
        Arcsec east and north of each.
    """
    # An object on RA 0 has detections on both sides of it: 0.2 arcsec of scatter suffices.
    return rng.normal(0, 0.2, (2, count))


def detection_table(
    rng: np.random.Generator, objects: dict, found: dict, exposures: Exposures
) -> dict:
    """Complete the columns of the detections.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of what no light curve depends on; its first numbers are the positions.
    objects : dict
        Arrays ``id``, ``ra``, ``dec`` of the objects.
    found : dict
        Arrays ``object_index``, ``exposure``, ``flux``, ``sigma`` and ``scores`` of the detections.
    exposures : Exposures
        The exposures.

    Returns
    -------
    dict
        Columns of the table ``detections``.
    """
    of, at, flux, sigma = (found[k] for k in ("object_index", "exposure", "flux", "sigma"))
    count, snr = len(of), np.abs(flux) / sigma
    scatter = position_scatter(rng, count)
    ra, dec = offset(objects["ra"][of], objects["dec"][of], *scatter)
    scores = np.clip(found["scores"], 0, 999).astype(int)
    return {
        "object_id": objects["id"][of],
        "exposure_id": exposures.columns["id"][at],
        # A negative difference flux is sent as a negative magnitude.
        "mag": np.sign(flux) * magnitude_of(flux),
        "magerr": 1.0857 / snr,
        "ra": ra,
        "dec": dec,
        "x": rng.uniform(5, 10500, count),
        "y": rng.uniform(5, 10500, count),
        "major": rng.uniform(1.9, 3.0, count),
        "minor": rng.uniform(1.7, 2.4, count),
        "phi": rng.uniform(-90, 90, count),
        "det": np.where(rng.random(count) < 0.05, 5, 0),
        "chin": rng.uniform(0.8, 2.5, count),
        **dict(zip(SCORE_COLUMNS, scores.T, strict=True)),
        "dup": rng.choice([0, -1, 1], count, p=[0.95, 0.03, 0.02]),
        "wpflx": flux,
        "dflx": sigma,
        "date_inserted": iso_dates(exposures.columns["mjd"][at] + 0.05),
    }


def forced_table(
    rng: np.random.Generator, objects: dict, taken: dict, exposures: Exposures
) -> dict:
    """Complete the columns of the forced photometry.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of what no light curve depends on.
    objects : dict
        Arrays ``id``, ``ra``, ``dec`` of the objects.
    taken : dict
        Arrays ``object_index``, ``exposure``, ``flux`` and ``sigma`` of the measurements.
    exposures : Exposures
        The exposures.

    Returns
    -------
    dict
        Columns of the table ``forced``.
    """
    of, at, flux, sigma = (taken[k] for k in ("object_index", "exposure", "flux", "sigma"))
    count, snr, cells = len(of), np.abs(flux) / sigma, exposures.columns
    limit, failed, negative = snr < 3, rng.random(count) < 0.01, flux < 0
    major, minor = rng.uniform(1.9, 3.0, count), rng.uniform(1.7, 2.4, count)
    scale = cells["exptime"][at] / (major * minor)
    scale = scale * 10 ** (0.4 * (cells["zp"][at] + cells["apfit"][at] - ZERO_POINT))
    peak, peak_error = flux * scale, sigma * scale
    # Three ways to have no magnitude: a fit that failed, a limit, a negative flux.
    mag = np.where(negative, np.nan, magnitude_of(flux))
    mag = np.where(limit, cells["mag5sig"][at] + 0.55, mag)
    sky = rng.normal(900, 40, count)
    return {
        "atlas_object_id": objects["id"][of],
        "expname": [cells["expname"][k] for k in at],
        "mjd_obs": cells["mjd"][at],
        "ra": objects["ra"][of],
        "dec": objects["dec"][of],
        "filter": [cells["filter"][k] for k in at],
        "mag": np.where(failed, np.nan, mag),
        "dm": np.where(failed, np.nan, np.where(limit, 0.0, 1.0857 / snr)),
        "snr": np.where(limit, 3.0, snr),
        "zp": cells["zp"][at],
        "x": rng.uniform(5, 10500, count),
        "y": rng.uniform(5, 10500, count),
        "peakval": peak * 1.02 + sky,
        "skyval": sky,
        "peakfit": np.where(failed, np.nan, peak),
        "dpeak": np.where(failed, np.nan, peak_error),
        "skyfit": sky - 1,
        "flux": flux * 0.9,
        "dflux": sigma * 0.9,
        "chin": rng.uniform(0.8, 2.5, count),
        "major": major,
        "minor": minor,
        "snrdet": np.ones(count),
        "snrlimit": np.full(count, 3.0),
        # Without its own aperture correction a row takes that of its exposure.
        "apfit": np.where(rng.random(count) < 0.9, cells["apfit"][at], np.nan),
        "date_inserted": iso_dates(np.full(count, MJD_REF - 1)),
        "limiting_mag": (limit | failed).astype(int),
        "redo_photometry": np.zeros(count, dtype=int),
    }

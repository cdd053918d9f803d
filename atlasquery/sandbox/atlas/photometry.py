"""Light curves of the sandbox's objects: what each exposure measured of them."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from .dates import iso_dates
from .exposures import MJD_REF, SEASON_DAYS, Exposures
from .positions import offset

__all__ = ["KINDS", "Curve", "draw_curve", "measure"]

# AB zero point of fluxes in uJy.
_ZERO_POINT = 23.9
_LIMIT_SIGMA = 5
# Per-mille scores (variable, transient, moving, known, noise, burn, cosmic ray, crosstalk,
# scar) that the survey's classifier gives to detections of each kind, on average.
_SCORES = {
    "supernova": (60, 880, 10, 0, 40, 0, 5, 0, 5),
    "orphan": (40, 850, 20, 0, 70, 0, 10, 0, 10),
    "variable": (870, 70, 0, 30, 20, 0, 5, 0, 5),
    "m_dwarf": (420, 380, 40, 80, 60, 5, 10, 0, 5),
    "mover": (10, 90, 780, 90, 20, 0, 5, 0, 5),
    "quiet": (60, 880, 10, 0, 40, 0, 5, 0, 5),
}
_SCORE_COLUMNS = ("pvr", "ptr", "pmv", "pkn", "pno", "pbn", "pcr", "pxt", "psc")


@dataclass(frozen=True)
class Curve:
    """The changing light of one object.

    Attributes
    ----------
    kind : str
        Which family of light curves.
    start : float
        MJD of the first light.
    parameters : dict
        Numbers of the family.
    """

    kind: str
    start: float
    parameters: dict[str, float]

    def flux(self, mjd: np.ndarray, band: np.ndarray) -> np.ndarray:
        """Return the true difference flux.

        Parameters
        ----------
        mjd : numpy.ndarray
            Times.
        band : numpy.ndarray of str
            Filter of each time.

        Returns
        -------
        numpy.ndarray
            Signed difference flux in uJy.
        """
        return _FAMILIES[self.kind](self, mjd, band)


def draw_curve(rng: np.random.Generator, kind: str, mjd: np.ndarray) -> Curve:
    """Draw a light curve of a kind.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    kind : str
        ``supernova``, ``orphan``, ``variable``, ``m_dwarf``, ``mover`` or ``quiet``.
    mjd : numpy.ndarray
        Times at which the object was looked at in the last season; what lasts hours is put
        where it is seen.

    Returns
    -------
    Curve
        The light curve.
    """
    begin = MJD_REF - SEASON_DAYS
    if kind in ("supernova", "orphan", "quiet"):
        faint = {"supernova": (15.5, 18.2), "orphan": (17.2, 18.4), "quiet": (19.6, 20.2)}[kind]
        return Curve(kind, rng.uniform(begin + 10, MJD_REF - 30), {
            "peak": rng.uniform(*faint), "rise": rng.uniform(8, 18),
            "fall": rng.uniform(0.02, 0.06) if kind != "orphan" else rng.uniform(0.08, 0.2),
            "redden": rng.uniform(0.005, 0.02),
        })  # fmt: skip
    if kind == "variable":
        period = rng.choice([rng.uniform(0.4, 0.8), rng.uniform(150, 420)])
        return Curve(kind, begin, {
            "peak": rng.uniform(18.7, 19.5), "period": period, "phase": rng.uniform(0, 1),
        })  # fmt: skip
    night = np.floor(rng.choice(mjd[len(mjd) // 8 :]))
    first = mjd[np.floor(mjd) == night][rng.integers(0, 2)]
    if kind == "m_dwarf":
        return Curve(kind, first - 0.002, {"peak": rng.uniform(14.5, 17.0), "decay": 0.012})
    # A mover stays on one spot of the sky for one or two visits of a night.
    return Curve(kind, first - 0.001, {
        "peak": rng.uniform(16.5, 18.3), "stay": rng.choice([0.005, 0.0135]),
    })  # fmt: skip


def _microjansky(mag: Any) -> Any:
    return 10 ** (-0.4 * (mag - _ZERO_POINT))


def _explosion(curve: Curve, mjd: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Explode: a square-law rise, then a decline linear in magnitudes that reddens."""
    p = curve.parameters
    since_peak = mjd - curve.start - p["rise"]
    phase = np.clip((mjd - curve.start) / p["rise"], 0, 1)
    after = np.maximum(since_peak, 0)
    colour = np.where(band == "c", 0.05 + p["redden"] * after, 0.0)
    return phase**2 * _microjansky(p["peak"] + p["fall"] * after + colour)


def _pulsation(curve: Curve, mjd: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Pulsate about the mean of the reference image: half of the time negative."""
    p = curve.parameters
    turn = 2 * np.pi * ((mjd - curve.start) / p["period"] + p["phase"])
    shape = np.sin(turn) + 0.25 * np.sin(2 * turn)
    return shape * _microjansky(p["peak"]) * np.where(band == "c", 1.15, 1.0)


def _flare(curve: Curve, mjd: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Flare, bluish, and fade within the visits of one night."""
    p = curve.parameters
    since = mjd - curve.start
    light = np.where(since >= 0, np.exp(-np.maximum(since, 0) / p["decay"]), 0.0)
    return light * _microjansky(p["peak"]) * np.where(band == "c", 1.6, 1.0)


def _passage(curve: Curve, mjd: np.ndarray, band: np.ndarray) -> np.ndarray:
    p = curve.parameters
    here = (mjd >= curve.start) & (mjd < curve.start + p["stay"])
    return np.where(here, _microjansky(p["peak"]), 0.0)


_FAMILIES = {
    "supernova": _explosion, "orphan": _explosion, "quiet": _explosion,
    "variable": _pulsation, "m_dwarf": _flare, "mover": _passage,
}  # fmt: skip


#: The families of light curves.
KINDS = tuple(_FAMILIES)


class _Columns(defaultdict):
    """Columns that grow in chunks."""

    def __init__(self) -> None:
        super().__init__(list)

    def add(self, **pieces: np.ndarray) -> None:
        for name, values in pieces.items():
            self[name].append(values)

    def joined(self) -> dict[str, np.ndarray]:
        return {name: np.concatenate(pieces) for name, pieces in self.items()}


def measure(
    rng: np.random.Generator, objects: dict, curves: list[Curve], exposures: Exposures
) -> tuple[dict, dict]:
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

    Returns
    -------
    tuple of dict
        Columns of the tables ``detections`` and ``forced``.
    """
    mjd, depth = exposures.columns["mjd"], exposures.columns["mag5sig"]
    band = np.array(exposures.columns["filter"])
    detections, forced = _Columns(), _Columns()
    for index, curve in enumerate(curves):
        seen = exposures.of_pointing[objects["pointing"][index]]
        truth = curve.flux(mjd[seen], band[seen])
        sigma = _microjansky(depth[seen]) / _LIMIT_SIGMA
        flux = truth + sigma * rng.standard_normal(len(seen))
        found = (np.abs(flux) > _LIMIT_SIGMA * sigma) & (truth != 0)
        if curve.kind == "quiet":
            found[:] = False
        _record_detections(
            detections, rng, index, curve.kind, seen[found], flux[found], sigma[found]
        )
        if objects["has_forced"][index]:
            near = (mjd[seen] >= curve.start - 30) & (mjd[seen] < curve.start + 90)
            near |= found
            forced.add(
                object_index=np.full(near.sum(), index), exposure=seen[near], flux=flux[near],
                sigma=sigma[near],
            )  # fmt: skip
    return (
        _detection_table(rng, objects, detections.joined(), exposures),
        _forced_table(rng, objects, forced.joined(), exposures),
    )


def _record_detections(
    columns: _Columns,
    rng: np.random.Generator,
    index: int,
    kind: str,
    exposure: np.ndarray,
    flux: np.ndarray,
    sigma: np.ndarray,
) -> None:
    count = len(exposure)
    scores = np.clip(rng.normal(_SCORES[kind], 25, (count, len(_SCORE_COLUMNS))), 0, 999)
    columns.add(
        object_index=np.full(count, index), exposure=exposure, flux=flux, sigma=sigma,
        **{name: scores[:, k].astype(int) for k, name in enumerate(_SCORE_COLUMNS)},
    )  # fmt: skip


def _detection_table(
    rng: np.random.Generator, objects: dict, found: dict, exposures: Exposures
) -> dict:
    """Complete the columns of the detections."""
    of, at, flux, sigma = (found.pop(k) for k in ("object_index", "exposure", "flux", "sigma"))
    count, snr = len(of), np.abs(flux) / sigma
    # An object on RA 0 has detections on both sides of it: 0.2 arcsec of scatter suffices.
    scatter = rng.normal(0, 0.2, (2, count))
    ra, dec = offset(objects["ra"][of], objects["dec"][of], *scatter)
    return {
        "object_id": objects["id"][of],
        "exposure_id": exposures.columns["id"][at],
        # A negative difference flux is sent as a negative magnitude.
        "mag": np.sign(flux) * (_ZERO_POINT - 2.5 * np.log10(np.abs(flux))),
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
        **found,
        "dup": rng.choice([0, -1, 1], count, p=[0.95, 0.03, 0.02]),
        "wpflx": flux,
        "dflx": sigma,
        "date_inserted": iso_dates(exposures.columns["mjd"][at] + 0.05),
    }


def _forced_table(
    rng: np.random.Generator, objects: dict, taken: dict, exposures: Exposures
) -> dict:
    """Complete the columns of the forced photometry."""
    of, at, flux, sigma = (taken[k] for k in ("object_index", "exposure", "flux", "sigma"))
    count, snr, cells = len(of), np.abs(flux) / sigma, exposures.columns
    limit, failed, negative = snr < 3, rng.random(count) < 0.01, flux < 0
    major, minor = rng.uniform(1.9, 3.0, count), rng.uniform(1.7, 2.4, count)
    scale = cells["exptime"][at] / (major * minor)
    scale = scale * 10 ** (0.4 * (cells["zp"][at] + cells["apfit"][at] - _ZERO_POINT))
    peak, peak_error = flux * scale, sigma * scale
    # Three ways to have no magnitude: a fit that failed, a limit, a negative flux.
    mag = np.where(negative, np.nan, _ZERO_POINT - 2.5 * np.log10(np.abs(flux)))
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

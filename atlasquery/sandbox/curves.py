"""Light curves of the synthetic sky: the true flux of an object at any time in any band."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "EFFECTIVE_WAVELENGTH", "KINDS", "ZERO_POINT", "Curve", "draw_curve", "flux_of", "fluxes",
    "magnitude_of",
]  # fmt: skip

#: AB zero point of fluxes in uJy.
ZERO_POINT = 23.9
#: Effective wavelength of each band in Angstrom; other bands, such as ATLAS t, h and w, are as o.
EFFECTIVE_WAVELENGTH = {
    "u": 3751.0, "g": 4742.0, "c": 5330.0, "r": 6173.0, "o": 6790.0, "i": 7502.0, "z": 8679.0,
    "y": 9712.0,
}  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """The changing light of one object.

    Attributes
    ----------
    kind : str
        Which family of light curves.
    start : float
        Time of the first light, MJD in TAI.
    parameters : dict
        Numbers of the family.
    waves : tuple of tuple
        Amplitude, period in days and phase of each wave that an active nucleus consists of.
    """

    kind: str
    start: float
    parameters: dict[str, float]
    waves: tuple[tuple[float, float, float], ...] = ()

    def flux(self, mjd: Any, band: Any) -> np.ndarray:
        """Return the true difference flux.

        Parameters
        ----------
        mjd : float or numpy.ndarray
            Times, MJD in TAI.
        band : str or numpy.ndarray of str
            Filter of each time.

        Returns
        -------
        numpy.ndarray
            Signed difference flux in uJy.
        """
        return _FAMILIES[self.kind](self, np.asarray(mjd, dtype=float), blueness(band))


def fluxes(curves: Sequence[Curve], mjd: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Return the true difference fluxes of many objects at the same times.

    Parameters
    ----------
    curves : sequence of Curve
        Their light curves.
    mjd : numpy.ndarray
        Times, MJD in TAI.
    band : numpy.ndarray of str
        Filter of each time.

    Returns
    -------
    numpy.ndarray
        Signed difference flux in uJy: a row for each object, a column for each time.

    Examples
    --------
    >>> one = Curve("variable", 61300.0, {"peak": 18.9, "period": 0.5, "phase": 0.25})
    >>> fluxes([one, one], np.array([61300.0, 61300.25]), np.array(["o", "o"]))
    array([[ 100., -100.],
           [ 100., -100.]])
    """
    found = np.empty((len(curves), len(mjd)))
    for kind in {curve.kind for curve in curves}:
        rows = [n for n, curve in enumerate(curves) if curve.kind == kind]
        found[rows] = _stacked([curves[n] for n in rows]).flux(mjd, band)
    return found


def _stacked(curves: Sequence[Curve]) -> Curve:
    """Return curves of one kind as one, whose numbers are columns."""

    def column(values: Sequence[float]) -> Any:
        return np.array(values)[:, np.newaxis]

    return Curve(
        curves[0].kind,
        column([curve.start for curve in curves]),
        {
            name: column([curve.parameters[name] for curve in curves])
            for name in curves[0].parameters
        },
        tuple(
            tuple(map(column, zip(*waves, strict=True)))
            for waves in zip(*(curve.waves for curve in curves), strict=True)
        ),
    )


def flux_of(mag: Any) -> Any:
    """Return the flux of an AB magnitude.

    Parameters
    ----------
    mag : float or numpy.ndarray
        The magnitude.

    Returns
    -------
    float or numpy.ndarray
        Flux in uJy.
    """
    return 10 ** (-0.4 * (np.asarray(mag) - ZERO_POINT))


def magnitude_of(flux: Any) -> Any:
    """Return the AB magnitude of a flux, whose sign is ignored.

    Parameters
    ----------
    flux : float or numpy.ndarray
        Flux in uJy.

    Returns
    -------
    float or numpy.ndarray
        The magnitude.
    """
    return ZERO_POINT - 2.5 * np.log10(np.abs(flux))


def blueness(band: Any) -> np.ndarray:
    """Return how blue a band is: 0 for ATLAS o, 1 for ATLAS c, linear in wavelength.

    Parameters
    ----------
    band : str or numpy.ndarray of str
        The band.

    Returns
    -------
    numpy.ndarray
        The number of each.
    """
    names = np.asarray(band)
    if names.dtype == "U1":
        # Letters are numbers, which index a table faster than they are sorted.
        letters = np.ascontiguousarray(names).view(np.uint32)
        return _BLUENESS.take(np.minimum(letters, len(_BLUENESS) - 1)).reshape(names.shape)
    found, index = np.unique(names, return_inverse=True)
    return np.array([_blueness(str(name)) for name in found])[index].reshape(names.shape)


def _blueness(band: str) -> float:
    red, blue = EFFECTIVE_WAVELENGTH["o"], EFFECTIVE_WAVELENGTH["c"]
    return (red - EFFECTIVE_WAVELENGTH.get(band, red)) / (red - blue)


# By the number of the letter; the last one is of no band.
_BLUENESS = np.array([_blueness(chr(letter)) for letter in range(128)])


def draw_curve(
    rng: np.random.Generator, kind: str, season: tuple[float, float], visits: Sequence[float]
) -> Curve:
    """Draw a light curve of a kind.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    kind : str
        One of `KINDS`.
    season : tuple of float
        First and last MJD of the season in which something happens.
    visits : sequence of float
        Times at which ATLAS begins to visit the place, one each night; what lasts hours is put
        where it is seen.

    Returns
    -------
    Curve
        The light curve.
    """
    begin, end = season
    if kind in ("supernova", "orphan", "quiet"):
        faint = {"supernova": (15.5, 18.2), "orphan": (17.2, 18.4), "quiet": (19.6, 20.2)}[kind]
        return Curve(kind, rng.uniform(begin + 10, end - 30), {
            "peak": rng.uniform(*faint), "rise": rng.uniform(8, 18),
            "fall": rng.uniform(0.02, 0.06) if kind != "orphan" else rng.uniform(0.08, 0.2),
            "redden": rng.uniform(0.005, 0.02),
        })  # fmt: skip
    if kind == "variable":
        period = float(rng.choice([rng.uniform(0.4, 0.8), rng.uniform(150, 420)]))
        return Curve(kind, begin, {
            "peak": rng.uniform(18.7, 19.5), "period": period, "phase": rng.uniform(0, 1),
        })  # fmt: skip
    if kind == "agn":
        # A damped random walk, which has most of its power above its damping time.
        periods = np.exp(rng.uniform(np.log(4), np.log(600), 16))
        power = 1 / np.sqrt(1 + (60 / periods) ** 2)
        power /= np.sqrt(np.sum(power**2) / 2)
        waves = zip(power.tolist(), periods.tolist(), rng.random(16).tolist(), strict=True)
        return Curve(kind, begin, {"peak": rng.uniform(18.4, 19.2)}, tuple(waves))
    night = visits[int(rng.integers(len(visits) // 8, len(visits)))]
    first = night + float(rng.integers(0, 2)) * 0.009
    if kind == "m_dwarf":
        return Curve(kind, first - 0.002, {"peak": rng.uniform(14.5, 17.0), "decay": 0.012})
    # A mover stays on one spot of the sky for one or two visits of a night.
    return Curve(kind, first - 0.001, {
        "peak": rng.uniform(16.5, 18.3), "stay": float(rng.choice([0.005, 0.0135])),
    })  # fmt: skip


def _explosion(curve: Curve, mjd: np.ndarray, blue: np.ndarray) -> np.ndarray:
    """Explode: a square-law rise, then a decline linear in magnitudes that reddens."""
    p = curve.parameters
    since_peak = mjd - curve.start - p["rise"]
    phase = np.clip((mjd - curve.start) / p["rise"], 0, 1)
    after = np.maximum(since_peak, 0)
    colour = blue * (0.05 + p["redden"] * after)
    return phase**2 * flux_of(p["peak"] + p["fall"] * after + colour)


def _pulsation(curve: Curve, mjd: np.ndarray, blue: np.ndarray) -> np.ndarray:
    """Pulsate about the mean of the reference image: half of the time negative."""
    p = curve.parameters
    turn = 2 * np.pi * ((mjd - curve.start) / p["period"] + p["phase"])
    shape = np.sin(turn) + 0.25 * np.sin(2 * turn)
    return shape * flux_of(p["peak"]) * 1.15**blue


def _wander(curve: Curve, mjd: np.ndarray, blue: np.ndarray) -> np.ndarray:
    """Wander about the mean of the reference image, on all time scales."""
    since = mjd - curve.start
    shape = np.zeros(np.shape(since))
    for amplitude, period, phase in curve.waves:
        shape = shape + amplitude * np.sin(2 * np.pi * (since / period + phase))
    return shape * flux_of(curve.parameters["peak"]) * 1.1**blue


def _flare(curve: Curve, mjd: np.ndarray, blue: np.ndarray) -> np.ndarray:
    """Flare, bluish, and fade within the visits of one night."""
    p = curve.parameters
    since = mjd - curve.start
    light = np.where(since >= 0, np.exp(-np.maximum(since, 0) / p["decay"]), 0.0)
    return light * flux_of(p["peak"]) * 1.6**blue


def _passage(curve: Curve, mjd: np.ndarray, blue: np.ndarray) -> np.ndarray:
    """Pass through: light for the time that it stays on the spot."""
    p = curve.parameters
    here = (mjd >= curve.start) & (mjd < curve.start + p["stay"])
    return np.where(here, flux_of(p["peak"]), 0.0) * np.ones(np.shape(blue))


_FAMILIES = {
    "supernova": _explosion, "orphan": _explosion, "quiet": _explosion, "variable": _pulsation,
    "m_dwarf": _flare, "mover": _passage, "agn": _wander,
}  # fmt: skip

#: The families of light curves.
KINDS = tuple(_FAMILIES)

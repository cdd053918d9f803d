"""Mean and standard deviation of the distance along a direction of a sky map.

Maps give the parameters mu and sigma of p(r) = N r^2 exp(-(r - mu)^2 / (2 sigma^2)) for r > 0
(Singer et al. 2016, ApJL 829, L15), whose moments are not mu and sigma.
"""

import numpy as np

from atlasquery.regions.cells import library

__all__ = ["distance_moments"]

# Below this mu / sigma the closed form loses its digits, and a continued fraction has them all.
FAR_BELOW = -3.0
# Terms of the continued fraction, which are enough for 16 digits from there on.
TERMS = 60


def distance_moments(mu: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation of the distance in each direction.

    Parameters
    ----------
    mu, sigma : `~numpy.ndarray`
        The parameters; an infinite `mu` means that there is no distance, and so does any
        `sigma` that is not above 0.

    Returns
    -------
    mean, std : `~numpy.ndarray`
        In the unit of the parameters; NaN where there is no distance.
    """
    mean, std = np.full(len(mu), np.nan), np.full(len(mu), np.nan)
    known = np.isfinite(mu) & np.isfinite(sigma) & (sigma > 0)
    with np.errstate(over="ignore", invalid="ignore"):
        z = mu / np.where(sigma > 0, sigma, 1)
    # A ratio beyond all floats is a distance without an uncertainty, or without a meaning.
    known &= np.abs(z) < 1e150
    for rows, moments in (
        (known & (z > FAR_BELOW), _closed),
        (known & (z <= FAR_BELOW), _fraction),
    ):
        rows = np.flatnonzero(rows)
        if len(rows):
            scaled, spread = moments(z[rows])
            mean[rows], std[rows] = scaled * sigma[rows], spread * sigma[rows]
    return mean, std


def _closed(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the moments in units of sigma, by moments of a truncated normal distribution."""
    # phi(z) / Phi(z), without the logarithm of a number that is 0 for a float.
    h = np.sqrt(2 / np.pi) / library("scipy.special").erfcx(-z / np.sqrt(2))
    # About z instead of 0, so that no digits are lost where z is large.
    second = z**2 + 1 + z * h
    shift = 2 * (z + h) / second
    return z + shift, np.sqrt((second + 2) / second - shift**2)


def _fraction(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the moments in units of sigma, for a mean far below 0.

    The integrals of r^k exp(-(r - z)^2 / 2) have the ratios k R(k), where R(k) =
    1 / (R(k + 1) (k + 1) - z) is a continued fraction: those of repeated integrals of the
    error function.
    """
    ratio = np.zeros_like(z)
    ratios = {}
    for k in range(TERMS, 2, -1):
        ratio = 1 / ((k + 1) * ratio - z)
        ratios[k] = ratio
    mean = 3 * ratios[3]
    return mean, np.sqrt(12 * ratios[3] * ratios[4] - mean**2)

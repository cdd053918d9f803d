"""The bits of the reasons not to trust a measurement."""

from enum import IntFlag
from typing import Any

import numpy as np

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.tables import Column, table_column

__all__ = [
    "FAINT",
    "FLAG",
    "REPEATS",
    "Flag",
    "excluded",
    "flag_column",
    "flags_of",
    "withdrawn",
]


class Flag(IntFlag):
    """The bits of the column ``flag``: why `clean` does not trust a row.

    A row without bits is good. `LOW_SNR` and `BELOW_LIMIT` say that a
    measurement is faint, not that it is bad: `bin` still uses it.
    """

    #: ``flux_err`` is too large.
    LARGE_ERROR = 1
    #: ``flux_err`` is 0 or missing, though there is a flux.
    NO_ERROR = 2
    #: ``error_code`` of the photometry is not 0.
    ERROR_CODE = 4
    #: ``x`` or ``y`` is near the edge of the detector.
    EDGE = 8
    #: ``psf_major`` or ``psf_minor`` is too small or too large.
    PSF = 16
    #: ``aperture_correction`` is out of range.
    APERTURE = 32
    #: ``limiting_mag`` is too bright: clouds, the Moon, or a failed solution.
    SHALLOW = 64
    #: ``sky_brightness`` is too bright.
    SKY = 128
    #: ``reduced_chi2`` of the fit is too large.
    CHI2 = 256
    #: An outlier among its neighbours, or in its bin.
    OUTLIER = 512
    #: A duplicate that the survey's web pages leave out.
    DUPLICATE = 1024
    #: All of its bin disagree, or too few are left.
    BAD_BIN = 2048
    #: The control light curves are not 0 in this exposure.
    CONTROL = 4096
    #: Flux below so many errors: a non-detection.
    LOW_SNR = 8192
    #: Fainter than the limit of its exposure: a non-detection.
    BELOW_LIMIT = 16384
    #: No measurement: neither a flux nor a magnitude nor a limit is known.
    FAILED = 32768
    #: LSST has withdrawn the measurement.
    WITHDRAWN = 65536


#: When LSST withdrew a measurement: in its light curves, and in those that were combined.
WITHDRAWN = ("timeWithdrawnMjdTai", "lsst_timeWithdrawnMjdTai")
#: Of combined light curves, the measurement that a row repeats.
REPEATS = "duplicate_of"
FAINT = Flag.LOW_SNR | Flag.BELOW_LIMIT
FLAG = Column(
    "flag",
    int,
    about="0 is good; bits: " + ", ".join(f"{bit.value} {bit.name}" for bit in Flag),
    required=True,
)


def flag_column(flag: np.ndarray) -> Any:
    """Return the column of flags, whose description names the bits.

    Parameters
    ----------
    flag : `~numpy.ndarray` of int64
        The bits of each row.

    Returns
    -------
    `~astropy.table.Column`
        The column ``flag``.
    """
    return table_column(FLAG, flag, None)


def flags_of(source: CurveArrays) -> np.ndarray | None:
    """Return the flags that light curves have.

    Parameters
    ----------
    source : CurveArrays
        Their columns.

    Returns
    -------
    `~numpy.ndarray` of int64 or None
        None where there is no such column.

    Raises
    ------
    InvalidQueryError
        If only some have it, or it is not a column of bits.
    """
    if not source.has("flag"):
        if source.has_some("flag"):
            raise InvalidQueryError("some light curves have the column flag and others have not")
        return None
    if (bits := source.whole("flag")) is not None:
        return bits
    flags = source.numbers("flag")
    whole = np.nan_to_num(flags).astype(np.int64)
    if np.any(whole != np.nan_to_num(flags)) or np.any(whole < 0):
        raise InvalidQueryError("the column flag should hold bits, which are whole numbers from 0")
    return whole


def excluded(source: CurveArrays) -> np.ndarray:
    """Return which rows do not count: flagged as bad, withdrawn, or repeating another one.

    What is only faint counts.

    Parameters
    ----------
    source : CurveArrays
        The columns of light curves.

    Returns
    -------
    `~numpy.ndarray` of bool
        For each row.
    """
    flags = flags_of(source) if len(source.curves) else None
    bad = np.zeros(len(source), bool) if flags is None else (flags & ~int(FAINT)) != 0
    for name in (*WITHDRAWN, REPEATS):
        if source.has_some(name):
            bad |= source.known_of_some(name)
    return bad


def withdrawn(source: CurveArrays) -> np.ndarray:
    """Return which rows LSST has withdrawn.

    Parameters
    ----------
    source : CurveArrays
        The columns of light curves.

    Returns
    -------
    `~numpy.ndarray` of bool
        For each row.
    """
    gone = np.zeros(len(source), bool)
    for name in WITHDRAWN:
        if source.has_some(name):
            gone |= source.known_of_some(name)
    return gone

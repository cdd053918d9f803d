"""Filters of lists: what is sent, and what is cut locally because the server's cut is coarse."""

from numbers import Real
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.service.inputs import check_choice
from atlasquery.tables import Rows

__all__ = [
    "Range",
    "check_ranges",
    "check_strings",
    "date_sent",
    "dates",
    "sent_ranges",
    "since",
    "within_ranges",
]

SHERLOCK_CLASSES = ("ORPHAN", "SN", "NT", "VS", "CV", "BS", "AGN", "UNCLEAR", "HPM")

Range = tuple[float | None, float | None]

# Public name -> wire name, name of the column, unit, and the values that exist.
RANGES = {
    "vra": ("vra", "vra_rank", None, (-np.inf, np.inf)),
    "real_bogus": ("rb_pix", "real_bogus", None, (-np.inf, np.inf)),
    "ra": ("ra", "ra", u.deg, (0.0, 360.0)),
    "dec": ("dec", "dec", u.deg, (-90.0, 90.0)),
}
# The database has some columns in 32 bits and compares them in 64: the row that is shown with
# vra 5.1185 is not among those with vra_gte=5.1185. So a slightly wider range is requested.
MARGIN = 1e-5

MJD_ZERO = np.datetime64("1858-11-17", "us")
# The server's time stamps lie between these: a bound before them is no bound.
FIRST_MJD, LAST_MJD = 40587.0, 88069.0


def check_ranges(**given: object) -> dict[str, Range]:
    """Return ranges of numbers, or refuse them.

    Parameters
    ----------
    **given : pair of numbers or None
        By public name: vra, real_bogus, ra, dec.

    Returns
    -------
    dict of str to tuple
        Low and high, each None where it is open, of the names that have a bound.
    """
    ranges = {
        name: _check_range(name, pair, *RANGES[name][2:])
        for name, pair in given.items()
        if pair is not None
    }
    return {name: pair for name, pair in ranges.items() if pair != (None, None)}


def _check_range(name: str, pair: Any, unit: u.Unit | None, limits: tuple[float, float]) -> Range:
    shape = f"{name}={pair!r:.80} should be a pair (low, high), with None where it is open"
    if isinstance(pair, (str, bytes, dict, set)):
        raise InvalidQueryError(shape)
    try:
        low, high = pair
    except (TypeError, ValueError) as error:
        raise InvalidQueryError(shape) from error
    low, high = (_bound(name, value, unit, limits) for value in (low, high))
    if low is not None and high is not None and low > high:
        across = "; a range across RA 0 takes two queries" if name == "ra" else ""
        raise InvalidQueryError(f"{name} has low={low:g} above high={high:g}{across}")
    return low, high


def _bound(
    name: str, value: object, unit: u.Unit | None, limits: tuple[float, float]
) -> float | None:
    if value is None:
        return None
    number = _degrees(name, value) if unit else value
    if not isinstance(number, Real) or isinstance(number, (bool, np.bool_)):
        raise InvalidQueryError(f"{name} has the bound {value!r:.80}, which should be a number")
    number = float(number)
    if not np.isfinite(number) or not limits[0] <= number <= limits[1]:
        inside = f" from {limits[0]:g} to {limits[1]:g}" if unit else ""
        raise InvalidQueryError(
            f"{name} has the bound {value!s:.80}, which should be finite{inside}; None is open"
        )
    return number


def _degrees(name: str, value: object) -> object:
    if isinstance(value, (Real, np.bool_)):
        return value
    try:
        degrees = Angle(value).to_value(u.deg)
    except (u.UnitsError, ValueError, TypeError) as error:
        raise InvalidQueryError(
            f"{name} has the bound {value!r:.80}, which should be degrees or an angle with its unit"
        ) from error
    return float(degrees) if np.ndim(degrees) == 0 else None


def check_strings(sherlock_class: str | None, spec_type: str | None) -> dict[str, str]:
    """Return the filters by strings as they are sent.

    Parameters
    ----------
    sherlock_class : str or None
        One of Sherlock's classes, in any case.
    spec_type : str or None
        A spectral type or status.

    Returns
    -------
    dict of str to str
        By wire name.
    """
    strings = {}
    if sherlock_class is not None:
        given = sherlock_class.strip().upper() if isinstance(sherlock_class, str) else None
        if given not in SHERLOCK_CLASSES:
            check_choice(given or sherlock_class, name="sherlock_class", known=SHERLOCK_CLASSES)
        strings["sherlock_class"] = given
    if spec_type is not None:
        # A blank one would be ignored by the server, and a zero byte refused.
        if not isinstance(spec_type, str) or not spec_type.strip() or not spec_type.isprintable():
            raise InvalidQueryError(
                f"spec_type={spec_type!r} should be a type as the lists give it, such as 'SN Ia'"
            )
        strings["spec_type"] = spec_type.strip()
    return strings


def sent_ranges(ranges: dict[str, Range]) -> dict[str, float]:
    """Return ranges as they are sent.

    Parameters
    ----------
    ranges : dict of str to tuple
        What `check_ranges` returned.

    Returns
    -------
    dict of str to float
        By wire name, wider by the server's rounding.
    """
    sent = {}
    for name, (low, high) in ranges.items():
        wire, _, unit, _ = RANGES[name]
        margin = 0.0 if unit else MARGIN
        if low is not None:
            sent[f"{wire}_gte"] = low - margin * abs(low)
        if high is not None:
            sent[f"{wire}_lte"] = high + margin * abs(high)
    return sent


def within_ranges(rows: Rows, ranges: dict[str, Range]) -> np.ndarray:
    """Return which rows are within all ranges; a masked value is within none.

    Parameters
    ----------
    rows : Rows
        Rows of a list.
    ranges : dict of str to tuple
        What `check_ranges` returned.

    Returns
    -------
    `~numpy.ndarray` of bool
        One for each row.
    """
    keep = np.ones(len(rows), bool)
    for name, (low, high) in ranges.items():
        # NaN lies under the mask, and is within nothing.
        values = rows.values[RANGES[name][1]]
        keep &= values >= (-np.inf if low is None else low)
        keep &= values <= (np.inf if high is None else high)
    return keep


def _utc(mjd: float) -> np.datetime64:
    return MJD_ZERO + np.timedelta64(round(min(mjd, LAST_MJD) * 86_400_000_000), "us")


def date_sent(start: float | None) -> str | None:
    """Return a bound in time as it is sent, so that no row at or after it is left out.

    Lists compare with ``>`` and the VRA's tables with ``>=``, and time stamps
    have whole seconds: one second more is requested, and cut off locally.

    Parameters
    ----------
    start : float or None
        MJD.

    Returns
    -------
    str or None
        ISO 8601; None without a bound, and before 1970, when nothing was listed.
    """
    if start is None or start < FIRST_MJD + 1:
        return None
    bound = _utc(start) - np.timedelta64(1, "s")
    return f"{bound.astype('datetime64[s]')}Z"


def dates(rows: Rows, column: str) -> np.ndarray:
    """Return the time stamps of rows, NaT where it is missing.

    Parameters
    ----------
    rows : Rows
        The rows.
    column : str
        The public name of a column of time stamps.

    Returns
    -------
    `~numpy.ndarray` of `~numpy.datetime64`
        In UTC.
    """
    stamps = np.strings.rstrip(rows.values[column], "Z")
    try:
        return np.where(rows.masks[column], "NaT", stamps).astype("datetime64[us]")
    except ValueError as error:
        raise TableParseError(f"{column} is not an ISO 8601 time: {error}") from error


def since(rows: Rows, column: str, start: float | None) -> np.ndarray:
    """Return which rows have a time stamp at or after `start`.

    Parameters
    ----------
    rows : Rows
        The rows.
    column : str
        The public name of a column of time stamps.
    start : float or None
        MJD, good to a millisecond.

    Returns
    -------
    `~numpy.ndarray` of bool
        One for each row.
    """
    if start is None or start < FIRST_MJD + 1:
        return np.ones(len(rows), bool)
    return dates(rows, column) >= _utc(start) - np.timedelta64(1, "ms")

"""Dates as the server writes them, and as it reads them."""

import datetime as dt
import re

import numpy as np

__all__ = ["iso_date", "iso_dates", "read_date"]

# Months, days and hours of one digit are taken too.
_LOOSE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})[T ](\d{1,2}):(\d{1,2})(.*)")
_MJD_EPOCH = np.datetime64("1858-11-17T00:00:00", "s")


def iso_dates(mjd: np.ndarray) -> list[str | None]:
    """Write MJDs as ``YYYY-MM-DDTHH:MM:SSZ``.

    Parameters
    ----------
    mjd : numpy.ndarray
        Modified Julian dates; NaN gives None.

    Returns
    -------
    list of str or None
        The dates, to the second.
    """
    mjd = np.asarray(mjd, dtype=float)
    seconds = np.floor(np.nan_to_num(mjd) * 86400 + 1e-4).astype("timedelta64[s]")
    # Each moment is written once: thousands of rows are of the same exposure or day.
    moments, index = np.unique(seconds, return_inverse=True)
    texts = np.datetime_as_string(_MJD_EPOCH + moments, unit="s", timezone="UTC").tolist()
    dates = list(map(texts.__getitem__, index.tolist()))
    for missing in np.flatnonzero(np.isnan(mjd)).tolist():
        dates[missing] = None
    return dates


def iso_date(unix: float) -> str:
    """Write a POSIX time as ``YYYY-MM-DDTHH:MM:SSZ``.

    Parameters
    ----------
    unix : float
        Seconds since 1970.

    Returns
    -------
    str
        The date, to the second.
    """
    return dt.datetime.fromtimestamp(int(unix), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_date(text: str) -> str:
    """Read an ISO 8601 date and write it as the server stores it.

    Without a zone it is UTC; without a time it is midnight.

    Parameters
    ----------
    text : str
        A date, such as ``2026-09-01``, ``2026-09-01 00:00`` or ``2026-09-01T05:00+05:00``.

    Returns
    -------
    str
        The date in UTC, to the second.

    Raises
    ------
    ValueError
        `text` is not such a date.
    """
    if not isinstance(text, str):
        raise ValueError(f"not a date: {text!r}")
    loose = _LOOSE.fullmatch(text)
    if loose:
        year, *parts, rest = loose.groups()
        month, day, hour, minute = (part.zfill(2) for part in parts)
        text = f"{year}-{month}-{day}T{hour}:{minute}{rest}"
    moment = dt.datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

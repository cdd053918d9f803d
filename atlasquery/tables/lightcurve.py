"""The class of light curves: a time series of astropy that prints with sensible digits."""

from collections.abc import Callable
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table.pprint import TableFormatter
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked

__all__ = ["LightCurve"]

# Significant digits of a typical flux error, which all fluxes of a table follow.
ERROR_DIGITS = 3
MOST_DECIMALS = 6
POSITIONS = ("ra", "dec")


class _Readable(TableFormatter):
    """Prints columns with sensible digits, unless a format was set for them.

    A format in the column itself would round files too: astropy's writers of text write
    numbers as they are printed. They do not pass here.
    """

    def _pformat_col(self, col: Any, *args: Any, **options: Any) -> Any:
        form = None if col.info.format else _format(col)
        return super()._pformat_col(_with_format(col, form) if form else col, *args, **options)


class LightCurve(TimeSeries):
    """A light curve: a `~astropy.timeseries.TimeSeries` that prints with sensible digits.

    All else is as in a time series. Times are printed to 1e-6 d, positions to 1e-6 deg,
    magnitudes to 0.001, and fluxes with as many decimals as their errors call for; the
    values are exact, and so are the files that are written from them. A ``format`` that
    is set for a column has its way.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.time import Time
    >>> from atlasquery.tables import LightCurve
    >>> lc = LightCurve(time=Time([61110.384185385981], format="mjd"))
    >>> lc["flux"] = [64.33984347171467] * u.uJy
    >>> lc["flux_err"] = [4.815733] * u.uJy
    >>> lc.pprint()
        time      flux flux_err
                  uJy    uJy
    ------------ ----- --------
    61110.384185 64.34     4.82
    >>> lc["flux"][0]
    <Quantity 64.33984347 uJy>
    """

    TableFormatter = _Readable


def _format(column: Any) -> str | Callable | None:
    """Return the format of a column for the eye; None leaves it to astropy."""
    if isinstance(column, Time):
        return _time_text if column.format in ("mjd", "jd") else None
    if getattr(column, "dtype", np.dtype("O")).kind != "f":
        return None
    unit = column.info.unit
    if unit == u.deg:
        is_position = str(column.info.name).split("_")[-1] in POSITIONS
        return ".6f" if is_position else ".2f"
    if unit in (u.mag, u.ABmag):
        return ".3f"
    if unit == u.arcsec:
        return ".2f"
    if unit is not None and unit.is_equivalent(u.Jy):
        return _flux_format(column)
    # Numbers without a unit that astropy prints to the last bit, such as a reduced chi squared.
    return ".6g" if unit is None else None


def _time_text(time: Time) -> str:
    return str(time.value) if np.any(time.mask) else f"{time.value:.6f}"


def _flux_format(column: Any) -> str | None:
    """Return the format of fluxes: all of a table have the same decimals."""
    table = column.info.parent_table
    errors = column if table is None or "flux_err" not in table.columns else table["flux_err"]
    values = np.asarray(getattr(errors, "unmasked", errors), float)
    values = np.abs(values[~_mask(errors) & np.isfinite(values) & (values != 0)])
    if not len(values):
        return None
    decimals = ERROR_DIGITS - 1 - int(np.floor(np.log10(np.median(values))))
    return f".{max(decimals, 0)}f" if decimals <= MOST_DECIMALS else ".4g"


def _mask(column: Any) -> np.ndarray:
    return column.mask if isinstance(column, Masked) else np.ma.getmaskarray(column)


def _with_format(column: Any, form: str | Callable) -> Any:
    """Return a view of a column that has a format; the column is not changed."""
    view = column[:]
    info = column.info
    for attribute in ("name", "description"):
        setattr(view.info, attribute, getattr(info, attribute))
    view.info.format = form
    return view

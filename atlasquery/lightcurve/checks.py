"""Checks of light curves and of the arguments of functions for them."""

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, cast

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.schema import SCHEMA
from atlasquery.service.inputs import suggest

__all__ = [
    "UNITS",
    "check_light_curve",
    "check_number",
    "check_quantity",
    "conversion",
    "one_scale",
]

UNITS = {column.name: column.unit for column in SCHEMA}
RIGHT = "a light curve is a TimeSeries or a table with a Time column 'time'"


def check_light_curve(
    lc: Table, *needed: str, name: str = "lc", units: Mapping[str, u.UnitBase] | None = None
) -> None:
    """Refuse what is not a light curve, or a column that is missing or in a wrong unit.

    Parameters
    ----------
    lc : `~astropy.table.Table`
        A light curve, or a table with its columns.
    *needed : str
        The columns needed in addition to the time.
    name : str, optional
        Name of the light curve in messages.
    units : mapping of str to `~astropy.units.UnitBase`, optional
        The units of columns that are not of `SCHEMA`.

    Raises
    ------
    InvalidQueryError
        If it is not a table, or the message names the column that is wrong.
    """
    if not isinstance(lc, Table):
        raise InvalidQueryError(f"{name} is of type {type(lc).__name__}; {RIGHT}")
    _check_time(lc, name)
    missing = [column for column in needed if column not in lc.columns]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        near = suggest(missing[0], lc.colnames) if len(missing) == 1 else ""
        hint = near if near.startswith("; did") else f"; it has {', '.join(lc.colnames)}"
        raise InvalidQueryError(
            f"{name} is not a light curve for this: it has no column{plural} "
            f"{', '.join(missing)}{hint}"
        )
    known = UNITS if units is None else UNITS | dict(units)
    for column in needed:
        _check_unit(lc.columns[column], column, known.get(column), name)


def _check_time(lc: Table, name: str) -> None:
    time = lc.columns.get("time")
    if time is None:
        raise InvalidQueryError(f"{name} is not a light curve: it has no column time; {RIGHT}")
    if isinstance(time, Time):
        return
    what = type(time).__name__
    if what in ("TimeDelta", "Quantity", "MaskedQuantity"):
        raise InvalidQueryError(
            f"the column time of {name} is of type {what}, as of a folded light curve; it should "
            "be Time"
        )
    raise InvalidQueryError(
        f"the column time of {name} is of type {what}; it should be Time, such as "
        "Time(mjd, format='mjd', scale='utc')"
    )


def _check_unit(column: object, name: str, unit: u.UnitBase | None, of: str) -> None:
    if unit is None:
        return
    given = getattr(column, "unit", None)
    if given is unit:
        return
    if given is None:
        raise InvalidQueryError(f"the column {name} of {of} has no unit; it should be in {unit}")
    if conversion(given, unit, name) is not None:
        return
    if _is_logarithmic(given) and unit == u.uJy:
        # astropy converts one such flux, but neither its error nor a mean of several.
        raise InvalidQueryError(
            f"the column {name} of {of} is in {given}, which is logarithmic; it should be in "
            f"{unit} or a unit that converts to it by a factor: column.to('uJy'), or call it mag"
        )
    raise InvalidQueryError(
        f"the column {name} of {of} is in {given}; it should be in {unit} or a unit that "
        "converts to it"
    )


def _is_logarithmic(unit: object) -> bool:
    return isinstance(unit, u.function.FunctionUnitBase)


def conversion(given: u.UnitBase | None, unit: u.UnitBase, name: str) -> tuple[float, float] | None:
    """Return the conversion of a column into another unit.

    Parameters
    ----------
    given : `~astropy.units.UnitBase` or None
        The unit that the column has.
    unit : `~astropy.units.UnitBase`
        The unit to convert to. Magnitudes in ``mag`` are AB magnitudes.
    name : str
        The column; an error has no zero point.

    Returns
    -------
    tuple of float or None
        Factor and offset; None if the units do not convert.
    """
    if given is None:
        return None
    # astropy has no type stubs: its units are Any.
    source: Any = u.Unit(given)
    if not _is_logarithmic(source):
        factor = source.to(unit) if source.is_equivalent(unit) else 0.0
        # A magnitude is -0.4 dex: numbers in such a unit are not magnitudes.
        return (float(factor), 0.0) if factor > 0 else None
    if unit != u.mag or not isinstance(source, u.MagUnit):
        return None
    if not source.physical_unit.is_equivalent(u.uJy):
        return None
    return 1.0, 0.0 if name.endswith("_err") else float(source.to(u.ABmag, 0.0))


def check_quantity(
    value: object, *, name: str, unit: u.UnitBase, above: float | None = None
) -> float:
    """Return one number with a unit as a float in the unit named.

    Parameters
    ----------
    value : `~astropy.units.Quantity`
        The argument; a string such as ``"1 day"`` is read.
    name : str
        The argument's name, for messages.
    unit : `~astropy.units.UnitBase`
        The unit of the result.
    above : float, optional
        What it must be greater than, in that unit.

    Returns
    -------
    float
        The value in `unit`.

    Raises
    ------
    InvalidQueryError
        If it has no unit or a wrong one, is not one finite number, or is too small.
    """
    right = f"should be one number with a unit, such as 1 * u.{unit}"
    try:
        quantity = u.Quantity(value)
        if quantity.shape or quantity.unit == u.dimensionless_unscaled:
            raise TypeError
        number = float(quantity.to_value(unit))
    except (u.UnitsError, TypeError, ValueError) as error:
        raise InvalidQueryError(f"{name}={value!r} {right}") from error
    if not np.isfinite(number) or (above is not None and number <= above):
        least = "" if above is None else f" above {above:g}"
        raise InvalidQueryError(f"{name}={value!s} should be a finite number{least}")
    return number


def check_number(value: object, *, name: str, least: float) -> float:
    """Return a bare number.

    Parameters
    ----------
    value : float
        The argument.
    name : str
        The argument's name, for messages.
    least : float
        The smallest allowed value.

    Returns
    -------
    float
        The same.

    Raises
    ------
    InvalidQueryError
        If it is not a finite number, or too small.
    """
    real = isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_))
    number = float(cast("float", value)) if real else np.nan
    if not np.isfinite(number) or number < least:
        raise InvalidQueryError(f"{name}={value!r} should be a number of {least:g} or more")
    return number


def one_scale(curves: Iterable[tuple[str, Table]]) -> str:
    """Return the time scale that all light curves have.

    Parameters
    ----------
    curves : iterable of tuple
        A name for messages, and a light curve, of each.

    Returns
    -------
    str
        The scale, ``"utc"`` if there is no light curve.

    Raises
    ------
    InvalidQueryError
        If they differ: a minute lies between UTC and TDB.
    """
    first = None
    for name, lc in curves:
        scale = lc.columns["time"].scale
        if first is None:
            first = name, scale
        elif scale != first[1]:
            raise InvalidQueryError(
                f"the column time of {name} is in {scale!r} and that of {first[0]} in "
                f"{first[1]!r}: bring them to one scale first"
            )
    return first[1] if first else "utc"

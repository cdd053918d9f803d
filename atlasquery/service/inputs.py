"""Check arguments before anything is sent; errors name argument, value, and what is right."""

import contextlib
import difflib
import functools
import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from inspect import Parameter
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import (
    ICRS,
    Angle,
    BaseCoordinateFrame,
    SkyCoord,
    SphericalRepresentation,
    UnitSphericalRepresentation,
)
from astropy.time import Time
from astropy.time.core import ScaleValueError
from astropy.utils.masked import get_data_and_mask

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.positions import RIGHT, read_position
from atlasquery.service.secrets import Secret

__all__ = [
    "check_choice",
    "check_coordinates",
    "check_ids",
    "check_max_rows",
    "check_mjd",
    "check_names",
    "check_path",
    "check_radius",
    "check_secret_text",
    "check_time",
    "check_window",
    "column_names",
    "each_id",
    "icrs_positions",
    "numbered",
    "suggest",
    "with_suggestions",
]


# Valid words that a message lists.
LISTED = 40
# Arguments that are never shown.
SECRETS = ("password", "token")
# Representations that give the direction whatever the distance.
SPHERES = (SphericalRepresentation, UnitSphericalRepresentation)
# Later than any survey, and smaller than Julian dates or Unix times of surveys.
LAST_MJD = 1e5
# Julian dates of the years 490 to 3501.
JULIAN = (1.9e6, 3e6)
#: Julian date of MJD 0.
MJD_0 = 2400000.5
# Unix times from 1973 to 2128, and their units.
UNIX_RANGE = (1e8, 5e9)
UNIX = (("", 1), (" in milliseconds", 1e3), (" in microseconds", 1e6), (" in nanoseconds", 1e9))
# MJD at which Unix time begins.
UNIX_MJD = 40587.0
# The largest id that fits a column of integers.
LARGEST_ID = 2**63 - 1


def suggest(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown word.

    Parameters
    ----------
    word : str
        The value given.
    known : iterable of str
        The valid words.

    Returns
    -------
    str
        ``"; did you mean 'radius'?"``, or the first of the valid words if none is similar.
    """
    known = list(known)
    near = difflib.get_close_matches(str(word), known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    if not known:
        return ""
    # A light curve of several services has three hundred columns.
    others = f" and {len(known) - LISTED} others" if len(known) > LISTED + 1 else ""
    listed = known[:LISTED] if others else known
    return f"; it is one of {', '.join(map(repr, listed))}{others}"


def with_suggestions(method: Callable) -> Callable:
    """Name the public method in errors about misspelled or missing arguments.

    Parameters
    ----------
    method : callable
        A method with named arguments.

    Returns
    -------
    callable
        The method, raising `TypeError` with a suggestion.
    """
    parameters = inspect.signature(method).parameters
    if any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters.values()):
        return method
    known = list(parameters)[1:]
    named = [name for name in known if parameters[name].kind is Parameter.KEYWORD_ONLY]
    needed = [name for name in known if parameters[name].default is Parameter.empty]
    n_positional = len(known) - len(named)

    @functools.wraps(method)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Tools that print tracebacks may print the arguments of this frame.
        args = tuple(
            _hidden(*pair)
            for pair in zip([*known[:n_positional], *[""] * len(args)], args, strict=False)
        )
        kwargs = {name: _hidden(name, value) for name, value in kwargs.items()}
        what = f"{getattr(self, 'name', type(self).__name__)}.{method.__name__}()"
        if len(args) > n_positional:
            others = f"; name the others: {named[0]}=..." if named else ""
            plural = "s" * (n_positional != 1)
            raise TypeError(f"{what} takes {n_positional} positional argument{plural}{others}")
        for name in kwargs:
            if name not in known:
                raise TypeError(f"{what} has no argument {name!r}{suggest(name, known)}")
        if twice := [name for name in known[: len(args)] if name in kwargs]:
            raise TypeError(
                f"{what} got {twice[0]!r} both by position ({args[known.index(twice[0])]!r:.80}) "
                f"and by name ({kwargs[twice[0]]!r:.80}){_two_numbers(known, args)}"
            )
        given = {*known[: len(args)], *kwargs}
        if missing := [name for name in needed if name not in given]:
            words = " and ".join(map(repr, missing))
            raise TypeError(f"{what} is missing the argument{'s' * (len(missing) > 1)} {words}")
        return method(self, *args, **kwargs)

    return checked


def _two_numbers(known: list[str], args: tuple) -> str:
    """Return what would be right where right ascension and declination are two arguments."""
    numbers = [isinstance(value, int | float) for value in args[:2]]
    if known[:1] != ["coordinates"] or numbers != [True, True]:
        return ""
    right = f"SkyCoord({args[0]}, {args[1]}, unit='deg')"
    return f"; coordinates should be one position, such as {right}"


def _hidden(name: str, value: object) -> object:
    return Secret(value) if name in SECRETS and isinstance(value, str) else value


def check_choice(value: str, *, name: str, known: Iterable[str]) -> str:
    """Check that a word is one of the valid ones.

    Parameters
    ----------
    value : str
        The value given.
    name : str
        The argument's name, for messages.
    known : iterable of str
        The valid words.

    Returns
    -------
    str
        The value.

    Raises
    ------
    InvalidQueryError
        If it is not one of them.
    """
    if value not in tuple(known):
        raise InvalidQueryError(f"{name}={value!r} is not known{suggest(value, known)}")
    return value


def check_coordinates(coordinates: SkyCoord) -> tuple[np.ndarray, np.ndarray, tuple]:
    """Return positions as flat arrays of ICRS degrees.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`
        One position or an array of any shape, in any frame that can be transformed
        to ICRS; or a string, such as ``"150.1 +2.2"`` (degrees), ``"10:00:24 +02:12:00"``
        or one with units that `~astropy.coordinates.SkyCoord` reads.

    Returns
    -------
    ra, dec : `~numpy.ndarray`
        Degrees, flat.
    shape : tuple
        The shape of the argument.

    Raises
    ------
    InvalidQueryError
        If it is not a position, or one of its values is not finite.
    """
    ra, dec, bad, shape = icrs_positions(coordinates)
    if np.any(bad):
        where = f" at index {int(np.argmax(bad))}" if shape else ""
        raise InvalidQueryError(f"coordinates hold a value that is masked or not finite{where}")
    return ra, dec, shape


def icrs_positions(
    coordinates: Any, *, name: str = "coordinates"
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple]:
    """Return positions as flat arrays of ICRS degrees, and which of them are missing.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`, frame with data, or str
        The positions, as in `check_coordinates`.
    name : str
        The argument's name, for messages.

    Returns
    -------
    ra, dec : `~numpy.ndarray`
        Degrees, flat.
    bad : `~numpy.ndarray` of bool
        Whether a position is masked or not finite.
    shape : tuple
        The shape of the argument.

    Raises
    ------
    InvalidQueryError
        If it is not a position.
    """
    if isinstance(coordinates, str):
        coordinates = _read_position(coordinates, name)
    elif isinstance(coordinates, BaseCoordinateFrame) and coordinates.has_data:
        coordinates = SkyCoord(coordinates)
    if not isinstance(coordinates, SkyCoord):
        raise InvalidQueryError(
            f"{name}={coordinates!r:.80} should be a SkyCoord, such as "
            "SkyCoord(150.1, 2.2, unit='deg')"
        )
    try:
        icrs = _direction(coordinates)
    except Exception as error:
        # Each frame fails with a different exception: no time, no location, no distance.
        raise InvalidQueryError(
            f"{name} in the frame {coordinates.frame.name!r} cannot be transformed to ICRS: {error}"
        ) from error
    ra, ra_mask = get_data_and_mask(icrs.lon.to_value(u.deg))
    dec, dec_mask = get_data_and_mask(icrs.lat.to_value(u.deg))
    bad = ~(np.isfinite(ra) & np.isfinite(dec))
    for mask in (ra_mask, dec_mask):
        bad = bad if mask is None else bad | mask
    ra, dec = np.ravel(np.asarray(ra)) % 360, np.ravel(np.asarray(dec))
    return ra, dec, np.ravel(np.asarray(bad)), coordinates.shape


def _direction(coordinates: SkyCoord) -> SphericalRepresentation:
    """Return the ICRS direction; a distance would move it by the parallax, or to (0, 0)."""
    frame = coordinates.frame
    if type(frame) is ICRS and isinstance(frame.data, SPHERES):
        # No transformation needed, which takes astropy most of a millisecond.
        return frame.data
    # Frames with another origin, such as the Sun, have no direction without a distance.
    with contextlib.suppress(Exception):
        sphere = frame.realize_frame(frame.represent_as(UnitSphericalRepresentation))
        return sphere.transform_to(ICRS()).spherical
    return coordinates.icrs.spherical


def _read_position(text: str, name: str) -> SkyCoord:
    try:
        found = read_position(text)
    except InvalidQueryError as error:
        raise InvalidQueryError(f"{name}={text!r:.200}: {error}") from None
    if found is None:
        advice = "query_object" if name == "coordinates" else "SkyCoord.from_name"
        raise InvalidQueryError(
            f"{name}={text!r:.200} is not a position, {RIGHT}; for a name, use {advice}"
        )
    return found


def check_radius(radius: Angle, *, name: str = "radius") -> float:
    """Return a radius in arcseconds.

    Parameters
    ----------
    radius : `~astropy.units.Quantity`, `~astropy.coordinates.Angle` or str
        One angle with its unit, above 0 and up to 180 degrees.
    name : str, optional
        The argument's name, for messages.

    Returns
    -------
    float
        Arcseconds.

    Raises
    ------
    InvalidQueryError
        If it has no unit, is not an angle, or is out of range.
    """
    right = "should be one angle with a unit, such as 30 * u.arcsec or '30 arcsec'"
    try:
        angle = Angle(radius)
        if np.iscomplexobj(angle):
            raise TypeError
    except (u.UnitsError, ValueError, TypeError) as error:
        raise InvalidQueryError(f"{name}={radius!r} {right}") from error
    if angle.shape:
        raise InvalidQueryError(f"{name}={radius!r} {right}")
    value = float(angle.to_value(u.arcsec))
    if not 0 < value <= 180 * 3600:
        raise InvalidQueryError(f"{name}={radius!s} should be above 0 and up to 180 degrees")
    return value


def check_window(start: object, end: object) -> tuple[float | None, float | None]:
    """Return a time window as modified Julian dates in UTC.

    Parameters
    ----------
    start, end : `~astropy.time.Time`, str, `~datetime.datetime`, float or None
        The bounds; a bare number is an MJD, None is no bound.

    Returns
    -------
    start, end : float or None
        Days.

    Raises
    ------
    InvalidQueryError
        If one is not a time, or a number that is not an MJD but, for example, a Julian date,
        or the end is before the start.
    """
    first, last = check_time(start, name="start"), check_time(end, name="end")
    if first is not None and last is not None and last < first:
        raise InvalidQueryError(f"end={end!s} is before start={start!s}")
    return first, last


def check_time(value: object, *, name: str) -> float | None:
    """Return one time as a modified Julian date in UTC.

    Parameters
    ----------
    value : `~astropy.time.Time`, str, `~datetime.datetime`, float or None
        The time; a bare number is an MJD.
    name : str
        The argument's name, for messages.

    Returns
    -------
    float or None
        Days; None for None.

    Raises
    ------
    InvalidQueryError
        If it is not a time, or a number that is not an MJD but, for example, a Julian date.
    """
    if value is None:
        return None
    right = "should be one Time, an ISO date, or an MJD"
    if isinstance(value, float) or (isinstance(value, Integral) and abs(int(value)) < LARGEST_ID):
        # ERFA warns of the years that such a number would mean as an MJD.
        check_mjd(float(value), name=name)
    try:
        if isinstance(value, bool):
            raise TypeError
        bare = isinstance(value, Real)
        time = Time(value, format="mjd", scale="utc") if bare else Time(value)
        mjd = time.utc.mjd
    except (ValueError, TypeError, LookupError, OverflowError, ScaleValueError) as error:
        raise InvalidQueryError(f"{name}={value!r:.200} {right}{_as_mjd(value)}") from error
    if np.ndim(mjd) or not np.isfinite(mjd):
        raise InvalidQueryError(f"{name}={value!r} {right}")
    if not isinstance(value, str):
        # An ISO date is not ambiguous, however far it is.
        check_mjd(float(mjd), name=name)
    return float(mjd)


def check_mjd(mjd: float | np.ndarray, *, name: str) -> None:
    """Refuse numbers that are not an MJD but a time of another kind.

    Parameters
    ----------
    mjd : float or `~numpy.ndarray`
        Days; NaN is not checked.
    name : str
        The argument's name, for messages.

    Raises
    ------
    InvalidQueryError
        If one is a Julian date, a date without hyphens, a Unix time, or beyond the year
        2132; the message gives the corresponding MJD.

    Examples
    --------
    >>> from atlasquery.service.inputs import check_mjd
    >>> check_mjd(2459000.5, name="start")
    Traceback (most recent call last):
    ...
    atlasquery.exceptions.InvalidQueryError: start=2459000.5 is not an MJD; as a Julian date ...
    """
    wrong = np.ravel(mjd)[np.ravel(np.greater(mjd, LAST_MJD) & np.isfinite(mjd))]
    if len(wrong):
        value = float(wrong[0])
        known = _as_mjd(value) or "; an MJD is up to 100000, the year 2132"
        raise InvalidQueryError(f"{name}={value:.15g} is not an MJD{known}")


def _as_mjd(value: object) -> str:
    """Return the end of a message that gives the MJD of a time of another kind."""
    if isinstance(value, str) and not re.fullmatch(r"\s*\d+(\.\d*)?\s*", value):
        return ""
    try:
        # Anything that a user gave: what is not a number raises.
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return ""
    if not isinstance(value, (str, Real)) or not np.isfinite(number):
        return ""
    if isinstance(value, str) and 0 < number <= LAST_MJD:
        return f"; the number {value.strip()}, without quotes, is an MJD"
    if JULIAN[0] < number < JULIAN[1]:
        return f"; as a Julian date it is MJD {number - MJD_0:.10g}"
    digits = f"{number:.0f}"
    if number == int(number) and len(digits) in (6, 8):
        with contextlib.suppress(ValueError):
            date = datetime.strptime(digits[-6:], "%y%m%d").replace(
                year=int(digits[:4]) if len(digits) == 8 else 2000 + int(digits[:2])
            )
            if 1900 <= date.year < 2100:
                days = (date - datetime(1858, 11, 17)).days
                return f"; as the date {date:%Y-%m-%d} it is MJD {days}"
    for unit, divisor in UNIX:
        seconds = number / divisor
        if UNIX_RANGE[0] <= seconds < UNIX_RANGE[1]:
            mjd = seconds / 86400 + UNIX_MJD
            return f"; as a Unix time{unit} it is MJD {mjd:.10g}"
    return ""


def each_id(
    ids: Any, *, name: str, columns: tuple[str, ...] = (), allow_empty: bool = False
) -> list:
    """Return one or many identifiers as a list, without checking each.

    Parameters
    ----------
    ids : int, str, iterable of them, table, or row of one
        The identifiers. A table, a data frame or a row has them in one of `columns`; a set
        is sorted, if its members can be compared.
    name : str
        The argument's name, for messages.
    columns : tuple of str, optional
        The columns of a table that hold such identifiers, most likely first.
    allow_empty : bool, optional
        Whether an empty list is allowed.

    Returns
    -------
    list
        In the order given.

    Raises
    ------
    InvalidQueryError
        If it is empty, or a table has no column of identifiers.
    """
    if isinstance(ids, np.ndarray) and ids.ndim == 0:
        ids = ids.item()
    ids = _id_column(ids, name, columns)
    values: list[Any] = [ids] if _is_single(ids) else list(ids)
    if isinstance(ids, (set, frozenset)):
        with contextlib.suppress(TypeError):
            values.sort()
    if not values and not allow_empty:
        raise InvalidQueryError(f"{name} is empty: give at least one id")
    # Scalars of pyarrow.
    return [value.as_py() if hasattr(value, "as_py") else value for value in values]


def _is_single(ids: object) -> bool:
    # A dictionary is one value, which is refused later.
    return isinstance(ids, (str, bytes, np.generic, dict)) or not np.iterable(ids)


def column_names(table: object) -> list | None:
    """Return the names of the columns of a table, a data frame, a structured array or a row.

    Parameters
    ----------
    table : object
        The object.

    Returns
    -------
    list or None
        The names; None if it is not a table.
    """
    known = getattr(getattr(table, "dtype", None), "names", None)
    known = known or getattr(table, "colnames", None)
    if known is None:
        known = getattr(table, "columns", None) if hasattr(table, "__getitem__") else None
    # The ``columns`` of a pyarrow table are not names.
    return None if known is None else list(getattr(table, "column_names", known))


def _id_column(ids: Any, name: str, columns: tuple[str, ...]) -> Any:
    """Return the column of a table, a data frame or a row that holds identifiers."""
    known = column_names(ids)
    if known is None:
        return ids
    for column in columns:
        if column in known:
            return ids[column]
    right = " or ".join(map(repr, columns)) or "of ids"
    raise InvalidQueryError(
        f"{name} is a table without a column {right}; it has "
        f"{', '.join(map(str, known[:20])) or 'none'}"
    )


def check_ids(
    ids: object,
    *,
    name: str,
    digits: int | None = None,
    hint: str = "",
    columns: tuple[str, ...] = (),
    allow_empty: bool = False,
) -> list[int]:
    """Return identifiers as a list of integers, without any conversion to float.

    Parameters
    ----------
    ids : int, str, iterable of them, table, or row of one
        The identifiers.
    name : str
        The argument's name, for messages.
    digits : int, optional
        Number of digits of each; by default any integer of up to 64 bits.
    hint : str, optional
        What else may be meant, for messages about a string with letters.
    columns : tuple of str, optional
        The columns of a table that hold such identifiers, most likely first.
    allow_empty : bool, optional
        Whether an empty list is allowed.

    Returns
    -------
    list of int
        In the order given.

    Raises
    ------
    InvalidQueryError
        If it is empty, or one is not an integer with that many digits.
    """
    values = each_id(ids, name=name, columns=columns, allow_empty=allow_empty)
    return [
        _check_id(value, label, digits, hint) for label, value in numbered(values, ids, name=name)
    ]


def numbered(values: list, given: object, *, name: str) -> Iterator[tuple[str, object]]:
    """Label each of many values for messages; a single value has the name of the argument.

    Parameters
    ----------
    values : list
        The values.
    given : object
        The argument that has the values.
    name : str
        The argument's name.

    Yields
    ------
    str
        ``"name[3]"``, or ``"name"`` for the only value.
    object
        The value.
    """
    # The members of a set have no index.
    unnumbered = len(values) == 1 or isinstance(given, (set, frozenset))
    for n, value in enumerate(values):
        yield name if unnumbered else f"{name}[{n}]", value


def _check_id(value: Any, name: str, digits: int | None, hint: str) -> int:
    right = f"a whole number of {digits} digits" if digits else "a whole number of up to 64 bits"
    if isinstance(value, (Real, np.floating)) and not isinstance(value, Integral):
        raise InvalidQueryError(
            f"{name}={value!r} is a float, which cannot hold {right}: the last digits are "
            "lost. Keep ids as int or str"
        )
    text = str(value).strip() if isinstance(value, (str, np.str_)) else value
    if isinstance(text, Integral) and not isinstance(text, (bool, np.bool_)):
        text = str(int(text)) if abs(int(text)) <= LARGEST_ID else None
    form = rf"[1-9][0-9]{{{digits - 1}}}" if digits else "[1-9][0-9]{0,18}"
    if not isinstance(text, str) or not re.fullmatch(form, text) or int(text) > LARGEST_ID:
        counted = isinstance(text, str) and text.isdecimal() and digits
        given = f" (it has {len(str(text))})" if counted else ""
        hint = hint if isinstance(value, str) and re.search("[A-Za-z]", value) else ""
        raise InvalidQueryError(f"{name}={_shortened(value)} should be {right}{given}{hint}")
    return int(text)


def _shortened(value: object) -> str:
    # Python refuses to write integers of thousands of digits.
    if isinstance(value, int) and value.bit_length() > 4096:
        return f"(an integer of {value.bit_length()} bits)"
    return f"{value!r:.200}"


def check_names(names: Any, *, name: str) -> list[str]:
    """Return names of objects as a list of stripped strings.

    Parameters
    ----------
    names : str or sequence of str
        The names.
    name : str
        The argument's name, for messages.

    Returns
    -------
    list of str
        In the order given, without surrounding spaces.

    Raises
    ------
    InvalidQueryError
        If it is empty, or one is not a string, is empty, or has a comma or control character.
    """
    values = [names] if isinstance(names, str) or not np.iterable(names) else list(names)
    if not values:
        raise InvalidQueryError(f"{name} is empty: give at least one name")
    for label, value in numbered(values, names, name=name):
        if not isinstance(value, str) or not value.strip():
            raise InvalidQueryError(f"{label}={value!r} should be a name, such as '2020tjh'")
        # The server reads a comma as the end of a name.
        if re.search(r"[\x00-\x1f\x7f,]", value.strip()) or "\n" in value:
            raise InvalidQueryError(
                f"{label}={value!r} has a comma or a control character, which names do not have"
            )
    return [str(value).strip() for value in values]


def check_path(path: object, *, name: str) -> Path:
    """Return the path of a file, or refuse an invalid one.

    Parameters
    ----------
    path : path-like
        A string or a path; ``~`` is the home directory.
    name : str
        The argument's name, for messages.

    Returns
    -------
    `~pathlib.Path`
        The path.

    Raises
    ------
    InvalidQueryError
        If it is not a path, is empty, or has a null character.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path) or "\0" in str(path):
        raise InvalidQueryError(f"{name}={path!r:.100} should be the path of a file")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidQueryError(f"{name}={path!r:.100}: {error}") from error


def check_max_rows(max_rows: Any, default: int) -> int | None:
    """Return the largest number of rows wanted, or refuse an invalid one.

    Parameters
    ----------
    max_rows : int or None
        The argument; -1 for all rows.
    default : int
        The value of the configuration, used for None.

    Returns
    -------
    int or None
        At least 1; None for all rows.

    Raises
    ------
    InvalidQueryError
        If it is not a positive integer or -1.
    """
    name, limit = ("max_rows", max_rows) if max_rows is not None else ("conf.max_rows", default)
    whole = isinstance(limit, Integral) and not isinstance(limit, bool)
    if not whole or (limit < 1 and limit != -1):
        raise InvalidQueryError(
            f"{name}={limit!r:.100} should be a whole number from 1, or -1 for all rows"
        )
    return None if limit == -1 else int(limit)


def check_secret_text(name: str, value: Any) -> str | Secret | None:
    """Check a user name, password or token; errors do not show it.

    Parameters
    ----------
    name : str
        The argument's name.
    value : str, Secret or None
        The value; a `Secret` stays wrapped, so that no traceback shows it.

    Returns
    -------
    str, Secret or None
        The value.

    Raises
    ------
    InvalidQueryError
        If it is not a string, is empty, or has a line break.
    """
    if value is None:
        return None
    text = value if isinstance(value, Secret) else Secret(value)
    if not isinstance(text.reveal(), str) or not text.reveal().strip():
        raise InvalidQueryError(f"{name} should be a string that is not empty")
    if "\n" in text.reveal() or "\r" in text.reveal():
        raise InvalidQueryError(f"{name} has a line break; was it read with its end of line?")
    return value

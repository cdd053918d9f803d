"""Turn what a user gives into the server's words: lists, times, angles, truth, names."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from numbers import Integral, Real
from urllib.parse import quote

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import suggest

__all__ = ["as_json", "check_source_id", "degrees", "in_path", "iso", "params_of", "word"]

# What the routes of the server take for an id: others get its page for an unknown address.
SOURCE_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.+\-]*")


def params_of(given: Mapping, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return parameters as they stand after the question mark.

    The server ignores names that it does not know, and of a name that is
    repeated it keeps the last: so names are checked, and lists joined by commas.

    Parameters
    ----------
    given : mapping
        Values by name; None is left out.
    known : mapping of str to str, optional
        The server's name for each name that may be given. By default all
        names are the server's.

    Returns
    -------
    dict of str to str
        By the server's names.

    Raises
    ------
    InvalidQueryError
        If a name is not known, or a value has no words.
    """
    sent = {}
    for name, value in given.items():
        if known is not None and name not in known:
            raise InvalidQueryError(f"there is no filter {name!r}{suggest(name, known)}")
        if value is not None:
            sent[known[name] if known is not None else name] = word(value, name)
    return sent


def word(value: object, name: str) -> str:
    """Return a value in the server's words.

    Parameters
    ----------
    value : bool, number, str, `~astropy.time.Time`, angle, or a sequence of them
        The value; an angle is sent in degrees, a time in UTC.
    name : str
        The argument's name, for messages.

    Returns
    -------
    str
        As it is sent.

    Raises
    ------
    InvalidQueryError
        If it is not finite, is an empty list, or of no kind that can be sent.
    """
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (Time, datetime, date)):
        return iso(value, name)
    if isinstance(value, u.Quantity):
        return repr(degrees(value, name))
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, (Real, np.floating)):
        if not math.isfinite(value):
            raise InvalidQueryError(f"{name}={value!r} should be a finite number")
        return repr(float(value))
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        words = [word(one, name) for one in value]
        if not words:
            raise InvalidQueryError(
                f"{name}={value!r:.100} is empty: leave it out, or give at least one value"
            )
        if any("," in one for one in words):
            raise InvalidQueryError(
                f"{name}={value!r:.100} has a comma in one of its values, where the server "
                "would cut it in two"
            )
        return ",".join(words)
    raise InvalidQueryError(f"{name}={value!r:.100} is of a kind that cannot be sent")


def iso(value: object, name: str) -> str:
    """Return a time as the server writes it.

    Parameters
    ----------
    value : `~astropy.time.Time`, str, `~datetime.datetime` or float
        A time; a bare number is an MJD in UTC.
    name : str
        The argument's name, for messages.

    Returns
    -------
    str
        ISO 8601 in UTC, without an offset.

    Raises
    ------
    InvalidQueryError
        If it is no single time.
    """
    right = "should be one Time, an ISO date, or an MJD"
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        bare = isinstance(value, (Real, np.floating))
        if isinstance(value, date) and not isinstance(value, datetime):
            value = value.isoformat()
        time = Time(value, format="mjd", scale="utc") if bare else Time(value)
        text = time.utc.isot
    except Exception as error:
        # Each format of astropy has its own way of failing.
        raise InvalidQueryError(f"{name}={value!r:.100} {right}") from error
    if not isinstance(text, str) or not np.isfinite(time.mjd):
        raise InvalidQueryError(f"{name}={value!r:.100} {right}")
    return text


def degrees(value: object, name: str) -> float:
    """Return one angle in degrees.

    Parameters
    ----------
    value : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str
        An angle with its unit.
    name : str
        The argument's name, for messages.

    Returns
    -------
    float
        Degrees.

    Raises
    ------
    InvalidQueryError
        If it has no unit, or is not one finite angle.
    """
    try:
        angle = Angle(value)
        found = float(angle.to_value(u.deg))
    except (u.UnitsError, ValueError, TypeError) as error:
        raise InvalidQueryError(
            f"{name}={value!r:.100} should be one angle with a unit, such as '5 arcsec'"
        ) from error
    if not math.isfinite(found):
        raise InvalidQueryError(f"{name}={value!r:.100} should be finite")
    return found


def as_json(value: object, name: str = "payload") -> object:
    """Return a value of plain JSON types.

    Parameters
    ----------
    value : object
        Mappings, sequences, arrays, numbers, times; what is masked or not
        finite becomes null.
    name : str, optional
        The argument's name, for messages.

    Returns
    -------
    object
        Of dict, list, str, int, float, bool and None.

    Raises
    ------
    InvalidQueryError
        If there is something else in it; a quantity, whose unit would be lost.
    """
    if value is None or value is np.ma.masked or isinstance(value, (str, bool)):
        return None if value is np.ma.masked else value
    if isinstance(value, Mapping):
        return {str(key): as_json(one, f"{name}[{key!r}]") for key, one in value.items()}
    if isinstance(value, Time):
        return iso(value, name) if value.isscalar else [iso(one, name) for one in value]
    if isinstance(value, (datetime, date)):
        return iso(value, name)
    if isinstance(value, u.Quantity):
        raise InvalidQueryError(
            f"{name}={value!r:.100} has a unit, which would be lost: give its value in the unit "
            "that the server's documentation says"
        )
    if isinstance(value, np.ndarray):
        return [as_json(one, name) for one in value] if value.ndim else as_json(value[()], name)
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, (Real, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [as_json(one, name) for one in value]
    raise InvalidQueryError(f"{name}={value!r:.100} is of a kind that cannot be sent as JSON")


def check_source_id(value: object, *, name: str = "source_id") -> str:
    """Return the id of a source as the server writes it, or refuse it.

    Parameters
    ----------
    value : str or int
        Such as ``"ZTF24abcdefg"``; a number, such as the id of an object of ATLAS,
        becomes its digits.
    name : str, optional
        The argument's name, for messages.

    Returns
    -------
    str
        The id.

    Raises
    ------
    InvalidQueryError
        If it has a character that no id has, such as a space or a slash.
    """
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, Integral) and not isinstance(text, (bool, np.bool_)):
        text = str(int(text))
    if not isinstance(text, str) or not SOURCE_ID.fullmatch(text):
        raise InvalidQueryError(
            f"{name}={value!r:.100} is no id of SkyPortal: one such as 'ZTF24abcdefg', of letters, "
            "digits and - _ . +, without spaces"
        )
    return str(text)


def in_path(value: object) -> str:
    """Return a value as a part of a path.

    Parameters
    ----------
    value : object
        A name or number.

    Returns
    -------
    str
        With what has a meaning in a path written as its code.
    """
    return quote(str(value), safe="")

"""Turn arguments into values of parameters and JSON: lists, times, angles, booleans, names."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from numbers import Integral, Real
from typing import Any, cast
from urllib.parse import quote

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle
from astropy.time import Time
from astropy.utils.masked import get_data_and_mask

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import check_mjd, suggest

__all__ = [
    "as_json",
    "check_source_id",
    "check_text",
    "degrees",
    "in_path",
    "iso",
    "params_of",
    "word",
]

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
    """Return a value as the server takes it in a URL.

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
        If it is not finite, is masked, is an empty list, is a string that is none, or of no
        kind that can be sent.
    """
    if isinstance(value, np.ndarray) and not value.ndim:
        value = _unmasked(value, name)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, str):
        return check_text(value, name)
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


def iso(value: Any, name: str) -> str:
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
    if isinstance(value, (Real, np.floating)):
        check_mjd(cast(float, value), name=name)
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        bare = isinstance(value, (Real, np.floating))
        if isinstance(value, date) and not isinstance(value, datetime):
            value = value.isoformat()
        time = Time(value, format="mjd", scale="utc") if bare else Time(value)
        # One time of many, of which another is masked, is wrapped in a separate mask.
        text = None if np.any(time.mask) else time.unmasked.utc.isot
    except Exception as error:
        # Each format of astropy has its own way of failing.
        raise InvalidQueryError(f"{name}={value!r:.100} {right}") from error
    if not isinstance(text, str) or not np.isfinite(time.mjd):
        raise InvalidQueryError(f"{name}={value!r:.100} {right}")
    check_mjd(time.mjd, name=name)
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
        angle = Angle(_unmasked(value, name) if isinstance(value, u.Quantity) else value)
        found = float(angle.to_value(u.deg))
    except (u.UnitsError, ValueError, TypeError) as error:
        raise InvalidQueryError(
            f"{name}={value!r:.100} should be one angle with a unit, such as '5 arcsec'"
        ) from error
    if not math.isfinite(found):
        raise InvalidQueryError(f"{name}={value!r:.100} should be finite")
    return found


def check_text(value: str, name: str) -> str:
    """Return a text that can be sent.

    Parameters
    ----------
    value : str
        The text.
    name : str
        The argument's name, for messages.

    Returns
    -------
    str
        The same; of Python's own type, where it was one of numpy's, which has no JSON.

    Raises
    ------
    InvalidQueryError
        If there is half a character in it, as from a file that was read with another encoding.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = value[error.start]
        raise InvalidQueryError(
            f"{name}={value!r:.100} has {half!r} at index {error.start}, a lone surrogate: half "
            "of a character, which is no string. Read it again with the right encoding, or take it "
            "out"
        ) from error
    return str.__str__(value)


def _unmasked(value: Any, name: str) -> Any:
    """Return what is not masked, as a scalar where it is one; under a mask is any value."""
    data, mask = (value, True) if value is np.ma.masked else get_data_and_mask(value)
    if mask is not None and np.any(mask):
        raise InvalidQueryError(f"{name}={value!r:.100} is masked: give a value, or leave it out")
    return data if data.ndim or isinstance(data, u.Quantity) else data[()]


def as_json(value: object, name: str = "payload") -> Any:
    """Return a value of plain JSON types.

    Parameters
    ----------
    value : object
        Mappings, sequences, arrays, numbers, times; what is masked becomes null.
    name : str, optional
        The argument's name, for messages. Empty where the keys of a mapping are arguments.

    Returns
    -------
    object
        Of dict, list, str, int, float, bool and None.

    Raises
    ------
    InvalidQueryError
        If there is something else in it: NaN or an infinity, which JSON does not have; a
        quantity or a column whose unit would be lost; two keys of the same name; a text
        with half a character.
    """
    if value is None or value is np.ma.masked or isinstance(value, bool):
        return None if value is np.ma.masked else value
    if isinstance(value, str):
        return check_text(value, name)
    if isinstance(value, Mapping):
        return _json_object(value, name)
    if isinstance(value, (Time, datetime, date)):
        return _json_time(value, name)
    if isinstance(value, u.Quantity) or getattr(value, "unit", None) is not None:
        raise InvalidQueryError(
            f"{name}={value!r:.100} has a unit, which would be lost: give its value in the unit "
            "that the server's documentation says"
        )
    if isinstance(value, (np.ndarray, np.bool_)):
        return _json_array(value, name)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, (Real, np.floating)):
        if not math.isfinite(value):
            raise InvalidQueryError(
                f"{name}={value!r} is not a number in JSON, and would arrive as null: give a "
                "finite one, None if null is meant, or leave it out"
            )
        return float(value)
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [as_json(one, f"{name}[{n}]") for n, one in enumerate(value)]
    raise InvalidQueryError(f"{name}={value!r:.100} is of a kind that cannot be sent as JSON")


def _json_object(value: Mapping, name: str) -> dict:
    found = {}
    for key, one in value.items():
        text = check_text(key, f"a key of {name}") if isinstance(key, str) else str(key)
        if text in found:
            raise InvalidQueryError(
                f"{name}={value!r:.100} has two keys that are {text!r} in JSON, of which only one "
                "would arrive"
            )
        found[text] = as_json(one, f"{name}[{key!r}]" if name else text)
    return found


def _json_time(value: Any, name: str) -> str | list | None:
    if isinstance(value, Time):
        if not value.isscalar:
            return [_json_time(one, f"{name}[{n}]") for n, one in enumerate(value)]
        if np.any(value.mask):
            return None
    return iso(value, name)


def _json_array(value: Any, name: str) -> object:
    """Return an array of any kind, each of which has its own way of hiding what is masked."""
    data, mask = get_data_and_mask(value)
    data = np.asarray(data)
    if data.dtype.names:
        raise InvalidQueryError(f"{name}={value!r:.100} is of a kind that cannot be sent as JSON")
    if not data.ndim:
        one = data.item() if data.dtype == bool else data[()]
        return None if mask is not None and mask else as_json(one, name)
    if mask is None or data.ndim > 1:
        items = list(data if mask is None else value)
    else:
        hidden = np.broadcast_to(mask, data.shape).tolist()
        items = [None if gone else one for one, gone in zip(data, hidden, strict=True)]
    return [as_json(one, f"{name}[{n}]") for n, one in enumerate(items)]


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
            f"{name}={value!r:.100} is not an id in SkyPortal: one such as 'ZTF24abcdefg', of "
            "letters, digits and - _ . +, without spaces"
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

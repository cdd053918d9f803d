"""What each endpoint asks for, and how the server refuses what it cannot read.

The words are those of Django REST framework, which the real server uses.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from .dates import read_date

__all__ = [
    "BOOLEAN",
    "DATE",
    "FLOAT",
    "INTEGER",
    "PASSWORD",
    "TEXT",
    "Field",
    "Form",
    "InvalidError",
    "choice",
]

_TOO_LONG = 1000
_TRUE = {"t", "y", "yes", "true", "on", "1"}
_FALSE = {"f", "n", "no", "false", "off", "0"}
_DATE_WORDS = (
    "Datetime has wrong format. Use one of these formats instead: "
    "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
)


class InvalidError(Exception):
    """A parameter, or all of them together, cannot be read.

    Parameters
    ----------
    reply : object
        The words for one field, or the whole reply of a form.
    """

    def __init__(self, reply: object):
        super().__init__(reply)
        self.reply = reply


def _float(value: object) -> float:
    if isinstance(value, str) and len(value) > _TOO_LONG:
        raise InvalidError("String value too large.")
    try:
        number = float(cast("str", value))
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidError("A valid number is required.")
    return number


def _integer(value: object) -> int:
    if isinstance(value, str) and len(value) > _TOO_LONG:
        raise InvalidError("String value too large.")
    try:
        return int(re.sub(r"\.0*\s*$", "", str(value)))
    except ValueError:
        raise InvalidError("A valid integer is required.") from None


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidError("Not a valid string.")
    text = str(value).strip()
    if not text:
        raise InvalidError("This field may not be blank.")
    if "\0" in text:
        raise InvalidError("Null characters are not allowed.")
    return text


def _untrimmed(value: object) -> str:
    if isinstance(value, str) and value and not value.strip():
        return value
    _text(value)
    return str(value)


def _boolean(value: object) -> bool:
    word = str(value).lower()
    if isinstance(value, bool | int | float | str) and word in _TRUE | _FALSE | {"1.0", "0.0"}:
        return word in _TRUE or word == "1.0"
    raise InvalidError("Must be a valid boolean.")


def _date(value: object) -> str:
    try:
        return read_date(cast("str", value))
    except (ValueError, OverflowError):
        raise InvalidError(_DATE_WORDS) from None


FLOAT = _float
INTEGER = _integer
TEXT = _text
PASSWORD = _untrimmed
BOOLEAN = _boolean
DATE = _date


def choice(*allowed: str) -> Callable[[object], str]:
    """Return a reader that takes some words only.

    Parameters
    ----------
    *allowed : str
        The words.

    Returns
    -------
    callable
        The reader.
    """

    def read(value: object) -> str:
        if str(value) in allowed:
            return str(value)
        raise InvalidError(f'"{value}" is not a valid choice.')

    return read


@dataclass(frozen=True)
class Field:
    """One parameter.

    Attributes
    ----------
    read : callable
        Turns what came into a value or raises `InvalidError`.
    required : bool
        Whether it must be given.
    default : object
        The value when it is not given.
    """

    read: Callable[[object], object]
    required: bool = False
    default: object = None


@dataclass(frozen=True)
class Form:
    """The parameters of an endpoint; unknown ones are ignored.

    Attributes
    ----------
    fields : dict of str to Field
        The parameters by name.
    one_of : tuple of str
        At least one of these must be given.
    """

    fields: dict[str, Field]
    one_of: tuple[str, ...] = ()

    def clean(self, data: object, *, is_form: bool) -> dict[str, object]:
        """Read parameters.

        Parameters
        ----------
        data : object
            What came: a mapping, or whatever a JSON body held.
        is_form : bool
            Whether it came as a form or a query, where "" stands for nothing.

        Returns
        -------
        dict
            A value for every field.

        Raises
        ------
        InvalidError
            With the reply that names each wrong field.
        """
        if not isinstance(data, Mapping):
            kind = type(data).__name__
            words = f"Invalid data. Expected a dictionary, but got {kind}."
            raise InvalidError({"non_field_errors": [words]})
        values, refusals = {}, {}
        for name, field in self.fields.items():
            try:
                values[name] = _value(field, name, data, is_form)
            except InvalidError as refusal:
                refusals[name] = [refusal.reply]
        if refusals:
            raise InvalidError(refusals)
        if self.one_of and all(values[name] is None for name in self.one_of):
            words = f"Either {' or '.join(self.one_of)} must be provided."
            raise InvalidError({"non_field_errors": [words]})
        return values


def _value(field: Field, name: str, data: Mapping, is_form: bool) -> object:
    if name not in data or (is_form and data[name] == "" and not field.required):
        if field.required:
            raise InvalidError("This field is required.")
        return field.default
    if data[name] is None:
        raise InvalidError("This field may not be null.")
    return field.read(data[name])

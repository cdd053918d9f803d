"""Decode a server's response as a declared type, or raise a typed error."""

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec

from atlasquery.exceptions import TableParseError

__all__ = ["convert_json", "decode_json", "float_of", "read_by_library"]

# Exceptions of msgspec for bytes that are not JSON, not UTF-8, or nested without end.
DAMAGED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_json(text: bytes | msgspec.Raw, kind: Any, what: str) -> Any:
    """Decode JSON as a declared type.

    Parameters
    ----------
    text : bytes or `msgspec.Raw`
        The JSON.
    kind : type
        What it should be, in the types of `msgspec`.
    what : str
        What is decoded, for the message: ``"the list of groups"``.

    Returns
    -------
    object
        Of that type.

    Raises
    ------
    TableParseError
        If it is damaged, or of another type.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except DAMAGED as error:
        raise TableParseError(f"{what} could not be read: {error}") from error


def convert_json(value: object, kind: Any, what: str) -> Any:
    """Check that something decoded before is of a declared type.

    Parameters
    ----------
    value : object
        What `msgspec.json.decode` or `json.loads` returned.
    kind : type
        What it should be, in the types of `msgspec`.
    what : str
        What it is, for the message.

    Returns
    -------
    object
        Of that type.

    Raises
    ------
    TableParseError
        If it is something else.
    """
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise TableParseError(f"{what} could not be read: {error}") from error


def float_of(value: object) -> float:
    """Return a number of JSON as a float.

    Parameters
    ----------
    value : object
        Anything that JSON has.

    Returns
    -------
    float
        NaN for null, for what is not a number, and for a number that no float can hold.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return float("nan")
    try:
        return float(value)
    except OverflowError:
        return float("nan")


@contextlib.contextmanager
def read_by_library(what: str) -> Iterator[None]:
    """Convert any exception of a library for a damaged file into a typed error.

    The readers of FITS, Avro, images and VOTables raise any exception for damaged data
    (`KeyError`, `TypeError`, `struct.error`), and do not document which.

    Parameters
    ----------
    what : str
        What is read, for the message: ``"the FITS file"``.

    Yields
    ------
    None
        While the library reads, and nothing else is done.

    Raises
    ------
    TableParseError
        If the library fails, except for a `MemoryError`.
    """
    try:
        yield
    except (TableParseError, MemoryError, ImportError):
        raise
    except Exception as error:
        words = str(error) or type(error).__name__
        raise TableParseError(f"{what} could not be read: {words:.300}") from error

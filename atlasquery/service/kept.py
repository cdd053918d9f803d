"""Work that another process may take up: kept in a file at every step."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.files import write_private
from atlasquery.service.inputs import check_path

__all__ = ["keep", "take_up"]

T = TypeVar("T")


def keep(path: Path, content: dict, *, what: str) -> None:
    """Write the state of some work, whole or not at all.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    content : dict
        The state, with the ``format`` it is in.
    what : str
        What is kept, for messages.

    Raises
    ------
    InvalidQueryError
        If it cannot be written; the file of before is then as it was.
    """
    try:
        write_private(path, json.dumps(content).encode(), durable=True)
    except OSError as error:
        raise InvalidQueryError(
            f"the {what} cannot be kept in {str(path)!r}: {error.strerror}"
        ) from error


def take_up(
    path: str | os.PathLike, make: Callable[[dict, Path], T], *, version: int, what: str
) -> T:
    """Return the work that a file keeps.

    Parameters
    ----------
    path : path-like
        The file.
    make : callable
        Takes the state and the place of the file; what is no state of its own makes it raise
        a ValueError, KeyError or TypeError.
    version : int
        The ``format`` that `make` reads.
    what : str
        What is kept, for messages.

    Returns
    -------
    object
        What `make` returned.

    Raises
    ------
    InvalidQueryError
        If there is no such file, or it keeps something else.
    """
    place = check_path(path, name="path").absolute()
    try:
        content = json.loads(place.read_bytes())
        if content["format"] != version:
            raise ValueError(f"its format is {content['format']}")
        return make(content, place)
    except OSError as error:
        raise InvalidQueryError(f"path={str(path)!r} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidQueryError(
            f"path={str(path)!r} holds no {what} kept by save(): {error}"
        ) from error

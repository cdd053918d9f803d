"""Work that another process may take up: kept in a file at every step.

The file is one line of JSON with all of the work, and a line for each change since, so
that a step of work with ten thousand parts does not write all of them again.
"""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from atlasquery.exceptions import InvalidQueryError, StorageError
from atlasquery.service.files import write_private
from atlasquery.service.inputs import check_path

__all__ = ["append_change", "read_journal", "write_journal"]

T = TypeVar("T")


def write_journal(path: Path, content: dict, *, what: str) -> None:
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
    StorageError
        If it cannot be written; the file of before is then as it was.
    """
    try:
        write_private(path, json.dumps(content).encode(), durable=True)
    except OSError as error:
        raise _not_kept(path, what, error) from error


def append_change(path: Path, change: dict, *, what: str) -> None:
    """Add a change to the work that a file keeps.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file, written by `write_journal`.
    change : dict
        What has changed.
    what : str
        What is kept, for messages.

    Raises
    ------
    FileNotFoundError
        If there is no such file any more.
    StorageError
        If it cannot be written.
    """
    # A line that was broken off, because its process was, spoils none that is added later.
    line = b"\n" + json.dumps(change).encode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line)
            file.flush()
            os.fsync(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _not_kept(path, what, error) from error


def _not_kept(path: Path, what: str, error: OSError) -> StorageError:
    return StorageError.from_system(error, f"the {what} cannot be kept in {str(path)!r}")


def read_journal(
    path: str | os.PathLike, make: Callable[[dict, Path], T], *, version: int, what: str
) -> T:
    """Return the work that a file keeps.

    Parameters
    ----------
    path : path-like
        The file.
    make : callable
        Takes the state and the place of the file; what is no state of its own makes it raise
        a ValueError, KeyError or TypeError. Where there are changes, the state has a list of
        them as ``changes``.
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
        content = _with_changes(place.read_bytes().decode())
        if content["format"] != version:
            raise ValueError(f"its format is {content['format']}")
        return make(content, place)
    except OSError as error:
        raise InvalidQueryError(f"path={str(path)!r} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidQueryError(
            f"path={str(path)!r} holds no {what} kept by save(): {error}"
        ) from error


def _with_changes(text: str) -> dict:
    content, end = json.JSONDecoder().raw_decode(text)
    state, *lines = text[end:].split("\n")
    if state.strip():
        raise ValueError(f"{state[:40]!r} follows it")
    changes = []
    for line in filter(str.strip, lines):
        # The process that wrote a line may have been ended meanwhile: then it was not kept.
        with contextlib.suppress(ValueError):
            changes.append(json.loads(line))
    return {**content, "changes": changes} if changes else content

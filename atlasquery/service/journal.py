"""Journals of long jobs, written at every step, from which another process can resume.

The file has one line of JSON with the whole state, and a line for each later change, so
that a step of a job with ten thousand parts does not write all of them again.
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
    """Write the state of a job, atomically.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    content : dict
        The state, with the version number ``format``.
    what : str
        Name of the job, for messages.

    Raises
    ------
    StorageError
        If it cannot be written; an existing file is then unchanged.
    """
    try:
        write_private(path, json.dumps(content).encode(), durable=True)
    except OSError as error:
        raise _not_written(path, what, error) from error


def append_change(path: Path, change: dict, *, what: str) -> None:
    """Append a change to a journal.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file, written by `write_journal`.
    change : dict
        The change.
    what : str
        Name of the job, for messages.

    Raises
    ------
    FileNotFoundError
        If the file does not exist any more.
    StorageError
        If it cannot be written.
    """
    # The line break comes first, so that an incomplete line does not damage later ones.
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
        raise _not_written(path, what, error) from error


def _not_written(path: Path, what: str, error: OSError) -> StorageError:
    return StorageError.from_system(error, f"the {what} cannot be written to {str(path)!r}")


def read_journal(
    path: str | os.PathLike, make: Callable[[dict, Path], T], *, version: int, what: str
) -> T:
    """Return the job that a journal describes.

    Parameters
    ----------
    path : path-like
        The file.
    make : callable
        Takes the state and the path of the file, and returns the job. For an invalid state it
        raises a ValueError, KeyError or TypeError. Changes, if any, are a list in the state,
        under the key ``changes``.
    version : int
        The ``format`` that `make` reads.
    what : str
        Name of the job, for messages.

    Returns
    -------
    object
        The result of `make`.

    Raises
    ------
    InvalidQueryError
        If there is no such file, or it has other content.
    """
    file = check_path(path, name="path").absolute()
    try:
        content = _with_changes(file.read_bytes().decode())
        if content["format"] != version:
            raise ValueError(f"its format is {content['format']}")
        return make(content, file)
    except OSError as error:
        raise InvalidQueryError(f"path={str(path)!r} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidQueryError(
            f"path={str(path)!r} is not a file of {what} written by save(): {error}"
        ) from error


def _with_changes(text: str) -> dict:
    content, end = json.JSONDecoder().raw_decode(text)
    state, *lines = text[end:].split("\n")
    if state.strip():
        raise ValueError(f"{state[:40]!r} follows it")
    changes = []
    for line in filter(str.strip, lines):
        # A line is incomplete if its process ended while writing it.
        with contextlib.suppress(ValueError):
            changes.append(json.loads(line))
    return {**content, "changes": changes} if changes else content

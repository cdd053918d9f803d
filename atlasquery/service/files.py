"""Write files whole or not at all, some for their owner only; the folder that processes share."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from astropy.config import paths

from atlasquery.exceptions import FULL, StorageError

__all__ = ["cache_folder", "private_file", "storage_errors", "write_atomic", "write_private"]


def cache_folder() -> Path:
    """Return the directory for what all processes of a user share.

    Returns
    -------
    `~pathlib.Path`
        Below astropy's cache directory; where that cannot be made, a place that cannot
        be written to either, as who wants to write there finds out.
    """
    try:
        return Path(paths.get_cache_dir(), "atlasquery")
    except (OSError, RuntimeError):
        return Path(os.environ.get("HOME", "/"), ".astropy", "cache", "atlasquery")


def write_private(path: Path, *parts: bytes, durable: bool = False) -> None:
    """Replace a file by one that only its owner can read.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file; its directory exists.
    *parts : bytes
        What it is to hold, in order.
    durable : bool, optional
        Whether to wait until the disk has it, so that a power cut takes nothing.

    Raises
    ------
    StorageError
        If it cannot be written; the file of before is then as it was.
    """
    # mkstemp makes the file readable by its owner only.
    with storage_errors(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        _fill(os.fdopen(handle, "wb"), Path(temporary), path, parts, durable)


@contextlib.contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces another one when it is complete, for its owner only.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file; its directory exists.

    Yields
    ------
    file-like
        What is written to, and can be read too. It takes the name of `path` when the block
        ends; nothing is left of it where that raises.

    Raises
    ------
    StorageError
        If it cannot be written; the file of before is then as it was.
    """
    with storage_errors(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
        with storage_errors(path):
            os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        # Other errors of the system may be of the network that the content comes from.
        if isinstance(error, OSError) and error.errno in FULL:
            with storage_errors(path):
                raise
        raise


def write_atomic(path: Path, *parts: bytes) -> None:
    """Replace a file by one that is on the disk, and that others may read as files made here.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file; its directory exists.
    *parts : bytes
        What it is to hold, in order.

    Raises
    ------
    StorageError
        If it cannot be written; the file of before is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with storage_errors(path):
        _fill(temporary.open("xb"), temporary, path, parts, True)


@contextlib.contextmanager
def storage_errors(path: Path, what: str = "") -> Iterator[None]:
    """Turn the system's errors of writing a file into one kind.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    what : str, optional
        What it is, for the message.

    Raises
    ------
    StorageError
        In place of an OSError.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        # The file that was meant, and not the temporary one.
        failure = StorageError.from_system(error, f"{what or path} cannot be written")
        failure.filename = str(path)
        raise failure from error


def _fill(file: BinaryIO, temporary: Path, path: Path, parts: tuple, durable: bool) -> None:
    try:
        with file:
            for part in parts:
                file.write(part)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise

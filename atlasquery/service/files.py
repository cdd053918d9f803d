"""Write files atomically, some readable by their owner only; the folder shared by processes."""

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
    """Return the directory that all processes of a user share.

    Returns
    -------
    `~pathlib.Path`
        A directory below astropy's cache directory. If that cannot be created, it is one
        that cannot be written to either, so that writing fails with a clear error.
    """
    try:
        return Path(paths.get_cache_dir(), "atlasquery")
    except (OSError, RuntimeError):
        return Path(os.environ.get("HOME", "/"), ".astropy", "cache", "atlasquery")


def write_private(path: Path, *parts: bytes, durable: bool = False) -> None:
    """Write a file that only its owner can read, atomically.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file; its directory exists.
    *parts : bytes
        The content, in order.
    durable : bool, optional
        Whether to wait until it is on the disk, so that it survives a power failure.

    Raises
    ------
    StorageError
        If it cannot be written; an existing file is then unchanged.
    """
    # The files of mkstemp are readable by their owner only.
    with storage_errors(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        _fill(os.fdopen(handle, "wb"), Path(temporary), path, parts, durable)


@contextlib.contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file, readable by its owner only, that replaces another when it is complete.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file; its directory exists.

    Yields
    ------
    file-like
        A file open for writing and reading. It gets the name of `path` when the block
        ends, and is removed if the block raises.

    Raises
    ------
    StorageError
        If it cannot be written; an existing file is then unchanged.
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
        # Other OSErrors may come from the network that delivers the content.
        if isinstance(error, OSError) and error.errno in FULL:
            with storage_errors(path):
                raise
        raise


def write_atomic(path: Path, *parts: bytes) -> None:
    """Write a file atomically, with the usual permissions, and wait until it is on the disk.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file; its directory exists.
    *parts : bytes
        The content, in order.

    Raises
    ------
    StorageError
        If it cannot be written; an existing file is then unchanged.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with storage_errors(path):
        _fill(temporary.open("xb"), temporary, path, parts, True)


@contextlib.contextmanager
def storage_errors(path: Path, what: str = "") -> Iterator[None]:
    """Raise a `StorageError` in place of each `OSError` of writing a file.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    what : str, optional
        Name of the file in the message; by default its path.

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
        # The intended file, not the temporary one.
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

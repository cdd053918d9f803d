"""Locks between the processes of a user, which end with the process that holds them."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, processes do not wait for each other.
    fcntl = None  # type: ignore[assignment]  # mypy has no name for a missing module

__all__ = ["alone", "is_current_file", "locked", "open_alone"]

PAUSE = 0.05


@contextlib.contextmanager
def alone(path: Path, patience: float) -> Iterator[bool]:
    """Hold a lock, after waiting for other processes that hold it.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file of the lock, which is created, and removed at the end.
    patience : float
        Seconds to wait for another process; after that, or where locks are not possible,
        the block runs without the lock.

    Yields
    ------
    bool
        Whether the lock is held.
    """
    until = time.monotonic() + patience
    while True:
        with open_alone(path, max(0.0, until - time.monotonic())) as handle:
            if handle is not None and not is_current_file(path, handle):
                # The previous holder has removed the file, and another process may have a new one.
                continue
            try:
                yield handle is not None
            finally:
                if handle is not None:
                    with contextlib.suppress(OSError):
                        os.unlink(path)
            return


def is_current_file(path: Path, handle: int) -> bool:
    """Return whether an open file is still the one at a path.

    Parameters
    ----------
    path : `~pathlib.Path`
        The path.
    handle : int
        The descriptor of the file.

    Returns
    -------
    bool
        False if the file was removed or replaced since it was opened.
    """
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


@contextlib.contextmanager
def open_alone(path: Path, patience: float, pause: float = PAUSE) -> Iterator[int | None]:
    """Open a file that only one process at a time reads and writes.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file, which is created and not removed.
    patience : float
        Seconds to wait for another process.
    pause : float, optional
        Seconds between attempts.

    Yields
    ------
    int or None
        The descriptor; None if another process holds the lock, or locks are not possible.
    """
    handle = None
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if handle is None:
        yield None
        return
    try:
        # Closing the file releases the lock, and so does the end of the process.
        yield handle if _locked(handle, time.monotonic() + patience, pause) else None
    finally:
        os.close(handle)


def _locked(handle: int, until: float, pause: float) -> bool:
    while fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(pause)
        except OSError:
            # A file system without locks.
            return False
        else:
            return True
    return False


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock, without waiting for other processes.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file of the lock, which is created, and removed at the end.

    Yields
    ------
    bool
        False if another process holds it.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if fcntl is not None:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    yield False
                    return
                if not is_current_file(path, descriptor):
                    # The previous holder has removed it.
                    continue
            try:
                yield True
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(path)
            return
        finally:
            os.close(descriptor)

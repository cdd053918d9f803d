"""One process at a time: a lock that all processes of a user see, and that dies with its owner."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such lock: there, each process goes its own way.
    fcntl = None

__all__ = ["alone", "is_current_file", "locked", "open_alone"]

PAUSE = 0.05


@contextlib.contextmanager
def alone(path: Path, patience: float) -> Iterator[bool]:
    """Do something while no other process does the same.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file of the lock. It is made, and removed at the end.
    patience : float
        Seconds to wait for another process; then, as where there can be no lock,
        the work is done all the same.

    Yields
    ------
    bool
        Whether no other process is here.
    """
    until = time.monotonic() + patience
    while True:
        with open_alone(path, max(0.0, until - time.monotonic())) as handle:
            if handle is not None and not is_current_file(path, handle):
                # Who had it before has removed it, and a third one may have a new one by now.
                continue
            try:
                yield handle is not None
            finally:
                if handle is not None:
                    with contextlib.suppress(OSError):
                        os.unlink(path)
            return


def is_current_file(path: Path, handle: int) -> bool:
    """Return whether an open file is the one that has a name now.

    Parameters
    ----------
    path : `~pathlib.Path`
        The name.
    handle : int
        The descriptor of the file.

    Returns
    -------
    bool
        False where the file was removed or replaced since it was opened.
    """
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


@contextlib.contextmanager
def open_alone(path: Path, patience: float, pause: float = PAUSE) -> Iterator[int | None]:
    """Open a small file that one process at a time reads and writes.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file. It is made, and left there.
    patience : float
        Seconds to wait for another process.
    pause : float, optional
        Seconds after which it is tried again.

    Yields
    ------
    int or None
        The descriptor; None where another process holds on, or there can be no lock.
    """
    handle = None
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if handle is None:
        yield None
        return
    try:
        # Closing the file lets go of the lock, and so does the end of the process.
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
    """Hold a lock that ends with the process, however that ends.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file that is locked. It is made, and removed at the end.

    Yields
    ------
    bool
        False where another process holds it.
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
                    # Who had it before has removed it.
                    continue
            try:
                yield True
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(path)
            return
        finally:
            os.close(descriptor)

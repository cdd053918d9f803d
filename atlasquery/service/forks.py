"""Renew in a forked process what it must not share with its parent: connections and locks.

``multiprocessing``, joblib and pytest-xdist may fork a process in which a client was used. The
child has the parent's sockets, on which it would read the responses to the parent's requests, and
locks that are held by threads that the child does not have.
"""

import collections
import contextlib
import copy
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Protocol

import requests

__all__ = ["ForkSafeLock", "no_fork", "renew_in_child", "renewed_session"]

# Longest wait of a fork for a thread inside a library that does not survive a fork.
PATIENCE = 5.0


class _Renewable(Protocol):
    def _renew_after_fork(self) -> None: ...


_renewable: weakref.WeakSet[_Renewable] = weakref.WeakSet()
_quiet = threading.RLock()
_held = threading.local()


def renew_in_child(thing: _Renewable) -> None:
    """Call the ``_renew_after_fork`` of an object in each forked child.

    Parameters
    ----------
    thing : object
        The object, to which only a weak reference is kept.
    """
    _renewable.add(thing)


class ForkSafeLock:
    """A lock between the threads of a process, which is free in a forked child.

    Parameters
    ----------
    make : callable, optional
        Returns the lock; `threading.RLock` for one that a thread may acquire twice.
    """

    def __init__(self, make: Callable = threading.Lock):
        self._make = make
        self._lock = self._taken = make()
        renew_in_child(self)

    def _renew_after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may have held."""
        self._lock = self._make()

    def __enter__(self) -> None:
        lock = self._lock
        lock.acquire()
        # __exit__ releases this one, even if the thread that holds it forks.
        self._taken = lock

    def __exit__(self, *error: object) -> None:
        self._taken.release()


@contextlib.contextmanager
def no_fork() -> Iterator[None]:
    """Delay forks while this thread is inside a library that does not survive one.

    SQLite keeps the locks of a process in memory: for a child forked meanwhile, the file would
    stay locked for ever.
    """
    with _quiet:
        yield


def renewed_session(session: requests.Session) -> requests.Session:
    """Return a session with the settings of another, and none of its connections or locks.

    Parameters
    ----------
    session : `requests.Session`
        The session to copy.

    Returns
    -------
    `requests.Session`
        A session of the same class.
    """
    fresh = type(session).__new__(type(session))
    fresh.__dict__.update(vars(session))
    # Copies of cookies and adapters have separate locks and connections.
    fresh.cookies = session.cookies.copy()
    fresh.adapters = collections.OrderedDict(
        (prefix, copy.copy(adapter)) for prefix, adapter in session.adapters.items()
    )
    return fresh


def _before() -> None:
    _held.quiet = _quiet.acquire(timeout=PATIENCE)


def _in_parent() -> None:
    if _held.quiet:
        _quiet.release()


def _in_child() -> None:
    if _held.quiet:
        _quiet.release()
    else:
        globals()["_quiet"] = threading.RLock()
    for thing in list(_renewable):
        thing._renew_after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)

"""Warnings that point at the line of the user which called the package."""

import contextlib
import contextvars
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

__all__ = ["collected_warnings", "warn", "without_warnings"]

PACKAGE = str(Path(__file__).parent) + os.sep
# Where the warnings of a call go instead, as a list of pairs. The filters of `warnings` are those
# of the whole process: threads that change them at the same time would undo each other's change.
_collector: contextvars.ContextVar[list[tuple[str, type[Warning]]] | None] = contextvars.ContextVar(
    "collector", default=None
)
_silenced: contextvars.ContextVar[tuple[type[Warning], ...]] = contextvars.ContextVar(
    "silenced", default=()
)


@contextlib.contextmanager
def collected_warnings() -> Iterator[list[tuple[str, type[Warning]]]]:
    """Collect what this thread warns of, and the threads that it starts, instead of showing it.

    Yields
    ------
    list of tuple
        Message and class of each warning, in order.
    """
    found: list[tuple[str, type[Warning]]] = []
    token = _collector.set(found)
    try:
        yield found
    finally:
        _collector.reset(token)


@contextlib.contextmanager
def without_warnings(category: type[Warning]) -> Iterator[None]:
    """Silence one class of the package's warnings in this thread, and those that it starts.

    Parameters
    ----------
    category : type
        The class of the warnings.
    """
    token = _silenced.set((*_silenced.get(), category))
    try:
        yield
    finally:
        _silenced.reset(token)


def warn(message: str, category: type[Warning]) -> None:
    """Issue a warning that points at the user's line: the first one outside the package.

    Parameters
    ----------
    message : str
        The message.
    category : type
        The class of the warning.
    """
    if issubclass(category, _silenced.get()):
        return
    collector = _collector.get()
    if collector is not None:
        collector.append((message, category))
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)

"""Show on a terminal how far the server is with a search."""

import sys
import threading

from atlasquery.lccserver.stream import StreamLine
from atlasquery.service.pool import in_notebook
from atlasquery.tables.html import control_free

__all__ = ["StatusLine"]


class StatusLine:
    """One line of a terminal, with the last words of the server, gone when the search is done.

    Parameters
    ----------
    shown : bool
        Whether it is wanted; without a terminal nothing is shown.
    service : str
        Who speaks.
    """

    def __init__(self, shown: bool, service: str):
        self._shown = bool(shown) and (in_notebook() or sys.stdout.isatty())
        self._service = service
        self._lock = threading.Lock()
        self._width = 0

    def show(self, line: StreamLine) -> None:
        """Show a message in place of the one before.

        Parameters
        ----------
        line : StreamLine
            The message.
        """
        if self._shown:
            with self._lock:
                text = control_free(f"{self._service}: {line.message}")[:79]
                sys.stdout.write("\r" + text.ljust(self._width))
                sys.stdout.flush()
                self._width = len(text)

    def __enter__(self) -> "StatusLine":
        return self

    def __exit__(self, *error) -> None:
        if self._width:
            sys.stdout.write("\r" + " " * self._width + "\r")
            sys.stdout.flush()

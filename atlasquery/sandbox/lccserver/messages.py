"""Requests to the embedded LCC-Server, and its responses."""

import json
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..http import Response, SandboxRequest

__all__ = [
    "BAD_KEY", "HTML_401", "HTML_404", "HTML_405", "HTML_500", "JSON_UTF8", "LCCRequest",
    "LineStream", "failed", "json_reply", "page",
]  # fmt: skip

BAD_KEY = "Your API key appears to be invalid or has expired."
JSON_UTF8 = "application/json; charset=UTF-8"
HTML_401 = "<html><title>401: Unauthorized</title><body>401: Unauthorized</body></html>"
HTML_404 = "<html><title>404: Not Found</title><body>404: Not Found</body></html>"
HTML_405 = "<html><title>405: Method Not Allowed</title></html>"
HTML_500 = "<html><title>500: Internal Server Error</title><body>500</body></html>"


class LCCRequest(SandboxRequest):
    """A request, with the parts that the server reads."""

    @cached_property
    def form(self) -> dict[str, list[str]]:
        """The values of each field of a form; other bodies are not read."""
        if "x-www-form-urlencoded" not in self.headers.get("content-type", ""):
            return {}
        return super().form

    @property
    def key(self) -> str | None:
        """The API key, None without one."""
        found = re.fullmatch("Bearer (.*)", self.headers.get("authorization", ""))
        return found[1] if found else None

    def one(self, name: str, default: str = "") -> str:
        """Return the last value of a field of the form.

        Parameters
        ----------
        name : str
            The field.
        default : str, optional
            What a form without the field gives.

        Returns
        -------
        str
            The value.
        """
        return self.form.get(name, [default])[-1]


@dataclass
class LineStream:
    """A response of lines, each sent as soon as it is there.

    Parameters
    ----------
    lines : iterable of str or dict
        Strings are sent as they are; another object as JSON and a line break.
    pause : float
        Seconds between two lines.
    cut : bool
        Whether the connection breaks off after the lines.
    """

    lines: Iterable[Any]
    pause: float = 0.0
    cut: bool = False

    def response(self, request: SandboxRequest) -> Response:
        """Return the stream as it is sent.

        Parameters
        ----------
        request : SandboxRequest
            What was requested: it says whether the lines may be compressed.

        Returns
        -------
        Response
            The response.
        """
        packed = "gzip" in request.headers.get("accept-encoding", "")
        headers = {"Content-Encoding": "gzip"} if packed else {}
        chunks = self._packed() if packed else self._encoded()
        return Response(
            content_type=JSON_UTF8, headers=headers, chunks=chunks, cut=self.cut
        )  # fmt: skip

    def _encoded(self) -> Iterator[bytes]:
        for number, line in enumerate(self.lines):
            if number and self.pause:
                time.sleep(self.pause)
            yield (line if isinstance(line, str) else json.dumps(line) + "\n").encode()

    def _packed(self) -> Iterator[bytes]:
        # Each line can be read when it is sent.
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        for line in self._encoded():
            yield packer.compress(line) + packer.flush(zlib.Z_SYNC_FLUSH)
        if not self.cut:
            yield packer.flush()


def failed(message: str | None, result: object = None) -> dict[str, Any]:
    """Return the envelope of a failure.

    Parameters
    ----------
    message : str or None
        The message.
    result : object, optional
        What comes with it.

    Returns
    -------
    dict
        The envelope.
    """
    return {"status": "failed", "result": result, "message": message}


def json_reply(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a response in JSON.

    Parameters
    ----------
    body : object
        The body; bytes and strings are sent as they are.
    status : int, optional
        The status.
    headers : dict of str to str, optional
        Other headers.

    Returns
    -------
    Response
        The response.
    """
    return Response(status, body, JSON_UTF8, headers or {})


def page(text: str, status: int) -> Response:
    """Return a page for browsers.

    Parameters
    ----------
    text : str
        The page.
    status : int
        The status.

    Returns
    -------
    Response
        The response.
    """
    return Response(status, text, "text/html; charset=UTF-8")

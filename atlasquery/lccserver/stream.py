"""The response to a search: a stream of lines of JSON, the messages of the server."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from atlasquery.exceptions import RemoteServiceError, TableParseError

__all__ = ["SearchOutcome", "Stream", "StreamLine", "refused"]

TERMINAL = ("ok", "background", "failed")
KNOWN = ("queued", "running", *TERMINAL)

# What the data of a message may have, and of which type; null is allowed too.
TYPES: dict[str, type] = {
    "setid": str, "api_args": dict, "lczip": str, "total_nmatches": int, "actual_nrows": int,
}  # fmt: skip
TYPE_NAMES = {str: "a string", dict: "a JSON object", int: "a whole number"}


@dataclass(frozen=True)
class StreamLine:
    """One message of the server.

    Parameters
    ----------
    status : str
        ``"queued"``, ``"running"``, ``"ok"``, ``"background"`` or ``"failed"``.
    result : dict or None
        The data of the message.
    message : str
        Its text, without markup.
    """

    status: str
    result: dict | None
    message: str


@dataclass
class SearchOutcome:
    """The outcome of a search.

    Parameters
    ----------
    status : str
        ``"ok"``, ``"background"``, ``"empty"`` where nothing matched, ``"failed"``, or
        ``"unfinished"``.
    setid : str or None
        The name of its dataset, where it has one.
    api_args : dict
        The arguments as the server read them.
    matches : int or None
        Number of objects that matched, if known.
    light_curves : str or None
        The path of the ZIP of its light curves, once it exists.
    message : str
        The last message.
    """

    status: str
    setid: str | None = None
    api_args: dict = field(default_factory=dict)
    matches: int | None = None
    light_curves: str | None = None
    message: str = ""


class Stream:
    """Reads the messages of one response from its chunks, as they arrive."""

    def __init__(self) -> None:
        #: The messages so far.
        self.lines: list[StreamLine] = []
        self._rest = b""
        self._decoder = json.JSONDecoder()

    @property
    def setid(self) -> str | None:
        """The name of the dataset, once the server has sent it."""
        results = (line.result or {} for line in self.lines)
        return next((result["setid"] for result in results if result.get("setid")), None)

    def feed(self, chunk: bytes) -> list[StreamLine]:
        """Add a chunk of the response.

        Parameters
        ----------
        chunk : bytes
            Any number of bytes.

        Returns
        -------
        list of StreamLine
            The messages that it completes.
        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return self._add(message for line in lines for message in self._messages(line))

    def close(self) -> list[StreamLine]:
        """Read the end of the response, whose last line may have no newline.

        See docs/servers/lccserver.rst, "The response is a stream of lines".

        Returns
        -------
        list of StreamLine
            The message without a newline, if any.
        """
        rest, self._rest = self._rest, b""
        return self._add(self._messages(rest))

    def _add(self, messages: Iterator[StreamLine]) -> list[StreamLine]:
        new = list(messages)
        self.lines += new
        return new

    def _messages(self, line: bytes) -> Iterator[StreamLine]:
        """Return the messages of a line, which may have two of them."""
        try:
            text = line.decode().strip()
            while text:
                message, end = self._decoder.raw_decode(text)
                yield _line(message)
                text = text[end:].lstrip()
        except (ValueError, RecursionError) as error:
            raise TableParseError(
                f"LCC-Server sent a line that is not JSON ({error}): {line[:200]!r}",
                service="LCC-Server",
            ) from error

    def outcome(self) -> SearchOutcome:
        """Return the outcome of the search, when the response has ended.

        Returns
        -------
        SearchOutcome
            ``"unfinished"`` if the last line is "queued" or "running", as after an exception of
            the server: see docs/servers/lccserver.rst, "The response is a stream of lines".
        """
        results = [line.result or {} for line in self.lines]
        outcome = SearchOutcome("unfinished", self.setid)
        outcome.api_args = next((r["api_args"] or {} for r in results if "api_args" in r), {})
        for result in results:
            counted = result.get("total_nmatches")
            outcome.matches = counted if counted is not None else outcome.matches
            outcome.light_curves = result.get("lczip") or outcome.light_curves
        # Of two refusals at once the first has the reason, the second only the fact.
        last = next((line for line in self.lines if line.status in TERMINAL), None)
        if last is None:
            outcome.message = self.lines[-1].message if self.lines else ""
            return outcome
        outcome.status, outcome.message = last.status, last.message
        if last.status == "failed":
            # No match, or an error: see docs/servers/lccserver.rst, "No match is a failure".
            nothing = (last.result or {}).get("actual_nrows") == 0 and outcome.setid is not None
            outcome.status = "empty" if nothing else "failed"
        return outcome


def _line(message: object) -> StreamLine:
    if not isinstance(message, dict) or message.get("status") not in KNOWN:
        raise TableParseError(
            f"LCC-Server sent a message of an unknown kind: {str(message)[:200]}",
            service="LCC-Server",
        )
    words = message.get("message") or ""
    text = " ".join(map(str, words)) if isinstance(words, list) else str(words)
    plain = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())
    result = message.get("result")
    if not isinstance(result, dict):
        return StreamLine(message["status"], None, plain)
    for name, kind in TYPES.items():
        value = result.get(name)
        if value is not None and not isinstance(value, kind):
            raise TableParseError(
                f"LCC-Server sent {name}={value!r:.100}, which should be {TYPE_NAMES[kind]}",
                service="LCC-Server",
            )
    return StreamLine(message["status"], result, plain)


def refused(outcome: SearchOutcome, url: str) -> RemoteServiceError:
    """Return the error of a search that the server did not run.

    Parameters
    ----------
    outcome : SearchOutcome
        Its outcome.
    url : str
        The address of the request.

    Returns
    -------
    RemoteServiceError
        With the server's message.
    """
    text = f"LCC-Server refused the search at {url}: {outcome.message or '(no message)'}"
    if outcome.status == "unfinished":
        text = (
            f"LCC-Server ended the response to a search at {url} without a result, as it does when "
            f"it fails; its last message: {outcome.message or '(none)'}"
        )
    return RemoteServiceError(
        text, service="LCC-Server", status=200, url=url, reason=outcome.message
    )

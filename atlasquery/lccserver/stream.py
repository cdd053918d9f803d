"""The answer to a search: lines of JSON that tell how far the server is, until it ends."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from atlasquery.exceptions import RemoteServiceError, TableParseError

__all__ = ["Outcome", "Stream", "StreamLine", "refused"]

TERMINAL = ("ok", "background", "failed")
KNOWN = ("queued", "running", *TERMINAL)


@dataclass(frozen=True)
class StreamLine:
    """One message of the server.

    Parameters
    ----------
    status : str
        ``"queued"``, ``"running"``, ``"ok"``, ``"background"`` or ``"failed"``.
    result : dict or None
        What comes with it.
    message : str
        Its words, without markup.
    """

    status: str
    result: dict | None
    message: str


@dataclass
class Outcome:
    """What became of a search.

    Parameters
    ----------
    status : str
        ``"ok"``, ``"background"``, ``"empty"`` where nothing matched, ``"failed"``, or
        ``"unfinished"``.
    setid : str or None
        The name of its dataset, where it has one.
    api_args : dict
        The arguments as the server understood them first.
    ran_args : dict
        The arguments that it says it ran, once it has ended well.
    matches : int or None
        How many objects matched, where that is known.
    light_curves : str or None
        The path of the ZIP of its light curves, once that is there.
    message : str
        The last words.
    """

    status: str
    setid: str | None = None
    api_args: dict = field(default_factory=dict)
    ran_args: dict = field(default_factory=dict)
    matches: int | None = None
    light_curves: str | None = None
    message: str = ""


class Stream:
    """Reads the messages of one answer from its pieces, as they arrive."""

    def __init__(self):
        #: The messages so far.
        self.lines: list[StreamLine] = []
        self._rest = b""
        self._decoder = json.JSONDecoder()

    @property
    def setid(self) -> str | None:
        """The name of the dataset, once the server has said it."""
        return next((line.result["setid"] for line in self.lines
                     if line.result and line.result.get("setid")), None)  # fmt: skip

    def feed(self, piece: bytes) -> list[StreamLine]:
        """Take a piece of the answer.

        Parameters
        ----------
        piece : bytes
            Any number of bytes.

        Returns
        -------
        list of StreamLine
            The messages that are whole with it.
        """
        *whole, self._rest = (self._rest + piece).split(b"\n")
        return self._add(message for line in whole for message in self._messages(line))

    def close(self) -> list[StreamLine]:
        """Take the end of the answer: "the last line may lack its newline" (contract).

        Returns
        -------
        list of StreamLine
            The message that was not ended.
        """
        rest, self._rest = self._rest, b""
        return self._add(self._messages(rest))

    def _add(self, messages: Iterator[StreamLine]) -> list[StreamLine]:
        new = list(messages)
        self.lines += new
        return new

    def _messages(self, line: bytes) -> Iterator[StreamLine]:
        """Return the messages of a line: "two JSON objects on one line" (contract)."""
        try:
            text = line.decode().strip()
            while text:
                said, end = self._decoder.raw_decode(text)
                yield _line(said)
                text = text[end:].lstrip()
        except (ValueError, RecursionError) as error:
            raise TableParseError(
                f"LCC-Server sent a line that is no JSON ({error}): {line[:200]!r}",
                service="LCC-Server",
            ) from error

    def outcome(self) -> Outcome:
        """Return what became of the search, when the answer has ended.

        Returns
        -------
        Outcome
            ``"unfinished"`` where the server broke off: "the stream can end with queued or
            running as the last line: a server exception" (contract).
        """
        first = next((line for line in self.lines if line.result and "api_args" in line.result),
                     None)  # fmt: skip
        made = Outcome("unfinished", self.setid)
        if first is not None:
            made.api_args = first.result["api_args"] or {}
        # Of two refusals at once the first says what is wrong, the second that something is.
        last = next((line for line in self.lines if line.status in TERMINAL), None)
        for line in self.lines:
            counted = (line.result or {}).get("total_nmatches")
            made.matches = counted if counted is not None else made.matches
            made.light_curves = (line.result or {}).get("lczip") or made.light_curves
        if last is None:
            made.message = self.lines[-1].message if self.lines else ""
            return made
        made.status, made.message = last.status, last.message
        if last.status == "failed":
            # "actual_nrows 0: an empty table; result null: a parameter error" (contract)
            nothing = (last.result or {}).get("actual_nrows") == 0 and made.setid is not None
            made.status = "empty" if nothing else "failed"
        elif last.result:
            made.ran_args = last.result.get("backend_parsedargs") or {}
        return made


def _line(said: object) -> StreamLine:
    if not isinstance(said, dict) or said.get("status") not in KNOWN:
        raise TableParseError(
            f"LCC-Server sent a message of no kind that is known: {str(said)[:200]}",
            service="LCC-Server",
        )
    words = said.get("message") or ""
    text = " ".join(words) if isinstance(words, list) else str(words)
    plain = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())
    result = said.get("result")
    return StreamLine(said["status"], result if isinstance(result, dict) else None, plain)


def refused(outcome: Outcome, url: str) -> RemoteServiceError:
    """Return the error of a search that the server did not do.

    Parameters
    ----------
    outcome : Outcome
        What became of it.
    url : str
        What was asked.

    Returns
    -------
    RemoteServiceError
        With the server's words.
    """
    known = {"service": "LCC-Server", "status": 200, "url": url, "reason": outcome.message}
    if outcome.status == "unfinished":
        return RemoteServiceError(
            f"LCC-Server broke off a search at {url} without an end, which it does when it fails "
            f"over one; its last words: {outcome.message or '(none)'}",
            **known,
        )
    return RemoteServiceError(
        f"LCC-Server refused the search at {url}: {outcome.message or '(no words)'}", **known
    )

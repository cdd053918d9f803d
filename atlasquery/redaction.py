"""Texts that are shown: without secrets, and without what a terminal obeys.

What a server says passes here before a person or a log sees it, in every exception too. A server
may quote the request, token and all, and may send what moves the cursor of a terminal or
turns a line around.
"""

import html
import json
import re
import weakref
from typing import Protocol
from urllib.parse import quote, quote_plus

__all__ = ["CONTROL", "escape_controls", "redact", "register_secret", "safe_text"]

#: Control characters but for the tab and the line feed, marks of the direction of writing, tags
#: that are never seen, and halves of characters, which cannot be written to a terminal.
CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
DOTS = "..."
# One or two letters would be found in any sentence, and tell what they are by their absence.
SHORTEST = 4
# A text that was cut may end within a secret. So much of one is hidden too, of one that is long.
PART, LONG = 8, 16


class _Hidden(Protocol):
    def reveal(self) -> str: ...


# By identity: of two that are equal, one may be let go of.
_secrets: weakref.WeakValueDictionary[int, _Hidden] = weakref.WeakValueDictionary()


def register_secret(secret: _Hidden) -> None:
    """Let no text that is shown have a secret in it, for as long as it is in memory.

    Parameters
    ----------
    secret : object
        With a ``reveal`` that returns its text.
    """
    _secrets[id(secret)] = secret


def safe_text(text: str) -> str:
    """Return a text as it may be shown.

    Parameters
    ----------
    text : str
        Perhaps a server's.

    Returns
    -------
    str
        With dots for each secret, and escapes for control characters.
    """
    return escape_controls(redact(text))


def escape_controls(text: str) -> str:
    r"""Return a text that a terminal shows as it is, in the order in which it is written.

    Parameters
    ----------
    text : str
        Perhaps a server's.

    Returns
    -------
    str
        With escapes, such as ``\x1b``, for the characters of `CONTROL`.
    """
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def redact(text: str) -> str:
    """Return a text without the tokens and passwords in use.

    Parameters
    ----------
    text : str
        Perhaps a server's, which quotes what it was sent.

    Returns
    -------
    str
        With dots for each of them, in whatever way a server writes it.
    """
    for reference in _secrets.valuerefs():
        secret = reference()
        value = None if secret is None else secret.reveal()
        # What is no text is refused before it is used.
        if isinstance(value, str):
            spellings = _spellings(value)
            for value in spellings:
                text = text.replace(value, DOTS)
            for value in spellings:
                text = _without_part(text, value) if len(value) >= LONG else text
    return text


def _spellings(value: str) -> list[str]:
    """Return a secret as it is, and as it stands in JSON, HTML, Python and an address."""
    found = {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        html.escape(value),
        repr(value)[1:-1],
    }
    for coded in (quote(value, safe="", errors="replace"), quote(value, errors="replace"),
                  quote_plus(value, errors="replace")):  # fmt: skip
        found |= {coded, re.sub("%[0-9A-F]{2}", lambda part: part[0].lower(), coded)}
    return sorted((one for one in found if len(one) >= SHORTEST), key=len, reverse=True)


def _without_part(text: str, value: str) -> str:
    """Return a text without what a secret begins with, in so far as it is there."""
    head = value[:PART]
    parts, begin = [], 0
    while (at := text.find(head, begin)) >= 0:
        parts += [text[begin:at], DOTS]
        begin = at + PART
        for letter in value[PART:]:
            if text[begin : begin + 1] != letter:
                break
            begin += 1
    return "".join([*parts, text[begin:]]) if parts else text

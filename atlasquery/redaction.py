"""Make text safe to show: without secrets, and without control characters.

Text from a server passes through here before it reaches a person or a log, also in exceptions. A
server may quote the request with its token, and may send control characters that move the cursor
of a terminal or reverse the direction of a line.
"""

import html
import json
import re
import weakref
from typing import Protocol
from urllib.parse import quote, quote_plus

__all__ = ["CONTROL", "escape_controls", "redact", "register_secret", "safe_text"]

#: Control characters except tab and line feed, marks of the direction of writing, invisible tags,
#: and surrogates, which cannot be written to a terminal.
CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
DOTS = "..."
# One or two letters occur in any sentence, and replacing them would reveal them.
SHORTEST = 4
# A truncated text may end within a secret: of a long secret, its beginning is hidden too.
PART, LONG = 8, 16


class _Hidden(Protocol):
    def reveal(self) -> str: ...


# How each secret may be spelled, by identity: one of two equal secrets may be deleted before the
# other. Each cell of a table is searched for them, so they are not derived each time.
_spelled: dict[int, tuple[weakref.ref, list[str]]] = {}


def register_secret(secret: _Hidden) -> None:
    """Hide a secret in all text that is shown, for as long as the secret exists.

    Parameters
    ----------
    secret : object
        Its ``reveal`` method returns the secret string.
    """
    key, value = id(secret), secret.reveal()
    # Values that are not strings are refused elsewhere, before they are used.
    if isinstance(value, str):
        forget = weakref.ref(secret, lambda _: _spelled.pop(key, None))
        _spelled[key] = forget, _spellings(value)


def safe_text(text: str) -> str:
    """Return text that is safe to show.

    Parameters
    ----------
    text : str
        The text, which may come from a server.

    Returns
    -------
    str
        The text with dots for each secret, and escapes for control characters.
    """
    return escape_controls(redact(text))


def escape_controls(text: str) -> str:
    r"""Replace control characters by escapes, so that a terminal shows them.

    Parameters
    ----------
    text : str
        The text, which may come from a server.

    Returns
    -------
    str
        The text with escapes, such as ``\x1b``, for the characters of `CONTROL`.
    """
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def redact(text: str) -> str:
    """Replace the tokens and passwords in use by dots.

    Parameters
    ----------
    text : str
        The text, which may come from a server that quotes the request.

    Returns
    -------
    str
        The text with dots for each secret, however the server encoded it.
    """
    for _, spellings in list(_spelled.values()):
        for value in spellings:
            text = text.replace(value, DOTS)
        for value in spellings:
            text = _without_part(text, value) if len(value) >= LONG else text
    return text


def _spellings(value: str) -> list[str]:
    """Return a secret as it is, and as JSON, HTML, Python and a URL encode it."""
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
    return sorted((text for text in found if len(text) >= SHORTEST), key=len, reverse=True)


def _without_part(text: str, value: str) -> str:
    """Replace each occurrence of the beginning of a secret, as far as it continues."""
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

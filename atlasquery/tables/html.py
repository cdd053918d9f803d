"""HTML for notebooks, in which no string of a server becomes markup."""

import re
from collections.abc import Iterable, Mapping
from html import escape, unescape
from typing import TYPE_CHECKING

from atlasquery.redaction import CONTROL, redact
from atlasquery.service.positions import format_degrees

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["Markup", "control_free", "definitions", "grid", "link", "plain_text", "position_text"]

# Colours come from the notebook, so that dark ones stay readable.
TABLE = "border-collapse:collapse;text-align:left;background:transparent"
CELL = "text-align:left;padding:1px 10px 1px 0;vertical-align:top;white-space:normal"
HEAD = CELL.replace("white-space:normal", "white-space:nowrap")
TITLE = "caption-side:top;text-align:left;font-weight:bold;color:inherit;padding:2px 0"


class Markup(str):
    """A string that is HTML already, made by this package."""

    __slots__ = ()


def link(address: str, text: str) -> Markup:
    """Return a link, or the bare text where the address is not of the web.

    Parameters
    ----------
    address : str
        Perhaps a server's, such as ``javascript:...``.
    text : str
        What is shown.

    Returns
    -------
    Markup
        HTML.
    """
    if not re.match(r"https?://[^\s]+$", address):
        return Markup(_html(text))
    return Markup(
        f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{_html(text)}</a>'
    )


def position_text(position: "SkyCoord") -> str:
    """Return a position in both usual forms.

    Parameters
    ----------
    position : `~astropy.coordinates.SkyCoord`
        One position, ICRS.

    Returns
    -------
    str
        Sexagesimal, and in degrees.
    """
    degrees = format_degrees(position.ra.deg, position.dec.deg)
    return f"{position.to_string('hmsdms', precision=2)} ({degrees} deg, ICRS)"


def definitions(rows: Mapping[str, object], *, title: object, top: str = "") -> Markup:
    """Return a table of names and values; rows without a value are left out.

    Parameters
    ----------
    rows : mapping of str to object
        The values; `Markup` stays as it is, all else is escaped.
    title : object
        The title of the table.
    top : str, optional
        HTML that stands before the rows.

    Returns
    -------
    Markup
        HTML.
    """
    lines = [
        f'<tr><th style="{HEAD}">{escape(name)}</th><td style="{CELL}">{_html(value)}</td></tr>'
        for name, value in rows.items()
        if value not in (None, "")
    ]
    if top:
        lines.insert(0, f'<tr><td colspan="2" style="{CELL}">{top}</td></tr>')
    return _table(title, lines)


def grid(head: Iterable[str], rows: Iterable[Iterable[object]], *, title: object) -> Markup:
    """Return a table with a line of names.

    Parameters
    ----------
    head : iterable of str
        The names.
    rows : iterable of iterable of object
        The cells; `Markup` stays as it is, all else is escaped.
    title : object
        The title of the table.

    Returns
    -------
    Markup
        HTML.
    """
    lines = ["<tr>" + "".join(f'<th style="{HEAD}">{escape(name)}</th>' for name in head) + "</tr>"]
    for row in rows:
        lines.append(
            "<tr>" + "".join(f'<td style="{CELL}">{_html(cell)}</td>' for cell in row) + "</tr>"
        )
    return _table(title, lines)


def plain_text(text: str, *, longest: int = 300) -> str:
    """Return a server's text without its markup, in one line of limited length.

    Parameters
    ----------
    text : str
        Perhaps with tags.
    longest : int, optional
        How many characters are kept.

    Returns
    -------
    str
        One line, not escaped.
    """
    bare = " ".join(unescape(re.sub(r"</?[a-zA-Z][^<>]*>", "", text)).split())
    return bare if len(bare) <= longest else bare[: longest - 1].rstrip() + "…"


def control_free(text: str) -> str:
    """Return a string without control characters.

    Parameters
    ----------
    text : str
        Perhaps with control characters.

    Returns
    -------
    str
        With spaces in their place.
    """
    return CONTROL.sub(" ", text.replace("\t", " ").replace("\n", " "))


def _table(title: object, lines: list[str]) -> Markup:
    caption = f'<caption style="{TITLE}">{_html(title)}</caption>'
    return Markup(f'<table style="{TABLE}">{caption}{"".join(lines)}</table>')


def _html(value: object) -> str:
    return value if isinstance(value, Markup) else escape(control_free(redact(str(value))))

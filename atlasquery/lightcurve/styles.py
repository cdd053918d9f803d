"""Styles of bands and markers: the survey's colours, and shapes that differ without colour."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

__all__ = [
    "MARKER_STYLES",
    "STYLES",
    "MarkerStyle",
    "Style",
    "rank_of",
    "shaded",
    "style_in",
    "style_of",
    "visible",
]


@dataclass(frozen=True)
class Style:
    """How the points of a band look.

    Attributes
    ----------
    colour : str
        Visible on white, and different in grey.
    marker : str
        The marker of its detections, as matplotlib names it.
    symbol : str
        The same, as plotly names it.
    filled : bool
        Whether the triangles of its limits are filled.
    """

    colour: str
    marker: str
    symbol: str
    filled: bool = True


# ATLAS draws its orange and cyan bands in these colours; the markers distinguish them in print.
STYLES = {
    "o": Style("#e8630a", "o", "circle"),
    "c": Style("#0795a8", "s", "square", filled=False),
    "t": Style("#8c564b", "D", "diamond"),
    "w": Style("#555555", "P", "cross", filled=False),
    "h": Style("#9467bd", "X", "x"),
    "u": Style("#2b50c8", "p", "pentagon"),
    "g": Style("#2ca02c", "^", "triangle-up", filled=False),
    "r": Style("#d62728", "v", "triangle-down"),
    "i": Style("#7b3294", "<", "triangle-left", filled=False),
    "z": Style("#333333", ">", "triangle-right"),
    "y": Style("#a88400", "H", "hexagon", filled=False),
}
OTHER = Style("#777777", "*", "star", filled=False)
# Where light curves of several surveys are drawn together the marker is that of the survey.
SURVEYS = {"atlas": ("o", "circle"), "ztf": ("s", "square"), "lsst": ("D", "diamond")}
OTHER_SURVEYS = (
    ("^", "triangle-up"),
    ("P", "cross"),
    ("h", "hexagon"),
    ("<", "triangle-left"),
    ("X", "x"),
    ("*", "star"),
)


def style_of(band: str) -> Style:
    """Return how a band looks.

    Parameters
    ----------
    band : str
        Its name.

    Returns
    -------
    Style
        A grey star for bands that are not known.
    """
    return STYLES.get(band, OTHER)


def style_in(band: str, survey: str, surveys: Sequence[str]) -> Style:
    """Return how a band looks where several surveys are drawn together.

    Parameters
    ----------
    band, survey : str
        Their names; without a survey the marker is that of the band.
    surveys : sequence of str
        All surveys drawn.

    Returns
    -------
    Style
        The colour of the band, the marker of the survey, and filled triangles for ATLAS only.
    """
    style = style_of(band)
    if not survey:
        return style
    others = [name for name in sorted(set(surveys)) if name and name not in SURVEYS]
    known = SURVEYS | dict(zip(others, OTHER_SURVEYS * (1 + len(others)), strict=False))
    marker, symbol = known[survey]
    return replace(style, marker=marker, symbol=symbol, filled=survey == "atlas")


def luminance(colour: str) -> float:
    """Return how bright a colour is to the eye.

    Parameters
    ----------
    colour : str
        Six hexadecimal digits after ``#``.

    Returns
    -------
    float
        From 0, black, to 1.
    """
    red, green, blue = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def visible(colour: str, background: str) -> str:
    """Return a colour that can be seen on a background.

    Parameters
    ----------
    colour, background : str
        Six hexadecimal digits after ``#``.

    Returns
    -------
    str
        The same on a light background; one that is too dark on a dark one is lighter.
    """
    if luminance(background) > 0.4 or luminance(colour) > 0.4:
        return colour
    parts = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    return "#" + "".join(f"{round(part + 0.45 * (255 - part)):02x}" for part in parts)


def shaded(colour: str, shade: int) -> str:
    """Return a colour for another object in the same band: darker, then lighter, and so on.

    Parameters
    ----------
    colour : str
        Six hexadecimal digits after ``#``.
    shade : int
        0 for the colour itself.

    Returns
    -------
    str
        A colour of the same form.
    """
    if not shade:
        return colour
    towards = 0 if shade % 2 else 255
    share = 0.5 if shade < 3 else 0.75
    parts = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    return "#" + "".join(f"{round(part + share * (towards - part)):02x}" for part in parts)


def rank_of(band: str) -> tuple[int, str]:
    """Return the sort key of a band: known bands first.

    Parameters
    ----------
    band : str
        Its name.

    Returns
    -------
    tuple
        For ``sorted``.
    """
    known = list(STYLES)
    return (known.index(band) if band in known else len(known), band)


@dataclass(frozen=True)
class MarkerStyle:
    """The style of a kind of marker, in all bands.

    Attributes
    ----------
    size : float
        Size of the markers, in points.
    opened : bool
        Whether markers are white inside.
    edge : str or None
        The colour of the edge, None for that of the band.
    alpha : float
        1 is opaque.
    layer : float
        What is larger lies on top.
    """

    size: float
    opened: bool
    edge: str | None
    alpha: float
    layer: float


# From the first in the legend to the last.
MARKER_STYLES = {
    "detection": MarkerStyle(5.5, False, "black", 1.0, 3.2),
    "faint": MarkerStyle(5.0, True, None, 0.6, 2.4),
    "forced": MarkerStyle(4.0, True, None, 0.8, 2.2),
    "forced_faint": MarkerStyle(3.5, True, None, 0.3, 2.1),
    "limit": MarkerStyle(3.6, False, None, 0.25, 1.0),
    "flagged": MarkerStyle(4.5, False, None, 0.6, 1.5),
}

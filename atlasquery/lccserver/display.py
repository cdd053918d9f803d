"""How an object of an LCC-Server shows itself: in a terminal, and in a notebook."""

from html import escape
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from atlasquery.tables.html import Markup, control_free, definitions, grid, plain_text

if TYPE_CHECKING:
    from atlasquery.lccserver.objects import LCCObject
    from atlasquery.lccserver.pictures import Picture

__all__ = ["object_html", "object_text"]

# Measured in most catalogues; what a server computes from others stays in ``info``.
MAGNITUDES = ("gaiamag", "sdssg", "sdssr", "sdssi", "jmag", "hmag", "kmag")
SHOWN_PERIODS = 5
# ``objectisvar``, which is null where nobody has looked.
JUDGED = {1: "variable", 2: "not variable", 3: "not clear whether variable"}
IMAGE = "max-width:100%;width:360px;height:auto;margin:2px"


def object_text(found: "LCCObject") -> str:
    """Return what a terminal is shown of an object.

    Parameters
    ----------
    found : LCCObject
        The object.

    Returns
    -------
    str
        A line for each thing known of it.
    """
    rows = {**_facts(found), "Pictures": ", ".join(p.about for p in found.pictures)}
    width = max(map(len, rows))
    lines = [f"{name:>{width}}  {value}" for name, value in rows.items() if value]
    lines.insert(0, f"{found.objectid} of {found.collection}")
    return "\n".join(map(control_free, lines))


def object_html(found: "LCCObject") -> str:
    """Return what a notebook is shown of an object.

    Parameters
    ----------
    found : LCCObject
        The object.

    Returns
    -------
    str
        HTML, in which the server's texts are escaped, and the pictures are PNG images.
    """
    title = f"{found.objectid} of {found.collection}"
    parts = [definitions(_facts(found), title=title)]
    if len(found.periods):
        rows = [(row["method"], row["rank"], f"{row['period']:.7g}") for row in found.periods]
        parts.append(grid(("Method", "Rank", "Period (d)"), rows, title="Periods"))
    parts.append(f"<div>{''.join(map(_image, found.pictures))}</div>")
    return "".join(parts)


def _image(picture: "Picture") -> Markup:
    about = escape(picture.about)
    return Markup(f'<img src="{picture.address}" alt="{about}" title="{about}" style="{IMAGE}">')


def _facts(found: "LCCObject") -> dict[str, str]:
    """Return what is known of an object, as texts that are not escaped."""
    info, features = found.info, found.variability.get("features")
    features = features if isinstance(features, dict) else {}
    magnitudes = [f"{name} {info[name]:.3f}" for name in MAGNITUDES if _known(info.get(name))]
    spread = [
        f"{name} {features[name]:.4g}"
        for name in ("median", "mad", "stdev", "amplitude", "stetsonj")
        if _known(features.get(name))
    ]
    return {
        "Position": _position(found),
        "Measurements": _words(info.get("ndet")),
        "Magnitudes": ", ".join(magnitudes),
        "Main SIMBAD name": _words(info.get("simbad_best_mainid")),
        "Tags": _words(info.get("objecttags")),
        "Variability": _variability(found.variability),
        "Spread": ", ".join(spread),
        "Periods": _periods(found),
        "Comments": _words(found.comments),
    }


def _position(found: "LCCObject") -> str:
    place = found.coordinates
    if place is None:
        return ""
    degrees = f"{place.ra.deg:.6f} {place.dec.deg:+.6f}"
    return f"{place.to_string('hmsdms', precision=2)} ({degrees} deg, ICRS)"


def _variability(said: dict) -> str:
    judged = JUDGED.get(said.get("objectisvar"))
    return ", ".join(filter(None, (judged, _words(said.get("vartags")))))


def _periods(found: "LCCObject") -> str:
    best = found.periods[:SHOWN_PERIODS]
    return ", ".join(f"{row['period']:.6g} d ({row['method']})" for row in best)


def _known(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and bool(np.isfinite(value))


def _words(value: object) -> str:
    return "" if value is None else plain_text(str(value))

"""HTML of alerts for notebooks."""

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.lightcurve.sparkline import sparkline
from atlasquery.lightcurve.stamps import brightness
from atlasquery.tables.html import Markup, definitions, position_text

if TYPE_CHECKING:
    from atlasquery.lightcurve.alert import Alert

__all__ = ["alert_html"]

# Pixels of a stamp, as it is shown.
STAMP_SIZE = 120


def alert_html(alert: "Alert") -> str:
    """Return the description of an alert for a notebook.

    Parameters
    ----------
    alert : Alert
        The alert.

    Returns
    -------
    str
        HTML, in which the packet's strings are escaped; what cannot be read is left out, and
        the reason is given.
    """
    rows: dict[str, object] = {"Alert": str(alert.packet.get("candid") or "")}
    top, problems = "", []
    try:
        rows["Alert"] = str(alert.alert_id)
        rows["Position"] = position_text(alert.coordinates)
        rows["Time"] = f"{alert.time.iso} ({alert.time.scale.upper()})"
        lc = alert.light_curve
        detected, forced = np.asarray(lc["detection"]), np.asarray(lc["forced"])
        rows["Measurements"] = (
            f"{int((detected & ~forced).sum())} detections, "
            f"{int((~detected & ~forced).sum())} limits, "
            f"{int(forced.sum())} of forced photometry"
        )
        top = sparkline(lc)
    except TableParseError as error:
        problems.append(str(error))
    rows["Schema"] = alert.version
    rows["Broker"] = alert.broker
    try:
        rows["Stamps"] = _stamps(alert)
    except TableParseError as error:
        problems.append(str(error))
    rows["Not readable"] = "; ".join(problems)
    return definitions(rows, title=alert._title(), top=top)


def _stamps(alert: "Alert") -> object:
    """Return the stamps as images, or their names without matplotlib."""
    try:
        from matplotlib.image import imsave
    except ImportError:
        return ", ".join(hdu.name.lower() for hdu in alert.stamps)
    found = []
    for hdu in alert.stamps:
        scale = brightness(hdu.data)
        if scale is None:
            continue
        pixels = np.ma.filled(scale(np.nan_to_num(hdu.data.astype(float), nan=scale.vmin)), 0.0)
        file = io.BytesIO()
        imsave(file, np.clip(pixels, 0, 1), cmap="gray", vmin=0, vmax=1, origin="lower",
               format="png")  # fmt: skip
        data = base64.b64encode(file.getvalue()).decode()
        found.append(
            f'<img alt="{hdu.name.lower()}" title="{hdu.name.lower()}" width="{STAMP_SIZE}" '
            f'style="image-rendering:pixelated" src="data:image/png;base64,{data}">'
        )
    return Markup(" ".join(found))

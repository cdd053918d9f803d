"""Interactive plots of light curves, with plotly."""

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table
from astropy.time import Time

from atlasquery.lightcurve.plot import time_label, value_label
from atlasquery.lightcurve.plot_data import PlotData, PlotPoints, plot_data
from atlasquery.lightcurve.styles import MARKER_STYLES, style_in

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["plot_interactive"]


def plot_interactive(
    lc: Table,
    *,
    y: str = "mag",
    forced: Table | None = None,
    limits: bool = True,
    snr: float = 3.0,
    flagged: bool = True,
    title: str | None = None,
) -> "Figure":
    """Draw a light curve as an interactive plot.

    It needs plotly, of the extra ``interactive``. The markers, colours and labels are
    those of `plot`; a click on the legend hides markers, and each marker shows
    date, value, signal to noise and exposure.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve.
    y : {"mag", "flux"}, optional
        The axis: AB magnitudes, brightest on top, or the signed flux.
    forced : `~astropy.timeseries.TimeSeries`, optional
        Forced photometry of the same object, drawn with open signs.
    limits : bool, optional
        Whether the limits of exposures without a detection are drawn.
    snr : float, optional
        The signal to noise below which a measurement is drawn as faint, or as a limit.
    flagged : bool, optional
        Whether the rows that `clean` flagged are drawn, as crosses.
    title : str, optional
        The title; by default the name in ``lc.meta``.

    Returns
    -------
    `plotly.graph_objects.Figure`
        To be shown in a notebook, or written by its ``write_html``.

    Raises
    ------
    ImportError
        If plotly is not installed.
    InvalidQueryError
        If `y` is neither, a column is missing, or time scales differ.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import plot_interactive
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> figure = plot_interactive(Atlas.get_light_curve(found["atlas_id"][0]))
    >>> figure.data[-1].name
    'o, detection'
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise ImportError(
            f"plot_interactive needs plotly ({error}): pip install 'atlasquery[interactive]'"
        ) from error
    what = plot_data(lc, forced, y=y, limits=limits, snr=snr, flagged=flagged)
    figure = go.Figure()
    # The last in the legend is drawn first, to lie below.
    for index, mark in reversed(list(enumerate(what.marks))):
        table = forced if mark.forced and forced is not None else lc
        figure.add_trace(_trace(go, mark, table, what, index))
    figure.update_layout(
        title=title if title is not None else str(lc.meta.get("object", "")),
        template="simple_white",
        xaxis={"title": time_label(lc, what), "tickformat": ".6~f", "mirror": True},
        yaxis={
            "title": value_label(lc, y),
            "autorange": "reversed" if y == "mag" else True,
            "mirror": True,
        },
        legend={"title": "<br>".join(note.replace("\n", " ") for note in what.notes)},
    )
    if what.total_label:
        figure.update_layout(
            yaxis2={
                "title": what.total_label,
                "autorange": "reversed" if y == "mag" else True,
                "overlaying": "y",
                "side": "right",
            },
            legend_x=1.12,
        )
    if y == "flux":
        figure.add_hline(y=0.0, line={"color": "#999999", "width": 1})
    return figure


def _trace(go: Any, mark: PlotPoints, table: Table, what: PlotData, index: int) -> Any:
    surveys = [one.survey for one in what.marks]
    style, kind = style_in(mark.band, mark.survey, surveys), MARKER_STYLES[mark.kind]
    symbol = {"limit": "triangle-down", "flagged": "x-thin"}.get(mark.kind, style.symbol)
    opened = kind.opened or (mark.kind == "limit" and not style.filled)
    bars = None
    if mark.error is not None:
        bars = {"type": "data", "array": mark.error, "thickness": 1, "width": 0}
    thin = symbol == "x-thin"
    return go.Scatter(
        x=mark.time,
        y=mark.value,
        error_y=bars,
        mode="markers",
        name=mark.label,
        legendrank=index + 1,
        opacity=min(1.0, 2 * kind.alpha),
        marker={
            "symbol": f"{symbol}-open" if opened or thin else symbol,
            "color": style.colour,
            "size": 1.4 * kind.size,
            "line": {"color": kind.edge or style.colour, "width": 1.2 if opened or thin else 0.6},
        },
        text=_words(mark, table, what.scale),
        yaxis="y2" if mark.total else "y",
        hovertemplate="%{text}<extra>%{fullData.name}</extra>",
    )


def _words(mark: PlotPoints, table: Table, scale: str) -> list[str]:
    """Return what each mark tells."""
    dates = Time(mark.time, format="mjd", scale=scale).to_value("iso", subfmt="date_hms")
    error = np.zeros(len(mark.time)) if mark.error is None else mark.error
    names = (
        np.asarray(table["exposure"])[mark.rows].tolist()
        if "exposure" in table.colnames
        else [""] * len(mark.time)
    )
    rows = zip(dates, mark.time, mark.value, error, names, strict=True)
    return [
        f"{date} {scale.upper()}<br>MJD {mjd:.5f}<br>{value:.5g}"
        + (f" ± {width:.2g}" if width else "")
        + (f"<br>{name}" if name else "")
        for date, mjd, value, width, name in rows
    ]

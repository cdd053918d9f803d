"""Many light curves on pages of small plots."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.axes import pyplot
from atlasquery.lightcurve.legend import key_of
from atlasquery.lightcurve.plot import (
    UNKNOWN_LABELS,
    check_shown_window,
    draw,
    time_label,
    value_label,
)
from atlasquery.lightcurve.plot_data import plot_data

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_many"]

# Size of a small plot in inches.
WIDTH, HEIGHT = 3.8, 2.7


def plot_many(
    curves: Mapping[object, Table],
    *,
    y: str = "mag",
    forced: Mapping[object, Table] | None = None,
    limits: bool = True,
    snr: float = 3.0,
    flagged: bool = True,
    window: str | tuple = "event",
    titles: Mapping[object, str] | None = None,
    columns: int = 3,
    rows: int = 4,
) -> list:
    """Draw light curves of several objects on pages of small plots.

    Parameters
    ----------
    curves : mapping of id to `~astropy.timeseries.TimeSeries`
        Light curves by id, such as `Atlas.get_light_curves` returns.
    y : {"mag", "flux"}, optional
        What is drawn, as by `plot`.
    forced : mapping of id to `~astropy.timeseries.TimeSeries`, optional
        Forced photometry of some of the objects.
    limits : bool, optional
        Whether limits are drawn.
    snr : float, optional
        The signal to noise below which a measurement is faint.
    flagged : bool, optional
        Whether flagged rows are drawn.
    window : {"event", "all"} or (start, end), optional
        The times that are shown, as in `plot`.
    titles : mapping of id to str, optional
        Titles of some of the plots; by default the name in meta, else the id.
    columns, rows : int, optional
        Number of columns and rows of plots on a page.

    Returns
    -------
    list of `~matplotlib.figure.Figure`
        The pages. Each has one legend for all of its plots, below them; times and
        each panel has its own scale of values.

    Raises
    ------
    InvalidQueryError
        If there is no light curve, one is not a light curve, `window` is not one of these, or
        `columns` or `rows` is below 1.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import plot_many
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="5 arcmin")
    >>> pages = plot_many(Atlas.get_light_curves(found["atlas_id"]))
    >>> len(found), len(pages)
    (12, 1)
    """
    if not isinstance(curves, Mapping) or not len(curves):
        raise InvalidQueryError("curves should be a mapping of ids to light curves, at least one")
    for name, value in (("columns", columns), ("rows", rows)):
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise InvalidQueryError(f"{name}={value!r} should be a whole number above 0")
    ids = list(curves)
    options = {"y": y, "limits": limits, "snr": snr, "flagged": flagged}
    pages = []
    for first in range(0, len(ids), rows * columns):
        some = ids[first : first + rows * columns]
        pictures = [
            (_title(key, curves[key], titles), curves[key], (forced or {}).get(key)) for key in some
        ]
        pages.append(_page(pictures, columns, options, window))
    return pages


def _title(key: object, lc: Table, titles: Mapping | None) -> str:
    if titles is not None and key in titles:
        return str(titles[key])
    return str(getattr(lc, "meta", {}).get("object") or key)


def _page(pictures: list[tuple], columns: int, options: dict, window: str | tuple) -> "Figure":
    """Return a figure of plots, each of a title, a light curve and forced photometry."""
    across = min(columns, len(pictures))
    down = -(-len(pictures) // across)
    figure, axes = pyplot().subplots(
        down,
        across,
        figsize=(max(WIDTH * across, 5.0), HEIGHT * down + 0.8),
        squeeze=False,
        layout="constrained",
    )
    drawn, marks, time_labels, value_labels = [], [], set(), set()
    for ax, (title, lc, forced) in zip(axes.flat, pictures, strict=False):
        what = plot_data(lc, forced, **options)
        notes = draw(ax, what, options["y"], window=check_shown_window(window, what.scale))
        ax.set_title(title, fontsize="medium")
        ax.tick_params(labelsize="small")
        for top in ax.child_axes:
            top.tick_params(labelsize="small")
        _note(ax, notes)
        time_labels.add(time_label(lc, what))
        value_labels.add(value_label(lc, options["y"]))
        drawn.append(ax)
        marks += what.marks
    for ax in axes.flat[len(pictures) :]:
        ax.set_axis_off()
    time = time_labels.pop() if len(time_labels) == 1 else "Time (MJD)"
    value = value_labels.pop() if len(value_labels) == 1 else UNKNOWN_LABELS[options["y"]]
    figure.supylabel(value, fontsize="medium")
    keys, names = key_of(drawn, [], marks)
    if not keys:
        figure.supxlabel(time, fontsize="medium")
    else:
        # A label of the figure would stand in the legend's place.
        figure.legend(
            keys,
            names,
            title=time,
            title_fontsize="medium",
            loc="outside lower center",
            ncols=max(1, int(figure.get_size_inches()[0] // 1.9)),
            fontsize="small",
            frameon=False,
            handletextpad=0.4,
        )
    return figure


def _note(ax: "Axes", notes: list[str]) -> None:
    """Write what is not drawn into a corner."""
    if notes:
        text = "\n".join(note.replace("\n", " ") for note in notes)
        ax.text(
            0.02,
            0.03,
            text,
            transform=ax.transAxes,
            fontsize="xx-small",
            va="bottom",
            zorder=5,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.0},
        )

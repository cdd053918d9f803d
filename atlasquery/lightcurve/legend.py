"""The legend of a plot."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from atlasquery.lightcurve.axes import TOTAL_ID, axis_of
from atlasquery.lightcurve.plot_data import NAMES, PlotPoints
from atlasquery.lightcurve.styles import MARKER_STYLES, rank_of, style_in, style_of, visible

__all__ = ["draw_key", "key_of"]

# Inches: narrower figures have their legend below; the numbers of an axis and their label;
# a column and a line of the legend.
NARROW, NUMBERS, COLUMN, LINE = 6.0, 0.75, 1.9, 0.18
# With more keys of survey, band and kind together, each has a separate key.
MOST_KEYS = 12
GREY = "0.45"


def draw_key(
    ax: Any, notes: list[str], *, marks: Sequence[PlotPoints] = (), beside: bool = False
) -> None:
    """Draw the legend.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        The axes.
    notes : list of str
        What it says besides.
    marks : sequence of PlotPoints, optional
        All that is drawn on the axes.
    beside : bool, optional
        Whether numbers of an axis stand at the right.
    """
    right = axis_of(ax, TOTAL_ID)
    keys, labels = key_of([ax] if right is None else [ax, right], notes, marks)
    if not keys:
        return
    figure = ax.get_figure()
    options = {"fontsize": "small", "handletextpad": 0.4}
    wide, high = figure.get_size_inches()
    columns = max(1, int(wide // COLUMN))
    lines = sum(label.count("\n") + 1 for label in labels) / columns
    if figure.get_layout_engine() is None or (wide < NARROW and high - LINE * lines < 3.0):
        # Without a layout engine there is no room outside, and in small figures none inside.
        ax.legend(keys, labels, loc="best", framealpha=0.8, **options)
    elif wide < NARROW:
        ax.legend(
            keys,
            labels,
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            bbox_transform=_moved(ax, 0.0, -0.5),
            ncols=columns,
            frameon=False,
            columnspacing=1.0,
            **options,
        )
    else:
        ax.legend(
            keys,
            labels,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            bbox_transform=_moved(ax, NUMBERS if beside else 0.0, 0.0),
            frameon=False,
            **options,
        )


def _moved(ax: Any, right: float, up: float) -> Any:
    """Return the coordinates of the axes, moved by inches."""
    from matplotlib.transforms import ScaledTranslation

    return ax.transAxes + ScaledTranslation(right, up, ax.get_figure().dpi_scale_trans)


def key_of(
    axes: list, notes: list[str], marks: Sequence[PlotPoints] = ()
) -> tuple[list, list[str]]:
    """Return the keys and labels of all that is drawn on some axes, each once.

    Parameters
    ----------
    axes : list of `~matplotlib.axes.Axes`
        The axes.
    notes : list of str
        Further lines of the legend.
    marks : sequence of PlotPoints, optional
        All that is drawn. If it is of several surveys, and more than a legend has room for,
        surveys, bands and kinds of measurement have separate keys.

    Returns
    -------
    keys, labels : list
        What was measured comes first; it is drawn last, to lie on top.
    """
    from matplotlib.lines import Line2D

    found: dict[str, object] = {}
    for ax in axes:
        for handle, label in zip(
            *(items[::-1] for items in ax.get_legend_handles_labels()), strict=True
        ):
            found.setdefault(label, _key(handle))
    if len(found) > MOST_KEYS and len({mark.survey for mark in marks}) > 1:
        found = _separate_keys(axes[0], marks)
    for note in notes:
        found.setdefault(note, Line2D([], [], ls=""))
    return list(found.values()), list(found)


def _key(handle: Any) -> Any:
    """Return the handle of the legend for one drawn; limits are fainter when drawn."""
    from matplotlib.collections import PathCollection
    from matplotlib.lines import Line2D

    if not isinstance(handle, PathCollection):
        return handle
    # matplotlib declares what its setters take; these are arrays.
    filled = np.ravel(handle.get_linewidth())[0] == 0
    colours: Any = handle.get_facecolor() if filled else handle.get_edgecolor()
    colour = colours[0][:3]
    if handle.get_gid() == "flagged":
        return Line2D([], [], ls="", marker="x", ms=5, mew=0.9, color=colour)
    return Line2D(
        [],
        [],
        ls="",
        marker="v",
        ms=5,
        mew=0.0 if filled else 0.8,
        color=colour,
        mfc=colour if filled else "none",
        alpha=0.6,
    )


def _separate_keys(ax: Any, marks: Sequence[PlotPoints]) -> dict[str, object]:
    """Return keys of the markers of surveys, the colours of bands, and the looks of kinds.

    Each point has one of each: a key for every combination would be longer than the picture.
    """
    from matplotlib.colors import to_hex
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    paper = to_hex(ax.get_facecolor())
    # matplotlib declares each keyword; these are put together.
    plain: dict[str, Any] = {"ls": "", "color": GREY, "ms": 6}
    surveys = [mark.survey for mark in marks]
    found: dict[str, object] = {}
    for survey in sorted(set(surveys), key=lambda name: (not name, name.lower())):
        marker = style_in("", survey, surveys).marker
        label = NAMES.get(survey, survey) or "no survey"
        found[label] = Line2D([], [], marker=marker, **plain)
    for band in sorted({mark.band for mark in marks}, key=rank_of):
        found[f"{band or 'no'} band"] = Patch(color=visible(style_of(band).colour, paper))
    for mark in marks:
        kind = MARKER_STYLES[mark.kind]
        look: dict[str, Any] = {"limit": {"marker": "v"}, "flagged": {"marker": "x"}}.get(
            mark.kind, {"marker": "o", "mfc": paper if kind.opened else GREY}
        )
        if mark.total:
            look |= {"fillstyle": "left", "markerfacecoloralt": paper}
        # What follows the name of survey and band.
        label = mark.label.partition(", ")[2]
        found.setdefault(label, Line2D([], [], **(plain | look)))
    return found

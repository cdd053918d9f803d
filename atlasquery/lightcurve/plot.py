"""Plots of light curves: right at first sight, and readable without colour."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.axes import (
    OUTSIDE_END,
    absolute_axis,
    date_axis,
    fit_to_marks,
    pyplot,
    total_axis,
)
from atlasquery.lightcurve.legend import draw_key
from atlasquery.lightcurve.plot_data import PlotData, PlotPoints, check_distance, plot_data
from atlasquery.lightcurve.schema import Conventions
from atlasquery.lightcurve.styles import MARKER_STYLES, Style, shaded, style_in, visible
from atlasquery.service.inputs import check_window

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot"]

# Beyond this many marks a vector file would be slow to show.
RASTERIZED = 2000


def plot(
    lc: Table,
    *,
    y: str = "mag",
    forced: Table | None = None,
    limits: bool = True,
    snr: float = 3.0,
    flagged: bool = True,
    window: str | tuple = "event",
    redshift: float | None = None,
    distance: u.Quantity | None = None,
    cosmology: object = None,
    ax: "Axes | None" = None,
    title: str | None = None,
    legend: bool = True,
) -> "Axes":
    """Draw a light curve.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve as this package makes them: of a survey, forced, cleaned or binned.
    y : {"mag", "flux"}, optional
        The axis: AB magnitudes, brightest on top, or the signed flux.
    forced : `~astropy.timeseries.TimeSeries`, optional
        Forced photometry of the same object, drawn with open markers.
    limits : bool, optional
        Whether the limits of exposures without a detection are drawn, as faint
        triangles that point down.
    snr : float, optional
        The signal to noise below which a measurement is faint: an open marker in flux;
        in magnitudes an open marker if the survey calls it a detection, and
        otherwise, in forced photometry, a limit.
    flagged : bool, optional
        Whether the rows that `clean` flagged are drawn, as crosses. They do not
        stretch the axes.
    window : {"event", "all"} or (start, end), optional
        The times to show. By default those of the detections and a margin, where
        they are a short part of the light curve, so that years of limits do not hide an
        event; the legend has the number of earlier or later rows. ``"all"`` shows all, and a
        pair of times (`~astropy.time.Time`, str, MJD, or None for no bound) shows those between.
    redshift : float, optional
        For an axis of absolute magnitudes at the right, by `cosmology`. Neither a
        K-correction nor an extinction is applied.
    distance : `~astropy.units.Quantity`, optional
        The luminosity distance, in place of a redshift.
    cosmology : `~astropy.cosmology.FLRW`, optional
        By default Planck18.
    ax : `~matplotlib.axes.Axes`, optional
        The axes to draw on; by default those of a new figure. On those of an earlier
        call, axes and legend are of all light curves drawn; other objects are darker or
        lighter, and named in the legend.
    title : str, optional
        The title; by default the name in ``lc.meta``.
    legend : bool, optional
        Whether there is the legend: to the right of wide axes, below narrow
        ones, and inside those of a figure without a layout that makes room.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes drawn on.

    Raises
    ------
    InvalidQueryError
        If `y` or `window` is not one of these, a column is missing, or time scales differ; if
        `ax` has a light curve in another `y`, magnitude system or time scale.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import plot
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> ax = plot(Atlas.get_light_curve(found["atlas_id"][0]))
    >>> ax.get_ylabel()
    'AB magnitude (mag)'
    """
    what = plot_data(lc, forced, y=y, limits=limits, snr=snr, flagged=flagged)
    times = check_shown_window(window, what.scale)
    modulus = check_distance(redshift, distance, cosmology, y)
    if modulus is not None and what.total_label:
        raise InvalidQueryError(
            "redshift and distance are for one kind of flux, and lc has difference and total: plot "
            "lc[lc['flux_kind'] == 'difference']"
        )
    name = str(lc.meta.get("object", ""))
    axes: Any = ax
    drawn = None if axes is None else _drawn_before(axes, what, y, value_label(lc, y))
    if axes is None:
        _, axes = pyplot().subplots(figsize=(9.0, 4.8), layout="constrained")
    if drawn is None:
        drawn = Drawn([], [], value_label(lc, y), what.scale, [], y)
    what = _named(axes, what, drawn, name)
    notes = draw(axes, what, y, before=drawn.marks, window=times)
    axes.set_ylabel(value_label(lc, y))
    if not drawn.marks:
        axes.set_xlabel(time_label(lc, what))
    if modulus is not None:
        notes.append(absolute_axis(axes, modulus))
    names = list(dict.fromkeys(filter(None, [*drawn.names, name])))
    axes.set_title(title if title is not None else ", ".join(names))
    # What is outside is counted again for all.
    outside = [note for note in notes if note.endswith(OUTSIDE_END)]
    notes = [*drawn.notes, *(note for note in notes if note not in outside)]
    _DRAWN[axes] = Drawn([*drawn.marks, *what.marks], notes, drawn.label, what.scale, names, y)
    if legend:
        draw_key(
            axes,
            [*notes, *outside],
            marks=_DRAWN[axes].marks,
            beside=modulus is not None or bool(what.total_label),
        )
    return axes


@dataclass(frozen=True)
class Drawn:
    """What `plot` has drawn on axes so far.

    Parameters
    ----------
    marks : list of PlotPoints
        All marks.
    notes : list of str
        Further lines of the legend.
    label : str
        The label of the axis of values.
    scale : str
        The time scale.
    names : list of str
        The objects.
    y : {"mag", "flux"}
        What is drawn.
    """

    marks: list[PlotPoints]
    notes: list[str]
    label: str
    scale: str
    names: list[str]
    y: str


# What is on axes that are still in use.
_DRAWN: "weakref.WeakKeyDictionary[Any, Drawn]" = weakref.WeakKeyDictionary()


def _drawn_before(ax: Any, what: PlotData, y: str, label: str) -> Drawn | None:
    """Return what `plot` has drawn on axes, or refuse to mix it with something else."""
    drawn = _DRAWN.get(ax)
    if drawn is None or not ax.has_data():
        return None
    if drawn.y != y or (drawn.label != label and drawn.marks and what.marks):
        raise InvalidQueryError(
            f"ax has a light curve in {drawn.y!r} ({drawn.label}), and y={y!r} ({label}) would be "
            "drawn on the same scale: give both the same y, or use other axes"
        )
    if drawn.scale != what.scale:
        raise InvalidQueryError(
            f"ax has times in {drawn.scale!r}, and those of lc are in {what.scale!r}: bring "
            "them to one scale first"
        )
    return drawn


def _named(ax: Any, what: PlotData, drawn: Drawn, name: str) -> PlotData:
    """Return markers that differ from those of other objects drawn before, by label and shade."""
    if not drawn.names or not name or drawn.names == [name]:
        return what
    if len(drawn.names) == 1:
        labels = {mark.label for mark in drawn.marks}
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            if label in labels:
                handle.set_label(f"{drawn.names[0]}: {label}")
    shade = drawn.names.index(name) if name in drawn.names else len(drawn.names)
    marks = [replace(mark, label=f"{name}: {mark.label}", shade=shade) for mark in what.marks]
    return replace(what, marks=marks)


# Labels of magnitudes whose system, and of fluxes whose kind, is not known or not one.
UNKNOWN_LABELS = {"mag": "Magnitude (mag)", "flux": "Flux (µJy)"}


def value_label(lc: Table, y: str) -> str:
    """Return the label of the axis of values.

    Parameters
    ----------
    lc : `~astropy.table.Table`
        The light curve.
    y : {"mag", "flux"}
        What is drawn.

    Returns
    -------
    str
        With the system of the magnitudes or the kind of flux, where that is known.
    """
    conventions = Conventions.of(lc.meta)
    system, kind = conventions.magsys, conventions.flux_kind
    if "flux_kind" in lc.columns and "magsys" in lc.columns:
        # Total fluxes beside others have another axis.
        main = np.asarray(lc["flux_kind"]) != "total"
        if "duplicate_of" in lc.columns:
            # They are not drawn.
            main &= np.ma.getmaskarray(lc["duplicate_of"])
        main = main if main.any() else ~main
        (system, *systems), (kind, *kinds) = (
            sorted(set(np.asarray(lc[name])[main].tolist())) or ["unknown"]
            for name in ("magsys", "flux_kind")
        )
        system, kind = "unknown" if systems else system, "unknown" if kinds else kind
    if y == "mag":
        return UNKNOWN_LABELS[y] if system == "unknown" else f"{system} magnitude (mag)"
    return "Difference flux (µJy)" if kind == "difference" else UNKNOWN_LABELS[y]


def time_label(lc: Table, what: PlotData) -> str:
    """Return the label of the axis of times.

    Parameters
    ----------
    lc : `~astropy.table.Table`
        The light curve.
    what : PlotData
        What is drawn of it.

    Returns
    -------
    str
        With the time scale and what the times are of.
    """
    reference = Conventions.of(lc.meta).meta().get("time_reference_note")
    return f"Time (MJD, {what.scale.upper()}; {reference or 'as the survey gives it'})"


def check_shown_window(window: object, scale: str) -> str | tuple[float, float]:
    """Return the times that a plot shows, in the time scale of the light curve.

    Parameters
    ----------
    window : {"event", "all"} or (start, end)
        As `plot` takes it.
    scale : str
        The time scale.

    Returns
    -------
    str or tuple of float
        MJD, infinite for no bound.

    Raises
    ------
    InvalidQueryError
        If it is not one of these.
    """
    if isinstance(window, str) and window in ("event", "all"):
        return window
    if not isinstance(window, (tuple, list)) or len(window) != 2:
        raise InvalidQueryError(
            f"window={window!r} should be 'event', 'all' or a pair of times (start, end)"
        )
    ends = check_window(*window)
    low, high = (None if end is None else Time(end, format="mjd", scale="utc") for end in ends)
    return (
        -np.inf if low is None else float(getattr(low, scale).mjd),
        np.inf if high is None else float(getattr(high, scale).mjd),
    )


def draw(
    ax: "Axes",
    what: PlotData,
    y: str,
    *,
    before: Sequence[PlotPoints] = (),
    window: str | tuple[float, float] = "event",
) -> list[str]:
    """Draw the markers of a light curve, and axes that fit them.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        The axes.
    what : PlotData
        The marks.
    y : {"mag", "flux"}
        What is drawn.
    before : sequence of PlotPoints, optional
        What was drawn on the axes before, which they have to fit as well.
    window : {"event", "all"} or tuple of float, optional
        The times that are shown.

    Returns
    -------
    list of str
        Further lines of the legend.
    """
    surveys = [mark.survey for mark in (*before, *what.marks)]
    # Total fluxes have no place on the scale of differences, if there are any of these.
    right = total_axis(ax, what.total_label) if what.total_label else None
    # The last in the legend is drawn first, to lie below.
    for mark in reversed(what.marks):
        on = right if mark.total and right is not None else ax
        look = _Look(_style(mark, surveys, ax), *_theme(ax))
        _POINTS.get(mark.kind, _draw_points)(on, mark, look)
    for each in filter(None, (ax, right)):
        if y == "mag" and not each.yaxis_inverted():
            each.invert_yaxis()
    if y == "flux" and not before:
        ax.axhline(0.0, color="0.6", lw=0.8, zorder=0)
    empty = "nothing to draw" + ("; see y='flux'" if what.notes else "")
    marks = [*before, *what.marks]
    outside = fit_to_marks(ax, marks, y, empty=empty, window=window)
    date_axis(ax, dated=bool(marks))
    if right is not None:
        ax.tick_params(axis="y", right=False)
        right.tick_params(axis="y", direction="in")
    return [*what.notes, *outside]


@dataclass(frozen=True)
class _Look:
    """How a mark looks on some axes: its style, and the colours of the paper and of edges."""

    style: Style
    paper: str
    edge: str


def _theme(ax: "Axes") -> tuple[str, str]:
    """Return the colours behind the markers, and of their edges."""
    from matplotlib.colors import to_hex

    return to_hex(ax.get_facecolor()), to_hex(ax.spines["left"].get_edgecolor())


def _draw_points(ax: "Axes", mark: PlotPoints, look: _Look) -> None:
    style, kind = look.style, MARKER_STYLES[mark.kind]
    half: Any = {"fillstyle": "left", "markerfacecoloralt": look.paper} if mark.total else {}
    ax.errorbar(
        mark.time,
        mark.value,
        yerr=mark.error,
        fmt=style.marker,
        ms=kind.size,
        color=style.colour,
        mfc=look.paper if kind.opened else style.colour,
        mec=look.edge if kind.edge else style.colour,
        mew=0.9 if kind.opened else 0.5,
        elinewidth=0.8,
        alpha=kind.alpha,
        zorder=kind.layer,
        label=mark.label,
        rasterized=len(mark.time) > RASTERIZED,
        **half,
    )


def _style(mark: PlotPoints, surveys: Sequence[str], ax: "Axes") -> Style:
    style = style_in(mark.band, mark.survey, surveys)
    colour = visible(shaded(style.colour, mark.shade), _theme(ax)[0])
    return replace(style, colour=colour)


def _draw_limits(ax: "Axes", mark: PlotPoints, look: _Look) -> None:
    style, kind = look.style, MARKER_STYLES[mark.kind]
    # A few of them need not be as faint as thousands.
    alpha = float(np.clip(8.0 / np.sqrt(len(mark.time)), kind.alpha, 0.6))
    ax.scatter(
        mark.time,
        mark.value,
        marker="v",
        s=kind.size**2,
        linewidths=0 if style.filled else 0.6,
        facecolors=style.colour if style.filled else "none",
        edgecolors=style.colour,
        # Less ink in a line than in an area.
        alpha=alpha if style.filled else min(1.6 * alpha, 0.8),
        zorder=kind.layer,
        label=mark.label,
        gid=mark.kind,
        rasterized=len(mark.time) > RASTERIZED,
    )


def _draw_crosses(ax: "Axes", mark: PlotPoints, look: _Look) -> None:
    kind = MARKER_STYLES[mark.kind]
    ax.scatter(
        mark.time,
        mark.value,
        marker="x",
        s=kind.size**2,
        linewidths=0.9,
        color=look.style.colour,
        alpha=kind.alpha,
        zorder=kind.layer,
        label=mark.label,
        gid=mark.kind,
    )


_POINTS = {"limit": _draw_limits, "flagged": _draw_crosses}

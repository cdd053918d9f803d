"""The axes of a plot: limits, dates on top, and absolute magnitudes."""

from dataclasses import replace
from typing import Any

import numpy as np

from atlasquery.lightcurve.plot_data import PlotPoints
from atlasquery.service.inputs import UNIX_MJD

__all__ = ["absolute_axis", "axis_of", "date_axis", "fit_to_marks", "pyplot", "total_axis"]

# Values of no marker.
NOTHING = np.zeros(0)
# The event of a light curve fills the axes if it is shorter than this share of all times, with
# this room before and after it: a share of its length, and a minimum in days.
EVENT = ("detection", "forced")
EVENT_SHARE, EVENT_ROOM, EVENT_DAYS = 0.5, 0.5, 30.0
# Minimum ranges of the axes: days, and magnitudes or uJy.
LEAST_DAYS = 0.1
LEAST = {"mag": 0.5, "flux": 1.0}
MARGIN = 0.05
# Errors this many times the median one do not stretch the axes.
UNCERTAIN = 10.0
# The end of notes on points outside the axes.
OUTSIDE_END = "outside the axes"
DATES_ID, ABSOLUTE_ID = "atlasquery dates", "atlasquery absolute magnitudes"
TOTAL_ID = "atlasquery total fluxes"
OUTSIDE = {"flagged": "flagged row", "limit": "bright limit"}
BEYOND = "earlier or later row"
# Minimum range in days, format of dates, and width of a date in inches.
MONTHS, HOURS = 150.0, 3.0
DATES = (
    (1100.0, "%Y", 0.8),
    (MONTHS, "%b %Y", 1.0),
    (HOURS, "%d %b %Y", 1.3),
    (0.0, "%d %b %Y %H:%M", 1.7),
)


def pyplot() -> Any:
    """Return matplotlib's pyplot, or raise with how to install it.

    Returns
    -------
    module
        `matplotlib.pyplot`.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"plots need matplotlib ({error}): pip install 'atlasquery[plotting]'"
        ) from error
    return plt


def fit_to_marks(
    ax: Any,
    marks: list[PlotPoints],
    y: str,
    *,
    empty: str,
    window: str | tuple[float, float] = "event",
) -> list[str]:
    """Set the limits of the axes by the points that matter.

    Flagged rows, measurements far less certain than the others, and limits far
    above all that was detected stretch nothing, unless there is nothing else. Nor do
    years of limits before and after an event.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        The axes.
    marks : list of PlotPoints
        What is drawn.
    y : {"mag", "flux"}
        What is drawn.
    empty : str
        What stands in the axes where nothing is drawn.
    window : {"event", "all"} or tuple of float, optional
        The times that are shown.

    Returns
    -------
    list of str
        How many of these are outside, for the legend.
    """
    good = [mark for mark in marks if mark.kind != "flagged"] or marks
    if not good:
        _say_empty(ax, empty)
        return []
    low, high = _times_of(good, window)
    ax.set_xlim(low, high)
    ends = {}
    for total in (False, True):
        of_axis = [mark for mark in good if mark.total == total]
        if not of_axis:
            continue
        # Only a difference may be of either sign.
        zero = [0.0] if y == "flux" and not total else []
        inside = [part for mark in of_axis if len((part := _within(mark, low, high)).time)]
        held = _extent(inside) if inside else _extent(of_axis)
        bottom, top = ends[total] = _range(np.concatenate([held, zero]), LEAST[y])
        on = axis_of(ax, TOTAL_ID) if total else ax
        (on or ax).set_ylim((top, bottom) if y == "mag" else (bottom, top))
    outside: dict[str, int] = {}
    for mark in marks:
        bottom, top = ends.get(mark.total, (-np.inf, np.inf))
        beyond = (mark.time < low) | (mark.time > high)
        n = np.count_nonzero(~beyond & ((mark.value < bottom) | (mark.value > top)))
        what = OUTSIDE.get(mark.kind, "uncertain point")
        outside[what] = outside.get(what, 0) + int(n)
        outside[BEYOND] = outside.get(BEYOND, 0) + int(np.count_nonzero(beyond))
    return [f"{n} {what}{'s' * (n > 1)}\n{OUTSIDE_END}" for what, n in outside.items() if n]


def _times_of(marks: list[PlotPoints], window: str | tuple[float, float]) -> tuple[float, float]:
    """Return the ends of the axis of times."""
    low, high = _range(np.concatenate([mark.time for mark in marks]), LEAST_DAYS)
    if isinstance(window, tuple):
        # An end that was left open is that of the light curve.
        first, last = (
            end if np.isfinite(end) else other
            for end, other in zip(window, (low, high), strict=True)
        )
        return _range(np.array([first, last]), LEAST_DAYS) if first >= last else (first, last)
    event = np.concatenate([mark.time for mark in marks if mark.kind in EVENT] or [NOTHING])
    event = event[np.isfinite(event)]
    if window == "all" or not len(event):
        return low, high
    room = max(EVENT_ROOM * np.ptp(event), EVENT_DAYS)
    first, last = float(event.min() - room), float(event.max() + room)
    if last - first > EVENT_SHARE * (high - low):
        return low, high
    return max(first, low), min(last, high)


def _within(mark: PlotPoints, low: float, high: float) -> PlotPoints:
    """Return the part of a mark between two times."""
    some = (mark.time >= low) & (mark.time <= high)
    error = None if mark.error is None else mark.error[some]
    return replace(mark, time=mark.time[some], value=mark.value[some], error=error)


def _extent(marks: list[PlotPoints]) -> np.ndarray:
    """Return the values that the axes must hold."""
    points = [mark for mark in marks if mark.kind != "limit"]
    limits = np.concatenate([mark.value for mark in marks if mark.kind == "limit"] or [NOTHING])
    errors = np.concatenate([_error(mark) for mark in points] or [NOTHING])
    usual = UNCERTAIN * np.median(errors) if len(errors) else np.inf
    certain = [_error(mark) <= max(usual, 0.0) for mark in points]
    held = [
        mark.value[some] + sign * _error(mark)[some]
        for mark, some in zip(points, certain, strict=True)
        for sign in (-1, 1)
    ]
    if len(limits):
        # Clouds and the Moon make limits that say nothing about so faint a source.
        seen = [mark.value for mark in points if mark.kind != "flagged"]
        brightest = min((values.min() for values in seen if len(values)), default=np.inf)
        least = min(brightest - 1.0, np.percentile(limits, 5))
        held.append(limits[limits >= least])
    return np.concatenate(held)


def _error(mark: PlotPoints) -> np.ndarray:
    return np.zeros(len(mark.value)) if mark.error is None else mark.error


def _range(values: np.ndarray, least: float) -> tuple[float, float]:
    """Return the ends of an axis for some values."""
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    room = max(MARGIN * (high - low), (least - (high - low)) / 2)
    return low - room, high + room


def _say_empty(ax: Any, words: str) -> None:
    ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center")
    ax.set_xticks([])
    ax.set_yticks([])


def date_axis(ax: Any, *, dated: bool = True) -> None:
    """Put calendar dates on top of axes of MJD.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        The axes.
    dated : bool, optional
        Whether there is any time.
    """
    ax.ticklabel_format(axis="x", useOffset=False, style="plain")
    ax.tick_params(axis="both", direction="in", right=True)
    if not dated:
        return
    from matplotlib.dates import AutoDateLocator, DateFormatter
    from matplotlib.ticker import MaxNLocator

    low, high = ax.get_xlim()
    inches = ax.get_figure().get_size_inches()[0] * ax.get_position().width
    words, width = next(form for days, *form in DATES if high - low > days)
    most = max(2, int(inches / width))
    _remove(ax, DATES_ID)
    top = ax.secondary_xaxis(
        "top", functions=(lambda mjd: mjd - UNIX_MJD, lambda day: day + UNIX_MJD)
    )
    # Days are counted on through the end of a month, where a calendar would begin again.
    by_day = MONTHS > high - low > HOURS
    top.xaxis.set_major_locator(
        MaxNLocator(nbins=most, steps=[1, 2, 5, 10], min_n_ticks=1, integer=True)
        if by_day
        else _calendar(AutoDateLocator(minticks=2, maxticks=most))
    )
    # Each label has its year: the offset text that would have it is on the other axis.
    top.xaxis.set_major_formatter(DateFormatter(words))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=int(np.clip(inches / 0.9, 2, 9))))
    top.tick_params(direction="in")
    top.set_gid(DATES_ID)


def total_axis(ax: Any, label: str) -> Any:
    """Return the axes of total fluxes, which share the times of other axes.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        The axes of differences.
    label : str
        The label of its values.

    Returns
    -------
    `~matplotlib.axes.Axes`
        Those of an earlier light curve, or new ones.
    """
    right = axis_of(ax, TOTAL_ID)
    if right is None:
        right = ax.twinx()
        right.set_gid(TOTAL_ID)
    right.set_ylabel(label)
    return right


def axis_of(ax: Any, gid: str) -> Any:
    """Return the axes of a name that share the times of other axes.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        The other axes.
    gid : str
        The name.

    Returns
    -------
    `~matplotlib.axes.Axes` or None
        None if there are none.
    """
    joined = ax.get_shared_x_axes()
    return next(
        (one for one in ax.figure.axes if one.get_gid() == gid and joined.joined(one, ax)), None
    )


def _remove(ax: Any, gid: str) -> None:
    """Remove the axis of an earlier picture on the same axes."""
    for child in [child for child in ax.child_axes if child.get_gid() == gid]:
        child.remove()


def _calendar(locator: Any) -> Any:
    """Let a locator choose few dates, of which it would warn otherwise."""
    from matplotlib.dates import HOURLY, MINUTELY, MONTHLY

    for frequency, longer in (
        (MONTHLY, (12, 24, 48)),
        (HOURLY, (24, 48, 96)),
        (MINUTELY, (60, 120)),
    ):
        locator.intervald[frequency] = [*locator.intervald[frequency], *longer]
    return locator


def absolute_axis(ax: Any, modulus: float) -> str:
    """Put absolute magnitudes at the right of axes of magnitudes.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        The axes.
    modulus : float
        The distance modulus.

    Returns
    -------
    str
        What the legend should say about it.
    """
    ax.tick_params(axis="y", right=False)
    _remove(ax, ABSOLUTE_ID)
    right = ax.secondary_yaxis(
        "right", functions=(lambda mag: mag - modulus, lambda absolute: absolute + modulus)
    )
    right.tick_params(direction="in")
    right.set_gid(ABSOLUTE_ID)
    right.set_ylabel("Absolute AB magnitude (mag)")
    return f"absolute: distance modulus\n{modulus:.2f}, no K-correction"

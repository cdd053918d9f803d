"""Pictures of light curves: right at first sight, and readable without colour."""

from dataclasses import dataclass

import numpy as np
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import check_choice

__all__ = ["plot"]

# MJD of 1970-01-01, from which matplotlib counts days.
MJD_OF_EPOCH = 40587.0


@dataclass(frozen=True)
class Style:
    """How the points of a band look.

    Attributes
    ----------
    colour : str
        Dark enough to be seen on white, apart in grey.
    marker : str
        The sign of its detections.
    """

    colour: str
    marker: str


# ATLAS draws its orange and cyan bands in these colours; the signs tell them apart in print.
STYLES = {
    "o": Style("#e8630a", "o"),
    "c": Style("#0795a8", "s"),
    "t": Style("#8c564b", "D"),
    "w": Style("#555555", "P"),
    "h": Style("#9467bd", "X"),
    "g": Style("#2ca02c", "^"),
    "r": Style("#d62728", "v"),
    "i": Style("#7b3294", "<"),
    "z": Style("#333333", ">"),
}
OTHER = Style("#777777", "*")


def plot(
    lc: TimeSeries,
    *,
    y: str = "mag",
    forced: TimeSeries | None = None,
    limits: bool = True,
    snr: float = 3.0,
    ax=None,
    title: str | None = None,
    legend: bool = True,
):
    """Draw a light curve.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve as this package makes them.
    y : {"mag", "flux"}, optional
        What is drawn: AB magnitudes, brightest on top, or the signed flux.
    forced : `~astropy.timeseries.TimeSeries`, optional
        Forced photometry of the same object, drawn with open signs.
    limits : bool, optional
        Whether the 5-sigma limits of exposures without a detection are drawn,
        as faint triangles that point down.
    snr : float, optional
        The signal to noise from which a forced measurement is drawn as a magnitude.
    ax : `~matplotlib.axes.Axes`, optional
        The axes to draw on; by default those of a new figure.
    title : str, optional
        The title; by default the name in ``lc.meta``.
    legend : bool, optional
        Whether a key to the signs stands to the right of the axes.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes drawn on.

    Raises
    ------
    InvalidQueryError
        If `y` is neither, or a column is missing.

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
    import matplotlib.pyplot as plt

    check_choice(y, name="y", known=("mag", "flux"))
    for series in (lc, forced):
        _check_columns(series)
    if ax is None:
        _, ax = plt.subplots(figsize=(9.0, 4.8), layout="constrained")
    draw = _draw_mag if y == "mag" else _draw_flux
    notes = draw(ax, lc, forced, limits, snr)
    if y == "mag":
        ax.invert_yaxis()
        ax.set_ylabel("AB magnitude (mag)")
    else:
        ax.axhline(0.0, color="0.6", lw=0.8, zorder=0)
        ax.set_ylabel("Difference flux (µJy)")
    scale = lc.time.scale.upper()
    ax.set_xlabel(f"Time (MJD, {scale}; {lc.meta.get('time_reference', 'as the survey gives it')})")
    _date_axis(ax)
    ax.set_title(title if title is not None else str(lc.meta.get("object", "")))
    if legend:
        _legend(ax, notes)
    return ax


def _draw_mag(ax, lc, forced, limits: bool, snr: float) -> list[str]:
    notes = []
    negative = np.count_nonzero(lc["detection"] & (_plain(lc["flux"]) <= 0))
    if negative:
        plural = "s" if negative > 1 else ""
        notes.append(f"{negative} detection{plural} of\nnegative flux: no magnitude")
    if limits:
        _draw_limits(ax, lc)
    if forced is not None:
        with np.errstate(invalid="ignore"):
            bright = _plain(forced["flux"]) >= snr * _plain(forced["flux_err"])
        _draw_points(ax, forced[bright], "mag", f", forced, S/N ≥ {snr:g}", opened=True)
    _draw_points(ax, lc[lc["detection"]], "mag", "", opened=False)
    return notes


def _draw_flux(ax, lc, forced, limits: bool, snr: float) -> list[str]:
    if forced is not None:
        _draw_points(ax, forced, "flux", ", forced", opened=True)
    _draw_points(ax, lc[lc["detection"]], "flux", "", opened=False)
    return []


def _draw_points(ax, lc, quantity: str, what: str, *, opened: bool) -> None:
    value, error = _plain(lc[quantity]), _plain(lc[f"{quantity}_err"])
    for band, chosen in _bands(lc, np.isfinite(value)):
        style = STYLES.get(band, OTHER)
        ax.errorbar(
            lc.time.mjd[chosen],
            value[chosen],
            yerr=np.nan_to_num(error[chosen]),
            fmt=style.marker,
            ms=4 if opened else 5.5,
            color=style.colour,
            mfc="white" if opened else style.colour,
            mec=style.colour if opened else "black",
            mew=0.9 if opened else 0.5,
            elinewidth=0.8,
            alpha=0.75 if opened else 1.0,
            zorder=2 if opened else 3,
            label=f"{band}{what}",
        )


def _draw_limits(ax, lc) -> None:
    limit = _plain(lc["limiting_mag"])
    for band, chosen in _bands(lc, ~lc["detection"] & np.isfinite(limit)):
        ax.scatter(
            lc.time.mjd[chosen],
            limit[chosen],
            marker=r"$\blacktriangledown$",
            s=14,
            linewidths=0,
            color=STYLES.get(band, OTHER).colour,
            alpha=0.22,
            zorder=1,
            label=f"{band}, 5σ limit",
        )


def _bands(lc, chosen: np.ndarray):
    """Yield each band that has chosen rows, with these rows, the survey's own on top."""
    bands = np.asarray(lc["band"])
    order = {band: n for n, band in enumerate(STYLES)}
    for band in sorted(set(bands[chosen].tolist()), key=lambda b: (-order.get(b, 99), b)):
        yield band, chosen & (bands == band)


def _plain(column) -> np.ndarray:
    """Return the bare values of a masked quantity, NaN where it is masked."""
    values = np.array(getattr(column, "unmasked", column), dtype=float)
    mask = getattr(column, "mask", None)
    if mask is not None:
        values[np.asarray(mask)] = np.nan
    return values


def _date_axis(ax) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    top = ax.secondary_xaxis(
        "top", functions=(lambda mjd: mjd - MJD_OF_EPOCH, lambda day: day + MJD_OF_EPOCH)
    )
    locator = AutoDateLocator(minticks=3, maxticks=6)
    top.xaxis.set_major_locator(locator)
    # Each label says its year: the offset text that would say it stands on the other axis.
    top.xaxis.set_major_formatter(
        ConciseDateFormatter(
            locator,
            formats=["%Y", "%b %Y", "%d %b %Y", "%d %b %H:%M", "%H:%M:%S", "%S.%f"],
            zero_formats=["%Y", "%b %Y", "%d %b %Y", "%d %b %Y", "%d %b %H:%M", "%H:%M:%S"],
            show_offset=False,
        )
    )
    ax.ticklabel_format(axis="x", useOffset=False, style="plain")
    ax.tick_params(axis="both", direction="in", right=True)
    top.tick_params(direction="in")


def _legend(ax, notes: list[str]) -> None:
    from matplotlib.lines import Line2D

    # What was measured comes first; it is drawn last, to lie on top.
    handles, labels = (items[::-1] for items in ax.get_legend_handles_labels())
    # A limit is drawn faint, which the key need not be.
    keys = [_key(handle) for handle in handles]
    keys += [Line2D([], [], ls="", label=note) for note in notes]
    if keys:
        ax.legend(
            keys,
            [*labels, *notes],
            fontsize="small",
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
            handletextpad=0.4,
        )


def _key(handle):
    from matplotlib.collections import PathCollection
    from matplotlib.lines import Line2D

    if isinstance(handle, PathCollection):
        colour = handle.get_facecolor()[0][:3]
        return Line2D([], [], ls="", marker="v", ms=5, mew=0, color=colour, alpha=0.55)
    return handle


def _check_columns(series) -> None:
    needed = ("band", "detection", "flux", "flux_err", "mag", "mag_err", "limiting_mag")
    if series is None:
        return
    missing = [name for name in needed if name not in getattr(series, "colnames", ())]
    if missing:
        raise InvalidQueryError(
            f"this is no light curve: it lacks the columns {', '.join(missing)}"
        )

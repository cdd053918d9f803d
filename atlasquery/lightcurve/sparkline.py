"""A light curve as a small plot in a line of SVG, without a plotting library."""

from html import escape
from typing import NamedTuple

import numpy as np
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.styles import rank_of, style_of

__all__ = ["sparkline"]

# Limits fainter by more than this than the faintest detection would only add height.
FAINTEST = 2.5
MARGIN = 4.0


class _SparklinePoint(NamedTuple):
    x: float
    y: float
    band: str


def sparkline(lc: TimeSeries, *, width: int = 420, height: int = 90, labels: bool = True) -> str:
    """Return a light curve as a small plot.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve of any survey.
    width, height : int, optional
        The size in pixels.
    labels : bool, optional
        Whether the range of magnitudes and dates is written next to it.

    Returns
    -------
    str
        An ``<svg>`` element: detections as dots in the colours of their bands,
        brightest on top; 5-sigma limits faint; detections of negative flux, which
        have no magnitude, as strokes at the bottom. It is empty where there is
        neither. Points that would lie on each other are drawn once, so that its
        size does not grow with the light curve.

    Raises
    ------
    InvalidQueryError
        If a column is missing, or has another kind of unit.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import sparkline
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> svg = sparkline(Atlas.get_light_curve(found["atlas_id"][0]))
    >>> svg[:4], len(svg) < 60_000
    ('<svg', True)
    """
    bare = CurveArrays([lc], ["lc"], ("band", "detection", "flux", "mag", "limiting_mag"))
    bands, detected = np.asarray(lc["band"]), np.asarray(lc["detection"], dtype=bool)
    mjd, mag, limit = bare.mjd(), bare.numbers("mag"), bare.numbers("limiting_mag")
    seen = detected & np.isfinite(mag)
    limited = ~detected & np.isfinite(limit)
    negative = detected & (np.nan_to_num(bare.numbers("flux")) < 0)
    drawn = seen | limited | negative
    if not drawn.any():
        return ""
    # Where there are detections, limits far from them do not stretch the time.
    x = _scaled(mjd, _span(mjd[drawn]), (MARGIN, width - MARGIN))
    top, bottom = _range_of_mags(mag[seen], limit[limited])
    bottom_edge = height - MARGIN - (12 if labels else 0)
    # A limit brighter than all detections tells nothing here.
    limited &= (limit <= bottom) & (limit >= top)
    y = _scaled(np.where(seen, mag, limit), (top, bottom), (MARGIN, bottom_edge))
    parts = _limits(_distinct(x, y, bands, limited, cell=3))
    parts += [_negative(p, bottom_edge) for p in _distinct(x, np.zeros_like(y), bands, negative)]
    parts += [_detection(p) for p in _distinct(x, y, bands, seen)]
    if labels:
        present = sorted(set(bands[seen | negative].tolist()), key=rank_of)
        parts.append(_labels(mjd[drawn], (top, bottom), present, width, height))
    about = f"{int(detected.sum())} detections of {lc.meta.get('object', 'an object')}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" style="max-width:100%">'
        f"<title>{escape(about)}</title>{''.join(parts)}</svg>"
    )


def _range_of_mags(seen: np.ndarray, limits: np.ndarray) -> tuple[float, float]:
    top = float(seen.min()) if len(seen) else float(limits.min()) if len(limits) else 0.0
    bottom = float(seen.max()) if len(seen) else top
    if len(limits):
        deepest = float(limits.max())
        bottom = max(bottom, min(deepest, bottom + FAINTEST) if len(seen) else deepest)
    return (top, bottom) if bottom - top > 0.2 else (top - 0.1, bottom + 0.1)


def _span(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _scaled(values: np.ndarray, old: tuple[float, float], new: tuple[float, float]) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return new[0] + (values - old[0]) * (new[1] - new[0]) / (old[1] - old[0])


def _distinct(
    x: np.ndarray, y: np.ndarray, bands: np.ndarray, chosen: np.ndarray, *, cell: int = 1
) -> list[_SparklinePoint]:
    """Return the chosen points, one for each cell of so many pixels and each band."""
    # Numbers whose span is beyond all numbers have no place in a picture.
    chosen = chosen & np.isfinite(x) & np.isfinite(y)
    found = {
        (band, round(px / cell), round(py / cell)): _SparklinePoint(px, py, band)
        for px, py, band in zip(
            x[chosen].tolist(), y[chosen].tolist(), bands[chosen].tolist(), strict=True
        )
    }
    return list(found.values())


def _colour(band: str) -> str:
    return style_of(band).colour


def _detection(p: _SparklinePoint) -> str:
    return f'<circle cx="{p.x:.1f}" cy="{p.y:.1f}" r="2" fill="{_colour(p.band)}"/>'


def _limits(points: list[_SparklinePoint]) -> list[str]:
    """Return triangles that point down to the fainter, in one path for each band."""
    paths: dict[str, list[str]] = {}
    for p in points:
        paths.setdefault(p.band, []).append(f"M{p.x - 1.5:.0f} {p.y - 1:.0f}h3l-1.5 2.5z")
    return [
        f'<path d="{"".join(shapes)}" fill="{_colour(band)}" opacity=".3"/>'
        for band, shapes in paths.items()
    ]


def _negative(p: _SparklinePoint, edge: float) -> str:
    return f'<path d="M{p.x:.1f} {edge:.0f}v-5" stroke="{_colour(p.band)}" stroke-width="1"/>'


def _day(mjd: float) -> str:
    try:
        return Time(mjd, format="mjd", scale="tai").strftime("%Y-%m-%d")
    except ValueError:
        # A damaged time may be before the first day that ERFA knows.
        return f"MJD {mjd:.6g}"


def _labels(
    mjd: np.ndarray, mags: tuple[float, float], bands: list[str], width: int, height: int
) -> str:
    ends = (float(mjd.min()), float(mjd.max()))
    # Of any scale: the day is all that is shown.
    first, last = map(_day, ends)
    baseline = height - 2
    style = 'font-size="10" font-family="sans-serif" fill="currentColor" opacity=".75"'
    key = "".join(
        f'<tspan fill="{_colour(band)}" font-weight="bold"> {escape(band)}</tspan>'
        for band in bands
    )
    return (
        f'<text x="2" y="{baseline}" {style}>{first}</text>'
        f'<text x="{width - 2}" y="{baseline}" text-anchor="end" {style}>{last}</text>'
        f'<text x="{width / 2:.0f}" y="{baseline}" text-anchor="middle" {style}>'
        f"{mags[0]:.1f} (top) to {mags[1]:.1f} mag{key}</text>"
    )

"""Pictures as they were looked at: marks compared with them, words where they can be read.

``ATLASQUERY_BASELINES=1 pytest tests/lightcurve/test_plot_images.py`` draws the
reference images again. Look at them before they are committed.
"""

import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from example_curves import light_curve

mpl = pytest.importorskip("matplotlib")
mpl.use("agg")

import astropy.units as u  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.testing.compare import compare_images  # noqa: E402

from atlasquery.lightcurve import bin, clean, plot, plot_many  # noqa: E402

BASELINE = Path(__file__).parent / "baseline"
# The root of the mean squared difference of pixels, of 255; a mark that is missing makes more.
TOLERANCE = 2.0


def supernova(seed=1):
    """Detections and limits of two bands, one flagged, one negative."""
    rng = np.random.default_rng(seed)
    time = 59000 + np.sort(rng.uniform(0, 120, 90))
    band = rng.choice(["o", "c"], 90, p=[0.7, 0.3])
    phase = (time - 59040) / 15.0
    flux = 400 * np.exp(-(phase**2) / 2) * (time > 59020) + rng.normal(0, 15, 90)
    err = rng.uniform(12, 18, 90)
    unseen = flux < 4 * err
    flux[unseen], err[unseen] = np.nan, np.nan
    lc = light_curve(time, flux, err, band, limiting_mag=rng.uniform(18.0, 19.6, 90))
    lc["detection"][:] = ~unseen
    lc["flux"][np.flatnonzero(~unseen)[3]] = -120 * u.uJy
    lc["mag"][np.flatnonzero(~unseen)[3]] = np.nan * u.mag
    lc["mag"].mask[np.flatnonzero(~unseen)[3]] = True
    lc["flag"] = np.where(np.arange(90) == np.flatnonzero(~unseen)[8], 8, 0)
    return lc


def forced(seed=2, n=200):
    """Signed fluxes of the same, with a few of large errors."""
    rng = np.random.default_rng(seed)
    time = 59000 + np.sort(rng.uniform(0, 120, n))
    err = rng.uniform(12, 25, n)
    err[::40] = 900.0
    flux = 400 * np.exp(-(((time - 59040) / 15.0) ** 2) / 2) * (time > 59020) + rng.normal(0, err)
    return light_curve(time, flux, err, rng.choice(["o", "c"], n, p=[0.7, 0.3]))


def nothing():
    return light_curve([], [])


def negative():
    lc = light_curve(59000 + np.arange(5.0), -100.0 - 20 * np.arange(5.0), 10.0)
    lc["detection"][:] = True
    return lc


PICTURES = {
    "mag": lambda ax: plot(supernova(), forced=forced(), ax=ax),
    "flux": lambda ax: plot(supernova(), forced=forced(), y="flux", ax=ax),
    "forced_flux": lambda ax: plot(forced(), y="flux", ax=ax),
    "forced_mag": lambda ax: plot(forced(), ax=ax, redshift=0.03),
    "binned": lambda ax: plot(bin(clean(forced(), "atclean", reduced_chi2_max=None)), ax=ax),
    "cleaned": lambda ax: plot(clean(forced(), "atclean", reduced_chi2_max=None), y="flux", ax=ax),
    "bands": lambda ax: plot(
        light_curve(59000 + np.arange(10.0), 100 + 10 * np.arange(10.0), 10.0, list("octwhgrizQ")),
        ax=ax,
    ),
    "one": lambda ax: plot(supernova()[supernova()["detection"]][:1], ax=ax),
    "limits": lambda ax: plot(supernova()[~supernova()["detection"]], ax=ax),
    "empty": lambda ax: plot(nothing(), ax=ax),
    "negative": lambda ax: plot(negative(), y="flux", ax=ax),
}


@pytest.fixture(autouse=True)
def _default_style():
    with mpl.rc_context(), plt.style.context("default"):
        yield
    plt.close("all")


def without_words(figure):
    """Take away what fonts draw: it differs between versions."""
    for ax in figure.axes:
        ax.set_title("")
        for one in (ax, *ax.child_axes):
            one.set_xlabel("")
            one.set_ylabel("")
            one.tick_params(labelbottom=False, labeltop=False, labelleft=False, labelright=False)
        for text in ax.texts:
            text.set_visible(False)
        if ax.get_legend() is not None:
            ax.get_legend().remove()


@pytest.mark.parametrize("name", PICTURES)
def test_marks_are_as_they_were_looked_at(name, tmp_path):
    figure, ax = plt.subplots(figsize=(6, 3.5))
    PICTURES[name](ax)
    without_words(figure)
    assert_as_before(figure, name, tmp_path)


def assert_as_before(figure, name, tmp_path):
    """Compare with the picture of that name, or draw it again."""
    drawn, expected = tmp_path / f"{name}.png", BASELINE / f"{name}.png"
    if os.environ.get("ATLASQUERY_BASELINES"):
        BASELINE.mkdir(exist_ok=True)
        figure.savefig(expected, dpi=72, metadata={"Software": None})
    figure.savefig(drawn, dpi=72)
    assert expected.is_file(), "there is no picture to compare with"
    # The pictures that differ are kept beside the one drawn.
    wrong = compare_images(str(expected), str(drawn), TOLERANCE)
    assert wrong is None, wrong


def test_a_page_is_as_it_was_looked_at(tmp_path):
    curves = {n: supernova(n) for n in range(3)} | {"x": nothing(), "y": negative(), "z": forced()}
    (figure,) = plot_many(curves)
    without_words(figure)
    figure.suptitle("")
    figure.supylabel("")
    for legend in figure.legends:
        legend.remove()
    # Without words the layout would depend on what is left of them.
    figure.set_layout_engine("none")
    for n, ax in enumerate(figure.axes):
        ax.set_position([0.05 + 0.5 * (n % 2), 0.75 - 0.24 * (n // 2), 0.42, 0.2])
    assert_as_before(figure, "page", tmp_path)


def test_the_comparison_sees_a_mark_that_is_missing(tmp_path):
    figure, ax = plt.subplots(figsize=(6, 3.5))
    lc = supernova()
    plot(lc[:-1][~(lc["detection"] & (lc["band"] == "c"))[:-1]], forced=forced(), ax=ax)
    without_words(figure)
    figure.savefig(tmp_path / "mag.png", dpi=72)
    assert compare_images(str(BASELINE / "mag.png"), str(tmp_path / "mag.png"), TOLERANCE)


def words(figure):
    """The boxes of all that is written, in pixels, by what it says."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    found = []
    for ax in figure.axes:
        for one in (ax, *ax.child_axes):
            texts = [ax.title, one.xaxis.label, one.yaxis.label]
            for axis in (one.xaxis, one.yaxis):
                low, high = sorted(axis.get_view_interval())
                ticks = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=False)
                texts += [label for at, label in ticks if low <= at <= high]
            shown = [t for t in texts if t.get_text() and (one is ax or t is not ax.title)]
            found += [(t.get_text(), t.get_window_extent(renderer)) for t in shown]
        if ax.get_legend() is not None:
            found.append(("the key", ax.get_legend().get_window_extent(renderer)))
    for legend in figure.legends:
        found.append(("the key", legend.get_window_extent(renderer)))
    if figure.get_supylabel():
        found.append(("label", figure._supylabel.get_window_extent(renderer)))
    return found


def assert_readable(figure):
    boxes = words(figure)
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in boxes:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        assert inside, f"{text!r} is cut off"
    for (one, a), (other, b) in combinations(boxes, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        # A box has some room below and above its letters.
        assert across <= 2 or down <= 2, f"{one!r} and {other!r} overlap"


@pytest.mark.parametrize("size", [(9, 4.8), (14, 3), (4.5, 5)])
@pytest.mark.parametrize("name", PICTURES)
def test_nothing_overlaps_or_is_cut_off(name, size):
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    PICTURES[name](ax)
    assert_readable(figure)


@pytest.mark.parametrize("days", [0.02, 0.3, 2, 5, 20, 60, 140, 300, 1000, 3000])
def test_dates_are_readable_whatever_the_span(days):
    # Across the ends of months and years, where calendars begin again.
    time = 59210.9 - days / 3 + np.linspace(0, days, 12)
    lc = light_curve(time, 500.0, 10.0)
    (page,) = plot_many(dict.fromkeys(range(3), lc))
    page.canvas.draw()
    ax = plot(lc)
    assert_readable(ax.figure)
    (top,) = ax.child_axes
    labels = [label.get_text() for label in top.get_xticklabels()]
    assert any("20" in label for label in labels)


def test_pages_are_readable():
    curves = {n: supernova(n) for n in range(5)} | {"x": nothing(), "y": negative(), "z": forced()}
    (figure,) = plot_many(curves)
    assert_readable(figure)
    small, last = plot_many({1: supernova(), 2: forced(), 3: negative()}, rows=1, columns=2)
    assert_readable(small)
    assert_readable(last)


def test_limits_are_told_apart_without_colour():
    ax = plot(supernova())
    by_label = {c.get_label(): c for c in ax.collections}
    assert len(by_label["o, 5σ limit"].get_facecolor()) == 1
    assert len(by_label["c, 5σ limit"].get_facecolor()) == 0
    markers = {c.get_label(): c.lines[0].get_marker() for c in ax.containers}
    assert markers["o, detection"] != markers["c, detection"]

"""What a picture of a light curve shows, read from the artists drawn."""

import numpy as np
import pytest
from astropy.table import Table

mpl = pytest.importorskip("matplotlib")
mpl.use("agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.collections import PathCollection  # noqa: E402

from atlasquery.atlas.columns import DETECTION, FORCED, NON_DETECTION  # noqa: E402
from atlasquery.atlas.photometry import forced_light_curve, light_curve  # noqa: E402
from atlasquery.exceptions import InvalidQueryError  # noqa: E402
from atlasquery.lightcurve import plot  # noqa: E402
from atlasquery.tables import decode_rows  # noqa: E402

WHOLE = {"window": (None, None), "meta": {"object": "ATLAS26abc", "time_reference": "start"}}


def detection(mjd, mag, band):
    return (
        f'{{"id":1000000000000000001,"mjd":{mjd},"mag":{mag},"magerr":0.1,"mag5sig":19.5,'
        f'"exptime":30.0,"filter":"{band}","expname":"x{mjd}{band}"}}'
    )


def non_detection(mjd, limit, band):
    return (
        f'{{"id":3,"mjd":{mjd},"mag5sig":{limit},"exptime":30.0,"filter":"{band}",'
        f'"expname":"n{mjd}{band}"}}'
    )


@pytest.fixture
def lc():
    found = [detection(60000 + n, 18.0 + 0.1 * n, "oc"[n % 2]) for n in range(6)]
    found.append(detection(60010, -17.5, "o"))
    rest = [non_detection(60020 + n, 19.0, "oc"[n % 2]) for n in range(4)]
    rows = (
        decode_rows(DETECTION, f"[{','.join(found)}]".encode()),
        decode_rows(NON_DETECTION, f"[{','.join(rest)}]".encode()),
    )
    return light_curve(*rows, atlas_id=1000000000000000001, **WHOLE)


@pytest.fixture
def forced():
    rows = [
        f'{{"atlas_object_id":1000000000000000001,"mjd_obs":{60030 + n},"filter":"o","uJy":{flux},'
        f'"duJy":10.0,"limiting_mag":false,"texp":30.0,"expname":"f{n}"}}'
        for n, flux in enumerate([100.0, 20.0, -100.0])
    ]
    return forced_light_curve(decode_rows(FORCED, f"[{','.join(rows)}]".encode()), **WHOLE)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def points(ax):
    """The positions of the points of each label, without those of error bars."""
    drawn = {c.get_label(): c.lines[0].get_xydata() for c in ax.containers}
    scatter = [c for c in ax.collections if isinstance(c, PathCollection)]
    return drawn | {c.get_label(): np.asarray(c.get_offsets()) for c in scatter}


def test_magnitudes(lc):
    ax = plot(lc)
    drawn = points(ax)
    assert set(drawn) == {"o", "c", "o, 5σ limit", "c, 5σ limit"}
    np.testing.assert_allclose(drawn["o"], [[60000, 18.0], [60002, 18.2], [60004, 18.4]])
    np.testing.assert_allclose(drawn["c, 5σ limit"], [[60021, 19.0], [60023, 19.0]])
    bottom, top = ax.get_ylim()
    assert bottom > top, "bright is on top"
    assert ax.get_ylabel() == "AB magnitude (mag)"
    assert ax.get_xlabel() == "Time (MJD, UTC; start)"
    assert ax.get_title() == "ATLAS26abc"


def test_negative_flux_has_no_magnitude_but_is_told_of(lc):
    ax = plot(lc)
    assert all(60010 not in xy[:, 0] for xy in points(ax).values())
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "1 detection of\nnegative flux: no magnitude" in words
    flux = points(plot(lc, y="flux"))["o"]
    assert flux[flux[:, 0] == 60010, 1] == pytest.approx(-(10 ** (0.4 * 6.4)))


def test_flux(lc):
    ax = plot(lc, y="flux")
    assert ax.get_ylabel() == "Difference flux (µJy)"
    bottom, top = ax.get_ylim()
    assert bottom < 0 < top
    assert set(points(ax)) == {"o", "c"}


def test_forced_photometry_above_the_cut(lc, forced):
    drawn = points(plot(lc, forced=forced))
    label = "o, forced, S/N ≥ 3"
    assert drawn[label][:, 0].tolist() == [60030]
    drawn = points(plot(lc, forced=forced, snr=2))
    assert drawn["o, forced, S/N ≥ 2"][:, 0].tolist() == [60030, 60031]
    drawn = points(plot(lc, forced=forced, y="flux"))
    np.testing.assert_allclose(drawn["o, forced"][:, 1], [100, 20, -100])


def test_bands_differ_in_colour_and_sign(lc):
    lines = {c.get_label(): c.lines[0] for c in plot(lc).containers}
    assert lines["o"].get_color() == "#e8630a"
    assert lines["c"].get_color() == "#0795a8"
    assert lines["o"].get_marker() != lines["c"].get_marker()


def test_limits_can_be_left_out(lc):
    assert set(points(plot(lc, limits=False))) == {"o", "c"}


def test_dates_on_top(lc):
    ax = plot(lc)
    ax.figure.canvas.draw()
    (top,) = ax.child_axes
    low, high = top.get_xlim()
    # 2023-02-25 was MJD 60000, and day 19413 of Unix time.
    assert low < 60000 - 40587 < high
    assert any("2023" in label.get_text() for label in top.get_xticklabels())


def test_on_given_axes(lc):
    _, ax = plt.subplots()
    assert plot(lc, ax=ax, title="mine", legend=False) is ax
    assert ax.get_title() == "mine"
    assert ax.get_legend() is None


def test_empty_light_curve():
    rows = decode_rows(DETECTION, b"[]"), decode_rows(NON_DETECTION, b"[]")
    ax = plot(light_curve(*rows, atlas_id=1000000000000000001, **WHOLE))
    assert points(ax) == {}


def test_what_is_no_light_curve_is_refused():
    with pytest.raises(InvalidQueryError, match="lacks the columns detection, flux"):
        plot(Table({"time": [1.0], "band": ["o"]}))
    with pytest.raises(InvalidQueryError, match="y='magg' is not known; did you mean 'mag'"):
        plot(None, y="magg")

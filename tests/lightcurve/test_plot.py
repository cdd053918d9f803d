"""The content of plots of light curves, read from the artists drawn."""

import astropy.units as u
import example_curves
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM, Planck18
from astropy.table import QTable
from astropy.time import Time

mpl = pytest.importorskip("matplotlib")
mpl.use("agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.collections import PathCollection  # noqa: E402

from atlasquery.atlas.columns import DETECTION, FORCED, NON_DETECTION  # noqa: E402
from atlasquery.atlas.photometry import forced_light_curve, light_curve  # noqa: E402
from atlasquery.exceptions import InvalidQueryError  # noqa: E402
from atlasquery.lightcurve import (  # noqa: E402
    Flag,
    bin,
    limits,
    plot,
    plot_interactive,
    plot_many,
    to_mag,
)
from atlasquery.lightcurve.styles import style_of  # noqa: E402
from atlasquery.tables import decode_rows  # noqa: E402

WHOLE = {
    "window": (None, None),
    "meta": {"object": "ATLAS26abc", "time_reference": "start", "flux_kind": "difference"},
}


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
    assert set(drawn) == {"o, detection", "c, detection", "o, 5σ limit", "c, 5σ limit"}
    np.testing.assert_allclose(drawn["o, detection"], [[60000, 18.0], [60002, 18.2], [60004, 18.4]])
    np.testing.assert_allclose(drawn["c, 5σ limit"], [[60021, 19.0], [60023, 19.0]])
    bottom, top = ax.get_ylim()
    assert bottom > top, "bright is on top"
    assert ax.get_ylabel() == "AB magnitude (mag)"
    assert ax.get_xlabel() == "Time (MJD, UTC; start of exposure)"
    assert ax.get_title() == "ATLAS26abc"


def test_negative_flux_has_no_magnitude_but_is_told_of(lc):
    ax = plot(lc)
    assert all(60010 not in xy[:, 0] for xy in points(ax).values())
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "1 detection of\nnegative flux: no magnitude" in words
    flux = points(plot(lc, y="flux"))["o, S/N ≥ 3"]
    assert flux[flux[:, 0] == 60010, 1] == pytest.approx(-(10 ** (0.4 * 6.4)))


def test_flux(lc):
    ax = plot(lc, y="flux")
    assert ax.get_ylabel() == "Difference flux (µJy)"
    bottom, top = ax.get_ylim()
    assert bottom < 0 < top
    assert set(points(ax)) == {"o, S/N ≥ 3", "c, S/N ≥ 3"}


def test_forced_photometry_above_the_cut(lc, forced):
    drawn = points(plot(lc, forced=forced))
    label = "o, forced, S/N ≥ 3"
    assert drawn[label][:, 0].tolist() == [60030]
    drawn = points(plot(lc, forced=forced, snr=2))
    assert drawn["o, forced, S/N ≥ 2"][:, 0].tolist() == [60030, 60031]
    drawn = points(plot(lc, forced=forced, y="flux"))
    # The sign does not depend on the noise.
    np.testing.assert_allclose(drawn["o, forced, S/N ≥ 3"][:, 1], [100, -100])
    np.testing.assert_allclose(drawn["o, forced, S/N < 3"][:, 1], [20])


def test_bands_differ_in_colour_and_sign(lc):
    lines = {c.get_label(): c.lines[0] for c in plot(lc).containers}
    assert lines["o, detection"].get_color() == "#e8630a"
    assert lines["c, detection"].get_color() == "#0795a8"
    assert lines["o, detection"].get_marker() != lines["c, detection"].get_marker()


def test_the_bands_of_every_survey_differ_in_colour_and_sign():
    """ATLAS, ZTF, Pan-STARRS and LSST; u and y of LSST were both grey stars."""
    styles = [style_of(band) for band in "octwhugrizy"]
    for attribute in ("colour", "marker", "symbol"):
        assert len({getattr(style, attribute) for style in styles}) == len(styles), attribute
    lc = example_curves.light_curve(range(59000, 59006), 1000.0, band=np.array(list("ugrizy")))
    lines = [container.lines[0] for container in plot(lc).containers]
    assert len(lines) == 6
    assert len({line.get_color() for line in lines}) == 6
    assert len({line.get_marker() for line in lines}) == 6


def test_surveys_of_one_light_curve_are_told_apart():
    """SkyPortal sends the bands g of ZTF and of LSST in one light curve."""
    survey = np.where(np.arange(6) % 2, "ztf", "lsst")
    lc = example_curves.light_curve(np.arange(59000.0, 59006), 1000.0, band="g", survey=survey)
    for one in (lc, bin(lc)):
        found = points(plot(one, limits=False))
        assert sorted(label.split(",")[0] for label in found) == ["LSST g", "ZTF g"]
        assert [len(drawn) for drawn in found.values()] == [3, 3]


def test_limits_can_be_left_out(lc):
    assert set(points(plot(lc, limits=False))) == {"o, detection", "c, detection"}


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
    with pytest.raises(InvalidQueryError, match="has no columns detection, flux"):
        plot(QTable({"time": Time([60000.0], format="mjd"), "band": ["o"]}))
    with pytest.raises(InvalidQueryError, match="y='magg' is not known; did you mean 'mag'"):
        plot(None, y="magg")


def test_absolute_magnitudes(lc):
    pytest.importorskip("scipy")
    ax = plot(lc, redshift=0.05)
    right = ax.child_axes[-1]
    ax.figure.canvas.draw()
    low, high = right.get_ylim()
    modulus = float(Planck18.distmod(0.05).value)
    np.testing.assert_allclose([low, high], np.array(ax.get_ylim()) - modulus)
    assert right.get_ylabel() == "Absolute AB magnitude (mag)"
    assert f"{modulus:.2f}, no K-correction" in words_of(ax)
    assert "distance modulus\n30.00" in words_of(plot(lc, distance=10 * u.Mpc))
    other = FlatLambdaCDM(H0=100, Om0=0.3)
    assert f"{other.distmod(0.05).value:.2f}" in words_of(plot(lc, redshift=0.05, cosmology=other))


def words_of(ax):
    return "\n".join(text.get_text() for text in ax.get_legend().get_texts())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"redshift": -0.1}, "redshift=-0.1 should be a number of 0 or more"),
        ({"redshift": 0}, "redshift=0 should be above 0; give distance"),
        ({"distance": 40}, "distance=40 should be one number with a unit"),
        ({"distance": 3 * u.mag}, "distance=.* should be one number with a unit"),
        ({"distance": 3 * u.Mpc, "redshift": 0.1}, "give redshift or distance, not both"),
        ({"distance": 3 * u.Mpc, "y": "flux"}, "redshift and distance are for y='mag'"),
        ({"snr": "3"}, "snr='3' should be a number"),
    ],
)
def test_arguments_that_are_wrong(lc, options, message):
    with pytest.raises(InvalidQueryError, match=message):
        plot(lc, **options)


def test_flagged_rows_are_crosses_and_stretch_nothing(lc):
    lc["flag"] = np.where(lc.time.mjd == 60002, int(Flag.EDGE), 0)
    ax = plot(lc)
    drawn = points(ax)
    np.testing.assert_allclose(drawn["o, flagged"], [[60002, 18.2]])
    assert 60002 not in drawn["o, detection"][:, 0]
    lc["mag"][2] = 5.0 * u.mag
    ax = plot(lc)
    assert ax.get_ylim()[1] > 15
    assert "1 flagged row\noutside the axes" in words_of(ax)
    assert "o, flagged" not in points(plot(lc, flagged=False))


def test_the_faint_are_seen(forced):
    in_flux = points(plot(forced, y="flux"))
    np.testing.assert_allclose(in_flux["o, S/N ≥ 3"][:, 1], [100, -100])
    np.testing.assert_allclose(in_flux["o, S/N < 3"][:, 1], [20])
    # In magnitudes what is measured and faint is a limit.
    in_mag = points(plot(to_mag(forced, snr=3)))
    assert in_mag["o, S/N ≥ 3"][:, 0].tolist() == [60030]
    assert in_mag["o, 5σ limit"][:, 0].tolist() == [60031, 60032]
    three = points(plot(limits(to_mag(forced, snr=3), 3)))
    assert "o, 3σ limit" in three


def test_binned_light_curves_say_so(forced):
    labels = set(points(plot(bin(forced), y="flux")))
    assert labels == {"o, binned, S/N ≥ 3", "o, binned, S/N < 3"}


def test_time_scales_must_agree(lc, forced):
    # The time of a TimeSeries cannot be replaced.
    other = QTable(forced)
    other.remove_column("time")
    other["time"] = forced["time"].tdb
    with pytest.raises(InvalidQueryError, match="time of forced is in 'tdb' and that of lc in"):
        plot(lc, forced=other)


def test_pages(lc, forced):
    pages = plot_many(dict.fromkeys(range(5), lc), rows=2, columns=2, titles={0: "first"})
    assert [len([ax for ax in page.axes if ax.axison]) for page in pages] == [4, 1]
    assert pages[0].axes[0].get_title() == "first"
    assert pages[0].axes[1].get_title() == "ATLAS26abc"
    (key,) = pages[0].legends
    labels = [text.get_text() for text in key.get_texts()]
    assert labels == ["o, detection", "c, detection", "o, 5σ limit", "c, 5σ limit"]
    (page,) = plot_many({1: lc}, forced={1: forced})
    assert "o, forced, S/N ≥ 3" in [t.get_text() for t in page.legends[0].get_texts()]
    for curves in ({}, [lc], None):
        with pytest.raises(InvalidQueryError, match="curves should be a mapping"):
            plot_many(curves)
    with pytest.raises(InvalidQueryError, match="columns=0 should be a whole number"):
        plot_many({1: lc}, columns=0)


def test_interactive(lc, forced):
    pytest.importorskip("plotly")
    figure = plot_interactive(lc, forced=forced)
    traces = {trace.name: trace for trace in figure.data}
    assert set(traces) == {
        "o, detection",
        "c, detection",
        "o, forced, S/N ≥ 3",
        "o, 5σ limit",
        "c, 5σ limit",
    }
    np.testing.assert_allclose(traces["o, detection"].y, [18.0, 18.2, 18.4])
    np.testing.assert_allclose(traces["o, detection"].error_y.array, 0.1)
    assert traces["o, detection"].marker.color == "#e8630a"
    assert traces["o, detection"].text[0].startswith("2023-02-25 00:00:00.000 UTC<br>MJD 60000")
    assert "x60000o" in traces["o, detection"].text[0]
    assert traces["c, 5σ limit"].marker.symbol == "triangle-down-open"
    assert figure.layout.yaxis.autorange == "reversed"
    assert figure.layout.yaxis.title.text == "AB magnitude (mag)"
    # The key begins with what was measured, which lies on top.
    ranks = sorted(figure.data, key=lambda trace: trace.legendrank)
    assert ranks[0].name == "o, detection"
    assert figure.data[-1].name == "o, detection"
    flux = plot_interactive(lc, y="flux", title="mine")
    assert flux.layout.title.text == "mine"
    assert flux.layout.yaxis.autorange is True
    assert len(plot_interactive(lc[:0]).data) == 0


def test_two_light_curves_on_the_same_axes(lc):
    other = lc.copy()
    other["time"] = Time(other["time"].mjd + 100, format="mjd", scale="utc")
    other["mag"] = other["mag"] + 1.5 * u.mag
    other.meta["object"] = "ATLAS26xyz"
    ax = plot(lc, limits=False)
    plot(other, ax=ax, limits=False)
    low, high = ax.get_xlim()
    bottom, top = ax.get_ylim()
    assert low < 60000 < 60105 < high
    assert top < 18.0 < 20.0 < bottom
    assert ax.get_title() == "ATLAS26abc, ATLAS26xyz"
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    for name in ("ATLAS26abc", "ATLAS26xyz"):
        assert {f"{name}: o, detection", f"{name}: c, detection"} <= set(words)
    # One axis of dates, for the new limits, and other colours for the other object.
    (dates,) = ax.child_axes
    assert dates.get_gid() == "atlasquery dates"
    colours = {c.get_label(): c.lines[0].get_markerfacecolor() for c in ax.containers}
    assert colours["ATLAS26abc: o, detection"] != colours["ATLAS26xyz: o, detection"]


def test_the_same_object_again_is_not_named(lc):
    ax = plot(lc, limits=False)
    plot(bin(lc), ax=ax, limits=False)
    assert ax.get_title() == "ATLAS26abc"
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "o, detection" in words
    assert "o, binned, S/N ≥ 3" in words
    # A plot on cleared axes starts from nothing.
    ax.cla()
    assert set(points(plot(lc, ax=ax, limits=False))) == {"o, detection", "c, detection"}


def test_scales_are_not_mixed(lc):
    ax = plot(lc)
    with pytest.raises(InvalidQueryError, match=r"ax has a light curve in 'mag'.*y='flux'"):
        plot(lc, y="flux", ax=ax)
    vega = lc.copy()
    vega.meta["magsys"] = "Vega"
    with pytest.raises(InvalidQueryError, match=r"AB magnitude.*Vega magnitude"):
        plot(vega, ax=ax)
    barycentric = example_curves.light_curve([60000.0], [100.0], scale="tdb")
    with pytest.raises(InvalidQueryError, match=r"times in 'utc', and those of lc are in 'tdb'"):
        plot(barycentric, ax=ax)


def event(extra=()):
    """Eight years of limits, and 30 days of detections among them."""
    time = np.concatenate([58000.0 + 10 * np.arange(300), 59500.5 + 3 * np.arange(11), extra])
    seen = np.arange(len(time)) >= 300
    return example_curves.light_curve(time, np.where(seen, 300.0, np.nan))


def shown_days(ax):
    low, high = ax.get_xlim()
    return low, high


def test_an_event_does_not_drown_in_years_of_limits():
    ax = plot(event())
    assert shown_days(ax) == pytest.approx((59470.5, 59560.5))
    # 59480 to 59560, each ten days, are in the axes; the legend has the number of the other limits.
    assert "291 earlier or later rows\noutside the axes" in words_of(ax)
    whole = plot(event(), window="all")
    assert shown_days(whole)[0] < 58000 and shown_days(whole)[1] > 60990
    assert "earlier or later" not in words_of(whole)


def test_detections_far_apart_are_all_shown():
    low, high = shown_days(plot(event(extra=[60800.0])))
    assert low < 58000 and high > 60990


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((59490, 59540), (59490, 59540)),
        ((Time("2021-10-03"), None), (59490, 61139.5)),
        (["2021-10-03", "2021-11-22"], (59490, 59540)),
    ],
)
def test_a_user_chooses_the_times_that_are_shown(window, expected):
    assert shown_days(plot(event(), window=window)) == pytest.approx(expected, abs=0.01)


def test_a_window_without_rows_says_how_many_are_outside():
    ax = plot(event(), window=(50000, 50010))
    assert shown_days(ax) == (50000, 50010)
    assert "311 earlier or later rows\noutside the axes" in words_of(ax)


@pytest.mark.parametrize("window", ["burst", (59000,), 59000, (59100, 59000), ("x", None)])
def test_a_window_that_is_none_is_refused(window):
    with pytest.raises(InvalidQueryError, match=r"window=|end=59000|start='x'"):
        plot(event(), window=window)


def test_pages_take_the_window_too():
    (page,) = plot_many({1: event()}, window="all")
    assert shown_days(page.axes[0])[0] < 58000
    (page,) = plot_many({1: event()})
    assert shown_days(page.axes[0]) == pytest.approx((59470.5, 59560.5))

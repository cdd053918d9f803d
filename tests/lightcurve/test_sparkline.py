"""The small picture: what is in it, and that it stays small."""

import re
import xml.etree.ElementTree as ET

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked

from atlasquery.lightcurve import sparkline
from atlasquery.lightcurve.styles import style_of

SVG = "{http://www.w3.org/2000/svg}"


def light_curve(mjd, mag, limit, band, flux=None):
    mag, limit = np.array(mag, float), np.array(limit, float)
    flux = 10 ** (0.4 * (23.9 - mag)) if flux is None else np.array(flux, float)
    lc = TimeSeries(time=Time(mjd, format="mjd", scale="utc"))
    lc["band"] = band
    lc["detection"] = np.isfinite(flux)
    lc["flux"] = Masked(flux * u.uJy, mask=np.isnan(flux))
    lc["mag"] = Masked(mag * u.mag, mask=np.isnan(mag))
    lc["limiting_mag"] = Masked(limit * u.mag, mask=np.isnan(limit))
    return lc


def circles(svg):
    return [
        (float(c.get("cx")), float(c.get("cy")), c.get("fill"))
        for c in ET.fromstring(svg).iter(f"{SVG}circle")
    ]


def test_a_time_before_the_first_day_of_erfa_is_shown_as_a_number():
    lc = light_curve([-3e6, 120], [18.0, 17.0], [np.nan] * 2, ["o", "c"])
    svg = sparkline(lc)
    assert "MJD -3e+06" in svg
    assert "1859-03-1" in svg


def test_brighter_is_higher_and_later_is_to_the_right():
    lc = light_curve([100, 110, 120], [18.0, 16.0, 17.0], [np.nan] * 3, ["o", "c", "o"])
    (first, peak, last) = circles(sparkline(lc))
    assert first[0] < peak[0] < last[0]
    assert peak[1] < last[1] < first[1]
    assert [c[2] for c in (first, peak, last)] == [style_of(b).colour for b in "oco"]


def test_everything_is_within_the_picture():
    rng = np.random.default_rng(1)
    mag = np.where(rng.random(500) < 0.2, rng.uniform(15, 21, 500), np.nan)
    lc = light_curve(rng.uniform(0, 900, 500), mag, rng.uniform(8, 23, 500), ["o"] * 500)
    svg = sparkline(lc, width=300, height=80)
    for x, y, _ in circles(svg):
        assert 0 <= x <= 300
        assert 0 <= y <= 80
    points = re.findall(r"M(-?[\d.]+) (-?[\d.]+)h3", svg)
    assert points
    assert all(0 <= float(x) <= 300 and 0 <= float(y) <= 80 for x, y in points)


def test_it_does_not_grow_with_the_light_curve():
    rng = np.random.default_rng(2)
    n = 20_000
    mag = np.where(rng.random(n) < 0.5, rng.uniform(15, 21, n), np.nan)
    lc = light_curve(rng.uniform(0, 3000, n), mag, rng.uniform(17, 22, n), ["o", "c"] * (n // 2))
    assert len(sparkline(lc, width=200, height=34, labels=False)) < 800_000
    limits = light_curve(np.arange(n), [np.nan] * n, rng.uniform(17, 20, n), ["o"] * n)
    assert len(sparkline(limits)) < 100_000


def test_negative_fluxes_are_strokes_at_the_bottom():
    nan = np.nan
    lc = light_curve([1, 2], [17, nan], [nan, nan], ["o", "c"], flux=[600.0, -80.0])
    svg = sparkline(lc)
    assert len(circles(svg)) == 1
    assert re.search(rf'v-5" stroke="{style_of("c").colour}"', svg)


@pytest.mark.parametrize("rows", [0, 1])
def test_little_is_drawn_as_little(rows):
    lc = light_curve([100.0], [17.0], [19.0], ["q"])[:rows]
    svg = sparkline(lc)
    assert len(circles(svg)) == 1 if rows else svg == ""


def test_names_and_bands_are_escaped():
    lc = light_curve([100.0], [17.0], [19.0], ["<b>"])
    lc.meta["object"] = "<script>alert(1)</script>"
    svg = sparkline(lc)
    ET.fromstring(svg)
    assert "<script" not in svg
    assert "<b>" not in svg


def test_a_magnitude_beyond_all_numbers_is_left_out_of_the_picture():
    lc = light_curve(
        [100, 110, 120], [-1.7e308, 16.0, 1.7e308], [np.nan] * 3, ["o", "c", "o"], [1.0, 2.0, 3.0]
    )
    assert sparkline(lc).startswith("<svg")

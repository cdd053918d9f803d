"""What the package does with any light curve works on this one, unchanged."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from atlasquery import AtlasForced, lightcurve
from atlasquery.lightcurve import clean

HEADER = "###MJD m dm uJy duJy F err chi/N RA Dec x y maj min phi apfit mag5sig Sky Obs"
GOOD = {
    "MJD": "59000.1", "m": "17.500", "dm": "0.055", "uJy": "363", "duJy": "20", "F": "o",
    "err": "0", "chi/N": "1.1", "RA": "10.0", "Dec": "5.0", "x": "5000.0", "y": "5000.0",
    "maj": "2.5", "min": "2.3", "phi": "10.0", "apfit": "-0.4", "mag5sig": "19.0", "Sky": "20.0",
    "Obs": "01a59000o0001o",
}  # fmt: skip
# Each breaks one rule of the server's FAQ.
BROKEN = [
    {"duJy": "10001"}, {"err": "1"}, {"x": "100.0"}, {"x": "10460.0"}, {"y": "99.0"},
    {"maj": "1.6"}, {"maj": "5.0"}, {"min": "5.1"}, {"apfit": "-1.0"}, {"apfit": "-0.1"},
    {"mag5sig": "17.0"}, {"Sky": "16.9"},
]  # fmt: skip


@pytest.fixture
def lc(forced):
    where = SkyCoord(161.2, 53.7, unit="deg")
    return forced.query_position(where, start=59000, end=59300, names="SN 2026x")


def test_the_rules_of_the_servers_faq():
    rows = [GOOD, *({**GOOD, **change} for change in BROKEN), GOOD]
    lines = [" ".join(row[name] for name in HEADER[3:].split()) for row in rows]
    lc = AtlasForced.read("\n".join([HEADER, *lines]) + "\n")
    flagged = clean(lc, preset="faq")
    # The light curve is in order of time, which is the order of the file here.
    assert (np.asarray(flagged["flag"]) == 0).tolist() == [True] + [False] * len(BROKEN) + [True]
    assert len(clean(lc, preset="faq", drop=True)) == 2


@pytest.mark.parametrize("preset", ["faq", "plot_atlas_fp", "skyportal", "atclean"])
def test_each_preset(lc, preset):
    kept = clean(lc, preset=preset, drop=True)
    assert 0.3 * len(lc) < len(kept) <= len(lc)
    assert len(kept.meta["history"]) == 1
    assert lc.meta["history"] == []


def test_bins_of_a_day(lc):
    binned = lightcurve.bin(clean(lc, preset="faq", drop=True), 1 * u.day)
    assert 0.2 * len(lc) < len(binned) < 0.3 * len(lc)
    assert np.nanmedian(binned["flux_err"].value) < 0.6 * np.nanmedian(lc["flux_err"].value)
    assert np.isclose(np.nanmax(binned["flux"].value), 900, rtol=0.1)
    assert len(binned.meta["history"]) == 2


@pytest.mark.parametrize("y", ["mag", "flux"])
def test_a_picture(lc, y, tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    ax = lightcurve.plot(lightcurve.bin(clean(lc, preset="faq", drop=True), 1 * u.day), y=y)
    assert ax.get_title() == "SN 2026x"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [label.partition(",")[0] for label in labels[:2]] == ["o", "c"]
    ax.figure.savefig(tmp_path / "forced.png")
    assert (tmp_path / "forced.png").stat().st_size > 20000
    plt.close("all")


def test_control_curves_judge_a_light_curve(forced, lc):
    controls = forced.get_control_curves(SkyCoord(161.2, 53.7, unit="deg"), start=59000, end=59300)
    assert len(clean(lc, preset="atclean", controls=controls)) == len(lc)


def test_it_is_written_and_read(lc, tmp_path):
    path = lightcurve.write(lc, tmp_path / "lc.ecsv")
    again = lightcurve.read(path)
    assert again.colnames == lc.colnames
    assert (again["flux"].unmasked == lc["flux"].unmasked).all()
    assert again.meta["coordinates"].separation(lc.meta["coordinates"]) < 1e-6 * u.arcsec
    assert again.meta["task_id"] == lc.meta["task_id"]

"""Magnitudes, fluxes, limits, signal to noise, phases and baselines."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from astropy.time import Time
from example_curves import light_curve
from hypothesis import given, settings
from hypothesis import strategies as st

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.lightcurve import (
    Flag,
    limits,
    phase_fold,
    signal_to_noise,
    subtract_baseline,
    to_flux,
    to_mag,
)

bounded = settings(max_examples=40, deadline=None)
# Of what is fainter than any source the error in magnitudes is larger than any number.
FLUX = st.lists(
    st.one_of(
        st.floats(-1e5, 1e5).map(lambda flux: flux if abs(flux) > 1e-200 else 0.0), st.just(np.nan)
    ),
    max_size=20,
)


def test_magnitudes_of_detections():
    lc = light_curve(59000 + np.arange(4.0), [100.0, 40.0, -100.0, np.nan], 10.0)
    result = to_mag(lc, snr=5)
    assert result["detection"].tolist() == [True, False, False, False]
    assert result["mag"].mask.tolist() == [False, True, True, True]
    np.testing.assert_allclose(result["mag"].unmasked.value[0], 18.9)
    np.testing.assert_allclose(result["mag_err"].unmasked.value[0], 0.1 * 2.5 / np.log(10))
    assert result["mag"].unit == u.mag
    # The survey's own word on what is a detection stays, where none is asked for.
    lc["detection"][:] = [False, True, True, True]
    assert to_mag(lc)["detection"].tolist() == [False, True, True, True]
    assert to_mag(lc)["mag"].mask.tolist() == [True, False, True, True]
    assert to_mag(lc).meta["history"] == ["to_mag: snr=None: 1 magnitudes"]


@bounded
@given(FLUX)
def test_there_and_back(flux):
    flux = np.array(flux)
    lc = light_curve(59000 + np.arange(float(len(flux))), flux, 10.0)
    bright = to_mag(lc, snr=0)
    without = QTable(bright)
    without["flux"][:] = np.nan * u.uJy
    without["flux"].mask = np.ones(len(flux), bool)
    back = to_flux(without)
    positive = flux > 0
    assert np.array_equal(back["flux"].mask, ~positive)
    np.testing.assert_allclose(back["flux"].unmasked.value[positive], flux[positive], rtol=1e-9)
    np.testing.assert_allclose(back["flux_err"].unmasked.value[positive], 10.0, rtol=1e-9)


def test_fluxes_that_are_there_stay():
    lc = light_curve([59000.0, 59001.0], [-50.0, 100.0])
    assert to_flux(lc)["flux"].unmasked.value.tolist() == [-50.0, 100.0]
    table = QTable(lc)
    table.remove_columns(["flux", "flux_err"])
    result = to_flux(table)
    assert result["flux"].mask.tolist() == [True, False]
    assert result["flux"].unit == u.uJy


def test_limits_of_errors_and_of_exposures():
    lc = light_curve([59000.0, 59001.0], [10.0, np.nan], [10.0, np.nan], limiting_mag=[19.0, 19.0])
    result = limits(lc, 3)
    expected = [23.9 - 2.5 * np.log10(30.0), 19.0 + 2.5 * np.log10(5 / 3)]
    np.testing.assert_allclose(result["limiting_mag"].unmasked.value, expected)
    assert result["limiting_mag"].info.description == "3-sigma limit, AB."
    assert result.meta["limit_sigma"] == 3.0
    # From 3 to 5 and not twice the way.
    again = limits(result, 5)
    np.testing.assert_allclose(again["limiting_mag"].unmasked.value[1], 19.0)
    with pytest.raises(InvalidQueryError, match="nsigma=0 should be above 0"):
        limits(lc, 0)


def test_signal_to_noise():
    lc = light_curve(59000 + np.arange(4.0), [100.0, -50.0, np.nan, 5.0], [10.0, 10.0, 10.0, 0.0])
    result = signal_to_noise(lc)["signal_to_noise"]
    assert result.mask.tolist() == [False, False, True, True]
    assert result[:2].tolist() == [10.0, -5.0]


def test_folding():
    lc = light_curve(59000 + np.arange(10) * 0.7, np.arange(10.0))
    folded = phase_fold(lc, 2 * u.day, epoch=59000.0, normalize=True)
    assert len(folded) == 10
    assert np.all(np.diff(folded["time"]) >= 0)
    row = folded[folded["flux"].unmasked.value == 1.0]
    np.testing.assert_allclose(row["time"], 0.35)
    assert folded.meta["history"][-1].startswith("phase_fold: period=2 d, epoch=59000.0")
    same = phase_fold(lc, 48 * u.hour, epoch=Time(59000, format="mjd"), normalize=True)
    np.testing.assert_allclose(same["time"], folded["time"])
    for period in (3.0, -1 * u.day, 3 * u.mag):
        with pytest.raises(InvalidQueryError, match="period="):
            phase_fold(lc, period)
    with pytest.raises(InvalidQueryError, match="no rows to fold"):
        phase_fold(lc[:0], 1 * u.day)


@pytest.mark.parametrize("scale", ["utc", "tai", "tdb"])
def test_a_number_as_epoch_is_in_the_scale_of_the_light_curve(scale):
    lc = light_curve(59000 + np.arange(4.0), 100.0, 10.0, scale=scale)
    for epoch in (lc.time.mjd[2], lc.time[2]):
        seconds = phase_fold(lc, 5 * u.day, epoch=epoch)["time"].to_value(u.s)
        assert np.abs(seconds).min() < 1e-4
    # A date is in UTC, as everywhere.
    seconds = phase_fold(lc, 5 * u.day, epoch="2020-06-02")["time"].to_value(u.s)
    late = {"utc": 0, "tai": 37, "tdb": 69.18}[scale]
    assert np.abs(seconds).min() == pytest.approx(late, abs=0.01)


@pytest.fixture
def stepped():
    """A constant of each band and segment, and a transient in the last of them."""
    time = np.concatenate([np.arange(58300.0, 58310), np.arange(58500.0, 58510)])
    time = np.concatenate([time, np.arange(59000.0, 59020)])
    level = np.select([time < 58417, time < 58882], [30.0, -20.0], 7.0)
    flux = np.concatenate([level, level + 100.0])
    time, band = np.tile(time, 2), np.repeat(["o", "c"], len(time))
    flux[(time > 59010) & (time < 59015)] += 900.0
    return light_curve(time, flux, 5.0, band)


def test_the_baseline_of_each_segment(stepped):
    result = subtract_baseline(stepped, transient=(59009, 59016))
    quiet = (result.time.mjd < 59009) | (result.time.mjd > 59016)
    np.testing.assert_array_equal(result["flux"].unmasked.value[quiet], 0.0)
    assert result["flux"].unmasked.value.max() == 900.0
    found = {(b["band"], b["start"], b["end"]): b["offset"] for b in result.meta["baseline"]}
    assert found == {
        ("o", None, 58417.0): 30.0,
        ("o", 58417.0, 58882.0): -20.0,
        ("o", 58882.0, None): 7.0,
        ("c", None, 58417.0): 130.0,
        ("c", 58417.0, 58882.0): 80.0,
        ("c", 58882.0, None): 107.0,
    }
    assert result["mag"].mask[quiet].all()
    np.testing.assert_array_equal(result["flux_err"], stepped["flux_err"])


def test_the_baseline_of_all(stepped):
    result = subtract_baseline(stepped, template_changes=False, transient=[(59010, 59015)])
    assert [b["band"] for b in result.meta["baseline"]] == ["c", "o"]
    assert {b["start"] for b in result.meta["baseline"]} == {None}
    explicit = subtract_baseline(stepped, template_changes=[58417, 58882], windows=[(None, 59008)])
    assert explicit.meta["baseline"][-1]["offset"] == 7.0
    weighted = subtract_baseline(stepped, transient=(59009, 59016), method="weighted")
    assert weighted.meta["baseline"][0]["offset"] == pytest.approx(130.0)
    assert weighted.meta["baseline"][0]["offset_err"] == pytest.approx(5 / np.sqrt(10))


def test_each_survey_has_its_baseline():
    """SkyPortal sends the bands g of ZTF and of LSST in one light curve."""
    time = np.arange(60000.0, 60020)
    survey = np.where(np.arange(20) % 2, "ztf", "lsst")
    lc = light_curve(time, np.where(survey == "ztf", 90.0, 5.0), 2.0, "g", survey=survey)
    result = subtract_baseline(lc)
    np.testing.assert_array_equal(result["flux"].unmasked.value, 0.0)
    found = [(b["band"], b["survey"], b["offset"], b["n"]) for b in result.meta["baseline"]]
    assert found == [("g", "lsst", 5.0, 10), ("g", "ztf", 90.0, 10)]


def test_an_exposure_counts_once_in_a_baseline():
    time = np.repeat(np.arange(60000.0, 60012), 2)
    forced = np.tile([True, False], 12)
    lc = light_curve(time, np.where(forced, 3.0, 40.0), 2.0, "g", survey="ztf",
                     exposure=np.repeat([f"pid{n}" for n in range(12)], 2),
                     survey_columns={"forced": forced})  # fmt: skip
    (found,) = subtract_baseline(lc, method="weighted").meta["baseline"]
    assert (found["offset"], found["n"]) == (3.0, 12)
    assert found["offset_err"] == pytest.approx(2.0 / np.sqrt(12))


def test_a_magnitude_without_a_flux_is_kept(stepped):
    stepped["flux"][3] = np.ma.masked
    stepped["mag"][3], stepped["mag_err"][3] = 17.5 * u.mag, 0.1 * u.mag
    result = subtract_baseline(stepped, transient=(59009, 59016))
    assert result["flux"].mask[3]
    assert (result["mag"][3].value, result["mag_err"][3].value) == (17.5, 0.1)
    assert result["mag"].mask[4]


def test_a_baseline_of_too_few_rows(stepped):
    with pytest.warns(InputWarning, match=r"fewer than 5 rows .*o from 58882.0 to None: 0"):
        result = subtract_baseline(stepped, windows=(58000, 58600))
    after = result.time.mjd > 58882
    kept = stepped["flux"].unmasked.value[after]
    np.testing.assert_array_equal(result["flux"].unmasked.value[after], kept)
    assert [b["offset"] is None for b in result.meta["baseline"]] == [False, False, True] * 2


def test_flagged_rows_make_no_baseline(stepped):
    stepped["flag"] = np.where(stepped["flux"].unmasked.value > 800, int(Flag.OUTLIER), 0)
    spoilt = stepped.copy()
    spoilt["flux"][:5] = 1e6 * u.uJy
    spoilt["flag"][:5] = int(Flag.EDGE)
    result = subtract_baseline(spoilt)
    assert [b["offset"] for b in result.meta["baseline"]] == [130, 80, 107, 30, -20, 7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transient": 59000}, "transient=59000 should be a pair"),
        ({"windows": [(1, 2, 3)]}, "windows=.* should be a pair"),
        ({"windows": (60000, 59000)}, "end=59000 is before start=60000"),
        ({"template_changes": "never"}, "template_changes='never' should be True"),
        ({"method": "mode"}, "method='mode' is not known"),
        ({"at_least": 0}, "at_least=0 should be"),
    ],
)
def test_arguments_that_are_wrong(stepped, options, message):
    with pytest.raises(InvalidQueryError, match=message):
        subtract_baseline(stepped, **options)


@pytest.mark.parametrize("work", [to_mag, to_flux, limits, signal_to_noise, subtract_baseline])
def test_empty_light_curves_and_what_is_none(work):
    empty = light_curve([], [])
    assert len(work(empty)) == 0
    assert len(work(empty).meta["history"]) == 1
    with pytest.raises(InvalidQueryError, match="lc is of type dict"):
        work({"flux": [1.0]})
    broken = light_curve([59000.0], [1.0])
    for name in ("flux_err", "mag_err"):
        broken.remove_column(name)
    with pytest.raises(InvalidQueryError, match=r"has no column (flux|mag)_err"):
        work(broken)


def test_a_julian_date_is_no_mjd():
    lc = light_curve([59000.0, 59001, 59002], [1.0, 2, 3])
    with pytest.raises(InvalidQueryError, match=r"^epoch=2459000.5 .*it is MJD 59000$"):
        phase_fold(lc, 2 * u.day, epoch=2459000.5)
    for name in ("transient", "windows"):
        with pytest.raises(InvalidQueryError, match=r"as a Julian date it is MJD 59000$"):
            subtract_baseline(lc, **{name: (2459000.5, 2459010.5)})
    with pytest.raises(InvalidQueryError, match=r"^template_changes=.*it is MJD 58417$"):
        subtract_baseline(lc, template_changes=[2458417.5])

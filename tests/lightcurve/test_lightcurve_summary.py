"""The numbers of a decision on follow-up, on light curves that have them by construction."""

import astropy.units as u
import numpy as np
import pytest
from example_curves import light_curve
from hypothesis import given, settings
from hypothesis import strategies as st

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve import (
    Flag,
    colour,
    first_detection,
    flux_to_mag,
    last_non_detection,
    limits,
    mag_to_flux,
    peak,
    rise_rate,
    summary,
)

bounded = settings(max_examples=40, deadline=None)


@pytest.fixture
def rising():
    """From a limit of 20 at day 0: o rises by 0.5 mag a day from 19 at day 2, c is bluer by 0.3."""
    time = np.array([0.0, 1.0, 2.0, 2.1, 4.0, 4.1, 6.0, 6.1, 8.0, 10.0]) + 59000
    mag = np.array([np.nan, np.nan, 19.0, 18.65, 18.0, 17.65, 17.0, 16.65, 17.2, 17.4])
    band = np.array(["o", "o", "o", "c", "o", "c", "o", "c", "o", "o"])
    flux = mag_to_flux(mag)
    limit = np.full(10, 20.0)
    return light_curve(time, flux, 0.02 * np.nan_to_num(flux, nan=np.nan), band, limiting_mag=limit)


def test_rows(rising):
    assert peak(rising)["time"].mjd == 59006.1
    assert peak(rising, band="o")["time"].mjd == 59006.0
    assert first_detection(rising)["time"].mjd == 59002.0
    assert first_detection(rising, band="c")["time"].mjd == 59002.1
    before = last_non_detection(rising)
    assert before["time"].mjd == 59001.0
    assert before["limiting_mag"] == 20 * u.mag
    assert last_non_detection(rising, band="c") is None


def test_the_rise(rising):
    rate, error = rise_rate(rising, band="o")
    assert rate.unmasked.to_value(u.mag / u.day) == pytest.approx(0.5)
    # Three points of 0.0217 mag at -2, 0 and 2 d.
    sigma = 0.02 * 2.5 / np.log(10)
    assert error.unmasked.value == pytest.approx(sigma / np.sqrt(8), rel=1e-6)
    assert rise_rate(rising[:3]).mask.all()


def test_colours(rising):
    result = colour(rising)
    assert len(result) == 3
    np.testing.assert_allclose(result["colour"].unmasked.value, -0.35)
    np.testing.assert_allclose(result["time_apart"].unmasked.value, 0.1)
    np.testing.assert_allclose(
        result["colour_err"].unmasked.value, np.sqrt(2) * 0.02 * 2.5 / np.log(10)
    )
    np.testing.assert_allclose(colour(rising, ("o", "c"))["colour"].unmasked.value, 0.35)
    assert len(colour(rising[rising["band"] == "o"])) == 0
    assert colour(rising[:0]).colnames == result.colnames
    for bands in ("co", ("o", "o"), ("o",), ("o", 3)):
        with pytest.raises(InvalidQueryError, match="should be two bands"):
            colour(rising, bands)


def test_colours_of_one_survey():
    """Of bands that several surveys have, both are of one survey, the one with smaller errors."""
    time = 59000.1 + np.repeat([0.0, 1.0, 2.0], 4) + np.tile([0.0, 0.1, 0.2, 0.3], 3)
    band, survey = np.tile(["g", "r", "g", "r"], 3), np.tile(["ztf", "ztf", "lsst", "lsst"], 3)
    mag = np.tile([19.0, 18.6, 19.5, 19.2], 3)
    error = np.where(survey == "lsst", 0.01, 0.02) * mag_to_flux(mag)
    # On the last night LSST has no g.
    kept = np.arange(12) != 10
    lc = light_curve(time, mag_to_flux(mag), error, band, survey=survey)[kept]
    np.testing.assert_allclose(colour(lc, ("g", "r"))["colour"].unmasked.value, [0.3, 0.3, 0.4])
    # Where none has both, those of two surveys are compared.
    two = lc[(lc["band"] == "g") == (lc["survey"] == "ztf")]
    np.testing.assert_allclose(colour(two, ("g", "r"))["colour"].unmasked.value, -0.2)


def test_a_colour_is_not_of_a_difference_and_a_total_flux():
    time, band = 59000.1 + np.arange(4) / 10, np.array(["g", "r", "r", "r"])
    lc = light_curve(time, mag_to_flux(np.array([19.0, 18.5, 15.0, 15.0])), 0.1, band)
    lc["flux_kind"] = np.array(["difference", "difference", "total", "total"])
    np.testing.assert_allclose(colour(lc, ("g", "r"))["colour"].unmasked.value, [0.5])
    assert len(colour(lc[[0, 2, 3]], ("g", "r"))) == 0


def test_the_summary(rising):
    row = summary(rising)[0]
    assert row["object"] == "ATLAS26abc"
    assert (row["n_rows"], row["n_detections"]) == (10, 8)
    assert row["last_non_detection"].mjd == 59001.0
    assert row["last_limit"] == 20 * u.mag
    assert (row["first_band"], row["peak_band"], row["latest_band"]) == ("o", "c", "o")
    assert row["first_mag"].unmasked.value == pytest.approx(19.0)
    assert row["peak_mag"].unmasked.value == pytest.approx(16.65)
    assert row["peak_flux"].unmasked.to_value(u.uJy) == pytest.approx(float(mag_to_flux(16.65)))
    assert row["latest_mag"].unmasked.value == pytest.approx(17.4)
    assert row["rise_time"].unmasked.to_value(u.day) == pytest.approx(4.1)
    assert row["rise_rate"].unmasked.value == pytest.approx(0.5)
    assert row["rise_rate_min"].unmasked.value == pytest.approx(1.0)
    assert row["colour"].unmasked.value == pytest.approx(-0.35)
    assert row["colour_time"].mjd == pytest.approx(59006.05, abs=0.001)
    in_o = summary(rising, band="o")[0]
    assert in_o["peak_mag"].unmasked.value == pytest.approx(17.0)


def test_many(rising):
    table = summary({7: rising, 8: rising[:2], 9: rising[:0]})
    assert table["object"].tolist() == [7, 8, 9]
    assert table["n_detections"].tolist() == [8, 0, 0]
    assert table["peak_mag"].mask.tolist() == [False, True, True]
    assert table["peak_time"].mask.tolist() == [False, True, True]
    assert table["peak_band"].mask.tolist() == [False, True, True]
    assert table["rise_rate"].unit == u.mag / u.day
    # A band that one of them does not have is no error.
    assert summary({7: rising, 8: rising[:2]}, band="c")["n_detections"].tolist() == [3, 0]


def test_the_limit_is_of_as_many_sigma_as_was_asked(rising):
    def about(lc):
        return summary(lc)["last_limit"].info.description

    assert about(rising) == "Its limit of 5 sigma, AB."
    three = limits(rising, nsigma=3)
    assert about(three) == "Its limit of 3 sigma, AB."
    assert about({1: rising, 2: three}) == "Its limit of 3, 5 sigma, AB."


def test_flagged_rows_do_not_count(rising):
    rising["flag"] = [0, 0, 0, 0, 0, 0, 0, int(Flag.EDGE), 0, 0]
    assert peak(rising)["time"].mjd == 59006.0
    assert summary(rising)["n_rows"][0] == 9


def test_only_negative_fluxes():
    lc = light_curve([59000.0, 59001.0], [-100.0, -50.0], 5.0)
    lc["detection"][:] = True
    assert peak(lc) is None
    assert first_detection(lc) is None
    assert rise_rate(lc).mask.all()
    assert summary(lc)["peak_flux"].mask.all()


def test_a_band_that_is_not_there(rising):
    with pytest.raises(InvalidQueryError, match="band='x' is not in lc; it is one of 'c', 'o'"):
        peak(rising, band="x")
    with pytest.raises(InvalidQueryError, match="lc is empty"):
        summary({})
    with pytest.raises(InvalidQueryError, match=r"lc\['a'\] is of type int"):
        summary({"a": 3})


@bounded
@given(
    st.lists(
        st.tuples(
            st.floats(58000, 58030),
            st.one_of(st.floats(-1e4, 1e4), st.just(np.nan)),
            st.sampled_from(["o", "c", "Q"]),
        ),
        max_size=20,
    )
)
def test_any_light_curve_can_be_summed_up(rows):
    time, flux, band = (
        (np.array(list(v)) for v in zip(*rows, strict=True))
        if rows
        else ([], [], np.zeros(0, "U1"))
    )
    lc = light_curve(time, flux, 10.0, band)
    row = summary(lc)[0]
    detected = lc[lc["detection"]]
    assert row["n_detections"] == len(detected)
    if len(detected):
        best = detected["flux"].unmasked.value.max()
        assert row["peak_mag"].unmasked.value == pytest.approx(float(flux_to_mag(best)))
        assert row["first_detection"].mjd == detected.time.mjd.min()
        assert row["first_detection"] <= row["peak_time"] <= row["latest_detection"]
    else:
        assert row["peak_mag"].mask


def test_a_mapping_of_two_time_scales_is_refused(rising):
    other = light_curve([59000.0], [10.0], scale="tai")
    with pytest.raises(InvalidQueryError, match=r"the column time of lc\['b'\] is in 'tai'"):
        summary({"a": rising, "b": other})


def test_it_joins_with_tables_by_the_same_type_of_id():
    from astropy.table import QTable, join

    curves = {key: light_curve([60000.0, 60001.0], 500.0) for key in (2**62 + 1, 7)}
    catalogue = QTable({"atlas_id": np.array([7, 2**62 + 1]), "name": ["a", "b"]})
    table = join(summary(curves), catalogue, keys_left="object", keys_right="atlas_id")
    assert table["object"].dtype == np.int64
    assert dict(zip(table["object"].tolist(), table["name"].tolist(), strict=True)) == {
        7: "a",
        2**62 + 1: "b",
    }
    # Names stay strings.
    assert summary({"x": curves[7]})["object"].tolist() == ["x"]

"""Averages in time, against sums written out in the test."""

import math
import statistics
from collections import defaultdict

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable, Table
from astropy.time import Time
from astropy.timeseries import TimeSeries
from example_curves import light_curve
from hypothesis import given, settings
from hypothesis import strategies as st

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.lightcurve import SCHEMA, Flag, LightCurves, bin, binning, clean, limits
from atlasquery.lightcurve.schema import time_column

bounded = settings(max_examples=60, deadline=None)


def reference(lc, width=1.0, offset=0.0, keys=("band",)):
    """Average row by row, in plain Python and exact sums, without clipping."""
    cells = defaultdict(list)
    for row in lc:
        flux, error = row["flux"], row["flux_err"]
        if flux.mask or error.mask or not error.unmasked.value > 0:
            continue
        mjd = row["time"].mjd
        cell = (*(str(row[key]) for key in keys), math.floor((mjd - offset) / width))
        cells[cell].append((mjd, flux.unmasked.value, error.unmasked.value))
    binned = {}
    for cell, rows in cells.items():
        weights = [error**-2 for _, _, error in rows]
        total = math.fsum(weights)
        mean = math.fsum(w * row[1] for w, row in zip(weights, rows, strict=True)) / total
        time = math.fsum(w * row[0] for w, row in zip(weights, rows, strict=True)) / total
        chi2 = math.fsum(((row[1] - mean) / row[2]) ** 2 for row in rows)
        binned[cell] = (time, mean, total**-0.5, len(rows), chi2 / max(len(rows) - 1, 1))
    return binned


def rows_of(lc, keys=("band",), width=1.0, offset=0.0):
    """The same of what `bin` made; its times are those of rows, so that they say the cell."""
    assert len(set(map(str, lc.colnames))) == len(lc.colnames)
    result = {}
    for row in lc:
        cell = math.floor((row["time_first"].mjd - offset) / width)
        chi2 = row["reduced_chi2"]
        result[(*(str(row[key]) for key in keys), cell)] = (
            row["time"].mjd,
            row["flux"].unmasked.value,
            row["flux_err"].unmasked.value,
            int(row["n"]),
            0.0 if np.ma.is_masked(chi2) else float(chi2),
        )
    return result


def assert_same(result, expected, scale=1.0):
    assert result.keys() == expected.keys()
    for cell, values in expected.items():
        np.testing.assert_allclose(result[cell][0], values[0], rtol=1e-15)
        np.testing.assert_allclose(result[cell][1], values[1], rtol=1e-12, atol=1e-12 * scale)
        np.testing.assert_allclose(result[cell][2], values[2], rtol=1e-12)
        assert result[cell][3] == values[3]
        np.testing.assert_allclose(result[cell][4], values[4], rtol=1e-10, atol=1e-10)


@st.composite
def curves(draw, most=15):
    """Any light curve: masked and negative fluxes, errors of 0, equal times, unknown bands."""
    n = draw(st.integers(0, most))
    # Whole numbers of 1/64 d, so that the edges of bins are met exactly.
    time = draw(st.lists(st.integers(58000 * 64, 58004 * 64), min_size=n, max_size=n))
    flux = draw(st.lists(st.one_of(st.floats(-1e4, 1e4), st.just(np.nan)), min_size=n, max_size=n))
    error = draw(
        st.lists(
            st.one_of(st.floats(0.1, 100), st.sampled_from([0.0, np.nan])), min_size=n, max_size=n
        )
    )
    band = draw(st.lists(st.sampled_from(["o", "c", "H", "ztfr"]), min_size=n, max_size=n))
    return light_curve(
        np.array(time) / 64.0, flux, error, np.array(band, dtype="U4"), limiting_mag=np.nan
    )


@bounded
@given(curves(), st.sampled_from([0.25, 1.0, 3.0]), st.sampled_from([0.0, 0.5, 58000.25]))
def test_agrees_with_an_independent_computation(lc, width, offset):
    result = bin(lc, width * u.day, sigma_clip=None, offset=offset * u.day)
    expected = reference(lc, width, offset)
    assert_same(rows_of(result, width=width, offset=offset), expected, scale=1e4)
    assert int(result["n"].sum()) == sum(values[3] for values in expected.values())
    assert np.all(np.diff(result.time.mjd) >= 0)


def clipped(rows, sigma):
    """Drop what is far from the median, by its error and by the scatter, until nothing is."""
    rows, out = list(rows), 0
    while len(rows) > 2:
        middle = statistics.median(flux for _, flux, _ in rows)
        scatter = statistics.median(abs(flux - middle) for _, flux, _ in rows)
        # The normal distribution has half of its values within so many sigma of its middle.
        scatter /= statistics.NormalDist().inv_cdf(0.75)
        left = [
            row for row in rows if abs(row[1] - middle) <= sigma * max(row[2], scatter) * ROUNDING
        ]
        if len(left) == len(rows):
            break
        out += len(rows) - len(left)
        rows = left
    return rows, out


@st.composite
def nights(draw):
    """Nights of up to twenty measurements, some of which are far away."""
    rows = []
    for night in range(draw(st.integers(1, 4))):
        level = draw(st.integers(-500, 500))
        count = draw(st.integers(1, 20))
        away = st.one_of(st.integers(-30, 30), st.sampled_from([-4000, 90, 700, 5000]))
        for n in range(count):
            error = draw(st.sampled_from([5.0, 10.0, 20.0]))
            rows.append((58000 + night + n / 32, level + draw(away), error, draw(BAND)))
    time, flux, error, band = (np.array(list(column)) for column in zip(*rows, strict=True))
    return light_curve(time, flux.astype(float), error, band)


BAND = st.sampled_from(["o", "o", "c"])
# What lies on the edge of what is clipped is decided by the last digit of the scatter.
ROUNDING = 1 + 1e-12


@bounded
@given(nights(), st.sampled_from([1.5, 3.0, 5.0]))
def test_clipping_agrees_with_an_independent_computation(lc, sigma):
    cells = defaultdict(list)
    for row in lc:
        cell = (str(row["band"]), math.floor(row["time"].mjd))
        cells[cell].append((row["time"].mjd, row["flux"].value, row["flux_err"].value))
    result = bin(lc, sigma_clip=sigma)
    found = {(str(row["band"]), math.floor(row["time_first"].mjd)): row for row in result}
    assert found.keys() == cells.keys()
    for cell, rows in cells.items():
        left, out = clipped(rows, sigma)
        row = found[cell]
        assert (row["n"], row["n_clipped"]) == (len(left), out)
        total = math.fsum(error**-2 for _, _, error in left)
        mean = math.fsum(flux * error**-2 for _, flux, error in left) / total
        time = math.fsum(mjd * error**-2 for mjd, _, error in left) / total
        np.testing.assert_allclose(row["flux"].value, mean, rtol=1e-12, atol=1e-12 * 5000)
        np.testing.assert_allclose(row["flux_err"].value, total**-0.5, rtol=1e-12)
        np.testing.assert_allclose(row["time"].mjd, time, rtol=1e-15)


@bounded
@given(curves(), st.sampled_from(["weighted", "mean", "median"]))
def test_is_a_light_curve_whatever_comes_in(lc, method):
    result = bin(lc, method=method)
    assert isinstance(result, TimeSeries)
    assert result.colnames[1 : len(SCHEMA) + 1] == [column.name for column in SCHEMA]
    for column in SCHEMA:
        assert getattr(result[column.name], "unit", None) == column.unit
    for name in ("flux", "flux_err", "mag", "mag_err", "limiting_mag"):
        assert np.array_equal(result[name].mask, np.isnan(result[name].unmasked.value))
    assert np.array_equal(result["mag"].mask, ~result["detection"])
    assert np.all(result["flux"].unmasked.value[result["detection"]] > 0)
    # A binned light curve is one that can be cleaned and binned again.
    again = bin(clean(result, "plot_atlas_fp", reduced_chi2_max=None, rolling_sigma=None))
    np.testing.assert_array_equal(again["flux"].unmasked.value, result["flux"].unmasked.value)


@bounded
@given(
    st.floats(-1e5, 1e5),
    st.lists(st.floats(0.1, 1e3), min_size=1, max_size=20),
    st.sampled_from(["weighted", "mean", "median"]),
)
def test_a_constant_bins_to_itself(value, errors, method):
    lc = light_curve(58000 + np.arange(len(errors)) * 0.3, value, errors)
    result = bin(lc, 2 * u.day, method=method)
    assert np.all(result["flux"].unmasked.value == value)
    assert np.all(result["n_clipped"] == 0)
    assert int(result["n"].sum()) == len(errors)


@bounded
@given(curves())
def test_stacked_and_mapped_are_as_each_alone(lc):
    other = light_curve([58001.5, 58001.6, 58003.0], [10.0, -20.0, 30.0], 5.0, ["o", "o", "c"])
    both = {7: lc, 3: other}
    stacked = QTable()
    for name in ("time", "band", "flux", "flux_err", "survey", "exposure_time"):
        parts = [curve[name] for curve in both.values()]
        if name == "time":
            stacked[name] = Time(np.concatenate([t.mjd for t in parts]), format="mjd", scale="utc")
        else:
            stacked[name] = np.concatenate(parts)
    stacked["star"] = np.repeat(["b", "a"], [len(curve) for curve in both.values()])
    result = bin(stacked, by=("star", "band"))
    mapped = bin(both)
    assert list(mapped) == [7, 3]
    for key, star in ((7, "b"), (3, "a")):
        alone = bin(both[key])
        part = result[result["star"] == star]
        for name in ("flux", "flux_err", "n", "n_clipped", "reduced_chi2", "limiting_mag"):
            expected = np.ma.filled(getattr(alone[name], "unmasked", alone[name]), np.nan)
            for table in (mapped[key], part):
                values = np.ma.filled(getattr(table[name], "unmasked", table[name]), np.nan)
                np.testing.assert_array_equal(values, expected)
        assert mapped[key].time.mjd.tolist() == alone.time.mjd.tolist()
        assert mapped[key].colnames == alone.colnames


def test_what_does_not_enter():
    flux = np.array([10.0, 12.0, 1000.0, np.nan, 50.0, 60.0])
    error = np.array([1.0, 1.0, 1.0, 1.0, 0.0, np.nan])
    lc = light_curve(58000 + np.arange(6) * 0.01, flux, error, limiting_mag=np.nan)
    lc["flag"] = [0, 0, int(Flag.EDGE), 0, 0, 0]
    result = bin(lc)
    assert result["n"].tolist() == [2]
    assert result["flux"][0] == 11 * u.uJy
    assert "left out 1 flagged, 3 without" in result.meta["history"][-1]


def test_magnitudes_without_a_flux_are_counted_in_a_warning():
    lc = light_curve(
        58000 + np.arange(4) * 0.01,
        [10.0, 12.0, np.nan, np.nan],
        1.0,
        mag=[21.4, 21.2, 15.0, 15.1],
        limiting_mag=np.nan,
        survey=np.array(["atlas", "atlas", "hat", "hat"]),
    )
    with pytest.warns(InputWarning, match=r"2 measurements have a magnitude but no flux \(hat\)"):
        result = bin(lc)
    assert result["n"].tolist() == [2]
    with pytest.warns(InputWarning, match="4 measurements .* are in no bin"):
        bin({"a": lc, "b": lc})
    # What is flagged was left out by choice.
    lc["flag"] = [0, 0, int(Flag.EDGE), int(Flag.EDGE)]
    assert len(bin(lc)) == 1


def test_magnitudes_of_bins_are_those_of_their_fluxes():
    lc = light_curve([58000.1, 58000.2], [100.0, 120.0], 1.0)
    lc.meta["magsys"] = "unknown"
    assert bin(lc).meta["magsys"] == "AB"


def test_faint_rows_do_enter():
    lc = light_curve(58000 + np.arange(4) * 0.01, [-5.0, 25.0, 40.0, -20.0], 10.0)
    flagged = clean(lc, "skyportal", reduced_chi2_max=None)
    assert np.count_nonzero(flagged["flag"]) == 4
    assert bin(flagged)["n"].tolist() == [4]
    assert bin(flagged)["flux"][0] == 10 * u.uJy


def test_negative_means_stay_negative():
    result = bin(light_curve([58000.1, 58000.2], [-30.0, -50.0], 10.0))
    assert result["flux"].unmasked.value.tolist() == [-40.0]
    assert not result["detection"][0]
    assert result["mag"].mask.all()
    np.testing.assert_allclose(
        result["limiting_mag"].unmasked.value, 23.9 - 2.5 * np.log10(50 / np.sqrt(2))
    )


def test_an_outlier_is_clipped():
    result = bin(light_curve(58000 + np.arange(5) * 0.01, [10.0, 11.0, 9.0, 10.0, 5000.0], 1.0))
    assert result["n"].tolist() == [4]
    assert result["n_clipped"].tolist() == [1]
    assert result["flux"][0] == 10 * u.uJy
    untouched = bin(
        light_curve(58000 + np.arange(5) * 0.01, [10, 11, 9, 10, 5000], 1), sigma_clip=None
    )
    assert untouched["n"].tolist() == [5]


def test_clipping_goes_on_until_none_goes():
    # The farther outlier hides the nearer one in the scatter of the first round.
    flux = [0.0, 1.0, -1.0, 0.0, 12.0, 14.0, 900.0]
    result = bin(light_curve(58000 + np.arange(7) * 0.01, flux, 1.0))
    assert result["n"].tolist() == [4]


def test_two_that_differ_are_both_kept():
    result = bin(light_curve([58000.1, 58000.2], [0.0, 1000.0], 1.0))
    assert result["n"].tolist() == [2]
    assert result["reduced_chi2"][0] == pytest.approx(2 * 500.0**2)


def test_real_scatter_is_no_outlier():
    # The errors are far too small for all: nothing stands out.
    flux = np.array([0.0, 40.0, -35.0, 60.0, -55.0, 20.0])
    assert bin(light_curve(58000 + np.arange(6) * 0.01, flux, 1.0))["n"].tolist() == [6]


def test_time_and_exposure():
    lc = light_curve([58000.0, 58000.2], [10.0, 10.0], [1.0, 2.0])
    result = bin(lc)
    # Weights of 4 and 1.
    assert result.time.mjd[0] == pytest.approx(58000.04, abs=1e-11)
    assert result["time_first"].mjd[0] == 58000.0
    assert result["time_last"].mjd[0] == 58000.2
    assert result["exposure_time"][0] == 30 * u.s
    assert result["total_exposure"].unmasked[0] == 60 * u.s
    assert result["exposure"].tolist() == [""]
    assert bin(lc, method="mean").time.mjd[0] == pytest.approx(58000.1, abs=1e-11)
    assert bin(lc[:1])["exposure"].tolist() == lc["exposure"][:1].tolist()


def test_methods():
    lc = light_curve(58000 + np.arange(3) * 0.1, [1.0, 2.0, 9.0], [1.0, 2.0, 2.0])
    mean = bin(lc, method="mean", sigma_clip=None)
    assert mean["flux"].unmasked.value.tolist() == [4.0]
    np.testing.assert_allclose(mean["flux_err"].unmasked.value, 1.0)
    median = bin(lc, method="median", sigma_clip=None)
    assert median["flux"].unmasked.value.tolist() == [2.0]
    np.testing.assert_allclose(median["flux_err"].unmasked.value, np.sqrt(np.pi / 2))


def test_limits_are_combined_and_counted():
    lc = light_curve(
        [58000.1, 58000.2, 58001.1, 58001.2],
        [np.nan, np.nan, 500.0, np.nan],
        [np.nan, np.nan, 20.0, np.nan],
        limiting_mag=[19.0, 19.0, 18.5, 19.0],
    )
    result = bin(lc)
    assert result["n"].tolist() == [0, 1]
    assert result["n_limits"].tolist() == [2, 1]
    assert result["flux"].mask.tolist() == [True, False]
    # Two equal limits are deeper by 2.5 log10(sqrt 2).
    expected = [19.0 + 2.5 * np.log10(np.sqrt(2)), 23.9 - 2.5 * np.log10(100.0)]
    np.testing.assert_allclose(result["limiting_mag"].unmasked.value, expected)
    assert result["detection"].tolist() == [False, True]
    assert bin(lc, limits=False)["n"].tolist() == [1]


def test_nights():
    # 23 h UTC and 1 h UTC are one night in Chile.
    lc = light_curve([58000.96, 58001.04], [10.0, 20.0], 1.0)
    assert bin(lc)["n"].tolist() == [1, 1]
    assert bin(lc, offset=0.68 * u.day)["n"].tolist() == [2]


def test_surveys_are_kept_apart():
    lc = light_curve([58000.1, 58000.2], [10.0, 20.0], 1.0, survey=np.array(["atlas", "ztf"]))
    result = bin(lc)
    assert result["survey"].tolist() == ["atlas", "ztf"]


def test_objects_are_not_mixed():
    lc = light_curve(
        [58000.1, 58000.2], [10.0, 20.0], 1.0, survey_columns={"atlas_id": np.array([5, 6])}
    )
    with pytest.raises(InvalidQueryError, match="several objects in its column atlas_id: by="):
        bin(lc)
    result = bin(lc, by=("atlas_id", "band"))
    assert result["atlas_id"].tolist() == [5, 6]
    assert result["atlas_id"].dtype == np.int64


def test_large_ids_stay_exact():
    ids = np.array([1000000000000000001, 1000000000000000002])
    lc = light_curve([58000.1, 58000.2], [10.0, 20.0], 1.0, survey_columns={"atlas_id": ids})
    assert bin(lc, by=("atlas_id", "band"))["atlas_id"].tolist() == ids.tolist()


def test_the_input_is_not_changed():
    lc = light_curve(58000 + np.arange(4) * 0.1, [1.0, np.nan, 3.0, -4.0])
    before = lc.copy()
    bin(clean(lc, "plot_atlas_fp", reduced_chi2_max=None))
    assert lc.colnames == before.colnames
    assert "history" not in lc.meta
    np.testing.assert_array_equal(lc["flux"].unmasked.value, before["flux"].unmasked.value)


def test_units_are_converted():
    lc = light_curve([58000.1, 58000.2], [10.0, 30.0], 1.0)
    table = QTable(lc)
    table["flux"], table["flux_err"] = table["flux"].to(u.mJy), table["flux_err"].to(u.mJy)
    np.testing.assert_allclose(bin(table)["flux"].unmasked.to_value(u.uJy), [20.0])


def test_a_table_of_the_columns_needed_is_enough():
    table = Table(
        {
            "time": Time([58000.1, 58000.2], format="mjd"),
            "band": ["o", "o"],
            "flux": [10.0, 30.0] * u.uJy,
            "flux_err": [1.0, 1.0] * u.uJy,
        }
    )
    result = bin(table)
    assert result["flux"].unmasked.value.tolist() == [20.0]
    assert result["survey"].tolist() == [""]


def test_a_mapping_says_what_it_is():
    result = bin({1: light_curve([58000.1], [10.0])})
    assert isinstance(result, LightCurves)
    assert repr(result) == "<LightCurves of 1 objects, bin: width=1 d>"
    assert result[1].meta["object"] == "ATLAS26abc"
    assert "1 bins" in result[1].meta["history"][-1]
    assert result[1] is result[1]
    with pytest.raises(KeyError):
        result[2]


def test_what_is_no_light_curve_is_refused():
    lc = light_curve([58000.1], [10.0])
    with pytest.raises(InvalidQueryError, match="lc is of type list"):
        bin([1, 2])
    with pytest.raises(InvalidQueryError, match="has no column flux_err"):
        bin(lc[["time", "band", "flux"]])
    table = QTable(lc)
    table["flux"] = [18.0] * u.mag
    with pytest.raises(InvalidQueryError, match=r"the column flux of lc is in mag; .* in uJy"):
        bin(table)
    table["flux"] = [18.0]
    with pytest.raises(InvalidQueryError, match="the column flux of lc has no unit"):
        bin(table)
    table = QTable(lc)
    table["time"] = [58000.1]
    with pytest.raises(InvalidQueryError, match="the column time of lc is of type Column"):
        bin(table)
    with pytest.raises(InvalidQueryError, match="of type TimeDelta, as of a folded light curve"):
        bin(lc.fold(period=1 * u.day))
    tdb = light_curve([58000.1], [10.0], scale="tdb")
    with pytest.raises(
        InvalidQueryError, match=r"time of lc\['b'\] is in 'tdb' and that of lc\['a'\]"
    ):
        bin({"a": lc, "b": tdb})
    with pytest.raises(InvalidQueryError, match="some light curves have the column flag"):
        bin({"a": clean(lc, "plot_atlas_fp", reduced_chi2_max=None), "b": lc})
    with pytest.raises(InvalidQueryError, match="lc is empty"):
        bin({})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 1.0}, r"width=1.0 should be one number with a unit"),
        ({"width": 0 * u.day}, r"width=0.0 d should be a finite number above 0"),
        ({"width": 3 * u.mag}, "width="),
        ({"offset": 0.5}, "offset=0.5 should be"),
        ({"method": "wheighted"}, "method='wheighted' is not known; did you mean 'weighted'"),
        ({"sigma_clip": 0.5}, "sigma_clip=0.5 should be a number of 1 or more"),
        ({"snr": -1}, "snr=-1 should be"),
        ({"by": "bnd"}, "by='bnd' is not a column of lc; did you mean 'band'"),
        ({"by": ("band", "flux")}, "the column flux is of type float64"),
    ],
)
def test_arguments_that_are_wrong(options, message):
    with pytest.raises(InvalidQueryError, match=message):
        bin(light_curve([58000.1], [10.0]), **options)


@bounded
@given(curves(), st.integers(1, 7))
def test_pieces_make_no_difference(lc, size):
    both = {2: lc, 1: light_curve([58001.5, 58001.6, 58003.0], [10.0, -20.0, 30.0], 5.0), 5: lc}
    stacked = QTable(lc)
    stacked["star"] = np.sort(np.arange(len(lc)) % 4)
    whole, separate = bin(stacked, by=("star", "band")), bin(both)
    cut = bin(clean(both, "plot_atlas_fp", reduced_chi2_max=None, drop=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binning, "PIECE", size)
        pieces = bin(stacked, by=("star", "band"))
        assert same(pieces, whole)
        assert pieces.meta["history"] == whole.meta["history"]
        result = bin(both)
        assert all(same(result[key], separate[key]) for key in both)
        result = bin(clean(both, "plot_atlas_fp", reduced_chi2_max=None, drop=True))
        assert all(same(result[key], cut[key]) for key in both)
        # A table that is not sorted by its objects comes in one piece.
        assert same(bin(stacked[::-1], by=("star", "band")), whole, rtol=1e-12)


def same(one, other, rtol=0.0):
    assert one.colnames == other.colnames
    assert one["band"].tolist() == other["band"].tolist()
    for name in ("flux", "flux_err", "limiting_mag", "n", "n_limits", "n_clipped"):
        a, b = (np.ma.filled(getattr(t[name], "unmasked", t[name]), np.nan) for t in (one, other))
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=rtol * 1e4)
    np.testing.assert_allclose(one.time.mjd, other.time.mjd, rtol=1e-15)
    return True


def test_limits_of_another_sigma_are_5_sigma_after_binning():
    lc = light_curve([59000.1], [np.nan], [np.nan], limiting_mag=np.array([19.0]))
    deep = bin(limits(lc, 3))
    np.testing.assert_allclose(deep["limiting_mag"].unmasked.value, [19.0])
    assert deep.meta["limit_sigma"] == 5.0


@bounded
@given(
    st.lists(
        st.one_of(st.floats(1.0, 1e6), st.integers(-100000, 100000).map(lambda n: n / 4)),
        max_size=30,
    ),
    st.sampled_from(["utc", "tdb"]),
)
def test_times_are_those_of_astropy_to_the_last_bit(mjd, scale):
    mjd = np.array(mjd, float)
    result, expected = time_column(mjd, "time", "", scale), Time(mjd, format="mjd", scale=scale)
    np.testing.assert_array_equal(result.jd1, expected.jd1)
    np.testing.assert_array_equal(result.jd2, expected.jd2)
    assert (result.format, result.scale) == ("mjd", scale)


def test_errors_of_any_size_are_weighed():
    lc = light_curve([58000.1, 58000.2, 58000.3], [1.0, 2.0, 3.0], [1e-160, 1.0, 1e160])
    result = bin(lc, sigma_clip=None)
    assert result["flux"].unmasked.value.tolist() == [1.0]
    assert result["flux_err"].unmasked.value.tolist() == [1e-160]


@pytest.mark.parametrize("masked", [(0, 0, 1), (1, 1, 0), (0, 1, 0)])
def test_labels_masked_in_some_light_curves_only(monkeypatch, masked):
    curves = {}
    for n, hidden in enumerate(masked):
        lc = light_curve(59000 + np.arange(6.0), 100.0)
        label = np.array(["a", "b"] * 3)
        lc["label"] = np.ma.array(label, mask=[True, False] * 3) if hidden else label
        curves[n] = lc
    whole = bin(curves, "1 d", by="label")
    # As many pieces as light curves.
    monkeypatch.setattr(binning, "PIECE", 4)
    pieces = bin(curves, "1 d", by="label")
    for n, hidden in enumerate(masked):
        for found in (whole[n], pieces[n]):
            mask = np.ma.getmaskarray(np.ma.asarray(found["label"]))
            assert mask.sum() == (3 if hidden else 0)

"""Flags by the rules in use, on lines of the real server and on made ones."""

import astropy.units as u
import numpy as np
import pytest
from astropy.stats import mad_std, sigma_clip
from astropy.table import QTable, Table
from example_curves import forced, light_curve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve import Flag, LightCurves, bin, clean

bounded = settings(max_examples=40, deadline=None)

GOOD = {
    "error_code": 0,
    "reduced_chi2": 1.0,
    "x": 5000.0,
    "y": 5000.0,
    "psf_major": 3.0,
    "psf_minor": 2.5,
    "aperture_correction": -0.4,
    "sky_brightness": 20.0,
}


def one(flux=100.0, flux_err=10.0, limiting_mag=19.0, **changed):
    """A light curve of one forced measurement that every rule is content with."""
    return light_curve(
        [59000.3], flux, flux_err, survey_columns={**GOOD, **changed}, limiting_mag=limiting_mag
    )


@pytest.fixture(scope="module")
def real(shared):
    path = shared / "data" / "forcedphot" / "real_rows_issue58.txt"
    return forced(path.read_text())


def test_the_faq_rejects_the_edge_rows(real):
    cleaned = clean(real, "faq")
    assert len(cleaned) == len(real)
    bad = cleaned[cleaned["flag"] != 0]
    assert bad["exposure"].tolist() == ["01a58039o0211o", "01a58039o0228o"]
    assert bad["flag"].tolist() == [int(Flag.EDGE)] * 2
    # The second of them would be a detection of 9.4 sigma.
    snr = bad["flux"].unmasked / bad["flux_err"].unmasked
    assert float(snr[1]) == pytest.approx(9.4, abs=0.05)
    assert len(clean(real, "faq", drop=True)) == len(real) - 2


def test_a_real_bright_source(shared):
    path = shared / "data" / "forcedphot" / "real_rows_from_skyportal_comment.txt"
    lc = forced(path.read_text())
    assert clean(lc, "faq")["flag"].tolist() == [0] * 5
    # Its chi squared is large because it is bright.
    chi2 = int(Flag.CHI2)
    assert clean(lc, "skyportal")["flag"].tolist() == [chi2, 0, chi2, chi2, 0]
    assert clean(lc, "skyportal")["detection"].tolist() == [False, True, False, False, True]


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        ({"flux_err": 9999.0}, 0),
        ({"flux_err": 10000.0}, Flag.LARGE_ERROR),
        ({"error_code": 1}, Flag.ERROR_CODE),
        ({"x": 100.0}, Flag.EDGE),
        ({"x": 100.5}, 0),
        ({"y": 10460.0}, Flag.EDGE),
        ({"psf_minor": 1.6}, Flag.PSF),
        ({"psf_major": 5.0}, Flag.PSF),
        ({"aperture_correction": -1.0}, Flag.APERTURE),
        ({"aperture_correction": -0.1}, Flag.APERTURE),
        ({"limiting_mag": 17.0}, Flag.SHALLOW),
        ({"sky_brightness": 16.9}, Flag.SKY),
        ({"reduced_chi2": 1e6}, 0),
        (
            {"x": 1.0, "error_code": 3, "sky_brightness": 1.0},
            Flag.EDGE | Flag.ERROR_CODE | Flag.SKY,
        ),
    ],
)
def test_faq(changed, flag):
    assert clean(one(**changed), "faq")["flag"].tolist() == [int(flag)]


@pytest.mark.parametrize(
    ("preset", "changed", "flag"),
    [
        ("plot_atlas_fp", {"flux_err": 4000.0}, 0),
        ("plot_atlas_fp", {"flux_err": 4000.1}, Flag.LARGE_ERROR),
        ("plot_atlas_fp", {"reduced_chi2": 100.0}, 0),
        ("plot_atlas_fp", {"reduced_chi2": 100.1}, Flag.CHI2),
        ("skyportal", {"flux": 100.0, "limiting_mag": 18.9}, 0),
        ("skyportal", {"flux": 29.0, "limiting_mag": 21.0}, Flag.LOW_SNR),
        ("skyportal", {"reduced_chi2": 10.1}, Flag.CHI2),
        ("skyportal", {"flux": 40.0}, Flag.BELOW_LIMIT),
        ("skyportal", {"flux_err": 0.0}, Flag.NO_ERROR),
        ("skyportal", {"flux": 100.0, "flux_err": np.nan}, Flag.NO_ERROR),
        ("skyportal", {"flux": -500.0}, Flag.LOW_SNR),
        ("atclean", {"flux_err": 160.0}, 0),
        # A night without a good row is a bad one.
        ("atclean", {"flux_err": 160.1}, Flag.LARGE_ERROR | Flag.BAD_BIN),
        ("atclean", {"reduced_chi2": 10.1}, Flag.CHI2 | Flag.BAD_BIN),
    ],
)
def test_rows_of_the_other_presets(preset, changed, flag):
    assert clean(one(**changed), preset)["flag"].tolist() == [int(flag)]


def test_skyportal_says_what_is_a_detection():
    lc = light_curve(
        59000 + np.arange(3),
        [500.0, 20.0, 500.0],
        10.0,
        survey_columns={**GOOD, "reduced_chi2": [1, 1, 50.0]},
    )
    assert lc["detection"].tolist() == [True, False, True]
    cleaned = clean(lc, "skyportal")
    assert cleaned["detection"].tolist() == [True, False, False]
    assert cleaned["mag"].mask.tolist() == [False, True, True]
    # Fluxes are kept: they are measurements.
    assert not cleaned["flux"].mask.any()


def test_the_rolling_clip_is_that_of_plot_atlas_fp():
    rng = np.random.default_rng(3)
    flux = rng.normal(0, 10, 60)
    flux[[0, 7, 30, 31, 59]] += [400, -300, 200, 250, 500]
    lc = light_curve(59000 + np.arange(60.0), flux, 10.0, survey_columns=GOOD)
    flagged = clean(lc, "plot_atlas_fp")["flag"] & Flag.OUTLIER != 0
    expected = []
    for n in range(60):
        first = min(max(n - 5, 0), 60 - 11)
        window = sigma_clip(
            flux[first : first + 11], sigma=3, maxiters=7, cenfunc="median", stdfunc=mad_std
        )
        expected.append(bool(window.mask[n - first]))
    assert flagged.tolist() == expected
    assert flagged[[0, 7, 30, 31, 59]].all()


def test_the_rolling_clip_keeps_bands_and_objects_apart():
    flux = np.tile([10.0, 1000.0], 20) + np.arange(40.0)
    lc = light_curve(
        59000 + np.arange(40.0), flux, 10.0, np.tile(["o", "c"], 20), survey_columns=GOOD
    )
    assert not clean(lc, "plot_atlas_fp")["flag"].any()
    mixed = light_curve(59000 + np.arange(40.0), flux, 10.0, survey_columns=GOOD)
    mixed["atlas_id"] = np.tile([1, 2], 20)
    with pytest.raises(InvalidQueryError, match="several objects in its column atlas_id"):
        clean(mixed, "plot_atlas_fp")
    assert not clean(mixed, "plot_atlas_fp", by=("atlas_id", "band"))["flag"].any()
    # A rule on single rows needs no such care.
    assert not clean(mixed, "faq", limiting_mag_min=None)["flag"].any()


def test_the_rolling_clip_leaves_short_series():
    lc = light_curve(59000 + np.arange(4.0), [0, 1, 0, 9999.0], 10.0, survey_columns=GOOD)
    assert not clean(lc, "plot_atlas_fp")["flag"].any()
    seven = light_curve(
        59000 + np.arange(7.0), [0, 1, 0, 2, 1, 0, 9999.0], 10.0, survey_columns=GOOD
    )
    assert clean(seven, "plot_atlas_fp")["flag"].tolist() == [0] * 6 + [int(Flag.OUTLIER)]


def test_rows_out_of_order_are_compared_in_time():
    flux = np.append(np.linspace(0.0, 3000.0, 40), 1500.0)
    time = np.append(np.arange(40.0), 2.5) + 59000
    lc = light_curve(time, flux, 10.0, survey_columns=GOOD)
    shuffled = QTable(lc)[np.random.default_rng(0).permutation(41)]
    flagged = clean(shuffled, "plot_atlas_fp")
    assert flagged["time"].mjd[flagged["flag"] != 0].tolist() == [59002.5]


def test_bins_of_atclean():
    # Four agree; one alone, which is not judged; two that disagree, of which none is left; five of
    # which two are clipped.
    time = [59000.1, 59000.2, 59000.3, 59000.4, 59001.1, 59002.1, 59002.2]
    time += [59003.1, 59003.2, 59003.3, 59003.4, 59003.5]
    flux = [10, 11, 9, 10, 10, 0, 500, 0, 1, 0, 900, -900]
    lc = light_curve(time, np.array(flux, float), 5.0, survey_columns=GOOD)
    bad, out = int(Flag.BAD_BIN), int(Flag.OUTLIER)
    assert (
        clean(lc, "atclean")["flag"].tolist() == [0] * 5 + [bad] * 2 + [bad] * 3 + [bad | out] * 2
    )
    looser = clean(lc, "atclean", bin_clipped_max=2, bin_good_min=1, bin_chi2_max=None)
    assert looser["flag"].tolist() == [0] * 5 + [bad] * 2 + [0] * 3 + [out] * 2
    assert not clean(lc, "atclean", bin_width=None)["flag"].any()


def controls(lc, flux):
    """Eight control light curves of the same exposures, with this flux in each."""
    rng = np.random.default_rng(8)
    result = []
    for _ in range(8):
        noise = rng.normal(0, 3.0, len(lc))
        result.append(
            light_curve(
                lc.time.mjd,
                flux + noise,
                5.0,
                survey_columns=GOOD,
                exposure=lc["exposure"].tolist(),
            )
        )
    return result


def test_control_light_curves():
    lc = light_curve(
        59000 + np.repeat(np.arange(4.0), 3) + np.tile([0.1, 0.2, 0.3], 4),
        50.0,
        5.0,
        survey_columns=GOOD,
    )
    flux = np.zeros(12)
    flux[4] = 40.0
    flagged = clean(lc, "atclean", controls=controls(lc, flux))
    assert flagged["flag"].tolist() == [0] * 4 + [int(Flag.CONTROL)] + [0] * 7
    # Too few controls are no controls.
    few = clean(lc, "atclean", controls=controls(lc, flux)[:3], bin_width=None)
    assert (few["flag"] == int(Flag.CONTROL)).all()
    assert not clean(lc, "atclean")["flag"].any()
    with pytest.raises(InvalidQueryError, match="control_snr_max is for control light curves"):
        clean(lc, "atclean", control_snr_max=5)
    with pytest.raises(InvalidQueryError, match="controls should be a list"):
        clean(lc, "atclean", controls=lc)
    with pytest.raises(InvalidQueryError, match="controls are of one light curve"):
        clean({1: lc, 2: lc}, "atclean", controls=[lc])


def test_overrides_replace_thresholds():
    lc = one(x=90.0)
    assert clean(lc, "faq", detector_min=80)["flag"].tolist() == [0]
    assert clean(lc, "faq", detector_min=80 * u.pix)["flag"].tolist() == [0]
    assert clean(lc, "faq", detector_min=None)["flag"].tolist() == [0]
    assert clean(one(), "faq", flux_err_max=0.005 * u.mJy)["flag"].tolist() == [1]
    # A rule that the preset does not have.
    assert clean(one(reduced_chi2=6.0), "faq", reduced_chi2_max=5)["flag"].tolist() == [256]
    assert "detector_min=80" in clean(lc, "faq", detector_min=80).meta["history"][-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "faqq"}, "preset='faqq' is not known; did you mean 'faq'"),
        ({"flux_err_maxx": 5}, "flux_err_maxx is not a threshold; did you mean 'flux_err_max'"),
        ({"flux_err_max": "big"}, "flux_err_max='big' should be one number in uJy"),
        ({"flux_err_max": 3 * u.mag}, "flux_err_max=.* should be one number in uJy"),
        ({"flux_err_max": [1, 2]}, "should be one number in uJy"),
        ({"error_code": True}, "error_code=True should be one number without a unit"),
        ({"sky_brightness_min": np.nan}, "sky_brightness_min=nan should be one number"),
        ({"by": "bnd", "rolling_sigma": 3}, "by='bnd' is not a column of lc"),
    ],
)
def test_arguments_that_are_wrong(options, message):
    with pytest.raises(InvalidQueryError, match=message):
        clean(one(), **{"preset": "faq", **options})


def test_a_column_that_is_missing_is_named():
    lc = light_curve([59000.1], [10.0])
    with pytest.raises(InvalidQueryError, match=r"needs the column error_code, .* error_code=None"):
        clean(lc, "faq")
    without = one()
    without.remove_column("sky_brightness")
    with pytest.raises(InvalidQueryError, match="sky_brightness_min of preset='faq' needs"):
        clean(without, "faq")
    assert clean(without, "faq", sky_brightness_min=None)["flag"].tolist() == [0]
    wrong = QTable(one())
    wrong["x"] = [5.0] * u.mag
    with pytest.raises(
        InvalidQueryError, match="the column x of lc is in mag; it should be in pix"
    ):
        clean(wrong, "faq")


def test_a_masked_value_is_not_judged_and_counted():
    lc = light_curve(
        [59000.1, 59001.1],
        [10.0, np.nan],
        survey_columns={**GOOD, "x": [5.0, np.nan], "y": [5.0, np.nan]},
    )
    cleaned = clean(lc, "faq", limiting_mag_min=None)
    assert cleaned["flag"].tolist() == [int(Flag.EDGE), 0]
    assert (
        "not judged in 1 rows: flux_err, x, y"
        in " ".join(clean(lc, "faq", limiting_mag_min=None).meta["history"])
        or "not judged in 1 rows: x, y" in cleaned.meta["history"][-1]
    )


def test_the_transient_server(shared):
    import gzip

    import msgspec

    from atlasquery.atlas.source import AtlasSource

    (path,) = (shared / "data" / "atlas").glob("*_md.json.gz")
    item = msgspec.json.decode(gzip.decompress(path.read_bytes()), type=dict[str, msgspec.Raw])
    source = AtlasSource(item, window=(None, None), meta={})
    lc = clean(source.light_curve)
    duplicates = source.light_curve["duplicate"].filled(0) < 0
    assert np.array_equal(lc["flag"] & Flag.DUPLICATE != 0, duplicates)
    assert duplicates.sum() == 4
    shallow = source.light_curve["limiting_mag"].unmasked.value <= 17
    assert np.array_equal(lc["flag"] & Flag.SHALLOW != 0, shallow)
    near = source.forced_photometry["x"].unmasked.value <= 100
    edge = clean(source.forced_photometry)["flag"] & Flag.EDGE != 0
    assert np.all(edge[near])


def test_the_flags_of_before_are_kept():
    lc = clean(one(x=1.0), "faq")
    again = clean(lc, "plot_atlas_fp")
    assert again["flag"].tolist() == [int(Flag.EDGE)]
    assert len(again.meta["history"]) == 2
    mine = QTable(one())
    mine["flag"] = [0.5]
    with pytest.raises(InvalidQueryError, match="the column flag should hold bits"):
        clean(mine, "faq")


def test_what_is_returned():
    lc = one()
    lc["note"] = ["mine"]
    cleaned = clean(lc, "faq")
    assert type(cleaned) is type(lc)
    assert cleaned.colnames == [*lc.colnames, "flag"]
    assert cleaned["flag"].dtype == np.int64
    assert "8 EDGE" in cleaned["flag"].info.description
    assert cleaned.meta["flag_bits"]["EDGE"] == 8
    for name in lc.colnames[1:]:
        assert cleaned[name].unit == lc[name].unit
        assert cleaned[name].info.description == lc[name].info.description
        assert not np.shares_memory(np.asarray(cleaned[name]), np.asarray(lc[name]))
    assert "flag" not in lc.colnames
    assert "history" not in lc.meta
    plain = Table({name: lc[name] for name in ("time", "band", "flux", "flux_err", "x", "y")})
    only = clean(plain, "faq", **dict.fromkeys(NOT_XY))
    assert type(only) is Table
    assert only["flag"].tolist() == [0]


NOT_XY = (
    "error_code",
    "psf_min",
    "psf_max",
    "aperture_correction_min",
    "aperture_correction_max",
    "limiting_mag_min",
    "sky_brightness_min",
)


@pytest.mark.parametrize("preset", ["faq", "atlas", "plot_atlas_fp", "skyportal", "atclean"])
def test_empty_light_curves(preset):
    empty = one()[:0]
    assert len(clean(empty, preset)) == 0
    assert clean(empty, preset)["flag"].dtype == np.int64
    assert len(bin(clean({1: empty}, preset))[1]) == 0


def test_a_mapping():
    curves = {5: one(x=1.0), 4: one(), 9: one()[:0]}
    cleaned = clean(curves, "faq")
    assert isinstance(cleaned, LightCurves)
    assert [cleaned[key]["flag"].tolist() for key in cleaned] == [[8], [0], []]
    assert "1 of 1 rows flagged (1 EDGE)" in cleaned[5].meta["history"][-1]
    dropped = clean(curves, "faq", drop=True)
    assert [len(dropped[key]) for key in dropped] == [0, 1, 0]
    # Straight from one to the other, without the tables between.
    result = bin(clean(curves, "faq", drop=True))
    assert [len(result[key]) for key in result] == [0, 1, 0]
    twice = clean(clean(curves, "faq", drop=True), "atclean", bin_width=None)
    assert [twice[key]["flag"].tolist() for key in twice] == [[], [0], []]
    # What was handed out counts, also when it was changed by hand.
    changed = clean(curves, "faq")
    changed[4]["flag"][0] = int(Flag.EDGE)
    assert len(bin(changed)[4]) == 0


@bounded
@given(
    st.lists(
        st.tuples(
            st.floats(58000, 58003),
            st.one_of(st.floats(-1e5, 1e5), st.just(np.nan)),
            st.one_of(st.floats(0, 2e4), st.just(np.nan)),
            st.sampled_from(["o", "c", "Q"]),
            st.floats(-100, 11000),
            st.floats(0, 200),
        ),
        max_size=40,
    ),
    st.sampled_from(["faq", "atlas", "plot_atlas_fp", "skyportal", "atclean"]),
)
# An error so small that the signal to noise is infinite.
@example([(58000.0, 1.0, 5e-324, "o", 0.0, 0.0)], "atclean")
def test_any_light_curve_can_be_cleaned(rows, preset):
    time, flux, flux_err, band, x, chi2 = (
        (np.array(list(v)) for v in zip(*rows, strict=True)) if rows else ([],) * 6
    )
    lc = light_curve(
        time, flux, flux_err, np.asarray(band, "U1"),
        survey_columns={**GOOD, "x": np.asarray(x, float), "reduced_chi2": np.asarray(chi2, float)},
    )  # fmt: skip
    cleaned = clean(lc, preset)
    assert len(cleaned) == len(lc)
    kept = clean(lc, preset, drop=True)
    assert len(kept) == np.count_nonzero(cleaned["flag"] == 0)
    assert np.all(kept["flag"] == 0)
    np.testing.assert_array_equal(cleaned["flux"].unmasked.value, lc["flux"].unmasked.value)
    # What a rule looks at alone: rows do not disturb one another.
    if preset in ("faq", "atlas", "skyportal") and len(lc):
        alone = [int(clean(lc[n : n + 1], preset)["flag"][0]) for n in range(len(lc))]
        assert alone == cleaned["flag"].tolist()
    binned = bin(cleaned)
    assert int(binned["n"].sum() + binned["n_clipped"].sum()) <= len(lc)

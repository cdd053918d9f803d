"""Rows whose photometry failed are no measurement, whatever is made of them."""

import astropy.units as u
import numpy as np
import pytest

from atlasquery import AtlasForced
from atlasquery.lightcurve import Flag, bin, clean, summary, to_pandas, to_sncosmo
from atlasquery.lightcurve.presets import PRESETS as ALL_PRESETS
from atlasquery.skyportal.uploads.rows import prepare_rows

# That of ZTF is for other columns.
PRESETS = {name: preset for name, preset in ALL_PRESETS.items() if name != "ztf_forced"}
HEADER = "###MJD m dm uJy duJy F err chi/N RA Dec x y maj min phi apfit mag5sig Sky Obs"
GOOD = (
    "590{night}.25{n}100 nan nan {flux} 20 o 0 1.05 150.10000 -2.20000 4000.00 5000.00 2.50"
    " 2.30 10.0 -0.400 19.50 20.50 02a590{night}o010{n}o"
)
# The flux, its error and the limit that the server writes where the solution failed.
BAD = {
    "limit of -1": "nan nan 100 20 {} -1.00",
    "limit of -99": "nan nan 100 20 {} -99.00",
    "limit of 0": "nan nan 100 20 {} 0.00",
    "limit of 5": "nan nan 100 20 {} 5.50",
    "a flux of 1e10": "nan nan 10000000000 20 {} 19.50",
    "a flux of -1e10": "nan nan -1e10 20 {} 19.50",
    "both": "nan nan 10000000000 10000000000 {} -2.52",
    "an error of 1e10": "nan nan 100 10000000000 {} 19.50",
    "infinite": "nan nan inf 20 {} 19.50",
}


def bad_line(kind, night="01", n=9):
    m, dm, flux, error, _, limit = BAD[kind].split()
    return (
        f"590{night}.25{n}100 {m} {dm} {flux} {error} o 0 1.05 150.10000 -2.20000 4000.00 5000.00"
        f" 2.50 2.30 10.0 -0.400 {limit} 20.50 02a590{night}o010{n}o"
    )


def light_curve(*kinds):
    lines = [GOOD.format(night=night, n=n, flux=95 + 3 * n) for night in ("01", "02")
             for n in range(1, 5)]  # fmt: skip
    lines += [bad_line(kind) for kind in kinds]
    # A night that has only a failed exposure.
    lines += [bad_line(kind, night="07") for kind in kinds]
    return AtlasForced.read("\n".join([HEADER, *lines]) + "\n")


@pytest.fixture(params=BAD)
def pair(request):
    return light_curve(request.param), light_curve()


def bad_rows(lc):
    return np.char.endswith(lc["exposure"].astype(str), "0109o")


def test_at_reading(pair):
    lc, good = pair
    bad = bad_rows(lc)
    assert bad.sum() == 2 and len(good) == 8
    for name in ("flux", "flux_err", "mag", "mag_err", "limiting_mag"):
        assert lc[name].mask[bad].all() and np.isnan(lc[name].unmasked.value[bad]).all()
        assert not lc["flux"].mask[~bad].any()
    assert not lc["detection"][bad].any()
    assert not lc["reported_flux"].mask[bad].any()


@pytest.mark.parametrize("preset", PRESETS)
def test_clean_with_any_preset(pair, preset):
    lc, good = pair
    missing = {name: None for name in PRESETS[preset].bounds if name.startswith("duplicate")}
    cleaned = clean(lc, preset, **missing)
    bad = bad_rows(cleaned)
    assert (cleaned["flag"][bad] & Flag.FAILED != 0).all()
    alone = clean(good, preset, **missing)
    assert cleaned["flag"][~bad].tolist() == alone["flag"].tolist()
    assert "2 FAILED" in cleaned.meta["history"][-1]
    kept = clean(lc, preset, drop=True, **missing)
    assert not bad_rows(kept).any()


def test_bin_and_summary(pair):
    lc, good = pair
    for made in (lc, clean(lc, "faq")):
        nightly, alone = bin(made), bin(good)
        assert len(nightly) == len(alone) == 2
        for name in ("flux", "flux_err", "mag", "n", "n_limits"):
            assert (nightly[name] == alone[name]).all()
        row, expected = summary(made)[0], summary(good)[0]
        for name in ("n_rows", "n_detections", "peak_flux", "first_mag", "latest_mag"):
            assert row[name] == expected[name], name
        assert row["latest_detection"] == expected["latest_detection"]


def test_upload_and_exports(pair):
    lc, _ = pair
    bad = bad_rows(lc)
    prepared = prepare_rows(lc, instrument="ATLAS", filters=["atlaso"])
    assert [form == "" for form in prepared.form] == bad.tolist()
    assert len(to_sncosmo(lc)) == 8
    assert to_pandas(lc)["flux"].isna().tolist() == bad.tolist()


def test_a_flux_without_an_error_is_not_good():
    lc = AtlasForced.read(
        "\n".join([HEADER, GOOD.format(night="01", n=1, flux=95).replace(" 20 o", " 0 o")]) + "\n"
    )
    for preset in PRESETS:
        missing = {name: None for name in PRESETS[preset].bounds if name.startswith("duplicate")}
        flag = clean(lc, preset, **missing)["flag"][0]
        assert flag & Flag.NO_ERROR and not flag & Flag.FAILED


def test_a_limit_is_a_measurement():
    from astropy.table import QTable

    lc = light_curve()
    limit = QTable(lc)
    limit["flux"].mask[:] = True
    limit["flux_err"].mask[:] = True
    assert (clean(limit, "faq")["flag"] == 0).all()
    limit["limiting_mag"].mask[2:] = True
    limit["mag"].mask[3:] = True
    limit["mag"][2] = 19 * u.mag
    flags = clean(limit, "faq")["flag"]
    assert (flags & Flag.FAILED != 0).tolist() == [False] * 3 + [True] * 5

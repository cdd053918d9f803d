"""The preset "atclean" beside the tables that ATClean itself has made of a supernova."""

import warnings

import numpy as np
import pytest
from example_curves import light_curve

from atlasquery import AtlasForced
from atlasquery.lightcurve import Flag, clean
from atlasquery.lightcurve.group_statistics import SortedGroups, kept_by_errors

# Bits of ATClean's column Mask.
CHI2, ERROR, CLIPPED, CONTROL, BAD_NIGHT = 0x1, 0x2, 0x1000, 0x400000, 0x800000


@pytest.fixture(scope="module")
def tables(recorded):
    """The object, and the seven control positions that its statistics are of."""
    folder = recorded / "data" / "files" / "atclean_2019vxm"
    curves = []
    for n in range(8):
        with warnings.catch_warnings():
            # Its magnitudes are limits where the flux is faint, and not those of the fluxes.
            warnings.simplefilter("ignore")
            lc = AtlasForced.read(folder / f"2019vxm_i{n:03d}.o.lc.txt.gz")
        # Its limit on errors was found for each table by itself: the verdict is taken over.
        expected = bits(lc) & (CHI2 | ERROR)
        lc["flag"] = np.where(expected & CHI2, int(Flag.CHI2), 0) | np.where(
            expected & ERROR, int(Flag.LARGE_ERROR), 0
        )
        curves.append(lc)
    return curves


def bits(lc):
    return np.array([int(text, 16) for text in lc["Mask"].tolist()])


def test_each_exposure_and_night_is_judged_as_by_atclean(tables):
    lc, *controls = tables
    cleaned = clean(lc, "atclean", controls=controls, flux_err_max=None, reduced_chi2_max=None)
    truth, flag = bits(lc), np.asarray(cleaned["flag"])
    night = np.floor(lc.time.mjd).astype(int)
    assert len(lc) == 1701 and len(set(night)) == 358
    for ours, theirs, number in (
        (Flag.CONTROL, CONTROL, 541),
        (Flag.BAD_BIN, BAD_NIGHT, 307),
        (Flag.OUTLIER, CLIPPED, 46),
    ):
        assert ((flag & ours != 0) == (truth & theirs != 0)).all()
        assert np.count_nonzero(flag & ours) == number
    assert len(set(night[flag & Flag.BAD_BIN != 0])) == 71


def test_nights_are_those_of_its_own_table(tables, recorded):
    path = recorded / "data" / "files" / "atclean_2019vxm" / "2019vxm_i000.o.1.00days.lc.txt.gz"
    import pandas as pd

    nights = pd.read_csv(path, sep=r"\s+")
    lc, *controls = tables
    cleaned = clean(lc, "atclean", controls=controls, flux_err_max=None, reduced_chi2_max=None)
    flag = np.asarray(cleaned["flag"])
    night = np.floor(lc.time.mjd).astype(int)
    begins = (nights["MJDbin"] - 0.5).astype(int).tolist()
    for begin, mask, good, excluded in zip(
        begins, nights["Mask"], nights["Ngood"], nights["Nexcluded"], strict=True
    ):
        rows = flag[night == begin]
        if not len(rows):
            continue
        bad = int(mask, 16) & BAD_NIGHT != 0
        assert (rows & Flag.BAD_BIN != 0).all() == bad and (rows & Flag.BAD_BIN != 0).any() == bad
        left_out = rows & (Flag.LARGE_ERROR | Flag.CHI2 | Flag.CONTROL | Flag.NO_ERROR) != 0
        assert np.count_nonzero(left_out) == excluded
        if excluded < len(rows):
            kept = ~left_out & (rows & Flag.OUTLIER == 0)
            assert np.count_nonzero(kept) == good or good == 0


def clipped_one_by_one(values, errors, sigma):
    """The definition, for one group."""
    kept = np.ones(len(values), bool)
    middle = np.median(values)
    for _ in range(9):
        now = np.abs(values - middle) <= sigma * errors
        if (now == kept).all() or not now.any():
            return now
        kept = now
        middle = np.average(values[kept], weights=errors[kept] ** -2.0)
    return kept


def test_clipping_by_errors_is_its_definition():
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 9, 2000)
    starts = np.cumsum(counts) - counts
    errors = rng.uniform(1, 30, counts.sum())
    values = rng.normal(0, 1, len(errors)) * errors * rng.choice([1, 1, 1, 6], len(errors))
    kept = kept_by_errors(values, errors, SortedGroups(starts, counts), 3.0)
    assert 100 < np.count_nonzero(~kept) < len(kept)
    for first, n in zip(starts, counts, strict=True):
        some = slice(first, first + n)
        expected = clipped_one_by_one(values[some], errors[some], 3.0)
        assert kept[some].tolist() == expected.tolist()


def test_controls_that_were_cleaned_before_keep_their_flags():
    lc = light_curve(59000 + np.arange(4.0), 0.0, 5.0)
    noisy = [light_curve(lc.time.mjd, flux, 5.0) for flux in (0.0, 1.0, -1.0, 0.5, 90.0)]
    off = dict.fromkeys(("flux_err_max", "reduced_chi2_max", "bin_width"))
    # Five disagree; of four that are left each is good.
    assert not clean(lc, "atclean", controls=noisy, **off)["flag"].any()
    for one in noisy[:2]:
        one["flag"] = np.full(4, int(Flag.EDGE))
    with pytest.raises(Exception, match="have the column flag and others have not"):
        clean(lc, "atclean", controls=noisy, **off)
    for one in noisy[2:]:
        one["flag"] = np.zeros(4, int)
    assert (clean(lc, "atclean", controls=noisy, **off)["flag"] == int(Flag.CONTROL)).all()

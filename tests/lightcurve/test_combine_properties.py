"""Whatever the order, overlap and number of light curves: the same rows, and none lost."""

import warnings

import numpy as np
import survey_curves as surveys
from example_curves import light_curve
from hypothesis import given, settings
from hypothesis import strategies as st

from atlasquery import combine
from atlasquery.exceptions import InputWarning
from atlasquery.lightcurve import SCHEMA

CURVES = {
    "atlas": surveys.atlas(12),
    "forced": surveys.forced(surveys.atlas(12)),
    "ztf": surveys.ztf(10),
    "lsst": surveys.lsst(9, withdrawn=[2]),
    "skyportal": surveys.skyportal(surveys.ztf(10)),
}
SHARED = [column.name for column in SCHEMA]
MEANT = ["measurement", "service", "flux_kind", "time_reference"]


def combined(curves, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        return combine(curves, **options)


def rows_of(lc, names, *, sort=True):
    """Return the rows in words, sorted or in the order of the light curve."""
    columns = [lc.time.mjd.round(11).tolist()]
    for name in names:
        values = np.asarray(getattr(lc[name], "unmasked", lc[name])).astype(str)
        mask = np.broadcast_to(np.asarray(getattr(lc[name], "mask", False)), len(lc))
        columns.append(np.where(mask, "--", values).tolist())
    return sorted(zip(*columns, strict=True)) if sort else list(zip(*columns, strict=True))


@st.composite
def pieces(draw, curves):
    """Draw slices of light curves that overlap, and together hold all rows, in any order."""
    found = []
    for lc in curves:
        cuts = sorted(draw(st.lists(st.integers(0, len(lc)), max_size=3)))
        for first, last in zip([0, *cuts], [*cuts, len(lc)], strict=True):
            before = draw(st.integers(0, 2))
            found.append(lc[max(first - before, 0) : last])
    return draw(st.permutations(found))


@settings(max_examples=25)
@given(st.data())
def test_order_overlap_and_subset_of_real_curves(data):
    names = data.draw(st.lists(st.sampled_from(sorted(CURVES)), min_size=1, unique=True))
    whole = [CURVES[name] for name in names]
    parts = data.draw(pieces(whole))
    truth = combined(whole, duplicates="drop")
    found = combined(parts, duplicates="drop")
    every = [name for name in truth.colnames if name != "time"]
    assert sorted(found.colnames) == sorted(truth.colnames)
    assert rows_of(found, every, sort=False) == rows_of(truth, every, sort=False)
    assert np.all(np.diff(found.time.mjd) >= 0)
    flagged = combined(parts)
    assert len(flagged) == sum(map(len, parts))
    kept = flagged[flagged["duplicate_of"].mask]
    assert rows_of(kept, every) == rows_of(truth, every)
    left_out = int(found.meta["history"][-1].split("; ")[2].split()[0])
    assert len(found) + left_out == sum(map(len, parts))


@st.composite
def odd_curves(draw):
    """Draw light curves with few times, fluxes and names, so that all sorts of them agree."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(0, 6))
        column = lambda *values: draw(st.lists(st.sampled_from(values), min_size=n, max_size=n))  # noqa: B023, E731
        survey, meta = draw(st.sampled_from([
            ("ztf", surveys.ZTF), ("ztf", surveys.SKYPORTAL), ("atlas", surveys.ATLAS),
            ("atlas", surveys.FORCED), ("lsst", surveys.LSST), ("ztf", surveys.SKYPORTAL
             | {"time_reference": "middle"})]))  # fmt: skip
        time = 60000.0 + np.array(column(0.0, 0.4, 15.0, 15.3, 37.0, 52.0, 4000.0)) / 86400
        found.append(light_curve(
            time, np.array(column(100.0, 100.05, 101.0, -3.0, 0.0, np.nan), float), 1.0,
            band=np.array(column("g", "r"), str), survey=survey,
            scale=draw(st.sampled_from(["utc", "tai"])),
            limiting_mag=np.array(column(20.0, 20.001, np.nan), float),
            exposure=np.array(column("", "a", "b"), str),
            exposure_time=np.array(column(30.0, 10.0, np.nan), float), meta=meta,
            survey_columns={"forced": np.array(column(False, True), bool)},
        ))  # fmt: skip
    return found


@settings(max_examples=60)
@given(st.data())
def test_order_and_overlap_of_any_curves(data):
    whole = data.draw(odd_curves())
    parts = data.draw(pieces(whole))
    truth, found = combined(whole, duplicates="drop"), combined(parts, duplicates="drop")
    names = SHARED + MEANT
    assert rows_of(found, names) == rows_of(truth, names)
    flagged = combined(parts)
    assert len(flagged) == sum(map(len, parts))
    assert rows_of(flagged[flagged["duplicate_of"].mask], names) == rows_of(truth, names)
    # Of each exposure that has a name, survey, band and kind, no flux is lost.
    for lc in whole:
        assert len(combined([lc])) == len(lc)


@settings(max_examples=8)
@given(st.data())
def test_many_objects_are_as_each_alone(data):
    objects = {
        key: data.draw(st.lists(st.sampled_from(sorted(CURVES)), min_size=1, max_size=3))
        for key in range(data.draw(st.integers(1, 4)))
    }
    duplicates = data.draw(st.sampled_from(["flag", "drop"]))
    curves = {key: [CURVES[name] for name in names] for key, names in objects.items()}
    many = combined(curves, duplicates=duplicates)
    for key, given_curves in curves.items():
        alone = combined(given_curves, duplicates=duplicates)
        assert many[key].colnames == alone.colnames and many[key].meta == alone.meta
        every = [name for name in alone.colnames if name != "time"]
        assert rows_of(many[key], every) == rows_of(alone, every)

"""Light curves and collections copied, pickled, and found by time."""

import copy
import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from astropy.timeseries import aggregate_downsample
from equal import assert_same_table

from atlasquery.atlas import AtlasClass
from atlasquery.exceptions import InputWarning
from atlasquery.lightcurve import bin, clean, limits, phase_fold, read, signal_to_noise, write


@pytest.fixture(scope="module")
def atlas(sandbox):
    atlas = AtlasClass(server=sandbox.url)
    atlas.login(token=sandbox.token)
    return atlas


@pytest.fixture(scope="module")
def ids(sandbox):
    return [int(atlas_id) for atlas_id in sandbox.manifest["ids"]["supernova"][:3]]


@pytest.fixture(scope="module")
def lc(atlas, ids):
    return atlas.get_light_curve(ids[2])


def copies(value):
    return pickle.loads(pickle.dumps(value)), copy.deepcopy(value)


def test_light_curves_are_copied_whole(lc):
    for one in (lc, clean(lc), bin(lc), lc[:0], lc[lc["detection"]]):
        for again in copies(one):
            assert_same_table(again, one)


def test_collections_are_copied_without_the_credential(atlas, ids, sandbox):
    for many in (
        atlas.get_light_curves(ids, progress=False),
        atlas.get_sources(ids, progress=False),
    ):
        assert sandbox.token.encode() not in pickle.dumps(many)
        for again in copies(many):
            assert list(again) == ids
            assert again.failures == []
            assert_same_table(again.table(), many.table())
            assert str(again) == str(many)
            for key in (ids[0], str(ids[0])):
                found, expected = again[key], many[key]
                assert_same_table(
                    getattr(found, "light_curve", found), getattr(expected, "light_curve", expected)
                )


def test_failures_are_copied(atlas, ids):
    with pytest.warns(InputWarning, match="1 of 3 objects failed"):
        many = atlas.get_light_curves([*ids[:2], 1999999999999999900], on_error="warn")
    for again in copies(many):
        ((failed, error),) = again.failures
        assert failed == 1999999999999999900
        assert str(error) == str(many.failures[0][1])
        assert type(error) is type(many.failures[0][1])


def test_what_is_made_of_many_is_copied(atlas, ids):
    many = bin(clean(atlas.get_light_curves(ids, progress=False)))
    for again in copies(many):
        assert repr(again) == repr(many)
        for key in ids:
            assert_same_table(again[key], many[key])
    # It can be worked on as before.
    assert len(bin(pickle.loads(pickle.dumps(many)), 10 * u.day)) == 3


def test_rows_are_found_by_time(lc, tmp_path):
    result = [lc, lc.copy(), clean(lc), clean(lc, drop=True), bin(lc), limits(signal_to_noise(lc))]
    result += [pickle.loads(pickle.dumps(lc)), read(write(lc, tmp_path / "lc.ecsv"))]
    for one in result:
        first, last = Time(61200.0, format="mjd"), Time(61300.0, format="mjd")
        inside = (one.time >= first) & (one.time <= last)
        assert inside.sum() > 10
        assert_same_table(one.loc[first:last], one[inside])
        assert_same_table(one.loc["2026-06-09":"2026-09-17"], one[inside])
        assert_same_table(one.iloc[:5], one[:5])
    part = lc[lc["detection"]].copy()
    assert_same_table(part.iloc[2:4], part[2:4])


def test_nothing_is_found_in_an_empty_one(lc):
    empty = clean(lc[:0])
    assert len(empty.indices) == 1


def test_downsampling_of_astropy_works(lc):
    in_o = lc[(lc["band"] == "o") & lc["detection"]]
    for one in (in_o, clean(in_o), bin(in_o)):
        binned = aggregate_downsample(one["time", "flux"], time_bin_size=100 * u.day)
        days = np.floor((one.time.mjd - one.time.mjd[0]) / 100)
        expected = one["flux"].unmasked.value[days == 0].mean()
        assert np.asarray(binned["flux"])[0] == pytest.approx(expected)
    few = lc.copy()
    few.keep_columns(["time", "flux"])
    assert len(aggregate_downsample(few, time_bin_size=100 * u.day)) > 1


def test_a_folded_one_is_as_astropy_makes_it(lc):
    folded = phase_fold(lc, 3 * u.day)
    assert len(folded.iloc[:5]) == 5
    # The index of the light curve that it was made of is as it was.
    assert len(lc.iloc[:5]) == 5

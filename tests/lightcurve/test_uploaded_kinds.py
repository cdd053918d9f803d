"""What rows that somebody uploaded to SkyPortal are: the kind of their flux, and their exposure."""

import json
import warnings

import numpy as np
import pytest
from example_curves import light_curve
from survey_curves import PEAK, SKYPORTAL, atlas, forced, ztf

from atlasquery.exceptions import InputWarning
from atlasquery.lightcurve import bin, combine
from atlasquery.lightcurve.uploaded_kinds import uploaded_kinds


def uploaded(time, flux, *, survey, origin="", altdata=None, band="o", err=10.0, **columns):
    """Return a light curve as SkyPortal sends it."""
    n = len(np.atleast_1d(time))
    texts = np.array([json.dumps(one) if one else "" for one in altdata or [None] * n])
    return light_curve(
        time, flux, err, band=band, survey=np.full(n, survey), exposure=np.full(n, ""),
        meta=SKYPORTAL | {"survey": survey},
        survey_columns={"origin": np.broadcast_to(origin, n), "altdata": texts,
                        "instrument": np.full(n, survey.upper()), **columns},
    )  # fmt: skip


def kinds(*args, **kwargs):
    return uploaded_kinds(uploaded(*args, **kwargs)).tolist()


DAYS = PEAK + np.arange(3.0)


def test_what_the_row_says_of_its_flux_is_read():
    flux = [100.0, -50.0, 80.0]
    assert kinds(DAYS, flux, survey="sdss") == ["unknown"] * 3
    assert kinds(DAYS, flux, survey="atlas", origin="fp") == ["difference"] * 3
    assert kinds(DAYS, flux, survey="ztf", origin="Forced", band="r") == ["difference"] * 3
    # LSST measures both in forced photometry.
    assert kinds(DAYS, flux, survey="lsst", origin="fp", band="r") == ["unknown"] * 3
    reference = {"ref_flux": np.array([np.nan, 700.0, np.nan])}
    assert kinds(DAYS, flux, survey="p48", **reference) == ["unknown", "difference", "unknown"]
    alerts = [{"candid": 123}, {"candid": None}, {"diaSourceId": 5}]
    assert kinds(DAYS, flux, survey="ztf", altdata=alerts) == ["difference", "unknown", "unknown"]
    assert kinds(DAYS, flux, survey="lsst", altdata=alerts) == ["unknown", "unknown", "difference"]
    named = [{"flux_kind": "total"}, {"flux_kind": "difference"}, {"flux_kind": "odd"}]
    assert kinds(DAYS, flux, survey="atlas", origin="fp", altdata=named) == [
        "total", "difference", "difference",
    ]  # fmt: skip


def test_altdata_that_is_no_object_says_nothing():
    for text in ("[1, 2]", "not JSON", '"candid"', "3"):
        lc = uploaded([PEAK], [100.0], survey="ztf")
        lc["altdata"] = np.array([text])
        assert uploaded_kinds(lc).tolist() == ["unknown"]


def test_limits_are_of_the_kind_of_their_uploader():
    flux = [100.0, np.nan, np.nan]
    alerts = [{"candid": 123}, None, None]
    assert kinds(DAYS, flux, survey="ztf", altdata=alerts) == ["difference"] * 3
    origins = np.array(["a", "a", "b"])
    assert kinds(DAYS, flux, survey="ztf", altdata=alerts, origin=origins) == [
        "difference", "difference", "unknown",
    ]  # fmt: skip
    mixed = [{"flux_kind": "difference"}, {"flux_kind": "total"}, None]
    assert kinds(DAYS, [1.0, 2.0, np.nan], survey="ztf", altdata=mixed)[2] == "unknown"


def quietly(curves, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        return combine(curves, **options)


def forced_and_copy(change=1.2, origin="fp"):
    """Return forced photometry of ATLAS, and another reduction of it in SkyPortal."""
    sent = forced()
    flux = sent["flux"].unmasked.value
    copy = uploaded(
        sent.time.mjd, flux * change + 3.0, survey="atlas", origin=origin,
        band=np.asarray(sent["band"]), err=25.0,
    )  # fmt: skip
    return sent, copy


def test_a_night_with_the_survey_s_rows_and_an_upload_has_one_mean():
    sent, copy = forced_and_copy()
    lc = quietly([sent, copy])
    assert set(lc["flux_kind"]) == {"difference"} and lc["duplicate_of"].mask.all()
    both, alone = bin(lc), bin(quietly([sent]))
    assert len(both) == len(alone)
    # The exposures are those of the survey, each once.
    np.testing.assert_array_equal(both["flux"].unmasked, alone["flux"].unmasked)
    np.testing.assert_array_equal(both["n"], alone["n"])


@pytest.mark.parametrize("many", [False, True])
def test_uploads_of_other_exposures_count_too(many):
    sent, copy = forced_and_copy()
    curves = [sent[::2], copy]
    lc = quietly({"one": curves, "two": [sent]})["one"] if many else quietly(curves)
    alone = bin(quietly([sent]))
    found = bin(lc)
    assert int(found["n"].sum()) == int(alone["n"].sum())


def test_forced_photometry_of_an_upload_counts_before_an_alert():
    alerts = atlas()
    seen = alerts[np.asarray(alerts["detection"])]
    copy = uploaded(seen.time.mjd, 7.0, survey="atlas", origin="fp", band=np.asarray(seen["band"]))
    found = bin(quietly([seen, copy]))
    np.testing.assert_allclose(found["flux"].unmasked.value, 7.0)
    assert int(found["n"].sum()) == len(seen)


@pytest.mark.filterwarnings("ignore:[0-9]+ rows? ha.* a time that may")
def test_kinds_that_nobody_knows_are_counted_in_a_warning():
    sent, copy = forced_and_copy(origin="group")
    with pytest.warns(InputWarning, match=f"^{len(copy)} rows have a flux that may") as caught:
        combine([sent, copy])
    assert any("bin averages them separately" in str(one.message) for one in caught)
    # As are those of many objects, and of no others.
    with pytest.warns(InputWarning, match=f"^{len(copy)} rows have a flux that may"):
        combine({"a": [sent, copy], "b": [copy]})
    for curves in ([copy], [ztf(), copy], list(forced_and_copy())):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            combine(curves)
        assert not [one for one in caught if "have a flux that may" in str(one.message)]
    # It can be told for the whole light curve.
    copy.meta["flux_kind"] = "difference"
    assert set(quietly([sent, copy])["flux_kind"]) == {"difference"}


def test_what_was_combined_keeps_its_kinds():
    sent, copy = forced_and_copy()
    once = quietly([sent, copy])
    again = quietly([once])
    assert again["flux_kind"].tolist() == once["flux_kind"].tolist()
    assert "skyportal_altdata" in once.colnames

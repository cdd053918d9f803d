"""A light curve as SkyPortal takes it: nothing changed, nothing left out silently."""

import numpy as np
import pytest
from astropy.time import Time
from light_curves import NAN, light_curve

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve import Flag
from atlasquery.skyportal.uploads.rows import body, prepare_rows

ATLAS = {"instrument": "ATLAS", "filters": ["atlasc", "atlaso"]}


def test_fluxes_go_as_they_are_with_their_sign():
    lc = light_curve([60000.1, 60001.3], ["o", "c"], [100.5, -3.25], [10.0, 9.5])
    prepared = prepare_rows(lc, **ATLAS)
    assert prepared.form == ["flux", "flux"]
    payload = body(prepared, [0, 1], {"obj_id": "A", "instrument_id": 1})
    assert payload == {
        "obj_id": "A", "instrument_id": 1, "magsys": "ab", "zp": 23.9,
        "mjd": [60000.1, 60001.3], "filter": ["atlaso", "atlasc"],
        "flux": [100.5, -3.25], "fluxerr": [10.0, 9.5],
    }  # fmt: skip


def test_a_masked_flux_with_an_error_is_null():
    prepared = prepare_rows(light_curve([60000.0], "o", [NAN], [12.0]), **ATLAS)
    assert prepared.payload(0) == {
        "mjd": 60000.0, "filter": "atlaso", "flux": None, "fluxerr": 12.0,
    }  # fmt: skip


def test_a_limit_goes_with_its_sigma():
    lc = light_curve([60000.0], "o", limit=[19.5])
    prepared = prepare_rows(lc, **ATLAS)
    assert prepared.form == ["limit"]
    payload = body(prepared, [0], {})
    assert (payload["mag"], payload["magerr"], payload["limiting_mag"]) == ([None], [None], [19.5])
    assert payload["limiting_mag_nsigma"] == 5.0
    assert "zp" not in payload
    three = prepare_rows(light_curve([60000.0], "o", limit=[20.0], limit_sigma=3.0), **ATLAS)
    assert body(three, [0], {})["limiting_mag_nsigma"] == 3.0


def test_a_magnitude_without_a_flux_becomes_one():
    lc = light_curve([60000.0], "o", mag=[18.9], mag_err=[0.1])
    row = prepare_rows(lc, **ATLAS).payload(0)
    assert row["flux"] == pytest.approx(100.0, rel=1e-12)
    assert row["fluxerr"] == pytest.approx(100.0 * 0.1 * np.log(10) / 2.5, rel=1e-12)


@pytest.mark.parametrize("scale", ["tdb", "tt", "tai"])
def test_times_of_other_scales_are_sent_in_utc(scale):
    utc = Time([60000.25, 60001.75], format="mjd", scale="utc")
    lc = light_curve(getattr(utc, scale).mjd, "o", [1.0, 2.0], [1.0, 1.0], scale=scale)
    sent = prepare_rows(lc, **ATLAS).values["mjd"]
    assert np.abs(np.array(sent) - utc.mjd).max() < 1e-9
    # Over a minute lies between them: an unconverted time would not pass.
    assert np.abs(np.array(sent) - lc["time"].mjd).min() > 3e-4


def test_utc_is_sent_to_the_last_digit():
    rng = np.random.default_rng(5)
    mjd = np.sort(rng.uniform(50000, 70000, 5000))
    lc = light_curve(mjd, "o", rng.normal(size=5000), np.ones(5000))
    assert np.array_equal(prepare_rows(lc, **ATLAS).values["mjd"], mjd)


def test_rows_that_cannot_be_sent_say_why():
    lc = light_curve(
        np.arange(60000.0, 60007.0),
        ["o", "o", "o", "o", "w", "o", "o"],
        [1.0, 2.0, NAN, np.inf, 5.0, 6.0, 7.0],
        [1.0, 0.0, NAN, 1.0, 1.0, NAN, -1.0],
    )
    prepared = prepare_rows(lc, **ATLAS)
    assert prepared.form == ["flux", "", "", "", "", "", ""]
    reasons = dict(prepared.unsendable())
    assert reasons[1] == "flux_err=0 should be above 0"
    assert reasons[2] == "neither a flux with its error nor a limit is known"
    assert reasons[3] == "the flux is infinite"
    assert "'w' of atlas has no known filter on ATLAS, which has atlasc, atlaso" in reasons[4]
    assert reasons[5] == "no flux_err"
    assert reasons[6] == "flux_err=-1 should be above 0"


def test_a_masked_time_or_band_is_named():
    lc = light_curve([60000.0, 60001.0], "o", [1.0, 2.0], [1.0, 1.0])
    lc["time"][0] = np.ma.masked
    prepared = prepare_rows(lc, **ATLAS)
    assert prepared.unsendable() == [(0, "no time")]
    assert prepared.values["mjd"][0] is None


@pytest.mark.parametrize(
    ("survey", "band", "filters", "expected"),
    [
        ("atlas", "c", ["atlasc"], "atlasc"),
        ("ztf", "i", ["ztfg", "ztfr", "ztfi"], "ztfi"),
        ("lsst", "y", ["lssty"], "lssty"),
        ("other", "sdssg", ["sdssg"], "sdssg"),
    ],
)
def test_bands_have_the_names_of_the_server(survey, band, filters, expected):
    lc = light_curve([60000.0], band, [1.0], [1.0], survey=survey)
    prepared = prepare_rows(lc, instrument="I", filters=filters)
    assert prepared.values["filter"] == [expected]


def test_bands_can_be_named():
    lc = light_curve([60000.0, 60001.0], ["w", "o"], [1.0, 2.0], [1.0, 1.0])
    prepared = prepare_rows(lc, **ATLAS, bands={"w": "atlasc"})
    assert prepared.values["filter"] == ["atlasc", "atlaso"]
    with pytest.raises(InvalidQueryError, match="names 'atlasw', which is not a filter of ATLAS"):
        prepare_rows(lc, **ATLAS, bands={"w": "atlasw"})
    with pytest.raises(InvalidQueryError, match="names the band 'x', which lc has not"):
        prepare_rows(lc, **ATLAS, bands={"x": "atlasc"})


def test_flagged_rows_need_a_choice():
    bad, faint = int(Flag.OUTLIER | Flag.EDGE), int(Flag.LOW_SNR)
    lc = light_curve([1.0, 2.0, 3.0], "o", [1.0, 2.0, 3.0], [1.0] * 3, flag=[0, bad, faint])
    with pytest.raises(InvalidQueryError, match=r"row 1 \(EDGE, OUTLIER\).*flagged='skip'"):
        prepare_rows(lc, **ATLAS)
    sent = prepare_rows(lc, **ATLAS, flagged="send")
    assert sent.form == ["flux"] * 3
    skipped = prepare_rows(lc, **ATLAS, flagged="skip")
    assert skipped.form == ["flux", "", "flux"]
    assert skipped.reason[1] == "flagged EDGE, OUTLIER"
    assert skipped.unsendable() == []
    with pytest.raises(InvalidQueryError, match="flagged='drop'"):
        prepare_rows(lc, **ATLAS, flagged="drop")


def test_rows_that_the_server_cannot_tell_apart():
    """Its key is time, flux and error; not the filter."""
    lc = light_curve([1.0, 1.0, 1.0], ["o", "o", "c"], [5.0, 5.0, 5.0], [1.0, 1.0, 1.0])
    prepared = prepare_rows(lc, **ATLAS)
    assert prepared.same_as == [0, 0, 2]
    assert [rows for _, rows in prepared.sent()] == [[0]]
    ((row, reason),) = prepared.unsendable()
    assert (row, "row 0 has the same time, flux and error in atlaso" in reason) == (2, True)


def test_columns_go_along_as_altdata():
    lc = light_curve([1.0, 2.0], "o", [1.0, 2.0], [1.0, 1.0], limit=[19.5, NAN])
    lc["exposure"].mask[1] = True
    prepared = prepare_rows(lc, **ATLAS, altdata=["exposure", "limiting_mag"])
    payload = body(prepared, [0, 1], {})
    assert payload["altdata"] == {"exposure": ["e0", None], "limiting_mag": [19.5, None]}
    with pytest.raises(InvalidQueryError, match="'exposur', which is not a column in lc; did you"):
        prepare_rows(lc, **ATLAS, altdata="exposur")


def test_what_is_no_light_curve_is_refused():
    with pytest.raises(InvalidQueryError, match="lc is of type list"):
        prepare_rows([1, 2], **ATLAS)
    lc = light_curve([1.0], "o", [1.0], [1.0])
    lc.remove_column("band")
    with pytest.raises(InvalidQueryError, match="has no column band"):
        prepare_rows(lc, **ATLAS)
    lc = light_curve([1.0], "o", [1.0], [1.0])
    lc["flux"] = [1.0]
    with pytest.raises(InvalidQueryError, match="flux of lc has no unit"):
        prepare_rows(lc, **ATLAS)


def test_units_are_converted():
    lc = light_curve([1.0], "o", [0.5], [0.25])
    lc["flux"], lc["flux_err"] = lc["flux"].to("mJy"), lc["flux_err"].to("mJy")
    row = prepare_rows(lc, **ATLAS).payload(0)
    assert (row["flux"], row["fluxerr"]) == pytest.approx((0.5, 0.25), rel=1e-12)

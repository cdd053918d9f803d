"""Light curves: the cut on signal to noise, limits of two meanings, words for nothing."""

import re

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked

from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    LoginError,
    NoResultsWarning,
    NotFoundError,
    TableParseError,
)
from atlasquery.lightcurve import bin as bin_curve
from atlasquery.lightcurve import clean
from atlasquery.lightcurve.schema import SCHEMA
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import PortalError, envelope
from atlasquery.skyportal.tables.bands import FILTERS


@pytest.fixture
def source(double):
    double.state.add_source("S1", 10.0, 20.0)
    return double


def test_what_is_asked_for(skyportal, source):
    source.state.add_point("S1", 60300.0, "atlaso", 100.0, 5.0)
    skyportal.get_photometry("S1")
    assert source.received == [
        "GET /api/sources/S1/photometry?format=both&magsys=ab&individualOrSeries=individual"
    ]


def test_columns_units_and_meta(skyportal, source):
    source.state.add_point("S1", 60301.25, "atlaso", 100.0, 5.0, ra=10.0, ra_unc=0.15, origin="fp")
    source.state.add_point("S1", 60300.5, "atlasc", 50.0, 5.0)
    lc = skyportal.get_photometry("S1")
    assert isinstance(lc, TimeSeries)
    assert lc.colnames[: 1 + len(SCHEMA)] == ["time", *(column.name for column in SCHEMA)]
    assert lc["time"].mjd.tolist() == [60300.5, 60301.25] and lc["time"].scale == "utc"
    assert lc["band"].tolist() == ["c", "o"] and set(lc["survey"]) == {"atlas"}
    assert lc["flux"].unit == lc["flux_err"].unit == u.uJy
    assert lc["flux"].unmasked.value.tolist() == [50.0, 100.0]
    assert lc["mag"][1].unmasked.value == pytest.approx(18.9)
    assert lc["mag_err"][1].unmasked.value == pytest.approx(2.5 / np.log(10) * 0.05)
    assert lc["exposure_time"].to_value(u.s).tolist() == [30.0, 30.0]
    assert lc["ra_err"].unit == u.arcsec and lc["ra"].unit == u.deg
    assert lc["ra"].mask.tolist() == [True, False]
    assert lc["created_at"].scale == "utc"
    assert lc["photometry_id"].tolist() == [2, 1]
    assert lc["groups"][0] == "ATLAS transients"
    assert lc.meta["magsys"] == "AB" and lc.meta["survey"] == "atlas"
    assert lc.meta["object"] == "S1" and lc.meta["detection_snr"] == 5.0
    assert (
        lc.meta["time_reference"] == lc.meta["flux_kind"] == "unknown" and lc.meta["limiting_mag"]
    )
    for name in ("flux", "flux_err", "mag", "mag_err", "limiting_mag"):
        assert isinstance(lc[name], Masked)


def test_a_missing_magnitude_is_no_non_detection(skyportal, source):
    # (flux, error): significant and negative has no magnitude, faint and positive has one.
    for n, (flux, error) in enumerate([(-500.0, 5.0), (1.0, 20.0), (500.0, 5.0), (0.0, 5.0)]):
        source.state.add_point("S1", 60300.0 + n, "atlaso", flux, error)
    rows = skyportal.request("GET", "sources/S1/photometry", format="both")
    assert [row["mag"] is None for row in rows] == [True, False, False, True]
    lc = skyportal.get_photometry("S1")
    assert lc["detection"].tolist() == [True, False, True, False]
    assert lc["flux"].unmasked.value.tolist() == [-500.0, 1.0, 500.0, 0.0]
    assert not lc["flux"].mask.any()
    assert lc["mag"].mask.tolist() == [True, True, False, True]
    assert np.isnan(lc["mag"].unmasked.value[1])


def test_the_cut_is_the_callers(skyportal, source):
    for n, flux in enumerate([2.9, 3.0, 4.9, 5.0, -5.0]):
        source.state.add_point("S1", 60300.0 + n, "atlaso", flux, 1.0)
    five = skyportal.get_photometry("S1")["detection"].tolist()
    three = skyportal.get_photometry("S1", detection_snr=3)["detection"].tolist()
    assert five == [False, False, False, True, True]
    assert three == [False, True, True, True, True]


@pytest.mark.parametrize("snr", [0, -1, np.nan, np.inf, "5", True, None])
def test_a_cut_that_is_none(skyportal, double, snr):
    with pytest.raises(InvalidQueryError, match="detection_snr="):
        skyportal.get_photometry("S1", detection_snr=snr)
    assert double.received == []


def test_an_error_of_zero_is_none(skyportal, source):
    source.state.add_point("S1", 60300.0, "atlaso", 100.0, 0.0)
    lc = skyportal.get_photometry("S1")
    assert not lc["detection"][0]
    assert lc["flux_err"].mask[0] and np.isnan(lc["flux_err"].unmasked.value[0])
    assert not lc["flux"].mask[0]
    assert lc["limiting_mag"].mask[0]


def test_limits_of_two_meanings(skyportal, source):
    limit = 10 ** (0.4 * (23.9 - 19.0))
    # Uploaded as magnitudes: a limit of 5 sigma, one of 3, and a detection with a separate limit.
    source.state.add_point("S1", 60300.0, "atlaso", None, limit / 5, limiting_mag=19.0)
    source.state.add_point("S1", 60301.0, "atlaso", None, limit / 3, limiting_mag=19.0)
    source.state.add_point("S1", 60302.0, "atlaso", 500.0, 20.0, limiting_mag=19.0)
    # Uploaded as a flux: the server says what five errors are.
    source.state.add_point("S1", 60303.0, "atlaso", 1.0, 20.0)
    lc = skyportal.get_photometry("S1")
    five = lc["limiting_mag"].unmasked.value
    assert five == pytest.approx([19.0, 19.0 - 2.5 * np.log10(5 / 3), 19.0, 18.9])
    uploaded = lc["limiting_mag_uploaded"].unmasked.value
    assert uploaded == pytest.approx([19.0, 19.0, 19.0, 18.9])
    assert lc["flux"].mask.tolist() == lc["flux_err"].mask.tolist() == [True, True, False, False]
    assert lc["detection"].tolist() == [False, False, True, False]
    assert "uploader" in lc.meta["limiting_mag"]


def test_words_for_nothing(skyportal, source):
    source.state.add_point("S1", 60300.0, "atlaso", 1.0, 1.0, origin="None", altdata="NaN")
    source.state.add_point("S1", 60301.0, "atlaso", 1.0, 1.0, origin="fp", altdata={"chi_n": 1.1})
    source.state.add_point("S1", 60302.0, "atlaso", 1.0, 1.0, origin=None, altdata=None)
    lc = skyportal.get_photometry("S1")
    assert lc["origin"].mask.tolist() == [True, False, True]
    assert lc["altdata"].mask.tolist() == [True, False, True]
    assert lc["altdata"][1] == '{"chi_n": 1.1}'
    assert "None" not in lc["origin"].data.tolist() and "NaN" not in lc["altdata"].data.tolist()


def test_numbers_that_are_words(skyportal, source):
    row = {"mjd": 60300.0, "filter": "atlaso", "flux": "NaN", "fluxerr": "2.0", "snr": "None"}
    source.faults = {"photometry": Response(200, envelope([row | {"snr": None}]))}
    lc = skyportal.get_photometry("S1")
    assert lc["flux"].mask[0] and not lc["detection"][0]
    assert lc["limiting_mag"][0].unmasked.value == pytest.approx(23.9 - 2.5 * np.log10(10))


def test_a_row_without_time_or_filter_costs_no_other_row(skyportal, source):
    good = {"mjd": 60300.0, "filter": "atlaso", "flux": 500.0, "fluxerr": 2.0, "id": 1}
    rows = [
        good,
        good | {"mjd": None, "id": 2},
        good | {"filter": None, "id": 3},
        good | {"mjd": 60302.0, "filter": "atlasc", "id": 4},
        {"flux": 1.0},
    ]
    source.faults = {"photometry": Response(200, envelope(rows))}
    what = (
        "3 of 5 rows of S1 have no place in a light curve and are left out: photometry 2 (no mjd), "
        "photometry 3 (no filter), row 4 (no mjd and filter); meta"
    )
    for fetch in (
        lambda: skyportal.get_photometry("S1"),
        lambda: skyportal.get_light_curves(["S1"])["S1"],
    ):
        with pytest.warns(InputWarning, match=re.escape(what)) as caught:
            lc = fetch()
        assert len(caught) == 1 and caught[0].filename == __file__
        assert lc["photometry_id"].tolist() == [1, 4]
        assert lc.time.mjd.tolist() == [60300.0, 60302.0]
        assert lc["band"].tolist() == ["o", "c"]
        assert lc.meta["rows_left_out"] == what[what.index("photometry 2") :].removesuffix("; meta")


def test_rows_of_which_none_has_a_time_are_no_light_curve(skyportal, source):
    rows = [{"time": 60300.0, "filter": "atlaso", "flux": 500.0, "fluxerr": 2.0, "id": 1}]
    source.faults = {"photometry": Response(200, envelope(rows))}
    with pytest.raises(TableParseError, match="no row of photometry has both mjd and filter"):
        skyportal.get_photometry("S1")


def test_bands_of_surveys_and_others(skyportal, source):
    sky = source.state
    sky.instruments[3] = {"id": 3, "name": "Keck LRIS", "telescope_id": 1, "filters": ["sdssg"]}
    for n, (name, instrument) in enumerate(
        [("atlasc", 1), ("ztfr", 2), ("lssty", 2), ("sdssg", 3), ("ps1::g", 3)]
    ):
        sky.add_point("S1", 60300.0 + n, name, 100.0, 1.0, instrument_id=instrument)
    lc = skyportal.get_photometry("S1")
    assert lc["band"].tolist() == ["c", "r", "y", "sdssg", "ps1::g"]
    assert lc["survey"].tolist() == ["atlas", "ztf", "lsst", "keck lris", "keck lris"]
    assert lc["filter"].tolist() == ["atlasc", "ztfr", "lssty", "sdssg", "ps1::g"]
    assert np.isnan(lc["exposure_time"].value[3])
    assert lc.meta["survey"] == "atlas, keck lris, lsst, ztf"
    assert len(set(FILTERS.values())) == len(FILTERS) == 11


def test_the_same_exposure_twice(skyportal, source):
    for flux in (100.0, 101.0):
        source.state.add_point("S1", 60300.0, "atlaso", flux, 1.0)
    source.state.add_point("S1", 60300.0, "atlasc", 50.0, 1.0)
    assert len(skyportal.get_photometry("S1")) == 3
    lc = skyportal.get_photometry("S1", deduplicate=True)
    assert sorted(lc["flux"].unmasked.value.tolist()) == [50.0, 101.0]


def test_a_time_window(skyportal, source):
    for n in range(10):
        source.state.add_point("S1", 60300.0 + n, "atlaso", 100.0, 1.0)
    lc = skyportal.get_photometry("S1", start=60303, end=Time(60306.5, format="mjd"))
    assert lc["time"].mjd.tolist() == [60303.0, 60304.0, 60305.0, 60306.0]
    with pytest.raises(InvalidQueryError, match="before start"):
        skyportal.get_photometry("S1", start=60303, end=60300)


def test_no_photometry(skyportal, source):
    with pytest.warns(NoResultsWarning, match="no photometry of S1"):
        none = skyportal.get_photometry("S1")
    source.state.add_point("S1", 60300.0, "atlaso", 100.0, 1.0)
    some = skyportal.get_photometry("S1", cache=False)
    assert len(none) == 0 and none.colnames == some.colnames
    assert all(type(none[name]) is type(some[name]) for name in some.colnames)
    assert none["flux"].unit == u.uJy


def test_an_object_that_is_not_there_is_a_403(skyportal, source):
    with pytest.raises(NotFoundError, match="or none that this account may see") as caught:
        skyportal.get_photometry("NOPE")
    assert caught.value.status == 403
    # Another 403 stays what it is.
    source.faults = {"": PortalError(403, "Nobody may do this on Sundays")}
    with pytest.raises(LoginError, match="Sundays"):
        skyportal.get_photometry("S1")


def test_a_server_that_ignores_the_system_is_found_out(skyportal, source):
    row = {"mjd": 60300.0, "filter": "atlaso", "flux": 1.0, "fluxerr": 2.0, "magsys": "vega"}
    source.faults = {"photometry": Response(200, envelope([row]))}
    with pytest.raises(TableParseError, match="vega where ab was asked for"):
        skyportal.get_photometry("S1")


def test_keys_of_a_newer_and_an_older_server(skyportal, source):
    source.state.add_point("S1", 60300.0, "atlaso", 100.0, 1.0)
    source.state.extra = {"seeing": 1.5, "magsys": "AB", "validated": None}
    source.state.without = {"groups", "ra", "zp", "origin", "snr"}
    lc = skyportal.get_photometry("S1")
    assert lc["seeing"][0] == 1.5
    assert lc["ra"].mask[0] and lc["origin"].mask[0]
    assert lc["flux"][0] == 100 * u.uJy


def test_it_is_a_light_curve_of_the_house(skyportal, source):
    rng = np.random.default_rng(3)
    for n in range(40):
        flux, night = float(rng.normal(100, 5)), 60300.0 + n // 4
        source.state.add_point("S1", night + 0.01 * (n % 4), "atlaso", flux, 5.0)
    lc = skyportal.get_photometry("S1")
    assert len(clean(lc, preset="skyportal", reduced_chi2_max=None)) == 40
    binned = bin_curve(lc, "1 d")
    assert len(binned) == 10
    assert np.allclose(binned["flux_err"].unmasked.value, 2.5, rtol=0.3)


def test_it_survives_a_file(skyportal, source, tmp_path):
    source.state.add_point("S1", 60300.123456789, "atlaso", 100.125, 1.5)
    source.state.add_point("S1", 60301.0, "atlaso", None, 1.5, limiting_mag=20.0)
    lc = skyportal.get_photometry("S1")
    lc.write(tmp_path / "lc.ecsv")
    again = TimeSeries.read(tmp_path / "lc.ecsv")
    assert again["flux"].unmasked.value[0] == 100.125
    assert again["time"].mjd[0] == lc["time"].mjd[0]
    assert again.meta["object"] == "S1"


def test_many_light_curves(skyportal, source):
    for n in range(2, 31):
        source.state.add_source(f"S{n}", 10.0, 20.0)
    for n in range(1, 31):
        for k in range(n % 3):
            source.state.add_point(f"S{n}", 60300.0 + k, "atlaso", 100.0, 1.0)
    names = [f"S{n}" for n in range(1, 31)]
    found = skyportal.get_light_curves([*names, "S1"])
    assert list(found) == names and found.failures == []
    assert [len(found[f"S{n}"]) for n in (1, 2, 3)] == [1, 2, 0]
    assert found["S2"].meta["query"] == "get_light_curves"
    assert len(source.received) == 30


def test_one_of_many_fails(skyportal, source):
    source.state.add_point("S1", 60300.0, "atlaso", 100.0, 1.0)
    with pytest.raises(IncompleteResultError, match="1 of 2 objects failed; the first, NOPE") as c:
        skyportal.get_light_curves(["NOPE", "S1"])
    assert list(c.value.result) == ["S1"]
    assert [name for name, _ in c.value.failures] == ["NOPE"]
    with pytest.warns(InputWarning, match="NOPE"):
        found = skyportal.get_light_curves(["S1", "NOPE"], on_error="warn")
    assert len(found["S1"]) == 1
    with pytest.raises(KeyError, match="NOPE failed"):
        found["NOPE"]


def test_many_with_names_that_are_none(skyportal, double):
    for wrong in ([], ["S1", "a b"], None, [1.5]):
        with pytest.raises(InvalidQueryError, match="source_ids"):
            skyportal.get_light_curves(wrong)
    assert double.received == []


def test_light_curves_of_what_was_found(skyportal, source):
    source.state.add_source("S2", 11.0, 20.0)
    for name in ("S1", "S2"):
        source.state.add_point(name, 60300.0, "atlaso", 100.0, 5.0)
    found = skyportal.query_criteria()
    assert list(skyportal.get_light_curves(found)) == found["id"].tolist()
    with pytest.raises(InvalidQueryError, match=r"^source_ids\[1\]="):
        skyportal.get_light_curves(["S1", None])

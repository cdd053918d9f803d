"""What the server's rows become in a light curve, worked out by hand."""

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked
from numpy.testing import assert_allclose, assert_array_equal

from atlasquery.atlas.columns import DETECTION, FORCED, NON_DETECTION
from atlasquery.atlas.photometry import forced_light_curve, light_curve
from atlasquery.lightcurve import SCHEMA
from atlasquery.tables import decode_rows

OBJECT_ID = 1000005291314656200
DETECTIONS = b"""[
 {"id":1000005291314656200,"mag":19.0,"magerr":0.1,"mjd":60002.5,"exptime":30.0,"filter":"o",
  "zp":22.2,"expname":"01a60002o0001o","ra":0.02,"dec":31.7,"atlas_metadata_id":11,
  "pointing":"TA002N29","mag5sig":19.7,"x":1.0,"y":2.0,"major":2.5,"minor":2.0,"phi":-71.8,
  "det":0,"chin":1.2,"pvr":1,"ptr":2,"pmv":3,"pkn":4,"pno":5,"pbn":6,"pcr":7,"pxt":8,"psc":9,
  "dup":-1,"wpflx":10.0,"dflx":1.5,"date_inserted":"2023-02-27T01:02:03Z"},
 {"id":1000005291314656200,"mag":-18.22,"magerr":0.413,"mjd":60000.5,"exptime":30.0,"filter":"c",
  "zp":22.2,"expname":"01a60000o0001c","ra":0.02,"dec":31.7,"atlas_metadata_id":9,
  "pointing":"TA002N29","mag5sig":18.7,"x":1.0,"y":2.0,"major":2.5,"minor":2.0,"phi":90.7,
  "det":5,"chin":1.2,"pvr":0,"ptr":0,"pmv":0,"pkn":0,"pno":0,"pbn":0,"pcr":0,"pxt":0,"psc":0,
  "dup":0,"wpflx":-62.6,"dflx":3.4,"date_inserted":null}]"""
NON_DETECTIONS = b"""[
 {"id":10,"mjd":60001.5,"exptime":30.0,"filter":"o","zp":22.3,"expname":"02a60001o0001o",
  "filename":"02a60001o0001o.ddc","input":null,"reference":"/atlas/wallpaper/x.fits",
  "pointing":"TA002N29","mag5sig":19.5,"date_inserted":"2023-02-26T01:02:03Z"}]"""
FORCED_ROWS = b"""[
 {"id":1,"atlas_object_id":1000005291314656200,"expname":"a","mjd_obs":59077.5,"ra":1.0,"dec":2.0,
  "filter":"o","mag":20.95,"dm":0.0,"snr":3.0,"zp":22.3,"x":1.0,"y":2.0,"peakval":1.0,"skyval":1.0,
  "peakfit":7.5,"dpeak":10.7,"skyfit":1.0,"flux":-807.5,"dflux":545.5,"chin":0.85,"major":1.87,
  "minor":1.73,"snrdet":1.0,"snrlimit":3.0,"apfit":-0.4287,"date_inserted":"2020-09-15T18:14:15Z",
  "limiting_mag":true,"redo_photometry":false},
 {"id":2,"atlas_object_id":1000005291314656200,"expname":"b","mjd_obs":59078.5,"ra":1.0,"dec":2.0,
  "filter":"c","mag":20.0,"dm":0.2,"snr":5.0,"zp":22.3,"x":1.0,"y":2.0,"peakval":1.0,"skyval":1.0,
  "peakfit":40.0,"dpeak":8.0,"skyfit":1.0,"flux":1.0,"dflux":1.0,"chin":0.85,"major":2.0,
  "minor":2.0,"snrdet":1.0,"snrlimit":3.0,"apfit":-0.4,"date_inserted":"2020-09-15T18:14:15Z",
  "limiting_mag":false,"redo_photometry":null,"uJy":36.3,"duJy":7.26,"texp":30.0},
 {"id":3,"atlas_object_id":1000005291314656200,"expname":"c","mjd_obs":59079.5,"ra":1.0,"dec":2.0,
  "filter":"c","mag":null,"dm":null,"snr":null,"zp":22.3,"x":null,"y":null,"peakval":null,
  "skyval":null,"peakfit":null,"dpeak":null,"skyfit":null,"flux":null,"dflux":null,"chin":null,
  "major":null,"minor":null,"snrdet":1.0,"snrlimit":3.0,"apfit":null,
  "date_inserted":"2020-09-15T18:14:15Z","limiting_mag":false,"redo_photometry":null,
  "uJy":null,"duJy":null,"texp":30.0},
 {"id":4,"atlas_object_id":1000005291314656200,"expname":"d","mjd_obs":59080.5,"ra":1.0,"dec":2.0,
  "filter":"c","mag":20.0,"dm":0.2,"snr":5.0,"zp":22.3,"x":1.0,"y":2.0,"peakval":1.0,"skyval":1.0,
  "peakfit":-40.0,"dpeak":8.0,"skyfit":1.0,"flux":1.0,"dflux":1.0,"chin":0.85,"major":2.0,
  "minor":2.0,"snrdet":1.0,"snrlimit":3.0,"apfit":-0.4,"date_inserted":"2020-09-15T18:14:15Z",
  "limiting_mag":false,"redo_photometry":null,"uJy":-36.3,"duJy":7.26,"texp":30.0}]"""


@pytest.fixture
def lc():
    rows = decode_rows(DETECTION, DETECTIONS), decode_rows(NON_DETECTION, NON_DETECTIONS)
    return light_curve(*rows, atlas_id=OBJECT_ID, window=(None, None), meta={"object": "x"})


@pytest.fixture
def forced():
    rows = decode_rows(FORCED, FORCED_ROWS)
    return forced_light_curve(rows, window=(None, None), meta={})


def test_rows_of_both_kinds_in_order_of_time(lc):
    assert isinstance(lc, TimeSeries)
    assert_array_equal(lc.time.mjd, [60000.5, 60001.5, 60002.5])
    assert (lc.time.scale, lc.time.format) == ("utc", "mjd")
    assert lc["detection"].tolist() == [True, False, True]
    assert lc["band"].tolist() == ["c", "o", "o"]
    assert lc["exposure"].tolist() == ["01a60000o0001c", "02a60001o0001o", "01a60002o0001o"]
    assert lc["survey"].tolist() == ["atlas"] * 3
    assert lc.colnames[: len(SCHEMA) + 1] == ["time", *(c.name for c in SCHEMA)]


def test_flux_is_signed(lc):
    assert lc["flux"].unit == lc["flux_err"].unit == u.uJy
    assert lc["flux"].mask.tolist() == [False, True, False]
    # 10^((23.9 - 19.0) / 2.5), and 10^((23.9 - 18.22) / 2.5) below zero.
    assert_allclose(lc["flux"].unmasked.value[[2, 0]], [91.20108394, -187.06821404], rtol=1e-8)
    assert_allclose(lc["flux_err"].unmasked.value[2], 91.20108394 * 0.1 / 1.0857362, rtol=1e-7)
    assert_allclose(lc["flux_err"].unmasked.value[0], 187.06821404 * 0.413 / 1.0857362, rtol=1e-7)
    assert np.isnan(lc["flux"].unmasked.value[1])


def test_magnitudes_are_those_of_positive_detections(lc):
    assert lc["mag"].mask.tolist() == [True, True, False]
    assert lc["mag_err"].mask.tolist() == [True, True, False]
    assert (lc["mag"][2], lc["mag_err"][2]) == (19.0 * u.mag, 0.1 * u.mag)
    assert np.isnan(lc["mag"].unmasked.value[:2]).all()
    # What the server sent is kept, sign and all.
    assert_array_equal(lc["signed_mag"].unmasked.value[[0, 2]], [-18.22, 19.0])
    assert lc["signed_mag_err"][0] == 0.413 * u.mag


def test_limits_and_exposure_time(lc):
    assert_array_equal(lc["limiting_mag"].unmasked.value, [18.7, 19.5, 19.7])
    assert not lc["limiting_mag"].mask.any()
    middle = lc.time + lc["exposure_time"] / 2
    assert_allclose((middle - lc.time).to_value(u.s), 15.0)


def test_every_wire_column_is_there(lc):
    sent = {c.name for c in (*DETECTION, *NON_DETECTION)} - {"time"}
    assert sent <= set(lc.colnames)
    assert lc["exposure_id"].tolist() == [9, 10, 11]
    assert lc["atlas_id"].tolist() == [OBJECT_ID] * 3
    assert lc["duplicate"].tolist() == [0, None, -1]
    assert lc["score_scar"].tolist() == [0, None, 9]
    assert lc["input_file"].mask.all()
    assert lc["reference_file"].tolist() == [None, "/atlas/wallpaper/x.fits", None]
    assert lc["date_inserted"].mask.tolist() == [True, False, False]
    assert lc["date_inserted"][1] == Time("2023-02-26T01:02:03")
    for name in lc.colnames:
        assert lc[name].info.description, name


def test_types_do_not_depend_on_the_data():
    empty = [decode_rows(DETECTION, b"[]"), decode_rows(NON_DETECTION, b"[]")]
    filled = [decode_rows(DETECTION, DETECTIONS), decode_rows(NON_DETECTION, NON_DETECTIONS)]
    curves = [
        light_curve(detections, non_detections, atlas_id=OBJECT_ID, window=(None, None), meta={})
        for detections in (empty[0], filled[0])
        for non_detections in (empty[1], filled[1])
    ]
    curves.append(light_curve(*filled, atlas_id=OBJECT_ID, window=(0.0, 1.0), meta={}))
    assert [len(c) for c in curves] == [0, 1, 2, 3, 0]
    for curve in curves:
        assert curve.colnames == curves[0].colnames
        for name in ("flux", "mag", "limiting_mag", "ra", "zero_point"):
            assert isinstance(curve[name], Masked), name
            assert isinstance(curve[name], u.Quantity), name
        for one, other in zip(curve.itercols(), curves[0].itercols(), strict=True):
            assert type(one) is type(other)
            kind = getattr(one, "dtype", None)
            assert kind is None or kind.kind == other.dtype.kind


def test_forced_flux_is_recovered_from_the_fit(forced):
    assert_array_equal(forced.time.mjd, [59077.5, 59078.5, 59079.5, 59080.5])
    # 7.5 * 1.87 * 1.73 / 30 * 10^(-0.4 (22.3 - 0.4287 - 23.9))
    assert_allclose(forced["flux"].unmasked.value[0], 5.239, rtol=1e-3)
    assert_allclose(forced["flux_err"].unmasked.value[0], 7.475, rtol=1e-3)
    assert_array_equal(forced["flux"].unmasked.value[[1, 3]], [36.3, -36.3])
    assert forced["flux"].mask.tolist() == [False, False, True, False]
    assert_array_equal(forced["exposure_time"].value, 30.0)


def test_forced_detections_and_limits(forced):
    assert forced["detection"].tolist() == [False, True, False, True]
    assert forced["mag"].mask.tolist() == [True, False, True, True]
    assert_allclose(forced["mag"].unmasked.value[1], 23.9 - 2.5 * np.log10(36.3))
    assert_allclose(forced["mag_err"].unmasked.value[1], 1.0857362 * 0.2, rtol=1e-7)
    assert_allclose(forced["limiting_mag"].unmasked.value[[1, 3]], 23.9 - 2.5 * np.log10(5 * 7.26))
    # The wire's own magnitude and its meaning are kept.
    assert_array_equal(forced["reported_mag"].unmasked.value[[0, 1, 3]], [20.95, 20.0, 20.0])
    assert forced["is_limit"].tolist() == [True, False, False, False]
    assert_array_equal(forced["flux_counts"][:2], [-807.5, 1.0])


def test_detections_of_the_servers(atlas, server):
    seen = 0
    for object_id in [*server.ids("main"), *server.ids("ra_zero")]:
        source = atlas.get_source(object_id)
        lc = source.light_curve
        detected = lc[lc["detection"]]
        seen += len(detected)
        assert lc.meta["object"] == source.name
        assert (lc.meta["magsys"], lc.meta["atlas_id"]) == ("AB", object_id)
        assert (lc.meta["time_reference"], lc.meta["flux_kind"]) == ("start", "difference")
        assert_array_equal(
            detected["flux"].unmasked.value < 0, detected["signed_mag"].unmasked.value < 0
        )
        assert not detected["flux"].mask.any()
        assert lc[~lc["detection"]]["flux"].mask.all()
        assert len(set(lc["exposure"].tolist())) == len(lc)
        forced = source.forced_photometry
        assert np.isfinite(forced["flux"].unmasked.value[~forced["flux"].mask]).all()
    assert seen > 50


def test_columns_put_together_equal_those_of_the_public_constructor(lc):
    public = TimeSeries({name: lc[name] for name in lc.colnames}, copy=True)
    assert public.colnames == lc.colnames
    for name in lc.colnames:
        assert type(public[name]) is type(lc[name]), name
        assert public[name].info.description == lc[name].info.description
        if name not in ("time", "date_inserted"):
            mask = getattr(public[name], "mask", None)
            assert_array_equal(getattr(lc[name], "mask", None), mask)
    assert lc[1:]["band"].tolist() == ["o", "o"]
    lc["twice"] = 2 * lc["flux"]
    assert lc["twice"].unit == u.uJy
    lc.add_row(lc[0])
    assert len(lc) == 4

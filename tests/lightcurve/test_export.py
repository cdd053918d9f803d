"""Light curves as other packages take them, given to these packages."""

import warnings

import astropy.units as u
import example_curves
import numpy as np
import pytest
from astropy.table import QTable
from astropy.time import Time

from atlasquery.atlas import AtlasClass
from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve import (
    Flag,
    bin,
    colour,
    peak,
    subtract_baseline,
    summary,
    to_lightkurve,
    to_nested,
    to_pandas,
    to_sncosmo,
)
from atlasquery.lightcurve.export import SNCOSMO_BANDS
from atlasquery.lightcurve.sncosmo_names import SNCOSMO_NAMES

# Bands of ATLAS that SNCosmo does not have.
OTHERS = dict.fromkeys("twh")


@pytest.fixture(scope="module")
def atlas(sandbox):
    atlas = AtlasClass(server=sandbox.url)
    atlas.login(token=sandbox.token)
    return atlas


@pytest.fixture(scope="module")
def source(atlas, sandbox):
    return atlas.get_source(sandbox.manifest["ids"]["supernova"][2], cache=False)


@pytest.fixture(scope="module")
def forced(source):
    return source.forced_photometry


def bare(column):
    return np.where(column.mask, np.nan, column.unmasked.value)


def test_pandas_has_every_column_and_value(source):
    pytest.importorskip("pandas")
    for lc in (source.light_curve, source.forced_photometry):
        frame = to_pandas(lc)
        assert list(frame) == ["mjd", *lc.colnames[1:]]
        np.testing.assert_array_equal(frame["mjd"], lc.time.mjd)
        assert frame.index.name == "time"
        np.testing.assert_array_equal(frame.index.values, lc.time.datetime64)
        for name in ("flux", "flux_err", "mag", "limiting_mag"):
            np.testing.assert_array_equal(frame[name], bare(lc[name]))
        assert frame["band"].tolist() == lc["band"].tolist()
        assert frame["detection"].tolist() == lc["detection"].tolist()
        assert frame["atlas_id"].tolist() == [source.atlas_id] * len(lc)
        assert frame["date_inserted"].isna().tolist() == lc["date_inserted"].mask.tolist()
        assert frame.attrs["units"]["flux"] == "uJy"
        assert frame.attrs["time_scale"] == "utc"
        assert frame.attrs["object"] == source.name


def test_pandas_keeps_missing_integers_and_truth_values(source):
    pytest.importorskip("pandas")
    lc = source.light_curve
    assert lc["duplicate"].mask.any()
    frame = to_pandas(lc)
    assert str(frame["duplicate"].dtype) == "Int64"
    assert frame["duplicate"].isna().tolist() == lc["duplicate"].mask.tolist()
    assert str(to_pandas(source.forced_photometry)["is_limit"].dtype) == "boolean"


def test_pandas_keeps_a_leap_second():
    """As the first second of the next day, which POSIX and astropy's datetimes have for it."""
    pytest.importorskip("pandas")
    lc = example_curves.light_curve([57753.5, 57753.9, 57754.0], [1.0, 2.0, 3.0])
    texts = ["2016-12-31T23:59:59.5", "2016-12-31T23:59:60.25", "2017-01-01T00:00:00.5"]
    lc["time"] = Time(texts, scale="utc")
    expected = np.array([texts[0], "2017-01-01T00:00:00.25", texts[2]], "datetime64[ns]")
    np.testing.assert_array_equal(to_pandas(lc).index.values, expected)


def test_pandas_of_nothing_has_the_columns(source):
    pytest.importorskip("pandas")
    full, empty = to_pandas(source.light_curve), to_pandas(source.light_curve[:0])
    assert len(empty) == 0
    assert (empty.dtypes == full.dtypes).all()
    assert empty.index.dtype == full.index.dtype


def test_sncosmo_has_what_was_measured(forced):
    data = to_sncosmo(forced, bands=OTHERS)
    measured = np.isfinite(bare(forced["flux"])) & (np.nan_to_num(bare(forced["flux_err"])) > 0)
    assert (measured & ~np.isin(forced["band"], ["o", "c"])).any()
    measured &= np.isin(forced["band"], ["o", "c"])
    assert len(data) == measured.sum()
    assert data.meta["left_out"] == len(forced) - measured.sum()
    assert set(data["band"]) == {"atlaso", "atlasc"}
    assert set(data["zp"]) == {23.9}
    assert set(data["zpsys"]) == {"ab"}
    np.testing.assert_array_equal(data["flux"], forced["flux"].unmasked.value[measured])
    middle = (forced.time + forced["exposure_time"] / 2).mjd[measured]
    np.testing.assert_allclose(data["time"], middle, rtol=0, atol=1e-9)
    expected = ["atlas" + band for band in forced["band"][measured]]
    assert data["band"].tolist() == expected
    # Negative fluxes are measurements.
    assert (data["flux"] < 0).any()


def test_sncosmo_takes_it(forced):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sncosmo = pytest.importorskip("sncosmo")
        from sncosmo.bandpasses import _BANDPASSES
        from sncosmo.photdata import photometric_data
    known = {name.lower() for name, _ in _BANDPASSES._loaders}
    data = to_sncosmo(forced, bands=OTHERS)
    assert set(data["band"]) <= known
    # The real curves would be fetched from the network.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, low, high in (("atlasc", 4200.0, 6500.0), ("atlaso", 5600.0, 8200.0)):
            band = sncosmo.Bandpass([low, low + 1, high - 1, high], [0.0, 1, 1, 0], name=name)
            sncosmo.register(band, name, force=True)
        photometry = photometric_data(data)
        assert len(photometry) == len(data)
        flat = sncosmo.Model(
            source=sncosmo.TimeSeriesSource(
                np.linspace(-1e5, 1e5, 5), np.linspace(3000.0, 9500.0, 5), np.full((5, 5), 1e-17)
            )
        )
        chi2 = sncosmo.chisq(data, flat)
    assert np.isfinite(chi2)
    # A source of 1 uJy has this flux at this zero point, whatever the band.
    ab = sncosmo.get_magsystem("ab")
    assert ab.band_flux_to_mag(ab.band_mag_to_flux(23.9, "atlaso"), "atlaso") == pytest.approx(23.9)


def test_a_band_without_a_name_is_refused_or_named(source):
    lc = source.light_curve[np.isin(source.light_curve["band"], ["o", "c"])]
    other = np.flatnonzero(lc["detection"] & np.isfinite(bare(lc["flux"])))[0]
    lc["band"][other] = "h"
    with pytest.raises(InvalidQueryError, match=r"bands 'h' of atlas, .*bands=\{'h': None\}"):
        to_sncosmo(lc)
    named = to_sncosmo(lc, bands={"h": "mine"})
    without = to_sncosmo(lc, bands=OTHERS)
    assert "mine" in named["band"]
    assert len(without) == len(named) - 1


def test_bands_of_other_surveys_have_their_names(forced):
    lc = forced[:2].copy()
    lc["survey"], lc["band"] = ["ztf", "ps1"], ["g", "i"]
    lc["flux"], lc["flux_err"] = [1.0, 2.0] * u.uJy, [1.0, 1.0] * u.uJy
    assert to_sncosmo(lc)["band"].tolist() == ["ztfg", "ps1::i"]


def test_names_of_sncosmo_are_passed_through(forced):
    lc = forced[:4].copy()
    lc["survey"] = np.full(4, "skyportal")
    lc["band"] = np.array(["ztfg", "sdss::g", "atlaso", "gaia::gbp"])
    lc["flux"], lc["flux_err"] = np.ones(4) * u.uJy, np.ones(4) * u.uJy
    assert to_sncosmo(lc)["band"].tolist() == lc["band"].tolist()
    lc["band"] = np.array(["ztfg", "g", "atlast", "w"])
    with pytest.raises(InvalidQueryError, match=r"bands 'atlast' of skyportal, 'g' .*, 'w' of sky"):
        to_sncosmo(lc)
    # A name given counts more than one known.
    named = to_sncosmo(lc, bands={"ztfg": "ztf::g", "g": "mine", "atlast": None, "w": None})
    assert named["band"].tolist() == ["ztf::g", "mine"]


def test_names_of_bands_are_in_the_registry_of_sncosmo():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("sncosmo")
        from sncosmo.bandpasses import _BANDPASS_INTERPOLATORS, _BANDPASSES
    loaders = [*_BANDPASSES._loaders, *_BANDPASS_INTERPOLATORS._loaders]
    registered = {name for name, _ in loaders}
    assert set(SNCOSMO_BANDS.values()) <= registered
    # Later releases add names, which makes them no error here.
    assert registered >= SNCOSMO_NAMES
    assert len(SNCOSMO_NAMES) > 200


def test_lightkurve_takes_one_band(forced):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lightkurve = pytest.importorskip("lightkurve")
    with pytest.raises(InvalidQueryError, match="the bands c, h, o, w; choose one: band='c'"):
        to_lightkurve(forced)
    with pytest.raises(InvalidQueryError, match="band='z' is not known"):
        to_lightkurve(forced, band="z")
    one = to_lightkurve(forced, band="o")
    assert isinstance(one, lightkurve.LightCurve)
    chosen = (np.asarray(forced["band"]) == "o") & np.isfinite(bare(forced["flux"]))
    assert len(one) == chosen.sum() > 20
    np.testing.assert_array_equal(one.flux.value, forced["flux"].unmasked.value[chosen])
    assert one.flux.unit == u.uJy
    assert one.time.scale == "utc"
    assert one.meta["object"] == forced.meta["object"]
    assert to_lightkurve(forced[chosen]).flux.shape == one.flux.shape
    periodogram = one.to_periodogram(minimum_period=1, maximum_period=10, oversample_factor=1)
    assert np.isfinite(periodogram.power.value).all()


def test_periodograms_look_under_masks():
    """What the documentation says of masks, and that the way it shows is safe."""
    from astropy.timeseries import BoxLeastSquares, LombScargle
    from astropy.utils.masked import Masked

    time = Time(60000 + 0.37 * np.arange(60), format="mjd")
    flux = 100 + 10 * np.sin(2 * np.pi * time.mjd / 3)
    error = np.full(60, 1.0) * u.uJy
    hidden = np.arange(60) % 7 == 0
    frequency, period = 1 / (3 * u.day), [3] * u.day
    safe = LombScargle(time[~hidden], flux[~hidden] * u.uJy, error[~hidden]).power(frequency)
    assert safe > 0.999
    boxes = BoxLeastSquares(time[~hidden], flux[~hidden] * u.uJy, error[~hidden])
    expected = boxes.power(period, 0.2 * u.day).power
    for below in (1e6, np.nan):
        masked = Masked(np.where(hidden, below, flux) * u.uJy, mask=hidden)
        power = LombScargle(time, masked, error).power(frequency)
        assert np.isnan(power) if np.isnan(below) else power < 0.1
        box = BoxLeastSquares(time, masked, error).power(period, 0.2 * u.day).power
        assert not np.allclose(box, expected, rtol=0.1)


def test_lightkurve_looks_under_masks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lightkurve = pytest.importorskip("lightkurve")
    from astropy.utils.masked import Masked

    days = 60000 + 0.37 * np.arange(60)
    flux = 100 + 10 * np.sin(2 * np.pi * days / 3)
    lc = example_curves.light_curve(days, flux, flux_err=1.0)
    frequency = np.array([1 / 3, 1 / 2.2]) / u.day
    lc["flux"].mask[::7] = True
    lc["flux"].unmasked[::7] = 1e6 * u.uJy
    safe = to_lightkurve(lc).to_periodogram(frequency=frequency)
    masked = Masked(lc["flux"].unmasked, mask=lc["flux"].mask)
    columns = lightkurve.LightCurve(time=lc.time, flux=masked)
    unsafe = columns.to_periodogram(frequency=frequency)
    assert safe.power.value[0] == pytest.approx(10, rel=0.05)
    assert unsafe.power.value[0] > 100


def test_nested_pandas_takes_many(atlas, sandbox):
    pytest.importorskip("nested_pandas")
    ids = sandbox.manifest["ids"]["supernova"][:3]
    curves = atlas.get_light_curves(ids, progress=False)
    nested = to_nested(curves)
    assert nested.index.tolist() == list(curves)
    assert nested["object"].tolist() == [lc.meta["object"] for lc in curves.values()]
    assert nested["ra"].tolist() == [lc.meta["coordinates"].ra.deg for lc in curves.values()]
    for key, lc in curves.items():
        rows = nested.loc[key, "light_curve"]
        assert len(rows) == len(lc)
        np.testing.assert_array_equal(rows["mjd"], lc.time.mjd)
        np.testing.assert_array_equal(rows["flux"], bare(lc["flux"]))
    assert nested["light_curve.flux"].max() == max(
        np.nanmax(bare(lc["flux"])) for lc in curves.values()
    )
    assert to_nested(list(curves.values())).index.tolist() == [0, 1, 2]
    assert len(to_nested({})) == 0


def test_other_units_are_converted(forced):
    lc = forced.copy()
    for name in ("flux", "flux_err"):
        lc[name] = lc[name].to(u.mJy)
    one, other = (to_sncosmo(curve, bands=OTHERS) for curve in (lc, forced))
    np.testing.assert_allclose(one["flux"], other["flux"], rtol=1e-12)
    pytest.importorskip("pandas")
    assert to_pandas(lc).attrs["units"]["flux"] == "mJy"


@pytest.mark.parametrize("name", ["flux", "band", "exposure_time"])
def test_a_missing_column_is_named(forced, name):
    lc = forced.copy()
    lc.remove_column(name)
    with pytest.raises(InvalidQueryError, match=name):
        to_sncosmo(lc)


@pytest.mark.parametrize("function", [to_pandas, to_sncosmo, to_lightkurve])
def test_what_is_no_light_curve_is_refused(function):
    with pytest.raises(InvalidQueryError, match="lc should be a TimeSeries, not QTable"):
        function(QTable({"time": Time([61000.0], format="mjd")}))


def test_what_is_no_light_curve_is_named():
    with pytest.raises(InvalidQueryError, match=r"lcs\['a'\] should be a TimeSeries, not int"):
        to_nested({"a": 1})


def test_sncosmo_leaves_out_what_is_flagged_and_has_no_time_of_nan():
    columns = ([58000.0, 58001.0, 58002.0], [100.0, 110.0, 120.0])
    lc = example_curves.light_curve(*columns, exposure_time=np.array([30.0, np.nan, 30.0]))
    lc["flag"] = np.array([0, 0, int(Flag.CHI2)])
    table = to_sncosmo(lc)
    np.testing.assert_allclose(table["time"], [58000.0 + 15 / 86400, 58001.0], rtol=0, atol=1e-9)
    assert table.meta["left_out"] == 1
    lc.meta["time_reference"] = "middle"
    assert to_sncosmo(lc)["time"].tolist() == [58000.0, 58001.0]


def test_two_time_scales_are_not_put_in_one_column():
    curves = {
        "a": example_curves.light_curve([58000.0], [100.0]),
        "b": example_curves.light_curve([58000.0], [100.0], scale="tdb"),
    }
    with pytest.raises(InvalidQueryError, match=r"column time of lcs\['b'\] is in 'tdb'"):
        to_nested(curves)


def test_lightkurve_refuses_the_same_band_of_several_surveys():
    """SkyPortal sends the bands g of ZTF and of LSST in one light curve."""
    survey = np.where(np.arange(8) % 2, "ztf", "lsst")
    lc = example_curves.light_curve(59000 + np.arange(8.0), 100.0, 5.0, "g", survey=survey)
    with pytest.raises(InvalidQueryError, match="fluxes of lsst and ztf in this band"):
        to_lightkurve(lc, band="g")


def test_bands_that_astropy_read_as_bytes():
    """`Table.read` of a FITS file gives bytes."""
    lc = example_curves.light_curve(
        58800 + np.arange(120.0), np.arange(120) + 50.0, 5.0, np.array(["o", "c"] * 60)
    )
    raw = lc.copy()
    for name in ("band", "survey", "exposure"):
        raw[name] = np.asarray(lc[name]).astype("S")
    assert to_sncosmo(raw)["band"].tolist() == to_sncosmo(lc)["band"].tolist()
    assert len(colour(lc, width=3 * u.day)) == len(colour(raw, width=3 * u.day)) > 30
    assert peak(raw, band="o")["time"] == peak(lc, band="o")["time"]
    assert bin(raw)["band"].tolist() == bin(lc)["band"].tolist()
    assert summary(raw)["peak_band"][0] == "c"
    # Also the changes of reference images of ATLAS are known by the survey.
    baselines = [subtract_baseline(one).meta["baseline"] for one in (lc, raw)]
    assert len(baselines[0]) == 4 and baselines[0] == baselines[1]
    raw["band"] = np.full(120, b"\xff")
    with pytest.raises(InvalidQueryError, match="the column band has bytes that are not text"):
        bin(raw)

"""Combined light curves: times, kinds and duplicates, against what was worked out by hand."""

import sys
import warnings

import astropy.units as u
import numpy as np
import pytest
import survey_curves as surveys
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.time import Time
from astropy.utils import iers
from astropy.utils.masked import Masked
from example_curves import light_curve

from atlasquery import combine
from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.lightcurve import SCHEMA, LightCurves
from atlasquery.lightcurve import bin as bin_curve
from atlasquery.lightcurve.combine_tables import COMBINED
from atlasquery.lightcurve.time_reference import SITES
from atlasquery.lightcurve.time_scales import light_travel_time, shifted
from atlasquery.tables import LightCurve

MICROSECOND = 1e-6
# MJD 60000.0 UTC: TAI less UTC is 37 s, half of 30 s are 15 s.
MIDDLE = 60000.0 + 52.0 / 86400.0


def one(meta, time=60000.0, flux=100.0, flux_err=5.0, **values):
    survey = meta["survey"].split(",")[0]
    return light_curve(time, flux, flux_err, survey=survey, meta=meta, **values)


def atlas(time=60000.0, exposure="01a60000o0001o", **values):
    meta = surveys.ATLAS | values.pop("meta", {})
    return one(meta, time, exposure=exposure, **values)


def ztf(time=60000.0, exposure="123", **values):
    return one(surveys.ZTF, time, exposure=exposure, **{"band": "g", **values})


def lsst(time=MIDDLE, exposure="77", **values):
    return one(surveys.LSST, time, exposure=exposure, **{"band": "g", "scale": "tai", **values})


def skyportal(time=60000.0, **values):
    return one(surveys.SKYPORTAL, time, exposure="", **{"band": "g", **values})


def lcc(time=60000.0, **values):
    values = {"scale": "tdb", "exposure_time": 300.0, "band": "r", **values}
    return one(surveys.LCC, time, exposure="", **values)


def copies(lc):
    return int((~lc["duplicate_of"].mask).sum())


def quietly(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        return combine(*args, **options)


def test_the_same_instant_of_three_surveys_is_one_time():
    lc = combine([atlas(), ztf(), lsst()])
    assert lc.time.scale == "tai" and lc.meta["time_reference"] == "middle"
    truth = Time(60000.0, 52.0 / 86400.0, format="mjd", scale="tai")
    assert np.all(np.abs((lc.time - truth).sec) < MICROSECOND)
    # What it is without care.
    naive = (lsst().time.mjd - ztf().time.mjd)[0] * 86400
    assert naive == pytest.approx(52.0, abs=1e-5)


def test_each_exposure_has_its_middle():
    lc = combine([atlas([60000.0, 60001.0, 60002.0], ["a", "b", "c"],
                        exposure_time=np.array([10.0, 30.0, 110.0]))])  # fmt: skip
    start = Time([60000.0, 60001.0, 60002.0], format="mjd", scale="utc")
    assert np.allclose((lc.time - start).sec, [5.0, 15.0, 55.0], atol=MICROSECOND, rtol=0)
    assert lc["exposure_time_known"].all()


def test_forced_photometry_takes_the_exposure_time_of_the_same_exposure():
    names = ["04a60282o0001o", "04a60282o0002o"]
    sent = atlas([60282.0, 60282.1], names, exposure_time=np.array([110.0, 30.0]))
    forced = one(surveys.FORCED, [60282.0, 60282.1, 60282.2], exposure=[*names, "04a60282o0003o"])
    lc = combine([forced, sent])
    of = lc[lc["service"] == "forcedphot"]
    assert of["exposure_time"].value.tolist() == [110.0, 30.0, 30.0]
    assert of["exposure_time_known"].tolist() == [True, True, False]
    start = Time([60282.0, 60282.1, 60282.2], format="mjd", scale="utc")
    assert np.allclose((of.time - start).sec, [55.0, 15.0, 15.0], atol=MICROSECOND, rtol=0)
    assert "2 exposure times from another row of the exposure" in lc.meta["history"][-1]
    assert "1 exposure times that the survey usually has" in lc.meta["history"][-1]


def test_a_name_of_another_survey_or_object_is_not_looked_up():
    sent = atlas(exposure="1", exposure_time=110.0)
    other = ztf(exposure="1")
    assert combine([other, sent])["exposure_time"].value.tolist() == [30.0, 110.0]
    forced = one(surveys.FORCED, exposure="1")
    many = combine({"a": [forced], "b": [sent]})
    assert many["a"]["exposure_time"].value.tolist() == [30.0]


def test_two_exposures_of_atlas_with_one_mjd_stay_two():
    lc = combine([atlas([59748.25, 59748.25], ["04a59748o0001o", "04a59748o0002o"])])
    assert len(lc) == 2 and copies(lc) == 0
    again = combine([atlas(59748.25, "04a59748o0001o"), atlas(59748.25, "04a59748o0002o")])
    assert len(again) == 2 and copies(again) == 0


def test_the_same_exposure_of_atlas_with_another_mjd_is_one():
    # The server has corrected a wrong time since one of them was fetched.
    lc = combine([atlas(59748.25), atlas(59748.25 + 39 / 86400)])
    assert copies(lc) == 1 and copies(combine([atlas(59748.25), atlas(59748.25)])) == 1


def test_fluxes_equal_those_given():
    given = [surveys.atlas(), surveys.forced(), surveys.ztf(), surveys.lsst()]
    lc = combine(given)
    assert len(lc) == sum(map(len, given))
    for name in ("flux", "flux_err", "mag", "mag_err"):
        of_all = np.concatenate([part[name].unmasked.value for part in given])
        ours = lc[name].unmasked.value
        known = ~np.isnan(of_all)
        assert np.array_equal(np.sort(ours[~np.isnan(ours)]), np.sort(of_all[known]))
        assert np.array_equal(lc[name].mask, np.isnan(ours))
    # Row by row, by what names a row.
    key = dict(zip(zip(lc["exposure"], lc["service"], lc["measurement"], strict=True),
                   lc["flux"].unmasked.value, strict=True))  # fmt: skip
    for part, service, kind in ((given[1], "forcedphot", "forced"),):
        for exposure, flux in zip(part["exposure"], part["flux"].unmasked.value, strict=True):
            assert key[exposure, service, kind] == pytest.approx(flux, rel=1e-12, abs=1e-12)


def test_a_forced_point_and_a_detection_of_one_exposure_are_both_there():
    seen = surveys.atlas(25, meta={})
    seen = seen[seen["detection"]]
    forced = one(surveys.FORCED, seen.time.mjd, seen["flux"].unmasked.value,
                 band=np.asarray(seen["band"]), exposure=np.asarray(seen["exposure"]))  # fmt: skip
    lc = combine([seen, forced])
    assert copies(lc) == 0
    kinds = dict(zip(*np.unique(lc["measurement"], return_counts=True), strict=True))
    assert kinds == {"detection": len(seen), "forced": len(seen)}


def test_25_forced_points_beside_25_detections_stay_25():
    time = 60000.0 + np.arange(25)
    names = np.arange(25).astype(str)
    detections = ztf(time, names)
    forced = ztf(time, names, survey_columns={"forced": np.ones(25, bool)})
    for duplicates in ("flag", "drop"):
        lc = combine([detections, forced], duplicates=duplicates)
        assert (lc["measurement"] == "forced").sum() == 25
        assert (lc["measurement"] == "detection").sum() == 25 and copies(lc) == 0


@pytest.mark.parametrize("offset", [0.0, 15.0], ids=["start", "middle"])
def test_a_point_of_ztf_from_alerce_and_from_skyportal_is_marked_once(offset):
    copy = skyportal(60000.0 + offset / 86400, flux=100.0 * (1 + 2e-4))
    lc = quietly([ztf(), copy])
    assert copies(lc) == 1
    row = lc[~lc["duplicate_of"].mask]
    assert row["service"].tolist() == ["skyportal"] and row["duplicate_of"].tolist() == [
        "alerce 123"
    ]
    dropped = quietly([ztf(), copy], duplicates="drop")
    assert (
        dropped["service"].tolist() == ["alerce"]
        and "1 duplicates left out" in (dropped.meta["history"][-1])
    )


def test_a_number_of_lsst_that_was_copied_as_utc_is_recognized():
    lc = quietly([lsst(), one(surveys.SKYPORTAL | {"survey": "lsst"}, MIDDLE, exposure="",
                              band="g")])  # fmt: skip
    assert copies(lc) == 1


@pytest.mark.parametrize(
    "change",
    [{"flux": 101.0}, {"band": "r"}, {"time": 60000.0 + 5 / 86400}, {"detection": False}],
    ids=["flux", "band", "time", "kind"],
)
def test_another_measurement_is_no_duplicate(change):
    assert copies(quietly([ztf(), skyportal(**change)])) == 0


def test_all_points_of_skyportal_are_marked_and_no_other():
    lc = quietly([surveys.ztf(), surveys.skyportal()])
    assert set(lc["service"][~lc["duplicate_of"].mask]) == {"skyportal"}
    assert copies(lc) == (lc["service"] == "skyportal").sum() > 5


def test_copies_of_copies_have_one_original():
    services = ("a", "b", "c", "d")
    # Each is rounded a little more; the last differs from the first by more than rounding.
    lc = combine({name: ztf(flux=100.0 + 0.08 * n) for n, name in enumerate(services)})
    assert lc["duplicate_of"].filled("").tolist().count("a 123") == 3 and copies(lc) == 3
    turned = combine({name: ztf(flux=100.0 + 0.08 * n) for n, name in enumerate(services[::-1])})
    assert turned["duplicate_of"].filled("").tolist().count("a 123") == 3


def test_a_copy_without_a_name_repeats_the_one_most_alike():
    # Two exposures of one time, as ATLAS has them: the copy is of one of them only.
    two = ztf([60000.0, 60000.0], ["1", "2"], flux=[100.0, 100.05])
    lc = quietly([two, skyportal(flux=100.051)])
    assert lc["duplicate_of"][~lc["duplicate_of"].mask].tolist() == ["alerce 2"]


def test_a_total_flux_is_no_duplicate_of_a_difference():
    total = one(surveys.FORCED | {"flux_kind": "total"}, exposure="a")
    lc = combine([one(surveys.FORCED, exposure="a"), total])
    assert copies(lc) == 0 and sorted(lc["flux_kind"]) == ["difference", "total"]
    assert lc.meta["flux_kind"] == "unknown"


@pytest.mark.filterwarnings("ignore:1 row has a flux that may")
def test_unknown_times_are_counted_and_taken_as_they_are():
    with pytest.warns(InputWarning, match="^1 row has a time.*skyportal"):
        lc = combine([ztf(60010.0), skyportal()])
    row = lc[lc["service"] == "skyportal"]
    assert row["time_reference"].tolist() == ["unknown"]
    assert row.time.utc.mjd[0] == pytest.approx(60000.0, abs=1e-9)
    assert "1 times of an unknown moment" in lc.meta["history"][-1]
    known = skyportal()
    known.meta["time_reference"] = "start"
    lc = combine([known])
    assert lc.time.utc.mjd[0] == pytest.approx(60000.0 + 15 / 86400, abs=1e-9)


def test_an_unknown_exposure_time_is_counted_too():
    with pytest.warns(InputWarning, match="1 row has a time"):
        lc = combine([atlas(exposure_time=np.nan)])
    assert not lc["exposure_time_known"][0] and np.isnan(lc["exposure_time"].value[0])
    assert lc.time.utc.mjd[0] == pytest.approx(60000.0, abs=1e-9)


@pytest.mark.parametrize("scale", ["tai", "utc", "tt", "tdb"])
def test_any_scale(scale):
    lc = combine([atlas(), lsst()], scale=scale)
    assert lc.time.scale == scale
    truth = Time(60000.0, 15.0 / 86400.0, format="mjd", scale="utc")
    assert np.all(np.abs((lc.time - getattr(truth, scale)).sec) < MICROSECOND)


def test_a_leap_second():
    # 2016-12-31 has 86401 s; an exposure that begins 10 s before its end.
    start = Time("2016-12-31T23:59:51", scale="utc")
    lc = combine([atlas(start.mjd)])
    assert abs((lc.time[0] - (start.tai + 15 * u.s)).sec) < 2 * MICROSECOND


def test_barycentric_times_of_today_need_no_download():
    today = 61373.3
    lc = atlas(today)
    site = SITES["atlas", "01a"]
    site_location = EarthLocation.from_geodetic(site.longitude, site.latitude, site.height)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = combine([lc], barycentric=True)
    assert found.time.scale == "tdb" and found.meta["time_reference_position"] == "barycenter"
    middle = Time(today, 15 / 86400, format="mjd", scale="utc", location=site_location)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        delay = middle.light_travel_time(surveys.POSITION)
    assert abs((found.time[0] - (middle.tdb + delay)).sec) < 1e-5


def test_the_barycentre_meets_the_observatory_only_if_asked():
    # A HAT observation of the barycentre, and one of ATLAS at Haleakala, of one moment.
    site = SITES["atlas", "02a"]
    site_location = EarthLocation.from_geodetic(site.longitude, site.latitude, site.height)
    middle = Time(60000.5, 15 / 86400, format="mjd", scale="utc", location=site_location)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        bjd = (middle.tdb + middle.light_travel_time(surveys.POSITION)).mjd
    here, far = atlas(60000.5, "02a60000o0001o"), lcc(bjd)
    with pytest.raises(InvalidQueryError, match=r"combine .* with barycentric=True"):
        combine([here, far])
    with pytest.warns(InputWarning, match="lccserver"):
        lc = combine([here, far], barycentric=True)
    assert abs((lc.time[1] - lc.time[0]).sec) < 0.1
    assert set(lc["service"]) == {"atlas", "lccserver"}
    # Alone, in any scale, they stay what they are.
    alone = quietly([far], scale="tdb")
    assert alone.time.mjd[0] == far.time.mjd[0]
    assert alone.meta["time_reference_position"] == "barycenter"


@pytest.mark.parametrize(("key", "site"), SITES.items(), ids=lambda one: "".join(one)
                         if isinstance(one, tuple) else "")  # fmt: skip
def test_light_travel_time_is_that_of_astropy(key, site):
    site_location = EarthLocation.from_geodetic(site.longitude, site.latitude, site.height)
    time = Time(np.linspace(57300, 61600, 300), format="mjd", scale="utc", location=site_location)
    tdb, position = time.tdb, SkyCoord(83.6, -5.4, unit="deg")
    direction = np.broadcast_to(position.cartesian.xyz.value, (300, 3))
    sun = np.zeros(300, bool)
    args = (tdb.jd1, tdb.jd2, direction, np.zeros(300, int), [site])
    ours = light_travel_time(*args, heliocentric=sun)
    at_sun = light_travel_time(*args, heliocentric=~sun)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        theirs = time.light_travel_time(position).to_value(u.s)
        helio = time.light_travel_time(position, "heliocentric").to_value(u.s)
    assert np.abs(ours - theirs).max() < 1e-5
    assert np.abs(ours - at_sun - helio).max() < 1e-5


@pytest.mark.parametrize("start", ["utc", "tai", "tt", "tdb", "tcb"])
@pytest.mark.parametrize("end", ["utc", "tai", "tt", "tdb"])
def test_scales_are_those_of_astropy(start, end):
    mjd = np.concatenate([np.linspace(41400, 61700, 500), np.linspace(57752.9, 57755.1, 500)])
    time = Time(mjd, format="mjd", scale=start)
    seconds = np.linspace(0, 60, 1000)
    found = Time(*shifted(time.jd1, time.jd2, seconds, start, end), format="jd", scale=end)
    truth = getattr(time.tai + seconds * u.s, end)
    assert np.abs((found - truth).sec).max() < 2 * MICROSECOND


def test_an_unknown_unit_is_taken_for_the_centre_of_the_earth():
    lc = combine([atlas(60000.0, "09x60000o0001o")], barycentric=True)
    assert "1 rows of an unknown site" in lc.meta["history"][-1]
    known = combine([atlas(60000.0)], barycentric=True)
    assert "unknown site" not in known.meta["history"][-1]
    assert 0 < abs((lc.time - known.time).sec[0]) < 0.022


def test_the_position_comes_from_anywhere_or_is_asked_for():
    bare = ztf()
    assert "coordinates" not in bare.meta
    with pytest.raises(InvalidQueryError, match="coordinates=SkyCoord"):
        combine([bare], barycentric=True)
    given = combine([bare], barycentric=True, coordinates=surveys.POSITION)
    with_rows = ztf(survey_columns={"ra": [150.0], "dec": [2.2]})
    by_meta = ztf()
    by_meta.meta["coordinates"] = surveys.POSITION
    for lc in (with_rows, by_meta):
        assert abs((combine([lc], barycentric=True).time - given.time).sec[0]) < MICROSECOND
    many = combine({"a": [bare], "b": [by_meta]}, barycentric=True,
                   coordinates={"a": surveys.POSITION})  # fmt: skip
    assert abs((many["a"].time - many["b"].time).sec[0]) < MICROSECOND
    array = SkyCoord([150.0, 150.0], [2.2, 2.2], unit="deg")
    many = combine({"a": [bare], "b": [bare]}, barycentric=True, coordinates=array)
    assert abs((many["b"].time - given.time).sec[0]) < MICROSECOND


def test_withdrawn_rows_do_not_enter_bins():
    mjd = 60000.3 + np.arange(4) * 0.01
    gone = {"timeWithdrawnMjdTai": [np.nan, 60100.0, np.nan, np.nan]}
    curve = lsst(mjd, list("abcd"), flux=[100.0, 5000.0, 100.0, 100.0], survey_columns=gone)
    for lc in (curve, combine([curve])):
        nightly = bin_curve(lc, sigma_clip=None)
        assert nightly["flux"].unmasked.value.tolist() == pytest.approx([100.0])
        assert nightly["n"].tolist() == [3] and "left out 1 flagged" in nightly.meta["history"][-1]


def test_columns():
    lc = combine([surveys.atlas(), surveys.ztf(), surveys.lsst()])
    assert isinstance(lc, LightCurve)
    names = ["time", *(c.name for c in SCHEMA), *(c.name for c in COMBINED)]
    assert lc.colnames[: len(names)] == names
    assert lc["flux"].unit == u.uJy and lc["duplicate_of"].dtype.kind == "U"
    for name, of, number in (
        ("atlas_atlas_id", "atlas", 1100003181021216990),
        ("lsst_diaObjectId", "lsst", 170028526764621828),
    ):
        assert lc[name].dtype == np.int64
        mine = lc["survey"] == of
        assert set(lc[name][mine]) == {number} and lc[name].mask[~mine].all()
    assert lc["atlas_x"].unit == u.pix and lc["ztf_forced"].dtype == bool
    assert np.isnan(lc["atlas_x"].unmasked.value[lc["atlas_x"].mask]).all()
    assert [one["service"] for one in lc.meta["sources"]] == ["alerce", "alerce", "atlas"]


def test_columns_of_one_name_and_two_types_are_two():
    first = ztf(survey_columns={"distnr": [1.5]})
    second = ztf(60001.0, exposure="9", survey_columns={"distnr": ["far"]})
    lc = combine([first, second])
    assert sorted(n for n in lc.colnames if "distnr" in n) == ["ztf_distnr", "ztf_distnr_2"]
    assert {lc[n].dtype.kind for n in ("ztf_distnr", "ztf_distnr_2")} == {"f", "U"}


def test_limits_are_all_of_five_sigma():
    from atlasquery.lightcurve import limits

    lc = atlas()
    three = limits(lc, 3)
    assert three["limiting_mag"].value[0] > lc["limiting_mag"].value[0]
    found = combine([three])["limiting_mag"].value[0]
    assert found == pytest.approx(lc["limiting_mag"].value[0], abs=1e-9)


def test_flags_are_kept():
    from atlasquery.lightcurve import clean

    flagged = clean(atlas([60000.0, 60001.0], ["a", "b"], flux_err=[5.0, 9e4]), "faq",
                    error_code=None, detector_min=None, detector_max=None, psf_min=None,
                    psf_max=None, aperture_correction_min=None, aperture_correction_max=None,
                    limiting_mag_min=None, sky_brightness_min=None)  # fmt: skip
    lc = combine([flagged, ztf(60002.0)])
    assert lc["flag"].tolist() == [0, 1, 0] and "flag_bits" in lc.meta
    assert any(line.startswith("atlas: clean") for line in lc.meta["history"])


def test_combining_again_changes_nothing():
    parts = [surveys.atlas(), surveys.ztf(), surveys.lsst()]
    lc, steps = combine(parts), combine([combine(parts[:2]), parts[2]])
    assert sorted(lc.colnames) == sorted(steps.colnames)
    for name in lc.colnames:
        if name != "time":
            assert np.array_equal(np.asarray(lc[name]).astype(str),
                                  np.asarray(steps[name]).astype(str)), name  # fmt: skip
    assert np.abs((lc.time - steps.time).sec).max() < MICROSECOND
    assert copies(combine([lc, parts[0]])) == len(parts[0])


def test_many_objects_three_ways():
    first, second = surveys.atlas(), surveys.ztf()
    by_list = combine({"a": [first, second], "b": [second]})
    by_service = combine({"a": {"atlas": first, "alerce": second}, "b": {"alerce": second}})
    zipped = combine([{"a": first}, {"a": second, "b": second}])
    alone = combine([first, second])
    for many in (by_list, by_service, zipped):
        assert isinstance(many, LightCurves) and list(many) == ["a", "b"]
        assert many["a"].colnames == alone.colnames
        assert np.array_equal(many["a"].time.mjd, alone.time.mjd)
        assert np.array_equal(many["a"]["flux"].unmasked.value, alone["flux"].unmasked.value,
                              equal_nan=True)  # fmt: skip
        assert len(many["b"]) == len(second) and many["b"].meta["survey"] == "ztf"


def test_a_mapping_names_the_services():
    lc = combine({"mine": atlas(), "theirs": ztf(60001.0)})
    assert lc["service"].tolist() == ["mine", "theirs"]


@pytest.mark.parametrize(
    ("curves", "words"),
    [
        ([], "curves is empty"),
        ({}, "curves is empty"),
        (None, "is of type NoneType"),
        ([None], r"curves\[0\] is of type NoneType"),
        ({"a": []}, r"curves\['a'\] is empty"),
        ({"a": 5}, r"curves\['a'\] is of type int"),
        ({5: {6: 7}}, "key 6, which should be the name of a service"),
        ([{"a": 5}], r"curves\[0\]\['a'\] is of type int"),
    ],
)
def test_wrong_input_is_named(curves, words):
    with pytest.raises(InvalidQueryError, match=words):
        combine(curves)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": "ut1"}, "scale='ut1'"),
        ({"duplicates": "keep"}, "duplicates='keep'"),
        ({"barycentric": 1}, "barycentric=1 should be True or False"),
        ({"barycentric": True, "scale": "utc"}, "scale='utc' is for times at the observatory"),
        ({"barycentric": True, "coordinates": 5}, "coordinates=5 should be a SkyCoord"),
        ({"barycentric": True, "coordinates": SkyCoord([1, 2], [3, 4], unit="deg")}, "shape"),
        ({"barycentric": True, "coordinates": SkyCoord(np.nan, 2, unit="deg")}, "not finite"),
        (
            {
                "barycentric": True,
                "coordinates": SkyCoord(Masked(1.0, mask=True) * u.deg, 2 * u.deg),
            },
            "masked",
        ),
    ],
)
def test_wrong_options_are_named(options, words):
    with pytest.raises(InvalidQueryError, match=words):
        combine([atlas()], **options)


@pytest.mark.parametrize("options", [{}, {"barycentric": True}])
def test_a_misspelled_position_is_not_ignored(options):
    curves = {"star a": [ztf()], "star b": [ztf()]}
    wrong = {"star a": surveys.POSITION, "star bb": surveys.POSITION}
    with pytest.raises(InvalidQueryError, match=r"key 'star bb', .* of 'star b'; did you mean"):
        combine(curves, coordinates=wrong, **options)
    with pytest.raises(InvalidQueryError, match="coordinates=5 should be a SkyCoord"):
        combine([ztf()], coordinates=5)
    # A catalogue of positions may have more objects than there are light curves.
    several = dict.fromkeys(["star a", "star b", "star c"], surveys.POSITION)
    assert list(combine(curves, coordinates=several, **options)) == ["star a", "star b"]


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("time_reference", "midle", "middle"),
        ("flux_kind", "Difference", "difference"),
        ("magsys", "Vegaa", "Vega"),
        ("time_reference_position", "topocentre", "topocenter"),
    ],
)
def test_a_misspelled_convention_is_not_ignored(name, value, right):
    lc = ztf()
    lc.meta[name] = value
    with pytest.raises(InvalidQueryError, match=rf"meta\['{name}'\].*{value}.*'{right}'"):
        combine([lc])
    lc.meta[name] = right
    assert len(combine([lc])) == 1


def test_a_table_that_is_not_a_light_curve_is_named():
    lc = atlas()
    lc.remove_column("flux")
    with pytest.raises(InvalidQueryError, match=r"curves\[1\].*no column flux"):
        combine([atlas(), lc])


@pytest.mark.parametrize("duplicates", ["flag", "drop"])
def test_many_objects_in_parts_are_those_combined_alone(monkeypatch, duplicates):
    objects = {
        "twice": [surveys.atlas(), surveys.atlas(), surveys.ztf()],
        "one": [ztf()],
        "none": [atlas()[:0]],
        "copied": [surveys.ztf(), surveys.ztf()],
        "empty at the end": [atlas()[:0], ztf()[:0]],
    }
    # A few rows, so that each object is a part.
    monkeypatch.setattr(sys.modules[combine.__module__], "CHUNK", 5)
    many = quietly(objects, duplicates=duplicates)
    assert list(many) == list(objects)
    binned = bin_curve(quietly(objects, duplicates=duplicates))
    for key, given in objects.items():
        alone = quietly(given, duplicates=duplicates)
        assert many[key].colnames == alone.colnames
        assert many[key].meta["history"] == alone.meta["history"]
        assert np.array_equal(many[key].time.mjd, alone.time.mjd)
        assert many[key]["exposure"].tolist() == alone["exposure"].tolist()
        assert many[key]["duplicate_of"].tolist() == alone["duplicate_of"].tolist()
        assert binned[key]["n"].tolist() == bin_curve(alone)["n"].tolist()


def test_light_curves_without_rows():
    empty = atlas()[:0]
    lc = combine([empty, ztf()])
    assert len(lc) == 1 and len(combine([empty])) == 0
    assert combine([empty]).colnames == combine([atlas()]).colnames
    assert len(combine({"a": [empty], "b": [ztf()]})["a"]) == 0


def test_what_is_given_is_not_changed():
    given = surveys.atlas()
    before = given.copy()
    lc = combine([given, surveys.ztf()])
    lc["flux"][:] = 0 * u.uJy
    lc["atlas_x"][:] = 1 * u.pix
    lc.meta["sources"].clear()
    assert np.array_equal(given["flux"].unmasked.value, before["flux"].unmasked.value,
                          equal_nan=True)  # fmt: skip
    assert given.meta == before.meta and np.array_equal(given.time.mjd, before.time.mjd)


def test_barycentric_times_alone_are_in_tdb():
    with pytest.warns(InputWarning, match="lccserver"):
        alone = combine([surveys.lcc()])
    assert alone.time.scale == "tdb" and alone.meta["time_reference_position"] == "barycenter"
    with pytest.warns(InputWarning, match="lccserver"):
        assert combine([surveys.lcc()], scale="tt").time.scale == "tt"

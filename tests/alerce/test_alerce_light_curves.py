"""Measurements: signs, missing values, times, and jobs of many objects of which some fail."""

import json
import pickle

import astropy.units as u
import numpy as np
import pytest

from atlasquery.alerce import conf
from atlasquery.alerce.lsst_columns import ALWAYS_SENT, REFERENCES
from atlasquery.alerce.photometry import unmask_zero
from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
)
from atlasquery.lightcurve import SCHEMA, mag_to_flux, plot
from atlasquery.sandbox.alerce import edge_cases
from atlasquery.sandbox.http import Response
from atlasquery.tables import Column, Columns, decode_rows

# The object with the most detections, some of negative flux.
RICH = max(range(40), key=edge_cases.detection_count)
LSST = edge_cases.FIRST_LSST + 5
BROKEN = Response(500, "Internal Server Error", "text/plain; charset=utf-8")


def test_detections_and_limits_are_one_light_curve(alerce, double):
    lc = alerce.get_light_curve(edge_cases.name(RICH))
    assert len(double.received) == 1
    rows, limits = edge_cases.detections(RICH), edge_cases.non_detections(RICH)
    assert len(lc) == len(rows) + len(limits)
    assert lc["detection"].sum() == len(rows)
    assert lc.time.scale == "utc"
    assert lc.meta["time_reference"] == "start" and lc.meta["flux_kind"] == "difference"
    assert lc.colnames[1 : len(SCHEMA) + 1] == [column.name for column in SCHEMA]
    assert (np.diff(lc.time.mjd) >= 0).all()
    seen = lc[lc["detection"]]
    assert seen["candid"].tolist() == [int(row["candid"]) for row in rows]
    assert lc[~lc["detection"]]["flux"].mask.all()
    assert not lc["limiting_mag"].mask.any()


def test_the_sign_of_the_flux_is_that_of_isdiffpos(alerce):
    lc = alerce.get_light_curve(edge_cases.name(RICH))
    seen = lc[lc["detection"]]
    sign = [row["isdiffpos"] for row in edge_cases.detections(RICH)]
    assert -1 in sign and 1 in sign
    size = mag_to_flux(np.array([row["magpsf"] for row in edge_cases.detections(RICH)]))
    np.testing.assert_allclose(seen["flux"].unmasked.to_value("uJy"), sign * size)
    assert (seen["mag"].mask == (np.array(sign) < 0)).all()
    assert seen["magpsf"].unit == u.mag and not seen["magpsf"].mask.any()


def test_corrected_magnitudes_are_columns_beside(alerce):
    corrected = alerce.get_light_curve(edge_cases.name(1))
    seen = corrected[corrected["detection"]]
    np.testing.assert_allclose(
        seen["magpsf_corr"].unmasked.value, seen["magpsf"].unmasked.value - 0.3
    )
    raw = alerce.get_light_curve(edge_cases.name(2))
    assert raw["magpsf_corr"].mask.all() and raw["magpsf_corr"].unit == u.mag


def test_pitfall_12_ragged_rows_are_masked_columns(alerce):
    found = alerce.get_detections(edge_cases.name(RICH))
    assert found["rb"].mask.any() and not found["rb"].mask.all()
    assert all(found[name].dtype.kind != "O" for name in found.colnames)


def test_pitfall_13_a_body_of_null_is_an_empty_light_curve(alerce):
    with pytest.warns(NoResultsWarning):
        empty = alerce.get_light_curve(edge_cases.name(edge_cases.EMPTY))
    full = alerce.get_light_curve(edge_cases.name(RICH))
    assert len(empty) == 0
    assert empty.colnames == full.colnames
    assert [getattr(empty[c], "unit", None) for c in empty.colnames] == [
        getattr(full[c], "unit", None) for c in full.colnames
    ]


def test_pitfall_16_numbers_beyond_53_bits_are_exact(alerce):
    found = alerce.get_detections(edge_cases.name(RICH))
    assert found["candid"].dtype == np.int64
    assert found["candid"].tolist() == [int(r["candid"]) for r in edge_cases.detections(RICH)]
    parents = [r.get("parent_candid") for r in edge_cases.detections(RICH)]
    assert found["parent_candid"].tolist() == parents
    assert alerce.query_object(edge_cases.name(RICH))["ndethist"].dtype == np.int64


def test_pitfall_17_no_measurement_is_masked(alerce):
    forced = alerce.get_forced_photometry(edge_cases.name(RICH))
    none = np.array([row["mag"] == 100.0 for row in edge_cases.forced(RICH)])
    assert none.any()
    for name in ("flux", "flux_err", "mag_psf", "mag_psf_err"):
        assert (forced[name].mask == none).all()
        assert np.isnan(forced[name].unmasked[none]).all()
    assert not forced["limiting_mag"].mask.any()
    assert (forced["flux"].unmasked[9:][~none[9:]] < 0).all()
    assert forced["exposure_time"][0] == 30 * u.s
    assert forced["distnr_forced"].unit == u.arcsec
    assert alerce.get_light_curve(edge_cases.name(RICH))["distnr"].unit == u.pix


def test_the_error_of_a_flux_near_zero_is_large_and_not_missing(alerce, double):
    rows = edge_cases.forced(RICH)[:3]
    for row, (mag, error) in zip(rows, [(28.5, 250.0), (100.0, 100.0), (18.0, 0.1)], strict=True):
        row |= {"mag": mag, "e_mag": error, "isdiffpos": 1}
    double.faults["forced-photometry"] = Response(200, rows)
    forced = alerce.get_forced_photometry(edge_cases.name(RICH))
    assert forced["mag_psf_err"].mask.tolist() == [False, True, False]
    assert forced["flux_err"].mask.tolist() == [False, True, False]
    flux = 10 ** (-0.4 * (28.5 - 23.9))
    error = forced["flux_err"].unmasked[0].to_value(u.uJy)
    assert error == pytest.approx(flux * 250 * np.log(10) / 2.5)
    assert forced["detection"].tolist() == [False, False, True]


def test_pitfall_18_forced_photometry_of_one_object_is_whole(alerce):
    assert len(alerce.get_forced_photometry(LSST, survey="lsst")) == 25
    lc = alerce.get_light_curve(LSST, survey="lsst", forced=True)
    assert lc["forced"].sum() == 25
    assert (~lc["forced"]).sum() == edge_cases.lsst_entry(5)["n_det"]


def test_pitfall_20_no_flux_is_not_a_flux_of_zero(alerce):
    lc = alerce.get_light_curve(LSST, survey="lsst")
    assert lc["flux"].mask.tolist() == [k == 2 for k in range(len(lc))]
    assert lc["flux_err"].mask.sum() == 1 and lc["scienceFlux"].mask.sum() == 1
    assert lc["detection"].all()
    table = alerce.get_detections(LSST, survey="lsst")
    assert table["psfFlux"].mask.sum() == 1 and table["psfFlux"].unit == u.nJy


def test_pitfall_21_unknown_is_not_empty(alerce):
    for ask in (
        lambda: alerce.get_forced_photometry("ZTF99nothere"),
        lambda: alerce.get_forced_photometry(999, survey="lsst"),
        lambda: alerce.get_detections(999, survey="lsst"),
        lambda: alerce.get_light_curve(999, survey="lsst"),
    ):
        with pytest.raises(NotFoundError):
            ask()
    with pytest.warns(NoResultsWarning):
        assert len(alerce.get_non_detections(LSST, survey="lsst")) == 0


def test_light_curves_of_lsst_are_in_tai_and_ujy(alerce):
    lc = alerce.get_light_curve(LSST, survey="lsst")
    assert lc.time.scale == "tai"
    assert lc.meta["time_reference"] == "middle" and lc.meta["flux_kind"] == "difference"
    assert lc["flux"][0].unmasked.to_value("uJy") == pytest.approx(2.31237)
    assert lc["mag"][0].unmasked.value == pytest.approx(31.4 - 2.5 * np.log10(2312.37))
    assert lc["flux"][1] < 0 and lc["mag"].mask[1]
    assert lc["band"].tolist()[:6] == ["g", "r", "i", "z", "y", "u"]
    assert lc["oid"].dtype == np.int64 and lc["measurement_id"].dtype == np.int64


def test_a_window_is_in_utc_for_both(alerce):
    lc = alerce.get_light_curve(LSST, survey="lsst", start=60951.0)
    # The row at MJD 60951 in TAI is 37 s before 60951 in UTC.
    assert lc.time.mjd.min() == 60952.0
    first = edge_cases.entry(RICH)["firstmjd"]
    lc = alerce.get_light_curve(edge_cases.name(RICH), start=first, end=first + 3)
    assert len(lc) == 4


def test_forced_photometry_in_the_light_curve(alerce):
    lc = alerce.get_light_curve(edge_cases.name(RICH), forced=True)
    assert lc["forced"].sum() == 13
    assert lc["candid"].dtype == np.int64
    assert lc["candid"].mask[lc["forced"]].all()


def test_a_light_curve_can_be_drawn(alerce):
    pytest.importorskip("matplotlib", reason="the plotting extra is not installed")
    ax = plot(alerce.get_light_curve(edge_cases.name(RICH), forced=True))
    assert ax.get_title() == edge_cases.name(RICH)
    ax.figure.clear()


def test_a_500_in_plain_text_names_the_server_and_its_words(alerce, double):
    with conf.set_temp("retries", 0), pytest.raises(RemoteServiceError) as caught:
        alerce.get_forced_photometry(edge_cases.name(edge_cases.FADED))
    assert caught.value.status == 500
    assert caught.value.reason == "Internal Server Error"


def test_twenty_objects_under_faults_name_those_that_failed(alerce, double):
    names = [edge_cases.name(n) for n in range(20)]
    once = Response(500, "Internal Server Error", "text/plain")
    double.faults = {
        f"{names[3]}/lightcurve": BROKEN,
        f"{names[7]}/lightcurve": [once, once],
        f"{names[11]}/lightcurve": Response(404, {"message": "Object not found."}),
        f"{names[13]}/lightcurve": Response(200, "<html>Login</html>", "text/html"),
        f"{names[17]}/lightcurve": Response(200, b'{"detections": [{"mjd":', "application/json"),
    }
    lost = [names[n] for n in (3, 11, 13, 17)]
    with pytest.raises(IncompleteResultError, match="4 of 20 objects failed") as caught:
        alerce.get_light_curves(names, cache=False)
    assert [name for name, _ in caught.value.failures] == lost
    assert isinstance(dict(caught.value.failures)[names[11]], NotFoundError)
    result = caught.value.result
    assert list(result) == [name for name in names if name not in lost]
    assert len(result[names[7]]) == edge_cases.detection_count(7) + 18
    with pytest.raises(KeyError, match="failed: ALeRCE"):
        result[names[3]]
    double.faults = {f"{names[3]}/lightcurve": BROKEN}
    with pytest.warns(InputWarning, match="1 of 20 objects failed"):
        found = alerce.get_light_curves(names, cache=False, on_error="warn")
    assert len(found) == 19


def test_objects_of_lsst_come_in_batches(alerce, double):
    numbers = [edge_cases.FIRST_LSST + n for n in range(39, 9, -1)]
    found = alerce.get_light_curves(numbers, survey="lsst")
    assert list(found) == numbers
    assert len(double.asked("detections")) == 2
    assert all(set(lc["oid"]) == {oid} for oid, lc in found.items())
    assert len(found[str(numbers[0])]) == len(found[numbers[0]])


def test_an_object_of_lsst_that_fails_costs_its_batch_nothing(alerce, double):
    numbers = [edge_cases.FIRST_LSST + n for n in range(10, 20)]
    double.faults[str(numbers[4])] = BROKEN
    with conf.set_temp("retries", 0), pytest.warns(InputWarning, match="2 of 11"):
        found = alerce.get_light_curves([*numbers, 999], survey="lsst", on_error="warn")
    assert [name for name, _ in found.failures] == [numbers[4], 999]
    assert len(found) == 9


def test_objects_of_which_it_is_not_known_whether_they_are_known(alerce, double):
    """A further request, which may fail, distinguishes an unknown object from one without rows."""
    numbers = [edge_cases.FIRST_LSST + n for n in range(10, 13)]
    double.faults["objects_by_oid"] = Response(500, {"detail": "out of order"})
    with conf.set_temp("retries", 0), pytest.warns(InputWarning, match="2 of 5 objects"):
        found = alerce.get_light_curves(
            [*numbers[:2], 998, 999, numbers[2]], survey="lsst", on_error="warn", cache=False
        )
    assert list(found) == numbers
    assert [name for name, _ in found.failures] == [998, 999]
    for _, error in found.failures:
        assert isinstance(error, RemoteServiceError) and not isinstance(error, NotFoundError)
        assert error.reason == "out of order"


def test_of_many_such_objects_each_has_its_own_fate(alerce, double):
    double.faults["objects_by_oid.*oid=9999"] = Response(500, {"detail": "out of order"})
    numbers = [*range(1000, 1200), *range(9990, 10000)]
    double.faults["lightcurve_api"] = Response(200, [])
    with conf.set_temp("retries", 0), pytest.warns(InputWarning, match="210 of 210 objects"):
        found = alerce.get_light_curves(numbers, survey="lsst", on_error="warn", cache=False)
    failed = dict(found.failures)
    assert all(isinstance(failed[n], NotFoundError) for n in numbers[:-1])
    assert failed[9999].reason == "out of order"


@pytest.mark.parametrize("kind", ["detections", "non_detections"])
def test_100_is_no_magnitude_in_the_first_version_either(alerce, double, kind):
    rows = {
        "detections": [
            {"mjd": 59000.0, "fid": 1, "candid": "1", "isdiffpos": 1, "magpsf": 100.0,
             "sigmapsf": 100.0, "magpsf_corr": 100.0},
            {"mjd": 59001.0, "fid": 1, "candid": "2", "isdiffpos": -1, "magpsf": 19.0,
             "sigmapsf": 0.1, "magpsf_corr": 18.5},
        ],
        "non_detections": [
            {"mjd": 59002.0, "fid": 2, "diffmaglim": 100.0},
            {"mjd": 59003.0, "fid": 2, "diffmaglim": 20.5},
        ],
    }  # fmt: skip
    double.faults["ZTF18aaaaaaa/lightcurve"] = Response(200, rows)
    double.faults[f"v1/objects/ZTF18aaaaaaa/{kind}"] = Response(200, rows[kind])
    double.faults["v2/lightcurve/detections"] = BROKEN
    lc = alerce.get_light_curve("ZTF18aaaaaaa", cache=False)
    assert lc["flux"].mask.tolist() == [True, False, True, True]
    assert lc["mag"].mask.all() and lc["flux"][1] < 0
    assert lc["magpsf_corr"].mask.tolist() == [True, False, True, True]
    assert lc["limiting_mag"].mask.tolist() == [True, True, True, False]
    table = getattr(alerce, f"get_{kind}")("ZTF18aaaaaaa", cache=False)
    column = "magpsf" if kind == "detections" else "diffmaglim"
    assert table[column].mask.tolist() == [True, False] and np.isnan(table[column].data.data[0])


def test_a_limit_of_minus_999_is_none(alerce, double):
    rows = {"detections": [], "non_detections": [{"mjd": 59000.0, "fid": 1, "diffmaglim": -999.0}]}
    double.faults["lightcurve"] = Response(200, rows)
    lc = alerce.get_light_curve("ZTF18aaaaaaa", cache=False)
    assert lc["limiting_mag"].mask.all() and not lc["detection"].any()


def test_forced_photometry_without_extra_fields_or_with_new_ones(alerce, double):
    row = {"mjd": 59000.0, "fid": 1, "isdiffpos": 1, "mag": 19.0, "e_mag": 0.1}
    double.faults["forced-photometry"] = Response(
        200, [{**row, "extra_fields": None}, {**row, "extra_fields": {"brandnew": 3}, "other": "x"}]
    )
    lc = alerce.get_forced_photometry("ZTF18aaaaaaa", cache=False)
    assert lc["limiting_mag"].mask.all() and (lc["exposure_time"].value == 30).all()
    assert lc["brandnew"].tolist() == [None, 3] and lc["other"].tolist() == [None, "x"]
    assert lc["detection"].all()


def test_everything_of_an_object_of_ztf_is_one_request(alerce, double):
    lc = alerce.get_light_curve(edge_cases.name(RICH), forced=True, cache=False)
    assert double.received == [f"/v2/lightcurve/lightcurve/{edge_cases.name(RICH)}?survey_id=ztf"]
    plain = alerce.get_light_curve(edge_cases.name(RICH), cache=False)
    seen = lc[~lc["forced"]]
    assert len(seen) == len(plain) and (lc["forced"].sum() == 13)
    for name in plain.colnames:
        if name in ("time", "phase", "drbversion"):
            continue
        ours, theirs = seen[name], plain[name]
        assert type(ours) is type(theirs), name
        assert np.ma.getmaskarray(ours).tolist() == np.ma.getmaskarray(theirs).tolist(), name
    np.testing.assert_array_equal(seen["flux"].unmasked.value, plain["flux"].unmasked.value)
    assert seen["candid"].tolist() == plain["candid"].tolist()
    assert seen["magpsf"].unit == u.mag
    assert set(seen["drbversion"][seen["detection"]]) == {"d6_m7"}


@pytest.mark.parametrize("n", edge_cases.NAN)
def test_where_the_second_version_fails_the_first_one_is_asked(alerce, double, n):
    name = edge_cases.name(n)
    lc = alerce.get_light_curve(name, forced=True, cache=False)
    assert len(lc) == edge_cases.detection_count(n) + 18 + 13
    assert len(double.received) == 3
    found = alerce.get_detections(name, cache=False)
    assert len(found) == edge_cases.detection_count(n) and found["drbversion"].mask.all()
    found = alerce.get_detections(edge_cases.name(RICH), cache=False)
    assert set(found["drbversion"]) == {"d6_m7"}
    assert found["magpsf"].tolist() == [row["magpsf"] for row in edge_cases.detections(RICH)]


def test_forced_photometry_that_fails_costs_no_detection(alerce, double):
    name = edge_cases.name(edge_cases.FADED)
    with conf.set_temp("retries", 0), pytest.warns(InputWarning, match="missing: forced phot"):
        lc = alerce.get_light_curve(name, forced=True)
    assert len(lc) == edge_cases.detection_count(edge_cases.FADED) + 18 and not lc["forced"].any()
    assert "status 500" in lc.meta["missing"]


def test_a_null_forced_flux_of_lsst_costs_no_detection_and_no_time(alerce, double):
    oid = edge_cases.FIRST_LSST + edge_cases.NULL_FLUX
    with conf.set_temp("backoff", 60), pytest.warns(InputWarning, match="of which 10 rows came"):
        lc = alerce.get_light_curve(oid, survey="lsst", forced=True, cache=False)
    assert (~lc["forced"]).sum() == edge_cases.lsst_entry(edge_cases.NULL_FLUX)["n_det"]
    assert lc["forced"].sum() == 10 and "null flux" in lc.meta["missing"]
    with conf.set_temp("backoff", 60), pytest.warns(InputWarning, match="of which 10 rows"):
        assert len(alerce.get_forced_photometry(oid, survey="lsst", cache=False)) == 10
    double.received.clear()
    numbers = [edge_cases.FIRST_LSST + n for n in range(25, 40)]
    with (
        conf.set_temp("backoff", 60),
        pytest.warns(InputWarning, match=f"Of 1 of 15 objects.*the first, {oid}"),
    ):
        curves = alerce.get_light_curves(numbers, survey="lsst", forced=True, cache=False)
    assert list(curves) == numbers and not curves.failures
    for n, lc in zip(range(25, 40), curves.values(), strict=True):
        count = {edge_cases.NULL_FLUX: 10, edge_cases.UNFORCED: 0}.get(n, 25)
        assert lc["forced"].sum() == count and ("missing" in lc.meta) == (n == edge_cases.NULL_FLUX)
        assert (~lc["forced"]).sum() == edge_cases.lsst_entry(n)["n_det"]
    assert len(double.received) < 16


def test_no_forced_photometry_of_lsst_is_an_empty_light_curve(alerce):
    oid = edge_cases.FIRST_LSST + edge_cases.UNFORCED
    with pytest.warns(NoResultsWarning):
        assert len(alerce.get_forced_photometry(oid, survey="lsst")) == 0
    unclassified = edge_cases.FIRST_LSST + 8
    assert len(alerce.get_forced_photometry(unclassified, survey="lsst")) == 25
    with pytest.raises(NotFoundError, match="does not know 999"):
        alerce.get_forced_photometry(999, survey="lsst")


def test_fillers_of_lsst_are_masked(alerce):
    oid = edge_cases.FIRST_LSST + edge_cases.FILLED
    found = alerce.get_detections(oid, survey="lsst")
    assert found["parentDiaSourceId"].mask.sum() == len(found) - 1
    assert found["diaObjectId"].mask.tolist() == [k == 3 for k in range(len(found))]
    assert found["band"].mask.tolist() == [k == 3 for k in range(len(found))]
    assert "0" not in found["band"].tolist()
    lc = alerce.get_light_curve(oid, survey="lsst")
    assert lc["diaObjectId"].mask.sum() == 1 and "0" not in lc["band"].tolist()
    assert found["has_stamp"].dtype == bool


def test_light_curves_are_built_when_they_are_asked_for(alerce, double, monkeypatch):
    names = [edge_cases.name(n) for n in range(5)]
    curves = alerce.get_light_curves(names, cache=False)
    double.received.clear()
    first = curves[names[2]]
    assert first is curves[names[2]] and first.meta["object"] == names[2]
    assert [len(lc) for lc in curves.values()] == [
        edge_cases.detection_count(n) + 18 for n in range(5)
    ]
    assert double.received == []


def test_objects_of_lsst_with_forced_photometry_are_one_request_a_batch(alerce, double):
    numbers = [edge_cases.FIRST_LSST + n for n in range(2, 25)]
    curves = alerce.get_light_curves(numbers, survey="lsst", forced=True, cache=False)
    assert len(double.received) == 1
    assert all(lc["forced"].sum() == 25 for lc in curves.values())


def test_light_curves_that_are_not_built_yet_can_be_pickled(alerce, double):
    curves = alerce.get_light_curves([edge_cases.name(n) for n in range(3)], cache=False)
    again = pickle.loads(pickle.dumps(curves))
    assert list(again) == list(curves)
    assert [len(lc) for lc in again.values()] == [len(lc) for lc in curves.values()]
    assert again[edge_cases.name(1)].meta["object"] == edge_cases.name(1)


def test_a_gateway_that_fails_once_over_many_names_costs_nothing(alerce, double):
    """502 for a list of names, as reported of the broker: the list is asked for in halves."""
    names = [edge_cases.name(n) for n in range(150)]
    double.faults["/objects/"] = [Response(502, "Bad gateway", "text/html")] * 2
    assert alerce.query_objects(names, cache=False)["oid"].tolist() == names


def test_the_magnitude_of_a_detection_is_not_its_limit(alerce):
    """Others drew diffmaglim as the magnitude, and mixed forced photometry in."""
    lc = alerce.get_light_curve(edge_cases.name(RICH), forced=True)
    seen = lc[lc["detection"] & ~lc["forced"]]
    rows = edge_cases.detections(RICH)
    assert seen["magpsf"].unmasked.value.tolist() == [row["magpsf"] for row in rows]
    assert seen["limiting_mag"].unmasked.value.tolist() == [row["diffmaglim"] for row in rows]
    known = ~seen["mag"].mask
    assert (seen["mag"][known] == seen["magpsf"][known]).all()


OTHER = next(
    n
    for n in range(40)
    if n not in (RICH, edge_cases.FADED, *edge_cases.NAN) and edge_cases.forced(n)
)


def test_detections_of_another_object_are_not_taken(alerce, double):
    """The first version of the API, which does not say whose they are, is asked instead."""
    double.faults[r"/v2/.*detections/"] = Response(200, edge_cases.v2_detections(OTHER))
    table = alerce.get_detections(edge_cases.name(RICH))
    assert table["candid"].tolist() == [int(row["candid"]) for row in edge_cases.detections(RICH)]
    assert double.asked(r"/ztf/v1/objects/.*/detections")


@pytest.mark.parametrize("part", ["detections", "non_detections", "forced_photometry"])
def test_a_light_curve_with_rows_of_another_object_is_not_taken(alerce, double, part):
    makers = {
        "detections": edge_cases.v2_detections,
        "non_detections": edge_cases.v2_non_detections,
        "forced_photometry": edge_cases.forced,
    }
    sent = {key: make(OTHER if key == part else RICH) for key, make in makers.items()}
    assert sent[part]
    double.faults[r"/v2/.*/lightcurve/"] = Response(200, sent)
    lc = alerce.get_light_curve(edge_cases.name(RICH), forced=True)
    assert double.asked(r"/ztf/v1/objects/.*/lightcurve")
    first = lc[~lc["forced"]]
    assert first["detection"].sum() == len(edge_cases.detections(RICH))
    assert len(first) == len(edge_cases.detections(RICH)) + len(edge_cases.non_detections(RICH))
    assert lc["forced"].sum() == len(edge_cases.forced(RICH))


@pytest.mark.parametrize("names", [REFERENCES, ALWAYS_SENT], ids=["references", "fluxes"])
def test_a_number_that_comes_as_a_string_where_it_is_not_declared_is_kept(names):
    """A row with a key of rows of another kind, of another type than theirs."""
    name = next(iter(names))
    body = json.dumps([{"mjd": 60000.0, name: "5"}]).encode()
    rows = decode_rows(Columns("a row", Column("mjd")), body)
    assert unmask_zero(rows).values[name].tolist() == ["5"]

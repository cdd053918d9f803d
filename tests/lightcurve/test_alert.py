"""What an alert packet becomes: light curve, object and stamps, of ZTF and of LSST."""

import json
import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Row
from astropy.wcs import WCS

pytest.importorskip("fastavro", reason="the avro extra is not installed")

from alert_packets import (
    LSST_MJD,
    LSST_NUMBERS,
    ZTF_MJD,
    container,
    listed,
    lsst_packet,
    lsst_row,
    lsst_schema,
    record,
    ztf_forced_row,
    ztf_limit,
    ztf_packet,
    ztf_row,
    ztf_schema,
)

from atlasquery import Alert, read_alert
from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.lightcurve import Flag, bin, read, write
from atlasquery.lightcurve.schema import SCHEMA


def ztf(schema=None, **values):
    return read_alert(container(schema or ztf_schema(), [ztf_packet(**values)]))


def lsst(version="11.1", **values):
    return read_alert(container(lsst_schema(version), [lsst_packet(version, **values)]))


def known(column):
    """Return the values of a column that are not masked."""
    return column.unmasked.value[~column.mask]


def test_an_alert_of_ztf():
    alert = ztf()
    assert isinstance(alert, Alert)
    assert (alert.survey, alert.object_id, alert.alert_id, alert.version, alert.broker) == (
        "ztf", "ZTF18abudxnw", 2695378462115010012, "4.02", "",
    )  # fmt: skip
    assert alert.time.scale == "utc" and alert.time.mjd == pytest.approx(ZTF_MJD, abs=1e-9)
    assert alert.coordinates.separation(SkyCoord(295.3031995, -10.3958989, unit="deg")) < 1e-6 * (
        u.arcsec
    )
    assert repr(alert) == "<Alert ZTF ZTF18abudxnw, alert 2695378462115010012, schema 4.02>"


def test_the_light_curve_of_ztf_has_all_measurements_with_their_signs():
    lc = ztf().light_curve
    assert lc.colnames[: len(SCHEMA) + 1] == ["time", *(column.name for column in SCHEMA)]
    assert lc["forced"].tolist() == [False, True, False, True, False, False]
    assert lc["detection"].tolist() == [False, True, True, True, True, True]
    assert lc["trigger"].tolist() == [False] * 5 + [True]
    np.testing.assert_allclose(lc.time.mjd - ZTF_MJD, [-9, -9, -3, -3, -0.02, 0], rtol=0, atol=1e-9)
    flux = 10 ** (0.4 * (23.9 - 18.0))
    forced = 1000 * 10 ** (0.4 * (23.9 - np.float32(26.4)))
    np.testing.assert_allclose(known(lc["flux"]), [forced, -flux, forced, flux, flux], rtol=1e-6)
    np.testing.assert_allclose(
        known(lc["flux_err"])[[0, 1]], [forced / 20, flux * np.log(10) / 25], rtol=1e-6
    )
    assert lc["flux"].unit == lc["flux_err"].unit == u.uJy
    # A negative flux has no magnitude, a limit has neither.
    assert lc["mag"].mask.tolist() == [True, False, True, False, False, False]
    assert np.isnan(lc["flux"].unmasked[0]) and lc["limiting_mag"][0].value == 19.5
    assert lc["exposure"].dtype.kind == "U" and lc["exposure"][-1] == "2695378462115"
    assert set(lc["exposure_time"].value) == {30.0} and set(lc["survey"]) == {"ztf"}
    assert lc["candid"].dtype == np.int64 and lc["candid"].mask.tolist()[:2] == [True, True]
    assert (lc["isdiffpos"].filled(0) == [0, 0, -1, 0, 1, 1]).all()
    assert lc.meta["time_reference"] == "start" and lc.meta["flux_kind"] == "difference"
    assert lc.meta["object"] == "ZTF18abudxnw" and lc.meta["history"] == []


@pytest.mark.parametrize(
    ("sent", "sign"),
    [("t", 1), ("1", 1), ("true", 1), ("f", -1), ("0", -1), (1, 1), (0, -1), (None, 0)],
)
def test_signs_of_the_same_night_are_digits(sent, sign):
    schema = json.loads(json.dumps(ztf_schema()).replace(
        '{"name": "isdiffpos", "type": ["null", "string"]}',
        '{"name": "isdiffpos", "type": ["null", "string", "int"]}',
    ))  # fmt: skip
    lc = ztf(schema, prv_candidates=[ztf_row(-0.02, isdiffpos=sent)]).light_curve
    row = lc[0 if len(lc) == 4 and not lc["forced"][0] else 2]
    flux = row["flux"]
    if sign:
        assert np.sign(flux.value) == sign and row["isdiffpos"] == sign
    else:
        assert flux.mask and row["isdiffpos"] is np.ma.masked and row["magpsf"].value == 18.0


def test_a_sign_that_is_not_known_is_an_error():
    alert = ztf(prv_candidates=[ztf_row(-1.0, isdiffpos="x")])
    with pytest.raises(TableParseError, match=r"packet 1 has isdiffpos='x', which is not a sign"):
        _ = alert.light_curve


def test_forced_photometry_that_failed_has_neither_flux_nor_limit():
    rows = [
        ztf_forced_row(-1.0, forcediffimflux=-99999.0, forcediffimfluxunc=-99999.0,
                       procstatus="61"),
        ztf_forced_row(-2.0, forcediffimflux=-11859.9, forcediffimfluxunc=25.3, procstatus="56"),
        ztf_forced_row(-3.0, forcediffimflux=-20.0),
    ]  # fmt: skip
    lc = ztf(fp_hists=rows, prv_candidates=None).light_curve
    forced = lc[lc["forced"]]
    scale = 10 ** (0.4 * (23.9 - np.float32(26.4)))
    assert forced["flux"].mask.tolist() == [False, False, True]
    assert forced["limiting_mag"].mask.tolist() == [False, False, True]
    np.testing.assert_allclose(known(forced["flux"]), [-20 * scale, -11859.9 * scale], rtol=1e-6)
    assert forced["detection"].tolist() == [False, True, False]
    assert forced["procstatus"].tolist() == ["0", "56", "61"]
    assert forced["distnr_forced"].mask.all() and np.isnan(forced["distnr_forced"].unmasked).all()


def test_packets_without_history():
    lc = ztf(prv_candidates=None, fp_hists=None).light_curve
    assert len(lc) == 1 and lc["trigger"][0]
    lc = ztf(ztf_schema(forced=False), prv_candidates=[], schemavsn="3.3").light_curve
    assert len(lc) == 1


def test_the_first_schemas_repeat_the_measurement_of_the_alert():
    packet = ztf_packet(prv_candidates=[ztf_row(0.0, magpsf=18.00004), ztf_limit(-1.0)])
    packet["candidate"] |= {"exptime": 0.0}
    alert = read_alert(container(ztf_schema(forced=False, versioned=False), [packet]))
    lc = alert.light_curve
    assert alert.version == "" and len(lc) == 2
    assert lc["trigger"].tolist() == [False, True] and lc["magpsf"][1].value == 18.0
    assert "left out 1 of 2" in lc.meta["history"][0]
    # The schema 3.0 has 0 where it does not know the exposure time.
    assert lc["exposure_time"][1].value == 30.0


def test_the_object_of_ztf():
    row = ztf().object
    assert isinstance(row, Row)
    assert row["objectId"] == "ZTF18abudxnw" and row["ndethist"] == 7
    assert row["sgmag1"] is np.ma.masked and row["objectidps1"] is np.ma.masked
    assert row["ssnamenr"] is np.ma.masked
    assert row.table["jdstarthist"].unit == u.day and row["jdstarthist"] == 2458246.9561111


# LSST


@pytest.mark.parametrize("version", LSST_NUMBERS)
def test_all_versions_of_lsst_give_one_light_curve(version):
    alert = lsst(version)
    assert (alert.survey, alert.version) == ("lsst", version)
    assert (alert.object_id, alert.alert_id) == (313897383979122767, 170094456251351059)
    lc = alert.light_curve
    assert lc.time.scale == "tai" and alert.time.scale == "tai"
    np.testing.assert_allclose(lc.time.mjd - LSST_MJD, [-4, -3, -2, 0, 0], rtol=0, atol=1e-8)
    np.testing.assert_allclose(
        lc["flux"].unmasked.value, np.float32([-20, 2075.5, -1500, 2075.5, 2100]) * 1e-3, rtol=1e-6
    )
    np.testing.assert_allclose(lc["flux_err"].unmasked.value, 0.1, rtol=1e-6)
    assert lc["forced"].tolist() == [True, False, False, False, True]
    assert lc["trigger"].tolist() == [False, False, False, True, False]
    assert lc["detection"].tolist() == [False, True, True, True, True]
    assert lc["band"].tolist() == ["i", "r", "i", "i", "i"]
    np.testing.assert_allclose(
        known(lc["mag"]), 31.4 - 2.5 * np.log10(np.float32([2075.5, 2075.5, 2100])), rtol=1e-6
    )
    np.testing.assert_allclose(
        lc["limiting_mag"].unmasked.value, 31.4 - 2.5 * np.log10(500), rtol=1e-6
    )
    assert lc["exposure"].tolist() == [str(2026030500055 + n) for n in (-4, -3, -2, 0, 0)]
    assert lc["psfFlux"].unit == u.nJy and lc["dec"].unit == u.deg
    assert ("scienceFlux" in lc.colnames) == (version not in ("6.1", "7.4"))
    assert lc["ssObjectId"].mask.all() and lc["diaSourceId"].dtype == np.int64
    assert lc.meta["time_reference"] == "middle" and lc.meta["flux_kind"] == "difference"
    assert lc.meta["coordinates"].ra.deg == 61.81
    assert alert.coordinates.ra.deg == 61.813187
    known_time = 29.5 if version == "11.1" else 30.0
    assert lc["exposure_time"][3].value == known_time


@pytest.mark.parametrize("version", ["9.0", "11.1"])
def test_withdrawn_rows_are_flagged_and_nan_is_no_time(version):
    lc = lsst(version).light_curve
    assert lc["flag"].tolist() == [0, 0, int(Flag.WITHDRAWN), 0, 0]
    # The row is kept, and is not averaged.
    assert len(bin(lc, width=1 * u.day)) == 3
    assert lsst("7.4").light_curve["flag"].tolist() == [0] * 5


def test_null_and_nan_are_the_same():
    both = [
        lsst(diaSource=lsst_row(psfFlux=value, psfFluxErr=value, band=None)).light_curve
        for value in (None, float("nan"))
    ]
    for lc in both:
        row = lc[lc["trigger"]]
        assert row["flux"].mask[0] and row["limiting_mag"].mask[0] and row["band"][0] == ""
        assert len(lc) == 5


def test_an_object_of_the_solar_system():
    source = lsst_row(diaObjectId=0, ssObjectId=21163624394469969)
    values = {"prvDiaSources": None, "prvDiaForcedSources": []}
    alert = lsst(diaSource=source, diaObject=None, **values)
    assert alert.object_id == 21163624394469969
    assert len(alert.light_curve) == 1
    assert alert.light_curve.meta["coordinates"].ra.deg == 61.813187
    assert alert.object["diaObjectId"] is np.ma.masked
    alert = lsst(diaSource=lsst_row(diaObjectId=0, ssObjectId=0), diaObject=None, **values)
    assert alert.object_id is None and "object" not in alert.light_curve.meta
    assert "Alert LSST, alert" in repr(alert)


def test_the_limits_of_early_schemas_are_rows():
    limit = {"ccdVisitId": 5, "midPointTai": LSST_MJD - 1, "filterName": "g", "diaNoise": 12.5}
    lc = lsst("3.0", prvDiaNondetectionLimits=[limit]).light_curve
    row = lc[lc["band"] == "g"]
    assert row["flux"].mask[0] and not row["detection"][0] and not row["forced"][0]
    assert row["diaNoise"][0] == 12.5 and row["exposure"][0] == "5"


def test_a_time_that_is_no_date_is_an_error():
    alert = lsst("7.4", diaSource=lsst_row("7.4", midpointMjdTai=1480360995.0))
    with pytest.raises(TableParseError, match=r"packet 1 has a midpointMjdTai that is not a date"):
        _ = alert.light_curve
    with pytest.raises(TableParseError, match="not a date"):
        _ = alert.time
    # It is shown without its light curve.
    assert "is not a date" in alert._repr_html_() and "schema 7.4" in repr(alert)


def test_the_object_of_lsst_has_units():
    row = lsst().object
    assert row["diaObjectId"] == 313897383979122767 and row["nDiaSources"] == 3
    assert row.table["g_psfFluxMean"].unit == u.nJy and row["g_psfFluxMean"] is np.ma.masked


# Brokers


def renamed(schema):
    """Return a schema with the names that Spark gives to records."""
    return json.loads(json.dumps(schema).replace("ztf.alert", "topLevelRecord"))


def test_packets_that_fink_renames():
    schema = renamed(ztf_schema(name="topLevelRecord"))
    schema["fields"] = [one for one in schema["fields"] if one["name"] != "candid"]
    schema["fields"].append({"name": "fink_broker_version", "type": "string"})
    alert = read_alert(container(schema, [ztf_packet() | {"fink_broker_version": "4.1"}]))
    assert (alert.broker, alert.alert_id) == ("Fink", 2695378462115010012)
    assert len(alert.light_curve) == 6 and alert.light_curve.meta["broker"] == "Fink"
    assert repr(alert).endswith("from Fink>")

    schema = lsst_schema("10.0", name="topLevelRecord")
    schema["fields"].append({"name": "lsst_schema_version", "type": "string"})
    schema["namespace"] = "other"
    schema = json.loads(json.dumps(schema).replace("lsst.v10_0.diaSource", "other.diaSource"))
    nothing = dict.fromkeys(("diaObjectId", "ra", "dec", "g_psfFluxMean", "nDiaSources"))
    text = json.dumps(schema)
    for name in ("diaObjectId", "ra", "dec"):
        kind = "long" if name == "diaObjectId" else "double"
        of_object = text.index('"name": "diaObject", "fields"')
        head, tail = text[:of_object], text[of_object:]
        text = head + tail.replace(
            f'{{"name": "{name}", "type": "{kind}"}}',
            f'{{"name": "{name}", "type": ["null", "{kind}"]}}', 1)  # fmt: skip
    packet = lsst_packet("10.0", diaObject=nothing, lsst_schema_version="lsst.v10_0")
    alert = read_alert(container(json.loads(text), [packet]))
    assert alert.version == "10.0" and len(alert.light_curve) == 5
    assert alert.object["diaObjectId"] is np.ma.masked
    assert alert.light_curve.meta["coordinates"].ra.deg == 61.813187


@pytest.mark.parametrize(
    ("name", "survey"),
    [("elasticc.v0_9.alert", "ELAsTiCC"), ("atlas.alert", "ATLAS"), ("winter.alert", "WINTER"),
     ("decam.alert", "DECam")],
)  # fmt: skip
def test_packets_of_other_surveys_are_refused_by_name(name, survey):
    schema = ztf_schema(name=name)
    with pytest.raises(TableParseError, match=rf"is a packet of .*{survey}.*\({name}\)"):
        read_alert(container(schema, [ztf_packet()]))


def test_packets_of_unknown_kinds_are_refused_with_their_fields():
    schema = record("some.thing", listed("candidate", "long"), listed("other", "string"))
    with pytest.raises(TableParseError, match=r"neither.*'some\.thing'.*candidate, other"):
        read_alert(container(schema, [{"candidate": [1], "other": None}]))


# Stamps, display


def test_stamps_of_ztf():
    stamps = ztf().stamps
    assert [hdu.name for hdu in stamps] == ["SCIENCE", "TEMPLATE", "DIFFERENCE"]
    assert stamps["TEMPLATE"].data.shape == (63, 53) and stamps["DIFFERENCE"].data[0, 0] == 2
    assert stamps[0].header["OBJECT"] == "ZTF18abudxnw"
    assert stamps[1].header["CANDID"] == "2695378462115010012"
    stamps.verify("exception")


def test_stamps_of_lsst_have_a_wcs_and_further_images():
    alert = lsst(cutoutTemplate=None)
    assert [hdu.name for hdu in alert.stamps] == ["SCIENCE", "DIFFERENCE"]
    centre = WCS(alert.stamps["SCIENCE"].header).pixel_to_world(14.5, 14.5)
    assert centre.separation(alert.coordinates) < 1e-3 * u.arcsec
    further = alert.read_stamps(include_variance_and_psf=True)
    assert [hdu.name for hdu in further[2:4]] == ["SCIENCE_UNCERT", "SCIENCE_PSFIMAGE"]
    assert len(lsst(**{f"cutout{kind}": None for kind in ("Science", "Template")}).stamps) == 1


def test_stamps_that_are_not_fits_are_named():
    jpeg = {"fileName": "a.jpg", "stampData": b"\xff\xd8\xff\xe0 JFIF"}
    alert = ztf(cutoutTemplate=jpeg)
    with pytest.raises(TableParseError, match="packet 1: the template stamp could not be read"):
        _ = alert.stamps
    assert "template stamp" in alert._repr_html_()


def test_an_alert_is_a_mapping_of_its_packet():
    alert = ztf()
    assert alert["candidate"]["fid"] == 2 and "fp_hists" in alert and len(alert) == 9
    assert dict(alert) == alert.packet and alert.get("none") is None
    assert {alert: 1}[alert] == 1
    assert len(pickle.loads(pickle.dumps(alert)).light_curve) == 6


def test_display_escapes_the_packet():
    alert = ztf(objectId="<b>x</b>\x1b[31m", publisher="a")
    assert "<b>" not in alert._repr_html_() and "\x1b" not in repr(alert)
    assert "<svg" in ztf()._repr_html_()


def test_plots():
    plt = pytest.importorskip("matplotlib.pyplot", reason="the plotting extra is not installed")
    for alert in (ztf(), lsst()):
        ax = alert.plot(y="flux")
        labels = [text.get_text() for text in ax.figure.legends[0].get_texts()] if (
            ax.figure.legends) else [t.get_text() for t in ax.get_legend().get_texts()]  # fmt: skip
        assert any("forced" in label for label in labels)
        assert len(alert.plot_stamps().axes) == 3
        assert alert._repr_html_().count("<img") == 3
    without = lsst(cutoutScience=None, cutoutTemplate=None, cutoutDifference=None)
    assert len(without.stamps) == 0
    with pytest.raises(InvalidQueryError, match="has no stamps"):
        without.plot_stamps()
    plt.close("all")


@pytest.mark.parametrize("make", [ztf, lsst])
def test_light_curves_are_written_and_read(make, tmp_path):
    lc = make().light_curve
    for name in ("lc.ecsv", "lc.fits"):
        back = read(write(lc, tmp_path / name))
        assert back.colnames == lc.colnames
        np.testing.assert_array_equal(back["flux"].mask, lc["flux"].mask)
        np.testing.assert_allclose(known(back["flux"]), known(lc["flux"]))

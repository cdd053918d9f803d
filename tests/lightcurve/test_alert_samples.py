"""Real packets of ZTF and LSST, each value compared with what fastavro decodes by itself."""

import importlib.util
import io
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.wcs import WCS

pytest.importorskip("fastavro", reason="the avro extra is not installed")

import fastavro

from atlasquery import read_alert, read_alerts
from atlasquery.exceptions import TableParseError
from atlasquery.lightcurve import Flag
from atlasquery.lightcurve.alert_columns import LSST_NAMES

ZTF = ("ztf_4_02.avro", "ztf_4_01_fp.avro", "ztf_isdiffpos_1.avro")
LSST = ("fink_lsst_10_0_two_records_cut.avro", "made_lsst_11_1.avro")
NO_PACKAGE = "the schemas of LSST are in the package lsst-alert-packet, which is not installed"


@pytest.fixture
def samples(shared):
    folder = shared / "samples" / "alerts"
    if not folder.is_dir():
        pytest.skip("alert packets: none in the folder shared/samples/alerts")
    return folder


@pytest.fixture
def schemas():
    """The folder of LSST's schemas, in which the survey has an example of each."""
    try:
        spec = importlib.util.find_spec("lsst.alert.packet")
    except ImportError:
        spec = None
    if spec is None:
        pytest.skip(NO_PACKAGE)
    return Path(spec.submodule_search_locations[0], "schema")


def raw(path):
    with path.open("rb") as file:
        return list(fastavro.reader(file))


def missing(value):
    return value is None or value != value


def plain(column):
    """Return the values of a column, and where they are masked, as lists."""
    mask = getattr(column, "mask", None)
    values = getattr(column, "unmasked", column)
    values = np.asarray(getattr(values, "value", values))
    if np.ma.isMaskedArray(column):
        values, mask = column.data.data, np.ma.getmaskarray(column)
    mask = np.zeros(len(values), bool) if mask is None else np.asarray(mask)
    return values.tolist(), mask.tolist()


def same(found, masked, value, name):
    """Compare a value of a table with the record's; what is not known is masked."""
    if missing(value) or value in (-999, -99999, "null", "") or (
        value == 0 and name in ("ssObjectId", "parentDiaSourceId", "diaObjectId")):  # fmt: skip
        assert masked, (name, value, found)
        return
    if name == "isdiffpos":
        value = {"t": 1, "1": 1, "f": -1, "0": -1}[value]
    assert not masked, (name, value)
    # A date is a string in tables.
    value = str(value) if hasattr(value, "isoformat") else value
    assert found == value, (name, value, found)


def check_rows(lc, rows, records, names, skipped):
    """Compare rows of a light curve with the records that they are of, in order of time."""
    assert len(rows) == len(records)
    for name in dict.fromkeys(name for one in records for name in one):
        if name in skipped or isinstance(records[0].get(name), (dict, list, bytes)):
            continue
        values, masks = plain(lc.columns[names.get(name, name)])
        for row, one in zip(rows.tolist(), records, strict=True):
            same(values[row], masks[row], one.get(name), name)


def check_object(row, record, names):
    for column in row.colnames:
        values, masks = plain(row.table[column])
        same(values[0], masks[0], record.get(names.get(column, column)), column)


@pytest.mark.parametrize("name", ZTF)
def test_packets_of_ztf(samples, name):
    (packet,), alert = raw(samples / name), read_alert(samples / name)
    lc, time = alert.light_curve, lambda one: one["jd"]
    assert alert.packet == packet and alert.alert_id == packet["candid"]
    history = packet["prv_candidates"] or []
    forced = packet.get("fp_hists") or []
    assert len(lc) == 1 + len(history) + len(forced)
    measured = sorted([packet["candidate"], *history], key=time)
    objects = {*alert.object.colnames} - {"ra", "dec", "ssdistnr", "ssmagnr", "ssnamenr"}
    skipped = {"jd", "diffmaglim", "exptime", *objects}
    check_rows(lc, np.flatnonzero(~lc["forced"]), measured, {}, skipped)
    check_rows(lc, np.flatnonzero(lc["forced"]), sorted(forced, key=time),
               {"distnr": "distnr_forced"}, skipped)  # fmt: skip
    flux_of, error_of = (lc[name].unmasked.value for name in ("flux", "flux_err"))
    for row, one in zip(np.flatnonzero(~lc["forced"]), measured, strict=True):
        assert abs(lc.time[row].jd - one["jd"]) < 1e-9
        assert lc["band"][row] == {1: "g", 2: "r", 3: "i"}[one["fid"]]
        assert lc["limiting_mag"].unmasked.value[row] == one["diffmaglim"]
        if one["magpsf"] is not None:
            sign = {"t": 1, "1": 1, "f": -1, "0": -1}[one["isdiffpos"]]
            flux = sign * 10 ** (-0.4 * (one["magpsf"] - 23.9))
            assert flux_of[row] == pytest.approx(flux, rel=1e-12)
            error = 0.4 * np.log(10) * abs(flux) * one["sigmapsf"]
            assert error_of[row] == pytest.approx(error, rel=1e-12)
    for row, one in zip(np.flatnonzero(lc["forced"]), sorted(forced, key=time), strict=True):
        scale = 10 ** (-0.4 * (one["magzpsci"] - 23.9))
        if one["forcediffimflux"] == -99999.0:
            assert lc["flux"].mask[row] and lc["limiting_mag"].mask[row]
        else:
            assert flux_of[row] == pytest.approx(one["forcediffimflux"] * scale)
            assert error_of[row] == pytest.approx(one["forcediffimfluxunc"] * scale)
    check_object(alert.object, packet["candidate"] | {"objectId": packet["objectId"]}, {})
    assert [hdu.data.shape for hdu in alert.stamps] == [(63, 63)] * 3


def test_forced_photometry_and_detections_of_one_exposure_agree(samples):
    """The zero point is that of the image, and the sign is in both."""
    ratios = []
    for name in ZTF[:2]:
        lc = read_alert(samples / name).light_curve
        detected = lc[lc["detection"] & ~lc["forced"]]
        forced = lc[lc["forced"] & ~lc["flux"].mask]
        by_exposure = {one["exposure"]: one for one in forced}
        for one in detected:
            if (other := by_exposure.get(one["exposure"])) is not None:
                assert one["band"] == other["band"] and one["time"].mjd == other["time"].mjd
                ratios.append(float((other["flux"] / one["flux"]).unmasked))
    assert len(ratios) > 5 and min(ratios) > 0
    assert abs(2.5 * np.log10(np.median(ratios))) < 0.05


def lsst_times(one):
    return one.get("midpointMjdTai", one.get("midPointTai"))


def check_lsst(alert, packet):
    lc = alert.light_curve
    detected = sorted([packet["diaSource"], *(packet["prvDiaSources"] or [])], key=lsst_times)
    forced = sorted(packet["prvDiaForcedSources"] or [], key=lsst_times)
    limits = packet.get("prvDiaNondetectionLimits") or []
    assert len(lc) == len(detected) + len(forced) + len(limits)
    skipped = {"midpointMjdTai", "midPointTai", "exposureTime", "band", "filterName"}
    for rows, records in (
        (np.flatnonzero(lc["detection"] & ~lc["forced"]), detected),
        (np.flatnonzero(lc["forced"]), forced),
    ):
        times = {name for one in records for name, v in one.items() if hasattr(v, "isoformat")}
        check_rows(lc, rows, records, LSST_NAMES, skipped | times)
        new = [{LSST_NAMES.get(name, name): v for name, v in one.items()} for one in records]
        part = lc[rows]
        np.testing.assert_allclose(
            part.time.mjd, [one["midpointMjdTai"] for one in new], rtol=0, atol=1e-9
        )
        assert part["band"].tolist() == [one["band"] or "" for one in new]
        for ours, theirs in (("flux", "psfFlux"), ("flux_err", "psfFluxErr")):
            sent = np.array([one[theirs] for one in new], dtype=float)
            np.testing.assert_allclose(part[ours].unmasked.value, sent / 1000, rtol=1e-12)
            np.testing.assert_array_equal(part[ours].mask, np.isnan(sent))
        exposures = [str(one.get("visit", one.get("ccdVisitId"))) for one in new]
        assert part["exposure"].tolist() == exposures
        withdrawn = [not missing(one.get("timeWithdrawnMjdTai")) for one in new]
        assert (part["flag"] == int(Flag.WITHDRAWN)).tolist() == withdrawn
    record = packet["diaObject"] or {}
    check_object(alert.object, record, {LSST_NAMES.get(name, name): name for name in record})


@pytest.mark.parametrize("name", LSST)
def test_packets_of_lsst(samples, name):
    packets = raw(samples / name)
    alerts = list(read_alerts(samples / name))
    assert len(alerts) == len(packets)
    for alert, packet in zip(alerts, packets, strict=True):
        assert alert.alert_id == packet["diaSourceId"]
        check_lsst(alert, packet)


def test_the_withdrawn_row_and_the_one_with_nan(samples):
    lc = read_alert(samples / "made_lsst_11_1.avro").light_curve
    assert np.count_nonzero(lc["flag"]) == 1
    assert lc["timeWithdrawnMjdTai"].mask.sum() == len(lc) - 1


def test_messages_of_lsst_with_the_schemas_of_the_survey(samples, schemas):
    for name, version, number in (
        ("lsst_wire_900.bin", "9.0", "9/0"), ("made_lsst_wire_1101.bin", "11.1", "11/1"),
    ):  # fmt: skip
        by_number = read_alert(samples / name)
        alert = read_alert(samples / name, schema=schemas / number)
        assert alert.version == by_number.version == version
        body = (samples / name).read_bytes()[5:]
        path = next((schemas / number).glob("*.alert.avsc"))
        file = io.BytesIO(body)
        packet = fastavro.schemaless_reader(file, fastavro.schema.load_schema(str(path)))
        assert file.tell() == len(body)
        check_lsst(alert, packet)
        with pytest.raises(TableParseError, match=r"packet 1: "):
            read_alert(samples / name, schema=schemas / "7/1")
    alert = read_alert(samples / "lsst_wire_900.bin")
    assert not np.isfinite(alert.light_curve["timeWithdrawnMjdTai"].unmasked).any()
    assert [hdu.data.shape for hdu in alert.stamps] == [(30, 30)] * 3
    assert len(alert.read_stamps(include_variance_and_psf=True)) == 9
    header = alert.stamps["SCIENCE"].header
    assert WCS(header).wcs.crval[0] == pytest.approx(alert.coordinates.ra.deg, abs=1e-3)


def test_a_bare_record_of_lsst(samples, schemas):
    alert = read_alert(samples / "lsst_schemaless_5_0_no_prefix.bin", schema=schemas / "5/0")
    assert alert.version == "5.0" and alert.alert_id == 181071530527032103
    assert alert.object_id == 176546782480695886
    lc = alert.light_curve
    assert lc.time.max().mjd == pytest.approx(57095.17126396, abs=1e-7)
    with pytest.raises(TableParseError):
        read_alert(samples / "lsst_schemaless_5_0_no_prefix.bin", schema=schemas / "6/0")


def test_the_examples_of_all_schemas_of_lsst(schemas):
    examples = sorted(schemas.glob("*/*/sample_data/fakeAlert.avro"))
    assert len(examples) >= 14
    for path in examples:
        (packet,), alert = raw(path), read_alert(path)
        assert repr(alert.packet) == repr(packet)
        major, minor = path.relative_to(schemas).parts[:2]
        assert alert.version == f"{major}.{minor}"
        if int(major) >= 8:
            check_lsst(alert, packet)
            continue
        # Their times are seconds.
        with pytest.raises(TableParseError, match=re.escape("not a date: np.float64(1480360995")):
            _ = alert.light_curve
        for record in (packet["diaSource"], *(packet["prvDiaSources"] or ()),
                       *(packet["prvDiaForcedSources"] or ()),
                       *(packet["prvDiaNondetectionLimits"] or ())):  # fmt: skip
            name = "midpointMjdTai" if "midpointMjdTai" in record else "midPointTai"
            record[name] = 60000.0 + record[name] % 1
        with path.open("rb") as file:
            schema = fastavro.reader(file).writer_schema
        file = io.BytesIO()
        fastavro.writer(file, schema, [packet])
        check_lsst(read_alert(file.getvalue()), packet)

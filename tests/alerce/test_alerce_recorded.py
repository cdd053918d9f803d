"""Recorded exchanges of the real servers decode: types, exact numbers, and units as listed."""

import csv
import io
import json
import re

import astropy.units as u
import numpy as np
import pytest

from atlasquery.alerce import columns, lsst_columns
from atlasquery.alerce.base import decode_plain
from atlasquery.alerce.classes import _decode_classifiers
from atlasquery.alerce.light_curves import _decode_both
from atlasquery.alerce.photometry import decode_forced, decode_v2, ztf_schema
from atlasquery.tables import build_table, decode_rows

ROWS = {
    "ztf_v1/detections.json": columns.DETECTION,
    "ztf_v1/detections_corr.json": columns.DETECTION,
    "ztf_v1/detections_empty.json": columns.DETECTION,
    "ztf_v1/non_detections.json": columns.NON_DETECTION,
    "ztf_v1/magstats.json": columns.MAGSTATS,
    "ztf_v1/probabilities.json": columns.PROBABILITY,
    "ztf_v1/features.json": columns.FEATURE,
    "ztf_v1/features_fid.json": columns.FEATURE,
    "ztf_v1/feature_one.json": columns.FEATURE,
    "multisurvey/detections.json": lsst_columns.DETECTION,
    "multisurvey/detections_two.json": lsst_columns.DETECTION,
    "multisurvey/forced.json": lsst_columns.FORCED,
    "multisurvey/forced_twice.json": lsst_columns.FORCED,
    "multisurvey/magstats.json": lsst_columns.DIA_OBJECT,
    "multisurvey/probability.json": columns.PROBABILITY,
}
# Which declaration a model of the list of units speaks of.
MODELS = {
    "v1 object": columns.OBJECT,
    "v1 object list item (+ all object fields)": columns.OBJECT,
    "v1 detection (null keys are DROPPED)": columns.DETECTION,
    "v1 non_detection": columns.NON_DETECTION,
    "v1 magstats": columns.MAGSTATS,
    "v1 probability": columns.PROBABILITY,
    "v1 feature": columns.FEATURE,
    "v1 classifier": columns.CLASSIFIER,
    "v2 forced_photometry": columns.FORCED,
    "v2 forced_photometry.extra_fields": columns.FORCED_EXTRA,
    "multisurvey LSST detection (~105 keys)": lsst_columns.DETECTION,
    "multisurvey object list item": lsst_columns.OBJECT,
}
UNITS = {"d": u.day, "DN": u.DN, "pix": u.pix, "mag": u.mag, "deg": u.deg, "arcsec": u.arcsec}
UNITS |= {"s": u.s, "nJy": u.nJy}
ABSENT = "never sent", "always absent"


@pytest.mark.parametrize("path", ROWS)
def test_rows_decode_into_declared_columns(samples, path):
    rows = decode_plain(ROWS[path], samples(path))
    sent = json.loads(samples(path))
    assert len(rows) == len(sent)
    assert {column.wire for column in rows.columns} == {column.wire for column in ROWS[path]}
    table = build_table(rows.without(("band_map",)))
    assert all(table[name].dtype.kind != "O" for name in table.colnames)
    for column in rows.columns:
        if column.kind in (int, columns.Quoted):
            for value, row in zip(table[column.name].tolist(), sent, strict=True):
                expected_value = row.get(column.wire)
                assert value == (None if expected_value is None else int(expected_value))


@pytest.mark.parametrize(
    ("path", "declared"),
    [
        (path, columns.OBJECT)
        for path in (
            "ztf_v1/objects_default.json", "ztf_v1/objects_oids.json", "ztf_v1/objects_class.json",
            "ztf_v1/objects_page_past_end.json", "ztf_v1/objects_rank_only.json",
        )
    ]
    + [
        (path, lsst_columns.OBJECT)
        for path in ("multisurvey/list_objects.json", "multisurvey/list_cone.json",
                     "multisurvey/list_empty.json")
    ],
)  # fmt: skip
def test_pages_of_objects_decode(samples, path, declared):
    items = json.loads(samples(path))["items"]
    rows = decode_plain(declared, json.dumps(items).encode())
    table = build_table(rows)
    assert [column.wire for column in rows.columns] == [column.wire for column in declared]
    assert table["oid"].tolist() == [item["oid"] for item in items]
    assert all(table[name].dtype.kind != "O" for name in table.colnames)


def test_forced_photometry_is_flat(samples):
    rows = decode_forced(samples("v2_lightcurve/forced_photometry.json"))
    sent = json.loads(samples("v2_lightcurve/forced_photometry.json"))
    table = build_table(rows)
    assert table["exptime"].tolist() == [row["extra_fields"]["exptime"] for row in sent]
    assert all(table[name].dtype.kind != "O" for name in table.colnames)
    none = [row["mag"] == 100.0 for row in sent]
    assert np.ma.getmaskarray(table["mag_psf"]).tolist() == none
    assert len(ztf_schema(rows, kind="forced")) == len(sent)


def test_light_curves_decode(samples):
    detections, limits = _decode_both(samples("ztf_v1/lightcurve.json"))
    assert (len(detections), len(limits)) == (19, 18)
    assert [len(part) for part in _decode_both(samples("ztf_v1/lightcurve_empty.json"))] == [0, 0]


def test_classifiers_decode(samples):
    for path in ("ztf_v1/classifiers.json", "multisurvey/classifiers.json"):
        rows = _decode_classifiers(samples(path))
        sent = json.loads(samples(path))
        assert rows.values["classes"].tolist() == [", ".join(row["classes"]) for row in sent]


def listed(samples):
    """Return model, field and unit of each field of the list."""
    for row in csv.DictReader(io.StringIO(samples("units.csv").decode())):
        if any(word in row["type"] + row["nullable"] for word in ABSENT):
            continue
        for field in re.split(r"[,/]", row["field"]):
            yield row["model"], field.strip().rstrip("?"), row["unit"].strip()


def test_the_unit_of_each_field_is_as_listed(samples):
    wrong, checked = [], 0
    for model, field, unit in listed(samples):
        declared = MODELS[model].by_wire
        pattern = re.compile(field.replace("*", ".*") + "$")
        matching = [column for wire, column in declared.items() if pattern.match(wire)]
        if not matching:
            wrong.append(f"{model}: {field} is not declared")
        for column in matching:
            expected = expected_unit(unit, column.wire)
            if column.unit != expected:
                wrong.append(f"{model}: {field} is {column.unit}, listed as {unit}")
            checked += 1
    assert wrong == []
    assert checked > 150


def expected_unit(text, wire):
    if wire == "trailLength":
        return u.arcsec
    word = re.match(r"[A-Za-z]*", text)[0]
    return UNITS.get(word)


def test_everything_of_an_object_in_one_answer(samples):
    sent = json.loads(samples("v2_lightcurve/lightcurve.json"))
    name = sent["detections"][0]["oid"]
    parts = decode_v2(samples("v2_lightcurve/lightcurve.json"), name)
    assert [len(rows) for rows in parts] == [
        len(sent[key]) for key in ("detections", "non_detections", "forced_photometry")
    ]
    table = build_table(parts[0])
    assert table.colnames == [column.name for column in columns.DETECTION]
    assert table["drbversion"].tolist() == [
        row["extra_fields"]["drbversion"] for row in sent["detections"]
    ]
    assert table["candid"].tolist() == [int(row["candid"]) for row in sent["detections"]]
    assert table["magpsf"].tolist() == [row["mag"] for row in sent["detections"]]
    empty = decode_v2(samples("v2_lightcurve/lightcurve_missing.json"), name)
    assert not any(map(len, empty))


def test_an_object_of_lsst_with_its_statistics(samples):
    rows = decode_rows(lsst_columns.ENTRY, b"[" + samples("multisurvey/object_extra.json") + b"]")
    assert {c.wire for c in rows.columns} == {c.wire for c in lsst_columns.ENTRY}
    assert build_table(rows)["g_psfFluxMean"].tolist() == [1234.5]


def test_the_route_of_light_curves_declares_all_keys(samples):
    detections, _ = _decode_both(samples("ztf_v1/lightcurve.json"))
    assert [c.name for c in detections.columns] == [c.name for c in columns.DETECTION]

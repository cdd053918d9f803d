"""Real answers of the production server: every row and every value arrives."""

import gzip
import json

import msgspec
import numpy as np
import pytest
from astropy.time import Time

from atlasquery.atlas import columns
from atlasquery.atlas.items import object_rows, product_rows
from atlasquery.atlas.source import AtlasSource
from atlasquery.tables import build_table, decode_rows

PRODUCTS = {
    "lc": columns.DETECTION,
    "lcnondets": columns.NON_DETECTION,
    "fp": columns.FORCED,
    "sherlock_crossmatches": columns.SHERLOCK_CROSSMATCH,
    "sherlock_classifications": columns.SHERLOCK_CLASSIFICATION,
    "tns_crossmatches": columns.CROSSMATCH,
    "external_crossmatches": columns.CROSSMATCH,
}


@pytest.fixture(scope="module", params=["sn", "pm", "md"])
def answer(request, shared):
    """The bytes of one item, and the same as Python objects."""
    (path,) = (shared / "data" / "atlas").glob(f"*_{request.param}.json.gz")
    body = gzip.decompress(path.read_bytes())
    return body, json.loads(body)


@pytest.fixture(scope="module")
def item(answer):
    return msgspec.json.decode(answer[0], type=dict[str, msgspec.Raw])


@pytest.fixture
def source(item):
    return AtlasSource(item, window=(None, None), meta={})


def lost(table, declared, sent):
    """Return the row and key of each value sent that the table does not have."""
    missing = []
    for key in sent[0] if sent else ():
        column = table[declared.by_wire[key].name]
        if isinstance(column, Time):
            values = np.where(column.mask, None, np.asarray(column.isot)).tolist()
        else:
            values = column.tolist()
        for n, (value, row) in enumerate(zip(values, sent, strict=True)):
            there = row[key]
            if isinstance(column, Time) and there is not None:
                # The server sends whole seconds, with or without a Z.
                value, there = str(value)[:19], there[:19]
            if value != (None if there == "" else there):
                missing.append((n, key))
    return missing


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_value_of_every_row(item, answer, product):
    declared, sent = PRODUCTS[product], answer[1][product]
    table = build_table(product_rows(declared, [item], product))
    assert len(table) == len(sent)
    assert len(table.colnames) == len(declared), "a column was not declared"
    assert lost(table, declared, sent) == []


def test_every_value_of_the_catalogue_entry(item, answer):
    table = build_table(object_rows([item]))
    assert len(table.colnames) == len(columns.OBJECT)
    assert lost(table, columns.OBJECT, [answer[1]["object"]]) == []
    # A column of newer servers that these answers do not have.
    assert table["vra_rank"].mask.all()


def test_every_row_in_the_light_curve(source, answer):
    detections, rest = answer[1]["lc"], answer[1]["lcnondets"]
    lc = source.light_curve
    assert len(lc) == len(detections) + len(rest)
    assert int(lc["detection"].sum()) == len(detections)
    assert sorted(lc["exposure"].tolist()) == sorted(r["expname"] for r in detections + rest)
    assert sorted(lc.time.mjd.tolist()) == sorted(r["mjd"] for r in detections + rest)
    found = lc[lc["detection"]]
    # An exposure may have a duplicate detection, so rows are told apart by their values too.
    found = found[np.lexsort((found["signed_mag"].unmasked.value, found["exposure"]))]
    signed = np.array([mag for _, mag in sorted((r["expname"], r["mag"]) for r in detections)])
    flux = np.sign(signed) * 10 ** (0.4 * (23.9 - np.abs(signed)))
    np.testing.assert_allclose(found["flux"].unmasked.value, flux, rtol=1e-12)
    np.testing.assert_array_equal(found["mag"].mask, signed < 0)
    np.testing.assert_array_equal(found["signed_mag"].unmasked.value, signed)


def test_negative_magnitudes_are_negative_fluxes(shared):
    negative = []
    for path in sorted((shared / "data" / "atlas").glob("*.json.gz")):
        body = gzip.decompress(path.read_bytes())
        item = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        lc = AtlasSource(item, window=(None, None), meta={}).light_curve
        negative += lc["signed_mag"][lc["flux"] < 0].unmasked.value.tolist()
    assert sorted(negative) == [-21.256, -18.363, -18.22]


def test_forced_flux_gives_the_magnitude_the_server_sent(source, answer):
    forced = source.forced_photometry
    assert len(forced) == len(answer[1]["fp"])
    if not len(forced):
        return
    detected = forced[forced["detection"] & (forced["flux"].unmasked > 0)]
    assert len(detected) > 10
    # The server rounds to 0.01 mag.
    difference = detected["mag"].unmasked.value - detected["reported_mag"].unmasked.value
    assert np.max(np.abs(difference)) < 0.0051
    signal = detected["flux"].unmasked.value / detected["flux_err"].unmasked.value
    np.testing.assert_allclose(signal, detected["snr"], atol=0.0051)


def test_recorded_exchanges_decode(shared):
    decoded = 0
    for path in sorted((shared / "samples" / "atlas").glob("objects_*.json")):
        body = json.loads(path.read_text()).get("body")
        for entry in body if isinstance(body, list) else ():
            if not isinstance(entry, dict) or not isinstance(entry["object"], dict):
                continue
            for product, declared in PRODUCTS.items():
                # A recording says "... 9 items in all" in place of the rows it leaves out.
                sent = [row for row in entry[product] if isinstance(row, dict)]
                table = build_table(decode_rows(declared, msgspec.json.encode(sent)))
                assert len(table) == len(sent)
                assert table.colnames == list(declared.by_name), f"{path.name} {product}"
                decoded += len(sent)
    assert decoded > 100

"""Catalogues at a position, by catsHTM."""

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.units import photometric

from atlasquery.alerce import conf
from atlasquery.alerce.catshtm import catalog_tables, read_catalogs
from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    NoResultsWarning,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.sandbox.http import Response

HERE = SkyCoord(150.1, 2.2, unit="deg")


def decode_catalogs(body, name=None):
    """Return the tables of a reply."""
    return catalog_tables([read_catalogs(body, name)])


def test_catalogues_have_units_and_masks(alerce):
    found = alerce.query_catshtm_region(HERE, radius="2 arcsec")
    assert list(found) == ["GAIA/DR1", "DECaLS", "SDSS/DR10", "SpecSDSS"]
    decals = found["DECaLS"]
    assert decals["Flux_W1"].unit == photometric.nmgy
    assert decals["Flux_u"].mask.all() and np.isnan(decals["Flux_u"].data.data).all()
    assert decals["type"].unit is None
    assert found["SDSS/DR10"]["errRA"].unit == u.arcsec
    assert found["SDSS/DR10"]["mjd"].unit == u.day
    assert found["SpecSDSS"]["velDisp"].unit == u.km / u.s
    assert found["GAIA/DR1"].meta["catalog"] == "GAIA/DR1"


def test_one_catalogue_goes_by_the_name_that_the_server_takes(alerce, double):
    one = alerce.crossmatch_catshtm(HERE, radius="2 arcsec", catalog="GAIA/DR1")
    assert double.asked("crossmatch")[0].startswith("/catshtm/crossmatch?catalog=GAIADR1")
    assert isinstance(one, Table) and len(one) == 1
    assert one["separation"].unit == u.arcsec
    double.received.clear()
    with pytest.raises(InvalidQueryError, match="'GAIA/DR4' is not one of catsHTM's; did you mean"):
        alerce.query_catshtm_region(HERE, radius="2 arcsec", catalog="GAIA/DR4")
    assert double.received == []
    # A server may still have it.
    with (
        conf.set_temp("catshtm_catalogs", ["GAIA/DR4"]),
        conf.set_temp("retries", 0),
        pytest.raises(RemoteServiceError) as caught,
    ):
        alerce.query_catshtm_region(HERE, radius="2 arcsec", catalog="GAIA/DR4")
    assert "catshtm" in caught.value.url


def test_nothing_there_is_warned_of(alerce):
    far = SkyCoord(10, 20, unit="deg")
    with pytest.warns(NoResultsWarning):
        assert alerce.query_catshtm_region(far, radius="2 arcsec") == {}
    with pytest.warns(NoResultsWarning):
        assert len(alerce.crossmatch_catshtm(far, radius="2 arcsec", catalog="DECaLS")) == 0
    with pytest.warns(NoResultsWarning):
        assert len(alerce.get_catshtm_redshift(far, radius="2 arcsec")) == 0
    with pytest.raises(InvalidQueryError, match="several positions"):
        alerce.get_catshtm_redshift(SkyCoord([1, 2], [1, 2], unit="deg"), radius="2 arcsec")


def test_entries_beyond_the_radius_are_cut(alerce):
    beside = HERE.directional_offset_by(0 * u.deg, 10 * u.arcsec)
    with pytest.warns(NoResultsWarning):
        assert alerce.crossmatch_catshtm(beside, radius="2 arcsec") == {}
    with pytest.warns(NoResultsWarning):
        assert len(alerce.crossmatch_catshtm(beside, radius="2 arcsec", catalog="DECaLS")) == 0
    found = alerce.crossmatch_catshtm(beside, radius="11 arcsec")
    assert found["DECaLS"]["separation"][0] == pytest.approx(10)


def test_infinity_is_a_number(alerce):
    found = alerce.query_catshtm_region(HERE, radius="2 arcsec", catalog="GAIA/DR1")
    assert found["ExcessNoise"].dtype == np.float64 and np.isposinf(found["ExcessNoise"]).all()
    body = b'{"a": {"unit": "", "values": [-Infinity, 1]}, "b": {"unit": "", "values": ["infinity",'
    (table,) = decode_catalogs(body + b' "x"]}}', "SDSSDR10").values()
    assert np.isneginf(table["a"][0]) and not table["a"].mask.any()
    assert table["b"].tolist() == ["infinity", "x"]


def test_redshifts_say_of_which_kind_they_are(alerce, double):
    found = alerce.get_catshtm_redshift(HERE, radius="2 arcsec")
    assert found["redshift"].tolist() == [0.1006335]
    reply = [
        {"A": {"zphot": {"unit": " ", "value": 0.2}, "distance": {"unit": "arcsec", "value": 0.1}}},
        {"B": {"z": {"unit": " ", "value": "null"}, "distance": {"unit": "arcsec", "value": 0.1}}},
        {"C": {"z": {"unit": " ", "value": 0.3}, "distance": {"unit": "arcsec", "value": 1.5}}},
        {"D": {"z": {"unit": " ", "value": 0.4}, "distance": {"unit": "arcsec", "value": 0.5}}},
    ]
    double.faults["crossmatch_all"] = Response(200, reply)
    found = alerce.get_catshtm_redshift(HERE, radius="3 arcsec")
    assert found["catalog"].tolist() == ["D", "C", "A"]
    assert found["kind"].tolist() == ["spectroscopic", "spectroscopic", "photometric"]


def test_catalogues_as_recorded(samples):
    for path in (
        "CONESEARCH_ALL_RESPONSE",
        "COSSMATCH_ALL_RESPONSE",
        "CONESEARCH_CATALOG_RESPONSE",
    ):
        found = decode_catalogs(samples(f"catshtm/{path}.json"))
        assert "GAIA/DR1" in found
        for table in found.values():
            assert all(table[name].dtype.kind in "fU" for name in table.colnames)
            assert not any(isinstance(table[c].unit, u.UnrecognizedUnit) for c in table.colnames)
    one = decode_catalogs(samples("catshtm/CROSSMATCH_CATALOG_RESPONSE.json"), "GAIA/DR1")
    assert one["GAIA/DR1"]["separation"].unit == u.arcsec
    assert one["GAIA/DR1"]["MagG"][0] == 17.018136614317157


def test_the_shape_of_attributes_is_read_too():
    fields = [
        {"attribute_name": "RA", "unit": "deg", "value": 1.5},
        {"attribute_name": "name", "unit": "", "value": "x"},
    ]
    one = decode_catalogs(json.dumps(fields).encode(), "NED")["NED"]
    assert one["RA"].unit == u.deg and one["name"][0] == "x"
    many = decode_catalogs(json.dumps([{"NED": fields}]).encode())
    assert many["NED"].colnames == ["RA", "name"]
    for wrong in (b"3", b'{"A": 1}', b'{"A": {"RA": 3}}'):
        with pytest.raises(TableParseError, match="catsHTM answered"):
            decode_catalogs(wrong)


def test_values_of_catshtm_that_are_none_are_masked_and_none_is_made_up():
    body = b'{"z": {"unit": "", "values": [NaN, 1.0]}, "n": {"unit": "", "values": [1, 2]}}'
    (table,) = decode_catalogs(body, "SDSSDR10").values()
    assert table["z"].mask.tolist() == [True, False]
    uneven = b'{"z": {"unit": "", "values": [1.0]}, "n": {"unit": "", "values": [1, 2]}}'
    with pytest.raises(TableParseError, match="different lengths"):
        decode_catalogs(uneven, "SDSSDR10")


def test_whole_numbers_of_catshtm_stay_whole():
    number = 2**62 + 1
    fields = {
        "objid": {"unit": " ", "values": [number, None, 7]},
        "nobs": {"unit": " ", "values": [1, 2, 3]},
        "mixed": {"unit": "mag", "values": [1, 2.5, "null"]},
        "huge": {"unit": " ", "values": [2**70, 1, 2]},
        "flag": {"unit": " ", "values": [None, None, None]},
    }
    table = decode_catalogs(json.dumps({"SDSSDR10": fields}).encode())["SDSS/DR10"]
    assert [table[name].dtype.kind for name in fields] == ["i", "i", "f", "f", "f"]
    assert table["objid"].tolist() == [number, None, 7]
    assert table["mixed"].tolist() == [1, 2.5, None] and table["mixed"].unit == u.mag


def test_catalogues_at_many_positions(alerce, double):
    present, beside = HERE, HERE.directional_offset_by(0 * u.deg, 1 * u.arcsec)
    far = SkyCoord(10, 20, unit="deg")
    where = SkyCoord([present, far, beside, present])
    found = alerce.crossmatch_catshtm(where, radius="2 arcsec", cache=False)
    assert set(found) == {"GAIA/DR1", "DECaLS", "SDSS/DR10", "SpecSDSS"}
    assert all(table["query_index"].tolist() == [0, 2, 3] for table in found.values())
    assert found["DECaLS"].colnames[0] == "query_index"
    assert found["DECaLS"]["separation"].tolist() == pytest.approx([0, 1, 0], abs=1e-3)
    assert found["DECaLS"]["Flux_u"].mask.all()
    assert found["GAIA/DR1"].meta["service"] == "ALeRCE broker"
    one = alerce.query_catshtm_region(
        where.reshape(2, 2), radius="2 arcsec", catalog="GAIA/DR1", cache=False
    )
    assert one["query_index"].tolist() == [0, 0, 2, 2, 3, 3]
    # An array of one position is an array.
    single = alerce.crossmatch_catshtm(where[:1], radius="2 arcsec", catalog="GAIA/DR1")
    assert single["query_index"].tolist() == [0]


def test_a_position_that_fails_costs_the_others_nothing(alerce, double):
    where = SkyCoord([150.1, 12.5, 150.1], [2.2, 20, 2.2], unit="deg")
    double.faults["ra=12.5"] = Response(500, {"message": "broken"})
    with conf.set_temp("retries", 0):
        with pytest.raises(IncompleteResultError, match=r"1 of 3 positions.*12\.500000") as caught:
            alerce.crossmatch_catshtm(where, radius="2 arcsec", cache=False)
        assert caught.value.result["DECaLS"]["query_index"].tolist() == [0, 2]
        assert "broken" in caught.value.result["DECaLS"].meta["failures"][0]
        with pytest.warns(InputWarning, match=r"1 of 3 positions.*meta\['failures'\]"):
            table = alerce.crossmatch_catshtm(
                where, radius="2 arcsec", catalog="DECaLS", on_error="warn", cache=False
            )
        assert len(table) == 2 and len(table.meta["failures"]) == 1
        with pytest.raises(RemoteServiceError, match="broken") as single:
            alerce.crossmatch_catshtm(where[1], radius="2 arcsec", cache=False)
    assert not isinstance(single.value, IncompleteResultError)


def test_a_field_that_one_position_lacks_is_masked_there():
    first = {"SDSSDR10": {"name": {"unit": "", "value": "a"}, "n": {"unit": "", "value": 1}}}
    second = {"SDSSDR10": {"name": {"unit": "", "value": None}, "m": {"unit": "mag", "value": 2.5}}}
    replies = [read_catalogs(json.dumps(one).encode()) for one in (first, second, {})]
    table = catalog_tables(replies, index=[4, 5, 6])["SDSS/DR10"]
    assert table["query_index"].tolist() == [4, 5]
    assert table["name"].tolist() == ["a", None] and table["n"].tolist() == [1, None]
    assert table["m"].tolist() == [None, 2.5] and table["m"].unit == u.mag

"""Arguments as values of parameters and JSON."""

import datetime
import re

import astropy.units as u
import msgspec
import numpy as np
import pytest
from astropy.coordinates import Angle
from astropy.table import Column
from astropy.time import Time
from astropy.utils.masked import Masked

from atlasquery.exceptions import InvalidQueryError
from atlasquery.skyportal.payloads.values import as_json, degrees, in_path, iso, params_of

MASKED_TIMES = Time([61041.0, 61042.0], format="mjd")
MASKED_TIMES[1] = np.ma.masked


def test_names_of_ours_and_of_the_server():
    known = {"group_ids": "groupIDs", "start": "startDate"}
    assert params_of({"group_ids": (1, 2), "start": None}, known) == {"groupIDs": "1,2"}
    with pytest.raises(InvalidQueryError, match="no filter 'groupids'; did you mean 'group_ids'"):
        params_of({"groupids": 1}, known)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (True, "true"),
        (np.False_, "false"),
        (np.int64(7), "7"),
        (1.5, "1.5"),
        (np.float32(0.5), "0.5"),
        ("a, b", "a, b"),
        (Angle("0.5d"), "0.5"),
        (u.Quantity(1, u.arcmin), repr(1 / 60)),
        (Time("2026-01-01T00:01:09.184", scale="tt"), "2026-01-01T00:00:00.000"),
        (datetime.datetime(2026, 1, 1, 12), "2026-01-01T12:00:00.000"),
        (datetime.date(2026, 1, 1), "2026-01-01T00:00:00.000"),
        ([True, 2, "x"], "true,2,x"),
    ],
)
def test_values(value, sent):
    assert params_of({"name": value}) == {"name": sent}


@pytest.mark.parametrize(
    "value", [True, "soon", None, np.nan, Time([1.0, 2.0], format="mjd"), MASKED_TIMES[1]]
)
def test_a_time_that_is_none(value):
    with pytest.raises(InvalidQueryError, match="start="):
        iso(value, "start")


@pytest.mark.parametrize("value", [1.0, "1", 3 * u.m, [1, 2] * u.deg, np.inf * u.deg])
def test_an_angle_that_is_none(value):
    with pytest.raises(InvalidQueryError, match="radius="):
        degrees(value, "radius")


def test_json_of_what_astronomers_have():
    given = {
        "mjd": np.array([60300.5, 60301.5]),
        "flux": np.ma.array([1.0, np.nan], mask=[False, True]),
        "two": np.ma.array([[1, 2], [3, 4]], mask=[[False, True], [False, False]]),
        "err": Masked([1.0, np.nan], mask=[False, True]),
        "hidden": [Masked(2.0, mask=True), Masked(2.0, mask=False), np.ma.array(3, mask=True)],
        "strings": np.array(["a", "b"]),
        "text": np.str_("c"),
        "float": np.float32(0.5),
        "n": np.int64(2**60),
        "ok": np.bool_(True),
        "one": np.array(3.5),
        "when": Time("2026-01-01"),
        "times": Time([61041.0, 61042.0], format="mjd"),
        "seen": MASKED_TIMES,
        "unseen": MASKED_TIMES[1],
        "day": datetime.date(2026, 1, 1),
        "nested": ({"a": None, "b": (1, 2)},),
        3: np.ma.masked,
    }
    found = as_json(given)
    assert msgspec.json.decode(msgspec.json.encode(found)) == found
    assert found == {
        "mjd": [60300.5, 60301.5],
        "flux": [1.0, None],
        "two": [[1, None], [3, 4]],
        "err": [1.0, None],
        "hidden": [None, 2.0, None],
        "strings": ["a", "b"],
        "text": "c",
        "float": 0.5,
        "n": 2**60,
        "ok": True,
        "one": 3.5,
        "when": "2026-01-01T00:00:00.000",
        "times": ["2026-01-01T00:00:00.000", "2026-01-02T00:00:00.000"],
        "day": "2026-01-01T00:00:00.000",
        "seen": ["2026-01-01T00:00:00.000", None],
        "unseen": None,
        "nested": [{"a": None, "b": [1, 2]}],
        "3": None,
    }


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (np.nan, "data=nan"),
        ({"a": np.float32("inf")}, "data['a']=np.float32(inf)"),
        ({"a": [{"b": (1.0, -np.inf)}]}, "data['a'][0]['b'][1]=-inf"),
        ({"a": np.array([[1.0, 2.0], [3.0, np.nan]])}, "data['a'][1][1]=np.float64(nan)"),
        (np.ma.array([np.nan, np.nan], mask=[True, False]), "data[1]=np.float64(nan)"),
        (Masked([1.0, np.nan], mask=[True, False]), "data[1]=np.float64(nan)"),
        (np.array(np.nan), "data=np.float64(nan)"),
    ],
)
def test_what_is_no_number_is_refused_with_its_place(value, label):
    with pytest.raises(
        InvalidQueryError, match=re.escape(label) + " is not a number in JSON.*None if null"
    ):
        as_json(value, "data")


def test_a_key_that_is_lost_is_refused():
    with pytest.raises(InvalidQueryError, match="two keys that are '1'"):
        as_json({1: "a", "1": "b"})


@pytest.mark.parametrize(
    "value",
    [
        np.ma.masked,
        Masked(1.0, mask=True),
        [1, np.ma.masked],
        np.ma.array([1, 2], mask=[False, True]),
        Masked(1 * u.deg, mask=True),
    ],
)
def test_a_masked_parameter_is_refused(value):
    with pytest.raises(InvalidQueryError, match=r"n=.* is masked"):
        params_of({"n": value})


def test_an_array_of_one_is_one():
    assert params_of({"n": np.array(3), "m": Masked(2.5)}) == {"n": "3", "m": "2.5"}


@pytest.mark.parametrize(
    "value",
    [
        3 * u.mag,
        {"a": [1 * u.s]},
        Column([1.0], unit=u.mag),
        np.zeros(2, "i4,f8"),
        np.ma.zeros(2, "i4,f8")[0],
        object(),
        b"bytes",
    ],
)
def test_what_json_would_change_or_cannot_hold(value):
    with pytest.raises(InvalidQueryError, match="payload"):
        as_json(value)


def test_a_name_in_a_path():
    assert in_path("2018-01-16T00:36:53/a b") == "2018-01-16T00%3A36%3A53%2Fa%20b"

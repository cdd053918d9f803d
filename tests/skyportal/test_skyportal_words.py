"""What a user gives, in the server's words."""

import datetime

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Angle
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError
from atlasquery.skyportal.words import as_json, degrees, in_path, iso, params_of


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


@pytest.mark.parametrize("value", [True, "soon", None, np.nan, Time([1.0, 2.0], format="mjd")])
def test_a_time_that_is_none(value):
    with pytest.raises(InvalidQueryError, match="start="):
        iso(value, "start")


@pytest.mark.parametrize("value", [1.0, "1", 3 * u.m, [1, 2] * u.deg, np.inf * u.deg])
def test_an_angle_that_is_none(value):
    with pytest.raises(InvalidQueryError, match="radius="):
        degrees(value, "radius")


def test_json_of_what_astronomers_have():
    given = {
        "mjd": np.array([60300.5, np.nan]),
        "flux": np.ma.array([1.0, 2.0], mask=[False, True]),
        "n": np.int64(2**60),
        "ok": np.bool_(True),
        "one": np.array(3.5),
        "when": Time("2026-01-01"),
        "times": Time([61041.0, 61042.0], format="mjd"),
        "day": datetime.date(2026, 1, 1),
        "nested": ({"a": None, "b": np.inf},),
        3: np.ma.masked,
    }
    assert as_json(given) == {
        "mjd": [60300.5, None],
        "flux": [1.0, None],
        "n": 2**60,
        "ok": True,
        "one": 3.5,
        "when": "2026-01-01T00:00:00.000",
        "times": ["2026-01-01T00:00:00.000", "2026-01-02T00:00:00.000"],
        "day": "2026-01-01T00:00:00.000",
        "nested": [{"a": None, "b": None}],
        "3": None,
    }


@pytest.mark.parametrize("value", [3 * u.mag, {"a": [1 * u.s]}, object(), b"bytes"])
def test_what_json_would_change_or_cannot_hold(value):
    with pytest.raises(InvalidQueryError, match="payload"):
        as_json(value)


def test_a_name_in_a_path():
    assert in_path("2018-01-16T00:36:53/a b") == "2018-01-16T00%3A36%3A53%2Fa%20b"

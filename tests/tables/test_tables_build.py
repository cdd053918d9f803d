"""Columns to astropy tables: units, descriptions, masks and times, equal to astropy's own."""

import json
import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Column as TableColumn
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked

from atlasquery.exceptions import TableParseError
from atlasquery.tables import (
    Column,
    Columns,
    Timestamp,
    assemble,
    assemble_series,
    build_table,
    decode_rows,
    quantity_column,
    table_column,
)
from atlasquery.tables.build import _blank_column, time_column

COLUMNS = Columns(
    "a source",
    Column("id", int, to="atlas_id", about="Identifier.", required=True),
    Column("mag", unit=u.mag, about="Magnitude."),
    Column("texp", int, unit=u.s),
    Column("name", str, about="Name."),
    Column("good", bool),
    Column("inserted", Timestamp, about="Time of insertion."),
)
ROWS = [
    {"id": 2**63 - 1, "mag": 19.5, "texp": 30, "name": "ATLAS26abc", "good": True},
    {"id": 2**53 + 1, "mag": None, "texp": None, "name": None, "good": None},
]


def times(*texts):
    rows = [{"id": n, "inserted": text} for n, text in enumerate(texts)]
    return build_table(decode_rows(COLUMNS, json.dumps(rows).encode()))["inserted"]


def table(rows, **options):
    return build_table(decode_rows(COLUMNS, json.dumps(rows).encode()), **options)


def test_units_descriptions_and_types():
    built = table(ROWS, meta={"service": "x"})
    assert type(built) is Table
    assert built.meta == {"service": "x"}
    assert built.colnames == ["atlas_id", "mag", "texp", "name", "good", "inserted"]
    assert [built[n].unit for n in built.colnames[:5]] == [None, u.mag, u.s, None, None]
    assert [built[n].info.description for n in built.colnames] == [
        "Identifier.",
        "Magnitude.",
        None,
        "Name.",
        None,
        "Time of insertion.",
    ]
    assert type(built["atlas_id"]) is TableColumn
    assert {type(built[n]) for n in ("mag", "texp", "name", "good")} == {MaskedColumn}
    assert type(built["inserted"]) is Time
    assert [built[n].dtype.kind for n in built.colnames[:5]] == list("ifiUb")
    assert built["atlas_id"].tolist() == [2**63 - 1, 2**53 + 1]
    assert built["mag"].tolist() == [19.5, None]
    assert built["texp"].tolist() == [30, None]
    assert built["name"].tolist() == ["ATLAS26abc", None]
    assert built["good"].tolist() == [True, None]
    assert np.isnan(built["mag"].data.data[1])
    assert built["inserted"].mask.tolist() == [True, True]


@pytest.mark.parametrize("rows", [[], ROWS, ROWS[:1], ROWS[1:]])
def test_columns_do_not_depend_on_the_data(rows):
    built, full = table(rows), table(ROWS)
    assert built.colnames == full.colnames
    assert len(built) == len(rows)
    for name in built.colnames:
        assert type(built[name]) is type(full[name])
        assert getattr(built[name], "unit", None) == getattr(full[name], "unit", None)
        assert built[name].info.description == full[name].info.description
        assert built[name].info.dtype.kind == full[name].info.dtype.kind


@pytest.mark.parametrize("rows", [[], ROWS])
def test_assembled_table_equals_the_public_constructors(rows):
    decoded = decode_rows(COLUMNS, json.dumps(rows).encode())

    def columns():
        return [
            table_column(c, decoded.values[c.name].copy(), decoded.masks[c.name].copy())
            for c in decoded.columns
        ]

    ours, theirs = assemble(Table(meta={"a": 1}), columns()), Table(columns(), meta={"a": 1})
    assert ours.colnames == theirs.colnames
    assert ours.meta == theirs.meta
    assert ours.pformat() == theirs.pformat()
    assert ours.masked == theirs.masked
    for name in ours.colnames:
        assert type(ours[name]) is type(theirs[name])
        assert ours[name].info.parent_table is ours
        assert ours[name].info.name == name
        assert (
            np.array_equal(np.asarray(ours[name].mask), np.asarray(theirs[name].mask))
            or (not hasattr(ours[name], "mask"))
            if name != "atlas_id"
            else True
        )
    if rows:
        # It can be worked with as any other.
        ours["double"] = ours["mag"] * 2
        ours.sort("atlas_id")
        assert ours["atlas_id"].tolist() == [2**53 + 1, 2**63 - 1]
        ours.rename_column("mag", "m")
        ours["name"][1] = "renamed"
        assert ours[1]["name"] == "renamed"
        assert len(ours[ours["good"].filled(False)]) == 1


def test_meta_is_a_copy():
    meta = {"query": {"ra": 1}}
    built = table(ROWS, meta=meta)
    built.meta["query"]["ra"] = 2
    assert meta == {"query": {"ra": 1}}


def test_quantities():
    decoded = decode_rows(COLUMNS, json.dumps(ROWS).encode())
    result = {
        c.name: quantity_column(c, decoded.values[c.name], decoded.masks[c.name])
        for c in decoded.columns
    }
    mag = result["mag"]
    assert isinstance(mag, Masked) and isinstance(mag, u.Quantity)
    assert (mag.unit, mag.info.name, mag.info.description) == (u.mag, "mag", "Magnitude.")
    assert mag.mask.tolist() == [False, True]
    assert mag[0].unmasked == 19.5 * u.mag
    assert type(result["name"]) is MaskedColumn
    together = assemble(QTable(), result.values())
    assert type(together["mag"]) is type(mag)
    assert together["atlas_id"].tolist() == [2**63 - 1, 2**53 + 1]


@pytest.mark.parametrize(
    ("text", "isot"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05.000"),
        ("2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.679"),
        ("2026-01-02T03:04:05.5", "2026-01-02T03:04:05.500"),
        ("2026-01-02", "2026-01-02T00:00:00.000"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:60.000"),
    ],
)
def test_time_stamps(text, isot):
    for got in (times(text), times(None, text, "2020-01-01T00:00:00Z")[1:2]):
        assert (got.scale, got.format) == ("utc", "isot")
        assert got.isot[0] == isot
        expected = Time(text.rstrip("Z"), scale="utc")
        assert abs((got[0] - expected).to_value(u.ns)) < 1
    assert times(text).info.name == "inserted"


@pytest.mark.parametrize("missing", [None, ""])
def test_time_stamps_that_are_missing_are_masked(missing):
    stamp = "2026-01-02T03:04:05Z"
    for given, mask in (
        ([missing, stamp], [True, False]),
        ([stamp, missing], [False, True]),
        ([missing, missing], [True, True]),
        ([missing], [True]),
    ):
        got = times(*given)
        assert isinstance(got, Time)
        assert np.broadcast_to(got.mask, len(given)).tolist() == mask
        assert (got.scale, got.format, got.info.description) == (
            "utc",
            "isot",
            "Time of insertion.",
        )
    assert len(times()) == 0
    assert (times().scale, times().format) == ("utc", "isot")


@pytest.mark.parametrize(
    "bad", ["yesterday", "60000.5", "2026-13-01T00:00:00Z", "2026-01-02T03:04:05+99:00", "Z"]
)
def test_time_stamps_that_are_none(bad):
    for given in ([bad], ["2026-01-02T03:04:05Z", bad], [None, bad, "2026-01-02T03:04:05Z"]):
        with pytest.raises(TableParseError) as caught:
            times(*given)
        assert "inserted=" in str(caught.value)
        assert bad.rstrip("Z") in str(caught.value)


@pytest.mark.parametrize(
    ("text", "isot"),
    [
        ("2026-01-02T03:04:05+05:00", "2026-01-01T22:04:05.000"),
        ("2026-01-02T03:04:05.25+00:00", "2026-01-02T03:04:05.250"),
        ("2026-01-02 03:04", "2026-01-02T03:04:00.000"),
    ],
)
def test_time_stamps_of_other_forms(text, isot):
    got = times("2026-01-02T03:04:05Z", None, text)
    assert got.isot[2] == isot
    assert got.mask.tolist() == [False, True, False]


def test_declarations():
    assert next(iter(COLUMNS)).name == "atlas_id"
    assert len(COLUMNS) == 6
    assert COLUMNS.by_wire["id"] is COLUMNS.by_name["atlas_id"]
    assert repr(COLUMNS).startswith("<Columns of a source: atlas_id, mag")
    with pytest.raises(AttributeError):
        COLUMNS.by_wire["id"].unit = u.m


@pytest.mark.parametrize("kind", [TableColumn, MaskedColumn])
@pytest.mark.parametrize(
    "values",
    [
        np.arange(3.0),
        np.zeros(0),
        np.array(["a", "bb"]),
        np.array([True]),
        np.arange(6)[::2],
        np.array([b"x", None], object),
    ],
)
def test_a_column_knows_of_itself_what_a_view_knows(kind, values):
    column, view = _blank_column(kind, values), values.view(kind)
    assert type(column) is kind
    assert (column.dtype, column.shape, column.strides) == (view.dtype, view.shape, view.strides)
    assert column.flags.writeable and (not len(values) or np.shares_memory(column, values))
    assert repr(vars(column)) == repr(vars(view))
    # What one column is given is not another's.
    again = _blank_column(kind, values)
    for name, value in vars(column).items():
        if isinstance(value, list | dict):
            assert value is not vars(again)[name]
    copied = pickle.loads(pickle.dumps(column))
    assert type(copied) is kind and list(copied) == list(column)
    assert list(column[:1]) == list(view[:1])


def test_a_series_finds_its_rows_and_its_columns():
    time_of = Time([59000.0, 59001.0, 59002.0], format="mjd")
    time_of.info.name = "time"
    numbers = table_column(Column("n", int), np.array([1, 2, 3]), np.array([False, True, False]))
    series = assemble_series(TimeSeries(), [time_of, numbers])
    assert series.colnames == ["time", "n"]
    assert series.primary_key == ("time",)
    assert series.loc[Time(59002.0, format="mjd")]["n"] == 3
    assert series["n"].parent_table is series and series["time"].info.parent_table is series
    assert len(series.indices) == 1 and not series["n"].info.indices
    with pytest.raises(ValueError, match="Duplicate"):
        assemble(Table(), [numbers.copy(), numbers.copy()])


def shift_one(series):
    series["time"][1] = Time(59009.0, format="mjd")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda series: None, [59001.0, 59002.0, 59003.0]),
        (shift_one, [59002.0, 59003.0, 59009.0]),
        (lambda series: series.sort("time"), [59001.0, 59002.0, 59003.0]),
        (lambda series: setattr(series["time"], "format", "isot"), [59001.0, 59002.0, 59003.0]),
    ],
)
def test_the_order_by_time_is_found_when_it_is_used(change, expected):
    times = Time([59003.0, 59001.0, 59002.0], format="mjd")
    times.info.name = "time"
    numbers = table_column(Column("n", int, required=True), np.arange(3), None)
    series = assemble_series(TimeSeries(), [times, numbers])
    # Nothing was sorted so far.
    assert "data" not in vars(series.indices[0].data)
    change(series)
    assert series.iloc[:]["time"].mjd.tolist() == expected
    assert series.loc[Time(expected[-1], format="mjd")]["time"].mjd == expected[-1]
    copied = pickle.loads(pickle.dumps(series))
    assert copied.iloc[:]["time"].mjd.tolist() == expected
    with pytest.raises(AttributeError):
        _ = series.indices[0].data.nothing


def test_times_of_which_none_is_known_are_separate():
    column = Column("when", Timestamp, about="When it was.")
    built = [time_column(column, np.full(n, ""), np.ones(n, bool)) for n in (3, 3, 0)]
    built[0][1] = Time("2026-01-02", scale="utc")
    assert built[0].mask.tolist() == [True, False, True]
    assert built[1].mask.tolist() == [True] * 3 and len(built[2]) == 0
    assert {(t.format, t.scale, t.info.name, t.info.description) for t in built} == {
        ("isot", "utc", "when", "When it was.")
    }

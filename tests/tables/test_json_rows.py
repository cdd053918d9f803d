"""JSON rows to columns: types, masks, exact integers, and what is refused in which words."""

import json
import string

import astropy.units as u
import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atlasquery.exceptions import TableParseError
from atlasquery.tables import Column, Columns, Rows, Timestamp, decode_rows
from atlasquery.tables.columns import Quoted

COLUMNS = Columns(
    "a measurement",
    Column("id", int, to="atlas_id", about="Identifier.", required=True),
    Column("mag", unit=u.mag, about="Magnitude."),
    Column("n", int),
    Column("filter", str, to="band"),
    Column("good", bool),
    Column("when", Timestamp),
)
DTYPES = {"atlas_id": "i8", "mag": "f8", "n": "i8", "band": "U", "good": "?", "when": "U"}
BIG = 2**63 - 1
ROW = {"id": 1, "mag": 19.5, "n": 3, "filter": "o", "good": True, "when": "2026-01-02T03:04:05Z"}


def decode(*rows, columns=COLUMNS):
    return decode_rows(columns, json.dumps(rows).encode())


def plain(rows, name):
    """Return a column as a list with None where it is masked."""
    return [
        None if masked else value
        for value, masked in zip(rows.values[name].tolist(), rows.masks[name], strict=True)
    ]


def check_types(rows):
    assert [c.name for c in rows.columns][: len(DTYPES)] == list(DTYPES)
    for name, kind in DTYPES.items():
        array, mask = rows.values[name], rows.masks[name]
        assert array.dtype.kind == np.dtype(kind).kind
        assert array.dtype.kind == "U" or array.dtype == kind
        assert mask.dtype == np.bool_
        assert array.shape == mask.shape == (len(rows),)
        assert array.flags.writeable


def test_rows_as_declared():
    rows = decode(ROW, ROW | {"id": BIG, "mag": -18.25, "filter": "cyan", "good": False})
    check_types(rows)
    assert len(rows) == 2
    assert plain(rows, "atlas_id") == [1, BIG]
    assert plain(rows, "mag") == [19.5, -18.25]
    assert plain(rows, "n") == [3, 3]
    assert plain(rows, "band") == ["o", "cyan"]
    assert plain(rows, "good") == [True, False]
    assert plain(rows, "when") == ["2026-01-02T03:04:05Z"] * 2
    assert rows.columns == list(COLUMNS)


@pytest.mark.parametrize("documents", [[], [b"[]"], [b"null"], [b"[]", b" null ", b"[ ]"]])
def test_no_rows_have_the_same_columns(documents):
    rows = decode_rows(COLUMNS, *documents)
    check_types(rows)
    assert len(rows) == 0
    assert rows.columns == list(COLUMNS)


@pytest.mark.parametrize("missing", ["null", "absent"])
@pytest.mark.parametrize("wire", ["mag", "n", "filter", "good", "when"])
def test_null_and_absent_are_masked(wire, missing):
    name = COLUMNS.by_wire[wire].name
    other = ROW | {wire: None} if missing == "null" else {k: v for k, v in ROW.items() if k != wire}
    for given_rows, expected in (
        ([ROW, other], [ROW[wire], None]),
        ([other, ROW], [None, ROW[wire]]),
        ([other, other], [None, None]),
    ):
        rows = decode(*given_rows)
        check_types(rows)
        assert plain(rows, name) == expected
        assert not rows.masks["atlas_id"].any()
    assert np.isnan(decode(other).values["mag"][0]) == (wire == "mag")


def test_required_value_that_is_missing():
    for bad in ({"mag": 1.0}, {"id": None}):
        with pytest.raises(TableParseError, match="a measurement has no id in row 1"):
            decode(ROW, bad, ROW)


@pytest.mark.parametrize("text", ["1e999", "-inf", "9" * 400])
def test_a_number_beyond_all_as_text_is_refused(text):
    with pytest.raises(TableParseError, match=r"has mag=.* which is not a float"):
        decode({"id": 1, "mag": text})


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2], "i", [1, 2]),
        ([BIG, -(2**63), None], "i", [BIG, -(2**63), None]),
        ([1.5, 2], "f", [1.5, 2.0]),
        ([1.5, None], "f", [1.5, None]),
        ([True, None], "b", [True, None]),
        (["a", "bcd", None, ""], "U", ["a", "bcd", None, None]),
        ([None, None], "U", [None, None]),
        ([{"a": [1]}, [2, None], "x"], "U", ['{"a":[1]}', "[2,null]", "x"]),
        ([1, "x", True], "U", ["1", "x", "true"]),
        ([True, 1], "U", ["true", "1"]),
        ([2**64, 1], "U", ["18446744073709551616", "1"]),
        ([2**63, None], "U", ["9223372036854775808", None]),
        ([BIG, 0.5], "U", [str(BIG), "0.5"]),
    ],
)
def test_unknown_columns_are_kept_typed(values, kind, expected):
    rows = decode(*[ROW | {"novel": value} for value in values])
    check_types(rows)
    assert rows.columns[-1].name == "novel"
    assert rows.columns[-1].about.startswith("Sent by the server")
    assert rows.values["novel"].dtype.kind == kind
    assert plain(rows, "novel") == expected


def test_unknown_column_in_some_rows_of_some_texts():
    rows = decode_rows(
        COLUMNS,
        json.dumps([ROW, ROW | {"b": 5}]).encode(),
        b"[]",
        json.dumps([ROW | {"a": "x"}]).encode(),
    )
    assert [c.name for c in rows.columns[-2:]] == ["b", "a"]
    assert plain(rows, "b") == [None, 5, None]
    assert plain(rows, "a") == [None, None, "x"]


def test_unknown_columns_with_names_that_are_taken():
    rows = decode(ROW | {"band": "B", "band_wire": "W", "atlas_id": 7})
    names = [c.name for c in rows.columns]
    assert len(set(names)) == len(names) == len(DTYPES) + 3
    assert {c.wire: plain(rows, c.name)[0] for c in rows.columns} == ROW | {
        "band": "B",
        "band_wire": "W",
        "atlas_id": 7,
    }


@pytest.mark.parametrize(
    ("wire", "value", "expected"),
    [
        ("mag", "19.3", 19.3),
        ("mag", 19, 19.0),
        ("mag", "NaN", None),
        ("n", 3.0, 3),
        ("n", "42", 42),
        ("n", str(BIG), BIG),
        ("good", 1, True),
        ("good", 0, False),
        ("filter", 5, "5"),
        ("filter", 1.5, "1.5"),
        ("filter", True, "true"),
        ("filter", {"a": [1, None]}, '{"a":[1,null]}'),
    ],
)
def test_conversions_that_lose_nothing(wire, value, expected):
    rows = decode(ROW, ROW | {wire: value})
    check_types(rows)
    assert plain(rows, COLUMNS.by_wire[wire].name) == [ROW[wire], expected]


@pytest.mark.parametrize(
    ("wire", "value", "kind"),
    [
        ("n", 3.5, "an int"),
        ("n", "3.0", "an int"),
        ("n", "many", "an int"),
        ("n", [1], "an int"),
        ("n", {"a": 1}, "an int"),
        ("n", 1e300, "not an int"),
        ("n", 1.0000052913146562e18, "not an int"),
        ("n", 2**63, "64 bits"),
        ("n", -(2**63) - 1, "64 bits"),
        ("n", str(2**63), "64 bits"),
        ("id", 10**30, "64 bits"),
        ("mag", "faint", "a float"),
        ("mag", True, "a float"),
        ("mag", [], "a float"),
        ("good", "yes", "a bool"),
        ("good", 2, "a bool"),
        ("good", [], "a bool"),
    ],
)
def test_conversions_that_would_lose_are_refused(wire, value, kind):
    with pytest.raises(TableParseError) as caught:
        decode(ROW, ROW | {wire: value})
    message = str(caught.value)
    shown = value
    for word in ("a measurement", f"{wire}=", repr(shown).strip("'")[:20], kind):
        assert word[:20] in message


def test_float_that_no_float_holds():
    text = b'[{"id": 1, "mag": 1' + b"0" * 400 + b', "novel": 1}]'
    with pytest.raises(TableParseError, match="mag="):
        decode_rows(COLUMNS, text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[",
        b'[{"id": 1}',
        b'[{"id": 1}, {"i',
        b"{}",
        b'{"detail": "no"}',
        b'"text"',
        b"5",
        b"[5]",
        b"[null]",
        b"[[1, 2]]",
        b'[{"id": 1}, 7]',
        b"<html>",
        b'[{"id": 1, "filter": "\xff"}]',
        b'[{"id": 1, "novel": "\xff"}]',
        b'[{"id": 1, "novel": ' + b"[" * 100000,
        b'[{"id": NaN}]',
    ],
    ids=lambda text: repr(text[:30]),
)
def test_what_is_no_list_of_rows(text):
    with pytest.raises(TableParseError, match=r"^a measurement (could not be read|should come as)"):
        decode_rows(COLUMNS, text)
    with pytest.raises(TableParseError):
        decode_rows(COLUMNS, json.dumps([ROW]).encode(), text)


@pytest.mark.parametrize(
    "values",
    [
        ["ab", "cd"],
        ["a", "long", ""],
        ["é", "日本"],
        ["😀x", "yy"],
        # A NUL in the place of what separates strings of one length.
        ["ab\0c", "d", "efg"],
        ["a\0b", "c\0d"],
    ],
)
def test_texts(values):
    rows = decode(*[ROW | {"filter": value} for value in values])
    assert plain(rows, "band") == [value or None for value in values]
    assert rows.values["band"].dtype == f"U{max(map(len, values))}"
    rows.values["band"][0] = "z"
    assert rows.values["band"][0] == "z"


def test_pair_of_surrogates_is_one_character():
    text = b'[{"id": 1, "filter": "\\ud83d\\ude00"}, {"id": 2, "filter": "o"}]'
    assert plain(decode_rows(COLUMNS, text), "band") == ["\U0001f600", "o"]
    with pytest.raises(TableParseError):
        decode_rows(COLUMNS, b'[{"id": 1, "filter": "\\ud83d"}]')


@pytest.mark.parametrize("missing", [[], [0], [1], [0, 1, 2]])
@pytest.mark.parametrize(
    ("wire", "name", "sent"),
    [
        ("mag", "mag", [-1.7976931348623157e308, 5e-324, 3]),
        ("n", "n", [-(2**63), 2**63 - 1, 0]),
        ("good", "good", [True, False, True]),
    ],
)
def test_numbers_at_the_edges_with_some_missing(wire, name, sent, missing):
    sent = [None if n in missing else value for n, value in enumerate(sent)]
    rows = decode(*[ROW | {wire: value} for value in sent])
    check_types(rows)
    assert plain(rows, name) == sent
    if wire == "mag":
        assert np.isnan(rows.values[name]).tolist() == rows.masks[name].tolist()


def test_texts_are_stacked_in_order():
    parts = [[ROW | {"id": n, "filter": "x" * n}] for n in (3, 1, 2)]
    rows = decode_rows(COLUMNS, *(msgspec.Raw(json.dumps(part).encode()) for part in parts))
    assert plain(rows, "atlas_id") == [3, 1, 2]
    assert plain(rows, "band") == ["xxx", "x", "xx"]
    drifted = [json.dumps([r | {"n": "7"} for r in part]).encode() for part in parts]
    assert plain(decode_rows(COLUMNS, *drifted), "n") == [7, 7, 7]


def test_columns_declared_twice():
    for columns in ([Column("a"), Column("a")], [Column("a"), Column("b", to="a")]):
        with pytest.raises(ValueError, match="declares a column twice"):
            Columns("a thing", *columns)


def test_take_and_add():
    rows = decode(*[ROW | {"id": n} for n in range(5)])
    for selection in (np.array([4, 0]), np.array([True, False, False, False, True])[::-1]):
        taken = rows.take(selection)
        assert len(taken) == 2
        assert sorted(plain(taken, "atlas_id")) == [0, 4]
    rows.add(Column("extra"), np.arange(5.0))
    assert plain(rows, "extra") == [0, 1, 2, 3, 4]
    assert "extra" not in taken.values
    assert len(Rows()) == 0


# numpy drops NUL at the end of a text, and JSON text has no half of a surrogate pair.
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
int64 = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
random_rows = st.lists(
    st.fixed_dictionaries(
        {"id": int64},
        optional={
            "mag": st.none() | floats,
            "n": st.none() | int64,
            "filter": st.none() | texts,
            "good": st.none() | st.booleans(),
            "when": st.none() | st.datetimes().map(lambda t: t.isoformat() + "Z"),
        },
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=200)
@given(random_rows, st.integers(0, 12), st.booleans())
@example([{"id": 0, "filter": "o"}], 0, False)
@example([{"id": 2**63 - 1, "mag": 5e-324}, {"id": -(2**63), "mag": -0.0}], 1, True)
def test_random_rows_come_back(rows, cut, drifted):
    sent = [row | {"novel": 1} for row in rows] if drifted else rows
    parts = [sent[:cut], sent[cut:]]
    got = decode_rows(COLUMNS, *(json.dumps(part).encode() for part in parts))
    check_types(got)
    assert len(got) == len(rows)
    for column in COLUMNS:
        expected = [row.get(column.wire) for row in rows]
        expected = [None if value == "" else value for value in expected]
        assert plain(got, column.name) == expected


scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | floats | texts
wire_names = st.text(string.ascii_lowercase + "_ é-0", max_size=5)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.dictionaries(wire_names, scalars, max_size=5), max_size=6))
def test_rows_of_which_nothing_is_declared(rows):
    got = decode_rows(Columns("a thing", Column("other")), json.dumps(rows).encode())
    assert len(got) == len(rows)
    by_wire = {column.wire: column for column in got.columns}
    assert set(by_wire) == {"other"} | {key for row in rows for key in row}
    for key, column in by_wire.items():
        for row, value in zip(rows, plain(got, column.name), strict=True):
            sent = row.get(key)
            if sent is None or sent == "":
                assert value is None
            elif type(value) is str and type(sent) is not str:
                assert json.loads(value) == sent
            else:
                assert value == sent


def test_rows_without_some_columns():
    columns = Columns("a thing", Column("a", int), Column("b"), Column("c", str))
    rows = decode_rows(columns, b'[{"a":1,"b":2.5,"c":"x"},{"a":2,"b":null,"c":"y"}]')
    some = rows.without(("b", "nothing"))
    assert [column.name for column in some.columns] == ["a", "c"]
    assert len(some) == 2 and some.values["a"].tolist() == [1, 2]
    assert list(some.masks) == ["a", "c"]
    assert len(rows.columns) == 3


def test_a_column_of_one_value_is_as_any_other():
    columns = Columns("a row", Column("name", str), Column("n", int), Column("when", Timestamp))
    same = json.dumps([{"name": "ab", "n": 1, "when": "2026-01-01T00:00:00"}] * 3).encode()
    rows = decode_rows(columns, same)
    assert rows.values["name"].tolist() == ["ab"] * 3
    assert rows.values["name"].dtype == "U2"
    rows.values["name"][1] = "cd"
    assert rows.values["name"].tolist() == ["ab", "cd", "ab"]
    assert not any(mask.any() for mask in rows.masks.values())
    empty = decode_rows(columns, b'[{"name": ""}, {"name": ""}]')
    assert empty.values["name"].dtype == "U1"
    assert empty.masks["name"].tolist() == [True, True]


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(float, "f8"), (int, "i8"), (Quoted, "i8"), (bool, "?"), (str, "U1"), (Timestamp, "U1")],
)
def test_a_column_without_any_value_has_its_type(kind, dtype):
    rows = decode_rows(Columns("a row", Column("a", kind)), b'[{"a": null}, {}, {"a": null}]')
    assert rows.values["a"].dtype == dtype
    assert rows.masks["a"].tolist() == [True] * 3
    assert rows.values["a"].flags.writeable
    assert rows.masks["a"].flags.writeable
    assert np.all(np.isnan(rows.values["a"])) if kind is float else not rows.values["a"].any()


def test_numbers_in_quotes_are_read_singly_where_some_are_missing():
    columns = Columns("a row", Column("id", Quoted))
    rows = decode_rows(columns, b'[{"id": "12"}, {"id": 9007199254740993}, {"id": "-3"}]')
    assert rows.values["id"].tolist() == [12, 9007199254740993, -3]
    rows = decode_rows(columns, b'[{"id": "12"}, {"id": ""}, {"id": null}, {}]')
    assert rows.values["id"].tolist() == [12, 0, 0, 0]
    assert rows.masks["id"].tolist() == [False, True, True, True]
    with pytest.raises(TableParseError, match="id='twelve', which is not an int"):
        decode_rows(columns, b'[{"id": "1"}, {"id": "twelve"}]')
    with pytest.raises(TableParseError, match="id=9223372036854775808, which is beyond 64 bits"):
        decode_rows(columns, b'[{"id": "1"}, {"id": "9223372036854775808"}]')

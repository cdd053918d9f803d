"""What is read as a declared type, and what an answer tells of itself."""

import io
import math
import zipfile

import msgspec
import numpy as np
import pytest

from atlasquery.exceptions import TableParseError
from atlasquery.tables import (
    Column,
    Columns,
    build_table,
    check_answer,
    check_answers,
    convert_json,
    decode_json,
    decode_rows,
    float_of,
    only_of,
    read_by_library,
)

ROW = Columns("a row", Column("oid", str), Column("x"))


class Entry(msgspec.Struct):
    id: int


def test_json_of_another_shape_is_a_typed_error():
    assert decode_json(b'{"id": 3, "more": []}', Entry, "the entry").id == 3
    for text in (b'{"id": "3"}', b"[]", b"", b"\xff", b"[" * 100_000, b'{"id": 1e400}'):
        with pytest.raises(TableParseError, match="the entry could not be read"):
            decode_json(text, Entry, "the entry")
    assert convert_json([{"id": 1}], list[Entry], "entries")[0].id == 1
    for value in (None, 3, [3], [{"id": None}]):
        with pytest.raises(TableParseError, match="entries could not be read"):
            convert_json(value, list[Entry], "entries")


def test_numbers_that_no_float_holds_are_not_known():
    assert float_of(3) == 3.0 and float_of(-0.5) == -0.5
    assert all(math.isnan(float_of(one)) for one in (None, True, "3", 10**400, [], float("nan")))


def test_what_a_library_raises_is_a_typed_error():
    words = "the ZIP file could not be read: File is not a zip"
    with pytest.raises(TableParseError, match=words), read_by_library("the ZIP file"):
        zipfile.ZipFile(io.BytesIO(b"PK"))
    with pytest.raises(MemoryError), read_by_library("the file"):
        raise MemoryError
    with pytest.raises(KeyboardInterrupt), read_by_library("the file"):
        raise KeyboardInterrupt


def test_the_answer_to_another_request_names_both():
    check_answer(None, 7, "the task")
    check_answer("7", 7, "the task")
    with pytest.raises(TableParseError, match="the task asked for is 7, and the response is of 8"):
        check_answer(8, 7, "the task")
    check_answers(np.array(["a", "b", "a"]), ["b", "a"], "the object")
    check_answers(np.array(["a", "z"]), "a", "the object", mask=np.array([False, True]))
    with pytest.raises(TableParseError, match="asked for is a, and the response has rows of z"):
        check_answers(np.array(["a", "z"]), "a", "the object")


def test_a_decoder_takes_only_rows_of_what_was_asked_for():
    decode = only_of(lambda text: decode_rows(ROW, text), "oid", "A", "the object")
    assert len(decode(b'[{"oid": "A", "x": 1.5}, {"oid": null}]')) == 2
    with pytest.raises(TableParseError, match="rows of B"):
        decode(b'[{"oid": "A"}, {"oid": "B"}]')


def test_names_that_no_column_can_have_are_replaced_and_nothing_is_lost():
    rows = decode_rows(ROW, b'[{"oid": "A", "a\\u0000b": 1, "a\\"b": 2, "a_b": 3}]')
    table = build_table(rows)
    assert table.colnames == ["oid", "x", "a_b_", "a_b__", "a_b"]
    assert [table[name][0] for name in table.colnames[2:]] == [1, 2, 3]

"""CSV files of other programs, and whole numbers in all formats."""

import numpy as np
import pytest
from astropy.table import Column, MaskedColumn, Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve import read
from atlasquery.tables import read_table, write_table

IDS = [1000005291314656200, 1052941460110907401, 9223372036854775807]


@pytest.mark.parametrize("missing", ["NaN", "nan", "", "None", "<NA>", "null", "--"])
def test_ids_beside_missing_ones_keep_their_digits(tmp_path, missing):
    path = tmp_path / "ids.csv"
    path.write_text(f"id,x,name\n{IDS[0]},1.5,a\n{missing},NaN,b\n{IDS[1]},2,c\n{IDS[2]},3,d\n")
    table = read_table(path)
    assert table["id"].dtype == np.int64
    assert table["id"].tolist() == [IDS[0], None, *IDS[1:]]
    assert table["x"].dtype == np.float64 and np.isnan(table["x"][1])
    assert table["name"].tolist() == ["a", "b", "c", "d"]


def test_columns_of_all_kinds(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "\ufeff# made by hand\n,big,neg,text,empty,zero,quoted\n"
        '0,18446744073709551615,-5,007,,0,"a, b"\n1,1,7,8,,1,"two\nlines"\n'
    )
    table = read_table(path)
    assert table.colnames == ["col1", "big", "neg", "text", "empty", "zero", "quoted"]
    # What does not fit 64 bits is not rounded in silence.
    assert table["big"].tolist() == ["18446744073709551615", "1"]
    assert table["text"].tolist() == ["007", "8"]
    assert table["neg"].tolist() == [-5, 7] and table["zero"].tolist() == [0, 1]
    assert table["quoted"].tolist() == ["a, b", "two\nlines"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is empty: it has no table"),
        (b"\n \n", "has nothing but blanks"),
        (b"<!DOCTYPE html><html></html>", "it is a web page or XML"),
        (b"\x00\x01\x02", "it has bytes of 0"),
        (b"\x89PNG\r\n\x1a\n", "it is not text in UTF-8"),
        (b"a,a\n1,2\n", "it has the column 'a' twice"),
        (b"a,b\n1,2\n1\n", "row 2 has 1 values where its header has 2"),
    ],
)
def test_what_is_no_csv(tmp_path, body, words):
    path = tmp_path / "t.csv"
    path.write_bytes(body)
    for function in (read_table, read):
        with pytest.raises(InvalidQueryError) as caught:
            function(path)
        assert words in str(caught.value) and "t.csv" in str(caught.value)
        assert "irectory" not in str(caught.value)


@pytest.mark.parametrize("end", [".ecsv", ".fits", ".fits.gz", ".vot", ".parquet", ".csv"])
def test_an_empty_file_of_any_format(tmp_path, end):
    path = tmp_path / f"t{end}"
    path.write_bytes(b"")
    with pytest.raises(InvalidQueryError, match="is empty: it has no table"):
        read_table(path)


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4"])
@pytest.mark.parametrize("end", [".ecsv", ".fits", ".vot", ".parquet", ".csv"])
def test_whole_numbers_are_exact(tmp_path, kind, end):
    limits = np.iinfo(kind)
    values = np.array([limits.min, limits.max, 0, limits.min + 1, limits.max - 1, 7, 7], kind)
    for mask in (None, [0, 0, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 0, 0], [1] * 7):
        table = Table([Column(values, name="n") if mask is None else
                       MaskedColumn(values, name="n", mask=mask)])  # fmt: skip
        again = read_table(write_table(table, tmp_path / f"t{end}", overwrite=True))
        assert again["n"].dtype == table["n"].dtype
        assert again["n"].tolist() == table["n"].tolist()


def test_a_small_type_with_most_of_its_numbers(tmp_path):
    values = np.concatenate([np.arange(-(2**15), 2**15), [5]]).astype("i2")
    values[3] = 0
    table = Table([MaskedColumn(values, name="n", mask=np.arange(len(values)) == len(values) - 1)])
    again = read_table(write_table(table, tmp_path / "t.fits"))
    assert again["n"].tolist() == table["n"].tolist()


@pytest.mark.parametrize("names", [("2024_1", "2024_2"), ("007", "008"), ("01e5", "02e5")])
def test_names_of_digits_stay_names(tmp_path, names):
    path = tmp_path / "t.csv"
    path.write_text("name,value\n" + "".join(f"{name},1.5\n" for name in names))
    assert read_table(path)["name"].tolist() == list(names)


@pytest.mark.parametrize("nothing", ["NaN", "null", "nan"])
def test_a_column_of_nothing_but_missing_numbers_is_of_numbers(tmp_path, nothing):
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n1,{nothing}\n2,{nothing}\n")
    column = read_table(path)["b"]
    assert column.dtype == float and np.all(np.isnan(column))


def test_a_file_of_a_spreadsheet_in_utf_16(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("name,seen\né,True\nb,False\n".encode("utf-16"))
    table = read_table(path)
    assert table["name"].tolist() == ["é", "b"]
    assert table["seen"].dtype == bool and table["seen"].tolist() == [True, False]

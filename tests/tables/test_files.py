"""Tables in files: what was written is what is read, in every format."""

import os
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Angle, SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.utils.masked import Masked
from equal import assert_same_table

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.tables import read_table, write_table
from atlasquery.tables.files import EXTENSIONS


@pytest.fixture(params=EXTENSIONS)
def path(request, tmp_path):
    if request.param == ".parquet":
        pytest.importorskip("pyarrow")
    return tmp_path / f"table{request.param}"


def times(texts, missing):
    column = Time(texts, format="isot", scale="utc")
    column[missing] = np.ma.masked
    return column


@pytest.fixture
def awkward():
    """Values that one format or another has no way to say."""
    table = Table()
    table["text"] = ["", " a ", "±x\n"]
    table["some_text"] = MaskedColumn(["", "b", "  "], mask=[False, True, False])
    table["missing_text"] = MaskedColumn(["x", "under", "z"], mask=[False, True, True])
    table["backslash"] = ["\\x41", "C:\\new", "%41 # , \t'\""]
    table["float"] = [np.nan, -0.0, np.inf]
    table["some_float"] = MaskedColumn([np.nan, 2, 3.5], mask=[False, True, False], unit="uJy")
    table["single"] = np.array([0.1, 0.2, 0.3], "f4")
    table["bool"] = [True, False, True]
    table["some_bool"] = MaskedColumn([True, False, True], mask=[False, False, True])
    table["id"] = np.array([2**63 - 1, -(2**63), 1103337110432157700], np.int64)
    table["some_id"] = MaskedColumn([2**63 - 1, 5, -3], mask=[False, True, False])
    table["small"] = np.array([1, 2, 3], "i4")
    table["byte"] = np.array([1, 2, 255], "u1")
    table["signed_byte"] = np.array([-128, 0, 127], "i1")
    table["unsigned"] = np.array([0, 1, 65535], "u2")
    table["some_unsigned"] = MaskedColumn(
        np.array([0, 1, 2**32 - 1], "u4"), mask=[False, True, False]
    )
    table["long_unsigned"] = np.array([0, 1, 2**63 - 1], "u8")
    table["half"] = np.array([0.1, -2.5, np.nan], "f2")
    table["none_missing"] = MaskedColumn([1, 2, 3], mask=False)
    table["fine"] = Time([58000.125, 58001, 58002], [1e-12, 0, 3e-11], format="mjd", scale="tdb")
    table["nanoseconds"] = times(["2020-01-01T00:00:00.123456789"] * 3, [1])
    table["no_time"] = times(["2020-01-01T00:00:00.123"] * 3, [0, 1, 2])
    table["id"].format = "%d"
    table["id"].meta["links"] = {"to": 1}
    table["id"].description = "one\ntwo"
    table.meta = {
        "a pair": (1, 2.5),
        "angle": Angle("1d"),
        "time": Time("2020-01-01T00:00:00"),
        "place": SkyCoord(1, 2, unit="deg", frame="galactic"),
        "nothing": None,
        "µ": "±",
        "long": "x" * 300 + " y" * 300,
        "lines": "a\nb\n\n  c",
        "nested": [1, [2, {"z": None, "lines": "a\nb"}], True, 2**62],
        "flux": 3 * u.uJy,
    }
    return table


def test_bytes_become_strings(path):
    """`Table.read` of a FITS file gives bytes."""
    table = Table({"band": np.array([b"o", b"", "ü".encode()])})
    table["name"] = MaskedColumn([b"a", b"b", b" c"], mask=[False, True, False])
    write_table(table, path)
    again = read_table(path)
    assert again["band"].tolist() == ["o", "", "ü"]
    assert again["name"].tolist() == ["a", None, " c"]
    table["band"] = np.array([b"o", b"c", b"\xff"])
    with pytest.raises(InvalidQueryError, match="the column 'band' has bytes that are not text"):
        write_table(table, path, overwrite=True)


def test_an_awkward_table_comes_back(path, awkward):
    write_table(awkward, path)
    assert_same_table(read_table(path), awkward)


def test_an_awkward_table_without_rows_comes_back(path, awkward):
    write_table(awkward[:0], path)
    assert_same_table(read_table(path), awkward[:0])


def test_quantities_and_coordinates_come_back(path):
    table = QTable(meta={"history": ["first", "second"]})
    table["flux"] = Masked([1.0, np.nan, 3.0] * u.uJy, mask=[False, False, True])
    table["none_missing"] = Masked([1, 2, 3.0] * u.mag, mask=False)
    table["scale"] = [1, 2, 3] * u.kpc / u.arcsec
    table["place"] = SkyCoord([1, 2, 3], [4, 5, 6], unit="deg")
    write_table(table, path)
    assert_same_table(read_table(path), table)


def test_what_is_written_is_not_changed(path, awkward):
    before = awkward.copy()
    write_table(awkward, path)
    assert_same_table(awkward, before, nan_under_mask=False)
    assert awkward["some_float"].data.data[1] == 2.0
    assert awkward["missing_text"].data.data[1] == "under"


def test_a_file_is_replaced_only_when_told(path):
    write_table(Table({"a": [1]}), path)
    with pytest.raises(InvalidQueryError, match="exists already; overwrite=True"):
        write_table(Table({"a": [2]}), path)
    assert read_table(path)["a"][0] == 1
    write_table(Table({"a": [3]}), path, overwrite=True)
    assert read_table(path)["a"][0] == 3
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_file(path):
    write_table(Table({"a": [1]}), path)
    before = path.read_bytes()
    shaped = Table({"a": [[1, 2]]})
    with pytest.raises(InvalidQueryError, match=r"'a' has values of type int64 and shape \(1, 2\)"):
        write_table(shaped, path, overwrite=True)
    with pytest.raises(InvalidQueryError, match="'o' has values of type object"):
        write_table(Table({"o": np.array([{}, []], dtype=object)}), path, overwrite=True)
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


def test_a_file_can_be_read_as_others_made_here(path):
    write_table(Table({"a": [1]}), path)
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    old = os.umask(0)
    os.umask(old)
    return old


def test_meta_that_no_file_holds_is_named(path):
    table = Table({"a": [1]}, meta={"kept": 1, "lambda": len})
    with pytest.warns(InputWarning, match=r"meta: 'lambda' \(builtin_function_or_method\)"):
        write_table(table, path)
    assert dict(read_table(path).meta) == {"kept": 1}


def test_numbers_that_a_format_lacks_are_refused_by_name(path):
    wide = Table({"wide": np.array([1.5], np.longdouble)})
    large = Table({"large": np.array([2**64 - 1], np.uint64)})
    text = path.suffix in (".ecsv", ".csv")
    for table in (large, wide) if path.suffix != ".parquet" else (wide,):
        if text:
            write_table(table, path, overwrite=True)
            assert_same_table(read_table(path), table)
        elif table.columns[0].dtype.itemsize > 8 or table is large:
            with pytest.raises(InvalidQueryError, match=f"the column '{table.colnames[0]}' "):
                write_table(table, path)
            assert not path.exists()


@pytest.mark.parametrize("name", ["table.txt", "table", ".fits", "table.fits.bz2"])
def test_an_unknown_extension_is_refused(name, tmp_path):
    for call in (lambda p: write_table(Table({"a": [1]}), p), read_table):
        with pytest.raises(InvalidQueryError, match=r"should end in one of \.ecsv, \.fits, \.fit"):
            call(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_named(path):
    write_table(Table({"a": np.arange(1000), "b": ["x"] * 1000}), path)
    body = path.read_bytes()
    path.write_bytes(body[: len(body) // 3][::-1])
    if path.suffix == ".csv":
        return  # Any text is a table of commas to a reader.
    with pytest.raises(InvalidQueryError, match=f"table{path.suffixes[0]}.*could not be read"):
        read_table(path)


def test_no_file_is_no_file(path):
    with pytest.raises(FileNotFoundError):
        read_table(path)


def test_what_is_no_table_is_refused(path):
    with pytest.raises(InvalidQueryError, match="should be an astropy Table"):
        write_table([1, 2], path)


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.fits", "fits"), ("a.vot", "votable"), ("a.csv", "ascii.csv"), ("a.ecsv", "ascii.ecsv")],
)
def test_files_of_other_programs_are_read(name, form, tmp_path):
    Table({"a": [1, 2], "b": ["x", "y"]}).write(tmp_path / name, format=form)
    table = read_table(tmp_path / name)
    assert table["a"].tolist() == [1, 2]
    assert [str(text) for text in table["b"]] == ["x", "y"]


@pytest.mark.parametrize("name", ["a.fits", "a.ecsv", "a.parquet"])
def test_astropy_reads_them_without_us(name, tmp_path):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
        pytest.importorskip("pandas")
    table = QTable(meta={"object": "ATLAS26a"})
    table["time"] = Time([61000.5, 61001.5], format="mjd", scale="tai")
    table["flux"] = Masked([1.0, 2.0] * u.uJy, mask=[False, False])
    table["band"] = ["o", "c"]
    table["band"].description = "Band."
    write_table(table, tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        native = {"astropy_native": True} if name.endswith("fits") else {}
        read = QTable.read(tmp_path / name, **native)
    assert read["time"].scale == "tai"
    assert read["flux"].unit == u.uJy
    assert {k.lower(): v for k, v in read.meta.items()}["object"] == "ATLAS26a"


def test_a_comma_separated_file_is_read_by_pandas(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = Table({"id": [1103337110432157700, 2], "note": ["a, b", 'say "x"']})
    write_table(table, tmp_path / "a.csv")
    frame = pandas.read_csv(tmp_path / "a.csv", comment="#")
    assert frame["id"].tolist() == [1103337110432157700, 2]
    assert frame["note"].tolist() == ["a, b", 'say "x"']


@pytest.mark.parametrize("extension", [".ecsv", ".fits", ".vot", ".csv"])
def test_a_home_directory_is_meant_by_its_sign(extension, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write_table(Table({"a": [1]}), f"~/t{extension}")
    assert path == tmp_path / f"t{extension}"
    assert read_table(f"~/t{extension}")["a"].tolist() == [1]
    with pytest.raises(InvalidQueryError, match="exists already"):
        write_table(Table({"a": [1]}), f"~/t{extension}")


def test_an_error_names_the_file_that_was_meant(tmp_path):
    for path in (tmp_path / "no" / "t.fits", tmp_path / "t.csv"):
        if path.parent == tmp_path:
            path.mkdir()
        with pytest.raises(OSError) as caught:
            write_table(Table({"a": [1]}), path, overwrite=True)
        assert caught.value.filename == str(path)
        assert ".part" not in str(caught.value)
    assert [one.name for one in tmp_path.iterdir()] == ["t.csv"]


def test_texts_are_kept_by_what_takes_the_header_of_csv_for_a_comment(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = Table({"id": MaskedColumn([1103337110432157701, 2], mask=[False, True])})
    table["note"] = ["see # 5", '#, "x"']
    path = write_table(table, tmp_path / "t.csv")
    frame = pandas.read_csv(path, comment="#", dtype_backend="numpy_nullable")
    assert frame["note"].tolist() == table["note"].tolist()
    assert frame["id"][0] == 1103337110432157701
    assert_same_table(read_table(path), table)
    alone = table["id",]
    write_table(alone, path, overwrite=True)
    assert_same_table(read_table(path), alone)


def test_parquet_has_one_schema_whatever_the_values(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    pandas = pytest.importorskip("pandas")
    big = 1103337110432157701
    schemas = []
    for mask in ([False, False], [True, False], [True, True]):
        table = Table({"id": MaskedColumn([2, big], mask=mask)})
        table["text"] = MaskedColumn(["", "a"], mask=mask)
        table["truth"] = MaskedColumn([True, False], mask=mask)
        table["number"] = MaskedColumn([np.nan, 1.0], mask=[False, mask[1]])
        path = write_table(table, tmp_path / "t.parquet", overwrite=True)
        schemas.append(parquet.read_schema(path))
        frame = pandas.read_parquet(path)
        assert [str(frame[name].dtype) for name in ("id", "truth")] == ["Int64", "boolean"]
        assert frame["id"].dropna().tolist() == table["id"].compressed().tolist()
        assert_same_table(read_table(path), table)
    assert schemas[0].equals(schemas[1])
    assert schemas[0].equals(schemas[2])

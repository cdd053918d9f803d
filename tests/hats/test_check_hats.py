"""Faults planted in a catalogue, each of which the check names."""

import shutil

import pyarrow as pa
import pytest
from hats_curves import dense
from pyarrow import parquet

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.hats import check_hats, read_hats, to_hats


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "cat"
    return to_hats(dense(80), path, name="a", partition_bytes=2e4, progress=False)


@pytest.fixture
def path(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "cat")


def files(path, name="a"):
    """Return the files of a catalogue, those with most rows first."""
    found = (path / name).glob("**/Npix=*.parquet")
    return sorted(found, key=lambda file: -parquet.read_metadata(file).num_rows)


def change(file, function):
    table = parquet.ParquetFile(file).read()
    parquet.write_table(function(table), file)


def swap(path):
    one, other = files(path)[:2]
    body = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(body)


def reverse(path):
    change(files(path)[0], lambda t: t.take(pa.array(range(len(t) - 1, -1, -1))))


def drop_a_row(path):
    change(files(path)[0], lambda t: t.slice(1))


def repeat_a_row(path):
    change(files(path)[0], lambda t: pa.concat_tables([t.slice(0, 1), t]))


def move_a_position(path):
    def moved(table):
        ra = pa.array([value + 0.01 for value in table["ra"].to_pylist()])
        return table.set_column(table.schema.get_field_index("ra"), table.schema.field("ra"), ra)

    change(files(path)[0], moved)


def drop_a_column(path):
    change(files(path)[0], lambda t: t.drop_columns(["survey"]))


def unsort_curves(path):
    def reversed_curves(table):
        rows = table["light_curve"].to_pylist()
        rows = [{name: values[::-1] for name, values in row.items()} for row in rows]
        n = table.schema.get_field_index("light_curve")
        field = table.schema.field(n)
        return table.set_column(n, field, pa.array(rows, field.type))

    change(files(path)[0], reversed_curves)


def cut_a_list(path):
    def cut(table):
        rows = table["light_curve"].to_pylist()
        rows[0]["flux"] = rows[0]["flux"][1:]
        n = table.schema.get_field_index("light_curve")
        field = table.schema.field(n)
        return table.set_column(n, field, pa.array(rows, field.type))

    change(files(path)[0], cut)


def remove_a_file(path):
    files(path)[0].unlink()


def add_a_file(path):
    file = files(path)[0]
    shutil.copy(file, file.with_name("Npix=999999.parquet"))


def damage_a_file(path):
    file = files(path)[0]
    file.write_bytes(file.read_bytes()[:-100])


def thin_a_margin(path):
    change(files(path, "a_5arcs")[0], lambda t: t.slice(len(t)))


def remove_a_margin_file(path):
    file = files(path, "a_5arcs")[0]
    file.unlink()


def put_own_rows_into_a_margin(path):
    for file in files(path, "a_5arcs"):
        main = path / "a" / file.relative_to(path / "a_5arcs")
        if main.is_file():
            shutil.copy(main, file)
            return


def remove_the_margin(path):
    shutil.rmtree(path / "a_5arcs")


def remove_the_schema(path):
    (path / "a" / "dataset" / "_common_metadata").unlink()


def remove_the_list(path):
    (path / "a" / "partition_info.csv").unlink()


def remove_a_property(path):
    for name in ("properties", "hats.properties"):
        file = path / "a" / name
        lines = file.read_text().splitlines()
        file.write_text("\n".join(line for line in lines if "nrows" not in line))


def list_an_overlap(path):
    file = path / "a" / "partition_info.csv"
    order, pixel = file.read_text().split()[1].split(",")
    file.write_text(file.read_text() + f"{int(order) + 1},{4 * int(pixel)}\n")


@pytest.mark.parametrize(("plant", "words"), [
    (swap, "rows are outside of its pixel"),
    (reverse, "not sorted by _healpix_29"),
    (drop_a_row, "hats_nrows is 80, and the files have 79 rows"),
    (repeat_a_row, "1 rows have an id that occurs twice"),
    (move_a_position, "that is not that of ra and dec"),
    (drop_a_column, "its schema is not that of dataset/_common_metadata: survey"),
    (unsort_curves, "light curves of light_curve are not sorted by mjd"),
    (cut_a_list, "unequal lengths"),
    (remove_a_file, "the file is missing"),
    (add_a_file, "it is not in partition_info.csv"),
    (damage_a_file, "is missing or damaged"),
    (thin_a_margin, "objects within 5 arcsec are missing"),
    (remove_a_margin_file, "objects within 5 arcsec are missing"),
    (put_own_rows_into_a_margin, "rows are in its pixel"),
    (remove_the_margin, "the margin is missing"),
    (remove_the_schema, "dataset/_common_metadata is missing"),
    (remove_the_list, "partition_info.csv is missing"),
    (remove_a_property, "its properties have no hats_nrows"),
    (list_an_overlap, "overlaps another pixel"),
])  # fmt: skip
def test_a_planted_fault_is_named(path, plant, words):
    plant(path)
    assert any(words in fault for fault in check_hats(path)), check_hats(path)


def test_a_sound_catalogue_has_no_fault(sound):
    assert check_hats(sound) == []
    assert check_hats(sound / "a") == []


def test_what_is_not_a_catalogue(tmp_path, path):
    for function in (check_hats, read_hats):
        with pytest.raises(InvalidQueryError, match="is not a catalogue"):
            function(tmp_path)
    damage_a_file(path)
    with pytest.raises(TableParseError, match="is missing or damaged"):
        read_hats(path)


def test_a_catalogue_of_another_program(path):
    common = path / "a" / "dataset" / "_common_metadata"
    parquet.write_metadata(parquet.read_schema(common).remove_metadata(), common)
    with pytest.raises(InvalidQueryError, match="was not written by to_hats"):
        read_hats(path)


def test_ids_and_cones_that_are_wrong(sound):
    key = next(iter(read_hats(sound)))
    assert list(read_hats(sound, ids=[str(key)])) == [key]
    assert list(read_hats(sound, ids=key)) == [key]
    for ids, words in (([5], "ids has 1 that are not in 'cat': 5"), ("x", "whole numbers")):
        with pytest.raises(InvalidQueryError, match=words):
            read_hats(sound, ids=ids)
    with pytest.raises(InvalidQueryError, match="given together"):
        read_hats(sound, radius="1 deg")

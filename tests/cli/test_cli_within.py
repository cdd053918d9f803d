"""``atlasquery within``: tables and maps in files, with the exit codes of scripts."""

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

pytest.importorskip("cdshealpix", reason="the regions extra is not installed")

from maps import fits_bytes, multi_order, positions

from atlasquery import within
from atlasquery.tables import read_table, write_table


@pytest.fixture
def files(tmp_path):
    """A table and a map, in the directory in which the command runs."""
    ra, dec = positions(500)
    write_table(
        Table({"n": np.arange(500), "ra": ra * u.deg, "dec": dec * u.deg}), tmp_path / "t.fits"
    )
    (tmp_path / "map.fits").write_bytes(fits_bytes(multi_order(1)))
    return tmp_path


def test_rows_of_a_credible_region_are_written(run, files):
    done = run("within", "t.fits", "map.fits", "--credible", "0.99", "-o", "in.ecsv")
    assert done.exit_code == 0, done.output
    table = read_table(files / "in.ecsv")
    expected = within(read_table(files / "t.fits"), files / "map.fits", credible=0.99)
    assert 0 < len(expected) < 500
    assert table["n"].tolist() == expected["n"].tolist()
    np.testing.assert_array_equal(table["credible_level"], expected["credible_level"])
    assert f"{len(expected)} rows in in.ecsv" in done.stderr
    assert "S1: the 99 % region has" in done.stderr and "deg2" in done.stderr


def test_all_rows_as_json_and_a_moc_as_a_string(run, files):
    done = run("within", "t.fits", "map.fits", "--json")
    document = json.loads(done.stdout)
    assert len(document["rows"]) == 500
    assert document["columns"]["probability_density"]["unit"] == "1 / sr"
    missing = [row["distance_mean"] is None for row in document["rows"]]
    assert any(missing) and not all(missing)
    done = run("within", "t.fits", "0/4 1/0-3", "--json")
    assert [row["n"] for row in json.loads(done.stdout)["rows"]] == within(
        read_table(files / "t.fits"), "0/4 1/0-3"
    )["n"].tolist()


def test_exit_codes(run, files):
    done = run("within", "t.fits", "29/0")
    assert done.exit_code == 1 and "no row is inside" in done.stderr
    (files / "text.fits").write_text("not a map")
    for arguments, words in (
        (("t.fits", "absent.fits"), "absent.fits"),
        (("absent.fits", "map.fits"), "absent.fits"),
        (("t.fits", "text.fits"), "not a map"),
        (("text.fits", "map.fits"), "text.fits"),
        (("t.fits", "map.fits", "--credible", "90"), "90 % is 0.9"),
        (("t.fits", "0/1", "--credible", "0.9"), "for probability sky maps"),
    ):
        done = run("within", *arguments)
        assert done.exit_code == 2, done.output
        assert words in done.stderr and done.stderr.startswith("Error: ")

"""Writes to lists from the command line, names of many objects, and files as users have them."""

import csv
import io
import re
import socket
from pathlib import Path

import pytest

from atlasquery.atlas import conf
from atlasquery.sandbox import Sandbox


@pytest.fixture
def box(run, monkeypatch):
    """A sandbox of the test alone, with the login of one who may write."""
    with Sandbox() as box, conf.set_temp("custom_lists", ["empty=74"]):
        monkeypatch.setenv("ATLASQUERY_ATLAS_SERVER", box.url)
        monkeypatch.setenv("ATLASQUERY_ATLAS_TOKEN", box.writer_token)
        yield box


def rows(text):
    return list(csv.DictReader(io.StringIO(text), dialect="excel-tab"))


def writes(box):
    paths = ("objectgroups/", "objectgroupsdelete/", "objectdetectionlist/")
    return [one for one in box.requests if one.path.endswith(paths)]


def members(run):
    return [row["atlas_id"] for row in rows(run("list", "empty").stdout)]


def test_lists_are_changed(run, box):
    first, second = box.manifest["ids"]["main"][:2]
    result = run("add", first, "ATLAS26zz", "-l", "empty")
    assert result.exit_code == 0, result.output
    assert [row["ok"] for row in rows(result.stdout)] == ["true", "true"]
    assert members(run) == [first, second]
    result = run("remove", "--from", "-", "--list", "empty", input=run("list", "empty").stdout)
    assert result.exit_code == 0, result.output
    assert members(run) == []
    result = run("move", first, "-l", "possible")
    assert result.exit_code == 0, result.output
    assert first in [row["atlas_id"] for row in rows(run("list", "possible").stdout)]


@pytest.mark.parametrize("command", ["add", "remove", "move"])
def test_a_dry_run_writes_nothing(run, box, command):
    first = box.manifest["ids"]["main"][0]
    name = "possible" if command == "move" else "mookodi"
    result = run(command, first, "-l", name, "--dry-run")
    assert result.exit_code == 0, result.output
    (row,) = rows(result.stdout)
    assert row["atlas_id"] == first
    assert row["endpoint"].startswith("object")
    assert f'"objectid":{first}' in row["payload"]
    assert writes(box) == []


def test_a_write_that_is_refused_is_a_part_that_failed(run, box):
    first = box.manifest["ids"]["main"][0]
    result = run("add", first, "1999999999999999900", "-l", "empty")
    assert result.exit_code == 6
    assert [row["ok"] for row in rows(result.stdout)] == ["true", "false"]
    assert "Warning: 1 of 2 writes failed" in result.stderr


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("add -l mookodi", 2, "give ids or --from"),
        ("add 1100003181021216990", 2, "Missing option '-l' / '--list'"),
        ("add ATLAS26zy -l mokodi", 2, "did you mean 'mookodi'"),
        ("add ATLAS26zy -l good", 2, "where a custom list is needed"),
        ("move ATLAS26zy -l good", 2, "possible"),
        ("add 12 -l mookodi --dry-run", 2, "19 digits"),
        ("add ATLAS20aaa -l mookodi --dry-run", 1, "No list of ATLAS has ATLAS20aaa"),
    ],
)
def test_what_cannot_be_is_refused(run, box, line, code, words):
    result = run(*line.split())
    assert result.exit_code == code, result.output
    assert words in result.stderr.splitlines()[-1]
    assert writes(box) == []
    if code == 2:
        assert box.requests == []


def test_names_are_downloaded(run, box, tmp_path):
    pytest.importorskip("pyarrow")
    tns = rows(run("object", "ATLAS26zy").stdout)[0]["tns_name"]
    result = run("download", "ATLAS26zz", "-d", "d")
    assert (result.exit_code, result.stdout) == (0, "1 objects in d: 1 fetched\n")
    names = f"# targets\nATLAS26zz\nSN {tns}, a note\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "names.txt").write_text(names, encoding=encoding)
        result = run("download", "--from", "names.txt", "-d", "d")
        assert result.exit_code == 0, result.output
    assert result.stdout == "2 objects in d: 2 kept\n"


def test_a_file_in_another_encoding_is_refused_by_its_line(run, box, tmp_path):
    text = "1100003181021216990\n150.0 2.2 caf\xe9\n"
    (tmp_path / "old.txt").write_bytes(text.encode("latin-1"))
    (tmp_path / "old.csv").write_bytes(b"atlas_id,note\n1100003181021216990,caf\xe9\n")
    for words in (
        ("download", "--from", "old.txt", "-d", "d"),
        ("add", "--from", "old.txt", "-l", "mookodi"),
        ("download", "--from", "old.csv", "-d", "d"),
        ("forced", "--file", "old.txt"),
    ):
        result = run(*words)
        assert result.exit_code == 2, result.output
        assert result.stderr.splitlines()[-1].startswith(
            f"Error: line 2 of {Path(words[2]).name} is not text in UTF-8"
        ), result.stderr
    result = run("download", "--from", "-", "-d", "d", input=text.encode("latin-1"))
    assert result.exit_code == 2
    assert "line 2 of the input is not text in UTF-8" in result.stderr
    assert box.requests == []


def test_a_home_directory_is_meant_by_its_sign(run, box, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    one = box.manifest["ids"]["main"][0]
    result = run("lightcurve", one, "--output=~/lc.ecsv")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "lc.ecsv").is_file()
    assert not Path("~").exists()


@pytest.mark.parametrize(
    "flags", [["--forced"], ["--bin", "1 d"], ["--forced", "--bin=2d", "--flux"]]
)
def test_forced_and_binned_pictures_are_drawn(run, box, flags, tmp_path):
    pytest.importorskip("matplotlib")
    one = box.manifest["ids"]["supernova"][2]
    result = run("plot", one, "-o", "a.png", *flags)
    assert (result.exit_code, result.stdout) == (0, "a.png\n"), result.output
    plain = run("plot", one, "-o", "b.png")
    assert plain.exit_code == 0
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("width", ["1", "x", "0 d", "-1 d", "3 arcsec"])
def test_a_bin_without_a_time_is_refused(run, box, width):
    result = run("plot", "ATLAS26zy", "-o", "a.png", "--bin", width)
    assert result.exit_code == 2
    assert "should be a time with its unit" in result.stderr
    assert box.requests == []


def test_a_sandbox_on_a_port_in_use_is_a_matter_of_this_machine(run):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = run("sandbox", "--port", other.getsockname()[1])
    assert result.exit_code == 7, result.output
    assert "cannot be listened on" in result.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("atlas_id,name\n,a\n1100000000000000001,b\n", r"atlas_ids\[0\]"),
        ("atlas_id,name\n1.100003181021217e+18,a\n", "1.1000031810212"),
    ],
)
def test_what_a_table_has_in_place_of_an_id_is_no_name(run, sandbox, tmp_path, text, words):
    sandbox.clear_requests()
    (tmp_path / "ids.csv").write_text(text)
    result = run("add", "--from", str(tmp_path / "ids.csv"), "-l", "mookodi")
    assert result.exit_code == 2
    assert re.search(words, result.stderr)
    assert sandbox.requests == []

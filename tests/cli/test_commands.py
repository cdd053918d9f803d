"""Each command: what it finds, prints and writes, and how it ends."""

import csv
import io
import json

import numpy as np
import pytest
from equal import assert_same_table

from atlasquery.atlas import AtlasClass
from atlasquery.hats import read_hats
from atlasquery.lightcurve import read
from atlasquery.tables import read_table


@pytest.fixture
def atlas(sandbox, run):
    atlas = AtlasClass(server=sandbox.url)
    atlas.login(token=sandbox.token)
    return atlas


@pytest.fixture
def supernova(sandbox):
    return sandbox.manifest["ids"]["supernova"][2]


def rows(text):
    return list(csv.DictReader(io.StringIO(text), dialect="excel-tab"))


def test_help_of_each_command_has_examples(run):
    names = run("--help").stdout
    for name in [
        "cone",
        "object",
        "lightcurve",
        "list",
        "quota",
        "login",
        "download",
        "hats",
        "plot",
        "sandbox",
        "demo",
    ]:
        assert f"  {name} " in names
        result = run(name, "--help")
        assert result.exit_code == 0
        assert f"atlasquery {name}" in result.stdout.split("Usage:")[1].split("\n", 1)[1]


@pytest.mark.parametrize(
    "words",
    [
        ("150.0", "+2.2", "5arcmin"),
        ("150.0 2.2 5 arcmin",),
        ("10:00:00", "+02:12:00", "300arcsec"),
        ("10h00m00s +02d12m", "0.083334deg"),
    ],
)
def test_a_cone_is_found_however_it_is_typed(run, words):
    result = run("cone", *words)
    assert result.stderr == ""
    assert result.exit_code == 0
    found = rows(result.stdout)
    assert len(found) == 12
    assert list(found[0]) == ["atlas_id", "name", "ra", "dec", "separation"]
    assert found[0]["atlas_id"] == "1100003181021216990"


def test_a_pipe_has_every_digit(run, atlas):
    found = rows(run("cone", "150.0 +2.2 5arcmin").stdout)
    table = atlas.query_region("150d +2.2d", radius="5 arcmin")
    assert [int(row["atlas_id"]) for row in found] == table["atlas_id"].tolist()
    assert [float(row["ra"]) for row in found] == table["ra"].tolist()
    assert [row["name"] == "" for row in found] == table["name"].mask.tolist()


def test_a_negative_declination_is_no_option(run):
    result = run("cone", "10.5", "-20.1", "60arcsec")
    assert result.exit_code == 1
    assert result.stderr == "Warning: ATLAS has no object within 60 arcsec of the position\n"
    assert rows(result.stdout) == []
    assert result.stdout == "atlas_id\tname\tra\tdec\tseparation\n"


def test_a_cone_of_the_whole_sky_is_refused_with_the_number_of_its_searches(run, sandbox):
    before = len(sandbox.requests)
    result = run("cone", "150.0", "+2.2", "180deg")
    assert result.exit_code == 2
    assert "would take at least 1890897 searches of 300 arcsec" in result.stderr
    assert len(sandbox.requests) == before


def test_a_cone_around_a_name(run):
    result = run("cone", "ATLAS26zy", "1arcsec", "--nearest")
    assert [row["name"] for row in rows(result.stdout)] == ["ATLAS26zy"]


def test_json_is_one_document_with_ids_as_text(run, supernova):
    result = run("lightcurve", supernova, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert set(document) == {"meta", "columns", "rows"}
    assert document["columns"]["flux"]["unit"] == "uJy"
    assert document["meta"]["atlas_id"] == str(supernova)
    assert set(document["meta"]["coordinates"]) == {"ra", "dec"}
    first = document["rows"][0]
    assert first["atlas_id"] == str(supernova)
    assert first["detection"] is False
    assert first["flux"] is None
    assert isinstance(first["time"], float)
    assert first["date_inserted"].startswith("20")


@pytest.mark.parametrize("name", ["lc.ecsv", "lc.fits", "lc.vot", "lc.csv"])
def test_a_light_curve_is_written_whole(run, atlas, supernova, name, tmp_path):
    result = run("lightcurve", supernova, "--forced", "-o", name)
    assert (result.exit_code, result.stdout) == (0, "")
    found = read(tmp_path / name)
    assert result.stderr == f"{len(found)} rows in {name}\n"
    expected = atlas.get_forced_photometry(supernova)
    found.meta["obtained"] = expected.meta["obtained"]
    assert_same_table(found, expected)


def test_a_window_is_kept(run, supernova):
    result = run("lightcurve", supernova, "--start", "61200", "--end", "2026-07-15")
    times = np.array([float(row["time"]) for row in rows(result.stdout)])
    assert len(times)
    assert times.min() >= 61200
    assert times.max() <= 61236


def test_an_object_is_found_by_its_names(run, atlas, supernova):
    entry = atlas.get_objects(supernova)[0]
    for words in ([supernova], [entry["name"]], ["SN", entry["tns_name"]]):
        result = run("object", *words)
        assert [row["atlas_id"] for row in rows(result.stdout)] == [str(supernova)]


def test_a_list_is_filtered(run, atlas):
    found = rows(run("list", "good", "--min-vra", 9, "--sherlock", "SN").stdout)
    expected = atlas.query_list("good", vra=(9, None), sherlock_class="SN")
    assert [int(row["atlas_id"]) for row in found] == expected["atlas_id"].tolist()
    assert len(found) > 1


def test_the_lists_need_no_login(run, monkeypatch):
    monkeypatch.delenv("ATLASQUERY_ATLAS_TOKEN")
    found = rows(run("list").stdout)
    assert {"good", "mookodi"} <= {row["name"] for row in found}
    assert {row["custom"] for row in found} == {"true", "false"}


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")])
def test_a_picture_is_drawn(run, supernova, name, start, tmp_path):
    pytest.importorskip("matplotlib")
    result = run("plot", supernova, "-o", name, "--flux")
    assert (result.exit_code, result.stdout) == (0, f"{name}\n")
    assert (tmp_path / name).read_bytes().startswith(start)
    again = run("plot", supernova, "-o", name)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr


def test_a_picture_is_there_whole_or_as_it_was(run, supernova, tmp_path, monkeypatch):
    figure = pytest.importorskip("matplotlib.figure")
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")

    def fails_half_way(self, file, **options):
        file.write(b"half of it")
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(figure.Figure, "savefig", fails_half_way)
        assert run("plot", supernova, "-o", "a.png", "--overwrite").exit_code != 0
    assert path.read_bytes() == b"mine"
    assert run("plot", supernova, "-o", "a.png", "--overwrite").exit_code == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [one.name for one in tmp_path.glob("*a.png*")] == ["a.png"]


def test_many_are_downloaded_from_arguments_files_lists_and_pipes(run, sandbox, tmp_path):
    pytest.importorskip("pyarrow")
    ids = sandbox.manifest["ids"]["main"][:4]
    result = run("download", ids[0], "-d", "d")
    assert (result.exit_code, result.stdout) == (0, "1 objects in d: 1 fetched\n")
    (tmp_path / "ids.txt").write_text(f"# mine\n{ids[0]}\n{ids[1]}, a note\n\n")
    result = run("download", "--from", "ids.txt", "-d", "d")
    assert result.stdout == "2 objects in d: 1 kept, 1 fetched\n"
    table = run("cone", "150.0 2.2 1arcmin").stdout
    result = run("download", "--from", "-", "-d", "d", input=table)
    assert result.stdout == "1 objects in d: 1 kept\n"
    run("cone", "150.0 2.2 2arcmin", "-o", "found.fits")
    result = run("download", "--from", "found.fits", "-d", "d")
    assert result.stdout == "2 objects in d: 2 kept\n"
    result = run("download", "--list", "mookodi", "-d", "e", "--start", "61300")
    assert result.exit_code == 0
    assert read_table(tmp_path / "found.fits")["atlas_id"].tolist() == [int(i) for i in ids[:2]]


def test_downloads_become_a_catalogue(run, sandbox, tmp_path):
    pytest.importorskip("pyarrow")
    pytest.importorskip("astropy_healpix")
    ids = sandbox.manifest["ids"]["main"][:2]
    run("download", *ids, "-d", "d")
    result = run("hats", "d", "d_hats")
    assert (result.exit_code, result.stdout) == (0, "2 objects in d_hats\n")
    assert set(read_hats(tmp_path / "d_hats")) == {int(one) for one in ids}
    result = run("hats", "d", "d_hats")
    assert result.exit_code == 2 and "--overwrite" in result.stderr
    result = run("hats", "d", "d_hats", "--forced", "--name", "forced", "--overwrite")
    assert result.exit_code == 0
    assert (tmp_path / "d_hats" / "forced" / "hats.properties").is_file()
    assert run("hats", "empty", "e_hats").exit_code == 2


def test_a_download_that_lacks_an_object_says_so(run, supernova):
    pytest.importorskip("pyarrow")
    result = run("download", supernova, "1999999999999999900", "-d", "d")
    assert result.exit_code == 6
    assert result.stdout == "2 objects in d: 1 fetched, 1 failed\n"
    assert "1 of 2 objects failed" in result.stderr


def test_nothing_to_download(run, tmp_path):
    (tmp_path / "none.txt").write_text("# nothing\n")
    assert run("download", "--from", "none.txt", "-d", "d").exit_code == 1
    result = run("download", "-d", "d")
    assert result.exit_code == 2
    assert "give ids, --from or --list" in result.stderr
    assert not (tmp_path / "d").exists()


def test_the_quota_is_told(run):
    assert run("quota").stdout == "no limit known\n"
    assert json.loads(run("quota", "--json").stdout) == {
        "limit": None,
        "used": 0,
        "remaining": None,
        "resets_at": None,
    }

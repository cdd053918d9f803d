"""The command ``atlasquery lcc``, against the double of the server."""

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.config import set_temp_config
from astropy.table import QTable, Table
from astropy.timeseries import TimeSeries
from click.testing import CliRunner

from atlasquery.cli import main
from atlasquery.lccserver import conf
from atlasquery.sandbox.lccserver import catalogs, searches
from atlasquery.sandbox.lccserver.light_curves import packed
from atlasquery.sandbox.lccserver.messages import failed, json_reply
from atlasquery.sandbox.lccserver.server import LCCSandbox

# The command shows warnings as lines, so they must not be errors here.
pytestmark = pytest.mark.filterwarnings("default")
ALPHA = catalogs.objects()["synth_alpha"]


@pytest.fixture
def double(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    with (
        LCCSandbox() as server,
        set_temp_config(str(tmp_path / "config")),
        conf.set_temp("poll_seconds", 0.01),
    ):
        monkeypatch.setenv("ATLASQUERY_LCC_SERVER", server.url)
        yield server


def run(*args, code=0, **options):
    result = CliRunner().invoke(main, ["lcc", *map(str, args)], **options)
    assert result.exit_code == code, result.output
    return result


def rows_of(result):
    return json.loads(result.stdout)["rows"]


def test_lists(double):
    assert [row["collection"] for row in rows_of(run("collections", "--json"))] == [
        "synth_alpha", "synth_beta", "synth_big", "one_sky",
    ]  # fmt: skip
    names = [row["name"] for row in rows_of(run("columns", "synth_alpha", "--json"))]
    assert "sdssr" in names and "propermotion" in names
    assert "did you mean 'synth_alpha'" in run("columns", "synth_alhpa", code=2).stderr


def test_searches(double):
    near = rows_of(run("cone", "290.0", "+45.0", "30arcmin", "-c", "synth_alpha", "--columns",
                       "sdssr,jmag", "--json"))  # fmt: skip
    assert near and {"sdssr", "jmag", "separation"} <= set(near[0])
    assert "query_index" not in near[0]
    assert np.all(np.diff([row["separation"] for row in near]) >= 0)
    found = rows_of(run("search", "sdssr < 10", "-c", "synth_alpha", "--columns", "sdssr", "--sort",
                        "-sdssr", "--json"))  # fmt: skip
    wanted = sorted((row["sdssr"] for row in ALPHA if row["sdssr"] < 10), reverse=True)
    assert [row["sdssr"] for row in found] == wanted
    tagged = rows_of(run("text", "eclipsing", "-c", "synth_alpha", "--json"))
    assert {row["objectid"] for row in tagged} == {
        row["objectid"] for row in ALPHA if "eclipsing" in (row["objecttags"] or "")
    }
    assert rows_of(run("search", "sdssr < -5", "--json", code=1)) == []
    assert "query finished" not in run("search", "sdssr < 9.5").stdout


def test_a_cross_match_of_a_file(double, tmp_path):
    hosts = Table({"name": ["a", "b"], "ra": [ALPHA[0]["ra"], 10.0] * u.deg,
                   "dec": [ALPHA[0]["decl"], 10.0] * u.deg})  # fmt: skip
    hosts.write("hosts.ecsv")
    run("crossmatch", "hosts.ecsv", "2", "arcsec", "--ids", "name", "-o", "matches.ecsv")
    assert Table.read("matches.ecsv")["objectid"].tolist() == ["SYA-0000001"]
    printed = run("crossmatch", "hosts.ecsv", "40arcsec", code=2)
    assert "30" in printed.stderr
    double.received.clear()
    (tmp_path / "bad.ecsv").write_bytes(b"\0\1")
    assert "bad.ecsv" in run("crossmatch", "bad.ecsv", "2arcsec", code=2).stderr
    assert not double.asked("xmatch")


def test_light_curves(double, tmp_path):
    run("lightcurve", "SYA-0000001", "synth_alpha", "-o", "lc.ecsv")
    lc = TimeSeries.read("lc.ecsv")
    assert len(lc) == ALPHA[0]["ndet"] and lc.time.scale == "tdb"
    (tmp_path / "a-csvlc.gz").write_bytes(packed(ALPHA[1]))
    run("lightcurve", "a-csvlc.gz", "--mag", "aim_001", "-o", "a.ecsv")
    assert TimeSeries.read("a.ecsv").meta["mag_column"] == "aim_001"
    assert "is not a file" in run("lightcurve", "SYA-0000001", code=2).stderr
    assert run("lightcurve", "NOPE", "synth_alpha", code=1).stdout == ""
    found = run("search", "sdssr < 10", "-c", "synth_alpha", "--json")
    setid = json.loads(found.stdout)["meta"]["setid"]
    run("lightcurves", setid, "-o", "all.ecsv")
    table = QTable.read("all.ecsv")
    assert list(dict.fromkeys(table["objectid"])) == [row["objectid"] for row in rows_of(found)]
    assert table["mag"].unit == u.mag and table.meta["setid"] == setid
    listed = rows_of(run("dataset", setid, "--json"))
    assert len(listed) == len(rows_of(found))
    assert "not the name of a dataset" in run("lightcurves", "a b", code=2).stderr


@pytest.mark.parametrize("setid", ["-yV0kUAy3Vg", "-oV0kUAy3Vg", "-9V0kUAy3Vg", "--verbose-1"])
def test_a_dataset_whose_name_looks_like_an_option(double, monkeypatch, setid):
    monkeypatch.setattr(searches.secrets, "token_urlsafe", lambda size: setid)
    found = run("search", "sdssr < 10", "-c", "synth_alpha", "--json")
    assert json.loads(found.stdout)["meta"]["setid"] == setid
    assert rows_of(run("dataset", setid, "--json")) == rows_of(found)
    run("lightcurves", setid, "-o", "all.ecsv")
    table = QTable.read("all.ecsv")
    assert table.meta["setid"] == setid and len(set(table["objectid"])) == len(rows_of(found))
    assert "Usage" in run("dataset", "--help").stdout
    assert "did you mean" in run("dataset", "--overwritte", code=2).stderr.lower()


def test_one_that_is_lost_is_said(double):
    found = run("search", "sdssr < 10", "-c", "synth_alpha", "--json")
    setid, rows = json.loads(found.stdout)["meta"]["setid"], rows_of(found)
    lost = rows[0]["objectid"]
    files = double.files
    files.unmade.add(lost)
    members = files.members(setid)
    del members[f"synth-alpha-{lost}-csvlc.gz"]
    from atlasquery.sandbox.lccserver.light_curves import make_zip

    files.zips[setid] = make_zip(members)
    printed = run("lightcurves", setid, "-o", "some.ecsv", code=6)
    assert f"1 of {len(rows)} light curves failed; the first, {lost}" in printed.stderr
    assert len(set(QTable.read("some.ecsv")["objectid"])) == len(rows) - 1


def test_an_object(double, samples_png):
    page = {"objectid": "SYA-0000001", "objectinfo": {"ra": 1.0, "decl": 2.0}, "varinfo": {},
            "magseries": samples_png, "pfmethods": ["gls"],
            "gls": {"nbestperiods": [0.5], "bestperiod": 0.5}}  # fmt: skip
    double.faults["/api/object"] = json_reply({"status": "ok", "result": page, "message": ""})
    printed = run("object", "SYA-0000001", "synth_alpha", "-d", "pictures", "--json")
    assert rows_of(printed)[0]["period"] == 0.5
    assert "SYA-0000001-0-magnitude-series.png" in printed.stderr
    assert "overwrite=True" in run("object", "SYA-0000001", "synth_alpha", "-d", "pictures",
                                   code=7).stderr  # fmt: skip
    run("object", "SYA-0000001", "synth_alpha", "-d", "pictures", "--overwrite-pictures")
    double.faults["/api/object"] = json_reply(failed("could not find information"), 404)
    printed = run("object", "SYA-2", "synth_alpha", code=1)
    assert "never looked for its periods" in printed.stderr


@pytest.fixture
def samples_png():
    """The smallest of pictures."""
    return (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
        "rkJggg=="
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("cone", "M31", "5arcmin"), "is not a position"),
        (("cone", "10", "20"), "does not end in a radius"),
        (("search", "sdsr < 10"), "sdsr"),
        (("dataset", "no such"), "not the name of a dataset"),
        (("crossmatch", "nowhere.ecsv", "2arcsec"), "does not exist"),
    ],
)
def test_wrong_usage_searches_nothing(double, args, words):
    assert words in run(*args, code=2).stderr
    assert not double.asked("POST")

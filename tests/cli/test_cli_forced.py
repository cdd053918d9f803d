"""The command ``atlasquery forced``, against the double of the server."""

import io
import json

import astropy.units as u
import numpy as np
import pytest
from astropy.config import set_temp_cache, set_temp_config
from astropy.table import QTable
from astropy.timeseries import TimeSeries
from click.testing import CliRunner
from clocks import JumpingClock

from atlasquery.cli import main
from atlasquery.cli.forced_commands import read_targets
from atlasquery.exceptions import InvalidQueryError
from atlasquery.forcedphot import AtlasForcedClass, ForcedJobs
from atlasquery.sandbox.forcedphot.server import ForcedSandbox

# The command shows warnings as lines, so they must not be errors here.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def double(tmp_path, monkeypatch):
    clock = JumpingClock()
    for folder in ("cache", "config"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    make = AtlasForcedClass.__init__

    def fast(self, server=None):
        make(self, server)
        self._clock = clock

    # The command makes its own client; only its clock is another one.
    monkeypatch.setattr(AtlasForcedClass, "__init__", fast)
    with (
        ForcedSandbox(clock) as server,
        set_temp_cache(str(tmp_path / "cache")),
        set_temp_config(str(tmp_path / "config")),
    ):
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def run(*args, code=0, **options):
    result = CliRunner().invoke(main, ["forced", *map(str, args)], **options)
    assert result.exit_code == code, result.output
    return result


def test_one_position_to_a_file(double):
    run("161.2", "-53.7", "--start", "59000", "--end", "2020-06-10", "-o", "lc.ecsv")
    lc = TimeSeries.read("lc.ecsv")
    assert len(lc) > 5 and lc["flux"].unit == u.uJy
    (task,) = double.queue.tasks.values()
    assert (task.fields["ra"], task.fields["dec"]) == (161.2, -53.7)
    assert (task.fields["mjd_min"], task.fields["mjd_max"]) == (59000, 59010)


def test_many_in_pieces_that_go_on(double, tmp_path):
    (tmp_path / "hosts.txt").write_text(
        "# ra dec name\n161.2 +53.7 SN 2026x\n10:00:24 +02:12:00\n\n10 00 24 -02 12 00 third\n"
        "mpc (12267)\n"
    )
    printed = run("-f", "hosts.txt", "--end", "57300", "--save", "run.json", "--no-wait", "--json")
    rows = json.loads(printed.stdout)["rows"]
    assert [row["state"] for row in rows] == ["queued"] * 4
    assert [row["target"] for row in rows] == [
        "SN 2026x", "150.10000+2.20000", "third", "(12267)",
    ]  # fmt: skip
    # Another process, with the file alone.
    run("--save", "run.json", "-o", "curves.ecsv")
    assert ForcedJobs.load("run.json").counts() == {"done": 4}
    assert len(double.queue.tasks) == 4
    table = QTable.read("curves.ecsv")
    assert list(dict.fromkeys(table["target"])) == [row["target"] for row in rows]
    assert np.allclose(table["ra"][table["target"] == "SN 2026x"].value, 161.2)
    assert table["flux"].unit == u.uJy
    run("-f", "hosts.txt", "--save", "run.json", code=2)


def test_a_pipe_gets_tabs_and_a_time_runs_out(double):
    printed = run("1", "2", "--start", "59000", "--end", "59004")
    assert printed.stdout.splitlines()[0].split("\t")[:3] == ["time", "band", "detection"]
    printed = run("1", "2", "--timeout", "30 s", "--save", "late.json", code=5)
    assert "Wait again to continue" in printed.stderr
    assert run("--save", "late.json").stdout.count("\n") > 1000


def test_what_fails_is_said_and_the_rest_is_written(double):
    (double.outcomes).update({(2.0, 2.0): "error"})
    printed = run("-f", "-", "--start", "59000", "--end", "59004", "-o", "some.ecsv",
               code=6, input="1 1\n2 2\n")  # fmt: skip
    assert "1 of 2 targets have no light curve" in printed.stderr
    assert set(QTable.read("some.ecsv")["target"]) == {"1.00000+1.00000"}


def test_a_file_does_not_say_where_a_login_goes(double, tmp_path):
    run("1", "2", "--save", "run.json", "--no-wait")
    text = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(text.replace(double.url, "http://127.0.0.1:9/forcedphot/"))
    printed = run("--save", "run.json", code=2)
    assert "these jobs are at http://127.0.0.1:9/" in printed.stderr


def test_no_data_is_code_1(double):
    printed = run("10", "-89.5", code=1)
    assert "has no data for 1 of 1 targets" in printed.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "give a position"),
        (("400", "2"), "not from 0 to 360"),
        (("25:00:00", "2:0:0"), "right ascension|not a position"),
        (("10", "95"), "not a position"),
        (("M31",), "is not a position"),
        (("1", "2", "--start", "59000", "--end", "58000"), "is before"),
    ],
)
def test_wrong_usage_sends_nothing(double, args, words):
    printed = run(*args, code=2)
    assert pytest.approx(0) == len(double.requests)
    assert any(word in printed.stderr for word in words.split("|"))


def test_a_bad_line_is_named():
    listing = io.StringIO("1 2 a\nnowhere at all\n")
    listing.name = "hosts.txt"
    with pytest.raises(InvalidQueryError, match=r"line 2 of hosts.txt: .nowhere at. is no"):
        read_targets("", listing, ())

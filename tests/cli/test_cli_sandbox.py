"""The command as a shell runs it."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from astropy.io import ascii as ascii_io

pytest.importorskip("click")

COMMAND = [sys.executable, "-m", "atlasquery.cli"]


def run(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=600, **options
    )


def test_help_names_the_commands():
    result = run("--help")
    assert result.returncode == 0
    assert {"demo", "sandbox"} <= set(result.stdout.split())


def test_demo_writes_what_it_says(tmp_path):
    result = run("demo", "-d", str(tmp_path / "out"))
    assert result.returncode == 0, result.stderr
    assert "12 objects within 5.0 arcmin" in result.stdout
    (picture,) = (tmp_path / "out").glob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(picture) in result.stdout
    # The object shown is one of those found.
    found = result.stdout[: result.stdout.index("3. ")]
    assert picture.stem in found
    found = re.search(r"(\d+) detections, (\d+) exposures without, (\d+) forced", result.stdout)
    curve = ascii_io.read(tmp_path / "out" / f"{picture.stem}.ecsv")
    assert len(curve) == int(found[1]) + int(found[2])
    assert int(found[1]) > 10
    assert int(found[3]) > 10


def test_sandbox_runs_until_ctrl_c(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "--objects", "700", "--path", str(tmp_path / "box.sqlite")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        lines = []
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline and "Ctrl-C" not in "".join(lines):
            lines.append(process.stdout.readline())
        text = "".join(lines)
        assert "with 700 objects." in text
        exports = dict(re.findall(r"export (ATLASQUERY_\w+)=(\S+)", text))
        services = {name.split("_")[1] for name in exports}
        assert services == {"ATLAS", "FORCED", "ALERCE", "LCC", "SKYPORTAL"}
        # The second is of the account that may write.
        assert len(set(re.findall(r"export ATLASQUERY_ATLAS_TOKEN=(\S+)", text))) == 2
        code = (
            "from atlasquery import Alerce, Atlas; from astropy.coordinates import SkyCoord;"
            "print(Atlas.count_region(SkyCoord(150.0, 2.2, unit='deg'), radius='300 arcsec'),"
            "len(Alerce.list_classifiers(survey='lsst')) > 0)"
        )
        env = os.environ | exports
        asked = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=600
        )
        assert asked.stdout.strip() == "12 True", asked.stderr
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert out.rstrip().endswith("Stopped.")
    assert (tmp_path / "box.sqlite").exists()


def test_unknown_services_are_one_line():
    result = run("sandbox", "--services", "atlas, ztf")
    assert result.returncode == 2
    assert "'ztf' is not 'all' and not one of atlas, forcedphot, alerce" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unusable_path_is_one_line(tmp_path):
    result = run("sandbox", "--path", str(tmp_path / "no" / "such" / "box.sqlite"))
    assert result.returncode == 7
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr

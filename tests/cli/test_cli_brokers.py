"""``atlasquery alerce`` and ``atlasquery skyportal``, against doubles of the servers."""

import json

import pytest
from addresses import configured

from atlasquery.lightcurve import read
from atlasquery.sandbox.alerce.server import AlerceSandbox
from atlasquery.sandbox.skyportal.example import fill
from atlasquery.sandbox.skyportal.server import ADMIN, SkyPortalSandbox


@pytest.fixture(scope="module")
def _alerce():
    with AlerceSandbox(seed=None) as double:
        yield double


@pytest.fixture
def alerce(run, _alerce):
    with configured(_alerce):
        yield lambda *words, **options: run("alerce", *words, **options)


@pytest.fixture
def skyportal(run, monkeypatch):
    with SkyPortalSandbox() as double:
        fill(double.state)
        monkeypatch.setenv("ATLASQUERY_SKYPORTAL_SERVER", double.url)
        monkeypatch.setenv("ATLASQUERY_SKYPORTAL_TOKEN", ADMIN)
        yield lambda *words, **options: run("skyportal", *words, **options)


def rows(result, code=0):
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)["rows"]


def test_alerce_is_searched(alerce):
    found = rows(alerce("search", "--n-det", "10", "--max-rows", "-1", "--json"))
    assert len(found) > 2
    names = [row["oid"] for row in found]
    first = found[0]
    near = rows(alerce("cone", first["ra"], first["dec"], "1arcsec", "--json"))
    assert names[0] in [row["oid"] for row in near]
    entry = rows(alerce("object", names[0], "--json"))
    assert entry[0]["oid"] == names[0]
    classes = rows(alerce("classifiers", "--json"))
    assert classes


def test_alerce_is_sorted_and_filtered(alerce):
    up = rows(alerce("search", "--sort", "n_det", "--max-rows", "-1", "--json"))
    down = rows(alerce("search", "--sort", "-n_det", "--max-rows", "-1", "--json"))
    counts = [row["n_det"] for row in up]
    assert counts == sorted(counts)
    assert [row["n_det"] for row in down] == sorted(counts, reverse=True)


def test_light_curves_of_alerce_are_written(alerce, tmp_path):
    result = alerce("lightcurve", "ZTF19aaaaaab", "-o", "lc.ecsv")
    assert result.exit_code == 0, result.output
    lc = read(tmp_path / "lc.ecsv")
    assert lc.meta["object"] == "ZTF19aaaaaab"
    assert len(lc) > 18
    forced = alerce("lightcurve", "ZTF19aaaaaab", "--forced", "-o", "all.ecsv")
    assert forced.exit_code == 0, forced.output
    assert len(read(tmp_path / "all.ecsv")) > len(lc)
    assert rows(alerce("probabilities", "ZTF19aaaaaab", "--json"))


def test_alerce_refuses_what_cannot_be(alerce):
    for words, message in (
        (("cone", "150.0", "+2.2", "30"), "does not end in a radius"),
        (("cone", "M31", "30arcsec"), "'M31' is not a position"),
        (("object", "nothing"), "is not a name of ZTF"),
        (("object", "ZTF19aaaaaab", "--survey", "gaia"), "gaia"),
    ):
        result = alerce(*words)
        assert result.exit_code == 2, result.output
        assert message in result.stderr.splitlines()[-1]


def test_skyportal_is_searched(skyportal, tmp_path):
    found = rows(skyportal("sources", "--json"))
    names = [row["id"] for row in found]
    assert "ATLAS24abc" in names
    one = next(row for row in found if row["id"] == "ATLAS24abc")
    near = rows(skyportal("cone", one["ra"], one["dec"], "2arcsec", "--json"))
    assert "ATLAS24abc" in [row["id"] for row in near]
    assert rows(skyportal("source", "ATLAS24abc", "--json"))[0]["id"] == "ATLAS24abc"
    assert [row["id"] for row in rows(skyportal("sources", "--name", "ATLAS24", "--json"))] == [
        name for name in names if "ATLAS24" in name
    ]
    assert rows(skyportal("groups", "--json"))
    result = skyportal("lightcurve", "ATLAS24abc", "-o", "lc.fits")
    assert result.exit_code == 0, result.output
    lc = read(tmp_path / "lc.fits")
    assert len(lc) > 1
    later = rows(skyportal("lightcurve", "ATLAS24abc", "--start", lc.time.mjd.max(), "--json"))
    assert len(later) < len(lc)


def test_skyportal_says_what_is_wrong(skyportal, monkeypatch):
    assert skyportal("source", "nobody").exit_code == 1
    assert skyportal("cone", "M31", "2arcsec").exit_code == 2
    monkeypatch.setenv("ATLASQUERY_SKYPORTAL_TOKEN", "0" * 36)
    assert skyportal("sources").exit_code == 3


@pytest.mark.parametrize("group", ["alerce", "skyportal"])
def test_help_of_each_command_shows_how(run, group):
    assert f"atlasquery {group} " in run(group, "--help").stdout.split("Examples:")[1]

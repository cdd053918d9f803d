"""``atlasquery find`` and ``atlasquery resolve``, against the sandbox of all services."""

import json

import pytest

from atlasquery.alerce import Alerce
from atlasquery.atlas import Atlas, AtlasClass
from atlasquery.cli.find_commands import read_targets
from atlasquery.lccserver import LCCServer, LCCServerClass
from atlasquery.lightcurve import read
from atlasquery.skyportal import SkyPortal, SkyPortalClass
from atlasquery.tables import read_table

STATE = ("_credentials", "_authenticated", "_logged_out", "_server")


@pytest.fixture(scope="module")
def _sky():
    pytest.importorskip("werkzeug", reason="the sandbox extra is not installed")
    from atlasquery.sandbox import Sandbox
    from atlasquery.sandbox.skyportal.one_sky import add_one_sky

    with Sandbox(services=["atlas", "alerce", "lccserver", "skyportal"]) as box:
        if not box.skyportal.state.objects:
            add_one_sky(box.skyportal.state)
        yield box


@pytest.fixture
def sky(run, _sky, monkeypatch):
    """Run a command against all services."""
    for name, value in _sky.environment().items():
        monkeypatch.setenv(name, value)
    for client, kind in (
        (Atlas, AtlasClass), (LCCServer, LCCServerClass), (SkyPortal, SkyPortalClass),
    ):  # fmt: skip
        for name in STATE:
            monkeypatch.setattr(client, name, getattr(kind(), name))
    monkeypatch.setattr(LCCServer, "_anonymous", None)
    yield run
    Alerce.clear_cache()


def document(result, code=0):
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    "words", [("ATLAS26zy",), ("SN", "2026ahw"), ("150.013265", "+2.204720"), ("SN 2026ahw",)]
)
def test_a_target_is_found_at_all_services(sky, words):
    found = document(sky("find", *words, "--json", "--timeout", 60))
    assert [row["service"] for row in found["rows"]].count("alerce") == 2
    assert {row["service"] for row in found["rows"]} == {
        "atlas", "alerce", "lccserver", "skyportal",
    }  # fmt: skip
    assert found["columns"]["separation"]["unit"] == "arcsec"
    assert found["meta"]["failures"] == [] and "query_index" not in found["columns"]
    ids = {row["object_id"] for row in found["rows"]}
    assert "1100003181021216990" in ids


def test_several_targets_are_numbered(sky):
    found = document(sky("find", "ATLAS26zy", "150.0135 2.17608", "--json", "--timeout", 60))
    assert [row["query_index"] for row in found["rows"]] == [0] * 5 + [1] * 5


def test_light_curves_and_plot_are_written(sky, tmp_path):
    pytest.importorskip("matplotlib")
    result = sky("find", "ATLAS26zy", "--light-curves", "lc.ecsv", "--plot", "lc.png",
                 "-o", "objects.fits")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert len(read_table(tmp_path / "objects.fits")) == 5
    lc = read(tmp_path / "lc.ecsv")
    assert set(lc["service"]) == {"atlas", "alerce", "lccserver", "skyportal"}
    assert (tmp_path / "lc.png").read_bytes().startswith(b"\x89PNG")
    again = sky("find", "ATLAS26zy", "--plot", "lc.png")
    assert again.exit_code == 2 and "--overwrite" in again.output


def test_a_failed_service_has_a_code_and_a_line(sky, monkeypatch):
    monkeypatch.setenv("ATLASQUERY_LCC_SERVER", "http://127.0.0.1:9/")
    monkeypatch.delenv("ATLASQUERY_ATLAS_TOKEN")
    result = sky("find", "ZTF26onptaab", "--json")
    found = document(result, code=6)
    assert {row["service"] for row in found["rows"]} == {"alerce", "skyportal"}
    assert "1 service failed" in result.stderr and "lccserver" in result.stderr
    assert "Skipped: atlas: " in result.stderr
    assert "lccserver" in found["meta"]["failures"][0]


def test_what_is_new(sky):
    found = document(sky("find", "ATLAS26zy", "--since", "2026-11-01", "--json", "--no-cache"))
    assert {row["service"] for row in found["rows"]} == {"atlas", "alerce", "skyportal"}
    assert sky("find", "ATLAS26zy", "--since", "61366").exit_code == 1


def test_names_are_resolved(sky):
    found = document(sky("resolve", "SN", "2026ahw", "--json"))
    (row,) = found["rows"]
    assert row["source"] == "atlas" and "ATLAS26zy" in row["names"]
    assert row["ra"] == pytest.approx(150.013265, abs=1e-4)
    several = document(
        sky("resolve", "ATLAS26zy", "ZTF26zzzzzzz", "--services", "alerce,atlas", "--json"), code=6
    )
    assert [row["source"] for row in several["rows"]] == ["atlas", ""]
    assert several["rows"][1]["ra"] is None
    unknown = sky("resolve", "1999999999999999999")
    assert unknown.exit_code == 1 and "is unknown" in unknown.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("find", "12"), "is not an id"),
        (("find", "ATLAS26zy", "--radius", "5"), "radius='5'"),
        (("find", "ATLAS26zy", "--services", "gaia"), "is not a service"),
        (("find", "ATLAS26zy", "--services", ","), "name at least one service"),
        (("find", "a", "b", "--plot", "x.png"), "--plot is for one target"),
        (("find", "ATLAS26zy", "--light-curves", "x.txt"), "should end in one of"),
        (("find",), "give a TARGET"),
        (("resolve", "10.5", "-20.1"), "is a position"),
    ],
)
def test_what_cannot_be_is_refused(sky, words, message):
    result = sky(*words)
    assert result.exit_code == 2 and message in result.output, result.output


@pytest.mark.parametrize(
    ("words", "targets"),
    [
        (("150.1", "+2.2"), ["150.1 +2.2"]), (("10:00:24", " -02:12:00"), ["10:00:24 -02:12:00"]),
        (("AT", "2026abc"), ["AT 2026abc"]), (("M 31", "NGC 1"), ["M 31", "NGC 1"]),
        (("150.1 2.2", "10 20"), ["150.1 2.2", "10 20"]),
        (("ATLAS26zy", "ZTF18acuwwpp"), ["ATLAS26zy", "ZTF18acuwwpp"]),
    ],
)  # fmt: skip
def test_words_become_targets(words, targets):
    assert read_targets(words) == targets


REGION = """# Region file format: DS9
icrs
circle(150.0, 2.2, 240")
"""


@pytest.fixture
def region(tmp_path):
    pytest.importorskip("regions", reason="the extra regions is not installed")
    file = tmp_path / "field.reg"
    file.write_text(REGION)
    return file


def rows(result):
    return document(result)["rows"]


def test_a_region_is_searched(sky, run, region):
    around = rows(run("cone", "150.0", "+2.2", "240arcsec", "--json"))
    inside = rows(run("cone", "--region", region, "--json"))
    assert {row["atlas_id"] for row in inside} == {row["atlas_id"] for row in around}
    assert len(inside) > 5
    assert "separation" not in inside[0]
    found = rows(run("find", "--region", region, "--services", "skyportal,alerce", "--json"))
    circle = rows(run("find", "150.0 +2.2", "--radius", "240arcsec", "--services",
                          "skyportal,alerce", "--json"))  # fmt: skip
    assert {row["object_id"] for row in found} == {row["object_id"] for row in circle}


def test_a_sky_map_is_searched_at_a_level(sky, run, tmp_path):
    pytest.importorskip("cdshealpix", reason="the extra regions is not installed")
    from astropy.coordinates import SkyCoord
    from astropy.table import Table

    # The cell of order 3 with the sandbox's main field has half of the probability.
    from astropy_healpix import HEALPix

    cell = HEALPix(8, order="nested", frame="icrs").skycoord_to_healpix(
        SkyCoord(150, 2.2, unit="deg")
    )
    density = [0.5 if n == cell else 0.5 / 767 for n in range(768)]
    Table({"PROB": density}, meta={"ORDERING": "NESTED", "NSIDE": 8}).write(tmp_path / "map.fits")
    level = run("find", "--region", "map.fits", "--services", "skyportal")
    assert level.exit_code == 2
    assert "--credible LEVEL" in level.stderr
    found = rows(run("find", "--region", "map.fits", "--credible", "0.5", "--services",
                         "skyportal", "--json"))  # fmt: skip
    assert len(found) > 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cone",), "POSITION RADIUS, or --region"),
        (("find",), "give a TARGET, or --region"),
        (("find", "3/3", "--region", "3/3"), "give one of them"),
        (("find", "ATLAS26zy", "--credible", "0.9"), "--credible is for the sky map"),
        (("find", "--region", "3/3", "--credible", "0.9"), "3/3 is not one"),
        (("find", "--region", "3/3", "--plot", "all.png"), "not for a region"),
        (("find", "--region", "3/3", "--radius", "2arcsec"), "radius is for positions"),
    ],
)
def test_regions_that_cannot_be_searched(sky, run, words, message):
    pytest.importorskip("mocpy", reason="the extra regions is not installed")
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.stderr

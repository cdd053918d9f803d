"""Files read by other programs: STILTS, which reads as TOPCAT does, and fitsverify."""

import io
import shutil
import subprocess

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits, votable
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time, TimeDelta
from astropy.timeseries import TimeSeries

from atlasquery.atlas import AtlasClass
from atlasquery.lightcurve import bin, clean, phase_fold, summary
from atlasquery.tables import write_table


def needed(program):
    path = shutil.which(program)
    return pytest.mark.skipif(path is None, reason=f"{program} is not installed (Debian has it)")


@pytest.fixture(scope="module")
def tables(sandbox):
    atlas = AtlasClass(server=sandbox.url)
    atlas.login(token=sandbox.token)
    ids = sandbox.manifest["ids"]["supernova"][:3]
    source = atlas.get_source(ids[2])
    cleaned = clean(source.forced_photometry)
    return {
        "light_curve": source.light_curve,
        "forced": cleaned,
        "binned": bin(cleaned),
        "folded": phase_fold(cleaned, 3 * u.day),
        "empty": source.light_curve[:0],
        "summary": summary(cleaned),
        "objects": atlas.get_objects(ids),
        "list": atlas.query_list("good"),
        "awkward": awkward(),
    }


def awkward():
    """What light curves may have, and those of the sandbox have not."""
    table = QTable(meta={"time_reference": "at the barycentre; not stated", "service": "test"})
    table["time"] = Time([58000.125, 58001], [1e-12, 0], format="mjd", scale="tdb")
    table["jd"] = Time([2458000.125, 2458001], format="jd", scale="tai")
    table["seen"] = Time(["2020-01-01T00:00:00.123", "2020-01-02T00:00:00"], scale="utc")
    table["seen"][1] = np.ma.masked
    table["wait"] = TimeDelta([0.5, 1.5], format="jd")
    table["place"] = SkyCoord([10.0, 20.0], [-1.0, 2.0], unit="deg")
    table["truth"] = MaskedColumn([True, False], mask=[False, True])
    table["letter"] = ["a", "ß"]
    table["number"] = MaskedColumn([2**62 + 1, 2], mask=[False, True])
    return table


@pytest.fixture
def run(tmp_path):
    def run(*command):
        done = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, timeout=120, cwd=tmp_path
        )
        return done.returncode, done.stdout + done.stderr

    return run


NAMES = (
    "light_curve",
    "forced",
    "binned",
    "folded",
    "empty",
    "summary",
    "objects",
    "list",
    "awkward",
)


@needed("stilts")
@pytest.mark.parametrize("name", NAMES)
def test_votlint_finds_nothing(tables, name, tmp_path, run):
    path = write_table(tables[name], tmp_path / "table.vot")
    assert run("stilts", "votlint", path) == (0, "")


@needed("stilts")
@pytest.mark.parametrize("name", ["light_curve", "binned", "awkward"])
@pytest.mark.parametrize("extension", [".vot", ".fits"])
def test_stilts_reads_the_values(tables, name, extension, tmp_path, run):
    table = tables[name]
    path = write_table(table, tmp_path / f"table{extension}")
    form = {".vot": "votable", ".fits": "fits"}[extension]
    code, words = run("stilts", "tpipe", f"in={path}", f"ifmt={form}", "out=t.csv", "ofmt=csv")
    assert code == 0, words
    lines = Table.read(tmp_path / "t.csv", format="ascii.csv")
    assert len(lines) == len(table)
    # Of a time that a single number would round, this is the first of two.
    time = "time" if "time" in lines.colnames else lines.colnames[0]
    expected = table["time"].mjd if time == "time" else table["time"].jd1
    np.testing.assert_allclose(lines[time], expected, rtol=0, atol=1e-9)
    truth = "detection" if "detection" in table.colnames else "truth"
    known = ~np.ma.getmaskarray(table[truth])
    read = np.char.lower(np.asarray(lines[truth].astype(str)))[known]
    assert (read == "true").tolist() == np.asarray(table[truth])[known].tolist()
    if "flux" in table.colnames:
        known = ~table["flux"].mask
        found = np.asarray(lines["flux"][known], float)
        np.testing.assert_array_equal(found, table["flux"].unmasked.value[known])
    if name == "awkward":
        assert str(lines["number"][0]) == str(2**62 + 1)


@needed("fitsverify")
@pytest.mark.parametrize("name", NAMES)
def test_fitsverify_finds_nothing(tables, name, tmp_path, run):
    path = write_table(tables[name], tmp_path / "table.fits")
    code, words = run("fitsverify", path)
    assert "found 0 warning(s) and 0 error(s)" in words, words
    assert code == 0


def votable_of(table, tmp_path):
    path = write_table(table, tmp_path / "table.vot")
    return votable.parse(io.BytesIO(path.read_bytes()), verify="exception")


def test_a_votable_has_types_that_all_programs_read(tables, tmp_path):
    for name, table in tables.items():
        file = votable_of(table, tmp_path / name) if (tmp_path / name).mkdir() is None else None
        for field in file.get_first_table().fields:
            assert field.datatype != "bit", (name, field.name)
            assert field.arraysize in (None, "*"), (name, field.name)


def test_a_votable_says_what_times_and_positions_refer_to(tables, tmp_path):
    file = votable_of(tables["light_curve"], tmp_path)
    (resource,) = file.resources
    fields = {field.name: field for field in file.get_first_table().fields}
    systems = {system.ID: system for system in resource.time_systems}
    time = systems[fields["time"].ref]
    assert (time.timescale, time.refposition) == ("UTC", "TOPOCENTER")
    assert (time.timeorigin, str(fields["time"].unit)) == ("MJD-origin", "d")
    stamp = systems[fields["date_inserted"].ref]
    assert (stamp.timescale, stamp.refposition, stamp.timeorigin) == ("UTC", "UNKNOWN", None)
    assert fields["date_inserted"].xtype == "timestamp"
    params = {param.name: param for param in file.get_first_table().params}
    coordinates = tables["light_curve"].meta["coordinates"]
    assert float(params["object_ra"].value) == coordinates.ra.deg
    assert float(params["object_dec"].value) == coordinates.dec.deg
    (frame,) = resource.coordinate_systems
    assert (frame.system, params["object_ra"].ref) == ("ICRS", frame.ID)


def test_a_votable_of_awkward_times(tables, tmp_path):
    file = votable_of(tables["awkward"], tmp_path)
    (resource,) = file.resources
    fields = {field.name: field for field in file.get_first_table().fields}
    systems = {system.ID: system for system in resource.time_systems}
    fine = systems[fields["time.jd1"].ref]
    assert (fine.timescale, fine.refposition, fine.timeorigin) == ("TDB", "BARYCENTER", "JD-origin")
    assert fields["time.jd2"].ref is None
    assert systems[fields["jd"].ref].timescale == "TAI"
    assert [str(fields[name].unit) for name in ("time.jd2", "jd", "wait")] == ["d"] * 3
    assert fields["place.ra"].ucd == "pos.eq.ra"


def test_positions_of_unknown_system_have_none(tmp_path):
    table = QTable({"ra": [1.0] * u.deg, "dec": [2.0] * u.deg})
    file = votable_of(table, tmp_path)
    assert not list(file.resources[0].coordinate_systems)


def test_fits_has_the_keywords_of_times(tables, tmp_path):
    table = tables["light_curve"]
    path = write_table(table, tmp_path / "table.fits")
    header = fits.getheader(path, 1)
    assert (header["TIMESYS"], header["MJDREF"], header["TIMEUNIT"]) == ("UTC", 0.0, "d")
    assert (header["TTYPE1"], header["TUNIT1"], header["TCTYP1"]) == ("time", "d", "UTC")
    assert (header["RADESYS"], header["RA_OBJ"]) == ("ICRS", table.meta["coordinates"].ra.deg)
    # With these astropy reads the times of files whose own header it does not know.
    again = QTable.read(path, astropy_native=True)
    assert again["time"].scale == "utc"
    np.testing.assert_array_equal(again["time"].mjd, table["time"].mjd)


def test_fits_of_a_barycentre(tmp_path):
    lc = TimeSeries(time=Time([58000.0, 58001.0], format="mjd", scale="tdb"))
    lc["flux"] = [1.0, 2.0] * u.uJy
    lc.meta["time_reference"] = "at the barycentre"
    header = fits.getheader(write_table(lc, tmp_path / "lc.fits"), 1)
    assert (header["TIMESYS"], header["TRPOS1"]) == ("TDB", "BARYCENTER")

"""Light curves of the sandbox and of the real server in files of every format."""

import gzip
import json

import astropy.units as u
import msgspec
import pytest
from astropy.table import QTable, Table
from astropy.time import Time
from equal import assert_same_table

from atlasquery import AtlasForced
from atlasquery.atlas import AtlasClass, AtlasSource
from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve import bin, clean, read, to_mag, write
from atlasquery.tables import LightCurve, read_table, write_table

# One of each format; what else says the same format is a matter of test_files.py.
FORMATS = (".ecsv", ".fits", ".vot", ".parquet", ".csv")


@pytest.fixture(params=FORMATS)
def path(request, tmp_path):
    if request.param == ".parquet":
        pytest.importorskip("pyarrow")
    return tmp_path / f"lc{request.param}"


@pytest.fixture(scope="module")
def atlas(sandbox):
    atlas = AtlasClass(server=sandbox.url)
    atlas.login(token=sandbox.token)
    return atlas


@pytest.fixture(scope="module")
def source(atlas, sandbox):
    return atlas.get_source(sandbox.manifest["ids"]["supernova"][2], cache=False)


def with_history(lc):
    lc = lc.copy()
    lc.meta["history"] = ["clean(preset='atlas'): 3 of 428 rows flagged", "width=1 d, 3σ"]
    return lc


def test_light_curves_come_back(path, source):
    for lc in (source.light_curve, source.forced_photometry):
        assert len(lc) > 100
        for part in (with_history(lc), lc[:0], lc[:1], lc[lc["detection"]], lc[~lc["detection"]]):
            assert write(part, path, overwrite=True) == path
            assert_same_table(read(path), part)


def test_what_is_made_of_light_curves_comes_back(path, source):
    flagged = clean(source.forced_photometry)
    for lc in (flagged, bin(flagged, width=1 * u.day), to_mag(source.forced_photometry)):
        assert lc.meta["history"]
        write(lc, path, overwrite=True)
        assert_same_table(read(path), lc)


def test_tables_come_back(path, source, atlas):
    for table in (
        source.sherlock_crossmatches,
        source.sherlock_classifications,
        source.tns_crossmatches,
        source.sherlock_crossmatches[:0],
        atlas.query_list("good", cache=False),
    ):
        write_table(table, path, overwrite=True)
        assert_same_table(read_table(path), table)


@pytest.mark.parametrize(
    "name", ["1000005291314656200_sn", "1052941460110907400_pm", "1134751930091216800_md"]
)
def test_real_light_curves_come_back(path, shared, name):
    body = gzip.decompress((shared / f"data/atlas/{name}.json.gz").read_bytes())
    items = json.loads(body)
    item = items[0] if isinstance(items, list) else items
    raw = {key: msgspec.Raw(msgspec.json.encode(value)) for key, value in item.items()}
    real = AtlasSource(raw, window=(None, None), meta={"server": "https://example.org/api/"})
    for lc in (real.light_curve, real.forced_photometry):
        for part in (lc, lc[:0], lc[:1]):
            write(part, path, overwrite=True)
            assert_same_table(read(path), part)
    assert len(real.light_curve) > 100


def test_a_table_is_no_light_curve(tmp_path):
    with pytest.raises(InvalidQueryError, match="lc should be a TimeSeries, not QTable"):
        write(QTable({"a": [1]}), tmp_path / "a.fits")
    write_table(Table({"a": [1]}), tmp_path / "a.fits")
    with pytest.raises(InvalidQueryError, match="its column 'time' is missing"):
        read(tmp_path / "a.fits")
    write_table(Table({"time": [61000.0]}), tmp_path / "b.fits")
    with pytest.raises(InvalidQueryError, match="'time' is not a Time with a scale"):
        read(tmp_path / "b.fits")


def test_a_table_with_times_is_a_light_curve(tmp_path):
    table = QTable({"time": Time([61000.0], format="mjd", scale="utc"), "flux": [1.0]})
    table.write(tmp_path / "a.ecsv")
    assert type(read(tmp_path / "a.ecsv")) is LightCurve


@pytest.mark.parametrize("name", ["real_rows_issue58", "real_rows_from_skyportal_comment"])
def test_real_forced_photometry_comes_back(path, shared, name):
    lc = AtlasForced.read(shared / f"data/forcedphot/{name}.txt")
    assert len(lc) > 3
    for part in (lc, lc[:0], lc[:1]):
        write(part, path, overwrite=True)
        assert_same_table(read(path), part)

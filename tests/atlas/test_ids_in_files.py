"""A 19-digit id is the same integer after each file format, and in pandas."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table
from astropy.timeseries import TimeSeries

FORMATS = {
    "ecsv": {"format": "ascii.ecsv"},
    "fits": {"format": "fits"},
    "vot": {"format": "votable"},
    "parquet": {"format": "parquet"},
    "csv": {"format": "ascii.csv"},
}
EXACT = 1000005291314656201  # not a multiple of 128, which a float64 would make of it


@pytest.fixture
def found(box_atlas):
    centre = SkyCoord(150.0, 2.2, unit="deg")
    return box_atlas.query_region(centre, radius=300 * u.arcsec)


@pytest.mark.parametrize("suffix", FORMATS)
def test_table(found, tmp_path, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    found["atlas_id"][0] = EXACT
    path = tmp_path / f"found.{suffix}"
    found.write(path, **FORMATS[suffix])
    again = Table.read(path, **FORMATS[suffix])
    assert again["atlas_id"].dtype.kind == "i"
    assert again["atlas_id"].tolist() == found["atlas_id"].tolist()
    assert EXACT in again["atlas_id"].tolist()
    np.testing.assert_array_equal(again["separation"], found["separation"])
    if suffix != "csv":
        assert again["separation"].unit == u.arcsec


def test_pandas(found):
    pytest.importorskip("pandas")
    found["atlas_id"][0] = EXACT
    frame = found.to_pandas()
    assert frame["atlas_id"].dtype == np.int64
    assert frame["atlas_id"].tolist() == found["atlas_id"].tolist()


def test_light_curve(box_atlas, sandbox, tmp_path):
    object_id = int(sandbox.manifest["ids"]["main"][0])
    lc = box_atlas.get_light_curve(object_id)
    assert lc.meta["atlas_id"] == object_id
    lc.meta["atlas_id"] = EXACT
    lc.write(tmp_path / "lc.ecsv")
    again = TimeSeries.read(tmp_path / "lc.ecsv", format="ascii.ecsv")
    assert again.meta["atlas_id"] == EXACT
    assert again["atlas_id"].tolist() == lc["atlas_id"].tolist()
    np.testing.assert_array_equal(again["flux"].mask, lc["flux"].mask)
    good = ~lc["flux"].mask
    np.testing.assert_array_equal(again["flux"].unmasked[good], lc["flux"].unmasked[good])
    assert again["flux"].unit == u.uJy
    assert again.meta["coordinates"].ra == lc.meta["coordinates"].ra
    assert again.time.scale == "utc"
    np.testing.assert_array_equal(again.time.mjd, lc.time.mjd)
    frame = lc.to_pandas()
    assert frame["atlas_id"].tolist() == lc["atlas_id"].tolist()


def test_light_curve_in_parquet(box_atlas, sandbox, tmp_path):
    pytest.importorskip("pyarrow")
    lc = box_atlas.get_light_curve(int(sandbox.manifest["ids"]["main"][0]))
    QTable(lc).write(tmp_path / "lc.parquet")
    again = QTable.read(tmp_path / "lc.parquet")
    assert again["atlas_id"].tolist() == lc["atlas_id"].tolist()
    assert again.meta["atlas_id"] == lc.meta["atlas_id"]


def test_light_curve_in_fits(box_atlas, sandbox, tmp_path):
    lc = box_atlas.get_light_curve(int(sandbox.manifest["ids"]["main"][0]))
    table = QTable(lc)
    # FITS takes no empty header values; what it cannot hold is left out here, not lost silently.
    table.meta = {"atlas_id": lc.meta["atlas_id"]}
    table["time"] = lc.time.mjd
    table.remove_column("date_inserted")
    table.write(tmp_path / "lc.fits")
    again = QTable.read(tmp_path / "lc.fits")
    assert again["atlas_id"].tolist() == lc["atlas_id"].tolist()
    assert again.meta["ATLAS_ID"] == lc.meta["atlas_id"]

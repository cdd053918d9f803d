"""Light curves as they are printed, and what printing does not touch."""

import copy
import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable, hstack, join, vstack
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked

from atlasquery.tables import LightCurve, read_table, write_table


@pytest.fixture
def lc():
    lc = LightCurve(time=Time([61110.384185385981, 61112.1], format="mjd"))
    flux = [64.33984347171467, np.nan] * u.uJy
    lc["flux"] = Masked(flux, mask=[False, True])
    lc["flux_err"] = Masked([4.815733, 5.25] * u.uJy, mask=[False, False])
    lc["mag"] = Masked([19.378823456, np.nan] * u.mag, mask=[False, True])
    lc["ra"] = [150.01326465199406, 150.1] * u.deg
    lc["psf_angle"] = [12.3456789, 2.0] * u.deg
    lc["separation"] = [0.123456, 12.0] * u.arcsec
    lc["reduced_chi2"] = [1.0123456789, 0.5]
    lc["atlas_id"] = [1100003181021216990, 1]
    return lc


def printed(table):
    lines = table.pformat(max_lines=-1, max_width=-1, show_unit=False)
    return [line.split() for line in (lines[0], *lines[2:])]


def test_each_column_has_sensible_digits(lc):
    names, first, second = printed(lc)
    assert dict(zip(names, first, strict=True)) == {
        "time": "61110.384185",
        "flux": "64.34",
        "flux_err": "4.82",
        "mag": "19.379",
        "ra": "150.013265",
        "psf_angle": "12.35",
        "separation": "0.12",
        "reduced_chi2": "1.01235",
        "atlas_id": "1100003181021216990",
    }
    assert second[:5] == ["61112.100000", "———", "5.25", "———", "150.100000"]
    page = lc._repr_html_()
    assert "<td>61110.384185</td>" in page and "64.3398" not in page
    assert "61110.384185" in repr(lc) and "61110.384185" in repr(lc[0])


@pytest.mark.parametrize(
    "factor, flux", [(1.0, "64.34"), (100.0, "6434"), (1e-3, "0.06434"), (1e-9, "6.434e-08")]
)
def test_fluxes_have_the_decimals_of_their_errors(lc, factor, flux):
    for name in ("flux", "flux_err"):
        lc[name] = lc[name] * factor
    assert printed(lc)[1][1] == flux


def test_what_is_derived_prints_alike(lc):
    for table in (lc[:1], lc[lc["mag"].mask == [False]], lc["time", "flux", "ra"], lc.copy(),
                  copy.deepcopy(lc), pickle.loads(pickle.dumps(lc))):  # fmt: skip
        assert type(table) is LightCurve
        assert printed(table)[1][0] == "61110.384185"


def test_a_format_of_the_user_has_its_way(lc):
    lc["flux"].info.format = ".5f"
    assert printed(lc)[1][1] == "64.33984"


def test_printing_changes_nothing(lc):
    before = lc.copy()
    str(lc), repr(lc), lc._repr_html_()
    for name in lc.colnames:
        assert lc[name].info.format is None
        assert lc[name].info.parent_table is lc
    assert (
        lc["flux"][0] == before["flux"][0]
        and lc.loc[lc["time"][0]]["atlas_id"] == 1100003181021216990
    )


def test_files_of_astropy_have_every_digit(lc, tmp_path):
    lc["time", "flux_err", "ra"].write(tmp_path / "lc.csv", format="ascii.csv")
    line = (tmp_path / "lc.csv").read_text().splitlines()[1]
    assert line == "61110.38418538598,4.815733,150.01326465199406"


@pytest.mark.parametrize("extension", ["ecsv", "fits", "vot", "parquet", "csv"])
def test_files_come_back_as_what_was_written(lc, tmp_path, extension):
    if extension == "parquet":
        pytest.importorskip("pyarrow")
    series = TimeSeries(lc)
    for table, name in ((lc, "lc"), (series, "series")):
        again = read_table(write_table(table, tmp_path / f"{name}.{extension}"))
        assert type(again) is type(table)
        assert again["ra"][0] == lc["ra"][0]


def test_it_is_joined_with_tables_of_others(lc):
    other = QTable({"atlas_id": [1], "z": [0.1]})
    assert len(join(lc, other, keys="atlas_id")) == 1
    assert len(vstack([lc, TimeSeries(lc)])) == 4
    assert len(hstack([lc, QTable({"z": [0.1, 0.2]})])) == 2


def test_an_empty_one_and_unknown_errors_are_printed(lc):
    assert "flux" in str(lc[:0])
    lc["flux_err"] = Masked([np.nan, np.nan] * u.uJy, mask=[True, True])
    assert "64.339" in str(lc)

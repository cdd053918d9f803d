"""Result files: the real rows by hand, other years, damage, and what a light curve makes of it."""

import astropy.units as u
import numpy as np
import pytest
from astropy.timeseries import TimeSeries

from atlasquery import AtlasForced
from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    NoResultsWarning,
    TableParseError,
)
from atlasquery.forcedphot.columns import RESULT, TASK
from atlasquery.forcedphot.photometry import signed_flux
from atlasquery.forcedphot.result_file import parse_result
from atlasquery.lightcurve import SCHEMA

HEADER = (
    "###MJD          m      dm   uJy   duJy F err chi/N     RA       Dec        x        y     maj"
    "  min   phi  apfit mag5sig Sky   Obs"
)
ROW = (
    "58039.315992 -20.110  0.819   -33   27 o  0   1.06 314.46455 -41.64411  9405.32  7014.74 3.91"
    " 3.13 -84.1 -0.399 18.68 19.87 01a58039o0187o"
)
# What the real rows mean, worked out with a pocket calculator: 10^((23.9 - |m|) / 2.5) with the
# sign of m; and 1.0857 duJy / |flux|. (row, flux in uJy, duJy, magnitude, its error).
BY_HAND = {
    "real_rows_from_skyportal_comment.txt": [
        (0, 1228.00, 15, 16.177, 0.01326),
        (1, 1139.72, 20, 16.258, 0.01905),
        (2, 845.67, 18, 16.582, 0.02311),
        (3, 954.11, 18, 16.451, 0.02048),
        (4, 468.60, 23, 17.223, 0.05329),
    ],
    "real_rows_issue58.txt": [
        (0, -0.326, 24, None, None),
        (1, 30.45, 29, None, None),
        (2, 1.770, 28, None, None),
        (3, -32.81, 27, None, None),
        (4, 3.522, 22, None, None),
        (5, -2.716, 24, None, None),
        (6, 23.75, 30, None, None),
        (7, 254.45, 27, 17.886, 0.11521),
    ],
}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_real_rows_by_hand(shared, name):
    lc = AtlasForced.read(shared / "data" / "forcedphot" / name)
    assert isinstance(lc, TimeSeries)
    assert len(lc) == len(BY_HAND[name])
    assert (lc["flux"].unit, lc["flux_err"].unit, lc["mag"].unit) == (u.uJy, u.uJy, u.mag)
    for n, flux, err, mag, mag_err in BY_HAND[name]:
        assert np.isclose(lc["flux"][n].value, flux, rtol=2e-4)
        assert np.sign(lc["flux"][n].value) == np.sign(flux) == np.sign(lc["reported_mag"][n].value)
        assert lc["flux_err"][n].value == err
        # What was printed is within half of its last digit, and "-0" is a negative flux.
        assert abs(lc["flux"][n].value - lc["reported_flux"][n].value) <= 0.5
        assert bool(lc["mag"].mask[n]) is (mag is None)
        assert bool(lc["detection"][n]) is (mag is not None)
        if mag is not None:
            assert np.isclose(lc["mag"][n].value, mag, atol=5e-4)
            assert np.isclose(lc["mag_err"][n].value, mag_err, rtol=1e-3)
            # As sent it lacks the factor 2.5 / ln 10.
            assert np.isclose(
                lc["mag_err"][n].value / lc["reported_mag_err"][n].value, 1.0857, rtol=0.05
            )


def test_the_columns_of_a_light_curve(shared):
    lc = AtlasForced.read(shared / "data" / "forcedphot" / "real_rows_issue58.txt")
    own = [c.name for c in RESULT if c.name not in
           ("time", "band", "flux_err", "limiting_mag", "exposure")]  # fmt: skip
    assert lc.colnames == ["time", *(c.name for c in SCHEMA), *own]
    assert lc.time.scale == "utc" and lc.time.mjd[0] == 58039.300799
    assert lc["band"].tolist() == ["o"] * 8
    assert lc["exposure"][0] == "01a58039o0154o"
    assert lc["limiting_mag"][0] == 18.80 * u.mag
    assert (lc["exposure_time"] == 30 * u.s).all()
    assert lc["x"].unit == u.pix and lc["psf_angle"].unit == u.deg
    assert lc["sky_brightness"].unit == u.mag / u.arcsec**2
    assert lc["error_code"].dtype == np.int64
    assert lc.meta["time_reference"] == "start"
    # The file does not say whether it is of difference images.
    assert lc.meta["flux_kind"] == "unknown"
    assert lc.meta["magsys"] == "AB" and lc.meta["history"] == []
    # NaN lies under each mask.
    assert np.isnan(lc["mag"].unmasked.value[lc["mag"].mask]).all()


@pytest.mark.parametrize("name", ["mpc_moving_synthetic.txt", "reduced_pm_synthetic.txt"])
def test_the_recorded_files(shared, name):
    path = shared / "samples" / "forcedphot" / "results" / name
    lc = AtlasForced.read(str(path))
    assert len(lc) == path.read_text().count("\n") - 1
    assert np.abs(lc["flux"] - lc["reported_flux"]).max() <= 0.5 * u.uJy
    assert (np.diff(lc.time.mjd) >= 0).all()


def test_a_file_without_rows(shared):
    path = shared / "samples" / "forcedphot" / "results" / "nodata_header_only.txt"
    with pytest.warns(NoResultsWarning, match=r"nodata_header_only.txt has no rows"):
        lc = AtlasForced.read(path)
    full = AtlasForced.read(f"{HEADER}\n{ROW}\n")
    assert len(lc) == 0
    assert lc.colnames == full.colnames
    for name in lc.colnames[1:]:
        assert getattr(lc[name], "unit", None) == getattr(full[name], "unit", None)
        assert lc[name].dtype.kind == full[name].dtype.kind
        assert type(lc[name]) is type(full[name])


def test_a_ragged_file_names_its_line(shared):
    path = shared / "samples" / "forcedphot" / "results" / "ragged.txt"
    with pytest.raises(
        TableParseError,
        match=r"line 2 of .*ragged.txt has 25 values where its header has 19: 01a oops",
    ):
        AtlasForced.read(path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1 2 3", "line 3 of the text has 3 values where its header has 19: 1 2 3"),
        (f"{ROW} 7", "line 3 of the text has 20 values"),
        (ROW.replace("-33", "none"), "line 3 of the text has uJy=none, which is not a number"),
        (ROW.replace("58039.315992", "x"), "line 3 of the text has MJD=x, which is not a number"),
        (ROW.rpartition(" ")[0], "line 3 of the text has 18 values"),
    ],
)
def test_a_bad_line_is_named(line, words):
    with pytest.raises(TableParseError) as caught:
        AtlasForced.read(f"{HEADER}\n{ROW}\n{line}\n{ROW}\n")
    assert words in str(caught.value)
    assert line[:100] in str(caught.value)
    assert caught.value.reason == line


def test_two_bad_lines_that_make_up_for_each_other():
    values = ROW.split()
    with pytest.raises(TableParseError, match="line 2 of the text has 18 values"):
        AtlasForced.read(f"{HEADER}\n{' '.join(values[:-1])}\n{ROW} {values[-1]}\n")


@pytest.mark.parametrize(
    "text", ["", "\n\n", "MJD m dm\n1 2 3\n", "<html>no</html>\n", "# comment\n"]
)
def test_no_header(text):
    with pytest.raises(TableParseError, match="does not begin with a header"):
        parse_result(text)
    with pytest.raises(TableParseError, match="a column twice"):
        parse_result("###MJD m m\n1 2 3\n")


def test_what_is_no_file(tmp_path):
    with pytest.raises(InvalidQueryError, match="cannot be read"):
        AtlasForced.read(tmp_path / "none.txt")
    with pytest.raises(InvalidQueryError, match="should be the path"):
        AtlasForced.read(42)


# Other years.


def columns(**values):
    names, cells = zip(*values.items(), strict=True)
    return f"###{' '.join(names)}\n{' '.join(cells)}\n"


def test_columns_that_are_missing_are_masked():
    lc = AtlasForced.read("###MJD uJy duJy F\n59000.5 300 20 o\n")
    assert lc["flux"][0] == 300 * u.uJy
    assert lc["detection"][0]
    assert lc["limiting_mag"].mask.all() and lc["error_code"].mask.all()
    assert lc["exposure"].tolist() == [""]
    assert np.isnan(lc["sky_brightness"].unmasked.value[0])


def test_columns_that_are_added_are_kept():
    text = "###Dec MJD m uJy PA_DEG duJy F note ZP\n-41.6 59000.5 -20.110 -33 12.5 27 o good 29.1\n"
    lc = AtlasForced.read(text)
    assert lc["PA_DEG"][0] == 12.5 and lc["ZP"][0] == 29.1 and lc["note"][0] == "good"
    assert lc["dec"][0] == -41.6 * u.deg
    assert "not known to this version" in lc["PA_DEG"].info.description
    assert np.isclose(lc["flux"][0].value, -32.81, atol=0.01)


def test_an_added_column_with_a_text_further_down():
    lc = AtlasForced.read("###MJD uJy flag\n59000 1 7\n59001 2 seven\n")
    assert lc["flag"].tolist() == ["7", "seven"]


def test_an_added_column_with_the_name_of_ours():
    lc = AtlasForced.read("###MJD uJy flux\n59000 1 7\n")
    assert lc["flux"][0] == 1 * u.uJy
    assert lc["flux_wire"][0] == 7


def test_unknown_filters_and_long_names():
    name = "01a59882o0512o_with_a_name_that_is_longer_than_any"
    lc = AtlasForced.read(f"###MJD uJy F Obs\n59001 1 w {name}\n59000 1 Sloan_r x\n59002 1 t x\n")
    assert lc["band"].tolist() == ["Sloan_r", "w", "t"]
    assert lc["exposure"].tolist() == ["x", name, "x"]


def test_line_ends_spaces_and_blank_lines():
    plain = AtlasForced.read(f"{HEADER}\n{ROW}\n{ROW}")
    odd = AtlasForced.read(f"\n{HEADER}  \r\n\r\n  {ROW}\r\n   \r\n\t{ROW}  \r\n\r\n".encode())
    assert (plain["flux"] == odd["flux"]).all() and len(odd) == 2


# What the numbers mean.


@pytest.mark.parametrize(
    ("mag", "printed", "flux"),
    [
        ("-25.117", "-0", -0.3260),
        ("20.191", "30", 30.451),
        # Above 1086 uJy the whole number says more than three decimals of a magnitude.
        ("15.419", "2467", 2467.5),
        # No magnitude, or none that means anything.
        ("nan", "17", 17.0),
        ("0.000", "0", 0.0),
        ("inf", "0", 0.0),
        # Decimals need no help.
        ("20.191", "30.4512", 30.4512),
    ],
)
def test_the_flux_that_was_rounded(mag, printed, flux):
    lc = AtlasForced.read(f"###MJD m uJy\n59000 {mag} {printed}\n")
    assert np.isclose(lc["flux"][0].value, flux, atol=0.01)


def test_a_file_that_contradicts_itself():
    with pytest.warns(
        InputWarning, match=r"in 2 rows, the first of which has m=18 and uJy=30"
    ) as caught:
        lc = AtlasForced.read("###MJD m uJy\n59000 20.191 30\n59001 18 30\n59002 20.191 -30\n")
    assert np.allclose(lc["flux"].value, [30.45, 30, -30], atol=0.01)
    assert [one.filename for one in caught] == [__file__]


def test_any_flux_comes_back_within_the_digits():
    rng = np.random.default_rng(5)
    true = np.concatenate([rng.normal(0, 3, 500), rng.normal(0, 300, 500), rng.normal(0, 2e4, 500)])
    mag = np.round(np.sign(true) * (23.9 - 2.5 * np.log10(np.abs(true))), 3)
    back = signed_flux(mag, np.round(true))
    assert (np.sign(back) == np.sign(true)).all()
    assert (np.abs(back - true) <= np.minimum(0.5, 0.00047 * np.abs(true)) * 2 + 1e-9).all()


def test_what_is_no_measurement():
    lc = AtlasForced.read(
        "###MJD m uJy duJy err mag5sig F\n"
        "59000 17.5 363 20 0 18.5 o\n"  # a detection
        "59001 17.5 363 20 1 18.5 o\n"  # the fit failed
        "59002 17.5 363 20 0 5.5 o\n"  # the solution of the image failed
        "59003 17.5 363 0 0 18.5 o\n"  # no error
        "59004 -17.5 -363 20 0 18.5 o\n"  # fainter than the reference
        "59005 20.2 30 20 0 18.5 o\n"
    )
    assert lc["detection"].tolist() == [True, False, False, False, True, False]
    assert lc["mag"].mask.tolist() == [False, True, True, True, True, True]
    assert lc["limiting_mag"].mask.tolist() == [False, False, True, False, False, False]
    assert lc["flux_err"].mask.tolist() == [False, False, True, True, False, False]
    assert lc["flux"].mask.tolist() == [False, False, True, False, False, False]
    assert not lc["reported_flux"].mask.any()


def test_the_declaration_is_what_was_recorded(shared):
    import json

    folder = shared / "samples" / "forcedphot"
    task = json.loads((folder / "66_task_finished.json").read_text())["body"]
    assert set(TASK.by_wire) == set(task) - {"finished_at"}
    assert len(TASK) == 37
    declared = json.loads((folder / "columns.json").read_text())
    assert [c.wire for c in RESULT] == declared["header_real"][3:].split()
    units = {c["name"]: c.get("unit") for c in declared["columns"]}
    for column in RESULT:
        said = units[column.wire]
        if said in ("d", "uJy", "deg", "pix", "mag/arcsec2"):
            assert column.unit == u.Unit(said.replace("arcsec2", "arcsec**2"))

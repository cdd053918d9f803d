"""Tables of other programs: ZTF's forced photometry, ALeRCE's CSV, data frames."""

import csv

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from example_curves import light_curve

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.lightcurve import (
    SCHEMA,
    Flag,
    bin,
    clean,
    from_pandas,
    read,
    read_ztf_forced,
    summary,
    to_pandas,
    write,
)

ZTF = ["anna_ipac_forced_phot.txt", "lcc_forcedphotometry_req00010458_lc.txt"]


def by_hand(path):
    """Read the table with nothing but the standard library."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    names = [name.strip() for name in lines[0].split(",")]
    rows = [dict(zip(names, line.split(), strict=True)) for line in lines[1:]]
    return sorted(rows, key=lambda row: float(row["jd"])), names


@pytest.mark.parametrize("name", ZTF)
def test_genuine_tables_of_ztf(shared, name):
    path = shared / "data" / "files" / name
    lc = read_ztf_forced(path)
    rows, names = by_hand(path)
    assert len(lc) == len(rows) > 40
    assert lc.colnames[: 1 + len(SCHEMA)] == ["time", *(column.name for column in SCHEMA)]
    assert lc.meta["coordinates"].ra.deg == pytest.approx(float(
        next(line for line in path.read_text().splitlines() if "input R.A." in line).split()[5]
    ))  # fmt: skip
    for at, row in enumerate(rows):
        assert lc.time.utc.jd[at] == pytest.approx(float(row["jd"]), abs=1e-9, rel=0)
        assert lc["band"][at] == row["filter"][-1] and lc["exposure"][at] == row["pid"]
        missing = "null" in (row["forcediffimflux"], row["forcediffimfluxunc"])
        assert bool(lc["flux"].mask[at]) is missing
        for column in names:
            if column in ("index", "filter"):
                continue
            value = lc[column][at]
            text = row[column]
            if column == "procstatus":
                assert value == text
            elif text == "null" or float(text) == -99999:
                assert np.ma.is_masked(value) or value.mask
            else:
                assert float(getattr(value, "value", value)) == float(text), column
        if missing:
            continue
        # Microjansky: a magnitude of the zero point is one count.
        scale = 10 ** (0.4 * (23.9 - float(row["zpdiff"])))
        flux, error = (float(row[f"forcediffimflux{end}"]) * scale for end in ("", "unc"))
        assert float(lc["flux"][at].unmasked.value) == pytest.approx(flux, rel=1e-12)
        assert float(lc["flux_err"][at].unmasked.value) == pytest.approx(error, rel=1e-12)
        assert bool(lc["detection"][at]) is (abs(flux) >= 5 * error)
    assert (read(path)["flux"].filled(0) == lc["flux"].filled(0)).all()


@pytest.mark.parametrize("name", ZTF)
def test_the_rules_of_ztf(shared, name):
    path = shared / "data" / "files" / name
    flag = np.asarray(clean(read(path), "ztf_forced")["flag"])
    for at, row in enumerate(by_hand(path)[0]):
        expected = 0
        if int(row["infobitssci"]) >= 2**25:
            expected |= Flag.ERROR_CODE
        if float(row["scisigpix"]) > 25:
            expected |= Flag.SKY
        if float(row["sciinpseeing"]) > 4:
            expected |= Flag.PSF
        if row["forcediffimflux"] == "null":
            expected |= Flag.FAILED
        assert flag[at] == int(expected)
    assert np.any(flag)


TABLE = (
    " index, filter, pid, zpdiff, jd, forcediffimflux, forcediffimfluxunc, diffmaglim, new\n"
    " 0 ZTF_g 1496369082915 26.4 2459250.8690856 1000.0 5.0 20.5 a\n"
    " 1 ZTF_i 1496369082916 26.4 2459250.8790856 null null 20.5 b\n"
    " 2 ZTF_r 1496369082917 26.4 2459250.8890856 -100.0 -99999 20.5 null\n"
)


def test_what_is_missing_in_a_table_of_ztf():
    lc = read_ztf_forced(TABLE.encode())
    assert lc["band"].tolist() == ["g", "i", "r"]
    assert lc["flux"].mask.tolist() == lc["limiting_mag"].mask.tolist() == [False, True, True]
    assert lc["new"].tolist() == ["a", "b", None]
    assert np.isclose(lc["flux"][0].value, 100) and lc["mag"][0] == 18.9 * u.mag
    assert bin(lc)["n"].sum() == 1
    empty = read_ztf_forced(TABLE.splitlines()[0].encode())
    assert len(empty) == 0 and empty["flux"].unit == u.uJy


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "names no columns"),
        (b"a, b\n1 2\n", "its line of names has no column jd"),
        (TABLE.replace(" 20.5 b", "").encode(), "line 3 of the table has 7 values"),
        (TABLE.replace("1000.0", "x").encode(), "a forcediffimflux that is not a number"),
        (TABLE.replace("1496369082915", "1" * 30).encode(), "a pid that is not whole"),
        (TABLE.replace("2459250.8690856", "null").encode(), "a row without jd"),
    ],
)
def test_what_is_no_table_of_ztf(body, words):
    with pytest.raises(TableParseError, match=words):
        read_ztf_forced(body)


def test_texts_that_are_no_light_curves(tmp_path):
    path = tmp_path / "lc.txt"
    path.write_text("###MJD m dm uJy\n59000 19 0.1 91\n")
    with pytest.raises(InvalidQueryError, match=r"AtlasForced.read reads"):
        read(path)
    with pytest.raises(InvalidQueryError, match="cannot be read"):
        read_ztf_forced(tmp_path / "none.txt")


def test_detections_of_alerce(shared):
    path = shared / "data" / "files" / "lcc_detections.csv"
    lc = read(path)
    with path.open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: float(row["mjd"]))
    assert len(lc) == len(rows) == 135
    for at, row in enumerate(rows):
        sign, mag = float(row["isdiffpos"]), float(row["magpsf"])
        flux = sign * 10 ** (0.4 * (23.9 - mag))
        assert lc.time.mjd[at] == pytest.approx(float(row["mjd"]), abs=1e-11, rel=0)
        assert float(lc["flux"][at].unmasked.value) == pytest.approx(flux, rel=1e-12)
        error = abs(flux) * float(row["sigmapsf"]) * np.log(10) / 2.5
        assert float(lc["flux_err"][at].unmasked.value) == pytest.approx(error, rel=1e-12)
        assert lc["band"][at] == {"1": "g", "2": "r", "3": "i"}[row["fid"]]
        assert float(lc["limiting_mag"][at].unmasked.value) == float(row["diffmaglim"])
        assert str(lc["candid"][at]) == row["candid"] and lc["exposure"][at] == row["pid"]
        assert lc["mag"].mask[at] == (sign < 0)
        for name in ("distnr", "ra", "dec", "rb", "magap", "sigmagap", "magpsf_corr"):
            if row[name]:
                assert float(lc[name][at]) == float(row[name])
    assert lc.meta["survey"] == "ztf" and lc.meta["time_reference"] == "start"
    assert lc.meta["flux_kind"] == "difference"
    assert summary(lc)["n_detections"][0] > 0
    frame = pd.read_csv(path)
    assert (from_pandas(frame)["flux"] == lc["flux"]).all()


# Data frames.


def test_there_and_back():
    survey_columns = {"objid": np.arange(6) + 2**60, "x": np.full(6, 7.0)}
    flux = [100.0, np.nan, -40, 50, 9, 60]
    lc = light_curve(
        59000 + np.arange(6) / 4, flux, 5.0, survey_columns=survey_columns, scale="tdb"
    )
    lc["objid"] = np.ma.masked_array(np.arange(6) + 2**60, mask=[0, 1, 0, 0, 0, 0])
    again = from_pandas(to_pandas(lc))
    assert again.time.scale == "tdb" and (again.time == lc.time).all()
    for name in lc.colnames[1:]:
        one, two = lc[name], again[name]
        assert getattr(one, "unit", None) == getattr(two, "unit", None), name
        mask = np.asarray(getattr(one, "mask", np.zeros(6, bool)))
        assert (np.asarray(getattr(two, "mask", np.zeros(6, bool))) == mask).all(), name
        assert (np.asarray(one)[~mask] == np.asarray(two)[~mask]).all(), name
    assert again.meta["object"] == "ATLAS26abc"


def test_frames_of_users():
    frame = pd.DataFrame({"mjd": [59001.0, 59000.0], "band": ["o", "c"], "mag": [18.9, np.nan],
                          "mag_err": [0.1, np.nan], "limiting_mag": [19.0, 19.5]})  # fmt: skip
    lc = from_pandas(frame, meta={"object": "mine"})
    assert lc["band"].tolist() == ["c", "o"] and lc["flux"].mask.tolist() == [True, False]
    assert np.isclose(lc["flux"][1].value, 100) and lc.meta["object"] == "mine"
    frame = pd.DataFrame({"mjd": [59000.0], "band": ["o"], "flux": [0.1], "flux_err": [0.01]})
    frame.attrs["units"] = {"flux": "mJy", "flux_err": "mJy"}
    assert np.isclose(from_pandas(frame)["flux"][0].value, 100)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"a": [1]}, "frame is not a light curve; a light curve has the columns mjd, band"),
        ({"mjd": [2459000.5], "band": ["o"], "flux": [1], "flux_err": [1]}, "it is MJD 59000$"),
        ({"mjd": [np.nan], "band": ["o"], "flux": [1], "flux_err": [1]}, "rows without mjd"),
        (
            {"mjd": [59000], "band": ["o"], "flux": ["x"], "flux_err": [1]},
            "holds strings, such as x",
        ),
    ],
)
def test_frames_that_are_no_light_curves(columns, words):
    with pytest.raises(InvalidQueryError, match=words):
        from_pandas(pd.DataFrame(columns))
    with pytest.raises(InvalidQueryError, match=r"should be a pandas.DataFrame"):
        from_pandas([1])


def test_csv_of_users(tmp_path):
    path = tmp_path / "lc.csv"
    path.write_text(
        "mjd,band,flux,flux_err,id\n59000.5,o,100,5,1000005291314656200\n59001,o,,,NaN\n"
    )
    lc = read(path)
    assert lc["flux"].mask.tolist() == [False, True] and lc["id"][0] == 1000005291314656200
    again = read(write(lc, tmp_path / "lc.fits"))
    assert (again["id"] == lc["id"])[0] and again["id"].mask.tolist() == [False, True]


def test_a_frame_of_ours_with_columns_of_alerce_comes_back_as_it_was():
    lc = light_curve(59000 + np.arange(4.0), [50.0, -40.0, np.nan, 90.0], band="g")
    lc["fid"], lc["magpsf"], lc["sigmapsf"] = [1] * 4, [19.0] * 4, [0.1] * 4
    lc["isdiffpos"] = [1, -1, 1, 1]
    back = from_pandas(to_pandas(lc))
    for name in ("flux", "limiting_mag", "detection"):
        assert np.ma.getmaskarray(np.ma.asarray(getattr(back[name], "mask", False))).tolist() == (
            np.ma.getmaskarray(np.ma.asarray(getattr(lc[name], "mask", False))).tolist()
        )
    assert back["detection"].tolist() == lc["detection"].tolist()
    assert np.array_equal(back["flux"].mask, lc["flux"].mask)


@pytest.mark.parametrize("negative", [-1, "-1", "f", "False", False, "0"])
def test_the_sign_of_a_difference_is_kept(negative):
    positive = {"-1": "1", "f": "t", "False": "True", "0": "1"}.get(negative, type(negative)(1))
    frame = pd.DataFrame({"mjd": [59000.1, 59001.1], "band": ["g", "g"], "mag": [18.0, 18.0],
                          "mag_err": [0.1, 0.1], "isdiffpos": [positive, negative]})  # fmt: skip
    flux = from_pandas(frame)["flux"].to_value(u.uJy).unmasked
    assert flux[0] == pytest.approx(10 ** ((23.9 - 18) / 2.5))
    assert flux[1] == pytest.approx(-flux[0])


def test_exposures_of_digits_keep_them():
    frame = pd.DataFrame({"mjd": [59000.1, 59001.1], "band": ["g", "g"], "flux": [1.0, 2.0],
                          "flux_err": [0.1, 0.1], "exposure": ["007", "008"]})  # fmt: skip
    assert from_pandas(frame)["exposure"].tolist() == ["007", "008"]


def test_missing_texts_are_missing_in_pandas():
    lc = light_curve(59000 + np.arange(3.0), 50.0)
    lc["note"] = np.ma.array(["a", "b", "c"], mask=[False, True, False])
    assert to_pandas(lc)["note"].isna().tolist() == [False, True, False]


def test_the_csv_of_a_data_frame_is_read(tmp_path):
    lc = light_curve(59000 + np.arange(4.0), [50.0, -40.0, 3.0, 90.0], band="g")
    for index in (True, False):
        to_pandas(lc).to_csv(tmp_path / "lc.csv", index=index)
        back = read(tmp_path / "lc.csv")
        assert back["flux"].value.tolist() == lc["flux"].value.tolist()
        assert back["detection"].tolist() == lc["detection"].tolist()


@pytest.mark.parametrize("magsys", ["Vega", "unknown"])
def test_magnitudes_of_another_system_stay(magsys):
    frame = pd.DataFrame({"mjd": 59000.5 + np.arange(4), "band": "V"})
    frame["mag"], frame["mag_err"] = [15.1, 16.0, np.nan, 17.0], [0.02, np.nan, np.nan, 0.4]
    frame.attrs["magsys"] = magsys
    lc = from_pandas(frame)
    assert lc.meta["magsys"] == magsys and lc["flux"].mask.all()
    assert lc["mag"].filled(np.nan).value.tolist()[:2] == [15.1, 16.0]
    assert lc["mag"].mask.tolist() == [False, False, True, False]
    assert lc["mag_err"].filled(0).value.tolist() == [0.02, 0, 0, 0.4]
    # What is known to be below 5 sigma is no detection.
    assert lc["detection"].tolist() == [True, True, False, False]
    again = from_pandas(to_pandas(lc))
    assert (again["mag"] == lc["mag"]).filled(True).all()
    assert again["mag"].mask.tolist() == lc["mag"].mask.tolist()
    assert again["detection"].tolist() == lc["detection"].tolist()


def test_the_error_of_a_magnitude_of_a_flux():
    frame = pd.DataFrame({"mjd": [59000.5], "band": ["o"], "flux": [100.0], "flux_err": [5.0]})
    lc = from_pandas(frame)
    assert lc["mag_err"][0].unmasked.value == pytest.approx(0.05 * 2.5 / np.log(10))

"""Copies of result files as users keep them: other separators, marks, line ends, and damage."""

import csv
import gzip
import io

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord

from atlasquery import AtlasForced
from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    NoResultsWarning,
    TableParseError,
)
from atlasquery.forcedphot import conf

HEADER = "###MJD m dm uJy duJy F err chi/N RA Dec x y maj min phi apfit mag5sig Sky Obs"
NAMES = HEADER.lstrip("#").split()
LINES = """\
59001.250100 18.904 0.101 100 10 o 0 1.05 150.10000 -2.20000 4000.00 5000.00 2.50 2.30 10.0 \
-0.400 19.50 20.50 02a59001o0101o
59002.260200 -19.656 0.200 -50 10 c 0 0.95 150.10000 -2.20000 4001.00 5001.00 2.60 2.40 -9.0 \
-0.410 19.60 21.50 01a59002o0102c
59003.270300 18.000 0.020 229 12 o 0 1.00 150.10000 -2.20000 4002.00 5002.00 2.61 2.42 -8.0 \
-0.420 19.70 21.60 03a59003o0103o"""
ROWS = [line.split() for line in LINES.splitlines()]
SENT = "\n".join([HEADER, *map(" ".join, ROWS)]) + "\n"


def joined(separator, *, mark="###", rows=ROWS, quote=False, decimal="."):
    lines = [[mark + NAMES[0], *NAMES[1:]], *rows]
    if quote:
        lines = [[f'"{value}"' for value in line] for line in lines]
    body = "\n".join(separator.join(line) for line in lines) + "\n"
    return body if decimal == "." else body.replace(".", decimal)


def frame(separator=",", **keywords):
    table = pd.read_csv(io.StringIO(SENT), sep=r"\s+")
    text = io.StringIO()
    table.to_csv(text, sep=separator, **keywords)
    return text.getvalue()


COPIES = {
    "csv": joined(","),
    "semicolons": joined(";"),
    "semicolons and decimal commas": joined(";", decimal=","),
    "decimal commas": joined(" ", decimal=","),
    "tabs": joined("\t"),
    "pandas": frame(index=False),
    "pandas with its index": frame(),
    "pandas with semicolons": frame(";", index=False, decimal=","),
    "quoted csv": joined(",", quote=True),
    "quoted csv with decimal commas": joined(",", quote=True, decimal=","),
    "quoted text": joined(" ", quote=True),
    "no mark": joined(" ", mark=""),
    "csv without a mark": joined(",", mark=""),
    "lower case": SENT.replace("MJD", "mjd").replace("RA Dec", "ra dec").replace("Obs", "obs"),
    "one mark": joined(" ", mark="# "),
    "a separator at the end": SENT.replace(" ", ",").replace("\n", ",\n"),
    "empty columns": SENT.replace(" ", ";").replace("\n", ";;;\n"),
    "blanks after commas": joined(", "),
    "a mark of utf-8": "\ufeff" + SENT,
    "utf-8": ("\ufeff" + SENT).encode(),
    "utf-16": SENT.encode("utf-16"),
    "utf-16 without a mark": SENT.encode("utf-16-le"),
    "utf-16 the other way": SENT.encode("utf-16-be"),
    "gzip": gzip.compress(SENT.encode()),
    "gzip of a csv": gzip.compress(joined(",").encode()),
    "line ends of Windows": SENT.replace("\n", "\r\n"),
    "line ends of old": SENT.replace("\n", "\r"),
    "no line end": SENT.rstrip("\n"),
    "blanks of web pages": SENT.replace(" ", "\xa0"),
    "remarks": "# SN 2026x\n" + SENT.replace("\n59002", "\n# 59002 was cloudy\n59002"),
    "a remark in utf-8": "# \u03b1 Ori\n" + SENT,
    "concatenated": f"{HEADER}\n{' '.join(ROWS[0])}\n{HEADER}\n"
    + "\n".join(map(" ".join, ROWS[1:])) + "\n",
    "concatenated csv": joined(",", rows=ROWS[:1]) + joined(",", rows=ROWS[1:]),
    "two separators": joined(" ", rows=ROWS[:2]) + joined(",", rows=ROWS[2:]),
}  # fmt: skip


@pytest.mark.parametrize("body", COPIES.values(), ids=COPIES)
def test_a_copy_is_the_same_light_curve(body, tmp_path):
    sent = AtlasForced.read(SENT)
    copy = AtlasForced.read(body)
    path = tmp_path / "copy.txt"
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    for lc in (copy, AtlasForced.read(path)):
        assert lc.colnames == sent.colnames
        assert (lc.time == sent.time).all()
        for name in lc.colnames[1:]:
            assert (lc[name] == sent[name]).all(), name
            assert type(lc[name]) is type(sent[name])
            assert lc[name].dtype.kind == sent[name].dtype.kind


def test_the_variants_of_the_shared_folder(shared):
    """Each is read with the values that the standard library finds in it, or refused."""
    refused = {"empty.txt", "html.txt", "limit_sign.txt", "truncated.txt", "truncated_in_obs.txt"}
    warned = {"header_only.txt", "csv_hash_empty.csv", "star_overflow.txt"}
    folder = shared / "data" / "files" / "variants"
    plain = AtlasForced.read(folder / "plain.txt")
    paths = sorted(folder.iterdir())
    assert len(paths) > 30
    for path in paths:
        if path.name in refused:
            with pytest.raises(TableParseError, match=r"header such as|line [23] of"):
                AtlasForced.read(path)
            continue
        if path.name in warned:
            with pytest.warns((InputWarning, NoResultsWarning)):
                lc = AtlasForced.read(path)
        else:
            lc = AtlasForced.read(path)
        n = len(lc)
        if path.name.startswith("csv_copy"):
            # Its times have fewer digits.
            assert np.allclose(lc.time.mjd, plain.time.mjd, atol=1e-4, rtol=0)
            continue
        assert (lc.time == plain.time[:n]).all(), path.name
        away = np.abs(lc["flux"] - plain["flux"][:n]).value
        assert (np.asarray(away) < 0.7).all(), path.name


def test_columns_of_another_order_in_a_second_file():
    text = "###MJD uJy duJy F Obs\n59001 10 1 o a\n###MJD F duJy uJy Sky\n59002 c 2 20 19.5\n"
    lc = AtlasForced.read(text)
    assert lc["flux"].value.tolist() == [10, 20] and lc["flux_err"].value.tolist() == [1, 2]
    assert lc["band"].tolist() == ["o", "c"] and lc["exposure"].tolist() == ["a", ""]
    assert lc["sky_brightness"].mask.tolist() == [True, False]


def test_what_stands_for_nothing():
    text = "MJD,m,dm,uJy,duJy,F,err,mag5sig,note\n"
    text += "59001,,NaN,5,None,o,0,--,\n59002,<NA>,null,6,2,c,,NA,x\n"
    lc = AtlasForced.read(text)
    assert lc["flux"].value.tolist() == [5, 6]
    assert lc["reported_mag"].mask.all() and lc["reported_mag_err"].mask.all()
    assert lc["flux_err"].mask.tolist() == [True, False]
    assert lc["error_code"].mask.tolist() == [False, True]
    assert lc["limiting_mag"].mask.all()
    assert lc["note"].tolist() == [None, "x"]


def test_a_number_that_had_no_room():
    with pytest.warns(InputWarning, match=r"has 2 numbers that were too long .* masked"):
        lc = AtlasForced.read(SENT.replace("0.101", "*****").replace(" 12 ", " **** "))
    assert lc["reported_mag_err"].mask.tolist() == [True, False, False]
    assert lc["flux_err"].mask.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (" ".join(ROWS[1][:-2]), "has 17 values where its header has 19"),
        (" ".join(ROWS[1]).replace("-19.656", ">19.6"), "has m=>19.6, which is not a number"),
        (" ".join(ROWS[1]).replace("59002.26", "2459002.76"), "which is not an MJD"),
        (" ".join(ROWS[1]).replace("59002.260200", "nan"), "has no MJD"),
        ("Traceback (most recent call last):", "has 5 values"),
    ],
)
def test_a_broken_line_costs_that_line(line, words):
    text = "\n".join([HEADER, " ".join(ROWS[0]), line, " ".join(ROWS[2])]) + "\n"
    with pytest.raises(TableParseError) as caught:
        AtlasForced.read(text)
    assert "line 3 of the text" in str(caught.value) and words in str(caught.value)
    assert "on_error='warn' omits it and reads the other 2" in str(caught.value)
    with pytest.warns(InputWarning, match="1 broken lines are omitted: line 3 ") as warned:
        lc = AtlasForced.read(text, on_error="warn")
    assert words in str(warned[0].message) and line[:40] in str(warned[0].message)
    assert lc["exposure"].tolist() == [ROWS[0][-1], ROWS[2][-1]]


def test_on_error_is_checked():
    with pytest.raises(InvalidQueryError, match="on_error='skip' is not known"):
        AtlasForced.read(SENT, on_error="skip")


@pytest.mark.parametrize("text", ["a,b\n1,2\n", b"\x00" * 50, b"\x1f\x8b broken", b"\xff\xfe\x00",
                                  "mjd,fid,magpsf\n1,2,3\n", "59001,18.9,0.1\n"])  # fmt: skip
def test_what_is_no_result_file(text):
    with pytest.raises(TableParseError, match=r"header such as|is damaged|could not be read as"):
        AtlasForced.read(text)


def test_a_last_line_without_its_end():
    body = SENT.rstrip("\n")
    assert len(AtlasForced.read(body)) == 3
    for cut in range(1, len(" ".join(ROWS[2]))):
        with pytest.raises(TableParseError, match=r"line 4 of the text (has|does not end)"):
            AtlasForced.read(body[:-cut])
        with pytest.warns(InputWarning, match="line 4"):
            assert len(AtlasForced.read(body[:-cut], on_error="warn")) == 2
    only = "\n".join(body.split("\n")[:2])
    assert len(AtlasForced.read(only)) == 1
    with pytest.raises(TableParseError, match="its Obs=02a59001o010 looks cut short"):
        AtlasForced.read(only[:-2])


def test_a_csv_cut_inside_its_last_number():
    text = "MJD,uJy,mag5sig\n59001,10,19.50\n59002,20,19.61\n59003,30,19."
    with pytest.raises(TableParseError, match=r"line 4 of the text does not end, and its mag5sig"):
        AtlasForced.read(text)


@pytest.mark.parametrize("cut", [1, 2, 14, 15, 16, 40])
def test_a_result_that_was_cut_on_its_way(make, double, cut):
    """The last newline is always there: without it, rows may be lost."""
    double.outcomes[202.0, -9.5] = "cut"
    double.cut = cut
    with pytest.raises(TableParseError, match=r"of task 1 .* was cut short: it does not end"):
        make().query_position(SkyCoord(202.0, -9.5, unit="deg"), start=59000, end=59010)


def test_a_long_word_is_no_endless_loop():
    """A parser whose work grows with a width that never suffices does not return."""
    for text in ("###MJD,uJy\n59001,7\n", f"###MJD uJy Obs\n59001 7 {'x' * 5000}\n",
                 f"###MJD uJy Obs\n59001 7 {'x' * 24}\n"):  # fmt: skip
        assert AtlasForced.read(text)["flux"][0].value == 7


# Genuine files, by readers that have nothing in common with ours.


@pytest.mark.parametrize(
    "name", ["anna_css161010_atlas.txt", "plotatlasfp_job01088.txt", "psat_stacked_2018.txt",
             "sdssv_excerpt_2015_2026.txt", "plotatlasfp_job01088_stacked.txt"]
)  # fmt: skip
def test_genuine_files_read_without_a_warning(shared, name):
    path = shared / "data" / "files" / name
    lc = AtlasForced.read(path)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# ")]
    separator = "," if "," in lines[0] else None
    names = [n.strip() for n in lines[0].lstrip("#").split(separator)]
    cells = [line.split(separator) for line in lines[1:] if line.strip()]
    cells.sort(key=lambda line: float(line[names.index("MJD")]))
    values = {n: [line[at] for line in cells] for at, n in enumerate(names)}
    numbers = {n: np.array(v, float) for n, v in values.items() if n not in ("F", "Obs", "Stack")}
    assert len(lc) == len(cells)
    assert (lc.time.mjd == numbers["MJD"]).all()
    assert lc["band"].tolist() == values["F"]
    assert (lc["reported_flux"].value == numbers["uJy"]).all()
    assert (lc["flux_err"].value == numbers["duJy"]).all()
    public = {"m": "reported_mag", "dm": "reported_mag_err", "chi/N": "reduced_chi2", "RA": "ra",
              "Dec": "dec", "x": "x", "y": "y", "maj": "psf_major", "min": "psf_minor",
              "phi": "psf_angle", "apfit": "aperture_correction", "Sky": "sky_brightness",
              "mag5sig": "limiting_mag", "err": "error_code", "ZP": "ZP", "n": "n"}  # fmt: skip
    for wire, column in public.items():
        if wire in numbers:
            good = numbers[wire] >= 10 if wire == "mag5sig" else numbers[wire] == numbers[wire]
            ours = np.asarray(getattr(lc[column], "value", lc[column]))
            assert (ours[good] == numbers[wire][good]).all(), column
    if "m" in numbers:
        magnitude = numbers["m"]
        exact = np.sign(magnitude) * 10 ** ((23.9 - np.abs(magnitude)) / 2.5)
        # Fluxes keep their decimals; those above 1086 uJy have fewer in the magnitude.
        faint = (np.abs(exact) < 500) & (magnitude != 0)
        assert np.abs(lc["flux"].value - exact)[faint].max() <= 0.06
        assert np.mean(np.isclose(lc["flux"].value[faint], exact[faint], rtol=1e-9)) > 0.95


def test_tables_of_atclean_are_read(shared):
    paths = sorted((shared / "data" / "files" / "atclean_2019vxm").glob("*.o.lc.txt.gz"))
    assert len(paths) >= 3
    for path in paths:
        with pytest.warns(InputWarning, match="contradicts itself"):
            lc = AtlasForced.read(path)
        table = pd.read_csv(path, sep=r"\s+").sort_values("MJD", kind="stable")
        assert (lc.time.mjd == table["MJD"].to_numpy()).all()
        assert (lc["flux"].value == table["uJy"].to_numpy()).all()
        assert lc["Mask"].tolist() == table["Mask"].tolist()


@pytest.mark.parametrize(
    ("name", "rounded_twice"), [("anna_css161010_atlas.txt", 17), ("plotatlasfp_job01088.txt", 1)]
)
def test_files_that_were_rounded_twice_keep_their_decimals(shared, name, rounded_twice):
    lc = AtlasForced.read(shared / "data" / "files" / name)
    m, printed = lc["reported_mag"].value, lc["reported_flux"].value
    exact = np.sign(m) * 10 ** ((23.9 - np.abs(m)) / 2.5)
    twice = (np.abs(exact - printed) > 0.5 + np.abs(exact) * 0.00046 + 1e-6) & (m != 0)
    assert np.count_nonzero(twice) == rounded_twice
    assert np.abs(lc["flux"].value - exact)[twice].max() < 0.06
    assert (lc["flux"].value != printed)[twice].all()


def test_csv_of_the_module_of_that_name():
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["###MJD", *NAMES[1:]], *ROWS])
    assert (AtlasForced.read(text.getvalue())["flux"] == AtlasForced.read(SENT)["flux"]).all()


def test_a_packed_file_has_the_limit_of_answers():
    packed = gzip.compress(SENT.encode())
    with conf.set_temp("max_answer_bytes", len(SENT)):
        assert len(AtlasForced.read(packed)) == 3
    with (
        conf.set_temp("max_answer_bytes", len(SENT) - 1),
        pytest.raises(TableParseError, match=r"the text is larger than \d+ .*max_answer_bytes"),
    ):
        AtlasForced.read(packed)


def test_a_packed_file_that_breaks_off():
    with pytest.raises(TableParseError, match="the text is truncated"):
        AtlasForced.read(gzip.compress(SENT.encode())[:-12])


@pytest.mark.parametrize("damage", [("0.101", "*****"), ("0.101", "0.1x1")])
def test_a_warning_of_a_file_points_at_the_caller(damage):
    with pytest.warns(InputWarning) as caught:
        AtlasForced.read(SENT.replace(*damage), on_error="warn")
    assert [one.filename for one in caught] == [__file__]

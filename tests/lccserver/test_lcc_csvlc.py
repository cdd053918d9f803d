"""Files of light curves: every pitfall of the format, read right or refused with its line."""

import gzip

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.lccserver import LCCServerClass
from atlasquery.lccserver.csvlc import parse_csvlc, parse_together, unpack
from atlasquery.lccserver.fields import FieldError, Fields
from atlasquery.lightcurve import SCHEMA, plot, read, to_flux, write
from atlasquery.lightcurve import bin as lightcurve_bin
from atlasquery.sandbox.lccserver import light_curves
from atlasquery.sandbox.lccserver.light_curves import DEFINED, csvlc

N = 30
DAYS = 57000.0 + np.arange(N) / 7
INFO = {"objectid": "HAT-1", "ra": 10.5, "decl": -20.25, "jmag": 9.5}
SHORT = {"bjd": DAYS + 2400000.0027, "stf": np.arange(N), "flt": ["r", "", "g"] * 10,
         "aep_000": 10 + np.arange(N) / 1e4}  # fmt: skip


@pytest.fixture
def client():
    return LCCServerClass("http://127.0.0.1:9/")


def file(columns=SHORT, info=INFO, extra=None, **options):
    return csvlc(info, columns, defined=DEFINED | (extra or {}), **options)


def changed(text, old, new, count=1):
    assert old in text
    return text.replace(old, new, count)


def lines_of(text):
    return text.split(b"\n")


def test_the_recorded_file(samples, client):
    lc = client.read(samples("lc.csvlc.gz"))
    text = gzip.decompress(samples("lc.csvlc.gz")).decode()
    rows = [line.split(",") for line in text.partition("# LIGHTCURVE\n")[2].splitlines()]
    assert len(lc) == len(rows) == 200
    assert lc.colnames[: len(SCHEMA) + 1] == ["time", *(column.name for column in SCHEMA)]
    for n, name in enumerate(("rjd", "bjd", "stf", "flt", *list(DEFINED)[4:])):
        column = lc[name]
        sent = [row[n] for row in rows]
        assert column.info.description
        if name == "flt":
            assert column.tolist() == [value or None for value in sent]
            assert column.mask.sum() == 19 == (lc["band"] == "").sum()
        else:
            # Each number is the one next to what is written, as Python's own reader has it.
            bare = getattr(column, "value", column)
            assert np.array_equal(np.ma.filled(getattr(bare, "unmasked", bare), 0),
                                  np.array(sent, float), equal_nan=True), name  # fmt: skip
    assert lc["stf"].dtype == np.int64 and lc["stf"].unit is None
    assert (lc["aim_000"].unit, lc["rjd"].unit, lc["aep_001"].unit) == (u.mag, u.day, u.mag)
    assert lc["aep_001"].mask.sum() == 9 and np.isnan(lc["aep_001"].unmasked.value).sum() == 9
    assert lc.time.scale == "tdb"
    assert np.allclose(lc.time.jd - lc["bjd"].value, 0, atol=1e-9)
    assert (lc.meta["time_column"], lc.meta["mag_column"]) == ("bjd", "aim_000")
    assert lc.meta["mag_err_column"] == "aie_000" and lc.meta["object"] == "SYA-0000163"
    assert lc.meta["coordinates"].ra.deg == 289.935309
    assert lc.meta["time_reference"] == "unknown"
    assert lc.meta["time_reference_position"] == "barycenter"
    assert "barycentre" in lc.meta["time_reference_note"]
    assert "not stated" in lc.meta["time_reference_note"]
    assert lc.meta["flux_kind"] == "total" and lc.meta["magsys"] == "unknown"
    assert lc.meta["objectinfo"]["network"] == "HN"


def test_what_is_not_known_is_not_invented(client):
    lc = client.read(file())
    assert lc.meta["magsys"] == "unknown" and lc.meta["mag_err_column"] == ""
    assert lc["flux"].mask.all() and np.isnan(lc["flux"].unmasked.value).all()
    assert lc["mag_err"].mask.all() and lc["limiting_mag"].mask.all()
    assert np.isnan(lc["exposure_time"].value).all()
    assert "unknown system" in lc["mag"].info.description
    known = client.read(file(), magsys="AB")
    assert np.allclose(known["flux"].value, 10 ** (0.4 * (23.9 - known["mag"].value)))
    assert known["flux"].unit == u.uJy and known.meta["magsys"] == "AB"
    assert client.read(file(), magsys="Vega")["flux"].mask.all()
    reply = {"aep_000": ("f8", "magnitude in aperture 000 [mag] (AB)", "%.5f")}
    assert client.read(file(extra=reply)).meta["magsys"] == "AB"
    with pytest.raises(InvalidQueryError, match="magsys='ab' should be 'AB', 'Vega'"):
        client.read(file(), magsys="ab")


def test_nan_among_integers(client):
    ids = [2**53 + 1, "nan", -(2**62) - 3] * 10
    extra = {"gaia": ("i8", "GAIA DR2 source ID", "%i"), "frame": ("i4", "frame number", "%i")}
    columns = SHORT | {"gaia": ids, "frame": [np.nan, 7, 8] * 10}
    lc = client.read(file(columns, extra=extra))
    assert lc["gaia"].dtype == lc["frame"].dtype == np.int64
    assert lc["gaia"].tolist() == [2**53 + 1, None, -(2**62) - 3] * 10
    assert lc["frame"].tolist() == [None, 7, 8] * 10
    assert not client.read(file())["stf"].mask.any()


def test_empty_texts_and_odd_numbers(client):
    extra = {"note": ("U20", "remarks", "%s"), "sky": ("f8", "sky [e-/s]", "%s")}
    odd = ["1e3", "-0.5", ".25", "+7", "inf", "None", "", "-nan"[1:], "12345678901234567.5", "0"]
    columns = SHORT | {"note": ["", "ä", "x" * 90] * 10, "sky": odd * 3}
    lc = client.read(file(columns, extra=extra))
    assert lc["note"].tolist() == [None, "ä", "x" * 90] * 10
    wanted = [1e3, -0.5, 0.25, 7, np.nan, np.nan, np.nan, np.nan, 12345678901234567.5, 0]
    assert np.array_equal(lc["sky"].unmasked.value, wanted * 3, equal_nan=True)
    assert lc["sky"].mask.sum() == 12


def test_a_metadata_key_is_missing_or_nan(client):
    text = file(info={"objectid": "HAT-1", "jmag": float("nan")})
    assert b"NaN" in text
    lc = client.read(text)
    assert "coordinates" not in lc.meta
    assert lc.meta["objectinfo"] == {"objectid": "HAT-1", "jmag": None}
    nameless = client.read(file(info={}))
    assert nameless.meta["object"] == "" and len(nameless) == N
    # An entry without its value, and one of another form.
    lc = client.read(changed(file(), b'"val": 10.5,', b""))
    assert "coordinates" not in lc.meta and lc.meta["objectinfo"]["ra"] is None
    lc = client.read(changed(file(), b'"dtype": "i8",', b""))
    assert lc["stf"].dtype == np.int64
    lc = client.read(changed(file(), b',\n#     "desc": "filter used"', b""))
    assert lc["flt"][0] == "r" and lc["band"].tolist() == [""] * N


def test_a_separator_in_a_text(client):
    columns = SHORT | {"flt": ["r", "g,1,2", "i"] * 10}
    lc = client.read(file(columns))
    assert lc["flt"].tolist() == ["r", "g,1,2", "i"] * 10
    assert lc["aep_000"].value.tolist() == pytest.approx(SHORT["aep_000"].tolist())
    # Numbers between two strings show which of them the separator belongs to.
    two = {"note": ["a", "b", "c,d"] * 10, **SHORT, "flt": ["x,y", "", "z"] * 10}
    extra = {"note": ("U8", "remarks", "%s")}
    lc = client.read(file(two, extra=extra))
    assert lc["note"].tolist() == ["a", "b", "c,d"] * 10
    assert lc["flt"].tolist() == ["x,y", None, "z"] * 10
    # Beside each other they do not.
    beside = SHORT | {
        "aep_000": SHORT["aep_000"],
        "note": ["a"] * 29 + ["b,c"],
        "other": ["x"] * 30,
    }
    text = file(beside, extra=extra | {"other": ("U8", "more remarks", "%s")})
    with pytest.raises(
        TableParseError, match=r"line \d+ .* 7 values .* 6, .* more than one way"
    ) as e:
        client.read(text)
    number = int(str(e.value).split()[1])
    assert lines_of(text)[number - 1].endswith(b"b,c,x")


def test_a_line_that_is_wrong_is_named(client):
    text = file()
    lines = lines_of(text)
    for old, new, words in (
        (b",", b"", "3 values where its header has 4, so it breaks off"),
        (b",", b",,1.0,", "no way to divide it with numbers"),
    ):
        wrong = list(lines)
        wrong[-5] = wrong[-5].replace(old, new, 1)
        with pytest.raises(TableParseError, match=f"line {len(lines) - 4} .*{words}") as error:
            client.read(b"\n".join(wrong))
        assert error.value.reason.encode() == wrong[-5]
    wrong = list(lines)
    wrong[-5] = b"2457004.0,twenty,r,10.1"
    with pytest.raises(
        TableParseError, match=rf"line {len(lines) - 4} .*stf='twenty', which is not a wh"
    ):
        client.read(b"\n".join(wrong))
    wrong[-5] = b"2457004.0,9223372036854775808,r,10.1"
    with pytest.raises(
        TableParseError, match=r"stf='9223372036854775808', which is beyond 64 bits"
    ):
        client.read(b"\n".join(wrong))
    wrong[-5] = b"2457004.0,3.5,r,10.1"
    with pytest.raises(TableParseError, match=r"stf='3\.5', which is not a whole number"):
        client.read(b"\n".join(wrong))
    wrong[-5] = b"2457004.0,3,r,1_0.1"
    with pytest.raises(TableParseError, match=r"aep_000='1_0\.1', which is not a number"):
        client.read(b"\n".join(wrong))


def test_a_foreign_aperture(client):
    extra = {
        "atf_TF1": ("f8", "TFA magnitude in aperture TF1", "%.5f"),
        "ate_TF1": ("f8", "uncertainty of the TFA magnitude in aperture TF1", "%.5f"),
        "ate_TF2": ("f8", "uncertainty of the TFA magnitude in aperture TF2", "%.5f"),
        "sap.flux_best": ("f8", "flux in the best aperture [electron/s]", "%.3f"),
    }
    columns = SHORT | {"atf_TF1": np.full(N, 9.5), "ate_TF1": np.full(N, 0.01),
                       "ate_TF2": np.full(N, 0.5), "sap.flux_best": np.full(N, -3.25)}  # fmt: skip
    lc = client.read(file(columns, extra=extra), mag_column="atf_TF1")
    assert (lc["mag"].value == 9.5).all() and (lc["mag_err"].value == 0.01).all()
    assert lc["ate_TF2"].unit == u.mag
    assert (lc["sap.flux_best"].value == -3.25).all()
    assert lc["sap.flux_best"].unit == u.electron / u.s
    # Two errors and none of them of this aperture.
    assert client.read(file(columns, extra=extra)).meta["mag_err_column"] == ""
    with pytest.raises(
        InvalidQueryError, match=r"mag_column='atf_TF' is not a .*did you mean 'atf_TF1'"
    ):
        client.read(file(columns, extra=extra), mag_column="atf_TF")


@pytest.mark.parametrize(
    ("separator", "mark"), [("|", ";"), ("\t", "%"), (" ", "#"), (", ", "//"), ("||", "#!")]
)
def test_other_separators_and_marks(client, separator, mark):
    lc = client.read(file(separator=separator, mark=mark))
    plain = client.read(file())
    assert lc["flt"].tolist() == plain["flt"].tolist()
    assert (lc.time.mjd == plain.time.mjd).all() and (lc["mag"] == plain["mag"]).all()


def test_lines_of_another_system(client):
    lc = client.read(file().replace(b"\n", b"\r\n"))
    assert lc["aep_000"].value[-1] == 10.0029


@pytest.mark.parametrize("left", [0.2, 0.5, 0.97, 0.999])
def test_packing_that_breaks_off(client, left):
    packed = gzip.compress(file() * 1)
    with pytest.raises(TableParseError, match=r"breaks off in line \d+: its packing has no end"):
        client.read(packed[: int(len(packed) * left)])


def test_damage(client):
    packed = bytearray(gzip.compress(file()))
    packed[-6] ^= 1
    with pytest.raises(TableParseError, match=r"is damaged: .*incorrect data check"):
        client.read(bytes(packed))
    text = file()
    last = len(lines_of(text)) - 1
    with pytest.raises(TableParseError, match=rf"breaks off in line {last}: '.*10\.00"):
        client.read(text[:-2])
    with pytest.raises(TableParseError, match=r"breaks off in its header, in line 20"):
        client.read(b"\n".join(lines_of(text)[:20]))
    with pytest.raises(TableParseError, match="line 1 of the light curve should be LCC-CSVLC-V1"):
        client.read(changed(text, b"V1", b"V2"))
    with pytest.raises(TableParseError, match=r"line 1 .* is 'time,mag'"):
        client.read(b"time,mag\n1,2\n")
    with pytest.raises(TableParseError, match=r"line 1 .* is ''"):
        client.read(b"")
    with pytest.raises(TableParseError, match="line 3 of the light curve should be a separator"):
        client.read(changed(text, b"#\n,\n", b"#\n\n"))
    with pytest.raises(TableParseError, match="line 10 of the light curve should begin with '#'"):
        client.read(b"\n".join([*lines_of(text)[:9], b"oops", *lines_of(text)[10:]]))
    with pytest.raises(TableParseError, match=r"line \d+ of the light curve is not JSON: .*line 3"):
        client.read(changed(text, b'"val": "HAT-1"', b'"val": HAT-1'))
    with pytest.raises(TableParseError, match=r"line \d+ .*: the columns are not numbered"):
        client.read(changed(text, b'"colnum": 3', b'"colnum": 7'))


def test_a_bomb_is_not_unpacked():
    bomb = gzip.compress(b"\0" * (1 << 22))
    assert len(bomb) < 5000
    with pytest.raises(TableParseError, match="more than 1 MiB when unpacked"):
        unpack(bomb, name="it", longest=1 << 20)
    several = gzip.compress(b"abc") + gzip.compress(b"def")
    assert unpack(several, name="it") == b"abcdef"


@pytest.mark.parametrize(
    ("desc", "sent", "scale", "jd", "words"),
    [
        ("time in Barycentric Julian date (BJD_TDB)", 2457000.25, "tdb", 2457000.25, "barycentre"),
        ("BJD - 2454833 [days]", 1000.5, "tdb", 2455833.5, "TDB assumed"),
        ("BTJD, TESS time", 1500.5, "tdb", 2458500.5, "barycentre"),
        ("HJD (UTC)", 2457000.25, "utc", 2457000.25, "at the Sun"),
        ("Modified Julian date, TAI", 57000.75, "tai", 2457001.25, "observatory"),
        ("Reduced Julian date (JD = 2400000.0 + RJD)", 57000.5, "utc", 2457000.5, "UTC assumed"),
        ("JD at TT", 2457000.25, "tt", 2457000.25, "at the observatory;"),
    ],
)
def test_times_by_their_description(client, desc, sent, scale, jd, words):
    extra = {"when": ("f8", desc, "%.7f")}
    lc = client.read(file({"when": np.full(3, sent), "aep_000": np.ones(3)}, extra=extra))
    assert lc.time.scale == scale and np.allclose(lc.time.jd, jd, atol=1e-9, rtol=0)
    assert words in lc.meta["time_reference_note"]
    assert lc.meta["time_scale_stated"] is ("assumed" not in words and scale in desc.lower())


def test_times_that_cannot_be_placed(client):
    extra = {"when": ("f8", "time in JD", "%.7f"), "t": ("f8", "phase", "%.7f")}
    with pytest.raises(
        TableParseError, match="Julian dates of when are counted from an unknown day"
    ):
        client.read(file({"when": np.full(3, 12.5), "aep_000": np.ones(3)}, extra=extra))
    with pytest.raises(TableParseError, match="no column of times of a known system"):
        client.read(file({"t": np.full(3, 12.5), "aep_000": np.ones(3)}, extra=extra))
    columns = {"rjd": DAYS, **SHORT}
    lc = client.read(file(columns), time_column="rjd")
    assert lc.time.scale == "utc" and lc.time.jd[0] == 2457000.0
    bad = columns | {"bjd": [np.nan, *SHORT["bjd"][1:]]}
    text = file(bad)
    with pytest.raises(
        TableParseError, match=r"line (\d+) of .* has no time in its column bjd"
    ) as e:
        client.read(text)
    assert b",nan," in b"," + lines_of(text)[int(str(e.value).split()[1]) - 1]
    assert len(client.read(text, time_column="rjd")) == N
    with pytest.raises(InvalidQueryError, match="time_column='stf' is not a column of times"):
        client.read(text, time_column="stf")


def test_names_that_are_taken(client):
    extra = {"mag": ("f8", "magnitude [mag]", "%.3f"), "band": ("U4", "filter", "%s"),
            "flux": ("f8", "flux [adu]", "%.1f")}  # fmt: skip
    lc = client.read(file({"bjd": SHORT["bjd"], "mag": np.full(N, 11.0), "band": ["V"] * N,
                           "flux": np.full(N, 7.0)}, extra=extra))  # fmt: skip
    assert (lc["mag"].value == 11).all() and (lc["mag_wire"].value == 11).all()
    assert set(lc["band"]) == set(lc["band_wire"]) == {"V"}
    assert lc["flux"].mask.all() and (lc["flux_wire"].value == 7).all()
    assert lc["flux_wire"].unit == u.adu


def test_no_rows_and_truths(client):
    empty = client.read(file({name: [] for name in SHORT}))
    full = client.read(file())
    assert len(empty) == 0 and empty.colnames == full.colnames
    assert empty["stf"].dtype == np.int64 and empty["aep_000"].unit == u.mag
    extra = {"good": ("bool", "whether it is good", "%s")}
    lc = client.read(file(SHORT | {"good": [True, False, ""] * 10}, extra=extra))
    assert lc["good"].tolist() == [True, False, None] * 10
    with pytest.raises(TableParseError, match="good='maybe', which is neither True nor False"):
        client.read(file(SHORT | {"good": ["maybe"] * 30}, extra=extra))


def test_what_is_made_of_it(client):
    pytest.importorskip("matplotlib")
    lc = client.read(file())
    with pytest.raises(InvalidQueryError, match="made of AB magnitudes only"):
        to_flux(lc)
    ax = plot(lc)
    assert ax.get_ylabel() == "Magnitude (mag)"
    assert ax.get_xlabel() == (
        "Time (MJD, TDB; at the barycentre; moment of the exposure not stated)"
    )
    assert {text.get_text().split(",")[0] for text in ax.get_legend().get_texts()} == {
        "r", "g", "no band",
    }  # fmt: skip
    lc.meta["magsys"] = "AB"
    assert not to_flux(lc)["flux"].mask.any() and plot(lc).get_ylabel() == "AB magnitude (mag)"
    known = client.read(file(SHORT | {"aie_000": np.full(N, 0.01)}), magsys="AB")
    assert 0 < len(lightcurve_bin(known, "1 day")) < len(known)


@pytest.mark.parametrize("ending", ["ecsv", "fits", "vot"])
def test_it_survives_a_file(client, tmp_path, ending):
    lc = client.read(file())
    write(lc, tmp_path / f"lc.{ending}")
    again = read(tmp_path / f"lc.{ending}")
    assert again.meta["objectinfo"] == lc.meta["objectinfo"]
    assert again.meta["magsys"] == "unknown" and again.time.scale == "tdb"
    assert again["stf"].tolist() == lc["stf"].tolist()


def test_files_from_a_path(client, tmp_path):
    for name, content in (("a-csvlc.gz", gzip.compress(file())), ("b.csvlc", file())):
        (tmp_path / name).write_bytes(content)
        assert len(client.read(tmp_path / name)) == len(client.read(str(tmp_path / name))) == N
    (tmp_path / "c-csvlc.gz").write_bytes(b"nothing")
    with pytest.raises(TableParseError, match=r"line 1 of c-csvlc.gz should be"):
        client.read(tmp_path / "c-csvlc.gz")


@pytest.mark.parametrize("rows", [1, 40, 500, 5000])
@pytest.mark.parametrize("together", [True, False])
def test_numbers_are_those_next_to_what_is_written(rows, together):
    rng = np.random.default_rng(5)
    texts = []
    for decimals in (0, 1, 5, 7, 12, 15):
        for scale in (1e-3, 1.0, 12345.0, 2457000.0):
            texts.append([f"{x:.{decimals}f}" for x in rng.normal(0, scale, rows)])
    texts.append([repr(float(x)) for x in rng.normal(0, 1, rows)])
    texts.append((["", "--"] + ["nan", "5", "-7.25"] * rows)[:rows])
    texts.append(["nan"] * rows)
    body = "".join(",".join(row) + "\n" for row in zip(*texts, strict=True)).encode()
    fields = Fields(body, b",", len(texts))
    if together:
        fields.prepare(range(len(texts)))
    for n, column in enumerate(texts):
        wanted = [float(t) if t not in ("", "--") else np.nan for t in column]
        assert np.array_equal(fields.floats(n), wanted, equal_nan=True), column[0]


WRITTEN = st.one_of(
    st.floats(allow_infinity=False).map(repr),
    st.decimals(-(10**9), 10**9, places=5).map(str),
    st.integers(-(2**53), 2**53).map(str),
    st.sampled_from(["", "nan", "None", "--", "-0", "-0.0", "+5", ".5", "5.", "1e5", "007", "0.-5",
                     "-", ".", "1.2.3", "--5", "5-", " 7", "12345678901234567890.5"]),
)  # fmt: skip


@settings(deadline=None)
@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(WRITTEN, min_size=n, max_size=n))))
def test_numbers_of_all_kinds_side_by_side(lines):
    """Each field is read as Python reads it, or is refused, whatever the other fields are."""
    width = len(lines[0]) if lines else 1
    body = "".join(",".join(line) + "\n" for line in lines).encode()
    fields = Fields(body, b",", width)
    fields.prepare(range(width))
    for n in range(width):
        wanted = []
        for line in lines:
            text = line[n].strip().lower()
            try:
                wanted.append(np.nan if text in ("", "none", "--") else float(text))
            except ValueError:
                with pytest.raises(FieldError, match="is not a number") as caught:
                    fields.floats(n)
                assert caught.value.row == len(wanted)
                break
        else:
            assert np.array_equal(fields.floats(n), np.array(wanted), equal_nan=True)


def alone(name, data):
    try:
        return parse_csvlc(data, name=name)
    except TableParseError as error:
        return str(error)


GOOD = {
    f"good {n}": file(
        {key: values[:n] for key, values in SHORT.items()}, info={"objectid": f"H{n}"}
    )
    for n in (0, 1, 7, 30)
}
STRANGE = {
    "other columns": file({key: SHORT[key] for key in ("bjd", "aep_000")}),
    "another separator": file(separator=";"),
    "a separator in a text": file(SHORT | {"flt": ["r", "g,1,2", "i"] * 10}),
    "nan among integers": file(SHORT | {"stf": [5, "nan", 7] * 10}),
    "more digits": file(SHORT | {"aep_000": SHORT["aep_000"] + 1000}),
    "no type": changed(file(), b'"dtype": "i8",', b""),
    "a word for a number": changed(file(), b",r,10.00000", b",r,ten"),
    "a value too few": changed(file(), b",r,10.00000", b",10.00000"),
    "broken off": file()[:-10],
    "no such file": b"PK",
    "damaged": gzip.compress(file())[:-30],
    "packed": gzip.compress(file()),
}


@pytest.mark.parametrize("odd", [*STRANGE, "none", "all"])
def test_files_are_read_together_as_each_alone(odd):
    chosen = STRANGE if odd == "all" else {odd: STRANGE[odd]} if odd != "none" else {}
    (first, *rest) = GOOD.items()
    files = [first, *chosen.items(), *rest]
    found = parse_together(files)
    for (name, data), result in zip(files, found, strict=True):
        wanted = alone(name, data)
        if isinstance(wanted, str):
            assert isinstance(result, TableParseError) and str(result) == wanted
            continue
        assert (result.info, result.about, result.definitions) == (
            wanted.info, wanted.about, wanted.definitions
        )  # fmt: skip
        assert (result.first_line, len(result.rows)) == (wanted.first_line, len(wanted.rows))
        assert result.rows.columns == wanted.rows.columns
        for column in wanted.rows.columns:
            value, other = result.rows.values[column.name], wanted.rows.values[column.name]
            exact = {"equal_nan": True} if value.dtype.kind == "f" else {}
            assert value.dtype.kind == other.dtype.kind and np.array_equal(value, other, **exact)
            assert np.array_equal(result.rows.masks[column.name], wanted.rows.masks[column.name])
    assert parse_together([]) == []


def test_what_fields_are_not():
    fields = Fields(b"0.5\n", b",", 1)
    with pytest.raises(FieldError, match="is not a whole number"):
        fields.wholes(0)
    with pytest.raises(ValueError, match="another number of fields"):
        Fields(b"1,2\n3\n4,5,6\n", b",", 2)


def test_columns_are_described_as_they_are(samples):
    parsed = parse_csvlc(samples("lc.csvlc.gz"))
    roles = {d.name: d.role for d in parsed.definitions}
    assert roles == {"rjd": "time", "bjd": "time", "stf": "", "flt": "band", "aim_000": "mag",
                     "aim_001": "mag", "aie_000": "mag_err", "aie_001": "mag_err",
                     "aep_000": "mag", "aep_001": "mag"}  # fmt: skip
    assert {d.aperture for d in parsed.definitions} == {"", "000", "001"}
    assert light_curves.DEFINED["bjd"][1] == parsed.definitions[1].about

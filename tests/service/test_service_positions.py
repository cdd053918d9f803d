"""One reader of positions: what is typed, what a method is given, and the lines of a file."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import check_coordinates
from atlasquery.service.position_columns import table_positions
from atlasquery.service.positions import read_listing, read_position

# Each is the same place, by hand: 10h 00.4m is 150.1 deg.
SAME = {
    "10 00.4 -00 12.0": (150.1, -0.2),
    "10:00.4 -00:12.0": (150.1, -0.2),
    "10 00 24 -00 12 00": (150.1, -0.2),
    "10 00 24 -00 12": (150.1, -0.2),
    "10 00.4 -00 12 00": (150.1, -0.2),
    "10:00:24 -00 12 00": (150.1, -0.2),
    "10 00 24 -00:12:00": (150.1, -0.2),
    "10h00.4m -00d12.0m": (150.1, -0.2),
    "10h 00m 24s -00d 12m 00s": (150.1, -0.2),
    "150.1 -0.2": (150.1, -0.2),
    "150.1d -0.2d": (150.1, -0.2),
    "00 00 00.0 +00 00 00": (0.0, 0.0),
    "23 59 59.99 -89 59 59.9": (359.99995833, -89.99997222),
    "1.5 2": (1.5, 2.0),
}
WRONG = [
    "10.5 20.3 7",
    "150.1 2.2 7 8",
    "10 00 24 02 12",
    "1 2 3 4 5 6 7",
    "10 60 00 02 12 00",
    "10 00 24 02 -12 00",
    "10 00.4 24 02 12 00",
    "25 00 00 02 12 00",
    "-10 00 00 02 12 00",
    "10 00 00 95 12 00",
    "150.1 +95",
    "360.5 +2",
    "10:00:24 2.2 7",
]


@pytest.mark.parametrize("text", SAME)
def test_all_ways_lead_to_the_same_place(text):
    expected = SkyCoord(*SAME[text], unit="deg")
    ra, dec, _ = check_coordinates(text)
    ((listed, name),), _ = read_listing([f"{text}\n"], "hosts.txt")
    ((named, called),), _ = read_listing([f"{text}  SN 2026x\n"], "hosts.txt")
    ((behind, before),), _ = read_listing([f"SN2026x {text}\n"], "hosts.txt")
    for place in (read_position(text), listed, named, behind, SkyCoord(ra[0], dec[0], unit="deg")):
        assert place.separation(expected) < 1e-4 * u.arcsec
    assert (name, called, before) == ("", "SN 2026x", "SN2026x")


@pytest.mark.parametrize("text", WRONG)
def test_more_numbers_than_expected_are_no_name(text):
    with pytest.raises(InvalidQueryError, match="is not a position"):
        read_position(text)
    with pytest.raises(InvalidQueryError, match=r"^coordinates=.* is not a position"):
        check_coordinates(text)
    with pytest.raises(InvalidQueryError, match=r"line 2 of hosts.txt: .* is not a position"):
        read_listing(["1 2 a\n", f"{text}\n"], "hosts.txt")
    with pytest.raises(InvalidQueryError, match=r"line 1 of hosts.txt: .* is not a position"):
        read_listing([f"{text} named\n"], "hosts.txt")


def test_a_name_that_is_a_number_stands_in_quotes():
    with pytest.raises(InvalidQueryError, match="put a name that is a number in quotes"):
        read_listing(["150.1 2.2 12345\n"], "hosts.txt")
    found, _ = read_listing(['150.1 2.2 "12345"\n', '"NGC 4258",184.7,47.3\n'], "hosts.txt")
    assert [name for _, name in found] == ["12345", "NGC 4258"]
    assert found[1][0].ra.deg == pytest.approx(184.7)


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["name,ra,dec", "SN 2026x,150.1,2.2"], ["SN 2026x"]),
        (["\ufeffRA;DEC;ID", "150.1;2.2;7"], ["7"]),
        (["# targets", "ra dec", "150.1 2.2"], [""]),
        (["RAJ2000\tDEJ2000\tmag", "10:00:24\t+02:12:00\t17.1"], [""]),
        (["target ra dec", '"SN 2026x" 150.1 2.2'], ["SN 2026x"]),
        (["name,ra,dec", '"SN 2026x","10 00 24","+02 12 00"'], ["SN 2026x"]),
    ],
)
def test_a_header_says_what_is_what(lines, names):
    found, planets = read_listing(lines, "hosts.csv")
    assert [name for _, name in found] == names and planets == []
    assert found[0][0].separation(SkyCoord(150.1, 2.2, unit="deg")) < 1e-6 * u.arcsec


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            ["name,ra,dec", "a,1,2", "b,1,2,3"],
            "line 3 of f: it has 4 values where the header has 3",
        ),
        (["name,ra,dec", "1,2,c"], "line 2 of f: '2 c' is not a position"),
        (["some words"], "line 1 of f: 'some words' is not a position"),
        (["name,alpha2000,delta2000", "a,1,2"], "line 1 of f"),
        (["1 2", "ra dec"], "line 2 of f"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(lines, words):
    with pytest.raises(InvalidQueryError) as caught:
        read_listing(lines, "f")
    assert words in str(caught.value)


def test_planets_comments_and_blank_lines():
    lines = ["", "# all", "mpc (12267)", "mpc,K22W01O  # new", "1 2"]
    found, planets = read_listing(lines, "f")
    assert planets == ["(12267)", "K22W01O"] and len(found) == 1


def test_a_long_word_is_read_at_once():
    for word in ("1" * 5000, "1" * 5000 + "x", "1m" * 3000 + "x", "1:" * 3000):
        with pytest.raises(InvalidQueryError, match="line 1 of f"):
            read_listing([f"{word}\n"], "f")


def test_a_minus_sign_from_a_paper():
    found, _ = read_listing(["150.1 \u22120.2 a"], "f")
    assert found[0][0].dec.deg == pytest.approx(-0.2)


@pytest.mark.parametrize(
    "line",
    ["M 5 15 18.5 +02 05", "NGC 4993 197.45 -23.38", "M 31 00 42 44 +41 16 09"],
)
def test_a_number_of_a_name_is_no_hour(line):
    with pytest.raises(
        InvalidQueryError, match=r"line 1 of targets: .*put a name that is a number in quotes"
    ):
        read_listing([line], "targets")


def test_a_name_in_quotes_may_have_numbers():
    ((position, name),), _ = read_listing(['"M 5" 15 18.5 +02 05'], "targets")
    assert name == "M 5"
    assert position.to_string("hmsdms", precision=0) == "15h18m30s +02d05m00s"


def test_positions_of_tables():
    wanted = SkyCoord([10.5, 20.5], [-5.0, 6.0], unit="deg")
    for table in (
        Table({"p": wanted}),
        Table({"RA": [10.5, 20.5], "Dec": [-5.0, 6.0]}),
        Table({"raj2000": [10.5, 20.5] * u.deg, "dej2000": [-300.0, 360.0] * u.arcmin}),
        Table({"alpha": ["00:42:00", "01:22:00"], "delta": ["-5", "+6:00"]}),
        Table({"GLON": wanted.galactic.l, "GLAT": wanted.galactic.b}),
    ):
        assert np.all(table_positions(table, name="t").separation(wanted) < 1e-9 * u.deg)
    masked = Table({"ra": np.ma.MaskedArray([1.0, 2.0], [False, True]), "dec": [1.0, 2.0]})
    for table, message in (
        (Table({"x": [1]}), "t is a table without a column of SkyCoord"),
        (masked, "t has a masked ra or dec in row 1"),
        (
            Table({"ra": [1.0], "dec": [95.0]}),
            r"t\['dec'\] has 95 deg in row 0, which is not from -90",
        ),
        (Table({"ra": [1.0] * u.m, "dec": [5.0]}), r"t\['ra'\] is not a column of angles"),
    ):
        with pytest.raises(InvalidQueryError, match=message):
            table_positions(table, name="t")


@pytest.mark.parametrize(("ra", "dec"), [
    ("alpha", "delta"), ("_RA.icrs", "_DE.icrs"), ("RA_ICRS", "DE_ICRS"), ("ra", "de"),
    ("rajdeg", "dejdeg"), ("raj2000", "decj2000"), ("s_ra", "s_dec"),
])  # fmt: skip
def test_lists_and_tables_know_the_same_names(ra, dec):
    wanted = SkyCoord(10.5, -5.0, unit="deg")
    ((position, _),), _ = read_listing([f"{ra},{dec}", "10.5,-5"], "targets")
    table = table_positions(Table({ra: [10.5], dec: [-5.0]}), name="t")
    assert position.separation(wanted) < 1e-9 * u.deg
    assert table[0].separation(wanted) < 1e-9 * u.deg

"""Positions and radii as people type them."""

import pytest

from atlasquery.exceptions import InvalidQueryError

pytest.importorskip("click")

from atlasquery.cli.positions import read_cone, read_position


@pytest.mark.parametrize(
    ("words", "position", "radius"),
    [
        (("10.5", " -20.1", "60arcsec"), "10.5 -20.1", "60 arcsec"),
        (("150.1 +2.2", "5", "arcmin"), "150.1 +2.2", "5 arcmin"),
        (("150.1", "+2.2", '30"'), "150.1 +2.2", "30 arcsec"),
        (("150.1", "+2.2", "3'"), "150.1 +2.2", "3 arcmin"),
        (("10:00:24", " -02:12:00", "0.1deg"), "10:00:24 -02:12:00", "0.1 deg"),
        (("10h00m24s", "+02d12m", "1", "degrees"), "10h00m24s +02d12m", "1 deg"),
        (("AT", "2020tjh", "5", "arcseconds"), "AT 2020tjh", "5 arcsec"),
        (("M31", "2", "arcminutes"), "M31", "2 arcmin"),
        (("150.1 +2.2 .5arcmin",), "150.1 +2.2", ".5 arcmin"),
        (("1 2 1e2mas",), "1 2", "1e2 mas"),
    ],
)
def test_a_cone_is_a_position_and_a_radius(words, position, radius):
    assert read_cone(words) == (position, radius)


@pytest.mark.parametrize("words", [("150.1", "2.2", "60"), ("150.1", "+2.2"), ("M31",), ("",)])
def test_a_radius_without_a_unit_is_refused(words):
    with pytest.raises(InvalidQueryError, match="radius with a unit, such as 60arcsec"):
        read_cone(words)


def test_a_radius_alone_is_refused():
    with pytest.raises(InvalidQueryError, match="no position before the radius"):
        read_cone(("60arcsec",))


@pytest.mark.parametrize(
    ("text", "ra", "dec"),
    [
        ("150.1 +2.2", 150.1, 2.2),
        ("150.1, -2.2", 150.1, -2.2),
        ("10:00:24 +02:12:00", 150.1, 2.2),
        ("10:00:24 -02:12", 150.1, -2.2),
        ("10 00 24 +02 12 00", 150.1, 2.2),
        ("10h00m24s +02d12m", 150.1, 2.2),
        ("150.1d -2.2d", 150.1, -2.2),
        ("10h00m24s-02d12m00s", 150.1, -2.2),
    ],
)
def test_positions_are_read(text, ra, dec):
    position = read_position(text)
    assert position.ra.deg == pytest.approx(ra, abs=1e-9)
    assert position.dec.deg == pytest.approx(dec, abs=1e-9)


@pytest.mark.parametrize(
    "text", ["AT 2020tjh", "M31", "ATLAS26zy", "2020tjh", "NGC 4255", "2026dix", "1999dn"]
)
def test_names_are_no_positions(text):
    assert read_position(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "400 +2.2",
        "-1 +2.2",
        "25:00:00 +02:00:00",
        "150.1 +92.2",
        "10:00:24 +95:00:00",
        "10h00m24s +02x",
    ],
)
def test_a_wrong_position_is_refused(text):
    with pytest.raises(InvalidQueryError, match="is not a position"):
        read_position(text)

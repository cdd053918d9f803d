"""What a user may give and what is refused, before anything is sent."""

import datetime
import math

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import FK5, Angle, Galactic, SkyCoord, get_body
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time, TimeDelta
from astropy.utils.masked import Masked

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import (
    check_choice,
    check_coordinates,
    check_ids,
    check_max_rows,
    check_names,
    check_radius,
    check_window,
    suggest,
)

ID = 1000000000000000001


@pytest.mark.parametrize(
    ("radius", "arcsec"),
    [
        (30 * u.arcsec, 30),
        ("30 arcsec", 30),
        ("2'", 120),
        (Angle(1, "deg"), 3600),
        (math.pi * u.rad, 180 * 3600),
        (np.float32(0.5) * u.deg, 1800),
        (1 * u.mas, 1e-3),
        (180 * u.deg, 648000),
    ],
)
def test_radius(radius, arcsec):
    value = check_radius(radius)
    assert type(value) is float
    assert value == pytest.approx(arcsec, rel=1e-12)


@pytest.mark.parametrize(
    "radius",
    [
        *(
            30,
            30.0,
            np.float64(3),
            "30",
            "",
            "abc",
            None,
            True,
            [],
            {},
            pytest.param(object(), id="object"),
            b"30 arcsec",
        ),
        *(5 * u.m, 5 * u.one, 5 * u.s, u.deg, "5 m/s", [1, 2] * u.deg, [1] * u.deg, "nan deg"),
        *(1j * u.deg, Angle([], "deg")),
    ],
    ids=repr,
)
def test_radius_that_is_no_angle(radius):
    with pytest.raises(InvalidQueryError, match=r"^radius=.*should be one angle with a unit"):
        check_radius(radius)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, -math.inf, 180.0001])
def test_radius_out_of_range(value):
    with pytest.raises(InvalidQueryError, match=r"^radius=.*above 0 and up to 180 degrees"):
        check_radius(value * u.deg)


@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (0,), (2, 0)])
def test_coordinates_of_any_shape(shape):
    lon, lat = np.full(shape, 370.0), np.full(shape, -7.0)
    ra, dec, given = check_coordinates(SkyCoord(lon, lat, unit="deg"))
    assert given == shape
    assert ra.shape == dec.shape == (math.prod(shape),)
    assert ra.dtype == dec.dtype == np.float64
    np.testing.assert_allclose(ra, 10.0, rtol=1e-14)
    np.testing.assert_array_equal(dec, -7.0)


FRAMES = ["icrs", "galactic", "fk5", "fk4", "gcrs", "barycentrictrueecliptic", "supergalactic"]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("distance", [1e-9, 0, 1, 1e6, math.nan])
def test_direction_does_not_depend_on_the_distance(frame, distance):
    plain = SkyCoord([10, 200] * u.deg, [20, -60] * u.deg, frame=frame)
    far = SkyCoord(plain.data.lon, plain.data.lat, distance=distance * u.pc, frame=frame)
    for got, expected in zip(check_coordinates(far)[:2], check_coordinates(plain)[:2], strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(check_coordinates(plain)[0], plain.icrs.ra.deg, rtol=0, atol=1e-10)
    np.testing.assert_allclose(check_coordinates(plain)[1], plain.icrs.dec.deg, rtol=0, atol=1e-10)


def test_frames_and_texts():
    galactic = Galactic(0 * u.deg, 0 * u.deg)
    for given in (SkyCoord(galactic), galactic):
        ra, dec, shape = check_coordinates(given)
        assert (ra[0], dec[0]) == pytest.approx((266.4049882, -28.9361729))
        assert shape == ()
    ra, dec, _ = check_coordinates(SkyCoord(FK5(10 * u.deg, 20 * u.deg, equinox="J1975")))
    assert (ra[0], dec[0]) == pytest.approx((10.3292, 20.137), abs=1e-3)
    ra, dec, shape = check_coordinates("10h00m24s +02d12m00s")
    assert (ra[0], dec[0]) == pytest.approx((150.1, 2.2))
    assert shape == ()


def test_planet_is_where_it_is_seen():
    mars = get_body("mars", Time("2026-01-10"), ephemeris="builtin")
    seen = SkyCoord(mars.ra, mars.dec)
    ra, dec, _ = check_coordinates(mars)
    assert SkyCoord(ra[0], dec[0], unit="deg").separation(seen) < 1 * u.arcmin


def test_frame_about_another_body_needs_its_distance():
    near = SkyCoord(10 * u.deg, 20 * u.deg, distance=1 * u.pc, frame="hcrs")
    ra, dec, _ = check_coordinates(near)
    assert (ra[0], dec[0]) == (near.icrs.ra.deg, near.icrs.dec.deg)
    for frame in ("hcrs", "altaz", "heliocentrictrueecliptic"):
        with pytest.raises(
            InvalidQueryError, match=f"frame '{frame}' cannot be transformed to ICRS"
        ):
            check_coordinates(SkyCoord(10 * u.deg, 20 * u.deg, frame=frame))


@pytest.mark.parametrize(
    ("lon", "lat", "index"),
    [
        (np.array([1, np.nan, 3]), np.array([1.0, 2, 3]), 1),
        (np.array([1.0, 2, 3]), np.array([1, 2, np.nan]), 2),
        (Masked([1.0, 2, 3], mask=[False, False, True]), np.array([1.0, 2, 3]), 2),
        (np.array([1.0, 2, 3]), Masked([1.0, 2, 3], mask=[True, False, True]), 0),
        (Masked([[1.0, 2]], mask=[[False, True]]), Masked([[1.0, 2]], mask=False), 1),
    ],
)
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_coordinates_with_a_gap(lon, lat, index, frame):
    with pytest.raises(InvalidQueryError, match=f"masked or not finite at index {index}$"):
        check_coordinates(SkyCoord(lon * u.deg, lat * u.deg, frame=frame))


@pytest.mark.parametrize("lon", [np.nan, Masked(1.0, mask=True)])
def test_one_position_that_is_none(lon):
    with pytest.raises(InvalidQueryError, match=r"masked or not finite$"):
        check_coordinates(SkyCoord(lon * u.deg, 1 * u.deg))


@pytest.mark.parametrize("text", ["400d +2d", "360d 2d", "-10d +2d", "24h00m00s +2d", "25h +2d"])
def test_a_right_ascension_that_is_none(text):
    """SkyCoord takes 400 degrees for 40."""
    with pytest.raises(InvalidQueryError, match="right ascension that is not from 0 to 360"):
        check_coordinates(text)


def test_mask_that_hides_nothing():
    ra, dec, _ = check_coordinates(SkyCoord(Masked([1.0, 2], mask=False) * u.deg, [3, 4] * u.deg))
    assert type(ra) is type(dec) is np.ndarray
    assert (ra.tolist(), dec.tolist()) == ([1, 2], [3, 4])


@pytest.mark.parametrize(
    "given",
    [
        "M31",
        "10 20 30",
        "10 95",
        "",
        None,
        (10, 20),
        [1, 2],
        5,
        Galactic(),
        Angle(1, "deg"),
        Table(),
    ],
)
def test_what_is_no_position(given):
    with pytest.raises(InvalidQueryError, match=r"^coordinates="):
        check_coordinates(given)


@pytest.mark.parametrize(
    "ids",
    [
        ID,
        str(ID),
        f"  {ID}\n",
        np.int64(ID),
        np.uint64(ID),
        np.str_(ID),
        np.array(ID),
        [ID],
        (str(ID),),
        [np.int64(ID)],
        np.array([ID]),
        np.array([str(ID)]),
        np.array([ID], dtype=object),
        Column([ID]),
        MaskedColumn([ID]),
        Column([str(ID)]),
        Column([str(ID).encode()]),
    ],
    ids=repr,
)
def test_ids(ids):
    got = check_ids(ids, name="atlas_ids", digits=19)
    assert got == [ID]
    assert type(got[0]) is int


def test_ids_keep_their_order_and_duplicates():
    ids = [ID + 5, ID, ID + 5, 2**63 - 1]
    for given in (ids, np.array(ids), [str(i) for i in ids], Column(ids)):
        assert check_ids(given, name="atlas_ids", digits=19) == ids


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (ID // 10, r"\(it has 18\)"),
        (ID * 10, "whole number of 19 digits"),
        (str(ID * 10), r"\(it has 20\)"),
        (2**63, "19 digits"),
        ("9999999999999999999", "19 digits"),
        (float(ID), "is a float"),
        (np.float64(ID), "is a float"),
        (np.float32(ID), "is a float"),
        (math.nan, "is a float"),
        (True, "19 digits"),
        (np.True_, "19 digits"),
        (-ID, "19 digits"),
        (0, "19 digits"),
        ("1e18", "19 digits"),
        (f"+{ID}", "19 digits"),
        (f"{ID}.0", "19 digits"),
        ("1_000_000_000_000_000_001", "19 digits"),
        ("\uff11" * 19, "19 digits"),
        ("0" + str(ID)[1:], "19 digits"),
        ("", "19 digits"),
        (None, "19 digits"),
        (str(ID).encode(), "19 digits"),
        (10**5000, "16610 bits"),
        ({ID: 1}, "19 digits"),
        (1j, "19 digits"),
    ],
    ids=lambda value: f"{value!r:.30}" if not isinstance(value, int) else f"{value:x}"[:30],
)
def test_ids_that_are_wrong(bad, words):
    with pytest.raises(InvalidQueryError, match=words) as caught:
        check_ids(bad, name="atlas_ids", digits=19)
    assert str(caught.value).startswith("atlas_ids=")
    with pytest.raises(InvalidQueryError):
        check_ids([ID, bad], name="atlas_ids", digits=19)


@pytest.mark.parametrize(
    "ids",
    [
        [[ID, ID]],
        np.array([[ID]]),
        MaskedColumn([ID, ID], mask=[False, True]),
        np.array([float(ID)]),
        Column([1.5e18]),
    ],
    ids=repr,
)
def test_sequences_of_ids_that_are_wrong(ids):
    with pytest.raises(InvalidQueryError, match=r"^atlas_ids(\[1\])?="):
        check_ids(ids, name="atlas_ids", digits=19)


@pytest.mark.parametrize(("bad", "n"), [([ID, 5, ID], 1), ([[ID], ID], 0), ((ID, ID, None), 2)])
def test_of_many_ids_the_wrong_one_is_named(bad, n):
    with pytest.raises(InvalidQueryError, match=rf"^atlas_ids\[{n}\]=.* should be"):
        check_ids(bad, name="atlas_ids", digits=19)
    with pytest.raises(InvalidQueryError, match=r"^names\[1\]=7 should be a name"):
        check_names(["a", 7], name="names")


def frame(**columns):
    return pytest.importorskip("pandas").DataFrame(columns, index=[7, 3])


def arrow(**columns):
    return pytest.importorskip("pyarrow").table(columns)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Table({"x": [1.5, 2.5], "atlas_id": [ID, ID + 1]}),
        lambda: QTable({"atlas_id": [str(ID), f"{ID + 1}"]}),
        lambda: frame(atlas_id=[ID, ID + 1], name=["a", "b"]),
        lambda: frame(atlas_id=[ID, ID + 1])["atlas_id"],
        lambda: arrow(atlas_id=[ID, ID + 1]),
        lambda: arrow(atlas_id=[ID, ID + 1])["atlas_id"],
        lambda: np.array([(ID, 1.0), (ID + 1, 2.0)], dtype=[("atlas_id", int), ("x", float)]),
        lambda: {ID + 1, ID},
        lambda: frozenset({ID + 1, ID}),
        lambda: (one for one in (ID, ID + 1)),
        lambda: {ID: "a", ID + 1: "b"}.keys(),
        lambda: range(ID, ID + 2),
        lambda: map(str, (ID, ID + 1)),
    ],
)
def test_ids_come_from_what_a_user_has(make):
    assert check_ids(make(), name="ids", digits=19, columns=("atlas_id",)) == [ID, ID + 1]


def test_an_id_comes_from_a_row():
    table = Table({"x": [1.5], "atlas_id": [ID]})
    assert check_ids(table[0], name="ids", columns=("atlas_id",)) == [ID]
    record = np.array([(ID, 1.0)], dtype=[("atlas_id", int), ("x", float)])[0]
    assert check_ids(record, name="ids", columns=("atlas_id",)) == [ID]


@pytest.mark.parametrize("make", [lambda: Table({"x": [1], "y": [2]}), lambda: frame(x=1, y=2)])
def test_a_table_without_ids_says_what_it_has(make):
    words = "^ids is a table without a column 'atlas_id' or 'id'; it has x, y$"
    with pytest.raises(InvalidQueryError, match=words):
        check_ids(make(), name="ids", columns=("atlas_id", "id"))


def test_ids_of_any_length():
    given = [1, "23", np.int64(2**53 + 1), 2**63 - 1]
    assert check_ids(given, name="oids") == [1, 23, 2**53 + 1, 2**63 - 1]
    for bad in (0, -1, 2**63, str(2**63), 10**5000, "x", "\uff11", True, None, b"1", {1: 2}):
        words = r"^oids=.* of up to 64 bits" + (", or else$" if bad == "x" else "$")
        with pytest.raises(InvalidQueryError, match=words):
            check_ids(bad, name="oids", hint=", or else")
    with pytest.raises(InvalidQueryError, match=r"^oids=1\.0 is a float"):
        check_ids(1.0, name="oids")


@pytest.mark.parametrize("nothing", [[], (), np.array([]), Column([], dtype=np.int64)])
def test_nothing_is_refused(nothing):
    with pytest.raises(InvalidQueryError, match="atlas_ids is empty"):
        check_ids(nothing, name="atlas_ids", digits=19)
    assert check_ids(nothing, name="atlas_ids", digits=19, allow_empty=True) == []
    with pytest.raises(InvalidQueryError, match="names is empty"):
        check_names(nothing, name="names")


@pytest.mark.parametrize(
    ("names", "clean"),
    [
        ("2020tjh", ["2020tjh"]),
        (" AT 2020tjh ", ["AT 2020tjh"]),
        (["a", "b", "a"], ["a", "b", "a"]),
        (Column(["x", "y"]), ["x", "y"]),
        (np.array("z"), None),
        ("Barnard's Stern é", ["Barnard's Stern é"]),
    ],
)
def test_names(names, clean):
    if clean is None:
        with pytest.raises(InvalidQueryError):
            check_names(names, name="names")
    else:
        got = check_names(names, name="names")
        assert got == clean
        assert {type(name) for name in got} == {str}


@pytest.mark.parametrize(
    "bad",
    ["", "  ", "a,b", "a\nb", "a\n", "a\tb", "a\x00", "a\x7f", None, 5, b"a", ["a"], 1.5],
)
def test_names_that_are_wrong(bad):
    with pytest.raises(InvalidQueryError, match=r"^names\[1\]="):
        check_names(["good", bad], name="names")


@pytest.mark.parametrize(
    ("given", "mjd"),
    [
        (60000, 60000.0),
        (np.float32(60000.5), 60000.5),
        (Time(60000, format="mjd"), 60000.0),
        (Time(60000, format="mjd", scale="tdb"), 60000 - 69.184 / 86400),
        ("2023-02-25", 60000.0),
        ("2023-02-25T12:00:00", 60000.5),
        (datetime.datetime(2023, 2, 25, 12), 60000.5),
        (
            datetime.datetime(
                2023, 2, 25, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=6))
            ),
            60000.25,
        ),
        (np.datetime64("2023-02-25"), 60000.0),
        (None, None),
    ],
)
def test_time(given, mjd):
    start, end = check_window(given, given)
    assert start == end
    if mjd is None:
        assert start is None
    else:
        assert type(start) is float
        assert start == pytest.approx(mjd, abs=5e-8, rel=0)


@pytest.mark.parametrize(
    "bad",
    [
        *(True, np.True_, math.nan, math.inf, 10**400, "yesterday", "", "60000", [], [60000], {}),
        *(
            pytest.param(object(), id="object"),
            5 * u.day,
            TimeDelta(5, format="jd"),
            Time([60000, 60001], format="mjd"),
        ),
        *(Time(60000, format="mjd", scale="local"), np.datetime64("NaT", "s"), b"2023-02-25x"),
        Time(np.ma.masked_array([6e4], mask=[True]), format="mjd")[0],
    ],
    ids=lambda value: f"{value!r:.40}" if not isinstance(value, int) else "int",
)
@pytest.mark.parametrize("name", ["start", "end"])
def test_what_is_no_time(bad, name):
    window = {"start": None, "end": None} | {name: bad}
    with pytest.raises(InvalidQueryError, match=rf"^{name}=.*should be one Time"):
        check_window(**window)


# What the same moment, 2020-05-01 or noon of a day later, is when it is no MJD.
OTHER_KINDS = {
    2459000.5: "as a Julian date it is MJD 59000$",
    2459000.75: "as a Julian date it is MJD 59000.25",
    20200501: "as the date 2020-05-01 it is MJD 58970$",
    200501: "as the date 2020-05-01 it is MJD 58970$",
    "20200501": "as the date 2020-05-01 it is MJD 58970$",
    "2459000.5": "as a Julian date it is MJD 59000$",
    "59000": "the number 59000, without quotes, is an MJD",
    1588291200: "as a Unix time it is MJD 58970$",
    1588334400000: "as a Unix time in milliseconds it is MJD 58970.5",
    np.int64(1588334400 * 10**9): "as a Unix time in nanoseconds it is MJD 58970.5",
    20201399: "is not an MJD; an MJD is up to 100000, the year 2132",
    100001: "an MJD is up to 100000",
    Time(2459000.5, format="mjd"): "as a Julian date it is MJD 59000$",
    np.float64(2459000.5): "as a Julian date it is MJD 59000$",
}


@pytest.mark.parametrize("given", OTHER_KINDS, ids=repr)
def test_a_number_that_is_no_mjd_says_which_it_would_be(given):
    for window in ((given, None), (None, given)):
        with pytest.raises(InvalidQueryError, match=OTHER_KINDS[given]):
            check_window(*window)
    assert check_window(0, 1e5) == (0.0, 1e5)


def test_all_arguments_that_are_times_refuse_a_julian_date():
    """Before anything is sent: the addresses are of nobody."""
    from atlasquery.alerce import AlerceClass
    from atlasquery.atlas import AtlasClass
    from atlasquery.forcedphot import AtlasForcedClass
    from atlasquery.skyportal import SkyPortalClass

    nobody = "http://127.0.0.1:9/"
    atlas, forced = AtlasClass(nobody), AtlasForcedClass(nobody)
    alerce, skyportal = AlerceClass(), SkyPortalClass(nobody)
    place = SkyCoord(1, 2, unit="deg")
    jd = 2459000.5
    calls = [
        lambda **window: atlas.get_light_curve(ID, **window),
        lambda **window: atlas.get_forced_photometry(ID, **window),
        lambda **window: atlas.get_light_curves([ID], **window),
        lambda **window: atlas.get_sources([ID], **window),
        lambda **window: forced.submit(place, **window),
        lambda **window: forced.query_position(place, **window),
        lambda **window: alerce.get_light_curve("ZTF18abcdefg", **window),
        lambda **window: skyportal.get_photometry("ZTF18abcdefg", **window),
        lambda **window: skyportal.query_criteria(**window),
    ]
    for call in calls:
        for name in ("start", "end"):
            with pytest.raises(
                InvalidQueryError, match=r"(start|end)=.*as a Julian date it is MJD 59000"
            ):
                call(**{name: jd})
    for name in ("first_detection", "last_detection"):
        with pytest.raises(InvalidQueryError, match="as a Julian date it is MJD 59000"):
            alerce.query_criteria(**{name: (jd, None)})
    for call in (atlas.query_vra_scores, atlas.query_vra_todo, atlas.query_vra_ranks):
        with pytest.raises(InvalidQueryError, match="as a Julian date it is MJD 59000"):
            call(start=jd)
    with pytest.raises(InvalidQueryError, match=r"^time=2459000.5 .*it is MJD 59000"):
        atlas.add_vra_scores(ID, preal=0.5, time=jd)


def test_window_that_ends_before_it_starts():
    with pytest.raises(InvalidQueryError, match="end=60000 is before start=2024-01-01"):
        check_window("2024-01-01", 60000)
    assert check_window(60000, 60000) == (60000.0, 60000.0)


def test_suggestions():
    assert suggest("raduis", ["radius", "cache"]) == "; did you mean 'radius'?"
    assert suggest("zzz", ["radius", "cache"]) == "; it is one of 'radius', 'cache'"
    assert suggest("zzz", []) == ""
    many = suggest("zzz", [f"column_{n}" for n in range(300)])
    assert "'column_39' and 260 others" in many and "column_40" not in many
    assert check_choice("warn", name="on_error", known=("raise", "warn")) == "warn"
    with pytest.raises(InvalidQueryError, match=r"on_error='rise' .* did you mean 'raise"):
        check_choice("rise", name="on_error", known=("raise", "warn"))


@pytest.mark.parametrize("given", [0, -2, 1.5, True, "10"])
def test_what_is_no_number_of_rows_is_refused(given):
    with pytest.raises(InvalidQueryError, match="should be a whole number from 1, or -1"):
        check_max_rows(given, 10)


def test_the_number_of_rows_is_that_of_the_configuration_where_none_is_given():
    assert check_max_rows(None, 10) == 10
    assert check_max_rows(None, -1) is check_max_rows(-1, 10) is None
    assert check_max_rows(np.int64(3), 10) == 3
    with pytest.raises(InvalidQueryError, match=r"conf\.max_rows=0 should be"):
        check_max_rows(None, 0)

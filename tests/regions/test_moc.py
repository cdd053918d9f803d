"""MOCs: every form that files have, positions inside, and what is refused."""

import gzip
import io
import json

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("cdshealpix", reason="the regions extra is not installed")
pytest.importorskip("mocpy", reason="the regions extra is not installed")

import mocpy
from astropy_healpix import lonlat_to_healpix
from maps import fits_bytes, multi_order, positions

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.regions import Moc, read_moc

TEXT = "1/5 3/3 10 4/45-47 22 9/"
CELLS = {1: [5], 3: [3, 10], 4: [45, 46, 47, 22], 9: []}


@pytest.fixture(scope="module")
def moc():
    return mocpy.MOC.from_string(TEXT)


def uniq_fits(numbers, form="K", **cards):
    """Return the bytes of a MOC of the first version."""
    hdu = fits.BinTableHDU.from_columns([fits.Column("UNIQ", form, array=numbers)])
    for key, value in {"PIXTYPE": "HEALPIX", "ORDERING": "NUNIQ", "COORDSYS": "C", **cards}.items():
        hdu.header[key] = value
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    return file.getvalue()


UNIQ = [4 * 4**order + cell for order, cells in CELLS.items() for cell in cells]


def forms(moc, tmp_path):
    """Yield the same MOC in every form."""
    for name, body in (("range.fits", None), ("nuniq.fits", uniq_fits(UNIQ, MOCORDER=9))):
        path = tmp_path / name
        if body:
            path.write_bytes(body)
        else:
            moc.save(str(path), format="fits")
        yield from (path, str(path), path.read_bytes())
        packed = tmp_path / f"{name}.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        yield packed
        with fits.open(path) as hdus:
            yield from (hdus, hdus[1])
    yield from (uniq_fits(UNIQ[::-1], MOCORDER=9), uniq_fits(UNIQ, form="J", MOCORDER=9))
    yield from (TEXT, TEXT.replace(" ", ","), TEXT.replace(" ", "\n"), TEXT.encode())
    yield from (CELLS, {str(order): cells for order, cells in CELLS.items()})
    yield json.dumps(CELLS).encode()
    for name in ("moc.txt", "moc.json"):
        path = tmp_path / name
        moc.save(str(path), format="json" if name == "moc.json" else "ascii", overwrite=True)
        yield path
    yield moc
    yield read_moc(moc)


def test_every_form_is_the_same_region(moc, tmp_path):
    ra, dec = positions(2000)
    inside = moc.contains_lonlat(ra * u.deg, dec * u.deg)
    area = moc.sky_fraction * 4 * np.pi * (180 / np.pi) ** 2
    number = 0
    for source in forms(moc, tmp_path):
        found = read_moc(source)
        assert isinstance(found, Moc)
        assert found.moc() == moc, source
        assert found.order == 9
        assert found.area.unit == u.deg**2
        assert found.area.value == pytest.approx(area, rel=1e-12)
        np.testing.assert_array_equal(found.contains(SkyCoord(ra, dec, unit="deg")), inside)
        number += 1
    assert number > 20
    assert inside.any() and not inside.all()


@given(
    st.dictionaries(
        st.integers(0, 6), st.lists(st.integers(0, 47), min_size=1, max_size=20), max_size=4
    ),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_positions_inside_are_those_whose_cell_is_listed(cells, seed):
    """Cells may overlap, be repeated, and be in any order."""
    cells = {order: [n % (12 * 4**order) for n in numbers] for order, numbers in cells.items()}
    ra, dec = positions(200, seed)
    expected = np.zeros(len(ra), bool)
    for order, numbers in cells.items():
        at = lonlat_to_healpix(ra * u.deg, dec * u.deg, 2**order, order="nested")
        expected |= np.isin(at, numbers)
    moc = read_moc(cells)
    np.testing.assert_array_equal(moc.inside(ra, dec), expected)
    for order in (0, 3, 7):
        covering = np.isin(
            lonlat_to_healpix(ra * u.deg, dec * u.deg, 2**order, order="nested"), moc.cells(order)
        )
        # The cells hold the region; below its smallest cells they are the region.
        assert np.all(covering[expected])
        if order >= moc.order:
            np.testing.assert_array_equal(covering, expected)


def test_contains_positions_of_any_shape_and_frame():
    moc = read_moc("0/4")
    coordinates = SkyCoord([[0, 180], [10, 190]], [[0, 0], [1, 1]], unit="deg")
    assert moc.contains(coordinates.galactic).tolist() == [[True, False], [True, False]]
    assert moc.contains(SkyCoord(370, 0, unit="deg")).shape == ()
    assert moc.contains(SkyCoord([], [], unit="deg")).shape == (0,)
    poles = read_moc("3/63 512")
    assert poles.contains(SkyCoord([0, 0], [90, -90], unit="deg")).tolist() == [True, True]


def test_missing_positions_are_outside_with_a_warning():
    with pytest.warns(InputWarning, match="1 of 2 positions"):
        found = read_moc("0/0-11").contains(SkyCoord([0, np.nan], [0, 0], unit="deg"))
    assert found.tolist() == [True, False]


def test_empty_moc_and_the_whole_sky():
    empty = read_moc("5/")
    assert (empty.order, empty.area.value, len(empty.cells(3))) == (5, 0, 0)
    assert not empty.contains(SkyCoord(10, 10, unit="deg"))
    assert empty.moc().empty()
    assert repr(empty) == "<Moc: 0 cells down to order 5, 0 deg2>"
    whole = read_moc("0/0-11")
    assert whole.area.value == pytest.approx(41252.96124941928, rel=1e-15)
    assert whole.contains(SkyCoord([0, 90], [-90, 90], unit="deg")).all()


def test_moc_at_another_order():
    moc = read_moc("3/0-2 4/12")
    assert str(moc.moc(2)).strip() == "2/0"
    assert moc.moc(7).max_order == 7 and moc.moc(7).sky_fraction == moc.moc().sky_fraction
    assert moc.cells(4).tolist() == list(range(13))
    for order in (-1, 30, 2.5, True, "3"):
        with pytest.raises(InvalidQueryError, match="from 0 to 29"):
            moc.moc(order)
    with pytest.raises(InvalidQueryError, match="order=20"):
        moc.cells(20)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("30/1", "from 0 to 29"),
        ("3/768", "not a cell of order 3, which has 0 to 767"),
        ("3/5-2", "not a cell"),
        ("3/1 -5", "is not a part of a MOC"),
        ("absent.fits", "cannot be read"),
        (b"polygon(1, 2)", "is not a MOC: it begins with 'polygon"),
        (b"\xff\xfe", "neither a FITS file, JSON nor text"),
        (b'{"3": 5}', "'3' is not an order with a list"),
        (b'{"x": [5]}', "is not an order"),
        (b'{"3": [1.5]}', r"1\.5 is not the number of a cell"),
        (b'{"3": [true]}', "True is not the number"),
        (b'{"3": [-1]}', "not a cell"),
        (b'{"99999999999999999999": [1]}', "from 0 to 29"),
        (b'{"3": [1]', "neither"),
        (b"{" * 100_000, "neither"),
        ({"3": ["1"]}, "'1' is not the number"),
        (3, "should be a MOC"),
        (None, "should be a MOC"),
        (uniq_fits([4, 3]), "no UNIQ numbers"),
        (uniq_fits([2**62]), "no UNIQ numbers"),
        (uniq_fits([4.0], form="D"), "no whole numbers"),
        (uniq_fits([4], MOCDIM="TIME"), "MOC of TIME"),
        (uniq_fits([4], COORDSYS="G"), "COORDSYS='G'"),
        (uniq_fits([4, 5, 6], ORDERING="RANGE"), "no ranges"),
        (uniq_fits([9, 5], ORDERING="RANGE"), "reversed"),
        (uniq_fits([4])[:-2880], "should have"),
        (fits_bytes(multi_order(1)), "probability sky map"),
        (gzip.compress(b"3/1", mtime=0)[:-4], "no end"),
    ],
)
def test_what_is_not_a_moc_is_refused(source, words):
    with pytest.raises(InvalidQueryError, match=words):
        read_moc(source)


def test_time_moc_of_mocpy_is_refused():
    with pytest.raises(InvalidQueryError, match="TimeMOC"):
        read_moc(mocpy.TimeMOC.from_string("10/3"))


def test_text_of_a_moc_that_is_also_the_path_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "3"
    folder.mkdir()
    (folder / "1").write_text("0/5")
    assert str(read_moc("3/1").moc()).strip() == "0/5"
    assert str(read_moc("3/2").moc()).strip() == "3/2"


def test_damaged_mocs_raise_typed_errors_only():
    rng = np.random.default_rng(3)
    bodies = [uniq_fits(UNIQ), uniq_fits([0, 4**29], ORDERING="RANGE"), TEXT.encode(),
              json.dumps(CELLS).encode()]  # fmt: skip
    refused = 0
    for n in range(200):
        body = bytearray(bodies[n % 4])
        start = max(body.find(b"XTENSION"), 0)
        for _ in range(rng.integers(1, 4)):
            body[int(rng.integers(start, min(start + 2880, len(body))))] = int(
                rng.integers(32, 127)
            )
        try:
            read_moc(bytes(body)).moc()
        except InvalidQueryError:
            refused += 1
    assert refused > 60

"""The columns of many light curves, found once and laid end to end, whatever they are like."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve import bin
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.columns import TOGETHER, CurveColumns, concatenate


def light_curve(seed, rows=40, **columns):
    rng = np.random.default_rng(seed)
    return QTable(
        {
            "time": Time(np.sort(rng.uniform(59000, 59010, rows)), format="mjd", scale="utc"),
            "band": rng.choice(["o", "c"], rows),
            "flux": rng.normal(100, 20, rows) * u.uJy,
            "flux_err": rng.uniform(10, 30, rows) * u.uJy,
        }
        | columns
    )


@pytest.mark.parametrize(
    "arrays",
    [
        [np.arange(3.0), np.arange(2.0)],
        [np.arange(3.0), np.arange(2)],
        [np.arange(6.0)[::2], np.arange(3.0)],
        [np.arange(3.0), np.arange(3.0).astype(">f8")],
        [np.array(["o", "c"]), np.array(["atlas"])],
        [np.zeros(0), np.zeros(0)],
        [np.zeros(0, "U0"), np.zeros(2, "U0")],
        [np.array(["a", None], object), np.array([[]], object)[0]],
        [np.arange(4.0).reshape(2, 2), np.ones((1, 2))],
        [[1.5, 2.5] * u.mag, [3.5] * u.uJy],
    ],
)
def test_arrays_end_to_end(arrays):
    expected = np.concatenate([np.asarray(array) for array in arrays])
    found = concatenate(arrays)
    assert type(found) is np.ndarray
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_columns_of_many_light_curves():
    curves = [light_curve(n, rows=2) for n in range(TOGETHER + 3)]
    curves[TOGETHER + 1]["flux"] = curves[TOGETHER + 1]["flux"].to(u.mJy)
    del curves[TOGETHER]["band"]
    gathered = CurveColumns(curves)
    assert all(a is lc["flux"] for a, lc in zip(gathered.of("flux"), curves, strict=True))
    assert gathered.units("flux") == [u.uJy, u.mJy]
    assert gathered.units("flux_err") == [u.uJy]
    assert gathered.everywhere("flux")
    assert not gathered.everywhere("band")
    assert gathered.of("band")[TOGETHER] is None


def test_columns_of_other_units_types_and_strides_are_binned_alike():
    plain = {n: light_curve(n) for n in range(6)}
    other = {n: lc.copy() for n, lc in plain.items()}
    other[1]["flux"] = other[1]["flux"].to(u.mJy)
    other[2]["flux_err"] = np.repeat(other[2]["flux_err"].value, 2)[::2] * u.uJy
    other[3]["flux"] = other[3]["flux"].value.astype(">f8") * u.uJy
    other[4]["band"] = other[4]["band"].astype("U5")
    expected, found = bin(plain), bin(other)
    for n in plain:
        for name in ("flux", "flux_err", "n"):
            np.testing.assert_allclose(
                np.asarray(found[n][name]), np.asarray(expected[n][name]), rtol=1e-12
            )
        assert found[n]["band"].tolist() == expected[n]["band"].tolist()


def test_one_of_many_that_is_wrong_is_named():
    curves = {n: light_curve(n) for n in range(4)}
    curves[2]["flux"] = curves[2]["flux"].value * u.mag
    with pytest.raises(InvalidQueryError, match=r"column flux of lc\[2\] is in mag"):
        bin(curves)
    del curves[1]["band"]
    with pytest.raises(InvalidQueryError, match=r"lc\[1\] is not a light curve.*has no column"):
        bin(curves)


@pytest.mark.parametrize("rows", [30, 100, 1000])
def test_pieces_are_of_the_same_rows(rows):
    curves = [light_curve(n, rows=20 + n) for n in range(12)]
    whole = CurveArrays(curves, [f"lc[{n}]" for n in range(12)], ["flux"])
    kept = np.arange(len(whole)) % 3 > 0
    cut = whole.with_columns({"flag": np.arange(len(whole))}, kept)
    for source in (whole, cut):
        pieces = [chunk for _, chunk in source.pieces(rows, None)]
        for read in (CurveArrays.mjd, lambda bare: bare.numbers("flux")):
            np.testing.assert_array_equal(np.concatenate([*map(read, pieces)]), read(source))
        assert source.ends[-1] == len(source) == sum(map(len, pieces))
    np.testing.assert_array_equal(np.diff(cut.ends, prepend=0), np.bincount(cut.places))

"""Many light curves in one table, in files and in data frames."""

import astropy.units as u
import numpy as np
import pytest
import survey_curves as surveys

from atlasquery import combine
from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve import bin, clean, read, stack, to_pandas, write
from atlasquery.tables import LightCurve


@pytest.fixture
def curves():
    return combine({"b": [surveys.atlas(), surveys.ztf()], "a": [surveys.lsst()]})


def plain(column):
    values = getattr(column, "unmasked", column)
    values = getattr(values, "value", values)
    mask = np.asarray(getattr(column, "mask", np.zeros(len(values), bool)))
    return np.ma.array(np.ma.getdata(values), mask=mask)


def assert_rows(table, curves):
    for key, lc in curves.items():
        rows = table[np.asarray(table["object"]) == key]
        assert len(rows) == len(lc)
        for name in lc.colnames:
            one, other = plain(lc[name]), plain(rows[name])
            if name == "time":
                one, other = lc.time.mjd, rows.time.mjd
            assert np.ma.getmaskarray(one).tolist() == np.ma.getmaskarray(other).tolist(), name
            assert np.ma.filled(one == other, True).all(), name


def test_each_row_keeps_its_values(curves):
    table = stack(curves)
    assert isinstance(table, LightCurve) and table.colnames[:2] == ["time", "object"]
    assert table["object"].tolist() == ["b"] * len(curves["b"]) + ["a"] * len(curves["a"])
    assert_rows(table, curves)
    assert table["flux"].unit == u.uJy and table.time.scale == "tai"


def test_columns_of_some_are_masked_for_the_others(curves):
    table = stack(curves)
    of_lsst = [name for name in table.colnames if name.startswith("lsst_")]
    others = np.asarray(table["object"]) == "b"
    assert of_lsst
    for name in of_lsst:
        assert np.asarray(table[name].mask)[others].all()
    flux = table["flux"]
    assert np.isnan(flux.unmasked.value[np.asarray(flux.mask)]).all()


def test_what_clean_and_bin_return_can_be_stacked(curves):
    binned = bin(clean(curves))
    assert_rows(stack(binned), {key: binned[key] for key in binned})


def test_ids_stay_whole_numbers():
    ids = 1100003181021216990, 1100003241021033830
    table = stack({key: surveys.atlas() for key in ids})
    assert table["object"].dtype == np.int64 and set(table["object"].tolist()) == set(ids)


@pytest.mark.parametrize("extension", ["ecsv", "fits", "vot", "parquet", "csv"])
def test_files_of_many(curves, tmp_path, extension):
    if extension == "parquet":
        pytest.importorskip("pyarrow")
    path = write(curves, tmp_path / f"many.{extension}")
    again = read(path)
    assert again.time.scale == "tai"
    assert_rows(again, curves)


def test_a_data_frame_of_many(curves):
    pytest.importorskip("pandas")
    frame = to_pandas(curves)
    assert frame.groupby("object").size().to_dict() == {k: len(curves[k]) for k in curves}


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({}, "curves is empty"),
        ([], "curves is of type list"),
        ({"a": 5}, r"curves\['a'\] is of type int"),
        ({"a": surveys.atlas(), 5: surveys.atlas()}, "keys of curves are int, str"),
        ({"a": surveys.atlas(), "b": surveys.lsst()}, "scale"),
    ],
    ids=range(5),
)
def test_what_is_refused(curves, message):
    with pytest.raises(InvalidQueryError, match=message):
        stack(curves)


def test_a_column_of_that_name_is_refused():
    lc = surveys.atlas()
    lc["object"] = ["x"] * len(lc)
    with pytest.raises(InvalidQueryError, match="has a column 'object' already"):
        stack({"a": lc})

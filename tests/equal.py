"""Whether two tables are the same: classes, values, masks, what lies under them, units, meta."""

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time


def parts(column):
    if isinstance(column, np.ma.MaskedArray):
        return np.asarray(column.data), np.ma.getmaskarray(column)
    values = np.asarray(getattr(column, "unmasked", column))
    return values, np.asarray(getattr(column, "mask", np.zeros(len(values), bool)))


def assert_same_table(found, expected, *, nan_under_mask=True):
    assert type(found) is type(expected)
    assert found.colnames == expected.colnames
    assert len(found) == len(expected)
    for name in expected.colnames:
        assert_same_column(found[name], expected[name], name, nan_under_mask)
    assert_same_meta(dict(found.meta), dict(expected.meta), "meta")


def assert_same_column(found, expected, name, nan_under_mask):
    assert type(found) is type(expected), name
    for attribute in ("description", "format"):
        assert getattr(found.info, attribute) == getattr(expected.info, attribute), name
    assert dict(found.info.meta or {}) == dict(expected.info.meta or {}), name
    if isinstance(expected, SkyCoord):
        assert_same_meta(found, expected, name)
        return
    if isinstance(expected, Time):
        assert_same_time(found, expected, name)
        return
    assert getattr(found, "unit", None) == getattr(expected, "unit", None), name
    (values, mask), (known, missing) = parts(found), parts(expected)
    assert values.dtype == known.dtype, name
    np.testing.assert_array_equal(mask, missing, err_msg=name)
    assert not nan_under_mask or values.dtype.kind != "f" or np.isnan(values[mask]).all(), name
    if values.dtype.kind == "f":
        values, known = (np.where(missing, np.nan, v).astype(v.dtype) for v in (values, known))
        np.testing.assert_array_equal(values, known, err_msg=name)
    else:
        np.testing.assert_array_equal(values[~mask], known[~missing], err_msg=name)


def assert_same_time(found, expected, name):
    for attribute in ("scale", "format", "precision"):
        assert getattr(found, attribute) == getattr(expected, attribute), name
    missing = np.asarray(expected.mask)
    np.testing.assert_array_equal(np.asarray(found.mask), missing, err_msg=name)
    for part in ("jd1", "jd2"):
        one, other = (np.asarray(getattr(time, part))[~missing] for time in (found, expected))
        np.testing.assert_array_equal(one, other, err_msg=name)


def assert_same_meta(found, expected, where):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_same_meta(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list | tuple):
        assert type(found) is type(expected), where
        assert len(found) == len(expected), where
        for n, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same_meta(one, other, f"{where}[{n}]")
    elif isinstance(expected, SkyCoord):
        assert isinstance(found, SkyCoord), where
        assert found.frame.name == expected.frame.name, where
        assert np.all(found.separation(expected) == 0), where
    else:
        assert type(found) is type(expected), where
        assert np.all(found == expected), where

"""Light curves for tests of catalogues: positions over the sky, and what files could lose."""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn
from astropy.time import Time

from atlasquery.lightcurve import build_light_curve
from atlasquery.tables import Column, Rows

# Beyond what a float can hold.
FIRST_ID = 1100003181021216990
META = {
    "survey": "atlas",
    "service": "ATLAS Transient Server",
    "time_reference": "start",
    "time_reference_position": "topocenter",
    "flux_kind": "difference",
    "history": ["fetched"],
}


def light_curve(position, n=5, *, seed=0, name="x", scale="utc", meta=None):
    """Return a light curve whose rows are masked here and there."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(60000, 60100, n))
    flux = np.where(rng.random(n) < 0.3, np.nan, rng.normal(100, 20, n))
    values = {
        "band": np.where(rng.random(n) < 0.5, "o", "c"),
        "detection": np.isfinite(flux),
        "flux": flux,
        "flux_err": np.where(np.isnan(flux), np.nan, 10.0),
        "mag": np.full(n, np.nan),
        "mag_err": np.full(n, np.nan),
        "limiting_mag": rng.uniform(19, 20, n),
        "exposure_time": np.full(n, 30.0),
        "survey": np.full(n, "atlas"),
        "exposure": np.array([f"01a{int(t)}o{k:04}" for k, t in enumerate(time)], dtype=np.str_),
    }
    rows = Rows(length=n)
    rows.add(
        Column("candid", int, about="Number of the alert."),
        FIRST_ID + rng.integers(0, 2**40, n),
        rng.random(n) < 0.2,
    )
    rows.add(Column("zero_point", unit=u.mag, about="Zero point."), rng.normal(25, 1, n))
    rows.add(Column("field", str, about="Field."), np.full(n, "A ±1"), rng.random(n) < 0.3)
    meta = META | {"object": name, "coordinates": position} | (meta or {})
    lc = build_light_curve(time, values, rows, scale=scale, meta=meta)
    lc["judged"] = MaskedColumn(rng.random(n) < 0.5, mask=rng.random(n) < 0.5)
    lc["inserted"] = Time(np.round(time, 6) + 1.0, format="mjd", scale="utc")
    lc["inserted"].format = "isot"
    return lc


def over_the_sky(n=60, *, seed=1, rows=6):
    """Return light curves by id: at the poles, at RA 0, beside borders of pixels, at one place."""
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    special = [(0.0, 90.0), (12.0, -90.0), (0.0, 0.0), (359.9999, 0.0), (45.0, 41.8103),
               (45.0, 41.8103), (90.0005, 10.0), (89.9995, 10.0)]  # fmt: skip
    positions = [*special, *zip(ra.tolist(), dec.tolist(), strict=True)]
    return {
        FIRST_ID + 1000 * k: light_curve(
            SkyCoord(*position, unit="deg"), int(rng.integers(0, rows)), seed=k, name=f"object {k}"
        )
        for k, position in enumerate(positions)
    }


def dense(n=300, *, seed=2, width=0.02):
    """Return light curves in a field of a few pixels."""
    rng = np.random.default_rng(seed)
    ra, dec = 150 + rng.uniform(-width, width, n), 2.2 + rng.uniform(-width, width, n)
    return {
        FIRST_ID + k: light_curve(SkyCoord(ra[k], dec[k], unit="deg"), 3, seed=k, name=f"d{k}")
        for k in range(n)
    }


def assert_same(found, expected, *, descriptions=True):
    """Check that two light curves are equal; times of days to a microsecond."""
    assert type(found) is type(expected)
    assert found.colnames == expected.colnames
    assert len(found) == len(expected)
    for name in expected.colnames:
        one, other = found[name], expected[name]
        assert type(one) is type(other), name
        assert one.info.unit == other.info.unit, name
        assert not descriptions or one.info.description == other.info.description, name
        (values, mask), (known, missing) = bare(one), bare(other)
        np.testing.assert_array_equal(mask, missing, err_msg=name)
        values, known = values[~mask], known[~mask]
        if isinstance(other, Time):
            assert (one.scale, one.format) == (other.scale, other.format)
            np.testing.assert_allclose(values, known, rtol=0, atol=1e-11, err_msg=name)
        else:
            assert values.dtype.kind == known.dtype.kind, name
            np.testing.assert_array_equal(values, known, err_msg=name)
        if np.issubdtype(one.dtype, np.floating) if hasattr(one, "dtype") else False:
            assert np.isnan(bare(one)[0][mask]).all(), name
    meta, known = dict(found.meta), dict(expected.meta)
    position, true = meta.pop("coordinates", None), known.pop("coordinates", None)
    assert meta == known
    assert (position is None) == (true is None)
    assert true is None or position.separation(true).arcsec < 1e-9


def bare(column):
    """Return the values of a column, and where they are masked."""
    mask = np.broadcast_to(np.asarray(getattr(column, "mask", False)), len(column))
    if isinstance(column, Time):
        jd1, jd2 = (np.asarray(getattr(j, "unmasked", j)) for j in (column.jd1, column.jd2))
        return (jd1 - 2451545.0) + jd2, mask
    if isinstance(column, np.ma.MaskedArray):
        return np.asarray(column.data), mask
    plain = getattr(column, "unmasked", column)
    return np.asarray(getattr(plain, "value", plain)), mask

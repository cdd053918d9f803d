"""Light curves to upload, made for the tests."""

import astropy.units as u
import numpy as np
from astropy.table import MaskedColumn
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked

NAN = np.nan


def light_curve(mjd, band, flux=None, flux_err=None, *, limit=None, scale="utc", survey="atlas",
                mag=None, mag_err=None, flag=None, **meta):  # fmt: skip
    """Return a light curve; NaN is masked."""
    n = len(mjd)
    lc = TimeSeries(time=Time(mjd, format="mjd", scale=scale))
    lc["band"] = np.broadcast_to(np.array(band, str), n)
    empty = np.full(n, NAN)
    for name, values, unit in (
        ("flux", flux, u.uJy),
        ("flux_err", flux_err, u.uJy),
        ("mag", mag, u.mag),
        ("mag_err", mag_err, u.mag),
        ("limiting_mag", limit, u.mag),
    ):
        array = empty if values is None else np.asarray(values, float)
        lc[name] = Masked(array * unit, mask=np.isnan(array))
    lc["detection"] = np.nan_to_num(lc["flux"].unmasked.value) > 0
    lc["survey"] = np.full(n, survey)
    lc["exposure"] = MaskedColumn([f"e{k}" for k in range(n)])
    if flag is not None:
        lc["flag"] = np.array(flag, np.int64)
    lc.meta.update(meta)
    return lc


def random_curve(n, seed=1):
    """Return a light curve of two bands with fluxes of all digits and both signs."""
    rng = np.random.default_rng(seed)
    mjd = np.sort(60000 + 400 * rng.random(n))
    return light_curve(
        mjd, np.where(rng.random(n) < 0.3, "c", "o"), rng.normal(0, 100, n), 5 + rng.random(n)
    )

"""Light curves in the form of other packages: pandas, lightkurve, SNCosmo, nested-pandas."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.table import MaskedColumn, Table
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.checks import check_light_curve, one_scale
from atlasquery.lightcurve.exposures import of_one_flux_kind, repeated_exposures
from atlasquery.lightcurve.flags import excluded
from atlasquery.lightcurve.schema import ZERO_POINT, Conventions
from atlasquery.lightcurve.sncosmo_names import SNCOSMO_NAMES
from atlasquery.lightcurve.stacking import stack
from atlasquery.lightcurve.time_scales import SECONDS
from atlasquery.service.inputs import check_choice
from atlasquery.tables.packages import require

if TYPE_CHECKING:
    import lightkurve
    import nested_pandas
    import pandas as pd

__all__ = ["to_lightkurve", "to_nested", "to_pandas", "to_sncosmo"]

# Names of the bands of surveys in SNCosmo.
SNCOSMO_BANDS = {
    ("atlas", "c"): "atlasc",
    ("atlas", "o"): "atlaso",
    **{("ztf", band): f"ztf{band}" for band in "gri"},
    **{("lsst", band): f"lsst{band}" for band in "ugrizy"},
    **{("ps1", band): f"ps1::{band}" for band in "grizyw"},
}


def to_pandas(lc: TimeSeries | Mapping) -> "pd.DataFrame":
    """Return a light curve as a data frame of pandas, or many as one.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries` or mapping
        A light curve; or light curves by object, which `stack` puts into one table with a
        column ``object``.

    Returns
    -------
    `pandas.DataFrame`
        A row for each of `lc`, indexed by ``time`` (to the nanosecond, in the
        scale of ``lc.time``, without a time zone). The first column is ``mjd``, to
        the full precision; then those of `lc`, bare, in its units. Missing numbers
        are NaN, missing integers and booleans ``<NA>``, missing times ``NaT``.
        ``attrs`` has ``units``, ``time_scale`` and what of ``meta`` is a number or a
        text.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a time series.
    ImportError
        If pandas is not installed: it comes with ``atlasquery[parquet]``.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import to_pandas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> frame = to_pandas(Atlas.get_light_curve(found["atlas_id"][0]))
    >>> frame.attrs["units"]["flux"], str(frame["atlas_id"].dtype)
    ('uJy', 'Int64')
    >>> len(frame.groupby("band")["flux"].mean())
    4
    """
    table: Any = stack(lc) if isinstance(lc, Mapping) else lc
    _check(table)
    pd = require("pandas", "parquet")
    # Nothing shows what is under the mask of a time.
    columns = {"mjd": np.where(table.time.mask, np.nan, bare_mjd(table.time))}
    units = {"mjd": "d"}
    for name, column in table.columns.items():
        if name == "time":
            continue
        columns[name] = _series(pd, column)
        if getattr(column, "unit", None):
            units[name] = str(column.unit)
    frame = pd.DataFrame(columns)
    frame.index = pd.Index(_datetimes(table.time), name="time")
    frame.attrs = {k: v for k, v in table.meta.items() if isinstance(v, str | int | float)}
    frame.attrs |= {"units": units, "time_scale": table.time.scale}
    return frame


def to_lightkurve(lc: TimeSeries, *, band: str | None = None) -> "lightkurve.LightCurve":
    """Return one band of a light curve as a light curve of lightkurve.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve.
    band : str, optional
        The band. It may be left out where `lc` has fluxes in one only: lightkurve
        does not know bands, and would mix them in a periodogram.

    Returns
    -------
    `lightkurve.LightCurve`
        With ``flux`` and ``flux_err`` (uJy), of the rows of `band` that have a flux
        and that `clean` did not flag as bad, one of each exposure, and ``meta``. The signed
        flux of a difference has no median to divide by, so ``normalize`` has no meaning for it.

    Raises
    ------
    InvalidQueryError
        If `lc` has no such band, or several and none is chosen; if it has fluxes of several
        surveys, or was combined of a difference and total, in the band.
    ImportError
        If lightkurve is not installed: it comes with ``atlasquery[lightkurve]``.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import to_lightkurve
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> lc = Atlas.get_light_curve(found["atlas_id"][0])
    >>> o_band = to_lightkurve(lc, band="o")  # doctest: +SKIP
    >>> o_band.to_periodogram()  # doctest: +SKIP
    """
    bare = CurveArrays([_check(lc)], ["lc"], ("band", "flux", "flux_err"))
    flux, flux_err = bare.numbers("flux"), bare.numbers("flux_err")
    band_of, known = bare.labels("band")
    measured = np.isfinite(flux) & ~excluded(bare) & np.isfinite(bare.mjd()) & known
    bands = sorted(set(band_of[measured].tolist()))
    if band is None:
        if len(bands) > 1:
            raise InvalidQueryError(
                f"lc has fluxes in the bands {', '.join(bands)}; choose one: band={bands[0]!r}"
            )
    else:
        check_choice(band, name="band", known=bands)
        measured &= band_of == band
    _check_alike(bare, measured)
    again = repeated_exposures(bare, measured)
    measured[again] = False
    lightkurve = require("lightkurve", "lightkurve")
    return lightkurve.LightCurve(
        time=lc.time[measured],
        flux=flux[measured] * u.uJy,
        flux_err=flux_err[measured] * u.uJy,
        meta={**lc.meta, "LABEL": str(lc.meta.get("object", ""))},
    )


def _check_alike(bare: CurveArrays, measured: np.ndarray) -> None:
    """Refuse fluxes of several surveys, or of differences and totals, for what knows neither."""
    for name in ("survey", "flux_kind"):
        if not bare.has(name):
            continue
        values = sorted(set(bare.labels(name)[0][measured].tolist()))
        if len(values) > 1:
            raise InvalidQueryError(
                f"lc has fluxes of {' and '.join(values)} in this band; choose the rows of one: "
                f"lc[lc[{name!r}] == {values[0]!r}]"
            )


def to_sncosmo(lc: TimeSeries, *, bands: Mapping[str, str | None] | None = None) -> Table:
    """Return a light curve as a table for SNCosmo.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve.
    bands : mapping of str to str or None, optional
        Names of SNCosmo for bands of the survey, in addition to those known: ATLAS (o, c),
        ZTF (g, r, i), LSST and Pan-STARRS, and SNCosmo's names for any band, which
        SkyPortal uses. None leaves out the rows of a band.

    Returns
    -------
    `~astropy.table.Table`
        ``time`` (MJD of the middle of the exposure, in the scale of `lc`; a time whose
        ``time_reference`` is ``"unknown"`` is taken for the start), ``band``
        (``atlaso``, ``atlasc``), ``flux`` and ``fluxerr`` (uJy), ``zp`` (23.9) and
        ``zpsys`` (``ab``), of the rows that have a flux and an error above 0, and that
        `clean` did not flag as bad; one of each exposure, and no total flux where there
        are fluxes of a difference. ``meta["left_out"]`` is the number of the others.

    Raises
    ------
    InvalidQueryError
        If rows with a flux have bands that have no name; all of these are named.

    References
    ----------
    https://sncosmo.readthedocs.io/en/stable/photdata.html

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import to_sncosmo
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> lc = Atlas.get_light_curve(found["atlas_id"][0])
    >>> data = to_sncosmo(lc, bands={"t": None, "w": None})
    >>> data.colnames
    ['time', 'band', 'flux', 'fluxerr', 'zp', 'zpsys']
    """
    bare = CurveArrays(
        [_check(lc)], ["lc"], ("band", "survey", "flux", "flux_err", "exposure_time")
    )
    flux, error = bare.numbers("flux"), bare.numbers("flux_err")
    kept = np.isfinite(flux) & np.isfinite(error)
    kept[kept] = error[kept] > 0
    kept &= ~excluded(bare) & np.isfinite(bare.mjd()) & bare.labels("band")[1]
    kept &= of_one_flux_kind(bare, kept)
    kept[repeated_exposures(bare, kept)] = False
    names = _sncosmo_names(bare, kept, dict(bands or {}))
    kept &= names != ""
    conventions = Conventions.of(lc.meta)
    middle = lc.time.mjd
    if conventions.before_middle:
        # Where the exposure time is not known the start has to do.
        middle = middle + 0.5 * np.nan_to_num(bare.numbers("exposure_time")) / SECONDS
    n = int(kept.sum())
    meta = {k: v for k, v in lc.meta.items() if isinstance(v, str | int | float)}
    if conventions.time_reference == "start":
        meta |= {"time_reference": "middle", "time_reference_note": "middle of exposure"}
    table = Table(meta={**meta, "left_out": len(lc) - n})
    table["time"] = middle[kept]
    table["band"] = names[kept]
    table["flux"], table["fluxerr"] = flux[kept], error[kept]
    table["zp"], table["zpsys"] = np.full(n, ZERO_POINT), np.full(n, "ab")
    return table


def to_nested(
    lcs: Mapping[Any, TimeSeries] | Iterable[TimeSeries],
) -> "nested_pandas.NestedFrame":
    """Return many light curves as one frame of nested-pandas.

    Parameters
    ----------
    lcs : mapping or iterable of `~astropy.timeseries.TimeSeries`
        Light curves, such as `~atlasquery.atlas.AtlasClass.get_light_curves`
        returns. Those of a mapping are named by its keys, others by their index.

    Returns
    -------
    `nested_pandas.NestedFrame`
        A row for each: ``object``, ``survey``, ``ra`` and ``dec`` (deg), and
        ``light_curve`` with the columns of `to_pandas`.

    Raises
    ------
    InvalidQueryError
        If one of them is not a time series, or they differ in time scale: the times of
        all would be in one column.
    ImportError
        If nested-pandas is not installed: it comes with ``atlasquery[nested]``.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import to_nested
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> ids = Atlas.query_region(centre, radius="2 arcmin")["atlas_id"]
    >>> nested = to_nested(Atlas.get_light_curves(ids))  # doctest: +SKIP
    >>> nested["light_curve.flux"].max()  # doctest: +SKIP
    """
    named = dict(lcs) if isinstance(lcs, Mapping) else dict(enumerate(lcs))
    for key, lc in named.items():
        _check(lc, f"lcs[{key!r}]")
    # A frame has one column of times for all, which says nothing of scales.
    one_scale((f"lcs[{key!r}]", lc) for key, lc in named.items())
    nested_pandas = require("nested_pandas", "nested")
    pd = require("pandas", "parquet")
    keys = pd.Index(list(named), name="id")
    base = nested_pandas.NestedFrame([_about(lc) for lc in named.values()], index=keys)
    if not named:
        return base
    frames = [to_pandas(lc).reset_index() for lc in named.values()]
    for frame in frames:
        # Those of each would have to be equal to be kept.
        frame.attrs = {}
    flat = pd.concat(frames, ignore_index=True)
    flat.index = keys.repeat([len(frame) for frame in frames])
    return base.join_nested(flat, "light_curve")


def _about(lc: TimeSeries) -> dict:
    coordinates = lc.meta.get("coordinates")
    return {
        "object": str(lc.meta.get("object", "")),
        "survey": str(lc.meta.get("survey", "")),
        "ra": float(coordinates.icrs.ra.deg) if coordinates is not None else np.nan,
        "dec": float(coordinates.icrs.dec.deg) if coordinates is not None else np.nan,
    }


def _sncosmo_names(bare: CurveArrays, kept: np.ndarray, given: dict) -> np.ndarray:
    """Return the name of the band of each row, empty where the row is to be left out."""
    bands, surveys = (bare.labels(name)[0] for name in ("band", "survey"))
    known, unknown = {}, []
    for survey, band in sorted(set(zip(surveys[kept].tolist(), bands[kept].tolist(), strict=True))):
        same = band if band in SNCOSMO_NAMES else "?"
        name = given[band] if band in given else SNCOSMO_BANDS.get((survey, band), same)
        if name == "?":
            unknown.append(f"{band!r} of {survey}")
        known[survey, band] = name or ""
    if unknown:
        given = {band: None for (_, band), name in known.items() if name == "?"}
        raise InvalidQueryError(
            f"lc has fluxes in the bands {', '.join(unknown)}, for which no name of SNCosmo is "
            f"known: name them in bands, or leave their rows out with bands={given}"
        )
    names = [known.get(pair, "") for pair in zip(surveys.tolist(), bands.tolist(), strict=True)]
    return np.array(names, dtype=np.str_)


def _series(pd: Any, column: Any) -> Any:
    """Return a column as pandas keeps it without a loss: integers and booleans exact."""
    if isinstance(column, Time):
        return _datetimes(column)
    if isinstance(column, MaskedColumn):
        values, mask = np.asarray(column.data.data), np.ma.getmaskarray(column)
    else:
        values = np.asarray(getattr(column, "unmasked", column))
        mask = np.asarray(getattr(column, "mask", np.zeros(len(values), bool)))
    # pandas has no numbers of the other byte order, in which FITS files come.
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype.kind == "S":
        # Bytes, as astropy reads them from FITS, are text.
        values = np.char.decode(values, "utf-8")
    kind = values.dtype.kind
    if kind == "f":
        return np.where(mask, np.nan, values)
    if kind in "iub" and isinstance(column, MaskedColumn | Masked):
        masked = pd.arrays.BooleanArray if kind == "b" else pd.arrays.IntegerArray
        return masked(values, mask)
    if kind == "U":
        texts = values.astype(object)
        texts[mask] = None
        # pandas 2 makes the text "None" of None in an array of its type "str".
        return pd.array(texts, dtype="str") if int(pd.__version__.split(".")[0]) > 2 else texts
    return values


def bare_mjd(times: Time) -> np.ndarray:
    """Return the MJD of times, whether they are masked or not.

    Parameters
    ----------
    times : `~astropy.time.Time`
        The times.

    Returns
    -------
    `~numpy.ndarray`
        Without a mask.
    """
    mjd = times.mjd
    return np.asarray(getattr(mjd, "unmasked", mjd))


def _datetimes(times: Time) -> np.ndarray:
    mask = np.asarray(times.mask)
    found = np.full(len(times), np.datetime64("NaT", "ns"))
    if not mask.all():
        known = times[~mask]
        try:
            values = known.datetime64
        except ValueError:
            # numpy knows no second 60: as POSIX and astropy's datetimes have it, it is the
            # first of the next day.
            known = Time(known, format="isot", precision=9)
            texts = np.asarray(getattr(known.value, "unmasked", known.value))
            leap = np.strings.find(texts, ":60") >= 0
            texts = np.strings.replace(texts, ":60", ":59")
            values = texts.astype("datetime64[ns]") + leap * np.timedelta64(1, "s")
        found[~mask] = np.asarray(getattr(values, "unmasked", values))
    return found


def _check(lc: TimeSeries, name: str = "lc") -> TimeSeries:
    if not isinstance(lc, TimeSeries):
        raise InvalidQueryError(f"{name} should be a TimeSeries, not {type(lc).__name__}")
    # A folded light curve has phases instead of times.
    check_light_curve(lc, name=name)
    return lc

"""Many light curves as one table, with a column that names the object of each row."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.table import Column, Table, vstack
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked, MaskedNDArray

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.checks import one_scale
from atlasquery.tables import LightCurve

__all__ = ["stack"]

# The column that names the object.
OBJECT = "object"


def stack(curves: Mapping) -> TimeSeries:
    """Put many light curves into one table, such as for a file or a data frame.

    Parameters
    ----------
    curves : mapping of `~astropy.timeseries.TimeSeries`
        Light curves by object, all in one time scale, as `clean`, `bin` and
        `~atlasquery.lightcurve.combine` return them for many objects.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        The rows of all, one light curve after the other, in the order of `curves`. After
        ``time``, the column ``object`` has the keys of `curves`. A column that only some light
        curves have is masked in the rows of the others. ``meta`` has what all agree in.
        `clean`, `bin` and `summary` take the mapping itself: call them before.

    Raises
    ------
    InvalidQueryError
        If `curves` is empty, one is not a light curve or has a column ``object``, the keys are
        neither all whole numbers nor all strings, or time scales or units differ.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import stack
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> ids = Atlas.query_region(centre, radius="2 arcmin")["atlas_id"]
    >>> curves = {int(i): Atlas.get_light_curve(i) for i in ids[:2]}
    >>> table = stack(curves)
    >>> len(table) == sum(map(len, curves.values())), table.colnames[:3]
    (True, ['time', 'object', 'band'])
    """
    if not isinstance(curves, Mapping):
        raise InvalidQueryError(
            f"curves is of type {type(curves).__name__}: give a mapping of objects to light curves"
        )
    if not curves:
        raise InvalidQueryError("curves is empty: give at least one light curve")
    keys = _keys(curves)
    tables = []
    for key, lc in curves.items():
        if not isinstance(lc, TimeSeries):
            raise InvalidQueryError(
                f"curves[{key!r}] is of type {type(lc).__name__}, not a TimeSeries"
            )
        if OBJECT in lc.colnames:
            raise InvalidQueryError(
                f"curves[{key!r}] has a column {OBJECT!r} already: rename it before"
            )
        tables.append(lc)
    one_scale([(f"curves[{key!r}]", lc) for key, lc in curves.items()])
    try:
        # A Table, since a TimeSeries is stacked column by column through all of its checks.
        rows = vstack(
            [Table(lc, copy=False) for lc in tables], metadata_conflicts="silent", join_type="outer"
        )
    except Exception as error:
        # Units that cannot be converted, or types that no column can have together.
        raise InvalidQueryError(f"curves cannot be one table: {error}") from error
    for name in rows.colnames:
        _hide(rows[name])
    names = np.repeat(keys, [len(lc) for lc in tables])
    description = "The object, by its key."
    rows.add_column(Column(names, description=description), index=1, name=OBJECT)
    rows.meta = _shared_meta([lc.meta for lc in tables])
    return LightCurve(rows)


def _keys(curves: Mapping) -> np.ndarray:
    """Return the keys as a column of one type."""
    keys = list(curves)
    if all(isinstance(key, (int, np.integer)) and not isinstance(key, bool) for key in keys):
        return np.array(keys, dtype=np.int64)
    if all(isinstance(key, str) for key in keys):
        return np.array(keys, dtype=np.str_)
    raise InvalidQueryError(
        f"the keys of curves are {', '.join(sorted({type(key).__name__ for key in keys}))}: "
        "they should be whole numbers or strings"
    )


def _hide(column: Any) -> None:
    """Put NaN under the mask of numbers, where `vstack` leaves any value."""
    if isinstance(column, (Masked, MaskedNDArray)):
        values, mask = column.unmasked, column.mask
    elif isinstance(column, np.ma.MaskedArray):
        values, mask = column.data, column.mask
    else:
        return
    if getattr(values, "dtype", np.dtype(int)).kind == "f" and np.any(mask):
        np.asarray(values)[mask] = np.nan


def _shared_meta(metas: list[Mapping]) -> dict:
    """Return the items that all have, with equal values."""
    first, *others = metas
    shared = {}
    for name, value in first.items():
        try:
            if all(name in meta and bool(np.all(meta[name] == value)) for meta in others):
                shared[name] = value
        except Exception:  # noqa: S112 - what cannot be compared is not equal
            continue
    return shared

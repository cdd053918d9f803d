"""Payloads of writes: scores, ranks and dates, checked, one payload for each object."""

from numbers import Integral, Real
from typing import Any

import astropy.units as u
import numpy as np
from astropy.time import Time
from astropy.time.core import ScaleValueError
from astropy.utils.masked import get_data_and_mask

from atlasquery.atlas.base import check_atlas_ids
from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import check_mjd, column_names, suggest

__all__ = ["PROBABILITIES", "SCORES", "payloads", "spread_table"]

PROBABILITIES = ("preal", "pgal", "pfast")
RANKS = ("rank", "rank_alt1")
FLAGS = ("is_gal_cand", "debug")
SCORES = (*PROBABILITIES, *RANKS, "is_gal_cand")

# "A value out of range of its column fails" with a status of 500: FLOAT, and TIMESTAMP.
LARGEST = 3.4e38
FIRST, LAST = np.datetime64("1970-01-01T00:00:01"), np.datetime64("2038-01-19T03:14:07")


def spread_table(atlas_ids: object, given: dict) -> tuple[object, dict]:
    """Return ids and columns of a table with ``atlas_id``; return other ids unchanged.

    Parameters
    ----------
    atlas_ids : table, int, str, or iterable
        The argument for the ids; a table of astropy, or a data frame.
    given : dict
        The keyword arguments, None where not given.

    Returns
    -------
    ids : object
        The ids.
    given : dict
        With the table's columns.

    Raises
    ------
    InvalidQueryError
        If the table has no ids, a column that is not known, or one given twice.
    """
    names = column_names(atlas_ids)
    if names is None:
        return atlas_ids, given
    if "atlas_id" not in names:
        raise InvalidQueryError(
            f"the table has no column 'atlas_id' but {', '.join(map(repr, names))}"
        )
    columns = {name: _column_values(atlas_ids, name) for name in names if name != "atlas_id"}
    for name in columns:
        if name not in given:
            raise InvalidQueryError(
                f"the table has a column {name!r} that is not a score{suggest(name, given)} "
                "Pass the columns to write, such as table['atlas_id', 'preal']."
            )
        if given[name] is not None:
            raise InvalidQueryError(f"{name} is given both in the table and by keyword")
    return _column_values(atlas_ids, "atlas_id"), given | columns


def _column_values(table: Any, name: str) -> Any:
    column = table[name]
    # A column of pyarrow has scalars of a different kind.
    return column.to_pylist() if hasattr(column, "to_pylist") else column


def payloads(
    atlas_ids: object, given: dict, *, needed: tuple[str, ...] = (), one_of: tuple[str, ...] = ()
) -> tuple[list[int], list[dict]]:
    """Return the payload for each object.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        The ids.
    given : dict
        A value for all, or one for each, by name; None or masked where there is none.
    needed : tuple of str, optional
        Names that must have a value for each object.
    one_of : tuple of str, optional
        Names of which each object must have a value.

    Returns
    -------
    ids : list of int
        In the order given.
    payloads : list of dict
        By wire name, without what is None.
    """
    ids = check_atlas_ids(atlas_ids, allow_empty=True)
    ordered = not isinstance(atlas_ids, (set, frozenset))
    columns = {
        "insertdate" if name == "time" else name: _spread(name, value, ids, ordered)
        for name, value in given.items()
    }
    sent = []
    for n, one in enumerate(ids):
        row = {name: values[n] for name, values in columns.items() if values[n] is not None}
        for name in needed:
            if name not in row:
                raise InvalidQueryError(f"{name} is missing for {one}, and the server needs it")
        if one_of and not any(name in row for name in one_of):
            raise InvalidQueryError(f"{one} has nothing to write: give one of {', '.join(one_of)}")
        sent.append({"objectid": one, **row})
    return ids, sent


def _spread(name: str, value: object, ids: list[int], ordered: bool) -> list:
    n = len(ids)
    if value is None:
        return [None] * n
    value = _without_index(value)
    values = _times(value) if name == "time" else _values(name, value, ids)
    if isinstance(values, list):
        if len(values) != n:
            raise InvalidQueryError(
                f"{name} has {len(values)} values for {n} ids: give one for each, or one for all"
            )
        if not ordered:
            raise InvalidQueryError(
                f"{name} has a value for each id, but a set of ids has no order: give a list"
            )
        return values
    return [values] * n


def _without_index(value: Any) -> Any:
    """Return the values of a column of a data frame, in its order, whatever its index is."""
    if isinstance(value, (np.ndarray, u.Quantity, Time)) or not hasattr(value, "to_list"):
        return value
    if str(value.dtype).startswith("datetime64"):
        # In UTC, where it has a time zone.
        return value.to_numpy(dtype="datetime64[ns]")
    # There a NaN is what is missing.
    missing = value.isna().to_list() if hasattr(value, "isna") else [False] * len(value)
    return [None if gone else one for one, gone in zip(value.to_list(), missing, strict=True)]


def _values(name: str, value: Any, ids: list[int]) -> Any:
    """Return one checked value, or a list of them; None where one is masked."""
    if isinstance(value, (list, tuple)):
        # numpy would turn mixed values into strings, and whole numbers with None into floats.
        value = np.array([*value, None], dtype=object)[:-1]
    if getattr(value, "unit", None) not in (None, u.dimensionless_unscaled):
        raise InvalidQueryError(f"{name} has the unit {value.unit}, where no unit is allowed")
    data, mask = get_data_and_mask(value)
    data = np.asarray(data)
    if data.ndim > 1:
        raise InvalidQueryError(f"{name} has {data.ndim} dimensions; give one value for each id")
    mask = np.broadcast_to(False if mask is None else mask, data.shape)
    checked: list = []
    for one, hidden in zip(data.ravel().tolist(), mask.ravel(), strict=True):
        missing = hidden or one is None or one is np.ma.masked
        try:
            checked.append(None if missing else CHECKS[name](name, _plain(one)))
        except InvalidQueryError as error:
            if data.ndim == 0 or len(data) != len(ids):
                raise
            raise InvalidQueryError(f"{error}, for {ids[len(checked)]}") from None
    return checked if data.ndim else checked[0]


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _number(name: str, value: Any) -> float:
    size: Any = abs(value) if isinstance(value, Real) and not isinstance(value, bool) else np.nan
    if not size <= LARGEST:
        raise InvalidQueryError(f"{name}={value!r:.80} should be a finite number")
    return float(value)


def _probability(name: str, value: object) -> float:
    number = _number(name, value)
    if not 0 <= number <= 1:
        raise InvalidQueryError(f"{name}={value!r} should be a probability, from 0 to 1")
    return number


def _flag(name: str, value: object) -> int | str:
    if not isinstance(value, (bool, Integral)) or value not in (0, 1):
        raise InvalidQueryError(f"{name}={value!r:.80} should be True or False")
    return int(value) if name == "is_gal_cand" else str(bool(value)).lower()


CHECKS = {
    **dict.fromkeys(PROBABILITIES, _probability),
    **dict.fromkeys(RANKS, _number),
    **dict.fromkeys(FLAGS, _flag),
}


def _times(value: object) -> object:
    right = "should be a Time, an ISO date or an MJD"
    try:
        numeric = not isinstance(value, Time) and np.asarray(value).dtype.kind in "iuf"
        numbers: Any = (
            np.ma.filled(np.ma.asarray(value, dtype=float), np.nan) if numeric else np.nan
        )
    except (ValueError, TypeError) as error:
        raise InvalidQueryError(f"time={value!r:.200} {right}") from error
    check_mjd(numbers, name="time")
    try:
        time = Time(value, format="mjd", scale="utc") if numeric else Time(value)
        masked = np.ravel(time.mask)
        # A date stored as two floats may be a nanosecond short of its second.
        when = np.ravel(time.utc.unmasked.datetime64) + np.timedelta64(500, "us")
    except (ValueError, TypeError, LookupError, OverflowError, ScaleValueError) as error:
        raise InvalidQueryError(f"time={value!r:.200} {right}") from error
    when = when.astype("datetime64[s]")
    bad = ~masked & ~((when >= FIRST) & (when <= LAST))
    if bad.any():
        raise InvalidQueryError(
            f"time={when[np.argmax(bad)]} is out of the server's range, {FIRST} to {LAST}"
        )
    strings = [None if m else f"{one}Z" for one, m in zip(when, masked, strict=True)]
    return strings if time.shape else strings[0]

"""The columns of a hundred thousand light curves, looked up once, and concatenated."""

from collections.abc import Sequence
from operator import attrgetter
from types import NoneType
from typing import Any, cast

import astropy.units as u
import numpy as np
from astropy.table import Table

from atlasquery.lightcurve.schema import SCHEMA

__all__ = ["CurveColumns", "common_dtype", "concatenate", "masks_of"]

# Looked up together: the names of a light curve's columns are then in the processor's cache. Those
# after `SCHEMA` are looked for in any light curve, and most have none of them.
USUAL = ("time", *(column.name for column in SCHEMA), "flag", "flux_kind", "measurement",
         "duplicate_of", "timeWithdrawnMjdTai", "lsst_timeWithdrawnMjdTai")  # fmt: skip
# Called by `map`, without a step of the interpreter for each column.
_dtype, _mask, _unit = attrgetter("dtype"), attrgetter("mask"), attrgetter("unit")
# Number of light curves whose columns and units are looked up together: of a hundred thousand,
# the first have left the processor's cache when the last are reached.
TOGETHER = 256


class CurveColumns:
    """The columns of many light curves by name.

    To find a column in its table, and then its unit, takes a considerable part of the time of
    averaging its few hundred numbers; so each is looked up only once.

    Parameters
    ----------
    curves : sequence of `~astropy.table.Table`
        Light curves.
    """

    def __init__(self, curves: Sequence[Table]):
        self._curves = curves
        self._columns: dict[str, list] = {}
        self._types: dict[str, set[type]] = {}
        self._units: dict[str, list[u.UnitBase | None]] = {}

    def look_up(self, *names: str) -> None:
        """Look up several columns at once, in a third of the time of one by one.

        Parameters
        ----------
        *names : str
            Their names.
        """
        new = [name for name in dict.fromkeys(names) if name not in self._columns]
        if not new:
            return
        self._columns |= {name: [] for name in new}
        self._types |= {name: set() for name in new}
        for first in range(0, len(self._curves), TOGETHER):
            some = self._curves[first : first + TOGETHER]
            # One flat list: a tuple for each light curve would set the garbage collector to work.
            flat = [column for lc in some for column in map(lc.columns.get, new)]
            for n, name in enumerate(new):
                columns = flat[n :: len(new)]
                self._columns[name] += columns
                self._types[name] |= set(map(type, columns))

    def of(self, name: str) -> list:
        """Return one column of each light curve.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        list
            None for a light curve without it.
        """
        if name not in self._columns:
            self.look_up(name, *USUAL)
        return self._columns[name]

    def everywhere(self, name: str) -> bool:
        """Return whether all light curves have a column.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        bool
            True also if there is no light curve.
        """
        self.of(name)
        return NoneType not in self._types[name]

    def types(self, name: str) -> set[type]:
        """Return the classes of a column.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        set of type
            That of None where a light curve does not have it.
        """
        self.of(name)
        return self._types[name]

    def nowhere(self, name: str) -> bool:
        """Return whether no light curve has a column.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        bool
            True also if there is no light curve.
        """
        self.of(name)
        return self._types[name] <= {NoneType}

    def units(self, name: str) -> list[u.UnitBase | None]:
        """Return the different units that a column of numbers has.

        Parameters
        ----------
        name : str
            Its name; all light curves should have it.

        Returns
        -------
        list
            Each once; None where it has no unit.
        """
        if name not in self._units:
            try:
                units = list(map(_unit, self.of(name)))
            except AttributeError:
                units = [getattr(column, "unit", None) for column in self.of(name)]
            self._units[name] = list(dict(zip(map(id, units), units, strict=True)).values())
        return self._units[name]


def common_dtype(arrays: Sequence[np.ndarray]) -> np.dtype | None:
    """Return the type that all arrays have.

    Parameters
    ----------
    arrays : sequence of `~numpy.ndarray`
        At least one.

    Returns
    -------
    `~numpy.dtype` or None
        None where their types differ.
    """
    # To compare with one takes half the time of a set, for which each type of strings is hashed.
    dtypes = list(map(_dtype, arrays))
    return dtypes[0] if dtypes.count(dtypes[0]) == len(dtypes) else None


def masks_of(columns: Sequence, lengths: np.ndarray) -> list[np.ndarray] | None:
    """Return where columns are masked.

    Parameters
    ----------
    columns : sequence of `~numpy.ndarray`
        Columns of any class.
    lengths : `~numpy.ndarray` of int64
        Their lengths.

    Returns
    -------
    list of `~numpy.ndarray` of bool or None
        One mask of each; None where none has a mask.
    """
    # The class tells: to look for an attribute that a quantity does not have takes a microsecond.
    masked = {kind: hasattr(kind, "mask") for kind in set(map(type, columns))}
    if not any(masked.values()):
        return None
    masks: list[Any]
    if all(masked.values()):
        masks = list(map(_mask, columns))
    else:
        masks = [column.mask if masked[type(column)] else None for column in columns]
    absent = [n for n, mask in enumerate(masks) if mask is None or mask is np.ma.nomask]
    if len(absent) == len(masks):
        return None
    for n in absent:
        masks[n] = np.zeros(int(lengths[n]), bool)
    return masks


def concatenate(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Concatenate arrays.

    Parameters
    ----------
    arrays : sequence of `~numpy.ndarray`
        At least one; of any subclass, of which only the values are taken.

    Returns
    -------
    `~numpy.ndarray`
        It may be read-only.
    """
    dtype = common_dtype(arrays)
    if dtype and arrays[0].ndim == 1 and dtype.itemsize and not dtype.hasobject:
        try:
            # To join their bytes takes half the time: numpy makes a view of each first.
            return np.frombuffer(b"".join(cast("Any", arrays)), dtype)
        except TypeError:
            # One is not contiguous in memory.
            pass
    # An array's own view would copy its attributes, which takes ten times as long.
    return np.concatenate([np.ndarray.view(array, np.ndarray) for array in arrays])

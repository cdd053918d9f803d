"""Many light curves by id, worked on as one stacked table and made when they are requested."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import astropy.units as u
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.display import LightCurveDisplay

__all__ = ["LightCurves", "arrays_of"]


class LightCurves(LightCurveDisplay, Mapping):
    """Light curves by id, in the order of those they were made from.

    Made by `clean` and `bin` from a mapping. All are computed at once, and each
    becomes a table when it is requested: to make ten thousand
    small tables takes longer than to bin their rows.

    Parameters
    ----------
    ids : sequence
        The ids.
    make : callable
        Returns the light curve of a place in `ids`.
    what : str
        What was done, for its repr.
    source : CurveArrays, optional
        The columns of all, where more is to be done with them.
    meta : callable, optional
        Returns the metadata of a place in `ids`, for which no table need be made.
    """

    def __init__(
        self,
        ids: Sequence,
        make: Callable[[int], Table],
        *,
        what: str,
        source: CurveArrays | None = None,
        meta: Callable[[int], Mapping] | None = None,
    ):
        self._places = {key: n for n, key in enumerate(ids)}
        self._make = make
        self._made: dict[int, Table] = {}
        self._what = what
        self._source = source
        self._meta = meta

    def __getitem__(self, key: object) -> Table:
        index = self._places[key]
        if index not in self._made:
            self._made[index] = self._make(index)
            # What was handed out may be changed: from now on it is what counts.
            self._source = None
        return self._made[index]

    def __iter__(self) -> Iterator:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"<LightCurves of {len(self)} objects, {self._what}>"

    def __getstate__(self) -> dict:
        """Return the light curves themselves: what makes them cannot be copied or pickled."""
        curves = {
            index: self._made[index] if index in self._made else self._make(index)
            for index in range(len(self))
        }
        return self.__dict__ | {"_made": curves, "_make": None, "_source": None, "_meta": None}

    def each(self) -> Iterator[tuple]:
        """Yield ids and light curves without storing them, as many may be larger than memory.

        Yields
        ------
        key : int or str
            The id.
        lc : `~astropy.table.Table`
            Its light curve.
        """
        yield from self._first(len(self))

    def _first(self, count: int) -> Iterator[tuple]:
        # What is only shown is not handed out: the columns of all stay what counts.
        for key, index in islice(self._places.items(), count):
            yield key, self._made.get(index) if index in self._made else self._make(index)


def meta_of(lc: Mapping, key: object) -> Mapping:
    """Return what a light curve says of itself, without making it for that.

    Parameters
    ----------
    lc : mapping
        Light curves by id.
    key : object
        The id.

    Returns
    -------
    mapping
        Its metadata.
    """
    if isinstance(lc, LightCurves) and lc._meta is not None:
        index = lc._places[key]
        if index not in lc._made:
            return lc._meta(index)
    return lc[key].meta


def arrays_of(
    lc: Table | Mapping,
    needed: Sequence[str],
    *,
    units: Mapping[str, u.UnitBase] | None = None,
) -> CurveArrays:
    """Return the columns of one light curve, or of many, as plain arrays.

    Parameters
    ----------
    lc : `~astropy.table.Table` or mapping
        A light curve, a stacked table of many, or light curves by id.
    needed : sequence of str
        The columns that must be there.
    units : mapping of str to `~astropy.units.UnitBase`, optional
        The units of columns that are not of `SCHEMA`.

    Returns
    -------
    CurveArrays
        The rows of all, one light curve after the other.

    Raises
    ------
    InvalidQueryError
        If one is not a light curve, or a column is missing.
    """
    if not isinstance(lc, Mapping):
        return CurveArrays([lc], ["lc"], needed, units)
    if isinstance(lc, LightCurves) and lc._source is not None:
        lc._source.check(needed, units)
        return lc._source
    if not lc:
        raise InvalidQueryError("lc is empty: give at least one light curve")
    return CurveArrays(list(lc.values()), [f"lc[{key!r}]" for key in lc], needed, units)

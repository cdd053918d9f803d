"""What a catalogue is made of: downloaded files, light curves by id, or a table of many."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from json.encoder import encode_basestring_ascii as json_string
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from astropy.utils.masked import Masked

from atlasquery.exceptions import InvalidQueryError
from atlasquery.hats.fields import MJD, FileColumn, FileColumns, arrow_array
from atlasquery.hats.metadata import POSITION, SharedMeta
from atlasquery.lightcurve.checks import check_light_curve, one_scale
from atlasquery.lightcurve.light_curves import LightCurves
from atlasquery.lightcurve.schema import Conventions, halves
from atlasquery.lightcurve.stacking import OBJECT
from atlasquery.lightcurve.stored import ColumnStore, StoredCurves, open_stored
from atlasquery.lightcurve.time_scales import SCALES, shifted
from atlasquery.service.inputs import check_path
from atlasquery.sphere import positions_of, unit_vectors

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CurveBatch", "DirectorySource", "MappingSource", "TableSource", "open_source"]

# Values of light curves that are in memory together, and the rows and objects of a batch.
VALUES, LEAST_ROWS, MOST_OBJECTS = 1 << 23, 1 << 17, 1 << 15
RIGHT = (
    "the directory of download_sources, a mapping of objects to light curves, or a table of many "
    "with a column 'object', as stack makes it"
)
# Whose times are not those of an exposure at an observatory.
ELSEWHERE = ("barycenter", "heliocenter")


@dataclass
class CurveBatch:
    """Some objects and their light curves.

    Parameters
    ----------
    ids : list of int or str
        The key of each object.
    names, surveys : list of str
        The name of each object, and its survey.
    ra, dec : `~numpy.ndarray`
        Degrees, NaN where the position is not known.
    metas : list of str
        Metadata of each, as `SharedMeta` has them.
    owner : `~numpy.ndarray` of int64
        For each row the number of the object that it is of.
    mjd_tai : `~numpy.ndarray`
        The middle of the exposure, NaN where it is not known.
    rows : dict of str to `pyarrow.Array`
        The columns of the light curves by field, in any order of rows.
    entries : dict of str to `pyarrow.Array`, optional
        Further columns of the objects.
    """

    ids: list
    names: list[str]
    surveys: list[str]
    ra: np.ndarray
    dec: np.ndarray
    metas: list[str]
    owner: np.ndarray
    mjd_tai: np.ndarray
    rows: dict[str, "pa.Array"]
    entries: dict[str, "pa.Array"] = field(default_factory=dict)


@dataclass
class CatalogueContents:
    """What is known of all batches once they have been read.

    Parameters
    ----------
    fields : list of FileColumn
        The columns of the light curves.
    entries : list of FileColumn
        Further columns of the objects.
    constant : list of FileColumn
        Columns of the light curves that have the key of their object in every row.
    meta : dict
        The metadata that the light curves share.
    text : bool
        Whether the keys are strings.
    order : list of str
        The columns of a light curve in their order.
    """

    fields: list[FileColumn]
    entries: list[FileColumn]
    constant: list[FileColumn]
    meta: dict
    text: bool
    order: list[str]

    def as_dict(self) -> dict:
        """Return it as JSON has it.

        Returns
        -------
        dict
            For `from_dict`.
        """
        return {
            "fields": [one.as_dict() for one in self.fields],
            "entries": [one.as_dict() for one in self.entries],
            "constant": [one.as_dict() for one in self.constant],
            "meta": self.meta,
            "text": self.text,
            "order": self.order,
        }

    @classmethod
    def from_dict(cls, known: Mapping) -> "CatalogueContents":
        """Return what `as_dict` described.

        Parameters
        ----------
        known : mapping
            From a file.

        Returns
        -------
        CatalogueContents
            The same.
        """
        fields, entries, constant = (
            [FileColumn.from_dict(one) for one in known[name]]
            for name in ("fields", "entries", "constant")
        )
        return cls(fields, entries, constant, known["meta"], known["text"], known["order"])


class Source(ABC):
    """Light curves that are read in batches."""

    #: Number of objects.
    total: int
    #: What tells whether the light curves are those of another time; None for those in memory.
    state: str | None = None
    _shared: SharedMeta | None = None
    _fields: list[FileColumn] | FileColumns
    _entries: Sequence[FileColumn] = ()
    _constant: Sequence[FileColumn] = ()
    # The names of the columns, if they are not just those of the fields.
    _order: list[str] | None = None
    _text = False

    @property
    def lost(self) -> set[str]:
        """The items of metadata that cannot be written."""
        return self._shared.lost if self._shared else set()

    def contents(self) -> CatalogueContents:
        """Return what is known of all batches, after they have been read.

        Returns
        -------
        CatalogueContents
            The columns and the metadata that all share.
        """
        fields = list(self._fields)
        items = self._shared.items if self._shared else {}
        order = self._order or [one.column for one in fields]
        entries, constant = list(self._entries), list(self._constant)
        return CatalogueContents(fields, entries, constant, items, self._text, order)

    def batches(self, done: Collection[int] = ()) -> Iterator[tuple[int, CurveBatch]]:
        """Yield the light curves in batches.

        Parameters
        ----------
        done : collection of int, optional
            The numbers of batches that are not needed.

        Yields
        ------
        number : int
            The number of the batch.
        batch : CurveBatch
            Its light curves.
        """
        for number, part in enumerate(self._parts()):
            if number not in done:
                yield number, self._batch(*part)

    @abstractmethod
    def _parts(self) -> Iterator[tuple]:
        """Yield the arguments of `_batch` for each batch."""

    @abstractmethod
    def _batch(self, *part: Any) -> CurveBatch: ...


def open_source(source: Any, columns: Sequence[str] | None, coordinates: Any) -> Source:
    """Return what reads the light curves of a source.

    Parameters
    ----------
    source : path-like, mapping or `~astropy.table.Table`
        The source.
    columns : sequence of str or None
        The columns that are wanted.
    coordinates : mapping, `~astropy.coordinates.SkyCoord` or None
        Positions given by the caller.

    Returns
    -------
    DirectorySource, MappingSource or TableSource
        It reads in batches.

    Raises
    ------
    InvalidQueryError
        If it is not one of these, or is empty.
    """
    if isinstance(source, (str, os.PathLike)):
        source = open_stored(check_path(source, name="source"))
    if isinstance(source, StoredCurves):
        if not len(source):
            raise InvalidQueryError(f"source={source!r} has no objects")
        if coordinates is None and (stored := source.plain_columns()):
            return DirectorySource(stored, len(source), columns)
    if isinstance(source, Mapping):
        return MappingSource(source, columns, coordinates)
    if isinstance(source, Table):
        return TableSource(source, columns, coordinates)
    raise InvalidQueryError(f"source is of type {type(source).__name__}: give {RIGHT}")


class DirectorySource(Source):
    """The light curves of a directory of downloads.

    Parameters
    ----------
    stored : ColumnStore
        Its columns.
    total : int
        Number of objects.
    columns : sequence of str or None
        The columns that are wanted; all by default.
    """

    def __init__(self, stored: ColumnStore, total: int, columns: Sequence[str] | None):
        self._stored, self.total = stored, total
        self.state: str | None = stored.state
        prototype = stored.light_curve()
        fields = FileColumns(columns)
        fields.add(prototype, "source")
        check_columns(fields, prototype.colnames)
        # Which rows have no time stamp is known only when they are read.
        known = [replace(f, masked=True) if f.kind == "time" and f.name != MJD else f
                 for f in fields]  # fmt: skip
        self._fields = [one for one in known if one.column != stored.key]
        self._constant = [one for one in known if one.column == stored.key]
        entry = stored.entry()
        self._entries = [
            FileColumn.of(column, name)
            for name, column in entry.columns.items()
            if name not in (stored.key, "ra", "dec")
        ]
        conventions = Conventions.of(prototype.meta)
        self._early = conventions.time_reference != "unknown" and conventions.before_middle
        self._scale, self._survey = prototype["time"].scale, prototype.meta["survey"]
        self._shared = SharedMeta(dict(prototype.meta) | {"obtained": ""})
        self._order = [one.column for one in known]
        most = max(LEAST_ROWS, VALUES // (len(known) + 4))
        self._batches: list[list[int]] = [[]]
        rows = 0
        for chunk, count in stored.chunks.items():
            if self._batches[-1] and rows + count > most:
                self._batches.append([])
                rows = 0
            self._batches[-1].append(chunk)
            rows += count

    def _parts(self) -> Iterator[tuple]:
        return ((chunks,) for chunks in self._batches)

    def _batch(self, chunks: list[int]) -> CurveBatch:
        block = self._stored.read(chunks, [f.column for f in self._fields if f.name != MJD])
        import pyarrow as pa

        known = np.isfinite(block.ra) & np.isfinite(block.dec)
        items = zip(block.keys, block.names, block.obtained, known.tolist(), strict=True)
        metas = [self._meta(*one) for one in items]
        half = np.where(block.exposure_time >= 0, block.exposure_time / 2, 0.0) * self._early
        tai = shifted(*halves(block.mjd), half, self._scale, "tai")
        rows = {
            f.name: block.columns[f.column].cast(f.arrow_type)
            for f in self._fields
            if f.name != MJD
        }
        entries = {
            one.name: block.entries[one.column].cast(one.arrow_type)
            if one.column in block.entries
            else pa.nulls(len(block.keys), one.arrow_type)
            for one in self._entries
        }
        surveys = [self._survey] * len(block.keys)
        return CurveBatch(
            block.keys, block.names, surveys, block.ra, block.dec, metas, block.owner,
            mjd_of(*tai), {MJD: pa.array(block.mjd), **rows}, entries,
        )  # fmt: skip

    def _meta(self, key: int, name: str, obtained: str, known: bool) -> str:
        # As SharedMeta.difference, of which the rest is the same for all.
        where = f', "coordinates": {POSITION_ITEM}' if known else ""
        items = f'"object": {json_string(name)}, "{self._stored.key}": {key}'
        return f'{{"set": {{{items}, "obtained": "{obtained}"{where}}}}}'


class MappingSource(Source):
    """Light curves by id.

    Parameters
    ----------
    curves : mapping
        The light curves, or what has one as ``light_curve``.
    columns : sequence of str or None
        The columns that are wanted; all by default.
    coordinates : mapping, `~astropy.coordinates.SkyCoord` or None
        Positions given by the caller.
    """

    _fields: FileColumns

    def __init__(self, curves: Mapping, columns: Sequence[str] | None, coordinates: Any):
        if not curves:
            raise InvalidQueryError("source is empty: give at least one light curve")
        self._curves, self._fields = curves, FileColumns(columns)
        self.total = len(curves)
        self._columns = columns
        self._text = check_keys(list(curves))
        self._given = given_positions(list(curves), coordinates)
        self._scale: tuple[str, Table] | None = None

    def _parts(self) -> Iterator[tuple]:
        rows = 0
        keys: list = []
        curves: list[Table] = []
        each = (
            self._curves.each() if isinstance(self._curves, LightCurves) else self._curves.items()
        )
        for key, given in each:
            lc = getattr(given, "light_curve", given)
            self._check(key, lc)
            keys.append(key)
            curves.append(lc)
            rows += len(lc)
            if rows * (len(lc.columns) + 4) > VALUES or len(keys) >= MOST_OBJECTS:
                yield keys, curves
                rows, keys, curves = 0, [], []
        if keys:
            yield keys, curves
        check_columns(self._fields, ())

    def _check(self, key: Any, lc: Any) -> None:
        name = f"source[{key!r}]"
        check_light_curve(lc, name=name)
        if self._scale is None:
            self._scale = name, lc
        elif lc["time"].scale != self._scale[1]["time"].scale:
            one_scale([self._scale, (name, lc)])
        if self._shared is None:
            self._shared = SharedMeta(lc.meta)
        self._fields.add(lc, name)

    def _batch(self, keys: list, curves: list[Table]) -> CurveBatch:
        lengths = np.array([len(lc) for lc in curves], dtype=np.int64)
        owner = np.repeat(np.arange(len(curves)), lengths)
        assert self._shared is not None  # noqa: S101 - there is a light curve
        rows = {
            one.name: arrow_array(
                one,
                [(lc.columns.get(one.column), n) for lc, n in zip(curves, lengths, strict=True)],
            )
            for one in self._fields
        }
        positions = np.array([self._position(*one) for one in zip(keys, curves, strict=True)])
        return CurveBatch(
            [key if self._text else int(key) for key in keys],
            [str(lc.meta.get("object", "") or key) for key, lc in zip(keys, curves, strict=True)],
            [str(lc.meta.get("survey", "")) for lc in curves],
            positions[:, 0],
            positions[:, 1],
            [self._shared.difference(lc.meta) for lc in curves],
            owner,
            middle_in_tai(curves, lengths),
            rows,
        )

    def _position(self, key: Any, lc: Table) -> tuple[float, float]:
        position = self._given.get(key)
        if position is None:
            position = lc.meta.get("coordinates")
        if isinstance(position, SkyCoord) and position.isscalar:
            return degrees(position)
        ra, dec = mean_positions(lc, np.zeros(len(lc), np.int64), 1)
        return float(ra[0]), float(dec[0])


class TableSource(Source):
    """Light curves of many objects in one table.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table, with a column ``object``.
    columns : sequence of str or None
        The columns that are wanted; all by default.
    coordinates : mapping, `~astropy.coordinates.SkyCoord` or None
        Positions given by the caller.
    """

    _fields: FileColumns

    def __init__(self, table: Table, columns: Sequence[str] | None, coordinates: Any):
        check_light_curve(table, name="source")
        if OBJECT not in table.colnames:
            raise InvalidQueryError(
                f"source is a table without the column {OBJECT!r}, which names the object of each "
                f"row: give {RIGHT}"
            )
        if not len(table):
            raise InvalidQueryError("source is empty: give at least one light curve")
        if np.any(getattr(table[OBJECT], "mask", False)):
            raise InvalidQueryError(f"the column {OBJECT!r} of source is masked in some rows")
        keys, self._owner = np.unique(np.asarray(table[OBJECT]), return_inverse=True)
        self._keys = keys.tolist()
        self._text = check_keys(self._keys)
        self.total = len(self._keys)
        self._table = table
        self._fields = FileColumns(columns)
        self._fields.add(table[[name for name in table.colnames if name != OBJECT]], "source")
        check_columns(self._fields, table.colnames)
        self._shared = SharedMeta(table.meta)
        self._positions = self._all_positions(given_positions(self._keys, coordinates))

    def _parts(self) -> Iterator[tuple]:
        order = np.argsort(self._owner, kind="stable")
        ends = np.cumsum(np.bincount(self._owner, minlength=self.total))
        most = max(LEAST_ROWS, VALUES // (len(self._table.columns) + 4))
        first = 0
        while first < self.total:
            begin = int(ends[first - 1]) if first else 0
            last = int(np.searchsorted(ends, begin + most, side="right"))
            last = min(max(last, first + 1), first + MOST_OBJECTS, self.total)
            yield order[begin : int(ends[last - 1])], first, last
            first = last

    def _batch(self, rows: np.ndarray, first: int, last: int) -> CurveBatch:
        part = self._table[rows]
        keys = self._keys[first:last]
        ra, dec = self._positions
        return CurveBatch(
            keys,
            [str(key) for key in keys],
            [str(self._table.meta.get("survey", ""))] * len(keys),
            ra[first:last],
            dec[first:last],
            [""] * len(keys),
            self._owner[rows] - first,
            middle_in_tai([part], np.array([len(part)])),
            {
                one.name: arrow_array(one, [(part.columns[one.column], len(part))])
                for one in self._fields
            },
        )

    def _all_positions(self, given: Mapping) -> tuple[np.ndarray, np.ndarray]:
        ra, dec = mean_positions(self._table, self._owner, self.total)
        for n, key in enumerate(self._keys):
            if key in given:
                ra[n], dec[n] = degrees(given[key])
        return ra, dec


POSITION_ITEM = json.dumps({POSITION: True})


def check_columns(fields: FileColumns, known: Collection[str]) -> None:
    """Refuse columns that no light curve has.

    Parameters
    ----------
    fields : FileColumns
        The columns that there are.
    known : collection of str
        Names to suggest.

    Raises
    ------
    InvalidQueryError
        If one was chosen that does not exist.
    """
    if missing := fields.missing():
        has = f"; it has {', '.join(known)}" if known else ""
        raise InvalidQueryError(f"columns has {', '.join(missing)}, which source has not{has}")


def check_keys(keys: list) -> bool:
    """Return whether keys are strings, or refuse those that cannot be ids.

    Parameters
    ----------
    keys : list
        The keys of light curves.

    Returns
    -------
    bool
        False if all are whole numbers.

    Raises
    ------
    InvalidQueryError
        If they are neither.
    """
    if all(isinstance(key, str) for key in keys):
        return True
    numbers = all(isinstance(key, (int, np.integer)) and not isinstance(key, bool) for key in keys)
    if not numbers or not all(-(2**63) <= key < 2**63 for key in keys):
        kinds = ", ".join(sorted({type(key).__name__ for key in keys}))
        raise InvalidQueryError(
            f"the keys of source are of type {kinds}: they should all be strings, or whole numbers "
            "of 64 bits"
        )
    return False


def given_positions(keys: list, coordinates: Any) -> dict:
    """Return the positions that the caller gave, by key.

    Parameters
    ----------
    keys : list
        The keys of light curves.
    coordinates : mapping, `~astropy.coordinates.SkyCoord` or None
        The argument.

    Returns
    -------
    dict
        Scalar positions.

    Raises
    ------
    InvalidQueryError
        If it is neither, or not of the length of `keys`.
    """
    if coordinates is None:
        return {}
    if isinstance(coordinates, SkyCoord) and coordinates.shape == (len(keys),):
        icrs = coordinates.icrs
        return dict(zip(keys, icrs, strict=True))
    if isinstance(coordinates, Mapping):
        for key, value in coordinates.items():
            if not isinstance(value, SkyCoord) or not value.isscalar:
                raise InvalidQueryError(f"coordinates[{key!r}] should be one SkyCoord")
        if unknown := [key for key in coordinates if key not in set(keys)]:
            raise InvalidQueryError(
                f"coordinates has {unknown[0]!r}, which is not an object of source"
            )
        return dict(coordinates)
    raise InvalidQueryError(
        f"coordinates={coordinates!r:.80} should be a mapping of objects to SkyCoords, or a "
        f"SkyCoord of {len(keys)} positions"
    )


def degrees(position: SkyCoord) -> tuple[float, float]:
    """Return a position in degrees, ICRS.

    Parameters
    ----------
    position : `~astropy.coordinates.SkyCoord`
        One position.

    Returns
    -------
    ra, dec : float
        NaN where it is masked.
    """
    icrs = position if position.frame.name == "icrs" else position.icrs
    if isinstance(icrs.ra, Masked) and (icrs.ra.mask or icrs.dec.mask):
        return np.nan, np.nan
    return float(icrs.ra.deg), float(icrs.dec.deg)


def mean_positions(lc: Table, owner: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean position of the rows of each object.

    Parameters
    ----------
    lc : `~astropy.table.Table`
        Rows, perhaps with columns ``ra`` and ``dec``, or of those of surveys.
    owner : `~numpy.ndarray` of int
        The object of each row.
    total : int
        Number of objects.

    Returns
    -------
    ra, dec : `~numpy.ndarray`
        Degrees, NaN where no row has a position.
    """
    sums = np.zeros((total, 3))
    for name in lc.colnames:
        other = name.removesuffix("ra") + "dec"
        if name.split("_")[-1] != "ra" or other not in lc.colnames:
            continue
        ra, dec = (_plain_degrees(lc[one]) for one in (name, other))
        known = np.isfinite(ra) & np.isfinite(dec)
        for n, axis in enumerate(unit_vectors(ra[known], dec[known]).T):
            sums[:, n] += np.bincount(owner[known], axis, minlength=total)
    ra, dec = positions_of(sums)
    absent = ~np.any(sums, axis=1)
    ra[absent] = dec[absent] = np.nan
    return ra, dec


def _plain_degrees(column: Any) -> np.ndarray:
    mask = np.asarray(getattr(column, "mask", False))
    bare = getattr(column, "unmasked", column)
    if getattr(bare, "unit", None) is not None and bare.unit != "deg":
        bare = bare.to("deg")
    return np.where(mask, np.nan, np.asarray(bare, float))


def middle_in_tai(curves: Sequence[Table], lengths: np.ndarray) -> np.ndarray:
    """Return the middle of the exposure of each row.

    Parameters
    ----------
    curves : sequence of `~astropy.table.Table`
        Light curves in one time scale.
    lengths : `~numpy.ndarray` of int
        Number of rows of each.

    Returns
    -------
    `~numpy.ndarray`
        MJD in TAI; NaN where the time is masked, or at the barycentre. A time of which it
        is not known whether it is the start is taken as it is, as `combine` does.
    """
    conventions = [Conventions.of(lc.meta) for lc in curves]
    times: list[Time] = [lc["time"] for lc in curves]
    scale = times[0].scale
    before = [c.time_reference != "unknown" and c.before_middle for c in conventions]
    half = np.concatenate(
        [
            _half_exposure(lc) if early else np.zeros(len(lc))
            for lc, early in zip(curves, before, strict=True)
        ]
    )
    jd1, jd2 = (
        np.concatenate([_unmasked(getattr(t, part)) for t in times]) for part in ("jd1", "jd2")
    )
    absent = np.concatenate([np.broadcast_to(np.asarray(t.mask), len(t)) for t in times])
    absent = absent | np.repeat([c.position in ELSEWHERE for c in conventions], lengths)
    if scale not in SCALES and scale not in ("tcb", "tcg", "ut1"):
        # The scale "local" is not one of the Earth.
        return np.full(len(jd1), np.nan)
    return np.where(absent, np.nan, mjd_of(*shifted(jd1, jd2, half, scale, "tai")))


def _half_exposure(lc: Table) -> np.ndarray:
    column = lc.columns.get("exposure_time")
    if column is None or getattr(column, "dtype", np.dtype("O")).kind != "f":
        return np.zeros(len(lc))
    mask = np.asarray(getattr(column, "mask", False))
    bare = getattr(column, "unmasked", column)
    seconds = np.asarray(bare.to_value("s") if hasattr(bare, "to_value") else bare, float)
    with np.errstate(invalid="ignore"):
        return np.where(~mask & (seconds >= 0), seconds / 2, 0.0)


def _unmasked(values: Any) -> np.ndarray:
    return np.asarray(getattr(values, "unmasked", values))


def mjd_of(jd1: np.ndarray, jd2: np.ndarray) -> np.ndarray:
    """Return the MJD of a time in two parts.

    Parameters
    ----------
    jd1, jd2 : `~numpy.ndarray`
        Julian dates, as `~astropy.time.Time` has them.

    Returns
    -------
    `~numpy.ndarray`
        MJD.
    """
    return (jd1 - 2400000.5) + jd2

"""Read light curves from a HATS catalogue, object by object, or those of a frame of LSDB."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Column, Table
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.hats.fields import FileColumn, read_column
from atlasquery.hats.layout import file_of
from atlasquery.hats.metadata import read_meta
from atlasquery.hats.properties import (
    LIGHT_CURVE,
    PARTITIONS,
    primary_folder,
    read_header,
    read_partitions,
)
from atlasquery.hats.sources import CatalogueContents
from atlasquery.lightcurve.display import LightCurveDisplay
from atlasquery.lightcurve.stacking import OBJECT
from atlasquery.service.collection import ResultMapping
from atlasquery.service.inputs import check_coordinates, check_path, check_radius
from atlasquery.sphere import separations
from atlasquery.tables import LightCurve, assemble_series
from atlasquery.tables.build import assemble
from atlasquery.tables.packages import require

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["HatsLightCurves", "read_hats", "stack_frame"]

# Row groups in memory: objects are mostly accessed in the order of the files.
GROUPS_IN_MEMORY = 2
# Columns of all catalogues, and what they are in a table.
COMMON_FIELDS = (
    FileColumn("id", "id", "column", "int64", False, about="Key of the light curve."),
    FileColumn("object", "object", "column", "str", False, about="Name of the object."),
    FileColumn("survey", "survey", "column", "str", False, about="Survey."),
    FileColumn("ra", "ra", "column", "float64", False, "deg", "Right ascension, ICRS."),
    FileColumn("dec", "dec", "column", "float64", False, "deg", "Declination, ICRS."),
)


def read_hats(
    path: str | os.PathLike,
    *,
    ids: Any = None,
    coordinates: SkyCoord | None = None,
    radius: Angle | str | None = None,
) -> "HatsLightCurves":
    """Read the light curves of a catalogue that `to_hats` has written.

    Parameters
    ----------
    path : path-like
        Its directory.
    ids : int, str or iterable of them, optional
        The objects that are wanted; by default all.
    coordinates : `~astropy.coordinates.SkyCoord`, optional
        Only objects within `radius` of this position.
    radius : `~astropy.coordinates.Angle` or str, optional
        The radius, such as ``"1 deg"``.

    Returns
    -------
    HatsLightCurves
        A mapping of ids to light curves, each read when it is accessed, with the columns, units,
        masks, time scales and metadata that they had; sorted by time. Its ``table()`` has what
        is known of each object.

    Raises
    ------
    InvalidQueryError
        If it is not a catalogue that `to_hats` has written, an id is not in it, or one
        of `coordinates` and `radius` is given without the other.
    TableParseError
        If a file is damaged.
    ImportError
        If pyarrow is missing: it comes with ``atlasquery[hats]``.

    Notes
    -----
    Times other than ``time`` are good to a microsecond, and so is ``time`` where it was given
    to a fraction of that. A light curve has the columns that any one in the catalogue had, masked
    where it had none.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas, read_hats, to_hats
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> ids = Atlas.query_region(centre, radius="5 arcmin")["atlas_id"]
    >>> path = to_hats(Atlas.get_light_curves(ids), "atlas_hats", name="atlas")
    >>> curves = read_hats(path, coordinates=centre, radius="3 arcmin")
    >>> curves
    <HatsLightCurves of 5 objects in 'atlas_hats'>
    >>> curves[ids[0]].time.scale, curves[ids[0]].meta["object"]
    ('utc', 'ATLAS26zy')
    >>> curves.table().colnames
    ['id', 'object', 'survey', 'ra', 'dec']
    """
    require("pyarrow.parquet", "hats")
    if (coordinates is None) != (radius is None):
        raise InvalidQueryError("coordinates and radius are given together: a position and a size")
    found = HatsLightCurves(check_path(path, name="path"))
    if coordinates is not None:
        found._keep_cone(coordinates, check_radius(radius))
    if ids is not None:
        found._keep(ids)
    return found


class HatsLightCurves(LightCurveDisplay, ResultMapping):
    """Light curves by id of the objects of a catalogue, as `read_hats` returns them.

    Parameters
    ----------
    path : path-like
        The directory of the catalogue.

    Raises
    ------
    InvalidQueryError
        If `to_hats` has not written it.
    TableParseError
        If a file is damaged.
    """

    id_title = "Id"

    def __init__(self, path: str | os.PathLike):
        self._path = Path(path)
        self._contents = CatalogueContents.from_dict(read_header(self._path))
        super().__init__("TimeSeries", key=str if self._contents.text else int)
        folder = primary_folder(self._path)
        cells = read_partitions(folder / PARTITIONS)
        self._files = [folder / file_of(*cell) for cell in cells]
        self._groups: dict[tuple[int, int], pa.Table] = {}
        ids, ra, dec, places = [], [], [], []
        for number, file in enumerate(self._files):
            table = read_file(file, ["id", "ra", "dec"])
            ids += table["id"].to_pylist()
            ra.append(table["ra"].to_numpy())
            dec.append(table["dec"].to_numpy())
            places += [(number, row) for row in range(len(table))]
        self._products = dict(zip(ids, places, strict=True))
        blank = [np.empty(0)]
        self._positions = np.array([np.concatenate(ra or blank), np.concatenate(dec or blank)])

    def __getitem__(self, object_id: Any) -> TimeSeries:
        number, row = super().__getitem__(object_id)
        table, row = self._group(number, row)
        chunk = table.slice(row, 1)
        offsets, values = nested_columns(chunk[LIGHT_CURVE])
        return one_light_curve(self._contents, chunk, values, int(offsets[-1] - offsets[0]))

    def __repr__(self) -> str:
        return f"<HatsLightCurves of {len(self)} objects in {self._path.name!r}>"

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_groups": {}}

    def table(self) -> Table:
        """Return what is known of each object.

        Returns
        -------
        `~astropy.table.Table`
            ``id``, ``object``, ``survey``, ``ra`` and ``dec`` (deg, ICRS), and for downloaded
            objects their catalogue entries; in the order of the light curves.
        """
        text = {"dtype": "str"} if self._contents.text else {}
        fields = [FileColumn.from_dict({**COMMON_FIELDS[0].as_dict(), **text}), *COMMON_FIELDS[1:]]
        fields += self._contents.entries
        import pyarrow as pa

        names = [one.name for one in fields]
        rows: dict[int, list[int]] = {}
        for number, row in self._products.values():
            rows.setdefault(number, []).append(row)
        parts = [
            read_file(self._files[number], names).take(pa.array(some))
            for number, some in rows.items()
        ]
        if not parts:
            kinds = {one.name: one.arrow_type for one in fields}
            parts = [pa.table({name: pa.array([], kind) for name, kind in kinds.items()})]
        joined = pa.concat_tables(parts)
        columns = [read_column(one, joined[one.name].combine_chunks()) for one in fields]
        found = assemble(Table(), columns)
        # Those of a file come together; the order of the light curves may be another one.
        order = {key: n for n, key in enumerate(joined["id"].to_pylist())}
        index = [order[key] for key in self._products]
        return found if index == list(range(len(index))) else found[index]

    def _keep_cone(self, coordinates: SkyCoord, arcsec: float) -> None:
        ra, dec, shape = check_coordinates(coordinates)
        if shape:
            raise InvalidQueryError("coordinates has several positions: give one")
        some = separations(self._positions[0], self._positions[1], ra[0], dec[0]) <= arcsec
        kept = zip(self._products.items(), some.tolist(), strict=True)
        self._products = {key: row for (key, row), inside in kept if inside}
        self._positions = self._positions[:, some]

    def _keep(self, ids: Any) -> None:
        one = isinstance(ids, (str, int, np.integer))
        given = [ids] if one else list(ids)
        try:
            wanted = dict.fromkeys(self._key(key) for key in given)
        except (TypeError, ValueError):
            raise InvalidQueryError(
                f"ids={ids!r:.100} should be ids of the catalogue, which are whole numbers"
            ) from None
        if unknown := [key for key in wanted if key not in self._products]:
            raise InvalidQueryError(
                f"ids has {len(unknown)} that are not in {self._path.name!r}: "
                f"{', '.join(map(str, unknown[:3]))}{', ...' if len(unknown) > 3 else ''}"
            )
        self._products = {key: self._products[key] for key in wanted}

    def _group(self, number: int, row: int) -> "tuple[pa.Table, int]":
        """Return the row group that has a row of a file, and the row's number in it."""
        from pyarrow import parquet

        metadata = parquet.read_metadata(self._files[number])
        group = first = 0
        while row >= first + metadata.row_group(group).num_rows:
            first += metadata.row_group(group).num_rows
            group += 1
        if (number, group) not in self._groups:
            while len(self._groups) >= GROUPS_IN_MEMORY:
                self._groups.pop(next(iter(self._groups)))
            with parquet.ParquetFile(self._files[number]) as file:
                table = file.read_row_group(group, ["id", "ra", "dec", "meta", LIGHT_CURVE])
            self._groups[number, group] = table.combine_chunks()
        return self._groups[number, group], row - first

    def _first(self, count: int) -> Iterator[tuple]:
        for key in list(self._products)[:count]:
            yield key, self[key]


def read_file(path: Path, columns: list[str] | None = None) -> "pa.Table":
    """Read columns of a file of a catalogue.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    columns : list of str, optional
        The columns; by default all.

    Returns
    -------
    `pyarrow.Table`
        All rows.

    Raises
    ------
    TableParseError
        If it is missing or damaged.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            return file.read(columns)
    except (OSError, pa.ArrowException) as error:
        raise TableParseError(f"{path} is missing or damaged: {error}") from error


def nested_columns(nested: Any) -> "tuple[np.ndarray, dict[str, pa.Array]]":
    """Return the columns of nested light curves, concatenated.

    Parameters
    ----------
    nested : `pyarrow.ChunkedArray` or `pyarrow.Array`
        A struct of lists, as in files, or a list of structs, as nested-pandas has them.

    Returns
    -------
    offsets : `~numpy.ndarray`
        Where each light curve begins, and the last one ends.
    columns : dict of str to `pyarrow.Array`
        The values, those of the first light curve first.
    """
    import pyarrow as pa

    array = nested.combine_chunks() if isinstance(nested, pa.ChunkedArray) else nested
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if not pa.types.is_struct(array.type):
        lengths = array.value_lengths().fill_null(0).to_numpy()
        flat = array.flatten()
        columns = dict(zip([f.name for f in flat.type], flat.flatten(), strict=True))
        return np.concatenate([[0], np.cumsum(lengths)]), columns
    lists = dict(zip([f.name for f in array.type], array.flatten(), strict=True))
    lengths = next(iter(lists.values())).value_lengths().fill_null(0).to_numpy()
    columns = {name: one.flatten() for name, one in lists.items()}
    return np.concatenate([[0], np.cumsum(lengths)]), columns


def one_light_curve(
    contents: CatalogueContents, chunk: "pa.Table", values: Mapping[str, "pa.Array"], length: int
) -> TimeSeries:
    """Return the light curve of one object.

    Parameters
    ----------
    contents : CatalogueContents
        What the columns are.
    chunk : `pyarrow.Table`
        The row of the object.
    values : mapping of str to `pyarrow.Array`
        The columns of its light curve.
    length : int
        Number of rows.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        As it was written.
    """
    import pyarrow as pa

    key = chunk["id"][0].as_py()
    columns = {one.column: read_column(one, values[one.name]) for one in contents.fields}
    for one in contents.constant:
        array = pa.array(np.full(length, key), one.arrow_type)
        columns[one.column] = read_column(one, array)
    series = assemble_series(LightCurve(), [columns[name] for name in contents.order])
    position = SkyCoord(chunk["ra"][0].as_py(), chunk["dec"][0].as_py(), unit="deg")
    series.meta.update(read_meta(contents.meta, chunk["meta"][0].as_py(), position))
    return series


def stack_frame(frame: Any, path: str | os.PathLike) -> TimeSeries:
    """Return the light curves of a frame of LSDB or nested-pandas as one table.

    In a function for ``map_partitions`` of LSDB it turns a partition into what
    `~atlasquery.lightcurve.clean` and `~atlasquery.lightcurve.bin` take for many objects at once.

    Parameters
    ----------
    frame : `nested_pandas.NestedFrame`
        Rows of a catalogue, with its columns ``id`` and ``light_curve``; columns of the
        latter may have been left out.
    path : path-like
        The directory of the catalogue, which has the units and time scales.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        As from `~atlasquery.lightcurve.stack`: the rows of all, one light curve after the other,
        with ``time``, the id in the column ``object``, and the other columns; ``meta`` has what
        all light curves of the catalogue agree in.

    Raises
    ------
    InvalidQueryError
        If the frame has no such columns, or `to_hats` has not written the catalogue.

    Examples
    --------
    >>> import lsdb  # doctest: +SKIP
    >>> from atlasquery.hats import stack_frame
    >>> from atlasquery.lightcurve import bin
    >>> def nightly(frame, path):
    ...     table = bin(stack_frame(frame, path), by=["object", "band"])
    ...     return table["object", "band", "flux"].to_pandas()
    >>> catalogue = lsdb.open_catalog("atlas_hats")  # doctest: +SKIP
    >>> catalogue.map_partitions(nightly, path="atlas_hats")  # doctest: +SKIP
    """
    import pyarrow as pa

    contents = CatalogueContents.from_dict(read_header(check_path(path, name="path")))
    if missing := [name for name in ("id", LIGHT_CURVE) if name not in frame]:
        raise InvalidQueryError(f"frame has no column {missing[0]!r}: read it from the catalogue")
    offsets, values = nested_columns(pa.array(frame[LIGHT_CURVE]))
    ids = np.asarray(frame["id"].tolist(), dtype=np.str_ if contents.text else np.int64)
    if "mjd" not in values:
        raise InvalidQueryError("frame has no column 'light_curve.mjd': read it too")
    found = {
        one.column: read_column(one, values[one.name])
        for one in contents.fields
        if one.name in values
    }
    owner = Column(np.repeat(ids, np.diff(offsets)), name=OBJECT, description="The object's id.")
    time = found.pop("time")
    series = assemble_series(LightCurve(), [time, owner, *found.values()])
    series.meta.update(read_meta(contents.meta, None, None))
    return series

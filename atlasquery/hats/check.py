"""Check a HATS catalogue: what readers rely on and validation of the format does not look at."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from atlasquery.exceptions import TableParseError
from atlasquery.hats.fields import MJD
from atlasquery.hats.layout import HEALPIX, file_of, healpix_of, range_of
from atlasquery.hats.properties import (
    COLLECTION,
    COMMON,
    PARTITIONS,
    primary_folder,
    properties_of,
    read_partitions,
    read_properties,
)
from atlasquery.hats.reader import nested_columns, read_file
from atlasquery.service.inputs import check_path
from atlasquery.tables.packages import require

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check_hats"]

NEEDED = ("obs_collection", "dataproduct_type", "hats_col_ra", "hats_col_dec", "hats_nrows")
# Directions, and shares of the margin, in which it is looked for the cells beside an object.
DIRECTIONS, SHARES = 16, (0.999, 0.5)
# Objects for which that is done together.
BLOCK = 1 << 16


def check_hats(path: str | os.PathLike) -> list[str]:
    """Check the files of a HATS catalogue, row by row.

    The validation of the format does not read rows: two files that were swapped, a row in the wrong
    file, unsorted rows, a wrong number of rows and a margin that misses objects pass, and
    give wrong results later.

    Parameters
    ----------
    path : path-like
        The directory of a catalogue, or of a collection with its margins, written by `to_hats`
        or another program.

    Returns
    -------
    list of str
        A line for each fault; empty if there is none. Checked are the properties and their number
        of rows; that the files listed exist, no others, for pixels that do not overlap; that all
        have one schema; that each row is in the file of its position, rows are sorted by
        pixel and no ``id`` occurs twice; that the columns of a light curve have equal lengths
        and are sorted by time; and that each margin has all objects within its distance
        and no object of its pixel.

    Raises
    ------
    InvalidQueryError
        If it is not a catalogue.
    ImportError
        If pyarrow or cdshealpix is missing: they come with ``atlasquery[hats]``.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas, check_hats, to_hats
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> ids = Atlas.query_region(centre, radius="5 arcmin")["atlas_id"]
    >>> path = to_hats(Atlas.get_light_curves(ids), "atlas_hats", name="atlas")
    >>> check_hats(path)
    []
    """
    require("pyarrow.parquet", "hats")
    require("cdshealpix", "hats")
    path = check_path(path, name="path")
    main = _FilesChecked(primary_folder(path))
    faults = list(main.faults())
    if not (path / COLLECTION).is_file():
        return faults
    collection = read_properties(path / COLLECTION)
    margins = collection.get("all_margins", "").split()
    if "default_margin" in collection and collection["default_margin"] not in margins:
        faults.append(f"{COLLECTION}: default_margin is not one of all_margins")
    for name in margins:
        if not (path / name).is_dir():
            faults.append(f"{name}: the margin is missing")
            continue
        margin = _FilesChecked(primary_folder(path / name))
        faults += margin.faults()
        faults += _margin_faults(main, margin)
    return faults


class _FilesChecked:
    """The files of a catalogue, and of its objects what positions and margins need."""

    def __init__(self, folder: Path):
        self.folder, self.name = folder, folder.name
        self.properties = properties_of(folder)
        self.is_margin = self.properties.get("dataproduct_type") == "margin"
        self.cells: list[tuple[int, int]] = []
        # By cell: keys and positions.
        self.objects: dict[tuple[int, int], tuple[list, np.ndarray, np.ndarray]] = {}

    def faults(self) -> Iterator[str]:
        """Yield a line for each fault of the catalogue alone."""
        for name in NEEDED:
            if name not in self.properties:
                yield f"{self.name}: its properties have no {name}"
        if not (self.folder / PARTITIONS).is_file():
            yield f"{self.name}: {PARTITIONS} is missing"
            return
        self.cells = read_partitions(self.folder / PARTITIONS)
        yield from self._file_faults()
        common = self._schema()
        if common is None:
            yield f"{self.name}: {COMMON} is missing"
        rows = 0
        for cell in self.cells:
            file = self.folder / file_of(*cell)
            if not file.is_file():
                continue
            label = f"{self.name}/{file_of(*cell)}"
            try:
                table = read_file(file)
            except TableParseError as error:
                yield f"{label}: {error}"
                continue
            rows += len(table)
            yield from (f"{label}: {fault}" for fault in self._row_faults(cell, table, common))
        if self.properties.get("hats_nrows") not in (None, str(rows)):
            yield (
                f"{self.name}: hats_nrows is {self.properties['hats_nrows']}, and the files have "
                f"{rows} rows"
            )
        if not self.is_margin:
            keys = [key for ids, *_ in self.objects.values() for key in ids]
            if len(set(keys)) < len(keys):
                yield f"{self.name}: {len(keys) - len(set(keys))} rows have an id that occurs twice"

    def _file_faults(self) -> Iterator[str]:
        listed = {self.folder / file_of(*cell) for cell in self.cells}
        for file in sorted(listed):
            if not file.is_file():
                yield f"{self.name}/{file.relative_to(self.folder)}: the file is missing"
        for file in sorted(self.folder.glob("dataset/**/*.parquet")):
            if file not in listed:
                yield f"{self.name}/{file.relative_to(self.folder)}: it is not in {PARTITIONS}"
        last = 0
        for start, stop, cell in sorted((*range_of(*cell), cell) for cell in self.cells):
            if start < last:
                yield f"{self.name}: Norder={cell[0]}, Npix={cell[1]} overlaps another pixel"
            last = max(last, stop)

    def _schema(self) -> "pa.Schema | None":
        from pyarrow import parquet

        path = self.folder / COMMON
        return parquet.read_schema(path) if path.is_file() else None

    def _row_faults(
        self, cell: tuple[int, int], table: "pa.Table", common: "pa.Schema | None"
    ) -> Iterator[str]:
        if common is not None and not table.schema.equals(common):
            odd = _odd_columns(table.schema, common)
            yield f"its schema is not that of {COMMON}: {odd or 'the order of columns'}"
        if HEALPIX not in table.column_names:
            yield f"it has no column {HEALPIX}"
            return
        healpix = table[HEALPIX].to_numpy()
        if np.any(healpix[1:] < healpix[:-1]):
            yield f"the rows are not sorted by {HEALPIX}"
        start, stop = range_of(*cell)
        inside = (healpix >= start) & (healpix < stop)
        wrong = np.count_nonzero(inside if self.is_margin else ~inside)
        if wrong:
            where = "in its pixel" if self.is_margin else "outside of its pixel"
            yield f"{wrong} of {len(healpix)} rows are {where}"
        ra, dec = (
            table[self.properties.get(f"hats_col_{axis}", axis)].to_numpy()
            for axis in ("ra", "dec")
        )
        moved = np.count_nonzero(healpix_of(ra, dec) != healpix)
        if moved:
            yield f"{moved} rows have a {HEALPIX} that is not that of ra and dec"
        keys = table["id"].to_pylist() if "id" in table.column_names else healpix.tolist()
        self.objects[cell] = keys, ra, dec
        for column in table.schema:
            if str(column.type).startswith(("struct<", "list<struct", "large_list<struct")):
                yield from _curve_faults(column.name, table[column.name])


def _odd_columns(schema: "pa.Schema", common: "pa.Schema") -> str:
    """Return which columns two schemas differ in."""
    ours, theirs = ({f.name: f.type for f in one} for one in (schema, common))
    odd = [
        name
        for name in {**ours, **theirs}
        if name not in ours or name not in theirs or ours[name] != theirs[name]
    ]
    return ", ".join(odd)


def _curve_faults(name: str, nested: Any) -> Iterator[str]:
    """Yield the faults of nested light curves."""
    import pyarrow as pa

    array = nested.combine_chunks()
    if array.null_count:
        yield f"{array.null_count} rows have no {name}: it should be an empty list"
        return
    if pa.types.is_struct(array.type):
        lists = [one for one in array.flatten() if hasattr(one, "value_lengths")]
        lengths = [one.value_lengths() for one in lists]
        if any(not one.equals(lengths[0]) for one in lengths):
            yield f"the columns of {name} have unequal lengths"
            return
    offsets, columns = nested_columns(nested)
    if MJD in columns:
        mjd = columns[MJD].to_numpy(zero_copy_only=False)
        falling = np.flatnonzero(mjd[1:] < mjd[:-1]) + 1
        # Where another light curve begins it is earlier.
        falling = falling[~np.isin(falling, offsets)]
        if len(falling):
            owners = np.unique(np.searchsorted(offsets, falling, side="right"))
            yield f"{len(owners)} light curves of {name} are not sorted by {MJD}"


def _margin_faults(main: _FilesChecked, margin: _FilesChecked) -> Iterator[str]:
    """Yield the objects near the border of a cell that are not in the margin of it."""
    threshold = float(margin.properties.get("hats_margin_threshold", "nan"))
    if not threshold > 0:
        yield f"{margin.name}: its properties have no hats_margin_threshold above 0"
        return
    if "hats_primary_table_url" not in margin.properties:
        yield f"{margin.name}: its properties have no hats_primary_table_url"
    ranges = sorted((*range_of(*cell), cell) for cell in margin.cells)
    starts, stops = (np.array([one[n] for one in ranges], np.int64) for n in (0, 1))
    kept: Mapping = {
        cell: set(zip(keys, ra.tolist(), dec.tolist(), strict=True))
        for cell, (keys, ra, dec) in margin.objects.items()
    }
    known = {key for ids, ra, dec in main.objects.values()
             for key in zip(ids, ra.tolist(), dec.tolist(), strict=True)}  # fmt: skip
    for cell, some in kept.items():
        if stray := len(some - known):
            yield f"{margin.name}/{file_of(*cell)}: {stray} rows are not those of {main.name}"
    absent: dict[str, set] = {}
    for cell, (keys, ra, dec) in main.objects.items():
        for row, point in _points_outside(ra, dec, range_of(*cell), threshold):
            n = int(np.searchsorted(starts, point, side="right")) - 1
            if n < 0 or point >= stops[n]:
                absent.setdefault("pixels without a file", set()).add(keys[row])
            elif (keys[row], float(ra[row]), float(dec[row])) not in kept.get(ranges[n][2], ()):
                label = str(file_of(*ranges[n][2]))
                absent.setdefault(label, set()).add(keys[row])
    for label, some in sorted(absent.items()):
        yield f"{margin.name}/{label}: {len(some)} objects within {threshold:g} arcsec are missing"


def _points_outside(
    ra: np.ndarray, dec: np.ndarray, cell: tuple[int, int], threshold: float
) -> Iterator[tuple[int, int]]:
    """Yield objects of a cell, and pixels within the margin of them that are not in the cell."""
    turns = np.arange(DIRECTIONS) * (360.0 / DIRECTIONS)
    for first in range(0, len(ra), BLOCK):
        centre = SkyCoord(ra[first : first + BLOCK], dec[first : first + BLOCK], unit="deg")
        found = set()
        for share in SHARES:
            around = centre[:, np.newaxis].directional_offset_by(
                turns * u.deg, share * threshold / 3600 * u.deg
            )
            pixels = healpix_of(around.ra.deg.ravel(), around.dec.deg.ravel())
            outside = np.flatnonzero((pixels < cell[0]) | (pixels >= cell[1]))
            rows = outside // DIRECTIONS + first
            found |= set(zip(rows.tolist(), pixels[outside].tolist(), strict=True))
        yield from sorted(found)

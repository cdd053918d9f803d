"""The light curves of downloaded objects as plain columns, those of many objects at a time.

What `StoredLightCurves` returns object by object is here computed for thousands at once: a hundred
thousand objects take half a minute, as tables they would take several.
"""

import contextlib
import hashlib
import json
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table
from astropy.timeseries import TimeSeries

from atlasquery.atlas.manifest import open_manifest, readable_errors, settings
from atlasquery.atlas.parquet_files import (
    KINDS,
    UNDECLARED,
    UNDECLARED_ABOUT,
    read_arrow,
    read_rows,
    with_undeclared,
)
from atlasquery.atlas.photometry import (
    FORCED_WIRE,
    forced_light_curve,
    forced_measurements,
    light_curve,
    light_curve_meta,
    signed_flux,
)
from atlasquery.exceptions import TableParseError
from atlasquery.lightcurve.stored import CurveBlock
from atlasquery.tables import Column, Rows, build_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PRODUCTS", "StoredColumns"]

#: The kinds of rows of which light curves are built, and those of forced photometry.
PRODUCTS = {
    False: ("detections", "non_detections"),
    True: ("forced",),
}

# Columns of a light curve whose missing values are empty strings.
NAMES = ("band", "exposure")
SIGNED = ("signed_mag", "signed_mag_err")
DERIVED = ("flux", "flux_err", "mag", "mag_err")
# MJD of the first day of a time stamp.
UNIX_EPOCH = 40587.0
DAY = 86_400_000_000


class StoredColumns:
    """The light curves of a directory as plain columns.

    Parameters
    ----------
    directory : `~pathlib.Path`
        The directory.
    forced : bool
        Whether they are of forced photometry.

    Attributes
    ----------
    key : str
        The column with the key of an object.
    chunks : dict of int to int
        The chunks of objects, and the number of rows of the light curves of each.
    """

    key = "atlas_id"

    def __init__(self, directory: Path, *, forced: bool):
        self._directory, self._forced = directory, forced
        self._kinds = PRODUCTS[forced]
        with (
            readable_errors(self._directory),
            contextlib.closing(open_manifest(self._directory)) as manifest,
        ):
            self._settings = settings(manifest)
            files = manifest.execute(
                "select chunk, kind, rows, size from files order by chunk, kind"
            ).fetchall()
            obtained = manifest.execute("select atlas_id, at from objects order by atlas_id")
            self._obtained = dict(obtained.fetchall())
        self._files = {(chunk, kind) for chunk, kind, *_ in files}
        self.chunks = {chunk: 0 for chunk, kind, *_ in files if kind == "objects"}
        for chunk, kind, rows, _ in files:
            if kind in self._kinds:
                self.chunks[chunk] += rows
        state = json.dumps([self._settings, self._forced, files, list(self._obtained.items())])
        #: The state of the directory: another one as soon as something was downloaded to it.
        self.state = hashlib.sha256(state.encode()).hexdigest()
        self._undeclared = {kind: self._undeclared_of(kind) for kind in ("objects", *self._kinds)}

    def is_usual(self) -> bool:
        """Return whether all files have the columns that this version knows, or strings.

        Returns
        -------
        bool
            False for files of earlier versions with columns of other types, and where a
            column of a newer server has the name of one of a light curve.
        """
        from pyarrow import parquet

        taken = {*DERIVED, "detection", "survey"}
        for kind in ("objects", *self._kinds):
            if taken & set(self._undeclared[kind]) or self._is_twice(kind):
                return False
            seen = set()
            for chunk, of in sorted(self._files):
                if of == kind:
                    schema = parquet.read_schema(self._path(chunk, kind))
                    seen.add(tuple((f.name, str(f.type)) for f in schema if f.name != "undeclared"))
            if len(seen) > 1:
                return False
        return True

    def _is_twice(self, kind: str) -> bool:
        """Return whether a column of a newer server is one that another kind of rows has."""
        declared = {c.name for of in self._kinds for c in read_rows(None, of).columns}
        return bool(declared & set(self._undeclared[kind])) and kind != "objects"

    def light_curve(self) -> TimeSeries:
        """Return a light curve without rows, with the columns of all.

        Returns
        -------
        `~astropy.timeseries.TimeSeries`
            With the metadata that all share.
        """
        rows = {kind: self._empty(kind) for kind in self._kinds}
        window = (self._settings["start"], self._settings["end"])
        origin = {"service": "ATLAS Transient Server", "server": self._settings["server"]}
        meta = light_curve_meta("", 0, None, window, origin)
        if self._forced:
            return forced_light_curve(rows["forced"], window=(None, None), meta=meta)
        return light_curve(
            rows["detections"],
            rows["non_detections"].without(("atlas_id",)),
            atlas_id=0,
            window=(None, None),
            meta=meta,
        )

    def entry(self) -> Table:
        """Return a table of catalogue entries without rows.

        Returns
        -------
        `~astropy.table.Table`
            With the columns of all.
        """
        return build_table(self._empty("objects"))

    def read(self, chunks: list[int], columns: Collection[str]) -> CurveBlock:
        """Read the light curves of the objects of some chunks.

        Parameters
        ----------
        chunks : list of int
            The chunks.
        columns : collection of str
            The columns that are wanted of each light curve, beside the time.

        Returns
        -------
        CurveBlock
            In the order of the files, which is not that of time.

        Raises
        ------
        TableParseError
            If a file is damaged or missing.
        """
        objects = with_undeclared(self._read(chunks, "objects", None))
        ids = objects["atlas_id"].to_numpy()
        keys = ids.tolist()
        obtained = [
            datetime.fromtimestamp(self._obtained[n], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            for n in keys
        ]
        given = zip(objects["name"].to_pylist(), keys, strict=True)
        names = [name or str(key) for name, key in given]
        tables = [self._of_kind(chunks, kind, columns) for kind in self._kinds]
        owner = np.concatenate([_owners(ids, table["atlas_id"].to_numpy()) for table in tables])
        mjd, exposure_time = (
            np.concatenate([_numbers(table, name) for table in tables])
            for name in ("time", "exposure_time")
        )
        computed = self._computed(tables, columns)
        found = {
            name: computed[name] if name in computed else self._column(tables, name)
            for name in columns
        }
        if self._forced:
            exposure_time = computed["exposure_time"].to_numpy()
        entries = {name: _entry(objects[name].combine_chunks()) for name in objects.column_names}
        return CurveBlock(
            keys, names, obtained, *_positions(objects), owner, mjd, exposure_time, found, entries
        )

    def _of_kind(self, chunks: list[int], kind: str, columns: Collection[str]) -> "pa.Table":
        """Read the columns of one kind of rows that the light curves need."""
        needed = {"atlas_id", "time", "exposure_time", *columns}
        if self._forced:
            needed |= {*FORCED_WIRE}
        elif set(DERIVED) & set(columns):
            needed |= {*SIGNED}
        if set(self._undeclared[kind]) & set(columns):
            needed.add(UNDECLARED.name)
        return with_undeclared(self._read(chunks, kind, needed))

    def _read(self, chunks: list[int], kind: str, columns: Collection[str] | None) -> "pa.Table":
        import pyarrow as pa

        paths = [self._path(chunk, kind) for chunk in chunks if (chunk, kind) in self._files]
        try:
            if paths:
                return read_arrow(paths, columns)
        except FileNotFoundError as error:
            raise TableParseError(
                f"{error} is missing: if it is still missing when you call this again, call "
                "download_sources, which fetches its objects again"
            ) from None
        fields = [("atlas_id", pa.int64()), ("time", pa.float64())]
        return pa.table({name: pa.array([], type=kind) for name, kind in fields})

    def _computed(self, tables: list, columns: Collection[str]) -> dict[str, "pa.Array"]:
        """Return the columns that no file has."""
        import pyarrow as pa

        lengths = [len(table) for table in tables]
        total = sum(lengths)
        found: dict[str, Any] = {}
        if "survey" in columns:
            found["survey"] = pa.repeat("atlas", total)
        if self._forced:
            wire = {name: _numbers(tables[0], name) for name in FORCED_WIRE if name != "is_limit"}
            is_limit = _truths(tables[0], "is_limit")
            wire["is_limit"] = is_limit[0]
            values = forced_measurements(wire, is_limit[1])
            found["detection"] = pa.array(values.pop("detection"))
            found["exposure_time"] = pa.array(values.pop("exposure_time"))
            return found | {name: _masked(array) for name, array in values.items()}
        if "detection" in columns:
            found["detection"] = pa.array(np.arange(total) < lengths[0])
        if "exposure_time" in columns:
            # It is never masked.
            found["exposure_time"] = pa.array(
                np.concatenate([_numbers(table, "exposure_time") for table in tables])
            )
        if set(DERIVED) & set(columns):
            signed = Rows(length=lengths[0])
            for name in SIGNED:
                signed.add(Column(name), _numbers(tables[0], name))
            for column, array in signed_flux(signed):
                blank = np.full(lengths[1], np.nan)
                found[column.name] = _masked(np.concatenate([array, blank]))
        return found

    def _column(self, tables: list, name: str) -> "pa.Array":
        """Return a column of the files for the rows of all kinds."""
        import pyarrow as pa
        from pyarrow import compute

        arrays = [table[name] if name in table.column_names else None for table in tables]
        kinds = [array.type for array in arrays if array is not None]
        kind = next((one for one in kinds if not pa.types.is_null(one)), pa.string())
        parts = []
        for array, table in zip(arrays, tables, strict=True):
            if array is None:
                parts.append(pa.nulls(len(table), kind))
            else:
                parts.append(pa.concat_arrays([chunk.cast(kind) for chunk in array.chunks]))
        joined = pa.concat_arrays(parts)
        if name in NAMES and joined.null_count:
            return compute.fill_null(joined, "")
        if pa.types.is_timestamp(kind):
            return _mjd_of_stamps(joined)
        return joined

    def _path(self, chunk: int, kind: str) -> Path:
        return self._directory / kind / f"{chunk:08d}.parquet"

    def _empty(self, kind: str) -> Rows:
        rows = read_rows(None, kind)
        # In files the id is the first column.
        order = list(KINDS[kind][0].by_name)
        rows.columns.sort(key=lambda c: order.index(c.name) if c.name in order else len(order))
        for name in self._undeclared[kind]:
            if name not in rows.values:
                rows.add(Column(name, str, about=UNDECLARED_ABOUT), np.empty(0, "U1"))
        return rows

    def _undeclared_of(self, kind: str) -> list[str]:
        """Return the columns that a newer server sent, in the order in which they come first."""
        from pyarrow import parquet

        names: dict[str, None] = {}
        for chunk, of in sorted(self._files):
            if of != kind or not self._path(chunk, kind).is_file():
                continue
            metadata = parquet.read_metadata(self._path(chunk, kind))
            if not _has_values(metadata, UNDECLARED.name):
                continue
            records = read_arrow([self._path(chunk, kind)], {UNDECLARED.name})[UNDECLARED.name]
            for record in records.drop_null().to_pylist():
                names |= dict.fromkeys(json.loads(record))
        return list(names)


def _has_values(metadata: Any, name: str) -> bool:
    """Return whether a column of a file has a value, as far as its footer says."""
    for group in range(metadata.num_row_groups):
        found = metadata.row_group(group)
        for n in range(found.num_columns):
            column = found.column(n)
            if column.path_in_schema == name:
                known = column.statistics
                if known is None or known.null_count is None or known.null_count < found.num_rows:
                    return True
    return False


def _owners(ids: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Return which of the ids each row has; the rows of an object mostly come together."""
    if not len(of):
        return np.empty(0, np.int64)
    starts = np.flatnonzero(np.concatenate([[True], of[1:] != of[:-1]]))
    order = np.argsort(ids)
    found = order[np.searchsorted(ids, of[starts], sorter=order)]
    return np.repeat(found, np.diff(starts, append=len(of)))


def _numbers(table: "pa.Table", name: str) -> np.ndarray:
    """Return a column as floats, NaN where it is null."""
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    return table[name].to_numpy().astype(np.float64, copy=False)


def _truths(table: "pa.Table", name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a column of booleans, False where it is null, and where it is null."""
    if name not in table.column_names:
        return np.zeros(len(table), bool), np.ones(len(table), bool)
    column = table[name].combine_chunks()
    values = column.fill_null(False).to_numpy(zero_copy_only=False)
    return values, np.asarray(column.is_null())


def _masked(values: np.ndarray) -> "pa.Array":
    import pyarrow as pa

    missing = np.isnan(values)
    return pa.array(values, mask=missing if missing.any() else None)


def _entry(array: "pa.Array") -> "pa.Array":
    """Return a column of catalogue entries as a table has it: with times as MJD."""
    import pyarrow as pa

    return _mjd_of_stamps(array) if pa.types.is_timestamp(array.type) else array


def _mjd_of_stamps(stamps: "pa.Array") -> "pa.Array":
    """Return the MJD of time stamps in UTC, good to the microsecond; null where one is missing."""
    import pyarrow as pa

    mask = np.asarray(stamps.is_null())
    micro = stamps.cast(pa.int64()).fill_null(0).to_numpy()
    day, rest = np.divmod(micro, DAY)
    return pa.array((day + UNIX_EPOCH) + rest / DAY, mask=mask if mask.any() else None)


def _positions(objects: "pa.Table") -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of catalogue entries in degrees, NaN where one is not on the sky."""
    ra, dec = _numbers(objects, "ra"), _numbers(objects, "dec")
    with np.errstate(invalid="ignore"):
        off = ~((np.abs(ra) <= 360) & (np.abs(dec) <= 90))
    return np.where(off, np.nan, ra), np.where(off, np.nan, dec)

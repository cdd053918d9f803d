"""Light curves sorted by the sky in temporary files, of which parts can be read.

Each batch of a source is sorted by pixel and time, and written as one run. A file of the catalogue
is then merged from the parts of all runs that are in its pixel: neither needs the whole in memory.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from atlasquery.hats.fields import MJD, MJD_TAI, FileColumn
from atlasquery.hats.layout import HEALPIX, healpix_of
from atlasquery.hats.properties import LIGHT_CURVE
from atlasquery.hats.sources import CurveBatch

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["REQUIRED", "Run", "conform", "merged", "row_order", "sorted_table", "write_run"]

#: Columns that are never null.
REQUIRED = (HEALPIX, "id")
# Bytes of what is read from a run at once.
CHUNK = 1 << 21
# Bits of the number that rows are sorted by.
KEY_BITS = 62
# Bytes of a list's beginning, and of the numbers of an object that has no rows.
LEAST_BYTES = 64


@dataclass(frozen=True)
class Run:
    """One sorted part of the objects.

    Parameters
    ----------
    path : `~pathlib.Path`
        Its file.
    healpix : `~numpy.ndarray` of int64
        The pixel of each object, sorted.
    sizes : `~numpy.ndarray`
        Bytes of each object.
    starts : `~numpy.ndarray` of int64
        The first object of each chunk, and the number of objects.
    missing : list
        Keys of objects without a position, which are not in it.
    """

    path: Path
    healpix: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray
    missing: list

    @classmethod
    def opened(cls, path: Path) -> "Run | None":
        """Return a run that was written before.

        Parameters
        ----------
        path : `~pathlib.Path`
            Its file.

        Returns
        -------
        Run or None
            None if it was not written completely.
        """
        import pyarrow as pa
        from pyarrow import ipc

        try:
            with np.load(path.with_suffix(".npz")) as known:
                run = cls(
                    path,
                    known["healpix"],
                    known["sizes"],
                    known["starts"],
                    json.loads(str(known["missing"])),
                )
            with pa.memory_map(str(path)) as file:
                if ipc.open_file(file).num_record_batches != len(run.starts) - 1:
                    return None
        except (OSError, ValueError, KeyError, EOFError, pa.ArrowException):
            return None
        return run

    def read(self, first: int, last: int) -> "list[pa.RecordBatch]":
        """Read some objects.

        Parameters
        ----------
        first, last : int
            The first, and the one after the last.

        Returns
        -------
        list of `pyarrow.RecordBatch`
            Their rows.
        """
        import pyarrow as pa
        from pyarrow import ipc

        if first >= last:
            return []
        begin = int(np.searchsorted(self.starts, first, side="right")) - 1
        end = int(np.searchsorted(self.starts, last))
        found = []
        with pa.memory_map(str(self.path)) as file:
            reader = ipc.open_file(file)
            for n in range(begin, end):
                start = int(self.starts[n])
                chunk = reader.get_batch(n)
                low, high = max(first - start, 0), min(last - start, len(chunk))
                found.append(chunk.slice(low, high - low))
        return found


def write_run(path: Path, batch: CurveBatch, fields: Iterable[FileColumn]) -> Run:
    """Sort a batch and write it to a file.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    batch : CurveBatch
        The light curves.
    fields : iterable of FileColumn
        Their columns.

    Returns
    -------
    Run
        What was written.
    """
    import pyarrow as pa
    from pyarrow import ipc

    table, sizes, missing = sorted_table(batch, fields)
    chunks = max(1, int(np.ceil(sizes.sum() / CHUNK)))
    totals = np.cumsum(sizes)
    marks = np.searchsorted(totals, np.arange(1, chunks) * (sizes.sum() / chunks))
    starts = np.unique(np.concatenate([[0], marks, [len(table)]])).astype(np.int64)
    if not len(table):
        starts = np.zeros(1, np.int64)
    temporary = path.with_suffix(".tmp")
    options = ipc.IpcWriteOptions(compression="lz4")
    with (
        pa.OSFile(str(temporary), "wb") as file,
        ipc.new_file(file, table.schema, options=options) as writer,
    ):
        for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            for chunk in table.slice(first, last - first).combine_chunks().to_batches():
                writer.write_batch(chunk)
    os.replace(temporary, path)
    healpix = table[HEALPIX].to_numpy()
    known = path.with_suffix(".npz")
    with known.with_suffix(".tmp").open("wb") as handle:
        np.savez(handle, healpix=healpix, sizes=sizes, starts=starts, missing=json.dumps(missing))
    # The file of a run counts from the moment at which this one has its name.
    os.replace(known.with_suffix(".tmp"), known)
    return Run(path, healpix, sizes, starts, missing)


def sorted_table(
    batch: CurveBatch, fields: Iterable[FileColumn]
) -> "tuple[pa.Table, np.ndarray, list]":
    """Return a batch as a table with a row for each object, sorted by pixel.

    Parameters
    ----------
    batch : CurveBatch
        The light curves.
    fields : iterable of FileColumn
        Their columns.

    Returns
    -------
    table : `pyarrow.Table`
        The rows of each light curve are sorted by time.
    sizes : `~numpy.ndarray`
        Bytes of each object.
    missing : list
        Keys of objects without a position, which are left out.
    """
    import pyarrow as pa

    known = np.isfinite(batch.ra) & np.isfinite(batch.dec)
    healpix = np.full(len(known), -1, np.int64)
    healpix[known] = healpix_of(batch.ra[known], batch.dec[known])
    # Those without a position come first, and are cut off.
    objects = np.argsort(healpix, kind="stable")
    left_out = int(np.count_nonzero(~known))
    rank = np.empty(len(objects), np.int64)
    rank[objects] = np.arange(len(objects))
    rows, lengths = row_order(rank[batch.owner], batch.rows[MJD].to_numpy(zero_copy_only=False),
                               len(objects))  # fmt: skip
    rows = rows[int(lengths[:left_out].sum()) :]
    objects, lengths = objects[left_out:], lengths[left_out:]
    nested, row_bytes = _nested(batch, fields, rows, lengths)
    about: dict[str, pa.Array] = {
        HEALPIX: pa.array(healpix[objects]),
        "id": pa.array(batch.ids, pa.string() if isinstance(batch.ids[0], str) else pa.int64()),
        "object": pa.array(batch.names, pa.string()),
        "survey": pa.array(batch.surveys, pa.string()),
        "ra": pa.array(batch.ra % 360.0),
        "dec": pa.array(batch.dec),
        **batch.entries,
        "meta": pa.array(batch.metas, pa.string()),
    }
    index = pa.array(objects)
    columns = {
        name: array if name == HEALPIX else array.take(index) for name, array in about.items()
    }
    each = LEAST_BYTES + sum(a.nbytes for a in columns.values()) / max(1, len(objects))
    sizes = lengths * row_bytes + each
    missing = [batch.ids[n] for n in np.flatnonzero(~known).tolist()]
    columns[LIGHT_CURVE] = nested
    schema = pa.schema([pa.field(k, a.type, k not in REQUIRED) for k, a in columns.items()])
    return pa.table(list(columns.values()), schema=schema), sizes, missing


def row_order(owner: np.ndarray, mjd: np.ndarray, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows in order of object and time, and the number of rows of each object.

    Rows of one time stay in the order given; those without a time come last.

    Parameters
    ----------
    owner : `~numpy.ndarray` of int64
        The number of the object of each row.
    mjd : `~numpy.ndarray`
        The time of each row, NaN where it is missing.
    objects : int
        Number of objects.

    Returns
    -------
    order, lengths : `~numpy.ndarray` of int64
        The rows, and the number of rows of each object.
    """
    lengths = np.bincount(owner, minlength=objects)
    if not len(owner) or (np.all(owner[1:] >= owner[:-1]) and _is_rising(owner, mjd)):
        return np.arange(len(owner)), lengths
    if np.isnan(mjd).any():
        return np.lexsort((mjd, owner)), lengths
    # Both in one number, which is sorted in a fourth of the time that two columns take.
    bits = KEY_BITS - int(objects).bit_length()
    low = float(mjd.min())
    # Below the number of the next object, however the last time is rounded.
    scale = 2.0**bits * (1 - 1e-9) / max(float(mjd.max()) - low, 1.0)
    key = (owner.astype(np.int64) << bits) + ((mjd - low) * scale).astype(np.int64)
    order = np.argsort(key)
    ordered = key[order]
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(same):
        # Times that are equal, or differ by less than the number shows.
        some = np.unique(np.concatenate([same, same + 1]))
        rows = order[some]
        order[some] = rows[np.lexsort((rows, mjd[rows], key[rows]))]
    return order, lengths


def _is_rising(owner: np.ndarray, mjd: np.ndarray) -> bool:
    return bool(np.all((mjd[1:] >= mjd[:-1]) | (owner[1:] != owner[:-1])))


def _nested(
    batch: CurveBatch, fields: Iterable[FileColumn], rows: np.ndarray, lengths: np.ndarray
) -> "tuple[pa.StructArray, float]":
    """Return the light curves as one column, and the bytes of a row."""
    import pyarrow as pa

    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    index = pa.array(rows)
    lists, names = [], []
    size = 0
    for one in fields:
        # Taken out of the batch, so that a column is in memory twice only while it is sorted.
        values = batch.rows.pop(one.name).take(index)
        size += values.nbytes
        lists.append(pa.ListArray.from_arrays(offsets, values))
        names.append(one.name)
        if one.name == MJD:
            tai = batch.mjd_tai[rows]
            lists.append(pa.ListArray.from_arrays(offsets, pa.array(tai, mask=np.isnan(tai))))
            names.append(MJD_TAI)
            size += 8 * len(tai)
    return pa.StructArray.from_arrays(lists, names), size / max(1, len(rows))


def merged(runs: Iterable[Run], start: int, stop: int, schema: "pa.Schema") -> "pa.Table":
    """Return the objects of all runs in some pixels.

    Parameters
    ----------
    runs : iterable of Run
        The runs.
    start, stop : int
        The first pixel, and the one after the last.
    schema : `pyarrow.Schema`
        The columns of the result.

    Returns
    -------
    `pyarrow.Table`
        Sorted by pixel; objects of one pixel are in the order of the runs.
    """
    import pyarrow as pa

    chunks = []
    for run in runs:
        first, last = np.searchsorted(run.healpix, (start, stop)).tolist()
        chunks += [conform(chunk, schema) for chunk in run.read(first, last)]
    table = pa.Table.from_batches(chunks, schema=schema)
    healpix = table[HEALPIX].to_numpy()
    if np.all(healpix[1:] >= healpix[:-1]):
        return table.combine_chunks()
    return table.combine_chunks().take(pa.array(np.argsort(healpix, kind="stable")))


def conform(chunk: "pa.RecordBatch", schema: "pa.Schema") -> "pa.RecordBatch":
    """Return rows with the columns of another schema, null where they have none.

    Parameters
    ----------
    chunk : `pyarrow.RecordBatch`
        The rows.
    schema : `pyarrow.Schema`
        The schema.

    Returns
    -------
    `pyarrow.RecordBatch`
        The same rows.
    """
    import pyarrow as pa

    if chunk.schema.equals(schema):
        return chunk
    columns = []
    for field in schema:
        if field.name != LIGHT_CURVE:
            columns.append(chunk.column(field.name).cast(field.type))
            continue
        nested = chunk.column(field.name)
        found = dict(zip([one.name for one in nested.type], nested.flatten(), strict=True))
        offsets = found[MJD].offsets
        start = offsets[0].as_py()
        length = offsets[-1].as_py() - start
        # Those of a slice of lists begin where it does.
        offsets = pa.array(np.asarray(offsets) - start, pa.int32())
        lists = []
        for inner in field.type:
            kind = inner.type.value_type
            if inner.name in found:
                values = found[inner.name].flatten().cast(kind)
            else:
                values = pa.nulls(length, kind)
            lists.append(pa.ListArray.from_arrays(offsets, values))
        columns.append(pa.StructArray.from_arrays(lists, fields=list(field.type)))
    return pa.RecordBatch.from_arrays(columns, schema=schema)

"""Write light curves of many objects as a HATS catalogue, for LSDB and any reader of Parquet."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.hats.fields import MJD, MJD_TAI, TAI_ABOUT, FileColumn
from atlasquery.hats.layout import (
    HEALPIX,
    Cell,
    cells_beside,
    cells_of_sky,
    file_of,
    margin_order,
    range_of,
)
from atlasquery.hats.properties import (
    COLLECTION,
    COMMON,
    HEADER,
    LIGHT_CURVE,
    PARTITIONS,
    PROPERTIES,
    catalog_properties,
    write_common_metadata,
    write_partitions,
    write_properties,
)
from atlasquery.hats.sources import CatalogueContents, Source, open_source
from atlasquery.hats.spool import REQUIRED, Run, merged, write_run
from atlasquery.lightcurve.checks import check_number
from atlasquery.service.failures import check_on_error
from atlasquery.service.files import storage_errors
from atlasquery.service.inputs import check_names, check_path, check_radius
from atlasquery.service.locks import locked
from atlasquery.service.pool import progress_bar
from atlasquery.tables.packages import require
from atlasquery.tables.parquet_schema import with_pandas_types
from atlasquery.warn import warn

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["to_hats"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
# Without a margin, the smallest cells are as small as with one of 5 arcsec.
USUAL_MARGIN = 5.0
# Bytes of a row group: what a reader of one object has to read.
GROUP = 1 << 24
# Objects for which a bar is shown.
WORTH_A_BAR = 5000
# Objects that a message names.
NAMED = 3
CELL = "_cell"
# What is in the directory of the work in progress.
STATE, DONE, NEW, OLD = "state.json", "done", "catalogue", "old"
RUNS, BESIDE, TEMPORARY, STATE_TEMPORARY = "runs", "beside", "file.tmp", "state.tmp"
IN_PROGRESS = {STATE, DONE, NEW, OLD, RUNS, BESIDE, TEMPORARY, STATE_TEMPORARY}
ABOUT = {
    HEALPIX: "Pixel of the position: HEALPix, nested, order 29.",
    "id": "Key of the light curve.",
    "object": "Name of the object.",
    "survey": "Survey, or surveys.",
    "ra": "Right ascension, ICRS.",
    "dec": "Declination, ICRS.",
    "meta": "What the metadata has that differs from object to object: JSON.",
}
UNITS = {"ra": "deg", "dec": "deg"}


def to_hats(
    source: str | os.PathLike | Mapping[Any, Any] | Table,
    path: str | os.PathLike,
    *,
    name: str | None = None,
    columns: Sequence[str] | None = None,
    coordinates: Mapping[Any, SkyCoord] | SkyCoord | None = None,
    margin: Angle | str | None = "5 arcsec",
    partition_bytes: float = 1e8,
    on_error: str = "raise",
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Write light curves of many objects as a HATS catalogue.

    LSDB opens it and works on it with any number of processes or machines; pandas, polars
    and DuckDB read its files. There is a row for each object, whose light curve is in the nested
    column ``light_curve``. The directory appears when it is complete.

    Parameters
    ----------
    source : path-like, mapping or `~astropy.table.Table`
        A directory of `~atlasquery.atlas.AtlasClass.download_sources`, or what ``read_sources``
        returns of one, such as its forced photometry; light curves by id, of any service, or as
        `~atlasquery.lightcurve.combine`, `~atlasquery.lightcurve.clean` and
        `~atlasquery.lightcurve.bin` return them; or a table of many with a column ``object``, as
        `~atlasquery.lightcurve.stack` returns it.
    path : path-like
        The directory of the catalogue, which does not exist yet.
    name : str, optional
        Name of the catalogue: letters, digits, ``_``, ``-`` and ``.``. By default that of the
        directory.
    columns : sequence of str, optional
        The columns of the light curves that are written in addition to the times; by default all.
    coordinates : mapping or `~astropy.coordinates.SkyCoord`, optional
        The position of each object, by id or in the order of `source`. By default that of the
        catalogue entry, or in ``meta["coordinates"]``, else the mean of ``ra`` and ``dec`` of the
        rows.
    margin : `~astropy.coordinates.Angle` or str, optional
        Each file has a second one with the objects that are at most so far outside of its pixel,
        which LSDB needs to match catalogues over borders. None for no margin.
    partition_bytes : float, optional
        The largest size of a file in memory; a file that is read with LSDB takes a few times
        as much. One object is never divided.
    on_error : {"raise", "warn"}, optional
        Whether objects without a position are refused, or left out with a warning.
    overwrite : bool, optional
        Whether to replace an existing catalogue; it is not removed before the new one is complete.
    progress : bool, optional
        Whether a bar is shown, for long jobs on a terminal or in a notebook.

    Returns
    -------
    `~pathlib.Path`
        The directory: a collection with the catalogue and its margin. The columns are

        =============== ===== ========================================================
        Column          Unit  Meaning
        =============== ===== ========================================================
        _healpix_29           Pixel of the position, by which rows are sorted.
        id                    The key in `source`: 64-bit integer or string.
        object                Name of the object.
        survey                Survey.
        ra, dec         deg   Position, ICRS.
        of the entry          Of downloaded objects the catalogue entry, dates as MJD.
        meta                  JSON: the metadata that only this light curve has.
        light_curve           Nested, sorted by time: the columns of the light curve.
        =============== ===== ========================================================

        ``light_curve.mjd`` is the survey's time in its time scale, ``light_curve.mjd_tai`` the
        middle of the exposure in TAI, null where times are those at the barycentre; other
        times are MJD too. What is masked is null. Units and descriptions are in
        ``dataset/_common_metadata``, as a VOTable.

    Raises
    ------
    InvalidQueryError
        If `source` is something else or empty, the light curves have different time scales or
        columns that cannot be one, an object has no position, an argument is not what it should
        be, the directory exists, or another process writes to it.
    StorageError
        If the disk is full.
    ImportError
        If pyarrow or cdshealpix is missing: they come with ``atlasquery[hats]``.

    Warns
    -----
    InputWarning
        If objects are left out, or an item of ``meta`` cannot be written.

    See Also
    --------
    read_hats : Read the light curves again.
    check_hats : Check a catalogue more strictly than LSDB does.

    Notes
    -----
    Memory does not depend on the number of objects, but for about 100 bytes of each. The work
    in progress is in a directory beside `path` whose name ends in ``.part``, with a copy of all
    light curves, compressed. After an interruption, even by ``kill -9``, call it again with the
    same arguments: what was written of a directory of downloads is kept if nothing was downloaded
    since. Light curves in memory are written from the beginning.

    References
    ----------
    https://www.ivoa.net/documents/Notes/HATS/

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas, read_hats, to_hats
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> ids = Atlas.query_region(centre, radius="5 arcmin")["atlas_id"]
    >>> _ = Atlas.download_sources(ids, "nightly")
    >>> path = to_hats("nightly", "atlas_hats", name="atlas")
    >>> curves = read_hats(path)
    >>> len(curves), curves[ids[0]]["flux"].unit
    (12, Unit("uJy"))
    """
    require("pyarrow.parquet", "hats")
    require("cdshealpix", "hats")
    options = _checked(path, name, columns, margin, partition_bytes, on_error)
    opened = open_source(source, options.columns, coordinates)
    with storage_errors(options.path), _work_folder(options, opened, overwrite) as work:
        _Writer(opened, options, work).write(progress)
    return options.path


@dataclass(frozen=True)
class _Options:
    """The arguments of `to_hats` that say what is written."""

    path: Path
    name: str
    columns: list[str] | None
    margin: float | None
    target: float
    on_error: str

    @property
    def work(self) -> Path:
        """The directory of the work in progress."""
        return self.path.with_name(self.path.name + ".part")

    def state(self, source: Source) -> dict:
        """Return what has to be the same for what was written to be used."""
        return {
            "version": version("atlasquery"),
            "source": source.state,
            "name": self.name,
            "columns": self.columns,
            "margin": self.margin,
            "target": self.target,
            "on_error": self.on_error,
        }

    def is_finished(self, source: Source) -> bool:
        """Return whether the last call ended after the directory got its name."""
        return (
            (self.work / DONE).is_file()
            and source.state is not None
            and _read_state(self.work).get("options") == self.state(source)
        )


def _checked(
    path: object, name: object, columns: object, margin: Any, target: Any, on_error: str
) -> _Options:
    folder = check_path(path, name="path").absolute()
    label = folder.name if name is None else name
    if not isinstance(label, str) or not NAME.fullmatch(label):
        default = " (by default the last part of path)" if name is None else ""
        raise InvalidQueryError(
            f"name={label!r:.100}{default} should be up to 100 letters, digits, '_', '-' and '.', "
            "and begin with a letter or a digit; give the catalogue a name, such as name='atlas'"
        )
    check_on_error(on_error)
    check_number(target, name="partition_bytes", least=1.0)
    chosen = None if columns is None else check_names(columns, name="columns")
    threshold = None
    if margin is not None:
        threshold = check_radius(margin, name="margin")
        if not threshold > 0:
            raise InvalidQueryError(f"margin={margin!r} should be above 0, or None for no margin")
    return _Options(folder, label, chosen, threshold, float(target), on_error)


@contextmanager
def _work_folder(options: _Options, source: Source, overwrite: bool) -> Iterator[Path]:
    """Create the directory of the work in progress, and lock it."""
    work, path = options.work, options.path
    work.parent.mkdir(parents=True, exist_ok=True)
    with locked(work.with_name(work.name + ".lock")) as held:
        if not held:
            raise InvalidQueryError(
                f"path={str(path)!r} is written by another process: wait for it to end, or take "
                "another path"
            )
        if (work / OLD).exists() and not path.exists():
            # The last call ended between the two renames.
            is_done = (work / DONE).is_file() and (work / NEW).exists()
            (work / (NEW if is_done else OLD)).rename(path)
        if path.exists() and not overwrite and not options.is_finished(source):
            raise InvalidQueryError(
                f"path={str(path)!r} exists already; overwrite=True replaces it by a new catalogue"
            )
        if work.exists() and {one.name for one in work.iterdir()} - IN_PROGRESS:
            raise InvalidQueryError(
                f"{str(work)!r}, where the work in progress would be, has something else: remove it"
            )
        work.mkdir(exist_ok=True)
        yield work


def _read_state(work: Path) -> dict:
    try:
        return json.loads((work / STATE).read_text())
    except (OSError, ValueError):
        return {}


@dataclass
class _Catalogue:
    """The main catalogue, or its margin."""

    folder: Path
    cells: list[Cell] = field(default_factory=list)
    rows: int = 0


class _Writer:
    """Writes a catalogue in steps, each of which is known to be complete by its files."""

    def __init__(self, source: Source, options: _Options, work: Path):
        self._source, self._options, self._work = source, options, work
        self._root = work / NEW
        self._runs_folder, self._beside_folder = work / RUNS, work / BESIDE
        self._temporary = work / TEMPORARY
        arcsec = "" if options.margin is None else f"{options.margin:g}arcs"
        self._main = _Catalogue(self._root / options.name)
        self._margin = _Catalogue(self._root / f"{options.name}_{arcsec}")

    def write(self, progress: bool) -> None:
        """Write all that is not yet written, and give the directory its name."""
        if not self._options.is_finished(self._source):
            self._begin()
            with progress_bar(
                2 * self._source.total, shown=progress and self._source.total >= WORTH_A_BAR
            ) as bar:
                runs = self._spool(bar)
                self._check_missing(runs)
                self._write_files(runs, bar)
            (self._work / DONE).touch()
        self._publish()

    def _begin(self) -> None:
        """Remove what an earlier call left, unless it was for the same."""
        state = self._options.state(self._source)
        known = _read_state(self._work)
        if self._source.state is None or known.get("options") != state:
            # First what says that the rest is complete.
            (self._work / DONE).unlink(missing_ok=True)
            for left in list(self._work.iterdir()):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            known = {"options": state, "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MUTC")}
            temporary = self._work / STATE_TEMPORARY
            temporary.write_text(json.dumps(known))
            os.replace(temporary, self._work / STATE)
        self._created = known["created"]
        for folder in (self._runs_folder, self._beside_folder, self._root):
            folder.mkdir(exist_ok=True)

    def _spool(self, bar: Any) -> list[Run]:
        """Write the light curves to sorted runs."""
        runs: dict[int, Run] = {}
        for known in self._runs_folder.glob("*.npz"):
            if (run := Run.opened(known.with_suffix(".arrow"))) is not None:
                runs[int(known.stem)] = run
        done = set(runs)
        count = sum(len(run.healpix) + len(run.missing) for run in runs.values())
        for number, batch in self._source.batches(done):
            path = self._runs_folder / f"{number:06d}.arrow"
            count += len(batch.ids)
            runs[number] = write_run(path, batch, self._source.contents().fields)
            del batch
            _release()
            bar.update(count)
        return [runs[number] for number in sorted(runs)]

    def _check_missing(self, runs: list[Run]) -> None:
        missing = [key for run in runs for key in run.missing]
        if lost := self._source.lost:
            warn(f"a file cannot hold these items of meta: {', '.join(sorted(lost))}", InputWarning)
        if not missing:
            return
        n, named = len(missing), ", ".join(map(str, missing[:NAMED]))
        named += f" and {n - NAMED} more" if n > NAMED else ""
        what = f"{n} object{'s have' if n > 1 else ' has'} no position: {named}"
        if self._options.on_error == "raise" or n == self._source.total:
            shutil.rmtree(self._work)
            raise InvalidQueryError(
                f"{what}; give coordinates={{id: SkyCoord(...)}}, or leave them out with "
                "on_error='warn'"
            )
        warn(f"left out, as {what}", InputWarning)

    def _write_files(self, runs: list[Run], bar: Any) -> None:
        contents = self._source.contents()
        schema, fields = _schema(contents, self._options.name)
        healpix = np.concatenate([run.healpix for run in runs])
        order = np.argsort(healpix, kind="stable")
        healpix = healpix[order]
        sizes = np.concatenate([run.sizes for run in runs])[order]
        finest = margin_order(self._options.margin or USUAL_MARGIN)
        cells = cells_of_sky(healpix, sizes, self._options.target, finest)
        self._main.rows = len(healpix)
        for cell in cells:
            if not len(cell):
                continue
            self._write_cell(cell, cells, runs, schema, finest)
            self._main.cells.append(cell)
            bar.update(self._source.total + cell.last)
        if self._options.margin is not None:
            self._write_margin(cells, schema)
        self._finish(self._main, "object", schema, fields, {})
        if self._options.margin is not None:
            further = {
                "hats_primary_table_url": self._options.name,
                "hats_margin_threshold": f"{self._options.margin:.10g}",
            }
            self._finish(self._margin, "margin", schema, fields, further)
        self._write_collection()

    def _write_cell(
        self, cell: Cell, cells: list[Cell], runs: list[Run], schema: "pa.Schema", finest: int
    ) -> None:
        """Write the objects of a cell, and before that those near other cells."""
        path = self._main.folder / file_of(cell.order, cell.pixel)
        if path.is_file():
            return
        table = merged(runs, *range_of(cell.order, cell.pixel), schema)
        if self._options.margin is not None:
            self._write_beside(table, cell, cells, finest)
        self._write_table(table, path)
        del table
        _release()

    def _write_beside(self, table: "pa.Table", cell: Cell, cells: list[Cell], finest: int) -> None:
        import pyarrow as pa
        from pyarrow import ipc

        objects, beside = cells_beside(table[HEALPIX].to_numpy(), cells, finest)
        path = self._beside_path(cell)
        path.unlink(missing_ok=True)
        if not len(objects):
            return
        order = np.lexsort((objects, beside))
        some = table.take(pa.array(objects[order])).append_column(CELL, pa.array(beside[order]))
        with (
            pa.OSFile(str(self._temporary), "wb") as file,
            ipc.new_file(
                file, some.schema, options=ipc.IpcWriteOptions(compression="lz4")
            ) as writer,
        ):
            edges = np.flatnonzero(np.diff(beside[order], prepend=-1))
            for first, last in zip(edges, [*edges[1:], len(order)], strict=True):
                # One chunk for each cell.
                for chunk in some.slice(first, last - first).combine_chunks().to_batches():
                    writer.write_batch(chunk)
        os.replace(self._temporary, path)

    def _beside_path(self, cell: Cell) -> Path:
        return self._beside_folder / f"{cell.order}-{cell.pixel}.arrow"

    def _write_margin(self, cells: list[Cell], schema: "pa.Schema") -> None:
        """Write for each cell of the sky the objects near it, where there are any."""
        import pyarrow as pa
        from pyarrow import ipc

        chunks: dict[int, list[tuple[Path, int]]] = {}
        for path in sorted(self._beside_folder.glob("*.arrow")):
            with pa.memory_map(str(path)) as file:
                reader = ipc.open_file(file)
                for n in range(reader.num_record_batches):
                    number = reader.get_batch(n).column(CELL)[0].as_py()
                    chunks.setdefault(number, []).append((path, n))
        for number in sorted(chunks):
            cell = cells[number]
            found = []
            for path, n in chunks[number]:
                with pa.memory_map(str(path)) as file:
                    found.append(ipc.open_file(file).get_batch(n))
            table = pa.Table.from_batches(found).drop_columns([CELL]).combine_chunks()
            order = np.argsort(table[HEALPIX].to_numpy(), kind="stable")
            table = table.take(pa.array(order)).replace_schema_metadata(schema.metadata)
            self._margin.cells.append(cell)
            self._margin.rows += len(table)
            target = self._margin.folder / file_of(cell.order, cell.pixel)
            if not target.is_file():
                self._write_table(table, target)
        if not chunks:
            # A margin without a file would not be a catalogue.
            cell = self._main.cells[0]
            self._margin.cells.append(cell)
            self._write_table(
                schema.empty_table(), self._margin.folder / file_of(cell.order, cell.pixel)
            )

    def _write_table(self, table: "pa.Table", path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        path.parent.mkdir(parents=True, exist_ok=True)
        # A dictionary pays for strings only: numbers mostly differ from row to row.
        strings = [f.name for f in table.schema if pa.types.is_string(f.type)]
        nested = table.schema.field(LIGHT_CURVE).type
        strings += [
            f"{LIGHT_CURVE}.{inner.name}.list.element"
            for inner in nested
            if pa.types.is_string(inner.type.value_type)
        ]
        group = max(1, int(len(table) * GROUP / max(table.nbytes, 1)))
        parquet.write_table(
            table,
            self._temporary,
            compression="zstd",
            use_dictionary=strings,
            row_group_size=group,
        )
        with self._temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(self._temporary, path)

    def _finish(
        self,
        catalogue: _Catalogue,
        kind: str,
        schema: "pa.Schema",
        fields: Mapping[str, Mapping[str, FileColumn]],
        further: Mapping[str, str],
    ) -> None:
        """Write the small files of a catalogue."""
        folder = catalogue.folder
        write_common_metadata(folder / COMMON, schema, fields, folder.name)
        write_partitions(folder / PARTITIONS, catalogue.cells)
        size = sum((folder / file_of(c.order, c.pixel)).stat().st_size for c in catalogue.cells)
        items = catalog_properties(
            name=folder.name,
            kind=kind,
            rows=catalogue.rows,
            cells=catalogue.cells,
            size=size,
            created=self._created,
            builder=f"atlasquery {version('atlasquery')}",
            further=further,
        )
        for name in reversed(PROPERTIES):
            write_properties(folder / name, items)

    def _write_collection(self) -> None:
        items: dict[str, Any] = {
            "obs_collection": self._options.name,
            "hats_primary_table_url": self._main.folder.name,
        }
        if self._options.margin is not None:
            # A margin is used where it is the default, which has to be one of all.
            items["all_margins"] = items["default_margin"] = self._margin.folder.name
        write_properties(self._root / COLLECTION, items)

    def _publish(self) -> None:
        """Give the complete directory its name, in place of an older one."""
        path, old = self._options.path, self._work / OLD
        if self._root.exists():
            if path.exists():
                if old.exists():
                    shutil.rmtree(old)
                path.rename(old)
            self._root.rename(path)
        shutil.rmtree(self._work)


def _schema(
    contents: CatalogueContents, name: str
) -> "tuple[pa.Schema, dict[str, dict[str, FileColumn]]]":
    """Return the schema of all files, and the fields of its columns."""
    import pyarrow as pa

    tai = FileColumn(MJD_TAI, MJD_TAI, "column", "float64", True, "d", TAI_ABOUT)
    inner = []
    for one in contents.fields:
        inner.append(_arrow_field(one))
        if one.name == MJD:
            inner.append(_arrow_field(tai))
    text = pa.string()
    kinds = {HEALPIX: pa.int64(), "id": text if contents.text else pa.int64(), "object": text,
             "survey": text, "ra": pa.float64(), "dec": pa.float64()}  # fmt: skip
    about = {
        key: FileColumn(key, key, "column", "", False, UNITS.get(key, ""), words)
        for key, words in ABOUT.items()
    }
    about |= {one.name: one for one in contents.entries}
    kinds |= {one.name: one.arrow_type for one in contents.entries} | {"meta": text}
    columns = [pa.field(key, kind, key not in REQUIRED) for key, kind in kinds.items()]
    columns.append(pa.field(LIGHT_CURVE, pa.struct(inner)))
    header = {"version": 1, "name": name, **contents.as_dict()}
    schema = with_pandas_types(pa.schema(columns))
    schema = schema.with_metadata({**(schema.metadata or {}), HEADER: json.dumps(header).encode()})
    nested = {one.name: one for one in contents.fields} | {MJD_TAI: tai}
    return schema, {"": about, LIGHT_CURVE: nested}


def _arrow_field(one: FileColumn) -> "pa.Field":
    import pyarrow as pa

    return pa.field(one.name, pa.list_(one.arrow_type))


def _release() -> None:
    """Give memory back to the system that Arrow keeps for later."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()

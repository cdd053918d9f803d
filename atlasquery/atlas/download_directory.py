"""A directory of downloaded objects: Parquet files, and a manifest of the valid ones."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.table import MaskedColumn, Table
from astropy.time import Time

from atlasquery.atlas.items import Item
from atlasquery.atlas.manifest import (
    MANIFEST,
    begin,
    check_directory,
    is_begun,
    lock,
    open_manifest,
    readable_errors,
    server_identity,
    settings,
)
from atlasquery.atlas.parquet_files import (
    KINDS,
    chunk_tables,
    is_complete,
    read_arrow,
    read_partitions,
    write_partition,
)
from atlasquery.atlas.parquet_merge import TIMED, last_times, merge_rows, rows_of
from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.service.forks import no_fork
from atlasquery.service.inputs import check_choice
from atlasquery.service.quota import Clock

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DownloadDirectory", "StoredObject", "check_age", "read_dataset"]

# The names of our files, half-written ones included: others are never touched.
FILE_NAME = re.compile(r"\d{8}\.parquet(\.tmp)?")


@dataclass(frozen=True)
class StoredObject:
    """What is known of a stored object without its rows.

    Parameters
    ----------
    chunk : int
        Number of its files.
    checked : float
        Unix time at which its rows were last compared with the server.
    last : float or None
        MJD of the last row of its light curve.
    detected : float or None
        MJD of its last detection.
    """

    chunk: int
    checked: float
    last: float | None
    detected: float | None


class DownloadDirectory:
    """The files of `AtlasClass.download_sources`, open for writing by this process only.

    A file is valid from the moment at which the manifest names it. Before that it is
    written to the disk under a name that was never used. So whatever ends the
    program, each file is either valid or not in the manifest, and the latter are
    removed at the next start.

    Parameters
    ----------
    directory : path-like
        The directory.
    window : tuple of float or None
        The first and last MJD of all rows.
    server : str
        Address of the server of the rows, the same for all of a directory.
    clock : Clock
        Clock of the client.
    """

    def __init__(self, directory: str | os.PathLike, *, window: tuple, server: str, clock: Clock):
        self._directory = check_directory(directory)
        self._window = window
        self._server = server
        self._clock = clock
        self._failures: list[tuple[int, Exception]] = []
        self._fetched: set[int] = set()
        # Of objects that were looked at again: the number of rows that were added.
        self._updated: dict[int, int] = {}
        self._same: set[int] = set()
        self._unchanged: set[int] = set()
        #: The damaged files, and the number of objects in each.
        self.damaged: list[tuple[str, int]] = []

    def __enter__(self) -> "DownloadDirectory":
        with readable_errors(self._directory):
            self._directory.mkdir(parents=True, exist_ok=True)
            self._lock = lock(self._directory)
            try:
                self._manifest = open_manifest(self._directory)
                begin(self._manifest)
                self._check_origin()
                for kind in KINDS:
                    (self._directory / kind).mkdir(exist_ok=True)
                self._sweep()
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *error: object) -> None:
        if hasattr(self, "_manifest"):
            self._manifest.close()
        self._lock.close()

    def missing(self, ids: list[int], max_age: float | None) -> list[int]:
        """Return the ids that have to be fetched.

        Parameters
        ----------
        ids : list of int
            The ids requested.
        max_age : float or None
            Seconds after which an object is to be fetched again.

        Returns
        -------
        list of int
            Those that are missing or too old, in the order given.
        """
        oldest = -np.inf if max_age is None else self._clock.now() - max_age
        query = "select atlas_id from objects where at >= ?"
        fresh = {atlas_id for (atlas_id,) in self._manifest.execute(query, (oldest,))}
        return [atlas_id for atlas_id in ids if atlas_id not in fresh]

    @property
    def path(self) -> Path:
        """The directory."""
        return self._directory

    def stored(self, ids: list[int], max_age: float | None) -> dict[int, StoredObject]:
        """Return the stored objects that are to be looked at again.

        Parameters
        ----------
        ids : list of int
            The ids requested.
        max_age : float or None
            Seconds after which an object is to be looked at again; by default at once.

        Returns
        -------
        dict of int to StoredObject
            Those of the ids that are in the directory and were not looked at for that long.
        """
        newest = np.inf if max_age is None else self._clock.now() - max_age
        requested = set(ids)
        query = "select atlas_id, chunk, at, checked, last, detected from objects"
        found, unknown = {}, set()
        for atlas_id, chunk, at, checked, last, detected in self._manifest.execute(query):
            if atlas_id in requested and (checked or at) < newest:
                found[atlas_id] = StoredObject(chunk, checked or at, last, detected)
                if checked is None:
                    # A manifest of an earlier version does not have the times.
                    unknown.add(chunk)
        for chunk in unknown:
            last = self._last_times(chunk)
            for atlas_id, one in found.items():
                if one.chunk == chunk:
                    times = _latest(last, atlas_id)
                    found[atlas_id] = StoredObject(chunk, one.checked, *times)
        return found

    def keep_unchanged(self, ids: Iterable[int]) -> None:
        """Note that the server has nothing new of some objects.

        Parameters
        ----------
        ids : iterable of int
            The ids.
        """
        self._unchanged.update(ids)
        now = self._clock.now()
        with self._transaction() as manifest:
            rows = [(now, atlas_id) for atlas_id in self._unchanged]
            manifest.executemany("update objects set checked = ? where atlas_id = ?", rows)

    def update(
        self, known: list[tuple[int, Item, float]], failures: list, since: Mapping[int, float]
    ) -> None:
        """Replace the rows of stored objects from a time on, and note which failed.

        Parameters
        ----------
        known : list of tuple
            Id, item and the time at which it came.
        failures : list of tuple
            Id and exception of the others.
        since : mapping of int to float
            For each object the MJD from which on its rows were requested, -inf for all.
        """
        self._failures += failures
        first = min((since[atlas_id] for atlas_id, *_ in known), default=-np.inf)
        window = (first if np.isfinite(first) else None, self._window[1])
        known, tables, _ = self._decoded(known, window)
        if known:
            with readable_errors(self._directory):
                self._update({i: when for i, _, when in known}, tables, since)

    def _update(
        self, came: dict[int, float], tables: "dict[str, pa.Table]", since: Mapping[int, float]
    ) -> None:
        query = "select atlas_id, chunk, rows, last, detected from objects"
        stored = {one[0]: one[1:] for one in self._manifest.execute(query) if one[0] in came}
        by_chunk: dict[int, list[int]] = {}
        for atlas_id, (chunk, *_) in stored.items():
            by_chunk.setdefault(chunk, []).append(atlas_id)
        new_times = last_times(tables)
        number = self._next_number()
        replaced, changes = [], []
        for old, ids in sorted(by_chunk.items()):
            sent = {kind: rows_of(table, ids) for kind, table in tables.items()}
            files, counts = self._merge(old, number, sent, {i: since[i] for i in ids})
            if files:
                replaced.append((old, number, files))
                number += 1
            for atlas_id in ids:
                _, rows, *earlier = stored[atlas_id]
                before = json.loads(rows)
                after = before | {kind: count.get(atlas_id, 0) for kind, count in counts.items()}
                times = _latest(new_times, atlas_id, *earlier)
                changes.append((json.dumps(after), came[atlas_id], *times, atlas_id))
                added = sum(after[kind] - before[kind] for kind in TIMED)
                self._updated[atlas_id] = added
                if not counts:
                    self._same.add(atlas_id)
        if replaced:
            for kind in KINDS:
                _sync(self._directory / kind)
        with self._transaction() as manifest:
            self._replace(manifest, replaced)
            manifest.executemany(
                "update objects set rows = ?, checked = ?, last = ?, detected = ? "
                "where atlas_id = ?",
                changes,
            )
        for old, *_ in replaced:
            self._unlink(old)

    def _merge(
        self, old: int, number: int, sent: dict, since: dict[int, float]
    ) -> tuple[list, dict[str, dict[int, int]]]:
        """Write a chunk again with what the server has sent, unless it is the same.

        Returns its new files, and for each kind that has changed the rows of each object.
        """
        sizes = {
            kind: (rows, size)
            for kind, rows, size in self._manifest.execute(
                "select kind, rows, size from files where chunk = ?", (old,)
            )
        }
        order: list[int] = []
        files: list[tuple[int, str, int, int]] = []
        counts: dict[str, dict[int, int]] = {}
        for kind in ("objects", *(kind for kind in KINDS if kind != "objects")):
            stored = read_arrow([self._path(old, kind)]) if kind in sizes else None
            order = order or (stored["atlas_id"].to_pylist() if stored is not None else [])
            merged, changed = merge_rows(stored, sent.get(kind), since, order, timed=kind in TIMED)
            if changed:
                counts[kind] = {}
                if merged is not None:
                    files.append(self._write(number, kind, merged))
                    ids, n = np.unique(merged["atlas_id"].to_numpy(), return_counts=True)
                    counts[kind] = dict(zip(ids.tolist(), n.tolist(), strict=True))
        if counts:
            for kind in sizes.keys() - counts.keys():
                _link(self._path(old, kind), self._path(number, kind))
                files.append((number, kind, *sizes[kind]))
        return files, counts

    def add(self, known: list[tuple[int, Item, float]], failures: list) -> None:
        """Write the objects of a chunk, and note which failed.

        Parameters
        ----------
        known : list of tuple
            Id, item and the time at which it came.
        failures : list of tuple
            Id and exception of the others.
        """
        self._failures += failures
        known, tables, counts = self._decoded(known, self._window)
        if known:
            with readable_errors(self._directory):
                self._add(known, tables, counts)

    def _add(self, known: list, tables: dict, counts: dict) -> None:
        ids = [atlas_id for atlas_id, *_ in known]
        number = self._next_number()
        files = [self._write(number, kind, table) for kind, table in tables.items()]
        replaced = self._without(ids, number)
        for kind in KINDS:
            _sync(self._directory / kind)
        with self._transaction() as manifest:
            self._replace(manifest, [*replaced, (None, number, files)])
            last = last_times(tables)
            objects = []
            for n, (atlas_id, _, when) in enumerate(known):
                rows = json.dumps({kind: counts[kind][n] for kind in KINDS})
                objects.append((atlas_id, number, when, rows, when, *_latest(last, atlas_id)))
            manifest.executemany(
                "insert or replace into objects "
                "(atlas_id, chunk, at, rows, checked, last, detected) values (?, ?, ?, ?, ?, ?, ?)",
                objects,
            )
        for old, *_ in replaced:
            self._unlink(old)
        self._fetched.update(ids)

    def _replace(self, manifest: sqlite3.Connection, replaced: list) -> None:
        """Enter new files, each chunk of which is in the place of an old one or of none."""
        for old, new, files in replaced:
            if old is not None:
                manifest.execute("update objects set chunk = ? where chunk = ?", (new, old))
                manifest.execute("delete from files where chunk = ?", (old,))
            manifest.executemany("insert into files values (?, ?, ?, ?)", files)

    def summary(
        self, ids: list[int], since: Mapping[int, float] | None = None
    ) -> tuple[Table, list]:
        """Return the outcome for each of some ids.

        Parameters
        ----------
        ids : list of int
            The ids.
        since : mapping of int to float, optional
            For objects that were looked at again, the MJD from which on they were.

        Returns
        -------
        table : `~astropy.table.Table`
            A row for each.
        failures : list of tuple
            Id and exception of each that failed now.
        """
        found = self._manifest.execute("select atlas_id, rows from objects")
        rows = {atlas_id: json.loads(counts) for atlas_id, counts in found}
        reasons = {atlas_id: str(error) for atlas_id, error in self._failures}
        status = []
        for atlas_id in ids:
            if atlas_id in reasons:
                status.append("stale" if atlas_id in rows else "failed")
            else:
                status.append(self._status(atlas_id))
        # With types, for a table without rows has to be of the same.
        table = Table({"atlas_id": np.array(ids, np.int64), "status": np.array(status, np.str_)})
        for kind in KINDS:
            counts = [rows.get(atlas_id, {}).get(kind, 0) for atlas_id in ids]
            table[kind] = np.array(counts, np.int64)
            table[kind].description = f"Number of rows in {kind}."
        if since is not None:
            self._add_update(table, since)
        messages = [reasons.get(atlas_id, "") for atlas_id in ids]
        absent = [not message for message in messages]
        table["reason"] = MaskedColumn(messages, mask=absent, dtype=np.str_)
        return table, self._failures

    def _status(self, atlas_id: int) -> str:
        if atlas_id in self._fetched:
            return "fetched"
        if atlas_id in self._updated:
            return "checked" if atlas_id in self._same else "updated"
        return "unchanged" if atlas_id in self._unchanged else "kept"

    def _add_update(self, table: Table, since: Mapping[int, float]) -> None:
        """Add the number of new rows, and from when on they were looked for."""
        ids = table["atlas_id"].tolist()
        added = [self._updated.get(atlas_id, 0) for atlas_id in ids]
        table["new_rows"] = np.array(added, np.int64)
        table["new_rows"].description = "Number of rows added to the light curve."
        begin = np.array([since.get(i, np.nan) if i in self._updated else np.nan for i in ids])
        times = Time(np.where(np.isfinite(begin), begin, 0.0), format="mjd", scale="utc")
        times[~np.isfinite(begin)] = np.ma.masked
        table["since"] = times
        table["since"].info.description = "From then on the rows are those that the server has now."

    def _decoded(self, known: list, window: tuple) -> tuple[list, dict, dict]:
        """Decode the rows of a chunk, without objects whose rows cannot be read."""
        try:
            return known, *chunk_tables(known, window)
        except TableParseError:
            readable = []
            for one in known:
                try:
                    chunk_tables([one], window)
                except TableParseError as error:
                    self._failures.append((one[0], error))
                else:
                    readable.append(one)
            return readable, *chunk_tables(readable, window)

    def _without(self, ids: list[int], number: int) -> list[tuple[int, int, list]]:
        """Write the chunks that have some of these ids again, without them.

        Returns the number of each, its new number, and its new files; a chunk of
        which nothing is left has no new files.
        """
        import pyarrow as pa
        from pyarrow import compute

        gone = set(ids)
        owner = dict(self._manifest.execute("select atlas_id, chunk from objects"))
        touched = sorted({owner[atlas_id] for atlas_id in gone if atlas_id in owner})
        rest = {chunk for atlas_id, chunk in owner.items() if atlas_id not in gone}
        replaced = []
        for old in touched:
            number += 1
            rewritten = []
            for kind in self._kinds(old) if old in rest else ():
                table = read_arrow([self._path(old, kind)])
                out = compute.is_in(table["atlas_id"], value_set=pa.array(ids, type=pa.int64()))
                table = table.filter(compute.invert(out))
                if len(table):
                    rewritten.append(self._write(number, kind, table))
            replaced.append((old, number, rewritten))
        return replaced

    def _write(self, number: int, kind: str, table: "pa.Table") -> tuple[int, str, int, int]:
        size = write_partition(table, self._path(number, kind))
        return number, kind, len(table), size

    def _path(self, number: int, kind: str) -> Path:
        return _file(self._directory, number, kind)

    def _kinds(self, number: int) -> list[str]:
        query = "select kind from files where chunk = ?"
        return [kind for (kind,) in self._manifest.execute(query, (number,))]

    def _last_times(self, number: int) -> dict[str, dict[int, float]]:
        kinds = [kind for kind in self._kinds(number) if kind in TIMED]
        return last_times({kind: read_arrow([self._path(number, kind)]) for kind in kinds})

    def _next_number(self) -> int:
        (last,) = self._manifest.execute("select max(chunk) from files").fetchone()
        return (last or 0) + 1

    def _unlink(self, number: int) -> None:
        for kind in KINDS:
            self._path(number, kind).unlink(missing_ok=True)

    def _check_origin(self) -> None:
        """Store the origin of the rows of the directory, or refuse to mix them with others."""
        start, end = self._window
        known = settings(self._manifest)
        if not known:
            self._check_new()
            origin = {"start": start, "end": end, "server": self._server}
            with self._transaction() as manifest:
                rows = [(name, json.dumps(value)) for name, value in origin.items()]
                manifest.executemany("insert into settings values (?, ?)", rows)
        elif (known["start"], known["end"]) != (start, end):
            raise InvalidQueryError(
                f"{self._directory} has objects with start={known['start']} and end={known['end']} "
                f"(MJD), and start={start} and end={end} would be mixed with them: take another "
                "directory"
            )
        elif server_identity(known["server"]) != server_identity(self._server):
            raise InvalidQueryError(
                f"{self._directory} has objects of {known['server']}, and those of {self._server} "
                "would be mixed with them: take another directory"
            )

    def _check_new(self) -> None:
        """Refuse to delete the files of a manifest that is missing."""
        for kind in KINDS:
            for path in (self._directory / kind).glob("*.parquet"):
                if FILE_NAME.fullmatch(path.name):
                    raise InvalidQueryError(
                        f"directory={str(self._directory)!r} has files such as {kind}/{path.name}, "
                        f"but {MANIFEST}, which should name them, is empty or gone: remove the "
                        "directory, or take another, and call download_sources again"
                    )

    def _sweep(self) -> None:
        """Remove files that are not in the manifest, and entries whose files are damaged."""
        named = list(self._manifest.execute("select chunk, kind, rows, size from files"))
        paths = {self._path(number, kind) for number, kind, *_ in named}
        for kind in KINDS:
            for path in (self._directory / kind).iterdir():
                if FILE_NAME.fullmatch(path.name) and path not in paths:
                    path.unlink()
        lost: dict[int, str] = {}
        sizes = []
        for number, kind, length, size in named:
            path = self._path(number, kind)
            if not is_complete(path, length, size):
                lost.setdefault(number, f"{kind}/{path.name}")
            elif size is None:
                sizes.append((path.stat().st_size, number, kind))
        with self._transaction() as manifest:
            # Manifests of earlier versions have no sizes.
            manifest.executemany("update files set size = ? where chunk = ? and kind = ?", sizes)
            for number, name in lost.items():
                gone = manifest.execute("delete from objects where chunk = ?", (number,)).rowcount
                manifest.execute("delete from files where chunk = ?", (number,))
                self.damaged.append((name, gone))
        for number in lost:
            self._unlink(number)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with no_fork():
            self._manifest.execute("begin immediate")
            with self._manifest:
                yield self._manifest


def read_dataset(directory: str | os.PathLike, kind: str) -> Table:
    """Read the rows of one kind.

    Parameters
    ----------
    directory : path-like
        The directory.
    kind : str
        The kind of rows.

    Returns
    -------
    `~astropy.table.Table`
        The rows.

    Raises
    ------
    InvalidQueryError
        If there is no such kind, or no manifest.
    TableParseError
        If a file is damaged.
    """
    check_choice(kind, name="kind", known=KINDS)
    directory = check_directory(directory)
    nothing = InvalidQueryError(f"directory={str(directory)!r} has nothing that was downloaded")
    if not (directory / MANIFEST).is_file():
        raise nothing
    for last in (False, False, True):
        with readable_errors(directory), contextlib.closing(open_manifest(directory)) as manifest:
            if not is_begun(manifest):
                raise nothing
            known = settings(manifest)
            (oldest,) = manifest.execute("select min(at) from objects").fetchone()
            query = "select chunk from files where kind = ? order by chunk"
            chunks = [chunk for (chunk,) in manifest.execute(query, (kind,))]
        meta = {"service": "ATLAS Transient Server", **known}
        if oldest is not None:
            meta["obtained"] = datetime.fromtimestamp(oldest, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            return read_partitions([_file(directory, n, kind) for n in chunks], kind, meta)
        except FileNotFoundError as error:
            # A download that goes on may have put another file in the server_identity of one.
            if last:
                raise TableParseError(
                    f"{error} is missing: call download_sources again, which fetches its objects "
                    "again"
                ) from None
    raise AssertionError("unreachable")


def check_age(max_age: u.Quantity | str | None, name: str = "max_age") -> float | None:
    """Return an age in seconds.

    Parameters
    ----------
    max_age : `~astropy.units.Quantity`, `~astropy.time.TimeDelta`, str or None
        A time with its unit.
    name : str, optional
        Name of the argument, for the error.

    Returns
    -------
    float or None
        Seconds.

    Raises
    ------
    InvalidQueryError
        If it is not a time, or below zero.
    """
    if max_age is None:
        return None
    try:
        age = u.Quantity(max_age) if isinstance(max_age, str) else max_age
        seconds = float(age.to(u.s).value)
    except (AttributeError, TypeError, ValueError, u.UnitConversionError):
        seconds = np.nan
    if not seconds >= 0:
        raise InvalidQueryError(
            f"{name}={max_age!r} should be a time with its unit, such as 1 * u.day or '12 h'"
        )
    return seconds


def _file(directory: Path, number: int, kind: str) -> Path:
    return directory / kind / f"{number:08d}.parquet"


def _link(old: Path, new: Path) -> None:
    """Give a file a second name, or copy it where the file system has no such names."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)
        with new.open("rb+") as file:
            os.fsync(file.fileno())


def _latest(
    times: dict[str, dict[int, float]],
    atlas_id: int,
    last: float | None = None,
    detected: float | None = None,
) -> tuple[float | None, float | None]:
    """Return the last MJD of an object in any kind of row, and in its detections."""
    seen = [last, *(times[kind].get(atlas_id) for kind in TIMED)]
    detections = [detected, times["detections"].get(atlas_id)]
    first, second = (
        max((mjd for mjd in mjds if mjd is not None), default=None) for mjds in (seen, detections)
    )
    return first, second


def _sync(directory: Path) -> None:
    """Write the names of files to the disk, on systems where directories can be opened."""
    with contextlib.suppress(PermissionError):
        opened = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

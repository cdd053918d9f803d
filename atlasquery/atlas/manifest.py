"""The manifest of downloaded objects: the valid files of a directory, and its lock."""

import contextlib
import errno
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from atlasquery.exceptions import InvalidQueryError, StorageError
from atlasquery.service.transport import is_local

__all__ = [
    "MANIFEST",
    "begin",
    "check_directory",
    "is_begun",
    "lock",
    "open_manifest",
    "readable_errors",
    "server_identity",
    "settings",
]

MANIFEST, LOCK = "manifest.sqlite", "lock.sqlite"

SCHEMA = """
create table if not exists settings (name text primary key, value text not null);
create table if not exists files (
    chunk integer not null, kind text not null, rows integer not null, size integer,
    primary key (chunk, kind));
create table if not exists objects (
    atlas_id integer primary key, chunk integer not null, at real not null, rows text not null,
    checked real, last real, detected real);
create index if not exists objects_by_chunk on objects (chunk);
"""

# Columns that manifests of earlier versions do not have: the bytes of a file; for an object the
# time at which its rows were last compared with the server, and the MJD of the last row of its
# light curve and of its last detection.
ADDED = {
    "files": {"size": "integer"},
    "objects": dict.fromkeys(("checked", "last", "detected"), "real"),
}


def check_directory(directory: str | os.PathLike) -> Path:
    """Return the path of a directory, with ``~`` expanded to the home of the user.

    Parameters
    ----------
    directory : path-like
        The argument.

    Returns
    -------
    `~pathlib.Path`
        The directory.

    Raises
    ------
    InvalidQueryError
        If it is not a path.
    """
    try:
        path = Path(directory).expanduser()
    except (TypeError, RuntimeError) as error:
        raise InvalidQueryError(
            f"directory={directory!r} should be the path of a directory ({error})"
        ) from None
    if "\0" in str(path):
        raise InvalidQueryError(f"directory={directory!r} has a null byte, which no path has")
    return path


@contextlib.contextmanager
def readable_errors(directory: Path, name: str = MANIFEST) -> Iterator[None]:
    """Explain in an error why a directory cannot be used.

    Parameters
    ----------
    directory : `~pathlib.Path`
        The directory.
    name : str, optional
        The file in it that is opened.

    Raises
    ------
    StorageError, InvalidQueryError
        In place of the errors of SQLite and the system.
    """
    given = f"directory={str(directory)!r}"
    try:
        yield
    except InvalidQueryError:
        raise
    except (FileExistsError, NotADirectoryError):
        raise InvalidQueryError(
            f"{given} is a file or lies in one: give the path of a directory"
        ) from None
    except (OSError, sqlite3.OperationalError) as error:
        if not isinstance(error, OSError):
            # The only sign of a full disk in an error of SQLite.
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            error = OSError(errno.ENOSPC if full else errno.EIO, str(error))
        raise StorageError.from_system(error, f"{given} cannot be used") from error
    except sqlite3.DatabaseError as error:
        raise InvalidQueryError(
            f"{given} has a damaged {name} ({error}), without which it is not known what was "
            "downloaded: remove the directory, or take another, and call download_sources again"
        ) from error


def open_manifest(directory: Path) -> sqlite3.Connection:
    """Open the manifest of a directory; see `begin`.

    Parameters
    ----------
    directory : `~pathlib.Path`
        The directory.

    Returns
    -------
    `sqlite3.Connection`
        To be closed.
    """
    return sqlite3.connect(directory / MANIFEST, timeout=60, isolation_level=None)


def begin(manifest: sqlite3.Connection) -> None:
    """Create the tables of a manifest that has none, or update those of an earlier version.

    Parameters
    ----------
    manifest : `sqlite3.Connection`
        The manifest.
    """
    manifest.executescript(SCHEMA)
    for table, columns in ADDED.items():
        known = [name for _, name, *_ in manifest.execute(f"pragma table_info({table})")]
        for name, kind in columns.items():
            if name not in known:
                manifest.execute(f"alter table {table} add column {name} {kind}")


def is_begun(manifest: sqlite3.Connection) -> bool:
    """Return whether a manifest describes its directory, and so may name files.

    Parameters
    ----------
    manifest : `sqlite3.Connection`
        The manifest.

    Returns
    -------
    bool
        False if the program that created it ended in the same instant.
    """
    query = "select count(*) from sqlite_master where name in ('settings', 'files', 'objects')"
    return manifest.execute(query).fetchone() == (3,) and bool(settings(manifest))


def settings(manifest: sqlite3.Connection) -> dict:
    """Return the settings of a directory.

    Parameters
    ----------
    manifest : `sqlite3.Connection`
        The manifest.

    Returns
    -------
    dict
        The window and the server; empty if no download was begun.
    """
    rows = manifest.execute("select name, value from settings").fetchall()
    return {name: json.loads(value) for name, value in rows}


def lock(directory: Path) -> sqlite3.Connection:
    """Lock a directory against other processes, at most until this process ends.

    Parameters
    ----------
    directory : `~pathlib.Path`
        The directory.

    Returns
    -------
    `sqlite3.Connection`
        To be closed to release the lock.

    Raises
    ------
    InvalidQueryError
        If another process has the lock, or its file is damaged.
    """
    given = f"directory={str(directory)!r}"
    held = sqlite3.connect(directory / LOCK, timeout=0, isolation_level=None)
    try:
        held.execute("begin exclusive")
    except sqlite3.DatabaseError as error:
        held.close()
        busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
        if busy:
            raise InvalidQueryError(
                f"{given} is written to by another download ({error}): wait for it to end, or "
                "take another directory"
            ) from None
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise InvalidQueryError(
            f"{given} has a damaged {LOCK} ({error}): remove that file if no other download "
            "writes to the directory, and call download_sources again"
        ) from None
    return held


def server_identity(server: str) -> tuple:
    """Return the parts of an address that are the same for all spellings of a server.

    Parameters
    ----------
    server : str
        The address.

    Returns
    -------
    tuple
        Host, port unless it is a usual one, path.
    """
    parts = urlsplit(server)
    host = "localhost" if is_local(server) else parts.hostname
    return host, None if parts.port in (80, 443) else parts.port, parts.path.rstrip("/")

"""The manifest of downloaded objects: which files of a directory count, and who may write."""

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
    "server_identity",
    "settings",
    "understood",
]

MANIFEST, LOCK = "manifest.sqlite", "lock.sqlite"

SCHEMA = """
create table if not exists settings (name text primary key, value text not null);
create table if not exists files (
    chunk integer not null, kind text not null, rows integer not null, size integer,
    primary key (chunk, kind));
create table if not exists objects (
    atlas_id integer primary key, chunk integer not null, at real not null, rows text not null);
create index if not exists objects_by_chunk on objects (chunk);
"""


def check_directory(directory: str | os.PathLike) -> Path:
    """Return where a directory is, a ``~`` for the home of a user read as such.

    Parameters
    ----------
    directory : path-like
        What was given.

    Returns
    -------
    `~pathlib.Path`
        Where.

    Raises
    ------
    InvalidQueryError
        If it is no path.
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
def understood(directory: Path, name: str = MANIFEST) -> Iterator[None]:
    """Say of a directory that cannot be used what is wrong with it.

    Parameters
    ----------
    directory : `~pathlib.Path`
        Which.
    name : str, optional
        The file of it that is opened.

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
            # SQLite says of a full disk no more than this.
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            error = OSError(errno.ENOSPC if full else errno.EIO, str(error))
        raise StorageError.from_system(error, f"{given} cannot be used") from error
    except sqlite3.DatabaseError as error:
        raise InvalidQueryError(
            f"{given} has a damaged {name} ({error}), without which nobody knows what was "
            "downloaded: remove the directory, or take another, and call download_sources again"
        ) from error


def open_manifest(directory: Path) -> sqlite3.Connection:
    """Open the manifest of a directory; see `begin`.

    Parameters
    ----------
    directory : `~pathlib.Path`
        Where.

    Returns
    -------
    `sqlite3.Connection`
        To be closed.
    """
    return sqlite3.connect(directory / MANIFEST, timeout=60, isolation_level=None)


def begin(manifest: sqlite3.Connection) -> None:
    """Make the tables of a manifest where they are not there, or of an earlier version.

    Parameters
    ----------
    manifest : `sqlite3.Connection`
        The manifest.
    """
    manifest.executescript(SCHEMA)
    columns = [name for _, name, *_ in manifest.execute("pragma table_info(files)")]
    if "size" not in columns:
        manifest.execute("alter table files add column size integer")


def is_begun(manifest: sqlite3.Connection) -> bool:
    """Return whether a manifest says what its directory is of, and so may name something.

    Parameters
    ----------
    manifest : `sqlite3.Connection`
        The manifest.

    Returns
    -------
    bool
        False where the program that made it ended in the same instant.
    """
    query = "select count(*) from sqlite_master where name in ('settings', 'files', 'objects')"
    return manifest.execute(query).fetchone() == (3,) and bool(settings(manifest))


def settings(manifest: sqlite3.Connection) -> dict:
    """Return what a directory was begun with.

    Parameters
    ----------
    manifest : `sqlite3.Connection`
        The manifest.

    Returns
    -------
    dict
        The window and the server; nothing where nothing was begun.
    """
    rows = manifest.execute("select name, value from settings").fetchall()
    return {name: json.loads(value) for name, value in rows}


def lock(directory: Path) -> sqlite3.Connection:
    """Keep other processes out, for as long as this one lives at most.

    Parameters
    ----------
    directory : `~pathlib.Path`
        Where.

    Returns
    -------
    `sqlite3.Connection`
        To be closed when they may come in.

    Raises
    ------
    InvalidQueryError
        If there is another, or the file of the lock is damaged.
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
    """Return what is the same in all ways of writing a server's address.

    Parameters
    ----------
    server : str
        The address.

    Returns
    -------
    tuple
        Host, port where it is unusual, path.
    """
    parts = urlsplit(server)
    host = "localhost" if is_local(server) else parts.hostname
    return host, None if parts.port in (80, 443) else parts.port, parts.path.rstrip("/")

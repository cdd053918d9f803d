"""The sandbox's SQLite database: one connection, shared by the server's threads under a lock."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .schema import FORMAT, INDEXES, TABLES

__all__ = ["Database", "cells_of", "six_digits"]

# Rows that are inserted at once.
_ROWS = 4000
# Powers of ten up to 10**22 are exact doubles, so that one division rounds correctly.
_POWERS = 10.0 ** np.arange(23)


def six_digits(values: np.ndarray) -> np.ndarray:
    """Round to six significant digits, as a FLOAT column of the real database prints.

    Parameters
    ----------
    values : numpy.ndarray
        Numbers; NaN stays NaN.

    Returns
    -------
    numpy.ndarray
        The nearest doubles of the six-digit decimals.

    Examples
    --------
    >>> six_digits(np.array([18.123456789, -0.000123456789]))
    array([ 1.81235e+01, -1.23457e-04])
    """
    values = np.asarray(values, dtype=float)
    size = np.abs(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        decimals = 5 - np.floor(np.log10(size))
    decimals[~np.isfinite(decimals)] = 0
    digits = np.clip(decimals, -22, 22).astype(np.int64)
    up = _POWERS.take(np.maximum(digits, 0))
    if (digits < 0).any():
        down = _POWERS.take(np.maximum(-digits, 0))
        rounded = np.rint(values / down * up) / up * down
    else:
        rounded = np.rint(values * up) / up
    tiny = size < 1e-16
    rounded[tiny] = values[tiny]
    return rounded


def _quote(name: str) -> str:
    return f'"{name}"'


def _chunks(columns: Mapping[str, Iterable]) -> Iterator[dict[str, np.ndarray | Sequence]]:
    """Cut columns into chunks of rows: cells as Python objects need much memory."""
    whole = {
        name: column if isinstance(column, np.ndarray | list) else list(column)
        for name, column in columns.items()
    }
    count = max((len(column) for column in whole.values()), default=0)
    for begin in range(0, count, _ROWS):
        yield {name: column[begin : begin + _ROWS] for name, column in whole.items()}


def cells_of(column: np.ndarray | Iterable, kind: str) -> list:
    """Turn a column into Python values: FLOAT to six digits, NaN to NULL.

    Parameters
    ----------
    column : numpy.ndarray or iterable
        The column.
    kind : str
        Its type in the declaration of its table.

    Returns
    -------
    list
        The values, as a query returns them.
    """
    if not isinstance(column, np.ndarray):
        cells = list(column)
        if kind != "FLOAT":
            return cells
        column = np.array([np.nan if cell is None else cell for cell in cells], dtype=float)
    if column.dtype.kind != "f":
        return column.tolist()
    missing = np.isnan(column)
    cells = (six_digits(column) if kind == "FLOAT" else column).tolist()
    for index in np.flatnonzero(missing):
        cells[index] = None
    return cells


class Database:
    """Tables of the sandbox in memory or in a file.

    Parameters
    ----------
    path : path-like, optional
        File of the database; by default it lives in memory.

    Raises
    ------
    ValueError
        The path cannot be used, or holds something that is not a sandbox database.

    Examples
    --------
    >>> database = Database()
    >>> database.create()
    >>> database.insert("group_definitions", {"id": [2], "name": ["mookodi"]})
    >>> database.rows("group_definitions")
    [{'id': 2, 'name': 'mookodi'}]
    """

    def __init__(self, path: str | Path | None = None):
        self.lock = threading.RLock()
        target = ":memory:" if path is None else str(Path(path).expanduser())
        try:
            self._connection = sqlite3.connect(
                target, check_same_thread=False, isolation_level=None, cached_statements=256
            )
            self._connection.execute("pragma synchronous = normal")
            tables = {row[0] for row in self._connection.execute("select name from sqlite_master")}
        except sqlite3.Error as error:
            raise ValueError(f"path={target!r} cannot be used as a database: {error}") from error
        self.is_new = not tables
        if tables and ("about" not in tables or self.about("format") != FORMAT):
            self._connection.close()
            raise ValueError(f"path={target!r} is not a sandbox database of format {FORMAT}")

    def close(self) -> None:
        """Close the connection."""
        with self.lock:
            self._connection.close()

    def create(self) -> None:
        """Create the tables."""
        for name, table in TABLES.items():
            lines = [f"{_quote(column)} {kind}" for column, kind in table.columns.items()]
            lines += [table.constraint] if table.constraint else []
            self.execute(f"create table {_quote(name)} ({', '.join(lines)})")
        self.insert("about", {"name": ["format"], "value": [FORMAT]})

    def index(self) -> None:
        """Create the indexes, once the tables are filled."""
        for name, columns in INDEXES.items():
            for column in columns:
                self.execute(
                    f"create index {_quote(f'{name}_{column}')} on {name} ({_quote(column)})"
                )

    def copy_to(self, other: "Database") -> None:
        """Copy every table into another, empty database.

        Parameters
        ----------
        other : Database
            The database to fill.
        """
        with self.lock:
            self._connection.backup(other._connection)

    def execute(self, statement: str, values: Sequence | Mapping = ()) -> sqlite3.Cursor:
        """Run one statement.

        Parameters
        ----------
        statement : str
            SQL with ``?`` or ``:name`` for values.
        values : sequence or mapping
            The values.

        Returns
        -------
        sqlite3.Cursor
            The cursor; read it under `lock` when other threads write.
        """
        with self.lock:
            return self._connection.execute(statement, values)

    def fetch(self, statement: str, values: Sequence | Mapping = ()) -> list[tuple]:
        """Run a query and return its rows as tuples.

        Parameters
        ----------
        statement : str
            SQL with ``?`` or ``:name`` for values.
        values : sequence or mapping
            The values.

        Returns
        -------
        list of tuple
            The rows.
        """
        with self.lock:
            return self._connection.execute(statement, values).fetchall()

    def insert(self, table: str, columns: Mapping[str, Iterable]) -> None:
        """Insert whole columns.

        Parameters
        ----------
        table : str
            Name of the table.
        columns : mapping of str to iterable
            Columns by name, arrays or lists, all of the same length; others become NULL.
        """
        kinds = TABLES[table].columns
        names = ", ".join(_quote(name) for name in columns)
        marks = ", ".join("?" * len(columns))
        with self.lock:
            self._connection.execute("begin")
            with self._connection:
                for chunk in _chunks(columns):
                    cells = [cells_of(column, kinds[name]) for name, column in chunk.items()]
                    self._connection.executemany(
                        f"insert into {_quote(table)} ({names}) values ({marks})",  # noqa: S608 - declared names
                        zip(*cells, strict=True),
                    )

    def count(self, table: str) -> int:
        """Count the rows of a table.

        Parameters
        ----------
        table : str
            Name of the table.

        Returns
        -------
        int
            Number of rows.
        """
        return self.fetch(f"select count(*) from {_quote(table)}")[0][0]  # noqa: S608 - a declared name

    def rows(
        self, table: str, where: str = "", values: Sequence | Mapping = ()
    ) -> list[dict[str, Any]]:
        """Return rows of a table as they leave on the wire.

        Parameters
        ----------
        table : str
            Name of the table.
        where : str
            What follows the table in the query: ``where``, ``order by``.
        values : sequence or mapping
            Values for `where`.

        Returns
        -------
        list of dict
            A dictionary per row, keys in the declared order.
        """
        declared = TABLES[table]
        names = declared.wire
        columns = ", ".join(_quote(name) for name in names)
        query = f"select {columns} from {_quote(table)} {where}"  # noqa: S608 - declared names
        found = self.fetch(query, values)
        rows = [dict(zip(names, row, strict=True)) for row in found]
        for name in declared.of_type("BOOLEAN"):
            for row in rows:
                row[name] = None if row[name] is None else bool(row[name])
        return rows

    def about(self, name: str) -> str | None:
        """Return a stored fact about this database.

        Parameters
        ----------
        name : str
            Name of the fact.

        Returns
        -------
        str or None
            Its value.
        """
        found = self.fetch("select value from about where name = ?", (name,))
        return found[0][0] if found else None

"""Read the columns of tables of HEALPix cells, from files, bytes, HDUs or tables."""

import os
import warnings
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.service.inputs import check_path
from atlasquery.tables import read_by_library
from atlasquery.tables.decompression import GZIP, open_fits, open_fits_file, unpack_gzip

__all__ = [
    "FITS_START",
    "LARGEST_FILE",
    "CellTable",
    "content",
    "describe",
    "read_cell_table",
    "start_of",
]

# How a FITS file begins.
FITS_START = b"SIMPLE  ="
# The bytes of a map at the resolution of the largest in use, with distances in double precision.
LARGEST_FILE = 4_000_000_000
# Sources that are already in memory.
BYTES = (bytes, bytearray, memoryview)
HDUS = (fits.BinTableHDU, fits.HDUList)


@dataclass
class CellTable:
    """Columns of a table of cells, by their names in upper case.

    Parameters
    ----------
    columns : dict of str to `~numpy.ndarray`
        One value for each cell, in the byte order of the machine.
    units : dict of str to `~astropy.units.UnitBase`
        Units of columns that have a known one.
    header : dict of str to object
        The cards of the header.
    names : list of str
        Names of all columns of the table, also those that were not read.
    """

    columns: dict[str, np.ndarray] = field(default_factory=dict)
    units: dict[str, u.UnitBase] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)


def describe(source: Any) -> str:
    """Return what a source is, for messages.

    Parameters
    ----------
    source : object
        What was given.

    Returns
    -------
    str
        A short description.
    """
    if isinstance(source, BYTES):
        return f"{len(source)} bytes"
    if isinstance(source, (str, os.PathLike)):
        return repr(str(source))[:200]
    return f"a {type(source).__name__}"


def start_of(source: Any, name: str) -> bytes:
    """Return the first bytes of a file or of bytes, decompressed.

    Parameters
    ----------
    source : bytes or path-like
        The file.
    name : str
        The argument's name, for messages.

    Returns
    -------
    bytes
        Up to a few kilobytes.

    Raises
    ------
    InvalidQueryError
        If the file cannot be read.
    """
    import zlib

    if isinstance(source, BYTES):
        head = bytes(source[:4096])
    else:
        path = check_path(source, name=name)
        try:
            with path.open("rb") as file:
                head = file.read(4096)
        except OSError as error:
            raise _unreadable(name, path, error) from error
    if head.startswith(GZIP):
        try:
            return zlib.decompressobj(31).decompress(head, 4096)
        except zlib.error as error:
            raise InvalidQueryError(f"{name}={describe(source)} is damaged: {error}") from error
    return head


def content(source: Any, name: str) -> bytes:
    """Return a file, decompressed.

    Parameters
    ----------
    source : bytes or path-like
        The file.
    name : str
        The argument's name, for messages.

    Returns
    -------
    bytes
        All of it.

    Raises
    ------
    InvalidQueryError
        If it cannot be read.
    """
    what = f"{name}={describe(source)}"
    try:
        data = bytes(source) if isinstance(source, BYTES) else _path(source, name).read_bytes()
        return unpack_gzip(data, limit=LARGEST_FILE, what=what)
    except OSError as error:
        raise _unreadable(name, source, error) from error
    except TableParseError as error:
        raise InvalidQueryError(str(error)) from error


def read_cell_table(source: Any, wanted: Iterable[str], *, name: str) -> CellTable:
    """Read columns of the first table that has one of several.

    Parameters
    ----------
    source : path-like, bytes, `~astropy.io.fits.BinTableHDU`, `~astropy.io.fits.HDUList` or Table
        Where the table is.
    wanted : iterable of str
        The columns to read, in upper case; any case is found.
    name : str
        The argument's name, for messages.

    Returns
    -------
    CellTable
        Those of the columns that exist.

    Raises
    ------
    InvalidQueryError
        If it is not such a source, or cannot be read.
    """
    wanted = tuple(wanted)
    what = f"{name}={describe(source)}"
    if isinstance(source, Table):
        # Cards of a file are in upper case; what a client adds, such as its name, is not.
        cards = sorted(source.meta.items(), key=lambda item: str(item[0]).isupper())
        header = {str(key).upper(): value for key, value in cards}
        return _columns_of(source, source.colnames, header, wanted, what)
    try:
        with warnings.catch_warnings():
            # Of cards that are not standard, which astropy reads nevertheless.
            warnings.simplefilter("ignore", AstropyWarning)
            return _of_fits(source, wanted, name)
    except OSError as error:
        raise _unreadable(name, source, error) from error
    except TableParseError as error:
        raise InvalidQueryError(str(error)) from error


def _of_fits(source: Any, wanted: tuple[str, ...], name: str) -> CellTable:
    what = f"{name}={describe(source)}"
    if isinstance(source, HDUS):
        hdus = [source] if isinstance(source, fits.BinTableHDU) else source
        return _of_hdus(hdus, wanted, what)
    if isinstance(source, BYTES):
        opened = open_fits(bytes(source), limit=LARGEST_FILE, what=what)
    else:
        opened = open_fits_file(_path(source, name), limit=LARGEST_FILE, what=what)
    with closing(opened):
        return _of_hdus(opened, wanted, what)


def _path(source: Any, name: str) -> Path:
    if not isinstance(source, (str, os.PathLike)):
        raise InvalidQueryError(
            f"{name}={source!r:.100} should be the path of a file, its bytes, an HDU or a Table"
        )
    return check_path(source, name=name)


def _unreadable(name: str, source: Any, error: OSError) -> InvalidQueryError:
    reason = error.strerror or str(error)
    return InvalidQueryError(f"{name}={str(source)!r:.200} cannot be read: {reason}")


def _of_hdus(hdus: Any, wanted: tuple[str, ...], what: str) -> CellTable:
    """Return the columns of the first table with one of the wanted."""
    seen: list[str] = []
    with read_by_library(what):
        for hdu in hdus:
            if not isinstance(hdu, fits.BinTableHDU):
                continue
            names = [str(one) for one in hdu.columns.names]
            seen += names
            if {one.upper() for one in names} & {*wanted}:
                header = {key: value for key, value in hdu.header.items() if key}
                return _columns_of(hdu.data, names, header, wanted, what, hdu.columns)
    return CellTable(names=seen)


def _columns_of(
    table: Any,
    names: list[str],
    header: Mapping[str, Any],
    wanted: tuple[str, ...],
    what: str,
    declared: Any = None,
) -> CellTable:
    found = CellTable(header=dict(header), names=list(names))
    for name in names:
        key = name.upper()
        if key not in wanted or key in found.columns:
            continue
        column = table[name]
        unit = declared[name].unit if declared is not None else getattr(column, "unit", None)
        if (read := _unit(unit)) is not None:
            found.units[key] = read
        found.columns[key] = _plain(column, f"{name} of {what}")
    return found


def _plain(column: Any, label: str) -> np.ndarray:
    """Return a column as one value for each cell: files may have 1024 in each row."""
    column = getattr(column, "unmasked", column)
    column = getattr(column, "value", column)
    values = np.asarray(np.ma.filled(column, np.nan) if column.dtype.kind == "f" else column)
    if np.ma.is_masked(column) and values.dtype.kind != "f":
        raise InvalidQueryError(f"{label} has masked values")
    if values.dtype.kind not in "iuf":
        raise InvalidQueryError(f"{label} has values of type {values.dtype}, which are not numbers")
    # A copy, since the file is closed.
    return values.reshape(-1).astype(values.dtype.newbyteorder("="))


def _unit(given: Any) -> u.UnitBase | None:
    """Return a unit, or None for those of maps that astropy does not have: pix-1."""
    if given is None or isinstance(given, u.UnitBase):
        return None if isinstance(given, u.UnrecognizedUnit) else given
    try:
        read = u.Unit(str(given), parse_strict="silent")
    except ValueError:
        return None
    return None if isinstance(read, u.UnrecognizedUnit) else read

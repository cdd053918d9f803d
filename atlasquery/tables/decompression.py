"""Decompression of files, and reading of FITS files, within a limit of memory.

Six megabytes of gzip may be six gigabytes of zeros, and the header of a FITS file may promise an
image that no memory holds. The size that a file declares is compared with its bytes
before memory is allocated.
"""

import io
import math
import zlib
from pathlib import Path
from typing import BinaryIO

from astropy.io import fits

from atlasquery.exceptions import TableParseError

__all__ = ["LARGEST", "open_fits", "open_fits_file", "too_large", "unpack_gzip"]

GZIP = b"\x1f\x8b"
PIECE = 1 << 20
# The default of ``conf.max_answer_bytes``.
LARGEST = 200_000_000
# The bytes of the widest element, and those of which a part of a FITS file has a multiple.
WIDEST, BLOCK = 8, 2880
# The columns that a table of FITS may have.
MOST_COLUMNS = 999
# Exceptions of astropy for bytes that are not a FITS file.
NOT_FITS = (
    OSError, EOFError, ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError,
    fits.VerifyError,
)  # fmt: skip


def too_large(what: str, limit: int) -> TableParseError:
    """Return the error for a response above the limit.

    Parameters
    ----------
    what : str
        What it is.
    limit : int
        Bytes, of ``conf.max_answer_bytes``.

    Returns
    -------
    TableParseError
        To be raised.
    """
    return TableParseError(
        f"{what} is larger than {limit} bytes (conf.max_answer_bytes). Ask for less at once, or "
        "raise that limit if you trust the server and have the memory."
    )


def unpack_gzip(data: bytes, *, limit: int, what: str) -> bytes:
    """Return the content of a file that may be compressed by gzip.

    Parameters
    ----------
    data : bytes
        The file.
    limit : int
        The bytes beyond which it is refused.
    what : str
        What it is, for messages.

    Returns
    -------
    bytes
        All that it holds.

    Raises
    ------
    TableParseError
        If it is truncated, damaged or too large.
    """
    if not data.startswith(GZIP):
        return data
    found, left = io.BytesIO(), data
    while left.startswith(GZIP):
        unpacker = zlib.decompressobj(31)
        try:
            while not unpacker.eof:
                chunk = unpacker.decompress(left, PIECE)
                left = unpacker.unconsumed_tail
                if found.tell() + len(chunk) > limit:
                    raise too_large(what, limit)
                found.write(chunk)
                if not chunk and not left and not unpacker.eof:
                    raise TableParseError(f"{what} is truncated: its gzip data have no end")
        except zlib.error as error:
            raise TableParseError(f"{what} is damaged: {error}") from error
        left = unpacker.unused_data
    return found.getvalue()


def open_fits(data: bytes, *, limit: int, what: str, **options: object) -> fits.HDUList:
    """Open a FITS file, in gzip or not, whose headers declare no more bytes than it has.

    Parameters
    ----------
    data : bytes
        The file.
    limit : int
        The bytes that it may have when it is unpacked, and each image when it is read.
    what : str
        What it is, for messages.
    **options
        What `astropy.io.fits.open` takes.

    Returns
    -------
    `~astropy.io.fits.HDUList`
        In memory, independent of any file.

    Raises
    ------
    TableParseError
        If it is not a FITS file, is truncated, or is too large.
    """
    plain = unpack_gzip(data, limit=limit, what=what)
    try:
        _check_sizes(io.BytesIO(plain), len(plain), limit, what)
        return fits.open(io.BytesIO(plain), memmap=False, **options)
    except NOT_FITS as error:
        raise TableParseError(f"{what} could not be read: {error}") from error


def open_fits_file(path: Path, *, limit: int, what: str) -> fits.HDUList:
    """Open a FITS file on the disk, in gzip or not; what is not compressed is not yet read.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    limit : int
        The bytes that it may have when it is unpacked, and each table when it is read.
    what : str
        What it is, for messages.

    Returns
    -------
    `~astropy.io.fits.HDUList`
        To be closed.

    Raises
    ------
    TableParseError
        If it is not a FITS file, is truncated, or is too large.
    OSError
        If it cannot be opened.
    """
    with path.open("rb") as file:
        if file.read(len(GZIP)) == GZIP:
            return open_fits(path.read_bytes(), limit=limit, what=what)
        file.seek(0)
        try:
            _check_sizes(file, path.stat().st_size, limit, what)
            return fits.open(path, memmap=True)
        except NOT_FITS as error:
            raise TableParseError(f"{what} could not be read: {error}") from error


def _check_sizes(file: BinaryIO, total: int, limit: int, what: str) -> None:
    """Refuse a file whose headers declare more than its bytes, or that is too large when read."""
    number = 0
    while file.tell() < total:
        try:
            header = fits.Header.fromfile(file, endcard=True)
        except NOT_FITS:
            if number == 0:
                raise
            # What follows the last HDU does not belong to the file.
            return
        where, size = file.tell(), _bytes_of(header, "NAXIS", "BITPIX")
        if where + size > total:
            raise TableParseError(
                f"HDU {number} of {what} should have {size} bytes of data, and "
                f"{total - where} are present"
            )
        # Astropy makes a record for each column before it looks for the first.
        if _whole(header.get("TFIELDS", 0)) > MOST_COLUMNS:
            raise TableParseError(
                f"HDU {number} of {what} should have {header['TFIELDS']} columns, and FITS "
                f"has up to {MOST_COLUMNS}"
            )
        if _bytes_read(header, size) > limit:
            raise too_large(f"HDU {number} of {what}", limit)
        file.seek(where + size + -size % BLOCK)
        number += 1


def _bytes_read(header: fits.Header, size: int) -> int:
    """Return the maximum size in memory of an HDU: decompressed, scaled to floats."""
    scaled = any(key.startswith(("BSCALE", "BZERO", "TSCAL", "TZERO")) for key in header)
    if header.get("ZIMAGE"):
        read = _bytes_of(header, "ZNAXIS", "ZBITPIX")
        tiles = [_whole(header.get(f"ZTILE{n}", 1)) for n in _axes(header, "ZNAXIS")]
        width = max(abs(_whole(header.get("ZBITPIX", 8), least=-64)), 8) // 8
        return max(read * (WIDEST // width if scaled else 1), math.prod(tiles) * WIDEST)
    formats = [str(value) for key, value in header.items() if key.startswith("TFORM")]
    if any("P" in one or "Q" in one for one in formats):
        # Each row may point at all of what follows the rows.
        size += _whole(header.get("NAXIS2", 0)) * _whole(header.get("PCOUNT", 0)) * WIDEST
    width = max(abs(_whole(header.get("BITPIX", 8), least=-64)), 8) // 8
    bits = any("X" in one for one in formats)
    return size * (WIDEST // width if scaled or bits else 1)


def _axes(header: fits.Header, name: str) -> range:
    number = _whole(header.get(name, 0))
    if number > 999:
        raise TableParseError(f"a FITS file has {name} = {number}")
    return range(1, number + 1)


def _bytes_of(header: fits.Header, axes: str, width: str) -> int:
    """Return the size in bytes of the array that a header declares."""
    lengths = [_whole(header.get(f"{axes}{n}", 0)) for n in _axes(header, axes)]
    if not lengths:
        return 0
    if header.get("GROUPS") and lengths[0] == 0:
        lengths[0] = 1
    bits = abs(_whole(header.get(width, 8), least=-64))
    if axes != "NAXIS":
        return bits * math.prod(lengths) // 8
    number, heap = _whole(header.get("GCOUNT", 1)), _whole(header.get("PCOUNT", 0))
    return bits * number * (heap + math.prod(lengths)) // 8


def _whole(value: object, *, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
        raise TableParseError(f"a FITS header has {value!r:.40} in place of a whole number")
    return value

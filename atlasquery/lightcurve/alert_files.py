"""Read files of alert packets: Avro containers, messages of a stream, and bare records.

A packet is decoded within a limit of memory, whatever its bytes declare. One that is damaged is
reported with its number, and reading continues with the next one where that can be found.
"""

import bz2
import functools
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.lightcurve.alert_schemas import (
    LARGEST_SCHEMA,
    PacketSchema,
    load_schema,
    numbered_schema,
    schema_of_text,
)
from atlasquery.service.inputs import check_path
from atlasquery.tables.decompression import GZIP

__all__ = ["DecodedPacket", "PacketFile"]

CONTAINER = b"Obj\x01"
# What precedes a packet of a stream: a zero, and the number of its schema, big-endian.
PREFIX_LENGTH = 5
SYNC_LENGTH = 16
# Bytes that are read at once, and at first for a packet of a stream.
CHUNK = 1 << 18
# Bytes of what a container says of itself, besides its schema.
LARGEST_HEADER = LARGEST_SCHEMA + (1 << 20)
# Bytes that xz may need for itself, whatever it unpacks.
XZ_MEMORY = 100_000_000
# An editor or ``echo`` leaves the end of a line behind a message.
LINE_ENDS = (b"\n", b"\r\n")
# What files of other kinds begin with, and what to do with them.
OTHER_KINDS = (
    (b"version https://git-lfs", "it is a pointer of git-lfs: fetch the file itself, with git lfs"),
    (b"PK\x03\x04", "it is a ZIP file: unpack it first"),
    (b"<", "it is a page of HTML or XML"),
    (b"{", "it is JSON"),
    (b"[", "it is JSON"),
    (b"SIMPLE", "it is a FITS file"),
    (b"\x89HDF", "it is an HDF5 file"),
    (b"PAR1", "it is a Parquet file"),
)  # fmt: skip
TAR_MARK, TAR_OFFSET = b"ustar", 257


class DecodedPacket(NamedTuple):
    """A packet of a file.

    Attributes
    ----------
    record : dict
        Its content.
    schema : PacketSchema
        The schema it was written with.
    where : str
        File and number of the packet, for messages.
    """

    record: dict
    schema: PacketSchema
    where: str


class _LostError(TableParseError):
    """A block whose end is not known."""


class _Stream:
    """Bytes of a file, which can be looked at before they are taken.

    Parameters
    ----------
    read : callable
        Returns the next bytes, at most as many as it is asked for.
    name : str
        The file, for messages.
    """

    def __init__(self, read: Callable[[int], bytes], name: str):
        self._read, self.name = read, name
        self._ahead = b""

    def read(self, length: int = -1) -> bytes:
        """Return the next bytes, fewer at the end of the file."""
        return self.take(CHUNK if length < 0 else length)

    def take(self, length: int) -> bytes:
        """Return the next bytes, fewer at the end of the file."""
        found = self.peek(length)
        self._ahead = self._ahead[len(found) :]
        return found

    def peek(self, length: int) -> bytes:
        """Return the next bytes without taking them, fewer at the end of the file."""
        parts, present = [self._ahead], len(self._ahead)
        while present < length:
            part = self._more(min(length - present, CHUNK))
            if not part:
                break
            parts.append(part)
            present += len(part)
        self._ahead = b"".join(parts) if len(parts) > 1 else parts[0]
        return self._ahead[:length]

    def _more(self, length: int) -> bytes:
        try:
            part = self._read(length)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TableParseError(f"its gzip data are damaged or cut off: {error}") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InvalidQueryError(f"{self.name} cannot be read: {reason}") from error
        if not isinstance(part, bytes):
            raise InvalidQueryError(
                f"{self.name} should be open for reading bytes (mode 'rb'); it returns "
                f"{type(part).__name__}"
            )
        return part

    def number(self) -> int:
        """Return the next whole number, as Avro writes it."""
        number, shift = 0, 0
        while True:
            byte = self.take(1)
            if not byte:
                raise _LostError("the file is cut off")
            number |= (byte[0] & 0x7F) << shift
            shift += 7
            if not byte[0] & 0x80:
                return (number >> 1) ^ -(number & 1)
            if shift > 63:
                raise _LostError("a number of it has more than 64 bits")

    def put_back(self, data: bytes) -> None:
        """Put back bytes, which are then the next ones."""
        self._ahead = data + self._ahead

    def skip_past(self, mark: bytes) -> bool:
        """Skip all bytes up to the end of a mark; return whether it was found."""
        while True:
            chunk = self.peek(CHUNK)
            at = chunk.find(mark)
            if at >= 0:
                self.take(at + len(mark))
                return True
            if len(chunk) < CHUNK:
                return False
            self.take(len(chunk) - len(mark) + 1)


class PacketFile:
    """The packets of a file, one after the other.

    Parameters
    ----------
    source : bytes, path-like or file-like
        The packets.
    schema : object, optional
        The schema of packets that come without one.
    limit : int
        Bytes of memory that a packet may take.

    Raises
    ------
    InvalidQueryError
        If the file cannot be opened, or an argument is not what it should be.
    """

    def __init__(self, source: Any, schema: Any, limit: int):
        self._schema = None if schema is None else load_schema(schema)
        self._limit = limit
        self._file: Any = None
        if isinstance(source, (bytes, bytearray, memoryview)):
            self.name, read = "the packet", io.BytesIO(bytes(source)).read
        elif callable(getattr(source, "read", None)):
            # The file belongs to the caller.
            given = getattr(source, "name", None)
            self.name, read = given if isinstance(given, str) else "the file", source.read
        elif isinstance(source, (str, os.PathLike)):
            path = check_path(source, name="source")
            self.name = str(path)
            try:
                self._file = path.open("rb")
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise InvalidQueryError(f"{self.name} cannot be read: {reason}") from error
            read = self._file.read
        else:
            raise InvalidQueryError(
                f"source={source!r:.100} should be the bytes of packets, the path of a file, or "
                f"a file open for reading bytes, not {type(source).__name__}"
            )
        self._stream = _Stream(read, self.name)
        self._count = 0

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._file is not None:
            self._file.close()

    def __iter__(self) -> Iterator[DecodedPacket | TableParseError]:
        """Yield each packet, and in place of one that is damaged its error.

        Raises
        ------
        TableParseError
            If nothing can be read from here on.
        """
        try:
            yield from self._packets()
        except TableParseError as error:
            raise TableParseError(f"{self.name} could not be read: {error}") from error
        finally:
            self.close()

    def _packets(self) -> Iterator[DecodedPacket | TableParseError]:
        head = self._stream.peek(2)
        if head == GZIP:
            inner: Any = self._stream
            self._stream = _Stream(gzip.GzipFile(fileobj=inner, mode="rb").read, self.name)
            head = self._stream.peek(2)
        if not head:
            raise TableParseError("it is empty")
        if self._stream.peek(len(CONTAINER)) == CONTAINER:
            yield from self._containers()
        elif head[:1] == b"\0":
            yield from self._messages()
        elif self._schema is not None:
            yield from self._decode_all(self._schema, b"")
        else:
            raise TableParseError(self._other_kind())

    def _other_kind(self) -> str:
        """Return what a file is that has no packets."""
        head = self._stream.peek(TAR_OFFSET + len(TAR_MARK))
        if head[TAR_OFFSET:] == TAR_MARK:
            return (
                "it is a tar archive: open it with tarfile, and read each of its files, as in "
                "read_alert(archive.extractfile(member))"
            )
        for start, reason in OTHER_KINDS:
            if head.startswith(start):
                return f"{reason}, and not an alert packet"
        return (
            f"it begins with {head[:8]!r}, neither as an Avro container (Obj) nor as a message of "
            "a stream (a zero byte). A bare record can be read with its schema, as schema="
        )

    def _where(self, number: int) -> str:
        return f"{self.name}, packet {number}"

    def _broken(self, reason: object, packets: int = 1) -> TableParseError:
        """Return the error for the next packets, which are counted."""
        first, last = self._count + 1, self._count + max(packets, 1)
        self._count = last
        which = self._where(first) if last == first else f"{self.name}, packets {first} to {last}"
        return TableParseError(f"{which}: {reason}")

    def _decoded(self, record: dict, schema: PacketSchema) -> DecodedPacket:
        self._count += 1
        return DecodedPacket(record, schema, self._where(self._count))

    # Containers

    def _containers(self) -> Iterator[DecodedPacket | TableParseError]:
        """Yield the packets of a container, and of those that follow it in the file."""
        while self._stream.peek(len(CONTAINER)) == CONTAINER:
            header = self._header()
            sync = self._stream.take(SYNC_LENGTH)
            if len(sync) < SYNC_LENGTH:
                raise TableParseError("its header is cut off")
            codec = header.get("avro.codec", b"null").decode("utf-8", "replace") or "null"
            if "avro.schema" not in header:
                raise TableParseError("its header has no schema")
            schema = schema_of_text(header["avro.schema"])
            unpack = _codec(codec)
            yield from self._blocks(schema, sync, unpack, codec)

    def _header(self) -> dict[str, bytes]:
        """Return the metadata of a container."""
        self._stream.take(len(CONTAINER))
        found: dict[str, bytes] = {}
        left = LARGEST_HEADER
        while count := self._stream.number():
            if count < 0:
                count = -count
                self._stream.number()
            for _ in range(count):
                key, value = (self._field(left) for _ in range(2))
                left -= len(key) + len(value) + 2
                found[key.decode("utf-8", "replace")] = value
        return found

    def _field(self, left: int) -> bytes:
        length = self._stream.number()
        if not 0 <= length <= left:
            raise TableParseError(f"its header declares {length} bytes")
        value = self._stream.take(length)
        if len(value) < length:
            raise TableParseError("its header is cut off")
        return value

    def _blocks(
        self, schema: PacketSchema, sync: bytes, unpack: Callable, codec: str
    ) -> Iterator[DecodedPacket | TableParseError]:
        """Yield the packets of all blocks; after one that is damaged, those of the next."""
        while (head := self._stream.peek(len(CONTAINER))) and head != CONTAINER:
            count = 1
            try:
                count, size = self._stream.number(), self._stream.number()
                if count < 0 or not 0 <= size <= self._limit:
                    reason = (
                        f"its block declares {count} packets in {size} bytes; max_bytes is "
                        f"{self._limit}"
                    )
                    count = 1
                    raise _LostError(reason)
                data, cut = self._take_block(size, sync)
                if cut and codec != "null":
                    raise TableParseError("the file is cut off")
                data = unpack(data, self._limit)
            except TableParseError as error:
                yield self._broken(error, min(count, self._limit))
                if isinstance(error, _LostError) and not self._stream.skip_past(sync):
                    return
                continue
            yield from self._records(schema, data, count, cut)

    def _take_block(self, size: int, sync: bytes) -> tuple[bytes, bool]:
        """Return the bytes of a block, and whether the file ends before the block does."""
        data = self._stream.take(size)
        mark = self._stream.take(SYNC_LENGTH)
        if mark == sync:
            return data, False
        both = data + mark
        end = both.find(sync)
        if end >= 0:
            # What follows it belongs to the next block.
            self._stream.put_back(both[end + SYNC_LENGTH :])
            raise TableParseError(f"its block has {end} bytes, and declares {size}")
        if len(mark) == SYNC_LENGTH:
            raise TableParseError("the mark at the end of its block is another one")
        return data, True

    def _records(
        self, schema: PacketSchema, data: bytes, count: int, cut: bool
    ) -> Iterator[DecodedPacket | TableParseError]:
        """Yield the packets of a block."""
        at = 0
        for n in range(count):
            if at >= len(data):
                left = "the file is cut off" if cut else f"its block ends after {n} of {count}"
                yield self._broken(left, 1 if cut else min(count - n, len(data) + 1))
                return
            try:
                record, at = schema.decode(data, at, self._limit)
            except TableParseError as error:
                yield self._broken(error, count - n if count <= len(data) else 1)
                return
            yield self._decoded(record, schema)
        if at < len(data):
            yield self._broken(f"{len(data) - at} bytes of its block are left after {count}")

    # Messages of a stream, and bare records

    def _messages(self) -> Iterator[DecodedPacket | TableParseError]:
        prefix = self._stream.peek(PREFIX_LENGTH)
        if len(prefix) < PREFIX_LENGTH:
            raise TableParseError("the number of its schema is cut off")
        schema = self._schema or numbered_schema(int.from_bytes(prefix[1:], "big"))
        yield from self._decode_all(schema, prefix)

    def _decode_all(
        self, schema: PacketSchema, prefix: bytes
    ) -> Iterator[DecodedPacket | TableParseError]:
        """Yield messages that begin with a prefix, or the only record if there is none."""
        while True:
            self._stream.take(len(prefix))
            length = CHUNK
            while True:
                data = self._stream.peek(length)
                try:
                    record, end = schema.decode(data, 0, self._limit)
                    break
                except TableParseError as error:
                    # It may go beyond the bytes that were read so far.
                    if len(data) < length or length > schema.largest(self._limit):
                        yield self._broken(error)
                        return
                    length *= 4
            self._stream.take(end)
            left = self._stream.peek(max(len(prefix), 3))
            if left and left not in LINE_ENDS and not (prefix and left.startswith(prefix)):
                beyond = len(self._stream.peek(CHUNK))
                yield self._broken(
                    f"{beyond}{' or more' if beyond == CHUNK else ''} bytes are left after the "
                    f"record, so that {schema.name or 'its schema'} is not the schema it was "
                    "written with, or the bytes are not of one packet"
                )
                return
            yield self._decoded(record, schema)
            if not left or left in LINE_ENDS:
                return


def _codec(name: str) -> Callable[[bytes, int], bytes]:
    """Return what decompresses a block within a limit."""
    if name not in CODECS:
        known = ", ".join(CODECS)
        raise TableParseError(f"its codec is {name!r:.50}; those that can be read are {known}")
    return functools.partial(_unpacked, CODECS[name])


def _unpacked(unpack: Callable[[bytes, int], bytes], data: bytes, limit: int) -> bytes:
    try:
        found = unpack(data, limit + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise TableParseError(f"its block is damaged: {error}") from error
    if len(found) > limit:
        raise TableParseError(f"its block is larger than {limit} bytes (max_bytes)")
    return found


def _plain(data: bytes, most: int) -> bytes:
    return data


def _inflate(data: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj(-15)
    found = unpacker.decompress(data, most)
    if not unpacker.eof and len(found) < most:
        raise ValueError("its compressed data have no end")
    return found


def _unpack_bzip2(data: bytes, most: int) -> bytes:
    return bz2.BZ2Decompressor().decompress(data, most)


def _unpack_xz(data: bytes, most: int) -> bytes:
    return lzma.LZMADecompressor(memlimit=max(most, XZ_MEMORY)).decompress(data, most)


def _unsnap(data: bytes, most: int) -> bytes:
    """Return the content of a block of snappy, which declares its length."""
    try:
        from cramjam import DecompressionError, snappy
    except ImportError as error:
        raise ImportError(
            "Packets compressed with snappy are read with cramjam: pip install 'atlasquery[avro]'"
        ) from error
    packed, check = data[:-4], data[-4:]
    length = 0
    for n, byte in enumerate(packed[:10]):
        length |= (byte & 0x7F) << 7 * n
        if not byte & 0x80:
            break
    if length >= most:
        # Refused by its length, before any memory is allocated.
        raise ValueError(f"it declares {length} bytes, which is more than max_bytes")
    try:
        found = bytes(snappy.decompress_raw(packed))
    except DecompressionError as error:
        raise ValueError(error) from error
    if zlib.crc32(found).to_bytes(4, "big") != check:
        raise ValueError("its checksum is another one")
    return found


CODECS: dict[str, Callable[[bytes, int], bytes]] = {
    "null": _plain,
    "deflate": _inflate,
    "snappy": _unsnap,
    "bzip2": _unpack_bzip2,
    "xz": _unpack_xz,
}

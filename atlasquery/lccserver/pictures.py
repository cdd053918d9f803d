"""Pictures from a server, each checked before anything shows it."""

import binascii
import contextlib
import os
import struct
import zlib
from base64 import b64decode, b64encode
from pathlib import Path

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.redaction import safe_text
from atlasquery.service.files import write_atomic

__all__ = ["LCCPicture", "decode_picture"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Characters of base64, and pixels, beyond which a picture is refused.
LONGEST = 1 << 26
PIXELS = 1 << 26


class LCCPicture:
    """A PNG image, which a notebook shows.

    Parameters
    ----------
    data : bytes
        The image.
    about : str
        What it shows.
    width, height : int
        Its size in pixels.
    """

    def __init__(self, data: bytes, about: str, width: int, height: int) -> None:
        #: The image, as the content of a PNG file.
        self.data = data
        #: What it shows.
        self.about = about
        #: Its size in pixels.
        self.width, self.height = width, height

    def __repr__(self) -> str:
        return safe_text(f"<LCCPicture of {self.about}: PNG, {self.width} x {self.height} pixels>")

    def _repr_png_(self) -> bytes:
        return self.data

    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> None:
        """Write it to a file.

        Parameters
        ----------
        path : path-like
            The file, of the ending ``.png``.
        overwrite : bool, optional
            Whether an existing file is replaced.

        Raises
        ------
        InvalidQueryError
            If the ending is another.
        FileExistsError
            If the file exists.
        """
        target = Path(path).expanduser()
        if target.suffix.lower() != ".png":
            raise InvalidQueryError(f"path={str(path)!r} should end in .png")
        if target.exists() and not overwrite:
            raise FileExistsError(f"{target} exists; overwrite=True replaces it")
        write_atomic(target, self.data)

    @property
    def address(self) -> str:
        """The image itself as an address, for the ``src`` of an ``img`` in HTML."""
        return "data:image/png;base64," + b64encode(self.data).decode()


def decode_picture(text: object, about: str) -> LCCPicture | None:
    """Decode a picture.

    Parameters
    ----------
    text : str or None
        A PNG image in base64; None or nothing for none.
    about : str
        What it shows.

    Returns
    -------
    LCCPicture or None
        None where there is none.

    Raises
    ------
    TableParseError
        If it is not a complete PNG image.
    """
    if text is None or text == "":
        return None
    data = b""
    if isinstance(text, str) and len(text) <= LONGEST:
        with contextlib.suppress(binascii.Error, ValueError):
            data = b64decode(text, validate=True)
    try:
        width, height = _checked(data)
    except (struct.error, ValueError) as error:
        raise TableParseError(
            f"the picture of {about} is not a PNG image in base64 ({error}): {str(text)[:40]!r}"
        ) from None
    return LCCPicture(data, about, width, height)


def _checked(data: bytes) -> tuple[int, int]:
    """Return the size of an image whose chunks are complete and undamaged."""
    if not data.startswith(SIGNATURE):
        raise ValueError("it begins with something else")
    view, offset, size = memoryview(data), len(SIGNATURE), None
    while True:
        length, kind = struct.unpack_from(">I4s", view, offset)
        (checksum,) = struct.unpack_from(">I", view, offset + 8 + length)
        if zlib.crc32(view[offset + 4 : offset + 8 + length]) != checksum:
            raise ValueError("it is damaged")
        if size is None:
            if kind != b"IHDR":
                raise ValueError("it has no size")
            size = struct.unpack_from(">II", view, offset + 8)
        offset += 12 + length
        if kind == b"IEND":
            break
    if not 0 < size[0] * size[1] <= PIXELS or offset != len(data):
        extra = len(data) - offset
        raise ValueError(f"it is of {size[0]} x {size[1]} pixels, with {extra} extra bytes")
    return size

"""Pictures that a server sends, each looked at before anything shows it."""

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

__all__ = ["Picture", "decode_picture"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Characters of base64, and pixels, beyond which a picture is refused.
LONGEST = 1 << 26
PIXELS = 1 << 26


class Picture:
    """A PNG image that shows itself in a notebook.

    Parameters
    ----------
    data : bytes
        The image.
    about : str
        What it shows.
    width, height : int
        Its size in pixels.
    """

    def __init__(self, data: bytes, about: str, width: int, height: int):
        #: The image, as the content of a PNG file.
        self.data = data
        #: What it shows.
        self.about = about
        #: Its size in pixels.
        self.width, self.height = width, height

    def __repr__(self) -> str:
        return safe_text(f"<Picture of {self.about}: PNG, {self.width} x {self.height} pixels>")

    def _repr_png_(self) -> bytes:
        return self.data

    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> None:
        """Write it to a file.

        Parameters
        ----------
        path : path-like
            The file, of the ending ``.png``.
        overwrite : bool, optional
            Whether a file that is there is replaced.

        Raises
        ------
        InvalidQueryError
            If the ending is another.
        FileExistsError
            If it is there.
        """
        place = Path(path).expanduser()
        if place.suffix.lower() != ".png":
            raise InvalidQueryError(f"path={str(path)!r} should end in .png")
        if place.exists() and not overwrite:
            raise FileExistsError(f"{place} is there already; overwrite=True replaces it")
        write_atomic(place, self.data)

    @property
    def address(self) -> str:
        """The image itself as an address, for the ``src`` of an ``img`` in HTML."""
        return "data:image/png;base64," + b64encode(self.data).decode()


def decode_picture(text: object, about: str) -> Picture | None:
    """Decode a picture.

    Parameters
    ----------
    text : str or None
        A PNG image in base64; None or nothing for none.
    about : str
        What it shows.

    Returns
    -------
    Picture or None
        None where there is none.

    Raises
    ------
    TableParseError
        If it is something else than a whole PNG image.
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
            f"the picture of {about} is no PNG image in base64 ({error}): {str(text)[:40]!r}"
        ) from None
    return Picture(data, about, width, height)


def _checked(data: bytes) -> tuple[int, int]:
    """Return the size of an image whose chunks are all there and undamaged."""
    if not data.startswith(SIGNATURE):
        raise ValueError("it begins with something else")
    view, place, size = memoryview(data), len(SIGNATURE), None
    while True:
        length, kind = struct.unpack_from(">I4s", view, place)
        (checksum,) = struct.unpack_from(">I", view, place + 8 + length)
        if zlib.crc32(view[place + 4 : place + 8 + length]) != checksum:
            raise ValueError("it is damaged")
        if size is None:
            if kind != b"IHDR":
                raise ValueError("it has no size")
            size = struct.unpack_from(">II", view, place + 8)
        place += 12 + length
        if kind == b"IEND":
            break
    if not 0 < size[0] * size[1] <= PIXELS or place != len(data):
        more = len(data) - place
        raise ValueError(f"it is of {size[0]} x {size[1]} pixels, with {more} bytes more")
    return size

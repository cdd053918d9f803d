"""Pictures that a server sends, which show themselves in a notebook."""

import os
from pathlib import Path

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.skyportal.envelope import open_envelope

__all__ = ["Picture", "decode_picture"]

# How each kind of picture begins, and how it is called in the web.
KINDS = {
    "png": (b"\x89PNG\r\n\x1a\n", "image/png"),
    "pdf": (b"%PDF", "application/pdf"),
    "jpeg": (b"\xff\xd8\xff", "image/jpeg"),
    "gif": (b"GIF8", "image/gif"),
}


class Picture:
    """A picture as a server made it; a notebook shows it.

    Parameters
    ----------
    data : bytes
        What the server sent.
    kind : {"png", "pdf", "jpeg", "gif", "svg"}
        What it is.
    name : str, optional
        What is on it.

    Attributes
    ----------
    data : bytes
        The same.
    kind : str
        The same.
    name : str
        The same.
    """

    def __init__(self, data: bytes, kind: str, name: str = ""):
        self.data, self.kind, self.name = data, kind, name

    def __bytes__(self) -> bytes:
        return self.data

    def __len__(self) -> int:
        return len(self.data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picture) and (self.data, self.kind) == (other.data, other.kind)

    def __hash__(self) -> int:
        return hash((self.data, self.kind))

    def __repr__(self) -> str:
        of = f" of {self.name}" if self.name else ""
        return f"<Picture{of}: {self.kind}, {len(self.data)} bytes>"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        if self.kind == "svg":
            # A server's SVG may hold a script: a notebook gets its text alone.
            return {"text/plain": repr(self)}
        return {KINDS[self.kind][1]: self.data, "text/plain": repr(self)}

    def save(self, path: str | os.PathLike) -> Path:
        """Write the picture to a file.

        Parameters
        ----------
        path : path-like
            The file. Without an ending it gets that of the picture's kind.

        Returns
        -------
        `~pathlib.Path`
            The file.

        Raises
        ------
        InvalidQueryError
            If its ending is that of another kind.

        Examples
        --------
        >>> from atlasquery.skyportal import Picture
        >>> Picture(b"%PDF-1.4", "pdf").save("chart.png")
        Traceback (most recent call last):
            ...
        atlasquery.exceptions.InvalidQueryError: path='chart.png' should end in .pdf: ...
        """
        file = Path(path)
        ending = file.suffix.lower().removeprefix(".").replace("jpg", "jpeg")
        if not ending:
            file = file.with_suffix(f".{self.kind}")
        elif ending != self.kind:
            raise InvalidQueryError(
                f"path={os.fspath(path)!r} should end in .{self.kind}: that is what the picture is"
            )
        file.write_bytes(self.data)
        return file


def decode_picture(body: bytes, name: str = "") -> Picture:
    """Return what a server sent as a picture.

    Parameters
    ----------
    body : bytes
        An answer.
    name : str, optional
        What is on it.

    Returns
    -------
    Picture
        Of the kind that its first bytes say.

    Raises
    ------
    RemoteServiceError
        If it is the envelope of an error.
    TableParseError
        If it is no picture.
    """
    for kind, (start, _) in KINDS.items():
        if body.startswith(start):
            return Picture(body, kind, name)
    head = body[:500].lstrip().lower()
    if head.startswith((b"<svg", b"<?xml")) and b"<svg" in body[:5000].lower():
        return Picture(body, "svg", name)
    if head.startswith(b"{"):
        # "errors JSON" (contract), whatever the status.
        open_envelope(body)
    raise TableParseError(f"what the server sent is no picture: {body[:60]!r}", service="SkyPortal")

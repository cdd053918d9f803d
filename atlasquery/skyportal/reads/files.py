"""What SkyPortal sends as files: pictures that a notebook shows, and bytes for a reader."""

import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from atlasquery.exceptions import TableParseError
from atlasquery.redaction import safe_text
from atlasquery.service.files import write_atomic
from atlasquery.skyportal.base import SkyPortalQuery, open_envelope
from atlasquery.skyportal.payloads.values import params_of

__all__ = ["Picture", "decode_picture", "read_file", "read_picture"]

# How a file of a kind begins, and what a notebook calls it.
KINDS = {
    "png": (b"\x89PNG\r\n\x1a\n", "image/png"),
    "pdf": (b"%PDF-", "application/pdf"),
    "jpeg": (b"\xff\xd8\xff", "image/jpeg"),
    "svg": (b"<svg", "image/svg+xml"),
}


class Picture:
    """A picture that the server drew; a notebook shows it.

    Parameters
    ----------
    data : bytes
        The file.
    kind : {"png", "pdf", "jpeg", "svg"}
        Of what format it is.
    about : str, optional
        What it shows.
    meta : dict, optional
        Where it came from.

    Attributes
    ----------
    data : bytes
        The file, as the server sent it.
    kind : str
        Of what format it is.
    about : str
        What it shows.
    meta : dict
        Where it came from.

    Examples
    --------
    >>> from atlasquery.skyportal import Picture
    >>> Picture(b"%PDF-1.4 ...", "pdf", "Finding chart")
    <Picture Finding chart: pdf, 12 bytes>
    """

    def __init__(self, data: bytes, kind: str, about: str = "", meta: dict | None = None):
        self.data, self.kind, self.about, self.meta = data, kind, about, meta or {}

    def __repr__(self) -> str:
        return safe_text(f"<Picture {self.about}: {self.kind}, {len(self.data)} bytes>")

    def __bytes__(self) -> bytes:
        return self.data

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict:
        # As notebooks keep it: text, or bytes in base 64.
        text = self.kind == "svg"
        encoded = self.data.decode() if text else b64encode(self.data).decode("ascii")
        return {KINDS[self.kind][1]: encoded, "text/plain": repr(self)}

    def save(self, path: str | os.PathLike) -> Path:
        """Write the picture to a file.

        Parameters
        ----------
        path : path-like
            The file; one that is there is replaced. Without an ending it gets the
            one of its format.

        Returns
        -------
        `~pathlib.Path`
            The file.

        Raises
        ------
        OSError
            If it cannot be written.

        Examples
        --------
        >>> from atlasquery.skyportal import Picture
        >>> Picture(b"%PDF-1.4 ...", "pdf").save("chart").name  # doctest: +SKIP
        'chart.pdf'
        """
        path = Path(path).expanduser()
        path = path if path.suffix else path.with_suffix(f".{self.kind}")
        write_atomic(path, self.data)
        return path


def decode_picture(body: bytes) -> tuple[bytes, str]:
    """Return a picture and its format, by how it begins.

    Parameters
    ----------
    body : bytes
        The file.

    Returns
    -------
    data : bytes
        The file.
    kind : str
        Its format.

    Raises
    ------
    TableParseError
        If it is no picture.
    """
    start = body.lstrip(b"\xef\xbb\xbf \r\n\t")
    if start.startswith(b"<?xml") and b"<svg" in start[:1000]:
        return body, "svg"
    for kind, (sign, _) in KINDS.items():
        if start.startswith(sign):
            return body, kind
    raise TableParseError(f"no picture of a known format; it begins with {body[:20]!r}")


def read_file(
    client: SkyPortalQuery,
    path: str,
    params: dict,
    *,
    decode: Callable,
    lifetime: float | None = None,
    cache: bool | None = None,
    unknown: str = "",
) -> tuple:
    """Read a file from the server.

    Parameters
    ----------
    path : str
        What is read, below the address of the API.
    params : dict
        By the server's names.
    decode : callable
        Takes the file's bytes.
    lifetime : float, optional
        Seconds for which a cached response counts; ``conf.object_seconds`` by default.
    cache : bool, optional
        Whether cached responses are used.
    unknown : str, optional
        What is not there when the server reports that.

    Returns
    -------
    decoded : object
        What `decode` returned.
    when : float
        The Unix time at which the server answered.

    Raises
    ------
    NotFoundError
        If the server has none of what `unknown` says.
    RemoteServiceError
        If the server refuses, which it does in JSON.
    """

    def opened(body: bytes) -> object:
        if body.lstrip()[:1] == b"{":
            # Raises what the envelope says; one that says success has no file.
            open_envelope(body)
            raise TableParseError("JSON instead of a file", service=client.service)
        return decode(body)

    with client._naming(unknown):
        return client._read(
            path,
            params_of(params),
            decode=opened,
            lifetime=client.conf.object_seconds if lifetime is None else lifetime,
            cache=cache,
            method="GET",
            # How a server calls a file is not known; what it is, the decoder sees.
            content="",
        )


def read_picture(
    client: SkyPortalQuery,
    path: str,
    params: dict,
    about: str,
    *,
    cache: bool | None,
    unknown: str,
    **query: object,
) -> Picture:
    """Read a picture."""
    (data, kind), when = read_file(
        client, path, params, decode=decode_picture, cache=cache, unknown=unknown
    )
    return Picture(data, kind, about, client._meta(when, **query))

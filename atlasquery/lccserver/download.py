"""Download a large file in chunks, so that a later process resumes one that was killed.

Each chunk is a separate request, and is written to a ``.part`` file as it arrives; a second file
has the version of the file at the server. A server that does not know of chunks sends all.
"""

import contextlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import requests

from atlasquery.exceptions import RemoteServiceError, TableParseError
from atlasquery.service.files import storage_errors

__all__ = ["CHUNK", "download"]

#: Bytes of a chunk: some seconds of a slow line.
CHUNK = 1 << 23
# How often a file may change while it is fetched.
RESTARTS = 3
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)", re.ASCII)


def download(
    ask: Callable[[dict], requests.Response],
    path: Path,
    *,
    chunk: int = CHUNK,
    largest: int,
    shown: Callable[[int, int], object] = lambda done, size: None,
) -> Path:
    """Fetch a file, or the rest of it after an earlier attempt.

    Parameters
    ----------
    ask : callable
        Takes headers, and returns the answer to a request with them, of status 200 or 206.
    path : `~pathlib.Path`
        Where the file is put when it is complete; its directory exists.
    chunk : int, optional
        Bytes of a request.
    largest : int
        Bytes beyond which a file is refused.
    shown : callable, optional
        Takes the number of bytes fetched and that of the file.

    Returns
    -------
    `~pathlib.Path`
        `path`, with a file whose size is that which the server named.

    Raises
    ------
    TableParseError
        If the server's responses do not fit together, or the file is too large.
    RemoteServiceError
        If it does not respond, or the file changes again and again.
    """
    part = _PartialFile(path)
    for _ in range(RESTARTS + 1):
        if _fetch(ask, part, chunk, largest, shown):
            os.replace(part.path, path)
            part.forget()
            return path
        part.restart()
    raise RemoteServiceError(f"{path.name} changed {RESTARTS} times while it was fetched")


class _PartialFile:
    """A file that is not complete yet, and its version."""

    def __init__(self, path: Path):
        self.path = path.with_name(path.name + ".part")
        self._about = path.with_name(path.name + ".part.json")
        self.tag: str | None = None
        self.size: int | None = None
        # A part of an unknown version is of no use.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            about = json.loads(self._about.read_text())
            self.tag, self.size = str(about["tag"]), int(about["size"])
        if self.size is None or not 0 < self.offset <= self.size:
            self.restart()

    @property
    def offset(self) -> int:
        """Number of bytes fetched."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def restart(self) -> None:
        """Begin at the first byte."""
        self.tag = self.size = None
        self.forget()

    def forget(self) -> None:
        """Remove the files."""
        for path in (self._about, self.path):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def append(self, data: bytes, tag: str | None, size: int) -> None:
        """Append a chunk; the version of the file is written first."""
        with storage_errors(self.path):
            if (tag, size) != (self.tag, self.size):
                self.tag, self.size = tag, size
                if tag is not None:
                    self._about.write_text(json.dumps({"tag": tag, "size": size}))
            # Perhaps of a private dataset, so only its owner may read it. The checksums of the ZIP
            # show damage by a power cut.
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "ab") as file:
                file.write(data)


def _fetch(ask: Callable, part: _PartialFile, chunk: int, largest: int, shown: Callable) -> bool:
    """Fetch what is missing; return False if the file has changed at the server."""
    while part.size is None or part.offset < part.size:
        offset = part.offset
        headers = {
            # Chunks of a compressed response would be those of another file.
            "Accept-Encoding": "identity",
            "Range": f"bytes={offset}-{offset + chunk - 1}",
        }
        if part.tag is not None and not part.tag.startswith("W/"):
            headers["If-Range"] = part.tag
        try:
            response = ask(headers)
        except RemoteServiceError as error:
            if error.status == 416 and offset:
                return False
            raise
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if response.status_code == 200:
            return _save_all(response, part, tag, largest, shown)
        start, end, size = _content_range(response)
        if size > largest:
            raise _too_large(size, largest)
        if part.size is not None and (tag, size) != (part.tag, part.size):
            return False
        if start != offset or end - start + 1 != len(response.content) or not response.content:
            raise TableParseError(
                f"{response.url} answered {headers['Range']} with bytes {start} to {end}, "
                f"{len(response.content)} of them",
                url=response.url,
                status=206,
            )
        part.append(response.content, tag, size)
        shown(part.offset, size)
    return part.offset == part.size


def _save_all(
    response: requests.Response, part: _PartialFile, tag: str | None, largest: int, shown: Callable
) -> bool:
    """Save all of a file: the server knows no chunks, or has another version now."""
    content = response.content
    size = int(response.headers.get("Content-Length") or len(content))
    if max(size, len(content)) > largest:
        raise _too_large(size, largest)
    if size != len(content):
        raise TableParseError(
            f"{response.url} should have {size} bytes and came with {len(content)}",
            url=response.url,
            status=200,
        )
    part.restart()
    part.append(content, tag, size)
    shown(size, size)
    return True


def _content_range(response: requests.Response) -> tuple[int, int, int]:
    header = response.headers.get("Content-Range", "")
    found = CONTENT_RANGE.fullmatch(header.strip())
    if response.status_code != 206 or not found:
        raise TableParseError(
            f"{response.url} answered with status {response.status_code} and the range {header!r}, "
            "which does not say where the chunk belongs",
            url=response.url,
            status=response.status_code,
        )
    start, end, size = map(int, found.groups())
    return start, end, size


def _too_large(size: int, largest: int) -> TableParseError:
    return TableParseError(
        f"the file is of {size >> 20} MiB, more than {largest >> 20} MiB (conf.largest_zip): ask "
        "for fewer light curves at once"
    )

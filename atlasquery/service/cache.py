"""Cache responses on disk: private to the user, separate for each account, never executable.

A cached response is a line of JSON and the body. The cache of astroquery pickles
whole responses, which writes tokens to disk, executes code of a manipulated file, and
serves the response for one user to another.
"""

import contextlib
import hashlib
import json
import os
import stat
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import requests

from atlasquery.service.files import write_private
from atlasquery.service.log import log

__all__ = ["ResponseCache", "as_response"]

FORMAT = 1
SUFFIX = ".answer"
# Nothing is served after a week; older files are removed when others are written.
LONGEST = 7 * 86400.0
SWEEP_EVERY = 3600.0
_swept: dict[Path, float] = {}


class ResponseCache:
    """Responses of one service in one directory.

    Parameters
    ----------
    directory : `~pathlib.Path`
        The directory, created with mode 0700 when it is first written to.
    longest : float, optional
        Seconds after which a file is removed when others are written.
    """

    def __init__(self, directory: Path, *, longest: float = LONGEST):
        self.directory = directory
        self.longest = longest

    @staticmethod
    def key(method: str, url: str, params: object, body: object, identity: str) -> str:
        """Return the key of a response.

        Parameters
        ----------
        method, url : str
            Method and address of the request.
        params, body : object
            Parameters and body of the request, of JSON types.
        identity : str
            A digest of the account, so that no user is served the response for another.

        Returns
        -------
        str
            A SHA-256 digest in hexadecimal.
        """
        request = [FORMAT, method.upper(), url, params, body, identity]
        text = json.dumps(request, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def get(self, key: str, lifetime: float) -> tuple[bytes, str, float] | None:
        """Return a cached body with its content type and time, or None.

        Parameters
        ----------
        key : str
            The key of the response.
        lifetime : float
            Age in seconds after which the response is not used.

        Returns
        -------
        tuple of (bytes, str, float) or None
            Body, content type, and the Unix time at which it was cached. None if the file
            is absent, expired, truncated, or from someone else.
        """
        try:
            data = self._read_own(key)
            end = data.index(b"\n")
            header = json.loads(data[:end])
            body = data[end + 1 :]
            stored = header["stored"]
            age = time.time() - stored
            intact = header["format"] == FORMAT and header["key"] == key
            intact = intact and header["crc32"] == zlib.crc32(body)
            content_type = header["content_type"]
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        if not intact or not isinstance(content_type, str) or not 0 <= age < lifetime:
            return None
        return body, content_type, stored

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write a body to the cache, atomically.

        Parameters
        ----------
        key : str
            The key of the response.
        body : bytes
            The body of the response.
        content_type : str
            Its media type.
        """
        header = {
            "format": FORMAT,
            "key": key,
            "stored": time.time(),
            "content_type": content_type,
            "crc32": zlib.crc32(body),
        }
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self._path(key), json.dumps(header).encode() + b"\n", body)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self.directory.is_dir():
                # Another thread has just cleared the cache: this response is as old as the others.
                log.debug(f"The response was not cached: {self.directory} was just cleared")
                return
            # Without a cache, on a full or read-only disk, the response is returned nevertheless.
            log.warning(f"The response was not cached in {self.directory}: {error}")
        else:
            self._sweep()

    def _read_own(self, key: str) -> bytes:
        """Return the bytes of a file that only this user can have written."""
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(self._path(key), flags), "rb") as file:
            about = os.fstat(file.fileno())
            is_ours = os.name != "posix" or about.st_uid == os.geteuid()
            if not (is_ours and stat.S_ISREG(about.st_mode)) or about.st_mode & 0o022:
                raise OSError("others may have written it")
            return file.read()

    def _sweep(self) -> None:
        """Remove old files, at most once an hour, since there may be a hundred thousand."""
        now = time.monotonic()
        if now - _swept.get(self.directory, -SWEEP_EVERY) >= SWEEP_EVERY:
            _swept[self.directory] = now
            self._remove(lambda age: age > self.longest)

    def clear(self) -> None:
        """Remove all cached responses."""
        self._remove(lambda age: True)

    def _remove(self, outdated: Callable[[float], bool]) -> None:
        now = time.time()
        for pattern in ("*" + SUFFIX, "*.part"):
            for path in self.directory.glob(pattern):
                with contextlib.suppress(OSError):
                    if outdated(now - path.stat().st_mtime):
                        path.unlink()

    def _path(self, key: str) -> Path:
        return self.directory / (key + SUFFIX)


def as_response(method: str, url: str, body: bytes, content_type: str) -> requests.Response:
    """Return a cached response as requests would have returned it.

    Parameters
    ----------
    method, url : str
        Method and address of the request.
    body : bytes
        The body of the response.
    content_type : str
        Its media type.

    Returns
    -------
    `requests.Response`
        A response with status 200.
    """
    response = requests.Response()
    response.status_code, response.reason, response.url = 200, "OK", url
    response.headers["Content-Type"] = content_type
    response._content, response._content_consumed = body, True
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.request = requests.Request(method, url).prepare()
    return response

"""Routes of the SkyPortal double: what its modules register, and what a call brings them."""

import json
import re
from dataclasses import dataclass
from typing import Any

ROUTES = []
VERSION = "1.4.0"


@dataclass
class Call:
    """A request, as a route sees it."""

    sky: Any
    method: str
    path: str
    params: dict
    json: Any
    user: dict

    def number(self, name, default):
        value = self.params.get(name)
        return default if value is None else int(value)

    def truth(self, name):
        return str(self.params.get(name, "")).lower() in ("true", "t", "1", "yes")

    def listed(self, name):
        """Return the parts of a list that is joined with commas, None where there is none."""
        value = self.params.get(name)
        return None if value is None else [part.strip() for part in value.split(",")]


class RefusalError(Exception):
    """A response with an error in the envelope."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class Answer(Exception):  # noqa: N818 - it is no error
    """A response without an envelope, or of another kind than JSON."""

    def __init__(self, status, body, kind="application/json", headers=None):
        super().__init__(status)
        self.status, self.kind, self.headers = status, kind, headers or {}
        self.body = (
            body
            if isinstance(body, bytes)
            else (body.encode() if isinstance(body, str) else json.dumps(body).encode())
        )


def envelope(data):
    return {"status": "success", "data": data, "version": VERSION}


def error_envelope(message):
    return {"status": "error", "message": message, "data": {}, "version": VERSION}


def html(status, title):
    """Return a page of nginx, which stands before the server."""
    text = f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>"
    text += (
        f"{status} {title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(status, text, "text/html")


def route(method, pattern, *, permission=None, public=False):
    """Register a function of a call and the groups of the path, below ``/api/``.

    It returns the data of the envelope, or raises a `RefusalError` or an
    `Answer`. What needs a permission that the token does not have is a 401.
    """

    def register(function):
        ROUTES.append((method, re.compile(pattern), function, permission, public))
        return function

    return register

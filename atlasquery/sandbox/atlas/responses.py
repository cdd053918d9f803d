"""Replies of no particular endpoint: refusals in JSON, and HTML pages."""

import html

import msgspec
from werkzeug.wrappers import Response

__all__ = ["RefusedError", "ServerError", "browsable", "json_response", "page", "too_long"]

_PAGES = {
    400: ("Bad Request", "The sandbox cannot read this request, like the server it stands for."),
    404: ("Page not found", "The sandbox has no such page."),
    500: ("Server Error", "The sandbox fails here on purpose, like the server it stands for."),
}
_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class RefusedError(Exception):
    """The server refuses a request with a JSON ``detail``.

    Parameters
    ----------
    status : int
        HTTP status.
    detail : str
        The server's message.
    headers : dict, optional
        More headers.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None):
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        if status == 401:
            self.headers["WWW-Authenticate"] = "Token"


class ServerError(Exception):
    """The real server trips over this request: the reply is an HTML page with status 500."""


def json_response(status: int, payload: object, headers: dict[str, str]) -> Response:
    """Return a JSON reply.

    Parameters
    ----------
    status : int
        HTTP status.
    payload : object
        What to send; None for an empty body.
    headers : dict of str to str
        More headers.

    Returns
    -------
    werkzeug.wrappers.Response
        The reply.
    """
    if payload is None:
        response = Response(status=status, headers={**headers, **_SECURITY})
        del response.headers["Content-Type"]
        return response
    return Response(
        msgspec.json.encode(payload),
        status,
        {**headers, **_SECURITY},
        content_type="application/json",
    )


def page(status: int) -> Response:
    """Return one of the server's HTML pages.

    Parameters
    ----------
    status : int
        400, 404 or 500.

    Returns
    -------
    werkzeug.wrappers.Response
        The page.
    """
    title, words = _PAGES[status]
    body = _document(title, f"<h1>Error {status}: {title}</h1>\n<p>{words}</p>")
    return Response(body, status, _SECURITY, content_type="text/html; charset=utf-8")


def browsable(name: str, status: int, payload: object, headers: dict[str, str]) -> Response:
    """Return the page that a browser gets in place of JSON.

    Parameters
    ----------
    name : str
        Name of the endpoint.
    status : int
        HTTP status.
    payload : object
        What would have been sent as JSON.
    headers : dict of str to str
        More headers.

    Returns
    -------
    werkzeug.wrappers.Response
        The page, with the cookie that the server sets.
    """
    pretty = msgspec.json.format(msgspec.json.encode(payload), indent=4).decode()
    body = _document(f"{name} - ATLAS API", f"<pre>{html.escape(pretty)}</pre>")
    headers = {**headers, **_SECURITY, "Vary": "Accept, Cookie"}
    response = Response(body, status, headers, content_type="text/html; charset=utf-8")
    response.set_cookie("csrf_atlas", "sandbox", samesite="Lax")
    return response


def too_long(length: int, limit: int) -> Response:
    """Return the front server's reply to a request line that is too long.

    Parameters
    ----------
    length, limit : int
        Length of the line and what is allowed, in bytes.

    Returns
    -------
    werkzeug.wrappers.Response
        The reply; the connection ends with it.
    """
    body = (
        "<html>\n  <head>\n    <title>URI Too Long</title>\n  </head>\n  <body>\n"
        "    <h1><p>URI Too Long</p></h1>\n"
        f"    Request Line is too large ({length} &gt; {limit})\n  </body>\n</html>\n"
    )
    headers = {"Connection": "close"}
    return Response(body, "414 URI Too Long", headers, content_type="text/html")


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8" />\n'
        f"<title>{html.escape(title)}</title>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )

"""The generic call: every route of the server without a separate method."""

import contextlib
import re
from collections.abc import Iterator

import msgspec
import numpy as np
import requests

from atlasquery.exceptions import InvalidQueryError, RemoteServiceError
from atlasquery.service.inputs import check_choice
from atlasquery.skyportal.base import SkyPortalQuery, open_envelope
from atlasquery.skyportal.payloads.values import as_json, params_of
from atlasquery.skyportal.reads.paging import GALAXY_PAGE, read_pages
from atlasquery.tables import Column, Nested, Rows

__all__ = ["request"]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# They answer with tokens.
TOKENS = re.compile(r"(.*/)? *internal */ *(profile|tokens?) *(/.*)?", re.I)
PAGE = re.compile(rb"\s*<(!doctype html|html)\b", re.I)
# The names of a page's number, where it is not the usual one alone.
PAGE_NAMES = {"galaxy_catalog": GALAXY_PAGE}
# Lists of which the server counts each row once for each group that sees it.
REPEATED = ("classification",)
LARGEST_PAGE = 500
# Routes that 1.4 no longer has, and its words for that.
GONE = {
    r"galaxy_catalog/glade": "the loading of GLADE",
    r"obj/analysis/\d+/corner": "corner plots of analyses",
}
NO_SUCH_ROUTE = ("Invalid product type", "positional argument")


def request(
    self: SkyPortalQuery,
    method: str,
    path: str,
    *,
    json: object = None,
    paginate: bool = False,
    cache: bool | None = None,
    **params: object,
) -> object:
    """Call any route of the server, with the pace, the errors and the care of all others.

    Parameters
    ----------
    method : {"GET", "POST", "PUT", "PATCH", "DELETE"}
        The HTTP method. A GET may be repeated when the network fails, all
        others are sent once.
    path : str
        The route below ``/api/``, such as ``"sources/ZTF24abc/groups"``.
    json : object, optional
        What is sent as JSON: mappings, lists, arrays, times, numbers. What is
        masked becomes null; NaN, which JSON does not have, is refused.
    paginate : bool, optional
        Whether to read all pages of a list; then the items of all are returned, and
        the number and size of a page in `params` do not count. An object that has a
        list and more, and is not a page, is refused: nothing of it would be left but the
        list.
    cache : bool, optional
        Whether a cached response to a GET is used, for ``conf.list_seconds``. What may
        hold credentials is not stored: allocations, services, analyses and all
        below ``internal/``.
    **params : object
        What stands after the question mark, by the server's names. Lists are
        joined with commas, times sent in UTC, angles in degrees. The server
        ignores names that it does not know.

    Returns
    -------
    object
        The data of the response: dict, list, str, number or None. For an
        answer that is no JSON, such as a picture, its bytes.

    Raises
    ------
    InvalidQueryError
        If the path is no route, or one that answers with tokens; or something given
        cannot be sent as it is. Nothing was sent.
    LoginError
        If the token is not known, or does not have the permission.
    RemoteServiceError
        If the server refuses, in its own words.
    TableParseError
        If `paginate` is set, and the response is no list, nor a page of one.

    Warns
    -----
    InputWarning
        If pages have more than their items, which alone are returned; or if the list
        changed while it was read, so that an item may be missing.

    References
    ----------
    The documentation of the API, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> source = SkyPortal.request("GET", "sources/ATLAS24abc")
    >>> source["redshift"], [group["name"] for group in source["groups"]]
    (0.031, ['ATLAS transients'])
    >>> len(SkyPortal.request("GET", "candidates", paginate=True))
    5
    """
    method = check_choice(str(method).upper(), name="method", known=METHODS)
    path = check_path(path)
    sent = params_of(params)
    body = None if json is None else as_json(json, "json")
    if paginate:
        if method != "GET" or body is not None:
            raise InvalidQueryError("paginate=True is for method='GET' without json")
        return _items(self, path, sent, cache)
    with _explain_removed(path):
        return _one(self, method, path, sent, body, cache)


@contextlib.contextmanager
def _explain_removed(path: str) -> Iterator[None]:
    """Explain the error of a route that newer servers removed."""
    try:
        yield
        return
    except RemoteServiceError as error:
        reason = error.reason or ""
        gone = next((what for route, what in GONE.items() if re.fullmatch(route, path)), None)
        if gone is None or not any(words in reason for words in NO_SUCH_ROUTE):
            raise
        context = {name: getattr(error, name) for name in ("service", "status", "url", "reason")}
    raise RemoteServiceError(
        f"SkyPortal 1.4 no longer has {gone}: {path} is a route of servers of 2023 (status "
        f"{context['status']}: {reason})",
        **context,
    )


def _one(
    client: SkyPortalQuery, method: str, path: str, sent: dict, body: object, cache: bool | None
) -> object:
    """Send one request, and return the data of its response."""
    if method == "GET" and body is None and not path.startswith("internal/"):
        return _get(client, path, sent, cache)
    try:
        response, _ = client._send_signed(
            method,
            client.server + path,
            repeat=method == "GET",
            params=sent,
            json=body,
            headers={"Accept": "*/*"},
        )
    finally:
        if method != "GET":
            # Cached responses may be outdated now, even after a timeout.
            client._store.clear()
    return _data(client, response)


def _get(client: SkyPortalQuery, path: str, sent: dict, cache: bool | None) -> object:
    try:
        return client._read(
            path,
            sent,
            decode=_decode_any,
            lifetime=client.conf.list_seconds,
            cache=cache,
            method="GET",
            content="",
        )[0]
    except _PageError as page:
        raise _no_data(client, client.server + path, str(page)) from None


def _data(client: SkyPortalQuery, response: requests.Response) -> object:
    """Return the data of a response, or its bytes where it is no JSON."""
    try:
        return client._decode(response, _decode_any, content="")
    except _PageError as page:
        raise _no_data(client, response.url, str(page)) from None


def _no_data(client: SkyPortalQuery, url: str, message: str) -> RemoteServiceError:
    return RemoteServiceError(
        f"SkyPortal answered {url} with a web page instead of data: {message} Is conf.server "
        "the address of its API?",
        service=client.service,
        status=200,
        url=url,
        reason=message,
    )


def _items(client: SkyPortalQuery, path: str, sent: dict, cache: bool | None) -> list:
    """Return the items of all pages of a list, whatever it is called."""
    page_name = PAGE_NAMES.get(path, ("pageNumber",))
    sent = {k: v for k, v in sent.items() if k not in (*page_name, "numPerPage")}
    if path == "sources":
        # Without it a source that is saved meanwhile moves the others to later pages.
        sent.setdefault("useCache", "true")
    found = read_pages(
        client,
        path,
        sent,
        key="",
        decode=_decode_items,
        max_rows=-1,
        page_name=page_name,
        # "capped silently" as other lists are.
        page_size=min(client.conf.page_size, LARGEST_PAGE) if path in REPEATED else None,
        repeated=path in REPEATED,
        cache=cache,
        what="items",
    )
    return [msgspec.json.decode(item) for item in found.rows.values["item"]]


class _PageError(Exception):
    """A web page where data should be."""


def _decode_any(body: bytes) -> object:
    """Return the data of an envelope, JSON without one, or bytes that are neither."""
    if PAGE.match(body):
        title = re.search(rb"<title[^>]*>(.*?)</title>", body, re.S | re.I)
        raise _PageError(title[1].decode("utf-8", "replace").strip() if title else "without title.")
    if body.lstrip()[:1] not in (b"{", b"["):
        return body
    data = msgspec.json.decode(body)
    # Other JSON may have a status too.
    if isinstance(data, dict) and data.get("status") in ("success", "error", "fail"):
        return msgspec.json.decode(open_envelope(body))
    return data


def _decode_items(text: bytes) -> Rows:
    """Return items that stay JSON, with what tells them apart."""
    items = msgspec.json.decode(text, type=list[msgspec.Raw])
    texts = np.empty(len(items), object)
    texts[:] = [bytes(item) for item in items]
    rows = Rows(length=len(items))
    rows.add(Column("item", Nested), texts)
    names = [item.get("id") for item in map(msgspec.json.decode, items) if isinstance(item, dict)]
    if len(names) == len(items) and None not in names:
        rows.add(Column("id", str), np.array(names, str))
    return rows


def check_path(path: str) -> str:
    """Return a route below ``/api/``, or refuse it.

    Parameters
    ----------
    path : str
        With or without ``/api/`` before it.

    Returns
    -------
    str
        Without slashes at its ends.

    Raises
    ------
    InvalidQueryError
        If it is no route, or one that answers with tokens.
    """
    if not isinstance(path, str) or not path.strip("/ "):
        raise InvalidQueryError(f"path={path!r:.100} should be a route, such as 'sources'")
    route = path.strip().strip("/").removeprefix("api/")
    if not re.fullmatch(r"[\w\-.+:~@,= ()/]+", route) or {"", ".", ".."} & set(route.split("/")):
        raise InvalidQueryError(
            f"path={path!r:.100} should be a route below /api/, such as 'sources/ZTF24abc/groups'; "
            "what stands after a question mark is given as arguments"
        )
    if TOKENS.fullmatch(route):
        raise InvalidQueryError(
            f"path={path!r} is not requested: the server answers it with all your tokens, which "
            "would end in your notebook. See them on the page of your profile"
        )
    return route

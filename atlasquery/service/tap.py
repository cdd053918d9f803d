"""Queries in ADQL to a TAP service, with a time limit, and the server's message in errors."""

import contextlib
import html
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import requests
from astropy.table import MaskedColumn, Table

from atlasquery import __version__
from atlasquery.exceptions import MaxResultsWarning, RemoteServiceError, TimeoutError
from atlasquery.service.conf import ServiceConf
from atlasquery.service.secrets import NoAuth
from atlasquery.warn import warn

__all__ = ["TapSession", "adql_payload", "plain_strings", "run_adql", "typed_tap_errors"]


# Largest part of a response that is searched for a message, in characters.
LONGEST = 1 << 20
# The parts of an error, also of one that is not a valid VOTable.
INFO = re.compile(r"<INFO\b([^>]*?)(?:/>|>(.*?)</INFO>)", re.S)
ATTRIBUTE = re.compile(r"([\w:]+)\s*=\s*\"([^\"]*)\"")
STATUS = re.compile(r": ([45]\d\d) [A-Z(]")
TAG = re.compile(r"<!\[CDATA\[|\]\]>|<[^>]*>")


class TapSession(requests.Session):
    """A session with a timeout for all requests."""

    def __init__(self, timeout: float):
        super().__init__()
        self.timeout = timeout
        # A .netrc would send credentials that the server never requested.
        self.auth = NoAuth()
        self.headers["User-Agent"] = f"atlasquery/{__version__}"

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request with a timeout; raise the server's message for an error status."""
        response = super().request(*args, **{**kwargs, "timeout": self.timeout})
        if response.status_code >= 400:
            body = response.raw.read(LONGEST, decode_content=True) if kwargs.get("stream") else (
                response.content)  # fmt: skip
            response.close()
            message, by_tap = _tap_message(body)
            raise _RefusalError(response.status_code, message or response.reason, by_tap)
        return response


class _RefusalError(Exception):
    """A query that the server refused, with its message."""

    def __init__(self, status: int, message: str, by_tap: bool):
        super().__init__(f"{status} {message}")
        # Whether the message is from TAP itself, and not from a gateway in front of it.
        self.status, self.message, self.by_tap = status, message, by_tap


def _tap_message(body: bytes) -> tuple[str, bool]:
    """Return the message of an error, and whether it is in an INFO element of a VOTable.

    ALeRCE's server has it in the description of an INFO named ERROR_DETAIL.
    """
    text = body.decode(errors="replace")
    infos = [(dict(ATTRIBUTE.findall(head)), inner) for head, inner in INFO.findall(text)]
    if not infos:
        return " ".join(TAG.sub(" ", text).split())[:500], False
    found = []
    for name in ("ERROR_DETAIL", "QUERY_STATUS"):
        for attributes, inner in infos:
            if attributes.get("name") == name:
                value = attributes.get("value", "") if name == "ERROR_DETAIL" else ""
                found += [TAG.sub(" ", inner), value]
    return " ".join(html.unescape(" ".join(found)).split())[:500], True


def adql_payload(
    server: str, adql: str, *, max_rows: int | None = None, language: str = "ADQL"
) -> dict:
    """Return what `run_adql` would send.

    Parameters
    ----------
    server : str
        The address of the TAP service.
    adql : str
        The query.
    max_rows : int, optional
        Largest number of rows; None or -1 for all.
    language : str, optional
        The language of the query, as the server calls it.

    Returns
    -------
    dict
        The parameters, and the address under ``url``.
    """
    from pyvo.dal import TAPQuery

    limit = None if max_rows in (None, -1) else max_rows
    query = TAPQuery(server.rstrip("/"), adql, mode="sync", language=language, maxrec=limit)
    return {"url": query.queryurl, **query}


def run_adql(
    server: str,
    adql: str,
    *,
    service: str,
    conf: ServiceConf,
    max_rows: int | None = None,
    language: str = "ADQL",
    uploads: dict[str, Table] | None = None,
) -> Table:
    """Run a query and wait for its rows.

    Parameters
    ----------
    server : str
        The address of the TAP service.
    adql : str
        The query.
    service : str
        The name of the service, for messages.
    conf : ServiceConf
        Configuration; its ``timeout`` is in seconds.
    max_rows : int, optional
        Largest number of rows; additional rows from the server are cut.
    language : str, optional
        The language of the query, by the server's name.
    uploads : dict, optional
        Tables that are sent with the query, by the names that they have below
        ``TAP_UPLOAD`` there.

    Returns
    -------
    `~astropy.table.Table`
        The rows; strings have a string type, never object.

    Raises
    ------
    RemoteServiceError, TimeoutError
        With the server's message.
    """
    from pyvo.dal import DALOverflowWarning, TAPService

    limit = None if max_rows == -1 else max_rows
    with (
        typed_tap_errors(service, server, conf.timeout),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always", DALOverflowWarning)
        tap = TAPService(server.rstrip("/"), session=TapSession(conf.timeout))
        options: dict[str, Any] = {} if limit is None else {"maxrec": limit}
        if uploads:
            options["uploads"] = uploads
        table = tap.run_sync(adql, language=language, **options).to_table()
    if limit is not None and len(table) > limit:
        # A server that ignores the limit sends all rows.
        table = table[:limit]
        warn(
            f"{service} sent more rows than the {limit} that were requested; limit the query "
            "itself, or request more with max_rows",
            MaxResultsWarning,
        )
    for warning in caught:
        if issubclass(warning.category, DALOverflowWarning):
            warn(f"{service}: {warning.message}", MaxResultsWarning)
    return plain_strings(table)


@contextlib.contextmanager
def typed_tap_errors(service: str, server: str, timeout: float) -> Iterator[None]:
    """Replace errors of pyvo by those of this package, with the server's message.

    Parameters
    ----------
    service : str
        The name of the service, for messages.
    server : str
        Its address.
    timeout : float
        The time limit of a request in seconds, for messages.

    Yields
    ------
    None

    Raises
    ------
    RemoteServiceError, TimeoutError
        With the server's message.
    """
    from pyvo.dal import DALAccessError, DALQueryError

    known: dict[str, Any] = {"service": service, "url": server}
    try:
        yield
    except DALQueryError as error:
        message = " ".join(str(error.reason).split())
        raise RemoteServiceError(
            f"{service} refused the query: {message} Correct it.",
            reason=message,
            **known,
        ) from error
    except DALAccessError as error:
        raise _failed(error, service, timeout, known) from error


def _failed(error: Any, service: str, timeout: float, known: dict) -> Exception:
    if isinstance(getattr(error, "cause", None), requests.Timeout):
        return TimeoutError(
            f"{service} did not answer within {timeout:g} s (conf.timeout): {known['url']}.",
            **known,
        )
    refusal = getattr(error, "cause", None)
    if isinstance(refusal, _RefusalError):
        message = f"(status {refusal.status}): {refusal.message}"
        return RemoteServiceError(
            f"{service} refused the query {message} Correct it."
            if refusal.status < 500 or refusal.by_tap
            else f"{service} failed at {known['url']} {message}",
            reason=refusal.message,
            status=refusal.status,
            **known,
        )
    message = " ".join(str(error.reason).split())
    status = getattr(error, "code", None)
    if status is None and (found := STATUS.search(message)):
        # Of the description of the service, which pyvo reads first.
        status = int(found[1])
    return RemoteServiceError(
        f"{service} failed at {known['url']}: {message}",
        reason=message,
        status=status,
        **known,
    )


def plain_strings(table: Table) -> Table:
    """Convert columns of Python strings, as in VOTables, to columns of a string type.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table, which is changed.

    Returns
    -------
    `~astropy.table.Table`
        The same table.
    """
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind == "O":
            mask = np.ma.getmaskarray(column)
            strings = ["" if none else str(v) for v, none in zip(column, mask, strict=True)]
            about = {
                "unit": column.unit,
                "description": column.description,
                "meta": column.meta,
            }
            table.replace_column(name, MaskedColumn(strings, mask=mask, **about))
    return table

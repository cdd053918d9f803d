"""Queries in ADQL to a TAP service, in time, with errors in the server's words."""

import html
import re
import warnings

import numpy as np
import requests
from astropy.table import MaskedColumn, Table

from atlasquery import __version__
from atlasquery.exceptions import MaxResultsWarning, RemoteServiceError, TimeoutError
from atlasquery.service.secrets import NoAuth
from atlasquery.warn import warn

__all__ = ["adql_payload", "run_adql"]


# Characters of an answer in which its words are looked for.
LONGEST = 1 << 20
# What an error is made of, also where it is no valid VOTable.
INFO = re.compile(r"<INFO\b([^>]*?)(?:/>|>(.*?)</INFO>)", re.S)
ATTRIBUTE = re.compile(r"([\w:]+)\s*=\s*\"([^\"]*)\"")
TAG = re.compile(r"<!\[CDATA\[|\]\]>|<[^>]*>")


class _Session(requests.Session):
    """A session that waits no longer than it is told to, and goes nowhere else."""

    def __init__(self, timeout: float):
        super().__init__()
        self.timeout = timeout
        # A .netrc would send credentials that the server never asked for.
        self.auth = NoAuth()
        self.headers["User-Agent"] = f"atlasquery/{__version__}"

    def request(self, *args, **kwargs):
        """Send a request with a time limit; raise what the server says where it refuses."""
        response = super().request(*args, **{**kwargs, "timeout": self.timeout})
        if response.status_code >= 400:
            body = response.raw.read(LONGEST, decode_content=True) if kwargs.get("stream") else (
                response.content)  # fmt: skip
            response.close()
            words, told = _words(body)
            raise _RefusalError(response.status_code, words or response.reason, told)
        return response


class _RefusalError(Exception):
    """What a server says of a query that it refuses."""

    def __init__(self, status: int, words: str, told: bool):
        super().__init__(words)
        # Whether the words are those of TAP itself, and not of a gateway before it.
        self.status, self.words, self.told = status, words, told


def _words(body: bytes) -> tuple[str, bool]:
    """Return the words of an error: in an INFO of a VOTable, in its description, or bare.

    Whether there is an INFO stands beside them.

    ALeRCE's server has them in the description of an INFO named ERROR_DETAIL.
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
    conf: object,
    max_rows: int | None = None,
    language: str = "ADQL",
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
    conf : `~astropy.config.ConfigNamespace`
        With ``timeout``, in seconds.
    max_rows : int, optional
        How many rows are wanted at most; what a server sends beyond is cut.
    language : str, optional
        The language of the query, as the server calls it.

    Returns
    -------
    `~astropy.table.Table`
        The rows; texts are texts, never objects.

    Raises
    ------
    RemoteServiceError, TimeoutError
        With the server's own words.
    """
    from pyvo.dal import DALAccessError, DALOverflowWarning, DALQueryError, TAPService

    known = {"service": service, "url": server}
    limit = {} if max_rows in (None, -1) else {"maxrec": max_rows}
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DALOverflowWarning)
            tap = TAPService(server.rstrip("/"), session=_Session(conf.timeout))
            table = tap.run_sync(adql, language=language, **limit).to_table()
    except DALQueryError as error:
        words = " ".join(str(error.reason).split())
        raise RemoteServiceError(
            f"{service} refused the query: {words} Correct it by these words.",
            reason=words,
            **known,
        ) from error
    except DALAccessError as error:
        raise _failed(error, service, conf, known) from error
    if limit and len(table) > max_rows:
        # A server that does not know of a limit sends all.
        table = table[:max_rows]
        warn(
            f"{service} sent more rows than the {max_rows} that were asked for; limit the query "
            "itself, or ask for more with max_rows",
            MaxResultsWarning,
        )
    for warning in caught:
        if issubclass(warning.category, DALOverflowWarning):
            warn(f"{service}: {warning.message}", MaxResultsWarning)
    return _plain(table)


def _failed(error, service: str, conf, known: dict) -> Exception:
    if isinstance(getattr(error, "cause", None), requests.Timeout):
        return TimeoutError(
            f"{service} did not answer within {conf.timeout:g} s (conf.timeout): {known['url']}.",
            **known,
        )
    refusal = getattr(error, "cause", None)
    if isinstance(refusal, _RefusalError):
        words = f"(status {refusal.status}): {refusal.words}"
        return RemoteServiceError(
            f"{service} refused the query {words} Correct it by these words."
            if refusal.status < 500 or refusal.told
            else f"{service} failed at {known['url']} {words}",
            reason=refusal.words,
            status=refusal.status,
            **known,
        )
    words = " ".join(str(error.reason).split())
    return RemoteServiceError(
        f"{service} failed at {known['url']}: {words}",
        reason=words,
        status=getattr(error, "code", None),
        **known,
    )


def _plain(table: Table) -> Table:
    """Turn columns of Python texts, as VOTables have them, into columns of text."""
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind == "O":
            mask = np.ma.getmaskarray(column)
            texts = ["" if none else str(v) for v, none in zip(column, mask, strict=True)]
            made = MaskedColumn(texts, mask=mask, unit=column.unit, description=column.description)
            table.replace_column(name, made)
    return table

"""Queries in ADQL to a TAP service, in time, with errors in the server's words."""

import warnings

import numpy as np
import requests
from astropy.table import MaskedColumn, Table

from atlasquery import __version__
from atlasquery.exceptions import MaxResultsWarning, RemoteServiceError, TimeoutError
from atlasquery.service.secrets import NoAuth

__all__ = ["run_adql"]


class _Session(requests.Session):
    """A session that waits no longer than it is told to, and goes nowhere else."""

    def __init__(self, timeout: float):
        super().__init__()
        self.timeout = timeout
        # A .netrc would send credentials that the server never asked for.
        self.auth = NoAuth()
        self.headers["User-Agent"] = f"atlasquery/{__version__}"

    def request(self, *args, **kwargs):
        """Send a request with a time limit."""
        return super().request(*args, **{**kwargs, "timeout": self.timeout})


def run_adql(
    server: str, adql: str, *, service: str, conf: object, max_rows: int | None = None
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
        How many rows are wanted at most.

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
            table = tap.run_sync(adql, **limit).to_table()
    except DALQueryError as error:
        words = " ".join(str(error.reason).split())
        raise RemoteServiceError(
            f"{service} refused the query: {words} Correct it by these words.",
            reason=words,
            **known,
        ) from error
    except DALAccessError as error:
        raise _failed(error, service, conf, known) from error
    for warning in caught:
        if issubclass(warning.category, DALOverflowWarning):
            warnings.warn(f"{service}: {warning.message}", MaxResultsWarning, stacklevel=4)
    return _plain(table)


def _failed(error, service: str, conf, known: dict) -> Exception:
    if isinstance(getattr(error, "cause", None), requests.Timeout):
        return TimeoutError(
            f"{service} did not answer within {conf.timeout:g} s (conf.timeout): {known['url']}.",
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

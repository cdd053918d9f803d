"""The queries for the lists of an account, such as its favorites."""

import re

from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import check_text
from atlasquery.skyportal.tables.columns import LISTING
from atlasquery.tables import Rows, build_table, decode_rows
from atlasquery.warn import warn

__all__ = [
    "check_list_name",
    "list_listings",
]


def list_listings(
    self: SkyPortalQuery,
    list_name: str | None = None,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """List the sources on the lists of your account.

    Parameters
    ----------
    list_name : str, optional
        The name of a list, such as ``"favorites"``; by default all lists.
    cache : bool, optional
        Whether a cached response is used, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``id`` (int, of the entry), ``list_name``, ``source_id``, ``user_id`` (int),
        ``created_at``, ``modified`` (`~astropy.time.Time`), and ``params`` (JSON) of a
        watchlist.

    Raises
    ------
    InvalidQueryError
        If the name cannot be that of a list.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``GET /api/listing``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.list_listings("favorites")["source_id"].tolist()
    ['ZTF24abcdefg']
    """
    name = None if list_name is None else check_list_name(list_name)
    params = {"listName": name}
    if get_query_payload:
        return self._query_payload("listing", params)
    rows, when = self._fetch(
        "listing",
        params,
        decode=_decode_listings,
        lifetime=self.conf.list_seconds,
        cache=cache,
    )
    if name is not None:
        # An older server ignores what it does not know.
        rows = rows.take(rows.values["list_name"] == name)
    table = build_table(rows, meta=self._meta(when, query="list_listings"))
    if not len(table):
        warn("there is nothing on such a list", NoResultsWarning)
    return table


def check_list_name(name: object) -> str:
    """Return the name of a list.

    Parameters
    ----------
    name : object
        What the user gives.

    Returns
    -------
    str
        The same.

    Raises
    ------
    InvalidQueryError
        If no list can have such a name.
    """
    if not isinstance(name, str) or not re.match(r"\w", name):
        raise InvalidQueryError(
            f"list_name={name!r:.80} should be the name of a list, which begins with a letter, "
            "digit or underscore"
        )
    return check_text(name, "list_name")


def _decode_listings(text: bytes) -> Rows:
    return decode_rows(LISTING, text, undeclared_as_text=True)

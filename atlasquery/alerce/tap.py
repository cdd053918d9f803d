"""The query for ALeRCE's database, in SQL."""

from astropy.table import Table

from atlasquery.alerce.base import AlerceQuery
from atlasquery.alerce.paging import check_limit
from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.tap import adql_payload, run_adql

__all__ = ["query_tap"]


def query_tap(
    self: AlerceQuery,
    adql: str,
    *,
    max_rows: int | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Send a query to ALeRCE's database, in the SQL of PostgreSQL.

    Parameters
    ----------
    adql : str
        The query; the server does not take ADQL: ``LIMIT 10`` instead of ``TOP 10``.
    max_rows : int, optional
        Largest number of rows; by default as many as the server sends. The client cuts
        the result, so a ``LIMIT`` in the query is faster.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        The rows, with the units that the server sends.

    Raises
    ------
    InvalidQueryError
        If `adql` is not a string; nothing was sent.
    RemoteServiceError
        If the server refuses the query, with its message.

    Warns
    -----
    MaxResultsWarning
        If the result was cut at `max_rows`.

    References
    ----------
    The IVOA's Table Access Protocol, by `pyvo.dal.TAPService`.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> len(Alerce.query_tap("SELECT oid, meanra, ndet FROM object LIMIT 3"))
    3
    """
    if not isinstance(adql, str) or not adql.strip():
        raise InvalidQueryError(f"adql={adql!r:.100} should be a query, such as 'SELECT ...'")
    if max_rows is not None:
        check_limit(self, max_rows)
    if get_query_payload:
        return adql_payload(self._server_of("tap_server"), adql, max_rows=max_rows, language="PSQL")
    table = run_adql(
        self._server_of("tap_server"),
        adql,
        service=self.service,
        conf=self.conf,
        max_rows=max_rows,
        language="PSQL",
    )
    table.meta = self._meta(self._clock.now(), query="query_tap", adql=adql)
    table.meta["server"] = self._server_of("tap_server")
    return table

"""The query for ALeRCE's database, in SQL."""

from astropy.table import Table

from atlasquery.alerce.base import AlerceQuery
from atlasquery.alerce.paging import check_limit
from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.tap import run_adql

__all__ = ["query_tap"]


def query_tap(self: AlerceQuery, adql: str, *, max_rows: int | None = None) -> Table:
    """Send a query to ALeRCE's database, in the SQL of PostgreSQL.

    Parameters
    ----------
    adql : str
        The query; the server takes no ADQL proper: ``LIMIT 10`` instead of ``TOP 10``.
    max_rows : int, optional
        How many rows are wanted at most; by default as many as the server gives. The
        server does not know of it: better, limit the query itself.

    Returns
    -------
    `~astropy.table.Table`
        The rows, with the units that the server tells.

    Raises
    ------
    InvalidQueryError
        If `adql` is no text; nothing was sent.
    RemoteServiceError
        If the server refuses the query, with its words.

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
    table = run_adql(
        self.conf.tap_server,
        adql,
        service=self.service,
        conf=self.conf,
        max_rows=max_rows,
        language="PSQL",
    )
    table.meta = self._meta(self._clock.now(), query="query_tap", adql=adql)
    table.meta["server"] = self._server_of("tap_server")
    return table

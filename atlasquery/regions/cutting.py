"""The objects of many cones as one list: each once, and only those inside the region."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from atlasquery.exceptions import InputWarning, NoResultsWarning
from atlasquery.regions.region import Region
from atlasquery.service.failures import deliver
from atlasquery.service.query import ServiceQuery
from atlasquery.tables import Rows, stack_rows
from atlasquery.tables.nearest import with_query_index
from atlasquery.warn import warn

__all__ = ["deliver_region", "rows_inside"]


def rows_inside(region: Region, parts: Sequence[Rows], *, by: Sequence[str]) -> Rows:
    """Return the rows inside a region, each object once.

    Parameters
    ----------
    region : Region
        The region.
    parts : sequence of Rows
        What each search has found, with ``ra`` and ``dec``; one at least, which may be empty.
    by : sequence of str
        The columns that together are the name of an object.

    Returns
    -------
    Rows
        With ``query_index`` first, sorted by `by`, the first of these first.

    Warns
    -----
    InputWarning
        If objects have no position, so that they are left out.
    """
    rows = stack_rows(*parts)
    names = [np.unique(rows.values[name], return_inverse=True)[1].ravel() for name in by]
    order = np.lexsort(names[::-1])
    new = np.zeros(len(rows), dtype=bool)
    new[:1] = True
    for name in names:
        new[1:] |= np.diff(name[order]) != 0
    rows = rows.take(order[new])
    ra, dec = rows.values["ra"], rows.values["dec"]
    known = np.isfinite(ra) & np.isfinite(dec) & ~(rows.masks["ra"] | rows.masks["dec"])
    if not known.all():
        warn(
            f"{np.count_nonzero(~known)} objects without a position are left out, since it is not "
            f"known whether they are in the {region.name}",
            InputWarning,
        )
    inside = known.copy()
    inside[known] = region.inside(ra[known], dec[known])
    return with_query_index(rows.take(inside).without(("separation",)), 0)


def deliver_region(
    client: ServiceQuery,
    region: Region,
    table: Table,
    failures: Sequence[tuple],
    *,
    on_error: str,
    what: str = "searches failed",
    total: int | None = None,
) -> Table:
    """Return the objects in a region; raise or warn if searches failed, warn if there is none.

    Parameters
    ----------
    client : ServiceQuery
        The client that searched.
    region : Region
        The region.
    table : `~astropy.table.Table`
        What it has found.
    failures : sequence of tuple
        A pair (what was requested, the exception) for each search that failed.
    on_error : {"raise", "warn"}
        Whether failures raise an error that has the table, or a warning.
    what : str, optional
        What failed, for the message.
    total : int, optional
        Number of searches, as in `~atlasquery.service.failures.deliver`.

    Returns
    -------
    `~astropy.table.Table`
        The same.

    Raises
    ------
    IncompleteResultError
        If something failed, with ``on_error="raise"``.

    Warns
    -----
    InputWarning
        If something failed, with ``on_error="warn"``.
    NoResultsWarning
        If the table is empty.
    """
    deliver(
        table,
        failures,
        on_error=on_error,
        service=client.service,
        what=what,
        total=total,
        in_meta=True,
    )
    if not len(table):
        warn(f"{client.service} has no object in the {region.name}", NoResultsWarning)
    return table

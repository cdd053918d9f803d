"""What was found around a position, the nearest first."""

import astropy.units as u
import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.sphere import separations
from atlasquery.tables.columns import Column
from atlasquery.tables.json_rows import Rows

__all__ = ["QUERY_INDEX", "SEPARATION", "nearest_first", "with_query_index"]

QUERY_INDEX = Column(
    "query_index",
    int,
    about="Number of the position searched, in C order; 0 for a region.",
    required=True,
)
SEPARATION = Column("separation", unit=u.arcsec, about="Distance to the position searched.")


def nearest_first(
    rows: Rows,
    ra: float,
    dec: float,
    *,
    arcsec: float,
    slack: float,
    by: str,
    what: str,
    service: str,
) -> Rows:
    """Return what was found around a position by its distance, and refuse that of elsewhere.

    Parameters
    ----------
    rows : Rows
        What was found, with ``ra`` and ``dec``.
    ra, dec : float
        The position, degrees.
    arcsec : float
        The radius of the search.
    slack : float
        Arcseconds by which the server may round.
    by : str
        The column that sorts what is equally far.
    what : str
        What was found, in the plural, for the error.
    service : str
        The name of the service.

    Returns
    -------
    Rows
        With ``separation``, the nearest first.

    Raises
    ------
    TableParseError
        If one is farther away: the response is that to another request.
    """
    separation = separations(ra, dec, rows.values["ra"], rows.values["dec"])
    if np.any(separation > arcsec * 1.001 + slack):
        raise TableParseError(
            f"{service} answered {what} up to {np.nanmax(separation):.0f} arcsec away when asked "
            f"for {arcsec:g}: it ignored the position",
            service=service,
        )
    order = np.lexsort((rows.values[by], separation))
    found = Rows(length=len(rows))
    found.add(SEPARATION, separation[order], np.isnan(separation[order]))
    for column in rows.columns:
        found.add(column, rows.values[column.name][order], rows.masks[column.name][order])
    return found


def with_query_index(rows: Rows, index: int) -> Rows:
    """Return rows with the number of the position that was searched.

    Parameters
    ----------
    rows : Rows
        What was found; a column ``query_index`` is replaced.
    index : int
        The number.

    Returns
    -------
    Rows
        With ``query_index`` first.
    """
    found = Rows(length=len(rows))
    found.add(QUERY_INDEX, np.full(len(rows), index, dtype=np.int64))
    for column in rows.columns:
        if column.name != QUERY_INDEX.name:
            found.add(column, rows.values[column.name], rows.masks[column.name])
    return found

"""What was found around a position, the nearest first."""

import astropy.units as u
import numpy as np

from atlasquery.exceptions import TableParseError
from atlasquery.sphere import separations
from atlasquery.tables.columns import Column
from atlasquery.tables.json_rows import Rows

__all__ = ["nearest_first"]

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

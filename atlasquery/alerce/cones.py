"""Objects around a position: the nearest first, and only these where there are too many."""

import numpy as np

from atlasquery.alerce.base import AlerceQuery
from atlasquery.alerce.criteria import cone_params
from atlasquery.alerce.paging import FoundObjects, first_rows, fixed_order, read_pages
from atlasquery.sphere import separations
from atlasquery.tables import Rows
from atlasquery.tables.nearest import nearest_first

__all__ = [
    "Position",
    "cone_payload",
    "find_nearest",
    "separations_from",
    "with_separation",
]

# Arcseconds that a server may round; beyond it, a response is that to another request.
SLACK = 2.0
# Radii below this are not halved: objects so near each other are all fetched.
SMALLEST = 0.5
# Right ascension and declination, degrees.
Position = tuple[float, float]


def cone_payload(survey: str, position: Position, arcsec: float) -> dict:
    """Return the parameters of a search for the objects around a position, by name."""
    return cone_params(*position, arcsec) | fixed_order(survey)


def find_nearest(
    client: AlerceQuery,
    survey: str,
    position: Position,
    arcsec: float,
    limit: int | None,
    cache: bool | None,
) -> FoundObjects:
    """Return the objects within a radius, the nearest ones if there are more than the limit.

    The servers know no order by distance. The radius is halved until it holds no
    more than the limit; then all of the last one that held more are fetched: at a
    constant density some four times as many.
    """

    def read(radius: float, limit: int | None) -> FoundObjects:
        sent = cone_payload(survey, position, radius)
        found = read_pages(client, survey, sent, limit, cache)
        # The response to another request must not pass, even if its rows are not used.
        return found._replace(rows=with_separation(found.rows, position, radius))

    inner = read(arcsec, limit)
    if not inner.cut:
        return inner
    times, outer, radius = [inner.when], arcsec, arcsec
    while inner.cut and radius > SMALLEST:
        outer, radius = radius, radius / 2
        inner = read(radius, limit)
        times.append(inner.when)
    every = read(radius if inner.cut else outer, None)
    rows, _ = first_rows(every.rows, limit)
    return every._replace(rows=rows, when=min(*times, every.when), cut=True)


def separations_from(rows: Rows, position: Position) -> np.ndarray:
    """Return the distances of objects to a position.

    Parameters
    ----------
    rows : Rows
        Objects, with ``ra`` and ``dec``.
    position : tuple of float
        Right ascension and declination, degrees.

    Returns
    -------
    `~numpy.ndarray`
        Arcseconds.
    """
    return separations(*position, rows.values["ra"], rows.values["dec"])


def with_separation(rows: Rows, position: Position, arcsec: float) -> Rows:
    """Return objects by their distance to a position, and refuse those of elsewhere.

    Parameters
    ----------
    rows : Rows
        Objects.
    position : tuple of float
        Right ascension and declination, degrees.
    arcsec : float
        The radius of the search.

    Returns
    -------
    Rows
        With ``separation``, the nearest first.

    Raises
    ------
    TableParseError
        If one is farther away than the radius.
    """
    return nearest_first(
        rows, *position, arcsec=arcsec, slack=SLACK, by="oid", what="objects", service="ALeRCE"
    )

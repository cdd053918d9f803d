"""Objects around a position: the nearest first, and these alone where there are too many."""

import astropy.units as u
import numpy as np
from astropy.coordinates import angular_separation

from atlasquery.alerce.base import AlerceQuery
from atlasquery.alerce.criteria import cone_params
from atlasquery.alerce.lsst_columns import NEAR
from atlasquery.alerce.paging import Found, fixed_order, read_pages
from atlasquery.exceptions import TableParseError
from atlasquery.tables import Column, Rows, decode_rows, stack_rows

__all__ = ["cone_payload", "find_nearest", "find_unlisted", "joined", "numbered", "placed"]

SEPARATION = Column("separation", unit=u.arcsec, about="Distance to the position asked for.")
QUERY_INDEX = Column("query_index", int, about="Number of the position asked for.", required=True)
# What a server may round; beyond it, an answer is not the answer to this question.
SLACK = 2.0
# Radii below this are not halved any more: objects that near each other are taken as they are.
SMALLEST = 0.5


def cone_payload(client: AlerceQuery, survey: str, ra: float, dec: float, arcsec: float) -> dict:
    """Return what is sent for the objects around a position, by name."""
    return cone_params(ra, dec, arcsec) | fixed_order(client, survey)


def find_nearest(
    client: AlerceQuery, survey: str, ra: float, dec: float, arcsec: float, limit: int | None, cache
) -> Found:
    """Return the objects within a radius, of which the nearest are left where there are more.

    The servers know no order by distance. The radius is halved until it holds no
    more than wanted; then all of the last one that held more are fetched: at a
    constant density some four times as many.
    """
    found = read_pages(client, survey, cone_payload(client, survey, ra, dec, arcsec), limit, cache)
    if not found.cut:
        return found._replace(rows=placed(found.rows, ra, dec, arcsec))
    times, radius, inner = [found.when], arcsec, found
    while inner.cut and radius > SMALLEST:
        outer, radius = radius, radius / 2
        # What came is not needed, but an answer to another question must not pass.
        placed(inner.rows, ra, dec, outer)
        inner = read_pages(
            client, survey, cone_payload(client, survey, ra, dec, radius), limit, cache
        )
        times.append(inner.when)
    radius = radius if inner.cut else outer
    every = read_pages(client, survey, cone_payload(client, survey, ra, dec, radius), None, cache)
    rows = placed(every.rows, ra, dec, radius).take(np.arange(min(limit, len(every.rows))))
    return every._replace(rows=rows, when=min(*times, every.when), cut=True)


def find_unlisted(
    client: AlerceQuery,
    found: Found,
    place: tuple,
    arcsec: float,
    limit: int | None,
    cache: bool | None,
) -> list[int]:
    """Return the numbers of objects of LSST around a position that a list leaves out.

    The route that has them takes its radius in degrees by its source; where it answers less
    than the list does, in arcseconds after all.
    """
    listed = set(found.rows.values["oid"].tolist())
    if found.cut:
        # Farther away than the last one listed they would be cut.
        arcsec = float(found.rows.values["separation"][-1])
    near, whole = _near(client, place, arcsec / 3600.0, arcsec, limit, cache)
    if whole and not listed <= set(near):
        near, _ = _near(client, place, arcsec, arcsec, limit, cache)
    return [name for name in near if name not in listed]


def _near(
    client: AlerceQuery,
    place: tuple,
    radius: float,
    arcsec: float,
    limit: int | None,
    cache: bool | None,
) -> tuple[list[int], bool]:
    """Return the objects of LSST around a position, the nearest first, and whether all."""
    wanted = client.conf.page_size if limit is None else limit + 1
    ra, dec = place
    most = wanted
    while True:
        rows, _ = client._fetch(
            "lsst_near",
            {"ra": float(ra), "dec": float(dec), "radius": radius, "neighbors": most},
            decode=lambda body: decode_rows(NEAR, body),
            lifetime=client.conf.list_seconds,
            cache=cache,
        )
        there = np.radians(rows.values["ra"]), np.radians(rows.values["dec"])
        separation = np.degrees(angular_separation(*np.radians(place), *there)) * 3600.0
        # Other surveys have their objects in it too.
        kept = (rows.values["survey_id"] == "lsst") & (separation <= arcsec)
        whole = len(rows) < most or bool(np.any(separation > arcsec))
        if whole or (limit is not None and np.count_nonzero(kept) >= wanted):
            return [int(name) for name in rows.values["objectId"][kept].tolist()], whole
        most *= 4


def placed(rows: Rows, ra: float, dec: float, arcsec: float) -> Rows:
    """Return objects by their distance to a position, and refuse those of elsewhere.

    Parameters
    ----------
    rows : Rows
        Objects.
    ra, dec : float
        The position, degrees.
    arcsec : float
        The radius asked for.

    Returns
    -------
    Rows
        With ``separation``, the nearest first.

    Raises
    ------
    TableParseError
        If one is farther away than was asked for.
    """
    place = np.radians([ra, dec])
    there = np.radians(rows.values["ra"]), np.radians(rows.values["dec"])
    separation = np.degrees(angular_separation(*place, *there)) * 3600.0
    if np.any(separation > arcsec * 1.001 + SLACK):
        raise TableParseError(
            f"ALeRCE answered objects up to {np.nanmax(separation):.0f} arcsec away when asked for "
            f"{arcsec:g}: it ignored the position",
            service="ALeRCE",
        )
    order = np.lexsort((rows.values["oid"], separation))
    found = Rows(length=len(rows))
    found.add(SEPARATION, separation[order], np.isnan(separation[order]))
    for column in rows.columns:
        name = column.name
        found.add(column, rows.values[name][order], rows.masks[name][order])
    return found


def joined(
    found: Found, others: list[Rows], place: tuple, arcsec: float, limit: int | None
) -> Found:
    """Return the objects around a position together with others around it.

    Parameters
    ----------
    found : Found
        Objects around a position, the nearest first.
    others : list of Rows
        Further ones, not yet placed.
    place : tuple of float
        The position, degrees.
    arcsec : float
        The radius asked for.
    limit : int or None
        How many are wanted at most.

    Returns
    -------
    Found
        The nearest of all.
    """
    rows = stack_rows(found.rows, *(placed(part, *place, arcsec) for part in others))
    rows = rows.take(np.lexsort((rows.values["oid"], rows.values["separation"])))
    cut = found.cut or (limit is not None and len(rows) > limit)
    rows = rows.take(np.arange(min(limit, len(rows)))) if cut else rows
    return found._replace(rows=rows, cut=cut)


def numbered(rows: Rows, index: int) -> Rows:
    """Return rows with the number of the position that they are for.

    Parameters
    ----------
    rows : Rows
        What `placed` returns.
    index : int
        The number.

    Returns
    -------
    Rows
        With ``query_index`` first.
    """
    found = Rows(length=len(rows))
    found.add(QUERY_INDEX, np.full(len(rows), index))
    for column in rows.columns:
        found.add(column, rows.values[column.name], rows.masks[column.name])
    return found

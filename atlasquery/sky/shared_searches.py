"""Searches around many positions: planned by what they cost, then matched with the positions.

Servers that take one position at a time would need a request for each. Positions near each
other share a circle; where a service can list all that it has, that may be the cheapest.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Column, Table

from atlasquery.exceptions import IncompleteResultError
from atlasquery.service.cones import Cone, cover_cones
from atlasquery.service.log import log
from atlasquery.sky.pairs import find_pairs
from atlasquery.sphere import ARCSEC, separations

__all__ = ["AllObjects", "SearchPlan", "partly", "plan_searches", "search_around"]

# So many positions are searched one by one; of more, those near each other share a search.
FEW = 10
# From so many searches on it is worth a request to learn how many objects there are in all.
WORTH_COUNTING = 20
# So many rows take a server about as long as one more request.
ROWS_A_REQUEST = 100
# Arcseconds, far above rounding: candidates, which are then cut at the radius.
MARGIN = 1e-6


@dataclass(frozen=True)
class AllObjects:
    """All objects of a service that can list them.

    Parameters
    ----------
    count : callable
        Returns their number, in one request; None if that is not known.
    read : callable
        Returns the table of all.
    page : int
        Objects in a request.
    sizes : tuple of float
        Radii of larger circles that several positions may share, in arcseconds.
    """

    count: Callable[[], int | None]
    read: Callable[[], Table]
    page: int
    sizes: tuple[float, ...] = ()


@dataclass(frozen=True)
class SearchPlan:
    """The searches that together see everything around some positions.

    Parameters
    ----------
    cones : tuple of Cone
        The circles; empty where all objects are listed.
    requests : int
        The least number of requests that they take.
    text : str
        The plan in words.
    """

    cones: tuple[Cone, ...]
    requests: int
    text: str


def plan_searches(
    ra: np.ndarray,
    dec: np.ndarray,
    radius: float,
    *,
    largest: float,
    total: int | None = None,
    page: int = 1,
    sizes: tuple[float, ...] = (),
) -> SearchPlan:
    """Choose the cheapest of circles of several sizes, and of a list of all objects.

    Parameters
    ----------
    ra, dec : `~numpy.ndarray`
        Degrees.
    radius : float
        Arcseconds.
    largest : float
        The largest radius of a circle that positions share, in arcseconds.
    total : int, optional
        The number of all objects; None where it is not known, or they cannot be listed.
    page : int, optional
        Objects in a request.
    sizes : tuple of float, optional
        Larger radii that come into question if `total` is known.

    Returns
    -------
    SearchPlan
        With the least cost: requests, and rows that take as long as requests.
    """
    best = _shared(ra, dec, radius, largest)
    if total is None or len(best.cones) <= WORTH_COUNTING:
        return best
    cost = _cost(best.cones, total, page)
    for size in sizes:
        if size <= max(largest, 2 * radius):
            continue
        other = _shared(ra, dec, radius, size)
        if (other_cost := _cost(other.cones, total, page)) < cost:
            best, cost = other, other_cost
    pages = max(math.ceil(total / page), 1)
    if pages + total / ROWS_A_REQUEST < cost:
        # One more has counted them.
        return SearchPlan((), pages + 1, f"{pages + 1} requests for all {total} objects")
    return best


def _shared(ra: np.ndarray, dec: np.ndarray, radius: float, largest: float) -> SearchPlan:
    """Return the plan of circles up to a radius."""
    group = len(ra) > FEW and 2 * radius < largest
    cones = cover_cones(ra, dec, radius, largest=max(largest, radius), group=group)
    shared = sum(len(cone.members) > 1 for cone in cones)
    text = _number(len(cones), "search", "es")
    if shared:
        text += f" of up to {_angle(max(cone.radius for cone in cones))}"
    return SearchPlan(tuple(cones), len(cones), text)


def _cost(cones: tuple[Cone, ...], total: int, page: int) -> float:
    """Return what circles cost, in requests, if objects are everywhere the same."""
    share = np.sin(np.array([cone.radius for cone in cones]) * ARCSEC / 2) ** 2
    rows = total * share
    return float(np.sum(np.maximum(np.ceil(rows / page), 1) + rows / ROWS_A_REQUEST))


def search_around(
    ask: Callable[[SkyCoord, float], Table],
    positions: SkyCoord,
    radius: float,
    *,
    title: str,
    largest: float,
    catalogue: AllObjects | None = None,
) -> tuple[Table, list]:
    """Search around positions; the result is cut at the radius of each position.

    Parameters
    ----------
    ask : callable
        Takes positions and a radius in arcseconds, and returns the table of a client's query.
    positions : `~astropy.coordinates.SkyCoord`
        One-dimensional.
    radius : float
        Arcseconds.
    title : str
        The service, for the log.
    largest : float
        The largest radius of a circle that positions share, in arcseconds.
    catalogue : AllObjects, optional
        All objects, where the service can list them.

    Returns
    -------
    table : `~astropy.table.Table`
        By position and separation, as the query has it, with the plan in its ``meta``.
    failures : list of tuple
        What part of it failed, and why.
    """
    ra, dec = positions.ra.deg, positions.dec.deg
    plan = plan_searches(ra, dec, radius, largest=largest)
    if catalogue is not None and len(plan.cones) > WORTH_COUNTING:
        plan = plan_searches(
            ra, dec, radius, largest=largest, total=catalogue.count(), page=catalogue.page,
            sizes=catalogue.sizes,
        )  # fmt: skip
    text = f"{plan.text} for {_number(len(ra), 'position')}"
    if len(ra) > FEW:
        log.info(f"{title}: {text}")
    if not plan.cones and len(ra) and catalogue is not None:
        failures: list = []
        table = _listed(catalogue.read(), ra, dec, radius)
    else:
        table, failures = _in_circles(ask, list(plan.cones), positions, radius)
    table.meta["plan"] = text
    return table, failures


def _in_circles(
    ask: Callable[[SkyCoord, float], Table], cones: list[Cone], positions: SkyCoord, radius: float
) -> tuple[Table, list]:
    """Search circles, of which some are shared by several positions."""
    ra, dec = positions.ra.deg, positions.dec.deg
    shared = [cone for cone in cones if len(cone.members) > 1]
    if not shared:
        table, failures = partly(lambda: ask(positions, radius))
        return table[~(np.asarray(table["separation"]) > radius)], failures
    alone = np.array([cone.members[0] for cone in cones if len(cone.members) == 1], dtype=int)
    centres = SkyCoord([c.ra for c in shared], [c.dec for c in shared], unit="deg")
    reach = max(cone.radius for cone in shared) + MARGIN
    found, failures = partly(lambda: ask(centres, reach))
    parts = [_matched(found, shared, ra, dec, radius)]
    if len(alone):
        found, failed = partly(lambda: ask(positions[alone], radius))
        found = found[~(np.asarray(found["separation"]) > radius)]
        found["query_index"] = alone[np.asarray(found["query_index"])]
        failures = failures + failed
        parts.append(found)
    table = parts[0] if len(parts) == 1 else _stacked(parts)
    order = np.lexsort((table["separation"], table["query_index"]))
    return table[order], failures


def partly(call: Callable) -> tuple[Any, list]:
    """Return a result with what of it failed; raise if there is none at all.

    Parameters
    ----------
    call : callable
        A query.

    Returns
    -------
    result : object
        What it returns.
    failures : list of tuple
        What part of it failed, and why.
    """
    try:
        return call(), []
    except IncompleteResultError as error:
        if error.result is None:
            raise
        return error.result, list(error.failures)


def _stacked(tables: list[Table]) -> Table:
    from astropy.table import vstack

    filled = [table for table in tables if len(table)] or tables[:1]
    return vstack(filled, metadata_conflicts="silent") if len(filled) > 1 else filled[0]


def _matched(
    found: Table, cones: list[Cone], ra: np.ndarray, dec: np.ndarray, radius: float
) -> Table:
    """Return a row for each object and position within the radius, from shared searches."""
    numbers = np.asarray(found["query_index"])
    lon, lat = (np.asarray(found[name], dtype=float) for name in ("ra", "dec"))
    rows, members, distances = [np.empty(0, int)], [np.empty(0, int)], [np.empty(0)]
    bounds = np.searchsorted(numbers, np.arange(len(cones) + 1))
    for n, cone in enumerate(cones):
        near = np.arange(bounds[n], bounds[n + 1])
        distance = separations(
            ra[cone.members][:, None], dec[cone.members][:, None], lon[near], lat[near]
        )
        member, row = np.nonzero(distance <= radius)
        rows.append(near[row])
        members.append(cone.members[member])
        distances.append(distance[member, row])
    table = found[np.concatenate(rows)]
    table["query_index"] = np.concatenate(members)
    table["separation"][:] = np.concatenate(distances)
    return table


def _listed(found: Table, ra: np.ndarray, dec: np.ndarray, radius: float) -> Table:
    """Return a row for each object of a list and position within the radius."""
    lon, lat = (np.asarray(found[name], dtype=float) for name in ("ra", "dec"))
    where = ((np.radians(ra), np.radians(dec)), (np.radians(lon), np.radians(lat)))
    member, row, _ = find_pairs(*where, min((radius + MARGIN) * ARCSEC, np.pi))
    distance = separations(ra[member], dec[member], lon[row], lat[row])
    near = np.flatnonzero(distance <= radius)
    near = near[np.lexsort((distance[near], member[near]))]
    table = found[row[near]]
    table.add_columns(
        [
            Column(member[near], dtype=np.int64, description="Index of the position searched."),
            Column(distance[near], unit=u.arcsec, description="Distance to the position searched."),
        ],
        indexes=[0, 0],
        names=["query_index", "separation"],
    )
    return table


def _number(count: int, what: str, plural: str = "s") -> str:
    return f"{count} {what}{plural * (count != 1)}"


def _angle(arcsec: float) -> str:
    return f"{arcsec:.0f} arcsec" if arcsec < 3600 else f"{arcsec / 3600:.3g} deg"

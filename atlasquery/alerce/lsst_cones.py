"""Objects of LSST around positions, with those that nobody has classified.

The list of objects leaves these out. Another route has all objects, but only their positions:
of many positions it is asked first, and the list only where there is something.
"""

from typing import NamedTuple

import numpy as np

from atlasquery.alerce.base import AlerceQuery
from atlasquery.alerce.cones import Position, find_nearest, separations_from, with_separation
from atlasquery.alerce.lsst_columns import NEAR
from atlasquery.alerce.lsst_columns import OBJECT as LSST_OBJECT
from atlasquery.alerce.paging import (
    FoundObjects,
    first_rows,
    fixed_order,
    read_lsst_entry,
    read_page,
)
from atlasquery.exceptions import (
    NotFoundError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.tables import Rows, decode_rows, stack_rows

__all__ = ["find_around_each", "read_unlisted"]

# So many positions are searched in the list at once, where there is mostly something.
FEW = 10
# Arcseconds by which the circles that are asked first are wider than those of the list.
MARGIN = 0.01
# Objects requested around one that is known to be there, to learn the unit of the radius.
NEIGHBORS = 100


class _NearObjects(NamedTuple):
    """Objects of LSST around a position, the nearest first."""

    names: list[int]
    separation: np.ndarray
    # Whether there are no further ones in the circle.
    complete: bool

    def within(self, arcsec: float) -> list[int]:
        """Return the names of those within a radius."""
        return [
            name for name, far in zip(self.names, self.separation, strict=True) if far <= arcsec
        ]


def find_around_each(
    client: AlerceQuery,
    positions: list[Position],
    radii: list[float],
    limit: int | None,
    cache: bool | None,
) -> list:
    """Return the objects of LSST around each position, classified or not.

    Parameters
    ----------
    client : AlerceQuery
        Client that sends the requests.
    positions : list of tuple of float
        Right ascension and declination of each, degrees.
    radii : list of float
        The radius around each, arcseconds.
    limit : int or None
        The largest number of objects of each position; None for all.
    cache : bool or None
        Whether cached responses are used.

    Returns
    -------
    list of FoundObjects or Exception
        For each position. An error of one of its objects replaces all of them.
    """
    numbers = list(range(len(positions)))
    near: list[_NearObjects | Exception | None] = [None] * len(positions)
    if len(positions) > FEW and _radius_in_degrees(client, cache):
        near = client._each(
            lambda n: _near(client, positions[n], radii[n] + MARGIN, limit, cache), numbers
        )
    nothing = decode_rows(LSST_OBJECT, b"[]")

    def find_listed(n: int) -> FoundObjects:
        first = near[n]
        if isinstance(first, Exception):
            raise first
        if first is not None and not first.names:
            rows = with_separation(nothing, positions[n], radii[n])
            return FoundObjects(rows, client._clock.now(), cut=False)
        return find_nearest(client, "lsst", positions[n], radii[n], limit, cache)

    answers = client._each(find_listed, numbers)
    if len(positions) == 1 and isinstance(answers[0], Exception):
        return answers
    return _with_unlisted(client, answers, near, positions, radii, limit, cache)


def _radius_in_degrees(client: AlerceQuery, cache: bool | None) -> bool:
    """Return whether the route of all objects is known to take its radius in degrees.

    It does by its source. Where it took arcseconds instead, a circle without objects would say
    nothing: so it is asked once for an object that the list has. False if that cannot be told.
    """
    server = client._server_of("lsst_server")
    with client._measuring:
        if server not in client._near_in_degrees:
            sent = {"page": 1, "page_size": 1} | fixed_order("lsst")
            try:
                rows, _, _ = read_page(client, "lsst", sent, cache)
                if not len(rows):
                    return False
                oid = rows.values["oid"][0].item()
                position = float(rows.values["ra"][0]), float(rows.values["dec"][0])
                found, _ = _ask_near(client, position, 1 / 3600.0, NEIGHBORS, cache)
            except (RemoteServiceError, TableParseError, TimeoutError):
                # The next search of many positions asks again.
                return False
            known = str(oid) in [str(name) for name in found.values["objectId"].tolist()]
            client._near_in_degrees[server] = known
        return client._near_in_degrees[server]


def _with_unlisted(
    client: AlerceQuery,
    answers: list,
    near: list,
    positions: list[Position],
    radii: list[float],
    limit: int | None,
    cache: bool | None,
) -> list:
    """Return the objects that the list has together with those that it leaves out."""
    came = [n for n, answer in enumerate(answers) if not isinstance(answer, Exception)]

    def find_unlisted(n: int) -> list[int]:
        listed = set(answers[n].rows.values["oid"].tolist())
        # Farther away than the last one listed they would be cut.
        arcsec = float(answers[n].rows.values["separation"][-1]) if answers[n].cut else radii[n]
        if (first := near[n]) is None:
            first = _near(client, positions[n], arcsec, limit, cache)
            if first.complete and not listed <= set(first.within(arcsec)):
                # The radius is in arcseconds there.
                first = _near(client, positions[n], arcsec, limit, cache, in_degrees=False)
        return [name for name in first.within(arcsec) if name not in listed]

    others = client._each(find_unlisted, came)
    names = {name for part in others if not isinstance(part, Exception) for name in part}
    entries, errors = read_unlisted(client, sorted(names), cache)
    by_name = {entry.values["oid"][0].item(): entry for entry in entries}
    answers = list(answers)
    for n, part in zip(came, others, strict=True):
        if isinstance(part, Exception):
            answers[n] = part
        elif failed := [errors[name] for name in part if name in errors]:
            answers[n] = failed[0]
        elif unlisted := [by_name[name] for name in part if name in by_name]:
            answers[n] = _with_others(answers[n], unlisted, positions[n], radii[n], limit)
    return answers


def _near(
    client: AlerceQuery,
    position: Position,
    arcsec: float,
    limit: int | None,
    cache: bool | None,
    *,
    in_degrees: bool = True,
) -> _NearObjects:
    """Return the objects of LSST around a position, more of them than the limit."""
    least = client.conf.page_size if limit is None else limit + 1
    most = least
    radius = arcsec / 3600.0 if in_degrees else arcsec
    while True:
        rows, separation = _ask_near(client, position, radius, most, cache)
        # Objects of other surveys are in it too.
        near = (rows.values["survey_id"] == "lsst") & (separation <= arcsec)
        complete = len(rows) < most or bool(np.any(separation > arcsec))
        if complete or (limit is not None and np.count_nonzero(near) >= least):
            names = [int(name) for name in rows.values["objectId"][near].tolist()]
            return _NearObjects(names, separation[near], complete)
        most *= 4


def _ask_near(
    client: AlerceQuery, position: Position, radius: float, most: int, cache: bool | None
) -> tuple[Rows, np.ndarray]:
    """Return the nearest objects of all surveys, and their separations in arcsec."""
    ra, dec = position
    rows, _ = client._fetch(
        "lsst_near",
        {"ra": float(ra), "dec": float(dec), "radius": radius, "neighbors": most},
        decode=lambda body: decode_rows(NEAR, body),
        lifetime=client.conf.list_seconds,
        cache=cache,
    )
    return rows, separations_from(rows, position)


def read_unlisted(
    client: AlerceQuery, names: list[int], cache: bool | None
) -> tuple[list[Rows], dict[int, Exception]]:
    """Return the entries of objects that lists leave out.

    Parameters
    ----------
    client : AlerceQuery
        Client that sends the requests.
    names : list of int
        The numbers of the objects.
    cache : bool or None
        Whether cached responses are used.

    Returns
    -------
    rows : list of Rows
        The entry of each that ALeRCE knows.
    errors : dict of int to Exception
        Why the entry of others could not be read.
    """
    answers = client._each(lambda name: read_lsst_entry(client, name, cache), names)
    rows: list[Rows] = []
    errors: dict[int, Exception] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, NotFoundError):
            continue
        if isinstance(answer, Exception):
            errors[name] = answer
            continue
        entry = answer[0]
        extra = [c.name for c in entry.columns if c.name not in LSST_OBJECT.by_name]
        rows.append(entry.without(extra))
    return rows, errors


def _with_others(
    found: FoundObjects, others: list[Rows], position: Position, arcsec: float, limit: int | None
) -> FoundObjects:
    """Return the objects around a position together with others, the nearest of all."""
    rows = stack_rows(found.rows, *(with_separation(part, position, arcsec) for part in others))
    rows = rows.take(np.lexsort((rows.values["oid"], rows.values["separation"])))
    rows, cut = first_rows(rows, limit)
    return found._replace(rows=rows, cut=found.cut or cut)

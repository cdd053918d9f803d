"""Cone searches: what is sent for them, and which object lies within which cone."""

from collections.abc import Sequence

import astropy.units as u
import msgspec
import numpy as np

from atlasquery.atlas.columns import CONE
from atlasquery.atlas.items import ObjectId
from atlasquery.exceptions import TableParseError
from atlasquery.service.cones import Cone, separations
from atlasquery.tables import Column, Rows, decode_rows

__all__ = [
    "LARGEST_RADIUS",
    "cone_payload",
    "decode_positions",
    "match",
    "near_members",
    "served_rows",
]

# "Max radius is 300 arcsec." (the server)
LARGEST_RADIUS = 300.0

QUERY_INDEX = Column(
    "query_index", int, about="Index of the position asked for, in C order.", required=True
)
ATLAS_ID = Column("atlas_id", int, about="ATLAS object id.", required=True)
NAME = Column("name", str, about="ATLAS designation.")
RA = Column("ra", unit=u.deg, about="Right ascension, ICRS.")
DEC = Column("dec", unit=u.deg, about="Declination, ICRS.")
SEPARATION = Column("separation", unit=u.arcsec, about="Distance from the position asked for.")


class _Entry(msgspec.Struct):
    id: ObjectId
    ra: float
    dec: float


class _Located(msgspec.Struct):
    object: _Entry | str


_located = msgspec.json.Decoder(list[_Located])


def cone_payload(cone: Cone, kind: str) -> dict:
    """Return what is sent for one cone.

    Parameters
    ----------
    cone : Cone
        The cone.
    kind : str
        ``"all"``, ``"nearest"`` or ``"count"``.

    Returns
    -------
    dict
        Degrees and arcseconds, with all digits.
    """
    return {"ra": cone.ra, "dec": cone.dec, "radius": cone.radius, "requestType": kind}


def decode_positions(body: bytes) -> dict[int, tuple[float, float]]:
    """Read the positions of objects from an answer of ``objects/``.

    Parameters
    ----------
    body : bytes
        The answer.

    Returns
    -------
    dict of int to tuple of float
        Right ascension and declination in degrees by id, of the objects the server knows.
    """
    entries = (item.object for item in _located.decode(body))
    return {e.id: (e.ra, e.dec) for e in entries if isinstance(e, _Entry)}


def near_members(
    found: Rows, cone: Cone, ra: np.ndarray, dec: np.ndarray, radius: float
) -> np.ndarray:
    """Return which objects of a shared cone can be within the radius of one of its members.

    Parameters
    ----------
    found : Rows
        The answer for the cone.
    cone : Cone
        The cone.
    ra, dec : `~numpy.ndarray`
        All positions asked for, in degrees.
    radius : float
        The radius asked for, in arcseconds.

    Returns
    -------
    `~numpy.ndarray`
        True for those whose positions are worth a request.
    """
    out = separations(cone.ra, cone.dec, ra[cone.members], dec[cone.members])
    served = found.values["separation"]
    # The triangle inequality, and the server's rounding; a separation that was not sent rules
    # nothing out.
    return ~(np.abs(served[:, None] - out) > radius + 0.01).all(axis=1)


def match(
    cones: Sequence[Cone],
    found: Sequence[Rows],
    ra: np.ndarray,
    dec: np.ndarray,
    radius: float,
    located: dict,
    *,
    nearest: bool,
) -> Rows:
    """Return each object within the radius of each position, once.

    Parameters
    ----------
    cones : sequence of Cone
        What was searched.
    found : sequence of Rows
        The answer for each.
    ra, dec : `~numpy.ndarray`
        The positions asked for, in degrees.
    radius : float
        The radius asked for, in arcseconds.
    located : dict
        The positions of the objects by id.
    nearest : bool
        Whether only the nearest object of each position is kept.

    Returns
    -------
    Rows
        Sorted by position asked for, then by separation.
    """
    names = {}
    # A column each for the search, the object, and their distance.
    hits = [np.empty((0, 3))]
    ids = np.array(sorted(located), dtype=np.int64)
    places = np.array([located[i] for i in ids.tolist()]).reshape(-1, 2)
    for cone, rows in zip(cones, found, strict=True):
        here = np.isin(rows.values["atlas_id"], ids)
        wanted = rows.values["atlas_id"][here]
        masks = rows.masks["name"][here]
        names |= dict(
            zip(wanted.tolist(), zip(rows.values["name"][here], masks, strict=True), strict=True)
        )
        index = np.searchsorted(ids, wanted)
        apart = separations(
            ra[cone.members][:, None],
            dec[cone.members][:, None],
            places[index, 0],
            places[index, 1],
        )
        member, which = np.nonzero(apart <= radius)
        hits.append(np.column_stack([cone.members[member], index[which], apart[member, which]]))
    pairs = np.concatenate(hits)
    _, once = np.unique(pairs[:, :2], axis=0, return_index=True)
    pairs = pairs[once]
    pairs = pairs[np.lexsort((pairs[:, 2], pairs[:, 0]))]
    if nearest:
        pairs = pairs[np.unique(pairs[:, 0], return_index=True)[1]]
    query, index = pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)
    rows = Rows(length=len(pairs))
    rows.add(QUERY_INDEX, query)
    rows.add(ATLAS_ID, ids[index])
    known = [names[i] for i in ids[index].tolist()]
    rows.add(NAME, *_name_arrays(known))
    rows.add(RA, places[index, 0])
    rows.add(DEC, places[index, 1])
    rows.add(SEPARATION, pairs[:, 2])
    return rows


def _name_arrays(known: list[tuple]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([name for name, _ in known], dtype=np.str_)
    return values, np.array([mask for _, mask in known], dtype=bool)


def served_rows(found: Sequence[Rows], asked: Sequence[int], *, nearest: bool) -> Rows:
    """Return the answers as the server gave them, without positions.

    Parameters
    ----------
    found : sequence of Rows
        The answer for each position, sorted by separation.
    asked : sequence of int
        The index of each position.
    nearest : bool
        Whether only the first of each is kept.

    Returns
    -------
    Rows
        With the index of the position asked for.
    """
    found = [rows.take(np.arange(min(len(rows), 1))) if nearest else rows for rows in found]
    result = Rows(length=sum(map(len, found)))
    if any(rows.masks["separation"].any() for rows in found):
        raise TableParseError(
            "ATLAS sent an object without its separation, which positions=True does without"
        )
    found = found or [decode_rows(CONE, b"[]")]
    asked = np.array(asked or [0], dtype=np.int64)
    result.add(QUERY_INDEX, np.repeat(asked, [len(rows) for rows in found]))
    for column in (ATLAS_ID, NAME, SEPARATION):
        values = np.concatenate([rows.values[column.name] for rows in found])
        result.add(column, values, np.concatenate([rows.masks[column.name] for rows in found]))
    return result

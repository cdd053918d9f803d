"""The endpoints that read objects: by position, by id, by a name elsewhere."""

from typing import Any

import numpy as np

from ..positions import mean_position, separation
from .call import Call, within_int64
from .exposures import FOOTPRINT_DEG
from .responses import ServerError

_MAX_RADIUS = 300
_MAX_OBJECTS = 50_000
_NO_OBJECT = "AtlasDiffObjects matching query does not exist."
_TNS = "Transient Name Server"
_BLOCKS = (
    "lc", "lcnondets", "fp", "sherlock_crossmatches", "sherlock_classifications",
    "tns_crossmatches", "external_crossmatches",
)  # fmt: skip

# Detections carry the id of the OBJECT in every row: the row's own key does not leave.
_DETECTION = (
    ("id", "d.object_id"), ("mag", "d.mag"), ("magerr", "d.magerr"), ("mjd", "e.mjd"),
    ("exptime", "e.exptime"), ("filter", "e.filter"), ("zp", "e.zp"), ("expname", "e.expname"),
    ("ra", "d.ra"), ("dec", "d.dec"), ("atlas_metadata_id", "d.exposure_id"),
    ("pointing", "e.pointing"), ("mag5sig", "e.mag5sig"),
    *((name, f"d.{name}") for name in (
        "x", "y", "major", "minor", "phi", "det", "chin", "pvr", "ptr", "pmv", "pkn", "pno", "pbn",
        "pcr", "pxt", "psc", "dup", "wpflx", "dflx", "date_inserted",
    )),
)  # fmt: skip


def cone(call: Call, ra: float, dec: float, radius: float, requestType: str) -> object:  # noqa: N803
    """Find the objects around a position.

    Parameters
    ----------
    call : Call
        Database, user and time of the request.
    ra, dec : float
        The position in degrees.
    radius : float
        Radius in arcsec; an object at this very distance is not found.
    requestType : {"all", "nearest", "count"}
        What to answer.

    Returns
    -------
    list of dict, or dict
        All objects by distance, the nearest one (empty where there is none), their
        count, or the words about a radius that is too large.
    """
    if radius > _MAX_RADIUS:
        return {"error": f"Max radius is {_MAX_RADIUS} arcsec."}
    band = max(radius, 0) / 3600 + 1e-6
    found = call.database.fetch(
        'select id, ra, "dec", atlas_designation from objects where "dec" between ? and ?',
        (dec - band, dec + band),
    )
    near = [(separation(ra, dec, row[1], row[2]), row[0], row[3]) for row in found]
    near = sorted((row for row in near if row[0] < radius), key=lambda row: row[0])
    if requestType == "count":
        return {"count": len(near)}
    rows = [{"object": row[1], "separation": row[0], "objectname": row[2]} for row in near]
    if requestType == "all":
        return rows
    return rows[0] if rows else {}


def objects(call: Call, objects: str, mjd: float | None) -> object:
    """Return everything known of each object, in the order asked.

    Parameters
    ----------
    call : Call
        Database, user and time of the request.
    objects : str
        Ids with commas between them.
    mjd : float or None
        Measurements begin here; None is all of them.

    Returns
    -------
    list of dict, or dict
        An item per id, or the words about too many of them.

    Raises
    ------
    ServerError
        One of the ids is not a number, or forced photometry has no exposure.
    """
    tokens = [token.strip() for token in objects.split(",")]
    if len(tokens) > _MAX_OBJECTS:
        return {"info": f"Max number of objects for each requests is {_MAX_OBJECTS:,}"}
    return [_item(call, token, mjd) for token in tokens]


def _item(call: Call, token: str, mjd: float | None) -> dict:
    try:
        identifier = int(token)
    except ValueError:
        # One token that is not a number costs the whole batch.
        raise ServerError(f"not an id: {token!r}") from None
    known = within_int64(identifier)
    found = call.database.rows("objects", "where id = ?", (identifier,)) if known else []
    if not found:
        return {"object": _NO_OBJECT, **dict.fromkeys(_BLOCKS)}
    mine = "where transient_object_id = ?"
    forced = _forced(call, identifier, mjd)
    detections = _detections(call, identifier, mjd)
    return {
        "object": found[0],
        "lc": detections,
        "lcnondets": _non_detections(call, found[0], detections, mjd),
        "fp": forced,
        "sherlock_crossmatches": call.database.rows("sherlock_crossmatches", mine, (identifier,)),
        "sherlock_classifications": call.database.rows(
            "sherlock_classifications", mine, (identifier,)
        ),
        "tns_crossmatches": call.database.rows(
            "external_crossmatches", f"{mine} and matched_list = ?", (identifier, _TNS)
        ),
        "external_crossmatches": call.database.rows(
            "external_crossmatches",
            f"{mine} and matched_list != ? order by external_designation",
            (identifier, _TNS),
        ),
    }


def _after(mjd: float | None) -> float:
    # The bound of lc and lcnondets goes through six decimals on the server.
    return -np.inf if mjd is None else float(f"{mjd:f}")


def _detections(call: Call, identifier: int, mjd: float | None) -> list[dict]:
    if identifier in call.population:
        names = [name for name, _ in _DETECTION]
        return call.population.detections(identifier, names, _after(mjd))
    return call.select(
        _DETECTION,
        "from detections d join exposures e on e.id = d.exposure_id"
        " where d.object_id = ? and e.mjd > ? order by e.mjd",
        (identifier, _after(mjd)),
    )


def _non_detections(
    call: Call, found: dict, detections: list[dict], mjd: float | None
) -> list[dict]:
    """Exposures of the object's place without a detection.

    The place is the plain mean of the detections: the server finds nothing for an object
    on RA 0, because that mean lies on the other side of the sky.
    """
    ra, dec = found["ra"], found["dec"]
    if detections:
        ra, dec = mean_position(
            *(np.array([r[axis] for r in detections]) for axis in ("ra", "dec"))
        )
    covering = [
        pointing
        for pointing, *centre in call.database.fetch('select id, ra, "dec" from pointings')
        if separation(ra, dec, *centre) < FOOTPRINT_DEG * 3600
    ]
    if not covering:
        return []
    exposures = call.database.rows(
        "exposures",
        f"where pointing_id in ({', '.join(map(str, covering))}) and mjd > ? order by id",
        (_after(mjd),),
    )
    detected = {row["atlas_metadata_id"] for row in detections}
    return [row for row in exposures if row["id"] not in detected]


def _forced(call: Call, identifier: int, mjd: float | None) -> list[dict]:
    """Return forced photometry with the fluxes that the server works out as it answers."""
    since = -np.inf if mjd is None else mjd
    if identifier in call.population:
        rows = call.population.forced(identifier, since)
        exposures = call.population.conditions(identifier)
    else:
        where = "where atlas_object_id = ? and mjd_obs >= ? order by mjd_obs"
        rows = call.database.rows("forced", where, (identifier, since))
        exposures = {
            name: (exptime, apfit)
            for name, exptime, apfit in call.database.fetch(
                "select e.expname, e.exptime, e.apfit from exposures e"
                " join forced f on f.expname = e.expname where f.atlas_object_id = ?",
                (identifier,),
            )
        }
    for row in rows:
        if row["expname"] not in exposures:
            raise ServerError(f"the exposure {row['expname']} is not in the tables")
        exptime, apfit = exposures[row["expname"]]
        if row["apfit"] is not None:
            apfit = row["apfit"]
        row["uJy"], row["duJy"] = _microjansky(row, exptime, apfit)
        row["texp"] = exptime
    return rows


def _microjansky(row: dict, exptime: float, apfit: Any) -> tuple[float | None, float | None]:
    if row["peakfit"] is None or row["dpeak"] is None:
        return None, None
    factor = 10 ** (-0.4 * (row["zp"] + apfit - 23.9))
    area = row["major"] * row["minor"]
    return row["peakfit"] * area / exptime * factor, row["dpeak"] * area / exptime * factor


def externalxmlist(call: Call, externalObjects: str | None) -> list[list[dict]]:  # noqa: N803
    """Return the cross-matches of each external name; names are compared without case.

    Parameters
    ----------
    call : Call
        Database, user and time of the request.
    externalObjects : str or None
        Names with commas between them.

    Returns
    -------
    list of list of dict
        The rows of each name, in the order asked.
    """
    names = [] if externalObjects is None else externalObjects.split(",")
    where = "where external_designation = ? collate nocase"
    return [call.database.rows("external_crossmatches", where, (n.strip(),)) for n in names]

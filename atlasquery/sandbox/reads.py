"""The endpoints that read."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .accounts import User
from .database import Database
from .exposures import FOOTPRINT_DEG
from .pages import ServerError
from .positions import mean_position, separation

__all__ = ["Call"]

_MAX_RADIUS = 300
_MAX_OBJECTS = 50_000
_LISTS = 14
_INT64 = 2**63
_NO_OBJECT = "AtlasDiffObjects matching query does not exist."
_BLOCKS = (
    "lc", "lcnondets", "fp", "sherlock_crossmatches", "sherlock_classifications",
    "tns_crossmatches", "external_crossmatches",
)  # fmt: skip
_TNS = "Transient Name Server"

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

_LIST_HEAD = (
    ("rank", "o.followup_id"), ("id", "o.id"), ("atlas_designation", "o.atlas_designation"),
    ("other_designation", "o.other_designation"),
)  # fmt: skip
_LIST_BODY = (
    *((name, f"o.{name}") for name in ("ra", "dec")),
    *((name, f"s.{name}") for name in ("ra_avg", "dec_avg")),
    *((name, f"o.{name}") for name in (
        "object_classification", "sherlockClassification", "followup_flag_date",
        "observation_status", "current_trend",
    )),
    *((name, f"s.{name}") for name in (
        "earliest_mjd", "earliest_mag", "earliest_filter", "latest_mjd", "latest_mag",
        "latest_filter", "catalogue", "catalogue_object_id", "separation",
    )),
)  # fmt: skip
_LIST_TAIL = (
    ("external_crossmatches", "s.external_crossmatches"),
    ("discovery_target", "s.discovery_target"), ("rms", "s.rms"),
)  # fmt: skip
_LIST_ROW = (
    *_LIST_HEAD, *_LIST_BODY, ("vra", "o.vra"), ("rb_pix", "o.rb_pix"),
    # In the rows of a detection list this date has no Z, in those of a custom list it has.
    ("date_modified", "substr(o.date_modified, 1, 19)"), *_LIST_TAIL,
    ("detection_list_id", "o.detection_list_id"), ("images_id", "o.images_id"),
)  # fmt: skip
_CUSTOM_ROW = (
    *_LIST_HEAD, ("local_comments", "o.local_comments"), *_LIST_BODY,
    ("object_group_id", "g.object_group_id"), ("detection_list_id", "o.detection_list_id"),
    ("vra", "o.vra"), ("rb_pix", "o.rb_pix"), ("date_modified", "o.date_modified"), *_LIST_TAIL,
)  # fmt: skip
# The filters of lists: SQL of each; names of classes and types are compared without case.
_FILTERS = {
    "vra_gte": "o.vra >= :vra_gte",
    "vra_lte": "o.vra <= :vra_lte",
    "rb_pix_gte": "o.rb_pix >= :rb_pix_gte",
    "rb_pix_lte": "o.rb_pix <= :rb_pix_lte",
    "ra_gte": "o.ra >= :ra_gte",
    "ra_lte": "o.ra <= :ra_lte",
    "dec_gte": 'o."dec" >= :dec_gte',
    "dec_lte": 'o."dec" <= :dec_lte',
    "sherlock_class": "o.sherlockClassification = :sherlock_class collate nocase",
    "spec_type": "o.observation_status = :spec_type collate nocase",
}


class Call(NamedTuple):
    """What an endpoint knows of a request besides its parameters.

    Attributes
    ----------
    database : Database
        The sandbox's data.
    user : User
        Who asks.
    now : float
        The server's time, in seconds since 1970.
    """

    database: Database
    user: User
    now: float

    def select(self, columns: tuple, rest: str, values: object = ()) -> list[dict]:
        """Return rows with the given columns.

        Parameters
        ----------
        columns : tuple of (str, str)
            Wire name and SQL of each column.
        rest : str
            The query from ``from`` on.
        values : sequence or mapping
            Values of the query.

        Returns
        -------
        list of dict
            The rows.
        """
        names = [name for name, _ in columns]
        found = self.database.fetch(f"select {', '.join(sql for _, sql in columns)} {rest}", values)
        return [dict(zip(names, row, strict=True)) for row in found]


def within_int64(number: int) -> bool:
    """Tell whether a number can be an id at all; the server finds nothing for others.

    Parameters
    ----------
    number : int
        A number of any size.

    Returns
    -------
    bool
        True for numbers of 64 bits with a sign.
    """
    return -_INT64 <= number < _INT64


def cone(call: Call, ra: float, dec: float, radius: float, requestType: str) -> object:  # noqa: N803
    """Find the objects around a position.

    Parameters
    ----------
    call : Call
        The data, who asks and when.
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
        The data, who asks and when.
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
        ra, dec = mean_position([r["ra"] for r in detections], [r["dec"] for r in detections])
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
    rows = call.database.rows(
        "forced",
        "where atlas_object_id = ? and mjd_obs >= ? order by mjd_obs",
        (identifier, -np.inf if mjd is None else mjd),
    )
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
        apfit = apfit if row["apfit"] is None else row["apfit"]
        row["uJy"], row["duJy"] = _microjansky(row, exptime, apfit)
        row["texp"] = exptime
    return rows


def _microjansky(row: dict, exptime: float, apfit: float) -> tuple[float | None, float | None]:
    if row["peakfit"] is None or row["dpeak"] is None:
        return None, None
    factor = 10 ** (-0.4 * (row["zp"] + apfit - 23.9))
    area = row["major"] * row["minor"]
    return row["peakfit"] * area / exptime * factor, row["dpeak"] * area / exptime * factor


def objectlist(
    call: Call, objectlistid: int, getcustomlist: bool, datethreshold: str | None, **filters: object
) -> list[dict]:
    """Return the objects of a detection list or of a custom list.

    Parameters
    ----------
    call : Call
        The data, who asks and when.
    objectlistid : int
        Number of the list.
    getcustomlist : bool
        Whether the number is that of a custom list.
    datethreshold : str or None
        Objects flagged after this date only.
    **filters : float or str or None
        Bounds and names, by the parameters of the server; None is no bound.

    Returns
    -------
    list of dict
        A row per object.

    Raises
    ------
    ServerError
        There is no such detection list.
    """
    clauses, values = _where(filters)
    if datethreshold is not None:
        clauses.append("o.followup_flag_date > :date")
        values["date"] = datethreshold
    if getcustomlist:
        if not within_int64(objectlistid):
            return []
        clauses.append("g.object_group_id = :list")
        source = "object_groups g on g.transient_object_id = o.id"
        columns, source = _CUSTOM_ROW, f"objects o join {source}"
    else:
        # The server indexes a Python list: -1 is the last one, and beyond its end it trips.
        if not -_LISTS <= objectlistid < _LISTS:
            raise ServerError(f"no list {objectlistid}")
        objectlistid %= _LISTS
        clauses += ["o.detection_list_id = :list", "o.followup_id is not null"]
        columns, source = _LIST_ROW, "objects o"
    values["list"] = objectlistid
    return call.select(
        columns,
        f"from {source} left join statistics s on s.id = o.id where {' and '.join(clauses)}",
        values,
    )


def _where(filters: dict[str, object]) -> tuple[list[str], dict[str, object]]:
    values = {name: value for name, value in filters.items() if value is not None}
    return [_FILTERS[name] for name in values], values


def objectgroupslist(
    call: Call, objectid: int | None, objectgroupid: int | None, **filters: object
) -> list[dict]:
    """Return memberships in custom lists.

    Parameters
    ----------
    call : Call
        The data, who asks and when.
    objectid : int or None
        Those of this object only.
    objectgroupid : int or None
        Those in this custom list only.
    **filters : float or str or None
        Bounds and names, by the parameters of the server; None is no bound.

    Returns
    -------
    list of dict
        A row per membership.

    Raises
    ------
    ServerError
        Both numbers were given, and no filter.
    """
    clauses, values = _where(filters)
    if not clauses and objectid is not None and objectgroupid is not None:
        raise ServerError("an object and a group without a filter")
    given = {"object": objectid, "group": objectgroupid}
    given = {name: value for name, value in given.items() if value is not None}
    if not all(within_int64(value) for value in given.values()):
        return []
    columns = {"object": "g.transient_object_id", "group": "g.object_group_id"}
    clauses += [f"{columns[name]} = :{name}" for name in given]
    names = ("id", "transient_object_id", "object_group_id")
    return call.select(
        tuple((name, f"g.{name}") for name in names),
        "from object_groups g join objects o on o.id = g.transient_object_id"
        f" where {' and '.join(clauses)} order by g.id",
        {**values, **given},
    )


def externalxmlist(call: Call, externalObjects: str | None) -> list[list[dict]]:  # noqa: N803
    """Return the cross-matches of each external name; names are compared without case.

    Parameters
    ----------
    call : Call
        The data, who asks and when.
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


def _numbers(objects: str) -> Iterator[int]:
    """Yield the ids of a comma string; what is not a number is skipped."""
    for token in objects.split(","):
        try:
            number = int(token.strip())
        except ValueError:
            continue
        if within_int64(number):
            yield number


def _vra_rows(
    call: Call, table: str, key: str, objects: str | None, after: tuple[str, int], extra: str = ""
) -> list[dict]:
    """Rows of the objects, or all rows after both thresholds: with objects none counts."""
    if objects is not None:
        where = f"where transient_object_id = ? {extra}"
        return [
            row
            for number in _numbers(objects)
            for row in call.database.rows(table, where, (number,))
        ]
    date, identifier = after
    if not within_int64(identifier):
        return [] if identifier > 0 else call.database.rows(table)
    where = f"where {key} >= ? and timestamp >= ? order by {key}"
    return call.database.rows(table, where, (identifier, date))


def vrascoreslist(
    call: Call, objects: str | None, debug: bool, datethreshold: str, idthreshold: int
) -> list[dict]:
    """Return the scores of the Virtual Research Assistant.

    Parameters
    ----------
    call : Call
        The data, who asks and when.
    objects : str or None
        Ids with commas between them; the thresholds count only without them.
    debug : bool
        Whether scores of tests are asked for; counts only with `objects`.
    datethreshold : str
        Scores of this date and later.
    idthreshold : int
        Scores with this number and higher ones.

    Returns
    -------
    list of dict
        A row per score.
    """
    # The flag acts only together with objects.
    extra = f"and debug = {int(debug)}"
    return _vra_rows(call, "vra_scores", "id", objects, (datethreshold, idthreshold), extra)


def vratodolist(
    call: Call, objects: str | None, datethreshold: str, idthreshold: int
) -> list[dict]:
    """Return the objects that the Virtual Research Assistant has to look at.

    Parameters
    ----------
    call : Call
        The data, who asks and when.
    objects : str or None
        Ids with commas between them; the thresholds count only without them.
    datethreshold : str
        Entries of this date and later.
    idthreshold : int
        Objects with this id and higher ones.

    Returns
    -------
    list of dict
        A row per object.
    """
    after = (datethreshold, idthreshold)
    return _vra_rows(call, "vra_todo", "transient_object_id", objects, after)


def vraranklist(call: Call, objects: str | None, datethreshold: str) -> list[dict]:
    """Return the ranks of the Virtual Research Assistant.

    Parameters
    ----------
    call : Call
        The data, who asks and when.
    objects : str or None
        Ids with commas between them; the threshold counts only without them.
    datethreshold : str
        Ranks of this date and later.

    Returns
    -------
    list of dict
        A row per object.
    """
    return _vra_rows(call, "vra_rank", "transient_object_id", objects, (datethreshold, 0))

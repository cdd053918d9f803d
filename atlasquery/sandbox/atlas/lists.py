"""The endpoints that read lists, and the tables of the VRA."""

from collections.abc import Iterator

from .call import Call, within_int64
from .responses import ServerError

_LISTS = 14

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


def objectlist(
    call: Call, objectlistid: int, getcustomlist: bool, datethreshold: str | None, **filters: object
) -> list[dict]:
    """Return the objects of a detection list or of a custom list.

    Parameters
    ----------
    call : Call
        Database, user and time of the request.
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
        Database, user and time of the request.
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
    asked = {"object": objectid, "group": objectgroupid}
    given = {name: value for name, value in asked.items() if value is not None}
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
        Database, user and time of the request.
    objects : str or None
        Ids with commas between them; the thresholds count only without them.
    debug : bool
        Whether scores of tests are requested; counts only with `objects`.
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
        Database, user and time of the request.
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
        Database, user and time of the request.
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

"""How the servers search for objects: with what the real servers do silently."""

import fnmatch
import random
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NoReturn, TypeVar

from ..http import RefusedRequest, Response
from .contents import Contents, LSSTObject, Places, ZTFObject, separation_arcsec
from .edge_cases import STRAY, STRAY_POSITION
from .rows import Row
from .taxonomy import CLASSIFIERS, LSST_CLASSIFIERS

__all__ = ["ListedZTF", "Params", "list_lsst", "nearest_objects", "refuse"]

#: The values of each parameter of a query.
Params = dict[str, list[str]]

_ORDERS = (
    *("oid", "ndet", "g_r_max", "g_r_max_corr", "g_r_mean", "g_r_mean_corr", "meanra", "meandec"),
    *("sigmara", "sigmadec", "deltajd", "firstmjd", "lastmjd", "class_name", "classifier_name"),
    *("classifier_version", "probability", "ranking"),
)
_CLASS_FILTERS = {
    "classifier": "classifier_name", "classifier_version": "classifier_version",
    "class": "class_name", "ranking": "ranking",
}  # fmt: skip
# The columns of an order that have another name in the rows.
_SORTED_BY = {
    "class_name": "class", "classifier_name": "classifier", "ranking": "_ranking",
    "classifier_version": "_version",
}  # fmt: skip
_LARGEST_TOTAL = 50001
_PAGING = ("page", "page_size", "count", "order_by", "order_mode")
_Number = TypeVar("_Number", int, float)


def refuse(status: int, body: object, content_type: str = "application/json") -> NoReturn:
    """End the work on a request.

    Parameters
    ----------
    status : int
        The status of the response.
    body : object
        Its body.
    content_type : str
        Its type.

    Raises
    ------
    RefusedRequest
        Always.
    """
    raise RefusedRequest(Response(status, body, content_type))


def _number(
    params: Params, name: str, kind: Callable[[str], _Number], default: _Number | None = None
) -> _Number | None:
    value = params.get(name, [None])[0]
    if value is None:
        return default
    try:
        return kind(value)
    except ValueError as error:
        about = {"ra": "Ra in degrees for conesearch.", "ndet": "Range of detections."}
        reply = f"{about.get(name, name.capitalize() + '.')} {error}"
        return refuse(400, _invalid({name: reply}))


def _invalid(errors: dict[str, str]) -> Row:
    return {"errors": errors, "message": "Input payload validation failed"}


class ListedZTF:
    """Lists of objects of ZTF, as the first version of the API sends them.

    Parameters
    ----------
    contents : Contents
        What there is to find.
    """

    def __init__(self, contents: Contents):
        self._contents = contents
        # Pages of one search are requested one by one.
        self._searched = lru_cache(maxsize=32)(self._search)

    def page(self, params: Params, turn: int) -> Row:
        """Return a page.

        Parameters
        ----------
        params : dict of str to list of str
            The parameters of the query.
        turn : int
            The number of the request, on which the order of equal rows depends.

        Returns
        -------
        dict
            The page, with its rows in ``items``.
        """
        order = params.get("order_by", [None])[0]
        if order is not None and order not in _ORDERS:
            reply = f"Column used for ordering The value {order!r} is not a valid choice for "
            reply += "'order_by'."
            refuse(400, _invalid({"order_by": reply}))
        criteria = {k: tuple(v) for k, v in sorted(params.items()) if k not in _PAGING}
        rows = list(self._searched(tuple(criteria.items())))
        rows = _ordered(rows, order, params.get("order_mode", ["ASC"])[0] == "DESC", turn)
        page = _page(rows, params)
        page["items"] = [{k: v for k, v in r.items() if k[0] != "_"} for r in page["items"]]
        return page

    def _search(self, criteria: tuple[tuple[str, tuple[str, ...]], ...]) -> list[Row]:
        """Return the rows that meet criteria; entries are computed of what the first two leave."""
        params = {key: list(values) for key, values in criteria}
        found = _named(_inside(self._contents, params), params)
        rows = self.classified([self._contents.entry(one.oid) for one in found], params)
        for name in ("ndet", "firstmjd", "lastmjd"):
            if name in params:
                _number(params, name, float)
                bounds = [float(v) for v in params[name]]
                rows = [r for r in rows if r[name] >= bounds[0]]
                rows = [r for r in rows if len(bounds) < 2 or r[name] <= bounds[1]]
        return rows

    def classified(self, rows: list[Row], params: Params) -> list[Row]:
        """Join the classifications: an outer join without filters, an inner one with them.

        Parameters
        ----------
        rows : list of dict
            Entries of the catalogue.
        params : dict of str to list of str
            The parameters of the query.

        Returns
        -------
        list of dict
            A row for each class of each classifier that is left: see docs/servers/alerce.rst,
            "Classes, ranks and probabilities".
        """
        filters = {key: params[wire][0] for wire, key in _CLASS_FILTERS.items() if wire in params}
        least = _number(params, "probability", float)
        default = not filters and least is None
        if default:
            filters |= {"classifier_name": CLASSIFIERS[0][0], "ranking": "1"}
            filters |= {"classifier_version": CLASSIFIERS[0][1]}
        elif filters and "ranking" not in filters:
            # A class, a classifier or a version without a rank: those of rank 1 only.
            filters["ranking"] = "1"
        outer = default or (not filters and not least)
        found = []
        for row in rows:
            meeting: list[Row] = [
                p for p in self._contents.probabilities(row["oid"])
                if all(str(p[key]) == value for key, value in filters.items())
                and (not least or p["probability"] >= least)
            ]  # fmt: skip
            if outer and not meeting:
                meeting = [dict.fromkeys(("class_name", "classifier_name", "probability"))]
            for p in meeting:
                found.append({
                    **row, "class": p["class_name"], "classifier": p["classifier_name"],
                    "probability": p["probability"], "_ranking": p.get("ranking"),
                    "_version": p.get("classifier_version"),
                })  # fmt: skip
        return found


def _named(objects: list[ZTFObject], params: Params) -> list[ZTFObject]:
    names = params.get("oid", [])
    if len(names) == 1:
        # A single name is an SQL LIKE.
        pattern = names[0].replace("[", "[[]").replace("%", "*").replace("_", "?")
        return [one for one in objects if fnmatch.fnmatchcase(one.oid, pattern)]
    if any("'" in name for name in names):
        refuse(500, {"message": "Internal Server Error"})
    if not names:
        return objects
    wanted = set(names)
    return [one for one in objects if one.oid in wanted]


def _inside(contents: Contents, params: Params) -> list[ZTFObject]:
    ra, dec = _number(params, "ra", float), _number(params, "dec", float)
    radius = _number(params, "radius", float, 30.0)
    if dec is not None and abs(dec) > 90:
        refuse(500, {"message": "The server encountered an internal error."})
    if not ra or not dec or not radius:
        return list(contents.ztf.values())
    return [one for one, _ in contents.ztf_places.near(ra, dec, abs(radius))]


def _ordered(rows: list[Row], order: str | None, descending: bool, turn: int) -> list[Row]:
    if order is None:
        # As a database does without an order: another one each time.
        shift = turn * 7 % max(1, len(rows))
        return rows[shift:] + rows[:shift]
    # Rows with the same value have another order for each page.
    rows = random.Random(turn).sample(rows, len(rows))  # noqa: S311
    key = _SORTED_BY.get(order, order)
    known = [r for r in rows if r.get(key) is not None]
    known = sorted(known, key=lambda r: r[key], reverse=descending)
    unknown = [r for r in rows if r.get(key) is None]
    return unknown + known if descending else known + unknown


def _page(rows: list[Row], params: Params) -> Row:
    page = max(1, _number(params, "page", int, 1) or 1)
    size = _number(params, "page_size", int, 10)
    size = 10 if size is None or size < 0 else size
    items = rows[(page - 1) * size : page * size]
    counted = params.get("count", ["false"])[0] == "true"
    extra = counted and page * size < len(rows) and size > 0
    return {
        "total": min(len(rows), _LARGEST_TOTAL) if counted else None, "page": None,
        "next": page + 1 if extra else None, "has_next": extra,
        "prev": page - 1 if page > 1 else None, "has_prev": page > 1, "items": items,
    }  # fmt: skip


def list_lsst(contents: Contents, params: Params) -> Row:
    """Return a page of the API of several surveys.

    Parameters
    ----------
    contents : Contents
        What there is to find.
    params : dict of str to list of str
        The parameters of the query.

    Returns
    -------
    dict
        The page, with its rows in ``items``.
    """
    if params.get("survey", [""])[0] not in ("ztf", "lsst"):
        refuse(500, {"detail": "An error occurred"})
    mode = params.get("order_mode", ["DESC"])[0]
    if mode not in ("ASC", "DESC"):
        refuse(422, {"detail": {"search_filters": "Order can be only DESC or ASC."}})
    counts = [int(v) for v in params.get("n_det", [])]
    if len(counts) == 2 and counts[0] > counts[1]:
        reply = {"detections_container": "Min value can't be greater than max."}
        refuse(422, {"detail": reply})
    rows = []
    if params["survey"][0] == "lsst":
        rows = _lsst_classified(_lsst_found(contents, params), params)
    if counts:
        rows = [r for r in rows if counts[0] <= r["n_det"] <= (counts[1:] or [10**9])[0]]
    order = params.get("order_by", ["probability"])[0]
    if rows and order in rows[0]:
        rows = sorted(rows, key=lambda r: (r[order], r["oid"]), reverse=mode == "DESC")
    page, size = int(params.get("page", ["1"])[0]), int(params.get("page_size", ["10"])[0])
    fetched = rows[(page - 1) * size : page * size + 1]
    extra = len(fetched) > size
    return {
        # The total is one more than a page, if there is a next one.
        "total": len(fetched), "next": page + 1 if extra else None, "has_next": extra,
        "prev": page - 1 if page > 1 else None, "has_prev": page > 1, "current_page": page,
        "items": fetched[:size], "info_message": None if fetched else "Empty query",
    }  # fmt: skip


def _lsst_found(contents: Contents, params: Params) -> list[LSSTObject]:
    """Return the objects of some names, or within a cone."""
    found = list(contents.lsst.values())
    if "ra" in params:
        try:
            ra, dec = float(params["ra"][0]), float(params["dec"][0])
        except ValueError:
            message = "Input should be a valid number, unable to parse string as a number"
            reply = {"type": "float_parsing", "loc": ["query", "ra"], "msg": message}
            refuse(422, {"detail": [reply | {"input": "abc"}]})
        radius = float(params["radius"][0])
        found = [one for one, _ in contents.lsst_places.near(ra, dec, radius)]
    if "oid" in params:
        found = [one for one in found if str(one.oid) in params["oid"]]
    return found


def _lsst_classified(objects: Iterable[LSSTObject], params: Params) -> list[Row]:
    """Return a row for each classifier of each object, of one rank; none for the unclassified.

    A class that the classifier does not have is no filter.
    """
    classifier, label = params.get("classifier", [None])[0], params.get("class_name", [None])[0]
    known = [row for row in LSST_CLASSIFIERS if row[0] == classifier]
    if (classifier is not None and not known) or (label and classifier is None):
        refuse(500, {"detail": "An error occurred"})
    version = None
    if classifier is not None:
        having = [row for row in known if label in row[2]]
        version, label = (having[0][1], label) if having else (known[-1][1], None)
    rank = int(params.get("ranking", ["1"])[0])
    least = float(params.get("probability", ["0"])[0])
    return [
        _lsst_listed(one.entry(), row)
        for one in objects
        for row in one.probabilities()
        if row["ranking"] == rank and row["probability"] >= least
        and classifier in (None, row["classifier_name"])
        and version in (None, row["classifier_version"])
        and label in (None, row["class_name"])
    ]  # fmt: skip


def _lsst_listed(entry: Row, classification: Row) -> Row:
    """Return a row of a list, in which a version is a string with dots."""
    keys = ("class_name", "classifier_name", "probability", "ranking")
    version = ".".join(str(classification["classifier_version"]))
    return (
        entry
        | {"stellar": None}
        | {key: classification[key] for key in keys}
        | {"classifier_version": version}
    )


def nearest_objects(contents: Contents, params: Params) -> list[Row]:
    """Return the nearest objects of all surveys, classified or not.

    Parameters
    ----------
    contents : Contents
        What there is to find.
    params : dict of str to list of str
        The parameters of the query, of which the radius is in degrees.

    Returns
    -------
    list of dict
        A row for each object.
    """
    ra, dec = float(params["ra"][0]), float(params["dec"][0])
    radius, most = float(params["radius"][0]), int(params["neighbors"][0])
    if not 0 <= ra <= 360 or radius <= 0 or most <= 0:
        refuse(400, {"detail": "RA must be greater than 0 and lower than 360"})
    found: list[tuple[float, str, str, tuple[float, float]]] = []
    surveys: dict[str, Places] = {"lsst": contents.lsst_places, "ztf": contents.ztf_places}
    for survey, places in surveys.items():
        found += [
            (distance, str(one.oid), survey, one.position)
            for one, distance in places.near(ra, dec, radius * 3600)
        ]
    distance = separation_arcsec(ra, dec, *STRAY_POSITION)
    if distance <= radius * 3600:
        found.append((distance, STRAY, "ztf", STRAY_POSITION))
    found.sort(key=lambda row: row[0])
    return [
        {"objectId": oid, "survey_id": survey, "ra": position[0], "dec": position[1]}
        for _, oid, survey, position in found[:most]
    ]

"""How the double searches: with the silent traps of the real servers."""

import fnmatch
import functools
import math
import random

from . import sky

ORDERS = (
    *("oid", "ndet", "g_r_max", "g_r_max_corr", "g_r_mean", "g_r_mean_corr", "meanra", "meandec"),
    *("sigmara", "sigmadec", "deltajd", "firstmjd", "lastmjd", "class_name", "classifier_name"),
    *("classifier_version", "probability", "ranking"),
)
CLASS_FILTERS = {
    "classifier": "classifier_name", "classifier_version": "classifier_version",
    "class": "class_name", "ranking": "ranking",
}  # fmt: skip
CAP = 50001
PAGING = ("page", "page_size", "count", "order_by", "order_mode")


class RefusalError(Exception):
    """An answer in place of rows: a status and a body."""

    def __init__(self, status, body):
        super().__init__(body)
        self.status, self.body = status, body


@functools.cache
def objects():
    return [sky.entry(n) for n in range(sky.COUNT)]


def number(params, name, kind, default=None):
    value = params.get(name, [default])[0]
    if value is None or value is default:
        return default
    try:
        return kind(value)
    except ValueError as error:
        words = {"ra": "Ra in degrees for conesearch.", "ndet": "Range of detections."}
        reply = f"{words.get(name, name.capitalize() + '.')} {error}"
        raise RefusalError(400, validation({name: reply})) from None


def validation(errors):
    return {"errors": errors, "message": "Input payload validation failed"}


def ztf_list(params, turn):
    """Return a page of the first version of the API."""
    order = params.get("order_by", [None])[0]
    if order is not None and order not in ORDERS:
        reply = f"Column used for ordering The value {order!r} is not a valid choice for "
        reply += "'order_by'."
        raise RefusalError(400, validation({"order_by": reply}))
    asked = {k: tuple(v) for k, v in sorted(params.items()) if k not in PAGING}
    rows = list(_meeting(tuple(asked.items())))
    rows = _ordered(rows, order, params.get("order_mode", ["ASC"])[0] == "DESC", turn)
    page = _page(rows, params)
    page["items"] = [{k: v for k, v in r.items() if k[0] != "_"} for r in page["items"]]
    return page


@functools.lru_cache(maxsize=32)
def _meeting(asked):
    """Return what meets criteria, whose pages are asked for one by one."""
    params = {key: list(values) for key, values in asked}
    rows = _classified(_of_place(_named(objects(), params), params), params)
    for wire, key in (("ndet", "ndet"), ("firstmjd", "firstmjd"), ("lastmjd", "lastmjd")):
        if wire in params:
            number(params, wire, float)
            bounds = [float(v) for v in params[wire]]
            rows = [r for r in rows if r[key] >= bounds[0]]
            rows = [r for r in rows if len(bounds) < 2 or r[key] <= bounds[1]]
    return rows


def _named(rows, params):
    names = params.get("oid", [])
    if len(names) == 1:
        # A single name is an SQL LIKE.
        pattern = names[0].replace("[", "[[]").replace("%", "*").replace("_", "?")
        return [r for r in rows if fnmatch.fnmatchcase(r["oid"], pattern)]
    if any("'" in name for name in names):
        raise RefusalError(500, {"message": "Internal Server Error"})
    return [r for r in rows if r["oid"] in set(names)] if names else rows


def _of_place(rows, params):
    ra, dec = number(params, "ra", float), number(params, "dec", float)
    radius = number(params, "radius", float, 30.0)
    if dec is not None and abs(dec) > 90:
        raise RefusalError(500, {"message": "The server encountered an internal error."})
    if not ra or not dec or not radius:
        return rows
    return [r for r in rows if separation(ra, dec, r["meanra"], r["meandec"]) <= abs(radius)]


def separation(ra, dec, ra2, dec2):
    """Return arcseconds."""
    a, d, b, e = map(math.radians, (ra, dec, ra2, dec2))
    h = math.sin((e - d) / 2) ** 2 + math.cos(d) * math.cos(e) * math.sin((b - a) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(h))) * 3600


def _classified(rows, params):
    """Join the classifications: an outer join without filters, an inner one with them."""
    filters = {key: params[wire][0] for wire, key in CLASS_FILTERS.items() if wire in params}
    least = number(params, "probability", float)
    default = not filters and least is None
    if default:
        filters |= {"classifier_name": sky.CLASSIFIERS[0][0], "ranking": "1"}
        filters |= {"classifier_version": sky.CLASSIFIERS[0][1]}
    elif filters and "ranking" not in filters:
        # A class, a classifier or a version without a rank: those of rank 1 only.
        filters["ranking"] = "1"
    # A row for each class of each classifier: see docs/servers/alerce.rst, "Classes, ranks and
    # probabilities".
    outer = default or (not filters and not least)
    found = []
    for row in rows:
        meeting = [
            p for p in _probabilities(row["oid"])
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


@functools.cache
def _numbers():
    return {sky.name(n): n for n in range(sky.COUNT)}


@functools.cache
def _probabilities(oid):
    return sky.probabilities(_numbers()[oid])


def _ordered(rows, order, descending, turn):
    if order is None:
        # As a database does without an order: today so, tomorrow so.
        shift = turn * 7 % max(1, len(rows))
        return rows[shift:] + rows[:shift]
    # Rows with the same value have another order for each page.
    rows = random.Random(turn).sample(rows, len(rows))
    key = {"class_name": "class", "classifier_name": "classifier", "ranking": "_ranking",
           "classifier_version": "_version"}.get(order, order)  # fmt: skip
    known = [r for r in rows if r.get(key) is not None]
    known = sorted(known, key=lambda r: r[key], reverse=descending)
    unknown = [r for r in rows if r.get(key) is None]
    return unknown + known if descending else known + unknown


def _page(rows, params):
    page = max(1, number(params, "page", int, 1))
    size = number(params, "page_size", int, 10)
    size = 10 if size < 0 else size
    items = rows[(page - 1) * size : page * size]
    counted = params.get("count", ["false"])[0] == "true"
    extra = counted and page * size < len(rows) and size > 0
    return {
        "total": min(len(rows), CAP) if counted else None, "page": None,
        "next": page + 1 if extra else None, "has_next": extra,
        "prev": page - 1 if page > 1 else None, "has_prev": page > 1, "items": items,
    }  # fmt: skip


def lsst_list(params):
    """Return a page of the API of several surveys."""
    if params.get("survey", [None])[0] not in ("ztf", "lsst"):
        raise RefusalError(500, {"detail": "An error occurred"})
    mode = params.get("order_mode", ["DESC"])[0]
    if mode not in ("ASC", "DESC"):
        raise RefusalError(422, {"detail": {"search_filters": "Order can be only DESC or ASC."}})
    counts = [int(v) for v in params.get("n_det", [])]
    if len(counts) == 2 and counts[0] > counts[1]:
        words = {"detections_container": "Min value can't be greater than max."}
        raise RefusalError(422, {"detail": words})
    rows = _lsst_classified(params) if params["survey"][0] == "lsst" else []
    if "oid" in params:
        rows = [r for r in rows if str(r["oid"]) in params["oid"]]
    if counts:
        rows = [r for r in rows if counts[0] <= r["n_det"] <= (counts[1:] or [10**9])[0]]
    if "ra" in params:
        try:
            ra, dec = float(params["ra"][0]), float(params["dec"][0])
        except ValueError:
            words = "Input should be a valid number, unable to parse string as a number"
            reply = {"type": "float_parsing", "loc": ["query", "ra"], "msg": words, "input": "abc"}
            raise RefusalError(422, {"detail": [reply]}) from None
        radius = float(params["radius"][0])
        rows = [r for r in rows if separation(ra, dec, r["meanra"], r["meandec"]) <= radius]
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


def _lsst_classified(params):
    """Return a row for each classifier of each object, of one rank; none for the unclassified.

    A class that the classifier does not have is no filter.
    """
    classifier, label = params.get("classifier", [None])[0], params.get("class_name", [None])[0]
    known = [row for row in sky.LSST_CLASSIFIERS if row[0] == classifier]
    if (classifier is not None and not known) or (label and classifier is None):
        raise RefusalError(500, {"detail": "An error occurred"})
    version = None
    if classifier is not None:
        having = [row for row in known if label in row[2]]
        version, label = (having[0][1], label) if having else (known[-1][1], None)
    rank = int(params.get("ranking", ["1"])[0])
    least = float(params.get("probability", ["0"])[0])
    return [
        row
        for n in range(sky.LSST_COUNT)
        for row in sky.lsst_list_rows(n)
        if row["ranking"] == rank and row["probability"] >= least
        and classifier in (None, row["classifier_name"])
        and version in (None, sky.lsst_number(row["classifier_version"]))
        and label in (None, row["class_name"])
    ]  # fmt: skip


def lsst_near(params):
    """Return the nearest objects of all surveys, classified or not; the radius is in degrees."""
    ra, dec = float(params["ra"][0]), float(params["dec"][0])
    radius, most = float(params["radius"][0]), int(params["neighbors"][0])
    if not 0 <= ra <= 360 or radius <= 0 or most <= 0:
        raise RefusalError(400, {"detail": "RA must be greater than 0 and lower than 360"})
    found = [(str(r["oid"]), "lsst", r["meanra"], r["meandec"]) for r in map(
        sky.lsst_entry, range(sky.LSST_COUNT))]  # fmt: skip
    found += [("ZTF20aaaaaak", "ztf", 53.1, -27.8)]
    distance = [separation(ra, dec, *row[2:]) for row in found]
    order = sorted(range(len(found)), key=lambda n: distance[n])
    near = [found[n] for n in order if distance[n] <= radius * 3600][:most]
    return [dict(zip(("objectId", "survey_id", "ra", "dec"), row, strict=True)) for row in near]

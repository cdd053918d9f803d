"""The searches of the double of an LCC-Server, with the errors of docs/servers/lccserver.rst."""

import html
import itertools
import json
import re
import secrets

import numpy as np

from . import sky

SEARCHES = ("/api/conesearch", "/api/ftsquery", "/api/columnsearch", "/api/xmatch")
WORDS = {"gt": ">", "lt": "<", "ge": ">=", "le": "<=", "eq": "=", "ne": "!=", "ct": "like"}
CONE = re.compile(r"^(\d{1,3}\.?\d*) ([+\-]?\d{1,2}\.?\d*) ?(\d{1,2}\.?\d*)?$")
LINE = re.compile(r"^([a-zA-Z0-9_+\-\[\].]+)\s(\d{1,3}\.?\d*)\s([+\-]?\d{1,2}\.?\d*)$")
NAMES = {"conesearch": "sqlite_kdtree_conesearch", "ftsquery": "sqlite_fulltext_search",
         "columnsearch": "sqlite_column_search", "xmatch": "sqlite_xmatch_search"}  # fmt: skip
BASE = ("db_oid", "db_ra", "db_decl", "db_lcfname", "owner", "visibility", "sharedwith")
BAD = {"status": "failed", "result": None}
TIME = "2026-11-21T12:00:00.000000"


class DiedError(Exception):
    """The search ended in an exception, after which the stream just stops."""


def stream(double, request):
    """Return the answer to a search."""
    from .server import Answer

    service = request.path.removeprefix("/api/")
    try:
        arguments = PARSERS[service](request)
    except ValueError as error:
        reply = [json.dumps({**BAD, "message": words}) for words in error.args]
        return Answer(lines=["".join(reply)])
    except TypeError as error:
        return Answer({**BAD, "message": f"an unrecoverable exception: {error}"}, 500)
    arguments |= _shared(request)
    setid = secrets.token_urlsafe(8)
    return Answer(lines=_lines(double, request, service, setid, arguments))


def _say(message, status, result):
    return json.dumps({"message": message, "status": status, "result": result, "time": TIME}) + "\n"


def _lines(double, request, service, setid, arguments):
    hidden = {k: v for k, v in arguments.items() if k not in ("parsed", "radius")}
    yield _say(f"query in run-queue. executing with set ID: {setid}...", "queued",
               {"setid": setid, "api_service": service, "api_args": hidden})  # fmt: skip
    try:
        found, ran, columns = _search(double, service, arguments)
        total = sum(map(len, found.values()))
        if not total:
            words = 'Nothing found. See the <a href="#c">available LC collections<\\/a>.'
            nothing = {"setid": setid, "actual_nrows": 0}
            yield json.dumps({"status": "failed", "result": nothing, "message": words})
            return
        rows = _cut(list(itertools.chain(*found.values())), arguments, double.site["cap"])
    except DiedError:
        return
    zipped = len(rows) <= double.site["zip_rows"]
    outcome = _dataset(double, setid, NAMES[service], arguments, ran, columns, found, rows, zipped)
    # The server says first that it is building it; then it takes longer to check a key than that.
    double.add(outcome, request.key)
    yield _say(f"query finished OK. objects matched: {total}, building dataset...", "running",
               {"setid": setid, "total_nmatches": total})  # fmt: skip
    url = f"{double.url}set/{setid}"
    if not zipped:
        yield _say(f"More than {double.site['zip_rows']} light curves, so no ZIP. See {url}",
                   "background", {"setid": setid, "seturl": url})  # fmt: skip
        return
    yield _say("collecting light curves into ZIP file...", "running", {"setid": setid})
    yield _say("dataset LC ZIP complete.", "running",
               {"setid": setid, "lczip": outcome["lczipfpath"]})  # fmt: skip
    kept = ("setid", "created", "updated", "owner", "visibility", "sharedwith", "total_nmatches",
            "actual_nrows", "npages", "rows_per_page")  # fmt: skip
    yield _say(f"dataset now ready: {url}", "ok", {key: outcome[key] for key in kept} | {
        "seturl": url, "backend_function": NAMES[service], "backend_parsedargs": ran,
    })  # fmt: skip


def _shared(request):
    def number(name):
        text = request.one(name, "")
        return abs(int(text)) or None if re.fullmatch(r"[+-]?\d+", text) else None

    try:
        sort = json.loads(request.one("sortspec", "null"))
    except ValueError:
        # In single quotes it is ignored: docs/servers/lccserver.rst, "Sorting and sampling".
        sort = None
    visibility = request.one("visibility", "unlisted")
    return {
        "conditions": _conditions(request.one("filters")),
        "results_sortspec": sort, "results_limitspec": number("limitspec"),
        "results_samplespec": number("samplespec"),
        "dataset_visibility": visibility if visibility in (
            "public", "private", "shared", "unlisted") else "unlisted",
        "dataset_sharedwith": None,
        "collections": sorted(set(request.form.get("collections[]", [])) - {"all"}) or None,
        "getcolumns": sorted(set(request.form.get("columns[]", []))),
    }  # fmt: skip


def _conditions(text):
    """Return a filter in SQL, or None where the server drops it."""
    if not text:
        return None
    words = html.escape(" ".join(text[:1000].split())).replace("&#x27;", "'").split(" ")
    words = [WORDS.get(word, word) for word in words]
    for n, word in enumerate(words[:-1]):
        if word == "like":
            value = words[n + 1]
            if "'" not in value:
                return None
            left, right = value.index("'"), value.rindex("'")
            words[n + 1] = f"{value[: left + 1]}%{value[left + 1 : right]}%{value[right:]}"
    return " ".join(words)


def _cone(request):
    found = CONE.match(" ".join(request.one("coords", "").split()))
    if not found or float(found[1]) >= 360 or abs(float(found[2])) >= 90:
        raise ValueError(
            "could not parse the input coords string",
            "conesearch: one or more of the required args are missing or invalid.",
        )
    ra, dec, radius = (float(word or 5.0) for word in found.groups())
    return {"coords": request.one("coords"), "parsed": (ra, dec), "radius": min(radius, 60.0)}


def _text(request):
    text = html.escape(request.one("ftstext", ""))
    if not 3 <= len(text) <= 1024:
        raise ValueError("ftsearch: one or more of the required args are missing or invalid.")
    sesame = request.one("sesame", "").lower() == "true"
    return {"ftstext": text, "sesame": sesame, "parsed": request.one("ftstext")}


def _columns(request):
    return {"parsed": None}


def _match(request):
    lines = request.one("xmq", "").split("\n")
    if len(lines) > 5001:
        raise TypeError("cannot unpack non-iterable NoneType object")
    try:
        radius = float(request.one("xmd"))
    except ValueError:
        radius = 3.0
    radius = radius if 0 < radius < 30 else 3.0
    read = [LINE.match(line) for line in lines]
    rows = [(m[1], float(m[2]), float(m[3])) for m in read if m]
    rows = [row for row in rows if row[1] and row[2] and row[1] < 360 and abs(row[2]) < 90]
    if not 0 < len(rows) < 5001:
        raise ValueError("Could not parse the xmatch input or  the match radius is invalid.")
    seen, named = {}, []
    for name, ra, dec in rows:
        seen[name] = seen.get(name, 0) + 1
        named.append((name if seen[name] == 1 else f"{name}_{seen[name]}", ra, dec))
    asked = {"xmq": request.one("xmq"), "xmd": request.one("xmd")}
    return {**asked, "parsed": named, "radius": radius}


PARSERS = {"conesearch": _cone, "ftsquery": _text, "columnsearch": _columns, "xmatch": _match}


def _search(double, service, arguments):
    """Return the rows by collection, what the server says it ran, and the columns."""
    chosen = arguments["collections"] or list(sky.COLLECTIONS)
    if not set(chosen) & set(sky.COLLECTIONS):
        raise DiedError
    chosen = [name for name in sky.COLLECTIONS if name in chosen]
    sort = arguments["results_sortspec"] or []
    asked = [*arguments["getcolumns"], *(name for name, _ in sort)]
    asked = [name for name in dict.fromkeys(asked) if name in sky.COLUMNS]
    if any(name not in sky.COLUMNS for name, _ in sort):
        raise DiedError
    condition = arguments["conditions"]
    ran = {
        "getcolumns": asked, "conditions": condition, "lcclist": arguments["collections"],
        "sortspec": sort or None, "limitspec": arguments["results_limitspec"],
        "samplespec": arguments["results_samplespec"], "visibility": "unlisted", "sharedwith": None,
    }  # fmt: skip
    found, extra = FINDERS[service](arguments, chosen, condition, ran)
    columns = [*asked, *BASE, *extra, "collection"]
    return found, ran, list(dict.fromkeys(columns))


def _select(name, condition):
    import sqlite3

    try:
        rows = sky.select(name, condition or "1")
    except sqlite3.Error:
        return []
    fixed = {"owner": 1, "visibility": "public", "sharedwith": None, "collection": name}
    return [row | fixed for row in rows]


def _apart(ra, dec, rows):
    ra2, dec2 = (np.radians([row[key] for row in rows]) for key in ("ra", "decl"))
    ra, dec = np.radians(ra), np.radians(dec)
    half = np.sin((dec2 - dec) / 2) ** 2 + np.cos(dec) * np.cos(dec2) * np.sin((ra2 - ra) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(half))) * 3600


def _in_cone(arguments, chosen, condition, ran):
    ra, dec = arguments["parsed"]
    ran |= {"center_ra": ra, "center_decl": dec, "radius_arcmin": arguments["radius"]}
    # The tree's own columns of these names make a filter on them ambiguous to the database.
    dead = condition and re.search(r"\b(ra|decl|objectid)\b", condition)
    found = {}
    for name in chosen:
        rows = [] if dead else _select(name, condition)
        separations = _apart(ra, dec, rows)
        near = [n for n in np.argsort(separations) if separations[n] <= arguments["radius"] * 60]
        found[name] = [rows[n] | {"dist_arcsec": float(separations[n])} for n in near]
    return found, ("kdtree_oid", "kdtree_ra", "kdtree_decl", "dist_arcsec")


def _in_text(arguments, chosen, condition, ran):
    ran["ftsquerystr"] = arguments["ftstext"]
    words, column = arguments["parsed"], None
    if ":" in words:
        column, words = words.split(":", 1)
    words = words.replace('"', "").lower()
    found = {}
    for name in chosen:
        rows = _select(name, condition)
        kept = [row for row in rows if any(
            words.rstrip("*") in (row[key] or "").lower() for key in sky.TEXT
            if column in (None, key))]  # fmt: skip
        found[name] = [row | {"relevance": -1.5, "extra_info": None} for row in kept]
    return found, ("relevance", "extra_info", *sky.TEXT)


def _in_columns(arguments, chosen, condition, ran):
    return {name: _select(name, condition) for name in chosen}, ()


def _in_match(arguments, chosen, condition, ran):
    names, ra, dec = zip(*arguments["parsed"], strict=True)
    data = {"objectid": list(names), "ra": list(ra), "decl": list(dec)}
    ran |= {"inputdata": {"data": data}, "xmatch_dist_arcsec": arguments["radius"]}
    found = {}
    for name in chosen:
        rows = _select(name, condition)
        decs = np.array([row["decl"] for row in rows])
        order = np.argsort(decs)
        found[name] = []
        for oid, a, d in arguments["parsed"]:
            wide = arguments["radius"] / 3600
            first, last = np.searchsorted(decs[order], [d - wide, d + wide])
            near = [rows[n] for n in order[first:last]]
            separations = _apart(a, d, near) if near else []
            found[name] += [
                row | {"dist_arcsec": float(x), "in_objectid": oid, "in_ra": a, "in_decl": d}
                for row, x in zip(near, separations, strict=True) if x <= arguments["radius"]
            ]  # fmt: skip
    return found, ("dist_arcsec", "in_objectid", "in_ra", "in_decl")


FINDERS = {"conesearch": _in_cone, "ftsquery": _in_text, "columnsearch": _in_columns,
           "xmatch": _in_match}  # fmt: skip


def _cut(rows, arguments, cap):
    """Sample, sort, limit: in this order."""
    sample, limit = arguments["results_samplespec"], arguments["results_limitspec"]
    if sample is not None and sample < len(rows):
        picked = np.random.default_rng(1).choice(len(rows), sample, replace=False)
        rows = [rows[n] for n in np.sort(picked)]
    for name, direction in reversed(arguments["results_sortspec"] or []):
        known = [row for row in rows if row[name] is not None]
        known.sort(key=lambda row, name=name: row[name], reverse=direction == "desc")
        rows = known + [row for row in rows if row[name] is None]
    return rows[:limit][:cap]


def _dataset(double, setid, kind, arguments, ran, columns, found, rows, zipped):
    wire = {"db_oid": "objectid", "db_ra": "ra", "db_decl": "decl", "db_lcfname": "lcfname",
            "kdtree_oid": "objectid", "kdtree_ra": "ra", "kdtree_decl": "decl"}  # fmt: skip
    result = [{name: row[wire.get(name, name)] for name in columns} for row in rows]
    size = double.site["page"]
    return {
        "setid": setid, "name": "New dataset", "desc": "Created", "citation": None,
        "created": TIME, "updated": TIME, "owner": 2,
        "visibility": arguments["dataset_visibility"], "sharedwith": None, "searchtype": kind,
        "searchargs": ran, "collections": list(found), "coll_dirs": dict(sky.COLLECTIONS),
        "lcmagcols": dict.fromkeys(found, "aep_000"), "npages": -(-len(rows) // size),
        "rows_per_page": size, "page_slices": [], "currpage": 1, "owned": True,
        "nmatches_by_collection": {name: len(part) for name, part in found.items()},
        "total_nmatches": sum(map(len, found.values())), "actual_nrows": len(rows),
        "columns": columns, "coldesc": {name: sky.described(name) for name in columns},
        "dataset_csv": f"/d/dataset-{setid}.csv", "dataset_pickle": f"/d/dataset-{setid}.pkl.gz",
        "lczipfpath": f"/p/lightcurves-{setid}.zip" if zipped else None, "result": result,
        "rows": [[str(v) for v in row.values()] for row in result[:size]], "status": "complete",
        "session_token": "redacted",
    }  # fmt: skip

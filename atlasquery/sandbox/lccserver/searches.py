"""Searches of the embedded LCC-Server, with the errors of docs/servers/lccserver.rst."""

import html
import itertools
import json
import re
import secrets
import sqlite3
from collections.abc import Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..http import Response
from . import catalogs
from .catalogs import Row
from .messages import LCCRequest, LineStream, json_reply

if TYPE_CHECKING:
    from .server import LCCSandbox

__all__ = ["SEARCHES", "stream"]

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


Arguments = dict[str, Any]
# Rows by the name of their collection, and the columns that the kind of search adds.
Found = tuple[dict[str, list[Row]], tuple[str, ...]]


def stream(server: "LCCSandbox", request: LCCRequest) -> Response | LineStream:
    """Return the response to a search.

    Parameters
    ----------
    server : LCCSandbox
        The server, which stores the dataset.
    request : LCCRequest
        The request.

    Returns
    -------
    Response or LineStream
        The lines, each sent as soon as it is there.
    """
    service = request.path.removeprefix("/api/")
    try:
        arguments = PARSERS[service](request)
    except ValueError as error:
        lines = [json.dumps({**BAD, "message": message}) for message in error.args]
        return LineStream(["".join(lines)])
    except TypeError as error:
        return json_reply({**BAD, "message": f"an unrecoverable exception: {error}"}, 500)
    arguments |= _shared(request)
    setid = secrets.token_urlsafe(8)
    return LineStream(_lines(server, request, service, setid, arguments))


def _line(message: str, status: str, result: object) -> str:
    return json.dumps({"message": message, "status": status, "result": result, "time": TIME}) + "\n"


def _lines(
    server: "LCCSandbox", request: LCCRequest, service: str, setid: str, arguments: Arguments
) -> Iterator[str]:
    hidden = {k: v for k, v in arguments.items() if k not in ("parsed", "radius")}
    yield _line(f"query in run-queue. executing with set ID: {setid}...", "queued",
               {"setid": setid, "api_service": service, "api_args": hidden})  # fmt: skip
    try:
        found, ran, columns = _search(service, arguments, server.seed)
        total = sum(map(len, found.values()))
        if not total:
            message = 'Nothing found. See the <a href="#c">available LC collections<\\/a>.'
            nothing = {"setid": setid, "actual_nrows": 0}
            yield json.dumps({"status": "failed", "result": nothing, "message": message})
            return
        rows = _cut(list(itertools.chain(*found.values())), arguments, server.site["cap"])
    except DiedError:
        return
    zipped = len(rows) <= server.site["zip_rows"]
    columns_and_rows = columns, _renamed(columns, rows)
    outcome = _dataset(server, setid, NAMES[service], arguments, ran, columns_and_rows, found)
    outcome["lczipfpath"] = f"/p/lightcurves-{setid}.zip" if zipped else None
    # The real server reports first that it is building it; checking a key takes longer than that.
    server.add(outcome, request.key)
    yield _line(f"query finished OK. objects matched: {total}, building dataset...", "running",
               {"setid": setid, "total_nmatches": total})  # fmt: skip
    url = f"{server.url}set/{setid}"
    if not zipped:
        yield _line(f"More than {server.site['zip_rows']} light curves, so no ZIP. See {url}",
                   "background", {"setid": setid, "seturl": url})  # fmt: skip
        return
    yield _line("collecting light curves into ZIP file...", "running", {"setid": setid})
    yield _line("dataset LC ZIP complete.", "running",
               {"setid": setid, "lczip": outcome["lczipfpath"]})  # fmt: skip
    kept = ("setid", "created", "updated", "owner", "visibility", "sharedwith", "total_nmatches",
            "actual_nrows", "npages", "rows_per_page")  # fmt: skip
    yield _line(f"dataset now ready: {url}", "ok", {key: outcome[key] for key in kept} | {
        "seturl": url, "backend_function": NAMES[service], "backend_parsedargs": ran,
    })  # fmt: skip


def _shared(request: LCCRequest) -> Arguments:
    """Read the arguments that all searches have."""

    def number(name: str) -> int | None:
        text = request.one(name, "")
        return abs(int(text)) or None if re.fullmatch(r"[+-]?\d+", text) else None

    try:
        sort = json.loads(request.one("sortspec", "null"))
    except ValueError:
        # In single quotes it is ignored: docs/servers/lccserver.rst, "Sorting and sampling".
        sort = None
    visibility = request.one("visibility", "unlisted")
    levels = ("public", "private", "shared", "unlisted")
    return {
        "conditions": _conditions(request.one("filters")),
        "results_sortspec": sort, "results_limitspec": number("limitspec"),
        "results_samplespec": number("samplespec"),
        "dataset_visibility": visibility if visibility in levels else "unlisted",
        "dataset_sharedwith": None,
        "collections": sorted(set(request.form.get("collections[]", [])) - {"all"}) or None,
        "getcolumns": sorted(set(request.form.get("columns[]", []))),
    }  # fmt: skip


def _conditions(text: str) -> str | None:
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


def _cone(request: LCCRequest) -> Arguments:
    found = CONE.match(" ".join(request.one("coords", "").split()))
    if not found or float(found[1]) >= 360 or abs(float(found[2])) >= 90:
        raise ValueError(
            "could not parse the input coords string",
            "conesearch: one or more of the required args are missing or invalid.",
        )
    ra, dec, radius = (float(word or 5.0) for word in found.groups())
    return {"coords": request.one("coords"), "parsed": (ra, dec), "radius": min(radius, 60.0)}


def _text(request: LCCRequest) -> Arguments:
    text = html.escape(request.one("ftstext", ""))
    if not 3 <= len(text) <= 1024:
        raise ValueError("ftsearch: one or more of the required args are missing or invalid.")
    sesame = request.one("sesame", "").lower() == "true"
    return {"ftstext": text, "sesame": sesame, "parsed": request.one("ftstext")}


def _columns(request: LCCRequest) -> Arguments:
    return {"parsed": None}


def _match(request: LCCRequest) -> Arguments:
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
    seen: dict[str, int] = {}
    named = []
    for name, ra, dec in rows:
        seen[name] = seen.get(name, 0) + 1
        named.append((name if seen[name] == 1 else f"{name}_{seen[name]}", ra, dec))
    asked = {"xmq": request.one("xmq"), "xmd": request.one("xmd")}
    return {**asked, "parsed": named, "radius": radius}


PARSERS = {"conesearch": _cone, "ftsquery": _text, "columnsearch": _columns, "xmatch": _match}


def _search(
    service: str, arguments: Arguments, seed: int
) -> tuple[dict[str, list[Row]], Arguments, list[str]]:
    """Return the rows by collection, what the server reports that it ran, and the columns."""
    chosen = arguments["collections"] or list(catalogs.COLLECTIONS)
    if not set(chosen) & set(catalogs.COLLECTIONS):
        raise DiedError
    chosen = [name for name in catalogs.COLLECTIONS if name in chosen]
    sort = arguments["results_sortspec"] or []
    asked = [*arguments["getcolumns"], *(name for name, _ in sort)]
    asked = [name for name in dict.fromkeys(asked) if name in catalogs.COLUMNS]
    if any(name not in catalogs.COLUMNS for name, _ in sort):
        raise DiedError
    condition = arguments["conditions"]
    ran = {
        "getcolumns": asked, "conditions": condition, "lcclist": arguments["collections"],
        "sortspec": sort or None, "limitspec": arguments["results_limitspec"],
        "samplespec": arguments["results_samplespec"], "visibility": "unlisted", "sharedwith": None,
    }  # fmt: skip
    found, extra = FINDERS[service](arguments, chosen, condition, ran, seed)
    columns = [*asked, *BASE, *extra, "collection"]
    return found, ran, list(dict.fromkeys(columns))


def _select(name: str, condition: str | None, seed: int) -> list[Row]:
    try:
        rows = catalogs.select(name, condition or "1", seed)
    except sqlite3.Error:
        return []
    fixed = {"owner": 1, "visibility": "public", "sharedwith": None, "collection": name}
    return [row | fixed for row in rows]


def _distance(ra: float, dec: float, rows: list[Row]) -> np.ndarray:
    """Distance of rows to a position, in arcsec."""
    ra2, dec2 = (np.radians([row[key] for row in rows]) for key in ("ra", "decl"))
    ra, dec = np.radians(ra), np.radians(dec)
    half = np.sin((dec2 - dec) / 2) ** 2 + np.cos(dec) * np.cos(dec2) * np.sin((ra2 - ra) / 2) ** 2
    distance: np.ndarray = np.degrees(2 * np.arcsin(np.sqrt(half))) * 3600
    return distance


def _in_cone(
    arguments: Arguments, chosen: list[str], condition: str | None, ran: Arguments, seed: int
) -> Found:
    ra, dec = arguments["parsed"]
    ran |= {"center_ra": ra, "center_decl": dec, "radius_arcmin": arguments["radius"]}
    # The tree's own columns of these names make a filter on them ambiguous to the database.
    dead = condition and re.search(r"\b(ra|decl|objectid)\b", condition)
    found: dict[str, list[Row]] = {}
    for name in chosen:
        rows = [] if dead else _select(name, condition, seed)
        separations = _distance(ra, dec, rows)
        near = [n for n in np.argsort(separations) if separations[n] <= arguments["radius"] * 60]
        found[name] = [rows[n] | {"dist_arcsec": float(separations[n])} for n in near]
    return found, ("kdtree_oid", "kdtree_ra", "kdtree_decl", "dist_arcsec")


def _in_text(
    arguments: Arguments, chosen: list[str], condition: str | None, ran: Arguments, seed: int
) -> Found:
    ran["ftsquerystr"] = arguments["ftstext"]
    words, column = arguments["parsed"], None
    if ":" in words:
        column, words = words.split(":", 1)
    words = words.replace('"', "").lower()
    found: dict[str, list[Row]] = {}
    for name in chosen:
        rows = _select(name, condition, seed)
        kept = [row for row in rows if any(
            words.rstrip("*") in (row[key] or "").lower() for key in catalogs.TEXT
            if column in (None, key))]  # fmt: skip
        found[name] = [row | {"relevance": -1.5, "extra_info": None} for row in kept]
    return found, ("relevance", "extra_info", *catalogs.TEXT)


def _in_columns(
    arguments: Arguments, chosen: list[str], condition: str | None, ran: Arguments, seed: int
) -> Found:
    return {name: _select(name, condition, seed) for name in chosen}, ()


def _in_match(
    arguments: Arguments, chosen: list[str], condition: str | None, ran: Arguments, seed: int
) -> Found:
    names, ra, dec = zip(*arguments["parsed"], strict=True)
    data = {"objectid": list(names), "ra": list(ra), "decl": list(dec)}
    ran |= {"inputdata": {"data": data}, "xmatch_dist_arcsec": arguments["radius"]}
    found: dict[str, list[Row]] = {}
    for name in chosen:
        rows = _select(name, condition, seed)
        decs = np.array([row["decl"] for row in rows])
        order = np.argsort(decs)
        found[name] = []
        for oid, a, d in arguments["parsed"]:
            wide = arguments["radius"] / 3600
            first, last = np.searchsorted(decs[order], [d - wide, d + wide])
            near = [rows[n] for n in order[first:last]]
            separations = _distance(a, d, near) if near else np.array([])
            found[name] += [
                row | {"dist_arcsec": float(x), "in_objectid": oid, "in_ra": a, "in_decl": d}
                for row, x in zip(near, separations, strict=True) if x <= arguments["radius"]
            ]  # fmt: skip
    return found, ("dist_arcsec", "in_objectid", "in_ra", "in_decl")


FINDERS = {"conesearch": _in_cone, "ftsquery": _in_text, "columnsearch": _in_columns,
           "xmatch": _in_match}  # fmt: skip


def _cut(rows: list[Row], arguments: Arguments, cap: int) -> list[Row]:
    """Sample, sort, limit: in this order."""
    sample, limit = arguments["results_samplespec"], arguments["results_limitspec"]
    if sample is not None and sample < len(rows):
        picked = np.random.default_rng(1).choice(len(rows), sample, replace=False)
        rows = [rows[n] for n in np.sort(picked)]
    for name, direction in reversed(arguments["results_sortspec"] or []):
        known = [row for row in rows if row[name] is not None]
        known.sort(key=itemgetter(name), reverse=direction == "desc")
        rows = known + [row for row in rows if row[name] is None]
    return rows[:limit][:cap]


def _renamed(columns: list[str], rows: list[Row]) -> list[Row]:
    """Return rows with the columns of a dataset."""
    wire = catalogs.EXTRA
    return [
        {name: row[name] if name in row else row[wire[name]] for name in columns} for row in rows
    ]


def _dataset(
    server: "LCCSandbox",
    setid: str,
    kind: str,
    arguments: Arguments,
    ran: Arguments,
    table: tuple[list[str], list[Row]],
    found: dict[str, list[Row]],
) -> dict[str, Any]:
    columns, result = table
    size = server.site["page"]
    return {
        "setid": setid, "name": "New dataset", "desc": "Created", "citation": None,
        "created": TIME, "updated": TIME, "owner": 2,
        "visibility": arguments["dataset_visibility"], "sharedwith": None, "searchtype": kind,
        "searchargs": ran, "collections": list(found), "coll_dirs": dict(catalogs.COLLECTIONS),
        "lcmagcols": dict.fromkeys(found, "aep_000"), "npages": -(-len(result) // size),
        "rows_per_page": size, "page_slices": [], "currpage": 1, "owned": True,
        "nmatches_by_collection": {name: len(part) for name, part in found.items()},
        "total_nmatches": sum(map(len, found.values())), "actual_nrows": len(result),
        "columns": columns, "coldesc": {name: catalogs.described(name) for name in columns},
        "dataset_csv": f"/d/dataset-{setid}.csv", "dataset_pickle": f"/d/dataset-{setid}.pkl.gz",
        "lczipfpath": None, "result": result,
        "rows": [[str(v) for v in row.values()] for row in result[:size]], "status": "complete",
        "session_token": "redacted",
    }  # fmt: skip

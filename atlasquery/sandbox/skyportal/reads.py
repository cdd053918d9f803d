"""Routes of the embedded SkyPortal that read: sources, candidates, photometry, notes."""

import contextlib
import hashlib
import json
import math
import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from .routes import ID, PortalCall, PortalError, route
from .state import ZP, PortalState, Row, separation

Test = Callable[[Row], Any]

MAGSYS = ("bd17", "vega", "ab", "ab-b12", "vega2", "jla1", "ab_b12", "csp", "vegahst")
VEGA = {"atlasc": 0.008005129808804, "atlaso": -0.24411670807}
MAX_SOURCES = 500
NO_ALIAS = (
    "Cannot retrieve sources: (psycopg.errors.UndefinedFunction) function lower(character "
    "varying[]) does not exist\nLINE 7: (lower(objs.alias) LIKE '%' || $5::VARCHAR |..."
)


@route("GET", "sysinfo", public=True)
def sysinfo(call: PortalCall) -> Any:
    """Return what needs no token."""
    return {"gitlog": [{"sha": "6dce397aa", "description": "a change"}], "invitationsEnabled": True}


@route("GET", "internal/profile")
def profile(call: PortalCall) -> Any:
    """Return the profile of the account, with all its tokens."""
    # See docs/servers/skyportal.rst, "The profile lists all tokens".
    mine = [t for t, user in call.state.users.items() if user["id"] == call.user["id"]]
    return {
        "id": call.user["id"], "username": call.user["username"],
        "permissions": sorted(call.user["acls"]),
        "tokens": [{"id": token, "name": "a token", "acls": []} for token in mine],
    }  # fmt: skip


def group_list(call: PortalCall, name: str) -> set[int] | None:
    """Return a list of numbers of groups, as the server reads it."""
    listed = call.listed(name)
    return None if listed is None else {int(part) for part in listed}


def _cone(call: PortalCall) -> Test:
    values = [call.params.get(name) for name in ("ra", "dec", "radius")]
    if not any(values):
        return lambda entry: True
    try:
        ra, dec, radius = (float(_present(value)) for value in values)
    except ValueError as error:
        why = f" ({error})" if str(error) else ""
        raise PortalError(
            400,
            f"Cannot retrieve sources: Invalid ra, dec, radius: {', '.join(map(str, values))}{why}",
        ) from None
    if ra < 0 or radius <= 0 or radius >= 180:
        # See docs/servers/skyportal.rst, "Cones".
        return lambda entry: False
    return lambda entry: separation(ra, dec, entry["ra"], entry["dec"]) <= radius


def _is_named(entry: Row, text: str) -> bool:
    """Return whether an id has a text, or the name of the TNS has it without AT or SN."""
    tns = re.match(r"(?:at|sn)?(\d{1,4}[a-z]*)", text.lower().replace(" ", ""))
    return text in entry["id"] or (tns is not None and tns[1] in (entry["tns_name"] or ""))


def _present(value: str | None) -> str:
    if value is None:
        raise ValueError
    return value


def _between(call: PortalCall, low: str, high: str, value: Test) -> Test:
    bounds = call.params.get(low), call.params.get(high)

    def inside(entry: Row) -> bool:
        if bounds == (None, None):
            return True
        found = value(entry)
        return found is not None and (
            (bounds[0] is None or found >= type(found)(bounds[0]))
            and (bounds[1] is None or found <= type(found)(bounds[1]))
        )

    return inside


def _classes(state: PortalState, name: str) -> set[str]:
    rows = state.of("classifications", name)
    return {f"{state.taxonomies[r['taxonomy_id']]['name']}: {r['classification']}" for r in rows}


def _latest(state: PortalState, name: str) -> tuple[float | None, float | None]:
    """Return the newest and the brightest magnitude of an object."""
    rows = [(mjd, flux) for mjd, flux, _ in state.fluxes_of(name) if flux is not None and flux > 0]
    mags = {mjd: ZP - 2.5 * math.log10(flux) for mjd, flux in rows}
    return (mags[max(mags)], min(mags.values())) if mags else (None, None)


def _detected(state: PortalState, name: str) -> tuple[str | None, str | None]:
    """Return when an object was first and last detected, as the server writes it."""
    found = [mjd for mjd, flux, error in state.fluxes_of(name) if (flux or 0) > 5 * error]
    if not found:
        return None, None
    first, last = (datetime(1858, 11, 17) + timedelta(days=mjd) for mjd in (min(found), max(found)))
    return first.isoformat(), last.isoformat()


def _when_saved(state: PortalState, name: str) -> str:
    return max((how["saved_at"] for how in state.saved[name].values()), default="")


def _source_filters(call: PortalCall) -> Test:
    state = call.state
    groups, given = group_list(call, "group_ids"), call.params

    def latest(entry: Row) -> tuple[float | None, float | None]:
        return _latest(state, entry["id"])

    tests: list[Test] = [_cone(call)]
    tests += [
        _between(call, "minRedshift", "maxRedshift", lambda e: e["redshift"]),
        _between(call, "savedAfter", "savedBefore", lambda e: _when_saved(state, e["id"])),
        # "min" is the faint bound.
        _between(call, "maxLatestMagnitude", "minLatestMagnitude", lambda e: latest(e)[0]),
        _between(call, "maxPeakMagnitude", "minPeakMagnitude", lambda e: latest(e)[1]),
        # All detections inside, not some.
        _between(call, "startDate", "never", lambda e: _detected(state, e["id"])[0]),
        _between(call, "never", "endDate", lambda e: _detected(state, e["id"])[1]),
        _between(call, "createdOrModifiedAfter", "never", lambda e: e["modified"]),
    ]
    if "localizationDateobs" in given and not {"startDate", "endDate"} <= set(given):
        raise PortalError(
            400,
            "must specify startDate and endDate when filtering by localizationDateobs or "
            "localizationName",
        )
    if groups is not None:
        tests.append(lambda e: groups & set(state.saved[e["id"]]))
    if "sourceID" in given:
        tests.append(lambda e: _is_named(e, given["sourceID"].strip()))
    if "alias" in given:
        raise PortalError(400, NO_ALIAS)
    if "origin" in given:
        tests.append(lambda e: given["origin"].lower() in (e["origin"] or "").lower())
    if call.truth("hasTNSname"):
        tests.append(lambda e: e["tns_name"])
    if "listName" in given:
        tests.append(lambda e: e["id"] in state.lists.get(given["listName"], ()))
    wanted = set(call.listed("classifications") or ())
    unwanted = set(call.listed("nonclassifications") or ())
    if "classifications" in given:
        tests.append(lambda e: wanted & _classes(state, e["id"]))
    if "nonclassifications" in given:
        tests.append(lambda e: not unwanted & _classes(state, e["id"]))
    return lambda entry: all(test(entry) for test in tests)


def _page(
    call: PortalCall, names: list[str], default: int, largest: int
) -> tuple[list[str], int, int]:
    """Return a page of names, its number and its size, and the name of a search that is kept."""
    number, size = call.number("pageNumber", 1), call.number("numPerPage", default)
    if number < 1:
        raise PortalError(400, "Page number must be greater than 0.")
    size = min(size, largest)
    return names[(number - 1) * size : number * size], number, size


def _kept(
    call: PortalCall, found: Callable[[], list[str]], always: bool
) -> tuple[list[str], str | None]:
    """Return the names of a search as it was when it was begun, where that is asked for."""
    query = call.params.get("queryID")
    if not always and not (call.truth("useCache") and call.state.keeps_queries):
        return found(), None
    if query not in call.state.queries:
        names = found()
        # Of sources it is a digest of the list itself: forgotten and made again, it has the same
        # name only if it is the same. An empty list has none.
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
        query = str(uuid.uuid4()) if always else digest
        call.state.queries[query] = names
    names = call.state.queries[query]
    return names, query if names or always else None


@route("GET", "sources")
def sources(call: PortalCall) -> Any:
    """Return a page of sources."""
    state = call.state
    wanted = _source_filters(call)

    def found() -> list[str]:
        visible = [n for n, groups in state.saved.items() if set(groups) & call.user["groups"]]
        # See docs/servers/skyportal.rst, "Cones".
        key = {"ra": lambda n: state.objects[n]["ra"], "redshift": lambda n: _redshift(state, n)}
        order = key.get(call.params.get("sortBy", ""), lambda n: _when_saved(state, n))
        down = call.params.get("sortOrder", "desc") == "desc"
        return sorted((n for n in visible if wanted(state.objects[n])), key=order, reverse=down)

    names, query = _kept(call, found, always=False)
    page, number, size = _page(call, names, 100, MAX_SOURCES)
    listed = [state.drifted(_listed(call, name)) for name in page]
    data = {"totalMatches": len(names), "sources": listed, "pageNumber": number, "numPerPage": size}
    return data if query is None else {**data, "queryID": query}


def _redshift(state: PortalState, name: str) -> float:
    value = state.objects[name]["redshift"]
    return -1.0 if value is None else value


def _listed(call: PortalCall, name: str) -> Row:
    state = call.state
    entry = state.placed(state.objects[name])
    # See docs/servers/skyportal.rst, "Galactic longitude".
    entry["gal_lon"] = (entry["gal_lon"] + 180) % 360 - 180
    entry["tags"] = []
    if not call.truth("removeNested"):
        entry["groups"] = state.saved_groups(name)
        entry["classifications"] = [
            {**_bare(row), "groups": [], "votes": []} for row in state.of("classifications", name)
        ]
        entry["annotations"] = [_bare(row) for row in state.of("annotations", name)]
    if call.truth("includeThumbnails"):
        entry["thumbnails"] = []
    if call.truth("includeComments"):
        entry["comments"] = [_bare(row) for row in state.of("comments", name)]
    return entry


def _bare(row: Row) -> Row:
    return {k: v for k, v in row.items() if k not in ("group_ids", "votes")}


def _grouped(call: PortalCall, row: Row) -> Row:
    return {**_bare(row), "groups": [call.state.groups[n] for n in row["group_ids"]]}


def saved(call: PortalCall, name: str) -> str:
    """Return the name of a source: anybody sees it, whoever has saved it."""
    if not call.state.saved.get(name):
        raise PortalError(404, "Source not found")
    return name


@route("GET", f"sources/{ID}")
def source(call: PortalCall, name: str) -> Any:
    """Return a source."""
    state = call.state
    entry = state.placed(state.objects[saved(call, name)])
    near = [
        {"obj_id": other, "ra": o["ra"], "dec": o["dec"], "separation": 3600 * distance}
        for other in state.saved
        if other != name
        and abs((o := state.objects[other])["dec"] - entry["dec"]) < 0.002
        and (distance := separation(entry["ra"], entry["dec"], o["ra"], o["dec"])) < 4 / 3600
    ]
    votes = [{**_grouped(call, r), "votes": r["votes"]} for r in state.of("classifications", name)]
    return state.drifted({
        **entry, "followup_requests": [], "galaxies": None, "duplicates": near, "assignments": [],
        "annotations": [{**_bare(r), "type": "source"} for r in state.of("annotations", name)],
        "classifications": votes, "ebv": 0.05, "tags": [], "associated_objs": [],
        # Those of which the user is not a member are not shown.
        "groups": [one for one in state.saved_groups(name) if one["id"] in call.user["groups"]],
    })  # fmt: skip


@route("GET", "candidates")
def candidates(call: PortalCall) -> Any:
    """Return a page of candidates."""
    state, given = call.state, call.params
    groups, filters = group_list(call, "groupIDs"), group_list(call, "filterIDs")
    _check_localization(given)
    annotated = [_annotation_test(state, one) for one in _annotation_conditions(given)]
    classes = call.listed("classifications")

    def wanted(name: str) -> bool:
        passed, entry = state.passed[name], state.objects[name]
        group = state.filters[passed["filter_id"]]["group_id"]
        status = given.get("savedStatus", "all")
        is_saved = bool(state.saved.get(name))
        return (
            (groups is None or group in groups)
            and (filters is None or passed["filter_id"] in filters)
            and given.get("startDate", "") <= passed["passed_at"]
            and passed["passed_at"] <= given.get("endDate", "9999")
            and _between(call, "minRedshift", "maxRedshift", lambda e: e["redshift"])(entry)
            and (status == "all" or is_saved == (status == "savedToAnySelected"))
            and all(test(name) for test in annotated)
            # Plain names, without a taxonomy.
            and (
                classes is None
                or not set(classes).isdisjoint(
                    row["classification"] for row in state.of("classifications", name)
                )
            )
        )

    def found() -> list[str]:
        names = sorted(filter(wanted, state.passed), key=lambda n: state.passed[n]["passed_at"])
        origin = given.get("sortByAnnotationOrigin")
        if origin is not None:
            key, down = given["sortByAnnotationKey"], given.get("sortByAnnotationOrder") == "desc"
            names.sort(key=lambda n: _annotated(state, n, origin, key), reverse=down)
            return names
        return names[::-1]

    # See docs/servers/skyportal.rst, "Pages".
    names, query = _kept(call, found, always=True)
    page, number, size = _page(call, names, 25, MAX_SOURCES)
    if not page and number > 1:
        # See docs/servers/skyportal.rst, "Pages".
        raise PortalError(400, "Page number out of range.")
    listed = []
    for name in page:
        entry = _candidate(state, name)
        entry["is_source"] = bool(state.saved.get(name))
        entry["passing_group_ids"] = [state.filters[state.passed[name]["filter_id"]]["group_id"]]
        if call.truth("includePhotometry"):
            entry["photometry"] = [shown(state, p, "both", "ab") for p in state.points_of(name)]
        listed.append(state.drifted(entry))
    return {
        "queryID": query, "pageNumber": number, "numPerPage": size, "totalMatches": len(names),
        "candidates": listed,
    }  # fmt: skip


def _check_localization(given: dict[str, str]) -> None:
    detections = ("firstDetectionAfter", "lastDetectionBefore", "numberDetections")
    if (
        "localizationDateobs" in given
        and given.get("requireDetections") != "false"
        and not set(detections) <= set(given)
    ):
        raise PortalError(
            400,
            "must specify startDate, endDate and numberDetections when requireDetections is True "
            "and filtering by localizationDateobs or localizationName",
        )


def _annotation_conditions(given: dict[str, str]) -> list[Row]:
    text = given.get("annotationFilterList")
    conditions = [json.loads(one) for one in re.split(r",(?={)", text)] if text else []
    for one in conditions:
        value = one.get("value", "")
        if not isinstance(value, (bool, str)):
            kind = type(value).__name__
            raise PortalError(500, f"the JSON object must be str, bytes or bytearray, not {kind}")
    return conditions


def _annotation_test(state: PortalState, condition: Row) -> Callable[[str], bool]:
    def values(name: str) -> list[Any]:
        rows = [r for r in state.of("annotations", name) if r["origin"] == condition["origin"]]
        return [r["data"][condition["key"]] for r in rows if condition["key"] in r["data"]]

    if "value" not in condition:
        low, high = float(condition["min"]), float(condition["max"])
        return lambda name: any(low <= value <= high for value in values(name))
    wanted = condition["value"]
    with contextlib.suppress(ValueError, TypeError):
        # What is JSON is compared as the database writes it.
        wanted = json.dumps(json.loads(wanted))

    def text(value: Any) -> str | bool:
        return value if isinstance(value, (str, bool)) else json.dumps(value)

    return lambda name: wanted in [text(value) for value in values(name)]


def _annotated(state: PortalState, name: str, origin: str, key: str) -> Any:
    found = [r["data"].get(key) for r in state.of("annotations", name) if r["origin"] == origin]
    return found[0] if found and found[0] is not None else -math.inf


def _candidate(state: PortalState, name: str) -> Row:
    return {
        **state.placed(state.objects[name]), "photstats": [], "thumbnails": [],
        "associated_objs": [], "last_detected_at": None,
        "annotations": [_bare(row) for row in state.of("annotations", name)],
    }  # fmt: skip


@route("GET", f"candidates/{ID}")
def candidate(call: PortalCall, name: str) -> Any:
    """Return an object as a candidate, whether it is one or not."""
    # Of any object, candidate or not.
    if name not in call.state.objects:
        raise PortalError(400, "Invalid ID")
    # The number of groups here, a boolean in the list.
    entry = {**_candidate(call.state, name), "is_source": len(call.state.saved.get(name, ()))}
    if call.state.shows_alerts and call.truth("includeAlerts"):
        passed = [call.state.passed[name]] if name in call.state.passed else []
        entry["filter_ids"] = [one["filter_id"] for one in passed]
        entry["passing_alerts"] = [{"passing_alert_id": None, **one} for one in passed]
    return call.state.drifted(entry)


@route("HEAD", f"candidates/{ID}")
def is_candidate(call: PortalCall, name: str) -> Any:
    """Return whether an object is a candidate."""
    if name not in call.state.passed:
        raise PortalError(404, "")


def readable(call: PortalCall, point: Row) -> bool:
    """Return whether the user may read a point: its owner, its groups, and administrators."""
    shared = set(point["group_ids"]) & call.user["groups"]
    return (
        bool(shared) or point["owner_id"] == call.user["id"] or "System admin" in call.user["acls"]
    )


def shown(state: PortalState, point: Row, form: str, magsys: str, *, owner: bool = False) -> Row:
    """Return a row of photometry as it is sent in a format."""
    flux, err = point["flux"], point["fluxerr"]
    moved = VEGA.get(point["filter"], 0.0) if magsys != "ab" else 0.0
    mag = ZP - 2.5 * math.log10(flux) + moved if flux is not None and flux > 0 else None
    limit = point["limiting_mag"]
    if limit is None and err > 0:
        limit = ZP - 2.5 * math.log10(5 * err)
    snr = None if flux is None else flux / err if err > 0 else None
    magerr = None if mag is None else 2.5 / math.log(10) * err / flux
    row = {
        "obj_id": point["obj_id"], "ra": point["ra"], "dec": point["dec"],
        "filter": point["filter"], "mjd": point["mjd"], "snr": snr,
        "instrument_id": point["instrument_id"],
        "instrument_name": state.instruments[point["instrument_id"]]["name"],
        "ra_unc": point["ra_unc"], "dec_unc": point["dec_unc"], "origin": point["origin"],
        "id": point["id"], "altdata": point["altdata"], "created_at": point["created_at"],
        "groups": [
            {k: state.groups[n][k] for k in ("id", "name", "nickname", "single_user_group")}
            for n in point["group_ids"]
        ],
    }  # fmt: skip
    if owner:
        person = next(one for one in state.users.values() if one["id"] == point["owner_id"])
        row["owner"] = {
            "id": person["id"], "username": person["username"], "first_name": None,
            "last_name": None,
        }  # fmt: skip
    mags = {"mag": mag, "magerr": magerr, "magsys": magsys, "limiting_mag": limit}
    if limit is not None:
        mags["limiting_mag"] = limit + moved
    fluxes = {"flux": flux, "magsys": magsys, "zp": ZP + moved, "fluxerr": err}
    if form == "plot":
        keys = ("id", "obj_id", "filter", "mjd", "origin")
        return {k: row[k] for k in keys} | {k: mags[k] for k in ("mag", "magerr", "limiting_mag")}
    return row | (mags if form != "flux" else {}) | (fluxes if form != "mag" else {})


@route("GET", f"sources/{ID}/photometry")
def photometry(call: PortalCall, name: str) -> Any:
    """Return the photometry of an object."""
    state = call.state
    if name not in state.objects:
        # A token is its own name: the message quotes it.
        raise PortalError(
            403, f"Insufficient permissions for User {call.user['token']} to read Obj {name}"
        )
    form, magsys = call.params.get("format", "mag"), call.params.get("magsys", "ab")
    rows = [p for p in state.points_of(name) if readable(call, p)]
    if call.truth("deduplicatePhotometry"):
        # See docs/servers/skyportal.rst, "Duplicate rows".
        rows = list({(p["mjd"], p["filter"]): p for p in rows}.values())
    if rows and form not in ("flux", "mag", "both", "plot"):
        raise PortalError(
            500,
            f"Could not serialize phot_id: {rows[0]['id']} on obj {name} with filter: "
            f"{rows[0]['filter']},  due to error: Invalid output format specified. Must be one of "
            f"['flux', 'mag', 'both'], got '{form}'.",
        )
    if rows and magsys not in MAGSYS:
        names = ", ".join(map(repr, MAGSYS))
        raise PortalError(500, f"'{magsys}' not in registry. Registered names: {names}")
    owner = state.shows_owners and call.truth("includeOwnerInfo")
    return [state.drifted(shown(state, p, form, magsys, owner=owner)) for p in rows]


@route("GET", f"sources/{ID}/classifications")
def classifications(call: PortalCall, name: str) -> Any:
    """Return the classifications of an object."""
    rows = call.state.of("classifications", name)
    return [call.state.drifted({**_bare(row), "votes": row["votes"]}) for row in rows]


@route("GET", f"sources/{ID}/comments")
def comments(call: PortalCall, name: str) -> Any:
    """Return the comments on an object."""
    rows = call.state.of("comments", name)
    return [call.state.drifted({**_bare(row), "resourceType": "sources"}) for row in rows]


@route("GET", f"sources/{ID}/annotations")
def annotations(call: PortalCall, name: str) -> Any:
    """Return the annotations of an object."""
    return [call.state.drifted(_grouped(call, r)) for r in call.state.of("annotations", name)]


@route("GET", "classification")
def all_classifications(call: PortalCall) -> Any:
    """Return a page of all classifications."""
    # Pages are cut from rows of which there is one for each group that sees it, and shown once.
    rows = [row for row in call.state.classifications.values() for _ in row["group_ids"]]
    size, number = min(call.number("numPerPage", 100), 500), call.number("pageNumber", 1)
    page = {row["id"]: _bare(row) for row in rows[(number - 1) * size : number * size]}
    return {"classifications": list(page.values()), "totalMatches": len(rows)}

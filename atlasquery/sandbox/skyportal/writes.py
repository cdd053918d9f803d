"""Routes of the embedded SkyPortal that write: sources, notes, follow-up, runs, analyses."""

import base64
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from ..http import Response

# It registers its routes, too.
from . import photometry  # noqa: F401
from .routes import ID, NUMBER, PortalCall, PortalError, route
from .state import SITEWIDE, Row
from .tables import TREE, add_spectrum, runs


def table(call: PortalCall, name: str) -> dict[int, Any]:
    """Return rows by number of what only these routes know."""
    return call.state.tables.setdefault(name, {})


def now() -> str:
    """Return the time as the server words it: clients compare it with their own."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def known(body: Row, allowed: Collection[str]) -> None:
    """Refuse keys that a schema does not have."""
    unknown = {key: ["Unknown field."] for key in body if key not in allowed}
    if unknown:
        raise PortalError(400, f"Invalid/missing parameters: {unknown}")


def group_ids(call: PortalCall, body: Row, default: list[int] | None = None) -> list[int]:
    """Return the groups of a write; by default all that the user has, or those given."""
    asked = body.get("group_ids")
    if asked is None:
        return sorted(call.user["groups"]) if default is None else default
    for number in asked:
        if number not in call.state.groups:
            raise PortalError(400, f"Cannot find group_id {number}. Please remove and try again.")
    return asked


def existing(call: PortalCall, name: str) -> None:
    """Refuse an object that does not exist."""
    if name not in call.state.objects:
        raise PortalError(400, f"Cannot find object with ID {name}.")


@route("POST", "sources", permission="Upload data")
def save_source(call: PortalCall) -> Any:
    """Save an object to groups."""
    body, state = call.json, call.state
    name = body["id"]
    if " " in name:
        raise PortalError(400, "Failed to post source: No spaces allowed in source ID")
    new = name not in state.objects
    if new and (body.get("ra") is None or body.get("dec") is None):
        raise PortalError(
            400, "Failed to post source: RA/Declination must not be null for a new Obj"
        )
    asked = body.get("group_ids")
    admin = "System admin" in call.user["acls"]
    for number in asked or ():
        if not admin and number not in call.user["groups"]:
            raise PortalError(
                400,
                f"Failed to post source: Cannot find group_id {number}. Please remove and try "
                "again.",
            )
    if asked is not None and not [n for n in asked if n in state.groups]:
        raise PortalError(
            400,
            "Failed to post source: Invalid group_ids field. Please specify at least one valid "
            "group ID that you belong to.",
        )
    # Those that do not exist an administrator is not told of.
    saved = [n for n in (asked or sorted(call.user["groups"])) if n in state.groups]
    known(body, {*source_columns(), "id", "ra", "dec", "group_ids", "refresh_source"})
    if new:
        extra = {key: value for key, value in body.items() if key in source_columns()}
        state.add_object(name, body["ra"], body["dec"], **extra)
    elif body.get("ra") is not None:
        # See docs/servers/skyportal.rst, "Saving sources".
        state.objects[name]["healpix"] = hash((body["ra"], body["dec"]))
    state.save(name, saved, call.user["username"])
    return {"id": name, "saved_to_groups": saved}


def source_columns() -> tuple[str, ...]:
    """Return the properties that a source is saved with."""
    return (
        "redshift", "redshift_error", "redshift_origin", "alias", "origin", "tns_name",
        "transient", "varstar", "score", "t0", "mpc_name", "altdata", "ra_dis", "dec_dis",
        "ra_err", "dec_err",
    )  # fmt: skip


@route("POST", "candidates", permission="Upload data")
def post_candidate(call: PortalCall) -> Any:
    """Post an object as a candidate."""
    body, state = call.json, call.state
    new = body["id"] not in state.objects
    for key, word in (("ra", "RA"), ("dec", "Dec")):
        if new and body.get(key) is None:
            raise PortalError(400, f"{word} must not be null for a new Obj")
    if body.get("passed_at") is None:
        raise PortalError(400, "Missing required parameter: `passed_at`.")
    if any(number not in state.filters for number in body["filter_ids"]):
        raise PortalError(400, "At least one filter ID does not exist or is not accessible.")
    if new:
        state.add_object(body["id"], body["ra"], body["dec"])
    numbers = []
    for number in body["filter_ids"]:
        state.add_candidate(body["id"], 0, 0, filter_id=number, passed_at=body["passed_at"])
        numbers.append(state.next_id("candidate"))
    return {"ids": numbers}


def classes(branch: Row) -> Iterator[str]:
    """Yield the classes of a branch of a taxonomy."""
    yield branch["class"]
    for one in branch.get("subclasses", ()):
        yield from classes(one)


@route("POST", "classification", permission="Classify")
def post_classification(call: PortalCall) -> Any:
    """Classify an object."""
    body = call.json
    existing(call, body["obj_id"])
    if body["taxonomy_id"] not in call.state.taxonomies:
        raise PortalError(400, "That taxonomy does not exist or is not available to user.")
    if body["classification"] not in classes(TREE):
        raise PortalError(
            400,
            f"Error posting classification: That classification ({body['classification']}) is not "
            f"in the allowed classes for the chosen taxonomy (id={body['taxonomy_id']}",
        )
    number = call.state.classify(
        body["obj_id"],
        body["classification"],
        body.get("probability"),
        user=call.user["username"],
        taxonomy=body["taxonomy_id"],
        group_ids=group_ids(call, body),
    )
    call.state.classifications[number].update(created_at=now(), modified=now())
    return {"classification_id": number}


@route("POST", f"classification/votes/{NUMBER}")
def vote(call: PortalCall, number: str) -> Any:
    """Vote on a classification."""
    row = call.state.classifications.get(int(number))
    if row is None:
        raise PortalError(400, "Invalid classification ID.")
    others = [one for one in row["votes"] if one["voter_id"] != call.user["id"]]
    mine = {"voter_id": call.user["id"], "vote": call.json["vote"], "modified": now()}
    row["votes"] = [*others, mine]


@route("GET", f"classification/{NUMBER}")
def one_classification(call: PortalCall, number: str) -> Any:
    """Return a classification."""
    return call.state.classifications[int(number)]


@route("POST", f"sources/{ID}/comments", permission="Comment")
def post_comment(call: PortalCall, name: str) -> Any:
    """Comment on an object."""
    existing(call, name)
    known(call.json, {"text", "group_ids", "attachment"})
    # Without groups everybody sees it.
    numbers = group_ids(call, call.json, [SITEWIDE])
    number = call.state.comment(
        name, call.json["text"], user=call.user["username"], group_ids=numbers
    )
    attachment = call.json.get("attachment")
    if attachment is not None:
        call.state.comments[number]["attachment_name"] = attachment["name"]
        body = attachment["body"].rpartition("base64,")[2]
        table(call, "attachments")[number] = base64.b64decode(body, validate=True)
    call.state.comments[number].update(created_at=now(), modified=now())
    return {"comment_id": number}


@route("GET", f"sources/{ID}/comments/{NUMBER}/attachment")
def attachment_of(call: PortalCall, name: str, number: str) -> Any:
    """Return the attachment of a comment."""
    if int(number) not in call.state.comments:
        raise PortalError(403, "Could not find any accessible comments.")
    data = table(call, "attachments").get(int(number))
    if data is None:
        raise PortalError(400, "Comment has no attachment")
    return Response(200, data, "application/octet-stream")


SPECTRUM_KEYS = {
    "wavelengths", "fluxes", "errors", "units", "obj_id", "observed_at", "pi", "external_pi",
    "reduced_by", "external_reducer", "observed_by", "external_observer", "origin", "type",
    "label", "instrument_id", "group_ids", "followup_request_id", "assignment_id", "altdata",
}  # fmt: skip


@route("POST", "spectrum", permission="Upload data")
def post_spectrum(call: PortalCall) -> Any:
    """Store a spectrum."""
    body = call.json
    missing = {"wavelengths", "fluxes", "obj_id", "observed_at", "instrument_id"} - set(body)
    unknown = set(body) - SPECTRUM_KEYS
    if missing or unknown:
        raise PortalError(400, f"Invalid / missing parameters; {sorted(missing | unknown)}")
    if body["obj_id"] not in call.state.objects:
        raise PortalError(400, "Failed to post spectrum: violates foreign key constraint")
    if body["instrument_id"] not in call.state.instruments:
        number = body["instrument_id"]
        raise PortalError(400, f"Failed to post spectrum: Cannot find instrument with ID: {number}")
    row = add_spectrum(call.state, body["obj_id"], **{"type": "source", **body})
    row.update(created_at=now(), modified=now(), owner_id=call.user["id"])
    return {"id": row["id"]}


@route("POST", "source_groups", permission="Upload data")
def save_and_unsave(call: PortalCall) -> Any:
    """Remove an object from groups."""
    body = call.json
    known(body, {"objId", "inviteGroupIds", "unsaveGroupIds"})
    name, numbers = body["objId"], body.get("unsaveGroupIds", [])
    if name not in call.state.objects:
        raise PortalError(404, f"Obj {name} not found")
    saved = call.state.saved.get(name, {})
    if not set(numbers) <= set(saved):
        raise PortalError(
            400, "Specified source is not saved to group from which it was to be unsaved."
        )
    for number in numbers:
        del saved[number]


@route("GET", "listing")
def listings(call: PortalCall) -> Any:
    """Return the lists of the account."""
    wanted = call.params.get("listName")
    return [
        one
        for one in table(call, "listings").values()
        if one["user_id"] == call.user["id"] and wanted in (None, one["list_name"])
    ]


@route("POST", "listing")
def add_listing(call: PortalCall) -> Any:
    """Add an object to a list."""
    body = call.json
    known(body, {"obj_id", "list_name", "user_id", "params"})
    if body["obj_id"] not in call.state.objects:
        raise PortalError(400, f"Cannot find Obj with ID: {body['obj_id']}")
    user, rows = call.user["id"], table(call, "listings")
    same = (body["obj_id"], body["list_name"], user)
    if any((one["obj_id"], one["list_name"], one["user_id"]) == same for one in rows.values()):
        raise PortalError(
            400,
            f"Listing already exists with user_id={user}, obj_id={body['obj_id']} and "
            f"list_name={body['list_name']}",
        )
    number = call.state.next_id("listing")
    rows[number] = {
        "id": number, "obj_id": body["obj_id"], "list_name": body["list_name"], "user_id": user,
        "params": body.get("params"), "created_at": now(), "modified": now(),
    }  # fmt: skip
    return {"id": number}


@route("DELETE", f"listing/{NUMBER}")
def drop_listing(call: PortalCall, number: str) -> Any:
    """Remove an object from a list."""
    row = table(call, "listings").get(int(number))
    if row is None or row["user_id"] != call.user["id"]:
        raise PortalError(400, "Cannot delete Listing.")
    del table(call, "listings")[int(number)]


def annotate(call: PortalCall, name: str, origin: str, data: object, numbers: list[int]) -> int:
    """Store an annotation, of each origin one."""
    if any(row["origin"] == origin for row in call.state.of("annotations", name)):
        raise PortalError(400, "Annotation already posted.")
    number = call.state.annotate(name, origin, data, user=call.user["username"], group_ids=numbers)
    call.state.annotations[number].update(created_at=now(), modified=now())
    return number


@route("POST", f"sources/{ID}/annotations", permission="Annotate")
def post_annotation(call: PortalCall, name: str) -> Any:
    """Annotate an object."""
    existing(call, name)
    body = call.json
    known(body, {"origin", "data", "group_ids"})
    number = annotate(call, name, body["origin"], body["data"], group_ids(call, body))
    return {"annotation_id": number}


@route("POST", f"sources/{ID}/annotations/(gaia|irsa|vizier)")
def match_catalog(call: PortalCall, name: str, service: str) -> Any:
    """Annotate an object with what a catalogue has."""
    existing(call, name)
    body = call.json or {}
    known(body, {"catalog", "crossmatchRadius", "crossmatchLimmag", "group_ids"})
    catalogs = {"gaia": "gaiadr3.gaia_source", "irsa": "allwise_p3as_psd", "vizier": "VII/290"}
    stars = call.state.tables.get("stars", {}).get(name, {})
    if service not in stars:
        missing = {
            "gaia": "No Gaia Photometry available.",
            "irsa": "No WISE Photometry available.",
            "vizier": "No successful cross-match available.",
        }
        raise PortalError(400, missing[service])
    numbers = group_ids(call, body, [SITEWIDE])
    annotate(call, name, body.get("catalog", catalogs[service]), stars[service], numbers)


FOLLOWUP_KEYS = {
    "obj_id", "payload", "status", "allocation_id", "target_group_ids", "not_if_duplicates",
    "source_group_ids", "not_if_classified", "not_if_spectra_exist", "not_if_tns_classified",
    "not_if_tns_reported", "not_if_assignment_exists", "ignore_source_group_ids", "radius",
    "ignore_allocation_ids", "refreshSource", "refreshRequests",
}  # fmt: skip


@route("POST", "followup_request", permission="Upload data")
def submit(call: PortalCall) -> Any:
    """Submit a follow-up request."""
    body = call.json
    known(body, FOLLOWUP_KEYS)
    existing(call, body["obj_id"])
    if body.get("not_if_classified") and call.state.of("classifications", body["obj_id"]):
        words = "Not submitting request: source was already classified"
        return {"id": None, "ignored": True, "message": words}
    broken = call.state.tables.get("broken_telescope")
    number, created = call.state.next_id("followup"), now()
    table(call, "followups")[number] = {
        "id": number, "obj_id": body["obj_id"], "payload": body["payload"], "comment": None,
        "status": f"failed to submit: {broken}" if broken else "submitted",
        "allocation_id": body["allocation_id"], "created_at": created, "modified": created,
        "requester_id": call.user["id"], "requester": call.state.person(call.user["username"]),
        "allocation": {"id": body["allocation_id"], "instrument": call.state.instruments[1]},
        "obj": call.state.objects[body["obj_id"]], "watchers": [],
    }  # fmt: skip
    if broken:
        # It is stored anyway.
        raise PortalError(400, f"Error submitting follow-up request: {broken}")
    return {"id": number, "request_status": "submitted"}


@route("POST", "default_followup_request", permission="Manage allocations")
def post_default_request(call: PortalCall) -> Any:
    """Store a default follow-up request."""
    missing = {"default_followup_name", "source_filter"} - set(call.json)
    if missing:
        raise PortalError(400, f"Missing required parameters: {sorted(missing)}")
    return {"id": call.state.next_id("default_followup")}


@route("POST", "default_survey_efficiency", permission="Manage allocations")
def post_default_efficiency(call: PortalCall) -> Any:
    """Store a default survey efficiency."""
    if "default_observation_plan_id" not in call.json:
        raise PortalError(400, "Missing default_observation_plan_id")
    return {"id": call.state.next_id("default_efficiency")}


def request_of(call: PortalCall, number: str) -> Any:
    """Return a follow-up request, or refuse an unknown one."""
    row = table(call, "followups").get(int(number))
    if row is None:
        raise PortalError(400, "Could not retrieve followup request.")
    return row


@route("GET", "followup_request")
def followups(call: PortalCall) -> Any:
    """Return a page of follow-up requests."""
    rows = list(table(call, "followups").values())
    wanted = {
        "sourceID": lambda row, text: text in row["obj_id"],
        "allocationID": lambda row, text: str(row["allocation_id"]) == text,
        "instrumentID": lambda row, text: str(row["allocation"]["instrument"]["id"]) == text,
        "status": lambda row, text: text in row["status"],
        "startDate": lambda row, text: row["created_at"] >= text,
        "endDate": lambda row, text: row["created_at"] <= text,
    }
    for name, test in wanted.items():
        if name in call.params:
            rows = [row for row in rows if test(row, call.params[name])]
    size, number = min(call.number("numPerPage", 100), 1000), call.number("pageNumber", 1)
    page = rows[(number - 1) * size : number * size]
    return {
        "followup_requests": page, "totalMatches": len(rows), "pageNumber": number,
        "numPerPage": size,
    }  # fmt: skip


@route("GET", f"followup_request/{NUMBER}")
def followup(call: PortalCall, number: str) -> Any:
    """Return a follow-up request."""
    return request_of(call, number)


@route("PUT", f"followup_request/{NUMBER}", permission="Upload data")
def change_request(call: PortalCall, number: str) -> Any:
    """Change a follow-up request."""
    row, body = request_of(call, number), call.json
    known(body, FOLLOWUP_KEYS)
    if "status" not in body and not {"obj_id", "allocation_id"} <= set(body):
        raise PortalError(
            400, "Invalid / missing parameters: {'obj_id': ['Missing data for required field.']}"
        )
    row.update({key: body[key] for key in ("status", "payload") if key in body}, modified=now())


@route("DELETE", f"followup_request/{NUMBER}", permission="Upload data")
def withdraw(call: PortalCall, number: str) -> Any:
    """Delete a follow-up request."""
    request_of(call, number)
    del table(call, "followups")[int(number)]


@route("GET", f"followup_request/schedule/{NUMBER}")
def schedule(call: PortalCall, number: str) -> Any:
    """Return the schedule of an instrument."""
    form = call.params.get("output_format", "csv")
    rows = [row for row in table(call, "followups").values() if int(number) == 1]
    if not rows:
        raise PortalError(400, "Need at least one observation to schedule.")
    if form != "csv":
        return Response(200, b"\x89PNG plan", f"image/{form}")
    lines = [
        ",request_id,group_id,object_id,ra,dec,epoch,observation_start,observation_end,"
        "exposure_time,filter,requester,priority"
    ]
    lines += [
        f"{n},{row['id']},3,{row['obj_id']},10:00:27.912,2:12:20.88,2000,"
        "2026-05-02 06:00:00.000,2026-05-02 06:10:00.000,30,ztfg,admin,3"
        for n, row in enumerate(rows)
    ]
    return Response(200, "\n".join(lines) + "\n", "text/csv")


@route("GET", "assignment")
def assignments(call: PortalCall) -> Any:
    """Return the assignments."""
    return [_listed(one) for one in table(call, "assignments").values()]


def _listed(row: Row) -> Row:
    return {key: value for key, value in row.items() if key not in ("created_at", "modified")}


@route("GET", f"assignment/{NUMBER}")
def assignment(call: PortalCall, number: str) -> Any:
    """Return an assignment."""
    row = table(call, "assignments").get(int(number))
    if row is None:
        # In these words: the server forgets to put the number in.
        raise PortalError(400, "Could not retrieve assignment with ID {assignment_id}.")
    return _listed(row)


@route("POST", "assignment", permission="Upload data")
def assign(call: PortalCall) -> Any:
    """Assign an object to an observing run."""
    body = call.json
    known(body, {"run_id", "obj_id", "priority", "status", "comment"})
    existing(call, body["obj_id"])
    if body["priority"] not in ("1", "2", "3", "4", "5"):
        raise PortalError(400, f"Error parsing followup request: priority {body['priority']}")
    if all(one["id"] != body["run_id"] for one in runs(call)):
        raise PortalError(400, "Observing run with this ID could not be found.")
    rows = table(call, "assignments")
    same = (body["run_id"], body["obj_id"])
    if any((row["run_id"], row["obj_id"]) == same for row in rows.values()):
        raise PortalError(400, "Object is already assigned to this run.")
    number, created = call.state.next_id("assignment"), now()
    rows[number] = {
        "id": number, "obj_id": body["obj_id"], "run_id": body["run_id"], "run": body["run_id"],
        "priority": body["priority"], "comment": body.get("comment"), "status": "pending",
        "requester": call.state.person(call.user["username"]), "requester_id": call.user["id"],
        "obj": call.state.objects[body["obj_id"]], "created_at": created, "modified": created,
        "rise_time_utc": "2026-12-24T10:16:56.513", "set_time_utc": "2026-12-25T18:01:42.637",
        "spectra": [], "photometry": [],
    }  # fmt: skip
    return {"id": number}


@route("PUT", f"assignment/{NUMBER}", permission="Upload data")
def change_assignment(call: PortalCall, number: str) -> Any:
    """Change an assignment."""
    row = table(call, "assignments").get(int(number))
    if row is None:
        raise PortalError(400, "Could not find assignment with that ID.")
    row.update(call.json, modified=now())


@route("DELETE", f"assignment/{NUMBER}", permission="Upload data")
def drop_assignment(call: PortalCall, number: str) -> Any:
    """Delete an assignment."""
    if table(call, "assignments").pop(int(number), None) is None:
        raise PortalError(400, "Could not find assignment with that ID.")


def begin(call: PortalCall, name: str, service: str, status: str, allowed: Collection[str]) -> Row:
    """Store an analysis of an object."""
    existing(call, name)
    known(call.json or {}, allowed)
    if int(service) != 1:
        raise PortalError(400, f"Could not access Analysis Service ID: {service}.")
    number, created = call.state.next_id("analysis"), now()
    table(call, "analyses")[number] = {
        "id": number, "obj_id": name, "analysis_service_id": int(service), "status": status,
        "created_at": created, "modified": created,
    }  # fmt: skip
    return {"id": number}


SHOWN = {"show_parameters", "show_plots", "show_corner", "group_ids"}


@route("POST", f"obj/{ID}/analysis/{NUMBER}", permission="Run Analyses")
def start(call: PortalCall, name: str, service: str) -> Any:
    """Start an analysis."""
    allowed = {*SHOWN, "analysis_parameters", "input_filters"}
    return begin(call, name, service, "queued", allowed)


@route("POST", f"obj/{ID}/analysis_upload/{NUMBER}", permission="Run Analyses")
def upload(call: PortalCall, name: str, service: str) -> Any:
    """Store an analysis that was done elsewhere."""
    return begin(call, name, service, "completed", {*SHOWN, "analysis", "message"})


@route("DELETE", f"obj/analysis/{NUMBER}", permission="Run Analyses")
def remove(call: PortalCall, number: str) -> Any:
    """Delete an analysis."""
    if table(call, "analyses").pop(int(number), None) is None:
        raise PortalError(400, f"Analysis {number} not found")

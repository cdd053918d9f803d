"""Routes of the SkyPortal double that write: sources, notes, follow-up, assignments, analyses."""

import base64
from datetime import UTC, datetime

from . import photometry as skyportal_photometry  # noqa: F401 - registers its routes
from .routes import Answer, RefusalError, route
from .sky import SITEWIDE
from .tables import TREE, add_spectrum, runs

ID = r"([0-9A-Za-z\-_.+]+)"
NUMBER = r"([0-9]+)"


def table(call, name):
    """Return rows by number of what only these routes know."""
    return call.sky.tables.setdefault(name, {})


def now():
    """Return the time as the server words it: clients compare it with their own."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def known(call, body, allowed):
    """Refuse keys that a schema does not have."""
    unknown = {key: ["Unknown field."] for key in body if key not in allowed}
    if unknown:
        raise RefusalError(400, f"Invalid/missing parameters: {unknown}")


def group_ids(call, body, default=None):
    """Return the groups of a write; by default all that the user has, or those given."""
    asked = body.get("group_ids")
    if asked is None:
        return sorted(call.user["groups"]) if default is None else default
    for number in asked:
        if number not in call.sky.groups:
            raise RefusalError(400, f"Cannot find group_id {number}. Please remove and try again.")
    return asked


def existing(call, name):
    if name not in call.sky.objects:
        raise RefusalError(400, f"Cannot find object with ID {name}.")


@route("POST", "sources", permission="Upload data")
def save_source(call):
    body, sky = call.json, call.sky
    name = body["id"]
    if " " in name:
        raise RefusalError(400, "Failed to post source: No spaces allowed in source ID")
    new = name not in sky.objects
    if new and (body.get("ra") is None or body.get("dec") is None):
        raise RefusalError(
            400, "Failed to post source: RA/Declination must not be null for a new Obj"
        )
    asked = body.get("group_ids")
    admin = "System admin" in call.user["acls"]
    for number in asked or ():
        if not admin and number not in call.user["groups"]:
            raise RefusalError(
                400,
                f"Failed to post source: Cannot find group_id {number}. Please remove and try "
                "again.",
            )
    if asked is not None and not [n for n in asked if n in sky.groups]:
        raise RefusalError(
            400,
            "Failed to post source: Invalid group_ids field. Please specify at least one valid "
            "group ID that you belong to.",
        )
    # Those that do not exist an administrator is not told of.
    saved = [n for n in (asked or sorted(call.user["groups"])) if n in sky.groups]
    known(call, body, {*sky_columns(), "id", "ra", "dec", "group_ids", "refresh_source"})
    if new:
        extra = {key: value for key, value in body.items() if key in sky_columns()}
        sky.add_object(name, body["ra"], body["dec"], **extra)
    elif body.get("ra") is not None:
        # See docs/servers/skyportal.rst, "Saving sources".
        sky.objects[name]["healpix"] = hash((body["ra"], body["dec"]))
    sky.save(name, saved, call.user["username"])
    return {"id": name, "saved_to_groups": saved}


def sky_columns():
    return (
        "redshift", "redshift_error", "redshift_origin", "alias", "origin", "tns_name",
        "transient", "varstar", "score", "t0", "mpc_name", "altdata", "ra_dis", "dec_dis",
        "ra_err", "dec_err",
    )  # fmt: skip


@route("POST", "candidates", permission="Upload data")
def post_candidate(call):
    body, sky = call.json, call.sky
    new = body["id"] not in sky.objects
    for key, word in (("ra", "RA"), ("dec", "Dec")):
        if new and body.get(key) is None:
            raise RefusalError(400, f"{word} must not be null for a new Obj")
    if body.get("passed_at") is None:
        raise RefusalError(400, "Missing required parameter: `passed_at`.")
    if any(number not in sky.filters for number in body["filter_ids"]):
        raise RefusalError(400, "At least one filter ID does not exist or is not accessible.")
    if new:
        sky.add_object(body["id"], body["ra"], body["dec"])
    numbers = []
    for number in body["filter_ids"]:
        sky.add_candidate(body["id"], 0, 0, filter_id=number, passed_at=body["passed_at"])
        numbers.append(sky.next_id("candidate"))
    return {"ids": numbers}


def classes(branch):
    yield branch["class"]
    for one in branch.get("subclasses", ()):
        yield from classes(one)


@route("POST", "classification", permission="Classify")
def post_classification(call):
    body = call.json
    existing(call, body["obj_id"])
    if body["taxonomy_id"] not in call.sky.taxonomies:
        raise RefusalError(400, "That taxonomy does not exist or is not available to user.")
    if body["classification"] not in classes(TREE):
        raise RefusalError(
            400,
            f"Error posting classification: That classification ({body['classification']}) is not "
            f"in the allowed classes for the chosen taxonomy (id={body['taxonomy_id']}",
        )
    number = call.sky.classify(
        body["obj_id"],
        body["classification"],
        body.get("probability"),
        user=call.user["username"],
        taxonomy=body["taxonomy_id"],
        group_ids=group_ids(call, body),
    )
    call.sky.classifications[number].update(created_at=now(), modified=now())
    return {"classification_id": number}


@route("POST", f"classification/votes/{NUMBER}")
def vote(call, number):
    row = call.sky.classifications.get(int(number))
    if row is None:
        raise RefusalError(400, "Invalid classification ID.")
    others = [one for one in row["votes"] if one["voter_id"] != call.user["id"]]
    mine = {"voter_id": call.user["id"], "vote": call.json["vote"], "modified": now()}
    row["votes"] = [*others, mine]


@route("GET", f"classification/{NUMBER}")
def one_classification(call, number):
    return call.sky.classifications[int(number)]


@route("POST", f"sources/{ID}/comments", permission="Comment")
def post_comment(call, name):
    existing(call, name)
    known(call, call.json, {"text", "group_ids", "attachment"})
    # Without groups everybody sees it.
    numbers = group_ids(call, call.json, [SITEWIDE])
    number = call.sky.comment(
        name, call.json["text"], user=call.user["username"], group_ids=numbers
    )
    attachment = call.json.get("attachment")
    if attachment is not None:
        call.sky.comments[number]["attachment_name"] = attachment["name"]
        body = attachment["body"].rpartition("base64,")[2]
        table(call, "attachments")[number] = base64.b64decode(body, validate=True)
    call.sky.comments[number].update(created_at=now(), modified=now())
    return {"comment_id": number}


@route("GET", f"sources/{ID}/comments/{NUMBER}/attachment")
def attachment_of(call, name, number):
    if int(number) not in call.sky.comments:
        raise RefusalError(403, "Could not find any accessible comments.")
    data = table(call, "attachments").get(int(number))
    if data is None:
        raise RefusalError(400, "Comment has no attachment")
    raise Answer(200, data, "application/octet-stream")


SPECTRUM_KEYS = {
    "wavelengths", "fluxes", "errors", "units", "obj_id", "observed_at", "pi", "external_pi",
    "reduced_by", "external_reducer", "observed_by", "external_observer", "origin", "type",
    "label", "instrument_id", "group_ids", "followup_request_id", "assignment_id", "altdata",
}  # fmt: skip


@route("POST", "spectrum", permission="Upload data")
def post_spectrum(call):
    body = call.json
    missing = {"wavelengths", "fluxes", "obj_id", "observed_at", "instrument_id"} - set(body)
    unknown = set(body) - SPECTRUM_KEYS
    if missing or unknown:
        raise RefusalError(400, f"Invalid / missing parameters; {sorted(missing | unknown)}")
    if body["obj_id"] not in call.sky.objects:
        raise RefusalError(400, "Failed to post spectrum: violates foreign key constraint")
    if body["instrument_id"] not in call.sky.instruments:
        number = body["instrument_id"]
        raise RefusalError(
            400, f"Failed to post spectrum: Cannot find instrument with ID: {number}"
        )
    row = add_spectrum(call.sky, body["obj_id"], **{"type": "source", **body})
    row.update(created_at=now(), modified=now(), owner_id=call.user["id"])
    return {"id": row["id"]}


@route("POST", "source_groups", permission="Upload data")
def save_and_unsave(call):
    body = call.json
    known(call, body, {"objId", "inviteGroupIds", "unsaveGroupIds"})
    name, numbers = body["objId"], body.get("unsaveGroupIds", [])
    if name not in call.sky.objects:
        raise RefusalError(404, f"Obj {name} not found")
    saved = call.sky.saved.get(name, {})
    if not set(numbers) <= set(saved):
        raise RefusalError(
            400, "Specified source is not saved to group from which it was to be unsaved."
        )
    for number in numbers:
        del saved[number]


@route("GET", "listing")
def listings(call):
    wanted = call.params.get("listName")
    return [
        one
        for one in table(call, "listings").values()
        if one["user_id"] == call.user["id"] and wanted in (None, one["list_name"])
    ]


@route("POST", "listing")
def add_listing(call):
    body = call.json
    known(call, body, {"obj_id", "list_name", "user_id", "params"})
    if body["obj_id"] not in call.sky.objects:
        raise RefusalError(400, f"Cannot find Obj with ID: {body['obj_id']}")
    user, rows = call.user["id"], table(call, "listings")
    same = (body["obj_id"], body["list_name"], user)
    if any((one["obj_id"], one["list_name"], one["user_id"]) == same for one in rows.values()):
        raise RefusalError(
            400,
            f"Listing already exists with user_id={user}, obj_id={body['obj_id']} and "
            f"list_name={body['list_name']}",
        )
    number = call.sky.next_id("listing")
    rows[number] = {
        "id": number, "obj_id": body["obj_id"], "list_name": body["list_name"], "user_id": user,
        "params": body.get("params"), "created_at": now(), "modified": now(),
    }  # fmt: skip
    return {"id": number}


@route("DELETE", f"listing/{NUMBER}")
def drop_listing(call, number):
    row = table(call, "listings").get(int(number))
    if row is None or row["user_id"] != call.user["id"]:
        raise RefusalError(400, "Cannot delete Listing.")
    del table(call, "listings")[int(number)]


def annotate(call, name, origin, data, numbers):
    if any(row["origin"] == origin for row in call.sky.of("annotations", name)):
        raise RefusalError(400, "Annotation already posted.")
    number = call.sky.annotate(name, origin, data, user=call.user["username"], group_ids=numbers)
    call.sky.annotations[number].update(created_at=now(), modified=now())
    return number


@route("POST", f"sources/{ID}/annotations", permission="Annotate")
def post_annotation(call, name):
    existing(call, name)
    body = call.json
    known(call, body, {"origin", "data", "group_ids"})
    number = annotate(call, name, body["origin"], body["data"], group_ids(call, body))
    return {"annotation_id": number}


@route("POST", f"sources/{ID}/annotations/(gaia|irsa|vizier)")
def match_catalog(call, name, service):
    existing(call, name)
    body = call.json or {}
    known(call, body, {"catalog", "crossmatchRadius", "crossmatchLimmag", "group_ids"})
    catalogs = {"gaia": "gaiadr3.gaia_source", "irsa": "allwise_p3as_psd", "vizier": "VII/290"}
    stars = call.sky.tables.get("stars", {}).get(name, {})
    if service not in stars:
        missing = {
            "gaia": "No Gaia Photometry available.",
            "irsa": "No WISE Photometry available.",
            "vizier": "No successful cross-match available.",
        }
        raise RefusalError(400, missing[service])
    numbers = group_ids(call, body, [SITEWIDE])
    annotate(call, name, body.get("catalog", catalogs[service]), stars[service], numbers)


FOLLOWUP_KEYS = {
    "obj_id", "payload", "status", "allocation_id", "target_group_ids", "not_if_duplicates",
    "source_group_ids", "not_if_classified", "not_if_spectra_exist", "not_if_tns_classified",
    "not_if_tns_reported", "not_if_assignment_exists", "ignore_source_group_ids", "radius",
    "ignore_allocation_ids", "refreshSource", "refreshRequests",
}  # fmt: skip


@route("POST", "followup_request", permission="Upload data")
def submit(call):
    body = call.json
    known(call, body, FOLLOWUP_KEYS)
    existing(call, body["obj_id"])
    if body.get("not_if_classified") and call.sky.of("classifications", body["obj_id"]):
        words = "Not submitting request: source was already classified"
        return {"id": None, "ignored": True, "message": words}
    broken = call.sky.tables.get("broken_telescope")
    number, created = call.sky.next_id("followup"), now()
    table(call, "followups")[number] = {
        "id": number, "obj_id": body["obj_id"], "payload": body["payload"], "comment": None,
        "status": f"failed to submit: {broken}" if broken else "submitted",
        "allocation_id": body["allocation_id"], "created_at": created, "modified": created,
        "requester_id": call.user["id"], "requester": call.sky.person(call.user["username"]),
        "allocation": {"id": body["allocation_id"], "instrument": call.sky.instruments[1]},
        "obj": call.sky.objects[body["obj_id"]], "watchers": [],
    }  # fmt: skip
    if broken:
        # It is stored anyway.
        raise RefusalError(400, f"Error submitting follow-up request: {broken}")
    return {"id": number, "request_status": "submitted"}


@route("POST", "default_followup_request", permission="Manage allocations")
def post_default_request(call):
    missing = {"default_followup_name", "source_filter"} - set(call.json)
    if missing:
        raise RefusalError(400, f"Missing required parameters: {sorted(missing)}")
    return {"id": call.sky.next_id("default_followup")}


@route("POST", "default_survey_efficiency", permission="Manage allocations")
def post_default_efficiency(call):
    if "default_observation_plan_id" not in call.json:
        raise RefusalError(400, "Missing default_observation_plan_id")
    return {"id": call.sky.next_id("default_efficiency")}


def request_of(call, number):
    row = table(call, "followups").get(int(number))
    if row is None:
        raise RefusalError(400, "Could not retrieve followup request.")
    return row


@route("GET", "followup_request")
def followups(call):
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
def followup(call, number):
    return request_of(call, number)


@route("PUT", f"followup_request/{NUMBER}", permission="Upload data")
def change_request(call, number):
    row, body = request_of(call, number), call.json
    known(call, body, FOLLOWUP_KEYS)
    if "status" not in body and not {"obj_id", "allocation_id"} <= set(body):
        raise RefusalError(
            400, "Invalid / missing parameters: {'obj_id': ['Missing data for required field.']}"
        )
    row.update({key: body[key] for key in ("status", "payload") if key in body}, modified=now())


@route("DELETE", f"followup_request/{NUMBER}", permission="Upload data")
def withdraw(call, number):
    request_of(call, number)
    del table(call, "followups")[int(number)]


@route("GET", f"followup_request/schedule/{NUMBER}")
def schedule(call, number):
    form = call.params.get("output_format", "csv")
    rows = [row for row in table(call, "followups").values() if int(number) == 1]
    if not rows:
        raise RefusalError(400, "Need at least one observation to schedule.")
    if form != "csv":
        raise Answer(200, b"\x89PNG plan", f"image/{form}")
    lines = [
        ",request_id,group_id,object_id,ra,dec,epoch,observation_start,observation_end,"
        "exposure_time,filter,requester,priority"
    ]
    lines += [
        f"{n},{row['id']},3,{row['obj_id']},10:00:27.912,2:12:20.88,2000,"
        "2026-05-02 06:00:00.000,2026-05-02 06:10:00.000,30,ztfg,admin,3"
        for n, row in enumerate(rows)
    ]
    raise Answer(200, "\n".join(lines) + "\n", "text/csv")


@route("GET", "assignment")
def assignments(call):
    return [_listed(one) for one in table(call, "assignments").values()]


def _listed(row):
    return {key: value for key, value in row.items() if key not in ("created_at", "modified")}


@route("GET", f"assignment/{NUMBER}")
def assignment(call, number):
    row = table(call, "assignments").get(int(number))
    if row is None:
        # In these words: the server forgets to put the number in.
        raise RefusalError(400, "Could not retrieve assignment with ID {assignment_id}.")
    return _listed(row)


@route("POST", "assignment", permission="Upload data")
def assign(call):
    body = call.json
    known(call, body, {"run_id", "obj_id", "priority", "status", "comment"})
    existing(call, body["obj_id"])
    if body["priority"] not in ("1", "2", "3", "4", "5"):
        raise RefusalError(400, f"Error parsing followup request: priority {body['priority']}")
    if all(one["id"] != body["run_id"] for one in runs(call)):
        raise RefusalError(400, "Observing run with this ID could not be found.")
    rows = table(call, "assignments")
    same = (body["run_id"], body["obj_id"])
    if any((row["run_id"], row["obj_id"]) == same for row in rows.values()):
        raise RefusalError(400, "Object is already assigned to this run.")
    number, created = call.sky.next_id("assignment"), now()
    rows[number] = {
        "id": number, "obj_id": body["obj_id"], "run_id": body["run_id"], "run": body["run_id"],
        "priority": body["priority"], "comment": body.get("comment"), "status": "pending",
        "requester": call.sky.person(call.user["username"]), "requester_id": call.user["id"],
        "obj": call.sky.objects[body["obj_id"]], "created_at": created, "modified": created,
        "rise_time_utc": "2026-12-24T10:16:56.513", "set_time_utc": "2026-12-25T18:01:42.637",
        "spectra": [], "photometry": [],
    }  # fmt: skip
    return {"id": number}


@route("PUT", f"assignment/{NUMBER}", permission="Upload data")
def change_assignment(call, number):
    row = table(call, "assignments").get(int(number))
    if row is None:
        raise RefusalError(400, "Could not find assignment with that ID.")
    row.update(call.json, modified=now())


@route("DELETE", f"assignment/{NUMBER}", permission="Upload data")
def drop_assignment(call, number):
    if table(call, "assignments").pop(int(number), None) is None:
        raise RefusalError(400, "Could not find assignment with that ID.")


def begin(call, name, service, status, allowed):
    existing(call, name)
    known(call, call.json or {}, allowed)
    if int(service) != 1:
        raise RefusalError(400, f"Could not access Analysis Service ID: {service}.")
    number, created = call.sky.next_id("analysis"), now()
    table(call, "analyses")[number] = {
        "id": number, "obj_id": name, "analysis_service_id": int(service), "status": status,
        "created_at": created, "modified": created,
    }  # fmt: skip
    return {"id": number}


SHOWN = {"show_parameters", "show_plots", "show_corner", "group_ids"}


@route("POST", f"obj/{ID}/analysis/{NUMBER}", permission="Run Analyses")
def start(call, name, service):
    allowed = {*SHOWN, "analysis_parameters", "input_filters"}
    return begin(call, name, service, "queued", allowed)


@route("POST", f"obj/{ID}/analysis_upload/{NUMBER}", permission="Run Analyses")
def upload(call, name, service):
    return begin(call, name, service, "completed", {*SHOWN, "analysis", "message"})


@route("DELETE", f"obj/analysis/{NUMBER}", permission="Run Analyses")
def remove(call, number):
    if table(call, "analyses").pop(int(number), None) is None:
        raise RefusalError(400, f"Analysis {number} not found")

"""Routes of the SkyPortal double for tables: groups, instruments, allocations, runs, spectra."""

import math

from . import events as skyportal_events
from .routes import RefusalError, route
from .sky import ZP, separation

ID = r"([0-9A-Za-z\-_.+]+)"
NUMBER = r"([0-9]+)"
MADE = "2026-11-20T17:51:30.699260"


def kept(call, name, first):
    """Return rows of the state, at first those given."""
    return call.sky.tables.setdefault(name, first)


def dated(**row):
    return {"modified": MADE, "created_at": MADE, **row}


def telescope_of(call, number):
    known = call.sky.telescopes.get(number, {"id": number, "name": f"telescope {number}"})
    return dated(**{
        "nickname": None, "lat": 20.7075, "elevation": 3041.0, "skycam_link": "",
        "fixed_location": True, "lon": -156.2569, "diameter": 0.5, "weather_link": "",
        "robotic": True, **known,
    })  # fmt: skip


def instrument_of(call, number):
    known = call.sky.instruments.get(number, {"id": number, "name": None, "filters": []})
    return dated(**{
        "telescope_id": 1, "listener_classname": None, "treasuremap_id": None,
        "sensitivity_data": None, "tns_id": None, "configuration_data": None, "across_id": None,
        "type": "imager", "last_status_update": None, "has_fields": False,
        "api_classname": "ATLASAPI" if number == 1 else None, "has_region": False,
        "band": "optical", "api_classname_obsplan": None, **known,
    })  # fmt: skip


def placed(call, number):
    row = instrument_of(call, number)
    return {**row, "telescope": telescope_of(call, row["telescope_id"])}


@route("GET", "groups")
def groups(call):
    every = list(call.sky.groups.values())
    mine = [one for one in every if one["id"] in call.user["groups"]]
    if "name" in call.params:
        return [one for one in mine if one["name"] == call.params["name"]]
    plain = [{**one, "streams": []} for one in mine if not one["single_user_group"]]
    return {
        "user_groups": mine, "user_accessible_groups": plain,
        "all_groups": [{**one, "streams": []} for one in every if not one["single_user_group"]],
    }  # fmt: skip


@route("GET", "filters")
def filters(call):
    return [
        dated(**{"broker_id": None, "autosave": False, "altdata": None, **one})
        for one in call.sky.filters.values()
        if one["group_id"] in call.user["groups"]
    ]


@route("GET", "streams")
def streams(call):
    first = {"altdata": {"collection": "ATLAS"}, "id": 1, "name": "ATLAS stream"}
    return kept(call, "streams", [dated(auto_join=False, **first)])


@route("GET", "instrument")
def instruments(call):
    extra = {"region": None, "number_of_fields": 0, "region_summary": "", "log_exists": False}
    return [{**placed(call, number), **extra} for number in call.sky.instruments]


@route("GET", f"instrument/{NUMBER}")
def instrument(call, number):
    if int(number) not in call.sky.instruments:
        raise RefusalError(400, f"No instrument with ID: {number}")
    extra = {"region": None, "status": None, "log_exists": False}
    return {**instrument_of(call, int(number)), **extra}


@route("GET", "telescope")
def telescopes(call):
    rows = []
    for number in call.sky.telescopes:
        row = telescope_of(call, number)
        fixed = row["fixed_location"]
        ours = [n for n, one in call.sky.instruments.items() if one["telescope_id"] == number]
        rows.append({
            **row, "instruments": [{**instrument_of(call, n), "allocations": []} for n in ours],
            "is_night_astronomical": False, "allocations": [],
            "morning": "2026-11-21 15:21:31.347" if fixed else False,
            "evening": "2026-11-21 05:00:20.097" if fixed else False,
        })  # fmt: skip
    return rows


TREE = {
    "class": "Time-domain Source",
    "subclasses": [
        {"class": "Supernova", "subclasses": [{"class": "Ia"}, {"class": "Ib"}, {"class": "IIP"}]},
        {"class": "AGN"},
    ],
    "tags": ["sn"],
}


@route("GET", "taxonomy")
def taxonomies(call):
    return [
        dated(
            id=one["id"], name=one["name"], hierarchy=TREE, provenance=None, version="1.0",
            isLatest=True, groups=[call.sky.groups[3], call.sky.groups[4]],
        )
        for one in call.sky.taxonomies.values()
    ]  # fmt: skip


def an_allocation(call):
    return dated(
        id=1, default_share_group_ids=[], types=["triggered", "forced_photometry"], group_id=3,
        pi="A. Person", proposal_id="P1", instrument_id=1, hours_allocated=100.0,
        validity_ranges=[
            {"end_date": "2027-12-31T00:00:00", "start_date": "2027-01-01T00:00:00"},
            {"end_date": "2026-06-30T00:00:00", "start_date": "2026-01-01T00:00:00"},
        ], instrument=placed(call, 1), allocation_users=[],
    )  # fmt: skip


@route("GET", "allocation")
def allocations(call):
    rows = kept(call, "allocations", [an_allocation(call)])
    wanted = call.params.get("instrument_id")
    return [row for row in rows if wanted in (None, str(row.get("instrument_id")))]


@route("GET", "observing_run")
def runs(call):
    first = dated(
        id=1, instrument_id=2, duration=1, calendar_date="2026-12-24", pi="X", observers="Y",
        run_end_utc="2026-12-24T16:57:28.953000", group_id=3, owner_id=1,
        instrument=placed(call, 2),
    )  # fmt: skip
    return kept(call, "runs", [first])


@route("GET", f"observing_run/{NUMBER}")
def run(call, number):
    found = next((one for one in runs(call) if one["id"] == int(number)), None)
    if found is None:
        raise RefusalError(400, f"Cannot find ObservingRun with ID {number}")
    rows = [
        one
        for one in call.sky.tables.get("assignments", {}).values()
        if one["run_id"] == int(number)
    ]
    lists = ("spectra", "photometry", "photometric_series", "run", "last_modified_by")
    return {
        **found,
        "assignments": [
            {
                **{key: value for key, value in one.items() if key not in lists},
                "accessible_group_names": ["ATLAS transients"],
                # A source that never rises has no time, and is no null.
                "rise_time_utc": one["rise_time_utc"] or "",
                "set_time_utc": one["set_time_utc"] or "",
            }
            for one in rows
        ],
    }


def object_of(call, name):
    if name not in call.sky.objects:
        raise RefusalError(404, "Source not found")
    return call.sky.objects[name]


@route("GET", f"sources/{ID}/spectra")
def spectra(call, name):
    if name not in call.sky.objects:
        raise RefusalError(400, "Invalid object ID.")
    rows = call.sky.tables.get("spectra", [])
    person = call.sky.person("admin")
    found = []
    for row in rows:
        if row["obj_id"] == name:
            found.append({
                "instrument_id": 2, "units": None, "assignment_id": None,
                "followup_request_id": None, "errors": None, "altdata": None, "origin": None,
                "original_file_filename": None, "type": "source", "owner_id": 1, "label": "LRIS",
                "instrument": placed(call, 2), "owner": person, "pis": [person],
                "groups": [call.sky.groups[3]], "reducers": [person], "observers": [person],
                "comments": [], "annotations": [], "instrument_name": "ZTF", "telescope_id": 1,
                "telescope_name": "ATLAS telescope", "observed_at_mjd": 60329.4,
                "external_pi": None, "external_reducer": None, "external_observer": None,
                **dated(), **row,
            })  # fmt: skip
    return {"obj_id": name, "spectra": found}


@route("GET", f"sources/{ID}/groups")
def groups_of(call, name):
    object_of(call, name)
    return [call.sky.groups[number] for number in call.sky.saved.get(name, {})]


@route("GET", f"sources/{ID}/position")
def position(call, name):
    entry = object_of(call, name)
    whole = call.sky.placed(entry)
    first = entry["ra_dis"] or entry["ra"], entry["dec_dis"] or entry["dec"]
    return {
        "ra": entry["ra"], "dec": entry["dec"], "gal_lon": whole["gal_lon"],
        "gal_lat": whole["gal_lat"], "ebv": 0.05,
        "separation": separation(entry["ra"], entry["dec"], *first) * 3600,
        "discovery_ra": first[0], "discovery_dec": first[1],
    }  # fmt: skip


@route("GET", f"sources/{ID}/phot_stat")
def phot_stat(call, name):
    points = [p for p in call.sky.points.values() if p["obj_id"] == name]
    if not points:
        raise RefusalError(400, f'Could not find a PhotStat for object with id "{name}". ')
    bands = sorted({p["filter"] for p in points})

    def of(band, value, pick=len):
        rows = [p for p in points if band in (None, p["filter"])]
        found = [v for p in rows if (v := value(p)) is not None]
        return pick(found) if found else (0 if pick is len else None)

    def mag(p):
        seen = (p["flux"] or 0) > 5 * (p["fluxerr"] or math.inf)
        return ZP - 2.5 * math.log10(p["flux"]) if seen else None

    values = {
        "num_obs": lambda b: of(b, lambda p: p["mjd"]), "num_det": lambda b: of(b, mag),
        "peak_mag": lambda b: of(b, mag, min), "faintest_mag": lambda b: of(b, mag, max),
        "peak_mjd": lambda b: of(b, lambda p: mag(p) and (mag(p), p["mjd"]), lambda v: min(v)[1]),
        "mean_mag": lambda b: of(b, mag, lambda v: sum(v) / len(v)),
        "mag_rms": lambda b: None, "deepest_limit": lambda b: None,
    }  # fmt: skip
    stats = {f"{key}_global": value(None) for key, value in values.items()}
    stats |= {f"{key}_per_filter": {b: v(b) for b in bands} for key, v in values.items()}
    return {
        **stats, **dated(id=1, obj_id=name, mean_color=None, predetection_mjds=[]),
        "recent_obs_mjd": max((p["mjd"] for p in points), default=None),
    }  # fmt: skip


@route("GET", f"source_exists/{ID}")
def source_exists(call, name):
    saved = name in call.sky.saved
    words = f"A source with the name {name} already exists."
    return {
        "source_exists": saved,
        "message": words if saved else f"No sources exist with the name {name}.",
    }


@route("GET", "source_exists")
def source_exists_at(call):
    ra, dec, radius = (float(call.params[key]) for key in ("ra", "dec", "radius"))
    near = [
        name
        for name in call.sky.saved
        if separation(ra, dec, *(call.sky.objects[name][k] for k in ("ra", "dec"))) <= radius
    ]
    words = f"Sources at that location already exist: {','.join(near)}."
    return {
        "source_exists": bool(near),
        "message": words if near else "No sources exist at that location.",
    }


def add_spectrum(sky, name, observed_at="2024-01-20T10:11:12", **extra):
    """Add a spectrum to the state; a test says its values."""
    rows = sky.tables.setdefault("spectra", [])
    row = {
        "id": len(rows) + 1, "obj_id": name, "observed_at": observed_at,
        "wavelengths": [4000.0, 5000.0, 6000.0], "fluxes": [1e-17, 2e-17, 3e-17], **extra,
    }  # fmt: skip
    rows.append(row)
    return row


# Recorded of a server whose Gaia was a stand-in.
STAR = {
    "str": "{name}_k1   10 00 27.65 +02 12 30.80 2000.0 raoffset=3.872 decoffset=-9.923 # "
    'dist=10.66"; 15.53 mag; 3.872" E, 9.923" S PA=158.69 deg ID=292253598926159162',
    "ra": 150.11522371959163, "dec": 2.208556500171343, "name": "{name}_k1",
    "dras": '3.872" E', "ddecs": '9.923" S', "mag": 15.532706167787758,
    "pa": 158.68613425110982,
}  # fmt: skip


@route("GET", f"sources/{ID}/offsets")
def offsets(call, name):
    entry = object_of(call, name)
    if call.params.get("facility", "Keck") not in skyportal_events.FACILITIES:
        raise RefusalError(400, "Invalid facility")
    star = {k: v.format(name=name) if isinstance(v, str) else v for k, v in STAR.items()}
    first = {
        "str": f"{name}      10 00 27.91 +02 12 20.88 2000.0 # source_name={name}",
        "ra": entry["ra"], "dec": entry["dec"], "name": name,
    }  # fmt: skip
    stars = [first, star][: 1 + call.number("num_offset_stars", 3)]
    return {
        "facility": "Keck", "starlist_info": stars, "ra": entry["ra"], "dec": entry["dec"],
        "starlist_str": "\n".join(one["str"] for one in stars).replace(" ", "&nbsp;"),
        "noffsets": len(stars) - 1, "queries_issued": 1, "query": "SELECT ...",
        "used_ztfref": True, "gaia_available": True,
    }  # fmt: skip

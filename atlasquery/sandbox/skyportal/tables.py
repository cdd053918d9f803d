"""Routes of the embedded SkyPortal for tables: groups, instruments, runs, spectra."""

import math
from collections.abc import Callable
from typing import Any

from .events import FACILITIES
from .routes import ID, NUMBER, PortalCall, PortalError, route
from .state import SITE_TIME, ZP, PortalState, Row, separation

__all__ = ["TREE", "add_spectrum"]


def kept(call: PortalCall, name: str, first: Any) -> Any:
    """Return rows of the state, at first those given."""
    return call.state.tables.setdefault(name, first)


def dated(**row: Any) -> Row:
    """Return a row with the times of creation and change."""
    return {"modified": SITE_TIME, "created_at": SITE_TIME, **row}


def telescope_of(call: PortalCall, number: int) -> Any:
    """Return a telescope with all its fields."""
    known = call.state.telescopes.get(number, {"id": number, "name": f"telescope {number}"})
    return dated(**{
        "nickname": None, "lat": 20.7075, "elevation": 3041.0, "skycam_link": "",
        "fixed_location": True, "lon": -156.2569, "diameter": 0.5, "weather_link": "",
        "robotic": True, **known,
    })  # fmt: skip


def instrument_of(call: PortalCall, number: int) -> Any:
    """Return an instrument with all its fields."""
    known = call.state.instruments.get(number, {"id": number, "name": None, "filters": []})
    return dated(**{
        "telescope_id": 1, "listener_classname": None, "treasuremap_id": None,
        "sensitivity_data": None, "tns_id": None, "configuration_data": None, "across_id": None,
        "type": "imager", "last_status_update": None, "has_fields": False,
        "api_classname": "ATLASAPI" if number == 1 else None, "has_region": False,
        "band": "optical", "api_classname_obsplan": None, **known,
    })  # fmt: skip


def placed(call: PortalCall, number: int) -> Any:
    """Return an instrument with its telescope."""
    row = instrument_of(call, number)
    return {**row, "telescope": telescope_of(call, row["telescope_id"])}


@route("GET", "groups")
def groups(call: PortalCall) -> Any:
    """Return the groups."""
    every = list(call.state.groups.values())
    mine = [one for one in every if one["id"] in call.user["groups"]]
    if "name" in call.params:
        return [one for one in mine if one["name"] == call.params["name"]]
    plain = [{**one, "streams": []} for one in mine if not one["single_user_group"]]
    return {
        "user_groups": mine, "user_accessible_groups": plain,
        "all_groups": [{**one, "streams": []} for one in every if not one["single_user_group"]],
    }  # fmt: skip


@route("GET", "filters")
def filters(call: PortalCall) -> Any:
    """Return the filters of candidates."""
    return [
        dated(**{"broker_id": None, "autosave": False, "altdata": None, **one})
        for one in call.state.filters.values()
        if one["group_id"] in call.user["groups"]
    ]


@route("GET", "streams")
def streams(call: PortalCall) -> Any:
    """Return the streams."""
    first = {"altdata": {"collection": "ATLAS"}, "id": 1, "name": "ATLAS stream"}
    return kept(call, "streams", [dated(auto_join=False, **first)])


@route("GET", "instrument")
def instruments(call: PortalCall) -> Any:
    """Return the instruments."""
    extra = {"region": None, "number_of_fields": 0, "region_summary": "", "log_exists": False}
    return [{**placed(call, number), **extra} for number in call.state.instruments]


@route("GET", f"instrument/{NUMBER}")
def instrument(call: PortalCall, number: str) -> Any:
    """Return an instrument."""
    if int(number) not in call.state.instruments:
        raise PortalError(400, f"No instrument with ID: {number}")
    extra = {"region": None, "status": None, "log_exists": False}
    return {**instrument_of(call, int(number)), **extra}


@route("GET", "telescope")
def telescopes(call: PortalCall) -> Any:
    """Return the telescopes."""
    rows = []
    for number in call.state.telescopes:
        row = telescope_of(call, number)
        fixed = row["fixed_location"]
        ours = [n for n, one in call.state.instruments.items() if one["telescope_id"] == number]
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
def taxonomies(call: PortalCall) -> Any:
    """Return the taxonomies."""
    return [
        dated(
            id=one["id"], name=one["name"], hierarchy=TREE, provenance=None, version="1.0",
            isLatest=True, groups=[call.state.groups[3], call.state.groups[4]],
        )
        for one in call.state.taxonomies.values()
    ]  # fmt: skip


def an_allocation(call: PortalCall) -> Any:
    """Return the allocation that an instance has at first."""
    return dated(
        id=1, default_share_group_ids=[], types=["triggered", "forced_photometry"], group_id=3,
        pi="A. Person", proposal_id="P1", instrument_id=1, hours_allocated=100.0,
        validity_ranges=[
            {"end_date": "2027-12-31T00:00:00", "start_date": "2027-01-01T00:00:00"},
            {"end_date": "2026-06-30T00:00:00", "start_date": "2026-01-01T00:00:00"},
        ], instrument=placed(call, 1), allocation_users=[],
    )  # fmt: skip


@route("GET", "allocation")
def allocations(call: PortalCall) -> Any:
    """Return the allocations."""
    rows = kept(call, "allocations", [an_allocation(call)])
    wanted = call.params.get("instrument_id")
    return [row for row in rows if wanted in (None, str(row.get("instrument_id")))]


@route("GET", "observing_run")
def runs(call: PortalCall) -> Any:
    """Return the observing runs."""
    first = dated(
        id=1, instrument_id=2, duration=1, calendar_date="2026-12-24", pi="X", observers="Y",
        run_end_utc="2026-12-24T16:57:28.953000", group_id=3, owner_id=1,
        instrument=placed(call, 2),
    )  # fmt: skip
    return kept(call, "runs", [first])


@route("GET", f"observing_run/{NUMBER}")
def run(call: PortalCall, number: str) -> Any:
    """Return an observing run with its assignments."""
    found = next((one for one in runs(call) if one["id"] == int(number)), None)
    if found is None:
        raise PortalError(400, f"Cannot find ObservingRun with ID {number}")
    rows = [
        one
        for one in call.state.tables.get("assignments", {}).values()
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


def object_of(call: PortalCall, name: str) -> Any:
    """Return an object, or refuse an unknown one."""
    if name not in call.state.objects:
        raise PortalError(404, "Source not found")
    return call.state.objects[name]


@route("GET", f"sources/{ID}/spectra")
def spectra(call: PortalCall, name: str) -> Any:
    """Return the spectra of an object."""
    if name not in call.state.objects:
        raise PortalError(400, "Invalid object ID.")
    rows = call.state.tables.get("spectra", [])
    person = call.state.person("admin")
    found = []
    for row in rows:
        if row["obj_id"] == name:
            found.append({
                "instrument_id": 2, "units": None, "assignment_id": None,
                "followup_request_id": None, "errors": None, "altdata": None, "origin": None,
                "original_file_filename": None, "type": "source", "owner_id": 1, "label": "LRIS",
                "instrument": placed(call, 2), "owner": person, "pis": [person],
                "groups": [call.state.groups[3]], "reducers": [person], "observers": [person],
                "comments": [], "annotations": [], "instrument_name": "ZTF", "telescope_id": 1,
                "telescope_name": "ATLAS telescope", "observed_at_mjd": 60329.4,
                "external_pi": None, "external_reducer": None, "external_observer": None,
                **dated(), **row,
            })  # fmt: skip
    return {"obj_id": name, "spectra": found}


@route("GET", f"sources/{ID}/groups")
def groups_of(call: PortalCall, name: str) -> Any:
    """Return the groups that an object is saved to."""
    object_of(call, name)
    return [call.state.groups[number] for number in call.state.saved.get(name, {})]


@route("GET", f"sources/{ID}/position")
def position(call: PortalCall, name: str) -> Any:
    """Return the position of an object."""
    entry = object_of(call, name)
    whole = call.state.placed(entry)
    first = entry["ra_dis"] or entry["ra"], entry["dec_dis"] or entry["dec"]
    return {
        "ra": entry["ra"], "dec": entry["dec"], "gal_lon": whole["gal_lon"],
        "gal_lat": whole["gal_lat"], "ebv": 0.05,
        "separation": separation(entry["ra"], entry["dec"], *first) * 3600,
        "discovery_ra": first[0], "discovery_dec": first[1],
    }  # fmt: skip


@route("GET", f"sources/{ID}/phot_stat")
def phot_stat(call: PortalCall, name: str) -> Any:
    """Return statistics of the photometry of an object."""
    points = call.state.points_of(name)
    if not points:
        raise PortalError(400, f'Could not find a PhotStat for object with id "{name}". ')
    bands = sorted({p["filter"] for p in points})

    def of(
        band: str | None, value: Callable[[Row], Any], pick: Callable[[list[Any]], Any] = len
    ) -> Any:
        rows = [p for p in points if band in (None, p["filter"])]
        found = [v for p in rows if (v := value(p)) is not None]
        return pick(found) if found else (0 if pick is len else None)

    def mag(p: Row) -> float | None:
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
def source_exists(call: PortalCall, name: str) -> Any:
    """Return whether a source has a name."""
    saved = name in call.state.saved
    words = f"A source with the name {name} already exists."
    return {
        "source_exists": saved,
        "message": words if saved else f"No sources exist with the name {name}.",
    }


@route("GET", "source_exists")
def source_exists_at(call: PortalCall) -> Any:
    """Return whether there is a source at a position."""
    ra, dec, radius = (float(call.params[key]) for key in ("ra", "dec", "radius"))
    near = [
        name
        for name in call.state.saved
        if separation(ra, dec, *(call.state.objects[name][k] for k in ("ra", "dec"))) <= radius
    ]
    words = f"Sources at that location already exist: {','.join(near)}."
    return {
        "source_exists": bool(near),
        "message": words if near else "No sources exist at that location.",
    }


def add_spectrum(
    state: PortalState, name: str, observed_at: str = "2024-01-20T10:11:12", **extra: Any
) -> Row:
    """Add a spectrum to the state.

    Parameters
    ----------
    state : PortalState
        The state of the instance.
    name : str
        The object.
    observed_at : str, optional
        Time of the observation.
    **extra : object
        Other fields; wavelengths and fluxes among them.

    Returns
    -------
    dict
        The spectrum.
    """
    rows = state.tables.setdefault("spectra", [])
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
def offsets(call: PortalCall, name: str) -> Any:
    """Return offset stars of an object."""
    entry = object_of(call, name)
    if call.params.get("facility", "Keck") not in FACILITIES:
        raise PortalError(400, "Invalid facility")
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

"""Routes of the embedded SkyPortal that store and delete photometry."""

import math
import uuid
from typing import Any

from .reads import readable
from .routes import PortalCall, PortalError, route
from .state import ZP, Row

BOTH = {
    "obj_id", "instrument_id", "mjd", "filter", "magsys", "group_ids", "stream_ids", "origin",
    "ra", "dec", "ra_unc", "dec_unc", "altdata", "assignment_id",
}  # fmt: skip
MAG = BOTH | {"mag", "magerr", "limiting_mag", "limiting_mag_nsigma", "magref", "e_magref"}
FLUX = BOTH | {"flux", "fluxerr", "zp", "ref_flux", "ref_fluxerr", "ref_zp"}
NEEDED = {"mag": ("limiting_mag",), "flux": ("fluxerr", "zp")}
MOST_ROWS = 10000
# Of the database: each row is stored for each group with four values, in one statement.
MOST_VALUES = 65535
TOO_MANY = """Traceback (most recent call last):
  File "/skyportal/skyportal/handlers/api/photometry.py", line 1847, in post
    ids, upload_id = await insert_new_photometry_data(
sqlalchemy.exc.OperationalError: (psycopg.OperationalError) sending query and params failed: \
number of parameters must be between 0 and 65535
(Background on this error at: https://sqlalche.me/e/20/e3q8)
"""
TRACEBACK = """Traceback (most recent call last):
  File "/skyportal/skyportal/handlers/api/photometry.py", line 1472, in post
    ids, upload_id = await insert_new_photometry_data(
marshmallow.exceptions.ValidationError: The following photometry already exists in the database \
(deduplication keys: obj_id, instrument_id, origin, mjd, fluxerr, flux): """


def faults(body: Row, allowed: set[str], needed: tuple[str, ...]) -> dict[str, list[str]]:
    """Return what is wrong with the fields of an upload, by name."""
    found = {key: ["Missing data for required field."] for key in needed if key not in body}
    found |= {key: ["Unknown field."] for key in body if key not in allowed}
    values = body.get("fluxerr")
    if allowed is FLUX and (values is None or None in as_list(values)) and "fluxerr" in body:
        found["fluxerr"] = ["fluxerr must be a number or list of numbers"]
    return found


def as_list(value: Any) -> list[Any]:
    """Return a list, of one value if it is none."""
    return value if isinstance(value, list) else [value]


def form_of(body: Row) -> str:
    """Return the space of an upload, flux or mag."""
    mag, flux = faults(body, MAG, NEEDED["mag"]), faults(body, FLUX, NEEDED["flux"])
    if mag and flux:
        raise PortalError(
            400,
            f'Invalid input format: Tried to parse data in mag space, got: "{mag}." Tried to '
            f'parse data in flux space, got: "{flux}."',
        )
    return "flux" if mag else "mag"


def rows_of(body: Row) -> list[Row]:
    """Return the packets of an upload: scalars go with all of them."""
    altdata = body.pop("altdata", None)
    plain = {key: value for key, value in body.items() if key not in ("group_ids", "stream_ids")}
    lengths = {len(value) for value in plain.values() if isinstance(value, list)}
    if len(lengths) > 1:
        raise PortalError(
            400,
            "Unable to coerce passed JSON to a series of packets. Error was: "
            '"All arrays must be of the same length"',
        )
    count = lengths.pop() if lengths else 1
    rows = [
        {key: value[n] if isinstance(value, list) else value for key, value in plain.items()}
        for n in range(count)
    ]
    for n, row in enumerate(rows):
        extra = {k: v[n] if isinstance(v, list) else v for k, v in (altdata or {}).items()}
        row["altdata"] = {k: v for k, v in extra.items() if v not in (None, "")} or None
    return rows


def point_of(row: Row, form: str) -> tuple[float | None, float, float | None]:
    """Return the flux, its error and the limit that are stored of a packet."""
    numbers = [v for v in row.values() if isinstance(v, float)]
    if not all(map(math.isfinite, numbers)):
        raise PortalError(400, f"Error parsing packet: a field must be finite: {row}")
    if form == "flux":
        factor = 10 ** (0.4 * (ZP - row["zp"]))
        flux = row.get("flux")
        return None if flux is None else flux * factor, row["fluxerr"] * factor, None
    mag, magerr = row.get("mag"), row.get("magerr")
    if (mag is None) != (magerr is None):
        raise PortalError(
            400,
            f'Error parsing packet "{row}": mag and magerr must both be null, or both be not null.',
        )
    limit = row["limiting_mag"]
    if mag is None or magerr is None:
        # See docs/servers/skyportal.rst, "Limits of uploaded magnitudes".
        return None, 10 ** (-0.4 * (limit - ZP)) / row.get("limiting_mag_nsigma", 3.0), limit
    flux = 10 ** (-0.4 * (mag - ZP))
    return flux, magerr / (2.5 / math.log(10)) * flux, limit


def check(call: PortalCall, rows: list[Row]) -> None:
    """Refuse rows that the server does not accept."""
    state = call.state
    if len(rows) > MOST_ROWS:
        raise PortalError(
            400,
            f"Maximum number of photometry rows to post exceeded: {len(rows)} > {MOST_ROWS}. "
            "Please break up the data into smaller sets and try again",
        )
    for row in rows:
        instrument = state.instruments.get(row["instrument_id"])
        if instrument is None:
            raise PortalError(400, f"Invalid instrument ID: {row['instrument_id']}")
        if row["obj_id"] not in state.objects:
            raise PortalError(400, f"Invalid object ID: {row['obj_id']}")
        if row["filter"] not in instrument["filters"]:
            raise PortalError(
                400, f"Instrument {instrument['name']} has no filter {row['filter']}."
            )


def groups_of(call: PortalCall, body: Row) -> list[int]:
    """Return the groups that see an upload."""
    asked = body.get("group_ids", [])
    if asked == "all":
        asked = [3]
    missing = {number for number in asked if number not in call.state.groups}
    if missing:
        raise PortalError(400, f"Invalid group IDs: {missing}. Available group IDs: set()")
    single_user = [n for n in call.user["groups"] if call.state.groups[n]["single_user_group"]]
    # See docs/servers/skyportal.rst, "Rows times groups".
    return list(dict.fromkeys([*asked, *single_user]))


def check_values(rows: int, groups: list[int]) -> None:
    """Refuse an upload of too many rows for its groups."""
    if rows * len(groups) * 4 > MOST_VALUES:
        raise PortalError(400, TOO_MANY)


def key_of(point: Row) -> tuple[Any, ...]:
    """Return what the server tells points apart by: the filter is not in it."""
    names = ("obj_id", "instrument_id", "origin", "mjd", "fluxerr", "flux")
    return tuple(point[name] for name in names)


def read(call: PortalCall) -> tuple[list[Row], list[int]]:
    """Return the points of an upload, not stored yet, and their groups."""
    body = dict(call.json)
    groups = groups_of(call, body)
    form = form_of(body)
    rows = rows_of(body)
    points = []
    check(call, rows)
    for name in {row["obj_id"] for row in rows}:
        call.state.load_photometry(name)
    for row in rows:
        flux, error, limit = point_of(row, form)
        points.append({
            "obj_id": row["obj_id"], "mjd": float(row["mjd"]), "filter": row["filter"],
            "flux": flux, "fluxerr": error, "limiting_mag": limit, "ra": row.get("ra"),
            "dec": row.get("dec"), "instrument_id": row["instrument_id"],
            # See docs/servers/skyportal.rst, "Strings that mean null".
            "origin": row.get("origin") or "None", "altdata": row["altdata"],
        })  # fmt: skip
    return points, groups


def store(call: PortalCall, points: list[Row], groups: list[int]) -> tuple[list[int], str]:
    """Store points, and return their numbers and the upload id."""
    upload = str(uuid.uuid4())
    numbers = []
    for point in points:
        known = {k: v for k, v in point.items() if k not in ("mjd", "filter", "flux", "fluxerr")}
        name = known.pop("obj_id")
        values = (point["mjd"], point["filter"], point["flux"], point["fluxerr"])
        number = call.state.add_point(
            name, *values, **known, group_ids=list(groups), upload_id=upload,
            owner_id=call.user["id"],
        )  # fmt: skip
        numbers.append(number)
    return numbers, upload


@route("POST", "photometry", permission="Upload data")
def post(call: PortalCall) -> Any:
    """Store photometry; all of it, or nothing."""
    points, groups = read(call)
    existing = {key_of(point) for point in call.state.points.values()}
    twice = []
    for point in points:
        if key_of(point) in existing:
            twice.append(key_of(point))
        existing.add(key_of(point))
    if twice:
        # See docs/servers/skyportal.rst, "Uploading photometry".
        raise PortalError(400, f"{TRACEBACK}{twice}\n")
    check_values(len(points), groups)
    numbers, upload = store(call, points, groups)
    return {"ids": numbers, "upload_id": upload}


@route("PUT", "photometry", permission="Upload data")
def put(call: PortalCall) -> Any:
    """Store what is not there yet, and widen the groups of the rest."""
    points, groups = read(call)
    # Of all accounts: it finds those that the uploader may not see, too.
    existing = {key_of(point): number for number, point in call.state.points.items()}
    new = [point for point in points if key_of(point) not in existing]
    wider = [n for p in points if (n := existing.get(key_of(p))) is not None]
    check_values(max(len(new), len(wider)), groups)
    for number in wider:
        stored = call.state.points[number]
        stored["group_ids"] = list(dict.fromkeys([*stored["group_ids"], *groups]))
    numbers, _ = store(call, new, groups)
    existing |= {key_of(point): number for point, number in zip(new, numbers, strict=True)}
    # It has an upload id, too, and does not say it.
    return {"ids": [existing[key_of(point)] for point in points]}


def deletable(call: PortalCall, point: Row) -> bool:
    """Return whether the user may delete a point: its owner, and administrators."""
    return point["owner_id"] == call.user["id"] or "System admin" in call.user["acls"]


@route("DELETE", r"photometry/bulk_delete/(.+)", permission="Delete bulk photometry")
def undo(call: PortalCall, upload: str) -> Any:
    """Delete the points of an upload."""
    numbers = [
        n
        for n, point in call.state.points.items()
        if point["upload_id"] == upload and deletable(call, point)
    ]
    if not numbers:
        raise PortalError(400, "Invalid bulk upload id.")
    for number in numbers:
        del call.state.points[number]
    return f"Deleted {len(numbers)} photometry point(s)."


@route("DELETE", r"photometry/([0-9]+)", permission="Upload data")
def drop(call: PortalCall, number: str) -> Any:
    """Delete a point."""
    point = call.state.point(int(number))
    if point is not None and deletable(call, point):
        del call.state.points[int(number)]
    elif point is not None and readable(call, point):
        raise PortalError(
            400,
            f"You do not have permission to delete photometry point {number}. You must be its "
            "owner or have the 'Manage photometry' permission.",
        )
    else:
        raise PortalError(400, f"Cannot find photometry point with ID: {number}.")

"""Routes of the SkyPortal double for galaxies, events, charts and analyses."""

import io

import numpy as np
from astropy.io import fits
from skyportal_routes import Answer, RefusalError, route
from skyportal_sky import separation

ID = r"([0-9A-Za-z\-_.+]+)"
NUMBER = r"([0-9]+)"
MADE = "2026-11-20T17:54:19.645739"
PNG = b"\x89PNG\r\n\x1a\n" + b"a chart of the double"
PDF = b"%PDF-1.4 a chart of the double"
MAX_GALAXIES = 1000
GALAXY = (
    "magk", "b2a", "redshift", "mag_fuv", "pa", "mag_nuv", "btc", "redshift_error", "mag_w1",
    "alt_name", "sfr_fuv", "mag_w2", "sfr_w4", "mag_w3", "distmpc", "mstar", "mag_w4",
    "distmpc_unc", "magb", "a",
)  # fmt: skip


def add_galaxy(sky, name, ra, dec, **more):
    """Add a galaxy to the state."""
    rows = sky.tables.setdefault("galaxies", [])
    row = {
        "id": len(rows) + 1, "name": name, "ra": ra, "dec": dec, "catalog_id": 1,
        "healpix": 1221432781206486130, "modified": MADE, "created_at": MADE,
        **dict.fromkeys(GALAXY), **more,
    }  # fmt: skip
    rows.append(row)
    return row


@route("GET", "galaxy_catalog")
def galaxies(call):
    rows = list(call.sky.tables.get("galaxies", []))
    if call.truth("catalogNamesOnly"):
        return [{"catalog_name": "CLU_test", "catalog_count": len(rows)}] if rows else []
    if "radius" in call.params:
        ra, dec, radius = (float(call.params[key]) for key in ("ra", "dec", "radius"))
        rows = [one for one in rows if separation(ra, dec, one["ra"], one["dec"]) <= radius]
    for key, wire in (("redshift", "Redshift"), ("distmpc", "Distance")):
        low, high = (call.params.get(f"{end}{wire}") for end in ("min", "max"))
        rows = [
            one
            for one in rows
            if (low is None or (one[key] is not None and one[key] >= float(low)))
            and (high is None or (one[key] is not None and one[key] <= float(high)))
        ]
    if "galaxyName" in call.params:
        rows = [one for one in rows if call.params["galaxyName"].lower() in one["name"].lower()]
    key = call.params.get("sortBy", "id")
    up = call.params.get("sortOrder") != "desc"
    rows.sort(key=lambda one: (one[key] is None, one[key] if one[key] is not None else 0))
    rows = rows if up else rows[::-1]
    # "The page key is page" (contract); a test may say what this server reads.
    page = call.number(call.sky.tables.get("galaxy_page", "page"), 1)
    size = min(call.number("numPerPage", MAX_GALAXIES), MAX_GALAXIES)
    shown = rows[(page - 1) * size : page * size]
    return {"galaxies": shown, "totalMatches": len(rows), "page": page, "numPerPage": size}


def add_event(sky, dateobs="2018-01-16T00:36:53", maps=("214.74000_28.14000_11.19000",), **more):
    """Add an event with its sky maps to the state; each map is later than the one before."""
    rows = sky.tables.setdefault("events", [])
    number = len(rows) + 1
    row = {
        "created_at": MADE, "dateobs": dateobs, "tach_id": None, "sent_by_id": 1, "id": number,
        "event_users_ids": None, "trigger_id": "537755817", "aliases": ["FERMI#bn180116026"],
        "modified": MADE, "gcn_triggers": [], "observationplan_requests": [],
        "tags": ["Fermi", "GRB"],
        "gcn_notices": [{
            "ivorn": "ivo://nasa.gsfc.gcn/Fermi", "stream": "Fermi", "dateobs": dateobs,
            "localization_ingested": True, "modified": MADE, "created_at": MADE, "id": number,
            "notice_type": "FERMI_GBM_GND_POS", "notice_format": "voevent", "sent_by_id": 1,
            "date": "2018-01-16T00:37:05", "has_localization": True,
        }],
        "localizations": [
            {
                "modified": MADE, "id": n, "created_at": f"2026-11-20T17:54:{19 + n}",
                "localization_name": name, "sent_by_id": 1, "notice_id": 1, "dateobs": dateobs,
                "tags": [],
            }
            for n, name in enumerate(maps, start=1)
        ], **more,
    }  # fmt: skip
    rows.append(row)
    return row


@route("GET", "gcn_event")
def events(call):
    rows = list(call.sky.tables.get("events", []))
    given = call.params
    rows = [
        one
        for one in rows
        if given.get("startDate", "") <= one["dateobs"] <= given.get("endDate", "9999")
    ]
    if "gcnTagKeep" in given and not call.sky.tables.get("old_filters"):
        rows = [one for one in rows if set(call.listed("gcnTagKeep")) & set(one["tags"])]
    if "gcnTagRemove" in given and not call.sky.tables.get("old_filters"):
        rows = [one for one in rows if not set(call.listed("gcnTagRemove")) & set(one["tags"])]
    if "partialdateobs" in given:
        part = given["partialdateobs"]
        rows = [
            one
            for one in rows
            if one["dateobs"].startswith(part) or any(part in alias for alias in one["aliases"])
        ]
    if given.get("sortBy") == "dateobs":
        rows.sort(key=lambda one: one["dateobs"], reverse=given.get("sortOrder") == "desc")
    page, size = call.number("pageNumber", 1), min(call.number("numPerPage", 10), 100)
    return {"events": rows[(page - 1) * size : page * size], "totalMatches": len(rows)}


@route("GET", r"gcn_event/([0-9T:\-]+)")
def event(call, dateobs):
    for one in call.sky.tables.get("events", []):
        if one["dateobs"] == dateobs:
            return one
    raise RefusalError(404, "GCN event not found")


def sky_map(*, flat=False, distances=False, units=True):
    """Return a FITS file of a sky map: twelve times four pixels, the first twice as probable."""
    density = np.ones(48)
    density[0] = 2.0
    density /= np.sum(density * 4 * np.pi / 48)
    if flat:
        columns = [fits.Column("PROB", "D", "pix-1", array=density * 4 * np.pi / 48)]
    else:
        unit = "sr-1" if units else None
        columns = [
            fits.Column("UNIQ", "K", array=4 * 4 + np.arange(48)),
            fits.Column("PROBDENSITY", "D", unit, array=density),
        ]
    if distances:
        for name, unit in (("DISTMU", "Mpc"), ("DISTSIGMA", "Mpc"), ("DISTNORM", "Mpc-2")):
            columns.append(fits.Column(name, "D", unit if units else None, array=np.full(48, 40.0)))
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header["ORDERING"] = "NESTED" if flat else "NUNIQ"
    hdu.header["DISTMEAN"] = 40.2
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    return file.getvalue()


@route("GET", r"localization/([0-9T:\-.]+)/name/(.+)/download")
def localization(call, dateobs, name):
    for one in call.sky.tables.get("events", []):
        known = [each["localization_name"] for each in one["localizations"]]
        if one["dateobs"] == dateobs and name in known:
            body = call.sky.tables.get("sky_map") or sky_map()
            raise Answer(200, body, "application/fits")
    raise RefusalError(404, "Localization not found")


@route("GET", "unsourced_finder")
def finder(call):
    given = call.params
    if given.get("location_type") not in ("gaia_dr3", "gaia_dr2", "pos"):
        raise RefusalError(400, "Invalid argument for `location_type`")
    if not 2 <= float(given.get("imsize", 4)) <= 15:
        raise RefusalError(400, "The value for `imsize` is outside the allowed range")
    if given["location_type"] != "pos" and int(given["catalog_id"]) == 404:
        raise RefusalError(400, "Source 404 not found in the catalog")
    kind = given.get("type", "pdf")
    raise Answer(200, PNG if kind == "png" else PDF, f"image/{kind}")


@route("GET", "analysis_service")
def services(call):
    first = {
        "id": 1, "name": "salt", "display_name": "SALT", "upload_only": False, "timeout": 3600,
        "description": "Fits a light curve", "version": "1.0",
        "analysis_type": "lightcurve_fitting",
        "input_data_types": ["photometry", "redshift"], "enabled": True, "groups": [],
        "optional_analysis_parameters": {"source": ["salt2", "salt3"]}, "is_summary": False,
        "url": "http://127.0.0.1:6802/analysis", "authentication_type": "api_key",
        "contact_name": None, "contact_email": None, "modified": MADE, "created_at": MADE,
    }  # fmt: skip
    return call.sky.tables.setdefault("services", [first])


def add_analysis(sky, name, **more):
    """Add an analysis to the state; what a route gives are its ``products``."""
    number = sky.next_id("analysis")
    row = {
        "id": number, "obj_id": name, "analysis_service_id": 1, "status": "completed",
        "status_message": "Good results", "created_at": MADE, "modified": MADE, "duration": 12.5,
        "analysis_service_name": "SALT", "analysis_parameters": {"source": "salt2"},
        "last_activity": MADE, "author_id": 1, "show_plots": True, "show_corner": True,
        "show_parameters": True, "token": "key-of-a-service", "groups": [sky.groups[3]], **more,
    }  # fmt: skip
    sky.tables.setdefault("analyses", {})[number] = row
    return row


@route("GET", "obj/analysis")
def analyses(call):
    wanted = call.params.get("objID")
    if wanted is not None and wanted not in call.sky.objects:
        raise RefusalError(404, f"Obj {wanted} not found")
    rows = call.sky.tables.get("analyses", {}).values()
    hidden = ("products", "num_plots")
    return [
        {key: value for key, value in row.items() if key not in hidden}
        for row in rows
        # A part of a name is enough for the server.
        if wanted is None or wanted in row["obj_id"]
    ]


def analysis_of(call, number):
    row = call.sky.tables.get("analyses", {}).get(int(number))
    if row is None:
        raise RefusalError(403, "Cannot access this Analysis.")
    return row


@route("GET", f"obj/analysis/{NUMBER}")
def analysis(call, number):
    row = {key: value for key, value in analysis_of(call, number).items() if key != "products"}
    return {"num_plots": 0, **row}


@route("GET", f"obj/analysis/{NUMBER}/(corner|results|plots)/{NUMBER}")
def product(call, number, kind, which):
    products = analysis_of(call, number).get("products", {})
    found = products.get(kind)
    if kind == "plots" and found is not None:
        found = found[int(which)] if int(which) < len(found) else None
    if found is None:
        raise RefusalError(404, f"No {kind} data found for this Analysis.")
    if kind == "results":
        return found
    raise Answer(200, found, "image/png")

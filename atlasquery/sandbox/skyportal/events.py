"""Routes of the embedded SkyPortal for galaxies, events, sky maps, charts and analyses."""

import functools
import io
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..http import Response
from .routes import NUMBER, PortalCall, PortalError, route
from .state import PortalState, Row, separation

__all__ = ["FACILITIES", "SALT", "add_analysis", "add_event", "add_galaxy", "png",
           "sky_map"]  # fmt: skip

GALAXY = (
    "alt_name", "redshift", "redshift_error", "distmpc", "distmpc_unc", "sfr_fuv", "sfr_w4",
    "mstar", "magk", "magb", "mag_fuv", "mag_nuv", "mag_w1", "mag_w2", "mag_w3", "mag_w4", "a",
    "b2a", "pa", "btc",
)  # fmt: skip
FACILITIES = {
    "Keck": {"radius_degrees": 2 / 60, "mag_limit": 18.5, "mag_min": 11.0, "min_sep_arcsec": 4.0},
    "P200": {"radius_degrees": 2 / 60, "mag_limit": 18.0, "mag_min": 10.0, "min_sep_arcsec": 5.0},
}
SALT = {
    "id": 1, "name": "salt", "display_name": "SALT", "description": "Fits SALT2.", "version": "1",
    "analysis_type": "lightcurve_fitting", "input_data_types": ["photometry", "redshift"],
    "optional_analysis_parameters": {"source": ["salt2", "salt3"]}, "upload_only": False,
    "is_summary": False, "timeout": 3600.0, "url": "http://localhost:6801/analysis/salt",
    "contact_name": "A. Person", "contact_email": "a@example.org", "groups": [],
    "authinfo": {"header_token": "a-secret-of-the-service"},
    "created_at": "2026-11-20T17:50:00.000001", "modified": "2026-11-20T17:50:00.000001",
}  # fmt: skip


def rows_of(state: PortalState, name: str) -> dict[Any, Any]:
    """Return the rows of a table of the state by number or name."""
    return state.tables.setdefault(name, {})


def add_galaxy(
    state: PortalState, name: str, ra: float, dec: float, catalog: str = "CLU", **extra: Any
) -> None:
    """Add a galaxy to a catalogue.

    Parameters
    ----------
    state : PortalState
        The state of the instance.
    name : str
        Name of the galaxy.
    ra, dec : float
        Its position in degrees.
    catalog : str, optional
        Name of the catalogue.
    **extra : object
        Other columns.
    """
    catalogs = state.tables.setdefault("catalogs", {})
    number, created = state.next_id("galaxy"), state.stamp()
    rows_of(state, "galaxies")[number] = {
        **dict.fromkeys(GALAXY), "id": number, "name": name, "ra": ra, "dec": dec,
        "catalog_id": catalogs.setdefault(catalog, len(catalogs) + 1), "healpix": 12 * 4**20,
        "created_at": created, "modified": created, **extra,
    }  # fmt: skip


def _within(call: PortalCall, row: Row) -> bool:
    # The server reads bounds on the mass, and does nothing with them.
    for name, value in (("Redshift", row["redshift"]), ("Distance", row["distmpc"])):
        low, high = call.params.get(f"min{name}"), call.params.get(f"max{name}")
        if name == "Distance" and "localizationDateobs" in call.params:
            # Within 3 sigma of the distance of the event.
            near, far = call.state.tables.get("reach", (None, None))
            low, high = low or near, high or far
        if (
            name == "Distance"
            and low is not None
            and high is not None
            and float(high) <= float(low)
        ):
            # Silently, and so are bounds that are equal.
            low = None
        if low is not None and (value is None or value < float(low)):
            return False
        if high is not None and (value is None or value > float(high)):
            return False
    return True


@route("POST", "galaxy_catalog/glade", permission="System admin")
def glade(call: PortalCall) -> Any:
    """Refuse to load GLADE: the route is broken."""
    raise PortalError(
        500, "GalaxyCatalogHandler.post() takes 1 positional argument but 2 were given"
    )


@route("GET", "galaxy_catalog")
def galaxies(call: PortalCall) -> Any:
    """Return a page of galaxies."""
    catalogs = call.state.tables.get("catalogs", {})
    rows = list(rows_of(call.state, "galaxies").values())
    if call.truth("catalogNamesOnly"):
        counted = {n: sum(r["catalog_id"] == i for r in rows) for n, i in catalogs.items()}
        return [{"catalog_name": n, "catalog_count": found} for n, found in counted.items()]
    if "catalog_name" in call.params:
        if call.params["catalog_name"] not in catalogs:
            name = call.params["catalog_name"]
            raise PortalError(400, f"get_galaxies fails: Catalog with name {name} not found")
        rows = [r for r in rows if r["catalog_id"] == catalogs[call.params["catalog_name"]]]
    cone = [call.params.get(name) for name in ("ra", "dec", "radius")]
    if all(cone):
        ra, dec, radius = (float(value or 0) for value in cone)
        rows = [r for r in rows if separation(ra, dec, r["ra"], r["dec"]) <= radius]
    if "galaxyName" in call.params:
        rows = [r for r in rows if call.params["galaxyName"].lower() in r["name"].lower()]
    if "localizationDateobs" in call.params:
        inside = call.state.tables.get("inside", {})
        rows = [r for r in rows if r["name"] in inside.get(call.params["localizationDateobs"], ())]
    rows = [r for r in rows if _within(call, r)]
    if call.params.get("sortBy") == "name":
        rows.sort(key=lambda r: r["name"], reverse=call.params["sortOrder"] == "desc")
    # One of the two names, as servers differ; the response calls it page (recorded).
    name = call.state.tables.get("galaxy_page", "page")
    number, size = call.number(name, 1), call.number("numPerPage", 1000)
    return {
        "galaxies": [call.state.drifted(r) for r in rows[(number - 1) * size : number * size]],
        "totalMatches": len(rows), "page": number, "numPerPage": size,
    }  # fmt: skip


def add_event(
    state: PortalState,
    dateobs: str,
    *,
    tags: Iterable[str] = ("GRB",),
    maps: Iterable[str] | Mapping[str, bytes | Callable[[], bytes]] = ("flat",),
    **extra: Any,
) -> None:
    """Add an event and its sky maps.

    Parameters
    ----------
    state : PortalState
        The state of the instance.
    dateobs : str
        Time of the event.
    tags : iterable of str, optional
        Its tags.
    maps : iterable of str or mapping of str to bytes or function, optional
        Names of its sky maps, or their files by name; a function returns the file.
    **extra : object
        Other fields.
    """
    number, created = state.next_id("event"), state.stamp()
    # Files are written when they are requested.
    maps = dict(maps) if isinstance(maps, Mapping) else dict.fromkeys(maps)
    rows_of(state, "events")[dateobs] = {
        "created_at": created, "dateobs": dateobs, "tach_id": None, "sent_by_id": 1,
        "event_users_ids": None, "trigger_id": f"{number:06d}", "id": number, "modified": created,
        "aliases": [f"FERMI#bn{number:06d}"], "gcn_triggers": [], "tags": list(tags),
        "gcn_notices": [{"id": number, "notice_type": "FERMI_GBM_GND_POS", "dateobs": dateobs}],
        "localizations": [
            {"id": n, "localization_name": name, "dateobs": dateobs, "tags": []}
            for n, name in enumerate(maps, 1)
        ],
        "observationplan_requests": [], **extra,
    }  # fmt: skip
    rows_of(state, "maps")[dateobs] = maps


@route("GET", "gcn_event")
def events(call: PortalCall) -> Any:
    """Return a page of events."""
    rows = sorted(rows_of(call.state, "events").values(), key=lambda r: r["dateobs"])
    low, high = call.params.get("startDate", ""), call.params.get("endDate", "9")
    rows = [r for r in rows if low[:19] <= r["dateobs"] <= high[:19]]
    keep, drop = call.listed("gcnTagKeep"), call.listed("gcnTagRemove")
    rows = [r for r in rows if keep is None or set(keep) & set(r["tags"])]
    rows = [r for r in rows if drop is None or not set(drop) & set(r["tags"])]
    if call.params.get("sortOrder") == "desc":
        rows.reverse()
    number, size = call.number("pageNumber", 1), min(call.number("numPerPage", 10), 100)
    page = rows[(number - 1) * size : number * size]
    return {"events": [call.state.drifted(r) for r in page], "totalMatches": len(rows)}


@route("GET", r"gcn_event/([0-9T:\-.]+)")
def event(call: PortalCall, dateobs: str) -> Any:
    """Return an event."""
    if dateobs not in rows_of(call.state, "events"):
        raise PortalError(404, "GCN event not found")
    return rows_of(call.state, "events")[dateobs]


@route("GET", r"localization/([0-9T:\-.]+)/name/(.+)/download")
def sky_map_file(call: PortalCall, dateobs: str, name: str) -> Any:
    """Return the file of a sky map."""
    maps = rows_of(call.state, "maps").get(dateobs, {})
    if name not in maps:
        raise PortalError(404, "Localization not found")
    body = maps[name] or sky_map
    return Response(200, body() if callable(body) else body, "application/fits")


@functools.cache
def sky_map(distances: bool = False, order: int = 1, faint: float | None = None) -> bytes:
    """Return a multi-order map: the sky at an order, its first pixel cut in four.

    Parameters
    ----------
    distances : bool, optional
        Whether it has distances.
    order : int, optional
        The order.
    faint : float, optional
        Probability of all pixels but the first.

    Returns
    -------
    bytes
        The file.
    """
    from astropy.io import fits

    number = 12 * 4**order
    uniq = np.concatenate(
        [4 * 4 ** (order + 1) + np.arange(4), 4 * 4**order + np.arange(1, number)]
    )
    area = np.concatenate([np.full(4, 0.25), np.ones(number - 1)]) * 4 * np.pi / number
    # Half of the probability is in the first of the small pixels.
    probability = np.full(len(uniq), 0.5 / (len(uniq) - 1))
    probability[0] = 0.5
    if faint is not None:
        probability[0], probability[1:] = 1.0, faint
    # The real server stores so small a probability as none.
    probability[probability < 1e-300] = 0.0
    columns = [
        fits.Column("UNIQ", "K", array=uniq),
        fits.Column("PROBDENSITY", "D", unit="sr-1", array=probability / area),
    ]
    if distances:
        columns += [
            fits.Column("DISTMU", "D", unit="Mpc", array=np.full(len(uniq), 120.0)),
            fits.Column("DISTSIGMA", "D", unit="Mpc", array=np.full(len(uniq), 30.0)),
            fits.Column("DISTNORM", "D", unit="Mpc-2", array=np.full(len(uniq), 1e-4)),
        ]
    cards = fits.Header(
        {"ORDERING": "NUNIQ", "MOCORDER": order + 1, "OBJECT": "G1", "COORDSYS": "C"}
    )
    return written(fits.BinTableHDU.from_columns(columns, header=cards))


def written(hdu: Any) -> bytes:
    """Return the bytes of a FITS file with one extension."""
    from astropy.io import fits

    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    return file.getvalue()


def png(width: int = 32, height: int = 24) -> bytes:
    """Return a small picture: a grey slope.

    Parameters
    ----------
    width, height : int, optional
        Its size in pixels.

    Returns
    -------
    bytes
        The file.
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    lines = b"".join(b"\0" + bytes(8 * (x % 32) for x in range(width)) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


@route("GET", "finder_chart/facilities")
def facilities(call: PortalCall) -> Any:
    """Return the facilities that finding charts are for."""
    return FACILITIES


@route("GET", "unsourced_finder")
def finder(call: PortalCall) -> Any:
    """Return a finding chart of a position."""
    given = call.params
    if given.get("location_type") not in ("gaia_dr3", "gaia_dr2", "pos"):
        raise PortalError(400, "Invalid argument for `location_type`")
    if not 2.0 <= float(given.get("imsize", 4.0)) <= 15.0:
        raise PortalError(400, "The value for `imsize` is outside the allowed range")
    if given.get("facility", "Keck") not in FACILITIES:
        raise PortalError(400, "Invalid facility")
    if given.get("type", "pdf") == "pdf":
        return Response(200, b"%PDF-1.4\n%%EOF\n", "application/pdf")
    return Response(200, png(), "image/png")


@route("GET", "analysis_service")
def services(call: PortalCall) -> Any:
    """Return the analysis services."""
    return [call.state.drifted(one) for one in call.state.tables.get("services", [SALT])]


def add_analysis(
    state: PortalState,
    name: str,
    *,
    status: str = "completed",
    data: Mapping[str, Any] | None = None,
    **extra: Any,
) -> int:
    """Add an analysis.

    Parameters
    ----------
    state : PortalState
        The state of the instance.
    name : str
        The object.
    status : str, optional
        Status of the analysis.
    data : mapping, optional
        ``results``, ``plots`` and whether there is a ``corner`` plot.
    **extra : object
        Other fields.

    Returns
    -------
    int
        Its number.
    """
    number, created = state.next_id("analysis"), state.stamp()
    rows_of(state, "analyses")[number] = {
        "id": number, "obj_id": name, "analysis_service_id": 1, "status": status,
        "analysis_service_name": "SALT", "analysis_service_description": "Fits SALT2.",
        "status_message": None, "last_activity": created, "duration": 12.5, "author_id": 1,
        "analysis_parameters": {"source": "salt2"}, "show_parameters": True, "show_plots": True,
        "show_corner": True, "hash": "0a", "invalid_after": "2026-12-20T17:50:00", "groups": [],
        "created_at": created, "modified": created, "token": "lets-the-service-send-results",
        **extra,
    }  # fmt: skip
    rows_of(state, "analysis_data")[number] = data or {}
    return number


@route("GET", "obj/analysis")
def analyses(call: PortalCall) -> Any:
    """Return the analyses of an object, or all."""
    stored = rows_of(call.state, "analyses").values()
    # A part of a name is enough.
    rows = [r for r in stored if call.params.get("objID", "") in r["obj_id"]]
    return [call.state.drifted(row) for row in rows]


def _analysis(call: PortalCall, number: str) -> tuple[Row, Row]:
    row = rows_of(call.state, "analyses").get(int(number))
    if row is None:
        raise PortalError(403, "Cannot access this Analysis.")
    return row, rows_of(call.state, "analysis_data").get(int(number), {})


@route("GET", f"obj/analysis/{NUMBER}")
def analysis(call: PortalCall, number: str) -> Any:
    """Return an analysis."""
    row, data = _analysis(call, number)
    return call.state.drifted({**row, "num_plots": len(data.get("plots", ()))})


@route("GET", f"obj/analysis/{NUMBER}/results")
def results(call: PortalCall, number: str) -> Any:
    """Return the results of an analysis."""
    _, data = _analysis(call, number)
    if data.get("results") is None:
        raise PortalError(404, "No results data found for this Analysis.")
    return data["results"]


@route("GET", f"obj/analysis/{NUMBER}/corner")
def corner(call: PortalCall, number: str) -> Any:
    """Return the corner plot of an analysis."""
    _, data = _analysis(call, number)
    if not call.state.draws_corners:
        raise PortalError(404, "Invalid product type: corner")
    if not data.get("corner"):
        raise PortalError(404, "No inference data found for this Analysis.")
    return Response(200, png(), "image/png")


@route("GET", f"obj/analysis/{NUMBER}/plots/{NUMBER}")
def plot(call: PortalCall, number: str, which: str) -> Any:
    """Return a plot of an analysis."""
    _, data = _analysis(call, number)
    plots = data.get("plots", ())
    if int(which) >= len(plots):
        raise PortalError(
            404,
            f"Invalid plot number. There is/are {len(plots)} plot(s) available for this analysis",
        )
    # Whatever it is, it is called so.
    return Response(200, plots[int(which)], "application/octet-stream")

"""The state of the embedded SkyPortal: users, groups, instruments, objects, photometry."""

import math
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

__all__ = ["ADMIN", "OTHER", "PERMISSIONS", "READER", "SITEWIDE", "SITE_TIME", "ZP",
           "PendingPhotometry", "PortalState", "Row", "galactic", "separation"]  # fmt: skip

Row = dict[str, Any]
ADMIN = "11111111-aaaa-4aaa-8aaa-111111111111"
READER = "22222222-bbbb-4bbb-8bbb-222222222222"
OTHER = "33333333-cccc-4ccc-8ccc-333333333333"
PERMISSIONS = (
    "Upload data", "Comment", "Annotate", "Classify", "Manage sources", "Manage allocations",
    "Manage Analysis Services", "Run Analyses", "Delete taxonomy", "Post taxonomy",
    "Manage observing runs", "Manage GCNs", "System admin", "Delete bulk photometry",
)  # fmt: skip
# The group that everybody on the instance is in.
SITEWIDE = 1
# What an account has that is no administrator's.
ORDINARY = ("Upload data", "Comment", "Annotate", "Classify", "Manage sources", "Run Analyses")
START = datetime(2026, 11, 20, 17, 50, 0)
# When what an instance has from the beginning was created.
SITE_TIME = "2026-11-20T17:51:30.699260"
ZP = 23.9


def galactic(ra: float, dec: float) -> tuple[float, float]:
    """Return galactic coordinates.

    Parameters
    ----------
    ra, dec : float
        A position in degrees.

    Returns
    -------
    tuple of float
        Longitude from 0 to 360 and latitude, in degrees.
    """
    a, d = math.radians(ra - 192.85948), math.radians(dec)
    pole = math.radians(27.12825)
    x = math.cos(d) * math.sin(a)
    y = math.sin(d) * math.cos(pole) - math.cos(d) * math.sin(pole) * math.cos(a)
    z = math.sin(d) * math.sin(pole) + math.cos(d) * math.cos(pole) * math.cos(a)
    lon = (122.93192 - math.degrees(math.atan2(x, y))) % 360
    return lon, math.degrees(math.asin(max(-1.0, min(1.0, z))))


def separation(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Return the distance of two positions.

    Parameters
    ----------
    ra1, dec1, ra2, dec2 : float
        The positions in degrees.

    Returns
    -------
    float
        The distance in degrees.
    """
    a1, d1, a2, d2 = map(math.radians, (ra1, dec1, ra2, dec2))
    h = math.sin((d2 - d1) / 2) ** 2
    h += math.cos(d1) * math.cos(d2) * math.sin((a2 - a1) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(h))))


class PendingPhotometry(Protocol):
    """Photometry of an object that is stored when it is first requested."""

    #: The numbers of its points.
    numbers: range

    def fluxes(self) -> list[tuple[float, float | None, float]]:
        """Return time, flux and error of each point, without storing them."""
        ...

    def points(self) -> Iterable[Row]:
        """Return the points."""
        ...


class PortalState:
    """The state of an instance; tests change it directly.

    Attributes
    ----------
    users : dict
        The accounts by their tokens.
    groups, filters, telescopes, instruments, taxonomies : dict
        What the instance has, by number.
    objects : dict
        All objects by name.
    saved : dict
        The groups that each source is saved to, and when, by name.
    passed : dict
        The filter that each candidate has passed, and when, by name.
    points : dict
        Photometry by number.
    pending : dict of str to PendingPhotometry
        Photometry that is not in ``points`` yet, by object.
    extra : dict
        Keys that a newer server adds to each object.
    without : set of str
        Keys that an older server leaves out.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.ticks = 0
        self.ids: dict[str, int] = {}
        self.users: dict[str, Row] = {
            ADMIN: {"id": 1, "username": "admin", "acls": set(PERMISSIONS), "groups": {2, 3, 4}},
            READER: {"id": 2, "username": "reader", "acls": set(), "groups": {3}},
            OTHER: {"id": 3, "username": "other", "acls": set(ORDINARY), "groups": {3, 5}},
        }
        self.groups: dict[int, Row] = {
            SITEWIDE: self.group(SITEWIDE, "Sitewide Group"),
            2: self.group(2, "provisioned-admin", single=True),
            3: self.group(3, "ATLAS transients"),
            4: self.group(4, "Second group"),
            5: self.group(5, "other", single=True),
        }
        self.filters: dict[int, Row] = {1: {"id": 1, "name": "All", "group_id": 3, "stream_id": 1}}
        self.telescopes: dict[int, Row] = {
            1: {"id": 1, "name": "ATLAS telescope", "nickname": "ATLAS"}
        }
        self.instruments: dict[int, Row] = {
            1: {"id": 1, "name": "ATLAS", "telescope_id": 1, "filters": ["atlasc", "atlaso"]},
            2: {"id": 2, "name": "ZTF", "telescope_id": 1, "filters": ["ztfg", "ztfr", "ztfi"]},
        }
        self.taxonomies: dict[int, Row] = {
            1: {"id": 1, "name": "Sitewide Taxonomy", "classes": ["Ia", "Ib", "AGN", "IIP"]}
        }
        self.objects: dict[str, Row] = {}
        self.saved: dict[str, dict[int, Row]] = {}
        self.passed: dict[str, Row] = {}
        self.points: dict[int, Row] = {}
        self.pending: dict[str, PendingPhotometry] = {}
        self.classifications: dict[int, Row] = {}
        self.comments: dict[int, Row] = {}
        self.annotations: dict[int, Row] = {}
        self.lists: dict[str, set[str]] = {"favorites": set()}
        self.queries: dict[str, list[str]] = {}
        self.tables: dict[str, Any] = {}
        # An older server ignores useCache, as it does all that it does not know.
        self.keeps_queries = True
        self.shows_owners = self.shows_alerts = True
        # As those of 2023 did.
        self.draws_corners = False
        self.extra: Row = {}
        self.without: set[str] = set()

    def stamp(self) -> str:
        """Return the next moment, as the server writes it: UTC, naive."""
        self.ticks += 1
        return (START + timedelta(milliseconds=self.ticks)).isoformat(timespec="microseconds")

    def next_id(self, kind: str) -> int:
        """Return the next number of a kind."""
        self.ids[kind] = self.ids.get(kind, 0) + 1
        return self.ids[kind]

    def group(self, number: int, name: str, *, single: bool = False) -> Row:
        """Return a new group; ``single`` for that of one user."""
        now = self.stamp()
        return {
            "description": None, "modified": now, "private": False, "auto_accept_requests": False,
            "created_at": now, "single_user_group": single, "name": name, "id": number,
            "nickname": None,
        }  # fmt: skip

    def user_named(self, name: str) -> Row:
        """Return the account of a name."""
        return next(user for user in self.users.values() if user["username"] == name)

    def add_object(self, name: str, ra: float, dec: float, **given: Any) -> Row:
        """Add an object that is neither saved nor a candidate yet."""
        now = self.stamp()
        self.objects[name] = {
            "t0": None, "altdata": None, "gcn_crossmatch": None, "dec": dec, "redshift": None,
            "dist_nearest_source": None, "detect_photometry_count": None, "id": name,
            "ra_dis": None, "redshift_error": None, "mag_nearest_source": None, "tns_name": None,
            "ra": ra, "redshift_origin": None, "e_mag_nearest_source": None, "tns_info": None,
            "modified": now, "dec_dis": None, "redshift_history": None, "transient": False,
            "score": None, "ra_err": None, "host_id": None, "varstar": False, "origin": None,
            "dec_err": None, "summary": None, "is_roid": False, "alias": None, "created_at": now,
            "offset": 0.0, "summary_history": None, "mpc_name": None,
            "healpix": 1281841362335533582, "internal_key": f"key-of-{name}", **given,
        }  # fmt: skip
        return self.objects[name]

    def save(self, name: str, group_ids: Iterable[int] = (3,), user: str = "admin") -> None:
        """Save an object to groups: from now on it is a source."""
        for number in group_ids:
            self.saved.setdefault(name, {})[number] = {"saved_at": self.stamp(), "by": user}

    def add_source(
        self, name: str, ra: float, dec: float, *, group_ids: Iterable[int] = (3,), **given: Any
    ) -> None:
        """Add an object that is saved to groups."""
        self.add_object(name, ra, dec, **given)
        self.save(name, group_ids)

    def add_candidate(
        self,
        name: str,
        ra: float,
        dec: float,
        *,
        filter_id: int = 1,
        passed_at: str = "2025-01-01T12:00:00",
        **given: Any,
    ) -> None:
        """Make an object a candidate that has passed a filter."""
        if name not in self.objects:
            self.add_object(name, ra, dec, **given)
        self.passed[name] = {"filter_id": filter_id, "passed_at": passed_at}

    def add_point(
        self,
        name: str,
        mjd: float,
        band: str,
        flux: float | None,
        fluxerr: float,
        **given: Any,
    ) -> int:
        """Add a row of photometry; flux in uJy or None, ``limiting_mag`` of magnitude uploads."""
        number = self.next_id("photometry")
        self.points[number] = {
            "id": number, "obj_id": name, "mjd": mjd, "filter": band, "flux": flux,
            "fluxerr": fluxerr, "limiting_mag": None, "instrument_id": 1, "origin": "None",
            "ra": None, "dec": None, "ra_unc": None, "dec_unc": None, "altdata": None,
            "created_at": self.stamp(), "group_ids": [3], "upload_id": None, "owner_id": 1, **given,
        }  # fmt: skip
        return number

    def load_photometry(self, name: str) -> None:
        """Store the photometry of an object that is pending."""
        pending = self.pending.pop(name, None)
        if pending is not None:
            self.points.update({point["id"]: point for point in pending.points()})

    def points_of(self, name: str) -> list[Row]:
        """Return the photometry of an object as it is stored."""
        self.load_photometry(name)
        return [point for point in self.points.values() if point["obj_id"] == name]

    def fluxes_of(self, name: str) -> list[tuple[float, float | None, float]]:
        """Return time, flux and error of each point of an object."""
        if name in self.pending:
            return self.pending[name].fluxes()
        return [(p["mjd"], p["flux"], p["fluxerr"]) for p in self.points_of(name)]

    def point(self, number: int) -> Row | None:
        """Return a point of photometry, None for an unknown number."""
        owner = next((name for name, one in self.pending.items() if number in one.numbers), None)
        if owner is not None:
            self.load_photometry(owner)
        return self.points.get(number)

    def placed(self, entry: Row) -> Row:
        """Return an object with what the server computes from its position and redshift."""
        lon, lat = galactic(entry["ra"], entry["dec"])
        z = entry["redshift"]
        far = None if not z else 299792.458 * z / 67.66 * (1 + z / 2)
        return {
            **entry, "gal_lon": lon, "gal_lat": lat, "luminosity_distance": far,
            "dm": None if far is None else 5 * math.log10(far * 1e5),
            "angular_diameter_distance": None if far is None else far / (1 + z) ** 2,
        }  # fmt: skip

    def drifted(self, entry: Row) -> Row:
        """Return what is sent of an object, with the keys of another version of the server."""
        return {k: v for k, v in {**entry, **self.extra}.items() if k not in self.without}

    def person(self, username: str) -> Row:
        """Return what is shown of an account."""
        user = self.user_named(username)
        return {
            "username": username, "first_name": username, "last_name": "of the sandbox",
            "bio": None, "affiliations": [], "contact_email": None, "contact_phone": None,
            "oauth_uid": None, "is_bot": False, "expiration_date": None, "id": user["id"],
            "modified": "2026-11-20T17:46:42.598691", "created_at": "2026-11-20T17:46:42.598691",
        }  # fmt: skip

    def saved_groups(self, name: str) -> list[Row]:
        """Return the groups that a source is saved to."""
        return [
            {
                **self.groups[number], "active": True, "requested": False,
                "saved_at": how["saved_at"], "saved_by": self.person(how["by"]),
            }
            for number, how in self.saved.get(name, {}).items()
        ]  # fmt: skip

    def of(self, table: str, name: str) -> list[Row]:
        """Return the classifications, comments or annotations of an object."""
        return [row for row in getattr(self, table).values() if row["obj_id"] == name]

    def classify(
        self,
        name: str,
        word: str,
        probability: float | None = 0.9,
        *,
        user: str = "admin",
        taxonomy: int = 1,
        group_ids: Iterable[int] = (3,),
    ) -> int:
        """Store a classification, and return its number."""
        number, now = self.next_id("classification"), self.stamp()
        self.classifications[number] = {
            "taxonomy_id": taxonomy, "author_id": self.user_named(user)["id"],
            "author_name": user, "obj_id": name, "modified": now, "classification": word,
            "origin": None, "probability": probability, "ml": False, "id": number,
            "created_at": now, "group_ids": list(group_ids), "votes": [],
        }  # fmt: skip
        return number

    def comment(
        self, name: str, text: str, *, user: str = "admin", group_ids: Iterable[int] = (3,)
    ) -> int:
        """Store a comment, and return its number."""
        number, now = self.next_id("comment"), self.stamp()
        self.comments[number] = {
            "obj_id": name, "modified": now, "text": text, "origin": None, "id": number,
            "created_at": now, "attachment_name": None, "bot": True,
            "author_id": self.user_named(user)["id"], "group_ids": list(group_ids),
        }  # fmt: skip
        return number

    def annotate(
        self,
        name: str,
        origin: str,
        data: object,
        *,
        user: str = "admin",
        group_ids: Iterable[int] = (3,),
    ) -> int:
        """Store an annotation, and return its number."""
        number, now = self.next_id("annotation"), self.stamp()
        self.annotations[number] = {
            "modified": now, "data": data, "origin": origin, "obj_id": name, "id": number,
            "created_at": now, "author_id": self.user_named(user)["id"],
            "group_ids": list(group_ids),
        }  # fmt: skip
        return number

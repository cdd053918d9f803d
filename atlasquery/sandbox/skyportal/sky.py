"""What the SkyPortal double knows: users, groups, instruments, objects, photometry, in memory."""

import math
import threading
from datetime import datetime, timedelta

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
ZP = 23.9


def galactic(ra, dec):
    """Return galactic coordinates in degrees, longitude from 0 to 360."""
    a, d = math.radians(ra - 192.85948), math.radians(dec)
    pole = math.radians(27.12825)
    x = math.cos(d) * math.sin(a)
    y = math.sin(d) * math.cos(pole) - math.cos(d) * math.sin(pole) * math.cos(a)
    z = math.sin(d) * math.sin(pole) + math.cos(d) * math.cos(pole) * math.cos(a)
    lon = (122.93192 - math.degrees(math.atan2(x, y))) % 360
    return lon, math.degrees(math.asin(max(-1.0, min(1.0, z))))


def separation(ra1, dec1, ra2, dec2):
    """Return the distance of two positions in degrees."""
    a1, d1, a2, d2 = map(math.radians, (ra1, dec1, ra2, dec2))
    h = math.sin((d2 - d1) / 2) ** 2
    h += math.cos(d1) * math.cos(d2) * math.sin((a2 - a1) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(h))))


class Sky:
    """The state of an instance; a test changes it as it likes.

    ``extra`` is added to each object sent, ``without`` are keys left out: as a
    newer or older server would.
    """

    def __init__(self):
        self.lock = threading.RLock()
        self.ticks = 0
        self.ids = {}
        self.users = {
            ADMIN: {"id": 1, "username": "admin", "acls": set(PERMISSIONS), "groups": {2, 3, 4}},
            READER: {"id": 2, "username": "reader", "acls": set(), "groups": {3}},
            OTHER: {"id": 3, "username": "other", "acls": set(ORDINARY), "groups": {3, 5}},
        }
        self.groups = {
            SITEWIDE: self.group(SITEWIDE, "Sitewide Group"),
            2: self.group(2, "provisioned-admin", single=True),
            3: self.group(3, "ATLAS transients"),
            4: self.group(4, "Second group"),
            5: self.group(5, "other", single=True),
        }
        self.filters = {1: {"id": 1, "name": "All", "group_id": 3, "stream_id": 1}}
        self.telescopes = {1: {"id": 1, "name": "ATLAS telescope", "nickname": "ATLAS"}}
        self.instruments = {
            1: {"id": 1, "name": "ATLAS", "telescope_id": 1, "filters": ["atlasc", "atlaso"]},
            2: {"id": 2, "name": "ZTF", "telescope_id": 1, "filters": ["ztfg", "ztfr", "ztfi"]},
        }
        self.taxonomies = {
            1: {"id": 1, "name": "Sitewide Taxonomy", "classes": ["Ia", "Ib", "AGN", "IIP"]}
        }
        self.objects, self.saved, self.passed = {}, {}, {}
        self.points, self.uploads = {}, {}
        self.classifications, self.comments, self.annotations = {}, {}, {}
        self.lists = {"favorites": set()}
        self.queries, self.tables = {}, {}
        # An older server ignores useCache, as it does all that it does not know.
        self.keeps_queries = True
        self.shows_owners = self.shows_alerts = True
        # As those of 2023 did.
        self.draws_corners = False
        self.extra, self.without = {}, set()

    def stamp(self):
        """Return the next moment, as the server words it: UTC, naive."""
        self.ticks += 1
        return (START + timedelta(milliseconds=self.ticks)).isoformat(timespec="microseconds")

    def next_id(self, kind):
        self.ids[kind] = self.ids.get(kind, 0) + 1
        return self.ids[kind]

    def group(self, number, name, *, single=False):
        now = self.stamp()
        return {
            "description": None, "modified": now, "private": False, "auto_accept_requests": False,
            "created_at": now, "single_user_group": single, "name": name, "id": number,
            "nickname": None,
        }  # fmt: skip

    def user_named(self, name):
        return next(user for user in self.users.values() if user["username"] == name)

    def add_object(self, name, ra, dec, **given):
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

    def save(self, name, group_ids=(3,), user="admin"):
        """Save an object to groups: from now on it is a source."""
        for number in group_ids:
            self.saved.setdefault(name, {})[number] = {"saved_at": self.stamp(), "by": user}

    def add_source(self, name, ra, dec, *, group_ids=(3,), **given):
        self.add_object(name, ra, dec, **given)
        self.save(name, group_ids)

    def add_candidate(
        self, name, ra, dec, *, filter_id=1, passed_at="2025-01-01T12:00:00", **given
    ):
        if name not in self.objects:
            self.add_object(name, ra, dec, **given)
        self.passed[name] = {"filter_id": filter_id, "passed_at": passed_at}

    def add_point(self, name, mjd, band, flux, fluxerr, **given):
        """Add a row of photometry; flux in uJy or None, ``limiting_mag`` of magnitude uploads."""
        number = self.next_id("photometry")
        self.points[number] = {
            "id": number, "obj_id": name, "mjd": mjd, "filter": band, "flux": flux,
            "fluxerr": fluxerr, "limiting_mag": None, "instrument_id": 1, "origin": "None",
            "ra": None, "dec": None, "ra_unc": None, "dec_unc": None, "altdata": None,
            "created_at": self.stamp(), "group_ids": [3], "upload_id": None, "owner_id": 1, **given,
        }  # fmt: skip
        return number

    def placed(self, entry):
        """Return an object with what the server computes from its position and redshift."""
        lon, lat = galactic(entry["ra"], entry["dec"])
        z = entry["redshift"]
        far = None if not z else 299792.458 * z / 67.66 * (1 + z / 2)
        return {
            **entry, "gal_lon": lon, "gal_lat": lat, "luminosity_distance": far,
            "dm": None if far is None else 5 * math.log10(far * 1e5),
            "angular_diameter_distance": None if far is None else far / (1 + z) ** 2,
        }  # fmt: skip

    def drifted(self, entry):
        """Return what is sent of an object, with the keys of another version of the server."""
        return {k: v for k, v in {**entry, **self.extra}.items() if k not in self.without}

    def person(self, username):
        user = self.user_named(username)
        return {
            "username": username, "first_name": username, "last_name": "of the double",
            "bio": None, "affiliations": [], "contact_email": None, "contact_phone": None,
            "oauth_uid": None, "is_bot": False, "expiration_date": None, "id": user["id"],
            "modified": "2026-11-20T17:46:42.598691", "created_at": "2026-11-20T17:46:42.598691",
        }  # fmt: skip

    def saved_groups(self, name):
        return [
            {
                **self.groups[number], "active": True, "requested": False,
                "saved_at": how["saved_at"], "saved_by": self.person(how["by"]),
            }
            for number, how in self.saved.get(name, {}).items()
        ]  # fmt: skip

    def of(self, table, name):
        """Return the classifications, comments or annotations of an object."""
        return [row for row in getattr(self, table).values() if row["obj_id"] == name]

    def classify(self, name, word, probability=0.9, *, user="admin", taxonomy=1, group_ids=(3,)):
        number, now = self.next_id("classification"), self.stamp()
        self.classifications[number] = {
            "taxonomy_id": taxonomy, "author_id": self.user_named(user)["id"],
            "author_name": user, "obj_id": name, "modified": now, "classification": word,
            "origin": None, "probability": probability, "ml": False, "id": number,
            "created_at": now, "group_ids": list(group_ids), "votes": [],
        }  # fmt: skip
        return number

    def comment(self, name, text, *, user="admin", group_ids=(3,)):
        number, now = self.next_id("comment"), self.stamp()
        self.comments[number] = {
            "obj_id": name, "modified": now, "text": text, "origin": None, "id": number,
            "created_at": now, "attachment_name": None, "bot": True,
            "author_id": self.user_named(user)["id"], "group_ids": list(group_ids),
        }  # fmt: skip
        return number

    def annotate(self, name, origin, data, *, user="admin", group_ids=(3,)):
        number, now = self.next_id("annotation"), self.stamp()
        self.annotations[number] = {
            "modified": now, "data": data, "origin": origin, "obj_id": name, "id": number,
            "created_at": now, "author_id": self.user_named(user)["id"],
            "group_ids": list(group_ids),
        }  # fmt: skip
        return number

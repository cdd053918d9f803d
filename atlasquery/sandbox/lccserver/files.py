"""The files of the double of an LCC-Server: light curves, and ZIPs of them, in pieces."""

import gzip
import hashlib
import io
import json
import re
import zipfile

import numpy as np

from . import sky
from .server import BAD_KEY, Answer, failed

DEFINED = {
    "rjd": ("f8", "time of observation in Reduced Julian date (JD = 2400000.0 + RJD)", "%.7f"),
    "bjd": ("f8", "time of observation in Baryocentric Julian date (BJD_TDB)", "%.7f"),
    "stf": ("i8", "the telescope ID of the observing station", "%i"),
    "flt": ("U8", "filter used", "%s"),
    "aim_000": ("f8", "instrument magnitude measured in aperture 000", "%.5f"),
    "aim_001": ("f8", "instrument magnitude measured in aperture 001", "%.5f"),
    "aie_000": ("f8", "error associated with instrumental magnitude in aperture 000", "%.5f"),
    "aie_001": ("f8", "error associated with instrumental magnitude in aperture 001", "%.5f"),
    "aep_000": ("f8", "EPD magnitude measured in aperture 000", "%.5f"),
    "aep_001": ("f8", "EPD magnitude measured in aperture 001", "%.5f"),
}
# The smallest of pictures.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
HTML_401 = "<html><title>401: Unauthorized</title><body>401: Unauthorized</body></html>"
HTML_404 = "<html><title>404: Not Found</title><body>404: Not Found</body></html>"


def values(row):
    """Return the columns of the light curve of an object of the double's sky."""
    n = row["ndet"]
    rng = np.random.default_rng(int(row["gaia_id"]) % 2**32)
    days = np.sort(rng.uniform(0, 120, n)) + 57000.0
    mag = row["sdssr"] + rng.normal(0, 0.1, n)
    return {
        "rjd": days, "bjd": days + 2400000.0 + 0.0027, "stf": 5 + np.arange(n) % 3,
        "flt": ["" if k % 11 == 0 else "rg"[k % 2] for k in range(n)],
        "aim_000": mag + 0.01, "aim_001": mag + 0.02,
        "aie_000": np.full(n, 0.01), "aie_001": np.full(n, 0.02), "aep_000": mag,
        "aep_001": np.where(np.arange(n) % 23 == 5, np.nan, mag + 0.005),
    }  # fmt: skip


def csvlc(info, columns, *, defined=DEFINED, mark="#", separator=","):
    """Return a file as the server writes it, not packed."""
    names = list(columns)
    described = {
        name: {"colnum": n, "dtype": defined[name][0], "desc": defined[name][1]}
        for n, name in enumerate(names)
    }
    reply = {key: {"val": value, "desc": key} for key, value in info.items()}

    def marked(data):
        return [f"{mark} {line}" for line in json.dumps(data, indent=2).split("\n")]

    lines = ["LCC-CSVLC-V1", mark, separator, f"{mark} OBJECT METADATA", *marked(reply), mark]
    lines += [f"{mark} COLUMN DEFINITIONS", *marked(described), mark, f"{mark} LIGHTCURVE"]
    for row in zip(*columns.values(), strict=True):
        fields = []
        for name, value in zip(names, row, strict=True):
            try:
                fields.append(defined[name][2] % value)
            except (TypeError, ValueError):
                # What its server does with a nan where an integer should be.
                fields.append(str(value))
        lines.append(separator.join(fields))
    return ("\n".join(lines) + "\n").encode()


def packed(row):
    """Return the file of an object, as it is served."""
    info = {"objectid": row["objectid"], "ra": row["ra"], "decl": row["decl"],
            "ndet": row["ndet"], "jmag": row["jmag"], "network": "HN"}  # fmt: skip
    return gzip.compress(csvlc(info, values(row)), 6, mtime=0)


def make_zip(members, *, manifest=True):
    """Return a ZIP of a mapping of names to contents."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
        if manifest:
            archive.writestr("lczip-manifest.json", json.dumps(list(members)))
    return body.getvalue()


def keep_dataset(double, rows, setid="abcdefghijk", *, status="complete", zipped=True, key=None):
    """Let a double have a dataset of pairs of a collection and a row; return its name."""
    columns = ["sdssr", "db_oid", "db_ra", "db_decl", "db_lcfname", "collection"]
    result = [
        {"sdssr": row["sdssr"], "db_oid": row["objectid"], "db_ra": row["ra"],
         "db_decl": row["decl"], "db_lcfname": row["lcfname"], "collection": name}
        for name, row in rows
    ]  # fmt: skip
    names = sorted({name for name, _ in rows})
    dataset = {
        "setid": setid, "columns": columns, "coldesc": {c: sky.described(c) for c in columns},
        "result": result, "rows": [], "status": status, "total_nmatches": len(rows),
        "actual_nrows": len(rows), "created": "2026-11-20T18:05:37.333483",
        "updated": "2026-11-20T18:05:37.359906", "searchtype": "sqlite_column_search",
        "searchargs": {}, "collections": names, "visibility": "unlisted", "name": "a dataset",
        "coll_dirs": {name: sky.COLLECTIONS[name] for name in names}, "citation": None,
        "lczipfpath": f"/p/lightcurves-{setid}.zip" if zipped else None,
        "dataset_csv": f"/d/dataset-{setid}.csv", "dataset_pickle": f"/d/dataset-{setid}.pkl.gz",
        "desc": "", "owner": 2, "session_token": "redacted",
    }  # fmt: skip
    double.add(dataset, key)
    return setid


class Files:
    """The files of a double: installs itself in its routes.

    ``zips`` has the ZIP of each dataset, made when it is first asked for unless it is put there;
    ``whole`` makes the server ignore Range; ``before`` is called with each request for a ZIP.
    """

    def __init__(self, double):
        self.double = double
        self.rows = {
            (folder, row["objectid"]): row
            for name, folder in sky.COLLECTIONS.items()
            for row in sky.objects()[name]
        }
        self.unmade, self.changed = set(), {}
        self.zips = {}
        self.whole = False
        self.before = lambda request: None
        double.routes[r"^GET /api/object$"] = self.page
        double.routes[r"^(GET|HEAD) /l/"] = self.single
        double.routes[r"^(GET|HEAD) /p/"] = self.zip

    def page(self, request):
        """Return what is known of an object: those of the first five that anybody looked at."""
        objectid, collection = (request.params[key][0] for key in ("objectid", "collection"))
        row = self.rows.get((sky.COLLECTIONS.get(collection), objectid))
        if row is None or int(objectid[-7:]) > 5:
            words = f"could not find information for object {objectid} in collection {collection}"
            return Answer(failed(words), 404)
        info = {key: row[key] for key in ("ra", "decl", "ndet", "sdssr", "jmag", "objecttags")}
        period = 0.3 + row["sdssr"] / 10
        method = {
            "bestperiod": period, "nbestperiods": [period, 2 * period], "periodogram": PIXEL,
            "phasedlc0": {"plot": PIXEL, "period": period, "epoch": 2457000.5, "lcfit": None},
        }  # fmt: skip
        result = {
            "objectid": objectid, "objectinfo": info, "finderchart": PIXEL, "magseries": PIXEL,
            "varinfo": {"objectisvar": None, "features": {"median": row["sdssr"], "mad": 0.07}},
            "pfmethods": ["0-gls"], "0-gls": method, "objectcomments": None,
        }  # fmt: skip
        return Answer({"status": "ok", "result": result, "message": "found"})

    def single(self, request):
        if request.key not in self.double.keys or self.double.auth_down:
            return Answer(failed(BAD_KEY), 401)
        folder, name = re.fullmatch(r"/l/([^/]+)/(.+)-csvlc\.gz", request.path).groups()
        if (folder, name) not in self.rows:
            return Answer(HTML_401, 401, "text/html; charset=UTF-8")
        if name in self.unmade:
            return Answer(HTML_404, 404, "text/html; charset=UTF-8")
        body = self.changed.get(name)
        body = packed(self.rows[folder, name]) if body is None else body
        return self.ranged(request, body, "application/gzip")

    def zip(self, request):
        setid = re.fullmatch(r"/p/lightcurves-(.+)\.zip", request.path)[1]
        if request.key not in self.double.keys:
            return Answer(failed(BAD_KEY), 401)
        if setid not in self.double.datasets:
            return Answer(HTML_401, 401, "text/html; charset=UTF-8")
        if setid not in self.zips:
            self.zips[setid] = make_zip(self.members(setid))
        faulty = self.before(request)
        return faulty or self.ranged(request, self.zips[setid], "application/zip")

    def members(self, setid):
        """Return the light curves of a dataset, by their names in its ZIP."""
        dataset, _ = self.double.datasets[setid]
        found = {}
        for row in dataset["result"]:
            folder = sky.COLLECTIONS[row["collection"]]
            name = row["db_oid"]
            found[f"{folder}-{name}-csvlc.gz"] = packed(self.rows[folder, name])
        return found

    def ranged(self, request, body, kind):
        tag = f'"{hashlib.md5(body).hexdigest()}"'
        headers = {"ETag": tag, "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if self.whole or not wanted:
            return Answer(body, 200, kind, headers)
        # "If-Range" is nothing that its server knows: it sends the piece, with the other ETag.
        first, last = int(wanted[1]), min(int(wanted[2]), len(body) - 1)
        if first >= len(body):
            return Answer(
                b"", 416, "text/plain", headers | {"Content-Range": f"bytes */{len(body)}"}
            )
        headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        return Answer(body[first : last + 1], 206, kind, headers)

"""The collections that the double of an LCC-Server holds, in a separate database."""

import functools
import sqlite3
import threading

import numpy as np

TEXT = ("objectid", "gaia_id", "twomassid", "objecttags", "simbad_best_mainid")
# Name, type, heading and meaning of each column of a catalogue, as the server says them.
COLUMNS = {
    "objectid": ("<U11", "object ID", "object ID"),
    "ra": ("<f8", "&alpha;", "right ascension of the object [J2000 decimal degrees]"),
    "decl": ("<f8", "&delta;", "declination of the object [J2000 decimal degrees]"),
    "lcfname": ("<U67", "LC filename", "light curve filename"),
    "ndet": ("<i8", "ndet", "number of observations"),
    "sdssr": ("<f8", "<em>r</em>", "catalog SDSS r band magnitude"),
    "sdssg": ("<f8", "<em>g</em>", "catalog SDSS g band magnitude"),
    "jmag": ("<f8", "<em>J</em>", "catalog 2MASS J band magnitude"),
    "propermotion": ("<f8", "PM [mas/yr]", "total proper motion [mas/yr]"),
    "gaia_id": ("<U19", "GAIA DR2 ID", "cross-matched GAIA DR2 source ID of the object"),
    "objecttags": ("<U23", "object tags", "object type tags"),
    "simbad_best_mainid": ("<U11", "external object ID", "main SIMBAD ID for this object"),
    "twomassid": ("<U17", "2MASS ID", "2MASS ID for this object"),
}
EXTRA = {
    "db_oid": "objectid", "kdtree_oid": "objectid", "in_objectid": "objectid",
    "db_ra": "ra", "kdtree_ra": "ra", "in_ra": "ra",
    "db_decl": "decl", "kdtree_decl": "decl", "in_decl": "decl", "db_lcfname": "lcfname",
}  # fmt: skip
FIXED = {
    "dist_arcsec": ("<f8", "distance [arcsec]", "distance from search center in arcsec"),
    "owner": ("i8", "object owner", "userid of the owner of this object"),
    "visibility": ("U10", "object visibility", "visibility tag for this object."),
    "sharedwith": ("U20", "shared with", "user/group IDs this object is shared with."),
    "collection": ("U60", "LC collection", "the light curve collection this object belongs to"),
    "relevance": ("f8", "relevance", "SQLite FTS5 BM25 relevance"),
    "extra_info": ("U1024", "additional information", "additional information about the object"),
}
# Folder, prefix of names, and its fields: how many, where, and how wide.
FIELDS = {
    "synth-alpha": ("SYA", [(200, 290.0, 45.0, 1.0)]),
    "synth-beta": ("SYB", [(30, 0.0, -25.0, 1.0), (40, 120.0, -25.0, 1.0), (10, 290.0, 45.0, 0.3)]),
    "synth-big": ("SYG", [(1200, 150.0, 2.0, 4.0)]),
}
COLLECTIONS = {folder.replace("-", "_"): folder for folder in FIELDS}


def described(column):
    """Return what a dataset says of a column."""
    dtype, title, desc = FIXED.get(column) or COLUMNS[EXTRA.get(column, column)]
    return {"title": title, "desc": desc, "dtype": dtype, "format": "%s"}


@functools.cache
def objects():
    """Return the rows of each collection."""
    return {name: _rows(folder) for name, folder in COLLECTIONS.items()}


def _rows(folder):
    prefix, fields = FIELDS[folder]
    rng = np.random.default_rng(len(folder))
    rows = []
    for count, ra0, dec0, width in fields:
        for _ in range(count):
            n = len(rows)
            dec = float(dec0 + rng.uniform(-width, width))
            ra = float((ra0 + rng.uniform(-width, width) / np.cos(np.radians(dec))) % 360.0)
            red = round(float(rng.uniform(9, 16)), 4)
            name = f"{prefix}-{n + 1:07d}"
            tags = "variable star" if n % 5 == 0 else "eclipsing binary, dwarf" * (n % 7 == 0)
            rows.append({
                "objectid": name, "ra": round(ra, 6), "decl": round(dec, 6),
                "lcfname": f"/l/{folder}/{name}-csvlc.gz", "ndet": 30 + n % 7, "sdssr": red,
                "sdssg": round(red + float(rng.uniform(0.1, 1.4)), 4) if n % 17 else None,
                "jmag": round(red - 1.2, 4), "propermotion": round(float(rng.gamma(2, 20)), 3),
                "gaia_id": str(2000000000000000000 + 1000 * n + len(prefix)),
                "objecttags": tags or None,
                "simbad_best_mainid": f"V* TEST {n}" if n % 10 == 0 else None,
                "twomassid": f"J{int(ra * 1e5):08d}+{int(abs(dec) * 1e5):07d}",
            })  # fmt: skip
    return rows


_lock = threading.Lock()


@functools.cache
def _database():
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.row_factory = sqlite3.Row
    for name, rows in objects().items():
        database.execute(f"create table {name} ({', '.join(COLUMNS)})")
        marks = ", ".join(f":{column}" for column in COLUMNS)
        database.executemany(f"insert into {name} values ({marks})", rows)
    return database


def select(collection, condition):
    """Return the rows that a condition in SQL holds for; raises what sqlite3 raises."""
    query = f"select * from {collection} where ({condition}) order by rowid"
    with _lock:
        return [dict(row) for row in _database().execute(query)]


def collections():
    """Return the answer of /api/collections."""
    columns = ",".join(sorted(COLUMNS))
    lists = {
        "collection_id": list(FIELDS), "db_collection_id": list(COLLECTIONS),
        "columnlist": [columns] * 3, "indexedcols": [columns] * 3,
        "ftsindexedcols": [",".join(TEXT)] * 3, "collection_owner": [1] * 3,
        "collection_visibility": ["public"] * 3, "collection_sharedwith": [None] * 3,
        "name": [f"Field of {folder}" for folder in FIELDS],
        "description": [f"<p>Collection <strong>{folder}</strong>.</p>" for folder in FIELDS],
        "project": ["Synthetic survey"] * 3, "datarelease": ["1"] * 3,
        "last_updated": ["2026-11-21 12:06:16.717002"] * 3, "citation": ["Nobody et al."] * 3,
        "minra": [], "maxra": [], "mindecl": [], "maxdecl": [], "nobjects": [],
        "lcformatkey": [f"{folder}-lcs" for folder in FIELDS],
        "lcformatdesc": [f"/c/{folder}/lcformat-description.json" for folder in FIELDS],
        "lcmagcols": ["aep_000"] * 3, "columnjson": [],
    }  # fmt: skip
    for rows in objects().values():
        ra, dec = ([row[key] for row in rows] for key in ("ra", "decl"))
        for key, value in (("minra", min(ra)), ("maxra", max(ra)), ("nobjects", len(rows)),
                           ("mindecl", min(dec)), ("maxdecl", max(dec))):  # fmt: skip
            lists[key].append(value)
        lists["columnjson"].append({
            name: {"title": title, "dtype": dtype, "format": "%s", "description": about,
                   "index": True, "ftsindex": name in TEXT}
            for name, (dtype, title, about) in COLUMNS.items()
        })  # fmt: skip
    return {
        "available_columns": list(COLUMNS), "available_indexed_columns": list(COLUMNS),
        "available_fts_columns": list(TEXT), "collections": lists,
    }  # fmt: skip

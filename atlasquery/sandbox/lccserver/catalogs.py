"""Collections of the embedded LCC-Server: their catalogues, in a database."""

import functools
import sqlite3
import threading
from typing import Any

import numpy as np

from .. import sky
from ..surveys import SURVEYS

__all__ = [
    "COLLECTIONS", "COLUMNS", "ONE_SKY", "TEXT", "Row", "by_name", "collections", "described",
    "objects", "select", "sky_object",
]  # fmt: skip

Row = dict[str, Any]
#: The columns that are searched for words.
TEXT = ("objectid", "gaia_id", "twomassid", "objecttags", "simbad_best_mainid",
        "simbad_best_allids")  # fmt: skip
#: Type, heading and meaning of each column of a catalogue.
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
    "simbad_best_mainid": ("<U20", "external object ID", "main SIMBAD ID for this object"),
    "simbad_best_allids": ("<U120", "all external IDs", "all SIMBAD IDs for this object"),
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
# Folder, prefix of names, and its fields: how many objects, where, and how wide.
FIELDS = {
    "synth-alpha": ("SYA", [(200, 290.0, 45.0, 1.0)]),
    "synth-beta": ("SYB", [(30, 0.0, -25.0, 1.0), (40, 120.0, -25.0, 1.0), (10, 290.0, 45.0, 0.3)]),
    "synth-big": ("SYG", [(1200, 150.0, 2.0, 4.0)]),
}
#: The collection of what all services of the sandbox see.
ONE_SKY = "one_sky"
#: The folder of each collection.
COLLECTIONS = {folder.replace("-", "_"): folder for folder in FIELDS} | {ONE_SKY: "one-sky"}
_TAGS = {"variable": "variable star", "agn": "active galactic nucleus", "supernova": "supernova",
         "orphan": "supernova"}  # fmt: skip


def described(column: str) -> dict[str, str]:
    """Return what a dataset says about a column.

    Parameters
    ----------
    column : str
        The column.

    Returns
    -------
    dict
        Title, description, type and format.
    """
    dtype, title, about = FIXED.get(column) or COLUMNS[EXTRA.get(column, column)]
    return {"title": title, "desc": about, "dtype": dtype, "format": "%s"}


def objects(seed: int = sky.SEED) -> dict[str, list[Row]]:
    """Return the rows of each collection.

    Parameters
    ----------
    seed : int, optional
        Seed of the sky.

    Returns
    -------
    dict of str to list of dict
        By the name of the collection.
    """
    return _objects(seed)


@functools.lru_cache(maxsize=4)
def _objects(seed: int) -> dict[str, list[Row]]:
    rows = {folder.replace("-", "_"): _rows(folder) for folder in FIELDS}
    return rows | {ONE_SKY: [_sky_row(one, seed) for one in _members(seed).values()]}


@functools.lru_cache(maxsize=16)
def by_name(folder: str, seed: int = sky.SEED) -> dict[str, Row]:
    """Return the rows of a collection by the name of the object.

    Parameters
    ----------
    folder : str
        Folder of the collection.
    seed : int, optional
        Seed of the sky.

    Returns
    -------
    dict of str to dict
        Empty for an unknown folder.
    """
    return {
        row["objectid"]: row
        for name, rows in objects(seed).items()
        if COLLECTIONS[name] == folder
        for row in rows
    }


def sky_object(row: Row, seed: int = sky.SEED) -> sky.SkyObject | None:
    """Return the object of the sky that a row describes.

    Parameters
    ----------
    row : dict
        The row.
    seed : int, optional
        Seed of the sky.

    Returns
    -------
    SkyObject or None
        None for an object of another collection.
    """
    return _members(seed).get(row["objectid"])


@functools.lru_cache(maxsize=4)
def _members(seed: int) -> dict[str, sky.SkyObject]:
    return {one.lcc_name: one for one in sky.objects(seed) if one.lcc_name is not None}


def _sky_row(one: sky.SkyObject, seed: int) -> Row:
    """Return the row of an object of the sky: its magnitude is that of the reference image."""
    names = _external_names(one)
    red = round(one.reference_mag, 4)
    return {
        "objectid": one.lcc_name, "ra": round(one.ra, 6), "decl": round(one.dec, 6),
        "lcfname": f"/l/{COLLECTIONS[ONE_SKY]}/{one.lcc_name}-csvlc.gz",
        "ndet": len(SURVEYS["hat"](seed, one.pointing)["mjd"]), "sdssr": red, "sdssg": red,
        "jmag": round(red - 1.2, 4),
        "propermotion": 0.0, "gaia_id": str(3000000000000000000 + one.number),
        "objecttags": _TAGS[one.kind], "simbad_best_mainid": names[0] if names else None,
        "simbad_best_allids": "|".join(names) or None,
        "twomassid": _position_name(one.ra, one.dec),
    }  # fmt: skip


def _external_names(one: sky.SkyObject) -> list[str]:
    """Return the names of an object elsewhere, the best known first."""
    names = [one.names[key] for key in ("ztf", "atlas", "lsst") if key in one.names]
    return names if one.tns_title is None else [one.tns_title, *names]


def _position_name(ra: float, dec: float) -> str:
    return f"J{int(ra * 1e5):08d}+{int(abs(dec) * 1e5):07d}"


def _rows(folder: str) -> list[Row]:
    prefix, fields = FIELDS[folder]
    rng = np.random.default_rng(len(folder))
    rows: list[Row] = []
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
                "simbad_best_allids": f"V* TEST {n}|TEST {n}" if n % 10 == 0 else None,
                "twomassid": _position_name(ra, dec),
            })  # fmt: skip
    return rows


_lock = threading.Lock()


@functools.lru_cache(maxsize=4)
def _database(seed: int) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.row_factory = sqlite3.Row
    for name, rows in objects(seed).items():
        database.execute(f"create table {name} ({', '.join(COLUMNS)})")
        marks = ", ".join(f":{column}" for column in COLUMNS)
        database.executemany(f"insert into {name} values ({marks})", rows)  # noqa: S608
    return database


def select(collection: str, condition: str, seed: int = sky.SEED) -> list[Row]:
    """Return the rows of a collection for which a condition holds.

    Parameters
    ----------
    collection : str
        Its name.
    condition : str
        The condition in SQL.
    seed : int, optional
        Seed of the sky.

    Returns
    -------
    list of dict
        The rows.

    Raises
    ------
    sqlite3.Error
        For a wrong condition.
    """
    # The real server runs the condition of a client as it is, too; nothing but the synthetic
    # catalogues is in this database.
    query = f"select * from {collection} where ({condition}) order by rowid"  # noqa: S608
    with _lock:
        return [dict(row) for row in _database(seed).execute(query)]


def collections(seed: int = sky.SEED) -> dict[str, Any]:
    """Return what the server sends about its collections.

    Parameters
    ----------
    seed : int, optional
        Seed of the sky.

    Returns
    -------
    dict
        Available columns, and the collections as parallel lists.
    """
    columns = ",".join(sorted(COLUMNS))
    each = [
        {
            "collection_id": folder, "db_collection_id": name, "columnlist": columns,
            "indexedcols": columns, "ftsindexedcols": ",".join(TEXT), "collection_owner": 1,
            "collection_visibility": "public", "collection_sharedwith": None,
            "name": f"Field of {folder}",
            "description": f"<p>Collection <strong>{folder}</strong>.</p>",
            "project": "Synthetic survey", "datarelease": "1",
            "last_updated": "2026-11-21 12:06:16.717002", "citation": "Nobody et al.",
            **_extent(objects(seed)[name]), "lcformatkey": f"{folder}-lcs",
            "lcformatdesc": f"/c/{folder}/lcformat-description.json", "lcmagcols": "aep_000",
            "columnjson": _column_descriptions(),
        }
        for name, folder in COLLECTIONS.items()
    ]  # fmt: skip
    return {
        "available_columns": list(COLUMNS), "available_indexed_columns": list(COLUMNS),
        "available_fts_columns": list(TEXT),
        "collections": {key: [one[key] for one in each] for key in each[0]},
    }  # fmt: skip


def _extent(rows: list[Row]) -> dict[str, Any]:
    ra, dec = ([row[key] for row in rows] for key in ("ra", "decl"))
    return {
        "minra": min(ra), "maxra": max(ra), "mindecl": min(dec), "maxdecl": max(dec),
        "nobjects": len(rows),
    }  # fmt: skip


def _column_descriptions() -> dict[str, dict[str, Any]]:
    return {
        name: {"title": title, "dtype": dtype, "format": "%s", "description": about,
               "index": True, "ftsindex": name in TEXT}
        for name, (dtype, title, about) in COLUMNS.items()
    }  # fmt: skip

"""Datasets that a test gives to the embedded LCC-Server."""

from collections.abc import Iterable

from atlasquery.sandbox.lccserver import catalogs
from atlasquery.sandbox.lccserver.catalogs import Row
from atlasquery.sandbox.lccserver.server import LCCSandbox


def keep_dataset(
    server: LCCSandbox,
    rows: Iterable[tuple[str, Row]],
    setid: str = "abcdefghijk",
    *,
    status: str = "complete",
    zipped: bool = True,
    key: str | None = None,
) -> str:
    """Give a server a dataset.

    Parameters
    ----------
    server : LCCSandbox
        The server.
    rows : iterable of tuple
        Pairs of the name of a collection and a row of it.
    setid : str, optional
        The set ID.
    status : str, optional
        ``"complete"`` or ``"in progress"``.
    zipped : bool, optional
        Whether there is a ZIP of the light curves.
    key : str, optional
        The key that it belongs to.

    Returns
    -------
    str
        The set ID.
    """
    rows = list(rows)
    columns = ["sdssr", "db_oid", "db_ra", "db_decl", "db_lcfname", "collection"]
    result = [
        {"sdssr": row["sdssr"], "db_oid": row["objectid"], "db_ra": row["ra"],
         "db_decl": row["decl"], "db_lcfname": row["lcfname"], "collection": name}
        for name, row in rows
    ]  # fmt: skip
    names = sorted({name for name, _ in rows})
    described = {column: catalogs.described(column) for column in columns}
    dataset = {
        "setid": setid, "columns": columns, "coldesc": described,
        "result": result, "rows": [], "status": status, "total_nmatches": len(rows),
        "actual_nrows": len(rows), "created": "2026-11-20T18:05:37.333483",
        "updated": "2026-11-20T18:05:37.359906", "searchtype": "sqlite_column_search",
        "searchargs": {}, "collections": names, "visibility": "unlisted", "name": "a dataset",
        "coll_dirs": {name: catalogs.COLLECTIONS[name] for name in names}, "citation": None,
        "lczipfpath": f"/p/lightcurves-{setid}.zip" if zipped else None,
        "dataset_csv": f"/d/dataset-{setid}.csv", "dataset_pickle": f"/d/dataset-{setid}.pkl.gz",
        "desc": "", "owner": 2, "session_token": "redacted",
    }  # fmt: skip
    server.add(dataset, key)
    return setid

"""Files of the embedded LCC-Server: light curves and ZIPs, in pieces, and pages of objects."""

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..http import Response
from . import catalogs
from .catalogs import Row
from .light_curves import make_zip, packed
from .messages import BAD_KEY, HTML_401, HTML_404, LCCRequest, failed, json_reply, page

if TYPE_CHECKING:
    from .server import LCCSandbox

__all__ = ["Files"]

# The smallest of pictures.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
# Of a collection the first few objects have a page, and of the sky the periodic variables.
PAGES = 5


class Files:
    """The files of a server.

    Parameters
    ----------
    server : LCCSandbox
        The server.

    Attributes
    ----------
    rows : dict
        Rows of the catalogues by folder and name, where they differ from these.
    changed : dict of str to bytes
        Other content of the files of some objects, by name.
    unmade : set of str
        Objects whose files do not exist yet.
    zips : dict of str to bytes
        The ZIP of each dataset, created when it is first requested unless it is set.
    whole : bool
        Whether the server ignores Range.
    before : callable
        Called with each request for a ZIP; a response that it returns is sent instead.
    """

    def __init__(self, server: "LCCSandbox"):
        self._server = server
        self.rows: dict[tuple[str, str], Row] = {}
        self.changed: dict[str, bytes] = {}
        self.unmade: set[str] = set()
        self.zips: dict[str, bytes] = {}
        self.whole = False
        self.before: Callable[[LCCRequest], Response | None] = lambda request: None

    def row(self, folder: str, name: str) -> Row | None:
        """Return the row of an object.

        Parameters
        ----------
        folder : str
            Folder of its collection.
        name : str
            Its object ID.

        Returns
        -------
        dict or None
            The row, None for an unknown object.
        """
        return self.rows.get((folder, name)) or catalogs.by_name(folder, self._server.seed).get(
            name
        )

    def object_page(self, request: LCCRequest) -> Response:
        """Return what is known of an object: those of the first few that anybody looked at.

        Parameters
        ----------
        request : LCCRequest
            The request.

        Returns
        -------
        Response
            The page.
        """
        objectid, collection = (request.query[key][0] for key in ("objectid", "collection"))
        row = self.row(catalogs.COLLECTIONS.get(collection, ""), objectid)
        if row is None or not self._has_page(collection, objectid):
            message = f"could not find information for object {objectid} in collection {collection}"
            return json_reply(failed(message), 404)
        info = {key: row[key] for key in ("ra", "decl", "ndet", "sdssr", "jmag", "objecttags")}
        one = catalogs.sky_object(row, self._server.seed)
        period = one.period if one is not None and one.period else 0.3 + row["sdssr"] / 10
        method = {
            "bestperiod": period, "nbestperiods": [period, 2 * period], "periodogram": PIXEL,
            "phasedlc0": {"plot": PIXEL, "period": period, "epoch": 2457000.5, "lcfit": None},
        }  # fmt: skip
        result = {
            "objectid": objectid, "objectinfo": info, "finderchart": PIXEL, "magseries": PIXEL,
            "varinfo": {"objectisvar": None, "features": {"median": row["sdssr"], "mad": 0.07}},
            "pfmethods": ["0-gls"], "0-gls": method, "objectcomments": None,
        }  # fmt: skip
        return json_reply({"status": "ok", "result": result, "message": "found"})

    def light_curve(self, request: LCCRequest) -> Response:
        """Return the file of one light curve.

        Parameters
        ----------
        request : LCCRequest
            The request.

        Returns
        -------
        Response
            The file, or a part of it.
        """
        if request.key not in self._server.keys or self._server.auth_down:
            return json_reply(failed(BAD_KEY), 401)
        found = re.fullmatch(r"/l/([^/]+)/(.+)-csvlc\.gz", request.path)
        row = self.row(found[1], found[2]) if found else None
        if found is None or row is None:
            return page(HTML_401, 401)
        if found[2] in self.unmade:
            return page(HTML_404, 404)
        body = self.changed.get(found[2])
        return self._ranged(
            request, self._packed(row) if body is None else body, "application/gzip"
        )

    def zip(self, request: LCCRequest) -> Response:
        """Return the ZIP of a dataset.

        Parameters
        ----------
        request : LCCRequest
            The request.

        Returns
        -------
        Response
            The ZIP, or a part of it.
        """
        found = re.fullmatch(r"/p/lightcurves-(.+)\.zip", request.path)
        if request.key not in self._server.keys:
            return json_reply(failed(BAD_KEY), 401)
        if found is None or found[1] not in self._server.datasets:
            return page(HTML_401, 401)
        if found[1] not in self.zips:
            self.zips[found[1]] = make_zip(self.members(found[1]))
        faulty = self.before(request)
        return faulty or self._ranged(request, self.zips[found[1]], "application/zip")

    def members(self, setid: str) -> dict[str, bytes]:
        """Return the light curves of a dataset.

        Parameters
        ----------
        setid : str
            The set ID.

        Returns
        -------
        dict of str to bytes
            The files by their names in the ZIP.
        """
        dataset, _ = self._server.datasets[setid]
        found = {}
        for entry in dataset["result"]:
            folder, name = catalogs.COLLECTIONS[entry["collection"]], entry["db_oid"]
            row = self.row(folder, name)
            if row is not None:
                found[f"{folder}-{name}-csvlc.gz"] = self._packed(row)
        return found

    def _has_page(self, collection: str, objectid: str) -> bool:
        rows = catalogs.by_name(catalogs.COLLECTIONS[collection], self._server.seed)
        one = catalogs.sky_object(rows[objectid], self._server.seed) if objectid in rows else None
        periodic = one is not None and one.period is not None
        return periodic or objectid in list(rows)[:PAGES]

    def _packed(self, row: Row) -> bytes:
        return packed(row, self._server.seed)

    def _ranged(self, request: LCCRequest, body: bytes, content_type: str) -> Response:
        tag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        headers: dict[str, Any] = {"ETag": f'"{tag}"', "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if self.whole or not wanted:
            return Response(200, body, content_type, headers)
        # The server ignores "If-Range": it sends the part, with the other ETag.
        first, last = int(wanted[1]), min(int(wanted[2]), len(body) - 1)
        if first >= len(body):
            headers["Content-Range"] = f"bytes */{len(body)}"
            return Response(416, b"", "text/plain", headers)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        return Response(206, body[first : last + 1], content_type, headers)

"""The servers of ALeRCE on loopback: see docs/servers/alerce.rst for what they do silently."""

import re
import threading
import time
from typing import NoReturn

from ..http import LoopbackServer, RefusedRequest, Response, SandboxRequest, next_fault
from ..sky import SEED
from .catshtm import query_catalogues
from .contents import Contents, LSSTObject, ZTFObject
from .rows import Row, v2_detections, v2_non_detections, with_nulls
from .searches import ListedZTF, Params, list_lsst, nearest_objects, refuse
from .stamps import lsst_stamp, send_ztf_file
from .tap import run_query
from .taxonomy import CLASSIFIERS, LSST_CLASSIFIERS

__all__ = ["AlerceSandbox"]

_HTML_404 = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The "
    "requested URL was not found on the server.</p>\n"
)
_NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check "
    "your spelling and try again."
)
_NO_REASON = {"detail": "An error occurred"}
# Rows of forced photometry of a single object of LSST.
_ROWS_OF_ONE = 10


class AlerceSandbox:
    """The servers of ALeRCE at one address, each below a path.

    They hold what ZTF and LSST see of the one sky, and the edge cases of
    `atlasquery.sandbox.alerce.edge_cases`.

    Parameters
    ----------
    latency : float
        Seconds to wait before each response.
    seed : int or None
        Seed of the one sky; None for the edge cases alone.
    host : str
        Address to listen on.
    port : int
        Port to listen on; 0 takes a free one.

    Attributes
    ----------
    latency : float
        Seconds to wait before each response.
    faults : dict of str to Response or list of Response
        Planned responses by a regular expression of the path with its query; of a list, each is
        sent once.
    received : list of str
        The path with the query of each request, in order.
    cap : int or None
        Largest number of objects in a page of ZTF, whatever was requested.
    """

    def __init__(
        self,
        latency: float = 0.0,
        *,
        seed: int | None = SEED,
        host: str = "127.0.0.1",
        port: int = 0,
    ):
        self.latency = latency
        self.faults: dict[str, Response | list[Response]] = {}
        self.received: list[str] = []
        self.cap: int | None = None
        self._contents = Contents(seed)
        self._listed = ListedZTF(self._contents)
        self._lock = threading.Lock()
        self._server = LoopbackServer(self._respond, host=host, port=port, name="alerce-sandbox")

    def __enter__(self) -> "AlerceSandbox":
        """Return the server, which runs already."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop the server."""
        self.stop()

    def stop(self) -> None:
        """Stop to listen, and end all threads."""
        self._server.stop()

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return self._server.url

    def settings(self) -> dict[str, str]:
        """Return the addresses of the servers.

        Returns
        -------
        dict of str to str
            By the names of the items of ``atlasquery.alerce.conf``.
        """
        return {
            "server": f"{self.url}/ztf/v1/", "light_curve_server": f"{self.url}/v2/lightcurve/",
            "lsst_server": f"{self.url}/lsst/", "stamp_server": f"{self.url}/avro/",
            "catshtm_server": f"{self.url}/catshtm/", "tap_server": f"{self.url}/tap",
        }  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point a client to these servers.

        Returns
        -------
        dict of str to str
            ``ATLASQUERY_ALERCE_SERVER``, and the same for each other server.
        """
        return {f"ATLASQUERY_ALERCE_{name.upper()}": url for name, url in self.settings().items()}

    def asked(self, pattern: str) -> list[str]:
        """Return the requests whose path and query match.

        Parameters
        ----------
        pattern : str
            A regular expression, which is searched for.

        Returns
        -------
        list of str
            The path with the query of each.
        """
        return [target for target in list(self.received) if re.search(pattern, target)]

    def _respond(self, request: SandboxRequest) -> Response:
        with self._lock:
            self.received.append(request.target)
            turn = len(self.received)
            fault = next_fault(self.faults, request.target)
        if self.latency:
            time.sleep(self.latency)
        if fault is not None:
            return fault
        try:
            return Response(200, self._route(request, turn))
        except RefusedRequest as refused:
            return refused.response

    def _route(self, request: SandboxRequest, turn: int) -> object:
        server, _, path = request.path.removeprefix("/").partition("/")
        params = request.query
        if server == "ztf" and path == "v1/objects":
            location = request.target.replace("/objects", "/objects/", 1)
            raise RefusedRequest(Response(308, b"", "text/html", {"Location": location}))
        if server == "ztf" and path.startswith("v1/"):
            return self._ztf(path.removeprefix("v1/"), params, turn)
        if server == "v2" and path.startswith("lightcurve/"):
            return self._v2(path.removeprefix("lightcurve/"))
        if server == "lsst":
            return self._lsst(path, params)
        if server == "avro":
            return send_ztf_file(self._contents, path, params)
        if server == "catshtm":
            return query_catalogues(path, params)
        if server == "tap":
            raise RefusedRequest(run_query(self._contents, path, request.form))
        return _no_page()

    def _ztf(self, path: str, params: Params, turn: int) -> object:
        if path == "objects/":
            if self.cap is not None:
                size = int(params.get("page_size", ["10"])[0])
                params = {**params, "page_size": [str(min(size, self.cap))]}
            return self._listed.page(params, turn)
        if path == "classifiers/":
            return [
                {"classifier_name": a, "classifier_version": v, "classes": c}
                for a, v, c in CLASSIFIERS
            ]
        first, *parts = path.split("/")
        if first != "objects" or not parts:
            return _no_page()
        one = self._contents.ztf.get(parts[0])
        if one is None:
            message = "Object not found." if len(parts) == 1 else _NOT_FOUND
            hint = f"You have requested this URI [/{path}] but did you mean /objects/<id> ?"
            return refuse(404, {"message": f"{message} {hint}"})
        return _ztf_object(one, parts[1:], params)

    def _v2(self, path: str) -> object:
        kind, _, oid = path.partition("/")
        one = self._contents.ztf.get(oid)
        if one is not None and f"v2/{kind}" in one.failing:
            # A NaN in the database.
            return _fail()
        if kind == "lightcurve":
            kinds = ("detections", "non_detections", "forced-photometry")
            return {name.replace("-", "_"): _v2_rows(one, name) for name in kinds}
        return _v2_rows(one, kind)

    def _lsst(self, path: str, params: Params) -> object:
        if path == "object_api/list_objects":
            return list_lsst(self._contents, params)
        if path == "classifier_api/classifiers":
            return [{
                "classifier_name": "stamp_classifier_rubin", "classifier_version": "2.0.1",
                "classes": [c for row in LSST_CLASSIFIERS for c in row[2]], "classifier_id": 1,
            }]  # fmt: skip
        if path == "lightcurve_api/conesearch/objects_by_coordinates":
            return nearest_objects(self._contents, params)
        if "oid" not in params:
            reply = {"type": "missing", "loc": ["query", "oid"], "msg": "Field required"}
            return refuse(422, {"detail": [reply | {"input": None}]})
        numbers = dict.fromkeys(int(v) for v in params["oid"])
        found = [self._contents.lsst[n] for n in numbers if n in self._contents.lsst]
        if path == "lightcurve_api/conesearch/objects_by_oid":
            return [
                {"objectId": str(one.oid), "survey_id": "lsst", "ra": one.position[0],
                 "dec": one.position[1]}
                for one in found
            ]  # fmt: skip
        if path == "object_api/object":
            if not found:
                return refuse(500, _NO_REASON)
            extra = params.get("return_survey_extra", ["false"])[0] == "true"
            return found[0].entry() | (found[0].statistics() if extra else {})
        if path == "magstat_api/magstats":
            return _lsst_magstats(found)
        if path == "probability_api/probability":
            return _lsst_probability(found, params)
        if path == "stamps_api/stamp":
            stamp = lsst_stamp(found, params)
            return _fail() if stamp is None else refuse(200, stamp, "application/gzip")
        return _lsst_rows(path, found, single=len(params["oid"]) == 1)


def _no_page() -> NoReturn:
    refuse(404, _HTML_404, "text/html; charset=utf-8")


def _fail() -> NoReturn:
    refuse(500, "Internal Server Error", "text/plain; charset=utf-8")


def _ztf_object(one: ZTFObject, parts: list[str], params: Params) -> object:
    """Return what the first version of the API has of one object."""
    kind = parts[0] if parts else ""
    if kind in one.failing:
        return refuse(500, {"message": "The server encountered an internal error."})
    if kind == "lightcurve":
        found = {
            "detections": with_nulls(one.detections()),
            "non_detections": one.non_detections(),
        }
        return found if any(found.values()) else None
    if kind == "probabilities":
        rows = one.probabilities()
        for wire, key in (("classifier", "classifier_name"), ("classifier_version",) * 2):
            rows = [r for r in rows if r[key] == params.get(wire, [r[key]])[0]]
        return rows
    if kind == "features" and len(parts) > 2:
        # A name with a slash, however it is written, is another route.
        return _no_page()
    if kind == "features":
        return [r for r in one.features() if r["name"] in (parts[1:] or [r["name"]])]
    routes = {
        "": one.entry, "detections": one.detections, "non_detections": one.non_detections,
        "magstats": one.magstats,
    }  # fmt: skip
    return routes[kind]() if kind in routes else _no_page()


def _v2_rows(one: ZTFObject | None, kind: str) -> list[Row]:
    if kind not in ("detections", "non_detections", "forced-photometry"):
        return _no_page()
    if one is None:
        return []
    if kind == "detections":
        return v2_detections(one.oid, one.detections())
    if kind == "non_detections":
        return v2_non_detections(one.oid, one.non_detections())
    return one.forced()


def _lsst_magstats(found: list[LSSTObject]) -> list[Row]:
    """Return statistics as the server does: with every number cut after three decimals."""
    if not found:
        return _fail()
    row = {"oid": found[0].oid} | found[0].statistics()
    del row["created_date"]
    return [{k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}]


def _lsst_probability(found: list[LSSTObject], params: Params) -> list[Row]:
    if len(found) == 1 and "probabilities" in found[0].failing:
        return _fail()
    rows = found[0].probabilities() if found else []
    if classifier := params.get("classifier", [""])[0]:
        versions = [v for name, v, _ in LSST_CLASSIFIERS if name == classifier]
        if not versions:
            return refuse(404, {"detail": "Classifier not found"})
        rows = [r for r in rows if r["classifier_version"] == versions[0]]
    if not rows:
        return refuse(404, {"detail": "Probability not found for the given OID"})
    return rows


def _lsst_rows(path: str, found: list[LSSTObject], *, single: bool) -> object:
    kind = path.removeprefix("lightcurve_api/")
    if kind == "non_detections":
        return []
    if kind not in ("detections", "forced-photometry", "lightcurve"):
        return refuse(404, {"detail": "Not Found"})
    detections: list[Row] = []
    if kind != "forced-photometry":
        detections = [row for one in found for row in one.measurements(forced=False)]
    if kind == "detections":
        return detections
    # See docs/servers/alerce.rst, "Ten rows for one object". A null flux
    # makes the server fail, where it is among the rows that are sent.
    if not single and any("forced" in one.failing for one in found):
        return refuse(500, _NO_REASON)
    rows = [row for one in found for row in one.measurements(forced=True)]
    rows = rows[:_ROWS_OF_ONE] if single else rows
    if kind == "forced-photometry":
        return rows
    return {"detections": detections, "non_detections": [], "forced_photometry": rows}

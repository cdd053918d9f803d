"""A loopback double of ALeRCE's servers, built from docs/servers/alerce.rst with all pitfalls."""

import contextlib
import gzip
import io
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from . import archive, lists, sky
from .lists import RefusalError

HTML_404 = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The "
    "requested URL was not found on the server.</p>\n"
)
NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check "
    "your spelling and try again."
)
TOKENLESS = re.compile(r"^/ztf/v1/objects$")


class Answer(Exception):  # noqa: N818 - it is no error
    """An answer of another kind than JSON with status 200."""

    def __init__(self, status, body, kind="application/json"):
        super().__init__(status)
        self.status, self.kind = status, kind
        self.body = body if isinstance(body, bytes) else (
            body.encode() if isinstance(body, str) else json.dumps(body).encode()
        )  # fmt: skip


def plain_500():
    return Answer(500, "Internal Server Error", "text/plain; charset=utf-8")


class AlerceSandbox:
    """The servers of ALeRCE at one address, below a path each.

    ``cap`` is how many objects are in a page at most, whatever was asked for.
    ``faults`` maps a regular expression of the path with its query to an
    `Answer`, or to a list of them, one for each time; ``latency`` is waited
    before each answer.
    """

    def __init__(self, latency=0.0):
        self.latency = latency
        self.faults = {}
        self.received = []
        self.cap = None
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def settings(self):
        """Return the items of conf that lead here."""
        return {
            "server": f"{self.url}/ztf/v1/", "light_curve_server": f"{self.url}/v2/lightcurve/",
            "lsst_server": f"{self.url}/lsst/", "stamp_server": f"{self.url}/avro/",
            "catshtm_server": f"{self.url}/catshtm/", "tap_server": f"{self.url}/tap",
        }  # fmt: skip

    @contextlib.contextmanager
    def configured(self):
        """Let atlasquery ask this double."""
        from atlasquery.alerce import conf

        with contextlib.ExitStack() as stack:
            for name, value in self.settings().items():
                stack.enter_context(conf.set_temp(name, value))
            yield self

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()

    def asked(self, pattern):
        """Return the requests whose path and query match."""
        return [target for target in list(self.received) if re.search(pattern, target)]

    def answer(self, target, body):
        with self._lock:
            self.received.append(target)
            turn = len(self.received)
            fault = self._fault(target)
        if self.latency:
            time.sleep(self.latency)
        if fault is not None:
            return fault
        parts = urlsplit(target)
        path, params = unquote(parts.path), parse_qs(parts.query)
        try:
            return Answer(200, self._route(path, params, turn, body))
        except Answer as other:
            return other
        except RefusalError as refusal:
            return Answer(refusal.status, refusal.body)

    def _fault(self, target):
        for pattern, fault in self.faults.items():
            if re.search(pattern, target):
                if not isinstance(fault, list):
                    return fault
                if fault:
                    return fault.pop(0)
        return None

    def _route(self, path, params, turn, body):
        for prefix, route in (
            ("/ztf/v1/", self._ztf), ("/v2/lightcurve/", self._v2), ("/lsst/", self._lsst),
            ("/avro/", archive.stamps), ("/catshtm/", archive.catshtm), ("/tap/", archive.tap),
        ):  # fmt: skip
            if path.startswith(prefix):
                if prefix == "/tap/":
                    return route(path.removeprefix(prefix), params, body)
                return route(path.removeprefix(prefix), params, turn)
        raise Answer(404, HTML_404, "text/html; charset=utf-8")

    def _ztf(self, path, params, turn):
        if path == "objects/":
            if self.cap is not None:
                asked = int(params.get("page_size", ["10"])[0])
                params = {**params, "page_size": [str(min(asked, self.cap))]}
            return lists.ztf_list(params, turn)
        if path == "classifiers/":
            return [
                {"classifier_name": a, "classifier_version": v, "classes": c}
                for a, v, c in sky.CLASSIFIERS
            ]
        parts = path.split("/")
        if parts[0] != "objects" or len(parts) < 2:
            raise Answer(404, HTML_404, "text/html; charset=utf-8")
        n = lists._numbers().get(parts[1])
        if n is None:
            words = "Object not found." if len(parts) == 2 else NOT_FOUND
            hint = f"You have requested this URI [/{path}] but did you mean /objects/<id> ?"
            raise Answer(404, {"message": f"{words} {hint}"})
        return self._object(n, parts[2:], params)

    def _object(self, n, parts, params):
        kind = parts[0] if parts else ""
        if kind == "probabilities" and n == sky.OUTSIDE:
            raise Answer(500, {"message": "The server encountered an internal error."})
        if kind == "lightcurve":
            found = {"detections": sky.full_detections(n), "non_detections": sky.non_detections(n)}
            return found if any(found.values()) else None
        if kind == "probabilities":
            rows = sky.probabilities(n)
            for wire, key in (("classifier", "classifier_name"), ("classifier_version",) * 2):
                rows = [r for r in rows if r[key] == params.get(wire, [r[key]])[0]]
            return rows
        if kind == "features" and len(parts) > 2:
            # A name with a slash, however it is written, is another route.
            raise Answer(404, HTML_404, "text/html; charset=utf-8")
        if kind == "features":
            return [r for r in sky.features(n) if r["name"] in (parts[1:] or [r["name"]])]
        routes = {
            "": sky.entry, "detections": sky.detections, "non_detections": sky.non_detections,
            "magstats": sky.magstats,
        }  # fmt: skip
        if kind not in routes:
            raise Answer(404, HTML_404, "text/html; charset=utf-8")
        return routes[kind](n)

    def _v2(self, path, params, turn):
        kind, _, oid = path.partition("/")
        n = lists._numbers().get(oid)
        if n == sky.FADED or (kind in ("detections", "lightcurve") and n in sky.NAN):
            # A NaN in the database.
            raise plain_500()
        routes = {
            "detections": sky.v2_detections, "non_detections": sky.v2_non_detections,
            "forced-photometry": sky.forced,
        }  # fmt: skip
        if kind == "lightcurve":
            names = {"forced-photometry": "forced_photometry"}
            return {names.get(k, k): [] if n is None else rows(n) for k, rows in routes.items()}
        return [] if n is None else routes[kind](n)

    def _lsst(self, path, params, turn):
        if path == "object_api/list_objects":
            return lists.lsst_list(params)
        if path == "classifier_api/classifiers":
            return [{
                "classifier_name": "stamp_classifier_rubin", "classifier_version": "2.0.1",
                "classes": [c for row in sky.LSST_CLASSIFIERS for c in row[2]], "classifier_id": 1,
            }]  # fmt: skip
        if path == "lightcurve_api/conesearch/objects_by_coordinates":
            return lists.lsst_near(params)
        if "oid" not in params:
            reply = {"type": "missing", "loc": ["query", "oid"], "msg": "Field required"}
            raise Answer(422, {"detail": [reply | {"input": None}]})
        known = [int(v) - sky.FIRST_LSST for v in params["oid"]]
        known = [n for n in dict.fromkeys(known) if 0 <= n < sky.LSST_COUNT]
        if path == "lightcurve_api/conesearch/objects_by_oid":
            return [
                {"objectId": str(one["oid"]), "survey_id": "lsst", "ra": one["meanra"],
                 "dec": one["meandec"]}
                for one in map(sky.lsst_entry, known)
            ]  # fmt: skip
        if path == "object_api/object":
            if not known:
                raise Answer(500, {"detail": "An error occurred"})
            extra = params.get("return_survey_extra", ["false"])[0] == "true"
            return sky.lsst_entry(known[0]) | (sky.lsst_statistics(known[0]) if extra else {})
        if path == "magstat_api/magstats":
            return self._lsst_magstats(known)
        if path == "probability_api/probability":
            return self._lsst_probability(known, params)
        return self._lsst_rows(path, params, known)

    @staticmethod
    def _lsst_magstats(known):
        """Return statistics as the server does: with every number cut after three decimals."""
        if not known:
            raise plain_500()
        row = {"oid": sky.FIRST_LSST + known[0]} | sky.lsst_statistics(known[0])
        del row["created_date"]
        return [{k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}]

    @staticmethod
    def _lsst_probability(known, params):
        if known == [sky.FOREIGN]:
            raise plain_500()
        rows = sky.lsst_probabilities(known[0]) if known else []
        if classifier := params.get("classifier", [None])[0]:
            versions = [v for name, v, _ in sky.LSST_CLASSIFIERS if name == classifier]
            if not versions:
                raise Answer(404, {"detail": "Classifier not found"})
            rows = [r for r in rows if r["classifier_version"] == versions[0]]
        if not rows:
            raise Answer(404, {"detail": "Probability not found for the given OID"})
        return rows

    @staticmethod
    def _lsst_rows(path, params, known):
        kind = path.removeprefix("lightcurve_api/")
        if kind == "non_detections":
            return []
        if kind not in ("detections", "forced-photometry", "lightcurve"):
            return archive.lsst_stamp(path, params, known)
        found = {"detections": [], "non_detections": [], "forced_photometry": []}
        if kind != "forced-photometry":
            found["detections"] = [row for n in known for row in sky.lsst_rows(n, forced=False)]
        if kind == "detections":
            return found["detections"]
        # See docs/servers/alerce.rst, "Ten rows for one object". A null flux
        # makes the server fail, where it is among the rows that are sent.
        most = 10 if len(params["oid"]) == 1 else None
        if sky.NULL_FLUX in known and most is None:
            raise Answer(500, {"detail": "An error occurred"})
        rows = [row for n in known for row in sky.lsst_rows(n, forced=True)][:most]
        return found | {"forced_photometry": rows} if kind == "lightcurve" else rows


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """Write no traceback for clients that gave up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one go, at once: else each answer may wait 40 ms for the client's receipt.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        self._send(self.server.owner.answer(self.path, b""))

    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        self._send(self.server.owner.answer(self.path, self.rfile.read(size)))

    def _send(self, answer):
        if TOKENLESS.match(urlsplit(self.path).path):
            answer = Answer(308, "", "text/html")
        body = answer.body
        self.send_response(answer.status)
        if answer.status == 308:
            self.send_header("Location", self.path.replace("/objects", "/objects/", 1))
        self.send_header("Content-Type", answer.kind)
        if "votable" in answer.kind:
            # As the server does, though it is no encoding.
            self.send_header("Content-Encoding", "UTF-8")
        packed = "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 2000
        if packed and "json" in answer.kind:
            file = io.BytesIO()
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as stream:
                stream.write(body)
            body = file.getvalue()
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        if self.headers.get("Connection", "").lower() == "close":
            # Told, or the client may send its next question into a closing connection.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

"""The embedded LCC-Server: see docs/servers/lccserver.rst for what the real one does."""

import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from ..http import LoopbackServer, Response, SandboxRequest, next_fault
from ..sky import SEED
from . import catalogs, searches
from .files import Files
from .messages import (
    BAD_KEY,
    HTML_404,
    HTML_405,
    HTML_500,
    LCCRequest,
    LineStream,
    failed,
    json_reply,
    page,
)  # fmt: skip

__all__ = ["LCCSandbox"]

NOT_YOURS = "You don't have access to this dataset."
# The settings of a server that nobody has changed.
SITE = {"zip_rows": 500, "page": 500, "cap": 100_000, "rate": None}
# So many requests a key has before its rate is looked at.
FREE_REQUESTS = 25

Reply = Response | LineStream
Route = Callable[[LCCRequest], Reply]


class LCCSandbox:
    """An LCC-Server with three synthetic collections, and one of the sky of all services.

    Parameters
    ----------
    seed : int
        Seed of the sky.
    host : str
        Address to listen on.
    port : int
        Port to listen on; 0 takes a free one.

    Attributes
    ----------
    seed : int
        Seed of the sky.
    faults : dict
        A response, or a list of responses for one request each, by a regular expression of
        ``"METHOD path"``.
    routes : dict
        A function of the request, by such an expression; it goes before what the server does.
    site : dict
        Settings of the server: ``zip_rows``, the largest number of light curves in a ZIP;
        ``page``, the rows of a page; ``cap``, the largest number of rows of a search; ``rate``,
        the requests a minute that a key may send on average after its first 25, None for any.
    clock : callable
        Returns the time in seconds for that rate.
    keys : dict
        Numbers of the users by their keys.
    datasets : dict
        Each dataset and the key that it belongs to, by its set ID.
    files : Files
        Light curves and ZIPs.
    received : list of LCCRequest
        All requests.
    auth_down : bool
        Whether the server cannot check keys.
    """

    def __init__(self, *, seed: int = SEED, host: str = "127.0.0.1", port: int = 0):
        self.seed = seed
        self.faults: dict[str, Reply | list[Reply]] = {}
        self.routes: dict[str, Route] = {}
        self.received: list[LCCRequest] = []
        self.site: dict[str, Any] = dict(SITE)
        self.clock: Callable[[], float] = time.time
        self.keys: dict[str, int] = {}
        self.datasets: dict[str, tuple[Any, str | None]] = {}
        self.auth_down = False
        self.files = Files(self)
        self._counted: dict[str, tuple[float, int]] = {}
        self._number_of_keys = 0
        self._lock = threading.RLock()
        self._server = LoopbackServer(self._respond, host=host, port=port, name="sandbox LCC")

    @property
    def url(self) -> str:
        """The address of the server, with a slash at its end."""
        return f"{self._server.url}/"

    def environment(self) -> dict[str, str]:
        """Return the environment that points a client to this server.

        Returns
        -------
        dict of str to str
            ``ATLASQUERY_LCC_SERVER``; the client gets an anonymous key by itself.
        """
        return {"ATLASQUERY_LCC_SERVER": self.url}

    def stop(self) -> None:
        """Stop the server."""
        self._server.stop()

    def __enter__(self) -> "LCCSandbox":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def reset(self) -> None:
        """Forget all requests, keys, datasets and changes."""
        for record in (self.faults, self.routes, self.keys, self.datasets, self._counted):
            record.clear()
        self.received.clear()
        self.site.update(SITE)
        self.clock = time.time
        self.auth_down = False
        self.files = Files(self)

    def add_key(self, key: str, owner: int = 7) -> str:
        """Accept the key of an account.

        Parameters
        ----------
        key : str
            The key.
        owner : int, optional
            Number of the user.

        Returns
        -------
        str
            The key.
        """
        self.keys[key] = owner
        return key

    def expire(self) -> None:
        """Accept none of the keys given so far."""
        self.keys.clear()

    def asked(self, pattern: str) -> list[LCCRequest]:
        """Return the requests whose method and path match.

        Parameters
        ----------
        pattern : str
            Regular expression that is searched in ``"METHOD path"``.

        Returns
        -------
        list of LCCRequest
            The requests.
        """
        return [r for r in list(self.received) if re.search(pattern, f"{r.method} {r.path}")]

    def add(self, dataset: Any, key: str | None) -> None:
        """Store a dataset under the key that created it.

        Parameters
        ----------
        dataset : dict
            The dataset.
        key : str or None
            The key.
        """
        with self._lock:
            self.datasets[dataset["setid"]] = (dataset, key)

    def answer(self, request: LCCRequest) -> Reply:
        """Return the response to a request.

        Parameters
        ----------
        request : LCCRequest
            The request.

        Returns
        -------
        Response or LineStream
            The response.
        """
        target = f"{request.method} {request.path}"
        with self._lock:
            self.received.append(request)
            fault: Reply | None = next_fault(self.faults, target)
        if fault is not None:
            return fault
        for pattern, route in self.routes.items():
            if re.search(pattern, target):
                return route(request)
        return self._route(request)

    def search(self, request: LCCRequest) -> Reply:
        """Run a search, as the server does for those with a key.

        Parameters
        ----------
        request : LCCRequest
            The request.

        Returns
        -------
        Response or LineStream
            The lines of the search.
        """
        if request.method == "GET":
            return page(HTML_405, 405)
        if request.key is None:
            return json_reply(failed("Sorry, you don't have access."), 403)
        return searches.stream(self, request)

    def _respond(self, request: SandboxRequest) -> Response:
        received = LCCRequest(request.method, request.target, request.headers, request.body)
        answered = self.answer(received)
        return answered.response(received) if isinstance(answered, LineStream) else answered

    def _route(self, request: LCCRequest) -> Reply:
        path = request.path
        if path == "/api/key":
            return self._new_key()
        # Files check the key themselves, and are not limited.
        for start, serve in (("/l/", self.files.light_curve), ("/p/", self.files.zip)):
            if path.startswith(start):
                return serve(request)
        if request.key is not None and (self.auth_down or request.key not in self.keys):
            return json_reply(failed(BAD_KEY), 401)
        if limited := self._limited(request.key):
            return limited
        if path == "/api/verify" and request.method == "POST":
            if request.key is None:
                return json_reply(failed("no key"), 401)
            message = ["API key verified successfully. Expires: soon."]
            return json_reply({"status": "ok", "result": None, "message": message})
        if path == "/api/collections":
            return json_reply(
                {"status": "ok", "result": catalogs.collections(self.seed), "message": "found"}
            )
        if path == "/api/datasets":
            return self._list(request)
        if path == "/api/object":
            return self.files.object_page(request)
        if path.startswith("/set/"):
            return self._set(request)
        if path in searches.SEARCHES:
            return self.search(request)
        return page(HTML_404, 404)

    def _limited(self, key: str | None) -> Response | None:
        if key is None or self.site["rate"] is None:
            return None
        now = self.clock()
        with self._lock:
            since, count = self._counted.get(key, (now, 0))
            self._counted[key] = since, count + 1
        if count + 1 <= FREE_REQUESTS:
            return None
        rate = (count + 1) / max(now - since, 1e-6) * 60
        if rate <= self.site["rate"]:
            return None
        refusal = failed("You have exceeded your API request rate.", {"rate": rate})
        return json_reply(refusal, 429, {"Retry-After": "120"})

    def _new_key(self) -> Response:
        if self.auth_down:
            return page(HTML_500, 500)
        with self._lock:
            self._number_of_keys += 1
            key = f"anonymous-key-{self._number_of_keys:05d}-of-{id(self):x}"
            self.keys[key] = 2
        expires = "2026-11-28T12:23:48.135156Z"
        message = f"API key generated successfully. Expires: {expires}"
        result = {"apikey": key, "expires": expires}
        return json_reply({"status": "ok", "result": result, "message": message})

    def _set(self, request: LCCRequest) -> Response:
        setid = request.path.removeprefix("/set/")
        if setid not in self.datasets:
            message = f"The requested dataset with setid: {setid} doesn't exist, or you don't have"
            return json_reply(failed(f"{message} access to it."), 404)
        dataset, key = self.datasets[setid]
        if not isinstance(dataset, dict):
            return dataset(request)
        if dataset["visibility"] in ("private", "shared") and key != request.key:
            return json_reply(failed(NOT_YOURS), 401)
        return json_reply(dataset)

    def _list(self, request: LCCRequest) -> Response:
        newest = list(self.datasets.values())[::-1][: int(request.query["nsets"][0])]
        shown = [d for d, key in newest if d["visibility"] == "public" or key == request.key]
        if not shown:
            return json_reply(failed("No datasets matching query parameters were found."))
        rows = [
            {
                "setid": d["setid"], "created_on": d["created"], "last_updated": d["updated"],
                "nobjects": d["actual_nrows"], "name": d["name"], "description": d["desc"],
                "citation": None, "queried_collections": ", ".join(d["collections"]),
                "query_type": d["searchtype"], "query_params": json.dumps(d["searchargs"]),
                "dataset_owner": d["owner"], "dataset_visibility": d["visibility"],
                "dataset_sharedwith": None, "dataset_sessiontoken": "redacted",
                "dataset_fpath": d["dataset_pickle"], "dataset_csv": d["dataset_csv"],
                "lczip_fpath": d["lczipfpath"], "owned": False,
            }
            for d in shown
        ]  # fmt: skip
        return json_reply({"status": "ok", "result": rows, "message": "found"})

"""An ATLAS forced photometry server on loopback, as docs/servers/forcedphot.rst describes it.

It runs one task of an account at a time on a clock that it is given, throttles,
fails and forgets as the real one does, and remembers every request.
"""

import base64
import hashlib
import json
import re
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from ..http import ThreadedServer
from ..sky import SEED
from . import files as forced_files
from .clock import ServerClock, SystemClock
from .forms import SubmissionError, read_submission
from .queue import Queue, QueuedTask

__all__ = ["ForcedAccount", "ForcedRequest", "ForcedSandbox", "Seen"]

#: Status, headers and body; a body may be a function that returns its size and its blocks.
Reply = tuple[int, dict[str, str], Any]

PREFIX = "/forcedphot/"
HTML = {"Content-Type": "text/html; charset=utf-8"}
PAGE_NOT_FOUND = (404, HTML, b"Page not found")


@dataclass(frozen=True)
class ForcedAccount:
    """An account."""

    number: int
    name: str
    password: str
    active: bool = True

    @property
    def token(self) -> str:
        """The token, which never changes."""
        return hashlib.sha1(self.name.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Seen:
    """A request that reached the server, and how it was answered."""

    when: float
    user: str | None
    method: str
    path: str
    kind: str | None
    status: int | None
    headers: dict
    query: dict
    body: bytes


class ForcedSandbox:
    """An embedded server that speaks the API of ATLAS forced photometry.

    It measures the one sky on the exposures of the ATLAS server. It runs one task of an account
    at a time. Use it as a context manager, or call `stop`; it listens from the beginning.

    ``outcomes`` maps a position (ra, dec) or the name of a minor planet to the outcome of its
    task. ``fault`` is called with the method and path of each request, and returns None, "before"
    (the connection breaks before the server acts), "after" (when it has acted), a status (of a
    web page, when it has acted), "bare 429", or "stall" (when it has acted, nothing is answered
    until `released`).

    Parameters
    ----------
    clock : ServerClock, optional
        Its time; by default that of the machine.
    runtime : float, optional
        Seconds that a task takes; by default 0.2 by the machine's time, and 60, as on the real
        server, by a clock that is given.
    latency : float, optional
        Seconds before a task begins; by default 0.1, or 4 by a clock that is given.
    writes, reads : int, optional
        Requests that an account may send in a minute.
    seed : int, optional
        Seed of the sky.

    Examples
    --------
    >>> from atlasquery.sandbox.forcedphot.server import ForcedSandbox
    >>> with ForcedSandbox() as server:
    ...     sorted(server.environment())
    ['ATLASQUERY_FORCED_SERVER', 'ATLASQUERY_FORCED_TOKEN']
    """

    def __init__(
        self,
        clock: ServerClock | None = None,
        *,
        runtime: float | None = None,
        latency: float | None = None,
        writes: int = 60,
        reads: int = 600,
        seed: int = SEED,
    ):
        self.clock: Any = clock or SystemClock()
        self.rates = {"write": writes, "read": reads}
        usual = (0.2, 0.1) if clock is None else (60.0, 4.0)
        self.queue = Queue(
            usual[0] if runtime is None else runtime, usual[1] if latency is None else latency
        )
        self.seed = seed
        names = ["alice", "bob", "carol", "dave", "erin"]
        self.users = {n: ForcedAccount(i, n, f"{n}-pass-123") for i, n in enumerate(names, start=1)}
        self.users["inactive"] = ForcedAccount(9, "inactive", "inactive-pass-123", active=False)
        # Bytes that are missing at the end of a result whose outcome is "cut".
        self.cut = 1
        self.outcomes: dict[Any, str] = {
            (201.0, -9.5): "ragged", (200.0, -9.5): "flaky", "bad obj": "nothing",
        }  # fmt: skip
        self.fault: Callable[[str, str], str | int | None] = lambda method, path: None
        self.dialect = "today"
        self.queued_users = 1
        #: What an image ZIP holds: bytes, or a function that returns them in blocks.
        self.images: Any = None
        self.requests: list[Seen] = []
        self.lock = threading.RLock()
        self.released = threading.Event()
        self._history: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        handler = type("ForcedHandler", (_ForcedHandler,), {"sandbox": self})
        self._server = ThreadedServer(("127.0.0.1", 0), lambda request: None, handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            name="atlasquery-sandbox-forced",
            daemon=True,
        )
        self._thread.start()

    def __enter__(self) -> "ForcedSandbox":
        """Return the server, which listens already."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the server."""
        self.stop()

    def __repr__(self) -> str:
        return f"<ForcedSandbox {self.url}>"

    def stop(self) -> None:
        """Stop to listen, and end its threads."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server.end_connections()

    @property
    def host(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """The URL of the server, with a trailing slash."""
        return self.host + PREFIX

    def environment(self, user: str = "alice") -> dict[str, str]:
        """Return the environment that points a client to this server.

        Parameters
        ----------
        user : str, optional
            Whose token.

        Returns
        -------
        dict of str to str
            ``ATLASQUERY_FORCED_SERVER`` and ``ATLASQUERY_FORCED_TOKEN``.
        """
        token = self.users[user].token
        return {"ATLASQUERY_FORCED_SERVER": self.url, "ATLASQUERY_FORCED_TOKEN": token}

    def asked(self, method: str, path: str = "") -> "list[Seen]":
        """Return the requests of a method whose path contains a string.

        Parameters
        ----------
        method : str
            The method.
        path : str, optional
            The string.

        Returns
        -------
        list of Seen
            The requests.
        """
        return [r for r in self.requests if r.method == method and path in r.path]

    def worst(self, kind: str, window: float = 60.0) -> int:
        """Return the largest number of requests of a kind that an account sent in a window.

        Parameters
        ----------
        kind : {"write", "read", "file"}
            The kind.
        window : float, optional
            Length in seconds.

        Returns
        -------
        int
            Number of requests.
        """
        worst = 0
        for user in {r.user for r in self.requests}:
            times = [r.when for r in self.requests if r.kind == kind and r.user == user]
            for n, start in enumerate(times):
                worst = max(worst, sum(t < start + window for t in times[n:]))
        return worst

    # One request.

    def answer(self, request: "ForcedRequest") -> Reply:
        """Answer a request.

        Parameters
        ----------
        request : ForcedRequest
            The request.

        Returns
        -------
        tuple
            Status, headers and body.
        """
        with self.lock:
            self.queue.advance(self.clock.now())
            answer: Reply | Callable[[], Reply] = self._route(request)
        # Meanwhile others may ask, and see a part of what is inserted.
        return answer() if callable(answer) else answer

    def _route(self, request: "ForcedRequest") -> Any:
        path = request.path
        if not path.startswith(PREFIX):
            return PAGE_NOT_FOUND
        path = path[len(PREFIX) :]
        if re.fullmatch(r"(queue|api-token-auth|queue/\d+)", path):
            # Django sends those without a slash to the address with one.
            return 301, {"Location": f"{request.path}/", **HTML}, b""
        if path == "api-token-auth/":
            return self._login(request)
        if path == "taskrunnerstatus.json":
            return self._status()
        if path == "queuepositions.json":
            where = f"{PREFIX}login/?next={PREFIX}{path}"
            return 302, {"Location": where, **HTML}, b""
        if found := re.fullmatch(r"static/results/job(\d+)\.(txt|jpg|zip|fits)", path):
            return self._file(request, int(found[1]), found[2])
        if found := re.fullmatch(
            r"queue/(\d+)/(data\.txt|preview\.jpg|plot\.pdf|images\.zip)", path
        ):
            kind = found[2].rpartition(".")[2]
            return self._file(request, int(found[1]), kind, view=True)
        if path == "queue/":
            return self._collection(request)
        if found := re.fullmatch(r"queue/(\d+)/", path):
            return self._detail(request, int(found[1]))
        if found := re.fullmatch(r"queue/(\d+)/requestimages/", path):
            return self._request_images(request, int(found[1]))
        return PAGE_NOT_FOUND

    def _login(self, request: "ForcedRequest") -> Reply:
        if request.method != "POST":
            return _json(405, {"detail": f'Method "{request.method}" not allowed.'})
        form = request.form()
        missing = [name for name in ("username", "password") if name not in form]
        if missing:
            return _json(400, {name: ["This field is required."] for name in missing})
        user = self.users.get(form["username"])
        if user is None or user.password != form["password"] or not user.active:
            words = "Unable to log in with provided credentials."
            return _json(400, {"non_field_errors": [words]})
        return _json(200, {"token": user.token})

    def _throttled(self, request: "ForcedRequest", kind: str) -> Reply | None:
        """Count a request; answer 429 when the account has none left."""
        if request.user is None:
            return None
        request.kind = kind
        history, now = self._history[request.user.name, kind], self.clock.now()
        while history and history[0] <= now - 60.0:
            history.popleft()
        if len(history) < self.rates[kind]:
            history.append(now)
            return None
        wait = max(1, round(history[0] + 60.0 - now))
        words = f"Request was throttled. Expected available in {wait} second{'s' * (wait != 1)}."
        return _json(429, {"detail": words}, {"Retry-After": str(wait)})

    def _collection(self, request: "ForcedRequest") -> Any:
        if request.bad_login:
            return request.bad_login
        reads = request.method in ("GET", "HEAD", "OPTIONS")
        if request.user is None:
            if not reads:
                return _json(401, {"detail": "Authentication credentials were not provided."})
            if request.headers.get("accept", "").startswith("text/html"):
                where = f"{PREFIX}api-auth/login/?next={PREFIX}queue/"
                return 302, {"Location": where, **HTML}, b""
            words = "You do not have permission to perform this action."
            return _json(403, {"detail": words})
        if refused := self._throttled(request, "read" if reads else "write"):
            return refused
        if request.method == "POST":
            return self._submit(request, request.user)
        return (
            self._list(request, request.user) if reads else _json(405, {"detail": "Not allowed."})
        )

    def _submit(self, request: "ForcedRequest", user: ForcedAccount) -> Any:
        now = self.clock.now()
        try:
            tasks, many = read_submission(request.content_type, request.body, now)
        except SubmissionError as refusal:
            return _json(refusal.status, refusal.body)
        before = self.queue.unstarted(user.name)
        if before + len(tasks) > 500:
            words = (
                f"ERROR: You have too many queued tasks ({before} queued + {len(tasks)} "
                "requested > 500)."
            )
            return _json(400, {"non_field_errors": words})
        outcomes = [self._outcome(f) for f in tasks]
        rows = self.queue.submit(user.name, user.number, now, tasks, outcomes, before)

        def complete() -> Reply:
            self.clock.work(len(tasks) * self.queue.insertion)
            with self.lock:
                self.queue.advance(self.clock.now())
                sent = [self.queue.json(task, self.url) for task in rows]
            if many:
                return _json(201, sent)
            return _json(201, sent[0], {"Location": sent[0]["url"]})

        return complete

    def _outcome(self, fields: dict) -> str:
        if fields.get("mpc_name"):
            return self.outcomes.get(fields["mpc_name"], "done")
        default = "nodata" if fields["dec"] <= -89 else "done"
        return self.outcomes.get((fields["ra"], fields["dec"]), default)

    def _list(self, request: "ForcedRequest", user: ForcedAccount) -> Reply:
        query = request.query
        tasks = sorted(self.queue.of_user(user.name), key=lambda task: -task.id)
        if query.get("started") in ("true", "false"):
            wanted = query["started"] == "true"
            tasks = [task for task in tasks if (task.started is not None) == wanted]
        size = min(int(query.get("pagesize", 6)), 100)
        upwards = query.get("ordering", "-id") in ("id", "timestamp")
        if upwards:
            tasks.reverse()
        first = 0
        if "cursor" in query:
            after = _read_cursor(query["cursor"])
            if after is None:
                return _json(404, {"detail": "Invalid cursor"})
            beyond = (n for n, t in enumerate(tasks) if (t.id > after if upwards else t.id < after))
            first = next(beyond, len(tasks))
        page = tasks[first : first + size]
        rest = {k: v for k, v in sorted(query.items()) if k != "cursor"}

        def link(cursor: int | None) -> str:
            extra = {"cursor": base64.b64encode(f"p={cursor}".encode()).decode()} if cursor else {}
            asked = urlencode({**extra, **rest})
            return f"{self.url}queue/" + (f"?{asked}" if asked else "")

        body = {
            "next": link(page[-1].id) if first + size < len(tasks) else None,
            "previous": link(tasks[first - size].id + (-1 if upwards else 1))
            if first > size
            else link(None)
            if first
            else None,
            "pagefirsttaskposition": first,
            "taskcount": len(tasks),
            "results": [self.queue.json(task, self.url) for task in page],
        }
        return _tagged(request, body, self._version(user.name))

    def _version(self, user: str) -> list[tuple]:
        """Return what the tag of a response depends on: all that changes any task of an account."""
        return [(t.id, t.started, t.ended, t.attempts) for t in self.queue.of_user(user)]

    def _detail(self, request: "ForcedRequest", number: int) -> Reply:
        if request.bad_login:
            return request.bad_login
        task = self.queue.tasks.get(number)
        deleting = request.method == "DELETE"
        if deleting and request.user is None:
            return _json(401, {"detail": "Authentication credentials were not provided."})
        if refused := self._throttled(request, "write" if deleting else "read"):
            return refused
        if task is None:
            # "404, for a finished task as an HTML page"; a second DELETE is 204.
            if number in self.queue.archived:
                return (204, {}, b"") if deleting else PAGE_NOT_FOUND
            return _json(404, {"detail": "No Task matches the given query."})
        if deleting:
            if request.user is None or task.user != request.user.name:
                return _json(403, {"detail": "You must be the owner of this object."})
            self.queue.remove(task, self.clock.now())
            return 204, {}, b""
        return _tagged(request, self.queue.json(task, self.url), self._version(task.user))

    def _request_images(self, request: "ForcedRequest", number: int) -> Reply:
        if request.bad_login:
            return request.bad_login
        if request.method != "POST":
            return _json(405, {"detail": f'Method "{request.method}" not allowed.'})
        if request.user is None:
            return _json(401, {"detail": "Authentication credentials were not provided."})
        task = self.queue.tasks.get(number)
        if task is None or task.kind != "FP":
            return PAGE_NOT_FOUND
        if task.user != request.user.name:
            return _json(403, {"detail": "You do not have permission to perform this action."})
        # It is not throttled, and each call makes a task.
        images = sum(t.kind == "IMGZIP" for t in self.queue.of_user(task.user))
        if images >= 5:
            words = (
                f"You have too many IMGZIP tasks ({images} >= 5). Delete some before making "
                "new requests."
            )
            return _json(429, {"non_field_errors": words})
        where = f"{PREFIX}queue/"
        if task.ended is None or task.error:
            return 302, {"Location": where, **HTML}, b""
        fields = {**task.fields, "request_type": "IMGZIP"}
        child = self.queue.add(
            task.user, task.user_id, self.clock.now(), fields, before=None, parent=task.id
        )
        return 302, {"Location": f"{where}?newids={child.id}", **HTML}, b""

    def _status(self) -> Reply:
        queued = sum(task.started is None for task in self.queue.tasks.values())
        return _json(200, {
            "written": "2026-11-20T17:47:08.686983+00:00", "pid": 1, "numslots": 16,
            "slots_busy": 1, "running_taskids": [], "maintenance": False,
            "queued_task_count": queued, "distinct_queued_users": self.queued_users,
            "queued_by_request_type": {"FP": queued}, "oldest_queued_task_time": None,
            "running": True, "stale": False, "status_age_seconds": 2.6,
            "typical_runtime_seconds": {"FP": max(self.queue.runtime, 0.01)},
            "user_queued_task_count": 0,
        })  # fmt: skip

    def _file(
        self, request: "ForcedRequest", number: int, kind: str, *, view: bool = False
    ) -> Reply:
        task, ready = self._ready(self.queue.tasks.get(number), kind)
        request.kind = "file"
        if not ready or task is None:
            return PAGE_NOT_FOUND if view else (404, {"Content-Type": "text/html"}, b"Not Found\n")
        name = f"job{task.id:05d}.{kind}"
        headers = {"Content-Disposition": f'inline; filename="{name}"'} if view else {}
        types = {"txt": "text/plain", "jpg": "image/jpeg", "pdf": "application/pdf",
                 "zip": "application/zip", "fits": "application/fits"}  # fmt: skip
        return 200, {**headers, "Content-Type": types[kind]}, self._content(task, kind)

    def _ready(self, task: QueuedTask | None, kind: str) -> tuple[QueuedTask | None, bool]:
        """Return the task whose file this is, and whether the file is ready."""
        if task is None:
            return None, False
        ready = task.ended is not None
        if kind == "zip":
            ready = (task.parent or task.id) in self.queue.zips
            if ready and task.parent is not None:
                task = self.queue.tasks.get(task.parent, task)
        elif kind == "fits":
            ready = ready and task.kind == "SSOSTACK" and task.error is None
        elif kind == "txt":
            ready = ready and task.kind != "IMGZIP"
        return task, ready

    def _content(self, task: QueuedTask, kind: str) -> Any:
        if kind == "txt":
            return self._text(task).encode()
        if kind == "zip" and self.images is not None:
            return self.images
        if kind in ("zip", "fits"):
            return forced_files.zip_bytes() if kind == "zip" else forced_files.fits_bytes()
        return b"%PDF-1.4\n" if kind == "pdf" else b"\xff\xd8\xff\xe0\x00\x10JFIF"

    def _text(self, task: QueuedTask) -> str:
        f = task.fields
        if task.kind == "SSOSTACK":
            return f"stack_rock.sh {f['mpc_name']}: 4 images\n"
        if task.outcome == "ragged":
            return forced_files.RAGGED
        if task.outcome == "nodata":
            return forced_files.HEADER + "\n"
        planet = f.get("ra") is None
        text = forced_files.result_text(
            180.0 if planet else f["ra"], 0.0 if planet else f["dec"], f["mjd_min"], f["mjd_max"],
            reduced=f.get("use_reduced", False), dialect=self.dialect, mpc_name=f.get("mpc_name"),
            seed=self.seed,
        )  # fmt: skip
        # A copy that was cut short on its way, as proxies keep them.
        return text[: -self.cut] if task.outcome == "cut" else text


@dataclass
class ForcedRequest:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict
    body: bytes
    user: ForcedAccount | None = None
    bad_login: Reply | None = None
    kind: str | None = None

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query."""
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def content_type(self) -> str:
        """The type of the body."""
        return self.headers.get("content-type", "").partition(";")[0]

    def form(self) -> dict:
        """Return the fields of the body.

        Returns
        -------
        dict
            Values by name.
        """
        if self.content_type == "application/json":
            return json.loads(self.body)
        return {k: v[-1] for k, v in parse_qs(self.body.decode()).items()}


def _json(status: int, body: object, headers: dict[str, str] | None = None) -> Reply:
    return (
        status,
        {"Content-Type": "application/json", **(headers or {})},
        json.dumps(body).encode(),
    )


def _tagged(request: ForcedRequest, body: object, version: object) -> Reply:
    status, headers, content = _json(200, body)
    state = f"{request.target} {version}"
    tag = f'"{hashlib.md5(state.encode(), usedforsecurity=False).hexdigest()}"'
    if request.headers.get("if-none-match") == tag:
        return 304, {}, b""
    return status, {**headers, "ETag": tag}, content


def _read_cursor(text: str) -> int | None:
    with suppress(ValueError):
        found = re.fullmatch(rb"p=(\d+)", base64.b64decode(text, validate=True))
        return int(found[1]) if found else None
    return None


def _identify(server: ForcedSandbox, request: ForcedRequest) -> None:
    """Find the account that sends a request; "Bearer" counts as anonymous."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme == "Token":
        for user in server.users.values():
            if user.token == value:
                request.user = user
                return
        request.bad_login = _json(401, {"detail": "Invalid token."})
    elif scheme == "Basic":
        request.bad_login = _json(401, {"detail": "Invalid username/password."})


class _ForcedHandler(BaseHTTPRequestHandler):
    """Answers the requests of a connection; the class of each server has its sandbox."""

    sandbox: ForcedSandbox
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        request = ForcedRequest(self.command, self.path, headers, body)
        _identify(self.sandbox, request)
        fault = self.sandbox.fault(request.method, request.path)
        if fault == "before":
            answer: Reply | None = None
        elif fault == "bare 429":
            answer = _json(429, {"detail": "Too many requests."})
        else:
            answer = self.sandbox.answer(request)
        if fault == "stall":
            self.sandbox.released.wait(600)
        if fault in ("after", "stall"):
            answer = None
        elif isinstance(fault, int):
            page = b"<html><title>Something else</title></html>"
            answer = fault, {"Content-Type": "text/html"}, page
        self.note(request, answer)
        if answer is None:
            self.close_connection = True
            return
        self.reply(*answer)

    def note(self, request: ForcedRequest, answer: Reply | None) -> None:
        user = request.user.name if request.user else None
        status = answer[0] if answer else None
        self.sandbox.requests.append(
            Seen(self.sandbox.clock.now(), user, request.method, request.path, request.kind,
                 status, request.headers, request.query, request.body)
        )  # fmt: skip

    def reply(self, status: int, headers: dict[str, str], body: Any) -> None:
        size: int
        blocks: Iterable[bytes]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        size, blocks = (len(body), [body]) if isinstance(body, bytes) else body()
        if status not in (204, 304):
            self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            with suppress(OSError):
                for block in blocks:
                    self.wfile.write(block)
                    size -= len(block)
            self.close_connection |= size > 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass

"""A double of the ATLAS forced photometry server on loopback, built from its contract.

It runs one task of an account at a time on a clock that it is given, throttles,
fails and forgets as the real one does, and remembers every request.
"""

import base64
import hashlib
import json
import re
import threading
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from . import files as forced_files
from .forms import RefusalError, read_submission
from .queue import Queue

PREFIX = "/forcedphot/"
HTML = {"Content-Type": "text/html; charset=utf-8"}
PAGE_NOT_FOUND = (404, HTML, b"Page not found")


@dataclass(frozen=True)
class User:
    """An account."""

    number: int
    name: str
    password: str
    active: bool = True

    @property
    def token(self):
        return hashlib.sha1(self.name.encode()).hexdigest()


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
    """The server.

    ``clock`` says what time it is. ``fates`` maps a position (ra, dec) or the name of a
    minor planet to what becomes of its task. ``fault`` is called with the method and path of
    each request, and returns None, "before" (the connection breaks before the server acts),
    "after" (when it has acted), a status (of a web page, when it has acted), "bare 429", or
    "stall" (when it has acted, nothing is answered until `released`).
    """

    def __init__(self, clock, *, runtime=60.0, writes=60, reads=600):
        self.clock = clock
        self.rates = {"write": writes, "read": reads}
        self.queue = Queue(runtime)
        names = ["alice", "bob", "carol", "dave", "erin"]
        self.users = {n: User(i, n, f"{n}-pass-123") for i, n in enumerate(names, start=1)}
        self.users["inactive"] = User(9, "inactive", "inactive-pass-123", active=False)
        # Bytes that are missing at the end of a result whose fate is "cut".
        self.cut = 1
        self.fates = {(201.0, -9.5): "ragged", (200.0, -9.5): "flaky", "bad obj": "nothing"}
        self.fault = lambda method, path: None
        self.dialect = "today"
        self.queued_users = 1
        #: What an image ZIP holds: bytes, or a function that returns them in blocks.
        self.images = None
        self.requests = []
        self.lock = threading.RLock()
        self.released = threading.Event()
        self._history = defaultdict(deque)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()

    def stop(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self):
        return self.host + PREFIX

    def environment(self, user="alice"):
        """Return the environment variables of a client."""
        token = self.users[user].token
        return {"ATLASQUERY_FORCED_SERVER": self.url, "ATLASQUERY_FORCED_TOKEN": token}

    def asked(self, method, path=""):
        """Return the requests of a method whose path contains a text."""
        return [r for r in self.requests if r.method == method and path in r.path]

    def worst(self, kind, window=60.0):
        """Return the largest number of requests of a kind that an account made in a window."""
        worst = 0
        for user in {r.user for r in self.requests}:
            times = [r.when for r in self.requests if r.kind == kind and r.user == user]
            for n, start in enumerate(times):
                worst = max(worst, sum(t < start + window for t in times[n:]))
        return worst

    # One request.

    def answer(self, request):
        """Return status, headers and body."""
        with self.lock:
            self.queue.advance(self.clock.now())
            answer = self._route(request)
        if callable(answer):
            # Meanwhile others may ask, and see a part of what is inserted.
            answer = answer()
        return answer

    def _route(self, request):
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

    def _login(self, request):
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

    def _throttled(self, request, kind):
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

    def _collection(self, request):
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
            return self._submit(request)
        return self._list(request) if reads else _json(405, {"detail": "Not allowed."})

    def _submit(self, request):
        user, now = request.user, self.clock.now()
        try:
            tasks, many = read_submission(request.content_type, request.body, now)
        except RefusalError as refusal:
            return _json(refusal.status, refusal.words)
        before = self.queue.unstarted(user.name)
        if before + len(tasks) > 500:
            words = (
                f"ERROR: You have too many queued tasks ({before} queued + {len(tasks)} "
                "requested > 500)."
            )
            return _json(400, {"non_field_errors": words})
        fates = [self._fate(f) for f in tasks]
        made = self.queue.submit(user.name, user.number, now, tasks, fates, before)

        def complete():
            self.clock.work(len(tasks) * self.queue.insertion)
            with self.lock:
                self.queue.advance(self.clock.now())
                sent = [self.queue.json(task, self.url) for task in made]
            if many:
                return _json(201, sent)
            return _json(201, sent[0], {"Location": sent[0]["url"]})

        return complete

    def _fate(self, fields):
        if fields.get("mpc_name"):
            return self.fates.get(fields["mpc_name"], "done")
        default = "nodata" if fields["dec"] <= -89 else "done"
        return self.fates.get((fields["ra"], fields["dec"]), default)

    def _list(self, request):
        query = request.query
        tasks = sorted(self.queue.own(request.user.name), key=lambda task: -task.id)
        if query.get("started") in ("true", "false"):
            wanted = query["started"] == "true"
            tasks = [task for task in tasks if (task.started is not None) == wanted]
        size = min(int(query.get("pagesize", 6)), 100)
        upwards = query.get("ordering", "-id") in ("id", "timestamp")
        if upwards:
            tasks.reverse()
        first = 0
        if "cursor" in query:
            place = _read_cursor(query["cursor"])
            if place is None:
                return _json(404, {"detail": "Invalid cursor"})
            beyond = (n for n, t in enumerate(tasks) if (t.id > place if upwards else t.id < place))
            first = next(beyond, len(tasks))
        page = tasks[first : first + size]
        rest = {k: v for k, v in sorted(query.items()) if k != "cursor"}

        def link(cursor):
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
        return _tagged(request, body, self._version(request.user.name))

    def _version(self, user):
        """Return what the tag of an answer is made of: all that changes any task of an account."""
        return [(t.id, t.started, t.ended, t.attempts) for t in self.queue.own(user)]

    def _detail(self, request, number):
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
            if task.user != request.user.name:
                return _json(403, {"detail": "You must be the owner of this object."})
            self.queue.remove(task, self.clock.now())
            return 204, {}, b""
        return _tagged(request, self.queue.json(task, self.url), self._version(task.user))

    def _request_images(self, request, number):
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
        images = sum(t.kind == "IMGZIP" for t in self.queue.own(task.user))
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

    def _status(self):
        queued = sum(task.started is None for task in self.queue.tasks.values())
        return _json(200, {
            "written": "2026-11-20T17:47:08.686983+00:00", "pid": 1, "numslots": 16,
            "slots_busy": 1, "running_taskids": [], "maintenance": False,
            "queued_task_count": queued, "distinct_queued_users": self.queued_users,
            "queued_by_request_type": {"FP": queued}, "oldest_queued_task_time": None,
            "running": True, "stale": False, "status_age_seconds": 2.6,
            "typical_runtime_seconds": {"FP": self.queue.runtime}, "user_queued_task_count": 0,
        })  # fmt: skip

    def _file(self, request, number, kind, *, view=False):
        task = self.queue.tasks.get(number)
        ready = task is not None and task.ended is not None
        if kind == "zip":
            ready = task is not None and (task.parent or task.id) in self.queue.zips
            task = self.queue.tasks.get(task.parent, task) if ready else None
        elif kind == "fits":
            ready = ready and task.kind == "SSOSTACK" and task.error is None
        elif kind == "txt":
            ready = ready and task.kind != "IMGZIP"
        request.kind = "file"
        if not ready:
            return PAGE_NOT_FOUND if view else (404, {"Content-Type": "text/html"}, b"Not Found\n")
        name = f"job{task.id:05d}.{kind}"
        headers = {"Content-Disposition": f'inline; filename="{name}"'} if view else {}
        types = {"txt": "text/plain", "jpg": "image/jpeg", "pdf": "application/pdf",
                 "zip": "application/zip", "fits": "application/fits"}  # fmt: skip
        return 200, {**headers, "Content-Type": types[kind]}, self._content(task, kind)

    def _content(self, task, kind):
        if kind == "txt":
            return self._text(task).encode()
        if kind == "zip" and self.images is not None:
            return self.images
        makers = {"zip": forced_files.zip_bytes, "fits": forced_files.fits_bytes}
        heads = {"jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF", "pdf": b"%PDF-1.4\n"}
        return makers[kind]() if kind in makers else heads[kind]

    def _text(self, task):
        f = task.fields
        if task.kind == "SSOSTACK":
            return f"stack_rock.sh {f['mpc_name']}: 4 images\n"
        if task.fate == "ragged":
            return forced_files.RAGGED
        if task.fate == "nodata":
            return forced_files.HEADER + "\n"
        planet = f.get("ra") is None
        text = forced_files.result_text(
            180.0 if planet else f["ra"], 0.0 if planet else f["dec"], f["mjd_min"], f["mjd_max"],
            reduced=f.get("use_reduced", False), dialect=self.dialect, moving=planet,
        )  # fmt: skip
        # A copy that was cut short on its way, as proxies keep them.
        return text[: -self.cut] if task.fate == "cut" else text


@dataclass
class Request:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict
    body: bytes
    user: User | None = None
    bad_login: tuple | None = None
    kind: str | None = None

    @property
    def path(self):
        return urlsplit(self.target).path

    @property
    def query(self):
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def content_type(self):
        return self.headers.get("content-type", "").partition(";")[0]

    def form(self):
        if self.content_type == "application/json":
            return json.loads(self.body)
        return {k: v[-1] for k, v in parse_qs(self.body.decode()).items()}


def _json(status, body, headers=None):
    return (
        status,
        {"Content-Type": "application/json", **(headers or {})},
        json.dumps(body).encode(),
    )


def _tagged(request, body, version):
    status, headers, content = _json(200, body)
    tag = f'"{hashlib.md5(f"{request.target} {version}".encode()).hexdigest()}"'
    if request.headers.get("if-none-match") == tag:
        return 304, {}, b""
    return status, {**headers, "ETag": tag}, content


def _read_cursor(text):
    with suppress(ValueError):
        found = re.fullmatch(rb"p=(\d+)", base64.b64decode(text, validate=True))
        return int(found[1]) if found else None
    return None


def _who(double, request):
    """Find out who asks; "Bearer" counts as anonymous."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme == "Token":
        for user in double.users.values():
            if user.token == value:
                request.user = user
                return
        request.bad_login = _json(401, {"detail": "Invalid token."})
    elif scheme == "Basic":
        request.bad_login = _json(401, {"detail": "Invalid username/password."})


def _handler(double):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def serve(self):
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length") or 0))
            request = Request(self.command, self.path, headers, body)
            _who(double, request)
            fault = double.fault(request.method, request.path)
            if fault == "before":
                answer = None
            elif fault == "bare 429":
                answer = _json(429, {"detail": "Too many requests."})
            else:
                answer = double.answer(request)
            if fault == "stall":
                double.released.wait(600)
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

        def note(self, request, answer):
            user = request.user.name if request.user else None
            status = answer[0] if answer else None
            double.requests.append(
                Seen(double.clock.now(), user, request.method, request.path, request.kind, status,
                     request.headers, request.query, request.body)
            )  # fmt: skip

        def reply(self, status, headers, body):
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

        def __getattr__(self, name):
            if name.startswith("do_"):
                return self.serve
            raise AttributeError(name)

        def handle_one_request(self):
            try:
                super().handle_one_request()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

        def log_message(self, *args):
            pass

    return Handler

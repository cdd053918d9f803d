"""The WSGI application: from a request to the reply that the real server would give."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Request, Response

from .accounts import Accounts, User
from .call import Call
from .database import Database
from .endpoints import ENDPOINTS, LOGIN, LOGIN_PATH, Endpoint
from .forms import InvalidError
from .population import Population
from .responses import RefusedError, ServerError, browsable, json_response, page, too_long
from .throttle import STAFF_RATE, Throttle, parse_rate
from .writes import StatusReply

__all__ = ["Application", "Exchange"]

_PREFIX = "/api/"
# The front server's longest request line and the framework's largest body, in bytes.
_MAX_LINE = 4094
_MAX_BODY = 2_621_440
_SAFE = ("GET", "HEAD", "OPTIONS")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_JSON, _HTML = "application/json", "text/html"
_SECRETS = frozenset({"token", "password"})
_NO_GET = {"Error": "GET is not implemented for this service."}
_LOGIN_FIELDS = {
    name: {"type": "string", "required": sent, "read_only": not sent, "label": name.capitalize()}
    for name, sent in (("username", True), ("password", True), ("token", False))
}
_BAD_LOGIN = {"non_field_errors": ["Unable to log in with provided credentials."]}


@dataclass
class Exchange:
    """One request that the sandbox answered.

    Attributes
    ----------
    method : str
        HTTP method.
    path : str
        Path of the URL.
    status : int
        HTTP status of the reply.
    user : str or None
        Name of the user, None where none was recognised.
    n_bytes : int
        Size of the body of the reply.
    parameters : dict
        What was requested, without tokens and passwords.
    """

    method: str
    path: str
    status: int = 0
    user: str | None = None
    n_bytes: int = 0
    parameters: dict = field(default_factory=dict)


class _SandboxRequest(Request):
    # The server's own limit is on the whole body.
    max_form_memory_size = None
    # werkzeug takes None for no limit, and declares a number.
    max_form_parts = None  # type: ignore[assignment]


class Application:
    """The API over WSGI.

    Parameters
    ----------
    database : Database
        The data.
    accounts : Accounts
        The users.
    population : Population
        The objects whose light curves are not in the database.
    now : callable
        The server's clock, in seconds since 1970.
    user_rate, auth_rate : tuple of int or None
        Requests and seconds of a user, and of an address on auth-token/; None is no limit.
    latency : float
        Seconds to wait before each reply.
    """

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        population: Population,
        now: Callable[[], float],
        *,
        user_rate: tuple[int, int] | None,
        auth_rate: tuple[int, int] | None,
        latency: float,
    ):
        self._database = database
        self._accounts = accounts
        self._population = population
        self._now = now
        self._rates = {"user": user_rate, "auth": auth_rate}
        self._throttle = Throttle(now)
        self._latency = latency
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []

    @property
    def exchanges(self) -> list[Exchange]:
        """The requests answered so far, in order."""
        with self._lock:
            return list(self._exchanges)

    def clear(self) -> None:
        """Forget the requests answered."""
        with self._lock:
            self._exchanges.clear()

    def __call__(self, environ: dict, start_response: Callable) -> object:
        """Answer a request, as WSGI wants it."""
        request = _SandboxRequest(environ)
        exchange = Exchange(request.method, request.path)
        if self._latency:
            time.sleep(self._latency)
        response = self._respond(request, exchange)
        exchange.status, exchange.n_bytes = response.status_code, len(response.get_data())
        with self._lock:
            self._exchanges.append(exchange)
        return response(environ, start_response)

    def _respond(self, request: _SandboxRequest, exchange: Exchange) -> Response:
        uri = request.environ.get("REQUEST_URI", "")
        line = len(f"{request.method} {uri} HTTP/1.1")
        if line > _MAX_LINE:
            return too_long(line, _MAX_LINE)
        exchange.parameters.update(_public(request.args.to_dict(flat=True)))
        name = request.path.removeprefix(_PREFIX)
        known = name.strip("/") in ENDPOINTS or name.strip("/") == LOGIN_PATH
        if not request.path.startswith(_PREFIX) or not known or name.count("/") > 1:
            return page(404)
        if not name.endswith("/"):
            # requests follows this with a GET without the body that was posted.
            query = request.query_string.decode()
            where = f"{request.path}/{'?' * bool(query)}{query}"
            return Response(
                status=301, headers={"Location": where}, content_type=f"{_HTML}; charset=utf-8"
            )
        name = name.strip("/")
        try:
            if name == LOGIN_PATH:
                return self._auth_token(request, exchange)
            return self._endpoint(ENDPOINTS[name], request, exchange)
        except ServerError:
            return page(500)
        except _TooLargeError:
            return page(400)

    def _endpoint(
        self, endpoint: Endpoint, request: _SandboxRequest, exchange: Exchange
    ) -> Response:
        headers = {"Allow": "GET, POST, HEAD, OPTIONS", "Vary": "Accept"}
        accepted = _JSON
        try:
            accepted = _negotiate(request, (_JSON, _HTML))
            user = self._admit(endpoint, request, exchange)
            status, payload = self._answer(endpoint, request, user, exchange)
        except RefusedError as refusal:
            status, payload = refusal.status, {"detail": refusal.detail}
            headers |= refusal.headers
        if accepted == _HTML and payload is not None:
            return browsable(endpoint.name, status, payload, headers)
        return json_response(status, payload, headers)

    def _admit(self, endpoint: Endpoint, request: _SandboxRequest, exchange: Exchange) -> User:
        """Check the user, their permission and their quota, in this order."""
        user = self._accounts.authenticate(
            request.headers.get("Authorization", ""), _last(request.args).get("token")
        )
        if user is None:
            raise RefusedError(401, "Authentication credentials were not provided.")
        exchange.user = user.username
        if endpoint.writes and request.method not in _SAFE and not user.may_write:
            raise RefusedError(403, "You do not have permission to perform this action.")
        rate = self._rates["user"]
        if rate is not None:
            rate = parse_rate(STAFF_RATE, "staff") if user.is_staff else rate
            self._count(("user", user.id), rate)
        return user

    def _count(self, client: tuple, rate: tuple[int, int]) -> None:
        wait = self._throttle.wait(client, rate)
        if wait is not None:
            words = (
                f"Request was throttled. Expected available in {wait} second{'s' * (wait != 1)}."
            )
            raise RefusedError(429, words, {"Retry-After": str(wait)})

    def _answer(
        self, endpoint: Endpoint, request: _SandboxRequest, user: User, exchange: Exchange
    ) -> tuple[int, object]:
        if request.method == "OPTIONS":
            return 200, _options(endpoint.name, (_JSON, _HTML), (_JSON, *_FORMS))
        if request.method in ("GET", "HEAD"):
            if not endpoint.gets:
                return 200, _NO_GET
            data, is_form = cast("object", _last(request.args)), True
        elif request.method == "POST":
            data, is_form = _body(request)
        else:
            raise RefusedError(405, f'Method "{request.method}" not allowed.')
        exchange.parameters.update(_public(data))
        try:
            values = endpoint.fields.clean(data, is_form=is_form)
        except InvalidError as invalid:
            if endpoint.trips:
                raise ServerError("the server trips over wrong parameters here") from invalid
            return 400, invalid.reply
        reply = endpoint.answer(Call(self._database, user, self._now(), self._population), **values)
        if isinstance(reply, StatusReply):
            return reply.status, reply.payload
        wrong = isinstance(reply, dict) and "error" in reply
        return 400 if wrong else endpoint.status, reply

    def _auth_token(self, request: _SandboxRequest, exchange: Exchange) -> Response:
        headers = {"Allow": "POST, OPTIONS", "Vary": "Cookie"}
        try:
            _negotiate(request, (_JSON,))
            basic = self._accounts.check_basic(request.headers.get("Authorization", ""))
            if basic is None and self._rates["auth"] is not None:
                self._count(("auth", _address(request)), self._rates["auth"])
            status, payload = self._log_in(request, exchange)
        except RefusedError as refusal:
            status, payload = refusal.status, {"detail": refusal.detail}
            headers |= refusal.headers
        return json_response(status, payload, headers)

    def _log_in(self, request: _SandboxRequest, exchange: Exchange) -> tuple[int, object]:
        if request.method == "OPTIONS":
            reply = _options("Obtain Expiring Auth Token", (_JSON,), (*_FORMS, _JSON))
            return 200, {**reply, "actions": {"POST": _LOGIN_FIELDS}}
        if request.method != "POST":
            raise RefusedError(405, f'Method "{request.method}" not allowed.')
        data, is_form = _body(request)
        exchange.parameters.update(_public(data))
        try:
            values = LOGIN.clean(data, is_form=is_form)
        except InvalidError as invalid:
            return 400, invalid.reply
        username, password = str(values["username"]), str(values["password"])
        account = self._accounts.renew(username, password)
        if account is None:
            return 400, _BAD_LOGIN
        exchange.user = username
        return 200, account


class _TooLargeError(Exception):
    """The body is larger than the framework takes: an HTML page with status 400."""


def _negotiate(request: _SandboxRequest, offered: tuple[str, ...]) -> str:
    """Choose the media type of the reply; the server does so before anything else."""
    asked = _last(request.args).get("format")
    if asked is not None:
        # Only "json" and "api" name a renderer, and "api" still has to be acceptable.
        names = {"json": _JSON, "api": _HTML}
        offered = tuple(media for media in offered if media == names.get(asked))
        if not offered:
            raise RefusedError(404, "Not found.")
    accepts = [media.strip() for media in request.headers.get("Accept", "*/*").split(",")]
    # The most exact types come first, whatever their order and weight; then the server's taste.
    for exactness in (3, 2, 1, 0):
        patterns = {media.split(";")[0] for media in accepts if _exactness(media) == exactness}
        for media in offered:
            if patterns & {media, f"{media.split('/')[0]}/*", "*/*"}:
                return media
    raise RefusedError(406, "Could not satisfy the request Accept header.")


def _exactness(media: str) -> int:
    """Rank a type of the Accept header: with parameters, exact, a range, anything."""
    name = media.split(";")[0]
    return {"*/*": 0}.get(name, 1 if name.endswith("/*") else 2 + (";" in media))


def _body(request: _SandboxRequest) -> tuple[object, bool]:
    """Read the parameters of a POST: the data and whether it came as a form."""
    length = request.content_length or 0
    media = request.mimetype
    if not length:
        return {}, media in _FORMS
    if media not in (*_FORMS, _JSON):
        content_type = request.headers.get("Content-Type", "")
        raise RefusedError(415, f'Unsupported media type "{content_type}" in request.')
    if length > _MAX_BODY:
        raise _TooLargeError
    if media in _FORMS:
        if media == _FORMS[1] and "boundary" not in request.mimetype_params:
            words = "Invalid boundary in multipart: None"
            raise RefusedError(400, f"Multipart form parse error - {words}")
        # A part sent as a file is a value of the wrong type.
        return {**_last(request.form), **dict.fromkeys(request.files, b"")}, True
    try:
        return json.loads(request.get_data().decode(), parse_constant=_no_constant), False
    except ValueError as error:
        raise RefusedError(400, f"JSON parse error - {error}") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"Out of range float values are not JSON compliant: {name!r}")


def _last(values: MultiDict) -> dict:
    """Flatten repeated keys: the last one wins."""
    return {name: found[-1] for name, found in values.lists()}


def _public(data: object) -> dict:
    if not isinstance(data, dict):
        return {}
    return {name: value for name, value in data.items() if name not in _SECRETS}


def _address(request: _SandboxRequest) -> str:
    forwarded = request.headers.get("X-Forwarded-For")
    return "".join(forwarded.split()) if forwarded else request.remote_addr or ""


def _options(name: str, renders: tuple, parses: tuple) -> dict:
    return {"name": name, "description": "", "renders": list(renders), "parses": list(parses)}

"""The embedded SkyPortal: see docs/servers/skyportal.rst for what the real one does."""

import hashlib
import json
import re
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ..http import LoopbackServer, Response, SandboxRequest, next_fault

# Each registers its routes when it is imported.
from . import events, reads, tables, writes  # noqa: F401
from .routes import ROUTES, PortalCall, PortalError, envelope, error_envelope, html
from .state import ADMIN, OTHER, READER, PortalState

__all__ = ["ADMIN", "OTHER", "READER", "PortalThrottle", "SkyPortalSandbox"]

# Of SkyPortal; where it is not set, the framework takes a tenth of it.
LARGEST_BODY = 100 * 1024 * 1024
MALFORMED = (
    'HTTP 401: Unauthorized (Credentials malformed; expected form "Authorization: token abc123")'
)

Fault = Response | PortalError


class PortalThrottle:
    """The limit of nginx before the server: so many requests a second of a token, and a burst.

    Parameters
    ----------
    now : callable
        Returns the time in seconds.
    rate : float
        Requests a second.
    burst : float
        Requests that may come at once.
    """

    def __init__(self, now: Callable[[], float], rate: float = 5.0, burst: float = 10):
        self.now, self.rate, self.burst = now, rate, burst
        self.excess: dict[str, tuple[float, float]] = {}

    def takes(self, key: str) -> bool:
        """Return whether a request is let through.

        Parameters
        ----------
        key : str
            The header with the token.

        Returns
        -------
        bool
            Whether it is.
        """
        if not key:
            # "Requests with an empty key value are not accounted" (nginx).
            return True
        now = self.now()
        excess, last = self.excess.get(key, (0.0, now))
        excess = max(0.0, excess - (now - last) * self.rate)
        if excess > self.burst:
            return False
        self.excess[key] = excess + 1, now
        return True


class SkyPortalSandbox:
    """An instance of SkyPortal, at first without any source.

    Parameters
    ----------
    clock : callable, optional
        Returns the time in seconds, for limits.
    host : str
        Address to listen on.
    port : int
        Port to listen on; 0 takes a free one.

    Attributes
    ----------
    state : PortalState
        Accounts, sources, photometry and all else that the instance has.
    faults : dict
        A response or an error, or a list of them for one request each, by a regular expression
        of the method and the path with its query.
    hooks : list of tuple
        Such an expression and a function that is called before the response.
    received, times, headers, bodies : list
        What was received: ``"METHOD path?query"``, times, headers by their names in lower case,
        and bodies.
    latency : float
        Seconds that the server waits before each response.
    anonymous : bool
        Whether reading needs no token.
    largest_body : int
        Bytes of the largest body.
    throttle : PortalThrottle or None
        The limit of the rate.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ):
        self.clock = clock
        self.throttle: PortalThrottle | None = None
        self.reset()
        self._lock = threading.Lock()
        self._server = LoopbackServer(
            self._respond, host=host, port=port, name="sandbox SkyPortal"
        )  # fmt: skip

    def reset(self) -> None:
        """Forget all requests, all that was written, and all changes."""
        # What a test has put in its place.
        vars(self).pop("_routed", None)
        self.state = PortalState()
        self.anonymous = False
        self.faults: dict[str, Fault | list[Fault]] = {}
        self.hooks: list[tuple[str, Callable[[], object]]] = []
        self.received: list[str] = []
        self.times: list[float] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.latency = 0.0
        self.largest_body = LARGEST_BODY
        self.throttle = None

    def throttled(self, rate: float = 5.0, burst: float = 10) -> None:
        """Limit the rate of requests.

        Parameters
        ----------
        rate : float, optional
            Requests a second of a token.
        burst : float, optional
            Requests that may come at once.
        """
        self.throttle = PortalThrottle(self.clock, rate, burst)

    @property
    def url(self) -> str:
        """The address of the API, with a slash at its end."""
        return f"{self._server.url}/api/"

    def environment(self, token: str = ADMIN) -> dict[str, str]:
        """Return the environment that points a client to this server.

        Parameters
        ----------
        token : str, optional
            Token of the account; that of the administrator may read and write all.

        Returns
        -------
        dict of str to str
            ``ATLASQUERY_SKYPORTAL_SERVER`` and ``ATLASQUERY_SKYPORTAL_TOKEN``.
        """
        return {"ATLASQUERY_SKYPORTAL_SERVER": self.url, "ATLASQUERY_SKYPORTAL_TOKEN": token}

    def stop(self) -> None:
        """Stop the server."""
        self._server.stop()

    def __enter__(self) -> "SkyPortalSandbox":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def asked(self, pattern: str = "") -> list[str]:
        """Return the requests that match.

        Parameters
        ----------
        pattern : str, optional
            Regular expression that is searched in ``"METHOD path?query"``.

        Returns
        -------
        list of str
            The requests.
        """
        return [target for target in list(self.received) if re.search(pattern, target)]

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Response:
        """Return the response to a request.

        Parameters
        ----------
        method : str
            The method.
        target : str
            The path with its query.
        headers : dict of str to str
            The headers.
        body : bytes
            The body.

        Returns
        -------
        Response
            The response.
        """
        headers = {name.lower(): value for name, value in headers.items()}
        key, request = headers.get("authorization", ""), f"{method} {target}"
        with self._lock:
            self.received.append(request)
            self.times.append(self.clock())
            self.headers.append(dict(headers))
            self.bodies.append(body)
            if self.throttle is not None and not self.throttle.takes(key):
                # See docs/servers/skyportal.rst, "What a status means".
                return html(429, "Too Many Requests")
            fault: Fault | None = next_fault(self.faults, request)
        if self.latency:
            time.sleep(self.latency)
        for pattern, hook in self.hooks:
            if re.search(pattern, request):
                with self.state.lock:
                    hook()
        try:
            if isinstance(fault, Response):
                return fault
            if fault is not None:
                raise fault
            if len(body) > self.largest_body:
                return html(413, "Request Entity Too Large")
            return self._routed(method, target, key, body)
        except PortalError as error:
            return _error(error.status, error.message)
        except Exception:
            return _error(500, traceback.format_exc())

    def _respond(self, request: SandboxRequest) -> Response:
        headers = dict(request.headers)
        response = self.answer(request.method, request.target, headers, request.body)
        tag = response.headers.get("Etag")
        if tag and headers.get("if-none-match") == tag:
            return Response(304, b"", response.content_type, response.headers)
        return response

    def _user(self, key: str, method: str) -> dict[str, Any]:
        if not key and self.anonymous and method == "GET":
            return {"id": None, "username": "anonymous", "acls": set(), "groups": {3}}
        # See docs/servers/skyportal.rst, "The header is ``token``, lower case".
        form = re.fullmatch(r"token (\S+)", key)
        if not form:
            raise PortalError(401, MALFORMED)
        if form[1] not in self.state.users:
            raise PortalError(401, "HTTP 401: Unauthorized")
        return {**self.state.users[form[1]], "token": form[1]}

    def _routed(self, method: str, target: str, key: str, body: bytes) -> Response:
        parts = urlsplit(target)
        path = unquote(parts.path).removeprefix("/api/").rstrip("/")
        found = [(one, match) for one in ROUTES if (match := one.pattern.fullmatch(path))]
        matching = [(one, match) for one, match in found if one.method == method]
        user: dict[str, Any] = {"acls": set(), "groups": set()}
        if not (matching and matching[0][0].public):
            user = self._user(key, method)
        if not found:
            raise PortalError(400, "Invalid API endpoint")
        if not matching:
            raise PortalError(405, "HTTP 405: Method Not Allowed")
        chosen, match = matching[0]
        if chosen.permission is not None and chosen.permission not in user["acls"]:
            # As for a bad token: see docs/servers/skyportal.rst, "What a status means".
            raise PortalError(401, "HTTP 401: Unauthorized")
        # See docs/servers/skyportal.rst, "Unknown and repeated parameters".
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        call = PortalCall(self.state, method, path, params, _json(body, path), user)
        with self.state.lock:
            data = chosen.function(call, *match.groups())
        if isinstance(data, Response):
            return data
        text = json.dumps(envelope(data)).encode()
        tag = hashlib.sha1(text, usedforsecurity=False).hexdigest()
        return Response(200, text, headers={"Etag": f'"{tag}"'})


def _json(body: bytes, path: str) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        raise PortalError(
            500,
            f"JSON decode of request body failed on /api/{path}. Please ensure all requests are "
            "of type application/json.",
        ) from None


def _error(status: int, message: str) -> Response:
    return Response(status, error_envelope(message), "application/json; charset=UTF-8")

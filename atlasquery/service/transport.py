"""One exchange with a server: time limits, safe repetitions, and errors with its message."""

import contextlib
import dataclasses
import io
import os
import re
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3

from atlasquery.exceptions import LargeAnswerError, QuotaError, RemoteServiceError, TimeoutError
from atlasquery.service.address import is_local
from atlasquery.service.clock import OutOfTimeError
from atlasquery.service.conf import ServiceConf
from atlasquery.service.deadline import Deadline, deadline, note_outcome
from atlasquery.service.environment import connection_settings
from atlasquery.service.http_errors import raise_for_redirect, server_message
from atlasquery.service.log import log
from atlasquery.service.quota import OpenGate
from atlasquery.service.secrets import LoginForm, without_frames

__all__ = ["Policy", "exchange"]

E = TypeVar("E", bound=Exception)

BLOCK = 1 << 18
# The state of urllib3's decoder before the end of gzip data.
GZIP_FIRST = getattr(getattr(urllib3.response, "GzipDecoderState", None), "FIRST_MEMBER", ...)
# Repeating a request does not help if its address is invalid.
ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


@dataclass(frozen=True)
class Policy:
    """Time limits and repetitions of an exchange, read from the configuration for each call.

    Parameters
    ----------
    timeout : float
        Seconds for a connection and between bytes.
    deadline : float
        Seconds for one whole exchange.
    retries : int
        Repetitions of a read.
    backoff : float
        Seconds before the first repetition.
    max_wait : float
        Longest wait that a status of 429 may request.
    divisible : bool, optional
        Whether the caller requests less, instead of the same again, when the server
        fails for a request or is too slow.
    limit : int, optional
        Largest size of a decompressed response in bytes.
    ends : str, optional
        Name of what sets the deadline, for messages.
    """

    timeout: float
    deadline: float
    retries: int
    backoff: float
    max_wait: float
    divisible: bool = False
    limit: int = 200_000_000
    ends: str = "conf.deadline"

    @classmethod
    def from_conf(
        cls,
        conf: ServiceConf,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        divisible: bool = False,
    ) -> "Policy":
        """Read the policy from a service's configuration.

        Parameters
        ----------
        conf : ServiceConf
            The configuration, with an item for each field.
        timeout, deadline : float, optional
            Other limits than those of the configuration.
        divisible : bool, optional
            As of the class.

        Returns
        -------
        Policy
            The policy of the present configuration.
        """
        return cls(
            conf.timeout if timeout is None else timeout,
            conf.deadline if deadline is None else deadline,
            conf.retries,
            conf.backoff,
            conf.max_wait,
            divisible=divisible,
            limit=conf.max_answer_bytes,
        )

    def within(self, seconds: float) -> "Policy":
        """Return a policy with a limited deadline.

        Parameters
        ----------
        seconds : float
            The time left.

        Returns
        -------
        Policy
            With a deadline of at most that time.

        Raises
        ------
        OutOfTimeError
            If no time is left.
        """
        if seconds <= 0:
            raise OutOfTimeError("no time is left for a request")
        if seconds >= self.deadline:
            return self
        return dataclasses.replace(self, deadline=seconds, ends="the time left")


class _PassingError(Exception):
    """A temporary failure, with the error to raise if repetitions fail too."""

    def __init__(self, error: Exception, wait: float | None = None, *, reached: bool = True):
        super().__init__(str(error))
        self.error = error
        self.wait = wait
        self.reached = reached
        self.status = getattr(error, "status", None)


def exchange(
    session: requests.Session,
    service: str,
    policy: Policy,
    gate: OpenGate,
    *,
    repeat: bool,
    expected: Container[int] = (),
    watch: Callable[[bytes], None] | None = None,
    final: Callable[[requests.Response], bool] | None = None,
    passing: Callable[[requests.Response], bool] | None = None,
    into: Callable[[requests.Response], BinaryIO | None] | None = None,
    damage: Callable[[requests.Response], Exception | None] | None = None,
    **request: Any,
) -> requests.Response:
    """Send one request and return its complete response.

    Parameters
    ----------
    session : `requests.Session`
        The connections.
    service : str
        The name of the service, for messages.
    policy : Policy
        Time limits and repetitions.
    gate : OpenGate
        Counts the requests, and delays or refuses them when none is left.
    repeat : bool
        Whether the request may be repeated after a failure: true for reads only.
    expected : container of int, optional
        Statuses from 300 to 399 that the caller handles: "not modified", or a redirect
        that names the address of the result and is not followed.
    watch : callable, optional
        Called with each part of a response of status 200 as it arrives. After the first
        part, the request is not repeated.
    final : callable, optional
        Takes a response of status 500 or higher; returns whether it is final, so that the
        same request would fail again. By default none is.
    passing : callable, optional
        Takes an answer of status 400 to 499; returns whether it is a failure of the server that
        may be gone at the next try. By default none is.
    into : callable, optional
        Takes a response of status 200 before its content is read; returns an empty file, to
        which the content is written as it arrives instead of to the response, or None to read
        it as usual.
    damage : callable, optional
        Takes a response of status 200; returns an error if it is damaged and the same request
        may succeed, as after a broken connection.
    **request
        Arguments of `requests.Session.request`.

    Returns
    -------
    `requests.Response`
        The response with its content, of any status below 500 except 429, or a `final` one.

    Raises
    ------
    RemoteServiceError, TimeoutError, QuotaError
        If no response arrived, or the server cannot handle the request now.
    """
    tries = policy.retries if repeat else 0
    attempt = rounds = 0
    seen: list[bool] = []
    seeing = watch and _noting(watch, seen)
    while True:
        receipt = gate.enter()
        try:
            patience = policy.within(gate.clock.left())
            response = _once(
                session, service, patience, request, expected, final, passing, seeing, into
            )
            if damage and response.status_code == 200 and (error := damage(response)):
                raise _PassingError(error)
        except _PassingError as failure:
            gate.leave(receipt, counted=failure.reached and failure.status not in gate.uncounted)
            throttled = isinstance(failure.error, QuotaError)
            if throttled and gate.waits and rounds < gate.rounds:
                # A throttled request was not executed, so that a write may be repeated too.
                _await_turn(gate, rounds, failure.wait)
                rounds += 1
                continue
            wait = policy.backoff * 2**attempt if failure.wait is None else failure.wait
            if attempt == tries or seen or _is_useless(policy, gate, failure.error, wait):
                if throttled and failure.wait is not None:
                    gate.shut(failure.wait)
                raise failure.error from failure.error.__cause__
            log.debug(f"{failure.error} Trying again in {wait:g} s.")
            note_outcome(failure.error)
            gate.clock.sleep(wait)
            attempt += 1
        except BaseException as error:
            # Ctrl-C may interrupt a library whose frames have the token.
            without_frames(error)
            gate.leave(receipt, counted=True)
            raise
        else:
            gate.leave(receipt, counted=response.status_code not in gate.uncounted)
            if "html" not in response.headers.get("Content-Type", "").lower():
                # A page in place of data is no success, whatever its status.
                note_outcome(None)
            return response


def _await_turn(gate: OpenGate, rounds: int, advised: float | None) -> None:
    """Wait until a throttled request may be sent again, longer in each round."""
    # Also longer than the server advises, which may say 0 wrongly.
    wait = max(gate.first_wait * 2.0 ** min(rounds, 8), advised or 0.0)
    gate.shut(wait)
    gate.clock.wait(wait)


def _noting(watch: Callable[[bytes], None], seen: list[bool]) -> Callable[[bytes], None]:
    """Return a function that notes that something arrived, and passes it on."""

    def note(block: bytes) -> None:
        seen.append(True)
        watch(block)

    return note


def _is_useless(policy: Policy, gate: OpenGate, error: Exception, wait: float) -> bool:
    """Return whether to send less, or nothing, is better than to wait and send the same again."""
    too_much = isinstance(error, TimeoutError) or getattr(error, "status", None) == 500
    too_long = wait > min(policy.max_wait, gate.clock.left())
    return too_long or (policy.divisible and too_much)


def _gatekeeper(service: str, expected: Container[int]) -> Callable:
    """Return a hook that refuses redirects, except expected ones, before requests reads them.

    It replaces the hook of the session, which refuses all redirects.
    """

    def check(response: requests.Response, *args: Any, **kwargs: Any) -> requests.Response:
        readable = response.status_code in expected
        with contextlib.suppress(ValueError):
            # A redirect to an invalid address is refused like any other.
            urlsplit(response.headers.get("Location", ""))
            if readable:
                return response
        raise_for_redirect(response, service)
        return response

    return check


def _prepared(
    session: requests.Session,
    *,
    method: str,
    url: str,
    hooks: dict,
    headers: dict | None = None,
    params: dict | None = None,
    data: Any = None,
    json: Any = None,
    files: Any = None,
    auth: Any = None,
    verify: bool | str | None = None,
) -> requests.PreparedRequest:
    """Return a request as it is sent, with the headers and parameters of the session.

    `requests.Session.prepare_request` copies cookies, of which none are kept, and looks for what
    each request has, its ``auth`` and hooks; that takes as long as all the rest. How certificates
    are checked, `verify`, is a matter of the connection.
    """
    merged = session.headers.copy()
    merged.update(headers or {})
    for name in [name for name, value in merged.items() if value is None]:
        del merged[name]
    if session.params:
        params = requests.sessions.merge_setting(params, session.params)
    prepared = requests.PreparedRequest()
    prepared.prepare_method(method)
    prepared.prepare_url(url, params or None)
    prepared.prepare_headers(merged)
    # The session's, which takes and sends none; requests wants some of a redirect's request.
    prepared.prepare_cookies(session.cookies)
    prepared.prepare_body(data, files, json)
    prepared.prepare_auth(auth, url)
    prepared.prepare_hooks(hooks)
    return prepared


def _once(
    session: requests.Session,
    service: str,
    policy: Policy,
    request: dict,
    expected: Container[int],
    final: Callable[[requests.Response], bool] | None,
    passing: Callable[[requests.Response], bool] | None,
    watch: Callable[[bytes], None] | None,
    into: Callable[[requests.Response], BinaryIO | None] | None,
) -> requests.Response:
    method, url = request["method"], request["url"]
    about: dict[str, Any] = {"service": service, "url": url}
    started = time.monotonic()
    with deadline(policy.deadline, prompt=watch is not None) as end:
        try:
            # No proxy for a server on this machine, which would get the token.
            direct, verify = is_local(url), request.get("verify")
            # Redirects are not followed: they may lead to another host, and change POST to GET.
            response = session.send(
                _prepared(session, **request, hooks={"response": _gatekeeper(service, expected)}),
                timeout=policy.timeout,
                allow_redirects=False,
                **connection_settings(session, url, direct=direct, verify=verify),
            )
            try:
                good = response.status_code == 200
                file = into(response) if into and good else None
                watching = watch if good else None
                body, size = _body(response, end, watching, file, policy.limit, about)
            except BaseException:
                response.close()
                raise
        except ADDRESS as error:
            raise _unreachable(about, error) from None
        except (OSError, urllib3.exceptions.HTTPError) as error:
            # At the deadline, not all failures are timeouts: the TLS handshake, for example, uses
            # the timeout that the socket had left.
            silent = isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError))
            if silent or end.passed:
                failure: TimeoutError | RemoteServiceError = _silent(
                    service, about, policy, error, late=end.over
                )
            elif isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError)):
                failure = _unreachable(about, error)
            else:
                raise
            raise _PassingError(failure, reached=failure.sent) from None
    seconds = time.monotonic() - started
    if response.status_code >= 400 and hasattr(request.get("auth"), "conceal"):
        # A server may quote the request, and its message is shown.
        body = request["auth"].conceal(body)
    response._content, response._content_consumed = body, True
    _forget_credentials(response, request.get("auth"))
    log.debug(f"{service}: {method} {url} -> {response.status_code}, {size} bytes, {seconds:.3f} s")
    _refuse_failure(response, about, final, passing)
    return response


def _forget_credentials(response: requests.Response, auth: Any) -> None:
    """Remove the credentials from the request that a response holds."""
    response.request.headers.pop("Authorization", None)
    if isinstance(auth, LoginForm):
        response.request.body = None
    # The hook is a method of the client, which has credentials too.
    response.request.hooks = {}


def _refuse_failure(
    response: requests.Response,
    about: dict,
    final: Callable[[requests.Response], bool] | None,
    passing: Callable[[requests.Response], bool] | None,
) -> None:
    """Raise if the same request may succeed later, or if there were too many."""
    status = response.status_code
    if status == 429:
        if _is_rule(response):
            raise _over_limit(response, about)
        raise _PassingError(*_throttled(response, about))
    if 400 <= status < 500 and passing and passing(response):
        raise _PassingError(_failed(response, about))
    if status >= 500 and not (final and final(response)):
        # A server that is busy or closed for maintenance may say for how long.
        wait = _retry_after(response, "") if status == 503 else None
        raise _PassingError(_failed(response, about), wait)


def _body(
    response: requests.Response,
    end: Deadline,
    watch: Callable[[bytes], None] | None,
    file: BinaryIO | None,
    limit: int,
    about: dict,
) -> tuple[bytes, int]:
    """Read the response as it arrives; return the body that is not in a file, and its size.

    In memory it has at most the number of bytes in the limit.
    """
    too_large = LargeAnswerError(
        f"{about['service']} sends more than {limit} bytes "
        f"(conf.max_answer_bytes) from {about['url']}. Request less at once, or raise that limit "
        "if you trust the server and have the memory.",
        status=response.status_code,
        **about,
    )
    if file is None and (response.raw.length_remaining or 0) > limit:
        raise too_large
    # A growing buffer: a list of blocks would be in memory twice when joined.
    body, size = io.BytesIO(), 0
    with _reading(body) as others:
        while block := response.raw.read1(BLOCK, decode_content=True):
            size += len(block)
            # Responses that are read at the same time share the limit.
            held = 0 if file is not None else size
            if held > limit or (held + others() > limit and held > limit / (len(_bodies) or 1)):
                raise too_large
            (body if file is None else file).write(block)
            if watch is not None:
                watch(block)
            end.check()
    if size and _is_cut(response.raw):
        raise urllib3.exceptions.DecodeError("its compressed data have no end")
    response.raw.release_conn()
    return body.getvalue(), size


# The responses that the threads of each process are reading.
_bodies: dict[tuple[int, int], io.BytesIO] = {}


@contextlib.contextmanager
def _reading(body: io.BytesIO) -> Iterator[Callable[[], int]]:
    """Count a body while it is read; yield a function that returns the bytes of the others."""
    me = (os.getpid(), id(body))
    for stale in [key for key in list(_bodies) if key[0] != me[0]]:
        # From threads of the parent process of a fork.
        _bodies.pop(stale, None)
    _bodies[me] = body
    try:
        yield lambda: sum(one.tell() for key, one in list(_bodies.items()) if key != me)
    finally:
        _bodies.pop(me, None)


def _is_cut(raw: urllib3.response.BaseHTTPResponse) -> bool:
    """Return whether a response in gzip has no end, which urllib3 does not report."""
    decoder = getattr(raw, "_decoder", None)
    # Data after the end of gzip data are ignored, as usual.
    first = getattr(decoder, "_state", None) == GZIP_FIRST
    return first and getattr(getattr(decoder, "_obj", None), "eof", True) is False


def _silent(
    service: str, about: dict, policy: Policy, error: Exception, *, late: bool
) -> TimeoutError:
    what = (
        f"did not finish its response within {policy.deadline:.3g} s ({policy.ends})"
        if late
        else f"did not respond within {policy.timeout:g} s (conf.timeout)"
    )
    failure = TimeoutError(
        f"{service} {what}: {about['url']}. Request less at once, wait longer, or try later.",
        sent=_connected(error),
        **about,
    )
    return _caused(failure, error)


def _unreachable(about: dict, error: Exception) -> RemoteServiceError:
    broken = (
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        urllib3.exceptions.ProtocolError,
        urllib3.exceptions.DecodeError,
    )
    if isinstance(error, requests.exceptions.SSLError):
        what = "offers no valid certificate"
    elif isinstance(error, broken) or "aborted" in str(error) or "reset" in str(error):
        what = "interrupted its response"
    else:
        what = "cannot be reached"
    failure = RemoteServiceError(
        f"{about['service']} {what} at {about['url']} ({_deepest(error)}). "
        "Check the network and conf.server, or try later.",
        reason=_deepest(error),
        sent=_connected(error),
        **about,
    )
    return _caused(failure, error)


def _connected(error: Exception) -> bool:
    """Return whether the request may have reached the server: false if it certainly did not."""
    if isinstance(error, (requests.ConnectTimeout, *ADDRESS)):
        return False
    if isinstance(error, requests.exceptions.SSLError):
        # TLS may fail later too; the certificate is checked before anything is sent.
        return "CERTIFICATE_VERIFY_FAILED" not in str(error)
    # The error of urllib3 is an argument of that of requests, or its reason.
    inner = error.args[0] if error.args else None
    inner = getattr(inner, "reason", inner)
    return not isinstance(inner, urllib3.exceptions.NewConnectionError)


def _caused(failure: E, error: Exception) -> E:
    # The request of an exception of requests has the credentials in its headers.
    if isinstance(error, requests.RequestException):
        error.request = None
    failure.__cause__ = error
    # So have the frames of the libraries, whose variables some tools print.
    without_frames(error)
    return failure


def _deepest(error: BaseException) -> str:
    """Return the message of the innermost error, without those of the libraries around it."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            nested = [arg for arg in error.args if isinstance(arg, BaseException)]
            if not nested:
                break
            inner = nested[0]
        error = inner
    return (
        getattr(error, "strerror", None) or str(error).rpartition(": ")[2] or type(error).__name__
    )


def _throttled(response: requests.Response, about: dict) -> tuple[QuotaError, float | None]:
    message = server_message(response)
    wait = _retry_after(response, message)
    when = "" if wait is None else f" It accepts requests again in {wait:.0f} s."
    error = QuotaError(
        f"{about['service']} has reached its limit of requests from this account (status 429): "
        f"{message}{when} "
        "Wait, or raise conf.max_wait to let atlasquery wait.",
        retry_after=wait,
        status=429,
        reason=message,
        **about,
    )
    return error, wait


def _is_rule(response: requests.Response) -> bool:
    """Return whether a status of 429 is due to a rule, for which waiting does not help.

    A throttle tells when it ends, in a header or in Django's ``detail``; a rule,
    such as five image requests at a time, is reported as the error of a field.
    """
    if "Retry-After" in response.headers:
        return False
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = msgspec.json.decode(response.content)
        return isinstance(answer, dict) and "non_field_errors" in answer
    return False


def _over_limit(response: requests.Response, about: dict) -> QuotaError:
    message = server_message(response)
    return QuotaError(
        f"{about['service']} refused the request with status 429 at {about['url']}: {message}",
        status=429,
        reason=message,
        **about,
    )


def _retry_after(response: requests.Response, message: str) -> float | None:
    """Return the requested wait in seconds, from a header or the server's message."""
    value = response.headers.get("Retry-After")
    if value is not None:
        # The date may be invalid.
        with contextlib.suppress(urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
            return max(0.0, float(urllib3.Retry().parse_retry_after(value)))
    found = re.search(r"available in (\d+(?:\.\d+)?) seconds?", message)
    return float(found[1]) if found else None


def _failed(response: requests.Response, about: dict) -> RemoteServiceError:
    message = server_message(response)
    return RemoteServiceError(
        f"{about['service']} failed with status {response.status_code} at {about['url']}: "
        f"{message} Try again later, or request less at once.",
        status=response.status_code,
        reason=message,
        **about,
    )

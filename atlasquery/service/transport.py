"""One exchange with a server: in time, repeated where that is safe, errors in its own words."""

import contextlib
import dataclasses
import io
import os
import re
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3

from atlasquery.exceptions import LargeAnswerError, QuotaError, RemoteServiceError, TimeoutError
from atlasquery.service.address import is_local
from atlasquery.service.clock import OutOfTimeError
from atlasquery.service.deadline import Deadline, deadline
from atlasquery.service.environment import connection_settings
from atlasquery.service.http_errors import raise_for_redirect, server_message
from atlasquery.service.log import log
from atlasquery.service.quota import OpenGate
from atlasquery.service.secrets import LoginForm, without_frames

__all__ = ["Policy", "exchange"]

BLOCK = 1 << 18
# The state of urllib3's decoder before the end of a file in gzip.
GZIP_FIRST = getattr(getattr(urllib3.response, "GzipDecoderState", None), "FIRST_MEMBER", ...)
# No repetition mends an address.
ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


@dataclass(frozen=True)
class Policy:
    """How patient an exchange is; read from the configuration for each call.

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
        Longest wait that a 429 may ask for.
    divisible : bool, optional
        Whether the caller asks for less instead of for the same again when the
        server fails over a request, or is too slow for it.
    limit : int, optional
        Bytes that an answer may have when it is unpacked.
    ends : str, optional
        What the deadline comes from, for messages.
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
    def from_conf(cls, conf) -> "Policy":
        """Read the policy from a service's configuration.

        Parameters
        ----------
        conf : `~astropy.config.ConfigNamespace`
            With an item for each field.

        Returns
        -------
        Policy
            As the configuration is now.
        """
        patience = (conf.timeout, conf.deadline, conf.retries, conf.backoff, conf.max_wait)
        return cls(*patience, limit=conf.max_answer_bytes)

    def within(self, seconds: float) -> "Policy":
        """Return a policy for who has no more time than that.

        Parameters
        ----------
        seconds : float
            The time left.

        Returns
        -------
        Policy
            With no longer deadline.

        Raises
        ------
        OutOfTimeError
            If there is none.
        """
        if seconds <= 0:
            raise OutOfTimeError("no time is left for a request")
        if seconds >= self.deadline:
            return self
        return dataclasses.replace(self, deadline=seconds, ends="the time left")


class _PassingError(Exception):
    """A failure that may be gone at the next try, with the error to raise if it is not."""

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
    **request,
) -> requests.Response:
    """Send one request and return its whole answer.

    Parameters
    ----------
    session : `requests.Session`
        The connections.
    service : str
        The name of the service, for messages.
    policy : Policy
        How patient to be.
    gate : OpenGate
        Counts the requests, and holds them back when none is left.
    repeat : bool
        Whether the request may be sent again after it failed: true for reads only.
    expected : container of int, optional
        Statuses from 300 to 399 that the caller reads: "not modified", or a redirect that
        says where the answer is and is not followed.
    watch : callable, optional
        Given each piece of an answer with a status of 200 as it arrives. What it has seen a
        piece of is not asked for again.
    final : callable, optional
        Takes an answer of status 500 or more; returns whether it is a refusal, which the same
        request would meet again. By default none is.
    passing : callable, optional
        Takes an answer of status 400 to 499; returns whether it is a failure of the server that
        may be gone at the next try. By default none is.
    into : callable, optional
        Takes an answer of status 200 before its content is read; returns the empty file that
        the content is written to as it arrives, and is then not part of the answer, or None
        to read it as usual.
    damage : callable, optional
        Takes an answer with a status of 200; returns the error that it ends in if it is damaged
        and the same request may be answered whole, as after a broken connection.
    **request
        What `requests.Session.request` takes.

    Returns
    -------
    `requests.Response`
        With its content read, whatever its status below 500 other than 429, or `final`.

    Raises
    ------
    RemoteServiceError, TimeoutError, QuotaError
        When no answer came, or the server said that it cannot serve now.
    """
    tries = policy.retries if repeat else 0
    attempt = rounds = 0
    seen: list[bool] = []

    def watched(piece: bytes) -> None:
        seen.append(True)
        watch(piece)

    while True:
        receipt = gate.enter()
        try:
            patience = policy.within(gate.clock.left())
            seeing = watched if watch else None
            response = _once(
                session, service, patience, request, expected, final, passing, seeing, into
            )
            if damage and response.status_code == 200 and (error := damage(response)):
                raise _PassingError(error)
        except _PassingError as failure:
            gate.leave(receipt, counted=failure.reached and failure.status not in gate.uncounted)
            throttled = isinstance(failure.error, QuotaError)
            if throttled and gate.waits and rounds < gate.rounds:
                # What was throttled was not done, so that a write may be sent again too. Each
                # next wait is longer, for a server that says 0 and does not mean it.
                wait = max(gate.first_wait * 2.0 ** min(rounds, 8), failure.wait or 0.0)
                rounds += 1
                gate.shut(wait)
                gate.clock.wait(wait)
                continue
            wait = policy.backoff * 2**attempt if failure.wait is None else failure.wait
            too_much = policy.divisible and _too_much(failure.error)
            too_long = wait > min(policy.max_wait, gate.clock.left())
            if attempt == tries or too_long or too_much or seen:
                if throttled and failure.wait is not None:
                    gate.shut(failure.wait)
                raise failure.error from failure.error.__cause__
            log.debug(f"{failure.error} Trying again in {wait:g} s.")
            gate.clock.sleep(wait)
            attempt += 1
        except BaseException as error:
            # Ctrl-C may come while a library holds the token in clear.
            without_frames(error)
            gate.leave(receipt, counted=True)
            raise
        else:
            gate.leave(receipt, counted=response.status_code not in gate.uncounted)
            return response


def _too_much(error: Exception) -> bool:
    """Return whether the request itself may be what the server fails over."""
    return isinstance(error, TimeoutError) or getattr(error, "status", None) == 500


def _gatekeeper(service: str, expected: Container[int]):
    """Return what refuses a redirect before requests looks where it leads, unless expected.

    It takes the place of the session's hook, which refuses them all.
    """

    def check(response: requests.Response, *args, **kwargs) -> requests.Response:
        readable = response.status_code in expected
        with contextlib.suppress(ValueError):
            # An address that cannot be read is refused like any other.
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
    data: object = None,
    json: object = None,
    files: object = None,
    auth: object = None,
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
    session,
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
    place = {"service": service, "url": url}
    started = time.monotonic()
    with deadline(policy.deadline, prompt=watch is not None) as end:
        try:
            # Nobody between us and a server on this machine: a proxy would get the token.
            direct, verify = is_local(url), request.get("verify")
            # A redirect is not followed: it may lead to another host, and turns a POST into a GET.
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
                body, size = _body(response, end, watching, file, policy.limit, place)
            except BaseException:
                response.close()
                raise
        except ADDRESS as error:
            raise _unreachable(place, error) from None
        except (OSError, urllib3.exceptions.HTTPError) as error:
            # What breaks at the deadline breaks as a time-out or otherwise: while encryption is
            # agreed upon, the time-out of the socket is what was left.
            silent = isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError))
            if silent or end.passed:
                made = _silent(service, place, policy, error, late=end.over)
            elif isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError)):
                made = _unreachable(place, error)
            else:
                raise
            raise _PassingError(made, reached=made.sent) from None
    seconds = time.monotonic() - started
    if response.status_code >= 400 and hasattr(request.get("auth"), "conceal"):
        # A server may quote what it was sent; its words are shown.
        body = request["auth"].conceal(body)
    response._content, response._content_consumed = body, True
    # What holds the response must not hold the credentials.
    response.request.headers.pop("Authorization", None)
    if isinstance(request.get("auth"), LoginForm):
        response.request.body = None
    # The hook is a method of the client, which has them too.
    response.request.hooks = {}
    status = response.status_code
    log.debug(f"{service}: {method} {url} -> {status}, {size} bytes, {seconds:.3f} s")
    if status == 429:
        if _is_rule(response):
            raise _over_limit(response, place)
        raise _PassingError(*_throttled(response, place))
    if 400 <= status < 500 and passing and passing(response):
        raise _PassingError(_failed(response, place))
    if status >= 500 and not (final and final(response)):
        # A server at work on the answer, or closed for maintenance, may say for how long.
        wait = _retry_after(response, "") if status == 503 else None
        raise _PassingError(_failed(response, place), wait)
    return response


def _body(
    response: requests.Response,
    end: Deadline,
    watch: Callable[[bytes], None] | None,
    file: BinaryIO | None,
    limit: int,
    place: dict,
) -> tuple[bytes, int]:
    """Read the answer as it arrives; return what is not in a file, and the size of all.

    In memory there is no more of it than the limit.
    """
    too_large = LargeAnswerError(
        f"{place['service']} answers {place['url']} with more than {limit} bytes "
        "(conf.max_answer_bytes). Ask for less at once, or raise that limit if you trust the "
        "server and have the memory.",
        status=response.status_code,
        **place,
    )
    if file is None and (response.raw.length_remaining or 0) > limit:
        raise too_large
    # A buffer that grows: a list of blocks would be in memory twice when it is joined.
    body, size = io.BytesIO(), 0
    with _reading(body) as others:
        while block := response.raw.read1(BLOCK, decode_content=True):
            size += len(block)
            # Answers that are read at the same time share the limit.
            held = 0 if file is not None else size
            if held > limit or (held + others() > limit and held > limit / (len(_bodies) or 1)):
                raise too_large
            (body if file is None else file).write(block)
            if watch is not None:
                watch(block)
            end.check()
    if size and _is_cut(response.raw):
        raise urllib3.exceptions.DecodeError("its packing has no end")
    response.raw.release_conn()
    return body.getvalue(), size


# The answers that are being read by the threads of each process.
_bodies: dict[tuple[int, int], io.BytesIO] = {}


@contextlib.contextmanager
def _reading(body: io.BytesIO) -> Iterator[Callable[[], int]]:
    """Count a body while it is read; yield what returns the bytes of all others."""
    me = (os.getpid(), id(body))
    for stale in [key for key in list(_bodies) if key[0] != me[0]]:
        # Of threads of the process that this one was forked from.
        _bodies.pop(stale, None)
    _bodies[me] = body
    try:
        yield lambda: sum(one.tell() for key, one in list(_bodies.items()) if key != me)
    finally:
        _bodies.pop(me, None)


def _is_cut(raw: urllib3.response.BaseHTTPResponse) -> bool:
    """Return whether an answer in gzip has no end, which urllib3 says nothing of."""
    decoder = getattr(raw, "_decoder", None)
    # What follows a whole file in gzip is ignored, as everywhere.
    first = getattr(decoder, "_state", None) == GZIP_FIRST
    return first and getattr(getattr(decoder, "_obj", None), "eof", True) is False


def _silent(
    service: str, place: dict, policy: Policy, error: Exception, *, late: bool
) -> TimeoutError:
    what = (
        f"did not finish its answer within {policy.deadline:.3g} s ({policy.ends})"
        if late
        else f"did not answer within {policy.timeout:g} s (conf.timeout)"
    )
    made = TimeoutError(
        f"{service} {what}: {place['url']}. Ask for less at once, wait longer, or try later.",
        sent=_connected(error),
        **place,
    )
    return _caused(made, error)


def _unreachable(place: dict, error: Exception) -> RemoteServiceError:
    broken = (
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        urllib3.exceptions.ProtocolError,
        urllib3.exceptions.DecodeError,
    )
    if isinstance(error, requests.exceptions.SSLError):
        what = "offers no valid certificate"
    elif isinstance(error, broken) or "aborted" in str(error) or "reset" in str(error):
        what = "broke off its answer"
    else:
        what = "cannot be reached"
    made = RemoteServiceError(
        f"{place['service']} {what} at {place['url']} ({_deepest(error)}). "
        "Check the network and conf.server, or try later.",
        reason=_deepest(error),
        sent=_connected(error),
        **place,
    )
    return _caused(made, error)


def _connected(error: Exception) -> bool:
    """Return whether the request may have reached the server: false where that is certain."""
    if isinstance(error, (requests.ConnectTimeout, *ADDRESS)):
        return False
    if isinstance(error, requests.exceptions.SSLError):
        # Encryption may break later too; a certificate is looked at before anything is sent.
        return "CERTIFICATE_VERIFY_FAILED" not in str(error)
    # What urllib3 raised is an argument of the error of requests, or the reason of that.
    inner = error.args[0] if error.args else None
    inner = getattr(inner, "reason", inner)
    return not isinstance(inner, urllib3.exceptions.NewConnectionError)


def _caused(made: Exception, error: Exception) -> Exception:
    # The request held by an exception of requests has the credentials in its headers.
    if isinstance(error, requests.RequestException):
        error.request = None
    made.__cause__ = error
    # So have the frames of the libraries, which some tools print with all they hold.
    without_frames(error)
    return made


def _deepest(error: BaseException) -> str:
    """Return what went wrong at the bottom, without the layers of libraries above it."""
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


def _throttled(response: requests.Response, place: dict) -> tuple[QuotaError, float | None]:
    words = server_message(response)
    wait = _retry_after(response, words)
    when = "" if wait is None else f" It takes requests again in {wait:.0f} s."
    error = QuotaError(
        f"{place['service']} has had its limit of requests from this account (status 429): "
        f"{words}{when} "
        "Wait, or raise conf.max_wait to let atlasquery wait.",
        retry_after=wait,
        status=429,
        reason=words,
        **place,
    )
    return error, wait


def _is_rule(response: requests.Response) -> bool:
    """Return whether a 429 speaks of a rule that no waiting helps with.

    A throttle says when it ends, in a header or as Django's ``detail``; a rule,
    such as five image requests at a time, is worded as the error of a field.
    """
    if "Retry-After" in response.headers:
        return False
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = msgspec.json.decode(response.content)
        return isinstance(said, dict) and "non_field_errors" in said
    return False


def _over_limit(response: requests.Response, place: dict) -> QuotaError:
    words = server_message(response)
    return QuotaError(
        f"{place['service']} refused the request with status 429 at {place['url']}: {words}",
        status=429,
        reason=words,
        **place,
    )


def _retry_after(response: requests.Response, words: str) -> float | None:
    """Return the wait asked for, in seconds or as a date, or in the server's words."""
    value = response.headers.get("Retry-After")
    if value is not None:
        # A date may be one that no calendar has.
        with contextlib.suppress(urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
            return max(0.0, float(urllib3.Retry().parse_retry_after(value)))
    said = re.search(r"available in (\d+(?:\.\d+)?) seconds?", words)
    return float(said[1]) if said else None


def _failed(response: requests.Response, place: dict) -> RemoteServiceError:
    words = server_message(response)
    return RemoteServiceError(
        f"{place['service']} failed with status {response.status_code} at {place['url']}: {words} "
        "Try again later, or ask for less at once.",
        status=response.status_code,
        reason=words,
        **place,
    )

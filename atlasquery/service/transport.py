"""One exchange with a server: in time, repeated where that is safe, errors in its own words."""

import contextlib
import html
import io
import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3
from astroquery import log

from atlasquery.exceptions import LoginError, QuotaError, RemoteServiceError, TimeoutError
from atlasquery.service.quota import OpenGate
from atlasquery.service.secrets import LoginForm

__all__ = ["Policy", "exchange", "refuse_redirect", "refuse_status", "server_words"]

BLOCK = 1 << 18
# "200s and 400s count, 403s do not" (contract), nor do logins that were refused.
UNCOUNTED = (401, 403)
# How often a request waits for its turn before it is given up.
ROUNDS = 20
# Nobody between us and a server on this machine: a proxy would get the token.
NO_PROXY = {"http": "", "https": ""}
# No repetition mends an address.
ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
LOOPBACK = re.compile(r"^(localhost|127(\.\d+){3}|\[?::1\]?)$")


@dataclass(frozen=True)
class Policy:
    """How patient an exchange is; read from the configuration for each call.

    Parameters
    ----------
    timeout : float
        Seconds for a connection and between bytes.
    deadline : float
        Seconds for one whole answer.
    retries : int
        Repetitions of a read.
    backoff : float
        Seconds before the first repetition.
    max_wait : float
        Longest wait that a 429 may ask for.
    divisible : bool, optional
        Whether the caller asks for less instead of for the same again when the
        server fails over a request, or is too slow for it.
    """

    timeout: float
    deadline: float
    retries: int
    backoff: float
    max_wait: float
    divisible: bool = False

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
        return cls(conf.timeout, conf.deadline, conf.retries, conf.backoff, conf.max_wait)


class _PassingError(Exception):
    """A failure that may be gone at the next try, with the error to raise if it is not."""

    def __init__(self, error: Exception, wait: float | None = None, *, counted: bool = True):
        super().__init__(str(error))
        self.error = error
        self.wait = wait
        self.counted = counted


def exchange(
    session: requests.Session,
    service: str,
    policy: Policy,
    gate: OpenGate,
    *,
    repeat: bool,
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
    **request
        What `requests.Session.request` takes.

    Returns
    -------
    `requests.Response`
        With its content read, whatever its status below 500 other than 429.

    Raises
    ------
    RemoteServiceError, TimeoutError, QuotaError
        When no answer came, or the server said that it cannot serve now.
    """
    tries = policy.retries if repeat else 0
    attempt = rounds = 0
    while True:
        receipt = gate.enter()
        try:
            response = _once(session, service, policy, request)
        except _PassingError as failure:
            gate.leave(receipt, counted=failure.counted)
            throttled = isinstance(failure.error, QuotaError)
            if throttled and gate.waits and rounds < ROUNDS:
                # What was throttled was not done, so that a write may be sent again too. Each
                # next wait is longer, for a server that says 0 and does not mean it.
                rounds += 1
                wait = max(2.0 ** min(rounds, 9), failure.wait or 0.0)
                gate.shut(wait)
                gate.clock.sleep(wait)
                continue
            wait = policy.backoff * 2**attempt if failure.wait is None else failure.wait
            too_much = policy.divisible and _too_much(failure.error)
            if attempt == tries or wait > policy.max_wait or too_much:
                if throttled and failure.wait is not None:
                    gate.shut(failure.wait)
                raise failure.error from failure.error.__cause__
            log.debug(f"{failure.error} Trying again in {wait:g} s.")
            gate.clock.sleep(wait)
            attempt += 1
        except BaseException:
            gate.leave(receipt, counted=True)
            raise
        else:
            gate.leave(receipt, counted=response.status_code not in UNCOUNTED)
            return response


def _too_much(error: Exception) -> bool:
    """Return whether the request itself may be what the server fails over."""
    return isinstance(error, TimeoutError) or getattr(error, "status", None) == 500


def _once(session, service: str, policy: Policy, request: dict) -> requests.Response:
    method, url = request["method"], request["url"]
    place = {"service": service, "url": url}
    started = time.monotonic()
    try:
        # A redirect is not followed: it may lead to another host, and turns a POST into a GET.
        response = session.request(
            **request,
            timeout=policy.timeout,
            stream=True,
            allow_redirects=False,
            proxies=NO_PROXY if is_local(url) else None,
        )
        try:
            body = _body(response, started + policy.deadline)
        except BaseException:
            response.close()
            raise
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise _PassingError(_silent(service, place, policy, error)) from None
    except ADDRESS as error:
        raise _unreachable(place, error) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        made = _unreachable(place, error)
        raise _PassingError(made, counted="broke off" in str(made)) from None
    finally:
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
    log.debug(f"{service}: {method} {url} -> {status}, {len(body)} bytes, {seconds:.3f} s")
    if status == 429:
        raise _PassingError(*_throttled(response, place), counted=False)
    if status >= 500:
        raise _PassingError(_failed(response, place))
    return response


def _body(response: requests.Response, deadline: float) -> bytes:
    """Read the answer as it arrives, so that a drip of bytes cannot hold us for ever."""
    # A buffer that grows: a list of blocks would be in memory twice when it is joined.
    body = io.BytesIO()
    while block := response.raw.read1(BLOCK, decode_content=True):
        body.write(block)
        if time.monotonic() > deadline:
            raise requests.Timeout("the answer did not end in time")
    response.raw.release_conn()
    return body.getvalue()


def _silent(service: str, place: dict, policy: Policy, error: Exception) -> TimeoutError:
    late = "did not end in time" in str(error)
    what = (
        f"did not finish its answer within {policy.deadline:g} s (conf.deadline)"
        if late
        else f"did not answer within {policy.timeout:g} s (conf.timeout)"
    )
    made = TimeoutError(
        f"{service} {what}: {place['url']}. Ask for less at once, wait longer, or try later.",
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
        **place,
    )
    return _caused(made, error)


def _caused(made: Exception, error: Exception) -> Exception:
    # The request held by an exception of requests has the credentials in its headers.
    if isinstance(error, requests.RequestException):
        error.request = None
    made.__cause__ = error
    # So have the frames of the libraries, which some tools print with all they hold.
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
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
    words = server_words(response)
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
    words = server_words(response)
    return RemoteServiceError(
        f"{place['service']} failed with status {response.status_code} at {place['url']}: {words} "
        "Try again later, or ask for less at once.",
        status=response.status_code,
        reason=words,
        **place,
    )


def refuse_redirect(response: requests.Response, service: str) -> None:
    """Raise if the answer sends us elsewhere.

    Parameters
    ----------
    response : `requests.Response`
        An answer.
    service : str
        The name of the service.

    Raises
    ------
    RemoteServiceError
        For a status from 300 to 399.
    """
    if not 300 <= response.status_code < 400:
        return
    place = {"service": service, "url": response.url}
    # What holds the response must not hold the credentials.
    response.request.headers.pop("Authorization", None)
    response.close()
    target = response.headers.get("Location", "nowhere")
    try:
        host = urlsplit(target).hostname
    except ValueError:
        host = target
    foreign = host not in (None, urlsplit(place["url"]).hostname)
    raise RemoteServiceError(
        f"{service} redirects {response.url} to {target} (status {response.status_code}), which "
        "was not followed"
        + (": it is another host, and credentials are not sent there. " if foreign else ". ")
        + "Set conf.server to the address that answers, if you trust it.",
        status=response.status_code,
        reason=target,
        **place,
    )


ADVICE = {
    400: "Correct the query by these words.",
    404: "Is conf.server the address of its API?",
    405: "Is conf.server the address of its API?",
    413: "Ask for less at once.",
    414: "Ask for less at once.",
}


def refuse_status(response: requests.Response, service: str) -> None:
    """Raise if the answer is a refusal.

    Parameters
    ----------
    response : `requests.Response`
        An answer with a status below 500.
    service : str
        The name of the service.

    Raises
    ------
    LoginError
        For a status of 401 or 403.
    RemoteServiceError
        For any other status of 400 or more.
    """
    status = response.status_code
    if status < 400:
        return
    words = server_words(response)
    place = {"service": service, "status": status, "url": response.url, "reason": words}
    if status == 401:
        raise LoginError(
            f"{service} does not accept the credentials (status 401): {words} Log in again.",
            **place,
        )
    if status == 403:
        raise LoginError(
            f"{service} does not let this account do that (status 403): {words} Ask for the right, "
            "or log in with an account that has it.",
            **place,
        )
    raise RemoteServiceError(
        f"{service} refused the request with status {status} at {response.url}: {words} "
        f"{ADVICE.get(status, ADVICE[400])}",
        **place,
    )


def server_words(response: requests.Response) -> str:
    """Return what a server said about a failure, as one line.

    Parameters
    ----------
    response : `requests.Response`
        The answer: JSON in any of Django's shapes, or an HTML page.

    Returns
    -------
    str
        Its words, at most 500 characters of them.
    """
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        words = _flat(msgspec.json.decode(response.content))
        return words[:500] or response.reason or "(no words)"
    text = response.content[:20000].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>|<h1[^>]*>(.*?)</h1>", text, re.S | re.I)
    if title:
        text = f"(an HTML page) {title[1] or title[2]}"
    words = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
    return words[:500] or response.reason or "(no words)"


def _flat(said: object) -> str:
    """Return the words of a JSON answer: ``{"ra": ["A valid number is required."]}``."""
    silent = ("detail", "error", "Error", "info", "non_field_errors", "message")
    if isinstance(said, dict):
        parts = [_flat(v) if k in silent else f"{k}: {_flat(v)}" for k, v in said.items()]
        return " ".join(parts)
    if isinstance(said, list):
        return " ".join(map(_flat, said))
    return str(said)


def is_local(url: str) -> bool:
    """Return whether an address is on this machine.

    Parameters
    ----------
    url : str
        The address.

    Returns
    -------
    bool
        True for ``localhost`` and loopback addresses.
    """
    return bool(LOOPBACK.match(urlsplit(url).hostname or ""))

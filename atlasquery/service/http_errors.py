"""Error responses: the server's message, and the exception to raise."""

import contextlib
import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests

from atlasquery.exceptions import LoginError, RemoteServiceError
from atlasquery.redaction import redact, safe_text

__all__ = ["is_envelope", "is_page", "raise_for_redirect", "raise_for_status", "server_message"]

PAGE = "(an HTML page)"
# Characters of which a message of 500 is made: what is not safe to show is taken out of them.
ENOUGH = 5000


def raise_for_redirect(response: requests.Response, service: str) -> None:
    """Raise if the response is a redirect.

    Parameters
    ----------
    response : `requests.Response`
        A response.
    service : str
        The name of the service.

    Raises
    ------
    RemoteServiceError
        For a status from 300 to 399.
    """
    if not 300 <= response.status_code < 400:
        return
    about: dict[str, Any] = {"service": service, "url": response.url}
    # The response must not keep the credentials.
    response.request.headers.pop("Authorization", None)
    response.close()
    target = response.headers.get("Location", "nowhere")
    try:
        host = urlsplit(target).hostname
    except ValueError:
        host = target
    foreign = host not in (None, urlsplit(about["url"]).hostname)
    raise RemoteServiceError(
        f"{service} redirects {response.url} to {target} (status {response.status_code}), which "
        "was not followed"
        + (": it is another host, and credentials are not sent there. " if foreign else ". ")
        + "Set conf.server to the address that answers, if you trust it.",
        status=response.status_code,
        reason=target,
        **about,
    )


ADVICE = {
    400: "Correct the query.",
    404: "Is conf.server the address of its API?",
    405: "Is conf.server the address of its API?",
    413: "Ask for less at once.",
    414: "Ask for less at once.",
}


def raise_for_status(response: requests.Response, service: str) -> None:
    """Raise if the response has an error status.

    Parameters
    ----------
    response : `requests.Response`
        A response.
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
    message = server_message(response)
    about: dict[str, Any] = {
        "service": service,
        "status": status,
        "url": response.url,
        "reason": message,
    }
    if status == 401:
        raise LoginError(
            f"{service} does not accept the credentials (status 401): {message} Log in again.",
            **about,
        )
    if status == 403:
        raise LoginError(
            f"{service} does not let this account do that (status 403): {message} Ask for the "
            "permission, or log in with an account that has it.",
            **about,
        )
    advice = ADVICE.get(status, ADVICE[400])
    if status == 404 and _is_api_error(response):
        # The address is right: the server itself does not have what was requested.
        advice = ADVICE[400]
    raise RemoteServiceError(
        f"{service} refused the request with status {status} at {response.url}: {message} {advice}",
        **about,
    )


def _is_api_error(response: requests.Response) -> bool:
    """Return whether a response is an error of the API, and not a page of another server."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return is_envelope(msgspec.json.decode(response.content))
    return False


def server_message(response: requests.Response) -> str:
    """Return the server's message about a failure, as one line.

    Parameters
    ----------
    response : `requests.Response`
        The response: JSON in any of Django's forms, or an HTML page.

    Returns
    -------
    str
        The message, at most 500 characters, safe to show.
    """
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = msgspec.json.decode(response.content)
        message = _enveloped(answer) or _flat(answer)
        return safe_text(message)[:500] or safe_text(response.reason or "") or "(no message)"
    text = response.content[:20000].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>|<h1[^>]*>(.*?)</h1>", text, re.S | re.I)
    if title:
        text = title[1] or title[2]
    message = html.unescape(re.sub(r"<[^>]+>", " ", redact(text)))
    message = (
        safe_text(" ".join(message.split()))[:500]
        or safe_text(response.reason or "")
        or "(no message)"
    )
    page = title or "html" in response.headers.get("Content-Type", "").lower()
    return f"{PAGE} {message}" if page else message


def is_page(message: str | None) -> bool:
    """Return whether a `server_message` is that of a web page.

    Parameters
    ----------
    message : str or None
        The message.

    Returns
    -------
    bool
        True for a web page, which may come from another server or a proxy.
    """
    return message is not None and message.startswith(PAGE)


def is_envelope(answer: object) -> bool:
    """Return whether a JSON response is an error with status, message and data.

    Parameters
    ----------
    answer : object
        The decoded response.

    Returns
    -------
    bool
        True for ``{"status": "error", "message": "...", "data": {}}``.
    """
    return (
        isinstance(answer, dict)
        and answer.get("status") in ("error", "fail")
        and isinstance(answer.get("message"), str)
    )


def _enveloped(answer: Any) -> str:
    """Return the message of an error response; of a traceback, its last line first."""
    if not is_envelope(answer):
        return ""
    lines = [line.strip() for line in answer["message"].splitlines() if line.strip()]
    if "Traceback (most recent call last)" in answer["message"]:
        # The error is at the end; the frames of the server are of no use to a user.
        lines = [lines[-1], "(the end of a traceback of the server)"]
    return " ".join(" ".join(lines).split())


def _flat(answer: object) -> str:
    """Return the text of a JSON response: ``{"ra": ["A valid number is required."]}``.

    Of a large one, only its first parts: an answer of megabytes may be taken for a message.
    """
    parts, length = [], 0
    for part in _parts(answer):
        parts.append(part)
        length += len(part)
        if length > ENOUGH:
            break
    return " ".join(parts)


def _parts(answer: object) -> Iterator[str]:
    """Yield the names and values of a JSON response, in order."""
    unnamed = ("detail", "error", "Error", "info", "non_field_errors", "message")
    if isinstance(answer, dict) and answer.get("status") == "failed" and answer.get("message"):
        # A failure whose only content is its message.
        yield from _parts(answer["message"])
    elif isinstance(answer, dict):
        for name, value in answer.items():
            if value is not None:
                if name not in unnamed:
                    yield f"{name}:"
                yield from _parts(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from _parts(value)
    else:
        yield str(answer)

"""Answers that are refusals: what they say, and which error they become."""

import contextlib
import html
import re
from urllib.parse import urlsplit

import msgspec
import requests

from atlasquery.exceptions import LoginError, RemoteServiceError
from atlasquery.redaction import redact, safe_text

__all__ = ["is_envelope", "is_page", "raise_for_redirect", "raise_for_status", "server_message"]

PAGE = "(an HTML page)"


def raise_for_redirect(response: requests.Response, service: str) -> None:
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


def raise_for_status(response: requests.Response, service: str) -> None:
    """Raise if the answer is a refusal.

    Parameters
    ----------
    response : `requests.Response`
        An answer.
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
    words = server_message(response)
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
    advice = ADVICE.get(status, ADVICE[400])
    if status == 404 and _is_own_answer(response):
        # The address is right: it is the server itself that does not have what was asked for.
        advice = ADVICE[400]
    raise RemoteServiceError(
        f"{service} refused the request with status {status} at {response.url}: {words} {advice}",
        **place,
    )


def _is_own_answer(response: requests.Response) -> bool:
    """Return whether an answer is an error in an envelope, and no page of another server."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return is_envelope(msgspec.json.decode(response.content))
    return False


def server_message(response: requests.Response) -> str:
    """Return what a server said about a failure, as one line.

    Parameters
    ----------
    response : `requests.Response`
        The answer: JSON in any of Django's shapes, or an HTML page.

    Returns
    -------
    str
        Its words, at most 500 characters of them; fit to be shown.
    """
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = msgspec.json.decode(response.content)
        words = _enveloped(said) or _flat(said)
        return safe_text(words)[:500] or safe_text(response.reason or "") or "(no words)"
    text = response.content[:20000].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>|<h1[^>]*>(.*?)</h1>", text, re.S | re.I)
    if title:
        text = title[1] or title[2]
    words = html.unescape(re.sub(r"<[^>]+>", " ", redact(text)))
    words = (
        safe_text(" ".join(words.split()))[:500] or safe_text(response.reason or "") or "(no words)"
    )
    page = title or "html" in response.headers.get("Content-Type", "").lower()
    return f"{PAGE} {words}" if page else words


def is_page(words: str | None) -> bool:
    """Return whether `server_message` are those of a web page.

    Parameters
    ----------
    words : str or None
        The words.

    Returns
    -------
    bool
        A page may be another server's, or that of a proxy before it.
    """
    return bool(words) and words.startswith(PAGE)


def is_envelope(said: object) -> bool:
    """Return whether a JSON answer is an error in an envelope: a status, a message, data.

    Parameters
    ----------
    said : object
        The decoded answer.

    Returns
    -------
    bool
        True for ``{"status": "error", "message": "...", "data": {}}``.
    """
    return (
        isinstance(said, dict)
        and said.get("status") in ("error", "fail")
        and isinstance(said.get("message"), str)
    )


def _enveloped(said: object) -> str:
    """Return the message of an envelope; of a traceback, its last line first."""
    if not is_envelope(said):
        return ""
    lines = [line.strip() for line in said["message"].splitlines() if line.strip()]
    if "Traceback (most recent call last)" in said["message"]:
        # What went wrong stands at the end; where in the server it did, nobody here can use.
        lines = [lines[-1], "(the end of a traceback of the server)"]
    return " ".join(" ".join(lines).split())


def _flat(said: object) -> str:
    """Return the words of a JSON answer: ``{"ra": ["A valid number is required."]}``."""
    silent = ("detail", "error", "Error", "info", "non_field_errors", "message")
    if isinstance(said, dict) and said.get("status") == "failed" and said.get("message"):
        # An envelope, of which the message is all that there is to say.
        return _flat(said["message"])
    if isinstance(said, dict):
        given = ((k, v) for k, v in said.items() if v is not None)
        parts = [_flat(v) if k in silent else f"{k}: {_flat(v)}" for k, v in given]
        return " ".join(parts)
    if isinstance(said, list):
        return " ".join(map(_flat, said))
    return str(said)

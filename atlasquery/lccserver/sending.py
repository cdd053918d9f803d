"""Run a search: send its parts, read the streams, wait for what goes to the background."""

import contextlib
import json
import math
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import astropy.units as u
import msgspec
from astroquery import cache_conf

from atlasquery.exceptions import (
    InvalidQueryError,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.lccserver.base import LCCServerQuery
from atlasquery.lccserver.datasets import HIDDEN, LCCDataset, read_dataset
from atlasquery.lccserver.queries import LCCQuery, Part
from atlasquery.lccserver.stream import SearchOutcome, Stream, StreamLine, refused
from atlasquery.service.pool import in_background, in_notebook, run_all
from atlasquery.tables.decoding import float_of
from atlasquery.tables.html import control_free

__all__ = ["StatusLine", "check_timeout", "finish_parts", "start_parts"]

Progress = bool | Callable
# Of degrees and arcminutes that were sent as strings and come back as numbers.
SLACK = 1e-6
# A dataset of so few rows is complete before the server has checked the key again.
SOON = 1000


@dataclass
class _Submission:
    """The outcome of sending a part.

    ``early`` is its dataset, requested while the server still collects the light curves, and
    ``light_curves`` the path of their ZIP, which such a dataset does not have yet.
    """

    stored: bool = False
    early: Future | None = None
    light_curves: str | None = None

    def take(self) -> LCCDataset | None:
        """Return the dataset that was requested early, once, if that was not too early."""
        early, self.early = self.early, None
        # After a failure it is requested again, so that the error is raised where it belongs.
        with contextlib.suppress(Exception):
            return early.result() if early is not None else None
        return None


def check_timeout(timeout: object, default: float) -> float:
    """Return the time to wait in seconds, or refuse it.

    Parameters
    ----------
    timeout : `~astropy.units.Quantity`, float, str or None
        A time; a bare number is in seconds.
    default : float
        Seconds in place of None.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    InvalidQueryError
        If it is not a time.
    """
    if timeout is None:
        return default
    right = "should be a time from 0 s, such as 600, 2 * u.hour or '2 h'"
    try:
        bare = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
        seconds = float(u.Quantity(timeout, u.s if bare else None).to_value(u.s))
    except (u.UnitsError, TypeError, ValueError) as error:
        raise InvalidQueryError(f"timeout={timeout!r} {right}") from error
    if not seconds >= 0:
        raise InvalidQueryError(f"timeout={timeout!r} {right}")
    return seconds


def finish_parts(
    client: LCCServerQuery,
    query: LCCQuery,
    *,
    cache: bool | None,
    timeout: float,
    progress: Progress,
) -> list:
    """Complete each part; return its dataset, None for no match, or its error."""
    end = time.monotonic() + timeout

    def work(part: Part) -> LCCDataset | None:
        # The process that sent it ended before the response. Without a match, or if it failed,
        # it never has a dataset.
        unseen = part.state == "running" and not part.message
        sent = _submit(client, query, part, cache=cache, report=report, early=not several)
        try:
            return _take(client, query, part, sent, cache=cache, end=0.0 if unseen else end)
        except (NotFoundError, TimeoutError):
            if not (sent.stored or unseen):
                raise
        # Or the server has removed the dataset of an earlier search like it.
        query.change(part, state="pending", setid=None, message="")
        sent = _submit(client, query, part, cache=False, report=report)
        return _take(client, query, part, sent, cache=cache, end=end)

    several = len(query.parts) > 1
    with StatusLine(progress and not several, client.service) as line:
        report = progress if callable(progress) else line.show
        return run_all(
            work,
            query.parts,
            concurrency=client.conf.concurrency,
            interrupt=client._clock.interrupt,
            progress=bool(progress),
        )


def start_parts(
    client: LCCServerQuery, query: LCCQuery, *, cache: bool | None, progress: Progress
) -> list:
    """Send the parts that were not sent; return for each part None, or its error."""
    with StatusLine(progress and len(query.parts) == 1, client.service) as line:
        report = progress if callable(progress) else line.show
        return run_all(
            lambda part: _submit(client, query, part, cache=cache, report=report),
            query.parts,
            concurrency=client.conf.concurrency,
            interrupt=client._clock.interrupt,
            progress=bool(progress),
        )


def _submit(
    client: LCCServerQuery,
    query: LCCQuery,
    part: Part,
    *,
    cache: bool | None,
    report: Callable,
    early: bool = False,
) -> _Submission:
    """Send a part that was not sent, and read the response; or take a cached one."""
    sent = _Submission()
    if part.state == "failed":
        query.change(part, state="pending", setid=None, message="")
    if part.state != "pending":
        return sent

    def watch(line: StreamLine) -> None:
        result = line.result or {}
        setid, found = result.get("setid"), result.get("total_nmatches")
        few = isinstance(found, int) and 0 < found <= SOON
        if line.status == "queued" and setid:
            query.change(part, state="running", setid=setid)
        if early and line.status == "running" and setid and few:
            sent.early = in_background(lambda: read_dataset(client, setid, cache=cache))
        report(line)

    try:
        outcome, sent.stored = _stream(client, part, cache=cache, watch=watch)
        if outcome.status in ("failed", "unfinished"):
            raise refused(outcome, client.server + part.path)
        check_understood(part, outcome.api_args, client.server + part.path)
    except (RemoteServiceError, TableParseError, TimeoutError) as error:
        cut_off = getattr(error, "status", None) is None and part.setid is not None
        if cut_off and not isinstance(error, TableParseError):
            # The connection broke, but the search continues, and its result will be in its dataset.
            return sent
        query.change(part, state="failed", message=str(error))
        raise
    state = {"ok": "done", "empty": "empty", "background": "running"}[outcome.status]
    query.change(
        part, state=state, setid=outcome.setid, matches=outcome.matches,
        message=outcome.message,
    )  # fmt: skip
    sent.light_curves = outcome.light_curves
    return sent


def _stream(
    client: LCCServerQuery, part: Part, *, cache: bool | None, watch: Callable[[StreamLine], None]
) -> tuple[SearchOutcome, bool]:
    """Send a search and read its stream, or take the cached response to an earlier one."""
    url = client.server + part.path
    auth, token = client._auth(required=True)
    cache = cache_conf.cache_active if cache is None else cache
    # The server denies such a dataset to another anonymous key, as the next process has.
    lifetime = client._shorter(client.conf.list_seconds)
    cache = cache and lifetime > 0 and part.payload["visibility"] not in HIDDEN
    if cache:
        key = client._cache_key("POST", url, part.payload, token)
        stored = client._store.get(key, lifetime)
        if stored is not None:
            return _outcome_of(stored[0]), True
    stream = Stream()

    def read(chunk: bytes) -> None:
        for line in stream.feed(chunk):
            watch(line)

    response, token = client._send_signed(
        "POST", url, repeat=True, signed=(auth, token), watch=read, data=part.payload
    )
    for line in stream.close():
        watch(line)
    if not stream.lines:
        # An empty response is not that of an LCC-Server.
        client._decode(response, msgspec.json.decode)
    outcome = stream.outcome()
    if cache and outcome.status in ("ok", "empty", "background"):
        key = client._cache_key("POST", url, part.payload, token)
        client._store.put(key, response.content, response.headers.get("Content-Type", ""))
    return outcome, False


def _take(
    client: LCCServerQuery,
    query: LCCQuery,
    part: Part,
    sent: _Submission,
    *,
    cache: bool | None,
    end: float,
) -> LCCDataset | None:
    """Return the dataset of a part, when it exists."""
    if part.state == "empty":
        return None
    wait = client.conf.poll_seconds
    setid = part.setid or ""
    while True:
        try:
            dataset = sent.take() or read_dataset(client, setid, cache=cache)
            break
        except NotFoundError as error:
            # A search in the background has no dataset before it is done.
            remaining = end - time.monotonic()
            if part.state == "done" or remaining <= 0:
                raise _too_late(client, part, error) from None
            client._clock.sleep(min(wait, remaining))
            wait = min(wait * 1.5, client.conf.longest_poll)
    check_ran(part, dataset, client.server + part.path)
    if sent.light_curves and not dataset.complete:
        dataset.status, dataset.light_curves = "complete", sent.light_curves
    query.change(part, state="done", matches=dataset.total)
    return dataset


def _too_late(client: LCCServerQuery, part: Part, error: NotFoundError) -> Exception:
    if part.state == "done":
        return error
    return TimeoutError(
        f"{client.service} has no dataset {part.setid} yet: its search is still running, or it "
        "failed in the background, which the server does not report. Resume it later with "
        f"{client.name}.fetch(query), where query is an attribute of this error, or with "
        f"{client.name}.get_dataset({part.setid!r})",
        service=client.service,
        status=error.status,
        url=error.url,
        reason=error.reason,
    )


def _outcome_of(body: bytes) -> SearchOutcome:
    stream = Stream()
    stream.feed(body)
    stream.close()
    return stream.outcome()


def check_understood(part: Part, args: dict, url: str) -> None:
    """Raise if the server read something else than it was sent.

    Parameters
    ----------
    part : Part
        The request.
    args : dict
        ``api_args`` of the first line of its response.
    url : str
        The address of the request.

    Raises
    ------
    RemoteServiceError
        Naming what was dropped or changed.
    """
    sent = part.payload
    expected = {
        "conditions": part.conditions,
        "collections": sorted(sent.get("collections[]", [])) or None,
        "getcolumns": sorted(sent.get("columns[]", [])),
        "results_sortspec": json.loads(sent.get("sortspec", "null")),
        "results_samplespec": int(sent["samplespec"]) if "samplespec" in sent else None,
        "results_limitspec": int(sent["limitspec"]) if "limitspec" in sent else None,
        "dataset_visibility": sent["visibility"],
        **{name: sent[name] for name in ("coords", "xmq", "xmd") if name in sent},
    }
    for name, value in expected.items():
        if name not in args:
            raise _changed(name, value, "nothing, as it does not send what it read", url)
        received = args[name]
        if name in ("collections", "getcolumns") and isinstance(received, list):
            received = sorted(received, key=str)
        if name == "conditions":
            received = _single_spaced(received)
        if received != value:
            raise _changed(name, value, received, url)


def check_ran(part: Part, dataset: LCCDataset, url: str) -> None:
    """Raise if the server ran something else than it was sent.

    Parameters
    ----------
    part : Part
        The request.
    dataset : LCCDataset
        Its result.
    url : str
        The address of the request.

    Raises
    ------
    RemoteServiceError
        Naming what was dropped or changed: a filter, a radius, rows of a cross-match.
    """
    ran = json.loads(dataset.about.get("arguments") or "null")
    if not isinstance(ran, dict):
        raise _changed("the query", "what it ran", "nothing of it", url)
    received = _single_spaced(ran.get("conditions"))
    if received != part.conditions:
        raise _changed("conditions", part.conditions, received, url)
    if "coords" in part.payload:
        numbers = [float(word) for word in part.payload["coords"].split()]
        names = ("center_ra", "center_decl", "radius_arcmin")
        _check_numbers(names, numbers, ran, url)
    if "xmq" in part.payload:
        _check_numbers(("xmatch_dist_arcsec",), [float(part.payload["xmd"])], ran, url)
        lines = part.payload["xmq"].count("\n") + 1
        try:
            count = len(ran["inputdata"]["data"]["objectid"])
        except (KeyError, TypeError):
            count = None
        if count != lines:
            raise _changed("the number of rows", lines, count, url)


def _single_spaced(conditions: object) -> object:
    """Return conditions with single spaces; None for none."""
    return (" ".join(conditions.split()) if isinstance(conditions, str) else conditions) or None


def _check_numbers(names: tuple, numbers: list[float], ran: dict, url: str) -> None:
    for name, value in zip(names, numbers, strict=True):
        received = ran.get(name)
        if not math.isclose(float_of(received), value, abs_tol=SLACK):
            raise _changed(name, value, received, url)


def _changed(name: str, sent: object, received: object, url: str) -> RemoteServiceError:
    return RemoteServiceError(
        f"LCC-Server did not search for what it was asked at {url}: it was sent "
        f"{name}={sent!r:.300}, and took {received!r:.300}. Its result, that of another search, is "
        "not returned.",
        service="LCC-Server",
        status=200,
        url=url,
        reason=f"{name}={received!r:.300}",
    )


class StatusLine:
    """One line of a terminal with the last message of the server, removed after the search.

    Parameters
    ----------
    shown : bool
        Whether to show it; without a terminal nothing is shown.
    service : str
        Name of the service.
    """

    def __init__(self, shown: bool, service: str):
        self._shown = bool(shown) and (in_notebook() or sys.stdout.isatty())
        self._service = service
        self._lock = threading.Lock()
        self._width = 0

    def show(self, line: StreamLine) -> None:
        """Show a message in place of the one before.

        Parameters
        ----------
        line : StreamLine
            The message.
        """
        if self._shown:
            with self._lock:
                text = control_free(f"{self._service}: {line.message}")[:79]
                sys.stdout.write("\r" + text.ljust(self._width))
                sys.stdout.flush()
                self._width = len(text)

    def __enter__(self) -> "StatusLine":
        return self

    def __exit__(self, *error: object) -> None:
        if self._width:
            sys.stdout.write("\r" + " " * self._width + "\r")
            sys.stdout.flush()

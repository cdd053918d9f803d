"""What all queries to the forced photometry server share: limits, tasks, pages of the queue."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import msgspec
import numpy as np
from astropy.time import Time

from atlasquery.exceptions import (
    QuotaError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.forcedphot import conf
from atlasquery.forcedphot.columns import TASK
from atlasquery.service import ServiceQuery
from atlasquery.service.astroquery_request import READS
from atlasquery.service.cache import ResponseCache
from atlasquery.service.http_errors import is_page
from atlasquery.service.quota import Limit, Quota
from atlasquery.tables import Rows, check_answer, decode_rows

__all__ = [
    "ForcedQuery",
    "Page",
    "Task",
    "decode_page",
    "decode_task",
    "decode_tasks",
    "may_be_done",
    "page_params",
    "states",
    "unix_time",
]

# A minute, and a little more: the server's clock runs from when a request arrives.
MINUTE = 62.0
PAGE = 100
NO_DATA = "No data returned"


class _Listing(msgspec.Struct):
    results: msgspec.Raw
    next: str | None = None


@dataclass(frozen=True)
class Task:
    """A task of the queue.

    Parameters
    ----------
    task_id : int
        Its number.
    state : str
        One of `~atlasquery.forcedphot.jobs.STATES`.
    attempts : int
        Number of attempts.
    message : str
        The server's message on a failure.
    comment : str
        Its comment, which begins with a tag of this package.
    ra, dec : float
        Degrees, NaN for a minor planet.
    mpc_name : str
        Its name, or empty.
    submitted, ended : str
        ISO 8601 in UTC; `ended` is empty before its end.
    run_time : float
        Seconds it took, NaN before its end.
    queued_before : int
        Number of tasks of the account that were waiting when it was submitted.
    request_type : str
        ``FP``, ``IMGZIP`` or ``SSOSTACK``.
    images_task : int
        The task that produces its images, 0 for none.
    """

    task_id: int
    state: str
    attempts: int
    message: str
    comment: str
    ra: float
    dec: float
    mpc_name: str
    submitted: str
    ended: str
    run_time: float
    queued_before: int
    request_type: str
    images_task: int

    @property
    def final(self) -> bool:
        """Whether the server has finished it."""
        return self.state in ("done", "empty", "failed")


@dataclass(frozen=True)
class Page:
    """A page of the queue.

    Parameters
    ----------
    tasks : list of Task
        Up to a hundred tasks.
    cursor : str or None
        Cursor of the next page.
    rows : Rows
        All their columns.
    """

    tasks: list[Task]
    cursor: str | None
    rows: Rows


class ForcedQuery(ServiceQuery):
    """Base of the queries to the forced photometry server.

    Parameters
    ----------
    server : str, optional
        The address of the server.
    """

    service = "ATLAS forced photometry"
    title = "ATLAS Forced Photometry Server"
    token_path = "api-token-auth/"  # noqa: S105
    environment = "ATLASQUERY_FORCED"
    conf = conf

    def __init__(self, server: str | None = None):
        super().__init__(server)
        self.name = "AtlasForced"

    def quota(self) -> Quota:
        """Return the submissions and deletions that the account has left in this minute.

        Returns
        -------
        Quota
            With ``limit``, ``used``, ``remaining`` and ``resets_at``.
        """
        return self._quota(self._limit("POST"))

    def read_quota(self) -> Quota:
        """Return the reads that the account has left in this minute.

        Returns
        -------
        Quota
            With ``limit``, ``used``, ``remaining`` and ``resets_at``.
        """
        return self._quota(self._limit("GET"))

    def _limit(self, method: str) -> Limit:
        # Rejected requests count too: see docs/servers/forcedphot.rst, "60 writes and 600 reads a
        # minute".
        if method.upper() in READS:
            number = self.conf.reads_per_minute
            return Limit(number, MINUTE, "read", setting="reads_per_minute")
        number = self.conf.writes_per_minute
        return Limit(number, MINUTE, "write", setting="writes_per_minute")

    @property
    def _results(self) -> ResponseCache:
        # The server deletes results after a month, so these are not removed automatically.
        return ResponseCache(self.cache_location / "results", longest=float("inf"))

    def _page(self, *, cursor: str | None = None) -> Page:
        """Read a page of the account's tasks, the newest first."""
        return self._ask_decoded("queue/", page_params(cursor=cursor), decode=decode_page)[0]

    def _pages(self) -> Iterator[Page]:
        """Iterate over the pages of all tasks, the newest first."""
        cursor = None
        seen: set[str] = set()
        while True:
            page = self._page(cursor=cursor)
            yield page
            if page.cursor is None:
                return
            cursor = page.cursor
            if cursor in seen:
                raise TableParseError(
                    f"{self.service}: the pages of the queue form a circle: {cursor!r:.60} "
                    "is repeated",
                    service=self.service,
                )
            seen.add(cursor)

    def _task(self, task_id: int, *, listed: bool = False) -> Task | None:
        """Read one task; None if there is no task with that number.

        With `listed` the queue has just been read at this address.
        """
        found = self._trace(task_id, listed=listed)
        return found if isinstance(found, Task) else None

    def _trace(self, task_id: int, *, listed: bool = False) -> Task | str:
        """Read one task; ``"deleted"`` if it was finished and deleted, or ``"unknown"``.

        The row of a finished task that is deleted is hidden for a week, and the response is a
        web page. Without a row it is not known whether there was one.
        """
        try:
            return self._ask_decoded(
                f"queue/{task_id}/", decode=lambda body: decode_task(body, task_id)
            )[0]
        except RemoteServiceError as error:
            if self._is_gone(error, listed=listed):
                return "deleted" if is_page(error.reason) else "unknown"
            raise

    def _is_gone(self, error: RemoteServiceError, *, listed: bool = False) -> bool:
        """Return whether an error means that there is no such task.

        A deleted task is a 404 page: docs/servers/forcedphot.rst, 'A deleted task is a 404 page'.
        A server of another kind sends the same, but it has no queue.
        """
        if error.status != 404:
            return False
        if listed or not is_page(error.reason):
            return True
        try:
            self._page()
        except (RemoteServiceError, TableParseError):
            return False
        return True


def page_params(
    *, started: bool = False, cursor: str | None = None, after: int | None = None
) -> dict:
    """Return the parameters of a request for a page.

    Parameters
    ----------
    started : bool, optional
        Whether only tasks that were begun are listed.
    cursor : str, optional
        Cursor of the page.
    after : int, optional
        The number after which the tasks of the page begin, the oldest first; by default the
        newest comes first.

    Returns
    -------
    dict
        Parameters of the address.
    """
    params: dict = {"pagesize": PAGE}
    if started:
        params["started"] = "true"
    if after is not None:
        # A cursor of the Django REST framework is a value of the field that orders the rows.
        params["ordering"] = "id"
        cursor = base64.b64encode(f"p={after}".encode()).decode()
    if cursor:
        params["cursor"] = cursor
    return params


def decode_page(body: bytes) -> Page:
    """Decode a page of the queue.

    Parameters
    ----------
    body : bytes
        The response.

    Returns
    -------
    Page
        Its tasks.

    Raises
    ------
    TableParseError
        If it has no task but a next page.
    """
    listing = msgspec.json.decode(body, type=_Listing)
    rows = decode_rows(TASK, listing.results)
    # Only the cursor is used: the address may be one that only the server can reach.
    cursor = parse_qs(urlsplit(listing.next or "").query).get("cursor", [None])[0]
    if cursor is not None and not len(rows):
        raise TableParseError("a page of the queue has no task, but a next page", reason=cursor)
    return Page(_as_tasks(rows), cursor, rows)


def decode_tasks(body: bytes) -> list[Task]:
    """Decode the response to a submission: a task, or a list of them.

    Parameters
    ----------
    body : bytes
        The response.

    Returns
    -------
    list of Task
        In the order of the lines submitted.
    """
    body = body.strip()
    return _as_tasks(decode_rows(TASK, body if body.startswith(b"[") else b"[" + body + b"]"))


def decode_task(body: bytes, task_id: int) -> Task:
    """Decode the response to a request for one task.

    Parameters
    ----------
    body : bytes
        The response.
    task_id : int
        The task that was requested.

    Returns
    -------
    Task
        The task.

    Raises
    ------
    TableParseError
        If it is another, or more than one.
    """
    tasks = _as_tasks(decode_rows(TASK, b"[" + body + b"]"))
    if len(tasks) != 1:
        raise TableParseError(f"{len(tasks)} tasks were sent when task {task_id} was requested")
    check_answer(tasks[0].task_id, task_id, "the task")
    return tasks[0]


def _as_tasks(rows: Rows) -> list[Task]:
    columns = {name: values.tolist() for name, values in rows.values.items()}
    masks = rows.masks
    return [
        Task(
            task_id=columns["task_id"][n],
            state=_state(columns, masks, n),
            attempts=columns["attempts"][n],
            message=" ".join(columns["message"][n].split()),
            comment=columns["comment"][n],
            ra=columns["ra"][n],
            dec=columns["dec"][n],
            mpc_name=columns["mpc_name"][n],
            submitted=columns["submitted"][n],
            ended=columns["ended"][n].rstrip("Z"),
            run_time=columns["run_time"][n],
            queued_before=columns["queued_before"][n],
            request_type=columns["request_type"][n] or "FP",
            images_task=0 if masks["images_task_id"][n] else columns["images_task_id"][n],
        )
        for n in range(len(rows))
    ]


def _state(columns: dict, masks: dict, n: int) -> str:
    """Return the state of a task, for which the server has no field."""
    message = columns["message"][n]
    if columns["finished"][n] or not masks["ended"][n]:
        if message == NO_DATA:
            return "empty"
        return "failed" if message else "done"
    if masks["started"][n]:
        return "queued"
    return "retrying" if columns["attempts"][n] > 1 else "running"


def states(rows: Rows) -> np.ndarray:
    """Return the state of each task of a page.

    Parameters
    ----------
    rows : Rows
        Decoded by `~atlasquery.forcedphot.columns.TASK`.

    Returns
    -------
    `~numpy.ndarray` of str
        The state of each row.
    """
    columns = {name: values.tolist() for name, values in rows.values.items()}
    return np.array([_state(columns, rows.masks, n) for n in range(len(rows))], str)


def unix_time(stamp: str) -> float:
    """Return the Unix time of a time stamp of the server.

    Parameters
    ----------
    stamp : str
        ISO 8601 in UTC.

    Returns
    -------
    float
        Seconds since 1970; minus infinity for an empty string.
    """
    try:
        return Time(stamp.rstrip("Z"), format="isot", scale="utc").unix if stamp else -np.inf
    except ValueError as error:
        raise TableParseError(f"{stamp!r:.60} is not the time of a task") from error


def may_be_done(error: Exception) -> bool:
    """Return whether the server may have done a write in spite of an error.

    Parameters
    ----------
    error : Exception
        The error in place of a response.

    Returns
    -------
    bool
        False if the server has refused it.
    """
    if isinstance(error, (TimeoutError, TableParseError)):
        return True
    if isinstance(error, QuotaError):
        # It was not sent, or not accepted.
        return False
    status = getattr(error, "status", None)
    return isinstance(error, RemoteServiceError) and (
        status is None or status >= 500 or status < 300
    )

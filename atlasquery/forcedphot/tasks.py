"""The tasks of the account on the server: list them, delete them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from astropy.table import Table

from atlasquery.exceptions import IncompleteResultError, InvalidQueryError, RemoteServiceError
from atlasquery.forcedphot.base import ForcedQuery, Task, page_params, states
from atlasquery.forcedphot.jobs import ForcedJobs, Job
from atlasquery.forcedphot.results import read_result, result_key
from atlasquery.forcedphot.submission import update_job
from atlasquery.forcedphot.targets import Target
from atlasquery.forcedphot.waiting import check_jobs
from atlasquery.service.failures import check_on_error
from atlasquery.tables import Column, build_table, stack_rows

__all__ = ["check_task_ids", "delete", "list_jobs"]

# Message for a number that may be wrong.
UNKNOWN = (
    "the server has no task of that number: it never had one, or it was deleted before it was "
    "finished, or long ago"
)
#: Products of tasks that are not light curves.
PRODUCTS = {"IMGZIP": "ZIP of images", "SSOSTACK": "stack"}
STATE = Column("state", str, about="State of the task, as in ForcedJobs.", required=True)


def list_jobs(
    self: ForcedQuery, *, started: bool | None = None, get_query_payload: bool = False
) -> Table:
    """List all tasks of the account, submitted by any program.

    It costs a request for each hundred tasks.

    Parameters
    ----------
    started : bool, optional
        True for tasks that were begun, False for those that were not.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing: the parameters of the
        first page, as each names the next one.

    Returns
    -------
    `~astropy.table.Table`
        The newest first: ``task_id``, ``state`` (as in `ForcedJobs`), ``ra`` and
        ``dec`` (deg), ``mjd_min`` and ``mjd_max`` (d), ``submitted``, ``started`` and
        ``ended`` (`~astropy.time.Time`), ``attempts``, ``message``, and the other
        columns of the server.

    Raises
    ------
    LoginError
        If there is no login.

    References
    ----------
    The ``queue/`` endpoint of https://fallingstar-data.com/forcedphot/apiguide/.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import AtlasForced
    >>> jobs = AtlasForced.submit(SkyCoord(161.2, 53.7, unit="deg"), start=59000)
    >>> AtlasForced.list_jobs()["state"].tolist()
    ['queued']
    """
    if get_query_payload:
        return page_params()
    rows = stack_rows(*(page.rows for page in self._pages()))
    state = states(rows)
    if started is not None:
        chosen = (state != "queued") == bool(started)
        rows, state = rows.take(chosen), state[chosen]
    rows.add(STATE, state)
    rows.columns.insert(1, rows.columns.pop())
    return build_table(rows, meta=self._meta(self._clock.now(), query="list_jobs"))


def delete(
    self: ForcedQuery,
    jobs: ForcedJobs | int | Iterable[int],
    *,
    keep_results: bool = True,
    on_error: str = "raise",
) -> Table:
    """Delete tasks and their results on the server.

    Each is a write, of which the server takes 60 a minute. A running task is
    stopped. A light curve that was not fetched yet is fetched and read first. Images are
    not; those of one task of photometry are a single file, which is deleted with the
    first of its image tasks.

    Parameters
    ----------
    jobs : ForcedJobs, int or sequence of int
        The tasks, or their numbers.
    keep_results : bool, optional
        Whether finished results that are not on this disk are fetched first; a
        task whose result cannot be fetched or read is then not deleted.
    on_error : {"raise", "warn"}, optional
        What to do when some were not deleted: raise an error that has the
        table as ``result``, or return the table.

    Returns
    -------
    `~astropy.table.Table`
        ``task_id``, ``ok`` and ``message``, which names products that were not stored, a row
        for each task. One that was deleted before is ``ok``; a number that the server
        does not know is not, as it may never have been that of a task.

    Raises
    ------
    IncompleteResultError
        If some were not deleted: those of another account, for example.
    InvalidQueryError
        If a number is not valid.

    References
    ----------
    The ``queue/`` endpoint of https://fallingstar-data.com/forcedphot/apiguide/.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import AtlasForced
    >>> jobs = AtlasForced.submit(SkyCoord(161.2, 53.7, unit="deg"), start=59000)
    >>> AtlasForced.delete(jobs)["ok"].tolist()
    [True]
    >>> jobs.counts()
    {'deleted': 1}
    """
    check_on_error(on_error)
    if isinstance(jobs, ForcedJobs):
        check_jobs(self, jobs)
        chosen = [job for job in jobs if job.task_id is not None]
        ids = [job.known_id for job in chosen]
    else:
        ids = check_task_ids(jobs)
        # None of them is known to have been a task.
        chosen = [Job(Target(f"task {i}"), "", state="pending", task_id=i) for i in ids]
        jobs = ForcedJobs(self.server, {}, jobs=chosen)
    with jobs.held():
        outcomes = [_delete(self, jobs, job, keep_results) for job in chosen]
    table = Table(
        {
            "task_id": np.array(ids, np.int64),
            "ok": np.array([ok for ok, _ in outcomes], bool),
            "message": np.array([message for _, message in outcomes], str),
        }
    )
    failures = [(i, message) for i, (ok, message) in zip(ids, outcomes, strict=True) if not ok]
    if failures and on_error == "raise":
        raise IncompleteResultError(
            f"{self.service}: {len(failures)} of {len(ids)} tasks were not deleted, the first "
            f"({failures[0][0]}) because: {failures[0][1]}",
            result=table,
            failures=failures,
            service=self.service,
        )
    return table


def _delete(
    client: ForcedQuery, jobs: ForcedJobs, job: Job, keep_results: bool
) -> tuple[bool, str]:
    """Delete a task; return whether it is deleted, and a message."""
    known, kind = job.state != "pending", jobs.request_type
    if not known or (keep_results and kind == "FP"):
        try:
            # Its state as known here may be old.
            found = client._trace(job.known_id) if not job.final else "not asked"
        except Exception as error:
            return False, f"its state could not be read: {error}"
        if isinstance(found, Task):
            kind = found.request_type
            update_job(job, found)
        elif not known:
            return found == "deleted", "deleted before" if found == "deleted" else UNKNOWN
    if keep_results and kind == "FP" and (reason := _keep_result(client, jobs, job)):
        return False, reason
    message = "deleted"
    try:
        client._write(f"queue/{job.task_id}/", method="DELETE")
    except RemoteServiceError as error:
        if not client._is_gone(error):
            return False, str(error)
        message = "deleted before"
    except Exception as error:
        return False, str(error)
    if kind != "FP" and job.state == "done":
        # A newer server may have further kinds.
        product = PRODUCTS.get(kind, "result")
        message += f", with its {product}, which is available only if it was downloaded"
    if not job.final or kind != "FP":
        job.state = "deleted"
    jobs.keep()
    return True, message


def _keep_result(client: ForcedQuery, jobs: ForcedJobs, job: Job) -> str:
    """Fetch the result of a task before it is deleted; return why that failed, else ""."""
    if job.state != "done":
        return ""
    try:
        read_result(client, jobs, job, f"the result of task {job.task_id}")
    except RemoteServiceError as error:
        return f"its result could not be fetched: {error}" if job.state == "done" else ""
    except Exception as error:
        return f"its result could not be read: {error}"
    if client._results.get(result_key(client, job), float("inf")) is None:
        return f"its result could not be stored in {client.cache_location}"
    return ""


def check_task_ids(ids: Any) -> list[int]:
    """Return numbers of tasks, or refuse them.

    Parameters
    ----------
    ids : int or sequence of int
        The numbers.

    Returns
    -------
    list of int
        The same numbers.

    Raises
    ------
    InvalidQueryError
        If one is not a whole number above 0.
    """
    values = [ids] if not np.iterable(ids) or isinstance(ids, str) else list(ids)
    if not values:
        raise InvalidQueryError("jobs is empty: give at least one task")
    for value in values:
        text = str(value)
        if not text.isascii() or not text.isdecimal() or int(text) < 1:
            raise InvalidQueryError(
                f"jobs={value!r:.60} should be the number of a task, such as 4711"
            )
    return [int(value) for value in values]

"""The account's tasks at the server: list them, delete them."""

from collections.abc import Iterable

import numpy as np
from astropy.table import Table

from atlasquery.exceptions import IncompleteResultError, InvalidQueryError, RemoteServiceError
from atlasquery.forcedphot.base import states
from atlasquery.forcedphot.jobs import ForcedJobs, Job
from atlasquery.forcedphot.results import ResultQueries
from atlasquery.forcedphot.submission import update
from atlasquery.forcedphot.targets import Target
from atlasquery.service.failures import check_on_error
from atlasquery.tables import Column, build_table, stack_rows

__all__ = ["TaskQueries", "check_task_ids"]

STATE = Column("state", str, about="What became of it, as in ForcedJobs.", required=True)


class TaskQueries(ResultQueries):
    """The part of the queries that shows and removes tasks."""

    def list_jobs(self, *, started: bool | None = None) -> Table:
        """List all tasks of the account, whoever submitted them.

        It costs a request for each hundred tasks.

        Parameters
        ----------
        started : bool, optional
            True for tasks that were begun, False for those that were not.

        Returns
        -------
        `~astropy.table.Table`
            The newest first: ``task_id``, ``state`` (as in `ForcedJobs`), ``ra`` and
            ``dec`` (deg), ``mjd_min`` and ``mjd_max`` (d), ``submitted``, ``started`` and
            ``ended`` (`~astropy.time.Time`), ``attempts``, ``message``, and all else that
            the server says.

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
        rows = stack_rows(*(page.rows for page in self._pages()))
        state = states(rows)
        if started is not None:
            chosen = (state != "queued") == bool(started)
            rows, state = rows.take(chosen), state[chosen]
        rows.add(STATE, state)
        rows.columns.insert(1, rows.columns.pop())
        return build_table(rows, meta=self._meta(self._clock.now(), query="list_jobs"))

    def delete(
        self,
        jobs: ForcedJobs | int | Iterable[int],
        *,
        keep_results: bool = True,
        on_error: str = "raise",
    ) -> Table:
        """Delete tasks and their results on the server.

        Each is a write, of which the server takes 60 a minute. A task that runs is
        stopped. What is not fetched yet is fetched and read first.

        Parameters
        ----------
        jobs : ForcedJobs, int or sequence of int
            The tasks, or their numbers.
        keep_results : bool, optional
            Whether finished results that are not on this disk are fetched first; a
            task whose result cannot be fetched or read is then not deleted.
        on_error : {"raise", "warn"}, optional
            What to do at the end when some were not deleted: raise an error that has the
            table as ``result``, or return the table.

        Returns
        -------
        `~astropy.table.Table`
            ``task_id``, ``ok`` and ``message``, a row for each task. One that was
            deleted before is ``ok``.

        Raises
        ------
        IncompleteResultError
            If some were not deleted: those of another account, for example.
        InvalidQueryError
            If a number is none.

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
            self._check_jobs(jobs)
            chosen = [job for job in jobs if job.task_id is not None]
            ids = [job.task_id for job in chosen]
        else:
            ids = check_task_ids(jobs)
            chosen = [Job(Target(f"task {i}"), "", state="queued", task_id=i) for i in ids]
            jobs = ForcedJobs(self.server, {}, jobs=chosen)
        messages: list[str] = []
        with jobs.held():
            for job in chosen:
                messages.append(self._delete(jobs, job, keep_results))
        table = Table(
            {
                "task_id": np.array(ids, np.int64),
                "ok": np.array([not words for words in messages], bool),
                "message": np.array([words or "deleted" for words in messages], str),
            }
        )
        failures = [(i, words) for i, words in zip(ids, messages, strict=True) if words]
        if failures and on_error == "raise":
            raise IncompleteResultError(
                f"{self.service}: {len(failures)} of {len(ids)} tasks were not deleted, the first "
                f"({failures[0][0]}) because: {failures[0][1]}",
                result=table,
                failures=failures,
                service=self.service,
            )
        return table

    def _delete(self, jobs: ForcedJobs, job: Job, keep_results: bool) -> str:
        """Delete a task; return why it was not deleted, or nothing."""
        if keep_results and (reason := self._keep_result(jobs, job)):
            return reason
        try:
            self._write(f"queue/{job.task_id}/", method="DELETE")
        except RemoteServiceError as error:
            if not self._is_gone(error):
                return str(error)
        except Exception as error:
            return str(error)
        if not job.final:
            job.state = "deleted"
        jobs.keep()
        return ""

    def _keep_result(self, jobs: ForcedJobs, job: Job) -> str:
        """Fetch the result of a task before it is deleted; return why that failed, or nothing."""
        try:
            # What is known of it here may be old.
            task = None if job.final else self._task(job.task_id)
        except Exception as error:
            return f"its state could not be read: {error}"
        if task is not None:
            update(job, task)
        if job.state != "done":
            return ""
        try:
            self._rows(jobs, job, f"the result of task {job.task_id}")
        except RemoteServiceError as error:
            return f"its result could not be fetched: {error}" if job.state == "done" else ""
        except Exception as error:
            return f"its result could not be read: {error}"
        if self._results.get(self._result_key(job), float("inf")) is None:
            return f"its result could not be kept in {self.cache_location}"
        return ""


def check_task_ids(ids: object) -> list[int]:
    """Return numbers of tasks, or refuse them.

    Parameters
    ----------
    ids : int or sequence of int
        The numbers.

    Returns
    -------
    list of int
        The same.

    Raises
    ------
    InvalidQueryError
        If one is no number above 0.
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

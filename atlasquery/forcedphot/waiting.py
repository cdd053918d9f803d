"""Wait for tasks: one request a poll for all of them, however many there are.

The server runs one task of an account at a time, and in the order of their
numbers. So all that changes is at the frontier: the newest task that was
begun. One page of begun tasks, the newest first, has it and the 99 before it;
that page is asked for with the tag of the last answer, so that a poll at which
nothing has happened is answered without a body.
"""

import math
import statistics
import warnings
from dataclasses import dataclass, field

import astropy.units as u
import msgspec

from atlasquery.exceptions import (
    BlockedQueueWarning,
    InvalidQueryError,
    QuotaError,
    RemoteServiceError,
    TimeoutError,
)
from atlasquery.forcedphot.base import Task, decode_page, page_params
from atlasquery.forcedphot.jobs import ForcedJobs
from atlasquery.forcedphot.submission import SubmissionQueries, update
from atlasquery.service.log import log
from atlasquery.service.pool import progress_bar

__all__ = ["WaitQueries"]

# "About a minute each" (contract), where the server does not say.
RUN_TIME = 60.0
# Seconds of waiting that are worth a word beforehand.
LONG = 300.0
# Seconds for which a server may not answer before waiting for it ends.
OUTAGE = 1800.0
# Results are kept for a month (contract).
KEPT_DAYS = 31.0
# Polls without a change, while nothing runs, after which the whole queue is looked through.
IDLE = 2
# Room in the queue that is worth a submission, unless it takes all that is pending.
WORTH = 50


@dataclass
class Watch:
    """What is remembered from one poll to the next."""

    #: The ETag of the first page.
    tag: str = ""
    #: Where the next page to be read begins, in the middle of a look that takes several.
    cursor: str | None = None
    #: The newest begun task of the look, and all that were in its pages.
    newest: int = 0
    seen: set[int] = field(default_factory=set)
    #: Begun tasks that are not finished: at most one of them runs.
    begun: list[Task] = field(default_factory=list)
    #: Own tasks that should have been in the pages and were not.
    suspects: list[int] = field(default_factory=list)
    #: Polls without news while nothing was running.
    idle: int = 0
    #: Seconds that the latest tasks took.
    run_times: list[float] = field(default_factory=list)
    #: Tasks that were named as blocking the others.
    warned: set[int] = field(default_factory=set)
    #: Since when the server does not answer.
    failing: float | None = None

    @property
    def more(self) -> bool:
        """Whether there is something to ask for at once."""
        return self.cursor is not None or bool(self.suspects)

    @property
    def running(self) -> bool:
        """Whether a task is begun and not finished."""
        return bool(self.begun)

    @property
    def retrying(self) -> list[Task]:
        """The tasks that were begun more than once, and are not finished."""
        return [task for task in self.begun if task.state == "retrying"]

    def begin(self) -> None:
        """Begin a look at the queue."""
        self.seen, self.begun, self.newest = set(), [], 0

    def add(self, tasks: list[Task]) -> None:
        """Remember the tasks of a page.

        Parameters
        ----------
        tasks : list of Task
            The tasks, the newest first.
        """
        self.seen |= {task.task_id for task in tasks}
        self.newest = max([self.newest, *(task.task_id for task in tasks)])
        self.begun += [task for task in tasks if not task.final]
        self.run_times = [t.run_time for t in tasks if t.run_time > 0] or self.run_times


class WaitQueries(SubmissionQueries):
    """The part of the queries that watches the queue."""

    def wait(
        self,
        jobs: ForcedJobs,
        *,
        timeout: u.Quantity | float | str | None = None,
        progress: bool = True,
    ) -> ForcedJobs:
        """Wait until the server is done with tasks.

        What is pending is submitted as room comes free. A poll every
        ``conf.poll_seconds`` costs one request, for all tasks together. Where
        the server cannot be reached, waiting goes on for half an hour.

        Parameters
        ----------
        jobs : ForcedJobs
            The tasks, from `submit` or `ForcedJobs.load`. They are brought up to date in
            place; with a file, at every change.
        timeout : `~astropy.units.Quantity`, float, str or None, optional
            How long to wait; a bare number is in seconds. None waits to the end; 0 looks
            once.
        progress : bool, optional
            Whether a bar with the time left is shown, on a terminal or in a notebook.

        Returns
        -------
        ForcedJobs
            The same.

        Raises
        ------
        TimeoutError
            If some are not finished in time. Call it again to go on; nothing is lost.
        RemoteServiceError
            If a task was begun ``conf.attempts_to_stop`` times and blocks the others, or
            the server did not answer for half an hour.
        InvalidQueryError
            If the tasks are of another server, or another process works on their file.

        Warns
        -----
        BlockedQueueWarning
            If a task was begun ``conf.attempts_to_warn`` times: the server tries for ever,
            and begins no other task of the account meanwhile. `delete` removes it.

        References
        ----------
        The ``queue/`` endpoint of https://fallingstar-data.com/forcedphot/apiguide/.

        Examples
        --------
        >>> from astropy.coordinates import SkyCoord
        >>> from atlasquery import AtlasForced
        >>> jobs = AtlasForced.submit(SkyCoord(161.2, 53.7, unit="deg"), start=59000)
        >>> AtlasForced.wait(jobs).counts()
        {'done': 1}
        """
        self._check_jobs(jobs)
        end = self._clock.now() + check_timeout(timeout)
        watch = Watch()
        with jobs.held():
            self._feed(jobs)
            if jobs.unfinished:
                words, seconds = self._forecast(jobs, watch, ask=True)
                # What is over before it is read need not be said.
                (log.info if seconds >= LONG else log.debug)(f"{self.service}: {words}")
                with progress_bar(len(jobs), shown=progress) as bar:
                    self._watch(jobs, watch, end, bar)
        return jobs

    def _watch(self, jobs: ForcedJobs, watch: Watch, end: float, bar) -> None:
        """Poll until all tasks are finished."""
        while jobs.unfinished:
            self._poll(jobs, watch)
            bar.update(len(jobs) - jobs.unfinished)
            self._name_blockers(jobs, watch)
            if not jobs.unfinished or watch.more:
                continue
            self._feed_if_worth(jobs)
            if self._clock.now() >= end:
                raise self._late(jobs, watch)
            self._clock.sleep(min(self.conf.poll_seconds, max(end - self._clock.now(), 0.1)))

    def update(self, jobs: ForcedJobs) -> ForcedJobs:
        """Find out how far tasks are, without waiting for them.

        What is pending is submitted as far as there is room. It costs a request,
        and one more for each hundred tasks that were begun since the last time.

        Parameters
        ----------
        jobs : ForcedJobs
            The tasks. They are brought up to date in place, and in their file.

        Returns
        -------
        ForcedJobs
            The same.

        Raises
        ------
        InvalidQueryError
            If the tasks are of another server, or another process works on their file.

        Warns
        -----
        BlockedQueueWarning
            As `wait`.

        Examples
        --------
        >>> from astropy.coordinates import SkyCoord
        >>> from atlasquery import AtlasForced
        >>> jobs = AtlasForced.submit(SkyCoord(161.2, 53.7, unit="deg"), start=59000)
        >>> AtlasForced.update(jobs).counts()
        {'queued': 1}
        """
        self._check_jobs(jobs)
        watch = Watch()
        with jobs.held():
            self._feed(jobs)
            while jobs.unfinished:
                self._poll(jobs, watch, patient=False)
                self._name_blockers(jobs, watch)
                if not watch.more:
                    break
        return jobs

    def _check_jobs(self, jobs: ForcedJobs) -> None:
        if not isinstance(jobs, ForcedJobs):
            raise InvalidQueryError(f"jobs={jobs!r:.60} should be what submit returns")
        if jobs.server != self.server:
            raise InvalidQueryError(
                f"these jobs are at {jobs.server}, and this is a client of {self.server}: name the "
                "server, if you trust it"
            )

    def _feed_if_worth(self, jobs: ForcedJobs) -> None:
        pending = sum(job.state == "pending" for job in jobs)
        alone = all(job.final for job in jobs if job.task_id is not None)
        if pending and (alone or (jobs.room or 0) >= min(pending, WORTH)):
            if alone:
                # Whatever was known of the room, it may have come free.
                jobs.room = None
            self._feed(jobs)

    def _poll(self, jobs: ForcedJobs, watch: Watch, *, patient: bool = True) -> None:
        """Send one request, and learn from it."""
        try:
            if watch.suspects:
                changed = self._look_at(jobs, watch.suspects.pop())
            elif watch.idle >= IDLE:
                watch.idle = 0
                changed = self._take_stock(jobs, watch)
            else:
                changed = self._look(jobs, watch)
                watch.idle = 0 if changed or watch.running or watch.more else watch.idle + 1
        except (RemoteServiceError, TimeoutError) as error:
            status = getattr(error, "status", None)
            refused = isinstance(error, QuotaError) or (status is not None and status < 500)
            now = self._clock.now()
            watch.failing = watch.failing or now
            if refused or not patient or now - watch.failing > OUTAGE:
                raise
            log.warning(f"{error} The queue is looked at again.")
            return
        watch.failing = None
        if changed:
            jobs.keep()

    def _look(self, jobs: ForcedJobs, watch: Watch) -> bool:
        """Read a page of begun tasks; return whether it has news."""
        first = watch.cursor is None
        tag = {"If-None-Match": watch.tag} if first and watch.tag else {}
        response = self._ask(
            "queue/", page_params(True, watch.cursor), headers=tag, expected=(304,)
        )
        if response.status_code == 304:
            return False
        page = self._decode(response, decode_page)
        if first:
            watch.begin()
        watch.add(page.tasks)
        changed = self._learn(jobs, page.tasks)
        still_open = _open_ids(jobs)
        deeper = page.tasks and min(still_open, default=math.inf) < page.tasks[-1].task_id
        watch.cursor = page.cursor if deeper else None
        if watch.cursor is None:
            # The tag is worth something only where the page is all that had to be seen.
            watch.tag = response.headers.get("ETag", "") if first else ""
            # What must have been begun and is not there was deleted by somebody. It is asked
            # for by its number, so that no mistake ends a task.
            watch.suspects = [n for n in still_open if n < watch.newest and n not in watch.seen]
        return changed

    def _take_stock(self, jobs: ForcedJobs, watch: Watch) -> bool:
        """Find all own tasks that are not in the queue any more; return whether there is news.

        Of those after the newest begun task no later one tells that they are gone.
        """
        still_open = _open_ids(jobs)
        listed: set[int] = set()
        changed = False
        for page in self._pages() if still_open else ():
            changed |= self._learn(jobs, page.tasks)
            listed |= {task.task_id for task in page.tasks}
            if page.tasks and page.tasks[-1].task_id <= still_open[0]:
                break
        watch.suspects = [n for n in still_open if n not in listed]
        return changed

    def _learn(self, jobs: ForcedJobs, tasks: list[Task]) -> bool:
        known = jobs.by_task()
        changed = False
        for task in tasks:
            job = known.get(task.task_id)
            if job is not None:
                begun = job.state == "queued" and task.state != "queued"
                if begun and jobs.room is not None:
                    jobs.room += 1
                changed |= update(job, task)
        return changed

    def _look_at(self, jobs: ForcedJobs, task_id: int) -> bool:
        """Read one task that should be in the queue by its number: it may be gone."""
        job, task = jobs.by_task()[task_id], self._task(task_id, listed=True)
        if task is not None:
            return update(job, task)
        if jobs.expired(job, self._clock.now(), KEPT_DAYS):
            since = f"it ended on {job.ended[:10]}" if job.ended else ""
            since = since or f"it was submitted on {job.submitted[:10]}"
            job.state, words = "expired", f"tasks are kept for {KEPT_DAYS:.0f} days, and {since}"
        else:
            job.state, words = "deleted", "the server has no such task any more"
        job.message = job.message or words
        return True

    def _name_blockers(self, jobs: ForcedJobs, watch: Watch) -> None:
        """Name tasks that are begun again and again, our own or not, if ours wait for them."""
        last = max(_open_ids(jobs), default=0)
        for task in watch.retrying:
            if task.task_id > last:
                continue
            job = jobs.by_task().get(task.task_id)
            what = f"task {task.task_id}" + (f" ({job.target.name})" if job else ", not of these,")
            words = (
                f"{self.service}: {what} was begun {task.attempts} times and fails each time. The "
                f"server tries for ever, and {jobs.unfinished - (job is not None)} tasks wait "
                f"behind it. {self.name}.delete({task.task_id}) removes it"
            )
            if task.attempts >= self.conf.attempts_to_stop:
                raise RemoteServiceError(f"{words}; then wait again.", service=self.service)
            if task.attempts >= self.conf.attempts_to_warn and task.task_id not in watch.warned:
                watch.warned.add(task.task_id)
                warnings.warn(f"{words}.", BlockedQueueWarning, stacklevel=5)

    def _forecast(self, jobs: ForcedJobs, watch: Watch, *, ask: bool = False) -> tuple[str, float]:
        """Return how long it will take, in words and in seconds."""
        run_time, notes = RUN_TIME, ""
        if watch.run_times:
            run_time = statistics.median(watch.run_times)
        elif ask:
            run_time, notes = self._runner()
        left = jobs.unfinished
        seconds = left * run_time
        words = f"{left} of {len(jobs)} tasks to wait for, about {_span(seconds)}{notes}"
        return words, seconds

    def _runner(self) -> tuple[float, str]:
        """Return how long a task takes, and what is wrong with the server's task runner."""
        try:
            response = self._ask("taskrunnerstatus.json", public=True)
            status = self._decode(response, lambda b: msgspec.json.decode(b, type=dict))
            run_time = float(status.get("typical_runtime_seconds", {}).get("FP") or RUN_TIME)
        except (RemoteServiceError, TimeoutError, ValueError, TypeError, AttributeError):
            # It is only a forecast.
            return RUN_TIME, ""
        wrong = [word for word in ("maintenance", "stale") if status.get(word)]
        wrong += ["not running"] if status.get("running") is False else []
        return run_time, f" (the server's task runner: {', '.join(wrong)})" if wrong else ""

    def _late(self, jobs: ForcedJobs, watch: Watch) -> TimeoutError:
        blocked = ", ".join(f"task {n} is begun again and again" for n in watch.warned)
        return TimeoutError(
            f"{self.service}: {self._forecast(jobs, watch)[0]} when the timeout was over "
            f"({', '.join(f'{n} {state}' for state, n in jobs.counts().items())})"
            f"{'; ' + blocked if blocked else ''}. Wait again to go on; nothing is lost.",
            service=self.service,
        )


def _open_ids(jobs: ForcedJobs) -> list[int]:
    """Return the tasks of which something is still to become, in order."""
    return sorted(j.task_id for j in jobs if j.task_id is not None and not j.final)


def _span(seconds: float) -> str:
    for size, word in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {word}"
    return f"{seconds:.0f} s"


def check_timeout(timeout: object) -> float:
    """Return how long to wait, or refuse it.

    Parameters
    ----------
    timeout : `~astropy.units.Quantity`, float, str or None
        A time; a bare number is in seconds.

    Returns
    -------
    float
        Seconds; infinity for None.
    """
    if timeout is None:
        return math.inf
    right = "should be a time from 0 s, such as 600, 2 * u.hour or '2 h'"
    try:
        seconds = u.Quantity(timeout, u.s if isinstance(timeout, (int, float)) else None)
        value = float(seconds.to_value(u.s))
    except (u.UnitsError, TypeError, ValueError) as error:
        raise InvalidQueryError(f"timeout={timeout!r} {right}") from error
    if not value >= 0 or isinstance(timeout, bool):
        raise InvalidQueryError(f"timeout={timeout!r} {right}")
    return value

"""Wait for tasks: one request a poll for all of them, whatever their number.

A poll reads a page of a hundred tasks of the account, from the oldest unfinished one on. It has
the state of each task in the page; a task that is missing there was deleted. When the first tasks
are finished the page moves on. Nothing is concluded from the order of numbers: the server begins
tasks in the order of their queue positions, which is another one for two submissions at once. If
no task of the page is running, every other poll reads the newest begun tasks of the account, to
see what the others wait for. Each page is requested with the ETag of its last response, so that a
poll at which nothing has happened gets a response without a body.
"""

import contextlib
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import astropy.units as u
import msgspec

from atlasquery.exceptions import (
    BlockedQueueWarning,
    InvalidQueryError,
    QuotaError,
    RemoteServiceError,
    TimeoutError,
)
from atlasquery.forcedphot.base import ForcedQuery, Page, Task, decode_page, page_params
from atlasquery.forcedphot.jobs import ForcedJobs
from atlasquery.forcedphot.submission import submit_pending, update_job
from atlasquery.service.clock import OutOfTimeError
from atlasquery.service.log import log
from atlasquery.service.pool import progress_bar
from atlasquery.warn import warn

__all__ = ["check_jobs", "update", "wait", "within_timeout"]

# Seconds of a task, if the server does not report it; see docs/servers/forcedphot.rst, "One task at
# a time, about a minute each".
RUN_TIME = 60.0
# Seconds of waiting that are announced.
LONG = 300.0
# Seconds for which a server may not respond before waiting for it ends.
OUTAGE = 1800.0
# Seconds before the end of a timeout at which the last poll is sent.
LAST_POLL = 1.0
# Fewest seconds between two polls, unless ``conf.poll_seconds`` is less.
FASTEST_POLL = 0.5
# Room in the queue for which a submission is sent, unless it is enough for all pending tasks.
ENOUGH_ROOM = 50


@dataclass
class Watch:
    """State of a wait from one poll to the next."""

    #: The ETag of the last response to each request.
    tags: dict[str, str] = field(default_factory=dict)
    #: The number after which the page begins, and the one in its middle. Until all before that
    #: are finished the same page is requested, as it has an ETag.
    after: int = 0
    middle: float = 0
    #: Begun tasks that are not finished, of the page and of the whole account.
    begun: list[Task] = field(default_factory=list)
    others: list[Task] = field(default_factory=list)
    #: Tasks of the jobs that are missing in the page.
    suspects: list[int] = field(default_factory=list)
    #: Whether all tasks of the page are finished, and more come after it.
    passed: bool = False
    #: Whether the last poll found no running task.
    idle: bool = False
    #: Whether the server does not accept a number as the beginning of a page.
    walks: bool = False
    #: Seconds that the latest tasks took.
    run_times: list[float] = field(default_factory=list)
    #: Seconds that a task takes, as the server reports it.
    typical: float = RUN_TIME
    #: Tasks that were named as blocking the others.
    warned: set[int] = field(default_factory=set)
    #: Since when the server does not respond, and its last error.
    failing: float | None = None
    failure: Exception | None = None

    @property
    def has_next(self) -> bool:
        """Whether the next request can be sent at once."""
        return self.passed or bool(self.suspects)

    @property
    def retrying(self) -> list[Task]:
        """The tasks that were begun more than once, and are not finished."""
        found = {t.task_id: t for t in self.others + self.begun if t.state == "retrying"}
        return list(found.values())

    def add(self, tasks: list[Task], *, whole_account: bool) -> None:
        """Remember the tasks of a page.

        Parameters
        ----------
        tasks : list of Task
            The tasks.
        whole_account : bool
            Whether they are the newest begun ones of the account.
        """
        begun = [task for task in tasks if not task.final and task.state != "queued"]
        if whole_account:
            self.others = begun
        else:
            self.begun = begun
            if begun or any(task.final for task in tasks):
                # The other tasks seen before may be finished.
                self.others = []
        self.run_times = [t.run_time for t in tasks if t.run_time > 0] or self.run_times


def wait(
    self: ForcedQuery,
    jobs: ForcedJobs,
    *,
    timeout: u.Quantity | float | str | None = None,
    progress: bool = True,
) -> ForcedJobs:
    """Wait until the server has finished tasks.

    Pending jobs are submitted when there is room. A poll every
    ``conf.poll_seconds`` costs one request, for all tasks together. If the
    server cannot be reached, waiting continues for half an hour, or to the
    end of `timeout`.

    Parameters
    ----------
    jobs : ForcedJobs
        The tasks, from `submit` or `ForcedJobs.load`. They are updated in place;
        with a file, at every change.
    timeout : `~astropy.units.Quantity`, float, str or None, optional
        Longest time to wait, including submissions and a server that does not
        respond. A bare number is in seconds. None waits to the end; 0 polls once.
    progress : bool, optional
        Whether a bar with the time left is shown, on a terminal or in a notebook.

    Returns
    -------
    ForcedJobs
        The same.

    Raises
    ------
    TimeoutError
        If some are not finished in time. Call it again to continue; nothing is lost.
    RemoteServiceError
        If a task was begun ``conf.attempts_to_stop`` times and blocks the others, or
        the server did not respond for half an hour.
    InvalidQueryError
        If the tasks are of another server, or another process works on their file.

    Warns
    -----
    BlockedQueueWarning
        If a task was begun ``conf.attempts_to_warn`` times: the server repeats it for
        ever, and begins no other task of the account meanwhile. `delete` removes it.

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
    check_jobs(self, jobs)
    seconds = check_timeout(timeout)
    watch = Watch()
    with within_timeout(self, seconds, watch, jobs) as end, jobs.held():
        submit_pending(self, jobs)
        if jobs.unfinished:
            message, seconds_left = _forecast(self, jobs, watch, ask=True)
            (log.info if seconds_left >= LONG else log.debug)(f"{self.service}: {message}")
            with progress_bar(len(jobs), shown=progress) as bar:
                _watch(self, jobs, watch, end, bar)
    return jobs


@contextlib.contextmanager
def within_timeout(
    client: ForcedQuery, seconds: float, watch: Watch, jobs: ForcedJobs
) -> Iterator[float]:
    """Bound what is done here by a timeout; yield the time of its end."""
    start = client._clock.now()
    try:
        # A timeout of 0 allows one poll.
        with client._clock.until(start + (seconds or client.conf.timeout)):
            yield start + seconds
    except OutOfTimeError as error:
        raise _late(client, jobs, watch) from error


def _watch(client: ForcedQuery, jobs: ForcedJobs, watch: Watch, end: float, bar: Any) -> None:
    """Poll until all tasks are finished."""
    while jobs.unfinished:
        _poll(client, jobs, watch)
        bar.update(len(jobs) - jobs.unfinished)
        _name_blockers(client, jobs, watch)
        if not jobs.unfinished or watch.has_next:
            continue
        _submit_if_room(client, jobs)
        left = end - client._clock.now() - LAST_POLL
        if left <= 0:
            raise _late(client, jobs, watch)
        client._clock.wait(min(_poll_seconds(client, jobs, watch), left))


def _poll_seconds(client: ForcedQuery, jobs: ForcedJobs, watch: Watch) -> float:
    """Return the time until the next poll: less if all is soon finished."""
    _, seconds = _forecast(client, jobs, watch)
    return min(client.conf.poll_seconds, max(FASTEST_POLL, seconds))


def update(self: ForcedQuery, jobs: ForcedJobs) -> ForcedJobs:
    """Update the states of tasks, without waiting for them.

    Pending jobs are submitted as far as there is room. It costs one or two
    requests, and another for each hundred tasks that were finished since the last call.

    Parameters
    ----------
    jobs : ForcedJobs
        The tasks. They are updated in place, and in their file.

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
    check_jobs(self, jobs)
    watch = Watch()
    with jobs.held():
        submit_pending(self, jobs)
        while jobs.unfinished:
            _poll(self, jobs, watch, patient=False)
            if watch.idle and not watch.others:
                # See what the others wait for.
                _poll(self, jobs, watch, patient=False)
            _name_blockers(self, jobs, watch)
            if not watch.has_next:
                break
    return jobs


def check_jobs(client: ForcedQuery, jobs: ForcedJobs) -> None:
    """Raise if these are not jobs of the server of the client."""
    if not isinstance(jobs, ForcedJobs):
        raise InvalidQueryError(f"jobs={jobs!r:.60} should be the result of submit")
    if jobs.server != client.server:
        raise InvalidQueryError(
            f"these jobs are at {jobs.server}, and this is a client of {client.server}: create a "
            "client of that server, if you trust it"
        )


def _submit_if_room(client: ForcedQuery, jobs: ForcedJobs) -> None:
    pending = sum(job.state == "pending" for job in jobs)
    none_waits = all(job.final for job in jobs if job.task_id is not None)
    if pending and (none_waits or (jobs.room or 0) >= min(pending, ENOUGH_ROOM)):
        if none_waits:
            # There may be room now, whatever the last response said.
            jobs.room = None
        submit_pending(client, jobs)


def _poll(client: ForcedQuery, jobs: ForcedJobs, watch: Watch, *, patient: bool = True) -> None:
    """Send one request, and update the jobs."""
    try:
        if watch.suspects:
            changed = _read_suspect(client, jobs, watch)
        elif not (still_open := _open_ids(jobs)):
            # The remaining jobs are not on the server.
            watch.passed = False
            return
        elif watch.idle:
            changed, watch.idle = _read_begun(client, jobs, watch), False
        else:
            changed = _read_page(client, jobs, watch, still_open)
            watch.idle = not (changed or watch.begun or watch.has_next)
    except (RemoteServiceError, TimeoutError) as error:
        status = getattr(error, "status", None)
        refused = isinstance(error, QuotaError) or (status is not None and status < 500)
        now = client._clock.now()
        watch.failing, watch.failure = watch.failing or now, error
        if refused or not patient or now - watch.failing > OUTAGE:
            raise
        if client._clock.left() > 0:
            log.warning(f"{error} The queue is polled again.")
        return
    watch.failing = watch.failure = None
    if changed:
        jobs.keep()


def _read_page(client: ForcedQuery, jobs: ForcedJobs, watch: Watch, still_open: list[int]) -> bool:
    """Read the page that begins with the oldest open task; return whether a job has changed."""
    if not watch.after < still_open[0] <= watch.middle:
        watch.after = still_open[0] - 1
    page = _page_after(client, watch, watch.after)
    if page is None:
        watch.passed = False
        return False
    changed = _update_jobs(jobs, page.tasks)
    watch.add(page.tasks, whole_account=False)
    listed = {task.task_id for task in page.tasks}
    last = max(listed, default=0) if page.cursor else math.inf
    within = [n for n in _open_ids(jobs) if n <= last]
    # Each is requested by its number before it counts as deleted: the list of another account
    # does not have them.
    watch.middle = sorted(listed)[len(listed) // 2] if page.cursor else math.inf
    watch.suspects = [n for n in within if n not in listed]
    watch.passed = page.cursor is not None and not within
    return changed


def _page_after(client: ForcedQuery, watch: Watch, after: int) -> Page | None:
    """Read the tasks after a number, the oldest first; None if nothing has changed."""
    if not watch.walks:
        try:
            return _tagged_page(client, watch, page_params(after=after))
        except RemoteServiceError as error:
            if error.status != 404 or "cursor" not in (error.reason or "").lower():
                raise
            watch.walks = True
    tasks: list[Task] = []
    for page in client._pages():
        tasks = page.tasks[::-1] + tasks
        if tasks and tasks[0].task_id <= after:
            break
    return Page([task for task in tasks if task.task_id > after], None, page.rows)


def _read_begun(client: ForcedQuery, jobs: ForcedJobs, watch: Watch) -> bool:
    """Read the newest begun tasks of the account; return whether a job has changed."""
    page = _tagged_page(client, watch, page_params(started=True))
    if page is None:
        return False
    watch.add(page.tasks, whole_account=True)
    return _update_jobs(jobs, page.tasks)


def _tagged_page(client: ForcedQuery, watch: Watch, params: dict) -> Page | None:
    """Read a page; None if it has not changed since the last time."""
    key = repr(params)
    tag = {"If-None-Match": watch.tags[key]} if watch.tags.get(key) else {}
    page, response = client._ask_decoded(
        "queue/", params, decode=decode_page, headers=tag, expected=(304,)
    )
    if page is not None:
        watch.tags[key] = response.headers.get("ETag", "")
    return page


def _update_jobs(jobs: ForcedJobs, tasks: list[Task]) -> bool:
    known = jobs.by_task()
    changed = False
    for task in tasks:
        job = known.get(task.task_id)
        if job is not None:
            begun = job.state == "queued" and task.state != "queued"
            if begun and jobs.room is not None:
                jobs.room += 1
            changed |= update_job(job, task)
    return changed


def _read_suspect(client: ForcedQuery, jobs: ForcedJobs, watch: Watch) -> bool:
    """Read one task that is missing in the queue by its number: it may be deleted."""
    task_id = watch.suspects.pop(0)
    job, task = jobs.by_task()[task_id], client._task(task_id, listed=True)
    if task is not None:
        # Then the list is incomplete: a page that has not changed would mean nothing for these
        # tasks, and they would never be requested again.
        watch.tags.clear()
        if not task.final:
            watch.suspects = []
        return update_job(job, task)
    if jobs.expired(job, client._clock.now()):
        since = f"it ended on {job.ended[:10]}" if job.ended else ""
        since = since or f"it was submitted on {job.submitted[:10]}"
        job.state = "expired"
        message = f"tasks are available for {jobs.kept_days:.0f} days, and {since}"
    else:
        job.state, message = "deleted", "the server has no such task any more"
    job.message = job.message or message
    return True


def _name_blockers(client: ForcedQuery, jobs: ForcedJobs, watch: Watch) -> None:
    """Report tasks that are repeated again and again while the jobs wait for them."""
    known = jobs.by_task()
    for task in watch.retrying:
        job = known.get(task.task_id)
        behind = sum(j.state in ("pending", "queued") for j in jobs)
        if (job is not None and job.final) or not (job or behind):
            continue
        what = f"task {task.task_id}" + (f" ({job.target.name})" if job else ", not of these,")
        message = (
            f"{client.service}: {what} was begun {task.attempts} times and fails each time. The "
            f"server repeats it for ever, and {behind} tasks wait behind it. "
            f"{client.name}.delete({task.task_id}) removes it"
        )
        if task.attempts >= client.conf.attempts_to_stop:
            raise RemoteServiceError(f"{message}; then wait again.", service=client.service)
        if task.attempts >= client.conf.attempts_to_warn and task.task_id not in watch.warned:
            watch.warned.add(task.task_id)
            warn(f"{message}.", BlockedQueueWarning)


def _forecast(
    client: ForcedQuery, jobs: ForcedJobs, watch: Watch, *, ask: bool = False
) -> tuple[str, float]:
    """Return the time that it will take, as a message and in seconds."""
    run_time, notes = watch.typical, ""
    if watch.run_times:
        run_time = statistics.median(watch.run_times)
    elif ask:
        run_time, notes = _runner(client, watch)
        watch.typical = run_time
    left = jobs.unfinished
    seconds = left * run_time
    message = f"{left} of {len(jobs)} tasks to wait for, about {_span(seconds)}{notes}"
    return message, seconds


def _runner(client: ForcedQuery, watch: Watch) -> tuple[float, str]:
    """Return the time that a task takes, and what is wrong with the server's task runner."""
    try:
        status, _ = client._ask_decoded(
            "taskrunnerstatus.json",
            decode=lambda body: msgspec.json.decode(body, type=dict),
            public=True,
        )
        run_time = float(status.get("typical_runtime_seconds", {}).get("FP") or RUN_TIME)
        users, slots = status.get("distinct_queued_users"), status.get("numslots")
        if users and slots:
            # If there are more accounts than slots, they take turns.
            run_time *= max(1.0, users / slots)
    except (
        RemoteServiceError,
        TimeoutError,
        ArithmeticError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        # Without it the forecast is only less precise.
        watch.failure = error if isinstance(error, TimeoutError) else None
        return RUN_TIME, ""
    wrong = [word for word in ("maintenance", "stale") if status.get(word)]
    wrong += ["not running"] if status.get("running") is False else []
    return run_time, f" (the server's task runner: {', '.join(wrong)})" if wrong else ""


def _late(client: ForcedQuery, jobs: ForcedJobs, watch: Watch) -> TimeoutError:
    notes = [
        f"task {task.task_id} is repeated again and again, and "
        f"{client.name}.delete({task.task_id}) removes it"
        for task in watch.retrying
        if task.attempts >= client.conf.attempts_to_warn
    ]
    if watch.failure is not None:
        notes.append(f"the server did not respond at last: {watch.failure}".rstrip("."))
    error = TimeoutError(
        f"{client.service}: {_forecast(client, jobs, watch)[0]} when the timeout was over "
        f"({', '.join(f'{n} {state}' for state, n in jobs.counts().items())})"
        f"{''.join('; ' + note for note in notes)}. Wait again to continue; nothing is lost.",
        service=client.service,
    )
    error.jobs = jobs
    return error


def _open_ids(jobs: ForcedJobs) -> list[int]:
    """Return the numbers of the tasks that are not finished, in order."""
    return sorted(j.task_id for j in jobs if j.task_id is not None and not j.final)


def _span(seconds: float) -> str:
    for size, word in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {word}"
    return f"{seconds:.0f} s"


def check_timeout(timeout: object) -> float:
    """Return a timeout in seconds, or refuse it.

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

"""Wait for tasks: one request a poll for all of them, however many there are.

A poll reads the hundred tasks of the account from the oldest unfinished one on: of each that is
in the page it tells the state, and of each that is not that it is gone. What is finished there
moves the page on. Nothing is concluded from the order of numbers: the server begins tasks by the
place that it has given them, which for two submissions at once is another order. Where nothing
runs in the page, every other poll reads the newest begun tasks of the account instead, which
tells what the others wait for. Each page is asked for with the tag of its last answer, so that a
poll at which nothing has happened is answered without a body.
"""

import contextlib
import math
import statistics
from collections.abc import Iterator
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
from atlasquery.forcedphot.base import ForcedQuery, Page, Task, decode_page, page_params
from atlasquery.forcedphot.jobs import ForcedJobs
from atlasquery.forcedphot.submission import submit_pending, update_job
from atlasquery.service.clock import OutOfTimeError
from atlasquery.service.log import log
from atlasquery.service.pool import progress_bar
from atlasquery.warn import warn

__all__ = ["check_jobs", "update", "wait", "within_timeout"]

# "About a minute each" (contract), where the server does not say.
RUN_TIME = 60.0
# Seconds of waiting that are worth a word beforehand.
LONG = 300.0
# Seconds for which a server may not answer before waiting for it ends.
OUTAGE = 1800.0
# Seconds before the end of a timeout at which the last look is made.
LAST_LOOK = 1.0
# Room in the queue that is worth a submission, unless it takes all that is pending.
WORTH = 50


@dataclass
class Watch:
    """What is remembered from one poll to the next."""

    #: The ETag of the last answer to each question.
    tags: dict[str, str] = field(default_factory=dict)
    #: The number after which the page begins, and the one in its middle. Until all before that
    #: are finished the same page is asked for, as it has a tag.
    after: int = 0
    middle: float = 0
    #: Begun tasks that are not finished, of the page and of the whole account.
    begun: list[Task] = field(default_factory=list)
    others: list[Task] = field(default_factory=list)
    #: Own tasks that should have been in the page and were not.
    suspects: list[int] = field(default_factory=list)
    #: Whether all tasks of the page are finished, and more come after it.
    passed: bool = False
    #: Whether the last look found nothing that runs.
    idle: bool = False
    #: Whether the server does not take a number as the beginning of a page.
    walks: bool = False
    #: Seconds that the latest tasks took.
    run_times: list[float] = field(default_factory=list)
    #: Tasks that were named as blocking the others.
    warned: set[int] = field(default_factory=set)
    #: Since when the server does not answer, and its last error.
    failing: float | None = None
    failure: Exception | None = None

    @property
    def more(self) -> bool:
        """Whether there is something to ask for at once."""
        return self.passed or bool(self.suspects)

    @property
    def retrying(self) -> list[Task]:
        """The tasks that were begun more than once, and are not finished."""
        found = {t.task_id: t for t in self.others + self.begun if t.state == "retrying"}
        return list(found.values())

    def add(self, tasks: list[Task], *, whole: bool) -> None:
        """Remember the tasks of a page.

        Parameters
        ----------
        tasks : list of Task
            The tasks.
        whole : bool
            Whether they are the newest begun ones of the account.
        """
        begun = [task for task in tasks if not task.final and task.state != "queued"]
        if whole:
            self.others = begun
        else:
            self.begun = begun
            if begun or any(task.final for task in tasks):
                # What was seen of the others before may be over.
                self.others = []
        self.run_times = [t.run_time for t in tasks if t.run_time > 0] or self.run_times


def wait(
    self: ForcedQuery,
    jobs: ForcedJobs,
    *,
    timeout: u.Quantity | float | str | None = None,
    progress: bool = True,
) -> ForcedJobs:
    """Wait until the server is done with tasks.

    What is pending is submitted as room comes free. A poll every
    ``conf.poll_seconds`` costs one request, for all tasks together. Where
    the server cannot be reached, waiting goes on for half an hour, or to the
    end of `timeout`.

    Parameters
    ----------
    jobs : ForcedJobs
        The tasks, from `submit` or `ForcedJobs.load`. They are brought up to date in
        place; with a file, at every change.
    timeout : `~astropy.units.Quantity`, float, str or None, optional
        How long to wait, all in all: for submissions and for a server that does not
        answer too. A bare number is in seconds. None waits to the end; 0 looks once.
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
    check_jobs(self, jobs)
    seconds = check_timeout(timeout)
    watch = Watch()
    with within_timeout(self, seconds, watch, jobs) as end, jobs.held():
        submit_pending(self, jobs)
        if jobs.unfinished:
            words, left = _forecast(self, jobs, watch, ask=True)
            # What is over before it is read need not be said.
            (log.info if left >= LONG else log.debug)(f"{self.service}: {words}")
            with progress_bar(len(jobs), shown=progress) as bar:
                _watch(self, jobs, watch, end, bar)
    return jobs


@contextlib.contextmanager
def within_timeout(
    client: ForcedQuery, seconds: float, watch: Watch, jobs: ForcedJobs
) -> Iterator[float]:
    """Let nothing here go beyond a timeout; yield when that is over."""
    start = client._clock.now()
    try:
        # One look is granted to who does not wait at all.
        with client._clock.until(start + (seconds or client.conf.timeout)):
            yield start + seconds
    except OutOfTimeError as error:
        raise _late(client, jobs, watch) from error


def _watch(client: ForcedQuery, jobs: ForcedJobs, watch: Watch, end: float, bar) -> None:
    """Poll until all tasks are finished."""
    while jobs.unfinished:
        _poll(client, jobs, watch)
        bar.update(len(jobs) - jobs.unfinished)
        _name_blockers(client, jobs, watch)
        if not jobs.unfinished or watch.more:
            continue
        _feed_if_worth(client, jobs)
        left = end - client._clock.now() - LAST_LOOK
        if left <= 0:
            raise _late(client, jobs, watch)
        client._clock.wait(min(client.conf.poll_seconds, left))


def update(self: ForcedQuery, jobs: ForcedJobs) -> ForcedJobs:
    """Find out how far tasks are, without waiting for them.

    What is pending is submitted as far as there is room. It costs a request or
    two, and one more for each hundred tasks that were finished since the last time.

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
    check_jobs(self, jobs)
    watch = Watch()
    with jobs.held():
        submit_pending(self, jobs)
        while jobs.unfinished:
            _poll(self, jobs, watch, patient=False)
            if watch.idle and not watch.others:
                # What the others wait for.
                _poll(self, jobs, watch, patient=False)
            _name_blockers(self, jobs, watch)
            if not watch.more:
                break
    return jobs


def check_jobs(client: ForcedQuery, jobs: ForcedJobs) -> None:
    """Raise if these are not jobs of the server that the client is for."""
    if not isinstance(jobs, ForcedJobs):
        raise InvalidQueryError(f"jobs={jobs!r:.60} should be what submit returns")
    if jobs.server != client.server:
        raise InvalidQueryError(
            f"these jobs are at {jobs.server}, and this is a client of {client.server}: name the "
            "server, if you trust it"
        )


def _feed_if_worth(client: ForcedQuery, jobs: ForcedJobs) -> None:
    pending = sum(job.state == "pending" for job in jobs)
    alone = all(job.final for job in jobs if job.task_id is not None)
    if pending and (alone or (jobs.room or 0) >= min(pending, WORTH)):
        if alone:
            # Whatever was known of the room, it may have come free.
            jobs.room = None
        submit_pending(client, jobs)


def _poll(client: ForcedQuery, jobs: ForcedJobs, watch: Watch, *, patient: bool = True) -> None:
    """Send one request, and learn from it."""
    try:
        if watch.suspects:
            changed = _look_at(client, jobs, watch)
        elif not (still_open := _open_ids(jobs)):
            # All that is left is not at the server.
            watch.passed = False
            return
        elif watch.idle:
            changed, watch.idle = _look_at_begun(client, jobs, watch), False
        else:
            changed = _look(client, jobs, watch, still_open)
            watch.idle = not (changed or watch.begun or watch.more)
    except (RemoteServiceError, TimeoutError) as error:
        status = getattr(error, "status", None)
        refused = isinstance(error, QuotaError) or (status is not None and status < 500)
        now = client._clock.now()
        watch.failing, watch.failure = watch.failing or now, error
        if refused or not patient or now - watch.failing > OUTAGE:
            raise
        if client._clock.left() > 0:
            log.warning(f"{error} The queue is looked at again.")
        return
    watch.failing = watch.failure = None
    if changed:
        jobs.keep()


def _look(client: ForcedQuery, jobs: ForcedJobs, watch: Watch, still_open: list[int]) -> bool:
    """Read the page that begins with the oldest open task; return whether it has news."""
    if not watch.after < still_open[0] <= watch.middle:
        watch.after = still_open[0] - 1
    page = _page_after(client, watch, watch.after)
    if page is None:
        watch.passed = False
        return False
    changed = _learn(client, jobs, page.tasks)
    watch.add(page.tasks, whole=False)
    listed = {task.task_id for task in page.tasks}
    last = max(listed, default=0) if page.cursor else math.inf
    within = [n for n in _open_ids(jobs) if n <= last]
    # Each is asked for by its number before it counts as gone: a login of another account
    # has a list without them.
    watch.middle = sorted(listed)[len(listed) // 2] if page.cursor else math.inf
    watch.suspects = [n for n in within if n not in listed]
    watch.passed = page.cursor is not None and not within
    return changed


def _page_after(client: ForcedQuery, watch: Watch, after: int) -> Page | None:
    """Read the tasks after a number, the oldest first; None where nothing has changed."""
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


def _look_at_begun(client: ForcedQuery, jobs: ForcedJobs, watch: Watch) -> bool:
    """Read the newest begun tasks of the account; return whether there is news."""
    page = _tagged_page(client, watch, page_params(started=True))
    if page is None:
        return False
    watch.add(page.tasks, whole=True)
    return _learn(client, jobs, page.tasks)


def _tagged_page(client: ForcedQuery, watch: Watch, params: dict) -> Page | None:
    """Read a page; None where it is as it was at the last time."""
    asked = repr(params)
    tag = {"If-None-Match": watch.tags[asked]} if watch.tags.get(asked) else {}
    page, response = client._ask_decoded(
        "queue/", params, decode=decode_page, headers=tag, expected=(304,)
    )
    if page is not None:
        watch.tags[asked] = response.headers.get("ETag", "")
    return page


def _learn(client: ForcedQuery, jobs: ForcedJobs, tasks: list[Task]) -> bool:
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


def _look_at(client: ForcedQuery, jobs: ForcedJobs, watch: Watch) -> bool:
    """Read one task that should be in the queue by its number: it may be gone."""
    task_id = watch.suspects.pop(0)
    job, task = jobs.by_task()[task_id], client._task(task_id, listed=True)
    if task is not None:
        # Then the list is not one that tells: "not changed" would say nothing of these tasks,
        # and none would be asked for again.
        watch.tags.clear()
        if not task.final:
            watch.suspects = []
        return update_job(job, task)
    if jobs.expired(job, client._clock.now()):
        since = f"it ended on {job.ended[:10]}" if job.ended else ""
        since = since or f"it was submitted on {job.submitted[:10]}"
        job.state = "expired"
        words = f"tasks are kept for {jobs.kept_days:.0f} days, and {since}"
    else:
        job.state, words = "deleted", "the server has no such task any more"
    job.message = job.message or words
    return True


def _name_blockers(client: ForcedQuery, jobs: ForcedJobs, watch: Watch) -> None:
    """Name tasks that are begun again and again, our own or not, while ours wait for them."""
    known = jobs.by_task()
    for task in watch.retrying:
        job = known.get(task.task_id)
        behind = sum(j.state in ("pending", "queued") for j in jobs)
        if (job is not None and job.final) or not (job or behind):
            continue
        what = f"task {task.task_id}" + (f" ({job.target.name})" if job else ", not of these,")
        words = (
            f"{client.service}: {what} was begun {task.attempts} times and fails each time. The "
            f"server tries for ever, and {behind} tasks wait behind it. "
            f"{client.name}.delete({task.task_id}) removes it"
        )
        if task.attempts >= client.conf.attempts_to_stop:
            raise RemoteServiceError(f"{words}; then wait again.", service=client.service)
        if task.attempts >= client.conf.attempts_to_warn and task.task_id not in watch.warned:
            watch.warned.add(task.task_id)
            warn(f"{words}.", BlockedQueueWarning)


def _forecast(
    client: ForcedQuery, jobs: ForcedJobs, watch: Watch, *, ask: bool = False
) -> tuple[str, float]:
    """Return how long it will take, in words and in seconds."""
    run_time, notes = RUN_TIME, ""
    if watch.run_times:
        run_time = statistics.median(watch.run_times)
    elif ask:
        run_time, notes = _runner(client, watch)
    left = jobs.unfinished
    seconds = left * run_time
    words = f"{left} of {len(jobs)} tasks to wait for, about {_span(seconds)}{notes}"
    return words, seconds


def _runner(client: ForcedQuery, watch: Watch) -> tuple[float, str]:
    """Return how long a task takes, and what is wrong with the server's task runner."""
    try:
        status, _ = client._ask_decoded(
            "taskrunnerstatus.json",
            decode=lambda body: msgspec.json.decode(body, type=dict),
            public=True,
        )
        run_time = float(status.get("typical_runtime_seconds", {}).get("FP") or RUN_TIME)
        users, slots = status.get("distinct_queued_users"), status.get("numslots")
        if users and slots:
            # Where there are more accounts than slots they take turns.
            run_time *= max(1.0, users / slots)
    except (
        RemoteServiceError,
        TimeoutError,
        ArithmeticError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        # It is only a forecast.
        watch.failure = error if isinstance(error, TimeoutError) else None
        return RUN_TIME, ""
    wrong = [word for word in ("maintenance", "stale") if status.get(word)]
    wrong += ["not running"] if status.get("running") is False else []
    return run_time, f" (the server's task runner: {', '.join(wrong)})" if wrong else ""


def _late(client: ForcedQuery, jobs: ForcedJobs, watch: Watch) -> TimeoutError:
    notes = [
        f"task {task.task_id} is begun again and again, and {client.name}.delete({task.task_id}) "
        "removes it"
        for task in watch.retrying
        if task.attempts >= client.conf.attempts_to_warn
    ]
    if watch.failure is not None:
        notes.append(f"the server did not answer at last: {watch.failure}".rstrip("."))
    error = TimeoutError(
        f"{client.service}: {_forecast(client, jobs, watch)[0]} when the timeout was over "
        f"({', '.join(f'{n} {state}' for state, n in jobs.counts().items())})"
        f"{''.join('; ' + note for note in notes)}. Wait again to go on; nothing is lost.",
        service=client.service,
    )
    error.jobs = jobs
    return error


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

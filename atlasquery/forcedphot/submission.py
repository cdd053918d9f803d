"""Submit tasks: a hundred a request, as far as there is room, never one of them twice."""

import dataclasses
import math
import re

from atlasquery.exceptions import InputWarning, QuotaError, RemoteServiceError
from atlasquery.forcedphot.base import ForcedQuery, Task, decode_tasks, may_be_done, unix_time
from atlasquery.forcedphot.jobs import TAG_LENGTH, Batch, ForcedJobs, Job
from atlasquery.forcedphot.targets import Target, in_groups
from atlasquery.service.log import log
from atlasquery.service.query import Payload, one_or_all
from atlasquery.warn import warn

__all__ = ["make_jobs", "submission_payloads", "submit_pending", "update_job"]

# See docs/servers/forcedphot.rst, "100 lines a request, 500 tasks waiting".
LINES = 100
UNSTARTED = 500
# "ERROR: You have too many queued tasks (500 queued + 100 requested > 500)."
TOO_MANY = re.compile(r"too many queued tasks \((\d+) queued \+ \d+ requested > (\d+)\)")
# Number of lost submissions in a row that are an error.
LOSSES = 3
# Largest difference of the clocks of server and client when looking for a lost submission.
CLOCK_DIFFERENCE = 86400.0
# Degrees from a pole at which the server accepts a position in a list; see
# docs/servers/forcedphot.rst, "Positions are not checked".
OFF_POLE = 1e-9
# Degrees by which a position may differ on its way to the server and back.
ROUNDING = 1e-7


def make_jobs(client: ForcedQuery, targets: list[Target], shared: dict, comment: str) -> ForcedJobs:
    """Return jobs for targets, in their order; those with the same motion share a request."""
    jobs = ForcedJobs(client.server, shared, comment)
    order: list[int] = []
    for motion, indices in in_groups(targets, LINES):
        jobs.add([targets[n] for n in indices], motion)
        order += indices
    # The rows are in the order given, whatever shares a request.
    ranked = sorted(zip(order, jobs.jobs, strict=True), key=lambda pair: pair[0])
    jobs.jobs = [job for _, job in ranked]
    return jobs


def submit_pending(client: ForcedQuery, jobs: ForcedJobs) -> None:
    """Submit as many jobs as there is room for; the rest remains pending."""
    _find_lost(client, jobs)
    losses: list[Exception] = []
    while jobs.room is None or jobs.room > 0:
        # A batch that was split off is at the end, and is found when the others are done.
        batch = next((b for b in jobs.batches.values() if jobs.missing(b)), None)
        if batch is None:
            return
        if jobs.room is not None and jobs.room < len(jobs.missing(batch)):
            jobs.split(batch, jobs.room)
        error = _submit(client, jobs, batch)
        losses = [*losses, error] if error else []
        if len(losses) == LOSSES:
            raise losses[-1]


def _submit(client: ForcedQuery, jobs: ForcedJobs, batch: Batch) -> Exception | None:
    """Send a submission, or find out that there is less room than it needs.

    Returns the error of one that did not arrive and may be sent again.
    """
    batch.sent = client._clock.now()
    jobs.keep()
    try:
        response = client._write("queue/", _payload(jobs, batch), json=True)
        tasks = client._decode(response, decode_tasks)
    except Exception as error:
        if may_be_done(error):
            log.warning(
                f"{client.service}: the response to a submission was lost ({error}); it is "
                "looked for in the queue"
            )
            _find_lost(client, jobs)
            return error if jobs.missing(batch) else None
        batch.sent = None
        jobs.keep()
        refusal = TOO_MANY.search(getattr(error, "reason", None) or "")
        if refusal is None or isinstance(error, QuotaError):
            raise
        jobs.room = max(0, int(refusal[2]) - int(refusal[1]))
        return None
    sent = len(jobs.missing(batch))
    _adopt_tasks(client, jobs, batch, tasks)
    _refuse_others(client, jobs, batch, len(tasks) - sent)
    before = tasks[0].queued_before if tasks else 0
    jobs.room = max(0, UNSTARTED - before - len(tasks))
    if jobs.missing(batch):
        # It is looked for like one whose response was lost.
        _find_lost(client, jobs)
    return None


def _adopt_tasks(client: ForcedQuery, jobs: ForcedJobs, batch: Batch, tasks: list[Task]) -> None:
    """Assign the tasks of a submission to its jobs, by their order and position."""
    known = jobs.by_task()
    waiting = jobs.missing(batch)
    extra = []
    for task in sorted(tasks, key=lambda task: task.task_id):
        if task.task_id in known:
            continue
        job = next((job for job in waiting if _is_for(task, job.target)), None)
        if job is None:
            extra.append(task.task_id)
            continue
        waiting.remove(job)
        job.task_id = task.task_id
        update_job(job, task)
    if not waiting:
        batch.sent = None
    jobs.keep()
    if extra:
        warn(
            f"{client.service} has tasks {extra} of the submission {batch.tag} in addition to "
            f"those requested; {client.name}.delete({extra}) removes them",
            InputWarning,
        )


def _refuse_others(client: ForcedQuery, jobs: ForcedJobs, batch: Batch, surplus: int) -> None:
    """Raise if there are as many tasks as targets, but for other positions.

    Sending the rest again would create more such tasks without end.
    """
    if surplus < 0 or not (missing := jobs.missing(batch)):
        return
    raise RemoteServiceError(
        f"{client.service} created tasks for other targets than were sent, of which "
        f"{missing[0].target.name} is one; nothing is sent again. The tasks are those of the "
        f"comment {batch.tag!r} in {client.name}.list_jobs().",
        service=client.service,
    )


def _find_lost(client: ForcedQuery, jobs: ForcedJobs) -> None:
    """Find the tasks of submissions whose response was lost."""
    while lost := [b for b in jobs.batches.values() if b.sent is not None]:
        found = _tasks_of(client, jobs, lost)
        for batch in lost:
            if tasks := found.get(batch.tag):
                sent = len(jobs.missing(batch))
                _adopt_tasks(client, jobs, batch, tasks)
                _refuse_others(client, jobs, batch, len(tasks) - sent)
        lost = [b for b in lost if b.sent is not None]
        if not lost:
            return
        # The server may still be working on a request that timed out here.
        wait = max(b.sent or 0.0 for b in lost) + client.conf.settle_seconds - client._clock.now()
        if wait <= 0:
            for batch in lost:
                batch.sent = None
            jobs.keep()
            return
        if wait >= 1:
            log.info(
                f"{client.service}: a submission is not in the queue; it is looked for again in "
                f"{wait:.0f} s"
            )
        client._clock.wait(wait)


def _tasks_of(client: ForcedQuery, jobs: ForcedJobs, batches: list[Batch]) -> dict[str, list[Task]]:
    """Look in the queue for the tasks of submissions, the newest first."""
    missing = {batch.tag: len(jobs.missing(batch)) for batch in batches}
    oldest = min(batch.sent or 0.0 for batch in batches) - CLOCK_DIFFERENCE
    known = jobs.by_task()
    found: dict[str, list[Task]] = {}
    for page in client._pages():
        for task in page.tasks:
            tag = task.comment[:TAG_LENGTH]
            # A task of images has the comment of the task whose images they are.
            same_type = task.request_type == jobs.request_type
            if same_type and tag in missing and task.task_id not in known:
                found.setdefault(tag, []).append(task)
                missing[tag] -= 1
        if all(n <= 0 for n in missing.values()):
            break
        if page.tasks and unix_time(page.tasks[-1].submitted) < oldest:
            break
    return found


def submission_payloads(jobs: ForcedJobs) -> Payload:
    """Return what is sent to submit all jobs that have no task."""
    payloads = [_payload(jobs, batch) for batch in jobs.batches.values() if jobs.missing(batch)]
    return one_or_all(payloads)


def _payload(jobs: ForcedJobs, batch: Batch) -> dict:
    """Return what is sent for the jobs of a submission that have no task."""
    missing = jobs.missing(batch)
    payload = {
        **jobs.shared,
        "comment": f"{batch.tag} {jobs.comment}".strip(),
        # The default of the server is true for some kinds of requests.
        "send_email": False,
    }
    if "request_type" in payload:
        # Other requests than photometry have one minor planet, and no list.
        return payload | {"mpc_name": missing[0].target.mpc_name}
    if batch.motion is not None:
        payload["radec_epoch_year"] = batch.motion.epoch
        payload["propermotion_ra"] = batch.motion.ra
        payload["propermotion_dec"] = batch.motion.dec
    return payload | {"radeclist": "\n".join(_line(job.target) for job in missing)}


def _line(target: Target) -> str:
    """Return the line of a target, for a pole that of a position next to it."""
    # A list with a pole is refused.
    if target.dec is not None and abs(target.dec) == 90:
        target = dataclasses.replace(target, dec=math.copysign(90 - OFF_POLE, target.dec))
    return target.line


def _is_for(task: Task, target: Target) -> bool:
    if target.ra is None or target.dec is None:
        return task.mpc_name == target.mpc_name
    near = abs(task.ra - target.ra) <= ROUNDING and abs(task.dec - target.dec) <= ROUNDING
    return bool(near)


def update_job(job: Job, task: Task) -> bool:
    """Bring a job up to date.

    Parameters
    ----------
    job : Job
        The job.
    task : Task
        Its task as the server describes it.

    Returns
    -------
    bool
        Whether anything changed.
    """
    before = (job.state, job.attempts, job.message, job.ended)
    # The state of a task with a result does not change.
    if not job.final:
        job.state = task.state
    job.attempts, job.message, job.ended = task.attempts, task.message, task.ended
    job.submitted = task.submitted.rstrip("Z")
    return before != (job.state, job.attempts, job.message, job.ended)

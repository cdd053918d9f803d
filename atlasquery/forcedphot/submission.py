"""Submit tasks: in hundreds, as far as there is room, never one of them twice."""

import dataclasses
import math
import re

from atlasquery.exceptions import InputWarning, QuotaError, RemoteServiceError
from atlasquery.forcedphot.base import ForcedQuery, Payload, Task, decode_tasks, maybe_done, unix
from atlasquery.forcedphot.jobs import TAG_LENGTH, Batch, ForcedJobs, Job
from atlasquery.forcedphot.targets import Target, in_groups
from atlasquery.service.log import log
from atlasquery.warn import warn

__all__ = ["make_jobs", "submission_payloads", "submit_pending", "update_job"]

# "at most 100 non-blank lines", "500 unstarted tasks per user" (contract).
LINES = 100
UNSTARTED = 500
# "ERROR: You have too many queued tasks (500 queued + 100 requested > 500)."
TOO_MANY = re.compile(r"too many queued tasks \((\d+) queued \+ \d+ requested > (\d+)\)")
# How often in a row a submission may be lost before that is an error.
LOSSES = 3
# How far the clocks of server and client may be apart when a lost submission is looked for.
SKEW = 86400.0
# Degrees from a pole at which the server takes a position in a list: microseconds of arc.
OFF_POLE = 1e-9
# Degrees by which a position may differ on its way to the server and back.
SAME = 1e-7


def make_jobs(client: ForcedQuery, targets: list[Target], shared: dict, comment: str) -> ForcedJobs:
    """Return jobs for targets, in their order; those of one motion share a request."""
    jobs = ForcedJobs(client.server, shared, comment)
    order: list[int] = []
    for motion, indices in in_groups(targets, LINES):
        jobs.add([targets[n] for n in indices], motion)
        order += indices
    # The rows stand in the order given, whatever shares a request.
    ranked = sorted(zip(order, jobs.jobs, strict=True), key=lambda pair: pair[0])
    jobs.jobs = [job for _, job in ranked]
    return jobs


def submit_pending(client: ForcedQuery, jobs: ForcedJobs) -> None:
    """Submit what there is room for; the rest stays pending."""
    _find_lost(client, jobs)
    losses = 0
    while jobs.room is None or jobs.room > 0:
        # What is split off stands at the end, and is found when the rest is done.
        batch = next((b for b in jobs.batches.values() if jobs.missing(b)), None)
        if batch is None:
            return
        if jobs.room is not None and jobs.room < len(jobs.missing(batch)):
            jobs.split(batch, jobs.room)
        error = _submit(client, jobs, batch)
        losses = losses + 1 if error else 0
        if losses == LOSSES:
            raise error


def _submit(client: ForcedQuery, jobs: ForcedJobs, batch: Batch) -> Exception | None:
    """Send a submission, or learn that there is less room than it needs.

    Returns the error of one that did not arrive, and may be sent again.
    """
    batch.sent = client._clock.now()
    jobs.keep()
    try:
        response = client._write("queue/", _payload(jobs, batch), json=True)
        tasks = client._decode(response, decode_tasks)
    except Exception as error:
        if maybe_done(error):
            log.warning(
                f"{client.service}: the answer to a submission was lost ({error}); the queue is "
                "looked through for it"
            )
            _find_lost(client, jobs)
            return error if jobs.missing(batch) else None
        batch.sent = None
        jobs.keep()
        said = TOO_MANY.search(getattr(error, "reason", None) or "")
        if said is None or isinstance(error, QuotaError):
            raise
        jobs.room = max(0, int(said[2]) - int(said[1]))
        return None
    asked = len(jobs.missing(batch))
    _adopt_tasks(client, jobs, batch, tasks)
    _refuse_others(client, jobs, batch, len(tasks) - asked)
    before = tasks[0].queued_before if tasks else 0
    jobs.room = max(0, UNSTARTED - before - len(tasks))
    if jobs.missing(batch):
        # It is looked up like one whose answer was lost.
        _find_lost(client, jobs)
    return None


def _adopt_tasks(client: ForcedQuery, jobs: ForcedJobs, batch: Batch, tasks: list[Task]) -> None:
    """Give the tasks of a submission to its jobs, by their order and position."""
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
            f"{client.service} has tasks {extra} of the submission {batch.tag} beside those that "
            f"were asked for; {client.name}.delete({extra}) removes them",
            InputWarning,
        )


def _refuse_others(client: ForcedQuery, jobs: ForcedJobs, batch: Batch, more: int) -> None:
    """Raise where there are as many tasks as targets, and not for the same positions.

    To send the rest again would make more such tasks, without end.
    """
    if more < 0 or not (missing := jobs.missing(batch)):
        return
    raise RemoteServiceError(
        f"{client.service} made tasks for other targets than were sent, of which "
        f"{missing[0].target.name} is one; nothing is sent again. The tasks are those of the "
        f"comment {batch.tag!r} in {client.name}.list_jobs().",
        service=client.service,
    )


def _find_lost(client: ForcedQuery, jobs: ForcedJobs) -> None:
    """Find out what became of submissions whose answer was not seen."""
    while lost := [b for b in jobs.batches.values() if b.sent is not None]:
        found = _tasks_of(client, jobs, lost)
        for batch in lost:
            if tasks := found.get(batch.tag):
                asked = len(jobs.missing(batch))
                _adopt_tasks(client, jobs, batch, tasks)
                _refuse_others(client, jobs, batch, len(tasks) - asked)
        lost = [b for b in lost if b.sent is not None]
        if not lost:
            return
        # A request that timed out here may still be at work there.
        wait = max(b.sent for b in lost) + client.conf.settle_seconds - client._clock.now()
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
    """Look through the queue for the tasks of submissions, the newest first."""
    wanted = {batch.tag: len(jobs.missing(batch)) for batch in batches}
    oldest = min(batch.sent for batch in batches) - SKEW
    known = jobs.by_task()
    found: dict[str, list[Task]] = {}
    for page in client._pages():
        for task in page.tasks:
            tag = task.comment[:TAG_LENGTH]
            # A task that makes images has the comment of the one whose images they are.
            ours = task.request_type == jobs.request_type
            if ours and tag in wanted and task.task_id not in known:
                found.setdefault(tag, []).append(task)
                wanted[tag] -= 1
        if all(n <= 0 for n in wanted.values()):
            break
        if page.tasks and unix(page.tasks[-1].submitted) < oldest:
            break
    return found


def submission_payloads(jobs: ForcedJobs) -> Payload:
    """Return what is sent to submit all jobs that have no task."""
    payloads = [_payload(jobs, batch) for batch in jobs.batches.values() if jobs.missing(batch)]
    return payloads[0] if len(payloads) == 1 else payloads


def _payload(jobs: ForcedJobs, batch: Batch) -> dict:
    """Return what is sent for the jobs of a submission that have no task."""
    missing = jobs.missing(batch)
    payload = {
        **jobs.shared,
        "comment": f"{batch.tag} {jobs.comment}".strip(),
        # The server's default is true for some ways of asking.
        "send_email": False,
    }
    if "request_type" in payload:
        # What is no photometry takes one minor planet, and no list.
        return payload | {"mpc_name": missing[0].target.mpc_name}
    if batch.motion is not None:
        payload["radec_epoch_year"] = batch.motion.epoch
        payload["propermotion_ra"] = batch.motion.ra
        payload["propermotion_dec"] = batch.motion.dec
    return payload | {"radeclist": "\n".join(_line(job.target) for job in missing)}


def _line(target: Target) -> str:
    """Return the line of a target: a list that holds a pole is refused, and is sent beside it."""
    if target.dec is not None and abs(target.dec) == 90:
        target = dataclasses.replace(target, dec=math.copysign(90 - OFF_POLE, target.dec))
    return target.line


def _is_for(task: Task, target: Target) -> bool:
    if target.mpc_name:
        return task.mpc_name == target.mpc_name
    near = abs(task.ra - target.ra) <= SAME and abs(task.dec - target.dec) <= SAME
    return bool(near)


def update_job(job: Job, task: Task) -> bool:
    """Bring a job up to date.

    Parameters
    ----------
    job : Job
        The job.
    task : Task
        What the server says of its task.

    Returns
    -------
    bool
        Whether anything changed.
    """
    before = (job.state, job.attempts, job.message, job.ended)
    # What came of a task is known for good once its result is.
    if not job.final:
        job.state = task.state
    job.attempts, job.message, job.ended = task.attempts, task.message, task.ended
    job.submitted = task.submitted.rstrip("Z")
    return before != (job.state, job.attempts, job.message, job.ended)

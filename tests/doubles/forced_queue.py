"""The queue of the double: one task of an account at a time, in the order of their numbers."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

RETRY_DELAY = 8.0
NO_DATA = "No data returned"


def stamp(when):
    """Return a Unix time as the server writes it."""
    return (
        None if when is None else datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )


@dataclass
class Task:
    """A task, with what will become of it.

    ``fate`` is one of "done", "nodata", "ragged", "cut", "flaky" (fails once), "forever" (fails
    each time) and "error"; for a stack also "nothing".
    """

    id: int
    user: str
    user_id: int
    submitted: float
    fields: dict
    fate: str = "done"
    queued_before: int | None = 0
    parent: int | None = None
    attempts: int = 0
    started: float | None = None
    begun: float | None = None
    ended: float | None = None
    error: str | None = None
    images: int | None = None

    @property
    def kind(self):
        return self.fields.get("request_type", "FP")


@dataclass
class Queue:
    """All tasks of all accounts; `advance` does what was to be done until now."""

    runtime: float = 60.0
    latency: float = 4.0
    tasks: dict[int, Task] = field(default_factory=dict)
    free: dict[str, float] = field(default_factory=dict)
    last: int = 0
    finished: list[int] = field(default_factory=list)

    def own(self, user):
        return [task for task in self.tasks.values() if task.user == user]

    def unstarted(self, user):
        return sum(task.started is None for task in self.own(user))

    def add(self, user, user_id, now, fields, *, fate="done", before=0, parent=None):
        self.last += 1
        task = Task(self.last, user, user_id, now, fields, fate, before, parent)
        self.tasks[task.id] = task
        return task

    def remove(self, task, now):
        if task.started is not None and task.ended is None:
            self.free[task.user] = now
        del self.tasks[task.id]

    def advance(self, now):
        for user in {task.user for task in self.tasks.values()}:
            todo = sorted((t for t in self.own(user) if t.ended is None), key=lambda t: t.id)
            for task in todo:
                if not self._run(task, user, now):
                    break

    def _run(self, task, user, now):
        """Do a task as far as time allows; return whether it is finished."""
        if task.started is None:
            begin = max(task.submitted + self.latency, self.free.get(user, 0.0))
            if begin > now:
                return False
            task.begun = task.started = begin
            task.attempts = 1
        failures = {"flaky": 1, "forever": float("inf")}.get(task.fate, 0)
        while task.started + self.runtime <= now:
            end = task.started + self.runtime
            if task.attempts <= failures:
                if end + RETRY_DELAY > now:
                    return False
                task.started = end + RETRY_DELAY
                task.attempts += 1
                continue
            self._finish(task, end)
            self.free[user] = end
            return True
        return False

    def _finish(self, task, end):
        task.ended = end
        self.finished.append(task.id)
        task.error = {
            "nodata": NO_DATA,
            "error": "ssh: the reduction failed",
            "nothing": "No observations found in the requested MJD range",
        }.get(task.fate)

    def json(self, task, base):
        """Return a task as the server sends it: 37 keys."""
        waiting = sorted(t.id for t in self.tasks.values() if t.ended is None)
        done = task.ended is not None
        static = f"{base}static/results/job{task.id:05d}"
        good = done and task.error is None
        child = self.tasks.get(task.images)
        parent = self.tasks.get(task.parent)
        zipped = (parent is not None and good) or _is_done(child)
        f = task.fields
        photometry = task.kind == "FP"
        return {
            "url": f"{base}queue/{task.id}/",
            "id": task.id,
            "user_id": task.user_id,
            "username": task.user,
            "timestamp": stamp(task.submitted),
            "mpc_name": f.get("mpc_name"),
            "ra": f.get("ra"),
            "dec": f.get("dec"),
            "mjd_min": f.get("mjd_min"),
            "mjd_max": f.get("mjd_max"),
            "radec_epoch_year": f.get("radec_epoch_year"),
            "propermotion_ra": f.get("propermotion_ra"),
            "propermotion_dec": f.get("propermotion_dec"),
            "use_reduced": f.get("use_reduced", False),
            "finished": done,
            "result_url": f"{static}.txt" if good and task.kind != "IMGZIP" else None,
            "comment": f.get("comment"),
            "send_email": f.get("send_email", False),
            "callback_url": None,
            "starttimestamp": stamp(task.started),
            "finishtimestamp": stamp(task.ended),
            "error_msg": task.error,
            "previewimage_url": f"{static}.jpg" if good and photometry else None,
            "parent_task_id": task.parent,
            "parent_task_url": task.parent and f"{base}queue/{task.parent}/",
            "request_type": task.kind,
            "pdfplot_url": f"{base}queue/{task.id}/plot.pdf" if good and photometry else None,
            "queuepos": None if done else waiting.index(task.id),
            "imagerequest_task_id": task.images,
            "imagerequest_url": task.images and f"{base}queue/{task.images}/",
            "imagerequest_finished": _is_done(child) if child else None,
            "result_imagestack_url": f"{static}.fits" if good and task.kind == "SSOSTACK" else None,
            "result_imagezip_url": f"{base}static/results/job{task.parent or task.id:05d}.zip"
            if zipped
            else None,
            "userqueuedtasks_on_submit": task.queued_before,
            "waittime": None if task.begun is None else round(task.begun - task.submitted, 1),
            "runtime": round(task.ended - task.started, 1) if done else None,
            "attempt_count": task.attempts,
        }


def _is_done(task):
    return task is not None and task.ended is not None

"""The queue of the server: one task of an account at a time, chosen as the real runner does.

The runner takes the task that stands first. A position is given when a submission is complete, by
the time of the submission and the number; until then its rows, which appear one by one, have
no position, and what has no position comes first. So of two submissions at once the later numbers
may run first.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

__all__ = ["Queue", "QueuedTask"]

RETRY_DELAY = 8.0
NO_DATA = "No data returned"
DAY = 86400.0
# What is removed in passing, so long after its end. Photometry goes for good; of the others the
# row stays, hidden.
SWEPT = {"FP": 31 * DAY, "IMGZIP": 14 * DAY, "SSOSTACK": 14 * DAY}


def _stamp(when: float | None) -> str | None:
    """Return a Unix time as the server writes it."""
    if when is None:
        return None
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class QueuedTask:
    """A task, and its outcome once it has run.

    ``outcome`` is one of "done", "nodata", "ragged", "cut", "flaky" (fails once), "forever" (fails
    each time) and "error"; for a stack also "nothing".
    """

    id: int
    user: str
    user_id: int
    submitted: float
    fields: dict
    outcome: str = "done"
    queued_before: int | None = 0
    parent: int | None = None
    attempts: int = 0
    started: float | None = None
    begun: float | None = None
    ended: float | None = None
    error: str | None = None
    #: When its row was inserted, and when it was given a position.
    appeared: float = 0.0
    numbered: float = 0.0

    @property
    def kind(self) -> str:
        """The type of request: FP, IMGZIP or SSOSTACK."""
        return self.fields.get("request_type", "FP")


@dataclass
class Queue:
    """All tasks of all accounts; `advance` does what was to be done until now.

    A task begins ``latency`` seconds after it was submitted, and runs for ``runtime`` seconds.
    """

    runtime: float = 60.0
    latency: float = 4.0
    #: Seconds that the row of a list takes to be inserted.
    insertion: float = 0.015
    tasks: dict[int, QueuedTask] = field(default_factory=dict)
    free: dict[str, float] = field(default_factory=dict)
    running: dict[str, QueuedTask] = field(default_factory=dict)
    #: Rows that are still to be inserted: when, the number within its list, and what does it.
    incoming: list[tuple[float, int, Callable[[int, float], None]]] = field(default_factory=list)
    last: int = 0
    #: Finished tasks that were deleted: their rows are hidden, and stay.
    archived: set[int] = field(default_factory=set)
    #: Tasks of photometry whose images are on the disk.
    zips: set[int] = field(default_factory=set)
    #: The position of each task that has one.
    positions: dict[int, int] = field(default_factory=dict)

    def of_user(self, user: str) -> list[QueuedTask]:
        """Return the tasks of an account.

        Parameters
        ----------
        user : str
            Its name.

        Returns
        -------
        list of QueuedTask
            The tasks, in the order in which they appeared.
        """
        return [task for task in self.tasks.values() if task.user == user]

    def unstarted(self, user: str) -> int:
        """Count the tasks of an account that have not begun.

        Parameters
        ----------
        user : str
            Its name.

        Returns
        -------
        int
            Number of tasks.
        """
        return sum(task.started is None for task in self.of_user(user))

    def add(
        self,
        user: str,
        user_id: int,
        now: float,
        fields: dict,
        *,
        outcome: str = "done",
        before: int | None = 0,
        parent: int | None = None,
    ) -> QueuedTask:
        """Add a task.

        Parameters
        ----------
        user : str
            Name of the account.
        user_id : int
            Its number.
        now : float
            Unix time.
        fields : dict
            What was submitted.
        outcome : str, optional
            What the task ends with.
        before : int, optional
            Number of tasks of the account that wait already.
        parent : int, optional
            The task whose images are requested.

        Returns
        -------
        QueuedTask
            The task.
        """
        self.last += 1
        task = QueuedTask(
            self.last, user, user_id, now, fields, outcome, before, parent, appeared=now,
            numbered=now,
        )  # fmt: skip
        self.tasks[task.id] = task
        return task

    def submit(
        self,
        user: str,
        user_id: int,
        now: float,
        lines: list[dict],
        outcomes: list[str],
        before: int,
    ) -> list[QueuedTask]:
        """Begin to insert the rows of a submission.

        Parameters
        ----------
        user : str
            Name of the account.
        user_id : int
            Its number.
        now : float
            Unix time.
        lines : list of dict
            The fields of each task.
        outcomes : list of str
            What each task ends with.
        before : int
            Number of tasks of the account that wait already.

        Returns
        -------
        list of QueuedTask
            The tasks, which are appended as their rows appear.
        """
        tasks: list[QueuedTask] = []
        whole = now + len(lines) * self.insertion

        def insert(n: int, at: float) -> None:
            task = self.add(user, user_id, now, lines[n], outcome=outcomes[n], before=before + n)
            task.appeared, task.numbered = at, whole
            tasks.append(task)

        for n in range(len(lines)):
            self.incoming.append((now + (n + 1) * self.insertion, n, insert))
        return tasks

    def remove(self, task: QueuedTask, now: float) -> None:
        """Do what a DELETE does: a finished task is hidden, another one is removed.

        Parameters
        ----------
        task : QueuedTask
            The task.
        now : float
            Unix time.
        """
        if self.running.get(task.user) is task:
            del self.running[task.user]
            self.free[task.user] = now
        if task.kind == "IMGZIP" and task.parent is not None:
            # It is the file of all image tasks of the same parent.
            self.zips.discard(task.parent)
        if task.ended is not None:
            self.archived.add(task.id)
        del self.tasks[task.id]

    def images_of(self, task: QueuedTask) -> QueuedTask | None:
        """Return the image task that a task names: the first of all.

        Parameters
        ----------
        task : QueuedTask
            The task.

        Returns
        -------
        QueuedTask or None
            The image task, if there is one.
        """
        return next((t for t in self.tasks.values() if t.parent == task.id), None)

    def advance(self, now: float) -> None:
        """Do what was to be done until now.

        Parameters
        ----------
        now : float
            Unix time.
        """
        self.incoming.sort(key=lambda row: row[:2])
        while self.incoming and self.incoming[0][0] <= now + 1e-6:
            at, n, insert = self.incoming.pop(0)
            insert(n, at)
        for user in {task.user for task in self.tasks.values()}:
            while self._step(user, now):
                pass
        for task in list(self.tasks.values()):
            if task.ended is not None and now - task.ended > SWEPT[task.kind]:
                self.remove(task, now)
                if task.kind == "FP":
                    self.archived.discard(task.id)
        waiting = [t for t in self.tasks.values() if t.ended is None and t.numbered <= now]
        waiting.sort(key=lambda task: self._position(task, now))
        self.positions = {task.id: n for n, task in enumerate(waiting)}

    def _step(self, user: str, now: float) -> bool:
        """Begin or end one task of an account, if that has happened by now."""
        task = self.running.get(user)
        if task is None:
            return self._begin(user, now)
        end = (task.started or now) + self.runtime
        if end > now:
            return False
        del self.running[user]
        failures = {"flaky": 1, "forever": math.inf}.get(task.outcome, 0)
        self.free[user] = end + RETRY_DELAY if task.attempts <= failures else end
        if task.attempts > failures:
            self._finish(task, end)
        return True

    def _begin(self, user: str, now: float) -> bool:
        waiting = [task for task in self.of_user(user) if task.ended is None]
        if not waiting:
            return False
        soonest = min(task.appeared for task in waiting) + self.latency
        at = max(soonest, self.free.get(user, 0.0))
        if at > now:
            return False
        task = min((t for t in waiting if t.appeared <= at), key=lambda t: self._position(t, at))
        task.begun = task.begun or at
        task.started = at
        task.attempts += 1
        self.running[user] = task
        return True

    @staticmethod
    def _position(task: QueuedTask, at: float) -> tuple[bool, float, int, int]:
        """Return what the runner sorts by: no position first, then what was begun, then by time."""
        begun = -math.inf if task.started is None else task.started
        return task.numbered <= at, -begun, math.floor(task.submitted), task.id

    def _finish(self, task: QueuedTask, end: float) -> None:
        task.ended = end
        if task.kind == "IMGZIP" and task.parent is not None:
            self.zips.add(task.parent)
        task.error = {
            "nodata": NO_DATA,
            "error": "ssh: the reduction failed",
            "nothing": "No observations found in the requested MJD range",
        }.get(task.outcome)

    def json(self, task: QueuedTask, base: str) -> dict:
        """Return a task as the server sends it: 37 keys.

        Parameters
        ----------
        task : QueuedTask
            The task.
        base : str
            The address of the server, with a trailing slash.

        Returns
        -------
        dict
            The task.
        """
        done = task.ended is not None
        static = f"{base}static/results/job{task.id:05d}"
        good = done and task.error is None
        child = self.images_of(task)
        zipped = (task.parent or task.id) in self.zips
        f = task.fields
        photometry = task.kind == "FP"
        return {
            "url": f"{base}queue/{task.id}/",
            "id": task.id,
            "user_id": task.user_id,
            "username": task.user,
            "timestamp": _stamp(task.submitted),
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
            "starttimestamp": _stamp(task.started),
            "finishtimestamp": _stamp(task.ended),
            "error_msg": task.error,
            "previewimage_url": f"{static}.jpg" if good and photometry else None,
            "parent_task_id": task.parent,
            "parent_task_url": task.parent and f"{base}queue/{task.parent}/",
            "request_type": task.kind,
            "pdfplot_url": f"{base}queue/{task.id}/plot.pdf" if good and photometry else None,
            "queuepos": None if done else self.positions.get(task.id),
            "imagerequest_task_id": child and child.id,
            "imagerequest_url": child and f"{base}queue/{child.id}/",
            "imagerequest_finished": _is_done(child) if child else None,
            "result_imagestack_url": f"{static}.fits" if good and task.kind == "SSOSTACK" else None,
            "result_imagezip_url": f"{base}static/results/job{task.parent or task.id:05d}.zip"
            if zipped
            else None,
            "userqueuedtasks_on_submit": task.queued_before,
            "waittime": _seconds(task.submitted, task.begun),
            "runtime": _seconds(task.started, task.ended),
            "attempt_count": task.attempts,
        }


def _seconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(end - start, 1)


def _is_done(task: QueuedTask | None) -> bool:
    return task is not None and task.ended is not None

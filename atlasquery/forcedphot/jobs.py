"""The tasks of one submission: what was requested, the outcome, saved at every step."""

import contextlib
import dataclasses
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.forcedphot.base import unix_time
from atlasquery.forcedphot.targets import Motion, Target
from atlasquery.service.inputs import check_path
from atlasquery.service.journal import read_journal, write_journal
from atlasquery.service.locks import locked

__all__ = ["FINAL", "STATES", "Batch", "ForcedJobs", "Job", "new_tag"]

FORMAT = 1
#: The states of a job, in the order of its life.
STATES = {
    "pending": "not at the server yet: there was no room, or the response was lost",
    "queued": "waits at the server",
    "running": "is measured",
    "retrying": "failed, and is repeated again and again; later tasks wait",
    "done": "has a result",
    "empty": "there is no data at this position and time",
    "failed": "the server could not do it; see message",
    "expired": "the server no longer has its result",
    "deleted": "was deleted at the server",
}
#: States that do not change any more.
FINAL = ("done", "empty", "failed", "expired", "deleted")
#: For how many days the server keeps a finished task, by the type of its request.
KEPT_DAYS = {"FP": 31.0, "IMGZIP": 14.0, "SSOSTACK": 14.0}
TAG = "atlasquery:"
TAG_BYTES = 8


def new_tag() -> str:
    """Return a tag that no other submission has in its comment.

    Returns
    -------
    str
        ``atlasquery:`` and 16 hexadecimal digits.
    """
    return TAG + secrets.token_hex(TAG_BYTES)


#: The length of a tag.
TAG_LENGTH = len(TAG) + 2 * TAG_BYTES


@dataclass
class Job:
    """One target, and its task.

    Parameters
    ----------
    target : Target
        The position or minor planet.
    tag : str
        The submission it belongs to.
    state : str, optional
        One of `STATES`.
    task_id : int, optional
        The number of its task.
    attempts : int, optional
        Number of attempts.
    message : str, optional
        The server's message about it.
    ended : str, optional
        When the task was finished, ISO 8601 in UTC.
    submitted : str, optional
        When it was submitted, ISO 8601 in UTC.
    """

    target: Target
    tag: str
    state: str = "pending"
    task_id: int | None = None
    attempts: int = 0
    message: str = ""
    ended: str = ""
    submitted: str = ""

    @property
    def final(self) -> bool:
        """Whether its state does not change any more."""
        return self.state in FINAL

    @property
    def known_id(self) -> int:
        """The number of its task, for a job that has one."""
        if self.task_id is None:
            raise ValueError(f"{self.target.name} has no task yet")
        return self.task_id


@dataclass
class Batch:
    """A submission: up to a hundred lines that share all but their position.

    Parameters
    ----------
    tag : str
        The beginning of the comment of its tasks.
    motion : Motion or None
        The proper motion they share.
    sent : float or None
        Unix time at which it was sent, while the outcome of some of its lines is not known.
    """

    tag: str
    motion: Motion | None = None
    sent: float | None = None


@dataclass
class ForcedJobs:
    """The tasks of one submission.

    Returned by `AtlasForcedClass.submit` or `ForcedJobs.load`. It behaves as a table
    with a row for each target, in the order given: ``jobs["state"]``,
    ``jobs["target", "task_id"]``, ``jobs[:5]``, ``len(jobs)``; ``jobs[0]`` is a
    `Job`. `AtlasForcedClass.wait` and `AtlasForcedClass.fetch` bring it up to
    date. With a file, each change is written to it before the next request is
    sent, so that a process that is killed loses nothing.

    Parameters
    ----------
    server : str
        The server whose tasks they are.
    shared : dict
        What all requests have in common, by the server's names.
    comment : str, optional
        The comment of the user.
    jobs : list, optional
        The jobs.
    batches : dict, optional
        The submissions by tag.
    path : `~pathlib.Path`, optional
        The file in which they are saved.
    """

    server: str
    shared: dict
    comment: str = ""
    jobs: list[Job] = field(default_factory=list)
    batches: dict[str, Batch] = field(default_factory=dict)
    path: Path | None = None

    def __post_init__(self) -> None:
        #: Number of unstarted tasks that the server would still accept, if known.
        self.room: int | None = None
        self._is_locked = False
        self._stamp = _stamp(self.path)

    def __len__(self) -> int:
        return len(self.jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self.jobs)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            return self.jobs[index]
        # A column, several of them, or rows.
        return self.table()[index]

    @property
    def unfinished(self) -> int:
        """The number of jobs that are not finished."""
        return sum(not job.final for job in self.jobs)

    @property
    def coordinates(self) -> SkyCoord:
        """The positions, ICRS, masked for minor planets."""
        table = self.table()
        return SkyCoord(table["ra"], table["dec"])

    def counts(self) -> dict[str, int]:
        """Return the number of jobs in each state.

        Returns
        -------
        dict of str to int
            In the order of a job's life, without states that no job has.
        """
        counted = Counter(job.state for job in self.jobs)
        return {state: counted[state] for state in STATES if counted[state]}

    def table(self) -> Table:
        """Return a table of the jobs.

        Returns
        -------
        `~astropy.table.Table`
            ``target``, ``ra``, ``dec`` (deg, masked for minor planets), ``mpc_name``,
            ``state``, ``task_id`` (masked before it has one), ``attempts``,
            ``message``, ``tag`` and ``url``, a row for each job.
        """
        jobs = self.jobs

        def masked(values: list, dtype: type, unit: u.Unit | None = None) -> MaskedColumn:
            mask = [value is None for value in values]
            filler = np.nan if dtype is float else 0
            data: np.ndarray = np.array(
                [filler if value is None else value for value in values], dtype
            )
            return MaskedColumn(data, mask=mask, unit=unit)

        table = Table(
            {
                "target": np.array([job.target.name for job in jobs], str),
                "ra": masked([job.target.ra for job in jobs], float, u.deg),
                "dec": masked([job.target.dec for job in jobs], float, u.deg),
                "mpc_name": MaskedColumn(
                    np.array([job.target.mpc_name or "" for job in jobs], str),
                    mask=[not job.target.mpc_name for job in jobs],
                ),
                "state": np.array([job.state for job in jobs], str),
                "task_id": masked([job.task_id for job in jobs], np.int64),
                "attempts": np.array([job.attempts for job in jobs], np.int64),
                "message": np.array([job.message for job in jobs], str),
                "tag": np.array([job.tag for job in jobs], str),
                "url": np.array([self.url(job) for job in jobs], str),
            }
        )
        table.meta.update(server=self.server, **self.shared)
        return table

    def url(self, job: Job) -> str:
        """Return the address of a job's task.

        Parameters
        ----------
        job : Job
            The job.

        Returns
        -------
        str
            Empty before it has a task.
        """
        return "" if job.task_id is None else f"{self.server}queue/{job.task_id}/"

    def __repr__(self) -> str:
        counted = ", ".join(f"{n} {state}" for state, n in self.counts().items())
        where = f", saved in {self.path}" if self.path else ""
        return f"<ForcedJobs {len(self)} tasks: {counted or 'none'}{where}>"

    def _repr_html_(self) -> str:
        shown = self.table()["target", "ra", "dec", "state", "task_id", "attempts", "message"]
        return f"<p>{repr(self)[1:-1]}</p>{shown._repr_html_()}"

    # Changes by the queries.

    def add(self, targets: list[Target], motion: Motion | None) -> None:
        """Add the jobs of one submission, which is not sent yet.

        Parameters
        ----------
        targets : list of Target
            Its lines.
        motion : Motion or None
            The proper motion they share.
        """
        batch = Batch(new_tag(), motion)
        self.batches[batch.tag] = batch
        self.jobs += [Job(target, batch.tag) for target in targets]

    def missing(self, batch: Batch) -> list[Job]:
        """Return the jobs of a submission that have no task.

        Parameters
        ----------
        batch : Batch
            The submission.

        Returns
        -------
        list of Job
            In the order of their lines.
        """
        return [job for job in self.jobs if job.tag == batch.tag and job.task_id is None]

    def split(self, batch: Batch, room: int) -> None:
        """Split a submission, leaving as many unsent jobs in it as there is room for.

        Parameters
        ----------
        batch : Batch
            The submission.
        room : int
            Number of tasks that the server accepts.
        """
        rest = Batch(new_tag(), batch.motion)
        self.batches[rest.tag] = rest
        for job in self.missing(batch)[room:]:
            job.tag = rest.tag

    def by_task(self) -> dict[int, Job]:
        """Return the jobs that have a task, by its number.

        Returns
        -------
        dict of int to Job
            Without pending jobs.
        """
        return {job.task_id: job for job in self.jobs if job.task_id is not None}

    # The file.

    def save(self, path: str | os.PathLike) -> None:
        """Save the jobs in a file, from now on at each change.

        Parameters
        ----------
        path : path-like
            The file, readable by its owner only, and always complete. It holds no
            credentials.

        Raises
        ------
        InvalidQueryError
            If it cannot be written.
        """
        self.path = check_path(path, name="path").absolute()
        self.keep()

    def keep(self) -> None:
        """Write the present state to the file, where there is one."""
        if self.path is None:
            return
        content = {
            "format": FORMAT,
            "server": self.server,
            "shared": self.shared,
            "comment": self.comment,
            "batches": [dataclasses.asdict(batch) for batch in self.batches.values()],
            "jobs": [dataclasses.asdict(job) for job in self.jobs],
        }
        write_journal(self.path, content, what="jobs")
        self._stamp = _stamp(self.path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "ForcedJobs":
        """Load jobs that another process has saved.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        ForcedJobs
            In their last known state; `AtlasForcedClass.wait` updates them.

        Raises
        ------
        InvalidQueryError
            If there is no such file, or it is not one of this package.
        """

        def decode(content: dict, file: Path) -> ForcedJobs:
            batches = [Batch(**_with_motion(batch)) for batch in content["batches"]]
            jobs = [
                Job(**{**job, "target": Target(**_with_motion(job["target"]))})
                for job in content["jobs"]
            ]
            return cls(
                content["server"],
                content["shared"],
                content["comment"],
                jobs,
                {batch.tag: batch for batch in batches},
                file,
            )

        return read_journal(path, decode, version=FORMAT, what="jobs")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Lock the file of the jobs against other processes.

        Raises
        ------
        InvalidQueryError
            If another process works on them, or has since they were read here.
        """
        if self.path is None or self._is_locked:
            yield
            return
        with locked(self.path.with_name(self.path.name + ".lock")) as free:
            if not free:
                raise InvalidQueryError(
                    f"another process works on {str(self.path)!r}: its tasks would be submitted "
                    "twice"
                )
            if _stamp(self.path) != self._stamp:
                # What it has submitted is not known here and would be submitted again.
                raise InvalidQueryError(
                    f"another process has worked on {str(self.path)!r} since it was read: load "
                    "it again with ForcedJobs.load"
                )
            self._is_locked = True
            try:
                yield
            finally:
                self._is_locked = False

    @property
    def window(self) -> tuple[float | None, float | None]:
        """The first and last MJD requested."""
        return self.shared.get("mjd_min"), self.shared.get("mjd_max")

    @property
    def request_type(self) -> str:
        """The type of the request: ``FP``, or ``IMGZIP`` for images, ``SSOSTACK`` for a stack."""
        return self.shared.get("request_type", "FP")

    @property
    def kept_days(self) -> float:
        """The number of days for which the server keeps such tasks and their results."""
        return KEPT_DAYS.get(self.request_type, KEPT_DAYS["FP"])

    def expired(self, job: Job, now: float) -> bool:
        """Return whether a job is too old for the server to have its result.

        Parameters
        ----------
        job : Job
            The job.
        now : float
            Unix time.

        Returns
        -------
        bool
            From its end or, if not known, its submission; False if neither is known.
        """
        since = job.ended or job.submitted
        return bool(since) and now - unix_time(since) > self.kept_days * 86400


def _stamp(path: Path | None) -> tuple | None:
    """Return what differs between versions of a file."""
    if path is None:
        return None
    with contextlib.suppress(OSError):
        about = path.stat()
        return about.st_ino, about.st_mtime_ns, about.st_size
    return None


def _with_motion(record: dict) -> dict:
    motion = record.get("motion")
    return {**record, "motion": Motion(**motion) if motion else None}

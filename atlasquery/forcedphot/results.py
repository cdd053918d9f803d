"""Fetch result files, store them, and build light curves from them."""

import contextlib
import os
from functools import partial
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.forcedphot.base import ForcedQuery
from atlasquery.forcedphot.jobs import STATES, ForcedJobs, Job
from atlasquery.forcedphot.photometry import light_curve
from atlasquery.forcedphot.result_file import empty_rows, parse_result
from atlasquery.forcedphot.targets import Target
from atlasquery.forcedphot.waiting import check_jobs
from atlasquery.lightcurve.schema import Conventions
from atlasquery.service.failures import check_on_error, deliver, some
from atlasquery.service.inputs import check_path
from atlasquery.service.pool import run_all
from atlasquery.sphere import separations
from atlasquery.tables import Rows, check_answer
from atlasquery.warn import warn

__all__ = ["fetch", "read", "read_result", "result_key"]

TEXT = "text/plain"
# Files have five decimals of a degree.
ROUNDED = 3e-5
# Years of proper motion between the epoch of a position and its measurement, at most.
LONGEST = 100.0


def fetch(
    self: ForcedQuery, jobs: ForcedJobs, *, on_error: str = "raise", progress: bool = True
) -> list[TimeSeries]:
    """Fetch the light curves of finished tasks.

    Each result costs a request, and is stored on disk when it arrives: the next call
    resumes one that was stopped, and results remain available after the server
    has deleted them, a month later. Nothing is deleted on the server.

    Parameters
    ----------
    jobs : ForcedJobs
        The tasks.
    on_error : {"raise", "warn"}, optional
        What to do when some have no light curve: raise an error that has
        the list as ``result``, or return the list with a warning.
    progress : bool, optional
        Whether a bar is shown, on a terminal or in a notebook.

    Returns
    -------
    list of `~astropy.timeseries.TimeSeries`
        One for each task, in the order of `jobs`, with the columns of
        `~atlasquery.lightcurve.SCHEMA` and those of the file: ``reported_mag``,
        ``reported_mag_err`` (mag), ``reported_flux`` (uJy) as sent, ``error_code``,
        ``reduced_chi2``, ``ra``, ``dec`` (deg), ``x``, ``y``, ``psf_major``,
        ``psf_minor`` (pix), ``psf_angle`` (deg), ``aperture_correction`` (mag) and
        ``sky_brightness`` (mag / arcsec2). A light curve without rows if there is
        no data; None for a task that has no result.

    Raises
    ------
    InvalidQueryError
        If the tasks are of another server, or produce images.
    IncompleteResultError
        If some tasks are not finished, failed, or have a result that cannot be
        fetched or read; ``failures`` has a pair (target, error) for each. For a
        single task, its error.

    Warns
    -----
    NoResultsWarning
        If there is no data at some positions.
    InputWarning
        If a file contradicts itself, or some have no light curve.

    References
    ----------
    https://fallingstar-data.com/forcedphot/resultdesc/

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import AtlasForced
    >>> jobs = AtlasForced.submit(SkyCoord(161.2, 53.7, unit="deg"), start=59000)
    >>> lc, = AtlasForced.fetch(AtlasForced.wait(jobs))
    >>> lc["flux"].unit
    Unit("uJy")
    """
    check_jobs(self, jobs)
    if jobs.request_type != "FP":
        raise InvalidQueryError(
            "these jobs produce images and have no light curves: download them with "
            + ("get_stack(jobs)" if jobs.request_type == "SSOSTACK" else "get_images(jobs)")
        )
    check_on_error(on_error)
    before = [job.state for job in jobs]
    outcomes = run_all(
        partial(_light_curve_of, self, jobs),
        jobs.jobs,
        concurrency=self.conf.concurrency,
        interrupt=self._clock.interrupt,
        progress=progress,
    )
    if [job.state for job in jobs] != before:
        # Another process may be waiting for them, which then updates them itself.
        with contextlib.suppress(InvalidQueryError), jobs.held():
            jobs.keep()
    empty = [j.target.name for j, o in zip(jobs, outcomes, strict=True) if _is_empty(o)]
    if empty:
        warn(
            f"{self.service} has no data for {len(empty)} of {len(jobs)} targets in this "
            f"window: {some(empty)}{_hint(jobs)}",
            NoResultsWarning,
        )
    return _complete(self, jobs, outcomes, on_error)


def read(
    self: ForcedQuery, source: str | bytes | os.PathLike, *, on_error: str = "raise"
) -> TimeSeries:
    r"""Read a result file from disk, or a copy of one.

    Parameters
    ----------
    source : path-like, str or bytes
        The file, or its content, from any year: columns are found by name, missing
        ones are masked, and unknown ones are included. It
        may be packed by gzip, in UTF-16, a copy as CSV with commas or semicolons,
        or several files one after the other; its header may have lost its ``###``.
    on_error : {"raise", "warn"}, optional
        Whether a broken line is an error, or omitted with a warning that names it.
        A last line without a newline is broken if it looks cut short.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        The light curve, as `fetch` returns it.

    Raises
    ------
    TableParseError
        If it has no header, or a line has another number of values than the header
        or one that is not a number; the message has the line. If it is packed, and
        has more than ``conf.max_answer_bytes`` when it is unpacked.
    InvalidQueryError
        If there is no such file.

    Warns
    -----
    NoResultsWarning
        If it has no rows.
    InputWarning
        If the file contradicts itself, has numbers that were too long to be printed
        (``*****``), which are masked, or broken lines with ``on_error="warn"``.

    References
    ----------
    https://fallingstar-data.com/forcedphot/resultdesc/

    Examples
    --------
    >>> from atlasquery import AtlasForced
    >>> lc = AtlasForced.read(
    ...     "###MJD m dm uJy duJy F err\n58039.315992 -20.110 0.819 -33 27 o 0"
    ... )
    >>> print(lc["flux"][0], lc["detection"][0], lc["limiting_mag"].mask[0])
    -32.809529311311884 uJy False True
    """
    content, name = _content_of(source)
    limit = self.conf.max_answer_bytes
    rows = parse_result(content, name=name, on_error=on_error, limit=limit)
    if not len(rows):
        warn(f"{name} has no rows", NoResultsWarning)
    meta = {**_curve_meta(), "source": name}
    return light_curve(rows, snr=self.conf.detection_snr, meta=meta, name=name)


def _light_curve_of(client: ForcedQuery, jobs: ForcedJobs, job: Job) -> TimeSeries:
    """Return the light curve of a task, or raise the reason why it has none."""
    name = f"the result of task {job.task_id} ({job.target.name})"
    rows, when = read_result(client, jobs, job, name)
    meta = client._meta(when, query="forced_photometry", **_curve_meta(jobs, job))
    return light_curve(rows, snr=client.conf.detection_snr, meta=meta, name=name)


def read_result(client: ForcedQuery, jobs: ForcedJobs, job: Job, name: str) -> tuple[Rows, float]:
    """Return the rows of a finished task, and the Unix time at which they were read."""
    if job.state == "empty":
        return empty_rows(), client._clock.now()
    limit = client.conf.max_answer_bytes
    read_task = partial(_decode_result, target=job.target, name=name, limit=limit)
    if job.task_id is not None:
        key = result_key(client, job)
        stored = client._results.get(key, float("inf"))
        # A stored result that cannot be read is fetched again.
        with contextlib.suppress(TableParseError):
            if stored is not None:
                return read_task(stored[0]), stored[2]
    if job.state != "done":
        raise _no_result(client, job)
    try:
        rows, response = client._ask_decoded(
            f"queue/{job.task_id}/data.txt",
            decode=read_task,
            content=TEXT,
            public=True,
        )
    except RemoteServiceError as error:
        if error.status != 404:
            raise
        # A 404 may be the page of a proxy; only the task shows whether it was deleted.
        expired = jobs.expired(job, client._clock.now())
        if not expired and client._task(job.known_id) is not None:
            raise
        raise _lost_result(client, jobs, job, error) from None
    # Stored only after it was read: a damaged file is fetched again.
    client._results.put(key, response.content, TEXT)
    return rows, client._clock.now()


def result_key(client: ForcedQuery, job: Job) -> str:
    """Return the key of a stored result."""
    return client._results.key("GET", client.server, None, job.task_id, "public")


def _no_result(client: ForcedQuery, job: Job) -> Exception:
    message = job.message or STATES[job.state]
    task = "no task yet" if job.task_id is None else f"task {job.task_id}"
    kind = NotFoundError if job.state in ("expired", "deleted") else RemoteServiceError
    return kind(
        f"{client.service}: {job.target.name} ({task}) is {job.state}: {message}",
        service=client.service,
        reason=message,
    )


def _lost_result(
    client: ForcedQuery, jobs: ForcedJobs, job: Job, error: RemoteServiceError
) -> Exception:
    """Note that a finished task has no file any more; return the error with the reason."""
    if jobs.expired(job, client._clock.now()):
        job.state = "expired"
        reason = f"results are available for {jobs.kept_days:.0f} days, and it ended on "
        reason += job.ended[:10]
    else:
        # The response is a web page, whose content is no explanation.
        job.state, reason = "deleted", "the task was deleted at the server"
    job.message = reason
    return NotFoundError(
        f"{client.service} no longer has the result of task {job.task_id} ({job.target.name}): "
        f"{reason}",
        service=client.service,
        status=404,
        url=error.url,
        reason=reason,
    )


def _complete(client: ForcedQuery, jobs: ForcedJobs, outcomes: list, on_error: str) -> list:
    """Return the light curves; raise or warn about those that are missing."""
    failures = [
        (job.target.name, outcome)
        for job, outcome in zip(jobs, outcomes, strict=True)
        if isinstance(outcome, Exception)
    ]
    result = [None if isinstance(outcome, Exception) else outcome for outcome in outcomes]
    if failures and len(jobs) == 1 and on_error == "raise":
        raise failures[0][1]
    return deliver(
        result,
        failures,
        on_error=on_error,
        service=client.service,
        what="targets have no light curve",
        total=len(jobs),
    )


def _hint(jobs: ForcedJobs) -> str:
    """Return what may be wrong with the name of a minor planet without data."""
    names = [job.target.mpc_name or "" for job in jobs if job.state == "empty"]
    numbers = [name for name in names if name.isdecimal()]
    if not numbers:
        return ""
    return f". A numbered minor planet is written in parentheses: '({numbers[0]})'"


def _decode_result(body: bytes, *, target: Target, name: str, limit: int) -> Rows:
    """Read a result file, and check by its positions that it is that of the target."""
    rows = parse_result(body, name=name, complete=True, limit=limit)
    if target.ra is None or target.dec is None:
        # Only the file has the positions of a minor planet.
        return rows
    tolerance = ROUNDED
    if target.motion is not None:
        tolerance += LONGEST * np.hypot(target.motion.ra, target.motion.dec) / 3.6e6
    away = separations(rows.values["ra"], rows.values["dec"], target.ra, target.dec)
    # Files of some years have no positions.
    wrong = np.flatnonzero(away > tolerance * 3600)
    if len(wrong):
        where = f"{rows.values['ra'][wrong[0]]:.5f} {rows.values['dec'][wrong[0]]:+.5f}"
        check_answer(where, f"{target.ra:.5f} {target.dec:+.5f}", f"the position of {name}")
    return rows


def _is_empty(outcome: Any) -> bool:
    return isinstance(outcome, TimeSeries) and not len(outcome)


def _curve_meta(jobs: ForcedJobs | None = None, job: Job | None = None) -> dict:
    """Return the metadata of a light curve: target, window and conventions."""
    meta: dict[str, Any] = {"survey": "atlas", "history": []}
    if jobs is None or job is None:
        # A result file does not say on which images it was measured.
        return meta | Conventions("start", "unknown").meta()
    target, (start, end) = job.target, jobs.window
    meta |= {"object": target.name, "task_id": job.task_id, "start": start, "end": end}
    meta["reduced"] = bool(jobs.shared.get("use_reduced"))
    meta |= Conventions("start", "total" if meta["reduced"] else "difference").meta()
    if target.mpc_name:
        meta["mpc_name"] = target.mpc_name
    else:
        meta["coordinates"] = SkyCoord(target.ra, target.dec, unit="deg")
    if target.motion is not None:
        meta["proper_motion"] = f"{target.motion.ra:g} {target.motion.dec:g} mas / yr"
        meta["epoch"] = target.motion.epoch
    if jobs.comment:
        meta["comment"] = jobs.comment
    return meta


def _content_of(source: object) -> tuple[str | bytes, str]:
    """Return the content of a result file, and its name."""
    if isinstance(source, bytes):
        return source, "the text"
    if isinstance(source, str):
        content = source.lstrip("\ufeff \t")
        if content and ("\n" in source or "\r" in source or content.startswith("#")):
            return source, "the text"
    try:
        return check_path(source, name="source").read_bytes(), str(source)
    except OSError as error:
        raise InvalidQueryError(
            f"source={str(source)!r} cannot be read: {error.strerror}"
        ) from error

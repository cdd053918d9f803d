"""Images of a finished task, and stacks of images along the path of a minor planet."""

import os
import re
import zipfile
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

import msgspec
import requests
from astropy.io import fits

from atlasquery.exceptions import (
    InvalidQueryError,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
    attach,
)
from atlasquery.forcedphot.base import ForcedQuery, Task, decode_task
from atlasquery.forcedphot.jobs import KEPT_DAYS, TAG_LENGTH, Batch, ForcedJobs, Job
from atlasquery.forcedphot.submission import make_jobs, submission_payloads, update_job
from atlasquery.forcedphot.targets import Target, check_comment, check_dates, check_targets
from atlasquery.forcedphot.tasks import check_task_ids
from atlasquery.forcedphot.waiting import check_timeout, wait
from atlasquery.service.files import private_file
from atlasquery.service.inputs import check_path
from atlasquery.service.query import Payload
from atlasquery.tables import read_by_library
from atlasquery.tables.decompression import open_fits

__all__ = ["get_images", "get_stack", "request_images"]


def request_images(self: ForcedQuery, task: Job | int) -> ForcedJobs:
    """Request the images of a finished task.

    The server accepts five such requests of an account at a time; `delete`
    makes room. If the images of a task were requested before, the task that
    produces them is returned. They are available for 14 days.

    Parameters
    ----------
    task : Job or int
        A finished task of photometry: an item of `ForcedJobs`, or its number.

    Returns
    -------
    ForcedJobs
        The task that produces the images, for `wait` and `get_images`.

    Raises
    ------
    InvalidQueryError
        If the task is not finished yet, or produces images itself.
    NotFoundError
        If there is no such task, or it has no images because it found no data or failed.
    QuotaError
        If five requests for images exist already.

    References
    ----------
    The ``requestimages/`` endpoint of https://fallingstar-data.com/forcedphot/apiguide/.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import AtlasForced
    >>> position = SkyCoord(161.2, 53.7, unit="deg")
    >>> jobs = AtlasForced.wait(AtlasForced.submit(position, start=59000))
    >>> images = AtlasForced.request_images(jobs[0])
    >>> AtlasForced.wait(images).counts()
    {'done': 1}
    """
    task_id = _task_id(task)
    known = _measured(self, task_id)
    # The server would create another task at each call, and remove the file of both with one.
    new = known.images_task or _new_images(self, task_id)
    tag = f"images of {task_id}"
    jobs = ForcedJobs(self.server, {"request_type": "IMGZIP"})
    jobs.batches[tag] = Batch(tag)
    jobs.jobs.append(Job(Target(tag), tag, state="queued", task_id=new))
    return jobs


def _measured(client: ForcedQuery, task_id: int) -> Task:
    """Return a task that has images, or raise the reason why it has none."""
    found = client._trace(task_id)
    if not isinstance(found, Task):
        reason = "it was deleted" if found == "deleted" else "this number is not known"
        raise _missing(client, f"no task {task_id}: {reason}")
    if found.request_type != "FP":
        call = "get_stack" if found.request_type == "SSOSTACK" else "get_images"
        raise InvalidQueryError(
            f"task {task_id} produces images itself: wait for it and download them with {call}"
        )
    if not found.final:
        raise InvalidQueryError(
            f"task {task_id} has no images yet: they can be requested when it is finished"
        )
    if found.state != "done":
        raise _missing(client, f"no images of task {task_id}: {found.message or found.state}")
    return found


def _new_images(client: ForcedQuery, task_id: int) -> int:
    """Create a task for the images of another; return its number."""
    response = client._write(f"queue/{task_id}/requestimages/", expected=(302,))
    # The server responds with a redirect to its page, which names the new task.
    target = urlsplit(response.headers.get("Location", ""))
    new = parse_qs(target.query).get("newids", [""])[0]
    if not new.isdecimal():
        raise _missing(client, f"no images of task {task_id}, and gives no reason")
    return int(new)


def _missing(client: ForcedQuery, what: str) -> NotFoundError:
    return NotFoundError(f"{client.service} has {what}", service=client.service, reason=what)


def get_images(
    self: ForcedQuery,
    images: ForcedJobs | Job | int,
    *,
    path: str | os.PathLike | None = None,
    get_query_payload: bool = False,
) -> Path:
    """Download the images of a task.

    They are written to the disk while they arrive, so they may be larger than memory.

    Parameters
    ----------
    images : ForcedJobs, Job or int
        What `request_images` returned, or the number of a task that has images.
    path : path-like, optional
        The file, or a directory for a file of the task's number; by default the
        current directory.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing: its address as ``"url"``.

    Returns
    -------
    `~pathlib.Path`
        A zip file of FITS images.

    Raises
    ------
    NotFoundError
        If the task has no images, not yet, or no longer: they are available for 14 days.
    TableParseError
        If the response is not a ZIP.
    InvalidQueryError
        If the file cannot be written.

    References
    ----------
    The ``images.zip`` of https://fallingstar-data.com/forcedphot/apiguide/.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import AtlasForced
    >>> position = SkyCoord(161.2, 53.7, unit="deg")
    >>> jobs = AtlasForced.wait(AtlasForced.submit(position, start=59000))
    >>> images = AtlasForced.wait(AtlasForced.request_images(jobs[0]))
    >>> AtlasForced.get_images(images).suffix
    '.zip'
    """
    task_id = _task_id(images[0] if isinstance(images, ForcedJobs) else images)
    file_path = check_path("." if path is None else path, name="path")
    if file_path.is_dir():
        file_path /= f"job{task_id:05d}.zip"
    address = f"queue/{task_id}/images.zip"
    if get_query_payload:
        payload: Payload = {"url": self.server + address}
        return payload
    try:
        with private_file(file_path) as file:
            _stream(self, address, file)
    except RemoteServiceError as error:
        if error.status != 404:
            raise
        raise _missing(self, _why_no_images(self, task_id)) from None
    return file_path


def _stream(client: ForcedQuery, address: str, file: BinaryIO) -> None:
    """Write a ZIP of the server to a file while it arrives."""

    def file_for(response: requests.Response) -> BinaryIO | None:
        if "zip" not in response.headers.get("Content-Type", "").lower():
            return None
        # Remove what a broken connection has left.
        file.seek(0)
        file.truncate()
        return file

    response = client._ask(address, public=True, into=file_for, deadline=client.conf.image_deadline)
    client._decode(response, bytes, content="zip")
    if not zipfile.is_zipfile(file):
        raise TableParseError(
            f"{client.service} sent {response.url} with {file.tell()} bytes that are not a "
            "ZIP. Try again.",
            service=client.service,
            url=response.url,
        )


def _why_no_images(client: ForcedQuery, task_id: int) -> str:
    task = client._trace(task_id)
    what = f"no images of task {task_id}"
    days = f"{KEPT_DAYS['IMGZIP']:.0f} days"
    if not isinstance(task, Task):
        gone = "it was deleted, or" if task == "deleted" else "there is no such task, or it is"
        return f"{what}: {gone} older than the {days} for which images are available"
    if task.request_type == "FP" and not task.images_task:
        return f"{what}: they were not requested, with {client.name}.request_images({task_id})"
    producer = task if task.request_type != "FP" else client._task(task.images_task)
    if producer is not None and not producer.final:
        return f"{what}, or not yet: the task that produces them is {producer.state}"
    if producer is not None and producer.state != "done":
        return f"{what}: {producer.message or producer.state}"
    return (
        f"{what} any more: they were deleted with another task for the same images. Delete "
        "this one too, and call request_images again"
    )


def get_stack(
    self: ForcedQuery,
    mpc_name: str | ForcedJobs,
    *,
    start: object = None,
    end: object = None,
    comment: str | None = None,
    timeout: object = None,
    progress: bool = True,
    get_query_payload: bool = False,
) -> fits.HDUList:
    """Stack images along the path of a minor planet.

    It is submitted, awaited and downloaded in one call.

    Parameters
    ----------
    mpc_name : str or ForcedJobs
        The designation: ``(12267)`` for a numbered asteroid, else packed. Or
        ``jobs`` of the error of a call that was stopped or timed out, to resume it;
        if you save them, another process can resume it too.
    start, end : `~astropy.time.Time`, str or float, optional
        The time window; a bare number is an MJD, None no bound.
    comment : str, optional
        Comment of the task in the server's list.
    timeout : `~astropy.units.Quantity`, float or str, optional
        How long to wait; a bare number is in seconds.
    progress : bool, optional
        Whether a bar is shown, on a terminal or in a notebook.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing: the submission,
        or the address of the task as ``"url"`` where there is one already.

    Returns
    -------
    `~astropy.io.fits.HDUList`
        The stacked image.

    Raises
    ------
    NotFoundError
        If there are no observations in the window, or the stack is no longer available,
        after 14 days.
    RemoteServiceError
        If the server could not create the stack.
    TimeoutError
        If it was not finished in time; the task is in ``jobs`` of the error.

    References
    ----------
    Requests of type SSOSTACK of https://fallingstar-data.com/forcedphot/apiguide/.

    Examples
    --------
    >>> from atlasquery import AtlasForced
    >>> stack = AtlasForced.get_stack("K22W01O", start=59800, end=59810)
    >>> stack[0].header["NAXIS"]
    2
    """
    if isinstance(mpc_name, ForcedJobs):
        jobs = _check_stack(mpc_name, start, end, comment)
    else:
        target = check_targets(None, mpc_name)
        if len(target) != 1:
            raise InvalidQueryError(f"mpc_name={mpc_name!r:.60} should be one name")
        first, last = check_dates(start, end)
        shared = {"mjd_min": first, "mjd_max": last, "request_type": "SSOSTACK"}
        jobs = make_jobs(self, target, shared, check_comment(comment, TAG_LENGTH))
    if get_query_payload:
        check_timeout(timeout)
        task_id = jobs[0].task_id
        return submission_payloads(jobs) if task_id is None else {"url": jobs.url(jobs[0])}
    try:
        wait(self, jobs, timeout=timeout, progress=progress)
        return _download_stack(self, jobs[0])
    except BaseException as error:
        attach(error, jobs=jobs)
        raise


def _download_stack(client: ForcedQuery, job: Job) -> fits.HDUList:
    if job.state != "done":
        message = job.message or job.state
        gone = job.state in ("deleted", "expired") or "No observations" in message
        kind = NotFoundError if gone else RemoteServiceError
        raise kind(
            f"{client.service} has no stack of {job.target.name} (task {job.task_id}): {message}",
            service=client.service,
            reason=message,
        )
    # By name below the address of the client: the server may send one that only it can reach.
    name = _stack_name(client, job)
    try:
        response = client._ask(f"static/results/{name}", public=True)
    except RemoteServiceError as error:
        if error.status != 404:
            raise
        raise _no_stack(client, job) from None
    limit = client.conf.max_answer_bytes
    return client._decode(response, lambda body: _decode_stack(body, limit), content="")


def _stack_name(client: ForcedQuery, job: Job) -> str:
    try:
        task, response = client._ask_decoded(
            f"queue/{job.task_id}/", decode=lambda body: decode_task(body, job.known_id)
        )
    except RemoteServiceError as error:
        if client._is_gone(error):
            raise _no_stack(client, job) from None
        raise
    update_job(job, task)
    url = client._decode(response, _stack_url)
    name = urlsplit(url or "").path.rpartition("/")[2]
    if not re.fullmatch(r"[\w.-]+", name):
        raise _no_stack(client, job)
    return name


def _no_stack(client: ForcedQuery, job: Job) -> NotFoundError:
    days = f"{KEPT_DAYS['SSOSTACK']:.0f} days"
    return _missing(
        client,
        f"no stack of task {job.task_id} any more: it was deleted, or is older than the "
        f"{days} for which stacks are available. Request it again by the name of the object",
    )


def _check_stack(jobs: ForcedJobs, *given: object) -> ForcedJobs:
    """Return the jobs of a stack; refuse other jobs, and arguments that the jobs already have."""
    if jobs.shared.get("request_type") != "SSOSTACK" or len(jobs) != 1:
        raise InvalidQueryError(f"mpc_name={jobs!r:.80} should be the jobs of one get_stack")
    if any(value is not None for value in given):
        raise InvalidQueryError(
            "start, end and comment are those of the first call: with its jobs, leave them out"
        )
    return jobs


class _Stack(msgspec.Struct):
    result_imagestack_url: str | None = None


def _decode_stack(body: bytes, limit: int) -> fits.HDUList:
    """Return a FITS file, completely read, so that damage is an error here and not later."""
    with read_by_library("the FITS file"):
        file = open_fits(body, limit=limit, what="the stack", lazy_load_hdus=False)
        for hdu in file:
            _ = hdu.data
    return file


def _stack_url(body: bytes) -> str | None:
    return msgspec.json.decode(body, type=_Stack).result_imagestack_url


def _task_id(task: object) -> int:
    if isinstance(task, Job):
        if task.task_id is None:
            raise InvalidQueryError(f"{task.target.name} has no task yet: it is {task.state}")
        return task.task_id
    (task_id,) = check_task_ids([task] if isinstance(task, str) else task)[:1]
    return task_id

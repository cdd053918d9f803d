"""The account's tasks: listed, deleted; images and stacks."""

import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time

from atlasquery.exceptions import (
    IncompleteResultError,
    InvalidQueryError,
    NotFoundError,
    QuotaError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.forcedphot import ForcedJobs
from atlasquery.forcedphot.images import _new_images

WINDOW = {"start": 59000, "end": 59004}


def positions(n):
    return SkyCoord(np.arange(1, n + 1), np.full(n, 5.0), unit="deg")


def test_all_tasks_of_the_account(forced, make, double, clock):
    forced.submit(positions(130), start=59000, comment="mine")
    make("bob").submit(positions(2))
    clock.sleep(100)
    table = forced.list_jobs()
    assert len(double.asked("GET")) == 2
    assert table["task_id"].tolist() == list(range(130, 0, -1))
    assert table["state"][-3:].tolist() == ["queued", "running", "done"]
    assert isinstance(table["submitted"], Time) and isinstance(table["ended"], Time)
    assert table["ra"].unit == "deg" and table["run_time"][-1] == 60
    assert table["mjd_min"][0] == 59000 and table["mjd_max"].mask.all()
    assert table["comment"][0].endswith(" mine")
    assert len(forced.list_jobs(started=True)) == 2
    assert len(forced.list_jobs(started=False)) == 128
    assert table.meta["service"] == "ATLAS Forced Photometry Server"


def test_an_empty_queue_has_the_same_columns(forced):
    empty = forced.list_jobs()
    forced.submit(positions(1))
    assert len(empty) == 0
    assert empty.colnames == forced.list_jobs().colnames


def test_deleting_fetches_first(forced, double, tmp_path):
    jobs = forced.wait(forced.submit(positions(3), **WINDOW))
    table = forced.delete(jobs)
    assert table["ok"].tolist() == [True] * 3
    assert double.queue.tasks == {}
    # What was deleted there is here.
    assert jobs.counts() == {"done": 3}
    assert [len(lc) > 0 for lc in forced.fetch(jobs)] == [True] * 3
    # Once more does no harm.
    assert forced.delete(jobs)["ok"].all()


def test_what_cannot_be_read_is_not_deleted(forced, double):
    where = SkyCoord([201.0, 1.0], [-9.5, 5.0], unit="deg")
    jobs = forced.wait(forced.submit(where, **WINDOW))
    with pytest.raises(
        IncompleteResultError, match=r"1 of 2 tasks were not deleted.*could not be read: .*line 2"
    ) as caught:
        forced.delete(jobs)
    assert caught.value.result["ok"].tolist() == [False, True]
    assert list(double.queue.tasks) == [1]
    assert forced.delete(jobs, keep_results=False)["ok"].all()


def test_tasks_that_wait_or_run_are_deleted_too(forced, double, clock):
    jobs = forced.submit(positions(2))
    clock.sleep(10)
    forced.update(jobs)
    assert forced.delete(jobs)["ok"].all()
    assert jobs.counts() == {"deleted": 2}
    assert double.queue.tasks == {}


def test_deleting_by_number(forced, make, double):
    forced.submit(positions(3))
    assert forced.delete([1, 2])["task_id"].tolist() == [1, 2]
    assert list(double.queue.tasks) == [3]
    with pytest.raises(IncompleteResultError, match=r"403.*You must be the owner"):
        make("bob").delete(3)
    assert make("bob").delete(3, on_error="warn")["ok"].tolist() == [False]


@pytest.mark.parametrize("by", ["jobs that know nothing of it", "number"])
def test_results_that_came_meanwhile_are_kept_before_they_are_deleted(forced, double, clock, by):
    jobs = forced.submit(positions(3), **WINDOW)
    clock.sleep(3600)
    assert forced.delete(jobs if by != "number" else [1, 2, 3])["ok"].all()
    assert double.queue.tasks == {}
    if by != "number":
        assert [len(lc) > 0 for lc in forced.fetch(jobs)] == [True] * 3


def test_a_result_that_cannot_be_kept_is_not_deleted(forced, double, tmp_path):
    jobs = forced.wait(forced.submit(positions(1), **WINDOW))
    forced.cache_location = tmp_path / "file"
    forced.cache_location.write_text("no directory")
    with pytest.raises(IncompleteResultError, match="could not be stored in"):
        forced.delete(jobs)
    assert list(double.queue.tasks) == [1]


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_web_page_does_not_say_that_a_task_is_gone(forced, double, elsewhere):
    """A server that is not on the sky of these answers 404 too; the queue tells the two apart."""
    jobs = forced.wait(forced.submit(positions(2), **WINDOW))
    for task in list(double.queue.tasks.values()):
        double.queue.remove(task, double.clock.now())
    if elsewhere:
        double.fault = lambda method, path: 404
        with pytest.raises(IncompleteResultError, match=r"2 of 2 tasks were not deleted.*404"):
            forced.delete(jobs, keep_results=False)
        with pytest.raises(IncompleteResultError, match=r"conf\.server"):
            forced.fetch(jobs)
        assert jobs.counts() == {"done": 2}
    else:
        with pytest.raises(IncompleteResultError, match=r"no longer has the result"):
            forced.fetch(jobs)
        assert jobs.counts() == {"deleted": 2}
        double.fault = lambda method, path: 404 if method == "DELETE" else None
        assert forced.delete(jobs)["ok"].all()


@pytest.mark.parametrize("ids", [[], 0, -1, 1.5, "x", None, [1, "two"]])
def test_numbers_that_are_none(forced, double, ids):
    with pytest.raises(InvalidQueryError):
        forced.delete(ids)
    assert double.requests == []


# Images.


def test_images_of_a_task(forced, double, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = forced.submit(positions(1), **WINDOW)
    with pytest.raises(InvalidQueryError, match="task 1 has no images yet"):
        forced.request_images(jobs[0])
    forced.wait(jobs)
    images = forced.request_images(jobs[0])
    assert images["task_id"].tolist() == [2]
    # The redirect was read and not followed.
    assert double.requests[-1].path.endswith("requestimages/")
    with pytest.raises(NotFoundError, match="no images of task 2, or not yet"):
        forced.get_images(images)
    assert forced.wait(images).counts() == {"done": 1}
    path = forced.get_images(images)
    assert path.name == "job00002.zip"
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        assert archive.namelist() == ["job/01a59882o0512o.fits"]
    # By the number of the task that was measured too, and asked for twice it is one.
    assert forced.get_images(1, path=tmp_path / "own.zip").read_bytes() == path.read_bytes()
    assert forced.request_images(1)["task_id"].tolist() == [2]
    with pytest.raises(InvalidQueryError, match="cannot be written"):
        forced.get_images(1, path=tmp_path / "no" / "such.zip")


def test_images_asked_for_twice_are_one_task(forced, make, double):
    forced.wait(forced.submit(positions(1), **WINDOW))
    first = forced.request_images(1)
    again = make().request_images(1)
    assert first["task_id"].tolist() == again["task_id"].tolist() == [2]
    assert len(double.asked("POST", "requestimages")) == 1
    with pytest.raises(InvalidQueryError, match=r"task 2 produces images itself.*get_images"):
        forced.request_images(first[0])


def test_a_task_without_data_has_no_images(forced, double):
    where = SkyCoord([10.0, 11.0], [-89.5, 5.0], unit="deg")
    double.outcomes[11.0, 5.0] = "error"
    jobs = forced.wait(forced.submit(where, **WINDOW))
    with pytest.raises(NotFoundError, match="no images of task 1: No data returned"):
        forced.request_images(jobs[0])
    with pytest.raises(NotFoundError, match="no images of task 2: ssh: the reduction failed"):
        forced.request_images(2)
    assert double.asked("POST", "requestimages") == []


def test_why_there_are_no_images(forced, double, clock):
    forced.wait(forced.submit(positions(2), **WINDOW))
    with pytest.raises(NotFoundError, match=r"not requested, with AtlasForced\.request_images\(1"):
        forced.get_images(1)
    images = forced.request_images(1)
    for asked in (1, images):
        with pytest.raises(
            NotFoundError, match="or not yet: the task that produces them is queued"
        ):
            forced.get_images(asked)
    forced.wait(images)
    # Somebody has asked by other means, and deleted one of the two.
    _new_images(forced, 1)
    clock.sleep(600)
    forced.delete(4)
    with pytest.raises(NotFoundError, match="any more: they were deleted with another task"):
        forced.get_images(images)
    clock.sleep(15 * 86400)
    with pytest.raises(
        NotFoundError, match="older than the 14 days for which images are available"
    ):
        forced.get_images(images)
    with pytest.raises(NotFoundError, match="no images of task 99: there is no such task"):
        forced.get_images(99)


def test_images_go_to_the_disk_as_they_arrive(forced, double, tmp_path):
    """Of 48 MB no more than some blocks are in memory, also when the connection broke before."""
    block, count = os.urandom(1 << 16), 768
    head = io.BytesIO()
    with zipfile.ZipFile(head, "w") as archive:
        archive.writestr("large", block * count)
    body, broken = head.getvalue(), iter([True])

    def images():
        # At the first time it breaks off in the middle.
        end = len(body) // 2 if next(broken, False) else len(body)
        return len(body), (body[n : min(n + 65536, end)] for n in range(0, end, 65536))

    double.images = images
    forced.wait(forced.submit(positions(1), **WINDOW))
    forced.wait(forced.request_images(1))
    path = tmp_path / "images.zip"
    tracemalloc.start()
    try:
        forced.get_images(1, path=path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.read_bytes() == body
    assert peak < len(body) / 8
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.glob("*.part")] == []
    double.images = b"PK but not a ZIP"
    with pytest.raises(TableParseError, match="16 bytes that are not a ZIP"):
        forced.get_images(1, path=path)
    double.images = None
    double.fault = lambda method, path: 200 if path.endswith("images.zip") else None
    with pytest.raises(RemoteServiceError, match=r"instead of zip.*Something else"):
        forced.get_images(1, path=path)
    # What was there before is as it was.
    assert path.read_bytes() == body
    assert [p.name for p in tmp_path.glob("*.part")] == []


def test_images_and_stacks_are_deleted_without_a_light_curve(forced, double, clock):
    forced.wait(forced.submit(positions(1), **WINDOW))
    images = forced.wait(forced.request_images(1))
    with pytest.raises(InvalidQueryError, match=r"no light curves: .*get_images\(jobs\)"):
        forced.fetch(images)
    done = forced.delete(images)
    assert (
        done["ok"].all() and "with its ZIP of images, which is available only" in done["message"][0]
    )
    assert images.counts() == {"deleted": 1}
    assert forced.delete(1)["message"].tolist() == ["deleted"]
    with pytest.raises(TimeoutError) as late:
        forced.get_stack("K22W01O", start=59800, end=59810, timeout="20 s")
    stack = forced.wait(late.value.jobs)
    # By number too, of which it is not known what it makes.
    done = forced.delete(stack[0].task_id)
    assert done["ok"].all() and "with its stack, which is available" in done["message"][0]
    assert not [r for r in double.requests if r.path.endswith("3/data.txt")]
    with pytest.raises(NotFoundError, match="no stack of task 3 any more: it was deleted, or is"):
        forced.get_stack(stack)
    assert double.queue.tasks == {}


@pytest.mark.parametrize("seen", [True, False])
def test_a_stack_that_was_swept(forced, double, clock, seen):
    with pytest.raises(TimeoutError) as late:
        forced.get_stack("K22W01O", start=59800, end=59810, timeout="20 s")
    jobs = late.value.jobs
    if seen:
        forced.wait(jobs)
    clock.sleep(15 * 86400)
    words = (
        "older than the 14 days"
        if seen
        else r"tasks are available for 14 days, and it was submitted"
    )
    with pytest.raises(NotFoundError, match=words):
        forced.get_stack(jobs)


def test_a_number_that_never_was_is_not_deleted(forced, double, clock):
    jobs = forced.submit(positions(2), **WINDOW)
    clock.sleep(70)
    with pytest.raises(IncompleteResultError, match="no task of that number: it never had") as no:
        forced.delete(999)
    assert no.value.result["ok"].tolist() == [False]
    assert double.asked("DELETE") == []
    assert forced.delete(jobs)["message"].tolist() == ["deleted", "deleted"]
    # Of what was finished a trace is left for a week; of jobs it is known that they were there.
    done = forced.delete([1, 2], on_error="warn")
    assert done["ok"].tolist() == [True, False] and done["message"][0] == "deleted before"
    jobs[1].state = "queued"
    done = forced.delete(jobs)
    assert done["ok"].all() and done["message"][1] == "deleted before"


def test_no_more_than_five_requests_for_images(forced, double):
    jobs = forced.wait(forced.submit(positions(6), **WINDOW))
    for n in range(5):
        forced.request_images(jobs[n])
    slept = len(double.clock.slept)
    with pytest.raises(QuotaError, match=r"too many IMGZIP tasks \(5 >= 5\)") as caught:
        forced.request_images(jobs[5])
    # A quota, not a throttle: no waiting helps.
    assert caught.value.retry_after is None and len(double.clock.slept) == slept


def test_images_of_no_task(forced, double):
    with pytest.raises(NotFoundError, match="no task 77: this number is not known"):
        forced.request_images(77)
    double.queue.latency = 60.0
    jobs = forced.submit(positions(501))
    with pytest.raises(InvalidQueryError, match="has no task yet: it is pending"):
        forced.request_images(jobs[500])


def test_a_stack(forced, double):
    stack = forced.get_stack("K22W01O", start=59800, end=59810, comment="a comet")
    assert stack[0].data.shape == (16, 16)
    (task,) = double.queue.tasks.values()
    assert task.kind == "SSOSTACK" and task.fields["mpc_name"] == "K22W01O"
    assert (task.fields["mjd_min"], task.fields["send_email"]) == (59800, False)
    assert task.fields["comment"].endswith(" a comet")


def test_a_stack_of_nothing(forced):
    with pytest.raises(NotFoundError, match="No observations found in the requested MJD range"):
        forced.get_stack("bad obj", start=59800, end=59810)
    with pytest.raises(InvalidQueryError, match="should be one name"):
        forced.get_stack(["a", "b"])


def test_a_stack_whose_answer_was_lost(forced, double):
    lost = iter(["after"])
    double.fault = lambda method, path: next(lost, None) if method == "POST" else None
    assert forced.get_stack("K22W01O", start=59800, end=59810)[0].data.shape == (16, 16)
    assert len(double.queue.tasks) == 1


def test_a_stack_goes_on_where_it_was_left(forced, make, double, tmp_path):
    with pytest.raises(TimeoutError) as late:
        forced.get_stack("K22W01O", start=59800, end=59810, timeout="20 s")
    late.value.jobs.save(tmp_path / "stack.json")
    jobs = ForcedJobs.load(tmp_path / "stack.json")
    for wrong in ({"start": 1}, {"end": 59810}, {"comment": "again"}):
        with pytest.raises(InvalidQueryError, match="those of the first call"):
            make().get_stack(jobs, **wrong)
    assert make().get_stack(jobs)[0].data.shape == (16, 16)
    assert len(double.queue.tasks) == len(double.asked("POST")) == 1
    # Once more, from what is finished.
    assert forced.get_stack(jobs)[0].data.shape == (16, 16)
    with pytest.raises(InvalidQueryError, match="should be the jobs of one get_stack"):
        forced.get_stack(forced.submit(positions(1)))


def test_a_stack_that_failed(forced, double):
    double.outcomes["K22W01O"] = "error"
    with pytest.raises(RemoteServiceError, match=r"has no stack.*reduction failed"):
        forced.get_stack("K22W01O")

"""The account's tasks: listed, deleted; images and stacks."""

import io
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
    TimeoutError,
)
from atlasquery.forcedphot import ForcedJobs

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
    with pytest.raises(IncompleteResultError, match="could not be kept in"):
        forced.delete(jobs)
    assert list(double.queue.tasks) == [1]


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_web_page_does_not_say_that_a_task_is_gone(forced, double, elsewhere):
    """A server that is none of these answers 404 too; the queue tells the two apart."""
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


def test_no_more_than_five_requests_for_images(forced, double):
    jobs = forced.wait(forced.submit(positions(6), **WINDOW))
    for n in range(5):
        forced.request_images(jobs[n])
    slept = len(double.clock.slept)
    with pytest.raises(QuotaError, match=r"too many IMGZIP tasks \(5 >= 5\)") as caught:
        forced.request_images(jobs[5])
    # A quota, not a throttle: no waiting helps.
    assert caught.value.retry_after is None and len(double.clock.slept) == slept


def test_images_of_no_task(forced, make):
    with pytest.raises(NotFoundError, match="no task 77: there is none of that number"):
        forced.request_images(77)
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
    double.fates["K22W01O"] = "error"
    with pytest.raises(RemoteServiceError, match=r"made no stack.*reduction failed"):
        forced.get_stack("K22W01O")

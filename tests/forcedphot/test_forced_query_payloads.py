"""Each read returns what it would send, on demand, and sends nothing."""

import inspect
import json
import re
from urllib.parse import urlsplit

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from atlasquery.exceptions import InvalidQueryError, NotFoundError
from atlasquery.forcedphot import AtlasForcedClass

READS = sorted(
    name
    for name, _ in inspect.getmembers(AtlasForcedClass, inspect.isfunction)
    if re.match("(get|query|iter|count|list|crossmatch)_", name)
)
PLACE = SkyCoord(161.2, 53.7, unit="deg")
TAG = "atlasquery:[0-9a-f]{16} "
ARGUMENTS = {
    "query_position": ((PLACE,), {"start": 59000, "comment": "a host", "progress": False}),
    "get_control_curves": ((PLACE,), {"n": 3, "start": 59000, "comment": "c", "progress": False}),
    "get_stack": (("K22W01O",), {"start": 59800, "end": 59810, "comment": "s", "progress": False}),
    "get_images": ((4711,), {}),
    "list_jobs": ((), {}),
}


def test_these_are_all_reads():
    assert set(ARGUMENTS) == set(READS)


@pytest.mark.parametrize("name", READS)
def test_each_read_takes_it_by_keyword_and_describes_it(name):
    method = getattr(AtlasForcedClass, name)
    parameter = inspect.signature(method).parameters["get_query_payload"]
    assert (parameter.kind, parameter.default) == (parameter.KEYWORD_ONLY, False)
    assert "Whether to return what would be sent" in method.__doc__


@pytest.mark.parametrize("name", ["query_position", "get_control_curves", "get_stack"])
def test_the_payload_is_the_submission_that_the_call_then_sends(forced, double, name):
    args, options = ARGUMENTS[name]
    payload = getattr(forced, name)(*args, get_query_payload=True, **options)
    assert not double.requests
    getattr(forced, name)(*args, **options)
    (request,) = double.asked("POST")
    sent = json.loads(request.body)
    comments = [each.pop("comment") for each in (payload, sent)]
    assert sent == payload
    assert len({re.sub(TAG, "", comment) for comment in comments}) == 1
    assert all(re.match(TAG, comment) for comment in comments)


def test_the_payload_of_images_is_their_address(forced, double):
    payload = forced.get_images(4711, get_query_payload=True)
    assert not double.requests
    with pytest.raises(NotFoundError):
        forced.get_images(4711)
    first = double.requests[0]
    assert payload == {"url": forced.server + first.path.partition("forcedphot/")[2].lstrip("/")}
    assert urlsplit(payload["url"]).path == first.path


def test_the_payload_of_the_queue_is_that_of_its_first_page(forced, double):
    forced.submit(SkyCoord(np.linspace(10, 20, 130), np.zeros(130), unit="deg"), start=59000)
    double.requests.clear()
    payload = forced.list_jobs(get_query_payload=True)
    assert not double.requests
    forced.list_jobs()
    assert double.requests[0].query == {name: str(value) for name, value in payload.items()}


def test_many_positions_are_a_payload_for_each_submission(forced, double):
    many = SkyCoord(np.linspace(10, 20, 130), np.zeros(130), unit="deg")
    payloads = forced.query_position(many, start=59000, get_query_payload=True)
    assert [len(payload["radeclist"].split("\n")) for payload in payloads] == [100, 30]
    assert not double.requests
    forced.submit(many, start=59000)
    sent = [json.loads(request.body) for request in double.asked("POST")]
    assert [s["radeclist"] for s in sent] == [p["radeclist"] for p in payloads]


def test_nothing_is_written_to_the_file_of_the_jobs(forced, double, tmp_path):
    path = tmp_path / "jobs.json"
    forced.query_position(PLACE, start=59000, save=path, get_query_payload=True)
    assert not path.exists()
    forced.submit(PLACE, start=59000, save=path)
    double.requests.clear()
    # All is submitted already.
    assert forced.query_position(PLACE, start=59000, save=path, get_query_payload=True) == []
    with pytest.raises(InvalidQueryError, match="another query"):
        forced.query_position(PLACE, start=59001, save=path, get_query_payload=True)
    assert not double.requests


def test_the_payload_of_a_stack_in_progress_is_the_address_of_its_task(forced, double):
    with pytest.raises(Exception) as caught:
        forced.get_stack("K22W01O", start=59800, end=59810, timeout=0)
    jobs = caught.value.jobs
    double.requests.clear()
    payload = forced.get_stack(jobs, get_query_payload=True)
    assert payload == {"url": f"{forced.server}queue/{jobs[0].task_id}/"}
    assert not double.requests


@pytest.mark.parametrize(
    ("name", "args", "options"),
    [
        ("query_position", ("M31",), {}),
        ("query_position", (PLACE,), {"start": 59001, "end": 59000}),
        ("query_position", (PLACE,), {"comment": "x" * 300}),
        ("query_position", (PLACE,), {"timeout": "soon"}),
        ("get_control_curves", (PLACE,), {"n": 0}),
        ("get_stack", ("K22;W01O",), {}),
        ("get_stack", ("K22W01O",), {"timeout": -1}),
        ("get_images", (0,), {}),
    ],
)
def test_arguments_are_checked_as_by_the_call(forced, double, name, args, options):
    messages = []
    for choice in ({}, {"get_query_payload": True}):
        with pytest.raises(InvalidQueryError) as caught:
            getattr(forced, name)(*args, **options, **choice)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert not double.requests

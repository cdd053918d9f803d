"""Many names, of which the server cannot serve some: the others come, in few requests."""

import threading

import numpy as np
import pytest

from atlasquery.alerce.batches import FAILURES_IN_A_ROW, MOST_REQUESTS, ask_in_halves
from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    QuotaError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.sandbox.alerce import edge_cases
from atlasquery.sandbox.http import Response

BROKEN = Response(500, {"message": "broken"})


class Server:
    """Fails for some numbers, with an error of a kind; knows what it was asked."""

    def __init__(self, *bad, error=None):
        self.bad = set(bad)
        self.error = error or RemoteServiceError("broken", status=500)
        self.asked = []

    def __call__(self, part):
        self.asked.append(part)
        if self.bad.intersection(part):
            raise self.error
        return list(part)


def fates(server, count):
    """Return the outcome of each number, after a check that each has one."""
    found = ask_in_halves(server, list(range(count)))
    assert sorted(n for part, _ in found for n in part) == list(range(count))
    for part, answer in found:
        assert answer is server.error or answer == part
    return {n for part, answer in found for n in part if answer is server.error}


@pytest.mark.parametrize(
    "error",
    [
        None,
        TimeoutError("no answer"),
        TableParseError("damaged", status=200),
        RemoteServiceError("gateway", status=504),
    ],
)
@pytest.mark.parametrize("bad", [(0,), (199,), (0, 1, 2, 3), (20, 70, 120, 190)])
def test_the_cause_is_found_and_costs_no_other(error, bad):
    server = Server(*bad, error=error)
    assert fates(server, 200) == set(bad)
    assert len(server.asked) <= MOST_REQUESTS


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_all_of_a_few_are_tried_alone(count):
    server = Server(*range(count))
    assert fates(server, count) == set(range(count))
    assert sum(len(part) == 1 for part in server.asked) == count


def test_a_server_that_fails_for_all_is_left_alone_soon():
    server = Server(*range(200))
    assert fates(server, 200) == set(range(200))
    assert len(server.asked) == FAILURES_IN_A_ROW


def test_a_server_that_fails_for_all_is_not_asked_in_halves_again():
    hopeless, server = threading.Event(), Server(*range(600))
    for first in (0, 200, 400):
        ask_in_halves(server, list(range(first, first + 200)), hopeless)
    assert len(server.asked) == FAILURES_IN_A_ROW + 2
    # What it can serve by then still comes.
    assert ask_in_halves(server, [600, 601], hopeless) == [([600, 601], [600, 601])]


def test_requests_are_bounded_where_many_fail_among_others():
    server = Server(*range(5, 200, 10))
    lost = fates(server, 200)
    assert len(server.asked) == MOST_REQUESTS
    assert server.bad <= lost < set(range(200))


@pytest.mark.parametrize(
    "error",
    [
        RemoteServiceError("no such route", status=404),
        RemoteServiceError("bad request", status=400),
        RemoteServiceError("no connection", sent=False),
        TimeoutError("no connection", sent=False),
    ],
)
def test_what_is_over_no_name_is_not_halved(error):
    server = Server(3, error=error)
    assert fates(server, 200) == set(range(200))
    assert len(server.asked) == 1


def test_a_used_up_quota_ends_it():
    with pytest.raises(QuotaError):
        ask_in_halves(Server(1, error=QuotaError("enough", status=429)), [1, 2])
    broken, enough = RemoteServiceError("broken", status=500), QuotaError("enough", status=429)
    errors = iter([broken, None, enough])

    def ask(part):
        if (error := next(errors)) is not None:
            raise error
        return part

    assert ask_in_halves(ask, [1, 2, 3, 4, 5]) == [([1, 2, 3], [1, 2, 3]), ([4, 5], enough)]


def test_names_that_fail_cost_the_others_nothing(alerce, double):
    names = [edge_cases.name(n) for n in range(450)]
    names[10] = "ZTF18zzzzzzz"
    lost = [names[211], names[333]]
    double.faults = {f"oid={name}": BROKEN for name in lost}
    with (
        pytest.warns(InputWarning, match="does not know ZTF18zzzzzzz: masked"),
        pytest.raises(IncompleteResultError, match=f"2 of 450 objects.*{lost[0]}.*br") as caught,
    ):
        alerce.query_objects(names, cache=False)
    assert [name for name, _ in caught.value.failures] == lost
    assert all(error.status == 500 for _, error in caught.value.failures)
    found = caught.value.result
    assert found["oid"].tolist() == names
    present = ~np.ma.getmaskarray(found["ra"])
    assert [name for name, known in zip(names, present, strict=True) if not known] == [
        "ZTF18zzzzzzz", *lost,
    ]  # fmt: skip
    # A request sent in halves is not repeated.
    asked = double.asked("/objects/")
    assert len(asked) == len(set(asked)) <= 3 + 2 * 16
    with pytest.warns(InputWarning) as reply:
        table = alerce.query_objects(names, cache=False, on_error="warn")
    assert len(reply) == 2 and len(table.meta["failures"]) == 2
    with pytest.raises(InvalidQueryError, match="on_error='skip'"):
        alerce.query_objects(names, on_error="skip")


def test_a_server_that_fails_says_so_itself(alerce, double):
    double.faults = {"/objects/": BROKEN}
    with pytest.raises(RemoteServiceError, match="broken") as caught:
        alerce.query_objects([edge_cases.name(n) for n in range(200)], cache=False)
    assert not isinstance(caught.value, IncompleteResultError)
    assert len(double.received) == FAILURES_IN_A_ROW


def test_an_object_of_lsst_that_fails_costs_the_list_nothing(alerce, double):
    numbers = [edge_cases.FIRST_LSST + n for n in range(40)]
    double.faults = {f"list_objects.*oid={numbers[17]}": BROKEN}
    with pytest.raises(IncompleteResultError, match="1 of 40 objects") as caught:
        alerce.query_objects(numbers, survey="lsst", cache=False)
    assert [name for name, _ in caught.value.failures] == [numbers[17]]
    assert np.ma.getmaskarray(caught.value.result["ra"]).sum() == 1

"""What an exception carries is declared by its class, or attached by one function."""

import pickle
import traceback

import pytest

from atlasquery import exceptions
from atlasquery.exceptions import (
    IncompleteResultError,
    QuotaError,
    RemoteServiceError,
    TimeoutError,
    attach,
)

ERRORS = [
    kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning)
    and kind.__module__ == "atlasquery.exceptions"
]  # fmt: skip


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_declares_the_job_that_it_may_interrupt(kind):
    error = kind("failed")
    assert error.jobs is None and error.query is None
    attach(error, jobs="jobs")
    assert (error.jobs, error.query) == ("jobs", None)


def test_attached_values_survive_a_pickle_and_do_not_replace_others_by_nothing():
    error = TimeoutError("late", service="S")
    attach(error, query=["a"])
    attach(error, jobs=[1])
    copied = pickle.loads(pickle.dumps(error))
    assert (copied.query, copied.jobs, copied.service) == (["a"], [1], "S")


def test_an_interrupt_stays_one_and_has_what_had_come():
    stop = KeyboardInterrupt()
    attach(stop, result={"1": "one"}, note="All are in sys.last_value.result.")
    assert type(stop) is KeyboardInterrupt and stop.result == {"1": "one"}
    assert "sys.last_value.result" in "".join(traceback.format_exception(stop))


def test_results_and_failures_are_attributes():
    error = IncompleteResultError("1 of 2", result=[1], failures=((2, "no"),), status=500)
    assert (error.result, error.failures, error.status) == ([1], [(2, "no")], 500)
    assert isinstance(error, RemoteServiceError)
    assert QuotaError("none left", retry_after=3.0).retry_after == 3.0

"""Warnings point at the line of the user, however deep in the package they arise."""

import inspect
import warnings

import pytest
from astropy.table import Table

from atlasquery.exceptions import InputWarning, MaxResultsWarning
from atlasquery.service.failures import deliver
from atlasquery.service.pool import run_all
from atlasquery.warn import warn


def caught_from(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert len(caught) == 1
    return caught[0]


def test_a_warning_points_at_the_caller_outside_the_package():
    found = caught_from(lambda: warn("few", MaxResultsWarning))
    line = inspect.currentframe().f_lineno - 1
    assert (found.filename, found.lineno) == (__file__, line)
    assert found.category is MaxResultsWarning and str(found.message) == "few"


@pytest.mark.parametrize("calls", [1, 3])
def test_the_number_of_frames_of_the_package_does_not_matter(calls):
    def nested():
        return deliver(Table(), [(1, ValueError("x"))], on_error="warn", service="S", in_meta=True)

    # run_all calls back: frames of the package stand above and below a frame of the user's.
    for _ in range(calls - 1):
        nested = (lambda inner: lambda: run_all(lambda task: inner(), [1], concurrency=1))(nested)
    found = caught_from(nested)
    assert found.filename == __file__ and found.category is InputWarning


def test_each_place_of_a_user_warns_once(recwarn):
    warnings.simplefilter("default")
    for _ in range(3):
        warn("the same", InputWarning)
    warn("the same", InputWarning)
    assert [one.lineno for one in recwarn] == sorted({one.lineno for one in recwarn})
    assert len(recwarn) == 2

"""What a call of many requests does when some of them failed."""

import warnings

import pytest
from astropy.table import Table

from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    LoginError,
    QuotaError,
)
from atlasquery.service.failures import check_on_error, deliver, some

BROKEN = [(8, ValueError("broken")), (9, ValueError("late"))]


def test_without_failures_the_result_is_returned():
    result = object()
    assert deliver(result, [], on_error="raise", service="S", total=3) is result


def test_failures_are_an_error_that_has_the_rest():
    with pytest.raises(
        IncompleteResultError, match=r"^2 of 3 objects failed; the first, 8: broken"
    ) as caught:
        deliver("rest", BROKEN, on_error="raise", service="S", total=3)
    assert (caught.value.result, caught.value.failures) == ("rest", BROKEN)
    assert caught.value.service == "S"
    assert caught.value.__cause__ is BROKEN[0][1]


def test_failures_are_a_warning_where_the_caller_is():
    table = Table()

    def public():
        return deliver(table, BROKEN, on_error="warn", service="S", what="cones failed",
                       in_meta=True)  # fmt: skip

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert public() is table
    assert said[0].category is InputWarning and said[0].filename == __file__
    assert str(said[0].message).startswith("2 cones failed; the first, 8: broken All are in meta")
    assert table.meta["failures"] == ["8: broken", "9: late"]


@pytest.mark.parametrize("kind", [LoginError, QuotaError])
def test_what_refused_all_is_raised_as_it_is(kind):
    error = kind("no")
    with pytest.raises(kind) as caught:
        deliver(None, [(1, error), (2, error)], on_error="warn", service="S", total=2)
    assert caught.value is error
    with pytest.raises(IncompleteResultError):
        deliver(None, [(1, error), (2, error)], on_error="raise", service="S", total=3)


def test_the_words_of_on_error_and_of_many_names():
    assert check_on_error("warn") == "warn"
    with pytest.raises(InvalidQueryError, match="on_error='ignore' is not known"):
        check_on_error("ignore")
    assert some([1, 2]) == "1, 2"
    assert some("abcdefg") == "a, b, c, d, e and 2 more"

"""How many to ask for at once: as many as fit, and the last requests of one size."""

import pytest

from atlasquery.exceptions import (
    LargeAnswerError,
    LoginError,
    RemoteServiceError,
    TimeoutError,
)
from atlasquery.service import chunks
from atlasquery.service.chunks import ChunkSize


def sizes(total, *, concurrency, each, first=25, most=500, target=1e6):
    """Return the chunks of a job whose answers come one after the other."""
    size = ChunkSize(first=first, most=most, target=target, seconds=20.0)
    rest, counts = total, []
    while rest:
        count = min(size.now(rest, concurrency), rest)
        counts.append(count)
        rest -= count
        if len(counts) >= concurrency:
            size.answered(count, count * each, 0.1)
    return counts


@pytest.mark.parametrize(
    ("total", "concurrency", "each", "expected"),
    [
        # 89 fit: three requests would keep two threads busy for as long as four do.
        (300, 2, 1e6 / 89, [25, 25, 63, 63, 63, 61]),
        (300, 1, 1e6 / 89, [25, 69, 69, 69, 68]),
        (300, 2, 1e3, [25, 25, 125, 125]),
        (30, 2, 1e3, [25, 5]),
        (10, 2, 1e3, [10]),
        # A share is no smaller than the first chunks, or small jobs would take more requests.
        (80, 2, 1e3, [25, 25, 25, 5]),
        (1, 4, 1e3, [1]),
    ],
)
def test_last_requests_are_of_one_size(total, concurrency, each, expected):
    assert sizes(total, concurrency=concurrency, each=each) == expected


@pytest.mark.parametrize("concurrency", [1, 2, 3, 8])
@pytest.mark.parametrize("total", [1, 24, 26, 100, 501, 1000, 5000])
@pytest.mark.parametrize("each", [1e3, 1e4, 3.9e4, 3e5])
def test_nothing_is_lost_and_few_requests_are_added(total, concurrency, each):
    chunks = sizes(total, concurrency=concurrency, each=each)
    assert sum(chunks) == total
    assert min(chunks) > 0
    fitting = max(1, min(500, int(1e6 / each)))
    fewest = concurrency + -(-total // fitting) if fitting > 25 else -(-total // min(25, fitting))
    assert len(chunks) <= fewest + 2 * concurrency


def test_a_failure_makes_the_next_share_small():
    size = ChunkSize(first=25, most=500, target=1e6, seconds=20.0)
    size.answered(25, 25_000, 0.1)
    assert size.now(400, 2) == 200
    size.failed(200)
    assert size.now(400, 2) == 100


@pytest.mark.parametrize(
    ("error", "smaller"),
    [
        (LargeAnswerError("too much", status=200), True),
        (TimeoutError("late"), True),
        (RemoteServiceError("failed", status=500), True),
        (RemoteServiceError("refused", status=400), False),
        (LoginError("no"), False),
    ],
)
def test_the_failures_after_which_less_is_asked_for(error, smaller):
    assert chunks._of_size(error) is smaller

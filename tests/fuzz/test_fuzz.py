"""No answer, however damaged, ends a public method with anything but a documented error.

``ATLASQUERY_FUZZ`` sets how many calls are tried in all, and ``ATLASQUERY_FUZZ_SEED`` which.
"""

import inspect
import os

import pytest
from astroquery import log
from benches import BENCHES, NOTHING_ASKED
from fuzzing import fuzz, record

COUNT = int(os.environ.get("ATLASQUERY_FUZZ", "2500"))
SEED = int(os.environ.get("ATLASQUERY_FUZZ_SEED", "20261129"))
# Calls over real sockets: as many as the names of calls, at least.
OVER_LOOPBACK = 80


@pytest.fixture(scope="module", params=list(BENCHES))
def bench(request, tmp_path_factory):
    pytest.importorskip("fastavro", reason="packets are decoded with the avro extra")
    pytest.importorskip("matplotlib", reason="stamps are shown with the plotting extra")
    level = log.level
    log.setLevel("ERROR")
    with BENCHES[request.param](tmp_path_factory.mktemp(request.param)) as found:
        yield found
    log.setLevel(level)


@pytest.fixture(scope="module")
def recorded(bench):
    return {name: record(bench, name) for name in bench.calls}


def check(tally, count):
    print(f"\n{tally}")
    assert sum(tally.outcomes.values()) == count
    assert not tally.untyped, "\n".join([str(tally), *map(str, tally.examples.values())])
    assert not tally.slow, tally.slow


def test_each_public_method_is_called(bench):
    kind = type(bench.make())
    public = {
        name for name, value in inspect.getmembers(kind)
        if not name.startswith("_") and callable(value) and not inspect.isclass(value)
    }  # fmt: skip
    called = {name.partition(":")[0] for name in bench.calls}
    assert public - called - bench.silent == NOTHING_ASKED & public
    assert called <= public


def test_what_is_recorded_goes_well_again(bench, recorded):
    """Or nothing would be tried but one and the same error."""
    assert all(one.exchanges for name, one in recorded.items() if name not in bench.silent)


def test_damaged_answers(bench, recorded):
    count = max(1, COUNT // len(BENCHES))
    check(fuzz(bench, recorded, count, SEED), count)


def test_damaged_answers_over_loopback(bench, recorded):
    check(fuzz(bench, recorded, OVER_LOOPBACK, SEED, wire=True), OVER_LOOPBACK)

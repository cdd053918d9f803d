"""The answer to another request is an error that names both, wherever the answer tells what it is.

The server gives, over real HTTP, what it was asked by another call of the same method.
"""

import contextlib

import pytest
from benches import BENCHES, consume
from exchanges import DetourAdapter, Replay, ReplayServer
from fuzzing import mount, quiet, record

from atlasquery.exceptions import TableParseError

# What tells of what it is: each pair of things is asked for, and gets the answer of the other.
ATLAS = {
    "get_objects": lambda c, k, n: c.get_objects(k.two[n]),
    "get_source": lambda c, k, n: c.get_source(k.two[n], start=k.start),
    "get_light_curve": lambda c, k, n: c.get_light_curve(k.two[n], start=k.start),
    "get_tns_crossmatches": lambda c, k, n: c.get_tns_crossmatches(k.two[n]),
    "query_vra_todo": lambda c, k, n: c.query_vra_todo(k.two[n]),
    "get_list_memberships": lambda c, k, n: c.get_list_memberships(k.two[n]),
}
FORCED = {
    "fetch": lambda c, k, n: c.fetch(k.of(n), progress=False),
    "delete": lambda c, k, n: c._task(k.tasks[n]),
}
ALERCE = {
    "query_object": lambda c, k, n: c.query_object(k.two[n]),
    "query_objects": lambda c, k, n: c.query_objects(k.two[n]),
    "query_objects:lsst": lambda c, k, n: c.query_objects(k.lsst_two[n], survey="lsst"),
    "get_detections:lsst": lambda c, k, n: c.get_detections(k.lsst_two[n], survey="lsst"),
    "get_forced_photometry": lambda c, k, n: c.get_forced_photometry(k.two[n]),
    "get_forced_photometry:lsst": lambda c, k, n: c.get_forced_photometry(
        k.lsst_two[n], survey="lsst"
    ),
    "get_light_curve:lsst": lambda c, k, n: c.get_light_curve(k.lsst_two[n], survey="lsst"),
    "get_magstats:lsst": lambda c, k, n: c.get_magstats(k.lsst_two[n], survey="lsst"),
    # By its number: detections of another object are asked of the other version of the API.
    "get_avro": lambda c, k, n: c.get_avro(k.two[n], k.candids[n], decoded=True),
}
LCC = {
    "get_dataset": lambda c, k, n: c.get_dataset(k.setids[n]),
    "get_object": lambda c, k, n: c.get_object(k.objects[n], "synth-alpha"),
    "get_light_curve": lambda c, k, n: c.get_light_curve(k.objects[n], "synth-alpha"),
}
SKYPORTAL = {
    "get_source": lambda c, k, n: c.get_source(k.pair[n]),
    "get_photometry": lambda c, k, n: c.get_photometry(k.pair[n]),
    "get_spectra": lambda c, k, n: c.get_spectra(k.pair[n]),
    "get_comments": lambda c, k, n: c.get_comments(k.pair[n]),
    "get_annotations": lambda c, k, n: c.get_annotations(k.pair[n]),
    "get_classifications": lambda c, k, n: c.get_classifications(k.pair[n]),
    "get_analysis": lambda c, k, n: c.get_analysis(1 + n),
}
NAMED = r"asked for is|came in place of|another object"
CALLS = [
    (service, name, call)
    for service, calls in zip(BENCHES, (ATLAS, FORCED, ALERCE, LCC, SKYPORTAL), strict=True)
    for name, call in calls.items()
]  # fmt: skip


@pytest.fixture(scope="module")
def benches(tmp_path_factory):
    pytest.importorskip("fastavro", reason="packets are decoded with the avro extra")
    opened = {}
    with contextlib.ExitStack() as stack:

        def bench(service):
            if service not in opened:
                folder = tmp_path_factory.mktemp(service)
                opened[service] = stack.enter_context(BENCHES[service](folder))
            return opened[service]

        yield bench


@pytest.mark.parametrize(("service", "name", "call"), CALLS, ids=[f"{s}-{n}" for s, n, _ in CALLS])
def test_the_answer_to_another_request_is_an_error(benches, service, name, call):
    bench = benches(service)
    pair = []
    for n in (0, 1):
        bench.calls["swapped"] = lambda client, known, n=n: call(client, known, n)
        pair.append(record(bench, "swapped"))
    asked, other = pair
    differing = [
        n for n, (mine, theirs) in enumerate(zip(asked.exchanges, other.exchanges, strict=False))
        # A key that anybody gets is of nothing that was asked for.
        if mine.body != theirs.body and mine.status == theirs.status and "/key" not in mine.url
    ]  # fmt: skip
    assert differing
    server = ReplayServer()
    try:
        for n in differing:
            client = bench.make()
            server.replay = Replay(asked.exchanges, {n: other.exchanges[n]})
            mount(client, DetourAdapter(server.here))
            with (
                quiet(),
                pytest.raises(TableParseError, match=NAMED),
            ):
                consume(call(client, asked.known, 0))
    finally:
        server.stop()

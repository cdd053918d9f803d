"""What each read of an LCC-Server would send: the same as it sends."""

import inspect

import pytest
from astropy.coordinates import SkyCoord

from atlasquery.exceptions import InvalidQueryError, RemoteServiceError
from atlasquery.lccserver import LCCServerClass

HERE = SkyCoord(290, 45, unit="deg")
NAME = "SYA-0000001"
CALLS = {
    "query_region": [((HERE, "10 arcmin"), {"columns": "sdssr"}), ((HERE, "2 deg"), {})],
    "crossmatch": [((HERE, "2 arcsec"), {})],
    "query_criteria": [(("sdssr < 10",), {"columns": ["sdssr"], "sort": "-sdssr"})],
    "query_text": [(("eclipsing",), {})],
    "list_collections": [((), {})],
    "list_columns": [((), {}), (("synth_alpha",), {})],
    "list_datasets": [((), {"max_rows": 7})],
    "get_dataset": [(("qbeiD6HI2iw",), {})],
    "get_object": [((NAME, "synth_alpha"), {})],
    "get_light_curve": [((NAME, "synth-alpha"), {})],
    "get_light_curves": [(("qbeiD6HI2iw",), {})],
}
READS = [
    name
    for name, _ in inspect.getmembers(LCCServerClass, inspect.isfunction)
    if name.startswith(("get_", "query_", "list_", "count_", "crossmatch"))
    and not hasattr(LCCServerClass.__mro__[2], name)
]
EACH = [(name, *call) for name in READS for call in CALLS[name]]


def test_every_read_is_tried():
    assert sorted(CALLS) == sorted(READS)


@pytest.mark.filterwarnings("ignore::atlasquery.exceptions.NoResultsWarning")
@pytest.mark.parametrize(("name", "args", "options"), EACH)
def test_the_payload_is_what_the_call_sends(lcc, double, name, args, options):
    # The description of the collections is needed to check arguments.
    lcc.list_collections()
    double.received.clear()
    payload = getattr(lcc, name)(*args, **options, get_query_payload=True)
    assert double.received == []
    lcc.clear_cache()
    try:
        getattr(lcc, name)(*args, **options)
    except RemoteServiceError as error:
        # There is no such dataset, file or page: it was requested.
        assert name in ("get_dataset", "get_light_curves", "get_object", "get_light_curve")
        assert error.status in (404, None)
    received = [(request.path, {**request.query, **request.form}) for request in double.received]
    for one in payload if isinstance(payload, list) else [payload]:
        path = "/" + one["url"].removeprefix(double.url)
        sent = {
            key: [str(each) for each in value] if isinstance(value, list) else [str(value)]
            for key, value in one.items()
            if key != "url"
        }
        assert (path, sent) in received, received


def test_the_files_of_a_table_are_requested_as_announced(lcc, double):
    known = lcc.query_criteria("sdssr < 9.5", collections="synth_alpha")
    double.received.clear()
    payload = lcc.get_light_curves(known, get_query_payload=True)
    assert payload == {"url": f"{double.url}set/{known.meta['setid']}", "json": 1}
    known.meta.clear()
    payloads = lcc.get_light_curves(known[:2], get_query_payload=True)
    assert [one["url"] for one in payloads] == [
        f"{double.url}l/synth-alpha/{name}-csvlc.gz" for name in known["objectid"][:2]
    ]
    many = lcc.query_criteria("sdssr < 20", collections="synth_alpha")
    many.meta.clear()
    double.received.clear()
    payload = lcc.get_light_curves(many, get_query_payload=True)
    payloads = payload if isinstance(payload, list) else [payload]
    assert {one["url"] for one in payloads} == {f"{double.url}api/xmatch"}
    assert sum(one["xmq"].count("\n") + 1 for one in payloads) == len(many)
    assert double.received == []


def test_arguments_are_checked_for_a_payload_too(lcc, double):
    lcc.list_collections()
    double.received.clear()
    for name, args in (
        ("list_datasets", (0,)),
        ("get_dataset", ("a b",)),
        ("get_object", (NAME, "synth_gamma")),
        ("get_light_curve", ("../x", "synth_alpha")),
        ("get_light_curves", (3,)),
    ):
        options = {"max_rows": args[0]} if name == "list_datasets" else {}
        with pytest.raises(InvalidQueryError):
            getattr(lcc, name)(*(() if options else args), **options, get_query_payload=True)
    assert double.received == []

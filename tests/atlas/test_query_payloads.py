"""Each read returns what it would send, on demand, and sends nothing."""

import inspect
import re
from urllib.parse import urlsplit

import pytest
from astropy.coordinates import SkyCoord
from damaging_proxy import FaultProxy

from atlasquery.atlas import AtlasClass, conf
from atlasquery.exceptions import InvalidQueryError

READS = sorted(
    name
    for name, _ in inspect.getmembers(AtlasClass, inspect.isfunction)
    if re.match("(get|query|iter|count|crossmatch)_", name)
)
# An argument that is refused, in place of the first.
WRONG = {"query_region": "M31", "count_region": "M31", "query_object": "", "query_list": "nothing",
         "query_external_names": "", "get_list_members": "nothing"}  # fmt: skip


@pytest.fixture
def proxy(sandbox):
    proxy = FaultProxy(sandbox.url)
    yield proxy
    proxy.stop()


@pytest.fixture
def atlas(proxy, sandbox, tmp_path):
    atlas = AtlasClass(server=proxy.url)
    atlas.cache_location = tmp_path / "responses"
    atlas.login(token=sandbox.token)
    return atlas


def arguments(name, sandbox):
    """Return the arguments of a call of a read."""
    ids = [int(one) for one in sandbox.manifest["ids"]["main"][:3]]
    centre = SkyCoord(*sandbox.manifest["clusters"]["main"], unit="deg")
    given = {
        "query_region": ((centre,), {"radius": "1 arcmin"}),
        "count_region": ((centre,), {"radius": "1 arcmin"}),
        "query_object": ((sandbox.manifest["tns_names"][0],), {}),
        "query_external_names": ((sandbox.manifest["tns_names"][:2],), {}),
        "query_list": (("good",), {"vra": (5, None)}),
        "get_list_members": (("vra",), {}),
        "get_source": ((ids[0],), {"start": 61000.0}),
        "get_light_curve": ((ids[0],), {}),
        "get_forced_photometry": ((ids[0],), {}),
        "get_list_memberships": ((ids[0],), {}),
    }
    return given.get(name, ((ids,), {}))


def called(atlas, name, args, options):
    """Call a read, and take all that it gives."""
    result = getattr(atlas, name)(*args, **options)
    return list(result) if name == "iter_sources" and "get_query_payload" not in options else result


def as_sent(payload):
    return {key: str(value) for key, value in payload.items() if key != "url"}


@pytest.mark.parametrize("name", READS)
def test_each_read_takes_it_by_keyword_and_describes_it(name):
    method = getattr(AtlasClass, name)
    parameter = inspect.signature(method).parameters["get_query_payload"]
    assert (parameter.kind, parameter.default) == (parameter.KEYWORD_ONLY, False)
    assert "Whether to return what would be sent" in method.__doc__


@pytest.mark.filterwarnings("ignore::atlasquery.exceptions.NoResultsWarning")
@pytest.mark.parametrize("name", READS)
def test_the_payload_is_what_the_call_then_sends(atlas, proxy, sandbox, name):
    args, options = arguments(name, sandbox)
    payload = called(atlas, name, args, options | {"get_query_payload": True})
    assert not proxy.received
    payloads = payload if isinstance(payload, list) else [payload]
    called(atlas, name, args, options | {"cache": False})
    assert len(proxy.received) >= len(payloads) > 0
    for expected, received in zip(payloads, proxy.received, strict=False):
        assert received.form == as_sent(expected)
        if "url" in expected:
            assert received.path == urlsplit(expected["url"]).path
            assert expected["url"].startswith(proxy.url)


@pytest.mark.parametrize("name", READS)
def test_arguments_are_checked_as_by_the_call(atlas, proxy, sandbox, name):
    args, options = arguments(name, sandbox)
    args = (WRONG.get(name, "12"), *args[1:])
    messages = []
    for choice in ({}, {"get_query_payload": True}):
        with pytest.raises(InvalidQueryError) as caught:
            called(atlas, name, args, options | choice)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert not proxy.received


def test_an_object_is_looked_for_by_id_and_on_lists(atlas, proxy, sandbox):
    one = int(sandbox.manifest["ids"]["supernova"][2])
    by_id = atlas.query_object(one, get_query_payload=True)
    assert by_id == {"url": proxy.url + "objects/", "objects": str(one), "mjd": 99999.0}
    payloads = atlas.query_object("ATLAS26zy", get_query_payload=True)
    assert {payload["url"] for payload in payloads} == {proxy.url + "objectlist/"}
    assert not proxy.received
    atlas.query_object("ATLAS26zy", cache=False)
    asked = proxy.asked("objectlist/")
    assert 0 < len(asked) <= len(payloads) == 14
    assert [r.form for r in asked] == [as_sent(payload) for payload in payloads[: len(asked)]]


def test_many_objects_are_the_requests_of_before_the_first_response(atlas, proxy, sandbox):
    ids = [int(one) for one in sandbox.manifest["all_ids"][:80]]
    with conf.set_temp("concurrency", 2):
        payloads = atlas.get_sources(ids, start=61300.0, get_query_payload=True)
        assert [len(payload["objects"].split(",")) for payload in payloads] == [25, 25]
        assert not proxy.received
        for _ in atlas.iter_sources(ids, start=61300.0, on_error="warn"):
            break
    first = sorted(proxy.arrived(2)[:2], key=lambda received: received.form["objects"])
    expected = sorted(payloads, key=lambda payload: payload["objects"])
    assert [received.form for received in first] == [as_sent(payload) for payload in expected]

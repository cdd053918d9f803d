"""Every read shows what it would send, checks its arguments as always, and sends nothing."""

import contextlib
import inspect
import warnings
from urllib.parse import parse_qsl, urljoin, urlsplit

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from atlasquery.exceptions import InvalidQueryError, NotFoundError
from atlasquery.sandbox.skyportal import example as skyportal_example
from atlasquery.skyportal import SkyPortalClass

A = "ATLAS24abc"
HERE = SkyCoord(150.1163, 2.2058, unit="deg")
EVENT = "2026-11-04T03:12:45"
#: Arguments of each read, for which the example has something.
ARGUMENTS = {
    "get_analysis": [(1,)],
    "get_analysis_corner": [(1,)],
    "get_analysis_plot": [(1, 0)],
    "get_analysis_results": [(1,)],
    "get_annotations": [(A,)],
    "get_assignments": [(), {"run_id": 1}],
    "get_attachment": [(A, 5)],
    "get_candidate": [("ATLAS25c003",)],
    "get_classifications": [(A,)],
    "get_comments": [(A,)],
    "get_finding_chart": [(HERE,), (A,), {"gaia": "4472832130942575872"}],
    "get_followup_schedule": [(1,), ("ATLAS",)],
    "get_light_curves": [([A, "ZTF24abcdefg"],), (A,)],
    "get_localization": [(EVENT, "bayestar.multiorder.fits"), (EVENT,)],
    "get_offset_stars": [(A,)],
    "get_photometry": [(A,), {"source_id": A, "deduplicate": True}],
    "get_photometry_statistics": [(A,)],
    "get_position": [(A,)],
    "get_source": [(A,)],
    "get_source_groups": [(A,)],
    "get_spectra": [("ZTF24abcdefg",)],
    "get_system_info": [()],
    "list_allocations": [(), {"instrument_id": 1}],
    "list_analyses": [(), {"source_id": A, "service_id": 1}],
    "list_analysis_services": [()],
    "list_facilities": [()],
    "list_filters": [()],
    "list_galaxy_catalogs": [()],
    "list_groups": [(), {"name": "ATLAS transients"}],
    "list_instruments": [()],
    "list_listings": [(), ("favorites",)],
    "list_observing_runs": [()],
    "list_streams": [()],
    "list_taxonomies": [()],
    "list_telescopes": [()],
    "query_candidates": [(), {"group_ids": [3]}],
    "query_criteria": [{"redshift": (0.01, 0.1), "group_ids": [3]}],
    "query_followups": [(), {"source_id": A, "instrument": 1}, {"instrument": "ATLAS"}],
    "query_galaxies": [(), {"coordinates": HERE, "radius": "1 deg"}],
    "query_gcn_events": [(), {"tags": ["GW"]}],
    "query_region": [(HERE, "10 arcsec"), (SkyCoord([150.1, 150.2], [2, 3], unit="deg"), "1 deg")],
    "source_exists": [(A,), {"coordinates": HERE, "radius": "3 arcsec"}],
}
#: The parameters by which pages are read, which the caller does not give.
PAGES = {"numPerPage", "pageNumber", "page", "queryID", "useCache"}
READS = sorted(
    name
    for name, method in inspect.getmembers(SkyPortalClass, inspect.isfunction)
    if name.startswith(("get_", "query_", "list_", "count_", "crossmatch")) or name in ARGUMENTS
)
CASES = [(name, given) for name in READS for given in ARGUMENTS.get(name, [()])]
IDS = [f"{name}-{n}" for name in READS for n, _ in enumerate(ARGUMENTS.get(name, [()]))]


def parameters_of(name):
    return inspect.signature(getattr(SkyPortalClass, name)).parameters


def ask(client, name, given, **how):
    """Call a read with positional or with named arguments."""
    method = getattr(client, name)
    return method(**given, **how) if isinstance(given, dict) else method(*given, **how)


def test_every_read_shows_its_payload():
    assert set(READS) == set(ARGUMENTS)
    for name in READS:
        parameter = parameters_of(name)["get_query_payload"]
        assert parameter.kind is parameter.KEYWORD_ONLY and parameter.default is False


@pytest.mark.parametrize(("name", "given"), CASES, ids=IDS)
def test_a_payload_is_what_the_server_then_receives(skyportal, double, name, given):
    skyportal_example.fill(double.state)
    found = ask(skyportal, name, given, get_query_payload=True)
    assert double.received == []
    # What comes of it is tested elsewhere, such as that something is not found.
    fresh = {"cache": False} if "cache" in parameters_of(name) else {}
    with warnings.catch_warnings(), contextlib.suppress(NotFoundError):
        warnings.simplefilter("ignore")
        ask(skyportal, name, given, **fresh)
    sent = [
        (urljoin(double.url, one.path), _without_pages(dict(parse_qsl(one.query))))
        for one in (urlsplit(target.removeprefix("GET ")) for target in double.received)
    ]
    for payload in found if isinstance(found, list) else [found]:
        params = {key: str(value) for key, value in payload.items() if value != ""}
        url = params.pop("url", None)
        params = _without_pages(params)
        assert [one for one, those in sent if url in (None, one) and those == params], sent
    # It is the first that is sent, but for an instrument, which is looked up before.
    if not isinstance(found, list) and name not in ("get_followup_schedule", "query_followups"):
        assert sent[0][1] == params


def _without_pages(params):
    return {key: value for key, value in params.items() if key not in PAGES}


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("get_source", ("a b",)),
        ("get_photometry", {"source_id": A, "detection_snr": -1}),
        ("get_light_curves", {"source_ids": [A], "on_error": "hope"}),
        ("get_attachment", (A, 0)),
        ("get_analysis_plot", (1, -1)),
        ("get_finding_chart", {"target": A, "image": "none"}),
        ("get_finding_chart", {"target": "a b"}),
        ("get_followup_schedule", {"instrument": 1.5}),
        ("get_followup_schedule", {"instrument": 1, "output": "gif"}),
        ("query_followups", {"instrument": 0}),
        ("query_followups", {"max_rows": -5}),
        ("get_assignments", {"run_id": 0}),
        ("list_groups", {"name": " "}),
        ("list_allocations", {"instrument_id": np.nan}),
        ("list_listings", ("-",)),
        ("get_localization", (EVENT, " ")),
        ("source_exists", ()),
    ],
)
def test_arguments_are_checked_before_a_payload_is_shown(skyportal, double, name, given):
    with pytest.raises(InvalidQueryError) as shown:
        ask(skyportal, name, given, get_query_payload=True)
    with pytest.raises(InvalidQueryError) as sent:
        ask(skyportal, name, given)
    assert str(shown.value) == str(sent.value) and double.received == []


def test_a_payload_needs_no_login(anonymous, double):
    assert anonymous.get_source(A, get_query_payload=True) == {"url": f"{double.url}sources/{A}"}
    assert anonymous.list_listings("favorites", get_query_payload=True) == {
        "url": f"{double.url}listing",
        "listName": "favorites",
    }
    assert double.received == []

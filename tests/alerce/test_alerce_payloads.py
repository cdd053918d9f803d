"""What each read of ALeRCE would send: the same as it sends, and nothing is sent for it."""

import inspect
from urllib.parse import parse_qs, urlsplit

import pytest
from astropy.coordinates import SkyCoord

from atlasquery.alerce import AlerceClass, conf
from atlasquery.exceptions import InvalidQueryError
from atlasquery.sandbox.alerce import edge_cases

OID = edge_cases.name(2)
CANDID = int(edge_cases.detections(2)[0]["candid"])
LSST = edge_cases.FIRST_LSST + 5
HERE = SkyCoord(150.1, 2.2, unit="deg")
BOTH = SkyCoord([150.1, 150.2], [2.2, 2.2], unit="deg")
ALERT = {"survey": "lsst", "candid": 170046560000005000}
# For each read the arguments of some calls.
CALLS = {
    "query_region": [((HERE, "10 arcsec"), {}), ((BOTH, "9 arcsec"), {}),
                     ((HERE, "10 arcsec"), {"survey": "lsst"})],
    "query_criteria": [((), {"class_name": "SN", "probability": 0.3}),
                       ((), {"class_name": "SN", "ranking": "all"}),
                       ((), {"order_by": "n_det", "descending": True, "max_rows": 5}),
                       ((), {"order_by": "n_det", "max_rows": -1}),
                       ((), {"survey": "lsst", "n_det": (1, 9)})],
    "query_objects": [(([OID, edge_cases.name(3)],), {}), (([LSST],), {"survey": "lsst"})],
    "query_object": [((OID,), {}), ((LSST,), {"survey": "lsst"})],
    "get_light_curve": [((OID,), {}), ((OID,), {"forced": True}), ((LSST,), {"survey": "lsst"}),
                        ((LSST,), {"survey": "lsst", "forced": True})],
    "get_light_curves": [(([OID, edge_cases.name(3)],), {}), (([OID],), {"forced": True}),
                         (([LSST, LSST + 1],), {"survey": "lsst", "forced": True})],
    "get_detections": [((OID,), {}), ((LSST,), {"survey": "lsst"})],
    "get_non_detections": [((OID,), {}), ((LSST,), {"survey": "lsst"})],
    "get_forced_photometry": [((OID,), {}), ((LSST,), {"survey": "lsst"})],
    "get_magstats": [((OID,), {}), ((LSST,), {"survey": "lsst"})],
    "get_probabilities": [((OID,), {"classifier": "stamp_classifier"}),
                          ((LSST,), {"survey": "lsst"})],
    "get_features": [((OID,), {})],
    "get_feature": [((OID, "Amplitude"), {}), ((OID, "a/b"), {})],
    "list_classifiers": [((), {}), ((), {"survey": "lsst"})],
    "list_classes": [(("stamp_classifier",), {})],
    "get_stamps": [((OID,), {}), ((OID, CANDID), {}), ((LSST,), ALERT)],
    "get_avro": [((OID,), {}), ((OID, CANDID), {})],
    "query_catshtm_region": [((HERE, "2 arcsec"), {}),
                             ((BOTH, "2 arcsec"), {"catalog": "GAIA/DR1"})],
    "crossmatch_catshtm": [((HERE, "2 arcsec"), {"catalog": "DECaLS"}), ((BOTH, "2 arcsec"), {})],
    "get_catshtm_redshift": [((HERE,), {"radius": "2 arcsec"})],
    "query_tap": [(("SELECT oid, meanra, ndet FROM object LIMIT 3",), {"max_rows": 3})],
}  # fmt: skip
READS = [
    name
    for name, _ in inspect.getmembers(AlerceClass, inspect.isfunction)
    if name.startswith(("get_", "query_", "list_", "count_", "crossmatch"))
    and not hasattr(AlerceClass.__mro__[2], name)
]
EACH = [(name, *call) for name in READS for call in CALLS[name]]


def request_of(target):
    """Return the path of a request, and its parameters as strings."""
    parts = urlsplit(target)
    return parts.path, parse_qs(parts.query, keep_blank_values=True)


def strings(payload):
    """Return the parameters of a payload as they stand in an address."""
    sent = {name: value for name, value in payload.items() if name != "url"}
    return {
        name: [str(one) for one in value] if isinstance(value, list) else [str(value)]
        for name, value in sent.items()
    }


def test_every_read_is_tried():
    assert sorted(CALLS) == sorted(READS)


@pytest.mark.filterwarnings("ignore::atlasquery.exceptions.NoResultsWarning")
@pytest.mark.filterwarnings("ignore::atlasquery.exceptions.InputWarning")
@pytest.mark.filterwarnings("ignore::atlasquery.exceptions.MaxResultsWarning")
@pytest.mark.parametrize(("name", "args", "options"), EACH)
def test_the_payload_is_what_the_call_sends(alerce, double, name, args, options):
    payload = getattr(alerce, name)(*args, **options, get_query_payload=True)
    assert double.received == []
    getattr(alerce, name)(*args, **options)
    received = [request_of(target) for target in double.received]
    for one in payload if isinstance(payload, list) else [payload]:
        assert one["url"].startswith(double.url)
        path = urlsplit(one["url"]).path
        if name == "query_tap":
            # Its parameters are in the body of a POST.
            assert path in [each for each, _ in received] and one["QUERY"] == args[0]
            assert one["LANG"] == "PSQL" and one["MAXREC"] == 3
            continue
        # Searches add the number and the size of the page.
        assert any(
            path == each and strings(one).items() <= params.items() for each, params in received
        ), (one, received)


def test_arguments_are_checked_for_a_payload_too(alerce, double):
    for name, args, options in (
        ("get_detections", ("2020tjh",), {}),
        ("get_light_curves", ([OID, "x"],), {}),
        ("get_stamps", (OID, 1.5), {}),
        ("query_catshtm_region", (HERE, "2 arcsec"), {"catalog": "GAIA/DR9"}),
        ("query_tap", ("",), {}),
        ("get_features", (OID,), {"band": "y"}),
    ):
        with pytest.raises(InvalidQueryError):
            getattr(alerce, name)(*args, **options, get_query_payload=True)
    assert double.received == []


def test_many_objects_of_lsst_are_chunks(alerce, double):
    many = list(range(edge_cases.FIRST_LSST, edge_cases.FIRST_LSST + 60))
    payload = alerce.get_light_curves(many, survey="lsst", get_query_payload=True)
    assert [len(one["oid"]) for one in payload] == [25, 25, 10]
    assert conf.lsst_server in payload[0]["url"] and double.received == []

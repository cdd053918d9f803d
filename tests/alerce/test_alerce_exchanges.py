"""Each recorded exchange, served again as it was: a table without objects, or words."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from astropy.table import Table

from atlasquery.alerce import conf
from atlasquery.alerce.paging import read_page
from atlasquery.exceptions import LoginError, NoResultsWarning, NotFoundError, RemoteServiceError
from atlasquery.sandbox.http import Response

INDEXES = {
    "ztf_v1_index.txt": "ztf_v1",
    "v2_index.txt": "v2_lightcurve",
    "multisurvey_index.txt": "multisurvey",
    "stamps_index.txt": "stamps",
}
# Descriptions of the servers by themselves, and what no method asks for.
SKIPPED = r"swagger|openapi|limit_values|conesearch|/get_avro_info|lightcurve_api/lightcurve|png"
V2_UNUSED = r"/v2/lightcurve/(detections|non_detections|lightcurve)/"
ZTF, LSST = "ZTF18aaaaaaa", 45121627560013205


def exchanges(samples):
    """Yield name, path with query, status, kind and body of what was recorded."""
    for index, folder in INDEXES.items():
        for text in samples(index).decode().splitlines():
            parts = text.split(" | ")
            if len(parts) < 3 or not parts[1].startswith("http"):
                continue
            name, url, reply = parts[:3]
            if re.search(SKIPPED, url) or re.search(V2_UNUSED, url):
                continue
            status, kind = int(reply.split()[0]), reply.split()[1].rstrip(";")
            file = f"{folder}/{name}" if folder == "stamps" else f"{folder}/{name}.json"
            try:
                body = samples(file)
            except FileNotFoundError:
                # Too large to be kept.
                continue
            yield name, url, status, kind, body


def pages(alerce, survey, params):
    def ask():
        # One page, the one that was asked for: more of them would be the same.
        number = params.get("page", ["1"])[0]
        page = int(number) if number.isdecimal() else 1
        return read_page(alerce, survey, {"page": page, "page_size": 10**6}, False)[0]

    return ask


def question(alerce, url):
    """Return what asks for such a URL."""
    path, params = urlsplit(url).path, parse_qs(urlsplit(url).query)
    rest = path.rpartition("/")[2]
    if "/objects" in path and (path.count("/") == 3 or path.endswith("objects/")):
        return pages(alerce, "ztf", params)
    if "list_objects" in path:
        return pages(alerce, "lsst", params)
    oid = (re.findall(r"ZTF\w+", path) or [ZTF])[0]
    number = str(params.get("oid", [LSST])[0])
    number = int(number) if number.isdecimal() else LSST
    asks = {
        oid: lambda: alerce.query_object(oid, cache=False),
        "detections": lambda: alerce.get_detections(oid, cache=False),
        "non_detections": lambda: alerce.get_non_detections(oid, cache=False),
        "lightcurve": lambda: alerce.get_light_curve(oid, cache=False),
        "magstats": lambda: alerce.get_magstats(oid, cache=False),
        "probabilities": lambda: alerce.get_probabilities(oid, cache=False),
        "features": lambda: alerce.get_features(oid, cache=False),
        # Not asked for by us: the list of classifiers has the classes.
        "classes": lambda: alerce._fetch("classifiers", {}, decode=bytes, cache=False, unknown="a"),
        "": lambda: alerce.list_classifiers(cache=False),
        "get_avro": lambda: alerce.get_avro(ZTF, 12, cache=False),
        "get_stamp": lambda: alerce.get_stamps(ZTF, 12, cache=False),
        "stamp": lambda: alerce.get_stamps(LSST, 12, survey="lsst", cache=False),
        "nosuch": lambda: alerce.list_classifiers(cache=False),
    }
    if "/lsst" not in path and "_api/" not in path:
        if "/v2/" in path:
            return lambda: alerce.get_forced_photometry(oid, cache=False)
        if "/features/" in path:
            return lambda: alerce.get_feature(oid, rest, cache=False)
        return asks[rest]
    asks |= {
        "object": lambda: alerce._fetch("lsst_object", {}, decode=bytes, cache=False),
        "detections": lambda: (
            alerce.get_detections(number, survey="lsst", cache=False)
            if len(set(params.get("oid", []))) < 2
            else alerce.get_light_curves(params["oid"], survey="lsst", cache=False)
        ),
        "non_detections": lambda: alerce.get_non_detections(number, survey="lsst", cache=False),
        "forced-photometry": lambda: alerce.get_forced_photometry(
            number, survey="lsst", cache=False
        ),
        "probability": lambda: alerce.get_probabilities(number, survey="lsst", cache=False),
        "classifiers": lambda: alerce.list_classifiers(survey="lsst", cache=False),
        "magstats": lambda: alerce.get_magstats(number, survey="lsst", cache=False),
        "get_avro": lambda: alerce.get_avro(ZTF, 12, cache=False),
    }
    return asks[rest]


@pytest.mark.filterwarnings(f"ignore::{NoResultsWarning.__module__}.NoResultsWarning")
def test_each_recorded_exchange_is_understood(alerce, double, samples):
    checked = refused = 0
    for name, url, status, kind, body in exchanges(samples):
        ask = question(alerce, url)
        # What is asked in addition, whether an object is known at all, the double answers.
        route = re.search(r"[a-z]+_api/[a-z_-]+|forced-photometry", url)
        double.faults = {route[0] if route else ".": Response(status, body, kind)}
        with conf.set_temp("retries", 0):
            if status >= 400:
                refused += 1
                with pytest.raises((RemoteServiceError, LoginError)) as caught:
                    ask()
                assert caught.value.status == status, name
                assert caught.value.reason, name
                assert "You have requested" not in str(caught.value), name
                assert "rror occurred" not in str(caught.value), name
                continue
            try:
                found = ask()
            except NotFoundError:
                # An empty answer, of an object whose entry this server does not have either.
                assert body.strip() in (b"[]",), name
                continue
        checked += 1
        if isinstance(found, Table):
            assert all(found[c].dtype.kind != "O" for c in found.colnames if c != "time"), name
    assert checked > 60 and refused > 25, (checked, refused)

"""The double answers as the recorded server did; the client reads what that one said."""

import json
import re

import pytest
from astropy.table import Table

from atlasquery.exceptions import LoginError, NoResultsWarning, RemoteServiceError
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import ROUTES
from atlasquery.sandbox.skyportal.server import ADMIN
from atlasquery.skyportal import conf

# What the double and the server answer in the same form: same status, keys and kinds of values.
SAME = [
    "auth_bad",
    "auth_bearer",
    "auth_captoken",
    "auth_none",
    "auth_ro_get",
    "auth_sysinfo_none",
    "annotations_get",
    "comments_get",
    "classifications_obj",
    "classifications_all",
    "classif_page_beyond",
    "candidate_404",
    "candidate_one",
    "candidates_beyond",
    "candidates_default",
    "candidates_p1",
    "candidates_p3",
    "candidates_phot",
    "get_invalid",
    "trailing_slash",
    "delete_405",
    "method_not_allowed",
    "photometry_get_ATLAS24abc_both",
    "photometry_get_ATLAS24abc_flux",
    "photometry_get_ATLAS24abc_mag",
    "photometry_get_ATLAS24abc_plot",
    "photometry_get_ATLAS24abd_both",
    "photometry_get_vega",
    "photometry_get_badfmt",
    "photometry_get_badsys",
    "photometry_get_empty",
    "photometry_get_noobj",
    "source_get",
    "source_get_404",
    "sources_badgroup",
    "sources_big",
    "sources_cache",
    "sources_class",
    "sources_cone",
    "sources_cone_missing",
    "sources_cone_nan",
    "sources_cone_none",
    "sources_cone_pole",
    "sources_cone_wrap",
    "sources_in_loc",
    "sources_listname",
    "sources_page0",
    "sources_page1",
    "sources_page5",
    "sources_page_beyond",
    "sources_savedafter",
    "sources_savedafter_fut",
    "sources_sourceid",
]
# Whose values differ from run to run, or belong to a group of the recorded server.
OWN = ("group_id", "data", "redshift_history", "thumbnails", "gitlog")
HEADERS = {
    "auth_bad": {"Authorization": "token no-such-token"},
    "auth_bearer": {"Authorization": f"Bearer {ADMIN}"},
    "auth_captoken": {"Authorization": f"Token {ADMIN}"},
    "auth_none": {},
    "auth_sysinfo_none": {},
}


@pytest.fixture
def recorded_sky(double, samples):
    """The double with what the recorded server had."""
    sky = double.state

    def keys(entry):
        kept = sky.objects.get(entry["id"]) or sky.add_object(entry["id"], 0.0, 0.0)
        return {k: v for k, v in entry.items() if k in kept}

    for entry in reversed(samples("sources_big")["body"]["data"]["sources"]):
        groups = [group["id"] for group in entry["groups"]]
        sky.objects[entry["id"]] = keys(entry)
        sky.save(entry["id"], groups)
    for n in range(60):
        sky.add_candidate(f"ATLAS25c{n:03d}", 36.0 + 0.1 * n, -2.5, redshift=0.05)
    for name in ("ATLAS24abc", "ATLAS24abd"):
        for row in samples(f"photometry_get_{name}_both")["body"]["data"]:
            names = ("origin", "ra", "dec", "ra_unc", "dec_unc", "altdata", "created_at")
            extra = {k: row[k] for k in names} | {"group_ids": [g["id"] for g in row["groups"]]}
            if name == "ATLAS24abc":
                extra["limiting_mag"] = row["limiting_mag"]
            args = (name, row["mjd"], row["filter"], row["flux"], row["fluxerr"])
            sky.add_point(*args, **extra)
    sky.classify("ATLAS24abc", "Ia", 0.9)
    classification = samples("classifications_obj")["body"]["data"][0]
    sky.classifications[1]["votes"] = classification["votes"]
    sky.comment("ATLAS24abc", "A comment")
    sky.annotate("ATLAS24abc", "sherlock", {"class": "SN", "sep_arcsec": 1.2})
    sky.lists["favorites"] = {"ATLAS24abc"}
    return double


def form(value, name=""):
    """Return the keys and kinds of a value, of lists those of all items together."""
    if name in OWN:
        return "own"
    if isinstance(value, dict):
        return {key: form(one, key) for key, one in value.items()}
    if isinstance(value, list):
        merged = {}
        for one in value:
            if not isinstance(one, dict):
                return "list"
            for key, kind in form(one).items():
                merged.setdefault(key, kind)
                if merged[key] in ("NoneType", "empty"):
                    merged[key] = kind
        return merged or "empty"
    return "number" if isinstance(value, float) or value.__class__ is int else type(value).__name__


def differences(ours, theirs, path=""):
    """Return where two forms differ; nothing differs from null, or from an empty list."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found = [f"{path}.{key} is missing" for key in theirs.keys() - ours.keys()]
        found += [f"{path}.{key} is not sent" for key in ours.keys() - theirs.keys()]
        for key in ours.keys() & theirs.keys():
            found += differences(ours[key], theirs[key], f"{path}.{key}")
        return found
    nothing = {"NoneType", "empty", "own"}
    if ours == theirs or {str(ours), str(theirs)} & nothing:
        return []
    return [f"{path} is {ours}, not {theirs}"]


def ask(double, exchange, headers):
    """Send a recorded request to the double; return status, content type and decoded body."""
    request = exchange["request"]
    params = "&".join(f"{k}={v}" for k, v in (request["params"] or {}).items())
    target = request["path"] + (f"?{params}" if params else "")
    body = json.dumps(request["json"]).encode() if request["json"] is not None else b""
    answer = double.answer(request["method"], target, headers, body)
    return answer.status, answer.content_type, json.loads(answer.content)


@pytest.mark.parametrize("name", SAME)
def test_the_double_answers_as_the_recorded_server(recorded_sky, samples, name):
    exchange = samples(name)
    headers = HEADERS.get(name, {"Authorization": f"token {ADMIN}"})
    status, kind, body = ask(recorded_sky, exchange, headers)
    assert status == exchange["status_code"]
    assert kind.split(";")[0] == exchange["headers"]["Content-Type"].split(";")[0]
    theirs = exchange["body"]
    assert differences(form(body), form(theirs)) == []
    if status != 200:
        varying = r"User [\w-]+|phot_id: \d+"
        assert re.sub(varying, "", body["message"]) == re.sub(varying, "", theirs["message"])
        return
    if isinstance(theirs["data"], dict) and "totalMatches" in theirs["data"]:
        ours = body["data"]
        for key in ("totalMatches", "pageNumber", "numPerPage"):
            assert ours.get(key) == theirs["data"].get(key), key
    if name.startswith("sources_"):
        pairs = [[one["id"] for one in each["data"]["sources"]] for each in (body, theirs)]
        assert pairs[0] == pairs[1]
    if name.startswith("photometry_get"):
        for ours, recorded in zip(body["data"], theirs["data"], strict=True):
            for key in ("mjd", "filter", "mag", "magerr", "limiting_mag", "flux", "fluxerr", "snr"):
                assert ours.get(key) == pytest.approx(recorded.get(key)), key


def test_galactic_coordinates_as_the_recorded_server(recorded_sky, samples):
    for name in ("source_get", "sources_cone", "sources_cone_pole"):
        exchange = samples(name)
        body = ask(recorded_sky, exchange, {"Authorization": f"token {ADMIN}"})[2]
        pair = [each["data"] for each in (body, exchange["body"])]
        if name != "source_get":
            pair = [each["sources"][0] for each in pair]
        for key in ("gal_lon", "gal_lat"):
            assert pair[0][key] == pytest.approx(pair[1][key], abs=1e-4)


QUESTIONS = {
    r"^/api/sources/?$": lambda s, n: s.query_criteria(max_rows=-1, cache=False),
    r"^/api/sources/[^/]+$": lambda s, n: s.get_source(n, cache=False),
    r"^/api/sources/[^/]+/photometry$": lambda s, n: s.get_photometry(n, cache=False),
    r"^/api/sources/[^/]+/classifications$": lambda s, n: s.get_classifications(n, cache=False),
    r"^/api/sources/[^/]+/comments$": lambda s, n: s.get_comments(n, cache=False),
    r"^/api/sources/[^/]+/annotations$": lambda s, n: s.get_annotations(n, cache=False),
    r"^/api/candidates$": lambda s, n: s.query_candidates(max_rows=-1, cache=False),
    r"^/api/candidates/[^/]+$": lambda s, n: s.get_candidate(n, cache=False),
}
# Other formats than the one that we ask for, or lists of another kind.
SKIPPED = (
    r"_(flux|mag|plot|vega)$|savesummary|page\d|page_beyond|_p\d|cache|default|phot$|savedafter$"
    r"|_ro_get"
)


def reads(shared):
    """Yield the recorded reads that one of our methods asks for."""
    for path in sorted((shared / "samples" / "skyportal").glob("*.json")):
        exchange = json.loads(path.read_text())
        request = exchange["request"]
        for pattern, question in QUESTIONS.items():
            if request["method"] == "GET" and re.search(pattern, request["path"]):
                yield path.stem, exchange, question


def empty(body):
    data = body["data"]
    return not data or (isinstance(data, dict) and not data.get("totalMatches", 1))


@pytest.mark.filterwarnings(f"ignore::{NoResultsWarning.__module__}.NoResultsWarning")
def test_each_recorded_read_is_understood(skyportal, double, shared):
    tables = refusals = 0
    for name, exchange, question in reads(shared):
        status, body = exchange["status_code"], json.dumps(exchange["body"])
        kind = exchange["headers"]["Content-Type"]
        object_id = exchange["request"]["path"].split("/")[3:4]
        double.faults = {r"sources|candidates": Response(status, body, kind)}
        with conf.set_temp("retries", 0):
            if status >= 400:
                if name == "candidates_beyond":
                    # The end of a list, and no error.
                    assert len(question(skyportal, object_id)) == 0
                    continue
                with pytest.raises((RemoteServiceError, LoginError)) as caught:
                    question(skyportal, object_id[0] if object_id else None)
                assert caught.value.status == status, name
                words = " ".join(exchange["body"]["message"].split())
                assert caught.value.reason == words, name
                refusals += 1
                continue
            if re.search(SKIPPED, name):
                continue
            found = question(skyportal, object_id[0] if object_id else None)
        assert isinstance(found, Table), name
        assert (len(found) == 0) == empty(exchange["body"]), name
        for column in found.colnames:
            assert hasattr(found[column], "scale") or found[column].dtype.kind != "O", name
        tables += 1
    assert tables >= 14 and refusals >= 8, (tables, refusals)


def test_a_page_of_the_recorded_server_in_full(skyportal, double, samples):
    exchange = samples("sources_big")
    double.faults = {"sources": Response(200, exchange["body"])}
    table = skyportal.query_criteria()
    sent = exchange["body"]["data"]["sources"]
    assert table["id"].tolist() == [one["id"] for one in sent]
    assert table["ra"].tolist() == [one["ra"] for one in sent]
    assert table["saved_at"][0].isot[:19] == sent[0]["groups"][0]["saved_at"][:19]
    redshifts = [one["redshift"] for one in sent]
    assert table["redshift"].mask.tolist() == [one is None for one in redshifts]


def test_a_recorded_light_curve(skyportal, double, samples):
    for name in ("ATLAS24abc", "ATLAS24abd"):
        exchange = samples(f"photometry_get_{name}_both")
        double.faults = {"photometry": Response(200, exchange["body"])}
        lc = skyportal.get_photometry(name)
        sent = sorted(exchange["body"]["data"], key=lambda row: row["mjd"])
        assert lc["time"].mjd.tolist() == [row["mjd"] for row in sent]
        assert lc["flux"].mask.tolist() == [row["flux"] is None for row in sent]
        assert [None if m else f for f, m in zip(
            lc["flux"].unmasked.value.tolist(), lc["flux"].mask.tolist(), strict=True
        )] == [row["flux"] for row in sent]  # fmt: skip
        # The cut is ours; the magnitudes of what is above it are the server's.
        ours = lc["detection"].tolist()
        assert ours == [abs(row["snr"] or 0) >= 5 for row in sent]
        for row, mag, err, seen in zip(sent, lc["mag"], lc["mag_err"], ours, strict=True):
            if seen and row["flux"] > 0:
                assert mag.unmasked.value == pytest.approx(row["mag"], abs=1e-9)
                assert err.unmasked.value == pytest.approx(row["magerr"], abs=1e-9)
        limits = lc["limiting_mag"].unmasked.value.tolist()
        assert limits == pytest.approx([row["limiting_mag"] for row in sent])


def test_the_double_stands_by_the_silent_traps(recorded_sky):
    """What the server does silently, so that the client is tested against it."""
    token = {"Authorization": f"token {ADMIN}"}

    def get(target, headers=token):
        answer = recorded_sky.answer("GET", f"/api/{target}", headers, b"")
        return answer.status, json.loads(answer.content)

    assert get("sources?minRedshif=9")[1]["data"]["totalMatches"] == 45
    assert get("sources?group_ids=9&group_ids=3")[1]["data"]["totalMatches"] == 45
    assert get("sources?ra=150&dec=2&radius=0")[1]["data"]["totalMatches"] == 0
    assert get("sources?ra=150&dec=2&radius=180")[1]["data"]["totalMatches"] == 0
    assert get("sources?ra=-1&dec=2&radius=90")[1]["data"]["totalMatches"] == 0
    assert get("sources", {"Authorization": f"Token {ADMIN}"})[0] == 401
    recorded_sky.largest_body //= 10
    body = json.dumps({"a": "x" * (10 * 1024 * 1024)}).encode()
    assert recorded_sky.answer("POST", "/api/sources", token, body).content_type == "text/html"
    assert recorded_sky.answer("GET", "/api/internal/profile", token, b"").status == 200


def test_etag_and_gzip(recorded_sky, skyportal):
    url = f"{recorded_sky.url}sources"
    headers = {"Authorization": f"token {ADMIN}", "Accept-Encoding": "gzip"}
    first = skyportal._session.get(url, headers=headers)
    assert first.headers["Content-Encoding"] == "gzip" and first.json()["data"]["sources"]
    headers["If-None-Match"] = first.headers["Etag"]
    # A client that sends it must expect a 304: ours does not send it.
    assert recorded_sky.answer("GET", "/api/sources", headers, b"").headers["Etag"]
    assert "If-None-Match" not in skyportal._session.headers


def test_each_route_is_registered_once():
    routes = [(one.method, one.pattern.pattern) for one in ROUTES]
    assert len(routes) == len(set(routes))

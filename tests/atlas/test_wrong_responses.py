"""Answers that are not what they should be: nothing wrong gets through, nothing is lost."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from astropy.coordinates import SkyCoord

from atlasquery.atlas import AtlasClass, AtlasSource
from atlasquery.atlas.columns import FORCED
from atlasquery.atlas.photometry import forced_light_curve
from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.tables import decode_rows

ID = 1000005291314656200
CENTRE = SkyCoord(10.0, 20.0, unit="deg")
ENTRY = {"id": ID, "ra": 10.0, "dec": 20.0, "atlas_designation": "ATLAS20bbfr"}
NAMES = (
    "lc",
    "lcnondets",
    "fp",
    "sherlock_crossmatches",
    "sherlock_classifications",
    "tns_crossmatches",
    "external_crossmatches",
)


def item(**entry):
    return {"object": ENTRY | entry, **{name: [] for name in NAMES}}


class Scripted:
    """A server that answers each endpoint with what the test says, and notes the tokens it got."""

    def __init__(self):
        self.answers, self.tokens = {}, []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                scripted.tokens.append(self.headers.get("Authorization"))
                answer = scripted.answers[self.path.rpartition("api/")[2]]
                status, body = answer if isinstance(answer, tuple) else (200, answer)
                body = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.httpd.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.httpd.server_port}/api/"

    def stop(self):
        self.httpd.shutdown()
        self.httpd.server_close()
        self.thread.join()


@pytest.fixture
def scripted():
    made = Scripted()
    yield made
    made.stop()


@pytest.fixture
def other():
    made = Scripted()
    yield made
    made.stop()


@pytest.fixture
def atlas(scripted, tmp_path):
    atlas = AtlasClass(server=scripted.url)
    atlas.cache_location = tmp_path / "answers"
    atlas.login(token="t" * 40)
    with atlas.conf.set_temp("backoff", 0.01):
        yield atlas


@pytest.mark.parametrize("separation", [{}, {"separation": None}])
def test_an_object_without_its_separation_is_found_by_its_position(atlas, scripted, separation):
    scripted.answers = {
        "cone/": [{"object": ID, "objectname": None, **separation}],
        "objects/": [item()],
    }
    assert atlas.query_region(CENTRE, radius="1 arcsec")["atlas_id"].tolist() == [ID]
    with pytest.raises(TableParseError, match="without its separation"):
        atlas.query_region(CENTRE, radius="1 arcsec", positions=False)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([item(id=ID + 1)], f"asked for is {ID}, and the response is of {ID + 1}"),
        ([{"lc": []}], "without an object"),
        ([], "0 objects when asked for 1"),
        ([item(id=1.0000052913146562e18)], "Expected `int`"),
        ({"info": "Max number of objects for each requests is 50,000"}, "Max number of objects"),
    ],
)
def test_an_answer_for_something_else_is_refused(atlas, scripted, answer, words):
    scripted.answers = {"objects/": answer}
    with pytest.raises(TableParseError, match=words) as caught:
        atlas.get_source(ID)
    assert caught.value.service == "ATLAS"
    with pytest.raises(TableParseError):
        atlas.get_source(ID)
    assert len(scripted.tokens) == 2, "a bad answer is not stored"


def test_a_time_that_a_newer_server_sends_with_other_rows_is_no_time_of_ours(
    atlas, scripted, tmp_path
):
    """Rows of a cross-match are not cut to a window of light curves."""
    pytest.importorskip("pyarrow", reason="files are written with the parquet extra")
    answer = item() | {"sherlock_crossmatches": [{"transient_object_id": ID, "time": "10:03"}]}
    scripted.answers = {"objects/": [answer]}
    atlas.download_sources([ID], tmp_path / "files", start=60000)
    table = atlas.read_sources(tmp_path / "files", "sherlock_crossmatches")
    assert len(table) == 1


def test_an_object_without_a_position_still_has_a_light_curve(atlas, scripted):
    scripted.answers = {"objects/": [item(ra=None)]}
    source = atlas.get_source(ID)
    assert len(source.light_curve) == 0
    assert "coordinates" not in source.light_curve.meta
    with pytest.raises(TableParseError, match=f"no position of {ID}"):
        _ = source.coordinates


def test_fewer_groups_than_names(atlas, scripted):
    scripted.answers = {"externalxmlist/": [[]]}
    with pytest.raises(TableParseError, match="returned 1 names when asked for 2"):
        atlas.query_external_names(["2020tjh", "2020abc"])


def test_positions_that_fail_lose_no_failure(atlas, scripted):
    near = SkyCoord([10.0, 50.0], [20.0, 20.0], unit="deg")
    scripted.answers = {
        "cone/": [{"object": ID, "objectname": None, "separation": 0.1}],
        "objects/": (500, {"detail": "it broke"}),
    }
    with pytest.raises(IncompleteResultError, match="it broke") as caught:
        atlas.query_region(near, radius="1 arcsec")
    assert len(caught.value.result) == 0
    assert caught.value.failures[0][0] == "the positions of 1 objects"
    with pytest.warns(InputWarning, match="it broke"):
        found = atlas.query_region(near, radius="1 arcsec", on_error="warn")
    assert "the positions of 1 objects" in found.meta["failures"][0]
    with pytest.raises(RemoteServiceError, match="it broke"):
        atlas.query_region(CENTRE, radius="1 arcsec")


def test_a_server_that_quotes_the_token(atlas, scripted):
    scripted.answers = {"objects/": (400, {"detail": f"bad header Token {'t' * 40}"})}
    with pytest.raises(RemoteServiceError, match=r"bad header Token \.\.\.") as caught:
        atlas.get_objects(ID)
    assert "tttt" not in str(caught.value) + caught.value.reason


def test_measurements_without_a_word_of_limits():
    rows = [
        {"atlas_object_id": ID, "mjd_obs": 60000.0 + n, "filter": "o", "expname": f"x{n}"}
        | {"uJy": flux, "duJy": 10.0, "snr": abs(flux) / 10, "snrdet": 3.0}
        for n, flux in enumerate([1.0, 100.0, -100.0])
    ]
    decoded = decode_rows(FORCED, json.dumps(rows).encode())
    lc = forced_light_curve(decoded, window=(None, None), meta={})
    assert lc["detection"].tolist() == [False, True, True]
    assert lc["mag"].mask.tolist() == [True, False, True]


def test_the_token_of_a_file_goes_to_its_server_only(scripted, other, tmp_path):
    scripted.answers = other.answers = {"cone/": {"count": 3}}
    path = tmp_path / "config.yaml"
    path.write_text(f"token: {'s' * 40}\nbase_url: {scripted.url}\n")
    path.chmod(0o600)
    atlas = AtlasClass()
    atlas.cache_location = tmp_path / "answers"
    with atlas.conf.set_temp("config_file", str(path)), atlas.conf.set_temp("server", other.url):
        assert atlas.count_region(CENTRE, radius="1 arcsec") == 3
        assert scripted.tokens == [f"Token {'s' * 40}"]
        assert other.tokens == []
        # Another login is not for the server of the file.
        atlas.login(token="o" * 40)
        assert atlas.server == other.url
        atlas.count_region(CENTRE, radius="1 arcsec")
    assert other.tokens == [f"Token {'o' * 40}"]


def test_a_login_is_for_the_server_it_was_made_for(scripted, other, tmp_path, monkeypatch):
    scripted.answers = other.answers = {"cone/": {"count": 3}}
    atlas = AtlasClass()
    atlas.cache_location = tmp_path / "answers"
    monkeypatch.setenv("ATLASQUERY_ATLAS_SERVER", scripted.url)
    atlas.login(token="t" * 40)
    atlas.count_region(CENTRE, radius="1 arcsec")
    monkeypatch.setenv("ATLASQUERY_ATLAS_SERVER", other.url)
    with pytest.raises(Exception, match="needs a login"):
        atlas.count_region(CENTRE, radius="1 arcsec")
    assert other.tokens == []


def test_no_proxy_gets_the_token_of_a_server_on_this_machine(atlas, scripted, other, monkeypatch):
    scripted.answers = {"cone/": {"count": 3}}
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other.url)
    assert atlas.count_region(CENTRE, radius="1 arcsec") == 3
    assert other.tokens == []


@pytest.mark.parametrize(
    "address", ["https://me:secret@host/api/", "https://host/api/?token=secret"]
)
def test_an_address_with_a_secret_is_refused_without_showing_it(address):
    with pytest.raises(InvalidQueryError, match="without a login") as caught:
        AtlasClass(server=address).get_objects(ID)
    assert "secret" not in str(caught.value)


BEYOND = 2**63


def test_an_id_beyond_64_bits_is_refused_where_objects_are_located(atlas, scripted):
    scripted.answers = {
        "cone/": [{"object": ID, "objectname": None, "separation": 0.1}],
        "objects/": [item(), item(id=BEYOND)],
    }
    with pytest.raises(TableParseError, match="9223372036854775807"):
        atlas.query_region(CENTRE, radius="1 arcsec")


@pytest.mark.parametrize("query", ["get_source", "get_objects"])
def test_an_id_beyond_64_bits_is_refused_where_objects_are_fetched(atlas, scripted, query):
    scripted.answers = {"objects/": [item(id=BEYOND)]}
    with pytest.raises(TableParseError, match="9223372036854775807"):
        getattr(atlas, query)([ID])


def test_an_id_beyond_64_bits_is_refused_where_a_designation_is_found(atlas, scripted):
    row = {"id": BEYOND, "atlas_designation": "ATLAS20bbfr"}
    scripted.answers = {"objectlist/": [row]}
    with pytest.raises(TableParseError, match="9223372036854775807"):
        atlas.query_object("ATLAS20bbfr")


def test_an_id_beyond_64_bits_is_refused_in_a_file(tmp_path):
    path = tmp_path / "object.json"
    path.write_text(json.dumps(item(id=BEYOND)))
    with pytest.raises(InvalidQueryError, match="9223372036854775807"):
        AtlasSource.read(path)


def test_a_name_of_several_objects_is_refused(atlas, scripted):
    found = [{"transient_object_id": one, "external_designation": "x"} for one in (ID, ID + 1)]
    scripted.answers = {"externalxmlist/": [found]}
    with pytest.raises(InvalidQueryError, match=f"the name of 2 objects.*{ID}, {ID + 1}"):
        atlas.get_light_curve("ZTF26abcdefg")

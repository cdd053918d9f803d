"""Objects by name, against both servers; Sesame is a server on loopback."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import unquote

import pytest
from astropy.coordinates.name_resolve import sesame_url

from atlasquery.atlas.names import atlas_name, tns_name
from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, NotFoundError


@pytest.fixture
def tns(atlas, server):
    """An object with a TNS name: its id, ATLAS designation and TNS name."""
    name = server.manifest["tns_names"][0]
    entry = atlas.query_external_names(name)
    object_id = int(entry["atlas_id"][0])
    return object_id, str(atlas.get_objects(object_id)["name"][0]), name


@pytest.fixture
def sesame(server):
    """A name resolver on loopback that knows one name."""
    ra, dec = server.manifest["clusters"]["main"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = "Great Nebula" in unquote(self.path)
            body = f"# Great Nebula\n%J {ra} {dec} = x\n" if known else "#!S: *** Nothing found\n"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args):
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    with sesame_url.set([f"http://127.0.0.1:{httpd.server_port}/"]):
        yield
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.mark.parametrize("spelling", ["{}", "AT{}", "AT {}", "SN {}", "sn{}"])
def test_tns_name(atlas, tns, spelling):
    object_id, _, name = tns
    found = atlas.query_object(spelling.format(name))
    assert object_id in found["atlas_id"].tolist()
    assert found.meta["matched_by"] == "name in another survey"


def test_atlas_designation(atlas, tns):
    object_id, designation, _ = tns
    found = atlas.query_object(designation)
    assert found["atlas_id"].tolist() == [object_id]
    assert found["name"][0] == designation
    assert atlas.query_object(designation.lower())["atlas_id"].tolist() == [object_id]


def test_id(atlas, tns):
    object_id, *_ = tns
    for given in (object_id, str(object_id)):
        found = atlas.query_object(given)
        assert found["atlas_id"].tolist() == [object_id]
        assert found.meta["matched_by"] == "ATLAS id"


def test_name_that_is_resolved(atlas, server, sesame):
    found = atlas.query_object("Great Nebula", radius="300 arcsec")
    assert set(server.ids("main")) <= set(found["atlas_id"].tolist())
    assert found.meta["matched_by"] == "position from Sesame"
    with pytest.raises(NotFoundError, match=r"none within 0\.001 arcsec .* where Sesame places it"):
        atlas.query_object("Great Nebula", radius="0.001 arcsec")


@pytest.mark.parametrize("name", ["SN 2031zzzz", "No Such Thing", "ATLAS99zzzz"])
def test_name_that_nobody_knows(atlas, sesame, name):
    with pytest.raises(NotFoundError, match=name.replace(" ", ".")):
        atlas.query_object(name)


def test_many_names(atlas, server):
    names = server.manifest["tns_names"][:4]
    with pytest.warns(NoResultsWarning, match="no object with the name AT 2031zzzz"):
        table = atlas.query_external_names([*names, "AT 2031zzzz", names[0]])
    assert set(table["query_index"]) == {0, 1, 2, 3, 5}
    assert all(row["query_name"] == row["name"] for row in table)
    assert table.colnames[:3] == ["query_index", "query_name", "atlas_id"]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "SN 2020a, SN 2020b", None, 12.5])
def test_bad_names_are_refused_before_anything_is_sent(box_atlas, sandbox, name):
    sandbox.clear_requests()
    with pytest.raises(InvalidQueryError, match="name"):
        box_atlas.query_object(name)
    with pytest.raises(InvalidQueryError, match="names"):
        box_atlas.query_external_names(name)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("SN2020tjh", "2020tjh"),
        ("AT 2020TJH", "2020tjh"),
        ("1987a", "1987A"),
        ("2018cow", "2018cow"),
        ("ZTF20abcdefg", None),
        ("M31", None),
    ],
)
def test_spelling_of_tns_names(given, expected):
    assert tns_name(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [("atlas20BBFR", "ATLAS20bbfr"), ("ATLAS 16bk", "ATLAS16bk"), ("ATLAS", None)],
)
def test_spelling_of_atlas_names(given, expected):
    assert atlas_name(given) == expected

"""What the ATLAS API does over HTTP: who may ask, statuses, headers, ways to send.

The same for the sandbox and for the real server.
"""

import re

import pytest
import requests

MAIN = {"ra": 150.0, "dec": 2.2, "radius": 300, "requestType": "count"}
DENIED = "You do not have permission to perform this action."
NO_GET = {"Error": "GET is not implemented for this service."}
REQUIRED = "This field is required."
BLANK = "This field may not be blank."
READS = (
    "cone", "objects", "objectlist", "vrascoreslist", "vratodolist", "vraranklist",
    "objectgroupslist", "externalxmlist",
)  # fmt: skip
WRITES = ("vrascores", "vratodo", "vrarank", "objectgroups", "objectgroupsdelete")
MOVE = "objectdetectionlist"
JSON = {"Accept": "application/json"}


@pytest.mark.parametrize(
    ("user", "status"),
    [("reader", 200), ("reader2", 200), ("writer", 200), ("staff", 200)],
)
def test_users_who_may_read(wire, user, status):
    assert wire.post("cone/", MAIN, user=user).status_code == status


@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        ("", "Authentication credentials were not provided."),
        ("Bearer {reader}", "Authentication credentials were not provided."),
        ("Token " + "9" * 40, "Invalid token."),
        ("Token abc", "Invalid token."),
        ("Token", "Invalid token header. No credentials provided."),
        ("Token a b", "Invalid token header. Token string should not contain spaces."),
        ("Token {expired}", "Token has expired."),
        ("Token {inactive}", "User inactive or deleted."),
        (
            "Token {badgroup}",
            "Could not authenticate: Group has no profile. Please contact administrator.",
        ),
    ],
)
def test_401_says_what_is_wrong(wire, authorization, words):
    tokens = {name: user["token"] for name, user in wire.server.manifest["users"].items()}
    headers = {"Authorization": authorization.format_map(tokens)} if authorization else {}
    response = wire.post("cone/", MAIN, user=None, headers=headers)
    assert response.status_code == 401
    assert response.json() == {"detail": words}
    assert response.headers["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_token_in_the_query(wire, method):
    query = {"token": wire.server.token("reader")}
    data = {"params": {**MAIN, **query}} if method == "GET" else {"params": query, "data": MAIN}
    assert wire(method, "cone/", user=None, **data).json() == {"count": 12}


def test_token_in_the_query_of_a_wrong_form(wire):
    response = wire("GET", "cone/", user=None, params={**MAIN, "token": "a-b"})
    assert (response.status_code, response.json()) == (401, {"detail": "Invalid token format."})


@pytest.mark.parametrize("keyword", ["token", "TOKEN"])
def test_keyword_of_the_header_has_no_case(wire, keyword):
    header = {"Authorization": f"{keyword} {wire.server.token('reader')}"}
    assert wire.post("cone/", MAIN, user=None, headers=header).status_code == 200


@pytest.mark.parametrize("endpoint", [*WRITES, MOVE])
@pytest.mark.parametrize("user", ["reader", "reader2"])
def test_writes_need_write_access(wire, endpoint, user):
    response = wire.post(f"{endpoint}/", {}, user=user)
    assert (response.status_code, response.json()) == (403, {"detail": DENIED})


@pytest.mark.parametrize("endpoint", WRITES)
def test_get_on_a_write_endpoint_is_not_an_error(wire, endpoint):
    response = wire("GET", f"{endpoint}/")
    assert (response.status_code, response.json()) == (200, NO_GET)


def test_headers_of_a_reply(wire):
    response = wire.post("cone/", MAIN, headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Content-Length"] == str(len(response.content)) == "12"
    assert response.headers["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert not {"ETag", "Cache-Control", "Content-Encoding"} & set(response.headers)


def test_connection_is_kept(server):
    headers = {**JSON, "Authorization": f"Token {server.token('reader')}"}
    with requests.Session() as session:
        for _ in range(3):
            session.post(f"{server.url}cone/", MAIN, headers=headers)
        pools = session.adapters["http://"].poolmanager.pools
        (pool,) = (pools[key] for key in pools.keys())  # noqa: SIM118 - not a dictionary
        assert pool.num_connections == 1


@pytest.mark.parametrize("endpoint", [*READS, *WRITES, MOVE])
def test_options_describe_the_endpoint(wire, endpoint):
    reply = wire("OPTIONS", f"{endpoint}/").json()
    assert list(reply) == ["name", "description", "renders", "parses"]
    assert reply["renders"] == ["application/json", "text/html"]
    assert re.sub(r"^tcs|\W", "", reply["name"].lower()).startswith(endpoint[:4])


def test_head_has_no_body(wire):
    response = wire("HEAD", "cone/", params=MAIN)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Length"] == "12"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("endpoint", ["cone", "vrascores"])
def test_slash_is_required(wire, method, endpoint):
    response = wire(method, f"{endpoint}?a=1", data={"b": 2})
    assert response.status_code == 301
    assert response.headers["Location"] == f"/api/{endpoint}/?a=1"


def test_post_without_slash_becomes_a_get_that_writes_nothing(wire):
    headers = {**JSON, "Authorization": f"Token {wire.server.token('writer')}"}
    response = requests.post(f"{wire.server.url}vrascores", {"objectid": 1}, headers=headers)
    assert (response.status_code, response.json()) == (200, NO_GET)


@pytest.mark.parametrize("path", ["nonsense/", "nonsense", "", "cone/more/", "cone//"])
def test_404_is_a_page(wire, path):
    response = wire("GET", path)
    assert (response.status_code, "Error 404" in response.text) == (404, True)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_405(wire, method):
    response = wire(method, "cone/")
    assert response.status_code == 405
    assert response.json() == {"detail": f'Method "{method}" not allowed.'}


def test_405_comes_after_401_and_403(wire):
    assert wire("PUT", "cone/", user=None).status_code == 401
    assert wire("PUT", "vrarank/").status_code == 403
    assert wire("PUT", "vrarank/", user="writer").status_code == 405


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        ("application/json", 200, "application/json"),
        ("*/*", 200, "application/json"),
        ("application/*", 200, "application/json"),
        ("text/html", 200, "text/html; charset=utf-8"),
        ("text/html,*/*;q=0.8", 200, "text/html; charset=utf-8"),
        ("text/html,application/json", 200, "application/json"),
        ("text/html,application/json;q=0.1", 200, "application/json"),
        ("text/xml", 406, "application/json"),
    ],
)
def test_accept(wire, accept, status, kind):
    response = wire.post("cone/", MAIN, headers={"Accept": accept})
    assert (response.status_code, response.headers["Content-Type"]) == (status, kind)
    if status == 406:
        assert response.json() == {"detail": "Could not satisfy the request Accept header."}


def test_406_comes_before_401(wire):
    assert wire("GET", "cone/", user=None, headers={"Accept": "text/xml"}).status_code == 406


def test_errors_are_pages_too_for_a_browser(wire):
    response = wire.post("cone/", {}, headers={"Accept": "text/html"}, user=None)
    assert response.status_code == 401
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("name", "status", "reply"),
    [("json", 200, {"count": 12}), ("xml", 404, {"detail": "Not found."})],
)
def test_format_of_the_query_is_not_ignored(wire, name, status, reply):
    response = wire("GET", "cone/", params={**MAIN, "format": name})
    assert (response.status_code, response.json()) == (status, reply)


@pytest.mark.parametrize("kind", ["text/plain", "text/xml; charset=utf-8", ""])
def test_415(wire, kind):
    response = wire.post("cone/", b"ra=1", headers={"Content-Type": kind} if kind else {})
    assert response.status_code == 415
    assert response.json() == {"detail": f'Unsupported media type "{kind}" in request.'}


def test_414_for_a_long_get(wire):
    ids = ",".join(wire.server.manifest["all_ids"][:250])
    response = wire("GET", "objects/", params={"objects": ids, "mjd": 99999})
    assert response.status_code == 414
    assert response.headers["Content-Type"] == "text/html"
    assert "Request Line is too large" in response.text


@pytest.mark.parametrize("kind", ["data", "json"])
def test_large_body_is_a_page(wire, kind):
    # On a new connection, which the server may end with the reply.
    headers = {**JSON, "Authorization": f"Token {wire.server.token('reader')}"}
    body = {kind: {"objects": "1" * 2_700_000}}
    response = requests.post(f"{wire.server.url}objects/", headers=headers, timeout=60, **body)
    assert response.status_code == 400
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("user", ["reader", "writer"])
@pytest.mark.parametrize("kind", ["data", "json", "files"])
def test_auth_token_gives_the_valid_token(wire, user, kind):
    login = {"username": user, "password": wire.server.password(user)}
    body = {k: (None, v) for k, v in login.items()} if kind == "files" else login
    reply = wire("POST", "auth-token/", user=None, **{kind: body}).json()
    assert list(reply) == ["token", "expires_in", "refreshed"]
    assert (reply["token"], reply["refreshed"]) == (wire.server.token(user), False)
    assert reply["expires_in"] > 3e9


def test_auth_token_of_a_user_without_group_lives_a_day(wire):
    login = {"username": "nogroup", "password": wire.server.password("nogroup")}
    reply = wire.json("auth-token/", login, user=None)
    assert 0 < reply["expires_in"] <= 86400


@pytest.mark.parametrize(
    ("login", "reply"),
    [
        ({"username": "reader", "password": "wrong"}, None),
        ({"username": "nobody", "password": "wrong"}, None),
        ({"username": "inactive", "password": "inactive-password"}, None),
        ({"username": "reader"}, {"password": [REQUIRED]}),
        ({"username": "reader", "password": ""}, {"password": [BLANK]}),
        ({}, {"username": [REQUIRED], "password": [REQUIRED]}),
    ],
)
def test_auth_token_refuses(wire, login, reply):
    words = {"non_field_errors": ["Unable to log in with provided credentials."]}
    assert wire.json("auth-token/", login, user=None, status=400) == (reply or words)


def test_auth_token_of_a_group_without_profile_fails(wire):
    login = {"username": "badgroup", "password": wire.server.password("badgroup")}
    wire.page("auth-token/", login, status=500, user=None)


def test_auth_token_takes_post_only(wire):
    response = wire("GET", "auth-token/", user=None)
    assert (response.status_code, response.json()) == (405, {"detail": 'Method "GET" not allowed.'})
    assert wire("POST", "auth-token/", headers={"Accept": "text/html"}).status_code == 406


def test_auth_token_describes_its_fields(wire):
    fields = wire("OPTIONS", "auth-token/", user=None).json()["actions"]["POST"]
    assert {name: field["required"] for name, field in fields.items()} == {
        "username": True, "password": True, "token": False,
    }  # fmt: skip


def test_auth_token_minds_basic_credentials_but_no_tokens(wire):
    login = {"username": "reader", "password": wire.server.password("reader")}
    wrong = {"Authorization": "Token nonsense"}
    assert wire.post("auth-token/", login, user=None, headers=wrong).status_code == 200
    response = wire.post("auth-token/", login, user=None, auth=("reader", "wrong"))
    assert (response.status_code, response.json()) == (
        403, {"detail": "Invalid username/password."},
    )  # fmt: skip

"""The token: its scheme, how it is judged, and that it is nowhere to be seen."""

import logging
import traceback

import pytest
from astropy.table import Table
from astroquery import log
from clocks import FastClock

from atlasquery.exceptions import (
    InvalidQueryError,
    LoginError,
    NotFoundError,
    QuotaError,
    RemoteServiceError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import PortalError, envelope, html
from atlasquery.sandbox.skyportal.server import ADMIN, READER
from atlasquery.sandbox.skyportal.state import PortalState
from atlasquery.service.secrets import Secret
from atlasquery.skyportal import SkyPortal, SkyPortalClass, conf

PROFILE = "GET /api/internal/profile"
# Another token of the same user, which only the profile knows.
OTHER_TOKEN = "99999999-eeee-4eee-8eee-999999999999"
HIDDEN = (ADMIN, READER, OTHER_TOKEN)


class Lines(logging.Handler):
    """Keeps every line that reaches a logger."""

    def __init__(self):
        super().__init__(0)
        self.lines = []

    def emit(self, record):
        self.lines.append(f"{record.getMessage()} {record.args!r} {vars(record)!r}")


@pytest.fixture
def lines():
    handler, loggers = Lines(), [log, logging.getLogger(), logging.getLogger("urllib3")]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield handler.lines
    for logger, level in before:
        logger.removeHandler(handler)
        logger.setLevel(level)


def seen(error):
    """Return what an error shows, with the variables of its frames."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
        for frame, _ in traceback.walk_tb(error.__traceback__):
            name = frame.f_code.co_filename
            if "/atlasquery/" in name or "/site-packages/" in name:
                texts.append(f"{frame.f_code.co_qualname} {frame.f_locals!r}")
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def hidden_in(text):
    return [secret for secret in HIDDEN if secret in text]


def test_header_is_the_scheme_in_small_letters(skyportal, double):
    skyportal.request("GET", "sysinfo")
    assert double.headers[-1]["authorization"] == f"token {ADMIN}"


def test_login_asks_the_server_whether_it_knows_the_token(double):
    client = SkyPortalClass(double.url)
    assert client.login(token=ADMIN) is True
    assert double.received == [PROFILE]
    assert client.authenticated()


def test_login_with_a_token_that_is_not_known(double):
    client, wrong = SkyPortalClass(double.url), "no-such-token"
    with pytest.raises(LoginError, match="does not know the token from the arguments") as caught:
        client.login(token=wrong)
    assert caught.value.status == 401
    assert "no-such-token" not in seen(caught.value)
    assert not client.authenticated()


def test_login_is_kept_only_when_it_was_accepted(double, monkeypatch):
    kept = {}
    monkeypatch.setattr(
        "atlasquery.skyportal.base.store_in_keyring", lambda name, found: kept.update({name: found})
    )
    client = SkyPortalClass(double.url)
    with pytest.raises(LoginError):
        client.login(token="no-such-token", store=True)
    assert kept == {}
    client.login(token=ADMIN, store=True)
    assert [found.token for found in kept.values()] == [Secret(ADMIN)]


def test_token_from_the_environment(double, monkeypatch):
    monkeypatch.setenv("ATLASQUERY_SKYPORTAL_TOKEN", ADMIN)
    monkeypatch.setenv("ATLASQUERY_SKYPORTAL_SERVER", double.url)
    client = SkyPortalClass()
    assert client.login() is True
    assert double.headers[-1]["authorization"] == f"token {ADMIN}"


def test_login_from_a_file_that_names_the_instance(double, tmp_path):
    file = tmp_path / "login.yaml"
    file.write_text(f"token: {ADMIN}\nbase_url: {double.url.removesuffix('api/')}\n")
    file.chmod(0o600)
    client = SkyPortalClass()
    client.login(config_file=file)
    assert client.server == double.url
    assert double.asked("internal/profile")


def test_a_server_that_cannot_be_reached():
    client = SkyPortalClass("http://127.0.0.1:9/api/")
    with conf.set_temp("retries", 0), pytest.raises(RemoteServiceError, match="cannot be reached"):
        client.login(token=ADMIN)
    assert client._credentials.token == Secret(ADMIN)


def test_nothing_to_log_in_with(double):
    with pytest.raises(LoginError, match="ATLASQUERY_SKYPORTAL_TOKEN"):
        SkyPortalClass(double.url).login()


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("https://fritz.science", "https://fritz.science/api/"),
        ("https://fritz.science/api", "https://fritz.science/api/"),
        ("https://example.org/skyportal/api/", "https://example.org/skyportal/api/"),
    ],
)
def test_server_is_the_address_of_the_api(given, address):
    assert SkyPortalClass(given).server == address
    with conf.set_temp("server", given):
        assert SkyPortal.server == address


def test_anonymous_where_the_instance_allows_it(anonymous, double):
    double.anonymous = True
    double.state.add_source("S1", 10.0, 20.0)
    assert anonymous.get_source("S1")["ra"][0] == 10.0
    assert "authorization" not in double.headers[-1]


def test_anonymous_where_it_does_not(anonymous, double):
    with pytest.raises(LoginError, match=r"to nobody without a token.*SkyPortal\.login") as caught:
        anonymous.get_source("S1")
    assert caught.value.status == 401
    assert len(double.received) == 1


def test_a_missing_permission_is_no_bad_token(reader, double):
    double.faults = {r"^POST ": PortalError(401, "HTTP 401: Unauthorized")}
    with pytest.raises(LoginError, match="does not have the permission for POST") as caught:
        reader._change("POST", "sources", {"id": "x"})
    assert "does not know" not in str(caught.value)
    assert caught.value.reason == "HTTP 401: Unauthorized"
    assert double.received == ["POST /api/sources", PROFILE]
    # It is good for what it is good for.
    assert reader.authenticated()
    assert reader.request("GET", "sysinfo")


def test_a_bad_token_is_no_missing_permission(double):
    client = SkyPortalClass(double.url, token="deleted-token")
    with pytest.raises(LoginError, match="does not know the token") as caught:
        client.get_source("S1")
    assert "permission" not in str(caught.value)
    assert "deleted-token" not in seen(caught.value)
    assert not client.authenticated()


def test_a_401_that_nobody_explains(skyportal, double):
    double.faults = {
        "profile": Response(503, "<title>Down</title>", "text/html"),
        "sources": PortalError(401, "HTTP 401: Unauthorized"),
    }
    with conf.set_temp("retries", 0), pytest.raises(LoginError, match="or the permission"):
        skyportal.get_source("S1")


def test_a_new_token_in_the_environment_is_taken_over(double, monkeypatch):
    monkeypatch.setenv("ATLASQUERY_SKYPORTAL_TOKEN", "old-token")
    double.state.add_source("S1", 10.0, 20.0)
    client = SkyPortalClass(double.url)
    with pytest.raises(LoginError):
        client.get_source("S1", cache=False)
    monkeypatch.setenv("ATLASQUERY_SKYPORTAL_TOKEN", ADMIN)
    assert client.get_source("S1", cache=False)["id"][0] == "S1"


def profile_with(sibling):
    """Return what the route says: all tokens of the user."""
    tokens = [{"id": token} for token in (ADMIN, READER, sibling)]
    return envelope({"username": "admin", "tokens": tokens})


PROFILE_FAULTS = {
    "whole": Response(200, profile_with(OTHER_TOKEN)),
    "broken": Response(500, profile_with(OTHER_TOKEN)),
    "as a page": Response(200, f"<title>{OTHER_TOKEN}</title>", "text/html"),
    "refused": PortalError(400, f"no profile with {OTHER_TOKEN}"),
    "denied": PortalError(401, f"no profile with {OTHER_TOKEN}"),
    "throttled": Response(429, f"<title>{OTHER_TOKEN}</title>", "text/html"),
    "gone": html(404, OTHER_TOKEN),
}


@pytest.mark.parametrize("fault", PROFILE_FAULTS)
def test_nothing_of_the_profile_is_kept_or_shown(double, lines, tmp_path, fault):
    double.faults = {"profile": PROFILE_FAULTS[fault]}
    client = SkyPortalClass(double.url)
    client.cache_location = tmp_path / "answers"
    client._clock = FastClock(1.79e9, 200.0)
    with conf.set_temp("retries", 1):
        if fault == "whole":
            client.login(token=ADMIN)
        else:
            with pytest.raises((LoginError, RemoteServiceError)) as caught:
                client.login(token=ADMIN)
            assert hidden_in(seen(caught.value)) == []
            assert not isinstance(caught.value, QuotaError)
    assert double.asked("profile")
    assert any("internal/profile" in line for line in lines)
    assert hidden_in("\n".join(lines)) == []
    assert not (tmp_path / "answers").exists()


def test_the_profile_is_not_asked_for_by_the_generic_call(skyportal, double):
    for path in (
        "internal/profile",
        "/api/internal/profile/",
        "INTERNAL/profile",
        "internal/tokens",
        f"internal/tokens/{OTHER_TOKEN}",
        "internal//profile",
        "internal/./profile",
        "sources/../internal/profile",
        "internal/profile?x=1",
        "internal/%70rofile",
    ):
        for method in ("GET", "POST", "PATCH"):
            with pytest.raises(InvalidQueryError, match="path="):
                skyportal.request(method, path)
    assert double.received == []


CALLS = {
    "source": lambda s: s.get_source("S1"),
    "photometry": lambda s: s.get_photometry("S1"),
    "list": lambda s: s.query_criteria(),
    "candidates": lambda s: s.query_candidates(),
    "request": lambda s: s.request("GET", "sources"),
    "write": lambda s: s._change("POST", "sources", {"id": "S9"}),
}
FAULTS = {
    "none": None,
    "401": PortalError(401, f"who is {ADMIN}"),
    "403": PortalError(403, f"Insufficient permissions for User {ADMIN} to read Obj S1"),
    "404": PortalError(404, f"{ADMIN} sees no S1"),
    "400": PortalError(400, f"what is {ADMIN}?"),
    "413": html(413, "Request Entity Too Large"),
    "429": html(429, "Too Many Requests"),
    "500": PortalError(500, f"Traceback (most recent call last):\n  x\nKeyError: '{ADMIN}'"),
    "502": html(502, "Bad Gateway"),
    "page": Response(200, "<html><title>Log in</title></html>", "text/html"),
    "half": Response(200, b'{"status": "success", "data": {'),
    "moved": Response(302, "", "text/html", {"Location": "https://evil.example/"}),
}


@pytest.mark.filterwarnings("ignore::astroquery.exceptions.NoResultsWarning")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_token_is_nowhere_however_it_fails(skyportal, double, lines, tmp_path, call, fault):
    double.state.add_source("S1", 10.0, 20.0)
    if FAULTS[fault] is not None:
        double.faults = {r"(sources|candidates)": FAULTS[fault]}
    with conf.set_temp("retries", 1):
        try:
            found = CALLS[call](skyportal)
        except Exception as error:
            assert hidden_in(seen(error)) == []
        else:
            if isinstance(found, Table):
                assert hidden_in(repr(found.meta)) == []
    assert double.headers[-1]["authorization"].endswith(ADMIN) or fault == "none"
    assert hidden_in("\n".join(lines)) == []
    for path in tmp_path.rglob("*"):
        assert hidden_in(str(path)) == []
        assert not path.is_file() or hidden_in(path.read_bytes().decode("latin-1")) == []


def test_the_servers_words_do_not_quote_the_token(skyportal):
    # A token is its own name there: the refusal of an object quotes it.
    with pytest.raises(NotFoundError, match=r"for User \.\.\. to read Obj NOPE"):
        skyportal.get_photometry("NOPE")


def test_answers_are_kept_apart_by_token(double, tmp_path):
    double.state.add_source("S1", 10.0, 20.0, group_ids=(4,))
    first = SkyPortalClass(double.url, token=ADMIN)
    second = SkyPortalClass(double.url, token=READER)
    first.cache_location = second.cache_location = tmp_path
    assert first.get_source("S1", cache=True)["groups"].tolist() == ["Second group"]
    # Anybody sees the source, and not the groups of others.
    assert second.get_source("S1", cache=True)["groups"].mask.all()
    with pytest.raises(NotFoundError):
        second.get_source("S2", cache=True)


def test_repr_and_help_show_no_token(skyportal):
    assert hidden_in(repr(skyportal) + repr(skyportal._credentials) + str(vars(skyportal))) == []


@pytest.mark.parametrize("token", ["", "  ", "two\nlines", 7])
def test_a_token_that_is_none_is_refused(token):
    with pytest.raises(InvalidQueryError, match="token") as caught:
        SkyPortalClass("https://skyportal.example", token=token)
    assert "two\\nlines" not in seen(caught.value)


def test_the_double_knows_these_tokens():
    assert {ADMIN, READER} <= set(PortalState().users)

"""No token and no password in any file, log line, exception, traceback, repr or table."""

import copy
import logging
import pickle
import socket
import sys
import traceback

import pytest
from astroquery import log
from faults import RESET, Reply, answer
from probe import ProbeClass, conf

from atlasquery.atlas import Atlas, AtlasClass
from atlasquery.exceptions import InvalidQueryError, LoginError
from atlasquery.service.credentials import Credentials
from atlasquery.service.deadline import Deadline, _Timed, _TimedReader
from atlasquery.service.secrets import LoginForm, NoAuth, Secret, TokenAuth

TOKEN = "f00dfeed" * 5
PASSWORD = "correct-horse-battery"
HIDDEN = (TOKEN, PASSWORD)


def holds_secret(text):
    return [secret for secret in HIDDEN if secret in text]


class Lines(logging.Handler):
    """Keeps every line that reaches a logger, with its traceback."""

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
        # Below DEBUG, astroquery logs less than at it.
        logger.setLevel(logging.DEBUG)
    yield handler.lines
    for logger, level in before:
        logger.removeHandler(handler)
        logger.setLevel(level)


def locals_of(error):
    """Return what a tool that shows local variables prints of our frames."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error), repr(vars(error)), repr(error.args)]
        texts += traceback.format_exception(error)
        texts += [repr(vars(held)) for held in vars(error).values() if hasattr(held, "headers")]
        for frame, _ in traceback.walk_tb(error.__traceback__):
            ours = "/atlasquery/" in frame.f_code.co_filename
            library = "/site-packages/" in frame.f_code.co_filename
            probe = frame.f_code.co_filename.endswith("probe.py")
            if ours or library or probe:
                texts.append(f"{frame.f_code.co_qualname} {frame.f_locals!r}")
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def login(client, how):
    if how == "token":
        client.login(token=TOKEN)
    else:
        client.login("alice", password=PASSWORD)


GRANT = answer({"token": TOKEN, "expires_in": 1.0, "refreshed": True})
FAULTS = {
    "expired": answer({"detail": "Token has expired."}, status=401),
    "forbidden": answer({"detail": "No."}, status=403),
    "wrong": answer({"non_field_errors": ["Unable to log in."]}, status=400),
    "throttled": answer({"detail": "x"}, status=429, headers={"Retry-After": "999"}),
    "broken": Reply(status=500, body="<title>Error</title>", kind="text/html"),
    "html": Reply(body="<title>Log in</title>", kind="text/html"),
    "half": Reply(body=b'{"token": '),
    "reset": RESET,
    "cut": Reply(body=b"[]", length=9, then="close"),
    "moved": Reply(status=302, headers={"Location": "https://evil.example/"}),
    "silent": Reply(hold=5),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("how", ["token", "password"])
def test_nothing_leaks_however_it_fails(faulty, lines, tmp_path, how, fault):
    faulty.default = lambda r: GRANT if r.path.endswith("auth-token/") else FAULTS[fault]
    client = ProbeClass(faulty.url)
    login(client, how)
    logins = len(faulty.received)
    with conf.set_temp("timeout", 0.1 if fault == "silent" else 30.0):
        for call in (
            lambda: client.read(cache=True, ra=1),
            lambda: client.write(objectid=1),
            lambda: client._request("GET", faulty.url + "a/", params={"q": 1}),
        ):
            try:
                call()
            except Exception as error:
                assert holds_secret(locals_of(error)) == []
            else:
                assert fault in ("html", "half")
    assert TOKEN in {r.token for r in faulty.arrived(logins + 3)[logins:]}
    assert holds_secret("\n".join(lines)) == []
    assert any("PROBE: " in line or "Trying again" in line for line in lines) or fault == "moved"
    for path in tmp_path.rglob("*"):
        assert holds_secret(str(path)) == []
        assert not path.is_file() or holds_secret(path.read_bytes().decode("latin-1")) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_leaks_from_a_login_that_fails(faulty, lines, fault):
    faulty.default = FAULTS[fault]
    with conf.set_temp("timeout", 0.1 if fault == "silent" else 30.0):
        for keywords in ({"password": PASSWORD}, {"password": PASSWORD, "store": True}):
            with pytest.raises(Exception) as caught:
                ProbeClass(faulty.url).login("alice", **keywords)
            assert holds_secret(locals_of(caught.value)) == []
    assert {r.form["password"] for r in faulty.arrived(2)} == {PASSWORD}
    assert holds_secret("\n".join(lines)) == []


class Stop(BaseException):
    """What a signal may raise anywhere."""


@pytest.mark.parametrize("where", ["connecting", "sending", "receiving", "reading the body"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop, ZeroDivisionError])
def test_nothing_leaks_from_what_a_signal_breaks_off(faulty, monkeypatch, where, error):
    waits = {
        "connecting": (socket.socket, "connect"),
        "sending": (_Timed, "send"),
        "receiving": (_TimedReader, "readinto"),
        "reading the body": (Deadline, "check"),
    }
    broken = ProbeClass(faulty.url)
    broken.login(token=TOKEN)

    def interrupted(self, *args):
        held = sys._getframe(1)
        while held and where == "reading the body" and held.f_code.co_name != "_body":
            held = held.f_back
        if held:
            raise error("stopped")
        return 1.0

    for call in (
        lambda: broken.read(ra=1),
        lambda: broken.write(objectid=1),
        lambda: ProbeClass(faulty.url).login("alice", password=PASSWORD),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(*waits[where], interrupted)
            with pytest.raises(error) as caught:
                call()
        assert holds_secret(locals_of(caught.value)) == []


def test_nothing_leaks_from_a_renewal(faulty, lines, monkeypatch):
    monkeypatch.setenv("ATLASQUERY_PROBE_USERNAME", "alice")
    monkeypatch.setenv("ATLASQUERY_PROBE_PASSWORD", PASSWORD)
    faulty.script(GRANT, FAULTS["expired"], FAULTS["wrong"])
    with pytest.raises(LoginError) as caught:
        ProbeClass(faulty.url).read()
    assert holds_secret(locals_of(caught.value)) == []
    assert holds_secret("\n".join(lines)) == []


@pytest.mark.parametrize("name", ["token", "password"])
def test_nothing_leaks_from_a_value_that_is_refused(faulty, name):
    value = {"token": TOKEN, "password": PASSWORD}[name] + "\nx"
    for keywords in ({name: value}, {name: value, "usrname": "a"}):
        with pytest.raises((InvalidQueryError, TypeError)) as caught:
            ProbeClass(faulty.url).login(**keywords)
        assert holds_secret(locals_of(caught.value)) == []


def test_nothing_leaks_from_a_config_file_that_warns(faulty, tmp_path):
    path = tmp_path / "c.yml"
    path.write_text(f"username: alice\npassword: {PASSWORD}\ntoken: '{TOKEN}'\n")
    path.chmod(0o644)
    with pytest.raises(Warning, match="chmod 600") as caught:
        ProbeClass(faulty.url).login(config_file=path)
    assert holds_secret(locals_of(caught.value)) == []
    path.chmod(0o600)
    path.write_text(f"password: '{PASSWORD}\ntoken: {TOKEN}\n")
    with pytest.raises(InvalidQueryError, match="is not YAML") as caught:
        ProbeClass(faulty.url).login(config_file=path)
    assert holds_secret(locals_of(caught.value)) == []


def test_response_carries_no_credentials(faulty, probe):
    probe.login(token=TOKEN)
    faulty.default = answer([1])
    for method in ("GET", "POST"):
        for response in (
            probe._request(method, faulty.url),
            probe._request(method, faulty.url, cache=False),
        ):
            assert "Authorization" not in response.request.headers
            assert holds_secret(repr(vars(response)) + repr(vars(response.request))) == []
            assert holds_secret(pickle.dumps(response).decode("latin-1")) == []
    response = probe._post_unsigned("auth-token/", {"password": Secret(PASSWORD)})
    assert holds_secret(pickle.dumps(response).decode("latin-1")) == []
    assert faulty.received[-1].form == {"password": PASSWORD}


def test_answers_stored_are_free_of_credentials(faulty, probe, tmp_path):
    probe.login(token=TOKEN)
    faulty.default = answer(["data"])
    probe.read(cache=True)
    probe._request("GET", faulty.url)
    stored = list(tmp_path.rglob("*.answer"))
    assert len(stored) == 2
    for path in stored:
        content = path.read_bytes().decode()
        assert "data" in content
        assert holds_secret(content) == []
        assert Secret(TOKEN).fingerprint() not in content + str(path)


def test_objects_that_hold_secrets_do_not_show_them(faulty):
    secret = Secret(TOKEN)
    credentials = Credentials("alice", Secret(PASSWORD), secret)
    client = ProbeClass(faulty.url)
    client.login(token=TOKEN)
    shown = [secret, credentials, TokenAuth(secret), LoginForm({"p": secret}), client, client._auth]
    shown += [vars(client), vars(TokenAuth(secret)), vars(LoginForm({"p": secret})), [secret]]
    shown += [client._auth(required=True), client._credentials, NoAuth()]
    for thing in shown:
        assert holds_secret(f"{thing} {thing!r} {thing!s}") == []
    assert repr(secret) == str(secret) == f"{secret}" == "<Secret>"
    assert secret.reveal() == TOKEN
    assert repr(TokenAuth(secret)) == "<TokenAuth Token ...>"
    assert secret == Secret(TOKEN)
    assert secret != Secret(PASSWORD)
    assert secret != TOKEN
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("copying", [pickle.dumps, copy.copy, copy.deepcopy])
def test_secrets_are_not_copied_out(copying):
    for thing in (Secret(TOKEN), Credentials(token=Secret(TOKEN)), TokenAuth(Secret(TOKEN))):
        if copying is copy.copy and not isinstance(thing, Secret):
            continue
        with pytest.raises(TypeError, match="not pickled"):
            copying(thing)


@pytest.mark.parametrize("cls", [LoginError, InvalidQueryError])
def test_exceptions_survive_another_process(cls):
    error = pickle.loads(pickle.dumps(cls("words")))
    assert (type(error), str(error)) == (cls, "words")


def test_atlas_against_the_sandbox(sandbox, lines, tmp_path):
    reader = sandbox.users["reader"]
    client = AtlasClass(sandbox.url)
    client.login("reader", password=reader.password)
    lists = client.get_objects([int(i) for i in sandbox.manifest["ids"]["field"]][:2])
    shown = f"{lists.meta} {client!r} {Atlas!r} {lines}"
    shown += "".join(p.read_bytes().decode("latin-1") for p in tmp_path.rglob("*") if p.is_file())
    assert lists.meta["service"] == "ATLAS Transient Server"
    assert reader.token not in shown
    assert reader.password not in shown


def test_a_secret_is_compared_and_not_pickled():
    assert len({Secret(TOKEN), Secret(TOKEN), Secret(PASSWORD)}) == 2
    with pytest.raises(TypeError, match="log in again in the other process") as caught:
        pickle.dumps(Secret(TOKEN))
    assert not holds_secret(str(caught.value))

"""Where credentials come from, in which order, and what is said when there are none."""

import io
import os
import pty
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path

import keyring
import pytest
from astroquery import log
from faults import answer
from keyring.backends.fail import Keyring as NoKeyring
from keyrings import FailingKeyring
from probe import OpenProbe, ProbeClass, conf

from atlasquery.exceptions import (
    AuthenticationWarning,
    InvalidQueryError,
    LoginError,
    RemoteServiceError,
)

FOLDER = str(Path(__file__).parent)
PW = {"alice": "alice-hunter2-pw", "bob": "bob-swordfish-pw"}


@pytest.fixture
def client(faulty, accounts):
    return ProbeClass(faulty.url)


@pytest.fixture
def place(client):
    """The name under which the keyring knows the server."""
    return f"atlasquery:Probe:{client.server}"


def environment(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setenv(f"ATLASQUERY_PROBE_{name.upper()}", value)


def config_file(path, text, mode=0o600):
    path.write_text(textwrap.dedent(text))
    path.chmod(mode)
    return path


def test_login_returns_true_and_is_known(client, accounts):
    assert client.authenticated() is False
    assert client.login("alice", password=PW["alice"]) is True
    assert client.authenticated() is True
    assert repr(client) == f"<ProbeClass at {client.server}, logged in>"
    assert client.read() == {"user": "alice"}
    assert accounts.issued == 1


def test_a_token_is_not_called_good_before_the_server_says_so(faulty):
    client = ProbeClass(faulty.url)
    unchecked = f"<ProbeClass at {client.server}, with a token that is not checked yet>"
    level = log.level
    log.setLevel("INFO")
    with log.log_to_list() as lines:
        assert client.login(token="good" * 10)
    log.setLevel(level)
    words = "PROBE: the token is not checked yet; the next query does"
    assert [line.getMessage() for line in lines] == [words]
    assert repr(client) == unchecked
    faulty.default = answer([])
    client.read()
    assert repr(client) == f"<ProbeClass at {client.server}, logged in>"
    client.login(token="evil" * 10)
    assert repr(client) == unchecked
    faulty.default = answer({"detail": "Invalid token."}, status=401)
    with pytest.raises(LoginError):
        client.read(cache=False)
    assert repr(client) == f"<ProbeClass at {client.server}, not logged in yet>"


def test_wrong_password(client, faulty):
    with pytest.raises(LoginError, match="Unable to log in with provided") as caught:
        client.login("alice", password="wrong")
    assert (caught.value.service, caught.value.status) == ("PROBE", 400)
    assert caught.value.url == faulty.url + "auth-token/"
    assert caught.value.reason == "Unable to log in with provided credentials."
    assert client.authenticated() is False
    assert len(faulty.received) == 1


def test_server_that_fails_at_the_login_is_no_wrong_password(client, faulty):
    faulty.default = answer({"detail": "down"}, status=503)
    with pytest.raises(RemoteServiceError, match="status 503"):
        client.login("alice", password=PW["alice"])
    assert len(faulty.received) == 1


def test_order_of_the_sources(client, accounts, monkeypatch, tmp_path, vault, place, faulty):
    tokens = {user: accounts.issue(user) for user in ("given", "env", "file", "ring")}

    def who(**login):
        fresh = ProbeClass(faulty.url)
        if login:
            fresh.login(**login)
        return fresh.read()["user"]

    with pytest.raises(LoginError):
        who()
    vault[place, "token"] = tokens["ring"]
    assert who() == "ring"
    path = config_file(tmp_path / "c.yml", f"token: '{tokens['file']}'\n")
    with conf.set_temp("config_file", str(path)):
        assert who() == "file"
        environment(monkeypatch, token=tokens["env"])
        assert who() == "env"
        assert who(token=tokens["given"]) == "given"
        assert who(config_file=path) == "file"


def test_environment_password_logs_in_once(client, accounts, monkeypatch):
    environment(monkeypatch, username="bob", password=PW["bob"])
    assert [client.read() for _ in range(3)] == [{"user": "bob"}] * 3
    assert accounts.issued == 1


def test_server_of_the_environment_is_read_when_used(faulty, accounts, monkeypatch):
    client = OpenProbe()
    environment(monkeypatch, server=faulty.url.rstrip("/"))
    assert client.server == faulty.url
    assert client.read() == {"user": "nobody"}
    with conf.set_temp("server", "https://other.example/api"):
        monkeypatch.delenv("ATLASQUERY_PROBE_SERVER")
        assert client.server == "https://other.example/api/"


@pytest.mark.parametrize("named", [{}, {"username": "bob"}])
def test_environment_of_another_user_is_not_used(
    client, accounts, monkeypatch, named, vault, place
):
    environment(monkeypatch, token=accounts.issue("bob"), password=PW["bob"], **named)
    if named:
        with pytest.raises(LoginError, match="for user 'alice'"):
            client.login("alice")
    else:
        with pytest.raises(LoginError, match="does not accept the password of 'alice'"):
            client.login("alice")
        monkeypatch.delenv("ATLASQUERY_PROBE_PASSWORD")
    vault[place, "alice"] = PW["alice"]
    client.login("alice")
    assert client.read() == {"user": "alice"}


def test_user_of_the_environment_with_the_password_of_the_keyring(
    client, monkeypatch, vault, place
):
    environment(monkeypatch, username="alice")
    vault[place, "alice"] = PW["alice"]
    vault[place, "last-username"], vault[place, "bob"] = "bob", PW["bob"]
    assert client.read() == {"user": "alice"}


def test_token_with_a_line_break_at_its_end(client, accounts, monkeypatch):
    environment(monkeypatch, token=accounts.issue("bob") + "\r\n")
    assert client.read() == {"user": "bob"}


@pytest.mark.parametrize("token", ["abc\ndef", "abc def", "abc…", "abc\x00"])
def test_token_that_is_none_is_refused_without_showing_it(client, monkeypatch, faulty, token):
    if "\x00" in token:
        client.login(token=token)
    else:
        environment(monkeypatch, token=token)
    with pytest.raises(LoginError, match="Copy it again") as caught:
        client.read()
    assert "abc" not in repr(caught.value) + str(caught.value)
    assert faulty.received == []


@pytest.mark.parametrize(
    "text",
    [
        "username: alice\npassword: alice-hunter2-pw\n",
        "{username: alice, password: 'alice-hunter2-pw', token: }\n",
    ],
)
def test_config_file_with_a_password(client, tmp_path, text):
    path = config_file(tmp_path / "c.yml", text)
    assert client.login(config_file=str(path)) is True
    assert client.read() == {"user": "alice"}
    assert ProbeClass(client.server).login("alice", config_file="~/c.yml") is True
    with pytest.raises(LoginError, match="for user 'bob'"):
        client.login("bob", config_file=path)


def test_config_file_with_a_token_of_nobody_knows_whom(client, accounts, tmp_path):
    path = config_file(tmp_path / "c.yml", f"token: '{accounts.issue('bob')}'\n")
    with pytest.raises(LoginError, match="for user 'alice'"):
        client.login("alice", config_file=path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("username: alice\npassword: 'alice-hunter2-pw\n", "is not YAML"),
        ("password: a: alice-hunter2-pw: {\n", "is not YAML"),
        ("alice-hunter2-pw", "should have lines such as"),
        ("- alice-hunter2-pw", "should have lines such as"),
        ("", "should have lines such as"),
        ("username: alice\npassword: 0123\n", "password in quotes"),
        ("token: 1234\n", "token in quotes"),
        ("token: [alice-hunter2-pw]\n", "token in quotes"),
        ("x: 2020-13-45\npassword: alice-hunter2-pw\n", "is not YAML"),
        ("x: !!python/object/apply:os.system [alice-hunter2-pw]\n", "is not YAML"),
    ],
)
def test_config_file_that_is_wrong_is_not_quoted(client, tmp_path, text, words):
    path = config_file(tmp_path / "c.yml", text)
    with pytest.raises(InvalidQueryError, match=words) as caught:
        client.login(config_file=path)
    error = caught.value
    while error is not None:
        assert "hunter2" not in f"{error!s} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__
    assert str(path) in str(caught.value)


def test_config_file_that_is_missing(client, tmp_path):
    with pytest.raises(InvalidQueryError, match=r"nowhere.yml.*cannot be read: No such file"):
        client.login(config_file=tmp_path / "nowhere.yml")
    with pytest.raises(InvalidQueryError, match="is not YAML"):
        (tmp_path / "b.yml").write_bytes(b"\xff\xfe\xfa")
        client.login(config_file=tmp_path / "b.yml")


@pytest.mark.parametrize(("mode", "warns"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1)])
def test_config_file_that_others_can_read(client, tmp_path, mode, warns):
    path = config_file(tmp_path / "c.yml", "token: 'abc'\n", mode)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client.login(config_file=path)
    assert [w.category for w in caught] == [AuthenticationWarning] * warns
    assert all(f"chmod 600 {path}" in str(w.message) for w in caught)


def test_store_puts_the_login_into_the_keyring_only(client, vault, place, tmp_path):
    client.login("alice", password=PW["alice"], store=True)
    token = client._credentials.token.reveal()
    login = {"alice": PW["alice"], "last-username": "alice", "token": token}
    assert vault == {(place, name): value for name, value in login.items()}
    assert ProbeClass(client.server).read() == {"user": "alice"}
    written = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    assert not any(b"hunter2" in content for content in written)


def test_nothing_is_stored_unasked(client, vault):
    client.login("alice", password=PW["alice"])
    client.read()
    assert vault == {}


def test_stored_logins_of_two_users_do_not_mix(client, accounts, vault, place, faulty):
    token = accounts.issue("bob")
    client.login(token=token, store=True)
    assert ProbeClass(faulty.url).read() == {"user": "bob"}
    client.login("alice", password=PW["alice"], store=True)
    assert ProbeClass(faulty.url).read() == {"user": "alice"}
    client.login(token=token, store=True)
    assert ProbeClass(faulty.url).read() == {"user": "bob"}
    assert (place, "last-username") not in vault


def test_refused_login_is_not_stored(client, vault):
    with pytest.raises(LoginError):
        client.login("alice", password="wrong", store=True)
    assert vault == {}


@pytest.mark.parametrize("ring", [FailingKeyring(), FailingKeyring(KeyError("odd")), NoKeyring()])
def test_keyring_that_fails_is_no_error(client, accounts, ring):
    keyring.set_keyring(ring)
    with pytest.raises(LoginError, match="no credentials were found"):
        client.read()
    with pytest.raises(InvalidQueryError, match="store=True needs a keyring"):
        client.login("alice", password=PW["alice"], store=True)
    assert client.login("alice", password=PW["alice"]) is True


def test_without_a_terminal_nobody_is_asked(client, faulty, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for call in (client.read, client.write, client.login, lambda: client.login("alice")):
        with pytest.raises(LoginError) as caught:
            call()
        for word in ("Probe.login()", "_PROBE_TOKEN", "_PROBE_USERNAME", "_PROBE_PASSWORD"):
            assert word in str(caught.value)
    assert faulty.received == []


ASKING = """
import sys
sys.path.insert(0, {folder!r})
from probe import ProbeClass
client = ProbeClass({url!r})
client.login({arguments})
print("USER", client.read()["user"])
"""


TAKE_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"


@pytest.mark.parametrize(
    ("arguments", "typed"), [("", b"alice\nalice-hunter2-pw\n"), ("'alice'", b"alice-hunter2-pw\n")]
)
def test_person_at_a_terminal_is_asked(faulty, accounts, arguments, typed, tmp_path):
    code = ASKING.format(folder=FOLDER, url=faulty.url, arguments=arguments)
    env = dict(os.environ, PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring", TERM="dumb")
    # Not a fork, which a process with threads should not do: the other takes the terminal itself.
    terminal, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL + code],
        env=env, stdin=inner, stdout=inner, stderr=inner, start_new_session=True,
    )  # fmt: skip
    os.close(inner)
    shown = b""
    lines = typed.splitlines(keepends=True)
    try:
        while piece := os.read(terminal, 1000):
            shown += piece
            if (
                lines
                and shown.rstrip().endswith(b":")
                and shown.count(b"for atlasquery") == (len(typed.splitlines()) - len(lines) + 1)
            ):
                time.sleep(0.05)
                os.write(terminal, lines.pop(0))
    except OSError:
        pass
    finally:
        os.close(terminal)
    assert process.wait(timeout=600) == 0, shown.decode()
    assert b"USER alice" in shown
    assert b"hunter2" not in shown


def test_script_without_a_terminal_ends_instead_of_hanging(faulty, accounts):
    code = ASKING.format(folder=FOLDER, url=faulty.url, arguments="'alice'")
    env = dict(os.environ, PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring")
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        input=b"",
        capture_output=True,
        timeout=600,
    )
    assert run.returncode == 1
    assert b"LoginError: PROBE needs a login" in run.stderr


def test_misspelled_keyword_is_corrected(client):
    with pytest.raises(TypeError, match=r"no argument 'tokn'; did you mean 'token'\?"):
        client.login(tokn="x")
    with pytest.raises(TypeError, match=r"did you mean 'password'\?"):
        client.login("alice", pasword="x")


@pytest.mark.parametrize(
    "login", [{"token": ""}, {"token": 5}, {"username": " "}, {"password": "x"}, {"token": "a\nb"}]
)
def test_wrong_arguments_are_refused(client, faulty, login):
    with pytest.raises(InvalidQueryError, match=next(iter(login))):
        client.login(**login)
    assert faulty.received == []


def test_logout_forgets_and_stays_out(client, accounts, monkeypatch):
    environment(monkeypatch, username="alice", password=PW["alice"])
    assert client.read() == {"user": "alice"}
    client.logout()
    assert client.authenticated() is False
    with pytest.raises(LoginError):
        client.read()
    assert accounts.issued == 1
    assert client.login() is True
    assert client.read() == {"user": "alice"}


def test_fresh_instance_is_independent(client, accounts):
    client.login("alice", password=PW["alice"])
    other = client(client.server)
    with pytest.raises(LoginError):
        other.read()
    other.login("bob", password=PW["bob"])
    client.logout()
    assert other.read() == {"user": "bob"}
    assert other.authenticated() and not client.authenticated()


def test_eight_threads_renew_an_expired_token_once(client, accounts, faulty):
    client.login("alice", password=PW["alice"])
    accounts.expire()
    accounts.hold = 0.1
    faulty.received.clear()
    got, start = [], threading.Barrier(8)

    def work():
        start.wait()
        got.append(client.read())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [{"user": "alice"}] * 8
    assert len(faulty.asked("auth-token/")) == 1
    # Threads that start after the renewal have no need to be refused first.
    assert 9 <= len(faulty.asked("things/")) <= 16

"""What happens when a token expires: renewed once where that is right, else said so."""

import threading

import pytest
from faults import Accounts, answer
from probe import ProbeClass, conf

from atlasquery.exceptions import InvalidQueryError, LoginError, RemoteServiceError


@pytest.fixture
def client(faulty, accounts):
    made = ProbeClass(faulty.url)
    made.login("alice", password="alice-hunter2-pw")
    accounts.expire()
    faulty.received.clear()
    return made


def test_write_is_sent_again_after_a_refused_token(client, faulty):
    client.write(objectid="1")
    sent = faulty.asked("deeds/")
    assert [r.form for r in sent] == [{"objectid": "1"}] * 2
    assert sent[0].token != sent[1].token
    assert len(faulty.asked("auth-token/")) == 1


def test_changed_password_is_tried_once_by_all_threads(client, accounts, faulty):
    accounts.passwords["alice"] = "another"
    accounts.hold = 0.05
    errors = []

    def work():
        try:
            client.read()
        except LoginError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 8
    assert any("does not accept the password of 'alice'" in error for error in errors)
    assert len(faulty.asked("auth-token/")) == 1
    assert client.authenticated() is False
    assert client.login("alice", password="another") is True
    assert client.read() == {"user": "alice"}


def test_server_that_fails_at_the_renewal(client, accounts, faulty):
    faulty.script(accounts, answer({"detail": "down"}, status=503))
    with pytest.raises(RemoteServiceError, match="503"):
        client.read()
    assert client.read() == {"user": "alice"}


def test_renewal_that_gives_the_same_dead_token(client, faulty):
    dead = client._credentials.token.reveal()
    refused = answer({"detail": "Token has expired."}, status=401)
    faulty.default = lambda r: answer({"token": dead}) if "auth" in r.path else refused
    with pytest.raises(LoginError, match="Token has expired") as caught:
        client.read()
    assert (caught.value.service, caught.value.status) == ("PROBE", 401)
    assert len(faulty.asked("things/")) == 1


def test_new_token_that_is_refused_too(client, faulty):
    tokens = iter("abc")
    refused = answer({"detail": "User inactive or deleted."}, status=401)
    faulty.default = lambda r: answer({"token": next(tokens)}) if "auth" in r.path else refused
    with pytest.raises(LoginError, match="User inactive or deleted"):
        client.read()
    assert len(faulty.asked("things/")) == 2
    assert len(faulty.asked("auth-token/")) == 1


def test_token_of_the_arguments_is_not_exchanged_for_another_users(
    client, accounts, faulty, monkeypatch
):
    monkeypatch.setenv("ATLASQUERY_PROBE_USERNAME", "bob")
    monkeypatch.setenv("ATLASQUERY_PROBE_PASSWORD", "bob-swordfish-pw")
    client.login(token="0123456789")
    with pytest.raises(LoginError) as caught:
        client.read()
    for word in ("(status 401)", "Token has expired.", "the arguments", "Probe.login()"):
        assert word in str(caught.value)
    assert caught.value.url == faulty.url + "things/"
    assert faulty.asked("auth-token/") == []
    assert client.authenticated() is False


def test_token_of_the_environment_is_renewed_with_its_password(faulty, accounts, monkeypatch):
    monkeypatch.setenv("ATLASQUERY_PROBE_TOKEN", "stale")
    monkeypatch.setenv("ATLASQUERY_PROBE_USERNAME", "bob")
    monkeypatch.setenv("ATLASQUERY_PROBE_PASSWORD", "bob-swordfish-pw")
    client = ProbeClass(faulty.url)
    assert client.read() == {"user": "bob"}
    assert len(faulty.asked("auth-token/")) == 1


def test_token_that_was_replaced_in_the_file_is_found(faulty, accounts, tmp_path):
    path = tmp_path / "config.yaml"
    path.touch(mode=0o600)
    path.write_text("token: stale\n")
    client = ProbeClass(faulty.url)
    client.login(config_file=path)
    path.write_text(f"token: '{accounts.issue('bob')}'\n")
    assert client.read() == {"user": "bob"}
    assert len(faulty.received) == 2


def test_file_that_is_gone_when_its_token_is_refused(faulty, accounts, tmp_path):
    path = tmp_path / "config.yaml"
    path.touch(mode=0o600)
    path.write_text("token: stale\n")
    client = ProbeClass(faulty.url)
    client.login(config_file=path)
    path.unlink()
    with pytest.raises(LoginError, match=r"status 401.*config\.yaml"):
        client.read()
    assert len(faulty.received) == 1


@pytest.mark.parametrize(
    "words", ["Invalid token.", "Token has expired.", "Group has no profile.", ""]
)
def test_words_of_a_refusal(faulty, probe, words):
    faulty.default = answer({"detail": words}, status=401)
    with pytest.raises(LoginError) as caught:
        probe.read()
    assert caught.value.reason == (words or "Said")
    assert len(faulty.received) == 1


def test_logout_while_a_request_is_under_way(client, accounts, faulty):
    def meanwhile(received):
        client.logout()
        return accounts(received)

    faulty.script(meanwhile)
    with pytest.raises(LoginError, match="needs a login"):
        client.read()
    assert faulty.asked("auth-token/") == []


def test_netrc_and_cookies_are_left_alone(faulty, tmp_path, probe, anonymous):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login nosy password netrc-pw\n")
    (tmp_path / ".netrc").chmod(0o600)
    faulty.default = answer([], headers={"Set-Cookie": "sessionid=abc; Path=/"})
    for client in (probe, anonymous):
        for _ in range(2):
            client.read()
            client.write()
            client._request("GET", faulty.url, cache=False)
            client._request("GET", faulty.url + f"{client.login_required}", save=True)
    tokens = [r.headers.get("authorization") for r in faulty.received]
    assert set(tokens[: len(tokens) // 2]) == {"Token " + "t0ken" + "5ecret" * 5}
    assert set(tokens[len(tokens) // 2 :]) == {None}
    assert [r for r in faulty.received if "cookie" in r.headers] == []


def test_token_goes_to_the_own_server_only(elsewhere, probe, tmp_path):
    netrc = [f"machine {host} login nosy password x\n" for host in ("127.0.0.1", "localhost")]
    (tmp_path / ".netrc").write_text("".join(netrc))
    (tmp_path / ".netrc").chmod(0o600)
    elsewhere.default = Accounts()
    for url in (elsewhere.url, elsewhere.url.replace("127.0.0.1", "localhost")):
        assert probe._request("GET", url).json() == {"user": "nobody"}
    assert [r.headers.get("authorization") for r in elsewhere.received] == [None, None]


@pytest.fixture
def write(tmp_path):
    """Write the configuration file of a login."""
    path = tmp_path / "config.yaml"
    path.touch(mode=0o600)

    def put(**lines):
        path.write_text("".join(f"{name}: '{value}'\n" for name, value in lines.items()))
        return path

    return put


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(
    "later", [{"token": "t" * 40}, {"username": "bob", "password": "bob-swordfish-pw"}]
)
def test_login_that_is_now_for_another_server_is_not_sent(
    faulty, elsewhere, accounts, write, later, given
):
    client = ProbeClass(faulty.url if given else None)
    client.login(config_file=write(base_url=faulty.url, token="stale" * 8))
    write(base_url=elsewhere.url, **later)
    with pytest.raises(LoginError, match="now has a login for") as caught:
        client.read()
    assert elsewhere.url in str(caught.value)
    assert [r.token for r in faulty.received] == ["stale" * 8]
    assert elsewhere.received == []
    assert client.server == faulty.url


def test_login_that_is_now_for_the_configured_server_is_not_sent(
    faulty, elsewhere, accounts, write
):
    client = ProbeClass()
    client.login(config_file=write(base_url=faulty.url, token="stale" * 8))
    write(token="t" * 40)
    with pytest.raises(LoginError, match=r"the server of conf\.server"):
        client.read()
    with conf.set_temp("server", faulty.url):
        client.login(config_file=write(token="stale" * 8))
        write(base_url=elsewhere.url, token="t" * 40)
        with pytest.raises(LoginError, match="now has a login for"):
            client.read()
    assert {r.token for r in faulty.received} == {"stale" * 8}


def test_server_that_changes_while_a_token_is_refused(faulty, elsewhere, accounts, monkeypatch):
    monkeypatch.setenv("ATLASQUERY_PROBE_SERVER", faulty.url)
    client = ProbeClass()
    client.login("alice", password="alice-hunter2-pw")
    accounts.expire()

    def meanwhile(received):
        monkeypatch.setenv("ATLASQUERY_PROBE_SERVER", elsewhere.url)
        return accounts(received)

    faulty.script(meanwhile)
    with pytest.raises(LoginError, match="401"):
        client.read()
    assert elsewhere.received == []


def test_relative_file_is_found_after_a_change_of_directory(
    faulty, accounts, write, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write(token="stale")
    client = ProbeClass(faulty.url)
    client.login(config_file="config.yaml")
    write(token=accounts.issue("bob"))
    monkeypatch.chdir("/")
    assert client.read() == {"user": "bob"}


def test_file_beside_a_token_says_the_server(faulty, elsewhere, accounts, write, tmp_path):
    path = write(base_url=faulty.url, token="stale")
    client = ProbeClass()
    client.login(token=accounts.issue("bob"), config_file=path)
    assert client.read() == {"user": "bob"}
    client.login("alice", password="alice-hunter2-pw", config_file=path)
    assert client.read() == {"user": "alice"}
    with pytest.raises(InvalidQueryError, match="is set to use"):
        ProbeClass(elsewhere.url).login(token="t" * 40, config_file=path)
    with pytest.raises(InvalidQueryError, match=r"nowhere\.yaml.*cannot be read"):
        client.login(token="t" * 40, config_file=tmp_path / "nowhere.yaml")
    assert elsewhere.received == []


@pytest.mark.parametrize(
    "address",
    ["https://me:sEcReT@host.example/api/", "https://sEcReT@h/", "http://[b:sEcReT@x/", "h?sEcReT"],
)
def test_secret_in_an_address_is_refused_and_not_shown(faulty, write, address):
    for client in (ProbeClass(), ProbeClass(faulty.url)):
        with pytest.raises(InvalidQueryError, match=r"base_url in .*without a login") as caught:
            client.login(config_file=write(base_url=address, token="t" * 40))
        assert "sEcReT" not in str(caught.value) + repr(caught.value.__context__)
    with pytest.raises(InvalidQueryError, match="without a login") as caught:
        ProbeClass(address).server  # noqa: B018
    assert "sEcReT" not in str(caught.value)

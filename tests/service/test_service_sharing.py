"""Many programs with one login: one fetches a token, the others find it where it is kept."""

import contextlib
import threading

import pytest
from faults import answer
from probe import ProbeClass, conf

from atlasquery.exceptions import QuotaError

PASSWORD = "alice-hunter2-pw"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "config.yaml"
    path.touch(mode=0o600)
    path.write_text(f"# mine\nusername: alice\npassword: {PASSWORD}\ntoken: stale\nother: [1]\n")
    return path


def read_at_once(clients):
    """Return what each client read, all of them begun together."""
    answers, begin = [], threading.Barrier(len(clients))

    def work(client):
        begin.wait()
        answers.append(client.read())

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_one_of_many_renews_and_the_others_find_its_token(faulty, accounts, file):
    accounts.hold = 0.1
    with conf.set_temp("config_file", str(file)):
        answers = read_at_once([ProbeClass(faulty.url) for _ in range(6)])
        assert answers == [{"user": "alice"}] * 6
        assert ProbeClass(faulty.url).read() == {"user": "alice"}
    assert accounts.issued == 1
    (token,) = accounts.tokens
    text = file.read_text()
    kept = f"# mine\nusername: alice\npassword: {PASSWORD}\ntoken: '{token}'\nother: [1]\n"
    assert text == kept
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.glob("config.yaml*")] == ["config.yaml"]


def test_keyring_keeps_the_token_beside_the_password(faulty, accounts, vault):
    accounts.hold = 0.1
    ProbeClass(faulty.url).login("alice", password=PASSWORD, store=True)
    clients = [ProbeClass(faulty.url) for _ in range(4)]
    assert read_at_once(clients) == [{"user": "alice"}] * 4
    assert accounts.issued == 1
    accounts.expire()
    assert read_at_once(clients) == [{"user": "alice"}] * 4
    assert accounts.issued == 2
    assert vault[f"atlasquery:Probe:{faulty.url}", "token"] in accounts.tokens


def test_nothing_is_kept_where_the_user_chose_no_place(faulty, accounts, vault, monkeypatch, file):
    text = f"username: alice\npassword: {PASSWORD}\n"
    file.write_text(text)
    ProbeClass(faulty.url).login(config_file=file)
    assert file.read_text() == text
    monkeypatch.setenv("ATLASQUERY_PROBE_TOKEN", "stale")
    monkeypatch.setenv("ATLASQUERY_PROBE_USERNAME", "alice")
    monkeypatch.setenv("ATLASQUERY_PROBE_PASSWORD", PASSWORD)
    assert ProbeClass(faulty.url).read() == {"user": "alice"}
    assert vault == {}
    stored = [path for path in file.parent.rglob("*") if path.is_file()]
    assert not any(token.encode() in p.read_bytes() for token in accounts.tokens for p in stored)


def test_flow_style_file_and_a_link_to_it(faulty, accounts, file, tmp_path):
    file.write_text(f"{{username: alice, password: {PASSWORD}, token: , other: 2}}\n")
    file.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    with pytest.warns(Warning, match="chmod 600"):
        ProbeClass(faulty.url).login(config_file=link)
    (token,) = accounts.tokens
    assert file.read_text() == (
        f"username: alice\npassword: {PASSWORD}\ntoken: {token}\nother: 2\n"
    )
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o600


def test_login_that_was_written_meanwhile_is_not_overwritten(faulty, accounts, file):
    client = ProbeClass(faulty.url)
    client.login(config_file=file)

    def meanwhile(received):
        file.write_text("username: bob\npassword: x\ntoken: bobs\n")
        return accounts(received)

    faulty.script(accounts, meanwhile)
    assert client.read() == {"user": "alice"}
    assert file.read_text() == "username: bob\npassword: x\ntoken: bobs\n"


def test_logins_have_a_limit_of_their_own(faulty, accounts, monkeypatch):
    throttled = answer(
        {"detail": "Request was throttled. Expected available in 3000 seconds."}, status=429
    )
    faulty.script(throttled)
    with pytest.raises(QuotaError, match="no further logins from this address") as caught:
        ProbeClass(faulty.url).login("alice", password=PASSWORD)
    assert (caught.value.status, caught.value.retry_after) == (429, 3000)
    for word in ("10 an hour", "ATLASQUERY_PROBE_TOKEN in addition to", "store=True", "in 3000 s"):
        assert word in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("setting", [{}, {"on_quota": "wait", "max_wait": 0.0}])
def test_login_waits_its_turn(faulty, accounts, setting):
    slept = []
    client = ProbeClass(faulty.url)
    client._clock.sleep = slept.append
    faulty.script(answer({"detail": "x"}, status=429, headers={"Retry-After": "30"}))
    with contextlib.ExitStack() as stack:
        for name, value in setting.items():
            stack.enter_context(conf.set_temp(name, value))
        assert client.login("alice", password=PASSWORD)
    assert slept == [30.0]
    assert accounts.issued == 1

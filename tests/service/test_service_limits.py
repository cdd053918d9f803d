"""Servers with several limits, conditional reads, and redirects that are answers."""

import json
import sqlite3

import pytest
from astropy.config import paths
from astroquery import log
from faults import Reply, answer
from probe import ProbeClass, conf

from atlasquery.exceptions import QuotaError, RemoteServiceError
from atlasquery.service.address import server_key
from atlasquery.service.quota import Clock, Limit, QuotaLedger


class JumpingClock(Clock):
    """A clock that sleeps in no time."""

    def __init__(self):
        super().__init__()
        self.time = 1.8e9

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


class MinuteProbe(ProbeClass):
    """A service with limits of its own for reads and writes, by the minute."""

    def _limit(self, method):
        if method in ("GET", "HEAD"):
            return Limit(5, 61.0, "read", setting="reads")
        return Limit(2, 61.0, "write", setting="writes")


@pytest.fixture
def minutes(faulty):
    client = MinuteProbe(faulty.url)
    client._clock = JumpingClock()
    client.login(token="t0ken" + "5ecret" * 5)
    with conf.set_temp("limit_loopback", True):
        yield client


def test_each_kind_of_request_has_its_own_limit(minutes, faulty):
    for _ in range(2):
        minutes.write(n=1)
    with pytest.raises(
        QuotaError, match=r"no write request is left of 2 a minute, .*conf\.writes is what"
    ) as caught:
        minutes._write("deeds/1/", method="DELETE")
    assert 0 < caught.value.retry_after <= 61
    for _ in range(5):
        minutes._ask("things/")
    with pytest.raises(QuotaError, match="no read request is left of 5 a minute"):
        minutes._ask("things/")
    assert len(faulty.received) == 7
    assert str(minutes.quota()).startswith("0 of 2 requests left in this minute")


def test_the_window_passes(minutes, faulty):
    with conf.set_temp("on_quota", "wait"):
        start = minutes._clock.now()
        for _ in range(5):
            minutes.write(n=1)
    assert 122 <= minutes._clock.now() - start < 125
    assert len(faulty.received) == 5


def test_what_a_server_refused_counts_where_it_says_so(minutes, faulty):
    faulty.default = answer({"detail": "No."}, status=403)
    for _ in range(2):
        with pytest.raises(Exception, match=r"No\."):
            minutes.write(n=1)
    assert minutes.quota().remaining == 0


def test_a_short_window_forgets_nothing_of_a_longer_one(tmp_path):
    clock = JumpingClock()
    hours = QuotaLedger(tmp_path / "q.sqlite", window=3605.0, clock=clock)
    minute = QuotaLedger(tmp_path / "q.sqlite", window=61.0, clock=clock)
    hours.book("a", 10), minute.book("b", 10)
    clock.sleep(120)
    minute.book("b", 10)
    assert hours.quota("a", 10).used == 1
    assert minute.quota("b", 10).used == 1


def test_not_modified_is_an_answer_where_it_is_expected(probe, faulty):
    faulty.default = Reply(status=304, body=b"", kind=None, headers={"ETag": '"x"'})
    with pytest.raises(RemoteServiceError, match="redirects"):
        probe._ask("things/")
    response = probe._ask("things/", headers={"If-None-Match": '"x"'}, expected=(304,))
    assert (response.status_code, response.content) == (304, b"")
    assert faulty.received[-1].headers["if-none-match"] == '"x"'
    assert faulty.received[-1].headers["accept"] == "application/json"


def test_a_redirect_is_read_and_not_followed_where_it_is_expected(probe, faulty):
    faulty.default = Reply(status=302, body=b"", headers={"Location": "/api/things/?newids=21"})
    response = probe._write("things/20/ask/", expected=(302,))
    assert response.headers["Location"] == "/api/things/?newids=21"
    assert [r.path for r in faulty.received] == ["/api/things/20/ask/"]
    # One that no address can be made of is refused as ever.
    faulty.default = Reply(status=302, body=b"", headers={"Location": "http://[bad/"})
    with pytest.raises(RemoteServiceError, match="not followed"):
        probe._write("things/20/ask/", expected=(302,))


def test_a_rule_worded_as_429_is_not_waited_for(probe, faulty):
    faulty.default = answer({"non_field_errors": "Too many (5 >= 5)."}, status=429)
    with conf.set_temp("on_quota", "wait"), pytest.raises(QuotaError, match=r"5 >= 5") as caught:
        probe._write("things/20/ask/")
    assert (caught.value.status, caught.value.retry_after) == (429, None)
    assert len(faulty.received) == 1


def test_a_write_may_be_json(probe, faulty):
    probe._write("deeds/", {"mjd_min": None, "flag": False}, json=True)
    assert json.loads(faulty.received[-1].body) == {"mjd_min": None, "flag": False}
    assert faulty.received[-1].headers["content-type"] == "application/json"
    assert faulty.received[-1].token


def test_what_is_public_is_read_without_credentials_and_counted(minutes, faulty):
    minutes._ask("files/1.txt", public=True)
    assert faulty.received[-1].token is None
    assert minutes._quota(minutes._limit("GET")).used == 1


def test_a_text_is_decoded_where_it_is_expected(probe, faulty):
    faulty.default = Reply(body=b"1 2", kind="text/plain")
    response = probe._ask("files/1.txt")
    assert probe._decode(response, bytes.split, content="text/plain") == [b"1", b"2"]
    with pytest.raises(RemoteServiceError, match="instead of JSON"):
        probe._decode(response, json.loads)


@pytest.fixture
def counted(accounts):
    with conf.set_temp("limit_loopback", True), conf.set_temp("hourly_limit", 5):
        yield accounts


@pytest.mark.parametrize("first", ["token", "name"])
def test_one_account_is_one_count_by_token_and_by_name(counted, faulty, first):
    by_name = ProbeClass(faulty.url)
    by_name.login("alice", password="alice-hunter2-pw")
    by_token = ProbeClass(faulty.url.replace("127.0.0.1", "LocalHost"))
    by_token.login(token=by_name._credentials.token.reveal())
    order = [by_token, by_name] if first == "token" else [by_name, by_token]
    for client in order * 2:
        client.read()
    assert [client.quota().used for client in order] == [4, 4]
    order[0].read()
    for client in order:
        with pytest.raises(QuotaError, match="no request is left of 5"):
            client.read()
    # A new token does not come with new requests.
    counted.expire()
    again = ProbeClass(faulty.url)
    again.login("alice", password="alice-hunter2-pw")
    other = ProbeClass(faulty.url)
    other.login("bob", password="bob-swordfish-pw")
    assert (again.quota().used, other.quota().used) == (5, 0)


def test_another_process_learns_which_token_is_whose(tmp_path):
    clock = JumpingClock()
    ledgers = [QuotaLedger(tmp_path / "q.sqlite", clock=clock) for _ in range(2)]
    ledgers[0].book("by token", 10), ledgers[0].close("by token", 100)
    ledgers[1].join("by name", "by token")
    assert ledgers[1].book("by name", 10) == (None, 100)
    clock.sleep(101)
    ledgers[0].book("by token", 10), ledgers[1].book("by name", 10)
    assert [ledgers[0].quota(who, 10).used for who in ("by token", "by name")] == [3, 3]
    # A token that is said to be of two users counts for the last one, and joins them not.
    ledgers[0].join("another", "by token")
    ledgers[0].book("by token", 10)
    assert [ledgers[1].quota(who, 10).used for who in ("another", "by name")] == [1, 3]


def test_a_ledger_names_nobody(counted, faulty, tmp_path):
    client = ProbeClass(faulty.url)
    client.login("alice", password="alice-hunter2-pw")
    client.read()
    (ledger,) = tmp_path.rglob("quota.sqlite")
    content = ledger.read_bytes()
    token = client._credentials.token
    for word in ("alice", "127.0.0.1", token.reveal(), token.fingerprint()):
        assert word.encode() not in content


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://127.0.0.1:8000/api/", "http://localhost:8000/api", True),
        ("http://[::1]:8000/api/", "http://LOCALHOST:8000/api/", True),
        ("https://Host.example/api/", "HTTPS://host.EXAMPLE:443/api/", True),
        ("https://host.example/api/", "https://host.example/API/", False),
        ("https://host.example/api/", "http://host.example/api/", False),
        ("http://localhost:1/", "http://localhost:2/", False),
    ],
)
def test_spellings_of_one_server(one, other, same):
    assert (server_key(one) == server_key(other)) is same


def test_a_damaged_ledger_is_put_aside_and_counting_goes_on(counted, faulty, probe, tmp_path):
    counted.tokens["t0ken" + "5ecret" * 5] = "alice"
    probe.read()
    (path,) = tmp_path.rglob("quota.sqlite")
    content = path.read_bytes()
    path.write_bytes(b"x" * 300 + content[300:])
    with log.log_to_list() as said:
        for _ in range(3):
            probe.read()
        assert probe.quota().used == 3
    warned = [record.getMessage() for record in said if record.levelname == "WARNING"]
    assert len(warned) == 1
    assert "quota.sqlite.damaged" in warned[0]
    assert path.with_name("quota.sqlite.damaged").read_bytes()[300:] == content[300:]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_page_that_is_damaged_is_found_when_it_is_read(tmp_path):
    ledger = QuotaLedger(tmp_path / "q.sqlite", clock=JumpingClock())
    ledger.book("a", 10)
    content = ledger.path.read_bytes()
    page = int.from_bytes(content[16:18], "big")
    ledger.path.write_bytes(content[:page] + b"\xff" * (len(content) - page))
    with pytest.raises(sqlite3.DatabaseError):
        ledger.quota("a", 10)
    assert ledger.quota("a", 10).used == 0
    assert (tmp_path / "q.sqlite.damaged").exists()


def test_a_cache_directory_that_cannot_be_made_is_said_once(counted, probe, monkeypatch, tmp_path):
    counted.tokens["t0ken" + "5ecret" * 5] = "alice"
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with paths.set_temp_cache(None), log.log_to_list() as said:
        # Not before, since older astropy makes the directory here.
        monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
        for _ in range(3):
            assert probe.read() == {"user": "alice"}
        assert probe.quota().used == 0
        assert probe.read(cache=True) == {"user": "alice"}
    warned = [record.getMessage() for record in said]
    assert sum("Requests are not counted" in line for line in warned) == 1


def test_a_clock_that_was_ahead_costs_nothing(tmp_path):
    clock = JumpingClock()
    ledger = QuotaLedger(tmp_path / "q.sqlite", clock=clock)
    clock.time += 86400 * 30
    for _ in range(10):
        ledger.book("a", 10)
    ledger.close("a", 100)
    clock.time -= 86400 * 30
    assert ledger.quota("a", 10).remaining == 10
    assert ledger.book("a", 10)[0] is not None
    assert ledger.quota("a", 10).used == 1


def test_the_later_of_two_closures_counts(tmp_path):
    clock = JumpingClock()
    ledger = QuotaLedger(tmp_path / "q.sqlite", clock=clock)
    ledger.close("a", 3500), ledger.close("a", 2)
    clock.sleep(3)
    assert ledger.book("a", 10) == (None, 3497)
    ledger.close("a", 3600)
    assert ledger.book("a", 10) == (None, 3600)

"""The requests of an account are counted, said beforehand, and never exceeded."""

import multiprocessing
import sqlite3

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from astroquery import log

from atlasquery.atlas import AtlasClass, conf
from atlasquery.exceptions import LargeQueryWarning, LoginError, QuotaError
from atlasquery.sandbox import Sandbox
from atlasquery.service.quota import Clock, QuotaLedger

CENTRE = SkyCoord(150.0, 2.2, unit="deg")


class FastClock(Clock):
    """Time that passes at once, for the client and for the sandbox."""

    def __init__(self, box):
        super().__init__()
        self.box = box
        self.passed = 0.0

    def now(self):
        return super().now() + self.passed

    def sleep(self, seconds):
        # The server first: a request of another thread must not come before its time has.
        self.box.advance(seconds)
        self.passed += seconds


@pytest.fixture
def box():
    with Sandbox(user_rate="shipped") as box, conf.set_temp("limit_loopback", True):
        yield box


@pytest.fixture
def atlas(box, tmp_path):
    return client(box, tmp_path)


def client(box, tmp_path):
    atlas = AtlasClass(server=box.url)
    atlas.cache_location = tmp_path / "answers"
    atlas.login(token=box.token)
    atlas._clock = FastClock(box)
    return atlas


def test_quota_counts_what_was_sent(atlas, box):
    before = atlas.quota()
    assert (before.limit, before.used, before.remaining) == (100, 0, 100)
    assert before.resets_at is None
    atlas.query_region(CENTRE, radius="100 arcsec")
    atlas.query_region(CENTRE, radius="100 arcsec")
    quota = atlas.quota()
    assert len(box.requests) == 2, "the second search came from the store"
    assert (quota.used, quota.remaining) == (2, 98)
    assert abs((quota.resets_at - Time.now()).to(u.s) - 3605 * u.s) < 20 * u.s
    assert "98 of 100 requests left" in str(quota)
    atlas._clock.sleep(3606)
    assert atlas.quota().used == 0


def test_quota_is_of_an_account_and_a_server(atlas, box, tmp_path):
    atlas.count_region(CENTRE, radius="100 arcsec")
    other = client(box, tmp_path)
    assert other.quota().used == 1
    other.login(token=box.users["reader2"].token)
    assert other.quota().used == 0


def test_requests_the_server_does_not_count_are_given_back(atlas, box):
    with pytest.raises(LoginError, match="does not let this account do that"):
        atlas._write("vratodo/", {"objectid": box.manifest["all_ids"][0]})
    assert atlas.quota().used == 0


def test_a_search_that_cannot_be_finished_sends_nothing(atlas, box):
    with pytest.raises(QuotaError, match=r"only 100 of 100 requests are left.*nothing was sent"):
        atlas.query_region(CENTRE, radius=1 * u.deg)
    assert box.requests == []
    assert atlas.quota().used == 0


def test_the_last_request_is_not_exceeded(atlas, box):
    for n in range(100):
        atlas.count_region(CENTRE, radius=(10 + n) * u.arcsec)
    with pytest.raises(QuotaError, match="only 0 of 100"):
        atlas.count_region(CENTRE, radius="5 arcsec")
    first = box.manifest["all_ids"][0]
    with pytest.raises(QuotaError, match="no request is left of 100 an hour") as caught:
        atlas.get_objects(first)
    assert 3500 < caught.value.retry_after <= 3605
    assert {r.status for r in box.requests} == {200}
    assert len(box.requests) == 100
    # What is in the store costs nothing.
    assert atlas.count_region(CENTRE, radius="10 arcsec") == 0


def test_waiting_gets_everything_without_a_refusal(atlas, box):
    n = len(atlas.query_region(CENTRE, radius=1 * u.deg, get_query_payload=True))
    with (
        conf.set_temp("on_quota", "wait"),
        # A clock that jumps would overtake the request of another thread.
        conf.set_temp("concurrency", 1),
        pytest.warns(LargeQueryWarning, match=rf"{n} cone searches .* about 1 h"),
        log.log_to_list() as said,
    ):
        found = atlas.query_region(CENTRE, radius=1 * u.deg)
    assert any("waiting" in record.getMessage() for record in said)
    assert len(found) > 50
    assert [r.status for r in box.requests] == [200] * (n + 1)
    assert 3500 < atlas._clock.passed < 7300


def test_what_would_take_days_is_refused_before_it_is_planned(atlas, box):
    with pytest.raises(QuotaError, match=r"at least 57018 cone searches .* of 100 requests"):
        atlas.query_region(CENTRE, radius=20 * u.deg)
    assert box.requests == []


def test_a_limit_only_the_server_knows(atlas, box):
    with conf.set_temp("hourly_limit", 0):
        for n in range(100):
            atlas.count_region(CENTRE, radius=(10 + n) * u.arcsec)
        with pytest.raises(QuotaError, match="Request was throttled") as caught:
            atlas.count_region(CENTRE, radius="5 arcsec")
        assert caught.value.status == 429
        refused = len(box.requests)
        # From now on it is known, and nothing more is sent until the server takes it.
        with pytest.raises(QuotaError, match="was not sent"):
            atlas.count_region(CENTRE, radius="5 arcsec")
        assert len(box.requests) == refused
        with conf.set_temp("on_quota", "wait"):
            assert atlas.count_region(CENTRE, radius="5 arcsec") == 0
        assert box.requests[-1].status == 200


def test_a_throttled_write_is_sent_again_when_waiting(atlas, box):
    atlas.login(token=box.writer_token)
    payload = {"objectid": box.manifest["all_ids"][0]}
    with conf.set_temp("hourly_limit", 0):
        for _ in range(100):
            atlas._write("vrascores/", payload)
        with conf.set_temp("on_quota", "wait"):
            assert atlas._write("vrascores/", payload).status_code == 201
    assert [r.status for r in box.requests[-2:]] == [429, 201]


def _book(path, n):
    ledger = QuotaLedger(path)
    return sum(ledger.book("account", 100)[0] is not None for _ in range(n))


def test_processes_share_the_count(tmp_path):
    path = tmp_path / "quota.sqlite"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        booked = pool.starmap(_book, [(path, 60)] * 4)
    assert sum(booked) == 100
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_ledger_that_cannot_be_written_stops_nobody(atlas, tmp_path, monkeypatch):
    bad = QuotaLedger(tmp_path)  # a directory
    monkeypatch.setattr(AtlasClass, "_ledger", lambda self, limit: bad)
    with pytest.raises(sqlite3.Error):
        bad.book("account", 1)
    with log.log_to_list() as said:
        assert len(atlas.get_objects(1100003181021216990)) == 1
    assert any("Requests are not counted" in record.getMessage() for record in said)

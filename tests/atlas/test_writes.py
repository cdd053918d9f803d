"""Writes against both servers: what is done, what is refused, and what becomes of lost answers.

Lists and ranks are put back, so that the tests can run again on the same server; scores
cannot be taken away, and are written as test rows.
"""

import inspect
import json
import warnings

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from astropy.time import Time
from lossy_proxy import LosingProxy

from atlasquery.atlas import AtlasClass, conf
from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    LargeQueryWarning,
    LoginError,
    NoResultsWarning,
    QuotaError,
    RemoteServiceError,
    WriteError,
)
from atlasquery.sandbox import Sandbox
from atlasquery.service.quota import Clock

MISSING = 1999999999999999900
EMPTY = 74
RANK = {"rank_alt1": 1.5, "is_gal_cand": False}


@pytest.fixture(autouse=True)
def _settings():
    names = f"empty={EMPTY}, none=999"
    with conf.set_temp("custom_lists", names), conf.set_temp("backoff", 0.001):
        yield


@pytest.fixture
def bot(make_atlas):
    return make_atlas("writer")


@pytest.fixture
def ids(server):
    return server.ids("main")[:5]


@pytest.fixture
def empty_list(bot, ids):
    """A custom list that has nothing on it, before and after."""
    bot.remove_from_list(ids, "empty")
    yield "empty"
    bot.remove_from_list(ids, "empty")
    with pytest.warns(NoResultsWarning, match="'empty'"):
        assert len(bot.get_list_members("empty", cache=False)) == 0


@pytest.fixture
def movable(bot, server):
    """An object on one of the three lists that it can be put back on."""
    entries = bot.get_objects(server.ids("main"), cache=False)
    entry = next(row for row in entries if row["list_id"] in (3, 4, 12))
    yield int(entry["atlas_id"])
    bot.move_to_list(entry["atlas_id"], int(entry["list_id"]), time=entry["date_modified"])


@pytest.fixture
def ranked(bot, server):
    """An object with a rank, which it gets back."""
    ranks = bot.query_vra_ranks(cache=False)
    row = ranks[np.isin(ranks["atlas_id"], server.ids("main"))][0]
    yield int(row["atlas_id"])
    bot.set_vra_rank(
        row["atlas_id"], row["rank"], rank_alt1=row["rank_alt1"], is_gal_cand=row["is_gal_cand"],
        time=row["time"],
    )  # fmt: skip


@pytest.fixture
def scored(server):
    """An object that tests may score."""
    return server.ids("main")[-1]


@pytest.fixture
def box_bot(sandbox, tmp_path):
    """A writer's client of the sandbox alone."""
    bot = AtlasClass(sandbox.url)
    bot.cache_location = tmp_path / "bot"
    bot.login(token=sandbox.writer_token)
    sandbox.clear_requests()
    return bot


def members(atlas, name):
    """Return the ids on a list without looking in the cache."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoResultsWarning)
        return atlas.get_list_members(name, cache=False)["atlas_id"].tolist()


# Every write as (method, arguments); all may be done again and again.
WRITES = {
    "add_to_list": ("empty",),
    "remove_from_list": ("empty",),
    "move_to_list": ("possible",),
    "add_vra_todo": (),
    "set_vra_rank": (5.0,),
    "add_vra_scores": (),
}
MORE = {"set_vra_rank": RANK, "add_vra_scores": {"preal": 0.5, "debug": True}}


def write(atlas, method, ids, **more):
    return getattr(atlas, method)(ids, *WRITES[method], **MORE.get(method, {}), **more)


# What is done


def test_add_and_remove(bot, ids, empty_list):
    mixed = [ids[2], str(ids[0]), ids[1]]
    table = bot.add_to_list(mixed, empty_list)
    assert table.colnames == ["atlas_id", "ok", "message"]
    assert table["atlas_id"].dtype == np.int64
    assert table["ok"].dtype == bool
    assert isinstance(table["ok"], MaskedColumn)
    assert table["atlas_id"].tolist() == [ids[2], ids[0], ids[1]]
    assert table["ok"].tolist() == [True] * 3
    assert table["message"].tolist() == ["Row created."] * 3
    assert table.meta["list"] == "empty"
    assert members(bot, empty_list) == [ids[2], ids[0], ids[1]]
    again = bot.add_to_list(ids[:4], EMPTY)
    assert again["ok"].all()
    already = "Already on the list. (Duplicate row. Cannot add row.)"
    assert again["message"].tolist() == [already] * 3 + ["Row created."]
    gone = bot.remove_from_list(ids, empty_list)
    assert gone["ok"].all()
    assert gone["message"][:4].tolist() == ["Row deleted."] * 4
    assert gone["message"][4].startswith("Was not on the list.")
    assert members(bot, empty_list) == []


@pytest.mark.parametrize("name", ["possible", 4, "galcand"])
def test_move(bot, movable, name):
    table = bot.move_to_list(movable, name, time="2026-05-01T01:02:03")
    assert table["ok"].tolist() == [True]
    entry = bot.get_objects(movable)
    assert entry["list_id"][0] == {"possible": 3, 4: 4, "galcand": 12}[name]
    assert entry["date_modified"][0].isot == "2026-05-01T01:02:03.000"


def test_rank(bot, ranked):
    assert bot.set_vra_rank(ranked, 3.25, time="2026-05-01", **RANK)["ok"].all()
    row = bot.query_vra_ranks(ranked)[0]
    assert (row["rank"], row["rank_alt1"], row["is_gal_cand"]) == (3.25, 1.5, 0)
    assert row["time"].isot == "2026-05-01T00:00:00.000"
    assert bot.get_objects(ranked)["vra_rank"][0] == 3.25
    bot.set_vra_rank([ranked, ranked], [4, 5], rank_alt1=np.array([1, 2]), is_gal_cand=[1, 0])
    row = bot.query_vra_ranks(ranked)[0]
    assert (row["rank"], row["rank_alt1"], row["is_gal_cand"]) == (5, 2, 0)


def test_todo(bot, scored):
    bot.add_vra_todo(scored)
    table = bot.add_vra_todo([scored], time="2026-05-01")
    assert table["ok"].tolist() == [True]
    assert table["message"][0].startswith("Already on the list.")
    assert len(bot.query_vra_todo(scored)) == 1


def test_scores_by_columns(bot, scored):
    newest = bot.query_vra_scores(debug=True, cache=False)["score_id"].max()
    table = bot.add_vra_scores(
        [scored, scored],
        preal=[0.123456789, 1], pgal=0.25, rank=np.float32(2.5), is_gal_cand=[True, False],
        pfast=MaskedColumn([0.5, 0.75], mask=[True, False]), debug=True, time="2026-05-01T10:00:00",
    )  # fmt: skip
    assert table["ok"].tolist() == [True, True]
    rows = bot.query_vra_scores(scored, first_id=newest + 1, debug=True)
    assert rows["preal"].tolist() == [0.123457, 1.0]
    assert rows["pgal"].tolist() == [0.25, 0.25]
    assert rows["pfast"].tolist() == [None, 0.75]
    assert rows["rank"].tolist() == [2.5, 2.5]
    assert rows["rank_alt1"].mask.all()
    assert rows["is_gal_cand"].tolist() == [1, 0]
    assert set(rows["time"].isot) == {"2026-05-01T10:00:00.000"}
    assert set(rows["api_user"]) == {"writer"}


def test_scores_by_table(box_bot, sandbox):
    one, two, *_ = (int(i) for i in sandbox.manifest["ids"]["crowded"])
    times = Time(["2026-05-01T10:00:00", "2026-05-02T10:00:00"])
    table = Table({"atlas_id": [one, two], "preal": [0.9, 0.1], "rank": [1, 2], "time": times})
    done = box_bot.add_vra_scores(table, pgal=0.5, debug=False)
    assert done["ok"].all()
    sent = [exchange.parameters for exchange in sandbox.requests]
    assert sent == [
        {"objectid": str(one), "preal": "0.9", "rank": "1.0", "pgal": "0.5", "debug": "false",
         "insertdate": "2026-05-01T10:00:00Z"},
        {"objectid": str(two), "preal": "0.1", "rank": "2.0", "pgal": "0.5", "debug": "false",
         "insertdate": "2026-05-02T10:00:00Z"},
    ]  # fmt: skip


# What is refused by the server


@pytest.mark.parametrize("method", WRITES)
def test_an_unknown_object_is_no_success(bot, method):
    with pytest.raises(WriteError, match="Object does not exist") as caught:
        write(bot, method, MISSING)
    assert isinstance(caught.value, RemoteServiceError)
    assert caught.value.failures == [(MISSING, "Object does not exist.")]
    assert caught.value.result["ok"].tolist() == [False]


def test_the_good_ones_are_done_and_the_bad_ones_named(bot, ids, empty_list):
    with pytest.raises(WriteError, match="1 of 3 writes failed") as caught:
        bot.add_to_list([ids[1], MISSING, ids[0]], empty_list)
    table = caught.value.result
    assert table["atlas_id"].tolist() == [ids[1], MISSING, ids[0]]
    assert table["ok"].tolist() == [True, False, True]
    assert caught.value.failures == [(MISSING, "Object does not exist.")]
    assert members(bot, empty_list) == [ids[1], ids[0]]
    with pytest.warns(InputWarning, match="Object does not exist."):
        table = bot.remove_from_list([ids[1], MISSING, ids[0]], empty_list, on_error="warn")
    assert table["ok"].tolist() == [True, False, True]
    assert members(bot, empty_list) == []


@pytest.mark.parametrize("method", ["add_to_list", "remove_from_list"])
def test_an_unknown_group_is_no_success(bot, ids, method):
    with pytest.raises(WriteError) as caught:
        getattr(bot, method)(ids[:2], "none")
    assert caught.value.failures == [(i, "Object group ID does not exist.") for i in ids[:2]]


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("user", ["reader", "nogroup", "expired"])
def test_a_refused_account_ends_the_call(make_atlas, server, ids, method, user):
    atlas = make_atlas(user)
    words = "Token has expired." if user == "expired" else "You do not have permission"
    with pytest.raises(WriteError, match=words) as caught:
        write(atlas, method, ids[:3])
    error = caught.value
    assert error.status == (401 if user == "expired" else 403)
    assert isinstance(error.__cause__, LoginError)
    assert error.result["ok"].tolist() == [False] * 3
    first, *rest = error.result["message"].tolist()
    assert words in first
    assert all(message.startswith("Not tried: ") for message in rest)


@pytest.mark.parametrize("method", WRITES)
def test_a_refused_account_asks_once(box_atlas, sandbox, method):
    ids = sandbox.manifest["ids"]["main"][:3]
    sandbox.clear_requests()
    with pytest.warns(InputWarning, match="You do not have permission"):
        table = write(box_atlas, method, ids, on_error="warn")
    assert [exchange.status for exchange in sandbox.requests] == [403]
    assert table["ok"].tolist() == [False] * 3


def test_a_used_up_quota_ends_the_call():
    with Sandbox(user_rate="3/hour") as box, conf.set_temp("max_wait", 1):
        bot = AtlasClass(box.url)
        bot.login(token=box.writer_token)
        ids = [int(i) for i in box.manifest["ids"]["main"][:5]]
        with pytest.raises(WriteError, match="throttled") as caught:
            bot.add_to_list(ids, "empty")
        assert [exchange.status for exchange in box.requests] == [201] * 3 + [429]
    assert isinstance(caught.value.__cause__, QuotaError)
    assert caught.value.result["ok"].tolist() == [True] * 3 + [False] * 2
    assert caught.value.result["message"][4].startswith("Not tried: ")


def test_an_expired_token_is_renewed_and_the_write_sent_again():
    with Sandbox() as box:
        bot = AtlasClass(box.url)
        bot.login("writer", password=box.users["writer"].password)
        box.expire(box.writer_token)
        box.clear_requests()
        table = bot.add_to_list(box.manifest["ids"]["main"][:2], "empty")
        assert table["message"].tolist() == ["Row created."] * 2
        assert [exchange.status for exchange in box.requests] == [401, 200, 201, 201]


def test_a_wrong_address_is_tried_once(sandbox):
    bot = AtlasClass(sandbox.url + "elsewhere/")
    bot.login(token=sandbox.writer_token)
    sandbox.clear_requests()
    with pytest.raises(WriteError, match="404") as caught:
        bot.add_vra_todo(sandbox.manifest["ids"]["main"][:3])
    assert len(sandbox.requests) == 1
    assert caught.value.status == 404


# What is not sent


@pytest.mark.parametrize("method", WRITES)
def test_dry_run_sends_nothing(sandbox, method):
    ids = [int(i) for i in sandbox.manifest["ids"]["main"][:2]]
    nobody = AtlasClass(sandbox.url)
    sandbox.clear_requests()
    table = write(nobody, method, ids, dry_run=True)
    assert sandbox.requests == []
    assert table.colnames == ["atlas_id", "ok", "message", "endpoint", "payload"]
    assert table["ok"].mask.all()
    assert set(table["message"]) == {"Dry run: not sent."}
    sent = [json.loads(text) for text in table["payload"]]
    assert [payload["objectid"] for payload in sent] == ids
    # It is what the real thing sends.
    bot = AtlasClass(sandbox.url)
    bot.login(token=sandbox.writer_token)
    write(bot, method, ids)
    for exchange, payload, endpoint in zip(sandbox.requests, sent, table["endpoint"], strict=True):
        assert exchange.method == "POST"
        assert exchange.path.endswith(f"/{endpoint}")
        assert exchange.parameters == {name: str(value) for name, value in payload.items()}


@pytest.mark.parametrize("method", WRITES)
def test_without_credentials_nothing_is_sent_and_nobody_is_asked(sandbox, method, monkeypatch):
    for name in ("TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"ATLASQUERY_ATLAS_{name}", raising=False)
    monkeypatch.setattr("builtins.input", lambda *args: pytest.fail("asked"))
    sandbox.clear_requests()
    with pytest.raises(LoginError, match="ATLASQUERY_ATLAS_TOKEN"):
        write(AtlasClass(sandbox.url), method, sandbox.manifest["ids"]["main"][0])
    assert sandbox.requests == []


I, J = 1161600211221604900, 1161600211221604901  # noqa: E741


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda b: b.add_to_list([I, 7], "empty"), "19 digits"),
        (lambda b: b.add_to_list(float(I), "empty"), "is a float"),
        (lambda b: b.add_to_list(I, "emtpy"), "did you mean 'empty'"),
        (lambda b: b.add_to_list(I, "good"), "is a detection list, where a custom list"),
        (lambda b: b.add_to_list(I, 999999), "is not a list of ATLAS"),
        (lambda b: b.remove_from_list(I, "mokodi"), "did you mean 'mookodi'"),
        (lambda b: b.move_to_list(I, "good"), r"'possible' \(3\), 'eyeball' \(4\) and 'galcand'"),
        (lambda b: b.move_to_list(I, 13), r"'possible' \(3\), 'eyeball' \(4\) and 'galcand'"),
        (lambda b: b.move_to_list(I, "cv"), "is a custom list, where a detection list"),
        (lambda b: b.move_to_list(I, "eyebal"), "did you mean 'eyeball'"),
        (lambda b: b.move_to_list(I, -2), "is not a list"),
        (lambda b: b.add_to_list(I, "empty", on_error="ignore"), "on_error='ignore'"),
        (lambda b: b.add_vra_todo(I, time="noon"), "time='noon'"),
        (lambda b: b.add_vra_todo(I, time="1960-01-01"), "out of the server's range"),
        (lambda b: b.add_vra_todo(I, time=True), "time=True"),
        (lambda b: b.add_vra_todo([I, I], time=[60000.0] * 3), "time has 3 values for 2 ids"),
        (lambda b: b.add_vra_scores(I), "nothing to write"),
        (lambda b: b.add_vra_scores(I, debug=True), "nothing to write"),
        (lambda b: b.add_vra_scores(I, preal=1.01), "from 0 to 1"),
        (lambda b: b.add_vra_scores(I, pgal=-0.1), "from 0 to 1"),
        (lambda b: b.add_vra_scores(I, pfast=np.nan), "pfast=nan should be a finite"),
        (lambda b: b.add_vra_scores([I, J], pfast=[0.5, np.nan]), f"a finite number, for {J}"),
        (lambda b: b.add_vra_scores(I, rank=1e300), "finite"),
        (lambda b: b.add_vra_scores(I, rank="5"), "rank='5'"),
        (lambda b: b.add_vra_scores(I, preal=True), "preal=True"),
        (lambda b: b.add_vra_scores(I, preal=[0.5, 0.6]), "preal has 2 values for 1 ids"),
        (lambda b: b.add_vra_scores([I, I], preal=np.ones((1, 2))), "2 dimensions"),
        (lambda b: b.add_vra_scores([I, I], preal=[0.5, None]), "nothing to write"),
        (lambda b: b.add_vra_scores(I, is_gal_cand=2), "is_gal_cand=2"),
        (lambda b: b.add_vra_scores(I, preal=0.5, debug="yes"), "debug='yes'"),
        (lambda b: b.add_vra_scores(Table({"atlas": [I]})), "no column 'atlas_id'"),
        (lambda b: b.add_vra_scores(Table({"atlas_id": [I], "peral": [1]})), "mean 'preal'"),
        (lambda b: b.add_vra_scores(Table({"atlas_id": [I], "preal": [1]}), preal=1), "both"),
        (lambda b: b.set_vra_rank(I, None, **RANK), "rank is missing"),
        (lambda b: b.set_vra_rank(I, np.inf, **RANK), "rank=inf"),
        (lambda b: b.set_vra_rank(I, 5, rank_alt1=None, is_gal_cand=0), "rank_alt1 is missing"),
        (lambda b: b.set_vra_rank(I, 5, rank_alt1=1, is_gal_cand=None), "is_gal_cand is missing"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(box_bot, sandbox, call, words):
    with pytest.raises(InvalidQueryError, match=words):
        call(box_bot)
    assert sandbox.requests == []


def test_values_of_a_rank_are_named_when_missing(box_bot, sandbox):
    with pytest.raises(TypeError, match="'rank_alt1' and 'is_gal_cand'"):
        box_bot.set_vra_rank(I, 5)
    with pytest.raises(TypeError, match="did you mean 'preal'"):
        box_bot.add_vra_scores(I, prael=0.5)
    assert sandbox.requests == []


class FastClock(Clock):
    """Time that passes at once, for the client and for the sandbox."""

    def __init__(self, box):
        self.box = box
        self.passed = 0.0

    def now(self):
        return super().now() + self.passed

    def sleep(self, seconds):
        # The server first: a request of another thread must not come before its time has.
        self.box.advance(seconds)
        self.passed += seconds


@pytest.fixture
def limited(sandbox):
    """A writer's client of a sandbox of its own, with two requests left in the hour."""
    with Sandbox(user_rate="2/hour") as box, conf.set_temp("limit_loopback", True):
        bot = AtlasClass(box.url)
        bot.login(token=box.writer_token)
        bot._clock = FastClock(box)
        with conf.set_temp("hourly_limit", 2):
            yield bot, box


def test_writes_that_cannot_be_finished_are_not_begun(limited):
    bot, box = limited
    with pytest.raises(QuotaError, match=r"3 writes would be sent, but only 2 of 2.*nothing was"):
        bot.add_to_list(box.manifest["ids"]["main"][:3], "empty")
    assert box.requests == []
    bot.add_to_list(box.manifest["ids"]["main"][:2], "empty")
    assert bot.quota().remaining == 0


def test_writes_wait_for_their_turn(limited):
    bot, box = limited
    ids = box.manifest["ids"]["main"][:3]
    with (
        conf.set_temp("on_quota", "wait"),
        pytest.warns(LargeQueryWarning, match="3 writes, but 2 of 2 .* about 1 h") as caught,
    ):
        table = bot.add_vra_scores(ids, preal=0.5)
    assert caught[0].filename == __file__
    assert table["ok"].all()
    assert [exchange.status for exchange in box.requests] == [201] * 3


def test_scores_that_waited_for_their_turn_are_found_again():
    with (
        Sandbox() as box,
        LosingProxy(box.url, "vrascores") as proxy,
        conf.set_temp("limit_loopback", True),
        conf.set_temp("hourly_limit", 2),
        conf.set_temp("on_quota", "wait"),
    ):
        bot = AtlasClass(proxy.url)
        bot.login(token=box.writer_token)
        bot._clock = FastClock(box)
        proxy.faults.extend(["pass", "after", "after"])
        with pytest.warns(LargeQueryWarning):
            table = bot.add_vra_scores([box.manifest["ids"]["main"][0]] * 3, preal=0.3)
        assert bot._clock.passed > 3600
    assert table["ok"].tolist() == [True] * 3


# What is stored


def test_lists_from_before_a_write_are_not_used_after_it(bot, make_atlas, ids, empty_list):
    other = make_atlas("writer")
    with pytest.warns(NoResultsWarning):
        assert len(bot.get_list_members(empty_list)) == 0
    bot.add_to_list(ids[0], empty_list)
    # Nor by another client, or process, with the same directory.
    for atlas in (bot, other):
        assert atlas.get_list_members(empty_list)["atlas_id"].tolist() == ids[:1]
        assert EMPTY in atlas.get_list_memberships(ids[0])["number"]
    bot.remove_from_list(ids[0], empty_list)
    assert EMPTY not in other.get_list_memberships(ids[0])["number"]


def test_objects_from_before_a_write_are_not_used_after_it(bot, movable, ranked):
    bot.get_objects([movable, ranked])
    bot.move_to_list(movable, "galcand")
    assert bot.get_objects([movable, ranked])["list_id"][0] == 12
    bot.set_vra_rank(ranked, 1.25, **RANK)
    assert bot.get_objects([movable, ranked])["vra_rank"][1] == 1.25


def test_a_write_to_a_list_keeps_light_curves(box_bot, sandbox):
    one = sandbox.manifest["ids"]["main"][0]
    box_bot.get_light_curve(one)
    box_bot.remove_from_list(one, "empty")
    sandbox.clear_requests()
    box_bot.get_light_curve(one)
    assert sandbox.requests == []
    for _ in range(2):
        box_bot.remove_from_list(one, "empty")
    assert len(sandbox.requests) == 2


# What becomes of lost answers

ENDPOINTS = {
    "add_to_list": "objectgroups",
    "remove_from_list": "objectgroupsdelete",
    "move_to_list": "objectdetectionlist",
    "add_vra_todo": "vratodo",
    "set_vra_rank": "vrarank",
    "add_vra_scores": "vrascores",
}


@pytest.fixture
def lossy(server, tmp_path):
    """Make a writer's client behind a proxy that loses answers of one endpoint."""
    proxies = []

    def make(method, *faults):
        proxy = LosingProxy(server.url, ENDPOINTS[method]).__enter__()
        proxy.faults.extend(faults)
        proxies.append(proxy)
        bot = AtlasClass(proxy.url)
        bot.cache_location = tmp_path / "lossy"
        bot.login(token=server.token("writer"))
        return bot, proxy

    yield make
    for proxy in proxies:
        proxy.__exit__()


def writes_passed(proxy):
    return sum(path.endswith(f"/{proxy.endpoint}/") for path in proxy.passed)


# Whether it is done, and what is known of that: None where the server may still be working on it.
FAULTS = {
    "after": (True, True),
    "before": (False, None),
    "500": (True, True),
    "500 before": (False, False),
    "502": (False, None),
    "503": (False, None),
    "504": (False, None),
    # A form responds so when it is done, and a gateway when it is not.
    "302": (True, True),
    "303 before": (False, False),
    "page": (True, True),
    "page before": (False, False),
    "damaged before": (False, False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lost_addition_is_read_back(lossy, ids, empty_list, fault):
    bot, proxy = lossy("add_to_list", "pass", fault)
    done, ok = FAULTS[fault]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = bot.add_to_list(ids[:3], empty_list, on_error="warn")
    assert [one.category for one in caught] == [] if done else [InputWarning]
    assert table["ok"].tolist() == [True, ok, True]
    words = {True: "on the list (", False: "not on the list ("}
    unknown = "not on the list, but the server may still be working on it ("
    begin = "Unknown: response lost" if ok is None else "response lost"
    assert table["message"][1].startswith(f"{begin}; read back: {words.get(ok, unknown)}")
    # It was sent once, and the others too.
    assert writes_passed(proxy) == 2 + done
    there = [one for one, so in zip(ids, (True, done, True), strict=False) if so]
    assert members(bot, empty_list) == there


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirect_to_another_address_is_a_refusal_of_all(lossy, ids, empty_list, status):
    bot, proxy = lossy("add_to_list", "pass", f"{status} before")
    with pytest.raises(WriteError, match=r"Set conf\.server to the address") as caught:
        bot.add_to_list(ids[:3], empty_list)
    assert caught.value.result["ok"].tolist() == [True, False, False]
    assert caught.value.result["message"][2].startswith("Not tried: ")
    assert (writes_passed(proxy), members(bot, empty_list)) == (1, ids[:1])


@pytest.mark.parametrize(("slow", "month"), [("late", "04"), ("late 502", "03")])
def test_a_server_that_is_still_at_it_is_asked_once_more(box_bot, sandbox, slow, month):
    """The answer is lost at once; the row is stored only after it was looked for."""
    one = int(sandbox.manifest["ids"]["crowded"][2])
    with LosingProxy(sandbox.url, "vrascores", reads="vrascoreslist") as proxy:
        bot = AtlasClass(proxy.url)
        bot.login(token=sandbox.writer_token)
        proxy.faults.append(slow)
        table = bot.add_vra_scores(one, preal=0.25, time=f"2026-{month}-01")
        assert table["ok"].tolist() == [True]
        # Where it takes longer than that, nobody is told to write it again.
        proxy.faults.append(f"very {slow}")
        with pytest.raises(WriteError, match="may still be working on it") as caught:
            bot.add_vra_scores(one, preal=0.25, time=f"2026-{month}-02")
    assert caught.value.result["ok"].tolist() == [None]
    days = box_bot.query_vra_scores(one, cache=False)["time"].isot
    assert [sum(t.startswith(f"2026-{month}-0{n}") for t in days) for n in (1, 2)] == [1, 1]


@pytest.mark.parametrize(("fault", "done"), [("after", True), ("before", False)])
def test_a_lost_removal_is_read_back(bot, lossy, ids, empty_list, fault, done):
    bot.add_to_list(ids[0], empty_list)
    lossy_bot, _ = lossy("remove_from_list", fault)
    if done:
        table = lossy_bot.remove_from_list(ids[0], empty_list)
        assert table["message"][0].startswith("response lost; read back: not on the list (")
    else:
        with pytest.raises(WriteError, match="read back: on the list, but the server may still be"):
            lossy_bot.remove_from_list(ids[0], empty_list)
    assert members(bot, empty_list) == ([] if done else ids[:1])


@pytest.mark.parametrize(("fault", "done"), [("after", True), ("before", False)])
def test_a_lost_move_is_read_back(bot, lossy, movable, fault, done):
    bot.move_to_list(movable, "galcand")
    lossy_bot, _ = lossy("move_to_list", fault)
    if done:
        table = lossy_bot.move_to_list(movable, "eyeball")
        assert "read back: on the detection list 4" in table["message"][0]
    else:
        with pytest.raises(WriteError, match="read back: on the detection list 12"):
            lossy_bot.move_to_list(movable, "eyeball")
    assert bot.get_objects(movable, cache=False)["list_id"][0] == (4 if done else 12)


def test_a_lost_move_of_an_unknown_object(lossy):
    bot, _ = lossy("move_to_list", "after")
    with pytest.raises(WriteError, match="matching query does not exist"):
        bot.move_to_list(MISSING, "eyeball")


@pytest.mark.parametrize(("fault", "done"), [("after", True), ("before", False)])
@pytest.mark.parametrize("time", [None, "2026-05-03T01:00:00"])
def test_a_lost_rank_is_read_back(bot, lossy, ranked, fault, done, time):
    bot.set_vra_rank(ranked, 1.0, rank_alt1=1.123456789, is_gal_cand=True, time="2026-05-01")
    lossy_bot, _ = lossy("set_vra_rank", fault)
    rank = 1.0 if time else 2.123456789
    given = {"rank_alt1": 1.123456789, "is_gal_cand": True, "time": time}
    if done:
        table = lossy_bot.set_vra_rank(ranked, rank, **given)
        assert "read back: this rank is stored" in table["message"][0]
    else:
        with pytest.raises(WriteError, match="read back: this rank is not stored"):
            lossy_bot.set_vra_rank(ranked, rank, **given)


def test_a_lost_entry_of_the_todo_list_is_read_back(bot, server, lossy, scored):
    lossy_bot, _ = lossy("add_vra_todo", "after", "before")
    assert "read back: on the list" in lossy_bot.add_vra_todo(scored)["message"][0]
    todo = set(bot.query_vra_todo(cache=False)["atlas_id"].tolist())
    other = next(i for i in server.ids("main") if i not in todo)
    with pytest.raises(WriteError, match="read back: not on the list"):
        lossy_bot.add_vra_todo(other)
    assert other not in bot.query_vra_todo(cache=False)["atlas_id"]


@pytest.mark.parametrize("time", [None, "2026-05-02T03:04:05"])
def test_lost_scores_are_read_back(bot, lossy, scored, time):
    lossy_bot, proxy = lossy("add_vra_scores", "after", "before", "pass", "before", "after")
    value = round(float(np.random.default_rng().uniform()), 12)
    with warnings.catch_warnings():
        # Whether there are some is up to the tests before.
        warnings.simplefilter("ignore", NoResultsWarning)
        before = len(bot.query_vra_scores(scored, debug=True, cache=False))
    given = {"debug": True, "time": time, "pgal": 0.5, "is_gal_cand": True}
    assert (
        "these scores are stored"
        in lossy_bot.add_vra_scores(scored, preal=value, **given)["message"][0]
    )
    # The same values of before do not pass for those of another row.
    with pytest.warns(InputWarning, match="these scores are not stored"):
        table = lossy_bot.add_vra_scores([scored] * 4, preal=[value / 2] + [value / 3] * 3, **given,
                                         on_error="warn")  # fmt: skip
    assert table["ok"].tolist() == [None, True, None, True]
    rows = bot.query_vra_scores(scored, debug=True, cache=False)
    assert len(rows) == before + 3
    assert writes_passed(proxy) == 3
    np.testing.assert_allclose(rows["preal"][-3:], [value, value / 3, value / 3], rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1e-50, 1e-44, 3e-39, 1.2345678e-37, 1 / 3, 1.0])
def test_lost_scores_of_any_size_are_found_again(bot, lossy, scored, value):
    lossy_bot, proxy = lossy("add_vra_scores", "after")
    given = {"rank": -3e38, "debug": True, "time": "2026-05-04T03:04:05"}
    assert lossy_bot.add_vra_scores(scored, preal=value, **given)["ok"].tolist() == [True]
    # Another value is not.
    proxy.faults.append("500 before")
    with pytest.raises(WriteError, match="not stored"):
        lossy_bot.add_vra_scores(scored, preal=value / 2 + 0.1, **given)


@pytest.mark.parametrize(("days", "ok"), [(0.2, None), (3.0, False)])
def test_older_scores_of_the_same_values_are_not_taken_for_the_lost_ones(
    box_bot, sandbox, days, ok
):
    one = int(sandbox.manifest["ids"]["south_pole"][-1])
    value = days / 10
    box_bot.add_vra_scores(one, preal=value, time=Time.now().mjd - days)
    with LosingProxy(sandbox.url, "vrascores") as proxy, pytest.warns(InputWarning):
        proxy.faults.append("500 before")
        bot = AtlasClass(proxy.url)
        bot.login(token=sandbox.writer_token)
        table = bot.add_vra_scores(one, preal=value, on_error="warn")
    assert table["ok"].tolist() == [ok]
    assert table["message"][0].startswith("Unknown: ") is (ok is None)


def test_after_a_time_out_a_write_may_still_come(lossy, ids, empty_list, monkeypatch):
    bot, proxy = lossy("add_to_list", "stall", "stall before")
    send, patience = bot._write, iter([1.0, 1.0])

    def brief(path, payload):
        # What is not held back has all the time that it takes.
        with conf.set_temp("timeout", next(patience, 60.0)):
            return send(path, payload)

    monkeypatch.setattr(bot, "_write", brief)
    with pytest.warns(InputWarning, match="1 of them may be done"):
        table = bot.add_to_list(ids[:3], empty_list, on_error="warn")
    assert table["ok"].tolist() == [True, None, True]
    assert table["message"][0].startswith("response lost; read back: on the list (")
    assert "Unknown: response lost; read back: not on the list, but" in table["message"][1]
    assert writes_passed(proxy) == 2


def test_what_cannot_be_read_back_is_unknown_and_the_rest_not_tried(lossy, ids, empty_list):
    bot, proxy = lossy("add_to_list", "pass", "after")
    proxy.reads_fail = True
    with pytest.raises(WriteError, match="1 of them may be done") as caught:
        bot.add_to_list(ids[:4], empty_list)
    table = caught.value.result
    assert table["ok"].tolist() == [True, None, False, False]
    assert table["message"][1].startswith("Unknown: response lost (")
    assert all(message.startswith("Not tried: ") for message in table["message"][2:])
    assert [i for i, _ in caught.value.failures] == ids[1:4]
    assert writes_passed(proxy) == 2


def test_a_server_that_is_gone_is_not_asked_for_each(server, ids):
    with LosingProxy(server.url, "vratodo") as proxy:
        url = proxy.url
    bot = AtlasClass(url)
    bot.login(token=server.token("writer"))
    with pytest.raises(WriteError, match="cannot be reached") as caught:
        bot.add_vra_todo(ids)
    # There was no connection, so the first is not done either, and nothing is read back.
    assert caught.value.result["ok"].tolist() == [False] * 5
    messages = caught.value.result["message"].tolist()
    assert messages[0].startswith("Not sent: ATLAS cannot be reached")
    assert all(message.startswith("Not tried: ") for message in messages[1:])


def test_ctrl_c_says_how_far_it_got(box_bot, sandbox, monkeypatch):
    ids = [int(i) for i in sandbox.manifest["ids"]["main"][:3]]
    send, sent = box_bot._write, []

    def interrupted(path, payload):
        sent.append(payload["objectid"])
        if len(sent) == 2:
            raise KeyboardInterrupt
        return send(path, payload)

    monkeypatch.setattr(box_bot, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        box_bot.remove_from_list(ids, "empty")
    (note,) = caught.value.__notes__
    assert "1 of 3" in note
    assert str(ids[1]) in note
    table = caught.value.result
    assert table["atlas_id"].tolist() == ids
    assert table["ok"].tolist() == [True, None, False]
    assert table["message"][0].startswith("Was not on the list.")
    assert table["message"][1].startswith("Unknown: ")
    assert table["message"][2].startswith("Not tried: ")
    assert table.meta["query"] == "remove_from_list"


@pytest.mark.parametrize("method", WRITES)
def test_what_a_write_raises_is_in_its_documentation(method):
    # Python 3.13 takes the indent of docstrings away by itself.
    raises = inspect.getdoc(getattr(AtlasClass, method)).split("Raises")[1]
    for name in ("InvalidQueryError", "LoginError", "QuotaError", "WriteError"):
        assert f"\n{name}\n" in raises

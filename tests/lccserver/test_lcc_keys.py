"""Keys: fetched, kept, renewed once, an account's own, and never shown."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from clocks import JumpingClock

from atlasquery.exceptions import (
    LoginError,
    NoResultsWarning,
    QuotaError,
    RemoteServiceError,
)
from atlasquery.lccserver import LCCServerClass, conf
from atlasquery.sandbox.lccserver.messages import failed, json_reply


def test_an_anonymous_key_is_fetched_once(lcc, double):
    assert lcc.verify() and lcc.verify()
    assert len(double.asked("GET /api/key")) == 1
    assert double.asked("verify")[0].key == double.asked("verify")[1].key is not None


def test_the_real_server_gives_and_takes_a_key(real_url):
    assert LCCServerClass(real_url).verify()


def test_an_expired_key_is_renewed_once(lcc, double, monkeypatch):
    lcc.verify()
    double.expire()
    monkeypatch.setattr(lcc._clock, "now", lambda now=lcc._clock.now: now() + 7 * 86400)
    assert lcc.verify()
    assert len(double.asked("GET /api/key")) == 2
    assert len(double.asked("verify")) == 3


def test_keys_that_are_never_taken_do_not_become_a_loop(lcc, double):
    """The auth backend is down, or keys are bound to another address than ours."""
    double.faults["verify"] = json_reply(failed("Your API key appears to be invalid"), 401)
    for _ in range(3):
        with pytest.raises(LoginError, match=r"appears to be invalid.*changing address"):
            lcc.verify()
    assert len(double.asked("GET /api/key")) == 1
    assert len(double.asked("verify")) == 3


NOT_CHECKED = json_reply({"status": "failed", "message": None, "result": None}, 401)


def test_a_key_that_could_not_be_checked_is_checked_again(lcc, double):
    """The process that checks keys failed: the server refuses without a message."""
    double.faults["collections"] = [NOT_CHECKED, NOT_CHECKED]
    with conf.set_temp("backoff", 0.01):
        assert len(lcc.list_collections()) == 4
    assert len(double.asked("collections")) == 3
    assert len(double.asked("GET /api/key")) == 1


def test_keys_that_are_never_checked_are_an_error_of_the_server(lcc, double):
    double.faults["collections"] = NOT_CHECKED
    quick = conf.set_temp("backoff", 0.01), conf.set_temp("retries", 2)
    failed_check = pytest.raises(RemoteServiceError, match="failed with status 401")
    with quick[0], quick[1], failed_check as caught:
        lcc.list_collections()
    assert not isinstance(caught.value, LoginError) and caught.value.status == 401
    assert len(double.asked("collections")) == 3
    assert len(double.asked("GET /api/key")) == 1


def test_an_old_key_refused_with_the_backend_down_is_renewed_once(lcc, double, monkeypatch):
    lcc.verify()
    double.faults["verify"] = json_reply(failed("Your API key appears to be invalid"), 401)
    monkeypatch.setattr(lcc._clock, "now", lambda now=lcc._clock.now: now() + 3600)
    for _ in range(2):
        with pytest.raises(LoginError, match="appears to be invalid"):
            lcc.verify()
    assert len(double.asked("GET /api/key")) == 2


def test_no_key_to_be_had_is_said(lcc, double):
    double.auth_down = True
    with conf.set_temp("retries", 1), pytest.raises(RemoteServiceError, match="status 500"):
        lcc.verify()
    assert len(double.asked("GET /api/key")) == 2


def test_a_key_in_an_answer_of_another_form_is_not_shown(lcc, double):
    reply = {"status": "ok", "result": {"apikee": "very-secret-key"}, "message": "?"}
    double.faults["api/key"] = json_reply(reply)
    with pytest.raises(LoginError, match="without a key") as caught:
        lcc.verify()
    error = caught.value
    assert "very-secret" not in f"{error}{error.reason}{error.__cause__}{error.__context__}"


def test_the_key_of_an_account(lcc, double, monkeypatch):
    lcc.login(token=double.add_key("account-key-1"))
    assert lcc.verify() and not double.asked("GET /api/key")
    lcc.logout()
    assert lcc.verify() and len(double.asked("GET /api/key")) == 1
    monkeypatch.setenv("ATLASQUERY_LCC_TOKEN", "account-key-1")
    other = LCCServerClass(double.url)
    assert other.verify() and double.received[-1].key == "account-key-1"


def test_a_refused_key_of_an_account_is_not_replaced_by_an_anonymous_one(lcc, double):
    lcc.login(token="a-key-of-last-year")
    with pytest.raises(LoginError, match="take a new one from your account") as caught:
        lcc.verify()
    assert "last-year" not in str(caught.value)
    assert not double.asked("GET /api/key")


def test_password_and_user_name_are_no_way_in(lcc):
    with pytest.raises(TypeError, match="has no argument 'password'"):
        lcc.login(password="open sesame")


def test_429_is_waited_for_as_long_as_the_server_says(lcc, double, monkeypatch):
    slept = []
    monkeypatch.setattr(lcc._clock, "sleep", slept.append)
    reply = failed("You have exceeded your API request rate.", {"rate": 1123.8})
    double.faults["collections"] = [json_reply(reply, 429, headers={"Retry-After": "120"})]
    assert len(lcc.list_collections()) == 4
    assert slept == [120.0]
    double.faults["collections"] = json_reply(reply, 429, headers={"Retry-After": "120"})
    with conf.set_temp("max_wait", 60.0), pytest.raises(QuotaError, match="in 120 s") as caught:
        lcc.list_collections(cache=False)
    assert caught.value.retry_after == 120
    assert "exceeded your API request rate" in caught.value.reason


def test_requests_keep_below_the_average_that_the_server_allows(lcc, double):
    """25 requests at once are free; then each has to wait for the average to allow it."""
    lcc._clock = JumpingClock()
    with conf.set_temp("anonymous_per_minute", 60):
        for _ in range(20):
            lcc.verify()
        assert not lcc._clock.slept
        began = lcc._clock.now()
        for _ in range(10):
            lcc.verify()
    assert 30 <= lcc._clock.now() - began <= 33


@pytest.mark.parametrize("knows", [True, False])
def test_many_cones_of_a_server_on_this_machine(lcc, double, knows):
    """It counts as any other: forty cones that do not keep its pace wait for two minutes."""
    lcc._clock = clock = JumpingClock()
    double.clock = clock.now
    double.site["rate"] = 600
    centres = SkyCoord(np.linspace(100, 260, 40), np.full(40, 20.0), unit="deg")
    with (
        conf.set_temp("anonymous_per_minute", 600 if knows else 0),
        conf.set_temp("concurrency", 1),
        pytest.warns(NoResultsWarning),
    ):
        began = clock.now()
        for centre in centres:
            lcc.query_region(centre, radius="1 arcmin", cache=False, progress=False)
    throttled = [seconds for seconds in clock.slept if seconds >= 120]
    assert bool(throttled) is not knows
    # Ten a second, which is what the server allows; a cone that finds something is two of them.
    assert (clock.now() - began < 0.11 * len(double.received)) is knows

"""What a request takes from the environment, from its session and from the configuration."""

import itertools

import pytest
import requests
from astropy.config import get_config
from probe import conf

from atlasquery.alerce import conf as alerce_conf
from atlasquery.service import environment
from atlasquery.service.environment import VARIABLES, connection_settings
from atlasquery.service.secrets import NoAuth
from atlasquery.service.transport import _prepared

URL = "http://data.example/api/things/"


class Counting(requests.Session):
    """A session that knows how often it looked through the environment."""

    looks = 0

    def merge_environment_settings(self, *args, **kwargs):
        self.looks += 1
        return super().merge_environment_settings(*args, **kwargs)


@pytest.fixture
def session(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    environment._known.clear()
    yield Counting()
    environment._known.clear()


def test_the_environment_is_looked_through_once_for_many_requests(session, monkeypatch):
    # However slow the machine is.
    monkeypatch.setattr(environment, "SECONDS", 3600.0)
    for _ in range(20):
        settings = connection_settings(session, URL, direct=False)
    assert session.looks == 1
    assert settings["proxies"] == {}
    assert settings["verify"] is True
    connection_settings(session, "https://data.example/api/", direct=False)
    connection_settings(session, "http://other.example/api/", direct=False)
    assert session.looks == 3


def test_it_is_looked_through_again_after_a_while(session, monkeypatch):
    monkeypatch.setattr(environment, "SECONDS", 0.0)
    connection_settings(session, URL, direct=False)
    connection_settings(session, URL, direct=False)
    assert session.looks == 2


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_that_changes_counts_at_once(session, monkeypatch, name):
    monkeypatch.setattr(environment, "SECONDS", 3600.0)
    connection_settings(session, URL, direct=False)
    monkeypatch.setenv(name, "http://proxy.example:3128")
    changed = connection_settings(session, URL, direct=False)
    plain = requests.Session().merge_environment_settings(URL, {}, True, None, None)
    assert session.looks == 2
    assert changed == plain
    monkeypatch.delenv(name)
    assert connection_settings(session, URL, direct=False)["proxies"] == {}


def test_the_settings_are_those_of_requests(session, monkeypatch):
    urls = (URL, "https://data.example/", "http://127.0.0.1:8000/", "https://[::1]/a")
    values = {"HTTPS_PROXY": "http://p:1", "no_proxy": "data.example", "CURL_CA_BUNDLE": "/ca"}
    for count in range(len(values) + 1):
        for some in itertools.combinations(values, count):
            for name in values:
                monkeypatch.delenv(name, raising=False)
            for name in some:
                monkeypatch.setenv(name, values[name])
            for url, verify in itertools.product(urls, (None, True, False, "/other")):
                for direct, proxies in ((False, {}), (True, {"http": "", "https": ""})):
                    plain = session.merge_environment_settings(url, proxies, True, verify, None)
                    found = connection_settings(session, url, direct=direct, verify=verify)
                    assert found == plain


def test_settings_of_the_session_count_at_once(session, monkeypatch):
    monkeypatch.setattr(environment, "SECONDS", 3600.0)
    connection_settings(session, URL, direct=False)
    session.proxies = {"http": "http://mine.example"}
    assert connection_settings(session, URL, direct=False)["proxies"] == session.proxies
    session.verify = "/certificates"
    assert connection_settings(session, URL, direct=False)["verify"] == "/certificates"
    session.trust_env = False
    monkeypatch.setenv("http_proxy", "http://proxy.example")
    session.proxies = {}
    assert connection_settings(session, URL, direct=False)["proxies"] == {}


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "get", "params": {"a": [1, 2], "b": "é"}},
        {"method": "POST", "data": {"x": "1", "y": None}, "headers": {"Accept": "*/*"}},
        {"method": "POST", "json": {"x": None}, "headers": {"user-agent": None}},
        {"method": "POST", "files": {"f": ("a.txt", b"text")}, "data": None, "verify": False},
        {"method": "GET", "params": {}, "headers": None},
    ],
)
def test_a_request_is_prepared_as_requests_does(session, request_):
    session.headers["X-Mine"] = "1"
    session.params = {"always": "yes"}
    hooks = {"response": print}
    ours = _prepared(session, url=URL, auth=NoAuth(), hooks=hooks, **request_)
    request_.pop("verify", None)
    plain = session.prepare_request(
        requests.Request(url=URL, auth=NoAuth(), hooks=hooks, **request_)
    )
    assert (ours.method, ours.url, ours.hooks) == (plain.method, plain.url, plain.hooks)
    boundary = ours.headers.get("Content-Type", "").partition("boundary=")[2].encode()
    other = plain.headers.get("Content-Type", "").partition("boundary=")[2].encode()
    if boundary:
        assert ours.body.replace(boundary, other) == plain.body
        del ours.headers["Content-Type"], plain.headers["Content-Type"]
    else:
        assert ours.body == plain.body
    assert ours.headers == plain.headers


def test_an_item_of_the_configuration_is_that_of_the_moment():
    # What the suite has set comes back in the end.
    with conf.set_temp("timeout", 60.0):
        assert [conf.timeout for _ in range(3)] == [60.0] * 3
        with conf.set_temp("timeout", 7.0):
            assert conf.timeout == 7.0
            with conf.set_temp("timeout", 8.0):
                assert conf.timeout == 8.0
            assert conf.timeout == 7.0
        assert conf.timeout == 60.0
        conf.timeout = 3
        assert conf.timeout == 3.0
        conf.reload("timeout")
        assert conf.timeout == 60.0
        # As a file has it, which was read anew.
        section = get_config(type(conf).__module__)
        section["timeout"] = "12.5"
        assert conf.timeout == 12.5
        section["timeout"] = "soon"
        with pytest.raises(TypeError, match="not valid"):
            conf.timeout  # noqa: B018
        del section["timeout"]
        assert conf.timeout == 60.0


def test_a_list_of_the_configuration_is_not_shared():
    alerce_conf.routes.append("mine")
    assert "mine" not in alerce_conf.routes

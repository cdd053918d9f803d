"""The client classes as tools for interactive work and for mocks see them."""

import inspect
import io
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import pytest
from astropy.coordinates import SkyCoord
from astroquery import log as astroquery_log

import atlasquery
from atlasquery.atlas import AtlasClass
from atlasquery.atlas import conf as atlas_conf
from atlasquery.exceptions import InvalidQueryError
from atlasquery.forcedphot import AtlasForcedClass
from atlasquery.lccserver import LCCServerClass
from atlasquery.service.log import log
from atlasquery.service.secrets import Secret

SERVICES = ("Atlas", "AtlasForced", "Alerce", "LCCServer", "SkyPortal")


@pytest.fixture
def _nowhere(faulty, monkeypatch):
    """A server that is never asked for anything."""
    for name in ("ATLAS", "FORCED", "ALERCE", "LCC", "SKYPORTAL"):
        monkeypatch.setenv(f"ATLASQUERY_{name}_SERVER", faulty.url)
    yield
    assert faulty.received == []


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.parametrize("name", SERVICES)
def test_looking_at_a_client_sends_nothing(name):
    client = getattr(atlasquery, f"{name}Class")()
    assert hasattr(client, "quota")
    members = dict(inspect.getmembers(client))
    assert callable(members["quota"])
    assert not client.authenticated()
    double = mock.create_autospec(client, instance=True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        double.clear_cache(nonsense=3)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        (AtlasClass, "TIMEOUT", r"Atlas has .* set conf.timeout: from atlasquery\.atlas import"),
        (LCCServerClass, "URL", r"set conf\.server: from atlasquery\.lccserver import conf"),
        (AtlasForcedClass, "timeout", r"set conf\.timeout"),
        (AtlasClass, "chache_location", "did you mean 'cache_location'"),
        (AtlasClass, "zzz", "Atlas has no attribute 'zzz'$"),
    ],
)
def test_what_nothing_would_read_is_not_set(kind, name, words):
    client = kind()
    with pytest.raises(AttributeError, match=words):
        setattr(client, name, 5)
    assert not hasattr(client, name)


def test_what_is_read_may_be_set(tmp_path):
    client = AtlasClass()
    client.cache_location = tmp_path
    assert client.cache_location == tmp_path
    client.name = "Mine"
    # As a user's test may do.
    client.get_objects = lambda ids: ids
    assert client.get_objects(3) == 3


@pytest.mark.parametrize("name", SERVICES)
def test_a_misspelled_setting_is_refused(name):
    conf = getattr(atlasquery, f"{name}Class").conf
    with pytest.raises(AttributeError, match="no item 'timeoutt'; did you mean 'timeout'"):
        conf.timeoutt = 3
    with conf.set_temp("timeout", 7.0):
        assert conf.timeout == 7.0
        conf.timeout = 8.0
        assert conf.timeout == 8.0


def test_a_missing_argument_names_the_public_method():
    with pytest.raises(TypeError, match=r"^Atlas\.query_region\(\) is missing .*coordinates"):
        atlasquery.Atlas.query_region(radius="1 arcmin")
    with pytest.raises(
        TypeError, match=r"^Alerce\.crossmatch_catshtm\(\) is missing the arg.* and "
    ):
        atlasquery.Alerce.crossmatch_catshtm()
    with pytest.raises(InvalidQueryError, match=r"^radius is missing"):
        atlasquery.Atlas.query_region("150d +2d")
    with pytest.raises(TypeError, match=r"^Atlas\.query_region\(\) takes 2 positional arguments"):
        atlasquery.Atlas.query_region("150d +2d", "1 arcmin", True)
    with pytest.raises(TypeError, match="got 'coordinates' both by position") as caught:
        atlasquery.Atlas.query_region("150d +2d", coordinates="150d +2d")
    assert "SkyCoord(" not in str(caught.value)
    with pytest.raises(TypeError, match=r"one position, such as SkyCoord\(150\.0, 2, unit='deg'\)"):
        atlasquery.Atlas.query_region(150.0, 2, radius="1 arcmin")


def test_a_password_may_stand_in_its_place(monkeypatch):
    client, seen = AtlasClass("http://127.0.0.1:9/api/"), []

    def fetch(username, password):
        seen.append((username, password))
        return Secret("t" * 40)

    monkeypatch.setattr(client, "_fetch_token", fetch)
    assert client.login("alice", "s3cret-password")
    assert [(name, word.reveal()) for name, word in seen] == [("alice", "s3cret-password")]
    with pytest.raises(TypeError) as caught:
        client.login("alice", "s3cret-password", "s3cret-token")
    assert "s3cret" not in str(caught.value)


def test_a_password_in_its_place_is_in_no_traceback():
    client = AtlasClass("http://127.0.0.1:9/api/")
    with atlas_conf.set_temp("retries", 0), pytest.raises(Exception) as caught:
        client.login("alice", "s3cret-password")
    inside = [frame for frame in caught.traceback if "atlasquery" in str(frame.path)]
    assert len(inside) > 2
    for frame in inside:
        if frame.path.parent.name != "service" or frame.path.name.startswith("test_"):
            continue
        assert "s3cret" not in repr(frame.frame.f_locals)


def test_the_log_is_not_among_a_programs_data():
    out, err = io.StringIO(), io.StringIO()
    level = astroquery_log.level
    try:
        with redirect_stdout(out), redirect_stderr(err):
            astroquery_log.setLevel("INFO")
            log.info("costs %d requests", 3)
            astroquery_log.setLevel("WARNING")
            log.info("not shown")
    finally:
        astroquery_log.setLevel(level)
    assert out.getvalue() == ""
    assert err.getvalue().startswith("INFO: costs 3 requests [")
    assert err.getvalue().count("\n") == 1
    with astroquery_log.log_to_list() as lines:
        astroquery_log.setLevel("INFO")
        log.info("seen")
    astroquery_log.setLevel(level)
    assert [line.getMessage() for line in lines] == ["seen"]


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.parametrize("name", [name for name in SERVICES if name != "AtlasForced"])
def test_the_radius_may_be_given_by_place(name):
    client = getattr(atlasquery, f"{name}Class")()
    # It is taken for the radius, and judged as one.
    with pytest.raises(InvalidQueryError, match="radius"):
        client.query_region(SkyCoord(150.0, 2.2, unit="deg"), "-3 arcmin")


def test_a_subclass_may_have_attributes_of_its_own():
    class Mine(AtlasClass):
        def __init__(self):
            super().__init__()
            self.cut = 3

    assert Mine().cut == 3

"""Names to positions: the survey that gives a name, other services, then Sesame."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.coordinates.name_resolve import sesame_url
from faults import FaultyServer, Reply
from supernova import ATLAS, DEC, LCC, LSST, OBJECT, RA, TNS, ZTF

from atlasquery import Resolved, resolve
from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
)
from atlasquery.sky.names import kind_of, read_name, spelled

FOUND = b"# %s\t#Q1\n#=S=Simbad:\t1\n%%J 10.68470800 +41.26875000 = 00:42:44.32\n#====Done====\n"
UNKNOWN = b"# %s\t#Q1\n#=S=Simbad:\t0\n#!SIMBAD: No known catalog could be found\n#====Done====\n"


@pytest.fixture
def sesame():
    """Sesame on loopback, which knows M 31 only."""
    server = FaultyServer()
    server.default = lambda received: Reply(
        body=(FOUND if "M%2031" in received.target or "M+31" in received.target else UNKNOWN)
        % received.target.encode(),
        kind="text/plain",
    )
    with sesame_url.set(["http://127.0.0.1:%d/" % server.port]):  # noqa: UP031
        yield server
    server.stop()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        (ATLAS, "atlas"), (ATLAS.replace("ATLAS", "atlas "), "atlas"), (f"AT {TNS}", "atlas"),
        (f"SN{TNS}", "atlas"), (ZTF, "alerce"),
    ],
)  # fmt: skip
def test_each_name_of_an_object_leads_to_its_position(servers, name, source):
    found = resolve(name, timeout=60)
    assert isinstance(found, Resolved) and found.known is True
    assert found.source == source
    assert found.coordinates.separation(SkyCoord(RA, DEC, unit="deg")) < 0.01 * u.arcsec
    assert {spelled(each) for each in found.names} >= {spelled(name), TNS}


def test_the_prefix_of_the_tns_is_kept_where_a_service_has_it(servers):
    assert f"SN {TNS}" in resolve(TNS, timeout=60).names


def test_ids(servers):
    found = resolve(OBJECT.atlas_id, services="atlas", timeout=60)
    assert found.names[:3] == (str(OBJECT.atlas_id), ATLAS, TNS)
    lsst = resolve(int(LSST), services="alerce", timeout=60)
    assert lsst.source == "alerce"
    assert lsst.coordinates.dec.deg == pytest.approx(DEC, abs=1e-4)
    assert resolve(LCC, timeout=60).source == "lccserver"


def test_any_other_name_is_asked_of_sesame(servers, sesame):
    found = resolve("M 31", timeout=60)
    assert (found.source, found.names) == ("Sesame", ("M 31",))
    assert found.coordinates.ra.deg == pytest.approx(10.684708)
    with pytest.raises(NotFoundError, match=r"'M 999' is unknown.*Sesame"):
        resolve("M 999", timeout=60)
    asked = len(sesame.received)
    with pytest.raises(NotFoundError, match="1999999999999999999"):
        resolve(1999999999999999999, timeout=60)
    # Sesame does not know ids.
    assert len(sesame.received) == asked
    # A name is not unknown because Sesame is down.
    sesame.default = lambda received: Reply(status=503, body=b"")
    with pytest.raises(RemoteServiceError, match="Sesame failed: All Sesame") as caught:
        resolve("M 32", timeout=60)
    assert not isinstance(caught.value, NotFoundError)


def test_a_name_that_no_service_asked_can_know(servers):
    with pytest.raises(NotFoundError, match="Only atlas may know it, which was not asked"):
        resolve(ATLAS, services="alerce", timeout=60)


def test_a_name_of_a_survey_is_unknown_where_sesame_is_down(servers, sesame):
    sesame.default = lambda received: Reply(status=503, body=b"")
    with pytest.raises(NotFoundError, match="Sesame did not answer"):
        resolve("SN 2026zzz", timeout=60)


def test_sesame_without_an_address_is_not_asked(servers):
    with sesame_url.set([]), pytest.raises(NotFoundError, match="Sesame was not asked") as caught:
        resolve("SN 2026zzz", timeout=60)
    assert "See errors" not in str(caught.value)


def test_arrays_of_names(servers, sesame):
    found = resolve([ZTF, "M 31", ATLAS, ZTF], timeout=60)
    assert found.source == ["alerce", "Sesame", "atlas", "alerce"]
    assert found.coordinates.shape == (4,) and found.known.all()
    assert [one.source for one in found] == found.source and len(found) == 4
    assert found.names[2][0] == ATLAS
    # One request for all objects of ZTF, however often they are named.
    assert len(servers.alerce.asked("oid=")) == 1
    assert "M 31: 10.68471 +41.26875 (Sesame)" in repr(found)


def test_each_unknown_name_is_named(servers, sesame):
    names = ["ZTF18zzzzzzz", ZTF, "M 999"]
    with pytest.raises(IncompleteResultError, match=r"2 of 3 .*ZTF18zzzzzzz, M 999") as caught:
        resolve(names, timeout=60)
    assert [name for name, _ in caught.value.failures] == ["ZTF18zzzzzzz", "M 999"]
    assert caught.value.result.known.tolist() == [False, True, False]
    with pytest.warns(NoResultsWarning, match="ZTF18zzzzzzz, M 999"):
        found = resolve(names, on_error="warn", timeout=60)
    assert np.isnan(found.coordinates.ra.deg).tolist() == [True, False, True]
    assert found.source == ["", "alerce", ""]


def test_a_failed_service_is_not_an_unknown_name(servers, sesame, monkeypatch):
    """That a name is not known where others could be asked is no proof that it is unknown."""
    monkeypatch.setenv("ATLASQUERY_ALERCE_SERVER", "http://127.0.0.1:9/")
    with pytest.raises(RemoteServiceError, match="failed") as caught:
        resolve("ZTF18zzzzzzz", timeout=10)
    assert not isinstance(caught.value, NotFoundError)
    with pytest.warns(InputWarning):
        found = resolve(["ZTF18zzzzzzz", "M 31"], on_error="warn", timeout=10)
    assert found.known.tolist() == [False, True]
    assert resolve(ZTF, timeout=10).source in ("atlas", "skyportal")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "should be a name"), (12, "is not an id"), (-5, "is not an id"), ([], "is empty"),
        ("10.5 -20.1", "is a position"), (3.5, "should be a name"), ("a,b", "comma"),
        (["ok", None], r"name\[1\]"), (2**70, "is not an id"),
    ],
)  # fmt: skip
def test_what_is_not_a_name_is_refused(servers, name, message):
    with pytest.raises(InvalidQueryError, match=message):
        resolve(name)
    assert not servers.alerce.received


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ATLAS20bbfr", "ATLAS"), ("ATLAS 20bbfr", "ATLAS"), ("AT2020tjh", "TNS"),
        ("SN 1987A", "TNS"), ("2011fe", "TNS"), ("ZTF18acuwwpp", "ZTF"),
        ("1100003181021216990", "ATLAS id"), ("313888627219857414", "LSST"),
        ("HAT-198-0835489", "LCC"), ("M 31", "other"), ("NGC4993", "other"),
        ("PS24abc", "other"), ("ZTF18acuwwp", "other"),
    ],
)  # fmt: skip
def test_kinds_of_names(name, kind):
    assert kind_of(read_name(name)).value == kind

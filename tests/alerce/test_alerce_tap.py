"""Queries in SQL."""

import astropy.units as u
import pytest

from atlasquery.alerce import conf
from atlasquery.exceptions import (
    InvalidQueryError,
    MaxResultsWarning,
    RemoteServiceError,
    TimeoutError,
)
from atlasquery.sandbox.http import Response


def test_adql(alerce):
    found = alerce.query_tap("SELECT oid, meanra, ndet FROM object LIMIT 3")
    assert len(found) == 3
    assert found["oid"].dtype.kind == "U" and found["meanra"].unit == u.deg
    assert found.meta["adql"].startswith("SELECT")
    with pytest.raises(InvalidQueryError, match="adql"):
        alerce.query_tap("")


def test_more_rows_than_asked_for_are_cut(alerce):
    query = "SELECT oid, meanra, ndet FROM object LIMIT 30"
    with pytest.warns(MaxResultsWarning, match="more rows than the 5"):
        assert len(alerce.query_tap(query, max_rows=5)) == 5
    assert len(alerce.query_tap(query, max_rows=30)) == 30


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<INFO name="QUERY_STATUS" value="ERROR">No table &lt;x&gt;.</INFO>', "No table <x>."),
        ('<INFO name="ERROR_DETAIL" value="Bad column"/>', "Bad column"),
        ("Gateway away", "Gateway away"),
    ],
)
def test_the_words_of_a_tap_service_wherever_they_stand(alerce, double, body, words):
    double.faults["/tap/"] = Response(400, body, "application/xml")
    with pytest.raises(RemoteServiceError) as caught:
        alerce.query_tap("SELECT 1")
    assert caught.value.reason == words and caught.value.status == 400


def test_adql_that_is_refused_is_refused_in_the_servers_words(alerce, double):
    with pytest.raises(RemoteServiceError, match='syntax error at or near "SELEC"') as caught:
        alerce.query_tap("SELEC oid")
    assert caught.value.status == 500 and caught.value.reason.startswith("ERROR: syntax")
    double.faults["/tap/"] = Response(503, "Away for maintenance", "text/plain")
    with pytest.raises(RemoteServiceError):
        alerce.query_tap("SELECT oid, meanra, ndet FROM object LIMIT 3")


def test_adql_waits_no_longer_than_told(alerce, double):
    double.latency = 1.0
    with conf.set_temp("timeout", 0.1), pytest.raises(TimeoutError, match=r"0\.1 s"):
        alerce.query_tap("SELECT oid, meanra, ndet FROM object LIMIT 3")

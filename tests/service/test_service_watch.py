"""An answer may be watched as it arrives; what was seen of is not asked for again."""

import gzip

import pytest
from faults import RESET, Reply, answer

from atlasquery.exceptions import LoginError, RemoteServiceError

LINES = b"".join(b'{"n": %d}\n' % n for n in range(2000))


def watched(probe, url, **kind):
    pieces = []
    response = probe._send("GET", url, repeat=True, watch=pieces.append, **kind)
    return pieces, response


@pytest.mark.parametrize("packed", [False, True])
def test_the_pieces_are_the_whole_answer(faulty, probe, packed):
    body = gzip.compress(LINES) if packed else LINES
    headers = {"Content-Encoding": "gzip"} if packed else {}
    faulty.default = Reply(body=body, chunks=100, headers=headers)
    pieces, response = watched(probe, faulty.url + "lines/")
    assert b"".join(pieces) == response.content == LINES
    assert len(pieces) > 1


def test_what_breaks_off_after_a_piece_is_not_asked_for_again(faulty, probe):
    faulty.script(Reply(body=LINES, chunks=100, whole=False, then="close"), answer([1]))
    with pytest.raises(RemoteServiceError, match="interrupted its response"):
        watched(probe, faulty.url + "lines/")
    assert len(faulty.received) == 1


def test_what_breaks_off_before_is_asked_for_again(faulty, probe):
    faulty.script(RESET, Reply(status=503, body="closed"), Reply(body=LINES))
    pieces, _ = watched(probe, faulty.url + "lines/")
    assert b"".join(pieces) == LINES and len(faulty.received) == 3


def test_a_refusal_is_not_watched(faulty, probe):
    faulty.default = answer({"detail": "No such page."}, status=404)
    with pytest.raises(RemoteServiceError, match="No such page"):
        watched(probe, faulty.url + "lines/")


def test_a_401_that_speaks_of_something_else_renews_no_token(faulty, probe, monkeypatch):
    monkeypatch.setattr(probe, "_worth_renewing", lambda response: "token" in response.text)
    renewed = []
    monkeypatch.setattr(probe, "_renew", lambda token: renewed.append(token) or False)
    faulty.default = answer({"message": "Not your data."}, status=401)
    with pytest.raises(LoginError, match="Not your data"):
        probe.read()
    assert not renewed
    faulty.default = answer({"message": "Your token has expired."}, status=401)
    with pytest.raises(LoginError):
        probe.read()
    assert len(renewed) == 1

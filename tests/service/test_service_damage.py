"""An answer with status 200 that is damaged is asked for again, as after a broken connection."""

import gzip
import json

import msgspec
import pytest
from faults import Reply, answer
from probe import conf

from atlasquery.exceptions import RemoteServiceError, TableParseError

ROWS = [{"n": n} for n in range(50)]
BODY = json.dumps(ROWS).encode()
PACKED = {"Content-Encoding": "gzip"}
DAMAGED = {
    "cut": Reply(body=BODY[:100]),
    "empty": Reply(body=b""),
    "no kind": Reply(body=b"", kind=None),
    "no text": Reply(body=b'["\xff\xfe"]'),
    "page": Reply(body="<title>Starting</title>", kind="text/html"),
    "cut gzip": Reply(body=gzip.compress(BODY)[:60], headers=PACKED),
    "no gzip": Reply(body=BODY, headers=PACKED),
    "wrong checksum": Reply(body=gzip.compress(BODY)[:-8] + b"12345678", headers=PACKED),
    "nested": Reply(body=b"[" * 100000),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_read_is_repeated_until_it_is_whole(faulty, probe, damage):
    faulty.script(DAMAGED[damage], DAMAGED[damage], answer(ROWS))
    assert probe.read(cache=True) == ROWS
    assert len(faulty.received) == 3
    # What is stored is the answer that was whole.
    assert probe.read(cache=True) == ROWS
    assert len(faulty.received) == 3


@pytest.mark.parametrize("damage", DAMAGED)
def test_damage_that_lasts_is_an_error_after_the_retries(faulty, probe, damage):
    faulty.default = DAMAGED[damage]
    with pytest.raises((RemoteServiceError, TableParseError), match="PROBE"):
        probe.read(cache=True)
    assert len(faulty.received) == conf.retries + 1
    faulty.default = answer(ROWS)
    assert probe.read(cache=True) == ROWS


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_write_is_sent_once(faulty, probe, damage):
    faulty.default = DAMAGED[damage]
    if "gzip" in damage or "checksum" in damage:
        with pytest.raises(RemoteServiceError):
            probe.write(k=1)
    else:
        assert probe.write(k=1).status_code == 200
    assert len(faulty.received) == 1


def test_what_breaks_off_is_damaged_whatever_its_decoder_meets_first(faulty, probe):
    faulty.script(Reply(body=b'["a", {"n"'), answer([{"n": 1}]))
    decode = msgspec.json.Decoder(list[dict[str, int]]).decode
    assert probe.read(decode=decode) == [{"n": 1}]
    assert len(faulty.received) == 2


def test_another_shape_is_no_damage(faulty, probe):
    faulty.default = answer({"other": 1})
    with pytest.raises(TableParseError, match="an unexpected response"):
        probe.read(decode=lambda body: msgspec.json.decode(body, type=list))
    assert len(faulty.received) == 1


def test_each_repetition_waits_longer(faulty, probe):
    faulty.script(DAMAGED["cut"], DAMAGED["page"], answer(ROWS))
    waits = []
    probe._clock.sleep = waits.append
    with conf.set_temp("backoff", 0.5):
        probe.read()
    assert waits == [0.5, 1.0]

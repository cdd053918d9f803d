"""Headers of files of alert packets that are damaged, and forms of them that few programs write."""

import gzip

import pytest

pytest.importorskip("fastavro", reason="the avro extra is not installed")

import json

import alert_packets as packets

from atlasquery import read_alert
from atlasquery.exceptions import TableParseError

MAGIC, SYNC = b"Obj\x01", bytes(range(16))


def whole(number):
    """Return a whole number as Avro writes it."""
    number = (number << 1) ^ (number >> 63)
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def field(value):
    return whole(len(value)) + value


def header(*pairs, sync=SYNC):
    body = b"".join(field(key) + field(value) for key, value in pairs)
    return MAGIC + whole(len(pairs)) + body + whole(0) + sync


SCHEMA = json.dumps(packets.ztf_schema()).encode()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (header((b"avro.codec", b"null")), "its header has no schema"),
        (header((b"avro.schema", SCHEMA), sync=SYNC[:5]), "its header is cut off"),
        (header((b"avro.schema", SCHEMA))[:60], "its header is cut off"),
        (MAGIC + whole(1) + whole(-4), "its header declares -4 bytes"),
        (MAGIC + whole(1) + whole(1 << 40), f"its header declares {1 << 40} bytes"),
        (MAGIC + b"\xff" * 12, "more than 64 bits"),
    ],
    ids=["no schema", "sync", "cut", "negative", "long", "endless number"],
)
def test_a_damaged_header_is_an_error(body, words):
    with pytest.raises(TableParseError, match=words):
        read_alert(body)


def test_a_header_that_gives_its_number_of_bytes():
    """A negative count is followed by the size of the block, which most programs leave out."""
    body = packets.container(packets.ztf_schema(), [packets.ztf_packet()])
    expected = read_alert(body)
    sync = body[-16:]
    entries = field(b"avro.schema") + field(SCHEMA) + field(b"avro.codec") + field(b"null")
    rest = body[body.index(sync) + 16 :]
    other = MAGIC + whole(-2) + whole(len(entries)) + entries + whole(0) + sync + rest
    assert read_alert(other).packet == expected.packet


@pytest.mark.parametrize("damage", ["cut", "wrong"])
def test_a_packed_file_that_is_damaged(damage, tmp_path):
    body = gzip.compress(packets.container(packets.ztf_schema(), [packets.ztf_packet()]))
    body = body[:-200] if damage == "cut" else body[:100] + bytes(100) + body[200:]
    path = tmp_path / "a.avro.gz"
    path.write_bytes(body)
    with pytest.raises(TableParseError, match="damaged or cut off"):
        read_alert(path)

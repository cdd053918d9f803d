"""Files of alert packets: their forms, what is damaged in them, and what they may expand to."""

import bz2
import gzip
import importlib.util
import io
import json
import sys
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("fastavro", reason="the avro extra is not installed")

import fastavro
from alert_packets import (
    LSST_NUMBERS,
    bare,
    container,
    field,
    listed,
    lsst_packet,
    lsst_row,
    lsst_schema,
    record,
    wire,
    ztf_packet,
    ztf_schema,
)

from atlasquery import read_alert, read_alerts
from atlasquery.exceptions import InputWarning, InvalidQueryError, TableParseError
from atlasquery.lightcurve.alert_schemas import load_schema

SCHEMA = lsst_schema()
SMALL = {f"cutout{kind}": None for kind in ("Difference", "Science", "Template")}


def numbered(*numbers):
    """Return packets with these numbers of their alerts."""
    return [lsst_packet(diaSourceId=n, **SMALL) for n in numbers]


def numbers(source, **options):
    return [alert.alert_id for alert in read_alerts(source, **options)]


# Forms


def test_a_file_by_its_path_its_bytes_or_open(tmp_path):
    body = container(SCHEMA, numbered(7))
    path = tmp_path / "alert.avro"
    path.write_bytes(body)
    with path.open("rb") as file:
        for source in (path, str(path), body, bytearray(body), memoryview(body), io.BytesIO(body)):
            assert read_alert(source).alert_id == 7
        assert read_alert(file).alert_id == 7 and not file.closed
    assert read_alert(path).light_curve.meta["source"] == f"{path}, packet 1"


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz", "snappy"])
def test_codecs(codec):
    if codec == "snappy":
        pytest.importorskip("cramjam", reason="snappy is read with cramjam, of the avro extra")
    body = container(SCHEMA, numbered(1, 2, 3), codec)
    assert numbers(body) == [1, 2, 3]
    # A bit of a block that is compressed.
    broken = bytearray(body)
    broken[-60] ^= 4
    try:
        assert len(numbers(bytes(broken))) <= 3
    except TableParseError as error:
        assert "packet" in str(error)


def test_gzip_is_found_by_its_bytes(tmp_path):
    path = tmp_path / "alert.avro"
    path.write_bytes(gzip.compress(container(SCHEMA, numbered(1, 2))))
    assert numbers(path) == [1, 2]
    body = path.read_bytes()
    for cut in (body[:-9], body[: len(body) // 2], body[:12]):
        with pytest.raises(TableParseError, match="gzip data are damaged or cut off"):
            numbers(cut)


def test_many_packets_in_blocks_and_containers():
    first = container(SCHEMA, numbered(1, 2, 3), sync_interval=1)
    second = container(ztf_schema(), [ztf_packet(candid=4)], "deflate")
    assert numbers(first + second + first) == [1, 2, 3, 4, 1, 2, 3]
    with pytest.raises(InvalidQueryError, match="has several packets: read them with read_alerts"):
        read_alert(first)
    with pytest.raises(TableParseError, match="has no packet"):
        read_alert(container(SCHEMA, []))


@pytest.mark.parametrize(("version", "number"), LSST_NUMBERS.items())
def test_messages_of_a_stream(version, number):
    schema = lsst_schema(version)
    message = wire(number, schema, lsst_packet(version))
    alert = read_alert(message, schema=schema)
    assert alert.version == version and len(alert.light_curve) == 5
    assert len(list(read_alerts(message * 3, schema=schema))) == 3
    assert read_alert(message + b"\n", schema=schema).version == version


def test_a_message_that_is_larger_than_what_is_read_at_once():
    packet = lsst_packet(prvDiaSources=[lsst_row(days=-n) for n in range(1, 3001)])
    message = wire(1101, SCHEMA, packet)
    assert len(message) > 260_000
    found = [len(alert.light_curve) for alert in read_alerts(message * 2, schema=SCHEMA)]
    assert found == [3003, 3003]


def test_bare_records_need_their_schema(tmp_path):
    body = bare(SCHEMA, lsst_packet(**SMALL))
    with pytest.raises(TableParseError, match=r"A bare record can be read with its schema"):
        read_alert(body)
    path = tmp_path / "lsst.v11_1.alert.avsc"
    path.write_text(json.dumps(SCHEMA))
    definitions = SimpleNamespace(definition=SCHEMA)
    for schema in (SCHEMA, path, str(path), tmp_path, json.dumps(SCHEMA), definitions):
        assert read_alert(body, schema=schema).version == "11.1"
    assert read_alert(body + b"\r\n", schema=SCHEMA).version == "11.1"
    # A container has its schema.
    assert read_alert(container(SCHEMA, numbered(5)), schema=ztf_schema()).alert_id == 5


def test_a_schema_in_several_files(tmp_path):
    schema = json.loads(json.dumps(SCHEMA))
    source = schema["fields"][1]["type"]
    schema["fields"][1]["type"] = "lsst.v11_1.diaSource"
    (tmp_path / "lsst.v11_1.diaSource.avsc").write_text(
        json.dumps({**source, "namespace": "lsst.v11_1"})
    )
    (tmp_path / "lsst.v11_1.alert.avsc").write_text(json.dumps(schema))
    body = wire(1101, SCHEMA, lsst_packet())
    assert len(read_alert(body, schema=tmp_path).light_curve) == 5
    (tmp_path / "lsst.v11_1.diaSource.avsc").unlink()
    with pytest.raises(InvalidQueryError, match="cannot be used"):
        read_alert(body, schema=tmp_path)


def test_the_schema_of_a_message_is_named_if_it_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    body = wire(1199, SCHEMA, lsst_packet())
    with pytest.raises(
        InvalidQueryError, match=r"number 1199.*LSST's schema 11\.99.*schema=.*inst"
    ):
        read_alert(body)
    with pytest.raises(InvalidQueryError, match=r"number 7 of its schema.*schema="):
        read_alert(wire(7, SCHEMA, lsst_packet()))


def test_the_schemas_of_the_survey_are_found_where_they_are_installed(tmp_path, monkeypatch):
    folder = tmp_path / "lsst" / "alert" / "packet" / "schema" / "77" / "3"
    folder.mkdir(parents=True)
    # A package that is installed elsewhere is then not the first.
    (folder.parents[2] / "__init__.py").touch()
    schema = json.loads(json.dumps(SCHEMA).replace("v11_1", "v77_3"))
    (folder / "lsst.v77_3.alert.avsc").write_text(json.dumps(schema))
    monkeypatch.syspath_prepend(tmp_path)
    imported = {name: sys.modules.pop(name) for name in _modules_of_lsst()}
    try:
        assert read_alert(wire(7703, schema, lsst_packet())).version == "77.3"
        with pytest.raises(InvalidQueryError, match=r"has no schema 77\.4"):
            read_alert(wire(7704, schema, lsst_packet()))
    finally:
        # Other tests need the package that is installed, or none.
        for name in _modules_of_lsst():
            del sys.modules[name]
        sys.modules.update(imported)


def _modules_of_lsst():
    return [name for name in sys.modules if name.split(".")[0] == "lsst"]


@pytest.mark.parametrize("right", ["4.0", "5.0", "6.1"])
def test_a_record_that_is_read_with_another_schema_is_refused(right):
    """Some pairs of schemas decode without an error, and leave bytes."""
    body = bare(lsst_schema(right), lsst_packet(right, **SMALL))
    longer = json.loads(json.dumps(lsst_schema(right)))
    shorter = json.loads(json.dumps(lsst_schema(right)))
    shorter["fields"].pop()
    longer["fields"].append(field("more", "long", False))
    with pytest.raises(TableParseError, match=r"packet 1: 1 bytes are left after the record"):
        read_alert(body, schema=shorter)
    with pytest.raises(TableParseError, match=r"packet 1: its record is cut off"):
        read_alert(body, schema=longer)


# What is not a packet


def _tar(body):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("1.avro")
        info.size = len(body)
        archive.addfile(info, io.BytesIO(body))
    return file.getvalue()


def _zip(body):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("1.avro", body)
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is empty"),
        (gzip.compress(b""), "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "pointer of git-lfs"),
        (_tar(container(SCHEMA, numbered(1))), r"tar archive.*archive\.extractfile"),
        (gzip.compress(_tar(b"x")), "tar archive"),
        (_zip(b"x"), "ZIP file"),
        (b"<!doctype html><title>Sign in</title>", "HTML"),
        (b'{"candid": 1}', "is JSON"),
        (b"Obj\x01", "cut off"),
        (b"Obj\x02\x00", "neither as an Avro container"),
        (b"\0\0", "number of its schema is cut off"),
    ],
    ids=["empty", "empty gzip", "lfs", "tar", "tgz", "zip", "html", "json", "cut", "magic", "wire"],
)
def test_other_files_are_named(body, reason, tmp_path):
    path = tmp_path / "file.avro"
    path.write_bytes(body)
    with pytest.raises(TableParseError, match=reason) as caught:
        read_alert(path)
    assert str(path) in str(caught.value)


def test_files_in_an_archive_are_read_one_by_one():
    file = io.BytesIO(_tar(container(SCHEMA, numbered(9))))
    with tarfile.open(fileobj=file) as archive:
        assert [read_alert(archive.extractfile(one)).alert_id for one in archive] == [9]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((5,), "source=5 should be the bytes"),
        ((None,), "should be the bytes"),
        (("no such file.avro",), "cannot be read: No such file"),
        ((io.StringIO("Obj"),), "open for reading bytes"),
        (("",), "source=''"),
        ((b"\0" * 9, {"schema": 5}), "schema=5 should be the path"),
        ((b"\0" * 9, {"schema": "none.avsc"}), "schema='none.avsc' cannot be used: it cannot"),
        ((b"\0" * 9, {"schema": {"type": "record"}}), "cannot be used"),
        ((b"\0" * 9, {"schema": "{"}), "not JSON"),
        ((b"x", {"max_bytes": 0}), "max_bytes=0"),
        ((b"x", {"max_bytes": "1"}), "max_bytes='1'"),
        ((b"x", {"on_error": "ignore"}), "on_error='ignore'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source, *options = arguments
    with pytest.raises(InvalidQueryError, match=reason):
        list(read_alerts(source, **(options[0] if options else {})))


def test_a_folder_without_one_schema_is_refused(tmp_path):
    with pytest.raises(InvalidQueryError, match=r"has 0 files \*alert\.avsc, not one"):
        load_schema(tmp_path)


def test_without_fastavro_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(ImportError, match=r"pip install 'atlasquery\[avro\]'"):
        read_alerts(b"")


def test_without_cramjam_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cramjam", None)
    body = container(SCHEMA, numbered(1)).replace(b"\x08null", b"\x0csnappy")
    with pytest.raises(ImportError, match="cramjam"):
        read_alert(body)


# Damage


def blocks(*packets):
    """Return a container with a block for each packet, and where each block begins."""
    body = container(SCHEMA, packets, sync_interval=1)
    sync = body[-16:]
    starts, at = [], 0
    while (at := body.find(sync, at)) >= 0:
        at += 16
        starts.append(at)
    return body, starts


def test_after_a_damaged_packet_the_next_one_is_read(tmp_path):
    body, starts = blocks(*numbered(1, 2, 3, 4))
    assert len(starts) == 5
    broken = bytearray(body)
    # The second packet has a length that is wrong, the third a union without such a branch.
    broken[starts[1] + 3 : starts[1] + 40] = b"\xff" * 37
    path = tmp_path / "alerts.avro"
    path.write_bytes(broken)
    with pytest.warns(InputWarning, match=r"alerts\.avro, packet 2: ") as warned:
        reader = read_alerts(path, on_error="warn")
        assert [alert.alert_id for alert in reader] == [1, 3, 4]
    assert len(reader.failures) == 1 and len(warned) == 1
    assert warned[0].filename == __file__
    reader = read_alerts(path)
    assert next(reader).alert_id == 1
    with pytest.raises(TableParseError, match="packet 2"):
        next(reader)
    assert next(reader).alert_id == 3 and next(reader).alert_id == 4
    assert next(reader, None) is None and len(reader.failures) == 1


@pytest.mark.parametrize("damage", ["size", "count", "mark", "gap"])
def test_after_a_damaged_block_the_next_one_is_read(damage):
    body, starts = blocks(*numbered(1, 2, 3))
    at = starts[1]
    broken = {
        "size": body[: at + 1] + b"\xff\xff\xff\xff\xff\x01" + body[at + 7 :],
        "count": body[:at] + b"\x05" + body[at + 1 :],
        "mark": body[: starts[2] - 5] + b"12345" + body[starts[2] :],
        "gap": body[: at + 50] + body[at + 90 :],
    }[damage]
    with pytest.warns(InputWarning):
        reader = read_alerts(broken, on_error="warn")
        found = [alert.alert_id for alert in reader]
    assert found == [1, 3] and len(reader.failures) == 1


def test_packets_before_the_end_of_a_cut_file_are_read():
    body = container(SCHEMA, numbered(1, 2, 3))
    start = body.find(body[-16:]) + 16
    length = (len(body) - start) // 3
    for cut in (body[: start + length + 40], body[: start + 2 * length], body[:-17]):
        with pytest.warns(InputWarning, match="cut off"):
            reader = read_alerts(cut, on_error="warn")
            found = [alert.alert_id for alert in reader]
        assert found in ([1], [1, 2]) and len(reader.failures) == 1
    with pytest.warns(InputWarning, match="cut off"):
        assert len(list(read_alerts(container(SCHEMA, numbered(1), "deflate")[:-20],
                                    on_error="warn"))) == 0  # fmt: skip


def test_a_packet_of_another_survey_among_others_is_named():
    other = record("atlas.alert", field("candid", "long"))
    body = (container(SCHEMA, numbered(1)) + container(other, [{"candid": 1}])
            + container(SCHEMA, numbered(3)))  # fmt: skip
    with pytest.warns(InputWarning, match=r"packet 2 is a packet of ATLAS"):
        assert numbers(body, on_error="warn") == [1, 3]


def test_a_reader_closes_its_file(tmp_path):
    path = tmp_path / "alert.avro"
    path.write_bytes(container(SCHEMA, numbered(1, 2)))
    with read_alerts(path) as reader:
        assert next(reader).alert_id == 1
    assert reader._file._file.closed
    assert repr(reader) == f"<AlertReader of {path}, 0 failures>"


# Limits


def test_a_schema_that_refers_to_itself_is_refused():
    """fastavro reads it by recursion until the process is ended by the system."""
    schema = record("ztf.alert", {"name": "next", "type": ["null", "ztf.alert"]})
    body = container(schema, [{"next": None}])
    body = body[: body.find(body[-16:]) + 16]
    with pytest.raises(TableParseError, match=r"refers to itself: ztf\.alert"):
        read_alert(body)


@pytest.mark.parametrize(
    "items", ["null", record("nothing"), {"type": "fixed", "name": "f", "size": 0}], ids=str
)
def test_lists_of_what_takes_no_bytes_are_refused(items):
    body = container(record("ztf.alert", listed("x", "long")), [])
    schema = json.dumps(record("ztf.alert", listed("x", items))).encode()
    inner = load_bytes(body, schema)
    with pytest.raises(TableParseError, match="a list of elements without content"):
        read_alert(inner)


def load_bytes(body, schema):
    """Return a container with another schema in its header."""
    sync = body[-16:]
    file = io.BytesIO()
    fastavro.schemaless_writer(
        file, {"type": "map", "values": "bytes"}, {"avro.schema": schema, "avro.codec": b"null"}
    )
    return b"Obj\x01" + file.getvalue() + sync


@pytest.mark.parametrize(
    "schema",
    [b"{", b"[" * 100_000, b'"int"', b"[]", b"{}", b"\xff", b"[" * 70 + b"]" * 70, b"5", b"null",
     b'{"type": "record", "name": "x", "fields": []}', b" " * 4_000_001],
    ids=range(11),
)  # fmt: skip
def test_headers_with_other_schemas_are_refused(schema):
    with pytest.raises(TableParseError, match="the schema"):
        read_alert(load_bytes(container(SCHEMA, []), schema))


def test_a_codec_that_is_not_known_is_named():
    body = container(SCHEMA, numbered(1)).replace(b"\x08null", b"\x08zzzz")
    with pytest.raises(TableParseError, match="codec is 'zzzz'; those that can be read are null"):
        read_alert(body)


@pytest.mark.parametrize("codec", ["deflate", "bzip2", "xz", "snappy"])
def test_a_block_that_unpacks_to_any_size_is_refused(codec):
    if codec == "snappy":
        pytest.importorskip("cramjam", reason="snappy is read with cramjam, of the avro extra")
    schema = record("ztf.alert", field("x", "bytes", False))
    body = container(schema, [{"x": bytes(60_000_000)}], codec)
    assert len(body) < 3_000_000
    tracemalloc.start()
    try:
        with pytest.raises(TableParseError, match=r"packet 1: .*max_bytes"):
            read_alert(body, max_bytes=2_000_000)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


NESTED = record("inner", *(field(f"f{n}", "long") for n in range(3)))


@pytest.mark.parametrize(
    ("items", "element"),
    [
        (["null", "long"], b"\0"),
        ("long", b"\x7f"),
        (NESTED, b"\0\0\0"),
        (["null", record("empty", *(field(f"f{n}", "null", False) for n in range(40)))], b"\x02"),
        ({"type": "map", "values": "long"}, b"\0"),
        ({"type": "array", "items": "long"}, b"\0"),
        ({"type": "long", "logicalType": "timestamp-millis"}, b"\x02"),
        ("string", b"\x04ab"),
    ],
    ids=["nulls", "longs", "records", "empty records", "maps", "lists", "dates", "strings"],
)
def test_lists_take_no_more_memory_than_allowed(items, element):
    limit = 1_000_000
    schema = load_schema(record("x", {"name": "x", "type": {"type": "array", "items": items}}))

    def body(size):
        count = size // len(element)
        number = fastavro.schemaless_writer
        file = io.BytesIO()
        number(file, "long", count)
        return file.getvalue() + element * count + b"\0"

    most = schema.largest(limit)
    tracemalloc.start()
    try:
        schema.decode(body(most - 10), 0, limit)
        assert tracemalloc.get_traced_memory()[1] < limit
        with pytest.raises(TableParseError, match=r"it is larger than \d+ bytes.*raise max_bytes"):
            schema.decode(body(10 * most), 0, limit)
        assert tracemalloc.get_traced_memory()[1] < 2 * limit
    finally:
        tracemalloc.stop()


def test_large_packets_of_the_surveys_are_within_the_limit():
    """Histories ten times as long as today's, with stamps of 70 kB."""
    rows = [lsst_row(days=-n / 10) for n in range(4000)]
    stamps = {name: bytes(70_000) for name in SMALL}
    packet = lsst_packet(prvDiaSources=rows, prvDiaForcedSources=rows, **stamps)
    assert len(read_alert(container(SCHEMA, [packet]))["prvDiaSources"]) == 4000


def test_a_file_of_many_packets_is_read_in_bounded_memory(tmp_path):
    path = tmp_path / "alerts.avro"
    one = lsst_packet(prvDiaSources=[lsst_row(days=-n) for n in range(30)])
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(SCHEMA), (one for _ in range(60)))
    assert path.stat().st_size > 6_000_000
    read_alert(container(SCHEMA, numbered(1)))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_alerts(path)) == 60
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_compressed_file_that_never_ends_is_refused_at_once():
    endless = bz2.compress(b"") and gzip.compress(bytes(50_000_000))
    with pytest.raises(InvalidQueryError, match="number 0 of its schema"):
        read_alert(endless)


def test_no_file_is_left_open(tmp_path):
    with pytest.raises(InvalidQueryError):
        read_alert(Path(tmp_path))


def test_one_long_string_does_not_widen_all_rows():
    """A column of strings has room for the longest one in each row."""
    rows = [lsst_row(days=-n) for n in range(1, 501)]
    schema = lsst_schema()
    for row, where in ((0, "prvDiaSources"), (None, "diaSource")):
        packet = lsst_packet(prvDiaSources=rows, **SMALL)
        long = dict(packet["diaSource"] if row is None else rows[0], band="x" * 300_000)
        packet |= {"diaSource": long} if row is None else {where: [long, *rows[1:]]}
        alert = read_alert(container(schema, [packet]))
        tracemalloc.start()
        try:
            with pytest.raises(TableParseError, match=r"packet 1 in band has a string of 300000"):
                _ = alert.light_curve
            assert tracemalloc.get_traced_memory()[1] < 50_000_000
        finally:
            tracemalloc.stop()

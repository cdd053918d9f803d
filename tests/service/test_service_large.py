"""Answers that do not fit into memory: a typed error that names the limit, and memory within it."""

import gzip
import io
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from faults import Reply
from probe import conf

from atlasquery.exceptions import RemoteServiceError, TableParseError
from atlasquery.service.pool import run_all
from atlasquery.tables.decompression import open_fits, unpack_gzip

PACKED = {"Content-Encoding": "gzip"}
LIMIT, TWICE = 40_000_000, 100_000_000
ZEROS = bytes(1 << 20)


def gzip_of_zeros(megabytes, *, members=1, wbits=31):
    """Return a small file of a gigantic one, in parts that follow one another."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    parts = [packer.compress(ZEROS) for _ in range(megabytes)]
    return b"".join([*parts, packer.flush()]) * members


def cards(*lines, data=b""):
    """Return a FITS file of headers as they are written, and what follows them."""
    head = b"".join(f"{line:<80}".encode() for line in (*lines, "END"))
    return head + b" " * (-len(head) % 2880) + data


PRIMARY = ("SIMPLE  =                    T", "BITPIX  =                    8",
           "NAXIS   =                    0", "EXTEND  =                    T")  # fmt: skip


def image(width, bitpix=8, extra=(), data=b""):
    return cards(
        PRIMARY[0], f"BITPIX  = {bitpix:>20}", "NAXIS   =                    2",
        f"NAXIS1  = {width:>20}", f"NAXIS2  = {width:>20}", *extra, data=data,
    )  # fmt: skip


def table(rows, width, form, extra=(), data=b"", heap=0):
    return cards(*PRIMARY) + cards(
        "XTENSION= 'BINTABLE'", "BITPIX  =                    8", "NAXIS   =                    2",
        f"NAXIS1  = {width:>20}", f"NAXIS2  = {rows:>20}", f"PCOUNT  = {heap:>20}",
        "GCOUNT  =                    1", "TFIELDS =                    1",
        "TTYPE1  = 'COMPRESSED_DATA'", f"TFORM1  = '{form}'", *extra, data=data,
    )  # fmt: skip


COMPRESSED = (
    "ZIMAGE  =                    T", "ZCMPTYPE= 'GZIP_1  '", "ZBITPIX =                    8",
    "ZNAXIS  =                    2", "ZNAXIS1 =                60000",
    "ZNAXIS2 =                60000", "ZTILE1  =                60000",
    "ZTILE2  =                60000",
)  # fmt: skip
FILES = {
    "gzip": gzip_of_zeros(100, members=60),
    "image in gzip": gzip.compress(image(60000)) + gzip_of_zeros(100, members=36),
    "no bytes of an image": image(60000),
    "negative image": image(-60000),
    "image of floats": image(60000, bitpix=-64, data=bytes(2880)),
    "axes without number": cards(*PRIMARY[:2], "NAXIS   =              9999999"),
    "no bytes of a table": table(10**9, 100, "100A"),
    "tiles": table(1, 8, "1PB(10)", COMPRESSED, bytes(2880), heap=100),
    "scaled": gzip.compress(image(6000, 8, ("BSCALE  =                  2.0",), bytes(6000**2))),
    "rows of one heap": table(
        100_000, 8, "1PB(1000)", (), bytes(800_000) + bytes(1_000_000), heap=1_000_000
    ),
    "bits": table(1, 30_000_000, "240000000X", (), bytes(30_000_000)),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_refused_before_memory_is_taken_for_it(name):
    with pytest.raises(TableParseError) as caught:
        open_fits(FILES[name], limit=LIMIT, what="the file", ignore_missing_simple=True)
    assert any(
        words in str(caught.value)
        for words in (
            "conf.max_answer_bytes",
            "are present",
            "no FITS file",
            "has NAXIS = 9999999",
            "whole number",
        )
    )


def genuine(kind):
    pixels = np.arange(10000, dtype=np.float32).reshape(100, 100)
    hdus = {
        "image": fits.PrimaryHDU(pixels),
        "integers": fits.PrimaryHDU(pixels.astype(np.uint16)),
        "tiles": fits.CompImageHDU(pixels, compression_type="RICE_1"),
        "table": fits.BinTableHDU.from_columns(
            [fits.Column("a", "D", array=np.arange(5.0)), fits.Column("b", "3A", array=["x"] * 5)]
        ),
        "rows of any length": fits.BinTableHDU.from_columns(
            [fits.Column("a", "PD()", array=np.array([[1.0], [2.0, 3.0]], dtype=object))]
        ),
    }
    file = io.BytesIO()
    made = hdus[kind]
    first = [made] if isinstance(made, fits.PrimaryHDU) else [fits.PrimaryHDU(), made]
    fits.HDUList(first).writeto(file)
    return file.getvalue(), pixels


@pytest.mark.parametrize("kind", ["image", "integers", "tiles", "table", "rows of any length"])
def test_a_file_of_genuine_size_is_read_as_before(kind):
    data, pixels = genuine(kind)
    for body in (data, gzip.compress(data)):
        with open_fits(body, limit=1_000_000, what="the file") as found:
            hdu = found[-1]
            if kind in ("image", "integers", "tiles"):
                np.testing.assert_allclose(hdu.data, pixels, atol=20 if kind == "tiles" else 0)
            else:
                assert len(hdu.data) in (2, 5)
    with pytest.raises(TableParseError, match=r"are present|could not be read"):
        open_fits(data[:-2880], limit=1_000_000, what="the file")


def test_what_is_in_gzip_is_unpacked_to_the_limit_and_no_further():
    data = gzip_of_zeros(3, members=2)
    assert unpack_gzip(data, limit=6 << 20, what="it") == bytes(6 << 20)
    assert unpack_gzip(b"plain", limit=0, what="it") == b"plain"
    with pytest.raises(TableParseError, match=r"it is larger than 6291455 bytes \(conf.max_answ"):
        unpack_gzip(data, limit=(6 << 20) - 1, what="it")
    with pytest.raises(TableParseError, match="it is truncated"):
        unpack_gzip(data[:-20], limit=7 << 20, what="it")
    with pytest.raises(TableParseError, match="it is damaged"):
        unpack_gzip(data[:-8] + b"12345678", limit=7 << 20, what="it")


def test_the_limit_is_of_the_answer_as_it_is_unpacked(faulty, probe):
    faulty.default = Reply(body=gzip.compress(b"[" + b"1," * 5000 + b"1]"), headers=PACKED)
    with conf.set_temp("max_answer_bytes", 10003):
        assert len(probe.read()) == 5001
    with (
        conf.set_temp("max_answer_bytes", 10002),
        pytest.raises(RemoteServiceError, match=r"more than 10002 bytes \(conf.max_answer_bytes"),
    ):
        probe.read()
    # It is not asked for again.
    assert len(faulty.received) == 2


def test_a_length_beyond_the_limit_is_not_waited_for(faulty, probe):
    faulty.default = Reply(length=6_000_000_000, body=b"[", hold=0.0)
    with pytest.raises(RemoteServiceError, match=r"more than 200000000 bytes"):
        probe.read()
    assert len(faulty.received) == 1


def test_answers_that_are_read_at_once_share_the_limit(faulty, probe):
    body = b"[" + b" " * 600_000 + b"1]"
    faulty.default = Reply(body=body, length=len(body))
    with conf.set_temp("max_answer_bytes", 700_000):
        assert run_all(lambda n: probe.read(n=n), range(3), concurrency=1) == [[1]] * 3
        # Each has room alone, and eight have not: some are refused, and none for good.
        faulty.default = Reply(body=body, chunks=50_000, hold=0.2)
        found = run_all(lambda n: probe.read(n=n), range(8), concurrency=8)
        for one in found:
            assert one == [1] or "conf.max_answer_bytes" in str(one)
        assert probe.read() == [1]


ANSWERS = {
    ("read", "gzip"): Reply(body=FILES["gzip"], headers=PACKED),
    ("read", "deflate"): Reply(
        body=gzip_of_zeros(600, wbits=15), headers={"Content-Encoding": "deflate"}
    ),
    **{("stamp", name): Reply(body=FILES[name], kind="application/fits") for name in FILES},
    **{
        ("sky map", name): Reply(body=FILES[name], kind="application/octet-stream")
        for name in ("gzip", "no bytes of a table", "rows of one heap", "bits")
    },
}  # fmt: skip
QUICK = [
    ("read", "gzip"),
    ("stamp", "gzip"),
    ("stamp", "tiles"),
    ("sky map", "no bytes of a table"),
]


def memory_of(faulty, kind, name, limit):
    """Return the error of a hostile answer, and the memory of a process that got it."""
    faulty.default = ANSWERS[kind, name]
    asked = json.dumps({"kind": kind, "url": faulty.url, "limit": limit})
    script = Path(__file__).with_name("bombs.py")
    done = subprocess.run(
        [sys.executable, str(script), asked], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("kind", "name"), QUICK)
def test_memory_stays_below_twice_the_limit(faulty, kind, name):
    error, words, before, most = memory_of(faulty, kind, name, TWICE)
    assert error in ("LargeAnswerError", "TableParseError")
    assert most - before < 2 * TWICE / 1e6, words


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), ANSWERS)
def test_memory_stays_below_600_MB_with_the_limit_as_it_is(faulty, kind, name):
    error, words, before, most = memory_of(faulty, kind, name, conf.max_answer_bytes)
    print(f"{kind}, {name}: {most:.0f} MB, {most - before:.0f} more than before. {error}: {words}")
    assert most < 600

"""Many objects, compared with plain requests, the survey's client, and json with pandas.

The server is the real one named by ``ATLASQUERY_TEST_ATLAS_URL`` and
``ATLASQUERY_TEST_ATLAS_MANIFEST``, otherwise a sandbox with a full history in a separate process.
"""

import contextlib
import io
import json
import logging
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import requests
from astropy.time import Time
from astroquery import log

from atlasquery.atlas import AtlasClass, conf
from benchmarks.bodies import full_history
from benchmarks.timing import line, paired

__all__ = ["report"]

OBJECTS, RUNS, MANY = 300, 3, 1000
CPU_RUNS = 5
RECENT_DAYS = 100
SANDBOX = """
import json, sys
from atlasquery.sandbox import Sandbox
with Sandbox(history="full") as box:
    print(json.dumps([box.url, box.manifest]), flush=True)
    sys.stdin.read()
"""
# Code of the process whose memory is measured: its arguments are the server and a token.
PEAK = """
import re, sys, tempfile
from pathlib import Path
from atlasquery.atlas import AtlasClass
from benchmarks.bulk import column_bytes, peak
before = peak()
atlas = AtlasClass(server=sys.argv[1])
atlas.login(token="x" * 40)
ids = [1000000000000000000 + n for n in range(int(sys.argv[3]))]
if sys.argv[2] == "iter":
    got = sum(len(source.light_curve) > 0 for source in atlas.iter_sources(ids))
elif sys.argv[2] == "download":
    with tempfile.TemporaryDirectory() as directory:
        got = int((atlas.download_sources(ids, directory)["status"] == "fetched").sum())
elif sys.argv[2] == "curves":
    curves = atlas.get_light_curves(ids, progress=False)
    got = len(curves)
    print((peak() - before) * 1e6 / sum(map(column_bytes, curves.values())))
else:
    got = len(ids)
assert got == len(ids)
print(peak())
"""


def report() -> list[str]:
    """Compare on one server; then measure memory and CPU time with recorded responses."""
    log.setLevel("WARNING")
    with tempfile.TemporaryDirectory() as directory, server() as (url, manifest, name):
        token = manifest["users"]["staff"]["token"]
        atlas = AtlasClass(server=url)
        atlas.cache_location = directory
        atlas.login(token=token)
        bad = {manifest["poison_500"], manifest["missing_id"]}
        ids = [int(i) for i in manifest["all_ids"] if i not in bad][:OBJECTS]
        start = manifest["mjd_ref"] - RECENT_DAYS
        rows = [f"{len(ids)} objects on {name}, {conf.concurrency} requests at a time"]
        for what, since, aim in (("full history", None, 0.5), ("last 100 days", start, 0.6)):
            rows += _compare(atlas, url, token, ids, what, since, aim)
    return rows + _memory() + _cpu()


@contextlib.contextmanager
def server():
    """Yield the address, the contents, and a name."""
    url = os.environ.get("ATLASQUERY_TEST_ATLAS_URL")
    if url:
        manifest = json.loads(Path(os.environ["ATLASQUERY_TEST_ATLAS_MANIFEST"]).read_text())
        yield url, manifest, "the real server"
        return
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SANDBOX], stdin=pipe, stdout=pipe) as box:
        url, manifest = json.loads(box.stdout.readline())
        yield url, {"mjd_ref": 61360.0} | manifest, "a sandbox of full history"
        box.stdin.close()


def _compare(atlas, url, token, ids, what, since, aim) -> list[str]:
    chunks = _recorded(atlas, ids, since)
    ways = {
        "bare": lambda: _bare(url, token, chunks, since),
        "get": lambda: atlas.get_sources(ids, start=since, progress=False),
        "iter": lambda: sum(1 for _ in atlas.iter_sources(ids, start=since)),
    }
    client = _client(url, token, ids, since)
    if client:
        ways["client"] = client
    taken = {way: [] for way in ways}
    for _ in range(RUNS):
        for way, work in ways.items():
            started = time.perf_counter()
            work()
            taken[way].append(time.perf_counter() - started)
    seconds = {way: statistics.median(all_of) for way, all_of in taken.items()}
    rows = []
    for way, label in (("get", "get_sources"), ("iter", "iter_sources")):
        for other, beside, most in (("bare", "bare requests", 1.05), ("client", "client", aim)):
            if other in seconds:
                ratios = [a / b for a, b in zip(taken[way], taken[other], strict=True)]
                text = f"{what}, {label} beside {beside}"
                ratio = statistics.median(ratios)
                rows.append(line(text, seconds[way], seconds[other], ratio, f"<= {most:.2f}"))
    sizes = sorted({len(chunk) for chunk in chunks})
    return [f"{what}: {len(chunks)} requests of {sizes[0]} to {sizes[-1]} objects", *rows]


def _recorded(atlas, ids, since) -> list[list[int]]:
    """Return the chunks that the client uses, so that the others can use the same."""
    chunks, items = [], AtlasClass._items

    def record(self, part, **options):
        chunks.append(part)
        return items(self, part, **options)

    AtlasClass._items = record
    try:
        atlas.get_sources(ids, start=since, progress=False)
    finally:
        AtlasClass._items = items
    return chunks


def _bare(url, token, chunks, since) -> int:
    session = requests.Session()
    session.headers.update({"Authorization": f"Token {token}", "Accept": "application/json"})
    # As the client does for large responses: kept connections may share one server process.
    session.headers["Connection"] = "close"

    def ask(chunk):
        form = {"objects": ",".join(map(str, chunk))} | ({"mjd": since} if since else {})
        return session.post(url + "objects/", data=form, timeout=300).content

    with ThreadPoolExecutor(conf.concurrency) as pool:
        return sum(map(len, pool.map(ask, chunks)))


def _client(url, token, ids, since):
    """Return a run of the released ``atlasapiclient``, in its chunks, if it is installed."""
    try:
        from atlasapiclient.client import RequestMultipleSourceData
    except ImportError:
        return None
    path = Path(tempfile.mkdtemp()) / "config.yaml"
    path.write_text(f"token: {token}\nbase_url: {url}\n")
    logging.getLogger().setLevel(logging.CRITICAL)

    def run():
        with contextlib.redirect_stdout(io.StringIO()):
            client = RequestMultipleSourceData(
                np.array(ids), mjdthreshold=since, api_config_file=str(path)
            )
            client.chunk_get_response_quiet()
        if len(client.response_data) != len(ids):
            raise AssertionError(f"atlasapiclient got {len(client.response_data)} objects")

    return run


class _Canned(BaseHTTPRequestHandler):
    """Server that returns the same object with a full history under any id."""

    protocol_version = "HTTP/1.1"
    item, known = b"", b""

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        ids = form["objects"][0].split(",")
        body = b"[" + b",".join(self.item.replace(self.known, i.encode()) for i in ids) + b"]"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Log nothing."""


@contextlib.contextmanager
def _canned():
    item, origin = full_history()
    known = re.search(rb'"object":\s*\{[^}]*?"id":\s*(\d{19})', item)[1]
    handler = type("Canned", (_Canned,), {"item": item, "known": known})
    canned = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=canned.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{canned.server_address[1]}/api/", item, origin
    canned.shutdown()


def peak() -> float:
    """Return the largest memory of this process in MB."""
    # What getrusage says includes the parent before it became this process.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1e3


def column_bytes(lc) -> int:
    """Return the bytes that the columns of a light curve need, with their masks."""
    parts = []
    for column in lc.columns.values():
        if isinstance(column, Time):
            parts += [column.jd1, column.jd2]
        else:
            parts.append(getattr(column, "unmasked", column))
        mask = getattr(column, "mask", None)
        parts += [] if mask is None else [mask]
    return sum(np.asarray(getattr(part, "unmasked", part)).nbytes for part in parts)


def _memory() -> list[str]:
    with _canned() as (url, item, origin):
        rows = [f"peak memory, {MANY} times {origin}, {MANY * len(item) / 1e9:.2f} GB of JSON"]
        for way, label, aim in (
            ("nothing", "the imports alone", ""),
            ("iter", "iter_sources, a light curve of each", "(aim: <= 400)"),
            ("download", "download_sources", "(aim: <= 400)"),
            ("curves", "get_light_curves", ""),
        ):
            command = [sys.executable, "-c", PEAK, url, way, str(MANY)]
            started = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            took = time.perf_counter() - started
            *ratios, most = map(float, done.stdout.splitlines())
            rows.append(f"{label:<58}{most:>6.0f} MB  {took:>5.1f} s  {aim}")
            needed = "the same, in the bytes of its columns"
            rows += [f"{needed:<68}{ratio:>26.2f}  <= 1.50" for ratio in ratios]
    return rows


def _cpu() -> list[str]:
    """Compare the CPU time that a client takes for each object, including the download."""
    import pandas as pd

    with _canned_process() as url:
        atlas = AtlasClass(server=url)
        atlas.login(token="x" * 40)
        ids = [1000000000000000000 + n for n in range(100)]
        chunks = [ids[n : n + 25] for n in range(0, len(ids), 25)]

        def ours():
            for source in atlas.iter_sources(ids):
                assert source.atlas_id

        def curves():
            for source in atlas.iter_sources(ids):
                assert len(source.light_curve)

        def files():
            with tempfile.TemporaryDirectory() as directory:
                atlas.download_sources(ids, directory, progress=False)

        def frames():
            session = requests.Session()
            for chunk in chunks:
                form = {"objects": ",".join(map(str, chunk))}
                entries = session.post(url + "objects/", data=form).json()
                for entry in entries:
                    for product in ("lc", "lcnondets", "fp"):
                        pd.DataFrame(entry[product])

        rows = ["processor's time of the client for each object, beside json + pandas"]
        for label, work, aim in (
            ("iter_sources", ours, "<= 0.25"),
            ("iter_sources, a light curve of each", curves, "<= 0.30"),
            ("download_sources", files, "<= 0.35"),
        ):
            mine, other, ratio = paired(work, frames, runs=CPU_RUNS, clock=time.process_time)
            rows.append(line(label, mine / len(ids), other / len(ids), ratio, aim))
    return rows


@contextlib.contextmanager
def _canned_process():
    code = (
        "import sys; from benchmarks.bulk import _canned\n"
        "with _canned() as (url, *_): print(url, flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as canned:
        yield canned.stdout.readline().decode().strip()
        canned.stdin.close()

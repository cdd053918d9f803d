"""Ten thousand downloaded objects of which one in a hundred has changed: an update, or all again.

A simulated server, in a separate process, has the same hundred days of history for each object. The
limit is what bare requests for the changed objects take.
"""

import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import requests
from astropy.time import Time
from astroquery import log

from atlasquery.atlas import AtlasClass
from atlasquery.atlas.columns import LISTED
from benchmarks.bodies import full_history
from benchmarks.timing import line

__all__ = ["report"]

OBJECTS, CHANGED, DAYS = 10_000, 100, 100
FIRST_ID = 1000000000000000000
TIMES = {"lc": "mjd", "lcnondets": "mjd", "fp": "mjd_obs"}


def report() -> list[str]:
    """Compare requests, bytes, and the processor time of this process."""
    log.setLevel("ERROR")
    ids = [FIRST_ID + n for n in range(OBJECTS)]
    with tempfile.TemporaryDirectory() as directory, _server() as url:
        atlas = AtlasClass(server=url)
        atlas.cache_location = directory
        atlas.login(token="x" * 40)
        start = float(requests.get(url).text)
        session = requests.Session()

        def bare():
            changed = [str(i) for i in ids[:: OBJECTS // CHANGED]]
            form = {"objects": ",".join(changed), "mjd": start + DAYS - 10}
            session.post(url + "objects/", data=form).json()

        def download(name, **options):
            options = {"start": start, "progress": False} | options
            return lambda: atlas.download_sources(ids, f"{directory}/{name}", **options)

        download("data")()
        requests.put(url)
        spent = {
            "bare requests": _spent(url, bare),
            "all again": _spent(url, download("again")),
            "update='changed'": _spent(url, download("data", update="changed")),
        }
        table = download("data", update="changed", max_age="1 h")()
        if set(table["status"]) != {"kept"}:
            raise AssertionError("some objects were not looked at")
        requests.put(url)
        spent["update='all'"] = _spent(url, download("data", update="all"))
    rows = [
        f"{OBJECTS} objects, {CHANGED} of which changed: {what}: {n} requests, "
        f"{size / 1e6:.1f} MB, {cpu:.2f} s of the processor"
        for what, (n, size, cpu) in spent.items()
    ]
    for what in ("update='changed'", "update='all'"):
        ours, all_again, limit = (spent[name][2] for name in (what, "all again", "bare requests"))
        bound = f"bare requests: {limit:.2f} s"
        rows.append(line(f"{what} beside all again", ours, all_again, ours / all_again, "", bound))
    return rows


def _spent(url: str, work) -> tuple[int, int, float]:
    """Return the requests, their bytes, and the processor time of what is done."""
    before = requests.options(url).json()
    started = time.process_time()
    work()
    cpu = time.process_time() - started
    after = requests.options(url).json()
    return after[0] - before[0], after[1] - before[1], cpu


class _Survey(BaseHTTPRequestHandler):
    """Server of objects, of which one in a hundred gets a detection with each PUT."""

    protocol_version = "HTTP/1.1"
    requests = size = nights = 0

    def do_GET(self):
        self._send(repr(self.first).encode())

    def do_OPTIONS(self):
        self._send(json.dumps([_Survey.requests, _Survey.size]).encode())

    def do_PUT(self):
        _Survey.nights += 1
        self._send(b"")

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self.path.endswith("objectlist/"):
            body = b"[" + b",".join(self._listed(FIRST_ID + n) for n in range(OBJECTS)) + b"]"
        else:
            mjd = float(form.get("mjd", ["0"])[0])
            items = [self._item(int(i), mjd) for i in form["objects"][0].split(",")]
            body = b"[" + b",".join(items) + b"]"
        _Survey.requests += 1
        _Survey.size += len(body)
        self._send(body)

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _nights(self, atlas_id: int) -> int:
        return self.nights if (atlas_id - FIRST_ID) % (OBJECTS // CHANGED) == 0 else 0

    def _listed(self, atlas_id: int) -> bytes:
        latest = self.last + self._nights(atlas_id)
        return self.entry.replace(b"@id", b"%d" % atlas_id).replace(b'"@mjd"', b"%r" % latest)

    def _item(self, atlas_id: int, mjd: float) -> bytes:
        key = self._nights(atlas_id), mjd
        if key not in self.items:
            item = dict(self.item)
            for product, time_key in TIMES.items():
                item[product] = [row for row in item[product] if row[time_key] > mjd]
            for night in range(key[0]):
                new = dict(self.item["lc"][-1], mjd=self.last + night + 1, expname=f"new{night}")
                item["lc"].append(new)
            self.items[key] = json.dumps(item).encode()
        return self.items[key].replace(self.known, b"%d" % atlas_id)

    def log_message(self, *args):
        """Log nothing."""


def serve() -> None:
    """Print the address, and serve until the input ends."""
    item = json.loads(full_history()[0])
    _Survey.known = str(item["object"]["id"]).encode()
    # As if the last night had been yesterday: the client expects so many rows for each day.
    later = int(Time.now().mjd - max(row["mjd"] for row in item["lc"])) - 1
    for product, key in TIMES.items():
        for row in item[product] or ():
            row[key] += later
    _Survey.last = max(row["mjd"] for row in item["lc"])
    _Survey.first = _Survey.last - DAYS
    for product, key in TIMES.items():
        rows = item[product] or ()
        item[product] = [r for r in rows if _Survey.first <= r[key] <= _Survey.last]
    item["object"]["detection_list_id"] = 2
    _Survey.item, _Survey.items = item, {}
    both = {wire: item["object"][wire] for wire in LISTED.by_wire if wire in item["object"]}
    listed = json.dumps(both | {"id": "@id", "latest_mjd": "@mjd"}).encode()
    _Survey.entry = listed.replace(b'"@id"', b"@id")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Survey) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}/api/", flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        server.shutdown()


@contextlib.contextmanager
def _server():
    sizes = f"update.OBJECTS, update.CHANGED = {OBJECTS}, {CHANGED}"
    code = f"from benchmarks import update; {sizes}; update.serve()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as process:
        yield process.stdout.readline().decode().strip()
        process.stdin.close()


if __name__ == "__main__":
    print("\n".join(report()))
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")

"""The server of the example: two objects and their light curves, on the local machine."""

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

OBJECTS = {"TINY-1": (150.0, 2.2), "TINY-2": (150.01, 2.2)}


def rows(name):
    """Return a light curve with a maximum at MJD 60020; the last row has no measurement."""
    start = 100.0 if name == "TINY-1" else 10.0
    times = range(60000, 60060, 3)
    flux = [round(start * 1e3 * math.exp(-0.5 * ((t - 60020) / 8) ** 2), 1) for t in times]
    sent = [
        {"mjd": t + 0.25, "filter": "gr"[n % 2], "flux_njy": f, "err_njy": 2000.0, "seeing": 1.1}
        for n, (t, f) in enumerate(zip(times, flux, strict=True))
    ]
    sent[-1]["flux_njy"] = None
    return sent


class Handler(BaseHTTPRequestHandler):
    """Answers /objects?ra=&dec=&radius= (degrees) and /lightcurve?id=."""

    def do_GET(self):
        path = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(path.query).items()}
        if path.path.endswith("/objects"):
            ra, dec, radius = (float(query[key]) for key in ("ra", "dec", "radius"))
            shrink = math.cos(math.radians(dec))
            near = [
                {"id": name, "ra": position[0], "dec": position[1]}
                for name, position in OBJECTS.items()
                if math.hypot((position[0] - ra) * shrink, position[1] - dec) < radius
            ]
            self.send(200, near)
        elif query.get("id") in OBJECTS:
            self.send(200, {"id": query["id"], "measurements": rows(query["id"])})
        else:
            self.send(404, {"message": f"no object {query.get('id')}"})

    def send(self, status, data):
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def start():
    """Start the server in a thread; its address is in ``url``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{server.server_port}/api/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

"""A test server on loopback that answers as the archives of Gaia, CDS and NED do.

It finds the rows of one synthetic catalogue that a query asks for: by the circle and the proper
motions in its ADQL, by the list of positions of VizieR, or by the position of NED. All requests
are recorded as they arrived.
"""

import gzip
import io
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import votable
from astropy.table import MaskedColumn, Table
from requests.adapters import HTTPAdapter

CIRCLE = re.compile(r"CIRCLE\((?:'ICRS', )?t\.ra, t\.dec, ([\d.e+-]+)\)")
REACH = re.compile(r"WHERE .*? <= ([\d.e+-]+) \+ ([\d.e+-]+) \* SQRT")
POSITIONS = (
    ("ra", "dec"),
    ("ra_icrs", "de_icrs"),
    ("raj2000", "dej2000"),
    ("ra(deg)", "dec(deg)"),
)
NOTHING_OF_NED = b"""<?xml version="1.0"?><VOTABLE version="1.1"><RESOURCE>
<PARAM name="queryDateTime" datatype="char" arraysize="*" value="2026"/>
<PARAM name="Error" datatype="char" arraysize="*" value="No object found."/>
</RESOURCE></VOTABLE>"""
CAPABILITIES = b"""<?xml version="1.0"?>
<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0">
<capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">
<language><name>ADQL</name><version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version></language>
<outputFormat><mime>application/x-votable+xml</mime></outputFormat>
<outputLimit><default unit="row">2000000</default><hard unit="row">2000000</hard></outputLimit>
<uploadLimit><hard unit="row">200000</hard></uploadLimit>
</capability>
</vosi:capabilities>"""
NOT_A_TABLE = b"<html><head><title>Maintenance</title></head><body>Back soon</body></html>"


class Archives:
    """The server and what it knows."""

    def __init__(self):
        self.requests: list[dict] = []
        self.catalogue = Table()
        self.columns = Table()
        self.tables = ["simbad", "II/246/out"]
        self.limit = None
        self.fault = None
        # The part of a long response that is sent, without a sign that it is not all.
        self.cut_at = None
        self.jobs: dict[str, bytes] = {}
        self.phases: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                server.answer(self, b"")

            def do_POST(self):
                server.answer(self, self.rfile.read(int(self.headers["Content-Length"])))

            do_DELETE = do_GET  # noqa: N815

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def answer(self, handler, body: bytes):
        """Record a request and send a response."""
        fields, files = parsed(handler, body)
        path = urlsplit(handler.path).path
        self.requests.append({"path": path, "body": body.decode(), "files": files, **fields})
        status, headers, content = 200, {"Content-Type": "application/x-votable+xml"}, b""
        fault = self.fault(path, fields, files) if self.fault else None
        if fault is not None:
            status, content = fault
        elif path.startswith("/tap-server/tap/async"):
            status, added, content = self.gaia(path, fields, files)
            headers |= added
        elif path.endswith("/sync") and "QUERY" in fields:
            content = self.adql(fields, files)
        elif path.endswith("/capabilities"):
            content = CAPABILITIES
        elif path.endswith("/tables"):
            content = "\n".join(self.tables).encode()
        elif path.endswith("/xmatch/api/v1/sync"):
            content = self.xmatch(fields, files)
        elif path.startswith("/viz-bin"):
            content = self.vizier(body.decode())
        elif path.endswith("objsearch"):
            content = self.ned(fields)
        else:
            status = 404
        if self.cut_at is not None and len(content) > 2000:
            content = content[: int(self.cut_at * len(content))]
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def gaia(self, path, fields, files):
        """Run an asynchronous job at once, with the phases that a test wants to see first."""
        if path.endswith("/async"):
            job = f"{len(self.jobs) + 1}O"
            self.jobs[job] = self.adql(fields, files)
            return 303, {"Location": f"{self.url}{path}/{job}"}, b""
        job = path.split("/async/")[1].split("/")[0]
        if path.endswith("/phase"):
            return 200, {}, (self.phases.pop(0) if self.phases else "COMPLETED").encode()
        if path.endswith("/error"):
            return (
                200,
                {},
                b'<VOTABLE><INFO name="QUERY_STATUS" value="ERROR">Too hot</INFO></VOTABLE>',
            )
        return 200, {}, gzip.compress(self.jobs[job])

    def adql(self, fields, files) -> bytes:
        """Join the uploaded positions with the catalogue, as the query says."""
        query = fields["QUERY"]
        if "TAP_SCHEMA.columns" in query:
            return written(self.columns)
        (upload,) = files.values()
        targets = read(upload)
        assert targets.colnames == ["idx", "ra", "dec"]
        radius = float(CIRCLE.search(query)[1])
        allowed = np.full(len(self.catalogue), radius)
        if grown := REACH.search(query):
            pm = np.hypot(*(np.ma.filled(self.catalogue[n], 0) for n in self.motion_names()))
            allowed = np.minimum(allowed, float(grown[1]) + float(grown[2]) * pm)
        centres = SkyCoord(targets["ra"], targets["dec"], unit="deg")[:, None]
        near = np.argwhere(centres.separation(self.positions()).deg <= allowed)
        pairs = [(int(n), int(row)) for n, row in near]
        return self.rows(pairs, "idx", targets["idx"])

    def motion_names(self):
        names = {name.lower(): name for name in self.catalogue.colnames}
        return names["pmra"], names.get("pmdec", names.get("pmde"))

    def positions(self) -> SkyCoord:
        names = {name.lower(): name for name in self.catalogue.colnames}
        for pair in (
            ("ra", "dec"),
            ("ra_icrs", "de_icrs"),
            ("raj2000", "dej2000"),
            ("ra(deg)", "dec(deg)"),
        ):
            if pair[0] in names:
                return SkyCoord(
                    *(np.asarray(self.catalogue[names[n]], float) for n in pair), unit="deg"
                )
        raise AssertionError("the catalogue has no positions")

    def within(self, ra, dec, radius):
        """Return pairs (number of a position, row) within a radius in degrees."""
        positions = self.positions()
        return [
            (n, int(row))
            for n in range(len(ra))
            for row in np.flatnonzero(
                SkyCoord(ra[n], dec[n], unit="deg").separation(positions).deg <= radius
            )
        ]

    def rows(self, pairs, name, numbers) -> bytes:
        table = self.catalogue[[row for _, row in pairs]]
        table.add_column(np.array([numbers[n] for n, _ in pairs], np.int64), index=0, name=name)
        cut = self.limit is not None and len(table) > self.limit
        return written(table[: self.limit] if cut else table, cut=cut)

    def xmatch(self, fields, files) -> bytes:
        assert fields["RESPONSEFORMAT"] == "votable"
        targets = Table.read(files["cat1"].decode(), format="ascii.csv")
        ra, dec = (np.asarray(targets[fields[name]], float) for name in ("colRA1", "colDec1"))
        pairs = self.within(ra, dec, float(fields["distMaxArcsec"]) / 3600)
        table = self.catalogue[[row for _, row in pairs]]
        ours = targets[[n for n, _ in pairs]]
        for name in reversed(ours.colnames):
            table.add_column(ours[name], index=0, name=name)
        table.add_column(np.zeros(len(table)), index=0, name="angDist")
        return written(table)

    def vizier(self, script: str) -> bytes:
        """Answer a list of positions, numbered from 1 in the column _q."""
        ra, dec = np.array(re.findall(r"^([\d.]+)([+-][\d.]+)$", script, re.M), float).T
        (unit, value), *_ = re.findall(r"^-c\.r([dms])=(.*)$", script, re.M)
        radius = float(value) / {"d": 1, "m": 60, "s": 3600}[unit]
        pairs = self.within(ra, dec, radius)
        if not pairs:
            return b'<?xml version="1.0"?><VOTABLE version="1.4"><RESOURCE></RESOURCE></VOTABLE>'
        if (most := re.search(r"^-out\.max=(.*)$", script, re.M)[1]) != "unlimited":
            pairs = pairs[: int(most)]
        return self.rows(pairs, "_q", np.arange(len(ra)) + 1)

    def ned(self, fields) -> bytes:
        """Answer one position, given in hours and degrees."""
        assert fields["in_csys"] == "Equatorial"
        pairs = self.within(
            [float(fields["lon"]) * 15], [float(fields["lat"])], float(fields["radius"]) / 60
        )
        if not pairs:
            return NOTHING_OF_NED
        return written(self.catalogue[[row for _, row in pairs]])


def parsed(handler, body: bytes) -> tuple[dict, dict]:
    """Return the fields and files of a request."""
    fields = parse_qs(urlsplit(handler.path).query, keep_blank_values=True)
    kind = handler.headers.get("Content-Type", "")
    files = {}
    if kind.startswith("multipart/"):
        # By hand: libraries refuse the boundary of astroquery, which has "=" and no quotes.
        boundary = b"--" + kind.split("boundary=")[1].strip('"').encode()
        for part in body.split(boundary)[1:-1]:
            head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
            name = re.search(rb'\bname="([^"]*)"', head)[1].decode()
            if b"filename=" in head:
                files[name] = content
            else:
                fields.setdefault(name, []).append(content.decode())
    elif body:
        for name, values in parse_qs(body.decode(), keep_blank_values=True).items():
            fields.setdefault(name, []).extend(values)
    return {name: v[0] if len(v) == 1 else v for name, v in fields.items()}, files


def read(content: bytes) -> Table:
    return votable.parse(io.BytesIO(content)).get_first_table().to_table(use_names_over_ids=True)


def written(table: Table, *, cut: bool = False) -> bytes:
    """Return a table as a VOTable, marked as TAP services do if rows were cut."""
    file = votable.from_table(table)
    first = file.get_first_table()
    for field in first.fields:
        meta = table[field.name].info.meta or {}
        if "ucd" in meta:
            field.ucd = meta["ucd"]
    file.resources[0].infos.append(votable.tree.Info(name="QUERY_STATUS", value="OK"))
    if cut:
        file.resources[0].infos.append(votable.tree.Info(name="QUERY_STATUS", value="OVERFLOW"))
    out = io.BytesIO()
    votable.writeto(file, out)
    return out.getvalue()


class ToLoopback(HTTPAdapter):
    """Send the requests of a session to the test server, whatever host they are for."""

    def __init__(self, url: str):
        super().__init__()
        self.address = url

    def send(self, request, **options):
        parts = urlsplit(request.url)
        request.url = self.address + parts.path + (f"?{parts.query}" if parts.query else "")
        return super().send(request, **options)


def to_loopback(service, archives: Archives):
    """Return a service of astroquery whose requests go to the test server."""
    for scheme in ("http://", "https://"):
        service._session.mount(scheme, ToLoopback(archives.url))
    return service


def stars(n: int = 40, seed: int = 3) -> Table:
    """Return a catalogue of stars around one position, some of which move fast."""
    rng = np.random.default_rng(seed)
    pm = rng.normal(0, 20, (2, n))
    pm[:, 0] = -800.0, 10360.0
    table = Table({
        "source_id": np.arange(n, dtype=np.int64) + 4583627001381815936,
        "ra": (150 + rng.normal(0, 20 / 3600, n)) * u.deg,
        "dec": (2 + rng.normal(0, 20 / 3600, n)) * u.deg,
        "pmra": MaskedColumn(pm[0], unit=u.mas / u.yr, mask=np.arange(n) == 5),
        "pmdec": MaskedColumn(pm[1], unit=u.mas / u.yr, mask=np.arange(n) == 5),
        "pm": MaskedColumn(np.hypot(*pm), unit=u.mas / u.yr, mask=np.arange(n) == 5),
        "parallax": MaskedColumn(rng.uniform(0.1, 5, n), unit=u.mas),
        "ref_epoch": np.full(n, 2016.0) * u.yr,
        "name": [f"star {i}" for i in range(n)],
    })  # fmt: skip
    # One of them leaves the region within ten years.
    table["dec"][0] = 2 - 40 / 3600
    table["parallax"][1] = -0.5
    return table

"""LCCServer compared with the vendor's lccs.py and with plain requests, on the same server."""

import contextlib
import gzip
import importlib.util
import io
import json
import logging
import os
import statistics
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import requests
from astropy.coordinates import SkyCoord
from astropy.io import ascii as astropy_ascii

from atlasquery.lccserver import LCCServerClass, conf
from atlasquery.lccserver.csvlc import parse_csvlc, unpack
from atlasquery.lccserver.photometry import prepare
from benchmarks.timing import line, paired

SERVER = os.environ.get("ATLASQUERY_TEST_LCC_URL")
# The vendor waits for five minutes, in steps of 15 s, for a ZIP that never comes.
VENDOR_PATIENCE, VENDOR_STEP = 300.0, 15.0
BOUND = 20.0
# A key may send 25 requests at once; a search takes two, and light curves take three.
RUNS, FEWER_RUNS = 9, 5
ROWS = 20000


def vendor():
    """Return the module lccs, which is a single file; None if it is not installed."""
    path = os.environ.get("ATLASQUERY_LCCS")
    if path is None:
        found = importlib.util.find_spec("astrobase")
        if found is None:
            return None
        path = Path(found.origin).parent / "services" / "lccs.py"
    spec = importlib.util.spec_from_file_location("lccs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    logging.disable(logging.CRITICAL)
    return module


@contextlib.contextmanager
def somewhere():
    """Work in a new directory, which is the home of the vendor's keys too."""
    before, home = Path.cwd(), os.environ.get("HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["HOME"] = folder
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
            os.environ["HOME"] = home or "/"


class Bare:
    """The same with requests only, without checks and decoding."""

    def __init__(self, server: str):
        self.server, self.session = server, requests.Session()
        key = self.session.get(server + "api/key").json()["result"]["apikey"]
        self.session.headers["Authorization"] = f"Bearer {key}"

    def search(self, kind: str, **fields) -> dict:
        """Search, and return the dataset."""
        answer = self.session.post(f"{self.server}api/{kind}", data=fields)
        setid = json.loads(answer.text.splitlines()[0])["result"]["setid"]
        return self.session.get(f"{self.server}set/{setid}", params={"json": 1}).json()

    def file(self, path: str) -> bytes:
        """Return a file."""
        return self.session.get(self.server + path.lstrip("/")).content


def report() -> list[str]:
    """Compare on a real server, and the reader of light curves alone."""
    lines = _reading()
    if not SERVER:
        return [*lines, "LCC-Server: not compared; set ATLASQUERY_TEST_LCC_URL to a real server"]
    theirs = vendor()
    if theirs is None:
        return [
            *lines,
            "LCC-Server: not compared; pip install --no-deps 'astrobase==0.5.3' for its lccs.py",
        ]
    lines.append("LCC-Server: the same rows from lccs.py and from us, on the same real server")
    with _settings():
        for job in (_cone, _text, _filter, _crossmatch, _curves):
            lines.append(_compared(job, theirs))
        return lines + _many(theirs)


@contextlib.contextmanager
def _settings():
    """Search each time; the collections are queried once, as in any session."""
    with contextlib.ExitStack() as stack:
        for name, value in (("list_seconds", 0.0), ("light_curve_seconds", 0.0)):
            stack.enter_context(conf.set_temp(name, value))
        yield


def _compared(job, theirs) -> str:
    """Time a job, with separate keys: a server refuses more than ten requests a second of one."""
    with somewhere() as folder:
        ours = LCCServerClass(SERVER)
        ours.cache_location = folder / "answers"
        what, mine, vendors, limit = job(ours, theirs, Bare(ours.server), folder)
        runs = FEWER_RUNS if job is _curves else RUNS
        figures = paired(mine, vendors, runs=runs)
        possible = statistics.median(_seconds(limit) for _ in range(runs))
        return line(what, *figures, "<= 1.00", f"bare requests {possible * 1e3:.2f}")


def _seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _fetched(ours, theirs, answer) -> dict:
    return theirs.get_dataset(ours.server.rstrip("/"), answer[0]["result"]["setid"])


def _cone(ours, theirs, bare, folder):
    centre = SkyCoord(290, 45, unit="deg")

    def mine():
        return ours.query_region(centre, radius="20 arcmin", columns="sdssr", progress=False)

    def vendors():
        found = theirs.cone_search(
            ours.server.rstrip("/"), 290.0, 45.0, radiusarcmin=20.0, columns=["sdssr"],
            download_data=False,
        )  # fmt: skip
        return _fetched(ours, theirs, found)

    def limit():
        return bare.search("conesearch", coords="290.0 45.0 20.0", **{"columns[]": ["sdssr"]})

    _same_rows(mine(), vendors())
    return "cone of 20 arcmin in all collections", mine, vendors, limit


def _text(ours, theirs, bare, folder):
    def mine():
        return ours.query_text("eclipsing", progress=False)

    def vendors():
        url = ours.server.rstrip("/")
        return _fetched(ours, theirs, theirs.fulltext_search(url, "eclipsing", download_data=False))

    def limit():
        return bare.search("ftsquery", ftstext="eclipsing")

    _same_rows(mine(), vendors())
    return "text search", mine, vendors, limit


def _filter(ours, theirs, bare, folder):
    wire, columns = "(sdssr lt 11) and (propermotion gt 20)", ["sdssr", "propermotion"]

    def mine():
        return ours.query_criteria(
            "sdssr < 11 & propermotion > 20", columns=columns, collections="synth_alpha",
            progress=False,
        )  # fmt: skip

    def vendors():
        found = theirs.column_search(
            ours.server.rstrip("/"), wire, collections=["synth_alpha"], columns=columns,
            sortspec=None, download_data=False,
        )  # fmt: skip
        return _fetched(ours, theirs, found)

    def limit():
        fields = {"collections[]": ["synth_alpha"], "columns[]": columns}
        return bare.search("columnsearch", filters=wire, **fields)

    _same_rows(mine(), vendors())
    return "filter of two columns", mine, vendors, limit


def _crossmatch(ours, theirs, bare, folder):
    found = ours.query_criteria("sdssr < 12", collections="synth_alpha", progress=False)
    listed = "".join(f"t{n} {row['ra']:.6f} {row['dec']:.6f}\n" for n, row in enumerate(found))
    (folder / "targets.txt").write_text(listed)
    places = SkyCoord(found["ra"].quantity, found["dec"].quantity)

    def mine():
        return ours.crossmatch(places, "2 arcsec", columns="sdssr", progress=False)

    def vendors():
        matched = theirs.xmatch_search(
            ours.server.rstrip("/"), str(folder / "targets.txt"), xmatch_dist_arcsec=2.0,
            columns=["sdssr"], download_data=False,
        )  # fmt: skip
        return _fetched(ours, theirs, matched)

    def limit():
        return bare.search("xmatch", xmq=listed, xmd="2.0", **{"columns[]": ["sdssr"]})

    _same_rows(mine(), vendors())
    return f"cross-match of {len(found)} positions", mine, vendors, limit


def _same_rows(ours, theirs) -> None:
    mine = sorted(zip(ours["collection"], ours["objectid"], ours["ra"], strict=True))
    vendors = sorted((row["collection"], row["db_oid"], row["db_ra"]) for row in theirs["result"])
    assert [tuple(row) for row in mine] == vendors and vendors


def _curves(ours, theirs, bare, folder):
    url, names = ours.server.rstrip("/"), iter(range(1000))
    what = "synth_alpha"

    def mine():
        found = ours.query_criteria("sdssr < 12", collections=what, progress=False)
        return ours.get_light_curves(found, cache=False, progress=False)

    def vendors():
        folder = f"vendor-{next(names)}"
        Path(folder).mkdir()
        path = theirs.column_search(url, "(sdssr lt 12)", collections=[what], outdir=folder)[2]
        # It leaves a ZIP; its user reads that with what is at hand.
        found = {}
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("-csvlc.gz"):
                    text = gzip.decompress(archive.read(name))
                    start = text.index(b"# LIGHTCURVE\n") + 13
                    found[name] = pd.read_csv(io.BytesIO(text[start:]), header=None)
        return found

    def limit():
        found = bare.search("columnsearch", filters="(sdssr lt 12)", **{"collections[]": [what]})
        return bare.file(found["lczipfpath"])

    count = len(mine())
    assert len(vendors()) == count
    return f"{count} light curves searched, fetched, read; theirs by pandas", mine, vendors, limit


def _many(theirs) -> list[str]:
    """Compare for results of which the server makes no ZIP file."""
    with somewhere() as folder:
        ours = LCCServerClass(SERVER)
        ours.cache_location = folder / "answers"
        return _timed_many(ours, theirs, Bare(ours.server), folder)


def _timed_many(ours, theirs, bare, folder) -> list[str]:
    url = ours.server.rstrip("/")
    Path("many").mkdir()
    start = time.perf_counter()
    _, _, archive = theirs.column_search(
        url, "(sdssr lt 99)", collections=["synth_big"], outdir="many",
        maxtimeout=BOUND, refresh=VENDOR_STEP,
    )  # fmt: skip
    waited = time.perf_counter() - start
    assert archive is None, "the vendor has got a ZIP after all"
    start = time.perf_counter()
    found = ours.query_criteria("sdssr < 99", collections="synth_big", progress=False)
    curves = ours.get_light_curves(found, cache=False, progress=False)
    seconds = time.perf_counter() - start
    assert len(curves) == len(found) > 500 and not curves.failures
    parts = found[:400], found[400:800], found[800:]
    start = time.perf_counter()
    bare.search("columnsearch", filters="(sdssr lt 99)", **{"collections[]": ["synth_big"]})
    for part in parts:
        listed = "".join(f"t{n} {r['ra']:.6f} {r['dec']:.6f}\n" for n, r in enumerate(part))
        dataset = bare.search("xmatch", xmq=listed, xmd="0.5", **{"collections[]": ["synth_big"]})
        bare.file(dataset["lczipfpath"])
    possible = time.perf_counter() - start
    steps = -(-VENDOR_PATIENCE // VENDOR_STEP)
    return [
        line(
            f"search and all of {len(curves)} light curves, of which no ZIP is made",
            seconds, VENDOR_PATIENCE, seconds / VENDOR_PATIENCE, "<= 0.10",
            f"bare requests {possible * 1e3:.2f}",
        ),
        f"  lccs.py ends after {steps:g} tries of {VENDOR_STEP:g} s without a light curve; here it "
        f"was stopped after {waited:.0f} s (maxtimeout={BOUND:g}), and had none",
    ]  # fmt: skip


def _file(rows: int) -> bytes:
    """Return a file with as many columns as one of a survey with three apertures."""
    rng = np.random.default_rng(1)
    time_ = "time of observation in Baryocentric Julian date (BJD_TDB)"
    described = {"bjd": ("f8", time_), "stf": ("i8", "telescope ID"), "flt": ("U8", "filter used")}
    for kind, about in (("aim", "instrument magnitude"), ("aie", "error of the magnitude"),
                        ("aep", "EPD magnitude"), ("atf", "TFA magnitude")):  # fmt: skip
        for aperture in ("000", "001", "002"):
            text = f"{about} measured in aperture {aperture}"
            described[f"{kind}_{aperture}"] = ("f8", text)
    columns = {
        name: {"colnum": n, "dtype": dtype, "desc": desc}
        for n, (name, (dtype, desc)) in enumerate(described.items())
    }
    marked = [f"# {text}" for text in json.dumps(columns, indent=2).split("\n")]
    head = ["LCC-CSVLC-V1", "#", ",", "# OBJECT METADATA", "# {}", "#", "# COLUMN DEFINITIONS"]
    lines = [*head, *marked, "#", "# LIGHTCURVE"]
    for n in range(rows):
        mags = ",".join("nan" if v > 10.7 else f"{v:.5f}" for v in rng.normal(10, 0.3, 12))
        lines.append(f"{2457000 + n / 9:.7f},{n % 7},{'rg'[n % 2]},{mags}")
    return ("\n".join(lines) + "\n").encode()


def _reading() -> list[str]:
    lines = []
    for rows in (200, ROWS):
        body = _file(rows)
        skipped = body[: body.index(b"# LIGHTCURVE")].count(b"\n") + 1
        packed = gzip.compress(body)
        curve = prepare(parse_csvlc(packed), meta={}).build()
        assert len(curve) == rows

        def ours(packed=packed):
            return parse_csvlc(packed)

        def pandas(packed=packed, skipped=skipped):
            text = io.BytesIO(unpack(packed, name=""))
            return pd.read_csv(text, header=None, skiprows=skipped)

        def fast(packed=packed, skipped=skipped):
            text = unpack(packed, name="").decode().split("# LIGHTCURVE\n")[1]
            return astropy_ascii.read(text, format="fast_no_header", delimiter=",")

        what = f"light curve file of {rows} rows and 15 columns"
        lines += [
            line(f"{what}, beside astropy.io.ascii.read", *paired(ours, fast, runs=9), "<= 1.00"),
            line(f"{what}, beside pandas.read_csv", *paired(ours, pandas, runs=21), ""),
        ]
    return lines


if __name__ == "__main__":
    from astroquery import log

    log.setLevel("WARNING")
    print("\n".join(report()))

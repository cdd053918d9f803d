"""Compare with ALeRCE's own client on the same test server, with and without 100 ms latency."""

import contextlib
import json
import multiprocessing
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import requests

from atlasquery.alerce import AlerceClass, conf
from atlasquery.alerce.base import decode_plain
from atlasquery.alerce.columns import DETECTION, OBJECT
from atlasquery.alerce.light_curves import LSST_CHUNK
from atlasquery.exceptions import MaxResultsWarning
from atlasquery.tables import build_table
from benchmarks.timing import line, paired

LATENCY = 0.1
OBJECTS, CURVES = 1000, 200


def serve(latency: float, pipe) -> None:
    """Run the test server in a separate process until the pipe closes."""
    from atlasquery.sandbox.alerce.server import AlerceSandbox

    with AlerceSandbox(latency, seed=None) as double:
        pipe.send(double.settings())
        with contextlib.suppress(EOFError):
            pipe.recv()


@contextlib.contextmanager
def double(latency: float):
    """Point atlasquery at a test server in another process; yield its address."""
    here, far_end = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(latency, far_end))
    process.start()
    settings = here.recv()
    with contextlib.ExitStack() as stack:
        for name, value in settings.items():
            stack.enter_context(conf.set_temp(name, value))
        yield settings["server"].removesuffix("/ztf/v1/")
    here.send("stop")
    process.join()


def report() -> list[str]:
    """Compare if the other client is installed."""
    try:
        from alerce.core import Alerce as Client
    except ImportError:
        return ["ALeRCE: not compared; pip install 'alerce==2.3.1' for its own client"]
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaxResultsWarning)
        for latency in (0.0, LATENCY):
            with double(latency) as url:
                ours, client = AlerceClass(), Client()
                client.legacy_ztf_client.config["ZTF_API_URL"] = url
                client.multisurvey_client.url_ms = f"{url}/lsst/"
                found += _objects(ours, client) if latency else []
                found += _curves(ours, client, latency)
    return found + _decoding()


def _objects(ours: AlerceClass, client) -> list[str]:
    def all_rows():
        return ours.query_criteria(max_rows=OBJECTS, cache=False)

    def pages(size: int):
        def ask():
            for page in range(1, OBJECTS // size + 1):
                client.query_objects(
                    survey="ztf", page=page, page_size=size, order_by="oid", order_mode="ASC"
                )

        return ask

    assert len(all_rows()) == OBJECTS
    late = f"each answer {LATENCY * 1e3:g} ms late"
    return [
        line(
            f"{OBJECTS} objects, beside pages of 10, {late}",
            *paired(all_rows, pages(10), runs=1),
            "<= 0.10",
        ),
        line(
            f"{OBJECTS} objects, beside one page, {late}",
            *paired(all_rows, pages(OBJECTS), runs=11),
            "<= 1.00",
        ),
    ]


def _curves(ours: AlerceClass, client, latency: float) -> list[str]:
    """Compare many light curves of both surveys, undecoded and with each one accessed.

    The limit is the time of plain sequential requests to the same server, without decoding,
    divided by the number of parallel requests; the same for batches of LSST.
    """
    from atlasquery.sandbox.alerce import edge_cases

    ztf = [edge_cases.name(n) for n in range(CURVES) if n != edge_cases.EMPTY]
    # The other client fails for placeholders and null fluxes.
    lsst = [
        edge_cases.FIRST_LSST + n
        for n in range(edge_cases.LSST_COUNT)
        if n not in (edge_cases.FILLED, edge_cases.NULL_FLUX)
    ]
    found = []
    late = f"{latency * 1e3:g} ms late" if latency else "at once"
    for survey, names, forced in (("ztf", ztf, False), ("lsst", lsst, True)):

        def many(survey=survey, names=names, forced=forced):
            return ours.get_light_curves(
                names, survey=survey, forced=forced, cache=False, progress=False
            )

        def one_by_one(survey=survey, names=names):
            return [
                client.query_lightcurve(oid=name, survey=survey, format="json") for name in names
            ]

        curves = many()
        assert len(curves) == len(names) and all(len(lc) for lc in curves.values())
        kind = f"{len(names)} light curves of {survey.upper()}" + " with forced" * forced
        aim = "<= 0.20" if latency else "<= 0.67"
        runs = 1 if latency else 7
        limit = f"{_bare(survey, names) * 1e3:.0f} ms"
        found.append(line(f"{kind}, {late}", *paired(many, one_by_one, runs=runs), aim, limit))
        if not latency:
            looked_at = paired(lambda many=many: list(many().values()), one_by_one, runs=runs)
            found.append(line(f"{kind}, {late}, each looked at", *looked_at, "", limit))
    return found


def _bare(survey: str, names: list) -> float:
    """Return the seconds that the same requests take without decoding, eight at a time."""
    if survey == "ztf":
        urls = [f"{conf.server}objects/{name}/lightcurve" for name in names]
    else:
        parts = [names[n : n + LSST_CHUNK] for n in range(0, len(names), LSST_CHUNK)]
        route = f"{conf.lsst_server}lightcurve_api/lightcurve?survey_id=lsst"
        urls = [route + "".join(f"&oid={name}" for name in part) for part in parts]
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=conf.concurrency))
    start = time.perf_counter()
    with ThreadPoolExecutor(conf.concurrency) as pool:
        list(pool.map(lambda url: session.get(url, timeout=60).content, urls))
    return time.perf_counter() - start


def _decoding() -> list[str]:
    from alerce.utils import ResultJson

    def theirs(body: bytes):
        return ResultJson(json.loads(body), format="pandas").to_pandas()

    from atlasquery.sandbox.alerce import edge_cases

    rows = [edge_cases.entry(n) for n in range(OBJECTS)]
    found = []
    for what, declared, body in (
        (f"decode {OBJECTS} objects, beside pandas", OBJECT, json.dumps(rows).encode()),
        (
            "decode 600 ragged detections, beside pandas",
            DETECTION,
            json.dumps([r for n in range(20) for r in edge_cases.detections(n)][:600]).encode(),
        ),
    ):

        def mine(body=body, declared=declared):
            return build_table(decode_plain(declared, body))

        found.append(line(what, *paired(mine, lambda body=body: theirs(body)), "<= 1.00"))
    return found


if __name__ == "__main__":
    from astroquery import log

    log.setLevel("WARNING")
    print("\n".join(report()))

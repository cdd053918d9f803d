"""ALeRCE beside the client that it publishes, on the same double, each answer 100 ms late."""

import contextlib
import json
import multiprocessing
import sys
import warnings
from pathlib import Path

from atlasquery.alerce import AlerceClass, conf
from atlasquery.alerce.base import decode_plain
from atlasquery.alerce.columns import DETECTION, OBJECT
from atlasquery.exceptions import MaxResultsWarning
from atlasquery.tables import build_table
from benchmarks.timing import line, paired

DOUBLES = str(Path(__file__).parents[1] / "tests" / "doubles")
LATENCY = 0.1
OBJECTS, CURVES = 1000, 200


def serve(latency: float, pipe) -> None:
    """Be the double, in a process of its own, until the other end closes."""
    sys.path.insert(0, DOUBLES)
    from alerce_server import AlerceDouble

    with AlerceDouble(latency) as double:
        pipe.send(double.settings())
        with contextlib.suppress(EOFError):
            pipe.recv()


@contextlib.contextmanager
def double(latency: float):
    """Let atlasquery ask a double in another process; yield its address."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(latency, there))
    process.start()
    settings = here.recv()
    with contextlib.ExitStack() as stack:
        for name, value in settings.items():
            stack.enter_context(conf.set_temp(name, value))
        yield settings["server"].removesuffix("/ztf/v1/")
    here.send("stop")
    process.join()


def report() -> list[str]:
    """Compare where the other client is installed."""
    try:
        from alerce.core import Alerce as Client
    except ImportError:
        return ["ALeRCE: not compared; pip install 'alerce==2.3.1' for its own client"]
    with warnings.catch_warnings(), double(LATENCY) as url:
        warnings.simplefilter("ignore", MaxResultsWarning)
        ours, client = AlerceClass(), Client()
        client.legacy_ztf_client.config["ZTF_API_URL"] = url
        return [*_objects(ours, client), *_curves(ours, client), *_decoding(ours, client)]


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


def _curves(ours: AlerceClass, client) -> list[str]:
    names = [f"ZTF{18 + n % 5}{_letters(n)}" for n in range(CURVES) if n != 64]

    def many():
        return ours.get_light_curves(names, cache=False, progress=False)

    def one_by_one():
        return [client.query_lightcurve(name, survey="ztf", format="json") for name in names]

    assert len(many()) == len(names)
    what = f"{CURVES} light curves, beside one by one, {LATENCY * 1e3:g} ms late"
    return [line(what, *paired(many, one_by_one, runs=1), "<= 0.25")]


def _decoding(ours: AlerceClass, client) -> list[str]:
    from alerce.utils import ResultJson

    def theirs(body: bytes):
        return ResultJson(json.loads(body), format="pandas").to_pandas()

    sys.path.insert(0, DOUBLES)
    import alerce_sky

    rows = [alerce_sky.entry(n) for n in range(OBJECTS)]
    found = []
    for what, declared, body in (
        (f"decode {OBJECTS} objects, beside pandas", OBJECT, json.dumps(rows).encode()),
        (
            "decode 600 ragged detections, beside pandas",
            DETECTION,
            json.dumps([r for n in range(20) for r in alerce_sky.detections(n)][:600]).encode(),
        ),
    ):

        def mine(body=body, declared=declared):
            return build_table(decode_plain(declared, body))

        found.append(line(what, *paired(mine, lambda body=body: theirs(body)), "<= 1.00"))
    return found


def _letters(n: int) -> str:
    letters = ""
    for _ in range(7):
        letters, n = chr(97 + n % 26) + letters, n // 26
    return letters


if __name__ == "__main__":
    from astroquery import log

    log.setLevel("WARNING")
    print("\n".join(report()))

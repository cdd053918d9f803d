"""SkyPortal compared with its released client, on the same test server."""

import contextlib
import multiprocessing
import tempfile
import time
import warnings
from pathlib import Path

from atlasquery.exceptions import NoResultsWarning
from atlasquery.skyportal import SkyPortalClass, conf
from benchmarks.timing import line, paired

SOURCES = 2000
NAME = "ATLAS24a0000"
# What the released client takes for a list comes as null from servers of 2026.
MISREAD = "gcn_crossmatch"
# Burst and requests per second of a token: docs/servers/skyportal.rst, 'Five requests a second'.
BURST, RATE = 10, 5.0
# Measured on a real server with so many assignments: seconds of their list, and of their runs.
ASSIGNMENTS, RUNS = 53, 4
ALL_OF_THEM, BY_RUN = 16.0, 1.0


def serve(pipe) -> None:
    """Run the test server in a separate process until the pipe closes."""
    from atlasquery.sandbox.skyportal.events import SALT, add_analysis, add_event, add_galaxy
    from atlasquery.sandbox.skyportal.server import ADMIN, SkyPortalSandbox

    with SkyPortalSandbox() as double:
        sky = double.state
        for n in range(SOURCES):
            sky.add_source(f"ATLAS24a{n:04d}", n * 0.1, 2.0, redshift=0.03)
        sky.add_candidate(NAME, 0.0, 2.0)
        for n in range(3):
            sky.add_point(NAME, 60000.0 + n, "atlaso", 100.0, 10.0)
        sky.classify(NAME, "Ia")
        sky.comment(NAME, "Rising.")
        sky.annotate(NAME, "sherlock", {"separation": 1.0})
        add_galaxy(sky, "NGC 4255", 1.0, 2.0)
        add_event(sky, "2018-01-16T00:36:53")
        add_analysis(sky, NAME)
        add_assignments(double)
        sky.tables["services"] = [{k: v for k, v in SALT.items() if k != "authinfo"}]
        pipe.send((double.url, ADMIN))
        with contextlib.suppress(EOFError):
            while (message := pipe.recv()) != "stop":
                sky.extra, sky.without = message["extra"], message["without"]
                double.throttle = None
                if message["throttled"]:
                    double.throttled(RATE, BURST)
                pipe.send("done")


def add_assignments(double) -> None:
    """Add targets of runs, which the server takes as long for as the real one."""
    run = {"id": 1, "instrument_id": 2, "calendar_date": "2026-12-24", "group_id": 3}
    double.state.tables["runs"] = [{**run, "id": n} for n in range(1, RUNS + 1)]
    double.state.tables["assignments"] = {
        n: {
            "id": n, "obj_id": f"ATLAS24a{n:04d}", "run_id": 1 + n % RUNS, "priority": "3",
            "status": "pending", "comment": None, "requester": {"username": "admin"},
            "requester_id": 1, "created_at": None, "modified": None, "obj": {},
            "rise_time_utc": "2026-12-24T10:16:56.513", "set_time_utc": None,
        }
        for n in range(1, ASSIGNMENTS + 1)
    }  # fmt: skip
    double.hooks += [
        ("GET /api/assignment$", lambda: time.sleep(ALL_OF_THEM)),
        (r"GET /api/observing_run/\d+$", lambda: time.sleep(BY_RUN / RUNS)),
    ]


@contextlib.contextmanager
def double():
    """Run the test server in another process; yield its address, a token, and a pipe to it."""
    here, far_end = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(far_end,))
    process.start()
    url, token = here.recv()

    def tell(*, extra=None, without=(), throttled=False):
        here.send({"extra": extra or {}, "without": set(without), "throttled": throttled})
        here.recv()

    yield url, token, tell
    here.send("stop")
    process.join()


def report() -> list[str]:
    """Compare, with the other client if it is installed."""
    return [*assignments(), *_beside_the_other()]


def assignments() -> list[str]:
    """Time targets of observing runs: by run, and from the list of all, which is slow."""
    with double() as (url, token, _), tempfile.TemporaryDirectory() as folder:
        ours = SkyPortalClass(url, token)
        ours.cache_location = Path(folder)
        begun = time.perf_counter()
        by_run = ours.get_assignments(cache=False)
        between = time.perf_counter()
        listed = ours.request("GET", "assignment", cache=False)
        ended = time.perf_counter()
        if sorted(by_run["id"]) != sorted(one["id"] for one in listed):
            raise AssertionError("the runs and the list have other assignments")
    quick, slow = between - begun, ended - between
    what = f"{len(listed)} assignments of {RUNS} runs, by run and from the list"
    return [line(what, quick, slow, quick / slow, "<0.2")]


def _beside_the_other() -> list[str]:
    """Compare if the other client is installed."""
    try:
        from skyportal_py import create_client
    except ImportError:
        return ["SkyPortal: not compared; pip install 'skyportal-py==0.3.3' for its own client"]
    with (
        warnings.catch_warnings(),
        double() as (url, token, tell),
        tempfile.TemporaryDirectory() as folder,
        conf.set_temp("max_rows", -1),
    ):
        warnings.simplefilter("ignore", NoResultsWarning)
        ours = SkyPortalClass(url, token)
        ours.cache_location = Path(folder)
        client = create_client(url.removesuffix("/api/"), token=token)
        return [*_answers(ours, client, tell), *_walks(ours, client, tell)]


def calls(ours: SkyPortalClass, client) -> dict:
    """Return the same queries for both clients, by name."""
    return {
        "source": (lambda: ours.get_source(NAME, cache=False), lambda: client.fetch_source(NAME)),
        "sources": (
            lambda: ours.query_criteria(source_id=NAME, cache=False),
            lambda: client.fetch_sources(source_id=NAME),
        ),
        "candidate": (
            lambda: ours.get_candidate(NAME, cache=False),
            lambda: client.fetch_candidate(NAME),
        ),
        "candidates": (lambda: ours.query_candidates(cache=False), client.fetch_candidates),
        "photometry": (
            lambda: ours.get_photometry(NAME, cache=False),
            lambda: client.fetch_photometry(NAME),
        ),
        "classifications": (
            lambda: ours.get_classifications(NAME, cache=False),
            lambda: client.fetch_classifications(NAME),
        ),
        "comments": (
            lambda: ours.get_comments(NAME, cache=False),
            lambda: client.fetch_comments(NAME),
        ),
        "annotations": (
            lambda: ours.get_annotations(NAME, cache=False),
            lambda: client.fetch_annotations(NAME),
        ),
        "galaxies": (lambda: ours.query_galaxies(cache=False), client.fetch_galaxies),
        "events": (lambda: ours.query_gcn_events(cache=False), client.fetch_gcn_events),
        "services": (
            ours.list_analysis_services,
            client.fetch_analysis_services,
        ),
    }


def works(call) -> bool:
    """Return whether a query succeeds."""
    try:
        return call() is not None
    except Exception:
        return False


def _answers(ours: SkyPortalClass, client, tell) -> list[str]:
    """Count the queries that succeed, for servers of several versions."""
    asked, found = calls(ours, client), []
    for what, message in (
        ("as the released client knows it", {"without": [MISREAD]}),
        ("of 2026", {}),
        ("with a key that is new", {"extra": {"new_key": 1}, "without": [MISREAD]}),
        ("without a key", {"without": [MISREAD, "created_at"]}),
    ):
        tell(**message)
        mine = {name: works(call) for name, (call, _) in asked.items()}
        theirs = {name: works(call) for name, (_, call) in asked.items()}
        assert all(mine.values()), mine
        failed = [name for name, good in theirs.items() if not good]
        found.append(
            f"SkyPortal {what + ': questions answered':<58}{sum(mine.values()):>9}"
            f"{len(theirs) - len(failed):>9}   of {len(asked)}"
            + (f"; the other fails at {', '.join(failed)}" if failed else "")
        )
    return found


def _walks(ours: SkyPortalClass, client, tell) -> list[str]:
    """Read all pages of sources, with and without the server's rate limit."""

    def walk():
        found = ours.query_criteria(cache=False)
        assert len(set(found["id"])) == SOURCES
        return found

    def theirs(size: int, sleep: float = 0.0):
        rows, number = [], 0
        while len(rows) < SOURCES:
            number += 1
            rows += client.fetch_sources(page_number=number, num_per_page=size).sources
            time.sleep(sleep)
        return rows

    tell(without=[MISREAD])
    walk()
    found = [
        line(
            f"{SOURCES} sources in pages of 500",
            *paired(walk, lambda: theirs(500), runs=5),
            "<= 1.00",
        )
    ]
    for size in (500, 100):
        tell(without=[MISREAD], throttled=True)
        pages = SOURCES // size
        # The burst goes at once, the others at the server's rate; a user's other programs may take
        # the rest of what the server takes at once.
        least = max(0.0, (pages - conf.burst) / RATE)
        bound = max(0.0, (pages - BURST) / RATE)
        limit = f"our pace allows {least * 1e3:.0f} ms, the server's {bound * 1e3:.0f} ms"
        with conf.set_temp("page_size", size), conf.set_temp("limit_loopback", True):
            _rest()
            mine = _timed(walk)
            _rest()
            other = _timed(lambda size=size: theirs(size, 1 / RATE))
        found.append(
            line(
                f"{SOURCES} sources in {pages} pages, 5 requests a second; beside sleep(0.2)",
                mine, other, mine / other, "<= 1.00", limit,
            )
        )  # fmt: skip
    tell(without=[MISREAD], throttled=True)
    _rest()
    try:
        theirs(50)
        found.append("The released client without sleep(): it came through")
    except Exception as error:
        found.append(
            f"The released client without sleep(), 40 pages: {type(error).__name__}, {error!s:.60}"
        )
    return found


def _rest() -> None:
    """Let both ends forget what was asked so far."""
    time.sleep((BURST + 2) / RATE)


def _timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    from astroquery import log

    log.setLevel("WARNING")
    print("\n".join(report()))

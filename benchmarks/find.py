"""A thousand positions asked of all services at once, compared with one by one.

Each request to a simulated server takes 100 ms more, as between continents. One by one is what
a loop over ``find`` takes, which asks the four services at the same time too; it is measured for
a sample of the positions.
"""

import contextlib
import multiprocessing
import os
import time
import warnings
from unittest import mock

import numpy as np
from astropy.coordinates import SkyCoord
from astroquery import cache_conf

from atlasquery import find
from atlasquery.exceptions import NoResultsWarning
from benchmarks.timing import line

LATENCY = 0.1
POSITIONS, SAMPLE = 1000, 20
SERVICES = ["atlas", "alerce", "lccserver", "skyportal"]


def serve(latency: float, pipe) -> None:
    """Run all servers in a separate process until the pipe closes."""
    from atlasquery.sandbox import Sandbox

    with Sandbox(services=SERVICES, latency=latency) as box:
        box.alerce.latency = box.skyportal.latency = latency
        answer = box.lccserver.answer
        box.lccserver.answer = lambda request: (time.sleep(latency), answer(request))[1]
        pipe.send(box.environment())
        with contextlib.suppress(EOFError):
            pipe.recv()


@contextlib.contextmanager
def servers(latency: float):
    """Point atlasquery at servers in another process."""
    here, far_end = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(latency, far_end))
    process.start()
    with (
        mock.patch.dict(os.environ, here.recv()), cache_conf.set_temp("cache_active", False),
    ):  # fmt: skip
        yield
    here.send("stop")
    process.join()


def report() -> list[str]:
    """Compare for positions in a field of a degree, and for some all over the sky."""
    rng = np.random.default_rng(16)
    field = SkyCoord(150.1 + rng.uniform(-0.5, 0.5, POSITIONS),
                     2.2 + rng.uniform(-0.5, 0.5, POSITIONS), unit="deg")  # fmt: skip
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, POSITIONS)))
    sky = SkyCoord(rng.uniform(0, 360, POSITIONS), dec, unit="deg")
    found = []
    with servers(LATENCY), warnings.catch_warnings():
        warnings.simplefilter("ignore", NoResultsWarning)
        find(field[0], services=SERVICES)
        for positions, where, aim in ((field, "in a field", "<= 0.05"), (sky, "all over", "")):
            found.append(_compared(positions, f"{where}, all", SERVICES, aim))
        # All over the sky the slowest decides: its server takes one position in a request.
        for service, aim in zip(SERVICES, ("", "<= 0.10", "<= 0.05", "<= 0.05"), strict=True):
            found.append(_compared(sky, f"all over, {service}", [service], aim))
    return found


def _compared(positions: SkyCoord, where: str, services: list[str], aim: str) -> str:
    """Compare all positions at once with a sample of them one by one."""
    started = time.perf_counter()
    result = find(positions, services=services, timeout=600)
    together = time.perf_counter() - started
    if result.failures:
        raise RuntimeError(f"find, {where}: {result.failures}")
    started = time.perf_counter()
    for position in positions[:SAMPLE]:
        find(position, services=services)
    alone = (time.perf_counter() - started) / SAMPLE * POSITIONS
    what = f"find of {POSITIONS} positions {where}, {LATENCY * 1e3:g} ms, beside one by one"
    shares = ", ".join(f"{name} {taken:.1f} s" for name, taken in result.seconds.items())
    return line(what, together, alone, together / alone, aim, shares)


if __name__ == "__main__":
    print("\n".join(report()))

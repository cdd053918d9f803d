"""The queue of the forced photometry server, compared with the script of its API guide."""

import contextlib
import io
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import requests
from astropy.config import set_temp_cache, set_temp_config
from astropy.coordinates import SkyCoord

from atlasquery.forcedphot import AtlasForcedClass, conf

TASKS, POLL = 250, 15.0
# Seconds of a task, and how much faster than the clock the double's time runs. So much faster a
# client is late for its polls, which are then fewer, and find more.
PACES = {"fast": (2.0, 150.0), "slow": (60.0, 1500.0)}
# A ZIP of images: how many blocks of which size.
BLOCK, BLOCKS = 1 << 20, 600
PORTION = """
import resource, sys
from pathlib import Path
address, how, path = sys.argv[1:]
if how == "ours":
    from atlasquery.forcedphot import AtlasForcedClass
    AtlasForcedClass(address).get_images(1, path=path)
else:
    import astropy.coordinates, requests
    answer = requests.get(address + "queue/1/images.zip", timeout=600)
    Path(path).write_bytes(answer.content)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def report() -> list[str]:
    """Count requests, then measure memory."""
    return ["forced photometry: the queue, on a test server", *_polls(), *_images()]


def _polls() -> list[str]:
    head = f"{'requests for each poll, and all of them (and refused by the server)':<68}"
    lines = [f"{head}{'ours':>9}{'guide':>9}"]
    for pace, (runtime, speed) in PACES.items():
        for many in (1, 2):
            ours = _run(_ours, many, runtime, speed)
            theirs = _run(_guide, many, runtime, speed)
            what = f"{TASKS} {pace} tasks in {many} process{'es' * (many > 1)}"
            lines.append(f"{what:<68}{ours[0]:>9.2f}{theirs[0]:>9.2f}           <= 1.20")
            all_of_them = f"{ours[1]} ({ours[2]})", f"{theirs[1]} ({theirs[2]})"
            lines.append(f"{'':<68}{all_of_them[0]:>9}{all_of_them[1]:>9}")
    return lines


def _run(work, many: int, runtime: float, speed: float) -> tuple[float, int, int]:
    """Return the requests for a poll, all of them, and those that the server refused."""
    from clocks import FastClock

    from atlasquery.sandbox.forcedphot.server import ForcedSandbox

    start = time.time()
    context = multiprocessing.get_context("spawn")
    with ForcedSandbox(FastClock(start, speed), runtime=runtime) as double:
        token = double.users["alice"].token
        counts = context.Queue()
        args = [(work, double.url, token, start, speed, TASKS // many, k) for k in range(many)]
        tasks = [context.Process(target=_process, args=(counts, *each)) for each in args]
        for task in tasks:
            task.start()
        polls = sum(counts.get(timeout=600) for _ in tasks)
        for task in tasks:
            task.join(60)
        reads = [r for r in double.asked("GET", "/queue/") if "data.txt" not in r.path]
        refused = sum(r.status == 429 for r in double.requests)
        return len(reads) / polls, len(reads), refused


def _process(counts, work, url, token, start, speed, number, k) -> None:
    from clocks import FastClock

    class Counting(FastClock):
        slept = 0

        def sleep(self, seconds):
            self.slept += 1
            super().sleep(seconds)

    where = SkyCoord(np.linspace(1, 300, number), np.full(number, 5.0 + k), unit="deg")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for name, change in (("cache", set_temp_cache), ("config", set_temp_config)):
            Path(folder, name).mkdir()
            stack.enter_context(change(str(Path(folder, name))))
        counts.put(work(url, token, Counting(start, speed), where))


def _ours(url, token, clock, where) -> int:
    forced = AtlasForcedClass(url)
    forced._clock = clock
    forced.login(token=token)
    with conf.set_temp("limit_loopback", True), conf.set_temp("poll_seconds", POLL):
        jobs = forced.submit(where, start=59000, end=59004)
        clock.slept = 0
        forced.wait(jobs, progress=False)
    return clock.slept + 1


def _guide(url, token, clock, where) -> int:
    """Do as the guide does: poll each task until it is finished, wait after a refusal."""
    session = requests.Session()
    session.headers.update({"Authorization": f"Token {token}", "Accept": "application/json"})
    lines = [f"{ra} {dec}" for ra, dec in zip(where.ra.deg, where.dec.deg, strict=True)]
    waiting = []
    for n in range(0, len(lines), 100):
        form = {"radeclist": "\n".join(lines[n : n + 100]), "mjd_min": 59000, "mjd_max": 59004}
        waiting += [t["url"] for t in session.post(url + "queue/", json=form, timeout=60).json()]
    polls = 0
    while waiting:
        polls += 1
        for address in list(waiting):
            answer = session.get(address, timeout=60)
            if answer.status_code == 429:
                clock.sleep(float(re.findall(r"available in (\d+)", answer.text)[0]))
            elif answer.json()["finishtimestamp"]:
                waiting.remove(address)
        clock.sleep(POLL)
    return polls


def _images() -> list[str]:
    """Measure the memory of a process that downloads a ZIP of images."""
    from clocks import JumpingClock

    from atlasquery.sandbox.forcedphot.server import ForcedSandbox

    with ForcedSandbox(JumpingClock()) as double, tempfile.TemporaryDirectory() as folder:
        double.queue.add(
            "alice",
            1,
            double.clock.now(),
            {"ra": 1.0, "dec": 1.0, "mjd_min": 59000, "mjd_max": 59004},
        )
        double.queue.zips.add(1)
        double.images = _archive
        peaks = {}
        for how in ("ours", "requests"):
            done = subprocess.run(
                [sys.executable, "-c", PORTION, double.url, how, str(Path(folder, "images.zip"))],
                check=True, stdout=subprocess.PIPE, text=True,
                env={**os.environ, **double.environment()},
            )  # fmt: skip
            peaks[how] = int(done.stdout) / 1e6
        ours, theirs = peaks["ours"], peaks["requests"]
    what = f"megabytes of memory to put {BLOCK * BLOCKS / 1e6:.0f} MB of images on the disk"
    return [f"{what:<68}{ours:>9.0f}{theirs:>9.0f}{ours / theirs:>8.2f}  <= 150 MB"]


def _archive():
    """Return the size of a ZIP file, and an iterator of its blocks."""
    name = zipfile.ZipInfo("images")
    head = io.BytesIO()
    with zipfile.ZipFile(head, "w") as archive, archive.open(name, "w", force_zip64=True):
        pass
    body = head.getvalue()
    # What is before the directory of a ZIP is not looked at.
    blocks = (bytes(BLOCK) if n < BLOCKS else body for n in range(BLOCKS + 1))
    return BLOCK * BLOCKS + len(body), blocks


if __name__ == "__main__":
    print("\n".join(report()))

"""What a process does that may be killed: submit or take up, wait, fetch."""

from pathlib import Path

import numpy as np
from astropy.config import set_temp_cache, set_temp_config
from astropy.coordinates import SkyCoord
from clocks import FastClock

from atlasquery.forcedphot import AtlasForcedClass, ForcedJobs, conf

POSITIONS = SkyCoord(np.linspace(0.5, 359.5, 250), np.linspace(-70, 70, 250), unit="deg")


def client(url, token, folder, clock):
    made = AtlasForcedClass(url)
    made._clock = clock
    made.cache_location = Path(folder) / "answers"
    made.login(token=token)
    return made


def work(url, token, folder, start, speed):
    """Do all of it, from wherever the file says that it is."""
    folder = Path(folder)
    path = folder / "jobs.json"
    with (
        set_temp_cache(str(folder / "cache")),
        set_temp_config(str(folder / "config")),
        conf.set_temp("limit_loopback", True),
        conf.set_temp("concurrency", 1),
    ):
        forced = client(url, token, folder, FastClock(start, speed))
        if path.exists():
            jobs = ForcedJobs.load(path)
        else:
            jobs = forced.submit(POSITIONS, start=59000, end=59004, save=path)
        forced.wait(jobs, progress=False)
        forced.fetch(jobs)

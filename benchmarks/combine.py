"""Combine the light curves of three surveys, compared with concat, sort and drop_duplicates."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd

from atlasquery import combine
from atlasquery.lightcurve import SCHEMA, build_light_curve
from atlasquery.lightcurve.light_curves import arrays_of
from atlasquery.tables import Column, Rows
from benchmarks.timing import line, paired

__all__ = ["report"]

OBJECTS, ROWS = 10_000, 300
CHUNK = 1 << 17
RUNS = 3
# Survey, its bands, its time scale, what its times are of an exposure, and the first exposure.
SURVEYS = (
    ("atlas", "ATLAS Transient Server", "co", "utc", "start", "04a{}o{:04}o"),
    ("ztf", "ALeRCE broker", "gr", "utc", "start", "{}0{:04}15"),
    ("lsst", "ALeRCE broker", "gri", "tai", "middle", "{}00{:05}"),
)
KEY = ["object", "survey", "band", "exposure", "flux"]
# Code of the process whose time is measured, with the number of objects as its argument.
GROWTH = """
import sys
from time import process_time
from benchmarks.combine import ours, surveys
curves, _ = surveys(int(sys.argv[1]), frames=False)
times = []
for _ in range(3):
    start = process_time()
    ours(curves)
    times.append(process_time() - start)
print(min(times))
"""


def columns(survey: tuple, objects: int, seed: int) -> dict[str, np.ndarray]:
    """Return the measurements of all objects by one survey, object by object."""
    name, _, bands, _, _, exposures = survey
    rng = np.random.default_rng(seed)
    n = objects * ROWS
    night = np.sort(rng.integers(58000, 61000, (objects, ROWS)), axis=1).ravel()
    flux, err = rng.normal(100.0, 30.0, n), rng.uniform(5.0, 15.0, n)
    # Exposures are of the sky, so that many objects are in each.
    names = np.array([exposures.format(58000 + k // 50, k % 50) for k in range(50 * 3000)])
    number = rng.integers(0, 50, n)
    return {
        "object": np.repeat(np.arange(objects), ROWS),
        "time": night + 0.2 + 0.005 * number,
        "band": np.array(list(bands))[rng.integers(0, len(bands), n)],
        "detection": flux > 5 * err,
        "flux": flux,
        "flux_err": err,
        "mag": 23.9 - 2.5 * np.log10(np.where(flux > 5 * err, flux, np.nan)),
        "mag_err": 1.0857 * err / flux,
        "limiting_mag": 23.9 - 2.5 * np.log10(5 * err),
        "exposure_time": np.full(n, 30.0),
        "survey": np.full(n, name),
        "exposure": names[(night - 58000) * 50 + number],
    }


def surveys(objects: int, *, frames: bool = True) -> tuple[list[dict], list[pd.DataFrame]]:
    """Return the light curves of each survey by object, and the same as data frames."""
    curves, tables = [], []
    for seed, survey in enumerate(SURVEYS):
        values = columns(survey, objects, seed)
        if frames:
            frame = pd.DataFrame(values)
            # As who knows pandas would have them: names of few values are categories.
            few = ["band", "survey"]
            tables.append(
                frame.astype(dict.fromkeys(few, "category") | {"exposure": "string[pyarrow]"})
            )
        curves.append(_by_object(values, survey, objects))
    return curves, tables


def _by_object(values: dict, survey: tuple, objects: int) -> dict:
    name, service, _, scale, reference, _ = survey
    meta = {
        "survey": name,
        "service": service,
        "time_reference": reference,
        "time_reference_position": "topocenter",
        "flux_kind": "difference",
        "history": [],
    }
    found = {}
    for n in range(objects):
        rows = slice(n * ROWS, (n + 1) * ROWS)
        part = {key: values[key][rows].copy() for key in values}
        numbers = Rows(length=ROWS)
        numbers.add(Column("number", int), part.pop("object"))
        time = part.pop("time")
        found[n] = build_light_curve(
            time, part, numbers, scale=scale, meta=meta | {"object": str(n)}
        )
    return found


def ours(curves: list[dict]) -> int:
    """Combine, and read the columns of all rows, as `bin` does: some objects at a time."""
    source = arrays_of(combine(curves, duplicates="drop"), [])
    total = 0
    for _, part in source.pieces(CHUNK, None):
        total += len(part.mjd())
        for column in SCHEMA:
            read = part.numbers if column.kind in (float, bool) else part.labels
            read(column.name)
    return total


def theirs(frames: list[pd.DataFrame]) -> int:
    """Concatenate, sort and drop duplicates; times and references are not looked at."""
    frame = pd.concat(frames, ignore_index=True)
    frame = frame.sort_values(["object", "time"], ignore_index=True)
    return len(frame.drop_duplicates(KEY, ignore_index=True))


def report() -> list[str]:
    """Compare ten thousand objects, and check that the time grows with their number."""
    curves, frames = surveys(OBJECTS)
    rows = [f"{OBJECTS} objects of {len(SURVEYS)} surveys, {ROWS} rows of each: combine"]
    timed = paired(partial(ours, curves), partial(theirs, frames), runs=RUNS, clock=process_time)
    rows.append(line("combine; pandas concat, sort, drop_duplicates", *timed, "<= 0.50"))
    if ours(curves) > theirs(frames):
        raise AssertionError("combine has kept rows that pandas has dropped")
    del curves, frames
    few, many = (_alone(objects) for objects in (OBJECTS // 10, OBJECTS))
    what = f"{OBJECTS} objects; ten times {OBJECTS // 10}"
    rows.append(line(what, many, 10 * few, many / (10 * few), "<= 1.15"))
    return rows


def _alone(objects: int) -> float:
    """Return the seconds of a separate process that combines so many objects."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, str(objects)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    return float(done.stdout)

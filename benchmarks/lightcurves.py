"""Clean light curves and bin them by night, compared with a pandas groupby."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import process_time

import astropy.units as u
import numpy as np
import pandas as pd
from astropy.table import QTable
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.lightcurve import SCHEMA, bin, build_light_curve, clean
from atlasquery.lightcurve.schema import schema_columns
from atlasquery.tables import Column, Rows, assemble
from benchmarks.timing import line, paired

__all__ = ["report"]

CURVES, ROWS = 10_000, 300
RUNS = 5
WITHOUT_SYSTEM = " (user time)"
SCATTER = 1.4826022185056018
OWN = (
    Column("error_code", int, required=True),
    Column("reduced_chi2", required=True),
    Column("x", unit=u.pix),
    Column("y", unit=u.pix),
    Column("psf_major", unit=u.pix),
    Column("psf_minor", unit=u.pix),
    Column("aperture_correction", unit=u.mag),
    Column("sky_brightness", unit=u.mag / u.arcsec**2),
)
# Code of the process whose time and memory are measured; its arguments are the kind of input and
# the number of light curves. User CPU time is measured, so that other programs do not matter, and
# neither does the kernel, which clears newly allocated memory: on a virtual machine that can take
# a large part of the longer runs.
GROWTH = """
import re, sys
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from benchmarks.lightcurves import working
status = Path("/proc/self/status")
peak = lambda: int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]) / 1e3
work = working(sys.argv[1], int(sys.argv[2]))
before, runs = peak(), []
for _ in range(5):
    start = getrusage(RUSAGE_SELF)
    work()
    end = getrusage(RUSAGE_SELF)
    user_time = end.ru_utime - start.ru_utime
    runs.append((user_time + end.ru_stime - start.ru_stime, user_time))
print(*map(min, zip(*runs)), before, peak())
"""


def user_time() -> float:
    """Return the user CPU time of this process in seconds."""
    return getrusage(RUSAGE_SELF).ru_utime


def columns(curves: int) -> dict[str, np.ndarray]:
    """Return forced photometry of many objects: four exposures a night, one in ten flagged."""
    rng = np.random.default_rng(1)
    n = curves * ROWS
    night = np.tile(np.repeat(np.arange(ROWS // 4) * 2.0, 4), curves)
    half = np.tile([False, False, True, True], n // 4)
    err = rng.uniform(10.0, 40.0, n)
    return {
        "atlas_id": np.repeat(10**18 + np.arange(curves), ROWS),
        "time": 59000.0 + night + np.tile(np.arange(4) * 0.01 + 0.3, n // 4),
        # Some nights have both bands.
        "band": np.where((night % 8 == 0) | ((night % 10 == 0) & half), "c", "o"),
        "flux": rng.normal(100.0, err),
        "flux_err": err,
        "limiting_mag": rng.uniform(17.5, 19.5, n),
        "error_code": np.zeros(n, np.int64),
        "reduced_chi2": rng.uniform(0.5, 2.0, n),
        "x": rng.uniform(0.0, 10560.0, n),
        "y": rng.uniform(300.0, 10400.0, n),
        "psf_major": rng.uniform(2.0, 4.0, n),
        "psf_minor": rng.uniform(2.0, 4.0, n),
        "aperture_correction": rng.uniform(-0.5, -0.2, n),
        "sky_brightness": rng.uniform(16.8, 21.0, n),
    }


def _schema(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    n = len(values["time"])
    filler = {float: np.full(n, np.nan), bool: np.zeros(n, bool), str: np.full(n, "atlas")}
    return {c.name: values.get(c.name, filler[c.kind]) for c in SCHEMA}


def _own(values: dict[str, np.ndarray], *further: Column) -> Rows:
    rows = Rows(length=len(values["time"]))
    for column in (*OWN, *further):
        rows.add(column, values[column.name])
    return rows


def stacked(values: dict[str, np.ndarray]):
    """Return one table of the light curves of many objects."""
    rows = _own(values, Column("atlas_id", int, required=True))
    lc = TimeSeries()
    assemble(lc, schema_columns(values["time"], _schema(values), rows, scale="utc"))
    return lc


def lean(values: dict[str, np.ndarray]) -> QTable:
    """Return a stacked table with only the required columns."""
    times = Time(values["time"], format="mjd", scale="utc")
    units = {column.name: column.unit for column in (*SCHEMA, *OWN)}
    table = QTable({"time": times}, copy=False)
    for name, array in values.items():
        if name != "time":
            unit = units.get(name)
            table[name] = array if unit is None else u.Quantity(array, unit, copy=False)
    return table


def separate(values: dict[str, np.ndarray]) -> dict:
    """Return the same as light curves by id."""
    curves = {}
    for first in range(0, len(values["time"]), ROWS):
        part = {name: array[first : first + ROWS].copy() for name, array in values.items()}
        curves[int(part["atlas_id"][0])] = build_light_curve(
            part["time"], _schema(part), _own(part), scale="utc", meta={}
        )
    return curves


def frame_binned(frame: pd.DataFrame, *, clip: bool) -> pd.DataFrame:
    """Clean and bin with pandas: the FAQ's cuts, one pass of clipping, inverse variance."""
    good = (frame.flux_err < 10000) & (frame.error_code == 0) & frame.flux.notna()
    for name, low, high in (
        ("x", 100, 10460),
        ("y", 100, 10460),
        ("psf_major", 1.6, 5),
        ("psf_minor", 1.6, 5),
        ("aperture_correction", -1, -0.1),
        ("limiting_mag", 17, np.inf),
        ("sky_brightness", 17, np.inf),
    ):
        good &= (frame[name] > low) & (frame[name] < high)
    rows = frame.loc[good, ["atlas_id", "band", "time", "flux", "flux_err"]]
    keys = [rows.atlas_id, rows.band, np.floor(rows.time).rename("night")]
    if clip:
        by = rows.groupby(keys, observed=True)
        away = (rows.flux - by.flux.transform("median")).abs()
        scatter = SCATTER * away.groupby(keys, observed=True).transform("median")
        rows = rows[away <= 3 * np.maximum(rows.flux_err, scatter)]
        keys = [key[rows.index] for key in keys]
    weight = rows.flux_err**-2.0
    parts = {
        "w": weight,
        "wf": weight * rows.flux,
        "wff": weight * rows.flux**2,
        "wt": weight * rows.time,
        "first": rows.time,
        "last": rows.time,
        "n": rows.flux,
    }
    how = dict.fromkeys(("w", "wf", "wff", "wt"), "sum")
    how |= {"first": "min", "last": "max", "n": "count"}
    sums = pd.DataFrame(parts).groupby(keys, observed=True).agg(how)
    out = pd.DataFrame({"time": sums.wt / sums.w, "flux": sums.wf / sums.w})
    out["flux_err"] = sums.w**-0.5
    out["reduced_chi2"] = (sums.wff - sums.wf**2 / sums.w) / (sums.n - 1)
    out["mag"] = 23.9 - 2.5 * np.log10(out.flux.where(out.flux > 0))
    out["limiting_mag"] = 23.9 - 2.5 * np.log10(5 * out.flux_err)
    return out.join(sums[["n", "first", "last"]])


def working(kind: str, curves: int) -> Callable:
    """Return a function that cleans and bins so many curves, for a kind of `_growth`."""
    values = columns(curves)
    if kind == "pandas":
        frame = pd.DataFrame(values).astype({"band": "category"})
        return partial(frame_binned, frame, clip=False)
    if kind == "a mapping":
        return partial(_ours, separate(values), sigma_clip=None)
    return partial(_ours, lean(values), by=("atlas_id", "band"), sigma_clip=None)


def report() -> list[str]:
    """Compare ten thousand light curves, and check that the time grows with their number."""
    rows = [f"{CURVES} light curves of {ROWS} rows, cleaned (faq) and binned by night"]
    values = columns(CURVES)
    table, like_theirs, curves = stacked(values), lean(values), separate(values)
    frame = pd.DataFrame(values).astype({"band": "category"})
    for clip in (None, 3.0):
        theirs = partial(frame_binned, frame, clip=clip is not None)
        ours, ours_like = (
            partial(_ours, lc, by=("atlas_id", "band"), sigma_clip=clip)
            for lc in (table, like_theirs)
        )
        ours_apart = partial(_ours, curves, sigma_clip=clip)
        what = "" if clip is None else ", outliers clipped"
        for name, work, other, beside, aim, clock in (
            ("one stacked table", ours, theirs, "pandas", "<= 1.00", process_time),
            ("one stacked table", ours, theirs, f"pandas{WITHOUT_SYSTEM}", "<= 1.00", user_time),
            ("one of the frame's columns", ours_like, theirs, "pandas", "<= 1.00", process_time),
            ("a mapping", ours_apart, theirs, "pandas", "<= 0.80", process_time),
            ("a mapping", ours_apart, theirs, f"pandas{WITHOUT_SYSTEM}", "<= 0.80", user_time),
            ("a mapping", ours_apart, ours, "the stacked table", "<= 2.00", process_time),
        ):
            timed = paired(work, other, runs=RUNS, clock=clock)
            rows.append(line(f"{name}{what}; {beside}", *timed, aim))
    return rows + _growth()


def _ours(lc, **options):
    return bin(clean(lc, "faq"), **options)


def _growth() -> list[str]:
    """Measure ten times as many light curves, each number in a separate process."""
    rows, growth = [], []
    for kind, aim in (("one stacked table", "<= 1.15"), ("a mapping", "<= 1.15"), ("pandas", "")):
        found = []
        for curves in (CURVES, 10 * CURVES):
            done = subprocess.run(
                [sys.executable, "-c", GROWTH, kind, str(curves)],
                capture_output=True,
                text=True,
                check=True,
                cwd=Path(__file__).parents[1],
            )
            found.append([float(number) for number in done.stdout.split()])
        (*few, _, _), (*many, before, after) = found
        for share, little, much in zip(("", WITHOUT_SYSTEM), few, many, strict=True):
            what = f"{10 * CURVES}, {kind}; ten times {CURVES}{share}"
            rows.append(line(what, much, 10 * little, much / (10 * little), aim))
        growth.append(f"{10 * CURVES}, {kind}: peak of {after:.0f} MB, {before:.0f} MB before")
    return rows + growth

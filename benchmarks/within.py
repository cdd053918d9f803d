"""Evaluate a sky map at a million positions, compared with the cross-match of ligo.skymap.

The map has 20,000 cells of orders 3 to 11, with distances. This package gives density, credible
level, and mean and standard deviation of the distance; ligo.skymap is asked for densities and
levels alone, on a map without distances, since its evaluation of distances takes seconds. Where
ligo.skymap is not installed only this package and the limit are measured: what astropy-healpix
takes to find the cells.
"""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy_healpix import healpix_to_lonlat, lonlat_to_healpix

from atlasquery import within
from atlasquery.regions import SkyMap
from benchmarks.timing import line, paired

__all__ = ["report"]

POSITIONS, CELLS = 1_000_000, 20_000
ORDERS = (3, 11)
RUNS = 7
# Code of a process whose time and peak of memory are measured.
GROWTH = """
import re, sys
from pathlib import Path
from time import process_time
from benchmarks.within import positions, sky_map, within
peak = lambda: int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1e6
table, where = sky_map(int(sys.argv[2])), positions(int(sys.argv[1]))
within(where[:1000], table)
before, times = peak(), []
for _ in range(3):
    start = process_time()
    within(where, table)
    times.append(process_time() - start)
print(min(times), before, peak())
"""


def sky_map(n_cells: int = CELLS) -> Table:
    """Return a map with distances, whose cells are smaller near a position."""
    low, high = ORDERS
    split = (n_cells - 12 * 4**low) // (3 * (high - low))
    centre, number, found = SkyCoord(40, 20, unit="deg"), np.arange(12 * 4**low), []
    for order in range(low, high):
        lon, lat = healpix_to_lonlat(number, 2**order, order="nested")
        near = np.argsort(SkyCoord(lon, lat).separation(centre))[:split]
        found.append((order, np.delete(number, near)))
        number = (4 * number[near][:, None] + np.arange(4)).ravel()
    found.append((high, number))
    order = np.concatenate([np.full(len(cells), k) for k, cells in found])
    rng = np.random.default_rng(1)
    density = rng.exponential(size=len(order)) * 3.0**order
    density /= np.sum(density * np.pi / 3 / 4.0**order)
    table = Table({"UNIQ": 4 * 4**order + np.concatenate([cells for _, cells in found])})
    table["PROBDENSITY"] = density / u.sr
    table["DISTMU"] = rng.normal(100, 60, len(order)) * u.Mpc
    table["DISTSIGMA"] = rng.uniform(10, 50, len(order)) * u.Mpc
    table["DISTNORM"] = np.full(len(order), 1e-5) / u.Mpc**2
    return table


def positions(n: int, *, near: bool = False) -> SkyCoord:
    """Return positions over the whole sky, or near the densest cells."""
    rng = np.random.default_rng(2)
    if near:
        return SkyCoord(rng.normal(40, 3, n), rng.normal(20, 3, n), unit="deg")
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    return SkyCoord(rng.uniform(0, 360, n), dec, unit="deg")


def crossmatch(table: Table) -> Callable | None:
    """Return the function of ligo.skymap for a map without its distances."""
    try:
        from ligo.skymap.postprocess import crossmatch as match
    except ImportError:
        return None
    return partial(match, table["UNIQ", "PROBDENSITY"])


def report() -> list[str]:
    """Compare positions over the sky and near the event, in CPU time, and growth and memory."""
    rows = ["within a sky map; crossmatch of ligo.skymap, for densities alone (CPU time)"]
    table = sky_map()
    match = crossmatch(table)
    for near in (False, True):
        where = positions(POSITIONS, near=near)
        lon, lat = where.ra, where.dec
        limit = partial(lonlat_to_healpix, lon, lat, 2**29, order="nested")
        spread = "near the event" if near else "over the sky"
        what = f"{POSITIONS:,} positions {spread}, {len(table):,} cells".replace(",", " ")
        if match is not None:
            timed = paired(partial(within, where, table), partial(match, where), runs=RUNS,
                           clock=process_time)  # fmt: skip
            rows.append(line(what, *timed, "<= 1.00"))
        timed = paired(partial(within, where, table), limit, runs=RUNS, clock=process_time)
        rows.append(line("  cells of them by astropy-healpix alone", *timed, "<= 1.00"))
    if match is None:
        rows.append("ligo.skymap is not installed: pip install ligo.skymap")
    else:
        rows.append(_difference(table, match))
    flat = SkyMap.read(_flat())
    where = positions(POSITIONS)
    flat_time = _seconds(partial(within, where, flat)) * 1e3
    what = f"{POSITIONS:,} positions on a flat map of {len(flat):,} pixels".replace(",", " ")
    rows.append(f"{what:<68}{flat_time:>9.2f}")
    return [*rows, *_growth()]


def _flat(order: int = 9) -> Table:
    rng = np.random.default_rng(3)
    probability = rng.exponential(size=12 * 4**order)
    return Table({"PROB": probability / probability.sum()}, meta={"ORDERING": "RING"})


def _difference(table: Table, match: Callable) -> str:
    """Return the largest differences of values from those of ligo.skymap."""
    where = positions(POSITIONS)
    ours, theirs = within(where, table), match(where)
    density = np.max(np.abs(ours["probability_density"] - theirs.probdensity))
    level = np.max(np.abs(ours["credible_level"] - theirs.searched_prob))
    return f"largest difference from ligo.skymap: density {density:.1e}, level {level:.1e}"


def _seconds(work: Callable) -> float:
    work()
    start = process_time()
    work()
    return process_time() - start


def _growth() -> list[str]:
    """Return how time and memory grow with positions and with cells."""
    rows = []
    for n, cells in ((POSITIONS, CELLS), (4 * POSITIONS, CELLS), (POSITIONS, 10 * CELLS)):
        done = subprocess.run(
            [sys.executable, "-c", GROWTH, str(n), str(cells)],
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, before, peak = map(float, done.stdout.split())
        rows.append(
            f"{n:,} positions, {cells:,} cells: {seconds / n * 1e9:.0f} ns for each, peak memory "
            f"{peak:.2f} GB (inputs and imports {before:.2f})".replace(",", " ", 2)
        )
    return rows


if __name__ == "__main__":
    print("\n".join(report()))

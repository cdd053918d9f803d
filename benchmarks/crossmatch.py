"""Cross-match a million positions with a million, compared with astropy's search_around_sky."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord, search_around_sky
from astropy.table import Table

from atlasquery import crossmatch
from benchmarks.timing import line, paired

__all__ = ["report"]

POSITIONS = 1_000_000
RUNS = 3
# Name of a distribution, number of positions on each side, radius.
CASES = (
    ("the whole sky", POSITIONS, 1 * u.arcsec),
    ("one square degree", POSITIONS, 1 * u.arcsec),
    ("a hundred dense clusters", POSITIONS, 1 * u.arcsec),
    ("one degree around a pole", POSITIONS, 1 * u.arcsec),
    ("one square degree", 50_000, 30 * u.arcsec),
    ("the whole sky", 50_000, 1 * u.deg),
)
# Code of a process whose peak of memory is measured, without and with the match.
MEMORY = """
import re, sys
from pathlib import Path
from benchmarks.crossmatch import matching, positions
peak = lambda: int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1e6
ours, theirs = matching("the whole sky", int(sys.argv[2]), sys.argv[3])
before = peak()
(ours if sys.argv[1] == "ours" else theirs)()
print(before, peak())
"""


def _sky(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def positions(kind: str, n: int) -> tuple[SkyCoord, SkyCoord]:
    """Return two lists of positions of one distribution; over the sky half of them match."""
    rng = np.random.default_rng(1)
    sides = []
    clusters = _sky(rng, 100)
    for _ in range(2):
        if kind == "one square degree":
            ra, dec = rng.uniform(10, 11, n), rng.uniform(40, 41, n)
        elif kind == "one degree around a pole":
            ra, dec = rng.uniform(0, 360, n), 90 - np.sqrt(rng.uniform(0, 1, n))
        elif kind == "a hundred dense clusters":
            member = rng.integers(0, 100, n)
            ra, dec = (centre[member] + rng.normal(0, 0.05, n) for centre in clusters)
        else:
            ra, dec = _sky(rng, n)
        sides.append((ra % 360, np.clip(dec, -90, 90)))
    (ra, dec), (ra2, dec2) = sides
    if kind == "the whole sky":
        half = n // 2
        ra2[:half] = ra[:half]
        dec2[:half] = np.clip(dec[:half] + rng.normal(0, 0.3 / 3600, half), -90, 90)
    return SkyCoord(ra, dec, unit="deg"), SkyCoord(ra2, dec2, unit="deg")


def matching(kind: str, n: int, radius: str) -> tuple[Callable, Callable]:
    """Return functions that match with this package, to a table, and with astropy, to indices."""
    left, right = positions(kind, n)
    table = Table({"ra": right.ra, "dec": right.dec, "number": np.arange(n)})
    # Without the trees that astropy stores with the positions from one call to the next.
    theirs = partial(search_around_sky, left, right, u.Quantity(radius), storekdtree=False)
    return partial(crossmatch, left, table, radius), theirs


def report() -> list[str]:
    """Compare distributions of positions, in CPU time, and the peak of memory."""
    rows = ["cross-match of positions; search_around_sky (CPU time)"]
    for kind, n, radius in CASES:
        aim = "<= 0.60" if n == POSITIONS and kind == "the whole sky" else "<= 1.00"
        timed = paired(*matching(kind, n, str(radius)), runs=RUNS, clock=process_time)
        rows.append(line(f"{n:,} in {kind}, {radius:g}".replace(",", " "), *timed, aim))
    ours, theirs = (_peak(who) for who in ("ours", "theirs"))
    rows.append(
        f"peak memory in GB, {POSITIONS:,} and {POSITIONS:,} over the sky: ours {ours[1]:.2f} "
        f"(inputs and imports {ours[0]:.2f}), astropy {theirs[1]:.2f}; aim below 1"
    )
    return rows


def _peak(who: str) -> tuple[float, float]:
    """Return the peak of memory in GB of a separate process, before and after the match."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, who, str(POSITIONS), "1 arcsec"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = map(float, done.stdout.split())
    return before, after


if __name__ == "__main__":
    print("\n".join(report()))

"""What importing the package, and the command, add to importing astroquery."""

import os
import resource
import subprocess
import sys
from functools import partial

from benchmarks.bulk import server
from benchmarks.timing import line, paired

__all__ = ["report"]


def report() -> list[str]:
    """Compare whole interpreters."""
    # Users have compiled modules, which this variable would keep from being written.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    base = _import("import astroquery.query")
    rows = []
    for what in ("import atlasquery", "from atlasquery import Atlas"):
        ours, theirs, ratio = paired(
            _import(f"import astroquery.query; {what}"), base, runs=11, clock=_cpu_of_children
        )
        aim = "<= 60 ms more" if what.startswith("import") else ""
        rows.append(
            line(f"{what}, beside import astroquery.query", ours, theirs, ratio, aim)
            + f"  (+{(ours - theirs) * 1e3:.0f} ms)"
        )
    with server() as (url, manifest, name):
        known = {"SERVER": url, "TOKEN": manifest["users"]["staff"]["token"]}
        os.environ.update({f"ATLASQUERY_ATLAS_{key}": value for key, value in known.items()})
        command = [sys.executable, "-m", "atlasquery", "cone", "150", "2.2", "5arcmin"]
        ask = partial(subprocess.run, [*command, "--no-cache"], check=True, capture_output=True)
        timed = paired(ask, base, runs=5, clock=_cpu_of_children)
        rows.append(line(f"atlasquery cone on {name}, beside import astroquery.query", *timed, ""))
    return rows


def _import(statement: str):
    return lambda: subprocess.run([sys.executable, "-c", statement], check=True)


def _cpu_of_children() -> float:
    # Of the work of the interpreters alone: what else the machine does is left out.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
